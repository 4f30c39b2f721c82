/* The link's inside: link.c keeps the queue of commands and replies, connect.c
 * finds and greets the server, transport.c moves bytes.
 *
 *   dl_redis_send ─► out ─► (TLS) ─► one uv_write at a time ─► Redis
 *                    │ fills while the write is under way: that is the pipelining
 *   on_reply ◄─ pending (FIFO) ◄─ redisReader ◄─ (TLS) ◄─ uv_read
 *
 * Ownership: a connection and a lookup are allocated for each attempt and die in
 * their libuv callback; until then they count in `handles`, and the link itself
 * dies when the last one has gone. */
#pragma once

#include "fault.h"
#include "redis.h"
#include "tls.h"
#include "url.h"

#include <hiredis/hiredis.h>

enum {
    DL_LINK_RETRY_MS_MIN = 100,
    DL_LINK_RETRY_MS_MAX = 10000,
    /* An answer to a fault that comes while up counts as overcome when the link has lasted this long. */
    DL_LINK_SETTLED_MS = 1000,
    DL_LINK_READ_BYTES = 65536,
    DL_LINK_REPLY_BYTES_MAX = 64 * 1024 * 1024
};

/* Bytes [start, end) of an allocation. */
struct dl_bytes {
    char *data;
    size_t start, end, capacity;
};

enum dl_link_state {
    DL_LINK_WAITING,    /* for the next attempt */
    DL_LINK_RESOLVING,
    DL_LINK_CONNECTING,
    DL_LINK_GREETING,   /* TLS, AUTH, SELECT, PING */
    DL_LINK_UP,
    DL_LINK_CLOSING
};

struct dl_pending {
    dl_redis_on_reply *on_reply;
    void *context;
    size_t bytes;
    uint64_t since_ms; /* loop time of the send */
};

struct dl_connection {
    struct dl_redis *redis;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    uv_connect_t connect;
    uv_write_t write;
    bool closing;  /* uv_close was called; nothing else may happen */
    bool writing;
    bool ready;    /* plain text may travel: connected and, with TLS, through the handshake */
    struct dl_bytes sending;
    struct dl_tls *tls; /* NULL: none */
    redisReader *reader;
    char read[DL_LINK_READ_BYTES];
};

struct dl_lookup {
    uv_getaddrinfo_t request;
    struct dl_redis *redis;
};

struct dl_redis {
    uv_loop_t *loop;
    struct dl_redis_options options; /* strings are copies */
    struct dl_redis_url url;
    char address[DL_URL_ADDRESS_SIZE];
    struct dl_redis_callbacks callbacks;

    enum dl_link_state state;
    int handles;        /* what libuv still holds */
    uv_timer_t timer;   /* retry, connect timeout or reply timeout, as the state is */
    uv_prepare_t flush; /* active while out has something that is not being written */
    void (*on_closed)(void *context);
    void *closed_context;

    struct dl_connection *connection;
    struct dl_lookup *lookup;
    struct addrinfo *addresses, *next_address; /* of the attempt under way */

    struct dl_bytes out;
    struct dl_pending *pending; /* ring */
    size_t pending_first, pending_count, pending_capacity;
    size_t buffered;
    uint64_t answered_ms; /* loop time of the latest reply */
    bool overdue;

    uint64_t up_since_ms;
    int64_t retry_ms;
    uint64_t random;
    enum dl_fault attempt_fault; /* of the attempt under way, the one of highest rank */
    char attempt_detail[DL_TLS_FAULT_SIZE];
    enum dl_fault told; /* what the operator was told last; NONE: that it is up */
    char told_detail[DL_TLS_FAULT_SIZE];
    bool told_anything;
};

/* Room for bytes more at the end; false: out of memory. */
bool dl_bytes_reserve(struct dl_bytes *bytes, size_t more);
bool dl_bytes_append(struct dl_bytes *bytes, const char *data, size_t count);
void dl_bytes_free(struct dl_bytes *bytes);

/* link.c */
DL_MUST_USE enum dl_status dl_link_append(struct dl_redis *redis, size_t argc, const char *const *argv,
                                          const size_t *argv_bytes, dl_redis_on_reply *on_reply, void *context);
void dl_link_on_plain(struct dl_connection *connection, const char *data, size_t bytes);
void dl_link_fail(struct dl_redis *redis, enum dl_fault fault, const char *detail);
void dl_link_release(struct dl_redis *redis); /* one handle less */

/* connect.c */
void dl_link_connect(struct dl_redis *redis);
bool dl_link_connect_next(struct dl_redis *redis); /* false: there is no further address */
void dl_link_greet(struct dl_connection *connection);
void dl_link_forget_addresses(struct dl_redis *redis);

/* transport.c */
void dl_transport_start(struct dl_connection *connection);
void dl_transport_flush(struct dl_connection *connection);
void dl_transport_close(struct dl_connection *connection);

/* told.c */
void dl_told_fault(struct dl_redis *redis, enum dl_fault fault, const char *detail, int64_t retry_ms);
void dl_told_up(struct dl_redis *redis);
