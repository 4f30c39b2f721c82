#include <delight/batch.h>

#include "arena.h"
#include "hash.h"
#include "increment.h"
#include "table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* One arena holds cells, slots and counters:
 *
 *   cell ─► slot (a second) ─► slot …      a slot has the counters of one second
 *     │       ├─► 11 NPS counters
 *     │       ├─► 16 contact counters      a group's counters come into being when
 *     │       └─► octave ─► octave …       the first event touches the group, so an
 *     ▼                                    event writes to a cache line or two
 *   cell …
 */
enum {
    GROUPS = DL_GROUP_WAIT, /* the scalar ones; EVENTS stands in the slot itself */
    KEY_NAMES_MAX = 3 + DL_SEGMENTS_MAX,
    KEY_BYTES_MAX = 1 + KEY_NAMES_MAX * (1 + DL_NAME_BYTES_MAX),
    SOURCES_MAX = 65535,
    SOURCES_FIRST = 16,
    TARGET_SLOTS_MAX = 1 + DL_KANO_ANSWERS_MAX,
    TARGETS_MAX = DL_INCREMENTS_MAX + DL_KANO_ANSWERS_MAX
};
#define BATCH_BYTES_MIN ((size_t)1 << 20)

static_assert(DL_NAME_BYTES_MAX <= UINT8_MAX, "a name's length fits the byte before it");

struct octave {
    struct octave *next; /* ascending groups */
    int64_t count[DL_HISTOGRAM_BLOCK];
    uint16_t group;
};

struct slot {
    struct cell *cell;
    struct slot *next; /* of the cell */
    int64_t second;
    int64_t events;    /* adds minus retractions */
    int64_t counted;   /* adds plus retractions; 0 only where an event found no room */
    int64_t *group[GROUPS];
    struct octave *octaves;
};

/* The key is its kind, then each name behind its length. */
struct cell {
    struct cell *next; /* in the order in which they came */
    struct slot *first, *last;
    struct slot *recent;
    uint32_t number;
    uint16_t key_bytes;
    unsigned char key[];
};
enum cell_kind { CELL_PLACE, CELL_FEATURE };

struct dl_batch {
    struct dl_batch_options options;
    struct dl_arena arena;
    struct dl_table cells, slots;
    struct cell *first, *last;
    uint32_t cell_count;
    size_t tallies;
    uint64_t seed;

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
    struct slot *slot[TARGET_SLOTS_MAX];
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
    batch->arena.bytes_max = options->bytes_max;
    batch->arena.bytes = sizeof *batch;
    batch->seed = dl_hash_seed(batch);
    batch->opened_ms = opened_ms;
    batch->newest_ms = INT64_MIN;
    return batch;
}

void dl_batch_destroy(struct dl_batch *batch)
{
    if (batch == NULL)
        return;
    dl_arena_deinit(&batch->arena);
    dl_table_deinit(&batch->cells);
    dl_table_deinit(&batch->slots);
    dl_table_deinit(&batch->source_table);
    free(batch->sources);
    free(batch);
}

/* Room for one more entry, within bytes_max. While a table grows, the old one
 * and the new one are both there: both must fit. */
static enum dl_status reserve_entry(struct dl_batch *batch, struct dl_table *table)
{
    size_t larger = dl_table_growth(table, 1);
    if (larger == 0)
        return DL_OK;
    if (larger > batch->arena.bytes_max - batch->arena.bytes)
        return DL_FULL;
    size_t before = dl_table_bytes(table);
    enum dl_status status = dl_table_reserve(table, 1);
    if (status == DL_OK)
        batch->arena.bytes += larger - before;
    return status;
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

static enum dl_status find_cell(struct dl_batch *batch, const unsigned char *key, size_t key_bytes, struct cell **out)
{
    uint64_t hash = dl_hash(key, key_bytes, batch->seed);
    struct dl_table_cursor cursor = dl_table_look(&batch->cells, hash);
    for (uint32_t at; (at = dl_table_next(&batch->cells, &cursor)) != DL_TABLE_NONE;) {
        struct cell *cell = dl_arena_at(&batch->arena, at);
        if (cell->key_bytes == key_bytes && memcmp(cell->key, key, key_bytes) == 0) {
            *out = cell;
            return DL_OK;
        }
    }
    enum dl_status status = reserve_entry(batch, &batch->cells);
    if (status != DL_OK)
        return status;
    void *memory;
    uint32_t reference;
    status = dl_arena_take(&batch->arena, sizeof(struct cell) + key_bytes, &memory, &reference);
    if (status != DL_OK)
        return status;
    struct cell *cell = memory;
    cell->number = batch->cell_count++;
    cell->key_bytes = (uint16_t)key_bytes;
    memcpy(cell->key, key, key_bytes);
    if (batch->last == NULL)
        batch->first = cell;
    else
        batch->last->next = cell;
    batch->last = cell;
    dl_table_put(&batch->cells, hash, reference);
    *out = cell;
    return DL_OK;
}

static enum dl_status find_slot(struct dl_batch *batch, struct cell *cell, int64_t second, struct slot **out)
{
    /* Most events of a batch are of now: the cell's last slot is theirs. */
    if (cell->recent != NULL && cell->recent->second == second) {
        *out = cell->recent;
        return DL_OK;
    }
    int64_t key[2] = {(int64_t)cell->number, second};
    uint64_t hash = dl_hash(key, sizeof key, batch->seed);
    struct dl_table_cursor cursor = dl_table_look(&batch->slots, hash);
    for (uint32_t at; (at = dl_table_next(&batch->slots, &cursor)) != DL_TABLE_NONE;) {
        struct slot *slot = dl_arena_at(&batch->arena, at);
        if (slot->second == second && slot->cell == cell) {
            cell->recent = *out = slot;
            return DL_OK;
        }
    }
    enum dl_status status = reserve_entry(batch, &batch->slots);
    if (status != DL_OK)
        return status;
    void *memory;
    uint32_t reference;
    status = dl_arena_take(&batch->arena, sizeof(struct slot), &memory, &reference);
    if (status != DL_OK)
        return status;
    struct slot *slot = memory;
    slot->cell = cell;
    slot->second = second;
    if (cell->last == NULL)
        cell->first = slot;
    else
        cell->last->next = slot;
    cell->recent = cell->last = slot;
    dl_table_put(&batch->slots, hash, reference);
    *out = slot;
    return DL_OK;
}

static enum dl_status find_octave(struct dl_batch *batch, struct slot *slot, uint16_t group, int64_t **counters)
{
    struct octave **link = &slot->octaves;
    while (*link != NULL && (*link)->group < group)
        link = &(*link)->next;
    if (*link == NULL || (*link)->group != group) {
        void *memory;
        uint32_t reference;
        enum dl_status status = dl_arena_take(&batch->arena, sizeof(struct octave), &memory, &reference);
        if (status != DL_OK)
            return status;
        struct octave *octave = memory;
        octave->group = group;
        octave->next = *link;
        *link = octave;
    }
    *counters = (*link)->count;
    return DL_OK;
}

static enum dl_status find_counter(struct dl_batch *batch, struct slot *slot, uint16_t group, uint16_t place,
                                   int64_t **counter)
{
    int64_t *counters;
    if (group < GROUPS) {
        if (slot->group[group] == NULL) {
            void *memory;
            uint32_t reference;
            enum dl_status status = dl_arena_take(&batch->arena, dl_group_size(group) * sizeof(int64_t), &memory,
                                                  &reference);
            if (status != DL_OK)
                return status;
            slot->group[group] = memory;
        }
        counters = slot->group[group];
    } else {
        enum dl_status status = find_octave(batch, slot, group, &counters);
        if (status != DL_OK)
            return status;
    }
    *counter = counters + place;
    return DL_OK;
}

static enum dl_status aim(struct dl_batch *batch, struct targets *targets, struct slot *slot, uint16_t group,
                          uint16_t place, int64_t value)
{
    struct target *target = &targets->target[targets->count];
    enum dl_status status = find_counter(batch, slot, group, place, &target->counter);
    if (status != DL_OK)
        return status;
    target->value = value;
    targets->count++;
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
    struct cell *cell;
    struct slot *slot;
    enum dl_status status = find_cell(batch, key, bytes, &cell);
    if (status == DL_OK)
        status = find_slot(batch, cell, second, &slot);
    if (status != DL_OK)
        return status;
    targets->slot[targets->slots++] = slot;
    struct dl_increment increments[DL_INCREMENTS_MAX];
    size_t count = dl_increments(event, batch->options.service_level_threshold_ms, batch->options.short_abandon_ms,
                                 increments);
    for (size_t i = 0; i < count && status == DL_OK; i++)
        status = aim(batch, targets, slot, increments[i].group, increments[i].place, increments[i].value);
    return status;
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
        struct cell *cell;
        struct slot *slot;
        enum dl_status status = find_cell(batch, key, bytes, &cell);
        if (status == DL_OK)
            status = find_slot(batch, cell, second, &slot);
        if (status == DL_OK)
            status = aim(batch, targets, slot, DL_GROUP_KANO, event->kano[i].category, 1);
        if (status != DL_OK)
            return status;
        targets->slot[targets->slots++] = slot;
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
        uint64_t hash = dl_hash(key, sizeof key, batch->seed);
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
    return batch->arena.bytes + batch->source_capacity * sizeof *batch->sources + dl_table_bytes(&batch->source_table);
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

static void read_cell(const struct dl_batch *batch, const struct cell *cell, struct dl_cell *out)
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

static void read_slot(const struct slot *slot, struct nonzero *list)
{
    list->count = 0;
    list_nonzero(list, DL_COUNT_EVENTS, &slot->events, 1);
    for (uint16_t group = 0; group < GROUPS; group++)
        if (slot->group[group] != NULL)
            list_nonzero(list, dl_group_first(group), slot->group[group], dl_group_size(group));
    for (const struct octave *octave = slot->octaves; octave != NULL; octave = octave->next)
        list_nonzero(list, dl_group_first(octave->group), octave->count, DL_HISTOGRAM_BLOCK);
}

enum dl_status dl_batch_each(const struct dl_batch *batch, dl_batch_on_tally *on_tally, void *context)
{
    struct nonzero list;
    for (const struct cell *cell = batch->first; cell != NULL; cell = cell->next) {
        struct dl_cell names;
        read_cell(batch, cell, &names);
        for (const struct slot *slot = cell->first; slot != NULL; slot = slot->next) {
            if (slot->counted == 0)
                continue;
            read_slot(slot, &list);
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
