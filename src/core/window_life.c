/* Windows come and go: what window.c works on is made and freed here. */
#include "window.h"

#include <delight/time.h>

#include <stdlib.h>

static int64_t pane_s_of(int64_t window_ms)
{
    return window_ms / DL_PANES / 1000;
}

int64_t dl_common_step(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

int64_t dl_engine_step_s(const struct dl_engine_options *options)
{
    int64_t step_s = 0;
    for (int w = 0; w < options->windows; w++)
        step_s = dl_common_step(step_s, pane_s_of(options->window_ms[w]));
    return step_s;
}

enum dl_status dl_windows_init(struct dl_windows *windows, const struct dl_engine_options *options)
{
    *windows = (struct dl_windows){.count = options->windows, .step_s = dl_engine_step_s(options), .now_ms = INT64_MIN,
                                   .keeps_changes = options->keeps_changes};
    windows->changed.first = DL_NO_VIEW;
    for (int w = 0; w < windows->count; w++)
        windows->dirty[w].first = DL_NO_VIEW;
    enum dl_status status = dl_registry_init(&windows->registry, options);
    for (int w = 0; w < windows->count && status == DL_OK; w++) {
        struct dl_window *window = &windows->window[w];
        window->pane_s = pane_s_of(options->window_ms[w]);
        /* T and T + DL_FUTURE_MS are at most so many panes apart. */
        window->ahead = DL_FUTURE_MS / 1000 / window->pane_s + 1;
        window->day_count = DL_PANES + window->ahead;
        window->days = calloc((size_t)window->day_count, sizeof *window->days);
        if (window->days == NULL)
            status = DL_MEMORY;
        else
            windows->registry.bytes += dl_block_bytes((size_t)window->day_count * sizeof *window->days);
    }
    return status;
}

static void free_views(struct dl_windows *windows, struct dl_subject *subject)
{
    for (int w = 0; w < windows->count; w++) {
        struct dl_view *view = &subject->views[w];
        dl_tally_deinit(&view->total);
        dl_tally_deinit(&view->published);
        free(view->packed);
        free(view->panes);
    }
}

void dl_windows_deinit(struct dl_windows *windows)
{
    for (uint32_t id = 0; id < windows->registry.subject_count; id++)
        if (windows->registry.subjects[id] != NULL)
            free_views(windows, windows->registry.subjects[id]);
    dl_calendar_deinit(windows);
    dl_changes_deinit(windows);
    dl_registry_deinit(&windows->registry);
}
