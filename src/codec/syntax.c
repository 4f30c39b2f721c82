#include "syntax.h"

#include "utf8.h"

#include <string.h>

enum expected {
    A_VALUE, A_VALUE_OR_END, /* end: of the array that has just begun */
    A_KEY, A_KEY_OR_END,
    A_COLON,
    A_COMMA_OR_END,
    NOTHING
};

static const char *const expected_text[] = {
    [A_VALUE] = "expected a value",
    [A_VALUE_OR_END] = "expected a value or ]",
    [A_KEY] = "expected a key",
    [A_KEY_OR_END] = "expected a key or }",
    [A_COLON] = "expected a colon",
    [A_COMMA_OR_END] = "expected a comma or the end of the object or array",
    [NOTHING] = "expected nothing after the value",
};

struct scan {
    const char *text;
    size_t bytes, at;
    int depth;
    uint64_t objects; /* bit d - 1: what opened at depth d is an object */
    enum expected expected;
    struct dl_syntax_fault *fault;
};

static bool fault_at(struct scan *scan, enum dl_reject reason, size_t at, const char *what)
{
    *scan->fault = (struct dl_syntax_fault){.reason = reason, .at = at, .what = what};
    return false;
}

/* The byte at scan->at, or the end that is there, is not what the grammar wants. */
static bool unexpected(struct scan *scan, const char *what)
{
    if (scan->at == scan->bytes)
        return fault_at(scan, DL_REJECT_NOT_JSON, scan->at, "the text ends too early");
    if (dl_utf8_bytes(scan->text + scan->at, scan->bytes - scan->at) == 0)
        return fault_at(scan, DL_REJECT_BAD_UTF8, scan->at, "not UTF-8");
    return fault_at(scan, DL_REJECT_NOT_JSON, scan->at, what);
}

/* The next byte, or -1 at the end. */
static int peek(const struct scan *scan)
{
    return scan->at < scan->bytes ? (unsigned char)scan->text[scan->at] : -1;
}

static bool is_digit(int byte)
{
    return byte >= '0' && byte <= '9';
}

static int hex_value(int byte)
{
    if (is_digit(byte))
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

/* Four hexadecimal digits. */
static bool scan_hex(struct scan *scan, int *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(peek(scan));
        if (digit < 0)
            return unexpected(scan, "expected four hexadecimal digits");
        *value = *value * 16 + digit;
        scan->at++;
    }
    return true;
}

/* The second half of a surrogate pair, \uDC00 to \uDFFF; `at` is the first half. */
static bool scan_low_surrogate(struct scan *scan, size_t at)
{
    for (int i = 0; i < 6; i++) {
        int byte = peek(scan);
        if (byte < 0)
            return unexpected(scan, "");
        bool fits = i == 0   ? byte == '\\'
                    : i == 1 ? byte == 'u'
                    : i == 2 ? byte == 'd' || byte == 'D'
                    : i == 3 ? hex_value(byte) >= 0xC
                             : hex_value(byte) >= 0;
        if (!fits)
            return fault_at(scan, DL_REJECT_BAD_UTF8, at, "a lone surrogate");
        scan->at++;
    }
    return true;
}

/* From the backslash on. */
static bool scan_escape(struct scan *scan)
{
    size_t at = scan->at++;
    int byte = peek(scan);
    if (byte > 0 && strchr("\"\\/bfnrt", byte) != NULL) {
        scan->at++;
        return true;
    }
    if (byte != 'u')
        return unexpected(scan, "no such escape");
    scan->at++;

    int unit;
    if (!scan_hex(scan, &unit))
        return false;
    if (unit == 0)
        return fault_at(scan, DL_REJECT_BAD_UTF8, at, "U+0000");
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return fault_at(scan, DL_REJECT_BAD_UTF8, at, "a lone surrogate");
    if (unit >= 0xD800 && unit <= 0xDBFF)
        return scan_low_surrogate(scan, at);
    return true;
}

/* From the opening quote on. */
static bool scan_string(struct scan *scan)
{
    scan->at++;
    for (;;) {
        int byte = peek(scan);
        if (byte == '"') {
            scan->at++;
            return true;
        }
        if (byte < 0x20)
            return unexpected(scan, "a control character in a string");
        if (byte == '\\') {
            if (!scan_escape(scan))
                return false;
            continue;
        }
        size_t length = byte < 0x80 ? 1 : dl_utf8_bytes(scan->text + scan->at, scan->bytes - scan->at);
        if (length == 0)
            return unexpected(scan, "");
        scan->at += length;
    }
}

static bool scan_digits(struct scan *scan)
{
    if (!is_digit(peek(scan)))
        return unexpected(scan, "expected a digit");
    while (is_digit(peek(scan)))
        scan->at++;
    return true;
}

static bool scan_number(struct scan *scan)
{
    if (peek(scan) == '-')
        scan->at++;
    if (peek(scan) == '0')
        scan->at++;
    else if (!scan_digits(scan))
        return false;
    if (peek(scan) == '.') {
        scan->at++;
        if (!scan_digits(scan))
            return false;
    }
    if (peek(scan) == 'e' || peek(scan) == 'E') {
        scan->at++;
        if (peek(scan) == '+' || peek(scan) == '-')
            scan->at++;
        if (!scan_digits(scan))
            return false;
    }
    return true;
}

static bool scan_word(struct scan *scan, const char *word)
{
    for (; *word != '\0'; word++) {
        if (peek(scan) != *word)
            return unexpected(scan, expected_text[A_VALUE]);
        scan->at++;
    }
    return true;
}

static void after_value(struct scan *scan)
{
    scan->expected = scan->depth > 0 ? A_COMMA_OR_END : NOTHING;
}

static bool in_object(const struct scan *scan)
{
    return (scan->objects >> (scan->depth - 1)) & 1;
}

static bool scan_open(struct scan *scan, bool object)
{
    if (scan->depth == DL_JSON_DEPTH_MAX)
        return fault_at(scan, DL_REJECT_NOT_JSON, scan->at, "nested deeper than 64");
    uint64_t bit = UINT64_C(1) << scan->depth;
    scan->objects = object ? scan->objects | bit : scan->objects & ~bit;
    scan->depth++;
    scan->at++;
    scan->expected = object ? A_KEY_OR_END : A_VALUE_OR_END;
    return true;
}

static bool scan_close(struct scan *scan)
{
    scan->depth--;
    scan->at++;
    after_value(scan);
    return true;
}

static bool scan_value(struct scan *scan)
{
    int byte = peek(scan);
    if (byte == '{' || byte == '[')
        return scan_open(scan, byte == '{');

    bool good;
    if (byte == '"')
        good = scan_string(scan);
    else if (byte == '-' || is_digit(byte))
        good = scan_number(scan);
    else if (byte == 't')
        good = scan_word(scan, "true");
    else if (byte == 'f')
        good = scan_word(scan, "false");
    else if (byte == 'n')
        good = scan_word(scan, "null");
    else
        good = unexpected(scan, expected_text[scan->expected]);
    if (good)
        after_value(scan);
    return good;
}

static bool scan_key(struct scan *scan)
{
    if (peek(scan) != '"')
        return unexpected(scan, expected_text[scan->expected]);
    scan->expected = A_COLON;
    return scan_string(scan);
}

/* One token, at a byte that is no white space. */
static bool scan_token(struct scan *scan)
{
    int byte = peek(scan);
    switch (scan->expected) {
    case A_VALUE_OR_END:
        return byte == ']' ? scan_close(scan) : scan_value(scan);
    case A_VALUE:
        return scan_value(scan);
    case A_KEY_OR_END:
        return byte == '}' ? scan_close(scan) : scan_key(scan);
    case A_KEY:
        return scan_key(scan);
    case A_COLON:
        if (byte != ':')
            break;
        scan->at++;
        scan->expected = A_VALUE;
        return true;
    case A_COMMA_OR_END:
        if (byte == (in_object(scan) ? '}' : ']'))
            return scan_close(scan);
        if (byte != ',')
            break;
        scan->at++;
        scan->expected = in_object(scan) ? A_KEY : A_VALUE;
        return true;
    case NOTHING:
        break;
    }
    return unexpected(scan, expected_text[scan->expected]);
}

bool dl_syntax_check(const char *text, size_t bytes, struct dl_syntax_fault *fault)
{
    struct scan scan = {.text = text, .bytes = bytes, .expected = A_VALUE, .fault = fault};
    for (;;) {
        int byte = peek(&scan);
        if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r') {
            scan.at++;
            continue;
        }
        if (byte < 0 && scan.expected == NOTHING)
            return true;
        if (!scan_token(&scan))
            return false;
    }
}

size_t dl_syntax_escape_bytes(const char *text, size_t bytes)
{
    struct dl_syntax_fault fault;
    struct scan scan = {.text = text, .bytes = bytes, .fault = &fault};
    return scan_escape(&scan) ? scan.at : 0;
}
