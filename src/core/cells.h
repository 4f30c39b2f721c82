/* Where a batch counts: cells, their seconds and the counters, all in one arena.
 * Internal to the batch.
 *
 *   cell ─► slot (a second) ─► slot …      a slot has the counters of one second
 *     │       ├─► 11 NPS counters
 *     │       ├─► 16 contact counters      a group's counters come into being when
 *     │       └─► waits ─► 8 counters      the first event touches the group, so that
 *     ▼             └────► 8 counters      an event writes to a cache line or two
 *   cell …
 */
#pragma once

#include <delight/counter.h>
#include <delight/name.h>

#include "arena.h"
#include "table.h"

enum {
    DL_SCALAR_GROUPS = DL_GROUP_WAIT, /* EVENTS among them, which stands in the slot itself */
    DL_HISTOGRAMS = 2
};

/* References into the arena; 0 is none, since a cell stands there. */
struct dl_slot {
    struct dl_cell_entry *cell;
    struct dl_slot *next; /* of the cell */
    int64_t second;
    int64_t events;       /* adds minus retractions */
    int64_t counted;      /* adds plus retractions; 0 only where an event found no room */
    uint32_t group[DL_SCALAR_GROUPS];
    uint32_t histogram[DL_HISTOGRAMS]; /* to DL_HISTOGRAM_BLOCKS references */
};

struct dl_cell_entry {
    struct dl_cell_entry *next; /* in the order in which they came */
    struct dl_slot *first, *last;
    struct dl_slot *recent;
    uint32_t number;
    uint16_t key_bytes;
    unsigned char key[];
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
DL_MUST_USE enum dl_status dl_cells_find(struct dl_cells *cells, const unsigned char *key, size_t key_bytes,
                                         struct dl_cell_entry **cell);
DL_MUST_USE enum dl_status dl_cells_slot(struct dl_cells *cells, struct dl_cell_entry *cell, int64_t second,
                                         struct dl_slot **slot);
/* The counters of a group other than DL_GROUP_EVENTS; they do not move. */
DL_MUST_USE enum dl_status dl_cells_counters(struct dl_cells *cells, struct dl_slot *slot, uint16_t group,
                                             int64_t **counters);

/* The counters of a group, NULL where there are none. */
const int64_t *dl_slot_counters(const struct dl_cells *cells, const struct dl_slot *slot, uint16_t group);
