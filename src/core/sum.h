/* A sum of tallies on its way: dense counters, and which of them were touched, so
 * that adding and packing cost what is there and not what might be. Internal to
 * the engine. */
#pragma once

#include "packed.h"

enum { DL_SUM_WORD_BITS = 64, DL_SUM_WORDS = (DL_COUNTERS + DL_SUM_WORD_BITS - 1) / DL_SUM_WORD_BITS };

/* Zero-initialised is 0. */
struct dl_sum {
    int64_t count[DL_COUNTERS]; /* 0 where it was not touched */
    uint64_t touched[DL_SUM_WORDS];
};

static inline void dl_sum_add(struct dl_sum *sum, int counter, int64_t value, int sign)
{
    sum->count[counter] = dl_packed_plus(sum->count[counter], value, sign);
    sum->touched[counter / DL_SUM_WORD_BITS] |= UINT64_C(1) << counter % DL_SUM_WORD_BITS;
}

/* Adds packed counters, or takes them off: sign is +1 or -1. */
void dl_sum_add_packed(struct dl_sum *sum, const unsigned char *data, size_t bytes, int sign);

/* Writes the sum packed, DL_PACKED_BYTES_MAX bytes at most, and is 0 again;
 * returns how many bytes there are. */
size_t dl_sum_take(struct dl_sum *sum, unsigned char *out);
