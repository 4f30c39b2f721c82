#include "lines.h"

#include <stdlib.h>

enum dl_status dl_lines_init(struct dl_lines *lines, FILE *file, size_t bytes_max)
{
    /* One for the cut, one for a carriage return. */
    *lines = (struct dl_lines){.file = file, .data = malloc(bytes_max + 2), .bytes_max = bytes_max};
    return lines->data == NULL ? DL_MEMORY : DL_OK;
}

void dl_lines_deinit(struct dl_lines *lines)
{
    free(lines->data);
}

enum dl_status dl_lines_next(struct dl_lines *lines, const char **data, size_t *bytes)
{
    size_t length = 0;
    size_t kept_max = lines->bytes_max + 2;
    int byte;
    while ((byte = getc_unlocked(lines->file)) != EOF && byte != '\n')
        if (length < kept_max)
            lines->data[length++] = (char)byte;
    if (byte == EOF && ferror(lines->file))
        return DL_IO;
    if (byte == EOF && length == 0)
        return DL_EMPTY;
    if (length > 0 && length < kept_max && lines->data[length - 1] == '\r')
        length--;
    lines->number++;
    *data = lines->data;
    *bytes = length > lines->bytes_max ? lines->bytes_max + 1 : length;
    return DL_OK;
}
