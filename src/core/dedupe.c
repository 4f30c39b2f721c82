#include <delight/dedupe.h>

#include "hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Notes are a ring in the order of their offsets that grows up to N + 1: N offsets have at most N notes, and there is
 * the new one. They are numbered as they come. An index leads from a hash to the number of its newest note.
 *
 *   index line:  │ tag × 7 │ number × 7 │ spilled │     64 bytes
 *
 * An id looks at one cache line, as a rule, and nothing is ever taken out: an entry is worth what its note is, and once
 * that is forgotten its place is free. Where all seven are of notes that are not, the eighth goes to the next line, and its
 * number is kept as `spilled`: as long as that note is not forgotten, a look-up goes on there.
 *
 * Before numbers run out they begin again: what is there gets lower ones, in place. */
enum {
    ENTRIES = 7,
    NOTES_PER_LINE = 3,
    NOTES_FIRST = 1024,
    NUMBERS_PER_NOTE = 1024, /* of the ring: going through the index so seldom costs nothing */
    AHEAD = 8                /* notes */
};
#define RECORDS_MAX INT64_C(100000000)

struct note {
    uint64_t low, high; /* hash of (op, id) */
    int64_t offset;
};

struct line {
    uint32_t tag[ENTRIES];
    uint32_t number[ENTRIES]; /* 0: none yet */
    uint32_t spilled;         /* 0: none yet */
    uint32_t unused;
};
static_assert(sizeof(struct line) == 64, "a cache line");

struct dl_dedupe {
    int64_t records;
    struct note *notes;
    struct line *lines;
    uint32_t capacity, place, used; /* of notes; place: of the oldest one */
    uint32_t oldest;                /* its number; from 1 on */
    uint32_t line_count;
    int64_t newest; /* offset, INT64_MIN: none */
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
    dedupe->oldest = 1; /* lines begin with zeros */
    dedupe->seed = dl_hash_seed(dedupe);
    return dedupe;
}

void dl_dedupe_destroy(struct dl_dedupe *dedupe)
{
    if (dedupe == NULL)
        return;
    free(dedupe->notes);
    free(dedupe->lines);
    free(dedupe);
}

/* The note that came so many after the oldest one. */
static struct note *note_at(const struct dl_dedupe *dedupe, uint32_t after)
{
    uint32_t to_end = dedupe->capacity - dedupe->place;
    return &dedupe->notes[after < to_end ? dedupe->place + after : after - to_end];
}

static bool is_there(const struct dl_dedupe *dedupe, uint32_t number)
{
    return number >= dedupe->oldest;
}

static uint32_t home_of(const struct dl_dedupe *dedupe, uint64_t low)
{
    return (uint32_t)((low >> 32) * dedupe->line_count >> 32);
}

/* Bits of the entries with this tag; of those whose notes are there. */
static unsigned tagged(const struct line *line, uint32_t tag)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < ENTRIES; i++)
        bits |= (unsigned)(line->tag[i] == tag) << i;
    return bits;
}

static unsigned taken(const struct dl_dedupe *dedupe, const struct line *line)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < ENTRIES; i++)
        bits |= (unsigned)is_there(dedupe, line->number[i]) << i;
    return bits;
}

static uint32_t next_line(const struct dl_dedupe *dedupe, uint32_t at)
{
    return at + 1 < dedupe->line_count ? at + 1 : 0;
}

/* The entry of the hash's newest note, and its line; NULL: there is none. */
static uint32_t *find(const struct dl_dedupe *dedupe, uint64_t low, uint64_t high, uint32_t *at)
{
    const uint32_t home = home_of(dedupe, low);
    *at = home;
    do {
        struct line *line = &dedupe->lines[*at];
        for (unsigned left = tagged(line, (uint32_t)low); left != 0; left &= left - 1) {
            uint32_t *number = &line->number[__builtin_ctz(left)];
            if (!is_there(dedupe, *number))
                continue;
            const struct note *note = note_at(dedupe, *number - dedupe->oldest);
            if (note->low == low && note->high == high)
                return number;
        }
        if (!is_there(dedupe, line->spilled))
            return NULL;
        *at = next_line(dedupe, *at);
    } while (*at != home); /* ids that come again and again keep a line spilled that has room by now: it may be all of them */
    return NULL;
}

/* An entry for a hash that has none. There are more than twice as many as notes. */
static void enter(struct dl_dedupe *dedupe, uint64_t low, uint32_t number)
{
    for (uint32_t at = home_of(dedupe, low);; at = next_line(dedupe, at)) {
        struct line *line = &dedupe->lines[at];
        unsigned room = ~taken(dedupe, line) & ((1U << ENTRIES) - 1);
        if (room != 0) {
            int entry = __builtin_ctz(room);
            line->tag[entry] = (uint32_t)low;
            line->number[entry] = number;
            return;
        }
        line->spilled = number;
    }
}

/* The note of this number is the hash's newest; true: there was one before. */
static bool put(struct dl_dedupe *dedupe, uint64_t low, uint64_t high, uint32_t number)
{
    uint32_t line;
    uint32_t *before = find(dedupe, low, high, &line);
    if (before == NULL) {
        enter(dedupe, low, number);
        return false;
    }
    *before = number;
    for (uint32_t at = home_of(dedupe, low); at != line; at = next_line(dedupe, at))
        dedupe->lines[at].spilled = number;
    return true;
}

/* Drops notes that lie more than N before offset. */
static void forget_old(struct dl_dedupe *dedupe, int64_t offset)
{
    if (dedupe->used > AHEAD) /* read soon, and written over: the ring is full then */
        __builtin_prefetch(note_at(dedupe, AHEAD), 1);
    while (dedupe->used > 0 && dedupe->notes[dedupe->place].offset < offset - dedupe->records) {
        dedupe->place = dedupe->place + 1 < dedupe->capacity ? dedupe->place + 1 : 0;
        dedupe->oldest++;
        dedupe->used--;
    }
}

static void number_anew(struct dl_dedupe *dedupe, uint32_t *number)
{
    *number = is_there(dedupe, *number) ? *number - dedupe->oldest + 1 : 0;
}

/* The oldest note becomes number 1. */
static void number_from_1(struct dl_dedupe *dedupe)
{
    for (uint32_t at = 0; at < dedupe->line_count; at++) {
        struct line *line = &dedupe->lines[at];
        for (unsigned i = 0; i < ENTRIES; i++)
            number_anew(dedupe, &line->number[i]);
        number_anew(dedupe, &line->spilled);
    }
    dedupe->oldest = 1;
}

/* The notes that there are, in a ring of this capacity, and numbered from 1 on. */
static enum dl_status grow(struct dl_dedupe *dedupe, uint64_t capacity)
{
    uint32_t line_count = (uint32_t)(capacity / NOTES_PER_LINE + 1);
    struct note *notes = malloc(capacity * sizeof *notes);
    struct line *lines = aligned_alloc(sizeof *lines, line_count * sizeof *lines);
    if (notes == NULL || lines == NULL) {
        free(notes);
        free(lines);
        return DL_MEMORY;
    }
    memset(lines, 0, line_count * sizeof *lines);
    for (uint32_t i = 0; i < dedupe->used; i++)
        notes[i] = *note_at(dedupe, i);
    free(dedupe->notes);
    free(dedupe->lines);
    dedupe->notes = notes;
    dedupe->lines = lines;
    dedupe->capacity = (uint32_t)capacity;
    dedupe->line_count = line_count;
    dedupe->place = 0;
    dedupe->oldest = 1;
    for (uint32_t i = 0; i < dedupe->used; i++)
        (void)put(dedupe, notes[i].low, notes[i].high, dedupe->oldest + i);
    return DL_OK;
}

/* Room for one more note, and a number for it. */
static enum dl_status reserve(struct dl_dedupe *dedupe)
{
    if (dedupe->used < dedupe->capacity) {
        uint64_t numbers = (uint64_t)dedupe->capacity * NUMBERS_PER_NOTE;
        if ((uint64_t)dedupe->oldest + dedupe->used >= (numbers < UINT32_MAX ? numbers : UINT32_MAX))
            number_from_1(dedupe);
        return DL_OK;
    }
    DL_ASSERT(dedupe->used <= dedupe->records);
    uint64_t capacity = dedupe->capacity == 0 ? NOTES_FIRST : (uint64_t)dedupe->capacity * 2;
    return grow(dedupe, capacity > (uint64_t)dedupe->records + 1 ? (uint64_t)dedupe->records + 1 : capacity);
}

struct dl_dedupe_mark dl_dedupe_mark(const struct dl_dedupe *dedupe, const struct dl_event *event)
{
    if (event->id.bytes == 0)
        return (struct dl_dedupe_mark){.none = true};
    /* An event and its retraction may have the same id and are two. */
    XXH128_hash_t hash = XXH3_128bits_withSeed(event->id.data, event->id.bytes, dedupe->seed + (event->sign < 0));
    if (dedupe->lines != NULL)
        __builtin_prefetch(&dedupe->lines[home_of(dedupe, hash.low64)], 1);
    return (struct dl_dedupe_mark){.low = hash.low64, .high = hash.high64};
}

enum dl_status dl_dedupe_check(struct dl_dedupe *dedupe, int64_t offset, const struct dl_dedupe_mark *mark, bool *duplicate)
{
    *duplicate = false;
    if (mark->none)
        return DL_OK;
    DL_ASSERT(offset >= 0 && offset > dedupe->newest);
    forget_old(dedupe, offset);
    enum dl_status status = reserve(dedupe);
    if (status != DL_OK)
        return status;
    *duplicate = put(dedupe, mark->low, mark->high, dedupe->oldest + dedupe->used);
    *note_at(dedupe, dedupe->used) = (struct note){.low = mark->low, .high = mark->high, .offset = offset};
    dedupe->used++;
    dedupe->newest = offset;
    return DL_OK;
}
