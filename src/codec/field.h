/* Reads the fields of one event, each with its own reason and detail. null is
 * absent everywhere. Every dl_read_x returns DL_ACCEPTED or the reason. */
#pragma once

#include "cloudevent.h"

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
/* A string of at most DL_NAME_BYTES_MAX bytes. */
enum dl_reject dl_read_name(const struct dl_fields *fields, const char *name, const json_t *value,
                            struct dl_name *string);
enum dl_reject dl_read_required_name(const struct dl_fields *fields, const char *name, struct dl_name *string);

/* An integer in min..max; 9, 9.0 and 9e0 are the integer 9. Absent: *integer is
 * left as it is. */
enum dl_reject dl_read_integer(const struct dl_fields *fields, const char *name, int64_t min, int64_t max,
                               int64_t *integer);
/* A duration, 0..DL_DURATION_MS_MAX; absent: left as it is. */
enum dl_reject dl_read_duration(const struct dl_fields *fields, const char *name, int64_t *duration_ms);
/* 0 or 1; absent: left as it is. */
enum dl_reject dl_read_boolean(const struct dl_fields *fields, const char *name, int8_t *boolean);
/* One of two words, 0 or 1; any other string is out_of_range. Absent: left as it is. */
enum dl_reject dl_read_word(const struct dl_fields *fields, const char *name, const char *const words[2], int *index);

/* Whether a JSON number is an integer, and which; false for 7.5 and for what is
 * no number. What is beyond int64 saturates: no field reaches that far. */
bool dl_json_integer(const json_t *value, int64_t *integer);
