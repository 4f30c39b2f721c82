/* noop-consumer BROKERS TOPIC [KEY=VALUE…]: reads a topic from its beginning to where it ended at the start, with librdkafka's
 * batch API, and throws everything away. Prints records, bytes, wall and processor seconds from the first record on, and the
 * share of that time which its busiest thread worked: below 0.9 it is the broker that is measured. */
#include <librdkafka/rdkafka.h>

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { BATCH = 10000, META_MS = 10000, POLL_MS = 5 };

static double wall_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double processor_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* ---- how busy each thread is ---- */

struct thread {
    long id;
    uint64_t worked_ns; /* before the first record */
};

enum { THREADS_MAX = 64 };

static struct thread threads[THREADS_MAX];
static int thread_count;

static struct thread *find_thread(long id)
{
    for (int i = 0; i < thread_count; i++) {
        if (threads[i].id == id)
            return &threads[i];
    }
    if (thread_count == THREADS_MAX)
        return NULL;
    threads[thread_count].id = id;
    return &threads[thread_count++];
}

/* Nanoseconds that the thread which worked most has worked since the last call. */
static uint64_t busiest_ns(void)
{
    uint64_t most = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks != NULL && (entry = readdir(tasks)) != NULL;) {
        char path[300];
        uint64_t worked_ns;
        snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file == NULL)
            continue;
        struct thread *thread = find_thread(strtol(entry->d_name, NULL, 10));
        if (fscanf(file, "%" SCNu64, &worked_ns) == 1 && thread != NULL) {
            if (worked_ns - thread->worked_ns > most)
                most = worked_ns - thread->worked_ns;
            thread->worked_ns = worked_ns;
        }
        fclose(file);
    }
    if (tasks != NULL)
        closedir(tasks);
    return most;
}

_Noreturn static void die(const char *what, const char *why)
{
    fprintf(stderr, "noop-consumer: %s: %s\n", what, why);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char error[256];
    if (rd_kafka_conf_set(conf, key, value, error, sizeof error) != RD_KAFKA_CONF_OK)
        die(key, error);
}

static rd_kafka_t *create(const char *brokers, int count, char **properties)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "group.id", "noop");
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.auto.offset.store", "false");
    set(conf, "enable.partition.eof", "true");
    set(conf, "isolation.level", "read_committed");
    set(conf, "queued.min.messages", "1000000"); /* never full: before librdkafka 2.2 it would pause for a second then */
    for (int i = 0; i < count; i++) {
        char *value = strchr(properties[i], '=');
        if (value == NULL)
            die(properties[i], "KEY=VALUE is wanted");
        *value = '\0';
        set(conf, properties[i], value + 1);
    }
    char error[256];
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    if (consumer == NULL)
        die("rd_kafka_new", error);
    rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

/* Offset of the last record by partition. The end-of-partition event comes half a second later, when the broker has waited for
 * more in vain: it only ends partitions whose last record is a transaction's mark. */
static int64_t *lasts;

enum { NOTHING_LEFT = -1 };

/* 1 when this is the end of the partition, 0 when it has ended already or goes on. */
static int ends_partition(int32_t partition, int64_t offset, bool is_end_event)
{
    if (lasts[partition] == NOTHING_LEFT || (!is_end_event && offset != lasts[partition]))
        return 0;
    lasts[partition] = NOTHING_LEFT;
    return 1;
}

/* Returns how many partitions have records. */
static int assign(rd_kafka_t *consumer, const char *name)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, name, NULL);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t fault = rd_kafka_metadata(consumer, 0, topic, &metadata, META_MS);
    if (fault != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(name, rd_kafka_err2str(fault));
    int partitions = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    if (partitions == 0)
        die(name, "no such topic");
    lasts = calloc((size_t)partitions, sizeof *lasts);
    if (lasts == NULL)
        die(name, "out of memory");
    int open = 0;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; i++) {
        int64_t first, end;
        fault = rd_kafka_query_watermark_offsets(consumer, name, i, &first, &end, META_MS);
        if (fault != RD_KAFKA_RESP_ERR_NO_ERROR)
            die(name, rd_kafka_err2str(fault));
        open += end > first;
        lasts[i] = end > first ? end - 1 : NOTHING_LEFT;
        rd_kafka_topic_partition_list_add(list, name, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    return open;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: noop-consumer BROKERS TOPIC [KEY=VALUE...]\n");
        return 64;
    }
    rd_kafka_t *consumer = create(argv[1], argc - 3, argv + 3);
    int open = assign(consumer, argv[2]);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    static rd_kafka_message_t *messages[BATCH];
    uint64_t records = 0, bytes = 0;
    double wall = 0, processor = 0;
    while (open > 0) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, POLL_MS, messages, BATCH);
        if (count > 0 && records == 0) {
            (void)busiest_ns();
            wall = wall_seconds();
            processor = processor_seconds();
        }
        for (ssize_t i = 0; i < count; i++) {
            if (messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                records++;
                bytes += messages[i]->len;
                open -= ends_partition(messages[i]->partition, messages[i]->offset, false);
            } else if (messages[i]->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
                open -= ends_partition(messages[i]->partition, messages[i]->offset, true);
            } else {
                die("consume", rd_kafka_message_errstr(messages[i]));
            }
            rd_kafka_message_destroy(messages[i]);
        }
    }
    wall = wall_seconds() - wall;
    processor = processor_seconds() - processor;
    printf("records=%" PRIu64 " bytes=%" PRIu64 " wall=%.3f processor=%.3f busiest=%.3f\n", records, bytes, wall, processor,
           wall > 0 ? (double)busiest_ns() / 1e9 / wall : 0);
    free(lasts);
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return 0;
}
