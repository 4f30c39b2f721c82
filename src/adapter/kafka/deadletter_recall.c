#include "kafka_deadletter.h"

#include <stdlib.h>
#include <string.h>

/* Recall reads with a client of its own, which ends when everything is read: a
 * call that runs out of time leaves it for the next one to go on with. */
enum { RECALL_BATCH = 1024 };
static const int64_t request_ms_max = 2000;

struct dl_recall {
    struct dl_deadletter *deadletter;
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    int64_t until_ms;
    bool reading;               /* the range is known and assigned */
    int32_t count;              /* partitions of the dead-letter topic */
    int64_t *next, *end;        /* of each */
    struct dl_recalled *found;  /* by source topic; taken over when all was read */
    rd_kafka_message_t *messages[RECALL_BATCH];
};

static int remaining_ms(const struct dl_recall *recall, int64_t max_ms)
{
    int64_t left_ms = recall->until_ms - dl_kafka_now_ms();
    if (left_ms < 0)
        left_ms = 0;
    return (int)(left_ms < max_ms ? left_ms : max_ms);
}

static enum dl_status status_of(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        return DL_REFUSED;
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        return DL_TIMEOUT;
    default:
        return DL_AWAY;
    }
}

/* Besides answers there are librdkafka's reports: callbacks are called from
 * here, and nothing is read yet that could be dropped. */
static void serve(struct dl_recall *recall)
{
    ssize_t count = rd_kafka_consume_batch_queue(recall->queue, 0, recall->messages, RECALL_BATCH);
    for (ssize_t i = 0; i < count; i++)
        rd_kafka_message_destroy(recall->messages[i]);
}

/* One answer. DL_EMPTY: the topic does not exist. */
static enum dl_status ask_topic(struct dl_recall *recall, rd_kafka_topic_t *handle)
{
    const struct rd_kafka_metadata *found = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(recall->client, 0, handle, &found, remaining_ms(recall, request_ms_max));
    serve(recall);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        dl_kafka_trouble_silent(&recall->deadletter->trouble, rd_kafka_err2str(code));
        return DL_AWAY;
    }
    dl_kafka_trouble_answered(&recall->deadletter->trouble);
    code = found->topic_cnt > 0 ? found->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    recall->count = found->topic_cnt > 0 ? found->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(found);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return recall->count > 0 ? DL_OK : DL_EMPTY;
    return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ? DL_EMPTY
                                                                                                  : status_of(code);
}

/* A broker that just started may not know a topic yet: DL_EMPTY is believed the second time. */
static enum dl_status ask_partitions(struct dl_recall *recall)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(recall->client, recall->deadletter->topic, NULL);
    if (!handle)
        return DL_INVALID;
    enum dl_status status = DL_TIMEOUT;
    int absences = 0;
    while (remaining_ms(recall, 1) > 0) {
        status = ask_topic(recall, handle);
        if (status == DL_OK || status == DL_REFUSED || (status == DL_EMPTY && ++absences == 2))
            break;
        dl_kafka_sleep_ms(200);
    }
    rd_kafka_topic_destroy(handle);
    return status == DL_EMPTY && absences < 2 ? DL_TIMEOUT : status;
}

/* For every partition the offset of a time; -1 asks for the end, -2 for the
 * beginning. Where no record is so young, the answer is -1. */
static enum dl_status ask_offsets(struct dl_recall *recall, int64_t time, int64_t *offsets)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(recall->count);
    for (int32_t p = 0; p < recall->count; p++)
        rd_kafka_topic_partition_list_add(list, recall->deadletter->topic, p)->offset = time;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(recall->client, list, remaining_ms(recall, request_ms_max));
    serve(recall);
    for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        code = list->elems[i].err;
        if (list->elems[i].partition >= 0 && list->elems[i].partition < recall->count)
            offsets[list->elems[i].partition] = list->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? DL_OK : status_of(code);
}

/* The end first, as for the source: what comes later is not ours to recall. */
static enum dl_status find_range(struct dl_recall *recall, int64_t since_ms)
{
    free(recall->next);
    free(recall->end);
    recall->next = calloc((size_t)recall->count, sizeof *recall->next);
    recall->end = calloc((size_t)recall->count, sizeof *recall->end);
    if (!recall->next || !recall->end)
        return DL_MEMORY;
    bool by_time = since_ms >= 0 && !dl_kafka_client_is_mock(recall->client);
    enum dl_status status = ask_offsets(recall, RD_KAFKA_OFFSET_END, recall->end);
    if (status == DL_OK)
        status = ask_offsets(recall, by_time ? since_ms : RD_KAFKA_OFFSET_BEGINNING, recall->next);
    for (int32_t p = 0; p < recall->count && status == DL_OK; p++)
        if (recall->next[p] < 0 || recall->next[p] > recall->end[p])
            recall->next[p] = recall->end[p];
    return status;
}

static enum dl_status remember(struct dl_recalled *found, int32_t partition, int64_t offset)
{
    if (partition >= found->count) {
        int64_t *grown = realloc(found->offsets, ((size_t)partition + 1) * sizeof *grown);
        if (!grown)
            return DL_MEMORY;
        found->offsets = grown;
        while (found->count <= partition)
            grown[found->count++] = -1;
    }
    if (offset > found->offsets[partition])
        found->offsets[partition] = offset;
    return DL_OK;
}

/* Ours are the last headers of their names: the original may have been a dead
 * letter itself. What others wrote into the topic is passed over. */
static enum dl_status take_letter(struct dl_recall *recall, const rd_kafka_message_t *message)
{
    const struct dl_deadletter *deadletter = recall->deadletter;
    rd_kafka_headers_t *headers = NULL;
    const void *topic, *partition, *offset;
    size_t topic_bytes, partition_bytes, offset_bytes;
    int64_t partition_number, offset_number;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, DL_DEADLETTER_HEADER "topic", &topic, &topic_bytes) ||
        rd_kafka_header_get_last(headers, DL_DEADLETTER_HEADER "partition", &partition, &partition_bytes) ||
        rd_kafka_header_get_last(headers, DL_DEADLETTER_HEADER "offset", &offset, &offset_bytes) ||
        !dl_letter_number(partition, partition_bytes, DL_LETTER_PARTITIONS_MAX, &partition_number) ||
        !dl_letter_number(offset, offset_bytes, INT64_MAX, &offset_number))
        return DL_OK;
    for (size_t i = 0; i < deadletter->source_topic_count; i++)
        if (strlen(deadletter->source_topics[i]) == topic_bytes &&
            memcmp(deadletter->source_topics[i], topic, topic_bytes) == 0)
            return remember(&recall->found[i], (int32_t)partition_number, offset_number);
    return DL_OK;
}

static enum dl_status take_message(struct dl_recall *recall, const rd_kafka_message_t *message)
{
    if (!message->rkt || message->partition < 0 || message->partition >= recall->count)
        return DL_OK; /* the group's coordinator, or such */
    int64_t *next = &recall->next[message->partition];
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        *next = message->offset + 1;
        return take_letter(recall, message);
    }
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (message->offset > *next)
            *next = message->offset;
        return DL_OK;
    }
    /* Retention passed by between question and reading, or a leader moved: ask anew. */
    return status_of(message->err);
}

static bool all_read(const struct dl_recall *recall)
{
    for (int32_t p = 0; p < recall->count; p++)
        if (recall->next[p] < recall->end[p])
            return false;
    return true;
}

static enum dl_status assign_range(struct dl_recall *recall)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(recall->count);
    for (int32_t p = 0; p < recall->count; p++)
        if (recall->next[p] < recall->end[p])
            rd_kafka_topic_partition_list_add(list, recall->deadletter->topic, p)->offset = recall->next[p];
    rd_kafka_resp_err_t code = list->cnt > 0 ? rd_kafka_assign(recall->client, list) : RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_topic_partition_list_destroy(list);
    recall->reading = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    return recall->reading ? DL_OK : status_of(code);
}

static enum dl_status read_range(struct dl_recall *recall)
{
    enum dl_status status = DL_OK;
    while (status == DL_OK && !all_read(recall)) {
        int wait_ms = remaining_ms(recall, 20);
        if (wait_ms == 0)
            return DL_TIMEOUT;
        ssize_t count = rd_kafka_consume_batch_queue(recall->queue, wait_ms, recall->messages, RECALL_BATCH);
        for (ssize_t i = 0; i < count; i++) {
            if (status == DL_OK)
                status = take_message(recall, recall->messages[i]);
            rd_kafka_message_destroy(recall->messages[i]);
        }
    }
    recall->reading = status == DL_OK;
    return status;
}

static void take_over(struct dl_recall *recall)
{
    struct dl_deadletter *deadletter = recall->deadletter;
    struct dl_recalled *before = deadletter->recalled;
    deadletter->recalled = recall->found;
    recall->found = before;
}

static enum dl_status open_recall(struct dl_recall *recall)
{
    char error[DL_KAFKA_ERROR_SIZE] = "";
    recall->client = dl_kafka_client_create(recall->deadletter->consumer_conf, DL_KAFKA_CONSUMER, error, sizeof error);
    if (!recall->client) {
        dl_note(recall->deadletter->notes, DL_NOTE_ERROR, "dead letters cannot be read with these properties",
                DL_TEXT("reason", error));
        return DL_INVALID;
    }
    (void)rd_kafka_poll_set_consumer(recall->client);
    recall->queue = rd_kafka_queue_get_consumer(recall->client);
    (void)rd_kafka_set_log_queue(recall->client, recall->queue);
    return DL_OK;
}

void dl_deadletter_recall_close(struct dl_deadletter *deadletter)
{
    struct dl_recall *recall = deadletter->recall;
    if (!recall)
        return;
    deadletter->recall = NULL;
    if (recall->queue)
        rd_kafka_queue_destroy(recall->queue);
    if (recall->client)
        (void)dl_kafka_client_destroy(recall->client, 1000);
    for (size_t i = 0; recall->found && i < recall->deadletter->source_topic_count; i++)
        free(recall->found[i].offsets);
    free(recall->found);
    free(recall->next);
    free(recall->end);
    free(recall);
}

/* What an attempt before this one found stays true. */
static enum dl_status try_recall(struct dl_recall *recall, int64_t since_ms)
{
    enum dl_status status = DL_OK;
    if (!recall->reading) {
        status = ask_partitions(recall);
        if (status == DL_OK)
            status = find_range(recall, since_ms);
        if (status == DL_OK)
            status = assign_range(recall);
    }
    return status == DL_OK ? read_range(recall) : status;
}

static enum dl_status begin_recall(struct dl_deadletter *deadletter)
{
    struct dl_recall *recall = calloc(1, sizeof *recall);
    if (!recall)
        return DL_MEMORY;
    deadletter->recall = recall;
    recall->deadletter = deadletter;
    recall->found = calloc(deadletter->source_topic_count, sizeof *recall->found);
    return recall->found ? open_recall(recall) : DL_MEMORY;
}

enum dl_status dl_deadletter_recall(struct dl_deadletter *deadletter, int64_t since_ms, int timeout_ms)
{
    enum dl_status status = deadletter->recall ? DL_OK : begin_recall(deadletter);
    struct dl_recall *recall = deadletter->recall;
    if (status == DL_OK) {
        recall->until_ms = dl_kafka_now_ms() + timeout_ms;
        status = try_recall(recall, since_ms);
    }
    /* A leader that moves, or a partition that is new, is found a little later. */
    while (status == DL_AWAY && remaining_ms(recall, 1) > 0) {
        dl_kafka_sleep_ms(200);
        status = try_recall(recall, since_ms);
    }
    if (status == DL_TIMEOUT)
        return status;
    if (status == DL_OK || status == DL_EMPTY) {
        take_over(recall);
        status = DL_OK;
    }
    dl_deadletter_recall_close(deadletter);
    return status;
}

int64_t dl_deadletter_recalled(const struct dl_deadletter *deadletter, uint16_t topic, int32_t partition)
{
    DL_ASSERT(topic < deadletter->source_topic_count);
    const struct dl_recalled *recalled = &deadletter->recalled[topic];
    return partition >= 0 && partition < recalled->count ? recalled->offsets[partition] : -1;
}
