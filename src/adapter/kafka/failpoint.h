/* Test builds only (DELIGHT_FAILPOINTS): a place at which a test ends the process
 * as kill -9 would, or stops it as kill -STOP would, or at which it makes the code
 * break its promise, to see that somebody notices. DELIGHT_FAILPOINT=NAME or NAME:N
 * (the Nth time it is passed) ends it, NAME:N:stop stops it, once; DELIGHT_BREAK=NAME.
 * Other builds have nothing of it. */
#pragma once

#ifdef DELIGHT_FAILPOINTS

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void dl_failpoint(const char *name)
{
    static _Thread_local int passed; /* of the one name that the environment gives */
    const char *wanted = getenv("DELIGHT_FAILPOINT");
    size_t bytes = strlen(name);
    if (wanted == NULL || strncmp(wanted, name, bytes) != 0 || (wanted[bytes] != '\0' && wanted[bytes] != ':'))
        return;
    char *rest = "";
    long turn = wanted[bytes] == ':' ? strtol(wanted + bytes + 1, &rest, 10) : 1;
    if (++passed < turn)
        return;
    if (strcmp(rest, ":stop") != 0)
        (void)kill(getpid(), SIGKILL);
    else if (passed == turn)
        (void)kill(getpid(), SIGSTOP);
}

static inline bool dl_broken(const char *name)
{
    const char *wanted = getenv("DELIGHT_BREAK");
    return wanted != NULL && strcmp(wanted, name) == 0;
}

#else

#define dl_failpoint(name) ((void)0)
#define dl_broken(name) false

#endif
