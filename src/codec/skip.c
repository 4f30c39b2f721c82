#include "skip.h"

#include "syntax.h"
#include "utf8.h"

#include <string.h>

const char *dl_skip_special(const struct dl_marked *marked, const char *at, bool escapes)
{
    size_t count = (size_t)(marked->end - marked->text), offset = (size_t)(at - marked->text);
    for (;;) { /* from special to special */
        const char *from = marked->text + offset;
        uint64_t marks = dl_marks_from(marked, from);
        if (marks == 0) {
            offset += 57;
            if (offset >= count)
                return NULL;
            continue;
        }
        offset += (size_t)__builtin_ctzll(marks);
        unsigned char byte = (unsigned char)marked->text[offset];
        if (byte == '"')
            return marked->text + offset;
        if (byte < 0x20 || (byte == '\\' && !escapes))
            return NULL;
        size_t taken = byte == '\\' ? dl_syntax_escape_bytes(marked->text + offset, count - offset)
                                    : dl_utf8_bytes(marked->text + offset, count - offset);
        if (taken == 0)
            return NULL;
        offset += taken;
    }
}

static uint32_t read_hex(const char *digits)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char digit = (unsigned char)digits[i];
        value = value << 4 | (digit <= '9' ? digit - (uint32_t)'0' : (digit | 0x20) - (uint32_t)'a' + 10);
    }
    return value;
}

/* From behind "\\u"; a surrogate has its other half behind it. */
static const char *unescape_unicode(const char *at, char **out)
{
    uint32_t character = read_hex(at);
    at += 4;
    if (character >= 0xD800 && character < 0xE000) {
        character = 0x10000 + ((character & 0x3FF) << 10) + (read_hex(at + 2) & 0x3FF);
        at += 6;
    }
    *out += dl_utf8_put(character, *out);
    return at;
}

char *dl_unescape(const char *at, const char *end, char *out)
{
    static const char named[] = "b\bf\fn\nr\rt\t";
    for (;;) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((escape != NULL ? escape : end) - at);
        memcpy(out, at, plain);
        out += plain;
        if (escape == NULL)
            return out;
        at = escape + 2;
        if (escape[1] == 'u') {
            at = unescape_unicode(at, &out);
            continue;
        }
        *out = escape[1]; /* a quote, a slash, a backslash */
        for (size_t i = 0; i < sizeof named - 1; i += 2)
            *out = escape[1] == named[i] ? named[i + 1] : *out;
        out++;
    }
}

static const char *skip_string(const struct dl_marked *marked, const char *at)
{
    const char *end = dl_skip_characters(marked, at, true);
    return end != NULL ? end + 1 : NULL;
}

static const char *skip_zeros(const char *at)
{
    const char *start = at;
    while (*at == '0')
        at++;
    return at > start ? at : NULL;
}

const char *dl_skip_zero_decimals(const char *at)
{
    if (*at == '.')
        at = skip_zeros(at + 1);
    if (at != NULL && (*at == 'e' || *at == 'E'))
        at = skip_zeros(at + (at[1] == '+' || at[1] == '-' ? 2 : 1));
    return at;
}

static const char *skip_decimals(const char *at)
{
    while (*at >= '0' && *at <= '9')
        at++;
    return at;
}

/* An integer within int64, as ids of traces are that have all 19 digits. */
static const char *skip_long_integer(const char *at)
{
    static const char most[] = "9223372036854775807";
    const char *end = skip_decimals(at);
    return *at != '0' && end - at == sizeof most - 1 && memcmp(at, most, sizeof most - 1) <= 0 ? end : NULL;
}

/* Neither such an integer nor a real with an exponent of up to two digits is beyond its type. */
static const char *skip_number(const char *at)
{
    int64_t value;
    const char *digits = *at == '-' ? at + 1 : at;
    at = dl_read_digits(digits, &value);
    if (at == NULL)
        at = skip_long_integer(digits);
    if (at != NULL && *at == '.') {
        const char *fraction = at + 1;
        at = skip_decimals(fraction);
        if (at == fraction)
            return NULL;
    }
    if (at != NULL && (*at == 'e' || *at == 'E')) {
        const char *exponent = at + (at[1] == '+' || at[1] == '-' ? 2 : 1);
        at = skip_decimals(exponent);
        if (at == exponent || at - exponent > 2)
            return NULL;
    }
    return at;
}

const char *dl_skip_word(const char *at)
{
    uint64_t four = dl_first_bytes(dl_load(at), 4), five = dl_first_bytes(dl_load(at), 5);
    if (four == UINT64_C(0x65757274) || four == UINT64_C(0x6c6c756e))
        return at + 4; /* true, null */
    return five == UINT64_C(0x65736c6166) ? at + 5 : NULL; /* false */
}

/* false: the object has it already, or there are too many. */
static bool add_unknown(struct dl_unknown_keys *unknown, int base, const struct dl_key *key)
{
    for (int i = base; i < unknown->count; i++) {
        if (dl_key_equal(&unknown->key[i], key))
            return false;
    }
    if (unknown->count == DL_SKIP_KEYS_MAX)
        return false;
    unknown->key[unknown->count++] = *key;
    return true;
}

const char *dl_skip_key(const struct dl_marked *marked, struct dl_unknown_keys *unknown, struct dl_keys *keys,
                        const char *at, int base, const struct dl_key_row **row)
{
    const char *end = dl_skip_characters(marked, at, false);
    if (end == NULL)
        return NULL;
    struct dl_key key = {.data = at, .bytes = (size_t)(end - at)};
    *row = keys != NULL ? dl_keys_find(keys, &key) : NULL;
    if (*row == NULL && !add_unknown(unknown, base, &key))
        return NULL;
    at = dl_skip_space(end + 1);
    return *at == ':' ? at + 1 : NULL;
}

static const char *skip_object(const struct dl_marked *marked, struct dl_unknown_keys *unknown, const char *at, int depth)
{
    int base = unknown->count;
    const struct dl_key_row *row;
    at = dl_skip_space(at);
    if (*at == '}')
        return at + 1;
    while (*at == '"') {
        at = dl_skip_key(marked, unknown, NULL, at + 1, base, &row);
        if (at != NULL)
            at = dl_skip_value(marked, unknown, dl_skip_space(at), depth);
        if (at == NULL)
            return NULL;
        at = dl_skip_space(at);
        if (*at == '}') {
            unknown->count = base;
            return at + 1;
        }
        if (*at != ',')
            return NULL;
        at = dl_skip_space(at + 1);
    }
    return NULL;
}

static const char *skip_array(const struct dl_marked *marked, struct dl_unknown_keys *unknown, const char *at, int depth)
{
    at = dl_skip_space(at);
    if (*at == ']')
        return at + 1;
    for (;;) {
        at = dl_skip_value(marked, unknown, at, depth);
        if (at == NULL)
            return NULL;
        at = dl_skip_space(at);
        if (*at == ']')
            return at + 1;
        if (*at != ',')
            return NULL;
        at = dl_skip_space(at + 1);
    }
}

const char *dl_skip_value(const struct dl_marked *marked, struct dl_unknown_keys *unknown, const char *at, int depth)
{
    switch (*at) {
    case '"':
        return skip_string(marked, at + 1);
    case '{':
        return depth < DL_SKIP_DEPTH_MAX ? skip_object(marked, unknown, at + 1, depth + 1) : NULL;
    case '[':
        return depth < DL_SKIP_DEPTH_MAX ? skip_array(marked, unknown, at + 1, depth + 1) : NULL;
    case 't':
    case 'f':
    case 'n':
        return dl_skip_word(at);
    default:
        return skip_number(at);
    }
}
