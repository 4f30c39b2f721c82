/* bench-decode: the decoder on lines that delight-load wrote, by each set of
 * instructions, beside the reference over jansson and, where it was built, simdjson
 * On-Demand. Before it measures it checks that all of them read the same events. */
#include "decode_simdjson.h"
#include "lines.h"
#include "timing.h"

#include "codec.h"
#include "scan.h"

#include <delight/counter.h>
#include <delight/time.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENTS = 2, CSAT_MAX = 5 };

struct subject {
    const struct micro_lines *events;
    struct dl_decoder *decoder; /* NULL: simdjson */
    struct simdjson_decoder *other;
    size_t at;
    int64_t accepted;
};

int simdjson_time_parse(const char *text, size_t bytes, int64_t *time_ms)
{
    return dl_time_parse(text, bytes, time_ms) == DL_OK;
}

uint8_t simdjson_kano_category(int functional, int dysfunctional)
{
    return (uint8_t)dl_kano_category(functional, dysfunctional);
}

static bool decode(struct subject *subject, const struct micro_line *line, struct dl_event *event)
{
    const struct dl_message message = {.value = line->data, .value_bytes = line->bytes, .timestamp_ms = -1};
    char detail[DL_DETAIL_SIZE];
    return dl_decode(subject->decoder, &message, INT64_MAX, event, detail) == DL_ACCEPTED;
}

static size_t run(void *context, struct micro_clock *clock, size_t operations)
{
    (void)clock;
    struct subject *subject = context;
    for (size_t i = 0; i < operations; i++) {
        const struct micro_line *line = &subject->events->line[subject->at];
        subject->at = subject->at + 1 == subject->events->count ? 0 : subject->at + 1;
        if (subject->decoder != NULL) {
            struct dl_event event;
            subject->accepted += decode(subject, line, &event);
        } else {
            struct simdjson_event event;
            subject->accepted += simdjson_decode(subject->other, line->data, line->bytes, &event);
        }
    }
    return operations;
}

static bool same_name(struct dl_name name, const char *data, size_t bytes)
{
    return name.bytes == bytes && (bytes == 0 || memcmp(name.data, data, bytes) == 0);
}

static bool same_event(const struct dl_event *a, const struct simdjson_event *b)
{
    bool same = (int)a->type == b->type && a->sign == b->sign && a->time_ms == b->time_ms && a->nps == b->nps &&
                a->csat == b->csat && a->ces == b->ces && a->expectation == b->expectation &&
                a->kano_count == b->kano_count && (int)a->outcome == b->outcome && a->first_contact == b->first_contact &&
                a->resolvable == b->resolvable && a->wait_ms == b->wait_ms && a->handle_ms == b->handle_ms &&
                a->closed == b->closed && a->satisfied == b->satisfied && a->duration_ms == b->duration_ms &&
                same_name(a->id, b->id.data, b->id.bytes) && same_name(a->touchpoint, b->touchpoint.data, b->touchpoint.bytes) &&
                same_name(a->stage, b->stage.data, b->stage.bytes) &&
                same_name(a->journey, b->journey.data, b->journey.bytes);
    for (int i = 0; same && i < SEGMENTS; i++)
        same = same_name(a->segment[i], b->segment[i].data, b->segment[i].bytes);
    for (int i = 0; same && i < a->kano_count; i++)
        same = a->kano[i].category == b->kano[i].category &&
               same_name(a->kano[i].feature, b->kano[i].feature.data, b->kano[i].feature.bytes);
    return same;
}

/* What one reads, all read. */
static void check(struct subject *reference, struct subject *other)
{
    for (size_t i = 0; i < reference->events->count; i++) {
        const struct micro_line *line = &reference->events->line[i];
        struct dl_event expected, event;
        struct simdjson_event foreign;
        bool accepted = decode(reference, line, &expected);
        bool same = other->decoder != NULL
                        ? decode(other, line, &event) == accepted
                        : simdjson_decode(other->other, line->data, line->bytes, &foreign) == accepted &&
                              (!accepted || same_event(&expected, &foreign));
        if (!same) {
            fprintf(stderr, "bench-decode: read differently: %.*s\n", (int)(line->bytes < 500 ? line->bytes : 500), line->data);
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s FILE [ROUNDS]      FILE: lines of delight-load --output\n", argv[0]);
        return 64;
    }
    static const char *const names[DL_INSTRUCTION_SETS + 2] = {
        [DL_PORTABLE] = "scanner, portable", [DL_SSE2] = "scanner, SSE2", [DL_AVX2] = "scanner, AVX2",
        [DL_AVX512] = "scanner, AVX-512", [DL_INSTRUCTION_SETS] = "reference (jansson)", [DL_INSTRUCTION_SETS + 1] = "simdjson On-Demand"};
    struct micro_lines events;
    micro_lines_read(&events, argv[1]);
    struct dl_decode_options options = {.csat_max = CSAT_MAX,
                                        .segments = SEGMENTS,
                                        .segment = {dl_name_of("channel"), dl_name_of("tier")},
                                        .event_bytes_max = 65536};

    struct subject subjects[DL_INSTRUCTION_SETS + 2];
    static struct micro_candidate candidates[DL_INSTRUCTION_SETS + 2];
    size_t count = 0;
    for (int i = DL_INSTRUCTION_SETS + 1; i >= 0; i--) { /* the best first, and behind all of them what they are held against */
        int set = i > 1 ? i - 2 : DL_INSTRUCTION_SETS + 1 - i;
        struct subject *subject = &subjects[count];
        *subject = (struct subject){.events = &events};
        if (set <= DL_INSTRUCTION_SETS) {
            subject->decoder = dl_decoder_create(&options);
            DL_ASSERT(subject->decoder != NULL);
            if (!dl_decoder_scan_by(subject->decoder, (enum dl_instructions)set)) {
                dl_decoder_destroy(subject->decoder);
                continue;
            }
        } else if ((subject->other = simdjson_decoder_create(CSAT_MAX)) == NULL) {
            continue;
        }
        candidates[count++] = (struct micro_candidate){.name = names[set], .run = run, .context = subject};
    }
    struct subject reference = {.events = &events, .decoder = dl_decoder_create(&options)};
    DL_ASSERT(reference.decoder != NULL && dl_decoder_scan_by(reference.decoder, DL_INSTRUCTION_SETS));
    for (size_t i = 0; i < count; i++)
        check(&reference, &subjects[i]);

    int64_t before = subjects[0].decoder != NULL ? dl_decoder_scanned(subjects[0].decoder) : 0;
    printf("%zu events of %.0f bytes; the scanner takes %.2f %% of them\n", events.count,
           (double)events.bytes / (double)events.count, 100.0 * (double)before / (double)events.count);
    micro_run("decode", candidates, count, events.count, argc == 3 ? atoi(argv[2]) : 15);
    for (size_t i = 0; i < count; i++) {
        dl_decoder_destroy(subjects[i].decoder);
        simdjson_decoder_destroy(subjects[i].other);
    }
    dl_decoder_destroy(reference.decoder);
    micro_lines_deinit(&events);
    return 0;
}
