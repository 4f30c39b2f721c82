#include "http_inside.h"

#include <string.h>
#include <sys/socket.h>

enum { BLOCK_BYTES = 16 * 1024 };

/* The first bytes of a stream: a browser that loses it comes back after so long. */
static const char greeting[] = "retry: 2000\n\n";
static const char keep_alive[] = ":\n\n";

size_t dl_http_streams(const struct dl_http *http)
{
    return (size_t)http->counts.streams;
}

static void wake(struct dl_http_connection *connection)
{
    if (!connection->suspended)
        return;
    connection->suspended = false;
    MHD_resume_connection(connection->stream);
    dl_http_turn_soon(connection->http); /* its epoll descriptor does not tell of it */
}

/* The socket is shut, so that libmicrohttpd hears of it even while it waits for room to write. */
static void drop(struct dl_http_connection *connection)
{
    if (connection->dropped)
        return;
    connection->dropped = true;
    connection->http->counts.streams_dropped++;
    (void)shutdown(connection->fd, SHUT_RDWR);
    wake(connection);
}

static size_t take(struct dl_http_connection *connection, char *out, size_t bytes_max)
{
    struct dl_http *http = connection->http;
    size_t size = http->options.stream_bytes, at = (size_t)(connection->place % size);
    size_t bytes = (size_t)(http->written - connection->place);
    if (bytes > bytes_max)
        bytes = bytes_max;
    size_t first = bytes < size - at ? bytes : size - at;
    memcpy(out, http->ring + at, first);
    memcpy(out + first, http->ring, bytes - first);
    connection->place += bytes;
    connection->behind_ms = dl_http_now(http);
    return bytes;
}

static ssize_t on_read(void *context, uint64_t position, char *out, size_t bytes_max)
{
    (void)position;
    struct dl_http_connection *connection = context;
    if (connection->dropped)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t left = sizeof greeting - 1 - connection->greeted;
    if (left > 0) {
        size_t bytes = left < bytes_max ? left : bytes_max;
        memcpy(out, greeting + connection->greeted, bytes);
        connection->greeted += bytes;
        return (ssize_t)bytes;
    }
    size_t bytes = take(connection, out, bytes_max);
    if (bytes > 0)
        return (ssize_t)bytes;
    connection->suspended = true;
    MHD_suspend_connection(connection->stream);
    return 0;
}

struct MHD_Response *dl_http_stream_open(struct dl_http *http, struct dl_http_connection *connection,
                                         struct MHD_Connection *handle)
{
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_read, connection, NULL);
    if (response == NULL)
        return NULL;
    connection->stream = handle;
    connection->suspended = connection->dropped = false;
    connection->greeted = 0;
    connection->place = http->written;
    connection->behind_ms = dl_http_now(http);
    http->counts.streams++;
    return response;
}

void dl_http_stream_send(struct dl_http *http, const char *events, size_t bytes)
{
    size_t size = http->options.stream_bytes, at = (size_t)(http->written % size);
    DL_ASSERT(bytes <= size / 4);
    if (http->counts.streams == 0)
        return;
    uint64_t before = http->written;
    size_t first = bytes < size - at ? bytes : size - at;
    memcpy(http->ring + at, events, first);
    memcpy(http->ring, events + first, bytes - first);
    http->written += bytes;
    http->keep_alive_ms = dl_http_now(http);
    for (struct dl_http_connection *connection = http->connections; connection != NULL; connection = connection->after) {
        if (connection->stream == NULL || connection->dropped)
            continue;
        if (connection->place == before)
            connection->behind_ms = dl_http_now(http);
        if (http->written - connection->place > size)
            drop(connection);
        else
            wake(connection);
    }
}

/* libmicrohttpd does not look at a connection that is suspended. */
static void end_if_left(struct dl_http_connection *connection)
{
    char byte;
    if (!connection->suspended || recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0)
        return;
    connection->dropped = true;
    wake(connection);
}

void dl_http_stream_close_all(struct dl_http *http)
{
    for (struct dl_http_connection *connection = http->connections; connection != NULL; connection = connection->after) {
        if (connection->stream == NULL)
            continue;
        connection->dropped = true;
        (void)shutdown(connection->fd, SHUT_RDWR);
        wake(connection);
    }
}

void dl_http_stream_tick(struct dl_http *http)
{
    uint64_t now_ms = dl_http_now(http);
    if (now_ms - http->keep_alive_ms >= (uint64_t)http->options.keep_alive_ms)
        dl_http_stream_send(http, keep_alive, sizeof keep_alive - 1);
    for (struct dl_http_connection *connection = http->connections; connection != NULL; connection = connection->after)
        if (connection->stream != NULL && connection->place < http->written &&
            now_ms - connection->behind_ms > (uint64_t)http->options.stream_ms_max)
            drop(connection);
    for (struct dl_http_connection *connection = http->connections; connection != NULL; connection = connection->after)
        if (connection->stream != NULL)
            end_if_left(connection);
}

void dl_http_stream_end_all(struct dl_http *http)
{
    for (struct dl_http_connection *connection = http->connections; connection != NULL; connection = connection->after)
        if (connection->stream != NULL)
            wake(connection);
}
