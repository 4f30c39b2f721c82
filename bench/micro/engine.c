/* bench-engine: what follows the decoder, step by step, on lines that delight-load wrote,
 * beside the decoder itself: adding to a batch, applying batches to the windows, sliding
 * them, scoring and formatting a view, handing over through the ring. */
#include "lines.h"
#include "timing.h"

#include "codec.h"

#include <delight/engine.h>
#include <delight/ring.h>

#include <stdio.h>
#include <stdlib.h>

enum { SEGMENTS = 2, BATCH_EVENTS = 10000, SLIDE_MS = 5000, WINDOWS = 5, FORMATTED_FIELDS = DL_FIELDS };

static const struct dl_score_options scoring = {.csat_max = 5, .csat_top = 4, .service_level_formula = DL_SERVICE_LEVEL_4};
static const struct dl_batch_options batching = {.bytes_max = 256 << 20, .segments = SEGMENTS,
                                                 .service_level_threshold_ms = 20000, .short_abandon_ms = 5000};

struct bench {
    struct micro_lines lines;
    struct dl_decoder *decoder;
    size_t at;
    struct dl_batch *open;
    size_t open_events;
    struct dl_engine *engine;
    int64_t now_ms;
    struct dl_counts *counts; /* of every view of the first window */
    struct dl_scores *scores;
    size_t views, view;
    struct dl_ring *ring;
    size_t sink; /* so that no result is unused */
};

/* The next event that is one, at a time of ours. */
static void next_event(struct bench *bench, struct dl_event *event)
{
    char detail[DL_DETAIL_SIZE];
    enum dl_reject reason;
    do {
        const struct micro_line *line = &bench->lines.line[bench->at];
        bench->at = bench->at + 1 == bench->lines.count ? 0 : bench->at + 1;
        const struct dl_message message = {.value = line->data, .value_bytes = line->bytes, .timestamp_ms = -1};
        reason = dl_decode(bench->decoder, &message, INT64_MAX, event, detail);
    } while (reason != DL_ACCEPTED);
}

static struct dl_batch *new_batch(void)
{
    struct dl_batch *batch = dl_batch_create(&batching, 0);
    DL_ASSERT(batch != NULL);
    return batch;
}

static size_t run_decode(void *context, struct micro_clock *clock, size_t operations)
{
    (void)clock;
    struct bench *bench = context;
    struct dl_event event;
    for (size_t i = 0; i < operations; i++) {
        next_event(bench, &event);
        bench->sink += event.touchpoint.bytes;
    }
    return operations;
}

/* With the batch's own beginning and end, one for every BATCH_EVENTS. */
static size_t run_decode_and_add(void *context, struct micro_clock *clock, size_t operations)
{
    (void)clock;
    struct bench *bench = context;
    struct dl_event event;
    for (size_t i = 0; i < operations; i++) {
        next_event(bench, &event);
        event.time_ms = bench->now_ms;
        DL_ASSERT(dl_batch_add(bench->open, &event) == DL_OK);
        if (++bench->open_events == BATCH_EVENTS) {
            dl_batch_destroy(bench->open);
            bench->open = new_batch();
            bench->open_events = 0;
        }
    }
    return operations;
}

static struct dl_batch *filled_batch(struct bench *bench, size_t events)
{
    struct dl_batch *batch = new_batch();
    for (size_t i = 0; i < events; i++) {
        struct dl_event event;
        next_event(bench, &event);
        event.time_ms = bench->now_ms;
        DL_ASSERT(dl_batch_add(batch, &event) == DL_OK);
    }
    return batch;
}

/* Per event of batches of BATCH_EVENTS that are of one second. */
static size_t run_apply(void *context, struct micro_clock *clock, size_t operations)
{
    struct bench *bench = context;
    size_t done = 0;
    for (; done < operations; done += BATCH_EVENTS) {
        micro_clock_stop(clock);
        struct dl_batch *batch = filled_batch(bench, BATCH_EVENTS);
        micro_clock_go_on(clock);
        DL_ASSERT(dl_engine_apply(bench->engine, batch) == DL_OK);
        micro_clock_stop(clock);
        dl_batch_destroy(batch);
        micro_clock_go_on(clock);
    }
    return done;
}

/* Per view that a slide by a pane of the shortest window changes. */
static size_t run_slide(void *context, struct micro_clock *clock, size_t operations)
{
    struct bench *bench = context;
    size_t done = 0;
    while (done < operations) {
        micro_clock_stop(clock);
        struct dl_batch *batch = filled_batch(bench, 1000);
        DL_ASSERT(dl_engine_apply(bench->engine, batch) == DL_OK);
        dl_batch_destroy(batch);
        int64_t id;
        int window;
        while (dl_engine_take_dirty(bench->engine, &id, &window) == DL_OK)
            continue;
        bench->now_ms += SLIDE_MS;
        micro_clock_go_on(clock);
        DL_ASSERT(dl_engine_advance(bench->engine, bench->now_ms) == DL_OK);
        micro_clock_stop(clock);
        done += dl_engine_dirty(bench->engine);
        micro_clock_go_on(clock);
    }
    return done;
}

static size_t run_score(void *context, struct micro_clock *clock, size_t operations)
{
    (void)clock;
    struct bench *bench = context;
    for (size_t i = 0; i < operations; i++) {
        dl_score(&bench->scores[bench->view], &bench->counts[bench->view], bench->now_ms, 300000, &scoring);
        bench->view = bench->view + 1 == bench->views ? 0 : bench->view + 1;
    }
    return operations;
}

static size_t run_format(void *context, struct micro_clock *clock, size_t operations)
{
    (void)clock;
    struct bench *bench = context;
    for (size_t i = 0; i < operations; i++) {
        char text[DL_VALUE_TEXT_SIZE];
        for (int field = 0; field < FORMATTED_FIELDS; field++)
            bench->sink += dl_value_format(text, bench->scores[bench->view].value[field]);
        bench->view = bench->view + 1 == bench->views ? 0 : bench->view + 1;
    }
    return operations;
}

/* Both ends on one thread: the instructions, not the cache line's way between two. */
static size_t run_ring(void *context, struct micro_clock *clock, size_t operations)
{
    (void)clock;
    struct bench *bench = context;
    for (size_t i = 0; i < operations; i++) {
        DL_ASSERT(dl_ring_push(bench->ring, bench) == DL_OK);
        bench->sink += dl_ring_pop(bench->ring) == bench;
    }
    return operations;
}

static void create(struct bench *bench, const char *path)
{
    micro_lines_read(&bench->lines, path);
    const struct dl_decode_options decoding = {.csat_max = 5, .segments = SEGMENTS, .event_bytes_max = 65536,
                                               .segment = {dl_name_of("channel"), dl_name_of("tier")}};
    const struct dl_engine_options options = {
        .windows = WINDOWS, .window_ms = {300000, 3600000, 86400000, 7 * INT64_C(86400000), 30 * INT64_C(86400000)},
        .segments = SEGMENTS, .segment = {dl_name_of("channel"), dl_name_of("tier")}, .subjects_max = 1000000,
        .touchpoints_max = 100000, .stages_max = 1000, .journeys_max = 1000, .features_max = 1000, .segment_values_max = 1000};
    bench->decoder = dl_decoder_create(&decoding);
    bench->engine = dl_engine_create(&options);
    bench->ring = dl_ring_create(64, 0);
    bench->open = new_batch();
    DL_ASSERT(bench->decoder != NULL && bench->engine != NULL && bench->ring != NULL);
    bench->now_ms = INT64_C(1767225600000);
    DL_ASSERT(dl_engine_advance(bench->engine, bench->now_ms) == DL_OK);
    struct dl_batch *batch = filled_batch(bench, bench->lines.count);
    DL_ASSERT(dl_engine_apply(bench->engine, batch) == DL_OK);
    dl_batch_destroy(batch);
}

/* What every subject has in the shortest window. */
static void take_views(struct bench *bench)
{
    for (int64_t id = 0; (id = dl_engine_next_subject(bench->engine, id)) >= 0; id++)
        bench->views++;
    bench->counts = calloc(bench->views, sizeof *bench->counts);
    bench->scores = calloc(bench->views, sizeof *bench->scores);
    DL_ASSERT(bench->views > 0 && bench->counts != NULL && bench->scores != NULL);
    size_t view = 0;
    for (int64_t id = 0; (id = dl_engine_next_subject(bench->engine, id)) >= 0; id++)
        dl_tally_unpack(dl_engine_total(bench->engine, id, 0), &bench->counts[view++], 1);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s FILE [ROUNDS]      FILE: lines of delight-load --output\n", argv[0]);
        return 64;
    }
    static struct bench bench;
    create(&bench, argv[1]);
    take_views(&bench);
    static struct micro_candidate candidates[] = {
        {.name = "decode, per event", .run = run_decode, .context = &bench},
        {.name = "decode and add to the batch, per event", .run = run_decode_and_add, .context = &bench},
        {.name = "apply to the windows, per event", .run = run_apply, .context = &bench},
        {.name = "slide by a pane, per view that changes", .run = run_slide, .context = &bench},
        {.name = "score, per view", .run = run_score, .context = &bench},
        {.name = "format every field, per view", .run = run_format, .context = &bench},
        {.name = "ring, push and pop", .run = run_ring, .context = &bench},
    };
    printf("%zu events, %zu subjects\n", bench.lines.count, bench.views);
    micro_run("step", candidates, sizeof candidates / sizeof candidates[0], 20000, argc == 3 ? atoi(argv[2]) : 15);
    dl_batch_destroy(bench.open);
    dl_engine_destroy(bench.engine);
    dl_ring_destroy(bench.ring);
    dl_decoder_destroy(bench.decoder);
    free(bench.counts);
    free(bench.scores);
    micro_lines_deinit(&bench.lines);
    return bench.sink == 0;
}
