/* The ingest thread: records in, sealed batches out. It owns the source, the
 * decoder, the duplicates, the dead letters and the open batch; the ring and a
 * wake-up are all that the loop sees of it.
 *
 *   memory mode   source ─► open batch ─► ring ─► loop
 *   kafka mode    source ─► open batch ─► commit thread (Kafka) ─► ring ─► loop, for its figures */
#pragma once

#include "codec.h"
#include "commit.h"
#include "head.h"
#include "kafka.h"
#include "statistics.h"

#include <delight/batch.h>
#include <delight/ring.h>

struct dl_ingest;

struct dl_ingest_options {
    struct dl_kafka_source_options source;
    const char *dead_letter_topic;   /* NULL: rejects are counted and noted only */
    struct dl_decode_options decode;
    struct dl_batch_options batch;
    int64_t batch_interval_ms;
    int64_t dedupe_records;          /* 0: off */
    int64_t shutdown_timeout_ms;     /* for outstanding dead letters, and the last transaction */
    struct dl_ring *ring;            /* of struct dl_batch *; ingest (kafka mode: the commit thread) is its producer */
    void (*on_batch)(void *context); /* ingest or commit thread: something was pushed, or ingest has ended */
    void *context;
    /* Kafka mode; NULL: memory mode. The ring, on_batch and context in it are set here. */
    const struct dl_commit_options *commit;
    const char *state_topic;
    bool stop_on_data_loss; /* memory mode goes on */
};

/* Why ingest has ended by itself. */
enum dl_ingest_fault {
    DL_INGEST_GOOD, DL_INGEST_DATA_LOST, DL_INGEST_FENCED_OUT,
    DL_INGEST_REFUSED /* librdkafka refuses a property, noted */
};

/* Starts the thread. What the options point to outlives it.
 * DL_INVALID: Kafka refuses a property (noted). */
DL_MUST_USE enum dl_status dl_ingest_start(struct dl_ingest **ingest, const struct dl_ingest_options *options);

/* Loop thread. Asks it to seal what is open and end; on_batch tells when. */
void dl_ingest_stop(struct dl_ingest *ingest);
bool dl_ingest_ended(const struct dl_ingest *ingest);
enum dl_ingest_fault dl_ingest_fault(const struct dl_ingest *ingest); /* once it has ended */
/* Waits for the thread (at once after dl_ingest_ended) and frees it. */
void dl_ingest_join(struct dl_ingest *ingest);

/* Any thread; holds from the next batch on. */
void dl_ingest_set_batch_interval(struct dl_ingest *ingest, int64_t batch_interval_ms);
void dl_ingest_set_stop_on_data_loss(struct dl_ingest *ingest, bool stop);

/* What ingest knows of its source, as of a second or so ago. */
struct dl_ingest_figures {
    bool assigned; /* Kafka has said which partitions are this process's */
    uint64_t epoch; /* assignments that have ended (kafka mode) */
    int64_t forgotten; /* partitions that were counted and had no committed offset any more (kafka mode) */
    size_t stuck; /* partitions that nothing is read of: where they go on is not to be had (kafka mode) */
    int64_t opened_ms; /* monotonic: when the batch that is counted into was opened; 0: nothing is in it */
    struct dl_kafka_statistics kafka; /* zero until librdkafka has told */
    size_t partition_count;
    struct dl_ingest_position {
        uint16_t topic;
        int32_t partition;
        int64_t timestamp_ms; /* of the last record that was read; 0: none yet */
    } partitions[]; /* those that are read now */
};
/* Loop thread: the newest there is, the caller's to free; NULL: none since the last call. */
struct dl_ingest_figures *dl_ingest_take_figures(struct dl_ingest *ingest);
/* Any thread: a batch is on its way into Kafka (kafka mode). */
bool dl_ingest_committing(const struct dl_ingest *ingest);
/* Any thread; zero in memory mode. */
void dl_ingest_commit_counts(const struct dl_ingest *ingest, struct dl_transactions_counts *counts);
