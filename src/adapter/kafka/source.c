#include "kafka_source.h"

#include "kafka_group.h"

#include <stdlib.h>
#include <string.h>

static const int64_t refresh_ms_default = 10000;
/* Between looks at how far the partitions have grown. */
static const int64_t ends_ms = 1000;

/* ---- Life ---- */

static bool copy_topics(struct dl_kafka_source *source, const struct dl_kafka_source_options *options)
{
    source->topics = calloc(options->topic_count, sizeof *source->topics);
    if (!source->topics)
        return false;
    for (size_t i = 0; i < options->topic_count; i++) {
        struct dl_kafka_topic *topic = &source->topics[i];
        topic->source = source;
        topic->index = (uint16_t)i;
        topic->name = strdup(options->topics[i]);
        if (!topic->name)
            return false;
        source->topic_count++;
    }
    return true;
}

static void free_source(struct dl_kafka_source *source)
{
    for (size_t i = 0; i < source->topic_count; i++) {
        free(source->topics[i].name);
        free(source->topics[i].partitions);
    }
    free(source->topics);
    if (source->conf)
        rd_kafka_conf_destroy(source->conf);
    free(source);
}

static int64_t refresh_ms_of(const struct dl_kafka_options *options)
{
    const char *given = dl_kafka_conf_value(options, "topic.metadata.refresh.interval.ms");
    int64_t refresh_ms = given ? strtoll(given, NULL, 10) : 0;
    return refresh_ms > 0 ? refresh_ms : refresh_ms_default;
}

/* ---- librdkafka's statistics ---- */

static int on_stats(rd_kafka_t *client, char *json, size_t bytes, void *opaque)
{
    struct dl_kafka_source *source = opaque;
    (void)client;
    source->on_statistics(source->callbacks.context, json, bytes);
    return 0; /* librdkafka frees the text */
}

static enum dl_status want_statistics(struct dl_kafka_source *source, const struct dl_kafka_source_options *options, char *error,
                                      size_t error_size)
{
    static const char key[] = "statistics.interval.ms";
    source->on_statistics = options->on_statistics;
    if (!options->on_statistics)
        return DL_OK;
    rd_kafka_conf_set_stats_cb(source->conf, on_stats);
    if (dl_kafka_conf_value(&options->kafka, key))
        return DL_OK;
    return rd_kafka_conf_set(source->conf, key, "5000", error, error_size) == RD_KAFKA_CONF_OK ? DL_OK : DL_INVALID;
}

enum dl_status dl_kafka_source_create(const struct dl_kafka_source_options *options,
                                      const struct dl_kafka_callbacks *callbacks, struct dl_kafka_source **made)
{
    DL_ASSERT(options->topic_count > 0 && options->topic_count <= UINT16_MAX);
    DL_ASSERT(options->warm_up_records >= 0);
    struct dl_kafka_source *source = calloc(1, sizeof *source);
    if (!source)
        return DL_MEMORY;
    source->notes = options->kafka.notes;
    source->callbacks = *callbacks;
    source->start_ms = options->start_ms;
    source->warm_up_records = options->warm_up_records;
    source->retention_ms_min = options->retention_ms_min;
    source->headers_max = DL_KAFKA_HEADERS_MAX + (options->dead_letters ? DL_KAFKA_ERROR_HEADERS : 0);
    source->refresh_ms = refresh_ms_of(&options->kafka);
    dl_kafka_trouble_init(&source->trouble, source->notes, "source");
    if (!copy_topics(source, options)) {
        free_source(source);
        return DL_MEMORY;
    }
    char error[DL_KAFKA_ERROR_SIZE] = "";
    enum dl_status status = dl_kafka_conf_create(&options->kafka, DL_KAFKA_SOURCE, &source->conf, error, sizeof error);
    if (status == DL_OK)
        dl_kafka_trouble_attach(&source->trouble, source->conf);
    if (status == DL_OK)
        status = want_statistics(source, options, error, sizeof error);
    if (status == DL_OK && options->group)
        status = dl_kafka_group_configure(source, options, error, sizeof error);
    if (status == DL_OK)
        dl_kafka_source_measure_queue(source);
    if (status == DL_OK)
        status = dl_kafka_source_open(source, error, sizeof error);
    if (status != DL_OK) {
        dl_note(source->notes, DL_NOTE_ERROR, "Kafka cannot be read with these properties", DL_TEXT("reason", error));
        free_source(source);
        return status;
    }
    *made = source;
    return DL_OK;
}

void dl_kafka_source_destroy(struct dl_kafka_source *source)
{
    if (!source)
        return;
    if (source->grouped && source->client)
        dl_kafka_client_leave(source->client, 1000);
    dl_kafka_source_close(source, 1000);
    free_source(source);
}

/* ---- Delivery ---- */

void dl_kafka_take_headers(struct dl_kafka_record *record)
{
    struct dl_kafka_source *source = record->source;
    rd_kafka_headers_t *headers = NULL;
    size_t count = 0;
    record->source = NULL;
    if (source == NULL || rd_kafka_message_headers(record->message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    while (count < source->headers_max) {
        const char *key;
        const void *value;
        size_t bytes;
        if (rd_kafka_header_get_all(headers, count, &key, &value, &bytes) != RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        source->headers[count++] = (struct dl_kafka_header){.key = key, .value = value, .value_bytes = bytes};
    }
    record->headers = source->headers;
    record->header_count = count;
}

static void moved(struct dl_kafka_partition *partition, int64_t next)
{
    partition->next = next;
    if (next > partition->end)
        partition->end = next;
    if (!partition->reached && next >= partition->target)
        partition->reached = true;
}

/* A fetch has worked: metadata alone would not tell (Describe may be allowed, and Read not). What another partition
 * fetched before one was refused is no sign that it may be read. */
static void note_fetched(struct dl_kafka_topic *topic, const struct dl_kafka_partition *partition)
{
    for (int32_t p = 0; p < topic->partition_count && !partition->unread; p++)
        if (topic->partitions[p].unread && topic->partitions[p].phase == DL_KAFKA_READING)
            return;
    for (int32_t p = 0; p < topic->partition_count; p++)
        topic->partitions[p].unread = false;
    topic->unread = false;
    dl_note(topic->source->notes, DL_NOTE_NOTICE, "a topic can be read again", DL_TEXT("topic", topic->name));
}

static void deliver_record(struct dl_kafka_topic *topic, struct dl_kafka_partition *partition,
                           const rd_kafka_message_t *message)
{
    struct dl_kafka_source *source = topic->source;
    if (message->offset < partition->next)
        return; /* stale: read under an earlier assignment */
    if (partition->touched != source->polls) {
        int64_t low = -1, end = -1;
        partition->touched = source->polls;
        if (rd_kafka_get_watermark_offsets(source->client, topic->name, message->partition, &low, &end) ==
                RD_KAFKA_RESP_ERR_NO_ERROR && end > partition->end)
            partition->end = end;
    }
    moved(partition, message->offset + 1);
    if (topic->unread)
        note_fetched(topic, partition);
    rd_kafka_timestamp_type_t kind;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &kind);
    if (timestamp_ms > partition->newest_ms)
        partition->newest_ms = timestamp_ms;
    struct dl_kafka_record record = {
        .topic = topic->index,
        .partition = message->partition,
        .offset = message->offset,
        .end = partition->end,
        .timestamp_ms = timestamp_ms,
        .key = message->key,
        .value = message->payload,
        .key_bytes = message->key_len,
        .value_bytes = message->len,
        .warm_up = message->offset < partition->first,
        .source = source,
        .message = message,
    };
    source->callbacks.on_record(source->callbacks.context, &record);
}

static void tell_position(struct dl_kafka_topic *topic, int32_t p)
{
    struct dl_kafka_source *source = topic->source;
    struct dl_kafka_partition *partition = &topic->partitions[p];
    partition->told_next = partition->next;
    partition->told_end = partition->end;
    /* During warm-up the counted position is where counting begins. */
    int64_t next = partition->next > partition->first ? partition->next : partition->first;
    source->callbacks.on_position(source->callbacks.context, topic->index, p, next, partition->end);
}

static void partition_error(struct dl_kafka_topic *topic, const rd_kafka_message_t *message)
{
    struct dl_kafka_partition *partition = &topic->partitions[message->partition];
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if (message->offset >= partition->next) {
            moved(partition, message->offset);
            if (topic->unread)
                note_fetched(topic, partition);
            tell_position(topic, message->partition);
        }
        break;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
#if RD_KAFKA_VERSION >= 0x020100ff
    case RD_KAFKA_RESP_ERR__LOG_TRUNCATION:
#endif
        dl_kafka_source_resume(topic, message->partition);
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        topic->due_ms = 0; /* ask whether it still exists */
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        if (!topic->unread && !topic->refused)
            dl_note(topic->source->notes, DL_NOTE_ERROR,
                    "not allowed to read a topic; retrying (grant Read and Describe on it)", DL_TEXT("topic", topic->name),
                    DL_TEXT("reason", rd_kafka_message_errstr(message)));
        topic->unread = partition->unread = true;
        break;
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
        if (!topic->unread)
            dl_note(topic->source->notes, DL_NOTE_ERROR,
                    "a batch cannot be unpacked and holds its partition up; raise kafka.properties receive.message.max.bytes",
                    DL_TEXT("topic", topic->name), DL_NUMBER("partition", message->partition),
                    DL_NUMBER("offset", partition->next));
        topic->unread = partition->unread = true;
        break;
    default:
        if (!topic->unread && !topic->unwell)
            dl_note(topic->source->notes, DL_NOTE_WARNING, "a topic cannot be read now; retrying",
                    DL_TEXT("topic", topic->name), DL_NUMBER("partition", message->partition),
                    DL_TEXT("reason", rd_kafka_message_errstr(message)));
        topic->unread = partition->unread = true;
        break;
    }
}

static void settle(const struct dl_kafka_source *source)
{
    if (source->callbacks.on_settle != NULL)
        source->callbacks.on_settle(source->callbacks.context);
}

static void deliver(struct dl_kafka_source *source, const rd_kafka_message_t *message, bool outdated)
{
    if (message->err)
        settle(source);
    if (message->err == RD_KAFKA_RESP_ERR__FATAL) {
        dl_kafka_trouble_fatal(&source->trouble, source->client);
        return;
    }
    if (source->grouped && message->err && dl_kafka_group_error(source, message->err, rd_kafka_message_errstr(message)))
        return;
    if (!message->rkt) {
        /* In memory mode the group's coordinator is asked by librdkafka, not needed by us. */
        dl_note(source->notes, DL_NOTE_DEBUG, "librdkafka reports an error", DL_TEXT("client", "source"),
                DL_TEXT("code", rd_kafka_err2name(message->err)), DL_TEXT("reason", rd_kafka_message_errstr(message)));
        return;
    }
    struct dl_kafka_topic *topic = rd_kafka_topic_opaque(message->rkt);
    if (!topic)
        return; /* an error of the subscription's: metadata tells the same */
    if (message->partition < 0 || message->partition >= topic->partition_count) {
        if (message->err)
            topic->due_ms = 0;
        return;
    }
    struct dl_kafka_partition *partition = &topic->partitions[message->partition];
    if (partition->phase != DL_KAFKA_READING || outdated)
        return; /* stale: fetched before it was stopped */
    if (message->err)
        partition_error(topic, message);
    else
        deliver_record(topic, partition, message);
}

/* librdkafka's thread wrote it, on another core. Most values lie within the first lines; the processor goes on by itself. */
static void fetch(const rd_kafka_message_t *message)
{
    enum { CACHE_LINE = 64, LINES = 6 };
    const char *value = message->payload;
    for (size_t at = 0; at < message->len && at < (size_t)LINES * CACHE_LINE; at += CACHE_LINE)
        __builtin_prefetch(value + at);
}

static size_t take(struct dl_kafka_source *source, int timeout_ms, size_t count_max)
{
    enum { AHEAD = 3 };
    ssize_t count = rd_kafka_consume_batch_queue(source->queue, timeout_ms, source->messages, count_max);
    int64_t bytes = 0;
    if (count > 0)
        dl_kafka_source_keep_filling(source, count);
    bool outdated = source->grouped && dl_kafka_group_outdated(source);
    for (ssize_t i = 0; i < count; i++) {
        if (i + AHEAD < count)
            fetch(source->messages[i + AHEAD]);
        bytes += (int64_t)source->messages[i]->len;
        deliver(source, source->messages[i], outdated);
    }
    if (count > 0)
        settle(source);
    /* Together: memory and counts of references are librdkafka's thread's too, and go from core to core each time. */
    for (ssize_t i = 0; i < count; i++)
        rd_kafka_message_destroy(source->messages[i]);
    if (count > 0)
        source->limit.mean_bytes = bytes / count;
    return count > 0 ? (size_t)count : 0;
}

/* ---- What is not per record ---- */

static void tell_ends(struct dl_kafka_source *source)
{
    for (size_t i = 0; i < source->topic_count; i++) {
        struct dl_kafka_topic *topic = &source->topics[i];
        for (int32_t p = 0; p < topic->partition_count; p++) {
            struct dl_kafka_partition *partition = &topic->partitions[p];
            int64_t low = -1, end = -1;
            if (partition->phase != DL_KAFKA_READING)
                continue;
            if (rd_kafka_get_watermark_offsets(source->client, topic->name, p, &low, &end) == RD_KAFKA_RESP_ERR_NO_ERROR &&
                end > partition->end)
                partition->end = end;
            if (partition->next != partition->told_next || partition->end != partition->told_end)
                tell_position(topic, p);
        }
    }
}

/* At most one request to a broker, so that a poll is never held up for long. */
static void tend(struct dl_kafka_source *source, int64_t now_ms)
{
    if (source->trouble.fatal || !source->client) {
        if (now_ms >= source->rebuild_due_ms)
            dl_kafka_source_rebuild(source);
        source->tend_due_ms = now_ms + 100;
        return;
    }
    if (now_ms >= source->ends_due_ms) {
        tell_ends(source);
        dl_kafka_source_serve_retention(source);
        dl_kafka_source_tend_stuck(source, now_ms);
        source->ends_due_ms = now_ms + ends_ms;
    }
    /* In trouble an answer tells that it is over: ask more often than in peace. */
    if (dl_kafka_trouble_any(&source->trouble) && source->topics[0].due_ms > now_ms + 2000)
        source->topics[0].due_ms = now_ms + dl_kafka_backoff_ms(0, 2000, 2000);
    bool more = dl_kafka_source_look_up(source, now_ms);
    int64_t due_ms = more ? now_ms : dl_kafka_source_look_up_due(source);
    source->tend_due_ms = due_ms < source->ends_due_ms ? due_ms : source->ends_due_ms;
}

static bool start_is_read(const struct dl_kafka_source *source)
{
    for (size_t i = 0; i < source->topic_count; i++) {
        if (!source->topics[i].seen)
            return false;
        for (int32_t p = 0; p < source->topics[i].partition_count; p++)
            if (!source->topics[i].partitions[p].reached)
                return false;
    }
    return true;
}

void dl_kafka_source_poll(struct dl_kafka_source *source, int timeout_ms)
{
    int64_t now_ms = dl_kafka_now_ms();
    source->polls++;
    if (now_ms >= source->tend_due_ms || source->trouble.fatal)
        tend(source, now_ms);
    if (!source->client) {
        dl_kafka_sleep_ms(timeout_ms);
        return;
    }
    /* The batch call waits until the batch is full or the time is over: so take
     * what is there, and wait for one record only. */
    if (take(source, 0, DL_KAFKA_BATCH) == 0 && timeout_ms > 0) {
        int64_t until_due_ms = source->tend_due_ms - now_ms;
        int waited_ms = until_due_ms < timeout_ms ? (int)(until_due_ms > 1 ? until_due_ms : 1) : timeout_ms;
        if (take(source, waited_ms, 1) > 0)
            (void)take(source, 0, DL_KAFKA_BATCH);
    }
    /* Once is for ever: what comes later is news, not the re-read. */
    if (!source->caught_up)
        source->caught_up = start_is_read(source);
}

bool dl_kafka_source_caught_up(const struct dl_kafka_source *source)
{
    return source->caught_up;
}

void dl_kafka_source_progress(const struct dl_kafka_source *source, int64_t *read, int64_t *total)
{
    *read = *total = 0;
    for (size_t i = 0; i < source->topic_count; i++)
        for (int32_t p = 0; p < source->topics[i].partition_count; p++) {
            const struct dl_kafka_partition *partition = &source->topics[i].partitions[p];
            if (!partition->progressing || partition->target <= partition->begun)
                continue;
            int64_t done = partition->reached ? partition->target : partition->next;
            *total += partition->target - partition->begun;
            *read += (done < partition->target ? done : partition->target) - partition->begun;
        }
}

bool dl_kafka_source_assigned(const struct dl_kafka_source *source)
{
    if (source->grouped)
        return source->joined;
    for (size_t i = 0; i < source->topic_count; i++)
        if (!source->topics[i].seen)
            return false;
    return true;
}

bool dl_kafka_source_range(const struct dl_kafka_source *source, uint16_t topic, int32_t partition, int64_t *begun,
                           int64_t *target)
{
    DL_ASSERT(topic < source->topic_count);
    const struct dl_kafka_topic *of = &source->topics[topic];
    if (partition < 0 || partition >= of->partition_count || !of->partitions[partition].progressing)
        return false;
    *begun = of->partitions[partition].begun;
    *target = of->partitions[partition].target;
    return true;
}

size_t dl_kafka_source_partitions(const struct dl_kafka_source *source)
{
    size_t count = 0;
    for (size_t i = 0; i < source->topic_count; i++)
        for (int32_t p = 0; p < source->topics[i].partition_count; p++)
            count += source->grouped ? source->topics[i].partitions[p].phase != DL_KAFKA_ELSEWHERE
                                     : source->topics[i].partitions[p].phase == DL_KAFKA_READING;
    return count;
}
