/* micro-batch FILE [BATCH_EVENTS [ROUNDS [DEDUPE_RECORDS]]]
 *
 * What ingest does with a decoded event: duplicates, batch add, cover. Processor time per event, the median round and
 * the fastest. FILE is delight-load's (--output). Defaults: 100000 events a batch, 7 rounds, duplicates off. */
#include "micro_events.h"

#include <delight/batch.h>
#include <delight/dedupe.h>

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS_MAX = 99 };

static void must(enum dl_status status)
{
    if (status == DL_OK)
        return;
    fprintf(stderr, "micro-batch: %s\n", dl_status_text(status));
    exit(1);
}

static const struct dl_batch_options options = {.bytes_max = (size_t)16 << 20, .service_level_threshold_ms = 20000,
                                                .short_abandon_ms = 5000};

static double expand_all(const struct micro_events *events)
{
    static struct dl_event event;
    double before = micro_processor_ns();
    for (size_t i = 0; i < events->count; i++)
        micro_events_expand(events, i, &event);
    return micro_processor_ns() - before;
}

static double one_round(const struct micro_events *events, size_t batch_events, struct dl_dedupe *dedupe, int64_t offset,
                        size_t *batches)
{
    static struct dl_event event;
    *batches = 0;
    double before = micro_processor_ns();
    struct dl_batch *batch = NULL;
    for (size_t i = 0, room = 0; i < events->count; i++) {
        micro_events_expand(events, i, &event);
        bool duplicate = false;
        if (dedupe != NULL) {
            const struct dl_dedupe_mark mark = dl_dedupe_mark(dedupe, &event);
            must(dl_dedupe_check(dedupe, offset + (int64_t)i, &mark, &duplicate));
        }
        if (duplicate)
            continue;
        enum dl_status status = DL_FULL;
        if (room-- > 0 && batch != NULL)
            status = dl_batch_add(batch, &event);
        if (status == DL_FULL) {
            dl_batch_destroy(batch);
            batch = dl_batch_create(&options, 0);
            *batches += 1;
            room = batch_events - 1;
            status = dl_batch_add(batch, &event);
        }
        must(status);
        must(dl_batch_cover(batch, 0, (int32_t)(i / 500 % 4), 0, (int64_t)i + 1, (int64_t)i + 1));
    }
    dl_batch_destroy(batch);
    return micro_processor_ns() - before;
}

static int ascending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int count, char **arguments)
{
    if (count < 2) {
        fprintf(stderr, "usage: micro-batch FILE [BATCH_EVENTS [ROUNDS [DEDUPE_RECORDS]]]\n");
        return 2;
    }
    size_t batch_events = count > 2 ? strtoul(arguments[2], NULL, 10) : 100000;
    size_t rounds = count > 3 ? strtoul(arguments[3], NULL, 10) : 7;
    int64_t records = count > 4 ? strtoll(arguments[4], NULL, 10) : 0;
    if (batch_events == 0 || rounds == 0 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "micro-batch: 1 or more events a batch, 1 to %d rounds\n", ROUNDS_MAX);
        return 2;
    }
    struct micro_events events;
    micro_events_load(&events, arguments[1], "");
    struct dl_dedupe *dedupe = records > 0 ? dl_dedupe_create(records) : NULL;
    double ns[ROUNDS_MAX];
    size_t batches = 0;
    for (size_t round = 0; round < rounds; round++) {
        double expanded = expand_all(&events);
        ns[round] = one_round(&events, batch_events, dedupe, (int64_t)(round * events.count), &batches) - expanded;
    }
    qsort(ns, rounds, sizeof ns[0], ascending);
    printf("%zu events in %zu batches: median %.1f, fastest %.1f ns per event\n", events.count, batches,
           ns[rounds / 2] / (double)events.count, ns[0] / (double)events.count);
    dl_dedupe_destroy(dedupe);
    free(events.event);
    return 0;
}
