#include <delight/dedupe.h>

#include "hash.h"
#include "table.h"

#include <stdlib.h>

/* A queue of notes in the order of their offsets, which is a ring that grows up
 * to N + 1 slots: N offsets have at most N notes, and there is the new one. The table leads from
 * a hash to the slot of its newest note.
 *
 * With many records neither lies in the cache. A note that is to be forgotten is known long before, so
 * what that will read is fetched ahead; for a new one it is fetched while old ones are forgotten. */
enum { SLOTS_FIRST = 1024, AHEAD = 4 /* notes */ };
#define RECORDS_MAX INT64_C(100000000)

struct note {
    uint64_t low, high; /* hash of (op, id) */
    int64_t offset;
};

struct dl_dedupe {
    int64_t records;
    struct note *notes;
    uint32_t slots, first, used; /* first: of the oldest note */
    int64_t newest;              /* offset, INT64_MIN: none */
    struct dl_table table;
    uint64_t seed;
};

struct dl_dedupe *dl_dedupe_create(int64_t records)
{
    DL_ASSERT(records >= 1 && records <= RECORDS_MAX);
    struct dl_dedupe *dedupe = calloc(1, sizeof *dedupe);
    if (dedupe == NULL)
        return NULL;
    dedupe->records = records;
    dedupe->newest = INT64_MIN;
    dedupe->seed = dl_hash_seed(dedupe);
    return dedupe;
}

void dl_dedupe_destroy(struct dl_dedupe *dedupe)
{
    if (dedupe == NULL)
        return;
    free(dedupe->notes);
    dl_table_deinit(&dedupe->table);
    free(dedupe);
}

/* The slot that lies so many behind the oldest note's; by < slots. */
static uint32_t slot_behind(const struct dl_dedupe *dedupe, uint32_t by)
{
    uint32_t to_end = dedupe->slots - dedupe->first;
    return by < to_end ? dedupe->first + by : by - to_end;
}

static uint32_t find(const struct dl_dedupe *dedupe, XXH128_hash_t hash)
{
    struct dl_table_cursor cursor = dl_table_look(&dedupe->table, hash.low64);
    for (uint32_t slot; (slot = dl_table_next(&dedupe->table, &cursor)) != DL_TABLE_NONE;) {
        const struct note *note = &dedupe->notes[slot];
        if (note->low == hash.low64 && note->high == hash.high64)
            return slot;
    }
    return DL_TABLE_NONE;
}

/* Drops notes that lie more than N before offset. */
static void forget_old(struct dl_dedupe *dedupe, int64_t offset)
{
    if (dedupe->used > AHEAD)
        dl_table_prefetch(&dedupe->table, dedupe->notes[slot_behind(dedupe, AHEAD)].low);
    while (dedupe->used > 0 && dedupe->notes[dedupe->first].offset < offset - dedupe->records) {
        /* It may not be there: then a newer note of the hash is. */
        dl_table_discard(&dedupe->table, dedupe->notes[dedupe->first].low, dedupe->first);
        dedupe->first = slot_behind(dedupe, 1);
        dedupe->used--;
    }
}

/* Room for one more note. */
static enum dl_status reserve_slot(struct dl_dedupe *dedupe)
{
    if (dedupe->used < dedupe->slots)
        return DL_OK;
    DL_ASSERT(dedupe->used <= dedupe->records);
    uint64_t slots = dedupe->slots == 0 ? SLOTS_FIRST : (uint64_t)dedupe->slots * 2;
    if (slots > (uint64_t)dedupe->records + 1)
        slots = (uint64_t)dedupe->records + 1;
    struct note *notes = malloc(slots * sizeof *notes);
    if (notes == NULL)
        return DL_MEMORY;
    /* The oldest note comes first; the table follows. */
    for (uint32_t i = 0; i < dedupe->used; i++)
        notes[i] = dedupe->notes[slot_behind(dedupe, i)];
    for (size_t at = 0; dedupe->table.entries != NULL && at <= dedupe->table.mask; at++) {
        uint32_t *slot = &dedupe->table.entries[at].value;
        if (*slot != DL_TABLE_NONE)
            *slot = *slot >= dedupe->first ? *slot - dedupe->first : *slot + (dedupe->slots - dedupe->first);
    }
    free(dedupe->notes);
    dedupe->notes = notes;
    dedupe->slots = (uint32_t)slots;
    dedupe->first = 0;
    return DL_OK;
}

static XXH128_hash_t hash_of(const struct dl_dedupe *dedupe, struct dl_name id, int sign)
{
    /* An event and its retraction may have the same id and are two. */
    return XXH3_128bits_withSeed(id.data, id.bytes, dedupe->seed + (sign < 0));
}

void dl_dedupe_expect(const struct dl_dedupe *dedupe, struct dl_name id)
{
    dl_table_prefetch(&dedupe->table, hash_of(dedupe, id, 1).low64);
}

enum dl_status dl_dedupe_check(struct dl_dedupe *dedupe, int64_t offset, const struct dl_event *event, bool *duplicate)
{
    *duplicate = false;
    if (event->id.bytes == 0)
        return DL_OK;
    DL_ASSERT(offset >= 0 && offset > dedupe->newest);
    XXH128_hash_t hash = hash_of(dedupe, event->id, event->sign);
    dl_table_prefetch(&dedupe->table, hash.low64);
    forget_old(dedupe, offset);
    enum dl_status status = reserve_slot(dedupe);
    if (status == DL_OK)
        status = dl_table_reserve(&dedupe->table, 1);
    if (status != DL_OK)
        return status;
    uint32_t slot = slot_behind(dedupe, dedupe->used);
    uint32_t before = find(dedupe, hash);
    *duplicate = before != DL_TABLE_NONE;
    if (*duplicate)
        dl_table_replace(&dedupe->table, hash.low64, before, slot);
    else
        dl_table_put(&dedupe->table, hash.low64, slot);
    dedupe->notes[slot] = (struct note){.low = hash.low64, .high = hash.high64, .offset = offset};
    dedupe->used++;
    dedupe->newest = offset;
    return DL_OK;
}
