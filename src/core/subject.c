#include "subject.h"

#include "hash.h"
#include "known.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ENCODED_MAX = 3 * DL_NAME_BYTES_MAX,
    /* "journey:" name "|stage=" name "|" segment "=" value */
    FULL_NAME_MAX = 32 + 4 * ENCODED_MAX
};
static_assert(FULL_NAME_MAX <= UINT16_MAX, "a full name's length fits");
static_assert(sizeof(struct dl_subject_key) == 16, "a key has no padding: it is hashed and compared as bytes");

/* Makes an array hold one more; counts its bytes. */
static enum dl_status grow(struct dl_registry *registry, void **array, uint32_t count, uint32_t *capacity, size_t item)
{
    if (count < *capacity)
        return DL_OK;
    uint32_t larger = *capacity == 0 ? 64 : *capacity * 2;
    void *memory = realloc(*array, larger * item);
    if (memory == NULL)
        return DL_MEMORY;
    registry->bytes += dl_block_bytes(larger * item) - dl_block_bytes(*capacity * item);
    *array = memory;
    *capacity = larger;
    return DL_OK;
}

static enum dl_status reserve_entry(struct dl_registry *registry, struct dl_table *table)
{
    int64_t before = dl_block_bytes(dl_table_bytes(table));
    enum dl_status status = dl_table_reserve(table, 1);
    registry->bytes += dl_block_bytes(dl_table_bytes(table)) - before;
    return status;
}

/* Names */

static uint64_t name_hash(const struct dl_registry *registry, int space, struct dl_name name)
{
    return dl_hash(name.data, name.bytes, registry->seed + (uint64_t)space);
}

static uint32_t other_of(int space)
{
    return (uint32_t)space;
}

static enum dl_status take_name_id(struct dl_registry *registry, uint32_t *id)
{
    if (registry->name_free != DL_NO_NAME) {
        *id = registry->name_free;
        registry->name_free = registry->names[*id].subjects;
        return DL_OK;
    }
    void *names = registry->names;
    enum dl_status status = grow(registry, &names, registry->name_count, &registry->name_capacity,
                                 sizeof *registry->names);
    registry->names = names;
    if (status == DL_OK)
        *id = registry->name_count++;
    return status;
}

static void give_name_id(struct dl_registry *registry, uint32_t id)
{
    registry->names[id] = (struct dl_named){.subjects = registry->name_free};
    registry->name_free = id;
}

static enum dl_status add_name(struct dl_registry *registry, int space, struct dl_name name, uint64_t hash, uint32_t *id)
{
    enum dl_status status = reserve_entry(registry, &registry->name_table);
    if (status == DL_OK)
        status = take_name_id(registry, id);
    if (status != DL_OK)
        return status;
    char *data = malloc(name.bytes);
    if (data == NULL) {
        give_name_id(registry, *id);
        return DL_MEMORY;
    }
    memcpy(data, name.data, name.bytes);
    registry->names[*id] = (struct dl_named){.data = data, .bytes = name.bytes, .space = (uint8_t)space, .used = true};
    dl_table_put(&registry->name_table, hash, *id);
    registry->bytes += dl_block_bytes(name.bytes);
    return DL_OK;
}

enum dl_status dl_registry_name(struct dl_registry *registry, int space, struct dl_name name, uint32_t *id, bool *over)
{
    DL_ASSERT(name.bytes > 0);
    uint64_t hash = name_hash(registry, space, name);
    struct dl_table_cursor cursor = dl_table_look(&registry->name_table, hash);
    while ((*id = dl_table_next(&registry->name_table, &cursor)) != DL_TABLE_NONE) {
        const struct dl_named *named = &registry->names[*id];
        if (named->space == space && named->bytes == name.bytes && memcmp(named->data, name.data, name.bytes) == 0)
            return DL_OK;
    }
    if (over != NULL && registry->names_live[space] >= registry->names_max[space]) {
        *over = true;
        *id = other_of(space);
        return DL_OK;
    }
    enum dl_status status = add_name(registry, space, name, hash, id);
    if (status == DL_OK)
        registry->names_live[space]++;
    return status;
}

void dl_registry_drop_name(struct dl_registry *registry, uint32_t id)
{
    if (id < DL_SPACES || registry->names[id].subjects > 0)
        return;
    struct dl_named *named = &registry->names[id];
    struct dl_name name = {.data = named->data, .bytes = named->bytes};
    dl_table_remove(&registry->name_table, name_hash(registry, named->space, name), id);
    registry->names_live[named->space]--;
    registry->bytes -= dl_block_bytes(named->bytes);
    free(named->data);
    give_name_id(registry, id);
}

static void hold_name(struct dl_registry *registry, uint32_t id)
{
    if (id != DL_NO_NAME)
        registry->names[id].subjects++;
}

static void release_name(struct dl_registry *registry, uint32_t id)
{
    if (id == DL_NO_NAME)
        return;
    registry->names[id].subjects--;
    dl_registry_drop_name(registry, id);
}

/* Full names */

struct text {
    char data[FULL_NAME_MAX + 1];
    size_t bytes;
};

static void put_text(struct text *text, const char *what)
{
    size_t bytes = strlen(what);
    memcpy(text->data + text->bytes, what, bytes);
    text->bytes += bytes;
}

static void put_name(struct text *text, const struct dl_registry *registry, uint32_t id)
{
    const struct dl_named *named = &registry->names[id];
    text->bytes += dl_name_encode(text->data + text->bytes, (struct dl_name){.data = named->data, .bytes = named->bytes});
}

/* The full name of a key; returns where its segment part begins. */
static size_t compose(const struct dl_registry *registry, const struct dl_subject_key *key, struct text *text)
{
    enum dl_kind kind = key->kind;
    text->bytes = 0;
    put_text(text, dl_kind_name(kind == DL_KIND_JOURNEY_STAGE ? DL_KIND_JOURNEY : kind));
    if (kind != DL_KIND_ALL) {
        put_text(text, ":");
        put_name(text, registry, key->first);
    }
    if (kind == DL_KIND_JOURNEY_STAGE) {
        put_text(text, "|stage=");
        put_name(text, registry, key->second);
    }
    size_t segment_at = text->bytes;
    if (key->segment >= 0) {
        put_text(text, "|");
        text->bytes += dl_name_encode(text->data + text->bytes, registry->segment[key->segment]);
        put_text(text, "=");
        put_name(text, registry, key->value);
    }
    text->data[text->bytes] = '\0';
    return segment_at;
}

/* Subjects */

static uint64_t key_hash(const struct dl_registry *registry, const struct dl_subject_key *key)
{
    return dl_hash(key, sizeof *key, registry->seed);
}

static bool find_key(const struct dl_registry *registry, const struct dl_subject_key *key, uint64_t hash, uint32_t *id)
{
    struct dl_table_cursor cursor = dl_table_look(&registry->key_table, hash);
    while ((*id = dl_table_next(&registry->key_table, &cursor)) != DL_TABLE_NONE)
        if (memcmp(&registry->subjects[*id]->key, key, sizeof *key) == 0)
            return true;
    return false;
}

/* Makes the arrays by id hold one more. DL_MEMORY: those that have grown keep what they have. */
static enum dl_status reserve_id(struct dl_registry *registry)
{
    if (registry->free_count > 0 || registry->subject_count < registry->subject_capacity)
        return DL_OK;
    size_t before = registry->subject_capacity;
    size_t larger = before == 0 ? 64 : before * 2;
    struct dl_subject **subjects = realloc(registry->subjects, larger * sizeof(struct dl_subject *));
    if (subjects == NULL)
        return DL_MEMORY;
    registry->subjects = subjects;
    struct dl_subject_mark *marks = realloc(registry->marks, larger * sizeof *marks);
    if (marks == NULL)
        return DL_MEMORY;
    registry->marks = marks;
    memset(marks + before, 0, (larger - before) * sizeof *marks);
    /* Freeing a subject must not fail: its id has a place in the list from the start. */
    uint32_t *free_ids = realloc(registry->free_ids, larger * sizeof *free_ids);
    if (free_ids == NULL)
        return DL_MEMORY;
    registry->free_ids = free_ids;
    registry->subject_capacity = (uint32_t)larger;
    registry->bytes += dl_block_bytes(larger * sizeof(struct dl_subject *)) - dl_block_bytes(before * sizeof(struct dl_subject *))
        + dl_block_bytes(larger * sizeof *marks) - dl_block_bytes(before * sizeof *marks)
        + dl_block_bytes(larger * sizeof *free_ids) - dl_block_bytes(before * sizeof *free_ids);
    return DL_OK;
}

/* Leaves room for one more subject everywhere. */
static enum dl_status reserve_subject(struct dl_registry *registry)
{
    enum dl_status status = reserve_entry(registry, &registry->key_table);
    if (status == DL_OK)
        status = reserve_entry(registry, &registry->full_name_table);
    return status == DL_OK ? reserve_id(registry) : status;
}

static size_t subject_bytes(const struct dl_registry *registry, size_t name_bytes)
{
    return sizeof(struct dl_subject) + (size_t)registry->windows * sizeof(struct dl_view) + name_bytes + 1;
}

static enum dl_status add_subject(struct dl_registry *registry, const struct dl_subject_key *key, uint64_t hash,
                                  uint32_t *id)
{
    enum dl_status status = reserve_subject(registry);
    if (status != DL_OK)
        return status;
    struct text text;
    size_t segment_at = compose(registry, key, &text);
    struct dl_subject *subject = calloc(1, subject_bytes(registry, text.bytes));
    if (subject == NULL)
        return DL_MEMORY;
    subject->key = *key;
    subject->name = (char *)&subject->views[registry->windows];
    subject->name_bytes = (uint16_t)text.bytes;
    subject->segment_at = (uint16_t)segment_at;
    memcpy(subject->name, text.data, text.bytes + 1);

    *id = registry->free_count > 0 ? registry->free_ids[--registry->free_count] : registry->subject_count++;
    DL_ASSERT(*id < DL_SUBJECT_IDS_MAX);
    registry->subjects[*id] = subject;
    registry->marks[*id].node = DL_NO_NODE;
    registry->subjects_live++;
    registry->bytes += dl_block_bytes(subject_bytes(registry, text.bytes));
    dl_table_put(&registry->key_table, hash, *id);
    dl_table_put(&registry->full_name_table, dl_hash(text.data, text.bytes, registry->seed), *id);
    hold_name(registry, key->first);
    hold_name(registry, key->second);
    hold_name(registry, key->value);
    return DL_OK;
}

static void free_subject(struct dl_registry *registry, uint32_t id)
{
    struct dl_subject *subject = registry->subjects[id];
    dl_table_remove(&registry->key_table, key_hash(registry, &subject->key), id);
    dl_table_remove(&registry->full_name_table, dl_hash(subject->name, subject->name_bytes, registry->seed), id);
    release_name(registry, subject->key.first);
    release_name(registry, subject->key.second);
    release_name(registry, subject->key.value);
    registry->bytes -= dl_block_bytes(subject_bytes(registry, subject->name_bytes));
    free(subject);
    registry->subjects[id] = NULL;
    registry->marks[id].life++;
    registry->free_ids[registry->free_count++] = id;
    registry->subjects_live--;
}

int dl_registry_space(enum dl_kind kind)
{
    static const int spaces[DL_KINDS] = {
        [DL_KIND_JOURNEY] = DL_SPACE_JOURNEY, [DL_KIND_JOURNEY_STAGE] = DL_SPACE_JOURNEY, [DL_KIND_STAGE] = DL_SPACE_STAGE,
        [DL_KIND_TOUCHPOINT] = DL_SPACE_TOUCHPOINT, [DL_KIND_FEATURE] = DL_SPACE_FEATURE,
    };
    DL_ASSERT(kind != DL_KIND_ALL);
    return spaces[kind];
}

/* The key with what the kind tells apart replaced; its number is bounded by
 * kinds times segment values, so these may go beyond the cap of subjects. */
static struct dl_subject_key other_key(struct dl_subject_key key)
{
    if (key.kind != DL_KIND_ALL)
        key.first = other_of(dl_registry_space(key.kind));
    if (key.kind == DL_KIND_JOURNEY_STAGE)
        key.second = other_of(DL_SPACE_STAGE);
    return key;
}

enum dl_status dl_registry_subject(struct dl_registry *registry, const struct dl_subject_key *key, uint32_t *id, bool *over)
{
    uint64_t hash = key_hash(registry, key);
    if (find_key(registry, key, hash, id))
        return DL_OK;
    struct dl_subject_key admitted = *key;
    if (over != NULL && registry->subjects_live >= registry->subjects_max) {
        admitted = other_key(*key);
        if (memcmp(&admitted, key, sizeof admitted) != 0) {
            *over = true;
            hash = key_hash(registry, &admitted);
            if (find_key(registry, &admitted, hash, id))
                return DL_OK;
        }
    }
    return add_subject(registry, &admitted, hash, id);
}

int64_t dl_registry_find(const struct dl_registry *registry, const char *name, size_t bytes)
{
    struct dl_table_cursor cursor = dl_table_look(&registry->full_name_table, dl_hash(name, bytes, registry->seed));
    for (uint32_t id; (id = dl_table_next(&registry->full_name_table, &cursor)) != DL_TABLE_NONE;) {
        const struct dl_subject *subject = registry->subjects[id];
        if (subject->name_bytes == bytes && memcmp(subject->name, name, bytes) == 0)
            return id;
    }
    return -1;
}

static bool looks_free(const struct dl_subject *subject)
{
    return subject->panes == 0 && subject->waiting == 0 && subject->published == 0;
}

void dl_registry_note_gone(struct dl_registry *registry, uint32_t id)
{
    struct dl_subject *subject = registry->subjects[id];
    if (subject->gone || !looks_free(subject))
        return;
    subject->gone = true;
    subject->next_gone = registry->gone_first;
    registry->gone_first = id;
}

void dl_registry_sweep(struct dl_registry *registry)
{
    while (registry->gone_first != DL_NO_SUBJECT) {
        uint32_t id = registry->gone_first;
        struct dl_subject *subject = registry->subjects[id];
        registry->gone_first = subject->next_gone;
        subject->gone = false;
        if (looks_free(subject))
            free_subject(registry, id);
    }
}

/* Life */

static enum dl_status copy_segments(struct dl_registry *registry, const struct dl_engine_options *options)
{
    for (registry->segments = 0; registry->segments < options->segments; registry->segments++) {
        struct dl_name name = options->segment[registry->segments];
        DL_ASSERT(name.bytes > 0 && name.bytes <= DL_NAME_BYTES_MAX);
        char *data = malloc(name.bytes);
        if (data == NULL)
            return DL_MEMORY;
        memcpy(data, name.data, name.bytes);
        registry->segment[registry->segments] = (struct dl_name){.data = data, .bytes = name.bytes};
    }
    return DL_OK;
}

static void set_caps(struct dl_registry *registry, const struct dl_engine_options *options)
{
    /* Half of the ids is left to the __other__ subjects, whose number is bounded by the other caps. */
    registry->subjects_max = options->subjects_max < DL_SUBJECT_IDS_MAX / 2 ? options->subjects_max : DL_SUBJECT_IDS_MAX / 2;
    registry->names_max[DL_SPACE_TOUCHPOINT] = options->touchpoints_max;
    registry->names_max[DL_SPACE_STAGE] = options->stages_max;
    registry->names_max[DL_SPACE_JOURNEY] = options->journeys_max;
    registry->names_max[DL_SPACE_FEATURE] = options->features_max;
    for (int space = DL_SPACE_SEGMENTS; space < DL_SPACES; space++)
        registry->names_max[space] = options->segment_values_max;
}

enum dl_status dl_registry_init(struct dl_registry *registry, const struct dl_engine_options *options)
{
    *registry = (struct dl_registry){.windows = options->windows, .name_free = DL_NO_NAME, .gone_first = DL_NO_SUBJECT};
    registry->seed = dl_hash_seed(registry);
    set_caps(registry, options);
    enum dl_status status = copy_segments(registry, options);
    for (int space = 0; space < DL_SPACES && status == DL_OK; space++) {
        struct dl_name other = {.data = DL_NAME_OTHER, .bytes = sizeof DL_NAME_OTHER - 1};
        uint32_t id;
        status = add_name(registry, space, other, name_hash(registry, space, other), &id);
        DL_ASSERT(status != DL_OK || id == other_of(space));
    }
    return status;
}

void dl_registry_deinit(struct dl_registry *registry)
{
    for (uint32_t id = 0; id < registry->subject_count; id++)
        free(registry->subjects[id]);
    free(registry->subjects);
    free(registry->marks);
    free(registry->free_ids);
    for (uint32_t id = 0; id < registry->name_count; id++)
        free(registry->names[id].data);
    free(registry->names);
    for (int i = 0; i < registry->segments; i++)
        free((char *)registry->segment[i].data);
    dl_known_deinit(&registry->known);
    dl_table_deinit(&registry->name_table);
    dl_table_deinit(&registry->key_table);
    dl_table_deinit(&registry->full_name_table);
}
