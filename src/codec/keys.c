#include "keys.h"

_Static_assert(DL_KEY_SLOTS == 1 << (64 - 56), "a slot for each value of the hash");

void dl_pattern_init(struct dl_pattern *pattern, const char *text, size_t bytes, const char *end)
{
    char whole[DL_PATTERN_BYTES_MAX] = {0}, mask[DL_PATTERN_BYTES_MAX] = {0};
    size_t end_bytes = strlen(end);
    DL_ASSERT(bytes + end_bytes <= DL_PATTERN_BYTES_MAX);
    memcpy(whole, text, bytes);
    memcpy(whole + bytes, end, end_bytes);
    memset(mask, 0xFF, bytes + end_bytes);
    *pattern = (struct dl_pattern){.text = {dl_load(whole), dl_load(whole + 8)},
                                   .mask = {dl_load(mask), dl_load(mask + 8)},
                                   .bytes = bytes + end_bytes};
}

static void add_row(struct dl_keys *keys, const char *key, size_t bytes, const struct dl_field_row *field)
{
    struct dl_key_row *row = &keys->row[keys->count];
    row->bit = UINT64_C(1) << keys->count++;
    row->field = field;
    row->kind = field != NULL ? field->kind : DL_AS_PERSON;
    if (bytes <= DL_KEY_BYTES_MAX)
        dl_pattern_init(&row->pattern, key, bytes, "\":");
}

static bool has_slot(const struct dl_key_row *row)
{
    return row->pattern.bytes > 0;
}

static size_t slot_of(const struct dl_key_row *row, uint64_t factor)
{
    return dl_key_slot(factor, row->pattern.text[0], (uint32_t)row->pattern.bytes - 1);
}

/* How many rows would find their slot taken. */
static int count_taken(const struct dl_keys *keys, uint64_t factor)
{
    bool taken[DL_KEY_SLOTS] = {false};
    int count = 0;
    for (size_t i = 0; i < keys->count; i++) {
        if (!has_slot(&keys->row[i]))
            continue;
        count += taken[slot_of(&keys->row[i], factor)];
        taken[slot_of(&keys->row[i], factor)] = true;
    }
    return count;
}

/* Gives each row a slot of its own, if it can be: a key that finds another in its slot is searched for. */
static void fill_slots(struct dl_keys *keys)
{
    enum { TRIES = 64 };
    const uint64_t golden = UINT64_C(0x9E3779B97F4A7C15); /* Fibonacci hashing */
    uint64_t factor = golden;
    int fewest = count_taken(keys, golden);
    keys->factor = golden;
    for (int i = 0; i < TRIES && fewest > 0; i++) {
        factor += 2 * golden;
        int taken = count_taken(keys, factor);
        if (taken < fewest) {
            fewest = taken;
            keys->factor = factor;
        }
    }
    for (size_t i = 0; i < DL_KEY_SLOTS; i++)
        keys->slot[i] = keys->row[0]; /* a look at a free slot ends with a comparison like any other */
    for (size_t i = keys->count; i-- > 0;) {
        if (has_slot(&keys->row[i]))
            keys->slot[slot_of(&keys->row[i], keys->factor)] = keys->row[i];
    }
}

void dl_keys_init(struct dl_keys *keys, const struct dl_schema *schema)
{
    DL_ASSERT(schema->count + DL_KEYS_LEARNED_MAX <= DL_FIELDS_MAX);
    memset(keys, 0, sizeof *keys);
    keys->schema = schema;
    for (int i = 0; i < schema->count; i++)
        add_row(keys, schema->row[i].name, strlen(schema->row[i].name), &schema->row[i]);
    DL_ASSERT(has_slot(&keys->row[0]));
    fill_slots(keys);
}

static const struct dl_key_row *find_long(const struct dl_keys *keys, const struct dl_key *key)
{
    for (int i = 0; i < keys->schema->count; i++) {
        const char *name = keys->schema->row[i].name;
        if (strlen(name) == key->bytes && memcmp(name, key->data, key->bytes) == 0)
            return &keys->row[i];
    }
    return NULL;
}

const struct dl_key_row *dl_keys_find(struct dl_keys *keys, const struct dl_key *key)
{
    if (key->bytes > DL_KEY_BYTES_MAX)
        return find_long(keys, key);
    struct dl_pattern wanted;
    dl_pattern_init(&wanted, key->data, key->bytes, "\":");
    for (size_t i = 0; i < keys->count; i++) {
        const struct dl_pattern *pattern = &keys->row[i].pattern;
        if (pattern->text[0] == wanted.text[0] && pattern->text[1] == wanted.text[1])
            return &keys->row[i];
    }
    if (keys->count == (size_t)keys->schema->count + DL_KEYS_LEARNED_MAX)
        return NULL;
    add_row(keys, key->data, key->bytes, NULL);
    fill_slots(keys);
    return &keys->row[keys->count - 1];
}
