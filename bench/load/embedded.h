/* An embedded broker for demos on machines without Kafka: librdkafka's mock cluster, in a process of its own.
 * It keeps 5 MiB per partition and cannot look offsets up by time: no proof of anything. */
#pragma once

/* topics: "NAME:PARTITIONS,…". Prints "bootstrap=HOST:PORT" on stdout and serves until SIGTERM or SIGINT.
 * Returns the exit status. */
int ld_embedded_broker(const char *topics);
