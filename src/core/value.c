/* How a value reads. Redis and JSON want '.' whatever the locale says, so the
 * digits of fractions are computed here and not by printf. */
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
