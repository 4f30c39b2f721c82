/* The commands of the one binary. Each returns the process's exit status. */
#pragma once

#include <stddef.h>

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
    const char *input;            /* score: FILE or "-" */
    const char *windows, *as_of;  /* score; NULL: not given */
    int json, strict;             /* score */
    int create, check;            /* topics */
    int partitions, replication;  /* topics: 0, -1: the broker's defaults */
};

int dl_command_run(const struct dl_arguments *arguments);
int dl_command_check(const struct dl_arguments *arguments);
int dl_command_config(const struct dl_arguments *arguments);
int dl_command_score(const struct dl_arguments *arguments);
int dl_command_topics(const struct dl_arguments *arguments);
