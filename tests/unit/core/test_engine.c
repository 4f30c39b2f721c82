#include "sample.h"

#include <malloc.h>

/* Names of the live subjects, in order of their ids, joined by spaces. */
static const char *subjects(const struct dl_engine *engine)
{
    static char text[16384];
    size_t bytes = 0;
    text[0] = '\0';
    for (int64_t id = dl_engine_next_subject(engine, 0); id >= 0; id = dl_engine_next_subject(engine, id + 1)) {
        struct dl_subject_info info;
        dl_engine_subject(engine, id, &info);
        ck_assert_uint_eq(strlen(info.name), info.name_bytes);
        bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, bytes == 0 ? "%s" : " %s", info.name);
    }
    return text;
}

static struct dl_event event_of(const char *touchpoint, const char *stage, const char *journey, const char *value)
{
    struct dl_event event = sample_survey(touchpoint, SAMPLE_MS);
    event.stage = dl_name_of(stage);
    event.journey = dl_name_of(journey);
    event.segment[0] = dl_name_of(value);
    return event;
}

static struct dl_engine_counts counts_of(const struct dl_engine *engine)
{
    struct dl_engine_counts counts;
    dl_engine_counts(engine, &counts);
    return counts;
}

START_TEST(subjects_of_an_event)
{
    static const struct {
        const char *touchpoint, *stage, *journey, *value;
        const char *subjects;
    } rows[] = {
        {"desk", "", "", "", "all touchpoint:desk"},
        {"desk", "board", "", "", "all touchpoint:desk stage:board"},
        {"desk", "", "fly", "", "all touchpoint:desk journey:fly"},
        {"desk", "board", "fly", "", "all touchpoint:desk stage:board journey:fly journey:fly|stage=board"},
        {"desk", "", "", "vip", "all touchpoint:desk all|tier=vip touchpoint:desk|tier=vip"},
        {"desk", "board", "fly", "vip",
         "all touchpoint:desk stage:board journey:fly journey:fly|stage=board all|tier=vip touchpoint:desk|tier=vip "
         "stage:board|tier=vip journey:fly|tier=vip journey:fly|stage=board|tier=vip"},
        {"a|b=c", "{d}", "e f%", "\x01\x7f",
         "all touchpoint:a%7Cb%3Dc stage:%7Bd%7D journey:e%20f%25 journey:e%20f%25|stage=%7Bd%7D all|tier=%01%7F "
         "touchpoint:a%7Cb%3Dc|tier=%01%7F stage:%7Bd%7D|tier=%01%7F journey:e%20f%25|tier=%01%7F "
         "journey:e%20f%25|stage=%7Bd%7D|tier=%01%7F"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_engine_options options = sample_options(1);
        struct dl_engine *engine = sample_engine(&options);
        struct dl_event event = event_of(rows[i].touchpoint, rows[i].stage, rows[i].journey, rows[i].value);
        sample_apply(engine, &event, 1);
        ck_assert_str_eq(subjects(engine), rows[i].subjects);
        dl_engine_destroy(engine);
    }
}
END_TEST

START_TEST(segments_are_never_combined)
{
    struct dl_engine_options options = sample_options(2);
    struct dl_engine *engine = sample_engine(&options);
    struct dl_event event = event_of("desk", "", "", "vip");
    event.segment[1] = dl_name_of("app");
    sample_apply(engine, &event, 2);
    ck_assert_str_eq(subjects(engine), "all touchpoint:desk all|tier=vip touchpoint:desk|tier=vip all|channel=app "
                                       "touchpoint:desk|channel=app");
    struct dl_subject_info info;
    dl_engine_subject(engine, sample_find(engine, "touchpoint:desk|channel=app"), &info);
    ck_assert_int_eq(info.kind, DL_KIND_TOUCHPOINT);
    ck_assert_int_eq(info.segment, 1);
    ck_assert_str_eq(info.segment_part, "|channel=app");
    dl_engine_subject(engine, sample_find(engine, "touchpoint:desk"), &info);
    ck_assert_int_eq(info.segment, -1);
    ck_assert_str_eq(info.segment_part, "");
    ck_assert_int_eq(sample_find(engine, "touchpoint:des"), -1);
    dl_engine_destroy(engine);
}
END_TEST

START_TEST(features_count_for_themselves)
{
    struct dl_engine_options options = sample_options(1);
    struct dl_engine *engine = sample_engine(&options);
    struct dl_event event = event_of("desk", "", "", "vip");
    event.kano_count = 2;
    event.kano[0] = (struct dl_kano_answer){dl_name_of("wifi"), DL_KANO_ATTRACTIVE};
    event.kano[1] = (struct dl_kano_answer){dl_name_of("wifi"), DL_KANO_MUST_BE};
    sample_apply(engine, &event, 1);
    ck_assert_str_eq(subjects(engine),
                     "all touchpoint:desk all|tier=vip touchpoint:desk|tier=vip feature:wifi feature:wifi|tier=vip");
    ck_assert_int_eq(sample_total(engine, "all", 0), 1);
    ck_assert_int_eq(sample_total(engine, "feature:wifi", 0), 2);
    event.time_ms = SAMPLE_MS - 2 * HOUR_MS;
    sample_apply(engine, &event, 1);
    ck_assert_int_eq(counts_of(engine).late, 1); /* and not once more per answer */
    ck_assert_int_eq(counts_of(engine).oldest_ms, SAMPLE_MS);
    dl_engine_destroy(engine);
}
END_TEST

START_TEST(over_the_caps)
{
    static const struct {
        int64_t touchpoints, stages, journeys, values, subjects;
        const char *expected; /* after a, b at stage 1 and 2 of journey x and y, tier p and q */
    } rows[] = {
        {1, 9, 9, 9, 99,
         "all touchpoint:a stage:1 journey:x journey:x|stage=1 all|tier=p touchpoint:a|tier=p stage:1|tier=p "
         "journey:x|tier=p journey:x|stage=1|tier=p touchpoint:__other__ stage:2 journey:y journey:y|stage=2 all|tier=q "
         "touchpoint:__other__|tier=q stage:2|tier=q journey:y|tier=q journey:y|stage=2|tier=q"},
        {9, 1, 1, 0, 99,
         "all touchpoint:a stage:1 journey:x journey:x|stage=1 all|tier=__other__ touchpoint:a|tier=__other__ "
         "stage:1|tier=__other__ journey:x|tier=__other__ journey:x|stage=1|tier=__other__ touchpoint:b "
         "stage:__other__ journey:__other__ journey:__other__|stage=__other__ touchpoint:b|tier=__other__ "
         "stage:__other__|tier=__other__ journey:__other__|tier=__other__ "
         "journey:__other__|stage=__other__|tier=__other__"},
        {9, 1, 9, 9, 99,
         "all touchpoint:a stage:1 journey:x journey:x|stage=1 all|tier=p touchpoint:a|tier=p stage:1|tier=p "
         "journey:x|tier=p journey:x|stage=1|tier=p touchpoint:b stage:__other__ journey:y journey:y|stage=__other__ "
         "all|tier=q touchpoint:b|tier=q stage:__other__|tier=q journey:y|tier=q journey:y|stage=__other__|tier=q"},
        {9, 9, 9, 9, 3,
         "all touchpoint:a stage:1 journey:__other__ journey:__other__|stage=__other__ all|tier=p "
         "touchpoint:__other__|tier=p stage:__other__|tier=p journey:__other__|tier=p "
         "journey:__other__|stage=__other__|tier=p touchpoint:__other__ stage:__other__ all|tier=q "
         "touchpoint:__other__|tier=q stage:__other__|tier=q journey:__other__|tier=q "
         "journey:__other__|stage=__other__|tier=q"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_engine_options options = sample_options(1);
        options.touchpoints_max = rows[i].touchpoints;
        options.stages_max = rows[i].stages;
        options.journeys_max = rows[i].journeys;
        options.segment_values_max = rows[i].values;
        options.subjects_max = rows[i].subjects;
        struct dl_engine *engine = sample_engine(&options);
        struct dl_event event = event_of("a", "1", "x", "p");
        sample_apply(engine, &event, 1);
        event = event_of("b", "2", "y", "q");
        sample_apply(engine, &event, 1);
        ck_assert_str_eq(subjects(engine), rows[i].expected);
        ck_assert_int_eq(sample_total(engine, "all", 0), 2);
        struct dl_engine_counts counts = counts_of(engine);
        ck_assert_int_eq(counts.over_cap[DL_KIND_TOUCHPOINT], rows[i].touchpoints == 1);
        ck_assert_int_eq(counts.over_cap[DL_KIND_STAGE], rows[i].stages == 1);
        ck_assert_int_eq(counts.over_cap[DL_KIND_JOURNEY], rows[i].journeys == 1);
        ck_assert_int_eq(counts.over_segment_values, rows[i].values == 0 ? 2 : 0);
        ck_assert_int_eq(counts.over_subjects, rows[i].subjects == 3 ? 2 + 4 + 4 + 4 : 0);
        dl_engine_destroy(engine);
    }
}
END_TEST

START_TEST(other_may_be_said_outright)
{
    struct dl_engine_options options = sample_options(1);
    options.touchpoints_max = 1;
    struct dl_engine *engine = sample_engine(&options);
    struct dl_event event = event_of(DL_NAME_OTHER, "", "", "");
    sample_apply(engine, &event, 1);
    event = event_of("a", "", "", "");
    sample_apply(engine, &event, 1);
    event = event_of("b", "", "", "");
    sample_apply(engine, &event, 1);
    ck_assert_str_eq(subjects(engine), "all touchpoint:__other__ touchpoint:a"); /* it takes nobody's place */
    ck_assert_int_eq(counts_of(engine).over_cap[DL_KIND_TOUCHPOINT], 1);
    ck_assert_int_eq(sample_total(engine, "touchpoint:__other__", 0), 2);
    dl_engine_destroy(engine);
}
END_TEST

/* A name whose subjects are gone gives its place to another. */
START_TEST(places_are_given_back)
{
    struct dl_engine_options options = sample_options(1);
    options.touchpoints_max = options.segment_values_max = options.stages_max = 1;
    struct dl_engine *engine = sample_engine(&options);
    for (int round = 0; round < 3; round++) {
        char name[32];
        snprintf(name, sizeof name, "name-%d", round);
        struct dl_event event = event_of(name, name, "", name);
        event.time_ms = dl_engine_now(engine);
        sample_apply(engine, &event, 1);
        char expected[256];
        snprintf(expected, sizeof expected, "touchpoint:%s|tier=%s", name, name);
        ck_assert_int_ge(sample_find(engine, expected), 0);
        sample_publish(engine);
        ck_assert_int_eq(dl_engine_advance(engine, dl_engine_now(engine) + 2 * HOUR_MS), DL_OK);
        sample_publish(engine);
        ck_assert_str_eq(subjects(engine), "");
    }
    ck_assert_int_eq(counts_of(engine).over_cap[DL_KIND_TOUCHPOINT], 0);
    ck_assert_int_eq(counts_of(engine).over_segment_values, 0);
    dl_engine_destroy(engine);
}
END_TEST

START_TEST(an_event_out_of_reach_makes_no_subject)
{
    struct dl_engine_options options = sample_options(0);
    options.touchpoints_max = 1;
    struct dl_engine *engine = sample_engine(&options);
    struct dl_event event = sample_survey("late", SAMPLE_MS - HOUR_MS);
    sample_apply(engine, &event, 0);
    event.time_ms = SAMPLE_MS + DL_FUTURE_MS + 5000;
    sample_apply(engine, &event, 0);
    ck_assert_str_eq(subjects(engine), "");
    event = sample_survey("a", SAMPLE_MS);
    sample_apply(engine, &event, 0);
    ck_assert_str_eq(subjects(engine), "all touchpoint:a");
    dl_engine_destroy(engine);
}
END_TEST

static void check_dirty(struct dl_engine *engine, const char *expected)
{
    char text[1024] = "";
    size_t bytes = 0;
    int64_t id;
    int window;
    size_t left = dl_engine_dirty(engine);
    while (dl_engine_take_dirty(engine, &id, &window) == DL_OK) {
        struct dl_subject_info info;
        dl_engine_subject(engine, id, &info);
        bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, bytes == 0 ? "%s/%d" : " %s/%d", info.name, window);
        ck_assert_uint_eq(dl_engine_dirty(engine), --left);
    }
    ck_assert_uint_eq(left, 0);
    ck_assert_str_eq(text, expected);
}

START_TEST(dirty_views_oldest_first)
{
    struct dl_engine_options options = sample_options(0);
    struct dl_engine *engine = sample_engine(&options);
    struct dl_event event = sample_survey("a", SAMPLE_MS);
    sample_apply(engine, &event, 0);
    event.touchpoint = dl_name_of("b");
    sample_apply(engine, &event, 0); /* "all" changes again, and is queued once */
    check_dirty(engine, "all/0 touchpoint:a/0 all/1 touchpoint:a/1 touchpoint:b/0 touchpoint:b/1");
    check_dirty(engine, "");
    int64_t a = sample_find(engine, "touchpoint:a");
    dl_engine_mark_dirty(engine, a, 1);
    dl_engine_mark_dirty(engine, a, 1);
    event.time_ms = SAMPLE_MS - 10 * MINUTE_MS; /* outside of 5m */
    sample_apply(engine, &event, 0);
    check_dirty(engine, "touchpoint:a/1 all/1 touchpoint:b/1");
    int64_t id;
    int window;
    dl_engine_mark_all_dirty(engine);
    ck_assert_int_eq(dl_engine_take_dirty(engine, &id, &window), DL_OK);
    dl_engine_mark_dirty(engine, id, window); /* behind the others now */
    check_dirty(engine, "touchpoint:a/0 touchpoint:b/0 all/1 touchpoint:a/1 touchpoint:b/1 all/0");
    /* An add and its retraction: nothing has changed. In another pane: the trend has. */
    for (int i = 0; i < 2; i++) {
        struct dl_batch *batch = sample_batch(0);
        event.sign = -1;
        ck_assert_int_eq(dl_batch_add(batch, &event), DL_OK);
        event.sign = 1;
        event.time_ms += i * MINUTE_MS;
        ck_assert_int_eq(dl_batch_add(batch, &event), DL_OK);
        ck_assert_int_eq(dl_engine_apply(engine, batch), DL_OK);
        dl_batch_destroy(batch);
        check_dirty(engine, i == 0 ? "" : "all/1 touchpoint:b/1");
    }
    dl_engine_destroy(engine);
}
END_TEST

/* The publisher's side: a subject lives until what was written of it is gone. */
START_TEST(published_subjects_live)
{
    struct dl_engine_options options = sample_options(0);
    options.windows = 1;
    struct dl_engine *engine = sample_engine(&options);
    struct dl_event event = sample_survey("a", SAMPLE_MS);
    sample_apply(engine, &event, 0);
    sample_publish(engine);
    int64_t id = sample_find(engine, "touchpoint:a");
    ck_assert_int_eq(dl_tally_get(dl_engine_published(engine, id, 0), DL_COUNT_EVENTS), 1);
    ck_assert_int_eq(dl_engine_advance(engine, SAMPLE_MS + HOUR_MS), DL_OK);
    ck_assert_str_eq(subjects(engine), "all touchpoint:a");
    ck_assert(dl_tally_empty(dl_engine_total(engine, id, 0)));
    ck_assert_uint_eq(dl_engine_dirty(engine), 2);

    /* Taken from the queue, it lives by being published; then its name stays
     * valid until the engine moves on. */
    int64_t taken;
    int window;
    ck_assert_int_eq(dl_engine_take_dirty(engine, &taken, &window), DL_OK);
    ck_assert_int_eq(dl_engine_take_dirty(engine, &taken, &window), DL_OK);
    ck_assert_int_eq(taken, id);
    ck_assert_int_eq(dl_engine_advance(engine, SAMPLE_MS + HOUR_MS), DL_OK);
    ck_assert_str_eq(subjects(engine), "all touchpoint:a");
    struct dl_subject_info info;
    dl_engine_subject(engine, id, &info);
    ck_assert_int_eq(dl_engine_set_published(engine, id, 0, dl_engine_total(engine, id, 0)), DL_OK);
    ck_assert_str_eq(info.name, "touchpoint:a");
    ck_assert_int_eq(sample_find(engine, "touchpoint:a"), id);
    ck_assert_int_eq(dl_engine_advance(engine, SAMPLE_MS + HOUR_MS), DL_OK);
    ck_assert_str_eq(subjects(engine), "all");
    ck_assert_int_eq(dl_engine_next_subject(engine, id), -1);

    /* An id is used again; Redis that forgot lets the rest go. */
    dl_engine_forget_published(engine);
    ck_assert_str_eq(subjects(engine), "all");
    event = sample_survey("b", SAMPLE_MS + HOUR_MS);
    sample_apply(engine, &event, 0);
    ck_assert_int_le(sample_find(engine, "touchpoint:b"), 1);
    ck_assert_str_eq(subjects(engine)[0] == 'a' ? "all touchpoint:b" : "touchpoint:b all", subjects(engine));
    dl_engine_destroy(engine);
}
END_TEST

/* Comes back before it was freed. */
START_TEST(a_subject_may_come_back)
{
    struct dl_engine_options options = sample_options(0);
    options.windows = 1;
    struct dl_engine *engine = sample_engine(&options);
    struct dl_event event = sample_survey("a", SAMPLE_MS);
    sample_apply(engine, &event, 0);
    ck_assert_int_eq(dl_engine_advance(engine, SAMPLE_MS + HOUR_MS), DL_OK);
    int64_t id = sample_find(engine, "touchpoint:a");
    int64_t taken;
    int window;
    while (dl_engine_take_dirty(engine, &taken, &window) == DL_OK)
        continue;
    dl_engine_mark_dirty(engine, id, 0);
    ck_assert_int_eq(dl_engine_advance(engine, SAMPLE_MS + HOUR_MS), DL_OK);
    ck_assert_str_eq(subjects(engine), "touchpoint:a");
    event.time_ms = SAMPLE_MS + HOUR_MS;
    sample_apply(engine, &event, 0);
    ck_assert_int_eq(sample_find(engine, "touchpoint:a"), id);
    ck_assert_int_eq(sample_total(engine, "touchpoint:a", 0), 1);
    dl_engine_destroy(engine);
}
END_TEST

/* More subjects in one batch than a slice of the fan-out takes. */
START_TEST(large_batches)
{
    enum { TOUCHPOINTS = 30000, SECONDS = 3 };
    const struct dl_batch_options batch_options = {.bytes_max = (size_t)64 << 20, .segments = 3};
    struct dl_engine_options options = sample_options(3);
    options.subjects_max = options.touchpoints_max = 1000000;
    struct dl_engine *engine = sample_engine(&options);
    struct dl_batch *batch = dl_batch_create(&batch_options, 0);
    for (int i = 0; i < TOUCHPOINTS; i++)
        for (int second = 0; second < SECONDS; second++) {
            char name[32];
            snprintf(name, sizeof name, "%d", i);
            struct dl_event event = event_of(name, "s", "j", "vip");
            event.time_ms = SAMPLE_MS - second * 1000;
            event.segment[1] = dl_name_of("app");
            MUST(dl_batch_add(batch, &event) == DL_OK);
        }
    ck_assert_int_eq(dl_engine_apply(engine, batch), DL_OK);
    ck_assert_int_eq(sample_total(engine, "all", 0), TOUCHPOINTS * SECONDS);
    ck_assert_int_eq(sample_total(engine, "journey:j|stage=s|channel=app", 1), TOUCHPOINTS * SECONDS);
    ck_assert_int_eq(sample_total(engine, "touchpoint:12345|tier=vip", 0), SECONDS);
    ck_assert_int_eq(counts_of(engine).subjects, 3 * (4 + TOUCHPOINTS));
    dl_batch_destroy(batch);
    dl_engine_destroy(engine);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
static int64_t held(void)
{
    struct mallinfo2 info = mallinfo2();
    return (int64_t)(info.uordblks + info.hblkhd);
}

/* `bytes` against what malloc says, to 10 %. */
START_TEST(bytes_are_right)
{
    struct dl_engine_options options = sample_options(1);
    options.subjects_max = options.touchpoints_max = 1000000;
    int64_t before = held();
    struct dl_engine *engine = sample_engine(&options);
    for (int i = 0; i < 60000; i++) {
        char name[32];
        snprintf(name, sizeof name, "touchpoint-%d", i % 1500);
        struct dl_event event = i % 3 == 0 ? sample_contact(name, SAMPLE_MS) : sample_survey(name, SAMPLE_MS);
        event.time_ms -= i % 3001 * 1000;
        event.segment[0] = dl_name_of(i % 2 == 0 ? "vip" : "basic");
        event.wait_ms = i;
        event.handle_ms = i / 2;
        sample_apply(engine, &event, 1);
        if (i % 15000 == 14999) {
            if (i > 30000)
                sample_publish(engine);
            int64_t bytes = held() - before;
            ck_assert_msg(llabs(counts_of(engine).bytes - bytes) * 10 <= bytes, "%lld counted, %lld held",
                          (long long)counts_of(engine).bytes, (long long)bytes);
        }
    }
    dl_engine_destroy(engine);
}
END_TEST
#endif

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, subjects_of_an_event);
    tcase_add_test(tests, segments_are_never_combined);
    tcase_add_test(tests, features_count_for_themselves);
    tcase_add_test(tests, over_the_caps);
    tcase_add_test(tests, other_may_be_said_outright);
    tcase_add_test(tests, places_are_given_back);
    tcase_add_test(tests, an_event_out_of_reach_makes_no_subject);
    tcase_add_test(tests, dirty_views_oldest_first);
    tcase_add_test(tests, published_subjects_live);
    tcase_add_test(tests, a_subject_may_come_back);
    tcase_add_test(tests, large_batches);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
    tcase_add_test(tests, bytes_are_right); /* sanitizers have a malloc of their own */
#endif
}

int main(void)
{
    return sample_main("engine", add_tests);
}
