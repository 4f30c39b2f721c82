/* The order of the checks is the contract (DESIGN 4): the syntax, then the fields
 * in the order of the schema's rows, then what needs several of them. */
#include "reference.h"

#include "detail.h"
#include "field.h"
#include "syntax.h"

#include <delight/counter.h>
#include <delight/time.h>

#include <string.h>

/* The first fault in byte order, or a root. jansson is asked only about what the
 * scan before it has passed, so its own limits and its order within a string are
 * never met; it finds what stands before the scan's fault: repeated keys and
 * numbers that are too large. */
enum dl_reject dl_reference_parse(const char *text, size_t bytes, json_t **root, char *detail)
{
    struct dl_syntax_fault fault;
    bool good = dl_syntax_check(text, bytes, &fault);
    json_error_t error = {.line = 0}; /* jansson sets no code when it gets no memory at all */
    json_t *value = json_loadb(text, good ? bytes : fault.at, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (value != NULL && good) {
        *root = value;
        return DL_ACCEPTED;
    }
    if (value != NULL)
        json_decref(value);
    else if (json_error_code(&error) == json_error_duplicate_key)
        return dl_refuse(detail, DL_REJECT_DUPLICATE_KEY, "byte %d: duplicate key", error.position);
    else if (json_error_code(&error) == json_error_numeric_overflow)
        return dl_refuse(detail, DL_REJECT_OUT_OF_RANGE, "byte %d: a number beyond int64 or double", error.position);
    if (!good)
        return dl_refuse(detail, fault.reason, "byte %zu: %s", fault.at + 1, fault.what);
    /* jansson is out of memory. The record is not lost: it becomes a dead letter. */
    return dl_refuse(detail, DL_REJECT_NOT_JSON, "the JSON library could not read it");
}

/* A string that a CloudEvents attribute may give; the event itself wins. */
static enum dl_reject read_attributed_string(const struct dl_fields *fields, const char *name,
                                             const struct dl_attribute *attribute, struct dl_name *string)
{
    const json_t *value = dl_field(fields, name);
    if (value == NULL && attribute->text != NULL) {
        if (!dl_cloudevent_is_text(attribute))
            return dl_refuse_field(fields, name, DL_REJECT_BAD_UTF8, "the CloudEvents header is not UTF-8");
        *string = (struct dl_name){.data = attribute->text, .bytes = (uint32_t)attribute->bytes};
        return DL_ACCEPTED;
    }
    return dl_read_string(fields, name, value != NULL ? value : attribute->json, string);
}

static enum dl_reject read_type(const struct dl_fields *fields, struct dl_event *event)
{
    struct dl_name type;
    bool own = dl_field(fields, "type") != NULL;
    enum dl_reject reason = read_attributed_string(fields, "type", &fields->around->type, &type);
    if (reason != DL_ACCEPTED)
        return reason;
    if (type.data == NULL)
        return dl_refuse_field(fields, "type", DL_REJECT_MISSING_FIELD, "required, survey, contact or complaint");
    if (!own)
        type = dl_event_type_part(type);
    if (!dl_event_type_find(type, &event->type))
        return dl_refuse_field(fields, "type", DL_REJECT_UNKNOWN_TYPE, "\"%.*s\" is not survey, contact or complaint",
                               dl_quoted_bytes(type.data, type.bytes), type.data);
    return DL_ACCEPTED;
}

/* Looked at before its turn: the time of a retraction has no default, because
 * its own record's timestamp would take it from another pane than the event
 * went into. */
static bool is_retraction(const struct dl_fields *fields)
{
    const json_t *op = dl_field(fields, "op");
    return json_is_string(op) && strcmp(json_string_value(op), "retract") == 0;
}

static enum dl_reject read_time_value(const struct dl_fields *fields, int64_t timestamp_ms, int64_t *time_ms)
{
    static const char unreadable[] = "not an RFC 3339 time with an offset";

    const struct dl_attribute *attribute = &fields->around->time;
    const json_t *value = dl_field(fields, "time");
    if (value == NULL && attribute->text != NULL) {
        if (dl_time_parse(attribute->text, attribute->bytes, time_ms) != DL_OK)
            return dl_refuse_field(fields, "time", DL_REJECT_BAD_TIME, "%s", unreadable);
        return DL_ACCEPTED;
    }
    if (value == NULL)
        value = attribute->json;
    if (value == NULL && is_retraction(fields))
        return dl_refuse_field(fields, "time", DL_REJECT_MISSING_FIELD, "required in a retraction");
    if (value == NULL && timestamp_ms < 0)
        return dl_refuse_field(fields, "time", DL_REJECT_BAD_TIME, "absent, and the record has no timestamp");
    if (value == NULL) {
        *time_ms = timestamp_ms;
        return DL_ACCEPTED;
    }
    if (json_is_string(value)) {
        if (dl_time_parse(json_string_value(value), json_string_length(value), time_ms) != DL_OK)
            return dl_refuse_field(fields, "time", DL_REJECT_BAD_TIME, "%s", unreadable);
        return DL_ACCEPTED;
    }
    if (!dl_json_integer(value, time_ms))
        return dl_refuse_field(fields, "time", DL_REJECT_WRONG_TYPE,
                               "expected an RFC 3339 string or integer epoch milliseconds");
    return DL_ACCEPTED;
}

static enum dl_reject read_time(const struct dl_fields *fields, int64_t timestamp_ms, int64_t now_ms,
                                struct dl_event *event)
{
    int64_t time_ms = 0;
    enum dl_reject reason = read_time_value(fields, timestamp_ms, &time_ms);
    if (reason != DL_ACCEPTED)
        return reason;
    event->time_ms = time_ms;
    int64_t bound_ms = dl_event_time_bound(timestamp_ms, now_ms);
    reason = dl_event_time_check(time_ms, bound_ms);
    if (reason == DL_REJECT_FUTURE_TIME)
        return dl_refuse_field(fields, "time", reason, "%lld s ahead of the record's timestamp",
                               (long long)((time_ms - bound_ms) / 1000));
    if (reason == DL_REJECT_BAD_TIME)
        return dl_refuse_field(fields, "time", reason, "%s",
                               time_ms < DL_TIME_MS_MIN ? "before the year 2000; are these seconds?"
                                                        : "after the year 9999; are these microseconds?");
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
    struct dl_kano_fields said = {.functional = DL_ABSENT, .dysfunctional = DL_ABSENT};
    for (int i = 0; i < dl_kano_schema.count; i++) {
        enum dl_reject reason = dl_read_field(&fields, &dl_kano_schema.row[i], &said);
        if (reason != DL_ACCEPTED)
            return reason;
    }
    answer->feature = said.feature;
    answer->category = (uint8_t)dl_kano_category(said.functional, said.dysfunctional);
    return DL_ACCEPTED;
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

static enum dl_reject read_row(const struct dl_fields *fields, const struct dl_field_row *row,
                               const struct dl_message *message, int64_t now_ms, struct dl_event *event)
{
    switch (row->kind) {
    case DL_AS_TYPE:
        return read_type(fields, event);
    case DL_AS_ID:
        return read_attributed_string(fields, row->name, &fields->around->id, &event->id);
    case DL_AS_TIME:
        return read_time(fields, message->timestamp_ms, now_ms, event);
    case DL_AS_KANO:
        return read_kano(fields, event);
    default:
        return dl_read_field(fields, row, event);
    }
}

static enum dl_reject read_rows(const struct dl_schema *schema, const struct dl_fields *fields,
                                const struct dl_message *message, int64_t now_ms, struct dl_event *event)
{
    DL_ASSERT(schema->row[0].kind == DL_AS_TYPE); /* it says which others are read */
    for (int i = 0; i < schema->count; i++) {
        const struct dl_field_row *row = &schema->row[i];
        if (i > 0 && (row->forms & dl_event_form(event)) == 0)
            continue;
        enum dl_reject reason = read_row(fields, row, message, now_ms, event);
        if (reason != DL_ACCEPTED)
            return reason;
    }
    return DL_ACCEPTED;
}

static enum dl_reject check_whole(const struct dl_catalogue *catalogue, struct dl_event *event, char *detail)
{
    struct dl_name touchpoint = event->touchpoint;
    enum dl_reject reason = dl_catalogue_apply(catalogue, event);
    if (reason != DL_ACCEPTED)
        return dl_refuse(detail, reason, "touchpoint: \"%.*s\" is not in the catalogue",
                         dl_quoted_bytes(touchpoint.data, touchpoint.bytes), touchpoint.data);
    if (event->type == DL_EVENT_SURVEY && !dl_event_has_answer(event))
        return dl_refuse(detail, DL_REJECT_NO_ANSWER, "expected one of nps, csat, ces, expectation, kano");
    return DL_ACCEPTED;
}

static enum dl_reject read_event(const struct dl_schema *schema, const struct dl_catalogue *catalogue,
                                 const struct dl_message *message, enum dl_envelope envelope, int64_t now_ms,
                                 const json_t *root, struct dl_event *event, char *detail)
{
    struct dl_cloudevent around;
    struct dl_fields fields = {.around = &around, .kano = DL_KANO_NONE, .detail = detail};
    *event = dl_event_none;
    enum dl_reject reason = dl_cloudevent_open(message, envelope, root, &fields.object, &around, detail);
    if (reason == DL_ACCEPTED)
        reason = read_rows(schema, &fields, message, now_ms, event);
    if (reason == DL_ACCEPTED)
        reason = check_whole(catalogue, event, detail);
    return reason;
}

/* Whether headers could add nothing to the event, if it is one. */
static bool says_all(const json_t *root)
{
    static const char *const own[] = {"type", "id", "time"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        const json_t *value = json_object_get(root, own[i]);
        if (value == NULL || json_is_null(value))
            return false;
    }
    return json_object_get(root, DL_CLOUDEVENT_MEMBER) == NULL;
}

enum dl_reject dl_reference_decode(const struct dl_schema *schema, const struct dl_catalogue *catalogue,
                                   struct dl_message *message, int64_t now_ms, json_t **root, struct dl_event *event,
                                   char *detail)
{
    *root = NULL;
    enum dl_reject reason = dl_reference_parse(message->value, message->value_bytes, root, detail);
    if (reason != DL_ACCEPTED)
        return reason;
    if (says_all(*root) && read_event(schema, catalogue, message, DL_PLAIN, now_ms, *root, event, detail) == DL_ACCEPTED)
        return DL_ACCEPTED;
    detail[0] = '\0';
    return read_event(schema, catalogue, message, dl_cloudevent_recognize(message), now_ms, *root, event, detail);
}
