/* The order of the checks is the contract (DESIGN 4): the record, its syntax,
 * then the fields in the order of the tables there, then what needs several of
 * them. */
#include "codec.h"

#include "detail.h"
#include "measures.h"
#include "syntax.h"
#include "utf8.h"

#include <delight/time.h>

#include <stdlib.h>
#include <string.h>

struct dl_decoder {
    struct dl_decode_options options; /* its segment names are in `names` */
    json_t *root; /* owned: the names of the last event point into it */
    char names[]; /* NUL after each */
};

struct dl_decoder *dl_decoder_create(const struct dl_decode_options *options)
{
    DL_ASSERT(options->csat_max >= 2 && options->csat_max <= 10);
    DL_ASSERT(options->segments >= 0 && options->segments <= DL_SEGMENTS_MAX);
    size_t names_bytes = 0;
    for (int i = 0; i < options->segments; i++)
        names_bytes += options->segment[i].bytes + 1;

    struct dl_decoder *decoder = calloc(1, sizeof *decoder + names_bytes);
    if (decoder == NULL)
        return NULL;
    decoder->options = *options;
    char *end = decoder->names;
    for (int i = 0; i < options->segments; i++) {
        struct dl_name name = options->segment[i];
        memcpy(end, name.data, name.bytes);
        decoder->options.segment[i].data = end;
        end += name.bytes + 1;
    }
    return decoder;
}

void dl_decoder_destroy(struct dl_decoder *decoder)
{
    if (decoder == NULL)
        return;
    json_decref(decoder->root);
    free(decoder);
}

/* The first fault in byte order, or a root. jansson is asked only about what the
 * scan before it has passed, so its own limits and its order within a string are
 * never met; it finds what stands before the scan's fault: repeated keys and
 * numbers that are too large. */
static enum dl_reject parse(const char *text, size_t bytes, json_t **root, char *detail)
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
        for (size_t at = 0, length; at < attribute->bytes; at += length) {
            length = dl_utf8_bytes(attribute->text + at, attribute->bytes - at);
            if (length == 0 || attribute->text[at] == '\0')
                return dl_refuse_field(fields, name, DL_REJECT_BAD_UTF8, "the CloudEvents header is not UTF-8");
        }
        *string = (struct dl_name){.data = attribute->text, .bytes = (uint32_t)attribute->bytes};
        return DL_ACCEPTED;
    }
    return dl_read_string(fields, name, value != NULL ? value : attribute->json, string);
}

static enum dl_reject read_type(const struct dl_fields *fields, struct dl_event *event)
{
    static const char *const words[DL_EVENT_TYPES] = {
        [DL_EVENT_SURVEY] = "survey", [DL_EVENT_CONTACT] = "contact", [DL_EVENT_COMPLAINT] = "complaint"};

    struct dl_name type;
    bool own = dl_field(fields, "type") != NULL;
    enum dl_reject reason = read_attributed_string(fields, "type", &fields->around->type, &type);
    if (reason != DL_ACCEPTED)
        return reason;
    if (type.data == NULL)
        return dl_refuse_field(fields, "type", DL_REJECT_MISSING_FIELD, "required, survey, contact or complaint");
    /* com.acme.survey, as CloudEvents advises to name types. */
    for (uint32_t i = type.bytes; !own && i > 0; i--) {
        if (type.data[i - 1] == '.') {
            type = (struct dl_name){.data = type.data + i, .bytes = type.bytes - i};
            break;
        }
    }
    for (int i = 0; i < DL_EVENT_TYPES; i++) {
        if (dl_name_equal(type, dl_name_of(words[i]))) {
            event->type = (enum dl_event_type)i;
            return DL_ACCEPTED;
        }
    }
    return dl_refuse_field(fields, "type", DL_REJECT_UNKNOWN_TYPE, "\"%.*s\" is not survey, contact or complaint",
                           dl_quoted_bytes(type.data, type.bytes), type.data);
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
    if (time_ms < DL_TIME_MS_MIN)
        return dl_refuse_field(fields, "time", DL_REJECT_BAD_TIME, "before the year 2000; are these seconds?");
    if (time_ms > DL_TIME_MS_MAX)
        return dl_refuse_field(fields, "time", DL_REJECT_BAD_TIME, "after the year 9999; are these microseconds?");
    /* A record's own timestamp is the producer's word, so the clock bounds it. */
    int64_t bound_ms = timestamp_ms >= 0 && timestamp_ms < now_ms ? timestamp_ms : now_ms;
    if (time_ms > bound_ms && time_ms - bound_ms > DL_FUTURE_MS)
        return dl_refuse_field(fields, "time", DL_REJECT_FUTURE_TIME, "%lld s ahead of the record's timestamp",
                               (long long)((time_ms - bound_ms) / 1000));
    event->time_ms = time_ms;
    return DL_ACCEPTED;
}

static enum dl_reject read_names(const struct dl_decoder *decoder, const struct dl_fields *fields,
                                 struct dl_event *event)
{
    enum dl_reject reason = dl_read_name(fields, "stage", dl_field(fields, "stage"), &event->stage);
    if (reason == DL_ACCEPTED)
        reason = dl_read_name(fields, "journey", dl_field(fields, "journey"), &event->journey);
    if (reason == DL_ACCEPTED) {
        /* Checked, and kept nowhere: it is about a person. */
        struct dl_name customer;
        reason = dl_read_string(fields, "customer", dl_field(fields, "customer"), &customer);
    }
    for (int i = 0; i < decoder->options.segments && reason == DL_ACCEPTED; i++) {
        const char *name = decoder->options.segment[i].data;
        reason = dl_read_name(fields, name, dl_field(fields, name), &event->segment[i]);
    }
    return reason;
}

static enum dl_reject read_common(const struct dl_decoder *decoder, const struct dl_fields *fields,
                                  int64_t timestamp_ms, int64_t now_ms, struct dl_event *event)
{
    static const char *const ops[2] = {"add", "retract"};

    enum dl_reject reason = read_type(fields, event);
    if (reason == DL_ACCEPTED)
        reason = dl_read_required_name(fields, "touchpoint", &event->touchpoint);
    if (reason == DL_ACCEPTED)
        reason = read_attributed_string(fields, "id", &fields->around->id, &event->id);
    if (reason == DL_ACCEPTED)
        reason = read_time(fields, timestamp_ms, now_ms, event);
    if (reason == DL_ACCEPTED)
        reason = read_names(decoder, fields, event);
    if (reason != DL_ACCEPTED)
        return reason;
    int op = 0;
    reason = dl_read_word(fields, "op", ops, &op);
    event->sign = op == 0 ? 1 : -1;
    return reason;
}

static enum dl_reject read_by_type(const struct dl_decoder *decoder, const struct dl_fields *fields,
                                   struct dl_event *event)
{
    if (event->type == DL_EVENT_SURVEY)
        return dl_read_survey(fields, decoder->options.csat_max, event);
    if (event->type == DL_EVENT_CONTACT)
        return dl_read_contact(fields, event);
    DL_ASSERT(event->type == DL_EVENT_COMPLAINT);
    return dl_read_complaint(fields, event);
}

static bool has_answer(const struct dl_event *event)
{
    return event->nps != DL_ABSENT || event->csat != DL_ABSENT || event->ces != DL_ABSENT ||
           event->expectation != DL_ABSENT || event->kano_count > 0;
}

static enum dl_reject check_whole(const struct dl_decoder *decoder, struct dl_event *event, char *detail)
{
    struct dl_name touchpoint = event->touchpoint;
    enum dl_reject reason = dl_catalogue_apply(decoder->options.catalogue, event);
    if (reason != DL_ACCEPTED)
        return dl_refuse(detail, reason, "touchpoint: \"%.*s\" is not in the catalogue",
                         dl_quoted_bytes(touchpoint.data, touchpoint.bytes), touchpoint.data);
    if (event->type == DL_EVENT_SURVEY && !has_answer(event))
        return dl_refuse(detail, DL_REJECT_NO_ANSWER, "expected one of nps, csat, ces, expectation, kano");
    return DL_ACCEPTED;
}

enum dl_reject dl_decode(struct dl_decoder *decoder, const struct dl_message *message, int64_t now_ms,
                         struct dl_event *event, char *detail)
{
    detail[0] = '\0';
    json_decref(decoder->root);
    decoder->root = NULL;
    *event = (struct dl_event){
        .sign = 1, .nps = DL_ABSENT, .csat = DL_ABSENT, .ces = DL_ABSENT, .expectation = DL_ABSENT,
        .first_contact = DL_ABSENT, .resolvable = 1, .wait_ms = DL_ABSENT, .handle_ms = DL_ABSENT,
        .closed = DL_ABSENT, .satisfied = DL_ABSENT, .duration_ms = DL_ABSENT,
    };

    if (message->value == NULL || message->value_bytes == 0)
        return dl_refuse(detail, DL_REJECT_EMPTY, "%s", message->value == NULL ? "a tombstone" : "0 bytes");
    if (message->value_bytes > decoder->options.event_bytes_max)
        return dl_refuse(detail, DL_REJECT_TOO_LARGE, "%zu bytes, at most %zu", message->value_bytes,
                         decoder->options.event_bytes_max);
    enum dl_reject reason = parse(message->value, message->value_bytes, &decoder->root, detail);
    if (reason != DL_ACCEPTED)
        return reason;

    struct dl_cloudevent around;
    struct dl_fields fields = {.around = &around, .kano = DL_KANO_NONE, .detail = detail};
    reason = dl_cloudevent_open(message, dl_cloudevent_recognize(message), decoder->root, &fields.object, &around,
                                detail);
    if (reason == DL_ACCEPTED)
        reason = read_common(decoder, &fields, message->timestamp_ms, now_ms, event);
    if (reason == DL_ACCEPTED)
        reason = read_by_type(decoder, &fields, event);
    if (reason == DL_ACCEPTED)
        reason = check_whole(decoder, event, detail);
    return reason;
}

static bool is_known_field(const struct dl_decoder *decoder, const char *name)
{
    static const char *const known[] = {
        "type", "touchpoint", "id", "time", "stage", "journey", "customer", "op", /* of every event */
        "nps", "csat", "ces", "expectation", "kano",                              /* survey */
        "outcome", "wait_ms", "handle_ms", "first_contact", "resolvable",         /* contact */
        "state", "satisfied", "duration_ms",                                      /* complaint */
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i]) == 0)
            return true;
    }
    for (int i = 0; i < decoder->options.segments; i++) {
        if (strcmp(name, decoder->options.segment[i].data) == 0)
            return true;
    }
    return false;
}

void dl_decode_unknown_fields(struct dl_decoder *decoder, const struct dl_message *message, dl_on_unknown_field *on_field,
                              void *context)
{
    /* Parsed anew: the names of the last event point into the decoder's root. */
    char detail[DL_DETAIL_SIZE];
    json_t *root;
    if (parse(message->value, message->value_bytes, &root, detail) != DL_ACCEPTED)
        return;
    const json_t *object;
    struct dl_cloudevent around;
    if (dl_cloudevent_open(message, dl_cloudevent_recognize(message), root, &object, &around, detail) == DL_ACCEPTED) {
        const char *name;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)object, name, value) {
            if (!is_known_field(decoder, name))
                on_field(context, dl_name_of(name));
        }
    }
    json_decref(root);
}
