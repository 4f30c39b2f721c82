/* An engine that is made again of its state. */
#include "state.h"

#define A128 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

START_TEST(what_is_a_subject)
{
    static const struct {
        const char *name;
        int kind; /* -1: none */
        int segment;
    } rows[] = {
        {"all", DL_KIND_ALL, -1},
        {"all|tier=vip", DL_KIND_ALL, 0},
        {"all|channel=vip", DL_KIND_ALL, 1},
        {"", -1, 0},
        {"al", -1, 0},
        {"alls", -1, 0},
        {"ALL", -1, 0},
        {"all:", -1, 0},
        {"all:a", -1, 0},
        {"all|", -1, 0},
        {"|", -1, 0},
        {"|tier=vip", -1, 0},
        {"all|tier", -1, 0},
        {"all|tier=", -1, 0},
        {"all|=vip", -1, 0},
        {"all|region=vip", -1, 0},            /* not configured */
        {"all|tie=vip", -1, 0},
        {"all|tier=vip|", -1, 0},
        {"all||tier=vip", -1, 0},
        {"all|tier=vip=", -1, 0},
        {"all|tier=vip|tier=vip", -1, 0},
        {"all|tier=vip|channel=app", -1, 0},
        {"all|stage=pay", -1, 0},
        {"touchpoint:a", DL_KIND_TOUCHPOINT, -1},
        {"touchpoint:__other__|tier=__other__", DL_KIND_TOUCHPOINT, 0},
        {"touchpoint:a:b", DL_KIND_TOUCHPOINT, -1},
        {"touchpoint::", DL_KIND_TOUCHPOINT, -1},
        {"touchpoint:m\xc3\xbcnchen|channel=\xf0\x9f\x98\x80", DL_KIND_TOUCHPOINT, 1},
        {"touchpoint:%7C%3D%25%7B%7D%20%01%7F|tier=%7C", DL_KIND_TOUCHPOINT, 0},
        {"touchpoint:" A128, DL_KIND_TOUCHPOINT, -1},
        {"touchpoint:" A128 "a", -1, 0},
        {"touchpoint:" A128 "%20", -1, 0},
        {"all|tier=" A128, DL_KIND_ALL, 0},
        {"all|tier=" A128 "a", -1, 0},
        {"touchpoint", -1, 0},
        {"touchpoint:", -1, 0},
        {"touchpoint:|tier=vip", -1, 0},
        {"touchpoint|tier=vip", -1, 0},
        {"touchpoints:a", -1, 0},
        {"touchpoint:a|", -1, 0},
        {"touchpoint:a|stage=pay", -1, 0},
        {"touchpoint:a b", -1, 0},            /* not encoded, and should be */
        {"touchpoint:a=b", -1, 0},
        {"touchpoint:{", -1, 0},
        {"touchpoint:a\x7f", -1, 0},
        {"touchpoint:%41", -1, 0},            /* encoded, and need not be */
        {"touchpoint:%41 ", -1, 0},
        {"touchpoint:%C3%BC", -1, 0},
        {"touchpoint:%7c", -1, 0},            /* lower case */
        {"touchpoint:%00", -1, 0},
        {"touchpoint:%", -1, 0},              /* cut off */
        {"touchpoint:%7", -1, 0},
        {"touchpoint:%7|tier=vip", -1, 0},
        {"touchpoint:a%2", -1, 0},
        {"touchpoint:%G0", -1, 0},
        {"touchpoint:%%20", -1, 0},
        {"stage:pay", DL_KIND_STAGE, -1},
        {"stage:pay|stage=pay", -1, 0},
        {"feature:wifi|tier=vip", DL_KIND_FEATURE, 0},
        {"journey:fly", DL_KIND_JOURNEY, -1},
        {"journey:fly|channel=app", DL_KIND_JOURNEY, 1},
        {"journey:fly|stage=pay", DL_KIND_JOURNEY_STAGE, -1},
        {"journey:fly|stage=pay|tier=vip", DL_KIND_JOURNEY_STAGE, 0},
        {"journey:fly|stage=stage%3Dpay", DL_KIND_JOURNEY_STAGE, -1},
        {"journey:fly|stage", -1, 0},
        {"journey:fly|stage=", -1, 0},
        {"journey:fly|stage=pay|", -1, 0},
        {"journey:fly|stage=pay|stage=pay", -1, 0},
        {"journey:fly|tier=vip|stage=pay", -1, 0},
        {"journey_stage:fly|stage=pay", -1, 0},
        {"journey_stage:fly", -1, 0},
        {"segment:a", -1, 0},
        {":a", -1, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_engine_options options = state_options(2);
        struct dl_engine *engine = sample_engine(&options);
        /* A tombstone is looked at as closely, and makes no subject. */
        enum dl_status tombstone = state_put_back(engine, rows[i].name, HOUR_MS, SAMPLE_MS / MINUTE_MS, 0);
        ck_assert_int_eq(dl_engine_next_subject(engine, 0), -1);
        enum dl_status status = state_put_back(engine, rows[i].name, HOUR_MS, SAMPLE_MS / MINUTE_MS, 1);
        ck_assert_int_eq(tombstone, status);
        int64_t id = dl_engine_next_subject(engine, 0);
        ck_assert_msg(status == (rows[i].kind < 0 ? DL_INVALID : DL_OK) && (id >= 0) == (status == DL_OK), "%s: %s",
                      rows[i].name, dl_status_text(status));
        if (id >= 0) {
            struct dl_subject_info info;
            dl_engine_subject(engine, id, &info);
            ck_assert_str_eq(info.name, rows[i].name);
            ck_assert_int_eq((int)info.kind, rows[i].kind);
            ck_assert_int_eq(info.segment, rows[i].segment);
            ck_assert_int_eq(sample_find(engine, rows[i].name), id);
            ck_assert_uint_eq(dl_engine_dirty(engine), 1);
        }
        dl_engine_destroy(engine);
    }
    /* A name has no NUL. */
    struct dl_engine_options options = state_options(0);
    struct dl_engine *engine = sample_engine(&options);
    struct dl_tally tally = state_events(1);
    struct dl_engine_pane pane = {.subject = {.data = "stage:a\0b", .bytes = 9}, .window_ms = HOUR_MS,
                                  .index = SAMPLE_MS / MINUTE_MS, .tally = &tally};
    ck_assert_int_eq(dl_engine_restore(engine, &pane), DL_INVALID);
    dl_tally_deinit(&tally);
    dl_engine_destroy(engine);
}
END_TEST

/* Whatever events name can be named again: the longest names, all of them encoded. */
START_TEST(the_longest_names)
{
    static char bytes[5][DL_NAME_BYTES_MAX];
    struct dl_name names[5];
    for (int i = 0; i < 5; i++) {
        memset(bytes[i], '|', sizeof bytes[i]);
        bytes[i][0] = (char)(1 + i);
        names[i] = (struct dl_name){.data = bytes[i], .bytes = sizeof bytes[i]};
    }
    struct dl_engine_options options = state_options(1);
    options.segment[0] = names[4];
    struct dl_event event = sample_survey("t", SAMPLE_MS);
    event.touchpoint = names[0];
    event.stage = names[1];
    event.journey = names[2];
    event.segment[0] = names[3];
    event.kano_count = 1;
    event.kano[0] = (struct dl_kano_answer){names[0], DL_KANO_REVERSE};
    struct dl_engine *engine = sample_engine(&options);
    struct dl_engine *again = sample_engine(&options);
    struct state state = {.left = -1};
    sample_apply(engine, &event, 1);
    state_take(&state, engine, NULL);
    ck_assert_uint_eq(state.records, 2 * 2 * 6);
    for (size_t i = 0; i < state.records; i++)
        state_restore_one(again, state.log[i]);
    for (int64_t id = dl_engine_next_subject(engine, 0); id >= 0; id = dl_engine_next_subject(engine, id + 1)) {
        struct dl_subject_info info, other;
        dl_engine_subject(engine, id, &info);
        dl_engine_subject(again, sample_find(again, info.name), &other);
        ck_assert_str_eq(info.name, other.name);
        ck_assert_str_eq(info.segment_part, other.segment_part);
        ck_assert(info.kind == other.kind && info.segment == other.segment);
    }
    /* They are the same subjects to the next event. */
    sample_apply(engine, &event, 1);
    sample_apply(again, &event, 1);
    ck_assert_int_eq(state_counts(again).subjects, state_counts(engine).subjects);
    ck_assert_int_eq(sample_total(again, "all", 0), 2);
    dl_engine_destroy(engine);
    dl_engine_destroy(again);
    state_deinit(&state);
}
END_TEST

/* 5m: panes of 5 s; 1h: of a minute. */
START_TEST(which_panes)
{
    static const struct {
        int64_t window_ms, index; /* from T's own; the largest as they are */
        enum dl_status status;
        bool there;
        int64_t total;
    } rows[] = {
        {HOUR_MS, 0, DL_OK, true, 7},
        {HOUR_MS, -59, DL_OK, true, 7},
        {HOUR_MS, -60, DL_OK, false, 0},      /* left behind */
        {HOUR_MS, -100000, DL_OK, false, 0},
        {HOUR_MS, INT64_MIN, DL_OK, false, 0},
        {HOUR_MS, 5, DL_OK, true, 0},         /* waits for T */
        {HOUR_MS, 6, DL_INVALID, false, 0},
        {HOUR_MS, INT64_MAX, DL_INVALID, false, 0},
        {HOUR_MS, INT64_C(1) << 32, DL_INVALID, false, 0},
        {HOUR_MS, -(INT64_C(1) << 32), DL_OK, false, 0},
        {5 * MINUTE_MS, 60, DL_OK, true, 0},
        {5 * MINUTE_MS, 61, DL_INVALID, false, 0},
        {5 * MINUTE_MS, -59, DL_OK, true, 7},
        {5 * MINUTE_MS, -60, DL_OK, false, 0},
        {MINUTE_MS, 0, DL_INVALID, false, 0}, /* no such window */
        {0, 0, DL_INVALID, false, 0},
        {-HOUR_MS, 0, DL_INVALID, false, 0},
        {INT64_MAX, 0, DL_INVALID, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_engine_options options = state_options(0);
        struct dl_engine *engine = sample_engine(&options);
        int w = rows[i].window_ms == HOUR_MS;
        int64_t newest = w == 1 ? SAMPLE_MS / MINUTE_MS : SAMPLE_MS / 5000;
        int64_t index = rows[i].index < -(INT64_C(1) << 40) || rows[i].index > INT64_C(1) << 40 ? rows[i].index
                                                                                             : newest + rows[i].index;
        enum dl_status status = state_put_back(engine, "stage:s", rows[i].window_ms, index, 7);
        ck_assert_msg(status == rows[i].status, "row %zu: %s", i, dl_status_text(status));
        ck_assert_msg((sample_find(engine, "stage:s") >= 0) == rows[i].there, "row %zu", i);
        ck_assert_int_eq(state_counts(engine).panes, rows[i].there);
        ck_assert_msg(sample_total(engine, "stage:s", w) == rows[i].total, "row %zu", i);
        ck_assert_uint_eq(dl_engine_dirty(engine), rows[i].total > 0);
        ck_assert_uint_eq(dl_engine_changes(engine), 0);
        dl_engine_destroy(engine);
    }
}
END_TEST

START_TEST(restoring_replaces)
{
    const int64_t newest = SAMPLE_MS / MINUTE_MS;
    struct dl_engine_options options = state_options(0);
    struct dl_engine *engine = sample_engine(&options);
    struct state state = {.left = -1};
    state_add(engine, "t", SAMPLE_MS, 1);
    state_add(engine, "t", SAMPLE_MS - MINUTE_MS, 1);
    state_add(engine, "t", SAMPLE_MS + 2 * MINUTE_MS, 1);
    static const struct {
        int64_t index, events, total;
    } rows[] = {
        {0, 10, 11}, {0, 10, 11}, {-1, 20, 30}, {0, 0, 20}, {0, 0, 20}, {0, 5, 25}, {-5, 1, 26}, {-1, -20, -14}, {0, 15, -4},
        {2, 100, -4}, {-7, 0, -4}, {3, 1000, -4}, {3, 0, -4},
    };
    int64_t id = sample_find(engine, "touchpoint:t");
    int64_t panes = state_counts(engine).panes;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_eq(state_put_back(engine, "touchpoint:t", HOUR_MS, newest + rows[i].index, rows[i].events), DL_OK);
        ck_assert_msg(sample_total(engine, "touchpoint:t", 1) == rows[i].total, "row %zu", i);
        if (rows[i].index <= 0) {
            const struct dl_tally *pane = dl_engine_pane(engine, id, 1, (int)(DL_PANES - 1 + rows[i].index));
            ck_assert((pane == NULL) == (rows[i].events == 0));
            ck_assert(pane == NULL || dl_tally_get(pane, DL_COUNT_EVENTS) == rows[i].events);
        }
    }
    ck_assert_int_eq(state_counts(engine).panes, panes + 2); /* at -5 and 3; none at -7 */
    /* What was restored is what the state has: there is nothing to tell of it … */
    state_take(&state, engine, NULL);
    state_check_log(&state, 0, 3 + 3 + 3, 0); /* all in two windows, and the touchpoint in 5m */
    ck_assert_ptr_null(state_value(&state, "touchpoint:t", HOUR_MS, newest));
    /* … until it changes, or goes. */
    state_add(engine, "t", SAMPLE_MS, 1);
    ck_assert_int_eq(sample_total(engine, "touchpoint:t", 1), -3);
    size_t first = state.records;
    state_take(&state, engine, NULL);
    state_check_log(&state, first, 4, 0);
    state_advance(engine, SAMPLE_MS + 2 * MINUTE_MS);
    ck_assert_int_eq(sample_total(engine, "touchpoint:t", 1), 97);
    state_know(&state, "touchpoint:t", HOUR_MS, newest - 5);
    state_know(&state, "touchpoint:t", HOUR_MS, newest - 1);
    state_know(&state, "touchpoint:t", HOUR_MS, newest + 2);
    state_advance(engine, SAMPLE_MS + 2 * HOUR_MS);
    ck_assert_int_eq(sample_total(engine, "touchpoint:t", 1), 0);
    state_take(&state, engine, NULL);
    ck_assert_uint_eq(state.keys, 0);
    dl_engine_destroy(engine);
    state_deinit(&state);
}
END_TEST

START_TEST(caps_do_not_hold_up_what_is_restored)
{
    const int64_t newest = SAMPLE_MS / MINUTE_MS;
    struct dl_engine_options options = state_options(1);
    options.touchpoints_max = 1;
    options.segment_values_max = 0;
    options.subjects_max = _i == 0 ? 1000 : 2;
    struct dl_engine *engine = sample_engine(&options);
    static const char *const subjects[] = {"touchpoint:a", "touchpoint:b", "all|tier=vip", "journey:j|stage=s"};
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(state_put_back(engine, subjects[i], HOUR_MS, newest, 1), DL_OK);
    ck_assert_int_eq(state_counts(engine).subjects, 4);
    state_add(engine, "a", SAMPLE_MS, 1);
    state_add(engine, "b", SAMPLE_MS, 1);
    ck_assert_int_eq(sample_total(engine, "touchpoint:a", 1), 2);
    ck_assert_int_eq(sample_total(engine, "touchpoint:b", 1), 2);
    state_add(engine, "c", SAMPLE_MS, 1);
    ck_assert_int_eq(sample_find(engine, "touchpoint:c"), -1);
    ck_assert_int_eq(sample_total(engine, "touchpoint:__other__", 1), 1);
    ck_assert_int_eq(state_counts(engine).over_cap[DL_KIND_TOUCHPOINT], 1);
    dl_engine_destroy(engine);
    /* And the room is free again when they have left. */
    engine = sample_engine(&options);
    ck_assert_int_eq(state_put_back(engine, "touchpoint:a", HOUR_MS, newest, 1), DL_OK);
    state_advance(engine, SAMPLE_MS + 2 * HOUR_MS);
    sample_publish(engine);
    struct state state = {.left = -1};
    state_know(&state, "touchpoint:a", HOUR_MS, newest);
    state_take(&state, engine, NULL);
    ck_assert_uint_eq(state.keys, 0);
    state_advance(engine, dl_engine_now(engine));
    state_add(engine, "c", SAMPLE_MS + 2 * HOUR_MS, 1);
    ck_assert_int_eq(sample_total(engine, "touchpoint:c", 1), 1);
    dl_engine_destroy(engine);
    state_deinit(&state);
}
END_TEST

START_TEST(oldest_goes_on)
{
    struct dl_engine_options options = state_options(0);
    struct dl_engine *engine = sample_engine(&options);
    ck_assert_int_eq(state_counts(engine).oldest_ms, INT64_MAX);
    dl_engine_set_oldest(engine, SAMPLE_MS - 10 * MINUTE_MS);
    ck_assert_int_eq(state_counts(engine).oldest_ms, SAMPLE_MS - 10 * MINUTE_MS);
    state_add(engine, "t", SAMPLE_MS, 1);
    ck_assert_int_eq(state_counts(engine).oldest_ms, SAMPLE_MS - 10 * MINUTE_MS);
    state_add(engine, "t", SAMPLE_MS - 20 * MINUTE_MS, 1);
    ck_assert_int_eq(state_counts(engine).oldest_ms, SAMPLE_MS - 20 * MINUTE_MS);
    dl_engine_set_oldest(engine, INT64_MAX);
    ck_assert_int_eq(state_counts(engine).oldest_ms, INT64_MAX);
    dl_engine_destroy(engine);
}
END_TEST

START_TEST(restoring_needs_a_time)
{
    struct dl_engine_options options = state_options(0);
    state_put_back(dl_engine_create(&options), "all", HOUR_MS, SAMPLE_MS / MINUTE_MS, 1);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, what_is_a_subject);
    tcase_add_test(tests, the_longest_names);
    tcase_add_test(tests, which_panes);
    tcase_add_test(tests, restoring_replaces);
    tcase_add_loop_test(tests, caps_do_not_hold_up_what_is_restored, 0, 2);
    tcase_add_test(tests, oldest_goes_on);
    tcase_add_test_raise_signal(tests, restoring_needs_a_time, SIGABRT);
}

int main(void)
{
    return sample_main("engine_restore", add_tests);
}
