#include "kafka_deadletter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Unconfirmed copies are bounded by both; one letter is always taken. */
static const size_t outstanding_max = 10000, outstanding_bytes_max = 64u << 20;
static const int64_t backoff_ms = 500, backoff_ms_max = 15000;
static const int64_t topic_refresh_ms = 30000;
static const int64_t request_ms = 500;
/* A limit that was learned is forgotten: the topic's may have been raised. */
static const int64_t limits_ms = 300000;
static const int64_t stuck_ms = 20000;

int32_t dl_deadletter_partition(const char *source_topic, int32_t source_partition, int32_t partition_count)
{
    uint32_t hash = 2166136261u;
    for (; *source_topic; source_topic++)
        hash = (hash ^ (unsigned char)*source_topic) * 16777619u;
    return (int32_t)((hash + (uint32_t)source_partition) % (uint32_t)partition_count);
}

/* ---- Delivery reports ---- */

static void take_off(struct dl_deadletter *deadletter, struct dl_letter *letter)
{
    TAILQ_REMOVE(&deadletter->letters, letter, link);
    deadletter->outstanding--;
    deadletter->outstanding_bytes -= letter->size;
    free(letter);
}

static void learn_refused(struct dl_deadletter *deadletter, size_t bytes)
{
    int64_t now_ms = dl_kafka_now_ms();
    if (now_ms >= deadletter->limits_until_ms)
        deadletter->refused_bytes = deadletter->taken_bytes = 0;
    deadletter->limits_until_ms = now_ms + limits_ms;
    if (deadletter->refused_bytes == 0 || bytes < deadletter->refused_bytes)
        deadletter->refused_bytes = bytes;
    if (deadletter->taken_bytes >= deadletter->refused_bytes)
        deadletter->taken_bytes = 0;
}

/* The batch was too large for the topic: this letter, if it was alone in it. */
static void too_large(struct dl_deadletter *deadletter, struct dl_letter *letter)
{
    if (!letter->alone) {
        letter->alone = true;
        return;
    }
    size_t bytes = dl_letter_wire_bytes(letter);
    learn_refused(deadletter, bytes);
    if (!dl_letter_cut(letter, bytes / 2))
        deadletter->backing_off = true; /* a topic that takes nothing is a fault like others */
}

static void report_failure(struct dl_deadletter *deadletter, struct dl_letter *letter, rd_kafka_resp_err_t code,
                           const char *reason)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        too_large(deadletter, letter);
        break;
    case RD_KAFKA_RESP_ERR__FATAL: /* follows from another letter's failure */
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
        break;
    default:
        deadletter->failed_code = code;
        (void)snprintf(deadletter->failed_reason, sizeof deadletter->failed_reason, "%s", reason);
        deadletter->backing_off = true;
        break;
    }
    deadletter->failed = true;
}

static void on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    (void)opaque;
    struct dl_letter *letter = message->_private;
    struct dl_deadletter *deadletter = rd_kafka_topic_opaque(message->rkt);
    deadletter->flying--;
    letter->flying = false;
    if (letter->alone)
        deadletter->flying_alone = false;
    if (message->err) {
        report_failure(deadletter, letter, message->err, rd_kafka_err2str(message->err));
        return;
    }
    if (letter->sent_bytes < letter->value_bytes && dl_letter_wire_bytes(letter) > deadletter->taken_bytes)
        deadletter->taken_bytes = dl_letter_wire_bytes(letter);
    deadletter->delivered++;
    deadletter->attempt = 0;
    deadletter->progress_ms = dl_kafka_now_ms();
    if (deadletter->refused || deadletter->unwell || deadletter->stuck)
        dl_note(deadletter->notes, DL_NOTE_NOTICE, "dead letters are taken again", DL_TEXT("topic", deadletter->topic));
    deadletter->refused = deadletter->unwell = deadletter->stuck = false;
    take_off(deadletter, letter);
}

/* ---- The client ---- */

static enum dl_status open_client(struct dl_deadletter *deadletter, char *error, size_t error_size)
{
    deadletter->trouble.fatal = false;
    deadletter->client = dl_kafka_client_create(deadletter->conf, DL_KAFKA_PRODUCER, error, error_size);
    if (!deadletter->client)
        return DL_INVALID;
    deadletter->queue = rd_kafka_queue_get_main(deadletter->client);
    (void)rd_kafka_set_log_queue(deadletter->client, deadletter->queue);
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(deadletter->client);
    rd_kafka_topic_conf_set_opaque(conf, deadletter);
    deadletter->handle = rd_kafka_topic_new(deadletter->client, deadletter->topic, conf);
    if (deadletter->handle)
        return DL_OK;
    (void)snprintf(error, error_size, "topic \"%s\": %s", deadletter->topic, rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_topic_conf_destroy(conf);
    rd_kafka_queue_destroy(deadletter->queue);
    (void)dl_kafka_client_destroy(deadletter->client, 1000);
    deadletter->client = NULL;
    return DL_INVALID;
}

/* False: the client hangs, and may still look at letters it has. */
static bool close_client(struct dl_deadletter *deadletter, int wait_ms)
{
    if (!deadletter->client)
        return true;
    rd_kafka_topic_destroy(deadletter->handle);
    rd_kafka_queue_destroy(deadletter->queue);
    bool ended = dl_kafka_client_destroy(deadletter->client, wait_ms);
    deadletter->client = NULL;
    return ended;
}

/* librdkafka gave the producer up, as it does whenever going on could leave a gap. */
static void rebuild(struct dl_deadletter *deadletter)
{
    char error[DL_KAFKA_ERROR_SIZE] = "";
    dl_note(deadletter->notes, DL_NOTE_DEBUG, "librdkafka gave up the producer of dead letters; making a new one",
            DL_TEXT("reason", deadletter->trouble.fatal_reason));
    (void)close_client(deadletter, 1000); /* it has no letters now */
    if (open_client(deadletter, error, sizeof error) != DL_OK) {
        dl_note(deadletter->notes, DL_NOTE_ERROR, "a new Kafka producer cannot be made; retrying", DL_TEXT("reason", error));
        deadletter->due_ms = dl_kafka_now_ms() + backoff_ms_max;
    }
}

/* ---- The topic ---- */

static void topic_later(struct dl_deadletter *deadletter)
{
    deadletter->topic_due_ms =
        dl_kafka_now_ms() + dl_kafka_backoff_ms(deadletter->topic_attempt++, backoff_ms, backoff_ms_max);
}

static void note_refused(struct dl_deadletter *deadletter, const char *reason)
{
    if (!deadletter->refused)
        dl_note(deadletter->notes, DL_NOTE_ERROR,
                "not allowed to write dead letters; they wait (grant Write and Describe on the topic)",
                DL_TEXT("topic", deadletter->topic), DL_TEXT("reason", reason));
    deadletter->refused = true;
}

static void note_missing(struct dl_deadletter *deadletter)
{
    if (!deadletter->missing)
        dl_note(deadletter->notes, DL_NOTE_ERROR, "the dead-letter topic does not exist; dead letters wait (create it)",
                DL_TEXT("topic", deadletter->topic));
    deadletter->missing = true;
}

static void note_unwell(struct dl_deadletter *deadletter, const char *reason)
{
    if (!deadletter->unwell)
        dl_note(deadletter->notes, DL_NOTE_ERROR, "dead letters are not taken; they wait",
                DL_TEXT("topic", deadletter->topic), DL_TEXT("reason", reason));
    deadletter->unwell = true;
}

static void topic_there(struct dl_deadletter *deadletter, int32_t partition_count)
{
    deadletter->partition_count_next = partition_count;
    if (deadletter->missing)
        dl_note(deadletter->notes, DL_NOTE_NOTICE, "the dead-letter topic is there", DL_TEXT("topic", deadletter->topic));
    deadletter->missing = false;
    deadletter->topic_attempt = 0;
    deadletter->topic_due_ms = dl_kafka_now_ms() + topic_refresh_ms;
}

/* Before the first letter, and now and then: how many partitions are there? */
static void look_at_topic(struct dl_deadletter *deadletter)
{
    const struct rd_kafka_metadata *found = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(deadletter->client, 0, deadletter->handle, &found, (int)request_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        dl_kafka_trouble_silent(&deadletter->trouble, rd_kafka_err2str(code));
        topic_later(deadletter);
        return;
    }
    dl_kafka_trouble_answered(&deadletter->trouble);
    code = found->topic_cnt > 0 ? found->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    int32_t partition_count = found->topic_cnt > 0 ? found->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(found);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && partition_count > 0) {
        topic_there(deadletter, partition_count);
        return;
    }
    topic_later(deadletter);
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        note_refused(deadletter, rd_kafka_err2str(code));
    else if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        note_missing(deadletter);
    else if (deadletter->topic_attempt > 4)
        note_unwell(deadletter, rd_kafka_err2str(code));
}

/* ---- Sending ---- */

static rd_kafka_resp_err_t produce(struct dl_deadletter *deadletter, struct dl_letter *letter)
{
    char detail[1024], partition[16], offset[24], timestamp[24];
    dl_letter_detail(letter, detail, sizeof detail);
    const char *source = deadletter->source_topics[letter->topic];
    (void)snprintf(partition, sizeof partition, "%" PRId32, letter->partition);
    (void)snprintf(offset, sizeof offset, "%" PRId64, letter->offset);
    (void)snprintf(timestamp, sizeof timestamp, "%" PRId64, letter->timestamp_ms);
    const struct {
        const char *name, *text;
    } errors[] = {
        {DL_DEADLETTER_HEADER "topic", source},         {DL_DEADLETTER_HEADER "partition", partition},
        {DL_DEADLETTER_HEADER "offset", offset},        {DL_DEADLETTER_HEADER "timestamp", timestamp},
        {DL_DEADLETTER_HEADER "reason", letter->reason}, {DL_DEADLETTER_HEADER "detail", detail},
    };
    const size_t error_count = sizeof errors / sizeof errors[0];

    rd_kafka_headers_t *headers = rd_kafka_headers_new(error_count + letter->header_count);
    for (size_t i = 0; i < letter->header_count && !letter->bare; i++)
        (void)rd_kafka_header_add(headers, letter->headers[i].key, -1, letter->headers[i].value,
                                  letter->headers[i].value ? (ssize_t)letter->headers[i].value_bytes : -1);
    for (size_t i = 0; i < error_count; i++)
        (void)rd_kafka_header_add(headers, errors[i].name, -1, errors[i].text, -1);

    /* No copy, no free: the letter lives until its report. librdkafka does not write to it. */
    void *value = letter->value && (letter->sent_bytes > 0 || letter->value_bytes == 0) ? (void *)(uintptr_t)letter->value : NULL;
    rd_kafka_resp_err_t code = rd_kafka_producev(
        deadletter->client, RD_KAFKA_V_RKT(deadletter->handle),
        RD_KAFKA_V_PARTITION(dl_deadletter_partition(source, letter->partition, deadletter->partition_count)),
        RD_KAFKA_V_MSGFLAGS(0), RD_KAFKA_V_KEY(letter->bare ? NULL : letter->key, letter->bare ? 0 : letter->key_bytes),
        RD_KAFKA_V_VALUE(value, value ? letter->sent_bytes : 0), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(letter),
        RD_KAFKA_V_END);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_headers_destroy(headers);
    return code;
}

/* What the topic refused lately is not tried again. */
static void cut_as_learned(struct dl_deadletter *deadletter, struct dl_letter *letter)
{
    if (deadletter->refused_bytes == 0 || dl_letter_wire_bytes(letter) < deadletter->refused_bytes)
        return;
    if (dl_kafka_now_ms() >= deadletter->limits_until_ms) {
        deadletter->refused_bytes = deadletter->taken_bytes = 0;
        return;
    }
    size_t to = deadletter->taken_bytes > 0 ? deadletter->taken_bytes : deadletter->refused_bytes / 2;
    (void)dl_letter_cut(letter, to);
}

static void hand_over(struct dl_deadletter *deadletter)
{
    while (deadletter->waiting && !deadletter->failed && !deadletter->flying_alone) {
        struct dl_letter *letter = deadletter->waiting;
        if (letter->alone && deadletter->flying > 0)
            return;
        cut_as_learned(deadletter, letter);
        rd_kafka_resp_err_t code = produce(deadletter, letter);
        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return;
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            /* Nothing was sent: librdkafka's own limit is that of one record. */
            letter->alone = letter->alone || code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
            report_failure(deadletter, letter, code, rd_kafka_err2str(code));
            return;
        }
        letter->flying = true;
        deadletter->flying++;
        deadletter->flying_alone = letter->alone;
        deadletter->waiting = TAILQ_NEXT(letter, link);
    }
}

/* After a failure everything unconfirmed goes again, in its order. The first
 * goes alone: a fault that persists then costs one record per attempt. */
static void start_again(struct dl_deadletter *deadletter)
{
    deadletter->failed = false;
    deadletter->waiting = TAILQ_FIRST(&deadletter->letters);
    if (deadletter->waiting)
        deadletter->waiting->alone = true;
    if (deadletter->trouble.fatal)
        rebuild(deadletter);
    if (!deadletter->backing_off)
        return;
    deadletter->backing_off = false;
    deadletter->due_ms = dl_kafka_now_ms() + dl_kafka_backoff_ms(deadletter->attempt++, backoff_ms, backoff_ms_max);
    deadletter->topic_due_ms = 0;
    if (deadletter->failed_code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        note_refused(deadletter, deadletter->failed_reason);
    else if (deadletter->failed_code != RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC &&
             deadletter->failed_code != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION &&
             deadletter->failed_code != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        note_unwell(deadletter, deadletter->failed_reason);
}

static void note_stuck(struct dl_deadletter *deadletter, int64_t now_ms)
{
    if (deadletter->outstanding == 0)
        deadletter->progress_ms = now_ms;
    if (now_ms - deadletter->progress_ms < stuck_ms || deadletter->stuck || deadletter->missing || deadletter->refused ||
        deadletter->unwell || dl_kafka_trouble_any(&deadletter->trouble))
        return;
    dl_note(deadletter->notes, DL_NOTE_WARNING, "Kafka does not confirm dead letters; retrying (are enough replicas in sync?)",
            DL_TEXT("topic", deadletter->topic), DL_NUMBER("outstanding", deadletter->outstanding));
    deadletter->stuck = true;
}

static void step(struct dl_deadletter *deadletter)
{
    int64_t now_ms = dl_kafka_now_ms();
    note_stuck(deadletter, now_ms);
    if (!deadletter->client && now_ms >= deadletter->due_ms)
        rebuild(deadletter);
    /* A fatal error that no letter has felt: an idle producer, or one not yet allowed to begin. */
    if (deadletter->trouble.fatal && !deadletter->failed) {
        deadletter->failed = deadletter->backing_off = true;
        deadletter->failed_code = RD_KAFKA_RESP_ERR__FATAL;
        (void)snprintf(deadletter->failed_reason, sizeof deadletter->failed_reason, "%s", deadletter->trouble.fatal_reason);
    }
    if (deadletter->failed && deadletter->flying == 0)
        start_again(deadletter);
    if (!deadletter->client || now_ms < deadletter->due_ms)
        return;
    bool wanted = deadletter->outstanding > 0 || dl_kafka_trouble_any(&deadletter->trouble);
    if (wanted && now_ms >= deadletter->topic_due_ms)
        look_at_topic(deadletter);
    if (deadletter->missing)
        return;
    /* A source partition may move to another partition only when all before is
     * confirmed: so the newest dead letter stands for all earlier ones. */
    if (deadletter->partition_count_next != deadletter->partition_count) {
        if (deadletter->flying > 0)
            return;
        deadletter->partition_count = deadletter->partition_count_next;
    }
    if (deadletter->partition_count > 0)
        hand_over(deadletter);
}

/* ---- Public ---- */

enum dl_status dl_deadletter_send(struct dl_deadletter *deadletter, const struct dl_kafka_record *record, const char *reason,
                                  const char *detail)
{
    DL_ASSERT(record->topic < deadletter->source_topic_count);
    if (deadletter->outstanding >= outstanding_max ||
        (deadletter->outstanding > 0 && deadletter->outstanding_bytes + record->value_bytes > outstanding_bytes_max))
        return DL_FULL;
    struct dl_letter *letter = dl_letter_create(record, reason, detail);
    if (!letter)
        return DL_FULL; /* memory may come back as well */
    TAILQ_INSERT_TAIL(&deadletter->letters, letter, link);
    if (!deadletter->waiting && !deadletter->failed)
        deadletter->waiting = letter;
    if (deadletter->outstanding++ == 0)
        deadletter->progress_ms = dl_kafka_now_ms();
    deadletter->outstanding_bytes += letter->size;
    step(deadletter);
    return DL_OK;
}

void dl_deadletter_poll(struct dl_deadletter *deadletter, int timeout_ms)
{
    step(deadletter);
    if (deadletter->client)
        (void)rd_kafka_poll(deadletter->client, timeout_ms);
}

size_t dl_deadletter_outstanding(const struct dl_deadletter *deadletter)
{
    return deadletter->outstanding;
}

int64_t dl_deadletter_delivered(const struct dl_deadletter *deadletter)
{
    return deadletter->delivered;
}

static void free_deadletter(struct dl_deadletter *deadletter)
{
    struct dl_letter *letter;
    while ((letter = TAILQ_FIRST(&deadletter->letters)))
        take_off(deadletter, letter);
    for (size_t i = 0; i < deadletter->source_topic_count; i++) {
        free(deadletter->source_topics[i]);
        free(deadletter->recalled[i].offsets);
    }
    free(deadletter->source_topics);
    free(deadletter->recalled);
    free(deadletter->topic);
    if (deadletter->conf)
        rd_kafka_conf_destroy(deadletter->conf);
    if (deadletter->consumer_conf)
        rd_kafka_conf_destroy(deadletter->consumer_conf);
    free(deadletter);
}

static bool copy_topics(struct dl_deadletter *deadletter, const struct dl_deadletter_options *options)
{
    deadletter->topic = strdup(options->topic);
    deadletter->source_topics = calloc(options->source_topic_count, sizeof *deadletter->source_topics);
    deadletter->recalled = calloc(options->source_topic_count, sizeof *deadletter->recalled);
    if (!deadletter->topic || !deadletter->source_topics || !deadletter->recalled)
        return false;
    for (size_t i = 0; i < options->source_topic_count; i++) {
        deadletter->source_topics[i] = strdup(options->source_topics[i]);
        if (!deadletter->source_topics[i])
            return false;
        deadletter->source_topic_count++;
    }
    return true;
}

enum dl_status dl_deadletter_create(const struct dl_deadletter_options *options, struct dl_deadletter **made)
{
    DL_ASSERT(options->source_topic_count > 0);
    struct dl_deadletter *deadletter = calloc(1, sizeof *deadletter);
    if (!deadletter)
        return DL_MEMORY;
    deadletter->notes = options->kafka.notes;
    TAILQ_INIT(&deadletter->letters);
    dl_kafka_trouble_init(&deadletter->trouble, deadletter->notes, "dead letters");
    if (!copy_topics(deadletter, options)) {
        free_deadletter(deadletter);
        return DL_MEMORY;
    }
    char error[DL_KAFKA_ERROR_SIZE] = "";
    enum dl_status status =
        dl_kafka_conf_create(&options->kafka, DL_KAFKA_CONSUMER, &deadletter->consumer_conf, error, sizeof error);
    if (status == DL_OK)
        status = dl_kafka_conf_create(&options->kafka, DL_KAFKA_PRODUCER, &deadletter->conf, error, sizeof error);
    if (status == DL_OK) {
        dl_kafka_trouble_attach(&deadletter->trouble, deadletter->consumer_conf);
        dl_kafka_trouble_attach(&deadletter->trouble, deadletter->conf);
        rd_kafka_conf_set_dr_msg_cb(deadletter->conf, on_report);
        status = open_client(deadletter, error, sizeof error);
    }
    if (status != DL_OK) {
        dl_note(deadletter->notes, DL_NOTE_ERROR, "dead letters cannot be written with these properties",
                DL_TEXT("reason", error));
        free_deadletter(deadletter);
        return status;
    }
    *made = deadletter;
    return DL_OK;
}

void dl_deadletter_destroy(struct dl_deadletter *deadletter, int timeout_ms)
{
    if (!deadletter)
        return;
    int64_t until_ms = dl_kafka_now_ms() + timeout_ms;
    while (deadletter->outstanding > 0 && dl_kafka_now_ms() < until_ms)
        dl_deadletter_poll(deadletter, 10);
    if (deadletter->outstanding > 0)
        dl_note(deadletter->notes, DL_NOTE_WARNING, "dead letters were not confirmed before the end",
                DL_TEXT("topic", deadletter->topic), DL_NUMBER("letters", deadletter->outstanding));
    if (close_client(deadletter, 1000) || deadletter->flying == 0)
        free_deadletter(deadletter);
}
