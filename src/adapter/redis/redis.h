/* Redis: a pipelined, fenced link over libuv's streams, and the view that is
 * published through it. Loop thread only. */
#pragma once

#include <delight/durations.h>
#include <delight/engine.h>
#include <delight/note.h>

#include <uv.h>

/* ---- Link: bytes, replies, reconnects ---- */

struct dl_redis_options {
    /* redis://[user[:password]@]host[:port][/db], rediss://… (TLS), unix:///path[?db=N] */
    const char *url;
    const char *password_file;  /* NULL: none; read at every connect, so it may change */
    const char *tls_ca_file, *tls_certificate_file, *tls_key_file; /* NULL: system's CAs, no client certificate */
    int64_t connect_timeout_ms, reply_timeout_ms;
    size_t buffer_bytes_max;    /* unsent and unanswered; beyond it dl_redis_send says DL_FULL */
    struct dl_note_sink *notes; /* outlives the link */
};

/* NULL: url is good. Otherwise a sentence that says what is wrong with it. */
const char *dl_redis_url_check(const char *url);
const char *dl_redis_library_versions(void); /* "hiredis 0.14.1, OpenSSL 3.0.17" */

struct redisReply;
struct dl_redis;

struct dl_redis_callbacks {
    void (*on_up)(void *context);   /* connected, authenticated, database chosen */
    void (*on_down)(void *context); /* after the callbacks of every unanswered command (reply NULL) */
    void *context;
};

/* reply NULL: the link went down before the answer; whether the command was
 * executed is not known. */
typedef void dl_redis_on_reply(void *context, const struct redisReply *reply);

/* Starts connecting; goes on for ever, with backoff and jitter. SIGPIPE is
 * ignored from now on, unless the process handles it. DL_INVALID: the url or
 * what does not go with it, noted. */
DL_MUST_USE enum dl_status dl_redis_open(struct dl_redis **redis, uv_loop_t *loop, const struct dl_redis_options *options,
                                         const struct dl_redis_callbacks *callbacks);
/* Drops what is unanswered (replies NULL, no on_down); on_closed when libuv has let go of
 * everything. The link frees itself. */
void dl_redis_close(struct dl_redis *redis, void (*on_closed)(void *context), void *context);
bool dl_redis_up(const struct dl_redis *redis);
/* "127.0.0.1:6379" or a socket's path, as the log names it. Lives as long as the link. */
const char *dl_redis_address(const struct dl_redis *redis);
/* DL_AWAY: not up. DL_FULL: the buffer is over its limit. DL_MEMORY. Then nothing was taken and
 * on_reply is not called. Never calls back from inside. */
DL_MUST_USE enum dl_status dl_redis_send(struct dl_redis *redis, size_t argc, const char *const *argv, const size_t *argv_bytes,
                                         dl_redis_on_reply *on_reply, void *context);
size_t dl_redis_buffered(const struct dl_redis *redis);

/* ---- View: DESIGN 6 ---- */

struct dl_view_options {
    struct dl_redis_options redis;
    const char *prefix;
    const char *instance, *version;
    int windows;
    int64_t window_ms[DL_WINDOWS_MAX];
    int segments;
    const char *segment[DL_SEGMENTS_MAX];
    const int *rank_measures, *trend_measures; /* field ids */
    size_t rank_measure_count, trend_measure_count;
    int64_t rank_min_n;
    bool expire;                /* clock: wall */
    const char *catalogue_json; /* for cx:meta */
    struct dl_score_options score;
    /* A view is written that shows something else than before, or nothing any more; as told on cx:changed. From inside the view's
     * calls and callbacks: it must call none. NULL: nobody wants to know. */
    void (*on_changed)(void *context, const struct dl_subject_info *info, int window);
    void *changed_context;
};

struct dl_view_counts {
    int64_t publishes, commands, fields, bytes, errors, reconnects, fenced, forgotten;
    int64_t last_publish_ms;  /* wall clock; 0: none yet */
    int64_t stale_ms;         /* age of the oldest change not yet confirmed by Redis */
    struct dl_durations round_trips; /* of scripts: from the send to the answer */
    struct dl_durations changes;     /* from the interval at which a script's changes were due to their confirmation */
};

struct dl_view_status { /* what goes to cx:meta and cx:instance:NAME besides the options */
    int64_t data_since_ms;
    int64_t window_since_ms[DL_WINDOWS_MAX]; /* the window is whole from here on only; 0 or less: from data_since_ms on */
    const char *roles;
    int64_t partitions, lag;
    bool draining;   /* the process is ending: only what has changed is written */
};

struct dl_view;

/* token: the fence. Engine is borrowed and used from inside the view's calls and callbacks. */
DL_MUST_USE enum dl_status dl_view_open(struct dl_view **view, uv_loop_t *loop, const struct dl_view_options *options,
                                        struct dl_engine *engine, int64_t token);
/* Publishes what changed, at most once per view; called every publish interval,
 * from when the engine has caught up. now_ms: wall clock. Writes as much as the
 * link's buffer takes; the rest stays dirty, oldest first next time. */
void dl_view_publish(struct dl_view *view, int64_t now_ms, const struct dl_view_status *status);
/* Nothing dirty, nothing unanswered. */
bool dl_view_settled(const struct dl_view *view);
/* The last thing that is written: takes the fence away, so that who comes next, with whatever token, need not wait a
 * minute for it to expire. For one who has no competitors. Unanswered until dl_view_settled. */
void dl_view_leave(struct dl_view *view);
/* Options that may change while running: score, rank_min_n, rank and trend measures. Everything is
 * published again. */
DL_MUST_USE enum dl_status dl_view_reconfigure(struct dl_view *view, const struct dl_view_options *options);
bool dl_view_up(const struct dl_view *view);
/* Another process writes with a newer token: this one publishes nothing, and
 * looks every few seconds whether the other has gone. */
bool dl_view_fenced(const struct dl_view *view);
/* Redis has refused what was last published, as has been noted: scores there may stand still. */
bool dl_view_failing(const struct dl_view *view);
void dl_view_counts(const struct dl_view *view, struct dl_view_counts *counts);
void dl_view_close(struct dl_view *view, void (*on_closed)(void *context), void *context);
