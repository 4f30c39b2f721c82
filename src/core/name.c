#include <delight/name.h>

#include <string.h>

struct dl_name dl_name_of(const char *text)
{
    size_t bytes = strlen(text);
    DL_ASSERT(bytes < UINT32_MAX);
    return (struct dl_name){.data = text, .bytes = (uint32_t)bytes};
}

bool dl_name_equal(struct dl_name a, struct dl_name b)
{
    /* "No name" may have a NULL pointer, which memcmp must not see. */
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

/* What would end a part of a key or a subject, or could not be typed in a shell. Bytes from 0x80 on
 * are parts of UTF-8 sequences and stay as they are. */
static bool is_encoded(unsigned char byte)
{
    switch (byte) {
    case '{':
    case '}':
    case '|':
    case '=':
    case '%':
    case 0x7f:
        return true;
    default:
        return byte <= ' ';
    }
}

size_t dl_name_encode(char *out, struct dl_name name)
{
    static const char hex[] = "0123456789ABCDEF";
    char *at = out;
    for (uint32_t i = 0; i < name.bytes; i++) {
        unsigned char byte = (unsigned char)name.data[i];
        if (is_encoded(byte)) {
            *at++ = '%';
            *at++ = hex[byte >> 4];
            *at++ = hex[byte & 15];
        } else {
            *at++ = (char)byte;
        }
    }
    *at = '\0';
    return (size_t)(at - out);
}
