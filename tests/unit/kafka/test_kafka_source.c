#include "kafka_source.h"
#include "mock.h"

#include <stdlib.h>

enum { PARTITIONS = 3 };

/* What the source has handed out. */
struct seen {
    int64_t next[PARTITIONS]; /* expected offset */
    int64_t records, losses, starts, positions, warm_up, unsettled;
    int64_t end[PARTITIONS];
};

static struct mock mock;
static struct seen seen;
static struct dl_kafka_source *source;

static void on_record(void *context, struct dl_kafka_record *record)
{
    (void)context;
    char value[16];
    ck_assert_int_lt(record->partition, PARTITIONS);
    ck_assert_int_eq(record->offset, seen.next[record->partition]++);
    (void)snprintf(value, sizeof value, "%d", (int)record->offset);
    ck_assert_uint_eq(record->value_bytes, strlen(value));
    ck_assert_int_eq(memcmp(record->value, value, record->value_bytes), 0);
    ck_assert_int_gt(record->end, record->offset);
    seen.records++;
    seen.unsettled++;
    seen.warm_up += record->warm_up;
}

static void on_settle(void *context)
{
    (void)context;
    seen.unsettled = 0;
}

static void on_start(void *context, uint16_t topic, int32_t partition, int64_t offset)
{
    (void)context, (void)topic;
    ck_assert_int_eq(seen.unsettled, 0);
    seen.starts++;
    seen.next[partition] = offset;
}

static void on_position(void *context, uint16_t topic, int32_t partition, int64_t next, int64_t end)
{
    (void)context, (void)topic;
    ck_assert_int_eq(next, seen.next[partition]);
    ck_assert_int_eq(seen.unsettled, 0);
    ck_assert_int_ge(end, next);
    seen.end[partition] = end;
    seen.positions++;
}

static void on_loss(void *context, uint16_t topic, int32_t partition, int64_t from, int64_t to)
{
    (void)context, (void)topic, (void)partition;
    ck_assert_int_lt(from, to);
    ck_assert_int_eq(seen.unsettled, 0);
    seen.losses++;
}

static void open_at(int64_t start_ms)
{
    static const char *const topics[] = {"t"};
    const struct dl_kafka_source_options options = {
        .kafka = mock.options, .topics = topics, .topic_count = 1, .start_ms = start_ms, .retention_ms_min = 1};
    const struct dl_kafka_callbacks callbacks = {on_record, on_settle, on_start, on_position, on_loss, NULL};
    ck_assert_int_eq(dl_kafka_source_create(&options, &callbacks, &source), DL_OK);
}

static void setup(void)
{
    memset(&seen, 0, sizeof seen);
    mock_open(&mock, 1);
    ck_assert_int_eq(rd_kafka_mock_topic_create(mock.cluster, "t", PARTITIONS, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    for (int32_t p = 0; p < PARTITIONS; p++)
        mock_write(&mock, "t", p, 0, 100);
}

static void teardown(void)
{
    dl_kafka_source_destroy(source);
    mock_close(&mock);
}

static void poll_once(void)
{
    dl_kafka_source_poll(source, 5);
    ck_assert_int_eq(seen.unsettled, 0);
}
#define POLL poll_once()

START_TEST(reads_everything_from_the_beginning)
{
    open_at(INT64_MIN);
    ck_assert(!dl_kafka_source_caught_up(source));
    WAIT(20, dl_kafka_source_caught_up(source), POLL);
    ck_assert_int_eq(seen.records, 300);
    ck_assert_int_eq(seen.starts, PARTITIONS);
    ck_assert_uint_eq(dl_kafka_source_partitions(source), PARTITIONS);
    int64_t done, total;
    dl_kafka_source_progress(source, &done, &total);
    ck_assert(done == 300 && total == 300);
    mock_write(&mock, "t", 1, 100, 50);
    WAIT(20, seen.records == 350, POLL);
    ck_assert(dl_kafka_source_caught_up(source));
    ck_assert_int_eq(seen.losses + seen.warm_up, 0);
    ck_assert_str_eq(mock.notes, "");
}
END_TEST

START_TEST(a_mock_cannot_look_up_by_time_and_says_so)
{
    open_at(INT64_C(4000000000000));
    WAIT(20, dl_kafka_source_caught_up(source), POLL);
    ck_assert_int_eq(seen.records, 300);
    ck_assert_int_eq(mock_notes(&mock, "cannot look offsets up by time"), 1);
}
END_TEST

/* The broker says that the position is out of range, and it is not: go on there. */
START_TEST(an_offset_out_of_range_is_looked_up)
{
    open_at(INT64_MIN);
    WAIT(20, dl_kafka_source_caught_up(source), POLL);
    for (int32_t p = 0; p < PARTITIONS; p++)
        rd_kafka_mock_push_request_errors(mock.cluster, 1 /* Fetch */, 1, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
    for (int32_t p = 0; p < PARTITIONS; p++)
        mock_write(&mock, "t", p, 100, 100);
    WAIT(20, seen.records == 600, POLL);
    ck_assert_int_eq(seen.starts, PARTITIONS);
    ck_assert_int_eq(seen.losses, 0);
}
END_TEST

/* librdkafka gives its consumer up: another one goes on where it was. */
START_TEST(a_fatal_error_is_survived)
{
    open_at(INT64_MIN);
    WAIT(20, seen.records > 0, POLL);
    for (int64_t round = 1; round <= 2; round++) {
        ck_assert_int_eq(rd_kafka_test_fatal_error(source->client, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, "by the test"),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
        WAIT(20, mock_notes(&mock, "librdkafka gave up its consumer") == round, POLL);
        for (int32_t p = 0; p < PARTITIONS; p++)
            mock_write(&mock, "t", p, (int)round * 100, 100);
        WAIT(30, seen.records == 300 * (round + 1), POLL);
    }
    ck_assert_int_eq(seen.starts, PARTITIONS);
    ck_assert(dl_kafka_source_caught_up(source));
}
END_TEST

static const rd_kafka_resp_err_t passing[] = {
    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,        RD_KAFKA_RESP_ERR_UNKNOWN,
};

START_TEST(look_ups_are_tried_again)
{
    rd_kafka_mock_push_request_errors(mock.cluster, 2 /* ListOffsets */, 4, passing[_i], passing[_i], passing[_i], passing[_i]);
    open_at(INT64_MIN);
    WAIT(30, dl_kafka_source_caught_up(source), POLL);
    ck_assert_int_eq(seen.records, 300);
}
END_TEST

START_TEST(fetches_are_tried_again)
{
    rd_kafka_mock_push_request_errors(mock.cluster, 1 /* Fetch */, 3, passing[_i], passing[_i], passing[_i]);
    open_at(INT64_MIN);
    WAIT(30, dl_kafka_source_caught_up(source), POLL);
    ck_assert_int_eq(seen.records, 300);
    ck_assert_int_eq(seen.starts, PARTITIONS);
}
END_TEST

START_TEST(a_broker_that_is_down_is_told_once_and_when_it_is_back)
{
    open_at(INT64_MIN);
    WAIT(20, dl_kafka_source_caught_up(source), POLL);
    ck_assert_int_eq(rd_kafka_mock_broker_set_down(mock.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    WAIT(30, mock_notes(&mock, "no Kafka broker answers") == 1, POLL);
    int64_t until_ms = dl_kafka_now_ms() + 2000;
    WAIT(20, dl_kafka_now_ms() > until_ms, POLL);
    ck_assert_int_eq(rd_kafka_mock_broker_set_up(mock.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    WAIT(30, mock_notes(&mock, "Kafka answers again") == 1, POLL);
    mock_write(&mock, "t", 0, 100, 10);
    WAIT(30, seen.records == 310, POLL);
    ck_assert_int_eq(mock_notes(&mock, "no Kafka broker answers"), 1);
    ck_assert_int_eq(seen.starts, PARTITIONS);
}
END_TEST

/* A poll may be held up by a request, but for no longer than about a second. */
START_TEST(polls_and_the_end_are_quick_without_a_broker)
{
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    open_at(INT64_MIN);
    int64_t until_ms = dl_kafka_now_ms() + 5000, longest_ms = 0;
    while (dl_kafka_now_ms() < until_ms) {
        int64_t before_ms = dl_kafka_now_ms();
        POLL;
        if (dl_kafka_now_ms() - before_ms > longest_ms)
            longest_ms = dl_kafka_now_ms() - before_ms;
    }
    ck_assert_int_lt(longest_ms, 1500);
    ck_assert(!dl_kafka_source_caught_up(source));
    int64_t before_ms = dl_kafka_now_ms();
    dl_kafka_source_destroy(source);
    source = NULL;
    ck_assert_int_lt(dl_kafka_now_ms() - before_ms, 1500);
}
END_TEST

START_TEST(what_librdkafka_refuses_is_invalid)
{
    static const char *const topics[] = {"t"};
    const struct dl_kafka_property properties[] = {{"bootstrap.servers", "127.0.0.1:1"}, {"fetch.wait.max.ms", "often"}};
    const struct dl_kafka_source_options options = {
        .kafka = {properties, 2, "unit", &mock.sink}, .topics = topics, .topic_count = 1, .start_ms = INT64_MIN};
    const struct dl_kafka_callbacks callbacks = {on_record, NULL, on_start, on_position, on_loss, NULL};
    source = NULL;
    ck_assert_int_eq(dl_kafka_source_create(&options, &callbacks, &source), DL_INVALID);
    ck_assert_int_ge(mock_notes(&mock, "fetch.wait.max.ms"), 1);
}
END_TEST

/* Not as much as the readers of other topics do. */
START_TEST(it_reads_little_ahead)
{
    static const char *const topics[] = {"t"};
    const struct dl_kafka_property properties[] = {{"bootstrap.servers", "127.0.0.1:1"}};
    const struct dl_kafka_source_options options = {
        .kafka = {properties, 1, "unit", &mock.sink}, .topics = topics, .topic_count = 1, .start_ms = INT64_MIN};
    const struct dl_kafka_callbacks callbacks = {on_record, NULL, on_start, on_position, on_loss, NULL};
    ck_assert_int_eq(dl_kafka_source_create(&options, &callbacks, &source), DL_OK);
    ck_assert_int_eq(source->limit.messages, 25000);
    dl_kafka_source_destroy(source);
    source = NULL;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kafka_source");
    TCase *reading = tcase_create("reading");
    tcase_set_timeout(reading, 120);
    tcase_add_checked_fixture(reading, setup, teardown);
    tcase_add_test(reading, reads_everything_from_the_beginning);
    tcase_add_test(reading, a_mock_cannot_look_up_by_time_and_says_so);
    tcase_add_test(reading, an_offset_out_of_range_is_looked_up);
    tcase_add_test(reading, a_fatal_error_is_survived);
    tcase_add_loop_test(reading, look_ups_are_tried_again, 0, (int)(sizeof passing / sizeof passing[0]));
    tcase_add_loop_test(reading, fetches_are_tried_again, 0, (int)(sizeof passing / sizeof passing[0]));
    tcase_add_test(reading, a_broker_that_is_down_is_told_once_and_when_it_is_back);
    tcase_add_test(reading, polls_and_the_end_are_quick_without_a_broker);
    tcase_add_test(reading, what_librdkafka_refuses_is_invalid);
    tcase_add_test(reading, it_reads_little_ahead);
    suite_add_tcase(suite, reading);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
