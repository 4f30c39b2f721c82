/* Limits that small batches do not reach: what is gathered goes to the windows in the middle of a batch, and there is no room for
 * what more cells have come to. */
#include "sample.h"

enum { CELLS = 3000, STEPS = 50, LONG_CELLS = 45000 };

static struct dl_batch *large_batch(void)
{
    const struct dl_batch_options options = {.bytes_max = (size_t)1 << 30, .service_level_threshold_ms = 20000,
                                             .short_abandon_ms = 5000};
    struct dl_batch *batch = dl_batch_create(&options, SAMPLE_MS);
    MUST(batch != NULL);
    return batch;
}

/* 2^18 nodes and more in one batch. */
START_TEST(more_than_is_gathered_at_once)
{
    struct dl_engine_options options = sample_options(0);
    options.subjects_max = options.touchpoints_max = 1000000;
    struct dl_engine *engine = sample_engine(&options);
    struct dl_batch *batch = large_batch();
    for (int i = 0; i < CELLS; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        struct dl_event event = sample_survey(name, SAMPLE_MS);
        for (int step = 0; step < STEPS; step++, event.time_ms -= 5000)
            MUST(dl_batch_add(batch, &event) == DL_OK);
    }
    MUST(dl_engine_apply(engine, batch) == DL_OK);
    dl_batch_destroy(batch);
    ck_assert_int_eq(sample_total(engine, "all", 1), CELLS * STEPS);
    for (int i = 0; i < CELLS; i++) {
        char name[32];
        snprintf(name, sizeof name, "touchpoint:t%d", i);
        MUST(sample_total(engine, name, 1) == STEPS);
    }
    dl_engine_destroy(engine);
}
END_TEST

static void long_name(char name[DL_NAME_BYTES_MAX + 1], char first, int number)
{
    snprintf(name, DL_NAME_BYTES_MAX + 1, "%c%0*d", first, DL_NAME_BYTES_MAX - 1, number);
}

/* More cells than are known at once, three times. */
START_TEST(more_cells_than_are_known)
{
    static char names[3][DL_NAME_BYTES_MAX + 1];
    struct dl_engine_options options = sample_options(0);
    options.subjects_max = options.touchpoints_max = 1000000;
    struct dl_engine *engine = sample_engine(&options);
    for (int round = 1; round <= 3; round++) {
        struct dl_batch *batch = large_batch();
        for (int i = 0; i < LONG_CELLS; i++) {
            long_name(names[0], 't', i);
            long_name(names[1], 's', i % 7);
            long_name(names[2], 'j', i % 5);
            struct dl_event event = sample_survey(names[0], SAMPLE_MS);
            event.stage = dl_name_of(names[1]);
            event.journey = dl_name_of(names[2]);
            MUST(dl_batch_add(batch, &event) == DL_OK);
        }
        MUST(dl_engine_apply(engine, batch) == DL_OK);
        dl_batch_destroy(batch);
        ck_assert_int_eq(sample_total(engine, "all", 0), (int64_t)round * LONG_CELLS);
        for (int i = 0; i < LONG_CELLS; i++) {
            char subject[256];
            long_name(names[0], 't', i);
            snprintf(subject, sizeof subject, "touchpoint:%s", names[0]);
            MUST(sample_total(engine, subject, 0) == round);
        }
    }
    dl_engine_destroy(engine);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, more_than_is_gathered_at_once);
    tcase_add_test(tests, more_cells_than_are_known);
}

int main(void)
{
    return sample_main("fanout_full", add_tests);
}
