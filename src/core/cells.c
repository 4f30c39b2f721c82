#include "cells.h"

#include "hash.h"

#include <delight/time.h>

#include <assert.h>
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

static_assert(DL_ARENA_STEP % DL_SLOT_LINE == 0, "slots begin where a line does");
static_assert(DL_CELL_NAMES_MAX * DL_NAME_BLOCKS_MAX <= UINT8_MAX, "their number fits");

/* What is looked for. */
struct key {
    size_t blocks;
    struct dl_block block[DL_CELL_NAMES_MAX * DL_NAME_BLOCKS_MAX];
};

static void make_key(const struct dl_cell_names *names, struct key *key)
{
    struct dl_block *end = key->block;
    for (int i = 0; i < names->count; i++) {
        DL_ASSERT(names->name[i]->bytes <= DL_NAME_BYTES_MAX);
        end = dl_blocks_put(end, *names->name[i]);
    }
    key->blocks = (size_t)(end - key->block);
}

static enum dl_status add_cell(struct dl_cells *cells, uint8_t kind, const struct key *key, uint64_t hash,
                               struct dl_cell_entry **out)
{
    enum dl_status status = reserve_entry(cells, &cells->cell_table);
    if (status != DL_OK)
        return status;
    void *memory;
    uint32_t reference;
    size_t bytes = key->blocks * sizeof key->block[0];
    status = dl_arena_take(&cells->arena, sizeof(struct dl_cell_entry) + bytes, &memory, &reference);
    if (status != DL_OK)
        return status;
    struct dl_cell_entry *cell = memory;
    cell->number = cells->count++;
    cell->kind = kind;
    cell->blocks = (uint8_t)key->blocks;
    memcpy(cell->key, key->block, bytes);
    if (cells->last == NULL)
        cells->first = cell;
    else
        cells->last->next = cell;
    cells->last = cell;
    dl_table_put(&cells->cell_table, hash, reference);
    *out = cell;
    return DL_OK;
}

enum dl_status dl_cells_find(struct dl_cells *cells, const struct dl_cell_names *names, struct dl_cell_entry **out)
{
    struct key key;
    make_key(names, &key);
    uint64_t hash = dl_hash(key.block, key.blocks * sizeof key.block[0], cells->seed);
    struct dl_table_cursor cursor = dl_table_look(&cells->cell_table, hash);
    for (uint32_t at; (at = dl_table_next(&cells->cell_table, &cursor)) != DL_TABLE_NONE;) {
        struct dl_cell_entry *cell = dl_arena_at(&cells->arena, at);
        if (cell->blocks == key.blocks && dl_blocks_equal(cell->key, key.block, key.blocks)) {
            *out = cell;
            return DL_OK;
        }
    }
    return add_cell(cells, names->kind, &key, hash, out);
}

static void note_found(struct dl_cell_entry *cell, struct dl_slot *slot, int64_t start)
{
    if (cell->newest == NULL || start >= cell->newest_start) {
        cell->newest = slot;
        cell->newest_start = start;
    } else {
        cell->other = slot;
        cell->other_start = start;
    }
}

/* One comparison: what is before the start wraps, and is far beyond it. */
static bool is_in_step(const struct dl_cells *cells, int64_t second, int64_t start)
{
    return (uint64_t)second - (uint64_t)start < (uint64_t)cells->step_s;
}

static enum dl_status add_slot(struct dl_cells *cells, struct dl_cell_entry *cell, int64_t second, int64_t start,
                               uint64_t hash, struct dl_slot **out)
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
    cell->last = slot;
    note_found(cell, slot, start);
    dl_table_put(&cells->slot_table, hash, reference);
    *out = slot;
    return DL_OK;
}

/* A full one begins anew; what it holds goes to another one behind it. */
static enum dl_status make_room(struct dl_cells *cells, struct dl_slot *slot, int load)
{
    if (slot->load + load <= DL_SLOT_LOAD_MAX)
        return DL_OK;
    void *memory;
    uint32_t reference;
    enum dl_status status = dl_arena_take(&cells->arena, sizeof *slot, &memory, &reference);
    if (status != DL_OK)
        return status;
    struct dl_slot *full = memory;
    *full = *slot;
    *slot = (struct dl_slot){.cell = full->cell, .next = full, .second = full->second};
    if (slot->cell->last == slot)
        slot->cell->last = full;
    return DL_OK;
}

enum dl_status dl_cells_slot(struct dl_cells *cells, struct dl_cell_entry *cell, int64_t second, int load, struct dl_slot **out)
{
    /* Most events of a batch are of now, and in a re-read of what their partition has come to. */
    if (is_in_step(cells, second, cell->newest_start) && cell->newest != NULL) {
        *out = cell->newest;
        return make_room(cells, *out, load);
    }
    if (is_in_step(cells, second, cell->other_start) && cell->other != NULL) {
        *out = cell->other;
        return make_room(cells, *out, load);
    }
    int64_t start = cells->step_s == 1 ? second : dl_floor_div(second, cells->step_s) * cells->step_s;
    const int64_t key[2] = {cell->number, start};
    uint64_t hash = dl_hash(key, sizeof key, cells->seed);
    struct dl_table_cursor cursor = dl_table_look(&cells->slot_table, hash);
    for (uint32_t at; (at = dl_table_next(&cells->slot_table, &cursor)) != DL_TABLE_NONE;) {
        struct dl_slot *slot = dl_arena_at(&cells->arena, at);
        if (is_in_step(cells, slot->second, start) && slot->cell == cell) {
            note_found(cell, slot, start);
            *out = slot;
            return make_room(cells, slot, load);
        }
    }
    return add_slot(cells, cell, second, start, hash, out);
}

enum dl_status dl_cells_give(struct dl_cells *cells, struct dl_slot *slot, const struct dl_event *event)
{
    enum dl_slot_want want = dl_slot_wants(slot, event);
    if (want == DL_SLOT_WANTS_NOTHING)
        return DL_OK;
    void *memory;
    uint32_t reference;
    size_t bytes = want == DL_SLOT_WANTS_MORE ? sizeof(struct dl_slot_more) : sizeof(struct dl_slot_histogram);
    enum dl_status status = dl_arena_take(&cells->arena, bytes, &memory, &reference);
    if (status != DL_OK)
        return status;
    if (want == DL_SLOT_WANTS_MORE)
        dl_slot_give_more(slot, memory);
    else
        dl_slot_give_histogram(slot, memory);
    return DL_OK;
}
