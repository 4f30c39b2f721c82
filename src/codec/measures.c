#include "measures.h"

#include "detail.h"

#include <delight/counter.h>

static enum dl_reject read_kano_item(const struct dl_fields *fields, const char *name, int *answer)
{
    int64_t value = DL_ABSENT;
    enum dl_reject reason = dl_read_integer(fields, name, 1, 5, &value);
    if (reason == DL_ACCEPTED && value == DL_ABSENT)
        return dl_refuse_field(fields, name, DL_REJECT_MISSING_FIELD, "required, 1..5");
    *answer = (int)value;
    return reason;
}

static enum dl_reject read_kano_answer(const struct dl_fields *survey, const json_t *object, int index,
                                       struct dl_kano_answer *answer)
{
    if (!json_is_object(object))
        return dl_refuse(survey->detail, DL_REJECT_WRONG_TYPE, "kano[%d]: expected an object", index);
    struct dl_fields fields = *survey;
    fields.object = object;
    fields.kano = index;
    int functional = 0, dysfunctional = 0;
    enum dl_reject reason = dl_read_required_name(&fields, "feature", &answer->feature);
    if (reason == DL_ACCEPTED)
        reason = read_kano_item(&fields, "functional", &functional);
    if (reason == DL_ACCEPTED)
        reason = read_kano_item(&fields, "dysfunctional", &dysfunctional);
    if (reason == DL_ACCEPTED)
        answer->category = (uint8_t)dl_kano_category(functional, dysfunctional);
    return reason;
}

static enum dl_reject read_kano(const struct dl_fields *fields, struct dl_event *event)
{
    const json_t *value = dl_field(fields, "kano");
    if (value == NULL)
        return DL_ACCEPTED;
    if (!json_is_object(value) && !json_is_array(value))
        return dl_refuse_field(fields, "kano", DL_REJECT_WRONG_TYPE, "expected an object or an array of objects");
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    if (count < 1 || count > DL_KANO_ANSWERS_MAX)
        return dl_refuse_field(fields, "kano", DL_REJECT_OUT_OF_RANGE, "%zu answers, expected 1..%d", count,
                               DL_KANO_ANSWERS_MAX);
    for (size_t i = 0; i < count; i++) {
        const json_t *object = json_is_array(value) ? json_array_get(value, i) : value;
        enum dl_reject reason = read_kano_answer(fields, object, (int)i, &event->kano[i]);
        if (reason != DL_ACCEPTED)
            return reason;
    }
    event->kano_count = (uint8_t)count;
    return DL_ACCEPTED;
}

enum dl_reject dl_read_survey(const struct dl_fields *fields, int csat_max, struct dl_event *event)
{
    /* An item, its scale, and where the answer goes. */
    const struct {
        const char *name;
        int min, max;
        int8_t *answer;
    } ratings[] = {
        {"nps", 0, 10, &event->nps},
        {"csat", 1, csat_max, &event->csat},
        {"ces", 1, 7, &event->ces},
        {"expectation", 1, 5, &event->expectation},
    };
    for (size_t i = 0; i < sizeof ratings / sizeof ratings[0]; i++) {
        int64_t answer = DL_ABSENT;
        enum dl_reject reason = dl_read_integer(fields, ratings[i].name, ratings[i].min, ratings[i].max, &answer);
        if (reason != DL_ACCEPTED)
            return reason;
        *ratings[i].answer = (int8_t)answer;
    }
    return read_kano(fields, event);
}

enum dl_reject dl_read_contact(const struct dl_fields *fields, struct dl_event *event)
{
    static const char *const outcomes[2] = {"answered", "abandoned"};

    int outcome = DL_ABSENT;
    enum dl_reject reason = dl_read_word(fields, "outcome", outcomes, &outcome);
    if (outcome != DL_ABSENT)
        event->outcome = outcome == 0 ? DL_OUTCOME_ANSWERED : DL_OUTCOME_ABANDONED;
    if (reason == DL_ACCEPTED)
        reason = dl_read_duration(fields, "wait_ms", &event->wait_ms);
    if (reason == DL_ACCEPTED)
        reason = dl_read_duration(fields, "handle_ms", &event->handle_ms);
    if (reason == DL_ACCEPTED)
        reason = dl_read_boolean(fields, "first_contact", &event->first_contact);
    if (reason == DL_ACCEPTED)
        reason = dl_read_boolean(fields, "resolvable", &event->resolvable);
    return reason;
}

enum dl_reject dl_read_complaint(const struct dl_fields *fields, struct dl_event *event)
{
    static const char *const states[2] = {"opened", "closed"};

    int state = DL_ABSENT;
    enum dl_reject reason = dl_read_word(fields, "state", states, &state);
    if (reason == DL_ACCEPTED && state == DL_ABSENT)
        return dl_refuse_field(fields, "state", DL_REJECT_MISSING_FIELD, "required, opened or closed");
    event->closed = (int8_t)state;
    if (reason == DL_ACCEPTED && event->closed == 1)
        reason = dl_read_boolean(fields, "satisfied", &event->satisfied);
    if (reason == DL_ACCEPTED && event->closed == 1)
        reason = dl_read_duration(fields, "duration_ms", &event->duration_ms);
    return reason;
}
