#include "utf8.h"

#include <stdbool.h>

static bool between(char byte, unsigned char low, unsigned char high)
{
    return (unsigned char)byte >= low && (unsigned char)byte <= high;
}

/*  first   second    third     fourth
 *  00..7F
 *  C2..DF  80..BF
 *  E0      A0..BF    80..BF                below A0 it would be overlong
 *  E1..EF  80..BF    80..BF
 *  ED      80..9F    80..BF                above 9F it would be a surrogate
 *  F0      90..BF    80..BF    80..BF      below 90 it would be overlong
 *  F1..F3  80..BF    80..BF    80..BF
 *  F4      80..8F    80..BF    80..BF      above 8F it would be beyond U+10FFFF */
size_t dl_utf8_bytes(const char *text, size_t left)
{
    unsigned char first = (unsigned char)text[0];
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;

    size_t bytes = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (left < bytes)
        return 0;
    unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (!between(text[1], low, high))
        return 0;
    for (size_t i = 2; i < bytes; i++) {
        if (!between(text[i], 0x80, 0xBF))
            return 0;
    }
    return bytes;
}

size_t dl_utf8_put(uint32_t character, char *out)
{
    size_t more = character < 0x80 ? 0 : character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    for (size_t i = more; i > 0; i--, character >>= 6)
        out[i] = (char)(0x80 | (character & 0x3F));
    out[0] = (char)(lead[more] | character);
    return more + 1;
}
