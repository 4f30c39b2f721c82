/* A dead letter: an own copy of the record it came from, kept until Kafka has
 * confirmed it. Inside the adapter only. */
#pragma once

#include "kafka.h"

#include <librdkafka/rdkafka.h>

#include <sys/queue.h>

#define DL_DEADLETTER_HEADER "__delightd.errors."
/* On a record that was a dead letter and was sent again: which. */
#define DL_RESENT_HEADER "__delightd.resent.from"

/* A source topic of more partitions than this is not one of Kafka. */
enum { DL_LETTER_PARTITIONS_MAX = 1000000 };

struct dl_letter {
    TAILQ_ENTRY(dl_letter) link; /* in the order of sending */
    bool alone;                  /* flies alone: it may be what was refused */
    uint16_t topic;
    int32_t partition;
    int64_t offset, timestamp_ms;
    const char *reason, *detail; /* in bytes_, as all below */
    const void *key, *value;
    size_t key_bytes, value_bytes;
    size_t sent_bytes; /* of the value: less than value_bytes when cut */
    bool bare;         /* not even key and headers are taken: the error headers only */
    size_t header_count, header_bytes;
    struct dl_kafka_header *headers;
    size_t size; /* of the whole */
};

TAILQ_HEAD(dl_letters, dl_letter);

struct dl_kafka_letters {
    const char *const *source_topics;
    struct dl_letters list;
    size_t count, bytes, bytes_max;
};

/* NULL: out of memory. Freed by free(). */
struct dl_letter *dl_letter_create(const struct dl_kafka_record *record, const char *reason, const char *detail);

/* What it weighs on the wire, about. */
size_t dl_letter_wire_bytes(const struct dl_letter *letter);

/* Makes it fit into wire_bytes, if it can, by cutting the value; what is too
 * large even without a value goes without key and headers too. False: it is as
 * small as it gets. */
bool dl_letter_cut(struct dl_letter *letter, size_t wire_bytes);

/* The detail, and how it was cut. */
void dl_letter_detail(const struct dl_letter *letter, char *out, size_t out_size);

/* What is sent: the caller's to destroy until librdkafka takes them. */
rd_kafka_headers_t *dl_letter_headers(const struct dl_letter *letter, const char *source_topic);
/* The number 0..max that a header says; false: none. */
bool dl_letter_number(const void *text, size_t bytes, int64_t max, int64_t *number);
/* Of sent_bytes; NULL: none. A value that was cut to nothing is left out. */
const void *dl_letter_value(const struct dl_letter *letter);
