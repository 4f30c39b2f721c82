#include "client.h"

#include <microhttpd.h>

/* ---- Requests ---- */

START_TEST(an_answer_has_its_body_and_every_header)
{
    static const char *const headers[] = {
        "HTTP/1.1 200 OK\r\n", "Content-Type: application/json\r\n", "Cache-Control: no-store\r\n",
        "Content-Security-Policy: default-src 'none'; ", "X-Content-Type-Options: nosniff\r\n", "X-Frame-Options: DENY\r\n",
        "Referrer-Policy: no-referrer\r\n", "Cross-Origin-Resource-Policy: same-origin\r\n", "Content-Length: "};
    start_plain();
    const char *answer = get("/echo?value=a%20b%252f+c&x=1", "Accept: this\r\n");
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        ck_assert_msg(strstr(answer, headers[i]) != NULL, "%s in %s", headers[i], answer);
    ck_assert_str_eq(body_of(answer), "context|a b%2f c|this");
    ck_assert_str_eq(body_of(get("/echo", "")), "context|-|-");
    ck_assert_int_eq(status_of(get("/not-yet", "")), 503);
    ck_assert_str_eq(body_of(text), "not yet");
    ck_assert(strstr(text, "Content-Type: text/plain\r\n") != NULL);
    ck_assert(strstr(text, "Content-Security-Policy: ") != NULL);
    ck_assert_str_eq(body_of(get("/asset.css", "")), "p{}");
    ck_assert(strstr(text, "Content-Type: text/css\r\n") != NULL);
    ck_assert(strstr(text, "Cache-Control: no-store\r\n") != NULL && strstr(text, "ETag") == NULL);
    stop();
}
END_TEST

/* What a browser has it need not be sent; what it may not see it does not learn of. */
START_TEST(a_tagged_asset_is_sent_once)
{
    static const struct {
        const char *header;
        int status;
    } rows[] = {
        {"", 200}, {"If-None-Match: \"7f\"\r\n", 304}, {"If-None-Match: W/\"7f\"\r\n", 304}, {"If-None-Match: \"a\", \"7f\"\r\n", 304},
        {"If-None-Match: *\r\n", 304}, {"If-None-Match: \"7\"\r\n", 200}, {"If-None-Match: \"7ff\"\r\n", 200}, {"If-None-Match: 7f\r\n", 200},
    };
    start_plain();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_msg(status_of(get("/tagged.css", rows[i].header)) == rows[i].status, "%s: %s", rows[i].header, text);
        ck_assert_str_eq(body_of(text), rows[i].status == 200 ? "p{}" : "");
        ck_assert(strstr(text, "ETag: \"7f\"\r\n") != NULL && strstr(text, "Cache-Control: no-cache\r\n") != NULL);
        ck_assert(strstr(text, "Content-Security-Policy: ") != NULL);
    }
    ck_assert_int_eq(status_of(get("/asset.css", "If-None-Match: *\r\n")), 200); /* it has no tag */
    /* Nothing follows a 304: the connection goes on with the next answer. */
    int fd = connect_to(0);
    text[0] = '\0';
    send_text(fd, "GET /tagged.css HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: \"7f\"\r\n\r\n");
    wait_for(has(fd, "\r\n\r\n"));
    ck_assert_int_eq(status_of(text), 304);
    text[0] = '\0';
    send_text(fd, "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for(has(fd, "context|-|-"));
    ck_assert_int_eq(status_of(text), 200);
    close(fd);
    stop();
}
END_TEST

START_TEST(statuses)
{
    static const struct {
        const char *request;
        int status;
    } rows[] = {
        {"GET /echo HTTP/1.1\r\nHost: localhost\r\n", 200},
        {"GET /echo? HTTP/1.1\r\nHost: localhost\r\n", 200},
        {"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n", 404},
        {"GET /echo/ HTTP/1.1\r\nHost: localhost\r\n", 404},
        {"GET / HTTP/1.1\r\nHost: localhost\r\n", 404},
        {"GET /../echo HTTP/1.1\r\nHost: localhost\r\n", 404},
        {"GET /nothing HTTP/1.1\r\nHost: localhost\r\n", 503}, /* a route without memory */
        {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n", 405},
        {"PUT /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n", 405},
        {"DELETE /echo HTTP/1.1\r\nHost: localhost\r\n", 405},
        {"OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\n", 405},
        {"get /echo HTTP/1.1\r\nHost: localhost\r\n", 405},
    };
    start_plain();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char request[512];
        snprintf(request, sizeof request, "%sConnection: close\r\n\r\n", rows[i].request);
        ck_assert_msg(status_of(ask(request)) == rows[i].status, "%s: %s", rows[i].request, text);
        ck_assert_msg((rows[i].status == 405) == (strstr(text, "Allow: GET, HEAD\r\n") != NULL), "%s", text);
    }
    ck_assert_str_eq(body_of(get("/nowhere", "")),
                     "{\"error\":\"there is no such path\",\"paths\":[\"/echo\",\"/open\",\"/not-yet\",\"/large\",\"/nothing\","
                     "\"/kept\",\"/second\",\"/asset.css\",\"/tagged.css\",\"/known\",\"/stream\"]}\n");
    stop();
}
END_TEST

START_TEST(a_head_is_a_get_without_its_body)
{
    start_plain();
    const char *answer = ask("HEAD /echo?value=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    ck_assert_int_eq(status_of(answer), 200);
    ck_assert(strstr(answer, "Content-Length: 11\r\n") != NULL);
    ck_assert_str_eq(body_of(answer), "");
    answer = ask("HEAD /stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    ck_assert_int_eq(status_of(answer), 200);
    ck_assert(strstr(answer, "Content-Type: text/event-stream\r\n") != NULL);
    ck_assert_str_eq(body_of(answer), "");
    ck_assert_int_eq(counts().streams, 0);
    stop();
}
END_TEST

START_TEST(one_connection_carries_many_requests_and_bodies_mean_nothing)
{
    start_plain();
    int fd = connect_to(0);
    text[0] = '\0';
    for (int i = 0; i < 3; i++)
        send_text(fd, "GET /echo?value=kept HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello");
    send_text(fd, "GET /echo?value=last HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for(has(fd, "context|last|-"));
    ck_assert_int_eq(counts().requests, 4);
    ck_assert_int_eq(counts().connections, 1);
    close(fd);
    wait_for(counts().connections == 0);
    stop();
}
END_TEST

static int number_of(const char *path, const char *headers)
{
    int number = 0;
    sscanf(body_of(get(path, headers)), "made %d", &number);
    return number;
}

START_TEST(answers_stand_for_those_who_ask_the_same)
{
    start_plain();
    int first = number_of("/kept?a=1", "");
    ck_assert_int_gt(first, 0);
    ck_assert_int_eq(number_of("/kept?a=1", ""), first);
    ck_assert(strstr(text, "X-Content-Type-Options: nosniff\r\n") != NULL);
    ck_assert_int_ne(number_of("/kept?a=2", ""), first);
    ck_assert_int_ne(number_of("/kept", ""), first);
    ck_assert_int_ne(number_of("/kept?a=1", "Accept: x\r\n"), first);
    ck_assert_int_ne(number_of("/kept?a=11", ""), first);
    ck_assert_int_eq(number_of("/kept?a=1", ""), first);
    ck_assert_int_eq(status_of(ask("HEAD /kept?a=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")), 200);
    ck_assert_str_eq(body_of(text), "");
    ck_assert_int_eq(counts().kept, 3);
    int second = number_of("/second", ""), bad = number_of("/kept?bad=1", "");
    ck_assert_int_ne(number_of("/kept?bad=1", ""), bad); /* only what is good is kept */
    /* Who may not have it does not get it. */
    ck_assert_int_eq(status_of(ask("GET /kept?a=1 HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")), 421);
    dl_http_forget(http);
    ck_assert_int_ne(number_of("/kept?a=1", ""), first);
    ck_assert_int_eq(number_of("/second", ""), second);
    wait_for(number_of("/second", "") != second); /* a second has passed */
    /* More than are kept: the oldest goes, and the newest is there. */
    char path[32];
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "/kept?b=%d", i);
        first = number_of(path, "");
    }
    ck_assert_int_eq(number_of(path, ""), first);
    stop();
}
END_TEST

START_TEST(what_nobody_asks_for_any_more_is_not_kept)
{
    start_plain();
    get("/kept", "");
    get("/second", "");
    ck_assert_int_eq(counts().requests, 2);
    wait_for(counts().body_bytes == 0);
    stop();
}
END_TEST

START_TEST(what_is_no_request_is_closed)
{
    static const char *const rows[] = {"GET /echo HTTP/1.1\r\nno colon\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02\x01\r\n\r\n",
                                       "GET /echo HTTP/9.9\r\nHost: localhost\r\n\r\n", "GET /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n"};
    struct dl_http_options options = options_of("127.0.0.1:0");
    options.request_ms_max = 500;
    start(&options);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ask(rows[i]);
        ck_assert_msg(status_of(text) != 200, "%s: %s", rows[i], text);
    }
    ck_assert_int_eq(status_of(get("/echo", "")), 200);
    stop();
}
END_TEST

/* ---- Who may ask ---- */

START_TEST(host_names)
{
    static const struct {
        const char *host;
        int status;
    } rows[] = {
        {"localhost", 200},          {"LOCALHOST:1", 200},     {"127.0.0.1", 200},       {"127.0.0.1:9464", 200},
        {"[::1]", 200},              {"[::1]:9464", 200},      {"10.1.2.3:80", 200},     {"metrics.example", 200},
        {"Metrics.Example:80", 200}, {"evil.example", 421},    {"evil.example:9464", 421}, {"localhost.evil.example", 421},
        {"metrics.example.evil", 421}, {"127.0.0.1.evil.example", 421}, {"localhost:80@evil", 421}, {"localhost:x", 421},
        {"[::1", 421},               {"[evil.example]", 421},  {"", 421},                {"metrics.exampl", 421},
    };
    static const char *const hosts[] = {"metrics.example"};
    struct dl_http_options options = options_of("127.0.0.1:0");
    options.hosts = hosts;
    options.host_count = 1;
    start(&options);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char request[512];
        snprintf(request, sizeof request, "GET /echo HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", rows[i].host);
        ck_assert_msg(status_of(ask(request)) == rows[i].status, "Host: %s: %s", rows[i].host, text);
    }
    ck_assert_int_eq(status_of(ask("GET /echo HTTP/1.0\r\n\r\n")), 400);
    /* It is looked at before anything is told, of what there is, too. */
    ck_assert_int_eq(status_of(ask("GET /nowhere HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")), 421);
    stop();
}
END_TEST

static char *write_token(const char *content)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/dl-http-token-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
    return path;
}

START_TEST(a_token_is_asked_for_but_where_a_route_is_open)
{
    static const struct {
        const char *header;
        int status;
    } rows[] = {
        {"", 401},
        {"Authorization: Bearer 0123456789abcdef\r\n", 200},
        {"Authorization: bearer 0123456789abcdef\r\n", 200},
        {"Authorization: Bearer 0123456789abcdeg\r\n", 401},
        {"Authorization: Bearer 1123456789abcdef\r\n", 401},
        {"Authorization: Bearer 0123456789abcde\r\n", 401},
        {"Authorization: Bearer 0123456789abcdeff\r\n", 401},
        {"Authorization: Bearer \r\n", 401},
        {"Authorization: Basic 0123456789abcdef\r\n", 401},
        {"Authorization: 0123456789abcdef\r\n", 401},
    };
    struct dl_http_options options = options_of("127.0.0.1:0");
    options.token_file = write_token("0123456789abcdef\n");
    start(&options);
    unlink(options.token_file); /* read at the start */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_msg(status_of(get("/echo", rows[i].header)) == rows[i].status, "%s: %s", rows[i].header, text);
        ck_assert((rows[i].status == 401) == (strstr(text, "WWW-Authenticate: Bearer realm=\"delightd\"\r\n") != NULL));
        ck_assert_int_eq(status_of(get("/open", rows[i].header)), 200);
        ck_assert_int_eq(status_of(get("/stream", rows[i].status == 401 ? rows[i].header : "")), 401);
        ck_assert_int_eq(status_of(get("/nowhere", rows[i].header)), rows[i].status == 200 ? 404 : 401);
    }
    stop();
    ck_assert_ptr_null(strstr(noted, "0123456789abcdef"));
}
END_TEST

START_TEST(a_token_file_that_cannot_be_is_refused)
{
    static const char *const rows[] = {"", "short\n", "0123456789abcde\n", "0123456789 abcdef", "0123456789abcdef\nmore\n", "0123456789abcd\xc3\xa9"};
    struct dl_http_options options = options_of("127.0.0.1:0");
    for (size_t i = 0; i <= sizeof rows / sizeof rows[0]; i++) {
        bool there = i < sizeof rows / sizeof rows[0];
        options.token_file = there ? write_token(rows[i]) : "/nowhere/token";
        noted[0] = '\0';
        ck_assert_msg(dl_http_open(&http, &loop, &options) == DL_INVALID, "row %zu", i);
        ck_assert_ptr_nonnull(strstr(noted, "http.token_file cannot be used"));
        if (there)
            unlink(options.token_file);
    }
}
END_TEST

START_TEST(another_token_is_taken_and_what_is_none_is_not)
{
    static const char stream[] = "GET /stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n";
    static const char old[] = "Authorization: Bearer 0123456789abcdef\r\n", new[] = "Authorization: Bearer fedcba9876543210\r\n";
    struct dl_http_options options = options_of("127.0.0.1:0");
    char path[64];
    strcpy(path, write_token("0123456789abcdef\n"));
    options.token_file = path;
    start(&options);
    int fd = connect_to(0);
    text[0] = '\0';
    send_text(fd, stream);
    wait_for(has(fd, "retry: "));
    static const char *const bad[] = {"", "short\n"};
    for (size_t i = 0; i <= sizeof bad / sizeof bad[0]; i++) {
        noted[0] = '\0';
        ck_assert_int_eq(i < 2 ? rename(write_token(bad[i]), path) : unlink(path), 0);
        ck_assert_int_eq(dl_http_renew_token(http), DL_INVALID);
        ck_assert_ptr_nonnull(strstr(noted, "http.token_file cannot be used"));
        ck_assert_int_eq(status_of(get("/echo", old)), 200);
    }
    ck_assert_int_eq(rename(write_token("0123456789abcdef"), path), 0); /* the same */
    ck_assert_int_eq(dl_http_renew_token(http), DL_OK);
    ck_assert_int_eq(counts().streams, 1);
    ck_assert_int_eq(rename(write_token("fedcba9876543210"), path), 0);
    ck_assert_int_eq(dl_http_renew_token(http), DL_OK);
    ck_assert_int_eq(status_of(get("/echo", old)), 401);
    ck_assert_int_eq(status_of(get("/echo", new)), 200);
    wait_for(({ text[0] = '\0'; receive(fd); })); /* it was let in by the one before */
    close(fd);
    wait_for(counts().streams == 0);
    ck_assert_int_eq(counts().streams_dropped, 0); /* too slow it was not */
    stop();
    unlink(path);
}
END_TEST

START_TEST(a_token_file_that_nobody_writes_is_not_waited_for)
{
    char path[64];
    strcpy(path, write_token(""));
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_str_eq(dl_http_token_check(path), "expected a regular file");
    ck_assert_str_eq(dl_http_token_check("/tmp"), "expected a regular file");
    unlink(path);
}
END_TEST

/* ---- Limits ---- */

START_TEST(headers_that_are_too_large_are_refused)
{
    static char request[100000];
    start_plain();
    int used = snprintf(request, sizeof request, "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: ");
    memset(request + used, 'y', 64 * 1024);
    strcpy(request + used + 64 * 1024, "\r\n\r\n");
    int fd = connect_to(0);
    text[0] = '\0';
    send_text(fd, request);
    wait_for(receive(fd));
    close(fd);
    ck_assert_msg(text[0] == '\0' || status_of(text) == 431 || status_of(text) == 413, "%s", text);
    ck_assert_int_eq(counts().requests, 0);
    ck_assert_int_eq(status_of(get("/echo", "")), 200);
    stop();
}
END_TEST

START_TEST(connections_over_the_limit_wait_for_one_to_go)
{
    struct dl_http_options options = options_of("127.0.0.1:0");
    options.connections_max = 2;
    options.request_ms_max = 10 * DEADLINE_MS; /* no time-out makes the turn that is waited for */
    start(&options);
    int first = connect_to(0), second = connect_to(0), third = connect_to(0);
    wait_for(counts().connections == 2);
    text[0] = '\0';
    send_text(third, "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (int i = 0; i < 20; i++)
        turn_loop();
    ck_assert(!has(third, "200 OK"));
    ck_assert_int_eq(counts().connections, 2);
    close(first);
    wait_for(has(third, "200 OK"));
    close(second);
    close(third);
    stop();
}
END_TEST

START_TEST(a_request_that_does_not_end_is_closed_however_it_trickles)
{
    struct dl_http_options options = options_of("127.0.0.1:0");
    options.request_ms_max = 300;
    start(&options);
    int fd = connect_to(0);
    text[0] = '\0';
    send_text(fd, "GET /echo HTTP/1.1\r\n");
    /* Not at every turn: on a fast machine the line would be too long before its time is over. */
    uint64_t sent_ns = uv_hrtime();
    wait_for(({
        if (uv_hrtime() - sent_ns > 20000000) {
            send_text(fd, "X");
            sent_ns = uv_hrtime();
        }
        receive(fd);
    }));
    ck_assert_int_eq(counts().requests, 0);
    ck_assert_int_eq(counts().timed_out, 1);
    close(fd);
    wait_for(counts().connections == 0);
    stop();
}
END_TEST

/* Both are there as long; one asks when more than half of the time is over. If the loop was held up so that both are due
 * when it looks, nothing can be told, and it is done again. */
START_TEST(a_request_has_its_own_time_however_long_it_was_silent_before)
{
    struct dl_http_options options = options_of("127.0.0.1:0");
    options.request_ms_max = 1000;
    for (bool told = false; !told;) {
        start(&options);
        int silent = connect_to(0), asking = connect_to(0);
        wait_for(counts().connections == 2);
        uint64_t begun_ms = uv_now(&loop);
        wait_for(uv_now(&loop) - begun_ms >= 600);
        uint64_t asked_ms = uv_now(&loop);
        send_text(asking, "GET /echo HTTP/1.1\r\nHost: localhost\r\n");
        wait_for(counts().timed_out > 0);
        told = uv_now(&loop) - asked_ms <= 1000;
        if (told)
            ck_assert_int_eq(counts().timed_out, 1);
        wait_for(counts().timed_out == 2); /* it is not for ever, either */
        ck_assert_int_eq(counts().requests, 0);
        close(silent);
        close(asking);
        stop();
    }
}
END_TEST

START_TEST(who_does_not_take_an_answer_is_closed)
{
    struct dl_http_options options = options_of("127.0.0.1:0");
    options.request_ms_max = 300;
    body_bytes = 32 * 1024 * 1024; /* more than the sockets hold */
    start(&options);
    int fd = connect_to(4096);
    send_text(fd, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for(counts().requests == 1);
    ck_assert_int_eq(counts().body_bytes, 32 * 1024 * 1024);
    wait_for(counts().timed_out == 1);
    wait_for(counts().connections == 0);
    ck_assert_int_eq(counts().body_bytes, 0);
    close(fd);
    stop();
}
END_TEST

START_TEST(answers_that_are_not_read_are_not_without_end)
{
    struct dl_http_options options = options_of("127.0.0.1:0");
    options.body_bytes_max = 100;
    body_bytes = 32 * 1024 * 1024; /* more than the sockets hold */
    start(&options);
    int fd = connect_to(4096);
    send_text(fd, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for(counts().requests == 1);
    ck_assert_int_eq(status_of(get("/large", "")), 503);
    ck_assert_ptr_nonnull(strstr(text, "Retry-After: 5\r\n"));
    ck_assert_int_eq(status_of(get("/open", "")), 200);
    ck_assert_int_eq(status_of(get("/asset.css", "")), 200);
    ck_assert_int_eq(counts().body_bytes, 32 * 1024 * 1024);
    close(fd);
    wait_for(counts().body_bytes == 0);
    ck_assert_int_eq(status_of(get("/echo", "")), 200);
    stop();
}
END_TEST

START_TEST(what_is_kept_makes_room_for_what_is_asked_for)
{
    struct dl_http_options options = options_of("127.0.0.1:0");
    options.body_bytes_max = 1;
    start(&options);
    for (int i = 0; i < 3; i++) {
        char path[32];
        snprintf(path, sizeof path, "/kept?a=%d", i);
        ck_assert_int_eq(status_of(get(path, "")), 200);
        wait_for(counts().connections == 0);
    }
    stop();
}
END_TEST

/* ---- Streams ---- */

static int open_stream(int receive_bytes)
{
    int64_t before = counts().streams;
    int fd = connect_to(receive_bytes);
    send_text(fd, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    text[0] = '\0';
    wait_for(has(fd, "retry: 2000\n\n"));
    ck_assert_ptr_nonnull(strstr(text, "Content-Type: text/event-stream\r\n"));
    ck_assert_int_eq(counts().streams, before + 1);
    text[0] = '\0';
    return fd;
}

static void tell(const char *events)
{
    dl_http_stream_send(http, events, strlen(events));
}

START_TEST(every_stream_gets_what_is_said_from_then_on)
{
    start_plain();
    tell("data: before\n\n");
    int first = open_stream(0);
    tell("data: one\n\n");
    wait_for(has(first, "data: one\n\n"));
    int second = open_stream(0);
    tell("data: two\n\n");
    tell("data: three\n\n");
    wait_for(has(second, "data: three\n\n"));
    ck_assert_ptr_nonnull(strstr(text, "data: two\n\n"));
    ck_assert_ptr_null(strstr(text, "data: one\n\n"));
    text[0] = '\0';
    wait_for(has(first, "data: three\n\n"));
    ck_assert_ptr_null(strstr(text, "before"));
    close(first);
    /* That it has gone is noticed by what it does not take. */
    wait_for(({ tell("data: four\n\n"); counts().streams == 1; }));
    text[0] = '\0';
    wait_for(has(second, "data: four\n\n"));
    ck_assert_int_eq(counts().streams_dropped, 0);
    stop(); /* with a stream that is open */
    close(second);
}
END_TEST

START_TEST(the_ring_wraps_around_whole)
{
    static char event[16000], wanted[64];
    start_plain();
    int fd = open_stream(0);
    for (int i = 0; i < 40; i++) { /* 640,000 bytes through a ring of 65,536 */
        int used = snprintf(event, sizeof event, "data: %d ", i);
        memset(event + used, 'a' + i % 26, sizeof event - (size_t)used - 1);
        snprintf(event + sizeof event - 20, 20, " end %d\n\n", i);
        tell(event);
        snprintf(wanted, sizeof wanted, " end %d\n\n", i);
        wait_for(has(fd, wanted));
        char *data = strstr(text, "data: ");
        ck_assert_ptr_nonnull(data);
        ck_assert_int_eq(atoi(data + 6), i);
        ck_assert_uint_ge(strspn(strchr(data + 6, ' ') + 1, (char[]){(char)('a' + i % 26), '\0'}), 10000);
        text[0] = '\0';
    }
    close(fd);
    stop();
}
END_TEST

START_TEST(streams_over_the_limit_are_refused)
{
    start_plain();
    int streams[3];
    for (int i = 0; i < 3; i++)
        streams[i] = open_stream(0);
    ck_assert_int_eq(status_of(get("/stream", "")), 503);
    ck_assert_ptr_nonnull(strstr(text, "Retry-After: 5\r\n"));
    close(streams[0]); /* seen though nothing is said */
    wait_for(counts().streams == 2);
    streams[0] = open_stream(0);
    for (int i = 0; i < 3; i++)
        close(streams[i]);
    stop();
}
END_TEST

/* The slow one takes nothing; the other gets everything meanwhile. */
START_TEST(a_stream_that_is_overtaken_is_dropped_and_the_others_do_not_wait)
{
    static char event[16001];
    start_plain();
    memset(event, 'x', sizeof event - 1);
    memcpy(event + sizeof event - 3, "\n\n", 2);
    int slow = open_stream(2048), quick = open_stream(0);
    int told = 0;
    while (counts().streams_dropped == 0 && told < 2000) {
        text[0] = '\0';
        tell(event);
        told++;
        wait_for(has(quick, "\n\n"));
    }
    ck_assert_int_eq(counts().streams_dropped, 1);
    wait_for(counts().streams == 1);
    text[0] = '\0';
    tell("data: on\n\n");
    wait_for(has(quick, "data: on\n\n"));
    text[0] = '\0';
    wait_for(({ text[0] = '\0'; receive(slow); })); /* what was under way, then the end */
    close(slow);
    close(quick);
    stop();
}
END_TEST

START_TEST(a_stream_that_takes_nothing_for_long_is_dropped)
{
    struct dl_http_options options = options_of("127.0.0.1:0");
    options.stream_ms_max = 1000;
    options.stream_bytes = 16 * 1024 * 1024; /* not overtaken */
    start(&options);
    static char event[1000001];
    memset(event, 'x', sizeof event - 1);
    int slow = open_stream(2048), quick = open_stream(0);
    for (int i = 0; i < 10; i++)
        tell(event);
    wait_for(({ text[0] = '\0'; receive(quick); counts().streams_dropped > 0; }));
    wait_for(counts().streams == 1);
    tell("data: on\n\n");
    wait_for(({ text[0] = '\0'; has(quick, "data: on\n\n"); }));
    ck_assert_int_eq(counts().streams_dropped, 1);
    close(slow);
    close(quick);
    stop();
}
END_TEST

START_TEST(a_quiet_stream_is_kept_alive)
{
    struct dl_http_options options = options_of("127.0.0.1:0");
    options.keep_alive_ms = 100;
    options.request_ms_max = 200; /* is not for streams */
    start(&options);
    int fd = open_stream(0);
    for (int i = 0; i < 3; i++) {
        text[0] = '\0';
        wait_for(has(fd, ":\n\n"));
    }
    ck_assert_int_eq(counts().streams, 1);
    close(fd);
    /* Who has gone is noticed by the comments. */
    wait_for(counts().streams == 0);
    stop();
}
END_TEST

/* ---- Addresses ---- */

START_TEST(addresses)
{
    static const struct {
        const char *listen;
        bool good;
    } rows[] = {
        {"127.0.0.1:9464", true}, {"127.0.0.1:0", true},     {"[::1]:9464", true},  {"localhost:1", true},
        {"0.0.0.0:65535", true},  {"unix:/run/x.sock", true}, {"", false},           {"9464", false},
        {"127.0.0.1", false},     {"127.0.0.1:", false},     {"127.0.0.1:65536", false}, {"127.0.0.1:-1", false},
        {"127.0.0.1:9464x", false}, {"::1:9464", false},     {"[127.0.0.1]:1", false}, {"example.com:80", false},
        {":9464", false},         {"unix:x.sock", false},    {"unix:", false},
        {"unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg((dl_http_listen_check(rows[i].listen) == NULL) == rows[i].good, "%s", rows[i].listen);
    const struct dl_http_options options = options_of("nowhere");
    ck_assert_int_eq(dl_http_open(&http, &loop, &options), DL_INVALID);
}
END_TEST

START_TEST(an_address_in_use_is_told_once_and_tried_again)
{
    int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    ck_assert_int_eq(bind(taken, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(taken, 1), 0);
    ck_assert_int_eq(getsockname(taken, (struct sockaddr *)&address, &bytes), 0);
    char listen_at[32];
    snprintf(listen_at, sizeof listen_at, "127.0.0.1:%d", ntohs(address.sin_port));
    const struct dl_http_options options = options_of(listen_at);
    start(&options);
    ck_assert_int_eq(dl_http_port(http), 0);
    const char *told = strstr(noted, "http.listen: nothing is served over HTTP; retrying");
    ck_assert_ptr_nonnull(told);
    wait_for(counts().attempts >= 2);
    close(taken);
    wait_for(dl_http_port(http) != 0);
    ck_assert_ptr_null(strstr(told + sizeof "http.listen: nothing", "nothing is served"));
    ck_assert_int_eq(status_of(get("/echo", "")), 200);
    stop();
}
END_TEST

/* Otherwise: as libmicrohttpd 1.0 fails, whose socket has this number; another thread gets it at once. -1: it starts. */
static int given_away = -1;

struct MHD_Daemon *MHD_start_daemon(unsigned flags, uint16_t port, MHD_AcceptPolicyCallback on_accept, void *accept_context,
                                    MHD_AccessHandlerCallback on_request, void *request_context, ...)
{
    va_list options;
    if (given_away >= 0) {
        dup2(STDERR_FILENO, given_away);
        return NULL;
    }
    va_start(options, request_context);
    struct MHD_Daemon *daemon = MHD_start_daemon_va(flags, port, on_accept, accept_context, on_request, request_context, options);
    va_end(options);
    return daemon;
}

START_TEST(a_descriptor_that_is_anothers_by_now_is_left_alone)
{
    const struct dl_http_options options = options_of("127.0.0.1:0");
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    given_away = dup(STDERR_FILENO); /* the lowest that is free is the next one's, too */
    close(given_away);
    ck_assert_int_eq(dl_http_open(&http, &loop, &options), DL_OK);
    ck_assert_int_eq(dl_http_port(http), 0);
    ck_assert_int_ge(fcntl(given_away, F_GETFD), 0);
    close(given_away);
    given_away = -1;
    wait_for(dl_http_port(http) != 0);
    stop();
}
END_TEST

/* The socket gets the last descriptor, the last but one, …: libmicrohttpd fails at whatever it opens. */
START_TEST(without_descriptors_nothing_is_served_and_none_is_lost)
{
    const struct dl_http_options options = options_of("127.0.0.1:0");
    struct rlimit before, tight;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    const int next = dup(STDERR_FILENO);
    ck_assert_int_gt(next, 0);
    close(next);
    int failed = -1, port = 0;
    while (port == 0) {
        noted[0] = '\0';
        tight = (struct rlimit){(rlim_t)(next + 1 + ++failed), before.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
        ck_assert_int_eq(dl_http_open(&http, &loop, &options), DL_OK);
        port = dl_http_port(http);
        ck_assert((port == 0) == (strstr(noted, "nothing is served") != NULL));
        ck_assert((port == 0) == (fcntl(next, F_GETFD) < 0)); /* it is given back */
        if (failed == 0) { /* and it goes on when there are some again */
            ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
            wait_for(dl_http_port(http) != 0);
            ck_assert_int_eq(status_of(get("/echo", "")), 200);
        }
        bool closed = false;
        dl_http_close(http, on_closed, &closed);
        wait_for(closed);
    }
    ck_assert_int_ge(failed, 1);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

START_TEST(a_unix_socket_is_the_groups_replaces_a_stale_one_and_is_removed)
{
    char path[64], listen_at[80];
    snprintf(path, sizeof path, "/tmp/dl-http-%d.sock", (int)getpid());
    snprintf(listen_at, sizeof listen_at, "unix:%s", path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(stale, (struct sockaddr *)&address, sizeof address), 0);
    close(stale); /* the file stays */

    struct dl_http_options options = options_of(listen_at);
    start(&options);
    struct stat about;
    ck_assert_int_eq(stat(path, &about), 0);
    ck_assert_int_eq(about.st_mode & 0777, 0660);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    text[0] = '\0';
    /* No name leads here, so any will do. */
    send_text(fd, "GET /echo HTTP/1.1\r\nHost: anything.example\r\n\r\n");
    wait_for(has(fd, "context|-|-"));
    /* One that is served is left alone. */
    struct dl_http *second;
    ck_assert_int_eq(dl_http_open(&second, &loop, &options), DL_OK);
    ck_assert_ptr_nonnull(strstr(noted, "nothing is served"));
    bool closed = false;
    dl_http_close(second, on_closed, &closed);
    wait_for(closed);
    ck_assert_int_eq(stat(path, &about), 0);
    close(fd);
    stop();
    ck_assert_int_ne(stat(path, &about), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http");
    TCase *requests = tcase_create("requests"), *limits = tcase_create("limits"), *streams = tcase_create("streams"),
          *addresses_case = tcase_create("addresses");
    tcase_add_test(requests, an_answer_has_its_body_and_every_header);
    tcase_add_test(requests, a_tagged_asset_is_sent_once);
    tcase_add_test(requests, statuses);
    tcase_add_test(requests, a_head_is_a_get_without_its_body);
    tcase_add_test(requests, one_connection_carries_many_requests_and_bodies_mean_nothing);
    tcase_add_test(requests, answers_stand_for_those_who_ask_the_same);
    tcase_add_test(requests, what_nobody_asks_for_any_more_is_not_kept);
    tcase_add_test(requests, what_is_no_request_is_closed);
    tcase_add_test(requests, host_names);
    tcase_add_test(requests, a_token_is_asked_for_but_where_a_route_is_open);
    tcase_add_test(requests, a_token_file_that_cannot_be_is_refused);
    tcase_add_test(requests, another_token_is_taken_and_what_is_none_is_not);
    tcase_add_test(requests, a_token_file_that_nobody_writes_is_not_waited_for);
    tcase_add_test(limits, headers_that_are_too_large_are_refused);
    tcase_add_test(limits, connections_over_the_limit_wait_for_one_to_go);
    tcase_add_test(limits, a_request_that_does_not_end_is_closed_however_it_trickles);
    tcase_add_test(limits, a_request_has_its_own_time_however_long_it_was_silent_before);
    tcase_add_test(limits, who_does_not_take_an_answer_is_closed);
    tcase_add_test(limits, answers_that_are_not_read_are_not_without_end);
    tcase_add_test(limits, what_is_kept_makes_room_for_what_is_asked_for);
    tcase_add_test(streams, every_stream_gets_what_is_said_from_then_on);
    tcase_add_test(streams, the_ring_wraps_around_whole);
    tcase_add_test(streams, streams_over_the_limit_are_refused);
    tcase_add_test(streams, a_stream_that_is_overtaken_is_dropped_and_the_others_do_not_wait);
    tcase_add_test(streams, a_stream_that_takes_nothing_for_long_is_dropped);
    tcase_add_test(streams, a_quiet_stream_is_kept_alive);
    tcase_add_test(addresses_case, addresses);
    tcase_add_test(addresses_case, an_address_in_use_is_told_once_and_tried_again);
    tcase_add_test(addresses_case, a_descriptor_that_is_anothers_by_now_is_left_alone);
    tcase_add_test(addresses_case, without_descriptors_nothing_is_served_and_none_is_lost);
    tcase_add_test(addresses_case, a_unix_socket_is_the_groups_replaces_a_stale_one_and_is_removed);
    TCase *const cases[] = {requests, limits, streams, addresses_case};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tcase_set_timeout(cases[i], 60);
        suite_add_tcase(suite, cases[i]);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
