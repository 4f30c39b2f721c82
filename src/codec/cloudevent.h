/* CloudEvents 1.0 in Kafka messages (Kafka protocol binding 1.0). Of what stands
 * around the event, only type, id and time are taken, and only where the event
 * itself does not say them; extension attributes are not read.
 *
 *   structured: content-type: application/cloudevents+json
 *               value {"specversion":"1.0", "type":"com.acme.survey", "id":…, "time":…, "data":{event}}
 *   binary:     headers ce_specversion, ce_type, ce_id, ce_time; value {event} */
#pragma once

#include "codec.h"

#include <jansson.h>

/* An attribute: a JSON value (structured) or a header's text (binary), or neither. */
struct dl_attribute {
    const json_t *json;
    const char *text;
    size_t bytes;
};

struct dl_cloudevent {
    struct dl_attribute type, id, time;
};

enum dl_envelope { DL_PLAIN, DL_CLOUDEVENT_STRUCTURED, DL_CLOUDEVENT_BINARY, DL_CLOUDEVENT_BATCH };

/* By the headers alone, which are taken here; the last one of a name counts, names and media types in
 * either case. */
enum dl_envelope dl_cloudevent_recognize(struct dl_message *message);

/* Whether the value has a member that only what stands around an event has: then
 * the headers say what it is, even of a whole event. */
#define DL_CLOUDEVENT_MEMBER "specversion"

/* Finds the event within the root, and what stands around it; *event is the
 * root for plain events. Reasons: not_object (the value, or data; batches),
 * missing_field (specversion, data), wrong_type and out_of_range (specversion). */
enum dl_reject dl_cloudevent_open(const struct dl_message *message, enum dl_envelope envelope, const json_t *root,
                                  const json_t **event, struct dl_cloudevent *around, char *detail);

/* What stands around a binary CloudEvent: the headers' texts. Reasons:
 * missing_field, out_of_range (specversion). */
enum dl_reject dl_cloudevent_open_binary(const struct dl_message *message, struct dl_cloudevent *around, char *detail);

/* Whether a header's text is UTF-8 without NUL. */
bool dl_cloudevent_is_text(const struct dl_attribute *attribute);
