/* How long the loop is busy at a stretch: whatever comes meanwhile waits so long.
 * Loop thread. */
#pragma once

#include <delight/durations.h>

#include <uv.h>

struct dl_stall {
    uv_prepare_t prepare;
    uint64_t last_ns, idle_ns; /* at the end of the turn before */
    struct dl_durations turns;
    int64_t longest_ns[2];     /* of the present minute and the one before */
    uint64_t minute;
};

/* The loop has not run yet. */
void dl_stall_start(struct dl_stall *stall, uv_loop_t *loop);
void dl_stall_stop(struct dl_stall *stall);
/* Of the last minute at least, of two at most. */
int64_t dl_stall_longest_ns(const struct dl_stall *stall);
