#include <delight/time.h>

#include <delight/load.h>

#include <inttypes.h>
#include <stdio.h>

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS };

#define DURATION_MS_MAX (INT64_C(400) * DAY_MS)

/* Days between 1970-01-01 and a date of the proleptic Gregorian calendar. Years are counted from
 * March, so that the leap day is the last of its year and month lengths follow one line. */
static int64_t days_of_date(int64_t year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of_days(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t shifted = days + 719468; /* since 0000-03-01 */
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * from_march + 2) / 5 + 1);
    *month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
    *year = era * 400 + year_of_era + (*month <= 2 ? 1 : 0);
}

/* month 1..12 */
static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* What is left of the text. Each take_ function moves on only where it succeeds. */
struct cursor {
    const char *at;
    const char *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take_number(struct cursor *cursor, int digits, int min, int max, int *number)
{
    if (cursor->end - cursor->at < digits)
        return false;
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (!is_digit(cursor->at[i]))
            return false;
        value = value * 10 + (cursor->at[i] - '0');
    }
    if (value < min || value > max)
        return false;
    cursor->at += digits;
    *number = value;
    return true;
}

/* One of the two given characters. */
static bool take_char(struct cursor *cursor, char one, char other)
{
    if (cursor->at == cursor->end || (*cursor->at != one && *cursor->at != other))
        return false;
    cursor->at++;
    return true;
}

/* Two digits; any other character makes *wrong true. */
static int two_digits(const char *text, bool *wrong)
{
    unsigned tens = (unsigned char)text[0] - (unsigned)'0', ones = (unsigned char)text[1] - (unsigned)'0';
    *wrong |= (tens > 9) | (ones > 9);
    return (int)(tens * 10 + ones);
}

/* "2026-11-22T10:00:00": every character has its place, so they are all read before anything is decided. */
static bool take_date_and_time(struct cursor *cursor, int64_t *date_ms, int64_t *of_day_ms, bool *leap_second)
{
    enum { BYTES = 19 };
    const char *text = cursor->at;
    if (cursor->end - text < BYTES)
        return false;
    bool wrong = false;
    int century = two_digits(text, &wrong), of_century = two_digits(text + 2, &wrong);
    int year = century * 100 + of_century, month = two_digits(text + 5, &wrong), day = two_digits(text + 8, &wrong);
    int hour = two_digits(text + 11, &wrong), minute = two_digits(text + 14, &wrong), second = two_digits(text + 17, &wrong);
    wrong |= (text[4] != '-') | (text[7] != '-') | (text[13] != ':') | (text[16] != ':');
    wrong |= (text[10] != 'T') & (text[10] != 't') & (text[10] != ' ');
    wrong |= (hour > 23) | (minute > 59) | (second > 60);
    if (wrong || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *date_ms = days_of_date(year, month, day) * DAY_MS;
    *of_day_ms = (int64_t)hour * HOUR_MS + (int64_t)minute * MINUTE_MS + (int64_t)second * SECOND_MS;
    *leap_second = second == 60;
    cursor->at += BYTES;
    return true;
}

/* ".123456": at least one digit; what is beyond milliseconds is cut. */
static bool take_fraction(struct cursor *cursor, int *fraction_ms)
{
    *fraction_ms = 0;
    if (!take_char(cursor, '.', '.'))
        return true;
    int digits = 0;
    for (; cursor->at < cursor->end && is_digit(*cursor->at); cursor->at++, digits++) {
        if (digits < 3)
            *fraction_ms = *fraction_ms * 10 + (*cursor->at - '0');
    }
    if (digits == 1)
        *fraction_ms *= 100;
    else if (digits == 2)
        *fraction_ms *= 10;
    return digits > 0;
}

static bool take_offset(struct cursor *cursor, int64_t *offset_ms)
{
    int hour, minute;
    *offset_ms = 0;
    if (take_char(cursor, 'Z', 'z'))
        return true;
    if (cursor->at == cursor->end)
        return false;
    int64_t sign = *cursor->at == '-' ? -1 : 1;
    if (!take_char(cursor, '+', '-') || !take_number(cursor, 2, 0, 23, &hour) || !take_char(cursor, ':', ':') ||
        !take_number(cursor, 2, 0, 59, &minute))
        return false;
    *offset_ms = sign * ((int64_t)hour * HOUR_MS + (int64_t)minute * MINUTE_MS);
    return true;
}

/* "2026-11-22T10:00:00.123Z", as most producers write it, eight characters at once. false: it is something else, or no time. */
static bool read_usual(const char *text, int64_t *time_ms)
{
    /* Less "0000-00-", "00T00:00" and ":00.000Z": digits are their values, and what stands between them is 0. */
    uint64_t date = dl_load(text) ^ UINT64_C(0x2D30302D30303030), day_on = dl_load(text + 8) ^ UINT64_C(0x30303A3030543030),
             second_on = dl_load(text + 16) ^ UINT64_C(0x5A3030302E30303A);
    /* Of a digit above 9 and of anything but 0 between them the byte's top bit is set. */
    uint64_t wrong = ((date + UINT64_C(0x7F76767F76767676)) | date) |
                     ((day_on + UINT64_C(0x76767F76767F7676)) | day_on) |
                     ((second_on + UINT64_C(0x7F7676767F76767F)) | second_on);
    if ((wrong & UINT64_C(0x8080808080808080)) != 0)
        return false;
    /* Each byte ten times and the next one: the number that the two make. */
    uint64_t years = date * 10 + (date >> 8), days = day_on * 10 + (day_on >> 8), seconds = second_on * 10 + (second_on >> 8);
    int year = (int)((years & 0xFF) * 100 + (years >> 16 & 0xFF)), month = (int)(years >> 40 & 0xFF), day = (int)(days & 0xFF);
    int hour = (int)(days >> 24 & 0xFF), minute = (int)(days >> 48 & 0xFF), second = (int)(seconds >> 8 & 0xFF);
    if ((month < 1) | (month > 12) | (hour > 23) | (minute > 59) | (second > 59) | (day < 1) ||
        (day > 28 && day > days_in_month(year, month)))
        return false;
    int of_second_ms = (int)((seconds >> 32 & 0xFF) * 10 + (second_on >> 48 & 0xFF));
    *time_ms = days_of_date(year, month, day) * DAY_MS + (hour * 60 + minute) * (int64_t)MINUTE_MS + second * SECOND_MS +
               of_second_ms;
    return true;
}

enum dl_status dl_time_parse(const char *text, size_t bytes, int64_t *time_ms)
{
    enum { USUAL_BYTES = 24 };
    if (bytes == 0)
        return DL_INVALID;
    if (bytes == USUAL_BYTES && read_usual(text, time_ms))
        return DL_OK;
    struct cursor cursor = {.at = text, .end = text + bytes};
    int64_t date_ms, of_day_ms, offset_ms;
    bool leap_second;
    int fraction_ms;
    if (!take_date_and_time(&cursor, &date_ms, &of_day_ms, &leap_second) || !take_fraction(&cursor, &fraction_ms) ||
        !take_offset(&cursor, &offset_ms) || cursor.at != cursor.end)
        return DL_INVALID;
    /* Epoch time has no leap seconds: one is the last millisecond of its minute. */
    *time_ms = date_ms + of_day_ms + (leap_second ? -1 : fraction_ms) - offset_ms;
    return DL_OK;
}

void dl_time_format(char *out, int64_t time_ms)
{
    int64_t year;
    int month, day;
    int64_t days = time_ms / DAY_MS;
    int64_t of_day_ms = time_ms % DAY_MS;
    if (of_day_ms < 0) { /* before 1970: the day is the one that began before it */
        of_day_ms += DAY_MS;
        days--;
    }
    date_of_days(days, &year, &month, &day);
    snprintf(out, DL_TIME_TEXT_SIZE, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d.%03dZ", year, month, day,
             (int)(of_day_ms / HOUR_MS), (int)(of_day_ms / MINUTE_MS % 60), (int)(of_day_ms / SECOND_MS % 60),
             (int)(of_day_ms % SECOND_MS));
}

/* Milliseconds of a unit, 0 for what is none. */
static int64_t unit_ms(const char *unit, size_t bytes)
{
    if (bytes == 2 && unit[0] == 'm' && unit[1] == 's')
        return 1;
    if (bytes != 1)
        return 0;
    switch (unit[0]) {
    case 's':
        return SECOND_MS;
    case 'm':
        return MINUTE_MS;
    case 'h':
        return HOUR_MS;
    case 'd':
        return DAY_MS;
    default:
        return 0;
    }
}

enum dl_status dl_duration_parse(const char *text, size_t bytes, int64_t *duration_ms)
{
    int64_t number = 0;
    size_t digits = 0;
    for (; digits < bytes && is_digit(text[digits]); digits++) {
        number = number * 10 + (text[digits] - '0');
        if (number > DURATION_MS_MAX)
            return DL_INVALID;
    }
    if (digits == 0 || digits == bytes)
        return DL_INVALID;
    int64_t unit = unit_ms(text + digits, bytes - digits);
    if (unit == 0 || number > DURATION_MS_MAX / unit)
        return DL_INVALID;
    *duration_ms = number * unit;
    return DL_OK;
}

void dl_duration_format(char *out, size_t out_size, int64_t duration_ms)
{
    static const struct {
        int64_t unit_ms;
        int64_t from_ms; /* where the unit is first used: "24h" is the name that people give to a day's window */
        const char *unit;
    } rows[] = {{DAY_MS, 2 * DAY_MS, "d"}, {HOUR_MS, 0, "h"}, {MINUTE_MS, 0, "m"}, {SECOND_MS, 0, "s"}, {1, 0, "ms"}};
    DL_ASSERT(duration_ms >= 0);
    size_t row = duration_ms == 0 ? 3 : 0; /* every unit divides 0, which reads "0s" */
    while (duration_ms % rows[row].unit_ms != 0 || duration_ms < rows[row].from_ms)
        row++;
    snprintf(out, out_size, "%" PRId64 "%s", duration_ms / rows[row].unit_ms, rows[row].unit);
}
