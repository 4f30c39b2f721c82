#include "answers.h"

#include "tally.h"
#include "util.h"

#include <math.h>

/* Fills a table with the values low..high in the shares of a normal distribution cut into steps. */
static void fill_normal(int8_t table[256], int low, int high, double mean, double deviation)
{
    double weights[16];
    double sum = 0;
    for (int value = low; value <= high; value++) {
        double distance = (value - mean) / deviation;
        weights[value - low] = exp(-distance * distance / 2) + 0.004;
        sum += weights[value - low];
    }
    double passed = 0;
    int at = 0;
    for (int value = low; value <= high; value++) {
        passed += weights[value - low];
        int end = value == high ? 256 : (int)(256 * passed / sum + 0.5);
        while (at < end)
            table[at++] = (int8_t)value;
    }
}

void ld_answers_init(struct ld_answers *answers, int csat_max)
{
    *answers = (struct ld_answers){0};
    for (int level = 0; level < LD_LEVELS; level++) {
        double quality = (double)level / (LD_LEVELS - 1);
        fill_normal(answers->nps[level], 0, 10, 2.5 + 8 * quality, 2.1);
        fill_normal(answers->csat[level], 1, csat_max, 1 + (csat_max - 0.6) * (0.25 + 0.75 * quality), csat_max * 0.2);
        fill_normal(answers->ces[level], 1, 7, 2.5 + 4.5 * quality, 1.4);
        fill_normal(answers->expectation[level], 1, 5, 1.8 + 2.6 * quality, 0.9);
    }
    for (int functional = 1; functional <= 5; functional++) {
        for (int dysfunctional = 1; dysfunctional <= 5; dysfunctional++) {
            int category = (int)ld_kano_category(functional, dysfunctional) - LD_MUST_BE;
            answers->pairs[category][answers->pair_count[category]++] =
                (struct ld_kano_answer){0, (int8_t)functional, (int8_t)dysfunctional};
        }
    }
}

uint32_t ld_touchpoint_level(struct ld_touchpoint *touchpoint, int64_t moment_ms, int64_t drift_ms)
{
    int64_t epoch = ld_floor_div(moment_ms, drift_ms);
    if (epoch != touchpoint->level_epoch) {
        double turn = (double)(epoch % 32) / 32 + (double)touchpoint->phase;
        double quality = (double)touchpoint->quality + 0.2 * sin(6.283185307179586 * turn);
        quality = quality < 0 ? 0 : quality > 1 ? 1 : quality;
        touchpoint->level = (uint32_t)(quality * (LD_LEVELS - 1) + 0.5);
        touchpoint->level_epoch = epoch;
    }
    return touchpoint->level;
}

struct ld_kano_answer ld_answers_kano(const struct ld_answers *answers, struct ld_rng *rng, uint32_t feature)
{
    /* Shares of must-be, one-dimensional, attractive, indifferent, reverse, questionable in 100 answers. */
    static const uint8_t profiles[][6] = {{14, 20, 42, 20, 2, 2}, {48, 24, 8, 16, 2, 2}, {20, 45, 15, 16, 2, 2},
                                          {8, 10, 20, 56, 4, 2},  {10, 8, 10, 30, 40, 2}, {28, 27, 20, 20, 3, 2}};
    const uint8_t *profile = profiles[feature % LD_COUNT(profiles)];
    uint32_t draw = ld_rng_below(rng, 100);
    uint32_t category = 0;
    while (category < 5 && draw >= profile[category])
        draw -= profile[category++];
    struct ld_kano_answer answer = answers->pairs[category][ld_rng_below(rng, answers->pair_count[category])];
    answer.feature = feature;
    return answer;
}
