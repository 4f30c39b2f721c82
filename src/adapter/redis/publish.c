/* One view as commands: what changed between what was published and its total. */
#include "view.h"

#include <string.h>

bool dl_publish_present(const struct dl_view *view, int64_t id, bool or_published)
{
    for (int window = 0; window < view->options.windows; window++)
        if (!dl_tally_empty(dl_engine_total(view->engine, id, window)) ||
            (or_published && !dl_tally_empty(dl_engine_published(view->engine, id, window))))
            return true;
    return false;
}

struct dl_value dl_publish_rank(const struct dl_view *view, const struct dl_scores *scores, int measure)
{
    const struct dl_value none = {.kind = DL_VALUE_NONE};
    struct dl_value value = scores->value[measure];
    if (value.kind != DL_VALUE_INTEGER && value.kind != DL_VALUE_FRACTION)
        return none;
    struct dl_value n = dl_score_n(scores, measure);
    return n.kind == DL_VALUE_INTEGER && n.integer >= view->options.rank_min_n ? value : none;
}

/* ---- cx:changed ---- */

void dl_publish_changed_flush(struct dl_view *view)
{
    if (view->changed_keys == 0)
        return;
    dl_text_add(&view->changed, "]", 1);
    if (!view->changed.failed) {
        dl_command_begin(view, "PUBLISH");
        dl_key_plain(view, "changed", "");
        dl_argument_add(view, view->changed.data, view->changed.bytes);
        dl_command_end(view);
    }
    dl_text_clear(&view->changed);
    view->changed.failed = false;
    view->changed_keys = 0;
}

/* The key is the argument that was added last. */
static void changed(struct dl_view *view)
{
    const struct dl_builder *builder = &view->builder;
    if (builder->failed)
        return;
    const struct dl_argument *key = &builder->args[builder->arg_count - 1];
    dl_text_add(&view->changed, view->changed_keys ? "," : "[", 1);
    dl_text_add_json_string(&view->changed, builder->text.data + key->offset, key->bytes);
    view->changed_keys++;
}

/* ---- Commands ---- */

static void write_value(struct dl_view *view, int field, struct dl_value value)
{
    char text[DL_VALUE_TEXT_SIZE];
    size_t bytes = dl_value_format(text, value);
    dl_argument_text(view, dl_fields[field].name);
    dl_argument_add(view, text, bytes);
    view->builder.fields++;
}

static void write_whole(struct dl_view *view, const struct dl_subject_info *info, int64_t id, int window,
                        const struct dl_scores *now)
{
    dl_command_begin(view, "DEL");
    dl_key_hash(view, info, window);
    dl_command_end(view);
    dl_command_begin(view, "HSET");
    dl_chunk_item(view, id, window);
    dl_key_hash(view, info, window);
    changed(view);
    for (int field = 0; field < DL_FIELDS; field++)
        if (now->value[field].kind != DL_VALUE_NONE)
            write_value(view, field, now->value[field]);
    dl_command_end(view);
    if (view->options.expire) {
        dl_command_begin(view, "PEXPIRE");
        dl_key_hash(view, info, window);
        dl_argument_number(view, view->options.window_ms[window]);
        dl_command_end(view);
    }
    dl_key_subjects(view, info);
    dl_member_set(view, false, info->name, info->name_bytes);
}

/* false: nothing a reader could see has changed. */
static bool write_changes(struct dl_view *view, const struct dl_subject_info *info, int64_t id, int window,
                          const struct dl_scores *now, const struct dl_scores *before)
{
    int changes = 0, vanished = 0;
    bool differs[DL_FIELDS];
    for (int field = 0; field < DL_FIELDS; field++) {
        differs[field] = field != DL_FIELD_as_of && !dl_value_equal(now->value[field], before->value[field]);
        changes += differs[field];
        vanished += differs[field] && now->value[field].kind == DL_VALUE_NONE;
    }
    if (changes == 0)
        return false;
    dl_command_begin(view, "?HSET");
    dl_chunk_item(view, id, window);
    dl_key_hash(view, info, window);
    changed(view);
    write_value(view, DL_FIELD_as_of, now->value[DL_FIELD_as_of]);
    for (int field = 0; field < DL_FIELDS; field++)
        if (differs[field] && now->value[field].kind != DL_VALUE_NONE)
            write_value(view, field, now->value[field]);
    dl_command_end(view);
    if (vanished > 0) {
        dl_command_begin(view, "HDEL");
        dl_key_hash(view, info, window);
        for (int field = 0; field < DL_FIELDS; field++)
            if (differs[field] && now->value[field].kind == DL_VALUE_NONE)
                dl_argument_text(view, dl_fields[field].name);
        dl_command_end(view);
    }
    return true;
}

/* now NULL: the view is gone. before NULL: what is in Redis is not known. */
static void write_ranks(struct dl_view *view, const struct dl_subject_info *info, int window, const struct dl_scores *now,
                        const struct dl_scores *before)
{
    const struct dl_value none = {.kind = DL_VALUE_NONE};
    for (size_t i = 0; i < view->options.rank_measure_count; i++) {
        int measure = view->options.rank_measures[i];
        struct dl_value value = now ? dl_publish_rank(view, now, measure) : none;
        struct dl_value was = before ? dl_publish_rank(view, before, measure) : none;
        if (before && dl_value_equal(value, was))
            continue;
        char text[DL_VALUE_TEXT_SIZE];
        size_t bytes = value.kind == DL_VALUE_NONE ? 0 : dl_value_format(text, value);
        dl_key_rank(view, info, measure, window);
        dl_member_rank(view, text, bytes, info->name, info->name_bytes);
    }
}

/* Whether another window has the subject, or still shows it: the last one to go takes it from the set. */
static bool elsewhere(const struct dl_view *view, int64_t id, int window)
{
    for (int other = 0; other < view->options.windows; other++)
        if (other != window && (!dl_tally_empty(dl_engine_total(view->engine, id, other)) ||
                                !dl_tally_empty(dl_engine_published(view->engine, id, other))))
            return true;
    return false;
}

static void write_gone(struct dl_view *view, const struct dl_subject_info *info, int64_t id, int window,
                       const struct dl_scores *before)
{
    dl_command_begin(view, "DEL");
    dl_chunk_item(view, id, window);
    dl_key_hash(view, info, window);
    changed(view);
    dl_key_trend(view, info, window);
    dl_command_end(view);
    write_ranks(view, info, window, NULL, before);
    if (!elsewhere(view, id, window)) {
        dl_key_subjects(view, info);
        dl_member_set(view, true, info->name, info->name_bytes);
    }
}

static void score(struct dl_view *view, const struct dl_tally *tally, int window, int64_t as_of_ms, struct dl_scores *scores)
{
    struct dl_counts counts = {.count = {0}};
    dl_tally_unpack(tally, &counts, 1);
    dl_score(scores, &counts, as_of_ms, view->options.window_ms[window], &view->options.score);
}

/* A late event, or a retraction, in a pane that the trend shows as closed. */
static void watch_trend(struct dl_view *view, int64_t id, int window, struct dl_mark *mark)
{
    if (view->options.trend_measure_count == 0 || mark->late)
        return;
    if (mark->pane_s == 0) {
        dl_trends_due(view, window);
    } else if (mark->pane_s == dl_trend_pane(view, window) && mark->closed != dl_trend_closed(view, id, window)) {
        mark->late = true;
        dl_trends_due(view, window);
    }
}

void dl_publish_one(struct dl_view *view, int64_t id, int window)
{
    struct dl_subject_info info;
    dl_engine_subject(view->engine, id, &info);
    struct dl_mark *mark = dl_view_mark(view, id, window);
    if (!mark) {
        dl_engine_mark_dirty(view->engine, id, window);
        dl_view_refused(view, "out of memory");
        return;
    }
    const struct dl_tally *total = dl_engine_total(view->engine, id, window);
    const struct dl_tally *published = dl_engine_published(view->engine, id, window);
    bool whole = mark->full || dl_tally_empty(published);
    bool differs = true;
    struct dl_scores before, now;
    if (!whole)
        score(view, published, window, 0, &before);
    if (dl_tally_empty(total)) {
        write_gone(view, &info, id, window, whole ? NULL : &before);
        total = dl_engine_total(view->engine, id, window); /* others were asked for */
        *mark = (struct dl_mark){.full = false};
    } else {
        score(view, total, window, dl_engine_now(view->engine), &now);
        if (whole)
            write_whole(view, &info, id, window, &now);
        differs = whole || write_changes(view, &info, id, window, &now, &before);
        if (differs)
            write_ranks(view, &info, window, &now, whole ? NULL : &before);
        mark->full = false;
        watch_trend(view, id, window, mark);
    }
    if (differs && view->options.on_changed != NULL)
        view->options.on_changed(view->options.changed_context, &info, window);
    if (dl_engine_set_published(view->engine, id, window, total) != DL_OK)
        mark->full = true; /* differences would be taken against something older: never again from it */
    if (view->changed_keys >= DL_CHANGED_KEYS_MAX || view->changed.bytes >= DL_CHANGED_BYTES_MAX)
        dl_publish_changed_flush(view);
}
