#include "packed.h"

uint64_t dl_packed_take_long(struct dl_packed_reader *reader, uint64_t number)
{
    for (int shift = 7;; shift += 7) {
        DL_ASSERT(reader->at < reader->end && shift < 64);
        unsigned char byte = *reader->at++;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return number;
    }
}

size_t dl_packed_merge(unsigned char *out, const struct dl_tally *tally, const struct dl_tally *other, int sign)
{
    unsigned char *at = out;
    int previous = -1;
    struct dl_packed_reader own = dl_packed_read(tally->data, tally->bytes);
    struct dl_packed_reader add = dl_packed_read(other->data, other->bytes);
    while (own.counter < DL_COUNTERS || add.counter < DL_COUNTERS) {
        int counter = own.counter < add.counter ? own.counter : add.counter;
        int64_t value = 0;
        if (own.counter == counter) {
            value = own.value;
            dl_packed_next(&own);
        }
        if (add.counter == counter) {
            value = dl_packed_plus(value, add.value, sign);
            dl_packed_next(&add);
        }
        if (value != 0)
            at = dl_packed_put(at, &previous, counter, value);
    }
    return (size_t)(at - out);
}
