/* Subjects and the cells that feed them: who counts where. */
#pragma once

#include "event.h"
#include "settings.h"
#include "world.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ld_kind {
    LD_KIND_ALL,
    LD_KIND_JOURNEY,
    LD_KIND_JOURNEY_STAGE,
    LD_KIND_STAGE,
    LD_KIND_TOUCHPOINT,
    LD_KIND_FEATURE,
    LD_KINDS
};

struct ld_subject {
    enum ld_kind kind;
    char *name;  /* as in keys: "journey:J|stage=S|tier=vip", encoded */
    char *group; /* as in set and rank keys: "journey_stage|tier=vip", encoded */
    size_t cell_count;
    size_t cell_first; /* into ld_subjects.cells_by_subject, once that is built */
};

/* One combination of touchpoint, stage, journey and counted segment values; or of a feature and segment values. */
struct ld_cell {
    uint32_t subject_count;
    uint32_t *subjects;
    bool is_feature;
};

struct ld_table { /* open addressing from a 64-bit key to a 32-bit number */
    uint64_t *keys;
    uint32_t *numbers;
    size_t capacity;
    size_t count;
};

struct ld_subjects {
    const struct ld_world *world;
    const struct ld_settings *settings;
    struct ld_subject *subjects;
    size_t subject_count, subject_capacity;
    struct ld_cell *cells;
    size_t cell_count, cell_capacity;
    uint32_t *cells_by_subject;
    size_t linked_cells; /* how many cells cells_by_subject covers */
    struct ld_table subject_table, cell_table;
    uint32_t segment_factor[LD_SEGMENTS_MAX]; /* by generated segment; 0: not counted */
};

/* False after a sentence on stderr when the segments have more combinations than a cell number holds. */
bool ld_subjects_init(struct ld_subjects *subjects, const struct ld_world *world, const struct ld_settings *settings);
void ld_subjects_deinit(struct ld_subjects *subjects);

/* The cell of an event, and of a feature in that event's segments; made when first seen. */
uint32_t ld_subjects_cell(struct ld_subjects *subjects, const struct ld_event *event);
uint32_t ld_subjects_feature_cell(struct ld_subjects *subjects, const struct ld_event *event, uint32_t feature);

/* Builds the list of cells per subject for all cells seen so far. */
void ld_subjects_link(struct ld_subjects *subjects);

/* Percent-encodes the bytes { } | = %, space and control characters; the caller frees the text. */
char *ld_percent_encode(const char *text);
