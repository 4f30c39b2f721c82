/* A text as the scanner wants it: a copy with room behind it, so that eight bytes may be
 * loaded anywhere, and bit masks of where its quotes are and of the bytes that a plain
 * string does not hold. Copying and marking is one pass; the result is the same
 * whatever instructions make it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DL_MARKED_BYTES_MAX = 65536, DL_MARKED_PADDING = 64 };

enum dl_instructions { DL_PORTABLE, DL_SSE2, DL_AVX2, DL_INSTRUCTION_SETS };

/* Of 64 bytes, the first one's bit lowest. */
struct dl_mask {
    uint64_t quotes;
    uint64_t specials; /* control characters (below 0x20), backslashes, whatever is not ASCII */
};

struct dl_marked {
    const char *end;
    uint64_t specials; /* of all masks, or-ed: 0 where the whole text is plain */
    struct dl_mask mask[DL_MARKED_BYTES_MAX / 64 + 2]; /* set: up to one behind the text's last */
    char text[DL_MARKED_BYTES_MAX + DL_MARKED_PADDING];
};

/* At most DL_MARKED_BYTES_MAX bytes; reads nothing outside of them. Behind the end there
 * are DL_MARKED_PADDING zeros, and no bits in the masks. */
typedef void dl_mark(struct dl_marked *marked, const char *text, size_t bytes);

/* NULL: this machine, or this build, does not have them. */
dl_mark *dl_mark_by(enum dl_instructions instructions);
