/* Sending: the schedule, the generator and the sink, and a progress line. */
#pragma once

#include "generate.h"
#include "message.h"
#include "recount.h"
#include "schedule.h"
#include "sink.h"
#include "traffic.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A malformed message that was sent: what its dead letter must say. */
struct ld_reject {
    uint64_t number;
    uint64_t hash; /* of the value */
    uint32_t bytes;
    uint8_t reason;
    uint8_t seen; /* dead letters found, at most 255 */
};

struct ld_run {
    const struct ld_traffic *traffic;
    struct ld_generator *generator;
    struct ld_recount *recount; /* NULL: nothing is verified */
    struct ld_sink *sink;
    struct ld_schedule schedule;
    bool keeps_rejects;
    struct ld_reject *rejects; /* ascending by number */
    size_t reject_count, reject_capacity;
    uint64_t sent_by_reason[LD_REASONS + 1]; /* the last one: accepted */
    uint64_t sent_by_type[3];
    uint64_t retractions, repeats;
    int64_t newest_ms; /* of the accepted events' times */
    int64_t elapsed_ns;
    int64_t behind_ns_max; /* how late the latest message left, against its intended time */
};

/* Set by a signal: stop sending, finish what is under way. */
extern volatile sig_atomic_t ld_stop;

/* Sends until the count, the time or a signal ends it, and waits for all deliveries. False: something was not
 * delivered. `rejects` is freed by ld_run_deinit. */
bool ld_run_send(struct ld_run *run);
void ld_run_deinit(struct ld_run *run);

/* What was sent, how fast and how well: a few lines on stderr. */
void ld_run_summary(const struct ld_run *run);

/* The same and the expected rejects as JSON. False after a sentence. */
bool ld_run_report(const struct ld_run *run, const char *file);
