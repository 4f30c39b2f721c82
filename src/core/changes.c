/* What has changed since it was last taken: views with changed panes in a queue,
 * and a list of the panes that were taken and have left since. Both hold their
 * subject, so that a name is at hand until its last change is taken. A key is
 * told of at most once: the list has panes behind the window, views those in it. */
#include "window.h"

#include <stdlib.h>

enum { GONE_FIRST = 64 };

void dl_changes_note(struct dl_windows *windows, uint32_t subject, int window, struct dl_pane *pane)
{
    if (!windows->keeps_changes)
        return;
    pane->changed = true;
    dl_windows_enqueue(windows, DL_QUEUE_CHANGED, subject, window);
}

static int64_t gone_bytes(size_t capacity)
{
    return dl_block_bytes(capacity * sizeof(struct dl_gone));
}

enum dl_status dl_changes_reserve_gone(struct dl_windows *windows, size_t panes)
{
    if (!windows->keeps_changes || windows->gone_count + panes <= windows->gone_capacity)
        return DL_OK;
    size_t capacity = windows->gone_capacity == 0 ? GONE_FIRST : windows->gone_capacity * 2;
    if (capacity < windows->gone_count + panes)
        capacity = windows->gone_count + panes;
    struct dl_gone *gone = realloc(windows->gone, capacity * sizeof *gone);
    if (gone == NULL)
        return DL_MEMORY;
    windows->registry.bytes += gone_bytes(capacity) - gone_bytes(windows->gone_capacity);
    windows->gone = gone;
    windows->gone_capacity = capacity;
    return DL_OK;
}

void dl_changes_note_gone(struct dl_windows *windows, uint32_t subject, int window, const struct dl_pane *pane)
{
    if (!windows->keeps_changes || !pane->taken)
        return;
    DL_ASSERT(windows->gone_count < windows->gone_capacity);
    windows->gone[windows->gone_count++] =
        (struct dl_gone){.index = dl_windows_index(&windows->window[window], pane),
                         .view = subject * (uint32_t)windows->count + (uint32_t)window};
    windows->registry.subjects[subject]->waiting++;
}

void dl_changes_deinit(struct dl_windows *windows)
{
    windows->registry.bytes -= gone_bytes(windows->gone_capacity);
    free(windows->gone);
    windows->gone = NULL;
    windows->gone_count = windows->gone_capacity = 0;
}

/* One call of dl_changes_take. */
struct take {
    struct dl_windows *windows;
    size_t told, max;
    dl_engine_on_pane *on_pane;
    void *context;
};

static enum dl_status tell(struct take *take, uint32_t id, int w, int64_t index, const struct dl_tally *tally)
{
    const struct dl_subject *subject = dl_registry_get(&take->windows->registry, id);
    const struct dl_engine_pane pane = {.subject = {.data = subject->name, .bytes = subject->name_bytes},
                                        .window_ms = take->windows->window[w].pane_s * DL_PANES * 1000, .index = index,
                                        .tally = tally};
    enum dl_status status = take->on_pane(take->context, &pane);
    take->told += status == DL_OK;
    return status;
}

static enum dl_status take_gone(struct take *take)
{
    struct dl_windows *windows = take->windows;
    uint32_t count = (uint32_t)windows->count;
    while (windows->gone_count > 0 && take->told < take->max) {
        const struct dl_gone *gone = &windows->gone[windows->gone_count - 1];
        uint32_t subject = gone->view / count;
        enum dl_status status = tell(take, subject, (int)(gone->view % count), gone->index, NULL);
        if (status != DL_OK)
            return status;
        windows->gone_count--;
        windows->registry.subjects[subject]->waiting--;
        dl_registry_note_gone(&windows->registry, subject);
    }
    if (windows->gone_count == 0)
        dl_changes_deinit(windows); /* after a jump of T it was large */
    return DL_OK;
}

/* A pane in which all has cancelled out is told of as gone, and forgotten. */
static enum dl_status take_view(struct take *take, uint32_t subject, int w)
{
    const struct dl_view *view = &dl_registry_get(&take->windows->registry, subject)->views[w];
    for (uint16_t i = 0; i < view->pane_count; i++) {
        struct dl_pane *pane = &view->panes[i];
        bool empty = pane->bytes == 0;
        if (!pane->changed)
            continue;
        if (!empty || pane->taken) {
            int64_t index = dl_windows_index(&take->windows->window[w], pane);
            const struct dl_tally tally = dl_view_tally(view, i);
            enum dl_status status = tell(take, subject, w, index, empty ? NULL : &tally);
            if (status != DL_OK)
                return status;
        }
        pane->changed = false;
        pane->taken = !empty;
    }
    return DL_OK;
}

enum dl_status dl_changes_take(struct dl_windows *windows, size_t max, dl_engine_on_pane *on_pane, void *context)
{
    DL_ASSERT(max > 0);
    struct take take = {.windows = windows, .max = max, .on_pane = on_pane, .context = context};
    enum dl_status status = take_gone(&take);
    uint32_t subject;
    int w;
    while (status == DL_OK && take.told < max && dl_windows_first(windows, DL_QUEUE_CHANGED, &subject, &w)) {
        status = take_view(&take, subject, w);
        if (status == DL_OK)
            dl_windows_dequeue(windows, DL_QUEUE_CHANGED);
    }
    if (status != DL_OK)
        return status;
    return windows->gone_count == 0 && dl_windows_queued(windows, DL_QUEUE_CHANGED) == 0 ? DL_EMPTY : DL_OK;
}
