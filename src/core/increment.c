#include "increment.h"

#include <assert.h>

static_assert(5 + DL_KANO_ANSWERS_MAX <= DL_INCREMENTS_MAX, "a survey fits");

struct list {
    struct dl_increment *at;
    size_t count;
};

static void add(struct list *list, int counter, int64_t value)
{
    list->at[list->count++] = (struct dl_increment){.counter = (uint16_t)counter, .value = value};
}

static void add_answer(struct list *list, int first, int answer, int lowest, int highest)
{
    if (answer == DL_ABSENT)
        return;
    DL_ASSERT(answer >= lowest && answer <= highest);
    add(list, first + answer - lowest, 1);
}

static void add_survey(struct list *list, const struct dl_event *event)
{
    add_answer(list, DL_COUNT_NPS, event->nps, 0, 10);
    add_answer(list, DL_COUNT_CSAT, event->csat, 1, 10);
    add_answer(list, DL_COUNT_CES, event->ces, 1, 7);
    add_answer(list, DL_COUNT_EXPECTATION, event->expectation, 1, 5);
    DL_ASSERT(event->kano_count <= DL_KANO_ANSWERS_MAX);
    for (int i = 0; i < event->kano_count; i++) {
        DL_ASSERT(event->kano[i].category < DL_KANO_CATEGORIES);
        add(list, DL_COUNT_KANO + event->kano[i].category, 1);
    }
}

static void add_outcome(struct list *list, const struct dl_event *event, int64_t threshold_ms, int64_t short_ms)
{
    if (event->outcome == DL_OUTCOME_ANSWERED) {
        add(list, DL_COUNT_ANSWERED, 1);
        if (event->wait_ms == DL_ABSENT)
            return;
        add(list, DL_COUNT_SL_ANSWERED, 1);
        add(list, DL_COUNT_ASA_MS, event->wait_ms);
        if (event->wait_ms <= threshold_ms)
            add(list, DL_COUNT_SL_ANSWERED_WITHIN, 1);
    } else if (event->outcome == DL_OUTCOME_ABANDONED) {
        add(list, DL_COUNT_ABANDONED, 1);
        if (event->wait_ms == DL_ABSENT)
            return;
        add(list, DL_COUNT_SL_ABANDONED, 1);
        if (event->wait_ms <= threshold_ms)
            add(list, DL_COUNT_SL_ABANDONED_WITHIN, 1);
        if (event->wait_ms <= short_ms)
            add(list, DL_COUNT_SL_ABANDONED_SHORT, 1);
    }
}

static void add_contact(struct list *list, const struct dl_event *event, int64_t threshold_ms, int64_t short_ms)
{
    add(list, DL_COUNT_CONTACTS, 1);
    add_outcome(list, event, threshold_ms, short_ms);
    if (event->first_contact != DL_ABSENT) {
        add(list, DL_COUNT_FCR_N, 1);
        add(list, DL_COUNT_FCR_YES, event->first_contact);
        if (event->resolvable != 0) {
            add(list, DL_COUNT_FCR_NET_N, 1);
            add(list, DL_COUNT_FCR_NET_YES, event->first_contact);
        }
    }
    if (event->handle_ms != DL_ABSENT) {
        add(list, DL_COUNT_HANDLE_N, 1);
        add(list, DL_COUNT_HANDLE_MS, event->handle_ms);
    }
    if (event->wait_ms != DL_ABSENT) {
        add(list, DL_COUNT_WAIT_N, 1);
        add(list, DL_COUNT_WAIT + dl_histogram_bucket(event->wait_ms), 1);
    }
    if (event->handle_ms != DL_ABSENT)
        add(list, DL_COUNT_HANDLE + dl_histogram_bucket(event->handle_ms), 1);
}

static void add_complaint(struct list *list, const struct dl_event *event)
{
    DL_ASSERT(event->closed == 0 || event->closed == 1);
    if (event->closed == 0) {
        add(list, DL_COUNT_OPENED, 1);
        return;
    }
    add(list, DL_COUNT_CLOSED, 1);
    if (event->satisfied != DL_ABSENT) {
        add(list, DL_COUNT_RECOVERY_N, 1);
        add(list, DL_COUNT_RECOVERY_YES, event->satisfied);
    }
    if (event->duration_ms != DL_ABSENT) {
        add(list, DL_COUNT_RECOVERY_DURATION_N, 1);
        add(list, DL_COUNT_RECOVERY_DURATION_MS, event->duration_ms);
    }
}

size_t dl_increments(const struct dl_event *event, int64_t service_level_threshold_ms, int64_t short_abandon_ms,
                     struct dl_increment *out)
{
    struct list list = {.at = out};
    add(&list, DL_COUNT_EVENTS, 1);
    DL_ASSERT(event->type < DL_EVENT_TYPES);
    switch (event->type) {
    case DL_EVENT_SURVEY:
        add_survey(&list, event);
        break;
    case DL_EVENT_CONTACT:
        add_contact(&list, event, service_level_threshold_ms, short_abandon_ms);
        break;
    case DL_EVENT_COMPLAINT:
        add_complaint(&list, event);
        break;
    case DL_EVENT_TYPES:
    default:
        break;
    }
    return list.count;
}
