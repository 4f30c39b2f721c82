/* The parts of delightd(1) that are made from the rows. */
#include "command_table.h"

#include <ctype.h>
#include <string.h>

/* Text for roff: a backslash, a hyphen that is typed, an ellipsis; a dot or a quote would begin a request. */
static void print_roff(FILE *out, const char *text, size_t bytes)
{
    if (bytes > 0 && (text[0] == '.' || text[0] == '\''))
        fputs("\\&", out);
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\\')
            fputs("\\e", out);
        else if (text[i] == '-')
            fputs("\\-", out);
        else if (text[i] == '\'')
            fputs("\\(aq", out);
        else if (strncmp(text + i, "…", strlen("…")) == 0) {
            fputs("\\|.\\|.\\|.", out);
            i += strlen("…") - 1;
        } else
            fputc(text[i], out);
    }
}

/* What is typed as it is in bold, what stands for something else, in capitals, in italics. */
static void print_usage(FILE *out, const char *usage)
{
    for (const char *at = usage; *at != '\0';) {
        size_t bytes = strcspn(at, " []|=…");
        if (bytes == 0) {
            bytes = (unsigned char)*at < 0x80 ? 1 : strlen("…");
            print_roff(out, at, bytes);
        } else {
            fputs(isupper((unsigned char)at[0]) ? "\\fI" : "\\fB", out);
            print_roff(out, at, bytes);
            fputs("\\fR", out);
        }
        at += bytes;
    }
    fputc('\n', out);
}

static void print_text(FILE *out, const char *text)
{
    print_roff(out, text, strlen(text));
    fputc('\n', out);
}

static void print_option(FILE *out, const struct dl_taken_option *taken)
{
    const struct dl_option *option = dl_command_option(taken->tag);
    fputs(".TP\n", out);
    if (dl_option_has_letter(option))
        fprintf(out, "\\fB\\-%c\\fR, ", option->option.val);
    fputs("\\fB\\-\\-", out);
    print_roff(out, option->option.name, strlen(option->option.name));
    fputs("\\fR", out);
    if (option->argument != NULL)
        fprintf(out, " \\fI%s\\fR", option->argument);
    fputc('\n', out);
    print_text(out, taken->help);
}

void dl_manual_print_synopsis(FILE *out)
{
    for (const struct dl_command *command = dl_commands; command->name != NULL; command++) {
        print_usage(out, command->usage);
        fputs(".br\n", out);
    }
    print_usage(out, "delightd help [COMMAND|fields|options]");
    fputs(".br\n", out);
    print_usage(out, "delightd --help | --version");
}

void dl_manual_print_commands(FILE *out)
{
    for (const struct dl_command *command = dl_commands; command->name != NULL; command++) {
        fprintf(out, ".SS delightd %s\n", command->name);
        print_text(out, command->help);
        if (command->input != NULL) {
            fprintf(out, ".TP\n\\fI%s\\fR\n", command->input);
            print_text(out, command->input_help);
        }
        for (const struct dl_taken_option *taken = command->options; taken->tag != '\0'; taken++)
            print_option(out, taken);
    }
}

void dl_manual_print_exit_statuses(FILE *out)
{
    for (const struct dl_exit_status *row = dl_exit_statuses; row->help != NULL; row++) {
        fprintf(out, ".TP\n.B %d\n", row->status);
        print_text(out, row->help);
    }
}
