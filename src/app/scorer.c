#include "scorer_inside.h"

#include "clocks.h"
#include "failpoint.h"
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PULSE_MS = 100,
    GATHER_MAX = 1 << 17, /* additions of several records that are done together: a standby that takes over has many */
    LEAVE_MS = 1000,
    HANDLES = 4,
};

const char *dl_scorer_state_text(enum dl_scorer_state state)
{
    static const char *const texts[] = {"standby", "taking over", "restoring", "catching up", "publishing"};
    return texts[state];
}

void dl_scorer_fault(struct dl_scorer *scorer, enum dl_scorer_fault fault)
{
    if (scorer->faulted)
        return;
    scorer->faulted = true;
    scorer->options.on_fault(scorer->options.context, fault);
    dl_scorer_pause(scorer, true); /* nothing more is read, or would report again and again */
    if (scorer->stopping)
        dl_scorer_finish_stop(scorer);
}

void dl_scorer_out_of_memory(struct dl_scorer *scorer)
{
    dl_note(scorer->options.notes, DL_NOTE_ERROR, "out of memory: leaving, so that another process can take over");
    dl_scorer_fault(scorer, DL_SCORER_BROKEN);
}

bool dl_scorer_go_on(struct dl_scorer *scorer)
{
    if (scorer->options.config->on_data_loss == DL_ON_DATA_LOSS_CONTINUE)
        return true;
    dl_scorer_fault(scorer, DL_SCORER_DATA_LOST);
    return false;
}

/* ---- Terms ---- */

static void let_go(struct dl_scorer *scorer)
{
    if (--scorer->handles > 0 || !scorer->closing)
        return;
    void (*on_closed)(void *) = scorer->on_closed;
    void *context = scorer->closed_context;
    dl_record_bytes_deinit(&scorer->collected);
    dl_record_bytes_deinit(&scorer->obsolete);
    dl_record_bytes_deinit(&scorer->key);
    dl_record_bytes_deinit(&scorer->value);
    dl_batch_reader_destroy(scorer->batch_reader);
    dl_state_reader_destroy(scorer->state_reader);
    free(scorer->group_id);
    free(scorer->transactional_id);
    free(scorer);
    on_closed(context);
}

static void on_scoring_closed(void *context)
{
    let_go(context);
}

void dl_scorer_end_term(struct dl_scorer *scorer)
{
    dl_checkpoint_release(scorer->checkpoint);
    if (scorer->scoring != NULL) {
        scorer->counts.redis_fenced += dl_scoring_fenced_writes(scorer->scoring);
        scorer->handles++;
        dl_scoring_close(scorer->scoring, on_scoring_closed, scorer);
        scorer->scoring = NULL;
    }
    dl_chain_destroy(scorer->chain);
    scorer->chain = NULL;
    scorer->obsolete.bytes = scorer->collected.bytes = 0;
    dl_scorer_forget_unreadable(scorer);
    if (scorer->collecting)
        dl_scorer_pause(scorer, false);
    scorer->collecting = scorer->saving = scorer->applying = false;
    scorer->state = DL_SCORER_STANDBY;
    scorer->token = -1;
    if (scorer->stopping)
        dl_scorer_finish_stop(scorer);
}

static void begin_term(struct dl_scorer *scorer)
{
    scorer->term++;
    scorer->acquire_due_ms = INT64_MAX;
    scorer->headed = false;
    scorer->taken = scorer->reading = scorer->counted = scorer->publish_from = scorer->tallies_end = 0;
    scorer->saved = -1;
    scorer->fresh = 0;
    scorer->held = -1;
    scorer->took_ms = scorer->progress_ms = scorer->save_due_ms = dl_monotonic_ms();
    scorer->state = DL_SCORER_ACQUIRING;
    dl_checkpoint_acquire(scorer->checkpoint, scorer->term);
}

static void on_owner(void *context)
{
    struct dl_scorer *scorer = context;
    scorer->owner = true;
    if (!scorer->stopping && !scorer->faulted && scorer->state == DL_SCORER_STANDBY)
        begin_term(scorer);
}

static void on_lost(void *context)
{
    struct dl_scorer *scorer = context;
    scorer->owner = false;
    if (scorer->state == DL_SCORER_STANDBY || dl_broken("deaf_scorer"))
        return;
    dl_note(scorer->options.notes, DL_NOTE_NOTICE, "the group has given the scores to another process; this one stands by");
    dl_scorer_end_term(scorer);
}

/* ---- The loop ---- */

static void save_if_due(struct dl_scorer *scorer)
{
    if (!scorer->stopping && dl_scorer_may_save(scorer) && dl_monotonic_ms() >= scorer->save_due_ms && dl_scorer_unsaved(scorer))
        dl_scorer_begin_save(scorer);
}

static bool poll_tallies(struct dl_scorer *scorer)
{
    bool more = dl_tallies_poll(scorer->tallies, 1);
    size_t gathered = scorer->scoring == NULL ? 0 : dl_scoring_waiting(scorer->scoring);
    bool fills = scorer->reading < scorer->counted; /* record by record: those of the next may be for other windows */
    scorer->applying = gathered > 0 && (!more || fills || gathered >= GATHER_MAX);
    return more;
}

/* One record, or a part of counting what is gathered, a turn: others want theirs. */
static void pump(struct dl_scorer *scorer)
{
    if (scorer->closing || scorer->collecting || scorer->faulted)
        return;
    if (scorer->stopping && !scorer->applying) { /* nothing new: others bring more without end */
        scorer->applying = scorer->scoring != NULL && dl_scoring_waiting(scorer->scoring) > 0;
        if (!scorer->applying)
            return;
    } else if (!scorer->applying) {
        if (poll_tallies(scorer) || scorer->applying)
            uv_async_send(&scorer->again);
        return;
    }
    dl_scoring_apply_some(scorer->scoring);
    uv_async_send(&scorer->again);
    dl_scorer_settle(scorer);
    if (scorer->applying || scorer->faulted)
        return;
    if (scorer->stopping && !scorer->stopped)
        dl_scorer_stop(scorer);
    save_if_due(scorer);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct dl_scorer *scorer = poll->data;
    uv_async_send(&scorer->again); /* which may be on its way already: once a turn is enough */
}

static void on_again(uv_async_t *async)
{
    struct dl_scorer *scorer = async->data;
    if (scorer->closing)
        return;
    if (scorer->collecting)
        dl_scorer_collect(scorer);
    else
        pump(scorer);
}

void dl_scorer_pause(struct dl_scorer *scorer, bool pause)
{
    if (scorer->closing)
        return;
    if (pause || scorer->stopping || scorer->faulted)
        uv_poll_stop(&scorer->readable); /* it would report again and again what is not read */
    else
        uv_poll_start(&scorer->readable, UV_READABLE, on_readable);
    if (!pause)
        uv_async_send(&scorer->again);
}

static void on_messages(uv_async_t *async)
{
    struct dl_scorer *scorer = async->data;
    struct dl_checkpoint_message *message = scorer->closing ? NULL : dl_checkpoint_next(scorer->checkpoint);
    if (message == NULL)
        return;
    dl_scorer_on_message(scorer, message);
    dl_checkpoint_message_destroy(message);
    uv_async_send(async); /* one a turn: others want theirs */
}

static void on_pulse(uv_timer_t *timer)
{
    struct dl_scorer *scorer = timer->data;
    int64_t now_ms = dl_monotonic_ms();
    if (scorer->faulted)
        return;
    pump(scorer);
    if (scorer->owner && !scorer->stopping && scorer->state == DL_SCORER_STANDBY && now_ms >= scorer->acquire_due_ms)
        begin_term(scorer);
    save_if_due(scorer);
}

/* ---- Life ---- */

static enum dl_status create_parts(struct dl_scorer *scorer)
{
    const struct dl_config *config = scorer->options.config;
    struct dl_name segments[DL_SEGMENTS_MAX];
    for (size_t i = 0; i < config->segments.count; i++)
        segments[i] = dl_name_of(config->segments.item[i]);
    scorer->batch_reader = dl_batch_reader_create((int)config->segments.count, segments);
    scorer->state_reader = dl_state_reader_create();
    const char *group = dl_settings_group(config);
    if (asprintf(&scorer->group_id, "%s-score", group) < 0)
        scorer->group_id = NULL;
    if (asprintf(&scorer->transactional_id, "%s-score-0", group) < 0)
        scorer->transactional_id = NULL;
    bool whole = scorer->batch_reader != NULL && scorer->state_reader != NULL && scorer->group_id != NULL && scorer->transactional_id != NULL;
    return whole ? DL_OK : DL_MEMORY;
}

static void on_checkpoint_message(void *context)
{
    struct dl_scorer *scorer = context;
    uv_async_send(&scorer->messages);
}

static enum dl_status start_kafka(struct dl_scorer *scorer)
{
    const struct dl_config *config = scorer->options.config;
    const struct dl_checkpoint_options checkpoint = {
        .kafka = scorer->options.kafka, .transactional_id = scorer->transactional_id, .state_topic = config->kafka.state_topic,
        .tallies_topic = config->kafka.tallies_topic, .instance = config->instance,
        .record_version = (int)config->kafka.record_version, .on_message = on_checkpoint_message, .context = scorer};
    enum dl_status status = dl_checkpoint_start(&scorer->checkpoint, &checkpoint);
    if (status != DL_OK)
        return status;
    const struct dl_tallies_options tallies = {.kafka = scorer->options.kafka, .topic = config->kafka.tallies_topic,
                                              .group_id = scorer->group_id, .on_statistics = dl_scorer_on_statistics};
    const struct dl_tallies_callbacks callbacks = {on_owner, on_lost, dl_scorer_on_record, dl_scorer_on_position, dl_scorer_on_loss, scorer};
    status = dl_tallies_create(&tallies, &callbacks, &scorer->tallies);
    if (status != DL_OK) {
        dl_checkpoint_stop(scorer->checkpoint, 0);
        dl_checkpoint_join(scorer->checkpoint);
    }
    return status;
}

static void start_handles(struct dl_scorer *scorer)
{
    uv_loop_t *loop = scorer->options.loop;
    uv_poll_init(loop, &scorer->readable, dl_tallies_fd(scorer->tallies));
    uv_timer_init(loop, &scorer->pulse);
    scorer->readable.data = scorer->pulse.data = scorer;
    uv_poll_start(&scorer->readable, UV_READABLE, on_readable);
    uv_timer_start(&scorer->pulse, on_pulse, PULSE_MS, PULSE_MS);
}

static void on_handle_closed(uv_handle_t *handle)
{
    let_go(handle->data);
}

static void ignore(void *context)
{
    (void)context;
}

enum dl_status dl_scorer_start(struct dl_scorer **result, const struct dl_scorer_options *options)
{
    struct dl_scorer *scorer = calloc(1, sizeof *scorer);
    if (scorer == NULL)
        return DL_MEMORY;
    scorer->options = *options;
    scorer->token = -1;
    scorer->held = -1;
    scorer->acquire_due_ms = INT64_MAX;
    scorer->handles = HANDLES;
    /* Before the thread that uses them. */
    uv_async_init(options->loop, &scorer->messages, on_messages);
    uv_async_init(options->loop, &scorer->again, on_again);
    scorer->messages.data = scorer->again.data = scorer;
    enum dl_status status = create_parts(scorer);
    if (status == DL_OK)
        status = start_kafka(scorer);
    if (status != DL_OK) {
        scorer->closing = true;
        scorer->handles = 2;
        scorer->on_closed = ignore;
        uv_close((uv_handle_t *)&scorer->messages, on_handle_closed);
        uv_close((uv_handle_t *)&scorer->again, on_handle_closed);
        return status;
    }
    start_handles(scorer);
    *result = scorer;
    return DL_OK;
}

void dl_scorer_finish_stop(struct dl_scorer *scorer)
{
    if (scorer->stopped)
        return;
    scorer->stopped = true;
    scorer->options.on_stopped(scorer->options.context);
}

void dl_scorer_stop(struct dl_scorer *scorer)
{
    scorer->stopping = true;
    dl_scorer_pause(scorer, true);
    bool gathered = scorer->scoring != NULL && dl_scoring_waiting(scorer->scoring) > 0;
    if (gathered)
        uv_async_send(&scorer->again);
    if (!scorer->faulted && (scorer->collecting || scorer->saving || gathered))
        return; /* on_saved, or pump, comes back */
    if (dl_scorer_may_save(scorer) && dl_scorer_unsaved(scorer))
        dl_scorer_begin_save(scorer);
    else
        dl_scorer_finish_stop(scorer);
}

void dl_scorer_close(struct dl_scorer *scorer, void (*on_closed)(void *context), void *context)
{
    DL_ASSERT(!scorer->closing);
    dl_scorer_end_term(scorer);
    scorer->closing = true;
    scorer->on_closed = on_closed;
    scorer->closed_context = context;
    uv_handle_t *handles[HANDLES] = {(uv_handle_t *)&scorer->readable, (uv_handle_t *)&scorer->messages,
                                     (uv_handle_t *)&scorer->again, (uv_handle_t *)&scorer->pulse};
    uv_poll_stop(&scorer->readable);
    dl_checkpoint_stop(scorer->checkpoint, 0);
    dl_tallies_destroy(scorer->tallies, LEAVE_MS);
    dl_checkpoint_join(scorer->checkpoint);
    for (size_t i = 0; i < HANDLES; i++)
        uv_close(handles[i], on_handle_closed);
}

void dl_scorer_publish(struct dl_scorer *scorer, struct dl_view_status *status)
{
    if (scorer->scoring == NULL || scorer->faulted)
        return;
    if (!scorer->collecting && !scorer->stopping && scorer->state >= DL_SCORER_FOLLOWING)
        dl_scoring_move_clock(scorer->scoring);
    if (dl_scoring_waiting(scorer->scoring) > 0)
        uv_async_send(&scorer->again);
    if (scorer->held >= 0 && !dl_scoring_must_wait(scorer->scoring, scorer->held_newest_ms)) {
        dl_tallies_begin(scorer->tallies, scorer->held);
        scorer->held = -1;
    }
    if (scorer->state == DL_SCORER_SCORING) {
        dl_failpoint("publish");
        memcpy(status->window_since_ms, scorer->data_since_ms, sizeof status->window_since_ms);
        dl_scoring_publish(scorer->scoring, status);
    }
}

struct dl_scoring *dl_scorer_scoring(struct dl_scorer *scorer)
{
    return scorer->scoring;
}
