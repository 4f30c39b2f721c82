/* The counters of a tally. Every counter has an id; those of one measure stand
 * side by side. To add a measure: its counters here, its formula in score.c, its
 * rows in field.c, its event field in the codec.
 *
 * Survey answers are counted per answer, not per class: promoters or top boxes
 * are sums over answers, so their limits may change over existing tallies. */
#pragma once

#include <stdint.h>

/* Log-linear histogram of milliseconds: 0 to 15 exact, then 8 buckets per
 * octave up to 24 h, then one bucket for all that is longer.
 *
 *   bucket   0 … 15 | 16 … 23     | 24 … 31     | … |    last
 *   ms       0 … 15 | 16,18 … 30  | 32,36 … 60  | … | > 86 400 000
 *   width       1   |      2      |      4      | … |
 *
 * A bucket reads as its lower end plus half its width, at most 24 h (buckets of
 * width 1 read exactly), so the error is at most 1/16 and order is kept. */
enum {
    DL_HISTOGRAM_BLOCK = 8,    /* buckets of an octave */
    DL_HISTOGRAM_BLOCKS = 26,
    DL_HISTOGRAM_BUCKETS = DL_HISTOGRAM_BLOCK * DL_HISTOGRAM_BLOCKS
};
#define DL_HISTOGRAM_MS_MAX INT64_C(86400000)

enum dl_counter {
    DL_COUNT_EVENTS = 0,      /* adds minus retractions; of a feature: its answers */
    DL_COUNT_NPS = 1,         /* + answer 0..10 */
    DL_COUNT_CSAT = DL_COUNT_NPS + 11,        /* + answer - 1, answer 1..10 */
    DL_COUNT_CES = DL_COUNT_CSAT + 10,        /* + answer - 1, answer 1..7 */
    DL_COUNT_EXPECTATION = DL_COUNT_CES + 7,  /* + answer - 1, answer 1..5 */
    DL_COUNT_KANO = DL_COUNT_EXPECTATION + 5, /* + enum dl_kano */
    DL_COUNT_CONTACTS = DL_COUNT_KANO + 6,
    DL_COUNT_ANSWERED,
    DL_COUNT_ABANDONED,
    DL_COUNT_SL_ANSWERED,         /* contacts with outcome and wait: answered */
    DL_COUNT_SL_ABANDONED,
    DL_COUNT_SL_ANSWERED_WITHIN,  /* wait <= threshold */
    DL_COUNT_SL_ABANDONED_WITHIN,
    DL_COUNT_SL_ABANDONED_SHORT,  /* wait <= short-abandon limit */
    DL_COUNT_ASA_MS,              /* sum of waits of answered contacts (their number: SL_ANSWERED) */
    DL_COUNT_WAIT_N,
    DL_COUNT_HANDLE_N,
    DL_COUNT_HANDLE_MS,
    DL_COUNT_FCR_N,
    DL_COUNT_FCR_YES,
    DL_COUNT_FCR_NET_N,
    DL_COUNT_FCR_NET_YES,
    DL_COUNT_OPENED,
    DL_COUNT_CLOSED,
    DL_COUNT_RECOVERY_N,
    DL_COUNT_RECOVERY_YES,
    DL_COUNT_RECOVERY_DURATION_N,
    DL_COUNT_RECOVERY_DURATION_MS,
    DL_COUNT_SCALARS,
    DL_COUNT_WAIT = DL_COUNT_SCALARS, /* + bucket */
    DL_COUNT_HANDLE = DL_COUNT_WAIT + DL_HISTOGRAM_BUCKETS,
    DL_COUNTERS = DL_COUNT_HANDLE + DL_HISTOGRAM_BUCKETS
};

/* In the order in which a tie is decided (FORMULAS.md). */
enum dl_kano {
    DL_KANO_MUST_BE, DL_KANO_ONE_DIMENSIONAL, DL_KANO_ATTRACTIVE,
    DL_KANO_INDIFFERENT, DL_KANO_REVERSE, DL_KANO_QUESTIONABLE,
    DL_KANO_CATEGORIES
};

/* Bucket of value_ms >= 0, and what the bucket reads as, in ms. */
uint16_t dl_histogram_bucket(int64_t value_ms);
int64_t dl_histogram_value(uint16_t bucket);

/* Evaluation table (FORMULAS.md); both answers 1..5. */
const char *dl_kano_word(enum dl_kano category); /* "must_be" */
enum dl_kano dl_kano_category(int functional, int dysfunctional);
