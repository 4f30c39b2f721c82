#include "kafka_source.h"

#include <stdlib.h>

static const int64_t backoff_ms = 500, backoff_ms_max = 10000;
/* A topic that is missing is looked for more often than one that fails. */
static const int64_t missing_ms_max = 4000;
/* One answer that a topic does not exist may come from a broker that just started. */
static const unsigned absences_sure = 2;

/* One step may hold up the ingest thread so long, and no longer. */
int64_t dl_kafka_step_ms(unsigned attempt)
{
    return attempt == 0 ? 500 : 1000;
}

static void later(struct dl_kafka_topic *topic, int64_t max_ms)
{
    topic->due_ms = dl_kafka_now_ms() + dl_kafka_backoff_ms(topic->attempt++, backoff_ms, max_ms);
}

static void topic_gone(struct dl_kafka_topic *topic)
{
    struct dl_kafka_source *source = topic->source;
    later(topic, missing_ms_max);
    if (++topic->absences < absences_sure)
        return;
    if (!topic->missing)
        dl_note(source->notes, DL_NOTE_WARNING, "a topic does not exist; it is read from its first record once it is created",
                DL_TEXT("topic", topic->name));
    topic->missing = true;
    topic->seen = true;
    /* They stay assigned: librdkafka 2.0.2 loses a reference to a broker when a
     * partition that no longer exists is taken away, and then cannot end. What
     * it reads should the topic come back is dropped until that is noticed. */
    for (int32_t p = 0; p < topic->partition_count; p++) {
        struct dl_kafka_partition *partition = &topic->partitions[p];
        if (partition->phase == DL_KAFKA_ELSEWHERE)
            continue;
        partition->phase = DL_KAFKA_GONE;
        /* What was read before, of which the group's position may know nothing yet, must not be read twice. */
        partition->begin = source->grouped && partition->newest_ms < 0 ? DL_KAFKA_COMMITTED : DL_KAFKA_FIRST;
        partition->reached = true;
    }
}

void dl_kafka_source_refused(struct dl_kafka_topic *topic, const char *reason)
{
    later(topic, backoff_ms_max);
    if (!topic->refused)
        dl_note(topic->source->notes, DL_NOTE_ERROR,
                "not allowed to read a topic; retrying (grant Read and Describe on it)", DL_TEXT("topic", topic->name),
                DL_TEXT("reason", reason));
    topic->refused = true;
}

static void topic_unwell(struct dl_kafka_topic *topic, rd_kafka_resp_err_t code)
{
    later(topic, missing_ms_max);
    /* A topic that is being created has no leader for a moment. */
    if (topic->attempt > 4 && !topic->unwell) {
        dl_note(topic->source->notes, DL_NOTE_WARNING, "a topic cannot be read now; retrying", DL_TEXT("topic", topic->name),
                DL_TEXT("reason", rd_kafka_err2str(code)));
        topic->unwell = true;
    }
}

bool dl_kafka_source_grow(struct dl_kafka_topic *topic, int32_t count)
{
    bool grouped = topic->source->grouped;
    struct dl_kafka_partition *grown = realloc(topic->partitions, (size_t)count * sizeof *grown);
    if (!grown) {
        later(topic, backoff_ms_max);
        return false;
    }
    topic->partitions = grown;
    for (int32_t p = topic->partition_count; p < count; p++)
        grown[p] = (struct dl_kafka_partition){
            .phase = grouped ? DL_KAFKA_ELSEWHERE : DL_KAFKA_LOOKUP,
            .begin = grouped ? DL_KAFKA_COMMITTED : topic->seen ? DL_KAFKA_FIRST : DL_KAFKA_BY_TIME,
            .leader = -1,
            .newest_ms = -1,
            .told_next = -1,
            .told_end = -1,
        };
    if (topic->seen && !grouped)
        dl_note(topic->source->notes, DL_NOTE_NOTICE, "new partitions are read from their first record",
                DL_TEXT("topic", topic->name), DL_NUMBER("from", topic->partition_count), DL_NUMBER("to", count - 1));
    topic->partition_count = count;
    return true;
}

/* Without a leader nothing of a partition is known, and nothing is published before everything of the start is read. */
static void note_leaders(struct dl_kafka_topic *topic)
{
    int32_t without = 0, first = -1;
    for (int32_t p = topic->partition_count - 1; p >= 0; p--)
        if (topic->partitions[p].phase == DL_KAFKA_LOOKUP && topic->partitions[p].leader < 0) {
            without++;
            first = p;
        }
    if (without > 0 && topic->attempt > 2 && !topic->leaderless)
        dl_note(topic->source->notes, DL_NOTE_WARNING,
                "partitions have no leader; what they hold is waited for (are brokers down?)", DL_TEXT("topic", topic->name),
                DL_NUMBER("partitions", without), DL_NUMBER("first", first));
    if (without == 0 && topic->leaderless)
        dl_note(topic->source->notes, DL_NOTE_NOTICE, "every partition has a leader again", DL_TEXT("topic", topic->name));
    topic->leaderless = without > 0 && topic->attempt > 2;
    if (without > 0)
        later(topic, missing_ms_max);
    else
        topic->attempt = 0;
}

static void topic_there(struct dl_kafka_topic *topic, const rd_kafka_metadata_topic_t *found, int64_t now_ms)
{
    struct dl_kafka_source *source = topic->source;
    int32_t count = found->partition_cnt;
    if (count > topic->partition_count && !dl_kafka_source_grow(topic, count))
        return;
    for (int32_t p = 0; p < topic->partition_count; p++) {
        struct dl_kafka_partition *partition = &topic->partitions[p];
        partition->leader = -1;
        if (partition->phase == DL_KAFKA_ELSEWHERE)
            continue;
        if (p >= count && partition->phase != DL_KAFKA_GONE) { /* made anew with fewer */
            partition->phase = DL_KAFKA_GONE;
            partition->begin = partition->begin == DL_KAFKA_COMMITTED ? DL_KAFKA_COMMITTED : DL_KAFKA_RESUME;
            partition->reached = true;
        } else if (p < count && partition->phase == DL_KAFKA_GONE) {
            partition->phase = DL_KAFKA_LOOKUP;
            partition->due_ms = now_ms;
        }
    }
    for (int32_t i = 0; i < count; i++)
        if (found->partitions[i].id >= 0 && found->partitions[i].id < count)
            topic->partitions[found->partitions[i].id].leader = found->partitions[i].leader;
    if (topic->missing)
        dl_note(source->notes, DL_NOTE_NOTICE, "a topic that was missing is there", DL_TEXT("topic", topic->name),
                DL_NUMBER("partitions", count));
    /* Whether it may be read, too, shows when it is: refusals of fetches may still be on their way. */
    if (topic->refused)
        topic->unread = true; /* and no partition: the first that is fetched tells */
    else if (topic->unwell)
        dl_note(source->notes, DL_NOTE_NOTICE, "a topic can be read again", DL_TEXT("topic", topic->name));
    topic->seen = true;
    topic->missing = topic->refused = topic->unwell = false;
    topic->absences = 0;
    /* Jitter, so that many daemons do not ask at once. */
    topic->due_ms = now_ms + source->refresh_ms - dl_kafka_backoff_ms(0, source->refresh_ms / 4 + 1, source->refresh_ms);
    note_leaders(topic);
    if (source->retention_ms_min > 0 && !topic->retention_asked)
        dl_kafka_source_ask_retention(topic);
}

void dl_kafka_source_look_for_partitions(struct dl_kafka_topic *topic)
{
    struct dl_kafka_source *source = topic->source;
    const struct rd_kafka_metadata *found = NULL;
    int64_t wait_ms = dl_kafka_step_ms(topic->attempt);
    rd_kafka_resp_err_t code = rd_kafka_metadata(source->client, 0, topic->handle, &found, (int)wait_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        dl_kafka_trouble_silent(&source->trouble, rd_kafka_err2str(code));
        later(topic, backoff_ms_max);
        return;
    }
    dl_kafka_trouble_answered(&source->trouble);
    rd_kafka_resp_err_t topic_code =
        found->topic_cnt > 0 ? found->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    switch (topic_code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        if (found->topics[0].partition_cnt > 0)
            topic_there(topic, &found->topics[0], dl_kafka_now_ms());
        else
            topic_gone(topic);
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        topic_gone(topic);
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        dl_kafka_source_refused(topic, rd_kafka_err2str(topic_code));
        break;
    default:
        topic_unwell(topic, topic_code);
        break;
    }
    rd_kafka_metadata_destroy(found);
}
