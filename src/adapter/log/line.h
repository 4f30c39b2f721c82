/* One note as text. Private to src/adapter/log. */
#pragma once

#include <delight/note.h>

#include <stdbool.h>
#include <stddef.h>

/* Values longer than DL_LINE_VALUE_MAX are cut with "…"; fields that no longer
 * fit the line are left out. */
enum { DL_LINE_SIZE = 8192, DL_LINE_VALUE_MAX = 1024, DL_LINE_FIELDS_MAX = 32 };

const char *dl_log_level_word(enum dl_note_level level);

/* `time=2026-11-22T10:00:00.123Z level=warning msg="broker is away" retry_ms=250` and a
 * newline; out has DL_LINE_SIZE bytes; returns the length. What is not a plain
 * word is quoted, and nothing in a field can end the line or the quotes. */
size_t dl_line_logfmt(char *out, int64_t time_ms, enum dl_note_level level, const char *message, const struct dl_note_field *fields,
                      size_t field_count);

/* `broker is away retry_ms=250`: a reader of the journal sees the fields without asking for them. */
size_t dl_line_sentence(char *out, const char *message, const struct dl_note_field *fields, size_t field_count);

/* "DELIGHTD_RETRY_MS=250": a field as journald names it, its value as it is but
 * cut. Returns the length; out has DL_LINE_VALUE_MAX + 96 bytes. */
size_t dl_line_journal_field(char *out, const struct dl_note_field *field);
