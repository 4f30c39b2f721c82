/* Kafka mode: which partitions are this process's is the group's decision.
 *
 * The rebalance callback never waits for Kafka: it answers with an empty
 * assignment, which makes this process a steady member that reads nothing. Where
 * the partitions begin is then looked up as in memory mode, a request per poll,
 * and they are assigned as they get known. So what was fetched before and comes
 * after the callback in the same batch is told by the partition's phase. */
#include "kafka_group.h"
#include "kafka_membership.h"
#include "kafka_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Partitions come and go ---- */

/* Forgets what was read: it goes on where the group's last transaction ended. */
static void begin_at_committed(struct dl_kafka_partition *partition)
{
    if (partition->phase != DL_KAFKA_GONE)
        partition->phase = DL_KAFKA_LOOKUP;
    partition->begin = DL_KAFKA_COMMITTED;
    partition->attempt = 0;
    partition->due_ms = 0;
    partition->next = partition->first = 0;
    partition->newest_ms = partition->told_next = partition->told_end = -1;
}

static void all_at_committed(struct dl_kafka_source *source)
{
    for (size_t i = 0; i < source->topic_count; i++)
        for (int32_t p = 0; p < source->topics[i].partition_count; p++)
            if (source->topics[i].partitions[p].phase != DL_KAFKA_ELSEWHERE)
                begin_at_committed(&source->topics[i].partitions[p]);
    source->tend_due_ms = 0;
}

static void all_elsewhere(struct dl_kafka_source *source)
{
    for (size_t i = 0; i < source->topic_count; i++)
        for (int32_t p = 0; p < source->topics[i].partition_count; p++) {
            source->topics[i].partitions[p].phase = DL_KAFKA_ELSEWHERE;
            source->topics[i].partitions[p].assigned = false;
        }
}

static struct dl_kafka_topic *topic_named(struct dl_kafka_source *source, const char *name)
{
    for (size_t i = 0; i < source->topic_count; i++)
        if (strcmp(source->topics[i].name, name) == 0)
            return &source->topics[i];
    return NULL;
}

static void take_over(struct dl_kafka_source *source, const char *name, int32_t p)
{
    struct dl_kafka_topic *topic = topic_named(source, name);
    if (!topic || p < 0)
        return;
    if (p >= topic->partition_count && !dl_kafka_source_grow(topic, p + 1)) {
        (void)snprintf(source->trouble.fatal_reason, sizeof source->trouble.fatal_reason, "out of memory");
        source->trouble.fatal = true; /* a new client is given them again */
        return;
    }
    struct dl_kafka_partition *partition = &topic->partitions[p];
    partition->phase = DL_KAFKA_LOOKUP;
    partition->doubted = false;
    partition->since_ms = 0;
    begin_at_committed(partition);
    if (partition->leader < 0)
        topic->due_ms = 0; /* it is newer than our metadata */
}

static void give_up_some(struct dl_kafka_source *source, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        struct dl_kafka_topic *topic = topic_named(source, list->elems[i].topic);
        if (topic && list->elems[i].partition < topic->partition_count)
            topic->partitions[list->elems[i].partition].phase = DL_KAFKA_ELSEWHERE;
    }
}

/* ---- What the client reads ---- */

static void note_failed(struct dl_kafka_source *source, const char *reason)
{
    dl_note(source->notes, DL_NOTE_ERROR, "librdkafka refuses an assignment; retrying", DL_TEXT("reason", reason));
}

void dl_kafka_group_assign(struct dl_kafka_source *source)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(64);
    bool changed = false;
    for (size_t i = 0; i < source->topic_count; i++) {
        struct dl_kafka_topic *topic = &source->topics[i];
        for (int32_t p = 0; p < topic->partition_count; p++) {
            struct dl_kafka_partition *partition = &topic->partitions[p];
            bool wanted = partition->phase == DL_KAFKA_READING;
            changed |= partition->assigned != wanted;
            partition->assigned = wanted;
            if (wanted)
                rd_kafka_topic_partition_list_add(list, topic->name, p)->offset = partition->next;
        }
    }
    /* A lost assignment is taken back in a moment; assigning would hide that it is lost. */
    if (changed && !rd_kafka_assignment_lost(source->client)) {
        rd_kafka_resp_err_t code = rd_kafka_assign(source->client, list);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            note_failed(source, rd_kafka_err2str(code));
            for (int i = 0; i < list->cnt; i++)
                dl_kafka_source_resume(topic_named(source, list->elems[i].topic), list->elems[i].partition);
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* Cooperative: stops everything that is read. Eager: the caller assigns. */
static void stop_reading(struct dl_kafka_source *source)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(64);
    for (size_t i = 0; i < source->topic_count; i++)
        for (int32_t p = 0; p < source->topics[i].partition_count; p++)
            if (source->topics[i].partitions[p].assigned) {
                source->topics[i].partitions[p].assigned = false;
                rd_kafka_topic_partition_list_add(list, source->topics[i].name, p);
            }
    rd_kafka_error_t *error = rd_kafka_incremental_unassign(source->client, list);
    if (error)
        note_failed(source, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- Rebalance ---- */

static bool is_member(struct dl_kafka_source *source)
{
    struct dl_kafka_membership *membership = dl_kafka_source_membership(source);
    bool member = membership != NULL;
    dl_kafka_membership_destroy(membership);
    return member;
}

static void taken_back(struct dl_kafka_source *source, bool lost)
{
    source->joined = false;
    source->group.on_revoke(source->group.context, lost);
}

static void assigned(struct dl_kafka_source *source, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *nothing = rd_kafka_topic_partition_list_new(1);
    if (source->group_error != RD_KAFKA_RESP_ERR_NO_ERROR)
        dl_note(source->notes, DL_NOTE_NOTICE, "the consumer group takes this process again");
    source->group_error = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (source->joined) {
        /* Cooperative: what stays is read on in another generation, and what was read in the old one cannot be
         * committed in that. Eager: it should not come to this. */
        taken_back(source, !source->cooperative);
        if (source->cooperative) {
            stop_reading(source);
            all_at_committed(source);
        } else {
            all_elsewhere(source);
        }
    }
    source->joined = true;
    source->group.on_assign(source->group.context, (size_t)list->cnt);
    for (int i = 0; i < list->cnt; i++)
        take_over(source, list->elems[i].topic, list->elems[i].partition);
    if (source->cooperative) {
        rd_kafka_error_t *error = rd_kafka_incremental_assign(source->client, nothing);
        if (error)
            note_failed(source, rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    } else {
        rd_kafka_resp_err_t code = rd_kafka_assign(source->client, nothing);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            note_failed(source, rd_kafka_err2str(code));
    }
    rd_kafka_topic_partition_list_destroy(nothing);
    source->tend_due_ms = 0;
}

static void revoked(struct dl_kafka_source *source, const rd_kafka_topic_partition_list_t *list)
{
    taken_back(source, rd_kafka_assignment_lost(source->client) || !is_member(source));
    if (source->cooperative) {
        stop_reading(source);
        give_up_some(source, list);
        all_at_committed(source);
        source->joined = dl_kafka_source_partitions(source) > 0;
        return;
    }
    all_elsewhere(source);
    (void)rd_kafka_assign(source->client, NULL);
}

static void on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct dl_kafka_source *source = opaque; /* its first member is the trouble, which is the client's opaque */
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        assigned(source, list);
    else if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
        revoked(source, list);
    else
        (void)rd_kafka_assign(client, NULL);
}

void dl_kafka_source_rewind(struct dl_kafka_source *source)
{
    DL_ASSERT(source->grouped);
    all_at_committed(source);
    if (!source->client)
        return;
    if (source->cooperative)
        stop_reading(source);
    else
        dl_kafka_group_assign(source);
}

/* ---- Membership ---- */

/* librdkafka 2.0 tells the generation only in writing:
 *     "CGMDv2:" int32_t generation, group id '\0' member id '\0' … */
static bool says_member(const char *bytes, size_t size)
{
    static const char magic[] = "CGMDv2:";
    const size_t magic_bytes = sizeof magic - 1;
    int32_t generation;
    if (size < magic_bytes + sizeof generation || memcmp(bytes, magic, magic_bytes) != 0)
        return false;
    memcpy(&generation, bytes + magic_bytes, sizeof generation);
    const char *group = bytes + magic_bytes + sizeof generation;
    const char *group_end = memchr(group, '\0', size - magic_bytes - sizeof generation);
    return generation >= 0 && group_end && group_end + 1 < bytes + size && group_end[1] != '\0';
}

struct dl_kafka_membership *dl_kafka_source_membership(struct dl_kafka_source *source)
{
    DL_ASSERT(source->grouped);
    rd_kafka_consumer_group_metadata_t *metadata = source->client ? rd_kafka_consumer_group_metadata(source->client) : NULL;
    struct dl_kafka_membership *membership = NULL;
    void *bytes = NULL;
    size_t size;
    if (!metadata)
        return NULL;
    rd_kafka_error_t *error = rd_kafka_consumer_group_metadata_write(metadata, &bytes, &size);
    if (!error && says_member(bytes, size))
        membership = malloc(sizeof *membership);
    if (membership) {
        membership->metadata = metadata;
        atomic_init(&membership->holders, 1);
    } else {
        rd_kafka_consumer_group_metadata_destroy(metadata);
    }
    rd_kafka_error_destroy(error);
    if (bytes)
        rd_kafka_mem_free(NULL, bytes);
    return membership;
}

struct dl_kafka_membership *dl_kafka_membership_of_nobody(const char *group)
{
    struct dl_kafka_membership *membership = malloc(sizeof *membership);
    if (!membership)
        return NULL;
    membership->metadata = rd_kafka_consumer_group_metadata_new(group);
    atomic_init(&membership->holders, 1);
    return membership;
}

void dl_kafka_membership_hold(struct dl_kafka_membership *membership)
{
    atomic_fetch_add(&membership->holders, 1);
}

void dl_kafka_membership_destroy(struct dl_kafka_membership *membership)
{
    if (!membership || atomic_fetch_sub(&membership->holders, 1) > 1)
        return;
    rd_kafka_consumer_group_metadata_destroy(membership->metadata);
    free(membership);
}

/* ---- Life ---- */

enum dl_status dl_kafka_group_configure(struct dl_kafka_source *source, const struct dl_kafka_source_options *options,
                                        char *error, size_t error_size)
{
    const char *strategy = dl_kafka_conf_value(&options->kafka, "partition.assignment.strategy");
    char heartbeat[24];
    (void)snprintf(heartbeat, sizeof heartbeat, "%d", DL_KAFKA_HEARTBEAT_MS);
    source->group = *options->group;
    source->grouped = true;
    source->caught_up = true;
    source->cooperative = strategy && strstr(strategy, "cooperative");
    if (source->cooperative && rd_kafka_version() < 0x02060100) {
        (void)snprintf(error, error_size,
                       "partition.assignment.strategy: cooperative-sticky rebalances for ever in librdkafka before 2.6.1, and "
                       "this is %s; leave it out, or use range,roundrobin",
                       rd_kafka_version_str());
        return DL_INVALID;
    }
    /* librdkafka's 45 s are how long the partitions of a process that is gone would wait. */
    if (!dl_kafka_conf_value(&options->kafka, "session.timeout.ms") &&
        (rd_kafka_conf_set(source->conf, "session.timeout.ms", "6000", error, error_size) != RD_KAFKA_CONF_OK ||
         (!dl_kafka_conf_value(&options->kafka, "heartbeat.interval.ms") &&
          rd_kafka_conf_set(source->conf, "heartbeat.interval.ms", heartbeat, error, error_size) != RD_KAFKA_CONF_OK)))
        return DL_INVALID;
    rd_kafka_conf_set_rebalance_cb(source->conf, on_rebalance);
    return DL_OK;
}

enum dl_status dl_kafka_group_join(struct dl_kafka_source *source, char *error, size_t error_size)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)source->topic_count);
    for (size_t i = 0; i < source->topic_count; i++)
        rd_kafka_topic_partition_list_add(list, source->topics[i].name, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(source->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return DL_OK;
    (void)snprintf(error, error_size, "subscription: %s", rd_kafka_err2str(code));
    return DL_INVALID;
}

void dl_kafka_client_leave(rd_kafka_t *client, int wait_ms)
{
    int64_t until_ms = dl_kafka_now_ms() + wait_ms;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(client, queue);
    while (!error && !rd_kafka_consumer_closed(client) && dl_kafka_now_ms() < until_ms) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 10);
        /* As an event, not as the callback: what was read is committed already, or never will be. */
        if (event && rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
            (void)rd_kafka_assign(client, NULL);
        if (event)
            rd_kafka_event_destroy(event);
    }
    rd_kafka_error_destroy(error);
    rd_kafka_queue_destroy(queue);
}

bool dl_kafka_group_outdated(struct dl_kafka_source *source)
{
    enum { STANDSTILL_MS = 250 }; /* no session is as short */
    int64_t now_ms = dl_kafka_now_ms();
    /* It looks at the session each time it has answered: the second answer comes after such a look. */
    if (now_ms - source->taken_ms >= STANDSTILL_MS)
        (void)(is_member(source) && is_member(source));
    source->taken_ms = now_ms;
    return rd_kafka_assignment_lost(source->client);
}

void dl_kafka_group_lost(struct dl_kafka_source *source)
{
    if (source->joined)
        taken_back(source, true);
    all_elsewhere(source);
}

bool dl_kafka_group_error(struct dl_kafka_source *source, rd_kafka_resp_err_t code, const char *reason)
{
    const char *sentence;
    switch (code) {
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        sentence = "not allowed to use the consumer group; retrying (grant Read on the group kafka.properties group.id)";
        break;
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
        dl_note(source->notes, DL_NOTE_WARNING,
                "Kafka was not asked for records in time, so the group gives them to others; joining again",
                DL_TEXT("reason", reason));
        return true;
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
        sentence = "the consumer group uses another partition.assignment.strategy; retrying (give all members the same)";
        break;
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
        sentence = "Kafka does not take this session.timeout.ms; retrying (see group.min.session.timeout.ms of the brokers)";
        break;
    case RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED:
        sentence = "the consumer group takes no more members; retrying (see group.max.size of the brokers)";
        break;
    default:
        return false;
    }
    if (source->group_error != code)
        dl_note(source->notes, DL_NOTE_ERROR, sentence, DL_TEXT("reason", reason));
    source->group_error = code;
    return true;
}
