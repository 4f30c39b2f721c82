#include "timefmt.h"

#include "util.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)
#define DURATION_MS_MAX (3653 * DAY_MS)

/* Days since 1970-01-01 of a date of the Gregorian calendar, counted from 1 March of year 0 so that
 * the leap day comes last. */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = ld_floor_div(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_of_days(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = ld_floor_div(days, 146097);
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

bool ld_duration_parse(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", DAY_MS}};
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0)
        return false;
    for (size_t i = 0; i < LD_COUNT(units); i++) {
        if (strcmp(end, units[i].unit) == 0 && value <= DURATION_MS_MAX / units[i].ms) {
            *ms = value * units[i].ms;
            return true;
        }
    }
    return false;
}

static bool rfc3339_parse(const char *text, int64_t *ms)
{
    int year, month, day, hour, minute, used = 0;
    double second;
    if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%lf%n", &year, &month, &day, &hour, &minute, &second, &used) != 6)
        return false;
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
        second < 0 || second >= 60)
        return false;
    int offset_minutes = 0;
    const char *zone = text + used;
    if (strcmp(zone, "Z") != 0 && strcmp(zone, "z") != 0) {
        int offset_hour, offset_minute, zone_used = 0;
        char sign[2];
        if (sscanf(zone, "%1[+-]%2d:%2d%n", sign, &offset_hour, &offset_minute, &zone_used) != 3 ||
            zone[zone_used] != '\0')
            return false;
        offset_minutes = (offset_hour * 60 + offset_minute) * (sign[0] == '-' ? -1 : 1);
    }
    int64_t seconds = days_of_date(year, month, day) * 86400 + hour * 3600 + minute * 60 - offset_minutes * 60;
    *ms = seconds * 1000 + (int64_t)(second * 1000 + 1e-6);
    return true;
}

bool ld_time_parse(const char *text, int64_t now_ms, int64_t *ms)
{
    if (strncmp(text, "now", 3) == 0) {
        int64_t back_ms = 0;
        if (text[3] != '\0' && (text[3] != '-' || !ld_duration_parse(text + 4, &back_ms)))
            return false;
        *ms = now_ms - back_ms;
        return true;
    }
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno == 0 && *end == '\0' && end != text) {
        *ms = number;
        return true;
    }
    return rfc3339_parse(text, ms);
}

size_t ld_time_format(char *out, int64_t ms, int offset_minutes)
{
    int year, month, day;
    int64_t local_ms = ms + (int64_t)offset_minutes * 60000;
    int64_t days = ld_floor_div(local_ms, DAY_MS);
    int of_day = (int)(local_ms - days * DAY_MS);
    date_of_days(days, &year, &month, &day);
    int length = snprintf(out, LD_TIME_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03d", year, month, day,
                          of_day / 3600000, of_day / 60000 % 60, of_day / 1000 % 60, of_day % 1000);
    if (offset_minutes == 0)
        length += snprintf(out + length, LD_TIME_TEXT_MAX - (size_t)length, "Z");
    else
        length += snprintf(out + length, LD_TIME_TEXT_MAX - (size_t)length, "%c%02d:%02d",
                           offset_minutes < 0 ? '-' : '+', abs(offset_minutes) / 60, abs(offset_minutes) % 60);
    return (size_t)length;
}
