/* When the open batch is handed over. */
#pragma once

#include <delight/batch.h>

enum { DL_INGEST_BEHIND_MS = 1000 }; /* for so long a batch merges while ingest is behind, where its interval is shorter */

/* More waits in Kafka than the batch has, by what the ends of its partitions were when they were last asked for (once a
 * second). A partition that gave it no records does not count: what its end promises may stand behind a producer's open
 * transaction. */
static inline bool dl_ingest_is_behind(struct dl_batch *open)
{
    const struct dl_batch_source *sources;
    size_t count = dl_batch_sources(open, &sources);
    int64_t fewer = dl_batch_counts(open)->records;
    for (size_t i = 0; i < count && fewer >= 0; i++)
        if (sources[i].next > sources[i].from)
            fewer -= sources[i].end - sources[i].next;
    return fewer < 0;
}

/* age_ms: since the last hand-over, so the first records after a pause go at once. came: the last poll brought records.
 *
 * While ingest is behind, a batch goes on merging: a cell's step goes out once, however many events it counts, so there is
 * less to commit, to apply and to publish, and ingest is at the end sooner. */
static inline bool dl_ingest_is_due(struct dl_batch *open, int64_t age_ms, int64_t interval_ms, bool came)
{
    return age_ms >= interval_ms && (age_ms >= DL_INGEST_BEHIND_MS || !came || !dl_ingest_is_behind(open));
}
