/* The keys of a JSON object: those of a schema, guessed from what followed last time, else
 * found by their first eight bytes and length; and others, of which only repeats
 * matter. */
#pragma once

#include "bytes.h"
#include "schema.h"

enum { DL_KEY_SLOTS = 128, DL_ROW_UNKNOWN = DL_FIELDS_MAX, DL_PATTERN_BYTES_MAX = 16 };

/* A word and what ends it, for one comparison: `nps":`. At most DL_PATTERN_BYTES_MAX bytes of
 * it are compared. */
struct dl_pattern {
    uint64_t text[2], mask[2];
    size_t bytes;
};

struct dl_key {
    const char *data;
    size_t bytes;
    uint64_t first; /* eight bytes, or as many as there are */
};

struct dl_keys {
    uint8_t after[DL_FIELDS_MAX + 1]; /* the row that came next last time, none of a long pattern; [DL_ROW_UNKNOWN]: first */
    uint8_t slot[DL_KEY_SLOTS];       /* row + 1, 0: free; the next slots where taken */
    struct dl_pattern pattern[DL_FIELDS_MAX];
    struct dl_key key[DL_FIELDS_MAX];
};

void dl_pattern_init(struct dl_pattern *pattern, const char *text, const char *end);
/* Borrows the schema's names. */
void dl_keys_init(struct dl_keys *keys, const struct dl_schema *schema);

/* The row of a key, or DL_ROW_UNKNOWN. */
size_t dl_keys_find(const struct dl_keys *keys, const struct dl_key *key);

static inline bool dl_key_equal(const struct dl_key *a, const struct dl_key *b)
{
    return a->first == b->first && a->bytes == b->bytes && (a->bytes <= 8 || memcmp(a->data, b->data, a->bytes) == 0);
}

/* Fibonacci hashing; the length counts because keys may begin alike. */
static inline size_t dl_key_slot(uint64_t first, size_t bytes)
{
    return (size_t)(((first ^ bytes) * UINT64_C(0x9E3779B97F4A7C15)) >> 57);
}

/* Whether the pattern stands there. */
static inline bool dl_pattern_at(const struct dl_pattern *pattern, const char *at)
{
    return (((dl_load(at) ^ pattern->text[0]) & pattern->mask[0]) |
            ((dl_load(at + 8) ^ pattern->text[1]) & pattern->mask[1])) == 0;
}
