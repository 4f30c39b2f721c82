/* The inside of ingest, shared by ingest.c (the thread, batches, positions, memory mode), ingest_records.c and
 * ingest_group.c (kafka mode: membership, transactions, rebalances). */
#pragma once

#include "ingest.h"

#include <delight/dedupe.h>

#include <pthread.h>
#include <stdatomic.h>

enum {
    DL_INGEST_POLL_MS = 5,  /* how long one call into librdkafka may wait */
    DL_INGEST_WAIT_MS = 5,  /* between two tries while the next stage is busy */
    DL_INGEST_FIGURES_SLOTS = 2,
    DL_INGEST_WAITING = 2,  /* events, until they are counted */
};

struct dl_ingest_partition {
    struct dl_dedupe *dedupe; /* NULL: off, or nothing seen yet */
    int64_t next;             /* first offset that no batch covers; -1: unknown */
    int64_t end;              /* as the last batch has it; -1: none has */
    int64_t timestamp_ms;     /* of the last record that was read; 0: none yet */
};

struct dl_ingest_topic {
    struct dl_ingest_partition *partitions;
    size_t partition_count;
};

/* Where a record came from. */
struct dl_ingest_place {
    uint16_t topic;
    int32_t partition;
    int64_t offset;
    int64_t end;          /* of the partition, as last seen */
    int64_t timestamp_ms; /* -1: none */
    int64_t bytes;        /* key and value */
};

/* An accepted event that waits to be counted (ingest_records.c). */
struct dl_ingest_event {
    struct dl_ingest_place place;
    struct dl_dedupe_mark mark;
    bool warm_up; /* only looked at for duplicates */
    struct dl_event event; /* its names lie in the record. Last, as most of it is not used */
};

struct dl_ingest {
    struct dl_ingest_options options;
    struct dl_kafka_source *source;   /* kafka mode: NULL while this process is not in the group */
    struct dl_deadletter *deadletter; /* memory mode */
    struct dl_decoder *decoder;
    struct dl_ingest_topic *topics;
    struct dl_batch *open;
    unsigned waiting_first, waiting_count; /* where the ring `waiting` begins, and what it holds; none between polls */
    int64_t delivered_reported; /* dead letters */
    int64_t handed_ms;          /* when the last batch was handed over */
    int64_t settle_ms;          /* not before this is ingest held up for dead letters again */
    int64_t progress_ms;        /* when the re-read was last noted */
    int64_t started_ms;
    struct dl_ring *figures;    /* of struct dl_ingest_figures *, to the loop */
    int64_t figures_ms;         /* when they are due */
    int64_t begun;              /* partitions whose start has not been noted yet */
    struct dl_kafka_statistics kafka;
    bool caught_up;
    enum dl_ingest_fault fault; /* it ends because of this */

    /* Kafka mode */
    struct dl_commit *commit;               /* NULL: memory mode */
    struct dl_commit_options commit_options;
    struct dl_kafka_group_options group;
    struct dl_kafka_letters *letters;       /* of the open batch; NULL: none yet */
    struct dl_kafka_membership *membership; /* when the open batch was opened; NULL: not a member then */
    uint64_t epoch;                         /* of the assignment */
    int64_t forgotten;                      /* partitions without the committed offset that they had */
    struct dl_chain *origin;                /* where partitions without committed offsets go on; NULL: not asked yet */

    pthread_t thread;
    /* The loop writes, ingest reads; nothing else depends on their order. */
    atomic_bool stop, stop_on_data_loss;
    atomic_int_fast64_t batch_interval_ms;
    atomic_bool ended;

    struct dl_ingest_event waiting[DL_INGEST_WAITING]; /* last: what each record needs of the others lies together */
};

/* ---- ingest.c ---- */

struct dl_note_sink *dl_ingest_notes(const struct dl_ingest *ingest);
/* Asked to end, or ended by a fault: nothing more is read. */
bool dl_ingest_stopping(const struct dl_ingest *ingest);
/* Nothing more is counted: it is ending, or what was read is going to be dropped and read again. */
bool dl_ingest_deaf(const struct dl_ingest *ingest);
_Noreturn void dl_ingest_out_of_memory(const struct dl_ingest *ingest);
void dl_ingest_open_batch(struct dl_ingest *ingest);
/* The open batch is at its limit: nothing more is read until it is gone. */
void dl_ingest_hand_over_or_wait(struct dl_ingest *ingest);
/* For dead letters or for the loop, whichever is in the way. */
void dl_ingest_wait_a_little(struct dl_ingest *ingest);
/* One that there is not yet. */
struct dl_ingest_partition *dl_ingest_new_partition(struct dl_ingest *ingest, uint16_t topic, int32_t number);

static inline struct dl_ingest_partition *dl_ingest_partition_at(struct dl_ingest *ingest, uint16_t topic, int32_t number)
{
    DL_ASSERT(topic < ingest->options.source.topic_count && number >= 0);
    return (size_t)number < ingest->topics[topic].partition_count ? &ingest->topics[topic].partitions[number]
                                                                  : dl_ingest_new_partition(ingest, topic, number);
}

/* The open batch has [from, next) of the partition; from matters where it had nothing of it. */
void dl_ingest_cover(struct dl_ingest *ingest, struct dl_ingest_partition *partition, uint16_t topic, int32_t number,
                     int64_t from, int64_t next, int64_t end);
/* What was remembered of all partitions is void. */
void dl_ingest_forget_partitions(struct dl_ingest *ingest);
extern const struct dl_kafka_callbacks dl_ingest_callbacks; /* without context */

/* ---- ingest_records.c ---- */

/* Of struct dl_kafka_callbacks. */
void dl_ingest_on_record(void *context, struct dl_kafka_record *record);
/* Counts the events that wait. Of struct dl_kafka_callbacks as well: their records are about to go. */
void dl_ingest_settle(void *context);

/* ---- ingest_figures.c ---- */

/* Of struct dl_kafka_source_options. */
void dl_ingest_on_statistics(void *context, const char *json, size_t bytes);
/* To the loop, once a second. */
void dl_ingest_tell_figures(struct dl_ingest *ingest, int64_t now_ms);

/* ---- ingest_group.c ---- */

DL_MUST_USE enum dl_status dl_ingest_group_start(struct dl_ingest *ingest);
/* Joins the group, or leaves it, as the batch producer's state has it. true: there is a source to poll. */
bool dl_ingest_group_tend(struct dl_ingest *ingest);
/* Gives the open batch to the commit thread; false: not now. */
bool dl_ingest_group_hand_over(struct dl_ingest *ingest);
/* What was read and not committed is dropped: the open batch, and one under way. */
void dl_ingest_group_drop(struct dl_ingest *ingest);
/* Copies the record for the open batch's transaction. false: it was not taken (deaf). */
bool dl_ingest_group_dead_letter(struct dl_ingest *ingest, const struct dl_kafka_record *record, const char *reason,
                                 const char *detail);
/* Notes who this process is in the group: the open batch will be committed under it. */
void dl_ingest_group_capture(struct dl_ingest *ingest);
/* Commits what is there within the deadline, leaves the group, ends the commit thread. */
void dl_ingest_group_end(struct dl_ingest *ingest, int64_t deadline_ms);
