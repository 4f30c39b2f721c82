#include "encode.h"

#include "recount.h"
#include "rng.h"
#include "timefmt.h"
#include "util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_DIGITS 10

/* Appends a literal; its length is known to the compiler. */
#define PUT(at, literal) (memcpy((at), (literal), sizeof(literal) - 1), (at) + sizeof(literal) - 1)

void ld_encoder_init(struct ld_encoder *encoder, const struct ld_world *world, const char *id_prefix,
                     size_t event_bytes, size_t value_bytes_max)
{
    struct ld_rng rng;
    *encoder = (struct ld_encoder){.world = world, .id_prefix = id_prefix, .event_bytes = event_bytes};
    /* The largest event: 32 Kano answers with long names, every segment, and the padding. */
    encoder->buffer_bytes = value_bytes_max + event_bytes + 131072;
    encoder->buffer = ld_alloc(encoder->buffer_bytes, 1);
    encoder->padding = ld_alloc(LD_PADDING_BYTES, 1);
    encoder->minute = INT64_MIN;
    ld_rng_seed(&rng, 20240101);
    for (size_t i = 0; i < LD_PADDING_BYTES; i++)
        encoder->padding[i] = " etaoin shrdlu etaoin cmfwyp vbgkjq"[ld_rng_below(&rng, 35)];
}

void ld_encoder_deinit(struct ld_encoder *encoder)
{
    free(encoder->buffer);
    free(encoder->padding);
}

char *ld_put_number(char *out, int64_t value)
{
    char digits[24];
    size_t count = 0;
    uint64_t rest = value < 0 ? (uint64_t)-value : (uint64_t)value;
    if (value < 0)
        *out++ = '-';
    do {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    while (count > 0)
        *out++ = digits[--count];
    return out;
}

static char *put_bytes(char *out, const char *bytes, size_t length)
{
    memcpy(out, bytes, length);
    return out + length;
}

static char *put_text(char *out, const char *text)
{
    return put_bytes(out, text, strlen(text));
}

static char *put_name(char *out, const struct ld_name *name, const struct ld_spelling *spelling)
{
    if (spelling->has_escapes)
        return put_text(out, name->json_escaped);
    return put_bytes(out, name->json, name->json_length);
}

size_t ld_encode_id(const struct ld_encoder *encoder, uint64_t number, char *out)
{
    char *at = put_text(out, encoder->id_prefix);
    *at++ = '-';
    for (int i = ID_DIGITS - 1; i >= 0; i--) {
        at[i] = (char)('0' + number % 10);
        number /= 10;
    }
    return (size_t)(at + ID_DIGITS - out);
}

static char *put_id(const struct ld_encoder *encoder, char *out, uint64_t number)
{
    *out++ = '"';
    out += ld_encode_id(encoder, number, out);
    *out++ = '"';
    return out;
}

static char *put_two(char *out, int value)
{
    *out++ = (char)('0' + value / 10);
    *out++ = (char)('0' + value % 10);
    return out;
}

/* RFC 3339 in UTC. Date, hour and minute are the same for many events in a row and are kept as text. */
static char *put_utc(struct ld_encoder *encoder, char *out, int64_t ms)
{
    int64_t minute = ld_floor_div(ms, 60000);
    if (minute != encoder->minute) {
        char text[LD_TIME_TEXT_MAX];
        ld_time_format(text, minute * 60000, 0);
        memcpy(encoder->minute_text, text, 17);
        encoder->minute = minute;
    }
    int of_minute = (int)(ms - minute * 60000);
    out = put_bytes(out, encoder->minute_text, 17);
    out = put_two(out, of_minute / 1000);
    *out++ = '.';
    *out++ = (char)('0' + of_minute / 100 % 10);
    out = put_two(out, of_minute % 100);
    *out++ = 'Z';
    return out;
}

static char *put_time(struct ld_encoder *encoder, char *out, int64_t ms, enum ld_time_style style, uint64_t noise)
{
    static const int offsets[] = {120, -480, 330, 60, -1, 765};
    char text[LD_TIME_TEXT_MAX];
    switch (style) {
    case LD_TIME_MS:
        return ld_put_number(out, ms);
    case LD_TIME_FLOAT:
        out = ld_put_number(out, ms);
        return (noise & 1) != 0 ? PUT(out, ".0") : PUT(out, "e0");
    case LD_TIME_RFC3339:
        *out++ = '"';
        out = put_utc(encoder, out, ms);
        break;
    case LD_TIME_OFFSET: {
        *out++ = '"';
        size_t length = ld_time_format(text, ms, offsets[noise % LD_COUNT(offsets)]);
        out = put_bytes(out, text, 23);
        /* Digits beyond milliseconds are cut, whatever they are. */
        out = PUT(out, "999");
        out = put_bytes(out, text + 23, length - 23);
        break;
    }
    }
    *out++ = '"';
    return out;
}

/* An integer as JSON may spell it. */
static char *put_integer(char *out, int64_t value, const struct ld_spelling *spelling)
{
    out = ld_put_number(out, value);
    if (spelling->has_floats)
        out = value % 2 == 0 ? PUT(out, ".0") : PUT(out, "e0");
    return out;
}

static char *put_field(char *out, const char *quoted_key, int64_t value, const struct ld_spelling *spelling)
{
    if (value == LD_ABSENT && !spelling->has_nulls)
        return out;
    *out++ = ',';
    out = put_text(out, quoted_key);
    *out++ = ':';
    return value == LD_ABSENT ? PUT(out, "null") : put_integer(out, value, spelling);
}

static char *put_boolean(char *out, const char *quoted_key, int value)
{
    if (value == LD_ABSENT)
        return out;
    *out++ = ',';
    out = put_text(out, quoted_key);
    return value == 1 ? PUT(out, ":true") : PUT(out, ":false");
}

static char *put_kano_answer(const struct ld_encoder *encoder, char *out, const struct ld_kano_answer *answer,
                             const struct ld_spelling *spelling)
{
    out = PUT(out, "{\"feature\":");
    out = put_name(out, &encoder->world->features[answer->feature], spelling);
    out = PUT(out, ",\"functional\":");
    out = put_integer(out, answer->functional, spelling);
    out = PUT(out, ",\"dysfunctional\":");
    out = put_integer(out, answer->dysfunctional, spelling);
    *out++ = '}';
    return out;
}

static char *put_survey(const struct ld_encoder *encoder, char *out, const struct ld_event *event,
                        const struct ld_spelling *spelling)
{
    out = put_field(out, "\"nps\"", event->nps, spelling);
    out = put_field(out, "\"csat\"", event->csat, spelling);
    out = put_field(out, "\"ces\"", event->ces, spelling);
    out = put_field(out, "\"expectation\"", event->expectation, spelling);
    if (event->kano_count == 0)
        return out;
    out = PUT(out, ",\"kano\":");
    if (event->kano_is_array)
        *out++ = '[';
    for (uint32_t i = 0; i < event->kano_count; i++) {
        if (i > 0)
            *out++ = ',';
        out = put_kano_answer(encoder, out, &event->kano[i], spelling);
    }
    if (event->kano_is_array)
        *out++ = ']';
    return out;
}

static char *put_contact(char *out, const struct ld_event *event, const struct ld_spelling *spelling)
{
    if (event->outcome == LD_OUTCOME_ANSWERED)
        out = PUT(out, ",\"outcome\":\"answered\"");
    else if (event->outcome == LD_OUTCOME_ABANDONED)
        out = PUT(out, ",\"outcome\":\"abandoned\"");
    out = put_field(out, "\"wait_ms\"", event->wait_ms, spelling);
    out = put_field(out, "\"handle_ms\"", event->handle_ms, spelling);
    out = put_boolean(out, "\"first_contact\"", event->first_contact);
    return put_boolean(out, "\"resolvable\"", event->resolvable);
}

static char *put_complaint(char *out, const struct ld_event *event, const struct ld_spelling *spelling)
{
    if (event->state == LD_STATE_OPENED)
        return PUT(out, ",\"state\":\"opened\"");
    out = PUT(out, ",\"state\":\"closed\"");
    out = put_boolean(out, "\"satisfied\"", event->satisfied);
    return put_field(out, "\"duration_ms\"", event->duration_ms, spelling);
}

static char *put_place(const struct ld_encoder *encoder, char *out, const struct ld_event *event,
                       const struct ld_spelling *spelling)
{
    const struct ld_world *world = encoder->world;
    const struct ld_touchpoint *touchpoint = &world->touchpoints[event->touchpoint];
    out = PUT(out, ",\"touchpoint\":");
    out = put_name(out, &touchpoint->name, spelling);
    if (event->has_stage) {
        out = PUT(out, ",\"stage\":");
        out = put_name(out, &world->stages[touchpoint->stage], spelling);
    } else if (spelling->has_nulls) {
        out = PUT(out, ",\"stage\":\"\"");
    }
    if (event->has_journey) {
        out = PUT(out, ",\"journey\":");
        out = put_name(out, &world->journeys[touchpoint->journey], spelling);
    } else if (spelling->has_nulls) {
        out = PUT(out, ",\"journey\":null");
    }
    for (size_t i = 0; i < world->segment_count; i++) {
        const struct ld_segment *segment = &world->segments[i];
        bool is_there = event->segment[i] != LD_ABSENT;
        if (!is_there && !spelling->has_nulls)
            continue;
        out = PUT(out, ",\"");
        out = put_text(out, segment->name);
        out = PUT(out, "\":");
        out = is_there ? put_name(out, &segment->values[event->segment[i]], spelling)
                       : put_text(out, i % 2 == 0 ? "null" : "\"\"");
    }
    return out;
}

static char *put_answers(const struct ld_encoder *encoder, char *out, const struct ld_event *event,
                         const struct ld_spelling *spelling)
{
    /* Fields of another event type are ignored unread: neither their types nor their values matter. */
    switch (event->type) {
    case LD_SURVEY:
        out = put_survey(encoder, out, event, spelling);
        return spelling->has_extras ? PUT(out, ",\"wait_ms\":\"n/a\",\"state\":[7.5]") : out;
    case LD_CONTACT:
        out = put_contact(out, event, spelling);
        return spelling->has_extras ? PUT(out, ",\"nps\":11,\"kano\":false") : out;
    case LD_COMPLAINT:
        out = put_complaint(out, event, spelling);
        return spelling->has_extras ? PUT(out, ",\"csat\":{\"a\":-1},\"outcome\":\"?\"") : out;
    }
    return out;
}

static char *put_extras(char *out, uint64_t noise)
{
    out = PUT(out, ",\"x-trace\":{\"span\":[0,-0.5e-3,1E+2,null,true,{\"\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}],\"n\":");
    out = ld_put_number(out, (int64_t)(noise >> 2));
    return PUT(out, "},\"x-text\":\"\\ud83d\\ude00 \xe2\x82\xac\"");
}

static const char *type_name(enum ld_type type)
{
    return type == LD_SURVEY ? "survey" : type == LD_CONTACT ? "contact" : "complaint";
}

/* Customers are 12 hex digits, the same person now and then again. */
static char *put_customer(char *out, uint64_t noise)
{
    uint64_t customer = ld_mix((noise & 0xfffff) + 1);
    out = PUT(out, ",\"customer\":\"c-");
    for (int i = 0; i < 12; i++)
        *out++ = "0123456789abcdef"[customer >> (i * 4) & 15];
    *out++ = '"';
    return out;
}

static char *put_padding(const struct ld_encoder *encoder, const char *start, char *out, uint64_t noise)
{
    size_t used = (size_t)(out - start) + sizeof(",\"note\":\"\"}") - 1;
    if (used >= encoder->event_bytes)
        return out;
    size_t wanted = encoder->event_bytes - used;
    out = PUT(out, ",\"note\":\"");
    while (wanted > 0) {
        size_t from = noise % (LD_PADDING_BYTES / 2);
        size_t some = wanted < LD_PADDING_BYTES / 2 ? wanted : LD_PADDING_BYTES / 2;
        out = put_bytes(out, encoder->padding + from, some);
        wanted -= some;
    }
    *out++ = '"';
    return out;
}

/* The event's object: "{" then fields, each with a comma before it except the first. */
static char *put_object(struct ld_encoder *encoder, char *start, const struct ld_event *event,
                        const struct ld_spelling *spelling, uint64_t noise, bool has_type, bool has_id, bool has_time)
{
    char *out = start;
    *out++ = '{';
    char *first = out;
    if (has_type) {
        out = spelling->has_escapes ? PUT(out, ",\"\\u0074ype\":\"") : PUT(out, ",\"type\":\"");
        out = put_text(out, type_name(event->type));
        *out++ = '"';
    }
    if (has_id) {
        out = PUT(out, ",\"id\":");
        out = put_id(encoder, out, event->id);
    }
    if (has_time) {
        out = PUT(out, ",\"time\":");
        out = put_time(encoder, out, event->time_ms, spelling->time_style, noise >> 8);
    }
    if (event->is_retraction)
        out = PUT(out, ",\"op\":\"retract\"");
    else if (spelling->has_add_op)
        out = PUT(out, ",\"op\":\"add\"");
    if (!spelling->is_reversed)
        out = put_place(encoder, out, event, spelling);
    out = put_answers(encoder, out, event, spelling);
    if (event->has_customer)
        out = put_customer(out, noise);
    if (spelling->has_extras)
        out = put_extras(out, noise);
    if (spelling->is_reversed)
        out = put_place(encoder, out, event, spelling);
    out = put_padding(encoder, start, out, noise >> 24);
    *first = ' '; /* where the first field's comma went */
    if (spelling->has_spaces)
        out = PUT(out, " \t ");
    *out++ = '}';
    return out;
}

static void add_header(struct ld_message *message, const char *name, const char *value, size_t length)
{
    struct ld_header *header = &message->headers[message->header_count++];
    header->name = name;
    memcpy(header->value, value, length);
    header->value[length] = '\0';
}

/* Data wins over attributes: where both say it, the attribute says something else. */
static char *put_structured(struct ld_encoder *encoder, char *out, const struct ld_event *event,
                            const struct ld_spelling *spelling, uint64_t noise, struct ld_message *message)
{
    bool is_doubled = (noise & 3) == 0;
    out = PUT(out, "{\"specversion\":\"1.0\",\"source\":\"/delight-load\",\"id\":");
    out = put_id(encoder, out, is_doubled ? event->id + 5000000000 : event->id);
    out = PUT(out, ",\"type\":\"org.example.cx.");
    out = put_text(out, type_name(is_doubled ? LD_COMPLAINT : event->type));
    *out++ = '"';
    if (event->has_time) {
        out = PUT(out, ",\"time\":");
        out = put_time(encoder, out, is_doubled ? event->time_ms - 86400000 : event->time_ms, LD_TIME_RFC3339, noise);
    }
    out = PUT(out, ",\"datacontenttype\":\"application/json\",\"data\":");
    out = put_object(encoder, out, event, spelling, noise, is_doubled, is_doubled, is_doubled && event->has_time);
    *out++ = '}';
    static const char *const content_types[] = {"application/cloudevents+json",
                                                "application/cloudevents+json; charset=UTF-8"};
    const char *content_type = content_types[noise >> 4 & 1];
    add_header(message, "content-type", content_type, strlen(content_type));
    return out;
}

static char *put_binary(struct ld_encoder *encoder, char *out, const struct ld_event *event,
                        const struct ld_spelling *spelling, uint64_t noise, struct ld_message *message)
{
    char text[LD_HEADER_VALUE_MAX];
    add_header(message, "ce_specversion", "1.0", 3);
    add_header(message, "ce_source", "/delight-load", 13);
    add_header(message, "ce_id", text, ld_encode_id(encoder, event->id, text));
    char *end = put_text(PUT(text, "org.example.cx."), type_name(event->type));
    add_header(message, "ce_type", text, (size_t)(end - text));
    if (event->has_time)
        add_header(message, "ce_time", text, (size_t)(put_utc(encoder, text, event->time_ms) - text));
    add_header(message, "content-type", "application/json", 16);
    return put_object(encoder, out, event, spelling, noise, false, false, false);
}

void ld_encode_event(struct ld_encoder *encoder, const struct ld_event *event, const struct ld_spelling *spelling,
                     uint64_t noise, struct ld_message *message)
{
    char *out = encoder->buffer;
    message->header_count = 0;
    message->key_bytes = event->has_id ? ld_encode_id(encoder, event->id, message->key) : 0;
    if (spelling->has_spaces)
        out = PUT(out, "  \t");
    switch (spelling->envelope) {
    case LD_PLAIN:
        out = put_object(encoder, out, event, spelling, noise, true, event->has_id, event->has_time);
        break;
    case LD_STRUCTURED:
        out = put_structured(encoder, out, event, spelling, noise, message);
        break;
    case LD_BINARY:
        out = put_binary(encoder, out, event, spelling, noise, message);
        break;
    }
    message->value = encoder->buffer;
    message->value_bytes = (size_t)(out - encoder->buffer);
}
