/* What is counted of a subject in a window: signed integers and two histograms. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum ld_counter {
    LD_EVENTS,
    LD_PROMOTERS,
    LD_PASSIVES,
    LD_DETRACTORS,
    LD_CSAT_N,
    LD_CSAT_TOP,
    LD_CSAT_SUM,
    LD_CES_N,
    LD_CES_TOP,
    LD_CES_SUM,
    LD_EXPECTATION_N,
    LD_EXPECTATION_TOP,
    LD_EXPECTATION_SUM, /* of value - 3 */
    LD_MUST_BE,         /* the six Kano categories, in the order that decides a tie */
    LD_ONE_DIMENSIONAL,
    LD_ATTRACTIVE,
    LD_INDIFFERENT,
    LD_REVERSE,
    LD_QUESTIONABLE,
    LD_CONTACTS,
    LD_ANSWERED,
    LD_ABANDONED,
    LD_SL_ANSWERED,  /* with a wait: an */
    LD_SL_ABANDONED, /* with a wait: ab */
    LD_SL_ANSWERED_IN_TIME,
    LD_SL_ABANDONED_IN_TIME,
    LD_SL_ABANDONED_SHORT,
    LD_ASA_N,
    LD_ASA_SUM,
    LD_WAIT_N,
    LD_HANDLE_N,
    LD_HANDLE_SUM,
    LD_FCR_N,
    LD_FCR_TRUE,
    LD_FCR_NET_N,
    LD_FCR_NET_TRUE,
    LD_OPENED,
    LD_CLOSED,
    LD_RECOVERY_N,
    LD_RECOVERY_SATISFIED,
    LD_DURATION_N,
    LD_DURATION_SUM,
    LD_COUNTERS
};

/* Histogram of milliseconds: 0 and 1..15 exact; above, eight buckets per power of two; one for more than 24 h.
 *
 *   bucket   0   1 .. 15   16       17       ..  23       24       ..   194            195
 *   value    0   1 .. 15   16..17   18..19       30..31   32..35        .. 86,400,000   more
 *
 * No bucket reads as more than 24 h. */
#define LD_BUCKETS 196
#define LD_BUCKET_OVER (LD_BUCKETS - 1)
#define LD_OVER_MS INT64_C(86400000)

struct ld_histogram {
    int32_t count[LD_BUCKETS];
};

struct ld_tally {
    int64_t counter[LD_COUNTERS];
    struct ld_histogram *wait;   /* NULL: empty */
    struct ld_histogram *handle; /* NULL: empty */
};

/* The bucket of a value >= 0 and the value a bucket reads as (its middle). */
uint32_t ld_bucket_of(int64_t ms);
int64_t ld_bucket_value(uint32_t bucket);

/* The value at rank ceil(percent/100 * n); -1 when n <= 0. */
int64_t ld_histogram_percentile(const struct ld_histogram *histogram, int64_t n, int percent);

/* One Kano answer's category by the evaluation table: LD_MUST_BE .. LD_QUESTIONABLE. Answers are 1..5. */
enum ld_counter ld_kano_category(int functional, int dysfunctional);

/* *to += *from; histograms of *to are allocated when needed. Freed by ld_tally_deinit. */
void ld_tally_merge(struct ld_tally *to, const struct ld_tally *from);
void ld_tally_deinit(struct ld_tally *tally);
void ld_tally_clear(struct ld_tally *tally); /* keeps the histograms' memory */

/* Counts `ms` `times` times (negative: takes it out) in a histogram that is allocated when needed. */
void ld_histogram_add(struct ld_histogram **histogram, int64_t ms, int32_t times);

/* True when no counter differs from zero: such a tally has no scores. */
bool ld_tally_is_zero(const struct ld_tally *tally);
