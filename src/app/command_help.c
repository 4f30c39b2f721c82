/* --help, from the rows. */
#include "command_table.h"

#include <string.h>

enum { WIDTH = 110, INDENT = 21 };

/* Words, wrapped behind an indent; the line is filled up to `column` already. */
static void print_wrapped(FILE *out, const char *text, int indent, int column)
{
    for (const char *word = text; *word != '\0';) {
        int bytes = (int)strcspn(word, " ");
        if (column > indent && column + 1 + bytes > WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        if (column <= indent)
            column += fprintf(out, "%*s%.*s", indent - column, "", bytes, word);
        else
            column += fprintf(out, " %.*s", bytes, word);
        word += bytes;
        word += *word == ' ';
    }
    fputc('\n', out);
}

static void print_row(FILE *out, const char *name, const char *help)
{
    int column = fprintf(out, "  %s  ", name);
    if (column > INDENT) { /* too long to stand beside its text */
        fputc('\n', out);
        column = 0;
    }
    print_wrapped(out, help, INDENT, column);
}

static void print_option(FILE *out, const struct dl_taken_option *taken)
{
    char name[64];
    const struct dl_option *option = dl_command_option(taken->tag);
    const char *argument = option->argument != NULL ? option->argument : "";
    char letter[8] = "";
    if (dl_option_has_letter(option))
        snprintf(letter, sizeof letter, "-%c, ", option->option.val);
    snprintf(name, sizeof name, "%s--%s%s%s", letter, option->option.name, argument[0] != '\0' ? " " : "", argument);
    print_row(out, name, taken->help);
}

void dl_command_print_help(const struct dl_command *command, FILE *out)
{
    fprintf(out, "Usage: %s\n\n", command->usage);
    print_wrapped(out, command->help, 0, 0);
    fputc('\n', out);
    if (command->input != NULL)
        print_row(out, command->input, command->input_help);
    for (const struct dl_taken_option *taken = command->options; taken->tag != '\0'; taken++)
        print_option(out, taken);
}

void dl_exit_statuses_print(FILE *out)
{
    for (const struct dl_exit_status *row = dl_exit_statuses; row->help != NULL; row++) {
        int column = fprintf(out, "  %2d  ", row->status);
        print_wrapped(out, row->help, 6, column);
    }
}
