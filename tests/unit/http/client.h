/* A server on the test's own loop, and clients that are plain sockets: what is
 * written is what stands in the test, byte by byte. One thread; every wait turns
 * the loop until its condition holds. */
#pragma once

#include "http.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { DEADLINE_MS = 30000, TEXT_BYTES = 1 << 20 };

static uv_loop_t loop;
static struct dl_http *http;
static char noted[8192]; /* every message and its texts */
static char text[TEXT_BYTES];
static size_t body_bytes; /* of /large */
static char context_text[] = "context";

static inline void write_note(void *context, enum dl_note_level level, const char *message, const struct dl_note_field *fields,
                              size_t field_count)
{
    (void)context;
    size_t used = strlen(noted);
    if (level == DL_NOTE_DEBUG)
        return;
    used += (size_t)snprintf(noted + used, sizeof noted - used, "%s", message);
    for (size_t i = 0; i < field_count && used < sizeof noted; i++)
        if (fields[i].text != NULL)
            used += (size_t)snprintf(noted + used, sizeof noted - used, " %s=%s", fields[i].key, fields[i].text);
    if (used < sizeof noted)
        snprintf(noted + used, sizeof noted - used, "\n");
}

static struct dl_note_sink notes = {write_note, NULL};

/* ---- Routes ---- */

static inline void say(struct dl_http_answer *answer, const char *body)
{
    answer->body = strdup(body);
    answer->body_bytes = strlen(body);
}

static inline void answer_echo(void *context, const struct dl_http_request *request, struct dl_http_answer *answer)
{
    const char *value = dl_http_argument(request, "value");
    const char *accept = dl_http_header(request, "Accept");
    char body[512];
    snprintf(body, sizeof body, "%s|%s|%s", (const char *)context, value == NULL ? "-" : value, accept == NULL ? "-" : accept);
    say(answer, body);
}

static inline void answer_not_yet(void *context, const struct dl_http_request *request, struct dl_http_answer *answer)
{
    (void)context, (void)request;
    answer->status = 503;
    answer->content_type = "text/plain";
    say(answer, "not yet");
}

/* Another one every time it is made. */
static int made;

static inline void answer_made(void *context, const struct dl_http_request *request, struct dl_http_answer *answer)
{
    (void)context;
    char body[32];
    snprintf(body, sizeof body, "made %d", ++made);
    answer->status = dl_http_argument(request, "bad") == NULL ? 200 : 400;
    say(answer, body);
}

static inline void answer_large(void *context, const struct dl_http_request *request, struct dl_http_answer *answer)
{
    (void)context, (void)request;
    answer->body = malloc(body_bytes);
    memset(answer->body, 'x', body_bytes);
    answer->body_bytes = body_bytes;
}

static inline void answer_nothing(void *context, const struct dl_http_request *request, struct dl_http_answer *answer)
{
    (void)context, (void)request, (void)answer;
}

static const struct dl_http_route routes[] = {
    {.path = "/echo", .answer = answer_echo},
    {.path = "/open", .answer = answer_echo, .open = true},
    {.path = "/not-yet", .answer = answer_not_yet},
    {.path = "/large", .answer = answer_large},
    {.path = "/nothing", .answer = answer_nothing},
    {.path = "/kept", .answer = answer_made, .keep = DL_HTTP_KEEP_UNTIL_FORGOTTEN},
    {.path = "/second", .answer = answer_made, .keep = DL_HTTP_KEEP_A_SECOND},
    {.path = "/asset.css", .content_type = "text/css", .bytes = "p{}", .byte_count = 3},
    {.path = "/tagged.css", .content_type = "text/css", .bytes = "p{}", .byte_count = 3, .etag = "\"7f\"", .open = true},
    {.path = "/known", .answer = answer_echo, .parameters = (const char *const[]){"value", "x", NULL}},
    {.path = "/stream", .stream = true, .parameters = (const char *const[]){NULL}},
    {.path = NULL},
};

/* ---- The server ---- */

static inline struct dl_http_options options_of(const char *listen)
{
    return (struct dl_http_options){
        .listen = listen, .routes = routes, .context = context_text, .connections_max = 16, .streams_max = 3,
        .body_bytes_max = 64 * 1024 * 1024, .stream_bytes = 65536, .turn_ms_max = 5, .request_ms_max = 10000, .stream_ms_max = 10000, .keep_alive_ms = 60000, .notes = &notes};
}

static inline void start(const struct dl_http_options *options)
{
    noted[0] = '\0';
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(dl_http_open(&http, &loop, options), DL_OK);
}

static inline void start_plain(void)
{
    const struct dl_http_options options = options_of("127.0.0.1:0");
    start(&options);
}

static inline void on_closed(void *context)
{
    *(bool *)context = true;
}

static inline void stop(void)
{
    bool closed = false;
    dl_http_close(http, on_closed, &closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(closed);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

/* ---- Waiting ---- */

static inline struct dl_http_counts counts(void)
{
    struct dl_http_counts now;
    dl_http_counts(http, &now);
    return now;
}

/* Turns the loop until the condition holds; fails at the deadline. */
#define wait_for(condition)                                                                \
    do {                                                                                   \
        uint64_t end_ = uv_hrtime() + (uint64_t)DEADLINE_MS * 1000000;                     \
        while (!(condition)) {                                                             \
            ck_assert_msg(uv_hrtime() < end_, "waited in vain for %s; got: %s", #condition, text); \
            turn_loop();                                                                   \
        }                                                                                  \
    } while (0)

static inline void on_moment(uv_timer_t *timer)
{
    (void)timer;
}

/* Until something happens, a few milliseconds at most. */
static inline void turn_loop(void)
{
    uv_timer_t moment;
    uv_timer_init(&loop, &moment);
    uv_timer_start(&moment, on_moment, 2, 0);
    uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&moment, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
}

/* ---- Clients ---- */

static inline int connect_to(int receive_bytes)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)dl_http_port(http)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (receive_bytes > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    ck_assert_int_ne(dl_http_port(http), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static inline void send_text(int fd, const char *request)
{
    size_t bytes = strlen(request), sent = 0;
    while (sent < bytes) {
        ssize_t got = send(fd, request + sent, bytes - sent, MSG_NOSIGNAL);
        if (got > 0)
            sent += (size_t)got;
        else if (errno == EAGAIN)
            turn_loop();
        else
            break; /* refused while it was being sent */
    }
}

/* Appends what is there; true: the other side has closed. */
static inline bool receive(int fd)
{
    size_t used = strlen(text);
    for (;;) {
        ssize_t got = recv(fd, text + used, sizeof text - 1 - used, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return true;
        if (got < 0)
            return false;
        used += (size_t)got;
        text[used] = '\0';
    }
}

static inline bool has(int fd, const char *wanted)
{
    (void)receive(fd);
    return strstr(text, wanted) != NULL;
}

/* The whole answer to a request that closes. */
static inline const char *ask(const char *request)
{
    int fd = connect_to(0);
    text[0] = '\0';
    send_text(fd, request);
    wait_for(receive(fd));
    close(fd);
    return text;
}

static inline const char *get(const char *path, const char *headers)
{
    char request[4096];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", path, headers);
    return ask(request);
}

static inline int status_of(const char *answer)
{
    int status = 0;
    sscanf(answer, "HTTP/1.%*d %d", &status);
    return status;
}

static inline const char *body_of(const char *answer)
{
    const char *blank = strstr(answer, "\r\n\r\n");
    return blank == NULL ? "" : blank + 4;
}
