/* Drives kafka mode's consumers alone, for test_kafka_group.py, which is where
 * its output is understood: one line per happening on stdout, notes on stderr.
 *
 *   kafka-group-drive member  [OPTION VALUE]... [KEY=VALUE]...
 *     --topic NAME (repeatable) --warm-up N --answer OFFSET (of missing_offset; -1: first, -2: not known)
 *     --linger MS (before the first of these answers)
 *     --id TRANSACTIONAL-ID (commits positions) --revoke commit|drop
 *   kafka-group-drive tallies [OPTION VALUE]... [KEY=VALUE]...
 *     --topic NAME --group NAME --begin OFFSET (when it becomes the owner; -1: not by itself)
 *
 * KEY=VALUE are properties of librdkafka. --control FILE: commands, a line each,
 * done as they are appended: commit, rewind, member, answer OFFSET, begin OFFSET,
 * busy MS. SIGTERM ends it. */
#include "kafka_membership.h"
#include "kafka.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TOPICS_MAX = 4, PARTITIONS_MAX = 16, PROPERTIES_MAX = 32 };

static struct {
    const char *topics[TOPICS_MAX];
    size_t topic_count;
    struct dl_kafka_property properties[PROPERTIES_MAX];
    size_t property_count;
    const char *id, *revoke, *group, *control;
    int64_t warm_up, answer, linger, begin;
} options = {.revoke = "commit", .answer = DL_KAFKA_AT_FIRST};

static int64_t next[TOPICS_MAX][PARTITIONS_MAX]; /* -1: not this process's */
static struct dl_kafka_source *source;
static struct dl_tallies *tallies;
static rd_kafka_t *producer;
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
    if (level == DL_NOTE_DEBUG && !getenv("DRIVE_DEBUG"))
        return;
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

/* ---- Positions, committed as the daemon does ---- */

static const char *text_of(rd_kafka_error_t *error)
{
    static char name[64];
    snprintf(name, sizeof name, "%s", error ? rd_kafka_error_name(error) : "ok");
    rd_kafka_error_destroy(error);
    return name;
}

static void start_producer(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char error[512];
    for (size_t i = 0; i < options.property_count; i++)
        if (strcmp(options.properties[i].key, "bootstrap.servers") == 0)
            (void)rd_kafka_conf_set(conf, "bootstrap.servers", options.properties[i].value, error, sizeof error);
    (void)rd_kafka_conf_set(conf, "transactional.id", options.id, error, sizeof error);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (producer)
        printf("init %s\n", text_of(rd_kafka_init_transactions(producer, 20000)));
}

static void commit(void)
{
    struct dl_kafka_membership *membership = dl_kafka_source_membership(source);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS_MAX);
    for (size_t topic = 0; topic < options.topic_count; topic++)
        for (int32_t p = 0; p < PARTITIONS_MAX; p++)
            if (next[topic][p] >= 0)
                rd_kafka_topic_partition_list_add(list, options.topics[topic], p)->offset = next[topic][p];
    if (!membership || !producer || list->cnt == 0) {
        printf("committed %s\n", !membership ? "stranger" : "nothing");
    } else {
        rd_kafka_error_t *error = rd_kafka_begin_transaction(producer);
        if (!error)
            error = rd_kafka_send_offsets_to_transaction(producer, list, membership->metadata, 10000);
        if (!error)
            error = rd_kafka_commit_transaction(producer, 10000);
        else
            rd_kafka_error_destroy(rd_kafka_abort_transaction(producer, 10000));
        printf("committed %s\n", text_of(error));
    }
    rd_kafka_topic_partition_list_destroy(list);
    dl_kafka_membership_destroy(membership);
}

static const char *member(void)
{
    struct dl_kafka_membership *membership = dl_kafka_source_membership(source);
    const char *text = membership ? "member" : "stranger";
    dl_kafka_membership_destroy(membership);
    return text;
}

/* ---- The source ---- */

static int64_t missing_offset(void *context, uint16_t topic, int32_t partition)
{
    (void)context;
    printf("missing %d %" PRId32 "\n", topic, partition);
    (void)usleep((unsigned)options.linger * 1000);
    options.linger = 0;
    return options.answer;
}

static void on_forgotten(void *context, uint16_t topic, int32_t partition, int64_t from, int64_t to)
{
    (void)context;
    printf("forgotten %d %" PRId32 " %" PRId64 " %" PRId64 "\n", topic, partition, from, to);
}

static void on_revoke(void *context, bool lost)
{
    (void)context;
    printf("revoke %s %s\n", lost ? "lost" : "kept", member());
    if (!lost && strcmp(options.revoke, "commit") == 0)
        commit();
    memset(next, -1, sizeof next);
}

static void on_assign(void *context, size_t partitions)
{
    (void)context;
    printf("assign %zu\n", partitions);
}

static bool give_up(void *context)
{
    (void)context;
    return stopping;
}

static void on_record(void *context, struct dl_kafka_record *record)
{
    (void)context;
    printf("record %d %" PRId32 " %" PRId64 " %s\n", record->topic, record->partition, record->offset,
           record->warm_up ? "warm" : "new");
    if (!record->warm_up)
        next[record->topic][record->partition] = record->offset + 1;
}

static void on_start(void *context, uint16_t topic, int32_t partition, int64_t offset)
{
    (void)context;
    next[topic][partition] = offset;
    printf("start %d %" PRId32 " %" PRId64 "\n", topic, partition, offset);
}

static void on_position(void *context, uint16_t topic, int32_t partition, int64_t position, int64_t end)
{
    (void)context;
    next[topic][partition] = position;
    printf("position %d %" PRId32 " %" PRId64 " %" PRId64 "\n", topic, partition, position, end);
}

static void on_loss(void *context, uint16_t topic, int32_t partition, int64_t from, int64_t to)
{
    (void)context;
    printf("loss %d %" PRId32 " %" PRId64 " %" PRId64 "\n", topic, partition, from, to);
}

/* ---- The tallies ---- */

static void on_owner(void *context)
{
    (void)context;
    printf("owner\n");
    if (options.begin >= 0)
        dl_tallies_begin(tallies, options.begin);
}

static void on_lost(void *context)
{
    (void)context;
    printf("lost\n");
}

static void on_tally(void *context, int64_t offset, int64_t timestamp_ms, const void *value, size_t bytes)
{
    (void)context;
    printf("record %" PRId64 " %" PRId64 " %.*s\n", offset, timestamp_ms, (int)bytes, (const char *)value);
}

static void on_tally_position(void *context, int64_t position, int64_t end)
{
    (void)context;
    printf("position %" PRId64 " %" PRId64 "\n", position, end);
}

static void on_tally_loss(void *context, int64_t from, int64_t to)
{
    (void)context;
    printf("loss %" PRId64 " %" PRId64 "\n", from, to);
}

/* ---- Commands ---- */

static void obey(const char *line)
{
    if (strcmp(line, "commit\n") == 0)
        commit();
    else if (strcmp(line, "rewind\n") == 0)
        dl_kafka_source_rewind(source);
    else if (strcmp(line, "member\n") == 0)
        printf("%s\n", member());
    else if (strncmp(line, "answer ", 7) == 0)
        options.answer = strtoll(line + 7, NULL, 10);
    else if (strncmp(line, "begin ", 6) == 0)
        dl_tallies_begin(tallies, strtoll(line + 6, NULL, 10));
    else if (strncmp(line, "busy ", 5) == 0)
        (void)usleep((unsigned)strtoul(line + 5, NULL, 10) * 1000);
}

static void take_commands(void)
{
    static FILE *file;
    static int64_t due_ms;
    char line[64];
    if (!options.control || now_ms() < due_ms)
        return;
    due_ms = now_ms() + 5;
    if (!file)
        file = fopen(options.control, "r");
    if (!file)
        return;
    for (;;) {
        long place = ftell(file);
        if (!fgets(line, sizeof line, file) || !strchr(line, '\n')) {
            (void)fseek(file, place, SEEK_SET); /* not written yet, or not to its end */
            return;
        }
        obey(line);
    }
}

static void on_stuck(void *context)
{
    (void)context;
    printf("stuck\n");
}

static int run_member(const struct dl_kafka_options *kafka)
{
    const struct dl_kafka_group_options group = {.missing_offset = missing_offset, .on_forgotten = on_forgotten, .on_revoke = on_revoke,
                                                .on_assign = on_assign, .patience_ms = 60000, .on_stuck = on_stuck, .give_up = give_up};
    const struct dl_kafka_source_options source_options = {.kafka = *kafka,
                                                           .topics = options.topics,
                                                           .topic_count = options.topic_count,
                                                           .start_ms = INT64_MIN,
                                                           .warm_up_records = options.warm_up,
                                                           .group = &group};
    const struct dl_kafka_callbacks callbacks = {on_record, NULL, on_start, on_position, on_loss, NULL};
    memset(next, -1, sizeof next);
    if (options.id)
        start_producer();
    if (dl_kafka_source_create(&source_options, &callbacks, &source) != DL_OK)
        return 1;
    printf("begin %s\n", member());
    int64_t longest_ms = 0;
    while (!stopping) {
        int64_t before_ms = now_ms();
        dl_kafka_source_poll(source, 5);
        if (now_ms() - before_ms > longest_ms)
            longest_ms = now_ms() - before_ms;
        take_commands();
    }
    size_t partitions = dl_kafka_source_partitions(source);
    int64_t before_ms = now_ms();
    dl_kafka_source_destroy(source);
    printf("end %zu %" PRId64 " %" PRId64 "\n", partitions, longest_ms, now_ms() - before_ms);
    if (producer)
        rd_kafka_destroy(producer);
    return 0;
}

static int run_tallies(const struct dl_kafka_options *kafka)
{
    const struct dl_tallies_options tallies_options = {.kafka = *kafka, .topic = options.topics[0], .group_id = options.group};
    const struct dl_tallies_callbacks callbacks = {on_owner, on_lost, on_tally, on_tally_position, on_tally_loss, NULL};
    if (dl_tallies_create(&tallies_options, &callbacks, &tallies) != DL_OK)
        return 1;
    int64_t longest_ms = 0, polls = 0, due_ms = 0;
    bool more = true;
    while (!stopping) {
        struct pollfd wake = {dl_tallies_fd(tallies), POLLIN, 0};
        int ready = poll(&wake, 1, more ? 0 : 20);
        take_commands();
        if (!more && ready <= 0 && now_ms() < due_ms)
            continue;
        int64_t before_ms = now_ms();
        due_ms = before_ms + 1000;
        more = dl_tallies_poll(tallies, 100);
        polls++;
        if (now_ms() - before_ms > longest_ms)
            longest_ms = now_ms() - before_ms;
    }
    int64_t before_ms = now_ms();
    dl_tallies_destroy(tallies, 2000);
    printf("end %" PRId64 " %" PRId64 " %" PRId64 "\n", polls, longest_ms, now_ms() - before_ms);
    return 0;
}

/* ---- Command line ---- */

static bool take_option(const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **text;
        int64_t *number;
    } rows[] = {
        {"--warm-up", NULL, &options.warm_up}, {"--answer", NULL, &options.answer},    {"--begin", NULL, &options.begin},
        {"--id", &options.id, NULL},           {"--revoke", &options.revoke, NULL},    {"--group", &options.group, NULL},
        {"--control", &options.control, NULL}, {"--linger", NULL, &options.linger},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(name, rows[i].name) == 0) {
            if (rows[i].text)
                *rows[i].text = value;
            else
                *rows[i].number = strtoll(value, NULL, 10);
            return true;
        }
    if (strcmp(name, "--topic") != 0 || options.topic_count == TOPICS_MAX)
        return false;
    options.topics[options.topic_count++] = value;
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
    if (count < 2 || !take_arguments(count, arguments)) {
        fprintf(stderr, "usage: see the head of drive.c\n");
        return 64;
    }
    const struct sigaction stop = {.sa_handler = on_signal};
    (void)sigaction(SIGTERM, &stop, NULL);
    const struct dl_kafka_options kafka = {options.properties, options.property_count, "drive", &notes};
    return strcmp(arguments[1], "tallies") == 0 ? run_tallies(&kafka) : run_member(&kafka);
}
