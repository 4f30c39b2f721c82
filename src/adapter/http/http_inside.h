/* The inside of HTTP: http.c (life), turn.c (the loop, and how much of it is
 * HTTP's), listen.c (addresses), request.c (who may have what), kept.c (answers that stand for a moment), stream.c
 * (server-sent events).
 *
 * All streams read one ring of bytes, each at a place of its own:
 *
 *      ring   ──┬──────────────────────────┬──   written: total, modulo its size
 *      streams      ▲ a         ▲ b        ▲ c
 *                   slow                   has all of it: suspended
 *
 * A stream that the ring has overtaken is dropped; so memory is one ring,
 * whatever the number and the speed of readers. */
#pragma once

#include "http.h"

#include <microhttpd.h>
#include <sys/un.h>

enum {
    DL_HTTP_TOKEN_BYTES_MIN = 16,
    DL_HTTP_TOKEN_BYTES_MAX = 1024,
    DL_HTTP_RETRY_MS = 1000, /* to listen */
    DL_HTTP_TICK_MS = 250,
    DL_HTTP_KEPT_MAX = 16,   /* answers */
    DL_HTTP_KEPT_MS = 1000,
};

struct dl_http_address {
    bool local;                       /* a unix socket */
    char host[64];                    /* without brackets; of a local one "" */
    struct sockaddr_storage address;
    socklen_t address_bytes;
};

/* One for each connection, from accept to close: libmicrohttpd's socket context. */
struct dl_http_connection {
    struct dl_http *http;
    struct dl_http_connection *before, *after;
    int fd;
    /* Of turn.c */
    struct MHD_Connection *waiting_handle;
    struct dl_http_connection *waiting_after; /* it waits; NULL: as the last, or not at all */
    bool its_turn;

    uint64_t since_ms; /* loop time at which it was accepted, its request began, or its last answer was sent */

    /* If it is a stream */
    struct MHD_Connection *stream; /* NULL: it is not */
    bool suspended, dropped;
    uint64_t place;        /* in the ring */
    size_t greeted;        /* bytes of the greeting that are sent */
    uint64_t behind_ms;    /* loop time since when there is something to take */
};

/* From the request line to the end of its answer. */
struct dl_http_request {
    struct MHD_Connection *connection;
    bool seen;  /* its headers are there */
    char uri[]; /* path and query as they came */
};

struct dl_http_kept {
    char *key;                     /* as it was asked for; NULL: none is kept here */
    const struct dl_http_route *route;
    struct MHD_Response *response; /* shared with those that are sending it */
    uint64_t made_ms;              /* loop time */
};

struct dl_http {
    uv_loop_t *loop;
    struct dl_http_options options; /* texts are copies */
    struct dl_http_address address;
    char *token;                    /* NULL: none */
    char *not_found;                /* body of a 404 */
    struct MHD_Daemon *daemon;      /* NULL: not listening */
    uv_poll_t poll;                 /* while there is a daemon */
    uv_idle_t soon;                 /* the next turn is due though nothing comes */
    uv_timer_t later;               /* it is, after a while */
    uv_timer_t tick;
    int handles;                    /* that libuv still holds */
    bool closing, polled;
    uint64_t listen_due_ms, keep_alive_ms;
    int told;                       /* errno of the last failure to listen that was noted; 0: none */
    struct dl_http_connection *connections;
    struct dl_http_connection *waiting, *waiting_last; /* for a turn: first come, first served */
    uint64_t turn_ns;               /* when the present turn began */
    bool answered;                  /* somebody in it */
    struct dl_http_kept kept[DL_HTTP_KEPT_MAX];
    char *ring;
    uint64_t written;
    struct dl_http_counts counts;
    void (*on_closed)(void *context);
    void *closed_context;
};

/* ---- listen.c ---- */

/* NULL: good. */
const char *dl_http_address_parse(const char *text, struct dl_http_address *address);
/* A descriptor that listens, or -1 and errno. A socket file that nobody serves any more is replaced. */
int dl_http_listen(const struct dl_http_address *address);
/* DL_INVALID: noted, and *token is left as it is. */
DL_MUST_USE enum dl_status dl_http_read_token(const char *path, char **token, struct dl_note_sink *notes);
/* NULL: nothing to do. */
void dl_http_free_token(char *token);

/* ---- http.c ---- */

uint64_t dl_http_now(const struct dl_http *http);

/* ---- turn.c ---- */

/* libmicrohttpd has something to do. */
void dl_http_turn_soon(struct dl_http *http);
void dl_http_on_readable(uv_poll_t *poll, int status, int events);
/* In libmicrohttpd's call for an answer. true: the connection is suspended now, and is asked again in a later turn. */
bool dl_http_wait_turn(struct dl_http_connection *connection, struct MHD_Connection *handle);
/* Suspended connections cannot be closed: before libmicrohttpd is stopped. */
void dl_http_wait_end_all(struct dl_http *http);

/* ---- request.c ---- */

/* libmicrohttpd's, at the request line. */
void *dl_http_on_uri(void *context, const char *uri, struct MHD_Connection *connection);
enum MHD_Result dl_http_on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                   const char *version, const char *upload, size_t *upload_bytes, void **begun);
/* Headers that every answer has. false: out of memory. */
bool dl_http_add_headers(struct MHD_Response *response, const char *content_type, const char *etag);

/* ---- kept.c ---- */

/* NULL: none, or too old. Borrowed. accept NULL: there is no such header. */
struct MHD_Response *dl_http_kept_find(struct dl_http *http, const char *uri, const char *accept);
/* Takes the response, which may be on its way to somebody. */
void dl_http_keep(struct dl_http *http, const struct dl_http_route *route, const char *uri, const char *accept,
                  struct MHD_Response *response);
/* What is too old goes though nobody asks for it. */
void dl_http_kept_tick(struct dl_http *http);
void dl_http_forget_all(struct dl_http *http);

/* ---- stream.c ---- */

/* An answer that goes on. NULL: out of memory. */
struct MHD_Response *dl_http_stream_open(struct dl_http *http, struct dl_http_connection *connection,
                                         struct MHD_Connection *handle);
void dl_http_stream_tick(struct dl_http *http);
/* As dl_http_wait_end_all. */
void dl_http_stream_end_all(struct dl_http *http);
/* Whoever has one must come again. */
void dl_http_stream_close_all(struct dl_http *http);
