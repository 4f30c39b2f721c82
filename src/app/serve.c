#include "serve.h"

#include "daemon.h"
#include "page.h"

#include <stdlib.h>
#include <string.h>

enum {
    BODY_BYTES = 64 * 1024 * 1024, /* as http.connections tells */
    STREAM_BYTES = 256 * 1024,
    TURN_MS = 5,
    REQUEST_MS = 30000,
    STREAM_MS = 10000,
    KEEP_ALIVE_MS = 10000,
};

void dl_serve_text(struct dl_http_answer *answer, struct dl_text *text)
{
    if (text->failed)
        dl_text_deinit(text);
    answer->body = text->data;
    answer->body_bytes = text->bytes;
}

void dl_serve_error(struct dl_http_answer *answer, unsigned status, const char *sentence)
{
    struct dl_text text = {.data = NULL};
    dl_text_add(&text, "{\"error\":", 9);
    dl_text_add_json_string(&text, sentence, strlen(sentence));
    dl_text_add(&text, "}\n", 2);
    answer->status = status;
    dl_serve_text(answer, &text);
}

bool dl_serve_showing(const struct daemon *daemon)
{
    struct dl_scorer_counts counts;
    if (daemon->scorer == NULL)
        return daemon->scoring != NULL && daemon->caught_up;
    dl_scorer_counts(daemon->scorer, &counts);
    return counts.state == DL_SCORER_SCORING;
}

/* ---- Health ---- */

static void answer_live(void *context, const struct dl_http_request *request, struct dl_http_answer *answer)
{
    (void)context, (void)request;
    struct dl_text text = {.data = NULL};
    dl_text_printf(&text, "{\"live\":true}\n"); /* the loop answers: that is what it says */
    dl_serve_text(answer, &text);
}

static void lacks(struct dl_text *missing, bool *ready, const char *sentence)
{
    *ready = false;
    if (missing == NULL)
        return;
    dl_text_add(missing, ",", missing->bytes > 0);
    dl_text_add_json_string(missing, sentence, strlen(sentence));
}

bool dl_serve_ready(const struct daemon *daemon, struct dl_text *missing)
{
    const struct dl_scoring *scoring = dl_daemon_scoring(daemon);
    bool ready = true;
    if (daemon->stopping)
        lacks(missing, &ready, "the process is stopping");
    if (daemon->ingest != NULL && !daemon->assigned)
        lacks(missing, &ready, "Kafka has not said yet which partitions of the events' topics are this process's");
    if (daemon->scorer != NULL) {
        struct dl_scorer_counts counts;
        dl_scorer_counts(daemon->scorer, &counts);
        if (!counts.assigned)
            lacks(missing, &ready, "Kafka has not said yet which process of the group keeps the scores");
        else if (counts.owner && counts.state != DL_SCORER_SCORING) /* who stands by is ready for that */
            lacks(missing, &ready, "the windows are not restored yet");
    } else if (scoring != NULL && !daemon->caught_up) {
        lacks(missing, &ready, "the topics are not read again yet, as far back as the longest window");
    }
    if (scoring != NULL && !dl_scoring_redis_up(scoring))
        lacks(missing, &ready, "Redis is away");
    else if (scoring != NULL && dl_scoring_fenced(scoring))
        lacks(missing, &ready, "another process publishes under this prefix in Redis");
    else if (scoring != NULL && dl_scoring_failing(scoring))
        lacks(missing, &ready, "Redis refuses what is published; the log says why");
    return ready;
}

static void answer_ready(void *context, const struct dl_http_request *request, struct dl_http_answer *answer)
{
    (void)request;
    const struct daemon *daemon = context;
    struct dl_text text = {.data = NULL}, missing = {.data = NULL};
    bool ready = dl_serve_ready(daemon, &missing);
    dl_text_printf(&text, "{\"ready\":%s,\"state\":\"%s\",\"missing\":[%s]}\n", ready ? "true" : "false", dl_daemon_doing(daemon),
                   missing.bytes == 0 ? "" : missing.data);
    text.failed = text.failed || missing.failed;
    dl_text_deinit(&missing);
    answer->status = ready ? 200 : 503;
    dl_serve_text(answer, &text);
}

/* ---- Life ---- */

#define PAGE_PARAMETERS "kind", "segment", "window", "limit", "after"
#define PARAMETERS(...) (const char *const[]){__VA_ARGS__, NULL}

static const char *const no_parameters[] = {NULL};

static const struct dl_http_route paths[] = {
    {.path = "/metrics", .answer = dl_serve_metrics, .keep = DL_HTTP_KEEP_A_SECOND},
    {.path = "/livez", .open = true, .answer = answer_live},
    {.path = "/readyz", .open = true, .answer = answer_ready},
    {.path = "/api/subjects", .answer = dl_serve_subjects, .keep = DL_HTTP_KEEP_UNTIL_FORGOTTEN,
     .parameters = PARAMETERS(PAGE_PARAMETERS)},
    {.path = "/api/scores", .answer = dl_serve_scores, .keep = DL_HTTP_KEEP_UNTIL_FORGOTTEN,
     .parameters = PARAMETERS("subject", "fields", PAGE_PARAMETERS)},
    {.path = "/api/trend", .answer = dl_serve_trend, .keep = DL_HTTP_KEEP_UNTIL_FORGOTTEN,
     .parameters = PARAMETERS("subject", "window", "measures")},
    {.path = "/api/answers", .answer = dl_serve_answers, .keep = DL_HTTP_KEEP_UNTIL_FORGOTTEN,
     .parameters = PARAMETERS("subject", "window")},
    {.path = "/api/meta", .answer = dl_serve_meta, .keep = DL_HTTP_KEEP_UNTIL_FORGOTTEN,
     .parameters = no_parameters},
    {.path = "/api/stream", .stream = true, .parameters = no_parameters},
};

/* The page holds no data: it is served to whoever asks, and brings the token with what it asks for. NULL: out of memory. */
static struct dl_http_route *make_routes(void)
{
    const size_t path_count = sizeof paths / sizeof paths[0];
    struct dl_http_route *routes = calloc(dl_page_file_count + path_count + 1, sizeof *routes);
    if (routes == NULL)
        return NULL;
    for (size_t i = 0; i < dl_page_file_count; i++) {
        const struct dl_page_file *file = &dl_page_files[i];
        routes[i] = (struct dl_http_route){.path = file->path, .open = true, .content_type = file->content_type,
                                           .bytes = file->bytes, .byte_count = file->byte_count, .etag = file->etag};
    }
    memcpy(routes + dl_page_file_count, paths, sizeof paths);
    return routes;
}

enum dl_status dl_serve_start(struct daemon *daemon)
{
    const struct dl_config *config = daemon->config;
    if (config->http.listen[0] == '\0')
        return DL_OK;
    daemon->serve.routes = make_routes();
    if (daemon->serve.routes == NULL)
        return DL_MEMORY;
    const struct dl_http_options options = {
        .listen = config->http.listen,
        .hosts = (const char *const *)config->http.hosts.item,
        .host_count = config->http.hosts.count,
        .token_file = config->http.token_file,
        .routes = daemon->serve.routes,
        .context = daemon,
        .connections_max = (size_t)config->http.connections,
        .streams_max = (size_t)config->http.streams,
        .body_bytes_max = BODY_BYTES,
        .stream_bytes = STREAM_BYTES,
        .turn_ms_max = TURN_MS,
        .request_ms_max = REQUEST_MS,
        .stream_ms_max = STREAM_MS,
        .keep_alive_ms = KEEP_ALIVE_MS,
        .notes = daemon->notes,
    };
    return dl_http_open(&daemon->serve.http, &daemon->loop, &options);
}

static void on_closed(void *context)
{
    (void)context;
}

void dl_serve_stop(struct daemon *daemon)
{
    if (daemon->serve.http != NULL)
        dl_http_close(daemon->serve.http, on_closed, NULL);
    daemon->serve.http = NULL;
}

void dl_serve_deinit(struct dl_serve *serve)
{
    for (int window = 0; window < DL_WINDOWS_MAX; window++)
        dl_text_deinit(&serve->changes.window[window]);
    free(serve->routes);
}
