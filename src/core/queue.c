/* Queues of views: those that are dirty, window by window, and those with changed
 * panes. A view is linked into each of them itself, so that nothing is allocated. */
#include "window.h"

static struct dl_view *view_of(const struct dl_windows *windows, uint32_t reference)
{
    uint32_t count = (uint32_t)windows->count;
    return &windows->registry.subjects[reference / count]->views[reference % count];
}

void dl_windows_turn(struct dl_windows *windows)
{
    windows->turn++;
}

static struct dl_view_queue *queue_of(struct dl_windows *windows, enum dl_queue kind, int window)
{
    return kind == DL_QUEUE_DIRTY ? &windows->dirty[window] : &windows->changed;
}

void dl_windows_enqueue(struct dl_windows *windows, enum dl_queue kind, uint32_t subject, int window)
{
    struct dl_view_queue *queue = queue_of(windows, kind, window);
    struct dl_subject *owner = dl_registry_get(&windows->registry, subject);
    struct dl_view *view = &owner->views[window];
    if (view->queued[kind])
        return;
    uint32_t reference = subject * (uint32_t)windows->count + (uint32_t)window;
    view->queued[kind] = true;
    view->next[kind] = DL_NO_VIEW;
    if (kind == DL_QUEUE_DIRTY)
        view->turn = windows->turn;
    if (queue->first == DL_NO_VIEW)
        queue->first = reference;
    else
        view_of(windows, queue->last)->next[kind] = reference;
    queue->last = reference;
    queue->views++;
    owner->waiting++;
}

/* DL_NO_VIEW: the queue is empty. */
static uint32_t first_of(const struct dl_windows *windows, enum dl_queue kind)
{
    if (kind == DL_QUEUE_CHANGED)
        return windows->changed.first;
    uint32_t oldest = DL_NO_VIEW;
    uint32_t age = 0;
    for (int w = 0; w < windows->count; w++) {
        uint32_t first = windows->dirty[w].first;
        /* Turns wrap around; a difference does not. */
        if (first != DL_NO_VIEW && (oldest == DL_NO_VIEW || windows->turn - view_of(windows, first)->turn > age)) {
            oldest = first;
            age = windows->turn - view_of(windows, first)->turn;
        }
    }
    return oldest;
}

bool dl_windows_first(const struct dl_windows *windows, enum dl_queue kind, uint32_t *subject, int *window)
{
    uint32_t reference = first_of(windows, kind);
    if (reference == DL_NO_VIEW)
        return false;
    *subject = reference / (uint32_t)windows->count;
    *window = (int)(reference % (uint32_t)windows->count);
    return true;
}

size_t dl_windows_queued(const struct dl_windows *windows, enum dl_queue kind)
{
    if (kind == DL_QUEUE_CHANGED)
        return windows->changed.views;
    size_t views = 0;
    for (int w = 0; w < windows->count; w++)
        views += windows->dirty[w].views;
    return views;
}

void dl_windows_dequeue(struct dl_windows *windows, enum dl_queue kind)
{
    uint32_t first = first_of(windows, kind);
    uint32_t subject = first / (uint32_t)windows->count;
    struct dl_view_queue *queue = queue_of(windows, kind, (int)(first % (uint32_t)windows->count));
    struct dl_view *view = view_of(windows, first);
    queue->first = view->next[kind];
    queue->views--;
    view->queued[kind] = false;
    windows->registry.subjects[subject]->waiting--;
    dl_registry_note_gone(&windows->registry, subject);
}
