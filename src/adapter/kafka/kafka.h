/* Kafka: the source of events, and where what is not an event goes. */
#pragma once

#include <delight/note.h>
#include <delight/status.h>

#include <stddef.h>
#include <stdint.h>

struct dl_kafka_property {
    const char *key, *value;
};

/* Borrowed for the call that takes it. */
struct dl_kafka_options {
    const struct dl_kafka_property *properties; /* librdkafka's own keys, as configured */
    size_t property_count;
    const char *instance; /* client.id unless configured */
    struct dl_note_sink *notes; /* outlives the object */
};

/* Whether librdkafka takes these properties, without connecting. On DL_INVALID
 * error says which key, and what is wrong with it. Keys that delightd owns are
 * refused here. */
DL_MUST_USE enum dl_status dl_kafka_check(const struct dl_kafka_options *options, char *error, size_t error_size);
/* "2.0.2". */
const char *dl_kafka_version(void);

/* ---- Source, memory mode: every partition of every topic, assigned by hand ---- */

struct dl_kafka_source;

struct dl_kafka_source_options {
    struct dl_kafka_options kafka;
    const char *const *topics;
    size_t topic_count;
    int64_t start_ms;         /* read from the first record not older; INT64_MIN: from the beginning */
    int64_t warm_up_records;  /* read so many offsets before that, marked warm_up (dedupe) */
    int64_t retention_ms_min; /* warn when a topic keeps less than this; 0: do not look */
};

struct dl_kafka_header {
    const char *key;
    const char *value; /* NULL: none */
    size_t value_bytes;
};

/* Borrowed: valid during on_record. */
struct dl_kafka_record {
    uint16_t topic; /* index into topics */
    int32_t partition;
    int64_t offset;
    int64_t end;          /* the partition's high watermark as last seen */
    int64_t timestamp_ms; /* -1: none */
    const void *key, *value; /* NULL: none */
    size_t key_bytes, value_bytes;
    const struct dl_kafka_header *headers; /* up to 64 */
    size_t header_count;
    bool warm_up;         /* before the start: for duplicates only, not to be counted */
};

struct dl_kafka_callbacks {
    void (*on_record)(void *context, const struct dl_kafka_record *record);
    /* The partition starts (or starts again, after data was lost) at `offset`: what
     * was remembered of it (duplicates) is void. */
    void (*on_start)(void *context, uint16_t topic, int32_t partition, int64_t offset);
    /* The partition's position without a record: end of partition, transaction
     * markers passed over, end grown. */
    void (*on_position)(void *context, uint16_t topic, int32_t partition, int64_t next, int64_t end);
    /* Records [from, to) are gone from the topic before they were read. */
    void (*on_loss)(void *context, uint16_t topic, int32_t partition, int64_t from, int64_t to);
    void *context;
};

/* Never connects by itself in the call: brokers that are away, topics that are
 * missing, refused authorisation are noted once each (and once when over), and
 * retried with backoff and jitter from dl_kafka_source_poll.
 * DL_INVALID: librdkafka refuses a property; the sentence is noted. */
DL_MUST_USE enum dl_status dl_kafka_source_create(const struct dl_kafka_source_options *options,
                                                  const struct dl_kafka_callbacks *callbacks,
                                                  struct dl_kafka_source **source);
/* Leaves within about a second, broker or not. */
void dl_kafka_source_destroy(struct dl_kafka_source *source);

/* One thread (ingest) calls poll, and gets every callback from inside it.
 * Waits at most timeout_ms for something to happen. */
void dl_kafka_source_poll(struct dl_kafka_source *source, int timeout_ms);

/* Everything that was in every topic when it was first seen has been delivered
 * (topics that do not exist count as empty). False while a partition's end is
 * not known yet. Stays true. */
bool dl_kafka_source_caught_up(const struct dl_kafka_source *source);

/* Progress of the re-read, summed over partitions: records read and to read. */
void dl_kafka_source_progress(const struct dl_kafka_source *source, int64_t *read, int64_t *total);

size_t dl_kafka_source_partitions(const struct dl_kafka_source *source); /* assigned now */

/* ---- Dead letters ---- */

struct dl_deadletter;

struct dl_deadletter_options {
    struct dl_kafka_options kafka;
    const char *topic;
    const char *const *source_topics; /* a record's topic is an index into these */
    size_t source_topic_count;
};

/* The producer: idempotent, acks all, retries for ever, in order. */
DL_MUST_USE enum dl_status dl_deadletter_create(const struct dl_deadletter_options *options, struct dl_deadletter **deadletter);
/* Waits at most timeout_ms for what is outstanding, then drops it (noted with its number). */
void dl_deadletter_destroy(struct dl_deadletter *deadletter, int timeout_ms);

/* Copies the record with key, value, headers and the headers
 * __delightd.errors.{topic,partition,offset,timestamp,reason,detail}. A value
 * that the topic does not take is cut, and the detail says so.
 * DL_FULL: too much is outstanding; poll and call again. */
DL_MUST_USE enum dl_status dl_deadletter_send(struct dl_deadletter *deadletter, const struct dl_kafka_record *record,
                                              const char *reason, const char *detail);
/* Serves delivery reports; waits at most timeout_ms. Same thread as send. */
void dl_deadletter_poll(struct dl_deadletter *deadletter, int timeout_ms);
/* Sent and not yet confirmed: the source position must not move past them. */
size_t dl_deadletter_outstanding(const struct dl_deadletter *deadletter);
int64_t dl_deadletter_delivered(const struct dl_deadletter *deadletter);

/* Reads the dead-letter topic from since_ms on and remembers, per source
 * partition, the highest source offset that stands there, so that a re-read
 * does not send it again (records of one source partition go to one partition,
 * in order). Blocks up to timeout_ms; called before the source is read.
 * DL_TIMEOUT: call again, it goes on where it was. DL_AWAY: try again later. */
DL_MUST_USE enum dl_status dl_deadletter_recall(struct dl_deadletter *deadletter, int64_t since_ms, int timeout_ms);
/* Highest recalled offset of a source partition, -1: none. */
int64_t dl_deadletter_recalled(const struct dl_deadletter *deadletter, uint16_t topic, int32_t partition);
