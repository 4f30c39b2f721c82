/* What can be wrong with a connection to Redis. Each is one sentence for the
 * operator; the log tells notes apart by it. */
#pragma once

#include <stdbool.h>

/* X(NAME, rank, while up, sentence). When several addresses fail, the fault of
 * the highest rank is told: the one that got furthest. `while up`: an answer to
 * a command that says that this server is of no use now; a new connection would
 * come up again and hear the same. */
#define DL_FAULT_MAP(X)                                                                                             \
    X(RESOLVE, 0, false, "redis is away: its name cannot be resolved")                                              \
    X(RESOLVE_SLOW, 0, false, "redis is away: resolving its name takes too long")                                   \
    X(CONNECT, 1, false, "redis is away: no connection")                                                            \
    X(CONNECT_SLOW, 1, false, "redis is away: it does not answer a connection in time")                             \
    X(CLOSED, 2, false, "redis is away: the connection was closed")                                                 \
    X(SILENT, 2, false, "redis is away: it does not answer in time")                                                \
    X(PROTOCOL, 2, false, "what answers at redis.url does not speak the Redis protocol")                            \
    X(TLS, 3, false, "the TLS connection to redis failed")                                                          \
    X(MEMORY, 3, false, "out of memory for the connection to redis")                                                \
    X(PASSWORD_FILE, 4, false, "redis.password_file cannot be read")                                                \
    X(AUTH, 4, false, "redis refused user name or password")                                                        \
    X(AUTH_UNWANTED, 4, false, "redis has no password set for this user, but one is configured")                    \
    X(NOAUTH, 4, false, "redis asks for a password: set it in redis.url or redis.password_file")                    \
    X(DATABASE, 4, false, "redis refused the database number")                                                      \
    X(LOADING, 4, true, "redis is loading its data set; waiting until it has")                                      \
    X(READONLY, 4, true, "this redis is a read-only replica; waiting for it to become the master")                  \
    X(MASTERDOWN, 4, true, "this redis is a replica without its master; waiting")                                   \
    X(CLUSTER, 4, true, "Redis Cluster is not supported: use a Redis without cluster mode")

enum { DL_FAULT_RANK_DETAIL = 3 }; /* from here on another detail is another state */

enum dl_fault {
    DL_FAULT_NONE,
#define DL_FAULT_ENUM(name, rank, while_up, sentence) DL_FAULT_##name,
    DL_FAULT_MAP(DL_FAULT_ENUM)
#undef DL_FAULT_ENUM
    DL_FAULTS
};

int dl_fault_rank(enum dl_fault fault);
bool dl_fault_while_up(enum dl_fault fault);
const char *dl_fault_sentence(enum dl_fault fault);

/* The fault of this server that an error reply means, whichever command it
 * answers; DL_FAULT_NONE: the command's own error. */
enum dl_fault dl_fault_of_error(const char *error);
/* An error from inside a script, without Redis 6's wrapping: "READONLY You …". */
const char *dl_fault_script_error(const char *error);
