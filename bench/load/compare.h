/* One published hash or trend against the recount. */
#pragma once

#include "difference.h"
#include "settings.h"
#include "tally.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ld_found { /* a field as published; the text is the caller's */
    const char *name;
    const char *value;
};

struct ld_compare {
    const struct ld_settings *settings;
    const struct ld_window *window;
    const char *label;  /* the key, for messages */
    bool is_feature;
    bool is_basic;      /* the groups nps and csat without their intervals, and events; other fields may be anything */
    bool needs_as_of;   /* every hash says as_of and window_ms; JSON of `score` says them once */
    int64_t clock_ms;   /* T: decides the panes of a trend */
    int64_t as_of_max_ms; /* as_of is not after this */
};

/* True when the fields are those of the tally (none, when the tally is zero). Differences are noted unless NULL. */
bool ld_compare_hash(const struct ld_compare *compare, const struct ld_tally *tally, const struct ld_found *found,
                     size_t found_count, struct ld_differences *differences);

/* True when `text` (NULL: there is no trend) is the trend of the 59 closed panes at the clock. `panes` are oldest first;
 * the open pane is not compared: a trend is written when a pane closes. */
bool ld_compare_trend(const struct ld_compare *compare, const struct ld_tally *tally,
                      const int64_t (*panes)[LD_COUNTERS], const char *text, struct ld_differences *differences);

/* True when `text` (NULL: not a member) is the score that a measure's rank holds for the tally. */
bool ld_compare_rank(const struct ld_compare *compare, int measure, const struct ld_tally *tally, const char *text,
                     struct ld_differences *differences);
