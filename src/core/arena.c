#include "arena.h"

#include <stdlib.h>
#include <string.h>

enum { TAKE_BYTES_MAX = 65536, CHUNK_BYTES_FIRST = 65536 };

void dl_arena_deinit(struct dl_arena *arena)
{
    for (uint32_t i = 0; i < arena->chunk_count; i++)
        free(arena->chunks[i]);
    free(arena->chunks);
    *arena = (struct dl_arena){.chunks = NULL};
}

/* Room for one more chunk pointer. */
static enum dl_status reserve_pointer(struct dl_arena *arena)
{
    if (arena->chunk_count < arena->chunk_capacity)
        return DL_OK;
    if (arena->chunk_count == DL_ARENA_CHUNKS_MAX)
        return DL_FULL;
    uint32_t capacity = arena->chunk_capacity == 0 ? 8 : arena->chunk_capacity * 2;
    size_t more = (capacity - arena->chunk_capacity) * sizeof *arena->chunks;
    if (more > arena->bytes_max - arena->bytes)
        return DL_FULL;
    unsigned char **chunks = realloc(arena->chunks, capacity * sizeof *chunks);
    if (chunks == NULL)
        return DL_MEMORY;
    arena->chunks = chunks;
    arena->chunk_capacity = capacity;
    arena->bytes += more;
    return DL_OK;
}

static enum dl_status add_chunk(struct dl_arena *arena, size_t bytes)
{
    enum dl_status status = reserve_pointer(arena);
    if (status != DL_OK)
        return status;
    /* Chunks grow with the arena: a batch of a few events stays small, and a
     * large one needs few chunks. */
    size_t size = arena->size == 0 ? CHUNK_BYTES_FIRST : arena->size * 2;
    if (size > DL_ARENA_CHUNK_BYTES_MAX)
        size = DL_ARENA_CHUNK_BYTES_MAX;
    size_t room = (arena->bytes_max - arena->bytes) / DL_ARENA_STEP * DL_ARENA_STEP;
    if (size > room)
        size = room;
    if (size < bytes)
        return DL_FULL;
    unsigned char *chunk = aligned_alloc(DL_ARENA_STEP, size);
    if (chunk == NULL)
        return DL_MEMORY;
    arena->chunks[arena->chunk_count++] = chunk;
    arena->size = size;
    arena->used = 0;
    arena->bytes += size;
    return DL_OK;
}

enum dl_status dl_arena_take(struct dl_arena *arena, size_t bytes, void **out, uint32_t *reference)
{
    DL_ASSERT(bytes > 0 && bytes <= TAKE_BYTES_MAX);
    bytes = (bytes + DL_ARENA_STEP - 1) / DL_ARENA_STEP * DL_ARENA_STEP;
    if (bytes > arena->size - arena->used) {
        enum dl_status status = add_chunk(arena, bytes);
        if (status != DL_OK)
            return status;
    }
    *out = arena->chunks[arena->chunk_count - 1] + arena->used;
    *reference = (arena->chunk_count - 1) << DL_ARENA_PLACE_BITS | (uint32_t)(arena->used / DL_ARENA_STEP);
    arena->used += bytes;
    memset(*out, 0, bytes);
    return DL_OK;
}
