/* How a batch gets into the windows. Internal to the engine.
 *
 *   tallies ─► cell ─► its subjects ─► deltas by (subject, second) ─► panes and totals
 *                                        └► nodes: the tallies to merge
 *
 * Many cells have subjects in common ("all" most of all), and many seconds have a
 * pane in common: tallies are merged before a window is touched, so that a batch
 * costs a pane one addition and a total one. A large batch goes through in
 * slices, so that this scratch memory is bounded too. */
#pragma once

#include "window.h"

struct dl_fanout_node {
    uint32_t tally; /* place of the packed tally in the scratch memory */
    uint32_t next;
};

struct dl_fanout_delta {
    int64_t second;
    uint32_t subject;
    uint32_t node;
    uint32_t next; /* delta of the same subject */
};

/* A second of the subject at hand, all its tallies merged. */
struct dl_fanout_second {
    int64_t second;
    uint32_t tally;
};

struct dl_fanout {
    struct dl_fanout_node *nodes;
    struct dl_fanout_delta *deltas;
    unsigned char *packed; /* (uint16_t length)(tally) … */
    struct dl_fanout_second *seconds;
    size_t second_count, second_capacity;
    bool all_merged; /* all seconds together are at `all` */
    uint32_t all;
    size_t node_count, node_capacity, delta_count, delta_capacity, packed_bytes, packed_capacity;
    struct dl_table table; /* (subject, second) to delta */
    uint64_t seed;
    struct dl_counts sum; /* all 0 between uses */
    struct dl_tally merged;
    int64_t oldest_s; /* oldest second counted, INT64_MAX: none */
    int64_t late, ahead, over_cap[DL_KINDS], over_segment_values, over_subjects;
};

void dl_fanout_init(struct dl_fanout *fanout);
void dl_fanout_deinit(struct dl_fanout *fanout);
/* Bytes of scratch memory that are held between batches. */
int64_t dl_fanout_bytes(const struct dl_fanout *fanout);

/* Counts what `each` tells of `tallies` in the windows whose bit is set.
 * DL_MEMORY: part of it has been counted. */
DL_MUST_USE enum dl_status dl_fanout_apply(struct dl_fanout *fanout, struct dl_windows *windows, dl_engine_each *each,
                                           const void *tallies, uint32_t mask);
