/* The few things that producer and dead-letter reader both ask of librdkafka. All but the first two may block for
 * seconds; false and -1 come after a sentence on stderr. */
#pragma once

#include "settings.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

bool ld_kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value);

/* Applies --property and the connection part of the daemon's kafka.properties. */
bool ld_kafka_set_properties(rd_kafka_conf_t *conf, const struct ld_settings *settings);

/* Creates a topic with the broker's default replication; an existing one is left as it is. */
bool ld_kafka_create_topic(rd_kafka_t *client, const char *topic, int partitions);

/* Number of partitions of a topic; `why` replaces the usual sentence when the topic is missing and may be NULL. */
int ld_kafka_partitions(rd_kafka_t *client, const char *topic, const char *why);
