/* Duplicates of one partition: the same (op, id) within the previous N offsets.
 *
 *   offset  o-N ……………… o-1 | o        a queue of hashes (128 bits) with their offsets,
 *           └── looked at ──┘  new     and an index from hash to its newest note */
#pragma once

#include <delight/event.h>

struct dl_dedupe;

/* records: N, 1..10^8; memory grows with what was seen, to about 48 bytes a record.
 * NULL: out of memory. */
struct dl_dedupe *dl_dedupe_create(int64_t records);
void dl_dedupe_destroy(struct dl_dedupe *dedupe);

/* What is noted of an event: a hash of its op and id. */
struct dl_dedupe_mark {
    uint64_t low, high;
    bool none; /* it has no id */
};

/* Has the processor fetch what the check will read, too, which takes longer than decoding an event where N is large: best
 * asked for some events ahead of it. */
struct dl_dedupe_mark dl_dedupe_mark(const struct dl_dedupe *dedupe, const struct dl_event *event);

/* Notes the event of this mark at offset (offsets ascend, asserted; gaps are allowed) and says whether
 * it is a duplicate. Without id: never. A dropped duplicate is noted too: the
 * next one within N offsets of it is one as well. DL_MEMORY: not noted. */
DL_MUST_USE enum dl_status dl_dedupe_check(struct dl_dedupe *dedupe, int64_t offset, const struct dl_dedupe_mark *mark,
                                           bool *duplicate);
