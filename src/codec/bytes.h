/* Steps over a marked text, for the scanner. Behind its end there are zeros, at which
 * every step stops: nothing here asks where the end is, and whoever has read a whole text
 * sees whether that is where he stands. */
#pragma once

#include "masks.h"

#include <string.h>

/* The next eight bytes, the first one lowest; behind the end there are zeros. */
static inline uint64_t dl_load(const char *at)
{
    uint64_t loaded;
    memcpy(&loaded, at, sizeof loaded);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    loaded = __builtin_bswap64(loaded);
#endif
    return loaded;
}

/* The first of eight loaded bytes, which may be more. */
static inline uint64_t dl_first_bytes(uint64_t loaded, size_t count)
{
    return count >= 8 ? loaded : loaded & ((UINT64_C(1) << (8 * count)) - 1);
}

static inline const char *dl_skip_space(const char *at)
{
    while (__builtin_expect((unsigned char)*at <= ' ', 0) && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* The next quote, NULL if there is none. */
static inline const char *dl_find_quote(const struct dl_marked *marked, const char *at)
{
    size_t offset = (size_t)(at - marked->text);
    const struct dl_mask *mask = &marked->mask[offset / 64];
    /* The 64 bytes from there, of two masks: most strings end in them. */
    uint64_t quotes = (mask[0].quotes >> offset % 64) | (mask[1].quotes << 1 << (63 - offset % 64));
    if (__builtin_expect(quotes != 0, 1))
        return at + __builtin_ctzll(quotes);
    const struct dl_mask *end = &marked->mask[((size_t)(marked->end - marked->text) + 63) / 64];
    for (mask++; mask < end; mask++) {
        if (mask->quotes != 0)
            return marked->text + (mask - marked->mask) * 64 + __builtin_ctzll(mask->quotes);
    }
    return NULL;
}

/* Whether at..end, which may be empty, are plain characters of ASCII. */
static inline bool dl_is_plain(const struct dl_marked *marked, const char *at, const char *end)
{
    if (__builtin_expect(marked->specials == 0, 1))
        return true;
    size_t from = (size_t)(at - marked->text), to = (size_t)(end - marked->text);
    uint64_t specials = 0, wanted = UINT64_MAX << from % 64;
    for (size_t i = from / 64; i < to / 64; i++, wanted = UINT64_MAX)
        specials |= marked->mask[i].specials & wanted;
    return (specials | (marked->mask[to / 64].specials & wanted & ((UINT64_C(1) << to % 64) - 1))) == 0;
}

/* How many of eight loaded bytes are digits, from the first; digits: each as 0 to 9. */
static inline unsigned dl_count_digits(uint64_t loaded, uint64_t *digits)
{
    *digits = loaded ^ UINT64_C(0x3030303030303030);
    /* What is no digit has its byte's top bit set. Only the first is looked at: no carry came into it. */
    uint64_t others = ((*digits + UINT64_C(0x7676767676767676)) | *digits) & UINT64_C(0x8080808080808080);
    return others == 0 ? 8 : (unsigned)__builtin_ctzll(others) / 8;
}

/* The number that the first 1 to 8 digits make. */
static inline uint32_t dl_join_digits(uint64_t digits, unsigned count)
{
    /* The last digit goes to the top, zeros come in before the first; neighbours make pairs, pairs fours, and fours
     * the number. */
    digits <<= 64 - 8 * count;
    digits = digits * 10 + (digits >> 8);
    return (uint32_t)(((digits & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x000F424000000064) +
                       ((digits >> 16) & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x0000271000000001)) >> 32);
}

/* Digits of an integer as JSON spells it, at most 18 of them: *value and what follows;
 * NULL: none, or a 0 before others. */
static inline const char *dl_read_digits(const char *at, int64_t *value)
{
    static const int64_t power[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    uint64_t digits;
    unsigned count = dl_count_digits(dl_load(at), &digits);
    if (count == 0 || (*at == '0' && count > 1))
        return NULL;
    if (count == 1) {
        *value = (int64_t)(digits & 15);
        return at + 1;
    }
    const char *start = at;
    *value = dl_join_digits(digits, count);
    for (at += count; count == 8; at += count) {
        count = dl_count_digits(dl_load(at), &digits);
        if (at + count - start > 18)
            return NULL;
        if (count > 0)
            *value = *value * power[count] + dl_join_digits(digits, count);
    }
    return at;
}
