#include "kafka_source.h"

#include <stdio.h>

/* Kafka mode: a partition that came to this process is not read before it is known where the group's last transaction
 * ended, and a guess would count twice or not at all. A transaction that sent positions and stays open holds that back;
 * one that hangs is never ended by Kafka itself. Then nothing of the partition is counted, and an operator has to know.
 * Where no transaction is the reason, a client that does not get what others get may be it: a new one is tried, ever
 * more seldom, for that costs the whole group a rebalance. */

static const int64_t give_up_ms_max = 600000;

static bool waits(const struct dl_kafka_partition *partition)
{
    return partition->phase == DL_KAFKA_LOOKUP && partition->begin == DL_KAFKA_COMMITTED && partition->leader >= 0;
}

/* What they wait for, and since when the first of them does. */
struct waiting {
    rd_kafka_topic_partition_list_t *list;
    size_t stuck; /* for longer than they should */
    int64_t since_ms;
    bool held; /* some by a transaction */
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
            /* A look-up in between may have failed by something else. */
            bool held = partition->held_ms != 0 && now_ms - partition->held_ms < source->group.patience_ms;
            if (!waiting->held)
                waiting->code = held ? RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT : partition->failed_by;
            waiting->held |= held;
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

/* Once for a set of partitions and a reason, not for each attempt. */
static void tell(struct dl_kafka_source *source, const struct waiting *waiting, int64_t now_ms)
{
    char which[512], group[256] = "";
    size_t group_size = sizeof group;
    if ((size_t)waiting->list->cnt <= source->stuck.told && waiting->held == source->stuck.told_held)
        return;
    source->stuck.told = (size_t)waiting->list->cnt;
    source->stuck.told_held = waiting->held;
    list_text(waiting->list, which, sizeof which);
    (void)rd_kafka_conf_get(source->conf, "group.id", group, &group_size);
    dl_note(source->notes, DL_NOTE_ERROR,
            waiting->held
                ? "nothing of some partitions is counted: a transaction that sent positions of the group stays open, and until it ends "
                  "Kafka does not tell where they go on; it may hang (kafka-transactions.sh find-hanging, or list and describe, "
                  "tells whose it is, and abort ends it)"
                : "nothing of some partitions is counted: where they go on is not to be had, and no transaction is the reason; if "
                  "that lasts, a new Kafka consumer is made",
            DL_TEXT("group", group), DL_NUMBER("partitions", waiting->list->cnt), DL_TEXT("which", which),
            DL_NUMBER("for_ms", now_ms - waiting->since_ms), DL_TEXT("reason", rd_kafka_err2str(waiting->code)));
}

static void give_client_up(struct dl_kafka_source *source, const struct waiting *waiting, int64_t now_ms)
{
    int64_t pause_ms = source->group.patience_ms;
    if (waiting->held || (source->stuck.give_up_ms != 0 && now_ms < source->stuck.give_up_ms) ||
        now_ms - waiting->since_ms < 2 * source->group.patience_ms)
        return;
    for (unsigned i = 0; i <= source->stuck.given_up && pause_ms < give_up_ms_max; i++)
        pause_ms *= 2;
    source->stuck.given_up++;
    source->stuck.give_up_ms = now_ms + (pause_ms < give_up_ms_max ? pause_ms : give_up_ms_max);
    (void)snprintf(source->trouble.fatal_reason, sizeof source->trouble.fatal_reason,
                   "it does not get to know where its partitions go on (%s)", rd_kafka_err2str(waiting->code));
    source->trouble.fatal = true;
}

static void over(struct dl_kafka_source *source)
{
    if (source->stuck.told > 0)
        dl_note(source->notes, DL_NOTE_NOTICE, "no partition of this process waits any more to be told where it goes on");
    source->stuck.told = 0;
    source->stuck.given_up = 0;
    source->stuck.give_up_ms = 0;
}

void dl_kafka_source_tend_stuck(struct dl_kafka_source *source, int64_t now_ms)
{
    struct waiting waiting;
    /* Between two memberships nothing is known of partitions; what was said still holds. */
    if (!source->grouped || !source->joined)
        return;
    look(source, now_ms, &waiting);
    source->stuck.partitions = waiting.stuck;
    if (waiting.list->cnt == 0) {
        over(source);
    } else if (waiting.stuck > 0 && !dl_kafka_trouble_any(&source->trouble)) { /* that would be the reason, and is told */
        tell(source, &waiting, now_ms);
        give_client_up(source, &waiting, now_ms);
    }
    rd_kafka_topic_partition_list_destroy(waiting.list);
}

size_t dl_kafka_source_stuck(const struct dl_kafka_source *source)
{
    /* While a new client joins what was said still holds. */
    size_t now = source->joined ? source->stuck.partitions : 0;
    return now > source->stuck.told ? now : source->stuck.told;
}
