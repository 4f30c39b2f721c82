/* What every member of a consumer group needs. Inside the adapter only. */
#pragma once

#include <librdkafka/rdkafka.h>

/* Leaves the group, so that others take over at once, if Kafka answers within
 * wait_ms. Calls back nobody. The client is good for nothing but its end afterwards. */
void dl_kafka_client_leave(rd_kafka_t *client, int wait_ms);
