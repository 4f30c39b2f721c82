/* Interleaved measurements: every candidate once per round, so that what else the
 * machine does meets all alike. CPU time of this thread, per operation. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { MICRO_ROUNDS_MAX = 200 };

/* Runs while a candidate does, unless it is stopped for what does not count. */
struct micro_clock {
    int64_t start_ns, spent_ns;
};
void micro_clock_stop(struct micro_clock *clock);
void micro_clock_go_on(struct micro_clock *clock);

struct micro_candidate {
    const char *name;
    /* Does about so many operations; returns how many it did. */
    size_t (*run)(void *context, struct micro_clock *clock, size_t operations);
    void *context;
    double ns[MICRO_ROUNDS_MAX]; /* per operation, by round */
};

/* Runs them all, a round for warming up first, and prints a table (Markdown): median, minimum and maximum per operation,
 * and of the ratios to the first candidate, round by round. */
void micro_run(const char *title, struct micro_candidate *candidates, size_t count, size_t operations, int rounds);
