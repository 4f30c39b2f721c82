/* FORMULAS.md, written down a second time: from a tally to the fields that must be published. Pure functions. */
#pragma once

#include "settings.h"
#include "tally.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ld_field_kind { LD_FIELD_COUNT, LD_FIELD_FRACTION, LD_FIELD_TEXT };

struct ld_field {
    const char *name;
    enum ld_field_kind kind;
    int64_t count;
    double fraction;
    const char *text;
};

#define LD_FIELDS_MAX 80
#define LD_FIELD_TEXT_MAX 40

/* The fields that a hash of this tally must hold, except `as_of` and `window_ms`: at most LD_FIELDS_MAX. A feature has
 * its events and the Kano group only. Returns how many. */
size_t ld_score_fields(const struct ld_tally *tally, const struct ld_settings *settings, bool is_feature,
                       struct ld_field *fields);

/* Prints a field as Redis holds it: counts as integers, fractions with four decimals and never "-0.0000". */
void ld_field_print(const struct ld_field *field, char out[LD_FIELD_TEXT_MAX]);

/* True when `text` is how `field` may be printed. A fraction that lies within 1e-9 of a tie between two roundings may be
 * either of them. */
bool ld_field_matches(const struct ld_field *field, const char *text);

/* The measures that ranks and trends may be made of: rows of one table. */
int ld_measure_find(const char *name); /* -1: none */
const char *ld_measure_name(int measure);
const char *ld_measure_list(void);

/* A percentile needs a histogram: it can be ranked, but panes keep counters only. */
bool ld_measure_is_percentile(int measure);

/* The value of a measure, NAN where it has none, and its n: the denominator. `counter` holds LD_COUNTERS values; no
 * percentiles. A survey measure with 0 < n < privacy.min_n has no value. */
double ld_measure_value(int measure, const int64_t *counter, const struct ld_settings *settings, int64_t *n);

/* The same for every measure. */
double ld_measure_of_tally(int measure, const struct ld_tally *tally, const struct ld_settings *settings, int64_t *n);

/* The counters that a measure is made of, one bit each. */
uint64_t ld_measure_counters(int measure);

/* Wilson interval in percent; false when k < 0, k > n or n <= 0. */
bool ld_wilson(int64_t k, int64_t n, double *low, double *high);

/* NPS with its adjusted Wald interval; false when a count is negative or there is none. */
bool ld_nps_interval(int64_t promoters, int64_t passives, int64_t detractors, double *low, double *high);
