/* Zsh's completion, for its _arguments: each option with what --help says of it. */
#include "command_table.h"
#include "completion_words.h"

#include <string.h>

/* Text within single quotes; of _arguments, where a bracket and a colon would end it. */
static void print_quoted(FILE *out, const char *text, size_t bytes, const char *ending)
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\'')
            fputs("'\\''", out);
        else if (strchr(ending, text[i]) != NULL)
            fprintf(out, "\\%c", text[i]);
        else
            fputc(text[i], out);
    }
}

/* The first statement of a text: a list has one line for it. */
static size_t statement(const char *text)
{
    size_t bytes = strlen(text);
    for (size_t i = 0; i < bytes; i++)
        if (text[i] == ';' || (text[i] == '.' && (text[i + 1] == ' ' || text[i + 1] == '\0')))
            return i;
    return bytes;
}

static void print_values(FILE *out, const struct dl_option *option)
{
    switch (option->values) {
    case DL_VALUES_NONE:
    case DL_VALUES_ANY: break;
    case DL_VALUES_FILE: fputs("_files", out); break;
    case DL_VALUES_SETTING: fputs("_delightd_settings", out); break;
    case DL_VALUES_REASONS: /* several, with commas between them */
        fputs("_sequence compadd - ", out);
        dl_completion_words_of_reasons(out);
        break;
    case DL_VALUES_COLUMN: fputs("_delightd_columns", out); break;
    case DL_VALUES_WORDS: fprintf(out, "(%s)", option->words); break;
    }
}

static void print_option(FILE *out, const struct dl_taken_option *taken)
{
    const struct dl_option *option = dl_command_option(taken->tag);
    const char *name = option->option.name;
    bool repeated = option->values == DL_VALUES_SETTING;
    const char *equals = option->argument != NULL ? "=" : "";
    fputs(" \\\n            ", out);
    if (dl_option_has_letter(option))
        fprintf(out, "'(-%c --%s)'{-%c+,--%s%s}'[", option->option.val, name, option->option.val, name, equals);
    else
        fprintf(out, "'%s--%s%s[", repeated ? "*" : "", name, equals);
    print_quoted(out, taken->help, statement(taken->help), "[]:\\");
    fputc(']', out);
    if (option->argument != NULL) {
        bool optional = option->option.has_arg == optional_argument;
        fprintf(out, "%s", optional ? "::" : ":");
        print_quoted(out, option->argument, strlen(option->argument), ":\\");
        fputc(':', out);
        print_values(out, option);
    }
    fputc('\'', out);
}

static void print_command(FILE *out, const struct dl_command *command)
{
    fprintf(out, "    %s)\n        _arguments '(- *)--help[what it does]'", command->name);
    for (const struct dl_taken_option *taken = command->options; taken->tag != '\0'; taken++)
        print_option(out, taken);
    if (command->input != NULL)
        fprintf(out, " \\\n            '1:%s:%s'", command->input, strcmp(command->input, "FILE") == 0 ? "_files" : "");
    fputs("\n        ;;\n", out);
}

void dl_completion_print_zsh(FILE *out)
{
    fputs("#compdef delightd\n# Completion of delightd's command line; made by: delightd help completion-zsh\n\n"
          "_delightd_settings() {\n    compadd -S '' -- ", out);
    dl_completion_words_of_settings(out);
    fputs("\n}\n\n_delightd_columns() {\n    compset -P '+'\n    compadd -- ", out);
    dl_completion_words_of_columns(out);
    fputs("\n}\n\n_delightd_commands() {\n    local -a commands=(\n", out);
    for (const struct dl_command *command = dl_commands; command->name != NULL; command++) {
        fprintf(out, "        '%s:", command->name);
        print_quoted(out, command->help, statement(command->help), "");
        fputs("'\n", out);
    }
    fputs("        'help:what a command does'\n    )\n    _describe command commands\n}\n\n"
          "_delightd() {\n"
          "    local curcontext=$curcontext state line\n"
          "    typeset -A opt_args\n"
          "    _arguments -C '(- *)--help[all commands]' '(- *)--version[with the versions of the libraries]' \\\n"
          "        '1: :_delightd_commands' '*:: :->arguments' && return\n"
          "    case $words[1] in\n", out);
    for (const struct dl_command *command = dl_commands; command->name != NULL; command++)
        print_command(out, command);
    fputs("    help) _arguments '1:topic:(", out);
    dl_completion_words_of_commands(out);
    fputs(" fields options)' ;;\n    esac\n}\n\n_delightd \"$@\"\n", out);
}
