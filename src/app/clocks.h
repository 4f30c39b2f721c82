/* The system's clocks, in milliseconds. Any thread. */
#pragma once

#include <stdint.h>
#include <time.h>

static inline int64_t dl_clock_read_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int64_t dl_wall_ms(void) { return dl_clock_read_ms(CLOCK_REALTIME); }
static inline int64_t dl_boot_ms(void) { return dl_clock_read_ms(CLOCK_BOOTTIME); }
static inline int64_t dl_monotonic_ms(void) { return dl_clock_read_ms(CLOCK_MONOTONIC); }

static inline void dl_sleep_ms(int64_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}
