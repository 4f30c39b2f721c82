#include "kafka_tallies.h"

#include "kafka_group.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static const int64_t tend_ms = 1000;
/* It tells so often what its connections are like, and this many times in a row
 * it must have none. */
static const char stats_ms[] = "1000";
enum { unconnected_max = 3 };

static enum dl_status open_client(struct dl_tallies *tallies, char *error, size_t error_size)
{
    const uint64_t one = 1;
    tallies->trouble.fatal = false;
    tallies->client = dl_kafka_client_create(tallies->conf, DL_KAFKA_CONSUMER, error, error_size);
    if (!tallies->client)
        return DL_INVALID;
    (void)rd_kafka_poll_set_consumer(tallies->client);
    tallies->queue = rd_kafka_queue_get_consumer(tallies->client);
    tallies->unconnected = 0;
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
    tallies->granted = tallies->assigned = false;
    dl_tallies_owner_no_more(tallies);
    close_client(tallies, 0); /* ends by itself */
    tallies->rebuild_due_ms = now_ms + dl_kafka_backoff_ms(tallies->rebuilds++, 1000, 30000);
    if (open_client(tallies, error, sizeof error) == DL_OK)
        return;
    close_client(tallies, 0);
    dl_note(tallies->notes, DL_NOTE_ERROR, "a new Kafka consumer cannot be made; retrying", DL_TEXT("reason", error));
}

/* Requests of a consumer's own say little of whether Kafka is there, and a
 * standby has none; but a connection counts as up only after answers. To ask
 * with an admin request would be worse: while it waits for a controller that
 * refuses connections, librdkafka connects again and again without a pause. */
static int on_stats(rd_kafka_t *client, char *json, size_t length, void *opaque)
{
    struct dl_tallies *tallies = opaque;
    (void)client;
    if (tallies->on_statistics)
        tallies->on_statistics(tallies->callbacks.context, json, length);
    if (strstr(json, "\"state\":\"UP\"")) { /* a broker's */
        tallies->unconnected = 0;
        dl_kafka_trouble_answered(&tallies->trouble);
    } else if (dl_kafka_trouble_any(&tallies->trouble) && ++tallies->unconnected >= unconnected_max) {
        dl_kafka_trouble_silent(&tallies->trouble, "there is no connection to any broker");
    }
    return 0;
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
    (void)snprintf(heartbeat, sizeof heartbeat, "%" PRId64,
                   session_ms / 3 < DL_KAFKA_HEARTBEAT_MS ? session_ms / 3 : DL_KAFKA_HEARTBEAT_MS);
    const struct {
        const char *key, *value;
        bool users; /* as the user says, if he does */
    } rows[] = {
        {"group.id", options->group_id, false},        {"client.id", name, false},
        {"group.instance.id", NULL, false},            {"partition.assignment.strategy", "range", false},
        {"session.timeout.ms", session, true},         {"heartbeat.interval.ms", heartbeat, true},
        {"statistics.interval.ms", stats_ms, false},
    };
    enum dl_status status = dl_kafka_conf_create(&options->kafka, DL_KAFKA_CONSUMER, &tallies->conf, error, error_size);
    for (size_t i = 0; status == DL_OK && i < sizeof rows / sizeof rows[0]; i++)
        if (!(rows[i].users && dl_kafka_conf_value(&options->kafka, rows[i].key)) &&
            rd_kafka_conf_set(tallies->conf, rows[i].key, rows[i].value, error, error_size) != RD_KAFKA_CONF_OK)
            status = DL_INVALID;
    if (status != DL_OK)
        return status;
    dl_kafka_trouble_attach(&tallies->trouble, tallies->conf);
    rd_kafka_conf_set_rebalance_cb(tallies->conf, dl_tallies_on_rebalance);
    rd_kafka_conf_set_stats_cb(tallies->conf, on_stats);
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
    tallies->on_statistics = options->on_statistics;
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

bool dl_tallies_assigned(const struct dl_tallies *tallies)
{
    return tallies->assigned;
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
        dl_tallies_tell_position(tallies);
}

bool dl_tallies_poll(struct dl_tallies *tallies, int max)
{
    uint64_t events;
    int64_t now_ms = dl_kafka_now_ms();
    /* Before the queue is served: what comes from now on is told anew. */
    (void)!read(tallies->fd, &events, sizeof events);
    if (now_ms >= tallies->tend_due_ms || tallies->trouble.fatal)
        tend(tallies, now_ms);
    return tallies->client && dl_tallies_take(tallies, max < DL_TALLIES_BATCH ? (size_t)max : DL_TALLIES_BATCH);
}
