#include "daemon.h"

#include "clocks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { NOTE_MS = 60000 };

const char *dl_daemon_doing(const struct daemon *daemon)
{
    if (daemon->stopping)
        return "stopping";
    if (daemon->scorer != NULL) {
        struct dl_scorer_counts counts;
        dl_scorer_counts(daemon->scorer, &counts);
        return dl_scorer_state_text(counts.state);
    }
    return dl_daemon_kafka_mode(daemon) ? "counting" : daemon->caught_up ? "publishing" : "catching up";
}

static void tell_status(const struct daemon *daemon)
{
    const struct dl_scoring *scoring = dl_daemon_scoring(daemon);
    char line[160];
    snprintf(line, sizeof line, "%s, %.0f events/s, lag %" PRId64 ", %zu partitions%s%s", dl_daemon_doing(daemon),
             daemon->report.events_per_second, dl_report_lag(&daemon->report), dl_report_partitions(&daemon->report),
             scoring == NULL ? "" : dl_scoring_redis_up(scoring) ? ", Redis up" : ", Redis away",
             scoring != NULL && dl_scoring_fenced(scoring) ? " (fenced)" : "");
    dl_service_status(line);
}

/* Once a minute, where it grew. */
static void note_rejects(struct daemon *daemon)
{
    int64_t now_ms = dl_monotonic_ms(), rejects = dl_report_rejects(&daemon->report);
    if (rejects == daemon->rejects_noted || now_ms < daemon->rejects_note_ms)
        return;
    if (daemon->config->kafka.dead_letter_topic[0] != '\0') /* else each was noted */
        dl_note(daemon->notes, DL_NOTE_WARNING, "records were not events: they are in the dead-letter topic, each with its reason",
                DL_NUMBER("records", rejects - daemon->rejects_noted), DL_NUMBER("since_start", rejects),
                DL_TEXT("topic", daemon->config->kafka.dead_letter_topic));
    daemon->rejects_noted = rejects;
    daemon->rejects_note_ms = now_ms + NOTE_MS;
}

/* "cx.feedback/0=120 cx.feedback/1=98": the first of them, for there may be thousands. All are in /metrics. */
static void chain_text(char *text, size_t text_size, const struct dl_chain *chain)
{
    size_t at = 0, count = chain == NULL ? 0 : dl_chain_count(chain);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        struct dl_chain_link link = dl_chain_at(chain, i);
        int bytes = snprintf(text + at, text_size - at, "%s%.*s/%" PRId32 "=%" PRId64, i == 0 ? "" : " ", (int)link.topic.bytes,
                             link.topic.data, link.partition, link.next);
        if (bytes < 0 || (size_t)bytes >= text_size - at) {
            text[at] = '\0';
            return;
        }
        at += (size_t)bytes;
    }
}

void dl_daemon_note_figures(struct daemon *daemon)
{
    if (!dl_daemon_kafka_mode(daemon))
        return;
    daemon->figures_note_ms = dl_monotonic_ms() + NOTE_MS;
    if (daemon->scorer != NULL) {
        char chain[512];
        struct dl_scorer_counts counts;
        dl_scorer_counts(daemon->scorer, &counts);
        chain_text(chain, sizeof chain, dl_scorer_chain(daemon->scorer));
        dl_note(daemon->notes, DL_NOTE_INFO, "figures of the scorer", DL_TEXT("state", dl_scorer_state_text(counts.state)),
                DL_NUMBER("owner", counts.token), DL_NUMBER("term", counts.term), DL_NUMBER("tallies_next", counts.tallies_next),
                DL_NUMBER("tallies_end", counts.tallies_end), DL_NUMBER("checkpoints", counts.checkpoints),
                DL_NUMBER("checkpoint_age_ms", counts.checkpoint_ms == 0 ? -1 : dl_wall_ms() - counts.checkpoint_ms),
                DL_NUMBER("checkpoint_records", counts.checkpoint_records), DL_NUMBER("chain_partitions", counts.partitions_known),
                DL_NUMBER("gaps", counts.gaps), DL_NUMBER("lost", counts.lost_records), DL_NUMBER("unreadable", counts.unreadable),
                DL_NUMBER("redis_fenced", counts.redis_fenced), DL_TEXT("chain", chain));
    }
    if (daemon->ingest != NULL) {
        struct dl_transactions_counts counts;
        dl_ingest_commit_counts(daemon->ingest, &counts);
        dl_note(daemon->notes, DL_NOTE_INFO, "figures of the batch transactions", DL_NUMBER("epoch", daemon->epoch),
                DL_NUMBER("in_flight", dl_ingest_committing(daemon->ingest)), DL_NUMBER("committed", counts.committed),
                DL_NUMBER("aborted", counts.aborted), DL_NUMBER("retried", counts.retried), DL_NUMBER("fenced", counts.fenced),
                DL_NUMBER("events", dl_report_events(&daemon->report)), DL_NUMBER("partitions", dl_report_partitions(&daemon->report)),
                DL_NUMBER("lag", dl_report_lag(&daemon->report)), DL_NUMBER("lost", daemon->report.total.lost));
    }
}

static void take_figures(struct daemon *daemon)
{
    struct dl_ingest_figures *figures = daemon->ingest == NULL ? NULL : dl_ingest_take_figures(daemon->ingest);
    if (figures == NULL)
        return;
    dl_report_take(&daemon->report, figures);
    daemon->assigned = figures->assigned;
    daemon->epoch = figures->epoch;
    daemon->forgotten = figures->forgotten;
    daemon->stuck = (int64_t)figures->stuck;
    daemon->opened_ms = figures->opened_ms;
    daemon->kafka = figures->kafka;
    free(figures);
}

void dl_daemon_on_tick(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    take_figures(daemon);
    dl_report_tick(&daemon->report, dl_monotonic_ms());
    dl_log_tick(daemon->log);
    if (dl_daemon_scoring(daemon) != NULL)
        dl_scoring_tick(dl_daemon_scoring(daemon));
    note_rejects(daemon);
    if (dl_monotonic_ms() >= daemon->figures_note_ms)
        dl_daemon_note_figures(daemon);
    tell_status(daemon);
}
