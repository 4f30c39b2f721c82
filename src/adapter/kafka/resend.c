/* Dead letters sent again, each with its outcome. Unlike the daemon's producer
 * of dead letters it gives up: somebody waits at a terminal. */
#include "kafka_conf.h"
#include "kafka_trouble.h"

#include <stdio.h>
#include <stdlib.h>

/* So many are unconfirmed at most; one is always taken. */
static const size_t outstanding_max = 1000, outstanding_bytes_max = 64u << 20;

struct dl_kafka_resender {
    struct dl_kafka_trouble trouble;
    rd_kafka_conf_t *conf;
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    dl_kafka_on_resent *on_resent;
    void *context;
    size_t outstanding, outstanding_bytes;
};
/* librdkafka's opaque is the trouble, for all callbacks of a client. */
_Static_assert(offsetof(struct dl_kafka_resender, trouble) == 0, "the trouble is the resender");

/* Of one record, whoever comes next. */
static bool is_alone(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
           code == RD_KAFKA_RESP_ERR_INVALID_RECORD || code == RD_KAFKA_RESP_ERR_INVALID_MSG ||
           code == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
}

/* What a record failed by. Without Write on any topic Kafka refuses the producer as a whole, before a topic is named. */
static void describe(rd_kafka_t *client, rd_kafka_resp_err_t code, char *out, size_t out_size)
{
    char fatal[DL_KAFKA_ERROR_SIZE] = "";
    /* What waited then is purged. */
    bool by_client = code == RD_KAFKA_RESP_ERR__FATAL || code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    rd_kafka_resp_err_t given_up = by_client ? rd_kafka_fatal_error(client, fatal, sizeof fatal) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (given_up != RD_KAFKA_RESP_ERR_NO_ERROR)
        code = given_up;
    bool refused = code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    (void)snprintf(out, out_size, "%s%s", *fatal ? fatal : rd_kafka_err2str(code), refused ? " (grant Write on the topic)" : "");
}

static void on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    struct dl_kafka_resender *resender = opaque;
    char reason[DL_KAFKA_ERROR_SIZE + 64];
    enum dl_kafka_resent how = DL_KAFKA_RESENT;
    resender->outstanding--;
    resender->outstanding_bytes -= message->len;
    if (!message->err)
        dl_kafka_trouble_answered(&resender->trouble);
    else
        how = rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED ? DL_KAFKA_MAYBE_RESENT
                                                                                         : DL_KAFKA_NOT_RESENT;
    describe(client, message->err, reason, sizeof reason);
    resender->on_resent(resender->context, (size_t)(uintptr_t)message->_private, how, message->err ? reason : NULL,
                        is_alone(message->err));
}

static enum dl_status configure(struct dl_kafka_resender *resender, const struct dl_kafka_options *options, int timeout_ms,
                                char *error, size_t error_size)
{
    char timeout[16];
    enum dl_status status = dl_kafka_conf_create(options, DL_KAFKA_PRODUCER, &resender->conf, error, error_size);
    if (status != DL_OK)
        return status;
    (void)snprintf(timeout, sizeof timeout, "%d", timeout_ms);
    /* A batch is refused as a whole: a record that its topic does not take must not take others with it. */
    const char *const settings[][2] = {
        {"message.timeout.ms", timeout}, {"enable.gapless.guarantee", "false"}, {"batch.num.messages", "1"}, {"linger.ms", "0"}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (rd_kafka_conf_set(resender->conf, settings[i][0], settings[i][1], error, error_size) != RD_KAFKA_CONF_OK)
            return DL_INVALID;
    dl_kafka_trouble_attach(&resender->trouble, resender->conf);
    rd_kafka_conf_set_dr_msg_cb(resender->conf, on_report);
    resender->client = dl_kafka_client_create(resender->conf, DL_KAFKA_PRODUCER, error, error_size);
    if (!resender->client)
        return DL_INVALID;
    resender->queue = rd_kafka_queue_get_main(resender->client);
    (void)rd_kafka_set_log_queue(resender->client, resender->queue);
    return DL_OK;
}

enum dl_status dl_kafka_resender_create(const struct dl_kafka_options *options, int timeout_ms, dl_kafka_on_resent *on_resent,
                                        void *context, struct dl_kafka_resender **made)
{
    char error[DL_KAFKA_ERROR_SIZE] = "";
    struct dl_kafka_resender *resender = calloc(1, sizeof *resender);
    if (!resender)
        return DL_MEMORY;
    resender->on_resent = on_resent;
    resender->context = context;
    dl_kafka_trouble_init(&resender->trouble, options->notes, "re-send");
    enum dl_status status = configure(resender, options, timeout_ms, error, sizeof error);
    if (status != DL_OK) {
        dl_note(options->notes, DL_NOTE_ERROR, "Kafka cannot be written to with these properties", DL_TEXT("reason", error));
        dl_kafka_resender_destroy(resender);
        return status;
    }
    *made = resender;
    return DL_OK;
}

void dl_kafka_resender_destroy(struct dl_kafka_resender *resender)
{
    if (!resender)
        return;
    if (resender->client) {
        if (resender->outstanding > 0) {
            (void)rd_kafka_purge(resender->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
            (void)rd_kafka_flush(resender->client, 1000);
        }
        rd_kafka_queue_destroy(resender->queue);
        (void)dl_kafka_client_destroy(resender->client, 1000);
    }
    if (resender->conf)
        rd_kafka_conf_destroy(resender->conf);
    free(resender);
}

static rd_kafka_headers_t *copy_headers(const struct dl_kafka_resend *resend)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(resend->header_count);
    for (size_t i = 0; i < resend->header_count; i++)
        (void)rd_kafka_header_add(headers, resend->headers[i].key, -1, resend->headers[i].value,
                                  resend->headers[i].value ? (ssize_t)resend->headers[i].value_bytes : -1);
    return headers;
}

enum dl_status dl_kafka_resender_send(struct dl_kafka_resender *resender, const struct dl_kafka_resend *resend)
{
    if (resender->outstanding > 0 && (resender->outstanding >= outstanding_max ||
                                      resender->outstanding_bytes + resend->value_bytes > outstanding_bytes_max))
        return DL_FULL;
    rd_kafka_headers_t *headers = copy_headers(resend);
    rd_kafka_resp_err_t code = rd_kafka_producev(
        resender->client, RD_KAFKA_V_TOPIC(resend->topic), RD_KAFKA_V_PARTITION(resend->partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_TIMESTAMP(resend->timestamp_ms > 0 ? resend->timestamp_ms : 0),
        RD_KAFKA_V_KEY(resend->key, resend->key_bytes),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)resend->value, resend->value_bytes), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_OPAQUE((void *)(uintptr_t)resend->number), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        resender->outstanding++;
        resender->outstanding_bytes += resend->value_bytes;
        return DL_OK;
    }
    rd_kafka_headers_destroy(headers);
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return DL_FULL;
    char reason[DL_KAFKA_ERROR_SIZE + 64];
    describe(resender->client, code, reason, sizeof reason);
    resender->on_resent(resender->context, resend->number, DL_KAFKA_NOT_RESENT, reason, is_alone(code));
    return DL_OK;
}

void dl_kafka_resender_poll(struct dl_kafka_resender *resender, int timeout_ms)
{
    if (rd_kafka_poll(resender->client, timeout_ms) == 0 && resender->trouble.down)
        dl_kafka_trouble_silent(&resender->trouble, "no connection");
}

size_t dl_kafka_resender_outstanding(const struct dl_kafka_resender *resender)
{
    return resender->outstanding;
}
