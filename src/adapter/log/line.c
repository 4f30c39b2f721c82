#include "line.h"

#include <delight/time.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const level_words[] = {"error", "warning", "notice", "info", "debug"};

const char *dl_log_level_word(enum dl_note_level level)
{
    DL_ASSERT((size_t)level < sizeof level_words / sizeof level_words[0]);
    return level_words[level];
}

/* A line under construction; what does not fit is dropped whole, and the last
 * byte stays free for the newline. */
struct line {
    char *text;
    size_t bytes;
};

static bool append(struct line *line, const char *text, size_t bytes)
{
    if (line->bytes + bytes > DL_LINE_SIZE - 2)
        return false;
    memcpy(line->text + line->bytes, text, bytes);
    line->bytes += bytes;
    return true;
}

/* Bytes of a well-formed UTF-8 character that a terminal may get as it is; 0:
 * it has to be escaped (control characters, C1 controls, broken bytes). */
static size_t printable(const unsigned char *text, size_t bytes)
{
    if (text[0] < 0x80)
        return text[0] >= 0x20 && text[0] != 0x7f;
    size_t length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    if (text[0] < 0xc2 || text[0] > 0xf4 || length > bytes)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool outside = (text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf4 && text[1] > 0x8f);
    bool control = text[0] == 0xc2 && text[1] < 0xa0;
    bool separator = text[0] == 0xe2 && text[1] == 0x80 && (text[2] == 0xa8 || text[2] == 0xa9); /* U+2028, U+2029 */
    return overlong || outside || control || separator ? 0 : length;
}

static bool plain(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (text[i] <= ' ' || text[i] == '"' || text[i] == '=' || text[i] == '\\' || text[i] > '~')
            return false;
    return bytes > 0;
}

static void append_value(struct line *line, const char *text)
{
    size_t bytes = strnlen(text, DL_LINE_VALUE_MAX + 1);
    bool cut = bytes > DL_LINE_VALUE_MAX;
    if (!cut && plain(text, bytes)) {
        append(line, text, bytes);
        return;
    }
    if (cut)
        for (bytes = DL_LINE_VALUE_MAX; bytes > 0 && ((unsigned char)text[bytes] & 0xc0) == 0x80; bytes--)
            ; /* not in the middle of a character */
    append(line, "\"", 1);
    for (size_t i = 0, step; i < bytes; i += step) {
        char escape[8];
        step = printable((const unsigned char *)text + i, bytes - i);
        if (step > 0 && text[i] != '"' && text[i] != '\\') {
            append(line, text + i, step);
            continue;
        }
        int length = text[i] == '"' || text[i] == '\\' ? snprintf(escape, sizeof escape, "\\%c", text[i])
                     : text[i] == '\n'                 ? snprintf(escape, sizeof escape, "\\n")
                     : text[i] == '\t'                 ? snprintf(escape, sizeof escape, "\\t")
                     : text[i] == '\r'                 ? snprintf(escape, sizeof escape, "\\r")
                                                       : snprintf(escape, sizeof escape, "\\x%02x", (unsigned char)text[i]);
        append(line, escape, (size_t)length);
        step = 1;
    }
    if (cut)
        append(line, "…", strlen("…"));
    append(line, "\"", 1);
}

static void append_fields(struct line *line, const struct dl_note_field *fields, size_t field_count)
{
    for (size_t i = 0; i < field_count; i++) {
        size_t before = line->bytes, key_bytes = strlen(fields[i].key);
        char number[24];
        snprintf(number, sizeof number, "%" PRId64, fields[i].number);
        const char *text = fields[i].text != NULL ? fields[i].text : number;
        /* Four bytes for the worst escape of each: a field is whole or not there, and quotes are always closed. */
        size_t worst = 4 * strnlen(text, DL_LINE_VALUE_MAX) + key_bytes + 8;
        if (before + worst > DL_LINE_SIZE - 2)
            continue;
        append(line, " ", 1);
        append(line, fields[i].key, key_bytes);
        append(line, "=", 1);
        append_value(line, text);
    }
}

size_t dl_line_logfmt(char *out, int64_t time_ms, enum dl_note_level level, const char *message, const struct dl_note_field *fields,
                      size_t field_count)
{
    struct line line = {.text = out};
    char time[DL_TIME_TEXT_SIZE];
    dl_time_format(time, time_ms);
    line.bytes = (size_t)snprintf(out, DL_LINE_SIZE, "time=%s level=%s msg=", time, dl_log_level_word(level));
    append_value(&line, message);
    append_fields(&line, fields, field_count);
    out[line.bytes++] = '\n';
    out[line.bytes] = '\0';
    return line.bytes;
}

size_t dl_line_sentence(char *out, const char *message, const struct dl_note_field *fields, size_t field_count)
{
    struct line line = {.text = out};
    append(&line, message, strnlen(message, DL_LINE_VALUE_MAX));
    append_fields(&line, fields, field_count);
    out[line.bytes] = '\0';
    return line.bytes;
}

size_t dl_line_journal_field(char *out, const struct dl_note_field *field)
{
    size_t used = (size_t)snprintf(out, 16, "DELIGHTD_");
    for (const char *key = field->key; *key != '\0' && used < 64; key++) {
        bool lower = *key >= 'a' && *key <= 'z', other = (*key >= 'A' && *key <= 'Z') || (*key >= '0' && *key <= '9');
        out[used++] = (char)(lower ? *key - 'a' + 'A' : other ? *key : '_');
    }
    if (field->text != NULL)
        return used + (size_t)snprintf(out + used, DL_LINE_VALUE_MAX + 32, "=%.*s", DL_LINE_VALUE_MAX, field->text);
    return used + (size_t)snprintf(out + used, 32, "=%" PRId64, field->number);
}
