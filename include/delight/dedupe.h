/* Duplicates of one partition: the same (op, id) within the previous N offsets.
 *
 *   offset  o-N ……………… o-1 | o        a queue of hashes (128 bits) with their offsets,
 *           └── looked at ──┘  new     and a table from hash to its newest note */
#pragma once

#include <delight/event.h>

struct dl_dedupe;

/* records: N, 1..10^8; memory grows with what was seen, to about 48 bytes a record.
 * NULL: out of memory. */
struct dl_dedupe *dl_dedupe_create(int64_t records);
void dl_dedupe_destroy(struct dl_dedupe *dedupe);

/* Notes the event at offset (offsets ascend, asserted; gaps are allowed) and says whether
 * it is a duplicate. Without id: never. A dropped duplicate is noted too: the
 * next one within N offsets of it is one as well. DL_MEMORY: not noted. */
DL_MUST_USE enum dl_status dl_dedupe_check(struct dl_dedupe *dedupe, int64_t offset, const struct dl_event *event,
                                           bool *duplicate);
/* A hint that an event with this id is about to be checked: has the processor fetch what that will read. */
void dl_dedupe_expect(const struct dl_dedupe *dedupe, struct dl_name id);
