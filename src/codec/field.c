#include "field.h"

#include "detail.h"

#include <delight/time.h>

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

enum dl_reject dl_read_name(const struct dl_fields *fields, const char *name, const json_t *value,
                            struct dl_name *string)
{
    enum dl_reject reason = dl_read_string(fields, name, value, string);
    if (reason == DL_ACCEPTED && string->bytes > DL_NAME_BYTES_MAX)
        return dl_refuse_field(fields, name, DL_REJECT_OUT_OF_RANGE, "%u bytes, a name has at most %d",
                               (unsigned)string->bytes, DL_NAME_BYTES_MAX);
    return reason;
}

enum dl_reject dl_read_required_name(const struct dl_fields *fields, const char *name, struct dl_name *string)
{
    enum dl_reject reason = dl_read_name(fields, name, dl_field(fields, name), string);
    if (reason == DL_ACCEPTED && string->bytes == 0)
        return dl_refuse_field(fields, name, DL_REJECT_MISSING_FIELD, "required, 1..%d bytes", DL_NAME_BYTES_MAX);
    return reason;
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

enum dl_reject dl_read_integer(const struct dl_fields *fields, const char *name, int64_t min, int64_t max,
                               int64_t *integer)
{
    const json_t *value = dl_field(fields, name);
    if (value == NULL)
        return DL_ACCEPTED;
    int64_t number;
    if (!dl_json_integer(value, &number)) {
        if (json_is_number(value))
            return dl_refuse_field(fields, name, DL_REJECT_WRONG_TYPE, "%.6g is not an integer",
                                   json_number_value(value));
        return wrong_type(fields, name, value, "an integer");
    }
    if (number < min || number > max) {
        if (json_is_integer(value))
            return dl_refuse_field(fields, name, DL_REJECT_OUT_OF_RANGE, "%lld is outside %lld..%lld",
                                   (long long)number, (long long)min, (long long)max);
        return dl_refuse_field(fields, name, DL_REJECT_OUT_OF_RANGE, "%.6g is outside %lld..%lld",
                               json_number_value(value), (long long)min, (long long)max);
    }
    *integer = number;
    return DL_ACCEPTED;
}

enum dl_reject dl_read_duration(const struct dl_fields *fields, const char *name, int64_t *duration_ms)
{
    return dl_read_integer(fields, name, 0, DL_DURATION_MS_MAX, duration_ms);
}

enum dl_reject dl_read_boolean(const struct dl_fields *fields, const char *name, int8_t *boolean)
{
    const json_t *value = dl_field(fields, name);
    if (value == NULL)
        return DL_ACCEPTED;
    if (!json_is_boolean(value))
        return wrong_type(fields, name, value, "true or false");
    *boolean = json_is_true(value) ? 1 : 0;
    return DL_ACCEPTED;
}

enum dl_reject dl_read_word(const struct dl_fields *fields, const char *name, const char *const words[2], int *index)
{
    const json_t *value = dl_field(fields, name);
    if (value == NULL)
        return DL_ACCEPTED;
    struct dl_name word;
    enum dl_reject reason = dl_read_string(fields, name, value, &word);
    if (reason != DL_ACCEPTED)
        return reason;
    for (int i = 0; i < 2; i++) {
        if (strcmp(json_string_value(value), words[i]) == 0) {
            *index = i;
            return DL_ACCEPTED;
        }
    }
    return dl_refuse_field(fields, name, DL_REJECT_OUT_OF_RANGE, "\"%.*s\" is neither %s nor %s",
                           dl_quoted_bytes(word.data, word.bytes), word.data, words[0], words[1]);
}
