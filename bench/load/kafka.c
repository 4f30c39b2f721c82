#include "kafka.h"

#include "util.h"

#define TIMEOUT_MS 15000

bool ld_kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[512];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return true;
    ld_say("kafka: %s", text);
    return false;
}

bool ld_kafka_set_properties(rd_kafka_conf_t *conf, const struct ld_settings *settings)
{
    for (size_t i = 0; i < settings->property_count; i++) {
        if (!ld_kafka_set(conf, settings->properties[i].name, settings->properties[i].value))
            return false;
    }
    return true;
}

static bool is_created(rd_kafka_event_t *event, const char *topic)
{
    size_t count = 0;
    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        ld_say("topic %s could not be created: %s", topic,
               event == NULL ? "no answer from the broker" : rd_kafka_event_error_string(event));
        return false;
    }
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t error = rd_kafka_topic_result_error(topics[i]);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            continue;
        ld_say("topic %s could not be created: %s", topic, rd_kafka_topic_result_error_string(topics[i]));
        return false;
    }
    return true;
}

bool ld_kafka_create_topic(rd_kafka_t *client, const char *topic, int partitions)
{
    char text[256];
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(topic, partitions, -1, text, sizeof text);
    if (wanted == NULL) {
        ld_say("topic %s: %s", topic, text);
        return false;
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    (void)rd_kafka_AdminOptions_set_operation_timeout(options, TIMEOUT_MS, NULL, 0);
    rd_kafka_CreateTopics(client, &wanted, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, TIMEOUT_MS + 5000);
    bool is_good = is_created(event, topic);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(wanted);
    return is_good;
}

/* A new topic may be unknown to the broker that is asked for a moment. */
int ld_kafka_partitions(rd_kafka_t *client, const char *topic, const char *why)
{
    int64_t deadline_ns = ld_monotonic_ns() + INT64_C(5000000000);
    rd_kafka_resp_err_t error;
    int count = -1;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    if (handle == NULL) {
        ld_say("topic %s: %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
        return -1;
    }
    for (;;) {
        const struct rd_kafka_metadata *metadata;
        error = rd_kafka_metadata(client, 0, handle, &metadata, TIMEOUT_MS);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (metadata->topic_cnt == 1) {
                error = metadata->topics[0].err;
                count = metadata->topics[0].partition_cnt;
            }
            rd_kafka_metadata_destroy(metadata);
        }
        if ((error == RD_KAFKA_RESP_ERR_NO_ERROR && count > 0) || ld_monotonic_ns() > deadline_ns)
            break;
        rd_kafka_poll(client, 50);
        ld_sleep_until(ld_monotonic_ns() + 100000000);
    }
    rd_kafka_topic_destroy(handle);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && count > 0)
        return count;
    bool is_missing = error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    ld_say("topic %s: %s%s", topic, rd_kafka_err2str(error),
           why != NULL ? why : is_missing ? "; create it, or say --create-topic PARTITIONS" : "");
    return -1;
}
