/* What goes wrong with a client as a whole, said once, and once when it is over.
 * Inside the adapter only. One thread: the one that serves the client's queue. */
#pragma once

#include "kafka.h"

#include <librdkafka/rdkafka.h>

enum dl_kafka_trouble_kind {
    DL_KAFKA_AWAY,    /* no broker answers */
    DL_KAFKA_REFUSED, /* authentication failed */
    DL_KAFKA_TLS,     /* no secure connection comes about */
    DL_KAFKA_KINDS
};

struct dl_kafka_trouble {
    struct dl_note_sink *notes;
    const char *client; /* what the client is for, as a log field */
    bool fatal;         /* librdkafka gave the client up: make a new one */
    rd_kafka_resp_err_t fatal_code;
    char fatal_reason[256];
    struct {
        bool on;
        int64_t since_ms, last_ms;
    } kinds[DL_KAFKA_KINDS];
    char reason[256];        /* the last thing a single broker's connection failed by */
    int64_t silent_since_ms; /* requests fail since then, 0: they do not */
    bool down;               /* librdkafka has no connection left; not confirmed by a request yet */
    struct {
        uint64_t hash;
        int64_t until_ms;
    } said[16]; /* librdkafka's own lines, to say each but once in a while */
};

void dl_kafka_trouble_init(struct dl_kafka_trouble *trouble, struct dl_note_sink *notes, const char *client);
/* Callbacks whose opaque is the trouble. */
void dl_kafka_trouble_attach(struct dl_kafka_trouble *trouble, rd_kafka_conf_t *conf);

/* A request got no answer, or got one. */
void dl_kafka_trouble_silent(struct dl_kafka_trouble *trouble, const char *reason);
void dl_kafka_trouble_answered(struct dl_kafka_trouble *trouble);
/* A producer's comes by callback, a consumer's as a message. */
void dl_kafka_trouble_fatal(struct dl_kafka_trouble *trouble, rd_kafka_t *client);
bool dl_kafka_trouble_any(const struct dl_kafka_trouble *trouble);
