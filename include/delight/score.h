/* Scores: what is derived from a tally. Pure functions, no state. One table of
 * fields prints Redis hashes, JSON, --help and the documentation. */
#pragma once

#include <delight/tally.h>

#include <stdio.h>

enum dl_score_group {
    DL_SCORES_ALWAYS, DL_SCORES_NPS, DL_SCORES_CSAT, DL_SCORES_CES, DL_SCORES_DELIGHT,
    DL_SCORES_KANO, DL_SCORES_CONTACTS, DL_SCORES_COMPLAINTS, DL_SCORE_GROUPS
};

enum dl_service_level_formula {
    DL_SERVICE_LEVEL_1 = 1, DL_SERVICE_LEVEL_2, DL_SERVICE_LEVEL_3,
    DL_SERVICE_LEVEL_4, DL_SERVICE_LEVEL_5, DL_SERVICE_LEVEL_6
};

struct dl_score_options {
    int csat_max;   /* 5, 7 or 10 */
    int csat_top;   /* lowest top answer, 1..csat_max */
    enum dl_service_level_formula service_level_formula;
    int64_t privacy_min_n; /* 0: off */
};

enum dl_value_kind {
    DL_VALUE_NONE,     /* left out of hashes, null in JSON trends */
    DL_VALUE_INTEGER,
    DL_VALUE_FRACTION, /* printed with four decimals, never -0.0000 */
    DL_VALUE_WORD      /* static text */
};

struct dl_value {
    enum dl_value_kind kind;
    union {
        int64_t integer;
        double fraction;
        const char *word;
    };
};

/* Rows stand in the order of DESIGN 6; DL_FIELDS is their number. The ids of
 * the fields are the X-macro's names: DL_FIELD_nps_low. */
#define DL_FIELD_MAP(X) \
    X(ALWAYS, as_of) X(ALWAYS, window_ms) X(ALWAYS, events) \
    X(NPS, nps_n) X(NPS, nps) X(NPS, nps_low) X(NPS, nps_high) X(NPS, promoters) X(NPS, passives) X(NPS, detractors) \
    X(CSAT, csat_n) X(CSAT, csat) X(CSAT, csat_low) X(CSAT, csat_high) X(CSAT, csat_mean) \
    X(CES, ces_n) X(CES, ces) X(CES, ces_low) X(CES, ces_high) X(CES, ces_mean) \
    X(DELIGHT, expectation_n) X(DELIGHT, delight) X(DELIGHT, delight_low) X(DELIGHT, delight_high) X(DELIGHT, expectation_mean) \
    X(KANO, kano_n) X(KANO, kano_attractive) X(KANO, kano_one_dimensional) X(KANO, kano_must_be) X(KANO, kano_indifferent) \
    X(KANO, kano_reverse) X(KANO, kano_questionable) X(KANO, kano_category) X(KANO, kano_better) X(KANO, kano_worse) \
    X(KANO, kano_category_strength) X(KANO, kano_total_strength) X(KANO, kano_significant) \
    X(CONTACTS, contacts) X(CONTACTS, answered) X(CONTACTS, abandoned) X(CONTACTS, abandonment) X(CONTACTS, abandonment_low) \
    X(CONTACTS, abandonment_high) X(CONTACTS, service_level_n) X(CONTACTS, service_level) X(CONTACTS, service_level_low) \
    X(CONTACTS, service_level_high) X(CONTACTS, asa_n) X(CONTACTS, asa_ms) X(CONTACTS, wait_n) X(CONTACTS, wait_p50_ms) \
    X(CONTACTS, wait_p95_ms) X(CONTACTS, handle_n) X(CONTACTS, aht_ms) X(CONTACTS, handle_p50_ms) X(CONTACTS, handle_p95_ms) \
    X(CONTACTS, fcr_n) X(CONTACTS, fcr) X(CONTACTS, fcr_low) X(CONTACTS, fcr_high) X(CONTACTS, fcr_net_n) X(CONTACTS, fcr_net) \
    X(COMPLAINTS, complaints) X(COMPLAINTS, complaint_rate) X(COMPLAINTS, complaints_closed) X(COMPLAINTS, recovery_n) \
    X(COMPLAINTS, recovery_rate) X(COMPLAINTS, recovery_low) X(COMPLAINTS, recovery_high) X(COMPLAINTS, recovery_duration_n) \
    X(COMPLAINTS, recovery_mean_ms)

enum dl_field_id {
#define DL_FIELD_ENUM(group, name) DL_FIELD_##name,
    DL_FIELD_MAP(DL_FIELD_ENUM)
#undef DL_FIELD_ENUM
    DL_FIELDS
};

enum dl_better { DL_BETTER_NEITHER, DL_BETTER_HIGHER, DL_BETTER_LOWER };

struct dl_field {
    const char *name;
    enum dl_score_group group;
    const char *unit; /* "", "%", "ms", "per 1000", "-100..100", "0..1", "epoch ms" … */
    int n;            /* id of the field that is this one's denominator, -1: none. Fields with one can be
                       * ranked and have trends ("measures") when they are a group's main score */
    int n_also;       /* id of a field that adds to n, -1: none */
    bool measure;     /* may stand in rank.measures and trends.measures */
    enum dl_better better; /* which of two values of a measure is the better one */
    const char *help; /* half a sentence */
};

extern const struct dl_field dl_fields[DL_FIELDS];

const char *dl_score_group_name(enum dl_score_group group); /* "always", "nps", … */
/* Id of a field by its name, -1 if there is none. */
int dl_field_find(const char *name, size_t bytes);

/* The ends of a measure's 95 % interval: the two rows behind it. false: it has none. */
bool dl_field_interval(int id, int *low, int *high);

struct dl_scores {
    struct dl_value value[DL_FIELDS];
};

/* Every field of counts by FORMULAS.md; as_of and window_ms are passed through.
 * A group without data is all DL_VALUE_NONE; a group has data when any counter
 * that its fields show is not 0. */
void dl_score(struct dl_scores *scores, const struct dl_counts *counts, int64_t as_of_ms, int64_t window_ms,
              const struct dl_score_options *options);

/* How many answers or contacts stand behind a field's value: what rank.min_n is
 * held against. DL_VALUE_NONE: the field has no denominator, or its group no data. */
struct dl_value dl_score_n(const struct dl_scores *scores, int field);

enum { DL_VALUE_TEXT_SIZE = 48 };
/* The text of a value as it stands in Redis and JSON (words unquoted); returns
 * its length, 0 for DL_VALUE_NONE. out has DL_VALUE_TEXT_SIZE bytes. */
size_t dl_value_format(char *out, struct dl_value value);
/* The value of such a text. false: dl_value_format does not write this. */
bool dl_value_parse(struct dl_value *value, const char *text, size_t bytes);
/* Whether two values have the same text. */
bool dl_value_equal(struct dl_value a, struct dl_value b);

/* The documentation's table: Markdown rows, or aligned text for --help. */
void dl_fields_print_markdown(FILE *out);
void dl_fields_print_text(FILE *out);

/* Formulas that stand alone (FORMULAS.md). false: no value. All in %. */
bool dl_wilson(int64_t k, int64_t n, double *low, double *high);
bool dl_nps_interval(int64_t promoters, int64_t passives, int64_t detractors, double *low, double *high);
/* z statistic of the difference of two NPS (Wald); counts are P, Pa, D. */
bool dl_nps_difference(const int64_t first[3], const int64_t second[3], double *z);
