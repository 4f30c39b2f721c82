/* librdkafka's configuration: the user's properties between our defaults and
 * what delightd needs to be so. Inside the adapter only. */
#pragma once

#include "kafka.h"

#include <librdkafka/rdkafka.h>

/* SOURCE: of events. CONSUMER: of all else, which nobody wakes (source_queue.c). PRODUCER: of dead letters. TRANSACTIONS: see
 * dl_kafka_conf_transactions. */
enum dl_kafka_role { DL_KAFKA_SOURCE, DL_KAFKA_CONSUMER, DL_KAFKA_PRODUCER, DL_KAFKA_TRANSACTIONS };

enum { DL_KAFKA_ERROR_SIZE = 512 };

/* For admin requests of clients that live on. Short, and never without: while
 * one waits for a controller that refuses connections, librdkafka 2.0.2
 * connects to it again and again without a pause. */
enum { DL_KAFKA_ADMIN_MS = 10000 };

/* The caller owns *conf until rd_kafka_new takes it. DL_INVALID: error says
 * which key, and why. */
DL_MUST_USE enum dl_status dl_kafka_conf_create(const struct dl_kafka_options *options, enum dl_kafka_role role,
                                                rd_kafka_conf_t **conf, char *error, size_t error_size);

/* The same for a transactional producer. Requests take half of timeout_ms at
 * most unless the user says otherwise, records three quarters. */
DL_MUST_USE enum dl_status dl_kafka_conf_transactions(const struct dl_kafka_options *options, const char *transactional_id,
                                                      int timeout_ms, rd_kafka_conf_t **conf, char *error,
                                                      size_t error_size);

/* The last value given for a key, NULL: not given. */
const char *dl_kafka_conf_value(const struct dl_kafka_options *options, const char *key);

/* A client from a copy of conf, so that it can be made again. Logs, errors and
 * reports are served on the queue that the caller polls. NULL: error says why. */
rd_kafka_t *dl_kafka_client_create(const rd_kafka_conf_t *conf, enum dl_kafka_role role, char *error, size_t error_size);

/* Ends a client without waiting for brokers. False: it has not ended after
 * wait_ms, and is left to a thread of its own. That happens while the resolver
 * hangs, and with 2.0.2 for good once a topic that was read has been deleted. */
bool dl_kafka_client_destroy(rd_kafka_t *client, int wait_ms);

/* librdkafka's mock cluster cannot look offsets up by time. True once its
 * metadata is known, and it is one. */
bool dl_kafka_client_is_mock(rd_kafka_t *client);

/* Monotonic milliseconds. */
int64_t dl_kafka_now_ms(void);
void dl_kafka_sleep_ms(int64_t ms);

/* base doubled per attempt up to max, then half of it drawn by lot, so that
 * clients that failed together do not come back together. */
int64_t dl_kafka_backoff_ms(unsigned attempt, int64_t base_ms, int64_t max_ms);
