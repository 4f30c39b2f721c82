/* The scorer of kafka mode: when the score group gives this process the one
 * partition of cx.tallies, it takes the state over, follows the tallies, and
 * saves checkpoints. Loop thread; what has to wait is the checkpoint thread's.
 *
 *   STANDBY ─on_owner─► ACQUIRING ─head─► RESTORING ─► FOLLOWING ─end reached─► SCORING
 *      ▲                                                                          │
 *      └───────────────────── on_lost, or another owner has fenced this one ──────┘
 *
 * The source chain is checked at every batch: a gap or an overlap is an alarm. */
#pragma once

#include "scoring.h"

#include "kafka.h"
#include "statistics.h"

#include <delight/chain.h>

struct dl_scorer;

enum dl_scorer_state {
    DL_SCORER_STANDBY, DL_SCORER_ACQUIRING, DL_SCORER_RESTORING, DL_SCORER_FOLLOWING, DL_SCORER_SCORING
};
const char *dl_scorer_state_text(enum dl_scorer_state state);

enum dl_scorer_fault { DL_SCORER_DATA_LOST, DL_SCORER_OVERLAP, DL_SCORER_FENCED_OUT, DL_SCORER_REFUSED, DL_SCORER_BROKEN };

struct dl_scorer_options {
    uv_loop_t *loop;
    const struct dl_config *config;
    const char *catalogue_json;
    struct dl_note_sink *notes;
    struct dl_kafka_options kafka;
    /* This process has to stop; noted. Called once, on a turn of the loop of its own. */
    void (*on_fault)(void *context, enum dl_scorer_fault fault);
    /* After dl_scorer_stop: nothing is left to do, it may be closed. */
    void (*on_stopped)(void *context);
    /* From now on there is something to publish. */
    void (*on_caught_up)(void *context);
    void *context;
    /* Of struct dl_view_options. */
    void (*on_changed)(void *context, const struct dl_subject_info *info, int window);
    void *changed_context;
};

/* Figures for operators. */
struct dl_scorer_counts {
    enum dl_scorer_state state;
    uint64_t term;
    int64_t token;                  /* of this owner; -1: not the owner */
    int64_t tallies_next, tallies_end, partitions_known;
    int64_t checkpoints, checkpoint_ms, checkpoint_records; /* ms: wall clock of the last one */
    int64_t parts, gaps, lost_records, unreadable;
    int64_t redis_fenced;           /* writes that Redis refused, for a newer owner's token was there */
    struct dl_durations checkpoint;                /* from the first pane that is collected until Kafka has it */
    struct dl_transactions_counts transactions;    /* of checkpoints */
    struct dl_kafka_statistics kafka;              /* of the tallies' consumer */
    bool assigned, owner;                          /* the score group has said who scores; it is this process */
    bool saving;
};

DL_MUST_USE enum dl_status dl_scorer_start(struct dl_scorer **scorer, const struct dl_scorer_options *options);
/* A last checkpoint, then on_stopped. */
void dl_scorer_stop(struct dl_scorer *scorer);
/* Leaves the group and frees; on_closed when libuv and the view have let go. */
void dl_scorer_close(struct dl_scorer *scorer, void (*on_closed)(void *context), void *context);

/* Every publish interval: moves the clock, publishes if the state allows it. */
void dl_scorer_publish(struct dl_scorer *scorer, struct dl_view_status *status);
/* Nothing is left to publish, or nothing may be. */
bool dl_scorer_drained(const struct dl_scorer *scorer);
/* NULL: this process does not score now. */
struct dl_scoring *dl_scorer_scoring(struct dl_scorer *scorer);
/* Where each source partition goes on; NULL: this process is not the owner. Valid until the loop's next turn. */
const struct dl_chain *dl_scorer_chain(const struct dl_scorer *scorer);
void dl_scorer_counts(const struct dl_scorer *scorer, struct dl_scorer_counts *counts);
