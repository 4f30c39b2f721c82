/* From a cell to the subjects that it counts in, under the caps. Internal to the
 * engine. */
#pragma once

#include "known.h"

/* What the names of one cell have come to. */
struct dl_resolved {
    uint32_t touchpoint, stage, journey, feature, value[DL_SEGMENTS_MAX]; /* ids of names, or DL_NO_NAME */
    uint32_t subject[DL_CELL_SUBJECTS_MAX]; /* those that cells of other touchpoints may have, too; its own behind them */
    size_t shared, own;
    bool over_cap[DL_KINDS]; /* by the kind whose cap was reached */
    int64_t over_segment_values, over_subjects;
};

/* DL_MEMORY: some subjects may have been made already. */
DL_MUST_USE enum dl_status dl_resolve(struct dl_registry *registry, const struct dl_cell *cell,
                                      struct dl_resolved *resolved);
