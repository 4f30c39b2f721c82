/* A text as the scanner wants it: a copy with room behind it, so that eight bytes may be
 * loaded anywhere, and bit masks of where its quotes are and of the bytes that a plain
 * string does not hold. Copying and marking is one pass; the result is the same
 * whatever instructions make it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DL_MARKED_BYTES_MAX = 65536, DL_MARKED_PADDING = 64, DL_MASK_PADDING = 40 };

enum dl_instructions { DL_PORTABLE, DL_SSE2, DL_AVX2, DL_INSTRUCTION_SETS };

/* A bit for each byte of the text: byte i's is bit i % 8 of byte i / 8. */
struct dl_mask {
    unsigned char bits[DL_MARKED_BYTES_MAX / 8 + DL_MASK_PADDING];
};

struct dl_marked {
    char text[DL_MARKED_BYTES_MAX + DL_MARKED_PADDING]; /* first: what stands here has one address less to know */
    const char *end;
    bool special;            /* false: the whole text is plain */
    struct dl_mask quotes;
    struct dl_mask specials; /* control characters (below 0x20), backslashes, whatever is not ASCII */
};

/* At most DL_MARKED_BYTES_MAX bytes; reads nothing outside of them. Behind the end there
 * are DL_MARKED_PADDING zeros, no bits in the 32 bytes of a mask behind the one of
 * the end. */
typedef void dl_mark(struct dl_marked *marked, const char *text, size_t bytes);

/* NULL: this machine, or this build, does not have them. */
dl_mark *dl_mark_by(enum dl_instructions instructions);
