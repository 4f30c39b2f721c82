#include "completion_words.h"

#include "command_table.h"
#include "config.h"
#include "top_table.h"

#include <delight/event.h>

void dl_completion_words_of_commands(FILE *out)
{
    for (const struct dl_command *command = dl_commands; command->name != NULL; command++)
        fprintf(out, "%s%s", command > dl_commands ? " " : "", command->name);
}

void dl_completion_words_of_reasons(FILE *out)
{
    for (int reason = DL_ACCEPTED + 1; reason < DL_REJECTS; reason++)
        fprintf(out, "%s%s", reason > DL_ACCEPTED + 1 ? " " : "", dl_reject_word((enum dl_reject)reason));
}

void dl_completion_words_of_settings(FILE *out)
{
    const char *path;
    for (size_t i = 0; (path = dl_config_option_path(i)) != NULL; i++)
        fprintf(out, "%s%s=", i > 0 ? " " : "", path);
}

void dl_completion_words_of_columns(FILE *out)
{
    size_t count, feature_count;
    const struct dl_top_column *columns = dl_top_columns(DL_KIND_TOUCHPOINT, &count);
    const struct dl_top_column *features = dl_top_columns(DL_KIND_FEATURE, &feature_count);
    fputs("name", out);
    for (size_t i = 0; i < count; i++)
        fprintf(out, " %s", dl_fields[columns[i].field].name);
    for (size_t i = 0; i < feature_count; i++)
        if (features[i].field != DL_FIELD_events)
            fprintf(out, " %s", dl_fields[features[i].field].name);
}
