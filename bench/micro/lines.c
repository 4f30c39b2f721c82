#include "lines.h"

#include <delight/status.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PADDING = 64 };

void micro_lines_read(struct micro_lines *lines, const char *path)
{
    *lines = (struct micro_lines){.data = NULL};
    FILE *file = fopen(path, "r");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    size_t size = (size_t)ftell(file), capacity = 0;
    rewind(file);
    lines->data = calloc(1, size + PADDING);
    DL_ASSERT(size > 0 && lines->data != NULL && fread(lines->data, 1, size, file) == size);
    fclose(file);
    for (char *at = lines->data, *end; at < lines->data + size; at = end + 1) {
        end = memchr(at, '\n', (size_t)(lines->data + size - at));
        if (end == NULL)
            end = lines->data + size;
        if (lines->count == capacity) {
            capacity = capacity == 0 ? 1024 : capacity * 2;
            lines->line = realloc(lines->line, capacity * sizeof *lines->line);
            DL_ASSERT(lines->line != NULL);
        }
        lines->line[lines->count++] = (struct micro_line){at, (size_t)(end - at)};
        lines->bytes += (size_t)(end - at);
    }
}

void micro_lines_deinit(struct micro_lines *lines)
{
    free(lines->line);
    free(lines->data);
}
