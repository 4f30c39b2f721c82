/* HTTP on the loop: a table of paths, GET and HEAD, answers from memory, and
 * server-sent events. libmicrohttpd, whose epoll descriptor is nested in the
 * loop. Loop thread only; nothing here waits.
 *
 *   listening socket ─► libmicrohttpd ─► Host, token, method, path ─► route
 *                          ▲ epoll descriptor, time-out                 │
 *                  uv_poll, uv_timer, uv_idle             answer ◄──────┘ */
#pragma once

#include <delight/note.h>
#include <delight/status.h>

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct dl_http;
struct dl_http_request;

/* Inside a route's answer; valid until it returns. */
/* Of the query, decoded; NULL: not given. */
const char *dl_http_argument(const struct dl_http_request *request, const char *name);
/* NULL: not given. */
const char *dl_http_header(const struct dl_http_request *request, const char *name);

struct dl_http_answer {
    unsigned status;          /* 200 unless the route says otherwise */
    const char *content_type; /* static */
    char *body;               /* malloc'd; taken. NULL: out of memory, which becomes 503 */
    size_t body_bytes;
};

/* How long an answer stands for whoever asks the same (path, query and Accept):
 * many who ask for one thing cost what one does. */
enum dl_http_keep {
    DL_HTTP_KEEP_NOT,
    DL_HTTP_KEEP_UNTIL_FORGOTTEN, /* dl_http_forget, or a second */
    DL_HTTP_KEEP_A_SECOND
};

/* One of: answer; bytes (static, as an asset of a page); stream. */
struct dl_http_route {
    const char *path; /* static; NULL ends the table */
    const char *const *parameters; /* static; names that a query may have, each once, at most 64, NULL at the end. NULL: any, unread */
    bool open;        /* served without the token, too */
    void (*answer)(void *context, const struct dl_http_request *request, struct dl_http_answer *answer);
    enum dl_http_keep keep;   /* of answer; only what is answered with 200 is kept */
    const char *content_type; /* of bytes */
    const void *bytes;
    size_t byte_count;
    const char *etag;         /* of bytes: another one for other bytes, with its quotes. NULL: nobody may keep them. Otherwise who
                               * has them asks whether they are still these */
    bool stream;      /* server-sent events: what dl_http_stream_send says */
};

struct dl_http_options {
    /* "127.0.0.1:9464", "[::1]:9464", "localhost:9464", or "unix:/path". Port 0: any that is free, noted. */
    const char *listen;
    const char *const *hosts;   /* further names that a Host header may have, without port */
    size_t host_count;
    const char *token_file;     /* NULL: no token is asked for. Read by dl_http_open and dl_http_renew_token */
    const struct dl_http_route *routes;
    void *context;              /* of every route's answer */
    size_t connections_max;     /* more are not accepted until one has gone */
    size_t streams_max;         /* of them; more are answered 503 */
    size_t body_bytes_max;      /* of routes' answers at a time, and one answer more; then 503, but for open routes */
    size_t stream_bytes;        /* a stream that is further behind is dropped. A power of two */
    int64_t turn_ms_max;        /* after so long in a turn of the loop, but one answer at least, whoever asks waits for a later one */
    int64_t request_ms_max;     /* a request with its answer, or the silence before it, takes longer: the connection is closed */
    int64_t stream_ms_max;      /* a stream that takes nothing for so long is dropped */
    int64_t keep_alive_ms;      /* how often a stream gets a comment when there is nothing to say */
    struct dl_note_sink *notes; /* outlives it */
};

struct dl_http_counts {
    int64_t requests;         /* answered, whatever the status */
    int64_t kept;             /* of them: answers that stood already */
    int64_t waited;           /* requests that did not get their answer in the turn in which they came */
    int64_t refused;          /* of them: 400, 401, 405, 421 */
    int64_t connections, streams; /* open now */
    int64_t body_bytes;       /* of routes' answers that are on their way or kept, now */
    int64_t streams_dropped;  /* too slow */
    int64_t timed_out;        /* connections */
    int64_t attempts;         /* to listen */
};

/* NULL: good. Otherwise what was expected. */
const char *dl_http_listen_check(const char *listen);
/* NULL: the file holds a token. Otherwise what is wrong; static. */
const char *dl_http_token_check(const char *path);
const char *dl_http_library_version(void); /* "libmicrohttpd 0.9.75" */

/* An address that cannot be listened on now is noted, and tried again every few
 * seconds: observation must not stop what is observed.
 * DL_INVALID: the address, or the token's file, noted. DL_MEMORY. Copies the
 * options; routes are borrowed. */
DL_MUST_USE enum dl_status dl_http_open(struct dl_http **http, uv_loop_t *loop, const struct dl_http_options *options);
/* Drops every connection; on_closed when libuv has let go, then it is freed. */
void dl_http_close(struct dl_http *http, void (*on_closed)(void *context), void *context);
/* Reads token_file again. Another token is asked for from now on, and open streams
 * are closed. DL_INVALID: noted; the token before stays. */
DL_MUST_USE enum dl_status dl_http_renew_token(struct dl_http *http);
/* The port that is listened on; 0: none now, or a unix socket. */
int dl_http_port(const struct dl_http *http);
void dl_http_counts(const struct dl_http *http, struct dl_http_counts *counts);

/* What is kept until then is not true any more. */
void dl_http_forget(struct dl_http *http);

/* To every open stream: whole events, "event: x\ndata: …\n\n", at most a quarter
 * of stream_bytes. A stream begins with what is sent after it was opened. */
void dl_http_stream_send(struct dl_http *http, const char *events, size_t bytes);
size_t dl_http_streams(const struct dl_http *http);
