/* When each message is meant to be sent, and which moment of event time it belongs to. */
#pragma once

#include "traffic.h"

#include <stdint.h>

#define LD_RHYTHM_STEPS 8192

struct ld_schedule {
    const struct ld_traffic *traffic;
    uint64_t total; /* messages in all; 0: unknown */
    int64_t begin_wall_ms;
    int64_t begin_ns;
    uint32_t step;
    double cumulative[LD_RHYTHM_STEPS + 1]; /* share of the day's rhythm up to each step of the span */
};

/* How busy a moment is against the average, by the hour of day (UTC). */
double ld_rhythm(int64_t ms);

void ld_schedule_start(struct ld_schedule *schedule, const struct ld_traffic *traffic, int64_t wall_ms, int64_t now_ns);

/* Intended send time of a message; LLONG_MIN when there is no rate. */
int64_t ld_schedule_due_ns(const struct ld_schedule *schedule, uint64_t number);

/* Moment of event time of a message; numbers must not go back. `now_ns` counts only in real time without a rate. */
int64_t ld_schedule_moment_ms(struct ld_schedule *schedule, uint64_t number, int64_t now_ns);
