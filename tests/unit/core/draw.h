/* Random numbers that a seed gives back on every machine (SplitMix64). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct random {
    uint64_t state;
};

static inline uint64_t draw(struct random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* low … high */
static inline int64_t draw_in(struct random *random, int64_t low, int64_t high)
{
    return low + (int64_t)(draw(random) % (uint64_t)(high - low + 1));
}

static inline bool draw_one_in(struct random *random, int64_t n)
{
    return draw_in(random, 1, n) == 1;
}

/* A number from the environment. */
static inline uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}
