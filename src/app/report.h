/* What the daemon knows of its own work: totals, rates, lag. Loop thread only. */
#pragma once

#include <delight/engine.h>

struct dl_report {
    struct dl_ingest_counts total;
    int64_t batches;
    struct dl_report_partition {
        uint16_t topic;
        int32_t partition;
        int64_t next, end;
    } *partitions;
    size_t partition_count, partition_capacity;
    int64_t ticked_ms, events_ticked; /* at the last tick */
    double events_per_second;         /* between the last two ticks */
};

void dl_report_deinit(struct dl_report *report);
/* DL_MEMORY: a new partition could not be noted. */
DL_MUST_USE enum dl_status dl_report_add(struct dl_report *report, struct dl_batch *batch);
/* Once a second or so; monotonic clock. */
void dl_report_tick(struct dl_report *report, int64_t now_ms);
/* Records between the positions and the ends of all partitions. */
int64_t dl_report_lag(const struct dl_report *report);
int64_t dl_report_events(const struct dl_report *report);   /* accepted */
int64_t dl_report_rejects(const struct dl_report *report);
