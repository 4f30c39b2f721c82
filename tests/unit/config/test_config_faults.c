#include "help.h"

/* ---- Faults: what is said, and where ---- */

static const struct {
    const char *text, *message;
} faults[] = {
    {"instance: \"a b\"", "f:1:11: error: instance: expected letters, digits, _ . and -, got \"a b\""},
    {"instance: \"\"", "f:1:11: error: instance: expected text of 1 to 128 bytes, got 0"},
    {"instance: [a]", "f:1:11: error: instance: expected text, got a list"},
    {"[a]", "f:1:1: error: expected keys with their values, got a list"},
    {"word", "f:1:1: error: expected keys with their values, got a single value"},
    {"kafka: 3", "f:1:8: error: kafka: expected keys with their values, got a single value"},
    {"kafka:\n  topcis: [a]", "f:2:3: error: unknown key \"topcis\" in kafka; did you mean topics?"},
    {"durabilty: memory", "f:1:1: error: unknown key \"durabilty\"; did you mean durability?"},
    {"redis: {tsl: {}}", "f:1:9: error: unknown key \"tsl\" in redis; did you mean tls?"},
    {"zebra: 1", "f:1:1: error: unknown key \"zebra\""},
    {"csat_max: 7", "f:1:1: error: unknown key \"csat_max\"; it belongs under scales:"},
    {"min_n: 3", "f:1:1: error: unknown key \"min_n\"; it belongs under privacy: or rank:"},
    {"rank.min_n: 3", "f:1:1: error: unknown key \"rank.min_n\"; it belongs under rank:"},
    {"clock: wall\nclock: event", "f:2:1: error: the key \"clock\" stands twice in this section (first in line 1)"},
    {"clock: walll", "f:1:8: error: clock: expected wall or event, got \"walll\""},
    {"log: {level: loud}", "f:1:14: error: log.level: expected error, warning, notice, info or debug, got \"loud\""},
    {"roles: [score]", "f:1:1: error: roles: with durability: memory one process does all of it; expected [ingest, score]"},
    {"windows: 5m", "f:1:10: error: windows: expected a list, as [5m, 1h, 24h, 7d, 30d], got \"5m\""},
    {"windows: []", "f:1:10: error: windows: expected 1 to 16 items, got 0"},
    {"windows: [1m,2m,3m,4m,5m,6m,7m,8m,9m,10m,11m,12m,13m,14m,15m,16m,17m]", "f:1:10: error: windows: expected 1 to 16 items, got 17"},
    {"windows: [5m, 90s]", "f:1:15: error: windows: expected whole minutes, got \"90s\""},
    {"windows: [5m, 59s]", "f:1:15: error: windows: expected a duration (a number with ms, s, m, h or d) from 1m to 400d, got \"59s\""},
    {"windows:\n  - 5m\n  - 401d", "f:3:5: error: windows: expected a duration (a number with ms, s, m, h or d) from 1m to 400d, got \"401d\""},
    {"windows: [1h, 60m]", "f:1:15: error: windows: \"60m\" stands twice in the list"},
    {"segments: [nps]", "f:1:12: error: segments: expected a name that is not a field of every event (type, touchpoint, stage, nps, …), got \"nps\""},
    {"segments: [a, \"b c\"]", "f:1:15: error: segments: expected letters, digits, _ . and -, got \"b c\""},
    {"segments: [a, b, a]", "f:1:18: error: segments: \"a\" stands twice in the list"},
    {"segments: [a, [b]]", "f:1:15: error: segments: expected text, got a list"},
    {"batch_interval: 100", "f:1:17: error: batch_interval: expected a duration (a number with ms, s, m, h or d) from 5ms to 10s, got \"100\""},
    {"limits: {event_bytes: 64KB}", "f:1:23: error: limits.event_bytes: expected bytes (a number, or with KiB, MiB, GiB) from 1KiB to 16MiB, got \"64KB\""},
    {"limits: {subjects: 1e6}", "f:1:20: error: limits.subjects: expected a whole number from 1 to 100000000, got \"1e6\""},
    {"limits: {subjects: 99999999999999999999}", "f:1:20: error: limits.subjects: expected a whole number from 1 to 100000000, got \"99999999999999999999\""},
    {"scales: {csat_max: 6}", "f:1:10: error: scales.csat_max: expected 5, 7 or 10, got 6"},
    {"scales:\n  csat_top: 6", "f:2:3: error: scales.csat_top: expected at most scales.csat_max (5), got 6"},
    {"service_level: {formula: 7}", "f:1:26: error: service_level.formula: expected a whole number from 1 to 6, got \"7\""},
    {"rank: {measures: [npss]}", "f:1:19: error: rank.measures: expected a score that can be ranked (did you mean nps?), got \"npss\""},
    {"rank: {measures: [promoters]}", "f:1:19: error: rank.measures: expected one of "},
    {"trends: {measures: [nps, nps]}", "f:1:26: error: trends.measures: \"nps\" stands twice in the list"},
    {"targets: 40", "f:1:10: error: targets: expected a section of scores and their targets, as {nps: 40, wait_p95_ms: 60s}, got \"40\""},
    {"targets: {npss: 40}", "f:1:11: error: targets: expected a score that can be ranked, as nps (did you mean nps?), got \"npss\""},
    {"targets: {promoters: 40}", "f:1:11: error: targets: expected a score that can be ranked, as nps"},
    {"targets: {nps: 100.1}", "f:1:16: error: targets: expected a number from -100 to 100 for nps, got \"100.1\""},
    {"targets: {csat: nan}", "f:1:17: error: targets: expected a number from 0 to 100 for csat, got \"nan\""},
    {"targets: {csat: \"1 \"}", "f:1:17: error: targets: expected a number from 0 to 100 for csat"},
    {"targets: {csat_mean: 11}", "f:1:22: error: targets: expected a number from 1 to 10 for csat_mean, got \"11\""},
    {"targets: {csat_mean: 5.01}", "f:1:1: error: targets: csat_mean: expected at most scales.csat_max (5), got 5.01"},
    {"scales: {csat_max: 7}\ntargets: {nps: 40, csat_mean: 8}", "f:2:1: error: targets: csat_mean: expected at most scales.csat_max (7), got 8"},
    {"targets: {kano_worse: 0.1}", "f:1:23: error: targets: expected a number from -1 to 0 for kano_worse, got \"0.1\""},
    {"targets: {ces: [1]}", "f:1:16: error: targets: expected a number from 0 to 100 for ces, got a list"},
    {"targets: {wait_p95_ms: 60}", "f:1:24: error: targets: expected a duration (a number with ms, s, m, h or d) from 0s to 365d, got \"60\""},
    {"kafka: {topics: []}", "f:1:17: error: kafka.topics: expected 1 to 64 items, got 0"},
    {"kafka: {topics: [a/b]}", "f:1:18: error: kafka.topics: expected a Kafka topic name: letters, digits, . _ and -, got \"a/b\""},
    {"kafka: {topics: [..]}", "f:1:18: error: kafka.topics: expected a Kafka topic name"},
    {"kafka: {topics: [a, cx.deadletter]}", "f:1:9: error: kafka.topics: cx.deadletter is kafka.dead_letter_topic too: what is written would be read as events"},
    {"kafka: {state_topic: cx.tallies}", "f: error: kafka.state_topic: cx.tallies is kafka.tallies_topic too; expected two topics"},
    {"kafka: {properties: [a]}", "f:1:21: error: kafka.properties: expected a section of properties and their values, got a list"},
    {"kafka: {properties: {a: [b]}}", "f:1:25: error: kafka.properties: a: expected a value, got a list"},
    {"kafka:\n  properties:\n    isolation.level: x", "f:3:5: error: kafka.properties: \"isolation.level\": delightd sets it itself, for exact counting depends on it; expected it to be left out"},
    {"kafka: {properties: {auto.offset.reset: x}}", "f:1:22: error: kafka.properties: \"auto.offset.reset\": delightd sets it itself"},
    {"kafka: {properties: {enable.auto.commit: x}}", "f:1:22: error: kafka.properties: \"enable.auto.commit\": delightd sets it itself"},
    {"kafka: {properties: {enable.auto.offset.store: x}}", "f:1:22: error: kafka.properties: \"enable.auto.offset.store\": delightd sets it itself"},
    {"kafka: {properties: {transactional.id: x}}", "f:1:22: error: kafka.properties: \"transactional.id\": delightd sets it itself"},
    {"kafka: {properties: {group.protocol: x}}", "f:1:22: error: kafka.properties: \"group.protocol\": delightd sets it itself"},
    {"kafka: {properties_files: {group.protocol: x}}", "f:1:28: error: kafka.properties_files: \"group.protocol\": delightd sets it itself"},
    {"kafka: {properties: {\"a b\": x}}", "f:1:22: error: kafka.properties: \"a b\": expected a property of librdkafka, as bootstrap.servers"},
    {"kafka: {properties: {a: x}, properties_files: {a: /f}}", "f:1:29: error: kafka.properties_files: a stands in kafka.properties too; expected one of them"},
    {"redis: {url: \"http://h\"}", "f:1:14: error: redis.url: expected redis://[user[:password]@]host[:port][/db], rediss:// for TLS, or unix:///path[?db=N]\n"},
    {"redis: {prefix: \"a{b}\"}", "f:1:17: error: redis.prefix: expected letters, digits, _ . : / and -, got \"a{b}\""},
    {"http: {connections: 10, streams: 10}", "f:1:25: error: http.streams: expected fewer than http.connections (10), or nobody else is served; got 10"},
    {"http: {hosts: [\"a:80\"]}", "f:1:16: error: http.hosts: expected a host name without port, as delightd.example.com, got \"a:80\""},
    {"http: {scores: [nps, promoters]}", "f:1:22: error: http.scores"},
    {"redis: {url: \"redis://:p@h\", password_file: /f}", "f:1:30: error: redis.password_file: redis.url has a password too; expected one of them"},
    {"redis: {tls: {certificate_file: /f}}", "f:1:15: error: redis.tls.certificate_file: expected redis.tls.key_file beside it"},
    {"redis: {tls: {key_file: /f}}", "f:1:15: error: redis.tls.key_file: expected redis.tls.certificate_file beside it"},
    {"catalogue: {unknown_touchpoint: deadletter}", "f:1:13: error: catalogue.unknown_touchpoint: no journey lists any touchpoint"},
    {"catalogue: {journeys: x}", "f:1:23: error: catalogue.journeys: expected a list of journeys, as [{name: fly, stages: [{name: check-in, touchpoints: [desk]}]}], got \"x\""},
    {"catalogue: {journeys: [a]}", "f:1:24: error: catalogue.journeys: expected a journey, as {name: …, stages: […]}, got a single value"},
    {"catalogue: {journeys: [{name: a}]}", "f:1:24: error: catalogue.journeys: a journey needs stages"},
    {"catalogue: {journeys: [{stages: [{name: b}]}]}", "f:1:24: error: catalogue.journeys: a journey needs a name"},
    {"catalogue: {journeys: [{name: a, stages: x}]}", "f:1:42: error: catalogue.journeys: expected stages to be a list, got a single value"},
    {"catalogue: {journeys: [{name: a, stages: [{nam: b}]}]}", "f:1:44: error: catalogue.journeys: unknown key \"nam\"; a stage has name and touchpoints"},
    {"catalogue: {journeys: [{name: \"\", stages: [{name: b}]}]}", "f:1:31: error: catalogue.journeys: expected text of 1 to 128 bytes, got 0"},
    {"catalogue:\n  journeys:\n    - {name: a, stages: [{name: b}]}\n    - {name: a, stages: [{name: b}]}", "f:4:14: error: catalogue.journeys: the journey \"a\" stands twice (before it in line 3)"},
    {"catalogue: {journeys: [{name: a, stages: [{name: b}, {name: b}]}]}", "f:1:61: error: catalogue.journeys: the stage \"b\" stands twice"},
    {"catalogue: {journeys: [{name: a, stages: [{name: b, touchpoints: [t, u, t]}]}]}", "f:1:73: error: catalogue.journeys: the touchpoint \"t\" stands twice"},
    /* YAML itself */
    {"a: 1\n\tb: 2", "f:2:1: error: a tab where indentation is expected: use spaces"},
    {"a: b: c", "f:1:5: error: a colon where no key can be"},
    {"windows: [5m, 1h", "f:2:1: error: expected a comma or ] to go on with or end the list"},
    {"instance: \"a", "f:1:13: error: the file ends inside quotes: expected the closing quote"},
    {"kafka:\n    topics: [a]\n  x: 1", "f:3:3: error: expected a key here: is the line indented as the ones before it?"},
    {"instance: @a", "f:1:11: error: this character cannot begin a value"},
    {"a\nb: 1", "f:2:2: error: a colon where no key can be"},
    {"clock: wall\n---\nclock: event", "f:2:1: error: a second document (---) begins here; expected one document"},
    {"clock: &x wall", "f:1:8: error: anchors (&) and tags (!) are not supported"},
    {"clock: !!str wall", "f:1:8: error: anchors (&) and tags (!) are not supported"},
    {"kafka: &x {topics: [a]}", "f:1:8: error: anchors (&) and tags (!) are not supported"},
    {"clock: *x", "f:1:8: error: aliases (*) are not supported"},
    {"{[a]: b}", "f:1:2: error: a key must be a single word, not a list or a section"},
    {"a: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", "f:1:19: error: nested deeper than 16 levels"},
    {"instance: \"a\\0b\"", "f:1:11: error: the text holds a NUL character"},
    {"clock: wall\ninstance: \xc3\x28", "f:2:11: error: byte 0xC3 is not UTF-8; save the file as UTF-8"},
    {"instance: é\x01", "f:1:12: error: the control character U+0001 is not allowed"},
    /* environment */
    {"instance: ${DL_TEST_UNSET}", "f:1:11: error: the environment variable DL_TEST_UNSET is not set; set it, or write ${NAME:-default}\n"},
    {"redis:\n  password_file: ${CREDENTIALS_DIRECTORY}/x", "f:2:18: error: the environment variable CREDENTIALS_DIRECTORY is not set; systemd sets it"},
    {"instance: ${DL_TEST", "f:1:11: error: ${ begins an environment variable: expected ${NAME} or ${NAME:-default}"},
    {"instance: ${}", "f:1:11: error: ${ begins an environment variable"},
    {"instance: ${1A}", "f:1:11: error: ${ begins an environment variable"},
    {"instance: ${A-b}", "f:1:11: error: ${ begins an environment variable"},
};

START_TEST(fault)
{
    unsetenv("DL_TEST_UNSET");
    unsetenv("CREDENTIALS_DIRECTORY");
    parse(faults[_i].text, DL_INVALID);
    char *said = text_of(print_errors, &errors);
    ck_assert_msg(strncmp(said, faults[_i].message, strlen(faults[_i].message)) == 0, "%s\nsaid: %s not: %s", faults[_i].text, said,
                  faults[_i].message);
    ck_assert_msg(errors.errors == 1, "%s\nsaid: %s", faults[_i].text, said);
    free(said);
}
END_TEST

START_TEST(all_at_once)
{
    parse("zebra: 1\nwindows: [1s, 2s]\nclock: x\nkafka: {topics: a}\ninstance: ${DL_TEST_UNSET}\n", DL_INVALID);
    ck_assert_uint_eq(errors.errors, 6);
    /* More than are listed: counted, and said. */
    char text[2048] = "windows: [";
    for (int i = 0; i < 16; i++)
        strcat(text, i == 0 ? "x" : ", x");
    strcat(text, "]\nsegments: [");
    for (int i = 0; i < 16; i++)
        strcat(text, i == 0 ? "nps" : ", nps");
    strcat(text, "]\n");
    parse(text, DL_INVALID);
    ck_assert_uint_eq(errors.errors, 32);
    ck_assert_uint_eq(errors.count, DL_CONFIG_ERRORS_MAX);
    char *said = text_of(print_errors, &errors);
    ck_assert_ptr_nonnull(strstr(said, "… and 12 more\n"));
    free(said);
}
END_TEST

START_TEST(warnings)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"service_level: {short_abandon: 30s}", "f:1:17: warning: service_level.short_abandon is longer"},
        {"batch_interval: 1s", "f: warning: publish_interval is shorter than batch_interval"},
        {"http: {listen: \"0.0.0.0:9464\"}", "f:1:8: warning: http.listen: other hosts can read every score; expected http.token_file"},
        {"http: {listen: \"[::]:9464\"}", "f:1:8: warning: http.listen: other hosts"},
        {"redis: {url: \"redis://h\", tls: {ca_file: /f}}", "f:1:9: warning: redis.url: redis.tls is set, but the connection is not encrypted"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        dl_config_destroy(parse(rows[i].text, DL_OK));
        char *said = text_of(print_errors, &errors);
        ck_assert_msg(strncmp(said, rows[i].message, strlen(rows[i].message)) == 0, "said: %s", said);
        ck_assert_uint_eq(errors.errors, 0);
        ck_assert_uint_eq(errors.warnings, 1);
        free(said);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config faults");
    TCase *wrong = tcase_create("wrong");
    tcase_add_loop_test(wrong, fault, 0, (int)(sizeof faults / sizeof faults[0]));
    tcase_add_test(wrong, all_at_once);
    tcase_add_test(wrong, warnings);
    suite_add_tcase(suite, wrong);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
