#include "print.h"

#include "codec.h"

/* Bytes that begin a character; the text is UTF-8 by now. */
static size_t characters(const struct dl_text *text)
{
    size_t count = 0;
    for (size_t i = 0; i < text->bytes; i++)
        count += ((unsigned char)text->data[i] & 0xC0) != 0x80;
    return count;
}

size_t dl_print_width(const char *data, size_t bytes)
{
    struct dl_text text = {0};
    dl_text_add_printable(&text, data, bytes);
    size_t width = characters(&text);
    dl_text_deinit(&text);
    return width;
}

void dl_print_safely(FILE *to, const char *data, size_t bytes, size_t width)
{
    struct dl_text text = {0};
    dl_text_add_printable(&text, data, bytes);
    if (text.failed)
        text.bytes = 0;
    if (text.bytes > 0)
        fwrite(text.data, 1, text.bytes, to);
    for (size_t at = characters(&text); at < width; at++)
        fputc(' ', to);
    dl_text_deinit(&text);
}
