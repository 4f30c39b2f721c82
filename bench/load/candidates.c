#include "candidates.h"

#include "util.h"

#include <stdlib.h>
#include <string.h>

void ld_candidates_init(struct ld_candidates *candidates, struct ld_recount *recount, size_t window, int64_t pane_ms,
                        bool has_panes)
{
    *candidates =
        (struct ld_candidates){.recount = recount, .window = window, .pane_ms = pane_ms, .has_panes = has_panes};
}

void ld_candidates_deinit(struct ld_candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++)
        ld_snapshot_destroy(candidates->snapshots[i]);
    free(candidates->snapshots);
    *candidates = (struct ld_candidates){0};
}

void ld_candidates_cover(struct ld_candidates *candidates, int64_t from_ms, int64_t to_ms)
{
    int64_t from = ld_floor_div(from_ms, candidates->pane_ms);
    int64_t to = ld_floor_div(to_ms, candidates->pane_ms);
    if (candidates->count == 0)
        candidates->first_pane = from;
    while (candidates->count > 0 && candidates->first_pane < from) {
        ld_snapshot_destroy(candidates->snapshots[0]);
        candidates->count--;
        memmove(candidates->snapshots, candidates->snapshots + 1, candidates->count * sizeof(struct ld_snapshot *));
        candidates->first_pane++;
    }
    if (candidates->count == 0)
        candidates->first_pane = from;
    while (candidates->first_pane + (int64_t)candidates->count <= to) {
        int64_t pane = candidates->first_pane + (int64_t)candidates->count;
        candidates->snapshots = ld_grow(candidates->snapshots, &candidates->capacity, candidates->count + 1,
                                        sizeof(struct ld_snapshot *));
        candidates->snapshots[candidates->count++] =
            ld_snapshot_create(candidates->recount, candidates->window,
                               (pane + 1) * candidates->pane_ms - 1, candidates->has_panes);
    }
}
