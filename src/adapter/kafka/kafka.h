/* Kafka: the source of events, and where what is not an event goes. */
#pragma once

#include <delight/name.h>
#include <delight/note.h>
#include <delight/status.h>

#include <stddef.h>
#include <stdint.h>

struct dl_kafka_property {
    const char *key, *value;
};

/* Borrowed for the call that takes it. */
struct dl_kafka_options {
    const struct dl_kafka_property *properties; /* librdkafka's own keys, as configured */
    size_t property_count;
    const char *instance; /* client.id unless configured */
    struct dl_note_sink *notes; /* outlives the object */
};

/* Whether librdkafka takes these properties, without connecting. On DL_INVALID
 * error says which key, and what is wrong with it. Keys that delightd owns are
 * refused here. */
DL_MUST_USE enum dl_status dl_kafka_check(const struct dl_kafka_options *options, char *error, size_t error_size);
/* The same, and whether transactions of timeout_ms can be made with them (kafka mode). */
DL_MUST_USE enum dl_status dl_kafka_check_transactions(const struct dl_kafka_options *options, int timeout_ms, char *error,
                                                       size_t error_size);
/* "2.0.2". */
const char *dl_kafka_version(void);

/* ---- Source: memory mode, every partition of every topic, assigned by hand;
 *              kafka mode, what the consumer group gives this process ---- */

struct dl_kafka_source;

/* Kafka mode. The group is kafka.properties group.id. */
struct dl_kafka_group_options {
    /* Where a partition goes on whose group has no committed offset: DL_KAFKA_AT_FIRST, or
     * DL_KAFKA_NOT_KNOWN (asked again later), or an offset. Inside poll. */
    int64_t (*missing_offset)(void *context, uint16_t topic, int32_t partition);
    /* It was such an offset, asked twice: reading goes on there, at `from`; the partition ends at `to`. Inside poll. */
    void (*on_forgotten)(void *context, uint16_t topic, int32_t partition, int64_t from, int64_t to);
    /* Partitions go away. lost: another process may have them already, so what is
     * not committed is dropped at once. Otherwise: returns when what was read is
     * committed or dropped. Nothing of them is delivered afterwards; those that
     * stay or come (back) begin with on_start at their committed offset. Inside poll. */
    void (*on_revoke)(void *context, bool lost);
    /* Partitions have come; on_start follows for each. Inside poll. */
    void (*on_assign)(void *context, size_t partitions);
    /* Longer than any transaction may hold positions back: where a partition goes on and is not to be had for so long
     * is an alarm (source_stuck.c). */
    int64_t patience_ms;
    /* It is so now; again each time that patience is over. Inside poll. */
    void (*on_stuck)(void *context);
    /* For waiting in a rebalance. Not asked as yet: poll looks positions up a request
     * at a time, which takes a second at most. */
    bool (*give_up)(void *context);
    void *context;
};
#define DL_KAFKA_AT_FIRST INT64_C(-1)
#define DL_KAFKA_NOT_KNOWN INT64_C(-2)

struct dl_kafka_source_options {
    struct dl_kafka_options kafka;
    const char *const *topics;
    size_t topic_count;
    int64_t start_ms;         /* read from the first record not older; INT64_MIN: from the beginning */
    int64_t warm_up_records;  /* read so many offsets before that, marked warm_up (dedupe) */
    int64_t retention_ms_min; /* warn when a topic keeps less than this; 0: do not look */
    bool dead_letters;        /* the topics hold them: room for their error headers behind the first 64 */
    const struct dl_kafka_group_options *group; /* NULL: memory mode. Copied. start_ms is not used with it */
    /* librdkafka's statistics (STATISTICS.md of it), every few seconds, inside poll; with the callbacks' context.
     * Borrowed. NULL: not wanted. */
    void (*on_statistics)(void *context, const char *json, size_t bytes);
};

enum { DL_KAFKA_HEADERS_MAX = 64, DL_KAFKA_ERROR_HEADERS = 6 };

struct dl_kafka_header {
    const char *key;
    const char *value; /* NULL: none */
    size_t value_bytes;
};

/* Borrowed: valid during on_record; key, value and what the headers point to until on_settle, but not their list. */
struct dl_kafka_record {
    uint16_t topic; /* index into topics */
    int32_t partition;
    int64_t offset;
    int64_t end;          /* the partition's high watermark as last seen */
    int64_t timestamp_ms; /* -1: none */
    const void *key, *value; /* NULL: none */
    size_t key_bytes, value_bytes;
    /* None before dl_kafka_take_headers. Up to DL_KAFKA_HEADERS_MAX; of dead letters, DL_KAFKA_ERROR_HEADERS more. */
    const struct dl_kafka_header *headers;
    size_t header_count;
    bool warm_up;         /* before the start: for duplicates only, not to be counted */
    struct dl_kafka_source *source; /* where the headers come from, and of which message; NULL: there are no others */
    const void *message;
};

struct dl_kafka_callbacks {
    void (*on_record)(void *context, struct dl_kafka_record *record);
    /* After one record or several, before anything else is told: their memory is about to go. NULL: not wanted. */
    void (*on_settle)(void *context);
    /* The partition starts (or starts again, after data was lost) at `offset`: what
     * was remembered of it (duplicates) is void. */
    void (*on_start)(void *context, uint16_t topic, int32_t partition, int64_t offset);
    /* The partition's position without a record: end of partition, transaction
     * markers passed over, end grown. */
    void (*on_position)(void *context, uint16_t topic, int32_t partition, int64_t next, int64_t end);
    /* Records [from, to) are gone from the topic before they were read. Kafka mode: to < from where the group's
     * position is beyond the end: the topic was made anew, or its log cut off, and is read from `to` on. */
    void (*on_loss)(void *context, uint16_t topic, int32_t partition, int64_t from, int64_t to);
    void *context;
};

/* Inside on_record: gives the record its headers, unless it has them. librdkafka
 * unpacks them into memory of its own, and takes some 200 ns for that even when
 * a record has none; there is no way to ask before. */
void dl_kafka_take_headers(struct dl_kafka_record *record);

/* Never connects by itself in the call: brokers that are away, topics that are
 * missing, refused authorisation are noted once each (and once when over), and
 * retried with backoff and jitter from dl_kafka_source_poll.
 * DL_INVALID: librdkafka refuses a property; the sentence is noted. */
DL_MUST_USE enum dl_status dl_kafka_source_create(const struct dl_kafka_source_options *options,
                                                  const struct dl_kafka_callbacks *callbacks,
                                                  struct dl_kafka_source **source);
/* Leaves within about a second, broker or not. */
void dl_kafka_source_destroy(struct dl_kafka_source *source);

/* One thread (ingest) calls poll, and gets every callback from inside it.
 * Waits at most timeout_ms for something to happen. */
void dl_kafka_source_poll(struct dl_kafka_source *source, int timeout_ms);

/* Everything that was in every topic when it was first seen has been delivered
 * (topics that do not exist count as empty). False while a partition's end is
 * not known yet. Stays true. */
bool dl_kafka_source_caught_up(const struct dl_kafka_source *source);

/* Progress of the re-read, summed over partitions: records read and to read. */
void dl_kafka_source_progress(const struct dl_kafka_source *source, int64_t *read, int64_t *total);

size_t dl_kafka_source_partitions(const struct dl_kafka_source *source); /* assigned now */
/* Kafka has said which partitions are this process's, be it none. */
bool dl_kafka_source_assigned(const struct dl_kafka_source *source);

/* Kafka mode: partitions of this process that nothing is read of, since where they go on is not to be had for longer
 * than patience_ms. The alarm is noted. */
size_t dl_kafka_source_stuck(const struct dl_kafka_source *source);

/* The re-read of a partition, memory mode: [begun, target) is what it held from
 * start_ms on when it was first seen. False: not known yet, or it came later. */
bool dl_kafka_source_range(const struct dl_kafka_source *source, uint16_t topic, int32_t partition, int64_t *begun,
                           int64_t *target);

/* Kafka mode: everything not committed was dropped; every partition goes on at
 * its committed offset (on_start follows from a later poll). Ingest thread. */
void dl_kafka_source_rewind(struct dl_kafka_source *source);

/* Who this process is in the group at this moment: goes with the positions into
 * the transaction that commits them. */
struct dl_kafka_membership;
/* NULL: not a member now (generation below 0 or no member id), so nothing may be
 * committed. Ingest thread; the caller's to destroy, on any thread. */
struct dl_kafka_membership *dl_kafka_source_membership(struct dl_kafka_source *source);
void dl_kafka_membership_destroy(struct dl_kafka_membership *membership);

/* ---- Dead letters ---- */

struct dl_deadletter;

struct dl_deadletter_options {
    struct dl_kafka_options kafka;
    const char *topic;
    const char *const *source_topics; /* a record's topic is an index into these */
    size_t source_topic_count;
};

/* The producer: idempotent, acks all, retries for ever, in order. */
DL_MUST_USE enum dl_status dl_deadletter_create(const struct dl_deadletter_options *options, struct dl_deadletter **deadletter);
/* Waits at most timeout_ms for what is outstanding, then drops it (noted with its number). */
void dl_deadletter_destroy(struct dl_deadletter *deadletter, int timeout_ms);

/* Copies the record with key, value, headers and the headers
 * __delightd.errors.{topic,partition,offset,timestamp,reason,detail}. A value
 * that the topic does not take is cut, and the detail says so.
 * DL_FULL: too much is outstanding; poll and call again. */
DL_MUST_USE enum dl_status dl_deadletter_send(struct dl_deadletter *deadletter, const struct dl_kafka_record *record,
                                              const char *reason, const char *detail);
/* Serves delivery reports; waits at most timeout_ms. Same thread as send. */
void dl_deadletter_poll(struct dl_deadletter *deadletter, int timeout_ms);
/* Sent and not yet confirmed: the source position must not move past them. */
size_t dl_deadletter_outstanding(const struct dl_deadletter *deadletter);
int64_t dl_deadletter_delivered(const struct dl_deadletter *deadletter);

/* Reads the dead-letter topic from since_ms on and remembers, per source
 * partition, the highest source offset that stands there, so that a re-read
 * does not send it again (records of one source partition go to one partition,
 * in order). Blocks up to timeout_ms; called before the source is read.
 * DL_TIMEOUT: call again, it goes on where it was. DL_AWAY: try again later. */
DL_MUST_USE enum dl_status dl_deadletter_recall(struct dl_deadletter *deadletter, int64_t since_ms, int timeout_ms);
/* Highest recalled offset of a source partition, -1: none. */
int64_t dl_deadletter_recalled(const struct dl_deadletter *deadletter, uint16_t topic, int32_t partition);

/* ---- Dead letters, read and sent again: `delightd deadletter` ---- */

/* What a dead letter says of the record it is a copy of. Borrowed from the letter. */
struct dl_kafka_letter {
    struct dl_name topic;    /* where the record stood */
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;    /* -1: it had none */
    struct dl_name reason, detail;
    bool cut;                /* not the whole record: its value was cut, or its key and headers left out */
    struct dl_name resent;   /* "TOPIC:PARTITION:OFFSET": the record itself was a dead letter that was sent again; else no name */
};

/* False: delightd did not write this record. */
bool dl_kafka_letter_read(const struct dl_kafka_record *record, struct dl_kafka_letter *letter);
/* The headers that the letter's record had, without delightd's own, and the mark
 * `resent` ("TOPIC:PARTITION:OFFSET" of the letter) in front. out has room for
 * header_count + 1; returns their number. */
size_t dl_kafka_letter_headers(const struct dl_kafka_record *record, const char *resent, struct dl_kafka_header *out);

/* A record to be sent again; borrowed for the call. */
struct dl_kafka_resend {
    const char *topic;
    int32_t partition;    /* -1: by key */
    int64_t timestamp_ms; /* -1: now */
    const void *key, *value; /* NULL: none */
    size_t key_bytes, value_bytes;
    const struct dl_kafka_header *headers;
    size_t header_count;
    size_t number;        /* the caller's, for on_resent */
};

enum dl_kafka_resent {
    DL_KAFKA_RESENT,       /* all replicas have it */
    DL_KAFKA_NOT_RESENT,   /* it is not in the topic */
    DL_KAFKA_MAYBE_RESENT, /* no answer: it may be there, or not */
};
/* Inside send, poll and destroy. reason: NULL when it is resent. alone: what failed is this
 * record's own (its size, its timestamp), not to be expected of others. */
typedef void dl_kafka_on_resent(void *context, size_t number, enum dl_kafka_resent how, const char *reason, bool alone);

struct dl_kafka_resender;
/* An idempotent producer, all replicas; what is not taken within timeout_ms fails. DL_INVALID: noted. */
DL_MUST_USE enum dl_status dl_kafka_resender_create(const struct dl_kafka_options *options, int timeout_ms,
                                                    dl_kafka_on_resent *on_resent, void *context,
                                                    struct dl_kafka_resender **resender);
/* Reports what is outstanding as not or maybe resent. */
void dl_kafka_resender_destroy(struct dl_kafka_resender *resender);
/* Copies the record. DL_FULL: too much is outstanding; poll and call again. */
DL_MUST_USE enum dl_status dl_kafka_resender_send(struct dl_kafka_resender *resender, const struct dl_kafka_resend *resend);
void dl_kafka_resender_poll(struct dl_kafka_resender *resender, int timeout_ms);
size_t dl_kafka_resender_outstanding(const struct dl_kafka_resender *resender);

/* ---- Transactions: what is written is there whole, with the positions, or not at all ---- */

/* A transactional producer. All calls from one thread, which they may hold up:
 * they wait for Kafka, in steps of about half a second between which give_up is
 * asked. The one exception is the sending of positions, which librdkafka does not
 * resume: it takes up to socket.timeout.ms (half of timeout_ms by default) when
 * a broker hangs. */
struct dl_transactions;

struct dl_transactions_options {
    struct dl_kafka_options kafka;
    const char *transactional_id;
    const char *group;  /* whose positions are sent; NULL: none are */
    const char *left_open; /* a topic of one partition in which a predecessor has left something open
                            * (dl_transactions_left_open); NULL: none has, or nobody knows how it ended */
    int timeout_ms;   /* transaction.timeout.ms: readers wait so long for a producer that is gone */
    const char *name; /* for notes: "batches", "checkpoints" */
    bool (*give_up)(void *context); /* true: the process is ending */
    void *context;
};

/* Connects nowhere yet. DL_INVALID: librdkafka refuses a property; noted. */
DL_MUST_USE enum dl_status dl_transactions_create(const struct dl_transactions_options *options,
                                                  struct dl_transactions **transactions);
/* An open transaction is aborted if that takes less than wait_ms (half a second
 * at least; 0: it is left to the next init, or to its timeout). */
void dl_transactions_destroy(struct dl_transactions *transactions, int wait_ms);

/* Once, first. Fences whoever had this transactional.id and ends what he left
 * open: when it returns, readers of committed records wait for that no more.
 * Retries what can be retried, also what is not allowed, with backoff, noted
 * once. DL_OK; DL_STOPPED: given up; DL_FENCED, DL_FATAL: destroy it, create
 * another. */
DL_MUST_USE enum dl_status dl_transactions_init(struct dl_transactions *transactions);

struct dl_kafka_position {
    const char *topic;
    int32_t partition;
    int64_t next; /* offset of the next record to be read */
};

struct dl_transaction {
    /* Produces the records (dl_transactions_produce …). Called again for another
     * try after an abort: the same records. A status that is not DL_OK aborts
     * and is returned. */
    enum dl_status (*fill)(void *context, struct dl_transactions *transactions);
    /* Between tries and while waiting: the transaction is not wanted any more
     * (its partitions are gone). NULL: it always is. */
    bool (*unwanted)(void *context);
    /* A record was too large for its topic: make it smaller before fill comes
     * again. false: it cannot be; DL_REFUSED is returned. opaque as given to produce. */
    bool (*too_large)(void *context, void *opaque);
    void *context;
    const struct dl_kafka_position *positions; /* committed with it; 0: none */
    size_t position_count;
    struct dl_kafka_membership *membership; /* held for as long as it takes */
};

/* Begins, fills, sends the positions, commits. Retriable errors are tried again,
 * abortable ones after an abort, both with backoff and noted once, as long as
 * the transaction is wanted.
 * DL_OK: committed. DL_STOPPED: unwanted, or given up, or the membership is of
 * the past: a transaction that was open is aborted, or will be by the next run or
 * init. One whose commit was under way for two seconds more may still be
 * committed; the next run waits for that. DL_REFUSED: a record that cannot be made
 * smaller. DL_FENCED: another producer with this transactional.id is at work.
 * DL_FATAL: librdkafka gave up, or the transaction took longer than timeout_ms and
 * Kafka ended it (another producer may be at work all the same), or one that was
 * aborted has left records of which nobody knows whether they were written. After these two:
 * destroy it, create another; whether the last one is committed shows in what Kafka
 * has. What is not allowed is retried for ever. */
DL_MUST_USE enum dl_status dl_transactions_run(struct dl_transactions *transactions, const struct dl_transaction *transaction);

/* Of a producer that is no member of the group: it sends positions as producers did before groups fenced them. NULL: out of
 * memory. */
struct dl_kafka_membership *dl_kafka_membership_of_nobody(const char *group);
/* Whether it goes with a transaction that is certainly not committed, and may have left something open. */
bool dl_transactions_left_open(const struct dl_transactions *transactions);

/* Inside fill only. Copies key and value. value NULL: a tombstone. partition -1:
 * by key. Waits while librdkafka's queue is full. Not DL_OK: nothing more is taken
 * in this try; fill returns it. */
DL_MUST_USE enum dl_status dl_transactions_produce(struct dl_transactions *transactions, const char *topic, int32_t partition,
                                                   const void *key, size_t key_bytes, const void *value, size_t value_bytes,
                                                   void *opaque);
/* Offset of the last record of the transaction that was committed last; -1: not known. */
int64_t dl_transactions_last_offset(const struct dl_transactions *transactions);

struct dl_transactions_counts { /* any thread */
    int64_t committed, aborted, retried, fenced;
};
void dl_transactions_counts(const struct dl_transactions *transactions, struct dl_transactions_counts *counts);

/* Records that are not events, copied, until a transaction takes them along. */
struct dl_kafka_letters;
/* source_topics: a record's topic is an index into these; borrowed. NULL: out of memory. */
struct dl_kafka_letters *dl_kafka_letters_create(const char *const *source_topics, size_t bytes_max);
void dl_kafka_letters_destroy(struct dl_kafka_letters *letters);
/* As dl_deadletter_send. DL_FULL: over bytes_max (one letter always fits). */
DL_MUST_USE enum dl_status dl_kafka_letters_add(struct dl_kafka_letters *letters, const struct dl_kafka_record *record,
                                                const char *reason, const char *detail);
size_t dl_kafka_letters_count(const struct dl_kafka_letters *letters);
/* Inside fill only. A letter that its topic does not take is cut (in the same
 * way as dl_deadletter_send's), without the caller's too_large. */
DL_MUST_USE enum dl_status dl_transactions_produce_letters(struct dl_transactions *transactions, const char *topic,
                                                           struct dl_kafka_letters *letters);

/* ---- The scorer's side: cx.tallies through the score group, without waiting ---- */

struct dl_tallies;

struct dl_tallies_options {
    struct dl_kafka_options kafka;
    const char *topic;    /* one partition */
    const char *group_id; /* GROUP-score */
    /* As the source's, every second. */
    void (*on_statistics)(void *context, const char *json, size_t bytes);
};

/* All from inside dl_tallies_poll. */
struct dl_tallies_callbacks {
    /* The partition is this process's. Records come after dl_tallies_begin. */
    void (*on_owner)(void *context);
    /* It is not any more; nothing comes from now on. */
    void (*on_lost)(void *context);
    void (*on_record)(void *context, int64_t offset, int64_t timestamp_ms, const void *value, size_t bytes);
    /* Everything before `next` has been delivered; told at the end of the log and now and then. */
    void (*on_position)(void *context, int64_t next, int64_t end);
    /* [from, to) is gone from the topic; reading goes on at `to`. to < from: the
     * topic ends before `from` (made anew, or cut); it is read from its first record. */
    void (*on_loss)(void *context, int64_t from, int64_t to);
    void *context;
};

/* Loop thread. DL_INVALID: noted. */
DL_MUST_USE enum dl_status dl_tallies_create(const struct dl_tallies_options *options, const struct dl_tallies_callbacks *callbacks,
                                             struct dl_tallies **tallies);
/* Leaves the group (so that another takes over at once), within about wait_ms. */
void dl_tallies_destroy(struct dl_tallies *tallies, int wait_ms);
/* The group has said whose the partition is. */
bool dl_tallies_assigned(const struct dl_tallies *tallies);
/* Readable when poll has something to do. */
int dl_tallies_fd(const struct dl_tallies *tallies);
/* Never waits. At most `max` records. true: there may be more. Also due every
 * second or so (timers of its own: positions, making a client anew). */
bool dl_tallies_poll(struct dl_tallies *tallies, int max);
/* After on_owner: deliver from `offset` on. Also to go to another offset. */
void dl_tallies_begin(struct dl_tallies *tallies, int64_t offset);
/* No records until resumed (the caller is busy with a checkpoint): simply do not call poll. */

/* ---- Reading a log of one partition, waiting: the checkpoint thread's ---- */

struct dl_kafka_log;
/* DL_INVALID: noted. Committed records only. */
DL_MUST_USE enum dl_status dl_kafka_log_create(const struct dl_kafka_options *options, const char *topic,
                                               bool (*give_up)(void *context), void *context, struct dl_kafka_log **log);
void dl_kafka_log_destroy(struct dl_kafka_log *log);
/* The first offset, and the end of what is committed: where the oldest open
 * transaction begins, or else the log's end. Retries for ever, noted
 * once. DL_EMPTY: the topic does not exist. DL_REFUSED: it has several
 * partitions, or may not be read (noted). DL_STOPPED: given up. */
DL_MUST_USE enum dl_status dl_kafka_log_bounds(struct dl_kafka_log *log, int64_t *first, int64_t *end);
/* Delivers [from, until) in order and returns when all of it was (transaction
 * markers have offsets and are not delivered); waits for what is not committed
 * yet. Stops at a status that is not DL_OK, and returns it. DL_EMPTY: from is not
 * in the topic (any more), or the topic is gone. DL_STOPPED: given up. DL_FATAL:
 * librdkafka gave up; destroy it, create another. */
typedef enum dl_status dl_kafka_log_on_record(void *context, int64_t offset, int64_t timestamp_ms, const void *key,
                                              size_t key_bytes, const void *value, size_t value_bytes);
DL_MUST_USE enum dl_status dl_kafka_log_read(struct dl_kafka_log *log, int64_t from, int64_t until,
                                             dl_kafka_log_on_record *on_record, void *context);

/* ---- Topics: `delightd topics` ---- */

struct dl_kafka_topic_wish {
    const char *name;
    int partitions;          /* 0: any number; to create: the broker's default */
    bool exact;              /* not more than `partitions` either */
    int replication;         /* at least; -1: any; to create: the broker's default */
    const struct dl_kafka_property *configs; /* wanted values, as cleanup.policy */
    size_t config_count;
};
/* Calls on_fault with a sentence for each thing that is not as wished: the topic
 * is missing, has other partitions, fewer replicas, another cleanup.policy;
 * retention.ms is compared as "at least". DL_OK: asked (see faults). DL_AWAY, DL_REFUSED: error says why. */
typedef void dl_kafka_on_topic_fault(void *context, const char *topic, const char *sentence);
DL_MUST_USE enum dl_status dl_kafka_topics_check(const struct dl_kafka_options *options, const struct dl_kafka_topic_wish *wishes,
                                                 size_t count, int timeout_ms, dl_kafka_on_topic_fault *on_fault, void *context,
                                                 char *error, size_t error_size);
/* Creates those that are missing. on_created for each; existing ones are left as they are. */
typedef void dl_kafka_on_topic_created(void *context, const char *topic);
DL_MUST_USE enum dl_status dl_kafka_topics_create(const struct dl_kafka_options *options, const struct dl_kafka_topic_wish *wishes,
                                                  size_t count, int timeout_ms, dl_kafka_on_topic_created *on_created,
                                                  void *context, char *error, size_t error_size);
