#include "harness.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>

/* Names of this test's own, before the system's: one with two addresses, the
 * first of which nobody listens at, and one that takes its time. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    int (*system_one)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&system_one = dlsym(RTLD_NEXT, "getaddrinfo");
    if (strcmp(name, "slow.test") == 0) {
        usleep(700000);
        name = "127.0.0.1";
    }
    if (strcmp(name, "two.test") != 0)
        return system_one(name, service, hints, out);
    struct addrinfo *second;
    int failed = system_one("127.0.0.1", service, hints, &second);
    if (failed == 0)
        failed = system_one("127.0.0.2", service, hints, out);
    if (failed == 0)
        (*out)->ai_next = second;
    return failed;
}

struct link {
    uv_loop_t loop;
    struct notes notes;
    struct dl_redis *redis;
    struct dl_redis_options options;
    int ups, downs;
    bool closed;
    int replies, errors, lost;
    char last[256];
};

static struct link l;
static struct server server;

static void on_up(void *context)
{
    struct link *link = context;
    link->ups++;
}

static void on_down(void *context)
{
    struct link *link = context;
    link->downs++;
}

static void link_open(const char *url)
{
    ck_assert_int_eq(uv_loop_init(&l.loop), 0);
    notes_init(&l.notes);
    l.ups = l.downs = 0;
    l.closed = false;
    l.options.url = url;
    l.options.notes = &l.notes.sink;
    if (l.options.connect_timeout_ms == 0)
        l.options.connect_timeout_ms = 5000;
    if (l.options.reply_timeout_ms == 0)
        l.options.reply_timeout_ms = 5000;
    if (l.options.buffer_bytes_max == 0)
        l.options.buffer_bytes_max = 1 << 20;
    const struct dl_redis_callbacks callbacks = {.on_up = on_up, .on_down = on_down, .context = &l};
    ck_assert_int_eq(dl_redis_open(&l.redis, &l.loop, &l.options, &callbacks), DL_OK);
}

static void link_close(void)
{
    dl_redis_close(l.redis, set_true, &l.closed);
    ck_assert(loop_until(&l.loop, DEADLINE_MS, is_true, &l.closed));
    ck_assert_int_eq(uv_run(&l.loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&l.loop), 0); /* EBUSY: a handle was left */
}

static bool is_up(void *context)
{
    (void)context;
    return dl_redis_up(l.redis);
}

static bool is_down(void *context)
{
    return !is_up(context);
}

static bool said(void *context)
{
    return notes_count(&l.notes, context) > 0;
}

#define WAIT_UP() ck_assert_msg(loop_until(&l.loop, DEADLINE_MS, is_up, NULL), "not up; said: %s", l.notes.text)
#define WAIT_SAID(part) \
    ck_assert_msg(loop_until(&l.loop, DEADLINE_MS, said, (void *)(uintptr_t)(part)), "not said: %s; but: %s", part, l.notes.text)

static void on_reply(void *context, const redisReply *reply)
{
    struct link *link = context;
    link->replies++;
    link->lost += !reply;
    link->errors += reply && reply->type == REDIS_REPLY_ERROR;
    if (reply && reply->str)
        snprintf(link->last, sizeof link->last, "%s", reply->str);
}

static enum dl_status send_words(const char *a, const char *b, const char *c)
{
    const char *argv[] = {a, b, c};
    size_t argc = c ? 3 : b ? 2 : 1, bytes[3] = {strlen(a), b ? strlen(b) : 0, c ? strlen(c) : 0};
    return dl_redis_send(l.redis, argc, argv, bytes, on_reply, &l);
}

static bool all_answered(void *context)
{
    return l.replies >= *(int *)context;
}

static void wait_replies(int count)
{
    ck_assert_msg(loop_until(&l.loop, DEADLINE_MS, all_answered, &count), "%d of %d", l.replies, count);
}

static char *tcp_url(const char *credentials, const char *more)
{
    static char url[256];
    snprintf(url, sizeof url, "redis://%s127.0.0.1:%d%s", credentials, server.port, more);
    return url;
}

static char *unix_url(const char *more)
{
    static char url[256];
    snprintf(url, sizeof url, "unix://%s%s", server.socket, more);
    return url;
}

static redisContext *client;

static redisReply *ask(const char *command)
{
    if (client)
        redisFree(client);
    client = server_client(&server);
    ck_assert_ptr_nonnull(client);
    return redisCommand(client, command);
}

static void ask_status(const char *command)
{
    redisReply *reply = ask(command);
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s", reply->str);
    freeReplyObject(reply);
}

static void setup(void)
{
    memset(&l, 0, sizeof l);
    server_init(&server);
}

static void teardown(void)
{
    if (client)
        redisFree(client);
    server_remove(&server);
}

/* ---- Ways in ---- */

START_TEST(test_tcp)
{
    server_start(&server, "");
    link_open(tcp_url("", "/3"));
    WAIT_UP();
    ck_assert_int_eq(send_words("SET", "a", "1"), DL_OK);
    ck_assert_int_eq(send_words("CLIENT", "GETNAME", NULL), DL_OK);
    wait_replies(2);
    ck_assert_str_eq(l.last, "delightd");
    redisReply *reply = ask("INFO keyspace");
    ck_assert_ptr_nonnull(strstr(reply->str, "db3:keys=1"));
    freeReplyObject(reply);
    ck_assert_int_eq(notes_count(&l.notes, "redis is connected"), 1);
    ck_assert_uint_eq(dl_redis_buffered(l.redis), 0);
    link_close();
    ck_assert_int_eq(l.downs, 0);
}
END_TEST

START_TEST(test_unix)
{
    server_start(&server, "");
    link_open(unix_url("?db=5"));
    WAIT_UP();
    ck_assert_int_eq(send_words("SET", "a", "1"), DL_OK);
    wait_replies(1);
    redisReply *reply = ask("INFO keyspace");
    ck_assert_ptr_nonnull(strstr(reply->str, "db5:keys=1"));
    freeReplyObject(reply);
    link_close();
}
END_TEST

START_TEST(test_name)
{
    server_start(&server, "");
    char url[64];
    snprintf(url, sizeof url, "redis://localhost:%d", server.port);
    link_open(url);
    WAIT_UP();
    link_close();
}
END_TEST

START_TEST(test_second_address)
{
    server_start(&server, "");
    char url[64];
    snprintf(url, sizeof url, "redis://two.test:%d", server.port);
    link_open(url);
    WAIT_UP();
    ck_assert_int_eq(notes_count(&l.notes, "away"), 0); /* nothing to tell: it was one attempt */
    link_close();
}
END_TEST

/* The answer comes after the timeout: told once, and it serves the attempt that waits for it. */
START_TEST(test_slow_name)
{
    server_start(&server, "");
    l.options.connect_timeout_ms = 200;
    char url[64];
    snprintf(url, sizeof url, "redis://slow.test:%d", server.port);
    link_open(url);
    WAIT_SAID("resolving its name takes too long");
    WAIT_UP();
    ck_assert_int_eq(notes_count(&l.notes, "resolving its name"), 1);
    link_close();
    link_open(url);
    loop_for(&l.loop, 300);
    link_close(); /* while the lookup is under way */
}
END_TEST

static void expect_refusal(const char *url, const char *part)
{
    link_open(url);
    WAIT_SAID(part);
    loop_for(&l.loop, 1000); /* several attempts: each may be refused, but only one is told */
    ck_assert_int_eq(notes_count(&l.notes, part), 1);
    ck_assert_int_eq(l.ups, 0);
    ck_assert_ptr_null(strstr(l.notes.text, "hunter2"));
    ck_assert_ptr_null(strstr(l.notes.text, "wrong-secret"));
    link_close();
}

START_TEST(test_password)
{
    server_start(&server, "requirepass hunter2");
    link_open(tcp_url(":hunter2@", ""));
    WAIT_UP();
    link_close();
    expect_refusal(tcp_url(":wrong-secret@", ""), "redis refused user name or password");
    expect_refusal(tcp_url("", "/1"), "redis asks for a password");
}
END_TEST

START_TEST(test_password_unwanted)
{
    server_start(&server, "");
    expect_refusal(tcp_url(":hunter2@", ""), "redis has no password set for this user");
}
END_TEST

/* A server that does not know AUTH would repeat its arguments in the error. */
START_TEST(test_password_not_repeated)
{
    server_start(&server, "rename-command AUTH \"\"");
    expect_refusal(tcp_url("someone:hunter2@", ""), "redis refused user name or password");
}
END_TEST

START_TEST(test_acl_user)
{
    server_start(&server, "user default off\nuser cx on >p@ss%/w:rd ~cx* &cx* +@all");
    link_open(tcp_url("cx:p%40ss%25%2Fw%3ard@", ""));
    WAIT_UP();
    link_close();
    expect_refusal(tcp_url("cx:wrong-secret@", ""), "redis refused user name or password");
    expect_refusal(tcp_url("other:wrong-secret@", ""), "redis refused user name or password");
}
END_TEST

/* A user who may neither ping nor set a name may come in all the same. */
START_TEST(test_acl_narrow)
{
    server_start(&server, "user cx on >hunter2 ~cx* +set +get");
    link_open(tcp_url("cx:hunter2@", ""));
    WAIT_UP();
    ck_assert_int_eq(send_words("SET", "cx", "1"), DL_OK);
    ck_assert_int_eq(send_words("SET", "other", "1"), DL_OK);
    wait_replies(2);
    ck_assert_int_eq(l.errors, 1);
    ck_assert(dl_redis_up(l.redis));
    link_close();
}
END_TEST

START_TEST(test_password_file)
{
    server_start(&server, "requirepass hunter2");
    server_write(&server, "password", "wrong-secret\n");
    char path[128];
    snprintf(path, sizeof path, "%s/password", server.dir);
    l.options.password_file = path;
    link_open(tcp_url("", ""));
    WAIT_SAID("redis refused user name or password");
    unlink(path);
    WAIT_SAID("redis.password_file cannot be read");
    server_write(&server, "password", "hunter2\n");
    WAIT_UP(); /* read again at each attempt */
    ck_assert_ptr_null(strstr(l.notes.text, "hunter2"));
    link_close();
}
END_TEST

START_TEST(test_database)
{
    server_start(&server, "databases 4");
    link_open(tcp_url("", "/3"));
    WAIT_UP();
    link_close();
    expect_refusal(tcp_url("", "/4"), "redis refused the database number");
}
END_TEST

START_TEST(test_options)
{
    static const struct {
        const char *url, *password_file, *ca, *certificate, *part;
    } rows[] = {
        {"nonsense", NULL, NULL, NULL, "expected redis://"},
        {"redis://user@h", NULL, NULL, NULL, "no password"},
        {"redis://:p@h", "/f", NULL, NULL, "stands in the URL and in"},
        {"redis://h", NULL, "/f", NULL, "does not begin with rediss://"},
        {"rediss://h", NULL, NULL, "/f", "only work together"},
    };
    uv_loop_init(&l.loop);
    const struct dl_redis_callbacks callbacks = {.on_up = on_up, .on_down = on_down};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        notes_init(&l.notes);
        const struct dl_redis_options options = {.url = rows[i].url, .password_file = rows[i].password_file,
                                                 .tls_ca_file = rows[i].ca, .tls_certificate_file = rows[i].certificate,
                                                 .connect_timeout_ms = 1, .reply_timeout_ms = 1, .notes = &l.notes.sink};
        ck_assert_int_eq(dl_redis_open(&l.redis, &l.loop, &options, &callbacks), DL_INVALID);
        ck_assert_msg(strstr(l.notes.text, rows[i].part), "%s", l.notes.text);
    }
    uv_loop_close(&l.loop);
}
END_TEST

/* ---- What can go wrong ---- */

START_TEST(test_nobody_there)
{
    expect_refusal(tcp_url("", ""), "redis is away: no connection");
    expect_refusal(unix_url(""), "redis is away: no connection");
    expect_refusal("redis://no-such-host.invalid", "redis is away: its name cannot be resolved");
}
END_TEST

/* Attempts grow apart: within 3 s there is room for 100 + 200 + 400 + 800 + 1600 ms, halved by chance at most. */
START_TEST(test_backoff)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    link_open(tcp_url("", ""));
    int attempts = 0;
    for (int64_t start = monotonic_ms(); monotonic_ms() - start < 3000;) {
        loop_for(&l.loop, 5);
        int peer = accept(fd, NULL, NULL);
        if (peer >= 0) {
            attempts++;
            close(peer); /* comes up to a connection, then the door shuts */
        }
    }
    ck_assert_msg(attempts >= 4 && attempts <= 8, "%d", attempts);
    ck_assert_int_eq(notes_count(&l.notes, "redis is away: the connection was closed"), 1);
    close(fd);
    link_close();
}
END_TEST

/* What answers is another service. */
static void serve_text(const char *text, const char *part)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    l.options.connect_timeout_ms = 300;
    link_open(tcp_url("", ""));
    int peer = -1;
    for (int64_t start = monotonic_ms(); peer < 0 && monotonic_ms() - start < DEADLINE_MS;) {
        loop_for(&l.loop, 5);
        peer = accept(fd, NULL, NULL);
    }
    ck_assert_int_ge(peer, 0);
    ck_assert_int_eq(write(peer, text, strlen(text)), (ssize_t)strlen(text));
    WAIT_SAID(part);
    ck_assert(!dl_redis_up(l.redis));
    close(peer);
    close(fd);
    link_close();
}

START_TEST(test_not_redis)
{
    serve_text("HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak the Redis protocol");
    serve_text("+OK\r\n+PONG\r\n+MORE\r\n", "does not speak the Redis protocol"); /* one answer too many */
    serve_text("+OK\r\n*8\r\n", "does not answer a connection in time");      /* half an answer */
}
END_TEST

START_TEST(test_cluster)
{
    char config[64];
    snprintf(config, sizeof config, "cluster-enabled yes\ncluster-port %d", free_port());
    server_start(&server, config);
    link_open(tcp_url("", ""));
    WAIT_UP();
    ck_assert_int_eq(send_words("SET", "a", "1"), DL_OK);
    WAIT_SAID("Redis Cluster is not supported");
    ck_assert_int_eq(l.errors, 1);
    ck_assert_int_eq(l.downs, 1);
    link_close();
}
END_TEST

/* A replica lets us in and says READONLY to each write: told once, and no spin. */
START_TEST(test_replica)
{
    server_start(&server, "replicaof 127.0.0.1 1\nreplica-serve-stale-data yes");
    link_open(tcp_url("", ""));
    int64_t start = monotonic_ms();
    while (monotonic_ms() - start < 2000) {
        if (dl_redis_up(l.redis) && dl_redis_buffered(l.redis) == 0)
            ck_assert_int_eq(send_words("SET", "a", "1"), DL_OK);
        loop_for(&l.loop, 2);
    }
    ck_assert_int_eq(notes_count(&l.notes, "read-only replica"), 1);
    ck_assert_int_eq(notes_count(&l.notes, "redis is connected"), 1);
    ck_assert_msg(l.ups >= 2 && l.ups <= 7, "%d", l.ups);
    ask_status("REPLICAOF NO ONE");
    int errors = l.errors;
    start = monotonic_ms();
    while (notes_count(&l.notes, "redis is connected") < 2 && monotonic_ms() - start < DEADLINE_MS) {
        if (dl_redis_up(l.redis) && dl_redis_buffered(l.redis) == 0)
            ck_assert_int_eq(send_words("SET", "a", "1"), DL_OK);
        loop_for(&l.loop, 2);
    }
    ck_assert_int_le(l.errors, errors + 1);
    ck_assert_int_eq(notes_count(&l.notes, "redis is connected"), 2);
    link_close();
}
END_TEST

START_TEST(test_replica_without_master)
{
    server_start(&server, "replicaof 127.0.0.1 1\nreplica-serve-stale-data no");
    link_open(tcp_url("", ""));
    WAIT_SAID("replica without its master");
    ask_status("REPLICAOF NO ONE");
    WAIT_UP();
    link_close();
}
END_TEST

START_TEST(test_restart)
{
    server_start(&server, "");
    link_open(tcp_url("", ""));
    WAIT_UP();
    for (int round = 1; round <= 3; round++) {
        kill(server.pid, SIGSTOP);
        ck_assert_int_eq(send_words("SET", "a", "1"), DL_OK);
        ck_assert_int_eq(send_words("SET", "b", "1"), DL_OK);
        server_kill(&server);
        ck_assert(loop_until(&l.loop, DEADLINE_MS, is_down, NULL));
        ck_assert_int_eq(l.lost, 2 * round);
        ck_assert_int_eq(l.downs, round);
        ck_assert_uint_eq(dl_redis_buffered(l.redis), 0);
        ck_assert_int_eq(send_words("PING", NULL, NULL), DL_AWAY);
        server_start(&server, "");
        WAIT_UP();
        ck_assert_int_eq(l.ups, round + 1);
        ck_assert_int_eq(notes_count(&l.notes, "redis is connected"), round + 1);
    }
    link_close();
}
END_TEST

/* Redis stands still: the buffer takes its limit and no more, the timeout takes the link down, and it comes back. */
START_TEST(test_stopped)
{
    server_start(&server, "");
    l.options.reply_timeout_ms = 500;
    l.options.buffer_bytes_max = 8 << 20;
    link_open(tcp_url("", ""));
    WAIT_UP();
    kill(server.pid, SIGSTOP);
    static char value[16384];
    memset(value, 'x', sizeof value - 1);
    enum dl_status status;
    int sent = 0;
    int64_t start = monotonic_ms();
    while ((status = send_words("SET", "a", value)) == DL_OK) {
        sent++;
        loop_for(&l.loop, 1);
        ck_assert(monotonic_ms() - start < DEADLINE_MS);
    }
    if (status == DL_FULL) {
        ck_assert_uint_le(dl_redis_buffered(l.redis), l.options.buffer_bytes_max);
        ck_assert_uint_ge(dl_redis_buffered(l.redis), l.options.buffer_bytes_max - 2 * sizeof value);
    }
    WAIT_SAID("redis is away: it does not answer in time");
    ck_assert_int_eq(l.lost, sent);
    ck_assert_int_ge(monotonic_ms() - start, 500);
    kill(server.pid, SIGCONT);
    WAIT_UP();
    link_close();
}
END_TEST

/* The loop is held up for longer than the timeout while the answer waits in the socket: no fault. */
START_TEST(test_held_up)
{
    server_start(&server, "");
    l.options.reply_timeout_ms = 100;
    link_open(tcp_url("", ""));
    WAIT_UP();
    kill(server.pid, SIGSTOP);
    ck_assert_int_eq(send_words("PING", NULL, NULL), DL_OK);
    uv_run(&l.loop, UV_RUN_NOWAIT); /* it is written */
    kill(server.pid, SIGCONT);
    usleep(300000); /* and answered meanwhile */
    wait_replies(1);
    ck_assert_int_eq(l.lost, 0);
    ck_assert_int_eq(l.downs, 0);
    link_close();
}
END_TEST

START_TEST(test_pipelining)
{
    server_start(&server, "");
    link_open(tcp_url("", ""));
    WAIT_UP();
    int sent = 0;
    while (send_words("INCR", "n", NULL) == DL_OK && sent < 100000)
        sent++;
    ck_assert_int_ge(sent, 10000);
    /* Larger than the limit, but alone it may pass. */
    wait_replies(sent);
    static char large[3 << 20];
    memset(large, 'x', sizeof large - 1);
    ck_assert_int_eq(send_words("SET", "large", large), DL_OK);
    ck_assert_int_eq(send_words("PING", NULL, NULL), DL_FULL);
    wait_replies(sent + 1);
    redisReply *reply = ask("GET n");
    ck_assert_int_eq(atoi(reply->str), sent);
    freeReplyObject(reply);
    ck_assert_int_eq(send_words("GET", "large", NULL), DL_OK); /* 3 MiB back, in many reads */
    wait_replies(sent + 2);
    ck_assert_int_eq(l.errors + l.lost, 0);
    link_close();
}
END_TEST

/* ---- Close, whatever is under way ---- */

static void close_after(int iterations)
{
    for (int i = 0; i < iterations; i++)
        uv_run(&l.loop, UV_RUN_NOWAIT);
    if (dl_redis_up(l.redis))
        ck_assert_int_eq(send_words("PING", NULL, NULL), DL_OK);
    link_close();
}

START_TEST(test_close)
{
    server_start(&server, "");
    for (int iterations = 0; iterations < 30; iterations++) {
        link_open(tcp_url("", "/1"));
        close_after(iterations);
        link_open(unix_url(""));
        close_after(iterations);
        link_open("redis://localhost:1");
        close_after(iterations);
    }
    ck_assert_int_eq(l.lost, l.replies); /* dropped at close: each was told */
    ck_assert_int_eq(l.downs, 0);
}
END_TEST

static void close_in_reply(void *context, const redisReply *reply)
{
    on_reply(context, reply);
    if (l.replies == 1)
        dl_redis_close(l.redis, set_true, &l.closed);
}

START_TEST(test_close_in_callback)
{
    server_start(&server, "");
    link_open(tcp_url("", ""));
    WAIT_UP();
    const char *argv[] = {"PING"};
    const size_t bytes[] = {4};
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(dl_redis_send(l.redis, 1, argv, bytes, close_in_reply, &l), DL_OK);
    ck_assert(loop_until(&l.loop, DEADLINE_MS, is_true, &l.closed));
    ck_assert_int_eq(l.replies, 3);
    ck_assert_int_eq(l.lost, 2);
    ck_assert_int_eq(uv_loop_close(&l.loop), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("link");
    static const TTest *const *tests[] = {
        &test_tcp, &test_unix, &test_name, &test_second_address, &test_slow_name, &test_password, &test_password_unwanted, &test_password_not_repeated,
        &test_acl_user, &test_acl_narrow, &test_password_file, &test_database, &test_options, &test_nobody_there,
        &test_backoff, &test_not_redis, &test_cluster, &test_replica, &test_replica_without_master, &test_restart,
        &test_stopped, &test_held_up, &test_pipelining, &test_close, &test_close_in_callback,
    };
    TCase *all = tcase_create("link");
    tcase_set_timeout(all, TIMEOUT_S);
    tcase_add_checked_fixture(all, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(all, *tests[i]);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
