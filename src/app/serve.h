/* What is served over HTTP: metrics, health, scores, and changes as they come.
 * config/openapi.yaml describes it. Everything is read from what the loop has,
 * when it is asked for. Loop thread.
 *
 *   serve.c          life, routes, /livez, /readyz
 *   serve_api.c      /api/subjects, /api/scores, /api/trend, /api/answers
 *   serve_meta.c     /api/meta
 *   serve_changes.c  /api/stream
 *   metrics*.c       /metrics
 *   page/            the page at /, its files */
#pragma once

#include "codec.h"
#include "http.h"

struct daemon;

/* Changes that wait for the end of the publish interval. */
struct dl_serve_changes {
    struct dl_text window[DL_WINDOWS_MAX]; /* names, as JSON strings: "a","b" */
    size_t bytes;
    bool all; /* more than a stream can be told at once */
};

struct dl_serve {
    struct dl_http *http; /* NULL: nothing is served */
    struct dl_http_route *routes; /* owned; what http was opened with */
    struct dl_serve_changes changes;
};

/* DL_INVALID: http.listen or http.token_file, noted. DL_MEMORY. */
DL_MUST_USE enum dl_status dl_serve_start(struct daemon *daemon);
void dl_serve_stop(struct daemon *daemon);
void dl_serve_deinit(struct dl_serve *serve);

/* ---- serve.c, for the others ---- */

/* Takes the text's memory. */
void dl_serve_text(struct dl_http_answer *answer, struct dl_text *text);
/* {"error":"…"} */
void dl_serve_error(struct dl_http_answer *answer, unsigned status, const char *sentence);
/* Whether this process has scores, and they are whole: what is not is not shown, as in Redis. */
bool dl_serve_showing(const struct daemon *daemon);
/* Whether it does what it is there for; what is missing is added to `missing` as JSON strings, NULL: not wanted. */
bool dl_serve_ready(const struct daemon *daemon, struct dl_text *missing);

/* ---- serve_api.c ---- */

void dl_serve_subjects(void *daemon, const struct dl_http_request *request, struct dl_http_answer *answer);
void dl_serve_scores(void *daemon, const struct dl_http_request *request, struct dl_http_answer *answer);
void dl_serve_trend(void *daemon, const struct dl_http_request *request, struct dl_http_answer *answer);
void dl_serve_answers(void *daemon, const struct dl_http_request *request, struct dl_http_answer *answer);

/* ---- serve_meta.c ---- */

void dl_serve_meta(void *daemon, const struct dl_http_request *request, struct dl_http_answer *answer);

/* ---- serve_changes.c ---- */

/* Of struct dl_view_options; context: the daemon. */
void dl_serve_on_changed(void *context, const struct dl_subject_info *info, int window);
/* At the end of every publish interval; what was answered until then is asked for anew. */
void dl_serve_tell_changes(struct daemon *daemon);

/* ---- metrics.c ---- */

void dl_serve_metrics(void *daemon, const struct dl_http_request *request, struct dl_http_answer *answer);
