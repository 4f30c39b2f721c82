#include "keys.h"

_Static_assert(DL_KEY_SLOTS == 1 << (64 - 56), "a slot for each value of the hash");

void dl_pattern_init(struct dl_pattern *pattern, const char *text, size_t bytes, const char *end)
{
    *pattern = (struct dl_pattern){.bytes = bytes + strlen(end)};
    DL_ASSERT(pattern->bytes <= DL_PATTERN_BYTES_MAX);
    for (size_t i = 0; i < pattern->bytes; i++) {
        unsigned char byte = (unsigned char)(i < bytes ? text[i] : end[i - bytes]);
        pattern->text[i / 8] |= (uint64_t)byte << i % 8 * 8;
        pattern->mask[i / 8] |= UINT64_C(0xFF) << i % 8 * 8;
    }
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

/* Gives each row its slot, free ones the first row; returns how many found theirs taken. */
static int fill_slots(struct dl_keys *keys, uint64_t factor)
{
    int taken = 0;
    keys->factor = factor;
    for (size_t i = 0; i < DL_KEY_SLOTS; i++)
        keys->slot[i] = keys->row;
    for (size_t i = keys->count; i-- > 0;) { /* the first one last, so that it finds its own taken */
        const struct dl_pattern *pattern = &keys->row[i].pattern;
        if (!has_slot(&keys->row[i]))
            continue;
        const struct dl_key_row **slot = &keys->slot[dl_key_slot(factor, pattern->text[0], (uint32_t)pattern->bytes - 1)];
        taken += *slot != keys->row;
        *slot = &keys->row[i];
    }
    return taken;
}

/* Keys that must share a slot after all are found by the search. */
static void choose_slots(struct dl_keys *keys)
{
    enum { TRIES = 64 };
    const uint64_t golden = UINT64_C(0x9E3779B97F4A7C15); /* Fibonacci hashing */
    uint64_t factor = golden, best = golden;
    int fewest = fill_slots(keys, factor);
    for (int i = 0; i < TRIES && fewest > 0; i++) {
        factor += golden * 2;
        int taken = fill_slots(keys, factor);
        if (taken < fewest) {
            fewest = taken;
            best = factor;
        }
    }
    if (keys->factor != best)
        fill_slots(keys, best);
}

void dl_keys_init(struct dl_keys *keys, const struct dl_schema *schema)
{
    memset(keys, 0, sizeof *keys);
    keys->schema = schema;
    for (int i = 0; i < schema->count; i++)
        add_row(keys, schema->row[i].name, strlen(schema->row[i].name), &schema->row[i]);
    DL_ASSERT(has_slot(&keys->row[0])); /* it is compared wherever a slot is free */
    choose_slots(keys);
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
    if (keys->count == (size_t)keys->schema->count + DL_KEYS_LEARNED_MAX || keys->count == DL_FIELDS_MAX)
        return NULL;
    add_row(keys, key->data, key->bytes, NULL);
    choose_slots(keys);
    return &keys->row[keys->count - 1];
}
