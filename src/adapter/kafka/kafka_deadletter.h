/* The inside of dead letters, shared by deadletter.c (sending) and
 * deadletter_recall.c. */
#pragma once

#include "kafka_conf.h"
#include "kafka_letter.h"
#include "kafka_trouble.h"

struct dl_recalled {
    int64_t *offsets; /* by source partition, -1: none */
    int32_t count;
};

struct dl_deadletter {
    struct dl_kafka_trouble trouble;
    struct dl_note_sink *notes;
    char *topic;
    char **source_topics;
    size_t source_topic_count;
    rd_kafka_conf_t *conf, *consumer_conf;
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    rd_kafka_topic_t *handle;

    struct dl_letters letters;     /* unconfirmed, oldest first */
    struct dl_letter *waiting;     /* the oldest that librdkafka does not have; those behind it wait too */
    size_t outstanding, outstanding_bytes, flying;
    bool flying_alone;
    int64_t delivered;

    int32_t partition_count;       /* of the topic, 0: not known */
    int32_t partition_count_next;  /* taken over when nothing is in flight */
    int64_t topic_due_ms;          /* next look at the topic */
    unsigned topic_attempt;
    bool missing, refused, unwell; /* noted */

    bool failed;                   /* since the last clean start: wait until nothing is in flight */
    bool backing_off;
    rd_kafka_resp_err_t failed_code;
    char failed_reason[256];
    unsigned attempt;
    int64_t due_ms;                /* sending goes on then */
    size_t refused_bytes, taken_bytes; /* what the topic was seen to refuse and to take; 0: not yet */
    int64_t limits_until_ms;
    int64_t progress_ms;           /* the last confirmation, or the last time nothing was outstanding */
    bool stuck;                    /* noted */

    struct dl_recalled *recalled;  /* by source topic */
};

/* Which partition takes the dead letters of a source partition: neighbours go
 * to neighbours, so that the load is even. */
int32_t dl_deadletter_partition(const char *source_topic, int32_t source_partition, int32_t partition_count);

#define DL_DEADLETTER_HEADER "__delightd.errors."
