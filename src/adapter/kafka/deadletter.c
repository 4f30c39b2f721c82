#include "kafka_deadletter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Unconfirmed copies are bounded by both; one letter is always taken. */
static const size_t outstanding_max = 10000, outstanding_bytes_max = 64u << 20;
static const int64_t no_client_ms = 15000;

/* ---- Notes ---- */

void dl_deadletter_note_refused(struct dl_deadletter *deadletter, const char *reason)
{
    if (!deadletter->refused)
        dl_note(deadletter->notes, DL_NOTE_ERROR,
                "not allowed to write dead letters; they wait (grant Write and Describe on the topic)",
                DL_TEXT("topic", deadletter->topic), DL_TEXT("reason", reason));
    deadletter->refused = true;
}

void dl_deadletter_note_unwell(struct dl_deadletter *deadletter, const char *reason)
{
    if (!deadletter->unwell)
        dl_note(deadletter->notes, DL_NOTE_ERROR, "dead letters are not taken; they wait",
                DL_TEXT("topic", deadletter->topic), DL_TEXT("reason", reason));
    deadletter->unwell = true;
}

/* ---- The client ---- */

static enum dl_status open_client(struct dl_deadletter *deadletter, char *error, size_t error_size)
{
    char bytes[24];
    (void)snprintf(bytes, sizeof bytes, "%zu", deadletter->limits.batch_bytes);
    (void)rd_kafka_conf_set(deadletter->conf, "batch.size", bytes, NULL, 0);
    deadletter->trouble.fatal = false;
    deadletter->client = dl_kafka_client_create(deadletter->conf, DL_KAFKA_PRODUCER, error, error_size);
    if (!deadletter->client)
        return DL_INVALID;
    deadletter->queue = rd_kafka_queue_get_main(deadletter->client);
    deadletter->admin_queue = rd_kafka_queue_new(deadletter->client);
    (void)rd_kafka_set_log_queue(deadletter->client, deadletter->queue);
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(deadletter->client);
    rd_kafka_topic_conf_set_opaque(conf, deadletter);
    deadletter->handle = rd_kafka_topic_new(deadletter->client, deadletter->topic, conf);
    if (deadletter->handle)
        return DL_OK;
    (void)snprintf(error, error_size, "topic \"%s\": %s", deadletter->topic, rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_topic_conf_destroy(conf);
    return DL_INVALID;
}

/* False: the client hangs, and may still look at letters it has. */
static bool close_client(struct dl_deadletter *deadletter)
{
    if (!deadletter->client)
        return true;
    if (deadletter->handle)
        rd_kafka_topic_destroy(deadletter->handle);
    deadletter->handle = NULL;
    rd_kafka_queue_destroy(deadletter->admin_queue);
    rd_kafka_queue_destroy(deadletter->queue);
    bool ended = dl_kafka_client_destroy(deadletter->client, 1000);
    deadletter->client = NULL;
    return ended;
}

void dl_deadletter_give_up_client(struct dl_deadletter *deadletter)
{
    DL_ASSERT(deadletter->flying == 0);
    (void)close_client(deadletter);
    deadletter->limits.asked = false; /* an answer would come to the old one */
    for (int32_t p = 0; p < deadletter->partition_count; p++)
        deadletter->places[p] = (struct dl_deadletter_place){0};
}

void dl_deadletter_open_client(struct dl_deadletter *deadletter)
{
    char error[DL_KAFKA_ERROR_SIZE] = "";
    if (open_client(deadletter, error, sizeof error) == DL_OK)
        return;
    (void)close_client(deadletter);
    dl_note(deadletter->notes, DL_NOTE_ERROR, "a new Kafka producer cannot be made; retrying", DL_TEXT("reason", error));
    deadletter->due_ms = dl_kafka_now_ms() + no_client_ms;
}

/* ---- Letters ---- */

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
    dl_deadletter_step(deadletter);
    return DL_OK;
}

void dl_deadletter_free(struct dl_deadletter *deadletter, struct dl_letter *letter)
{
    TAILQ_REMOVE(&deadletter->letters, letter, link);
    deadletter->outstanding--;
    deadletter->outstanding_bytes -= letter->size;
    free(letter);
}

void dl_deadletter_poll(struct dl_deadletter *deadletter, int timeout_ms)
{
    dl_deadletter_step(deadletter);
    if (deadletter->client)
        (void)rd_kafka_poll(deadletter->client, timeout_ms);
    else
        dl_kafka_sleep_ms(timeout_ms);
}

size_t dl_deadletter_outstanding(const struct dl_deadletter *deadletter)
{
    return deadletter->outstanding;
}

int64_t dl_deadletter_delivered(const struct dl_deadletter *deadletter)
{
    return deadletter->delivered;
}

/* ---- Life ---- */

static void free_deadletter(struct dl_deadletter *deadletter)
{
    struct dl_letter *letter;
    dl_deadletter_recall_close(deadletter);
    while ((letter = TAILQ_FIRST(&deadletter->letters)))
        dl_deadletter_free(deadletter, letter);
    for (size_t i = 0; i < deadletter->source_topic_count; i++) {
        free(deadletter->source_topics[i]);
        free(deadletter->recalled[i].offsets);
    }
    free(deadletter->source_topics);
    free(deadletter->recalled);
    free(deadletter->places);
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

static size_t batch_size_of(const rd_kafka_conf_t *conf)
{
    char text[24];
    size_t size = sizeof text;
    return rd_kafka_conf_get(conf, "batch.size", text, &size) == RD_KAFKA_CONF_OK ? strtoul(text, NULL, 10) : 1000000;
}

static enum dl_status configure(struct dl_deadletter *deadletter, const struct dl_deadletter_options *options, char *error,
                                size_t error_size)
{
    enum dl_status status =
        dl_kafka_conf_create(&options->kafka, DL_KAFKA_CONSUMER, &deadletter->consumer_conf, error, error_size);
    if (status == DL_OK)
        status = dl_kafka_conf_create(&options->kafka, DL_KAFKA_PRODUCER, &deadletter->conf, error, error_size);
    if (status != DL_OK)
        return status;
    dl_kafka_trouble_attach(&deadletter->trouble, deadletter->consumer_conf);
    dl_kafka_trouble_attach(&deadletter->trouble, deadletter->conf);
    rd_kafka_conf_set_dr_msg_cb(deadletter->conf, dl_deadletter_on_report);
    deadletter->limits.batch_bytes = deadletter->limits.batch_bytes_max = batch_size_of(deadletter->conf);
    return DL_OK;
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
    enum dl_status status = configure(deadletter, options, error, sizeof error);
    if (status == DL_OK)
        status = open_client(deadletter, error, sizeof error);
    if (status != DL_OK) {
        dl_note(deadletter->notes, DL_NOTE_ERROR, "dead letters cannot be written with these properties",
                DL_TEXT("reason", error));
        (void)close_client(deadletter);
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
    if (close_client(deadletter) || deadletter->flying == 0)
        free_deadletter(deadletter);
}
