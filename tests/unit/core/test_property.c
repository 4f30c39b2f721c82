/* The engine against a naive model: random events in random order, late, ahead,
 * retracted, with jumps of the clock; equal after every step.
 *
 * DELIGHT_SEED=n runs that one seed, DELIGHT_ROUNDS=n so many more of them. */
#include "draw.h"
#include "model.h"

#include <check.h>

enum { ROUNDS = 60, STEPS = 40, BATCH_EVENTS_MAX = 12 };

/* What a round looks like */
struct round {
    uint64_t seed;
    int step;
    struct random random;
    struct model *model;
    struct dl_engine *engine; /* batches as the model has them */
    struct dl_engine *split;  /* the same events in other batches, whose steps are longer, and the clock's moves bit by bit;
                                 NULL with caps */
    bool caps;
};

/* ck_assert writes to a file each time; these are millions. */
#define MUST_FOR(round, promise, name, window)                                                              \
    do {                                                                                                    \
        if (!(promise))                                                                                     \
            ck_abort_msg("DELIGHT_SEED=%llu, step %d, %s, window %d: %s", (unsigned long long)(round)->seed, \
                         (round)->step, (name), (window), #promise);                                        \
    } while (0)
#define MUST(round, promise) MUST_FOR(round, promise, "all subjects", -1)

static struct dl_name draw_name(struct random *random, const char *const *names, int count)
{
    return dl_name_of(names[draw_in(random, 0, count - 1)]);
}

static void draw_options(struct round *round)
{
    static const int64_t minutes[] = {1, 2, 5, 60, 61, 24 * 60, 7 * 24 * 60, 400 * 24 * 60};
    static const char *const segments[] = {"tier", "channel", "region"};
    struct dl_engine_options *options = &round->model->options;
    struct random *random = &round->random;
    int wanted = (int)draw_in(random, 1, 4);
    for (int i = 0; i < (int)(sizeof minutes / sizeof minutes[0]) && options->windows < wanted; i++)
        if (draw_one_in(random, 2) || i >= 8 - wanted + options->windows)
            options->window_ms[options->windows++] = minutes[i] * 60000;
    for (int i = options->windows - 1; i > 0; i--) { /* in any order */
        int64_t other = draw_in(random, 0, i);
        int64_t window_ms = options->window_ms[i];
        options->window_ms[i] = options->window_ms[other];
        options->window_ms[other] = window_ms;
    }
    options->segments = (int)draw_in(random, 0, 3);
    for (int i = 0; i < options->segments; i++)
        options->segment[i] = dl_name_of(segments[i]);
    options->subjects_max = round->caps && draw_one_in(random, 2) ? draw_in(random, 0, 40) : 1000000;
    options->touchpoints_max = round->caps ? draw_in(random, 0, 4) : 100;
    options->stages_max = round->caps ? draw_in(random, 0, 2) : 100;
    options->journeys_max = round->caps ? draw_in(random, 0, 2) : 100;
    options->features_max = round->caps ? draw_in(random, 0, 3) : 100;
    options->segment_values_max = round->caps ? draw_in(random, 0, 2) : 100;
}

static int64_t draw_time(struct round *round)
{
    struct random *random = &round->random;
    const struct dl_engine_options *options = &round->model->options;
    int64_t now_ms = round->model->now_ms;
    int64_t window_ms = options->window_ms[draw_in(random, 0, options->windows - 1)];
    int64_t pane_ms = window_ms / 60;
    int64_t time_ms;
    switch (draw_in(random, 0, 7)) {
    case 0:
    case 1:
        time_ms = now_ms - draw_in(random, 0, 3 * pane_ms);
        break;
    case 2:
        time_ms = now_ms - draw_in(random, 0, window_ms);
        break;
    case 3: /* just inside and just outside the oldest pane */
        time_ms = (model_floor(now_ms, pane_ms) - 59) * pane_ms + draw_in(random, -1, 1);
        break;
    case 4: /* around the edge of T's own pane */
        time_ms = model_floor(now_ms, pane_ms) * pane_ms + draw_in(random, -1, 1);
        break;
    case 5:
        time_ms = now_ms + draw_in(random, 0, DL_FUTURE_MS);
        break;
    case 6: /* around what is too far ahead */
        time_ms = now_ms + DL_FUTURE_MS + draw_in(random, -1500, 1500);
        break;
    default:
        time_ms = now_ms - draw_in(random, 0, 2 * window_ms);
        break;
    }
    return time_ms < DL_TIME_MS_MIN ? DL_TIME_MS_MIN : time_ms;
}

static int64_t draw_duration(struct random *random)
{
    static const int64_t edges[] = {0, 1, 15, 16, 4999, 5000, 5001, 20000, 20001, 86400000, 86400001, DL_DURATION_MS_MAX};
    if (draw_one_in(random, 4))
        return DL_ABSENT;
    if (draw_one_in(random, 2))
        return edges[draw_in(random, 0, (int64_t)(sizeof edges / sizeof edges[0]) - 1)];
    return draw_in(random, 0, 60000);
}

static void draw_event(struct round *round, struct dl_event *event)
{
    static const char *const touchpoints[] = {"checkout", "desk", "gate 7", "a|b=c", "m\xc3\xbcnchen", DL_NAME_OTHER};
    static const char *const stages[] = {"", "", "check-in", "board", DL_NAME_OTHER, "pay"};
    static const char *const journeys[] = {"", "fly", "shop", "{bank}"};
    static const char *const features[] = {"wifi", "lounge", "queue %", "seat"};
    static const char *const values[] = {"", "vip", "basic", "app", DL_NAME_OTHER};
    struct random *random = &round->random;
    *event = (struct dl_event){.type = (enum dl_event_type)draw_in(random, 0, 2), .sign = draw_one_in(random, 8) ? -1 : 1};
    event->time_ms = draw_time(round);
    event->touchpoint = draw_name(random, touchpoints, 6);
    event->stage = draw_name(random, stages, 6);
    event->journey = draw_name(random, journeys, 4);
    for (int i = 0; i < round->model->options.segments; i++)
        event->segment[i] = draw_name(random, values, 5);
    event->nps = (int8_t)draw_in(random, -1, 10);
    event->csat = (int8_t)(draw_one_in(random, 2) ? -1 : draw_in(random, 1, 10));
    event->ces = (int8_t)(draw_one_in(random, 2) ? -1 : draw_in(random, 1, 7));
    event->expectation = (int8_t)(draw_one_in(random, 2) ? -1 : draw_in(random, 1, 5));
    event->kano_count = (uint8_t)(draw_one_in(random, 3) ? draw_in(random, 1, 4) : 0);
    for (int i = 0; i < event->kano_count; i++) {
        event->kano[i].feature = draw_name(random, features, 4);
        event->kano[i].category = (uint8_t)draw_in(random, 0, DL_KANO_CATEGORIES - 1);
    }
    event->outcome = (enum dl_outcome)draw_in(random, 0, 2);
    event->first_contact = (int8_t)draw_in(random, -1, 1);
    event->resolvable = (int8_t)draw_in(random, 0, 1);
    event->wait_ms = draw_duration(random);
    event->handle_ms = draw_duration(random);
    event->closed = (int8_t)draw_in(random, 0, 1);
    event->satisfied = (int8_t)draw_in(random, -1, 1);
    event->duration_ms = draw_duration(random);
    if (round->model->event_count > 0 && draw_one_in(random, 5)) { /* an event of before is taken back, or comes again */
        *event = round->model->events[draw_in(random, 0, (int64_t)round->model->event_count - 1)];
        event->sign = draw_one_in(random, 4) ? event->sign : -event->sign;
    }
}

/* Steps */

static struct dl_batch *batch_of(struct round *round, size_t first, size_t end, int64_t step_s)
{
    const struct dl_batch_options options = {.bytes_max = (size_t)1 << 20, .segments = round->model->options.segments,
                                             .step_s = step_s,
                                             .service_level_threshold_ms = MODEL_THRESHOLD_MS,
                                             .short_abandon_ms = MODEL_SHORT_MS};
    struct dl_batch *batch = dl_batch_create(&options, 0);
    ck_assert_ptr_nonnull(batch);
    for (size_t i = first; i < end; i++)
        MUST(round, dl_batch_add(batch, &round->model->events[i]) == DL_OK);
    return batch;
}

static void apply(struct round *round, struct dl_engine *engine, size_t first, size_t end)
{
    struct dl_batch *batch = batch_of(round, first, end, 1);
    MUST(round, dl_engine_apply(engine, batch) == DL_OK);
    dl_batch_destroy(batch);
}

static enum dl_status each_of_batch(const void *batch, dl_batch_on_tally *on_tally, void *context)
{
    return dl_batch_each(batch, on_tally, context);
}

/* Some of what is gathered, or nothing, is counted at once. */
static void gather(struct round *round, struct dl_engine *engine, size_t first, size_t end)
{
    struct dl_batch *batch = batch_of(round, first, end, dl_engine_step_s(&round->model->options));
    MUST(round, dl_engine_gather(engine, each_of_batch, batch, DL_ALL_WINDOWS) == DL_OK);
    dl_batch_destroy(batch);
    enum dl_status status = DL_OK;
    for (int64_t i = draw_in(&round->random, -2, 3); i > 0 && status == DL_OK; i--)
        status = dl_engine_apply_some(engine, (size_t)draw_in(&round->random, 1, 300));
    MUST(round, status == DL_OK || (status == DL_EMPTY && dl_engine_waiting(engine) == 0));
}

static void finish(struct round *round, struct dl_engine *engine)
{
    MUST(round, dl_engine_apply_some(engine, SIZE_MAX) == DL_EMPTY);
    MUST(round, dl_engine_waiting(engine) == 0);
}

static void step_events(struct round *round)
{
    struct model *model = round->model;
    size_t first = model->event_count;
    int64_t count = draw_in(&round->random, 1, BATCH_EVENTS_MAX);
    for (int64_t i = 0; i < count && model->event_count < MODEL_EVENTS; i++) {
        draw_event(round, &model->events[model->event_count]);
        model->event_count++;
    }
    model_apply(model, first);
    apply(round, round->engine, first, model->event_count);
    if (round->split == NULL)
        return;
    for (size_t from = first; from < model->event_count;) {
        size_t end = from + (size_t)draw_in(&round->random, 1, (int64_t)(model->event_count - from));
        gather(round, round->split, from, end);
        from = end;
    }
}

static void advance(struct round *round, struct dl_engine *engine, int64_t now_ms)
{
    MUST(round, dl_engine_advance(engine, now_ms) == DL_OK);
}

static void compare_totals(struct round *round, struct dl_engine *engine);

/* Whether its views have moved or not, nobody can tell; what is gathered is counted before, for the model has it. */
static void advance_some(struct round *round, struct dl_engine *engine, int64_t now_ms)
{
    struct random *random = &round->random;
    bool counted = draw_one_in(random, 2);
    if (counted)
        finish(round, engine);
    MUST(round, dl_engine_begin_advance(engine, now_ms, (size_t)draw_in(random, 0, 60)) == DL_OK);
    for (int64_t i = draw_in(random, -1, 2); i > 0 && dl_engine_waiting(engine) > 0; i--) {
        if (counted && now_ms == round->model->now_ms)
            compare_totals(round, engine);
        enum dl_status status = dl_engine_apply_some(engine, (size_t)draw_in(random, 1, 100));
        MUST(round, status == (dl_engine_waiting(engine) > 0 ? DL_OK : DL_EMPTY) || status == DL_OK);
    }
    if (counted && now_ms == round->model->now_ms)
        compare_totals(round, engine);
}

static void step_clock(struct round *round)
{
    struct random *random = &round->random;
    struct model *model = round->model;
    int64_t window_ms = model->options.window_ms[draw_in(random, 0, model->options.windows - 1)];
    int64_t before_ms = model->now_ms;
    switch (draw_in(random, 0, 7)) {
    case 0:
        break;
    case 1:
        model->now_ms += draw_in(random, 0, 1500);
        break;
    case 2:
        model->now_ms += draw_in(random, 0, 2 * window_ms / 60);
        break;
    case 3: /* to the first millisecond of the next pane */
        model->now_ms = (model_floor(model->now_ms, window_ms / 60) + 1) * (window_ms / 60);
        break;
    case 4:
        model->now_ms += draw_in(random, 0, DL_FUTURE_MS);
        break;
    case 5: /* as far as the window is long, more or less */
        model->now_ms += window_ms + draw_in(random, -2, 2) * window_ms / 60;
        break;
    case 6:
        model->now_ms += draw_in(random, 0, window_ms);
        break;
    default:
        model->now_ms += draw_one_in(random, 8) ? INT64_C(86400000) * 365 * 20 : 3 * window_ms;
        break;
    }
    advance(round, round->engine, model->now_ms);
    if (round->split == NULL)
        return;
    if (draw_one_in(random, 2)) /* the other one gets there in two steps */
        advance_some(round, round->split, before_ms + draw_in(random, 0, model->now_ms - before_ms));
    advance_some(round, round->split, model->now_ms);
}

/* Publishes up to `count` dirty views. */
static void publish(struct round *round, struct dl_engine *engine, int64_t count)
{
    int64_t id;
    int window;
    for (; count > 0 && dl_engine_take_dirty(engine, &id, &window) == DL_OK; count--)
        MUST(round, dl_engine_set_published(engine, id, window, dl_engine_total(engine, id, window)) == DL_OK);
}

/* After all is published, every view is published as it is: none changed unnoticed. */
static void publish_all(struct round *round, struct dl_engine *engine)
{
    publish(round, engine, INT64_MAX);
    MUST(round, dl_engine_dirty(engine) == 0);
    for (int64_t id = dl_engine_next_subject(engine, 0); id >= 0; id = dl_engine_next_subject(engine, id + 1))
        for (int w = 0; w < round->model->options.windows; w++) {
            struct dl_subject_info info;
            dl_engine_subject(engine, id, &info);
            MUST_FOR(round, dl_tally_equal(dl_engine_published(engine, id, w), dl_engine_total(engine, id, w)), info.name, w);
        }
}

/* Comparing */

static bool is_zero(const struct dl_counts *counts)
{
    static const struct dl_counts zero;
    return memcmp(counts, &zero, sizeof zero) == 0;
}

static void compare_view(struct round *round, struct dl_engine *engine, const struct model_subject *subject, int64_t id,
                         int window, int64_t *panes, int64_t *pending)
{
    static struct dl_counts pane[DL_PANES];
    struct dl_counts total = {{0}};
    bool seen[DL_PANES + MODEL_AHEAD_MAX] = {false};
    for (size_t i = 0; i < subject->count_count; i++) {
        int64_t at = model_pane(round->model, window, subject->counts[i].second);
        if (at < 0)
            continue;
        MUST(round, at < DL_PANES + MODEL_AHEAD_MAX);
        *panes += !seen[at];
        if (at < DL_PANES) {
            if (!seen[at])
                memset(&pane[at], 0, sizeof pane[at]);
            model_count_into(&subject->counts[i], &pane[at]);
            model_count_into(&subject->counts[i], &total);
        } else {
            *pending += subject->counts[i].event->sign;
        }
        seen[at] = true;
    }
    bool empty = is_zero(&total);
    MUST_FOR(round, dl_tally_empty(dl_engine_total(engine, id, window)) == empty, subject->name, window);
    dl_tally_unpack(dl_engine_total(engine, id, window), &total, -1);
    MUST_FOR(round, is_zero(&total), subject->name, window);
    for (int at = 0; at < DL_PANES; at++) {
        const struct dl_tally *tally = dl_engine_pane(engine, id, window, at);
        MUST_FOR(round, tally == NULL || seen[at], subject->name, window);
        if (!seen[at])
            continue;
        if (tally != NULL)
            dl_tally_unpack(tally, &pane[at], -1);
        MUST_FOR(round, is_zero(&pane[at]), subject->name, window);
    }
}

static bool is_shortest(const struct dl_engine_options *options, int window)
{
    for (int w = 0; w < options->windows; w++)
        if (options->window_ms[w] < options->window_ms[window])
            return false;
    return true;
}

static void compare_subject(struct round *round, struct dl_engine *engine, const struct model_subject *subject, int64_t id,
                            struct dl_engine_counts *expected)
{
    struct dl_subject_info info;
    dl_engine_subject(engine, id, &info);
    MUST(round, info.kind == subject->kind && info.segment == subject->segment);
    MUST(round, info.name_bytes == strlen(subject->name) && strcmp(info.name, subject->name) == 0);
    MUST(round, (*info.segment_part == '|') == (subject->segment >= 0));
    for (int w = 0; w < round->model->options.windows; w++) {
        int64_t panes = 0;
        int64_t pending = 0;
        compare_view(round, engine, subject, id, w, &panes, &pending);
        expected->panes += panes;
        expected->views += panes > 0;
        if (is_shortest(&round->model->options, w) && strcmp(subject->name, "all") == 0)
            expected->pending = pending;
    }
}

/* Names and panes of every subject. `settled`: nothing is dirty or published
 * beyond what has panes, so that no other subject may live. */
static void compare(struct round *round, struct dl_engine *engine, bool settled)
{
    const struct model *model = round->model;
    struct dl_engine_counts expected = model->counts;
    int64_t live = 0;
    for (size_t i = 0; i < model->subject_count; i++) {
        const struct model_subject *subject = &model->subjects[i];
        bool must_live = model_is_live(model, subject);
        int64_t id = dl_engine_find(engine, subject->name, strlen(subject->name));
        MUST_FOR(round, !must_live || id >= 0, subject->name, -1);
        MUST_FOR(round, must_live || !settled || id < 0, subject->name, -1);
        if (id < 0)
            continue;
        live++;
        compare_subject(round, engine, subject, id, &expected);
    }
    for (int64_t id = dl_engine_next_subject(engine, 0); id >= 0; id = dl_engine_next_subject(engine, id + 1))
        live--;
    MUST(round, live == 0); /* the engine knows no subject that the model does not */
    struct dl_engine_counts counts;
    dl_engine_counts(engine, &counts);
    MUST(round, counts.late == expected.late && counts.ahead == expected.ahead);
    MUST(round, counts.oldest_ms == expected.oldest_ms);
    MUST(round, counts.pending == expected.pending);
    MUST(round, counts.panes == expected.panes && counts.views == expected.views);
    /* The rest depends on how events are cut into batches. */
    if (engine == round->engine) {
        MUST(round, memcmp(counts.over_cap, expected.over_cap, sizeof counts.over_cap) == 0);
        MUST(round, counts.over_segment_values == expected.over_segment_values);
        MUST(round, counts.over_subjects == expected.over_subjects);
    }
}

/* The same of totals and panes only: views that have not moved still hold what has left. */
static void compare_totals(struct round *round, struct dl_engine *engine)
{
    const struct model *model = round->model;
    struct dl_engine_counts ignored = {.panes = 0};
    for (size_t i = 0; i < model->subject_count; i++) {
        int64_t id = dl_engine_find(engine, model->subjects[i].name, strlen(model->subjects[i].name));
        MUST_FOR(round, id >= 0 || !model_is_live(model, &model->subjects[i]), model->subjects[i].name, -1);
        if (id >= 0)
            compare_subject(round, engine, &model->subjects[i], id, &ignored);
    }
    struct dl_engine_counts counts;
    dl_engine_counts(engine, &counts);
    MUST(round, counts.pending == ignored.pending && counts.late == model->counts.late && counts.ahead == model->counts.ahead);
}

static void settle(struct round *round, struct dl_engine *engine)
{
    finish(round, engine);
    publish_all(round, engine);
    advance(round, engine, round->model->now_ms);
    compare(round, engine, true);
}

static void step(struct round *round)
{
    if (draw_one_in(&round->random, 3))
        step_clock(round);
    else
        step_events(round);
    compare(round, round->engine, false);
    if (round->split != NULL && draw_one_in(&round->random, 2)) {
        finish(round, round->split);
        compare(round, round->split, false);
    }
    if (draw_one_in(&round->random, 16)) { /* Redis has forgotten all */
        dl_engine_forget_published(round->engine);
        dl_engine_mark_all_dirty(round->engine);
    }
    /* Over a cap it matters who lives: there everything is published at once. */
    if (round->caps || draw_one_in(&round->random, 4))
        settle(round, round->engine);
    else if (draw_one_in(&round->random, 2))
        publish(round, round->engine, draw_in(&round->random, 0, 20));
    if (round->split != NULL && draw_one_in(&round->random, 4))
        settle(round, round->split);
    else if (round->split != NULL && draw_one_in(&round->random, 2)) /* what waits to be counted does not hinder it */
        publish(round, round->split, draw_in(&round->random, 0, 20));
}

static void run_round(uint64_t seed)
{
    struct round round = {.seed = seed, .random = {seed}};
    round.caps = draw_one_in(&round.random, 2);
    round.model = calloc(1, sizeof *round.model);
    ck_assert_ptr_nonnull(round.model);
    round.model->counts.oldest_ms = INT64_MAX;
    draw_options(&round);
    round.engine = dl_engine_create(&round.model->options);
    round.split = round.caps ? NULL : dl_engine_create(&round.model->options);
    round.model->now_ms = DL_TIME_MS_MIN + draw_in(&round.random, 0, INT64_C(1) << 40);
    advance(&round, round.engine, round.model->now_ms);
    if (round.split != NULL)
        advance(&round, round.split, round.model->now_ms);
    for (round.step = 0; round.step < STEPS; round.step++)
        step(&round);
    /* In the end everything has left, and nothing is kept. */
    round.model->now_ms += INT64_C(2) * 400 * 86400000;
    advance(&round, round.engine, round.model->now_ms);
    settle(&round, round.engine);
    MUST(&round, dl_engine_next_subject(round.engine, 0) == -1);
    dl_engine_destroy(round.engine);
    dl_engine_destroy(round.split);
    model_free(round.model);
}

START_TEST(engine_equals_model)
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
    Suite *suite = suite_create("property");
    TCase *tests = tcase_create("engine");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, engine_equals_model);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
