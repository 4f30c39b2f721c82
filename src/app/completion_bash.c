/* Bash's completion. It needs nothing but Bash: where COMP_WORDBREAKS parts words at = and :, so does it. */
#include "command_table.h"
#include "completion_words.h"

#include <string.h>

static void print_options(FILE *out, const struct dl_command *command)
{
    fputs("--help", out);
    for (const struct dl_taken_option *taken = command->options; taken->tag != '\0'; taken++)
        fprintf(out, " --%s", dl_command_option(taken->tag)->option.name);
}

static void print_words(FILE *out, void (*print)(FILE *out))
{
    fputs("        _delightd_words '", out);
    print(out);
    fputs("'\n", out);
}

static void print_values(FILE *out, const struct dl_option *option)
{
    if (option->values == DL_VALUES_NONE)
        return;
    fprintf(out, "    --%s", option->option.name);
    if (dl_option_has_letter(option))
        fprintf(out, " | -%c", option->option.val);
    fputs(")\n", out);
    switch (option->values) {
    case DL_VALUES_NONE:
    case DL_VALUES_ANY:
        break;
    case DL_VALUES_FILE:
        fputs("        _delightd_files\n", out);
        break;
    case DL_VALUES_SETTING:
        print_words(out, dl_completion_words_of_settings);
        fputs("        compopt -o nospace 2>/dev/null\n", out);
        break;
    case DL_VALUES_REASONS: /* several, with commas between them */
        fputs("        case $current in *,*) before=${current%,*},; current=${current##*,} ;; esac\n", out);
        print_words(out, dl_completion_words_of_reasons);
        break;
    case DL_VALUES_COLUMN:
        fputs("        case $current in +*) before=+; current=${current#+} ;; esac\n", out);
        print_words(out, dl_completion_words_of_columns);
        break;
    case DL_VALUES_WORDS:
        fprintf(out, "        _delightd_words '%s'\n", option->words);
        break;
    }
    fputs("        return\n        ;;\n", out);
}

static void print_command(FILE *out, const struct dl_command *command)
{
    /* Where nothing but an option can stand, they are offered before the first letter. */
    fprintf(out, "    %s)\n        case $current in\n        %s-*) _delightd_words '", command->name, command->input == NULL ? "'' | " : "");
    print_options(out, command);
    fputs("' ;;\n", out);
    if (command->input != NULL && strcmp(command->input, "FILE") == 0)
        fputs("        *) _delightd_files ;;\n", out);
    fputs("        esac\n        ;;\n", out);
}

void dl_completion_print_bash(FILE *out)
{
    fputs("# Completion of delightd's command line; made by: delightd help completion-bash\n"
          "# shellcheck shell=bash\n\n"
          "# $before stands before each word that is offered; current is what has been typed of it.\n"
          "_delightd_words() {\n"
          "    local word\n"
          "    for word in $1; do\n"
          "        case $word in \"$current\"*) COMPREPLY+=(\"$before$word\") ;; esac\n"
          "    done\n"
          "}\n\n"
          "_delightd_files() {\n"
          "    local file\n"
          "    while IFS= read -r file; do COMPREPLY+=(\"$file\"); done < <(compgen -f -- \"$current\")\n"
          "    compopt -o filenames 2>/dev/null\n"
          "}\n\n"
          "_delightd() {\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} before='' option='' value=''\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        _delightd_words '", out);
    dl_completion_words_of_commands(out);
    fputs(" help --help --version'\n"
          "        return\n"
          "    fi\n"
          "    # The option whose value it is: before it, or before a \"=\" between them.\n"
          "    option=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    if [ \"$current\" = = ]; then current='' value=yes; fi\n"
          "    if [ \"$option\" = = ]; then option=${COMP_WORDS[COMP_CWORD - 2]} value=yes; fi\n"
          "    case $option in\n", out);
    for (const struct dl_option *option = dl_command_options; option->tag != '\0'; option++)
        print_values(out, option);
    fputs("    esac\n"
          "    if [ -n \"$value\" ]; then return; fi\n"
          "    case ${COMP_WORDS[1]} in\n", out);
    for (const struct dl_command *command = dl_commands; command->name != NULL; command++)
        print_command(out, command);
    fputs("    help) _delightd_words '", out);
    dl_completion_words_of_commands(out);
    fputs(" fields options' ;;\n"
          "    esac\n"
          "}\n\n"
          "complete -F _delightd delightd\n", out);
}
