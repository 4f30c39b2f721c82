/* Where messages go: a Kafka topic, a file of lines, or nowhere. A sink is five verbs. */
#pragma once

#include "message.h"
#include "recount.h"
#include "schedule.h"
#include "settings.h"
#include "world.h"

#include <stdbool.h>
#include <stdint.h>

#define LD_LATENCY_BUCKETS LD_BUCKETS

enum ld_key { LD_KEY_ID, LD_KEY_TOUCHPOINT, LD_KEY_NONE };

struct ld_sink_options {
    const char *brokers;
    const char *topic;
    const char *compression;
    const char *partitioner;      /* NULL: librdkafka's default */
    const char *transactional_id; /* NULL: no transactions */
    int64_t transaction_messages;
    double aborted;               /* share of transactions that are aborted */
    int create_partitions;        /* 0: the topic must exist */
    enum ld_key key;
    const char *file;             /* NULL: Kafka */
    bool has_positions;           /* deliveries must say partition and offset */
    uint64_t seed;
};

struct ld_sink;

struct ld_sink_verbs {
    /* False: this message was refused for good, and why was said. */
    bool (*send)(struct ld_sink *sink, const struct ld_message *message);
    /* Serves deliveries for at most `timeout_ms`. */
    void (*poll)(struct ld_sink *sink, int timeout_ms);
    /* Whether the next message stays: false inside a transaction that will be aborted. */
    bool (*is_counted)(struct ld_sink *sink);
    /* Waits until everything is delivered. False: something was not, and why was said. */
    bool (*finish)(struct ld_sink *sink);
    void (*close)(struct ld_sink *sink);
};

struct ld_sink {
    const struct ld_sink_verbs *verbs;
    struct ld_recount *recount;          /* NULL: nobody asks where repeats lie */
    const struct ld_schedule *schedule;  /* for latencies from the intended send time */
    uint64_t sent, delivered, failed, bytes;
    uint64_t queued;
    struct ld_histogram latency; /* intended send time to acknowledgement, in steps of 10 microseconds */
    uint64_t latency_count;
    int64_t latency_max_us;
    bool has_failed; /* fatally: sending makes no sense any more */
};

/* NULL after a sentence on stderr. The options, settings and world must outlive the sink. */
struct ld_sink *ld_sink_kafka_open(const struct ld_sink_options *options, const struct ld_settings *settings,
                                   const struct ld_world *world);
struct ld_sink *ld_sink_file_open(const struct ld_sink_options *options);
struct ld_sink *ld_sink_none_open(void);

/* Latency in microseconds at a percentile; -1 without deliveries. */
int64_t ld_sink_latency_us(const struct ld_sink *sink, int percent);
