/* Eight bytes of a text as one integer. */
#pragma once

#include <stdint.h>
#include <string.h>

/* The first one lowest; all eight must be there. */
static inline uint64_t dl_load(const char *at)
{
    uint64_t loaded;
    memcpy(&loaded, at, sizeof loaded);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    loaded = __builtin_bswap64(loaded);
#endif
    return loaded;
}
