#include "kafka_transactions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int full_ms = 100;
/* What a topic takes may have been changed after so long. */
static const int64_t limits_ms = 300000;
/* What a record weighs in a batch by itself. */
static const size_t record_bytes = 64;

/* ---- Topics ---- */

static struct dl_transactions_topic *topic_of(struct dl_transactions *transactions, const char *name, bool letters)
{
    for (size_t i = 0; i < transactions->topic_count; i++)
        if (strcmp(transactions->topics[i]->name, name) == 0) {
            DL_ASSERT(transactions->topics[i]->letters == letters);
            return transactions->topics[i];
        }
    struct dl_transactions_topic **topics =
        realloc(transactions->topics, (transactions->topic_count + 1) * sizeof(struct dl_transactions_topic *));
    if (!topics)
        return NULL;
    transactions->topics = topics;
    struct dl_transactions_topic *topic = calloc(1, sizeof *topic);
    if (!topic || !(topic->name = strdup(name))) {
        free(topic);
        return NULL;
    }
    topic->transactions = transactions;
    topic->letters = letters;
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(transactions->client);
    rd_kafka_topic_conf_set_opaque(conf, topic);
    topic->handle = rd_kafka_topic_new(transactions->client, name, conf);
    if (!topic->handle) {
        rd_kafka_topic_conf_destroy(conf);
        free(topic->name);
        free(topic);
        return NULL;
    }
    topics[transactions->topic_count++] = topic;
    return topic;
}

void dl_transactions_free_topics(struct dl_transactions *transactions)
{
    for (size_t i = 0; i < transactions->topic_count; i++) {
        rd_kafka_topic_destroy(transactions->topics[i]->handle);
        free(transactions->topics[i]->name);
        free(transactions->topics[i]->touched);
        free(transactions->topics[i]);
    }
    free(transactions->topics);
    transactions->topics = NULL;
    transactions->topic_count = 0;
}

/* ---- What was touched ---- */

/* False: out of memory. */
static bool mark(struct dl_transactions_topic *topic, int32_t partition)
{
    for (size_t i = 0; i < topic->touched_count; i++)
        if (topic->touched[i] == partition)
            return true;
    if (topic->touched_count == topic->touched_capacity) {
        size_t capacity = topic->touched_capacity == 0 ? 4 : topic->touched_capacity * 2;
        int32_t *touched = realloc(topic->touched, capacity * sizeof *touched);
        if (!touched)
            return false;
        topic->touched = touched;
        topic->touched_capacity = capacity;
    }
    topic->touched[topic->touched_count++] = partition;
    return true;
}

bool dl_transactions_mark(struct dl_transactions *transactions, const char *name, int32_t partition)
{
    struct dl_transactions_topic *topic = topic_of(transactions, name, false);
    return topic && mark(topic, partition);
}

/* ---- Reports ---- */

void dl_transactions_forget_records(struct dl_transactions *transactions)
{
    transactions->outcome.failed = transactions->outcome.explained = transactions->outcome.in_doubt = false;
    transactions->outcome.refused_count = transactions->outcome.refused_bytes = 0;
    transactions->window_records = transactions->window_filled = 0;
    transactions->produced_offset = -1;
}

static void fail(struct dl_transactions *transactions, struct dl_transactions_topic *topic, rd_kafka_resp_err_t code, void *opaque,
                 size_t bytes)
{
    transactions->outcome.failed = true;
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE) {
        transactions->outcome.refused_count++;
        transactions->outcome.refused_bytes += bytes;
        transactions->outcome.refused_topic = topic;
        transactions->outcome.refused_opaque = opaque;
    }
    switch (code) {
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE: /* these follow from what ended the transaction */
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
    case RD_KAFKA_RESP_ERR__STATE:
    case RD_KAFKA_RESP_ERR__FATAL:
        return;
    default:
        break;
    }
    if (transactions->outcome.explained)
        return;
    transactions->outcome.explained = true;
    transactions->outcome.code = code;
    (void)snprintf(transactions->outcome.reason, sizeof transactions->outcome.reason, "topic %s: %s", topic->name, rd_kafka_err2str(code));
}

void dl_transactions_on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    (void)opaque;
    struct dl_transactions_topic *topic = rd_kafka_topic_opaque(message->rkt);
    struct dl_transactions *transactions = topic->transactions;
    if (message->partition >= 0)
        (void)mark(topic, message->partition); /* no memory: as if nothing were to be made good for */
    if (message->err && rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
        transactions->outcome.in_doubt = true;
    if (message->err)
        fail(transactions, topic, message->err, message->_private, message->key_len + message->len + record_bytes);
    else if (!topic->letters)
        transactions->produced_offset = message->offset;
}

enum dl_transactions_end dl_transactions_deliver(struct dl_transactions *transactions)
{
    while (rd_kafka_flush(transactions->client, DL_TRANSACTIONS_STEP_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (transactions->outcome.failed)
            break;
        dl_kafka_trouble_silent(&transactions->trouble, "records are not confirmed");
        if (dl_transactions_leave(transactions))
            return DL_TRANSACTIONS_LEAVE;
    }
    return transactions->outcome.failed ? DL_TRANSACTIONS_ABORT : DL_TRANSACTIONS_DONE;
}

/* ---- Records ---- */

struct record {
    struct dl_transactions_topic *topic;
    int32_t partition;
    const void *key, *value;
    size_t key_bytes, value_bytes;
    rd_kafka_headers_t *headers; /* taken on DL_OK */
    void *opaque;
};

/* While a limit is looked for, only so much is on its way at once. */
static bool window_open(struct dl_transactions *transactions, size_t bytes)
{
    if (transactions->window_bytes > 0 && dl_kafka_now_ms() >= transactions->window_until_ms)
        transactions->window_bytes = 0;
    if (transactions->window_bytes == 0 || transactions->window_records == 0 ||
        transactions->window_filled + bytes <= transactions->window_bytes)
        return true;
    if (dl_transactions_deliver(transactions) != DL_TRANSACTIONS_DONE)
        return false;
    transactions->window_records = transactions->window_filled = 0;
    return true;
}

static enum dl_status produce(struct dl_transactions *transactions, const struct record *record)
{
    size_t bytes = record->key_bytes + record->value_bytes + record_bytes;
    if (transactions->outcome.failed || !window_open(transactions, bytes))
        return transactions->outcome.failed ? DL_AWAY : DL_STOPPED;
    for (;;) {
        rd_kafka_resp_err_t code = rd_kafka_producev(
            transactions->client, RD_KAFKA_V_RKT(record->topic->handle), RD_KAFKA_V_PARTITION(record->partition),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY((void *)(uintptr_t)record->key, record->key_bytes),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value, record->value_bytes), RD_KAFKA_V_HEADERS(record->headers),
            RD_KAFKA_V_OPAQUE(record->opaque), RD_KAFKA_V_END);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            transactions->window_records++;
            transactions->window_filled += bytes;
            return DL_OK;
        }
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            fail(transactions, record->topic, code, record->opaque, bytes);
            return DL_AWAY;
        }
        dl_transactions_serve(transactions, full_ms);
        if (transactions->outcome.failed)
            return DL_AWAY;
        if (dl_transactions_leave(transactions))
            return DL_STOPPED;
    }
}

enum dl_status dl_transactions_produce(struct dl_transactions *transactions, const char *topic, int32_t partition, const void *key,
                                       size_t key_bytes, const void *value, size_t value_bytes, void *opaque)
{
    DL_ASSERT(transactions->phase == DL_TRANSACTIONS_OPEN);
    const struct record record = {
        .topic = topic_of(transactions, topic, false),
        .partition = partition,
        .key = key,
        .key_bytes = key_bytes,
        .value = value,
        .value_bytes = value_bytes,
        .opaque = opaque,
    };
    if (!record.topic)
        return DL_MEMORY;
    if (partition >= 0 && !mark(record.topic, partition))
        return DL_MEMORY;
    return produce(transactions, &record);
}

/* ---- Letters ---- */

enum dl_status dl_transactions_produce_letters(struct dl_transactions *transactions, const char *topic,
                                               struct dl_kafka_letters *letters)
{
    DL_ASSERT(transactions->phase == DL_TRANSACTIONS_OPEN);
    struct dl_transactions_topic *to = topic_of(transactions, topic, true);
    struct dl_letter *letter;
    if (!to)
        return DL_MEMORY;
    TAILQ_FOREACH (letter, &letters->list, link) {
        if (to->told_bytes > 0 && dl_kafka_now_ms() < to->told_until_ms && dl_letter_wire_bytes(letter) > to->told_bytes)
            (void)dl_letter_cut(letter, to->told_bytes);
        const void *value = dl_letter_value(letter);
        const struct record record = {
            .topic = to,
            .partition = RD_KAFKA_PARTITION_UA,
            .key = letter->bare ? NULL : letter->key,
            .key_bytes = letter->bare ? 0 : letter->key_bytes,
            .value = value,
            .value_bytes = value ? letter->sent_bytes : 0,
            .headers = dl_letter_headers(letter, letters->source_topics[letter->topic]),
            .opaque = letter,
        };
        enum dl_status status = produce(transactions, &record);
        if (status != DL_OK) {
            rd_kafka_headers_destroy(record.headers);
            return status;
        }
    }
    return DL_OK;
}

/* Only what is refused shows that there is a limit: so it is asked for then. */
static bool shrink_letter(struct dl_transactions *transactions, struct dl_transactions_topic *topic, struct dl_letter *letter)
{
    size_t bytes = dl_letter_wire_bytes(letter);
    int64_t told = dl_kafka_topic_number(transactions->client, topic->name, "max.message.bytes", DL_TRANSACTIONS_STEP_MS * 2);
    topic->told_bytes = told > 0 ? (size_t)told : 0;
    topic->told_until_ms = dl_kafka_now_ms() + limits_ms;
    return dl_letter_cut(letter, topic->told_bytes > 0 && topic->told_bytes < bytes ? topic->told_bytes : bytes / 2);
}

bool dl_transactions_shrink(struct dl_transactions *transactions)
{
    if (transactions->outcome.refused_count > 1) {
        transactions->window_bytes = transactions->outcome.refused_bytes / 2;
        transactions->window_until_ms = dl_kafka_now_ms() + limits_ms;
        return true;
    }
    const struct dl_transaction *run = transactions->run;
    struct dl_transactions_topic *topic = transactions->outcome.refused_topic;
    bool shrunk = topic->letters ? shrink_letter(transactions, topic, transactions->outcome.refused_opaque)
                                 : run->too_large && run->too_large(run->context, transactions->outcome.refused_opaque);
    if (!shrunk)
        dl_note(transactions->notes, DL_NOTE_ERROR, "a topic refuses the smallest record; raise its max.message.bytes",
                DL_TEXT("topic", topic->name), DL_NUMBER("bytes", transactions->outcome.refused_bytes));
    return shrunk;
}

bool dl_transactions_touch(struct dl_transactions *transactions)
{
    static const char key[] = "end"; /* a compacted topic takes no record without one */
    for (size_t i = 0; i < transactions->topic_count; i++) {
        struct dl_transactions_topic *topic = transactions->topics[i];
        for (size_t t = 0; t < topic->touched_count; t++) {
            const struct record record = {.topic = topic, .partition = topic->touched[t], .key = key, .key_bytes = sizeof key - 1};
            if (produce(transactions, &record) != DL_OK)
                return false;
        }
    }
    return true;
}
