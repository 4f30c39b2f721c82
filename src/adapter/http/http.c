#include "http_inside.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of one connection: its request line and headers, and what is being sent. */
enum { CONNECTION_BYTES = 32 * 1024 };

uint64_t dl_http_now(const struct dl_http *http)
{
    return uv_now(http->loop);
}

const char *dl_http_library_version(void)
{
    static char text[40];
    snprintf(text, sizeof text, "libmicrohttpd %s", MHD_get_version());
    return text;
}

/* ---- Connections ---- */

static void on_connection(void *context, struct MHD_Connection *handle, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct dl_http *http = context;
    struct dl_http_connection *connection = *socket_context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection = calloc(1, sizeof *connection);
        if (connection == NULL)
            return;
        *connection = (struct dl_http_connection){
            .http = http, .after = http->connections, .since_ms = dl_http_now(http),
            .fd = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd};
        if (http->connections != NULL)
            http->connections->before = connection;
        http->connections = connection;
        http->counts.connections++;
        *socket_context = connection;
    } else if (connection != NULL) {
        if (connection->before != NULL)
            connection->before->after = connection->after;
        else
            http->connections = connection->after;
        if (connection->after != NULL)
            connection->after->before = connection->before;
        http->counts.connections--;
        free(connection);
    }
}

static void on_completed(void *context, struct MHD_Connection *handle, void **request, enum MHD_RequestTerminationCode code)
{
    (void)code;
    struct dl_http *http = context;
    free(*request);
    *request = NULL;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct dl_http_connection *connection = info == NULL ? NULL : info->socket_context;
    if (connection == NULL)
        return;
    connection->since_ms = dl_http_now(http);
    if (connection->stream != NULL)
        http->counts.streams--;
    connection->stream = NULL;
}

/* Whole requests, not single bytes, have to come in time: who sends or takes a byte now and then holds nothing. */
static void end_overdue(struct dl_http *http)
{
    uint64_t now_ms = dl_http_now(http);
    for (struct dl_http_connection *connection = http->connections; connection != NULL; connection = connection->after)
        if (connection->stream == NULL && !connection->dropped &&
            now_ms - connection->since_ms > (uint64_t)http->options.request_ms_max) {
            connection->dropped = true;
            http->counts.timed_out++;
            (void)shutdown(connection->fd, SHUT_RDWR);
        }
}

/* ---- Listening ---- */

static void on_log(void *context, const char *format, va_list arguments) DL_PRINTF(2, 0);

static void on_log(void *context, const char *format, va_list arguments)
{
    struct dl_http *http = context;
    char detail[256];
    vsnprintf(detail, sizeof detail, format, arguments);
    detail[strcspn(detail, "\n")] = '\0';
    dl_note(http->options.notes, DL_NOTE_DEBUG, "libmicrohttpd reports", DL_TEXT("detail", detail));
}

static struct MHD_Daemon *start_daemon(struct dl_http *http, int fd)
{
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    return MHD_start_daemon(flags, 0, NULL, NULL, dl_http_on_request, http,
                            MHD_OPTION_EXTERNAL_LOGGER, on_log, http, /* first: for what the others have to say */
                            MHD_OPTION_LISTEN_SOCKET, fd,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)http->options.connections_max,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
                            MHD_OPTION_URI_LOG_CALLBACK, dl_http_on_uri, http,
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_END);
}

int dl_http_port(const struct dl_http *http)
{
    struct sockaddr_storage address;
    socklen_t bytes = sizeof address;
    const union MHD_DaemonInfo *info = http->daemon == NULL ? NULL : MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_LISTEN_FD);
    if (http->address.local || info == NULL || getsockname(info->listen_fd, (struct sockaddr *)&address, &bytes) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)(const void *)&address)->sin6_port
                                               : ((const struct sockaddr_in *)(const void *)&address)->sin_port);
}

static void cannot_listen(struct dl_http *http, int fault)
{
    http->listen_due_ms = dl_http_now(http) + DL_HTTP_RETRY_MS;
    if (http->told == fault)
        return;
    http->told = fault;
    dl_note(http->options.notes, DL_NOTE_ERROR, "http.listen: nothing is served over HTTP; retrying",
            DL_TEXT("address", http->options.listen), DL_TEXT("reason", strerrordesc_np(fault)));
}

/* When it cannot start, libmicrohttpd 0.9.75 leaves the socket open and 1.0 closes it; then another thread may have the number. */
static void close_if_still(int fd, const struct stat *listening)
{
    struct stat now;
    if (fstat(fd, &now) == 0 && now.st_dev == listening->st_dev && now.st_ino == listening->st_ino)
        close(fd);
}

static void listen_now(struct dl_http *http)
{
    struct stat listening = {.st_ino = 0};
    int fd = dl_http_listen(&http->address);
    http->counts.attempts++;
    if (fd < 0) {
        cannot_listen(http, errno);
        return;
    }
    (void)fstat(fd, &listening);
    http->daemon = start_daemon(http, fd);
    if (http->daemon == NULL) {
        close_if_still(fd, &listening);
        cannot_listen(http, ENOMEM);
        return;
    }
    http->told = 0;
    /* Neither can fail: it is an epoll descriptor. */
    uv_poll_init(http->loop, &http->poll, MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    http->poll.data = http;
    http->polled = true;
    http->handles++;
    uv_poll_start(&http->poll, UV_READABLE, dl_http_on_readable);
    dl_note(http->options.notes, DL_NOTE_NOTICE, "serving HTTP", DL_TEXT("address", http->options.listen),
            DL_NUMBER("port", dl_http_port(http)), DL_TEXT("token", http->token == NULL ? "none" : "required"));
}

static void on_tick(uv_timer_t *timer)
{
    struct dl_http *http = timer->data;
    if (http->daemon == NULL) {
        if (dl_http_now(http) >= http->listen_due_ms)
            listen_now(http);
        return;
    }
    end_overdue(http);
    dl_http_kept_tick(http);
    dl_http_stream_tick(http);
}

/* ---- Life ---- */

static void destroy(struct dl_http *http)
{
    for (size_t i = 0; http->options.hosts != NULL && i < http->options.host_count; i++)
        free((char *)(uintptr_t)http->options.hosts[i]);
    free((void *)(uintptr_t)http->options.hosts);
    free((char *)(uintptr_t)http->options.listen);
    free((char *)(uintptr_t)http->options.token_file);
    dl_http_free_token(http->token);
    free(http->not_found);
    free(http->ring);
    free(http);
}

/* {"error":"…","paths":["/metrics",…]} */
static char *list_routes(const struct dl_http_route *routes)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL)
        return NULL;
    fputs("{\"error\":\"there is no such path\",\"paths\":[", out);
    for (const struct dl_http_route *route = routes; route->path != NULL; route++)
        fprintf(out, "%s\"%s\"", route == routes ? "" : ",", route->path);
    fputs("]}\n", out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static bool copy_options(struct dl_http *http, const struct dl_http_options *options)
{
    char **hosts = calloc(options->host_count + 1, sizeof *hosts);
    http->options = *options;
    http->options.hosts = (const char *const *)hosts;
    http->options.token_file = options->token_file == NULL ? NULL : strdup(options->token_file);
    http->options.listen = strdup(options->listen);
    http->ring = malloc(options->stream_bytes);
    http->not_found = list_routes(options->routes);
    bool good = (options->token_file == NULL || http->options.token_file != NULL) && hosts != NULL &&
                http->options.listen != NULL && http->ring != NULL && http->not_found != NULL;
    for (size_t i = 0; good && i < options->host_count; i++) {
        hosts[i] = strdup(options->hosts[i]);
        good = hosts[i] != NULL;
    }
    return good;
}

enum dl_status dl_http_open(struct dl_http **result, uv_loop_t *loop, const struct dl_http_options *options)
{
    DL_ASSERT(options->stream_bytes >= 1024 && (options->stream_bytes & (options->stream_bytes - 1)) == 0);
    DL_ASSERT(options->connections_max > 0 && options->body_bytes_max > 0 && options->routes != NULL && options->notes != NULL);
    struct dl_http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return DL_MEMORY;
    enum dl_status status = copy_options(http, options) ? DL_OK : DL_MEMORY;
    const char *fault = status == DL_OK ? dl_http_address_parse(options->listen, &http->address) : NULL;
    if (fault != NULL) {
        dl_note(options->notes, DL_NOTE_ERROR, "http.listen cannot be used", DL_TEXT("expected", fault));
        status = DL_INVALID;
    }
    if (status == DL_OK && options->token_file != NULL)
        status = dl_http_read_token(options->token_file, &http->token, options->notes);
    if (status != DL_OK) {
        destroy(http);
        return status;
    }
    http->loop = loop;
    uv_idle_init(loop, &http->soon);
    uv_timer_init(loop, &http->later);
    uv_timer_init(loop, &http->tick);
    http->soon.data = http->later.data = http->tick.data = http;
    http->handles = 3;
    http->keep_alive_ms = dl_http_now(http);
    uv_timer_start(&http->tick, on_tick, DL_HTTP_TICK_MS, DL_HTTP_TICK_MS);
    listen_now(http);
    *result = http;
    return DL_OK;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct dl_http *http = handle->data;
    if (--http->handles > 0)
        return;
    void (*on_closed)(void *) = http->on_closed;
    void *context = http->closed_context;
    destroy(http);
    on_closed(context);
}

static void stop_daemon(struct dl_http *http)
{
    if (http->daemon == NULL)
        return;
    dl_http_stream_end_all(http);
    dl_http_wait_end_all(http);
    dl_http_forget_all(http);
    MHD_stop_daemon(http->daemon);
    http->daemon = NULL;
    if (http->address.local)
        (void)unlink(((const struct sockaddr_un *)(const void *)&http->address.address)->sun_path);
}

void dl_http_close(struct dl_http *http, void (*on_closed)(void *context), void *context)
{
    DL_ASSERT(!http->closing);
    http->closing = true;
    http->on_closed = on_closed;
    http->closed_context = context;
    if (http->polled)
        uv_close((uv_handle_t *)&http->poll, on_handle_closed); /* before its descriptor is */
    uv_close((uv_handle_t *)&http->soon, on_handle_closed);
    uv_close((uv_handle_t *)&http->later, on_handle_closed);
    uv_close((uv_handle_t *)&http->tick, on_handle_closed);
    stop_daemon(http);
}

enum dl_status dl_http_renew_token(struct dl_http *http)
{
    char *token;
    if (http->token == NULL)
        return DL_OK;
    enum dl_status status = dl_http_read_token(http->options.token_file, &token, http->options.notes);
    if (status != DL_OK)
        return status;
    if (strcmp(token, http->token) != 0) {
        dl_note(http->options.notes, DL_NOTE_NOTICE, "http.token_file: another token from now on");
        dl_http_stream_close_all(http); /* they were opened with the one before */
    }
    dl_http_free_token(http->token);
    http->token = token;
    return DL_OK;
}

void dl_http_counts(const struct dl_http *http, struct dl_http_counts *counts)
{
    *counts = http->counts;
}
