/* `delightd deadletter --resend`: letter by letter, each confirmed or named. */
#include "deadletter.h"

#include "clocks.h"
#include "print.h"
#include "probe.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* After an interrupt, what is on its way has INTERRUPTED_MS to be confirmed. */
enum { TIMEOUT_MS = 30000, INTERRUPTED_MS = 2000, PROGRESS_MS = 2000, POLL_MS = 50, TOLD_MAX = 20 };

/* A letter on its way, or one whose way did not end well. */
struct way {
    struct dl_place place;
    struct dl_reason_row *row;
    enum dl_kafka_resent how;
    bool used;
};

struct resend {
    struct dl_letters *letters;
    struct dl_kafka_resender *resender; /* NULL: a dry run */
    struct way *ways; /* by number; those not confirmed keep theirs */
    size_t way_count, way_hint;
    int64_t sent, unsent, unknown, refused; /* refused: not even tried */
    int64_t refused_told;
    bool stop; /* what failed would fail again, or there is no memory */
    enum dl_status status;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1; /* the second one ends the process */
}

/* ---- Outcomes ---- */

static void on_resent(void *context, size_t number, enum dl_kafka_resent how, const char *reason, bool alone)
{
    struct resend *resend = context;
    struct way *way = &resend->ways[number];
    way->how = how;
    if (how == DL_KAFKA_RESENT) {
        resend->sent++;
        way->row->sent++;
        way->used = false;
        resend->way_hint = number;
        return;
    }
    way->row->unsent++;
    resend->unsent += how == DL_KAFKA_NOT_RESENT;
    resend->unknown += how == DL_KAFKA_MAYBE_RESENT;
    if (!resend->stop && !interrupted)
        fprintf(stderr, "%" PRId32 ":%" PRId64 " %s: %s\n", way->place.partition, way->place.offset,
                how == DL_KAFKA_MAYBE_RESENT ? "may have been sent" : "not sent", reason);
    resend->stop = resend->stop || !alone;
}

static void refuse(struct resend *resend, const struct dl_kafka_record *record, struct dl_reason_row *row, const char *why)
{
    resend->refused++;
    row->unsent++;
    if (resend->refused_told++ < TOLD_MAX)
        fprintf(stderr, "%" PRId32 ":%" PRId64 " cannot be sent: %s\n", record->partition, record->offset, why);
    else if (resend->refused_told == TOLD_MAX + 1)
        fputs("further ones are only counted\n", stderr);
}

static bool must_stop(void *context)
{
    const struct resend *resend = context;
    return resend->stop || interrupted;
}

/* ---- One letter ---- */

static const struct dl_kafka_topic_state *find_topic(const struct dl_letters *letters, struct dl_name name)
{
    for (size_t i = 0; i < letters->config->kafka.topics.count; i++)
        if (dl_name_equal(dl_name_of(letters->topics[i].topic), name))
            return &letters->topics[i];
    return NULL;
}

static bool take_way(struct resend *resend, size_t *number)
{
    for (size_t i = 0; i < resend->way_count; i++) {
        size_t at = (resend->way_hint + i) % resend->way_count;
        if (!resend->ways[at].used) {
            *number = at;
            return true;
        }
    }
    size_t count = resend->way_count * 2 + 64;
    struct way *grown = realloc(resend->ways, count * sizeof *grown);
    if (grown == NULL)
        return false;
    memset(grown + resend->way_count, 0, (count - resend->way_count) * sizeof *grown);
    *number = resend->way_hint = resend->way_count;
    resend->ways = grown;
    resend->way_count = count;
    return true;
}

static void send(struct resend *resend, const struct dl_kafka_resend *record)
{
    enum dl_status status;
    while ((status = dl_kafka_resender_send(resend->resender, record)) == DL_FULL && !must_stop(resend))
        dl_kafka_resender_poll(resend->resender, POLL_MS);
    if (status == DL_FULL) /* stopped while it waited: it was not sent */
        on_resent(resend, record->number, DL_KAFKA_NOT_RESENT, "stopped before", true);
    dl_kafka_resender_poll(resend->resender, 0);
}

static void tell_dry(const struct dl_kafka_record *record, const struct dl_kafka_letter *letter,
                     const struct dl_kafka_resend *resend)
{
    printf("%" PRId32 ":%" PRId64 " would go to %s", record->partition, record->offset, resend->topic);
    if (resend->partition >= 0)
        printf(" partition %" PRId32, resend->partition);
    fputs(": ", stdout);
    dl_print_safely(stdout, letter->reason.data, letter->reason.bytes, 0);
    printf(", %zu bytes\n", resend->value_bytes);
}

/* With its own time, so that an event without one counts when it happened. What was ahead of its
 * record's time would be so again: it gets the present. */
static int64_t time_of(const struct dl_kafka_letter *letter)
{
    bool ahead = dl_name_equal(letter->reason, dl_name_of(dl_reject_word(DL_REJECT_FUTURE_TIME)));
    return ahead ? -1 : letter->timestamp_ms;
}

static void take_letter(void *context, const struct dl_kafka_record *record, const struct dl_kafka_letter *letter)
{
    struct resend *resend = context;
    struct dl_letters *letters = resend->letters;
    struct dl_reason_row *row = dl_reasons_row(&letters->reasons, letter->reason);
    const struct dl_kafka_topic_state *topic = find_topic(letters, letter->topic);
    char from[512];
    struct dl_kafka_header headers[DL_KAFKA_HEADERS_MAX + DL_KAFKA_ERROR_HEADERS + 1];
    if (topic == NULL || topic->partitions < 0) {
        refuse(resend, record, row, topic == NULL ? "its topic is not one of kafka.topics" : "its topic does not exist, or this user may not see it");
        return;
    }
    if (letter->cut) {
        refuse(resend, record, row, "it was cut to fit into the dead-letter topic");
        return;
    }
    snprintf(from, sizeof from, "%s:%" PRId32 ":%" PRId64, letters->config->kafka.dead_letter_topic, record->partition, record->offset);
    struct dl_kafka_resend again = {
        .topic = topic->topic,
        .partition = letter->partition < topic->partitions ? letter->partition : -1,
        .timestamp_ms = time_of(letter),
        .key = record->key,
        .key_bytes = record->key_bytes,
        .value = record->value,
        .value_bytes = record->value_bytes,
        .headers = headers,
        .header_count = dl_kafka_letter_headers(record, from, headers),
    };
    if (resend->resender == NULL) {
        tell_dry(record, letter, &again);
        resend->sent++;
        row->sent++;
        return;
    }
    if (!take_way(resend, &again.number)) {
        resend->status = DL_MEMORY;
        resend->stop = true;
        return;
    }
    resend->ways[again.number] = (struct way){{record->partition, record->offset}, row, DL_KAFKA_MAYBE_RESENT, true};
    send(resend, &again);
}

static void tell_progress(void *context)
{
    const struct resend *resend = context;
    fprintf(stderr, ", %" PRId64 " sent", resend->sent);
}

/* ---- The end ---- */

static void print_ways(const struct resend *resend, enum dl_kafka_resent how, const char *title)
{
    const char *separator = title;
    for (size_t i = 0; i < resend->way_count; i++) {
        const struct way *way = &resend->ways[i];
        if (!way->used || way->how != how)
            continue;
        printf("%s%" PRId32 ":%" PRId64, separator, way->place.partition, way->place.offset);
        separator = ",";
    }
    if (separator != title)
        putchar('\n');
}

static void print_outcome(const struct resend *resend, bool dry)
{
    struct dl_letters *letters = resend->letters;
    dl_reasons_sort(&letters->reasons);
    if (letters->reasons.count > 0)
        printf("%-20s %10s %10s\n", "reason", dry ? "would send" : "sent", "not sent");
    for (size_t i = 0; i < letters->reasons.count; i++)
        printf("%-20s %10" PRId64 " %10" PRId64 "\n", letters->reasons.row[i].reason, letters->reasons.row[i].sent,
               letters->reasons.row[i].unsent);
    printf("%" PRId64 " of %" PRId64 " dead letters %s", resend->sent, letters->chosen, dry ? "would be sent" : "sent");
    if (resend->refused > 0)
        printf(", %" PRId64 " cannot be sent", resend->refused);
    putchar('\n');
    print_ways(resend, DL_KAFKA_NOT_RESENT, "not sent: --only ");
    print_ways(resend, DL_KAFKA_MAYBE_RESENT, "no answer, so these may have been sent or not: --only ");
    if (letters->choice.only_given)
        return;
    printf("go on later with %s", dry ? "the same choice, then " : "");
    dl_letters_print_next(letters);
}

/* Until everything has its outcome. A second interrupt ends the process. */
static void drain(struct resend *resend)
{
    int64_t told_ms = dl_monotonic_ms(), until_ms = INT64_MAX;
    size_t outstanding;
    while ((outstanding = dl_kafka_resender_outstanding(resend->resender)) > 0) {
        dl_kafka_resender_poll(resend->resender, POLL_MS);
        int64_t now_ms = dl_monotonic_ms();
        if (interrupted && until_ms == INT64_MAX)
            until_ms = now_ms + INTERRUPTED_MS;
        if (now_ms >= until_ms)
            break;
        if (now_ms - told_ms < PROGRESS_MS)
            continue;
        told_ms = now_ms;
        fprintf(stderr, "%" PRId64 " sent, %zu not confirmed yet\n", resend->sent, outstanding);
    }
    dl_kafka_resender_destroy(resend->resender); /* tells of those that are left */
}

static void watch_interrupts(void)
{
    const struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int dl_letters_resend(struct dl_letters *letters)
{
    struct resend resend = {.letters = letters};
    const struct dl_letters_view view = {take_letter, tell_progress, must_stop, &resend};
    bool dry = letters->arguments->dry_run;
    enum dl_status status = DL_OK;
    if (!dry) {
        watch_interrupts();
        status = dl_kafka_resender_create(&letters->kafka, TIMEOUT_MS, on_resent, &resend, &resend.resender);
    }
    if (status == DL_OK) {
        status = dl_letters_read(letters, &view);
        if (!dry)
            drain(&resend);
        print_outcome(&resend, dry);
    }
    free(resend.ways);
    if (status == DL_MEMORY || resend.status == DL_MEMORY)
        return DL_EXIT_SOFTWARE;
    bool whole = status == DL_OK && resend.status == DL_OK && !interrupted && resend.sent == letters->chosen;
    return whole ? DL_EXIT_OK : DL_EXIT_FAILED;
}
