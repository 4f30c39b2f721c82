/* Comparing what was published with the recount. */
#pragma once

#include "difference.h"
#include "recount.h"
#include "run.h"
#include "settings.h"

#include <stdbool.h>
#include <stdint.h>

struct ld_verify {
    const struct ld_settings *settings;
    struct ld_recount *recount;
    const struct ld_run *run;
    struct ld_differences *differences;
    int64_t timeout_ms;
    int64_t slack_ms;  /* wall clock: a hash may be this much behind */
    int64_t as_of_ms;  /* JSON only; 0: the newest event */
    bool has_trends;
    bool is_basic; /* Redis only: nothing but events, nps and csat of touchpoints and stages; no ranks, sets, other keys */
    bool allows_repeated_dead_letters;
    const char *source_topic;
    const char *id_prefix;
};

/* Each returns true when everything is equal before the timeout; otherwise the differences of the last comparison are
 * kept, or a sentence was said about why there was none. */
bool ld_verify_redis(const struct ld_verify *verify);
bool ld_verify_json(const struct ld_verify *verify, const char *file);
bool ld_verify_dead_letters(const struct ld_verify *verify, const char *topic);
