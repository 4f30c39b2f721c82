#include "run_suite.h"

#include "tally.h"
#include "util.h"

START_TEST(buckets_are_contiguous_and_close)
{
    uint32_t last = 0;
    for (int64_t ms = 0; ms <= 90000000; ms += ms < 100000 ? 1 : 1000) {
        uint32_t bucket = ld_bucket_of(ms);
        ck_assert_uint_ge(bucket, last);
        ck_assert_uint_le(bucket - last, 1);
        last = bucket;
        int64_t distance = ld_bucket_value(bucket) - ms;
        if (ms <= LD_OVER_MS)
            ck_assert_int_le((distance < 0 ? -distance : distance) * 16, ms);
    }
    ck_assert_uint_eq(last, LD_BUCKET_OVER);
}
END_TEST

START_TEST(bucket_edges)
{
    static const struct {
        int64_t ms;
        uint32_t bucket;
        int64_t reads;
    } rows[] = {{0, 0, 0},
                {1, 1, 1},
                {15, 15, 15},
                {16, 16, 17},
                {17, 16, 17},
                {18, 17, 19},
                {31, 23, 31},
                {32, 24, 34},
                {20000, 97, 19456},
                {86400000, 194, 86400000},
                {86400001, LD_BUCKET_OVER, 86400000},
                {INT64_C(31536000000), LD_BUCKET_OVER, 86400000}};
    for (size_t i = 0; i < LD_COUNT(rows); i++) {
        ck_assert_int_eq(ld_bucket_value(ld_bucket_of(rows[i].ms)), rows[i].reads);
        ck_assert_uint_eq(ld_bucket_of(rows[i].ms), rows[i].bucket);
    }
}
END_TEST

START_TEST(percentiles_are_by_rank)
{
    struct ld_histogram *histogram = NULL;
    for (int64_t ms = 1; ms <= 10; ms++)
        ld_histogram_add(&histogram, ms, 2);
    ck_assert_int_eq(ld_histogram_percentile(histogram, 20, 50), 5);  /* rank 10 */
    ck_assert_int_eq(ld_histogram_percentile(histogram, 20, 95), 10); /* rank 19 */
    ld_histogram_add(&histogram, 10, -1);
    ld_histogram_add(&histogram, 9, -1);
    ck_assert_int_eq(ld_histogram_percentile(histogram, 18, 50), 5); /* rank 9 */
    ck_assert_int_eq(ld_histogram_percentile(histogram, 18, 95), 10);
    ck_assert_int_eq(ld_histogram_percentile(histogram, 0, 50), -1);
    ck_assert_int_eq(ld_histogram_percentile(NULL, 5, 50), -1);
    free(histogram);
}
END_TEST

START_TEST(kano_table)
{
    /* FORMULAS.md, row by row. */
    static const char table[5][6] = {"QAAAO", "RIIIM", "RIIIM", "RIIIM", "RRRRQ"};
    static const char letters[] = "MOAIRQ";
    for (int functional = 1; functional <= 5; functional++) {
        for (int dysfunctional = 1; dysfunctional <= 5; dysfunctional++) {
            int category = (int)ld_kano_category(functional, dysfunctional) - LD_MUST_BE;
            ck_assert_int_eq(letters[category], table[functional - 1][dysfunctional - 1]);
        }
    }
}
END_TEST

START_TEST(merge_and_clear)
{
    struct ld_tally a = {0};
    struct ld_tally b = {0};
    ck_assert(ld_tally_is_zero(&a));
    b.counter[LD_ASA_SUM] = 5;
    ld_histogram_add(&b.wait, 100, 3);
    ld_tally_merge(&a, &b);
    ld_tally_merge(&a, &b);
    ck_assert(!ld_tally_is_zero(&a));
    ck_assert_int_eq(a.counter[LD_ASA_SUM], 10);
    ck_assert_int_eq(a.wait->count[ld_bucket_of(100)], 6);
    ck_assert_ptr_null(a.handle);
    ld_tally_clear(&a);
    ck_assert(ld_tally_is_zero(&a));
    ck_assert_int_eq(a.wait->count[ld_bucket_of(100)], 0);
    ld_tally_deinit(&a);
    ld_tally_deinit(&b);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {buckets_are_contiguous_and_close, bucket_edges, percentiles_are_by_rank, kano_table,
                                  merge_and_clear};
    return run_suite("tally", tests, LD_COUNT(tests));
}
