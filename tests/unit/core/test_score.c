#include <delight/score.h>

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct dl_score_options defaults = {
    .csat_max = 5, .csat_top = 4, .service_level_formula = DL_SERVICE_LEVEL_4, .privacy_min_n = 0};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 20;
}

/* Whole scores, compared as they are published. */

struct setting {
    int counter;
    int64_t value;
};

#define COUNTS(...) ((const struct setting[]){__VA_ARGS__, {-1, 0}})

static struct dl_counts counts_of(const struct setting *settings)
{
    struct dl_counts counts = {.count = {0}};
    for (; settings->counter >= 0; settings++)
        counts.count[settings->counter] += settings->value;
    return counts;
}

/* Every published field of the groups after "always", as "name=text name=text …". */
static void check_score(const struct setting *settings, const struct dl_score_options *options, const char *expected)
{
    struct dl_counts counts = counts_of(settings);
    struct dl_scores scores;
    memset(&scores, 0xa5, sizeof scores); /* nothing may be left unset */
    dl_score(&scores, &counts, 1795338000123, 3600000, options);
    char line[4096] = "";
    size_t used = 0;
    for (int id = DL_FIELD_nps_n; id < DL_FIELDS; id++) {
        char text[DL_VALUE_TEXT_SIZE];
        if (dl_value_format(text, scores.value[id]) > 0)
            used += (size_t)snprintf(line + used, sizeof line - used, "%s%s=%s", used == 0 ? "" : " ",
                                     dl_fields[id].name, text);
    }
    ck_assert_str_eq(line, expected);
}

#define NPS(answer) (DL_COUNT_NPS + (answer))
#define CSAT(answer) (DL_COUNT_CSAT + (answer) - 1)
#define CES(answer) (DL_COUNT_CES + (answer) - 1)
#define EXPECTATION(answer) (DL_COUNT_EXPECTATION + (answer) - 1)

START_TEST(always_fields)
{
    struct dl_counts counts = counts_of(COUNTS({DL_COUNT_EVENTS, -7}));
    struct dl_scores scores;
    dl_score(&scores, &counts, 1795338000123, 3600000, &defaults);
    ck_assert_int_eq(scores.value[DL_FIELD_as_of].integer, 1795338000123);
    ck_assert_int_eq(scores.value[DL_FIELD_window_ms].integer, 3600000);
    ck_assert_int_eq(scores.value[DL_FIELD_events].integer, -7);
    /* A group without data is left out. */
    for (int id = DL_FIELD_nps_n; id < DL_FIELDS; id++)
        ck_assert_int_eq(scores.value[id].kind, DL_VALUE_NONE);
}
END_TEST

START_TEST(nps_fields)
{
    check_score(COUNTS({NPS(0), 1}, {NPS(7), 1}, {NPS(8), 1}, {NPS(9), 2}, {NPS(10), 1}), &defaults,
                "nps_n=6 nps=33.3333 nps_low=-26.7433 nps_high=71.1877 promoters=3 passives=2 detractors=1");
    check_score(COUNTS({NPS(10), 1}), &defaults,
                "nps_n=1 nps=100.0000 nps_low=-48.4987 nps_high=100.0000 promoters=1 passives=0 detractors=0");
    check_score(COUNTS({NPS(9), 1}, {NPS(8), 1}), &defaults,
                "nps_n=2 nps=50.0000 nps_low=-39.4487 nps_high=79.4487 promoters=1 passives=1 detractors=0");
    check_score(COUNTS({NPS(9), 9}, {NPS(3), 2}), &defaults,
                "nps_n=11 nps=63.6364 nps_low=8.0008 nps_high=91.9992 promoters=9 passives=0 detractors=2");
    /* retractions without their events: counts as they are, no interval, no quotient of a count that is not positive */
    check_score(COUNTS({NPS(10), -1}), &defaults, "nps_n=-1 promoters=-1 passives=0 detractors=0");
    check_score(COUNTS({NPS(10), -1}, {NPS(2), 3}), &defaults,
                "nps_n=2 nps=-200.0000 promoters=-1 passives=0 detractors=3");
    check_score(COUNTS({NPS(10), 1}, {NPS(2), -1}), &defaults, "nps_n=0 promoters=1 passives=0 detractors=-1");
    /* one promoter's answer for another's: nothing that the fields show is left */
    check_score(COUNTS({NPS(10), 1}, {NPS(9), -1}), &defaults, "");
}
END_TEST

/* Each answer is in one class, and counts 1 there. */
START_TEST(nps_classes)
{
    for (int answer = 0; answer <= 10; answer++) {
        char expected[200];
        int nps = answer >= 9 ? 100 : answer >= 7 ? 0 : -100;
        const char *interval = nps > 0   ? "nps_low=-48.4987 nps_high=100.0000"
                               : nps < 0 ? "nps_low=-100.0000 nps_high=48.4987"
                                         : "nps_low=-60.0114 nps_high=60.0114";
        snprintf(expected, sizeof expected, "nps_n=1 nps=%d.0000 %s promoters=%d passives=%d detractors=%d", nps,
                 interval, nps > 0, nps == 0, nps < 0);
        check_score(COUNTS({NPS(answer), 1}), &defaults, expected);
    }
}
END_TEST

START_TEST(csat_fields)
{
    struct dl_score_options seven = {.csat_max = 7, .csat_top = 6, .service_level_formula = DL_SERVICE_LEVEL_4};
    struct dl_score_options ten = {.csat_max = 10, .csat_top = 9, .service_level_formula = DL_SERVICE_LEVEL_4};
    check_score(COUNTS({CSAT(5), 1}), &defaults,
                "csat_n=1 csat=100.0000 csat_low=20.6549 csat_high=100.0000 csat_mean=5.0000");
    check_score(COUNTS({CSAT(1), 1}), &defaults,
                "csat_n=1 csat=0.0000 csat_low=0.0000 csat_high=79.3451 csat_mean=1.0000");
    /* on either side of the top box */
    check_score(COUNTS({CSAT(3), 1}, {CSAT(4), 2}), &defaults,
                "csat_n=3 csat=66.6667 csat_low=20.7660 csat_high=93.8508 csat_mean=3.6667");
    check_score(COUNTS({CSAT(5), 1}, {CSAT(6), 1}), &seven,
                "csat_n=2 csat=50.0000 csat_low=9.4531 csat_high=90.5469 csat_mean=5.5000");
    check_score(COUNTS({CSAT(8), 1}, {CSAT(9), 1}, {CSAT(10), 1}), &ten,
                "csat_n=3 csat=66.6667 csat_low=20.7660 csat_high=93.8508 csat_mean=9.0000");
    /* an answer beyond the configured scale is not on it */
    check_score(COUNTS({CSAT(5), 1}, {CSAT(6), 9}), &defaults,
                "csat_n=1 csat=100.0000 csat_low=20.6549 csat_high=100.0000 csat_mean=5.0000");
    check_score(COUNTS({CSAT(10), 1}), &seven, "");
    /* negative counts */
    check_score(COUNTS({CSAT(5), -1}, {CSAT(1), 3}), &defaults, "csat_n=2 csat=-50.0000 csat_mean=-1.0000");
    check_score(COUNTS({CSAT(5), 3}, {CSAT(1), -1}), &defaults, "csat_n=2 csat=150.0000 csat_mean=7.0000");
    check_score(COUNTS({CSAT(5), -2}), &defaults, "csat_n=-2");
    check_score(COUNTS({CSAT(4), 1}, {CSAT(1), -1}), &defaults, "csat_n=0"); /* the top and the sum are not 0 */
    check_score(COUNTS({CSAT(2), 1}, {CSAT(1), -1}), &defaults, "csat_n=0"); /* only the sum is not */
    check_score(COUNTS({CSAT(1), 1}, {CSAT(2), -2}, {CSAT(3), 1}), &defaults, ""); /* nothing is */
}
END_TEST

START_TEST(ces_fields)
{
    check_score(COUNTS({CES(4), 1}), &defaults, "ces_n=1 ces=0.0000 ces_low=0.0000 ces_high=79.3451 ces_mean=4.0000");
    check_score(COUNTS({CES(5), 1}), &defaults,
                "ces_n=1 ces=100.0000 ces_low=20.6549 ces_high=100.0000 ces_mean=5.0000");
    check_score(COUNTS({CES(1), 1}, {CES(7), 1}), &defaults,
                "ces_n=2 ces=50.0000 ces_low=9.4531 ces_high=90.5469 ces_mean=4.0000");
}
END_TEST

START_TEST(delight_fields)
{
    check_score(COUNTS({EXPECTATION(5), 1}, {EXPECTATION(4), 1}), &defaults,
                "expectation_n=2 delight=50.0000 delight_low=9.4531 delight_high=90.5469 expectation_mean=1.5000");
    check_score(COUNTS({EXPECTATION(1), 1}, {EXPECTATION(2), 2}), &defaults,
                "expectation_n=3 delight=0.0000 delight_low=0.0000 delight_high=56.1497 expectation_mean=-1.3333");
    /* -1/30000 rounds to 0, which has no sign */
    check_score(COUNTS({EXPECTATION(3), 29999}, {EXPECTATION(2), 1}), &defaults,
                "expectation_n=30000 delight=0.0000 delight_low=0.0000 delight_high=0.0128 expectation_mean=0.0000");
    check_score(COUNTS({EXPECTATION(3), 1}), &defaults,
                "expectation_n=1 delight=0.0000 delight_low=0.0000 delight_high=79.3451 expectation_mean=0.0000");
}
END_TEST

#define KANO(m, o, a, i, r, q)                                                                     \
    COUNTS({DL_COUNT_KANO + (int)DL_KANO_MUST_BE, m}, {DL_COUNT_KANO + (int)DL_KANO_ONE_DIMENSIONAL, o},     \
           {DL_COUNT_KANO + (int)DL_KANO_ATTRACTIVE, a}, {DL_COUNT_KANO + (int)DL_KANO_INDIFFERENT, i},      \
           {DL_COUNT_KANO + (int)DL_KANO_REVERSE, r}, {DL_COUNT_KANO + (int)DL_KANO_QUESTIONABLE, q})

START_TEST(kano_fields)
{
    check_score(KANO(95, 123, 45, 33, 0, 0), &defaults,
                "kano_n=296 kano_attractive=45 kano_one_dimensional=123 kano_must_be=95 kano_indifferent=33 "
                "kano_reverse=0 kano_questionable=0 kano_category=one_dimensional kano_better=0.5676 "
                "kano_worse=-0.7365 kano_category_strength=9.4595 kano_total_strength=88.8514 kano_significant=1");
    check_score(KANO(15, 24, 121, 124, 6, 6), &defaults,
                "kano_n=296 kano_attractive=121 kano_one_dimensional=24 kano_must_be=15 kano_indifferent=124 "
                "kano_reverse=6 kano_questionable=6 kano_category=indifferent kano_better=0.5106 "
                "kano_worse=-0.1373 kano_category_strength=1.0135 kano_total_strength=54.0541 kano_significant=0");
    /* A+O+M+I is 0: no coefficients */
    check_score(KANO(0, 0, 0, 0, 2, 1), &defaults,
                "kano_n=3 kano_attractive=0 kano_one_dimensional=0 kano_must_be=0 kano_indifferent=0 "
                "kano_reverse=2 kano_questionable=1 kano_category=reverse kano_category_strength=33.3333 "
                "kano_total_strength=0.0000");
    /* nobody dislikes: worse is 0 and not -0 */
    check_score(KANO(0, 0, 1, 0, 0, 0), &defaults,
                "kano_n=1 kano_attractive=1 kano_one_dimensional=0 kano_must_be=0 kano_indifferent=0 "
                "kano_reverse=0 kano_questionable=0 kano_category=attractive kano_better=1.0000 kano_worse=0.0000 "
                "kano_category_strength=100.0000 kano_total_strength=100.0000");
    /* negative counts */
    check_score(KANO(-1, 0, 0, 0, 0, 0), &defaults,
                "kano_n=-1 kano_attractive=0 kano_one_dimensional=0 kano_must_be=-1 kano_indifferent=0 "
                "kano_reverse=0 kano_questionable=0");
    check_score(KANO(30, 0, 0, 0, 0, -20), &defaults, /* a+b = 30 is above 2n = 20: no root, not significant */
                "kano_n=10 kano_attractive=0 kano_one_dimensional=0 kano_must_be=30 kano_indifferent=0 "
                "kano_reverse=0 kano_questionable=-20 kano_category=must_be kano_better=0.0000 kano_worse=-1.0000 "
                "kano_category_strength=300.0000 kano_total_strength=300.0000 kano_significant=0");
    check_score(KANO(1, 0, 0, 0, 0, -1), &defaults,
                "kano_n=0 kano_attractive=0 kano_one_dimensional=0 kano_must_be=1 kano_indifferent=0 "
                "kano_reverse=0 kano_questionable=-1 kano_better=0.0000 kano_worse=-1.0000");
}
END_TEST

static struct dl_value kano_field(const int64_t kano[6], enum dl_field_id id)
{
    struct dl_counts counts = {.count = {0}};
    struct dl_scores scores;
    memcpy(counts.count + DL_COUNT_KANO, kano, 6 * sizeof kano[0]);
    dl_score(&scores, &counts, 0, 60000, &defaults);
    return scores.value[id];
}

START_TEST(kano_ties_go_to_the_first)
{
    static const char *const order[] = {"must_be", "one_dimensional", "attractive", "indifferent", "reverse",
                                        "questionable"};
    for (int i = 0; i < 6; i++) {
        for (int j = i; j < 6; j++) {
            int64_t counts[6] = {1, 1, 1, 1, 1, 1};
            counts[i] = counts[j] = 5;
            ck_assert_str_eq(kano_field(counts, DL_FIELD_kano_category).word, order[i]);
            double strength = kano_field(counts, DL_FIELD_kano_category_strength).fraction;
            ck_assert(fabs(strength - (i == j ? 40 : 0)) < 1e-9);
        }
    }
}
END_TEST

START_TEST(kano_significance)
{
    static const struct {
        int64_t kano[6]; /* M, O, A, I, R, Q */
        int64_t expected; /* -1: no value */
    } rows[] = {
        {{19, 0, 0, 0, 0, 0}, -1}, /* a+b = 19 */
        {{20, 0, 0, 0, 0, 0}, 1},  /* 20: 20 against 1.65 * sqrt(20 * 20 / 40) = 5.2 */
        {{10, 10, 0, 0, 0, 0}, 0},
        {{10, 9, 9, 9, 9, 9}, -1},
        {{12, 8, 0, 0, 0, 0}, 0}, /* 4 against 5.2 */
        {{13, 7, 0, 0, 0, 0}, 1}, /* 6 against 5.2 */
        {{0, 0, 0, 0, 13, 7}, -1}, /* Q does not take part: 13 + 0 */
        {{0, 0, 0, 0, 20, 90}, 1}, /* but it is in n: 20 against 1.65 * sqrt(20 * 200 / 220) = 7.0 */
        {{0, 0, 7, 0, 13, 90}, 0}, /* 6 against 7.0 */
        {{7, 0, 0, 0, 13, 0}, 1},  /* R does */
        {{123, 95, 45, 33, 0, 0}, 1}, /* 28 against 19.4 */
        {{115, 95, 45, 33, 0, 8}, 1}, /* 20 against 19.21 */
        {{114, 95, 45, 33, 0, 9}, 0}, /* 19 against 19.19 */
        {{28, 19, 10, 7, 0, 0}, 1},   /* as near as it gets: 1.6503 standard errors */
        {{37, 26, 20, 20, 4, 0}, 0},  /* 1.6498 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_value value = kano_field(rows[i].kano, DL_FIELD_kano_significant);
        int64_t found = value.kind == DL_VALUE_INTEGER ? value.integer : -1;
        ck_assert_msg(found == rows[i].expected, "row %zu: %" PRId64, i, found);
    }
}
END_TEST

START_TEST(privacy_shows_the_number_only)
{
    struct dl_score_options options = defaults;
    const struct setting *counts =
        COUNTS({NPS(10), 4}, {CSAT(5), 4}, {CES(7), 4}, {EXPECTATION(5), 4}, {DL_COUNT_KANO, 4});
    const char *shown = "nps_n=4 nps=100.0000 nps_low=6.9442 nps_high=100.0000 promoters=4 passives=0 detractors=0 "
                        "csat_n=4 csat=100.0000 csat_low=51.0109 csat_high=100.0000 csat_mean=5.0000 "
                        "ces_n=4 ces=100.0000 ces_low=51.0109 ces_high=100.0000 ces_mean=7.0000 "
                        "expectation_n=4 delight=100.0000 delight_low=51.0109 delight_high=100.0000 "
                        "expectation_mean=2.0000 "
                        "kano_n=4 kano_attractive=0 kano_one_dimensional=0 kano_must_be=4 kano_indifferent=0 "
                        "kano_reverse=0 kano_questionable=0 kano_category=must_be kano_better=0.0000 "
                        "kano_worse=-1.0000 kano_category_strength=100.0000 kano_total_strength=100.0000";
    options.privacy_min_n = 4;
    check_score(counts, &options, shown);
    options.privacy_min_n = 5;
    check_score(counts, &options, "nps_n=4 csat_n=4 ces_n=4 expectation_n=4 kano_n=4");
    /* contacts and complaints are no survey answers */
    check_score(COUNTS({DL_COUNT_OPENED, 1}), &options,
                "complaints=1 complaints_closed=0 recovery_n=0 recovery_duration_n=0");
    /* 0 < n < k: a negative n is not hidden */
    check_score(COUNTS({NPS(10), -1}), &options, "nps_n=-1 promoters=-1 passives=0 detractors=0");
    check_score(COUNTS({NPS(10), 1}, {NPS(0), -1}), &options, "nps_n=0 promoters=1 passives=0 detractors=-1");
}
END_TEST

#define SERVICE_LEVEL(an, ab, anT, abT, abS)                                                     \
    COUNTS({DL_COUNT_SL_ANSWERED, an}, {DL_COUNT_SL_ABANDONED, ab}, {DL_COUNT_SL_ANSWERED_WITHIN, anT}, \
           {DL_COUNT_SL_ABANDONED_WITHIN, abT}, {DL_COUNT_SL_ABANDONED_SHORT, abS})

START_TEST(service_level_fields)
{
    static const struct {
        int64_t an, ab, anT, abT, abS;
        const char *expected[6]; /* n and value by formula; NULL: no value */
        int64_t n[6];
    } rows[] = {
        {1000, 60, 860, 20, 10, /* ICMI's example */
         {"83.0189", "86.0000", "81.1321", "82.6923", "82.0755", "81.9048"},
         {1060, 1000, 1060, 1040, 1060, 1050}},
        {1, 0, 1, 0, 0, {"100.0000", "100.0000", "100.0000", "100.0000", "100.0000", "100.0000"}, {1, 1, 1, 1, 1, 1}},
        {0, 5, 0, 5, 5, {"100.0000", NULL, "0.0000", NULL, "100.0000", NULL}, {5, 0, 5, 0, 5, 0}},
        {0, 5, 0, 5, 4, {"100.0000", NULL, "0.0000", NULL, "80.0000", "0.0000"}, {5, 0, 5, 0, 5, 1}},
        {0, 0, 1, 0, 0, {NULL, NULL, NULL, NULL, NULL, NULL}, {0, 0, 0, 0, 0, 0}},
        {-1, 0, -1, 0, 0, {NULL, NULL, NULL, NULL, NULL, NULL}, {-1, -1, -1, -1, -1, -1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_counts counts =
            counts_of(SERVICE_LEVEL(rows[i].an, rows[i].ab, rows[i].anT, rows[i].abT, rows[i].abS));
        for (int formula = 1; formula <= 6; formula++) {
            struct dl_score_options options = defaults;
            struct dl_scores scores;
            char text[DL_VALUE_TEXT_SIZE];
            options.service_level_formula = (enum dl_service_level_formula)formula;
            dl_score(&scores, &counts, 0, 60000, &options);
            const char *expected = rows[i].expected[formula - 1];
            dl_value_format(text, scores.value[DL_FIELD_service_level]);
            ck_assert_str_eq(text, expected == NULL ? "" : expected);
            ck_assert_int_eq(scores.value[DL_FIELD_service_level_n].integer, rows[i].n[formula - 1]);
            ck_assert_int_eq(scores.value[DL_FIELD_service_level_low].kind,
                             expected == NULL ? DL_VALUE_NONE : DL_VALUE_FRACTION);
        }
    }
}
END_TEST

START_TEST(contacts_fields)
{
    /* a visit */
    check_score(COUNTS({DL_COUNT_CONTACTS, 1}), &defaults,
                "contacts=1 answered=0 abandoned=0 service_level_n=0 asa_n=0 wait_n=0 handle_n=0 fcr_n=0 fcr_net_n=0");
    check_score(COUNTS({DL_COUNT_CONTACTS, 5}, {DL_COUNT_ANSWERED, 3}, {DL_COUNT_ABANDONED, 1},
                       {DL_COUNT_SL_ANSWERED, 3}, {DL_COUNT_SL_ANSWERED_WITHIN, 2}, {DL_COUNT_SL_ABANDONED, 1},
                       {DL_COUNT_SL_ABANDONED_WITHIN, 1}, {DL_COUNT_SL_ABANDONED_SHORT, 0}, {DL_COUNT_ASA_MS, 50000},
                       {DL_COUNT_WAIT_N, 4}, {DL_COUNT_WAIT + 0, 1}, {DL_COUNT_WAIT + 15, 1},
                       {DL_COUNT_WAIT + 97, 2}, {DL_COUNT_HANDLE_N, 3}, {DL_COUNT_HANDLE_MS, 600001},
                       {DL_COUNT_HANDLE + 16, 2}, {DL_COUNT_HANDLE + 207, 1}, {DL_COUNT_FCR_N, 3},
                       {DL_COUNT_FCR_YES, 2}, {DL_COUNT_FCR_NET_N, 2}, {DL_COUNT_FCR_NET_YES, 2}),
                &defaults,
                "contacts=5 answered=3 abandoned=1 abandonment=25.0000 abandonment_low=4.5587 "
                "abandonment_high=69.9358 service_level_n=3 service_level=66.6667 service_level_low=20.7660 "
                "service_level_high=93.8508 asa_n=3 asa_ms=16666.6667 wait_n=4 wait_p50_ms=15 wait_p95_ms=19456 "
                "handle_n=3 aht_ms=200000.3333 handle_p50_ms=17 handle_p95_ms=86400000 fcr_n=3 fcr=66.6667 "
                "fcr_low=20.7660 fcr_high=93.8508 fcr_net_n=2 fcr_net=100.0000");
    /* a retraction without its contact */
    check_score(COUNTS({DL_COUNT_CONTACTS, -1}, {DL_COUNT_ABANDONED, -1}, {DL_COUNT_WAIT_N, -1},
                       {DL_COUNT_WAIT + 3, -1}),
                &defaults,
                "contacts=-1 answered=0 abandoned=-1 service_level_n=0 asa_n=0 wait_n=-1 handle_n=0 fcr_n=0 "
                "fcr_net_n=0");
}
END_TEST

START_TEST(complaints_fields)
{
    check_score(COUNTS({DL_COUNT_OPENED, 2}), &defaults,
                "complaints=2 complaints_closed=0 recovery_n=0 recovery_duration_n=0");
    check_score(COUNTS({DL_COUNT_OPENED, 3}, {DL_COUNT_CLOSED, 4}, {DL_COUNT_RECOVERY_N, 3}, {DL_COUNT_RECOVERY_YES, 2},
                       {DL_COUNT_RECOVERY_DURATION_N, 2}, {DL_COUNT_RECOVERY_DURATION_MS, 1000001}),
                &defaults,
                "complaints=3 complaints_closed=4 recovery_n=3 recovery_rate=66.6667 recovery_low=20.7660 "
                "recovery_high=93.8508 recovery_duration_n=2 recovery_mean_ms=500000.5000");
    struct dl_counts counts = counts_of(COUNTS({DL_COUNT_OPENED, 1}, {DL_COUNT_CONTACTS, 3}));
    struct dl_scores scores;
    char text[DL_VALUE_TEXT_SIZE];
    dl_score(&scores, &counts, 0, 60000, &defaults);
    dl_value_format(text, scores.value[DL_FIELD_complaint_rate]);
    ck_assert_str_eq(text, "333.3333");
    counts.count[DL_COUNT_CONTACTS] = -3;
    dl_score(&scores, &counts, 0, 60000, &defaults);
    ck_assert_int_eq(scores.value[DL_FIELD_complaint_rate].kind, DL_VALUE_NONE);
}
END_TEST

/* Whatever the counters hold, scoring is defined: the sanitizers watch, and every text is a number or a word. */
START_TEST(any_counts_can_be_scored)
{
    uint64_t random = (uint64_t)_i + 1;
    static const int64_t extremes[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    for (int round = 0; round < 2000; round++) {
        struct dl_counts counts;
        for (int i = 0; i < DL_COUNTERS; i++) {
            uint64_t kind = next_random(&random) % 4;
            counts.count[i] = kind == 0   ? extremes[next_random(&random) % 7]
                              : kind == 1 ? (int64_t)(next_random(&random) % 100) - 20
                              : kind == 2 ? (int64_t)(next_random(&random) * next_random(&random))
                                          : 0;
        }
        struct dl_score_options options = {.csat_max = 10, .csat_top = 9, .privacy_min_n = 3};
        options.service_level_formula = (enum dl_service_level_formula)(1 + next_random(&random) % 6);
        struct dl_scores scores;
        dl_score(&scores, &counts, INT64_MIN, INT64_MAX, &options);
        for (int id = 0; id < DL_FIELDS; id++) {
            char text[DL_VALUE_TEXT_SIZE];
            memset(text, 'x', sizeof text);
            size_t bytes = dl_value_format(text, scores.value[id]);
            bool number = strspn(text, "-.0123456789") == bytes;
            if (bytes >= sizeof text || strlen(text) != bytes || (!number && scores.value[id].kind != DL_VALUE_WORD))
                ck_abort_msg("%s: %s", dl_fields[id].name, text);
        }
    }
}
END_TEST

START_TEST(options_off_the_scale_abort)
{
    static const struct dl_score_options rows[] = {
        {11, 9, DL_SERVICE_LEVEL_4, 0}, {5, 0, DL_SERVICE_LEVEL_4, 0}, {5, 6, DL_SERVICE_LEVEL_4, 0},
        {5, 4, (enum dl_service_level_formula)0, 0}, {5, 4, (enum dl_service_level_formula)7, 0}};
    struct dl_counts counts = {.count = {0}};
    struct dl_scores scores;
    dl_score(&scores, &counts, 0, 0, &rows[_i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("score");
    TCase *scores = tcase_create("scores");
    tcase_set_timeout(scores, 60);
    tcase_add_test(scores, always_fields);
    tcase_add_test(scores, nps_fields);
    tcase_add_test(scores, nps_classes);
    tcase_add_test(scores, csat_fields);
    tcase_add_test(scores, ces_fields);
    tcase_add_test(scores, delight_fields);
    tcase_add_test(scores, kano_fields);
    tcase_add_test(scores, kano_ties_go_to_the_first);
    tcase_add_test(scores, kano_significance);
    tcase_add_test(scores, privacy_shows_the_number_only);
    tcase_add_test(scores, service_level_fields);
    tcase_add_test(scores, contacts_fields);
    tcase_add_test(scores, complaints_fields);
    tcase_add_loop_test(scores, any_counts_can_be_scored, 0, 4);
    tcase_add_loop_test_raise_signal(scores, options_off_the_scale_abort, SIGABRT, 0, 5);
    suite_add_tcase(suite, scores);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
