/* Events, batches and engines that tests begin with. */
#pragma once

#include <delight/engine.h>
#include <delight/time.h>

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 2026-11-22T10:00:00Z, which begins a pane of every window up to 1 h. */
#define SAMPLE_MS INT64_C(1795341600000)
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS INT64_C(3600000)
#define DAY_MS INT64_C(86400000)

/* ck_assert writes to a file each time; this is for what is asked a million times. */
#define MUST(promise)                          \
    do {                                       \
        if (!(promise))                        \
            ck_abort_msg("%s", #promise);      \
    } while (0)

static inline struct dl_event sample_survey(const char *touchpoint, int64_t time_ms)
{
    return (struct dl_event){.type = DL_EVENT_SURVEY, .sign = 1, .time_ms = time_ms, .touchpoint = dl_name_of(touchpoint),
                             .nps = 9, .csat = DL_ABSENT, .ces = DL_ABSENT, .expectation = DL_ABSENT,
                             .outcome = DL_OUTCOME_NONE, .first_contact = DL_ABSENT, .resolvable = 1,
                             .wait_ms = DL_ABSENT, .handle_ms = DL_ABSENT, .satisfied = DL_ABSENT,
                             .duration_ms = DL_ABSENT};
}

static inline struct dl_event sample_contact(const char *touchpoint, int64_t time_ms)
{
    struct dl_event event = sample_survey(touchpoint, time_ms);
    event.type = DL_EVENT_CONTACT;
    event.nps = DL_ABSENT;
    return event;
}

static inline struct dl_batch *sample_batch(int segments)
{
    const struct dl_batch_options options = {.bytes_max = (size_t)1 << 20, .segments = segments,
                                             .service_level_threshold_ms = 20000, .short_abandon_ms = 5000};
    struct dl_batch *batch = dl_batch_create(&options, SAMPLE_MS);
    MUST(batch != NULL);
    return batch;
}

static inline struct dl_engine_options sample_options(int segments)
{
    struct dl_engine_options options = {.windows = 2, .window_ms = {5 * MINUTE_MS, HOUR_MS}, .segments = segments,
                                        .subjects_max = 1000, .touchpoints_max = 100, .stages_max = 100,
                                        .journeys_max = 100, .features_max = 100, .segment_values_max = 100};
    static const char *const names[] = {"tier", "channel", "region"};
    for (int i = 0; i < segments; i++)
        options.segment[i] = dl_name_of(names[i]);
    return options;
}

static inline struct dl_engine *sample_engine(const struct dl_engine_options *options)
{
    struct dl_engine *engine = dl_engine_create(options);
    MUST(engine != NULL);
    MUST(dl_engine_advance(engine, SAMPLE_MS) == DL_OK);
    return engine;
}

/* Counts one event as a batch of its own. */
static inline void sample_apply(struct dl_engine *engine, const struct dl_event *event, int segments)
{
    struct dl_batch *batch = sample_batch(segments);
    MUST(dl_batch_add(batch, event) == DL_OK);
    MUST(dl_engine_apply(engine, batch) == DL_OK);
    dl_batch_destroy(batch);
}

static inline int64_t sample_find(const struct dl_engine *engine, const char *name)
{
    return dl_engine_find(engine, name, strlen(name));
}

/* Events in a subject's total; 0 where there is no such subject. */
static inline int64_t sample_total(const struct dl_engine *engine, const char *name, int window)
{
    int64_t id = sample_find(engine, name);
    return id < 0 ? 0 : dl_tally_get(dl_engine_total(engine, id, window), DL_COUNT_EVENTS);
}

/* Publishes all that is dirty and lets what is free be freed. */
static inline void sample_publish(struct dl_engine *engine)
{
    int64_t id;
    int window;
    while (dl_engine_take_dirty(engine, &id, &window) == DL_OK)
        MUST(dl_engine_set_published(engine, id, window, dl_engine_total(engine, id, window)) == DL_OK);
    MUST(dl_engine_advance(engine, dl_engine_now(engine)) == DL_OK);
}

/* Runs one suite of one case: the main of every test here. */
static inline int sample_main(const char *name, void (*add_tests)(TCase *tests))
{
    Suite *suite = suite_create(name);
    TCase *tests = tcase_create(name);
    tcase_set_timeout(tests, 60);
    add_tests(tests);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
