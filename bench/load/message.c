#include "message.h"

#include <string.h>

static const char *const names[] = {
#define X(name, text) text,
    LD_REASON_MAP(X)
#undef X
};

const char *ld_reason_name(enum ld_reason reason)
{
    return reason < LD_REASONS ? names[reason] : "accepted";
}

enum ld_reason ld_reason_find(const char *name, size_t length)
{
    for (int i = 0; i < (int)LD_REASONS; i++) {
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
            return (enum ld_reason)i;
    }
    return LD_REASONS;
}
