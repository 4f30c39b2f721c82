/* One look at Kafka, for `delightd check --connect`. */
#pragma once

#include "kafka.h"

/* Partitions of a topic, or what is wrong with it. */
struct dl_kafka_topic_state {
    const char *topic;
    int partitions;        /* -1: see fault */
    char fault[256];
};

/* Asks the brokers for the topics; waits up to timeout_ms. Fills in topic_count
 * states. DL_AWAY, DL_INVALID: no broker answered, or a property is wrong;
 * error says what. Any thread. */
DL_MUST_USE enum dl_status dl_kafka_probe(const struct dl_kafka_options *options, struct dl_kafka_topic_state *states,
                                          size_t topic_count, int timeout_ms, char *error, size_t error_size);
