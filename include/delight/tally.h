/* A tally: signed counters that add, subtract and merge exactly, in any order.
 *
 * Two shapes. dl_counts is dense and lives on the stack or in scratch memory,
 * for adding up and for scoring. dl_tally is packed and sparse, for keeping:
 * counters that are zero take no byte, an empty tally takes no memory.
 *
 *   packed:  (id step, varint)(value, zigzag varint)  (id step)(value)  …
 *   id step: id - previous id - 1, the first from -1; ids ascend; values are not 0 */
#pragma once

#include <delight/counter.h>
#include <delight/status.h>

#include <stddef.h>
#include <stdint.h>

struct dl_counts {
    int64_t count[DL_COUNTERS];
};

/* Zero-initialised is the empty tally. */
struct dl_tally {
    unsigned char *data; /* owned; NULL when empty */
    uint32_t bytes;
    uint32_t capacity;
};

void dl_tally_deinit(struct dl_tally *tally); /* leaves an empty tally */
bool dl_tally_empty(const struct dl_tally *tally);

/* tally += sign * other, sign +1 or -1. Counters that become 0 vanish; a tally
 * that becomes empty frees its memory. Sums wrap modulo 2^64, so that
 * what was added can always be taken off exactly.
 * DL_MEMORY: tally is unchanged. tally != other. */
DL_MUST_USE enum dl_status dl_tally_add(struct dl_tally *tally, const struct dl_tally *other, int sign);
DL_MUST_USE enum dl_status dl_tally_copy(struct dl_tally *tally, const struct dl_tally *other);
bool dl_tally_equal(const struct dl_tally *a, const struct dl_tally *b);

/* counts += sign * tally. */
void dl_tally_unpack(const struct dl_tally *tally, struct dl_counts *counts, int sign);
/* Packs counts. DL_MEMORY: tally is unchanged. */
DL_MUST_USE enum dl_status dl_tally_pack(struct dl_tally *tally, const struct dl_counts *counts);
/* Value of one counter; 0 where it is not there. */
int64_t dl_tally_get(const struct dl_tally *tally, uint16_t counter);

/* The packed form in foreign bytes, as it travels and is stored.
 * Whether bytes are a packed tally (ids ascend and exist, no value is 0, every
 * varint is whole and in its shortest form). Foreign bytes must pass this first. */
bool dl_tally_valid(const unsigned char *data, size_t bytes);
/* Takes a copy of a valid packed form; data is not the tally's own. DL_MEMORY: tally is unchanged. */
DL_MUST_USE enum dl_status dl_tally_set_packed(struct dl_tally *tally, const unsigned char *data, size_t bytes);
