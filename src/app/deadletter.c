/* `delightd deadletter`: which dead letters are meant, and reading them. */
#include "deadletter.h"

#include "clocks.h"
#include "log.h"
#include "probe.h"
#include "settings.h"

#include <delight/time.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ASK_MS = 5000, POLL_MS = 100, PROGRESS_MS = 2000 };
/* Longer than a session or an election takes. */
static const int64_t silence_ms_max = 60000;

/* ---- The choice ---- */

static int usage_fault(const char *fault, const char *what)
{
    fprintf(stderr, "delightd deadletter: %s%s\n", fault, what);
    return DL_EXIT_USAGE;
}

static int parse_places(const char *text, bool distinct, struct dl_places *places)
{
    enum dl_status status = dl_places_parse(places, text, distinct);
    if (status == DL_MEMORY)
        return DL_EXIT_SOFTWARE;
    return status == DL_OK ? DL_EXIT_OK : usage_fault("expected places as 0:57,1:63 (partition:offset), not ", text);
}

static int find_reason(const char *word, size_t bytes)
{
    for (int reason = DL_ACCEPTED + 1; reason < DL_REJECTS; reason++) {
        const char *name = dl_reject_word((enum dl_reject)reason);
        if (strlen(name) == bytes && memcmp(name, word, bytes) == 0)
            return reason;
    }
    return -1;
}

static int parse_reasons(const char *text, struct dl_letters_choice *choice)
{
    choice->reason_given = true;
    for (const char *at = text;; at++) {
        size_t bytes = strcspn(at, ",");
        int reason = find_reason(at, bytes);
        if (reason < 0) {
            fprintf(stderr, "delightd deadletter: '%.*s' is not a reason; they are:", (int)bytes, at);
            for (reason = DL_ACCEPTED + 1; reason < DL_REJECTS; reason++)
                fprintf(stderr, " %s", dl_reject_word((enum dl_reject)reason));
            fputc('\n', stderr);
            return DL_EXIT_USAGE;
        }
        choice->reason[reason] = true;
        at += bytes;
        if (*at == '\0')
            return DL_EXIT_OK;
    }
}

static int parse_since(const char *text, int64_t *since_ms)
{
    int64_t ago_ms;
    if (dl_duration_parse(text, strlen(text), &ago_ms) == DL_OK)
        *since_ms = dl_wall_ms() - ago_ms;
    else if (!dl_argument_time(text, since_ms))
        return usage_fault("--since is RFC 3339 with an offset, epoch milliseconds, or how long ago as 90m, not ", text);
    return DL_EXIT_OK;
}

/* Nothing would be sent, and whoever goes on from --to later would send again what was sent before. */
static int check_order(const struct dl_letters_choice *choice)
{
    for (size_t i = 0; i < choice->to.count; i++)
        if (choice->to.item[i].offset < dl_places_offset(&choice->from, choice->to.item[i].partition)) {
            fprintf(stderr, "delightd deadletter: --to lies before --from in partition %" PRId32 "\n", choice->to.item[i].partition);
            return DL_EXIT_USAGE;
        }
    return DL_EXIT_OK;
}

static int parse_choice(struct dl_letters_choice *choice, const struct dl_arguments *arguments)
{
    bool resend = arguments->resend || arguments->dry_run;
    if (resend && arguments->show > 0)
        return usage_fault("--show or --resend, not both", "");
    if (arguments->dry_run && !arguments->resend)
        return usage_fault("--dry-run belongs to --resend", "");
    if (arguments->only != NULL && (arguments->from != NULL || arguments->to != NULL))
        return usage_fault("--only names every place: --from and --to do not go with it", "");
    if (arguments->resend && arguments->from == NULL && arguments->since == NULL && arguments->only == NULL)
        return usage_fault("which ones? What is sent twice counts twice: give --from PLACES as the last --resend printed, "
                           "--from beginning, --since TIME or --only PLACES", "");
    choice->since_ms = INT64_MIN;
    choice->only_given = arguments->only != NULL;
    int status = DL_EXIT_OK;
    if (arguments->reasons != NULL)
        status = parse_reasons(arguments->reasons, choice);
    if (status == DL_EXIT_OK && arguments->since != NULL)
        status = parse_since(arguments->since, &choice->since_ms);
    if (status == DL_EXIT_OK && arguments->from != NULL && strcmp(arguments->from, "beginning") != 0)
        status = parse_places(arguments->from, true, &choice->from);
    if (status == DL_EXIT_OK && arguments->to != NULL)
        status = parse_places(arguments->to, true, &choice->to);
    if (status == DL_EXIT_OK)
        status = check_order(choice);
    if (status == DL_EXIT_OK && arguments->only != NULL)
        status = parse_places(arguments->only, false, &choice->only);
    return status;
}

static bool chosen(const struct dl_letters_choice *choice, const struct dl_kafka_record *record,
                   const struct dl_kafka_letter *letter)
{
    int64_t to = dl_places_offset(&choice->to, record->partition);
    if (record->offset < dl_places_offset(&choice->from, record->partition) || (to >= 0 && record->offset >= to))
        return false;
    if (choice->only_given && !dl_places_hold(&choice->only, record->partition, record->offset))
        return false;
    if (record->timestamp_ms < choice->since_ms)
        return false;
    int reason = find_reason(letter->reason.data, letter->reason.bytes);
    return !choice->reason_given || (reason >= 0 && choice->reason[reason]);
}

/* ---- Reading ---- */

static void count(struct dl_letters *letters, const struct dl_kafka_record *record, const struct dl_kafka_letter *letter)
{
    struct dl_reason_row *row = dl_reasons_row(&letters->reasons, letter->reason);
    letters->chosen++;
    if (row->letters++ == 0 || record->timestamp_ms < row->oldest_ms)
        row->oldest_ms = record->timestamp_ms;
    if (record->timestamp_ms > row->newest_ms)
        row->newest_ms = record->timestamp_ms;
    row->cut += letter->cut;
    row->resent_before += letter->resent.bytes > 0;
}

static void on_record(void *context, struct dl_kafka_record *record)
{
    dl_kafka_take_headers(record);
    struct dl_letters *letters = context;
    int64_t begun, target;
    if (!dl_kafka_source_range(letters->source, 0, record->partition, &begun, &target) || record->offset >= target ||
        record->partition >= letters->partition_count)
        return; /* it came after the start */
    if (letters->view->stop != NULL && letters->view->stop(letters->view->context))
        return;
    int64_t to = dl_places_offset(&letters->choice.to, record->partition);
    int64_t *next = &letters->next[record->partition];
    if (record->offset >= *next && (to < 0 || record->offset < to))
        *next = record->offset + 1;
    letters->records++;
    struct dl_kafka_letter letter;
    bool ours = dl_kafka_letter_read(record, &letter);
    letters->foreign += !ours;
    if (!ours || !chosen(&letters->choice, record, &letter))
        return;
    count(letters, record, &letter);
    letters->view->take(letters->view->context, record, &letter);
}

static void on_start(void *context, uint16_t topic, int32_t partition, int64_t offset)
{
    (void)context, (void)topic, (void)partition, (void)offset;
}

static void on_position(void *context, uint16_t topic, int32_t partition, int64_t next, int64_t end)
{
    (void)context, (void)topic, (void)partition, (void)next, (void)end;
}

static void on_loss(void *context, uint16_t topic, int32_t partition, int64_t from, int64_t to)
{
    (void)context, (void)topic, (void)partition, (void)from, (void)to; /* retention passed by: noted by the source */
}

static bool stopped(const struct dl_letters *letters)
{
    return letters->view->stop != NULL && letters->view->stop(letters->view->context);
}

/* Until all of the start is read, or nothing comes any more. */
static enum dl_status read_all(struct dl_letters *letters)
{
    int64_t records = -1, heard_ms = 0, told_ms = dl_monotonic_ms();
    while (!dl_kafka_source_caught_up(letters->source) && !stopped(letters)) {
        dl_kafka_source_poll(letters->source, POLL_MS);
        int64_t now_ms = dl_monotonic_ms();
        if (letters->records != records)
            heard_ms = now_ms;
        records = letters->records;
        if (now_ms - heard_ms > silence_ms_max) {
            fprintf(stderr, "delightd deadletter: Kafka has delivered nothing for %" PRId64 " s; given up\n", silence_ms_max / 1000);
            return DL_TIMEOUT;
        }
        if (now_ms - told_ms >= PROGRESS_MS) {
            told_ms = now_ms;
            int64_t read, total;
            dl_kafka_source_progress(letters->source, &read, &total);
            fprintf(stderr, "%" PRId64 " of %" PRId64 " read", read, total);
            if (letters->view->progress != NULL)
                letters->view->progress(letters->view->context);
            fputc('\n', stderr);
        }
    }
    return DL_OK;
}

/* What is behind the last record of a partition are ends of transactions. */
static void take_ends(struct dl_letters *letters)
{
    for (int32_t p = 0; p < letters->partition_count; p++) {
        int64_t begun, target, to = dl_places_offset(&letters->choice.to, p);
        if (dl_kafka_source_range(letters->source, 0, p, &begun, &target))
            letters->next[p] = to >= 0 && to < target ? to : target;
    }
}

static bool from_is_there(const struct dl_letters *letters)
{
    bool good = true;
    for (size_t i = 0; i < letters->choice.from.count; i++) {
        const struct dl_place *place = &letters->choice.from.item[i];
        int64_t begun = 0, target = -1;
        if (place->partition < letters->partition_count &&
            (!dl_kafka_source_range(letters->source, 0, place->partition, &begun, &target) || place->offset <= target))
            continue;
        fprintf(stderr, "delightd deadletter: --from %" PRId32 ":%" PRId64 " is beyond the end of %s: of another topic?\n",
                place->partition, place->offset, letters->config->kafka.dead_letter_topic);
        good = false;
    }
    return good;
}

enum dl_status dl_letters_read(struct dl_letters *letters, const struct dl_letters_view *view)
{
    const char *topic = letters->config->kafka.dead_letter_topic;
    const struct dl_kafka_source_options options = {
        .kafka = letters->kafka,
        .topics = &topic,
        .topic_count = 1,
        .start_ms = letters->choice.since_ms,
        .dead_letters = true,
    };
    const struct dl_kafka_callbacks callbacks = {on_record, NULL, on_start, on_position, on_loss, letters};
    for (int32_t p = 0; p < letters->partition_count; p++) {
        int64_t from = dl_places_offset(&letters->choice.from, p);
        letters->next[p] = from > 0 ? from : 0;
    }
    letters->view = view;
    enum dl_status status = dl_kafka_source_create(&options, &callbacks, &letters->source);
    if (status != DL_OK)
        return status;
    status = read_all(letters);
    if (status == DL_OK && !stopped(letters)) {
        take_ends(letters);
        if (!from_is_there(letters))
            status = DL_INVALID;
    }
    dl_kafka_source_destroy(letters->source);
    letters->source = NULL;
    return status;
}

void dl_letters_print_next(const struct dl_letters *letters)
{
    fputs("--from ", stdout);
    for (int32_t p = 0; p < letters->partition_count; p++)
        printf("%s%" PRId32 ":%" PRId64, p > 0 ? "," : "", p, letters->next[p]);
    putchar('\n');
}

/* ---- The command ---- */

/* What a fix has made good is counted by itself where the topics are read again. */
static bool would_count_twice(const struct dl_letters *letters)
{
    const struct dl_arguments *arguments = letters->arguments;
    return arguments->resend && !arguments->dry_run && !arguments->anyway &&
           letters->config->durability == DL_DURABILITY_MEMORY;
}

/* Which topics there are, and whether anybody answers at all: said at once, not after retries. */
static int look_at_topics(struct dl_letters *letters)
{
    const struct dl_config *config = letters->config;
    size_t sources = config->kafka.topics.count;
    char error[256] = "";
    letters->topics = calloc(sources + 1, sizeof *letters->topics);
    if (letters->topics == NULL)
        return DL_EXIT_SOFTWARE;
    for (size_t i = 0; i < sources; i++)
        letters->topics[i].topic = config->kafka.topics.item[i];
    letters->topics[sources].topic = config->kafka.dead_letter_topic;
    if (dl_kafka_probe(&letters->kafka, letters->topics, sources + 1, ASK_MS, error, sizeof error) != DL_OK) {
        fprintf(stderr, "delightd deadletter: %s\n", error);
        return DL_EXIT_FAILED;
    }
    letters->partition_count = letters->topics[sources].partitions;
    if (letters->partition_count < 0) {
        /* What a user may not describe is left out of the list of topics. */
        fprintf(stderr, "delightd deadletter: topic %s: does not exist, or this user may not see it\n",
                config->kafka.dead_letter_topic);
        return DL_EXIT_FAILED;
    }
    letters->next = calloc((size_t)letters->partition_count + 1, sizeof *letters->next);
    return letters->next == NULL ? DL_EXIT_SOFTWARE : DL_EXIT_OK;
}

static int work(struct dl_letters *letters, struct dl_note_sink *notes)
{
    letters->kafka = dl_settings_kafka(letters->config, notes);
    int status = look_at_topics(letters);
    if (status != DL_EXIT_OK)
        return status;
    if (letters->arguments->resend)
        return dl_letters_resend(letters);
    return letters->arguments->show > 0 ? dl_letters_show(letters) : dl_letters_list(letters);
}

int dl_command_deadletter(const struct dl_arguments *arguments)
{
    struct dl_letters *letters = calloc(1, sizeof *letters);
    if (letters == NULL)
        return DL_EXIT_SOFTWARE;
    letters->arguments = arguments;
    struct dl_config *config = NULL;
    int status = parse_choice(&letters->choice, arguments);
    if (status == DL_EXIT_OK)
        config = dl_argument_config(arguments, &status);
    letters->config = config;
    if (config != NULL && config->kafka.dead_letter_topic[0] == '\0') {
        fputs("delightd deadletter: kafka.dead_letter_topic is empty: dead letters are only counted and logged\n", stderr);
        status = DL_EXIT_CONFIG;
    } else if (config != NULL && would_count_twice(letters)) {
        status = usage_fault("durability: memory counts the input topics again at every start: after the fix a restart is enough, and "
                             "what is sent again counts twice. If the topics do not hold those records any more: --anyway", "");
    } else if (config != NULL) {
        struct dl_log *log = dl_log_create(DL_LOG_STDERR, DL_NOTE_WARNING);
        status = log == NULL ? DL_EXIT_SOFTWARE : work(letters, dl_log_sink(log));
        dl_log_destroy(log);
    }
    dl_config_destroy(config);
    dl_places_deinit(&letters->choice.from);
    dl_places_deinit(&letters->choice.to);
    dl_places_deinit(&letters->choice.only);
    free(letters->topics);
    free(letters->next);
    free(letters);
    return status;
}
