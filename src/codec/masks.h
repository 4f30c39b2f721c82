/* A text as the scanner wants it: a copy with room behind it, so that eight bytes may be
 * loaded anywhere, where its quotes are, and bit masks of the bytes that a plain
 * string does not hold. All of it is one pass; the result is the same whatever instructions make it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DL_MARKED_BYTES_MAX = 65535, DL_MARKED_PADDING = 64, DL_MARKS_PADDING = 16, DL_QUOTES_PADDING = 64 };

enum dl_instructions { DL_PORTABLE, DL_SSE2, DL_AVX2, DL_AVX512, DL_INSTRUCTION_SETS };

struct dl_marked {
    char text[DL_MARKED_BYTES_MAX + DL_MARKED_PADDING]; /* first: what stands here has one address less to know */
    const char *end;
    bool special; /* false: the whole text is plain */
    /* A bit for each byte of the text, byte i's is bit i % 8 of byte i / 8: quotes and specials, which are control
     * characters (below 0x20), backslashes and whatever is not ASCII. */
    unsigned char marks[DL_MARKED_BYTES_MAX / 8 + DL_MARKS_PADDING];
    uint16_t quote[DL_MARKED_BYTES_MAX + DL_QUOTES_PADDING]; /* where they stand, from first to last */
};

/* At most DL_MARKED_BYTES_MAX bytes; reads nothing outside of them. Behind the end there
 * are DL_MARKED_PADDING zeros, no marks in 8 bytes of them, and the end four times in place of a quote. */
typedef void dl_mark(struct dl_marked *marked, const char *text, size_t bytes);

/* NULL: this machine, or this build, does not have them. */
dl_mark *dl_mark_by(enum dl_instructions instructions);
