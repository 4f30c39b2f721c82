#include "link.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *dl_redis_library_versions(void)
{
    static char text[64];
    snprintf(text, sizeof text, "hiredis %d.%d.%d, OpenSSL %s", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH,
             OpenSSL_version(OPENSSL_VERSION_STRING));
    return text;
}

/* ---- Commands ---- */

static bool pending_reserve(struct dl_redis *redis)
{
    if (redis->pending_count < redis->pending_capacity)
        return true;
    size_t capacity = redis->pending_capacity ? redis->pending_capacity * 2 : 64;
    struct dl_pending *pending = malloc(capacity * sizeof *pending);
    if (!pending)
        return false;
    for (size_t i = 0; i < redis->pending_count; i++)
        pending[i] = redis->pending[(redis->pending_first + i) % redis->pending_capacity];
    free(redis->pending);
    redis->pending = pending;
    redis->pending_first = 0;
    redis->pending_capacity = capacity;
    return true;
}

static struct dl_pending pending_pop(struct dl_redis *redis)
{
    struct dl_pending first = redis->pending[redis->pending_first];
    redis->pending_first = (redis->pending_first + 1) % redis->pending_capacity;
    redis->pending_count--;
    redis->buffered -= first.bytes;
    return first;
}

static void on_flush(uv_prepare_t *prepare)
{
    struct dl_redis *redis = prepare->data;
    uv_prepare_stop(prepare);
    if (redis->connection)
        dl_transport_flush(redis->connection);
}

static void on_reply_timer(uv_timer_t *timer);

static void watch_replies(struct dl_redis *redis)
{
    redis->overdue = false;
    uv_timer_start(&redis->timer, on_reply_timer, (uint64_t)redis->options.reply_timeout_ms, 0);
}

/* Takes the command whatever the limit is. */
enum dl_status dl_link_append(struct dl_redis *redis, size_t argc, const char *const *argv, const size_t *argv_bytes,
                              dl_redis_on_reply *on_reply, void *context)
{
    DL_ASSERT(argc > 0 && argc <= INT_MAX);
    char *command = NULL;
    /* hiredis 0.14 returns int, 1.2 long long. The cast is for a missing const: it only reads. */
    long long bytes = redisFormatCommandArgv(&command, (int)argc, (const char **)(uintptr_t)argv, argv_bytes);
    if (bytes < 0)
        return DL_MEMORY;
    bool good = pending_reserve(redis) && dl_bytes_append(&redis->out, command, (size_t)bytes);
    redisFreeCommand(command);
    if (!good)
        return DL_MEMORY;
    redis->pending[(redis->pending_first + redis->pending_count++) % redis->pending_capacity] = (struct dl_pending){
        .on_reply = on_reply, .context = context, .bytes = (size_t)bytes, .since_ms = uv_now(redis->loop)};
    redis->buffered += (size_t)bytes;
    return DL_OK;
}

enum dl_status dl_redis_send(struct dl_redis *redis, size_t argc, const char *const *argv, const size_t *argv_bytes,
                             dl_redis_on_reply *on_reply, void *context)
{
    if (redis->state != DL_LINK_UP)
        return DL_AWAY;
    size_t bytes = 0;
    for (size_t i = 0; i < argc; i++)
        bytes += argv_bytes[i] + 16;
    /* One command larger than the whole limit passes when nothing else waits, or it never could. */
    if (redis->buffered > 0 && redis->buffered + bytes > redis->options.buffer_bytes_max)
        return DL_FULL;
    enum dl_status status = dl_link_append(redis, argc, argv, argv_bytes, on_reply, context);
    if (status != DL_OK)
        return status;
    if (redis->pending_count == 1)
        watch_replies(redis);
    /* Written just before the loop waits: all that is sent until then travels together. A write
     * from here could fail, and its callbacks would run inside the caller's loop. */
    uv_prepare_start(&redis->flush, on_flush);
    return DL_OK;
}

size_t dl_redis_buffered(const struct dl_redis *redis)
{
    return redis->buffered;
}

const char *dl_redis_address(const struct dl_redis *redis)
{
    return redis->address;
}

bool dl_redis_up(const struct dl_redis *redis)
{
    return redis->state == DL_LINK_UP;
}

/* ---- Replies ---- */

static void on_reply_timer(uv_timer_t *timer)
{
    struct dl_redis *redis = timer->data;
    if (redis->pending_count == 0)
        return;
    uint64_t now = uv_now(redis->loop), since = redis->pending[redis->pending_first].since_ms;
    if (redis->answered_ms > since)
        since = redis->answered_ms; /* a long queue that moves is no silence */
    uint64_t timeout = (uint64_t)redis->options.reply_timeout_ms;
    if (now - since < timeout) {
        redis->overdue = false;
        uv_timer_start(timer, on_reply_timer, timeout - (now - since), 0);
    } else if (!redis->overdue) {
        /* The loop itself may have been held up, with the answers waiting in the socket: timers
         * run before reads. One short round more tells. */
        redis->overdue = true;
        uv_timer_start(timer, on_reply_timer, timeout / 10 + 1, 0);
    } else {
        dl_link_fail(redis, DL_FAULT_SILENT, NULL);
    }
}

static void on_reply(struct dl_connection *connection, redisReply *reply)
{
    struct dl_redis *redis = connection->redis;
    if (redis->pending_count == 0) {
        dl_link_fail(redis, DL_FAULT_PROTOCOL, "an answer without a question");
        return;
    }
    redis->answered_ms = uv_now(redis->loop);
    redis->overdue = false;
    struct dl_pending answered = pending_pop(redis);
    bool was_up = redis->state == DL_LINK_UP;
    enum dl_fault fault = reply->type == REDIS_REPLY_ERROR ? dl_fault_of_error(reply->str) : DL_FAULT_NONE;
    if (answered.on_reply)
        answered.on_reply(answered.context, reply);
    if (connection->closing || !was_up)
        return;
    if (fault != DL_FAULT_NONE)
        dl_link_fail(redis, fault, NULL);
    else
        dl_told_up(redis);
}

void dl_link_on_plain(struct dl_connection *connection, const char *data, size_t bytes)
{
    struct dl_redis *redis = connection->redis;
    redisReader *reader = connection->reader;
    int status = redisReaderFeed(reader, data, bytes);
    while (status == REDIS_OK && !connection->closing) {
        void *reply = NULL;
        status = redisReaderGetReply(reader, &reply);
        if (status != REDIS_OK || !reply)
            break;
        on_reply(connection, reply);
        freeReplyObject(reply);
    }
    if (connection->closing)
        return;
    if (status != REDIS_OK)
        dl_link_fail(redis, reader->err == REDIS_ERR_OOM ? DL_FAULT_MEMORY : DL_FAULT_PROTOCOL, reader->errstr);
    else if (reader->len - reader->pos > DL_LINK_REPLY_BYTES_MAX)
        dl_link_fail(redis, DL_FAULT_PROTOCOL, "an answer of more than 64 MiB");
}

/* ---- Lifecycle ---- */

static void on_retry(uv_timer_t *timer)
{
    dl_link_connect(timer->data);
}

/* Half of the delay is fixed, half is chance, so that many clients do not come at once. */
static int64_t jittered(struct dl_redis *redis, int64_t delay_ms)
{
    redis->random ^= redis->random << 13;
    redis->random ^= redis->random >> 7;
    redis->random ^= redis->random << 17;
    return delay_ms / 2 + (int64_t)(redis->random % (uint64_t)(delay_ms / 2 + 1));
}

static void drop_connection(struct dl_redis *redis)
{
    uv_timer_stop(&redis->timer);
    uv_prepare_stop(&redis->flush);
    if (redis->connection) {
        dl_transport_close(redis->connection);
        redis->connection = NULL;
    }
    dl_bytes_free(&redis->out);
}

/* Callbacks may close the link or call anything else of it. */
static void drop_pending(struct dl_redis *redis)
{
    while (redis->pending_count > 0) {
        struct dl_pending dropped = pending_pop(redis);
        if (dropped.on_reply)
            dropped.on_reply(dropped.context, NULL);
    }
}

static void wait_and_retry(struct dl_redis *redis, enum dl_fault fault, const char *detail)
{
    int64_t delay = redis->retry_ms;
    redis->retry_ms = delay * 2 < DL_LINK_RETRY_MS_MAX ? delay * 2 : DL_LINK_RETRY_MS_MAX;
    delay = jittered(redis, delay);
    dl_told_fault(redis, fault, detail, delay);
    uv_timer_start(&redis->timer, on_retry, (uint64_t)delay, 0);
}

void dl_link_fail(struct dl_redis *redis, enum dl_fault fault, const char *detail)
{
    if (redis->state == DL_LINK_CLOSING)
        return;
    bool was_up = redis->state == DL_LINK_UP;
    char kept[DL_TLS_FAULT_SIZE]; /* detail may live in the connection that goes */
    snprintf(kept, sizeof kept, "%s", detail ? detail : "");
    redis->state = DL_LINK_WAITING;
    drop_connection(redis);
    if (was_up) {
        /* Only what has lasted starts the delays anew; otherwise this would be a spin. */
        if (uv_now(redis->loop) - redis->up_since_ms >= DL_LINK_RETRY_MS_MAX)
            redis->retry_ms = DL_LINK_RETRY_MS_MIN;
        wait_and_retry(redis, fault, kept);
        drop_pending(redis);
        if (redis->state != DL_LINK_CLOSING)
            redis->callbacks.on_down(redis->callbacks.context);
        return;
    }
    drop_pending(redis);
    if (redis->attempt_fault == DL_FAULT_NONE || dl_fault_rank(fault) > dl_fault_rank(redis->attempt_fault)) {
        redis->attempt_fault = fault;
        memcpy(redis->attempt_detail, kept, sizeof kept);
    }
    if (dl_link_connect_next(redis))
        return;
    dl_link_forget_addresses(redis);
    wait_and_retry(redis, redis->attempt_fault, redis->attempt_detail);
}

static bool copy_text(const char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return !text || *out;
}

static void destroy(struct dl_redis *redis)
{
    explicit_bzero(redis->url.password, sizeof redis->url.password);
    /* The URL's copy may hold a password, too; it is not kept. */
    free((char *)(uintptr_t)redis->options.password_file);
    free((char *)(uintptr_t)redis->options.tls_ca_file);
    free((char *)(uintptr_t)redis->options.tls_certificate_file);
    free((char *)(uintptr_t)redis->options.tls_key_file);
    free(redis->pending);
    dl_bytes_free(&redis->out);
    free(redis);
}

void dl_link_release(struct dl_redis *redis)
{
    DL_ASSERT(redis->handles > 0);
    if (--redis->handles > 0)
        return;
    DL_ASSERT(redis->state == DL_LINK_CLOSING);
    void (*on_closed)(void *) = redis->on_closed;
    void *context = redis->closed_context;
    destroy(redis);
    if (on_closed)
        on_closed(context);
}

/* libuv writes to sockets without MSG_NOSIGNAL: by default, a Redis that goes away would end the process. */
static void ignore_broken_pipes(void)
{
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &action, NULL);
    }
}

static const char *options_wrong(struct dl_redis *redis)
{
    const struct dl_redis_options *options = &redis->options;
    const char *wrong = dl_redis_url_parse(&redis->url, options->url);
    if (wrong)
        return wrong;
    if (options->password_file && *redis->url.password)
        return "the password stands in the URL and in redis.password_file; one of them has to go";
    if (*redis->url.user && !*redis->url.password && !options->password_file)
        return "there is a user name, but no password (redis.password_file may hold it)";
    if (!redis->url.tls && (options->tls_ca_file || options->tls_certificate_file || options->tls_key_file))
        return "TLS files are set, but the URL does not begin with rediss://";
    if (!options->tls_certificate_file != !options->tls_key_file)
        return "a client certificate and its key only work together";
    return NULL;
}

enum dl_status dl_redis_open(struct dl_redis **out, uv_loop_t *loop, const struct dl_redis_options *options,
                             const struct dl_redis_callbacks *callbacks)
{
    DL_ASSERT(options->connect_timeout_ms > 0 && options->reply_timeout_ms > 0 && options->notes);
    *out = NULL;
    ignore_broken_pipes();
    struct dl_redis *redis = calloc(1, sizeof *redis);
    if (!redis)
        return DL_MEMORY;
    redis->loop = loop;
    redis->options = *options;
    redis->callbacks = *callbacks;
    redis->retry_ms = DL_LINK_RETRY_MS_MIN;
    const char *wrong = options_wrong(redis);
    redis->options.url = NULL;
    bool copied = copy_text(&redis->options.password_file, options->password_file);
    copied = copy_text(&redis->options.tls_ca_file, options->tls_ca_file) && copied;
    copied = copy_text(&redis->options.tls_certificate_file, options->tls_certificate_file) && copied;
    copied = copy_text(&redis->options.tls_key_file, options->tls_key_file) && copied;
    if (wrong || !copied) {
        if (wrong)
            dl_note(options->notes, DL_NOTE_ERROR, "redis.url cannot be used", DL_TEXT("detail", wrong));
        destroy(redis);
        return wrong ? DL_INVALID : DL_MEMORY;
    }
    dl_redis_url_address(&redis->url, redis->address, sizeof redis->address);
    if (uv_random(NULL, NULL, &redis->random, sizeof redis->random, 0, NULL) != 0 || redis->random == 0)
        redis->random = uv_hrtime() | 1;
    /* Neither can fail. */
    uv_timer_init(loop, &redis->timer);
    uv_prepare_init(loop, &redis->flush);
    redis->timer.data = redis->flush.data = redis;
    redis->handles = 2;
    redis->state = DL_LINK_WAITING;
    /* Through the loop, so that no callback runs before the caller has its pointer. */
    uv_timer_start(&redis->timer, on_retry, 0, 0);
    *out = redis;
    return DL_OK;
}

static void on_handle_closed(uv_handle_t *handle)
{
    dl_link_release(handle->data);
}

void dl_redis_close(struct dl_redis *redis, void (*on_closed)(void *context), void *context)
{
    DL_ASSERT(redis->state != DL_LINK_CLOSING);
    redis->state = DL_LINK_CLOSING;
    redis->on_closed = on_closed;
    redis->closed_context = context;
    drop_connection(redis);
    dl_link_forget_addresses(redis);
    if (redis->lookup)
        uv_cancel((uv_req_t *)&redis->lookup->request); /* or it ends by itself; its callback comes either way */
    drop_pending(redis);
    uv_close((uv_handle_t *)&redis->timer, on_handle_closed);
    uv_close((uv_handle_t *)&redis->flush, on_handle_closed);
}
