#include "sum.h"

void dl_sum_add_packed(struct dl_sum *sum, const unsigned char *data, size_t bytes, int sign)
{
    for (struct dl_packed_reader reader = dl_packed_read(data, bytes); reader.counter < DL_COUNTERS; dl_packed_next(&reader))
        dl_sum_add(sum, reader.counter, reader.value, sign);
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
