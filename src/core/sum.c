#include "sum.h"

void dl_sum_add_packed(struct dl_sum *sum, const unsigned char *data, size_t bytes, int sign)
{
    int word = 0;
    uint64_t touched = 0; /* of the word, in a register */
    for (struct dl_packed_reader reader = dl_packed_read(data, bytes); reader.counter < DL_COUNTERS; dl_packed_next(&reader)) {
        int64_t *count = &sum->count[reader.counter];
        *count = dl_packed_plus(*count, reader.value, sign);
        if (reader.counter / DL_SUM_WORD_BITS != word) {
            sum->touched[word] |= touched;
            word = reader.counter / DL_SUM_WORD_BITS;
            touched = 0;
        }
        touched |= UINT64_C(1) << reader.counter % DL_SUM_WORD_BITS;
    }
    sum->touched[word] |= touched;
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
