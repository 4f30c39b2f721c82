#include "ingest_due.h"

#include <check.h>

enum { INTERVAL_MS = 100 };

/* A batch that has so many records, and of whose two partitions so many more wait. */
static struct dl_batch *batch_of(int64_t records, int64_t first_waits, int64_t second_waits)
{
    static const struct dl_batch_options options = {.bytes_max = (size_t)1 << 20};
    struct dl_batch *batch = dl_batch_create(&options, 0);
    ck_assert_ptr_nonnull(batch);
    dl_batch_counts(batch)->records = records;
    ck_assert_int_eq(dl_batch_cover(batch, 0, 0, 1000, 2000, 2000 + first_waits), DL_OK);
    ck_assert_int_eq(dl_batch_cover(batch, 0, 1, 0, records, records + second_waits), DL_OK);
    return batch;
}

static void check_due(int64_t records, int64_t first_waits, int64_t second_waits, bool came, int64_t due_ms)
{
    struct dl_batch *batch = batch_of(records, first_waits, second_waits);
    for (int64_t age_ms = 0; age_ms <= 2 * DL_INGEST_BEHIND_MS; age_ms++)
        ck_assert_msg(dl_ingest_is_due(batch, age_ms, INTERVAL_MS, came) == (age_ms >= due_ms), "%lld ms", (long long)age_ms);
    dl_batch_destroy(batch);
}

START_TEST(a_batch_is_due_after_its_interval)
{
    check_due(10, 0, 0, true, INTERVAL_MS);
    check_due(10, 4, 6, true, INTERVAL_MS); /* what waits is no more than it has */
    check_due(0, 0, 0, true, INTERVAL_MS);
}
END_TEST

START_TEST(it_goes_on_merging_while_more_waits_than_it_has)
{
    check_due(10, 5, 6, true, DL_INGEST_BEHIND_MS);
    check_due(10, 11, 0, true, DL_INGEST_BEHIND_MS);
    check_due(10, 0, INT64_C(4000000000000), true, DL_INGEST_BEHIND_MS);
}
END_TEST

/* What waits cannot be read: a producer's transaction is open. */
START_TEST(it_does_not_wait_for_what_does_not_come)
{
    check_due(10, 5, 6, false, INTERVAL_MS);
    check_due(0, 5, 6, false, INTERVAL_MS);
    struct dl_batch *batch = batch_of(10, 0, 0);
    ck_assert_int_eq(dl_batch_cover(batch, 0, 2, 7, 7, 50007), DL_OK); /* while other partitions bring something */
    ck_assert(dl_ingest_is_due(batch, INTERVAL_MS, INTERVAL_MS, true));
    dl_batch_destroy(batch);
}
END_TEST

START_TEST(a_longer_interval_is_what_it_is)
{
    struct dl_batch *batch = batch_of(10, 100, 100);
    ck_assert(!dl_ingest_is_due(batch, 9999, 10000, true));
    ck_assert(dl_ingest_is_due(batch, 10000, 10000, true));
    dl_batch_destroy(batch);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ingest_due");
    TCase *tests = tcase_create("ingest_due");
    tcase_add_test(tests, a_batch_is_due_after_its_interval);
    tcase_add_test(tests, it_goes_on_merging_while_more_waits_than_it_has);
    tcase_add_test(tests, it_does_not_wait_for_what_does_not_come);
    tcase_add_test(tests, a_longer_interval_is_what_it_is);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
