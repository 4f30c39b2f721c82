/* The clock T that windows follow. Pure: the caller reads the system's clocks.
 *
 * wall: T is the wall clock. When it jumps by more than a minute against
 * CLOCK_BOOTTIME, T follows CLOCK_BOOTTIME until the new time has held for
 * 5 minutes. event: T is the newest accepted event time, at most the wall clock
 * + 5 min. T never goes back. */
#pragma once

#include <delight/status.h>

#include <stdint.h>

enum dl_clock_mode { DL_CLOCK_WALL, DL_CLOCK_EVENT };

struct dl_clock {
    enum dl_clock_mode mode;
    int64_t now_ms;       /* T; INT64_MIN before the first update (event: before the first event) */
    int64_t newest_ms;    /* event: newest accepted event time */
    int64_t base_wall_ms; /* trusted wall = base_wall + (boot - base_boot) */
    int64_t base_boot_ms;
    int64_t jump_ms;      /* the jump under observation, 0: none */
    int64_t jump_boot_ms; /* since when */
};

enum dl_clock_event {
    DL_CLOCK_STEADY,
    DL_CLOCK_JUMPED,  /* said once per jump: an alarm */
    DL_CLOCK_ADOPTED, /* the new time has held for 5 minutes */
    DL_CLOCK_RETURNED /* the wall clock came back before that */
};

void dl_clock_init(struct dl_clock *clock, enum dl_clock_mode mode);
/* wall_ms: CLOCK_REALTIME, boot_ms: CLOCK_BOOTTIME, read together. newest_ms:
 * newest accepted event time so far, INT64_MIN: none. Updates clock->now_ms. */
enum dl_clock_event dl_clock_update(struct dl_clock *clock, int64_t wall_ms, int64_t boot_ms, int64_t newest_ms);
