/* Reading cx.state and cx.tallies where a thread may wait: the newest head, and
 * where a source partition goes on. */
#pragma once

#include "kafka.h"
#include "record.h"

/* The newest head record before `until` (an offset), copied into key and value;
 * DL_EMPTY: there is none, or the newest cannot be read. Reads from the end backwards: a head closes every
 * checkpoint, so it is near. Other statuses: of the log. */
DL_MUST_USE enum dl_status dl_head_find(struct dl_kafka_log *log, int64_t first, int64_t until,
                                        struct dl_record_bytes *key, struct dl_record_bytes *value);

struct dl_position_options {
    struct dl_kafka_options kafka;
    const char *tallies_topic, *state_topic;
    bool skips_unreadable; /* on_data_loss: continue. What such a record stated is read again, as it is not counted either */
    bool (*give_up)(void *context);
    void *context;
};

/* What every batch ever written states of the source partitions: the chain of
 * the newest checkpoint, continued by what stands in cx.tallies behind it. For
 * an ingest whose committed offsets are gone. DL_OK: *chain is the caller's, and
 * empty when no batch was ever written. DL_REFUSED: a record that cannot be read
 * (noted). DL_STOPPED, DL_MEMORY. */
DL_MUST_USE enum dl_status dl_positions_find(const struct dl_position_options *options, struct dl_chain **chain);
