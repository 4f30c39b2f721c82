/* One decoder for a program's tests, and what it said last. */
#pragma once

#include "cases.h"

static struct dl_decoder *decoder;
static struct dl_event event;
static char detail[DL_DETAIL_SIZE];
static char *decoded; /* the names of the event may lie in it */

static inline void setup(void)
{
    struct dl_decode_options options = case_options(5);
    decoder = dl_decoder_create(&options);
    ck_assert_ptr_nonnull(decoder);
}

static inline void teardown(void)
{
    dl_decoder_destroy(decoder);
    free(decoded);
    decoded = NULL;
}

static inline enum dl_reject decode_bytes(const char *value, size_t bytes)
{
    /* A copy of its exact size, so that the sanitizer sees a read past the end. */
    free(decoded);
    decoded = malloc(bytes > 0 ? bytes : 1);
    memcpy(decoded, value, bytes);
    struct dl_message message = {.value = decoded, .value_bytes = bytes, .timestamp_ms = CASE_TIMESTAMP_MS};
    memset(detail, 'x', sizeof detail);
    enum dl_reject reason = dl_decode(decoder, &message, INT64_MAX, &event, detail);
    ck_assert_ptr_nonnull(memchr(detail, '\0', sizeof detail));
    ck_assert((reason == DL_ACCEPTED) == (detail[0] == '\0'));
    return reason;
}

static inline enum dl_reject decode(const char *value)
{
    return decode_bytes(value, strlen(value));
}
