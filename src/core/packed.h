/* The bytes of a packed tally (tally.h draws it): read and written here only.
 * Internal to the core. */
#pragma once

#include <delight/tally.h>

enum {
    DL_PACKED_STEP_MAX = 2,   /* bytes of an id step's varint */
    DL_PACKED_VALUE_MAX = 10, /* of 64 bits */
    DL_PACKED_BYTES_MAX = DL_COUNTERS * (DL_PACKED_STEP_MAX + DL_PACKED_VALUE_MAX)
};

/* Modulo 2^64: a sum that hostile durations drive beyond int64 reads as nonsense, and is exact again once they have
 * been subtracted. Input must not be able to stop the process. */
static inline int64_t dl_packed_plus(int64_t a, int64_t b, int sign)
{
    uint64_t sum = sign > 0 ? (uint64_t)a + (uint64_t)b : (uint64_t)a - (uint64_t)b;
    return (int64_t)sum;
}

static inline unsigned char *dl_packed_put_varint(unsigned char *at, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *at++ = (unsigned char)(number | 0x80);
    *at++ = (unsigned char)number;
    return at;
}

/* Writes a counter behind *previous (-1: it is the first); value is not 0. */
static inline unsigned char *dl_packed_put(unsigned char *at, int *previous, int counter, int64_t value)
{
    at = dl_packed_put_varint(at, (uint64_t)(counter - *previous - 1));
    *previous = counter;
    /* The zigzag of a small number of either sign is a small number. */
    return dl_packed_put_varint(at, value < 0 ? ~((uint64_t)value << 1) : (uint64_t)value << 1);
}

/* Walks the counters of a packed tally. Past the last one, counter is
 * DL_COUNTERS, so that a merge needs no other end. */
struct dl_packed_reader {
    const unsigned char *at;
    const unsigned char *end;
    int counter;
    int64_t value;
};

/* The rest of a varint of several bytes: few have any. */
uint64_t dl_packed_take_long(struct dl_packed_reader *reader, uint64_t number);

__attribute__((always_inline)) static inline uint64_t dl_packed_take_varint(struct dl_packed_reader *reader)
{
    DL_ASSERT(reader->at < reader->end);
    uint64_t number = *reader->at++;
    return number < 0x80 ? number : dl_packed_take_long(reader, number & 0x7f);
}

/* In a loop of its caller the reader stays in registers. */
__attribute__((always_inline)) static inline void dl_packed_next(struct dl_packed_reader *reader)
{
    if (reader->at == reader->end) {
        reader->counter = DL_COUNTERS;
        reader->value = 0;
        return;
    }
    uint64_t step, code;
    if (reader->end - reader->at >= 2 && ((reader->at[0] | reader->at[1]) & 0x80) == 0) { /* nearly all */
        step = *reader->at++;
        code = *reader->at++;
    } else {
        step = dl_packed_take_varint(reader);
        code = dl_packed_take_varint(reader);
    }
    DL_ASSERT(step < (uint64_t)(DL_COUNTERS - 1 - reader->counter));
    reader->counter += (int)step + 1;
    reader->value = (int64_t)(code >> 1) ^ -(int64_t)(code & 1);
}

/* Stands at the first counter. */
static inline struct dl_packed_reader dl_packed_read(const unsigned char *data, size_t bytes)
{
    struct dl_packed_reader reader = {.counter = -1};
    if (bytes > 0) {
        reader.at = data;
        reader.end = data + bytes;
    }
    dl_packed_next(&reader);
    return reader;
}

/* Writes tally + sign * other, DL_PACKED_BYTES_MAX bytes at most; returns how many there are. */
size_t dl_packed_merge(unsigned char *out, const struct dl_tally *tally, const struct dl_tally *other, int sign);
