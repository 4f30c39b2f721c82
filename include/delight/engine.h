/* The engine: subjects, their windows, and which of them changed. One thread
 * owns it (the loop). It reads no clock: T is an argument.
 *
 *   batch ─► cells ─► subjects (fan-out, caps) ─► panes and totals of every window
 *                                                     │ dl_engine_advance(T): panes enter and leave
 *                                                     ▼
 *                                     views that changed, oldest change first ─► publisher
 *
 * A view is one subject in one window. */
#pragma once

#include <delight/batch.h>
#include <delight/score.h>

enum { DL_PANES = 60 };

enum dl_kind {
    DL_KIND_ALL, DL_KIND_JOURNEY, DL_KIND_JOURNEY_STAGE, DL_KIND_STAGE, DL_KIND_TOUCHPOINT, DL_KIND_FEATURE,
    DL_KINDS
};
/* "all", "journey", "journey_stage", "stage", "touchpoint", "feature". */
const char *dl_kind_name(enum dl_kind kind);

struct dl_engine_options {
    int windows;                          /* 1..DL_WINDOWS_MAX */
    int64_t window_ms[DL_WINDOWS_MAX];    /* whole minutes, 1m..400d, no two the same */
    int segments;
    struct dl_name segment[DL_SEGMENTS_MAX]; /* names; copied */
    int64_t subjects_max, touchpoints_max, stages_max, journeys_max, features_max, segment_values_max;
    bool keeps_changes;                   /* for dl_engine_take_changes; off, nothing is remembered for it */
};

/* The longest time, in seconds, that no pane boundary of any of the windows cuts, a step: events within one are never told
 * apart (for dl_batch_options). Steps begin at multiples of it. */
int64_t dl_engine_step_s(const struct dl_engine_options *options);

struct dl_engine;

struct dl_subject_info {
    enum dl_kind kind;
    int segment;              /* index into the options' segments, -1: none */
    const char *name;         /* full, encoded: "touchpoint:checkout|tier=vip"; valid while the subject lives */
    size_t name_bytes;
    const char *segment_part; /* inside name: "|tier=vip", or its end */
};

/* Counters since start. */
struct dl_engine_counts {
    int64_t late;            /* events older than every window (adds and retractions) */
    int64_t ahead;           /* events dropped, as their step begins more than DL_FUTURE_MS ahead of T */
    int64_t pending;         /* events ahead of T, now, in the shortest window (all subject) */
    int64_t over_cap[DL_KINDS]; /* tallies that went to __other__, by the kind whose cap was reached */
    int64_t over_segment_values, over_subjects;
    int64_t subjects, views, panes; /* now */
    int64_t oldest_ms;       /* oldest event second counted since start, epoch ms; INT64_MAX: none */
    int64_t bytes;           /* memory held, estimated to 10 % */
};

/* NULL: out of memory. The options must be valid (asserted). */
struct dl_engine *dl_engine_create(const struct dl_engine_options *options);
void dl_engine_destroy(struct dl_engine *engine);

/* Moves to T = now_ms (not before the previous T): pending panes enter, old ones
 * leave; changed views become dirty. Cost: what enters and leaves. DL_MEMORY: some
 * views have moved; the caller stops. */
DL_MUST_USE enum dl_status dl_engine_advance(struct dl_engine *engine, int64_t now_ms);
/* The same for a loop that has other work, too: T is now_ms at once, for whatever is asked or counted; as many views as
 * `max` (>= 0, as of dl_engine_apply_some) allows become dirty at once, the others in dl_engine_apply_some. */
DL_MUST_USE enum dl_status dl_engine_begin_advance(struct dl_engine *engine, int64_t now_ms, size_t max);
int64_t dl_engine_now(const struct dl_engine *engine); /* INT64_MIN before the first advance */

/* Counts a batch: each tally in its own pane of every window of every subject;
 * what is older than a window is not counted in it; what is ahead of T waits in
 * its own pane. What lies in a step (dl_engine_step_s) that begins more than
 * DL_FUTURE_MS ahead of T is dropped and counted (ingest rejects what is that far
 * ahead of its record; this bounds the memory). Advance first.
 * DL_MEMORY: part of it may have been counted; the caller stops. */
DL_MUST_USE enum dl_status dl_engine_apply(struct dl_engine *engine, const struct dl_batch *batch);

/* The same in two steps, for a loop that has other work, too. First tallies are taken in, of one batch or of several:
 * together they cost a view hardly more than one of them does. They are gone through at once, and not kept.
 * `each` calls on_tally for every tally of `tallies`, as dl_batch_each does.
 * windows: bit w is set where window w counts them (a window that is new is filled from what is older than the others'
 * state). Late and ahead are counted only if every window is meant.
 * What is gathered already goes to the windows first if it is for other windows, is partly there, or grows large. */
#define DL_ALL_WINDOWS UINT32_MAX
typedef enum dl_status dl_engine_each(const void *tallies, dl_batch_on_tally *on_tally, void *context);
DL_MUST_USE enum dl_status dl_engine_gather(struct dl_engine *engine, dl_engine_each *each, const void *tallies,
                                            uint32_t windows);
/* Then they are counted, subject by subject, each subject with all of them at once; before them, what of an advance
 * that was begun is not done. max: roughly how many additions to do (>= 1); touching a view counts as 16, a pane as 4.
 * DL_OK: there is more; DL_EMPTY: all is done. In between T may move and views may be read; nothing may be taken as
 * changed. DL_MEMORY: the caller stops. */
DL_MUST_USE enum dl_status dl_engine_apply_some(struct dl_engine *engine, size_t max);
/* Additions that are not all done, and panes of which somebody has to be told that T has passed or reached them; 0:
 * nothing waits. */
size_t dl_engine_waiting(const struct dl_engine *engine);

/* ---- State: what a checkpoint keeps, and what is made of it again ---- */

/* A pane's value as it is now. */
struct dl_engine_pane {
    struct dl_name subject;       /* full, encoded: "touchpoint:checkout|tier=vip" */
    int64_t window_ms;
    int64_t index;                /* floor(time / pane length) */
    const struct dl_tally *tally; /* NULL: the pane is gone */
};
typedef enum dl_status dl_engine_on_pane(void *context, const struct dl_engine_pane *pane);

/* Calls on_pane for panes that have changed, or have left their window, since
 * they were last taken, each once with its present value; at most `max` (some
 * more, up to a whole view; max >= 1). DL_EMPTY: none is left. DL_OK: there are
 * more. Any other status is on_pane's: that pane and those behind it are not taken.
 * A pane in which all has cancelled out is told of as gone. A pane that was never
 * taken and is gone is not mentioned. Between two calls that make up one
 * checkpoint neither advance nor gather nor apply; nothing may wait (dl_engine_waiting, asserted): a pane that T has
 * passed and nobody was told of would stay in the state for ever. */
DL_MUST_USE enum dl_status dl_engine_take_changes(struct dl_engine *engine, size_t max, dl_engine_on_pane *on_pane,
                                                  void *context);
size_t dl_engine_changes(const struct dl_engine *engine); /* views and gone panes that wait to be taken; 0: none */

/* Puts a pane back: replaces what it held (tally NULL or empty: removes it). After
 * the first advance, whose T must be that of the checkpoint. A pane that T has left
 * behind is passed over. Restored panes count as taken. Caps do not apply, but what
 * was restored counts towards them.
 * DL_INVALID: not a subject (or a segment that is not configured), a window that
 * is not configured, or an index beyond T + 5 min: nothing was changed; the
 * caller lets the record be deleted (a changed configuration) or says so.
 * DL_MEMORY: the caller stops. */
DL_MUST_USE enum dl_status dl_engine_restore(struct dl_engine *engine, const struct dl_engine_pane *pane);

/* What dl_engine_counts tells as oldest_ms goes on from here. */
void dl_engine_set_oldest(struct dl_engine *engine, int64_t oldest_ms);

/* Subjects: ids are small, stable while the subject lives, and used again.
 * A subject lives while any window holds a pane of it, while a view of it is
 * dirty or published (see below), or while a change of it waits to be taken. It is
 * freed by dl_engine_advance, _begin_advance, _gather or _apply only: between them
 * ids and names stay valid.
 * dl_engine_next_subject: the first live id >= id, or -1. */
int64_t dl_engine_next_subject(const struct dl_engine *engine, int64_t id);
void dl_engine_subject(const struct dl_engine *engine, int64_t id, struct dl_subject_info *info);
int64_t dl_engine_find(const struct dl_engine *engine, const char *name, size_t bytes); /* -1: none */

/* The total of a view at T; empty when it has no data. Valid until the next advance or apply, or until another view is
 * asked for. */
const struct dl_tally *dl_engine_total(const struct dl_engine *engine, int64_t id, int window);
/* The tally of one pane, index 0 (oldest) … 59 (T's own); NULL: empty. Valid until the next call for this engine. */
const struct dl_tally *dl_engine_pane(const struct dl_engine *engine, int64_t id, int window, int index);
/* Start of pane `index` of a window at T, epoch ms. */
int64_t dl_engine_pane_start(const struct dl_engine *engine, int window, int index);

/* Dirty views, those of the oldest batch or advance first and among these window by window: takes the next one.
 * DL_EMPTY: none is left. DL_MEMORY: it stays dirty. A view that changes again is queued again, once. */
DL_MUST_USE enum dl_status dl_engine_take_dirty(struct dl_engine *engine, int64_t *id, int *window);
void dl_engine_mark_dirty(struct dl_engine *engine, int64_t id, int window);
void dl_engine_mark_all_dirty(struct dl_engine *engine);
size_t dl_engine_dirty(const struct dl_engine *engine);

/* What the publisher wrote last for a view, so that it can write differences:
 * an empty tally is "nothing is there". Kept until the publisher clears it; a
 * subject is freed when it has no panes, no dirty and no published view. */
const struct dl_tally *dl_engine_published(const struct dl_engine *engine, int64_t id, int window);
DL_MUST_USE enum dl_status dl_engine_set_published(struct dl_engine *engine, int64_t id, int window,
                                                   const struct dl_tally *total);
void dl_engine_forget_published(struct dl_engine *engine); /* of every view */

void dl_engine_counts(const struct dl_engine *engine, struct dl_engine_counts *counts);
