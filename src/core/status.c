#include <delight/status.h>

#include <stdio.h>
#include <stdlib.h>

const char *dl_status_text(enum dl_status status)
{
    switch (status) {
#define STATUS_CASE(name, text, help) \
    case DL_##name:                   \
        return text;
        DL_STATUS_MAP(STATUS_CASE)
#undef STATUS_CASE
    }
    /* A number that is no status is a bug elsewhere, but this one is called to log it. */
    return "unknown";
}

_Noreturn void dl_assert_fail(const char *promise, const char *file, int line)
{
    fprintf(stderr, "%s:%d: broken promise: %s\n", file, line, promise);
    abort();
}
