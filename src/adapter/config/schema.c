#include "value.h"

#include <stddef.h>
#include <string.h>

/* ---- What texts may be ---- */

static bool made_of(const char *text, const char *also)
{
    for (; *text != '\0'; text++)
        if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || (*text >= '0' && *text <= '9') ||
              strchr(also, *text) != NULL))
            return false;
    return true;
}

static const char *check_instance(const char *text)
{
    return made_of(text, "_.-") ? NULL : "letters, digits, _ . and -";
}

static const char *check_topic(const char *text)
{
    if (!made_of(text, "._-") || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        return "a Kafka topic name: letters, digits, . _ and -";
    return NULL;
}

static const char *check_prefix(const char *text)
{
    return made_of(text, "_.:/-") ? NULL : "letters, digits, _ . : / and -";
}

static const char *check_url(const char *text)
{
    static const char *const schemes[] = {"redis://", "rediss://", "unix:///"};
    if (text[0] == '\0')
        return NULL;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (strncasecmp(text, schemes[i], strlen(schemes[i])) == 0)
            return NULL;
    return "redis://[user[:password]@]host[:port][/db], rediss:// for TLS, or unix:///path[?db=N]";
}

static const char *check_host(const char *text)
{
    return text[0] != '.' && made_of(text, ".-") ? NULL : "a host name without port, as delightd.example.com";
}

static const char *check_segment(const char *text)
{
    /* Fields of the event contract: a segment of that name could never be read. */
    static const char *const taken[] = {
        "type", "touchpoint", "id", "time", "stage", "journey", "customer", "op", "nps", "csat", "ces", "expectation", "kano",
        "outcome", "wait_ms", "handle_ms", "first_contact", "resolvable", "state", "satisfied", "duration_ms"};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (strcmp(text, taken[i]) == 0)
            return "a name that is not a field of every event (type, touchpoint, stage, nps, …)";
    return made_of(text, "_.-") ? NULL : "letters, digits, _ . and -";
}

static const char *check_role(const char *text)
{
    return strcmp(text, "ingest") == 0 || strcmp(text, "score") == 0 ? NULL : "ingest or score";
}

static const char *check_property(const char *key)
{
    static const char *const owned[] = {"isolation.level", "auto.offset.reset", "transactional.id", "group.protocol"};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        if (strcmp(key, owned[i]) == 0)
            return "delightd sets it itself, for exact counting depends on it; expected it to be left out";
    if (strncmp(key, "enable.auto.", strlen("enable.auto.")) == 0)
        return "delightd sets it itself, for exact counting depends on it; expected it to be left out";
    return key[0] != '\0' && made_of(key, "._-") ? NULL : "expected a property of librdkafka, as bootstrap.servers";
}

static const char *const level_words[] = {"error", "warning", "notice", "info", "debug", NULL};
static const char *const target_words[] = {"auto", "stderr", "journal", NULL};
static const char *const durability_words[] = {"memory", "kafka", NULL};
static const char *const clock_words[] = {"wall", "event", NULL};
static const char *const loss_words[] = {"stop", "continue", NULL};
static const char *const unknown_words[] = {"accept", "other", "deadletter", NULL};

/* ---- The rows ---- */

#define AT(member) .offset = offsetof(struct dl_config, member)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define MEASURES "[nps, csat, ces, delight, service_level, fcr]"

const struct dl_option dl_options[] = {
    {"instance", DL_OPTION_TEXT, AT(instance), 1, 128, .fallback_help = "the host's name", .check = check_instance,
     .help = "Name of this process, unique among all that share a Redis prefix. It names cx:instance:NAME and is the client.id."},

    {"kafka.topics", DL_OPTION_TEXTS, AT(kafka.topics), 1, 249, 1, 64, .fallback = "[cx.feedback]", .check = check_topic,
     .help = "Topics that events are read from, all partitions."},
    {"kafka.dead_letter_topic", DL_OPTION_TEXT, AT(kafka.dead_letter_topic), 0, 249, .fallback = "cx.deadletter", .check = check_topic,
     .help = "Topic that gets every record that is not an event, with the reason in its headers. \"\": none; they are counted and logged."},
    {"kafka.tallies_topic", DL_OPTION_TEXT, AT(kafka.tallies_topic), 1, 249, .fallback = "cx.tallies", .check = check_topic,
     .help = "Topic of counted batches, exactly one partition (durability kafka)."},
    {"kafka.state_topic", DL_OPTION_TEXT, AT(kafka.state_topic), 1, 249, .fallback = "cx.state", .check = check_topic,
     .help = "Compacted topic of checkpoints, exactly one partition (durability kafka)."},
    {"kafka.record_version", DL_OPTION_INTEGER, AT(kafka.record_version), 1, 2, .fallback = "2",
     .help = "Version of the records written to tallies_topic and state_topic; this delightd reads 1 and 2. To upgrade while running: "
             "new version with the old number everywhere, scorers first, then the new number."},
    {"kafka.properties", DL_OPTION_PROPERTIES, AT(kafka.properties), 0, 65536, 0, 256, .fallback = "{}", .flags = DL_OPTION_SECRET,
     .check = check_property,
     .help = "Passed to librdkafka as they are; bootstrap.servers is required to run. Refused, because delightd owns them: "
             "isolation.level, auto.offset.reset, enable.auto.*, transactional.id, group.protocol."},
    {"kafka.properties_files", DL_OPTION_PROPERTIES, AT(kafka.properties_files), 1, 4095, 0, 256, .fallback = "{}",
     .check = check_property,
     .help = "Properties whose value is read from a file at start, one line end cut off: for passwords, as "
             "sasl.password: ${CREDENTIALS_DIRECTORY}/kafka."},

    {"redis.url", DL_OPTION_TEXT, AT(redis.url), 0, 4095, .fallback = "\"\"", .fallback_help = "none; required to run",
     .flags = DL_OPTION_SECRET, .check = check_url,
     .help = "redis://[user@]host[:port][/db], rediss:// for TLS, or unix:///path[?db=N]. Keep the password out of it: password_file."},
    {"redis.prefix", DL_OPTION_TEXT, AT(redis.prefix), 1, 64, .fallback = "cx", .check = check_prefix,
     .help = "First part of every key. Two daemons on one Redis database need two prefixes."},
    {"redis.password_file", DL_OPTION_PATH, AT(redis.password_file), 0, 4095, .fallback = "\"\"", .fallback_help = "none",
     .help = "File with the password, read at every connect, so that it may change; as ${CREDENTIALS_DIRECTORY}/redis."},
    {"redis.tls.ca_file", DL_OPTION_PATH, AT(redis.tls_ca_file), 0, 4095, .fallback = "\"\"", .fallback_help = "the system's certificates",
     .help = "Certificates (PEM) that the server's must come from, with rediss://."},
    {"redis.tls.certificate_file", DL_OPTION_PATH, AT(redis.tls_certificate_file), 0, 4095, .fallback = "\"\"", .fallback_help = "none",
     .help = "Client certificate (PEM), together with key_file."},
    {"redis.tls.key_file", DL_OPTION_PATH, AT(redis.tls_key_file), 0, 4095, .fallback = "\"\"", .fallback_help = "none",
     .help = "Private key (PEM) of the client certificate."},
    {"redis.connect_timeout", DL_OPTION_DURATION, AT(redis.connect_timeout_ms), 100, MINUTE, .fallback = "2s",
     .help = "A connection not ready within this time is given up and tried again."},
    {"redis.reply_timeout", DL_OPTION_DURATION, AT(redis.reply_timeout_ms), 100, MINUTE, .fallback = "5s",
     .help = "A connection whose oldest command waits longer for its reply is dropped and opened again."},
    {"redis.buffer_bytes", DL_OPTION_BYTES, AT(redis.buffer_bytes), MIB, GIB, .fallback = "16MiB",
     .help = "Most that may be unsent or unanswered; beyond it changes wait, the newest value of each key."},

    {"http.listen", DL_OPTION_TEXT, AT(http.listen), 0, 113, .fallback = "\"127.0.0.1:9464\"",
     .help = "Where the live page, metrics, health and scores are served over HTTP: an IP address with a port, as 127.0.0.1:9464 or [::1]:9464, or "
             "unix:/run/delightd/http.sock, which the service's user and group may open. Port 0: any free one; the log tells. "
             "\"\": nothing is served."},
    {"http.hosts", DL_OPTION_TEXTS, AT(http.hosts), 1, 253, 0, 64, .fallback = "[]", .check = check_host,
     .help = "Names under which it may be asked, beside localhost and any IP address: requests with another Host header are refused, "
             "so that no web page can read it by way of a name of its own."},
    {"http.token_file", DL_OPTION_PATH, AT(http.token_file), 0, 4095, .fallback = "\"\"", .fallback_help = "none",
     .help = "File with a bearer token of 16 to 1024 characters that every request but /livez, /readyz and those of the page's own "
             "files, which hold no data, must have; as ${CREDENTIALS_DIRECTORY}/http. The page asks for it. SIGHUP reads the file again."},
    {"http.connections", DL_OPTION_INTEGER, AT(http.connections), 1, 10000, .fallback = "256",
     .help = "Most connections at a time; more wait. 32 KiB each; the answers that they have not read yet take 64 MiB and one answer "
             "in all, then 503 is answered but at /livez and /readyz."},
    {"http.streams", DL_OPTION_INTEGER, AT(http.streams), 0, 9999, .fallback = "128",
     .help = "Most of them that may be streams of changes (/api/stream); more are refused."},
    {"http.scores", DL_OPTION_MEASURES, AT(http.scores), .items_max = DL_FIELDS, .fallback = "[]", .flags = DL_OPTION_RELOADABLE,
     .help = "Scores that /metrics has of every subject and window. None by default: they are many series."},
    {"http.scores_max", DL_OPTION_INTEGER, AT(http.scores_max), 1, 1000000, .fallback = "10000", .flags = DL_OPTION_RELOADABLE,
     .help = "Most series of http.scores; what is over is left out, and delightd_scores_cut is 1: as when 50,000 windows of subjects "
             "have none of these scores."},

    {"durability", DL_OPTION_WORD, AT(durability), .words = durability_words, .fallback = "memory",
     .help = "memory: the topic is re-read at start; one process. kafka: counted batches and checkpoints are kept in Kafka, exactly once; any "
             "number of processes with one group.id."},
    {"roles", DL_OPTION_TEXTS, AT(roles), 1, 16, 1, 2, .fallback = "[ingest, score]", .check = check_role,
     .help = "What this process does (durability kafka): ingest counts events, score keeps the windows and writes Redis; of all that "
             "may score, one does and the others stand by."},
    {"checkpoint_interval", DL_OPTION_DURATION, AT(checkpoint_interval_ms), 100, 10 * MINUTE, .fallback = "5s", .flags = DL_OPTION_RELOADABLE,
     .help = "How often the windows are saved to kafka.state_topic (durability kafka). A scorer that takes over counts again what came since."},
    {"on_data_loss", DL_OPTION_WORD, AT(on_data_loss), .words = loss_words, .fallback = "stop", .flags = DL_OPTION_RELOADABLE,
     .help = "When records are gone before they were counted (durability kafka; retention, a topic truncated or made anew, unreadable "
             "records). stop: leave with an alarm. continue: alarm, count what is lost, go on. Memory mode always goes on."},
    {"clock", DL_OPTION_WORD, AT(clock), .words = clock_words, .fallback = "wall",
     .help = "What windows end at. wall: now. event: the newest event's time, for replays and tests."},
    {"windows", DL_OPTION_DURATIONS, AT(windows), MINUTE, 400 * DAY, 1, DL_WINDOWS_MAX, .fallback = "[5m, 1h, 24h, 7d, 30d]",
     .help = "Rolling windows, whole minutes each. Memory mode re-reads the longest at start."},
    {"segments", DL_OPTION_TEXTS, AT(segments), 1, 64, 0, DL_SEGMENTS_MAX, .fallback = "[]", .check = check_segment,
     .help = "Event fields whose every value gets its own scores, as channel or tier. Segments are never combined."},
    {"batch_interval", DL_OPTION_DURATION, AT(batch_interval_ms), 5, 10 * SECOND, .fallback = "100ms", .flags = DL_OPTION_RELOADABLE,
     .help = "How often counted events are handed to the windows. While more waits to be read than has been since, up to 1s where that "
             "is longer."},
    {"publish_interval", DL_OPTION_DURATION, AT(publish_interval_ms), 5, 5 * SECOND, .fallback = "250ms",
     .flags = DL_OPTION_RELOADABLE, .help = "How often changed scores are written to Redis."},
    {"shutdown_timeout", DL_OPTION_DURATION, AT(shutdown_timeout_ms), SECOND, 10 * MINUTE, .fallback = "10s",
     .help = "After SIGTERM: how long the last scores may take to reach Redis."},

    {"scales.csat_max", DL_OPTION_INTEGER, AT(scales.csat_max), 5, 10, .fallback = "5",
     .help = "Highest csat answer: 5, 7 or 10."},
    {"scales.csat_top", DL_OPTION_INTEGER, AT(scales.csat_top), 1, 10, .fallback_help = "4, 6 or 9 by csat_max",
     .flags = DL_OPTION_RELOADABLE, .help = "Lowest csat answer that counts as satisfied."},
    {"service_level.threshold", DL_OPTION_DURATION, AT(service_level.threshold_ms), 1, DAY, .fallback = "20s",
     .help = "A contact answered within this time is within the service level."},
    {"service_level.short_abandon", DL_OPTION_DURATION, AT(service_level.short_abandon_ms), 0, DAY, .fallback = "5s",
     .help = "A caller who hangs up within this time is a short abandon (formulas 5 and 6)."},
    {"service_level.formula", DL_OPTION_INTEGER, AT(service_level.formula), 1, 6, .fallback = "4", .flags = DL_OPTION_RELOADABLE,
     .help = "How abandoned contacts count. an, ab: answered, abandoned; T, S: within threshold, short_abandon. "
             "1 (anT+abT)/(an+ab), 2 anT/an, 3 anT/(an+ab), 4 anT/(an+ab-abT), 5 (anT+abS)/(an+ab), 6 anT/(an+ab-abS)."},
    {"privacy.min_n", DL_OPTION_INTEGER, AT(privacy.min_n), 0, 1000000, .fallback = "0", .flags = DL_OPTION_RELOADABLE,
     .help = "Survey scores of fewer answers show only how many there are. 0: off."},
    {"rank.measures", DL_OPTION_MEASURES, AT(rank.measures), .items_max = DL_FIELDS, .fallback = MEASURES, .flags = DL_OPTION_RELOADABLE,
     .help = "Scores by which subjects are ranked (cx:rank:MEASURE:KIND:WINDOW)."},
    {"rank.min_n", DL_OPTION_INTEGER, AT(rank.min_n), 1, 1000000000, .fallback = "30", .flags = DL_OPTION_RELOADABLE,
     .help = "Answers that a subject needs to be ranked."},
    {"trends.measures", DL_OPTION_MEASURES, AT(trends.measures), .items_max = DL_FIELDS, .fallback = MEASURES,
     .flags = DL_OPTION_RELOADABLE, .help = "Scores of every pane that the trend keys hold."},
    {"targets", DL_OPTION_TARGETS, AT(targets), 0, 365 * DAY, .fallback = "{}", .flags = DL_OPTION_RELOADABLE,
     .help = "Values that scores should reach, as {nps: 40, csat: 80, wait_p95_ms: 60s}, for every subject; what is in ms as a "
             "duration. The page at / and /api/meta show them; nothing is counted by them."},
    {"dedupe.records", DL_OPTION_INTEGER, AT(dedupe.records), 0, 100000000, .fallback = "0",
     .help = "An event whose op and id stood within so many previous records of its partition is dropped. 0: off. About 48 bytes each."},

    {"limits.event_bytes", DL_OPTION_BYTES, AT(limits.event_bytes), 1 * KIB, 16 * MIB, .fallback = "64KiB",
     .help = "Longer records are not events (too_large)."},
    {"limits.batch_bytes", DL_OPTION_BYTES, AT(limits.batch_bytes), MIB, 4 * GIB, .fallback = "16MiB",
     .help = "Most memory of one batch; at this size it is handed over early, and reading waits if need be."},
    {"limits.subjects", DL_OPTION_INTEGER, AT(limits.subjects), 1, 100000000, .fallback = "1000000",
     .help = "Most subjects with scores, all kinds and segments together. What is over counts in __other__."},
    {"limits.touchpoints", DL_OPTION_INTEGER, AT(limits.touchpoints), 1, 100000000, .fallback = "100000", .help = "Most touchpoints."},
    {"limits.stages", DL_OPTION_INTEGER, AT(limits.stages), 1, 100000000, .fallback = "1000", .help = "Most stages."},
    {"limits.journeys", DL_OPTION_INTEGER, AT(limits.journeys), 1, 100000000, .fallback = "1000", .help = "Most journeys."},
    {"limits.features", DL_OPTION_INTEGER, AT(limits.features), 1, 100000000, .fallback = "1000", .help = "Most features of Kano answers."},
    {"limits.segment_values", DL_OPTION_INTEGER, AT(limits.segment_values), 1, 100000000, .fallback = "1000",
     .help = "Most values of each segment."},

    {"catalogue.unknown_touchpoint", DL_OPTION_WORD, AT(catalogue.unknown_touchpoint), .words = unknown_words, .fallback = "accept",
     .help = "Events of a touchpoint that no journey lists: accept them, count them in __other__, or send them to the dead-letter topic."},
    {"catalogue.journeys", DL_OPTION_PLACES, AT(catalogue.places), 1, DL_NAME_BYTES_MAX, .fallback = "[]",
     .help = "Journeys, their stages in order, and their touchpoints: [{name: fly, stages: [{name: check-in, touchpoints: [desk, kiosk]}]}]. "
             "They fill in stage and journey of events that lack them."},

    {"log.level", DL_OPTION_WORD, AT(log.level), .words = level_words, .fallback = "info", .flags = DL_OPTION_RELOADABLE,
     .help = "Least level that is logged."},
    {"log.target", DL_OPTION_WORD, AT(log.target), .words = target_words, .fallback = "auto",
     .help = "stderr: logfmt lines. journal: journald with fields. auto: journald when systemd connects stderr to it, else stderr."},
};

const size_t dl_option_count = sizeof dl_options / sizeof dl_options[0];

size_t dl_option_find(const char *path, size_t bytes)
{
    size_t i = 0;
    while (i < dl_option_count && (strlen(dl_options[i].path) != bytes || memcmp(dl_options[i].path, path, bytes) != 0))
        i++;
    return i;
}

const char *dl_config_option_path(size_t index)
{
    return index < dl_option_count ? dl_options[index].path : NULL;
}

bool dl_property_secret(const char *key)
{
    static const char *const parts[] = {"password", "secret", "token", "key.pem", "keystore.key", "oauthbearer.config", "jaas"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strcasestr(key, parts[i]) != NULL)
            return true;
    return false;
}

bool dl_url_password(const char *url, size_t *begin, size_t *end)
{
    const char *user = strstr(url, "://"), *at = strrchr(url, '@');
    if (user == NULL || at == NULL || strncasecmp(url, "unix", 4) == 0)
        return false;
    const char *colon = strchr(user + 3, ':');
    /* A password may hold '@' and '/' by mistake; the last '@' hides it whole. */
    if (colon == NULL || colon > at)
        return false;
    *begin = (size_t)(colon + 1 - url);
    *end = (size_t)(at - url);
    return *end > *begin;
}

const struct dl_option_type_row *dl_option_type(const struct dl_option *option)
{
    static const struct dl_option_type_row *const types[DL_OPTION_TYPES] = {
        [DL_OPTION_TEXT] = &dl_type_text,           [DL_OPTION_PATH] = &dl_type_path,
        [DL_OPTION_INTEGER] = &dl_type_integer,     [DL_OPTION_BYTES] = &dl_type_bytes,
        [DL_OPTION_DURATION] = &dl_type_duration,   [DL_OPTION_WORD] = &dl_type_word,
        [DL_OPTION_TEXTS] = &dl_type_texts,         [DL_OPTION_DURATIONS] = &dl_type_durations,
        [DL_OPTION_MEASURES] = &dl_type_measures,   [DL_OPTION_PROPERTIES] = &dl_type_properties,
        [DL_OPTION_TARGETS] = &dl_type_targets,   [DL_OPTION_PLACES] = &dl_type_places,
    };
    return types[option->type];
}
