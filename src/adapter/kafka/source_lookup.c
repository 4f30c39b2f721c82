#include "kafka_source.h"

static const int64_t backoff_ms = 500, backoff_ms_max = 10000;
/* What a transaction holds back comes soon. */
static const int64_t committed_ms_max = 1000;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Answers of one look-up, by place in the list. */
struct answers {
    rd_kafka_topic_partition_list_t *low, *end;
    rd_kafka_topic_partition_list_t *hit; /* by time, or the group's positions; NULL: not asked */
    bool positions_failed;                /* it is the group's positions that are not to be had */
};

/* Offset -2 asks for the low, -1 for the high watermark (of committed records), others are times. */
static rd_kafka_resp_err_t ask(struct dl_kafka_source *source, const rd_kafka_topic_partition_list_t *which, int64_t time,
                               int64_t until_ms, rd_kafka_topic_partition_list_t **answer)
{
    *answer = rd_kafka_topic_partition_list_copy(which);
    for (int i = 0; i < (*answer)->cnt; i++)
        (*answer)->elems[i].offset = time;
    int64_t wait_ms = until_ms - dl_kafka_now_ms();
    if (wait_ms <= 0)
        return RD_KAFKA_RESP_ERR__TIMED_OUT;
    return rd_kafka_offsets_for_times(source->client, *answer, (int)wait_ms);
}

static void lost(struct dl_kafka_topic *topic, int32_t partition, int64_t from, int64_t to)
{
    struct dl_kafka_source *source = topic->source;
    if (from >= to)
        return;
    dl_note(source->notes, DL_NOTE_WARNING, "records were deleted from a topic before they were read",
            DL_TEXT("topic", topic->name), DL_NUMBER("partition", partition), DL_NUMBER("from", from), DL_NUMBER("to", to),
            DL_NUMBER("records", to - from));
    source->callbacks.on_loss(source->callbacks.context, topic->index, partition, from, to);
}

static void start_at(struct dl_kafka_topic *topic, int32_t p, int64_t first, int64_t next)
{
    struct dl_kafka_source *source = topic->source;
    topic->partitions[p].first = first;
    topic->partitions[p].next = next;
    source->callbacks.on_start(source->callbacks.context, topic->index, p, first);
}

static void begin_by_time(struct dl_kafka_topic *topic, int32_t p, int64_t low, int64_t end, int64_t hit)
{
    struct dl_kafka_source *source = topic->source;
    struct dl_kafka_partition *partition = &topic->partitions[p];
    int64_t first = least(most(hit, low), end);
    int64_t warm_up = least(source->warm_up_records, first - low);
    partition->begun = first - warm_up;
    partition->target = end;
    partition->progressing = true;
    start_at(topic, p, first, first - warm_up);
}

/* Whether a partition whose offsets went back belongs to another topic of the same name: then every record is younger
 * than what was read. Otherwise its log was truncated, and what is left has been counted. */
static bool made_anew(struct dl_kafka_topic *topic, int32_t p, int64_t low, int64_t end)
{
    const struct dl_kafka_partition *partition = &topic->partitions[p];
    if (low >= end || partition->newest_ms < 0 || dl_kafka_client_is_mock(topic->source->client))
        return true; /* nothing is left to be counted twice, or nobody can tell */
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic->name, p)->offset = partition->newest_ms;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(topic->source->client, list, (int)dl_kafka_step_ms(8));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = list->elems[0].err;
    int64_t hit = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR && hit >= 0 && hit <= low;
}

static void note_went_back(struct dl_kafka_topic *topic, int32_t p, bool anew, int64_t position, int64_t end)
{
    dl_note(topic->source->notes, DL_NOTE_WARNING,
            anew ? "a partition's offsets went back: its topic was created anew; it is read from its first record"
                 : "a partition's offsets went back: its log was truncated; what was cut off stays counted",
            DL_TEXT("topic", topic->name), DL_NUMBER("partition", p), DL_NUMBER("position", position), DL_NUMBER("end", end));
}

/* Retention passed over what was not read yet, the log was truncated, or the topic was made anew. */
static void begin_again(struct dl_kafka_topic *topic, int32_t p, int64_t low, int64_t end)
{
    struct dl_kafka_partition *partition = &topic->partitions[p];
    if (partition->next < low && partition->first >= low) {
        partition->next = low; /* only warm-up is gone */
    } else if (partition->next < low) {
        lost(topic, p, most(partition->next, partition->first), low);
        start_at(topic, p, low, low);
    } else if (partition->next > end) {
        bool anew = made_anew(topic, p, low, end);
        int64_t from = anew ? low : end;
        note_went_back(topic, p, anew, partition->next, end);
        lost(topic, p, partition->next, partition->end);
        partition->target = end;
        partition->end = end;
        start_at(topic, p, from, from);
    }
}

/* committed < 0: the group has none. False: where to start is not known yet. */
static bool begin_by_group(struct dl_kafka_topic *topic, int32_t p, int64_t low, int64_t end, int64_t committed)
{
    struct dl_kafka_source *source = topic->source;
    struct dl_kafka_partition *partition = &topic->partitions[p];
    int64_t first = committed >= 0 ? committed : source->group.missing_offset(source->group.context, topic->index, p);
    if (first == DL_KAFKA_NOT_KNOWN) {
        partition->due_ms = dl_kafka_now_ms() + dl_kafka_backoff_ms(0, backoff_ms, backoff_ms);
        return false;
    }
    bool forgotten = committed < 0 && first >= 0;
    /* The answers may be older than what is known of the batches, by as long as this process stood still meanwhile. */
    if (forgotten && !partition->doubted) {
        partition->doubted = true;
        partition->due_ms = dl_kafka_now_ms();
        return false;
    }
    if (forgotten)
        source->group.on_forgotten(source->group.context, topic->index, p, first, end);
    if (first == DL_KAFKA_AT_FIRST)
        first = low;
    if (first < low) {
        lost(topic, p, first, low);
        first = low;
    } else if (first > end) {
        /* Kafka forgets the positions of a deleted topic: one that is still there is of this log. */
        bool anew = committed < 0;
        note_went_back(topic, p, anew, first, end);
        source->callbacks.on_loss(source->callbacks.context, topic->index, p, first, anew ? low : end);
        first = anew ? low : end;
    }
    partition->end = end;
    start_at(topic, p, first, first - least(source->warm_up_records, first - low));
    return true;
}

static void begin_reading(struct dl_kafka_topic *topic, int32_t p, int64_t low, int64_t end, int64_t hit)
{
    struct dl_kafka_partition *partition = &topic->partitions[p];
    switch (partition->begin) {
    case DL_KAFKA_COMMITTED:
        if (!begin_by_group(topic, p, low, end, hit))
            return;
        break;
    case DL_KAFKA_BY_TIME:
        begin_by_time(topic, p, low, end, hit);
        break;
    case DL_KAFKA_FIRST:
        /* Brokers that start may deny a topic that they hold. */
        if (partition->newest_ms >= 0 && partition->next >= low && partition->next <= end && !made_anew(topic, p, low, end)) {
            partition->reached = partition->next >= partition->target;
            break;
        }
        /* What a deleted topic still held is lost; a new partition had nothing. */
        lost(topic, p, most(partition->next, partition->first), partition->end);
        partition->end = end;
        partition->reached = true;
        start_at(topic, p, low, low);
        break;
    case DL_KAFKA_RESUME:
        begin_again(topic, p, low, end);
        break;
    }
    partition->phase = DL_KAFKA_READING;
    partition->doubted = false;
    partition->since_ms = 0;
    partition->begin = DL_KAFKA_RESUME;
    partition->attempt = 0;
    partition->end = most(partition->end, end);
    if (partition->next >= partition->target)
        partition->reached = true;
}

static rd_kafka_resp_err_t error_in(const rd_kafka_topic_partition_list_t *list, int i)
{
    return list ? list->elems[i].err : RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void note_later(struct dl_kafka_topic *topic, int32_t p, rd_kafka_resp_err_t code, bool position)
{
    if (topic->partitions[p].attempt != (position ? 3 : 5))
        return;
    dl_note(topic->source->notes, DL_NOTE_WARNING,
            position ? "the committed position of a partition is not to be had now (is a transaction open?); retrying"
                     : "the offsets of a partition cannot be looked up; retrying",
            DL_TEXT("topic", topic->name), DL_NUMBER("partition", p), DL_TEXT("reason", rd_kafka_err2str(code)));
}

/* position: the group's is not to be had. Otherwise it is the topic that did not answer. */
static void look_up_later(struct dl_kafka_topic *topic, int32_t p, rd_kafka_resp_err_t code, bool position)
{
    struct dl_kafka_source *source = topic->source;
    struct dl_kafka_partition *partition = &topic->partitions[p];
    partition->due_ms =
        dl_kafka_now_ms() + dl_kafka_backoff_ms(partition->attempt++, backoff_ms,
                                                partition->begin == DL_KAFKA_COMMITTED ? committed_ms_max : backoff_ms_max);
    if (source->grouped && dl_kafka_group_error(source, code, rd_kafka_err2str(code)))
        return;
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        dl_kafka_source_refused(topic, rd_kafka_err2str(code));
    } else {
        if (partition->since_ms == 0)
            partition->since_ms = dl_kafka_now_ms();
        partition->failed_by = code;
        note_later(topic, p, code, position);
    }
    /* Most likely its leader has moved: ask who it is. */
    topic->due_ms = least(topic->due_ms, partition->due_ms);
}

static void take_answers(struct dl_kafka_topic *topic, const rd_kafka_topic_partition_list_t *which,
                         const struct answers *answers, rd_kafka_resp_err_t code)
{
    for (int i = 0; i < which->cnt; i++) {
        int32_t p = which->elems[i].partition;
        rd_kafka_resp_err_t own = code;
        bool position = answers->positions_failed;
        if (own == RD_KAFKA_RESP_ERR_NO_ERROR)
            own = error_in(answers->end, i);
        if (own == RD_KAFKA_RESP_ERR_NO_ERROR)
            own = error_in(answers->low, i);
        if (own == RD_KAFKA_RESP_ERR_NO_ERROR) {
            own = error_in(answers->hit, i);
            position = own != RD_KAFKA_RESP_ERR_NO_ERROR && topic->source->grouped;
        }
        if (own != RD_KAFKA_RESP_ERR_NO_ERROR) {
            look_up_later(topic, p, own, position);
            continue;
        }
        int64_t low = answers->low->elems[i].offset, end = answers->end->elems[i].offset;
        /* librdkafka 2.8 has reported success without an answer, after the process had stood still. */
        if (low < 0 || end < 0) {
            look_up_later(topic, p, RD_KAFKA_RESP_ERR__TIMED_OUT, false);
            continue;
        }
        int64_t hit = answers->hit ? answers->hit->elems[i].offset : low;
        if (hit < 0 && !topic->source->grouped) /* no record so young: the end that was asked before */
            hit = end;
        begin_reading(topic, p, low, most(low, end), hit);
    }
}

static bool any_committed(const struct dl_kafka_topic *topic, const rd_kafka_topic_partition_list_t *which)
{
    for (int i = 0; i < which->cnt; i++)
        if (topic->partitions[which->elems[i].partition].begin == DL_KAFKA_COMMITTED)
            return true;
    return false;
}

/* The end is asked first: a record that comes between the questions is then
 * found by its time, or lies behind that end, and is read either way. The
 * group's position is asked before all: it is not beyond the end of its time. */
static void look_up_offsets(struct dl_kafka_topic *topic, const rd_kafka_topic_partition_list_t *which, unsigned attempt)
{
    struct dl_kafka_source *source = topic->source;
    struct answers answers = {0};
    int64_t until_ms = dl_kafka_now_ms() + dl_kafka_step_ms(attempt);
    bool by_time = source->start_ms >= 0 && !source->grouped;
    if (by_time && dl_kafka_client_is_mock(source->client)) {
        if (!source->by_time_unknown)
            dl_note(source->notes, DL_NOTE_WARNING,
                    "a mock cluster cannot look offsets up by time; reading topics from the beginning", DL_TEXT("topic", topic->name));
        source->by_time_unknown = true;
        by_time = false;
    }
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (any_committed(topic, which))
        code = dl_kafka_source_ask_positions(source, which, attempt, until_ms, &answers.hit);
    answers.positions_failed = code != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = ask(source, which, RD_KAFKA_OFFSET_END, until_ms, &answers.end);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = ask(source, which, RD_KAFKA_OFFSET_BEGINNING, until_ms, &answers.low);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && by_time)
        code = ask(source, which, source->start_ms, until_ms, &answers.hit);
    take_answers(topic, which, &answers, code);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        dl_kafka_source_assign(topic);
    if (answers.end)
        rd_kafka_topic_partition_list_destroy(answers.end);
    if (answers.low)
        rd_kafka_topic_partition_list_destroy(answers.low);
    if (answers.hit)
        rd_kafka_topic_partition_list_destroy(answers.hit);
}

static bool due(const struct dl_kafka_partition *partition, int64_t now_ms)
{
    return partition->phase == DL_KAFKA_LOOKUP && partition->leader >= 0 && partition->due_ms <= now_ms;
}

/* Partitions are asked leader by leader: one that is away holds up only its own. */
static bool look_up_some(struct dl_kafka_topic *topic, int64_t now_ms)
{
    int32_t p = 0;
    while (p < topic->partition_count && !due(&topic->partitions[p], now_ms))
        p++;
    if (p == topic->partition_count)
        return false;
    const int32_t leader = topic->partitions[p].leader;
    const unsigned attempt = topic->partitions[p].attempt;
    rd_kafka_topic_partition_list_t *which = rd_kafka_topic_partition_list_new(topic->partition_count);
    for (; p < topic->partition_count; p++) {
        if (!due(&topic->partitions[p], now_ms) || topic->partitions[p].leader != leader)
            continue;
        dl_kafka_source_unassign(topic, p);
        rd_kafka_topic_partition_list_add(which, topic->name, p);
    }
    look_up_offsets(topic, which, attempt);
    rd_kafka_topic_partition_list_destroy(which);
    return true;
}

void dl_kafka_source_resume(struct dl_kafka_topic *topic, int32_t partition)
{
    struct dl_kafka_partition *state = &topic->partitions[partition];
    if (state->phase != DL_KAFKA_READING)
        return;
    state->phase = DL_KAFKA_LOOKUP;
    state->begin = DL_KAFKA_RESUME;
    state->due_ms = dl_kafka_now_ms() + dl_kafka_backoff_ms(0, 100, 100);
}

bool dl_kafka_source_look_up(struct dl_kafka_source *source, int64_t now_ms)
{
    for (size_t i = 0; i < source->topic_count; i++)
        if (source->topics[i].due_ms <= now_ms) {
            dl_kafka_source_look_for_partitions(&source->topics[i]);
            return true;
        }
    for (size_t i = 0; i < source->topic_count; i++)
        if (!source->topics[i].missing && look_up_some(&source->topics[i], now_ms))
            return true;
    return false;
}

int64_t dl_kafka_source_look_up_due(const struct dl_kafka_source *source)
{
    int64_t soonest = INT64_MAX;
    for (size_t i = 0; i < source->topic_count; i++) {
        const struct dl_kafka_topic *topic = &source->topics[i];
        soonest = least(soonest, topic->due_ms);
        for (int32_t p = 0; p < topic->partition_count; p++)
            if (topic->partitions[p].phase == DL_KAFKA_LOOKUP && topic->partitions[p].leader >= 0)
                soonest = least(soonest, topic->partitions[p].due_ms);
    }
    return soonest;
}
