#include <delight/batch.h>

#include "cells.h"
#include "hash.h"

#include <delight/time.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    SOURCES_MAX = 65535,
    SOURCES_FIRST = 16
};
#define BATCH_BYTES_MIN ((size_t)1 << 20)

/* A place cell's names are touchpoint, stage and journey, a feature cell's one is the feature; then segment values. */
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

struct dl_batch *dl_batch_create(const struct dl_batch_options *options, int64_t opened_ms)
{
    DL_ASSERT(options->bytes_max >= BATCH_BYTES_MIN && options->segments >= 0 && options->segments <= DL_SEGMENTS_MAX);
    DL_ASSERT(options->step_s >= 0);
    struct dl_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        return NULL;
    batch->options = *options;
    batch->cells.arena.bytes_max = options->bytes_max;
    batch->cells.arena.bytes = sizeof *batch;
    batch->cells.seed = dl_hash_seed(batch);
    batch->cells.step_s = options->step_s > 0 ? options->step_s : 1;
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

static void add_segments(const struct dl_batch *batch, struct dl_cell_names *names, const struct dl_event *event)
{
    for (int i = 0; i < batch->options.segments; i++)
        names->name[names->count++] = &event->segment[i];
}

static enum dl_status find_slot(struct dl_batch *batch, const struct dl_cell_names *names, int64_t second, int load,
                                struct dl_slot **slot)
{
    struct dl_cell_entry *cell;
    enum dl_status status = dl_cells_find(&batch->cells, names, &cell);
    return status == DL_OK ? dl_cells_slot(&batch->cells, cell, second, load, slot) : status;
}

static enum dl_status find_place(struct dl_batch *batch, const struct dl_event *event, int64_t second, struct dl_slot **slot)
{
    struct dl_cell_names names;
    names.kind = CELL_PLACE;
    names.count = 3;
    names.name[0] = &event->touchpoint;
    names.name[1] = &event->stage;
    names.name[2] = &event->journey;
    add_segments(batch, &names, event);
    return find_slot(batch, &names, second, dl_slot_load(event), slot);
}

/* Each Kano answer also counts by its feature, wherever it was given. */
static enum dl_status find_features(struct dl_batch *batch, const struct dl_event *event, int64_t second,
                                    struct dl_slot **slots)
{
    for (int i = 0; i < event->kano_count; i++) {
        struct dl_cell_names names;
        names.kind = CELL_FEATURE;
        names.count = 1;
        names.name[0] = &event->kano[i].feature;
        add_segments(batch, &names, event);
        enum dl_status status = find_slot(batch, &names, second, event->kano_count, &slots[i]); /* all may be of one feature */
        if (status != DL_OK)
            return status;
    }
    return DL_OK;
}

enum dl_status dl_batch_add(struct dl_batch *batch, const struct dl_event *event)
{
    /* First everything finds its room, which may fail; then it is counted,
     * which cannot. Slots that stay empty after a failure are not reported. */
    struct dl_slot *place, *features[DL_KANO_ANSWERS_MAX];
    int64_t second = dl_floor_div(event->time_ms, 1000);
    int answers = event->type == DL_EVENT_SURVEY ? event->kano_count : 0;
    DL_ASSERT(answers <= DL_KANO_ANSWERS_MAX);
    enum dl_status status = find_place(batch, event, second, &place);
    if (status == DL_OK)
        status = dl_cells_give(&batch->cells, place, event);
    if (status == DL_OK && answers > 0)
        status = find_features(batch, event, second, features);
    if (status != DL_OK)
        return status;
    batch->tallies += place->counted == 0;
    dl_slot_count(place, event, second, &batch->options);
    for (int i = 0; i < answers; i++) {
        batch->tallies += features[i]->counted == 0;
        dl_slot_count_answer(features[i], &event->kano[i], second, event->sign);
    }
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

/* The index of the partition's part; where there is none yet, of a new one that begins at `from`. */
static enum dl_status find_source(struct dl_batch *batch, uint16_t topic, int32_t partition, int64_t from, uint32_t *out)
{
    int64_t key[2] = {topic, partition};
    uint64_t hash = dl_hash(key, sizeof key, batch->cells.seed);
    struct dl_table_cursor cursor = dl_table_look(&batch->source_table, hash);
    uint32_t at;
    do
        at = dl_table_next(&batch->source_table, &cursor);
    while (at != DL_TABLE_NONE && !is_source(batch, at, topic, partition));
    if (at == DL_TABLE_NONE) {
        enum dl_status status = reserve_source(batch);
        if (status != DL_OK)
            return status;
        at = batch->source_count++;
        batch->sources[at] = (struct dl_batch_source){.topic = topic, .partition = partition, .from = from, .next = from};
        dl_table_put(&batch->source_table, hash, at);
    }
    *out = at;
    return DL_OK;
}

enum dl_status dl_batch_cover(struct dl_batch *batch, uint16_t topic, int32_t partition, int64_t from, int64_t next,
                              int64_t end)
{
    if (!is_source(batch, batch->source_recent, topic, partition)) {
        enum dl_status status = find_source(batch, topic, partition, from, &batch->source_recent);
        if (status != DL_OK)
            return status;
    }
    struct dl_batch_source *source = &batch->sources[batch->source_recent];
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

void dl_batch_set_opened(struct dl_batch *batch, int64_t opened_ms)
{
    DL_ASSERT(dl_batch_empty(batch));
    batch->opened_ms = opened_ms;
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

static void read_cell(const struct dl_batch *batch, const struct dl_cell_entry *cell, struct dl_cell *out)
{
    *out = (struct dl_cell){.touchpoint = {.data = NULL}};
    const struct dl_block *key = cell->key;
    if (cell->kind == CELL_PLACE) {
        key = dl_blocks_take(key, &out->touchpoint);
        key = dl_blocks_take(key, &out->stage);
        key = dl_blocks_take(key, &out->journey);
    } else {
        key = dl_blocks_take(key, &out->feature);
    }
    for (int i = 0; i < batch->options.segments; i++)
        key = dl_blocks_take(key, &out->segment[i]);
}

/* Another thread wrote it, one by one as events came: it lies anywhere. */
static void fetch_slot(const struct dl_slot *slot)
{
    for (size_t at = 0; slot != NULL && at < sizeof *slot; at += DL_SLOT_LINE)
        __builtin_prefetch((const char *)slot + at);
}

enum dl_status dl_batch_each(const struct dl_batch *batch, dl_batch_on_tally *on_tally, void *context)
{
    struct dl_slot_counters list;
    for (const struct dl_cell_entry *cell = batch->cells.first; cell != NULL; cell = cell->next) {
        struct dl_cell names;
        read_cell(batch, cell, &names);
        for (const struct dl_slot *slot = cell->first; slot != NULL; slot = slot->next) {
            fetch_slot(slot->next);
            if (slot->counted == 0)
                continue;
            dl_slot_read(slot, &list);
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
