/* librdkafka's queue of records: how full it is, and that its filling goes on. */
#include "kafka_source.h"

#include <stdlib.h>

enum {
    FETCHES_BY_ITSELF = 0x02020000, /* from this librdkafka on: fetch.queue.backoff.ms */
    SHARES = 8, FULL = 7, ROOM = 6, /* eighths of the limit: from the one on it may have stopped, below the other it has room */
    LEADERS_MAX = 64
};

static int64_t number_of(const rd_kafka_conf_t *conf, const char *key)
{
    char text[24];
    size_t size = sizeof text;
    return rd_kafka_conf_get(conf, key, text, &size) == RD_KAFKA_CONF_OK ? strtoll(text, NULL, 10) : 0;
}

void dl_kafka_source_measure_queue(struct dl_kafka_source *source)
{
    struct dl_kafka_queue_limit *limit = &source->limit;
    limit->messages = number_of(source->conf, "queued.min.messages");
    limit->bytes = number_of(source->conf, "queued.max.messages.kbytes") * 1024;
    /* A queue that one poll empties is wanted to be short, not to be fast. */
    limit->watched = rd_kafka_version() < FETCHES_BY_ITSELF && limit->messages > DL_KAFKA_BATCH;
}

/* One partition of each leader; beyond LEADERS_MAX of them all partitions, which is only more than needed. */
static void add_leaders(const struct dl_kafka_source *source, rd_kafka_topic_partition_list_t *list)
{
    int32_t leaders[LEADERS_MAX];
    int count = 0;
    for (size_t i = 0; i < source->topic_count; i++)
        for (int32_t p = 0; p < source->topics[i].partition_count; p++) {
            const struct dl_kafka_partition *partition = &source->topics[i].partitions[p];
            int known = 0;
            if (partition->phase != DL_KAFKA_READING)
                continue;
            while (known < count && leaders[known] != partition->leader)
                known++;
            if (known < count)
                continue;
            if (count < LEADERS_MAX)
                leaders[count++] = partition->leader;
            rd_kafka_topic_partition_list_add(list, source->topics[i].name, p)->offset = RD_KAFKA_OFFSET_END;
        }
}

/* Before 2.2 a thread of librdkafka's that has found the queue full sleeps for a second, however soon it is empty. A request
 * to its broker wakes it, whatever is asked: nobody waits for this answer. */
static void wake(struct dl_kafka_source *source)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    add_leaders(source, list);
    if (list->cnt > 0)
        (void)rd_kafka_offsets_for_times(source->client, list, 0);
    rd_kafka_topic_partition_list_destroy(list);
}

/* Eighths of the limit; a queue has two. */
static bool reaches(const struct dl_kafka_queue_limit *limit, int64_t messages, int64_t eighths)
{
    return messages * SHARES >= limit->messages * eighths || messages * limit->mean_bytes >= limit->bytes / SHARES * eighths;
}

void dl_kafka_source_keep_filling(struct dl_kafka_source *source, int64_t count)
{
    struct dl_kafka_queue_limit *limit = &source->limit;
    if (!limit->watched)
        return;
    int64_t messages = (int64_t)rd_kafka_queue_length(source->queue);
    if (reaches(limit, messages + count, FULL))
        limit->full = true;
    if (limit->full && !reaches(limit, messages, ROOM)) {
        limit->full = false;
        wake(source);
    }
}
