/* What is printed from the rows: effective values, --help, documentation, and
 * how two configurations differ. */
#include "value.h"

#include <stdlib.h>
#include <string.h>

/* ---- Values as YAML ---- */

/* Whether the text reads as itself without quotes, wherever it stands. */
static bool plain(const char *text)
{
    if (text[0] == '\0' || strcasecmp(text, "null") == 0 || strchr("-.:@+%=", text[0]) != NULL)
        return false;
    for (const char *at = text; *at != '\0'; at++) {
        bool word = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
        if (!word && strchr("_./@+%=-", *at) == NULL && !(*at == ':' && at[1] == '/'))
            return false;
    }
    return true;
}

void dl_config_print_text(const char *text, FILE *out)
{
    size_t bytes = strlen(text);
    if (plain(text)) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (size_t i = 0, step; i < bytes; i += step) {
        uint32_t character = 0;
        step = dl_utf8_character(text + i, bytes - i, &character);
        DL_ASSERT(step > 0);
        bool odd = character < 0x20 || (character >= 0x7f && character < 0xa1) || character == 0x2028 || character == 0x2029 ||
                   character == 0xfeff || character == 0xfffe || character == 0xffff;
        if (odd)
            fprintf(out, "\\u%04X", character);
        else if (character == '$')
            fputs("$$", out);
        else if (character == '"' || character == '\\')
            fprintf(out, "\\%c", (char)character);
        else
            fwrite(text + i, 1, step, out);
    }
    fputc('"', out);
}

static const void *value_of(const struct dl_config *config, const struct dl_option *option)
{
    return (const char *)config + option->offset;
}

/* Prints the sections of path that the option before it was not in; returns the
 * key's indent. */
static int print_sections(const char *path, const char *before, FILE *out)
{
    int indent = 0;
    const char *begin = path;
    for (const char *dot; (dot = strchr(begin, '.')) != NULL; begin = dot + 1) {
        size_t bytes = (size_t)(dot + 1 - path);
        if (before == NULL || strncmp(before, path, bytes) != 0)
            fprintf(out, "%*s%.*s:\n", indent, "", (int)(dot - begin), begin);
        indent += 2;
    }
    fprintf(out, "%*s%s: ", indent, "", begin);
    return indent;
}

void dl_config_print(const struct dl_config *config, FILE *out)
{
    const char *before = NULL;
    for (size_t i = 0; i < dl_option_count; i++) {
        const struct dl_option *option = &dl_options[i];
        int indent = print_sections(option->path, before, out);
        dl_option_type(option)->print(option, value_of(config, option), indent, out);
        before = option->path;
    }
}

/* ---- Two configurations ---- */

static bool reloadable(const struct dl_option *option, const struct dl_config *running, const struct dl_config *fresh)
{
    /* The top answers belong to their scale: they change without it, not instead of it. */
    if (option->offset == offsetof(struct dl_config, scales.csat_top) && running->scales.csat_max != fresh->scales.csat_max)
        return false;
    return (option->flags & DL_OPTION_RELOADABLE) != 0;
}

void dl_config_compare(const struct dl_config *running, const struct dl_config *fresh, dl_config_on_difference *on_difference,
                       void *context)
{
    for (size_t i = 0; i < dl_option_count; i++) {
        const struct dl_option *option = &dl_options[i];
        if (!dl_option_type(option)->equal(value_of(running, option), value_of(fresh, option)))
            on_difference(context, option->path, reloadable(option, running, fresh));
    }
}

void dl_config_take_over(struct dl_config *running, struct dl_config *fresh)
{
    for (size_t i = 0; i < dl_option_count; i++) {
        const struct dl_option *option = &dl_options[i];
        unsigned char swap[sizeof(struct dl_config_strings)];
        size_t size = dl_option_type(option)->size;
        if (!reloadable(option, running, fresh))
            continue;
        DL_ASSERT(size <= sizeof swap);
        memcpy(swap, (char *)running + option->offset, size);
        memcpy((char *)running + option->offset, (char *)fresh + option->offset, size);
        memcpy((char *)fresh + option->offset, swap, size);
    }
}

/* ---- Help and documentation ---- */

static const char *default_text(const struct dl_option *option)
{
    return option->fallback_help != NULL ? option->fallback_help : option->fallback;
}

/* "10ms to 10s", "memory, kafka", "1 to 16 items"; empty where there is nothing to say. */
static void range_text(const struct dl_option *option, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    switch (option->type) {
    case DL_OPTION_INTEGER:
    case DL_OPTION_BYTES:
    case DL_OPTION_DURATION: dl_option_range(option, out, size); break;
    case DL_OPTION_WORD:
        for (int i = 0; option->words[i] != NULL && used < size; i++)
            used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "", option->words[i]);
        break;
    case DL_OPTION_DURATIONS: {
        char range[80];
        dl_option_range(option, range, sizeof range);
        snprintf(out, size, "%zu to %zu items, %s each", option->items_min, option->items_max, range);
        break;
    }
    case DL_OPTION_TEXTS: snprintf(out, size, "%zu to %zu items", option->items_min, option->items_max); break;
    default: break;
    }
}

/* Words of help, wrapped at 78 columns behind an indent. */
static void print_wrapped(const char *text, int indent, FILE *out)
{
    int column = 0;
    for (const char *word = text; *word != '\0';) {
        int bytes = (int)strcspn(word, " ");
        if (column > 0 && indent + column + 1 + bytes > 78) {
            fputc('\n', out);
            column = 0;
        }
        column += column == 0 ? fprintf(out, "%*s%.*s", indent, "", bytes, word) - indent : fprintf(out, " %.*s", bytes, word);
        word += bytes;
        word += *word == ' ';
    }
    fputc('\n', out);
}

void dl_config_print_help(FILE *out)
{
    char range[160];
    for (size_t i = 0; i < dl_option_count; i++) {
        const struct dl_option *option = &dl_options[i];
        range_text(option, range, sizeof range);
        fprintf(out, "  %s: %s", option->path, dl_option_type(option)->name);
        fprintf(out, range[0] != '\0' ? " (%s)" : "%s", range);
        fprintf(out, "; default %s%s\n", default_text(option), (option->flags & DL_OPTION_RELOADABLE) != 0 ? "; reloadable" : "");
        print_wrapped(option->help, 6, out);
    }
}

/* Text in a table cell: a bar would end it. */
static void print_cell(const char *text, FILE *out)
{
    for (; *text != '\0'; text++)
        fputs(*text == '|' ? "\\|" : (char[]){*text, '\0'}, out);
}

void dl_config_print_markdown(FILE *out)
{
    char range[160];
    fputs("| option | type | default | range | reload | what it does |\n| --- | --- | --- | --- | --- | --- |\n", out);
    for (size_t i = 0; i < dl_option_count; i++) {
        const struct dl_option *option = &dl_options[i];
        range_text(option, range, sizeof range);
        bool code = option->fallback_help == NULL;
        fprintf(out, "| `%s` | %s | %s%s%s | %s | %s | ", option->path, dl_option_type(option)->name, code ? "`" : "", default_text(option),
                code ? "`" : "", range, (option->flags & DL_OPTION_RELOADABLE) != 0 ? "yes" : "no");
        print_cell(option->help, out);
        fputs(" |\n", out);
    }
}

/* Text for roff: a backslash, a hyphen that is typed, a dot or quote that begins a line. */
static void print_roff(const char *text, FILE *out)
{
    if (text[0] == '.' || text[0] == '\'')
        fputs("\\&", out);
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
    }
}

void dl_config_print_man(FILE *out)
{
    char range[160];
    for (size_t i = 0; i < dl_option_count; i++) {
        const struct dl_option *option = &dl_options[i];
        range_text(option, range, sizeof range);
        fputs(".TP\n.B ", out);
        print_roff(option->path, out);
        fputc('\n', out);
        print_roff(option->help, out);
        fprintf(out, "\n.br\n%s", dl_option_type(option)->name);
        if (range[0] != '\0') {
            fputs(", ", out);
            print_roff(range, out);
        }
        fputs("; default ", out);
        print_roff(default_text(option), out);
        fputs((option->flags & DL_OPTION_RELOADABLE) != 0 ? "; may change while running\n" : "\n", out);
    }
}
