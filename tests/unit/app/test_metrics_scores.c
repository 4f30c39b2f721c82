#include "metrics_scores.h"

#include <delight/batch.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* 2026-11-22T10:00:00Z */
#define NOW_MS INT64_C(1795341600000)

/* 16 windows of 1 to 16 minutes, all of them with the same surveys. */
enum { WINDOWS = 16, SUBJECTS_MAX = 4000 };

static struct dl_engine *engine;
static struct dl_text text;
static int64_t windows_ms[WINDOWS];
static int measure;
static struct dl_config config;
static const struct dl_score_options options = {.csat_max = 5, .csat_top = 4, .service_level_formula = DL_SERVICE_LEVEL_4};

static void start(int shown, int64_t scores_max)
{
    struct dl_engine_options engine_options = {.windows = WINDOWS, .subjects_max = SUBJECTS_MAX, .touchpoints_max = SUBJECTS_MAX,
                                               .stages_max = 1, .journeys_max = 1, .features_max = 1, .segment_values_max = 1};
    for (int w = 0; w < WINDOWS; w++)
        engine_options.window_ms[w] = windows_ms[w] = (w + 1) * INT64_C(60000);
    measure = shown;
    config = (struct dl_config){.windows = {windows_ms, WINDOWS}, .http = {.scores = {&measure, 1}, .scores_max = scores_max}};
    engine = dl_engine_create(&engine_options);
    ck_assert_ptr_nonnull(engine);
    ck_assert_int_eq(dl_engine_advance(engine, NOW_MS), DL_OK);
}

/* Surveys of touchpoints first, first + 1, … of which nothing is known but nps. */
static void add_touchpoints(int first, int count)
{
    const struct dl_batch_options batch_options = {.bytes_max = 1 << 24, .service_level_threshold_ms = 20000, .short_abandon_ms = 5000};
    struct dl_batch *batch = dl_batch_create(&batch_options, NOW_MS);
    ck_assert_ptr_nonnull(batch);
    for (int i = first; i < first + count; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        const struct dl_event event = {.type = DL_EVENT_SURVEY, .sign = 1, .time_ms = NOW_MS, .touchpoint = dl_name_of(name),
                                       .nps = 9, .csat = DL_ABSENT, .ces = DL_ABSENT, .expectation = DL_ABSENT,
                                       .outcome = DL_OUTCOME_NONE, .first_contact = DL_ABSENT, .resolvable = 1,
                                       .wait_ms = DL_ABSENT, .handle_ms = DL_ABSENT, .satisfied = DL_ABSENT,
                                       .duration_ms = DL_ABSENT};
        if (dl_batch_add(batch, &event) != DL_OK)
            ck_abort_msg("touchpoint %d", i);
    }
    ck_assert_int_eq(dl_engine_apply(engine, batch), DL_OK);
    dl_batch_destroy(batch);
}

/* Whether something was left out; the series that are there. */
static bool write_scores(int *series)
{
    dl_text_clear(&text);
    bool cut = dl_metrics_scores(&text, true, engine, &config, &options);
    ck_assert(!text.failed);
    *series = 0;
    for (const char *at = text.bytes == 0 ? NULL : strchr(text.data, '{'); at != NULL; at = strchr(at + 1, '{'))
        ++*series;
    return cut;
}

static void stop(void)
{
    dl_text_deinit(&text);
    dl_engine_destroy(engine);
}

/* (100 touchpoints and all) * 16 windows * 2 */
START_TEST(every_view_has_its_score_and_its_n_until_the_limit)
{
    int series;
    start(DL_FIELD_nps, 10000);
    ck_assert(!write_scores(&series));
    ck_assert_int_eq(series, 0);
    add_touchpoints(0, 100);
    ck_assert(!write_scores(&series));
    ck_assert_int_eq(series, 101 * WINDOWS * 2);
    ck_assert_ptr_nonnull(strstr(text.data, "\ndelightd_score_nps{subject=\"touchpoint:t7\",kind=\"touchpoint\",window=\"16m\"} 100"));
    config.http.scores_max = 100;
    ck_assert(write_scores(&series));
    ck_assert_int_eq(series, 100);
    stop();
}
END_TEST

START_TEST(what_has_no_score_is_walked_past_only_so_long)
{
    int series;
    start(DL_FIELD_kano_better, 10000);
    add_touchpoints(0, 3000); /* 48,016 views */
    ck_assert(!write_scores(&series));
    add_touchpoints(3000, 500); /* 56,016 */
    ck_assert(write_scores(&series));
    ck_assert_int_eq(series, 0);
    stop();
}
END_TEST

START_TEST(what_has_a_score_is_limited_by_scores_max_alone)
{
    int series;
    start(DL_FIELD_nps, 1000000);
    add_touchpoints(0, 3500);
    ck_assert(!write_scores(&series));
    ck_assert_int_eq(series, 3501 * WINDOWS * 2);
    stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics_scores");
    TCase *limits = tcase_create("limits");
    tcase_add_test(limits, every_view_has_its_score_and_its_n_until_the_limit);
    tcase_add_test(limits, what_has_no_score_is_walked_past_only_so_long);
    tcase_add_test(limits, what_has_a_score_is_limited_by_scores_max_alone);
    tcase_set_timeout(limits, 60);
    suite_add_tcase(suite, limits);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
