/* The inside of dead letters, shared by deadletter.c (life, client),
 * deadletter_send.c (hand-over, reports, failures), deadletter_topic.c (what the
 * topic is, and takes) and deadletter_recall.c. */
#pragma once

#include "kafka_conf.h"
#include "kafka_letter.h"
#include "kafka_trouble.h"

struct dl_recalled {
    int64_t *offsets; /* by source partition, -1: none */
    int32_t count;
};

/* How large a record the topic takes. */
struct dl_deadletter_limits {
    size_t told_bytes;    /* its max.message.bytes, 0: not known */
    size_t refused_bytes; /* the smallest that was refused though it should fit, 0: none */
    size_t batch_bytes;   /* batch.size of the present client */
    size_t batch_bytes_max;
    int64_t refused_until_ms; /* a refusal is forgotten then: the topic's limit may have been raised */
    bool asked;               /* an answer may still come */
    int64_t wait_until_ms;    /* letters wait so long for it */
};

/* A partition of the topic, as the present client sees it. A broker that knows
 * nothing of a producer takes any sequence number from it: the gap that a
 * refused first batch leaves is noticed by nobody. So the first letter to a
 * partition flies alone, and again after a pause in which the broker may have
 * forgotten the producer (producer.id.expiration.ms). */
struct dl_deadletter_place {
    bool opening;      /* a first letter is in flight */
    int64_t opened_ms; /* the last confirmation; 0: none yet */
};

struct dl_deadletter {
    struct dl_kafka_trouble trouble;
    struct dl_note_sink *notes;
    char *topic;
    char **source_topics;
    size_t source_topic_count;
    rd_kafka_conf_t *conf, *consumer_conf;
    rd_kafka_t *client;
    rd_kafka_queue_t *queue, *admin_queue;
    rd_kafka_topic_t *handle;

    struct dl_letters letters;  /* unconfirmed, oldest first */
    struct dl_letter *waiting;  /* the oldest that librdkafka does not have; those behind it wait too */
    size_t outstanding, outstanding_bytes, flying;
    bool flying_alone;
    int64_t delivered;

    int32_t partition_count;      /* of the topic, 0: not known */
    int32_t partition_count_next; /* taken over when nothing is in flight */
    struct dl_deadletter_place *places; /* by partition */
    int64_t topic_due_ms;         /* next look at the topic */
    unsigned topic_attempt;
    struct dl_deadletter_limits limits;
    bool missing, refused, unwell, stuck; /* noted */

    bool failed;      /* a letter failed: wait until nothing is in flight, then start again */
    bool explained;   /* it is known which one, and why */
    bool backing_off; /* by a fault that may last */
    bool narrower;    /* a batch was too large: make smaller ones */
    rd_kafka_resp_err_t failed_code;
    char failed_reason[256];
    unsigned attempt;
    int64_t due_ms;      /* sending goes on then */
    int64_t purge_ms;    /* last purge of a client given up */
    int64_t progress_ms; /* the last confirmation, or the last time nothing was outstanding */

    struct dl_recalled *recalled; /* by source topic */
    struct dl_recall *recall;     /* under way; NULL: none */
};

/* ---- deadletter.c ---- */

/* The present client, which has no letters, is closed. */
void dl_deadletter_give_up_client(struct dl_deadletter *deadletter);
/* Makes a client where there is none. */
void dl_deadletter_open_client(struct dl_deadletter *deadletter);
void dl_deadletter_note_refused(struct dl_deadletter *deadletter, const char *reason);
void dl_deadletter_note_unwell(struct dl_deadletter *deadletter, const char *reason);
void dl_deadletter_free(struct dl_deadletter *deadletter, struct dl_letter *letter);

/* ---- deadletter_send.c ---- */

/* Does whatever is due; at most one request to a broker, for at most half a second. */
void dl_deadletter_step(struct dl_deadletter *deadletter);
void dl_deadletter_on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque);
/* Which partition takes the dead letters of a source partition: neighbours go
 * to neighbours, so that the load is even. */
int32_t dl_deadletter_partition(const char *source_topic, int32_t source_partition, int32_t partition_count);

/* ---- deadletter_topic.c ---- */

/* Asks how many partitions there are, and how large a record may be. */
void dl_deadletter_look_at_topic(struct dl_deadletter *deadletter);
void dl_deadletter_serve_limits(struct dl_deadletter *deadletter);
/* The letter is made to fit into what is known. */
void dl_deadletter_fit(struct dl_deadletter *deadletter, struct dl_letter *letter);
/* The batch that held the letter was refused for its size. */
void dl_deadletter_too_large(struct dl_deadletter *deadletter, struct dl_letter *letter);

/* ---- deadletter_recall.c ---- */

struct dl_recall;
/* Gives up what is under way, if anything is. */
void dl_deadletter_recall_close(struct dl_deadletter *deadletter);
