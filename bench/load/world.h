/* The organisation that the traffic comes from: journeys with ordered stages, touchpoints with their popularity and
 * quality, features, segments with their values. Built once, read only afterwards except for the cached quality. */
#pragma once

#include "rng.h"
#include "settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct ld_name {
    char *raw;
    char *json;         /* quoted and escaped as little as possible */
    char *json_escaped; /* the same with \uXXXX wherever JSON allows it */
    size_t json_length;
};

#define LD_NO_NAME UINT32_MAX

/* How good experiences are, in steps; score distributions are made per level. */
#define LD_LEVELS 33

struct ld_touchpoint {
    struct ld_name name;
    uint32_t journey; /* index; always set */
    uint32_t stage;   /* index into the stage names */
    bool is_known;    /* the catalogue names it */
    float quality;    /* 0..1 */
    float phase;      /* of its drift, 0..1 */
    int64_t level_epoch;
    uint32_t level;
};

struct ld_segment {
    char *name;
    struct ld_name *values;
    uint32_t value_count;
    struct ld_alias popularity;
    int counted; /* position among the counted segments, or -1 */
};

struct ld_world {
    struct ld_touchpoint *touchpoints;
    uint32_t touchpoint_count;
    struct ld_alias popularity;
    struct ld_name *journeys;
    uint32_t journey_count;
    struct ld_name *stages;
    uint32_t stage_count;
    struct ld_name *features;
    uint32_t feature_count;
    struct ld_segment segments[LD_SEGMENTS_MAX];
    size_t segment_count;
    bool has_catalogue;
};

struct ld_world_options {
    uint32_t touchpoints; /* 0: those of the catalogue, or 24 */
    uint32_t journeys;    /* generated ones */
    uint32_t features;
    double zipf;          /* exponent of the touchpoints' popularity */
    const char *segments; /* "channel=app:5|web:3,tier=vip|basic"; NULL: those that are counted; "none" */
    bool has_odd_names;   /* some names hold separators, spaces, quotes and letters beyond ASCII */
    uint64_t seed;
};

/* False after a sentence on stderr. `settings` must outlive the world; its counted segments are filled from
 * `options->segments` when it has none yet. */
bool ld_world_init(struct ld_world *world, const struct ld_world_options *options, struct ld_settings *settings);
void ld_world_deinit(struct ld_world *world);

/* Writes the world's journeys, stages and touchpoints as the `catalogue` section of the daemon's configuration. */
void ld_world_print_catalogue(const struct ld_world *world, FILE *out);

/* Quoted JSON text of a name; the caller frees it. */
char *ld_json_quote(const char *text, bool escape_all);
