/* What an engine tells of its panes to whoever keeps its state. */
#include "state.h"

/* Each step: what happens, then what a checkpoint tells of it. One touchpoint and
 * all, two windows: an event is four panes. */
START_TEST(what_is_told)
{
    static const struct {
        int64_t advance_ms, event_ms; /* beyond SAMPLE_MS; event at -1: none */
        int sign;
        size_t values, tombstones, keys;
    } rows[] = {
        {0, -1, 0, 0, 0, 0},
        {0, 0, 1, 4, 0, 4},
        {0, -1, 0, 0, 0, 4},                  /* only once */
        {0, 0, 1, 4, 0, 4},                   /* the same panes again */
        {5000, 5000, 1, 4, 0, 6},     /* 5m has a new pane, 1h the same */
        {5000, 5000, -1, 2, 2, 4},            /* all cancelled out: gone */
        {5000, 5000, -1, 4, 0, 6},            /* and there again */
        {5000, 5000, 1, 2, 2, 4},
        {5000, 200000, 1, 4, 0, 8},           /* ahead of T is state too */
        {200000, -1, 0, 0, 0, 8},             /* entering changes no pane */
        {299999, -1, 0, 0, 0, 8},
        {300000, -1, 0, 0, 2, 6},             /* the first one leaves 5m */
        {40 * MINUTE_MS, -1, 0, 0, 2, 4},
        {61 * MINUTE_MS, -1, 0, 0, 2, 2},     /* and 1h */
        {61 * MINUTE_MS, 61 * MINUTE_MS, 1, 4, 0, 6},
        {10 * 60 * MINUTE_MS, -1, 0, 0, 6, 0},
    };
    struct dl_engine_options options = state_options(0);
    struct dl_engine *engine = sample_engine(&options);
    struct state state = {.left = -1};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t first = state.records;
        state_advance(engine, SAMPLE_MS + rows[i].advance_ms);
        if (rows[i].event_ms >= 0)
            state_add(engine, "t", SAMPLE_MS + rows[i].event_ms, rows[i].sign);
        ck_assert_msg((dl_engine_changes(engine) > 0) == (rows[i].values + rows[i].tombstones > 0), "row %zu", i);
        state_take(&state, engine, NULL);
        ck_assert_uint_eq(dl_engine_changes(engine), 0);
        ck_assert_msg(state.keys == rows[i].keys, "row %zu: %zu keys", i, state.keys);
        state_check_log(&state, first, rows[i].values, rows[i].tombstones);
    }
    sample_publish(engine);
    ck_assert_int_eq(dl_engine_next_subject(engine, 0), -1);
    dl_engine_destroy(engine);
    state_deinit(&state);
}
END_TEST

START_TEST(what_was_never_taken_is_not_told_when_it_is_gone)
{
    struct dl_engine_options options = state_options(0);
    struct dl_engine *engine = sample_engine(&options);
    struct state state = {.left = -1};
    state_add(engine, "a", SAMPLE_MS, 1);
    state_add(engine, "a", SAMPLE_MS, -1);
    state_take(&state, engine, NULL);
    state_add(engine, "b", SAMPLE_MS, 1);
    state_advance(engine, SAMPLE_MS + 2 * HOUR_MS);
    sample_publish(engine);
    ck_assert_int_ge(sample_find(engine, "touchpoint:b"), 0); /* its change waits still */
    state_take(&state, engine, NULL);
    ck_assert_uint_eq(state.records, 0);
    state_advance(engine, dl_engine_now(engine));
    ck_assert_int_eq(dl_engine_next_subject(engine, 0), -1);
    dl_engine_destroy(engine);
}
END_TEST

/* Names are there until their last pane is told of as gone. */
START_TEST(subjects_wait_for_their_tombstones)
{
    struct dl_engine_options options = state_options(0);
    struct dl_engine *engine = sample_engine(&options);
    struct state state = {.left = -1};
    for (int i = 0; i < 50; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", i);
        state_add(engine, name, SAMPLE_MS - i * 1000, 1);
    }
    state_take(&state, engine, NULL);
    int64_t bytes = state_counts(engine).bytes;
    state_advance(engine, SAMPLE_MS + INT64_C(300) * 365 * DAY_MS); /* further than 32 bits of pane indexes */
    sample_publish(engine);
    ck_assert_int_eq(state_counts(engine).subjects, 51);
    ck_assert_int_eq(state_counts(engine).panes, 0);
    ck_assert_int_lt(state_counts(engine).bytes, bytes);
    bytes = state_counts(engine).bytes;
    size_t first = state.records;
    ck_assert_int_eq(dl_engine_take_changes(engine, 10, state_on_pane, &state), DL_OK);
    state_check_log(&state, first, 0, 10);
    state_take(&state, engine, NULL);
    ck_assert_int_lt(state_counts(engine).bytes, bytes);
    ck_assert_uint_eq(state.keys, 0);
    state_advance(engine, dl_engine_now(engine));
    ck_assert_int_eq(state_counts(engine).subjects, 0);
    dl_engine_destroy(engine);
    state_deinit(&state);
}
END_TEST

START_TEST(a_refused_pane_is_told_again)
{
    struct dl_engine_options options = state_options(0);
    struct dl_engine *engine = sample_engine(&options);
    struct state state = {.left = -1};
    state_add(engine, "gone", SAMPLE_MS - 290000, 1);
    state_take(&state, engine, NULL);
    state_advance(engine, SAMPLE_MS + 60000);
    for (int i = 0; i < 10; i++)
        state_add(engine, "t", SAMPLE_MS + 60000 - i * 5000, 1);
    size_t first = state.records;
    int refused = 0;
    for (enum dl_status status = DL_REFUSED; status != DL_EMPTY; refused += status == DL_REFUSED) {
        state.left = 1;
        status = dl_engine_take_changes(engine, SIZE_MAX, state_on_pane, &state);
    }
    state_check_log(&state, first, 2 * (10 + 2), 2);
    ck_assert_int_eq(refused, 2 * (10 + 2) + 2 - 1);
    dl_engine_destroy(engine);
    state_deinit(&state);
}
END_TEST

START_TEST(without_it_nothing_is_kept)
{
    struct dl_engine_options options = sample_options(0);
    struct dl_engine *engine = sample_engine(&options);
    struct state state = {.left = -1};
    state_add(engine, "t", SAMPLE_MS, 1);
    ck_assert_int_eq(state_put_back(engine, "touchpoint:u", HOUR_MS, SAMPLE_MS / MINUTE_MS, 3), DL_OK);
    state_advance(engine, SAMPLE_MS + 2 * HOUR_MS);
    ck_assert_uint_eq(dl_engine_changes(engine), 0);
    state_take(&state, engine, NULL);
    ck_assert_uint_eq(state.records, 0);
    sample_publish(engine);
    ck_assert_int_eq(dl_engine_next_subject(engine, 0), -1);
    dl_engine_destroy(engine);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, what_is_told);
    tcase_add_test(tests, what_was_never_taken_is_not_told_when_it_is_gone);
    tcase_add_test(tests, subjects_wait_for_their_tombstones);
    tcase_add_test(tests, a_refused_pane_is_told_again);
    tcase_add_test(tests, without_it_nothing_is_kept);
}

int main(void)
{
    return sample_main("engine_state", add_tests);
}
