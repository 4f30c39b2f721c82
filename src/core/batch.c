#include <delight/batch.h>

#include "cells.h"
#include "hash.h"
#include "increment.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_NAMES_MAX = 3 + DL_SEGMENTS_MAX,
    KEY_BYTES_MAX = 1 + KEY_NAMES_MAX * (1 + DL_NAME_BYTES_MAX),
    SOURCES_MAX = 65535,
    SOURCES_FIRST = 16,
    TARGET_SLOTS_MAX = 1 + DL_KANO_ANSWERS_MAX,
    TARGETS_MAX = DL_INCREMENTS_MAX + DL_KANO_ANSWERS_MAX
};
#define BATCH_BYTES_MIN ((size_t)1 << 20)

static_assert(DL_NAME_BYTES_MAX <= UINT8_MAX, "a name's length fits the byte before it");

/* A cell's key is its kind, then each name behind its length. */
enum cell_kind { CELL_PLACE, CELL_FEATURE };

struct dl_batch {
    struct dl_batch_options options;
    struct dl_cells cells;
    size_t tallies; /* slots that an event was counted in */

    struct dl_batch_source *sources;
    uint32_t source_count, source_capacity;
    uint32_t source_recent;
    struct dl_table source_table;

    struct dl_ingest_counts counts;
    int64_t opened_ms, newest_ms;
    bool caught_up;
};

/* A counter to change once everything has found its room. */
struct target {
    int64_t *counter;
    int64_t value;
};

struct targets {
    struct dl_slot *slot[TARGET_SLOTS_MAX];
    size_t slots;
    struct target target[TARGETS_MAX];
    size_t count;
};

struct dl_batch *dl_batch_create(const struct dl_batch_options *options, int64_t opened_ms)
{
    DL_ASSERT(options->bytes_max >= BATCH_BYTES_MIN && options->segments >= 0 && options->segments <= DL_SEGMENTS_MAX);
    struct dl_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        return NULL;
    batch->options = *options;
    batch->cells.arena.bytes_max = options->bytes_max;
    batch->cells.arena.bytes = sizeof *batch;
    batch->cells.seed = dl_hash_seed(batch);
    batch->opened_ms = opened_ms;
    batch->newest_ms = INT64_MIN;
    return batch;
}

void dl_batch_destroy(struct dl_batch *batch)
{
    if (batch == NULL)
        return;
    dl_cells_deinit(&batch->cells);
    dl_table_deinit(&batch->source_table);
    free(batch->sources);
    free(batch);
}

static size_t put_name(unsigned char *key, size_t at, struct dl_name name)
{
    DL_ASSERT(name.bytes <= DL_NAME_BYTES_MAX);
    key[at++] = (unsigned char)name.bytes;
    if (name.bytes > 0)
        memcpy(key + at, name.data, name.bytes);
    return at + name.bytes;
}

static size_t put_segments(const struct dl_batch *batch, unsigned char *key, size_t at, const struct dl_event *event)
{
    for (int i = 0; i < batch->options.segments; i++)
        at = put_name(key, at, event->segment[i]);
    return at;
}

static enum dl_status aim_slot(struct dl_batch *batch, const unsigned char *key, size_t key_bytes, int64_t second,
                               struct targets *targets)
{
    struct dl_cell_entry *cell;
    enum dl_status status = dl_cells_find(&batch->cells, key, key_bytes, &cell);
    if (status == DL_OK)
        status = dl_cells_slot(&batch->cells, cell, second, &targets->slot[targets->slots]);
    if (status == DL_OK)
        targets->slots++;
    return status;
}

static enum dl_status aim_counters(struct dl_batch *batch, const struct dl_increment *increments, size_t count,
                                   struct targets *targets)
{
    struct dl_slot *slot = targets->slot[targets->slots - 1];
    uint16_t group = DL_GROUP_EVENTS; /* no increment has it */
    int64_t *counters = NULL;
    for (size_t i = 0; i < count; i++) {
        if (increments[i].group != group) {
            group = increments[i].group;
            enum dl_status status = dl_cells_counters(&batch->cells, slot, group, &counters);
            if (status != DL_OK)
                return status;
        }
        targets->target[targets->count++] =
            (struct target){.counter = counters + increments[i].place, .value = increments[i].value};
    }
    return DL_OK;
}

static enum dl_status aim_place(struct dl_batch *batch, const struct dl_event *event, int64_t second,
                                struct targets *targets)
{
    unsigned char key[KEY_BYTES_MAX];
    size_t bytes = 0;
    key[bytes++] = CELL_PLACE;
    bytes = put_name(key, bytes, event->touchpoint);
    bytes = put_name(key, bytes, event->stage);
    bytes = put_name(key, bytes, event->journey);
    bytes = put_segments(batch, key, bytes, event);
    enum dl_status status = aim_slot(batch, key, bytes, second, targets);
    if (status != DL_OK)
        return status;
    struct dl_increment increments[DL_INCREMENTS_MAX];
    size_t count = dl_increments(event, batch->options.service_level_threshold_ms, batch->options.short_abandon_ms,
                                 increments);
    return aim_counters(batch, increments, count, targets);
}

/* Each Kano answer also counts by its feature, wherever it was given. */
static enum dl_status aim_features(struct dl_batch *batch, const struct dl_event *event, int64_t second,
                                   struct targets *targets)
{
    for (int i = 0; i < event->kano_count; i++) {
        unsigned char key[KEY_BYTES_MAX];
        size_t bytes = 0;
        key[bytes++] = CELL_FEATURE;
        bytes = put_name(key, bytes, event->kano[i].feature);
        bytes = put_segments(batch, key, bytes, event);
        enum dl_status status = aim_slot(batch, key, bytes, second, targets);
        const struct dl_increment answer = {.group = DL_GROUP_KANO, .place = event->kano[i].category, .value = 1};
        if (status == DL_OK)
            status = aim_counters(batch, &answer, 1, targets);
        if (status != DL_OK)
            return status;
    }
    return DL_OK;
}

static int64_t second_of(int64_t time_ms)
{
    return time_ms / 1000 - (time_ms % 1000 < 0);
}

enum dl_status dl_batch_add(struct dl_batch *batch, const struct dl_event *event)
{
    DL_ASSERT(event->sign == 1 || event->sign == -1);
    /* First everything finds its place, which may fail; then it is counted,
     * which cannot. Places that stay empty after a failure are not reported. */
    struct targets targets;
    targets.slots = targets.count = 0;
    int64_t second = second_of(event->time_ms);
    enum dl_status status = aim_place(batch, event, second, &targets);
    if (status == DL_OK && event->type == DL_EVENT_SURVEY)
        status = aim_features(batch, event, second, &targets);
    if (status != DL_OK)
        return status;
    for (size_t i = 0; i < targets.slots; i++) {
        batch->tallies += targets.slot[i]->counted == 0;
        targets.slot[i]->counted++;
        targets.slot[i]->events += event->sign;
    }
    for (size_t i = 0; i < targets.count; i++)
        *targets.target[i].counter += event->sign * targets.target[i].value;
    if (event->time_ms > batch->newest_ms)
        batch->newest_ms = event->time_ms;
    return DL_OK;
}

static bool is_source(const struct dl_batch *batch, uint32_t at, uint16_t topic, int32_t partition)
{
    return at < batch->source_count && batch->sources[at].topic == topic && batch->sources[at].partition == partition;
}

static enum dl_status reserve_source(struct dl_batch *batch)
{
    if (batch->source_count == SOURCES_MAX)
        return DL_FULL;
    if (batch->source_count == batch->source_capacity) {
        uint32_t capacity = batch->source_capacity == 0 ? SOURCES_FIRST : batch->source_capacity * 2;
        struct dl_batch_source *sources = realloc(batch->sources, capacity * sizeof *sources);
        if (sources == NULL)
            return DL_MEMORY;
        batch->sources = sources;
        batch->source_capacity = capacity;
    }
    return dl_table_reserve(&batch->source_table, 1);
}

enum dl_status dl_batch_cover(struct dl_batch *batch, uint16_t topic, int32_t partition, int64_t from, int64_t next,
                              int64_t end)
{
    uint32_t at = batch->source_recent;
    if (!is_source(batch, at, topic, partition)) {
        int64_t key[2] = {topic, partition};
        uint64_t hash = dl_hash(key, sizeof key, batch->cells.seed);
        struct dl_table_cursor cursor = dl_table_look(&batch->source_table, hash);
        do
            at = dl_table_next(&batch->source_table, &cursor);
        while (at != DL_TABLE_NONE && !is_source(batch, at, topic, partition));
        if (at == DL_TABLE_NONE) {
            enum dl_status status = reserve_source(batch);
            if (status != DL_OK)
                return status;
            at = batch->source_count++;
            batch->sources[at] = (struct dl_batch_source){.topic = topic, .partition = partition, .from = from,
                                                          .next = next};
            dl_table_put(&batch->source_table, hash, at);
        }
        batch->source_recent = at;
    }
    struct dl_batch_source *source = &batch->sources[at];
    source->next = next;
    source->end = end;
    return DL_OK;
}

struct dl_ingest_counts *dl_batch_counts(struct dl_batch *batch)
{
    return &batch->counts;
}

bool dl_batch_empty(const struct dl_batch *batch)
{
    static const struct dl_ingest_counts none;
    return batch->tallies == 0 && batch->source_count == 0 && !batch->caught_up
        && memcmp(&batch->counts, &none, sizeof none) == 0;
}

int64_t dl_batch_opened_ms(const struct dl_batch *batch)
{
    return batch->opened_ms;
}

int64_t dl_batch_newest_ms(const struct dl_batch *batch)
{
    return batch->newest_ms;
}

size_t dl_batch_bytes(const struct dl_batch *batch)
{
    return batch->cells.arena.bytes + batch->source_capacity * sizeof *batch->sources + dl_table_bytes(&batch->source_table);
}

void dl_batch_set_caught_up(struct dl_batch *batch)
{
    batch->caught_up = true;
}

bool dl_batch_caught_up(const struct dl_batch *batch)
{
    return batch->caught_up;
}

size_t dl_batch_sources(const struct dl_batch *batch, const struct dl_batch_source **sources)
{
    *sources = batch->sources;
    return batch->source_count;
}

static const unsigned char *take_name(const unsigned char *key, struct dl_name *name)
{
    name->bytes = *key++;
    name->data = name->bytes == 0 ? NULL : (const char *)key;
    return key + name->bytes;
}

static void read_cell(const struct dl_batch *batch, const struct dl_cell_entry *cell, struct dl_cell *out)
{
    *out = (struct dl_cell){.touchpoint = {.data = NULL}};
    const unsigned char *key = cell->key;
    if (*key++ == CELL_PLACE) {
        key = take_name(key, &out->touchpoint);
        key = take_name(key, &out->stage);
        key = take_name(key, &out->journey);
    } else {
        key = take_name(key, &out->feature);
    }
    for (int i = 0; i < batch->options.segments; i++)
        key = take_name(key, &out->segment[i]);
}

/* The counters of a slot that are not 0, as a list. */
struct nonzero {
    uint16_t counter[DL_COUNTERS];
    int64_t value[DL_COUNTERS];
    size_t count;
};

static void list_nonzero(struct nonzero *list, uint16_t first, const int64_t *counters, uint16_t count)
{
    for (uint16_t i = 0; i < count; i++)
        if (counters[i] != 0) {
            list->counter[list->count] = (uint16_t)(first + i);
            list->value[list->count++] = counters[i];
        }
}

static void read_slot(const struct dl_batch *batch, const struct dl_slot *slot, struct nonzero *list)
{
    list->count = 0;
    list_nonzero(list, DL_COUNT_EVENTS, &slot->events, 1);
    for (uint16_t group = DL_GROUP_EVENTS + 1; group < DL_GROUPS; group++) {
        const int64_t *counters = dl_slot_counters(&batch->cells, slot, group);
        if (counters != NULL)
            list_nonzero(list, dl_group_first(group), counters, dl_group_size(group));
    }
}

enum dl_status dl_batch_each(const struct dl_batch *batch, dl_batch_on_tally *on_tally, void *context)
{
    struct nonzero list;
    for (const struct dl_cell_entry *cell = batch->cells.first; cell != NULL; cell = cell->next) {
        struct dl_cell names;
        read_cell(batch, cell, &names);
        for (const struct dl_slot *slot = cell->first; slot != NULL; slot = slot->next) {
            if (slot->counted == 0)
                continue;
            read_slot(batch, slot, &list);
            const struct dl_batch_tally tally = {.cell = &names, .cell_number = cell->number, .second = slot->second,
                                                 .events = slot->counted, .counters = list.counter,
                                                 .values = list.value, .count = list.count};
            enum dl_status status = on_tally(context, &tally);
            if (status != DL_OK)
                return status;
        }
    }
    return DL_OK;
}

size_t dl_batch_tallies(const struct dl_batch *batch)
{
    return batch->tallies;
}

size_t dl_batch_cells(const struct dl_batch *batch)
{
    return batch->cells.count;
}
