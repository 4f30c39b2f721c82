/* Scoring: windows, the clock they follow, and the view that is published of
 * them. Loop thread. In memory mode made once; in kafka mode whenever this
 * process becomes the one that scores.
 *
 *   tallies ─► engine ◄─ clock          engine ─► view ─► Redis */
#pragma once

#include "config.h"
#include "redis.h"

#include <uv.h>

struct dl_scoring;

struct dl_scoring_options {
    uv_loop_t *loop;
    const struct dl_config *config; /* borrowed; reloadable options are read anew by dl_scoring_reconfigure */
    const char *catalogue_json;
    struct dl_note_sink *notes;
    int64_t token;      /* the fence of Redis */
    bool keeps_changes; /* for checkpoints */
    /* What the engine holds can no longer be trusted; nothing more is counted or published. Said once. */
    void (*on_failed)(void *context, const char *at, enum dl_status status);
    void *context;
    /* Of struct dl_view_options. */
    void (*on_changed)(void *context, const struct dl_subject_info *info, int window);
    void *changed_context;
};

/* DL_INVALID: the Redis options (noted). DL_MEMORY. */
DL_MUST_USE enum dl_status dl_scoring_create(const struct dl_scoring_options *options, struct dl_scoring **scoring);
/* Drops what is not published yet; on_closed when it is gone. */
void dl_scoring_close(struct dl_scoring *scoring, void (*on_closed)(void *context), void *context);

struct dl_engine *dl_scoring_engine(struct dl_scoring *scoring);

/* T follows its clock; panes enter and leave, as many as a turn of the loop allows, the rest in dl_scoring_apply_some. */
void dl_scoring_move_clock(struct dl_scoring *scoring);
/* T of a checkpoint: to be set before panes are restored. INT64_MIN: there was none. */
void dl_scoring_set_clock(struct dl_scoring *scoring, int64_t clock_ms, int64_t newest_ms);
int64_t dl_scoring_newest_ms(const struct dl_scoring *scoring); /* accepted event time; INT64_MIN: none */

/* While a jump of the wall clock is under observation, T follows the boot clock,
 * and events of the new time would be dropped as too far ahead: they have to wait. */
bool dl_scoring_must_wait(const struct dl_scoring *scoring, int64_t newest_ms);
/* T follows its clock, and tallies are taken in (dl_engine_gather) whose newest event is newest_ms. */
void dl_scoring_gather(struct dl_scoring *scoring, dl_engine_each *each, const void *tallies, int64_t newest_ms, uint32_t windows);
/* dl_engine_waiting; 0 when this has failed. */
size_t dl_scoring_waiting(const struct dl_scoring *scoring);
/* Counts for a turn of the loop. */
void dl_scoring_apply_some(struct dl_scoring *scoring);

/* partitions, lag, roles: of the status; the rest is filled in here. */
void dl_scoring_publish(struct dl_scoring *scoring, struct dl_view_status *status);
bool dl_scoring_failed(const struct dl_scoring *scoring);
/* Published whatever there is, or cannot. */
bool dl_scoring_drained(const struct dl_scoring *scoring);
/* Redis is away, and may lack the last scores. */
bool dl_scoring_unpublished(const struct dl_scoring *scoring);
/* Memory mode, once drained: nobody has to wait for this process's fence. To be drained once more. */
void dl_scoring_leave(struct dl_scoring *scoring);
bool dl_scoring_redis_up(const struct dl_scoring *scoring);
bool dl_scoring_failing(const struct dl_scoring *scoring); /* Redis refuses what is published */
bool dl_scoring_fenced(const struct dl_scoring *scoring);
void dl_scoring_view_counts(const struct dl_scoring *scoring, struct dl_view_counts *counts);
/* Writes that Redis has refused, for a newer owner has written there. */
int64_t dl_scoring_fenced_writes(const struct dl_scoring *scoring);
void dl_scoring_reconfigure(struct dl_scoring *scoring);
/* Once a second: tells what was not counted where its sender meant it. */
void dl_scoring_tick(struct dl_scoring *scoring);
