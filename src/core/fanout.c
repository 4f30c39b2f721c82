#include "fanout.h"

#include "resolve.h"

#include <stdlib.h>
#include <string.h>

enum {
    NODES_MAX = 1 << 19,   /* before the steps have to go to the windows */
    KEEP_BYTES = 1 << 22,  /* scratch memory that is kept for the next batch */
    LISTS = 9,
    FETCH_SUBJECT = 16,    /* so many steps ahead a subject is fetched, */
    FETCH_VIEWS = 6,       /* and so many what its views point to */
    LOOKUPS = 32,          /* that are under way: names are looked up while what is read for others is fetched */
    FETCH_CELL = 8,        /* so many cells behind, */
    FETCH_MARKS = 16,      /* and so many */
    STEPS_TOGETHER = 64,   /* of a cell, until its subjects are looked up again, so that nodes are counted in time */
    KEYS_BYTES_MAX = 1 << 16,
    DIGIT_BITS = 8
};
#define NO_CELL UINT32_MAX

/* A cell whose names are being looked up. */
struct lookup {
    uint64_t hash;
    size_t key; /* where its key lies */
    uint16_t key_bytes;
    uint32_t cell;
    uint32_t steps;
    int64_t tallies;
};

/* Taking tallies in, or putting them into the windows. */
struct apply {
    struct dl_fanout *fanout;
    struct dl_windows *windows;
    int64_t oldest_s;     /* first second that one of the windows still holds */
    uint32_t cell_number; /* of the last tally */
    uint32_t cell;        /* its cell, noted for the steps; NO_CELL: not yet */
    struct lookup lookup[LOOKUPS]; /* by number; the last one begun is of this cell */
    size_t begun, ended;
    bool is_open;         /* the sum is of this step of the cell */
    int64_t step;
    size_t done;          /* nodes, and views at their price */
};

void dl_fanout_init(struct dl_fanout *fanout)
{
    *fanout = (struct dl_fanout){.oldest_s = INT64_MAX};
}

/* Every list and the size of its items. */
static size_t lists_of(struct dl_fanout *fanout, struct dl_fanout_list *lists[LISTS], size_t sizes[LISTS])
{
    size_t count = 0;
#define LIST(name, size) (lists[count] = &fanout->name, sizes[count++] = (size))
    LIST(steps, sizeof(struct dl_fanout_step));
    LIST(sorted, sizeof(struct dl_fanout_step));
    LIST(cells, sizeof(struct dl_fanout_cell));
    LIST(subjects, sizeof(uint32_t));
    LIST(keys, 1);
    LIST(nodes, sizeof(struct dl_fanout_node));
    LIST(parts, sizeof(struct dl_fanout_part));
    LIST(panes, sizeof(struct dl_fanout_part));
    LIST(packed, 1);
#undef LIST
    DL_ASSERT(count == LISTS);
    return count;
}

void dl_fanout_deinit(struct dl_fanout *fanout)
{
    struct dl_fanout_list *lists[LISTS];
    size_t sizes[LISTS];
    for (size_t i = lists_of(fanout, lists, sizes); i > 0; i--) {
        free(lists[i - 1]->items);
        *lists[i - 1] = (struct dl_fanout_list){.items = NULL};
    }
}

int64_t dl_fanout_bytes(const struct dl_fanout *fanout)
{
    struct dl_fanout_list *lists[LISTS];
    size_t sizes[LISTS];
    int64_t bytes = 0;
    for (size_t i = lists_of((struct dl_fanout *)(uintptr_t)fanout, lists, sizes); i > 0; i--)
        bytes += dl_block_bytes(lists[i - 1]->capacity * sizes[i - 1]);
    return bytes;
}

/* Makes room for `more` items. */
static enum dl_status reserve(struct dl_fanout_list *list, size_t more, size_t size)
{
    if (list->count + more <= list->capacity)
        return DL_OK;
    size_t larger = list->capacity == 0 ? 1024 : list->capacity * 2;
    if (larger < list->count + more)
        larger = list->count + more;
    void *items = realloc(list->items, larger * size);
    if (items == NULL)
        return DL_MEMORY;
    list->items = items;
    list->capacity = larger;
    return DL_OK;
}

/* Packed tallies */

/* Packs the sum, which is 0 again afterwards. */
static enum dl_status pack_sum(struct dl_fanout *fanout, uint32_t *place)
{
    struct dl_fanout_list *packed = &fanout->packed;
    uint16_t bytes;
    enum dl_status status = reserve(packed, sizeof bytes + DL_PACKED_BYTES_MAX, 1);
    if (status != DL_OK)
        return status;
    unsigned char *at = (unsigned char *)packed->items + packed->count;
    bytes = (uint16_t)dl_sum_take(&fanout->sum, at + sizeof bytes);
    memcpy(at, &bytes, sizeof bytes);
    *place = (uint32_t)packed->count;
    packed->count += sizeof bytes + bytes;
    return DL_OK;
}

/* A borrowed look at a packed tally. */
static struct dl_tally packed_at(const struct dl_fanout *fanout, uint32_t place)
{
    unsigned char *at = (unsigned char *)fanout->packed.items + place;
    uint16_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    return (struct dl_tally){.data = bytes == 0 ? NULL : at + sizeof bytes, .bytes = bytes, .capacity = bytes};
}

static void sum_packed(struct dl_fanout *fanout, uint32_t place)
{
    const struct dl_tally tally = packed_at(fanout, place);
    dl_sum_add_packed(&fanout->sum, tally.data, tally.bytes, 1);
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

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
        plan->step_s = common_divisor(plan->step_s, pane_s);
    }
}

/* From tallies to steps */

static void count_over(struct dl_fanout *fanout, const struct dl_resolved *resolved, int64_t tallies)
{
    for (int kind = 0; kind < DL_KINDS; kind++)
        fanout->over_cap[kind] += resolved->over_cap[kind] * tallies;
    fanout->over_segment_values += resolved->over_segment_values * tallies;
    fanout->over_subjects += resolved->over_subjects * tallies;
}

/* The cell's subjects, for its steps. */
static enum dl_status note_subjects(struct dl_fanout *fanout, const struct lookup *lookup, const uint32_t *subject, size_t subjects)
{
    uint32_t first = (uint32_t)fanout->subjects.count;
    enum dl_status status = reserve(&fanout->subjects, subjects, sizeof subject[0]);
    if (status != DL_OK)
        return status;
    memcpy((uint32_t *)fanout->subjects.items + first, subject, subjects * sizeof subject[0]);
    fanout->subjects.count += subjects;
    ((struct dl_fanout_cell *)fanout->cells.items)[lookup->cell] =
        (struct dl_fanout_cell){.first = first, .count = (uint32_t)subjects};
    fanout->plan.nodes += subjects * lookup->steps;
    return DL_OK;
}

static bool over_any(const struct dl_resolved *resolved)
{
    bool over = resolved->over_segment_values + resolved->over_subjects > 0;
    for (int kind = 0; kind < DL_KINDS; kind++)
        over = over || resolved->over_cap[kind];
    return over;
}

static enum dl_status end_lookup(struct apply *apply)
{
    struct dl_registry *registry = &apply->windows->registry;
    const struct lookup *lookup = &apply->lookup[apply->ended++ % LOOKUPS];
    const unsigned char *key = (unsigned char *)apply->fanout->keys.items + lookup->key;
    const struct dl_known_cell *known = dl_known_find(registry, lookup->hash, key, lookup->key_bytes);
    if (known != NULL)
        return note_subjects(apply->fanout, lookup, known->subject, known->subjects);
    struct dl_cell cell;
    struct dl_resolved resolved;
    dl_cell_of_key(registry, key, &cell);
    enum dl_status status = dl_resolve(registry, &cell, &resolved);
    if (status != DL_OK)
        return status;
    count_over(apply->fanout, &resolved, lookup->tallies);
    if (!over_any(&resolved)) /* else room may come */
        dl_known_keep(registry, lookup->hash, key, lookup->key_bytes, resolved.subject, resolved.subjects);
    return note_subjects(apply->fanout, lookup, resolved.subject, resolved.subjects);
}

static enum dl_status end_lookups(struct apply *apply)
{
    enum dl_status status = DL_OK;
    while (status == DL_OK && apply->ended < apply->begun)
        status = end_lookup(apply);
    apply->fanout->keys.count = 0;
    apply->cell = NO_CELL;
    return status;
}

/* The cell of the next steps. Its subjects are there when the lookup has ended: some cells later. */
static enum dl_status begin_lookup(struct apply *apply, const struct dl_cell *cell)
{
    struct dl_fanout *fanout = apply->fanout;
    const struct dl_registry *registry = &apply->windows->registry;
    enum dl_status status = DL_OK;
    if (fanout->keys.count > KEYS_BYTES_MAX)
        status = end_lookups(apply);
    else if (apply->begun - apply->ended == LOOKUPS)
        status = end_lookup(apply);
    if (status == DL_OK)
        status = reserve(&fanout->keys, DL_CELL_KEY_MAX, 1);
    if (status == DL_OK)
        status = reserve(&fanout->cells, 1, sizeof(struct dl_fanout_cell));
    if (status != DL_OK)
        return status;
    apply->cell = (uint32_t)fanout->cells.count++;
    ((struct dl_fanout_cell *)fanout->cells.items)[apply->cell] = (struct dl_fanout_cell){.count = 0};
    unsigned char *key = (unsigned char *)fanout->keys.items + fanout->keys.count;
    size_t bytes = dl_cell_key(registry, cell, key);
    struct lookup *lookup = &apply->lookup[apply->begun % LOOKUPS];
    *lookup = (struct lookup){.hash = dl_cell_hash(registry, key, bytes), .key = fanout->keys.count,
                              .key_bytes = (uint16_t)bytes, .cell = apply->cell};
    fanout->keys.count += bytes;
    dl_known_fetch(registry, lookup->hash);
    if (apply->begun - apply->ended >= FETCH_CELL)
        dl_known_fetch_cell(registry, apply->lookup[(apply->begun - FETCH_CELL) % LOOKUPS].hash);
    if (apply->begun - apply->ended >= FETCH_MARKS)
        dl_known_fetch_marks(registry, apply->lookup[(apply->begun - FETCH_MARKS) % LOOKUPS].hash);
    apply->begun++;
    return DL_OK;
}

static enum dl_status close_step(struct apply *apply)
{
    struct dl_fanout *fanout = apply->fanout;
    if (!apply->is_open)
        return DL_OK;
    apply->is_open = false;
    enum dl_status status = reserve(&fanout->steps, 1, sizeof(struct dl_fanout_step));
    uint32_t place;
    if (status == DL_OK)
        status = pack_sum(fanout, &place);
    if (status != DL_OK)
        return status;
    ((struct dl_fanout_step *)fanout->steps.items)[fanout->steps.count++] =
        (struct dl_fanout_step){.step = apply->step, .tally = place, .cell = apply->cell};
    if (++apply->lookup[(apply->begun - 1) % LOOKUPS].steps == STEPS_TOGETHER)
        apply->cell = NO_CELL;
    return DL_OK;
}

/* From steps to subjects */

/* Sorts steps by time. Within a cell they mostly are already, and they lie close
 * together: as many passes as the bytes by which they differ. */
static enum dl_status sort_steps(struct dl_fanout *fanout)
{
    size_t count = fanout->steps.count;
    const struct dl_fanout_step *steps = fanout->steps.items;
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        first = steps[i].step < first ? steps[i].step : first;
        last = steps[i].step > last ? steps[i].step : last;
    }
    enum dl_status status = reserve(&fanout->sorted, count, sizeof *steps);
    for (int shift = 0; status == DL_OK && count > 0 && (uint64_t)(last - first) >> shift != 0; shift += DIGIT_BITS) {
        struct dl_fanout_step *from = fanout->steps.items;
        struct dl_fanout_step *to = fanout->sorted.items;
        size_t place[(1 << DIGIT_BITS) + 1] = {0};
        for (size_t i = 0; i < count; i++)
            place[((uint64_t)(from[i].step - first) >> shift & ((1 << DIGIT_BITS) - 1)) + 1]++;
        for (size_t digit = 1; digit <= 1 << DIGIT_BITS; digit++)
            place[digit] += place[digit - 1];
        for (size_t i = 0; i < count; i++)
            to[place[(uint64_t)(from[i].step - first) >> shift & ((1 << DIGIT_BITS) - 1)]++] = from[i];
        struct dl_fanout_list other = fanout->sorted;
        other.count = count;
        fanout->sorted = fanout->steps;
        fanout->sorted.count = 0;
        fanout->steps = other;
    }
    return status;
}

/* Gives every subject its steps. */
static enum dl_status chain_nodes(struct apply *apply)
{
    struct dl_fanout *fanout = apply->fanout;
    const struct dl_fanout_step *steps = fanout->steps.items;
    enum dl_status status = reserve(&fanout->nodes, fanout->plan.nodes, sizeof(struct dl_fanout_node));
    if (status != DL_OK)
        return status;
    struct dl_fanout_node *nodes = fanout->nodes.items;
    for (size_t i = fanout->steps.count; i > 0; i--) { /* the last one first: a chain grows at its head */
        struct dl_fanout_cell cell = ((struct dl_fanout_cell *)fanout->cells.items)[steps[i - 1].cell];
        const uint32_t *subject = (uint32_t *)fanout->subjects.items + cell.first;
        for (uint32_t j = 0; j < cell.count; j++) {
            uint32_t *first = &apply->windows->registry.marks[subject[j]].node;
            nodes[fanout->nodes.count] = (struct dl_fanout_node){.step = (uint32_t)(i - 1), .next = *first};
            *first = (uint32_t)fanout->nodes.count++;
        }
    }
    return DL_OK;
}

/* From subjects to windows */

/* Lists a subject's steps, each with one tally, and ends its chain. */
static enum dl_status list_parts(struct apply *apply, struct dl_subject_mark *mark)
{
    struct dl_fanout *fanout = apply->fanout;
    const struct dl_fanout_node *nodes = fanout->nodes.items;
    const struct dl_fanout_step *steps = fanout->steps.items;
    fanout->parts.count = 0;
    for (uint32_t node = mark->node; node != DL_NO_NODE;) {
        const struct dl_fanout_step *step = &steps[nodes[node].step];
        uint32_t place = step->tally;
        enum dl_status status = reserve(&fanout->parts, 1, sizeof(struct dl_fanout_part));
        uint32_t next = nodes[node].next;
        apply->done++;
        if (next != DL_NO_NODE && steps[nodes[next].step].step == step->step && status == DL_OK) {
            sum_packed(fanout, place);
            for (; next != DL_NO_NODE && steps[nodes[next].step].step == step->step; next = nodes[next].next, apply->done++)
                sum_packed(fanout, steps[nodes[next].step].tally);
            status = pack_sum(fanout, &place);
        }
        if (status != DL_OK)
            return status;
        ((struct dl_fanout_part *)fanout->parts.items)[fanout->parts.count++] =
            (struct dl_fanout_part){.start_s = step->step * fanout->plan.step_s, .tally = place};
        node = next;
    }
    mark->node = DL_NO_NODE;
    return DL_OK;
}

/* The tally of the parts from `first` to before `end`. */
static enum dl_status merge_parts(struct dl_fanout *fanout, const struct dl_fanout_part *parts, size_t first, size_t end,
                                  uint32_t *place)
{
    if (end - first == 1) {
        *place = parts[first].tally;
        return DL_OK;
    }
    for (size_t i = first; i < end; i++)
        sum_packed(fanout, parts[i].tally);
    return pack_sum(fanout, place);
}

/* Adds to the total of a window what lies in its panes from `first` to before
 * `end`; all of them together are asked for by most windows and merged once. */
static enum dl_status add_to_total(struct apply *apply, uint32_t subject, int w, size_t first, size_t end)
{
    struct dl_fanout *fanout = apply->fanout;
    if (first == end)
        return DL_OK;
    bool all = first == 0 && end == fanout->panes.count;
    uint32_t place = fanout->all;
    if (!all || !fanout->all_merged) {
        enum dl_status status = merge_parts(fanout, fanout->panes.items, first, end, &place);
        if (status != DL_OK)
            return status;
    }
    if (all) {
        fanout->all_merged = true;
        fanout->all = place;
    }
    const struct dl_tally tally = packed_at(fanout, place);
    return dl_windows_add_total(apply->windows, subject, w, &tally);
}

/* Adds the listed parts, which become those of whole panes, to a window of the
 * subject: each pane that they lie in is touched once, the total once. */
static enum dl_status add_to_window(struct apply *apply, uint32_t subject, int w)
{
    struct dl_fanout *fanout = apply->fanout;
    const struct dl_window *window = &apply->windows->window[w];
    struct dl_fanout_part *panes = fanout->panes.items;
    size_t count = 0;
    size_t total_first = 0; /* parts that lie in the total */
    size_t total_end = 0;
    for (size_t first = 0, end; first < fanout->panes.count; first = end) {
        int64_t index = dl_floor_div(panes[first].start_s, window->pane_s);
        int64_t next_s = (index + 1) * window->pane_s;
        for (end = first + 1; end < fanout->panes.count && panes[end].start_s < next_s;)
            end++;
        uint32_t place;
        enum dl_status status = merge_parts(fanout, panes, first, end, &place);
        if (status != DL_OK)
            return status;
        panes[count++] = (struct dl_fanout_part){.start_s = index * window->pane_s, .tally = place};
        if (index <= window->newest - DL_PANES) {
            total_first = total_end = count;
            continue;
        }
        if (index < window->newest)
            total_end = count;
        const struct dl_tally tally = packed_at(fanout, place);
        status = dl_windows_add_pane(apply->windows, subject, w, index, &tally);
        if (status != DL_OK)
            return status;
    }
    fanout->panes.count = count;
    return add_to_total(apply, subject, w, total_first, total_end);
}

static enum dl_status add_to_windows(struct apply *apply, uint32_t subject)
{
    struct dl_fanout *fanout = apply->fanout;
    const struct dl_fanout_plan *plan = &fanout->plan;
    size_t packed = fanout->packed.count;
    fanout->all_merged = false;
    enum dl_status status = list_parts(apply, &apply->windows->registry.marks[subject]);
    fanout->panes.count = 0;
    if (status == DL_OK)
        status = reserve(&fanout->panes, fanout->parts.count, sizeof(struct dl_fanout_part));
    int64_t pane_s = 0; /* that the list has now */
    for (int i = 0; i < plan->window_count && status == DL_OK; i++) {
        const struct dl_window *window = &apply->windows->window[plan->window[i]];
        /* Panes of the window before are parts of this one's, unless a boundary cuts them. */
        if (pane_s == 0 || window->pane_s % pane_s != 0) {
            memcpy(fanout->panes.items, fanout->parts.items, fanout->parts.count * sizeof(struct dl_fanout_part));
            fanout->panes.count = fanout->parts.count;
        }
        pane_s = window->pane_s;
        status = add_to_window(apply, subject, plan->window[i]);
    }
    fanout->packed.count = packed;
    apply->done += DL_VIEW_COST * (size_t)plan->window_count;
    /* The clock may have passed by all of it since it was taken in. */
    dl_registry_note_gone(&apply->windows->registry, subject);
    return status;
}

/* What is to be touched is not in the cache where subjects are many: it is fetched while others are counted, the
 * subjects first and then what they point to. Those of all cells ("all" and the like) have had their turn by then. */
DL_FETCHES fetch_subjects(const struct apply *apply, size_t at, bool whole)
{
    const struct dl_fanout *fanout = apply->fanout;
    if (at >= fanout->steps.count)
        return;
    const struct dl_registry *registry = &apply->windows->registry;
    struct dl_fanout_cell cell =
        ((struct dl_fanout_cell *)fanout->cells.items)[((struct dl_fanout_step *)fanout->steps.items)[at].cell];
    for (uint32_t i = 0; i < cell.count; i++) {
        uint32_t subject = ((uint32_t *)fanout->subjects.items)[cell.first + i];
        if (registry->marks[subject].node == DL_NO_NODE)
            continue;
        if (whole)
            dl_windows_fetch(apply->windows, registry->subjects[subject], fanout->plan.mask);
        else
            dl_windows_fetch_subject(apply->windows, registry->subjects[subject]);
    }
}

/* Adds all subjects of a step, each with all of its steps, unless an earlier one brought it. */
static enum dl_status add_step(struct apply *apply, const struct dl_fanout_step *step)
{
    struct dl_fanout *fanout = apply->fanout;
    struct dl_fanout_cell cell = ((struct dl_fanout_cell *)fanout->cells.items)[step->cell];
    enum dl_status status = DL_OK;
    for (uint32_t i = 0; i < cell.count && status == DL_OK; i++) {
        uint32_t subject = ((uint32_t *)fanout->subjects.items)[cell.first + i];
        if (apply->windows->registry.marks[subject].node != DL_NO_NODE)
            status = add_to_windows(apply, subject);
    }
    return status;
}

static void forget_gathered(struct dl_fanout *fanout)
{
    fanout->steps.count = fanout->cells.count = fanout->subjects.count = fanout->nodes.count = fanout->packed.count = 0;
    fanout->plan = (struct dl_fanout_plan){.mask = 0};
}

/* DL_EMPTY: nothing is left. */
static enum dl_status apply_some(struct apply *apply, size_t max)
{
    struct dl_fanout *fanout = apply->fanout;
    struct dl_fanout_plan *plan = &fanout->plan;
    enum dl_status status = DL_OK;
    if (!plan->chained) {
        status = sort_steps(fanout);
        if (status == DL_OK)
            status = chain_nodes(apply);
        plan->chained = status == DL_OK;
    }
    for (apply->done = 0; status == DL_OK && plan->next < fanout->steps.count && apply->done < max; plan->next++) {
        fetch_subjects(apply, plan->next + FETCH_SUBJECT, false);
        fetch_subjects(apply, plan->next + FETCH_VIEWS, true);
        status = add_step(apply, (struct dl_fanout_step *)fanout->steps.items + plan->next);
    }
    if (status != DL_OK || plan->next < fanout->steps.count)
        return status;
    forget_gathered(fanout);
    return DL_EMPTY;
}

/* What is gathered goes into the windows, and what comes is gathered for the same ones. */
static enum dl_status make_way(struct apply *apply, uint32_t mask)
{
    enum dl_status status = end_lookups(apply);
    if (status == DL_OK)
        status = apply_some(apply, SIZE_MAX);
    choose_windows(&apply->fanout->plan, apply->windows, mask);
    return status == DL_EMPTY ? DL_OK : status;
}

enum dl_status dl_fanout_apply(struct dl_fanout *fanout, struct dl_windows *windows, size_t max)
{
    struct apply apply = {.fanout = fanout, .windows = windows};
    enum dl_status status = apply_some(&apply, max);
    if (status == DL_EMPTY && dl_fanout_bytes(fanout) > KEEP_BYTES)
        dl_fanout_deinit(fanout);
    return status;
}

/* The cell of what comes next, and the sum of its step. */
static enum dl_status enter_step(struct apply *apply, const struct dl_cell *cell, int64_t step)
{
    if (apply->is_open && apply->step == step)
        return DL_OK;
    enum dl_status status = close_step(apply);
    if (status == DL_OK && apply->fanout->plan.nodes >= NODES_MAX)
        status = make_way(apply, apply->fanout->plan.mask);
    if (status == DL_OK && apply->cell == NO_CELL)
        status = begin_lookup(apply, cell);
    apply->is_open = status == DL_OK;
    apply->step = step;
    return status;
}

static enum dl_status on_tally(void *context, const struct dl_batch_tally *tally)
{
    struct apply *apply = context;
    struct dl_fanout *fanout = apply->fanout;
    /* A number that comes again later is another cell: this has to see every tally. */
    if (tally->cell_number != apply->cell_number) {
        enum dl_status status = close_step(apply);
        if (status != DL_OK)
            return status;
        apply->cell = NO_CELL;
    }
    apply->cell_number = tally->cell_number;
    /* An event with Kano answers is late once, not once more per feature; and what
     * comes again for some windows was late before, if it was. */
    int64_t events = fanout->plan.all && tally->cell->feature.bytes == 0 ? tally->events : 0;
    if (tally->second < apply->oldest_s) {
        fanout->late += events;
        return DL_OK;
    }
    if (tally->second > apply->windows->newest_s) {
        fanout->ahead += events;
        return DL_OK;
    }
    enum dl_status status = enter_step(apply, tally->cell, dl_floor_div(tally->second, fanout->plan.step_s));
    if (status != DL_OK)
        return status;
    apply->lookup[(apply->begun - 1) % LOOKUPS].tallies++;
    if (tally->second < fanout->oldest_s)
        fanout->oldest_s = tally->second;
    for (size_t i = 0; i < tally->count; i++)
        dl_sum_add(&fanout->sum, tally->counters[i], tally->values[i], 1);
    return DL_OK;
}

enum dl_status dl_fanout_gather(struct dl_fanout *fanout, struct dl_windows *windows, dl_engine_each *each,
                                const void *tallies, uint32_t mask)
{
    struct apply apply = {.fanout = fanout, .windows = windows, .oldest_s = dl_windows_oldest_s(windows, mask), .cell = NO_CELL};
    struct dl_fanout_plan *plan = &fanout->plan;
    enum dl_status status = DL_OK;
    if (plan->mask != mask || plan->chained)
        status = make_way(&apply, mask);
    if (status == DL_OK && plan->window_count > 0)
        status = each(tallies, on_tally, &apply);
    if (status == DL_OK)
        status = close_step(&apply);
    enum dl_status ended = end_lookups(&apply);
    return status == DL_OK ? ended : status;
}

size_t dl_fanout_waiting(const struct dl_fanout *fanout)
{
    return fanout->steps.count + fanout->plan.nodes;
}
