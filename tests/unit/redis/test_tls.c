/* TLS against a redis-server with certificates that openssl makes on the spot. */
#include "harness.h"

#include <fcntl.h>

static struct {
    uv_loop_t loop;
    struct notes notes;
    struct dl_redis *redis;
    int replies, lost;
    size_t bytes;
    bool closed;
} l;
static struct server server;

static void openssl(const char *arguments)
{
    char command[1024];
    snprintf(command, sizeof command, "cd %s && openssl %s >>openssl.log 2>&1", server.dir, arguments);
    ck_assert_msg(system(command) == 0, "%s", command);
}

/* An authority, a certificate for localhost and 127.0.0.1, a client's, and one that nobody trusts. */
static void make_certificates(void)
{
    server_write(&server, "ext.cnf", "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
    openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca");
    openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -out other.pem -days 2 -subj /CN=other");
    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=server");
    openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext.cnf -out server.pem");
    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout client.key -out client.csr -subj /CN=client");
    openssl("x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out client.pem");
}

static void start(const char *more)
{
    char config[1024];
    server.tls_port = free_port();
    snprintf(config, sizeof config,
             "tls-port %d\ntls-cert-file %s/server.pem\ntls-key-file %s/server.key\ntls-ca-cert-file %s/ca.pem\n%s",
             server.tls_port, server.dir, server.dir, server.dir, more);
    server_start(&server, config);
}

static char *in_dir(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", server.dir, name);
    return path;
}

static void nothing(void *context)
{
    (void)context;
}

static bool is_up(void *context)
{
    (void)context;
    return dl_redis_up(l.redis);
}

static bool said(void *context)
{
    return notes_count(&l.notes, context) > 0;
}

static void link_open(const char *host, const char *ca, const char *certificate, const char *key)
{
    char url[128];
    uv_loop_init(&l.loop);
    notes_init(&l.notes);
    l.closed = false;
    snprintf(url, sizeof url, "rediss://%s:%d/1", host, server.tls_port);
    const struct dl_redis_options options = {
        .url = url,
        .tls_ca_file = ca ? in_dir(ca) : NULL,
        .tls_certificate_file = certificate ? in_dir(certificate) : NULL,
        .tls_key_file = key ? in_dir(key) : NULL,
        .connect_timeout_ms = 5000,
        .reply_timeout_ms = 5000,
        .buffer_bytes_max = 16 << 20,
        .notes = &l.notes.sink,
    };
    const struct dl_redis_callbacks callbacks = {.on_up = nothing, .on_down = nothing};
    ck_assert_int_eq(dl_redis_open(&l.redis, &l.loop, &options, &callbacks), DL_OK);
}

static void link_close(void)
{
    dl_redis_close(l.redis, set_true, &l.closed);
    ck_assert(loop_until(&l.loop, DEADLINE_MS, is_true, &l.closed));
    ck_assert_int_eq(uv_loop_close(&l.loop), 0);
}

static void expect_up(void)
{
    ck_assert_msg(loop_until(&l.loop, DEADLINE_MS, is_up, NULL), "not up; said: %s", l.notes.text);
}

static void expect_said(const char *part)
{
    ck_assert_msg(loop_until(&l.loop, DEADLINE_MS, said, (void *)(uintptr_t)part), "not said: %s; but: %s", part, l.notes.text);
    loop_for(&l.loop, 500);
    ck_assert_int_eq(notes_count(&l.notes, "the TLS connection to redis failed"), 1); /* once, whatever the number of attempts */
    ck_assert_int_eq(notes_count(&l.notes, "connected"), 0);
}

static void on_reply(void *context, const redisReply *reply)
{
    (void)context;
    l.replies++;
    l.lost += !reply;
    if (reply && reply->type == REDIS_REPLY_STRING)
        l.bytes += (size_t)reply->len;
}

static bool answered(void *context)
{
    return l.replies >= *(int *)context;
}

static void setup(void)
{
    memset(&l, 0, sizeof l);
    server_init(&server);
    make_certificates();
}

static void teardown(void)
{
    server_remove(&server);
}

START_TEST(test_name_and_address)
{
    start("tls-auth-clients no");
    link_open("localhost", "ca.pem", NULL, NULL);
    expect_up();
    link_close();
    link_open("127.0.0.1", "ca.pem", NULL, NULL);
    expect_up();
    link_close();
}
END_TEST

START_TEST(test_wrong_authority)
{
    start("tls-auth-clients no");
    link_open("localhost", "other.pem", NULL, NULL);
    expect_said("certificate");
    link_close();
    link_open("localhost", NULL, NULL, NULL); /* the system's do not know it either */
    expect_said("certificate");
    link_close();
}
END_TEST

/* The certificate is good, but for others. */
START_TEST(test_wrong_host)
{
    server_write(&server, "ext.cnf", "subjectAltName=DNS:elsewhere,IP:127.0.0.2\n");
    openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext.cnf -out server.pem");
    start("tls-auth-clients no");
    link_open("localhost", "ca.pem", NULL, NULL);
    expect_said("hostname mismatch");
    link_close();
    link_open("127.0.0.1", "ca.pem", NULL, NULL);
    expect_said("IP address mismatch");
    link_close();
}
END_TEST

START_TEST(test_expired)
{
    /* OpenSSL 3.5 refuses what older ones take, and they lack what it takes. */
    openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext.cnf -out server.pem "
            "$(openssl x509 -help 2>&1 | grep -q -e -not_after && "
            "echo -not_before 20200101000000Z -not_after 20200102000000Z || echo -days -1)");
    start("tls-auth-clients no");
    link_open("localhost", "ca.pem", NULL, NULL);
    expect_said("expired");
    link_close();
}
END_TEST

START_TEST(test_client_certificate)
{
    start("tls-auth-clients yes");
    link_open("localhost", "ca.pem", "client.pem", "client.key");
    expect_up();
    link_close();
    link_open("localhost", "ca.pem", NULL, NULL);
    expect_said("certificate required");
    link_close();
    link_open("localhost", "ca.pem", "other.pem", "other.key");
    expect_said("alert");
    link_close();
}
END_TEST

START_TEST(test_files)
{
    start("tls-auth-clients no");
    link_open("localhost", "no-such-file", NULL, NULL);
    expect_said("the CA file cannot be read");
    link_close();
    link_open("localhost", "ca.pem", "server.csr", "server.key");
    expect_said("the client certificate cannot be read");
    link_close();
    link_open("localhost", "ca.pem", "client.pem", "server.key");
    expect_said("client key");
    link_close();
}
END_TEST

/* 1.2 at least. */
START_TEST(test_old_protocol)
{
    start("tls-auth-clients no\ntls-protocols \"TLSv1.2\"");
    link_open("localhost", "ca.pem", NULL, NULL);
    expect_up();
    link_close();
    server_kill(&server);
    start("tls-auth-clients no\ntls-protocols \"TLSv1.1\"");
    link_open("localhost", "ca.pem", NULL, NULL);
    expect_said("the TLS connection to redis failed");
    link_close();
}
END_TEST

/* A server without TLS on that port. */
START_TEST(test_plain_server)
{
    server_start(&server, "");
    server.tls_port = server.port;
    l.closed = false;
    link_open("localhost", "ca.pem", NULL, NULL);
    ck_assert(loop_until(&l.loop, DEADLINE_MS, said, (void *)(uintptr_t)"retry_ms"));
    ck_assert(!dl_redis_up(l.redis));
    link_close();
}
END_TEST

/* Many records in both directions at once. */
START_TEST(test_traffic)
{
    start("tls-auth-clients no");
    link_open("localhost", "ca.pem", NULL, NULL);
    expect_up();
    static char value[300000];
    memset(value, 'x', sizeof value);
    int sent = 0;
    for (int i = 0; i < 20; i++) {
        const char *set[] = {"SET", "k", value}, *get[] = {"GET", "k"};
        const size_t set_bytes[] = {3, 1, sizeof value}, get_bytes[] = {3, 1};
        ck_assert_int_eq(dl_redis_send(l.redis, 3, set, set_bytes, on_reply, NULL), DL_OK);
        ck_assert_int_eq(dl_redis_send(l.redis, 2, get, get_bytes, on_reply, NULL), DL_OK);
        sent += 2;
    }
    ck_assert(loop_until(&l.loop, DEADLINE_MS, answered, &sent));
    ck_assert_int_eq(l.lost, 0);
    ck_assert_uint_eq(l.bytes, 20 * sizeof value);
    link_close();
}
END_TEST

START_TEST(test_close_and_restart)
{
    start("tls-auth-clients no");
    for (int iterations = 0; iterations < 20; iterations++) {
        link_open("localhost", "ca.pem", NULL, NULL);
        for (int i = 0; i < iterations; i++) {
            uv_run(&l.loop, UV_RUN_NOWAIT);
            usleep(200);
        }
        link_close();
    }
    link_open("localhost", "ca.pem", NULL, NULL);
    expect_up();
    server_kill(&server);
    ck_assert(loop_until(&l.loop, DEADLINE_MS, said, (void *)(uintptr_t)"redis is away"));
    int port = server.tls_port;
    start("tls-auth-clients no");
    server_kill(&server); /* start took another port; the same one is wanted */
    char config[1024];
    snprintf(config, sizeof config,
             "tls-port %d\ntls-cert-file %s/server.pem\ntls-key-file %s/server.key\ntls-ca-cert-file %s/ca.pem\ntls-auth-clients no",
             port, server.dir, server.dir, server.dir);
    server_start(&server, config);
    expect_up();
    link_close();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls");
    static const TTest *const *tests[] = {
        &test_name_and_address, &test_wrong_authority, &test_wrong_host, &test_expired, &test_client_certificate, &test_files,
        &test_old_protocol, &test_plain_server, &test_traffic, &test_close_and_restart,
    };
    TCase *all = tcase_create("tls");
    tcase_set_timeout(all, TIMEOUT_S);
    tcase_add_checked_fixture(all, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(all, *tests[i]);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
