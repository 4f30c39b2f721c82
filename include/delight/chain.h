/* The source chain: which record of every source partition comes next, by what
 * the batches counted so far have stated. Each batch states [from, next) per
 * partition; a gap means that events are missing, an overlap that some were
 * counted twice: the promise of exactly-once is checked, not believed.
 *
 *   batch k      [0, 120)
 *   batch k+1             [120, 400)      good
 *   batch k+2                    [390, …  overlap
 *   batch k+2                         [410, …  gap [400, 410)
 *
 * One thread. Topics are known by name: an index into a configuration would
 * change its meaning with it. */
#pragma once

#include <delight/name.h>

struct dl_chain;

enum dl_chain_verdict {
    DL_CHAIN_GOOD,   /* follows what came before, or is the partition's first */
    DL_CHAIN_GAP,    /* [expected, from) was never stated */
    DL_CHAIN_OVERLAP /* [from, expected) was stated before */
};

/* topic: 1..249 bytes, borrowed. Positions are record offsets, 0 <= from <= next. */
struct dl_chain_link {
    struct dl_name topic;
    int32_t partition;
    int64_t from, next;
};

struct dl_chain *dl_chain_create(void); /* NULL: out of memory */
void dl_chain_destroy(struct dl_chain *chain);

/* What a link is to the chain; *expected is where it should begin (its own from
 * where the partition is new). Changes nothing. */
enum dl_chain_verdict dl_chain_judge(const struct dl_chain *chain, const struct dl_chain_link *link, int64_t *expected);
/* The partition goes on at link->next, whatever came before. DL_MEMORY: unchanged. */
DL_MUST_USE enum dl_status dl_chain_take(struct dl_chain *chain, const struct dl_chain_link *link);
/* Where the partition goes on; -1: nothing was stated of it. */
int64_t dl_chain_next(const struct dl_chain *chain, struct dl_name topic, int32_t partition);

size_t dl_chain_count(const struct dl_chain *chain);
/* Partition number `index` (0 … count - 1, in the order in which they came);
 * from is where the chain began for it (its first from), next where it goes on. */
struct dl_chain_link dl_chain_at(const struct dl_chain *chain, size_t index);
