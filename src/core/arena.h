/* Memory that is only ever freed as a whole: chunks that are filled one after
 * the other. What is allocated has a 32-bit reference, so that hash indexes and
 * links stay small.
 *
 *   reference:  chunk, 18 bits │ place in the chunk, 14 bits, in steps of a cache line */
#pragma once

#include <delight/status.h>

#include <stddef.h>
#include <stdint.h>

enum { DL_ARENA_STEP = 64, DL_ARENA_PLACE_BITS = 14, DL_ARENA_CHUNKS_MAX = (1 << 18) - 1 };
#define DL_ARENA_CHUNK_BYTES_MAX ((size_t)1 << 20)

/* Zero-initialised, with bytes_max set, is empty. */
struct dl_arena {
    unsigned char **chunks; /* owned, each too */
    uint32_t chunk_count, chunk_capacity;
    size_t used, size;    /* of the last chunk */
    size_t bytes;         /* held, and what the owner adds of its own */
    size_t bytes_max;
};

void dl_arena_deinit(struct dl_arena *arena);

static inline void *dl_arena_at(const struct dl_arena *arena, uint32_t reference)
{
    return arena->chunks[reference >> DL_ARENA_PLACE_BITS]
        + (size_t)(reference & ((1U << DL_ARENA_PLACE_BITS) - 1)) * DL_ARENA_STEP;
}

/* bytes <= 64 KiB, from the beginning of a cache line on, zeroed. DL_FULL: no room within
 * bytes_max. DL_MEMORY. */
DL_MUST_USE enum dl_status dl_arena_take(struct dl_arena *arena, size_t bytes, void **out, uint32_t *reference);
