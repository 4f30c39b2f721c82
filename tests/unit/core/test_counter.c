#include <delight/counter.h>

#include <delight/status.h>

#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

START_TEST(histogram_rows)
{
    static const struct {
        int64_t value_ms;
        uint16_t bucket;
        int64_t reads_ms;
    } rows[] = {
        {0, 0, 0},
        {1, 1, 1},
        {15, 15, 15},
        {16, 16, 17},
        {17, 16, 17},
        {18, 17, 19},
        {30, 23, 31},
        {31, 23, 31},
        {32, 24, 34},
        {35, 24, 34},
        {36, 25, 38},
        {63, 31, 62},
        {64, 32, 68},
        {1000, 63, 992},
        {1023, 63, 992},
        {1024, 64, 1088},
        {20000, 97, 19456},
        {67108864, 192, 71303168},
        {83886079, 193, 79691776},
        {83886080, 194, 86400000},  /* the middle would be above 24 h */
        {86400000, 194, 86400000},
        {86400001, 207, 86400000},  /* longer than 24 h */
        {INT64_C(31536000000), 207, 86400000}, /* 365 days, the longest that is accepted */
        {INT64_MAX, 207, 86400000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint16_t bucket = dl_histogram_bucket(rows[i].value_ms);
        ck_assert_msg(bucket == rows[i].bucket, "%" PRId64 " ms: bucket %d", rows[i].value_ms, bucket);
        ck_assert_msg(dl_histogram_value(bucket) == rows[i].reads_ms, "%" PRId64 " ms reads %" PRId64,
                      rows[i].value_ms, dl_histogram_value(bucket));
    }
}
END_TEST

static void check_value(int64_t value_ms, int64_t *previous_ms)
{
    int64_t reads_ms = dl_histogram_value(dl_histogram_bucket(value_ms));
    int64_t error_ms = reads_ms > value_ms ? reads_ms - value_ms : value_ms - reads_ms;
    /* A million ck_asserts would take long: only a fault is told. */
    if (16 * error_ms > value_ms || reads_ms < *previous_ms)
        ck_abort_msg("%" PRId64 " ms reads %" PRId64 ", the one before it %" PRId64, value_ms, reads_ms,
                     *previous_ms);
    *previous_ms = reads_ms;
}

START_TEST(histogram_error_is_a_sixteenth_and_order_is_kept)
{
    int64_t previous_ms = 0;
    for (int64_t value_ms = 0; value_ms < 1 << 20; value_ms++)
        check_value(value_ms, &previous_ms);
    for (int64_t value_ms = 1 << 20; value_ms < DL_HISTOGRAM_MS_MAX; value_ms += 997)
        check_value(value_ms, &previous_ms);
    check_value(DL_HISTOGRAM_MS_MAX, &previous_ms);
    ck_assert_int_eq(previous_ms, DL_HISTOGRAM_MS_MAX);
    /* Every bucket in order, used or not. */
    for (uint16_t bucket = 1; bucket < DL_HISTOGRAM_BUCKETS; bucket++)
        ck_assert_int_ge(dl_histogram_value(bucket), dl_histogram_value((uint16_t)(bucket - 1)));
}
END_TEST

START_TEST(negative_value_aborts)
{
    dl_histogram_bucket(-1);
}
END_TEST

/* As the questionnaire's rules say it, not as its table does. */
static enum dl_kano kano_by_rule(int functional, int dysfunctional)
{
    bool like_with = functional == 1, dislike_with = functional == 5;
    bool like_without = dysfunctional == 1, dislike_without = dysfunctional == 5;
    if ((like_with && like_without) || (dislike_with && dislike_without))
        return DL_KANO_QUESTIONABLE;
    if (like_without || dislike_with)
        return DL_KANO_REVERSE;
    if (like_with)
        return dislike_without ? DL_KANO_ONE_DIMENSIONAL : DL_KANO_ATTRACTIVE;
    return dislike_without ? DL_KANO_MUST_BE : DL_KANO_INDIFFERENT;
}

START_TEST(kano_evaluation_table)
{
    static const char *const table[] = {"QAAAO", "RIIIM", "RIIIM", "RIIIM", "RRRRQ"};
    static const char letters[] = "MOAIRQ"; /* in the order of enum dl_kano */
    for (int functional = 1; functional <= 5; functional++) {
        for (int dysfunctional = 1; dysfunctional <= 5; dysfunctional++) {
            enum dl_kano category = dl_kano_category(functional, dysfunctional);
            ck_assert_int_eq(letters[category], table[functional - 1][dysfunctional - 1]);
            ck_assert_int_eq(category, kano_by_rule(functional, dysfunctional));
        }
    }
}
END_TEST

START_TEST(kano_answer_off_the_scale_aborts)
{
    static const int pairs[][2] = {{0, 1}, {1, 0}, {6, 1}, {1, 6}};
    dl_kano_category(pairs[_i][0], pairs[_i][1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("counter");
    TCase *histogram = tcase_create("histogram");
    tcase_set_timeout(histogram, 60);
    tcase_add_test(histogram, histogram_rows);
    tcase_add_test(histogram, histogram_error_is_a_sixteenth_and_order_is_kept);
    tcase_add_test_raise_signal(histogram, negative_value_aborts, SIGABRT);
    suite_add_tcase(suite, histogram);
    TCase *kano = tcase_create("kano");
    tcase_add_test(kano, kano_evaluation_table);
    tcase_add_loop_test_raise_signal(kano, kano_answer_off_the_scale_aborts, SIGABRT, 0, 4);
    suite_add_tcase(suite, kano);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
