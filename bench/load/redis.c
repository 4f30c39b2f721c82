#include "redis.h"

#include "util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

struct address {
    char *host; /* or the path of a socket */
    int port;   /* 0: a socket */
    long database;
    char *user;
    char *password;
};

static void address_deinit(struct address *address)
{
    free(address->host);
    free(address->user);
    free(address->password);
}

static char *percent_decode(const char *text, size_t length)
{
    char *out = ld_alloc(length + 1, 1);
    char *at = out;
    for (size_t i = 0; i < length; i++) {
        unsigned byte;
        if (text[i] == '%' && i + 2 < length && sscanf(text + i + 1, "%2x", &byte) == 1) {
            *at++ = (char)byte;
            i += 2;
        } else {
            *at++ = text[i];
        }
    }
    return out;
}

static bool parse_socket(const char *rest, struct address *address)
{
    const char *query = strchr(rest, '?');
    address->host = ld_copy_bytes(rest, query != NULL ? (size_t)(query - rest) : strlen(rest));
    if (query != NULL && sscanf(query, "?db=%ld", &address->database) != 1)
        return false;
    return address->host[0] == '/';
}

static bool parse_host(const char *rest, struct address *address)
{
    const char *at = strrchr(rest, '@');
    if (at != NULL) {
        const char *colon = memchr(rest, ':', (size_t)(at - rest));
        const char *user_end = colon != NULL ? colon : at;
        if (user_end > rest)
            address->user = percent_decode(rest, (size_t)(user_end - rest));
        if (colon != NULL)
            address->password = percent_decode(colon + 1, (size_t)(at - colon - 1));
        rest = at + 1;
    }
    const char *end = rest[0] == '[' ? strchr(rest, ']') : rest + strcspn(rest, ":/");
    if (end == NULL)
        return false;
    bool is_bracketed = rest[0] == '[';
    address->host = is_bracketed ? ld_copy_bytes(rest + 1, (size_t)(end - rest - 1))
                                 : ld_copy_bytes(rest, (size_t)(end - rest));
    end += is_bracketed;
    address->port = 6379;
    if (*end == ':') {
        char *after;
        address->port = (int)strtol(end + 1, &after, 10);
        end = after;
    }
    if (*end == '/' && end[1] != '\0') {
        char *after;
        address->database = strtol(end + 1, &after, 10);
        end = after;
    } else if (*end == '/') {
        end++;
    }
    return *end == '\0' && address->host[0] != '\0' && address->port > 0 && address->port < 65536;
}

static bool parse_url(const char *url, struct address *address, char *why, size_t why_bytes)
{
    bool is_good = false;
    if (strncmp(url, "redis://", 8) == 0)
        is_good = parse_host(url + 8, address);
    else if (strncmp(url, "unix://", 7) == 0)
        is_good = parse_socket(url + 7, address);
    else if (strncmp(url, "rediss://", 9) == 0) {
        snprintf(why, why_bytes, "%s: delight-load reads Redis without TLS; give a redis:// or unix:// URL by --redis",
                 url);
        return false;
    }
    if (!is_good)
        snprintf(why, why_bytes, "%s: expected redis://HOST:PORT/DB or unix:///SOCKET", url);
    return is_good;
}

bool ld_redis_send(redisContext *redis, size_t count, const char **arguments)
{
    return redisAppendCommandArgv(redis, (int)count, arguments, NULL) == REDIS_OK;
}

redisReply *ld_redis_receive(redisContext *redis)
{
    void *reply = NULL;
    return redisGetReply(redis, &reply) == REDIS_OK ? reply : NULL;
}

redisReply *ld_redis_ask(redisContext *redis, size_t count, const char **arguments)
{
    return ld_redis_send(redis, count, arguments) ? ld_redis_receive(redis) : NULL;
}

static bool is_accepted(redisContext *redis, size_t count, const char **arguments, char *why, size_t why_bytes)
{
    redisReply *reply = ld_redis_ask(redis, count, arguments);
    bool is_good = reply != NULL && reply->type != REDIS_REPLY_ERROR;
    if (!is_good)
        snprintf(why, why_bytes, "%s: %s", arguments[0], reply != NULL ? reply->str : redis->errstr);
    if (reply != NULL)
        freeReplyObject(reply);
    return is_good;
}

static bool log_in(redisContext *redis, const struct address *address, const struct ld_settings *settings, char *why,
                   size_t why_bytes)
{
    const char *from_environment = getenv("REDIS_PASSWORD");
    const char *user = settings->redis_user != NULL ? settings->redis_user : address->user;
    char *password = NULL;
    bool is_good = true;
    if (settings->redis_password_file != NULL)
        password = ld_settings_secret(settings->redis_password_file);
    else if (from_environment != NULL || address->password != NULL)
        password = ld_copy(from_environment != NULL ? from_environment : address->password);
    if (password != NULL && user != NULL)
        is_good = is_accepted(redis, 3, (const char *[]){"AUTH", user, password}, why, why_bytes);
    else if (password != NULL)
        is_good = is_accepted(redis, 2, (const char *[]){"AUTH", password}, why, why_bytes);
    free(password);
    if (is_good && address->database != 0) {
        char number[24];
        snprintf(number, sizeof number, "%ld", address->database);
        is_good = is_accepted(redis, 2, (const char *[]){"SELECT", number}, why, why_bytes);
    }
    return is_good;
}

redisContext *ld_redis_open(const struct ld_settings *settings, char *why, size_t why_bytes)
{
    struct timeval timeout = {.tv_sec = 5};
    struct address address = {0};
    redisContext *redis = NULL;
    if (parse_url(settings->redis_url, &address, why, why_bytes)) {
        redis = address.port == 0 ? redisConnectUnixWithTimeout(address.host, timeout)
                                  : redisConnectWithTimeout(address.host, address.port, timeout);
        timeout.tv_sec = 30;
        if (redis == NULL || redis->err != 0) {
            snprintf(why, why_bytes, "%s: %s", address.host, redis == NULL ? "out of memory" : redis->errstr);
        } else if (redisSetTimeout(redis, timeout) == REDIS_OK &&
                   log_in(redis, &address, settings, why, why_bytes)) {
            address_deinit(&address);
            return redis;
        }
    }
    if (redis != NULL)
        redisFree(redis);
    address_deinit(&address);
    return NULL;
}
