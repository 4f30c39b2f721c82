#include "kafka_conf.h"
#include "kafka_group.h"
#include "kafka_trouble.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* The partition of a score group with two members, seen from one of them:
 *
 *          assigned              begin                      offset out of range
 *   AWAY ───────────► OWNER, idle ─────► OWNER, reading ─────────────────┐
 *    ▲                    ▲                    │  ▲                      ▼
 *    │ lost, or given     │ revoked: nobody    │  └──── bounds known ── from the
 *    └─ to another ───────┴── has it yet ◄─────┘                          end
 *
 * A rebalance takes the partition from its owner and mostly gives it back. Nobody
 * else can have had it in between as long as the member id stays the same, so
 * that the owner does not even hear of it. */

enum { BATCH = 256 };
static const int64_t tend_ms = 1000, silence_ms = 4000;

struct dl_tallies {
    struct dl_kafka_trouble trouble; /* first: the client's opaque */
    struct dl_note_sink *notes;
    struct dl_tallies_callbacks callbacks;
    rd_kafka_conf_t *conf;
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    char *topic;
    int fd;
    bool owner;    /* told by on_owner */
    bool granted;  /* the group's present assignment has the partition */
    bool begun;    /* the caller has said from where */
    bool relooked; /* assigned at the end, to learn where the log begins: next is not there (any more) */
    bool stale;    /* what is left of the present batch was read under an earlier assignment */
    char member_id[256]; /* with which it became the owner */
    int64_t next, end, told_next, told_end;
    rd_kafka_resp_err_t noted; /* why nothing can be read */
    bool several;
    int64_t tend_due_ms, down_since_ms, rebuild_due_ms;
    unsigned rebuilds;
    rd_kafka_message_t *messages[BATCH];
};

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

static void owner_no_more(struct dl_tallies *tallies)
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

static void recovered(struct dl_tallies *tallies)
{
    dl_kafka_trouble_answered(&tallies->trouble);
    tallies->down_since_ms = 0;
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
    if (list->cnt > (tallies->granted ? 1 : 0) && !tallies->several) {
        tallies->several = true;
        dl_note(tallies->notes, DL_NOTE_ERROR,
                "the topic of the tallies must have one partition and has several; what is in the others is not counted (see "
                "delightd topics --check)",
                DL_TEXT("topic", tallies->topic));
    }
    assign(tallies, RD_KAFKA_OFFSET_INVALID);
    if (tallies->owner && !(same && tallies->granted))
        owner_no_more(tallies);
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

static void on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct dl_tallies *tallies = opaque;
    recovered(tallies);
    tallies->stale = true;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        assigned(tallies, list);
        return;
    }
    tallies->granted = false;
    if (rd_kafka_assignment_lost(client))
        owner_no_more(tallies);
    (void)rd_kafka_assign(client, NULL);
}

/* ---- Delivery ---- */

static void tell_position(struct dl_tallies *tallies)
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
        tell_position(tallies);
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
        recovered(tallies);
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

/* ---- Life ---- */

static enum dl_status open_client(struct dl_tallies *tallies, char *error, size_t error_size)
{
    const uint64_t one = 1;
    tallies->trouble.fatal = false;
    tallies->client = dl_kafka_client_create(tallies->conf, DL_KAFKA_CONSUMER, error, error_size);
    if (!tallies->client)
        return DL_INVALID;
    (void)rd_kafka_poll_set_consumer(tallies->client);
    tallies->queue = rd_kafka_queue_get_consumer(tallies->client);
    rd_kafka_queue_io_event_enable(tallies->queue, tallies->fd, &one, sizeof one);
    rd_kafka_resp_err_t code = rd_kafka_set_log_queue(tallies->client, tallies->queue);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, tallies->topic, RD_KAFKA_PARTITION_UA);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = rd_kafka_subscribe(tallies->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return DL_OK;
    (void)snprintf(error, error_size, "subscription: %s", rd_kafka_err2str(code));
    return DL_INVALID;
}

static void close_client(struct dl_tallies *tallies, int wait_ms)
{
    if (!tallies->client)
        return;
    rd_kafka_queue_io_event_enable(tallies->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(tallies->queue);
    (void)dl_kafka_client_destroy(tallies->client, wait_ms);
    tallies->client = NULL;
}

static void rebuild(struct dl_tallies *tallies, int64_t now_ms)
{
    char error[DL_KAFKA_ERROR_SIZE] = "";
    if (tallies->client)
        dl_note(tallies->notes, DL_NOTE_WARNING, "librdkafka gave up its consumer; making a new one",
                DL_TEXT("reason", tallies->trouble.fatal_reason));
    tallies->granted = false;
    owner_no_more(tallies);
    close_client(tallies, 0); /* ends by itself */
    tallies->rebuild_due_ms = now_ms + dl_kafka_backoff_ms(tallies->rebuilds++, 1000, 30000);
    if (open_client(tallies, error, sizeof error) == DL_OK)
        return;
    close_client(tallies, 0);
    dl_note(tallies->notes, DL_NOTE_ERROR, "a new Kafka consumer cannot be made; retrying", DL_TEXT("reason", error));
}

/* The member that is there longest sorts first, and so keeps the partition when
 * others come: Kafka makes member ids of the client's name and something random.
 * Without a static membership, which would keep the partition from the others
 * when this process ends. */
static enum dl_status configure(struct dl_tallies *tallies, const struct dl_tallies_options *options, char *error,
                                size_t error_size)
{
    char name[160], session[24], heartbeat[24];
    struct timespec now;
    const char *given = dl_kafka_conf_value(&options->kafka, "session.timeout.ms");
    int64_t session_ms = given ? strtoll(given, NULL, 10) : 6000;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)snprintf(name, sizeof name, "score-%011" PRId64 ".%03ld-%s", (int64_t)now.tv_sec, now.tv_nsec / 1000000,
                   options->kafka.instance ? options->kafka.instance : "delightd");
    (void)snprintf(session, sizeof session, "%" PRId64, session_ms);
    (void)snprintf(heartbeat, sizeof heartbeat, "%" PRId64, session_ms / 3 < 2000 ? session_ms / 3 : 2000);
    const struct {
        const char *key, *value;
        bool users; /* as the user says, if he does */
    } rows[] = {
        {"group.id", options->group_id, false},        {"client.id", name, false},
        {"group.instance.id", NULL, false},            {"partition.assignment.strategy", "range", false},
        {"session.timeout.ms", session, true},         {"heartbeat.interval.ms", heartbeat, true},
    };
    enum dl_status status = dl_kafka_conf_create(&options->kafka, DL_KAFKA_CONSUMER, &tallies->conf, error, error_size);
    for (size_t i = 0; status == DL_OK && i < sizeof rows / sizeof rows[0]; i++)
        if (!(rows[i].users && dl_kafka_conf_value(&options->kafka, rows[i].key)) &&
            rd_kafka_conf_set(tallies->conf, rows[i].key, rows[i].value, error, error_size) != RD_KAFKA_CONF_OK)
            status = DL_INVALID;
    if (status != DL_OK)
        return status;
    dl_kafka_trouble_attach(&tallies->trouble, tallies->conf);
    rd_kafka_conf_set_rebalance_cb(tallies->conf, on_rebalance);
    return DL_OK;
}

static void free_tallies(struct dl_tallies *tallies)
{
    close_client(tallies, 1000);
    if (tallies->conf)
        rd_kafka_conf_destroy(tallies->conf);
    if (tallies->fd >= 0)
        (void)close(tallies->fd);
    free(tallies->topic);
    free(tallies);
}

enum dl_status dl_tallies_create(const struct dl_tallies_options *options, const struct dl_tallies_callbacks *callbacks,
                                 struct dl_tallies **made)
{
    char error[DL_KAFKA_ERROR_SIZE] = "";
    struct dl_tallies *tallies = calloc(1, sizeof *tallies);
    if (!tallies)
        return DL_MEMORY;
    tallies->notes = options->kafka.notes;
    tallies->callbacks = *callbacks;
    tallies->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    tallies->topic = strdup(options->topic);
    dl_kafka_trouble_init(&tallies->trouble, tallies->notes, "tallies");
    if (tallies->fd < 0 || !tallies->topic) {
        free_tallies(tallies);
        return DL_MEMORY;
    }
    enum dl_status status = configure(tallies, options, error, sizeof error);
    if (status == DL_OK)
        status = open_client(tallies, error, sizeof error);
    if (status != DL_OK) {
        dl_note(tallies->notes, DL_NOTE_ERROR, "the tallies cannot be read with these properties", DL_TEXT("reason", error));
        free_tallies(tallies);
        return status;
    }
    *made = tallies;
    return DL_OK;
}

void dl_tallies_destroy(struct dl_tallies *tallies, int wait_ms)
{
    if (!tallies)
        return;
    if (tallies->client)
        dl_kafka_client_leave(tallies->client, wait_ms);
    free_tallies(tallies);
}

int dl_tallies_fd(const struct dl_tallies *tallies)
{
    return tallies->fd;
}

static void tend(struct dl_tallies *tallies, int64_t now_ms)
{
    tallies->tend_due_ms = now_ms + tend_ms;
    if (tallies->trouble.fatal || !tallies->client) {
        if (now_ms >= tallies->rebuild_due_ms)
            rebuild(tallies, now_ms);
        return;
    }
    if (tallies->granted && tallies->begun && !tallies->relooked)
        tell_position(tallies);
    if (tallies->trouble.down && tallies->down_since_ms == 0)
        tallies->down_since_ms = now_ms;
    if (tallies->trouble.down && now_ms - tallies->down_since_ms >= silence_ms)
        dl_kafka_trouble_silent(&tallies->trouble, "all brokers are down");
}

bool dl_tallies_poll(struct dl_tallies *tallies, int max)
{
    uint64_t events;
    int64_t now_ms = dl_kafka_now_ms();
    size_t count_max = max < BATCH ? (size_t)max : BATCH;
    /* Before the queue is served: what comes from now on is told anew. */
    (void)!read(tallies->fd, &events, sizeof events);
    if (now_ms >= tallies->tend_due_ms || tallies->trouble.fatal)
        tend(tallies, now_ms);
    if (!tallies->client)
        return false;
    tallies->stale = false;
    ssize_t count = rd_kafka_consume_batch_queue(tallies->queue, 0, tallies->messages, count_max);
    /* After a rebalance nobody can tell which of these were read before it: all of them are read again. */
    if (count > 0 && tallies->stale)
        read_on(tallies);
    for (ssize_t i = 0; i < count; i++) {
        deliver(tallies, tallies->messages[i]);
        rd_kafka_message_destroy(tallies->messages[i]);
    }
    return count == (ssize_t)count_max;
}
