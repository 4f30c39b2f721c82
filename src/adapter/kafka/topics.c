#include "kafka_transactions.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Brokers learn of a new topic one after the other: one that is missing is looked for again for so long. */
static const int64_t patience_ms = 2000, look_again_ms = 200;

/* A client that is made to ask something, and ended. */
struct asking {
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    char reason[256];
    const struct rd_kafka_metadata *metadata;
    int64_t until_ms;
    int64_t patient_until_ms;
    char *error;
    size_t error_size;
};

/* ---- The client ---- */

/* librdkafka tells what is wrong with a connection only to its error callback. */
static void on_error(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
    (void)client;
    struct asking *asking = opaque;
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !*asking->reason)
        (void)snprintf(asking->reason, sizeof asking->reason, "%s", reason);
}

static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client, (void)level, (void)facility, (void)text; /* the error callback says the same in words */
}

static int left_ms(const struct asking *asking)
{
    int64_t left = asking->until_ms - dl_kafka_now_ms();
    return left > 0 ? (int)left : 0;
}

static enum dl_status list_topics(struct asking *asking)
{
    const struct rd_kafka_metadata *metadata;
    /* All topics, not a handle per topic: asking for one by name may create it. */
    rd_kafka_resp_err_t code = rd_kafka_metadata(asking->client, 1, NULL, &metadata, left_ms(asking));
    (void)rd_kafka_poll(asking->client, 0);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (asking->metadata)
            rd_kafka_metadata_destroy(asking->metadata);
        asking->metadata = metadata;
        return DL_OK;
    }
    (void)snprintf(asking->error, asking->error_size, "no broker answers: %s",
                   *asking->reason ? asking->reason : rd_kafka_err2str(code));
    return DL_AWAY;
}

static enum dl_status ask(struct asking *asking, const struct dl_kafka_options *options)
{
    rd_kafka_conf_t *conf;
    enum dl_status status = dl_kafka_conf_create(options, DL_KAFKA_PRODUCER, &conf, asking->error, asking->error_size);
    if (status != DL_OK)
        return status;
    rd_kafka_conf_set_opaque(conf, asking);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    asking->client = dl_kafka_client_create(conf, DL_KAFKA_PRODUCER, asking->error, asking->error_size);
    rd_kafka_conf_destroy(conf);
    if (!asking->client)
        return DL_INVALID;
    asking->queue = rd_kafka_queue_new(asking->client);
    asking->patient_until_ms = dl_kafka_now_ms() + patience_ms;
    return list_topics(asking);
}

static void done(struct asking *asking)
{
    if (asking->metadata)
        rd_kafka_metadata_destroy(asking->metadata);
    if (!asking->client)
        return;
    rd_kafka_queue_destroy(asking->queue);
    (void)dl_kafka_client_destroy(asking->client, 1000);
}

static const struct rd_kafka_metadata_topic *find(const struct asking *asking, const char *topic)
{
    for (int i = 0; i < asking->metadata->topic_cnt; i++)
        if (strcmp(asking->metadata->topics[i].topic, topic) == 0 &&
            asking->metadata->topics[i].err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            return &asking->metadata->topics[i];
    return NULL;
}

static bool wait_to_look_again(const struct asking *asking)
{
    if (dl_kafka_now_ms() >= asking->patient_until_ms)
        return false;
    dl_kafka_sleep_ms(look_again_ms);
    return true;
}

/* ---- Settings ---- */

/* The answer, an event of *entries; NULL: none in time, or refused: *code. */
static rd_kafka_event_t *describe(rd_kafka_t *client, rd_kafka_queue_t *queue, const char *topic, int timeout_ms,
                                  const rd_kafka_ConfigEntry_t ***entries, size_t *count, rd_kafka_resp_err_t *code)
{
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
    rd_kafka_DescribeConfigs(client, &resource, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(resource);

    const rd_kafka_DescribeConfigs_result_t *result = event ? rd_kafka_event_DescribeConfigs_result(event) : NULL;
    size_t resource_count = 0;
    const rd_kafka_ConfigResource_t **resources =
        result ? rd_kafka_DescribeConfigs_result_resources(result, &resource_count) : NULL;
    if (!result)
        *code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    else if (resource_count == 0)
        *code = rd_kafka_event_error(event);
    else
        *code = rd_kafka_ConfigResource_error(resources[0]);
    if (*code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        *entries = rd_kafka_ConfigResource_configs(resources[0], count);
        return event;
    }
    if (event)
        rd_kafka_event_destroy(event);
    return NULL;
}

static const char *value_of(const rd_kafka_ConfigEntry_t **entries, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), key) == 0)
            return rd_kafka_ConfigEntry_value(entries[i]);
    return NULL;
}

int64_t dl_kafka_topic_number(rd_kafka_t *client, const char *topic, const char *key, int timeout_ms)
{
    const rd_kafka_ConfigEntry_t **entries;
    size_t count = 0;
    int64_t number = -1;
    rd_kafka_resp_err_t code;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_event_t *event = describe(client, queue, topic, timeout_ms, &entries, &count, &code);
    const char *value = event ? value_of(entries, count, key) : NULL;
    if (value)
        number = strtoll(value, NULL, 10);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    return number;
}

/* ---- Check ---- */

struct checking {
    struct asking *asking;
    const struct dl_kafka_topic_wish *wish;
    dl_kafka_on_topic_fault *on_fault;
    void *context;
};

static void fault(const struct checking *checking, const char *format, ...) DL_PRINTF(2, 3);
static void fault(const struct checking *checking, const char *format, ...)
{
    char sentence[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    checking->on_fault(checking->context, checking->wish->name, sentence);
}

/* "at least" for a retention, where -1 is for ever. */
static bool as_wished(const char *key, const char *wanted, const char *value)
{
    if (strncmp(key, "retention.", strlen("retention.")) != 0)
        return strcmp(wanted, value) == 0;
    int64_t least = strtoll(wanted, NULL, 10), given = strtoll(value, NULL, 10);
    return given < 0 || (least >= 0 && given >= least);
}

static void check_configs(const struct checking *checking)
{
    const struct dl_kafka_topic_wish *wish = checking->wish;
    struct asking *asking = checking->asking;
    const rd_kafka_ConfigEntry_t **entries = NULL;
    size_t count = 0;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_event_t *event;
    if (wish->config_count == 0)
        return;
    while (!(event = describe(asking->client, asking->queue, wish->name, left_ms(asking), &entries, &count, &code)) &&
           code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && wait_to_look_again(asking))
        ;
    if (!event) {
        fault(checking, "its settings cannot be read: %s%s", rd_kafka_err2str(code),
              code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ? " (grant DescribeConfigs on it)" : "");
        return;
    }
    for (size_t i = 0; i < wish->config_count; i++) {
        const struct dl_kafka_property *config = &wish->configs[i];
        const char *value = value_of(entries, count, config->key);
        if (!value)
            fault(checking, "the broker does not tell its %s, which should be %s", config->key, config->value);
        else if (!as_wished(config->key, config->value, value))
            fault(checking, "%s is %s and should be %s%s", config->key, value, config->value,
                  strncmp(config->key, "retention.", strlen("retention.")) == 0 ? " or more" : "");
    }
    rd_kafka_event_destroy(event);
}

/* A topic that this user may not describe is left out of the list; DescribeConfigs tells the two apart. */
static void tell_missing(const struct checking *checking)
{
    struct asking *asking = checking->asking;
    const rd_kafka_ConfigEntry_t **entries;
    size_t count;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_event_t *event =
        describe(asking->client, asking->queue, checking->wish->name, left_ms(asking), &entries, &count, &code);
    if (event)
        rd_kafka_event_destroy(event);
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        fault(checking, "does not exist, or this user may not see it (grant Describe and DescribeConfigs on it)");
    else
        fault(checking, event ? "this user may not see it (grant Describe on it)" : "does not exist");
}

/* Of the partition that has the fewest; there is one. */
static int replicas_of(const struct rd_kafka_metadata_topic *topic)
{
    int fewest = topic->partitions[0].replica_cnt;
    for (int i = 1; i < topic->partition_cnt; i++)
        if (topic->partitions[i].replica_cnt < fewest)
            fewest = topic->partitions[i].replica_cnt;
    return fewest;
}

static void check_topic(const struct checking *checking)
{
    const struct dl_kafka_topic_wish *wish = checking->wish;
    const struct rd_kafka_metadata_topic *topic = find(checking->asking, wish->name);
    if (!topic) {
        tell_missing(checking);
        return;
    }
    if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fault(checking, "cannot be looked at: %s", rd_kafka_err2str(topic->err));
        return;
    }
    if (wish->partitions > 0 &&
        (topic->partition_cnt < wish->partitions || (wish->exact && topic->partition_cnt > wish->partitions)))
        fault(checking, "has %d partition%s and should have %s%d", topic->partition_cnt, topic->partition_cnt == 1 ? "" : "s",
              wish->exact ? "" : "at least ", wish->partitions);
    if (topic->partition_cnt > 0 && replicas_of(topic) < wish->replication)
        fault(checking, "has replication %d and should have at least %d; that of a topic that is there is not changed",
              replicas_of(topic), wish->replication);
    check_configs(checking);
}

static bool all_there(const struct asking *asking, const struct dl_kafka_topic_wish *wishes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!find(asking, wishes[i].name))
            return false;
    return true;
}

enum dl_status dl_kafka_topics_check(const struct dl_kafka_options *options, const struct dl_kafka_topic_wish *wishes, size_t count,
                                     int timeout_ms, dl_kafka_on_topic_fault *on_fault, void *context, char *error,
                                     size_t error_size)
{
    struct asking asking = {.until_ms = dl_kafka_now_ms() + timeout_ms, .error = error, .error_size = error_size};
    enum dl_status status = ask(&asking, options);
    while (status == DL_OK && !all_there(&asking, wishes, count) && wait_to_look_again(&asking))
        status = list_topics(&asking);
    for (size_t i = 0; i < count && status == DL_OK; i++) {
        const struct checking checking = {&asking, &wishes[i], on_fault, context};
        check_topic(&checking);
    }
    done(&asking);
    return status;
}

/* ---- Create ---- */

static rd_kafka_NewTopic_t *new_topic(const struct dl_kafka_topic_wish *wish, char *error, size_t error_size)
{
    char reason[DL_KAFKA_ERROR_SIZE] = "";
    int partitions = wish->partitions > 0 ? wish->partitions : -1, replication = wish->replication > 0 ? wish->replication : -1;
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(wish->name, partitions, replication, reason, sizeof reason);
    for (size_t i = 0; topic && i < wish->config_count; i++)
        if (rd_kafka_NewTopic_set_config(topic, wish->configs[i].key, wish->configs[i].value) != RD_KAFKA_RESP_ERR_NO_ERROR)
            (void)snprintf(reason, sizeof reason, "%s cannot be set", wish->configs[i].key);
    if (*reason) {
        (void)snprintf(error, error_size, "topic %s: %s", wish->name, reason);
        if (topic)
            rd_kafka_NewTopic_destroy(topic);
        return NULL;
    }
    return topic;
}

static enum dl_status create_topic(struct asking *asking, const struct dl_kafka_topic_wish *wish,
                                   dl_kafka_on_topic_created *on_created, void *context)
{
    rd_kafka_NewTopic_t *topic = new_topic(wish, asking->error, asking->error_size);
    if (!topic)
        return DL_REFUSED;
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(asking->client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, left_ms(asking), NULL, 0);
    (void)rd_kafka_AdminOptions_set_operation_timeout(options, left_ms(asking), NULL, 0);
    rd_kafka_CreateTopics(asking->client, &topic, 1, options, asking->queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(asking->queue, left_ms(asking));
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);

    const rd_kafka_CreateTopics_result_t *result = event ? rd_kafka_event_CreateTopics_result(event) : NULL;
    size_t count = 0;
    const rd_kafka_topic_result_t **topics = result ? rd_kafka_CreateTopics_result_topics(result, &count) : NULL;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    const char *reason = "no answer in time";
    if (count > 0) {
        code = rd_kafka_topic_result_error(topics[0]);
        reason = rd_kafka_topic_result_error_string(topics[0]);
    } else if (event && rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = rd_kafka_event_error(event);
        reason = rd_kafka_event_error_string(event);
    }
    enum dl_status status = DL_OK;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        on_created(context, wish->name);
    else if (code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
        bool forbidden = code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
        (void)snprintf(asking->error, asking->error_size, "topic %s: %s%s", wish->name, reason ? reason : rd_kafka_err2str(code),
                       forbidden ? " (grant Create on it; if it is there, Describe)" : "");
        status = code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT ? DL_AWAY : DL_REFUSED;
    }
    if (event)
        rd_kafka_event_destroy(event);
    return status;
}

enum dl_status dl_kafka_topics_create(const struct dl_kafka_options *options, const struct dl_kafka_topic_wish *wishes,
                                      size_t count, int timeout_ms, dl_kafka_on_topic_created *on_created, void *context,
                                      char *error, size_t error_size)
{
    struct asking asking = {.until_ms = dl_kafka_now_ms() + timeout_ms, .error = error, .error_size = error_size};
    enum dl_status status = ask(&asking, options);
    for (size_t i = 0; i < count && status == DL_OK; i++)
        if (!find(&asking, wishes[i].name))
            status = create_topic(&asking, &wishes[i], on_created, context);
    done(&asking);
    return status;
}
