/* The commands of the one binary. Each returns the process's exit status. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dl_config;

enum {
    DL_EXIT_OK = 0,
    DL_EXIT_FAILED = 1,      /* a check that failed, or a fault while running */
    DL_EXIT_USAGE = 64,
    DL_EXIT_DATA = 65,       /* score --strict: something was reported */
    DL_EXIT_NO_INPUT = 66,
    DL_EXIT_SOFTWARE = 70,   /* out of memory */
    DL_EXIT_CONFIG = 78,
};

/* What the command line said. */
struct dl_arguments {
    const char *config_path;      /* -c; NULL: not given */
    const char **sets;            /* --set a.b=c, in order */
    size_t set_count;
    int connect;                  /* check --connect */
    const char *input;            /* score: FILE or "-"; get: SUBJECT; NULL: not given */
    const char *windows, *as_of;  /* score; NULL: not given */
    int json;                     /* score, get, --format */
    int strict;                   /* score */
    const char *window;           /* get, top; NULL: not given */
    const char *kind, *segment, *sort, *filter; /* top; NULL: not given */
    int once;                     /* top */
    int create, check;            /* topics */
    int partitions, replication;  /* topics: 0, -1: the broker's defaults */
    int show;                     /* deadletter: how many; 0: not asked for */
    int resend, dry_run, anyway;  /* deadletter */
    const char *reasons, *since, *from, *to, *only; /* deadletter; NULL: not given */
};

enum { DL_SHOW_DEFAULT = 10, DL_SHOW_MAX = 1000 };

/* RFC 3339 or epoch milliseconds, since 2000. */
bool dl_argument_time(const char *text, int64_t *time_ms);
/* The configuration that the command line names, as a service needs it (dl_config_require_service); NULL: what is
 * wrong is printed, and *exit_status is the one to end with. */
struct dl_config *dl_argument_config(const struct dl_arguments *arguments, int *exit_status);
/* The same where only redis.* is needed, and what is published; without -c, /etc/delightd/delightd.yaml if it is there. */
struct dl_config *dl_argument_config_of_redis(const struct dl_arguments *arguments, int *exit_status);

int dl_command_run(const struct dl_arguments *arguments);
int dl_command_check(const struct dl_arguments *arguments);
int dl_command_config(const struct dl_arguments *arguments);
int dl_command_score(const struct dl_arguments *arguments);
int dl_command_top(const struct dl_arguments *arguments);
int dl_command_get(const struct dl_arguments *arguments);
int dl_command_deadletter(const struct dl_arguments *arguments);
int dl_command_topics(const struct dl_arguments *arguments);
