#include <delight/dedupe.h>

#include "hash.h"
#include "table.h"

#include <stdlib.h>

/* A queue of notes in the order of their offsets, which is a ring that grows up
 * to N + 1 slots: N offsets have at most N notes, and there is the new one. The table leads from
 * a hash to its newest note. Notes are numbered; the table keeps the low 31 bits. */
enum { SLOTS_FIRST = 1024, NUMBER_BITS = 31 };
#define NUMBER_MASK ((UINT64_C(1) << NUMBER_BITS) - 1)
#define RECORDS_MAX INT64_C(100000000)

struct note {
    uint64_t low, high; /* hash of (op, id) */
    int64_t offset;
};

struct dl_dedupe {
    int64_t records;
    struct note *notes;     /* slot = number % slots */
    uint64_t slots;
    uint64_t first, next;   /* numbers of the oldest note and of the next one */
    int64_t newest;         /* offset, INT64_MIN: none */
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

static struct note *note_at(const struct dl_dedupe *dedupe, uint64_t number)
{
    return &dedupe->notes[number % dedupe->slots];
}

/* The full number of a note from what the table keeps: the one of the last 2^31. */
static uint64_t number_of(const struct dl_dedupe *dedupe, uint32_t value)
{
    return dedupe->next - ((dedupe->next - value) & NUMBER_MASK);
}

static uint32_t find(const struct dl_dedupe *dedupe, XXH128_hash_t hash)
{
    struct dl_table_cursor cursor = dl_table_look(&dedupe->table, hash.low64);
    for (uint32_t value; (value = dl_table_next(&dedupe->table, &cursor)) != DL_TABLE_NONE;) {
        const struct note *note = note_at(dedupe, number_of(dedupe, value));
        if (note->low == hash.low64 && note->high == hash.high64)
            return value;
    }
    return DL_TABLE_NONE;
}

/* Drops notes that lie more than N before offset. */
static void forget_old(struct dl_dedupe *dedupe, int64_t offset)
{
    for (; dedupe->first < dedupe->next; dedupe->first++) {
        const struct note *note = note_at(dedupe, dedupe->first);
        if (note->offset >= offset - dedupe->records)
            return;
        uint32_t value = find(dedupe, (XXH128_hash_t){.low64 = note->low, .high64 = note->high});
        if (value == (uint32_t)(dedupe->first & NUMBER_MASK)) /* else a newer note of the hash stands there */
            dl_table_remove(&dedupe->table, note->low, value);
    }
}

/* Room for one more note. */
static enum dl_status reserve_slot(struct dl_dedupe *dedupe)
{
    uint64_t used = dedupe->next - dedupe->first;
    if (used < dedupe->slots)
        return DL_OK;
    DL_ASSERT(used <= (uint64_t)dedupe->records);
    uint64_t slots = dedupe->slots == 0 ? SLOTS_FIRST : dedupe->slots * 2;
    if (slots > (uint64_t)dedupe->records + 1)
        slots = (uint64_t)dedupe->records + 1;
    struct note *notes = malloc(slots * sizeof *notes);
    if (notes == NULL)
        return DL_MEMORY;
    for (uint64_t number = dedupe->first; number < dedupe->next; number++)
        notes[number % slots] = *note_at(dedupe, number);
    free(dedupe->notes);
    dedupe->notes = notes;
    dedupe->slots = slots;
    return DL_OK;
}

static XXH128_hash_t hash_of(const struct dl_dedupe *dedupe, const struct dl_event *event)
{
    /* An event and its retraction may have the same id and are two. */
    return XXH3_128bits_withSeed(event->id.data, event->id.bytes, dedupe->seed + (event->sign < 0));
}

enum dl_status dl_dedupe_check(struct dl_dedupe *dedupe, int64_t offset, const struct dl_event *event, bool *duplicate)
{
    *duplicate = false;
    if (event->id.bytes == 0)
        return DL_OK;
    DL_ASSERT(offset >= 0 && offset > dedupe->newest);
    forget_old(dedupe, offset);
    enum dl_status status = reserve_slot(dedupe);
    if (status == DL_OK)
        status = dl_table_reserve(&dedupe->table, 1);
    if (status != DL_OK)
        return status;
    XXH128_hash_t hash = hash_of(dedupe, event);
    uint32_t value = (uint32_t)(dedupe->next & NUMBER_MASK);
    uint32_t before = find(dedupe, hash);
    *duplicate = before != DL_TABLE_NONE;
    if (*duplicate)
        dl_table_replace(&dedupe->table, hash.low64, before, value);
    else
        dl_table_put(&dedupe->table, hash.low64, value);
    *note_at(dedupe, dedupe->next++) = (struct note){.low = hash.low64, .high = hash.high64, .offset = offset};
    dedupe->newest = offset;
    return DL_OK;
}
