#include "link.h"

#include <stdlib.h>
#include <string.h>

enum {
    TLS_SLICE_BYTES = 256 * 1024, /* plain text enciphered ahead of one write */
    KEEP_BYTES = 1024 * 1024      /* a larger buffer is given back once it is empty */
};

bool dl_bytes_reserve(struct dl_bytes *bytes, size_t more)
{
    if (bytes->capacity - bytes->end >= more)
        return true;
    if (bytes->start > 0) {
        memmove(bytes->data, bytes->data + bytes->start, bytes->end - bytes->start);
        bytes->end -= bytes->start;
        bytes->start = 0;
        if (bytes->capacity - bytes->end >= more)
            return true;
    }
    size_t capacity = bytes->capacity ? bytes->capacity : 4096;
    while (capacity - bytes->end < more)
        capacity *= 2;
    char *data = realloc(bytes->data, capacity);
    if (!data)
        return false;
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

bool dl_bytes_append(struct dl_bytes *bytes, const char *data, size_t count)
{
    if (!dl_bytes_reserve(bytes, count))
        return false;
    memcpy(bytes->data + bytes->end, data, count);
    bytes->end += count;
    return true;
}

void dl_bytes_free(struct dl_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct dl_bytes){.data = NULL};
}

static void on_closed(uv_handle_t *handle)
{
    struct dl_connection *connection = handle->data;
    struct dl_redis *redis = connection->redis;
    if (connection->reader)
        redisReaderFree(connection->reader);
    dl_tls_destroy(connection->tls);
    dl_bytes_free(&connection->sending);
    free(connection);
    dl_link_release(redis);
}

void dl_transport_close(struct dl_connection *connection)
{
    DL_ASSERT(!connection->closing);
    connection->closing = true;
    uv_close(&connection->handle, on_closed);
}

static void on_written(uv_write_t *write, int status)
{
    struct dl_connection *connection = write->data;
    connection->writing = false;
    if (connection->closing)
        return;
    connection->sending.start = connection->sending.end = 0;
    if (connection->sending.capacity > KEEP_BYTES)
        dl_bytes_free(&connection->sending);
    if (status < 0)
        dl_link_fail(connection->redis, DL_FAULT_CLOSED, uv_strerror(status));
    else
        dl_transport_flush(connection);
}

/* Plain text from out through the session into sending. false: failed. */
static bool encipher(struct dl_connection *connection)
{
    struct dl_redis *redis = connection->redis;
    struct dl_bytes *out = &redis->out;
    char fault[DL_TLS_FAULT_SIZE];
    size_t taken_sum = 0;
    while (connection->ready && out->start < out->end && taken_sum < TLS_SLICE_BYTES) {
        size_t taken;
        enum dl_status status = dl_tls_write(connection->tls, out->data + out->start, out->end - out->start, &taken, fault);
        if (status == DL_EMPTY)
            break;
        if (status != DL_OK) {
            dl_link_fail(redis, DL_FAULT_TLS, fault);
            return false;
        }
        out->start += taken;
        taken_sum += taken;
    }
    if (out->start == out->end)
        out->start = out->end = 0;
    size_t cipher_bytes = dl_tls_pending(connection->tls);
    if (!dl_bytes_reserve(&connection->sending, cipher_bytes)) {
        dl_link_fail(redis, DL_FAULT_MEMORY, NULL);
        return false;
    }
    connection->sending.end += dl_tls_take(connection->tls, connection->sending.data + connection->sending.end, cipher_bytes);
    return true;
}

void dl_transport_flush(struct dl_connection *connection)
{
    struct dl_redis *redis = connection->redis;
    uv_prepare_stop(&redis->flush);
    if (connection->closing || connection->writing)
        return; /* on_written comes back here */
    struct dl_bytes *sending = &connection->sending;
    if (connection->tls) {
        if (!encipher(connection))
            return;
    } else if (connection->ready) {
        struct dl_bytes swap = *sending;
        *sending = redis->out;
        redis->out = swap;
    }
    if (sending->start == sending->end)
        return;
    uv_buf_t buffer = uv_buf_init(sending->data + sending->start, (unsigned)(sending->end - sending->start));
    connection->write.data = connection;
    int failed = uv_write(&connection->write, &connection->stream, &buffer, 1, on_written);
    if (failed)
        dl_link_fail(redis, DL_FAULT_CLOSED, uv_strerror(failed));
    else
        connection->writing = true;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct dl_connection *connection = handle->data;
    *buffer = uv_buf_init(connection->read, sizeof connection->read);
}

static void decipher(struct dl_connection *connection, const char *data, size_t bytes)
{
    struct dl_redis *redis = connection->redis;
    char fault[DL_TLS_FAULT_SIZE];
    if (dl_tls_feed(connection->tls, data, bytes) != DL_OK) {
        dl_link_fail(redis, DL_FAULT_MEMORY, NULL);
        return;
    }
    if (!connection->ready) {
        enum dl_status status = dl_tls_handshake(connection->tls, fault);
        if (status == DL_OK) {
            connection->ready = true;
            dl_link_greet(connection);
        } else if (status == DL_REFUSED) {
            /* The alert that says why is for the peer's log; it is not waited for. */
            dl_link_fail(redis, DL_FAULT_TLS, fault);
        }
    }
    while (!connection->closing && connection->ready) {
        char plain[16384];
        size_t plain_bytes;
        enum dl_status status = dl_tls_read(connection->tls, plain, sizeof plain, &plain_bytes, fault);
        if (status == DL_EMPTY)
            break;
        if (status == DL_OK)
            dl_link_on_plain(connection, plain, plain_bytes);
        else if (status == DL_STOPPED)
            dl_link_fail(redis, DL_FAULT_CLOSED, "the server ended the TLS session");
        else
            dl_link_fail(redis, DL_FAULT_TLS, fault);
    }
    if (!connection->closing)
        dl_transport_flush(connection);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct dl_connection *connection = stream->data;
    if (connection->closing)
        return;
    if (count < 0)
        dl_link_fail(connection->redis, DL_FAULT_CLOSED, uv_strerror((int)count));
    else if (count > 0 && connection->tls)
        decipher(connection, buffer->base, (size_t)count);
    else if (count > 0)
        dl_link_on_plain(connection, buffer->base, (size_t)count);
}

/* The stream is connected. */
void dl_transport_start(struct dl_connection *connection)
{
    struct dl_redis *redis = connection->redis;
    connection->reader = redisReaderCreate();
    if (!connection->reader) {
        dl_link_fail(redis, DL_FAULT_MEMORY, NULL);
        return;
    }
    /* hiredis frees an idle buffer above 16 KiB, which would be after nearly every read. */
    connection->reader->maxbuf = KEEP_BYTES;
    int failed = uv_read_start(&connection->stream, on_alloc, on_read);
    if (failed) {
        dl_link_fail(redis, DL_FAULT_CONNECT, uv_strerror(failed));
        return;
    }
    char fault[DL_TLS_FAULT_SIZE];
    if (redis->url.tls) {
        const struct dl_tls_options options = {
            .host = redis->url.host,
            .ca_file = redis->options.tls_ca_file,
            .certificate_file = redis->options.tls_certificate_file,
            .key_file = redis->options.tls_key_file,
        };
        connection->tls = dl_tls_create(&options, fault);
        if (!connection->tls || dl_tls_handshake(connection->tls, fault) == DL_REFUSED) {
            dl_link_fail(redis, DL_FAULT_TLS, fault);
            return;
        }
        dl_transport_flush(connection);
    } else {
        connection->ready = true;
        dl_link_greet(connection);
    }
}
