#include "value.h"

#include <delight/time.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- Sentences ---- */

void dl_reading_wrong(const struct dl_reading *reading, const struct dl_node *node, const char *expected)
{
    char quoted[DL_QUOTE_SIZE];
    bool hide = (reading->option->flags & DL_OPTION_SECRET) != 0;
    if (node->reported)
        return;
    if (node->kind == DL_NODE_SCALAR && !hide)
        dl_report_error(reading->report, node->line, node->column, "%s: expected %s, got %s", reading->name, expected,
                        dl_config_quote(quoted, node->text));
    else
        dl_report_error(reading->report, node->line, node->column, "%s: expected %s%s%s", reading->name, expected,
                        hide && node->kind == DL_NODE_SCALAR ? "" : ", got ",
                        hide && node->kind == DL_NODE_SCALAR ? "" : dl_node_kind_text(node));
}

typedef void format_number(char *out, size_t size, int64_t value);

static void format_duration(char *out, size_t size, int64_t value)
{
    dl_duration_format(out, size, value);
}

static void format_bytes(char *out, size_t size, int64_t value)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB"};
    size_t unit = 0;
    for (; value > 0 && value % 1024 == 0 && unit < 3; unit++)
        value /= 1024;
    snprintf(out, size, "%" PRId64 "%s", value, units[unit]);
}

static void format_integer(char *out, size_t size, int64_t value)
{
    snprintf(out, size, "%" PRId64, value);
}

void dl_option_range(const struct dl_option *option, char *out, size_t size)
{
    bool duration = option->type == DL_OPTION_DURATION || option->type == DL_OPTION_DURATIONS || option->type == DL_OPTION_TARGETS;
    format_number *format = option->type == DL_OPTION_BYTES ? format_bytes : duration ? format_duration : format_integer;
    char least[32], most[32];
    format(least, sizeof least, option->min);
    format(most, sizeof most, option->max);
    snprintf(out, size, "%s to %s", least, most);
}

/* ---- Texts ---- */

void dl_text_wipe(char **text)
{
    if (*text != NULL)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

/* Whether the node is a text of allowed length and letters; else reported. */
bool dl_reading_check_text(const struct dl_reading *reading, const struct dl_node *node)
{
    const struct dl_option *option = reading->option;
    if (node->kind != DL_NODE_SCALAR) {
        dl_reading_wrong(reading, node, "text");
        return false;
    }
    if (node->reported)
        return false;
    size_t bytes = strlen(node->text);
    if (bytes < (size_t)option->min || bytes > (size_t)option->max) {
        dl_report_error(reading->report, node->line, node->column,
                        "%s: expected text of %" PRId64 " to %" PRId64 " bytes, got %zu", reading->name, option->min, option->max,
                        bytes);
        return false;
    }
    const char *expected = option->check != NULL ? option->check(node->text) : NULL;
    if (expected != NULL)
        dl_reading_wrong(reading, node, expected);
    return expected == NULL;
}

static enum dl_status read_text(const struct dl_reading *reading, void *value)
{
    char **text = value;
    if (!dl_reading_check_text(reading, reading->node))
        return DL_INVALID;
    size_t begin, end;
    if (reading->report->argument && (reading->option->flags & DL_OPTION_SECRET) != 0 &&
        dl_url_password(reading->node->text, &begin, &end)) {
        dl_report_error(reading->report, 0, 0,
                        "%s: expected no password on the command line, where every user of the host can read it; use a file",
                        reading->name);
        return DL_INVALID;
    }
    dl_text_wipe(text);
    *text = strdup(reading->node->text);
    return *text != NULL ? DL_OK : DL_MEMORY;
}

static enum dl_status read_path(const struct dl_reading *reading, void *value)
{
    char **path = value;
    if (!dl_reading_check_text(reading, reading->node))
        return DL_INVALID;
    dl_text_wipe(path);
    if (reading->node->text[0] == '\0')
        return DL_OK;
    *path = strdup(reading->node->text);
    return *path != NULL ? DL_OK : DL_MEMORY;
}

static void print_text(const struct dl_option *option, const void *value, int indent, FILE *out)
{
    char *const *text = value;
    size_t begin, end;
    (void)indent;
    if (*text != NULL && (option->flags & DL_OPTION_SECRET) != 0 && dl_url_password(*text, &begin, &end)) {
        char *hidden = NULL;
        if (asprintf(&hidden, "%.*s***%s", (int)begin, *text, *text + end) < 0)
            hidden = NULL;
        dl_config_print_text(hidden != NULL ? hidden : "***", out);
        free(hidden);
    } else {
        dl_config_print_text(*text != NULL ? *text : "", out);
    }
    fputc('\n', out);
}

static bool equal_text(const void *a, const void *b)
{
    const char *first = *(char *const *)a, *second = *(char *const *)b;
    return strcmp(first != NULL ? first : "", second != NULL ? second : "") == 0;
}

static void deinit_text(void *value)
{
    dl_text_wipe(value);
}

/* ---- Numbers ---- */

typedef bool parse_number(const char *text, int64_t *number);

static bool parse_integer(const char *text, int64_t *number)
{
    char *end;
    if (text[0] != '-' && (text[0] < '0' || text[0] > '9'))
        return false;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' && end != text;
}

static bool parse_bytes(const char *text, int64_t *number)
{
    static const struct {
        const char *unit;
        int64_t bytes;
    } units[] = {{"", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024}};
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    int64_t count = strtoll(text, &end, 10);
    if (errno != 0)
        return false;
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(end, units[i].unit) == 0)
            return !__builtin_mul_overflow(count, units[i].bytes, number);
    return false;
}

static bool parse_duration(const char *text, int64_t *number)
{
    return dl_duration_parse(text, strlen(text), number) == DL_OK;
}

static enum dl_status read_number(const struct dl_reading *reading, const struct dl_node *node, parse_number *parse,
                                  const char *kind, int64_t *value)
{
    const struct dl_option *option = reading->option;
    char expected[160], range[80];
    dl_option_range(option, range, sizeof range);
    snprintf(expected, sizeof expected, "%s from %s", kind, range);
    int64_t number;
    if (node->kind != DL_NODE_SCALAR || !parse(node->text, &number) || number < option->min || number > option->max) {
        dl_reading_wrong(reading, node, expected);
        return DL_INVALID;
    }
    *value = number;
    return DL_OK;
}

static enum dl_status read_integer(const struct dl_reading *reading, void *value)
{
    return read_number(reading, reading->node, parse_integer, "a whole number", value);
}

static enum dl_status read_bytes(const struct dl_reading *reading, void *value)
{
    return read_number(reading, reading->node, parse_bytes, "bytes (a number, or with KiB, MiB, GiB)", value);
}

static enum dl_status read_duration(const struct dl_reading *reading, void *value)
{
    return read_number(reading, reading->node, parse_duration, "a duration (a number with ms, s, m, h or d)", value);
}

static void print_integer(const struct dl_option *option, const void *value, int indent, FILE *out)
{
    (void)option, (void)indent;
    fprintf(out, "%" PRId64 "\n", *(const int64_t *)value);
}

static void print_bytes(const struct dl_option *option, const void *value, int indent, FILE *out)
{
    char text[32];
    (void)option, (void)indent;
    format_bytes(text, sizeof text, *(const int64_t *)value);
    fprintf(out, "%s\n", text);
}

static void print_duration(const struct dl_option *option, const void *value, int indent, FILE *out)
{
    char text[32];
    (void)option, (void)indent;
    format_duration(text, sizeof text, *(const int64_t *)value);
    fprintf(out, "%s\n", text);
}

static bool equal_number(const void *a, const void *b)
{
    return *(const int64_t *)a == *(const int64_t *)b;
}

static void deinit_number(void *value)
{
    *(int64_t *)value = 0;
}

/* ---- Words ---- */

static enum dl_status read_word(const struct dl_reading *reading, void *value)
{
    const char *const *words = reading->option->words;
    char expected[160] = "";
    size_t used = 0;
    for (int i = 0; words[i] != NULL; i++) {
        if (reading->node->kind == DL_NODE_SCALAR && strcmp(reading->node->text, words[i]) == 0) {
            *(int *)value = i;
            return DL_OK;
        }
        used += (size_t)snprintf(expected + used, sizeof expected - used, "%s%s", i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ",
                                 words[i]);
    }
    dl_reading_wrong(reading, reading->node, expected);
    return DL_INVALID;
}

static void print_word(const struct dl_option *option, const void *value, int indent, FILE *out)
{
    (void)indent;
    fprintf(out, "%s\n", option->words[*(const int *)value]);
}

static bool equal_word(const void *a, const void *b)
{
    return *(const int *)a == *(const int *)b;
}

static void deinit_word(void *value)
{
    *(int *)value = 0;
}


/* ---- The types ---- */

const struct dl_option_type_row dl_type_text = {"text", sizeof(char *), read_text, print_text, equal_text, deinit_text};
const struct dl_option_type_row dl_type_path = {"file", sizeof(char *), read_path, print_text, equal_text, deinit_text};
const struct dl_option_type_row dl_type_integer = {"number", sizeof(int64_t), read_integer, print_integer, equal_number, deinit_number};
const struct dl_option_type_row dl_type_bytes = {"bytes", sizeof(int64_t), read_bytes, print_bytes, equal_number, deinit_number};
const struct dl_option_type_row dl_type_duration = {"duration", sizeof(int64_t), read_duration, print_duration, equal_number, deinit_number};
const struct dl_option_type_row dl_type_word = {"word", sizeof(int), read_word, print_word, equal_word, deinit_word};

enum dl_status dl_reading_duration(const struct dl_reading *reading, const struct dl_node *node, int64_t *duration_ms)
{
    return read_number(reading, node, parse_duration, "a duration (a number with ms, s, m, h or d)", duration_ms);
}
