#include "kafka_trouble.h"

#include "kafka_conf.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

/* Silence this long is told; a first connection with TLS may take most of it. */
static const int64_t silence_ms = 4000;
/* A refusing broker is tried again within librdkafka's longest reconnect
 * backoff (10 s and half of it); quiet for longer than that means accepted. */
static const int64_t refusal_quiet_ms = 16000;
static const int64_t repeat_ms = 60000;

static const struct {
    const char *begins, *ends;
} sentences[DL_KAFKA_KINDS] = {
    [DL_KAFKA_AWAY] = {"no Kafka broker answers; retrying (is bootstrap.servers right, is the network up?)",
                       "Kafka answers again"},
    [DL_KAFKA_REFUSED] = {"Kafka refuses the login; retrying (check sasl.mechanism, sasl.username, sasl.password)",
                          "Kafka accepts the login again"},
    [DL_KAFKA_TLS] = {"no TLS connection to Kafka; retrying (check security.protocol, ssl.ca.location, certificates)",
                      "the TLS connection to Kafka is back"},
};

void dl_kafka_trouble_init(struct dl_kafka_trouble *trouble, struct dl_note_sink *notes, const char *client)
{
    *trouble = (struct dl_kafka_trouble){.notes = notes, .client = client};
}

static void copy_text(char *out, size_t out_size, const char *text)
{
    (void)snprintf(out, out_size, "%s", text);
}

static void begin(struct dl_kafka_trouble *trouble, enum dl_kafka_trouble_kind kind, const char *reason)
{
    int64_t now_ms = dl_kafka_now_ms();
    trouble->kinds[kind].last_ms = now_ms;
    if (trouble->kinds[kind].on)
        return;
    trouble->kinds[kind].on = true;
    trouble->kinds[kind].since_ms = now_ms;
    dl_note(trouble->notes, kind == DL_KAFKA_AWAY ? DL_NOTE_WARNING : DL_NOTE_ERROR, sentences[kind].begins,
            DL_TEXT("client", trouble->client), DL_TEXT("reason", reason));
}

static void end(struct dl_kafka_trouble *trouble, enum dl_kafka_trouble_kind kind)
{
    if (!trouble->kinds[kind].on)
        return;
    trouble->kinds[kind].on = false;
    dl_note(trouble->notes, DL_NOTE_NOTICE, sentences[kind].ends, DL_TEXT("client", trouble->client),
            DL_NUMBER("after_ms", dl_kafka_now_ms() - trouble->kinds[kind].since_ms));
}

bool dl_kafka_trouble_any(const struct dl_kafka_trouble *trouble)
{
    if (trouble->silent_since_ms != 0 || trouble->down)
        return true;
    for (int kind = 0; kind < DL_KAFKA_KINDS; kind++)
        if (trouble->kinds[kind].on)
            return true;
    return false;
}

/* A refusal explains silence well enough. */
static bool explained(const struct dl_kafka_trouble *trouble)
{
    return trouble->kinds[DL_KAFKA_REFUSED].on || trouble->kinds[DL_KAFKA_TLS].on;
}

void dl_kafka_trouble_silent(struct dl_kafka_trouble *trouble, const char *reason)
{
    int64_t now_ms = dl_kafka_now_ms();
    if (trouble->silent_since_ms == 0)
        trouble->silent_since_ms = now_ms;
    if ((trouble->down || now_ms - trouble->silent_since_ms >= silence_ms) && !explained(trouble))
        begin(trouble, DL_KAFKA_AWAY, *trouble->reason ? trouble->reason : reason);
}

void dl_kafka_trouble_answered(struct dl_kafka_trouble *trouble)
{
    trouble->silent_since_ms = 0;
    trouble->down = false;
    *trouble->reason = '\0';
    end(trouble, DL_KAFKA_AWAY);
    /* One broker may answer while another one refuses. */
    for (int kind = DL_KAFKA_REFUSED; kind < DL_KAFKA_KINDS; kind++)
        if (dl_kafka_now_ms() - trouble->kinds[kind].last_ms > refusal_quiet_ms)
            end(trouble, (enum dl_kafka_trouble_kind)kind);
}

void dl_kafka_trouble_fatal(struct dl_kafka_trouble *trouble, rd_kafka_t *client)
{
    trouble->fatal_code = rd_kafka_fatal_error(client, trouble->fatal_reason, sizeof trouble->fatal_reason);
    trouble->fatal = true;
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
    struct dl_kafka_trouble *trouble = opaque;
    switch (code) {
    case RD_KAFKA_RESP_ERR__FATAL:
        dl_kafka_trouble_fatal(trouble, client);
        break;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
        begin(trouble, DL_KAFKA_REFUSED, reason);
        break;
    case RD_KAFKA_RESP_ERR__SSL:
        begin(trouble, DL_KAFKA_TLS, reason);
        break;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        trouble->down = true; /* it may be for a moment: the next request will tell */
        break;
    default:
        /* Now and then librdkafka reports a failed handshake as a lost connection, in OpenSSL's words. */
        if (strstr(reason, ":SSL routines:") != NULL) {
            begin(trouble, DL_KAFKA_TLS, reason);
            break;
        }
        copy_text(trouble->reason, sizeof trouble->reason, reason);
        dl_note(trouble->notes, DL_NOTE_DEBUG, "librdkafka reports an error", DL_TEXT("client", trouble->client),
                DL_TEXT("code", rd_kafka_err2name((rd_kafka_resp_err_t)code)), DL_TEXT("reason", reason));
        break;
    }
}

static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(1469598103934665603);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return hash;
}

/* True when this line was passed on within the last minute. */
static bool said_lately(struct dl_kafka_trouble *trouble, const char *facility)
{
    uint64_t hash = hash_text(facility);
    int64_t now_ms = dl_kafka_now_ms();
    size_t slot = hash % (sizeof trouble->said / sizeof trouble->said[0]);
    if (trouble->said[slot].hash == hash && now_ms < trouble->said[slot].until_ms)
        return true;
    trouble->said[slot].hash = hash;
    trouble->said[slot].until_ms = now_ms + repeat_ms;
    return false;
}

/* Broker connections come and go; what matters of that reaches on_error. Errors
 * of any other kind are few, and an operator wants to see them. CONFWARN says
 * that a consumer ignores a producer's property: both share one list here. What
 * transactions end by is told by dl_transactions_run. */
static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *line)
{
    struct dl_kafka_trouble *trouble = rd_kafka_opaque(client);
    static const char *const told_otherwise[] = {"FAIL", "ERROR", "FATAL", "CONFWARN", "TXNERR", "ADDOFFSETS"};
    enum dl_note_level as = level <= LOG_ERR ? DL_NOTE_WARNING : DL_NOTE_DEBUG;
    for (size_t i = 0; i < sizeof told_otherwise / sizeof told_otherwise[0]; i++)
        if (strcmp(facility, told_otherwise[i]) == 0)
            as = DL_NOTE_DEBUG;
    if (as == DL_NOTE_WARNING && said_lately(trouble, facility))
        as = DL_NOTE_DEBUG;
    dl_note(trouble->notes, as, "librdkafka says", DL_TEXT("client", trouble->client), DL_TEXT("facility", facility),
            DL_TEXT("line", line));
}

void dl_kafka_trouble_attach(struct dl_kafka_trouble *trouble, rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_opaque(conf, trouble);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
}
