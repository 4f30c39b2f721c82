/* From tallies to the steps of cells, and from the names of cells to their subjects. */
#include "fanout_inside.h"

#include "resolve.h"

#include <delight/time.h>

#include <string.h>

enum {
    NODES_MAX = 1 << 18,   /* before the steps have to go to the windows */
    LOOKUPS = 32,          /* that are under way: names are looked up while what is read for others is fetched */
    FETCH_CELL = 8,        /* so many cells behind, */
    FETCH_MARKS = 16,      /* and so many */
    STEPS_TOGETHER = 64,   /* of a cell, until its subjects are looked up again, so that nodes are counted in time */
    KEYS_BYTES_MAX = 1 << 16
};

/* A cell whose names are being looked up. */
struct lookup {
    uint64_t hash;
    size_t key; /* where its key lies */
    uint16_t key_bytes;
    uint32_t cell;
    uint32_t steps;
    int64_t tallies;
};

struct gather {
    struct dl_fanout *fanout;
    struct dl_windows *windows;
    int64_t oldest_s;     /* first second that one of the windows still holds */
    uint32_t cell_number; /* of the last tally */
    uint32_t cell;        /* its cell, noted for the steps; DL_NO_CELL: not yet */
    struct lookup lookup[LOOKUPS]; /* by number; the last one begun is of this cell */
    size_t begun, ended;
    bool is_open;         /* the sum is of this step of the cell */
    int64_t step;
};

static void choose_windows(struct dl_fanout_plan *plan, const struct dl_windows *windows, uint32_t mask)
{
    *plan = (struct dl_fanout_plan){.mask = mask, .all = true};
    for (int w = 0; w < windows->count; w++) {
        if ((mask >> w & 1) == 0) {
            plan->all = false;
            continue;
        }
        int64_t pane_s = windows->window[w].pane_s;
        int place = plan->window_count++;
        for (; place > 0 && windows->window[plan->window[place - 1]].pane_s > pane_s; place--)
            plan->window[place] = plan->window[place - 1];
        plan->window[place] = w;
        plan->step_s = dl_common_step(plan->step_s, pane_s);
    }
}

/* The subjects of cells */

static void count_over(struct dl_fanout *fanout, const struct dl_resolved *resolved, int64_t tallies)
{
    for (int kind = 0; kind < DL_KINDS; kind++)
        fanout->over_cap[kind] += resolved->over_cap[kind] * tallies;
    fanout->over_segment_values += resolved->over_segment_values * tallies;
    fanout->over_subjects += resolved->over_subjects * tallies;
}

static bool over_any(const struct dl_resolved *resolved)
{
    bool over = resolved->over_segment_values + resolved->over_subjects > 0;
    for (int kind = 0; kind < DL_KINDS; kind++)
        over = over || resolved->over_cap[kind];
    return over;
}

static enum dl_status add_subjects(struct dl_fanout *fanout, const uint32_t *subject, size_t subjects, uint32_t *first)
{
    enum dl_status status = dl_fanout_reserve(&fanout->subjects, subjects, sizeof subject[0]);
    if (status != DL_OK)
        return status;
    *first = (uint32_t)fanout->subjects.count;
    memcpy((uint32_t *)fanout->subjects.items + *first, subject, subjects * sizeof subject[0]);
    fanout->subjects.count += subjects;
    return DL_OK;
}

static enum dl_status add_cell(struct dl_fanout *fanout, uint32_t *cell)
{
    enum dl_status status = dl_fanout_reserve(&fanout->cells, 1, sizeof(struct dl_fanout_cell));
    if (status != DL_OK)
        return status;
    *cell = (uint32_t)fanout->cells.count++;
    ((struct dl_fanout_cell *)fanout->cells.items)[*cell] = (struct dl_fanout_cell){.common = DL_NO_CELL, .node = DL_NO_NODE};
    return DL_OK;
}

/* The cell of subjects that others have in common. */
static enum dl_status find_common(struct dl_fanout *fanout, const uint32_t *subject, size_t subjects, uint32_t *common)
{
    uint64_t hash = dl_hash(subject, subjects * sizeof subject[0], 0); /* ids are ours: nobody chooses them */
    struct dl_table_cursor cursor = dl_table_look(&fanout->commons, hash);
    while ((*common = dl_table_next(&fanout->commons, &cursor)) != DL_TABLE_NONE) {
        const struct dl_fanout_cell *cell = (struct dl_fanout_cell *)fanout->cells.items + *common;
        if (cell->count == subjects &&
            memcmp((uint32_t *)fanout->subjects.items + cell->first, subject, subjects * sizeof subject[0]) == 0)
            return DL_OK;
    }
    uint32_t first;
    enum dl_status status = dl_table_reserve(&fanout->commons, 1);
    if (status == DL_OK)
        status = add_subjects(fanout, subject, subjects, &first);
    if (status == DL_OK)
        status = add_cell(fanout, common);
    if (status != DL_OK)
        return status;
    dl_table_put(&fanout->commons, hash, *common);
    struct dl_fanout_cell *cell = (struct dl_fanout_cell *)fanout->cells.items + *common;
    cell->first = first;
    cell->count = (uint32_t)subjects;
    return DL_OK;
}

/* The subjects of the lookup's cell: those that it may have in common with others, and its own behind them. */
static enum dl_status note_subjects(struct dl_fanout *fanout, const struct lookup *lookup, const uint32_t *subject, size_t shared,
                                    size_t own)
{
    uint32_t common = DL_NO_CELL;
    uint32_t first = 0;
    enum dl_status status = DL_OK;
    if (own > 0 && shared > 0) {
        status = find_common(fanout, subject, shared, &common);
        subject += shared;
        shared = 0;
    }
    if (status == DL_OK)
        status = add_subjects(fanout, subject, shared + own, &first);
    if (status != DL_OK)
        return status;
    struct dl_fanout_cell *cell = (struct dl_fanout_cell *)fanout->cells.items + lookup->cell;
    *cell = (struct dl_fanout_cell){.first = first, .count = (uint32_t)(shared + own), .common = common, .node = DL_NO_NODE};
    fanout->plan.nodes += (cell->count + (common != DL_NO_CELL)) * lookup->steps;
    return DL_OK;
}

/* Looking up */

static enum dl_status end_lookup(struct gather *gather)
{
    struct dl_registry *registry = &gather->windows->registry;
    const struct lookup *lookup = &gather->lookup[gather->ended++ % LOOKUPS];
    const unsigned char *key = (unsigned char *)gather->fanout->keys.items + lookup->key;
    const struct dl_known_cell *known = dl_known_find(registry, lookup->hash, key, lookup->key_bytes);
    if (known != NULL)
        return note_subjects(gather->fanout, lookup, known->subject, known->shared, known->own);
    struct dl_cell cell;
    struct dl_resolved resolved;
    dl_cell_of_key(registry, key, &cell);
    enum dl_status status = dl_resolve(registry, &cell, &resolved);
    if (status != DL_OK)
        return status;
    count_over(gather->fanout, &resolved, lookup->tallies);
    if (!over_any(&resolved)) /* else room may come */
        dl_known_keep(registry, lookup->hash, key, lookup->key_bytes, resolved.subject, resolved.shared, resolved.own);
    return note_subjects(gather->fanout, lookup, resolved.subject, resolved.shared, resolved.own);
}

static enum dl_status end_lookups(struct gather *gather)
{
    enum dl_status status = DL_OK;
    while (status == DL_OK && gather->ended < gather->begun)
        status = end_lookup(gather);
    gather->fanout->keys.count = 0;
    gather->cell = DL_NO_CELL;
    return status;
}

/* The cell of the next steps. Its subjects are there when the lookup has ended: some cells later. */
static enum dl_status begin_lookup(struct gather *gather, const struct dl_cell *cell)
{
    struct dl_fanout *fanout = gather->fanout;
    const struct dl_registry *registry = &gather->windows->registry;
    enum dl_status status = DL_OK;
    if (fanout->keys.count > KEYS_BYTES_MAX)
        status = end_lookups(gather);
    else if (gather->begun - gather->ended == LOOKUPS)
        status = end_lookup(gather);
    if (status == DL_OK)
        status = dl_fanout_reserve(&fanout->keys, DL_CELL_KEY_MAX, 1);
    if (status == DL_OK)
        status = add_cell(fanout, &gather->cell);
    if (status != DL_OK)
        return status;
    unsigned char *key = (unsigned char *)fanout->keys.items + fanout->keys.count;
    size_t bytes = dl_cell_key(registry, cell, key);
    struct lookup *lookup = &gather->lookup[gather->begun % LOOKUPS];
    *lookup = (struct lookup){.hash = dl_cell_hash(registry, key, bytes), .key = fanout->keys.count,
                              .key_bytes = (uint16_t)bytes, .cell = gather->cell};
    fanout->keys.count += bytes;
    dl_known_fetch(registry, lookup->hash);
    if (gather->begun - gather->ended >= FETCH_CELL)
        dl_known_fetch_cell(registry, gather->lookup[(gather->begun - FETCH_CELL) % LOOKUPS].hash);
    if (gather->begun - gather->ended >= FETCH_MARKS)
        dl_known_fetch_marks(registry, gather->lookup[(gather->begun - FETCH_MARKS) % LOOKUPS].hash);
    gather->begun++;
    return DL_OK;
}

/* Steps */

static enum dl_status close_step(struct gather *gather)
{
    struct dl_fanout *fanout = gather->fanout;
    if (!gather->is_open)
        return DL_OK;
    gather->is_open = false;
    enum dl_status status = dl_fanout_reserve(&fanout->steps, 1, sizeof(struct dl_fanout_step));
    uint32_t place;
    if (status == DL_OK)
        status = dl_fanout_pack(fanout, &place);
    if (status != DL_OK)
        return status;
    ((struct dl_fanout_step *)fanout->steps.items)[fanout->steps.count++] =
        (struct dl_fanout_step){.step = gather->step, .tally = place, .cell = gather->cell};
    if (++gather->lookup[(gather->begun - 1) % LOOKUPS].steps == STEPS_TOGETHER)
        gather->cell = DL_NO_CELL;
    return DL_OK;
}

/* What is gathered goes into the windows, and what comes is gathered for the same ones. */
static enum dl_status make_way(struct gather *gather, uint32_t mask)
{
    enum dl_status status = end_lookups(gather);
    if (status == DL_OK)
        status = dl_fanout_apply(gather->fanout, gather->windows, SIZE_MAX);
    choose_windows(&gather->fanout->plan, gather->windows, mask);
    return status == DL_EMPTY ? DL_OK : status;
}

/* The cell of what comes next, and the sum of its step. */
static enum dl_status enter_step(struct gather *gather, const struct dl_cell *cell, int64_t step)
{
    if (gather->is_open && gather->step == step)
        return DL_OK;
    enum dl_status status = close_step(gather);
    if (status == DL_OK && gather->fanout->plan.nodes >= NODES_MAX)
        status = make_way(gather, gather->fanout->plan.mask);
    if (status == DL_OK && gather->cell == DL_NO_CELL)
        status = begin_lookup(gather, cell);
    gather->is_open = status == DL_OK;
    gather->step = step;
    return status;
}

static enum dl_status on_tally(void *context, const struct dl_batch_tally *tally)
{
    struct gather *gather = context;
    struct dl_fanout *fanout = gather->fanout;
    /* A number that comes again later is another cell: this has to see every tally. */
    if (tally->cell_number != gather->cell_number) {
        enum dl_status status = close_step(gather);
        if (status != DL_OK)
            return status;
        gather->cell = DL_NO_CELL;
    }
    gather->cell_number = tally->cell_number;
    /* An event with Kano answers is late once, not once more per feature; and what
     * comes again for some windows was late before, if it was. */
    int64_t events = fanout->plan.all && tally->cell->feature.bytes == 0 ? tally->events : 0;
    if (tally->second < gather->oldest_s) {
        fanout->late += events;
        return DL_OK;
    }
    if (tally->second > gather->windows->newest_s) {
        fanout->ahead += events;
        return DL_OK;
    }
    enum dl_status status = enter_step(gather, tally->cell, dl_floor_div(tally->second, fanout->plan.step_s));
    if (status != DL_OK)
        return status;
    gather->lookup[(gather->begun - 1) % LOOKUPS].tallies++;
    if (tally->second < fanout->oldest_s)
        fanout->oldest_s = tally->second;
    for (size_t i = 0; i < tally->count; i++)
        dl_sum_add(&fanout->sum, tally->counters[i], tally->values[i], 1);
    return DL_OK;
}

enum dl_status dl_fanout_gather(struct dl_fanout *fanout, struct dl_windows *windows, dl_engine_each *each,
                                const void *tallies, uint32_t mask)
{
    struct gather gather = {.fanout = fanout, .windows = windows, .oldest_s = dl_windows_oldest_s(windows, mask),
                            .cell = DL_NO_CELL};
    struct dl_fanout_plan *plan = &fanout->plan;
    enum dl_status status = DL_OK;
    if (plan->mask != mask || plan->chained)
        status = make_way(&gather, mask);
    if (status == DL_OK && plan->window_count > 0)
        status = each(tallies, on_tally, &gather);
    if (status == DL_OK)
        status = close_step(&gather);
    enum dl_status ended = end_lookups(&gather);
    return status == DL_OK ? ended : status;
}

