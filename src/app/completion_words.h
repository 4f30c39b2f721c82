/* What the completion of a shell offers, as words with blanks between them. */
#pragma once

#include <stdio.h>

void dl_completion_words_of_commands(FILE *out); /* without help */
void dl_completion_words_of_reasons(FILE *out);
/* Options of the configuration, each with "=" behind it. */
void dl_completion_words_of_settings(FILE *out);
/* What `top` can be sorted by: name, the columns of touchpoints, then what features have besides. */
void dl_completion_words_of_columns(FILE *out);
