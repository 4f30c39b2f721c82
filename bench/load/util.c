#include "util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int progress_is_open;

static _Noreturn void out_of_memory(size_t bytes)
{
    fprintf(stderr, "delight-load: out of memory (%zu bytes wanted)\n", bytes);
    exit(1);
}

void *ld_alloc(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    if (memory == NULL)
        out_of_memory(count * size);
    return memory;
}

void *ld_grow(void *array, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity)
        return array;
    size_t wanted = *capacity < 8 ? 8 : *capacity * 2;
    if (wanted < need)
        wanted = need;
    char *memory = realloc(array, wanted * size);
    if (memory == NULL)
        out_of_memory(wanted * size);
    memset(memory + *capacity * size, 0, (wanted - *capacity) * size);
    *capacity = wanted;
    return memory;
}

char *ld_copy_bytes(const char *bytes, size_t length)
{
    char *copy = ld_alloc(length + 1, 1);
    memcpy(copy, bytes, length);
    return copy;
}

char *ld_copy(const char *text)
{
    return ld_copy_bytes(text, strlen(text));
}

char *ld_format(const char *format, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        out_of_memory(0);
    return text;
}

void ld_progress_open(int is_open)
{
    progress_is_open = is_open;
}

void ld_say(const char *format, ...)
{
    va_list args;
    if (progress_is_open)
        fputc('\n', stderr);
    progress_is_open = 0;
    fputs("delight-load: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t ld_wall_ms(void)
{
    return clock_ns(CLOCK_REALTIME) / 1000000;
}

int64_t ld_monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

void ld_sleep_until(int64_t deadline_ns)
{
    struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000),
                                .tv_nsec = (long)(deadline_ns % 1000000000)};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL);
}

uint64_t ld_hash(const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}
