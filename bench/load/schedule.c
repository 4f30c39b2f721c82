#include "schedule.h"

#include "util.h"

#include <limits.h>

#define DAY_MS INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)

/* A working day: quiet nights, a peak before noon and a smaller one after work. */
double ld_rhythm(int64_t ms)
{
    static const double hours[25] = {0.25, 0.15, 0.1, 0.1, 0.15, 0.3, 0.6, 1.0, 1.4, 1.7, 1.9, 1.8, 1.5,
                                     1.4,  1.4,  1.4, 1.5, 1.6,  1.7, 1.5, 1.2, 0.9, 0.6, 0.4, 0.25};
    int64_t of_day = ms - ld_floor_div(ms, DAY_MS) * DAY_MS;
    int64_t hour = of_day / HOUR_MS;
    double part = (double)(of_day % HOUR_MS) / (double)HOUR_MS;
    return hours[hour] * (1 - part) + hours[hour + 1] * part;
}

void ld_schedule_start(struct ld_schedule *schedule, const struct ld_traffic *traffic, int64_t wall_ms, int64_t now_ns)
{
    *schedule = (struct ld_schedule){.traffic = traffic, .begin_ns = now_ns};
    schedule->begin_wall_ms = traffic->start_ms != 0 ? traffic->start_ms : wall_ms - traffic->span_ms;
    schedule->total = traffic->count;
    if (schedule->total == 0 && traffic->rate > 0)
        schedule->total = (uint64_t)(traffic->rate * (double)traffic->duration_ms / 1000);
    if (traffic->span_ms == 0)
        return;
    double step_ms = (double)traffic->span_ms / LD_RHYTHM_STEPS;
    for (uint32_t i = 0; i < LD_RHYTHM_STEPS; i++) {
        double weight = ld_rhythm(schedule->begin_wall_ms + (int64_t)((i + 0.5) * step_ms));
        schedule->cumulative[i + 1] = schedule->cumulative[i] + weight;
    }
    for (uint32_t i = 1; i <= LD_RHYTHM_STEPS; i++)
        schedule->cumulative[i] /= schedule->cumulative[LD_RHYTHM_STEPS];
}

int64_t ld_schedule_due_ns(const struct ld_schedule *schedule, uint64_t number)
{
    if (schedule->traffic->rate <= 0)
        return LLONG_MIN;
    return schedule->begin_ns + (int64_t)((double)number * 1e9 / schedule->traffic->rate);
}

int64_t ld_schedule_moment_ms(struct ld_schedule *schedule, uint64_t number, int64_t now_ns)
{
    const struct ld_traffic *traffic = schedule->traffic;
    if (traffic->span_ms > 0) {
        /* The share of messages sent is the share of the rhythm passed. */
        double part = (double)number / (double)schedule->total;
        while (schedule->step < LD_RHYTHM_STEPS - 1 && schedule->cumulative[schedule->step + 1] <= part)
            schedule->step++;
        double from = schedule->cumulative[schedule->step];
        double into = (part - from) / (schedule->cumulative[schedule->step + 1] - from);
        double position = (schedule->step + into) / LD_RHYTHM_STEPS;
        return schedule->begin_wall_ms + (int64_t)(position * (double)traffic->span_ms);
    }
    if (traffic->rate > 0)
        return schedule->begin_wall_ms + (int64_t)((double)number * 1e3 / traffic->rate);
    return schedule->begin_wall_ms + (now_ns - schedule->begin_ns) / 1000000;
}
