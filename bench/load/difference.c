#include "difference.h"

#include "util.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void ld_differences_init(struct ld_differences *differences, size_t limit)
{
    *differences = (struct ld_differences){.limit = limit, .lines = ld_alloc(limit, sizeof(char *))};
}

void ld_differences_clear(struct ld_differences *differences)
{
    for (size_t i = 0; i < differences->kept; i++)
        free(differences->lines[i]);
    differences->kept = 0;
    differences->count = 0;
}

void ld_differences_deinit(struct ld_differences *differences)
{
    ld_differences_clear(differences);
    free(differences->lines);
    differences->lines = NULL;
}

void ld_difference(struct ld_differences *differences, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (differences == NULL)
        return;
    differences->count++;
    if (differences->kept == differences->limit)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    differences->lines[differences->kept++] = ld_copy(text);
}

void ld_differences_print(const struct ld_differences *differences)
{
    for (size_t i = 0; i < differences->kept; i++)
        ld_say("difference: %s", differences->lines[i]);
    if (differences->count > differences->kept)
        ld_say("... and %" PRIu64 " more differences", differences->count - differences->kept);
}
