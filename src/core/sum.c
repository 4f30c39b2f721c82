#include "sum.h"

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

void dl_sum_add_packed(struct dl_sum *sum, const unsigned char *data, size_t bytes)
{
    for (struct dl_packed_reader reader = dl_packed_read(data, bytes); reader.counter < DL_COUNTERS; dl_packed_next(&reader))
        dl_sum_add(sum, reader.counter, reader.value);
}

size_t dl_sum_take(struct dl_sum *sum, unsigned char *out)
{
    unsigned char *at = out;
    int previous = -1;
    for (int word = 0; word < DL_SUM_WORDS; word++) {
        for (uint64_t left = sum->touched[word]; left != 0; left &= left - 1) {
            int counter = word * DL_SUM_WORD_BITS + __builtin_ctzll(left);
            if (sum->count[counter] != 0)
                at = dl_packed_put(at, &previous, counter, sum->count[counter]);
            sum->count[counter] = 0;
        }
        sum->touched[word] = 0;
    }
    return (size_t)(at - out);
}
