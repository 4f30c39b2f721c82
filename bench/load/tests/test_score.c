/* Every vector of FORMULAS.md, and the edges of each formula. */
#include "run_suite.h"

#include "score.h"
#include "util.h"

#include <math.h>
#include <string.h>

static struct ld_settings settings;
static struct ld_tally tally;
static struct ld_field fields[LD_FIELDS_MAX];
static size_t field_count;

static void begin(void)
{
    ld_settings_init(&settings);
    tally = (struct ld_tally){0};
}

static void score(bool is_feature)
{
    field_count = ld_score_fields(&tally, &settings, is_feature, fields);
    ck_assert_uint_le(field_count, LD_FIELDS_MAX);
}

static const char *text(const char *name)
{
    static char out[LD_FIELD_TEXT_MAX];
    for (size_t i = 0; i < field_count; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            ld_field_print(&fields[i], out);
            return out;
        }
    }
    return "none";
}

#define EXPECT(name, expected) ck_assert_str_eq(text(name), expected)

/* Where the exact value is a tie between two roundings (-48.49865), either is right. */
static void expect_or_tie(const char *name, const char *expected)
{
    for (size_t i = 0; i < field_count; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            ck_assert_msg(ld_field_matches(&fields[i], expected), "%s: %.9f, expected %s", name, fields[i].fraction,
                          expected);
            return;
        }
    }
    ck_assert_str_eq(expected, "none");
}

START_TEST(nps_vectors)
{
    static const struct {
        int64_t detractors, passives, promoters;
        const char *nps, *low, *high;
    } rows[] = {
        {1, 2, 3, "33.3333", "-26.7433", "71.1877"}, {0, 0, 1, "100.0000", "-48.4987", "100.0000"},
        {0, 1, 1, "50.0000", "-39.4487", "79.4487"}, {2, 0, 9, "63.6364", "8.0008", "91.9992"},
        {1, 0, 0, "-100.0000", "-100.0000", "48.4987"}, {0, -1, 2, "200.0000", "none", "none"},
        {1, 0, -1, "none", "none", "none"},
    };
    for (size_t i = 0; i < LD_COUNT(rows); i++) {
        begin();
        tally.counter[LD_DETRACTORS] = rows[i].detractors;
        tally.counter[LD_PASSIVES] = rows[i].passives;
        tally.counter[LD_PROMOTERS] = rows[i].promoters;
        score(false);
        EXPECT("nps", rows[i].nps);
        expect_or_tie("nps_low", rows[i].low);
        expect_or_tie("nps_high", rows[i].high);
        ld_settings_deinit(&settings);
    }
}
END_TEST

START_TEST(wilson_vectors)
{
    double low, high;
    ck_assert(ld_wilson(1, 1, &low, &high));
    ck_assert_double_eq_tol(low, 20.6549, 0.00005);
    ck_assert_double_eq_tol(high, 100, 1e-9);
    ck_assert(!ld_wilson(0, 0, &low, &high));
    ck_assert(!ld_wilson(-1, 3, &low, &high));
    ck_assert(!ld_wilson(4, 3, &low, &high));
    ck_assert(ld_wilson(0, 3, &low, &high));
}
END_TEST

START_TEST(service_level_vectors)
{
    static const char *const expected[] = {"83.0189", "86.0000", "81.1321", "82.6923", "82.0755", "81.9048"};
    static const char *const denominators[] = {"1060", "1000", "1060", "1040", "1060", "1050"};
    for (int formula = 1; formula <= 6; formula++) {
        begin();
        settings.service_level_formula = formula;
        tally.counter[LD_CONTACTS] = 1060;
        tally.counter[LD_SL_ANSWERED] = 1000;
        tally.counter[LD_SL_ABANDONED] = 60;
        tally.counter[LD_SL_ANSWERED_IN_TIME] = 860;
        tally.counter[LD_SL_ABANDONED_IN_TIME] = 20;
        tally.counter[LD_SL_ABANDONED_SHORT] = 10;
        score(false);
        EXPECT("service_level", expected[formula - 1]);
        EXPECT("service_level_n", denominators[formula - 1]);
        ld_settings_deinit(&settings);
    }
}
END_TEST

static void set_kano(int64_t m, int64_t o, int64_t a, int64_t i, int64_t r, int64_t q)
{
    const int64_t counts[] = {m, o, a, i, r, q};
    for (int k = 0; k < 6; k++)
        tally.counter[LD_MUST_BE + k] = counts[k];
}

START_TEST(kano_vectors)
{
    begin();
    set_kano(95, 123, 45, 33, 0, 0);
    score(true);
    EXPECT("kano_n", "296");
    EXPECT("kano_category", "one_dimensional");
    EXPECT("kano_better", "0.5676");
    EXPECT("kano_worse", "-0.7365");
    EXPECT("kano_total_strength", "88.8514");
    EXPECT("kano_category_strength", "9.4595");
    EXPECT("kano_significant", "1");
    set_kano(15, 24, 121, 124, 6, 6);
    score(true);
    EXPECT("kano_category", "indifferent");
    EXPECT("kano_better", "0.5106");
    EXPECT("kano_worse", "-0.1373");
    EXPECT("kano_significant", "0");
    ld_settings_deinit(&settings);
}
END_TEST

START_TEST(kano_edges)
{
    begin();
    set_kano(3, 3, 3, 3, 3, 3); /* ties go to the first in the order M, O, A, I, R, Q */
    score(true);
    EXPECT("kano_category", "must_be");
    EXPECT("kano_category_strength", "0.0000");
    EXPECT("kano_significant", "none"); /* the two largest are 6 together, less than 20 */
    set_kano(0, 0, 0, 0, 4, 5);
    score(true);
    EXPECT("kano_category", "questionable");
    EXPECT("kano_better", "none");
    EXPECT("kano_worse", "none");
    EXPECT("kano_total_strength", "0.0000");
    set_kano(0, 0, 12, 8, 0, 0); /* exactly 20 */
    score(true);
    EXPECT("kano_significant", "0");
    EXPECT("kano_worse", "0.0000"); /* never -0.0000 */
    set_kano(0, 0, 20, 0, 0, 100); /* Q is no rival in Fong's test, but is the category */
    score(true);
    EXPECT("kano_category", "questionable");
    EXPECT("kano_significant", "1");
    set_kano(-1, 0, 0, 0, 0, 0);
    score(true);
    EXPECT("kano_n", "-1");
    EXPECT("kano_must_be", "-1");
    EXPECT("kano_category", "none");
    ld_settings_deinit(&settings);
}
END_TEST

START_TEST(survey_groups)
{
    begin();
    tally.counter[LD_EVENTS] = 4;
    tally.counter[LD_CSAT_N] = 4;
    tally.counter[LD_CSAT_TOP] = 3;
    tally.counter[LD_CSAT_SUM] = 17;
    tally.counter[LD_CES_N] = 3;
    tally.counter[LD_CES_TOP] = 1;
    tally.counter[LD_CES_SUM] = 11;
    tally.counter[LD_EXPECTATION_N] = 3;
    tally.counter[LD_EXPECTATION_TOP] = 1;
    tally.counter[LD_EXPECTATION_SUM] = -1;
    score(false);
    EXPECT("events", "4");
    EXPECT("csat", "75.0000");
    EXPECT("csat_mean", "4.2500");
    EXPECT("ces", "33.3333");
    EXPECT("ces_mean", "3.6667");
    EXPECT("delight", "33.3333");
    EXPECT("expectation_mean", "-0.3333");
    EXPECT("nps_n", "none"); /* a group without data is left out */
    EXPECT("contacts", "none");
    EXPECT("complaints", "none");
    settings.privacy_min_n = 4; /* 0 < n < k shows n only */
    score(false);
    EXPECT("csat", "75.0000");
    EXPECT("ces_n", "3");
    EXPECT("ces", "none");
    EXPECT("ces_low", "none");
    EXPECT("expectation_n", "3");
    EXPECT("delight", "none");
    ld_settings_deinit(&settings);
}
END_TEST

START_TEST(contacts_and_complaints)
{
    begin();
    tally.counter[LD_CONTACTS] = 8;
    tally.counter[LD_ANSWERED] = 5;
    tally.counter[LD_ABANDONED] = 1;
    tally.counter[LD_ASA_N] = 3;
    tally.counter[LD_ASA_SUM] = 10000;
    tally.counter[LD_WAIT_N] = 4;
    for (int64_t ms = 1000; ms <= 4000; ms += 1000)
        ld_histogram_add(&tally.wait, ms, 1);
    tally.counter[LD_FCR_N] = 4;
    tally.counter[LD_FCR_TRUE] = 3;
    tally.counter[LD_OPENED] = 2;
    tally.counter[LD_CLOSED] = 1;
    score(false);
    EXPECT("abandonment", "16.6667");
    EXPECT("asa_ms", "3333.3333");
    EXPECT("wait_p50_ms", "1984"); /* the bucket 1920..2047 reads as its middle */
    EXPECT("wait_p95_ms", "3968");
    EXPECT("handle_p50_ms", "none");
    EXPECT("handle_n", "0"); /* counts of a group with data are there */
    EXPECT("aht_ms", "none");
    EXPECT("fcr", "75.0000");
    EXPECT("fcr_net", "none");
    EXPECT("complaint_rate", "250.0000");
    EXPECT("recovery_n", "0");
    EXPECT("recovery_rate", "none");
    EXPECT("recovery_mean_ms", "none");
    ld_tally_deinit(&tally);
    ld_settings_deinit(&settings);
}
END_TEST

START_TEST(matching_allows_only_ties)
{
    struct ld_field field = {.name = "x", .kind = LD_FIELD_FRACTION, .fraction = 12.34565};
    ck_assert(ld_field_matches(&field, "12.3456"));
    ck_assert(ld_field_matches(&field, "12.3457"));
    ck_assert(!ld_field_matches(&field, "12.3458"));
    field.fraction = 12.3457;
    ck_assert(ld_field_matches(&field, "12.3457"));
    ck_assert(!ld_field_matches(&field, "12.3456"));
    ck_assert(!ld_field_matches(&field, "12.34570"));
    field.fraction = -0.00001;
    ck_assert(ld_field_matches(&field, "0.0000"));
    ck_assert(!ld_field_matches(&field, "-0.0000"));
    struct ld_field count = {.name = "x", .kind = LD_FIELD_COUNT, .count = 7};
    ck_assert(!ld_field_matches(&count, "7.0000"));
}
END_TEST

START_TEST(measures_have_their_counters)
{
    ld_settings_init(&settings);
    ck_assert_int_eq(ld_measure_find("kano_n"), -1);
    for (int measure = ld_measure_find("nps"); measure <= ld_measure_find("recovery_mean_ms"); measure++) {
        if (ld_measure_is_percentile(measure))
            continue;
        /* Changing a counter that is not listed must change nothing. */
        int64_t n;
        int64_t other_n;
        int64_t counter[LD_COUNTERS];
        for (int i = 0; i < LD_COUNTERS; i++)
            counter[i] = 50 + i;
        double value = ld_measure_value(measure, counter, &settings, &n);
        uint64_t used = ld_measure_counters(measure);
        for (int i = 0; i < LD_COUNTERS; i++)
            counter[i] += (used >> i & 1) != 0 ? 0 : 1000;
        ck_assert_double_eq(ld_measure_value(measure, counter, &settings, &other_n), value);
        ck_assert_int_eq(n, other_n);
    }
    ld_settings_deinit(&settings);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {nps_vectors,   wilson_vectors, service_level_vectors,   kano_vectors,
                                  kano_edges,    survey_groups,  contacts_and_complaints, matching_allows_only_ties,
                                  measures_have_their_counters};
    return run_suite("score", tests, LD_COUNT(tests));
}
