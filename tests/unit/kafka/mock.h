/* librdkafka's mock cluster inside the test program, the notes that a client
 * makes, and a clock. Real Kafka is the proof (tests/e2e/kafka_source); the mock
 * answers with errors that a real broker gives only when it is broken. */
#pragma once

#include "kafka.h"
#include "kafka_conf.h"

#include <check.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <string.h>

struct mock {
    rd_kafka_t *client;
    rd_kafka_mock_cluster_t *cluster;
    struct dl_kafka_property properties[8];
    struct dl_kafka_options options;
    struct dl_note_sink sink;
    char notes[16384]; /* "message reason\n"..., debug left out */
};

static inline void mock_note(void *context, enum dl_note_level level, const char *message, const struct dl_note_field *fields,
                             size_t field_count)
{
    struct mock *mock = context;
    size_t used = strlen(mock->notes);
    if (level == DL_NOTE_DEBUG)
        return;
    used += (size_t)snprintf(mock->notes + used, sizeof mock->notes - used, "%s", message);
    for (size_t i = 0; i < field_count && used < sizeof mock->notes; i++)
        if (fields[i].text)
            used += (size_t)snprintf(mock->notes + used, sizeof mock->notes - used, " %s", fields[i].text);
    if (used < sizeof mock->notes)
        (void)snprintf(mock->notes + used, sizeof mock->notes - used, "\n");
}

static inline int mock_notes(const struct mock *mock, const char *text)
{
    int count = 0;
    for (const char *at = mock->notes; (at = strstr(at, text)); at += strlen(text))
        count++;
    return count;
}

static inline void mock_open(struct mock *mock, int brokers)
{
    char error[512];
    memset(mock, 0, sizeof *mock);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    ck_assert(!rd_kafka_conf_set(conf, "log_level", "0", error, sizeof error));
    mock->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    ck_assert_msg(mock->client != NULL, "%s", error);
    mock->cluster = rd_kafka_mock_cluster_new(mock->client, brokers);
    ck_assert_ptr_nonnull(mock->cluster);
    mock->sink = (struct dl_note_sink){mock_note, mock};
    mock->properties[0] = (struct dl_kafka_property){"bootstrap.servers", rd_kafka_mock_cluster_bootstraps(mock->cluster)};
    /* A broker of the mock is asked again soon after it was down. */
    mock->properties[1] = (struct dl_kafka_property){"reconnect.backoff.max.ms", "200"};
    mock->properties[2] = (struct dl_kafka_property){"topic.metadata.refresh.interval.ms", "500"};
    mock->options = (struct dl_kafka_options){mock->properties, 3, "unit", &mock->sink};
}

static inline void mock_close(struct mock *mock)
{
    rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->client);
}

/* Writes "first", "first + 1", ... to one partition. */
static inline void mock_write(struct mock *mock, const char *topic, int32_t partition, int first, int count)
{
    char error[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    ck_assert_int_eq(rd_kafka_conf_set(conf, "bootstrap.servers", mock->properties[0].value, error, sizeof error), RD_KAFKA_CONF_OK);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    ck_assert_ptr_nonnull(producer);
    for (int i = first; i < first + count; i++) {
        char value[16];
        (void)snprintf(value, sizeof value, "%d", i);
        ck_assert_int_eq(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                                           RD_KAFKA_V_VALUE(value, strlen(value)), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                           RD_KAFKA_V_END),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    ck_assert_int_eq(rd_kafka_flush(producer, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_destroy(producer);
}

/* Until the condition holds, or the test fails. */
#define WAIT(seconds, condition, step)                                                        \
    do {                                                                                      \
        int64_t until_ms_ = dl_kafka_now_ms() + (int64_t)(seconds) * 1000;                    \
        while (!(condition)) {                                                                \
            ck_assert_msg(dl_kafka_now_ms() < until_ms_, "waited in vain for " #condition);   \
            step;                                                                             \
        }                                                                                     \
    } while (0)
