/* The states a window may be published in while it is read: one with an event clock, one per pane with a wall clock that
 * moves on meanwhile. */
#pragma once

#include "recount.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ld_candidates {
    struct ld_recount *recount;
    size_t window;
    int64_t pane_ms;
    bool has_panes;
    int64_t first_pane; /* of snapshots[0] */
    struct ld_snapshot **snapshots;
    size_t count, capacity;
};

void ld_candidates_init(struct ld_candidates *candidates, struct ld_recount *recount, size_t window, int64_t pane_ms,
                        bool has_panes);
void ld_candidates_deinit(struct ld_candidates *candidates);

/* Makes the snapshots of all clocks from `from_ms` to `to_ms` available as snapshots[0 .. count-1], oldest first;
 * `from_ms` must not go back between calls. */
void ld_candidates_cover(struct ld_candidates *candidates, int64_t from_ms, int64_t to_ms);
