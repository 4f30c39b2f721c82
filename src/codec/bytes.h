/* Steps over a marked text, for the scanner. Behind its end there are zeros, at which
 * every step stops: nothing here asks where the end is, and whoever has read a whole text
 * sees whether that is where he stands. dl_load may load anywhere in it. */
#pragma once

#include "masks.h"

#include <delight/load.h>

#include <string.h>

/* The first of eight loaded bytes, which may be more. */
static inline uint64_t dl_first_bytes(uint64_t loaded, size_t count)
{
    return count >= 8 ? loaded : loaded & ((UINT64_C(1) << (8 * count)) - 1);
}

static inline bool dl_is_space(char byte)
{
    return __builtin_expect((unsigned char)byte <= ' ', 0) && (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t');
}

static inline const char *dl_skip_space(const char *at)
{
    while (dl_is_space(*at))
        at++;
    return at;
}

/* The marks from there on, of 57 bytes at least. */
static inline uint64_t dl_marks_from(const struct dl_marked *marked, const char *at)
{
    size_t offset = (size_t)(at - marked->text);
    return dl_load((const char *)marked->marks + offset / 8) >> offset % 8;
}

/* Whether at..end, which may be empty and holds no quotes, are plain characters of ASCII. */
static inline bool dl_is_plain(const struct dl_marked *marked, const char *at, const char *end)
{
    if (__builtin_expect(!marked->special, 1))
        return true;
    enum { STEP = 56 };
    for (; end - at > STEP; at += STEP) {
        if (dl_marks_from(marked, at) << (64 - STEP) != 0)
            return false;
    }
    return (dl_marks_from(marked, at) & ((UINT64_C(1) << (end - at)) - 1)) == 0;
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
    unsigned first = (unsigned char)at[0] - (unsigned)'0', second = (unsigned char)at[1] - (unsigned)'0';
    if (second > 9) { /* most have one */
        *value = first;
        return first <= 9 ? at + 1 : NULL;
    }
    uint64_t digits;
    unsigned count = dl_count_digits(dl_load(at), &digits);
    if (count == 0 || first == 0)
        return NULL;
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
