/* What a cell counts in one step: three cache lines, of which an event touches one or two.
 *
 *   line 0   whose, when, how much │ events, complaints, Kano answers, the first of the other answers
 *   line 1   the other answers of surveys
 *   line 2   contacts │ their last waits and handling times, as they came
 *              └─► a line of more of them, which four at a time go to ─► a histogram, when that is full
 *
 * Internal to the batch. */
#pragma once

#include <delight/batch.h>
#include <delight/counter.h>

#include <stdalign.h>

enum {
    DL_SLOT_LINE = 64,
    DL_SLOT_CONTACT_COUNTS = DL_COUNT_OPENED - DL_COUNT_CONTACTS - 2, /* two are sums */
    DL_SLOT_COMPLAINT_COUNTS = DL_COUNT_RECOVERY_DURATION_MS - DL_COUNT_OPENED,
    DL_SLOT_TIMES = 6,
    DL_SLOT_TIMES_GOING = 4, /* at a time */
    DL_SLOT_MORE_TIMES = 27,
    /* What a slot takes at most, so that 16 bits hold its counts. A step with more of it has more than one. */
    DL_SLOT_LOAD_MAX = INT16_MAX
};

/* Bits: which parts of a slot there is anything in. */
enum dl_slot_kind { DL_SLOT_SURVEYS = 1, DL_SLOT_KANO = 2, DL_SLOT_CONTACTS = 4, DL_SLOT_COMPLAINTS = 8 };

struct dl_cell_entry;

/* By counter, from DL_COUNT_WAIT on. `blocks`: in which eight of them there may be one that is not 0, bits. */
struct dl_slot_histogram {
    uint64_t blocks;
    int16_t count[DL_COUNTERS - DL_COUNT_SCALARS];
};

struct dl_slot_more {
    struct dl_slot_histogram *histogram; /* NULL: none yet. When there is one, all of them are in it, */
    uint16_t times;                      /* and these are in no use any more */
    uint16_t time[DL_SLOT_MORE_TIMES];
};

struct dl_slot {
    struct dl_cell_entry *cell;
    struct dl_slot *next; /* of the cell */
    int64_t second;       /* the earliest that was counted in it; while nothing is, any of its step */
    int64_t recovery_ms;
    uint16_t counted;     /* events, adds plus retractions; 0 only where an event found no room */
    uint16_t load;        /* no count of it is larger: an event adds the most that it may add to one */
    uint8_t times;        /* how many there are */
    uint8_t kinds;        /* what there is: enum dl_slot_kind */
    int16_t events;
    int16_t complaint[DL_SLOT_COMPLAINT_COUNTS];
    int16_t kano[DL_KANO_CATEGORIES];
    int16_t answer[DL_COUNT_KANO - DL_COUNT_NPS];

    alignas(DL_SLOT_LINE) struct dl_slot_more *more; /* NULL: no more times than there are here */
    int64_t wait_ms, handle_ms;
    int16_t contact[DL_SLOT_CONTACT_COUNTS];
    uint16_t time[DL_SLOT_TIMES]; /* waits and handling times: bucket, and sign */
};

/* The counters that are not 0, ascending. */
struct dl_slot_counters {
    uint16_t counter[DL_COUNTERS];
    int64_t value[DL_COUNTERS];
    size_t count;
};

/* The most that the event adds to one counter. To its Kano counters it adds as often as it has answers, to any other once. */
static inline int dl_slot_load(const struct dl_event *event)
{
    return event->type == DL_EVENT_SURVEY && event->kano_count > 1 ? event->kano_count : 1;
}

/* No room for two, which is what a contact may have: the first of them have to go. */
static inline bool dl_slot_times_full(const struct dl_slot *slot)
{
    return slot->times > DL_SLOT_TIMES - 2;
}

/* What the slot has to be given before the event is counted. A contact without times may ask for it as well. */
enum dl_slot_want { DL_SLOT_WANTS_NOTHING, DL_SLOT_WANTS_MORE, DL_SLOT_WANTS_HISTOGRAM };
static inline enum dl_slot_want dl_slot_wants(const struct dl_slot *slot, const struct dl_event *event)
{
    if (event->type != DL_EVENT_CONTACT || !dl_slot_times_full(slot))
        return DL_SLOT_WANTS_NOTHING;
    if (slot->more == NULL)
        return DL_SLOT_WANTS_MORE;
    bool full = slot->more->times > DL_SLOT_MORE_TIMES - DL_SLOT_TIMES_GOING;
    return slot->more->histogram == NULL && full ? DL_SLOT_WANTS_HISTOGRAM : DL_SLOT_WANTS_NOTHING;
}

/* Zeroed memory, which stays the giver's. */
void dl_slot_give_more(struct dl_slot *slot, struct dl_slot_more *more);
void dl_slot_give_histogram(struct dl_slot *slot, struct dl_slot_histogram *histogram);

/* Counts an event, which is valid (asserted), in the place cell's slot, its Kano answers included; for each of them the
 * other counts in the feature's. The slot wants nothing, and has room for the load. */
void dl_slot_count(struct dl_slot *slot, const struct dl_event *event, int64_t second,
                   const struct dl_batch_options *options);
void dl_slot_count_answer(struct dl_slot *slot, const struct dl_kano_answer *answer, int64_t second, int sign);

void dl_slot_read(const struct dl_slot *slot, struct dl_slot_counters *out);
