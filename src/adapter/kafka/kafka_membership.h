/* What dl_kafka_source_membership hands to a transaction. */
#pragma once

#include <librdkafka/rdkafka.h>

#include <stdatomic.h>

struct dl_kafka_membership {
    rd_kafka_consumer_group_metadata_t *metadata; /* never NULL */
    atomic_uint holders;
};

/* For one who may outlive the owner; dl_kafka_membership_destroy lets go again. Any thread. */
void dl_kafka_membership_hold(struct dl_kafka_membership *membership);
