#include "report.h"

#include <stdarg.h>
#include <string.h>

static void add(const struct dl_report *report, bool warning, int line, int column, const char *format, va_list arguments)
{
    struct dl_config_errors *errors = report->errors;
    if (warning)
        errors->warnings++;
    else
        errors->errors++;
    size_t slot = errors->count;
    if (slot == DL_CONFIG_ERRORS_MAX) {
        /* What prevents the start must not be crowded out by what is only doubtful. */
        if (warning)
            return;
        for (slot = 0; slot < DL_CONFIG_ERRORS_MAX && !errors->item[slot].warning; slot++)
            ;
        if (slot == DL_CONFIG_ERRORS_MAX)
            return;
        memmove(&errors->item[slot], &errors->item[slot + 1], (DL_CONFIG_ERRORS_MAX - 1 - slot) * sizeof errors->item[0]);
        slot = DL_CONFIG_ERRORS_MAX - 1;
        errors->count--;
    }
    struct dl_config_error *error = &errors->item[slot];
    error->warning = warning;
    snprintf(error->source, sizeof error->source, "%s", report->source);
    error->line = report->positions ? line : 0;
    error->column = report->positions ? column : 0;
    vsnprintf(error->text, sizeof error->text, format, arguments);
    errors->count++;
}

void dl_report_error(const struct dl_report *where, int line, int column, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(where, false, line, column, format, arguments);
    va_end(arguments);
}

void dl_report_warn(const struct dl_report *where, int line, int column, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(where, true, line, column, format, arguments);
    va_end(arguments);
}

void dl_config_errors_print(const struct dl_config_errors *errors, FILE *out)
{
    for (size_t i = 0; i < errors->count; i++) {
        const struct dl_config_error *error = &errors->item[i];
        fputs(error->source, out);
        if (error->line > 0)
            fprintf(out, ":%d:%d", error->line, error->column);
        fprintf(out, ": %s: %s\n", error->warning ? "warning" : "error", error->text);
    }
    size_t more = errors->errors + errors->warnings - errors->count;
    if (more > 0)
        fprintf(out, "… and %zu more\n", more);
}

size_t dl_utf8_character(const char *text, size_t bytes, uint32_t *character)
{
    const unsigned char *byte = (const unsigned char *)text;
    if (bytes == 0)
        return 0;
    if (byte[0] < 0x80) {
        *character = byte[0];
        return 1;
    }
    size_t length = byte[0] >= 0xf0 ? 4 : byte[0] >= 0xe0 ? 3 : 2;
    if (byte[0] < 0xc2 || byte[0] > 0xf4 || length > bytes)
        return 0;
    uint32_t point = byte[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (byte[i] & 0x3fu);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    *character = point;
    return length;
}

const char *dl_config_quote(char *out, const char *text)
{
    static const char cut[] = "…";
    size_t bytes = strlen(text), used = 0;
    out[used++] = '"';
    for (size_t i = 0; i < bytes;) {
        uint32_t character = 0;
        size_t length = dl_utf8_character(text + i, bytes - i, &character);
        char escaped[8];
        const char *piece = text + i;
        size_t piece_bytes = length;
        if (length == 0 || character < 0x20 || (character >= 0x7f && character < 0xa0)) {
            length = length > 0 ? length : 1;
            piece_bytes = (size_t)snprintf(escaped, sizeof escaped, "\\x%02x", (unsigned char)text[i]);
            piece = escaped;
        } else if (character == '"' || character == '\\') {
            escaped[0] = '\\';
            escaped[1] = (char)character;
            piece = escaped;
            piece_bytes = 2;
        }
        if (used + piece_bytes + sizeof cut + 1 > DL_QUOTE_SIZE) {
            memcpy(out + used, cut, sizeof cut - 1);
            used += sizeof cut - 1;
            break;
        }
        memcpy(out + used, piece, piece_bytes);
        used += piece_bytes;
        i += length;
    }
    out[used++] = '"';
    out[used] = '\0';
    return out;
}

/* Optimal string alignment: letters missing, added, changed or swapped with
 * their neighbour, the four ways in which fingers slip. */
static size_t distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    enum { LONGEST = 64 };
    size_t rows[3][LONGEST + 1];
    if (a_bytes > LONGEST || b_bytes > LONGEST)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_bytes; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_bytes; i++) {
        size_t *now = rows[i % 3], *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_bytes; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && two_above[j - 2] + 1 < best)
                best = two_above[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[a_bytes % 3][b_bytes];
}

void dl_nearest_offer(struct dl_nearest *nearest, const char *word)
{
    size_t wanted_bytes = strlen(nearest->wanted), word_bytes = strlen(word);
    size_t apart = distance(nearest->wanted, wanted_bytes, word, word_bytes);
    /* A third of the letters may differ; beyond that a guess misleads. */
    size_t limit = word_bytes < 3 ? 0 : word_bytes < 6 ? 1 : word_bytes / 3;
    if (apart <= limit && (nearest->word == NULL || apart < nearest->distance)) {
        nearest->word = word;
        nearest->distance = apart;
    }
}
