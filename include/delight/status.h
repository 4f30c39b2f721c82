/* How a call can end. Operating errors are returned; a programmer's error is a
 * DL_ASSERT, which stays on in release builds. */
#pragma once

#include <stdbool.h>

#define DL_STATUS_MAP(X)                                               \
    X(OK, "ok", "success")                                             \
    X(FULL, "full", "no room now; try again later")                    \
    X(EMPTY, "empty", "nothing there")                                 \
    X(INVALID, "invalid", "the argument is not what was expected")     \
    X(MEMORY, "memory", "out of memory")                               \
    X(IO, "io", "the operating system or a library reported a fault")  \
    X(AWAY, "away", "the other side does not answer; it is retried")   \
    X(REFUSED, "refused", "the other side refused; see the log")       \
    X(STOPPED, "stopped", "stopped on request")                        \
    X(TIMEOUT, "timeout", "a deadline passed")                         \
    X(FENCED, "fenced", "another process has taken this one's place")  \
    X(FATAL, "fatal", "a client library gave up; it has to be made anew")

enum dl_status {
#define DL_STATUS_ENUM(name, text, help) DL_##name,
    DL_STATUS_MAP(DL_STATUS_ENUM)
#undef DL_STATUS_ENUM
};

/* The status as a word for logs ("full"). Any thread; never NULL. */
const char *dl_status_text(enum dl_status status);

#define DL_MUST_USE __attribute__((warn_unused_result))
#define DL_PRINTF(format_, first_) __attribute__((__format__(__printf__, format_, first_)))

/* Prints the promise that was broken, with its place, to stderr and aborts. */
_Noreturn void dl_assert_fail(const char *promise, const char *file, int line);

#define DL_ASSERT(promise)                                       \
    do {                                                         \
        if (__builtin_expect(!(promise), 0))                     \
            dl_assert_fail(#promise, __FILE__, __LINE__);        \
    } while (0)
