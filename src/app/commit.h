/* The batch transactions of kafka mode: a thread that writes sealed batches to
 * cx.tallies, with their dead letters and their source positions in one Kafka
 * transaction, and hands what is committed on to the loop (for its figures).
 *
 *   ingest ─► one sealed batch ─► begin, records, dead letters, positions, commit ─► ring ─► loop
 *
 * One batch is under way; the next goes on merging in ingest. A batch belongs to
 * an epoch (one assignment of partitions): as long as that lasts, an aborted
 * transaction is tried again; when it is over, the batch is dropped. */
#pragma once

#include "kafka.h"
#include "record.h"

#include <delight/ring.h>

enum { DL_COMMIT_TIMEOUT_MS = 10000 }; /* of a transaction: readers wait so long for a process that is gone */

struct dl_commit;

struct dl_sealed {
    struct dl_batch *batch;
    struct dl_kafka_letters *letters;
    struct dl_kafka_membership *membership; /* NULL: the batch has no positions */
    uint64_t epoch;
};
void dl_sealed_destroy(struct dl_sealed *sealed); /* what it holds */

struct dl_commit_options {
    struct dl_kafka_options kafka;
    const char *transactional_id, *group, *tallies_topic;
    const char *dead_letter_topic; /* NULL: none */
    const char *const *topics;
    int record_version;
    int segments;
    struct dl_name segment[DL_SEGMENTS_MAX];
    struct dl_ring *ring;             /* of struct dl_batch *: what is committed; this thread is its producer */
    void (*on_batch)(void *context);  /* commit thread: something was pushed */
    /* Only for the build that is broken on purpose ("metadata_late"). */
    struct dl_kafka_membership *(*membership_now)(void *ingest);
    void *ingest;
    void *context;
};

/* Of the producer. BROKEN: librdkafka gave it up, or another process took its
 * place; ingest has to leave the group and say so (dl_commit_rejoin). FENCED_OUT:
 * the third time in a minute that another process did: this one has to stop. */
enum dl_commit_state { DL_COMMIT_STARTING, DL_COMMIT_READY, DL_COMMIT_BROKEN, DL_COMMIT_FENCED_OUT };

DL_MUST_USE enum dl_status dl_commit_start(struct dl_commit **commit, const struct dl_commit_options *options);
/* Ends the thread and waits for it: what is under way is given up. */
void dl_commit_stop(struct dl_commit *commit);
void dl_commit_destroy(struct dl_commit *commit); /* after stop; NULL is allowed */

/* All below: ingest thread. */
enum dl_commit_state dl_commit_state(const struct dl_commit *commit);
/* BROKEN only: this process has left the group; make a producer anew. */
void dl_commit_rejoin(struct dl_commit *commit);
bool dl_commit_idle(const struct dl_commit *commit); /* no batch is under way; any thread */
/* A batch was dropped though its epoch was not over (the group had moved on): all that was read since is
 * worth nothing, ingest has to go back to the committed positions. Cleared by dl_commit_set_epoch. */
bool dl_commit_dropped(const struct dl_commit *commit);
/* Takes what *sealed holds when DL_OK. DL_FULL: one is under way. DL_MEMORY. */
DL_MUST_USE enum dl_status dl_commit_push(struct dl_commit *commit, const struct dl_sealed *sealed);
/* Idle only: Kafka may have lost the end of the last batch's transaction; another commit ends it, once for a batch. */
void dl_commit_end_again(struct dl_commit *commit);
/* Batches of earlier epochs are not wanted any more. */
void dl_commit_set_epoch(struct dl_commit *commit, uint64_t epoch);
/* Any thread. */
void dl_commit_counts(const struct dl_commit *commit, struct dl_transactions_counts *counts);
