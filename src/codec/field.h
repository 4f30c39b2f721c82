/* Reads the fields of one event from its JSON, each with its own reason and detail.
 * null is absent everywhere. Every dl_read_x returns DL_ACCEPTED or the reason. */
#pragma once

#include "cloudevent.h"
#include "schema.h"

#include <jansson.h>

enum { DL_KANO_NONE = -1 };

struct dl_fields {
    const json_t *object;               /* the event, or one Kano answer of it */
    const struct dl_cloudevent *around; /* all empty for a plain event */
    int kano;                           /* index of the Kano answer, or DL_KANO_NONE: for details */
    char *detail;
};

/* The value of a field, NULL where it is absent. */
const json_t *dl_field(const struct dl_fields *fields, const char *name);

/* Refuses with "FIELD: " before the sentence. */
DL_PRINTF(4, 5)
enum dl_reject dl_refuse_field(const struct dl_fields *fields, const char *name, enum dl_reject reason,
                               const char *format, ...);

/* Any string; bytes 0 where it is absent or empty. */
enum dl_reject dl_read_string(const struct dl_fields *fields, const char *name, const json_t *value,
                              struct dl_name *string);

/* A name, a person, a word, an integer or a boolean as its row says, into target.
 * Absent: missing_field if it is required, else target stays as it is. */
enum dl_reject dl_read_field(const struct dl_fields *fields, const struct dl_field_row *row, void *target);

/* Whether a JSON number is an integer, and which; false for 7.5 and for what is
 * no number: 9, 9.0 and 9e0 are the integer 9. What is beyond int64 saturates: no
 * field reaches that far. */
bool dl_json_integer(const json_t *value, int64_t *integer);
