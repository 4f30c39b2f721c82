/* Walks over all subjects: trends when a pane has closed, and whole rewrites
 * before hashes expire. Both are spread out, so that scores go first. */
#include "view.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    TREND_SLICE_NS = 5000000,   /* of the loop's time, per round */
    REFRESHES_PER_WINDOW = 3    /* a hash lives for a window's length and is written again after a third */
};

uint32_t dl_trend_pane(const struct dl_view *view, int window)
{
    return (uint32_t)(dl_engine_pane_start(view->engine, window, DL_PANES - 1) / 1000);
}

uint64_t dl_trend_closed(const struct dl_view *view, int64_t id, int window)
{
    uint64_t hash = 0;
    for (int pane = 0; pane < DL_PANES - 1; pane++) {
        const struct dl_tally *tally = dl_engine_pane(view->engine, id, window, pane);
        if (tally && tally->bytes > 0)
            hash = hash * UINT64_C(0x9E3779B97F4A7C15) + XXH3_64bits_withSeed(tally->data, tally->bytes, (uint64_t)pane + 1);
    }
    return hash;
}

void dl_trends_due(struct dl_view *view, int window)
{
    struct dl_walk *walk = &view->trends[window];
    /* The lap under way may have passed the view already. */
    walk->laps = walk->laps == 0 ? 1 : 2;
}

void dl_trends_tick(struct dl_view *view)
{
    if (view->options.trend_measure_count == 0 || dl_engine_now(view->engine) == INT64_MIN)
        return;
    for (int window = 0; window < view->options.windows; window++) {
        uint32_t pane_s = dl_trend_pane(view, window);
        if (view->trends[window].pane_s != pane_s) {
            view->trends[window].pane_s = pane_s;
            dl_trends_due(view, window);
        }
    }
}

static void write_trend(struct dl_view *view, int64_t id, int window, struct dl_mark *mark)
{
    const struct dl_view_options *options = &view->options;
    dl_text_clear(&view->scratch);
    enum dl_status status = dl_json_trend(&view->scratch, view->engine, id, window, options->window_ms[window],
                                          options->trend_measures, options->trend_measure_count, &options->score);
    if (status != DL_OK || view->scratch.failed) {
        dl_text_deinit(&view->scratch);
        dl_view_refused(view, "out of memory");
        return;
    }
    struct dl_subject_info info;
    dl_engine_subject(view->engine, id, &info);
    dl_command_begin(view, "SET");
    dl_chunk_item(view, id, window);
    dl_key_trend(view, &info, window);
    dl_argument_add(view, view->scratch.data, view->scratch.bytes);
    if (options->expire) {
        dl_argument_text(view, "PX");
        dl_argument_number(view, options->window_ms[window]);
    }
    dl_command_end(view);
    mark->closed = dl_trend_closed(view, id, window);
    mark->pane_s = dl_trend_pane(view, window);
    mark->late = false;
}

/* The next subject of the walk. false: a whole lap is over and no other is due. */
static bool visit(struct dl_view *view, int window, size_t *written)
{
    struct dl_walk *walk = &view->trends[window];
    int64_t id = dl_engine_next_subject(view->engine, walk->cursor);
    if (id < 0) {
        walk->cursor = 0;
        return --walk->laps > 0;
    }
    walk->cursor = id + 1;
    /* Not before its hash is there; that publish asks for the trend, too. */
    if (dl_tally_empty(dl_engine_total(view->engine, id, window)) ||
        dl_tally_empty(dl_engine_published(view->engine, id, window)))
        return true;
    struct dl_mark *mark = dl_view_mark(view, id, window);
    if (mark && (mark->late || mark->pane_s != dl_trend_pane(view, window))) {
        write_trend(view, id, window, mark);
        ++*written;
    }
    return true;
}

void dl_trends_step(struct dl_view *view, size_t under_way_max, size_t trends_max)
{
    if (view->options.trend_measure_count == 0 || dl_engine_now(view->engine) == INT64_MIN)
        return;
    uint64_t start = uv_hrtime();
    size_t written = 0;
    /* Where the last step stopped, so that a busy short window does not starve the others. */
    for (int i = 0; i < view->options.windows; i++) {
        while (view->trends[view->trend_window].laps > 0) {
            if (written >= trends_max || uv_hrtime() - start > TREND_SLICE_NS || !dl_chunk_room(view, under_way_max))
                return;
            if (!visit(view, view->trend_window, &written))
                break;
        }
        view->trend_window = (view->trend_window + 1) % view->options.windows;
    }
}

void dl_refresh_tick(struct dl_view *view, int64_t elapsed_ms)
{
    if (!view->options.expire)
        return;
    struct dl_engine_counts counts;
    dl_engine_counts(view->engine, &counts);
    for (int window = 0; window < view->options.windows; window++) {
        struct dl_walk *walk = &view->refreshes[window];
        walk->owed += (double)counts.subjects * (double)elapsed_ms * (double)REFRESHES_PER_WINDOW /
                      (double)view->options.window_ms[window];
        if (walk->owed > (double)counts.subjects)
            walk->owed = (double)counts.subjects; /* once round is enough after a pause */
        for (; walk->owed >= 1; walk->owed--) {
            int64_t id = dl_engine_next_subject(view->engine, walk->cursor);
            walk->cursor = id < 0 ? 0 : id + 1;
            if (id < 0 || dl_tally_empty(dl_engine_published(view->engine, id, window)))
                continue;
            struct dl_mark *mark = dl_view_mark(view, id, window);
            if (!mark)
                continue;
            mark->full = true;
            dl_engine_mark_dirty(view->engine, id, window);
        }
    }
}
