/* The fields of an event, as both of its readers know them: the scanner (scan.c)
 * and the reference over jansson (reference.c). A new field is a member of struct
 * dl_event and a row of schema.c. */
#pragma once

#include "codec.h"

#include <string.h>

enum dl_field_kind {
    DL_AS_TYPE,    /* survey, contact or complaint; CloudEvents may give it */
    DL_AS_ID,      /* any string; CloudEvents may give it */
    DL_AS_TIME,    /* RFC 3339, or epoch milliseconds; CloudEvents may give it */
    DL_AS_NAME,    /* a string of at most DL_NAME_BYTES_MAX bytes */
    DL_AS_PERSON,  /* any string: checked, and kept nowhere */
    DL_AS_WORD,    /* one of two words */
    DL_AS_INTEGER, /* min..max */
    DL_AS_BOOLEAN,
    DL_AS_KANO,    /* one answer, or an array of 1..DL_KANO_ANSWERS_MAX */
};

/* Which events a field belongs to: in all others it is ignored unread. */
enum {
    DL_FORM_SURVEY = 1, DL_FORM_CONTACT = 2, DL_FORM_OPENED = 4, DL_FORM_CLOSED = 8,
    DL_FORM_COMPLAINT = DL_FORM_OPENED | DL_FORM_CLOSED,
    DL_FORM_ANY = DL_FORM_SURVEY | DL_FORM_CONTACT | DL_FORM_COMPLAINT
};
enum { DL_FIELDS_MAX = 64 }; /* a set of fields is a mask */

struct dl_word {
    const char *text;
    int8_t value;
};

struct dl_field_row {
    const char *name;
    enum dl_field_kind kind;
    uint8_t forms;
    bool required;
    uint16_t offset, bytes; /* of the member that holds it; bytes 0: none does */
    int64_t min, max;       /* DL_AS_INTEGER */
    struct dl_word word[2]; /* DL_AS_WORD */
};

/* The rows in the order in which faults are told (DESIGN 4). */
struct dl_schema {
    int count;
    struct dl_field_row row[DL_FIELDS_MAX];
};

/* The contract's rows with the options' segments and csat_max in them. Borrows
 * the segments' names, which must be NUL-terminated, of plain characters, and no
 * names of other fields (asserted). */
void dl_schema_init(struct dl_schema *schema, const struct dl_decode_options *options);

/* One Kano answer, read into struct dl_kano_fields. */
struct dl_kano_fields {
    struct dl_name feature;
    int8_t functional, dysfunctional;
};
extern const struct dl_schema dl_kano_schema;

/* An event in which nothing was said yet. */
extern const struct dl_event dl_event_none;

extern const char *const dl_event_type_words[DL_EVENT_TYPES];
/* false: no such type. */
bool dl_event_type_find(struct dl_name word, enum dl_event_type *type);
/* The last dotted part of a CloudEvents type: com.acme.survey is survey. */
struct dl_name dl_event_type_part(struct dl_name type);

/* The DL_FORM_ of an event whose type, and state in a complaint, are known. */
uint8_t dl_event_form(const struct dl_event *event);
bool dl_event_has_answer(const struct dl_event *event);
/* bad_time: before 2000 or after 9999. future_time: more than DL_FUTURE_MS ahead of
 * dl_event_time_bound. */
enum dl_reject dl_event_time_check(int64_t time_ms, int64_t bound_ms);
/* A record's own timestamp (-1: none) is the producer's word, so the clock bounds it. */
int64_t dl_event_time_bound(int64_t timestamp_ms, int64_t now_ms);

/* The member that a row means, of the struct that its offset is of. */
static inline void *dl_field_at(const struct dl_field_row *row, void *target)
{
    return (char *)target + row->offset;
}

/* Puts an integer, a word's value or a boolean there. */
static inline void dl_field_store(const struct dl_field_row *row, void *target, int64_t value)
{
    void *member = dl_field_at(row, target);
    if (row->bytes == sizeof(int8_t))
        *(int8_t *)member = (int8_t)value;
    else if (row->bytes == sizeof(int64_t))
        *(int64_t *)member = value;
    else /* an int or an enum; schema.c has no others */
        memcpy(member, &(int){(int)value}, sizeof(int));
}
