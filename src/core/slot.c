/* Sums instead of branches: which fields an event has no processor can guess. */
#include "slot.h"

#include <delight/status.h>

#include <assert.h>
#include <stddef.h>
#include <string.h>

static_assert(offsetof(struct dl_slot, answer) < DL_SLOT_LINE && offsetof(struct dl_slot, more) == 2 * DL_SLOT_LINE
                  && sizeof(struct dl_slot) == 3 * DL_SLOT_LINE && sizeof(struct dl_slot_more) <= DL_SLOT_LINE,
              "an event touches two of its lines, and times go to one");
static_assert(DL_SLOT_TIMES_GOING >= 2 && DL_SLOT_TIMES_GOING <= DL_SLOT_TIMES - 1, "then there is room for two");
static_assert(DL_COUNTERS - DL_COUNT_SCALARS <= INT16_MAX, "a bucket leaves room for the sign");
static_assert((DL_COUNTERS - DL_COUNT_SCALARS) / DL_HISTOGRAM_BLOCK <= 64, "a bit for each block");

enum { TIME_RETRACTED = 1 << 15 };

/* Where the counters of contacts are: the sums are apart. */
enum contact {
    CONTACTS, ANSWERED, ABANDONED, SL_ANSWERED, SL_ABANDONED, SL_ANSWERED_WITHIN, SL_ABANDONED_WITHIN, SL_ABANDONED_SHORT,
    WAIT_N, HANDLE_N, FCR_N, FCR_YES, FCR_NET_N, FCR_NET_YES
};
enum complaint { OPENED, CLOSED, RECOVERY_N, RECOVERY_YES, RECOVERY_DURATION_N };
static_assert(FCR_NET_YES + 1 == DL_SLOT_CONTACT_COUNTS && RECOVERY_DURATION_N + 1 == DL_SLOT_COMPLAINT_COUNTS,
              "all of them");
static_assert(DL_COUNT_CONTACTS + SL_ABANDONED_SHORT == DL_COUNT_SL_ABANDONED_SHORT && DL_COUNT_FCR_N + (FCR_NET_YES - FCR_N)
                  == DL_COUNT_FCR_NET_YES && DL_COUNT_OPENED + RECOVERY_DURATION_N == DL_COUNT_RECOVERY_DURATION_N,
              "in the order of the counters");

/* Within DL_SLOT_LOAD_MAX. */
static void add(int16_t *count, int sign, bool wanted)
{
    *count = (int16_t)(*count + sign * (int)wanted);
}

/* Without an answer nothing is added, to any of them. */
static void count_answer(struct dl_slot *slot, int first, int answer, int lowest, int highest, int sign)
{
    DL_ASSERT(answer == DL_ABSENT || (answer >= lowest && answer <= highest));
    bool told = answer != DL_ABSENT;
    add(&slot->answer[told ? first - DL_COUNT_NPS + answer - lowest : 0], sign, told);
}

static void note_kind(struct dl_slot *slot, enum dl_slot_kind kind)
{
    slot->kinds = (uint8_t)(slot->kinds | (unsigned)kind);
}

static void count_kano(struct dl_slot *slot, const struct dl_kano_answer *answer, int sign)
{
    DL_ASSERT(answer->category < DL_KANO_CATEGORIES);
    add(&slot->kano[answer->category], sign, true);
    note_kind(slot, DL_SLOT_KANO);
}

static void count_survey(struct dl_slot *slot, const struct dl_event *event)
{
    note_kind(slot, DL_SLOT_SURVEYS);
    count_answer(slot, DL_COUNT_NPS, event->nps, 0, 10, event->sign);
    count_answer(slot, DL_COUNT_CSAT, event->csat, 1, 10, event->sign);
    count_answer(slot, DL_COUNT_CES, event->ces, 1, 7, event->sign);
    count_answer(slot, DL_COUNT_EXPECTATION, event->expectation, 1, 5, event->sign);
    for (int i = 0; i < event->kano_count; i++)
        count_kano(slot, &event->kano[i], event->sign);
}

static void to_histogram(struct dl_slot_histogram *histogram, const uint16_t *time, int times)
{
    for (int i = 0; i < times; i++) {
        unsigned bucket = time[i] & ~(unsigned)TIME_RETRACTED;
        histogram->blocks |= UINT64_C(1) << bucket / DL_HISTOGRAM_BLOCK;
        add(&histogram->count[bucket], time[i] & TIME_RETRACTED ? -1 : 1, true);
    }
}

void dl_slot_give_more(struct dl_slot *slot, struct dl_slot_more *more)
{
    slot->more = more;
}

void dl_slot_give_histogram(struct dl_slot *slot, struct dl_slot_histogram *histogram)
{
    to_histogram(histogram, slot->more->time, slot->more->times);
    slot->more->histogram = histogram;
}

/* The first four go: there are five or six. */
static void send_times(struct dl_slot *slot)
{
    struct dl_slot_more *more = slot->more;
    if (more->histogram != NULL) {
        to_histogram(more->histogram, slot->time, DL_SLOT_TIMES_GOING);
    } else {
        memcpy(more->time + more->times, slot->time, DL_SLOT_TIMES_GOING * sizeof slot->time[0]);
        more->times += DL_SLOT_TIMES_GOING;
    }
    memcpy(slot->time, slot->time + DL_SLOT_TIMES_GOING, (DL_SLOT_TIMES - DL_SLOT_TIMES_GOING) * sizeof slot->time[0]);
    slot->times = (uint8_t)(slot->times - DL_SLOT_TIMES_GOING);
}

/* There is room for two. */
static void note_time(struct dl_slot *slot, int first, int64_t value_ms, int sign)
{
    bool told = value_ms != DL_ABSENT;
    int bucket = first - DL_COUNT_SCALARS + dl_histogram_bucket(told ? value_ms : 0);
    slot->time[slot->times] = (uint16_t)(bucket | (sign < 0 ? TIME_RETRACTED : 0));
    slot->times = (uint8_t)(slot->times + told);
}

static void count_contact(struct dl_slot *slot, const struct dl_event *event, const struct dl_batch_options *options)
{
    bool waited = event->wait_ms != DL_ABSENT, handled = event->handle_ms != DL_ABSENT;
    bool answered = event->outcome == DL_OUTCOME_ANSWERED, abandoned = event->outcome == DL_OUTCOME_ABANDONED;
    bool within = waited & (event->wait_ms <= options->service_level_threshold_ms);
    bool is_short = waited & (event->wait_ms <= options->short_abandon_ms);
    bool fcr = event->first_contact != DL_ABSENT, yes = event->first_contact == 1, net = fcr & (event->resolvable != 0);
    const bool wanted[DL_SLOT_CONTACT_COUNTS] = {
        [CONTACTS] = true, [ANSWERED] = answered, [ABANDONED] = abandoned, [SL_ANSWERED] = answered & waited,
        [SL_ABANDONED] = abandoned & waited, [SL_ANSWERED_WITHIN] = answered & within,
        [SL_ABANDONED_WITHIN] = abandoned & within, [SL_ABANDONED_SHORT] = abandoned & is_short, [WAIT_N] = waited,
        [HANDLE_N] = handled, [FCR_N] = fcr, [FCR_YES] = yes, [FCR_NET_N] = net, [FCR_NET_YES] = net & yes};
    for (int i = 0; i < DL_SLOT_CONTACT_COUNTS; i++)
        add(&slot->contact[i], event->sign, wanted[i]);
    note_kind(slot, DL_SLOT_CONTACTS);
    slot->wait_ms += (answered & waited) ? event->sign * event->wait_ms : 0;
    slot->handle_ms += handled ? event->sign * event->handle_ms : 0;
    if (dl_slot_times_full(slot))
        send_times(slot);
    note_time(slot, DL_COUNT_WAIT, event->wait_ms, event->sign);
    note_time(slot, DL_COUNT_HANDLE, event->handle_ms, event->sign);
}

static void count_complaint(struct dl_slot *slot, const struct dl_event *event)
{
    DL_ASSERT(event->closed == 0 || event->closed == 1);
    bool closed = event->closed == 1, told = closed & (event->satisfied != DL_ABSENT);
    bool lasted = closed & (event->duration_ms != DL_ABSENT);
    note_kind(slot, DL_SLOT_COMPLAINTS);
    add(&slot->complaint[OPENED], event->sign, !closed);
    add(&slot->complaint[CLOSED], event->sign, closed);
    add(&slot->complaint[RECOVERY_N], event->sign, told);
    add(&slot->complaint[RECOVERY_YES], event->sign, told & (event->satisfied == 1));
    add(&slot->complaint[RECOVERY_DURATION_N], event->sign, lasted);
    slot->recovery_ms += lasted ? event->sign * event->duration_ms : 0;
}

static void count_one(struct dl_slot *slot, int64_t second, int load, int sign)
{
    DL_ASSERT(sign == 1 || sign == -1);
    if (slot->counted == 0 || second < slot->second)
        slot->second = second;
    slot->counted++;
    slot->load = (uint16_t)(slot->load + load);
    add(&slot->events, sign, true);
}

void dl_slot_count(struct dl_slot *slot, const struct dl_event *event, int64_t second,
                   const struct dl_batch_options *options)
{
    DL_ASSERT(event->type < DL_EVENT_TYPES);
    count_one(slot, second, dl_slot_load(event), event->sign);
    switch (event->type) {
    case DL_EVENT_SURVEY:
        count_survey(slot, event);
        break;
    case DL_EVENT_CONTACT:
        count_contact(slot, event, options);
        break;
    case DL_EVENT_COMPLAINT:
        count_complaint(slot, event);
        break;
    case DL_EVENT_TYPES:
    default:
        break;
    }
}

void dl_slot_count_answer(struct dl_slot *slot, const struct dl_kano_answer *answer, int64_t second, int sign)
{
    count_one(slot, second, 1, sign);
    count_kano(slot, answer, sign);
}

static void put(struct dl_slot_counters *out, int counter, int64_t value)
{
    out->counter[out->count] = (uint16_t)counter;
    out->value[out->count] = value;
    out->count += value != 0;
}

/* Most are 0: first which are not, without a branch for each. */
static void put_counts(struct dl_slot_counters *out, int first, const int16_t *count, int counts)
{
    uint64_t some = 0;
    for (int i = 0; i < counts; i++)
        some |= (uint64_t)(count[i] != 0) << i;
    for (; some != 0; some &= some - 1) {
        int at = __builtin_ctzll(some);
        put(out, first + at, count[at]);
    }
}

static void put_times(struct dl_slot_counters *out, const struct dl_slot *slot)
{
    struct dl_slot_histogram all = {.blocks = 0};
    if (slot->more != NULL && slot->more->histogram != NULL)
        all = *slot->more->histogram;
    else if (slot->more != NULL)
        to_histogram(&all, slot->more->time, slot->more->times);
    to_histogram(&all, slot->time, slot->times);
    for (uint64_t left = all.blocks; left != 0; left &= left - 1) {
        int at = __builtin_ctzll(left) * DL_HISTOGRAM_BLOCK;
        put_counts(out, DL_COUNT_SCALARS + at, all.count + at, DL_HISTOGRAM_BLOCK);
    }
}

static void put_contacts(struct dl_slot_counters *out, const struct dl_slot *slot)
{
    put_counts(out, DL_COUNT_CONTACTS, slot->contact, DL_COUNT_ASA_MS - DL_COUNT_CONTACTS);
    put(out, DL_COUNT_ASA_MS, slot->wait_ms);
    put(out, DL_COUNT_WAIT_N, slot->contact[WAIT_N]);
    put(out, DL_COUNT_HANDLE_N, slot->contact[HANDLE_N]);
    put(out, DL_COUNT_HANDLE_MS, slot->handle_ms);
    put_counts(out, DL_COUNT_FCR_N, slot->contact + FCR_N, DL_COUNT_OPENED - DL_COUNT_FCR_N);
}

static void put_complaints(struct dl_slot_counters *out, const struct dl_slot *slot)
{
    put_counts(out, DL_COUNT_OPENED, slot->complaint, DL_SLOT_COMPLAINT_COUNTS);
    put(out, DL_COUNT_RECOVERY_DURATION_MS, slot->recovery_ms);
}

void dl_slot_read(const struct dl_slot *slot, struct dl_slot_counters *out)
{
    out->count = 0;
    put(out, DL_COUNT_EVENTS, slot->events);
    if (slot->kinds & DL_SLOT_SURVEYS)
        put_counts(out, DL_COUNT_NPS, slot->answer, DL_COUNT_KANO - DL_COUNT_NPS);
    if (slot->kinds & DL_SLOT_KANO)
        put_counts(out, DL_COUNT_KANO, slot->kano, DL_KANO_CATEGORIES);
    if (slot->kinds & DL_SLOT_CONTACTS)
        put_contacts(out, slot);
    if (slot->kinds & DL_SLOT_COMPLAINTS)
        put_complaints(out, slot);
    if (slot->kinds & DL_SLOT_CONTACTS)
        put_times(out, slot);
}
