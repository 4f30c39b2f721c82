/* What a state topic would hold: a log of the panes that were taken, and what is
 * left of it when only the last record of each key is kept. */
#pragma once

#include "draw.h"
#include "sample.h"

#include <search.h>

struct state_record {
    char subject[2048];
    struct dl_engine_pane pane;
    struct dl_tally tally; /* empty: a tombstone */
};

struct state {
    struct state_record **log; /* in the order in which they were written */
    size_t records, capacity;
    void *last;                /* tree of the last record of each key that is not a tombstone */
    size_t keys;
    long left;                 /* until on_pane fails; -1: never */
    size_t told;
};

static inline int state_order(const void *a, const void *b)
{
    const struct state_record *left = a;
    const struct state_record *right = b;
    if (left->pane.window_ms != right->pane.window_ms)
        return left->pane.window_ms < right->pane.window_ms ? -1 : 1;
    if (left->pane.index != right->pane.index)
        return left->pane.index < right->pane.index ? -1 : 1;
    return strcmp(left->subject, right->subject);
}

static inline void state_append(struct state *state, const struct dl_engine_pane *pane)
{
    struct state_record *record = calloc(1, sizeof *record);
    if (state->records == state->capacity) {
        state->capacity = state->capacity == 0 ? 1024 : state->capacity * 2;
        state->log = realloc(state->log, state->capacity * sizeof *state->log);
    }
    MUST(record != NULL && state->log != NULL && pane->subject.bytes < sizeof record->subject);
    memcpy(record->subject, pane->subject.data, pane->subject.bytes);
    record->pane = *pane;
    record->pane.subject.data = record->subject;
    record->pane.tally = NULL;
    if (pane->tally != NULL) {
        MUST(!dl_tally_empty(pane->tally));
        MUST(dl_tally_copy(&record->tally, pane->tally) == DL_OK);
        record->pane.tally = &record->tally;
    }
    state->log[state->records++] = record;
}

static inline void state_keep(struct state *state, struct state_record *record)
{
    struct state_record **found = tfind(record, &state->last, state_order);
    if (found != NULL) {
        tdelete(record, &state->last, state_order);
        state->keys--;
    } else {
        MUST(record->pane.tally != NULL); /* a tombstone for what was never told of */
    }
    if (record->pane.tally != NULL) {
        MUST(tsearch(record, &state->last, state_order) != NULL);
        state->keys++;
    }
}

static inline bool state_is_last(const struct state *state, const struct state_record *record)
{
    struct state_record **found = tfind(record, &state->last, state_order);
    return found != NULL && *found == record;
}

/* dl_engine_on_pane */
static inline enum dl_status state_on_pane(void *context, const struct dl_engine_pane *pane)
{
    struct state *state = context;
    if (state->left == 0)
        return DL_REFUSED;
    state->left -= state->left > 0;
    state->told++;
    state_append(state, pane);
    state_keep(state, state->log[state->records - 1]);
    return DL_OK;
}

/* As if the key had been taken before, with any value. */
static inline void state_know(struct state *state, const char *subject, int64_t window_ms, int64_t index)
{
    struct dl_tally any = {.data = (unsigned char[]){0, 2}, .bytes = 2};
    const struct dl_engine_pane pane = {.subject = dl_name_of(subject), .window_ms = window_ms, .index = index,
                                        .tally = &any};
    state->left = -1;
    MUST(state_on_pane(state, &pane) == DL_OK);
}

/* Takes all that has changed; random: in steps, some of which are refused. */
static inline void state_take(struct state *state, struct dl_engine *engine, struct random *random)
{
    enum dl_status status = DL_OK;
    while (status != DL_EMPTY) {
        size_t max = random == NULL || draw_one_in(random, 2) ? SIZE_MAX : (size_t)draw_in(random, 1, 300);
        state->left = random == NULL || draw_one_in(random, 2) ? -1 : (long)draw_in(random, 0, 300);
        state->told = 0;
        status = dl_engine_take_changes(engine, max, state_on_pane, state);
        MUST(status == DL_OK || status == DL_EMPTY || (status == DL_REFUSED && state->left == 0));
        MUST(status != DL_OK || state->told >= max);
        MUST(max == SIZE_MAX || state->told < max + 2 * DL_PANES + 302);
        MUST((status == DL_EMPTY) == (dl_engine_changes(engine) == 0));
    }
}

static inline void state_restore_one(struct dl_engine *engine, const struct state_record *record)
{
    MUST(dl_engine_restore(engine, &record->pane) == DL_OK);
}

/* Restores what a log would have: compacted and in any order, or in the order of
 * writing and with some of the older records still there. */
static inline void state_restore(const struct state *state, struct dl_engine *engine, struct random *random)
{
    if (draw_one_in(random, 2)) {
        int64_t kept = draw_in(random, 0, 4); /* in four */
        for (size_t i = 0; i < state->records; i++)
            if (state_is_last(state, state->log[i]) || draw_in(random, 1, 4) <= kept
                || (state->log[i]->pane.tally == NULL && kept > 0)) /* while older ones may be there, a tombstone is */
                state_restore_one(engine, state->log[i]);
        return;
    }
    struct state_record **records = calloc(state->keys + 1, sizeof *records);
    MUST(records != NULL);
    size_t count = 0;
    for (size_t i = 0; i < state->records; i++)
        if (state_is_last(state, state->log[i]))
            records[count++] = state->log[i];
    MUST(count == state->keys);
    for (; count > 0; count--) {
        size_t pick = (size_t)draw_in(random, 0, (int64_t)count - 1);
        state_restore_one(engine, records[pick]);
        records[pick] = records[count - 1];
    }
    free(records);
}

/* The value of a key, NULL: none. */
static inline const struct dl_tally *state_value(const struct state *state, const char *subject, int64_t window_ms,
                                                 int64_t index)
{
    static struct state_record wanted;
    snprintf(wanted.subject, sizeof wanted.subject, "%s", subject);
    wanted.pane.window_ms = window_ms;
    wanted.pane.index = index;
    struct state_record **found = tfind(&wanted, &state->last, state_order);
    return found == NULL ? NULL : (*found)->pane.tally;
}

static inline void state_deinit(struct state *state)
{
    for (size_t i = 0; i < state->records; i++)
        if (state_is_last(state, state->log[i]))
            tdelete(state->log[i], &state->last, state_order);
    for (size_t i = 0; i < state->records; i++) {
        dl_tally_deinit(&state->log[i]->tally);
        free(state->log[i]);
    }
    free(state->log);
    *state = (struct state){.left = -1};
}

/* Steps of tests */

static inline struct dl_engine_options state_options(int segments)
{
    struct dl_engine_options options = sample_options(segments);
    options.keeps_changes = true;
    return options;
}

static inline void state_add(struct dl_engine *engine, const char *touchpoint, int64_t time_ms, int sign)
{
    struct dl_event event = sample_survey(touchpoint, time_ms);
    event.sign = sign;
    sample_apply(engine, &event, 0);
}

static inline void state_advance(struct dl_engine *engine, int64_t now_ms)
{
    MUST(dl_engine_advance(engine, now_ms) == DL_OK);
}

static inline struct dl_engine_counts state_counts(const struct dl_engine *engine)
{
    struct dl_engine_counts counts;
    dl_engine_counts(engine, &counts);
    return counts;
}

static inline struct dl_tally state_events(int64_t events)
{
    struct dl_counts counts = {.count = {[DL_COUNT_EVENTS] = events}};
    struct dl_tally tally = {.data = NULL};
    MUST(dl_tally_pack(&tally, &counts) == DL_OK);
    return tally;
}

/* Restores a pane of so many events; 0: a tombstone. */
static inline enum dl_status state_put_back(struct dl_engine *engine, const char *subject, int64_t window_ms,
                                            int64_t index, int64_t events)
{
    struct dl_tally tally = state_events(events);
    struct dl_name name = dl_name_of(subject);
    char *copy = malloc(name.bytes + 1); /* nothing stands behind it, for the sanitizer */
    MUST(copy != NULL);
    name.data = memcpy(copy + 1, subject, name.bytes);
    const struct dl_engine_pane pane = {.subject = name, .window_ms = window_ms, .index = index,
                                        .tally = events == 0 ? NULL : &tally};
    enum dl_status status = dl_engine_restore(engine, &pane);
    dl_tally_deinit(&tally);
    free(copy);
    return status;
}

/* Records that were written since `first`: values and tombstones. */
static inline void state_check_log(const struct state *state, size_t first, size_t values, size_t tombstones)
{
    size_t found[2] = {0};
    for (size_t i = first; i < state->records; i++)
        found[state->log[i]->pane.tally == NULL]++;
    ck_assert_uint_eq(found[0], values);
    ck_assert_uint_eq(found[1], tombstones);
}
