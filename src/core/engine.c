#include <delight/engine.h>

#include "fanout.h"
#include "restore.h"

#include <delight/time.h>

#include <stdlib.h>

struct dl_engine {
    struct dl_windows windows;
    struct dl_fanout fanout;
    struct dl_tally look; /* what dl_engine_pane answered last */
};

const char *dl_kind_name(enum dl_kind kind)
{
    static const char *const names[DL_KINDS] = {
        [DL_KIND_ALL] = "all", [DL_KIND_JOURNEY] = "journey", [DL_KIND_JOURNEY_STAGE] = "journey_stage",
        [DL_KIND_STAGE] = "stage", [DL_KIND_TOUCHPOINT] = "touchpoint", [DL_KIND_FEATURE] = "feature",
    };
    DL_ASSERT(kind < DL_KINDS);
    return names[kind];
}

static void assert_valid(const struct dl_engine_options *options)
{
    const int64_t minute_ms = 60000;
    DL_ASSERT(options->windows >= 1 && options->windows <= DL_WINDOWS_MAX);
    for (int w = 0; w < options->windows; w++) {
        DL_ASSERT(options->window_ms[w] >= minute_ms && options->window_ms[w] <= 400 * 24 * 60 * minute_ms);
        DL_ASSERT(options->window_ms[w] % minute_ms == 0);
        for (int other = 0; other < w; other++)
            DL_ASSERT(options->window_ms[other] != options->window_ms[w]);
    }
    DL_ASSERT(options->segments >= 0 && options->segments <= DL_SEGMENTS_MAX);
    DL_ASSERT(options->subjects_max >= 0 && options->touchpoints_max >= 0 && options->stages_max >= 0);
    DL_ASSERT(options->journeys_max >= 0 && options->features_max >= 0 && options->segment_values_max >= 0);
}

struct dl_engine *dl_engine_create(const struct dl_engine_options *options)
{
    assert_valid(options);
    struct dl_engine *engine = malloc(sizeof *engine);
    if (engine == NULL)
        return NULL;
    dl_fanout_init(&engine->fanout);
    if (dl_windows_init(&engine->windows, options) != DL_OK) {
        dl_engine_destroy(engine);
        return NULL;
    }
    return engine;
}

void dl_engine_destroy(struct dl_engine *engine)
{
    if (engine == NULL)
        return;
    dl_windows_deinit(&engine->windows);
    dl_fanout_deinit(&engine->fanout);
    free(engine);
}

/* What is gathered may be all that a subject has. */
static void sweep(struct dl_engine *engine)
{
    if (dl_fanout_waiting(&engine->fanout) == 0)
        dl_registry_sweep(&engine->windows.registry);
}

enum dl_status dl_engine_begin_advance(struct dl_engine *engine, int64_t now_ms, size_t max)
{
    size_t done = 0;
    sweep(engine);
    dl_windows_turn(&engine->windows);
    enum dl_status status = dl_windows_advance(&engine->windows, now_ms);
    return status == DL_OK ? dl_windows_follow_some(&engine->windows, max, &done) : status;
}

enum dl_status dl_engine_advance(struct dl_engine *engine, int64_t now_ms)
{
    return dl_engine_begin_advance(engine, now_ms, SIZE_MAX);
}

int64_t dl_engine_now(const struct dl_engine *engine)
{
    return engine->windows.now_ms;
}

static enum dl_status each_of_batch(const void *tallies, dl_batch_on_tally *on_tally, void *context)
{
    return dl_batch_each(tallies, on_tally, context);
}

enum dl_status dl_engine_apply(struct dl_engine *engine, const struct dl_batch *batch)
{
    enum dl_status status = dl_engine_gather(engine, each_of_batch, batch, DL_ALL_WINDOWS);
    if (status == DL_OK)
        status = dl_engine_apply_some(engine, SIZE_MAX);
    return status == DL_EMPTY ? DL_OK : status;
}

enum dl_status dl_engine_gather(struct dl_engine *engine, dl_engine_each *each, const void *tallies, uint32_t windows)
{
    DL_ASSERT(engine->windows.now_ms != INT64_MIN);
    sweep(engine);
    dl_windows_turn(&engine->windows);
    return dl_fanout_gather(&engine->fanout, &engine->windows, each, tallies, windows);
}

enum dl_status dl_engine_apply_some(struct dl_engine *engine, size_t max)
{
    size_t done = 0;
    enum dl_status status = dl_windows_follow_some(&engine->windows, max, &done);
    if (status == DL_OK && done < max)
        return dl_fanout_apply(&engine->fanout, &engine->windows, max - done);
    return status == DL_OK && dl_engine_waiting(engine) == 0 ? DL_EMPTY : status;
}

size_t dl_engine_waiting(const struct dl_engine *engine)
{
    return dl_calendar_waiting(&engine->windows) + dl_fanout_waiting(&engine->fanout);
}

enum dl_status dl_engine_take_changes(struct dl_engine *engine, size_t max, dl_engine_on_pane *on_pane, void *context)
{
    DL_ASSERT(dl_engine_waiting(engine) == 0);
    return dl_changes_take(&engine->windows, max, on_pane, context);
}

size_t dl_engine_changes(const struct dl_engine *engine)
{
    return dl_windows_queued(&engine->windows, DL_QUEUE_CHANGED) + engine->windows.gone_count;
}

enum dl_status dl_engine_restore(struct dl_engine *engine, const struct dl_engine_pane *pane)
{
    static const struct dl_tally nothing;
    struct dl_windows *windows = &engine->windows;
    DL_ASSERT(windows->now_ms != INT64_MIN);
    const struct dl_tally *tally = pane->tally == NULL ? &nothing : pane->tally;
    int w = 0;
    while (w < windows->count && windows->window[w].pane_s * DL_PANES * 1000 != pane->window_ms)
        w++;
    if (w == windows->count || pane->index > dl_floor_div(windows->newest_s, windows->window[w].pane_s))
        return DL_INVALID;
    struct dl_subject_parts parts;
    int64_t known = dl_engine_find(engine, pane->subject.data, pane->subject.bytes);
    if (known < 0 && !dl_subject_parse(&windows->registry, pane->subject, &parts))
        return DL_INVALID;
    if (pane->index <= windows->window[w].newest - DL_PANES || (known < 0 && dl_tally_empty(tally)))
        return DL_OK;
    uint32_t id = (uint32_t)known;
    enum dl_status status = known >= 0 ? DL_OK : dl_subject_restore(&windows->registry, &parts, &id);
    return status == DL_OK ? dl_windows_restore_pane(windows, id, w, pane->index, tally) : status;
}

void dl_engine_set_oldest(struct dl_engine *engine, int64_t oldest_ms)
{
    engine->fanout.oldest_s = oldest_ms == INT64_MAX ? INT64_MAX : dl_floor_div(oldest_ms, 1000);
}

int64_t dl_engine_next_subject(const struct dl_engine *engine, int64_t id)
{
    const struct dl_registry *registry = &engine->windows.registry;
    for (id = id < 0 ? 0 : id; id < registry->subject_count; id++)
        if (registry->subjects[id] != NULL)
            return id;
    return -1;
}

void dl_engine_subject(const struct dl_engine *engine, int64_t id, struct dl_subject_info *info)
{
    const struct dl_subject *subject = dl_registry_get(&engine->windows.registry, id);
    *info = (struct dl_subject_info){.kind = subject->key.kind, .segment = subject->key.segment, .name = subject->name,
                                     .name_bytes = subject->name_bytes,
                                     .segment_part = subject->name + subject->segment_at};
}

int64_t dl_engine_find(const struct dl_engine *engine, const char *name, size_t bytes)
{
    return dl_registry_find(&engine->windows.registry, name, bytes);
}

static struct dl_view *view_of(const struct dl_engine *engine, int64_t id, int window)
{
    DL_ASSERT(window >= 0 && window < engine->windows.count);
    return &dl_registry_get(&engine->windows.registry, id)->views[window];
}

const struct dl_tally *dl_engine_total(const struct dl_engine *engine, int64_t id, int window)
{
    DL_ASSERT(window >= 0 && window < engine->windows.count);
    /* What asking may change is scratch memory; every engine is made by dl_engine_create, so none is const itself. */
    return dl_windows_total((struct dl_windows *)(uintptr_t)&engine->windows, id, window);
}

/* Index of a window's pane at T, counted since 1970. */
static int64_t pane_index(const struct dl_engine *engine, int window, int index)
{
    DL_ASSERT(window >= 0 && window < engine->windows.count && index >= 0 && index < DL_PANES);
    DL_ASSERT(engine->windows.now_ms != INT64_MIN);
    return engine->windows.window[window].newest - DL_PANES + 1 + index;
}

const struct dl_tally *dl_engine_pane(const struct dl_engine *engine, int64_t id, int window, int index)
{
    const struct dl_subject *subject = dl_registry_get(&engine->windows.registry, id);
    int place = dl_windows_pane(&engine->windows, subject, window, pane_index(engine, window, index));
    /* As dl_engine_total. */
    struct dl_tally *look = &((struct dl_engine *)(uintptr_t)engine)->look;
    *look = place < 0 ? (struct dl_tally){.data = NULL} : dl_view_tally(&subject->views[window], place);
    return dl_tally_empty(look) ? NULL : look;
}

int64_t dl_engine_pane_start(const struct dl_engine *engine, int window, int index)
{
    return pane_index(engine, window, index) * engine->windows.window[window].pane_s * 1000;
}

enum dl_status dl_engine_take_dirty(struct dl_engine *engine, int64_t *id, int *window)
{
    uint32_t subject;
    if (!dl_windows_first(&engine->windows, DL_QUEUE_DIRTY, &subject, window))
        return DL_EMPTY;
    /* Or it would be dirty once more for a move that its reader has seen. */
    enum dl_status status = dl_windows_follow(&engine->windows, subject, *window);
    if (status != DL_OK)
        return status;
    dl_windows_dequeue(&engine->windows, DL_QUEUE_DIRTY);
    *id = subject;
    return DL_OK;
}

void dl_engine_mark_dirty(struct dl_engine *engine, int64_t id, int window)
{
    DL_ASSERT(view_of(engine, id, window) != NULL);
    dl_windows_turn(&engine->windows); /* behind all that are dirty by now */
    dl_windows_enqueue(&engine->windows, DL_QUEUE_DIRTY, (uint32_t)id, window);
}

void dl_engine_mark_all_dirty(struct dl_engine *engine)
{
    dl_windows_turn(&engine->windows);
    for (int64_t id = dl_engine_next_subject(engine, 0); id >= 0; id = dl_engine_next_subject(engine, id + 1))
        for (int w = 0; w < engine->windows.count; w++) {
            /* One that has not moved will be dirty when it does, if that changes it. */
            if (dl_windows_holds(&engine->windows, dl_registry_get(&engine->windows.registry, id), w) ||
                !dl_tally_empty(&view_of(engine, id, w)->published))
                dl_windows_enqueue(&engine->windows, DL_QUEUE_DIRTY, (uint32_t)id, w);
        }
}

size_t dl_engine_dirty(const struct dl_engine *engine)
{
    return dl_windows_queued(&engine->windows, DL_QUEUE_DIRTY);
}

const struct dl_tally *dl_engine_published(const struct dl_engine *engine, int64_t id, int window)
{
    return &view_of(engine, id, window)->published;
}

enum dl_status dl_engine_set_published(struct dl_engine *engine, int64_t id, int window, const struct dl_tally *total)
{
    DL_ASSERT(view_of(engine, id, window) != NULL);
    return dl_windows_set_published(&engine->windows, (uint32_t)id, window, total);
}

void dl_engine_forget_published(struct dl_engine *engine)
{
    for (int64_t id = dl_engine_next_subject(engine, 0); id >= 0; id = dl_engine_next_subject(engine, id + 1))
        for (int w = 0; w < engine->windows.count; w++)
            dl_windows_forget_published(&engine->windows, (uint32_t)id, w);
}

/* What waits for T in the shortest window. */
static int64_t pending(const struct dl_engine *engine)
{
    int64_t id = dl_engine_find(engine, "all", 3);
    if (id < 0)
        return 0;
    int shortest = 0;
    for (int w = 1; w < engine->windows.count; w++)
        if (engine->windows.window[w].pane_s < engine->windows.window[shortest].pane_s)
            shortest = w;
    const struct dl_view *view = view_of(engine, id, shortest);
    const struct dl_window *window = &engine->windows.window[shortest];
    int64_t events = 0;
    for (uint16_t i = view->pane_count; i > 0 && dl_windows_index(window, &view->panes[i - 1]) > window->newest; i--) {
        const struct dl_tally tally = dl_view_tally(view, i - 1);
        events += dl_tally_get(&tally, DL_COUNT_EVENTS);
    }
    return events;
}

void dl_engine_counts(const struct dl_engine *engine, struct dl_engine_counts *counts)
{
    const struct dl_fanout *fanout = &engine->fanout;
    const struct dl_windows *windows = &engine->windows;
    *counts = (struct dl_engine_counts){
        .oldest_ms = fanout->oldest_s == INT64_MAX ? INT64_MAX : fanout->oldest_s * 1000,
        .late = fanout->late, .ahead = fanout->ahead, .pending = pending(engine),
        .over_segment_values = fanout->over_segment_values, .over_subjects = fanout->over_subjects,
        .subjects = windows->registry.subjects_live, .views = windows->views, .panes = windows->panes,
        .bytes = windows->registry.bytes + dl_fanout_bytes(fanout) + dl_block_bytes(sizeof *engine),
    };
    for (int kind = 0; kind < DL_KINDS; kind++)
        counts->over_cap[kind] = fanout->over_cap[kind];
}
