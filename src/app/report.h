/* What the daemon knows of its own work: totals, rates, lag. Loop thread only. */
#pragma once

#include <delight/durations.h>
#include <delight/engine.h>

struct dl_report {
    struct dl_ingest_counts total;
    int64_t batches, tallies, cells; /* cells: of the last batch that had any */
    struct dl_durations batch;       /* from a batch's opening until it is here: counted, in kafka mode committed */
    struct dl_report_partition {
        uint16_t topic;
        int32_t partition;
        int64_t next, end;
        int64_t timestamp_ms; /* of the last record that was read; 0: not known */
        bool read;            /* by this process now; in kafka mode others may have it since */
    } *partitions;
    size_t partition_count, partition_capacity;
    int64_t ticked_ms, events_ticked; /* at the last tick */
    double events_per_second;         /* between the last two ticks */
};

void dl_report_deinit(struct dl_report *report);
/* DL_MEMORY: a new partition could not be noted. */
DL_MUST_USE enum dl_status dl_report_add(struct dl_report *report, struct dl_batch *batch, int64_t now_ms);
struct dl_ingest_figures;
/* Which partitions are read now. What is told may be older than the last batch, and is put right a second later. */
void dl_report_take(struct dl_report *report, const struct dl_ingest_figures *figures);
/* How long ago the last record of a partition that has more was written; 0: there is no more, or it is not known. */
int64_t dl_report_lag_ms(const struct dl_report_partition *partition, int64_t wall_ms);
/* Once a second or so; monotonic clock. */
void dl_report_tick(struct dl_report *report, int64_t now_ms);
size_t dl_report_partitions(const struct dl_report *report); /* read now */
/* Records between the positions and the ends of these. */
int64_t dl_report_lag(const struct dl_report *report);
int64_t dl_report_events(const struct dl_report *report);   /* accepted */
int64_t dl_report_rejects(const struct dl_report *report);
