/* Rate limit per message. Pure: time is an argument. Private to src/adapter/log.
 *
 *   the first 10 of a message within 10 s of its first are written, the others
 *   counted; when the 10 s are over one line says how many there were. */
#pragma once

#include <delight/note.h>

#include <stdbool.h>

enum { DL_LIMIT_BURST = 10, DL_LIMIT_MESSAGES = 256 };
#define DL_LIMIT_INTERVAL_MS INT64_C(10000)

struct dl_limited {
    const char *message; /* static; told apart by its text; NULL: a free slot */
    enum dl_note_level level;
    int64_t start_ms;
    int64_t seen;
};

/* Zero-initialised is empty. The caller serialises. */
struct dl_limit {
    struct dl_limited message[DL_LIMIT_MESSAGES];
    int64_t due_ms; /* no interval with suppressed messages ends before this; 0: there is none */
};

/* Whether the message is to be written at now_ms (monotonic, > 0). Take what is due first. */
bool dl_limit_admit(struct dl_limit *limit, enum dl_note_level level, const char *message, int64_t now_ms);
/* The next message whose interval has ended, of which `suppressed` were not
 * written; false: no more. Call until then. now_ms INT64_MAX ends all intervals. */
bool dl_limit_take_due(struct dl_limit *limit, int64_t now_ms, struct dl_limited *message, int64_t *suppressed);
