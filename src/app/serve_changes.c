#include "daemon.h"

#include <delight/time.h>


/* Of one message: an event must fit a stream's ring four times. Who gets `all` asks for what it shows. */
enum { CHANGES_BYTES_MAX = 32 * 1024 };

void dl_serve_on_changed(void *context, const struct dl_subject_info *info, int window)
{
    struct daemon *daemon = context;
    struct dl_serve_changes *changes = &daemon->serve.changes;
    if (daemon->serve.http == NULL || dl_http_streams(daemon->serve.http) == 0 || changes->all)
        return;
    struct dl_text *names = &changes->window[window];
    size_t before = names->bytes;
    if (before > 0)
        dl_text_add(names, ",", 1);
    dl_text_add_json_string(names, info->name, info->name_bytes);
    changes->bytes += names->bytes - before;
    changes->all = names->failed || changes->bytes > CHANGES_BYTES_MAX;
}

static void add_windows(struct dl_text *event, const struct dl_config *config, const struct dl_serve_changes *changes)
{
    const char *separator = "";
    for (size_t w = 0; w < config->windows.count; w++) {
        char window[32];
        if (changes->window[w].bytes == 0)
            continue;
        dl_duration_format(window, sizeof window, config->windows.item[w]);
        dl_text_printf(event, "%s\"%s\":[", separator, window);
        dl_text_add(event, changes->window[w].data, changes->window[w].bytes);
        dl_text_add(event, "]", 1);
        separator = ",";
    }
}

void dl_serve_tell_changes(struct daemon *daemon)
{
    struct dl_serve_changes *changes = &daemon->serve.changes;
    struct dl_scoring *scoring = dl_daemon_scoring(daemon);
    struct dl_text event = {.data = NULL};
    if (daemon->serve.http == NULL)
        return;
    dl_http_forget(daemon->serve.http);
    if (changes->bytes == 0 && !changes->all)
        return;
    dl_text_printf(&event, "event: %s\ndata: {\"as_of\":%lld", changes->all ? "all" : "changed",
                   scoring == NULL ? 0LL : (long long)dl_engine_now(dl_scoring_engine(scoring)));
    if (!changes->all) {
        dl_text_printf(&event, ",\"changed\":{");
        add_windows(&event, daemon->config, changes);
        dl_text_add(&event, "}", 1);
    }
    dl_text_add(&event, "}\n\n", 3);
    for (int w = 0; w < DL_WINDOWS_MAX; w++)
        dl_text_clear(&changes->window[w]);
    /* Without memory it waits for the next interval, which then tells `all`. */
    changes->all = event.failed;
    changes->bytes = 0;
    if (!event.failed)
        dl_http_stream_send(daemon->serve.http, event.data, event.bytes);
    dl_text_deinit(&event);
}
