#include "scoring.h"

#include "clocks.h"
#include "settings.h"

#include <delight/clock.h>
#include <delight/time.h>

#include <stdlib.h>

enum {
    NOTE_MS = 60000,
    TURN_ADDITIONS = 16384, /* see dl_engine_apply_some: some milliseconds */
};

struct dl_scoring {
    struct dl_scoring_options options;
    struct dl_engine *engine;
    struct dl_view *view;
    struct dl_clock clock;
    int64_t newest_ms; /* newest accepted event time; INT64_MIN: none */
    bool failed;
    struct dl_engine_counts noted; /* as last told to the operator */
    int64_t noted_ms;
    void (*on_closed)(void *context);
    void *closed_context;
};

enum dl_status dl_scoring_create(const struct dl_scoring_options *options, struct dl_scoring **result)
{
    struct dl_scoring *scoring = calloc(1, sizeof *scoring);
    if (scoring == NULL)
        return DL_MEMORY;
    scoring->options = *options;
    scoring->newest_ms = INT64_MIN;
    dl_clock_init(&scoring->clock, (enum dl_clock_mode)options->config->clock);
    struct dl_engine_options engine = dl_settings_engine(options->config);
    engine.keeps_changes = options->keeps_changes;
    scoring->engine = dl_engine_create(&engine);
    enum dl_status status = DL_MEMORY;
    if (scoring->engine != NULL) {
        struct dl_view_options view = dl_settings_view(options->config, options->notes, options->catalogue_json);
        view.on_changed = options->on_changed;
        view.changed_context = options->changed_context;
        status = dl_view_open(&scoring->view, options->loop, &view, scoring->engine, options->token);
    }
    if (status != DL_OK) {
        dl_engine_destroy(scoring->engine);
        free(scoring);
        return status;
    }
    *result = scoring;
    return DL_OK;
}

static void on_view_closed(void *context)
{
    struct dl_scoring *scoring = context;
    void (*on_closed)(void *) = scoring->on_closed;
    void *closed_context = scoring->closed_context;
    dl_engine_destroy(scoring->engine);
    free(scoring);
    on_closed(closed_context);
}

void dl_scoring_close(struct dl_scoring *scoring, void (*on_closed)(void *context), void *context)
{
    scoring->on_closed = on_closed;
    scoring->closed_context = context;
    scoring->failed = true;
    dl_view_close(scoring->view, on_view_closed, scoring);
}

struct dl_engine *dl_scoring_engine(struct dl_scoring *scoring)
{
    return scoring->engine;
}

static void fail(struct dl_scoring *scoring, const char *at, enum dl_status status)
{
    if (scoring->failed)
        return;
    scoring->failed = true;
    scoring->options.on_failed(scoring->options.context, at, status);
}

static void note_clock(const struct dl_scoring *scoring, enum dl_clock_event event)
{
    struct dl_note_sink *notes = scoring->options.notes;
    switch (event) {
    case DL_CLOCK_JUMPED:
        dl_note(notes, DL_NOTE_WARNING,
                "the wall clock jumped by more than a minute: windows go on by the boot clock until it has held for 5 minutes",
                DL_NUMBER("jump_ms", scoring->clock.jump_ms));
        break;
    case DL_CLOCK_ADOPTED:
        dl_note(notes, DL_NOTE_WARNING, "the new wall clock has held for 5 minutes: windows follow it");
        break;
    case DL_CLOCK_RETURNED:
        dl_note(notes, DL_NOTE_NOTICE, "the wall clock is back");
        break;
    case DL_CLOCK_STEADY:
        break;
    }
}

/* `additions` of what follows T are done at once. */
static void advance(struct dl_scoring *scoring, size_t additions)
{
    if (scoring->clock.now_ms == INT64_MIN || scoring->failed)
        return; /* clock: event, and no event yet */
    enum dl_status status = dl_engine_begin_advance(scoring->engine, scoring->clock.now_ms, additions);
    if (status != DL_OK)
        fail(scoring, "advance", status);
}

static void update_clock(struct dl_scoring *scoring)
{
    note_clock(scoring, dl_clock_update(&scoring->clock, dl_wall_ms(), dl_boot_ms(), scoring->newest_ms));
}

void dl_scoring_move_clock(struct dl_scoring *scoring)
{
    update_clock(scoring);
    advance(scoring, TURN_ADDITIONS);
}

void dl_scoring_set_clock(struct dl_scoring *scoring, int64_t clock_ms, int64_t newest_ms)
{
    scoring->newest_ms = newest_ms;
    scoring->clock.newest_ms = newest_ms;
    scoring->clock.now_ms = clock_ms; /* T never goes back, across processes either */
    advance(scoring, 0);
}

int64_t dl_scoring_newest_ms(const struct dl_scoring *scoring)
{
    return scoring->newest_ms;
}

bool dl_scoring_must_wait(const struct dl_scoring *scoring, int64_t newest_ms)
{
    return scoring->clock.jump_ms != 0 && newest_ms > scoring->clock.now_ms + DL_FUTURE_MS;
}

void dl_scoring_gather(struct dl_scoring *scoring, dl_engine_each *each, const void *tallies, int64_t newest_ms, uint32_t windows)
{
    if (newest_ms > scoring->newest_ms)
        scoring->newest_ms = newest_ms;
    update_clock(scoring);
    advance(scoring, 0); /* the turn is the tallies' */
    if (scoring->failed || newest_ms == INT64_MIN)
        return; /* no event, so no tally */
    enum dl_status status = dl_engine_gather(scoring->engine, each, tallies, windows);
    if (status != DL_OK)
        fail(scoring, "apply", status);
}

size_t dl_scoring_waiting(const struct dl_scoring *scoring)
{
    return scoring->failed ? 0 : dl_engine_waiting(scoring->engine);
}

void dl_scoring_apply_some(struct dl_scoring *scoring)
{
    if (scoring->failed)
        return;
    enum dl_status status = dl_engine_apply_some(scoring->engine, TURN_ADDITIONS);
    if (status != DL_OK && status != DL_EMPTY)
        fail(scoring, "apply", status);
}

void dl_scoring_publish(struct dl_scoring *scoring, struct dl_view_status *status)
{
    if (scoring->failed)
        return;
    struct dl_engine_counts counts;
    dl_engine_counts(scoring->engine, &counts);
    status->data_since_ms = counts.oldest_ms == INT64_MAX ? 0 : counts.oldest_ms;
    dl_view_publish(scoring->view, dl_wall_ms(), status);
}

bool dl_scoring_failed(const struct dl_scoring *scoring)
{
    return scoring->failed;
}

bool dl_scoring_drained(const struct dl_scoring *scoring)
{
    return scoring->failed || !dl_view_up(scoring->view) || dl_view_settled(scoring->view);
}

bool dl_scoring_unpublished(const struct dl_scoring *scoring)
{
    return !scoring->failed && !dl_view_up(scoring->view) && !dl_view_settled(scoring->view);
}

void dl_scoring_leave(struct dl_scoring *scoring)
{
    dl_view_leave(scoring->view);
}

bool dl_scoring_redis_up(const struct dl_scoring *scoring)
{
    return dl_view_up(scoring->view);
}

bool dl_scoring_failing(const struct dl_scoring *scoring)
{
    return dl_view_failing(scoring->view);
}

bool dl_scoring_fenced(const struct dl_scoring *scoring)
{
    return dl_view_fenced(scoring->view);
}

void dl_scoring_view_counts(const struct dl_scoring *scoring, struct dl_view_counts *counts)
{
    dl_view_counts(scoring->view, counts);
}

int64_t dl_scoring_fenced_writes(const struct dl_scoring *scoring)
{
    struct dl_view_counts counts;
    dl_view_counts(scoring->view, &counts);
    return counts.fenced;
}

void dl_scoring_reconfigure(struct dl_scoring *scoring)
{
    const struct dl_scoring_options *options = &scoring->options;
    const struct dl_view_options view = dl_settings_view(options->config, options->notes, options->catalogue_json);
    enum dl_status status = dl_view_reconfigure(scoring->view, &view);
    if (status != DL_OK)
        fail(scoring, "reload", status);
}

/* Once a minute, where it grew. */
void dl_scoring_tick(struct dl_scoring *scoring)
{
    int64_t now_ms = dl_monotonic_ms();
    if (now_ms - scoring->noted_ms < NOTE_MS)
        return;
    scoring->noted_ms = now_ms;
    struct dl_note_sink *notes = scoring->options.notes;
    struct dl_engine_counts now;
    dl_engine_counts(scoring->engine, &now);
    const struct dl_engine_counts *before = &scoring->noted;
    if (now.late > before->late)
        dl_note(notes, DL_NOTE_INFO, "events older than every window were not counted",
                DL_NUMBER("events", now.late - before->late), DL_NUMBER("since_start", now.late));
    if (now.ahead > before->ahead)
        dl_note(notes, DL_NOTE_WARNING, "events more than 5 minutes ahead of this host's clock were not counted; if its clock was slow, restart to recount them",
                DL_NUMBER("events", now.ahead - before->ahead), DL_NUMBER("since_start", now.ahead));
    int64_t over = now.over_subjects - before->over_subjects + now.over_segment_values - before->over_segment_values;
    for (int kind = 0; kind < DL_KINDS; kind++)
        over += now.over_cap[kind] - before->over_cap[kind];
    if (over > 0)
        dl_note(notes, DL_NOTE_WARNING, "names over a cap were counted in __other__; see limits",
                DL_NUMBER("tallies", over), DL_NUMBER("subjects", now.subjects));
    scoring->noted = now;
}
