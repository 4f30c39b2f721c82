#include <delight/time.h>

#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INVALID INT64_MIN

static void check_parse(const char *text, int64_t expected)
{
    /* In memory of its own size, so that a sanitizer sees a read past the end. */
    size_t bytes = strlen(text);
    char *copy = malloc(bytes + 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, bytes);
    int64_t time_ms = INVALID;
    enum dl_status status = dl_time_parse(copy, bytes, &time_ms);
    free(copy);
    ck_assert_msg(status == (expected == INVALID ? DL_INVALID : DL_OK), "\"%s\": %s", text, dl_status_text(status));
    ck_assert_msg(time_ms == expected, "\"%s\" reads %" PRId64 ", not %" PRId64, text, time_ms, expected);
}

START_TEST(times)
{
    static const struct {
        const char *text;
        int64_t time_ms;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.001Z", 1},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2000-01-01T00:00:00Z", DL_TIME_MS_MIN},
        {"9999-12-31T23:59:59.999Z", DL_TIME_MS_MAX},
        {"0000-01-01T00:00:00Z", INT64_C(-62167219200000)},
        {"2026-11-22T10:00:00.123+01:00", INT64_C(1795338000123)},
        {"2026-11-22T10:00:00,123+01:00", INVALID},
        /* either case, a space for T, nothing else */
        {"2026-11-22t09:00:00z", INT64_C(1795338000000)},
        {"2026-11-22 09:00:00Z", INT64_C(1795338000000)},
        {"2026-11-22_09:00:00Z", INVALID},
        {"2026-11-22  09:00:00Z", INVALID},
        {"2026-11-2209:00:00Z", INVALID},
        /* no offset: which time is it? */
        {"2026-11-22T09:00:00", INVALID},
        {"2026-11-22T09:00:00.5", INVALID},
        {"2026-11-22", INVALID},
        {"2026-11-22Z", INVALID},
        /* lengths of months, leap years */
        {"2026-01-31T00:00:00Z", INT64_C(1769817600000)},
        {"2026-01-32T00:00:00Z", INVALID},
        {"2026-04-30T00:00:00Z", INT64_C(1777507200000)},
        {"2026-04-31T00:00:00Z", INVALID},
        {"2026-12-31T00:00:00Z", INT64_C(1798675200000)},
        {"2026-02-28T00:00:00Z", INT64_C(1772236800000)},
        {"2026-02-29T00:00:00Z", INVALID},
        {"2024-02-29T00:00:00Z", INT64_C(1709164800000)},
        {"2024-02-30T00:00:00Z", INVALID},
        {"2100-02-28T00:00:00Z", INT64_C(4107456000000)},
        {"2100-02-29T00:00:00Z", INVALID},
        {"2000-02-29T00:00:00Z", INT64_C(951782400000)},
        {"0000-02-29T00:00:00Z", INT64_C(-62162121600000)},
        {"2026-00-01T00:00:00Z", INVALID},
        {"2026-13-01T00:00:00Z", INVALID},
        {"2026-01-00T00:00:00Z", INVALID},
        /* hours, minutes, seconds */
        {"2026-01-01T23:59:59Z", INT64_C(1767311999000)},
        {"2026-01-01T24:00:00Z", INVALID},
        {"2026-01-01T23:60:00Z", INVALID},
        {"2026-01-01T23:59:60Z", INT64_C(1767311999999)},
        {"2026-01-01T23:59:60.000Z", INT64_C(1767311999999)},
        {"2026-01-01T23:59:60.5Z", INT64_C(1767311999999)},
        {"2026-01-01T12:30:60+05:30", INT64_C(1767250859999)},
        {"2026-01-01T23:59:61Z", INVALID},
        {"2026-01-01T1:00:00Z", INVALID},
        {"2026-01-01T01:0:00Z", INVALID},
        {"2026-01-01T01:00Z", INVALID},
        {"2026-01-01T01:00:0Z", INVALID},
        {"2026-01-01T-1:00:00Z", INVALID},
        {"2026-01-01T+1:00:00Z", INVALID},
        {"2026-01-01T 1:00:00Z", INVALID},
        /* fractions: one digit or more, cut and never rounded */
        {"1970-01-01T00:00:00.Z", INVALID},
        {"1970-01-01T00:00:00.1Z", 100},
        {"1970-01-01T00:00:00.12Z", 120},
        {"1970-01-01T00:00:00.1239Z", 123},
        {"1970-01-01T00:00:59.999999999999999999999999999999Z", 59999},
        {"1969-12-31T23:59:59.9999Z", -1},
        {"1970-01-01T00:00:00.1.2Z", INVALID},
        {"1970-01-01T00:00:00.12x", INVALID},
        /* offsets */
        {"1970-01-01T00:00:00+00:00", 0},
        {"1970-01-01T00:00:00-00:00", 0},
        {"1970-01-01T23:59:00+23:59", 0},
        {"1970-01-01T00:00:00-23:59", INT64_C(86340000)},
        {"1970-01-01T00:00:00+24:00", INVALID},
        {"1970-01-01T00:00:00+23:60", INVALID},
        {"1970-01-01T00:00:00-05:30", INT64_C(19800000)},
        {"1970-01-01T00:00:00+0530", INVALID},
        {"1970-01-01T00:00:00+05", INVALID},
        {"1970-01-01T00:00:00+5:30", INVALID},
        {"1970-01-01T00:00:00+05:3", INVALID},
        {"1970-01-01T00:00:00 +05:30", INVALID},
        {"1970-01-01T00:00:00CET", INVALID},
        {"2024-03-01T00:30:00+01:00", INT64_C(1709249400000)}, /* the 29th of February in UTC */
        /* no more, no less */
        {"", INVALID},
        {"1970-01-01T00:00:00Z ", INVALID},
        {" 1970-01-01T00:00:00Z", INVALID},
        {"1970-01-01T00:00:00ZZ", INVALID},
        {"970-01-01T00:00:00Z", INVALID},
        {"01970-01-01T00:00:00Z", INVALID},
        {"-970-01-01T00:00:00Z", INVALID},
        {"+970-01-01T00:00:00Z", INVALID},
        {"1970/01/01T00:00:00Z", INVALID},
        {"1970-1-01T00:00:00Z", INVALID},
        {"1795338000123", INVALID},
        {"yesterday", INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_parse(rows[i].text, rows[i].time_ms);
}
END_TEST

/* The usual form, read eight characters at once, is the same time, or none, as with one more digit, read one by one. */
static void check_like_longer(const char *text)
{
    enum { BYTES = sizeof "2026-11-22T10:00:00.123Z" - 1 };
    char longer[BYTES + 1];
    int64_t time_ms = INVALID, same_ms = INVALID;
    if (text[19] != '.' || strspn(text + 20, "0123456789") < 3)
        return; /* one more digit would make another time of it */
    memcpy(longer, text, BYTES - 1);
    memcpy(longer + BYTES - 1, "0Z", 2);
    enum dl_status status = dl_time_parse(text, BYTES, &time_ms);
    if (status != dl_time_parse(longer, BYTES + 1, &same_ms) || time_ms != same_ms)
        ck_abort_msg("%s reads %" PRId64 ", not %" PRId64, text, time_ms, same_ms);
}

START_TEST(usual_times_are_read_like_others)
{
    static const char usual[] = "2026-11-22T10:00:00.123Z", bytes[] = "0123456789-:.TtZ /\x01\x80\xb0\xff";
    char text[sizeof usual];
    for (size_t first = 0; first < sizeof usual - 2; first++) {
        for (int byte = 1; byte < 256; byte++) {
            memcpy(text, usual, sizeof usual);
            text[first] = (char)byte;
            check_like_longer(text);
        }
        for (size_t i = 0; i < sizeof bytes - 1; i++) {
            for (size_t j = 0; j < first * (sizeof bytes - 1); j++) { /* and one before it */
                memcpy(text, usual, sizeof usual);
                text[first] = bytes[i];
                text[j / (sizeof bytes - 1)] = bytes[j % (sizeof bytes - 1)];
                check_like_longer(text);
            }
        }
    }
}
END_TEST

START_TEST(a_text_with_nul_inside_is_no_time)
{
    int64_t time_ms;
    ck_assert_int_eq(dl_time_parse("1970-01-01T00:00:00\0Z", 21, &time_ms), DL_INVALID);
    ck_assert_int_eq(dl_time_parse("1970-01-01T00:00:00Z\0", 21, &time_ms), DL_INVALID);
    ck_assert_int_eq(dl_time_parse(NULL, 0, &time_ms), DL_INVALID);
}
END_TEST

START_TEST(every_cut_text_is_refused)
{
    const char *text = "2026-11-22T10:00:00.123+01:00";
    for (size_t bytes = 0; bytes < strlen(text); bytes++) {
        int64_t time_ms;
        ck_assert_msg(dl_time_parse(text, bytes, &time_ms) == DL_INVALID, "%zu bytes of %s", bytes, text);
    }
}
END_TEST

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 16;
}

/* ck_assert notes its place in a file each time: in a loop of many, only a fault is worth it. */

/* The C library as a second opinion: its gmtime_r writes what is parsed here, its timegm reads what was formatted. */
START_TEST(agrees_with_the_c_library)
{
    uint64_t random = 20261122;
    int64_t min_ms = INT64_C(-62167219200000);
    for (int i = 0; i < 100000; i++) {
        int64_t time_ms = min_ms + (int64_t)(next_random(&random) % (uint64_t)(DL_TIME_MS_MAX - min_ms + 1));
        int64_t of_second_ms = (time_ms % 1000 + 1000) % 1000;
        time_t second = (time_t)((time_ms - of_second_ms) / 1000);
        struct tm tm;
        if (gmtime_r(&second, &tm) == NULL)
            ck_abort_msg("gmtime_r");
        char expected[80];
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)of_second_ms);
        char text[DL_TIME_TEXT_SIZE];
        dl_time_format(text, time_ms);
        int64_t back;
        if (strcmp(text, expected) != 0 || dl_time_parse(text, strlen(text), &back) != DL_OK || back != time_ms ||
            timegm(&tm) != (back - of_second_ms) / 1000)
            ck_abort_msg("%" PRId64 " ms is %s, not %s", time_ms, expected, text);
    }
}
END_TEST

/* Any local time and its offset name the same instant as UTC. */
START_TEST(offsets_agree_with_utc)
{
    uint64_t random = 7;
    for (int i = 0; i < 20000; i++) {
        int64_t time_ms = (int64_t)(next_random(&random) % UINT64_C(4102444800000));
        int offset_minutes = (int)(next_random(&random) % 2879) - 1439;
        char local[DL_TIME_TEXT_SIZE];
        dl_time_format(local, time_ms + (int64_t)offset_minutes * 60000);
        local[strlen(local) - 1] = '\0';
        char text[80];
        snprintf(text, sizeof text, "%s%c%02d:%02d", local, offset_minutes < 0 ? '-' : '+', abs(offset_minutes) / 60,
                 abs(offset_minutes) % 60);
        check_parse(text, time_ms);
    }
}
END_TEST

/* Every day from 0000 to 9999 is one day after the day before, and only days that exist are read. */
START_TEST(every_day_in_order)
{
    int64_t expected_ms = INT64_C(-62167219200000);
    for (int year = 0; year <= 9999; year++) {
        for (int month = 1; month <= 12; month++) {
            for (int day = 1; day <= 31; day++) {
                char text[80];
                int64_t time_ms = INVALID;
                int bytes = snprintf(text, sizeof text, "%04d-%02d-%02dT00:00:00Z", year, month, day);
                if (dl_time_parse(text, (size_t)bytes, &time_ms) != DL_OK && day > 28)
                    continue;
                char back[DL_TIME_TEXT_SIZE];
                dl_time_format(back, expected_ms);
                if (time_ms != expected_ms || strncmp(back, text, strlen("2000-01-01T00:00:00")) != 0)
                    ck_abort_msg("%s reads %" PRId64 ", and %" PRId64 " ms is %s", text, time_ms, expected_ms, back);
                if (dl_time_parse(back, strlen(back), &time_ms) != DL_OK || time_ms != expected_ms) /* the usual form */
                    ck_abort_msg("%s reads %" PRId64 ", not %" PRId64, back, time_ms, expected_ms);
                expected_ms += INT64_C(86400000);
            }
        }
    }
    ck_assert_int_eq(expected_ms, DL_TIME_MS_MAX + 1);
}
END_TEST

START_TEST(any_number_formats)
{
    char text[DL_TIME_TEXT_SIZE];
    dl_time_format(text, INT64_MAX);
    ck_assert_str_eq(text, "292278994-08-17T07:12:55.807Z");
    dl_time_format(text, INT64_MIN);
    ck_assert_str_eq(text, "-292275055-05-16T16:47:04.192Z");
    dl_time_format(text, DL_TIME_MS_MAX);
    ck_assert_str_eq(text, "9999-12-31T23:59:59.999Z");
}
END_TEST

START_TEST(durations)
{
    static const struct {
        const char *text;
        int64_t duration_ms;
    } rows[] = {
        {"250ms", 250},
        {"20s", 20000},
        {"5m", 300000},
        {"1h", 3600000},
        {"30d", INT64_C(2592000000)},
        {"0s", 0},
        {"007s", 7000},
        {"400d", INT64_C(34560000000)},
        {"401d", INVALID},
        {"9600h", INT64_C(34560000000)},
        {"9601h", INVALID},
        {"34560000000ms", INT64_C(34560000000)},
        {"34560000001ms", INVALID},
        {"99999999999999999999999999s", INVALID},
        {"18446744073709551617ms", INVALID}, /* 2^64 + 1 */
        {"", INVALID},
        {"s", INVALID},
        {"20", INVALID},
        {"20 s", INVALID},
        {" 20s", INVALID},
        {"20s ", INVALID},
        {"-1s", INVALID},
        {"+1s", INVALID},
        {"1.5h", INVALID},
        {"1h30m", INVALID},
        {"1S", INVALID},
        {"1M", INVALID},
        {"1w", INVALID},
        {"1y", INVALID},
        {"1us", INVALID},
        {"1mss", INVALID},
        {"1sm", INVALID},
        {"1min", INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t duration_ms = INVALID;
        enum dl_status status = dl_duration_parse(rows[i].text, strlen(rows[i].text), &duration_ms);
        ck_assert_msg(status == (rows[i].duration_ms == INVALID ? DL_INVALID : DL_OK), "\"%s\"", rows[i].text);
        ck_assert_msg(duration_ms == rows[i].duration_ms, "\"%s\" reads %" PRId64, rows[i].text, duration_ms);
    }
}
END_TEST

START_TEST(durations_read_as_people_say_them)
{
    static const struct {
        int64_t duration_ms;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {1, "1ms"},
        {999, "999ms"},
        {1000, "1s"},
        {1001, "1001ms"},
        {59000, "59s"},
        {60000, "1m"},
        {90000, "90s"},
        {300000, "5m"},
        {3600000, "1h"},
        {5400000, "90m"},
        {86400000, "24h"},
        {90000000, "25h"},
        {172800000, "2d"}, /* from two days on */
        {169200000, "47h"},
        {176400000, "49h"},
        {604800000, "7d"},
        {INT64_C(34560000000), "400d"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[32];
        dl_duration_format(text, sizeof text, rows[i].duration_ms);
        ck_assert_str_eq(text, rows[i].text);
        int64_t back;
        ck_assert_int_eq(dl_duration_parse(text, strlen(text), &back), DL_OK);
        ck_assert_int_eq(back, rows[i].duration_ms);
    }
    char small[3];
    dl_duration_format(small, sizeof small, 300000);
    ck_assert_str_eq(small, "5m");
    dl_duration_format(small, sizeof small, 999);
    ck_assert_str_eq(small, "99"); /* cut, not overrun */
}
END_TEST

START_TEST(negative_duration_aborts)
{
    char text[32];
    dl_duration_format(text, sizeof text, -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("time");
    TCase *parsing = tcase_create("RFC 3339");
    tcase_set_timeout(parsing, 60);
    tcase_add_test(parsing, times);
    tcase_add_test(parsing, usual_times_are_read_like_others);
    tcase_add_test(parsing, a_text_with_nul_inside_is_no_time);
    tcase_add_test(parsing, every_cut_text_is_refused);
    tcase_add_test(parsing, agrees_with_the_c_library);
    tcase_add_test(parsing, offsets_agree_with_utc);
    tcase_add_test(parsing, every_day_in_order);
    tcase_add_test(parsing, any_number_formats);
    suite_add_tcase(suite, parsing);
    TCase *duration = tcase_create("durations");
    tcase_add_test(duration, durations);
    tcase_add_test(duration, durations_read_as_people_say_them);
    tcase_add_test_raise_signal(duration, negative_duration_aborts, SIGABRT);
    suite_add_tcase(suite, duration);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
