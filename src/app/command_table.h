/* The commands and their options, as rows: --help, the parsing of a command line
 * and the shell's completion are made from them. */
#pragma once

#include "commands.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

/* Of options without a letter of their own on the command line. */
enum dl_long_option {
    DL_OPT_SET = 256, DL_OPT_CONNECT, DL_OPT_WINDOWS, DL_OPT_AS_OF, DL_OPT_FORMAT, DL_OPT_STRICT,
    DL_OPT_CREATE, DL_OPT_CHECK, DL_OPT_PARTITIONS, DL_OPT_REPLICATION,
    DL_OPT_SHOW, DL_OPT_RESEND, DL_OPT_DRY_RUN, DL_OPT_REASON, DL_OPT_SINCE, DL_OPT_FROM, DL_OPT_TO, DL_OPT_ONLY, DL_OPT_ANYWAY,
    DL_OPT_WINDOW, DL_OPT_KIND, DL_OPT_SEGMENT, DL_OPT_SORT, DL_OPT_FILTER, DL_OPT_ONCE,
};

struct dl_command {
    const char *name;
    int (*call)(const struct dl_arguments *arguments);
    const char *options; /* the tags of those it takes */
    bool needs_config;
    const char *input;   /* what its one argument is; NULL: it takes none */
    bool needs_input;
    const char *usage, *help;
};

/* What an option's value, or a command's argument, can be; for completion. */
enum dl_values { DL_VALUES_NONE, DL_VALUES_ANY, DL_VALUES_FILE, DL_VALUES_SETTING, DL_VALUES_REASONS, DL_VALUES_COLUMN,
                 DL_VALUES_WORDS };

struct dl_option {
    char tag; /* in dl_command.options */
    struct option option;
    enum dl_values values;
    const char *words; /* of DL_VALUES_WORDS, with blanks between them */
};

/* Ended by a row without a name. */
extern const struct dl_command dl_commands[];
/* Ended by a row whose tag is '\0'. */
extern const struct dl_option dl_command_options[];

bool dl_command_takes(const struct dl_command *command, const struct dl_option *option);

/* A script that completes delightd's command line in Bash. */
void dl_completion_print(FILE *out);
