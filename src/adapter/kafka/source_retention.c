#include "kafka_source.h"

#include <stdlib.h>
#include <string.h>

/* The answer comes to admin_queue; nobody waits for it. */
void dl_kafka_source_ask_retention(struct dl_kafka_topic *topic)
{
    struct dl_kafka_source *source = topic->source;
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic->name);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(source->client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    if (resource && options) {
        (void)rd_kafka_AdminOptions_set_request_timeout(options, DL_KAFKA_ADMIN_MS, NULL, 0);
        rd_kafka_DescribeConfigs(source->client, &resource, 1, options, source->admin_queue);
        topic->retention_asked = true;
    }
    if (options)
        rd_kafka_AdminOptions_destroy(options);
    if (resource)
        rd_kafka_ConfigResource_destroy(resource);
}

static const char *config_value(const rd_kafka_ConfigResource_t *resource, const char *name)
{
    size_t count = 0;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
            return rd_kafka_ConfigEntry_value(entries[i]);
    return NULL;
}

static void take_resource(struct dl_kafka_source *source, const rd_kafka_ConfigResource_t *resource)
{
    const char *topic = rd_kafka_ConfigResource_name(resource);
    if (rd_kafka_ConfigResource_error(resource) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        /* Not being allowed to read configurations is common, and no fault. */
        dl_note(source->notes, DL_NOTE_DEBUG, "a topic's retention is not known", DL_TEXT("topic", topic),
                DL_TEXT("reason", rd_kafka_ConfigResource_error_string(resource)));
        return;
    }
    const char *text = config_value(resource, "retention.ms");
    const char *policy = config_value(resource, "cleanup.policy");
    if (!text)
        return;
    int64_t retention_ms = strtoll(text, NULL, 10);
    /* -1: for ever. */
    if (retention_ms >= 0 && retention_ms < source->retention_ms_min && (!policy || strstr(policy, "delete")))
        dl_note(source->notes, DL_NOTE_WARNING,
                "a topic keeps records for less time than the longest window; after a restart that window is incomplete",
                DL_TEXT("topic", topic), DL_NUMBER("retention_ms", retention_ms),
                DL_NUMBER("window_ms", source->retention_ms_min));
}

void dl_kafka_source_serve_retention(struct dl_kafka_source *source)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(source->admin_queue, 0))) {
        const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
        if (result && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            size_t count = 0;
            const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
            for (size_t i = 0; i < count; i++)
                take_resource(source, resources[i]);
        } else {
            dl_note(source->notes, DL_NOTE_DEBUG, "a topic's retention is not known",
                    DL_TEXT("reason", rd_kafka_event_error_string(event)));
        }
        rd_kafka_event_destroy(event);
    }
}
