#include "statistics.h"

#include <jansson.h>
#include <string.h>

static int64_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void add_broker(struct dl_kafka_statistics *to, const json_t *broker)
{
    const char *state = json_string_value(json_object_get(broker, "state"));
    const char *source = json_string_value(json_object_get(broker, "source"));
    to->requests += number(broker, "tx");
    to->request_errors += number(broker, "txerrs") + number(broker, "rxerrs");
    to->request_timeouts += number(broker, "req_timeouts");
    to->received_bytes += number(broker, "rxbytes");
    to->disconnects += number(broker, "disconnects");
    /* An address to begin with; or the group's coordinator, which is one of the others over a connection of its own. */
    if (number(broker, "nodeid") < 0 || (source != NULL && strcmp(source, "logical") == 0))
        return;
    to->brokers++;
    to->brokers_up += state != NULL && strcmp(state, "UP") == 0;
}

enum dl_status dl_kafka_statistics_read(struct dl_kafka_statistics *statistics, const char *json, size_t bytes)
{
    json_error_t fault;
    json_t *root = json_loadb(json, bytes, 0, &fault);
    if (root == NULL)
        return json_error_code(&fault) == json_error_out_of_memory ? DL_MEMORY : DL_INVALID;
    *statistics = (struct dl_kafka_statistics){.rebalances = number(json_object_get(root, "cgrp"), "rebalance_cnt")};
    const char *key;
    json_t *item, *partition;
    json_object_foreach(json_object_get(root, "brokers"), key, item)
        add_broker(statistics, item);
    json_object_foreach(json_object_get(root, "topics"), key, item) {
        const char *partition_key;
        json_object_foreach(json_object_get(item, "partitions"), partition_key, partition) {
            statistics->queued_messages += number(partition, "fetchq_cnt");
            statistics->queued_bytes += number(partition, "fetchq_size");
        }
    }
    enum dl_status status = json_is_object(root) ? DL_OK : DL_INVALID;
    json_decref(root);
    return status;
}
