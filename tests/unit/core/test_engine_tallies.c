/* Tallies that come from elsewhere than a batch, and count in some windows only. */
#include "sample.h"

static struct dl_engine_counts counts_of(const struct dl_engine *engine)
{
    struct dl_engine_counts counts;
    dl_engine_counts(engine, &counts);
    return counts;
}

struct row {
    const char *touchpoint;
    uint32_t cell_number;
    int64_t second_ms; /* beyond SAMPLE_MS */
    int64_t events;
};

struct rows {
    const struct row *rows;
    size_t count;
};

static enum dl_status each_row(const void *tallies, dl_batch_on_tally *on_tally, void *context)
{
    const struct rows *rows = tallies;
    enum dl_status status = DL_OK;
    for (size_t i = 0; i < rows->count && status == DL_OK; i++) {
        const uint16_t counter = DL_COUNT_EVENTS;
        const struct dl_cell cell = {.touchpoint = dl_name_of(rows->rows[i].touchpoint)};
        const struct dl_batch_tally tally = {.cell = &cell, .cell_number = rows->rows[i].cell_number,
                                             .second = (SAMPLE_MS + rows->rows[i].second_ms) / 1000,
                                             .events = rows->rows[i].events, .counters = &counter,
                                             .values = &rows->rows[i].events, .count = 1};
        status = on_tally(context, &tally);
    }
    return status;
}

static enum dl_status apply_rows(struct dl_engine *engine, const struct rows *rows, uint32_t windows)
{
    enum dl_status status = dl_engine_gather(engine, each_row, rows, windows);
    if (status == DL_OK)
        status = dl_engine_apply_some(engine, SIZE_MAX);
    return status == DL_EMPTY ? DL_OK : status;
}

#define ROWS(...)                                           \
    (&(const struct rows){(const struct row[]){__VA_ARGS__}, \
                          sizeof((const struct row[]){__VA_ARGS__}) / sizeof(struct row)})

/* Equal numbers that follow each other are one cell; a number that comes again
 * later is another one: records each count from 0. */
START_TEST(cells_of_several_records)
{
    struct dl_engine_options options = sample_options(0);
    struct dl_engine *engine = sample_engine(&options);
    const struct rows *rows = ROWS({"a", 0, 0, 1}, {"a", 0, -1000, 2}, {"b", 1, 0, 4}, {"c", 0, 0, 8}, {"b", 1, 0, 16},
                                   {"d", 0, -2 * HOUR_MS, 32}, {"e", 1, 0, 64});
    ck_assert_int_eq(apply_rows(engine, rows, DL_ALL_WINDOWS), DL_OK);
    static const struct {
        const char *name;
        int64_t events;
    } totals[] = {{"all", 95}, {"touchpoint:a", 3}, {"touchpoint:b", 20}, {"touchpoint:c", 8}, {"touchpoint:e", 64}};
    for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++)
        ck_assert_int_eq(sample_total(engine, totals[i].name, 1), totals[i].events);
    ck_assert_int_eq(sample_find(engine, "touchpoint:d"), -1);
    ck_assert_int_eq(counts_of(engine).late, 32);
    dl_engine_destroy(engine);
}
END_TEST

/* A window that is new is filled alone; what the others hold stays. */
START_TEST(some_windows)
{
    struct dl_engine_options options = sample_options(0);
    options.windows = 3;
    options.window_ms[2] = DAY_MS;
    struct dl_engine *engine = sample_engine(&options);
    const struct rows *rows = ROWS({"a", 0, 0, 1}, {"a", 0, -10 * MINUTE_MS, 2}, {"b", 1, -3 * HOUR_MS, 4},
                                   {"c", 2, -3 * DAY_MS, 8}, {"d", 3, 2 * DL_FUTURE_MS, 16}, {"e", 4, MINUTE_MS, 32});
    static const struct {
        uint32_t windows;
        int64_t all[3], b, late, ahead;
    } steps[] = {
        {0, {0, 0, 0}, 0, 0, 0},
        {UINT32_MAX << 3, {0, 0, 0}, 0, 0, 0}, /* none of these is there */
        {1 << 0, {1, 0, 0}, 0, 0, 0},
        {1 << 2, {1, 0, 39}, 4, 0, 0}, /* whose own pane goes on for 24 minutes */
        {1 << 1, {1, 3, 39}, 4, 0, 0},
        {(1 << 0) + (1 << 1), {2, 6, 39}, 4, 0, 0},
        {DL_ALL_WINDOWS, {3, 9, 78}, 8, 8, 16},
        {7, {4, 12, 117}, 12, 16, 32},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        ck_assert_int_eq(apply_rows(engine, rows, steps[i].windows), DL_OK);
        for (int w = 0; w < 3; w++)
            ck_assert_msg(sample_total(engine, "all", w) == steps[i].all[w], "step %zu, window %d", i, w);
        ck_assert_msg(sample_total(engine, "touchpoint:b", 2) == steps[i].b, "step %zu", i);
        /* No subject is made for nothing. */
        ck_assert_msg((sample_find(engine, "touchpoint:b") >= 0) == (steps[i].b > 0), "step %zu", i);
        ck_assert_int_eq(sample_find(engine, "touchpoint:c"), -1);
        ck_assert_int_eq(counts_of(engine).late, steps[i].late);
        ck_assert_int_eq(counts_of(engine).ahead, steps[i].ahead);
    }
    MUST(dl_engine_advance(engine, SAMPLE_MS + MINUTE_MS) == DL_OK); /* what waited enters each window as often as it was counted there */
    for (int w = 0; w < 3; w++)
        ck_assert_int_eq(sample_total(engine, "touchpoint:e", w), 32 * (w == 2 ? 3 : 4));
    dl_engine_destroy(engine);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, cells_of_several_records);
    tcase_add_test(tests, some_windows);
}

int main(void)
{
    return sample_main("engine_tallies", add_tests);
}
