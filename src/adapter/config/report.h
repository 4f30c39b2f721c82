/* How the module's files report mistakes. Private to src/adapter/config. */
#pragma once

#include "config.h"

/* Where the text under examination comes from. */
struct dl_report {
    struct dl_config_errors *errors;
    const char *source; /* file name, or "--set a.b=c" */
    bool positions;     /* false: lines and columns of nodes say nothing to the user (a --set) */
    bool argument;      /* the text stood on the command line, where every user of the host can read it */
};

/* Adds an error (dl_report_warn: a warning) at line:column, both from 1. */
void dl_report_error(const struct dl_report *report, int line, int column, const char *format, ...) DL_PRINTF(4, 5);
void dl_report_warn(const struct dl_report *report, int line, int column, const char *format, ...) DL_PRINTF(4, 5);

enum { DL_QUOTE_SIZE = 80 };
/* text in double quotes for a sentence: control characters and quotes escaped,
 * long text cut at a character. out has DL_QUOTE_SIZE bytes; returns out. */
const char *dl_config_quote(char *out, const char *text);

/* Bytes of the UTF-8 character at text, 0 when it is not one; *character gets
 * its code point. */
size_t dl_utf8_character(const char *text, size_t bytes, uint32_t *character);

/* Of the words offered one by one, the one nearest to what was written. */
struct dl_nearest {
    const char *wanted;
    const char *word; /* NULL: nothing near enough to be meant */
    size_t distance;
};
void dl_nearest_offer(struct dl_nearest *nearest, const char *word);
