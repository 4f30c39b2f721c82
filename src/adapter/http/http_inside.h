/* The inside of HTTP: http.c (life, the loop), listen.c (addresses), request.c
 * (who may have what), stream.c (server-sent events).
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
    DL_HTTP_RETRY_MS = 2000, /* to listen */
    DL_HTTP_TICK_MS = 250,
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
    uint64_t since_ms; /* loop time at which it was accepted, or its last answer was sent */

    /* If it is a stream */
    struct MHD_Connection *stream; /* NULL: it is not */
    bool suspended, dropped;
    uint64_t place;        /* in the ring */
    size_t greeted;        /* bytes of the greeting that are sent */
    uint64_t behind_ms;    /* loop time since when there is something to take */
};

struct dl_http_request {
    struct MHD_Connection *connection;
};

struct dl_http {
    uv_loop_t *loop;
    struct dl_http_options options; /* texts are copies */
    struct dl_http_address address;
    char *token;                    /* NULL: none */
    char *not_found;                /* body of a 404 */
    struct MHD_Daemon *daemon;      /* NULL: not listening */
    uv_poll_t poll;                 /* while there is a daemon */
    uv_timer_t turn, tick;
    int handles;                    /* that libuv still holds */
    bool closing, polled;
    uint64_t listen_due_ms, keep_alive_ms;
    int told;                       /* errno of the last failure to listen that was noted; 0: none */
    struct dl_http_connection *connections;
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
/* DL_INVALID: noted. */
DL_MUST_USE enum dl_status dl_http_read_token(const char *path, char **token, struct dl_note_sink *notes);

/* ---- http.c ---- */

uint64_t dl_http_now(const struct dl_http *http);
/* libmicrohttpd has something to do. */
void dl_http_turn_soon(struct dl_http *http);

/* ---- request.c ---- */

enum MHD_Result dl_http_on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                   const char *version, const char *upload, size_t *upload_bytes, void **request);
/* Headers that every answer has. false: out of memory. */
bool dl_http_add_headers(struct MHD_Response *response, const char *content_type);

/* ---- stream.c ---- */

/* An answer that goes on. NULL: out of memory. */
struct MHD_Response *dl_http_stream_open(struct dl_http *http, struct dl_http_connection *connection,
                                         struct MHD_Connection *handle);
void dl_http_stream_tick(struct dl_http *http);
/* Suspended connections cannot be closed: before libmicrohttpd is stopped. */
void dl_http_stream_end_all(struct dl_http *http);
