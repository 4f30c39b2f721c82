#include <delight/tally.h>

#include "packed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(DL_COUNTERS <= 1 << (7 * DL_PACKED_STEP_MAX), "every id step fits its varint");

/* Sizes that malloc hands out anyway (24, 40, 56 … on 64 bits), so that a tally
 * that grows by a byte or two stays where it is and none pays for slack. */
static size_t capacity_for(size_t bytes)
{
    enum { SMALLEST = 24, STEP = 16 };
    return bytes <= SMALLEST ? SMALLEST : SMALLEST + (bytes - SMALLEST + STEP - 1) / STEP * STEP;
}

/* Replaces what the tally holds. packed is not the tally's own memory. */
static enum dl_status keep(struct dl_tally *tally, const unsigned char *packed, size_t bytes)
{
    enum { SLACK_MAX = 32 }; /* malloc cannot use less than this as another block */
    if (bytes == 0) {
        dl_tally_deinit(tally);
        return DL_OK;
    }
    size_t capacity = capacity_for(bytes);
    if (capacity > tally->capacity || capacity + SLACK_MAX <= tally->capacity) {
        unsigned char *data = realloc(tally->data, capacity);
        if (data != NULL) {
            tally->data = data;
            tally->capacity = (uint32_t)capacity;
        } else if (capacity > tally->capacity) {
            return DL_MEMORY;
        } /* else it did not shrink, and what it has is enough */
    }
    memcpy(tally->data, packed, bytes);
    tally->bytes = (uint32_t)bytes;
    return DL_OK;
}

void dl_tally_deinit(struct dl_tally *tally)
{
    free(tally->data);
    *tally = (struct dl_tally){.data = NULL};
}

bool dl_tally_empty(const struct dl_tally *tally)
{
    return tally->bytes == 0;
}

enum dl_status dl_tally_add(struct dl_tally *tally, const struct dl_tally *other, int sign)
{
    DL_ASSERT(tally != other && (sign == 1 || sign == -1));
    if (other->bytes == 0)
        return DL_OK;
    if (tally->bytes == 0 && sign > 0)
        return keep(tally, other->data, other->bytes);
    unsigned char packed[DL_PACKED_BYTES_MAX];
    return keep(tally, packed, dl_packed_merge(packed, tally, other, sign));
}

enum dl_status dl_tally_copy(struct dl_tally *tally, const struct dl_tally *other)
{
    if (tally == other)
        return DL_OK;
    return keep(tally, other->data, other->bytes);
}

bool dl_tally_equal(const struct dl_tally *a, const struct dl_tally *b)
{
    /* Equal counters have one packed form only. */
    return a->bytes == b->bytes && (a->bytes == 0 || memcmp(a->data, b->data, a->bytes) == 0);
}

void dl_tally_unpack(const struct dl_tally *tally, struct dl_counts *counts, int sign)
{
    DL_ASSERT(sign == 1 || sign == -1);
    struct dl_packed_reader reader = dl_packed_read(tally->data, tally->bytes);
    for (; reader.counter < DL_COUNTERS; dl_packed_next(&reader))
        counts->count[reader.counter] = dl_packed_plus(counts->count[reader.counter], reader.value, sign);
}

enum dl_status dl_tally_pack(struct dl_tally *tally, const struct dl_counts *counts)
{
    unsigned char packed[DL_PACKED_BYTES_MAX];
    unsigned char *at = packed;
    int previous = -1;
    for (int counter = 0; counter < DL_COUNTERS; counter++)
        if (counts->count[counter] != 0)
            at = dl_packed_put(at, &previous, counter, counts->count[counter]);
    return keep(tally, packed, (size_t)(at - packed));
}

int64_t dl_tally_get(const struct dl_tally *tally, uint16_t counter)
{
    DL_ASSERT(counter < DL_COUNTERS);
    struct dl_packed_reader reader = dl_packed_read(tally->data, tally->bytes);
    while (reader.counter < counter)
        dl_packed_next(&reader);
    return reader.counter == counter ? reader.value : 0;
}

/* Foreign bytes: nothing is believed. */

/* One varint in its shortest form, of at most 64 bits. */
static bool take_varint(const unsigned char **at, const unsigned char *end, uint64_t *number)
{
    *number = 0;
    for (int shift = 0; *at < end && shift < 64; shift += 7) {
        unsigned char byte = *(*at)++;
        if (shift == 63 && byte > 1)
            return false; /* beyond 64 bits, or longer */
        *number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return byte != 0 || shift == 0;
    }
    return false;
}

bool dl_tally_valid(const unsigned char *data, size_t bytes)
{
    if (bytes == 0)
        return true;
    const unsigned char *at = data;
    const unsigned char *end = data + bytes;
    uint64_t counter = 0; /* the first that may come next */
    while (at < end) {
        uint64_t step, value;
        if (!take_varint(&at, end, &step) || step >= DL_COUNTERS - counter)
            return false;
        if (!take_varint(&at, end, &value) || value == 0)
            return false;
        counter += step + 1;
    }
    return true;
}

enum dl_status dl_tally_set_packed(struct dl_tally *tally, const unsigned char *data, size_t bytes)
{
    DL_ASSERT(bytes <= DL_PACKED_BYTES_MAX);
    return keep(tally, data, bytes);
}
