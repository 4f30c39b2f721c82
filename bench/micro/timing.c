#include "timing.h"

#include <delight/status.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void micro_clock_stop(struct micro_clock *clock)
{
    clock->spent_ns += now_ns() - clock->start_ns;
}

void micro_clock_go_on(struct micro_clock *clock)
{
    clock->start_ns = now_ns();
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread {
    double median, min, max;
};

static struct spread spread_of(const double *values, int count)
{
    double sorted[MICRO_ROUNDS_MAX];
    memcpy(sorted, values, (size_t)count * sizeof *values);
    qsort(sorted, (size_t)count, sizeof *sorted, by_size);
    double middle = count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
    return (struct spread){middle, sorted[0], sorted[count - 1]};
}

void micro_run(const char *title, struct micro_candidate *candidates, size_t count, size_t operations, int rounds)
{
    DL_ASSERT(rounds >= 1 && rounds <= MICRO_ROUNDS_MAX);
    for (int round = -1; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            struct micro_clock clock = {.start_ns = now_ns()};
            size_t done = candidates[i].run(candidates[i].context, &clock, operations);
            micro_clock_stop(&clock);
            double ns = (double)clock.spent_ns / (double)done;
            if (round >= 0)
                candidates[i].ns[round] = ns;
        }
    }
    printf("\n| %s, %d rounds | ns each: median (min … max) | beside the first, round by round |\n| --- | --- | --- |\n", title,
           rounds);
    for (size_t i = 0; i < count; i++) {
        double ratios[MICRO_ROUNDS_MAX];
        for (int round = 0; round < rounds; round++)
            ratios[round] = candidates[i].ns[round] / candidates[0].ns[round];
        struct spread ns = spread_of(candidates[i].ns, rounds), ratio = spread_of(ratios, rounds);
        printf("| %s | %.1f (%.1f … %.1f) | %.2f (%.2f … %.2f) |\n", candidates[i].name, ns.median, ns.min, ns.max,
               ratio.median, ratio.min, ratio.max);
    }
    fflush(stdout);
}
