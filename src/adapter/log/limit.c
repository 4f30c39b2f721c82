#include "limit.h"

#include <string.h>

static uint32_t hash(enum dl_note_level level, const char *message)
{
    uint32_t value = 2166136261u ^ (uint32_t)level; /* FNV-1a */
    for (; *message != '\0'; message++)
        value = (value ^ (unsigned char)*message) * 16777619u;
    return value;
}

/* Messages are the program's own sentences, far fewer than slots, and are never
 * taken out; should there be more, the last slot found is shared, so that memory
 * and time stay bounded and nothing is lost unsaid. */
static struct dl_limited *find(struct dl_limit *limit, enum dl_note_level level, const char *message)
{
    uint32_t slot = hash(level, message) % DL_LIMIT_MESSAGES;
    for (int i = 0; i < DL_LIMIT_MESSAGES; i++) {
        struct dl_limited *limited = &limit->message[slot];
        if (limited->message == NULL) {
            limited->message = message;
            limited->level = level;
            return limited;
        }
        if (limited->level == level && strcmp(limited->message, message) == 0)
            return limited;
        slot = (slot + 1) % DL_LIMIT_MESSAGES;
    }
    return &limit->message[slot];
}

bool dl_limit_admit(struct dl_limit *limit, enum dl_note_level level, const char *message, int64_t now_ms)
{
    struct dl_limited *limited = find(limit, level, message);
    if (limited->seen == 0 || (now_ms - limited->start_ms >= DL_LIMIT_INTERVAL_MS && limited->seen <= DL_LIMIT_BURST)) {
        limited->start_ms = now_ms;
        limited->seen = 0;
    }
    limited->seen++;
    if (limited->seen <= DL_LIMIT_BURST)
        return true;
    int64_t end_ms = limited->start_ms + DL_LIMIT_INTERVAL_MS;
    if (limit->due_ms == 0 || end_ms < limit->due_ms)
        limit->due_ms = end_ms;
    return false;
}

bool dl_limit_take_due(struct dl_limit *limit, int64_t now_ms, struct dl_limited *message, int64_t *suppressed)
{
    if (limit->due_ms == 0 || now_ms < limit->due_ms)
        return false;
    limit->due_ms = 0;
    for (int i = 0; i < DL_LIMIT_MESSAGES; i++) {
        struct dl_limited *limited = &limit->message[i];
        int64_t end_ms = limited->start_ms + DL_LIMIT_INTERVAL_MS;
        if (limited->seen <= DL_LIMIT_BURST)
            continue;
        if (now_ms >= end_ms) {
            *message = *limited;
            *suppressed = limited->seen - DL_LIMIT_BURST;
            limited->seen = 0;
            limit->due_ms = now_ms; /* look at the others at the next call */
            return true;
        }
        if (limit->due_ms == 0 || end_ms < limit->due_ms)
            limit->due_ms = end_ms;
    }
    return false;
}
