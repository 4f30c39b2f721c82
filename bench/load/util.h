/* Memory, messages, clocks and hashing shared by every part of delight-load.
 *
 * The load generator is a command that ends: when memory runs out there is nothing left to
 * save, so the allocators below never return NULL and end the process with a sentence. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LD_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Zeroed memory for `count` objects of `size` bytes; never NULL. The caller frees it. */
void *ld_alloc(size_t count, size_t size);

/* Grows `*array` (of `*capacity` objects of `size` bytes) so that `need` objects fit; new objects are
 * zeroed. The array stays the caller's. */
void *ld_grow(void *array, size_t *capacity, size_t need, size_t size);

/* Copies of text; never NULL. The caller frees them. */
char *ld_copy(const char *text);
char *ld_copy_bytes(const char *bytes, size_t length);
char *ld_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line on stderr, with the program's name in front. Ends an unfinished progress line first. */
void ld_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Tells ld_say that the cursor stands behind a progress line. */
void ld_progress_open(int is_open);

int64_t ld_wall_ms(void);      /* CLOCK_REALTIME, epoch milliseconds */
int64_t ld_monotonic_ns(void); /* CLOCK_MONOTONIC */

/* Sleeps until the monotonic time `deadline_ns`; returns early on a signal. */
void ld_sleep_until(int64_t deadline_ns);

/* FNV-1a over 64 bits: for tables and for recognising a payload, not against an adversary. */
uint64_t ld_hash(const void *bytes, size_t length);

/* Spreads the bits of a key over the whole word (the finaliser of splitmix64). */
static inline uint64_t ld_mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* floor(a / b) for b > 0, also for negative a. */
static inline int64_t ld_floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}
