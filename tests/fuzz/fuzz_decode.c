/* The decoder on arbitrary bytes (decode_input.h says how they are read): what a record
 * becomes must keep its promises. */
#include "../unit/codec/same_event.h"
#include "codec.h"
#include "decode_input.h"
#include "utf8.h"

#include <delight/counter.h>
#include <delight/time.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct dl_decoder *decoders[2][2]; /* [with catalogue][first or second opinion] */
static struct dl_catalogue *catalogue;

static void build_decoders(void)
{
    catalogue = input_catalogue();
    for (int known = 0; known < 2; known++) {
        struct dl_decode_options options = input_options(known == 1 ? catalogue : NULL);
        for (int opinion = 0; opinion < 2; opinion++) {
            decoders[known][opinion] = dl_decoder_create(&options);
            DL_ASSERT(decoders[known][opinion] != NULL);
        }
    }
}

static void check_name(struct dl_name name, uint32_t bytes_max)
{
    DL_ASSERT(name.bytes <= bytes_max);
    for (uint32_t at = 0; at < name.bytes;) {
        size_t length = dl_utf8_bytes(name.data + at, name.bytes - at);
        DL_ASSERT(length > 0 && name.data[at] != '\0');
        at += (uint32_t)length;
    }
}

static void check_detail(const char *detail, enum dl_reject reason)
{
    DL_ASSERT(memchr(detail, '\0', DL_DETAIL_SIZE) != NULL);
    DL_ASSERT((detail[0] == '\0') == (reason == DL_ACCEPTED));
    check_name(dl_name_of(detail), DL_DETAIL_SIZE);
    for (; *detail != '\0'; detail++)
        DL_ASSERT((unsigned char)*detail >= 0x20 && *detail != 0x7F);
}

static void check_rating(int value, int min, int max)
{
    DL_ASSERT(value == DL_ABSENT || (value >= min && value <= max));
}

static void check_duration(int64_t value)
{
    DL_ASSERT(value == DL_ABSENT || (value >= 0 && value <= DL_DURATION_MS_MAX));
}

static void check_event(const struct dl_event *event, const struct input *input)
{
    DL_ASSERT(event->type < DL_EVENT_TYPES && (event->sign == 1 || event->sign == -1));
    DL_ASSERT(event->time_ms >= DL_TIME_MS_MIN && event->time_ms <= DL_TIME_MS_MAX);
    if (input->now_ms != INT64_MAX)
        DL_ASSERT(event->time_ms <= input->now_ms + DL_FUTURE_MS);
    if (input->message.timestamp_ms >= 0)
        DL_ASSERT(event->time_ms <= input->message.timestamp_ms + DL_FUTURE_MS);
    DL_ASSERT(event->touchpoint.bytes > 0);
    check_name(event->id, UINT32_MAX);
    check_name(event->touchpoint, DL_NAME_BYTES_MAX);
    check_name(event->stage, DL_NAME_BYTES_MAX);
    check_name(event->journey, DL_NAME_BYTES_MAX);
    for (int i = 0; i < INPUT_SEGMENTS; i++)
        check_name(event->segment[i], DL_NAME_BYTES_MAX);

    check_rating(event->nps, 0, 10);
    check_rating(event->csat, 1, 5);
    check_rating(event->ces, 1, 7);
    check_rating(event->expectation, 1, 5);
    DL_ASSERT(event->kano_count <= DL_KANO_ANSWERS_MAX);
    for (int i = 0; i < event->kano_count; i++) {
        DL_ASSERT(event->kano[i].feature.bytes > 0 && event->kano[i].category < DL_KANO_CATEGORIES);
        check_name(event->kano[i].feature, DL_NAME_BYTES_MAX);
    }
    bool answered = event->nps != DL_ABSENT || event->csat != DL_ABSENT || event->ces != DL_ABSENT ||
                    event->expectation != DL_ABSENT || event->kano_count > 0;
    DL_ASSERT(answered == (event->type == DL_EVENT_SURVEY));

    check_rating(event->first_contact, 0, 1);
    DL_ASSERT(event->resolvable == 0 || event->resolvable == 1);
    check_duration(event->wait_ms);
    check_duration(event->handle_ms);
    check_rating(event->satisfied, 0, 1);
    check_duration(event->duration_ms);
    DL_ASSERT((event->closed != DL_ABSENT) == (event->type == DL_EVENT_COMPLAINT));
    DL_ASSERT(event->closed == 1 || (event->satisfied == DL_ABSENT && event->duration_ms == DL_ABSENT));
    if (event->type != DL_EVENT_CONTACT)
        DL_ASSERT(event->outcome == DL_OUTCOME_NONE && event->wait_ms == DL_ABSENT && event->handle_ms == DL_ABSENT);
}

static void check_reason(enum dl_reject reason, const struct input *input)
{
    DL_ASSERT(reason < DL_REJECTS);
    size_t bytes = input->message.value_bytes;
    DL_ASSERT((reason == DL_REJECT_EMPTY) == (bytes == 0));
    DL_ASSERT((reason == DL_REJECT_TOO_LARGE) == (bytes > EVENT_BYTES_MAX));
    DL_ASSERT(reason != DL_REJECT_UNKNOWN_TOUCHPOINT || input->envelope == WITH_CATALOGUE);
}

/* Another spelling of the same JSON is the same event, or no event for the same reason. */
static void check_respelled(const struct input *input, const json_t *root, enum dl_reject reason,
                            const struct dl_event *event, struct dl_decoder *second)
{
    char *value = json_dumps(root, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_SORT_KEYS | JSON_INDENT(1));
    DL_ASSERT(value != NULL);
    struct dl_message message = input->message;
    message.value = value;
    message.value_bytes = strlen(value);
    if (message.value_bytes <= EVENT_BYTES_MAX) {
        struct dl_event again;
        char detail[DL_DETAIL_SIZE];
        DL_ASSERT(dl_decode(second, &message, input->now_ms, &again, detail) == reason);
        if (reason == DL_ACCEPTED)
            DL_ASSERT(same_event(event, &again, INPUT_SEGMENTS));
    }
    free(value);
}

static void on_unknown(void *context, struct dl_name field)
{
    (void)context;
    check_name(field, EVENT_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (catalogue == NULL)
        build_decoders();
    struct input input;
    read_input(&input, (const char *)data, bytes);
    struct dl_decoder *const *pair = decoders[input.envelope == WITH_CATALOGUE];

    struct dl_event event;
    char detail[DL_DETAIL_SIZE];
    enum dl_reject reason = dl_decode(pair[0], &input.message, input.now_ms, &event, detail);
    check_reason(reason, &input);
    check_detail(detail, reason);
    if (reason == DL_ACCEPTED)
        check_event(&event, &input);

    struct dl_event again;
    char detail_again[DL_DETAIL_SIZE];
    DL_ASSERT(dl_decode(pair[1], &input.message, input.now_ms, &again, detail_again) == reason);
    DL_ASSERT(strcmp(detail, detail_again) == 0);
    if (reason == DL_ACCEPTED)
        DL_ASSERT(same_event(&event, &again, INPUT_SEGMENTS));
    if (reason == DL_REJECT_EMPTY || reason == DL_REJECT_TOO_LARGE)
        return 0;

    json_error_t error;
    json_t *root = json_loadb(input.message.value, input.message.value_bytes, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
                              &error);
    bool from_fields = reason == DL_ACCEPTED || (reason >= DL_REJECT_NOT_OBJECT && reason != DL_REJECT_OUT_OF_RANGE);
    DL_ASSERT(root != NULL || !from_fields);
    DL_ASSERT(root == NULL || reason != DL_REJECT_DUPLICATE_KEY);
    if (root != NULL && reason != DL_REJECT_NOT_JSON) /* jansson goes deeper than 64 */
        check_respelled(&input, root, reason, &event, pair[1]);
    json_decref(root);
    dl_decode_unknown_fields(pair[1], &input.message, on_unknown, NULL);
    return 0;
}
