/* What the ingest thread tells the loop of itself, for metrics and readiness. */
#include "ingest_inside.h"

#include <stdlib.h>

enum { FIGURES_MS = 1000 };

void dl_ingest_on_statistics(void *context, const char *json, size_t bytes)
{
    struct dl_ingest *ingest = context;
    struct dl_kafka_statistics read;
    if (dl_kafka_statistics_read(&read, json, bytes) == DL_OK)
        ingest->kafka = read;
}

/* Those that find no room, or no memory, are as good as the next ones. */
void dl_ingest_tell_figures(struct dl_ingest *ingest, int64_t now_ms)
{
    if (now_ms < ingest->figures_ms)
        return;
    ingest->figures_ms = now_ms + FIGURES_MS;
    size_t room = 0;
    for (size_t i = 0; i < ingest->options.source.topic_count; i++)
        room += ingest->topics[i].partition_count;
    struct dl_ingest_figures *figures = malloc(sizeof *figures + room * sizeof figures->partitions[0]);
    if (figures == NULL)
        return;
    *figures = (struct dl_ingest_figures){.assigned = ingest->source != NULL && dl_kafka_source_assigned(ingest->source),
                                          .stuck = ingest->source == NULL ? 0 : dl_kafka_source_stuck(ingest->source),
                                          .epoch = ingest->epoch, .forgotten = ingest->forgotten, .kafka = ingest->kafka,
                                          .opened_ms = dl_batch_empty(ingest->open) ? 0 : dl_batch_opened_ms(ingest->open)};
    for (size_t i = 0; i < ingest->options.source.topic_count; i++)
        for (size_t j = 0; j < ingest->topics[i].partition_count; j++)
            if (ingest->topics[i].partitions[j].next >= 0)
                figures->partitions[figures->partition_count++] =
                    (struct dl_ingest_position){(uint16_t)i, (int32_t)j, ingest->topics[i].partitions[j].timestamp_ms};
    if (dl_ring_push(ingest->figures, figures) != DL_OK)
        free(figures);
}

struct dl_ingest_figures *dl_ingest_take_figures(struct dl_ingest *ingest)
{
    struct dl_ingest_figures *newest = NULL, *next;
    while ((next = dl_ring_pop(ingest->figures)) != NULL) {
        free(newest);
        newest = next;
    }
    return newest;
}
