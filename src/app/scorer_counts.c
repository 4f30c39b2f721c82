/* Figures of the scorer, for operators. */
#include "scorer_inside.h"

void dl_scorer_on_statistics(void *context, const char *json, size_t bytes)
{
    struct dl_scorer *scorer = context;
    struct dl_kafka_statistics read;
    if (dl_kafka_statistics_read(&read, json, bytes) == DL_OK)
        scorer->counts.kafka = read;
}

const struct dl_chain *dl_scorer_chain(const struct dl_scorer *scorer)
{
    return scorer->chain;
}

void dl_scorer_counts(const struct dl_scorer *scorer, struct dl_scorer_counts *counts)
{
    *counts = scorer->counts;
    counts->state = scorer->state;
    counts->owner = scorer->owner;
    counts->assigned = dl_tallies_assigned(scorer->tallies);
    counts->saving = scorer->collecting || scorer->saving;
    dl_checkpoint_counts(scorer->checkpoint, &counts->transactions);
    counts->term = scorer->term;
    counts->token = scorer->token;
    counts->tallies_next = scorer->counted;
    counts->tallies_end = scorer->tallies_end;
    counts->redis_fenced += scorer->scoring == NULL ? 0 : dl_scoring_fenced_writes(scorer->scoring);
    counts->partitions_known = scorer->chain == NULL ? 0 : (int64_t)dl_chain_count(scorer->chain);
}
