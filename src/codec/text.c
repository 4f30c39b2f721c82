/* A growable text. The first failure sticks: what comes after it is dropped, so
 * that callers look once, at the end. */
#include "codec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dl_text_deinit(struct dl_text *text)
{
    free(text->data);
    *text = (struct dl_text){.data = NULL};
}

void dl_text_clear(struct dl_text *text)
{
    text->bytes = 0;
    text->failed = false;
}

/* Makes room for that many more bytes and a NUL. */
static bool reserve(struct dl_text *text, size_t more)
{
    if (text->failed)
        return false;
    if (text->capacity - text->bytes > more)
        return true;
    size_t capacity = text->capacity < 256 ? 256 : text->capacity;
    while (capacity - text->bytes <= more) {
        if (capacity > SIZE_MAX / 2) {
            text->failed = true;
            return false;
        }
        capacity *= 2;
    }
    char *data = realloc(text->data, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void dl_text_add(struct dl_text *text, const char *data, size_t bytes)
{
    if (!reserve(text, bytes))
        return;
    if (bytes > 0)
        memcpy(text->data + text->bytes, data, bytes);
    text->bytes += bytes;
    text->data[text->bytes] = '\0';
}

void dl_text_printf(struct dl_text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        text->failed = true;
    else if (reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->bytes, (size_t)length + 1, format, again);
        text->bytes += (size_t)length;
    }
    va_end(again);
}

void dl_text_add_json_string(struct dl_text *text, const char *data, size_t bytes)
{
    size_t written = 0; /* of data */
    dl_text_add(text, "\"", 1);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)data[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        dl_text_add(text, data + written, i - written);
        written = i + 1;
        if (byte == '"' || byte == '\\')
            dl_text_printf(text, "\\%c", byte);
        else if (byte == '\n')
            dl_text_add(text, "\\n", 2);
        else if (byte == '\r')
            dl_text_add(text, "\\r", 2);
        else if (byte == '\t')
            dl_text_add(text, "\\t", 2);
        else
            dl_text_printf(text, "\\u%04x", byte);
    }
    dl_text_add(text, data + written, bytes - written);
    dl_text_add(text, "\"", 1);
}
