/* Drives the Kafka adapter alone, for test_kafka_source.py, which is where its
 * output is understood: one line per happening on stdout, notes on stderr.
 *
 *   kafka-source-drive read [OPTION VALUE]... [KEY=VALUE]...
 *     --topic NAME (repeatable) --start MS --warm-up N --retention MS --pace N (records a second)
 *     --until caught-up|signal (default signal) --records yes
 *   kafka-source-drive send [OPTION VALUE]... [KEY=VALUE]...
 *     --to NAME --topic NAME (repeatable) --count N --from OFFSET --bytes N --large N (every 100th)
 *     --partitions N --since MS --until done|signal --wait MS (at the end)
 *
 * KEY=VALUE are properties of librdkafka. SIGTERM ends it, with totals. */
#include "kafka.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TOPICS_MAX = 16, PARTITIONS_MAX = 64, PROPERTIES_MAX = 32 };

struct totals {
    int64_t records, warm_up, first, last, digest, misordered;
};

static struct {
    const char *topics[TOPICS_MAX];
    size_t topic_count;
    struct dl_kafka_property properties[PROPERTIES_MAX];
    size_t property_count;
    const char *to, *until;
    int64_t start_ms, warm_up, retention_ms, pace, count, from, bytes, large, partitions, since_ms, wait_ms;
    bool records;
} options = {.start_ms = INT64_MIN, .since_ms = INT64_MIN, .bytes = 100, .partitions = 4, .wait_ms = 5000};

static struct totals totals[TOPICS_MAX][PARTITIONS_MAX];
static int64_t records;
static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void write_note(void *context, enum dl_note_level level, const char *message, const struct dl_note_field *fields,
                       size_t field_count)
{
    static const char *const levels[] = {"error", "warning", "notice", "info", "debug"};
    (void)context;
    if (level == DL_NOTE_DEBUG) {
        printf("debug %" PRId64 " %s\n", now_ms(), message);
        return;
    }
    fprintf(stderr, "%s: %s", levels[level], message);
    for (size_t i = 0; i < field_count; i++) {
        if (fields[i].text)
            fprintf(stderr, " %s=\"%s\"", fields[i].key, fields[i].text);
        else
            fprintf(stderr, " %s=%" PRId64, fields[i].key, fields[i].number);
    }
    fputc('\n', stderr);
}

static struct dl_note_sink notes = {write_note, NULL};

/* ---- Reading ---- */

/* Which values were read at which offsets: FNV-1a over both. */
static int64_t digest_of(int64_t digest, const struct dl_kafka_record *record)
{
    uint64_t hash = (uint64_t)digest ^ UINT64_C(1469598103934665603);
    hash = (hash ^ (uint64_t)record->offset) * UINT64_C(1099511628211);
    for (size_t i = 0; i < record->value_bytes; i++)
        hash = (hash ^ ((const unsigned char *)record->value)[i]) * UINT64_C(1099511628211);
    return (int64_t)hash;
}

static void on_record(void *context, struct dl_kafka_record *record)
{
    (void)context;
    struct totals *total = &totals[record->topic][record->partition];
    records++;
    if (total->records + total->warm_up > 0 && record->offset <= total->last)
        total->misordered++;
    total->last = record->offset;
    if (options.records) {
        dl_kafka_take_headers(record);
        printf("record %d %" PRId32 " %" PRId64 " %s %" PRId64 " %zu %zu", record->topic, record->partition, record->offset,
               record->warm_up ? "warm" : "new", record->timestamp_ms, record->value_bytes, record->header_count);
        for (size_t i = 0; i < record->header_count; i++)
            printf(" %s=%.*s", record->headers[i].key, (int)record->headers[i].value_bytes,
                   record->headers[i].value ? record->headers[i].value : "");
        putchar('\n');
    }
    if (record->warm_up) {
        total->warm_up++;
        return;
    }
    if (total->records++ == 0)
        total->first = record->offset;
    total->digest = digest_of(total->digest, record);
}

static void on_start(void *context, uint16_t topic, int32_t partition, int64_t offset)
{
    (void)context;
    printf("start %d %" PRId32 " %" PRId64 "\n", topic, partition, offset);
}

static void on_position(void *context, uint16_t topic, int32_t partition, int64_t next, int64_t end)
{
    (void)context;
    printf("position %d %" PRId32 " %" PRId64 " %" PRId64 "\n", topic, partition, next, end);
}

static void on_loss(void *context, uint16_t topic, int32_t partition, int64_t from, int64_t to)
{
    (void)context;
    printf("loss %d %" PRId32 " %" PRId64 " %" PRId64 "\n", topic, partition, from, to);
}

static void print_totals(void)
{
    for (size_t topic = 0; topic < options.topic_count; topic++)
        for (int partition = 0; partition < PARTITIONS_MAX; partition++) {
            const struct totals *total = &totals[topic][partition];
            if (total->records + total->warm_up > 0)
                printf("total %zu %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRIx64 " %" PRId64 "\n", topic, partition,
                       total->records, total->warm_up, total->first, total->last, (uint64_t)total->digest, total->misordered);
        }
}

static int read_topics(const struct dl_kafka_options *kafka)
{
    const struct dl_kafka_source_options source_options = {.kafka = *kafka,
                                                           .topics = options.topics,
                                                           .topic_count = options.topic_count,
                                                           .start_ms = options.start_ms,
                                                           .warm_up_records = options.warm_up,
                                                           .retention_ms_min = options.retention_ms};
    const struct dl_kafka_callbacks callbacks = {on_record, NULL, on_start, on_position, on_loss, NULL};
    struct dl_kafka_source *source;
    if (dl_kafka_source_create(&source_options, &callbacks, &source) != DL_OK)
        return 1;
    int64_t started_ms = now_ms(), longest_ms = 0;
    bool caught_up = false;
    while (!stopping) {
        int64_t before_ms = now_ms();
        if (options.pace > 0 && records >= options.pace * (before_ms - started_ms) / 1000) {
            const struct timespec pause = {.tv_nsec = 1000000};
            (void)nanosleep(&pause, NULL);
            continue;
        }
        dl_kafka_source_poll(source, 5);
        if (now_ms() - before_ms > longest_ms)
            longest_ms = now_ms() - before_ms;
        if (!caught_up && dl_kafka_source_caught_up(source)) {
            int64_t done, of;
            caught_up = true;
            dl_kafka_source_progress(source, &done, &of);
            printf("caught-up %" PRId64 " %" PRId64 " %" PRId64 "\n", done, of, now_ms() - started_ms);
            if (strcmp(options.until, "caught-up") == 0)
                break;
        }
    }
    print_totals();
    int64_t before_ms = now_ms();
    size_t partitions = dl_kafka_source_partitions(source);
    dl_kafka_source_destroy(source);
    printf("end %zu %" PRId64 " %" PRId64 "\n", partitions, longest_ms, now_ms() - before_ms);
    return 0;
}

/* ---- Dead letters ---- */

static void print_recalled(const struct dl_deadletter *deadletter)
{
    for (size_t topic = 0; topic < options.topic_count; topic++)
        for (int32_t partition = 0; partition < (int32_t)options.partitions; partition++)
            printf("recalled %zu %" PRId32 " %" PRId64 "\n", topic, partition,
                   dl_deadletter_recalled(deadletter, (uint16_t)topic, partition));
}

static void send_one(struct dl_deadletter *deadletter, int64_t i, const char *bytes)
{
    const struct dl_kafka_header headers[] = {{"content-type", "text/plain", 10}, {"empty", "", 0}};
    const struct dl_kafka_record record = {
        .topic = (uint16_t)(i % (int64_t)options.topic_count),
        .partition = (int32_t)(i / (int64_t)options.topic_count % options.partitions),
        .offset = options.from + i,
        .timestamp_ms = 1700000000000 + i,
        .key = "key",
        .key_bytes = 3,
        .value = bytes,
        .value_bytes = (size_t)(options.large > 0 && i % 100 == 50 ? options.large : options.bytes),
        .headers = headers,
        .header_count = 2,
    };
    while (!stopping && dl_deadletter_send(deadletter, &record, "not_json", "byte 7") == DL_FULL)
        dl_deadletter_poll(deadletter, 5);
}

static int send_letters(const struct dl_kafka_options *kafka)
{
    const struct dl_deadletter_options letters = {*kafka, options.to, options.topics, options.topic_count};
    size_t size = (size_t)(options.bytes > options.large ? options.bytes : options.large) + 1;
    struct dl_deadletter *deadletter;
    char *bytes = malloc(size);
    if (!bytes || dl_deadletter_create(&letters, &deadletter) != DL_OK) {
        free(bytes);
        return 1;
    }
    memset(bytes, 'v', size);
    int64_t before_ms = now_ms();
    enum dl_status status = dl_deadletter_recall(deadletter, options.since_ms, 3000);
    printf("recall %s %" PRId64 "\n", dl_status_text(status), now_ms() - before_ms);
    print_recalled(deadletter);
    for (int64_t i = 0; i < options.count && !stopping; i++)
        send_one(deadletter, i, bytes);
    printf("sent\n");
    bool told = false;
    while (!stopping) {
        dl_deadletter_poll(deadletter, 10);
        if (dl_deadletter_outstanding(deadletter) > 0)
            continue;
        if (!told)
            printf("delivered %" PRId64 "\n", dl_deadletter_delivered(deadletter));
        told = true;
        if (strcmp(options.until, "signal") != 0)
            break;
    }
    printf("outstanding %zu\n", dl_deadletter_outstanding(deadletter));
    before_ms = now_ms();
    dl_deadletter_destroy(deadletter, (int)options.wait_ms);
    printf("end %" PRId64 "\n", now_ms() - before_ms);
    free(bytes);
    return 0;
}

/* ---- Command line ---- */

static bool take_option(const char *name, const char *value)
{
    const struct {
        const char *name;
        int64_t *number;
    } numbers[] = {
        {"--start", &options.start_ms}, {"--warm-up", &options.warm_up},   {"--retention", &options.retention_ms},
        {"--pace", &options.pace},      {"--count", &options.count},       {"--from", &options.from},
        {"--bytes", &options.bytes},    {"--large", &options.large},       {"--partitions", &options.partitions},
        {"--since", &options.since_ms}, {"--wait", &options.wait_ms},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].number = strtoll(value, NULL, 10);
            return true;
        }
    if (strcmp(name, "--topic") == 0 && options.topic_count < TOPICS_MAX)
        options.topics[options.topic_count++] = value;
    else if (strcmp(name, "--to") == 0)
        options.to = value;
    else if (strcmp(name, "--until") == 0)
        options.until = value;
    else if (strcmp(name, "--records") == 0)
        options.records = true;
    else
        return false;
    return true;
}

static bool take_arguments(int count, char **arguments)
{
    for (int i = 2; i < count; i++) {
        if (strncmp(arguments[i], "--", 2) == 0) {
            if (i + 1 == count || !take_option(arguments[i], arguments[i + 1]))
                return false;
            i++;
            continue;
        }
        char *equals = strchr(arguments[i], '=');
        if (!equals || options.property_count == PROPERTIES_MAX)
            return false;
        *equals = '\0';
        options.properties[options.property_count++] = (struct dl_kafka_property){arguments[i], equals + 1};
    }
    return options.topic_count > 0;
}

int main(int count, char **arguments)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    options.until = "signal";
    if (count < 2 || !take_arguments(count, arguments)) {
        fprintf(stderr, "usage: see the head of drive.c\n");
        return 64;
    }
    const struct sigaction stop = {.sa_handler = on_signal};
    (void)sigaction(SIGTERM, &stop, NULL);
    const struct dl_kafka_options kafka = {options.properties, options.property_count, "drive", &notes};
    char error[512];
    if (dl_kafka_check(&kafka, error, sizeof error) != DL_OK) {
        fprintf(stderr, "check: %s\n", error);
        return 78;
    }
    return strcmp(arguments[1], "send") == 0 ? send_letters(&kafka) : read_topics(&kafka);
}
