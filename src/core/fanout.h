/* How a batch gets into the windows. Internal to the engine.
 *
 *   tallies ─► a cell's steps ─► sorted by time ─► its subjects ─► parts ─► panes and totals
 *                                                    └► nodes: whose step it is, too
 *
 * A step is the longest time that no pane boundary of any window cuts: seconds
 * within one are never told apart again. Many cells have subjects in common ("all"
 * most of all), and many steps have a pane in common: tallies are merged before a
 * window is touched, so that a batch costs a pane one addition and a total one. A
 * large batch goes through in slices, so that this scratch memory is bounded too. */
#pragma once

#include "window.h"

/* What a cell counted in one step. */
struct dl_fanout_step {
    int64_t step;   /* index: floor(second / step length) */
    uint32_t tally; /* place of the packed tally in the scratch memory */
    uint32_t cell;
};

/* A cell's subjects: so many, from `first`. */
struct dl_fanout_cell {
    uint32_t first, count;
};

/* A step of a subject; its nodes are chained in ascending order of time. */
struct dl_fanout_node {
    uint32_t step, next;
};

/* Some time of the subject at hand, all its tallies merged. */
struct dl_fanout_part {
    int64_t start_s;
    uint32_t tally;
};

struct dl_fanout_list {
    void *items;
    size_t count, capacity;
};

struct dl_fanout {
    struct dl_fanout_list steps, sorted; /* dl_fanout_step */
    struct dl_fanout_list cells;         /* dl_fanout_cell */
    struct dl_fanout_list subjects;      /* uint32_t, of the cells */
    struct dl_fanout_list nodes;         /* dl_fanout_node */
    struct dl_fanout_list parts, panes;  /* dl_fanout_part: of every step; of every pane of a window */
    struct dl_fanout_list packed;        /* bytes: (uint16_t length)(tally) … */
    bool all_merged; /* all parts together are at `all` */
    uint32_t all;
    struct dl_sum sum; /* 0 between uses */
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
