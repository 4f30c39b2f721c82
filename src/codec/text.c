/* A growable text. The first failure sticks: what comes after it is dropped, so
 * that callers look once, at the end. */
#include "codec.h"

#include "utf8.h"

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

/* Code point of the character of `bytes` bytes at text. */
static uint32_t code_point(const char *text, size_t bytes)
{
    static const unsigned char mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t point = (unsigned char)text[0] & mask[bytes];
    for (size_t i = 1; i < bytes; i++)
        point = point << 6 | ((unsigned char)text[i] & 0x3f);
    return point;
}

/* Would move the cursor, end the line, or show what follows in another order. */
static bool is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point <= 0x9f) || point == 0x061c || point == 0x200e || point == 0x200f ||
           (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

static void add_escaped(struct dl_text *text, uint32_t point)
{
    switch (point) {
    case '\n': dl_text_add(text, "\\n", 2); break;
    case '\r': dl_text_add(text, "\\r", 2); break;
    case '\t': dl_text_add(text, "\\t", 2); break;
    case '\\': dl_text_add(text, "\\\\", 2); break;
    default: dl_text_printf(text, point < 0x80 ? "\\x%02X" : "\\u{%04X}", point); break;
    }
}

void dl_text_add_printable(struct dl_text *text, const char *data, size_t bytes)
{
    for (size_t at = 0, length; at < bytes; at += length) {
        length = dl_utf8_bytes(data + at, bytes - at);
        uint32_t point = length > 0 ? code_point(data + at, length) : 0;
        if (length == 0) {
            dl_text_printf(text, "\\x%02X", (unsigned char)data[at]);
            length = 1;
        } else if (point == '\\' || is_control(point)) {
            add_escaped(text, point);
        } else {
            dl_text_add(text, data + at, length);
        }
    }
}
