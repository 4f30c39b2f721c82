#include "kafka_conf.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What delightd promises rests on these; another value would break it silently. */
struct owned_key {
    const char *key, *why;
};

static const struct owned_key owned_keys[] = {
    {"isolation.level", "only committed records are counted"},
    {"auto.offset.reset", "lost records are noticed, not skipped"},
    {"enable.auto.commit", "positions are kept by delightd"},
    {"auto.commit.enable", "positions are kept by delightd"},
    {"enable.auto.offset.store", "positions are kept by delightd"},
    {"enable.partition.eof", "the end of a partition is needed to know what was read"},
    {"transactional.id", "it is derived from group.id and instance"},
    {"transaction.timeout.ms", "readers wait as long for a producer that is gone"},
    {"group.protocol", "the group protocol is chosen by delightd"},
    {"enable.idempotence", "dead letters are written once and in order"},
    {"enable.gapless.guarantee", "dead letters are written once and in order"},
    {"acks", "dead letters are confirmed by all replicas"},
    {"request.required.acks", "dead letters are confirmed by all replicas"},
    {"message.timeout.ms", "dead letters are never given up"},
    {"delivery.timeout.ms", "dead letters are never given up"},
    {"delivery.report.only.error", "every dead letter's delivery is awaited"},
    {"log.queue", "logs are served by delightd"},
    {"enabled_events", "events are served by delightd"},
    {"opaque", "it cannot be given as text"},
    {"default_topic_conf", "it cannot be given as text"},
    {"interceptors", "it cannot be given as text"},
};

struct setting {
    const char *key, *value;
};

/* Unless the user says otherwise. The short fetch.wait.max.ms is how soon the
 * end of a partition behind a transaction marker is known. A queued record of
 * 250 bytes takes about 800 bytes of memory, and what one response unpacks to
 * comes on top of the thresholds: hence fetch.max.bytes. */
static const struct setting consumer_defaults[] = {
    {"group.id", "delightd"},
    {"socket.keepalive.enable", "true"},
    {"reconnect.backoff.max.ms", "5000"},
    {"fetch.max.bytes", "8388608"},
    /* Also the most that a zstd batch may grow to; one that is larger would hold its partition up for ever. */
    {"receive.message.max.bytes", "1000001000"},
    {"fetch.wait.max.ms", "200"},
    /* Kafka mode: how soon a topic that was missing, or new partitions, are given to the group; not after five minutes. */
    {"topic.metadata.refresh.interval.ms", "10000"},
    {"queued.max.messages.kbytes", "65536"},
};

/* How much is read ahead. Events: some milliseconds at full speed, so that records are still in the processor's cache when
 * they are counted, and enough to count while the next fetch is on its way. Up to 2.1 librdkafka looks at a full queue again
 * only after a second: source_queue.c wakes it for events, and the others have a queue that seldom is full. */
static const struct setting source_queue[] = {{"queued.min.messages", "25000"}, {"fetch.queue.backoff.ms", "1"}};
static const struct setting source_queue_2_1[] = {{"queued.min.messages", "25000"}};
static const struct setting consumer_queue[] = {{"queued.min.messages", "50000"}, {"fetch.queue.backoff.ms", "10"}};
static const struct setting consumer_queue_2_1[] = {{"queued.min.messages", "50000"}};

static const struct setting consumer_fixed[] = {
    {"isolation.level", "read_committed"}, {"auto.offset.reset", "error"},       {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"}, {"enable.partition.eof", "true"}, {"log.queue", "true"},
};

/* The topic's own limit decides how large a dead letter may be, not librdkafka's. */
static const struct setting producer_defaults[] = {
    {"socket.keepalive.enable", "true"},
    {"reconnect.backoff.max.ms", "5000"},
    {"linger.ms", "5"},
    {"message.max.bytes", "100000000"},
};

/* Gapless: when a dead letter fails for good, those behind it fail too and are
 * sent again in order, so that the newest one in the topic stands for all before. */
static const struct setting producer_fixed[] = {
    {"enable.idempotence", "true"}, {"enable.gapless.guarantee", "true"},
    {"acks", "all"},                {"message.timeout.ms", "0"},
    {"log.queue", "true"},
};

/* What a checkpoint waits in memory for is bounded by queue.buffering.max.kbytes.
 * The short retry.backoff.ms is how soon a transaction begins that follows
 * another one closely: Kafka refuses it until the markers of that one are written.
 * A topic that does not exist shows as that, not as records that take too long. */
static const struct setting transactions_defaults[] = {
    {"socket.keepalive.enable", "true"},
    {"reconnect.backoff.max.ms", "5000"},
    {"linger.ms", "5"},
    {"message.max.bytes", "100000000"},
    {"queue.buffering.max.kbytes", "131072"},
    {"compression.type", "lz4"},
    {"allow.auto.create.topics", "false"},
    {"retry.backoff.ms", "20"},
    {"topic.metadata.propagation.max.ms", "3000"},
};

/* Up to 2.2 librdkafka gives an idempotent producer up when a connection breaks
 * under several requests and the first had not been written
 * (confluentinc/librdkafka#4438): with one request there is none behind it. */
static const struct setting transactions_defaults_2_2[] = {{"max.in.flight.requests.per.connection", "1"}};

static const struct setting transactions_fixed[] = {
    {"enable.idempotence", "true"}, {"acks", "all"}, {"log.queue", "true"},
};

struct settings {
    const struct setting *rows;
    size_t count;
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define ROWS(array) {array, COUNT(array)}

static const struct role {
    rd_kafka_type_t type;
    struct settings defaults;
    int version; /* of librdkafka: one that is older has other defaults than one that is not */
    struct settings older, newer;
    struct settings fixed;
} roles[] = {
    [DL_KAFKA_SOURCE] = {RD_KAFKA_CONSUMER, ROWS(consumer_defaults), 0x02020000, ROWS(source_queue_2_1),
                         ROWS(source_queue), ROWS(consumer_fixed)},
    [DL_KAFKA_CONSUMER] = {RD_KAFKA_CONSUMER, ROWS(consumer_defaults), 0x02020000, ROWS(consumer_queue_2_1),
                           ROWS(consumer_queue), ROWS(consumer_fixed)},
    [DL_KAFKA_PRODUCER] = {RD_KAFKA_PRODUCER, ROWS(producer_defaults), 0, {NULL, 0}, {NULL, 0}, ROWS(producer_fixed)},
    [DL_KAFKA_TRANSACTIONS] = {RD_KAFKA_PRODUCER, ROWS(transactions_defaults), 0x02030000, ROWS(transactions_defaults_2_2),
                               {NULL, 0}, ROWS(transactions_fixed)},
};

static bool ends_with(const char *text, const char *tail)
{
    size_t text_bytes = strlen(text), tail_bytes = strlen(tail);
    return text_bytes >= tail_bytes && strcmp(text + text_bytes - tail_bytes, tail) == 0;
}

/* NULL: the key is the user's. */
static const char *why_owned(const char *key)
{
    for (size_t i = 0; i < COUNT(owned_keys); i++)
        if (strcmp(owned_keys[i].key, key) == 0)
            return owned_keys[i].why;
    if (strncmp(key, "enable.auto.", strlen("enable.auto.")) == 0)
        return "positions are kept by delightd";
    if (ends_with(key, "_cb"))
        return "it cannot be given as text";
    return NULL;
}

const char *dl_kafka_conf_value(const struct dl_kafka_options *options, const char *key)
{
    for (size_t i = options->property_count; i > 0; i--)
        if (strcmp(options->properties[i - 1].key, key) == 0)
            return options->properties[i - 1].value;
    return NULL;
}

static enum dl_status set_user(rd_kafka_conf_t *conf, const struct dl_kafka_options *options, char *error, size_t error_size)
{
    for (size_t i = 0; i < options->property_count; i++) {
        const struct dl_kafka_property *property = &options->properties[i];
        const char *why = why_owned(property->key);
        if (why) {
            (void)snprintf(error, error_size, "%s is set by delightd: %s", property->key, why);
            return DL_INVALID;
        }
        char reason[DL_KAFKA_ERROR_SIZE] = "";
        rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, property->key, property->value, reason, sizeof reason);
        if (result == RD_KAFKA_CONF_UNKNOWN)
            (void)snprintf(error, error_size, "%s is not a property of librdkafka %s", property->key, rd_kafka_version_str());
        else if (result != RD_KAFKA_CONF_OK)
            (void)snprintf(error, error_size, "%s: %s", property->key, reason);
        if (result != RD_KAFKA_CONF_OK)
            return DL_INVALID;
    }
    return DL_OK;
}

static enum dl_status set_ours(rd_kafka_conf_t *conf, struct settings settings, char *error, size_t error_size)
{
    for (size_t i = 0; i < settings.count; i++) {
        const struct setting *setting = &settings.rows[i];
        char reason[DL_KAFKA_ERROR_SIZE] = "";
        if (rd_kafka_conf_set(conf, setting->key, setting->value, reason, sizeof reason) != RD_KAFKA_CONF_OK) {
            (void)snprintf(error, error_size, "%s: %s", setting->key, reason);
            return DL_INVALID;
        }
    }
    return DL_OK;
}

/* librdkafka refuses a fetch.max.bytes below message.max.bytes, which the user
 * may have raised for the sake of dead letters. */
static enum dl_status raise_fetch_bytes(rd_kafka_conf_t *conf, const struct dl_kafka_options *options, char *error,
                                        size_t error_size)
{
    char message_bytes[24], fetch_bytes[24];
    size_t message_size = sizeof message_bytes, fetch_size = sizeof fetch_bytes;
    if (dl_kafka_conf_value(options, "fetch.max.bytes") ||
        rd_kafka_conf_get(conf, "message.max.bytes", message_bytes, &message_size) != RD_KAFKA_CONF_OK ||
        rd_kafka_conf_get(conf, "fetch.max.bytes", fetch_bytes, &fetch_size) != RD_KAFKA_CONF_OK ||
        strtoll(message_bytes, NULL, 10) <= strtoll(fetch_bytes, NULL, 10))
        return DL_OK;
    const struct setting raised = {"fetch.max.bytes", message_bytes};
    return set_ours(conf, (struct settings){&raised, 1}, error, error_size);
}

enum dl_status dl_kafka_conf_create(const struct dl_kafka_options *options, enum dl_kafka_role role, rd_kafka_conf_t **conf,
                                    char *error, size_t error_size)
{
    const struct role *row = &roles[role];
    const struct setting client_id = {"client.id", options->instance ? options->instance : "delightd"};
    rd_kafka_conf_t *made = rd_kafka_conf_new();

    enum dl_status status = set_ours(made, (struct settings){&client_id, 1}, error, error_size);
    if (status == DL_OK)
        status = set_ours(made, row->defaults, error, error_size);
    if (status == DL_OK)
        status = set_ours(made, rd_kafka_version() < row->version ? row->older : row->newer, error, error_size);
    if (status == DL_OK)
        status = set_user(made, options, error, error_size);
    if (status == DL_OK && row->type == RD_KAFKA_CONSUMER)
        status = raise_fetch_bytes(made, options, error, error_size);
    if (status == DL_OK)
        status = set_ours(made, row->fixed, error, error_size);
    if (status != DL_OK) {
        rd_kafka_conf_destroy(made);
        return status;
    }
    *conf = made;
    return DL_OK;
}

enum dl_status dl_kafka_conf_transactions(const struct dl_kafka_options *options, const char *transactional_id, int timeout_ms,
                                          rd_kafka_conf_t **conf, char *error, size_t error_size)
{
    char timeout[16], message_timeout[16], socket_timeout[16];
    (void)snprintf(timeout, sizeof timeout, "%d", timeout_ms);
    (void)snprintf(message_timeout, sizeof message_timeout, "%d", timeout_ms / 4 * 3);
    (void)snprintf(socket_timeout, sizeof socket_timeout, "%d", timeout_ms < 120000 ? timeout_ms / 2 : 60000);
    const struct setting ours[] = {
        {"transactional.id", transactional_id},
        {"transaction.timeout.ms", timeout},
        {"message.timeout.ms", message_timeout}, /* early enough to abort in time */
        {"socket.timeout.ms", socket_timeout},   /* a request that hangs can be repeated in time */
    };
    const char *given = dl_kafka_conf_value(options, "socket.timeout.ms");
    if (given && strtol(given, NULL, 10) > timeout_ms) {
        (void)snprintf(error, error_size,
                       "socket.timeout.ms is %s, and a transaction of kafka mode ends after %d: it must not be above that", given,
                       timeout_ms);
        return DL_INVALID;
    }
    enum dl_status status = dl_kafka_conf_create(options, DL_KAFKA_TRANSACTIONS, conf, error, error_size);
    if (status != DL_OK)
        return status;
    status = set_ours(*conf, (struct settings){ours, given ? 3 : 4}, error, error_size);
    if (status != DL_OK)
        rd_kafka_conf_destroy(*conf);
    return status;
}

/* A client without brokers connects nowhere, yet librdkafka checks how the
 * properties go together and loads keys and certificates. */
static enum dl_status check_role(const struct dl_kafka_options *options, enum dl_kafka_role role, int timeout_ms, char *error,
                                 size_t error_size)
{
    rd_kafka_conf_t *conf;
    enum dl_status status = role == DL_KAFKA_TRANSACTIONS
                                ? dl_kafka_conf_transactions(options, "check", timeout_ms, &conf, error, error_size)
                                : dl_kafka_conf_create(options, role, &conf, error, error_size);
    if (status != DL_OK)
        return status;
    rd_kafka_t *client = dl_kafka_client_create(conf, role, error, error_size);
    rd_kafka_conf_destroy(conf);
    if (!client)
        return DL_INVALID;
    (void)dl_kafka_client_destroy(client, 1000);
    return DL_OK;
}

static bool connects(const char *key)
{
    return strcmp(key, "bootstrap.servers") == 0 || strcmp(key, "metadata.broker.list") == 0 ||
           strncmp(key, "test.mock.", strlen("test.mock.")) == 0;
}

/* transactions_ms 0: without transactions. */
static enum dl_status check_roles(const struct dl_kafka_options *options, int transactions_ms, char *error, size_t error_size)
{
    enum dl_status status = check_role(options, DL_KAFKA_CONSUMER, 0, error, error_size);
    if (status == DL_OK)
        status = check_role(options, DL_KAFKA_PRODUCER, 0, error, error_size);
    if (status == DL_OK && transactions_ms > 0)
        status = check_role(options, DL_KAFKA_TRANSACTIONS, transactions_ms, error, error_size);
    return status;
}

enum dl_status dl_kafka_check_transactions(const struct dl_kafka_options *options, int timeout_ms, char *error, size_t error_size)
{
    const char *servers = dl_kafka_conf_value(options, "bootstrap.servers");
    if (!servers)
        servers = dl_kafka_conf_value(options, "metadata.broker.list");
    if ((!servers || !*servers) && !dl_kafka_conf_value(options, "test.mock.num.brokers")) {
        (void)snprintf(error, error_size, "bootstrap.servers is missing: where is Kafka?");
        return DL_INVALID;
    }
    struct dl_kafka_property *offline = calloc(options->property_count + 1, sizeof *offline);
    if (!offline) {
        (void)snprintf(error, error_size, "out of memory");
        return DL_MEMORY;
    }
    struct dl_kafka_options kept = *options;
    kept.properties = offline;
    kept.property_count = 0;
    for (size_t i = 0; i < options->property_count; i++)
        if (!connects(options->properties[i].key))
            offline[kept.property_count++] = options->properties[i];
    enum dl_status status = check_roles(&kept, timeout_ms, error, error_size);
    free(offline);
    return status;
}

enum dl_status dl_kafka_check(const struct dl_kafka_options *options, char *error, size_t error_size)
{
    return dl_kafka_check_transactions(options, 0, error, error_size);
}

const char *dl_kafka_version(void)
{
    return rd_kafka_version_str();
}

rd_kafka_t *dl_kafka_client_create(const rd_kafka_conf_t *conf, enum dl_kafka_role role, char *error, size_t error_size)
{
    rd_kafka_conf_t *copy = rd_kafka_conf_dup(conf);
    rd_kafka_t *client = rd_kafka_new(roles[role].type, copy, error, error_size);
    if (!client)
        rd_kafka_conf_destroy(copy);
    return client;
}

static void *end_client(void *client)
{
    rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return NULL;
}

bool dl_kafka_client_destroy(rd_kafka_t *client, int wait_ms)
{
    pthread_t thread;
    struct timespec until;
    if (pthread_create(&thread, NULL, end_client, client) != 0) {
        end_client(client);
        return true;
    }
    (void)clock_gettime(CLOCK_REALTIME, &until);
    int64_t nanoseconds = until.tv_nsec + (int64_t)wait_ms * 1000000;
    until.tv_sec += (time_t)(nanoseconds / 1000000000);
    until.tv_nsec = (long)(nanoseconds % 1000000000);
    if (pthread_timedjoin_np(thread, NULL, &until) != ETIMEDOUT)
        return true;
    (void)pthread_detach(thread);
    return false;
}

bool dl_kafka_client_is_mock(rd_kafka_t *client)
{
    char *id = rd_kafka_clusterid(client, 0);
    bool mock = id && strncmp(id, "mockCluster", strlen("mockCluster")) == 0;
    if (id)
        rd_kafka_mem_free(client, id);
    return mock;
}

int64_t dl_kafka_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void dl_kafka_sleep_ms(int64_t ms)
{
    const struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&time, NULL);
}

int64_t dl_kafka_backoff_ms(unsigned attempt, int64_t base_ms, int64_t max_ms)
{
    int64_t full = base_ms;
    for (unsigned i = 0; i < attempt && full < max_ms; i++)
        full *= 2;
    if (full > max_ms)
        full = max_ms;
    static _Thread_local uint32_t state;
    if (state == 0) {
        struct timespec now;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        state = (uint32_t)now.tv_nsec | 1u;
    }
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return full / 2 + (int64_t)state % (full / 2 + 1);
}
