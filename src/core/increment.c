#include "increment.h"

#include <assert.h>

static_assert(4 + DL_KANO_ANSWERS_MAX <= DL_INCREMENTS_MAX, "a survey fits");

struct list {
    struct dl_increment *at;
    size_t count;
};

static void add(struct list *list, int group, int place, int64_t value)
{
    list->at[list->count++] = (struct dl_increment){.group = (uint16_t)group, .place = (uint16_t)place, .value = value};
}

/* By the counter's name; its group is known where it is written. */
#define ADD(list, group, counter, value) \
    add(list, DL_GROUP_##group, DL_COUNT_##counter - DL_COUNT_FIRST_##group, value)
enum {
    DL_COUNT_FIRST_CONTACTS = DL_COUNT_CONTACTS,
    DL_COUNT_FIRST_COMPLAINTS = DL_COUNT_OPENED
};

static void add_bucket(struct list *list, int histogram, int64_t value_ms)
{
    uint16_t bucket = dl_histogram_bucket(value_ms);
    add(list, histogram + bucket / DL_HISTOGRAM_BLOCK, bucket % DL_HISTOGRAM_BLOCK, 1);
}

static void add_answer(struct list *list, int group, int answer, int lowest, int highest)
{
    if (answer == DL_ABSENT)
        return;
    DL_ASSERT(answer >= lowest && answer <= highest);
    add(list, group, answer - lowest, 1);
}

static void add_survey(struct list *list, const struct dl_event *event)
{
    add_answer(list, DL_GROUP_NPS, event->nps, 0, 10);
    add_answer(list, DL_GROUP_CSAT, event->csat, 1, 10);
    add_answer(list, DL_GROUP_CES, event->ces, 1, 7);
    add_answer(list, DL_GROUP_EXPECTATION, event->expectation, 1, 5);
    DL_ASSERT(event->kano_count <= DL_KANO_ANSWERS_MAX);
    for (int i = 0; i < event->kano_count; i++) {
        DL_ASSERT(event->kano[i].category < DL_KANO_CATEGORIES);
        add(list, DL_GROUP_KANO, event->kano[i].category, 1);
    }
}

static void add_outcome(struct list *list, const struct dl_event *event, int64_t threshold_ms, int64_t short_ms)
{
    if (event->outcome == DL_OUTCOME_ANSWERED) {
        ADD(list, CONTACTS, ANSWERED, 1);
        if (event->wait_ms == DL_ABSENT)
            return;
        ADD(list, CONTACTS, SL_ANSWERED, 1);
        ADD(list, CONTACTS, ASA_MS, event->wait_ms);
        if (event->wait_ms <= threshold_ms)
            ADD(list, CONTACTS, SL_ANSWERED_WITHIN, 1);
    } else if (event->outcome == DL_OUTCOME_ABANDONED) {
        ADD(list, CONTACTS, ABANDONED, 1);
        if (event->wait_ms == DL_ABSENT)
            return;
        ADD(list, CONTACTS, SL_ABANDONED, 1);
        if (event->wait_ms <= threshold_ms)
            ADD(list, CONTACTS, SL_ABANDONED_WITHIN, 1);
        if (event->wait_ms <= short_ms)
            ADD(list, CONTACTS, SL_ABANDONED_SHORT, 1);
    }
}

static void add_contact(struct list *list, const struct dl_event *event, int64_t threshold_ms, int64_t short_ms)
{
    ADD(list, CONTACTS, CONTACTS, 1);
    add_outcome(list, event, threshold_ms, short_ms);
    if (event->first_contact != DL_ABSENT) {
        ADD(list, CONTACTS, FCR_N, 1);
        ADD(list, CONTACTS, FCR_YES, event->first_contact);
        if (event->resolvable != 0) {
            ADD(list, CONTACTS, FCR_NET_N, 1);
            ADD(list, CONTACTS, FCR_NET_YES, event->first_contact);
        }
    }
    if (event->handle_ms != DL_ABSENT) {
        ADD(list, CONTACTS, HANDLE_N, 1);
        ADD(list, CONTACTS, HANDLE_MS, event->handle_ms);
    }
    if (event->wait_ms != DL_ABSENT) {
        ADD(list, CONTACTS, WAIT_N, 1);
        add_bucket(list, DL_GROUP_WAIT, event->wait_ms);
    }
    if (event->handle_ms != DL_ABSENT)
        add_bucket(list, DL_GROUP_HANDLE, event->handle_ms);
}

static void add_complaint(struct list *list, const struct dl_event *event)
{
    DL_ASSERT(event->closed == 0 || event->closed == 1);
    if (event->closed == 0) {
        ADD(list, COMPLAINTS, OPENED, 1);
        return;
    }
    ADD(list, COMPLAINTS, CLOSED, 1);
    if (event->satisfied != DL_ABSENT) {
        ADD(list, COMPLAINTS, RECOVERY_N, 1);
        ADD(list, COMPLAINTS, RECOVERY_YES, event->satisfied);
    }
    if (event->duration_ms != DL_ABSENT) {
        ADD(list, COMPLAINTS, RECOVERY_DURATION_N, 1);
        ADD(list, COMPLAINTS, RECOVERY_DURATION_MS, event->duration_ms);
    }
}

size_t dl_increments(const struct dl_event *event, int64_t service_level_threshold_ms, int64_t short_abandon_ms,
                     struct dl_increment *out)
{
    struct list list = {.at = out};
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
