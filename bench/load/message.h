/* A message as it goes out, and what the daemon must make of it. */
#pragma once

#include "event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The reasons of DESIGN 4, in its order. */
#define LD_REASON_MAP(X)  \
    X(EMPTY, "empty")     \
    X(TOO_LARGE, "too_large") \
    X(BAD_UTF8, "bad_utf8")   \
    X(NOT_JSON, "not_json")   \
    X(DUPLICATE_KEY, "duplicate_key") \
    X(NOT_OBJECT, "not_object")       \
    X(MISSING_FIELD, "missing_field") \
    X(WRONG_TYPE, "wrong_type")       \
    X(OUT_OF_RANGE, "out_of_range")   \
    X(BAD_TIME, "bad_time")           \
    X(FUTURE_TIME, "future_time")     \
    X(UNKNOWN_TYPE, "unknown_type")   \
    X(UNKNOWN_TOUCHPOINT, "unknown_touchpoint") \
    X(NO_ANSWER, "no_answer")

enum ld_reason {
#define X(name, text) LD_REASON_##name,
    LD_REASON_MAP(X)
#undef X
        LD_REASONS,
    LD_ACCEPTED = LD_REASONS
};

const char *ld_reason_name(enum ld_reason reason);

/* LD_REASONS when there is no such reason. */
enum ld_reason ld_reason_find(const char *name, size_t length);

#define LD_HEADERS_MAX 6
#define LD_HEADER_VALUE_MAX 96
#define LD_ID_MAX 80

struct ld_header {
    const char *name;
    char value[LD_HEADER_VALUE_MAX];
};

struct ld_message {
    uint64_t number;
    const char *value; /* NULL: a tombstone */
    size_t value_bytes;
    char key[LD_ID_MAX];
    size_t key_bytes; /* 0: none, any partition */
    struct ld_header headers[LD_HEADERS_MAX];
    size_t header_count;
    int64_t timestamp_ms; /* of the record; 0: whatever the producer says */
    enum ld_reason reason;
    const struct ld_event *event; /* set when accepted */
    uint32_t repeat;              /* LD_NO_REPEAT, or the repeat that this is a copy of */
    int copy;                     /* 0 first, 1 second */
};
