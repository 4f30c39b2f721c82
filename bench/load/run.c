#include "run.h"

#include "timefmt.h"
#include "util.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_TTY_NS INT64_C(250000000)
#define PROGRESS_LOG_NS INT64_C(5000000000)
#define NS_PER_S 1e9

volatile sig_atomic_t ld_stop;

struct progress {
    bool is_terminal;
    int64_t due_ns;
    int64_t last_ns;
    uint64_t last_sent;
};

static void progress_show(struct progress *progress, const struct ld_run *run, int64_t now_ns)
{
    const struct ld_sink *sink = run->sink;
    const struct ld_traffic *traffic = run->traffic;
    double seconds = (double)(now_ns - progress->last_ns) / NS_PER_S;
    double rate = seconds > 0 ? (double)(sink->sent - progress->last_sent) / seconds : 0;
    double passed = (double)(now_ns - run->schedule.begin_ns) / NS_PER_S;
    double mean = passed > 0 ? (double)sink->sent / passed : 0;
    double left = -1;
    if (run->schedule.total > 0 && mean > 0)
        left = (double)(run->schedule.total - sink->sent) / mean;
    if (traffic->duration_ms > 0 && (left < 0 || left > (double)traffic->duration_ms / 1000 - passed))
        left = (double)traffic->duration_ms / 1000 - passed;
    char left_text[32] = "";
    if (left >= 0)
        snprintf(left_text, sizeof left_text, ", %.0f s left", left);
    fprintf(stderr, "%sdelight-load: %" PRIu64 " sent, %.0f/s, %" PRIu64 " acknowledged, %" PRIu64
                    " failed, %" PRIu64 " queued%s%s",
            progress->is_terminal ? "\r\033[K" : "", sink->sent, rate, sink->delivered, sink->failed, sink->queued,
            left_text, progress->is_terminal ? "" : "\n");
    fflush(stderr);
    ld_progress_open(progress->is_terminal);
    progress->last_ns = now_ns;
    progress->last_sent = sink->sent;
    progress->due_ns = now_ns + (progress->is_terminal ? PROGRESS_TTY_NS : PROGRESS_LOG_NS);
}

static void keep_reject(struct ld_run *run, const struct ld_message *message)
{
    run->rejects =
        ld_grow(run->rejects, &run->reject_capacity, run->reject_count + 1, sizeof *run->rejects);
    run->rejects[run->reject_count++] =
        (struct ld_reject){.number = message->number,
                           .hash = ld_hash(message->value, message->value_bytes),
                           .bytes = (uint32_t)message->value_bytes,
                           .reason = (uint8_t)message->reason};
}

/* What was sent and stays is counted here, and only here. */
static void note_sent(struct ld_run *run, const struct ld_message *message, bool is_counted)
{
    if (!is_counted)
        return;
    run->sent_by_reason[message->reason]++;
    if (message->reason != LD_ACCEPTED) {
        if (run->keeps_rejects)
            keep_reject(run, message);
        return;
    }
    run->sent_by_type[message->event->type]++;
    run->retractions += message->event->is_retraction ? 1 : 0;
    run->repeats += message->copy == 1;
    if (message->event->time_ms > run->newest_ms)
        run->newest_ms = message->event->time_ms;
    if (run->recount != NULL) {
        bool is_second = message->repeat != LD_NO_REPEAT && message->copy == 1;
        ld_recount_add(run->recount, message->event, is_second ? message->repeat : LD_NO_REPEAT);
    }
}

/* Waits for the intended send time, serving deliveries meanwhile. A run that is behind does not wait and does not
 * skip: that is what keeps omission out. It sleeps for a millisecond at least, so that at a high rate it wakes a thousand
 * times a second and not once per message, which would take a good part of a core from what is measured. */
static int64_t wait_until_due(struct ld_run *run, uint64_t number, int64_t now_ns)
{
    int64_t due_ns = ld_schedule_due_ns(&run->schedule, number);
    if (due_ns == LLONG_MIN)
        return now_ns;
    while (now_ns < due_ns && !ld_stop) {
        run->sink->verbs->poll(run->sink, 0);
        ld_sleep_until(now_ns + 1000000);
        now_ns = ld_monotonic_ns();
    }
    if (now_ns - due_ns > run->behind_ns_max)
        run->behind_ns_max = now_ns - due_ns;
    return now_ns;
}

static bool is_over(const struct ld_run *run, uint64_t number, int64_t now_ns)
{
    const struct ld_traffic *traffic = run->traffic;
    if (ld_stop || run->sink->has_failed)
        return true;
    if (run->schedule.total > 0 && number >= run->schedule.total)
        return true;
    return traffic->duration_ms > 0 && now_ns - run->schedule.begin_ns >= traffic->duration_ms * 1000000;
}

bool ld_run_send(struct ld_run *run)
{
    struct progress progress = {.is_terminal = isatty(STDERR_FILENO)};
    struct ld_message *message = ld_alloc(1, sizeof *message);
    int64_t now_ns = ld_monotonic_ns();
    bool is_good = true;
    ld_schedule_start(&run->schedule, run->traffic, ld_wall_ms(), now_ns);
    run->sink->schedule = &run->schedule;
    progress.last_ns = now_ns;
    progress.due_ns = now_ns + (progress.is_terminal ? PROGRESS_TTY_NS : PROGRESS_LOG_NS);
    for (uint64_t number = 0; !is_over(run, number, now_ns); number++) {
        /* As fast as possible, the clock is read now and then only. */
        if (run->traffic->rate > 0 || number % 64 == 0)
            now_ns = wait_until_due(run, number, ld_monotonic_ns());
        int64_t moment_ms = ld_schedule_moment_ms(&run->schedule, number, now_ns);
        bool is_counted = run->sink->verbs->is_counted(run->sink);
        ld_generator_next(run->generator, moment_ms, is_counted, message);
        if (run->sink->verbs->send(run->sink, message))
            note_sent(run, message, is_counted);
        else
            is_good = false;
        if (number % 256 == 0)
            run->sink->verbs->poll(run->sink, 0);
        if (now_ns >= progress.due_ns)
            progress_show(&progress, run, now_ns);
    }
    is_good = run->sink->verbs->finish(run->sink) && is_good;
    run->elapsed_ns = ld_monotonic_ns() - run->schedule.begin_ns;
    progress_show(&progress, run, ld_monotonic_ns());
    if (progress.is_terminal)
        fputc('\n', stderr);
    ld_progress_open(0);
    free(message);
    return is_good;
}

void ld_run_deinit(struct ld_run *run)
{
    free(run->rejects);
    run->rejects = NULL;
}

void ld_run_summary(const struct ld_run *run)
{
    const struct ld_sink *sink = run->sink;
    double seconds = (double)run->elapsed_ns / NS_PER_S;
    uint64_t rejected = 0;
    for (int i = 0; i < (int)LD_REASONS; i++)
        rejected += run->sent_by_reason[i];
    ld_say("sent %" PRIu64 " messages, %" PRIu64 " bytes, in %.3f s: %.0f messages/s, %.1f MB/s", sink->sent,
           sink->bytes, seconds, (double)sink->sent / seconds, (double)sink->bytes / 1e6 / seconds);
    ld_say("accepted %" PRIu64 " (%" PRIu64 " surveys, %" PRIu64 " contacts, %" PRIu64 " complaints; %" PRIu64
           " retractions, %" PRIu64 " repeats), malformed %" PRIu64,
           run->sent_by_reason[LD_ACCEPTED], run->sent_by_type[LD_SURVEY], run->sent_by_type[LD_CONTACT],
           run->sent_by_type[LD_COMPLAINT], run->retractions, run->repeats, rejected);
    if (sink->latency_count > 0)
        ld_say("acknowledged after (from the intended send time): p50 %.2f ms, p99 %.2f ms, longest %.2f ms; "
               "left at most %.2f ms late",
               (double)ld_sink_latency_us(sink, 50) / 1e3, (double)ld_sink_latency_us(sink, 99) / 1e3,
               (double)sink->latency_max_us / 1e3, (double)run->behind_ns_max / 1e6);
}

bool ld_run_report(const struct ld_run *run, const char *file)
{
    const struct ld_sink *sink = run->sink;
    char newest[LD_TIME_TEXT_MAX] = "";
    json_t *rejected = json_object();
    for (int i = 0; i < (int)LD_REASONS; i++) {
        if (run->sent_by_reason[i] > 0)
            json_object_set_new(rejected, ld_reason_name((enum ld_reason)i),
                                json_integer((json_int_t)run->sent_by_reason[i]));
    }
    if (run->newest_ms > 0)
        ld_time_format(newest, run->newest_ms, 0);
    json_t *report = json_pack(
        "{s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:s, s:f, s:f, s:f}", "sent",
        (json_int_t)sink->sent, "delivered", (json_int_t)sink->delivered, "failed", (json_int_t)sink->failed, "bytes",
        (json_int_t)sink->bytes, "seconds", (double)run->elapsed_ns / NS_PER_S, "accepted",
        (json_int_t)run->sent_by_reason[LD_ACCEPTED], "surveys", (json_int_t)run->sent_by_type[LD_SURVEY], "contacts",
        (json_int_t)run->sent_by_type[LD_CONTACT], "complaints", (json_int_t)run->sent_by_type[LD_COMPLAINT],
        "retractions", (json_int_t)run->retractions, "repeats", (json_int_t)run->repeats, "rejected", rejected,
        "newest", newest, "ack_p50_ms", (double)ld_sink_latency_us(sink, 50) / 1e3, "ack_p99_ms",
        (double)ld_sink_latency_us(sink, 99) / 1e3, "behind_ms", (double)run->behind_ns_max / 1e6);
    bool is_good = report != NULL && json_dump_file(report, file, JSON_INDENT(2)) == 0;
    if (!is_good)
        ld_say("--report %s: %s", file, strerror(errno));
    json_decref(report);
    return is_good;
}
