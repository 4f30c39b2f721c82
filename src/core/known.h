/* Cells whose subjects are known: most cells of a batch were in an earlier one. From a cell's names, all in one key, to
 * the ids of its subjects: one look-up instead of one per name and subject, and one that can be fetched ahead.
 * Internal to the engine.
 *
 *   key: (length, name) of touchpoint, stage, journey, feature and each segment
 *
 * What was admitted under the caps is the same as long as all its subjects live: each has its names. So an entry says
 * how often its ids had been given back when it was made; one that was given back since makes it void. */
#pragma once

#include "hash.h"
#include "subject.h"

enum {
    DL_CELL_SUBJECTS_MAX = 5 * (1 + DL_SEGMENTS_MAX),
    DL_CELL_KEY_MAX = (4 + DL_SEGMENTS_MAX) * (1 + DL_NAME_BYTES_MAX)
};

struct dl_known_cell {
    uint32_t lives; /* sum of what its subjects' marks say; they only grow */
    uint16_t key_bytes;
    uint8_t shared, own; /* subjects, as of dl_resolve */
    uint32_t subject[];  /* the key is behind them */
};

/* Writes the key of a cell, DL_CELL_KEY_MAX bytes at most; returns how many there are. */
size_t dl_cell_key(const struct dl_registry *registry, const struct dl_cell *cell, unsigned char *key);
/* The cell again; its names are in the key. */
void dl_cell_of_key(const struct dl_registry *registry, const unsigned char *key, struct dl_cell *cell);
static inline uint64_t dl_cell_hash(const struct dl_registry *registry, const unsigned char *key, size_t key_bytes)
{
    return dl_hash(key, key_bytes, registry->seed);
}

/* The cell's entry, if there is one that is not void; until the next dl_known_keep. */
const struct dl_known_cell *dl_known_find(const struct dl_registry *registry, uint64_t hash, const unsigned char *key,
                                          size_t key_bytes);
/* Remembers what a cell has come to, where there is room. */
void dl_known_keep(struct dl_registry *registry, uint64_t hash, const unsigned char *key, size_t key_bytes,
                   const uint32_t *subject, size_t shared, size_t own);
void dl_known_deinit(struct dl_known_cells *known);

/* Have the processor fetch what dl_known_find reads: the first of a hash, the second when that is there, the third when
 * that is. */
DL_FETCHES dl_known_fetch(const struct dl_registry *registry, uint64_t hash)
{
    if (registry->known.table.entries != NULL)
        __builtin_prefetch(&registry->known.table.entries[(uint32_t)hash & registry->known.table.mask]);
}

static inline const struct dl_known_cell *dl_known_first(const struct dl_registry *registry, uint64_t hash)
{
    struct dl_table_cursor cursor = dl_table_look(&registry->known.table, hash);
    uint32_t place = dl_table_next(&registry->known.table, &cursor);
    return place == DL_TABLE_NONE ? NULL : (const void *)(registry->known.cells + (size_t)place * DL_KNOWN_STEP);
}

DL_FETCHES dl_known_fetch_cell(const struct dl_registry *registry, uint64_t hash)
{
    const struct dl_known_cell *cell = dl_known_first(registry, hash);
    if (cell != NULL) {
        __builtin_prefetch(cell);
        __builtin_prefetch((const char *)cell + DL_CACHE_LINE);
    }
}

DL_FETCHES dl_known_fetch_marks(const struct dl_registry *registry, uint64_t hash)
{
    const struct dl_known_cell *cell = dl_known_first(registry, hash);
    for (int i = 0; cell != NULL && i < cell->shared + cell->own; i++)
        __builtin_prefetch(&registry->marks[cell->subject[i]]);
}
