#include "kafka_conf.h"

#include <check.h>
#include <string.h>

static void write_nothing(void *context, enum dl_note_level level, const char *message, const struct dl_note_field *fields,
                          size_t field_count)
{
    (void)context, (void)level, (void)message, (void)fields, (void)field_count;
}

static struct dl_note_sink sink = {write_nothing, NULL};

static enum dl_status check(const struct dl_kafka_property *properties, size_t count, char *error)
{
    const struct dl_kafka_options options = {properties, count, "unit", &sink};
    strcpy(error, "");
    return dl_kafka_check(&options, error, DL_KAFKA_ERROR_SIZE);
}

/* With a broker's address before it. */
static enum dl_status check_one(const char *key, const char *value, char *error)
{
    const struct dl_kafka_property properties[] = {{"bootstrap.servers", "127.0.0.1:1"}, {key, value}};
    return check(properties, 2, error);
}

static const char *const owned[] = {
    "isolation.level",   "auto.offset.reset",        "enable.auto.commit",   "enable.auto.offset.store",
    "enable.auto.other", "auto.commit.enable",       "transactional.id",     "group.protocol",
    "acks",              "request.required.acks",    "message.timeout.ms",   "delivery.timeout.ms",
    "enable.idempotence", "enable.gapless.guarantee", "enable.partition.eof", "log.queue",
    "log_cb",            "dr_msg_cb",                "rebalance_cb",         "opaque",
    "default_topic_conf", "interceptors",            "delivery.report.only.error", "enabled_events",
    "transaction.timeout.ms",
};

START_TEST(owned_keys_are_refused_by_name)
{
    char error[DL_KAFKA_ERROR_SIZE];
    ck_assert_int_eq(check_one(owned[_i], "1", error), DL_INVALID);
    ck_assert_msg(strncmp(error, owned[_i], strlen(owned[_i])) == 0, "%s", error);
    ck_assert_ptr_nonnull(strstr(error, "is set by delightd: "));
}
END_TEST

static const struct {
    const char *key, *value;
    bool good;
} keys[] = {
    {"compression.type", "lz4", true},          /* a producer's */
    {"compression.type", "lz5", false},
    {"linger.ms", "20", true},
    {"fetch.max.bytes", "1000000", true},       /* a consumer's */
    {"group.id", "mine", true},
    {"client.id", "other", true},
    {"security.protocol", "plaintext", true},
    {"security.protocol", "sasl_plaintext", false}, /* without a ticket for the default mechanism */
    {"security.protocol", "none", false},
    {"ssl.ca.location", "/nonexistent/ca.pem", true}, /* not read without TLS */
    {"queued.min.messages", "0", false},
    {"queued.min.messages", "1", true},
    {"no.such.property", "1", false},
    {"max.in.flight.requests.per.connection", "5", true},
    {"max.in.flight.requests.per.connection", "6", false}, /* not with idempotence */
    {"session.timeout.ms", "1", true},
    {"message.max.bytes", "9000000", true}, /* more than our fetch.max.bytes */
    {"message.max.bytes", "1000000000", true},
    {"message.max.bytes", "1000000001", false},
    {"test.mock.num.brokers", "3", true},
};

START_TEST(other_keys_are_librdkafkas)
{
    char error[DL_KAFKA_ERROR_SIZE];
    enum dl_status status = check_one(keys[_i].key, keys[_i].value, error);
    ck_assert_msg(status == (keys[_i].good ? DL_OK : DL_INVALID), "%s=%s: %s", keys[_i].key, keys[_i].value, error);
    if (!keys[_i].good) /* a combination is told with the keys that it is about */
        ck_assert_msg(strncmp(error, keys[_i].key, strlen(keys[_i].key)) == 0 || strstr(error, "max.in.flight") ||
                          strcasestr(error, "sasl"), "%s", error);
}
END_TEST

START_TEST(combinations_are_checked)
{
    char error[DL_KAFKA_ERROR_SIZE];
    const struct dl_kafka_property no_ca[] = {
        {"bootstrap.servers", "127.0.0.1:1"}, {"security.protocol", "ssl"}, {"ssl.ca.location", "/nonexistent/ca.pem"}};
    ck_assert_int_eq(check(no_ca, 3, error), DL_INVALID);
    ck_assert_msg(strstr(error, "ssl.ca.location") != NULL, "%s", error);
    const struct dl_kafka_property no_login[] = {{"bootstrap.servers", "127.0.0.1:1"},
                                                 {"security.protocol", "sasl_plaintext"},
                                                 {"sasl.mechanism", "NONSENSE"}};
    ck_assert_int_eq(check(no_login, 3, error), DL_INVALID);
    ck_assert_str_ne(error, "");
}
END_TEST

START_TEST(a_broker_is_needed)
{
    char error[DL_KAFKA_ERROR_SIZE];
    const struct dl_kafka_property other[] = {{"client.id", "x"}, {"bootstrap.servers", ""}};
    ck_assert_int_eq(check(NULL, 0, error), DL_INVALID);
    ck_assert_msg(strncmp(error, "bootstrap.servers", strlen("bootstrap.servers")) == 0, "%s", error);
    ck_assert_int_eq(check(other, 1, error), DL_INVALID);
    ck_assert_int_eq(check(other, 2, error), DL_INVALID);
    const struct dl_kafka_property older[] = {{"metadata.broker.list", "127.0.0.1:1"}};
    ck_assert_int_eq(check(older, 1, error), DL_OK);
}
END_TEST

static void assert_value(const rd_kafka_conf_t *conf, const char *key, const char *expected)
{
    char value[256];
    size_t size = sizeof value;
    ck_assert_int_eq(rd_kafka_conf_get(conf, key, value, &size), RD_KAFKA_CONF_OK);
    ck_assert_str_eq(value, expected);
}

START_TEST(defaults_give_way_to_the_user_and_ours_to_nobody)
{
    char error[DL_KAFKA_ERROR_SIZE];
    const struct dl_kafka_property properties[] = {
        {"bootstrap.servers", "a:1"}, {"queued.min.messages", "7"}, {"linger.ms", "9"}, {"linger.ms", "10"}};
    const struct dl_kafka_options options = {properties, 4, "counter-1", &sink};
    rd_kafka_conf_t *conf;
    ck_assert_int_eq(dl_kafka_conf_create(&options, DL_KAFKA_CONSUMER, &conf, error, sizeof error), DL_OK);
    assert_value(conf, "client.id", "counter-1");
    assert_value(conf, "group.id", "delightd");
    assert_value(conf, "queued.min.messages", "7");
    assert_value(conf, "isolation.level", "read_committed");
    assert_value(conf, "enable.partition.eof", "true");
    rd_kafka_conf_destroy(conf);
    ck_assert_int_eq(dl_kafka_conf_create(&options, DL_KAFKA_SOURCE, &conf, error, sizeof error), DL_OK);
    assert_value(conf, "queued.min.messages", "7");
    assert_value(conf, "auto.offset.reset", "error");
    rd_kafka_conf_destroy(conf);
    ck_assert_int_eq(dl_kafka_conf_create(&options, DL_KAFKA_PRODUCER, &conf, error, sizeof error), DL_OK);
    assert_value(conf, "linger.ms", "10"); /* the last one given */
    assert_value(conf, "enable.idempotence", "true");
    rd_kafka_conf_destroy(conf);
    ck_assert_str_eq(dl_kafka_conf_value(&options, "linger.ms"), "10");
    ck_assert_ptr_null(dl_kafka_conf_value(&options, "acks"));
}
END_TEST

/* A queue that is full stands still for a second in a librdkafka before 2.2, unless somebody wakes it, as the source does: the
 * others have one that seldom is. */
START_TEST(only_the_source_reads_little_ahead)
{
    char error[DL_KAFKA_ERROR_SIZE];
    const struct dl_kafka_options options = {NULL, 0, "unit", &sink};
    static const struct {
        enum dl_kafka_role role;
        const char *messages;
    } rows[] = {{DL_KAFKA_SOURCE, "25000"}, {DL_KAFKA_CONSUMER, "50000"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rd_kafka_conf_t *conf;
        ck_assert_int_eq(dl_kafka_conf_create(&options, rows[i].role, &conf, error, sizeof error), DL_OK);
        assert_value(conf, "queued.min.messages", rows[i].messages);
        rd_kafka_conf_destroy(conf);
    }
}
END_TEST

/* Requests of a transaction of ten seconds. */
static const struct {
    const char *key, *value;
    bool memory_mode, kafka_mode;
} modes[] = {
    {"socket.timeout.ms", "10000", true, true},
    {"socket.timeout.ms", "10001", true, false},
    {"max.in.flight.requests.per.connection", "5", true, true},
    {"compression.type", "zstd", true, true},
    {"linger.ms", "7499", true, true},
    {"linger.ms", "7500", true, false}, /* nothing would be sent in time */
};

START_TEST(transactions_are_checked_where_they_are_made)
{
    char error[DL_KAFKA_ERROR_SIZE];
    const struct dl_kafka_property properties[] = {{"bootstrap.servers", "127.0.0.1:1"}, {modes[_i].key, modes[_i].value}};
    const struct dl_kafka_options options = {properties, 2, "unit", &sink};
    enum dl_status status = check_one(modes[_i].key, modes[_i].value, error);
    ck_assert_msg(status == (modes[_i].memory_mode ? DL_OK : DL_INVALID), "%s", error);
    status = dl_kafka_check_transactions(&options, 10000, error, sizeof error);
    ck_assert_msg(status == (modes[_i].kafka_mode ? DL_OK : DL_INVALID), "%s", error);
    if (!modes[_i].kafka_mode)
        ck_assert_msg(strstr(error, modes[_i].key) != NULL, "%s", error);
}
END_TEST

START_TEST(transactions_end_in_time)
{
    char error[DL_KAFKA_ERROR_SIZE];
    const struct dl_kafka_property properties[] = {{"compression.type", "gzip"}, {"socket.timeout.ms", "700"}};
    const struct dl_kafka_options ours = {NULL, 0, "unit", &sink}, theirs = {properties, 2, "unit", &sink};
    rd_kafka_conf_t *conf;
    ck_assert_int_eq(dl_kafka_conf_transactions(&ours, "g-ingest-1", 10000, &conf, error, sizeof error), DL_OK);
    assert_value(conf, "transactional.id", "g-ingest-1");
    assert_value(conf, "transaction.timeout.ms", "10000");
    assert_value(conf, "message.timeout.ms", "7500");
    assert_value(conf, "socket.timeout.ms", "5000");
    assert_value(conf, "compression.type", "lz4");
    assert_value(conf, "acks", "-1");
    assert_value(conf, "allow.auto.create.topics", "false");
    if (rd_kafka_version() < 0x02030000)
        assert_value(conf, "max.in.flight", "1");
    rd_kafka_conf_destroy(conf);
    ck_assert_int_eq(dl_kafka_conf_transactions(&theirs, "g", 10000, &conf, error, sizeof error), DL_OK);
    assert_value(conf, "compression.type", "gzip");
    assert_value(conf, "socket.timeout.ms", "700");
    rd_kafka_conf_destroy(conf);
}
END_TEST

START_TEST(backoff_doubles_to_its_limit_with_jitter)
{
    static const struct {
        unsigned attempt;
        int64_t full;
    } rows[] = {{0, 500}, {1, 1000}, {4, 8000}, {5, 10000}, {6, 10000}, {4000000000u, 10000}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t least = INT64_MAX, most = 0;
        for (int n = 0; n < 1000; n++) {
            int64_t ms = dl_kafka_backoff_ms(rows[i].attempt, 500, 10000);
            ck_assert_int_ge(ms, rows[i].full / 2);
            ck_assert_int_le(ms, rows[i].full);
            least = ms < least ? ms : least;
            most = ms > most ? ms : most;
        }
        ck_assert_int_gt(most - least, rows[i].full / 3);
    }
}
END_TEST

START_TEST(version_is_librdkafkas)
{
    ck_assert_str_eq(dl_kafka_version(), rd_kafka_version_str());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kafka_conf");
    TCase *rows = tcase_create("rows");
    tcase_set_timeout(rows, 60);
    tcase_add_loop_test(rows, owned_keys_are_refused_by_name, 0, (int)(sizeof owned / sizeof owned[0]));
    tcase_add_loop_test(rows, other_keys_are_librdkafkas, 0, (int)(sizeof keys / sizeof keys[0]));
    tcase_add_test(rows, combinations_are_checked);
    tcase_add_test(rows, a_broker_is_needed);
    tcase_add_test(rows, defaults_give_way_to_the_user_and_ours_to_nobody);
    tcase_add_test(rows, only_the_source_reads_little_ahead);
    tcase_add_test(rows, transactions_end_in_time);
    tcase_add_loop_test(rows, transactions_are_checked_where_they_are_made, 0, (int)(sizeof modes / sizeof modes[0]));
    tcase_add_test(rows, backoff_doubles_to_its_limit_with_jitter);
    tcase_add_test(rows, version_is_librdkafkas);
    suite_add_tcase(suite, rows);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
