/* What was expected and what was found: the first of them kept, all of them counted. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ld_differences {
    size_t limit; /* how many are kept */
    size_t kept;
    uint64_t count;
    char **lines;
};

void ld_differences_init(struct ld_differences *differences, size_t limit);
void ld_differences_deinit(struct ld_differences *differences);
void ld_differences_clear(struct ld_differences *differences);

/* NULL for `differences` counts nothing. */
void ld_difference(struct ld_differences *differences, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints them on stderr, one a line. */
void ld_differences_print(const struct ld_differences *differences);
