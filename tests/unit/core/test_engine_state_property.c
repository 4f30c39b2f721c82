/* State against the engine itself: an engine that is made again from what was
 * taken of another equals it, and both go on alike.
 *
 * DELIGHT_SEED=n runs that one seed, DELIGHT_ROUNDS=n so many more of them. */
#include "state.h"

enum { ROUNDS = 15, STEPS = 60, BATCH_EVENTS_MAX = 12, EVENTS_MAX = STEPS * BATCH_EVENTS_MAX };

struct round {
    uint64_t seed;
    int step;
    struct random random;
    struct dl_engine_options options;
    struct dl_engine *owner;  /* whose changes are taken */
    struct dl_engine *shadow; /* the one before it, which goes on beside it; or NULL */
    struct state state;
    struct dl_event events[EVENTS_MAX];
    size_t event_count;
};

#define MUST_FOR(round, promise, name, window)                                                              \
    do {                                                                                                    \
        if (!(promise))                                                                                     \
            ck_abort_msg("DELIGHT_SEED=%llu, step %d, %s, window %d: %s", (unsigned long long)(round)->seed, \
                         (round)->step, (name), (window), #promise);                                        \
    } while (0)
#define MUST_IN(round, promise) MUST_FOR(round, promise, "all subjects", -1)

#define PICK(random, rows) dl_name_of((rows)[draw_in(random, 0, (int64_t)(sizeof(rows) / sizeof(rows)[0]) - 1)])

static void draw_options(struct round *round)
{
    static const int64_t minutes[] = {1, 5, 60, 61, 24 * 60, 400 * 24 * 60};
    static const char *const segments[] = {"tier", "a region", "x|y=%"};
    round->options = sample_options(0);
    round->options.subjects_max = round->options.touchpoints_max = round->options.stages_max = 1000000;
    round->options.windows = (int)draw_in(&round->random, 1, 4);
    int64_t first = draw_in(&round->random, 0, 5);
    for (int i = 0; i < round->options.windows; i++)
        round->options.window_ms[i] = minutes[(first + i) % 6] * MINUTE_MS;
    round->options.segments = (int)draw_in(&round->random, 0, 3);
    for (int i = 0; i < round->options.segments; i++)
        round->options.segment[i] = dl_name_of(segments[i]);
    round->options.keeps_changes = true;
}

static int64_t draw_time(struct round *round)
{
    struct random *random = &round->random;
    int64_t now_ms = dl_engine_now(round->owner);
    int64_t window_ms = round->options.window_ms[draw_in(random, 0, round->options.windows - 1)];
    switch (draw_in(random, 0, 4)) {
    case 0:
        return now_ms - draw_in(random, 0, window_ms);
    case 1:
        return now_ms - draw_in(random, 0, 2 * window_ms);
    case 2:
        return now_ms + draw_in(random, 0, DL_FUTURE_MS + 2000);
    default:
        return now_ms - draw_in(random, 0, window_ms / 20);
    }
}

static struct dl_event draw_event(struct round *round)
{
    static const char *const touchpoints[] = {"checkout", "a|b=c", "m\xc3\xbcnchen", "100 %", "all", "stage:x", "{}\x7f\x01",
                                              DL_NAME_OTHER};
    static const char *const stages[] = {"", "", "pay", "stage=pay", DL_NAME_OTHER};
    static const char *const journeys[] = {"", "fly", "fly|stage=pay", DL_NAME_OTHER};
    static const char *const values[] = {"", "vip", "|tier=", DL_NAME_OTHER};
    struct random *random = &round->random;
    if (round->event_count > 0 && draw_one_in(random, 3)) { /* taken back: panes become empty again */
        struct dl_event event = round->events[draw_in(random, 0, (int64_t)round->event_count - 1)];
        event.sign = -event.sign;
        return event;
    }
    struct dl_event event = sample_survey("t", draw_time(round));
    event.touchpoint = PICK(random, touchpoints);
    event.stage = PICK(random, stages);
    event.journey = PICK(random, journeys);
    for (int i = 0; i < round->options.segments; i++)
        event.segment[i] = PICK(random, values);
    event.nps = (int8_t)draw_in(random, 0, 10);
    event.csat = (int8_t)(draw_one_in(random, 2) ? DL_ABSENT : draw_in(random, 1, 5));
    event.kano_count = draw_one_in(random, 4);
    event.kano[0] = (struct dl_kano_answer){PICK(random, touchpoints), DL_KANO_REVERSE};
    return event;
}

static enum dl_status each_of_batch(const void *batch, dl_batch_on_tally *on_tally, void *context)
{
    return dl_batch_each(batch, on_tally, context);
}

static void step_events(struct round *round)
{
    struct dl_batch *batch = sample_batch(round->options.segments);
    for (int64_t i = draw_in(&round->random, 1, BATCH_EVENTS_MAX); i > 0 && round->event_count < EVENTS_MAX; i--) {
        struct dl_event event = draw_event(round);
        round->events[round->event_count++] = event;
        MUST_IN(round, dl_batch_add(batch, &event) == DL_OK);
    }
    if (draw_one_in(&round->random, 2)) {
        MUST_IN(round, dl_engine_apply(round->owner, batch) == DL_OK);
    } else { /* counted while the advance before it goes on */
        MUST_IN(round, dl_engine_gather(round->owner, each_of_batch, batch, DL_ALL_WINDOWS) == DL_OK);
        while (dl_engine_apply_some(round->owner, (size_t)draw_in(&round->random, 1, 200)) == DL_OK)
            continue;
    }
    if (round->shadow != NULL)
        MUST_IN(round, dl_engine_apply(round->shadow, batch) == DL_OK);
    dl_batch_destroy(batch);
}

/* The owner's views follow bit by bit, now and later; the other one's at once. */
static void advance(struct round *round, int64_t now_ms)
{
    MUST_IN(round, dl_engine_begin_advance(round->owner, now_ms, (size_t)draw_in(&round->random, 0, 60)) == DL_OK);
    for (int64_t i = draw_in(&round->random, -1, 2); i > 0; i--)
        if (dl_engine_apply_some(round->owner, (size_t)draw_in(&round->random, 1, 100)) == DL_EMPTY)
            break;
    if (round->shadow != NULL)
        MUST_IN(round, dl_engine_advance(round->shadow, now_ms) == DL_OK);
}

static void step_clock(struct round *round)
{
    struct random *random = &round->random;
    int64_t window_ms = round->options.window_ms[draw_in(random, 0, round->options.windows - 1)];
    static const int64_t parts[] = {3600, 60, 10, 3, 1};
    int64_t step_ms = draw_in(random, 0, 2 * window_ms / parts[draw_in(random, 0, 4)]);
    if (draw_one_in(random, 60)) /* beyond what 32 bits of seconds hold */
        step_ms = INT64_C(200) * 365 * DAY_MS;
    advance(round, dl_engine_now(round->owner) + step_ms);
}

static void finish(struct round *round, struct dl_engine *engine)
{
    while (dl_engine_waiting(engine) > 0)
        MUST_IN(round, dl_engine_apply_some(engine, 1) != DL_MEMORY);
}

static void publish_all(struct round *round, struct dl_engine *engine)
{
    finish(round, engine);
    sample_publish(engine);
    for (int64_t id = dl_engine_next_subject(engine, 0); id >= 0; id = dl_engine_next_subject(engine, id + 1))
        for (int w = 0; w < round->options.windows; w++)
            MUST_IN(round, dl_tally_equal(dl_engine_published(engine, id, w), dl_engine_total(engine, id, w)));
}

/* Comparing */

static bool same(const struct dl_tally *a, const struct dl_tally *b)
{
    static const struct dl_tally nothing;
    return dl_tally_equal(a == NULL ? &nothing : a, b == NULL ? &nothing : b);
}

/* What `a` has is in `b` too. */
static void compare_one_way(struct round *round, const struct dl_engine *a, const struct dl_engine *b)
{
    for (int64_t id = dl_engine_next_subject(a, 0); id >= 0; id = dl_engine_next_subject(a, id + 1)) {
        struct dl_subject_info info, other;
        dl_engine_subject(a, id, &info);
        int64_t twin = dl_engine_find(b, info.name, info.name_bytes);
        if (twin >= 0) {
            dl_engine_subject(b, twin, &other);
            MUST_FOR(round, info.kind == other.kind && info.segment == other.segment, info.name, -1);
            MUST_FOR(round, strcmp(info.segment_part, other.segment_part) == 0, info.name, -1);
        }
        for (int w = 0; w < round->options.windows; w++) {
            MUST_FOR(round, same(dl_engine_total(a, id, w), twin < 0 ? NULL : dl_engine_total(b, twin, w)), info.name, w);
            for (int i = 0; i < DL_PANES; i++)
                MUST_FOR(round, same(dl_engine_pane(a, id, w, i), twin < 0 ? NULL : dl_engine_pane(b, twin, w, i)),
                         info.name, w);
        }
    }
}

static void compare(struct round *round)
{
    if (round->shadow == NULL)
        return;
    compare_one_way(round, round->owner, round->shadow);
    compare_one_way(round, round->shadow, round->owner);
    struct dl_engine_counts owner, shadow;
    dl_engine_counts(round->owner, &owner);
    dl_engine_counts(round->shadow, &shadow);
    MUST_IN(round, owner.pending == shadow.pending && owner.oldest_ms == shadow.oldest_ms);
}

/* The state has what the engine has and nothing behind its windows. */
static void compare_state(struct round *round)
{
    const struct dl_engine *engine = round->owner;
    size_t panes = 0;
    for (int64_t id = dl_engine_next_subject(engine, 0); id >= 0; id = dl_engine_next_subject(engine, id + 1)) {
        struct dl_subject_info info;
        dl_engine_subject(engine, id, &info);
        for (int w = 0; w < round->options.windows; w++) {
            int64_t window_ms = round->options.window_ms[w];
            for (int i = 0; i < DL_PANES; i++) {
                const struct dl_tally *pane = dl_engine_pane(engine, id, w, i);
                int64_t index = dl_engine_pane_start(engine, w, i) / (window_ms / DL_PANES);
                MUST_FOR(round, same(pane, state_value(&round->state, info.name, window_ms, index)), info.name, w);
                panes += pane != NULL;
            }
        }
    }
    for (size_t i = 0; i < round->state.records; i++) {
        const struct state_record *record = round->state.log[i];
        int64_t pane_ms = record->pane.window_ms / DL_PANES;
        if (state_is_last(&round->state, record) && record->pane.index * pane_ms <= dl_engine_now(engine))
            MUST_FOR(round, panes-- > 0, record->subject, -1); /* what waits for T cannot be seen from outside */
    }
    MUST_IN(round, panes == 0);
}

/* Steps */

static void checkpoint(struct round *round)
{
    finish(round, round->owner);
    state_take(&round->state, round->owner, &round->random);
    compare_state(round);
}

/* A new engine takes the owner's place; the old one goes on beside it. */
static void take_over(struct round *round)
{
    checkpoint(round);
    dl_engine_destroy(round->shadow);
    round->shadow = round->owner;
    round->owner = dl_engine_create(&round->options);
    MUST_IN(round, dl_engine_advance(round->owner, dl_engine_now(round->shadow)) == DL_OK);
    state_restore(&round->state, round->owner, &round->random);
    struct dl_engine_counts counts;
    dl_engine_counts(round->shadow, &counts);
    dl_engine_set_oldest(round->owner, counts.oldest_ms);
    MUST_IN(round, dl_engine_changes(round->owner) == 0);
    compare(round);
    publish_all(round, round->owner);
    compare(round);
}

static void step(struct round *round)
{
    if (draw_one_in(&round->random, 3))
        step_clock(round);
    else
        step_events(round);
    compare(round);
    if (draw_one_in(&round->random, 3))
        publish_all(round, round->owner);
    if (round->shadow != NULL && draw_one_in(&round->random, 3))
        publish_all(round, round->shadow);
    if (draw_one_in(&round->random, 4))
        checkpoint(round);
    if (draw_one_in(&round->random, 10))
        take_over(round);
}

static void run_round(uint64_t seed)
{
    struct round *round = calloc(1, sizeof *round);
    MUST(round != NULL);
    round->seed = round->random.state = seed;
    draw_options(round);
    round->owner = sample_engine(&round->options);
    for (; round->step < STEPS; round->step++)
        step(round);
    /* In the end everything has left, and nothing is kept. */
    advance(round, dl_engine_now(round->owner) + 2 * 400 * DAY_MS);
    finish(round, round->owner);
    sample_publish(round->owner);
    checkpoint(round);
    MUST_IN(round, round->state.keys == 0);
    MUST_IN(round, dl_engine_advance(round->owner, dl_engine_now(round->owner)) == DL_OK);
    MUST_IN(round, dl_engine_next_subject(round->owner, 0) == -1);
    dl_engine_destroy(round->owner);
    dl_engine_destroy(round->shadow);
    state_deinit(&round->state);
    free(round);
}

START_TEST(made_again_it_is_the_same)
{
    if (getenv("DELIGHT_SEED") != NULL) {
        run_round(number_of("DELIGHT_SEED", 0));
        return;
    }
    uint64_t rounds = number_of("DELIGHT_ROUNDS", ROUNDS);
    for (uint64_t seed = 1; seed <= rounds; seed++)
        run_round(seed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine state, property");
    TCase *tests = tcase_create("state");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, made_again_it_is_the_same);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
