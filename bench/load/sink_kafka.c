#include "sink.h"

#include "kafka.h"
#include "rng.h"
#include "util.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_MESSAGES 500000
#define TRANSACTION_TIMEOUT_MS 30000
#define TRANSACTION_NS_MAX INT64_C(1000000000) /* however slow the traffic is */

struct kafka_sink {
    struct ld_sink base;
    const struct ld_sink_options *options;
    const struct ld_world *world;
    rd_kafka_t *producer;
    rd_kafka_topic_t *topic;
    struct ld_rng rng; /* which transactions are aborted */
    int64_t in_transaction;
    int64_t transaction_since_ns;
    bool is_transaction_open;
    bool is_aborting;
    int64_t last_failure_ns; /* delivery failures are said once a second */
    uint64_t unsaid_failures;
};

/* What a delivery must know, in the one pointer that librdkafka carries for a message:
 *   bits 0-35 number | 36 copy | 37-63 repeat + 1 */
static void *opaque_of(const struct ld_message *message)
{
    uint64_t repeat = message->repeat == LD_NO_REPEAT ? 0 : (uint64_t)message->repeat + 1;
    return (void *)(uintptr_t)(message->number | (uint64_t)(message->copy & 1) << 36 | repeat << 37);
}

static void note_latency(struct ld_sink *base, uint64_t number)
{
    int64_t due_ns = base->schedule == NULL ? INT64_MIN : ld_schedule_due_ns(base->schedule, number - 1);
    if (due_ns <= 0)
        return;
    int64_t us = (ld_monotonic_ns() - due_ns) / 1000;
    base->latency.count[ld_bucket_of(us < 0 ? 0 : us / 10)]++;
    base->latency_count++;
    if (us > base->latency_max_us)
        base->latency_max_us = us;
}

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *record, void *opaque)
{
    struct kafka_sink *sink = opaque;
    uint64_t bits = (uint64_t)(uintptr_t)record->_private;
    (void)producer;
    if (record->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        sink->base.delivered++;
        note_latency(&sink->base, bits & ((UINT64_C(1) << 36) - 1));
        if (bits >> 37 != 0 && sink->base.recount != NULL)
            ld_recount_place(sink->base.recount, (uint32_t)((bits >> 37) - 1), (int)(bits >> 36 & 1),
                             record->partition, record->offset);
        return;
    }
    if (sink->options->aborted > 0 &&
        (record->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || record->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT))
        return; /* its transaction was aborted on purpose */
    sink->base.failed++;
    sink->unsaid_failures++;
    int64_t now_ns = ld_monotonic_ns();
    if (now_ns - sink->last_failure_ns > 1000000000) {
        ld_say("%llu not delivered: %s", (unsigned long long)sink->unsaid_failures, rd_kafka_err2str(record->err));
        sink->last_failure_ns = now_ns;
        sink->unsaid_failures = 0;
    }
}

static void on_error(rd_kafka_t *producer, int error, const char *reason, void *opaque)
{
    struct kafka_sink *sink = opaque;
    char text[512];
    if (error == RD_KAFKA_RESP_ERR__FATAL) {
        rd_kafka_resp_err_t cause = rd_kafka_fatal_error(producer, text, sizeof text);
        ld_say("kafka: fatal: %s: %s", rd_kafka_err2name(cause), text);
        sink->base.has_failed = true;
        return;
    }
    ld_say("kafka: %s", reason);
}

/* ---- transactions ---- */

static bool transaction_error(struct kafka_sink *sink, const char *what, rd_kafka_error_t *error)
{
    if (error == NULL)
        return true;
    ld_say("%s: %s", what, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    sink->base.has_failed = true;
    return false;
}

static bool transaction_end(struct kafka_sink *sink)
{
    rd_kafka_error_t *error;
    if (!sink->is_transaction_open)
        return true;
    const char *what = sink->is_aborting ? "abort transaction" : "commit transaction";
    /* What is to be aborted must lie in the topic first, where readers can be wrong about it. */
    if (sink->is_aborting)
        rd_kafka_flush(sink->producer, TRANSACTION_TIMEOUT_MS);
    do {
        if (sink->is_aborting)
            error = rd_kafka_abort_transaction(sink->producer, TRANSACTION_TIMEOUT_MS);
        else
            error = rd_kafka_commit_transaction(sink->producer, TRANSACTION_TIMEOUT_MS);
        if (error == NULL || !rd_kafka_error_is_retriable(error))
            break;
        rd_kafka_error_destroy(error);
    } while (!sink->base.has_failed);
    sink->is_transaction_open = false;
    sink->is_aborting = false;
    return transaction_error(sink, what, error);
}

static bool transaction_begin(struct kafka_sink *sink)
{
    if (!transaction_error(sink, "begin transaction", rd_kafka_begin_transaction(sink->producer)))
        return false;
    sink->is_transaction_open = true;
    sink->in_transaction = 0;
    sink->transaction_since_ns = ld_monotonic_ns();
    sink->is_aborting = ld_rng_unit(&sink->rng) < sink->options->aborted;
    return true;
}

static bool kafka_is_counted(struct ld_sink *base)
{
    struct kafka_sink *sink = (struct kafka_sink *)base;
    if (sink->options->transactional_id == NULL || base->has_failed)
        return true;
    bool is_due = sink->in_transaction >= sink->options->transaction_messages ||
                  ld_monotonic_ns() - sink->transaction_since_ns > TRANSACTION_NS_MAX;
    if (sink->is_transaction_open && is_due && !transaction_end(sink))
        return true;
    if (!sink->is_transaction_open && !transaction_begin(sink))
        return true;
    return !sink->is_aborting;
}

/* ---- sending ---- */

static void choose_key(const struct kafka_sink *sink, const struct ld_message *message, const void **key, size_t *bytes)
{
    *key = message->key_bytes > 0 ? message->key : NULL;
    *bytes = message->key_bytes;
    /* What is malformed keeps its id as key: that is how its dead letter is recognised. */
    if (message->event == NULL || sink->options->key == LD_KEY_ID)
        return;
    *key = NULL;
    *bytes = 0;
    if (sink->options->key == LD_KEY_TOUCHPOINT) {
        *key = sink->world->touchpoints[message->event->touchpoint].name.raw;
        *bytes = strlen(*key);
    }
}

/* The general call: with a record timestamp or headers. */
static rd_kafka_resp_err_t produce_with(struct kafka_sink *sink, const struct ld_message *message, const void *key,
                                        size_t key_bytes)
{
    rd_kafka_vu_t parts[6 + LD_HEADERS_MAX];
    size_t count = 0;
    parts[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = sink->topic};
    parts[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY};
    parts[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_VALUE,
                                     .u.mem = {.ptr = (void *)(uintptr_t)message->value, .size = message->value_bytes}};
    parts[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_KEY,
                                     .u.mem = {.ptr = (void *)(uintptr_t)key, .size = key_bytes}};
    parts[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = opaque_of(message)};
    if (message->timestamp_ms != 0)
        parts[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = message->timestamp_ms};
    for (size_t i = 0; i < message->header_count; i++)
        parts[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADER,
                                         .u.header = {.name = message->headers[i].name,
                                                      .val = message->headers[i].value,
                                                      .size = (ssize_t)strlen(message->headers[i].value)}};
    rd_kafka_error_t *error = rd_kafka_produceva(sink->producer, parts, count);
    if (error == NULL)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return code;
}

static rd_kafka_resp_err_t produce(struct kafka_sink *sink, const struct ld_message *message)
{
    const void *key;
    size_t key_bytes;
    choose_key(sink, message, &key, &key_bytes);
    if (message->timestamp_ms != 0 || message->header_count > 0)
        return produce_with(sink, message, key, key_bytes);
    if (rd_kafka_produce(sink->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)message->value,
                         message->value_bytes, key, key_bytes, opaque_of(message)) == 0)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    return rd_kafka_last_error();
}

static void kafka_poll(struct ld_sink *base, int timeout_ms)
{
    struct kafka_sink *sink = (struct kafka_sink *)base;
    rd_kafka_poll(sink->producer, timeout_ms);
    base->queued = (uint64_t)rd_kafka_outq_len(sink->producer);
    /* Without a report for each delivery, what has left the queue and did not fail has arrived. */
    if (!sink->options->has_positions && base->sent >= base->queued + base->failed)
        base->delivered = base->sent - base->queued - base->failed;
}

static bool kafka_send(struct ld_sink *base, const struct ld_message *message)
{
    struct kafka_sink *sink = (struct kafka_sink *)base;
    rd_kafka_resp_err_t error;
    while ((error = produce(sink, message)) == RD_KAFKA_RESP_ERR__QUEUE_FULL && !base->has_failed)
        kafka_poll(base, 5);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        ld_say("message %llu: %s", (unsigned long long)message->number, rd_kafka_err2str(error));
        base->failed++;
        return false;
    }
    base->sent++;
    base->bytes += message->value_bytes;
    sink->in_transaction++;
    return true;
}

static bool kafka_finish(struct ld_sink *base)
{
    struct kafka_sink *sink = (struct kafka_sink *)base;
    bool is_good = true;
    if (sink->is_transaction_open)
        is_good = transaction_end(sink);
    while (rd_kafka_outq_len(sink->producer) > 0 && !base->has_failed)
        kafka_poll(base, 100);
    kafka_poll(base, 0);
    if (base->failed > 0)
        ld_say("%llu messages were not delivered", (unsigned long long)base->failed);
    return is_good && base->failed == 0 && !base->has_failed;
}

static void kafka_close(struct ld_sink *base)
{
    struct kafka_sink *sink = (struct kafka_sink *)base;
    if (sink->topic != NULL)
        rd_kafka_topic_destroy(sink->topic);
    if (sink->producer != NULL) {
        rd_kafka_purge(sink->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING);
        rd_kafka_destroy(sink->producer);
    }
    free(sink);
}

/* ---- opening ---- */

static rd_kafka_conf_t *make_conf(struct kafka_sink *sink, const struct ld_settings *settings)
{
    const struct ld_sink_options *options = sink->options;
    char queue_messages[24];
    snprintf(queue_messages, sizeof queue_messages, "%d", QUEUE_MESSAGES);
    /* Idempotence: a retry inside the producer must not become a repeat that nobody counted. */
    const char *const defaults[][2] = {{"bootstrap.servers", options->brokers},
                                       {"client.id", "delight-load"},
                                       {"enable.idempotence", "true"},
                                       {"linger.ms", "5"},
                                       {"compression.codec", options->compression},
                                       {"queue.buffering.max.messages", queue_messages},
                                       {"queue.buffering.max.kbytes", "524288"},
                                       {"batch.num.messages", "10000"},
                                       {"partitioner", options->partitioner},
                                       {"transactional.id", options->transactional_id},
                                       {"delivery.report.only.error", options->has_positions ? "false" : "true"}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < LD_COUNT(defaults); i++) {
        if (defaults[i][1] != NULL && !ld_kafka_set(conf, defaults[i][0], defaults[i][1])) {
            rd_kafka_conf_destroy(conf);
            return NULL;
        }
    }
    if (!ld_kafka_set_properties(conf, settings)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_opaque(conf, sink);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    return conf;
}

static bool open_producer(struct kafka_sink *sink, const struct ld_settings *settings)
{
    char text[512];
    rd_kafka_conf_t *conf = make_conf(sink, settings);
    if (conf == NULL)
        return false;
    sink->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (sink->producer == NULL) {
        ld_say("kafka: %s", text);
        rd_kafka_conf_destroy(conf);
        return false;
    }
    if (sink->options->create_partitions > 0 &&
        !ld_kafka_create_topic(sink->producer, sink->options->topic, sink->options->create_partitions))
        return false;
    if (ld_kafka_partitions(sink->producer, sink->options->topic, NULL) < 0)
        return false;
    sink->topic = rd_kafka_topic_new(sink->producer, sink->options->topic, NULL);
    if (sink->topic == NULL) {
        ld_say("topic %s: %s", sink->options->topic, rd_kafka_err2str(rd_kafka_last_error()));
        return false;
    }
    return sink->options->transactional_id == NULL ||
           transaction_error(sink, "init transactions", rd_kafka_init_transactions(sink->producer, TRANSACTION_TIMEOUT_MS));
}

struct ld_sink *ld_sink_kafka_open(const struct ld_sink_options *options, const struct ld_settings *settings,
                                   const struct ld_world *world)
{
    static const struct ld_sink_verbs verbs = {kafka_send, kafka_poll, kafka_is_counted, kafka_finish, kafka_close};
    struct kafka_sink *sink = ld_alloc(1, sizeof *sink);
    sink->base.verbs = &verbs;
    sink->options = options;
    sink->world = world;
    ld_rng_seed(&sink->rng, options->seed ^ UINT64_C(0x7472616e73));
    if (!open_producer(sink, settings)) {
        kafka_close(&sink->base);
        return NULL;
    }
    return &sink->base;
}
