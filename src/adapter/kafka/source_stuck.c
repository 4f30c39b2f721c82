#include "kafka_source.h"

#include <stdio.h>

/* Kafka mode: a partition that came to this process is not read before it is known where the group's last transaction
 * ended, and a guess would count twice or not at all. A transaction that sent positions and stays open holds that back;
 * one that hangs is never ended by Kafka itself. Then nothing of the partition is counted, and an operator has to know. */

static bool waits(const struct dl_kafka_partition *partition)
{
    return partition->phase == DL_KAFKA_LOOKUP && partition->begin == DL_KAFKA_COMMITTED && partition->leader >= 0;
}

/* What they wait for, and since when the first of them does. */
struct waiting {
    rd_kafka_topic_partition_list_t *list;
    size_t stuck; /* for longer than they should */
    int64_t since_ms;
    rd_kafka_resp_err_t code;
};

static void look(const struct dl_kafka_source *source, int64_t now_ms, struct waiting *waiting)
{
    *waiting = (struct waiting){.list = rd_kafka_topic_partition_list_new(16), .since_ms = now_ms};
    for (size_t i = 0; i < source->topic_count; i++)
        for (int32_t p = 0; p < source->topics[i].partition_count; p++) {
            const struct dl_kafka_partition *partition = &source->topics[i].partitions[p];
            if (!waits(partition))
                continue;
            rd_kafka_topic_partition_list_add(waiting->list, source->topics[i].name, p);
            if (partition->since_ms == 0)
                continue;
            waiting->stuck += now_ms - partition->since_ms >= source->group.patience_ms;
            waiting->since_ms = partition->since_ms < waiting->since_ms ? partition->since_ms : waiting->since_ms;
            waiting->code = partition->failed_by;
        }
}

/* "cx.feedback/0 cx.feedback/3": the first of them, for there may be thousands. */
static void list_text(const rd_kafka_topic_partition_list_t *list, char *text, size_t size)
{
    size_t at = 0;
    *text = '\0';
    for (int i = 0; i < list->cnt; i++) {
        int bytes = snprintf(text + at, size - at, "%s%s/%d", i == 0 ? "" : " ", list->elems[i].topic, (int)list->elems[i].partition);
        if (bytes < 0 || (size_t)bytes >= size - at) {
            text[at] = '\0';
            return;
        }
        at += (size_t)bytes;
    }
}

/* Once for a set of partitions, not for each attempt. */
static void tell(struct dl_kafka_source *source, const struct waiting *waiting, int64_t now_ms)
{
    char which[512], group[256] = "";
    size_t group_size = sizeof group;
    if ((size_t)waiting->list->cnt <= source->stuck.told)
        return;
    source->stuck.told = (size_t)waiting->list->cnt;
    list_text(waiting->list, which, sizeof which);
    (void)rd_kafka_conf_get(source->conf, "group.id", group, &group_size);
    dl_note(source->notes, DL_NOTE_ERROR,
            "nothing of some partitions is counted: Kafka does not tell where they go on; a transaction that sent positions of the "
            "group may hang (kafka-transactions.sh find-hanging, or list and describe, tells whose it is, and abort ends it; one that "
            "describe calls CompleteCommit is good and not to be aborted: the next commit of that instance ends it)",
            DL_TEXT("group", group), DL_NUMBER("partitions", waiting->list->cnt), DL_TEXT("which", which),
            DL_NUMBER("for_ms", now_ms - waiting->since_ms), DL_TEXT("reason", rd_kafka_err2str(waiting->code)));
}

static void over(struct dl_kafka_source *source)
{
    if (source->stuck.told > 0)
        dl_note(source->notes, DL_NOTE_NOTICE, "no partition of this process waits any more to be told where it goes on");
    source->stuck.told = 0;
}

void dl_kafka_source_tend_stuck(struct dl_kafka_source *source, int64_t now_ms)
{
    struct waiting waiting;
    /* Between two memberships nothing is known of partitions; what was said still holds. */
    if (!source->grouped || !source->joined)
        return;
    look(source, now_ms, &waiting);
    source->stuck.partitions = waiting.stuck;
    if (waiting.stuck > 0 && now_ms >= source->stuck.due_ms && !dl_kafka_trouble_any(&source->trouble)) {
        source->stuck.due_ms = now_ms + source->group.patience_ms;
        source->group.on_stuck(source->group.context);
    }
    if (waiting.list->cnt == 0) {
        over(source);
    } else if (waiting.stuck > 0 && !dl_kafka_trouble_any(&source->trouble)) { /* that would be the reason, and is told */
        tell(source, &waiting, now_ms);
    }
    rd_kafka_topic_partition_list_destroy(waiting.list);
}

size_t dl_kafka_source_stuck(const struct dl_kafka_source *source)
{
    /* While the group is joined anew what was said still holds. */
    size_t now = source->joined ? source->stuck.partitions : 0;
    return now > source->stuck.told ? now : source->stuck.told;
}
