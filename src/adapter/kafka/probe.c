#include "probe.h"

#include <librdkafka/rdkafka.h>

#include <stdio.h>
#include <string.h>

/* librdkafka tells what is wrong with a connection only to its error callback. */
struct last_error {
    char text[256];
};

static void on_error(rd_kafka_t *client, int error, const char *reason, void *context)
{
    (void)client;
    struct last_error *last = context;
    if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || last->text[0] == '\0')
        snprintf(last->text, sizeof last->text, "%s", reason);
}

static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client, (void)level, (void)facility, (void)text; /* the error callback says the same in words */
}

static rd_kafka_t *create(const struct dl_kafka_options *options, struct last_error *last, char *error, size_t error_size)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < options->property_count; i++)
        if (rd_kafka_conf_set(conf, options->properties[i].key, options->properties[i].value, error, error_size) !=
            RD_KAFKA_CONF_OK) {
            rd_kafka_conf_destroy(conf);
            return NULL;
        }
    rd_kafka_conf_set_opaque(conf, last);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, error_size);
    if (client == NULL)
        rd_kafka_conf_destroy(conf);
    return client;
}

static void describe(struct dl_kafka_topic_state *state, const struct rd_kafka_metadata *metadata)
{
    state->partitions = -1;
    snprintf(state->fault, sizeof state->fault, "does not exist; create it");
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];
        if (strcmp(topic->topic, state->topic) != 0)
            continue;
        if (topic->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            state->partitions = topic->partition_cnt;
        else if (topic->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
            snprintf(state->fault, sizeof state->fault, "this user may not see it; allow DESCRIBE and READ (dead letters: WRITE)");
        else if (topic->err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            snprintf(state->fault, sizeof state->fault, "%s", rd_kafka_err2str(topic->err));
        return;
    }
}

enum dl_status dl_kafka_probe(const struct dl_kafka_options *options, struct dl_kafka_topic_state *states,
                              size_t topic_count, int timeout_ms, char *error, size_t error_size)
{
    struct last_error last = {{0}};
    rd_kafka_t *client = create(options, &last, error, error_size);
    if (client == NULL)
        return DL_INVALID;
    /* All topics, not a handle per topic: asking for one by name may create it. */
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t fault = rd_kafka_metadata(client, 1, NULL, &metadata, timeout_ms);
    rd_kafka_poll(client, 0);
    if (fault == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (size_t i = 0; i < topic_count; i++)
            describe(&states[i], metadata);
        rd_kafka_metadata_destroy(metadata);
    } else {
        snprintf(error, error_size, "no broker answers: %s", last.text[0] != '\0' ? last.text : rd_kafka_err2str(fault));
    }
    rd_kafka_destroy(client);
    return fault == RD_KAFKA_RESP_ERR_NO_ERROR ? DL_OK : DL_AWAY;
}
