/* The scratch memory of the fan-out, and from the steps of subjects to windows. */
#include "fanout_inside.h"

#include <delight/time.h>

#include <stdlib.h>
#include <string.h>

enum {
    KEEP_BYTES = 1 << 22,  /* scratch memory that is kept for the next batch */
    LISTS = 9,
    PANE_COST = 4,         /* what adding to a pane costs, in additions of tallies */
    FETCH_PLACE = 24,      /* so many steps ahead it is fetched where a subject is, */
    FETCH_SUBJECT = 12,    /* so many the subject, */
    FETCH_VIEWS = 6        /* and so many what its views point to */
};

struct apply {
    struct dl_fanout *fanout;
    struct dl_windows *windows;
    size_t done; /* nodes, and views at their price */
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
    dl_table_deinit(&fanout->commons);
}

int64_t dl_fanout_bytes(const struct dl_fanout *fanout)
{
    struct dl_fanout_list *lists[LISTS];
    size_t sizes[LISTS];
    int64_t bytes = dl_block_bytes(dl_table_bytes(&fanout->commons));
    for (size_t i = lists_of((struct dl_fanout *)(uintptr_t)fanout, lists, sizes); i > 0; i--)
        bytes += dl_block_bytes(lists[i - 1]->capacity * sizes[i - 1]);
    return bytes;
}

enum dl_status dl_fanout_reserve(struct dl_fanout_list *list, size_t more, size_t size)
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

enum dl_status dl_fanout_pack(struct dl_fanout *fanout, uint32_t *place)
{
    struct dl_fanout_list *packed = &fanout->packed;
    uint16_t bytes;
    enum dl_status status = dl_fanout_reserve(packed, sizeof bytes + DL_PACKED_BYTES_MAX, 1);
    if (status != DL_OK)
        return status;
    unsigned char *at = (unsigned char *)packed->items + packed->count;
    bytes = (uint16_t)dl_sum_take(&fanout->sum, at + sizeof bytes);
    memcpy(at, &bytes, sizeof bytes);
    *place = (uint32_t)packed->count;
    packed->count += sizeof bytes + bytes;
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
        enum dl_status status = dl_fanout_reserve(&fanout->parts, 1, sizeof(struct dl_fanout_part));
        uint32_t next = nodes[node].next;
        apply->done++;
        if (next != DL_NO_NODE && steps[nodes[next].step].step == step->step && status == DL_OK) {
            dl_fanout_add_packed(fanout, place);
            for (; next != DL_NO_NODE && steps[nodes[next].step].step == step->step; next = nodes[next].next, apply->done++)
                dl_fanout_add_packed(fanout, steps[nodes[next].step].tally);
            status = dl_fanout_pack(fanout, &place);
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
        dl_fanout_add_packed(fanout, parts[i].tally);
    return dl_fanout_pack(fanout, place);
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
    const struct dl_tally tally = dl_fanout_packed(fanout, place);
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
        const struct dl_tally tally = dl_fanout_packed(fanout, place);
        status = dl_windows_add_pane(apply->windows, subject, w, index, &tally);
        if (status != DL_OK)
            return status;
    }
    fanout->panes.count = count;
    apply->done += PANE_COST * count;
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
        status = dl_fanout_reserve(&fanout->panes, fanout->parts.count, sizeof(struct dl_fanout_part));
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

/* What is to be touched is not in the cache where subjects are many: it is fetched while others are counted, in this
 * order, for each needs what was fetched before it. */
enum fetch { PLACE, SUBJECT, VIEWS };

/* Those of common cells have had their turn by then. */
DL_FETCHES fetch_subjects(const struct apply *apply, size_t at, enum fetch what)
{
    const struct dl_fanout *fanout = apply->fanout;
    if (at >= fanout->steps.count)
        return;
    const struct dl_registry *registry = &apply->windows->registry;
    const struct dl_fanout_step *step = (struct dl_fanout_step *)fanout->steps.items + at;
    struct dl_fanout_cell cell = ((struct dl_fanout_cell *)fanout->cells.items)[step->cell];
    if (what == SUBJECT)
        __builtin_prefetch((unsigned char *)fanout->packed.items + step->tally);
    for (uint32_t i = 0; i < cell.count; i++) {
        uint32_t subject = ((uint32_t *)fanout->subjects.items)[cell.first + i];
        if (what == PLACE) {
            __builtin_prefetch(&registry->marks[subject]);
            __builtin_prefetch(&registry->subjects[subject]);
        } else if (registry->marks[subject].node == DL_NO_NODE) {
            continue;
        } else if (what == SUBJECT) {
            dl_windows_fetch_subject(apply->windows, registry->subjects[subject]);
        } else {
            dl_windows_fetch(apply->windows, registry->subjects[subject], fanout->plan.mask);
        }
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
    dl_table_clear(&fanout->commons);
    fanout->plan = (struct dl_fanout_plan){.mask = 0};
}

/* DL_EMPTY: nothing is left. */
static enum dl_status apply_some(struct apply *apply, size_t max)
{
    struct dl_fanout *fanout = apply->fanout;
    struct dl_fanout_plan *plan = &fanout->plan;
    enum dl_status status = DL_OK;
    if (!plan->chained) {
        apply->done = fanout->steps.count;
        status = dl_fanout_chain(fanout, &apply->windows->registry);
        plan->chained = status == DL_OK;
    }
    for (; status == DL_OK && plan->next < fanout->steps.count && apply->done < max; plan->next++) {
        fetch_subjects(apply, plan->next + FETCH_PLACE, PLACE);
        fetch_subjects(apply, plan->next + FETCH_SUBJECT, SUBJECT);
        fetch_subjects(apply, plan->next + FETCH_VIEWS, VIEWS);
        status = add_step(apply, (struct dl_fanout_step *)fanout->steps.items + plan->next);
    }
    if (status != DL_OK || plan->next < fanout->steps.count)
        return status;
    forget_gathered(fanout);
    return DL_EMPTY;
}

enum dl_status dl_fanout_apply(struct dl_fanout *fanout, struct dl_windows *windows, size_t max)
{
    struct apply apply = {.fanout = fanout, .windows = windows};
    enum dl_status status = apply_some(&apply, max);
    if (status == DL_EMPTY && dl_fanout_bytes(fanout) > KEEP_BYTES)
        dl_fanout_deinit(fanout);
    return status;
}

size_t dl_fanout_waiting(const struct dl_fanout *fanout)
{
    return fanout->steps.count + fanout->plan.nodes;
}
