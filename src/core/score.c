/* FORMULAS.md, formula by formula. Counts are signed: a retraction may come
 * before its event or without it, so every sum and quotient is defined for them. */
#include <delight/score.h>

#include <float.h>
#include <math.h>

#define Z95 1.959964 /* two-sided 95 % */

/* Sums saturate: counts of that size cannot come from events, and a published
 * nonsense value is better than an undefined one. */
static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? (a < 0 ? INT64_MIN : INT64_MAX) : sum;
}

static int64_t minus(int64_t a, int64_t b)
{
    int64_t difference;
    return __builtin_sub_overflow(a, b, &difference) ? (a < 0 ? INT64_MIN : INT64_MAX) : difference;
}

static int64_t times(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? ((a < 0) == (b < 0) ? INT64_MAX : INT64_MIN) : product;
}

static int64_t sum_of(const int64_t *counts, int length)
{
    int64_t sum = 0;
    for (int i = 0; i < length; i++)
        sum = plus(sum, counts[i]);
    return sum;
}

static bool any_of(const int64_t *counts, int length)
{
    for (int i = 0; i < length; i++) {
        if (counts[i] != 0)
            return true;
    }
    return false;
}

static void put_integer(struct dl_scores *scores, enum dl_field_id id, int64_t integer)
{
    scores->value[id] = (struct dl_value){.kind = DL_VALUE_INTEGER, .integer = integer};
}

static void put_fraction(struct dl_scores *scores, enum dl_field_id id, double fraction)
{
    scores->value[id] = (struct dl_value){.kind = DL_VALUE_FRACTION, .fraction = fraction};
}

static void put_word(struct dl_scores *scores, enum dl_field_id id, const char *word)
{
    scores->value[id] = (struct dl_value){.kind = DL_VALUE_WORD, .word = word};
}

/* scale * k / n; no value where n is not positive. */
static void put_ratio(struct dl_scores *scores, enum dl_field_id id, double scale, int64_t k, int64_t n)
{
    if (n <= 0)
        return;
    const double exact_max = 9007199254740992; /* 2^53: up to here integers are doubles */
    double product = scale * (double)k;
    if (fabs(product) <= exact_max)
        put_fraction(scores, id, product / (double)n);
    else /* sums of milliseconds over years; the wider mantissa keeps the fourth decimal where there is one */
        put_fraction(scores, id, (double)((long double)scale * (long double)k / (long double)n));
}

bool dl_wilson(int64_t k, int64_t n, double *low, double *high)
{
    if (n <= 0 || k < 0 || k > n)
        return false;
    double count = (double)n;
    double p = (double)k / count;
    double z2 = Z95 * Z95;
    double centre = p + z2 / (2 * count);
    double half = Z95 * sqrt(p * (1 - p) / count + z2 / (4 * count * count));
    double scale = 100 / (1 + z2 / count);
    /* At the ends of the scale the bounds are exact; rounding must not carry them beyond it. */
    *low = k == 0 ? 0 : fmax(scale * (centre - half), 0);
    *high = k == n ? 100 : fmin(scale * (centre + half), 100);
    return true;
}

static void put_wilson(struct dl_scores *scores, enum dl_field_id low_id, enum dl_field_id high_id, int64_t k,
                       int64_t n)
{
    double low, high;
    if (!dl_wilson(k, n, &low, &high))
        return;
    put_fraction(scores, low_id, low);
    put_fraction(scores, high_id, high);
}

bool dl_nps_interval(int64_t promoters, int64_t passives, int64_t detractors, double *low, double *high)
{
    if (promoters < 0 || passives < 0 || detractors < 0)
        return false;
    double n = (double)promoters + (double)passives + (double)detractors;
    if (n <= 0)
        return false;
    double p = ((double)promoters + 0.75) / (n + 3);
    double d = ((double)detractors + 0.75) / (n + 3);
    double centre = 100 * (p - d);
    /* Of one answer alone the bound is 48.49865, a tie of the published decimals. It reads 48.4987, as on
     * paper, and not as the last bit of a product has it: bounds lean outward by a bit or two. */
    double half = 100 * Z95 * sqrt((p + d - (p - d) * (p - d)) / (n + 3)) * (1 + 2 * DBL_EPSILON);
    double nps = 100 * ((double)promoters - (double)detractors) / n;
    /* Clipped to the scale, then widened: one answer alone lies outside its own interval. */
    *low = fmin(fmax(centre - half, -100), nps);
    *high = fmax(fmin(centre + half, 100), nps);
    return true;
}

/* Mean of +1, 0, -1 over promoters, passives, detractors, and its variance / n. */
static bool nps_moments(const int64_t counts[3], double *mean, double *variance_of_mean)
{
    if (counts[0] < 0 || counts[1] < 0 || counts[2] < 0)
        return false;
    double n = (double)counts[0] + (double)counts[1] + (double)counts[2];
    if (n <= 0)
        return false;
    double extremes = (double)counts[0] + (double)counts[2];
    double net = (double)counts[0] - (double)counts[2];
    *mean = net / n;
    /* (p + d - (p - d)^2) / n over one denominator, which is exactly 0 when all answers are of one class. */
    *variance_of_mean = (n * extremes - net * net) / (n * n * n);
    return true;
}

bool dl_nps_difference(const int64_t first[3], const int64_t second[3], double *z)
{
    double mean[2], variance[2];
    if (!nps_moments(first, &mean[0], &variance[0]) || !nps_moments(second, &mean[1], &variance[1]))
        return false;
    double sum = variance[0] + variance[1];
    if (sum <= 0)
        return false;
    *z = (mean[0] - mean[1]) / sqrt(sum);
    return true;
}

/* privacy.min_n: few answers could be traced to a person, so they show as a number only. */
static bool is_private(int64_t n, const struct dl_score_options *options)
{
    return n > 0 && n < options->privacy_min_n;
}

static void score_nps(struct dl_scores *scores, const int64_t *answers, const struct dl_score_options *options)
{
    int64_t detractors = sum_of(answers, 7);
    int64_t passives = plus(answers[7], answers[8]);
    int64_t promoters = plus(answers[9], answers[10]);
    if (detractors == 0 && passives == 0 && promoters == 0)
        return;
    int64_t n = plus(plus(promoters, passives), detractors);
    put_integer(scores, DL_FIELD_nps_n, n);
    if (is_private(n, options))
        return;
    put_ratio(scores, DL_FIELD_nps, 100, minus(promoters, detractors), n);
    double low, high;
    if (dl_nps_interval(promoters, passives, detractors, &low, &high)) {
        put_fraction(scores, DL_FIELD_nps_low, low);
        put_fraction(scores, DL_FIELD_nps_high, high);
    }
    put_integer(scores, DL_FIELD_promoters, promoters);
    put_integer(scores, DL_FIELD_passives, passives);
    put_integer(scores, DL_FIELD_detractors, detractors);
}

/* An item answered on a scale, read as the share of its top answers and as its mean. */
struct scale_item {
    int answers_max;     /* answers 1..answers_max */
    int top;             /* lowest top answer */
    int mean_of_zero;    /* the answer that counts 0 in the mean */
    enum dl_field_id n, share, low, high, mean;
};

static void score_scale(struct dl_scores *scores, const struct scale_item *item, const int64_t *answers,
                        const struct dl_score_options *options)
{
    int64_t n = sum_of(answers, item->answers_max);
    int64_t top = sum_of(answers + item->top - 1, item->answers_max - item->top + 1);
    int64_t sum = 0;
    for (int answer = 1; answer <= item->answers_max; answer++)
        sum = plus(sum, times(answer - item->mean_of_zero, answers[answer - 1]));
    if (n == 0 && top == 0 && sum == 0)
        return;
    put_integer(scores, item->n, n);
    if (is_private(n, options))
        return;
    put_ratio(scores, item->share, 100, top, n);
    put_wilson(scores, item->low, item->high, top, n);
    put_ratio(scores, item->mean, 1, sum, n);
}

/* The two largest of counts; the first of equals leads. */
static int two_largest(const int64_t *counts, int length, int64_t *largest, int64_t *second)
{
    int leader = counts[1] > counts[0] ? 1 : 0;
    int runner = 1 - leader;
    for (int i = 2; i < length; i++) {
        if (counts[i] > counts[leader]) {
            runner = leader;
            leader = i;
        } else if (counts[i] > counts[runner]) {
            runner = i;
        }
    }
    *largest = counts[leader];
    *second = counts[runner];
    return leader;
}

/* Fong 1996, as published. */
static void score_kano_significance(struct dl_scores *scores, const int64_t *kano, int64_t n)
{
    enum { PAIR_MIN = 20 };
    int64_t a, b;
    two_largest(kano, DL_KANO_QUESTIONABLE, &a, &b);
    int64_t pair = plus(a, b);
    if (pair < PAIR_MIN)
        return;
    double variance = (double)pair * (2 * (double)n - (double)pair) / (2 * (double)n);
    /* Below 0 only where counts are negative; nothing can be shown to be significant there. */
    bool significant = variance >= 0 && (double)minus(a, b) >= 1.65 * sqrt(variance);
    put_integer(scores, DL_FIELD_kano_significant, significant ? 1 : 0);
}

static void score_kano(struct dl_scores *scores, const int64_t *kano, const struct dl_score_options *options)
{
    if (!any_of(kano, DL_KANO_CATEGORIES))
        return;
    int64_t n = sum_of(kano, DL_KANO_CATEGORIES);
    put_integer(scores, DL_FIELD_kano_n, n);
    if (is_private(n, options))
        return;
    put_integer(scores, DL_FIELD_kano_attractive, kano[DL_KANO_ATTRACTIVE]);
    put_integer(scores, DL_FIELD_kano_one_dimensional, kano[DL_KANO_ONE_DIMENSIONAL]);
    put_integer(scores, DL_FIELD_kano_must_be, kano[DL_KANO_MUST_BE]);
    put_integer(scores, DL_FIELD_kano_indifferent, kano[DL_KANO_INDIFFERENT]);
    put_integer(scores, DL_FIELD_kano_reverse, kano[DL_KANO_REVERSE]);
    put_integer(scores, DL_FIELD_kano_questionable, kano[DL_KANO_QUESTIONABLE]);
    int64_t better = plus(kano[DL_KANO_ATTRACTIVE], kano[DL_KANO_ONE_DIMENSIONAL]);
    int64_t worse = plus(kano[DL_KANO_ONE_DIMENSIONAL], kano[DL_KANO_MUST_BE]);
    int64_t wanted = plus(better, kano[DL_KANO_MUST_BE]);
    int64_t shared = plus(wanted, kano[DL_KANO_INDIFFERENT]);
    put_ratio(scores, DL_FIELD_kano_better, 1, better, shared);
    put_ratio(scores, DL_FIELD_kano_worse, 1, minus(0, worse), shared);
    if (n <= 0)
        return;
    int64_t largest, second;
    put_word(scores, DL_FIELD_kano_category, dl_kano_word((enum dl_kano)two_largest(kano, DL_KANO_CATEGORIES, &largest, &second)));
    put_ratio(scores, DL_FIELD_kano_category_strength, 100, minus(largest, second), n);
    put_ratio(scores, DL_FIELD_kano_total_strength, 100, wanted, n);
    score_kano_significance(scores, kano, n);
}

static void score_service_level(struct dl_scores *scores, const int64_t *count, enum dl_service_level_formula formula)
{
    int64_t answered = count[DL_COUNT_SL_ANSWERED];
    int64_t all = plus(answered, count[DL_COUNT_SL_ABANDONED]);
    int64_t abandoned_within = count[DL_COUNT_SL_ABANDONED_WITHIN];
    int64_t abandoned_short = count[DL_COUNT_SL_ABANDONED_SHORT];
    int64_t k = count[DL_COUNT_SL_ANSWERED_WITHIN];
    int64_t n = all;
    switch (formula) {
    case DL_SERVICE_LEVEL_1:
        k = plus(k, abandoned_within);
        break;
    case DL_SERVICE_LEVEL_2:
        n = answered;
        break;
    case DL_SERVICE_LEVEL_3:
        break;
    case DL_SERVICE_LEVEL_4:
        n = minus(all, abandoned_within);
        break;
    case DL_SERVICE_LEVEL_5:
        k = plus(k, abandoned_short);
        break;
    case DL_SERVICE_LEVEL_6:
        n = minus(all, abandoned_short);
        break;
    }
    put_integer(scores, DL_FIELD_service_level_n, n);
    put_ratio(scores, DL_FIELD_service_level, 100, k, n);
    put_wilson(scores, DL_FIELD_service_level_low, DL_FIELD_service_level_high, k, n);
}

/* Rank ceil(percent / 100 * n), in integers, and in two parts so that no product overflows. */
static int64_t rank_of(int percent, int64_t n)
{
    return n / 100 * percent + (n % 100 * percent + 99) / 100;
}

/* A percentile is where the running sum of the histogram first reaches its rank. */
static void put_percentiles(struct dl_scores *scores, enum dl_field_id p50_id, enum dl_field_id p95_id,
                            const int64_t *histogram)
{
    int64_t n = sum_of(histogram, DL_HISTOGRAM_BUCKETS);
    if (n <= 0)
        return;
    int64_t p50_rank = rank_of(50, n);
    int64_t p95_rank = rank_of(95, n);
    bool has_p50 = false;
    int64_t seen = 0;
    for (uint16_t bucket = 0; bucket < DL_HISTOGRAM_BUCKETS; bucket++) {
        seen = plus(seen, histogram[bucket]);
        if (!has_p50 && seen >= p50_rank) {
            put_integer(scores, p50_id, dl_histogram_value(bucket));
            has_p50 = true;
        }
        if (seen >= p95_rank) {
            put_integer(scores, p95_id, dl_histogram_value(bucket));
            return;
        }
    }
}

static void score_contacts(struct dl_scores *scores, const int64_t *count, const struct dl_score_options *options)
{
    if (!any_of(count + DL_COUNT_CONTACTS, DL_COUNT_OPENED - DL_COUNT_CONTACTS))
        return;
    int64_t abandoned = count[DL_COUNT_ABANDONED];
    int64_t ended = plus(count[DL_COUNT_ANSWERED], abandoned);
    put_integer(scores, DL_FIELD_contacts, count[DL_COUNT_CONTACTS]);
    put_integer(scores, DL_FIELD_answered, count[DL_COUNT_ANSWERED]);
    put_integer(scores, DL_FIELD_abandoned, abandoned);
    put_ratio(scores, DL_FIELD_abandonment, 100, abandoned, ended);
    put_wilson(scores, DL_FIELD_abandonment_low, DL_FIELD_abandonment_high, abandoned, ended);
    score_service_level(scores, count, options->service_level_formula);

    put_integer(scores, DL_FIELD_asa_n, count[DL_COUNT_SL_ANSWERED]);
    put_ratio(scores, DL_FIELD_asa_ms, 1, count[DL_COUNT_ASA_MS], count[DL_COUNT_SL_ANSWERED]);
    put_integer(scores, DL_FIELD_wait_n, count[DL_COUNT_WAIT_N]);
    put_percentiles(scores, DL_FIELD_wait_p50_ms, DL_FIELD_wait_p95_ms, count + DL_COUNT_WAIT);
    put_integer(scores, DL_FIELD_handle_n, count[DL_COUNT_HANDLE_N]);
    put_ratio(scores, DL_FIELD_aht_ms, 1, count[DL_COUNT_HANDLE_MS], count[DL_COUNT_HANDLE_N]);
    put_percentiles(scores, DL_FIELD_handle_p50_ms, DL_FIELD_handle_p95_ms, count + DL_COUNT_HANDLE);

    put_integer(scores, DL_FIELD_fcr_n, count[DL_COUNT_FCR_N]);
    put_ratio(scores, DL_FIELD_fcr, 100, count[DL_COUNT_FCR_YES], count[DL_COUNT_FCR_N]);
    put_wilson(scores, DL_FIELD_fcr_low, DL_FIELD_fcr_high, count[DL_COUNT_FCR_YES], count[DL_COUNT_FCR_N]);
    put_integer(scores, DL_FIELD_fcr_net_n, count[DL_COUNT_FCR_NET_N]);
    put_ratio(scores, DL_FIELD_fcr_net, 100, count[DL_COUNT_FCR_NET_YES], count[DL_COUNT_FCR_NET_N]);
}

static void score_complaints(struct dl_scores *scores, const int64_t *count)
{
    if (!any_of(count + DL_COUNT_OPENED, DL_COUNT_SCALARS - DL_COUNT_OPENED))
        return;
    int64_t recovery_n = count[DL_COUNT_RECOVERY_N];
    int64_t satisfied = count[DL_COUNT_RECOVERY_YES];
    int64_t duration_n = count[DL_COUNT_RECOVERY_DURATION_N];
    put_integer(scores, DL_FIELD_complaints, count[DL_COUNT_OPENED]);
    put_ratio(scores, DL_FIELD_complaint_rate, 1000, count[DL_COUNT_OPENED], count[DL_COUNT_CONTACTS]);
    put_integer(scores, DL_FIELD_complaints_closed, count[DL_COUNT_CLOSED]);
    put_integer(scores, DL_FIELD_recovery_n, recovery_n);
    put_ratio(scores, DL_FIELD_recovery_rate, 100, satisfied, recovery_n);
    put_wilson(scores, DL_FIELD_recovery_low, DL_FIELD_recovery_high, satisfied, recovery_n);
    put_integer(scores, DL_FIELD_recovery_duration_n, duration_n);
    put_ratio(scores, DL_FIELD_recovery_mean_ms, 1, count[DL_COUNT_RECOVERY_DURATION_MS], duration_n);
}

void dl_score(struct dl_scores *scores, const struct dl_counts *counts, int64_t as_of_ms, int64_t window_ms,
              const struct dl_score_options *options)
{
    DL_ASSERT(options->csat_max >= 2 && options->csat_max <= 10 && options->csat_top >= 1 &&
              options->csat_top <= options->csat_max);
    DL_ASSERT(options->service_level_formula >= DL_SERVICE_LEVEL_1 &&
              options->service_level_formula <= DL_SERVICE_LEVEL_6);
    const struct scale_item csat = {options->csat_max, options->csat_top, 0, DL_FIELD_csat_n, DL_FIELD_csat,
                                    DL_FIELD_csat_low, DL_FIELD_csat_high, DL_FIELD_csat_mean};
    static const struct scale_item ces = {7, 5, 0, DL_FIELD_ces_n, DL_FIELD_ces, DL_FIELD_ces_low,
                                          DL_FIELD_ces_high, DL_FIELD_ces_mean};
    static const struct scale_item expectation = {5, 5, 3, DL_FIELD_expectation_n, DL_FIELD_delight,
                                                  DL_FIELD_delight_low, DL_FIELD_delight_high,
                                                  DL_FIELD_expectation_mean};
    const int64_t *count = counts->count;
    for (int id = 0; id < DL_FIELDS; id++)
        scores->value[id] = (struct dl_value){.kind = DL_VALUE_NONE, .integer = 0};
    put_integer(scores, DL_FIELD_as_of, as_of_ms);
    put_integer(scores, DL_FIELD_window_ms, window_ms);
    put_integer(scores, DL_FIELD_events, count[DL_COUNT_EVENTS]);
    score_nps(scores, count + DL_COUNT_NPS, options);
    score_scale(scores, &csat, count + DL_COUNT_CSAT, options);
    score_scale(scores, &ces, count + DL_COUNT_CES, options);
    score_scale(scores, &expectation, count + DL_COUNT_EXPECTATION, options);
    score_kano(scores, count + DL_COUNT_KANO, options);
    score_contacts(scores, count, options);
    score_complaints(scores, count);
}
