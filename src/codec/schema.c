#include "schema.h"

#include <delight/time.h>

#define AT(member) .offset = offsetof(struct dl_event, member), .bytes = sizeof ((struct dl_event *)0)->member
#define KANO_AT(member) .offset = offsetof(struct dl_kano_fields, member), .bytes = sizeof ((struct dl_kano_fields *)0)->member

enum { MAX_OF_CSAT = -1 }; /* in place of a maximum that is configured */

/* Of every event; the segments stand between the two. */
static const struct dl_field_row common_rows[] = {
    {"type", DL_AS_TYPE, DL_FORM_ANY, .required = true, AT(type)},
    {"touchpoint", DL_AS_NAME, DL_FORM_ANY, .required = true, AT(touchpoint)},
    {"id", DL_AS_ID, DL_FORM_ANY, AT(id)},
    {"time", DL_AS_TIME, DL_FORM_ANY, AT(time_ms)},
    {"stage", DL_AS_NAME, DL_FORM_ANY, AT(stage)},
    {"journey", DL_AS_NAME, DL_FORM_ANY, AT(journey)},
    {"customer", DL_AS_PERSON, DL_FORM_ANY, .bytes = 0},
};

static const struct dl_field_row other_rows[] = {
    {"op", DL_AS_WORD, DL_FORM_ANY, AT(sign), .word = {{"add", 1}, {"retract", -1}}},

    {"nps", DL_AS_INTEGER, DL_FORM_SURVEY, AT(nps), .min = 0, .max = 10},
    {"csat", DL_AS_INTEGER, DL_FORM_SURVEY, AT(csat), .min = 1, .max = MAX_OF_CSAT},
    {"ces", DL_AS_INTEGER, DL_FORM_SURVEY, AT(ces), .min = 1, .max = 7},
    {"expectation", DL_AS_INTEGER, DL_FORM_SURVEY, AT(expectation), .min = 1, .max = 5},
    {"kano", DL_AS_KANO, DL_FORM_SURVEY, AT(kano_count)},

    {"outcome", DL_AS_WORD, DL_FORM_CONTACT, AT(outcome),
     .word = {{"answered", DL_OUTCOME_ANSWERED}, {"abandoned", DL_OUTCOME_ABANDONED}}},
    {"wait_ms", DL_AS_INTEGER, DL_FORM_CONTACT, AT(wait_ms), .min = 0, .max = DL_DURATION_MS_MAX},
    {"handle_ms", DL_AS_INTEGER, DL_FORM_CONTACT, AT(handle_ms), .min = 0, .max = DL_DURATION_MS_MAX},
    {"first_contact", DL_AS_BOOLEAN, DL_FORM_CONTACT, AT(first_contact)},
    {"resolvable", DL_AS_BOOLEAN, DL_FORM_CONTACT, AT(resolvable)},

    {"state", DL_AS_WORD, DL_FORM_COMPLAINT, .required = true, AT(closed), .word = {{"opened", 0}, {"closed", 1}}},
    {"satisfied", DL_AS_BOOLEAN, DL_FORM_CLOSED, AT(satisfied)},
    {"duration_ms", DL_AS_INTEGER, DL_FORM_CLOSED, AT(duration_ms), .min = 0, .max = DL_DURATION_MS_MAX},
};

enum { COMMON_ROWS = sizeof common_rows / sizeof common_rows[0], OTHER_ROWS = sizeof other_rows / sizeof other_rows[0] };
_Static_assert(COMMON_ROWS + OTHER_ROWS + DL_SEGMENTS_MAX <= DL_FIELDS_MAX, "a set of fields is a mask");

const struct dl_schema dl_kano_schema = {
    .count = 3,
    .row = {
        {"feature", DL_AS_NAME, DL_FORM_ANY, .required = true, KANO_AT(feature)},
        {"functional", DL_AS_INTEGER, DL_FORM_ANY, .required = true, KANO_AT(functional), .min = 1, .max = 5},
        {"dysfunctional", DL_AS_INTEGER, DL_FORM_ANY, .required = true, KANO_AT(dysfunctional), .min = 1, .max = 5},
    }};

const struct dl_event dl_event_none = {
    .sign = 1, .nps = DL_ABSENT, .csat = DL_ABSENT, .ces = DL_ABSENT, .expectation = DL_ABSENT,
    .first_contact = DL_ABSENT, .resolvable = 1, .wait_ms = DL_ABSENT, .handle_ms = DL_ABSENT,
    .closed = DL_ABSENT, .satisfied = DL_ABSENT, .duration_ms = DL_ABSENT,
};

const char *const dl_event_type_words[DL_EVENT_TYPES] = {
    [DL_EVENT_SURVEY] = "survey", [DL_EVENT_CONTACT] = "contact", [DL_EVENT_COMPLAINT] = "complaint"};

static void add_row(struct dl_schema *schema, const struct dl_field_row *row)
{
    for (int i = 0; i < schema->count; i++)
        DL_ASSERT(strcmp(schema->row[i].name, row->name) != 0);
    schema->row[schema->count++] = *row;
}

void dl_schema_init(struct dl_schema *schema, const struct dl_decode_options *options)
{
    schema->count = 0;
    for (int i = 0; i < COMMON_ROWS; i++)
        add_row(schema, &common_rows[i]);
    for (int i = 0; i < options->segments; i++) {
        struct dl_name name = options->segment[i];
        for (uint32_t at = 0; at < name.bytes; at++)
            DL_ASSERT(name.data[at] > ' ' && name.data[at] != 0x7F && name.data[at] != '"' && name.data[at] != '\\');
        add_row(schema, &(struct dl_field_row){
            name.data, DL_AS_NAME, DL_FORM_ANY, AT(segment[0]),
        });
        schema->row[schema->count - 1].offset =
            (uint16_t)(offsetof(struct dl_event, segment) + (size_t)i * sizeof(struct dl_name));
    }
    for (int i = 0; i < OTHER_ROWS; i++) {
        add_row(schema, &other_rows[i]);
        if (other_rows[i].max == MAX_OF_CSAT)
            schema->row[schema->count - 1].max = options->csat_max;
    }
}

bool dl_event_type_find(struct dl_name word, enum dl_event_type *type)
{
    for (int i = 0; i < DL_EVENT_TYPES; i++) {
        if (dl_name_equal(word, dl_name_of(dl_event_type_words[i]))) {
            *type = (enum dl_event_type)i;
            return true;
        }
    }
    return false;
}

struct dl_name dl_event_type_part(struct dl_name type)
{
    for (uint32_t i = type.bytes; i > 0; i--) {
        if (type.data[i - 1] == '.')
            return (struct dl_name){.data = type.data + i, .bytes = type.bytes - i};
    }
    return type;
}

uint8_t dl_event_form(const struct dl_event *event)
{
    static const uint8_t forms[DL_EVENT_TYPES][2] = {[DL_EVENT_SURVEY] = {DL_FORM_SURVEY, DL_FORM_SURVEY},
                                                     [DL_EVENT_CONTACT] = {DL_FORM_CONTACT, DL_FORM_CONTACT},
                                                     [DL_EVENT_COMPLAINT] = {DL_FORM_OPENED, DL_FORM_CLOSED}};
    DL_ASSERT(event->type < DL_EVENT_TYPES);
    return forms[event->type][event->closed == 1];
}

bool dl_event_has_answer(const struct dl_event *event)
{
    return event->nps != DL_ABSENT || event->csat != DL_ABSENT || event->ces != DL_ABSENT ||
           event->expectation != DL_ABSENT || event->kano_count > 0;
}

enum dl_reject dl_event_time_check(int64_t time_ms, int64_t bound_ms)
{
    if (time_ms < DL_TIME_MS_MIN || time_ms > DL_TIME_MS_MAX)
        return DL_REJECT_BAD_TIME;
    if (time_ms > bound_ms && time_ms - bound_ms > DL_FUTURE_MS)
        return DL_REJECT_FUTURE_TIME;
    return DL_ACCEPTED;
}

int64_t dl_event_time_bound(int64_t timestamp_ms, int64_t now_ms)
{
    return timestamp_ms >= 0 && timestamp_ms < now_ms ? timestamp_ms : now_ms;
}
