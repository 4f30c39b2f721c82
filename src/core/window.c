#include "window.h"

#include <delight/time.h>

#include <stdlib.h>
#include <string.h>

enum { PANES_FIRST = 2 };
/* How far T may go from views that have not moved; dl_windows_index can tell four times as much. */
#define FAR_PANES (INT64_C(1) << 29)

/* Tallies, with the bytes they hold */

static enum dl_status add_tally(struct dl_windows *windows, struct dl_tally *tally, const struct dl_tally *other, int sign)
{
    int64_t before = dl_block_bytes(tally->capacity);
    enum dl_status status = dl_tally_add(tally, other, sign);
    windows->registry.bytes += dl_block_bytes(tally->capacity) - before;
    return status;
}

static enum dl_status copy_tally(struct dl_windows *windows, struct dl_tally *tally, const struct dl_tally *other)
{
    int64_t before = dl_block_bytes(tally->capacity);
    enum dl_status status = dl_tally_copy(tally, other);
    windows->registry.bytes += dl_block_bytes(tally->capacity) - before;
    return status;
}

static void drop_tally(struct dl_windows *windows, struct dl_tally *tally)
{
    windows->registry.bytes -= dl_block_bytes(tally->capacity);
    dl_tally_deinit(tally);
}

/* Tallies of panes */

static size_t packed_at(const struct dl_view *view, int place)
{
    size_t at = 0;
    if (place >= view->pane_count / 2) { /* most often the last one */
        at = view->packed_bytes;
        for (int i = view->pane_count - 1; i >= place; i--)
            at -= view->panes[i].bytes;
    } else {
        for (int i = 0; i < place; i++)
            at += view->panes[i].bytes;
    }
    return at;
}

struct dl_tally dl_view_tally(const struct dl_view *view, int place)
{
    const struct dl_pane *pane = &view->panes[place];
    return (struct dl_tally){.data = pane->bytes == 0 ? NULL : view->packed + packed_at(view, place), .bytes = pane->bytes};
}

/* Some room beyond what is needed, in sizes that malloc hands out anyway. */
static size_t packed_capacity(size_t bytes)
{
    return bytes == 0 ? 0 : (bytes + bytes / 8 + 23) / 16 * 16 + 8;
}

static enum dl_status resize_packed(struct dl_windows *windows, struct dl_view *view, size_t bytes)
{
    size_t capacity = packed_capacity(bytes);
    if (bytes <= view->packed_capacity && capacity >= view->packed_capacity / 2)
        return DL_OK;
    unsigned char *packed = NULL;
    if (capacity == 0) {
        free(view->packed);
    } else {
        packed = realloc(view->packed, capacity);
        if (packed == NULL) /* that shrinking found no memory changes nothing */
            return bytes <= view->packed_capacity ? DL_OK : DL_MEMORY;
    }
    windows->registry.bytes += dl_block_bytes(capacity) - dl_block_bytes(view->packed_capacity);
    view->packed = packed;
    view->packed_capacity = (uint32_t)capacity;
    return DL_OK;
}

/* Replaces the tallies of the panes from `place` on, `count` of them, by the bytes: they are the first one's now. */
static enum dl_status set_packed(struct dl_windows *windows, struct dl_view *view, int place, int count,
                                 const unsigned char *data, size_t bytes)
{
    size_t at = packed_at(view, place);
    size_t before = 0;
    for (int i = place; i < place + count; i++)
        before += view->panes[i].bytes;
    size_t after = view->packed_bytes - before + bytes;
    if (after > view->packed_bytes) {
        enum dl_status status = resize_packed(windows, view, after);
        if (status != DL_OK)
            return status;
    }
    if (bytes != before && view->packed_bytes > at + before)
        memmove(view->packed + at + bytes, view->packed + at + before, view->packed_bytes - at - before);
    if (bytes > 0)
        memcpy(view->packed + at, data, bytes);
    for (int i = place; i < place + count; i++)
        view->panes[i].bytes = 0;
    view->panes[place].bytes = (uint16_t)bytes;
    view->packed_bytes = (uint32_t)after;
    return resize_packed(windows, view, after);
}

/* What is published */

enum dl_status dl_windows_set_published(struct dl_windows *windows, uint32_t subject, int window,
                                        const struct dl_tally *total)
{
    if (dl_tally_empty(total)) {
        dl_windows_forget_published(windows, subject, window);
        return DL_OK;
    }
    struct dl_subject *owner = dl_registry_get(&windows->registry, subject);
    struct dl_tally *published = &owner->views[window].published;
    bool first = dl_tally_empty(published);
    enum dl_status status = copy_tally(windows, published, total);
    if (status == DL_OK && first)
        owner->published++;
    return status;
}

void dl_windows_forget_published(struct dl_windows *windows, uint32_t subject, int window)
{
    struct dl_subject *owner = dl_registry_get(&windows->registry, subject);
    struct dl_tally *published = &owner->views[window].published;
    if (!dl_tally_empty(published)) {
        owner->published--;
        drop_tally(windows, published);
    }
    dl_registry_note_gone(&windows->registry, subject);
}

/* Panes */

/* How far the pane lies behind another; both are near T. */
static int32_t behind(const struct dl_pane *pane, uint32_t index)
{
    return (int32_t)(index - pane->index);
}

/* Where the pane is, or would be: the first one at index or after. */
static uint16_t pane_place(const struct dl_view *view, int64_t wanted)
{
    uint32_t index = (uint32_t)wanted;
    uint16_t low = 0;
    uint16_t high = view->pane_count;
    if (high > 0 && behind(&view->panes[high - 1], index) >= 0) /* now: most events */
        return (uint16_t)(high - (view->panes[high - 1].index == index));
    if (high > 0 && behind(&view->panes[0], index) <= 0) /* the oldest: what leaves */
        return 0;
    while (low < high) {
        uint16_t middle = (uint16_t)((low + high) / 2);
        if (behind(&view->panes[middle], index) > 0)
            low = (uint16_t)(middle + 1);
        else
            high = middle;
    }
    return low;
}

static enum dl_status resize_panes(struct dl_windows *windows, struct dl_view *view, uint16_t capacity)
{
    struct dl_pane *panes = NULL;
    if (capacity == 0) {
        free(view->panes);
    } else {
        panes = realloc(view->panes, capacity * sizeof *panes);
        if (panes == NULL)
            return DL_MEMORY;
    }
    windows->registry.bytes +=
        dl_block_bytes(capacity * sizeof *panes) - dl_block_bytes(view->pane_capacity * sizeof *panes);
    view->panes = panes;
    view->pane_capacity = capacity;
    return DL_OK;
}

/* The pane at index, made if it is not there. */
static enum dl_status open_pane(struct dl_windows *windows, int window, uint32_t subject, int64_t index, uint16_t *place_of)
{
    struct dl_subject *owner = windows->registry.subjects[subject];
    struct dl_view *view = &owner->views[window];
    uint16_t place = pane_place(view, index);
    if (place == view->pane_count || view->panes[place].index != (uint32_t)index) {
        enum dl_status status = DL_OK;
        if (view->pane_count == view->pane_capacity)
            status = resize_panes(windows, view,
                                  view->pane_capacity == 0 ? PANES_FIRST : (uint16_t)(view->pane_capacity * 2));
        if (status == DL_OK)
            status = dl_calendar_enter(windows, window, index, subject);
        if (status != DL_OK)
            return status;
        memmove(&view->panes[place + 1], &view->panes[place], (size_t)(view->pane_count - place) * sizeof *view->panes);
        view->panes[place] = (struct dl_pane){.index = (uint32_t)index};
        windows->views += view->pane_count == 0;
        view->pane_count++;
        owner->panes++;
        windows->panes++;
    }
    *place_of = place;
    return DL_OK;
}

/* Closes the first `count` panes. */
static void close_panes(struct dl_windows *windows, uint32_t subject, struct dl_view *view, uint16_t count)
{
    struct dl_subject *owner = windows->registry.subjects[subject];
    enum dl_status status = set_packed(windows, view, 0, count, NULL, 0);
    DL_ASSERT(status == DL_OK); /* it asks for no memory */
    view->pane_count = (uint16_t)(view->pane_count - count);
    memmove(view->panes, view->panes + count, view->pane_count * sizeof *view->panes);
    owner->panes -= count;
    windows->panes -= count;
    windows->views -= view->pane_count == 0;
    uint16_t capacity = view->pane_capacity;
    while (capacity > 0 && view->pane_count <= capacity / 4)
        capacity /= 2;
    /* Only growing may fail; that shrinking found no memory changes nothing. */
    if (capacity != view->pane_capacity && resize_panes(windows, view, capacity) != DL_OK)
        DL_ASSERT(view->pane_capacity >= view->pane_count);
    dl_registry_note_gone(&windows->registry, subject);
}

enum dl_status dl_windows_add_pane(struct dl_windows *windows, uint32_t subject, int w, int64_t index,
                                   const struct dl_tally *tally)
{
    const struct dl_window *window = &windows->window[w];
    DL_ASSERT(index > window->newest - DL_PANES && index <= window->newest + window->ahead);
    struct dl_view *view = &windows->registry.subjects[subject]->views[w];
    uint16_t place;
    enum dl_status status = dl_windows_follow(windows, subject, w);
    if (status == DL_OK)
        status = open_pane(windows, w, subject, index, &place);
    if (status != DL_OK || dl_tally_empty(tally))
        return status;
    if (view->panes[place].bytes == 0) {
        status = set_packed(windows, view, place, 1, tally->data, tally->bytes);
    } else {
        unsigned char packed[DL_PACKED_BYTES_MAX];
        const struct dl_tally before = dl_view_tally(view, place);
        status = set_packed(windows, view, place, 1, packed, dl_packed_merge(packed, &before, tally, 1));
    }
    if (status != DL_OK)
        return status;
    dl_changes_note(windows, subject, w, &view->panes[place]);
    /* Here and not where the total changes: an answer that moved to another pane
     * changes the trend and leaves the total as it is. */
    if (index <= window->newest)
        dl_windows_enqueue(windows, DL_QUEUE_DIRTY, subject, w);
    return DL_OK;
}

enum dl_status dl_windows_add_total(struct dl_windows *windows, uint32_t subject, int window, const struct dl_tally *tally)
{
    return add_tally(windows, &windows->registry.subjects[subject]->views[window].total, tally, 1);
}

enum dl_status dl_windows_restore_pane(struct dl_windows *windows, uint32_t subject, int w, int64_t index,
                                       const struct dl_tally *tally)
{
    const struct dl_window *window = &windows->window[w];
    DL_ASSERT(index > window->newest - DL_PANES && index <= window->newest + window->ahead);
    struct dl_subject *owner = dl_registry_get(&windows->registry, subject);
    if (dl_tally_empty(tally) && dl_windows_pane(windows, owner, w, index) < 0)
        return DL_OK;
    struct dl_view *view = &owner->views[w];
    uint16_t place;
    enum dl_status status = dl_windows_follow(windows, subject, w);
    if (status == DL_OK)
        status = open_pane(windows, w, subject, index, &place);
    if (status == DL_OK && index < window->newest) {
        const struct dl_tally before = dl_view_tally(view, place);
        status = add_tally(windows, &view->total, &before, -1);
        if (status == DL_OK)
            status = add_tally(windows, &view->total, tally, 1);
    }
    if (status == DL_OK && index <= window->newest)
        dl_windows_enqueue(windows, DL_QUEUE_DIRTY, subject, w);
    if (status == DL_OK)
        status = set_packed(windows, view, place, 1, tally->data, tally->bytes);
    if (status == DL_OK) {
        view->panes[place].changed = false;
        view->panes[place].taken = !dl_tally_empty(tally);
    }
    return status;
}

bool dl_windows_holds(const struct dl_windows *windows, const struct dl_subject *subject, int window)
{
    const struct dl_view *view = &subject->views[window];
    int place = dl_windows_pane(windows, subject, window, view->newest);
    return !dl_tally_empty(&view->total) || (place >= 0 && view->panes[place].bytes > 0);
}

int dl_windows_pane(const struct dl_windows *windows, const struct dl_subject *subject, int window, int64_t index)
{
    DL_ASSERT(window >= 0 && window < windows->count);
    const struct dl_view *view = &subject->views[window];
    uint16_t place = pane_place(view, index);
    return place < view->pane_count && view->panes[place].index == (uint32_t)index ? place : -1;
}

/* T moves */

/* What T's move does to the panes of a view. All are places. */
struct move {
    uint16_t leave;   /* those before it leave */
    uint16_t counted; /* those before it are in the total that is kept */
    uint16_t known;   /* those before it were at T, or before, when the view was there */
    uint16_t settled; /* those from `leave` to before it are to be in the total that is kept */
    uint16_t end;     /* those before it are at T, or before */
    bool changes;     /* the total at T */
};

static bool holds_something(const struct dl_view *view, uint16_t first, uint16_t end)
{
    for (uint16_t i = first; i < end; i++)
        if (view->panes[i].bytes > 0)
            return true;
    return false;
}

static uint16_t smaller(uint16_t a, uint16_t b)
{
    return a < b ? a : b;
}

static uint16_t larger(uint16_t a, uint16_t b)
{
    return a > b ? a : b;
}

static struct move look_at(const struct dl_window *window, const struct dl_view *view)
{
    int64_t before = window->newest + (int32_t)(view->newest - (uint32_t)window->newest);
    struct move move = {.counted = pane_place(view, before), .known = pane_place(view, before + 1),
                        .settled = pane_place(view, window->newest), .end = pane_place(view, window->newest + 1)};
    /* Most often it is one, or all. */
    while (move.leave < move.end && dl_windows_index(window, &view->panes[move.leave]) <= window->newest - DL_PANES)
        move.leave++;
    move.changes = holds_something(view, 0, smaller(move.leave, move.known)) ||
                   holds_something(view, larger(move.leave, move.known), move.end);
    return move;
}

static void sum_panes(struct dl_windows *windows, const struct dl_view *view, uint16_t first, uint16_t end, int sign)
{
    if (first >= end || view->packed_bytes == 0)
        return;
    const unsigned char *data = view->packed + packed_at(view, first);
    for (uint16_t i = first; i < end; data += view->panes[i++].bytes)
        dl_sum_add_packed(&windows->sum, data, view->panes[i].bytes, sign);
}

/* What the panes from move->leave to before `end` have that the total that is kept has not. `packed` is room for it. */
static struct dl_tally difference(struct dl_windows *windows, const struct dl_view *view, const struct move *move,
                                  uint16_t end, unsigned char *packed)
{
    if (move->leave == 0 && end == move->counted + 1) /* one that came: most often */
        return dl_view_tally(view, move->counted);
    sum_panes(windows, view, 0, smaller(move->leave, move->counted), -1);
    sum_panes(windows, view, larger(move->leave, move->counted), end, 1);
    size_t bytes = dl_sum_take(&windows->sum, packed);
    return (struct dl_tally){.data = bytes == 0 ? NULL : packed, .bytes = (uint32_t)bytes};
}

/* It is touched once. */
static enum dl_status move_total(struct dl_windows *windows, struct dl_view *view, const struct move *move)
{
    if (move->settled <= move->leave) { /* nothing stays */
        drop_tally(windows, &view->total);
        return DL_OK;
    }
    unsigned char packed[DL_PACKED_BYTES_MAX];
    const struct dl_tally change = difference(windows, view, move, move->settled, packed);
    return add_tally(windows, &view->total, &change, 1);
}

enum dl_status dl_windows_follow(struct dl_windows *windows, uint32_t subject, int w)
{
    const struct dl_window *window = &windows->window[w];
    struct dl_view *view = &windows->registry.subjects[subject]->views[w];
    if (view->newest == (uint32_t)window->newest)
        return DL_OK;
    const struct move move = look_at(window, view);
    enum dl_status status = dl_changes_reserve_gone(windows, move.leave);
    if (status == DL_OK)
        status = move_total(windows, view, &move);
    if (status != DL_OK)
        return status;
    view->newest = (uint32_t)window->newest;
    if (move.changes)
        dl_windows_enqueue(windows, DL_QUEUE_DIRTY, subject, w);
    for (uint16_t i = 0; i < move.leave; i++)
        dl_changes_note_gone(windows, subject, w, &view->panes[i]);
    if (move.leave > 0)
        close_panes(windows, subject, view, move.leave);
    return DL_OK;
}

enum dl_status dl_windows_follow_some(struct dl_windows *windows, size_t max, size_t *done)
{
    uint32_t subject;
    int w;
    while (*done < max && dl_calendar_next(windows, &subject, &w)) {
        const struct dl_subject *owner = windows->registry.subjects[subject];
        bool moves = owner != NULL && owner->views[w].newest != (uint32_t)windows->window[w].newest;
        enum dl_status status = moves ? dl_windows_follow(windows, subject, w) : DL_OK;
        if (status != DL_OK)
            return status;
        *done += moves ? DL_VIEW_COST : 1;
    }
    return DL_OK;
}

const struct dl_tally *dl_windows_total(struct dl_windows *windows, int64_t subject, int w)
{
    const struct dl_window *window = &windows->window[w];
    const struct dl_view *view = &dl_registry_get(&windows->registry, subject)->views[w];
    const struct move move = look_at(window, view);
    unsigned char packed[DL_PACKED_BYTES_MAX];
    const struct dl_tally change = difference(windows, view, &move, move.end, packed);
    if (change.bytes == 0)
        return &view->total;
    size_t bytes = dl_packed_merge(windows->look_packed, &view->total, &change, 1);
    windows->look = (struct dl_tally){.data = bytes == 0 ? NULL : windows->look_packed, .bytes = (uint32_t)bytes};
    return &windows->look;
}

static enum dl_status advance_window(struct dl_windows *windows, int w, int64_t newest)
{
    struct dl_window *window = &windows->window[w];
    while (newest - window->followed > FAR_PANES) {
        int64_t next = window->newest + FAR_PANES;
        size_t done = 0;
        dl_calendar_pass(windows, w, next < newest ? next : newest);
        enum dl_status status = dl_windows_follow_some(windows, SIZE_MAX, &done);
        if (status != DL_OK)
            return status;
    }
    if (newest > window->newest)
        dl_calendar_pass(windows, w, newest);
    return DL_OK;
}

enum dl_status dl_windows_advance(struct dl_windows *windows, int64_t now_ms)
{
    DL_ASSERT(now_ms >= windows->now_ms);
    for (int w = 0; w < windows->count; w++) {
        struct dl_window *window = &windows->window[w];
        int64_t newest = dl_floor_div(now_ms, window->pane_s * 1000);
        enum dl_status status = DL_OK;
        if (windows->now_ms == INT64_MIN)
            window->newest = window->entered = window->followed = newest;
        else
            status = advance_window(windows, w, newest);
        if (status != DL_OK)
            return status;
    }
    windows->now_ms = now_ms;
    windows->newest_s = (dl_floor_div(now_ms + DL_FUTURE_MS, windows->step_s * 1000) + 1) * windows->step_s - 1;
    return DL_OK;
}

int64_t dl_windows_oldest_s(const struct dl_windows *windows, uint32_t mask)
{
    int64_t first_s = INT64_MAX;
    for (int w = 0; w < windows->count; w++) {
        const struct dl_window *window = &windows->window[w];
        int64_t oldest_s = (window->newest - DL_PANES + 1) * window->pane_s;
        if (mask >> w & 1 && oldest_s < first_s)
            first_s = oldest_s;
    }
    return first_s;
}
