#include "report.h"

#include "ingest.h"

#include <stdlib.h>

void dl_report_deinit(struct dl_report *report)
{
    free(report->partitions);
    *report = (struct dl_report){0};
}

static struct dl_report_partition *find_partition(struct dl_report *report, const struct dl_batch_source *source)
{
    for (size_t i = 0; i < report->partition_count; i++) {
        struct dl_report_partition *partition = &report->partitions[i];
        if (partition->topic == source->topic && partition->partition == source->partition)
            return partition;
    }
    if (report->partition_count == report->partition_capacity) {
        size_t capacity = report->partition_capacity * 2 + 16;
        struct dl_report_partition *grown = realloc(report->partitions, capacity * sizeof *grown);
        if (grown == NULL)
            return NULL;
        report->partitions = grown;
        report->partition_capacity = capacity;
    }
    struct dl_report_partition *partition = &report->partitions[report->partition_count++];
    *partition = (struct dl_report_partition){.topic = source->topic, .partition = source->partition, .read = true};
    return partition;
}

enum dl_status dl_report_add(struct dl_report *report, struct dl_batch *batch, int64_t now_ms)
{
    const struct dl_ingest_counts *counts = dl_batch_counts(batch);
    struct dl_ingest_counts *total = &report->total;
    total->records += counts->records;
    total->bytes += counts->bytes;
    for (int i = 0; i < DL_EVENT_TYPES; i++)
        total->accepted[i] += counts->accepted[i];
    total->retracted += counts->retracted;
    total->duplicates += counts->duplicates;
    for (int i = 0; i < DL_REJECTS; i++)
        total->rejected[i] += counts->rejected[i];
    total->dead_letters += counts->dead_letters;
    total->lost += counts->lost;
    report->batches++;
    report->tallies += (int64_t)dl_batch_tallies(batch);
    report->cells = dl_batch_cells(batch) > 0 ? (int64_t)dl_batch_cells(batch) : report->cells;
    dl_durations_add(&report->batch, (now_ms - dl_batch_opened_ms(batch)) * 1000000);

    const struct dl_batch_source *sources;
    size_t count = dl_batch_sources(batch, &sources);
    for (size_t i = 0; i < count; i++) {
        struct dl_report_partition *partition = find_partition(report, &sources[i]);
        if (partition == NULL)
            return DL_MEMORY;
        partition->next = sources[i].next;
        partition->end = sources[i].end;
    }
    return DL_OK;
}

void dl_report_take(struct dl_report *report, const struct dl_ingest_figures *figures)
{
    for (size_t i = 0; i < report->partition_count; i++)
        report->partitions[i].read = false;
    size_t at = 0; /* both mostly stand in one order */
    for (size_t i = 0; i < figures->partition_count; i++)
        for (size_t tried = 0; tried < report->partition_count; tried++) {
            const struct dl_ingest_position *position = &figures->partitions[i];
            struct dl_report_partition *partition = &report->partitions[at];
            at = at + 1 == report->partition_count ? 0 : at + 1;
            if (partition->topic != position->topic || partition->partition != position->partition)
                continue;
            partition->read = true;
            partition->timestamp_ms = position->timestamp_ms;
            break;
        }
}

size_t dl_report_partitions(const struct dl_report *report)
{
    size_t count = 0;
    for (size_t i = 0; i < report->partition_count; i++)
        count += report->partitions[i].read;
    return count;
}

int64_t dl_report_lag_ms(const struct dl_report_partition *partition, int64_t wall_ms)
{
    if (partition->end <= partition->next || partition->timestamp_ms == 0 || wall_ms < partition->timestamp_ms)
        return 0;
    return wall_ms - partition->timestamp_ms;
}

int64_t dl_report_events(const struct dl_report *report)
{
    int64_t events = 0;
    for (int i = 0; i < DL_EVENT_TYPES; i++)
        events += report->total.accepted[i];
    return events;
}

int64_t dl_report_rejects(const struct dl_report *report)
{
    int64_t rejects = 0;
    for (int i = 0; i < DL_REJECTS; i++)
        rejects += report->total.rejected[i];
    return rejects;
}

void dl_report_tick(struct dl_report *report, int64_t now_ms)
{
    int64_t events = dl_report_events(report);
    if (report->ticked_ms > 0 && now_ms > report->ticked_ms)
        report->events_per_second =
            (double)(events - report->events_ticked) * 1000.0 / (double)(now_ms - report->ticked_ms);
    report->ticked_ms = now_ms;
    report->events_ticked = events;
}

int64_t dl_report_lag(const struct dl_report *report)
{
    int64_t lag = 0;
    for (size_t i = 0; i < report->partition_count; i++)
        if (report->partitions[i].read && report->partitions[i].end > report->partitions[i].next)
            lag += report->partitions[i].end - report->partitions[i].next;
    return lag;
}
