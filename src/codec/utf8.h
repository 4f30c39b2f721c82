/* UTF-8 as the Unicode Standard defines it (table 3-7). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at text (1 to 4), 0 when what stands there is no
 * UTF-8: overlong, a surrogate, beyond U+10FFFF, cut off. left: bytes from
 * there to the end, at least 1. */
size_t dl_utf8_bytes(const char *text, size_t left);

/* Writes a character, U+0000 to U+10FFFF and no surrogate, as 1 to 4 bytes; returns how many. */
size_t dl_utf8_put(uint32_t character, char *out);
