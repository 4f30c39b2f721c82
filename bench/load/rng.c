#include "rng.h"

#include "util.h"

#include <math.h>
#include <stdlib.h>

void ld_rng_seed(struct ld_rng *rng, uint64_t seed)
{
    for (size_t i = 0; i < LD_COUNT(rng->s); i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        rng->s[i] = ld_mix(seed);
    }
}

void ld_alias_init(struct ld_alias *alias, const double *weights, uint32_t count)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += weights[i];
    alias->count = count;
    alias->threshold = ld_alloc(count, sizeof *alias->threshold);
    alias->other = ld_alloc(count, sizeof *alias->other);

    /* Every column holds a share of 1/count: what a light entry leaves free is filled by a heavy one. */
    double *rest = ld_alloc(count, sizeof *rest);
    uint32_t *light = ld_alloc(count, sizeof *light);
    uint32_t *heavy = ld_alloc(count, sizeof *heavy);
    uint32_t light_count = 0;
    uint32_t heavy_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        rest[i] = weights[i] * count / sum;
        alias->threshold[i] = UINT32_MAX;
        alias->other[i] = i;
        if (rest[i] < 1)
            light[light_count++] = i;
        else
            heavy[heavy_count++] = i;
    }
    while (light_count > 0 && heavy_count > 0) {
        uint32_t small = light[--light_count];
        uint32_t large = heavy[heavy_count - 1];
        alias->threshold[small] = (uint32_t)(rest[small] * 4294967295.0);
        alias->other[small] = large;
        rest[large] -= 1 - rest[small];
        if (rest[large] < 1) {
            heavy_count--;
            light[light_count++] = large;
        }
    }
    free(rest);
    free(light);
    free(heavy);
}

void ld_alias_deinit(struct ld_alias *alias)
{
    free(alias->threshold);
    free(alias->other);
    *alias = (struct ld_alias){0};
}

static double polynomial(const double *factors, size_t count, double x)
{
    double value = 0;
    for (size_t i = 0; i < count; i++)
        value = value * x + factors[i];
    return value;
}

double ld_normal(struct ld_rng *rng)
{
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,  -2.759285104469687e+02,
                               1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02,  -1.556989798598866e+02,
                               6.680131188771972e+01,  -1.328068155288572e+01, 1};
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                               -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                               3.754408661907416e+00, 1};
    double p = ld_rng_unit(rng) + 0x1p-54;
    if (p < 0.02425 || p > 1 - 0.02425) {
        double q = sqrt(-2 * log(p < 0.5 ? p : 1 - p));
        double tail = polynomial(c, LD_COUNT(c), q) / polynomial(d, LD_COUNT(d), q);
        return p < 0.5 ? tail : -tail;
    }
    double q = p - 0.5;
    return polynomial(a, LD_COUNT(a), q * q) * q / polynomial(b, LD_COUNT(b), q * q);
}

double ld_log_normal(struct ld_rng *rng, double median, double sigma)
{
    return median * exp(sigma * ld_normal(rng));
}
