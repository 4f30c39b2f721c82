/* Windows: panes, totals, the calendar that says which subjects have a pane
 * where, and the queue of views that changed. Internal to the engine.
 *
 *   panes of a window    P-59 … … P │ P+1 … P+ahead
 *                        in the total │ waiting for T
 *   calendar             one list of subjects per pane index, in a ring; when T
 *                        moves on, only the lists that T passes are read */
#pragma once

#include "subject.h"
#include "sum.h"

struct dl_window_day {
    uint32_t *subjects;
    uint32_t count, capacity;
};

struct dl_window {
    int64_t pane_s;    /* length of a pane */
    int64_t ahead;     /* how many panes beyond T's own may hold something */
    int64_t newest;    /* index of T's own pane */
    struct dl_window_day *days; /* calendar: index modulo day_count */
    int64_t day_count;
};

#define DL_NO_VIEW UINT32_MAX

struct dl_view_queue {
    uint32_t first, last;
    size_t views;
};

/* A pane that was taken and has left its window since. */
struct dl_gone {
    int64_t index;
    uint32_t view; /* reference */
};

struct dl_windows {
    struct dl_registry registry;
    int count;
    struct dl_window window[DL_WINDOWS_MAX];
    int64_t now_ms;      /* T; INT64_MIN before the first advance */
    int64_t newest_s;    /* last second that is not too far ahead */
    struct dl_view_queue dirty[DL_WINDOWS_MAX], changed;
    uint32_t turn;       /* counts what makes views dirty: advances, batches, marks */
    bool keeps_changes;
    struct dl_gone *gone;
    size_t gone_count, gone_capacity;
    int64_t views, panes; /* views that have panes */
    struct dl_sum sum;    /* 0 between uses */
};

/* floor(a / b), b > 0. */
static inline int64_t dl_floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

DL_MUST_USE enum dl_status dl_windows_init(struct dl_windows *windows, const struct dl_engine_options *options);
void dl_windows_deinit(struct dl_windows *windows);

/* Index of a pane, whole again: none is 2^31 panes away from T's own. */
static inline int64_t dl_windows_index(const struct dl_window *window, const struct dl_pane *pane)
{
    return window->newest + (int32_t)(pane->index - (uint32_t)window->newest);
}

/* Moves T to now_ms, not before where it is (asserted). DL_MEMORY: some views
 * have moved and others have not. */
DL_MUST_USE enum dl_status dl_windows_advance(struct dl_windows *windows, int64_t now_ms);

/* First second that any window of the mask still holds; INT64_MAX: it has none. */
int64_t dl_windows_oldest_s(const struct dl_windows *windows, uint32_t mask);

/* Adds to the pane at index, which lies in the window or waits for T. A pane
 * stays even if all in it cancels out, until T has passed it: so the calendar has
 * it once, whatever comes and is taken back. What changes a pane up to T's own
 * makes the view dirty. DL_MEMORY: the pane may have been opened. */
DL_MUST_USE enum dl_status dl_windows_add_pane(struct dl_windows *windows, uint32_t subject, int window, int64_t index,
                                               const struct dl_tally *tally);
/* What was added to panes up to T's own is owed to the total. DL_MEMORY: it is
 * unchanged. */
DL_MUST_USE enum dl_status dl_windows_add_total(struct dl_windows *windows, uint32_t subject, int window,
                                                const struct dl_tally *tally);

/* The place of the pane at index, -1: there is none. */
int dl_windows_pane(const struct dl_windows *windows, const struct dl_subject *subject, int window, int64_t index);
/* A borrowed look at the tally of a pane, until the view's panes change. */
struct dl_tally dl_view_tally(const struct dl_view *view, int place);

/* Makes the pane at index, which lies in the window or waits for T, hold exactly
 * this; it counts as taken. An empty tally leaves an empty pane, for the calendar,
 * or none where there was none. DL_MEMORY: pane and total may not fit each other. */
DL_MUST_USE enum dl_status dl_windows_restore_pane(struct dl_windows *windows, uint32_t subject, int window, int64_t index,
                                                   const struct dl_tally *tally);

/* Dirty views have a queue per window: those of one turn come window by window, so that who publishes them meets the
 * views of one window together. An earlier turn comes first. */

/* Begins a turn. */
void dl_windows_turn(struct dl_windows *windows);
/* Puts a view at the end of a queue where it is not in it yet. */
void dl_windows_enqueue(struct dl_windows *windows, enum dl_queue queue, uint32_t subject, int window);
/* The first view of a queue; false: it is empty. */
bool dl_windows_first(const struct dl_windows *windows, enum dl_queue queue, uint32_t *subject, int *window);
size_t dl_windows_queued(const struct dl_windows *windows, enum dl_queue queue); /* views */
/* Takes the first view off. */
void dl_windows_dequeue(struct dl_windows *windows, enum dl_queue queue);

/* DL_MEMORY: what is published has not changed. */
DL_MUST_USE enum dl_status dl_windows_set_published(struct dl_windows *windows, uint32_t subject, int window,
                                                    const struct dl_tally *total);
void dl_windows_forget_published(struct dl_windows *windows, uint32_t subject, int window);

/* Changes (changes.c), where they are kept. */
/* The pane holds something else than before. */
void dl_changes_note(struct dl_windows *windows, uint32_t subject, int window, struct dl_pane *pane);
/* The pane leaves. DL_MEMORY: nothing was noted. */
DL_MUST_USE enum dl_status dl_changes_note_gone(struct dl_windows *windows, uint32_t subject, int window,
                                                const struct dl_pane *pane);
/* As dl_engine_take_changes. */
DL_MUST_USE enum dl_status dl_changes_take(struct dl_windows *windows, size_t max, dl_engine_on_pane *on_pane, void *context);
void dl_changes_deinit(struct dl_windows *windows);
