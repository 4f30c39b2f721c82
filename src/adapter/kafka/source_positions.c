#include "kafka_source.h"

/* Kafka mode: where the group's last transaction ended. A transaction that has sent positions and is still open holds
 * back those of its partitions: Kafka answers that they are not stable, and rd_kafka_committed asks on by itself, for all
 * of its list, until the time is over. So partitions that have failed together are asked for one by one: the others are
 * not held up. An administrator's request would say the reason, but may end the process when a coordinator is slow
 * (librdkafka #4605; seen). */

enum { ALONE_MS = 300 };

static void ask_alone(rd_kafka_t *client, rd_kafka_topic_partition_t *position, int wait_ms)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, position->topic, position->partition);
    position->err = rd_kafka_committed(client, list, wait_ms);
    if (position->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        position->err = list->elems[0].err;
    position->offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
}

rd_kafka_resp_err_t dl_kafka_source_ask_positions(struct dl_kafka_source *source, const rd_kafka_topic_partition_list_t *which,
                                                  unsigned attempt, int64_t until_ms, rd_kafka_topic_partition_list_t **answer)
{
    *answer = rd_kafka_topic_partition_list_copy(which);
    int64_t left_ms = until_ms - dl_kafka_now_ms();
    if (attempt == 0 || which->cnt == 1)
        return rd_kafka_committed(source->client, *answer, (int)(left_ms > 1 ? left_ms : 1));
    for (unsigned i = 0; i < (unsigned)which->cnt; i++) { /* another one first each time: there may be many */
        rd_kafka_topic_partition_t *position = &(*answer)->elems[(attempt + i) % (unsigned)which->cnt];
        left_ms = until_ms - dl_kafka_now_ms();
        position->err = RD_KAFKA_RESP_ERR__TIMED_OUT;
        if (left_ms > 0)
            ask_alone(source->client, position, (int)(left_ms < ALONE_MS ? left_ms : ALONE_MS));
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}
