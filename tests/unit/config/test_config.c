#include "help.h"

#include <delight/time.h>

#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static void note_difference(void *context, const char *path, bool reloadable)
{
    char *list = context;
    sprintf(list + strlen(list), "%s%s ", path, reloadable ? "" : "!");
}

/* The paths that differ, those that need a restart with "!". */
static const char *differences(const struct dl_config *a, const struct dl_config *b)
{
    static char list[4096];
    list[0] = '\0';
    dl_config_compare(a, b, note_difference, list);
    return list;
}

static char *repository_file(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", REPOSITORY, name);
    return path;
}

/* ---- Values ---- */

START_TEST(defaults)
{
    struct dl_config *config = parse("", DL_OK);
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    ck_assert_str_eq(config->instance, host);
    ck_assert_uint_eq(config->kafka.topics.count, 1);
    ck_assert_str_eq(config->kafka.topics.item[0], "cx.feedback");
    ck_assert_str_eq(config->kafka.dead_letter_topic, "cx.deadletter");
    ck_assert_str_eq(config->kafka.tallies_topic, "cx.tallies");
    ck_assert_str_eq(config->kafka.state_topic, "cx.state");
    ck_assert_uint_eq(config->kafka.properties.count, 0);
    ck_assert_str_eq(config->redis.url, "");
    ck_assert_str_eq(config->redis.prefix, "cx");
    ck_assert_ptr_null(config->redis.password_file);
    ck_assert_int_eq(config->redis.connect_timeout_ms, 2000);
    ck_assert_int_eq(config->redis.reply_timeout_ms, 5000);
    ck_assert_int_eq(config->redis.buffer_bytes, 16 << 20);
    ck_assert_str_eq(config->http.listen, "127.0.0.1:9464");
    ck_assert_uint_eq(config->http.hosts.count, 0);
    ck_assert_ptr_null(config->http.token_file);
    ck_assert_int_eq(config->http.connections, 256);
    ck_assert_int_eq(config->http.streams, 128);
    ck_assert_uint_eq(config->http.scores.count, 0);
    ck_assert_int_eq(config->http.scores_max, 10000);
    ck_assert_int_eq(config->durability, DL_DURABILITY_MEMORY);
    ck_assert_int_eq(config->clock, DL_CLOCK_WALL);
    static const int64_t windows[] = {300000, 3600000, 86400000, 7 * INT64_C(86400000), 30 * INT64_C(86400000)};
    ck_assert_uint_eq(config->windows.count, 5);
    ck_assert_mem_eq(config->windows.item, windows, sizeof windows);
    ck_assert_uint_eq(config->segments.count, 0);
    ck_assert_int_eq(config->batch_interval_ms, 100);
    ck_assert_int_eq(config->publish_interval_ms, 250);
    ck_assert_int_eq(config->shutdown_timeout_ms, 10000);
    ck_assert_int_eq(config->scales.csat_max, 5);
    ck_assert_int_eq(config->scales.csat_top, 4);
    ck_assert_int_eq(config->service_level.threshold_ms, 20000);
    ck_assert_int_eq(config->service_level.short_abandon_ms, 5000);
    ck_assert_int_eq(config->service_level.formula, DL_SERVICE_LEVEL_4);
    ck_assert_int_eq(config->privacy.min_n, 0);
    static const int measures[] = {DL_FIELD_nps, DL_FIELD_csat, DL_FIELD_ces, DL_FIELD_delight, DL_FIELD_service_level, DL_FIELD_fcr};
    ck_assert_uint_eq(config->rank.measures.count, 6);
    ck_assert_mem_eq(config->rank.measures.item, measures, sizeof measures);
    ck_assert_mem_eq(config->trends.measures.item, measures, sizeof measures);
    ck_assert_int_eq(config->rank.min_n, 30);
    ck_assert_uint_eq(config->targets.count, 0);
    ck_assert_int_eq(config->dedupe.records, 0);
    ck_assert_int_eq(config->limits.event_bytes, 65536);
    ck_assert_int_eq(config->limits.batch_bytes, 16 << 20);
    ck_assert_int_eq(config->limits.subjects, 1000000);
    ck_assert_int_eq(config->limits.touchpoints, 100000);
    ck_assert_int_eq(config->limits.stages, 1000);
    ck_assert_int_eq(config->limits.segment_values, 1000);
    ck_assert_int_eq(config->catalogue.unknown_touchpoint, DL_UNKNOWN_ACCEPT);
    ck_assert_uint_eq(config->catalogue.places.count, 0);
    ck_assert_int_eq(config->log.level, DL_NOTE_INFO);
    ck_assert_int_eq(config->log.target, DL_CONFIG_LOG_AUTO);
    ck_assert_uint_eq(errors.warnings, 0);
    dl_config_destroy(config);
}
END_TEST

/* The block of DESIGN 7, as it stands there. */
static const char design[] =
    "instance: branch-1            # default: host name; unique per process\n"
    "kafka:\n"
    "  topics: [cx.feedback]\n"
    "  dead_letter_topic: cx.deadletter\n"
    "  tallies_topic: cx.tallies\n"
    "  state_topic: cx.state\n"
    "  properties: {bootstrap.servers: \"127.0.0.1:9092\", group.id: delightd}\n"
    "redis: {url: \"redis://127.0.0.1:6379/0\", prefix: cx, password_file: /run/credentials/...}\n"
    "durability: memory            # or kafka\n"
    "clock: wall                   # or event\n"
    "windows: [5m, 1h, 24h, 7d, 30d]\n"
    "segments: [channel, tier]\n"
    "batch_interval: 100ms\n"
    "publish_interval: 250ms\n"
    "scales: {csat_max: 5, csat_top: 4}\n"
    "service_level: {threshold: 20s, short_abandon: 5s, formula: 4}\n"
    "privacy: {min_n: 0}\n"
    "rank: {min_n: 30}\n"
    "dedupe: {records: 0}\n"
    "limits: {event_bytes: 65536, subjects: 1000000, touchpoints: 100000, stages: 1000, journeys: 1000, features: 1000, segment_values: 1000}\n"
    "catalogue: {unknown_touchpoint: accept, journeys: [{name: fly, stages: [{name: check-in, touchpoints: [desk, kiosk]}]}]}\n";

START_TEST(design_block)
{
    struct dl_config *config = parse(design, DL_OK);
    ck_assert_str_eq(config->instance, "branch-1");
    ck_assert_uint_eq(config->kafka.properties.count, 2);
    ck_assert_str_eq(config->kafka.properties.item[0].key, "bootstrap.servers");
    ck_assert_str_eq(config->kafka.properties.item[0].value, "127.0.0.1:9092");
    ck_assert_str_eq(config->redis.url, "redis://127.0.0.1:6379/0");
    ck_assert_str_eq(config->redis.password_file, "/run/credentials/...");
    ck_assert_uint_eq(config->segments.count, 2);
    ck_assert_str_eq(config->segments.item[1], "tier");
    ck_assert_uint_eq(config->catalogue.places.count, 2);
    ck_assert_str_eq(config->catalogue.places.item[1].journey, "fly");
    ck_assert_str_eq(config->catalogue.places.item[1].stage, "check-in");
    ck_assert_str_eq(config->catalogue.places.item[1].touchpoint, "kiosk");
    dl_config_destroy(config);
}
END_TEST

START_TEST(environment)
{
    setenv("DL_TEST_SET", "a", 1);
    setenv("DL_TEST_EMPTY", "", 1);
    unsetenv("DL_TEST_UNSET");
    static const struct {
        const char *written, *read;
    } rows[] = {
        {"${DL_TEST_SET}", "a"},
        {"x${DL_TEST_SET}y${DL_TEST_SET}", "xaya"},
        {"${DL_TEST_UNSET:-b}", "b"},
        {"${DL_TEST_EMPTY:-b}c", "bc"},
        {"z${DL_TEST_EMPTY}", "z"},
        {"z${DL_TEST_UNSET:-}", "z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "instance: %s\n", rows[i].written);
        struct dl_config *config = parse(text, DL_OK);
        ck_assert_str_eq(config->instance, rows[i].read);
        dl_config_destroy(config);
    }
    struct dl_config *config = parse("redis: {url: 'redis://u:$$x$y$@h'}\n", DL_OK);
    ck_assert_str_eq(config->redis.url, "redis://u:$x$y$@h");
    dl_config_destroy(config);
    /* Numbers and list items too. */
    setenv("DL_TEST_SET", "7", 1);
    config = parse("scales: {csat_max: \"${DL_TEST_SET}\"}\nwindows: [\"${DL_TEST_SET}m\"]\n", DL_OK);
    ck_assert_int_eq(config->scales.csat_max, 7);
    ck_assert_int_eq(config->scales.csat_top, 6); /* by csat_max */
    ck_assert_int_eq(config->windows.item[0], 420000);
    dl_config_destroy(config);
    setenv("DL_TEST_SET", "\xff", 1);
    parse("instance: ${DL_TEST_SET}\n", DL_INVALID);
    ck_assert_ptr_nonnull(strstr(errors.item[0].text, "not UTF-8"));
    ck_assert_uint_eq(errors.errors, 1);
}
END_TEST

START_TEST(empty_values)
{
    struct dl_config *config = parse("kafka:\nredis: ~\nwindows:\ninstance: null\nlog:\n  level:\n", DL_OK);
    ck_assert_uint_eq(config->windows.count, 5);
    ck_assert_int_eq(config->log.level, DL_NOTE_INFO);
    dl_config_destroy(config);
    dl_config_destroy(parse("# only a comment\n", DL_OK));
    dl_config_destroy(parse("\xef\xbb\xbfinstance: a\r\n", DL_OK));
    config = parse("kafka: {dead_letter_topic: \"\"}\n", DL_OK);
    ck_assert_str_eq(config->kafka.dead_letter_topic, "");
    dl_config_destroy(config);
}
END_TEST

/* ---- Every row ---- */

/* A number as the row's type writes it. */
static void number_text(char *out, size_t size, const struct dl_option *option, int64_t number)
{
    if (option->type == DL_OPTION_DURATION)
        snprintf(out, size, "%" PRId64 "ms", number);
    else
        snprintf(out, size, "%" PRId64, number);
}

/* The row's own range: both ends belong to it, their neighbours do not. What a
 * combination forbids is another matter. */
static bool in_range(const struct dl_option *option, int64_t number)
{
    char argument[256], text[64], path[128];
    number_text(text, sizeof text, option, number);
    snprintf(argument, sizeof argument, "%s=%s", option->path, text);
    snprintf(path, sizeof path, "%s: expected ", option->path);
    const char *sets[] = {argument};
    struct dl_config *config = NULL;
    errors = (struct dl_config_errors){0};
    enum dl_status status = dl_config_load(&config, NULL, sets, 1, &errors);
    dl_config_destroy(config);
    return status == DL_OK || strstr(errors.item[0].text, " got \"") == NULL;
}

START_TEST(boundaries)
{
    const struct dl_option *option = &dl_options[_i];
    if (option->type == DL_OPTION_INTEGER || option->type == DL_OPTION_BYTES || option->type == DL_OPTION_DURATION) {
        ck_assert_msg(in_range(option, option->min), "%s: its least", option->path);
        ck_assert_msg(in_range(option, option->max), "%s: its most", option->path);
        ck_assert_msg(!in_range(option, option->min - 1), "%s: below its least", option->path);
        ck_assert_msg(!in_range(option, option->max + 1), "%s: above its most", option->path);
    }
    if (option->type == DL_OPTION_WORD) {
        for (int i = 0; option->words[i] != NULL; i++) {
            char argument[128];
            snprintf(argument, sizeof argument, "%s=%s", option->path, option->words[i]);
            const char *sets[] = {argument, "catalogue.journeys=[{name: j, stages: [{name: s, touchpoints: [t]}]}]"};
            struct dl_config *config = parse_sets(sets, 2, DL_OK);
            ck_assert(*(int *)((char *)config + option->offset) == i);
            dl_config_destroy(config);
        }
    }
    if (option->type == DL_OPTION_TEXT && option->min > 0) {
        char argument[4400];
        size_t used = (size_t)snprintf(argument, sizeof argument, "%s=", option->path);
        memset(argument + used, 'a', (size_t)option->max + 1);
        argument[used + (size_t)option->max + 1] = '\0';
        const char *sets[] = {argument};
        parse_sets(sets, 1, DL_INVALID);
        argument[used + (size_t)option->max] = '\0';
        dl_config_destroy(parse_sets(sets, 1, DL_OK));
        argument[used] = '\0';
        parse_sets(sets, 1, DL_INVALID);
    }
    ck_assert_msg(option->help != NULL && option->help[strlen(option->help) - 1] == '.', "%s: help is sentences", option->path);
    ck_assert_msg(option->fallback != NULL || option->fallback_help != NULL, "%s: a default, or what it is", option->path);
    ck_assert_str_eq(dl_config_option_path((size_t)_i), option->path);
    for (size_t i = 0; i < (size_t)_i; i++)
        ck_assert_str_ne(dl_options[i].path, option->path);
}
END_TEST

/* ---- --set ---- */

START_TEST(sets)
{
    const char *good[] = {
        "windows=[5m,1h]", "segments=[]", "redis.url=redis://h:1/2#a b: c", "kafka.properties.bootstrap.servers=a:1,b:2",
        "kafka.properties={group.id: g}", "scales={csat_max: 10}", "kafka.dead_letter_topic=", "rank.min_n=5", "rank.min_n=6",
        "catalogue.journeys=[{name: j, stages: [{name: s}]}]", "kafka.properties.bootstrap.servers=c:3", "redis.password_file=",
        "targets={nps: 40}",
    };
    struct dl_config *config = parse_sets(good, sizeof good / sizeof good[0], DL_OK);
    ck_assert_uint_eq(config->windows.count, 2);
    ck_assert_str_eq(config->redis.url, "redis://h:1/2#a b: c");
    ck_assert_uint_eq(config->kafka.properties.count, 2); /* keys add up, the last value of each counts */
    ck_assert_str_eq(config->kafka.properties.item[0].value, "c:3");
    ck_assert_str_eq(config->kafka.properties.item[1].value, "g");
    ck_assert_int_eq(config->scales.csat_top, 9);
    ck_assert_str_eq(config->kafka.dead_letter_topic, "");
    ck_assert_int_eq(config->rank.min_n, 6);
    ck_assert_ptr_null(config->catalogue.places.item[0].touchpoint);
    ck_assert_ptr_null(config->redis.password_file);
    dl_config_destroy(config);

    static const struct {
        const char *set, *message;
    } rows[] = {
        {"windows", "--set: error: expected OPTION=VALUE, as windows=[5m,1h], got \"windows\"\n"},
        {"=3", "--set: error: expected OPTION=VALUE"},
        {"clock=x", "--set clock=x: error: clock: expected wall or event, got \"x\"\n"},
        {"clock=", "--set clock=: error: clock: expected wall or event, got \"\"\n"},
        {"windows=5m,1h", "--set windows=5m,1h: error: windows: expected a list, as [5m, 1h, 24h, 7d, 30d], got \"5m,1h\"\n"},
        {"windows=[5m", "--set windows=[5m: error: expected a comma or ]"},
        {"kafka=x", "--set kafka=…: error: kafka: expected keys with their values, got a single value\n"},
        {"scales.csat_max=6", "--set scales.csat_max=6: error: scales.csat_max: expected 5, 7 or 10, got 6\n"},
        {"redis.prefx=a", "--set redis.prefx=…: error: unknown key \"prefx\" in redis; did you mean prefix?\n"},
        {"batch_intervall=1s", "--set batch_intervall=…: error: unknown key \"batch_intervall\"; did you mean batch_interval?\n"},
        {"a.b.c.d=1", "--set a.b.c.d=…: error: unknown key \"a.b.c.d\"\n"},
        {"instance=${DL_TEST_UNSET}", "--set instance=${DL_TEST_UNSET}: error: the environment variable DL_TEST_UNSET is not set"},
        {"kafka.properties.group.protocol=x", "--set kafka.properties.group.protocol=…: error: kafka.properties: \"group.protocol\": delightd sets it"},
        {"kafka.properties.sasl.password=geheim", "--set kafka.properties.sasl.password=…: error: kafka.properties: expected no secret on the command line"},
        {"kafka.properties={sasl.password: geheim}", "--set kafka.properties=…: error: kafka.properties: expected no secret on the command line"},
        {"redis={url: \"redis://:geheim@h\"}", "--set redis=…: error: redis.url: expected no password on the command line"},
        {"redis.url=redis://u:geheim@h", "--set redis.url=…: error: redis.url: expected no password on the command line"},
    };
    unsetenv("DL_TEST_UNSET");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *set[] = {rows[i].set};
        parse_sets(set, 1, DL_INVALID);
        char *said = text_of(print_errors, &errors);
        ck_assert_msg(strncmp(said, rows[i].message, strlen(rows[i].message)) == 0, "said: %s not: %s", said, rows[i].message);
        ck_assert_ptr_null(strstr(said, "geheim"));
        ck_assert_uint_eq(errors.errors, 1);
        free(said);
    }
}
END_TEST

/* ---- Print ---- */

/* Every kind of value, and names that YAML would read as something else. */
static const char printed[] =
    "instance: n\n"
    "kafka:\n"
    "  topics: [a, b-1]\n"
    "  dead_letter_topic: \"\"\n"
    "  properties: {bootstrap.servers: \"h:1,[::1]:2\", client.rack: \"null\", x: \"$${A} # \\\"\\\\\", y: \"a\\nb\\tc\\u0085\\u2028é😀\"}\n"
    "  properties_files: {sasl.password: /run/p w}\n"
    "redis: {url: 'unix:///a?db=3', tls: {ca_file: \"/a:b c\"}, connect_timeout: 1m, buffer_bytes: 1048577}\n"
    "clock: event\nwindows: [48h, 90m, 1m]\nsegments: [\"-a\", null-b, \"~\", \"null\", \"1.5\", a.b]\n"
    "scales: {csat_max: 10}\nservice_level: {threshold: 1ms, short_abandon: 0s}\nrank: {measures: [fcr, nps]}\ntrends: {measures: []}\n"
    "targets: {nps: -12.5, csat: 80.1, wait_p95_ms: 90s, kano_worse: -0.3333, csat_mean: 10, complaint_rate: 1000000, ces: -0, expectation_mean: -0.0000000001}\n"
    "catalogue:\n  unknown_touchpoint: other\n  journeys:\n"
    "    - {name: \"a: b\", stages: [{name: \"- x\", touchpoints: [\"~\", \"\\u0001\", \"#\", \" lead\", \"{\", \"*a\", \"$$\", \"|\", \"k: \"]}, {name: s}]}\n"
    "    - {name: b, stages: [{name: s, touchpoints: [t]}, {name: \"- x\"}]}\n"
    "log: {level: debug, target: journal}\n";

START_TEST(print_loads_back)
{
    /* "~" cannot be a segment; the others can. */
    char text[sizeof printed];
    strcpy(text, printed);
    char *tilde = strstr(text, "\"~\", \"null\"");
    memcpy(tilde, "\"c\"", 3);
    struct dl_config *config = parse(text, DL_OK);
    ck_assert_str_eq(config->kafka.properties.item[2].value, "${A} # \"\\");
    char *once = text_of(print_config, config);
    struct dl_config *again = parse(once, DL_OK);
    ck_assert_msg(differences(config, again)[0] == '\0', "%s\ndiffers: %s", once, differences(config, again));
    char *twice = text_of(print_config, again);
    ck_assert_str_eq(once, twice);
    ck_assert_ptr_nonnull(strstr(once, "csat: 80.1\n")); /* as it was written */
    ck_assert_ptr_nonnull(strstr(once, "ces: 0\n"));
    ck_assert_ptr_nonnull(strstr(once, "expectation_mean: 0\n"));
    free(once);
    free(twice);
    dl_config_destroy(again);
    dl_config_destroy(config);

    config = parse("", DL_OK);
    once = text_of(print_config, config);
    again = parse(once, DL_OK);
    ck_assert_str_eq(differences(config, again), "");
    for (size_t i = 0; i < dl_option_count; i++) {
        const char *last = strrchr(dl_options[i].path, '.');
        ck_assert_ptr_nonnull(strstr(once, last != NULL ? last + 1 : dl_options[i].path));
    }
    free(once);
    dl_config_destroy(again);
    dl_config_destroy(config);
}
END_TEST

START_TEST(secrets_hidden)
{
    struct dl_config *config =
        parse("kafka: {properties: {sasl.password: geheim, ssl.key.password: geheim, sasl.oauthbearer.client.secret: geheim,"
              " ssl.key.pem: geheim, sasl.username: shown, SSL.Keystore.Password: geheim}}\n"
              "redis: {url: \"redis://user:ge@heim/geheim@h:1/2\"}\n",
              DL_OK);
    char *text = text_of(print_config, config);
    ck_assert_ptr_null(strstr(text, "geheim"));
    ck_assert_ptr_null(strstr(text, "heim/"));
    ck_assert_ptr_nonnull(strstr(text, "sasl.password: \"***\""));
    ck_assert_ptr_nonnull(strstr(text, "sasl.username: shown"));
    ck_assert_ptr_nonnull(strstr(text, "redis://user:***@h:1/2"));
    dl_config_destroy(parse(text, DL_OK));
    free(text);
    dl_config_destroy(config);
    parse("redis: {url: \"rdis://user:geheim@h\"}\nkafka: {properties: {\"sasl.password\": [geheim]}}\n", DL_INVALID);
    text = text_of(print_errors, &errors);
    ck_assert_uint_eq(errors.errors, 2);
    ck_assert_ptr_null(strstr(text, "geheim"));
    free(text);
}
END_TEST

/* ---- Two configurations ---- */

START_TEST(reload)
{
    struct dl_config *running = parse(design, DL_OK);
    struct dl_config *fresh = parse("log: {level: debug, target: stderr}\nwindows: [1h]\nsegments: [channel, tier]\nbatch_interval: 20ms\n"
                                    "publish_interval: 1s\nscales: {csat_top: 5}\nservice_level: {formula: 2, threshold: 10s}\nprivacy: {min_n: 5}\n"
                                    "rank: {measures: [nps], min_n: 3}\ntrends: {measures: [fcr]}\ntargets: {aht_ms: 5m, ces: 80}\ninstance: branch-1\n"
                                    "kafka: {properties: {bootstrap.servers: \"127.0.0.1:9092\", group.id: delightd}}\n"
                                    "redis: {url: \"redis://127.0.0.1:6379/0\", password_file: /run/credentials/...}\n",
                                    DL_OK);
    ck_assert_str_eq(differences(running, fresh),
                     "windows! batch_interval publish_interval scales.csat_top service_level.threshold! service_level.formula "
                     "privacy.min_n rank.measures rank.min_n trends.measures targets catalogue.journeys! log.level log.target! ");
    dl_config_take_over(running, fresh);
    ck_assert_str_eq(differences(running, fresh),
                     "windows! batch_interval publish_interval scales.csat_top service_level.threshold! service_level.formula "
                     "privacy.min_n rank.measures rank.min_n trends.measures targets catalogue.journeys! log.level log.target! ");
    ck_assert_int_eq(running->log.level, DL_NOTE_DEBUG);
    ck_assert_int_eq(running->scales.csat_top, 5);
    ck_assert_uint_eq(running->targets.count, 2);
    ck_assert_int_eq(running->targets.item[0].field, DL_FIELD_aht_ms);
    ck_assert(running->targets.item[0].value == 300000 && running->targets.item[1].value == 80);
    ck_assert_uint_eq(running->rank.measures.count, 1);
    ck_assert_int_eq(running->rank.measures.item[0], DL_FIELD_nps);
    ck_assert_uint_eq(running->windows.count, 5); /* stays until a restart */
    ck_assert_int_eq(running->service_level.threshold_ms, 20000);
    dl_config_destroy(fresh);

    /* The top answers of another scale mean nothing on this one. */
    fresh = parse("scales: {csat_max: 10}\n", DL_OK);
    ck_assert_ptr_nonnull(strstr(differences(running, fresh), "scales.csat_max! scales.csat_top! "));
    dl_config_take_over(running, fresh);
    ck_assert_int_eq(running->scales.csat_top, 5);
    ck_assert_int_eq(fresh->scales.csat_top, 9);
    dl_config_destroy(fresh);
    dl_config_destroy(running);
}
END_TEST

/* ---- Files ---- */

static char *temporary_file(const char *text, size_t bytes)
{
    static char path[64];
    strcpy(path, "/tmp/test_config.XXXXXX");
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(write(file, text, bytes), (ssize_t)bytes);
    close(file);
    return path;
}

START_TEST(files)
{
    struct dl_config *config = NULL;
    errors = (struct dl_config_errors){0};
    ck_assert_int_eq(dl_config_load(&config, "/nonexistent/f", NULL, 0, &errors), DL_IO);
    ck_assert_str_eq(errors.item[0].text, "the file cannot be read: No such file or directory");
    ck_assert_int_eq(dl_config_load(&config, "/tmp", NULL, 0, &errors), DL_IO);
    ck_assert_str_eq(errors.item[1].text, "the file cannot be read: it is a directory");

    static char large[1024 * 1024 + 1];
    memset(large, '\n', sizeof large);
    char *path = temporary_file(large, sizeof large);
    ck_assert_int_eq(dl_config_load(&config, path, NULL, 0, &errors), DL_INVALID);
    ck_assert_str_eq(errors.item[2].text, "the file cannot be read: it is too large, over 1 MiB; expected a configuration");
    unlink(path);
    path = temporary_file(large, sizeof large - 1);
    ck_assert_int_eq(dl_config_load(&config, path, NULL, 0, &errors), DL_OK);
    dl_config_destroy(config);
    unlink(path);
    path = temporary_file("a\0b", 3);
    errors = (struct dl_config_errors){0};
    ck_assert_int_eq(dl_config_load(&config, path, NULL, 0, &errors), DL_INVALID);
    ck_assert_str_eq(errors.item[0].text, "the control character U+0000 is not allowed; is this a text file?");
    ck_assert_str_eq(errors.item[0].source, path);
    unlink(path);
}
END_TEST

/* A reload waits for nobody; who starts a command with a pipe wants what is in it. */
START_TEST(files_that_are_none)
{
    struct dl_config *config = NULL;
    errors = (struct dl_config_errors){0};
    char path[64], shown[32];
    strcpy(path, temporary_file("", 0));
    ck_assert_int_eq(dl_config_reload(&config, path, NULL, 0, &errors), DL_OK);
    dl_config_destroy(config);
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0); /* nobody writes it */
    const char *const paths[] = {path, "/dev/zero", "/dev/null"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        ck_assert_int_eq(dl_config_reload(&config, paths[i], NULL, 0, &errors), DL_IO);
        ck_assert_str_eq(errors.item[i].text, "the file cannot be read: it is not a regular file");
    }
    ck_assert_int_eq(dl_config_reload(&config, "/tmp", NULL, 0, &errors), DL_IO);
    ck_assert_str_eq(errors.item[3].text, "the file cannot be read: it is a directory");

    char text[256];
    snprintf(text, sizeof text, "kafka: {properties_files: {sasl.password: %s}}", path);
    config = parse(text, DL_OK);
    ck_assert_int_eq(dl_config_require_service(config, &errors), DL_INVALID);
    ck_assert_ptr_nonnull(strstr(errors.item[0].text, "cannot be read: it is not a regular file"));
    dl_config_destroy(config);
    unlink(path);

    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], "clock: event", 12), 12);
    close(ends[1]);
    snprintf(shown, sizeof shown, "/dev/fd/%d", ends[0]);
    errors = (struct dl_config_errors){0};
    ck_assert_int_eq(dl_config_reload(&config, shown, NULL, 0, &errors), DL_IO);
    ck_assert_int_eq(dl_config_load(&config, shown, NULL, 0, &errors), DL_OK);
    ck_assert_int_eq(config->clock, DL_CLOCK_EVENT);
    dl_config_destroy(config);
    close(ends[0]);
}
END_TEST

START_TEST(service)
{
    struct dl_config *config = parse("", DL_OK);
    ck_assert_int_eq(dl_config_require_service(config, &errors), DL_INVALID);
    ck_assert_uint_eq(errors.errors, 2);
    ck_assert_ptr_nonnull(strstr(errors.item[0].text, "bootstrap.servers is missing"));
    ck_assert_ptr_nonnull(strstr(errors.item[1].text, "redis.url is missing"));
    dl_config_destroy(config);

    char text[1024];
    char *path = temporary_file("geheim\r\n", 8);
    snprintf(text, sizeof text,
             "kafka: {properties: {bootstrap.servers: h}, properties_files: {sasl.password: %s}}\nredis: {url: \"redis://h\", password_file: %s}\n",
             path, path);
    config = parse(text, DL_OK);
    ck_assert_int_eq(dl_config_require_service(config, &errors), DL_OK);
    ck_assert_uint_eq(config->kafka.effective.count, 2);
    ck_assert_str_eq(config->kafka.effective.item[1].key, "sasl.password");
    ck_assert_str_eq(config->kafka.effective.item[1].value, "geheim"); /* without its line's end */
    char *shown = text_of(print_config, config);
    ck_assert_ptr_null(strstr(shown, "geheim"));
    free(shown);
    dl_config_destroy(config);
    unlink(path);

    config = parse(text, DL_OK);
    ck_assert_int_eq(dl_config_require_service(config, &errors), DL_INVALID);
    ck_assert_uint_eq(errors.errors, 2);
    ck_assert_int_eq(errors.item[0].line, 1);
    ck_assert_int_eq(errors.item[0].column, 45);
    ck_assert_ptr_nonnull(strstr(errors.item[0].text, "kafka.properties_files: sasl.password: the file"));
    ck_assert_int_eq(errors.item[1].line, 2);
    ck_assert_ptr_nonnull(strstr(errors.item[1].text, "No such file or directory"));
    dl_config_destroy(config);
}
END_TEST

START_TEST(error_of_others)
{
    struct dl_config *config = parse("clock: wall\nredis:\n  url: redis://h:99999\n", DL_OK);
    dl_config_add_error(config, &errors, "redis.url", "a port is 1 to 65535");
    dl_config_add_error(config, &errors, "redis.prefix", "taken");
    char *said = text_of(print_errors, &errors);
    ck_assert_str_eq(said, "f:3:3: error: redis.url: a port is 1 to 65535\nf: error: redis.prefix: taken\n");
    free(said);
    dl_config_destroy(config);
}
END_TEST

/* The shipped file: without error, every option in it, and at its default but for three. */
START_TEST(example)
{
    struct dl_config *config = NULL, *plain = parse("", DL_OK);
    ck_assert_int_eq(dl_config_load(&config, repository_file("config/delightd.yaml"), NULL, 0, &errors), DL_OK);
    ck_assert_uint_eq(errors.count, 0);
    ck_assert_str_eq(differences(plain, config), "kafka.properties! redis.url! segments! ");
    ck_assert_int_eq(dl_config_require_service(config, &errors), DL_OK);
    for (size_t i = 0; i < dl_option_count; i++)
        ck_assert_msg(config->origins->origin[i].set || strcmp(dl_options[i].path, "instance") == 0, "%s is not in config/delightd.yaml",
                      dl_options[i].path);
    dl_config_destroy(config);
    dl_config_destroy(plain);
}
END_TEST

static void print_help(const void *unused, FILE *out)
{
    (void)unused;
    dl_config_print_help(out);
}

static void print_markdown(const void *unused, FILE *out)
{
    (void)unused;
    dl_config_print_markdown(out);
}

static void print_man(const void *unused, FILE *out)
{
    (void)unused;
    dl_config_print_man(out);
}

START_TEST(documentation)
{
    char *help = text_of(print_help, NULL), *markdown = text_of(print_markdown, NULL), *man = text_of(print_man, NULL);
    for (size_t i = 0; i < dl_option_count; i++) {
        char line[256];
        snprintf(line, sizeof line, "  %s: ", dl_options[i].path);
        ck_assert_ptr_nonnull(strstr(help, line));
        snprintf(line, sizeof line, "| `%s` | ", dl_options[i].path);
        ck_assert_ptr_nonnull(strstr(markdown, line));
        snprintf(line, sizeof line, ".TP\n.B %s\n", dl_options[i].path);
        ck_assert_ptr_nonnull(strstr(man, line));
    }
    ck_assert_ptr_nonnull(strstr(help, "  publish_interval: duration (5ms to 5s); default 250ms; reloadable\n"));
    for (char *line = strtok(help, "\n"); line != NULL; line = strtok(NULL, "\n"))
        ck_assert_msg(line[2] != ' ' || strlen(line) < 140, "%s", line);
    free(help);
    free(markdown);
    free(man);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *values = tcase_create("values");
    tcase_add_test(values, defaults);
    tcase_add_test(values, design_block);
    tcase_add_test(values, environment);
    tcase_add_test(values, empty_values);
    tcase_add_test(values, sets);
    tcase_add_test(values, files);
    tcase_add_test(values, files_that_are_none);
    tcase_add_test(values, service);
    tcase_add_test(values, error_of_others);
    TCase *rows = tcase_create("rows");
    tcase_add_loop_test(rows, boundaries, 0, (int)dl_option_count);
    tcase_add_test(rows, example);
    tcase_add_test(rows, documentation);
    TCase *print = tcase_create("print");
    tcase_add_test(print, print_loads_back);
    tcase_add_test(print, secrets_hidden);
    tcase_add_test(print, reload);
    suite_add_tcase(suite, values);
    suite_add_tcase(suite, rows);
    suite_add_tcase(suite, print);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
