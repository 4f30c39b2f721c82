#include <delight/counter.h>

#include <delight/status.h>

enum {
    HISTOGRAM_EXACT = 16, /* values below are their own bucket */
    HISTOGRAM_EXACT_BITS = 4,
    HISTOGRAM_LAST = DL_HISTOGRAM_BUCKETS - 1 /* longer than 24 h */
};

uint16_t dl_histogram_bucket(int64_t value_ms)
{
    DL_ASSERT(value_ms >= 0);
    if (value_ms < HISTOGRAM_EXACT)
        return (uint16_t)value_ms;
    if (value_ms > DL_HISTOGRAM_MS_MAX)
        return HISTOGRAM_LAST;
    /* The highest bit is the octave; the three bits below it are the bucket in the octave. */
    int octave = 63 - __builtin_clzll((unsigned long long)value_ms);
    int64_t step = (value_ms >> (octave - 3)) - DL_HISTOGRAM_BLOCK;
    return (uint16_t)(HISTOGRAM_EXACT + (octave - HISTOGRAM_EXACT_BITS) * DL_HISTOGRAM_BLOCK + step);
}

int64_t dl_histogram_value(uint16_t bucket)
{
    DL_ASSERT(bucket < DL_HISTOGRAM_BUCKETS);
    if (bucket < HISTOGRAM_EXACT)
        return bucket;
    int octave = (bucket - HISTOGRAM_EXACT) / DL_HISTOGRAM_BLOCK + HISTOGRAM_EXACT_BITS;
    int64_t step = (bucket - HISTOGRAM_EXACT) % DL_HISTOGRAM_BLOCK;
    int64_t width = INT64_C(1) << (octave - 3);
    int64_t middle = (DL_HISTOGRAM_BLOCK + step) * width + width / 2;
    return middle < DL_HISTOGRAM_MS_MAX ? middle : DL_HISTOGRAM_MS_MAX;
}

enum dl_kano dl_kano_category(int functional, int dysfunctional)
{
    /* Matzler & Hinterhuber 1998, table 2: rows are the functional answer, columns the dysfunctional one. */
    enum { M = DL_KANO_MUST_BE, O = DL_KANO_ONE_DIMENSIONAL, A = DL_KANO_ATTRACTIVE,
           I = DL_KANO_INDIFFERENT, R = DL_KANO_REVERSE, Q = DL_KANO_QUESTIONABLE };
    static const uint8_t evaluation[5][5] = {
        {Q, A, A, A, O},
        {R, I, I, I, M},
        {R, I, I, I, M},
        {R, I, I, I, M},
        {R, R, R, R, Q},
    };
    DL_ASSERT(functional >= 1 && functional <= 5 && dysfunctional >= 1 && dysfunctional <= 5);
    return evaluation[functional - 1][dysfunctional - 1];
}
