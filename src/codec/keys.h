/* The keys of one kind of JSON object: those of its schema, and the first DL_KEYS_LEARNED_MAX others that came, which are
 * learned so that they cost no more than the schema's. A key is found by its first four bytes and its length, not guessed
 * from what came before it: producers leave fields out as they like, and a wrong guess costs more than the hash. */
#pragma once

#include "bytes.h"
#include "schema.h"

enum { DL_PATTERN_BYTES_MAX = 16, DL_KEY_BYTES_MAX = DL_PATTERN_BYTES_MAX - 2, DL_KEY_SLOTS = 256 };
enum { DL_KEYS_LEARNED_MAX = 16 };

/* A word and what ends it, for one comparison: `nps":`. At most DL_PATTERN_BYTES_MAX bytes. */
struct dl_pattern {
    uint64_t text[2], mask[2];
    size_t bytes;
};

struct dl_key {
    const char *data;
    size_t bytes;
};

/* Of a schema's row, or of a learned key. */
struct dl_key_row {
    struct dl_pattern pattern;        /* not of keys longer than DL_KEY_BYTES_MAX */
    uint64_t bit;                     /* of its number */
    const struct dl_field_row *field; /* NULL: learned */
    enum dl_field_kind kind;          /* the field's; DL_AS_PERSON: learned, too */
};

struct dl_keys {
    const struct dl_schema *schema;
    size_t count; /* the schema's rows, then the learned ones */
    struct dl_key_row row[DL_FIELDS_MAX];
    uint64_t factor; /* of the hash, chosen so that each row has a slot of its own, if there is one */
    /* The row that it can only be: a copy, so that there is nothing between the hash and what is done next. */
    struct dl_key_row slot[DL_KEY_SLOTS];
};

void dl_pattern_init(struct dl_pattern *pattern, const char *text, size_t bytes, const char *end);
/* Borrows the schema. */
void dl_keys_init(struct dl_keys *keys, const struct dl_schema *schema);

/* The row of a key; one that has none is given one, whose values are passed over like a person's. NULL: it is too long for
 * that, or enough are known. */
const struct dl_key_row *dl_keys_find(struct dl_keys *keys, const struct dl_key *key);

static inline bool dl_key_equal(const struct dl_key *a, const struct dl_key *b)
{
    return a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0;
}

/* Of what begins with these eight bytes, of which four count; quotes: from the opening one to the closing one. */
static inline size_t dl_key_slot(uint64_t factor, uint64_t first, uint32_t quotes)
{
    return (size_t)((((uint32_t)first ^ quotes) * factor) >> 56);
}

/* Whether the pattern stands there. */
static inline bool dl_pattern_at(const struct dl_pattern *pattern, const char *at)
{
    return (((dl_load(at) ^ pattern->text[0]) & pattern->mask[0]) |
            ((dl_load(at + 8) ^ pattern->text[1]) & pattern->mask[1])) == 0;
}
