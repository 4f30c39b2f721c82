/* Lines of a file, each at most so many bytes; longer ones are given cut, with
 * their true length, so that no input can exhaust memory. */
#pragma once

#include <delight/status.h>

#include <stddef.h>
#include <stdio.h>

struct dl_lines {
    FILE *file;
    char *data;
    size_t bytes_max;
    size_t number; /* of the line last read, from 1 */
};

/* bytes_max + 1 bytes of a longer line are kept. */
DL_MUST_USE enum dl_status dl_lines_init(struct dl_lines *lines, FILE *file, size_t bytes_max);
void dl_lines_deinit(struct dl_lines *lines);

/* DL_EMPTY: the end. DL_IO: read error (errno). *bytes is what data holds:
 * bytes_max + 1 for anything longer. Line ends (LF, CRLF) are cut off. */
DL_MUST_USE enum dl_status dl_lines_next(struct dl_lines *lines, const char **data, size_t *bytes);
