/* Distributions of answers by how good the experience was. Tables of 256 entries: one byte of randomness draws. */
#pragma once

#include "event.h"
#include "rng.h"
#include "world.h"

#include <stdint.h>

struct ld_answers {
    int8_t nps[LD_LEVELS][256];
    int8_t csat[LD_LEVELS][256];
    int8_t ces[LD_LEVELS][256];
    int8_t expectation[LD_LEVELS][256];
    struct ld_kano_answer pairs[6][25]; /* answer pairs by Kano category */
    uint32_t pair_count[6];
};

void ld_answers_init(struct ld_answers *answers, int csat_max);

/* The level of a touchpoint at a moment: its own quality, drifting slowly up and down. */
uint32_t ld_touchpoint_level(struct ld_touchpoint *touchpoint, int64_t moment_ms, int64_t drift_ms);

/* Answers to the questions about a feature, by what kind of feature it is. */
struct ld_kano_answer ld_answers_kano(const struct ld_answers *answers, struct ld_rng *rng, uint32_t feature);
