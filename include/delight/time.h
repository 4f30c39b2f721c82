/* Times are epoch milliseconds, UTC; durations are milliseconds. */
#pragma once

#include <delight/status.h>

#include <stddef.h>
#include <stdint.h>

/* 2000-01-01T00:00:00Z; anything before is taken for a wrong unit. */
#define DL_TIME_MS_MIN INT64_C(946684800000)
/* 9999-12-31T23:59:59.999Z. */
#define DL_TIME_MS_MAX INT64_C(253402300799999)
/* How far ahead of its record's timestamp (or the clock) an event may be. */
#define DL_FUTURE_MS INT64_C(300000)
/* *_ms fields: 0 to 365 days. */
#define DL_DURATION_MS_MAX (INT64_C(365) * 86400000)

/* floor(a / b), b > 0. */
static inline int64_t dl_floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

enum { DL_TIME_TEXT_SIZE = 32 };

/* Parses RFC 3339 with an offset ("2026-11-22T10:00:00.123+01:00"; "T" and "Z" in either case, a
 * space for "T"). Digits beyond milliseconds are cut; second 60 reads 59.999.
 * DL_INVALID: not such a text, no offset, or no such day. No range check. */
DL_MUST_USE enum dl_status dl_time_parse(const char *text, size_t bytes, int64_t *time_ms);

/* "2026-11-22T10:00:00.123Z"; out has DL_TIME_TEXT_SIZE bytes. */
void dl_time_format(char *out, int64_t time_ms);

/* "250ms", "20s", "5m", "1h", "30d" to milliseconds. DL_INVALID: no unit, not a
 * whole number, or over 400 days. */
DL_MUST_USE enum dl_status dl_duration_parse(const char *text, size_t bytes, int64_t *duration_ms);

/* The shortest exact text with one unit: 3600000 is "1h", 90000 is "90s". A
 * whole day reads "24h" up to 24 h and days from 48 h on, as in 7d. */
void dl_duration_format(char *out, size_t out_size, int64_t duration_ms);
