/* The live page's files, as they are in the binary (embed.cmake). Constant. */
#pragma once

#include <stddef.h>

struct dl_page_file {
    const char *path; /* "/" or "/page/NAME" */
    const char *content_type;
    const void *bytes;
    size_t byte_count;
    const char *etag; /* with its quotes; another one for other bytes */
};

extern const struct dl_page_file dl_page_files[];
extern const size_t dl_page_file_count;
