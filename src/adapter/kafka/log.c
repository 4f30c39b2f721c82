#include "kafka_conf.h"
#include "kafka_trouble.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 1024 };

static const int step_ms = 500;
static const int64_t backoff_ms = 100, backoff_ms_max = 5000;
/* A broker that starts may not know yet what there is. */
static const int absences_max = 3;

struct dl_kafka_log {
    struct dl_kafka_trouble trouble;
    struct dl_note_sink *notes;
    char *topic;
    bool (*give_up)(void *context);
    void *context;
    rd_kafka_conf_t *conf;
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    unsigned attempt;
    bool unwell; /* noted */
    rd_kafka_message_t *messages[BATCH];
};

/* ---- Life ---- */

static enum dl_status open_client(struct dl_kafka_log *log, char *error, size_t error_size)
{
    log->trouble.fatal = false;
    log->client = dl_kafka_client_create(log->conf, DL_KAFKA_CONSUMER, error, error_size);
    if (!log->client)
        return DL_INVALID;
    (void)rd_kafka_poll_set_consumer(log->client);
    log->queue = rd_kafka_queue_get_consumer(log->client);
    (void)rd_kafka_set_log_queue(log->client, log->queue);
    return DL_OK;
}

static void close_client(struct dl_kafka_log *log)
{
    if (!log->client)
        return;
    rd_kafka_queue_destroy(log->queue);
    (void)dl_kafka_client_destroy(log->client, 1000);
    log->client = NULL;
}

enum dl_status dl_kafka_log_create(const struct dl_kafka_options *options, const char *topic, bool (*give_up)(void *context),
                                   void *context, struct dl_kafka_log **made)
{
    struct dl_kafka_log *log = calloc(1, sizeof *log);
    if (!log)
        return DL_MEMORY;
    log->notes = options->notes;
    log->give_up = give_up;
    log->context = context;
    log->topic = strdup(topic);
    dl_kafka_trouble_init(&log->trouble, log->notes, "log");
    char error[DL_KAFKA_ERROR_SIZE] = "out of memory";
    enum dl_status status =
        log->topic ? dl_kafka_conf_create(options, DL_KAFKA_CONSUMER, &log->conf, error, sizeof error) : DL_MEMORY;
    if (status == DL_OK) {
        if (!dl_kafka_conf_value(options, "fetch.wait.max.ms")) /* the end is awaited by a scorer that takes over */
            (void)rd_kafka_conf_set(log->conf, "fetch.wait.max.ms", "10", NULL, 0);
        dl_kafka_trouble_attach(&log->trouble, log->conf);
        status = open_client(log, error, sizeof error);
    }
    if (status != DL_OK) {
        dl_note(log->notes, DL_NOTE_ERROR, "Kafka cannot be read with these properties", DL_TEXT("topic", topic),
                DL_TEXT("reason", error));
        dl_kafka_log_destroy(log);
        return status;
    }
    *made = log;
    return DL_OK;
}

void dl_kafka_log_destroy(struct dl_kafka_log *log)
{
    if (!log)
        return;
    close_client(log);
    if (log->conf)
        rd_kafka_conf_destroy(log->conf);
    free(log->topic);
    free(log);
}

/* ---- Waiting ---- */

static bool given_up(const struct dl_kafka_log *log)
{
    return log->give_up && log->give_up(log->context);
}

static void note_unwell(struct dl_kafka_log *log, enum dl_note_level level, const char *sentence, const char *reason)
{
    if (!log->unwell)
        dl_note(log->notes, level, sentence, DL_TEXT("topic", log->topic), DL_TEXT("reason", reason));
    log->unwell = true;
}

static void well(struct dl_kafka_log *log)
{
    dl_kafka_trouble_answered(&log->trouble);
    log->attempt = 0;
    if (log->unwell)
        dl_note(log->notes, DL_NOTE_NOTICE, "a topic can be read again", DL_TEXT("topic", log->topic));
    log->unwell = false;
}

/* Nothing is assigned while this waits, so that what comes is logs and errors only. */
static enum dl_status back_off(struct dl_kafka_log *log)
{
    int64_t until_ms = dl_kafka_now_ms() + dl_kafka_backoff_ms(log->attempt++, backoff_ms, backoff_ms_max);
    for (int64_t now_ms; (now_ms = dl_kafka_now_ms()) < until_ms && !given_up(log);) {
        int64_t left_ms = until_ms - now_ms;
        rd_kafka_message_t *message = rd_kafka_consume_queue(log->queue, (int)(left_ms < 100 ? left_ms : 100));
        if (message)
            rd_kafka_message_destroy(message);
    }
    return given_up(log) ? DL_STOPPED : DL_OK;
}

/* What the broker said no to may be put right. DL_OK: try again. */
static enum dl_status failed(struct dl_kafka_log *log, rd_kafka_resp_err_t code)
{
    const char *reason = rd_kafka_err2str(code);
    switch (code) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        dl_kafka_trouble_silent(&log->trouble, reason);
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        dl_kafka_trouble_answered(&log->trouble);
        note_unwell(log, DL_NOTE_ERROR, "not allowed to read a topic; retrying (grant Read and Describe on it)", reason);
        break;
    default:
        if (log->attempt > 3) /* a new leader is being chosen, or the metadata is on its way */
            note_unwell(log, DL_NOTE_WARNING, "a topic cannot be read now; retrying", reason);
        break;
    }
    return back_off(log);
}

/* ---- Bounds ---- */

static rd_kafka_resp_err_t count_partitions(struct dl_kafka_log *log, int *partitions)
{
    const struct rd_kafka_metadata *found = NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(log->client, log->topic, NULL);
    if (!handle)
        return rd_kafka_last_error();
    rd_kafka_resp_err_t code = rd_kafka_metadata(log->client, 0, handle, &found, step_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = found->topic_cnt > 0 ? found->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        *partitions = found->topic_cnt > 0 ? found->topics[0].partition_cnt : 0;
        rd_kafka_metadata_destroy(found);
    }
    rd_kafka_topic_destroy(handle);
    return code;
}

static bool is_missing(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

/* With read_committed Kafka answers the last stable offset: where the oldest open
 * transaction begins. */
enum dl_status dl_kafka_log_bounds(struct dl_kafka_log *log, int64_t *first, int64_t *end)
{
    for (int absences = 0;;) {
        int partitions = 0;
        rd_kafka_resp_err_t code = count_partitions(log, &partitions);
        if (is_missing(code) && ++absences == absences_max)
            return DL_EMPTY;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && partitions > 1) {
            dl_note(log->notes, DL_NOTE_ERROR, "a topic must have one partition", DL_TEXT("topic", log->topic),
                    DL_NUMBER("partitions", partitions));
            return DL_REFUSED;
        }
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            code = rd_kafka_query_watermark_offsets(log->client, log->topic, 0, first, end, step_ms);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            well(log);
            return DL_OK;
        }
        enum dl_status status = failed(log, code);
        if (status != DL_OK)
            return status;
    }
}

/* ---- Reading ---- */

struct reading {
    struct dl_kafka_log *log;
    int64_t next, until;
    dl_kafka_log_on_record *on_record;
    void *context;
    rd_kafka_resp_err_t failed_code;
    enum dl_status status;
};

static void take_error(struct reading *reading, const rd_kafka_message_t *message)
{
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if (message->offset > reading->next)
            reading->next = message->offset;
        well(reading->log);
        break;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        reading->status = DL_EMPTY;
        break;
    case RD_KAFKA_RESP_ERR__FATAL:
        dl_kafka_trouble_fatal(&reading->log->trouble, reading->log->client);
        reading->failed_code = message->err;
        break;
    default:
        if (!message->rkt) /* the group's coordinator is asked by librdkafka, not needed by us */
            break;
        reading->failed_code = message->err;
        break;
    }
}

static void take(struct reading *reading, const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t kind;
    if (message->err) {
        take_error(reading, message);
        return;
    }
    if (message->offset < reading->next)
        return;
    if (message->offset < reading->until)
        reading->status = reading->on_record(reading->context, message->offset, rd_kafka_message_timestamp(message, &kind),
                                             message->key, message->key_len, message->payload, message->len);
    if (reading->status == DL_OK)
        reading->next = message->offset + 1;
}

static bool over(const struct reading *reading)
{
    return reading->next >= reading->until || reading->status != DL_OK || reading->failed_code != RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* The batch call waits until the batch is full or the time is over: so take what
 * is there, and wait for one record only. */
static size_t take_batch(struct reading *reading, int timeout_ms, size_t count_max)
{
    struct dl_kafka_log *log = reading->log;
    ssize_t count = rd_kafka_consume_batch_queue(log->queue, timeout_ms, log->messages, count_max);
    for (ssize_t i = 0; i < count; i++) {
        if (!over(reading))
            take(reading, log->messages[i]);
        rd_kafka_message_destroy(log->messages[i]);
    }
    return count > 0 ? (size_t)count : 0;
}

static void read_assigned(struct reading *reading)
{
    while (!over(reading)) {
        if (take_batch(reading, 0, BATCH) == 0 && !over(reading) && take_batch(reading, 100, 1) == 0 &&
            dl_kafka_trouble_any(&reading->log->trouble))
            dl_kafka_trouble_silent(&reading->log->trouble, "nothing comes");
        if (!over(reading) && given_up(reading->log))
            reading->status = DL_STOPPED;
    }
}

static rd_kafka_resp_err_t assign(struct reading *reading)
{
    struct dl_kafka_log *log = reading->log;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, log->topic, 0)->offset = reading->next;
    rd_kafka_resp_err_t code = rd_kafka_assign(log->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

enum dl_status dl_kafka_log_read(struct dl_kafka_log *log, int64_t from, int64_t until, dl_kafka_log_on_record *on_record,
                                 void *context)
{
    struct reading reading = {.log = log, .next = from, .until = until, .on_record = on_record, .context = context};
    while (reading.next < until && reading.status == DL_OK) {
        reading.failed_code = assign(&reading);
        read_assigned(&reading);
        (void)rd_kafka_assign(log->client, NULL);
        if (reading.failed_code == RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        if (is_missing(reading.failed_code)) {
            /* Told of a topic that is there too while a broker starts: so ask. */
            int64_t first, end;
            reading.status = dl_kafka_log_bounds(log, &first, &end);
        } else if (log->trouble.fatal)
            reading.status = DL_FATAL;
        if (reading.status == DL_OK)
            reading.status = failed(log, reading.failed_code);
    }
    return reading.status;
}
