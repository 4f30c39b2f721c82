/* Names one behind the other in blocks of 16 bytes: a key that is made, hashed and compared without asking how long each
 * name is, which no processor can guess.
 *
 *    0                  16                 32
 *   ┌──────────────────┬──────────────────┬──────────────────┬──
 *   │ gate 0 0 0 …     │ check-in 0 0 0 … │ 0 0 0 … (none)   │     at least one zero behind each, and in a name there is
 *   └──────────────────┴──────────────────┴──────────────────┴──   none: so it can be read back, and no two lists are one key
 *
 * Internal to the core. */
#pragma once

#include <delight/name.h>

#include <string.h>

enum { DL_BLOCK_BYTES = 16, DL_NAME_BLOCKS_MAX = DL_NAME_BYTES_MAX / DL_BLOCK_BYTES + 1 };

struct dl_block {
    uint64_t word[2];
};

typedef uint64_t dl_word_anywhere __attribute__((aligned(1), may_alias));

/* The bytes (up to 16) from `at` on; zero behind them. What stands behind them is read as well, and goes: it lies in their
 * page, so it can be read, but it is nobody's business: the sanitizers are told so, valgrind reports it. */
static inline __attribute__((no_sanitize("address", "thread"))) struct dl_block dl_block_of(const char *at, uint32_t bytes)
{
    static const char none[DL_BLOCK_BYTES];
    static const unsigned char wanted[2 * DL_BLOCK_BYTES] = {255, 255, 255, 255, 255, 255, 255, 255,
                                                             255, 255, 255, 255, 255, 255, 255, 255};
    enum { PAGE = 4096 }; /* or a multiple of it */
    struct dl_block block = {{0, 0}};
    if (bytes == 0)
        at = none;
    if (__builtin_expect(((uintptr_t)at & (PAGE - 1)) > PAGE - DL_BLOCK_BYTES, 0)) {
        memcpy(&block, at, bytes);
        return block;
    }
    const dl_word_anywhere *from = (const void *)at, *mask = (const void *)(wanted + DL_BLOCK_BYTES - bytes);
    block.word[0] = from[0] & mask[0];
    block.word[1] = from[1] & mask[1];
    return block;
}

/* Returns where the name ends: behind its last block. DL_NAME_BLOCKS_MAX at most. */
static inline struct dl_block *dl_blocks_put(struct dl_block *out, struct dl_name name)
{
    const char *at = name.data;
    uint32_t left = name.bytes;
    for (; __builtin_expect(left >= DL_BLOCK_BYTES, 0); left -= DL_BLOCK_BYTES, at += DL_BLOCK_BYTES)
        *out++ = dl_block_of(at, DL_BLOCK_BYTES);
    *out++ = dl_block_of(at, left);
    return out;
}

/* The name borrows the blocks. */
static inline const struct dl_block *dl_blocks_take(const struct dl_block *blocks, struct dl_name *name)
{
    name->bytes = (uint32_t)strlen((const char *)blocks);
    name->data = name->bytes == 0 ? NULL : (const char *)blocks;
    return blocks + name->bytes / DL_BLOCK_BYTES + 1;
}

static inline bool dl_blocks_equal(const struct dl_block *a, const struct dl_block *b, size_t count)
{
    uint64_t different = 0;
    for (size_t i = 0; i < count; i++)
        different |= (a[i].word[0] ^ b[i].word[0]) | (a[i].word[1] ^ b[i].word[1]);
    return different == 0;
}
