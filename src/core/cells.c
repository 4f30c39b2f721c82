#include "cells.h"

#include "hash.h"

#include <string.h>

void dl_cells_deinit(struct dl_cells *cells)
{
    dl_arena_deinit(&cells->arena);
    dl_table_deinit(&cells->cell_table);
    dl_table_deinit(&cells->slot_table);
}

/* Room for one more entry, within bytes_max. While a table grows, the old one
 * and the new one are both there: both must fit. */
static enum dl_status reserve_entry(struct dl_cells *cells, struct dl_table *table)
{
    size_t larger = dl_table_growth(table, 1);
    if (larger == 0)
        return DL_OK;
    if (larger > cells->arena.bytes_max - cells->arena.bytes)
        return DL_FULL;
    size_t before = dl_table_bytes(table);
    enum dl_status status = dl_table_reserve(table, 1);
    if (status == DL_OK)
        cells->arena.bytes += larger - before;
    return status;
}

static enum dl_status add_cell(struct dl_cells *cells, const unsigned char *key, size_t key_bytes, uint64_t hash,
                               struct dl_cell_entry **out)
{
    enum dl_status status = reserve_entry(cells, &cells->cell_table);
    if (status != DL_OK)
        return status;
    void *memory;
    uint32_t reference;
    status = dl_arena_take(&cells->arena, sizeof(struct dl_cell_entry) + key_bytes, &memory, &reference);
    if (status != DL_OK)
        return status;
    struct dl_cell_entry *cell = memory;
    cell->number = cells->count++;
    cell->key_bytes = (uint16_t)key_bytes;
    memcpy(cell->key, key, key_bytes);
    if (cells->last == NULL)
        cells->first = cell;
    else
        cells->last->next = cell;
    cells->last = cell;
    dl_table_put(&cells->cell_table, hash, reference);
    *out = cell;
    return DL_OK;
}

enum dl_status dl_cells_find(struct dl_cells *cells, const unsigned char *key, size_t key_bytes, struct dl_cell_entry **out)
{
    uint64_t hash = dl_hash(key, key_bytes, cells->seed);
    struct dl_table_cursor cursor = dl_table_look(&cells->cell_table, hash);
    for (uint32_t at; (at = dl_table_next(&cells->cell_table, &cursor)) != DL_TABLE_NONE;) {
        struct dl_cell_entry *cell = dl_arena_at(&cells->arena, at);
        if (cell->key_bytes == key_bytes && memcmp(cell->key, key, key_bytes) == 0) {
            *out = cell;
            return DL_OK;
        }
    }
    return add_cell(cells, key, key_bytes, hash, out);
}

static enum dl_status add_slot(struct dl_cells *cells, struct dl_cell_entry *cell, int64_t second, uint64_t hash,
                               struct dl_slot **out)
{
    enum dl_status status = reserve_entry(cells, &cells->slot_table);
    if (status != DL_OK)
        return status;
    void *memory;
    uint32_t reference;
    status = dl_arena_take(&cells->arena, sizeof(struct dl_slot), &memory, &reference);
    if (status != DL_OK)
        return status;
    struct dl_slot *slot = memory;
    slot->cell = cell;
    slot->second = second;
    if (cell->last == NULL)
        cell->first = slot;
    else
        cell->last->next = slot;
    cell->recent = cell->last = slot;
    dl_table_put(&cells->slot_table, hash, reference);
    *out = slot;
    return DL_OK;
}

enum dl_status dl_cells_slot(struct dl_cells *cells, struct dl_cell_entry *cell, int64_t second, struct dl_slot **out)
{
    /* Most events of a batch are of now: the cell's recent slot is theirs. */
    if (cell->recent != NULL && cell->recent->second == second) {
        *out = cell->recent;
        return DL_OK;
    }
    const int64_t key[2] = {cell->number, second};
    uint64_t hash = dl_hash(key, sizeof key, cells->seed);
    struct dl_table_cursor cursor = dl_table_look(&cells->slot_table, hash);
    for (uint32_t at; (at = dl_table_next(&cells->slot_table, &cursor)) != DL_TABLE_NONE;) {
        struct dl_slot *slot = dl_arena_at(&cells->arena, at);
        if (slot->second == second && slot->cell == cell) {
            cell->recent = *out = slot;
            return DL_OK;
        }
    }
    return add_slot(cells, cell, second, hash, out);
}

/* Follows the reference, or takes `bytes` and sets it. */
static enum dl_status follow(struct dl_cells *cells, uint32_t *reference, size_t bytes, void **memory)
{
    if (*reference == 0)
        return dl_arena_take(&cells->arena, bytes, memory, reference);
    *memory = dl_arena_at(&cells->arena, *reference);
    return DL_OK;
}

static size_t histogram_of(uint16_t group)
{
    return ((size_t)group - DL_GROUP_WAIT) / DL_HISTOGRAM_BLOCKS;
}

static size_t octave_of(uint16_t group)
{
    return ((size_t)group - DL_GROUP_WAIT) % DL_HISTOGRAM_BLOCKS;
}

enum dl_status dl_cells_counters(struct dl_cells *cells, struct dl_slot *slot, uint16_t group, int64_t **counters)
{
    void *memory;
    enum dl_status status;
    if (group < DL_SCALAR_GROUPS) {
        status = follow(cells, &slot->group[group], dl_group_size(group) * sizeof(int64_t), &memory);
    } else {
        void *octaves;
        status = follow(cells, &slot->histogram[histogram_of(group)], DL_HISTOGRAM_BLOCKS * sizeof(uint32_t), &octaves);
        if (status == DL_OK)
            status = follow(cells, (uint32_t *)octaves + octave_of(group), DL_HISTOGRAM_BLOCK * sizeof(int64_t), &memory);
    }
    if (status == DL_OK)
        *counters = memory;
    return status;
}

const int64_t *dl_slot_counters(const struct dl_cells *cells, const struct dl_slot *slot, uint16_t group)
{
    uint32_t reference;
    if (group < DL_SCALAR_GROUPS) {
        reference = slot->group[group];
    } else {
        uint32_t octaves = slot->histogram[histogram_of(group)];
        reference = octaves == 0 ? 0 : ((const uint32_t *)dl_arena_at(&cells->arena, octaves))[octave_of(group)];
    }
    return reference == 0 ? NULL : dl_arena_at(&cells->arena, reference);
}
