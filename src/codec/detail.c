#include "detail.h"

#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { QUOTED_BYTES_MAX = 32 };

/* Length of text without a character that was cut in two at the end. */
static size_t whole_characters(const char *text, size_t bytes)
{
    size_t start = bytes;
    while (start > 0 && bytes - start < 4) {
        start--;
        if (((unsigned char)text[start] & 0xC0) != 0x80)
            break;
    }
    if (start < bytes && (unsigned char)text[start] >= 0x80 && dl_utf8_bytes(text + start, bytes - start) == 0)
        return start;
    return bytes;
}

enum dl_reject dl_refuse(char *detail, enum dl_reject reason, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(detail, DL_DETAIL_SIZE, format, arguments);
    va_end(arguments);
    if (length < 0)
        detail[0] = '\0';
    if (length >= DL_DETAIL_SIZE)
        detail[whole_characters(detail, DL_DETAIL_SIZE - 1)] = '\0';

    /* Details end up in logs and on terminals, and headers may hold any bytes.
     * C1 controls (U+0080 to U+009F) are C2 80 to C2 9F. */
    for (char *at = detail, *end = detail + strlen(detail); at < end;) {
        size_t bytes = dl_utf8_bytes(at, (size_t)(end - at));
        bool control = bytes == 1 && ((unsigned char)*at < 0x20 || *at == 0x7F);
        bool control_1 = bytes == 2 && (unsigned char)at[0] == 0xC2 && (unsigned char)at[1] < 0xA0;
        if (bytes == 0)
            bytes = 1;
        else if (!control && !control_1) {
            at += bytes;
            continue;
        }
        memset(at, '?', bytes);
        at += bytes;
    }
    return reason;
}

int dl_quoted_bytes(const char *data, size_t bytes)
{
    return (int)(bytes <= QUOTED_BYTES_MAX ? bytes : whole_characters(data, QUOTED_BYTES_MAX));
}
