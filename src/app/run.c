/* `delightd run`: the loop thread. Batches come in from ingest, panes move with
 * the clock, what changed goes to Redis.
 *
 *   ingest ─► ring ─► on_batches ─► engine ◄─ on_publish ─► view ─► Redis
 *
 * The end, in order: ingest seals and ends; its last batches are applied and
 * published; the view settles; handles close; the loop returns. */
#include "commands.h"

#include "clocks.h"
#include "ingest.h"
#include "log.h"
#include "report.h"
#include "settings.h"

#include <delight/clock.h>
#include <delight/time.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
    RING_SLOTS = 4, /* few: pressure merges batches in ingest, and merged batches are cheaper to apply */
    BATCHES_PER_WAKE = 8, /* timers and Redis get their turn in between */
    TICK_MS = 1000,
    DRAIN_MS = 10,
    NOTE_MS = 60000,
};

struct daemon {
    const struct dl_arguments *arguments;
    struct dl_config *config;
    struct dl_log *log;
    struct dl_note_sink *notes;
    struct dl_catalogue *catalogue;
    char *catalogue_json;
    struct dl_engine *engine;
    struct dl_clock clock;
    struct dl_ring *ring;
    struct dl_ingest *ingest; /* NULL once it has ended */
    struct dl_view *view;
    struct dl_report report;

    uv_loop_t loop;
    uv_async_t batches;
    uv_timer_t publish, tick, watchdog, deadline;
    uv_signal_t terminate, interrupt, hang_up;
    int64_t newest_ms; /* newest accepted event time; INT64_MIN: none */
    int64_t started_ms, start_ms;
    bool caught_up;    /* from now on scores are published */
    bool stopping, closing;
    bool failed;       /* what the engine holds can no longer be trusted */
    struct dl_batch *held; /* beyond a clock that has jumped; NULL: none */
    struct dl_engine_counts noted; /* as last told to the operator */
    int64_t noted_ms;
    int exit_status;
};

/* ---- The end ---- */

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void on_view_closed(void *context)
{
    (void)context;
}

static void close_all(struct daemon *daemon)
{
    if (daemon->closing)
        return;
    daemon->closing = true;
    dl_view_close(daemon->view, on_view_closed, daemon);
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
    dl_note(daemon->notes, DL_NOTE_WARNING, "shutdown_timeout has passed: leaving with work undone; a restart recounts it");
    if (daemon->ingest != NULL)
        _Exit(daemon->exit_status); /* a thread that does not end cannot be waited for */
    close_all(daemon);
}

static void begin_stop(struct daemon *daemon)
{
    if (daemon->stopping)
        return;
    daemon->stopping = true;
    dl_service_stopping();
    dl_ingest_stop(daemon->ingest);
    uv_timer_start(&daemon->deadline, on_deadline, (uint64_t)daemon->config->shutdown_timeout_ms, 0);
}

static void fail(struct daemon *daemon, const char *what, enum dl_status status)
{
    dl_note(daemon->notes, DL_NOTE_ERROR, "cannot go on", DL_TEXT("at", what), DL_TEXT("status", dl_status_text(status)));
    daemon->exit_status = status == DL_MEMORY ? DL_EXIT_SOFTWARE : DL_EXIT_FAILED;
    daemon->failed = true; /* nothing more is counted or published: a restart recounts */
    begin_stop(daemon);
}

/* ---- Clock and windows ---- */

static void move_clock(struct daemon *daemon)
{
    switch (dl_clock_update(&daemon->clock, dl_wall_ms(), dl_boot_ms(), daemon->newest_ms)) {
    case DL_CLOCK_JUMPED:
        dl_note(daemon->notes, DL_NOTE_WARNING,
                "the wall clock jumped by more than a minute: windows go on by the boot clock until it has held for 5 minutes",
                DL_NUMBER("jump_ms", daemon->clock.jump_ms));
        break;
    case DL_CLOCK_ADOPTED:
        dl_note(daemon->notes, DL_NOTE_WARNING, "the new wall clock has held for 5 minutes: windows follow it");
        break;
    case DL_CLOCK_RETURNED:
        dl_note(daemon->notes, DL_NOTE_NOTICE, "the wall clock is back");
        break;
    case DL_CLOCK_STEADY:
        break;
    }
    if (daemon->clock.now_ms == INT64_MIN || daemon->failed)
        return; /* clock: event, and no event yet */
    enum dl_status status = dl_engine_advance(daemon->engine, daemon->clock.now_ms);
    if (status != DL_OK)
        fail(daemon, "advance", status);
}

static void apply(struct daemon *daemon, struct dl_batch *batch)
{
    if (daemon->failed)
        return;
    int64_t newest_ms = dl_batch_newest_ms(batch);
    if (newest_ms > daemon->newest_ms)
        daemon->newest_ms = newest_ms;
    move_clock(daemon);
    enum dl_status status = dl_report_add(&daemon->report, batch);
    if (status == DL_OK && dl_batch_tallies(batch) > 0)
        status = dl_engine_apply(daemon->engine, batch);
    if (status != DL_OK)
        fail(daemon, "apply", status);
    if (dl_batch_caught_up(batch) && !daemon->caught_up) {
        daemon->caught_up = true;
        dl_note(daemon->notes, DL_NOTE_NOTICE, "caught up: publishing", DL_NUMBER("events", dl_report_events(&daemon->report)),
                DL_NUMBER("rejected", dl_report_rejects(&daemon->report)),
                DL_NUMBER("took_ms", dl_monotonic_ms() - daemon->started_ms));
    }
}

/* ---- Publishing ---- */

static void publish(struct daemon *daemon)
{
    struct dl_engine_counts counts;
    dl_engine_counts(daemon->engine, &counts);
    const struct dl_view_status status = {
        .data_since_ms = counts.oldest_ms == INT64_MAX ? 0 : counts.oldest_ms,
        .roles = "ingest,score",
        .partitions = (int64_t)daemon->report.partition_count,
        .lag = dl_report_lag(&daemon->report),
        .draining = daemon->ingest == NULL,
        .releases = daemon->ingest == NULL,
    };
    dl_view_publish(daemon->view, dl_wall_ms(), &status);
}

static void on_publish(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    bool publishes = daemon->caught_up && !daemon->failed;
    /* Draining: the clock stands still, so that an end comes into sight. */
    if (daemon->ingest == NULL && (!publishes || !dl_view_up(daemon->view) || dl_view_settled(daemon->view))) {
        close_all(daemon);
        return;
    }
    if (daemon->ingest != NULL)
        move_clock(daemon);
    if (daemon->held != NULL && daemon->clock.jump_ms == 0)
        uv_async_send(&daemon->batches);
    if (publishes)
        publish(daemon);
}

static void end_ingest(struct daemon *daemon)
{
    dl_ingest_join(daemon->ingest);
    daemon->ingest = NULL;
    if (!daemon->stopping)
        begin_stop(daemon);
    if (daemon->caught_up && !daemon->failed)
        publish(daemon); /* the last batches, once at least */
    uv_timer_start(&daemon->publish, on_publish, DRAIN_MS, DRAIN_MS);
}

/* While a jump of the wall clock is under observation, T follows the boot clock, and events of the new time would be
 * dropped as too far ahead. They wait here, and behind them in the ring and in ingest. */
static bool hold_back(const struct daemon *daemon, const struct dl_batch *batch)
{
    return daemon->clock.jump_ms != 0 && !daemon->stopping &&
           dl_batch_newest_ms(batch) > daemon->clock.now_ms + DL_FUTURE_MS;
}

static struct dl_batch *next_batch(struct daemon *daemon)
{
    struct dl_batch *batch = daemon->held != NULL ? daemon->held : dl_ring_pop(daemon->ring);
    daemon->held = NULL;
    if (batch == NULL || !hold_back(daemon, batch))
        return batch;
    daemon->held = batch;
    return NULL;
}

static void on_batches(uv_async_t *async)
{
    struct daemon *daemon = async->data;
    if (daemon->ingest == NULL)
        return;
    /* Before the ring is read: an ingest that has ended pushes nothing after it. */
    bool ended = dl_ingest_ended(daemon->ingest);
    struct dl_batch *batch = NULL;
    for (int i = 0; i < BATCHES_PER_WAKE && (batch = next_batch(daemon)) != NULL; i++) {
        apply(daemon, batch);
        dl_batch_destroy(batch);
    }
    if (daemon->held != NULL)
        return; /* on_publish goes on with it */
    if (batch != NULL)
        uv_async_send(&daemon->batches); /* there may be more */
    else if (ended)
        end_ingest(daemon);
}

/* Ingest thread. */
static void on_batch_pushed(void *context)
{
    struct daemon *daemon = context;
    uv_async_send(&daemon->batches);
}

/* ---- Every second ---- */

/* What was not counted where its sender meant it, once a minute where it grew. */
static void note_growth(struct daemon *daemon)
{
    int64_t now_ms = dl_monotonic_ms();
    if (now_ms - daemon->noted_ms < NOTE_MS)
        return;
    daemon->noted_ms = now_ms;
    struct dl_engine_counts now;
    dl_engine_counts(daemon->engine, &now);
    const struct dl_engine_counts *before = &daemon->noted;
    if (now.late > before->late)
        dl_note(daemon->notes, DL_NOTE_INFO, "events older than every window were not counted",
                DL_NUMBER("events", now.late - before->late), DL_NUMBER("since_start", now.late));
    if (now.ahead > before->ahead)
        dl_note(daemon->notes, DL_NOTE_WARNING, "events more than 5 minutes ahead of this host's clock were not counted; if its clock was slow, restart to recount them",
                DL_NUMBER("events", now.ahead - before->ahead), DL_NUMBER("since_start", now.ahead));
    int64_t over = now.over_subjects - before->over_subjects + now.over_segment_values - before->over_segment_values;
    for (int kind = 0; kind < DL_KINDS; kind++)
        over += now.over_cap[kind] - before->over_cap[kind];
    if (over > 0)
        dl_note(daemon->notes, DL_NOTE_WARNING, "names over a cap were counted in __other__; see limits",
                DL_NUMBER("tallies", over), DL_NUMBER("subjects", now.subjects));
    daemon->noted = now;
}

static void on_tick(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    dl_report_tick(&daemon->report, dl_monotonic_ms());
    dl_log_tick(daemon->log);
    note_growth(daemon);
    char line[160];
    snprintf(line, sizeof line, "%s, %.0f events/s, lag %" PRId64 ", %zu partitions, Redis %s%s",
             daemon->stopping ? "stopping" : daemon->caught_up ? "publishing" : "catching up",
             daemon->report.events_per_second, dl_report_lag(&daemon->report), daemon->report.partition_count,
             dl_view_up(daemon->view) ? "up" : "away", dl_view_fenced(daemon->view) ? " (fenced)" : "");
    dl_service_status(line);
}

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    dl_service_watchdog();
}

/* ---- Signals ---- */

static void on_stop_signal(uv_signal_t *signal, int number)
{
    struct daemon *daemon = signal->data;
    if (daemon->stopping) {
        dl_note(daemon->notes, DL_NOTE_NOTICE, "second signal: leaving at once", DL_NUMBER("signal", number));
        dl_log_tick(daemon->log); /* not destroy: ingest may be writing */
        _Exit(daemon->exit_status);
    }
    dl_note(daemon->notes, DL_NOTE_NOTICE, "stopping", DL_NUMBER("signal", number));
    begin_stop(daemon);
}

static void note_config_errors(struct daemon *daemon, const struct dl_config_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        dl_note(daemon->notes, errors->item[i].warning ? DL_NOTE_WARNING : DL_NOTE_ERROR, "configuration",
                DL_TEXT("file", errors->item[i].source), DL_NUMBER("line", errors->item[i].line),
                DL_NUMBER("column", errors->item[i].column), DL_TEXT("fault", errors->item[i].text));
}

static void on_difference(void *context, const char *path, bool reloadable)
{
    struct daemon *daemon = context;
    if (reloadable)
        dl_note(daemon->notes, DL_NOTE_NOTICE, "reload: changed", DL_TEXT("option", path));
    else
        dl_note(daemon->notes, DL_NOTE_WARNING, "reload: cannot change while running; restart to take it over",
                DL_TEXT("option", path));
}

static void take_over(struct daemon *daemon, struct dl_config *fresh)
{
    struct dl_config *config = daemon->config;
    dl_config_compare(config, fresh, on_difference, daemon);
    dl_config_take_over(config, fresh);
    dl_log_set_level(daemon->log, (enum dl_note_level)config->log.level);
    if (daemon->ingest != NULL)
        dl_ingest_set_batch_interval(daemon->ingest, config->batch_interval_ms);
    uv_timer_start(&daemon->publish, on_publish, 0, (uint64_t)config->publish_interval_ms);
    const struct dl_view_options view = dl_settings_view(config, daemon->notes, daemon->catalogue_json);
    enum dl_status status = dl_view_reconfigure(daemon->view, &view);
    if (status != DL_OK)
        fail(daemon, "reload", status);
}

static void on_hang_up(uv_signal_t *signal, int number)
{
    (void)number;
    struct daemon *daemon = signal->data;
    if (daemon->stopping)
        return;
    dl_service_reloading();
    struct dl_config *fresh = NULL;
    struct dl_config_errors errors = {0};
    enum dl_status status = dl_config_load(&fresh, daemon->arguments->config_path, daemon->arguments->sets,
                                           daemon->arguments->set_count, &errors);
    if (status == DL_OK)
        status = dl_config_require_service(fresh, &errors);
    note_config_errors(daemon, &errors);
    if (status == DL_OK)
        take_over(daemon, fresh);
    else
        dl_note(daemon->notes, DL_NOTE_ERROR, "reload refused: the running configuration stays", DL_NUMBER("errors", errors.errors));
    dl_config_destroy(fresh);
    dl_service_ready("reloaded");
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
            .retention_ms_min = longest_ms + longest_ms / DL_PANES + DL_FUTURE_MS,
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
    uv_signal_start(&daemon->terminate, on_stop_signal, SIGTERM);
    uv_signal_start(&daemon->interrupt, on_stop_signal, SIGINT);
    uv_signal_start(&daemon->hang_up, on_hang_up, SIGHUP);
    uint64_t interval_ms = (uint64_t)daemon->config->publish_interval_ms;
    uv_timer_start(&daemon->publish, on_publish, interval_ms, interval_ms);
    uv_timer_start(&daemon->tick, on_tick, TICK_MS, TICK_MS);
    uint64_t watchdog_ms = (uint64_t)dl_service_watchdog_interval_ms();
    if (watchdog_ms > 0)
        uv_timer_start(&daemon->watchdog, on_watchdog, watchdog_ms, watchdog_ms);
}

static enum dl_status create_parts(struct daemon *daemon)
{
    const struct dl_engine_options engine = dl_settings_engine(daemon->config);
    daemon->catalogue = dl_settings_catalogue(daemon->config);
    daemon->catalogue_json = dl_settings_catalogue_json(daemon->config);
    daemon->engine = dl_engine_create(&engine);
    daemon->ring = dl_ring_create(RING_SLOTS, 0);
    bool whole = daemon->catalogue != NULL && daemon->catalogue_json != NULL && daemon->engine != NULL && daemon->ring != NULL;
    return whole ? DL_OK : DL_MEMORY;
}

/* On failure nothing of the loop is left open. */
static enum dl_status start(struct daemon *daemon)
{
    daemon->newest_ms = INT64_MIN;
    daemon->started_ms = dl_monotonic_ms();
    int64_t wall_ms = dl_wall_ms();
    daemon->start_ms = dl_settings_start_ms(daemon->config, wall_ms);
    dl_clock_init(&daemon->clock, (enum dl_clock_mode)daemon->config->clock);
    enum dl_status status = create_parts(daemon);
    if (status != DL_OK)
        return status;
    if (uv_loop_init(&daemon->loop) != 0)
        return DL_IO;
    const struct dl_view_options view = dl_settings_view(daemon->config, daemon->notes, daemon->catalogue_json);
    status = dl_view_open(&daemon->view, &daemon->loop, &view, daemon->engine, wall_ms);
    if (status != DL_OK) {
        uv_loop_close(&daemon->loop);
        return status;
    }
    start_handles(daemon);
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
    dl_engine_destroy(daemon->engine);
    dl_catalogue_destroy(daemon->catalogue);
    free(daemon->catalogue_json);
    dl_report_deinit(&daemon->report);
}

static void run_loop(struct daemon *daemon)
{
    dl_note(daemon->notes, DL_NOTE_NOTICE, "started", DL_TEXT("version", DELIGHT_VERSION),
            DL_TEXT("instance", daemon->config->instance), DL_TEXT("durability", "memory"),
            DL_NUMBER("windows", daemon->config->windows.count), DL_TEXT("librdkafka", dl_kafka_version()));
    dl_service_ready("catching up");
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
