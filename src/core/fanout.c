#include "fanout.h"

#include "hash.h"
#include "resolve.h"

#include <stdlib.h>
#include <string.h>

enum {
    SLICE_NODES = 1 << 18, /* nodes before the deltas go to the windows */
    KEEP_BYTES = 1 << 22,  /* scratch memory that is kept for the next batch */
    PACKED_COUNTER_MAX = 12,
    TALLY_PACKED_MAX = DL_COUNTERS * PACKED_COUNTER_MAX
};
#define NO_NODE UINT32_MAX

struct apply {
    struct dl_fanout *fanout;
    struct dl_windows *windows;
    uint32_t mask;        /* of the windows that count */
    bool all;             /* every window does */
    int64_t oldest_s;     /* first second that one of them still holds */
    uint32_t cell_number; /* of the last tally */
    bool is_resolved;     /* these are its cell's subjects */
    struct dl_resolved resolved;
};

void dl_fanout_init(struct dl_fanout *fanout)
{
    *fanout = (struct dl_fanout){.oldest_s = INT64_MAX};
    fanout->seed = dl_hash_seed(fanout);
}

static void free_scratch(struct dl_fanout *fanout)
{
    free(fanout->nodes);
    free(fanout->deltas);
    free(fanout->packed);
    free(fanout->seconds);
    dl_table_deinit(&fanout->table);
    fanout->nodes = NULL;
    fanout->deltas = NULL;
    fanout->packed = NULL;
    fanout->seconds = NULL;
    fanout->node_capacity = fanout->delta_capacity = fanout->packed_capacity = 0;
    fanout->second_capacity = 0;
}

void dl_fanout_deinit(struct dl_fanout *fanout)
{
    free_scratch(fanout);
    dl_tally_deinit(&fanout->merged);
}

int64_t dl_fanout_bytes(const struct dl_fanout *fanout)
{
    return dl_block_bytes(fanout->node_capacity * sizeof *fanout->nodes)
        + dl_block_bytes(fanout->delta_capacity * sizeof *fanout->deltas) + dl_block_bytes(fanout->packed_capacity)
        + dl_block_bytes(fanout->second_capacity * sizeof *fanout->seconds)
        + dl_block_bytes(dl_table_bytes(&fanout->table)) + dl_block_bytes(fanout->merged.capacity);
}

/* Makes room for `count` items in all. */
static enum dl_status reserve(void **array, size_t count, size_t *capacity, size_t item)
{
    if (count <= *capacity)
        return DL_OK;
    size_t larger = *capacity == 0 ? 1024 : *capacity * 2;
    if (larger < count)
        larger = count;
    void *memory = realloc(*array, larger * item);
    if (memory == NULL)
        return DL_MEMORY;
    *array = memory;
    *capacity = larger;
    return DL_OK;
}

/* From tallies to deltas */

static unsigned char *put_varint(unsigned char *at, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *at++ = (unsigned char)(number | 0x80);
    *at++ = (unsigned char)number;
    return at;
}

/* Room for one more packed tally: behind its length, at most this large. */
static enum dl_status reserve_packed(struct dl_fanout *fanout)
{
    void *packed = fanout->packed;
    enum dl_status status = reserve(&packed, fanout->packed_bytes + sizeof(uint16_t) + TALLY_PACKED_MAX,
                                    &fanout->packed_capacity, 1);
    fanout->packed = packed;
    return status;
}

static uint32_t end_packed(struct dl_fanout *fanout, size_t bytes)
{
    uint32_t place = (uint32_t)fanout->packed_bytes;
    uint16_t length = (uint16_t)bytes;
    memcpy(fanout->packed + place, &length, sizeof length);
    fanout->packed_bytes += sizeof length + bytes;
    return place;
}

/* Packs as tally.h draws it, straight from the list of counters. */
static enum dl_status pack(struct dl_fanout *fanout, const struct dl_batch_tally *tally, uint32_t *place)
{
    enum dl_status status = reserve_packed(fanout);
    if (status != DL_OK)
        return status;
    unsigned char *start = fanout->packed + fanout->packed_bytes + sizeof(uint16_t);
    unsigned char *at = start;
    int previous = -1;
    for (size_t i = 0; i < tally->count; i++) {
        int64_t value = tally->values[i];
        at = put_varint(at, (uint64_t)(tally->counters[i] - previous - 1));
        at = put_varint(at, value < 0 ? ~((uint64_t)value << 1) : (uint64_t)value << 1);
        previous = tally->counters[i];
    }
    *place = end_packed(fanout, (size_t)(at - start));
    return DL_OK;
}

/* A borrowed look at a packed tally. */
static struct dl_tally packed_at(const struct dl_fanout *fanout, uint32_t place)
{
    uint16_t bytes;
    memcpy(&bytes, fanout->packed + place, sizeof bytes);
    return (struct dl_tally){.data = bytes == 0 ? NULL : fanout->packed + place + sizeof bytes, .bytes = bytes,
                             .capacity = bytes};
}

/* The delta of a subject and a second, made if it is not there. */
static enum dl_status find_delta(struct apply *apply, uint32_t id, int64_t second, uint32_t *delta)
{
    struct dl_fanout *fanout = apply->fanout;
    struct dl_subject *subject = apply->windows->registry.subjects[id];
    if (subject->delta != DL_NO_DELTA && fanout->deltas[subject->delta].second == second) {
        *delta = subject->delta; /* most often: a second has many cells of a subject */
        return DL_OK;
    }
    const int64_t key[2] = {id, second};
    uint64_t hash = dl_hash(key, sizeof key, fanout->seed);
    struct dl_table_cursor cursor = dl_table_look(&fanout->table, hash);
    while ((*delta = dl_table_next(&fanout->table, &cursor)) != DL_TABLE_NONE)
        if (fanout->deltas[*delta].subject == id && fanout->deltas[*delta].second == second)
            return DL_OK;
    void *deltas = fanout->deltas;
    enum dl_status status = reserve(&deltas, fanout->delta_count + 1, &fanout->delta_capacity, sizeof *fanout->deltas);
    fanout->deltas = deltas;
    if (status == DL_OK)
        status = dl_table_reserve(&fanout->table, 1);
    if (status != DL_OK)
        return status;
    *delta = (uint32_t)fanout->delta_count++;
    fanout->deltas[*delta] =
        (struct dl_fanout_delta){.second = second, .subject = id, .node = NO_NODE, .next = subject->delta};
    subject->delta = *delta;
    dl_table_put(&fanout->table, hash, *delta);
    return DL_OK;
}

static enum dl_status add_node(struct apply *apply, uint32_t subject, int64_t second, uint32_t tally)
{
    struct dl_fanout *fanout = apply->fanout;
    uint32_t delta;
    enum dl_status status = find_delta(apply, subject, second, &delta);
    if (status != DL_OK)
        return status;
    void *nodes = fanout->nodes;
    status = reserve(&nodes, fanout->node_count + 1, &fanout->node_capacity, sizeof *fanout->nodes);
    fanout->nodes = nodes;
    if (status != DL_OK)
        return status;
    fanout->nodes[fanout->node_count] = (struct dl_fanout_node){.tally = tally, .next = fanout->deltas[delta].node};
    fanout->deltas[delta].node = (uint32_t)fanout->node_count++;
    return DL_OK;
}

/* From deltas to windows */

static void sum_packed(struct dl_fanout *fanout, uint32_t place)
{
    const struct dl_tally tally = packed_at(fanout, place);
    dl_tally_unpack(&tally, &fanout->sum, 1);
}

/* Packs the sum, which is 0 again afterwards. */
static enum dl_status pack_sum(struct dl_fanout *fanout, uint32_t *place)
{
    enum dl_status status = reserve_packed(fanout);
    if (status == DL_OK)
        status = dl_tally_pack(&fanout->merged, &fanout->sum);
    if (status != DL_OK)
        return status;
    dl_tally_unpack(&fanout->merged, &fanout->sum, -1);
    if (!dl_tally_empty(&fanout->merged))
        memcpy(fanout->packed + fanout->packed_bytes + sizeof(uint16_t), fanout->merged.data, fanout->merged.bytes);
    *place = end_packed(fanout, fanout->merged.bytes);
    return DL_OK;
}

static int by_second(const void *a, const void *b)
{
    int64_t left = ((const struct dl_fanout_second *)a)->second;
    int64_t right = ((const struct dl_fanout_second *)b)->second;
    return (left > right) - (left < right);
}

/* Lists the seconds of a subject in ascending order, each with one tally, and
 * ends its chain of deltas. */
static enum dl_status list_seconds(struct dl_fanout *fanout, struct dl_subject *subject)
{
    fanout->second_count = 0;
    for (uint32_t at = subject->delta; at != DL_NO_DELTA; at = fanout->deltas[at].next) {
        void *seconds = fanout->seconds;
        enum dl_status status = reserve(&seconds, fanout->second_count + 1, &fanout->second_capacity,
                                        sizeof *fanout->seconds);
        fanout->seconds = seconds;
        if (status != DL_OK)
            return status;
        uint32_t node = fanout->deltas[at].node;
        uint32_t place = fanout->nodes[node].tally;
        if (fanout->nodes[node].next != NO_NODE) {
            for (; node != NO_NODE; node = fanout->nodes[node].next)
                sum_packed(fanout, fanout->nodes[node].tally);
            status = pack_sum(fanout, &place);
            if (status != DL_OK)
                return status;
        }
        fanout->seconds[fanout->second_count++] =
            (struct dl_fanout_second){.second = fanout->deltas[at].second, .tally = place};
    }
    subject->delta = DL_NO_DELTA;
    if (fanout->second_count > 1)
        qsort(fanout->seconds, fanout->second_count, sizeof *fanout->seconds, by_second);
    return DL_OK;
}

/* The tally of the seconds from `first` to before `end`; all of them together
 * are asked for by most windows and merged once. */
static enum dl_status merge_seconds(struct dl_fanout *fanout, size_t first, size_t end, uint32_t *place)
{
    bool all = first == 0 && end == fanout->second_count;
    if (end - first == 1) {
        *place = fanout->seconds[first].tally;
        return DL_OK;
    }
    if (all && fanout->all_merged) {
        *place = fanout->all;
        return DL_OK;
    }
    for (size_t i = first; i < end; i++)
        sum_packed(fanout, fanout->seconds[i].tally);
    enum dl_status status = pack_sum(fanout, place);
    if (all && status == DL_OK) {
        fanout->all_merged = true;
        fanout->all = *place;
    }
    return status;
}

/* Adds the listed seconds to one window of the subject: each pane that they lie
 * in is touched once, the total once. */
static enum dl_status add_to_window(struct apply *apply, uint32_t subject, int w)
{
    struct dl_fanout *fanout = apply->fanout;
    const struct dl_window *window = &apply->windows->window[w];
    size_t total_first = 0; /* seconds that lie in the total */
    size_t total_end = 0;
    for (size_t first = 0, end; first < fanout->second_count; first = end) {
        int64_t index = dl_floor_div(fanout->seconds[first].second, window->pane_s);
        int64_t next_s = (index + 1) * window->pane_s;
        for (end = first + 1; end < fanout->second_count && fanout->seconds[end].second < next_s;)
            end++;
        if (index <= window->newest - DL_PANES) {
            total_first = total_end = end;
            continue;
        }
        if (index <= window->newest)
            total_end = end;
        uint32_t place;
        enum dl_status status = merge_seconds(fanout, first, end, &place);
        if (status != DL_OK)
            return status;
        const struct dl_tally tally = packed_at(fanout, place);
        status = dl_windows_add_pane(apply->windows, subject, w, index, &tally);
        if (status != DL_OK)
            return status;
    }
    if (total_end == total_first)
        return DL_OK;
    uint32_t place;
    enum dl_status status = merge_seconds(fanout, total_first, total_end, &place);
    if (status != DL_OK)
        return status;
    const struct dl_tally tally = packed_at(fanout, place);
    return dl_windows_add_total(apply->windows, subject, w, &tally);
}

static enum dl_status add_to_windows(struct apply *apply, uint32_t subject)
{
    struct dl_fanout *fanout = apply->fanout;
    size_t packed_bytes = fanout->packed_bytes;
    fanout->all_merged = false;
    enum dl_status status = list_seconds(fanout, apply->windows->registry.subjects[subject]);
    for (int w = 0; w < apply->windows->count && status == DL_OK; w++)
        if (apply->mask >> w & 1)
            status = add_to_window(apply, subject, w);
    fanout->packed_bytes = packed_bytes;
    return status;
}

static enum dl_status flush(struct apply *apply)
{
    struct dl_fanout *fanout = apply->fanout;
    enum dl_status status = DL_OK;
    for (size_t i = 0; i < fanout->delta_count && status == DL_OK; i++) {
        uint32_t subject = fanout->deltas[i].subject;
        if (apply->windows->registry.subjects[subject]->delta != DL_NO_DELTA) /* else done, with an earlier one */
            status = add_to_windows(apply, subject);
    }
    fanout->node_count = fanout->delta_count = fanout->packed_bytes = 0;
    dl_table_clear(&fanout->table);
    return status;
}

static void count_over(struct dl_fanout *fanout, const struct dl_resolved *resolved)
{
    for (int kind = 0; kind < DL_KINDS; kind++)
        fanout->over_cap[kind] += resolved->over_cap[kind];
    fanout->over_segment_values += resolved->over_segment_values;
    fanout->over_subjects += resolved->over_subjects;
}

static enum dl_status on_tally(void *context, const struct dl_batch_tally *tally)
{
    struct apply *apply = context;
    struct dl_fanout *fanout = apply->fanout;
    /* A number that comes again later is another cell: this has to see every tally. */
    apply->is_resolved = apply->is_resolved && tally->cell_number == apply->cell_number;
    apply->cell_number = tally->cell_number;
    /* An event with Kano answers is late once, not once more per feature; and what
     * comes again for some windows was late before, if it was. */
    int64_t events = apply->all && tally->cell->feature.bytes == 0 ? tally->events : 0;
    if (tally->second < apply->oldest_s) {
        fanout->late += events;
        return DL_OK;
    }
    if (tally->second > apply->windows->newest_s) {
        fanout->ahead += events;
        return DL_OK;
    }
    enum dl_status status = DL_OK;
    if (!apply->is_resolved)
        status = dl_resolve(&apply->windows->registry, tally->cell, &apply->resolved);
    if (status != DL_OK)
        return status;
    apply->is_resolved = true;
    count_over(fanout, &apply->resolved);
    if (tally->second < fanout->oldest_s)
        fanout->oldest_s = tally->second;
    uint32_t packed;
    status = pack(fanout, tally, &packed);
    for (size_t i = 0; i < apply->resolved.subjects && status == DL_OK; i++)
        status = add_node(apply, apply->resolved.subject[i], tally->second, packed);
    if (status == DL_OK && fanout->node_count >= SLICE_NODES)
        status = flush(apply);
    return status;
}

enum dl_status dl_fanout_apply(struct dl_fanout *fanout, struct dl_windows *windows, dl_engine_each *each,
                               const void *tallies, uint32_t mask)
{
    const uint32_t every = (UINT32_C(1) << windows->count) - 1;
    struct apply apply = {.fanout = fanout, .windows = windows, .mask = mask & every, .all = (mask & every) == every,
                          .oldest_s = dl_windows_oldest_s(windows, mask)};
    enum dl_status status = each(tallies, on_tally, &apply);
    if (status == DL_OK)
        status = flush(&apply);
    if (dl_fanout_bytes(fanout) > KEEP_BYTES)
        free_scratch(fanout);
    return status;
}
