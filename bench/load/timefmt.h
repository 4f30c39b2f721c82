/* Durations and points in time as text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LD_TIME_TEXT_MAX 48

/* "250ms", "20s", "5m", "1h", "7d"; whole numbers, up to ten years. False leaves *ms alone. */
bool ld_duration_parse(const char *text, int64_t *ms);

/* Epoch milliseconds, RFC 3339 with offset, "now" or "now-DURATION". False leaves *ms alone. */
bool ld_time_parse(const char *text, int64_t now_ms, int64_t *ms);

/* Writes `ms` as RFC 3339 with three decimals at the given offset (0: "Z") and ends it with NUL.
 * Returns the length; `out` holds LD_TIME_TEXT_MAX bytes. */
size_t ld_time_format(char *out, int64_t ms, int offset_minutes);
