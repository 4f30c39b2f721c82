/* Windows: panes, totals, the calendar that says which subjects have a pane
 * where, and the queue of views that changed. Internal to the engine.
 *
 *   panes of a window    P-59 … … P-1  │  P   │ P+1 … P+ahead
 *                        kept as a sum │ T's  │ waiting for T
 *                        └── the total ───────┘
 *   calendar             one list of subjects per pane index, in a ring; when T
 *                        moves on, only the lists that T passes are read
 *
 * T moves at once, its views after it, some at a time or when they are touched. Each knows how far its own total goes,
 * so that it can be told what it is at T whether it has moved or not. */
#pragma once

#include "subject.h"
#include "sum.h"

/* Who had a pane at one index; the subject may be gone by now, or another. */
struct dl_window_day {
    struct dl_window_day *next; /* of those that T has passed by */
    int window;
    uint32_t count, capacity;
    uint32_t subjects[];
};

/* Days whose panes have left their windows, the first one that left first. */
struct dl_passed_days {
    struct dl_window_day *first, *last;
    uint32_t read;   /* subjects of the first one that were looked at */
    size_t subjects; /* that were not, of all */
};

struct dl_window {
    int64_t pane_s;    /* length of a pane */
    int64_t ahead;     /* how many panes beyond T's own may hold something */
    int64_t newest;    /* index of T's own pane */
    int64_t followed;  /* all views have been with T here */
    int64_t entered;   /* up to here who has a pane was looked at when T reached it, */
    uint32_t entering; /* and so many of the next one */
    struct dl_window_day **days; /* calendar: index modulo day_count, NULL: nobody */
    int64_t day_count;
};

#define DL_NO_VIEW UINT32_MAX
enum { DL_VIEW_COST = 16 }; /* what touching a view costs, in additions of tallies */

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
    int64_t step_s;      /* no pane boundary cuts it */
    int64_t newest_s;    /* last second that is not too far ahead: the last one of its step */
    struct dl_passed_days passed;
    struct dl_view_queue dirty[DL_WINDOWS_MAX], changed;
    uint32_t turn;       /* counts what makes views dirty: advances, batches, marks */
    bool keeps_changes;
    struct dl_gone *gone;
    size_t gone_count, gone_capacity;
    int64_t views, panes; /* views that have panes */
    struct dl_sum sum;    /* 0 between uses */
    struct dl_tally look; /* what dl_windows_total added up last */
    unsigned char look_packed[DL_PACKED_BYTES_MAX];
};

/* Of two steps' or panes' lengths: how long none of their boundaries cuts. 0 and another: the other. */
int64_t dl_common_step(int64_t a, int64_t b);

DL_MUST_USE enum dl_status dl_windows_init(struct dl_windows *windows, const struct dl_engine_options *options);
void dl_windows_deinit(struct dl_windows *windows);

/* Index of a pane, whole again: none is 2^31 panes away from T's own, whichever views have moved. */
static inline int64_t dl_windows_index(const struct dl_window *window, const struct dl_pane *pane)
{
    return window->newest + (int32_t)(pane->index - (uint32_t)window->newest);
}

/* Moves T to now_ms, not before where it is (asserted), and no view: dl_windows_follow_some does. But a jump of many
 * years takes them along. DL_MEMORY: some views have moved and others have not. */
DL_MUST_USE enum dl_status dl_windows_advance(struct dl_windows *windows, int64_t now_ms);
/* Moves a view to T: panes that left the window leave it and its total, those that T has reached enter it. It becomes
 * dirty if that changes it. DL_MEMORY: it is as it was. */
DL_MUST_USE enum dl_status dl_windows_follow(struct dl_windows *windows, uint32_t subject, int window);
/* The same for who waits in the calendar, until *done has grown to max: by DL_VIEW_COST for a view that moves, by 1 for
 * one that is there. */
DL_MUST_USE enum dl_status dl_windows_follow_some(struct dl_windows *windows, size_t max, size_t *done);
/* The total of a view at T, whether it has moved or not; good until the next call. */
const struct dl_tally *dl_windows_total(struct dl_windows *windows, int64_t subject, int window);

/* First second that any window of the mask still holds; INT64_MAX: it has none. */
int64_t dl_windows_oldest_s(const struct dl_windows *windows, uint32_t mask);

/* Adds to the pane at index, which lies in the window or waits for T. A pane
 * stays even if all in it cancels out, until T has passed it: so the calendar has
 * it once, whatever comes and is taken back. What changes a pane up to T's own
 * makes the view dirty. DL_MEMORY: the pane may have been opened. */
DL_MUST_USE enum dl_status dl_windows_add_pane(struct dl_windows *windows, uint32_t subject, int window, int64_t index,
                                               const struct dl_tally *tally);
/* What was added to panes before T's own is owed to the sum that is kept of them. DL_MEMORY: it is
 * unchanged. */
DL_MUST_USE enum dl_status dl_windows_add_total(struct dl_windows *windows, uint32_t subject, int window,
                                                const struct dl_tally *tally);

/* Have the processor fetch a subject with its views; then, when they are there, what the views of the windows in the
 * mask point to. Nothing changes. */
DL_FETCHES dl_windows_fetch_subject(const struct dl_windows *windows, const struct dl_subject *subject)
{
    size_t bytes = sizeof *subject + (size_t)windows->count * sizeof subject->views[0];
    for (size_t at = 0; at < bytes; at += DL_CACHE_LINE)
        __builtin_prefetch((const char *)subject + at);
}

DL_FETCHES dl_windows_fetch(const struct dl_windows *windows, const struct dl_subject *subject, uint32_t mask)
{
    for (int w = 0; w < windows->count; w++) {
        const struct dl_view *view = &subject->views[w];
        if ((mask >> w & 1) == 0 || view->pane_count == 0)
            continue;
        __builtin_prefetch(view->total.data);
        __builtin_prefetch(&view->panes[view->pane_count - 1]);
        if (view->packed_bytes == 0)
            continue;
        __builtin_prefetch(view->packed + view->packed_bytes - 1);
        __builtin_prefetch(view->packed + (view->packed_bytes > DL_CACHE_LINE ? view->packed_bytes - DL_CACHE_LINE : 0));
    }
}

/* Whether a view had anything at T when it was there last; also where T's own pane and those before it cancel out. */
bool dl_windows_holds(const struct dl_windows *windows, const struct dl_subject *subject, int window);
/* The place of the pane at index, -1: there is none. */
int dl_windows_pane(const struct dl_windows *windows, const struct dl_subject *subject, int window, int64_t index);
/* A borrowed look at the tally of a pane, until the view's panes change. */
struct dl_tally dl_view_tally(const struct dl_view *view, int place);

/* Makes the pane at index, which lies in the window or waits for T, hold exactly
 * this; it counts as taken. An empty tally leaves an empty pane, for the calendar,
 * or none where there was none. DL_MEMORY: pane and total may not fit each other. */
DL_MUST_USE enum dl_status dl_windows_restore_pane(struct dl_windows *windows, uint32_t subject, int window, int64_t index,
                                                   const struct dl_tally *tally);

/* The calendar (calendar.c). */
/* Notes that a subject has a pane at index. DL_MEMORY: it is not noted. */
DL_MUST_USE enum dl_status dl_calendar_enter(struct dl_windows *windows, int window, int64_t index, uint32_t subject);
/* T's own pane is `newest` now, a later one than before: who is in days that T passes waits to be looked at. */
void dl_calendar_pass(struct dl_windows *windows, int window, int64_t newest);
/* The next one who does, once for each pane; false: nobody does. The subject may be gone. */
bool dl_calendar_next(struct dl_windows *windows, uint32_t *subject, int *window);
size_t dl_calendar_waiting(const struct dl_windows *windows);
void dl_calendar_deinit(struct dl_windows *windows);

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
/* Makes room for panes to be noted as gone. DL_MEMORY: there is none. */
DL_MUST_USE enum dl_status dl_changes_reserve_gone(struct dl_windows *windows, size_t panes);
/* The pane leaves; room for it was made. */
void dl_changes_note_gone(struct dl_windows *windows, uint32_t subject, int window, const struct dl_pane *pane);
/* As dl_engine_take_changes. */
DL_MUST_USE enum dl_status dl_changes_take(struct dl_windows *windows, size_t max, dl_engine_on_pane *on_pane, void *context);
void dl_changes_deinit(struct dl_windows *windows);
