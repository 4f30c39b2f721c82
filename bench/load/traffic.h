/* What the traffic is to be like, as the command line says. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ld_traffic {
    uint64_t seed;
    const char *id_prefix;
    size_t event_bytes;
    double mix[3]; /* surveys, contacts, complaints; any positive numbers */

    /* Shares of all messages, 0..1. */
    double late;
    int64_t late_mean_ms; /* their delay is exponential with this mean; 0: half corrections, half older than every window */
    double future;          /* less than five minutes ahead: accepted, waits */
    double future_rejected; /* more than five minutes ahead of the record */
    double duplicates;
    double retractions;
    double orphans; /* retractions of what was never sent */
    double malformed;
    double cloudevents;
    double variants; /* unusual but allowed spellings */
    double bare;     /* without stage, journey or both */

    int64_t start_ms;     /* event time of the first event; 0: now */
    int64_t span_ms;      /* event time that the run covers; 0: real time */
    double rate;          /* events per second; 0: as fast as possible */
    uint64_t count;       /* 0: no limit */
    int64_t duration_ms;  /* 0: no limit */
    bool is_for_file;     /* no record timestamps, no headers, one line per message */
    bool is_record_time_event; /* records are stamped with the event's moment instead of now */
};
