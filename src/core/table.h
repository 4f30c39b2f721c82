/* Hash index: from a hash to 32-bit values, which say where the owner keeps its
 * items. Open addressing with linear probing: 8 bytes an entry, at most three
 * quarters full, no tombstones. It keeps 32 bits of the hash and no keys: the
 * owner compares its own.
 *
 *     home = tag & mask
 *      ▼
 *   ──┬─────────────┬─────────────┬─────────────┬───
 *     │ tag │ value │ tag │ value │ ·   │ none  │      one cluster ends at a none
 *   ──┴─────────────┴─────────────┴─────────────┴───
 *
 * uthash would need 56 bytes an item beside the items, allocates one by one and
 * cannot be asked beforehand whether the next item will fit. */
#pragma once

#include <delight/status.h>

#include <stddef.h>
#include <stdint.h>

#define DL_TABLE_NONE UINT32_MAX

struct dl_table_entry {
    uint32_t tag, value;
};

/* Zero-initialised is empty. At most 2^30 entries. */
struct dl_table {
    struct dl_table_entry *entries; /* owned */
    uint32_t mask;                  /* entries - 1, a power of two less one */
    uint32_t used;
};

void dl_table_deinit(struct dl_table *table);

static inline size_t dl_table_bytes(const struct dl_table *table)
{
    return table->entries == NULL ? 0 : ((size_t)table->mask + 1) * sizeof *table->entries;
}

/* Bytes that dl_table_reserve would allocate; 0 while there is room. */
size_t dl_table_growth(const struct dl_table *table, uint32_t extra);
/* Makes room for `extra` puts. DL_MEMORY: nothing has changed. */
DL_MUST_USE enum dl_status dl_table_reserve(struct dl_table *table, uint32_t extra);

/* Where a look-up stands. */
struct dl_table_cursor {
    uint32_t at, tag;
};

static inline struct dl_table_cursor dl_table_look(const struct dl_table *table, uint64_t hash)
{
    return (struct dl_table_cursor){.at = (uint32_t)hash & table->mask, .tag = (uint32_t)hash};
}

/* The next value that may be the one looked for; DL_TABLE_NONE: there is none. */
static inline uint32_t dl_table_next(const struct dl_table *table, struct dl_table_cursor *cursor)
{
    if (table->entries == NULL)
        return DL_TABLE_NONE;
    for (;;) {
        struct dl_table_entry entry = table->entries[cursor->at];
        cursor->at = (cursor->at + 1) & table->mask;
        if (entry.value == DL_TABLE_NONE || entry.tag == cursor->tag)
            return entry.value;
    }
}

/* Room must have been reserved; value is not DL_TABLE_NONE. */
void dl_table_put(struct dl_table *table, uint64_t hash, uint32_t value);
/* The entry (hash, value) must be there. */
void dl_table_remove(struct dl_table *table, uint64_t hash, uint32_t value);
/* Removes every entry, keeps the memory. */
void dl_table_clear(struct dl_table *table);
