/* How a value reads. Redis and JSON want '.' whatever the locale says, so the
 * digits of fractions are computed here and not by printf. */
#include <delight/counter.h>
#include <delight/score.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DECIMALS = 10000 };

/* Writes the digits of number, at least `width` of them; returns their end. */
static char *write_digits(char *out, uint64_t number, int width)
{
    char digits[20]; /* of 2^64 - 1 */
    int count = 0;
    for (; number != 0 || count < width; number /= 10)
        digits[count++] = (char)('0' + number % 10);
    while (count > 0)
        *out++ = digits[--count];
    return out;
}

static char *write_integer(char *out, int64_t integer)
{
    if (integer < 0)
        *out++ = '-';
    /* Negated as unsigned: -INT64_MIN is not an int64. */
    return write_digits(out, integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer, 1);
}

/* share, 0 <= share < 1, in units of 1/DECIMALS, rounded half to even as printf rounds: by the
 * exact binary value. */
static uint32_t round_share(double share)
{
    double product = share * (double)DECIMALS;
    /* What the rounding of the product lost; product + lost is exact. */
    double lost = fma(share, DECIMALS, -product);
    double whole = floor(product);
    double above_half = product - whole - 0.5;
    uint32_t units = (uint32_t)whole;
    if (above_half > -lost || (above_half >= -lost && units % 2 == 1))
        units++;
    return units;
}

static char *write_fraction(char *out, double fraction)
{
    double magnitude = fabs(fraction);
    /* Scores are ratios of 64-bit counts, times 1000 at most: never NaN, at most 22 digits. */
    DL_ASSERT(magnitude < 1e22);
    if (magnitude >= 0x1p63) /* an integer by far; "%.0f" has no decimal point to localise */
        return out + sprintf(out, "%.0f.0000", fraction);
    uint64_t whole = (uint64_t)magnitude;
    uint32_t units = round_share(magnitude - (double)whole);
    if (units == DECIMALS) {
        whole++;
        units = 0;
    }
    if (fraction < 0 && (whole > 0 || units > 0))
        *out++ = '-';
    out = write_digits(out, whole, 1);
    *out++ = '.';
    return write_digits(out, units, 4);
}

size_t dl_value_format(char *out, struct dl_value value)
{
    char *end = out;
    switch (value.kind) {
    case DL_VALUE_NONE:
        break;
    case DL_VALUE_INTEGER:
        end = write_integer(out, value.integer);
        break;
    case DL_VALUE_FRACTION:
        end = write_fraction(out, value.fraction);
        break;
    case DL_VALUE_WORD:
        end = out + strlen(value.word);
        DL_ASSERT(end - out < DL_VALUE_TEXT_SIZE);
        memcpy(out, value.word, (size_t)(end - out));
        break;
    }
    *end = '\0';
    return (size_t)(end - out);
}

const char *dl_kano_word(enum dl_kano category)
{
    static const char *const words[DL_KANO_CATEGORIES] = {
        [DL_KANO_MUST_BE] = "must_be",         [DL_KANO_ONE_DIMENSIONAL] = "one_dimensional",
        [DL_KANO_ATTRACTIVE] = "attractive",   [DL_KANO_INDIFFERENT] = "indifferent",
        [DL_KANO_REVERSE] = "reverse",         [DL_KANO_QUESTIONABLE] = "questionable",
    };
    DL_ASSERT((unsigned)category < DL_KANO_CATEGORIES);
    return words[category];
}

static bool read_word(struct dl_value *value, const char *text, size_t bytes)
{
    for (int category = 0; category < DL_KANO_CATEGORIES; category++) {
        const char *word = dl_kano_word((enum dl_kano)category);
        if (strlen(word) == bytes && memcmp(word, text, bytes) == 0) {
            *value = (struct dl_value){.kind = DL_VALUE_WORD, .word = word};
            return true;
        }
    }
    return false;
}

/* Up to `bytes` digits; false: something else, or too many for int64. */
static bool read_digits(const char *text, size_t bytes, int64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < bytes; i++) {
        int digit = text[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(*number, 10, number) || __builtin_add_overflow(*number, digit, number))
            return false;
    }
    return bytes > 0;
}

bool dl_value_parse(struct dl_value *value, const char *text, size_t bytes)
{
    if (read_word(value, text, bytes))
        return true;
    bool negative = bytes > 0 && *text == '-';
    const char *digits = text + negative, *end = text + bytes;
    const char *point = memchr(digits, '.', (size_t)(end - digits));
    int64_t whole, units = 0;
    if (!read_digits(digits, (size_t)((point ? point : end) - digits), &whole))
        return false;
    if (!point) {
        *value = (struct dl_value){.kind = DL_VALUE_INTEGER, .integer = negative ? -whole : whole};
        return true;
    }
    if (end - point != 5 || !read_digits(point + 1, 4, &units))
        return false;
    double magnitude = (double)whole + (double)units / (double)DECIMALS;
    *value = (struct dl_value){.kind = DL_VALUE_FRACTION, .fraction = negative ? -magnitude : magnitude};
    return true;
}

bool dl_value_equal(struct dl_value a, struct dl_value b)
{
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case DL_VALUE_NONE:
        return true;
    case DL_VALUE_INTEGER:
        return a.integer == b.integer;
    case DL_VALUE_WORD:
        return strcmp(a.word, b.word) == 0;
    case DL_VALUE_FRACTION:
        break;
    }
    double difference = fabs(a.fraction - b.fraction);
    if (difference <= 0)
        return true;
    if (difference > 2.0 / (double)DECIMALS) /* two neighbouring texts apart */
        return false;
    char text[2][DL_VALUE_TEXT_SIZE];
    size_t bytes = dl_value_format(text[0], a);
    return dl_value_format(text[1], b) == bytes && memcmp(text[0], text[1], bytes) == 0;
}
