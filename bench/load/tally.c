#include "tally.h"

#include "util.h"

#include <stdlib.h>
#include <string.h>

uint32_t ld_bucket_of(int64_t ms)
{
    if (ms > LD_OVER_MS)
        return LD_BUCKET_OVER;
    if (ms < 16)
        return (uint32_t)ms;
    uint32_t exponent = 63 - (uint32_t)__builtin_clzll((unsigned long long)ms);
    uint32_t part = (uint32_t)(ms >> (exponent - 3)) & 7;
    return 16 + (exponent - 4) * 8 + part;
}

int64_t ld_bucket_value(uint32_t bucket)
{
    if (bucket == LD_BUCKET_OVER)
        return LD_OVER_MS;
    if (bucket < 16)
        return bucket;
    uint32_t exponent = (bucket - 16) / 8 + 4;
    int64_t width = INT64_C(1) << (exponent - 3);
    int64_t low = (8 + (int64_t)((bucket - 16) % 8)) * width;
    return low + width / 2 < LD_OVER_MS ? low + width / 2 : LD_OVER_MS;
}

int64_t ld_histogram_percentile(const struct ld_histogram *histogram, int64_t n, int percent)
{
    if (histogram == NULL || n <= 0)
        return -1;
    int64_t rank = (n * percent + 99) / 100;
    int64_t seen = 0;
    for (uint32_t i = 0; i < LD_BUCKETS; i++) {
        seen += histogram->count[i];
        if (seen >= rank)
            return ld_bucket_value(i);
    }
    return -1;
}

enum ld_counter ld_kano_category(int functional, int dysfunctional)
{
    /* "I like it" one way and "I dislike it" the other way are the informative corners; the same extreme
     * answer to both questions is a contradiction. */
    if ((functional == 1 && dysfunctional == 1) || (functional == 5 && dysfunctional == 5))
        return LD_QUESTIONABLE;
    if (functional == 1)
        return dysfunctional == 5 ? LD_ONE_DIMENSIONAL : LD_ATTRACTIVE;
    if (dysfunctional == 1 || functional == 5)
        return LD_REVERSE;
    return dysfunctional == 5 ? LD_MUST_BE : LD_INDIFFERENT;
}

void ld_histogram_add(struct ld_histogram **histogram, int64_t ms, int32_t times)
{
    if (*histogram == NULL)
        *histogram = ld_alloc(1, sizeof **histogram);
    (*histogram)->count[ld_bucket_of(ms)] += times;
}

static void histogram_merge(struct ld_histogram **to, const struct ld_histogram *from)
{
    if (from == NULL)
        return;
    if (*to == NULL)
        *to = ld_alloc(1, sizeof **to);
    for (uint32_t i = 0; i < LD_BUCKETS; i++)
        (*to)->count[i] += from->count[i];
}

void ld_tally_merge(struct ld_tally *to, const struct ld_tally *from)
{
    for (int i = 0; i < LD_COUNTERS; i++)
        to->counter[i] += from->counter[i];
    histogram_merge(&to->wait, from->wait);
    histogram_merge(&to->handle, from->handle);
}

void ld_tally_clear(struct ld_tally *tally)
{
    memset(tally->counter, 0, sizeof tally->counter);
    if (tally->wait != NULL)
        memset(tally->wait, 0, sizeof *tally->wait);
    if (tally->handle != NULL)
        memset(tally->handle, 0, sizeof *tally->handle);
}

void ld_tally_deinit(struct ld_tally *tally)
{
    free(tally->wait);
    free(tally->handle);
    *tally = (struct ld_tally){0};
}

bool ld_tally_is_zero(const struct ld_tally *tally)
{
    for (int i = 0; i < LD_COUNTERS; i++) {
        if (tally->counter[i] != 0)
            return false;
    }
    return true;
}
