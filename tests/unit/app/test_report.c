#include "ingest.h"
#include "report.h"

#include <check.h>
#include <stdlib.h>

static const struct dl_batch_options options = {.bytes_max = 1 << 20, .service_level_threshold_ms = 20000, .short_abandon_ms = 5000};

static void add(struct dl_report *report, int32_t partition, int64_t from, int64_t next, int64_t end, int64_t records)
{
    struct dl_batch *batch = dl_batch_create(&options, 1000);
    ck_assert_ptr_nonnull(batch);
    ck_assert_int_eq(dl_batch_cover(batch, 0, partition, from, next, end), DL_OK);
    const struct dl_event event = {.type = DL_EVENT_CONTACT, .sign = 1, .time_ms = INT64_C(1700000000000), .touchpoint = dl_name_of("t")};
    dl_batch_counts(batch)->records = records;
    if (records > 0)
        ck_assert_int_eq(dl_batch_add(batch, &event), DL_OK);
    ck_assert_int_eq(dl_report_add(report, batch, 1250), DL_OK);
    dl_batch_destroy(batch);
}

static void take(struct dl_report *report, const struct dl_ingest_position *positions, size_t count)
{
    struct dl_ingest_figures *figures = calloc(1, sizeof *figures + count * sizeof *positions);
    ck_assert_ptr_nonnull(figures);
    figures->partition_count = count;
    for (size_t i = 0; i < count; i++)
        figures->partitions[i] = positions[i];
    dl_report_take(report, figures);
    free(figures);
}

START_TEST(batches_add_up)
{
    struct dl_report report = {.batches = 0};
    add(&report, 0, 0, 10, 15, 10);
    add(&report, 1, 5, 7, 7, 2);
    add(&report, 0, 10, 12, 20, 0);
    ck_assert_int_eq(report.total.records, 12);
    ck_assert_int_eq(report.batches, 3);
    ck_assert_int_eq(report.tallies, 2);
    ck_assert_int_eq(report.cells, 1); /* of the last one that had any */
    ck_assert_int_eq(report.batch.sum_ns, 3 * INT64_C(250000000));
    ck_assert_uint_eq(dl_report_partitions(&report), 2);
    ck_assert_int_eq(dl_report_lag(&report), 8);
    dl_report_deinit(&report);
}
END_TEST

/* Kafka mode: what another process reads now is not this one's lag any more. */
START_TEST(only_what_is_read_counts)
{
    static const struct dl_ingest_position both[] = {{0, 2, 500}, {0, 1, 400}}, one[] = {{0, 2, 600}}, unknown[] = {{0, 7, 1}, {1, 2, 1}};
    struct dl_report report = {.batches = 0};
    add(&report, 0, 0, 1, 11, 1);
    add(&report, 1, 0, 1, 101, 1);
    add(&report, 2, 0, 1, 1001, 1);
    ck_assert_int_eq(dl_report_lag(&report), 1110);
    take(&report, both, 2);
    ck_assert_uint_eq(dl_report_partitions(&report), 2);
    ck_assert_int_eq(dl_report_lag(&report), 1100);
    ck_assert(!report.partitions[0].read && report.partitions[1].read && report.partitions[2].read);
    ck_assert_int_eq(report.partitions[1].timestamp_ms, 400);
    take(&report, one, 1);
    ck_assert_int_eq(dl_report_lag(&report), 1000);
    ck_assert_int_eq(report.partitions[2].timestamp_ms, 600);
    take(&report, unknown, 2); /* of which no batch has come yet */
    ck_assert_int_eq(dl_report_lag(&report), 0);
    take(&report, both, 2);
    ck_assert_int_eq(dl_report_lag(&report), 1100);
    dl_report_deinit(&report);
}
END_TEST

START_TEST(lag_in_time)
{
    static const struct {
        struct dl_report_partition partition;
        int64_t wall_ms, lag_ms;
    } rows[] = {
        {{.next = 5, .end = 9, .timestamp_ms = 1000}, 4500, 3500},
        {{.next = 9, .end = 9, .timestamp_ms = 1000}, 4500, 0},  /* has all */
        {{.next = 10, .end = 9, .timestamp_ms = 1000}, 4500, 0}, /* the end is known later */
        {{.next = 5, .end = 9, .timestamp_ms = 0}, 4500, 0},     /* nothing read yet */
        {{.next = 5, .end = 9, .timestamp_ms = 5000}, 4500, 0},  /* a producer's clock that is ahead */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_int_eq(dl_report_lag_ms(&rows[i].partition, rows[i].wall_ms), rows[i].lag_ms);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("report");
    TCase *all = tcase_create("all");
    tcase_add_test(all, batches_add_up);
    tcase_add_test(all, only_what_is_read_counts);
    tcase_add_test(all, lag_in_time);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
