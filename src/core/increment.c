/* Bits instead of branches: which fields an event has no processor can guess. */
#include "increment.h"

#include <assert.h>

static_assert(DL_COUNT_SCALARS <= 64, "a bit for each scalar");

static uint64_t bit(int counter, bool wanted)
{
    return (uint64_t)wanted << counter;
}

static uint64_t answer_bit(int first, int answer, int lowest, int highest)
{
    DL_ASSERT(answer == DL_ABSENT || (answer >= lowest && answer <= highest));
    return (uint64_t)(answer != DL_ABSENT) << ((first + answer - lowest) & 63);
}

static void add_survey(struct dl_increments *out, const struct dl_event *event)
{
    out->once |= answer_bit(DL_COUNT_NPS, event->nps, 0, 10) | answer_bit(DL_COUNT_CSAT, event->csat, 1, 10) |
        answer_bit(DL_COUNT_CES, event->ces, 1, 7) | answer_bit(DL_COUNT_EXPECTATION, event->expectation, 1, 5);
}

static void add_sum(struct dl_increments *out, int counter, int64_t value, bool wanted)
{
    out->summed |= bit(counter, wanted);
    out->sum[dl_sum_of((unsigned)counter)] = wanted ? value : 0;
}

static void add_bucket(struct dl_increments *out, int first, int64_t value_ms)
{
    if (value_ms != DL_ABSENT)
        out->bucket[out->buckets++] = (uint16_t)(first + dl_histogram_bucket(value_ms));
}

static void add_contact(struct dl_increments *out, const struct dl_event *event, int64_t threshold_ms, int64_t short_ms)
{
    bool waited = event->wait_ms != DL_ABSENT, handled = event->handle_ms != DL_ABSENT;
    bool answered = event->outcome == DL_OUTCOME_ANSWERED, abandoned = event->outcome == DL_OUTCOME_ABANDONED;
    bool within = waited & (event->wait_ms <= threshold_ms), is_short = waited & (event->wait_ms <= short_ms);
    bool fcr = event->first_contact != DL_ABSENT, yes = event->first_contact == 1, net = fcr & (event->resolvable != 0);
    out->once |= bit(DL_COUNT_CONTACTS, true) | bit(DL_COUNT_ANSWERED, answered) | bit(DL_COUNT_ABANDONED, abandoned) |
        bit(DL_COUNT_SL_ANSWERED, answered & waited) | bit(DL_COUNT_SL_ANSWERED_WITHIN, answered & within) |
        bit(DL_COUNT_SL_ABANDONED, abandoned & waited) | bit(DL_COUNT_SL_ABANDONED_WITHIN, abandoned & within) |
        bit(DL_COUNT_SL_ABANDONED_SHORT, abandoned & is_short) | bit(DL_COUNT_FCR_N, fcr) | bit(DL_COUNT_FCR_YES, yes) |
        bit(DL_COUNT_FCR_NET_N, net) | bit(DL_COUNT_FCR_NET_YES, net & yes) | bit(DL_COUNT_HANDLE_N, handled) |
        bit(DL_COUNT_WAIT_N, waited);
    add_sum(out, DL_COUNT_ASA_MS, event->wait_ms, answered & waited);
    add_sum(out, DL_COUNT_HANDLE_MS, event->handle_ms, handled);
    add_bucket(out, DL_COUNT_WAIT, event->wait_ms);
    add_bucket(out, DL_COUNT_HANDLE, event->handle_ms);
}

static void add_complaint(struct dl_increments *out, const struct dl_event *event)
{
    DL_ASSERT(event->closed == 0 || event->closed == 1);
    bool closed = event->closed == 1, told = closed & (event->satisfied != DL_ABSENT);
    bool lasted = closed & (event->duration_ms != DL_ABSENT);
    out->once |= bit(DL_COUNT_OPENED, !closed) | bit(DL_COUNT_CLOSED, closed) | bit(DL_COUNT_RECOVERY_N, told) |
        bit(DL_COUNT_RECOVERY_YES, told & (event->satisfied == 1)) | bit(DL_COUNT_RECOVERY_DURATION_N, lasted);
    add_sum(out, DL_COUNT_RECOVERY_DURATION_MS, event->duration_ms, lasted);
}

void dl_increments(const struct dl_event *event, int64_t service_level_threshold_ms, int64_t short_abandon_ms,
                   struct dl_increments *out)
{
    *out = (struct dl_increments){.once = bit(DL_COUNT_EVENTS, true)};
    DL_ASSERT(event->type < DL_EVENT_TYPES);
    switch (event->type) {
    case DL_EVENT_SURVEY:
        add_survey(out, event);
        break;
    case DL_EVENT_CONTACT:
        add_contact(out, event, service_level_threshold_ms, short_abandon_ms);
        break;
    case DL_EVENT_COMPLAINT:
        add_complaint(out, event);
        break;
    case DL_EVENT_TYPES:
    default:
        break;
    }
}
