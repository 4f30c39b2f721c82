/* A file of events, one a line, as delight-load --output writes them. */
#pragma once

#include <stddef.h>

struct micro_line {
    const char *data; /* 64 readable bytes behind it */
    size_t bytes;
};

struct micro_lines {
    char *data; /* owned */
    struct micro_line *line; /* owned */
    size_t count, bytes;
};

/* Ends the process where the file cannot be read. */
void micro_lines_read(struct micro_lines *lines, const char *path);
void micro_lines_deinit(struct micro_lines *lines);
