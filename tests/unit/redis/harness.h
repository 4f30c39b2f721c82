/* A real redis-server in a temporary folder, a loop that runs until a condition
 * holds, and the notes that were written. Without redis-server these tests fail. */
#pragma once

#include <redis.h>

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEADLINE_MS = 60000, TIMEOUT_S = 300 };

struct server {
    char dir[64], socket[96];
    int port, tls_port;
    pid_t pid;
    pid_t maker; /* only the process that made the folder removes it */
};

static inline int64_t monotonic_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

static inline int free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static inline redisContext *server_client(const struct server *server)
{
    redisContext *client = redisConnectUnix(server->socket);
    if (client && client->err) {
        redisFree(client);
        return NULL;
    }
    return client;
}

static inline void server_kill(struct server *server)
{
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
    }
    server->pid = 0;
}

static struct server *servers[4]; /* for the way out of a failed test */

static inline void server_remove(struct server *server)
{
    server_kill(server);
    if (server->maker != getpid())
        return;
    server->maker = 0;
    static const char *const files[] = {"redis.conf", "redis.sock", "log", "users.acl", "dump.rdb", "ca.pem", "ca.key",
                                        "server.pem", "server.key", "client.pem", "client.key", "other.pem", "other.key",
                                        "server.csr", "client.csr", "ext.cnf", "password", "nodes.conf", "openssl.log",
                                        "ca.srl"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", server->dir, files[i]);
        unlink(path);
    }
    rmdir(server->dir);
}

static inline void servers_remove(void)
{
    for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++)
        if (servers[i])
            server_remove(servers[i]);
}

/* The folder and the ports; files may be put there before server_start. */
static inline void server_init(struct server *server)
{
    *server = (struct server){.maker = getpid()};
    snprintf(server->dir, sizeof server->dir, "/tmp/delight-redis-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(server->dir));
    snprintf(server->socket, sizeof server->socket, "%s/redis.sock", server->dir);
    server->port = free_port();
    static bool registered;
    if (!registered)
        atexit(servers_remove);
    registered = true;
    for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++)
        if (!servers[i] || servers[i] == server) {
            servers[i] = server;
            break;
        }
}

static inline void server_write(const struct server *server, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", server->dir, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

/* Answers anything, be it an error: up. */
static inline bool server_answers(const struct server *server)
{
    redisContext *client = server_client(server);
    if (!client)
        return false;
    redisReply *reply = redisCommand(client, "PING");
    bool up = reply != NULL;
    if (reply)
        freeReplyObject(reply);
    redisFree(client);
    return up;
}

/* config: lines beside the usual. */
static inline void server_start(struct server *server, const char *config)
{
    char text[4096];
    snprintf(text, sizeof text,
             "port %d\nbind 127.0.0.1\nunixsocket %s\ndir %s\nlogfile %s/log\nsave \"\"\nappendonly no\ndaemonize no\n"
             "enable-debug-command yes\n%s\n",
             server->port, server->socket, server->dir, server->dir, config ? config : "");
    server_write(server, "redis.conf", text);
    char path[128];
    snprintf(path, sizeof path, "%s/redis.conf", server->dir);
    pid_t parent = getpid();
    server->pid = fork();
    ck_assert_int_ge(server->pid, 0);
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        execlp("redis-server", "redis-server", path, (char *)NULL);
        fprintf(stderr, "redis-server: %s\n", strerror(errno));
        _exit(127);
    }
    for (int64_t start = monotonic_ms(); !server_answers(server);) {
        int status;
        ck_assert_msg(waitpid(server->pid, &status, WNOHANG) == 0, "redis-server does not start; see %s/log", server->dir);
        ck_assert_msg(monotonic_ms() - start < DEADLINE_MS, "redis-server does not answer");
        usleep(5000);
    }
}

/* ---- Notes ---- */

struct notes {
    struct dl_note_sink sink;
    char text[65536]; /* "level message key=text key=number\n" … */
    size_t bytes;
};

static inline void notes_write(void *context, enum dl_note_level level, const char *message,
                               const struct dl_note_field *fields, size_t field_count)
{
    struct notes *notes = context;
    char line[2048];
    int bytes = snprintf(line, sizeof line, "%d %s", (int)level, message);
    for (size_t i = 0; i < field_count; i++)
        if (fields[i].text)
            bytes += snprintf(line + bytes, sizeof line - (size_t)bytes, " %s=%s", fields[i].key, fields[i].text);
        else
            bytes += snprintf(line + bytes, sizeof line - (size_t)bytes, " %s=%lld", fields[i].key,
                              (long long)fields[i].number);
    if (getenv("NOTES"))
        fprintf(stderr, "%s\n", line);
    if (notes->bytes + (size_t)bytes + 2 > sizeof notes->text)
        return;
    notes->bytes += (size_t)snprintf(notes->text + notes->bytes, sizeof notes->text - notes->bytes, "%s\n", line);
}

static inline void notes_init(struct notes *notes)
{
    *notes = (struct notes){.bytes = 0};
    notes->sink = (struct dl_note_sink){.write = notes_write, .context = notes};
}

static inline int notes_count(const struct notes *notes, const char *part)
{
    int count = 0;
    for (const char *found = strstr(notes->text, part); found; found = strstr(found + 1, part))
        count++;
    return count;
}

/* ---- The loop ---- */

static inline void on_wake(uv_timer_t *timer)
{
    (void)timer;
}

typedef bool condition(void *context);

/* Runs the loop until the condition holds; false: it did not within the time. */
static inline bool loop_until(uv_loop_t *loop, int64_t within_ms, condition *holds, void *context)
{
    uv_timer_t wake;
    uv_timer_init(loop, &wake);
    uv_timer_start(&wake, on_wake, 2, 2);
    int64_t start = monotonic_ms();
    bool held;
    while (!(held = holds(context)) && monotonic_ms() - start < within_ms)
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&wake, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
    return held;
}

static inline bool never(void *context)
{
    (void)context;
    return false;
}

static inline void loop_for(uv_loop_t *loop, int64_t ms)
{
    loop_until(loop, ms, never, NULL);
}

static inline void set_true(void *context)
{
    *(bool *)context = true;
}

static inline bool is_true(void *context)
{
    return *(bool *)context;
}

static inline int run_suite(Suite *suite)
{
    SRunner *made = srunner_create(suite);
    srunner_run_all(made, CK_NORMAL);
    int failed = srunner_ntests_failed(made);
    srunner_free(made);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
