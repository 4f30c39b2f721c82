#include "kafka_source.h"

#include <stdio.h>

static enum dl_status open_topic(struct dl_kafka_source *source, struct dl_kafka_topic *topic, char *error, size_t error_size)
{
    /* A configuration given with a topic replaces the default one, so start from that. */
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(source->client);
    rd_kafka_topic_conf_set_opaque(conf, topic);
    topic->handle = rd_kafka_topic_new(source->client, topic->name, conf);
    if (topic->handle)
        return DL_OK;
    rd_kafka_topic_conf_destroy(conf);
    (void)snprintf(error, error_size, "topic \"%s\": %s", topic->name, rd_kafka_err2str(rd_kafka_last_error()));
    return DL_INVALID;
}

enum dl_status dl_kafka_source_open(struct dl_kafka_source *source, char *error, size_t error_size)
{
    source->trouble.fatal = false;
    source->client = dl_kafka_client_create(source->conf, DL_KAFKA_SOURCE, error, error_size);
    if (!source->client)
        return DL_INVALID;
    (void)rd_kafka_poll_set_consumer(source->client);
    source->queue = rd_kafka_queue_get_consumer(source->client);
    source->admin_queue = rd_kafka_queue_new(source->client);
    rd_kafka_resp_err_t code = rd_kafka_set_log_queue(source->client, source->queue);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)snprintf(error, error_size, "log queue: %s", rd_kafka_err2str(code));
        dl_kafka_source_close(source, 1000);
        return DL_INVALID;
    }
    for (size_t i = 0; i < source->topic_count; i++) {
        enum dl_status status = open_topic(source, &source->topics[i], error, error_size);
        if (status != DL_OK) {
            dl_kafka_source_close(source, 1000);
            return status;
        }
    }
    if (!source->grouped)
        return DL_OK;
    enum dl_status status = dl_kafka_group_join(source, error, error_size);
    if (status != DL_OK)
        dl_kafka_source_close(source, 1000);
    return status;
}

void dl_kafka_source_close(struct dl_kafka_source *source, int wait_ms)
{
    if (!source->client)
        return;
    for (size_t i = 0; i < source->topic_count; i++) {
        struct dl_kafka_topic *topic = &source->topics[i];
        if (topic->handle)
            rd_kafka_topic_destroy(topic->handle);
        topic->handle = NULL;
        for (int32_t p = 0; p < topic->partition_count; p++)
            topic->partitions[p].assigned = false;
    }
    rd_kafka_queue_destroy(source->admin_queue);
    rd_kafka_queue_destroy(source->queue);
    (void)dl_kafka_client_destroy(source->client, wait_ms);
    source->client = NULL;
}

void dl_kafka_source_rebuild(struct dl_kafka_source *source)
{
    char error[DL_KAFKA_ERROR_SIZE] = "";
    int64_t now_ms = dl_kafka_now_ms();
    if (source->client)
        dl_note(source->notes, DL_NOTE_WARNING, "librdkafka gave up its consumer; making a new one",
                DL_TEXT("reason", source->trouble.fatal_reason));
    if (source->grouped)
        dl_kafka_group_lost(source);
    dl_kafka_source_close(source, 1000);
    source->rebuild_due_ms = now_ms + dl_kafka_backoff_ms(source->rebuilds++, 1000, 30000);
    if (dl_kafka_source_open(source, error, sizeof error) != DL_OK) {
        dl_note(source->notes, DL_NOTE_ERROR, "a new Kafka consumer cannot be made; retrying", DL_TEXT("reason", error));
        return;
    }
    for (size_t i = 0; i < source->topic_count; i++) {
        source->topics[i].retention_asked = false;
        dl_kafka_source_assign(&source->topics[i]);
    }
}

/* An assignment that librdkafka refuses is looked up and tried again. */
static void note_failed(struct dl_kafka_topic *topic, rd_kafka_error_t *error)
{
    dl_note(topic->source->notes, DL_NOTE_ERROR, "librdkafka refuses an assignment; retrying", DL_TEXT("topic", topic->name),
            DL_TEXT("reason", rd_kafka_error_string(error)));
    rd_kafka_error_destroy(error);
}

void dl_kafka_source_assign(struct dl_kafka_topic *topic)
{
    if (topic->source->grouped && !topic->source->cooperative) {
        dl_kafka_group_assign(topic->source);
        return;
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(topic->partition_count + 1);
    for (int32_t p = 0; p < topic->partition_count; p++)
        if (topic->partitions[p].phase == DL_KAFKA_READING && !topic->partitions[p].assigned)
            rd_kafka_topic_partition_list_add(list, topic->name, p)->offset = topic->partitions[p].next;
    if (list->cnt > 0) {
        /* Without a subscription librdkafka takes increments, whatever the
         * assignor: the other partitions go on undisturbed. */
        rd_kafka_error_t *error = rd_kafka_incremental_assign(topic->source->client, list);
        for (int i = 0; i < list->cnt; i++) {
            struct dl_kafka_partition *partition = &topic->partitions[list->elems[i].partition];
            partition->assigned = !error;
            if (error)
                dl_kafka_source_resume(topic, list->elems[i].partition);
        }
        if (error)
            note_failed(topic, error);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

void dl_kafka_source_unassign(struct dl_kafka_topic *topic, int32_t partition)
{
    if (!topic->partitions[partition].assigned)
        return;
    if (topic->source->grouped && !topic->source->cooperative) {
        dl_kafka_group_assign(topic->source);
        return;
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic->name, partition);
    rd_kafka_error_t *error = rd_kafka_incremental_unassign(topic->source->client, list);
    if (error)
        note_failed(topic, error);
    rd_kafka_topic_partition_list_destroy(list);
    topic->partitions[partition].assigned = false;
}
