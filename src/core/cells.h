/* Where a batch counts: cells, their seconds and the counters, all in one arena.
 * Internal to the batch.
 *
 *   cell ─► slot (a second): which scalars were touched, their counts and sums ─► slot …
 *     │       ├─► octave of waits ─► octave …      an octave's buckets come into being when the first
 *     ▼       └─► octave of handling times ─► …    event touches one; an event writes to a few cache
 *   cell …                                         lines that lie together
 */
#pragma once

#include <delight/counter.h>
#include <delight/name.h>

#include "arena.h"
#include "table.h"

/* The counters that are sums of milliseconds; all others count. */
enum dl_slot_sum { DL_SUM_ASA, DL_SUM_HANDLE, DL_SUM_RECOVERY, DL_SLOT_SUMS };

enum {
    DL_HISTOGRAMS = 2,
    /* Events of a slot at most, so that 32 bits hold its counts: many more than come within a second. */
    DL_SLOT_EVENTS_MAX = 1 << 20
};

/* Eight buckets of a histogram. */
struct dl_octave {
    struct dl_octave *next; /* ascending */
    uint16_t first;         /* counter */
    int32_t count[DL_HISTOGRAM_BLOCK];
};

struct dl_slot {
    struct dl_cell_entry *cell;
    struct dl_slot *next;  /* of the cell */
    int64_t second;
    int64_t counted;       /* events, adds plus retractions; 0 only where an event found no room */
    uint64_t touched;      /* scalars: bits by counter */
    struct dl_octave *histogram[DL_HISTOGRAMS];
    int64_t sum[DL_SLOT_SUMS];
    int32_t count[DL_COUNT_SCALARS];
};

/* The names of a cell, as they come. */
enum { DL_CELL_NAMES_MAX = 3 + DL_SEGMENTS_MAX };
struct dl_cell_names {
    uint8_t kind; /* the owner's */
    uint8_t count;
    struct dl_name name[DL_CELL_NAMES_MAX];
};

struct dl_cell_entry {
    struct dl_cell_entry *next; /* in the order in which they came */
    struct dl_slot *first, *last;
    struct dl_slot *recent;
    uint32_t number;
    unsigned char key[]; /* the kind, then each name behind its length */
};

/* Zero-initialised, with seed and arena.bytes_max set, is empty. */
struct dl_cells {
    struct dl_arena arena; /* its bytes count the tables too */
    struct dl_table cell_table, slot_table;
    struct dl_cell_entry *first, *last;
    uint32_t count;
    uint64_t seed;
};

void dl_cells_deinit(struct dl_cells *cells);

/* Each finds, or makes: DL_FULL, DL_MEMORY; then nothing has changed. */
DL_MUST_USE enum dl_status dl_cells_find(struct dl_cells *cells, const struct dl_cell_names *names,
                                         struct dl_cell_entry **cell);
DL_MUST_USE enum dl_status dl_cells_slot(struct dl_cells *cells, struct dl_cell_entry *cell, int64_t second,
                                         struct dl_slot **slot);
/* The octave of a histogram's counter. */
DL_MUST_USE enum dl_status dl_cells_octave(struct dl_cells *cells, struct dl_slot *slot, uint16_t counter,
                                           struct dl_octave **octave);

/* Which sum a counter is, -1: it counts. */
static inline int dl_slot_sum(unsigned counter)
{
    return counter == DL_COUNT_ASA_MS ? DL_SUM_ASA : counter == DL_COUNT_HANDLE_MS ? DL_SUM_HANDLE
        : counter == DL_COUNT_RECOVERY_DURATION_MS ? DL_SUM_RECOVERY : -1;
}
