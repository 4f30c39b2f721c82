/* Events for the micro-benchmarks: a file of delight-load's, decoded once and kept small, so that a measured loop
 * costs what is measured and not the reading of 1 KB events from memory. */
#pragma once

#include <delight/event.h>

#include <stddef.h>
#include <stdint.h>

enum { MICRO_SEGMENTS = 4, MICRO_KANO_MAX = 4 };

struct micro_event {
    int64_t time_ms, wait_ms, handle_ms, duration_ms;
    const char *touchpoint, *stage, *journey, *segment[MICRO_SEGMENTS], *feature[MICRO_KANO_MAX]; /* interned; NULL: none */
    char id[32];
    int8_t type, sign, nps, csat, ces, expectation, kano_count, outcome, first_contact, resolvable, closed, satisfied;
    uint8_t category[MICRO_KANO_MAX];
};

struct micro_events {
    struct micro_event *event;
    size_t count;
    int segments;
    struct dl_name segment[MICRO_SEGMENTS];
    double decode_ns; /* processor time per line, reading excluded */
};

/* Reads FILE (delight-load --output); segments is a list as "channel,tier", "" for none. Ends the program on failure. */
void micro_events_load(struct micro_events *events, const char *path, const char *segments);
/* Fills what the decoder would: *event is the caller's and used again and again. */
void micro_events_expand(const struct micro_events *events, size_t number, struct dl_event *event);

/* Of this thread. */
double micro_processor_ns(void);
/* Resident memory of the process, bytes. */
size_t micro_resident(void);
