#include "kafka_deadletter.h"

#include <stdlib.h>
#include <string.h>

static const int64_t request_ms = 500;
static const int64_t backoff_ms = 500, backoff_ms_max = 15000;
static const int64_t refresh_ms = 30000;
/* Letters wait so long to learn what the topic takes; then they try. */
static const int64_t limits_wait_ms = 1000;
static const int64_t refused_ms = 300000;
/* A batch is never made smaller than this: it is one letter then. */
static const size_t batch_bytes_min = 1024;

/* ---- How large a record may be ---- */

/* The answer comes to admin_queue. */
static void ask_limits(struct dl_deadletter *deadletter)
{
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, deadletter->topic);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(deadletter->client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    if (resource && options) {
        if (deadletter->limits.told_bytes == 0)
            deadletter->limits.wait_until_ms = dl_kafka_now_ms() + limits_wait_ms;
        deadletter->limits.asked = true;
        (void)rd_kafka_AdminOptions_set_request_timeout(options, DL_KAFKA_ADMIN_MS, NULL, 0);
        rd_kafka_DescribeConfigs(deadletter->client, &resource, 1, options, deadletter->admin_queue);
    }
    if (options)
        rd_kafka_AdminOptions_destroy(options);
    if (resource)
        rd_kafka_ConfigResource_destroy(resource);
}

static void set_told(struct dl_deadletter *deadletter, size_t bytes)
{
    struct dl_deadletter_limits *limits = &deadletter->limits;
    if (bytes == limits->told_bytes)
        return;
    limits->told_bytes = bytes;
    limits->refused_bytes = 0;
    /* Batches of more than the topic takes would be refused whole. */
    size_t batch_bytes = bytes < limits->batch_bytes_max ? bytes : limits->batch_bytes_max;
    if (batch_bytes == limits->batch_bytes)
        return;
    limits->batch_bytes = batch_bytes;
    deadletter->explained = true;
    deadletter->trouble.fatal = true; /* start again, in order, with a client of that size */
}

void dl_deadletter_serve_limits(struct dl_deadletter *deadletter)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(deadletter->admin_queue, 0))) {
        const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
        size_t resource_count = 0, entry_count = 0;
        const rd_kafka_ConfigResource_t **resources =
            result ? rd_kafka_DescribeConfigs_result_resources(result, &resource_count) : NULL;
        const rd_kafka_ConfigEntry_t **entries =
            resource_count > 0 ? rd_kafka_ConfigResource_configs(resources[0], &entry_count) : NULL;
        for (size_t i = 0; i < entry_count; i++) {
            const char *value = rd_kafka_ConfigEntry_value(entries[i]);
            if (value && strcmp(rd_kafka_ConfigEntry_name(entries[i]), "max.message.bytes") == 0)
                set_told(deadletter, strtoul(value, NULL, 10));
        }
        /* Without an answer, as without the right to ask, refusals will tell. */
        deadletter->limits.asked = false;
        rd_kafka_event_destroy(event);
    }
}

void dl_deadletter_fit(struct dl_deadletter *deadletter, struct dl_letter *letter)
{
    struct dl_deadletter_limits *limits = &deadletter->limits;
    if (limits->refused_bytes > 0 && dl_kafka_now_ms() >= limits->refused_until_ms)
        limits->refused_bytes = 0;
    size_t bytes = dl_letter_wire_bytes(letter);
    if (limits->told_bytes > 0 && bytes > limits->told_bytes)
        (void)dl_letter_cut(letter, limits->told_bytes);
    if (limits->refused_bytes > 0 && bytes >= limits->refused_bytes)
        (void)dl_letter_cut(letter, limits->refused_bytes / 2);
}

void dl_deadletter_too_large(struct dl_deadletter *deadletter, struct dl_letter *letter)
{
    struct dl_deadletter_limits *limits = &deadletter->limits;
    size_t bytes = dl_letter_wire_bytes(letter);
    /* Among others it may be small: batches are made smaller until one is
     * refused that held this letter only. */
    if (!letter->alone && bytes < limits->batch_bytes) {
        deadletter->narrower = true;
        return;
    }
    if (limits->refused_bytes == 0 || bytes < limits->refused_bytes)
        limits->refused_bytes = bytes;
    limits->refused_until_ms = dl_kafka_now_ms() + refused_ms;
    if (limits->batch_bytes > bytes / 2 && bytes / 2 >= batch_bytes_min)
        limits->batch_bytes = bytes / 2;
    if (!dl_letter_cut(letter, bytes / 2)) {
        deadletter->failed_code = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
        (void)strcpy(deadletter->failed_reason, "the topic refuses the smallest record (max.message.bytes)");
        deadletter->backing_off = true;
    }
}

/* ---- How many partitions there are ---- */

static void later(struct dl_deadletter *deadletter)
{
    deadletter->topic_due_ms =
        dl_kafka_now_ms() + dl_kafka_backoff_ms(deadletter->topic_attempt++, backoff_ms, backoff_ms_max);
}

static void note_missing(struct dl_deadletter *deadletter)
{
    if (!deadletter->missing)
        dl_note(deadletter->notes, DL_NOTE_ERROR, "the dead-letter topic does not exist; dead letters wait (create it)",
                DL_TEXT("topic", deadletter->topic));
    deadletter->missing = true;
}

static void topic_there(struct dl_deadletter *deadletter, int32_t partition_count)
{
    deadletter->partition_count_next = partition_count;
    if (deadletter->missing)
        dl_note(deadletter->notes, DL_NOTE_NOTICE, "the dead-letter topic is there", DL_TEXT("topic", deadletter->topic));
    deadletter->missing = false;
    deadletter->topic_attempt = 0;
    deadletter->topic_due_ms = dl_kafka_now_ms() + refresh_ms;
    if (!deadletter->limits.asked)
        ask_limits(deadletter);
}

void dl_deadletter_look_at_topic(struct dl_deadletter *deadletter)
{
    const struct rd_kafka_metadata *found = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(deadletter->client, 0, deadletter->handle, &found, (int)request_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        dl_kafka_trouble_silent(&deadletter->trouble, rd_kafka_err2str(code));
        later(deadletter);
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
    later(deadletter);
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        dl_deadletter_note_refused(deadletter, rd_kafka_err2str(code));
    else if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        note_missing(deadletter);
    else if (deadletter->topic_attempt > 4)
        dl_deadletter_note_unwell(deadletter, rd_kafka_err2str(code));
}
