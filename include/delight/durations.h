/* How long something takes, counted in buckets: a histogram of fixed bounds, 0.1 ms
 * to 10 s. One thread writes and reads it. */
#pragma once

#include <stdint.h>

/* X(microseconds) */
#define DL_DURATION_BOUND_MAP(X)                                                                                \
    X(100) X(250) X(500) X(1000) X(2500) X(5000) X(10000) X(25000) X(50000) X(100000) X(250000) X(500000) X(1000000) \
    X(2500000) X(5000000) X(10000000)

enum {
    DL_DURATION_BOUNDS = 0
#define DL_DURATION_COUNT(bound) +1
    DL_DURATION_BOUND_MAP(DL_DURATION_COUNT)
#undef DL_DURATION_COUNT
};

/* Upper ends of the buckets, which belong to them; microseconds. */
extern const int64_t dl_duration_bounds_us[DL_DURATION_BOUNDS];

/* Zero-initialised is empty. */
struct dl_durations {
    int64_t count[DL_DURATION_BOUNDS + 1]; /* each duration is in one; the last is for all that is longer */
    int64_t sum_ns;
};

/* A negative duration (a clock was read too early) counts as none. */
void dl_durations_add(struct dl_durations *durations, int64_t ns);
