/* Records in tests: bytes as hex, in memory of their exact size, so that the
 * sanitizer sees a read past the end. */
#pragma once

#include "core/draw.h"
#include "core/sample.h"
#include "record_bytes.h"

struct bytes {
    unsigned char *data; /* malloc */
    size_t bytes;
};

static inline struct bytes copy_of(const void *data, size_t bytes)
{
    struct bytes copy = {.data = malloc(bytes > 0 ? bytes : 1), .bytes = bytes};
    MUST(copy.data != NULL);
    if (bytes > 0)
        memcpy(copy.data, data, bytes);
    return copy;
}

/* "44 42 02" and 'text': bytes and characters, blanks between them. */
static inline struct bytes bytes_of(const char *text)
{
    struct bytes out = {.data = malloc(strlen(text) + 1)};
    MUST(out.data != NULL);
    while (*text != '\0') {
        if (*text == ' ') {
            text++;
        } else if (*text == '\'') {
            for (text++; *text != '\''; text++)
                out.data[out.bytes++] = (unsigned char)*text;
            text++;
        } else {
            char *end;
            out.data[out.bytes++] = (unsigned char)strtoul(text, &end, 16);
            MUST(end == text + 2);
            text = end;
        }
    }
    struct bytes exact = copy_of(out.data, out.bytes);
    free(out.data);
    return exact;
}

static inline void check_bytes(const void *data, size_t bytes, const char *expected)
{
    struct bytes wanted = bytes_of(expected);
    char text[4096] = "";
    for (size_t i = 0; i < bytes && i < 1000; i++)
        snprintf(text + 3 * i, 4, "%02x ", ((const unsigned char *)data)[i]);
    ck_assert_msg(bytes == wanted.bytes && memcmp(data, wanted.data, bytes) == 0, "%s, not %s", text, expected);
    free(wanted.data);
}

/* What is said goes with the verdict, and can be printed. */
static inline void check_detail(const char *detail, enum dl_record_fault fault)
{
    MUST(memchr(detail, '\0', DL_DETAIL_SIZE) != NULL);
    MUST((detail[0] == '\0') == (fault == DL_RECORD_GOOD));
    for (; *detail != '\0'; detail++)
        MUST(*detail >= ' ' && *detail <= '~');
}
