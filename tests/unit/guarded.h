/* Memory between two pages that nobody may touch: a byte read past either end is a
 * crash, in every build. */
#pragma once

#include <delight/status.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded {
    char *start; /* of the pages in between */
    size_t bytes;
};

static inline struct guarded guarded_create(size_t bytes_min)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct guarded guarded = {.bytes = (bytes_min + page - 1) / page * page};
    char *whole = mmap(NULL, guarded.bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    DL_ASSERT(whole != MAP_FAILED);
    guarded.start = whole + page;
    DL_ASSERT(mprotect(guarded.start, guarded.bytes, PROT_READ | PROT_WRITE) == 0);
    return guarded;
}

static inline void guarded_destroy(struct guarded *guarded)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    DL_ASSERT(munmap(guarded->start - page, guarded->bytes + 2 * page) == 0);
}

/* Copies a text flush against the page behind it, or the one before it. */
static inline const char *guarded_place(const struct guarded *guarded, const char *text, size_t bytes, bool at_end)
{
    DL_ASSERT(bytes <= guarded->bytes);
    char *place = at_end ? guarded->start + guarded->bytes - bytes : guarded->start;
    if (bytes > 0)
        memcpy(place, text, bytes);
    return place;
}
