/* A small world with its recount and generator, for tests. */
#pragma once

#include "generate.h"
#include "recount.h"
#include "settings.h"
#include "traffic.h"
#include "world.h"

#include <check.h>

struct fixture {
    struct ld_settings settings;
    struct ld_world_options world_options;
    struct ld_world world;
    struct ld_traffic traffic;
    struct ld_recount *recount;
    struct ld_generator *generator;
};

/* Everything at once: late, future, repeated, retracted, orphaned and malformed messages, CloudEvents, odd names. */
static inline void fixture_defaults(struct fixture *fixture)
{
    *fixture = (struct fixture){
        .world_options = {.touchpoints = 30, .journeys = 5, .features = 9, .zipf = 1, .has_odd_names = true, .seed = 5,
                          .segments = "channel=app:5|web:3|branch,tier=vip|basic:4"},
        .traffic = {.seed = 5, .id_prefix = "t", .event_bytes = 200, .mix = {60, 33, 7}, .late = 0.05, .future = 0.02,
                    .future_rejected = 0.01, .duplicates = 0.05, .retractions = 0.05, .orphans = 0.01,
                    .malformed = 0.05, .cloudevents = 0.2, .variants = 0.3, .bare = 0.2,
                    .start_ms = INT64_C(1795168800000), .span_ms = 7200000, .is_record_time_event = true}};
    ld_settings_init(&fixture->settings);
}

static inline void fixture_start(struct fixture *fixture, const char *const *windows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert(ld_settings_add_window(&fixture->settings, "test", windows[i]));
    ck_assert(ld_world_init(&fixture->world, &fixture->world_options, &fixture->settings));
    fixture->recount = ld_recount_create(&fixture->world, &fixture->settings);
    ck_assert_ptr_nonnull(fixture->recount);
    fixture->generator =
        ld_generator_create(&fixture->traffic, &fixture->world, &fixture->settings, fixture->recount);
}

static inline int64_t fixture_moment(const struct fixture *fixture, uint64_t number, uint64_t total)
{
    return fixture->traffic.start_ms + fixture->traffic.span_ms * (int64_t)number / (int64_t)total;
}

static inline void fixture_stop(struct fixture *fixture)
{
    ld_generator_destroy(fixture->generator);
    ld_recount_destroy(fixture->recount);
    ld_world_deinit(&fixture->world);
    ld_settings_deinit(&fixture->settings);
}
