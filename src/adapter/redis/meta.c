/* cx:meta and cx:instance:NAME: what a dashboard needs first; gone = daemon gone. */
#include "view.h"

#include <inttypes.h>
#include <string.h>

static void expire(struct dl_view *view, const char *name, const char *more)
{
    dl_command_begin(view, "PEXPIRE");
    dl_key_plain(view, name, more);
    dl_argument_number(view, DL_META_LIFE_MS);
    dl_command_end(view);
}

static void add_scratch(struct dl_view *view, const char *field)
{
    if (view->scratch.failed) {
        view->builder.failed = true;
        dl_text_deinit(&view->scratch);
        return;
    }
    dl_argument_text(view, field);
    dl_argument_add(view, view->scratch.data, view->scratch.bytes);
}

static void add_list(struct dl_view *view, const char *field, const char *const *texts, int count)
{
    struct dl_text *list = &view->scratch;
    dl_text_clear(list);
    dl_text_add(list, "[", 1);
    for (int i = 0; i < count; i++) {
        if (i > 0)
            dl_text_add(list, ",", 1);
        dl_text_add_json_string(list, texts[i], strlen(texts[i]));
    }
    dl_text_add(list, "]", 1);
    add_scratch(view, field);
}

static void add_number(struct dl_view *view, const char *field, int64_t number)
{
    dl_argument_text(view, field);
    dl_argument_number(view, number);
}

/* {"7d":1790000000000}: the windows that began to be counted within their own length. */
static void add_windows_since(struct dl_view *view)
{
    struct dl_text *since = &view->scratch;
    dl_text_clear(since);
    dl_text_add(since, "{", 1);
    for (int window = 0; window < view->options.windows; window++) {
        int64_t since_ms = view->status.window_since_ms[window];
        if (since_ms <= 0 || since_ms <= dl_engine_now(view->engine) - view->options.window_ms[window])
            continue;
        if (since->bytes > 1)
            dl_text_add(since, ",", 1);
        dl_text_add_json_string(since, view->window_text[window], strlen(view->window_text[window]));
        dl_text_printf(since, ":%" PRId64, since_ms);
    }
    dl_text_add(since, "}", 1);
    add_scratch(view, "windows_since");
}

static void write_meta(struct dl_view *view)
{
    const struct dl_view_options *options = &view->options;
    /* What never changes is only written when the hash is not there: the catalogue may be long. */
    dl_command_begin(view, view->meta_whole ? "HSET" : "?HSET");
    dl_chunk_item(view, -1, 0);
    dl_key_plain(view, "meta", "");
    dl_argument_text(view, "version");
    dl_argument_text(view, options->version);
    if (dl_engine_now(view->engine) != INT64_MIN)
        add_number(view, "as_of", dl_engine_now(view->engine));
    if (view->status.data_since_ms > INT64_MIN && view->status.data_since_ms < INT64_MAX)
        add_number(view, "data_since", view->status.data_since_ms);
    add_windows_since(view);
    if (view->meta_whole) {
        const char *windows[DL_WINDOWS_MAX];
        for (int window = 0; window < options->windows; window++)
            windows[window] = view->window_text[window];
        add_list(view, "windows", windows, options->windows);
        add_list(view, "segments", options->segment, options->segments);
        add_number(view, "min_n", options->rank_min_n);
        add_number(view, "privacy_min_n", options->score.privacy_min_n);
        dl_argument_text(view, "catalogue");
        dl_argument_text(view, options->catalogue_json ? options->catalogue_json : "{}");
    }
    dl_command_end(view);
    expire(view, "meta", "");
}

static void write_instance(struct dl_view *view)
{
    const struct dl_view_options *options = &view->options;
    dl_command_begin(view, "HSET");
    dl_key_plain(view, "instance:", options->instance);
    dl_argument_text(view, "version");
    dl_argument_text(view, options->version);
    dl_argument_text(view, "roles");
    dl_argument_text(view, view->roles);
    add_number(view, "partitions", view->status.partitions);
    add_number(view, "lag", view->status.lag);
    add_number(view, "last_publish", view->counts.last_publish_ms);
    dl_command_end(view);
    expire(view, "instance:", options->instance);
}

void dl_meta_write(struct dl_view *view)
{
    write_meta(view);
    write_instance(view);
    view->meta_due = view->meta_whole = false;
}
