#include "run_suite.h"

#include "config.h"
#include "options.h"
#include "score.h"
#include "util.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/delight-load-test-XXXXXX";

static void write_config(const char *text)
{
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq((int)write(file, text, strlen(text)), (int)strlen(text));
    close(file);
}

START_TEST(reads_what_the_daemon_reads)
{
    struct ld_settings settings;
    ld_settings_init(&settings);
    setenv("LD_TEST_PREFIX", "shop", 1);
    write_config("kafka:\n  topics: [a.topic, b.topic]\n  dead_letter_topic: dead\n"
                 "  properties: {bootstrap.servers: \"h:1\", group.id: g, sasl.username: me}\n"
                 "redis: {url: \"redis://r:2/3\", prefix: \"${LD_TEST_PREFIX}-cx\"}\n"
                 "clock: event\nwindows: [60m, 1d, 48h, 5m]\nsegments: [channel, tier]\n"
                 "scales: {csat_max: 7}\nservice_level: {threshold: 30s, short_abandon: 3s, formula: 6}\n"
                 "privacy: {min_n: 5}\nrank: {min_n: 9, measures: [nps, fcr_net]}\ntrends: {measures: [csat]}\n"
                 "dedupe: {records: 100}\nlimits: {event_bytes: 48KiB}\nunknown: {key: [is, passed, over]}\n"
                 "catalogue: {unknown_touchpoint: other, journeys: [{name: fly, stages: [{name: check-in, touchpoints: "
                 "[desk, kiosk]}, {name: gate}]}]}\n");
    ck_assert(ld_config_read(path, &settings));
    unlink(path);
    ck_assert_str_eq(settings.topic, "a.topic");
    ck_assert_str_eq(settings.dead_letter_topic, "dead");
    ck_assert_str_eq(settings.brokers, "h:1");
    ck_assert_uint_eq(settings.property_count, 1); /* group.id is not for a producer */
    ck_assert_str_eq(settings.properties[0].name, "sasl.username");
    ck_assert_str_eq(settings.redis_url, "redis://r:2/3");
    ck_assert_str_eq(settings.prefix, "shop-cx");
    ck_assert_int_eq(settings.clock, LD_CLOCK_EVENT);
    ck_assert_uint_eq(settings.window_count, 4);
    ck_assert_str_eq(settings.windows[0].name, "1h");
    ck_assert_str_eq(settings.windows[1].name, "24h");
    ck_assert_str_eq(settings.windows[2].name, "2d");
    ck_assert_str_eq(settings.windows[3].name, "5m");
    ck_assert_int_eq(settings.csat_max, 7);
    ck_assert_int_eq(settings.csat_top, 6);
    ck_assert_int_eq(settings.threshold_ms, 30000);
    ck_assert_int_eq(settings.short_abandon_ms, 3000);
    ck_assert_int_eq(settings.service_level_formula, 6);
    ck_assert_int_eq(settings.privacy_min_n, 5);
    ck_assert_int_eq(settings.rank_min_n, 9);
    ck_assert_uint_eq(settings.rank_measure_count, 2);
    ck_assert_uint_eq(settings.trend_measure_count, 1);
    ck_assert_int_eq(settings.trend_measures[0], ld_measure_find("csat"));
    ck_assert_int_eq(settings.dedupe_records, 100);
    ck_assert_int_eq(settings.event_bytes_max, 48 * 1024);
    ck_assert_int_eq(settings.unknown_touchpoint, LD_UNKNOWN_OTHER);
    ck_assert_uint_eq(settings.place_count, 2);
    ck_assert_str_eq(settings.places[1].touchpoint, "kiosk");
    ld_settings_deinit(&settings);
}
END_TEST

START_TEST(refuses_wrong_values)
{
    static const char *const texts[] = {
        "windows: [30s]\n",          "windows: 5m\n",                      "windows: [5m, 300s, 5m]\n",
        "clock: sun\n",              "scales: {csat_max: 6}\n",            "service_level: {formula: 7}\n",
        "rank: {measures: [joy]}\n", "redis: {prefix: \"${LD_NOT_SET}\"}\n", "privacy: {min_n: -1}\n",
        "service_level: {threshold: 20}\n", "- a\n- list\n", "trends: {measures: [wait_p95_ms]}\n", "a: [unclosed\n",
        "limits: {event_bytes: 4kB}\n", "limits: {event_bytes: 9000000000GiB}\n", "limits: {event_bytes: KiB}\n"};
    for (size_t i = 0; i < LD_COUNT(texts); i++) {
        struct ld_settings settings;
        ld_settings_init(&settings);
        write_config(texts[i]);
        ck_assert_msg(!ld_config_read(path, &settings), "accepted: %s", texts[i]);
        unlink(path);
        ld_settings_deinit(&settings);
    }
}
END_TEST

static enum ld_parsed parse(struct ld_options *options, const char *line)
{
    static char copy[1024];
    static char *arguments[64];
    int count = 1;
    snprintf(copy, sizeof copy, "%s", line);
    arguments[0] = copy;
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        arguments[count++] = word;
    return ld_options_parse(options, count, arguments);
}

START_TEST(command_line_wins_over_file)
{
    struct ld_options options;
    write_config("windows: [1h]\nprivacy: {min_n: 5}\ndedupe: {records: 7}\n");
    char line[256];
    snprintf(line, sizeof line, "--windows 5m,2h --privacy-min-n=9 --config %s --output - --late 2.5%% --malformed=0.25 "
                                "--service-level 10s,1s,2 --mix contact=1 --seconds 1.5", path);
    ck_assert_int_eq(parse(&options, line), LD_PARSED_RUN);
    unlink(path);
    ck_assert_uint_eq(options.settings.window_count, 2);
    ck_assert_str_eq(options.settings.windows[0].name, "5m");
    ck_assert_int_eq(options.settings.privacy_min_n, 9);
    ck_assert_int_eq(options.settings.dedupe_records, 7);
    ck_assert_double_eq(options.traffic.late, 0.025);
    ck_assert_double_eq(options.traffic.malformed, 0.25);
    ck_assert_double_eq(options.traffic.mix[0], 0);
    ck_assert_int_eq(options.settings.service_level_formula, 2);
    ck_assert_int_eq(options.traffic.duration_ms, 1500);
    ck_assert(options.traffic.is_for_file);
    ck_assert_str_eq(options.traffic.id_prefix, "ld1");
    ld_options_deinit(&options);
}
END_TEST

START_TEST(usage_is_refused)
{
    static const char *const lines[] = {"",
                                        "--output",
                                        "--output - --count x",
                                        "--output - --late 101%",
                                        "--output - --count 1 --late-mean 30s",
                                        "--output - --count 1 --verify-basic",
                                        "--output - --nonsense 1",
                                        "--output - stray",
                                        "--output - --verify=yes",
                                        "--output - --span 6h",
                                        "--output - --count 1 --cloudevents 1%",
                                        "--output - --count 1 --future-rejected 1%",
                                        "--output - --count 1 --malformed 60% --duplicates 40%",
                                        "--output - --count 1 --windows 90s",
                                        "--output - --count 1 --scales 5,6",
                                        "--output - --count 1 --aborted 10%",
                                        "--no-send --brokers x",
                                        "--output - --count 1 --verify-dead-letters",
                                        "--output - --count 1 --verify --limit-event-bytes 3000",
                                        "--output - --count 1 --id-prefix a\"b"};
    for (size_t i = 0; i < LD_COUNT(lines); i++) {
        struct ld_options options;
        ck_assert_msg(parse(&options, lines[i]) == LD_PARSED_USAGE, "accepted: %s", lines[i]);
        ld_options_deinit(&options);
    }
}
END_TEST

START_TEST(optional_arguments)
{
    struct ld_options options;
    ck_assert_int_eq(parse(&options, "--brokers b --verify-dead-letters --count 3"), LD_PARSED_RUN);
    ck_assert_str_eq(options.dead_letter_topic, "cx.deadletter");
    ld_options_deinit(&options);
    ck_assert_int_eq(parse(&options, "--brokers b --count 3 --verify-dead-letters dead"), LD_PARSED_RUN);
    ck_assert_str_eq(options.dead_letter_topic, "dead");
    ld_options_deinit(&options);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {reads_what_the_daemon_reads, refuses_wrong_values, command_line_wins_over_file,
                                  usage_is_refused, optional_arguments};
    return run_suite("settings", tests, LD_COUNT(tests));
}
