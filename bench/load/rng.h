/* The generator's randomness: xoshiro256** (Blackman and Vigna 2018, public domain), seeded by splitmix64.
 * The same seed gives the same numbers on every machine. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ld_rng {
    uint64_t s[4];
};

void ld_rng_seed(struct ld_rng *rng, uint64_t seed);

static inline uint64_t ld_rng_next(struct ld_rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t x = s[1] * 5;
    uint64_t result = ((x << 7) | (x >> 57)) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

/* 0 .. n-1; the bias of the multiplication is below n / 2^32. */
static inline uint32_t ld_rng_below(struct ld_rng *rng, uint32_t n)
{
    return (uint32_t)(((ld_rng_next(rng) >> 32) * n) >> 32);
}

/* 0 <= x < 1 */
static inline double ld_rng_unit(struct ld_rng *rng)
{
    return (double)(ld_rng_next(rng) >> 11) * 0x1p-53;
}

/* A share as a threshold for 32 random bits: true in `share` of all cases. */
static inline uint64_t ld_threshold(double share)
{
    return (uint64_t)(share * 4294967296.0);
}

/* Draws i with probability weight[i] / sum in constant time (Walker's alias method, after Vose). */
struct ld_alias {
    uint32_t count;
    uint32_t *threshold; /* of 2^32 */
    uint32_t *other;
};

/* Weights are >= 0 with a positive sum. Freed by ld_alias_deinit. */
void ld_alias_init(struct ld_alias *alias, const double *weights, uint32_t count);
void ld_alias_deinit(struct ld_alias *alias);

static inline uint32_t ld_alias_draw(const struct ld_alias *alias, struct ld_rng *rng)
{
    uint64_t bits = ld_rng_next(rng);
    uint32_t i = (uint32_t)(((bits >> 32) * alias->count) >> 32);
    return (uint32_t)bits < alias->threshold[i] ? i : alias->other[i];
}

/* A standard normal by inversion of its distribution function (Acklam's approximation, relative error 1e-9). */
double ld_normal(struct ld_rng *rng);

/* exp(log(median) + sigma * normal) */
double ld_log_normal(struct ld_rng *rng, double median, double sigma);
