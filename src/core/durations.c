#include <delight/durations.h>

const int64_t dl_duration_bounds_us[DL_DURATION_BOUNDS] = {
#define BOUND(bound) bound,
    DL_DURATION_BOUND_MAP(BOUND)
#undef BOUND
};

void dl_durations_add(struct dl_durations *durations, int64_t ns)
{
    int bucket = 0;
    ns = ns < 0 ? 0 : ns;
    while (bucket < DL_DURATION_BOUNDS && ns > dl_duration_bounds_us[bucket] * 1000)
        bucket++;
    durations->count[bucket]++;
    durations->sum_ns += ns;
}
