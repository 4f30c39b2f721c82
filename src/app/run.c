/* `delightd run`: the loop thread. Batches come in from ingest, panes move with
 * the clock, what changed goes to Redis.
 *
 *   memory mode   ingest ─► ring ─► on_batches ─► scoring ─► Redis
 *   kafka mode    ingest ─► commit thread ─► ring ─► on_batches, for the figures
 *                                └► cx.tallies ─► scorer ─► scoring ─► Redis
 *
 * The end, in order: ingest seals and ends; its last batches are applied, or the
 * scorer writes its last checkpoint; what is not published yet is; handles close;
 * the loop returns. */
#include "daemon.h"

#include "clocks.h"

#include <delight/time.h>

#include <stdlib.h>
#include <string.h>

enum {
    RING_SLOTS = 4, /* few: pressure merges batches in ingest, and merged batches are cheaper to apply */
    TICK_MS = 1000,
    DRAIN_MS = 10,
};

/* ---- The end ---- */

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void on_closed(void *context)
{
    (void)context;
}

static void close_all(struct daemon *daemon)
{
    if (daemon->closing)
        return;
    daemon->closing = true;
    dl_serve_stop(daemon);
    dl_stall_stop(&daemon->stall);
    if (daemon->scoring != NULL)
        dl_scoring_close(daemon->scoring, on_closed, daemon);
    if (daemon->scorer != NULL)
        dl_scorer_close(daemon->scorer, on_closed, daemon);
    daemon->scoring = NULL;
    daemon->scorer = NULL;
    uv_handle_t *handles[] = {
        (uv_handle_t *)&daemon->batches,   (uv_handle_t *)&daemon->publish,   (uv_handle_t *)&daemon->tick,
        (uv_handle_t *)&daemon->watchdog,  (uv_handle_t *)&daemon->deadline,  (uv_handle_t *)&daemon->terminate,
        (uv_handle_t *)&daemon->interrupt, (uv_handle_t *)&daemon->hang_up,
    };
    for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++)
        close_handle(handles[i]);
}

static void on_deadline(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    dl_note(daemon->notes, DL_NOTE_WARNING, "shutdown_timeout has passed: leaving with work undone; a restart does it");
    if (daemon->ingest != NULL)
        _Exit(daemon->exit_status); /* a thread that does not end cannot be waited for */
    close_all(daemon);
}

/* Ingest is gone, or never was: the scorer may write its last checkpoint. dl_daemon_on_publish looks for the end. */
static void begin_drain(struct daemon *daemon)
{
    if (daemon->scorer != NULL)
        dl_scorer_stop(daemon->scorer);
    uv_timer_start(&daemon->publish, dl_daemon_on_publish, DRAIN_MS, DRAIN_MS);
}

void dl_daemon_begin_stop(struct daemon *daemon)
{
    if (daemon->stopping)
        return;
    daemon->stopping = true;
    dl_service_stopping();
    dl_daemon_note_figures(daemon);
    uv_timer_start(&daemon->deadline, on_deadline, (uint64_t)daemon->config->shutdown_timeout_ms, 0);
    if (daemon->ingest != NULL)
        dl_ingest_stop(daemon->ingest);
    else
        begin_drain(daemon);
}

static void on_scoring_failed(void *context, const char *at, enum dl_status status)
{
    struct daemon *daemon = context;
    dl_note(daemon->notes, DL_NOTE_ERROR, "cannot go on", DL_TEXT("at", at), DL_TEXT("status", dl_status_text(status)));
    daemon->exit_status = status == DL_MEMORY ? DL_EXIT_SOFTWARE : DL_EXIT_FAILED;
    dl_daemon_begin_stop(daemon);
}

static void note_data_loss(struct daemon *daemon)
{
    dl_note(daemon->notes, DL_NOTE_ERROR,
            "stopping, for on_data_loss is stop; to go on without what is lost, start with --set on_data_loss=continue");
}

static void on_scorer_fault(void *context, enum dl_scorer_fault fault)
{
    struct daemon *daemon = context;
    if (fault == DL_SCORER_DATA_LOST)
        note_data_loss(daemon);
    daemon->exit_status = fault == DL_SCORER_REFUSED ? DL_EXIT_CONFIG : DL_EXIT_FAILED;
    dl_daemon_begin_stop(daemon);
}

static void on_scorer_stopped(void *context)
{
    struct daemon *daemon = context;
    daemon->scorer_stopped = true; /* it may be in the middle of something: dl_daemon_on_publish closes it */
}

/* ---- Publishing ---- */

static void publish(struct daemon *daemon)
{
    struct dl_view_status status = {
        .roles = daemon->config->roles.count == 2 ? "ingest,score" : daemon->config->roles.item[0],
        .partitions = (int64_t)dl_report_partitions(&daemon->report),
        .lag = dl_report_lag(&daemon->report),
        .draining = daemon->stopping && daemon->ingest == NULL,
    };
    if (daemon->scorer != NULL)
        dl_scorer_publish(daemon->scorer, &status);
    else if (daemon->scoring != NULL && daemon->caught_up)
        dl_scoring_publish(daemon->scoring, &status);
}

static bool drained(const struct daemon *daemon)
{
    if (daemon->scorer != NULL)
        return daemon->scorer_stopped && dl_scorer_drained(daemon->scorer);
    /* What is not whole is not published. */
    return daemon->scoring == NULL || !daemon->caught_up || dl_scoring_drained(daemon->scoring);
}

static void note_unpublished(const struct daemon *daemon)
{
    const struct dl_scoring *scoring = dl_daemon_scoring(daemon);
    if (scoring != NULL && (daemon->scorer != NULL || daemon->caught_up) && dl_scoring_unpublished(scoring))
        dl_note(daemon->notes, DL_NOTE_WARNING, "Redis is away: it may lack the last scores; the next start writes them");
}

void dl_daemon_on_publish(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    if (daemon->stopping && daemon->ingest == NULL && drained(daemon)) {
        if (!daemon->left)
            note_unpublished(daemon);
        if (daemon->scoring != NULL && daemon->caught_up && !daemon->left)
            dl_scoring_leave(daemon->scoring);
        else
            close_all(daemon);
        daemon->left = true;
        return;
    }
    /* Draining: the clock stands still, so that an end comes into sight. */
    if (daemon->scoring != NULL && !daemon->stopping)
        dl_scoring_move_clock(daemon->scoring);
    if (daemon->held != NULL || (daemon->scoring != NULL && dl_scoring_waiting(daemon->scoring) > 0))
        uv_async_send(&daemon->batches);
    publish(daemon);
    dl_serve_tell_changes(daemon);
}

/* ---- Batches ---- */

static enum dl_status each_of_batch(const void *batch, dl_batch_on_tally *on_tally, void *context)
{
    return dl_batch_each(batch, on_tally, context);
}

static void take(struct daemon *daemon, struct dl_batch *batch)
{
    if (dl_report_add(&daemon->report, batch, dl_monotonic_ms()) != DL_OK)
        on_scoring_failed(daemon, "report", DL_MEMORY);
    if (daemon->scoring == NULL)
        return; /* kafka mode: it comes back by way of cx.tallies */
    dl_scoring_gather(daemon->scoring, each_of_batch, batch, dl_batch_newest_ms(batch), DL_ALL_WINDOWS);
    daemon->whole = daemon->whole || dl_batch_caught_up(batch);
}

void dl_daemon_publish_soon(void *context)
{
    struct daemon *daemon = context;
    if (!daemon->stopping)
        uv_timer_start(&daemon->publish, dl_daemon_on_publish, 0, (uint64_t)daemon->config->publish_interval_ms);
}

static void note_caught_up(struct daemon *daemon)
{
    if (daemon->caught_up || !daemon->whole || dl_scoring_failed(daemon->scoring))
        return;
    daemon->caught_up = true;
    dl_note(daemon->notes, DL_NOTE_NOTICE, "caught up: publishing", DL_NUMBER("events", dl_report_events(&daemon->report)),
            DL_NUMBER("rejected", dl_report_rejects(&daemon->report)),
            DL_NUMBER("took_ms", dl_monotonic_ms() - daemon->started_ms));
    dl_daemon_publish_soon(daemon);
}

/* True: something was there that is not wholly counted, or did not follow the clock, and something has been done about it. */
static bool count_some(struct daemon *daemon)
{
    if (daemon->scoring == NULL)
        return false;
    if (dl_scoring_waiting(daemon->scoring) == 0) {
        note_caught_up(daemon);
        return false;
    }
    dl_scoring_apply_some(daemon->scoring);
    return true;
}

/* What has to wait for the clock waits here, and behind it in the ring and in ingest. */
static struct dl_batch *next_batch(struct daemon *daemon)
{
    struct dl_batch *batch = daemon->held != NULL ? daemon->held : dl_ring_pop(daemon->ring);
    daemon->held = NULL;
    if (batch == NULL || daemon->scoring == NULL || daemon->stopping ||
        !dl_scoring_must_wait(daemon->scoring, dl_batch_newest_ms(batch)))
        return batch;
    daemon->held = batch;
    return NULL;
}

static void note_ingest_fault(struct daemon *daemon, enum dl_ingest_fault fault)
{
    if (fault == DL_INGEST_GOOD)
        return;
    if (fault == DL_INGEST_DATA_LOST)
        note_data_loss(daemon);
    daemon->exit_status = fault == DL_INGEST_REFUSED ? DL_EXIT_CONFIG : DL_EXIT_FAILED;
}

static void end_ingest(struct daemon *daemon)
{
    note_ingest_fault(daemon, dl_ingest_fault(daemon->ingest));
    dl_ingest_join(daemon->ingest);
    daemon->ingest = NULL;
    if (daemon->stopping)
        begin_drain(daemon);
    else
        dl_daemon_begin_stop(daemon);
    publish(daemon); /* the last batches, once at least */
}

static void on_batches(uv_async_t *async)
{
    struct daemon *daemon = async->data;
    if (daemon->ingest == NULL)
        return;
    if (count_some(daemon)) {
        uv_async_send(async); /* timers, Redis and HTTP get their turn in between */
        return;
    }
    /* Before the ring is read: an ingest that has ended pushes nothing after it. */
    bool ended = dl_ingest_ended(daemon->ingest);
    struct dl_batch *batch = next_batch(daemon);
    if (daemon->held != NULL)
        return; /* dl_daemon_on_publish goes on with it */
    if (batch != NULL) {
        take(daemon, batch);
        uv_async_send(async); /* it is to be counted, and there may be more */
        dl_batch_destroy(batch);
    } else if (ended) {
        end_ingest(daemon);
    }
}

/* Ingest or commit thread. */
static void on_batch_pushed(void *context)
{
    struct daemon *daemon = context;
    uv_async_send(&daemon->batches);
}

/* ---- Timers ---- */

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    dl_service_watchdog();
}

/* ---- Start ---- */

static enum dl_status start_ingest(struct daemon *daemon)
{
    const struct dl_config *config = daemon->config;
    int64_t longest_ms = dl_settings_longest_window_ms(config);
    const struct dl_ingest_options options = {
        .source = {
            .kafka = dl_settings_kafka(config, daemon->notes),
            .topics = (const char *const *)config->kafka.topics.item,
            .topic_count = config->kafka.topics.count,
            .start_ms = daemon->start_ms,
            .warm_up_records = config->dedupe.records,
            /* In kafka mode what was counted need not be read again. */
            .retention_ms_min = dl_daemon_kafka_mode(daemon) ? 0 : longest_ms + longest_ms / DL_PANES + DL_FUTURE_MS,
        },
        .dead_letter_topic = config->kafka.dead_letter_topic[0] == '\0' ? NULL : config->kafka.dead_letter_topic,
        .decode = dl_settings_decode(config, daemon->catalogue),
        .batch = dl_settings_batch(config),
        .batch_interval_ms = config->batch_interval_ms,
        .dedupe_records = config->dedupe.records,
        .shutdown_timeout_ms = config->shutdown_timeout_ms / 2,
        .ring = daemon->ring,
        .on_batch = on_batch_pushed,
        .context = daemon,
        .commit = dl_daemon_kafka_mode(daemon) ? &daemon->commit : NULL,
        .state_topic = config->kafka.state_topic,
        .stop_on_data_loss = config->on_data_loss == DL_ON_DATA_LOSS_STOP,
    };
    return dl_ingest_start(&daemon->ingest, &options);
}

static void start_handles(struct daemon *daemon)
{
    uv_loop_t *loop = &daemon->loop;
    uv_async_init(loop, &daemon->batches, on_batches);
    uv_timer_init(loop, &daemon->publish);
    uv_timer_init(loop, &daemon->tick);
    uv_timer_init(loop, &daemon->watchdog);
    uv_timer_init(loop, &daemon->deadline);
    uv_signal_init(loop, &daemon->terminate);
    uv_signal_init(loop, &daemon->interrupt);
    uv_signal_init(loop, &daemon->hang_up);
    daemon->batches.data = daemon->publish.data = daemon->tick.data = daemon->watchdog.data = daemon->deadline.data =
        daemon->terminate.data = daemon->interrupt.data = daemon->hang_up.data = daemon;
    uv_signal_start(&daemon->terminate, dl_daemon_on_stop_signal, SIGTERM);
    uv_signal_start(&daemon->interrupt, dl_daemon_on_stop_signal, SIGINT);
    uv_signal_start(&daemon->hang_up, dl_daemon_on_hang_up, SIGHUP);
    uint64_t interval_ms = (uint64_t)daemon->config->publish_interval_ms;
    uv_timer_start(&daemon->publish, dl_daemon_on_publish, interval_ms, interval_ms);
    uv_timer_start(&daemon->tick, dl_daemon_on_tick, TICK_MS, TICK_MS);
    uint64_t watchdog_ms = (uint64_t)dl_service_watchdog_interval_ms();
    if (watchdog_ms > 0)
        uv_timer_start(&daemon->watchdog, on_watchdog, watchdog_ms, watchdog_ms);
}

/* GROUP-ingest-INSTANCE, stable: a restart ends at once what its predecessor left open. */
static enum dl_status describe_commit(struct daemon *daemon)
{
    const struct dl_config *config = daemon->config;
    if (asprintf(&daemon->transactional_id, "%s-ingest-%s", dl_settings_group(config), config->instance) < 0) {
        daemon->transactional_id = NULL;
        return DL_MEMORY;
    }
    daemon->commit = (struct dl_commit_options){
        .kafka = dl_settings_kafka(config, daemon->notes),
        .transactional_id = daemon->transactional_id,
        .group = dl_settings_group(config),
        .tallies_topic = config->kafka.tallies_topic,
        .dead_letter_topic = config->kafka.dead_letter_topic[0] == '\0' ? NULL : config->kafka.dead_letter_topic,
        .topics = (const char *const *)config->kafka.topics.item,
        .record_version = (int)config->kafka.record_version,
        .segments = (int)config->segments.count,
    };
    for (size_t i = 0; i < config->segments.count; i++)
        daemon->commit.segment[i] = dl_name_of(config->segments.item[i]);
    return DL_OK;
}

static enum dl_status create_parts(struct daemon *daemon)
{
    daemon->catalogue = dl_settings_catalogue(daemon->config);
    daemon->catalogue_json = dl_settings_catalogue_json(daemon->config);
    daemon->ring = dl_ring_create(RING_SLOTS, 0);
    if (daemon->catalogue == NULL || daemon->catalogue_json == NULL || daemon->ring == NULL)
        return DL_MEMORY;
    return dl_daemon_kafka_mode(daemon) ? describe_commit(daemon) : DL_OK;
}

static enum dl_status start_scoring(struct daemon *daemon, int64_t wall_ms)
{
    if (dl_daemon_kafka_mode(daemon)) {
        const struct dl_scorer_options scorer = {
            .loop = &daemon->loop, .config = daemon->config, .catalogue_json = daemon->catalogue_json, .notes = daemon->notes,
            .kafka = dl_settings_kafka(daemon->config, daemon->notes), .on_fault = on_scorer_fault,
            .on_stopped = on_scorer_stopped, .on_caught_up = dl_daemon_publish_soon, .context = daemon,
            .on_changed = dl_serve_on_changed, .changed_context = daemon};
        return dl_settings_has_role(daemon->config, "score") ? dl_scorer_start(&daemon->scorer, &scorer) : DL_OK;
    }
    const struct dl_scoring_options scoring = {
        .loop = &daemon->loop, .config = daemon->config, .catalogue_json = daemon->catalogue_json, .notes = daemon->notes,
        .token = wall_ms, .on_failed = on_scoring_failed, .context = daemon,
        .on_changed = dl_serve_on_changed, .changed_context = daemon};
    return dl_scoring_create(&scoring, &daemon->scoring);
}

/* On failure nothing of the loop is left open. */
static enum dl_status start(struct daemon *daemon)
{
    daemon->started_ms = dl_monotonic_ms();
    int64_t wall_ms = daemon->started_wall_ms = dl_wall_ms();
    daemon->start_ms = dl_settings_start_ms(daemon->config, wall_ms);
    enum dl_status status = create_parts(daemon);
    if (status != DL_OK)
        return status;
    if (uv_loop_init(&daemon->loop) != 0)
        return DL_IO;
    dl_stall_start(&daemon->stall, &daemon->loop);
    start_handles(daemon);
    status = dl_serve_start(daemon);
    if (status == DL_OK)
        status = start_scoring(daemon, wall_ms);
    if (status == DL_OK && dl_settings_has_role(daemon->config, "ingest"))
        status = start_ingest(daemon);
    if (status != DL_OK) {
        close_all(daemon);
        uv_run(&daemon->loop, UV_RUN_DEFAULT);
        uv_loop_close(&daemon->loop);
    }
    return status;
}

static void destroy_parts(struct daemon *daemon)
{
    struct dl_batch *batch;
    dl_batch_destroy(daemon->held);
    while (daemon->ring != NULL && (batch = dl_ring_pop(daemon->ring)) != NULL)
        dl_batch_destroy(batch);
    dl_ring_destroy(daemon->ring);
    dl_catalogue_destroy(daemon->catalogue);
    free(daemon->catalogue_json);
    free(daemon->transactional_id);
    dl_report_deinit(&daemon->report);
    dl_serve_deinit(&daemon->serve);
}

static void run_loop(struct daemon *daemon)
{
    dl_note(daemon->notes, DL_NOTE_NOTICE, "started", DL_TEXT("version", DELIGHT_VERSION),
            DL_TEXT("instance", daemon->config->instance), DL_TEXT("durability", dl_daemon_kafka_mode(daemon) ? "kafka" : "memory"),
            DL_NUMBER("windows", daemon->config->windows.count), DL_TEXT("librdkafka", dl_kafka_version()));
    dl_service_ready(dl_daemon_doing(daemon));
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
    int fault = uv_loop_close(&daemon->loop);
    DL_ASSERT(fault == 0);
    dl_note(daemon->notes, DL_NOTE_NOTICE, "stopped", DL_NUMBER("events", dl_report_events(&daemon->report)),
            DL_NUMBER("rejected", dl_report_rejects(&daemon->report)),
            DL_NUMBER("dead_letters", daemon->report.total.dead_letters));
}

int dl_command_run(const struct dl_arguments *arguments)
{
    struct dl_config_errors errors = {0};
    struct daemon daemon = {.arguments = arguments};
    enum dl_status status = dl_config_load(&daemon.config, arguments->config_path, arguments->sets, arguments->set_count, &errors);
    if (status == DL_OK)
        status = dl_config_require_service(daemon.config, &errors);
    dl_config_errors_print(&errors, stderr);
    if (status != DL_OK) {
        dl_config_destroy(daemon.config);
        return status == DL_MEMORY ? DL_EXIT_SOFTWARE : DL_EXIT_CONFIG;
    }
    daemon.log = dl_log_create((enum dl_log_target)daemon.config->log.target, (enum dl_note_level)daemon.config->log.level);
    if (daemon.log == NULL) {
        dl_config_destroy(daemon.config);
        return DL_EXIT_SOFTWARE;
    }
    daemon.notes = dl_log_sink(daemon.log);
    status = start(&daemon);
    if (status == DL_OK) {
        run_loop(&daemon);
    } else {
        dl_note(daemon.notes, DL_NOTE_ERROR, "cannot start", DL_TEXT("status", dl_status_text(status)));
        daemon.exit_status = status == DL_INVALID ? DL_EXIT_CONFIG : DL_EXIT_FAILED;
    }
    destroy_parts(&daemon);
    dl_log_destroy(daemon.log);
    dl_config_destroy(daemon.config);
    return daemon.exit_status;
}
