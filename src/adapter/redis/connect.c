#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void dl_link_forget_addresses(struct dl_redis *redis)
{
    uv_freeaddrinfo(redis->addresses);
    redis->addresses = redis->next_address = NULL;
}

static void on_connected(uv_connect_t *request, int status)
{
    struct dl_connection *connection = request->data;
    if (connection->closing)
        return;
    struct dl_redis *redis = connection->redis;
    if (status < 0) {
        dl_link_fail(redis, DL_FAULT_CONNECT, uv_strerror(status));
        return;
    }
    redis->state = DL_LINK_GREETING;
    if (!redis->url.path[0]) {
        uv_tcp_nodelay(&connection->tcp, 1);
        uv_tcp_keepalive(&connection->tcp, 1, 60);
    }
    dl_transport_start(connection);
}

/* NULL: failed and told. */
static struct dl_connection *open_connection(struct dl_redis *redis)
{
    struct dl_connection *connection = malloc(sizeof *connection);
    if (!connection) {
        dl_link_fail(redis, DL_FAULT_MEMORY, NULL);
        return NULL;
    }
    *connection = (struct dl_connection){.redis = redis};
    int failed = redis->url.path[0] ? uv_pipe_init(redis->loop, &connection->pipe, 0)
                                    : uv_tcp_init(redis->loop, &connection->tcp);
    if (failed) {
        free(connection);
        dl_link_fail(redis, DL_FAULT_CONNECT, uv_strerror(failed));
        return NULL;
    }
    connection->handle.data = connection;
    connection->connect.data = connection;
    redis->handles++;
    redis->connection = connection;
    redis->state = DL_LINK_CONNECTING;
    return connection;
}

static void on_timer(uv_timer_t *timer)
{
    struct dl_redis *redis = timer->data;
    dl_link_fail(redis, redis->state == DL_LINK_RESOLVING ? DL_FAULT_RESOLVE_SLOW : DL_FAULT_CONNECT_SLOW, NULL);
}

static void start_timeout(struct dl_redis *redis)
{
    uv_timer_start(&redis->timer, on_timer, (uint64_t)redis->options.connect_timeout_ms, 0);
}

bool dl_link_connect_next(struct dl_redis *redis)
{
    struct addrinfo *address = redis->next_address;
    if (!address)
        return false;
    redis->next_address = address->ai_next;
    struct dl_connection *connection = open_connection(redis);
    if (!connection)
        return true;
    start_timeout(redis);
    struct sockaddr_storage socket_address;
    memcpy(&socket_address, address->ai_addr, address->ai_addrlen);
    if (socket_address.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&socket_address)->sin6_port = htons(redis->url.port);
    else
        ((struct sockaddr_in *)&socket_address)->sin_port = htons(redis->url.port);
    int failed = uv_tcp_connect(&connection->connect, &connection->tcp, (const struct sockaddr *)&socket_address, on_connected);
    if (failed)
        dl_link_fail(redis, DL_FAULT_CONNECT, uv_strerror(failed));
    return true;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct dl_lookup *lookup = request->data;
    struct dl_redis *redis = lookup->redis;
    redis->lookup = NULL;
    free(lookup);
    /* An answer after its timeout is as good: asking anew might take as long, for ever. */
    bool late = redis->state == DL_LINK_WAITING && redis->attempt_fault == DL_FAULT_RESOLVE_SLOW;
    bool wanted = redis->state == DL_LINK_RESOLVING || late;
    if (wanted && status == 0) {
        redis->attempt_fault = DL_FAULT_NONE;
        redis->state = DL_LINK_WAITING;
        uv_timer_stop(&redis->timer);
        redis->addresses = redis->next_address = addresses;
        if (!dl_link_connect_next(redis))
            dl_link_fail(redis, DL_FAULT_RESOLVE, "the name has no address");
    } else {
        uv_freeaddrinfo(addresses);
        if (wanted && !late)
            dl_link_fail(redis, DL_FAULT_RESOLVE, uv_strerror(status));
    }
    dl_link_release(redis);
}

static void connect_local(struct dl_redis *redis)
{
    struct dl_connection *connection = open_connection(redis);
    if (!connection)
        return;
    start_timeout(redis);
    uv_pipe_connect(&connection->connect, &connection->pipe, redis->url.path, on_connected);
}

void dl_link_connect(struct dl_redis *redis)
{
    DL_ASSERT(redis->state == DL_LINK_WAITING && !redis->connection && !redis->addresses);
    redis->attempt_fault = DL_FAULT_NONE;
    if (redis->url.path[0]) {
        connect_local(redis);
        return;
    }
    redis->state = DL_LINK_RESOLVING;
    start_timeout(redis);
    if (redis->lookup)
        return; /* the one that was too slow is still under way: its answer will do */
    struct dl_lookup *lookup = malloc(sizeof *lookup);
    if (!lookup) {
        dl_link_fail(redis, DL_FAULT_MEMORY, NULL);
        return;
    }
    lookup->redis = redis;
    lookup->request.data = lookup;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int failed = uv_getaddrinfo(redis->loop, &lookup->request, on_resolved, redis->url.host, NULL, &hints);
    if (failed) {
        free(lookup);
        dl_link_fail(redis, DL_FAULT_RESOLVE, uv_strerror(failed));
        return;
    }
    redis->lookup = lookup;
    redis->handles++;
}

/* Greeting: AUTH, SELECT, CLIENT SETNAME, PING in one go. The first refusal
 * fails the attempt; what was answered after it no longer counts. */

static bool refused(struct dl_redis *redis, const redisReply *reply)
{
    if (!reply || reply->type != REDIS_REPLY_ERROR)
        return false;
    enum dl_fault fault = dl_fault_of_error(reply->str);
    if (fault == DL_FAULT_NONE)
        return false;
    dl_link_fail(redis, fault, NULL);
    return true;
}

static void on_auth(void *context, const redisReply *reply)
{
    struct dl_redis *redis = context;
    if (!reply || reply->type != REDIS_REPLY_ERROR)
        return;
    if (strncmp(reply->str, "LOADING ", 8) == 0 || strncmp(reply->str, "MASTERDOWN ", 11) == 0) {
        refused(redis, reply);
        return;
    }
    bool unwanted = strstr(reply->str, "without any password configured") || strstr(reply->str, "no password is set");
    /* The first word only: Redis repeats the arguments of a command that it does not know. */
    char code[32];
    snprintf(code, sizeof code, "%.*s", (int)strcspn(reply->str, " "), reply->str);
    dl_link_fail(redis, unwanted ? DL_FAULT_AUTH_UNWANTED : DL_FAULT_AUTH, code);
}

static void on_select(void *context, const redisReply *reply)
{
    struct dl_redis *redis = context;
    if (!reply || reply->type != REDIS_REPLY_ERROR || refused(redis, reply))
        return;
    dl_link_fail(redis, DL_FAULT_DATABASE, reply->str);
}

/* A user without the right to set a name or to ping is no reason to stay away. */
static void on_set_name(void *context, const redisReply *reply)
{
    refused(context, reply);
}

static void on_ping(void *context, const redisReply *reply)
{
    struct dl_redis *redis = context;
    if (!reply || refused(redis, reply))
        return;
    redis->state = DL_LINK_UP;
    redis->up_since_ms = uv_now(redis->loop);
    uv_timer_stop(&redis->timer);
    dl_link_forget_addresses(redis);
    dl_told_up(redis);
    redis->callbacks.on_up(redis->callbacks.context);
}

/* The file's bytes without the newline at the end. false: told. */
static bool read_password(struct dl_redis *redis, char password[static DL_URL_PASSWORD_SIZE])
{
    const char *wrong = NULL;
    int fd = open(redis->options.password_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t bytes = 0;
    if (fd < 0)
        wrong = strerror(errno);
    while (!wrong && bytes < DL_URL_PASSWORD_SIZE) {
        ssize_t count = read(fd, password + bytes, DL_URL_PASSWORD_SIZE - bytes);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            wrong = strerror(errno);
        if (count <= 0)
            break;
        bytes += (size_t)count;
    }
    if (fd >= 0)
        close(fd);
    if (!wrong) {
        if (bytes > 0 && bytes < DL_URL_PASSWORD_SIZE && password[bytes - 1] == '\n')
            bytes--;
        if (bytes > 0 && password[bytes - 1] == '\r')
            bytes--;
        if (bytes == 0)
            wrong = "it is empty";
        else if (bytes >= DL_URL_PASSWORD_SIZE)
            wrong = "it is longer than 1023 bytes";
        else if (memchr(password, '\0', bytes))
            wrong = "it holds a NUL byte";
        else
            password[bytes] = '\0';
    }
    if (wrong)
        dl_link_fail(redis, DL_FAULT_PASSWORD_FILE, wrong);
    return !wrong;
}

static bool append(struct dl_redis *redis, size_t argc, const char *const *argv, dl_redis_on_reply *on_reply)
{
    size_t argv_bytes[3];
    for (size_t i = 0; i < argc; i++)
        argv_bytes[i] = strlen(argv[i]);
    return dl_link_append(redis, argc, argv, argv_bytes, on_reply, redis) == DL_OK;
}

static bool append_auth(struct dl_redis *redis)
{
    char password[DL_URL_PASSWORD_SIZE] = "";
    if (redis->options.password_file) {
        if (!read_password(redis, password)) {
            explicit_bzero(password, sizeof password);
            return false;
        }
    } else {
        memcpy(password, redis->url.password, sizeof password);
    }
    bool good = true;
    if (*password) {
        const char *named[] = {"AUTH", redis->url.user, password}, *unnamed[] = {"AUTH", password};
        good = *redis->url.user ? append(redis, 3, named, on_auth) : append(redis, 2, unnamed, on_auth);
        if (!good)
            dl_link_fail(redis, DL_FAULT_MEMORY, NULL);
    }
    explicit_bzero(password, sizeof password);
    return good;
}

void dl_link_greet(struct dl_connection *connection)
{
    struct dl_redis *redis = connection->redis;
    if (!append_auth(redis))
        return;
    char database[16];
    snprintf(database, sizeof database, "%d", redis->url.database);
    const char *select[] = {"SELECT", database}, *name[] = {"CLIENT", "SETNAME", "delightd"}, *ping[] = {"PING"};
    if ((redis->url.database && !append(redis, 2, select, on_select)) || !append(redis, 3, name, on_set_name) ||
        !append(redis, 1, ping, on_ping)) {
        dl_link_fail(redis, DL_FAULT_MEMORY, NULL);
        return;
    }
    dl_transport_flush(connection);
}
