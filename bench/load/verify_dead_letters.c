#include "verify.h"

#include "kafka.h"
#include "message.h"
#include "util.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS 200
#define CUT_BYTES 500000 /* a value longer than this may have been cut for the topic */

struct letters {
    const struct ld_verify *verify;
    struct ld_reject *rejects;
    size_t count;
    size_t missing;
};

static struct ld_reject *find_reject(const struct letters *letters, uint64_t number)
{
    size_t low = 0;
    size_t high = letters->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (letters->rejects[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < letters->count && letters->rejects[low].number == number ? &letters->rejects[low] : NULL;
}

/* The number in a key of ours; false for somebody else's. */
static bool number_of(const struct letters *letters, const rd_kafka_message_t *record, uint64_t *number)
{
    size_t prefix = strlen(letters->verify->id_prefix);
    const char *key = record->key;
    if (record->key_len <= prefix + 1 || memcmp(key, letters->verify->id_prefix, prefix) != 0 || key[prefix] != '-')
        return false;
    *number = 0;
    for (size_t i = prefix + 1; i < record->key_len; i++) {
        if (key[i] < '0' || key[i] > '9')
            return false;
        *number = *number * 10 + (uint64_t)(key[i] - '0');
    }
    return true;
}

/* A header as text that ends with NUL; "" when it is missing. */
static void header_of(const rd_kafka_message_t *record, const char *name, char out[160])
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t bytes;
    out[0] = '\0';
    if (rd_kafka_message_headers(record, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        rd_kafka_header_get_last(headers, name, &value, &bytes) == RD_KAFKA_RESP_ERR_NO_ERROR)
        snprintf(out, 160, "%.*s", (int)(bytes < 150 ? bytes : 150), (const char *)value);
}

static void check_headers(struct letters *letters, const rd_kafka_message_t *record, const struct ld_reject *reject)
{
    static const char *const others[] = {"partition", "offset", "timestamp", "detail"};
    struct ld_differences *differences = letters->verify->differences;
    const char *expected = ld_reason_name((enum ld_reason)reject->reason);
    char text[160];
    header_of(record, "__delightd.errors.reason", text);
    if (strcmp(text, expected) != 0)
        ld_difference(differences, "dead letter of message %" PRIu64 ": reason: expected %s, found %s",
                      reject->number, expected, text[0] == '\0' ? "nothing" : text);
    header_of(record, "__delightd.errors.topic", text);
    if (strcmp(text, letters->verify->source_topic) != 0)
        ld_difference(differences, "dead letter of message %" PRIu64 ": topic: expected %s, found %s", reject->number,
                      letters->verify->source_topic, text[0] == '\0' ? "nothing" : text);
    for (size_t i = 0; i < LD_COUNT(others); i++) {
        char name[64];
        snprintf(name, sizeof name, "__delightd.errors.%s", others[i]);
        header_of(record, name, text);
        if (text[0] == '\0')
            ld_difference(differences, "dead letter of message %" PRIu64 ": expected a header %s", reject->number,
                          name);
    }
}

static void check_letter(struct letters *letters, const rd_kafka_message_t *record)
{
    struct ld_differences *differences = letters->verify->differences;
    uint64_t number;
    char reason[160];
    if (!number_of(letters, record, &number))
        return;
    struct ld_reject *reject = find_reject(letters, number);
    if (reject == NULL) {
        header_of(record, "__delightd.errors.reason", reason);
        ld_difference(differences, "dead letter of message %" PRIu64 ": expected none, found reason %s", number,
                      reason);
        return;
    }
    letters->missing -= reject->seen == 0;
    if (reject->seen > 0 && !letters->verify->allows_repeated_dead_letters)
        ld_difference(differences, "dead letter of message %" PRIu64 " (%s): found twice", number,
                      ld_reason_name((enum ld_reason)reject->reason));
    if (reject->seen < UINT8_MAX)
        reject->seen++;
    check_headers(letters, record, reject);
    if (reject->bytes <= CUT_BYTES &&
        (record->len != reject->bytes || ld_hash(record->payload, record->len) != reject->hash))
        ld_difference(differences, "dead letter of message %" PRIu64 " (%s): its value is not the original (%zu of %" PRIu32 " bytes)",
                      number, ld_reason_name((enum ld_reason)reject->reason), record->len, reject->bytes);
}

static rd_kafka_t *open_consumer(const struct ld_verify *verify, const char *brokers)
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    static const char *const fixed[][2] = {{"group.id", "delight-load-verify"}, {"enable.auto.commit", "false"},
                                           {"enable.partition.eof", "true"},    {"isolation.level", "read_committed"},
                                           {"client.id", "delight-load"}};
    bool is_good = ld_kafka_set(conf, "bootstrap.servers", brokers);
    for (size_t i = 0; is_good && i < LD_COUNT(fixed); i++)
        is_good = ld_kafka_set(conf, fixed[i][0], fixed[i][1]);
    /* Properties meant for the producer are passed over: librdkafka warns and goes on. */
    is_good = is_good && ld_kafka_set(conf, "log_level", "3") && ld_kafka_set_properties(conf, verify->settings);
    rd_kafka_t *consumer = is_good ? rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text) : NULL;
    if (consumer != NULL) {
        rd_kafka_poll_set_consumer(consumer);
        return consumer;
    }
    if (is_good)
        ld_say("kafka: %s", text);
    rd_kafka_conf_destroy(conf);
    return NULL;
}

static bool assign_all(rd_kafka_t *consumer, const char *topic, int *partitions)
{
    *partitions = ld_kafka_partitions(consumer, topic, "; no dead letters to compare");
    if (*partitions < 0)
        return false;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(*partitions);
    for (int i = 0; i < *partitions; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_resp_err_t error = rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        ld_say("topic %s: %s", topic, rd_kafka_err2str(error));
    return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Reads until every dead letter was seen and every partition's end was reached after that, so that a second copy is
 * seen as well; or until the deadline. */
static void read_letters(struct letters *letters, rd_kafka_t *consumer, int partitions)
{
    int64_t deadline_ns = ld_monotonic_ns() + letters->verify->timeout_ms * 1000000;
    int ends = 0;
    while (!ld_stop && ld_monotonic_ns() < deadline_ns) {
        rd_kafka_message_t *record = rd_kafka_consumer_poll(consumer, POLL_MS);
        if (record == NULL) {
            /* Nothing for a while and every end reached: silence is the end. */
            if (letters->missing == 0 && ends >= partitions)
                return;
            continue;
        }
        if (record->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            check_letter(letters, record);
        else if (record->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            ends++;
        else
            ld_say("dead letters: %s", rd_kafka_message_errstr(record));
        rd_kafka_message_destroy(record);
    }
}

bool ld_verify_dead_letters(const struct ld_verify *verify, const char *topic)
{
    struct letters letters = {.verify = verify,
                              .rejects = verify->run->rejects,
                              .count = verify->run->reject_count,
                              .missing = verify->run->reject_count};
    int partitions;
    rd_kafka_t *consumer = open_consumer(verify, verify->settings->brokers);
    ld_differences_clear(verify->differences);
    if (consumer == NULL)
        return false;
    for (size_t i = 0; i < letters.count; i++)
        letters.rejects[i].seen = 0;
    bool is_read = assign_all(consumer, topic, &partitions);
    if (is_read)
        read_letters(&letters, consumer, partitions);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    for (size_t i = 0; is_read && letters.missing > 0 && i < letters.count; i++) {
        if (letters.rejects[i].seen == 0)
            ld_difference(verify->differences, "dead letter of message %" PRIu64 ": expected reason %s, found nothing",
                          letters.rejects[i].number, ld_reason_name((enum ld_reason)letters.rejects[i].reason));
    }
    if (is_read && verify->differences->count == 0)
        ld_say("verify: equal: %zu dead letters in %s", letters.count, topic);
    return is_read && verify->differences->count == 0;
}
