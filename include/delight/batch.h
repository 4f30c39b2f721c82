/* A batch: tallies by (cell, step of event time), the source positions they
 * cover, and what ingest has to report. A step is a second, or as many as its
 * reader never tells apart. Filled by one thread, sealed, handed over whole, read
 * and destroyed by another. Knows no windows and no caps.
 * All memory is the batch's own arena, so it is bounded and freed at once. */
#pragma once

#include <delight/event.h>
#include <delight/tally.h>

struct dl_batch;

struct dl_batch_options {
    size_t bytes_max;     /* of the arena; DL_FULL beyond it. 1 MiB … */
    int segments;         /* how many segment names are configured, 0..DL_SEGMENTS_MAX */
    int64_t service_level_threshold_ms;
    int64_t short_abandon_ms;
    int64_t step_s;       /* seconds of a step, which begins at a multiple of it; 0: 1 */
};

/* What an event counts in. A feature cell has feature and segments only. */
struct dl_cell {
    struct dl_name touchpoint, stage, journey, feature;
    struct dl_name segment[DL_SEGMENTS_MAX];
};

/* One source partition's part: records [from, next) are in this batch. */
struct dl_batch_source {
    uint16_t topic;    /* index into the configured topics */
    int32_t partition;
    int64_t from, next;
    int64_t end;       /* the partition's high watermark as last seen; lag = end - next */
};

/* What ingest counted since the previous batch; adds up. */
struct dl_ingest_counts {
    int64_t records, bytes;
    int64_t accepted[DL_EVENT_TYPES];
    int64_t retracted;                /* among the accepted */
    int64_t duplicates;
    int64_t rejected[DL_REJECTS];
    int64_t dead_letters;             /* delivered */
    int64_t lost;                     /* records that were gone before they were read */
};

/* NULL: out of memory. opened_ms (monotonic) is carried for latency figures only. */
struct dl_batch *dl_batch_create(const struct dl_batch_options *options, int64_t opened_ms);
void dl_batch_destroy(struct dl_batch *batch);

/* Counts one event. DL_FULL: the arena has no room and nothing was counted;
 * seal this batch, open another, add the event there. An event that does not
 * fit an empty batch cannot be: bytes_max >= 1 MiB holds the largest.
 * DL_MEMORY: nothing was counted either. */
DL_MUST_USE enum dl_status dl_batch_add(struct dl_batch *batch, const struct dl_event *event);

/* Extends (or opens) the partition's part to `next`; from is where the batch
 * began for this partition. Takes no room of bytes_max (40 bytes a partition), so
 * that an event that was counted can always be covered. DL_FULL: more than 65535
 * partitions. DL_MEMORY. */
DL_MUST_USE enum dl_status dl_batch_cover(struct dl_batch *batch, uint16_t topic, int32_t partition, int64_t from,
                                          int64_t next, int64_t end);

struct dl_ingest_counts *dl_batch_counts(struct dl_batch *batch);
/* Nothing counted, covered or reported yet. */
bool dl_batch_empty(const struct dl_batch *batch);
int64_t dl_batch_opened_ms(const struct dl_batch *batch);
/* While it is empty: its age is to be that of what is in it. */
void dl_batch_set_opened(struct dl_batch *batch, int64_t opened_ms);
/* Largest time of an accepted event, INT64_MIN if there is none. */
int64_t dl_batch_newest_ms(const struct dl_batch *batch);
size_t dl_batch_bytes(const struct dl_batch *batch);

/* Set by ingest: everything that was in the source at start is in this batch or
 * an earlier one. */
void dl_batch_set_caught_up(struct dl_batch *batch);
bool dl_batch_caught_up(const struct dl_batch *batch);

size_t dl_batch_sources(const struct dl_batch *batch, const struct dl_batch_source **sources);

/* The tally of one cell in one step, or of some of its events: where they are many, a step has several tallies. */
struct dl_batch_tally {
    const struct dl_cell *cell;
    uint32_t cell_number;     /* from 0; tallies with one number have one cell and stand together */
    int64_t second;           /* epoch seconds, of the earliest of the events */
    int64_t events;           /* adds plus retractions (of a feature cell: answers) */
    const uint16_t *counters; /* those that are not 0, in ascending order; none where all cancel out */
    const int64_t *values;
    size_t count;
};

/* Every tally that an event was counted in, cells in the order in which they
 * came. The tally is valid during the call. Stops and returns what on_tally
 * returns when that is not DL_OK. */
typedef enum dl_status dl_batch_on_tally(void *context, const struct dl_batch_tally *tally);
DL_MUST_USE enum dl_status dl_batch_each(const struct dl_batch *batch, dl_batch_on_tally *on_tally, void *context);
size_t dl_batch_tallies(const struct dl_batch *batch);
size_t dl_batch_cells(const struct dl_batch *batch);
