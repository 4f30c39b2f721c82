#include "score.h"

#include "util.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define Z95 1.959964

static double share(int64_t k, int64_t n, double scale)
{
    return n > 0 ? scale * (double)k / (double)n : NAN;
}

bool ld_wilson(int64_t k, int64_t n, double *low, double *high)
{
    if (n <= 0 || k < 0 || k > n)
        return false;
    double count = (double)n;
    double p = (double)k / count;
    double z2 = Z95 * Z95;
    double centre = p + z2 / (2 * count);
    double half = Z95 * sqrt(p * (1 - p) / count + z2 / (4 * count * count));
    *low = 100 * (centre - half) / (1 + z2 / count);
    *high = 100 * (centre + half) / (1 + z2 / count);
    return true;
}

bool ld_nps_interval(int64_t promoters, int64_t passives, int64_t detractors, double *low, double *high)
{
    int64_t n = promoters + passives + detractors;
    if (promoters < 0 || passives < 0 || detractors < 0 || n == 0)
        return false;
    double adjusted_n = (double)n + 3;
    double p = ((double)promoters + 0.75) / adjusted_n;
    double d = ((double)detractors + 0.75) / adjusted_n;
    double half = 100 * Z95 * sqrt((p + d - (p - d) * (p - d)) / adjusted_n);
    double raw = share(promoters - detractors, n, 100);
    *low = fmin(fmax(100 * (p - d) - half, -100), raw);
    *high = fmax(fmin(100 * (p - d) + half, 100), raw);
    return true;
}

static double nps_value(const int64_t *c, const struct ld_settings *settings, int64_t *n)
{
    (void)settings;
    *n = c[LD_PROMOTERS] + c[LD_PASSIVES] + c[LD_DETRACTORS];
    return share(c[LD_PROMOTERS] - c[LD_DETRACTORS], *n, 100);
}

/* Service level by formula: numerator and denominator over contacts with an outcome and a wait. */
static int64_t service_level_parts(const int64_t *c, const struct ld_settings *settings, int64_t *n)
{
    int64_t answered = c[LD_SL_ANSWERED];
    int64_t all = answered + c[LD_SL_ABANDONED];
    int64_t in_time = c[LD_SL_ANSWERED_IN_TIME];
    switch (settings->service_level_formula) {
    case 1:
        *n = all;
        return in_time + c[LD_SL_ABANDONED_IN_TIME];
    case 2:
        *n = answered;
        return in_time;
    case 3:
        *n = all;
        return in_time;
    case 5:
        *n = all;
        return in_time + c[LD_SL_ABANDONED_SHORT];
    case 6:
        *n = all - c[LD_SL_ABANDONED_SHORT];
        return in_time;
    default:
        *n = all - c[LD_SL_ABANDONED_IN_TIME];
        return in_time;
    }
}

static double service_level_value(const int64_t *c, const struct ld_settings *settings, int64_t *n)
{
    int64_t k = service_level_parts(c, settings, n);
    return share(k, *n, 100);
}

static double abandonment_value(const int64_t *c, const struct ld_settings *settings, int64_t *n)
{
    (void)settings;
    *n = c[LD_ANSWERED] + c[LD_ABANDONED];
    return share(c[LD_ABANDONED], *n, 100);
}

static int64_t kano_total(const int64_t *c)
{
    int64_t n = 0;
    for (int i = LD_MUST_BE; i <= LD_QUESTIONABLE; i++)
        n += c[i];
    return n;
}

static double kano_better_value(const int64_t *c, const struct ld_settings *settings, int64_t *n)
{
    (void)settings;
    *n = kano_total(c);
    return share(c[LD_ATTRACTIVE] + c[LD_ONE_DIMENSIONAL],
                 c[LD_ATTRACTIVE] + c[LD_ONE_DIMENSIONAL] + c[LD_MUST_BE] + c[LD_INDIFFERENT], 1);
}

static double kano_worse_value(const int64_t *c, const struct ld_settings *settings, int64_t *n)
{
    (void)settings;
    *n = kano_total(c);
    return share(-(c[LD_ONE_DIMENSIONAL] + c[LD_MUST_BE]),
                 c[LD_ATTRACTIVE] + c[LD_ONE_DIMENSIONAL] + c[LD_MUST_BE] + c[LD_INDIFFERENT], 1);
}

static bool has_data(const int64_t *c, enum ld_counter first, enum ld_counter last)
{
    for (int i = (int)first; i <= (int)last; i++) {
        if (c[i] != 0)
            return true;
    }
    return false;
}

/* The one value whose denominator belongs to another group: without complaints its own group is left out. */
static double complaint_rate_value(const int64_t *c, const struct ld_settings *settings, int64_t *n)
{
    (void)settings;
    *n = c[LD_CONTACTS];
    return has_data(c, LD_OPENED, LD_DURATION_SUM) ? share(c[LD_OPENED], *n, 1000) : (double)NAN;
}

/* A measure is scale * k / n of two counters, or what its function says of the counters `first` to `last`, or a
 * percentile of `n` waiting or handling times. */
struct measure {
    const char *name;
    bool is_survey;
    double scale; /* percentiles: of 100 */
    enum ld_counter k;
    enum ld_counter n;
    double (*value)(const int64_t *c, const struct ld_settings *settings, int64_t *n);
    enum ld_counter first, last;
    bool is_percentile;
};

#define SHARE(name, is_survey, scale, k, n) {name, is_survey, scale, k, n, NULL, k, k, false}
#define FUNCTION(name, is_survey, function, first, last) {name, is_survey, 0, first, first, function, first, last, false}
#define PERCENTILE(name, percent, n) {name, false, percent, n, n, NULL, n, n, true}

static const struct measure measures[] = {
    FUNCTION("nps", true, nps_value, LD_PROMOTERS, LD_DETRACTORS),
    SHARE("csat", true, 100, LD_CSAT_TOP, LD_CSAT_N),
    SHARE("csat_mean", true, 1, LD_CSAT_SUM, LD_CSAT_N),
    SHARE("ces", true, 100, LD_CES_TOP, LD_CES_N),
    SHARE("ces_mean", true, 1, LD_CES_SUM, LD_CES_N),
    SHARE("delight", true, 100, LD_EXPECTATION_TOP, LD_EXPECTATION_N),
    SHARE("expectation_mean", true, 1, LD_EXPECTATION_SUM, LD_EXPECTATION_N),
    FUNCTION("kano_better", true, kano_better_value, LD_MUST_BE, LD_QUESTIONABLE),
    FUNCTION("kano_worse", true, kano_worse_value, LD_MUST_BE, LD_QUESTIONABLE),
    FUNCTION("abandonment", false, abandonment_value, LD_ANSWERED, LD_ABANDONED),
    FUNCTION("service_level", false, service_level_value, LD_SL_ANSWERED, LD_SL_ABANDONED_SHORT),
    SHARE("asa_ms", false, 1, LD_ASA_SUM, LD_ASA_N),
    PERCENTILE("wait_p50_ms", 50, LD_WAIT_N),
    PERCENTILE("wait_p95_ms", 95, LD_WAIT_N),
    SHARE("aht_ms", false, 1, LD_HANDLE_SUM, LD_HANDLE_N),
    PERCENTILE("handle_p50_ms", 50, LD_HANDLE_N),
    PERCENTILE("handle_p95_ms", 95, LD_HANDLE_N),
    SHARE("fcr", false, 100, LD_FCR_TRUE, LD_FCR_N),
    SHARE("fcr_net", false, 100, LD_FCR_NET_TRUE, LD_FCR_NET_N),
    {"complaint_rate", false, 0, LD_OPENED, LD_CONTACTS, complaint_rate_value, LD_OPENED, LD_DURATION_SUM, false},
    SHARE("recovery_rate", false, 100, LD_RECOVERY_SATISFIED, LD_RECOVERY_N),
    SHARE("recovery_mean_ms", false, 1, LD_DURATION_SUM, LD_DURATION_N),
};

int ld_measure_find(const char *name)
{
    for (size_t i = 0; i < LD_COUNT(measures); i++) {
        if (strcmp(measures[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

const char *ld_measure_name(int measure)
{
    return measures[measure].name;
}

const char *ld_measure_list(void)
{
    return "nps csat csat_mean ces ces_mean delight expectation_mean kano_better kano_worse abandonment service_level "
           "asa_ms wait_p50_ms wait_p95_ms aht_ms handle_p50_ms handle_p95_ms fcr fcr_net complaint_rate "
           "recovery_rate recovery_mean_ms";
}

bool ld_measure_is_percentile(int measure)
{
    return measures[measure].is_percentile;
}

uint64_t ld_measure_counters(int measure)
{
    const struct measure *row = &measures[measure];
    uint64_t counters = UINT64_C(1) << row->n;
    for (unsigned i = (unsigned)row->first; i <= (unsigned)row->last; i++)
        counters |= UINT64_C(1) << i;
    return counters;
}

static double raw_value(const struct measure *row, const int64_t *c, const struct ld_settings *settings, int64_t *n)
{
    if (row->value != NULL)
        return row->value(c, settings, n);
    *n = c[row->n];
    return share(c[row->k], *n, row->scale);
}

double ld_measure_value(int measure, const int64_t *counter, const struct ld_settings *settings, int64_t *n)
{
    const struct measure *row = &measures[measure];
    double value = raw_value(row, counter, settings, n);
    return row->is_survey && *n > 0 && *n < settings->privacy_min_n ? (double)NAN : value;
}

double ld_measure_of_tally(int measure, const struct ld_tally *tally, const struct ld_settings *settings, int64_t *n)
{
    const struct measure *row = &measures[measure];
    if (!row->is_percentile)
        return ld_measure_value(measure, tally->counter, settings, n);
    *n = tally->counter[row->n];
    int64_t ms = ld_histogram_percentile(row->n == LD_WAIT_N ? tally->wait : tally->handle, *n, (int)row->scale);
    return ms < 0 ? (double)NAN : (double)ms;
}

/* Collects fields; a fraction without a value is left out. */
struct field_list {
    struct ld_field *fields;
    size_t count;
    const int64_t *counter;
    const struct ld_settings *settings;
};

static void put_count(struct field_list *list, const char *name, int64_t value)
{
    list->fields[list->count++] = (struct ld_field){.name = name, .kind = LD_FIELD_COUNT, .count = value};
}

static void put_fraction(struct field_list *list, const char *name, double value)
{
    if (!isnan(value))
        list->fields[list->count++] = (struct ld_field){.name = name, .kind = LD_FIELD_FRACTION, .fraction = value};
}

static void put_measure(struct field_list *list, const char *name)
{
    int64_t n;
    put_fraction(list, name, raw_value(&measures[ld_measure_find(name)], list->counter, list->settings, &n));
}

static void put_wilson(struct field_list *list, const char *low_name, const char *high_name, int64_t k, int64_t n)
{
    double low, high;
    if (ld_wilson(k, n, &low, &high)) {
        put_fraction(list, low_name, low);
        put_fraction(list, high_name, high);
    }
}

static bool is_hidden(const struct field_list *list, int64_t n)
{
    return n > 0 && n < list->settings->privacy_min_n;
}

static void put_nps(struct field_list *list)
{
    const int64_t *c = list->counter;
    double low, high;
    if (!has_data(c, LD_PROMOTERS, LD_DETRACTORS))
        return;
    int64_t n = c[LD_PROMOTERS] + c[LD_PASSIVES] + c[LD_DETRACTORS];
    put_count(list, "nps_n", n);
    if (is_hidden(list, n))
        return;
    put_measure(list, "nps");
    if (n > 0 && ld_nps_interval(c[LD_PROMOTERS], c[LD_PASSIVES], c[LD_DETRACTORS], &low, &high)) {
        put_fraction(list, "nps_low", low);
        put_fraction(list, "nps_high", high);
    }
    put_count(list, "promoters", c[LD_PROMOTERS]);
    put_count(list, "passives", c[LD_PASSIVES]);
    put_count(list, "detractors", c[LD_DETRACTORS]);
}

static void put_csat(struct field_list *list)
{
    const int64_t *c = list->counter;
    if (!has_data(c, LD_CSAT_N, LD_CSAT_SUM))
        return;
    put_count(list, "csat_n", c[LD_CSAT_N]);
    if (is_hidden(list, c[LD_CSAT_N]))
        return;
    put_measure(list, "csat");
    put_wilson(list, "csat_low", "csat_high", c[LD_CSAT_TOP], c[LD_CSAT_N]);
    put_measure(list, "csat_mean");
}

static void put_ces(struct field_list *list)
{
    const int64_t *c = list->counter;
    if (!has_data(c, LD_CES_N, LD_CES_SUM))
        return;
    put_count(list, "ces_n", c[LD_CES_N]);
    if (is_hidden(list, c[LD_CES_N]))
        return;
    put_measure(list, "ces");
    put_wilson(list, "ces_low", "ces_high", c[LD_CES_TOP], c[LD_CES_N]);
    put_measure(list, "ces_mean");
}

static void put_delight(struct field_list *list)
{
    const int64_t *c = list->counter;
    if (!has_data(c, LD_EXPECTATION_N, LD_EXPECTATION_SUM))
        return;
    put_count(list, "expectation_n", c[LD_EXPECTATION_N]);
    if (is_hidden(list, c[LD_EXPECTATION_N]))
        return;
    put_measure(list, "delight");
    put_wilson(list, "delight_low", "delight_high", c[LD_EXPECTATION_TOP], c[LD_EXPECTATION_N]);
    put_measure(list, "expectation_mean");
}

/* Fong's test needs the two largest of A, O, M, I, R; the category needs the two largest of all six. */
static void two_largest(const int64_t *counts, int how_many, int *first, int64_t *largest, int64_t *second)
{
    *first = 0;
    for (int i = 1; i < how_many; i++) {
        if (counts[i] > counts[*first])
            *first = i;
    }
    *largest = counts[*first];
    *second = INT64_MIN;
    for (int i = 0; i < how_many; i++) {
        if (i != *first && counts[i] > *second)
            *second = counts[i];
    }
}

static void put_kano_values(struct field_list *list, const int64_t *kano, int64_t n)
{
    static const char *const names[] = {"must_be",     "one_dimensional", "attractive",
                                        "indifferent", "reverse",         "questionable"};
    int first;
    int64_t largest, second;
    put_measure(list, "kano_better");
    put_measure(list, "kano_worse");
    if (n <= 0)
        return;
    two_largest(kano, 6, &first, &largest, &second);
    list->fields[list->count++] =
        (struct ld_field){.name = "kano_category", .kind = LD_FIELD_TEXT, .text = names[first]};
    put_fraction(list, "kano_category_strength", share(largest - second, n, 100));
    put_fraction(list, "kano_total_strength", share(kano[0] + kano[1] + kano[2], n, 100));
    two_largest(kano, 5, &first, &largest, &second);
    if (largest + second >= 20) {
        double both = (double)(largest + second);
        double limit = 1.65 * sqrt(both * (2 * (double)n - both) / (2 * (double)n));
        put_count(list, "kano_significant", (double)(largest - second) >= limit ? 1 : 0);
    }
}

static void put_kano(struct field_list *list)
{
    const int64_t *kano = list->counter + LD_MUST_BE;
    if (!has_data(list->counter, LD_MUST_BE, LD_QUESTIONABLE))
        return;
    int64_t n = kano_total(list->counter);
    put_count(list, "kano_n", n);
    if (is_hidden(list, n))
        return;
    put_count(list, "kano_must_be", kano[0]);
    put_count(list, "kano_one_dimensional", kano[1]);
    put_count(list, "kano_attractive", kano[2]);
    put_count(list, "kano_indifferent", kano[3]);
    put_count(list, "kano_reverse", kano[4]);
    put_count(list, "kano_questionable", kano[5]);
    put_kano_values(list, kano, n);
}

static void put_percentile(struct field_list *list, const char *name, const struct ld_histogram *histogram, int64_t n,
                           int percent)
{
    int64_t ms = ld_histogram_percentile(histogram, n, percent);
    if (ms >= 0)
        put_count(list, name, ms);
}

static void put_contacts(struct field_list *list, const struct ld_tally *tally)
{
    const int64_t *c = list->counter;
    int64_t sl_n;
    if (!has_data(c, LD_CONTACTS, LD_FCR_NET_TRUE))
        return;
    int64_t sl_k = service_level_parts(c, list->settings, &sl_n);
    put_count(list, "contacts", c[LD_CONTACTS]);
    put_count(list, "answered", c[LD_ANSWERED]);
    put_count(list, "abandoned", c[LD_ABANDONED]);
    put_measure(list, "abandonment");
    put_wilson(list, "abandonment_low", "abandonment_high", c[LD_ABANDONED], c[LD_ANSWERED] + c[LD_ABANDONED]);
    put_count(list, "service_level_n", sl_n);
    put_measure(list, "service_level");
    put_wilson(list, "service_level_low", "service_level_high", sl_k, sl_n);
    put_count(list, "asa_n", c[LD_ASA_N]);
    put_measure(list, "asa_ms");
    put_count(list, "wait_n", c[LD_WAIT_N]);
    put_percentile(list, "wait_p50_ms", tally->wait, c[LD_WAIT_N], 50);
    put_percentile(list, "wait_p95_ms", tally->wait, c[LD_WAIT_N], 95);
    put_count(list, "handle_n", c[LD_HANDLE_N]);
    put_measure(list, "aht_ms");
    put_percentile(list, "handle_p50_ms", tally->handle, c[LD_HANDLE_N], 50);
    put_percentile(list, "handle_p95_ms", tally->handle, c[LD_HANDLE_N], 95);
    put_count(list, "fcr_n", c[LD_FCR_N]);
    put_measure(list, "fcr");
    put_wilson(list, "fcr_low", "fcr_high", c[LD_FCR_TRUE], c[LD_FCR_N]);
    put_count(list, "fcr_net_n", c[LD_FCR_NET_N]);
    put_measure(list, "fcr_net");
}

static void put_complaints(struct field_list *list)
{
    const int64_t *c = list->counter;
    if (!has_data(c, LD_OPENED, LD_DURATION_SUM))
        return;
    put_count(list, "complaints", c[LD_OPENED]);
    put_measure(list, "complaint_rate");
    put_count(list, "complaints_closed", c[LD_CLOSED]);
    put_count(list, "recovery_n", c[LD_RECOVERY_N]);
    put_measure(list, "recovery_rate");
    put_wilson(list, "recovery_low", "recovery_high", c[LD_RECOVERY_SATISFIED], c[LD_RECOVERY_N]);
    put_count(list, "recovery_duration_n", c[LD_DURATION_N]);
    put_measure(list, "recovery_mean_ms");
}

size_t ld_score_fields(const struct ld_tally *tally, const struct ld_settings *settings, bool is_feature,
                       struct ld_field *fields)
{
    struct field_list list = {.fields = fields, .counter = tally->counter, .settings = settings};
    put_count(&list, "events", tally->counter[LD_EVENTS]);
    put_kano(&list);
    if (!is_feature) {
        put_nps(&list);
        put_csat(&list);
        put_ces(&list);
        put_delight(&list);
        put_contacts(&list, tally);
        put_complaints(&list);
    }
    return list.count;
}

static void print_fraction(double value, char out[LD_FIELD_TEXT_MAX])
{
    snprintf(out, LD_FIELD_TEXT_MAX, "%.4f", value);
    if (strcmp(out, "-0.0000") == 0)
        memmove(out, out + 1, strlen(out));
}

void ld_field_print(const struct ld_field *field, char out[LD_FIELD_TEXT_MAX])
{
    switch (field->kind) {
    case LD_FIELD_COUNT:
        snprintf(out, LD_FIELD_TEXT_MAX, "%" PRId64, field->count);
        break;
    case LD_FIELD_FRACTION:
        print_fraction(field->fraction, out);
        break;
    case LD_FIELD_TEXT:
        snprintf(out, LD_FIELD_TEXT_MAX, "%s", field->text);
        break;
    }
}

bool ld_field_matches(const struct ld_field *field, const char *text)
{
    char expected[LD_FIELD_TEXT_MAX];
    ld_field_print(field, expected);
    if (strcmp(expected, text) == 0)
        return true;
    if (field->kind != LD_FIELD_FRACTION)
        return false;
    /* Two correct computations may differ in the last bits, which shows only next to a tie. */
    char below[LD_FIELD_TEXT_MAX], above[LD_FIELD_TEXT_MAX];
    double slack = fmax(1e-9, fabs(field->fraction) * 1e-15);
    print_fraction(field->fraction - slack, below);
    print_fraction(field->fraction + slack, above);
    return strcmp(below, text) == 0 || strcmp(above, text) == 0;
}
