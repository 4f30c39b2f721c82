/* The checkpoint thread of kafka mode: becomes the owner of the scores, reads
 * the state back, and writes checkpoints; all that has to wait for Kafka, so that
 * the loop never does.
 *
 *        loop                            checkpoint thread
 *   acquire(term) ─────ring──────►  init_transactions (fences the former owner)
 *                                   owner record, its offset is the token
 *    ◄─────────────────ring──────   HEAD      token, the newest head
 *    ◄──────────────────────────    STATE …   records of cx.state
 *    ◄──────────────────────────    ACQUIRED  bounds of cx.tallies
 *   save(records) ────────────►     one transaction
 *    ◄──────────────────────────    SAVED, or LOST: another one is the owner
 *
 * A term is one spell of ownership; messages of an earlier one are to be ignored. */
#pragma once

#include "kafka.h"
#include "record.h"

struct dl_checkpoint;

struct dl_checkpoint_options {
    struct dl_kafka_options kafka;
    const char *transactional_id, *state_topic, *tallies_topic, *instance;
    int record_version;
    void (*on_message)(void *context); /* checkpoint thread: something is there, or the thread has ended */
    void *context;
};

enum dl_checkpoint_kind {
    DL_CHECKPOINT_HEAD, DL_CHECKPOINT_STATE, DL_CHECKPOINT_ACQUIRED, DL_CHECKPOINT_SAVED,
    DL_CHECKPOINT_LOST /* status says why: DL_FENCED by another owner, DL_FATAL, DL_REFUSED, … */
};

struct dl_checkpoint_message {
    enum dl_checkpoint_kind kind;
    enum dl_status status;
    uint64_t term;
    int64_t token;                  /* HEAD: offset of the owner record */
    int64_t done, of;               /* STATE: records of cx.state read so far, and all */
    int64_t first, end;             /* ACQUIRED: of cx.tallies, read after the former owner was fenced */
    struct dl_record_bytes records; /* HEAD (none or one), STATE: dl_records_next */
};
void dl_checkpoint_message_destroy(struct dl_checkpoint_message *message);

/* Records in one buffer, for the way between threads. value NULL: a tombstone. */
struct dl_record_pair {
    const void *key, *value;
    size_t key_bytes, value_bytes;
    int64_t offset; /* where it stands in cx.state; 0 for what is to be written */
};
DL_MUST_USE enum dl_status dl_records_add(struct dl_record_bytes *records, const struct dl_record_pair *pair);
/* *at begins at 0; false: that was the last one. */
bool dl_records_next(const struct dl_record_bytes *records, size_t *at, struct dl_record_pair *pair);

DL_MUST_USE enum dl_status dl_checkpoint_start(struct dl_checkpoint **checkpoint, const struct dl_checkpoint_options *options);
/* Asks the thread to end, finishing what it has been given if it can within deadline_ms. */
void dl_checkpoint_stop(struct dl_checkpoint *checkpoint, int64_t deadline_ms);
bool dl_checkpoint_ended(const struct dl_checkpoint *checkpoint);
void dl_checkpoint_join(struct dl_checkpoint *checkpoint); /* waits, and frees it */

/* Loop thread. Begins a term (terms grow); whatever was under way is abandoned. */
void dl_checkpoint_acquire(struct dl_checkpoint *checkpoint, uint64_t term);
/* The term is over. */
void dl_checkpoint_release(struct dl_checkpoint *checkpoint);
/* Takes the records' memory when DL_OK. DL_FULL: one is being saved. */
DL_MUST_USE enum dl_status dl_checkpoint_save(struct dl_checkpoint *checkpoint, uint64_t term, struct dl_record_bytes *records);
/* NULL: none is there. The caller's to destroy. */
struct dl_checkpoint_message *dl_checkpoint_next(struct dl_checkpoint *checkpoint);
/* Any thread. */
void dl_checkpoint_counts(const struct dl_checkpoint *checkpoint, struct dl_transactions_counts *counts);
