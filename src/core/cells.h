/* Where a batch counts: cells, their steps and the counters, all in one arena.
 * Internal to the batch.
 *
 *   cell ─► slot (a step) ─► slot …
 *     │       └─► its waits and handling times, where they are more than a few
 *     ▼
 *   cell …
 */
#pragma once

#include <delight/name.h>

#include "arena.h"
#include "blocks.h"
#include "slot.h"
#include "table.h"

/* The names of a cell, as they come. */
enum { DL_CELL_NAMES_MAX = 3 + DL_SEGMENTS_MAX };
struct dl_cell_names {
    uint8_t kind; /* the owner's; each has another number of names */
    uint8_t count;
    const struct dl_name *name[DL_CELL_NAMES_MAX];
};

struct dl_cell_entry {
    struct dl_cell_entry *next; /* in the order in which they came */
    struct dl_slot *first, *last;
    struct dl_slot *newest, *other; /* by step; of the others, the one found last. NULL: none */
    int64_t newest_start, other_start; /* first seconds of their steps */
    uint32_t number;
    uint8_t kind;
    uint8_t blocks;
    struct dl_block key[]; /* its names */
};

/* Zero-initialised, with seed, step_s and arena.bytes_max set, is empty. */
struct dl_cells {
    struct dl_arena arena; /* its bytes count the tables too */
    struct dl_table cell_table, slot_table;
    struct dl_cell_entry *first, *last;
    uint32_t count;
    uint64_t seed;
    int64_t step_s;
};

void dl_cells_deinit(struct dl_cells *cells);

/* Each finds, or makes: DL_FULL, DL_MEMORY; then nothing has changed. */
DL_MUST_USE enum dl_status dl_cells_find(struct dl_cells *cells, const struct dl_cell_names *names,
                                         struct dl_cell_entry **cell);
/* The one of the second's step that takes as much more. */
DL_MUST_USE enum dl_status dl_cells_slot(struct dl_cells *cells, struct dl_cell_entry *cell, int64_t second, int load,
                                         struct dl_slot **slot);
/* Gives the slot what it wants before the event is counted. */
DL_MUST_USE enum dl_status dl_cells_give(struct dl_cells *cells, struct dl_slot *slot, const struct dl_event *event);
