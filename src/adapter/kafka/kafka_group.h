/* What every member of a consumer group needs. Inside the adapter only. */
#pragma once

#include <librdkafka/rdkafka.h>

/* A member hears with the answer to its heartbeat that another one is gone and the
 * partitions are dealt out anew: so this is added to the session's timeout before
 * a standby takes over. */
enum { DL_KAFKA_HEARTBEAT_MS = 500 };

/* Leaves the group, so that others take over at once, if Kafka answers within
 * wait_ms. Calls back nobody. The client is good for nothing but its end afterwards. */
void dl_kafka_client_leave(rd_kafka_t *client, int wait_ms);
