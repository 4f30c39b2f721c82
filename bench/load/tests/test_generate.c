#include "run_suite.h"

#include "fixture.h"
#include "schedule.h"
#include "util.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define MESSAGES 30000

static const char *const windows[] = {"1h", "24h"};
static struct fixture fixture;
static struct ld_message message;

static uint64_t hash_of_run(uint64_t seed)
{
    uint64_t hash = 0;
    fixture_defaults(&fixture);
    fixture.traffic.seed = seed;
    fixture_start(&fixture, windows, LD_COUNT(windows));
    for (uint64_t i = 0; i < 5000; i++) {
        ld_generator_next(fixture.generator, fixture_moment(&fixture, i, 5000), true, &message);
        hash = ld_mix(hash ^ ld_hash(message.value, message.value_bytes) ^ ld_hash(message.key, message.key_bytes));
    }
    fixture_stop(&fixture);
    return hash;
}

START_TEST(same_seed_same_bytes)
{
    uint64_t first = hash_of_run(5);
    ck_assert_uint_eq(first, hash_of_run(5));
    ck_assert_uint_ne(first, hash_of_run(6));
}
END_TEST

static void check_share(const char *what, uint64_t count, double share)
{
    double expected = share * MESSAGES;
    ck_assert_msg(fabs((double)count - expected) < 5 * sqrt(expected) + 5, "%s: %llu, expected about %.0f", what,
                  (unsigned long long)count, expected);
}

START_TEST(shares_are_kept)
{
    uint64_t malformed = 0, rejected = 0, repeats = 0, retractions = 0, late = 0, future = 0, cloud = 0, fresh = 0;
    fixture_defaults(&fixture);
    fixture_start(&fixture, windows, LD_COUNT(windows));
    for (uint64_t i = 0; i < MESSAGES; i++) {
        int64_t moment_ms = fixture_moment(&fixture, i, MESSAGES);
        ld_generator_next(fixture.generator, moment_ms, true, &message);
        rejected += message.reason == LD_REASON_FUTURE_TIME;
        malformed += message.reason != LD_ACCEPTED && message.reason != LD_REASON_FUTURE_TIME;
        if (message.event == NULL)
            continue;
        repeats += message.copy == 1;
        retractions += message.event->is_retraction;
        cloud += message.header_count > 0;
        if (message.copy == 1 || message.event->is_retraction)
            continue;
        fresh++;
        late += message.event->time_ms < moment_ms - 5000;
        future += message.event->time_ms > moment_ms;
        /* Accepted means within five minutes of the record, whose timestamp is the moment here. */
        ck_assert_int_le(message.event->time_ms, message.timestamp_ms + 300000);
    }
    check_share("malformed", malformed, 0.05);
    check_share("future rejected", rejected, 0.01);
    check_share("repeats", repeats, 0.05);
    check_share("retractions", retractions, 0.06); /* the orphans among them */
    check_share("late", late, 0.05 * (double)fresh / MESSAGES);
    check_share("future", future, 0.02 * (double)fresh / MESSAGES);
    ck_assert_uint_gt(cloud, MESSAGES / 10);
    fixture_stop(&fixture);
}
END_TEST

START_TEST(late_delays_are_exponential)
{
    double delays = 0;
    uint64_t late = 0, fresh = 0, beyond = 0;
    fixture_defaults(&fixture);
    fixture.traffic.future = fixture.traffic.duplicates = fixture.traffic.retractions = fixture.traffic.orphans = 0;
    fixture.traffic.late = 0.2;
    fixture.traffic.late_mean_ms = 30000;
    fixture_start(&fixture, windows, LD_COUNT(windows));
    for (uint64_t i = 0; i < MESSAGES; i++) {
        int64_t moment_ms = fixture_moment(&fixture, i, MESSAGES);
        ld_generator_next(fixture.generator, moment_ms, true, &message);
        if (message.event == NULL)
            continue;
        fresh++;
        int64_t delay_ms = moment_ms - message.event->time_ms;
        ck_assert_int_ge(delay_ms, 0);
        late += delay_ms > 0;
        delays += (double)delay_ms;
        beyond += delay_ms > 60000; /* e^-2 of them */
    }
    check_share("late", late, 0.2 * (double)fresh / MESSAGES);
    check_share("later than two means", beyond, 0.2 * 0.1353 * (double)fresh / MESSAGES);
    double mean = delays / (double)late;
    ck_assert_msg(fabs(mean - 30000) < 5 * 30000 / sqrt((double)late), "mean delay: %.0f ms", mean);
    fixture_stop(&fixture);
}
END_TEST

/* What the parser makes of a malformed value must fit its reason, so that a wrong row is found here and not in the
 * daemon. */
START_TEST(malformed_rows_fit_their_reasons)
{
    uint64_t seen[LD_REASONS + 1] = {0};
    fixture_defaults(&fixture);
    fixture.settings.unknown_touchpoint = LD_UNKNOWN_DEADLETTER;
    ld_settings_add_place(&fixture.settings, "fly", "check-in", "desk");
    fixture.traffic.malformed = 0.8;
    fixture.traffic.duplicates = fixture.traffic.retractions = 0;
    fixture_start(&fixture, windows, LD_COUNT(windows));
    for (uint64_t i = 0; i < MESSAGES; i++) {
        ld_generator_next(fixture.generator, fixture_moment(&fixture, i, MESSAGES), true, &message);
        seen[message.reason]++;
        ck_assert_int_eq(message.reason == LD_ACCEPTED, message.event != NULL);
        json_error_t error;
        json_t *value = message.value_bytes == 0 ? NULL
                                                 : json_loadb(message.value, message.value_bytes,
                                                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
        enum json_error_code code = value == NULL && message.value_bytes > 0 ? json_error_code(&error) : json_error_unknown;
        switch (message.reason) {
        case LD_REASON_EMPTY:
            ck_assert_uint_eq(message.value_bytes, 0);
            break;
        case LD_REASON_BAD_UTF8:
            ck_assert(code == json_error_invalid_utf8 || code == json_error_null_character ||
                      code == json_error_null_byte_in_key || code == json_error_invalid_syntax);
            break;
        case LD_REASON_NOT_JSON:
            ck_assert_msg(value == NULL || memmem(message.value, message.value_bytes, "[[[[[[[[", 8) != NULL, "%.*s",
                          (int)message.value_bytes, message.value);
            break;
        case LD_REASON_DUPLICATE_KEY:
            ck_assert_int_eq(code, json_error_duplicate_key);
            break;
        case LD_REASON_TOO_LARGE:
            ck_assert_uint_gt(message.value_bytes, 65536);
            ck_assert(json_is_object(value));
            break;
        case LD_REASON_NOT_OBJECT:
            ck_assert(value != NULL && !json_is_object(value));
            break;
        case LD_REASON_OUT_OF_RANGE:
            ck_assert(json_is_object(value) || code == json_error_numeric_overflow);
            break;
        default:
            ck_assert_msg(json_is_object(value), "%.*s", (int)message.value_bytes, message.value);
            break;
        }
        json_decref(value);
    }
    for (int i = 0; i <= (int)LD_REASONS; i++)
        ck_assert_msg(seen[i] > 0, "never %s", ld_reason_name((enum ld_reason)i));
    fixture_stop(&fixture);
}
END_TEST

START_TEST(files_hold_lines)
{
    fixture_defaults(&fixture);
    fixture.traffic.is_for_file = true;
    fixture.traffic.is_record_time_event = false;
    fixture.traffic.cloudevents = fixture.traffic.future_rejected = 0;
    fixture.traffic.malformed = 0.3;
    fixture_start(&fixture, windows, LD_COUNT(windows));
    for (uint64_t i = 0; i < MESSAGES; i++) {
        ld_generator_next(fixture.generator, fixture_moment(&fixture, i, MESSAGES), true, &message);
        ck_assert_uint_gt(message.value_bytes, 0);
        ck_assert_ptr_null(memchr(message.value, '\n', message.value_bytes));
        ck_assert_uint_eq(message.header_count, 0);
        ck_assert(message.event == NULL || message.event->has_time);
    }
    fixture_stop(&fixture);
}
END_TEST

START_TEST(popular_touchpoints_follow_zipf)
{
    uint64_t count[30] = {0};
    fixture_defaults(&fixture);
    fixture_start(&fixture, windows, LD_COUNT(windows));
    struct ld_rng rng;
    ld_rng_seed(&rng, 3);
    for (int i = 0; i < 300000; i++)
        count[ld_alias_draw(&fixture.world.popularity, &rng)]++;
    double sum = 0;
    for (int i = 1; i <= 30; i++)
        sum += 1.0 / i;
    for (int i = 0; i < 30; i++) {
        double expected = 300000 / (i + 1.0) / sum;
        ck_assert_double_eq_tol((double)count[i], expected, 5 * sqrt(expected));
    }
    fixture_stop(&fixture);
}
END_TEST

START_TEST(moments_follow_the_day)
{
    struct ld_traffic traffic = {.start_ms = INT64_C(1795132800000), .span_ms = 86400000, .count = 100000};
    struct ld_schedule *schedule = ld_alloc(1, sizeof *schedule);
    uint64_t by_hour[24] = {0};
    int64_t last_ms = 0;
    ld_schedule_start(schedule, &traffic, 0, 0);
    for (uint64_t i = 0; i < traffic.count; i++) {
        int64_t ms = ld_schedule_moment_ms(schedule, i, 0);
        ck_assert_int_ge(ms, last_ms);
        last_ms = ms;
        by_hour[(ms - traffic.start_ms) / 3600000]++;
    }
    ck_assert_int_lt(last_ms, traffic.start_ms + traffic.span_ms);
    ck_assert_uint_gt(by_hour[10], 10 * by_hour[3]);
    free(schedule);
}
END_TEST

START_TEST(fixed_rate_is_a_schedule)
{
    struct ld_traffic traffic = {.rate = 2000, .duration_ms = 3000};
    struct ld_schedule *schedule = ld_alloc(1, sizeof *schedule);
    ld_schedule_start(schedule, &traffic, 1000000, 77);
    ck_assert_uint_eq(schedule->total, 6000);
    ck_assert_int_eq(ld_schedule_due_ns(schedule, 0), 77);
    ck_assert_int_eq(ld_schedule_due_ns(schedule, 3000), 77 + INT64_C(1500000000));
    /* The moment is the intended one, however late the message leaves. */
    ck_assert_int_eq(ld_schedule_moment_ms(schedule, 3000, INT64_C(9000000000)), 1001500);
    free(schedule);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {same_seed_same_bytes,
                                  shares_are_kept, late_delays_are_exponential,
                                  malformed_rows_fit_their_reasons,
                                  files_hold_lines,
                                  popular_touchpoints_follow_zipf,
                                  moments_follow_the_day,
                                  fixed_rate_is_a_schedule};
    return run_suite("generate", tests, LD_COUNT(tests));
}
