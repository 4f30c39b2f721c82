/* The independent recount: every event that was accepted, packed into 32 bytes, and from them the tally of any subject in
 * any window at any clock.
 *
 * Nothing is aggregated while sending, so adding an event costs a few nanoseconds, and any clock can be asked for
 * afterwards: which panes a window holds is known only when the newest event time is. Chunks that have left every
 * window are freed. */
#pragma once

#include "event.h"
#include "score.h"
#include "subject.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ld_recount;
struct ld_snapshot;

/* Where the two copies of a repeated record came to lie. */
struct ld_repeat {
    int32_t partition[2]; /* -1: not delivered */
    int64_t offset[2];
};

/* NULL after a sentence on stderr. World and settings must outlive the recount. */
struct ld_recount *ld_recount_create(const struct ld_world *world, const struct ld_settings *settings);
void ld_recount_destroy(struct ld_recount *recount);

/* Counts an accepted event. `repeat` is LD_NO_REPEAT, or the number of the repeat whose second copy this is: whether
 * it counts is decided by where both copies lie. */
#define LD_NO_REPEAT UINT32_MAX
void ld_recount_add(struct ld_recount *recount, const struct ld_event *event, uint32_t repeat);

/* Repeats: a number for a record that will be sent twice, and its positions as deliveries report them. */
uint32_t ld_recount_new_repeat(struct ld_recount *recount);
void ld_recount_place(struct ld_recount *recount, uint32_t repeat, int copy, int32_t partition, int64_t offset);

/* Newest accepted event time; INT64_MIN before the first. */
int64_t ld_recount_newest_ms(const struct ld_recount *recount);
uint64_t ld_recount_events(const struct ld_recount *recount);

/* Subjects of all windows; valid until the next ld_recount_add. */
size_t ld_recount_subject_count(struct ld_recount *recount);
const struct ld_subject *ld_recount_subject(const struct ld_recount *recount, size_t index);

/* The state of one window at one clock. Pane counters are kept for the trend's measures only. Freed by
 * ld_snapshot_destroy; valid until the next ld_recount_add. */
struct ld_snapshot *ld_snapshot_create(struct ld_recount *recount, size_t window, int64_t clock_ms, bool has_panes);
void ld_snapshot_destroy(struct ld_snapshot *snapshot);
int64_t ld_snapshot_clock_ms(const struct ld_snapshot *snapshot);

/* Adds up a subject's cells into *tally (cleared first) and, when `panes` is not NULL and the snapshot has panes, the
 * counters of each pane, oldest first. */
void ld_snapshot_subject(const struct ld_snapshot *snapshot, size_t subject, struct ld_tally *tally,
                         int64_t (*panes)[LD_COUNTERS]);
