/* The inside of the source, shared by its files: source.c (life, delivery),
 * source_topics.c (which partitions there are), source_lookup.c (where they start),
 * source_assign.c (the client and what it reads), source_group.c (kafka mode:
 * which partitions are this process's), source_positions.c and source_stuck.c (kafka
 * mode: where they go on, and what is said when that is not to be had), source_queue.c
 * (that fetching goes on), source_retention.c. */
#pragma once

#include "kafka_conf.h"
#include "kafka_trouble.h"

/* Records handed out by one poll, at most: what the caches of one core hold. */
enum { DL_KAFKA_BATCH = 256 };

/* librdkafka fetches until its queue holds so much. */
struct dl_kafka_queue_limit {
    int64_t messages, bytes;
    bool watched; /* this librdkafka does not go on by itself soon enough */
    bool full;    /* it was, and nobody has woken it since */
    int64_t mean_bytes; /* of a record, of those that were taken last */
};

/*          metadata                offsets known             topic gone
 * (none) ───────────► LOOKUP ──────────────────► READING ───────────────► GONE
 *                       ▲  offset out of range, fetch stopped │             │
 *                       └─────────────────────────────────────┴◄────────────┘
 *                                                                 topic is back
 * Kafka mode: what the group has given to another process is ELSEWHERE; what it
 * gives to this one begins at LOOKUP, and all of it leaves in a rebalance. */
enum dl_kafka_phase { DL_KAFKA_LOOKUP, DL_KAFKA_READING, DL_KAFKA_GONE, DL_KAFKA_ELSEWHERE };

/* Where a look-up starts the partition. */
enum dl_kafka_begin {
    DL_KAFKA_BY_TIME,  /* at start_ms: it was there at the start */
    DL_KAFKA_FIRST,    /* at its first record: it came later */
    DL_KAFKA_RESUME,   /* at next, if the topic still holds that */
    DL_KAFKA_COMMITTED /* where the group's last transaction ended */
};

struct dl_kafka_partition {
    enum dl_kafka_phase phase;
    enum dl_kafka_begin begin;
    bool assigned;    /* the client reads it */
    bool reached;     /* everything of the start has been delivered */
    bool progressing; /* counts in progress: begun and target are known */
    bool unread;      /* its last fetch failed */
    bool doubted;     /* counted, and without a committed offset: asked once more before that is believed */
    int32_t leader;   /* -1: none now */
    unsigned attempt;
    int64_t due_ms;   /* next look-up */
    int64_t since_ms; /* its look-ups fail since then, 0: they do not */
    rd_kafka_resp_err_t failed_by; /* the last of them */
    int64_t next;     /* next offset; what is below was delivered or is stale */
    int64_t first;    /* the first offset that counts; below it, warm-up */
    int64_t begun;    /* where the re-read began */
    int64_t target;   /* its end at start */
    int64_t end;      /* high watermark as last seen */
    int64_t newest_ms; /* largest timestamp of a delivered record, -1: none */
    int64_t told_next, told_end; /* what on_position said last */
    uint64_t touched; /* the poll that delivered from it last */
};

struct dl_kafka_topic {
    struct dl_kafka_source *source;
    uint16_t index;
    char *name;
    rd_kafka_topic_t *handle; /* of the present client */
    struct dl_kafka_partition *partitions;
    int32_t partition_count;
    bool seen;    /* at least one answer said whether it exists */
    bool missing; /* noted */
    bool refused; /* noted */
    bool unwell;  /* noted: some other error */
    bool unread;  /* noted: reading failed, whatever metadata says */
    bool leaderless; /* noted: partitions that no broker leads */
    bool retention_asked;
    unsigned absences; /* answers in a row that it does not exist */
    unsigned attempt;
    int64_t due_ms; /* next metadata request */
};

struct dl_kafka_source {
    struct dl_kafka_trouble trouble;
    struct dl_note_sink *notes;
    struct dl_kafka_callbacks callbacks;
    void (*on_statistics)(void *context, const char *json, size_t bytes); /* NULL: not wanted */
    rd_kafka_conf_t *conf;
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    rd_kafka_queue_t *admin_queue; /* answers about retention */
    struct dl_kafka_queue_limit limit; /* of queue */
    struct dl_kafka_topic *topics;
    size_t topic_count;
    int64_t start_ms, warm_up_records, retention_ms_min;
    int64_t refresh_ms; /* between looks for new partitions */
    struct dl_kafka_group_options group; /* only if grouped */
    bool grouped, cooperative;
    bool joined;  /* the group has given partitions (maybe none), and has not taken them back */
    int64_t taken_ms; /* when records were taken last */
    rd_kafka_resp_err_t group_error; /* noted: why the group cannot be joined */
    struct {
        size_t partitions;  /* that nothing is read of for longer than the group's patience */
        size_t told;        /* so many were noted, 0: none */
        int64_t due_ms;     /* on_stuck is */
    } stuck;
    bool by_time_unknown; /* noted: the cluster cannot look up by time */
    bool caught_up;
    unsigned rebuilds;
    int64_t rebuild_due_ms;
    int64_t tend_due_ms, ends_due_ms;
    uint64_t polls;
    rd_kafka_message_t *messages[DL_KAFKA_BATCH];
    size_t headers_max;
    struct dl_kafka_header headers[DL_KAFKA_HEADERS_MAX + DL_KAFKA_ERROR_HEADERS];
};

/* ---- source_assign.c ---- */

/* Makes client, queues and topic handles. DL_INVALID: error says why. */
DL_MUST_USE enum dl_status dl_kafka_source_open(struct dl_kafka_source *source, char *error, size_t error_size);
void dl_kafka_source_close(struct dl_kafka_source *source, int wait_ms);
/* After librdkafka gave the client up: a new one that goes on where this one was. */
void dl_kafka_source_rebuild(struct dl_kafka_source *source);
/* Reads the READING partitions of the topic that are not read yet. */
void dl_kafka_source_assign(struct dl_kafka_topic *topic);
void dl_kafka_source_unassign(struct dl_kafka_topic *topic, int32_t partition);

/* ---- source_topics.c ---- */

/* How long a request may take, the first one and those after it failed. */
int64_t dl_kafka_step_ms(unsigned attempt);
void dl_kafka_source_look_for_partitions(struct dl_kafka_topic *topic);
/* Not allowed: noted once, and tried again later. */
void dl_kafka_source_refused(struct dl_kafka_topic *topic, const char *reason);
/* Room for `count` partitions. False: out of memory. */
bool dl_kafka_source_grow(struct dl_kafka_topic *topic, int32_t count);

/* ---- source_lookup.c ---- */

/* One step of what is due: at most one request, for at most a second. False: nothing is due. */
bool dl_kafka_source_look_up(struct dl_kafka_source *source, int64_t now_ms);
/* The partition has to be looked up again, to go on at next. */
void dl_kafka_source_resume(struct dl_kafka_topic *topic, int32_t partition);
/* When the next look-up is due, INT64_MAX: none. */
int64_t dl_kafka_source_look_up_due(const struct dl_kafka_source *source);

/* ---- source_group.c ---- */

/* Before the client is made. DL_INVALID: error says why. */
DL_MUST_USE enum dl_status dl_kafka_group_configure(struct dl_kafka_source *source,
                                                    const struct dl_kafka_source_options *options, char *error,
                                                    size_t error_size);
DL_MUST_USE enum dl_status dl_kafka_group_join(struct dl_kafka_source *source, char *error, size_t error_size);
/* When records were taken from the queue: whether the group has taken their partitions back meanwhile, and the callback
 * that says so is still to come. A process that stood still would take records before librdkafka's main thread has looked at
 * the session: so that is asked first, which does not wait for Kafka. (An answer of the group that was on its way when the
 * process stopped still renews the session, wrongly: then the commit is refused, and that tells.) */
bool dl_kafka_group_outdated(struct dl_kafka_source *source);
/* The client is of no use any more, and with it what it was given. */
void dl_kafka_group_lost(struct dl_kafka_source *source);
/* Reads the READING partitions of all topics and no others (eager: one list for all). */
void dl_kafka_group_assign(struct dl_kafka_source *source);
/* What concerns no topic. False: nothing of the group's. */
bool dl_kafka_group_error(struct dl_kafka_source *source, rd_kafka_resp_err_t code, const char *reason);

/* ---- source_positions.c ---- */

/* The group's positions of one topic's partitions, in the order of `which`, each with its own error; offset below 0:
 * the group has none. The answer is the caller's, whatever is returned. */
rd_kafka_resp_err_t dl_kafka_source_ask_positions(struct dl_kafka_source *source, const rd_kafka_topic_partition_list_t *which,
                                                  unsigned attempt, int64_t until_ms, rd_kafka_topic_partition_list_t **answer);

/* ---- source_stuck.c ---- */

/* Once a second: whether partitions wait for too long until it is known where they go on. */
void dl_kafka_source_tend_stuck(struct dl_kafka_source *source, int64_t now_ms);

/* ---- source_queue.c ---- */

/* Once there is a configuration. */
void dl_kafka_source_measure_queue(struct dl_kafka_source *source);
/* When `count` records were taken from the queue. */
void dl_kafka_source_keep_filling(struct dl_kafka_source *source, int64_t count);

/* ---- source_retention.c ---- */

void dl_kafka_source_ask_retention(struct dl_kafka_topic *topic);
void dl_kafka_source_serve_retention(struct dl_kafka_source *source);
