/* Names one behind the other in a key: each behind a byte that says its length. Internal to the core. */
#pragma once

#include <delight/name.h>

#include <assert.h>
#include <string.h>

static_assert(DL_NAME_BYTES_MAX <= UINT8_MAX, "a name's length fits the byte before it");

/* Both return where the name ends. */
static inline unsigned char *dl_key_put(unsigned char *at, struct dl_name name)
{
    *at++ = (unsigned char)name.bytes;
    if (name.bytes > 0)
        memcpy(at, name.data, name.bytes);
    return at + name.bytes;
}

/* The name borrows the key. */
static inline const unsigned char *dl_key_take(const unsigned char *at, struct dl_name *name)
{
    name->bytes = *at++;
    name->data = name->bytes == 0 ? NULL : (const char *)at;
    return at + name->bytes;
}
