/* Steps over keys and over values that do not matter, for the scanner. What is
 * returned is where they end, or NULL: what stands there is not for the scanner. */
#pragma once

#include "keys.h"

enum { DL_SKIP_DEPTH_MAX = 8, DL_SKIP_KEYS_MAX = 32 };

/* Keys without a row (keys.h), of the objects that are open: within an object none may stand twice. */
struct dl_unknown_keys {
    int count;
    struct dl_key key[DL_SKIP_KEYS_MAX];
};

/* The closing quote of a string, from behind the opening one; escapes: whether there may
 * be any. */
const char *dl_skip_special(const struct dl_marked *marked, const char *at, bool escapes);

/* Writes what a string that dl_skip_special has passed says, from behind its opening quote
 * up to its closing one; it never takes more bytes than stand there. Returns where it ends. */
char *dl_unescape(const char *at, const char *end, char *out);

/* The same, inline for the string that is short and plain. */
static inline const char *dl_skip_characters(const struct dl_marked *marked, const char *at, bool escapes)
{
    uint64_t marks = dl_marks_from(marked, at);
    if (__builtin_expect(marks != 0 && at[__builtin_ctzll(marks)] == '"', 1))
        return at + __builtin_ctzll(marks);
    return dl_skip_special(marked, at, escapes);
}

/* From behind the key's opening quote to behind the colon. keys NULL: none has a row; base: where
 * the object's own unknown keys begin. *row NULL: it has none. */
const char *dl_skip_key(const struct dl_marked *marked, struct dl_unknown_keys *unknown, struct dl_keys *keys,
                        const char *at, int base, const struct dl_key_row **row);

/* An integer, as digits or as a real that says nothing else: 9, 9.0 and 9e0 are 9. (Where
 * the reference's double would differ, from 2^53 on, every field has its range behind it.) */
const char *dl_skip_zero_decimals(const char *at);
static inline const char *dl_read_integer(const char *at, int64_t *value)
{
    const char *end = dl_read_digits(at, value);
    if (end != NULL && __builtin_expect(*end != ',', 0) && (*end == '.' || (*end | 0x20) == 'e'))
        return dl_skip_zero_decimals(end);
    return end;
}

/* true, false or null. */
const char *dl_skip_word(const char *at);

/* Any value; depth: how many objects and arrays stand around it. */
const char *dl_skip_value(const struct dl_marked *marked, struct dl_unknown_keys *unknown, const char *at, int depth);
