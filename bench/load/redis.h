/* A blocking Redis connection for reading back what was published. */
#pragma once

#include "settings.h"

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

/* Connects, authenticates and selects the database of settings->redis_url: redis://[USER[:PASSWORD]@]HOST[:PORT][/DB] or
 * unix:///SOCKET[?db=N]. A password comes from redis_password_file, the environment's REDIS_PASSWORD or the URL, in this
 * order. NULL: `why` says what went wrong. */
redisContext *ld_redis_open(const struct ld_settings *settings, char *why, size_t why_bytes);

/* Sends one command with `count` arguments without waiting; false when the connection is broken. */
bool ld_redis_send(redisContext *redis, size_t count, const char **arguments);

/* The next reply; NULL when the connection is broken. The caller frees it. */
redisReply *ld_redis_receive(redisContext *redis);

/* Both at once. */
redisReply *ld_redis_ask(redisContext *redis, size_t count, const char **arguments);
