#include "embedded.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fault(const char *what, const char *why)
{
    fprintf(stderr, "delight-load: embedded broker: %s: %s\n", what, why);
    return 1;
}

/* "a:4,b:1"; ends the list's items in place. */
static int create_topics(rd_kafka_mock_cluster_t *cluster, char *topics)
{
    char *rest = topics;
    for (char *topic; (topic = strsep(&rest, ",")) != NULL;) {
        char *partitions = strchr(topic, ':');
        char *end = NULL;
        long count = partitions == NULL ? 0 : strtol(partitions + 1, &end, 10);
        if (count < 1 || count > 1000 || *end != '\0')
            return fault(topic, "NAME:PARTITIONS is wanted, 1 to 1000 partitions");
        *partitions = '\0';
        rd_kafka_resp_err_t error = rd_kafka_mock_topic_create(cluster, topic, (int)count, 1);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
            return fault(topic, rd_kafka_err2str(error));
    }
    return 0;
}

static int serve(rd_kafka_t *client, const char *topics, const sigset_t *ends)
{
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(client, 1);
    if (cluster == NULL)
        return fault("start", "librdkafka's mock cluster is not to be had");
    char *copy = strdup(topics);
    int status = copy == NULL ? fault("start", "out of memory") : create_topics(cluster, copy);
    free(copy);
    if (status == 0) {
        printf("bootstrap=%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
        fflush(stdout);
        int signal_number;
        sigwait(ends, &signal_number);
    }
    rd_kafka_mock_cluster_destroy(cluster);
    return status;
}

int ld_embedded_broker(const char *topics)
{
    /* Blocked before librdkafka makes its threads, so that only sigwait gets them. */
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    char error[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "3", error, sizeof error); /* it would warn that it has no broker to connect to */
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (client == NULL) {
        rd_kafka_conf_destroy(conf);
        return fault("start", error);
    }
    int status = serve(client, topics, &ends);
    rd_kafka_destroy(client);
    return status;
}
