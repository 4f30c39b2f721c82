#include "field.h"

#include "detail.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const json_t *dl_field(const struct dl_fields *fields, const char *name)
{
    const json_t *value = json_object_get(fields->object, name);
    return json_is_null(value) ? NULL : value;
}

enum dl_reject dl_refuse_field(const struct dl_fields *fields, const char *name, enum dl_reject reason,
                               const char *format, ...)
{
    char sentence[DL_DETAIL_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    if (fields->kano != DL_KANO_NONE)
        return dl_refuse(fields->detail, reason, "kano[%d].%s: %s", fields->kano, name, sentence);
    return dl_refuse(fields->detail, reason, "%s: %s", name, sentence);
}

static const char *type_text(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

static enum dl_reject wrong_type(const struct dl_fields *fields, const char *name, const json_t *value,
                                 const char *expected)
{
    return dl_refuse_field(fields, name, DL_REJECT_WRONG_TYPE, "expected %s, not %s", expected, type_text(value));
}

enum dl_reject dl_read_string(const struct dl_fields *fields, const char *name, const json_t *value,
                              struct dl_name *string)
{
    *string = (struct dl_name){.data = NULL};
    if (value == NULL)
        return DL_ACCEPTED;
    if (!json_is_string(value))
        return wrong_type(fields, name, value, "a string");
    *string = (struct dl_name){.data = json_string_value(value), .bytes = (uint32_t)json_string_length(value)};
    return DL_ACCEPTED;
}

static enum dl_reject missing(const struct dl_fields *fields, const struct dl_field_row *row)
{
    if (row->kind == DL_AS_NAME)
        return dl_refuse_field(fields, row->name, DL_REJECT_MISSING_FIELD, "required, 1..%d bytes", DL_NAME_BYTES_MAX);
    if (row->kind == DL_AS_WORD)
        return dl_refuse_field(fields, row->name, DL_REJECT_MISSING_FIELD, "required, %s or %s", row->word[0].text,
                               row->word[1].text);
    DL_ASSERT(row->kind == DL_AS_INTEGER);
    return dl_refuse_field(fields, row->name, DL_REJECT_MISSING_FIELD, "required, %lld..%lld", (long long)row->min,
                           (long long)row->max);
}

static enum dl_reject read_name(const struct dl_fields *fields, const struct dl_field_row *row, const json_t *value,
                                void *target)
{
    struct dl_name name;
    enum dl_reject reason = dl_read_string(fields, row->name, value, &name);
    if (reason != DL_ACCEPTED)
        return reason;
    if (name.bytes > DL_NAME_BYTES_MAX)
        return dl_refuse_field(fields, row->name, DL_REJECT_OUT_OF_RANGE, "%u bytes, a name has at most %d",
                               (unsigned)name.bytes, DL_NAME_BYTES_MAX);
    if (row->required && name.bytes == 0)
        return missing(fields, row);
    *(struct dl_name *)dl_field_at(row, target) = name;
    return DL_ACCEPTED;
}

static enum dl_reject read_word(const struct dl_fields *fields, const struct dl_field_row *row, const json_t *value,
                                void *target)
{
    struct dl_name word;
    enum dl_reject reason = dl_read_string(fields, row->name, value, &word);
    if (reason != DL_ACCEPTED)
        return reason;
    for (int i = 0; i < 2; i++) {
        if (dl_name_equal(word, dl_name_of(row->word[i].text))) {
            dl_field_store(row, target, row->word[i].value);
            return DL_ACCEPTED;
        }
    }
    return dl_refuse_field(fields, row->name, DL_REJECT_OUT_OF_RANGE, "\"%.*s\" is neither %s nor %s",
                           dl_quoted_bytes(word.data, word.bytes), word.data, row->word[0].text, row->word[1].text);
}

bool dl_json_integer(const json_t *value, int64_t *integer)
{
    if (json_is_integer(value)) {
        *integer = json_integer_value(value);
        return true;
    }
    if (!json_is_real(value))
        return false;
    double real = json_real_value(value);
    if (real != trunc(real))
        return false;
    /* 2^63 is the first double that int64 cannot hold; -2^63 can be held. */
    if (real >= 0x1p63)
        *integer = INT64_MAX;
    else if (real < -0x1p63)
        *integer = INT64_MIN;
    else
        *integer = (int64_t)real;
    return true;
}

static enum dl_reject read_integer(const struct dl_fields *fields, const struct dl_field_row *row, const json_t *value,
                                   void *target)
{
    int64_t number;
    if (!dl_json_integer(value, &number)) {
        if (json_is_number(value))
            return dl_refuse_field(fields, row->name, DL_REJECT_WRONG_TYPE, "%.6g is not an integer",
                                   json_number_value(value));
        return wrong_type(fields, row->name, value, "an integer");
    }
    if (number < row->min || number > row->max) {
        if (json_is_integer(value))
            return dl_refuse_field(fields, row->name, DL_REJECT_OUT_OF_RANGE, "%lld is outside %lld..%lld",
                                   (long long)number, (long long)row->min, (long long)row->max);
        return dl_refuse_field(fields, row->name, DL_REJECT_OUT_OF_RANGE, "%.6g is outside %lld..%lld",
                               json_number_value(value), (long long)row->min, (long long)row->max);
    }
    dl_field_store(row, target, number);
    return DL_ACCEPTED;
}

static enum dl_reject read_boolean(const struct dl_fields *fields, const struct dl_field_row *row, const json_t *value,
                                   void *target)
{
    if (!json_is_boolean(value))
        return wrong_type(fields, row->name, value, "true or false");
    dl_field_store(row, target, json_is_true(value) ? 1 : 0);
    return DL_ACCEPTED;
}

enum dl_reject dl_read_field(const struct dl_fields *fields, const struct dl_field_row *row, void *target)
{
    const json_t *value = dl_field(fields, row->name);
    if (value == NULL)
        return row->required ? missing(fields, row) : DL_ACCEPTED;
    switch (row->kind) {
    case DL_AS_NAME:
        return read_name(fields, row, value, target);
    case DL_AS_PERSON:
        return dl_read_string(fields, row->name, value, &(struct dl_name){.data = NULL});
    case DL_AS_WORD:
        return read_word(fields, row, value, target);
    case DL_AS_INTEGER:
        return read_integer(fields, row, value, target);
    case DL_AS_BOOLEAN:
        return read_boolean(fields, row, value, target);
    case DL_AS_TYPE:
    case DL_AS_ID:
    case DL_AS_TIME:
    case DL_AS_KANO:
        break;
    }
    DL_ASSERT(false); /* the caller reads these itself */
    return DL_REJECT_NOT_JSON;
}
