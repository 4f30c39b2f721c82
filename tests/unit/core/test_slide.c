/* T moves at once, its views some at a time: how many, and that nobody sees the difference. */
#include "sample.h"

enum { TOUCHPOINTS = 40, SUBJECTS = TOUCHPOINTS + 1, WINDOWS = 2, VIEW_COST = 16 };

static void add_all(struct dl_engine *engine, int64_t time_ms)
{
    struct dl_batch *batch = sample_batch(0);
    for (int i = 0; i < TOUCHPOINTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        struct dl_event event = sample_survey(name, time_ms);
        MUST(dl_batch_add(batch, &event) == DL_OK);
    }
    MUST(dl_engine_apply(engine, batch) == DL_OK);
    dl_batch_destroy(batch);
}

/* One event of each touchpoint in T's own panes, and all of it published. */
static struct dl_engine *filled(bool keeps_changes)
{
    struct dl_engine_options options = sample_options(0);
    options.keeps_changes = keeps_changes;
    struct dl_engine *engine = sample_engine(&options);
    add_all(engine, SAMPLE_MS);
    sample_publish(engine);
    return engine;
}

static int64_t panes_of(const struct dl_engine *engine)
{
    struct dl_engine_counts counts;
    dl_engine_counts(engine, &counts);
    return counts.panes;
}

START_TEST(no_piece_is_longer_than_was_asked_for)
{
    static const size_t views[] = {1, 2, 7, SUBJECTS - 1, SUBJECTS, SUBJECTS + 1, WINDOWS * SUBJECTS};
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        struct dl_engine *engine = filled(false);
        size_t moved = 0;
        /* All panes of both windows leave. */
        ck_assert_int_eq(dl_engine_begin_advance(engine, SAMPLE_MS + 2 * HOUR_MS, views[i] * VIEW_COST), DL_OK);
        for (;;) {
            moved += views[i] < WINDOWS * SUBJECTS - moved ? views[i] : WINDOWS * SUBJECTS - moved;
            ck_assert_uint_eq(dl_engine_dirty(engine), moved);
            ck_assert_int_eq(panes_of(engine), (int64_t)(WINDOWS * SUBJECTS - moved));
            ck_assert_uint_eq(dl_engine_waiting(engine), WINDOWS * SUBJECTS - moved);
            if (moved == WINDOWS * SUBJECTS)
                break;
            enum dl_status status = dl_engine_apply_some(engine, views[i] * VIEW_COST);
            ck_assert_int_eq(status, dl_engine_waiting(engine) > 0 ? DL_OK : DL_EMPTY);
        }
        dl_engine_destroy(engine);
    }
}
END_TEST

START_TEST(what_enters_is_cut_too)
{
    struct dl_engine *engine = filled(false);
    add_all(engine, SAMPLE_MS + 10000); /* waits in the 5m window, not in the 1h window */
    sample_publish(engine);
    ck_assert_int_eq(dl_engine_begin_advance(engine, SAMPLE_MS + 10000, 3 * VIEW_COST), DL_OK);
    ck_assert_uint_eq(dl_engine_dirty(engine), 3);
    ck_assert_uint_eq(dl_engine_waiting(engine), SUBJECTS - 3);
    ck_assert_int_eq(sample_total(engine, "all", 0), 2 * TOUCHPOINTS);
    for (int i = 0; i < TOUCHPOINTS; i++) {
        char name[32];
        snprintf(name, sizeof name, "touchpoint:t%d", i);
        ck_assert_int_eq(sample_total(engine, name, 0), 2);
    }
    ck_assert_uint_eq(dl_engine_dirty(engine), 3); /* asking has moved nothing */
    ck_assert_int_eq(dl_engine_apply_some(engine, SIZE_MAX), DL_EMPTY);
    ck_assert_uint_eq(dl_engine_dirty(engine), SUBJECTS);
    ck_assert_int_eq(sample_total(engine, "all", 0), 2 * TOUCHPOINTS);
    dl_engine_destroy(engine);
}
END_TEST

/* Nothing has moved yet, and everything is as of T: totals, what is late, what is counted. */
START_TEST(all_is_decided_at_the_new_time)
{
    struct dl_engine *engine = filled(false);
    int64_t now_ms = SAMPLE_MS + 10 * MINUTE_MS;
    ck_assert_int_eq(dl_engine_begin_advance(engine, now_ms, 0), DL_OK);
    ck_assert_int_eq(dl_engine_now(engine), now_ms);
    ck_assert_uint_eq(dl_engine_dirty(engine), 0);
    ck_assert_int_eq(sample_total(engine, "all", 0), 0);
    ck_assert_int_eq(sample_total(engine, "all", 1), TOUCHPOINTS);
    ck_assert_ptr_null(dl_engine_pane(engine, sample_find(engine, "all"), 0, 0));
    struct dl_batch *batch = sample_batch(0);
    const int64_t times_ms[] = {SAMPLE_MS, now_ms, now_ms - HOUR_MS, now_ms + DL_FUTURE_MS, now_ms + DL_FUTURE_MS + 5000};
    for (size_t i = 0; i < sizeof times_ms / sizeof times_ms[0]; i++) {
        struct dl_event event = sample_survey("t7", times_ms[i]);
        MUST(dl_batch_add(batch, &event) == DL_OK);
    }
    ck_assert_int_eq(dl_engine_apply(engine, batch), DL_OK);
    dl_batch_destroy(batch);
    struct dl_engine_counts counts;
    dl_engine_counts(engine, &counts);
    ck_assert_int_eq(counts.late, 1);
    ck_assert_int_eq(counts.ahead, 1);
    ck_assert_int_eq(counts.pending, 1);
    ck_assert_int_eq(sample_total(engine, "all", 0), 1);
    ck_assert_int_eq(sample_total(engine, "all", 1), TOUCHPOINTS + 2);
    ck_assert_int_eq(sample_total(engine, "touchpoint:t7", 1), 3);
    dl_engine_destroy(engine);
}
END_TEST

/* Each dirty view is told of once, with what it is at T. */
START_TEST(who_publishes_meanwhile_sees_the_new_time)
{
    struct dl_engine *engine = filled(false);
    add_all(engine, SAMPLE_MS); /* dirty, and not moved */
    ck_assert_int_eq(dl_engine_begin_advance(engine, SAMPLE_MS + 5 * MINUTE_MS, 0), DL_OK);
    int64_t id;
    int window;
    for (int i = 0; i < WINDOWS * SUBJECTS; i++) {
        ck_assert_int_eq(dl_engine_take_dirty(engine, &id, &window), DL_OK);
        ck_assert_int_eq(dl_tally_empty(dl_engine_total(engine, id, window)), window == 0);
        ck_assert_int_eq(dl_engine_set_published(engine, id, window, dl_engine_total(engine, id, window)), DL_OK);
    }
    ck_assert_int_eq(dl_engine_apply_some(engine, SIZE_MAX), DL_EMPTY);
    ck_assert_uint_eq(dl_engine_dirty(engine), 0);
    dl_engine_destroy(engine);
}
END_TEST

/* A subject may be gone, and its id another's, when its turn comes. */
START_TEST(a_subject_goes_before_its_turn)
{
    struct dl_engine *engine = filled(false);
    ck_assert_int_eq(dl_engine_begin_advance(engine, SAMPLE_MS + 2 * HOUR_MS, 0), DL_OK);
    dl_engine_mark_all_dirty(engine);
    int64_t id;
    int window;
    while (dl_engine_take_dirty(engine, &id, &window) == DL_OK)
        ck_assert_int_eq(dl_engine_set_published(engine, id, window, dl_engine_total(engine, id, window)), DL_OK);
    ck_assert_int_eq(dl_engine_begin_advance(engine, SAMPLE_MS + 2 * HOUR_MS, 0), DL_OK); /* frees them */
    ck_assert_int_eq(dl_engine_next_subject(engine, 0), -1);
    ck_assert_uint_gt(dl_engine_waiting(engine), 0);
    struct dl_event event = sample_survey("another", SAMPLE_MS + 2 * HOUR_MS);
    sample_apply(engine, &event, 0);
    ck_assert_uint_eq(dl_engine_waiting(engine), 0);
    ck_assert_int_eq(sample_total(engine, "all", 0), 1);
    ck_assert_int_eq(panes_of(engine), 4);
    dl_engine_destroy(engine);
}
END_TEST

/* T goes on while its last move is not done. */
START_TEST(moves_upon_moves)
{
    struct dl_engine *engine = filled(false);
    add_all(engine, SAMPLE_MS + 4 * MINUTE_MS);
    sample_publish(engine);
    static const struct {
        int64_t time_ms;
        int64_t totals[WINDOWS];
    } rows[] = {{MINUTE_MS, {1, 1}}, {4 * MINUTE_MS, {2, 2}}, {5 * MINUTE_MS, {1, 2}}, {9 * MINUTE_MS, {0, 2}},
                {HOUR_MS, {0, 1}}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_eq(dl_engine_begin_advance(engine, SAMPLE_MS + rows[i].time_ms, 0), DL_OK);
        for (int w = 0; w < WINDOWS; w++)
            ck_assert_int_eq(sample_total(engine, "all", w), rows[i].totals[w] * TOUCHPOINTS);
    }
    for (int i = 1; i <= 40; i++) { /* 2^32 panes and more in all */
        ck_assert_int_eq(dl_engine_begin_advance(engine, SAMPLE_MS + i * 16 * 365 * DAY_MS, 0), DL_OK);
        for (int w = 0; w < WINDOWS; w++)
            ck_assert_int_eq(sample_total(engine, "all", w), 0);
    }
    while (dl_engine_apply_some(engine, 1) == DL_OK)
        continue;
    ck_assert_int_eq(panes_of(engine), 0);
    ck_assert_uint_eq(dl_engine_dirty(engine), WINDOWS * SUBJECTS);
    sample_publish(engine);
    ck_assert_int_eq(dl_engine_next_subject(engine, 0), -1);
    dl_engine_destroy(engine);
}
END_TEST

static enum dl_status ignore_pane(void *context, const struct dl_engine_pane *pane)
{
    (void)context, (void)pane;
    return DL_OK;
}

/* A pane that has left and was not told of yet would stay in the state for ever. */
START_TEST(no_checkpoint_meanwhile)
{
    struct dl_engine *engine = filled(true);
    ck_assert_int_eq(dl_engine_begin_advance(engine, SAMPLE_MS + 2 * HOUR_MS, VIEW_COST), DL_OK);
    enum dl_status status = dl_engine_take_changes(engine, 1, ignore_pane, NULL);
    ck_abort_msg("taken: %d", (int)status);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, no_piece_is_longer_than_was_asked_for);
    tcase_add_test(tests, what_enters_is_cut_too);
    tcase_add_test(tests, all_is_decided_at_the_new_time);
    tcase_add_test(tests, who_publishes_meanwhile_sees_the_new_time);
    tcase_add_test(tests, a_subject_goes_before_its_turn);
    tcase_add_test(tests, moves_upon_moves);
    tcase_add_test_raise_signal(tests, no_checkpoint_meanwhile, SIGABRT);
}

int main(void)
{
    return sample_main("slide", add_tests);
}
