#include "option_rows.h"

#include "timefmt.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ld_take_function take_config, take_windows, take_segment_list, take_scales, take_service_level, take_clock,
    take_rank_measures, take_trend_measures, take_property, take_key, take_mix, take_record_time, take_output,
    take_dead_letters, take_unknown, take_trends, take_touchpoints, take_features, take_journeys, take_partitions, take_seconds;

#define AT(field) offsetof(struct ld_options, field)

static const struct ld_option rows[] = {
    {"Where the messages go", LD_OPTION_TITLE, 0, NULL, NULL, NULL},
    {"brokers", LD_OPTION_OWN_TEXT, AT(settings.brokers), NULL, "HOST:PORT,...", "Kafka bootstrap servers"},
    {"topic", LD_OPTION_OWN_TEXT, AT(settings.topic), NULL, "NAME", "topic to write to (cx.feedback)"},
    {"create-topic", LD_OPTION_SPECIAL, 0, take_partitions, "PARTITIONS", "create the topic first, unless it exists"},
    {"compression", LD_OPTION_TEXT, AT(sink.compression), NULL, "CODEC", "lz4 (default), zstd, snappy, gzip or none"},
    {"key", LD_OPTION_SPECIAL, 0, take_key, "WHAT", "record key: id (default), touchpoint or none"},
    {"partitioner", LD_OPTION_TEXT, AT(sink.partitioner), NULL, "NAME", "librdkafka's partitioner, as murmur2_random"},
    {"property", LD_OPTION_SPECIAL, 0, take_property, "NAME=VALUE", "any librdkafka property; may be repeated"},
    {"transactional", LD_OPTION_TEXT, AT(sink.transactional_id), NULL, "ID", "write in Kafka transactions under this id"},
    {"transaction-messages", LD_OPTION_COUNT, AT(sink.transaction_messages), NULL, "N",
     "messages per transaction (10000), at most a second of them"},
    {"aborted", LD_OPTION_SHARE, AT(sink.aborted), NULL, "SHARE", "share of transactions that are aborted (0); not counted"},
    {"output", LD_OPTION_SPECIAL, 0, take_output, "FILE", "write lines to a file or - instead of Kafka"},
    {"no-send", LD_OPTION_FLAG, AT(has_no_send), NULL, NULL,
     "send nothing: recount what an earlier run with the same options sent"},

    {"How much, and when", LD_OPTION_TITLE, 0, NULL, NULL, NULL},
    {"count", LD_OPTION_COUNT, AT(traffic.count), NULL, "N", "end after so many messages"},
    {"seconds", LD_OPTION_SPECIAL, 0, take_seconds, "S", "end after so many seconds"},
    {"rate", LD_OPTION_NUMBER, AT(traffic.rate), NULL, "R",
     "messages per second on a fixed schedule (default: as fast as it can)"},
    {"span", LD_OPTION_DURATION, AT(traffic.span_ms), NULL, "DURATION",
     "event time that the run covers, as 6h, following the day's rhythm (default: real time)"},
    {"start", LD_OPTION_TIME, AT(traffic.start_ms), NULL, "TIME",
     "event time of the first event: RFC 3339, epoch ms, now or now-6h (default: now, less the span)"},
    {"record-time", LD_OPTION_SPECIAL, 0, take_record_time, "WHAT", "record timestamps: now (default) or event"},
    {"seed", LD_OPTION_COUNT, AT(traffic.seed), NULL, "N",
     "same seed, options and --start: the same bytes (1)"},

    {"What the traffic is like (a SHARE is 0.02 or 2%, of all messages)", LD_OPTION_TITLE, 0, NULL, NULL, NULL},
    {"touchpoints", LD_OPTION_SPECIAL, 0, take_touchpoints, "N", "touchpoints (24, or those of the catalogue)"},
    {"journeys", LD_OPTION_SPECIAL, 0, take_journeys, "N", "journeys, of four stages each (4)"},
    {"features", LD_OPTION_SPECIAL, 0, take_features, "N", "features that Kano questions ask about (12)"},
    {"zipf", LD_OPTION_NUMBER, AT(world.zipf), NULL, "S", "exponent of the touchpoints' popularity (1)"},
    {"segments", LD_OPTION_SPECIAL, 0, take_segment_list, "LIST",
     "attributes and weighted values, as channel=app:5|web:3,tier=vip|basic; or none"},
    {"odd-names", LD_OPTION_FLAG, AT(world.has_odd_names), NULL, NULL,
     "names with separators, spaces, quotes, control and non-ASCII characters"},
    {"mix", LD_OPTION_SPECIAL, 0, take_mix, "LIST", "survey=60,contact=33,complaint=7 (default)"},
    {"late", LD_OPTION_SHARE, AT(traffic.late), NULL, "SHARE", "late events: half corrections, half older than every window (0)"},
    {"late-mean", LD_OPTION_DURATION, AT(traffic.late_mean_ms), NULL, "DURATION",
     "their delay is exponential with this mean instead"},
    {"future", LD_OPTION_SHARE, AT(traffic.future), NULL, "SHARE", "events less than five minutes ahead (0)"},
    {"future-rejected", LD_OPTION_SHARE, AT(traffic.future_rejected), NULL, "SHARE", "events more than five minutes ahead (0)"},
    {"duplicates", LD_OPTION_SHARE, AT(traffic.duplicates), NULL, "SHARE", "messages sent a second time (0)"},
    {"retractions", LD_OPTION_SHARE, AT(traffic.retractions), NULL, "SHARE", "retractions of earlier events (0)"},
    {"orphans", LD_OPTION_SHARE, AT(traffic.orphans), NULL, "SHARE", "retractions without their event (0)"},
    {"malformed", LD_OPTION_SHARE, AT(traffic.malformed), NULL, "SHARE", "messages that are no events, for every reason (0)"},
    {"cloudevents", LD_OPTION_SHARE, AT(traffic.cloudevents), NULL, "SHARE",
     "CloudEvents, half structured and half binary; Kafka only (0)"},
    {"variants", LD_OPTION_SHARE, AT(traffic.variants), NULL, "SHARE", "unusual spellings: 9e0, null, \\u0041, offsets (3%)"},
    {"bare", LD_OPTION_SHARE, AT(traffic.bare), NULL, "SHARE", "events without stage, journey or both (10%)"},
    {"event-bytes", LD_OPTION_COUNT, AT(traffic.event_bytes), NULL, "N", "pad events up to this size (300; 0: not at all)"},
    {"id-prefix", LD_OPTION_OWN_TEXT, AT(id_prefix), NULL, "TEXT", "what ids begin with (ld and the seed)"},

    {"Verification", LD_OPTION_TITLE, 0, NULL, NULL, NULL},
    {"verify", LD_OPTION_FLAG, AT(verifies_redis), NULL, NULL,
     "recount what was sent and compare every field of every key in Redis"},
    {"verify-json", LD_OPTION_TEXT, AT(verify_json), NULL, "FILE", "compare with the output of delightd score --format json"},
    {"verify-dead-letters", LD_OPTION_SPECIAL, 0, take_dead_letters, "[TOPIC]",
     "compare the dead letters with what was sent malformed"},
    {"verify-again", LD_OPTION_FLAG, AT(verifies_again), NULL, NULL,
     "verify Redis again for every line on standard input, until it ends"},
    {"verify-basic", LD_OPTION_FLAG, AT(verifies_basic), NULL, NULL,
     "--verify looks at nothing but events, NPS and CSAT of touchpoints and stages"},
    {"verify-timeout", LD_OPTION_DURATION, AT(verify_timeout_ms), NULL, "DURATION", "wait so long until equal (60s)"},
    {"verify-slack", LD_OPTION_DURATION, AT(verify_slack_ms), NULL, "DURATION",
     "clock wall: how old a published state may be (2s)"},
    {"differences", LD_OPTION_COUNT, AT(differences), NULL, "N", "show so many differences (20)"},
    {"as-of", LD_OPTION_TIME, AT(as_of_ms), NULL, "TIME", "--verify-json: the clock (the newest event)"},
    {"trends", LD_OPTION_SPECIAL, 0, take_trends, "on|off", "compare trends (on)"},
    {"repeated-dead-letters", LD_OPTION_FLAG, AT(allows_repeated_dead_letters), NULL, NULL,
     "a dead letter may be there more than once (the daemon was restarted)"},

    {"What the daemon was told", LD_OPTION_TITLE, 0, NULL, NULL, NULL},
    {"config", LD_OPTION_SPECIAL, 0, take_config, "FILE", "read all of this from the daemon's YAML; options here win"},
    {"redis", LD_OPTION_OWN_TEXT, AT(settings.redis_url), NULL, "URL", "redis://HOST:PORT/DB or unix:///SOCKET?db=N"},
    {"redis-user", LD_OPTION_OWN_TEXT, AT(settings.redis_user), NULL, "NAME", "Redis ACL user"},
    {"redis-password-file", LD_OPTION_OWN_TEXT, AT(settings.redis_password_file), NULL, "FILE",
     "first line is the password (else $REDIS_PASSWORD)"},
    {"prefix", LD_OPTION_OWN_TEXT, AT(settings.prefix), NULL, "TEXT", "prefix of the keys (cx)"},
    {"windows", LD_OPTION_SPECIAL, 0, take_windows, "LIST", "windows, as 5m,1h,24h,7d,30d (default)"},
    {"scales", LD_OPTION_SPECIAL, 0, take_scales, "MAX[,TOP]", "csat_max and csat_top (5,4)"},
    {"service-level", LD_OPTION_SPECIAL, 0, take_service_level, "LIST", "threshold, short abandon, formula (20s,5s,4)"},
    {"privacy-min-n", LD_OPTION_COUNT, AT(settings.privacy_min_n), NULL, "N", "privacy.min_n (0)"},
    {"rank-min-n", LD_OPTION_COUNT, AT(settings.rank_min_n), NULL, "N", "rank.min_n (30)"},
    {"rank-measures", LD_OPTION_SPECIAL, 0, take_rank_measures, "LIST", "rank.measures (nps,csat,ces,delight,service_level,fcr)"},
    {"trend-measures", LD_OPTION_SPECIAL, 0, take_trend_measures, "LIST", "trends.measures (the same)"},
    {"dedupe", LD_OPTION_COUNT, AT(settings.dedupe_records), NULL, "N", "dedupe.records (0: off)"},
    {"clock", LD_OPTION_SPECIAL, 0, take_clock, "wall|event", "the daemon's clock (wall)"},
    {"limit-event-bytes", LD_OPTION_COUNT, AT(settings.event_bytes_max), NULL, "N", "limits.event_bytes (65536)"},
    {"unknown-touchpoint", LD_OPTION_SPECIAL, 0, take_unknown, "accept|other|deadletter", "catalogue.unknown_touchpoint"},

    {"Other", LD_OPTION_TITLE, 0, NULL, NULL, NULL},
    {"report", LD_OPTION_TEXT, AT(report), NULL, "FILE", "write counts and rates as JSON"},
    {"print-catalogue", LD_OPTION_FLAG, AT(has_catalogue_print), NULL, NULL,
     "print journeys, stages and touchpoints as YAML for the daemon, and end"},
    {"embedded-broker", LD_OPTION_TEXT, AT(embedded_broker), NULL, "TOPIC:PARTITIONS,...",
     "for demos without Kafka: serve librdkafka's mock cluster until ended"},
    {"help", LD_OPTION_FLAG, 0, NULL, NULL, "this"},
    {"version", LD_OPTION_FLAG, 0, NULL, NULL, "versions of this program and its libraries"},
};

/* ---- arguments of their own ---- */

static bool expected(const char *name, const char *text, const char *what)
{
    ld_say("--%s %s: expected %s", name, text, what);
    return false;
}

static bool parse_count(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < 0)
        return false;
    *value = number;
    return true;
}

static bool parse_number(const char *text, double *value)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || !(number >= 0) || number > 1e12)
        return false;
    *value = number;
    return true;
}

/* Calls `take` for each part of a comma-separated list. */
static bool each_part(struct ld_options *options, const char *name, const char *list, ld_take_function *take)
{
    char *copy = ld_copy(list);
    char *rest = NULL;
    bool is_good = true;
    for (char *part = strtok_r(copy, ",", &rest); is_good && part != NULL; part = strtok_r(NULL, ",", &rest))
        is_good = take(options, name, part);
    free(copy);
    return is_good;
}

static bool take_config(struct ld_options *options, const char *name, const char *text)
{
    (void)options;
    (void)name;
    (void)text;
    return true; /* read before all other options */
}

static bool take_window(struct ld_options *options, const char *name, const char *text)
{
    return ld_settings_add_window(&options->settings, name, text);
}

static bool take_windows(struct ld_options *options, const char *name, const char *text)
{
    for (size_t i = 0; i < options->settings.window_count; i++)
        free(options->settings.windows[i].name);
    options->settings.window_count = 0;
    return each_part(options, name, text, take_window);
}

static bool take_segment_list(struct ld_options *options, const char *name, const char *text)
{
    (void)name;
    options->world.segments = text;
    return true;
}

static bool take_scales(struct ld_options *options, const char *name, const char *text)
{
    int max = 0, top = 0, used = 0;
    if (sscanf(text, "%d%n,%d%n", &max, &used, &top, &used) < 1 || text[used] != '\0')
        return expected(name, text, "CSAT_MAX[,CSAT_TOP], as 5,4");
    return ld_settings_set_csat(&options->settings, name, max, top);
}

static bool take_service_level(struct ld_options *options, const char *name, const char *text)
{
    struct ld_settings *settings = &options->settings;
    char threshold[32], short_abandon[32];
    int formula, used = 0;
    if (sscanf(text, "%31[^,],%31[^,],%d%n", threshold, short_abandon, &formula, &used) != 3 || text[used] != '\0' ||
        !ld_duration_parse(threshold, &settings->threshold_ms) ||
        !ld_duration_parse(short_abandon, &settings->short_abandon_ms) || formula < 1 || formula > 6)
        return expected(name, text, "THRESHOLD,SHORT_ABANDON,FORMULA, as 20s,5s,4");
    settings->service_level_formula = formula;
    return true;
}

static bool take_clock(struct ld_options *options, const char *name, const char *text)
{
    if (strcmp(text, "wall") != 0 && strcmp(text, "event") != 0)
        return expected(name, text, "wall or event");
    options->settings.clock = text[0] == 'w' ? LD_CLOCK_WALL : LD_CLOCK_EVENT;
    return true;
}

static bool take_rank_measure(struct ld_options *options, const char *name, const char *text)
{
    return ld_settings_add_rank_measure(&options->settings, name, text);
}

static bool take_rank_measures(struct ld_options *options, const char *name, const char *text)
{
    options->settings.rank_measure_count = 0;
    return each_part(options, name, text, take_rank_measure);
}

static bool take_trend_measure(struct ld_options *options, const char *name, const char *text)
{
    return ld_settings_add_trend_measure(&options->settings, name, text);
}

static bool take_trend_measures(struct ld_options *options, const char *name, const char *text)
{
    options->settings.trend_measure_count = 0;
    return each_part(options, name, text, take_trend_measure);
}

static bool take_property(struct ld_options *options, const char *name, const char *text)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return expected(name, text, "NAME=VALUE");
    char *key = ld_copy_bytes(text, (size_t)(equals - text));
    ld_settings_add_property(&options->settings, key, equals + 1);
    free(key);
    return true;
}

static bool take_key(struct ld_options *options, const char *name, const char *text)
{
    if (strcmp(text, "id") == 0)
        options->sink.key = LD_KEY_ID;
    else if (strcmp(text, "touchpoint") == 0)
        options->sink.key = LD_KEY_TOUCHPOINT;
    else if (strcmp(text, "none") == 0)
        options->sink.key = LD_KEY_NONE;
    else
        return expected(name, text, "id, touchpoint or none");
    return true;
}

static bool take_mix_part(struct ld_options *options, const char *name, const char *text)
{
    static const char *const types[] = {"survey=", "contact=", "complaint="};
    for (size_t i = 0; i < LD_COUNT(types); i++) {
        size_t length = strlen(types[i]);
        if (strncmp(text, types[i], length) == 0 && parse_number(text + length, &options->traffic.mix[i]))
            return true;
    }
    return expected(name, text, "survey=60,contact=33,complaint=7");
}

static bool take_mix(struct ld_options *options, const char *name, const char *text)
{
    double *mix = options->traffic.mix;
    mix[0] = mix[1] = mix[2] = 0;
    if (!each_part(options, name, text, take_mix_part))
        return false;
    return mix[0] + mix[1] + mix[2] > 0 || expected(name, text, "at least one type");
}

static bool take_record_time(struct ld_options *options, const char *name, const char *text)
{
    if (strcmp(text, "now") != 0 && strcmp(text, "event") != 0)
        return expected(name, text, "now or event");
    options->traffic.is_record_time_event = text[0] == 'e';
    return true;
}

static bool take_output(struct ld_options *options, const char *name, const char *text)
{
    (void)name;
    options->sink.file = text;
    options->traffic.is_for_file = true;
    return true;
}

static bool take_dead_letters(struct ld_options *options, const char *name, const char *text)
{
    (void)name;
    options->verifies_dead_letters = true;
    options->dead_letter_topic = text;
    return true;
}

static bool take_unknown(struct ld_options *options, const char *name, const char *text)
{
    static const char *const words[] = {"accept", "other", "deadletter"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, words[i]) == 0) {
            options->settings.unknown_touchpoint = (enum ld_unknown_touchpoint)i;
            return true;
        }
    }
    return expected(name, text, "accept, other or deadletter");
}

static bool take_trends(struct ld_options *options, const char *name, const char *text)
{
    if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
        return expected(name, text, "on or off");
    options->has_trends = strcmp(text, "on") == 0;
    return true;
}

static bool take_small(const char *name, const char *text, int64_t low, int64_t high, uint32_t *value)
{
    int64_t number;
    if (!parse_count(text, &number) || number < low || number > high) {
        ld_say("--%s %s: expected a number from %lld to %lld", name, text, (long long)low, (long long)high);
        return false;
    }
    *value = (uint32_t)number;
    return true;
}

static bool take_touchpoints(struct ld_options *options, const char *name, const char *text)
{
    return take_small(name, text, 1, 10000000, &options->world.touchpoints);
}

static bool take_journeys(struct ld_options *options, const char *name, const char *text)
{
    return take_small(name, text, 1, 10000, &options->world.journeys);
}

static bool take_features(struct ld_options *options, const char *name, const char *text)
{
    return take_small(name, text, 0, 100000, &options->world.features);
}

static bool take_partitions(struct ld_options *options, const char *name, const char *text)
{
    uint32_t partitions;
    if (!take_small(name, text, 1, 10000, &partitions))
        return false;
    options->sink.create_partitions = (int)partitions;
    return true;
}

static bool take_seconds(struct ld_options *options, const char *name, const char *text)
{
    double seconds;
    if (!parse_number(text, &seconds))
        return expected(name, text, "a number of seconds");
    options->traffic.duration_ms = (int64_t)(seconds * 1000);
    return true;
}

/* ---- rows ---- */

static bool take_share(const char *name, const char *text, double *share)
{
    char *end;
    double value = strtod(text, &end);
    if (end != text && strcmp(end, "%") == 0) {
        value /= 100;
        end++;
    }
    if (end == text || *end != '\0' || !(value >= 0) || value > 1)
        return expected(name, text, "a share, as 0.02 or 2%");
    *share = value;
    return true;
}

bool ld_option_take(struct ld_options *options, const struct ld_option *row, const char *text)
{
    void *field = (char *)options + row->offset;
    switch (row->argument) {
    case LD_OPTION_FLAG:
        *(bool *)field = true;
        return true;
    case LD_OPTION_TEXT:
        *(const char **)field = text;
        return true;
    case LD_OPTION_OWN_TEXT:
        ld_settings_put(field, text);
        return true;
    case LD_OPTION_COUNT:
        return parse_count(text, field) || expected(row->name, text, "a number of 0 or more");
    case LD_OPTION_NUMBER:
        return parse_number(text, field) || expected(row->name, text, "a number of 0 or more");
    case LD_OPTION_SHARE:
        return take_share(row->name, text, field);
    case LD_OPTION_DURATION:
        return ld_duration_parse(text, field) || expected(row->name, text, "a duration, as 250ms, 20s, 5m, 6h or 7d");
    case LD_OPTION_TIME:
        return ld_time_parse(text, ld_wall_ms(), field) ||
               expected(row->name, text, "a time, as 2026-11-22T10:00:00Z, epoch milliseconds, now or now-6h");
    case LD_OPTION_SPECIAL:
        return row->take(options, row->name, text);
    case LD_OPTION_TITLE:
        return false;
    }
    return false;
}

const struct ld_option *ld_option_find(const char *name, size_t length)
{
    for (size_t i = 0; i < LD_COUNT(rows); i++) {
        if (rows[i].argument != LD_OPTION_TITLE && strlen(rows[i].name) == length &&
            strncmp(rows[i].name, name, length) == 0)
            return &rows[i];
    }
    return NULL;
}

const struct ld_option *ld_option_row(size_t index)
{
    return index < LD_COUNT(rows) ? &rows[index] : NULL;
}
