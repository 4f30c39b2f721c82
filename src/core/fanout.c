#include "fanout.h"

#include "hash.h"

#include <stdlib.h>
#include <string.h>

enum {
    SLICE_NODES = 1 << 18, /* nodes before the deltas go to the windows */
    KEEP_BYTES = 1 << 22,  /* scratch memory that is kept for the next batch */
    PACKED_COUNTER_MAX = 12,
    TALLY_PACKED_MAX = DL_COUNTERS * PACKED_COUNTER_MAX,
    NAMES_MAX = 3 + DL_SEGMENTS_MAX,
    CELL_SUBJECTS_MAX = 5 * (1 + DL_SEGMENTS_MAX)
};
#define NO_NODE UINT32_MAX

/* What the names of one cell have come to. */
struct resolved {
    uint32_t cell_number; /* UINT32_MAX: none yet */
    uint32_t touchpoint, stage, journey, feature, value[DL_SEGMENTS_MAX];
    uint32_t subject[CELL_SUBJECTS_MAX];
    size_t subjects;
    bool over_cap[DL_KINDS];
    int64_t over_segment_values, over_subjects;
};

struct apply {
    struct dl_fanout *fanout;
    struct dl_windows *windows;
    struct resolved resolved;
};

void dl_fanout_init(struct dl_fanout *fanout)
{
    *fanout = (struct dl_fanout){.nodes = NULL};
    fanout->seed = dl_hash_seed(fanout);
}

static void free_scratch(struct dl_fanout *fanout)
{
    free(fanout->nodes);
    free(fanout->deltas);
    free(fanout->packed);
    dl_table_deinit(&fanout->table);
    fanout->nodes = NULL;
    fanout->deltas = NULL;
    fanout->packed = NULL;
    fanout->node_capacity = fanout->delta_capacity = fanout->packed_capacity = 0;
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

/* From a cell to its subjects */

static enum dl_status resolve_name(struct apply *apply, int space, struct dl_name name, uint32_t *id, bool *over)
{
    *id = DL_NO_NAME;
    return name.bytes == 0 ? DL_OK : dl_registry_name(&apply->windows->registry, space, name, id, over);
}

static enum dl_status resolve_names(struct apply *apply, const struct dl_cell *cell)
{
    struct resolved *resolved = &apply->resolved;
    bool *over = resolved->over_cap;
    enum dl_status status =
        resolve_name(apply, DL_SPACE_TOUCHPOINT, cell->touchpoint, &resolved->touchpoint, &over[DL_KIND_TOUCHPOINT]);
    if (status == DL_OK)
        status = resolve_name(apply, DL_SPACE_STAGE, cell->stage, &resolved->stage, &over[DL_KIND_STAGE]);
    if (status == DL_OK)
        status = resolve_name(apply, DL_SPACE_JOURNEY, cell->journey, &resolved->journey, &over[DL_KIND_JOURNEY]);
    if (status == DL_OK)
        status = resolve_name(apply, DL_SPACE_FEATURE, cell->feature, &resolved->feature, &over[DL_KIND_FEATURE]);
    for (int i = 0; i < apply->windows->registry.segments && status == DL_OK; i++) {
        bool over_value = false;
        status = resolve_name(apply, DL_SPACE_SEGMENTS + i, cell->segment[i], &resolved->value[i], &over_value);
        resolved->over_segment_values += over_value;
    }
    return status;
}

static enum dl_status resolve_subject(struct apply *apply, enum dl_kind kind, int segment, uint32_t first, uint32_t second)
{
    struct resolved *resolved = &apply->resolved;
    const struct dl_subject_key key = {.kind = (uint8_t)kind, .segment = (int8_t)segment, .first = first, .second = second,
                                       .value = segment < 0 ? DL_NO_NAME : resolved->value[segment]};
    bool over = false;
    enum dl_status status =
        dl_registry_subject(&apply->windows->registry, &key, &resolved->subject[resolved->subjects], &over);
    if (status == DL_OK)
        resolved->subjects++;
    resolved->over_subjects += over;
    return status;
}

/* The subjects of a cell with or without one of its segment values. */
static enum dl_status resolve_subjects(struct apply *apply, int segment)
{
    const struct resolved *resolved = &apply->resolved;
    if (resolved->feature != DL_NO_NAME)
        return resolve_subject(apply, DL_KIND_FEATURE, segment, resolved->feature, DL_NO_NAME);
    enum dl_status status = resolve_subject(apply, DL_KIND_ALL, segment, DL_NO_NAME, DL_NO_NAME);
    if (status == DL_OK && resolved->touchpoint != DL_NO_NAME)
        status = resolve_subject(apply, DL_KIND_TOUCHPOINT, segment, resolved->touchpoint, DL_NO_NAME);
    if (status == DL_OK && resolved->stage != DL_NO_NAME)
        status = resolve_subject(apply, DL_KIND_STAGE, segment, resolved->stage, DL_NO_NAME);
    if (status == DL_OK && resolved->journey != DL_NO_NAME)
        status = resolve_subject(apply, DL_KIND_JOURNEY, segment, resolved->journey, DL_NO_NAME);
    if (status == DL_OK && resolved->journey != DL_NO_NAME && resolved->stage != DL_NO_NAME)
        status = resolve_subject(apply, DL_KIND_JOURNEY_STAGE, segment, resolved->journey, resolved->stage);
    return status;
}

/* Names that no subject took (over the cap of subjects) must not fill theirs. */
static void drop_unused_names(struct apply *apply)
{
    struct dl_registry *registry = &apply->windows->registry;
    const struct resolved *resolved = &apply->resolved;
    const uint32_t names[] = {resolved->touchpoint, resolved->stage, resolved->journey, resolved->feature};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i] != DL_NO_NAME)
            dl_registry_drop_name(registry, names[i]);
    for (int i = 0; i < registry->segments; i++)
        if (resolved->value[i] != DL_NO_NAME)
            dl_registry_drop_name(registry, resolved->value[i]);
}

static enum dl_status resolve_cell(struct apply *apply, const struct dl_batch_tally *tally)
{
    struct resolved *resolved = &apply->resolved;
    resolved->cell_number = tally->cell_number;
    resolved->subjects = 0;
    resolved->over_segment_values = resolved->over_subjects = 0;
    memset(resolved->over_cap, 0, sizeof resolved->over_cap);
    enum dl_status status = resolve_names(apply, tally->cell);
    if (status == DL_OK)
        status = resolve_subjects(apply, -1);
    for (int i = 0; i < apply->windows->registry.segments && status == DL_OK; i++)
        if (resolved->value[i] != DL_NO_NAME)
            status = resolve_subjects(apply, i);
    if (status == DL_OK)
        drop_unused_names(apply);
    return status;
}

/* From tallies to deltas */

static unsigned char *put_varint(unsigned char *at, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *at++ = (unsigned char)(number | 0x80);
    *at++ = (unsigned char)number;
    return at;
}

/* Packs as tally.h draws it, straight from the list of counters. */
static enum dl_status pack(struct dl_fanout *fanout, const struct dl_batch_tally *tally, uint32_t *place)
{
    void *packed = fanout->packed;
    enum dl_status status = reserve(&packed, fanout->packed_bytes + sizeof(uint16_t) + TALLY_PACKED_MAX,
                                    &fanout->packed_capacity, 1);
    fanout->packed = packed;
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
    uint16_t bytes = (uint16_t)(at - start);
    memcpy(start - sizeof bytes, &bytes, sizeof bytes);
    *place = (uint32_t)fanout->packed_bytes;
    fanout->packed_bytes += sizeof bytes + bytes;
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

static enum dl_status find_delta(struct dl_fanout *fanout, uint32_t subject, int64_t second, uint32_t *delta)
{
    const int64_t key[2] = {subject, second};
    uint64_t hash = dl_hash(key, sizeof key, fanout->seed);
    struct dl_table_cursor cursor = dl_table_look(&fanout->table, hash);
    while ((*delta = dl_table_next(&fanout->table, &cursor)) != DL_TABLE_NONE)
        if (fanout->deltas[*delta].subject == subject && fanout->deltas[*delta].second == second)
            return DL_OK;
    void *deltas = fanout->deltas;
    enum dl_status status = reserve(&deltas, fanout->delta_count + 1, &fanout->delta_capacity, sizeof *fanout->deltas);
    fanout->deltas = deltas;
    if (status == DL_OK)
        status = dl_table_reserve(&fanout->table, 1);
    if (status != DL_OK)
        return status;
    *delta = (uint32_t)fanout->delta_count++;
    fanout->deltas[*delta] = (struct dl_fanout_delta){.second = second, .subject = subject, .node = NO_NODE};
    dl_table_put(&fanout->table, hash, *delta);
    return DL_OK;
}

static enum dl_status add_node(struct dl_fanout *fanout, uint32_t subject, int64_t second, uint32_t tally)
{
    uint32_t delta;
    enum dl_status status = find_delta(fanout, subject, second, &delta);
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

static enum dl_status merge(struct dl_fanout *fanout, uint32_t node)
{
    for (; node != NO_NODE; node = fanout->nodes[node].next) {
        const struct dl_tally tally = packed_at(fanout, fanout->nodes[node].tally);
        dl_tally_unpack(&tally, &fanout->sum, 1);
    }
    enum dl_status status = dl_tally_pack(&fanout->merged, &fanout->sum);
    if (status == DL_OK)
        dl_tally_unpack(&fanout->merged, &fanout->sum, -1); /* all 0 again */
    return status;
}

static enum dl_status flush(struct apply *apply)
{
    struct dl_fanout *fanout = apply->fanout;
    enum dl_status status = DL_OK;
    for (size_t i = 0; i < fanout->delta_count && status == DL_OK; i++) {
        const struct dl_fanout_delta *delta = &fanout->deltas[i];
        if (fanout->nodes[delta->node].next == NO_NODE) {
            const struct dl_tally tally = packed_at(fanout, fanout->nodes[delta->node].tally);
            status = dl_windows_add(apply->windows, delta->subject, delta->second, &tally);
        } else {
            status = merge(fanout, delta->node);
            if (status == DL_OK)
                status = dl_windows_add(apply->windows, delta->subject, delta->second, &fanout->merged);
        }
    }
    fanout->node_count = fanout->delta_count = fanout->packed_bytes = 0;
    dl_table_clear(&fanout->table);
    return status;
}

static void count_over(struct dl_fanout *fanout, const struct resolved *resolved)
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
    /* An event with Kano answers is late once, not once more per feature. */
    int64_t events = tally->cell->feature.bytes == 0 ? tally->events : 0;
    if (tally->second < apply->windows->oldest_s) {
        fanout->late += events;
        return DL_OK;
    }
    if (tally->second > apply->windows->newest_s) {
        fanout->ahead += events;
        return DL_OK;
    }
    enum dl_status status = DL_OK;
    if (tally->cell_number != apply->resolved.cell_number)
        status = resolve_cell(apply, tally);
    if (status != DL_OK)
        return status;
    count_over(fanout, &apply->resolved);
    uint32_t packed;
    status = pack(fanout, tally, &packed);
    for (size_t i = 0; i < apply->resolved.subjects && status == DL_OK; i++)
        status = add_node(fanout, apply->resolved.subject[i], tally->second, packed);
    if (status == DL_OK && fanout->node_count >= SLICE_NODES)
        status = flush(apply);
    return status;
}

enum dl_status dl_fanout_apply(struct dl_fanout *fanout, struct dl_windows *windows, const struct dl_batch *batch)
{
    struct apply apply = {.fanout = fanout, .windows = windows, .resolved = {.cell_number = UINT32_MAX}};
    enum dl_status status = dl_batch_each(batch, on_tally, &apply);
    if (status == DL_OK)
        status = flush(&apply);
    if (dl_fanout_bytes(fanout) > KEEP_BYTES)
        free_scratch(fanout);
    return status;
}
