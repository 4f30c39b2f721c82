#include "kafka_deadletter.h"
#include "mock.h"

#include <inttypes.h>
#include <stdlib.h>

enum { PARTITIONS = 3, SOURCES = 4 };

static struct mock mock;
static struct dl_deadletter *letters;
static char value[300000];

static void open_letters(void)
{
    static const char *const sources[] = {"a", "b"};
    const struct dl_deadletter_options options = {mock.options, "dl", sources, 2};
    ck_assert_int_eq(dl_deadletter_create(&options, &letters), DL_OK);
}

static void setup(void)
{
    memset(value, 'v', sizeof value);
    letters = NULL;
    mock_open(&mock, 1);
    ck_assert_int_eq(rd_kafka_mock_topic_create(mock.cluster, "dl", PARTITIONS, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void teardown(void)
{
    dl_deadletter_destroy(letters, 0);
    mock_close(&mock);
}

static enum dl_status send_one(int64_t i, size_t value_bytes)
{
    const struct dl_kafka_header headers[] = {{"empty", "", 0}, {"nothing", NULL, 0}, {"twice", "1", 1}, {"twice", "2", 1}};
    const struct dl_kafka_record record = {.topic = (uint16_t)(i % 2),
                                           .partition = (int32_t)(i / 2 % SOURCES),
                                           .offset = i,
                                           .timestamp_ms = -1,
                                           .value = value,
                                           .value_bytes = value_bytes,
                                           .headers = headers,
                                           .header_count = 4};
    return dl_deadletter_send(letters, &record, "not_json", "byte 3");
}

static void send_some(int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        ck_assert_int_eq(send_one(i, 100), DL_OK);
}

#define POLL dl_deadletter_poll(letters, 5)

/* ---- Reading back ---- */

static int64_t header_number(rd_kafka_headers_t *headers, const char *name)
{
    const void *text;
    size_t bytes;
    ck_assert_int_eq(rd_kafka_header_get_last(headers, name, &text, &bytes), RD_KAFKA_RESP_ERR_NO_ERROR);
    return strtoll(text, NULL, 10);
}

static void check_headers(rd_kafka_headers_t *headers)
{
    const char *name;
    const void *text;
    size_t bytes;
    static const char *const names[] = {"empty", "nothing", "twice", "twice"};
    ck_assert_int_eq(header_number(headers, "__delightd.errors.timestamp"), -1);
    ck_assert_int_eq(rd_kafka_header_get_last(headers, "__delightd.errors.detail", &text, &bytes), RD_KAFKA_RESP_ERR_NO_ERROR);
    if (strstr(text, "key and headers left out") != NULL) { /* refused for its size again and again */
        ck_assert_uint_eq(rd_kafka_header_cnt(headers), 6);
        return;
    }
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(rd_kafka_header_get_all(headers, i, &name, &text, &bytes), RD_KAFKA_RESP_ERR_NO_ERROR);
        ck_assert_str_eq(name, names[i]);
        ck_assert_int_eq(text == NULL, i == 1);
    }
    ck_assert_uint_eq(rd_kafka_header_cnt(headers), 10);
}

struct read_back {
    int64_t newest[2][SOURCES], found, repeats;
    int32_t place[2][SOURCES];
};

static void take_back(struct read_back *back, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    ck_assert_int_eq(rd_kafka_message_headers(message, &headers), RD_KAFKA_RESP_ERR_NO_ERROR);
    check_headers(headers);
    int64_t offset = header_number(headers, "__delightd.errors.offset");
    int topic = (int)(offset % 2), source = (int)header_number(headers, "__delightd.errors.partition");
    int64_t *newest = &back->newest[topic][source];
    int32_t *place = &back->place[topic][source];
    ck_assert_int_eq(source, offset / 2 % SOURCES);
    ck_assert(*place == -1 || *place == message->partition);
    *place = message->partition;
    if (offset <= *newest) {
        back->repeats++;
        return;
    }
    /* No earlier letter is missing when a later one stands there. */
    ck_assert_int_eq(offset, *newest == -1 ? topic + 2 * source : *newest + 2 * SOURCES);
    *newest = offset;
    back->found++;
}

/* Every letter 0..count-1 stands there, those of one source in one partition
 * and in order. Returns how many stand there twice. */
static int64_t read_back(int64_t count)
{
    char error[512];
    struct read_back back;
    memset(&back, 0xff, sizeof back);
    back.found = back.repeats = 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    ck_assert(!rd_kafka_conf_set(conf, "bootstrap.servers", mock.properties[0].value, error, sizeof error));
    ck_assert(!rd_kafka_conf_set(conf, "group.id", "check", error, sizeof error));
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    ck_assert_ptr_nonnull(consumer);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
    for (int32_t p = 0; p < PARTITIONS; p++)
        rd_kafka_topic_partition_list_add(list, "dl", p)->offset = 0;
    ck_assert_int_eq(rd_kafka_assign(consumer, list), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
    int64_t until_ms = dl_kafka_now_ms() + 20000;
    while (back.found < count) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        ck_assert_msg(dl_kafka_now_ms() < until_ms, "found %d letters only", (int)back.found);
        if (message && !message->err)
            take_back(&back, message);
        if (message)
            rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return back.repeats;
}

static void all_delivered(int64_t count)
{
    WAIT(60, dl_deadletter_outstanding(letters) == 0, POLL);
    ck_assert_int_eq(dl_deadletter_delivered(letters), count);
}

/* ---- Tests ---- */

START_TEST(letters_are_delivered_and_recalled)
{
    open_letters();
    ck_assert_int_eq(dl_deadletter_recalled(letters, 1, 0), -1);
    send_some(1000);
    ck_assert_uint_gt(dl_deadletter_outstanding(letters), 0);
    all_delivered(1000);
    ck_assert_int_eq(read_back(1000), 0);
    ck_assert_int_eq(dl_deadletter_recall(letters, INT64_MIN, 10000), DL_OK);
    ck_assert_int_eq(dl_deadletter_recalled(letters, 0, 0), 992);
    ck_assert_int_eq(dl_deadletter_recalled(letters, 1, 3), 999);
    ck_assert_int_eq(dl_deadletter_recalled(letters, 1, 4), -1); /* beyond what was seen */
    ck_assert_int_eq(dl_deadletter_recalled(letters, 1, -1), -1);
    ck_assert_str_eq(mock.notes, "");
}
END_TEST

/* Answers of Produce that pass, and those that end a message or the producer. */
static const struct {
    rd_kafka_resp_err_t code;
    const char *note; /* NULL: none */
} answers[] = {
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, NULL},
    {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, NULL},
    {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, NULL},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, NULL},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "not allowed to write dead letters"},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, "dead letters are not taken; they wait"},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, "dead letters are not taken; they wait"},
    {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, NULL},
};

START_TEST(refused_letters_are_sent_again_in_order)
{
    rd_kafka_resp_err_t code = answers[_i].code, fine = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_mock_push_request_errors(mock.cluster, 0 /* Produce */, 12, fine, code, code, fine, fine, fine, fine, fine, code, code,
                                      fine, code);
    /* Many batches, one at a time: a broker refuses those behind a gap, and the mock does not. */
    mock.properties[mock.options.property_count++] = (struct dl_kafka_property){"batch.num.messages", "10"};
    mock.properties[mock.options.property_count++] =
        (struct dl_kafka_property){"max.in.flight.requests.per.connection", "1"};
    open_letters();
    send_some(400);
    WAIT(20, dl_deadletter_delivered(letters) > 0, POLL);
    for (int64_t i = 400; i < 800; i++)
        ck_assert_int_eq(send_one(i, 100), DL_OK);
    all_delivered(800);
    ck_assert_int_eq(read_back(800), 0);
    if (answers[_i].note) {
        ck_assert_int_ge(mock_notes(&mock, answers[_i].note), 1);
        ck_assert_int_eq(mock_notes(&mock, answers[_i].note), mock_notes(&mock, "dead letters are taken again"));
    }
}
END_TEST

START_TEST(a_producer_that_may_not_begin_is_made_again)
{
    rd_kafka_mock_push_request_errors(mock.cluster, 22 /* InitProducerId */, 2, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
                                      RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    open_letters();
    send_some(100);
    all_delivered(100);
    ck_assert_int_eq(read_back(100), 0);
    ck_assert_int_eq(mock_notes(&mock, "not allowed to write dead letters"), 1);
    ck_assert_int_eq(mock_notes(&mock, "dead letters are taken again"), 1);
}
END_TEST

START_TEST(letters_are_bounded_while_there_is_no_broker)
{
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    open_letters();
    int64_t sent = 0;
    WAIT(60, send_one(sent, 100) == DL_FULL, sent++);
    ck_assert_int_eq(sent, 10000);
    ck_assert_uint_eq(dl_deadletter_outstanding(letters), 10000);
    WAIT(20, mock_notes(&mock, "no Kafka broker answers") == 1, POLL);
    rd_kafka_mock_broker_set_up(mock.cluster, 1);
    all_delivered(10000);
    ck_assert_int_eq(mock_notes(&mock, "Kafka answers again"), 1);
    dl_deadletter_destroy(letters, 0);
    /* By bytes as well: 64 MiB and one more. */
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    open_letters();
    for (sent = 0; send_one(sent, sizeof value) == DL_OK; sent++)
        ;
    ck_assert_int_ge(sent, (64 << 20) / (int64_t)sizeof value - 1);
    ck_assert_int_le(sent, (64 << 20) / (int64_t)sizeof value + 1);
}
END_TEST

START_TEST(recall_without_a_broker_ends_in_time)
{
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    open_letters();
    int64_t before_ms = dl_kafka_now_ms();
    enum dl_status status = dl_deadletter_recall(letters, 0, 1000);
    ck_assert(status == DL_AWAY || status == DL_TIMEOUT);
    ck_assert_int_lt(dl_kafka_now_ms() - before_ms, 2500);
}
END_TEST

START_TEST(recall_of_a_missing_topic_is_nothing)
{
    static const char *const sources[] = {"a"};
    const struct dl_deadletter_options options = {mock.options, "absent", sources, 1};
    ck_assert_int_eq(dl_deadletter_create(&options, &letters), DL_OK);
    ck_assert_int_eq(dl_deadletter_recall(letters, 0, 10000), DL_OK);
    ck_assert_int_eq(dl_deadletter_recalled(letters, 0, 0), -1);
}
END_TEST

/* What others put into the topic is no dead letter of ours. */
START_TEST(recall_passes_over_what_is_not_ours)
{
    mock_write(&mock, "dl", 0, 0, 10);
    open_letters();
    send_some(8);
    all_delivered(8);
    ck_assert_int_eq(dl_deadletter_recall(letters, INT64_MIN, 10000), DL_OK);
    ck_assert_int_eq(dl_deadletter_recalled(letters, 0, 3), 6);
}
END_TEST

START_TEST(sources_spread_over_partitions_and_stay)
{
    for (int32_t count = 1; count < 20; count++)
        for (int32_t p = 0; p < 40; p++) {
            int32_t place = dl_deadletter_partition("cx.feedback", p, count);
            ck_assert(place >= 0 && place < count);
            ck_assert_int_eq(dl_deadletter_partition("cx.feedback", p + 1, count), (place + 1) % count);
        }
    ck_assert_int_eq(dl_deadletter_partition("cx.feedback", 0, 12), dl_deadletter_partition("cx.feedback", 12, 12));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kafka_deadletter");
    TCase *sending = tcase_create("sending");
    tcase_set_timeout(sending, 180);
    tcase_add_checked_fixture(sending, setup, teardown);
    tcase_add_test(sending, letters_are_delivered_and_recalled);
    tcase_add_loop_test(sending, refused_letters_are_sent_again_in_order, 0, (int)(sizeof answers / sizeof answers[0]));
    tcase_add_test(sending, a_producer_that_may_not_begin_is_made_again);
    tcase_add_test(sending, letters_are_bounded_while_there_is_no_broker);
    tcase_add_test(sending, recall_without_a_broker_ends_in_time);
    tcase_add_test(sending, recall_of_a_missing_topic_is_nothing);
    tcase_add_test(sending, recall_passes_over_what_is_not_ours);
    tcase_add_test(sending, sources_spread_over_partitions_and_stay);
    suite_add_tcase(suite, sending);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
