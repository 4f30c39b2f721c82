#include "kafka_deadletter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t backoff_ms = 500, backoff_ms_max = 15000;
static const int64_t purge_ms = 20;
static const int64_t stuck_ms = 20000;
/* Far less than any broker remembers an idle producer. */
static const int64_t opened_ms_max = 300000;

int32_t dl_deadletter_partition(const char *source_topic, int32_t source_partition, int32_t partition_count)
{
    uint32_t hash = 2166136261u;
    for (; *source_topic; source_topic++)
        hash = (hash ^ (unsigned char)*source_topic) * 16777619u;
    return (int32_t)((hash + (uint32_t)source_partition) % (uint32_t)partition_count);
}

/* ---- Delivery reports ---- */

static void report_failure(struct dl_deadletter *deadletter, struct dl_letter *letter, rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        dl_deadletter_too_large(deadletter, letter);
        deadletter->explained = true;
        break;
    case RD_KAFKA_RESP_ERR__FATAL: /* follows from another letter's failure */
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
        break;
    default:
        deadletter->failed_code = code;
        (void)snprintf(deadletter->failed_reason, sizeof deadletter->failed_reason, "%s", rd_kafka_err2str(code));
        deadletter->backing_off = deadletter->explained = true;
        break;
    }
    deadletter->failed = true;
}

void dl_deadletter_on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    (void)opaque;
    struct dl_letter *letter = message->_private;
    struct dl_deadletter *deadletter = rd_kafka_topic_opaque(message->rkt);
    struct dl_deadletter_place *place = &deadletter->places[message->partition];
    deadletter->flying--;
    place->opening = false;
    if (letter->alone)
        deadletter->flying_alone = false;
    if (message->err) {
        report_failure(deadletter, letter, message->err);
        return;
    }
    deadletter->delivered++;
    deadletter->attempt = 0;
    deadletter->progress_ms = place->opened_ms = dl_kafka_now_ms();
    if (deadletter->refused || deadletter->unwell || deadletter->stuck)
        dl_note(deadletter->notes, DL_NOTE_NOTICE, "dead letters are taken again", DL_TEXT("topic", deadletter->topic));
    deadletter->refused = deadletter->unwell = deadletter->stuck = false;
    dl_deadletter_free(deadletter, letter);
}

/* ---- Hand-over ---- */

static rd_kafka_resp_err_t produce(struct dl_deadletter *deadletter, struct dl_letter *letter, int32_t partition)
{
    rd_kafka_headers_t *headers = dl_letter_headers(letter, deadletter->source_topics[letter->topic]);
    /* Neither copied nor freed by librdkafka, and not written to: the letter
     * lives until its report. */
    void *value = (void *)(uintptr_t)dl_letter_value(letter);
    rd_kafka_resp_err_t code = rd_kafka_producev(
        deadletter->client, RD_KAFKA_V_RKT(deadletter->handle), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(0),
        RD_KAFKA_V_KEY(letter->bare ? NULL : letter->key, letter->bare ? 0 : letter->key_bytes),
        RD_KAFKA_V_VALUE(value, value ? letter->sent_bytes : 0), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(letter),
        RD_KAFKA_V_END);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_headers_destroy(headers);
    return code;
}

static void hand_over(struct dl_deadletter *deadletter)
{
    while (deadletter->waiting && !deadletter->failed && !deadletter->flying_alone) {
        struct dl_letter *letter = deadletter->waiting;
        int32_t partition = dl_deadletter_partition(deadletter->source_topics[letter->topic], letter->partition,
                                                    deadletter->partition_count);
        struct dl_deadletter_place *place = &deadletter->places[partition];
        if (place->opening || (letter->alone && deadletter->flying > 0))
            return;
        dl_deadletter_fit(deadletter, letter);
        rd_kafka_resp_err_t code = produce(deadletter, letter, partition);
        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return;
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            /* Nothing was sent: librdkafka's own limit is that of one record. */
            letter->alone = letter->alone || code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
            report_failure(deadletter, letter, code);
            return;
        }
        deadletter->flying++;
        deadletter->flying_alone = letter->alone;
        place->opening = place->opened_ms == 0 || dl_kafka_now_ms() - place->opened_ms > opened_ms_max;
        deadletter->waiting = TAILQ_NEXT(letter, link);
    }
}

/* ---- Failures ---- */

static void back_off(struct dl_deadletter *deadletter)
{
    deadletter->backing_off = false;
    deadletter->due_ms = dl_kafka_now_ms() + dl_kafka_backoff_ms(deadletter->attempt++, backoff_ms, backoff_ms_max);
    deadletter->topic_due_ms = 0;
    switch (deadletter->failed_code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED: /* Write on no topic at all: refused before the topic is named */
        dl_deadletter_note_refused(deadletter, deadletter->failed_reason);
        break;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC: /* the next look at the topic says so */
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        break;
    default:
        dl_deadletter_note_unwell(deadletter, deadletter->failed_reason);
        break;
    }
}

/* After a failure everything unconfirmed goes again, in its order. The first
 * goes alone: a fault that lasts then costs one record per attempt. */
static void start_again(struct dl_deadletter *deadletter)
{
    deadletter->failed = false;
    deadletter->waiting = TAILQ_FIRST(&deadletter->letters);
    if (deadletter->trouble.fatal && !deadletter->explained) { /* no letter did it: it may not even begin */
        deadletter->backing_off = true;
        deadletter->failed_code = deadletter->trouble.fatal_code;
        (void)snprintf(deadletter->failed_reason, sizeof deadletter->failed_reason, "%s", deadletter->trouble.fatal_reason);
    }
    deadletter->explained = false;
    if (deadletter->backing_off)
        back_off(deadletter);
    if (deadletter->waiting)
        deadletter->waiting->alone = true;
    if (deadletter->narrower) {
        deadletter->narrower = false;
        deadletter->limits.batch_bytes /= 2;
        deadletter->trouble.fatal = true; /* the size of a batch is fixed with the client */
    }
    if (!deadletter->trouble.fatal)
        return;
    dl_note(deadletter->notes, DL_NOTE_DEBUG, "a new producer of dead letters",
            DL_TEXT("reason", deadletter->trouble.fatal_reason), DL_NUMBER("batch_bytes", deadletter->limits.batch_bytes));
    /* The next one may fail without a letter, as soon as it is there: it is
     * not made before it may send. */
    dl_deadletter_give_up_client(deadletter);
}

/* A client that was given up sends nothing more, yet keeps what it has. */
static void give_back(struct dl_deadletter *deadletter, int64_t now_ms)
{
    deadletter->failed = true;
    if (deadletter->flying == 0 || now_ms - deadletter->purge_ms < purge_ms)
        return;
    deadletter->purge_ms = now_ms;
    (void)rd_kafka_purge(deadletter->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

static void note_stuck(struct dl_deadletter *deadletter, int64_t now_ms)
{
    if (deadletter->outstanding == 0)
        deadletter->progress_ms = now_ms;
    if (now_ms - deadletter->progress_ms < stuck_ms || deadletter->stuck || deadletter->missing || deadletter->refused ||
        deadletter->unwell || dl_kafka_trouble_any(&deadletter->trouble))
        return;
    dl_note(deadletter->notes, DL_NOTE_WARNING, "Kafka does not confirm dead letters; retrying (are enough replicas in sync?)",
            DL_TEXT("topic", deadletter->topic), DL_NUMBER("outstanding", deadletter->outstanding));
    deadletter->stuck = true;
}

/* ---- What is due ---- */

static bool take_partition_count(struct dl_deadletter *deadletter)
{
    struct dl_deadletter_place *places = calloc((size_t)deadletter->partition_count_next, sizeof *places);
    if (!places)
        return false;
    free(deadletter->places);
    deadletter->places = places;
    deadletter->partition_count = deadletter->partition_count_next;
    return true;
}

static bool may_hand_over(struct dl_deadletter *deadletter, int64_t now_ms)
{
    if (deadletter->missing || deadletter->partition_count_next == 0)
        return false;
    if (deadletter->limits.asked && now_ms < deadletter->limits.wait_until_ms)
        return false;
    /* A source partition may move to another partition only when all before is
     * confirmed: so the newest dead letter stands for all earlier ones. */
    return deadletter->partition_count_next == deadletter->partition_count ||
           (deadletter->flying == 0 && take_partition_count(deadletter));
}

void dl_deadletter_step(struct dl_deadletter *deadletter)
{
    int64_t now_ms = dl_kafka_now_ms();
    note_stuck(deadletter, now_ms);
    if (!deadletter->client && now_ms >= deadletter->due_ms)
        dl_deadletter_open_client(deadletter);
    if (!deadletter->client)
        return;
    dl_deadletter_serve_limits(deadletter);
    if (deadletter->trouble.fatal)
        give_back(deadletter, now_ms);
    if (deadletter->failed && deadletter->flying == 0)
        start_again(deadletter);
    if (!deadletter->client || deadletter->failed || now_ms < deadletter->due_ms)
        return;
    bool troubled = dl_kafka_trouble_any(&deadletter->trouble);
    bool wanted = deadletter->outstanding > 0 || troubled;
    if (troubled && deadletter->topic_due_ms > now_ms + 2000) /* an answer tells that it is over */
        deadletter->topic_due_ms = now_ms + dl_kafka_backoff_ms(0, 2000, 2000);
    if (wanted && now_ms >= deadletter->topic_due_ms)
        dl_deadletter_look_at_topic(deadletter);
    if (may_hand_over(deadletter, now_ms))
        hand_over(deadletter);
}
