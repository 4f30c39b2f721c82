/* Where a batch counts: cells, their steps and the counters, all in one arena.
 * Internal to the batch.
 *
 *   cell ─► slot (a step): which scalars were touched, their counts and sums ─► slot …
 *     │       └─► octaves of waits and of handling times: one comes into being when the first event
 *     ▼           touches one of its buckets; an event writes to a few cache lines that lie together
 *   cell …
 */
#pragma once

#include <delight/counter.h>
#include <delight/name.h>

#include "arena.h"
#include "blocks.h"
#include "increment.h"
#include "table.h"

enum {
    DL_OCTAVES = DL_HISTOGRAMS * DL_HISTOGRAM_BLOCKS,
    /* What a slot takes at most, so that 16 bits hold its counts. A step with more of it has more than one. */
    DL_SLOT_LOAD_MAX = INT16_MAX
};

/* Eight buckets of a histogram. */
struct dl_octave {
    int16_t count[DL_HISTOGRAM_BLOCK];
};

struct dl_slot {
    struct dl_cell_entry *cell;
    struct dl_slot *next;  /* of the cell */
    int64_t second;        /* the earliest that was counted in it; while nothing is, any of its step */
    uint64_t touched;      /* scalars: bits by counter */
    uint64_t octaves;      /* that there are: bits, from the first histogram counter on */
    struct dl_octave *octave; /* those, ascending, side by side */
    int32_t counted;       /* events, adds plus retractions; 0 only where an event found no room */
    int32_t load;          /* no count of it is larger: an event adds the most that it may add to one */
    int64_t sum[DL_SUMS];
    int16_t count[DL_COUNT_SCALARS];
};

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
/* Room for a histogram's counter. */
DL_MUST_USE enum dl_status dl_cells_octave(struct dl_cells *cells, struct dl_slot *slot, uint16_t counter);

/* Where it is counted, once there is room. */
static inline int16_t *dl_slot_bucket(struct dl_slot *slot, uint16_t counter)
{
    unsigned number = counter - (unsigned)DL_COUNT_SCALARS;
    int before = __builtin_popcountll(slot->octaves & ((UINT64_C(1) << number / DL_HISTOGRAM_BLOCK) - 1));
    return &slot->octave[before].count[number % DL_HISTOGRAM_BLOCK];
}
