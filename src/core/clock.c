#include <delight/clock.h>

#include <delight/time.h>

#define JUMP_MS INT64_C(60000)
#define HELD_MS INT64_C(300000)

/* Within this of each other, two readings tell the same time: NTP may step or
 * slew by so much, and both clocks are not read in one instant. */
static bool agree(int64_t a_ms, int64_t b_ms)
{
    int64_t apart_ms = a_ms - b_ms;
    return apart_ms >= -JUMP_MS && apart_ms <= JUMP_MS;
}

void dl_clock_init(struct dl_clock *clock, enum dl_clock_mode mode)
{
    *clock = (struct dl_clock){.mode = mode, .now_ms = INT64_MIN, .newest_ms = INT64_MIN, .base_wall_ms = INT64_MIN};
}

/* Trusts the wall clock from here on. */
static void rebase(struct dl_clock *clock, int64_t wall_ms, int64_t boot_ms)
{
    clock->base_wall_ms = wall_ms;
    clock->base_boot_ms = boot_ms;
    clock->jump_ms = 0;
}

/* Decides whether the wall clock is to be trusted. As long as it is, the base
 * moves with it, so that what it gains or loses little by little never adds up
 * to a jump. CLOCK_BOOTTIME runs on while the host is suspended: waking up is
 * no jump. */
static enum dl_clock_event watch(struct dl_clock *clock, int64_t wall_ms, int64_t boot_ms)
{
    if (clock->base_wall_ms == INT64_MIN) {
        rebase(clock, wall_ms, boot_ms);
        return DL_CLOCK_STEADY;
    }
    int64_t trusted_ms = clock->base_wall_ms + (boot_ms - clock->base_boot_ms);
    int64_t jump_ms = wall_ms - trusted_ms;
    if (agree(jump_ms, 0)) {
        bool returned = clock->jump_ms != 0;
        rebase(clock, wall_ms, boot_ms);
        return returned ? DL_CLOCK_RETURNED : DL_CLOCK_STEADY;
    }
    if (clock->jump_ms == 0 || !agree(jump_ms, clock->jump_ms)) {
        clock->jump_ms = jump_ms;
        clock->jump_boot_ms = boot_ms;
        return DL_CLOCK_JUMPED;
    }
    if (boot_ms - clock->jump_boot_ms >= HELD_MS) {
        rebase(clock, wall_ms, boot_ms);
        return DL_CLOCK_ADOPTED;
    }
    clock->jump_ms = jump_ms; /* drift of the new time, as of the old one */
    return DL_CLOCK_STEADY;
}

enum dl_clock_event dl_clock_update(struct dl_clock *clock, int64_t wall_ms, int64_t boot_ms, int64_t newest_ms)
{
    enum dl_clock_event event = watch(clock, wall_ms, boot_ms);
    int64_t now_ms = clock->base_wall_ms + (boot_ms - clock->base_boot_ms);
    if (clock->mode == DL_CLOCK_EVENT) {
        if (newest_ms > clock->newest_ms)
            clock->newest_ms = newest_ms;
        now_ms = clock->newest_ms < now_ms + DL_FUTURE_MS ? clock->newest_ms : now_ms + DL_FUTURE_MS;
    }
    if (now_ms > clock->now_ms)
        clock->now_ms = now_ms;
    return event;
}
