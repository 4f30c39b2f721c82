/* When the open batch is handed over. */
#pragma once

#include <delight/batch.h>

enum { DL_INGEST_BEHIND_MS = 1000 }; /* how old a batch gets while ingest is behind, where its interval is shorter */

/* More waits in Kafka than the batch has, by what the ends of its partitions were when they were last asked for. */
static inline bool dl_ingest_is_behind(struct dl_batch *open)
{
    const struct dl_batch_source *sources;
    size_t count = dl_batch_sources(open, &sources);
    int64_t fewer = dl_batch_counts(open)->records;
    for (size_t i = 0; i < count && fewer >= 0; i++)
        fewer -= sources[i].end - sources[i].next;
    return fewer < 0;
}

/* By its age, in ms. came: the last poll brought records; without them there is nothing to merge, whatever the ends say (an
 * open transaction of a producer holds back what stands behind it).
 *
 * While ingest is behind, a batch goes on merging: a cell's second goes out once, however many events it counts, so there is
 * less to commit, to apply and to publish, and ingest is at the end sooner. */
static inline bool dl_ingest_is_due(struct dl_batch *open, int64_t age_ms, int64_t interval_ms, bool came)
{
    return age_ms >= interval_ms && (age_ms >= DL_INGEST_BEHIND_MS || !came || !dl_ingest_is_behind(open));
}
