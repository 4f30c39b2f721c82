#include "cloudevent.h"

#include "detail.h"
#include "utf8.h"

#include <string.h>
#include <strings.h>

static const char structured_type[] = "application/cloudevents+json";
static const char batch_type[] = "application/cloudevents-batch";

/* The last header of that name, as Kafka's own clients read them; NULL: none,
 * or it has no value. */
static const struct dl_header *find_header(const struct dl_message *message, const char *key)
{
    for (size_t i = message->header_count; i > 0; i--) {
        const struct dl_header *header = &message->headers[i - 1];
        if (strcasecmp(header->key, key) == 0)
            return header->value != NULL ? header : NULL;
    }
    return NULL;
}

static bool starts_with(const struct dl_header *header, const char *prefix)
{
    size_t bytes = strlen(prefix);
    return header->value_bytes >= bytes && strncasecmp(header->value, prefix, bytes) == 0;
}

/* Whether the media type is that one, whatever parameters follow. */
static bool is_media_type(const struct dl_header *header, const char *type)
{
    size_t bytes = strlen(type);
    return starts_with(header, type) && (header->value_bytes == bytes || strchr("; \t", header->value[bytes]) != NULL);
}

enum dl_envelope dl_cloudevent_recognize(struct dl_message *message)
{
    if (message->take_headers != NULL)
        message->take_headers(message);
    message->take_headers = NULL;
    if (message->header_count == 0)
        return DL_PLAIN;
    const struct dl_header *content_type = find_header(message, "content-type");
    if (content_type != NULL && is_media_type(content_type, structured_type))
        return DL_CLOUDEVENT_STRUCTURED;
    if (content_type != NULL && starts_with(content_type, batch_type))
        return DL_CLOUDEVENT_BATCH;
    return find_header(message, "ce_specversion") != NULL ? DL_CLOUDEVENT_BINARY : DL_PLAIN;
}

static enum dl_reject check_specversion(const struct dl_attribute *specversion, char *detail)
{
    const char *text = specversion->text;
    size_t bytes = specversion->bytes;
    if (specversion->json != NULL) {
        if (!json_is_string(specversion->json))
            return dl_refuse(detail, DL_REJECT_WRONG_TYPE, "CloudEvents specversion: expected a string");
        text = json_string_value(specversion->json);
        bytes = json_string_length(specversion->json);
    }
    if (text == NULL)
        return dl_refuse(detail, DL_REJECT_MISSING_FIELD, "CloudEvents specversion: required");
    if (bytes != 3 || memcmp(text, "1.0", 3) != 0)
        return dl_refuse(detail, DL_REJECT_OUT_OF_RANGE, "CloudEvents specversion: only 1.0 is known");
    return DL_ACCEPTED;
}

bool dl_cloudevent_is_text(const struct dl_attribute *attribute)
{
    for (size_t at = 0, length; at < attribute->bytes; at += length) {
        length = dl_utf8_bytes(attribute->text + at, attribute->bytes - at);
        if (length == 0 || attribute->text[at] == '\0')
            return false;
    }
    return true;
}

static struct dl_attribute header_attribute(const struct dl_message *message, const char *key)
{
    const struct dl_header *header = find_header(message, key);
    if (header == NULL)
        return (struct dl_attribute){.text = NULL};
    return (struct dl_attribute){.text = header->value, .bytes = header->value_bytes};
}

static struct dl_attribute member_attribute(const json_t *root, const char *key)
{
    const json_t *value = json_object_get(root, key);
    return (struct dl_attribute){.json = json_is_null(value) ? NULL : value};
}

enum dl_reject dl_cloudevent_open_binary(const struct dl_message *message, struct dl_cloudevent *around, char *detail)
{
    struct dl_attribute specversion = header_attribute(message, "ce_specversion");
    around->type = header_attribute(message, "ce_type");
    around->id = header_attribute(message, "ce_id");
    around->time = header_attribute(message, "ce_time");
    return check_specversion(&specversion, detail);
}

static enum dl_reject open_structured(const json_t *root, const json_t **event, struct dl_cloudevent *around,
                                      char *detail)
{
    struct dl_attribute specversion = member_attribute(root, "specversion");
    enum dl_reject reason = check_specversion(&specversion, detail);
    if (reason != DL_ACCEPTED)
        return reason;

    const json_t *data = member_attribute(root, "data").json;
    if (data == NULL && json_object_get(root, "data_base64") != NULL)
        return dl_refuse(detail, DL_REJECT_MISSING_FIELD, "data: required as a JSON object; data_base64 is not read");
    if (data == NULL)
        return dl_refuse(detail, DL_REJECT_MISSING_FIELD, "data: required, the event");
    if (!json_is_object(data))
        return dl_refuse(detail, DL_REJECT_NOT_OBJECT, "data: expected an object, the event");
    *event = data;
    around->type = member_attribute(root, "type");
    around->id = member_attribute(root, "id");
    around->time = member_attribute(root, "time");
    return DL_ACCEPTED;
}

enum dl_reject dl_cloudevent_open(const struct dl_message *message, enum dl_envelope envelope, const json_t *root,
                                  const json_t **event, struct dl_cloudevent *around, char *detail)
{
    *event = root;
    *around = (struct dl_cloudevent){.type = {.json = NULL}};
    if (envelope == DL_CLOUDEVENT_BATCH)
        return dl_refuse(detail, DL_REJECT_NOT_OBJECT, "a CloudEvents batch; send one event per message");
    if (!json_is_object(root))
        return dl_refuse(detail, DL_REJECT_NOT_OBJECT, "expected an object, the event");
    if (envelope == DL_CLOUDEVENT_BINARY)
        return dl_cloudevent_open_binary(message, around, detail);
    if (envelope == DL_CLOUDEVENT_STRUCTURED)
        return open_structured(root, event, around, detail);
    return DL_ACCEPTED;
}
