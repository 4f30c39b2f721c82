/* The inside of the tallies' consumer: tallies.c (life), tallies_read.c (whose
 * the partition is, delivery). */
#pragma once

#include "kafka_conf.h"
#include "kafka_trouble.h"

enum { DL_TALLIES_BATCH = 256 };

/* The partition of a score group with two members, seen from one of them:
 *
 *          assigned              begin                      offset out of range
 *   AWAY ───────────► OWNER, idle ─────► OWNER, reading ─────────────────┐
 *    ▲                    ▲                    │  ▲                      ▼
 *    │ lost, or given     │ revoked: nobody    │  └──── bounds known ──── at the
 *    └─ to another ───────┴── has it yet ◄─────┘                            end
 *
 * A rebalance takes the partition from its owner and mostly gives it back. Nobody
 * else can have had it in between as long as the member id stays the same, so
 * that the owner does not even hear of it. */

struct dl_tallies {
    struct dl_kafka_trouble trouble; /* first: the client's opaque */
    struct dl_note_sink *notes;
    struct dl_tallies_callbacks callbacks;
    void (*on_statistics)(void *context, const char *json, size_t bytes);
    rd_kafka_conf_t *conf;
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    char *topic;
    int fd;
    bool owner;    /* told by on_owner */
    bool assigned; /* the group's present assignment is known */
    bool granted;  /* the group's present assignment has the partition */
    bool begun;    /* the caller has said from where */
    bool relooked; /* assigned at the end, to learn where the log begins: next is not there (any more) */
    bool stale;    /* what is left of the present batch was read under an earlier assignment */
    char member_id[256]; /* with which it became the owner */
    int64_t next, end, told_next, told_end;
    rd_kafka_resp_err_t noted; /* why nothing can be read */
    bool several;
    unsigned unconnected; /* told so often in a row that no broker is connected */
    int64_t tend_due_ms, rebuild_due_ms;
    unsigned rebuilds;
    rd_kafka_message_t *messages[DL_TALLIES_BATCH];
};

/* ---- tallies_read.c ---- */

/* The client's rebalance callback. */
void dl_tallies_on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque);
void dl_tallies_owner_no_more(struct dl_tallies *tallies);
/* Hands out what is there, at most `max` messages. True: there may be more. */
bool dl_tallies_take(struct dl_tallies *tallies, size_t max);
/* If it has changed. */
void dl_tallies_tell_position(struct dl_tallies *tallies);
