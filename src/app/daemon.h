/* The inside of `delightd run`, shared by run.c (start, batches, the end),
 * reload.c (signals) and status.c (what is told every second). Loop thread. */
#pragma once

#include "commands.h"
#include "ingest.h"
#include "log.h"
#include "report.h"
#include "scorer.h"
#include "serve.h"
#include "settings.h"
#include "stall.h"

struct daemon {
    const struct dl_arguments *arguments;
    struct dl_config *config;
    struct dl_log *log;
    struct dl_note_sink *notes;
    struct dl_catalogue *catalogue;
    char *catalogue_json;
    char *transactional_id;
    struct dl_commit_options commit; /* kafka mode */
    struct dl_ring *ring;
    struct dl_ingest *ingest;   /* NULL: not this process's role, or it has ended */
    struct dl_scoring *scoring; /* memory mode */
    struct dl_scorer *scorer;   /* kafka mode; NULL: not this process's role */
    struct dl_report report;
    struct dl_kafka_statistics kafka; /* of the events' consumer */
    bool assigned;                    /* Kafka has said which partitions are this process's */
    uint64_t epoch;                   /* assignments that have ended (kafka mode) */
    int64_t forgotten;                /* partitions that were counted and had no committed offset any more (kafka mode) */
    int64_t opened_ms;                /* monotonic: when ingest's open batch was opened; 0: it is empty */
    struct dl_serve serve;
    struct dl_stall stall;

    uv_loop_t loop;
    uv_async_t batches;
    uv_timer_t publish, tick, watchdog, deadline;
    uv_signal_t terminate, interrupt, hang_up;
    int64_t started_ms, start_ms, started_wall_ms;
    bool whole;     /* memory mode: batches have come up to where the topics ended */
    bool caught_up; /* memory mode: these are counted, and from now on scores are published */
    bool stopping, scorer_stopped, left, closing;
    int64_t rejects_noted, rejects_note_ms, figures_note_ms;
    struct dl_batch *held; /* memory mode: beyond a clock that has jumped; NULL: none */
    int exit_status;
};

static inline bool dl_daemon_kafka_mode(const struct daemon *daemon)
{
    return daemon->config->durability == DL_DURABILITY_KAFKA;
}

/* NULL: this process does not score now. */
static inline struct dl_scoring *dl_daemon_scoring(const struct daemon *daemon)
{
    return daemon->scorer != NULL ? dl_scorer_scoring(daemon->scorer) : daemon->scoring;
}

/* ---- run.c ---- */

void dl_daemon_begin_stop(struct daemon *daemon);
void dl_daemon_on_publish(uv_timer_t *timer);
/* On the next turn, and every interval from then on. context: the daemon. */
void dl_daemon_publish_soon(void *context);

/* ---- reload.c ---- */

void dl_daemon_on_stop_signal(uv_signal_t *signal, int number);
void dl_daemon_on_hang_up(uv_signal_t *signal, int number);

/* ---- status.c ---- */

void dl_daemon_on_tick(uv_timer_t *timer);
/* Kafka mode, once a minute and when the process begins to stop: what an operator wants to see of owner, checkpoints,
 * transactions and the chain. */
void dl_daemon_note_figures(struct daemon *daemon);
/* "publishing", "standby", …: for systemd's status line. */
const char *dl_daemon_doing(const struct daemon *daemon);
