/* From the steps of cells to those of subjects. */
#include "fanout_inside.h"

enum { DIGIT_BITS = 8 };

static void swap(struct dl_fanout_list *a, struct dl_fanout_list *b)
{
    struct dl_fanout_list other = *a;
    *a = *b;
    *b = other;
}

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
    enum dl_status status = dl_fanout_reserve(&fanout->sorted, count, sizeof *steps);
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
        fanout->sorted.count = count;
        swap(&fanout->steps, &fanout->sorted);
        fanout->sorted.count = 0;
    }
    return status;
}

/* A step of a common cell: the sum of those that are chained to it, whose chain ends. */
static enum dl_status sum_common(struct dl_fanout *fanout, struct dl_fanout_cell *common, uint32_t *place)
{
    const struct dl_fanout_step *steps = fanout->steps.items;
    const struct dl_fanout_node *nodes = fanout->nodes.items;
    uint32_t node = common->node;
    common->node = DL_NO_NODE;
    *place = steps[nodes[node].step].tally;
    if (nodes[node].next == DL_NO_NODE)
        return DL_OK;
    for (; node != DL_NO_NODE; node = nodes[node].next)
        dl_fanout_add_packed(fanout, steps[nodes[node].step].tally);
    return dl_fanout_pack(fanout, place);
}

/* Adds to the steps, which are sorted, those of common cells. */
static enum dl_status join_commons(struct dl_fanout *fanout)
{
    size_t count = fanout->steps.count;
    enum dl_status status = dl_fanout_reserve(&fanout->sorted, 2 * count, sizeof(struct dl_fanout_step));
    if (status == DL_OK)
        status = dl_fanout_reserve(&fanout->nodes, count, sizeof(struct dl_fanout_node));
    if (status != DL_OK || fanout->commons.used == 0)
        return status;
    const struct dl_fanout_step *steps = fanout->steps.items;
    struct dl_fanout_step *joined = fanout->sorted.items;
    struct dl_fanout_node *nodes = fanout->nodes.items;
    struct dl_fanout_cell *cells = fanout->cells.items;
    for (size_t first = 0, end; first < count && status == DL_OK; first = end) {
        uint32_t touched = DL_NO_CELL;
        for (end = first; end < count && steps[end].step == steps[first].step; end++) {
            uint32_t common = cells[steps[end].cell].common;
            if (common == DL_NO_CELL)
                continue;
            if (cells[common].node == DL_NO_NODE) {
                cells[common].next = touched;
                touched = common;
            }
            nodes[end - first] = (struct dl_fanout_node){.step = (uint32_t)end, .next = cells[common].node};
            cells[common].node = (uint32_t)(end - first);
        }
        for (; touched != DL_NO_CELL && status == DL_OK; touched = cells[touched].next) {
            struct dl_fanout_step *step = &joined[fanout->sorted.count++];
            *step = (struct dl_fanout_step){.step = steps[first].step, .cell = touched};
            status = sum_common(fanout, &cells[touched], &step->tally);
        }
        memcpy(&joined[fanout->sorted.count], &steps[first], (end - first) * sizeof *steps);
        fanout->sorted.count += end - first;
    }
    swap(&fanout->steps, &fanout->sorted);
    fanout->sorted.count = 0;
    return status;
}

/* Gives every subject its steps. */
static enum dl_status chain_nodes(struct dl_fanout *fanout, struct dl_registry *registry)
{
    const struct dl_fanout_step *steps = fanout->steps.items;
    fanout->plan.nodes = 0;
    for (size_t i = 0; i < fanout->steps.count; i++)
        fanout->plan.nodes += ((struct dl_fanout_cell *)fanout->cells.items)[steps[i].cell].count;
    enum dl_status status = dl_fanout_reserve(&fanout->nodes, fanout->plan.nodes, sizeof(struct dl_fanout_node));
    if (status != DL_OK)
        return status;
    struct dl_fanout_node *nodes = fanout->nodes.items;
    for (size_t i = fanout->steps.count; i > 0; i--) { /* the last one first: a chain grows at its head */
        struct dl_fanout_cell cell = ((struct dl_fanout_cell *)fanout->cells.items)[steps[i - 1].cell];
        const uint32_t *subject = (uint32_t *)fanout->subjects.items + cell.first;
        for (uint32_t j = 0; j < cell.count; j++) {
            uint32_t *first = &registry->marks[subject[j]].node;
            nodes[fanout->nodes.count] = (struct dl_fanout_node){.step = (uint32_t)(i - 1), .next = *first};
            *first = (uint32_t)fanout->nodes.count++;
        }
    }
    return DL_OK;
}

enum dl_status dl_fanout_chain(struct dl_fanout *fanout, struct dl_registry *registry)
{
    enum dl_status status = sort_steps(fanout);
    if (status == DL_OK)
        status = join_commons(fanout);
    return status == DL_OK ? chain_nodes(fanout, registry) : status;
}
