/* Names of touchpoints, stages, journeys, features and segment values: 1 to 128
 * bytes of valid UTF-8 without NUL. */
#pragma once

#include <delight/status.h>

#include <stddef.h>
#include <stdint.h>

enum { DL_NAME_BYTES_MAX = 128, DL_SEGMENTS_MAX = 16, DL_WINDOWS_MAX = 16 };

/* What is over a cap is counted under this name. */
#define DL_NAME_OTHER "__other__"

/* A borrowed string, not NUL-terminated; bytes == 0 is "no name". */
struct dl_name {
    const char *data;
    uint32_t bytes;
};

/* A name of a string literal or a NUL-terminated string. */
struct dl_name dl_name_of(const char *text);
bool dl_name_equal(struct dl_name a, struct dl_name b);

/* Writes name with space, control characters, DEL and { } | = % percent-encoded
 * in upper case (DESIGN 6) to out, which has room for 3 * name.bytes + 1; ends
 * it with NUL and returns its length. */
size_t dl_name_encode(char *out, struct dl_name name);
