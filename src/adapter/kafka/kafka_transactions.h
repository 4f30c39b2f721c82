/* The inside of transactions, shared by transactions.c (life, client, init),
 * transactions_run.c (one transaction, from begin to commit or abort),
 * transactions_positions.c (the sending of positions) and transactions_produce.c
 * (records, delivery reports, what is too large). */
#pragma once

#include "kafka_conf.h"
#include "kafka_letter.h"
#include "kafka_trouble.h"

#include <stdatomic.h>

enum { DL_TRANSACTIONS_STEP_MS = 500 }; /* one call of librdkafka; then give_up is asked */

/*  NEW ──init──► READY ──begin──► OPEN ──────► COMMITTING ──┐
 *                  ▲                └──► ABORTING ◄─────────┤
 *                  └───────────────────────┴────────────────┘     any ──► DEAD
 * What was left behind COMMITTING or ABORTING goes on there next time: librdkafka
 * takes no other call before. */
enum dl_transactions_phase {
    DL_TRANSACTIONS_NEW,
    DL_TRANSACTIONS_READY,
    DL_TRANSACTIONS_OPEN,
    DL_TRANSACTIONS_COMMITTING,
    DL_TRANSACTIONS_ABORTING,
    DL_TRANSACTIONS_DEAD
};

/* How a step ends. */
enum dl_transactions_end {
    DL_TRANSACTIONS_DONE,
    DL_TRANSACTIONS_AGAIN,   /* not yet: call again */
    DL_TRANSACTIONS_STATE,   /* librdkafka is not in the state for this call */
    DL_TRANSACTIONS_ABORT,   /* abort, then try again */
    DL_TRANSACTIONS_LEAVE,   /* unwanted, or given up */
    DL_TRANSACTIONS_FENCED,
    DL_TRANSACTIONS_FATAL
};

struct dl_transactions_topic {
    struct dl_transactions *transactions;
    char *name;
    rd_kafka_topic_t *handle;
    int32_t *touched;          /* partitions, by what is not committed, nor aborted for certain */
    size_t touched_count, touched_capacity;
    bool letters;              /* what is produced to it are struct dl_letter */
    size_t told_bytes;         /* its max.message.bytes as last asked for, 0: not known */
    int64_t told_until_ms;     /* the limit may have been changed by then */
};

/* What is known of the try under way, or the last one. */
struct dl_transactions_outcome {
    rd_kafka_resp_err_t code; /* what the last step failed by */
    char reason[256];
    bool stale;     /* its membership is of the past */
    bool failed;    /* a record was not taken: the transaction must be aborted */
    bool in_doubt;  /* a record that was not confirmed may have been written */
    bool explained; /* code and reason say why */
    /* What was refused for its size. A batch is refused whole: which of its records it was shows when it was refused
     * alone, and so the window is halved until then. */
    size_t refused_count, refused_bytes;
    struct dl_transactions_topic *refused_topic;
    void *refused_opaque;
};

struct dl_transactions {
    struct dl_kafka_trouble trouble;
    struct dl_note_sink *notes;
    char *name, *transactional_id;
    char *group; /* NULL: no positions are sent */
    char *left_open; /* as in the options */
    int timeout_ms;
    bool (*give_up)(void *context);
    void *context;
    rd_kafka_conf_t *conf;
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    struct dl_transactions_topic **topics; /* those that were produced to */
    size_t topic_count;

    enum dl_transactions_phase phase;
    const struct dl_transaction *run; /* under way */
    int64_t begun_ms;
    int64_t until_ms;      /* of settle_within */
    bool is_committed;     /* the one begun last */
    bool sent;             /* positions, by what is not committed, nor aborted for certain */
    bool unknown;          /* a commit was asked for and not answered */
    bool unwell;           /* noted */
    unsigned attempt;
    struct dl_transactions_outcome outcome;
    char told[256]; /* the reason as the operator knows it */
    int64_t produced_offset, last_offset;

    size_t window_bytes;   /* so much is produced before it is awaited, 0: everything */
    int64_t window_until_ms;
    size_t window_records, window_filled;

    atomic_llong committed, aborted, retried, fenced;
};

/* ---- transactions.c ---- */

/* True: give_up says so, or what is under way is unwanted. */
bool dl_transactions_leave(struct dl_transactions *transactions);
/* Serves logs, errors and delivery reports. */
void dl_transactions_serve(struct dl_transactions *transactions, int timeout_ms);
/* What librdkafka says of a call; remembers code and reason, frees the error. */
enum dl_transactions_end dl_transactions_judge(struct dl_transactions *transactions, rd_kafka_error_t *error);
/* Calls one of librdkafka's resumable calls until it has an outcome. leave: asked between; NULL: never. */
typedef rd_kafka_error_t *dl_transactions_call(rd_kafka_t *client, int timeout_ms);
enum dl_transactions_end dl_transactions_insist(struct dl_transactions *transactions, dl_transactions_call *call,
                                                bool (*leave)(struct dl_transactions *transactions));
/* Sleeps, unless dl_transactions_leave. */
void dl_transactions_back_off(struct dl_transactions *transactions, int64_t base_ms, int64_t max_ms);
/* Noted once, until dl_transactions_well. */
void dl_transactions_note_unwell(struct dl_transactions *transactions);
void dl_transactions_well(struct dl_transactions *transactions);

/* Forgets the client without ending it: a thread is inside it, and ends it if it ever returns. */
void dl_transactions_abandon_client(struct dl_transactions *transactions);

/* ---- transactions_positions.c ---- */

/* Sends the positions of the transaction under way; librdkafka itself takes timeout_ms for that. FATAL: it did not
 * return within the transaction's own timeout, and the client is no more. */
enum dl_transactions_end dl_transactions_send_positions(struct dl_transactions *transactions, int timeout_ms);

/* ---- transactions_run.c ---- */

/* Commits or aborts what was left behind. DONE: it is READY. LEAVE: that takes longer. */
enum dl_transactions_end dl_transactions_settle_within(struct dl_transactions *transactions, int wait_ms);

/* After init, where a predecessor has left something open: aborts that for certain. */
enum dl_transactions_end dl_transactions_close_left(struct dl_transactions *transactions);

/* ---- transactions_produce.c ---- */

/* A partition is touched. False: out of memory. */
bool dl_transactions_mark(struct dl_transactions *transactions, const char *topic, int32_t partition);
/* Produces something to all of them. False: failed, or leave. */
bool dl_transactions_touch(struct dl_transactions *transactions);

void dl_transactions_on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque);
/* Waits until everything produced is confirmed. ABORT: something was refused. */
enum dl_transactions_end dl_transactions_deliver(struct dl_transactions *transactions);
/* Before a try. */
void dl_transactions_forget_records(struct dl_transactions *transactions);
/* After an abort: makes smaller what was refused for its size. False: it cannot be. */
bool dl_transactions_shrink(struct dl_transactions *transactions);
void dl_transactions_free_topics(struct dl_transactions *transactions);

/* ---- topics.c ---- */

/* A number among a topic's settings, as max.message.bytes; -1: not told. Waits at most timeout_ms. */
int64_t dl_kafka_topic_number(rd_kafka_t *client, const char *topic, const char *key, int timeout_ms);
