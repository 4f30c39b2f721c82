/* Drives transactions, log and topics of the Kafka adapter alone, for
 * test_kafka_transactions.py, which is where its output is understood: one line
 * per happening on stdout, notes on stderr.
 *
 *   kafka-transactions-drive run [OPTION VALUE]... [KEY=VALUE]...
 *     --to NAME --id TRANSACTIONAL_ID --timeout MS --transactions N --records N (each) --bytes N
 *     --large N (the size of the middle record; halved when it is refused) --init no (begins nothing, ends)
 *     --hold N (in the Nth transaction fill waits for SIGUSR1; SIGUSR2: that one is unwanted) --after N (records after the wait)
 *     --pace MS (between transactions)
 *     --source NAME (joins the group of group.id and commits positions with the records; --next OFFSET of partition 0)
 *     --generation N (…of a member that Kafka does not know) --letters NAME --letter-bytes N --stop-after MS (give_up)
 *     --again yes (after one that librdkafka gave up: another producer, which knows whether something was left open)
 *   kafka-transactions-drive log --topic NAME --from N --until N (default: the bounds) --stop-after MS
 *   kafka-transactions-drive check|create --wish NAME:PARTITIONS[!][:KEY=VALUE[:KEY=VALUE]...] (repeatable)
 *
 * KEY=VALUE are properties of librdkafka. SIGTERM makes give_up true. */
#include "kafka.h"
#include "kafka_membership.h"

#include <librdkafka/rdkafka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PROPERTIES_MAX = 32, WISHES_MAX = 8, CONFIGS_MAX = 8, RECORDS_MAX = 100000 };

static struct {
    struct dl_kafka_property properties[PROPERTIES_MAX];
    size_t property_count;
    const char *to, *id, *source, *letters, *topic, *init, *again;
    int64_t timeout_ms, transactions, records, bytes, large, hold, after, pace_ms, next, generation, letter_bytes, stop_after_ms, from,
        until;
    struct dl_kafka_topic_wish wishes[WISHES_MAX];
    struct dl_kafka_property configs[WISHES_MAX][CONFIGS_MAX];
    size_t wish_count;
} options = {.id = "drive", .timeout_ms = 10000, .transactions = 1, .records = 10, .bytes = 100, .generation = -1, .from = -1,
             .until = -1, .next = 1, .letter_bytes = 100, .init = "yes", .again = "no"};

static volatile sig_atomic_t stopping, released, unwanted;
static int64_t started_ms;

static void on_signal(int number)
{
    if (number == SIGUSR1)
        released = 1;
    else if (number == SIGUSR2)
        unwanted = 1;
    else
        stopping = 1;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(int64_t ms)
{
    const struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&time, NULL);
}

static bool give_up(void *context)
{
    (void)context;
    return stopping || (options.stop_after_ms > 0 && now_ms() - started_ms > options.stop_after_ms);
}

static void write_note(void *context, enum dl_note_level level, const char *message, const struct dl_note_field *fields,
                       size_t field_count)
{
    static const char *const levels[] = {"error", "warning", "notice", "info", "debug"};
    (void)context;
    if (level == DL_NOTE_DEBUG)
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

/* ---- Transactions ---- */

struct filling {
    int64_t number, large;
    struct dl_kafka_letters *letters;
    char *bytes;
};

/* Values are NUMBER:RECORD, padded; the middle one may be larger. */
static enum dl_status fill_records(struct filling *filling, struct dl_transactions *transactions, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++) {
        char key[24];
        bool middle = filling->large > 0 && i == options.records / 2;
        int64_t bytes = middle ? filling->large : options.bytes;
        int length = snprintf(filling->bytes, 64, "%" PRId64 ":%" PRId64 ":", filling->number, i);
        memset(filling->bytes + length, 'v', 64);
        int key_length = snprintf(key, sizeof key, "%" PRId64, i);
        enum dl_status status =
            dl_transactions_produce(transactions, options.to, -1, key, (size_t)key_length, filling->bytes,
                                    (size_t)(bytes > length ? bytes : length), middle ? &filling->large : NULL);
        if (status != DL_OK)
            return status;
    }
    return DL_OK;
}

static enum dl_status fill(void *context, struct dl_transactions *transactions)
{
    struct filling *filling = context;
    printf("fill %" PRId64 "\n", filling->number);
    enum dl_status status = fill_records(filling, transactions, 0, options.records);
    if (status == DL_OK && filling->letters)
        status = dl_transactions_produce_letters(transactions, options.letters, filling->letters);
    if (status != DL_OK || options.hold != filling->number)
        return status;
    printf("holding\n");
    while (!released && !stopping)
        sleep_ms(10);
    return fill_records(filling, transactions, options.records, options.records + options.after);
}

static bool is_unwanted(void *context)
{
    const struct filling *filling = context;
    return unwanted && options.hold == filling->number;
}

static bool too_large(void *context, void *opaque)
{
    struct filling *filling = context;
    if (opaque != &filling->large || filling->large <= options.bytes)
        return false;
    filling->large /= 2;
    printf("smaller %" PRId64 "\n", filling->large);
    return true;
}

static void on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
    bool *assigned = opaque;
    *assigned = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    (void)rd_kafka_assign(client, *assigned ? partitions : NULL);
}

/* Joins the group by librdkafka alone: the source is not what is tested here. */
static rd_kafka_t *join(void)
{
    static bool assigned;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < options.property_count; i++)
        (void)rd_kafka_conf_set(conf, options.properties[i].key, options.properties[i].value, NULL, 0);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_opaque(conf, &assigned);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    (void)rd_kafka_poll_set_consumer(client);
    rd_kafka_topic_partition_list_add(topics, options.source, RD_KAFKA_PARTITION_UA);
    (void)rd_kafka_subscribe(client, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    while (!assigned && !stopping) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(client, 100);
        if (message)
            rd_kafka_message_destroy(message);
    }
    printf("joined\n");
    return client;
}

static struct dl_kafka_letters *make_letters(const char *bytes)
{
    static const char *const sources[] = {"cx.feedback"};
    struct dl_kafka_letters *letters = dl_kafka_letters_create(sources, 1u << 20);
    const struct dl_kafka_header header = {"trace", "abc", 3};
    for (int64_t i = 0; letters && i < 3; i++) {
        const struct dl_kafka_record record = {
            .partition = 2,
            .offset = 100 + i,
            .timestamp_ms = 1700000000000,
            .key = "key",
            .key_bytes = 3,
            .value = bytes,
            .value_bytes = (size_t)(i == 1 ? options.letter_bytes : 10),
            .headers = &header,
            .header_count = 1,
        };
        printf("letter %s\n", dl_status_text(dl_kafka_letters_add(letters, &record, "not_json", "byte 7")));
    }
    return letters;
}

static enum dl_status run_one(struct dl_transactions *transactions, struct filling *filling, rd_kafka_t *member)
{
    struct dl_kafka_membership membership = {.metadata = NULL, .holders = 1};
    const struct dl_kafka_position position = {options.source, 0, options.next + filling->number - 1};
    filling->large = options.large;
    if (options.generation >= 0)
        membership.metadata = rd_kafka_consumer_group_metadata_new_with_genid(
            "stale-group", (int32_t)options.generation, "nobody", NULL);
    else if (member)
        membership.metadata = rd_kafka_consumer_group_metadata(member);
    const struct dl_transaction transaction = {
        .fill = fill,
        .unwanted = is_unwanted,
        .too_large = too_large,
        .context = filling,
        .positions = &position,
        .position_count = membership.metadata ? 1 : 0,
        .membership = membership.metadata ? &membership : NULL,
    };
    int64_t before_ms = now_ms();
    enum dl_status status = dl_transactions_run(transactions, &transaction);
    struct dl_transactions_counts counts;
    dl_transactions_counts(transactions, &counts);
    printf("run %" PRId64 " %s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", filling->number,
           dl_status_text(status), dl_transactions_last_offset(transactions), counts.committed, counts.aborted, counts.retried,
           counts.fenced, now_ms() - before_ms);
    if (membership.metadata)
        rd_kafka_consumer_group_metadata_destroy(membership.metadata);
    return status;
}

static const char *group_id(void)
{
    for (size_t i = 0; i < options.property_count; i++)
        if (strcmp(options.properties[i].key, "group.id") == 0)
            return options.properties[i].value;
    return "stale-group";
}

/* left_open: a producer before this one has left something open in the topic. NULL: none could be made. */
static struct dl_transactions *make(const struct dl_kafka_options *kafka, bool left_open)
{
    const struct dl_transactions_options create = {.kafka = *kafka,
                                                   .transactional_id = options.id,
                                                   .group = options.source ? group_id() : NULL,
                                                   .left_open = left_open ? options.to : NULL,
                                                   .timeout_ms = (int)options.timeout_ms,
                                                   .name = "batches",
                                                   .give_up = give_up};
    struct dl_transactions *transactions;
    return dl_transactions_create(&create, &transactions) == DL_OK ? transactions : NULL;
}

static enum dl_status init(struct dl_transactions *transactions)
{
    int64_t before_ms = now_ms();
    enum dl_status status = dl_transactions_init(transactions);
    printf("init %s %" PRId64 "\n", dl_status_text(status), now_ms() - before_ms);
    return status;
}

static int run(const struct dl_kafka_options *kafka)
{
    size_t size = (size_t)(options.bytes + options.large + options.letter_bytes) + 256;
    struct filling filling = {.bytes = malloc(size)};
    struct dl_transactions *transactions = make(kafka, false);
    if (!filling.bytes || !transactions)
        return 1;
    memset(filling.bytes, 'v', size);
    if (options.letters)
        filling.letters = make_letters(filling.bytes);
    rd_kafka_t *member = options.source && options.generation < 0 ? join() : NULL;
    if (strcmp(options.init, "yes") == 0) {
        enum dl_status status = init(transactions);
        for (filling.number = 1; status == DL_OK && filling.number <= options.transactions && !give_up(NULL); filling.number++) {
            enum dl_status end = run_one(transactions, &filling, member);
            if (end == DL_FATAL && strcmp(options.again, "yes") == 0) {
                bool left_open = dl_transactions_left_open(transactions);
                dl_transactions_destroy(transactions, 2000);
                transactions = make(kafka, left_open);
                status = transactions ? init(transactions) : DL_FATAL;
            } else if (end == DL_FENCED || end == DL_FATAL) {
                stopping = 1;
            }
            if (options.pace_ms > 0)
                sleep_ms(options.pace_ms);
        }
    }
    int64_t before_ms = now_ms();
    dl_transactions_destroy(transactions, 2000);
    printf("end %" PRId64 "\n", now_ms() - before_ms);
    if (member)
        rd_kafka_destroy(member);
    dl_kafka_letters_destroy(filling.letters);
    free(filling.bytes);
    return 0;
}

/* ---- Log ---- */

static enum dl_status on_record(void *context, int64_t offset, int64_t timestamp_ms, const void *key, size_t key_bytes,
                                const void *value, size_t value_bytes)
{
    (void)context;
    (void)key_bytes;
    printf("record %" PRId64 " %s %s %.*s\n", offset, timestamp_ms > 0 ? "timed" : "untimed", key ? "keyed" : "keyless",
           (int)(value_bytes < 8 ? value_bytes : 8), value ? (const char *)value : "(null)");
    return DL_OK;
}

static int read_log(const struct dl_kafka_options *kafka)
{
    struct dl_kafka_log *log;
    int64_t first = -1, end = -1;
    if (dl_kafka_log_create(kafka, options.topic, give_up, NULL, &log) != DL_OK)
        return 1;
    int64_t before_ms = now_ms();
    enum dl_status status = dl_kafka_log_bounds(log, &first, &end);
    printf("bounds %s %" PRId64 " %" PRId64 " %" PRId64 "\n", dl_status_text(status), first, end, now_ms() - before_ms);
    for (int i = 0; i < 2 && status == DL_OK; i++) { /* twice: what is left of the first must not disturb the second */
        before_ms = now_ms();
        status = dl_kafka_log_read(log, options.from >= 0 ? options.from : first, options.until >= 0 ? options.until : end,
                                   on_record, NULL);
        printf("read %s %" PRId64 "\n", dl_status_text(status), now_ms() - before_ms);
    }
    before_ms = now_ms();
    dl_kafka_log_destroy(log);
    printf("end %" PRId64 "\n", now_ms() - before_ms);
    return 0;
}

/* ---- Topics ---- */

static void on_fault(void *context, const char *topic, const char *sentence)
{
    (void)context;
    printf("fault %s %s\n", topic, sentence);
}

static void on_created(void *context, const char *topic)
{
    (void)context;
    printf("created %s\n", topic);
}

static int topics(const struct dl_kafka_options *kafka, bool create)
{
    char error[512] = "";
    enum dl_status status = create ? dl_kafka_topics_create(kafka, options.wishes, options.wish_count, 20000, on_created, NULL,
                                                            error, sizeof error)
                                   : dl_kafka_topics_check(kafka, options.wishes, options.wish_count, 20000, on_fault, NULL,
                                                           error, sizeof error);
    printf("topics %s %s\n", dl_status_text(status), error);
    return 0;
}

/* ---- Command line ---- */

static bool take_wish(char *text)
{
    char *rest = text, *word = strsep(&rest, ":");
    if (options.wish_count == WISHES_MAX || !rest)
        return false;
    struct dl_kafka_property *configs = options.configs[options.wish_count];
    struct dl_kafka_topic_wish *wish = &options.wishes[options.wish_count++];
    *wish = (struct dl_kafka_topic_wish){.name = word, .replication = -1, .configs = configs};
    word = strsep(&rest, ":");
    wish->partitions = atoi(word);
    wish->exact = strchr(word, '!') != NULL;
    while ((word = strsep(&rest, ":")) && wish->config_count < CONFIGS_MAX) {
        char *value = strchr(word, '=');
        if (!value)
            return false;
        *value = '\0';
        configs[wish->config_count++] = (struct dl_kafka_property){word, value + 1};
    }
    return true;
}

static bool take_option(const char *name, char *value)
{
    const struct {
        const char *name;
        int64_t *number;
        const char **text;
    } known[] = {
        {"--timeout", &options.timeout_ms, NULL},
        {"--transactions", &options.transactions, NULL},
        {"--records", &options.records, NULL},
        {"--bytes", &options.bytes, NULL},
        {"--large", &options.large, NULL},
        {"--hold", &options.hold, NULL},
        {"--after", &options.after, NULL},
        {"--pace", &options.pace_ms, NULL},
        {"--next", &options.next, NULL},
        {"--generation", &options.generation, NULL},
        {"--letter-bytes", &options.letter_bytes, NULL},
        {"--stop-after", &options.stop_after_ms, NULL},
        {"--from", &options.from, NULL},
        {"--until", &options.until, NULL},
        {"--to", NULL, &options.to},
        {"--id", NULL, &options.id},
        {"--init", NULL, &options.init},
        {"--again", NULL, &options.again},
        {"--source", NULL, &options.source},
        {"--letters", NULL, &options.letters},
        {"--topic", NULL, &options.topic},
    };
    if (strcmp(name, "--wish") == 0)
        return take_wish(value);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i].name) != 0)
            continue;
        if (known[i].number)
            *known[i].number = strtoll(value, NULL, 10);
        else
            *known[i].text = value;
        return true;
    }
    return false;
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
    return true;
}

int main(int count, char **arguments)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count < 2 || !take_arguments(count, arguments)) {
        fprintf(stderr, "usage: see the head of drive.c\n");
        return 64;
    }
    const struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGUSR1, &action, NULL);
    (void)sigaction(SIGUSR2, &action, NULL);
    const struct dl_kafka_options kafka = {options.properties, options.property_count, "drive", &notes};
    char error[512];
    if (dl_kafka_check_transactions(&kafka, (int)options.timeout_ms, error, sizeof error) != DL_OK) {
        fprintf(stderr, "check: %s\n", error);
        return 78;
    }
    started_ms = now_ms();
    if (strcmp(arguments[1], "log") == 0)
        return read_log(&kafka);
    if (strcmp(arguments[1], "check") == 0 || strcmp(arguments[1], "create") == 0)
        return topics(&kafka, strcmp(arguments[1], "create") == 0);
    return run(&kafka);
}
