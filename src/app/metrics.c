#include "clocks.h"
#include "daemon.h"
#include "metrics_scores.h"
#include "openmetrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What the rows read, gathered once for a scrape. */
struct sight {
    const struct daemon *daemon;
    struct dl_ingest_counts ingest;
    int64_t batches, tallies, cells, partitions;
    struct dl_durations batch, turns;
    int64_t stall_ns, started_ms, ready, scores_cut;
    struct dl_transactions_counts commits;
    struct dl_engine_counts engine;
    int64_t clock_ms;
    struct dl_view_counts view;
    int64_t redis_up, redis_fenced;
    int64_t epoch, forgotten, stuck; /* of kafka mode's ingest */
    int64_t open_age_ms;      /* of ingest's open batch */
    struct dl_scorer_counts scorer;
    int64_t checkpoint_age_ms, tallies_lag;
    struct dl_http_counts http;
};

/* Whose figures a row shows: others have none, not 0. */
enum part { ALL, INGEST, GROUP, SCORING, SCORER, CHECKPOINTED, OWNER };

struct row {
    struct dl_metric metric;
    enum part part;
    size_t at;    /* of struct sight, where there is no `each`: durations of a histogram, else a number */
    int decimals; /* the number's unit is so many powers of ten below the metric's: ms 3 */
    void (*each)(const struct sight *sight, struct dl_metrics *metrics); /* samples with labels */
};

/* ---- Samples with labels ---- */

static void add_build(const struct sight *sight, struct dl_metrics *metrics)
{
    const struct dl_metric_label labels[] = {DL_LABEL("version", DELIGHT_VERSION), DL_LABEL("librdkafka", dl_kafka_version()),
                                             DL_LABEL("instance_name", sight->daemon->config->instance),
                                             DL_LABEL("durability", dl_daemon_kafka_mode(sight->daemon) ? "kafka" : "memory"),
                                             {.name = NULL}};
    dl_metrics_integer(metrics, 1, labels);
}

static void add_state(const struct sight *sight, struct dl_metrics *metrics)
{
    const char *doing = dl_daemon_doing(sight->daemon);
    const char *states[] = {"catching up", "counting", "publishing", "restoring", "standby", "stopping", "taking over"};
    size_t count = sizeof states / sizeof states[0], holds = 0;
    while (holds < count && strcmp(states[holds], doing) != 0)
        holds++;
    DL_ASSERT(holds < count);
    dl_metrics_state(metrics, states, count, holds);
}

static void add_events(const struct sight *sight, struct dl_metrics *metrics)
{
    static const char *const types[DL_EVENT_TYPES] = {[DL_EVENT_SURVEY] = "survey", [DL_EVENT_CONTACT] = "contact",
                                                      [DL_EVENT_COMPLAINT] = "complaint"};
    for (int i = 0; i < DL_EVENT_TYPES; i++)
        dl_metrics_integer(metrics, sight->ingest.accepted[i], (struct dl_metric_label[]){DL_LABEL("type", types[i]), {.name = NULL}});
}

static void add_rejects(const struct sight *sight, struct dl_metrics *metrics)
{
    for (int i = DL_ACCEPTED + 1; i < DL_REJECTS; i++)
        dl_metrics_integer(metrics, sight->ingest.rejected[i],
                           (struct dl_metric_label[]){DL_LABEL("reason", dl_reject_word((enum dl_reject)i)), {.name = NULL}});
}

static void each_partition(const struct sight *sight, struct dl_metrics *metrics, bool in_time)
{
    const struct dl_report *report = &sight->daemon->report;
    int64_t wall_ms = dl_wall_ms();
    for (size_t i = 0; i < report->partition_count; i++) {
        const struct dl_report_partition *partition = &report->partitions[i];
        char number[16];
        if (!partition->read)
            continue;
        snprintf(number, sizeof number, "%" PRId32, partition->partition);
        const struct dl_metric_label labels[] = {DL_LABEL("topic", sight->daemon->config->kafka.topics.item[partition->topic]),
                                                 DL_LABEL("partition", number), {.name = NULL}};
        if (in_time)
            dl_metrics_decimal(metrics, dl_report_lag_ms(partition, wall_ms), 3, labels);
        else
            dl_metrics_integer(metrics, partition->end > partition->next ? partition->end - partition->next : 0, labels);
    }
}

static void add_lag_records(const struct sight *sight, struct dl_metrics *metrics)
{
    each_partition(sight, metrics, false);
}

static void add_lag_seconds(const struct sight *sight, struct dl_metrics *metrics)
{
    each_partition(sight, metrics, true);
}

static void add_over_limit(const struct sight *sight, struct dl_metrics *metrics)
{
    const struct {
        const char *limit;
        int64_t tallies;
    } rows[] = {{"subjects", sight->engine.over_subjects},
                {"segment_values", sight->engine.over_segment_values},
                {"journeys", sight->engine.over_cap[DL_KIND_JOURNEY] + sight->engine.over_cap[DL_KIND_JOURNEY_STAGE]},
                {"stages", sight->engine.over_cap[DL_KIND_STAGE]},
                {"touchpoints", sight->engine.over_cap[DL_KIND_TOUCHPOINT]},
                {"features", sight->engine.over_cap[DL_KIND_FEATURE]}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        dl_metrics_integer(metrics, rows[i].tallies, (struct dl_metric_label[]){DL_LABEL("limit", rows[i].limit), {.name = NULL}});
}

static void add_chain(const struct sight *sight, struct dl_metrics *metrics)
{
    const struct dl_chain *chain = dl_scorer_chain(sight->daemon->scorer);
    for (size_t i = 0; chain != NULL && i < dl_chain_count(chain); i++) {
        struct dl_chain_link link = dl_chain_at(chain, i);
        char topic[256], number[16];
        snprintf(topic, sizeof topic, "%.*s", (int)link.topic.bytes, link.topic.data);
        snprintf(number, sizeof number, "%" PRId32, link.partition);
        dl_metrics_integer(metrics, link.next,
                           (struct dl_metric_label[]){DL_LABEL("topic", topic), DL_LABEL("partition", number), {.name = NULL}});
    }
}

static void each_result(struct dl_metrics *metrics, const char *producer, const struct dl_transactions_counts *counts)
{
    const struct {
        const char *result;
        int64_t count;
    } rows[] = {{"committed", counts->committed}, {"aborted", counts->aborted}, {"retried", counts->retried}, {"fenced", counts->fenced}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        dl_metrics_integer(metrics, rows[i].count,
                           (struct dl_metric_label[]){DL_LABEL("producer", producer), DL_LABEL("result", rows[i].result), {.name = NULL}});
}

static void add_transactions(const struct sight *sight, struct dl_metrics *metrics)
{
    if (dl_daemon_kafka_mode(sight->daemon) && sight->daemon->ingest != NULL)
        each_result(metrics, "batches", &sight->commits);
    if (sight->daemon->scorer != NULL)
        each_result(metrics, "checkpoints", &sight->scorer.transactions);
}

static void add_in_flight(const struct sight *sight, struct dl_metrics *metrics)
{
    if (dl_daemon_kafka_mode(sight->daemon) && sight->daemon->ingest != NULL)
        dl_metrics_integer(metrics, dl_ingest_committing(sight->daemon->ingest),
                           (struct dl_metric_label[]){DL_LABEL("producer", "batches"), {.name = NULL}});
    if (sight->daemon->scorer != NULL)
        dl_metrics_integer(metrics, sight->scorer.saving,
                           (struct dl_metric_label[]){DL_LABEL("producer", "checkpoints"), {.name = NULL}});
}

static void add_processor_time(const struct sight *sight, struct dl_metrics *metrics)
{
    (void)sight;
    uv_rusage_t usage;
    if (uv_getrusage(&usage) == 0)
        dl_metrics_decimal(metrics, (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec,
                           6, NULL);
}

static void add_memory(const struct sight *sight, struct dl_metrics *metrics)
{
    (void)sight;
    size_t bytes;
    if (uv_resident_set_memory(&bytes) == 0)
        dl_metrics_integer(metrics, (int64_t)bytes, NULL);
}

/* ---- The rows ---- */

#define AT(member) .at = offsetof(struct sight, member)
#define GAUGE(name_, unit_, help_) .metric = {name_, DL_METRIC_GAUGE, unit_, help_}
#define COUNTER(name_, unit_, help_) .metric = {name_, DL_METRIC_COUNTER, unit_, help_}
#define HISTOGRAM(name_, help_) .metric = {name_, DL_METRIC_HISTOGRAM, "seconds", help_}
#define MS .decimals = 3

static const struct row rows[] = {
    {.metric = {"delightd_build", DL_METRIC_INFO, "", "Versions, and what the configuration calls this process."}, .each = add_build},
    {.metric = {"delightd_state", DL_METRIC_STATE, "", "What the process does."}, .each = add_state},
    {GAUGE("delightd_ready", "", "1 if /readyz says so."), AT(ready)},

    {COUNTER("delightd_records", "", "Records read from the events' topics."), INGEST, AT(ingest.records)},
    {COUNTER("delightd_record_bytes", "bytes", "Keys and values of these records."), INGEST, AT(ingest.bytes)},
    {COUNTER("delightd_events", "", "Events counted, retractions among them."), INGEST, .each = add_events},
    {COUNTER("delightd_events_retracted", "", "Retractions among the events counted."), INGEST, AT(ingest.retracted)},
    {COUNTER("delightd_events_duplicate", "", "Events dropped because they stood in the last dedupe.records records."), INGEST, AT(ingest.duplicates)},
    {COUNTER("delightd_records_rejected", "", "Records that are not events, by the first reason found."), INGEST, .each = add_rejects},
    {COUNTER("delightd_dead_letters", "", "Records that the dead-letter topic has taken."), INGEST, AT(ingest.dead_letters)},
    {COUNTER("delightd_records_lost", "", "Records that were gone from their topic before they were read."), INGEST, AT(ingest.lost)},
    {GAUGE("delightd_partitions", "", "Partitions that this process reads."), INGEST, AT(partitions)},
    {GAUGE("delightd_partition_lag_records", "", "Records of the partition that are not counted yet."), INGEST, .each = add_lag_records},
    {GAUGE("delightd_partition_lag_seconds", "seconds", "Age of the record read last, while the partition has more; else 0."), INGEST,
     .each = add_lag_seconds},
    {COUNTER("delightd_batches", "", "Batches of counts that ingest has handed over."), INGEST, AT(batches)},
    {HISTOGRAM("delightd_batch_seconds", "From a batch's opening until it is counted; in kafka mode, committed."), INGEST, AT(batch)},
    {GAUGE("delightd_batch_open_seconds", "seconds",
           "Age of the batch that is counted into, to a second; 0: nothing is in it. It grows while the one before, or a dead letter, "
           "finds no way into Kafka."), INGEST, AT(open_age_ms), MS},
    {COUNTER("delightd_batch_tallies", "", "Tallies (cell and second; in memory mode several seconds of a pane) in these batches."), INGEST, AT(tallies)},
    {GAUGE("delightd_batch_cells", "", "Cells of the last batch: combinations of touchpoint, stage, journey, segment values."), INGEST, AT(cells)},

    {COUNTER("delightd_events_late", "", "Events older than every window."), SCORING, AT(engine.late)},
    {COUNTER("delightd_events_ahead", "", "Events too far ahead of the clock."), SCORING, AT(engine.ahead)},
    {GAUGE("delightd_events_pending", "", "Events of the shortest window that wait for the clock to reach them."), SCORING, AT(engine.pending)},
    {COUNTER("delightd_tallies_over_limit", "", "Tallies counted under __other__, by the limit that was reached."), SCORING, .each = add_over_limit},
    {GAUGE("delightd_subjects", "", "Subjects with scores."), SCORING, AT(engine.subjects)},
    {GAUGE("delightd_views", "", "Subjects times windows that have data."), SCORING, AT(engine.views)},
    {GAUGE("delightd_panes", "", "Panes that have data."), SCORING, AT(engine.panes)},
    {GAUGE("delightd_windows_memory_bytes", "bytes", "Memory of the windows, estimated."), SCORING, AT(engine.bytes)},
    {GAUGE("delightd_clock_timestamp_seconds", "seconds", "The time that windows end at."), SCORING, AT(clock_ms), MS},

    {COUNTER("delightd_publishes", "", "Publish intervals at which Redis was there."), SCORING, AT(view.publishes)},
    {HISTOGRAM("delightd_publish_seconds", "From the interval at which changes were due until Redis has confirmed them."), SCORING, AT(view.changes)},
    {GAUGE("delightd_publish_staleness_seconds", "seconds", "Age of the oldest change that Redis has not confirmed."), SCORING, AT(view.stale_ms), MS},
    {GAUGE("delightd_publish_last_timestamp_seconds", "seconds", "When Redis confirmed something last; 0: not yet."), SCORING,
     AT(view.last_publish_ms), MS},
    {GAUGE("delightd_redis_up", "", "1 while Redis is connected."), SCORING, AT(redis_up)},
    {GAUGE("delightd_redis_fenced", "", "1 while another process publishes under this prefix."), SCORING, AT(redis_fenced)},
    {HISTOGRAM("delightd_redis_round_trip_seconds", "From sending a script to its answer."), SCORING, AT(view.round_trips)},
    {COUNTER("delightd_redis_commands", "", "Commands sent, those inside scripts."), SCORING, AT(view.commands)},
    {COUNTER("delightd_redis_fields", "", "Fields of hashes written."), SCORING, AT(view.fields)},
    {COUNTER("delightd_redis_sent_bytes", "bytes", "Bytes sent in scripts."), SCORING, AT(view.bytes)},
    {COUNTER("delightd_redis_errors", "", "Scripts that Redis refused."), SCORING, AT(view.errors)},
    {COUNTER("delightd_redis_disconnects", "", "Connections that were lost."), SCORING, AT(view.reconnects)},
    {COUNTER("delightd_redis_forgotten", "", "Times that Redis had lost everything, and all was written again."), SCORING, AT(view.forgotten)},
    {COUNTER("delightd_redis_refused_by_fence", "", "Scripts that a newer owner's token refused."), SCORING, AT(view.fenced)},

    {COUNTER("delightd_transactions", "", "Kafka transactions, by producer and result."), .each = add_transactions},
    {GAUGE("delightd_transactions_in_flight", "", "Batches and checkpoints on their way into Kafka."), .each = add_in_flight},
    {GAUGE("delightd_assignment_epoch", "", "Assignments of partitions that ingest has seen end."), GROUP, AT(epoch)},
    {COUNTER("delightd_offsets_forgotten", "", "Partitions that were counted and had no committed offset any more."), GROUP, AT(forgotten)},
    {GAUGE("delightd_partitions_stuck", "", "Partitions that nothing is counted of: where they go on has not been told for longer than a transaction may last."),
     GROUP, AT(stuck)},
    {COUNTER("delightd_checkpoints", "", "Checkpoints written."), SCORER, AT(scorer.checkpoints)},
    {HISTOGRAM("delightd_checkpoint_seconds", "From the first pane collected until Kafka has the checkpoint."), SCORER, AT(scorer.checkpoint)},
    {GAUGE("delightd_checkpoint_age_seconds", "seconds", "Time since this process's last checkpoint."), CHECKPOINTED, AT(checkpoint_age_ms), MS},
    {GAUGE("delightd_checkpoint_records", "", "Records of the last checkpoint."), SCORER, AT(scorer.checkpoint_records)},
    {GAUGE("delightd_owner_token", "", "The fencing token of this owner: an offset of the state topic."), OWNER, AT(scorer.token)},
    {COUNTER("delightd_owner_terms", "", "Times that this process has begun to score."), SCORER, AT(scorer.term)},
    {GAUGE("delightd_tallies_next_offset", "", "Where this process goes on in the tallies topic."), OWNER, AT(scorer.tallies_next)},
    {GAUGE("delightd_tallies_lag_records", "", "Records of the tallies topic that are not in the windows yet."), OWNER, AT(tallies_lag)},
    {COUNTER("delightd_tallies_lost", "", "Records that are missing: of the tallies, or of events by the source chain."), SCORER,
     AT(scorer.lost_records)},
    {COUNTER("delightd_tallies_unreadable", "", "Records of the tallies topic that could not be read."), SCORER, AT(scorer.unreadable)},
    {GAUGE("delightd_chain_partitions", "", "Source partitions in the chain of positions."), OWNER, AT(scorer.partitions_known)},
    {GAUGE("delightd_chain_next_offset", "", "Where the chain of positions goes on, by source partition."), OWNER, .each = add_chain},
    {COUNTER("delightd_chain_gaps", "", "Gaps in the chain of positions."), SCORER, AT(scorer.gaps)},

    {HISTOGRAM("delightd_loop_turn_seconds", "Work of the loop between two waits: what comes meanwhile waits so long."), AT(turns)},
    {GAUGE("delightd_loop_stall_seconds", "seconds", "The longest of these turns in the last minute or two."), AT(stall_ns), .decimals = 9},
    {COUNTER("delightd_http_requests", "", "Requests answered."), AT(http.requests)},
    {COUNTER("delightd_http_kept", "", "Requests that got the answer to the same one of a moment before."), AT(http.kept)},
    {COUNTER("delightd_http_refused", "", "Requests answered with 400, 401, 405 or 421 before they were looked into."), AT(http.refused)},
    {COUNTER("delightd_http_timeouts", "", "Connections closed because a request or its answer took too long."), AT(http.timed_out)},
    {GAUGE("delightd_http_connections", "", "Connections that are open."), AT(http.connections)},
    {GAUGE("delightd_http_body_bytes", "bytes", "Answers that are on their way, or kept for who asks the same."), AT(http.body_bytes)},
    {GAUGE("delightd_http_streams", "", "Streams of changes that are open."), AT(http.streams)},
    {COUNTER("delightd_http_streams_dropped", "", "Streams dropped because they were too slow."), AT(http.streams_dropped)},

    {GAUGE("process_resident_memory_bytes", "bytes", "Resident memory."), .each = add_memory},
    {COUNTER("process_cpu_seconds", "seconds", "Processor time, user and system."), .each = add_processor_time},
    {GAUGE("process_start_time_seconds", "seconds", "Start of the process."), AT(started_ms), MS},
};

/* Known when the scores are written. */
static const struct row scores_cut_row = {
    GAUGE("delightd_scores_cut", "", "1 if scores are missing above: http.scores_max was reached, or 50,000 windows of subjects had none."), AT(scores_cut)};

/* librdkafka's, of each consumer there is. */
#undef AT
#define AT(member) offsetof(struct dl_kafka_statistics, member)

static const struct {
    struct dl_metric metric;
    size_t at;
} kafka_rows[] = {
    {{"delightd_kafka_brokers", DL_METRIC_GAUGE, "", "Brokers of the cluster."}, AT(brokers)},
    {{"delightd_kafka_brokers_up", DL_METRIC_GAUGE, "", "Brokers that are connected."}, AT(brokers_up)},
    {{"delightd_kafka_disconnects", DL_METRIC_COUNTER, "", "Connections that were lost or closed."}, AT(disconnects)},
    {{"delightd_kafka_requests", DL_METRIC_COUNTER, "", "Requests sent."}, AT(requests)},
    {{"delightd_kafka_request_errors", DL_METRIC_COUNTER, "", "Errors of sending and receiving."}, AT(request_errors)},
    {{"delightd_kafka_request_timeouts", DL_METRIC_COUNTER, "", "Requests that were not answered in time."}, AT(request_timeouts)},
    {{"delightd_kafka_received_bytes", DL_METRIC_COUNTER, "bytes", "Bytes received."}, AT(received_bytes)},
    {{"delightd_kafka_rebalances", DL_METRIC_COUNTER, "", "Rebalances of the consumer group."}, AT(rebalances)},
    {{"delightd_kafka_queued_records", DL_METRIC_GAUGE, "", "Records fetched and not taken yet."}, AT(queued_messages)},
    {{"delightd_kafka_queued_bytes", DL_METRIC_GAUGE, "bytes", "Bytes of these records."}, AT(queued_bytes)},
};

/* ---- Writing ---- */

static void look(struct sight *sight, const struct daemon *daemon)
{
    struct dl_scoring *scoring = dl_daemon_scoring(daemon);
    *sight = (struct sight){
        .daemon = daemon, .ingest = daemon->report.total, .batches = daemon->report.batches, .tallies = daemon->report.tallies,
        .cells = daemon->report.cells, .partitions = (int64_t)dl_report_partitions(&daemon->report), .batch = daemon->report.batch,
        .turns = daemon->stall.turns, .stall_ns = dl_stall_longest_ns(&daemon->stall), .started_ms = daemon->started_wall_ms,
        .ready = dl_serve_ready(daemon, NULL), .epoch = (int64_t)daemon->epoch, .forgotten = daemon->forgotten, .stuck = daemon->stuck,
        .open_age_ms = daemon->opened_ms == 0 ? 0 : dl_monotonic_ms() - daemon->opened_ms};
    dl_http_counts(daemon->serve.http, &sight->http);
    if (daemon->ingest != NULL)
        dl_ingest_commit_counts(daemon->ingest, &sight->commits);
    if (scoring != NULL) {
        int64_t clock_ms = dl_engine_now(dl_scoring_engine(scoring));
        dl_engine_counts(dl_scoring_engine(scoring), &sight->engine);
        dl_scoring_view_counts(scoring, &sight->view);
        sight->clock_ms = clock_ms == INT64_MIN ? 0 : clock_ms;
        sight->redis_up = dl_scoring_redis_up(scoring);
        sight->redis_fenced = dl_scoring_fenced(scoring);
    }
    if (daemon->scorer != NULL) {
        dl_scorer_counts(daemon->scorer, &sight->scorer);
        sight->checkpoint_age_ms = dl_wall_ms() - sight->scorer.checkpoint_ms;
        sight->tallies_lag = sight->scorer.tallies_end > sight->scorer.tallies_next ? sight->scorer.tallies_end - sight->scorer.tallies_next : 0;
    }
}

static bool has(const struct sight *sight, enum part part)
{
    switch (part) {
    case INGEST: return dl_settings_has_role(sight->daemon->config, "ingest");
    case GROUP: return dl_daemon_kafka_mode(sight->daemon) && has(sight, INGEST);
    case SCORING: return dl_daemon_scoring(sight->daemon) != NULL;
    case SCORER: return sight->daemon->scorer != NULL;
    case CHECKPOINTED: return sight->scorer.checkpoint_ms > 0;
    case OWNER: return sight->daemon->scorer != NULL && sight->scorer.token >= 0;
    case ALL: break;
    }
    return true;
}

static void add_row(const struct row *row, const struct sight *sight, struct dl_metrics *metrics)
{
    const void *at = (const char *)sight + row->at;
    dl_metrics_family(metrics, &row->metric);
    if (!has(sight, row->part))
        return;
    if (row->each != NULL)
        row->each(sight, metrics);
    else if (row->metric.type == DL_METRIC_HISTOGRAM)
        dl_metrics_durations(metrics, at, NULL);
    else
        dl_metrics_decimal(metrics, *(const int64_t *)at, row->decimals, NULL);
}

static void add_kafka(const struct sight *sight, struct dl_metrics *metrics)
{
    const struct {
        bool there;
        const char *client;
        const struct dl_kafka_statistics *statistics;
    } clients[] = {{sight->daemon->ingest != NULL, "events", &sight->daemon->kafka},
                   {sight->daemon->scorer != NULL, "tallies", &sight->scorer.kafka}};
    for (size_t i = 0; i < sizeof kafka_rows / sizeof kafka_rows[0]; i++) {
        dl_metrics_family(metrics, &kafka_rows[i].metric);
        for (size_t j = 0; j < sizeof clients / sizeof clients[0]; j++)
            if (clients[j].there)
                dl_metrics_integer(metrics, *(const int64_t *)(const void *)((const char *)clients[j].statistics + kafka_rows[i].at),
                                   (struct dl_metric_label[]){DL_LABEL("client", clients[j].client), {.name = NULL}});
    }
}

void dl_serve_metrics(void *context, const struct dl_http_request *request, struct dl_http_answer *answer)
{
    const struct daemon *daemon = context;
    struct dl_text text = {.data = NULL};
    struct dl_metrics metrics = {.text = &text, .openmetrics = dl_metrics_accept(dl_http_header(request, "Accept"))};
    struct sight sight;
    look(&sight, daemon);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        add_row(&rows[i], &sight, &metrics);
    add_kafka(&sight, &metrics);
    if (dl_serve_showing(daemon)) {
        const struct dl_score_options options = dl_settings_score(daemon->config);
        sight.scores_cut = dl_metrics_scores(&text, metrics.openmetrics, dl_scoring_engine(dl_daemon_scoring(daemon)), daemon->config, &options);
    }
    add_row(&scores_cut_row, &sight, &metrics);
    dl_metrics_end(&metrics);
    answer->content_type = dl_metrics_content_type(metrics.openmetrics);
    dl_serve_text(answer, &text);
}
