/* The reference decoder, over jansson: whatever it says is right. It reads every
 * record, and it alone says why something is no event. */
#pragma once

#include "schema.h"

#include <jansson.h>

/* Decodes one record that is neither empty nor too large. *root is what the names
 * of the event point into, beside the record: the caller's to release, NULL or not
 * as it may be. Otherwise as dl_decode. */
enum dl_reject dl_reference_decode(const struct dl_schema *schema, const struct dl_catalogue *catalogue,
                                   struct dl_message *message, int64_t now_ms, json_t **root,
                                   struct dl_event *event, char *detail);

/* One JSON text: the first fault in byte order, or *root (the caller's). */
enum dl_reject dl_reference_parse(const char *text, size_t bytes, json_t **root, char *detail);
