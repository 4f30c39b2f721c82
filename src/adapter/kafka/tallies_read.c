#include "kafka_tallies.h"

#include <stdio.h>
#include <string.h>

/* ---- What the client reads ---- */

static void assign(struct dl_tallies *tallies, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    if (offset != RD_KAFKA_OFFSET_INVALID)
        rd_kafka_topic_partition_list_add(list, tallies->topic, 0)->offset = offset;
    rd_kafka_resp_err_t code = rd_kafka_assign(tallies->client, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        dl_note(tallies->notes, DL_NOTE_ERROR, "librdkafka refuses an assignment", DL_TEXT("topic", tallies->topic),
                DL_TEXT("reason", rd_kafka_err2str(code)));
    rd_kafka_topic_partition_list_destroy(list);
}

/* A lost assignment is taken back in a moment; assigning would hide that it is lost. */
static void read_on(struct dl_tallies *tallies)
{
    tallies->relooked = false;
    if (tallies->client && tallies->granted && tallies->begun && !rd_kafka_assignment_lost(tallies->client))
        assign(tallies, tallies->next);
}

void dl_tallies_begin(struct dl_tallies *tallies, int64_t offset)
{
    DL_ASSERT(offset >= 0);
    if (!tallies->owner)
        return;
    tallies->begun = true;
    tallies->next = offset;
    tallies->told_next = tallies->told_end = -1;
    tallies->stale = true;
    read_on(tallies);
}

/* ---- Whose it is ---- */

void dl_tallies_owner_no_more(struct dl_tallies *tallies)
{
    bool was = tallies->owner;
    tallies->owner = tallies->begun = tallies->relooked = false;
    if (was)
        tallies->callbacks.on_lost(tallies->callbacks.context);
}

static bool has_partition(const struct dl_tallies *tallies, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].partition == 0 && strcmp(list->elems[i].topic, tallies->topic) == 0)
            return true;
    return false;
}

static void note_over(struct dl_tallies *tallies)
{
    if (tallies->noted != RD_KAFKA_RESP_ERR_NO_ERROR)
        dl_note(tallies->notes, DL_NOTE_NOTICE, "the topic of the tallies can be read again", DL_TEXT("topic", tallies->topic));
    tallies->noted = RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void assigned(struct dl_tallies *tallies, const rd_kafka_topic_partition_list_t *list)
{
    char *id = rd_kafka_memberid(tallies->client);
    bool same = id && *id && strcmp(id, tallies->member_id) == 0;
    (void)snprintf(tallies->member_id, sizeof tallies->member_id, "%s", id ? id : "");
    if (id)
        rd_kafka_mem_free(tallies->client, id);
    tallies->granted = has_partition(tallies, list);
    tallies->assigned = true;
    if (list->cnt > (tallies->granted ? 1 : 0) && !tallies->several) {
        tallies->several = true;
        dl_note(tallies->notes, DL_NOTE_ERROR,
                "the topic of the tallies must have one partition and has several; what is in the others is not counted (see "
                "delightd topics --check)",
                DL_TEXT("topic", tallies->topic));
    }
    assign(tallies, RD_KAFKA_OFFSET_INVALID);
    if (tallies->owner && !(same && tallies->granted))
        dl_tallies_owner_no_more(tallies);
    if (!tallies->granted)
        return;
    note_over(tallies);
    if (tallies->owner) {
        read_on(tallies);
        return;
    }
    tallies->owner = true;
    tallies->callbacks.on_owner(tallies->callbacks.context);
}

void dl_tallies_on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct dl_tallies *tallies = opaque;
    tallies->stale = true;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        dl_kafka_trouble_answered(&tallies->trouble);
        assigned(tallies, list);
        return;
    }
    tallies->granted = tallies->assigned = false;
    if (rd_kafka_assignment_lost(client))
        dl_tallies_owner_no_more(tallies);
    (void)rd_kafka_assign(client, NULL);
}

/* ---- Delivery ---- */

void dl_tallies_tell_position(struct dl_tallies *tallies)
{
    int64_t low = -1, end = -1;
    if (rd_kafka_get_watermark_offsets(tallies->client, tallies->topic, 0, &low, &end) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        end > tallies->end)
        tallies->end = end;
    if (tallies->end < tallies->next)
        tallies->end = tallies->next;
    if (tallies->next == tallies->told_next && tallies->end == tallies->told_end)
        return;
    tallies->told_next = tallies->next;
    tallies->told_end = tallies->end;
    tallies->callbacks.on_position(tallies->callbacks.context, tallies->next, tallies->end);
}

/* The position was out of range. Nobody may be waited for here to ask for the
 * range, but whatever answer comes at the end of the log says it too. */
static void find_position(struct dl_tallies *tallies)
{
    int64_t low = -1, end = -1, from = tallies->next;
    tallies->relooked = false;
    if (rd_kafka_get_watermark_offsets(tallies->client, tallies->topic, 0, &low, &end) == RD_KAFKA_RESP_ERR_NO_ERROR && low >= 0 &&
        (from < low || from > end)) {
        dl_note(tallies->notes, DL_NOTE_WARNING,
                from < low ? "records were deleted from a topic before they were read"
                           : "a partition's offsets went back: its topic was created anew, or its log was truncated; it is read "
                             "from its first record",
                DL_TEXT("topic", tallies->topic), DL_NUMBER("from", from), DL_NUMBER("to", low), DL_NUMBER("end", end));
        tallies->next = low;
        tallies->end = end;
        tallies->callbacks.on_loss(tallies->callbacks.context, from, low);
    }
    tallies->stale = true;
    read_on(tallies);
}

static void deliver_record(struct dl_tallies *tallies, const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t kind;
    if (message->offset < tallies->next)
        return; /* stale: read under an earlier assignment */
    tallies->next = message->offset + 1;
    note_over(tallies);
    tallies->callbacks.on_record(tallies->callbacks.context, message->offset, rd_kafka_message_timestamp(message, &kind),
                                 message->payload, message->len);
}

static void note_trouble(struct dl_tallies *tallies, rd_kafka_resp_err_t code, const char *reason)
{
    const char *sentence = "the topic of the tallies cannot be read now; retrying";
    switch (code) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        code = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        sentence = "the topic of the tallies does not exist; waiting for it (create it with delightd topics --create)";
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        sentence = "not allowed to read the topic of the tallies; retrying (grant Read and Describe on it)";
        break;
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        sentence = "not allowed to use the score group; retrying (grant Read on the group)";
        break;
    default:
        break;
    }
    if (tallies->noted != code)
        dl_note(tallies->notes, DL_NOTE_ERROR, sentence, DL_TEXT("topic", tallies->topic), DL_TEXT("reason", reason));
    tallies->noted = code;
}

static void deliver_error(struct dl_tallies *tallies, const rd_kafka_message_t *message)
{
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__FATAL:
        dl_kafka_trouble_fatal(&tallies->trouble, tallies->client);
        break;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if (message->offset < tallies->next)
            break;
        tallies->next = message->offset;
        note_over(tallies);
        dl_tallies_tell_position(tallies);
        break;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
#if RD_KAFKA_VERSION >= 0x020100ff
    case RD_KAFKA_RESP_ERR__LOG_TRUNCATION:
#endif
        if (message->offset >= 0 && message->offset < tallies->next)
            break; /* of a position before this one */
        assign(tallies, RD_KAFKA_OFFSET_END);
        tallies->relooked = tallies->stale = true;
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        note_trouble(tallies, message->err, rd_kafka_message_errstr(message));
        break;
    default:
        dl_note(tallies->notes, DL_NOTE_DEBUG, "librdkafka reports an error", DL_TEXT("client", "tallies"),
                DL_TEXT("code", rd_kafka_err2name(message->err)), DL_TEXT("reason", rd_kafka_message_errstr(message)));
        break;
    }
}

/* What the partition itself says counts only while it is read. */
static bool of_partition(const rd_kafka_message_t *message)
{
    switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
#if RD_KAFKA_VERSION >= 0x020100ff
    case RD_KAFKA_RESP_ERR__LOG_TRUNCATION:
#endif
        return true;
    default:
        return false;
    }
}

static void deliver(struct dl_tallies *tallies, const rd_kafka_message_t *message)
{
    bool of_log = message->err == RD_KAFKA_RESP_ERR_NO_ERROR || message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    if (of_log && dl_kafka_trouble_any(&tallies->trouble))
        dl_kafka_trouble_answered(&tallies->trouble);
    if (of_partition(message) &&
        (!tallies->granted || !tallies->begun || tallies->stale || message->partition != 0))
        return;
    if (of_log && tallies->relooked)
        find_position(tallies);
    else if (message->err)
        deliver_error(tallies, message);
    else
        deliver_record(tallies, message);
}

bool dl_tallies_take(struct dl_tallies *tallies, size_t max)
{
    tallies->stale = false;
    ssize_t count = rd_kafka_consume_batch_queue(tallies->queue, 0, tallies->messages, max);
    /* After a rebalance nobody can tell which of these were read before it: all of them are read again. */
    if (count > 0 && tallies->stale)
        read_on(tallies);
    for (ssize_t i = 0; i < count; i++) {
        deliver(tallies, tallies->messages[i]);
        rd_kafka_message_destroy(tallies->messages[i]);
    }
    return count == (ssize_t)max;
}
