/* One row per option: name, kind of argument, where it is stored, help. */
#pragma once

#include "options.h"

#include <stdbool.h>
#include <stddef.h>

/* What an option's argument is, and so how it is checked and stored. */
enum ld_option_argument {
    LD_OPTION_FLAG,     /* bool, no argument */
    LD_OPTION_TEXT,     /* const char *, borrowed from argv */
    LD_OPTION_OWN_TEXT, /* char *, copied */
    LD_OPTION_COUNT,    /* 64-bit integer >= 0 */
    LD_OPTION_NUMBER,   /* double >= 0 */
    LD_OPTION_SHARE,    /* double 0..1 */
    LD_OPTION_DURATION, /* int64_t, ms */
    LD_OPTION_TIME,     /* int64_t, epoch ms */
    LD_OPTION_SPECIAL,  /* taken by a function */
    LD_OPTION_TITLE     /* a heading of --help */
};

typedef bool ld_take_function(struct ld_options *options, const char *name, const char *text);

struct ld_option {
    const char *name;
    enum ld_option_argument argument;
    size_t offset; /* into struct ld_options */
    ld_take_function *take;
    const char *placeholder; /* in brackets: the argument may be left out */
    const char *help;
};

/* NULL when there is no such option. */
const struct ld_option *ld_option_find(const char *name, size_t length);

/* Rows in the order of --help; NULL past the end. */
const struct ld_option *ld_option_row(size_t index);

/* Stores the argument of an option; false after a sentence on stderr. */
bool ld_option_take(struct ld_options *options, const struct ld_option *row, const char *text);
