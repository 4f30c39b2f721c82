/* How a batch gets into the windows. Internal to the engine.
 *
 *   tallies ─► a cell's steps ─► sorted by time ─► its subjects ─► parts ─► panes and totals
 *                                 └► summed by what they have in common
 *
 * A step is the longest time that no pane boundary of any window cuts: seconds
 * within one are never told apart again. Many cells have subjects in common ("all"
 * most of all), and many steps have a pane in common: tallies are merged before a
 * window is touched, so that a batch costs a pane one addition and a total one; so
 * do several batches that are gathered together. A large batch goes through in
 * pieces, so that this scratch memory is bounded too.
 *
 * Subjects get their share of what is gathered one after the other, each all of it
 * at once; the clock may move in between. */
#pragma once

#include "window.h"

/* What a cell counted in one step. */
struct dl_fanout_step {
    int64_t step;   /* index: floor(second / step length) */
    uint32_t tally; /* place of the packed tally in the scratch memory */
    uint32_t cell;
};

/* A cell's subjects: so many, from `first`; none yet while its names are looked up. Most cells have nearly all of them
 * in common with others ("all", the stage, the journey): these are then a cell of their own, `common`, and a step's
 * tallies of the cells that have it are summed once. */
struct dl_fanout_cell {
    uint32_t first, count;
    uint32_t common; /* DL_NO_CELL: there is none */
    uint32_t node;   /* of a common cell, while the tallies of a step are brought together: its first one there */
    uint32_t next;   /* and the next common cell of the step */
};
#define DL_NO_CELL UINT32_MAX

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

/* What is gathered, and how far it has got. */
struct dl_fanout_plan {
    uint32_t mask;              /* the windows that count it; 0: nothing is gathered */
    int window[DL_WINDOWS_MAX]; /* the same, the shortest first */
    int window_count;
    bool all;                   /* every window does */
    int64_t step_s;
    size_t nodes;               /* that the steps so far will come to */
    bool chained;               /* every subject has its nodes: the windows' turn */
    size_t next;                /* of the steps, in order of time */
};

struct dl_fanout {
    struct dl_fanout_list steps, sorted; /* dl_fanout_step */
    struct dl_fanout_list cells;         /* dl_fanout_cell */
    struct dl_fanout_list subjects;      /* uint32_t, of the cells */
    struct dl_fanout_list keys;          /* bytes: of the cells whose names are looked up */
    struct dl_fanout_list nodes;         /* dl_fanout_node */
    struct dl_fanout_list parts, panes;  /* dl_fanout_part: of every step; of every pane of a window */
    struct dl_fanout_list packed;        /* bytes: (uint16_t length)(tally) … */
    struct dl_table commons;             /* of the cells: those that others have in common, by their subjects */
    bool all_merged; /* all parts together are at `all` */
    uint32_t all;
    struct dl_sum sum; /* 0 between uses */
    struct dl_fanout_plan plan;
    int64_t oldest_s; /* oldest second counted, INT64_MAX: none */
    int64_t late, ahead, over_cap[DL_KINDS], over_segment_values, over_subjects;
};

void dl_fanout_init(struct dl_fanout *fanout);
void dl_fanout_deinit(struct dl_fanout *fanout);
/* Bytes of scratch memory that are held between batches. */
int64_t dl_fanout_bytes(const struct dl_fanout *fanout);

/* Takes in what `each` tells of `tallies`, for the windows whose bit is set. What is gathered for other windows, or
 * what is too much, is applied first. DL_MEMORY: part of it has been taken in. */
DL_MUST_USE enum dl_status dl_fanout_gather(struct dl_fanout *fanout, struct dl_windows *windows, dl_engine_each *each,
                                            const void *tallies, uint32_t mask);
/* Steps and nodes that are gathered and not all applied; 0: nothing is. */
size_t dl_fanout_waiting(const struct dl_fanout *fanout);
/* Counts about as many nodes and views of what is gathered (max >= 1), subject by subject. DL_EMPTY: nothing is left.
 * DL_MEMORY: part of it has been counted. */
DL_MUST_USE enum dl_status dl_fanout_apply(struct dl_fanout *fanout, struct dl_windows *windows, size_t max);
