/* micro-memory [SUBJECTS [EVENTS [nps|all]]]
 *
 * Resident memory per subject with the five default windows and every pane of each active: so many touchpoints, so
 * many events in each pane of each window, with answers to nps and csat only or with every measure in use. */
#include "micro_events.h"

#include <delight/engine.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define NOW_MS (INT64_C(1772359200000) + 59000)

static uint64_t state = 1;

static int64_t draw(int64_t low, int64_t high)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return low + (int64_t)((state >> 33) % (uint64_t)(high - low + 1));
}

static void must(enum dl_status status)
{
    if (status == DL_OK)
        return;
    fprintf(stderr, "micro-memory: %s\n", dl_status_text(status));
    exit(1);
}

/* An event as good customers' are: mostly high answers. */
static void fill(struct dl_event *event, bool every_measure)
{
    event->type = every_measure ? (enum dl_event_type)draw(0, 2) : DL_EVENT_SURVEY;
    event->nps = (int8_t)draw(draw(0, 8), 10);
    event->csat = (int8_t)draw(draw(1, 4), 5);
    if (!every_measure)
        return;
    event->ces = (int8_t)draw(1, 7);
    event->expectation = (int8_t)draw(1, 5);
    event->outcome = (enum dl_outcome)draw(DL_OUTCOME_ANSWERED, DL_OUTCOME_ABANDONED);
    event->wait_ms = draw(1000, 120000);
    event->handle_ms = draw(20000, 900000);
    event->first_contact = (int8_t)draw(0, 1);
    event->closed = (int8_t)draw(0, 1);
    event->satisfied = (int8_t)draw(0, 1);
    event->duration_ms = draw(0, 10 * 24 * 60 * MINUTE_MS);
}

static void add(struct dl_batch **batch, const struct dl_batch_options *options, struct dl_engine *engine,
                const struct dl_event *event)
{
    enum dl_status status = dl_batch_add(*batch, event);
    if (status == DL_FULL) {
        must(dl_engine_apply(engine, *batch));
        dl_batch_destroy(*batch);
        *batch = dl_batch_create(options, 0);
        status = dl_batch_add(*batch, event);
    }
    must(status);
}

int main(int count, char **arguments)
{
    const char *answers = count > 3 ? arguments[3] : "nps";
    if (count > 4 || (strcmp(answers, "nps") != 0 && strcmp(answers, "all") != 0)) {
        fprintf(stderr, "usage: micro-memory [SUBJECTS [EVENTS [nps|all]]]\n");
        return 64;
    }
    int64_t subjects = count > 1 ? strtoll(arguments[1], NULL, 10) : 10000;
    int64_t events = count > 2 ? strtoll(arguments[2], NULL, 10) : 1;
    bool every_measure = strcmp(answers, "all") == 0;
    if (subjects < 1 || events < 1) {
        fprintf(stderr, "micro-memory: SUBJECTS and EVENTS are numbers from 1 on\n");
        return 64;
    }
    const struct dl_engine_options options = {
        .windows = 5, .window_ms = {5 * MINUTE_MS, 60 * MINUTE_MS, 1440 * MINUTE_MS, 7 * 1440 * MINUTE_MS, 30 * 1440 * MINUTE_MS},
        .subjects_max = 10000000, .touchpoints_max = 10000000};
    const struct dl_batch_options batch_options = {.bytes_max = (size_t)16 << 20, .service_level_threshold_ms = 20000,
                                                   .short_abandon_ms = 5000};
    size_t before = micro_resident();
    struct dl_engine *engine = dl_engine_create(&options);
    must(dl_engine_advance(engine, NOW_MS));
    struct dl_batch *batch = dl_batch_create(&batch_options, 0);
    struct dl_event event = {.sign = 1, .ces = DL_ABSENT, .expectation = DL_ABSENT, .wait_ms = DL_ABSENT,
                             .handle_ms = DL_ABSENT, .resolvable = 1};
    for (int w = options.windows - 1; w >= 0; w--)
        for (int pane = 0; pane < DL_PANES; pane++)
            for (int64_t i = 0; i < subjects * events; i++) {
                char name[24];
                int length = snprintf(name, sizeof name, "touchpoint-%06" PRId64, i % subjects);
                event.touchpoint = (struct dl_name){name, (uint32_t)length};
                event.time_ms = dl_engine_pane_start(engine, w, pane);
                fill(&event, every_measure);
                add(&batch, &batch_options, engine, &event);
            }
    must(dl_engine_apply(engine, batch));
    dl_batch_destroy(batch);
    int64_t id;
    for (int w; dl_engine_take_dirty(engine, &id, &w) == DL_OK;)
        must(dl_engine_set_published(engine, id, w, dl_engine_total(engine, id, w)));
    struct dl_engine_counts counts;
    dl_engine_counts(engine, &counts);
    printf("%" PRId64 " subjects, %.0f panes each: %.2f KiB each by the engine's count, %.2f KiB resident\n", counts.subjects,
           (double)counts.panes / (double)counts.subjects, (double)counts.bytes / 1024 / (double)counts.subjects,
           (double)(micro_resident() - before) / 1024 / (double)counts.subjects);
    dl_engine_destroy(engine);
    return 0;
}
