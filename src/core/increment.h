/* What one event adds to the counters (counter.h says which and when). */
#pragma once

#include <delight/counter.h>
#include <delight/event.h>

/* The counters that are sums of milliseconds; all others count. */
enum dl_sum_of { DL_SUM_ASA, DL_SUM_HANDLE, DL_SUM_RECOVERY, DL_SUMS };

enum { DL_HISTOGRAMS = 2 };

/* Of an add; a retraction subtracts it. */
struct dl_increments {
    uint64_t once;         /* scalars that go up by one: bits by counter */
    uint64_t summed;       /* scalars that go up by a sum: the same */
    int64_t sum[DL_SUMS];
    int buckets;
    uint16_t bucket[DL_HISTOGRAMS]; /* counters of histograms that go up by one, ascending */
};

/* For the place cell of the event, all but its Kano answers; DL_COUNT_EVENTS is among them. The event is valid (asserted). */
void dl_increments(const struct dl_event *event, int64_t service_level_threshold_ms, int64_t short_abandon_ms,
                   struct dl_increments *out);

/* Which sum a counter is, -1: it counts. */
static inline int dl_sum_of(unsigned counter)
{
    return counter == DL_COUNT_ASA_MS ? DL_SUM_ASA : counter == DL_COUNT_HANDLE_MS ? DL_SUM_HANDLE
        : counter == DL_COUNT_RECOVERY_DURATION_MS ? DL_SUM_RECOVERY : -1;
}
