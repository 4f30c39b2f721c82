#include <delight/score.h>

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 20;
}

/* Formulas that stand alone. Expected values were computed with 60 decimal digits. */

static void check_near(double value, double expected, const char *what, size_t row)
{
    ck_assert_msg(fabs(value - expected) <= 1e-9, "%s, row %zu: %.12f, not %.12f", what, row, value, expected);
}

START_TEST(wilson)
{
    static const struct {
        int64_t k, n;
        double low, high;
    } rows[] = {
        {0, 1, 0, 79.345068820820},
        {1, 1, 20.654931179180, 100},
        {1, 2, 9.453120463920, 90.546879536080},
        {0, 10, 0, 27.753280302606},
        {10, 10, 72.246719697394, 100},
        {5, 10, 23.659308901148, 76.340691098852},
        {1, 3, 6.149194402093, 79.234040119218},
        {81, 263, 25.528851948902, 36.620957745802},
        {999999, 1000000, 99.999433508813, 99.999982347543},
        {INT64_C(500000000000), INT64_C(1000000000000), 49.999902001800, 50.000097998200},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double low, high;
        ck_assert(dl_wilson(rows[i].k, rows[i].n, &low, &high));
        check_near(low, rows[i].low, "low", i);
        check_near(high, rows[i].high, "high", i);
    }
}
END_TEST

START_TEST(wilson_has_no_value_off_the_scale)
{
    static const int64_t rows[][2] = {{0, 0},  {1, 0},          {-1, 5},        {6, 5},
                                      {0, -1}, {INT64_MIN, -1}, {INT64_MAX, 1}, {INT64_MIN, INT64_MAX}};
    double low, high;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(!dl_wilson(rows[i][0], rows[i][1], &low, &high), "row %zu", i);
    ck_assert(dl_wilson(5, 5, &low, &high));
    ck_assert(dl_wilson(0, 5, &low, &high));
}
END_TEST

/* The interval by its definition: the ends are where the score statistic of p against k/n is z. */
START_TEST(wilson_ends_are_z_away)
{
    const double z = 1.959964;
    for (int64_t n = 1; n <= 60; n++) {
        for (int64_t k = 0; k <= n; k++) {
            double end[2];
            double share = (double)k / (double)n;
            ck_assert(dl_wilson(k, n, &end[0], &end[1]));
            ck_assert(0 <= end[0] && end[0] <= 100 * share && 100 * share <= end[1] && end[1] <= 100);
            for (int i = 0; i < 2; i++) {
                double p = end[i] / 100;
                if (p > 0 && p < 1) /* at 0 and 1 the statistic is not defined */
                    check_near(fabs(share - p) / sqrt(p * (1 - p) / (double)n), z, "z", (size_t)(n * 100 + k));
            }
        }
    }
}
END_TEST

START_TEST(nps_interval)
{
    static const struct {
        int64_t promoters, passives, detractors;
        double low, high;
    } rows[] = {
        {3, 2, 1, -26.743259180338, 71.187703624782},
        {1, 0, 0, -48.498650000000, 100}, /* 98.4987, widened to the score */
        {0, 0, 1, -100, 48.498650000000},
        {0, 1, 0, -60.011396427804, 60.011396427804},
        {1, 1, 0, -39.448651547300, 79.448651547300},
        {0, 1, 1, -79.448651547300, 39.448651547300},
        {9, 0, 2, 8.000771428571, 91.999228571429},
        {4, 0, 0, 6.944177584311, 100}, /* clipped */
        {2, 0, 0, -24.410989681883, 100},
        {0, 0, 2, -100, 24.410989681883},
        {1, 0, 1, -73.335137784110, 73.335137784110},
        {100, 100, 100, -9.182120570293, 9.182120570293},
        {600000, 250000, 150000, 44.854841063960, 45.144888936850},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double low, high;
        ck_assert(dl_nps_interval(rows[i].promoters, rows[i].passives, rows[i].detractors, &low, &high));
        check_near(low, rows[i].low, "low", i);
        check_near(high, rows[i].high, "high", i);
    }
    double low, high;
    ck_assert(!dl_nps_interval(0, 0, 0, &low, &high));
    ck_assert(!dl_nps_interval(-1, 5, 5, &low, &high));
    ck_assert(!dl_nps_interval(5, -1, 5, &low, &high));
    ck_assert(!dl_nps_interval(5, 5, -1, &low, &high));
    ck_assert(dl_nps_interval(INT64_MAX, INT64_MAX, INT64_MAX, &low, &high));
}
END_TEST

START_TEST(nps_interval_holds_the_score)
{
    for (int64_t p = 0; p <= 12; p++) {
        for (int64_t pa = 0; pa <= 12; pa++) {
            for (int64_t d = p + pa == 0 ? 1 : 0; d <= 12; d++) {
                double low, high;
                double nps = 100.0 * (double)(p - d) / (double)(p + pa + d);
                ck_assert(dl_nps_interval(p, pa, d, &low, &high));
                ck_assert(-100 <= low && low <= nps && nps <= high && high <= 100);
            }
        }
    }
}
END_TEST

START_TEST(nps_difference)
{
    static const struct {
        int64_t first[3], second[3];
        double z;
    } rows[] = {
        {{3, 2, 1}, {9, 0, 2}, -0.791206532880},
        {{60, 25, 15}, {45, 30, 25}, 2.275078775966},
        {{45, 30, 25}, {60, 25, 15}, -2.275078775966},
        {{50, 30, 20}, {50, 30, 20}, 0},
        {{1, 0, 0}, {1, 1, 0}, 1.414213562373}, /* one side without variance is enough */
        {{600000, 250000, 150000}, {598000, 251000, 151000}, 2.864699781909},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double z;
        ck_assert(dl_nps_difference(rows[i].first, rows[i].second, &z));
        check_near(z, rows[i].z, "z", i);
    }
    static const struct {
        int64_t first[3], second[3];
    } none[] = {
        {{5, 0, 0}, {7, 0, 0}},        {{5, 0, 0}, {0, 0, 7}}, {{0, 3, 0}, {0, 0, 7}}, {{0, 0, 0}, {3, 2, 1}},
        {{3, 2, 1}, {0, 0, 0}},        {{3, 2, -1}, {3, 2, 1}}, {{3, 2, 1}, {-3, 2, 1}}, {{3, -2, 1}, {3, 2, 1}},
        {{999999937, 0, 0}, {0, 0, 3}},
    };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        double z;
        ck_assert_msg(!dl_nps_difference(none[i].first, none[i].second, &z), "row %zu", i);
    }
}
END_TEST

/* Percentiles of a histogram, through the fields that show them. */

static const struct dl_score_options defaults = {
    .csat_max = 5, .csat_top = 4, .service_level_formula = DL_SERVICE_LEVEL_4, .privacy_min_n = 0};

static int64_t percentile(const int64_t *histogram, enum dl_field_id id)
{
    struct dl_counts counts = {.count = {[DL_COUNT_CONTACTS] = 1}};
    struct dl_scores scores;
    memcpy(counts.count + DL_COUNT_WAIT, histogram, DL_HISTOGRAM_BUCKETS * sizeof *histogram);
    dl_score(&scores, &counts, 0, 60000, &defaults);
    return scores.value[id].kind == DL_VALUE_INTEGER ? scores.value[id].integer : -1;
}

START_TEST(percentile_ranks)
{
    /* Values 1..n once each (below 16 they are exact): the percentile is its rank ceil(q * n). */
    for (int n = 1; n <= 15; n++) {
        int64_t histogram[DL_HISTOGRAM_BUCKETS] = {0};
        for (int value = 1; value <= n; value++)
            histogram[value] = 1;
        ck_assert_int_eq(percentile(histogram, DL_FIELD_wait_p50_ms), (n + 1) / 2);
        ck_assert_int_eq(percentile(histogram, DL_FIELD_wait_p95_ms), n); /* up to n = 19 */
    }
    static const struct {
        int64_t below, above, p50, p95; /* answers of 3 ms and of 9 ms */
    } rows[] = {
        {1, 1, 3, 9},
        {1, 2, 9, 9},
        {19, 1, 3, 3}, /* rank 19 of 20 */
        {18, 2, 3, 9},
        {20, 1, 3, 3},   /* rank ceil(19.95) = 20 of 21 */
        {19, 2, 3, 9},   /* and the twentieth is the higher one */
        {95, 5, 3, 3},
        {94, 6, 3, 9},
        {INT64_C(950000000000000000), INT64_C(50000000000000000), 3, 3}, /* 95 * n is beyond int64 */
        {INT64_C(949999999999999999), INT64_C(50000000000000001), 3, 9},
        {INT64_MAX, INT64_MAX, 3, 3}, /* saturated, but defined */
        /* negative counts: the running sum decides, and an empty sum has no value */
        {-1, 1, -1, -1},
        {-1, 0, -1, -1},
        {-5, 8, 9, 9},
        {8, -5, 3, 3},
        {INT64_MIN, -1, -1, -1},
        {INT64_MIN, INT64_MAX, -1, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t histogram[DL_HISTOGRAM_BUCKETS] = {[3] = rows[i].below, [9] = rows[i].above};
        int64_t p50 = percentile(histogram, DL_FIELD_wait_p50_ms), p95 = percentile(histogram, DL_FIELD_wait_p95_ms);
        ck_assert_msg(p50 == rows[i].p50 && p95 == rows[i].p95, "row %zu: %" PRId64 " %" PRId64, i, p50, p95);
    }
}
END_TEST

static int compare_int64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Against sorting the values themselves. */
START_TEST(percentiles_equal_sorted_values_to_a_sixteenth)
{
    uint64_t random = (uint64_t)_i + 1;
    for (int round = 0; round < 200; round++) {
        static int64_t values[1000];
        int64_t histogram[DL_HISTOGRAM_BUCKETS] = {0};
        size_t n = 1 + next_random(&random) % 1000;
        for (size_t i = 0; i < n; i++) {
            values[i] = (int64_t)(next_random(&random) % (UINT64_C(1) << (1 + next_random(&random) % 26)));
            histogram[dl_histogram_bucket(values[i])]++;
        }
        qsort(values, n, sizeof values[0], compare_int64);
        int64_t p50 = values[(50 * n + 99) / 100 - 1], p95 = values[(95 * n + 99) / 100 - 1];
        ck_assert_int_eq(percentile(histogram, DL_FIELD_wait_p50_ms), dl_histogram_value(dl_histogram_bucket(p50)));
        ck_assert_int_eq(percentile(histogram, DL_FIELD_wait_p95_ms), dl_histogram_value(dl_histogram_bucket(p95)));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("formula");
    TCase *formulas = tcase_create("formulas");
    tcase_add_test(formulas, wilson);
    tcase_add_test(formulas, wilson_has_no_value_off_the_scale);
    tcase_add_test(formulas, wilson_ends_are_z_away);
    tcase_add_test(formulas, nps_interval);
    tcase_add_test(formulas, nps_interval_holds_the_score);
    tcase_add_test(formulas, nps_difference);
    suite_add_tcase(suite, formulas);
    TCase *percentiles = tcase_create("percentiles");
    tcase_set_timeout(percentiles, 60);
    tcase_add_test(percentiles, percentile_ranks);
    tcase_add_loop_test(percentiles, percentiles_equal_sorted_values_to_a_sixteenth, 0, 4);
    suite_add_tcase(suite, percentiles);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
