#include "view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t dl_view_now(const struct dl_view *view)
{
    return uv_now(view->loop);
}

int64_t dl_view_wall(const struct dl_view *view)
{
    return view->wall_ms + (int64_t)(dl_view_now(view) - view->wall_at_ms);
}

/* ---- Marks ---- */

struct dl_mark *dl_view_mark(struct dl_view *view, int64_t id, int window)
{
    size_t windows = (size_t)view->options.windows;
    if ((size_t)id >= view->mark_subjects) {
        size_t subjects = view->mark_subjects ? view->mark_subjects : 64;
        while (subjects <= (size_t)id)
            subjects *= 2;
        struct dl_mark *marks = realloc(view->marks, subjects * windows * sizeof *marks);
        if (!marks)
            return NULL;
        memset(marks + view->mark_subjects * windows, 0, (subjects - view->mark_subjects) * windows * sizeof *marks);
        view->marks = marks;
        view->mark_subjects = subjects;
    }
    return &view->marks[(size_t)id * windows + (size_t)window];
}

void dl_view_marks_reset(struct dl_view *view)
{
    if (view->marks)
        memset(view->marks, 0, view->mark_subjects * (size_t)view->options.windows * sizeof *view->marks);
}

void dl_view_doubt(struct dl_view *view, int64_t id, int window)
{
    /* The subject may have died since, and its id may even be another's now: a whole write does no
     * harm to that one, and the sweep removes what is left of the first. */
    if (dl_engine_next_subject(view->engine, id) != id)
        return;
    struct dl_mark *mark = dl_view_mark(view, id, window);
    if (mark)
        *mark = (struct dl_mark){.full = true};
    else
        view->republish = true;
    dl_engine_mark_dirty(view->engine, id, window);
}

void dl_view_refused(struct dl_view *view, const char *why)
{
    uint64_t now = dl_view_now(view);
    view->sweep_after_failing = true;
    view->failed_ms = now;
    /* Redis 7 ends with the script's hash and line, which depend on the command that was first. */
    char reason[sizeof view->refused];
    const char *place = strstr(why, " script: ");
    snprintf(reason, sizeof reason, "%.*s", (int)(place ? place - why : (ptrdiff_t)strlen(why)), why);
    /* Which command and key, behind the bracket, may differ each time; it is said once. */
    char *which = strstr(reason, " (");
    size_t bytes = which ? (size_t)(which - reason) : strlen(reason);
    if (strncmp(view->refused, reason, bytes) != 0 || view->refused[bytes] != '\0') {
        dl_note(view->options.redis.notes, DL_NOTE_ERROR, "redis refused what was published; it is retried",
                DL_TEXT("detail", reason));
        memcpy(view->refused, reason, bytes);
        view->refused[bytes] = '\0';
    }
    /* All chunks under way may be refused for one reason: that is one step. */
    if (view->failing && now < view->hold_until_ms)
        return;
    view->failing = true;
    view->hold_until_ms = now + (uint64_t)view->retry_ms;
    view->retry_ms = view->retry_ms * 2 < DL_VIEW_RETRY_MS_MAX ? view->retry_ms * 2 : DL_VIEW_RETRY_MS_MAX;
}

/* ---- Rounds ---- */

/* What is dirty now is due. */
static void begin_round(struct dl_view *view)
{
    uint64_t now = dl_view_now(view);
    if (view->quota == 0)
        view->quota_since_ms = now;
    else if (view->quota_first == view->quota)
        view->rest_since_ms = now;
    view->quota = dl_engine_dirty(view->engine);
    if (view->quota_first == 0)
        view->quota_first = view->quota;
}

static void end_round(struct dl_view *view)
{
    view->quota = view->quota_first = view->republish_left = 0;
}

static void count_taken(struct dl_view *view)
{
    view->quota--;
    if (--view->quota_first == 0) {
        view->quota_first = view->quota;
        view->quota_since_ms = view->rest_since_ms;
    }
}

static void begin_republish(struct dl_view *view)
{
    view->republish = false;
    view->known = false;
    view->epoch++;
    dl_builder_clear(view);
    dl_text_clear(&view->changed);
    view->changed_keys = 0;
    dl_sweep_stop(view);
    dl_engine_forget_published(view->engine);
    dl_view_marks_reset(view);
    dl_engine_mark_all_dirty(view->engine);
    view->quota = view->quota_first = view->republish_left = dl_engine_dirty(view->engine);
    view->sweep_armed = view->republish_left == 0;
    view->sweep_after = view->next_sequence;
    view->meta_due = view->meta_whole = true;
}

static void take_dirty(struct dl_view *view)
{
    while (view->quota > 0 && dl_chunk_room(view, DL_CHUNKS_MAX - 1)) {
        int64_t id;
        int window;
        enum dl_status status = dl_engine_take_dirty(view->engine, &id, &window);
        if (status == DL_MEMORY)
            dl_view_refused(view, "out of memory");
        if (status != DL_OK) {
            end_round(view);
            return;
        }
        count_taken(view);
        dl_publish_one(view, id, window);
        if (++view->since_aside >= DL_ASIDE_EVERY) {
            view->since_aside = 0;
            dl_sweep_step(view, DL_CHUNKS_MAX - 1, DL_ASIDE_SWEEPS);
            dl_trends_step(view, DL_CHUNKS_MAX - 1, DL_ASIDE_TRENDS);
        }
        if (view->republish_left > 0 && --view->republish_left == 0) {
            view->sweep_armed = true;
            view->sweep_after = view->next_sequence; /* the chunk that is being built */
        }
    }
}

void dl_view_pump(struct dl_view *view)
{
    if (!view->started || view->fenced || view->left || view->closing || !dl_redis_up(view->redis) ||
        dl_view_now(view) < view->hold_until_ms)
        return;
    if (view->republish)
        begin_republish(view);
    if (view->meta_due && dl_chunk_room(view, DL_CHUNKS_MAX - 1))
        dl_meta_write(view);
    take_dirty(view);
    if (view->quota == 0) {
        dl_sweep_step(view, DL_ASIDE_CHUNKS_MAX, SIZE_MAX);
        dl_trends_step(view, DL_ASIDE_CHUNKS_MAX, SIZE_MAX);
    }
    if (view->builder.stalled)
        return;
    dl_publish_changed_flush(view);
    /* Any answer tells what a heartbeat would. */
    if (view->builder.commands > 0 || (view->beat_due && view->under_way == 0))
        dl_chunk_send(view);
}

/* A chunk without commands: its answer says whether the newer owner is still there. */
static void look_past_fence(struct dl_view *view, uint64_t now)
{
    if (now < view->fenced_look_ms || view->under_way > 0 || !dl_redis_up(view->redis))
        return;
    view->fenced_look_ms = now + DL_FENCED_LOOK_MS;
    view->known = false;
    dl_chunk_send(view);
}

void dl_view_publish(struct dl_view *view, int64_t now_ms, const struct dl_view_status *status)
{
    uint64_t now = dl_view_now(view);
    /* Of the wall clock, as Redis's expiry is; a step back counts as no time. */
    int64_t elapsed = view->started && now_ms > view->wall_ms ? now_ms - view->wall_ms : 0;
    view->wall_ms = now_ms;
    view->wall_at_ms = now;
    view->status = *status;
    snprintf(view->roles, sizeof view->roles, "%s", status->roles ? status->roles : "");
    view->started = true;
    if (view->fenced) {
        look_past_fence(view, now);
        return;
    }
    if (!status->draining) { /* what only time makes due has no end */
        dl_trends_tick(view);
        dl_refresh_tick(view, elapsed);
    }
    begin_round(view);
    if (!dl_redis_up(view->redis))
        return;
    view->counts.publishes++;
    view->beat_due = !status->draining;
    dl_view_pump(view);
}

void dl_view_leave(struct dl_view *view)
{
    if (!view->started || view->fenced || view->left || view->closing || !dl_redis_up(view->redis))
        return;
    dl_command_begin(view, "DEL");
    dl_argument_add(view, view->owner_key.data, view->owner_key.end);
    dl_key_plain(view, "instance:", view->options.instance); /* nobody takes it for alive */
    dl_command_end(view);
    view->left = dl_chunk_send(view);
}

static void on_meta(uv_timer_t *timer)
{
    struct dl_view *view = timer->data;
    view->meta_due = true;
    dl_view_pump(view);
}

/* ---- The link ---- */

static void on_up(void *context)
{
    struct dl_view *view = context;
    view->republish = true;
    view->hold_until_ms = 0;
    view->retry_ms = DL_VIEW_RETRY_MS_MIN; /* what another Redis refused says nothing of this one */
    dl_view_pump(view);
}

static void on_down(void *context)
{
    struct dl_view *view = context;
    view->counts.reconnects++;
    view->republish = true;
    dl_builder_clear(view);
    dl_sweep_stop(view);
    if (view->quota == 0) {
        /* Something is missing from now on, even if nothing changes. */
        begin_round(view);
    }
}

/* ---- Lifecycle ---- */

static bool copy_text(const char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return !text || *out;
}

static void free_text(const char *text)
{
    free((char *)(uintptr_t)text);
}

/* What dl_view_reconfigure may change. The old values stay when memory lacks. */
static enum dl_status adopt(struct dl_view *view, const struct dl_view_options *options)
{
    size_t ranks = options->rank_measure_count, trends = options->trend_measure_count;
    int *measures = malloc((ranks + trends + 1) * sizeof *measures);
    const char *catalogue;
    if (!copy_text(&catalogue, options->catalogue_json) || !measures) {
        free_text(catalogue);
        free(measures);
        return DL_MEMORY;
    }
    if (ranks > 0)
        memcpy(measures, options->rank_measures, ranks * sizeof *measures);
    if (trends > 0)
        memcpy(measures + ranks, options->trend_measures, trends * sizeof *measures);
    free(view->measures);
    free_text(view->options.catalogue_json);
    view->measures = measures;
    view->options.rank_measures = measures;
    view->options.rank_measure_count = ranks;
    view->options.trend_measures = measures + ranks;
    view->options.trend_measure_count = trends;
    view->options.rank_min_n = options->rank_min_n;
    view->options.score = options->score;
    view->options.catalogue_json = catalogue;
    return DL_OK;
}

enum dl_status dl_view_reconfigure(struct dl_view *view, const struct dl_view_options *options)
{
    enum dl_status status = adopt(view, options);
    if (status == DL_OK) {
        view->republish = true;
        for (int window = 0; window < view->options.windows; window++)
            dl_trends_due(view, window);
    }
    return status;
}

static void destroy(struct dl_view *view)
{
    dl_chunk_deinit(view);
    dl_sweep_deinit(view);
    dl_text_deinit(&view->changed);
    dl_text_deinit(&view->scratch);
    dl_bytes_free(&view->owner_key);
    free_text(view->options.prefix);
    free_text(view->options.instance);
    free_text(view->options.version);
    free_text(view->options.catalogue_json);
    for (int segment = 0; segment < view->options.segments; segment++)
        free_text(view->options.segment[segment]);
    free(view->measures);
    free(view->marks);
    free(view);
}

static bool copy_options(struct dl_view *view, const struct dl_view_options *options)
{
    view->options = *options;
    view->options.catalogue_json = NULL;
    view->options.rank_measures = view->options.trend_measures = NULL;
    bool good = copy_text(&view->options.prefix, options->prefix);
    good = copy_text(&view->options.instance, options->instance) && good;
    good = copy_text(&view->options.version, options->version) && good;
    for (int segment = 0; segment < options->segments; segment++)
        good = copy_text(&view->options.segment[segment], options->segment[segment]) && good;
    for (int window = 0; window < options->windows; window++)
        dl_duration_format(view->window_text[window], sizeof view->window_text[window], options->window_ms[window]);
    return good && adopt(view, options) == DL_OK && dl_bytes_append(&view->owner_key, options->prefix, strlen(options->prefix)) &&
           dl_bytes_append(&view->owner_key, ":owner", 6) && dl_chunk_init(view);
}

enum dl_status dl_view_open(struct dl_view **out, uv_loop_t *loop, const struct dl_view_options *options,
                            struct dl_engine *engine, int64_t token)
{
    DL_ASSERT(token >= 0 && token < INT64_C(1) << 53);
    DL_ASSERT(options->windows >= 1 && options->windows <= DL_WINDOWS_MAX && options->segments <= DL_SEGMENTS_MAX);
    *out = NULL;
    struct dl_view *view = calloc(1, sizeof *view);
    if (!view)
        return DL_MEMORY;
    view->loop = loop;
    view->engine = engine;
    view->retry_ms = DL_VIEW_RETRY_MS_MIN;
    snprintf(view->token, sizeof view->token, "%" PRId64, token);
    enum dl_status status = DL_MEMORY;
    if (copy_options(view, options)) {
        const struct dl_redis_callbacks callbacks = {.on_up = on_up, .on_down = on_down, .context = view};
        status = dl_redis_open(&view->redis, loop, &options->redis, &callbacks);
    }
    if (status != DL_OK) {
        destroy(view);
        return status;
    }
    uv_timer_init(loop, &view->meta);
    view->meta.data = view;
    view->handles = 2;
    uv_timer_start(&view->meta, on_meta, DL_META_MS, DL_META_MS);
    *out = view;
    return DL_OK;
}

static void release(struct dl_view *view)
{
    if (--view->handles > 0)
        return;
    void (*on_closed)(void *) = view->on_closed;
    void *closed_context = view->closed_context;
    destroy(view);
    if (on_closed)
        on_closed(closed_context);
}

static void on_link_closed(void *context)
{
    release(context);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void dl_view_close(struct dl_view *view, void (*on_closed)(void *context), void *context)
{
    DL_ASSERT(!view->closing);
    view->closing = true;
    view->on_closed = on_closed;
    view->closed_context = context;
    dl_redis_close(view->redis, on_link_closed, view);
    uv_close((uv_handle_t *)&view->meta, on_timer_closed);
}

/* ---- What others may know ---- */

bool dl_view_settled(const struct dl_view *view)
{
    if (view->fenced)
        return true;
    if (view->left)
        return view->under_way == 0;
    return !view->republish && view->under_way == 0 && view->builder.commands == 0 && dl_engine_dirty(view->engine) == 0;
}

bool dl_view_up(const struct dl_view *view)
{
    return dl_redis_up(view->redis);
}

bool dl_view_failing(const struct dl_view *view)
{
    return view->failing;
}

bool dl_view_fenced(const struct dl_view *view)
{
    return view->fenced;
}

void dl_view_counts(const struct dl_view *view, struct dl_view_counts *counts)
{
    *counts = view->counts;
    uint64_t now = dl_view_now(view), since = view->quota > 0 || !dl_redis_up(view->redis) ? view->quota_since_ms : now;
    for (size_t i = 0; i < DL_CHUNKS_MAX; i++)
        if (view->chunks[i].under_way && view->chunks[i].since_ms < since)
            since = view->chunks[i].since_ms;
    counts->stale_ms = view->started && !view->fenced ? (int64_t)(now - since) : 0;
}
