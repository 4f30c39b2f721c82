/* micro-engine FILE [BATCH_EVENTS [WINDOWS [PUBLISH_EVENTS [SEGMENTS [ROUNDS [TOGETHER]]]]]]
 *
 * The way of an event behind the decoder, without Kafka and Redis, in one thread: batch add, slide, gather, apply, and
 * what publishing computes (both scores, comparison, text of what changed). Processor time per event of each. FILE is
 * delight-load's (--output). Defaults: 20000 events a batch, windows 5m,1h, published every 250000 events (0: only at
 * the end, as a re-read does), one round; of several, each with an engine of its own, the fastest of each step counts; each batch is applied by
 * itself (TOGETHER: so many are gathered first). */
#include "micro_events.h"

#include <delight/engine.h>
#include <delight/time.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WARM_PERCENT = 10 }; /* of the events: not measured */

enum phase { EXPAND, ADD, SLIDE, GATHER, APPLY, FREE, PUBLISH, PHASES };

struct run {
    struct micro_events events;
    struct dl_batch_options batch_options;
    struct dl_engine *engine;
    int64_t window_ms[DL_WINDOWS_MAX];
    double ns[PHASES];
    size_t together;
    size_t tallies, batches, views, fields, bytes;
    int64_t newest_ms;
    size_t counted;
};

static void must(enum dl_status status)
{
    if (status == DL_OK)
        return;
    fprintf(stderr, "micro-engine: %s\n", dl_status_text(status));
    exit(1);
}

/* Ends the phase: the time since *mark is its. */
static void charge(struct run *run, enum phase phase, double *mark)
{
    double now = micro_processor_ns();
    run->ns[phase] += now - *mark;
    *mark = now;
}

static void score(struct dl_scores *scores, const struct dl_tally *tally, int64_t as_of_ms, int64_t window_ms)
{
    static const struct dl_score_options options = {.csat_max = 5, .csat_top = 4,
                                                    .service_level_formula = DL_SERVICE_LEVEL_4};
    struct dl_counts counts = {.count = {0}};
    dl_tally_unpack(tally, &counts, 1);
    dl_score(scores, &counts, as_of_ms, window_ms, &options);
}

static void publish(struct run *run)
{
    int64_t id;
    int w;
    while (dl_engine_take_dirty(run->engine, &id, &w) == DL_OK) {
        const struct dl_tally *total = dl_engine_total(run->engine, id, w);
        struct dl_scores before, now;
        score(&before, dl_engine_published(run->engine, id, w), 0, run->window_ms[w]);
        score(&now, total, dl_engine_now(run->engine), run->window_ms[w]);
        for (int field = 0; field < DL_FIELDS; field++) {
            char text[DL_VALUE_TEXT_SIZE];
            if (field != DL_FIELD_as_of && dl_value_equal(before.value[field], now.value[field]))
                continue;
            run->bytes += dl_value_format(text, now.value[field]);
            run->fields++;
        }
        must(dl_engine_set_published(run->engine, id, w, total));
        run->views++;
    }
}

static enum dl_status each_of_batch(const void *tallies, dl_batch_on_tally *on_tally, void *context)
{
    return dl_batch_each(tallies, on_tally, context);
}

static void apply(struct run *run)
{
    enum dl_status status = dl_engine_apply_some(run->engine, SIZE_MAX);
    must(status == DL_EMPTY ? DL_OK : status);
}

/* Counts up to `wanted` events in a batch, and the batch in the engine; returns how many there were. */
static size_t one_batch(struct run *run, size_t from, size_t wanted)
{
    static struct dl_event event;
    double mark = micro_processor_ns();
    size_t end = from + wanted < run->events.count ? from + wanted : run->events.count;
    for (size_t i = from; i < end; i++) /* what the expansion alone costs is taken off */
        micro_events_expand(&run->events, i, &event);
    charge(run, EXPAND, &mark);
    struct dl_batch *batch = dl_batch_create(&run->batch_options, 0);
    size_t i = from;
    for (enum dl_status status = DL_OK; i < end; i++) {
        micro_events_expand(&run->events, i, &event);
        status = dl_batch_add(batch, &event);
        if (status == DL_FULL)
            break;
        must(status);
        must(dl_batch_cover(batch, 0, (int32_t)(i / 500 % 4), 0, (int64_t)i, (int64_t)i));
    }
    charge(run, ADD, &mark);
    if (dl_batch_newest_ms(batch) > run->newest_ms)
        run->newest_ms = dl_batch_newest_ms(batch);
    run->tallies += dl_batch_tallies(batch);
    must(dl_engine_advance(run->engine, run->newest_ms));
    charge(run, SLIDE, &mark);
    must(dl_engine_gather(run->engine, each_of_batch, batch, DL_ALL_WINDOWS));
    charge(run, GATHER, &mark);
    if (run->batches % run->together == 0)
        apply(run);
    charge(run, APPLY, &mark);
    dl_batch_destroy(batch);
    charge(run, FREE, &mark);
    run->batches++;
    return i - from;
}

static void create_engine(struct run *run, const char *windows)
{
    struct dl_engine_options options = {
        .segments = run->events.segments, .subjects_max = 1000000, .touchpoints_max = 1000000, .stages_max = 1000,
        .journeys_max = 1000, .features_max = 1000, .segment_values_max = 1000};
    memcpy(options.segment, run->events.segment, sizeof run->events.segment);
    char *copy = strdup(windows);
    for (char *word = strtok(copy, ","); word != NULL; word = strtok(NULL, ",")) {
        must(dl_duration_parse(word, strlen(word), &options.window_ms[options.windows]));
        run->window_ms[options.windows] = options.window_ms[options.windows];
        options.windows++;
    }
    free(copy);
    run->engine = dl_engine_create(&options);
}

static void report(const struct run *run, const double fastest[PHASES])
{
    static const char *const names[PHASES] = {[ADD] = "batch add", [SLIDE] = "slide", [GATHER] = "gather", [APPLY] = "apply",
                                              [FREE] = "free", [PUBLISH] = "publish"};
    struct dl_engine_counts counts;
    dl_engine_counts(run->engine, &counts);
    double events = (double)run->counted;
    printf("events %zu, batches %zu, tallies per event %.3f, decode %.0f ns (apart)\n", run->counted, run->batches,
           (double)run->tallies / events, run->events.decode_ns);
    double sum = 0;
    for (int phase = ADD; phase < PHASES; phase++) {
        sum += fastest[phase];
        printf("%-10s %8.1f ns per event\n", names[phase], fastest[phase] / events);
    }
    printf("%-10s %8.1f ns per event\n", "together", sum / events);
    printf("subjects %" PRId64 ", views %" PRId64 ", panes %" PRId64 ", engine %.1f MiB (%.2f KiB a subject), resident %.1f MiB\n",
           counts.subjects, counts.views, counts.panes, (double)counts.bytes / 1048576,
           (double)counts.bytes / 1024 / (double)counts.subjects, (double)micro_resident() / 1048576);
    printf("published views %zu (%.0f ns each), fields %zu, bytes of values %zu\n", run->views,
           fastest[PUBLISH] / (double)run->views, run->fields, run->bytes);
}

static void forget_measured(struct run *run)
{
    memset(run->ns, 0, sizeof run->ns);
    run->tallies = run->batches = run->views = run->fields = run->bytes = run->counted = 0;
}

static void publish_measured(struct run *run)
{
    double mark = micro_processor_ns();
    apply(run);
    charge(run, APPLY, &mark);
    publish(run);
    charge(run, PUBLISH, &mark);
}

/* All events, in batches. */
static void one_round(struct run *run, size_t batch_events, size_t publish_events)
{
    size_t warm = run->events.count / 100 * WARM_PERCENT, since = 0;
    bool measured = false;
    for (size_t i = 0; i < run->events.count;) {
        if (!measured && i >= warm) {
            measured = true;
            forget_measured(run);
        }
        size_t took = one_batch(run, i, batch_events);
        i += took;
        since += took;
        run->counted += took;
        if (publish_events > 0 && since >= publish_events) {
            publish_measured(run);
            since = 0;
        }
    }
    publish_measured(run);
}

int main(int count, char **arguments)
{
    if (count < 2) {
        fprintf(stderr, "usage: micro-engine FILE [BATCH_EVENTS [WINDOWS [PUBLISH_EVENTS [SEGMENTS [ROUNDS [TOGETHER]]]]]]\n");
        return 2;
    }
    struct run run = {.together = count > 7 ? strtoul(arguments[7], NULL, 10) : 1};
    size_t batch_events = count > 2 ? strtoul(arguments[2], NULL, 10) : 20000;
    size_t publish_events = count > 4 ? strtoul(arguments[4], NULL, 10) : 250000;
    size_t rounds = count > 6 ? strtoul(arguments[6], NULL, 10) : 1;
    double fastest[PHASES];
    micro_events_load(&run.events, arguments[1], count > 5 ? arguments[5] : "");
    run.batch_options = (struct dl_batch_options){.bytes_max = (size_t)16 << 20, .segments = run.events.segments,
                                                  .service_level_threshold_ms = 20000, .short_abandon_ms = 5000};
    for (size_t round = 0; round == 0 || round < rounds; round++) {
        dl_engine_destroy(run.engine);
        create_engine(&run, count > 3 ? arguments[3] : "5m,1h");
        run.newest_ms = INT64_MIN;
        one_round(&run, batch_events, publish_events);
        run.ns[ADD] -= run.ns[EXPAND];
        for (int phase = 0; phase < PHASES; phase++)
            fastest[phase] = round == 0 || run.ns[phase] < fastest[phase] ? run.ns[phase] : fastest[phase];
    }
    report(&run, fastest);
    dl_engine_destroy(run.engine);
    free(run.events.event);
    return 0;
}
