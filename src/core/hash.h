/* XXH3, compiled into each user so that short keys cost no call. */
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stddef.h>
#include <stdint.h>

/* Names come from outside. A seed that nobody outside knows keeps a sender from
 * choosing names that all fall into one place of a table. The core has no source
 * of randomness: where the loader and malloc put the owner has to do. */
static inline uint64_t dl_hash_seed(const void *owner)
{
    uintptr_t places[2] = {(uintptr_t)owner, (uintptr_t)&places};
    return XXH3_64bits(places, sizeof places);
}

static inline uint64_t dl_hash(const void *data, size_t bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, bytes, seed);
}
