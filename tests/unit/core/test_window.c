#include "sample.h"

/* An engine with one window, at SAMPLE_MS. */
static struct dl_engine *one_window(int64_t window_ms)
{
    struct dl_engine_options options = sample_options(0);
    options.windows = 1;
    options.window_ms[0] = window_ms;
    return sample_engine(&options);
}

static void add_at(struct dl_engine *engine, int64_t time_ms, int sign)
{
    struct dl_event event = sample_survey("t", time_ms);
    event.sign = sign;
    sample_apply(engine, &event, 0);
}

static void advance(struct dl_engine *engine, int64_t now_ms)
{
    MUST(dl_engine_advance(engine, now_ms) == DL_OK);
}

static struct dl_engine_counts counts_of(const struct dl_engine *engine)
{
    struct dl_engine_counts counts;
    dl_engine_counts(engine, &counts);
    return counts;
}

START_TEST(no_pane_boundary_cuts_a_step)
{
    static const struct {
        int windows;
        int64_t window_ms[3];
        int64_t step_s;
    } rows[] = {
        {1, {MINUTE_MS}, 1},
        {1, {7 * MINUTE_MS}, 7},
        {1, {DAY_MS}, 1440},
        {2, {5 * MINUTE_MS, HOUR_MS}, 5},
        {2, {HOUR_MS, 5 * MINUTE_MS}, 5},
        {2, {6 * MINUTE_MS, 4 * MINUTE_MS}, 2},
        {3, {HOUR_MS, 61 * MINUTE_MS, DAY_MS}, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_engine_options options = sample_options(0);
        options.windows = rows[i].windows;
        memcpy(options.window_ms, rows[i].window_ms, sizeof rows[i].window_ms);
        ck_assert_int_eq(dl_engine_step_s(&options), rows[i].step_s);
    }
}
END_TEST

/* floor(T/p) - 60 < floor(t/p) <= floor(T/p), at its edges. Events count by
 * their second, and p is whole seconds. */
START_TEST(what_lies_in_a_window)
{
    static const struct {
        int64_t window_ms;
        int64_t now_ms, time_ms; /* beyond SAMPLE_MS */
        int64_t events;
    } rows[] = {
        {MINUTE_MS, 0, 0, 1},
        {MINUTE_MS, 0, 999, 1},             /* T's own pane lasts until its end */
        {MINUTE_MS, 0, 1000, 0},            /* the next one waits */
        {MINUTE_MS, 999, 999, 1},
        {MINUTE_MS, 0, -59000, 1},          /* the oldest of 60 panes */
        {MINUTE_MS, 0, -59001, 0},
        {MINUTE_MS, 999, -59000, 1},
        {MINUTE_MS, 1000, -59000, 0},
        {MINUTE_MS, 1000, -58000, 1},
        {5 * MINUTE_MS, 4999, 4999, 1},
        {5 * MINUTE_MS, 4999, 5000, 0},
        {5 * MINUTE_MS, 4999, -295000, 1},
        {5 * MINUTE_MS, 4999, -295001, 0},
        {5 * MINUTE_MS, 5000, -295000, 0},
        {HOUR_MS, 59999, 59999, 1},
        {HOUR_MS, 59999, 60000, 0},
        {HOUR_MS, 59999, -59 * MINUTE_MS, 1},
        {HOUR_MS, 59999, -59 * MINUTE_MS - 1, 0},
        {HOUR_MS, 60000, -59 * MINUTE_MS, 0},
        /* panes of 160 h: SAMPLE_MS / 160 h is 3116.9, so its pane goes on for 14 h
         * and the oldest begins 59 panes and 146 h before */
        {400 * DAY_MS, 0, 5 * MINUTE_MS, 1},
        {400 * DAY_MS, 0, -(59 * 160 + 146) * HOUR_MS, 1},
        {400 * DAY_MS, 0, -(59 * 160 + 146) * HOUR_MS - 1, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_engine *engine = one_window(rows[i].window_ms);
        advance(engine, SAMPLE_MS + rows[i].now_ms);
        add_at(engine, SAMPLE_MS + rows[i].time_ms, 1);
        int64_t events = sample_total(engine, "touchpoint:t", 0);
        ck_assert_msg(events == rows[i].events, "row %zu: %lld", i, (long long)events);
        dl_engine_destroy(engine);
    }
}
END_TEST

START_TEST(panes_are_aligned_to_utc)
{
    static const struct {
        int64_t window_ms, now_ms; /* beyond SAMPLE_MS */
        int index;
        int64_t start_ms;          /* beyond SAMPLE_MS */
    } rows[] = {
        {MINUTE_MS, 0, 59, 0},
        {MINUTE_MS, 999, 59, 0},
        {MINUTE_MS, 1000, 59, 1000},
        {MINUTE_MS, 0, 0, -59000},
        {HOUR_MS, 59999, 59, 0},
        {HOUR_MS, 60000, 58, 0},
        {DAY_MS, 0, 59, 0}, /* 24 min: 10:00 is the 25th pane's start */
        {DAY_MS, 24 * MINUTE_MS, 58, 0},
        {400 * DAY_MS, 0, 59, -146 * HOUR_MS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_engine *engine = one_window(rows[i].window_ms);
        advance(engine, SAMPLE_MS + rows[i].now_ms);
        int64_t start_ms = dl_engine_pane_start(engine, 0, rows[i].index);
        ck_assert_msg(start_ms == SAMPLE_MS + rows[i].start_ms, "row %zu: %lld", i, (long long)(start_ms - SAMPLE_MS));
        ck_assert_int_eq(start_ms % (rows[i].window_ms / 60), 0);
        dl_engine_destroy(engine);
    }
}
END_TEST

START_TEST(what_is_ahead_waits)
{
    struct dl_engine *engine = one_window(5 * MINUTE_MS);
    add_at(engine, SAMPLE_MS + 7000, 1);
    add_at(engine, SAMPLE_MS + 300000, 1);
    add_at(engine, SAMPLE_MS + 305000, 1); /* more than five minutes */
    ck_assert_int_eq(counts_of(engine).pending, 2);
    ck_assert_int_eq(counts_of(engine).ahead, 1);
    ck_assert_int_eq(sample_total(engine, "all", 0), 0);
    ck_assert_uint_eq(dl_engine_dirty(engine), 0);
    ck_assert_int_ge(sample_find(engine, "all"), 0); /* it lives by what waits */
    advance(engine, SAMPLE_MS + 4999);
    ck_assert_int_eq(sample_total(engine, "all", 0), 0);
    advance(engine, SAMPLE_MS + 5000);
    ck_assert_int_eq(sample_total(engine, "all", 0), 1);
    ck_assert_int_eq(counts_of(engine).pending, 1);
    ck_assert_uint_eq(dl_engine_dirty(engine), 2);
    advance(engine, SAMPLE_MS + 300000);
    ck_assert_int_eq(sample_total(engine, "all", 0), 2);
    ck_assert_int_eq(counts_of(engine).pending, 0);
    dl_engine_destroy(engine);
}
END_TEST

/* By its step, so that what is never told apart later is not told apart here: alone, or with others of its cell and step. */
START_TEST(what_is_too_far_ahead)
{
    static const struct {
        int64_t window_ms[2], now_ms, time_ms; /* beyond SAMPLE_MS */
        bool ahead;
    } rows[] = {
        {{MINUTE_MS, HOUR_MS}, 0, 300999, false},
        {{MINUTE_MS, HOUR_MS}, 0, 301000, true},
        {{MINUTE_MS, HOUR_MS}, 999, 300999, false},
        {{MINUTE_MS, HOUR_MS}, 999, 301000, true},
        {{MINUTE_MS, HOUR_MS}, 1000, 301000, false},
        {{5 * MINUTE_MS, HOUR_MS}, 0, 304999, false},
        {{5 * MINUTE_MS, HOUR_MS}, 0, 305000, true},
        {{5 * MINUTE_MS, HOUR_MS}, 4999, 304999, false},
        {{5 * MINUTE_MS, HOUR_MS}, 4999, 305000, true},
        {{5 * MINUTE_MS, HOUR_MS}, 5000, 305000, false},
        {{5 * MINUTE_MS, 6 * MINUTE_MS}, 0, 300999, false}, /* steps of a second */
        {{5 * MINUTE_MS, 6 * MINUTE_MS}, 0, 301000, true},
        {{DAY_MS, 2 * DAY_MS}, 0, 24 * MINUTE_MS - 1, false}, /* T's own pane, of 24 minutes */
        {{DAY_MS, 2 * DAY_MS}, 0, 24 * MINUTE_MS, true},
        {{DAY_MS, 2 * DAY_MS}, 19 * MINUTE_MS - 1, 24 * MINUTE_MS, true},
        {{DAY_MS, 2 * DAY_MS}, 19 * MINUTE_MS, 24 * MINUTE_MS, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int others = 0; others < 2; others++) {
            struct dl_engine_options options = sample_options(0);
            memcpy(options.window_ms, rows[i].window_ms, sizeof rows[i].window_ms);
            const struct dl_batch_options batch_options = {.bytes_max = (size_t)1 << 20, .step_s = dl_engine_step_s(&options)};
            struct dl_engine *engine = sample_engine(&options);
            struct dl_batch *batch = dl_batch_create(&batch_options, 0);
            ck_assert_ptr_nonnull(batch);
            struct dl_event event = sample_survey("t", SAMPLE_MS + rows[i].time_ms);
            ck_assert_int_eq(dl_batch_add(batch, &event), DL_OK);
            int64_t step_ms = batch_options.step_s * 1000;
            event.time_ms = event.time_ms / step_ms * step_ms;
            if (others > 0)
                ck_assert_int_eq(dl_batch_add(batch, &event), DL_OK);
            advance(engine, SAMPLE_MS + rows[i].now_ms);
            ck_assert_int_eq(dl_engine_apply(engine, batch), DL_OK);
            ck_assert_msg(counts_of(engine).ahead == (rows[i].ahead ? 1 + others : 0), "row %zu, %d more", i, others);
            ck_assert_msg((sample_find(engine, "touchpoint:t") >= 0) == !rows[i].ahead, "row %zu, %d more", i, others);
            dl_batch_destroy(batch);
            dl_engine_destroy(engine);
        }
}
END_TEST

START_TEST(what_waits_and_is_jumped_over_is_gone)
{
    struct dl_engine *engine = one_window(MINUTE_MS);
    add_at(engine, SAMPLE_MS, 1);
    add_at(engine, SAMPLE_MS + 100000, 1); /* leaves between two looks */
    add_at(engine, SAMPLE_MS + 200000, 1);
    sample_publish(engine);
    advance(engine, SAMPLE_MS + 250000);
    ck_assert_int_eq(sample_total(engine, "all", 0), 1);
    advance(engine, SAMPLE_MS + INT64_C(7000) * 365 * DAY_MS);
    ck_assert_int_eq(sample_total(engine, "all", 0), 0);
    ck_assert_int_eq(counts_of(engine).panes, 0);
    sample_publish(engine);
    ck_assert_int_eq(dl_engine_next_subject(engine, 0), -1);
    dl_engine_destroy(engine);
}
END_TEST

START_TEST(late_events_correct_their_own_pane)
{
    struct dl_engine *engine = one_window(HOUR_MS);
    add_at(engine, SAMPLE_MS, 1);
    add_at(engine, SAMPLE_MS - 30 * MINUTE_MS, 1);
    add_at(engine, SAMPLE_MS - 30 * MINUTE_MS - 1, -1);
    int64_t id = sample_find(engine, "all");
    ck_assert_int_eq(dl_tally_get(dl_engine_pane(engine, id, 0, 59), DL_COUNT_EVENTS), 1);
    ck_assert_int_eq(dl_tally_get(dl_engine_pane(engine, id, 0, 29), DL_COUNT_EVENTS), 1);
    ck_assert_int_eq(dl_tally_get(dl_engine_pane(engine, id, 0, 28), DL_COUNT_EVENTS), -1);
    ck_assert_ptr_null(dl_engine_pane(engine, id, 0, 27));
    ck_assert_int_eq(sample_total(engine, "all", 0), 1);
    add_at(engine, SAMPLE_MS - 60 * MINUTE_MS, -1); /* older than every window; a retraction is late like any event */
    ck_assert_int_eq(counts_of(engine).late, 1);
    advance(engine, SAMPLE_MS + 29 * MINUTE_MS); /* the retraction leaves before what it took back */
    ck_assert_int_eq(sample_total(engine, "all", 0), 2);
    advance(engine, SAMPLE_MS + 30 * MINUTE_MS);
    ck_assert_int_eq(sample_total(engine, "all", 0), 1);
    advance(engine, SAMPLE_MS + 59 * MINUTE_MS);
    ck_assert_int_eq(sample_total(engine, "all", 0), 1);
    advance(engine, SAMPLE_MS + 60 * MINUTE_MS);
    ck_assert_int_eq(sample_total(engine, "all", 0), 0);
    dl_engine_destroy(engine);
}
END_TEST

/* Whoever sends and takes back for ever must not make the daemon grow. */
START_TEST(add_and_retract_for_ever)
{
    struct dl_engine *engine = one_window(HOUR_MS);
    int64_t bytes = 0;
    for (int i = 0; i < 20000; i++) {
        add_at(engine, SAMPLE_MS - (i / 2 % 60) * MINUTE_MS, i % 2 == 0 ? 1 : -1);
        if (i == 200)
            bytes = counts_of(engine).bytes;
    }
    ck_assert_int_le(counts_of(engine).bytes, bytes);
    ck_assert_int_eq(counts_of(engine).panes, 2 * 60);
    ck_assert_int_eq(sample_total(engine, "all", 0), 0);
    dl_engine_destroy(engine);
}
END_TEST

/* A window that moves on for long keeps neither panes nor calendar. */
START_TEST(nothing_is_left_behind)
{
    struct dl_engine_options options = sample_options(0);
    options.windows = 3;
    options.window_ms[2] = MINUTE_MS;
    struct dl_engine *engine = sample_engine(&options);
    int64_t bytes[2] = {0};
    for (int round = 0; round < 2; round++) {
        int64_t now_ms = dl_engine_now(engine);
        for (int i = 0; i < 5000; i++) {
            advance(engine, now_ms + i * 700);
            add_at(engine, dl_engine_now(engine) + (i % 7 - 3) * 31000, 1);
            if (i % 10 == 0)
                sample_publish(engine);
        }
        advance(engine, dl_engine_now(engine) + 2 * HOUR_MS);
        sample_publish(engine);
        ck_assert_int_eq(dl_engine_next_subject(engine, 0), -1);
        ck_assert_int_eq(counts_of(engine).panes, 0);
        bytes[round] = counts_of(engine).bytes;
    }
    ck_assert_int_eq(bytes[0], bytes[1]);
    dl_engine_destroy(engine);
}
END_TEST

START_TEST(t_never_goes_back)
{
    struct dl_engine *engine = one_window(HOUR_MS);
    advance(engine, SAMPLE_MS - 1);
}
END_TEST

START_TEST(apply_needs_a_time)
{
    struct dl_engine_options options = sample_options(0);
    struct dl_engine *engine = dl_engine_create(&options);
    ck_assert_int_eq(dl_engine_now(engine), INT64_MIN);
    struct dl_event event = sample_survey("t", SAMPLE_MS);
    sample_apply(engine, &event, 0);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, no_pane_boundary_cuts_a_step);
    tcase_add_test(tests, what_lies_in_a_window);
    tcase_add_test(tests, panes_are_aligned_to_utc);
    tcase_add_test(tests, what_is_ahead_waits);
    tcase_add_test(tests, what_is_too_far_ahead);
    tcase_add_test(tests, what_waits_and_is_jumped_over_is_gone);
    tcase_add_test(tests, late_events_correct_their_own_pane);
    tcase_add_test(tests, add_and_retract_for_ever);
    tcase_add_test(tests, nothing_is_left_behind);
    tcase_add_test_raise_signal(tests, t_never_goes_back, SIGABRT);
    tcase_add_test_raise_signal(tests, apply_needs_a_time, SIGABRT);
}

int main(void)
{
    return sample_main("window", add_tests);
}
