#include "recount.h"

#include "util.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_RECORDS 32768

/* bits:  0-1 type | 2 retraction | 3 repeat | survey: 4-7 nps+1, 8-11 csat+1, 12-15 ces+1, 16-19 expectation+1,
 *                                             20-25 Kano answers
 *                                  contact: 4-5 outcome+1, 6-7 first contact+1, 8-9 resolvable+1
 *                                  complaint: 4 closed, 5-6 satisfied+1
 * a:     survey: first Kano answer in the chunk's list; contact: wait_ms; complaint: duration_ms
 * b:     contact: handle_ms */
struct record {
    uint32_t cell;
    uint32_t bits;
    int64_t time_ms;
    int64_t a;
    int64_t b;
};

struct chunk {
    struct record *records;
    uint32_t count;
    size_t first_repeat; /* how many repeats lie in chunks before this one */
    int64_t oldest_ms, newest_ms;
    uint32_t *kano; /* feature cell * 8 + category */
    size_t kano_count, kano_capacity;
};

struct ld_recount {
    const struct ld_settings *settings;
    struct ld_subjects subjects;
    struct chunk *chunks;
    size_t chunk_count, chunk_capacity;
    size_t dropped; /* leading chunks already freed */
    struct ld_repeat *repeats;
    size_t repeat_count, repeat_capacity;
    uint32_t *repeated; /* in order of their records */
    size_t repeated_count, repeated_capacity;
    int64_t newest_ms;
    int64_t reach_ms; /* older than newest_ms - reach_ms: in no window, ever */
    uint64_t events;
};

struct ld_recount *ld_recount_create(const struct ld_world *world, const struct ld_settings *settings)
{
    struct ld_recount *recount = ld_alloc(1, sizeof *recount);
    if (!ld_subjects_init(&recount->subjects, world, settings)) {
        free(recount);
        return NULL;
    }
    recount->settings = settings;
    recount->newest_ms = INT64_MIN;
    for (size_t i = 0; i < settings->window_count; i++) {
        if (settings->windows[i].ms + settings->windows[i].ms / LD_PANES > recount->reach_ms)
            recount->reach_ms = settings->windows[i].ms + settings->windows[i].ms / LD_PANES;
    }
    return recount;
}

void ld_recount_destroy(struct ld_recount *recount)
{
    if (recount == NULL)
        return;
    for (size_t i = 0; i < recount->chunk_count; i++) {
        free(recount->chunks[i].records);
        free(recount->chunks[i].kano);
    }
    ld_subjects_deinit(&recount->subjects);
    free(recount->chunks);
    free(recount->repeats);
    free(recount->repeated);
    free(recount);
}

/* Frees leading chunks that no clock can bring back. With a wall clock the newest event time may lie ahead of the
 * clock by the five minutes that an event may wait. */
static void drop_old_chunks(struct ld_recount *recount)
{
    if (recount->chunk_count == 0)
        return;
    int64_t horizon_ms = recount->newest_ms - recount->reach_ms - 600000;
    while (recount->dropped < recount->chunk_count && recount->chunks[recount->dropped].newest_ms < horizon_ms) {
        struct chunk *chunk = &recount->chunks[recount->dropped++];
        free(chunk->records);
        free(chunk->kano);
        chunk->records = NULL;
        chunk->kano = NULL;
        chunk->count = 0;
    }
}

static struct chunk *open_chunk(struct ld_recount *recount)
{
    if (recount->chunk_count > 0 && recount->chunks[recount->chunk_count - 1].count < CHUNK_RECORDS)
        return &recount->chunks[recount->chunk_count - 1];
    drop_old_chunks(recount);
    recount->chunks =
        ld_grow(recount->chunks, &recount->chunk_capacity, recount->chunk_count + 1, sizeof *recount->chunks);
    struct chunk *chunk = &recount->chunks[recount->chunk_count++];
    chunk->records = ld_alloc(CHUNK_RECORDS, sizeof *chunk->records);
    chunk->first_repeat = recount->repeated_count;
    chunk->oldest_ms = INT64_MAX;
    chunk->newest_ms = INT64_MIN;
    return chunk;
}

static void pack_survey(struct ld_recount *recount, struct chunk *chunk, struct record *record,
                        const struct ld_event *event)
{
    record->bits |= (uint32_t)(event->nps + 1) << 4 | (uint32_t)(event->csat + 1) << 8 |
                    (uint32_t)(event->ces + 1) << 12 | (uint32_t)(event->expectation + 1) << 16 |
                    (uint32_t)event->kano_count << 20;
    record->a = (int64_t)chunk->kano_count;
    chunk->kano = ld_grow(chunk->kano, &chunk->kano_capacity, chunk->kano_count + event->kano_count,
                          sizeof *chunk->kano);
    for (uint32_t i = 0; i < event->kano_count; i++) {
        const struct ld_kano_answer *answer = &event->kano[i];
        uint32_t cell = ld_subjects_feature_cell(&recount->subjects, event, answer->feature);
        enum ld_counter category = ld_kano_category(answer->functional, answer->dysfunctional);
        chunk->kano[chunk->kano_count++] = cell * 8 + (uint32_t)(category - LD_MUST_BE);
    }
}

void ld_recount_add(struct ld_recount *recount, const struct ld_event *event, uint32_t repeat)
{
    struct chunk *chunk = open_chunk(recount);
    struct record *record = &chunk->records[chunk->count++];
    record->cell = ld_subjects_cell(&recount->subjects, event);
    record->bits = (uint32_t)event->type | (event->is_retraction ? 4u : 0u);
    record->time_ms = event->time_ms;
    record->a = LD_ABSENT;
    record->b = LD_ABSENT;
    switch (event->type) {
    case LD_SURVEY:
        pack_survey(recount, chunk, record, event);
        break;
    case LD_CONTACT:
        record->bits |= (uint32_t)(event->outcome + 1) << 4 | (uint32_t)(event->first_contact + 1) << 6 |
                        (uint32_t)(event->resolvable + 1) << 8;
        record->a = event->wait_ms;
        record->b = event->handle_ms;
        break;
    case LD_COMPLAINT:
        record->bits |= (uint32_t)event->state << 4 | (uint32_t)(event->satisfied + 1) << 5;
        record->a = event->duration_ms;
        break;
    }
    if (repeat != LD_NO_REPEAT) {
        record->bits |= 8;
        recount->repeated = ld_grow(recount->repeated, &recount->repeated_capacity, recount->repeated_count + 1,
                                    sizeof *recount->repeated);
        recount->repeated[recount->repeated_count++] = repeat;
    }
    if (event->time_ms < chunk->oldest_ms)
        chunk->oldest_ms = event->time_ms;
    if (event->time_ms > chunk->newest_ms)
        chunk->newest_ms = event->time_ms;
    if (event->time_ms > recount->newest_ms)
        recount->newest_ms = event->time_ms;
    recount->events++;
}

uint32_t ld_recount_new_repeat(struct ld_recount *recount)
{
    recount->repeats =
        ld_grow(recount->repeats, &recount->repeat_capacity, recount->repeat_count + 1, sizeof *recount->repeats);
    recount->repeats[recount->repeat_count] = (struct ld_repeat){.partition = {-1, -1}};
    return (uint32_t)recount->repeat_count++;
}

void ld_recount_place(struct ld_recount *recount, uint32_t repeat, int copy, int32_t partition, int64_t offset)
{
    recount->repeats[repeat].partition[copy] = partition;
    recount->repeats[repeat].offset[copy] = offset;
}

int64_t ld_recount_newest_ms(const struct ld_recount *recount)
{
    return recount->newest_ms;
}

uint64_t ld_recount_events(const struct ld_recount *recount)
{
    return recount->events;
}

size_t ld_recount_subject_count(struct ld_recount *recount)
{
    ld_subjects_link(&recount->subjects);
    return recount->subjects.subject_count;
}

const struct ld_subject *ld_recount_subject(const struct ld_recount *recount, size_t index)
{
    return &recount->subjects.subjects[index];
}

/* The same (op, id) within the previous N offsets of its partition is dropped. */
static bool is_dropped(const struct ld_recount *recount, uint32_t repeat)
{
    const struct ld_repeat *at = &recount->repeats[repeat];
    int64_t apart = at->offset[1] - at->offset[0];
    return at->partition[0] >= 0 && at->partition[0] == at->partition[1] && apart > 0 &&
           apart <= recount->settings->dedupe_records;
}

/* ---- snapshots ---- */

struct cell_state {
    struct ld_tally tally;
    int64_t *panes[LD_PANES]; /* the trend's counters, compact; NULL: empty */
};

struct ld_snapshot {
    const struct ld_recount *recount;
    struct cell_state **cells; /* NULL: nothing in this window */
    size_t cell_count;
    int64_t clock_ms;
    enum ld_counter pane_counters[LD_COUNTERS]; /* which counters a pane holds */
    size_t pane_counter_count;
};

static void count_survey(const struct record *record, const struct ld_settings *settings, int64_t *c, int64_t sign)
{
    int nps = (int)(record->bits >> 4 & 15) - 1;
    int csat = (int)(record->bits >> 8 & 15) - 1;
    int ces = (int)(record->bits >> 12 & 15) - 1;
    int expectation = (int)(record->bits >> 16 & 15) - 1;
    if (nps != LD_ABSENT)
        c[nps >= 9 ? LD_PROMOTERS : nps >= 7 ? LD_PASSIVES : LD_DETRACTORS] += sign;
    if (csat != LD_ABSENT) {
        c[LD_CSAT_N] += sign;
        c[LD_CSAT_TOP] += csat >= settings->csat_top ? sign : 0;
        c[LD_CSAT_SUM] += sign * csat;
    }
    if (ces != LD_ABSENT) {
        c[LD_CES_N] += sign;
        c[LD_CES_TOP] += ces >= 5 ? sign : 0;
        c[LD_CES_SUM] += sign * ces;
    }
    if (expectation != LD_ABSENT) {
        c[LD_EXPECTATION_N] += sign;
        c[LD_EXPECTATION_TOP] += expectation == 5 ? sign : 0;
        c[LD_EXPECTATION_SUM] += sign * (expectation - 3);
    }
}

static void count_wait(const struct ld_settings *settings, int64_t *c, int outcome, int64_t wait_ms, int64_t sign)
{
    bool in_time = wait_ms <= settings->threshold_ms;
    c[LD_WAIT_N] += sign;
    if (outcome == LD_OUTCOME_ANSWERED) {
        c[LD_SL_ANSWERED] += sign;
        c[LD_SL_ANSWERED_IN_TIME] += in_time ? sign : 0;
        c[LD_ASA_N] += sign;
        c[LD_ASA_SUM] += sign * wait_ms;
    } else if (outcome == LD_OUTCOME_ABANDONED) {
        c[LD_SL_ABANDONED] += sign;
        c[LD_SL_ABANDONED_IN_TIME] += in_time ? sign : 0;
        c[LD_SL_ABANDONED_SHORT] += wait_ms <= settings->short_abandon_ms ? sign : 0;
    }
}

static void count_contact(const struct record *record, const struct ld_settings *settings, int64_t *c, int64_t sign)
{
    int outcome = (int)(record->bits >> 4 & 3) - 1;
    int first_contact = (int)(record->bits >> 6 & 3) - 1;
    int resolvable = (int)(record->bits >> 8 & 3) - 1;
    c[LD_CONTACTS] += sign;
    if (outcome != LD_ABSENT)
        c[outcome == LD_OUTCOME_ANSWERED ? LD_ANSWERED : LD_ABANDONED] += sign;
    if (record->a != LD_ABSENT)
        count_wait(settings, c, outcome, record->a, sign);
    if (record->b != LD_ABSENT) {
        c[LD_HANDLE_N] += sign;
        c[LD_HANDLE_SUM] += sign * record->b;
    }
    if (first_contact != LD_ABSENT) {
        c[LD_FCR_N] += sign;
        c[LD_FCR_TRUE] += first_contact == 1 ? sign : 0;
        if (resolvable != 0) {
            c[LD_FCR_NET_N] += sign;
            c[LD_FCR_NET_TRUE] += first_contact == 1 ? sign : 0;
        }
    }
}

static void count_complaint(const struct record *record, int64_t *c, int64_t sign)
{
    int satisfied = (int)(record->bits >> 5 & 3) - 1;
    if ((record->bits >> 4 & 1) == LD_STATE_OPENED) {
        c[LD_OPENED] += sign;
        return;
    }
    c[LD_CLOSED] += sign;
    if (satisfied != LD_ABSENT) {
        c[LD_RECOVERY_N] += sign;
        c[LD_RECOVERY_SATISFIED] += satisfied == 1 ? sign : 0;
    }
    if (record->a != LD_ABSENT) {
        c[LD_DURATION_N] += sign;
        c[LD_DURATION_SUM] += sign * record->a;
    }
}

static void count_scalars(const struct record *record, const struct ld_settings *settings, int64_t *c)
{
    int64_t sign = (record->bits & 4) != 0 ? -1 : 1;
    c[LD_EVENTS] += sign;
    switch ((enum ld_type)(record->bits & 3)) {
    case LD_SURVEY:
        count_survey(record, settings, c, sign);
        break;
    case LD_CONTACT:
        count_contact(record, settings, c, sign);
        break;
    case LD_COMPLAINT:
        count_complaint(record, c, sign);
        break;
    }
}

static struct cell_state *cell_state(struct ld_snapshot *snapshot, uint32_t cell)
{
    if (snapshot->cells[cell] == NULL)
        snapshot->cells[cell] = ld_alloc(1, sizeof **snapshot->cells);
    return snapshot->cells[cell];
}

/* Adds what one event or answer counts to a cell's total and, for the trend's counters, to one of its panes. */
static void add_counters(const struct ld_snapshot *snapshot, struct cell_state *state,
                         const int64_t counters[LD_COUNTERS], int64_t pane)
{
    for (size_t i = 0; i < LD_COUNTERS; i++)
        state->tally.counter[i] += counters[i];
    if (snapshot->pane_counter_count == 0)
        return;
    if (state->panes[pane] == NULL)
        state->panes[pane] = ld_alloc(snapshot->pane_counter_count, sizeof **state->panes);
    for (size_t i = 0; i < snapshot->pane_counter_count; i++)
        state->panes[pane][i] += counters[snapshot->pane_counters[i]];
}

/* Each answer counts in the event's own cell and in the cell of its feature. */
static void count_kano(struct ld_snapshot *snapshot, const struct chunk *chunk, const struct record *record,
                       int64_t counters[LD_COUNTERS], int64_t sign, int64_t pane)
{
    for (uint32_t i = 0; i < (record->bits >> 20 & 63); i++) {
        uint32_t answer = chunk->kano[(size_t)record->a + i];
        uint32_t category = LD_MUST_BE + answer % 8;
        int64_t of_feature[LD_COUNTERS] = {[LD_EVENTS] = sign};
        of_feature[category] = sign;
        counters[category] += sign;
        add_counters(snapshot, cell_state(snapshot, answer / 8), of_feature, pane);
    }
}

static void count_record(struct ld_snapshot *snapshot, const struct chunk *chunk, const struct record *record,
                         int64_t pane)
{
    struct cell_state *state = cell_state(snapshot, record->cell);
    int32_t sign = (record->bits & 4) != 0 ? -1 : 1;
    int64_t counters[LD_COUNTERS] = {0};
    count_scalars(record, snapshot->recount->settings, counters);
    if ((record->bits & 3) == LD_SURVEY)
        count_kano(snapshot, chunk, record, counters, sign, pane);
    add_counters(snapshot, state, counters, pane);
    if ((record->bits & 3) == LD_CONTACT && record->a != LD_ABSENT)
        ld_histogram_add(&state->tally.wait, record->a, sign);
    if ((record->bits & 3) == LD_CONTACT && record->b != LD_ABSENT)
        ld_histogram_add(&state->tally.handle, record->b, sign);
}

/* An event of time t is in the window of panes of length p at clock T if and only if
 * floor(T/p) - 60 < floor(t/p) <= floor(T/p). */
static void count_chunk(struct ld_snapshot *snapshot, const struct chunk *chunk, int64_t pane_ms)
{
    const struct ld_recount *recount = snapshot->recount;
    int64_t newest = ld_floor_div(snapshot->clock_ms, pane_ms);
    size_t repeat = chunk->first_repeat;
    if (chunk->count == 0 || ld_floor_div(chunk->newest_ms, pane_ms) <= newest - LD_PANES ||
        ld_floor_div(chunk->oldest_ms, pane_ms) > newest)
        return;
    for (uint32_t i = 0; i < chunk->count; i++) {
        const struct record *record = &chunk->records[i];
        bool is_out = (record->bits & 8) != 0 && is_dropped(recount, recount->repeated[repeat++]);
        int64_t pane = ld_floor_div(record->time_ms, pane_ms);
        if (!is_out && pane > newest - LD_PANES && pane <= newest)
            count_record(snapshot, chunk, record, pane - (newest - LD_PANES + 1));
    }
}

struct ld_snapshot *ld_snapshot_create(struct ld_recount *recount, size_t window, int64_t clock_ms, bool has_panes)
{
    struct ld_snapshot *snapshot = ld_alloc(1, sizeof *snapshot);
    uint64_t wanted = 0;
    ld_subjects_link(&recount->subjects);
    snapshot->recount = recount;
    snapshot->clock_ms = clock_ms;
    snapshot->cell_count = recount->subjects.cell_count;
    snapshot->cells = ld_alloc(snapshot->cell_count, sizeof(struct cell_state *));
    for (size_t i = 0; has_panes && i < recount->settings->trend_measure_count; i++)
        wanted |= ld_measure_counters(recount->settings->trend_measures[i]);
    for (int i = 0; i < LD_COUNTERS; i++) {
        if ((wanted >> i & 1) != 0)
            snapshot->pane_counters[snapshot->pane_counter_count++] = (enum ld_counter)i;
    }
    for (size_t i = recount->dropped; i < recount->chunk_count; i++)
        count_chunk(snapshot, &recount->chunks[i], recount->settings->windows[window].ms / LD_PANES);
    return snapshot;
}

void ld_snapshot_destroy(struct ld_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    for (size_t i = 0; i < snapshot->cell_count; i++) {
        struct cell_state *state = snapshot->cells[i];
        if (state == NULL)
            continue;
        ld_tally_deinit(&state->tally);
        for (size_t k = 0; k < LD_PANES; k++)
            free(state->panes[k]);
        free(state);
    }
    free(snapshot->cells);
    free(snapshot);
}

int64_t ld_snapshot_clock_ms(const struct ld_snapshot *snapshot)
{
    return snapshot->clock_ms;
}

void ld_snapshot_subject(const struct ld_snapshot *snapshot, size_t subject, struct ld_tally *tally,
                         int64_t (*panes)[LD_COUNTERS])
{
    const struct ld_subjects *subjects = &snapshot->recount->subjects;
    const struct ld_subject *row = &subjects->subjects[subject];
    ld_tally_clear(tally);
    if (panes != NULL)
        memset(panes, 0, LD_PANES * sizeof *panes);
    for (size_t i = 0; i < row->cell_count; i++) {
        const struct cell_state *state = snapshot->cells[subjects->cells_by_subject[row->cell_first + i]];
        if (state == NULL)
            continue;
        ld_tally_merge(tally, &state->tally);
        for (size_t pane = 0; panes != NULL && pane < LD_PANES; pane++) {
            for (size_t k = 0; state->panes[pane] != NULL && k < snapshot->pane_counter_count; k++)
                panes[pane][snapshot->pane_counters[k]] += state->panes[pane][k];
        }
    }
}
