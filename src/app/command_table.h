/* The commands, their options and the exit statuses, as rows: --help, delightd(1),
 * the parsing of a command line and the shells' completions are made from them. */
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

/* An option as one command takes it. */
struct dl_taken_option {
    char tag; /* of its row in dl_command_options */
    const char *help;
};

/* Texts are one paragraph each, without line ends. */
struct dl_command {
    const char *name;
    int (*call)(const struct dl_arguments *arguments);
    const struct dl_taken_option *options; /* in the order of --help; ended by a tag of '\0' */
    bool needs_config;
    const char *input, *input_help; /* what its one argument is; NULL: it takes none */
    bool needs_input;
    const char *usage, *help;
};

/* What an option's value, or a command's argument, can be; for completion. */
enum dl_values { DL_VALUES_NONE, DL_VALUES_ANY, DL_VALUES_FILE, DL_VALUES_SETTING, DL_VALUES_REASONS, DL_VALUES_COLUMN,
                 DL_VALUES_WORDS };

struct dl_option {
    char tag;
    struct option option;
    const char *argument; /* what stands behind it in --help; NULL: nothing */
    enum dl_values values;
    const char *words; /* of DL_VALUES_WORDS, with blanks between them */
};

struct dl_exit_status {
    int status;
    const char *help;
};

/* Ended by a row without a name, a tag of '\0', a help of NULL. */
extern const struct dl_command dl_commands[];
extern const struct dl_option dl_command_options[];
extern const struct dl_exit_status dl_exit_statuses[];

/* The option of that tag; NULL: there is none. */
const struct dl_option *dl_command_option(char tag);
bool dl_option_has_letter(const struct dl_option *option);

/* "delightd help COMMAND", up to its options. */
void dl_command_print_help(const struct dl_command *command, FILE *out);
void dl_exit_statuses_print(FILE *out);

/* Parts of delightd(1), in roff: its synopsis, a subsection for each command, the exit statuses. */
void dl_manual_print_synopsis(FILE *out);
void dl_manual_print_commands(FILE *out);
void dl_manual_print_exit_statuses(FILE *out);

/* Scripts that complete delightd's command line. */
void dl_completion_print_bash(FILE *out);
void dl_completion_print_zsh(FILE *out);
