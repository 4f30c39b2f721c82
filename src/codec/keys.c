#include "keys.h"

_Static_assert(DL_KEY_SLOTS == 1 << (64 - 57), "a slot for each value of the hash");
_Static_assert((int)DL_FIELDS_MAX < (int)DL_KEY_SLOTS, "a search ends at a free slot");

void dl_pattern_init(struct dl_pattern *pattern, const char *text, const char *end)
{
    size_t bytes = strlen(text);
    *pattern = (struct dl_pattern){.bytes = bytes + strlen(end)};
    for (size_t i = 0; i < pattern->bytes && i < DL_PATTERN_BYTES_MAX; i++) {
        unsigned char byte = (unsigned char)(i < bytes ? text[i] : end[i - bytes]);
        pattern->text[i / 8] |= (uint64_t)byte << i % 8 * 8;
        pattern->mask[i / 8] |= UINT64_C(0xFF) << i % 8 * 8;
    }
}

size_t dl_keys_find(const struct dl_keys *keys, const struct dl_key *key)
{
    for (size_t slot = dl_key_slot(key->first, key->bytes); keys->slot[slot] != 0; slot = (slot + 1) % DL_KEY_SLOTS) {
        size_t row = keys->slot[slot] - 1U;
        if (dl_key_equal(&keys->key[row], key))
            return row;
    }
    return DL_ROW_UNKNOWN;
}

void dl_keys_init(struct dl_keys *keys, const struct dl_schema *schema)
{
    memset(keys, 0, sizeof *keys);
    DL_ASSERT(strlen(schema->row[0].name) + 2 <= DL_PATTERN_BYTES_MAX); /* after all others, until something has come */
    for (int i = 0; i < schema->count; i++) {
        const char *name = schema->row[i].name;
        size_t bytes = strlen(name);
        char padded[8] = {0};
        memcpy(padded, name, bytes < 8 ? bytes : 8);
        keys->key[i] = (struct dl_key){.data = name, .bytes = bytes, .first = dl_load(padded)};
        dl_pattern_init(&keys->pattern[i], name, "\":");
        size_t slot = dl_key_slot(keys->key[i].first, bytes);
        while (keys->slot[slot] != 0)
            slot = (slot + 1) % DL_KEY_SLOTS;
        keys->slot[slot] = (uint8_t)(i + 1);
    }
}
