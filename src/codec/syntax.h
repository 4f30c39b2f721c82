/* Whether bytes are one JSON text (RFC 8259) of UTF-8, at most 64 deep. */
#pragma once

#include <delight/event.h>

enum { DL_JSON_DEPTH_MAX = 64 };

struct dl_syntax_fault {
    enum dl_reject reason; /* DL_REJECT_BAD_UTF8 or DL_REJECT_NOT_JSON */
    size_t at;             /* the byte, from 0; bytes when the text ends too early */
    const char *what;      /* half a sentence, static */
};

/* Finds the first fault in byte order; true: there is none. Neither recurses nor
 * allocates. It does not look at what needs memory or arithmetic: repeated keys
 * and numbers beyond their types.
 *
 * Where a byte is a fault in two ways, bytes come before characters and characters
 * before tokens: a byte that is no UTF-8 is bad_utf8 wherever it stands. A lone
 * surrogate counts at its own backslash, so it comes before whatever stands
 * where its other half should. */
bool dl_syntax_check(const char *text, size_t bytes, struct dl_syntax_fault *fault);

/* How many bytes the escape is that begins there with its backslash, a pair of
 * surrogates being one; 0: it is a fault. */
size_t dl_syntax_escape_bytes(const char *text, size_t bytes);
