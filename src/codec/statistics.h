/* librdkafka's statistics (STATISTICS.md of its source): the few that say how a
 * client fares. */
#pragma once

#include <delight/status.h>

#include <stddef.h>
#include <stdint.h>

struct dl_kafka_statistics {
    int64_t brokers, brokers_up;       /* those of the cluster, without bootstrap addresses */
    int64_t disconnects;               /* since the client was made, as all that follows but the queue */
    int64_t requests, request_errors, request_timeouts; /* errors of sending and of receiving */
    int64_t received_bytes;
    int64_t rebalances;
    int64_t queued_messages, queued_bytes; /* fetched, and not taken yet */
};

/* DL_INVALID: not such a text; *statistics is then undefined. DL_MEMORY. */
DL_MUST_USE enum dl_status dl_kafka_statistics_read(struct dl_kafka_statistics *statistics, const char *json, size_t bytes);
