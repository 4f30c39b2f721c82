#include "kafka_source.h"

#include "failpoint.h"

/* Kafka mode: where the group's last transaction ended. A transaction that has sent positions and is still open holds
 * back those of its partitions: Kafka answers that they are not stable. rd_kafka_committed asks on by itself then, for
 * all of the partitions, and says "timed out" in the end as it would of a broker that does not answer. An administrator
 * asks the same question and is told at once, partition by partition: so the others are not held up, and it is known
 * what the matter is. He is the second to be asked because his requests may go to a broker that is not the group's
 * coordinator any more for some minutes (librdkafka, rd_kafka_coord_cache_evict is called by nobody). */

static const rd_kafka_topic_partition_list_t *answer_in(rd_kafka_event_t *event)
{
    const rd_kafka_ListConsumerGroupOffsets_result_t *result =
        event ? rd_kafka_event_ListConsumerGroupOffsets_result(event) : NULL;
    size_t count = 0;
    if (!result || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return NULL;
    const rd_kafka_group_result_t **groups = rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count);
    return count > 0 && !rd_kafka_group_result_error(groups[0]) ? rd_kafka_group_result_partitions(groups[0]) : NULL;
}

static void take(rd_kafka_topic_partition_list_t *positions, const rd_kafka_topic_partition_list_t *answer)
{
    for (int i = 0; i < positions->cnt; i++) {
        rd_kafka_topic_partition_t *position = &positions->elems[i];
        const rd_kafka_topic_partition_t *told = NULL;
        for (int j = 0; j < answer->cnt && !told; j++)
            if (answer->elems[j].partition == position->partition)
                told = &answer->elems[j];
        position->offset = told ? told->offset : RD_KAFKA_OFFSET_INVALID;
        position->err = told ? told->err : RD_KAFKA_RESP_ERR__TIMED_OUT;
    }
}

/* positions: of one topic, filled in. False: no answer. */
static bool ask_as_administrator(struct dl_kafka_source *source, rd_kafka_topic_partition_list_t *positions, int wait_ms)
{
    char group[256];
    size_t group_size = sizeof group;
    if (rd_kafka_conf_get(source->conf, "group.id", group, &group_size) != RD_KAFKA_CONF_OK)
        return false;
    rd_kafka_ListConsumerGroupOffsets_t *question = rd_kafka_ListConsumerGroupOffsets_new(group, positions);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(source->client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(source->client);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, wait_ms, NULL, 0);
    rd_kafka_error_t *error = rd_kafka_AdminOptions_set_require_stable_offsets(options, 1);
    rd_kafka_event_t *event = NULL;
    if (!error) {
        rd_kafka_ListConsumerGroupOffsets(source->client, &question, 1, options, queue);
        event = rd_kafka_queue_poll(queue, wait_ms);
    }
    const rd_kafka_topic_partition_list_t *answer = answer_in(event);
    if (answer)
        take(positions, answer);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_error_destroy(error);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ListConsumerGroupOffsets_destroy(question);
    return answer != NULL;
}

rd_kafka_resp_err_t dl_kafka_source_ask_positions(struct dl_kafka_source *source, const rd_kafka_topic_partition_list_t *which,
                                                  unsigned attempt, int64_t until_ms, rd_kafka_topic_partition_list_t **answer)
{
    *answer = rd_kafka_topic_partition_list_copy(which);
    int64_t left_ms = until_ms - dl_kafka_now_ms();
    if (dl_broken("deaf_positions") && source->rebuilds == 0)
        return RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (attempt > 0 && left_ms > 1 && ask_as_administrator(source, *answer, (int)(left_ms / 2)))
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    left_ms = until_ms - dl_kafka_now_ms();
    return rd_kafka_committed(source->client, *answer, (int)(left_ms > 1 ? left_ms : 1));
}
