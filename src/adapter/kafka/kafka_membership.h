/* What dl_kafka_source_membership hands to a transaction. */
#pragma once

#include <librdkafka/rdkafka.h>

struct dl_kafka_membership {
    rd_kafka_consumer_group_metadata_t *metadata; /* never NULL */
};
