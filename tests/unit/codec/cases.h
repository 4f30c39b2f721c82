/* The table of events and the reasons they end as, tests/cases/events.jsonl, which
 * the schema's test reads too. Each line is
 *   {"reason": "out_of_range", "event": {…} or "value": "the text as it is sent",
 *    "why": …, "headers": {…}, "timestamp": ms, "now": ms, "csat_max": m}
 * of which only the reason and one of event and value are required. */
#pragma once

#include "codec.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A record's timestamp where a row states none: 2023-11-14T22:13:20Z. */
#define CASE_TIMESTAMP_MS INT64_C(1700000000000)

enum { CASE_HEADERS_MAX = 8 };

struct test_case {
    json_t *row; /* owned */
    char *value; /* owned */
    struct dl_header header[CASE_HEADERS_MAX];
    struct dl_message message;
    int64_t now_ms;
    int csat_max;
    const char *reason; /* of row */
};

static inline int64_t case_integer(const json_t *row, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(row, key);
    return value == NULL ? otherwise : json_integer_value(value);
}

static inline void test_case_init(struct test_case *test_case, const char *line)
{
    json_error_t error;
    memset(test_case, 0, sizeof *test_case);
    test_case->row = json_loads(line, JSON_ALLOW_NUL, &error);
    ck_assert_msg(test_case->row != NULL, "%s: %s", error.text, line);
    test_case->reason = json_string_value(json_object_get(test_case->row, "reason"));
    ck_assert_ptr_nonnull(test_case->reason);

    const json_t *value = json_object_get(test_case->row, "value");
    const json_t *event = json_object_get(test_case->row, "event");
    ck_assert_msg((value != NULL) != (event != NULL), "one of value and event: %s", line);
    size_t bytes;
    if (value != NULL) {
        bytes = json_string_length(value);
        test_case->value = malloc(bytes + 1);
        memcpy(test_case->value, json_string_value(value), bytes);
    } else {
        test_case->value = json_dumps(event, JSON_ENCODE_ANY);
        bytes = strlen(test_case->value);
    }

    const char *key;
    json_t *text;
    size_t headers = 0;
    json_object_foreach(json_object_get(test_case->row, "headers"), key, text) {
        ck_assert_uint_lt(headers, CASE_HEADERS_MAX);
        test_case->header[headers++] = (struct dl_header){
            .key = key, .value = json_string_value(text), .value_bytes = json_string_length(text)};
    }
    test_case->message = (struct dl_message){.value = test_case->value,
                                             .value_bytes = bytes,
                                             .timestamp_ms = case_integer(test_case->row, "timestamp", CASE_TIMESTAMP_MS),
                                             .headers = test_case->header,
                                             .header_count = headers};
    test_case->now_ms = case_integer(test_case->row, "now", INT64_MAX);
    test_case->csat_max = (int)case_integer(test_case->row, "csat_max", 5);
}

static inline void test_case_deinit(struct test_case *test_case)
{
    json_decref(test_case->row);
    free(test_case->value);
}

static inline FILE *test_cases_open(void)
{
    static const char path[] = REPOSITORY "/tests/cases/events.jsonl";
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s cannot be opened", path);
    return file;
}

static inline struct dl_decode_options case_options(int csat_max)
{
    return (struct dl_decode_options){.csat_max = csat_max,
                                      .segments = 2,
                                      .segment = {dl_name_of("channel"), dl_name_of("tier")},
                                      .event_bytes_max = 65536};
}
