/* The sentence that goes with a reject. */
#pragma once

#include "codec.h"

/* Writes the detail (DL_DETAIL_SIZE bytes) and returns reason, so that a check
 * is one statement. Control characters become '?'; what is too long is cut
 * between characters. */
DL_PRINTF(3, 4) enum dl_reject dl_refuse(char *detail, enum dl_reject reason, const char *format, ...);

/* How many bytes of a text a detail quotes: at most 32, cut between characters.
 * For "%.*s"; data must be UTF-8. */
int dl_quoted_bytes(const char *data, size_t bytes);
