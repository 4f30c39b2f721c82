#include "openmetrics.h"
#include "statistics.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct dl_metric gauge = {"x_seconds", DL_METRIC_GAUGE, "seconds", "How long."};
static const struct dl_metric counter = {"x_events", DL_METRIC_COUNTER, "", "How many."};
static const struct dl_metric info = {"x_build", DL_METRIC_INFO, "", "What it is."};
static const struct dl_metric state = {"x_state", DL_METRIC_STATE, "", "What it does."};
static const struct dl_metric histogram = {"x_wait_seconds", DL_METRIC_HISTOGRAM, "seconds", "Waits."};
static struct dl_text text;

static struct dl_metrics begin_with(const struct dl_metric *metric, bool openmetrics)
{
    struct dl_metrics metrics = {.text = &text, .openmetrics = openmetrics};
    dl_text_clear(&text);
    dl_metrics_family(&metrics, metric);
    return metrics;
}

START_TEST(families)
{
    struct dl_metrics metrics = begin_with(&gauge, true);
    dl_metrics_integer(&metrics, 3, NULL);
    dl_metrics_family(&metrics, &histogram); /* without a sample: nothing is said of it */
    dl_metrics_family(&metrics, &counter);
    dl_metrics_integer(&metrics, 4, (struct dl_metric_label[]){DL_LABEL("type", "survey"), {.name = NULL}});
    dl_metrics_integer(&metrics, 5, (struct dl_metric_label[]){DL_LABEL("type", "contact"), DL_LABEL("b", ""), {.name = NULL}});
    dl_metrics_end(&metrics);
    ck_assert_str_eq(text.data, "# TYPE x_seconds gauge\n# UNIT x_seconds seconds\n# HELP x_seconds How long.\nx_seconds 3\n"
                                "# TYPE x_events counter\n# HELP x_events How many.\nx_events_total{type=\"survey\"} 4\n"
                                "x_events_total{type=\"contact\",b=\"\"} 5\n# EOF\n");
    metrics = begin_with(&info, true);
    dl_metrics_integer(&metrics, 1, (struct dl_metric_label[]){DL_LABEL("version", "1"), {.name = NULL}});
    ck_assert_str_eq(text.data, "# TYPE x_build info\n# HELP x_build What it is.\nx_build_info{version=\"1\"} 1\n");
    metrics = begin_with(&state, true);
    dl_metrics_state(&metrics, (const char *const[]){"a", "b c"}, 2, 1);
    ck_assert_str_eq(text.data, "# TYPE x_state stateset\n# HELP x_state What it does.\nx_state{x_state=\"a\"} 0\nx_state{x_state=\"b c\"} 1\n");
}
END_TEST

START_TEST(the_older_format)
{
    struct dl_metrics metrics = begin_with(&counter, false);
    dl_metrics_integer(&metrics, 4, NULL);
    dl_metrics_family(&metrics, &info);
    dl_metrics_integer(&metrics, 1, (struct dl_metric_label[]){DL_LABEL("version", "1"), {.name = NULL}});
    dl_metrics_family(&metrics, &gauge);
    dl_metrics_integer(&metrics, 1, NULL);
    dl_metrics_end(&metrics);
    ck_assert_str_eq(text.data, "# TYPE x_events_total counter\n# HELP x_events_total How many.\nx_events_total 4\n"
                                "# TYPE x_build_info gauge\n# HELP x_build_info What it is.\nx_build_info{version=\"1\"} 1\n"
                                "# TYPE x_seconds gauge\n# HELP x_seconds How long.\nx_seconds 1\n");
    ck_assert_str_eq(dl_metrics_content_type(false), "text/plain; version=0.0.4; charset=utf-8");
    ck_assert_str_eq(dl_metrics_content_type(true), "application/openmetrics-text; version=1.0.0; charset=utf-8");
}
END_TEST

START_TEST(formats_asked_for)
{
    static const struct {
        const char *accept;
        bool openmetrics;
    } rows[] = {
        {NULL, true},
        {"*/*", true},
        {"application/openmetrics-text; version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", true},
        {"text/plain;version=0.0.4;q=0.5,*/*;q=0.1", false},
        {"text/plain", false},
        {"text/html,application/xhtml+xml", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(dl_metrics_accept(rows[i].accept) == rows[i].openmetrics, "%s", rows[i].accept);
}
END_TEST

START_TEST(label_values_are_escaped)
{
    static const struct {
        const char *value;
        size_t bytes;
        const char *written;
    } rows[] = {
        {"plain", 0, "plain"},        {"", 0, ""},
        {"a\"b", 0, "a\\\"b"},        {"a\\b", 0, "a\\\\b"},
        {"a\nb", 0, "a\\nb"},         {"\"\"\n\\", 0, "\\\"\\\"\\n\\\\"},
        {"na\xc3\xafve \xe2\x82\xac\t{}=,", 0, "na\xc3\xafve \xe2\x82\xac\t{}=,"},
        {"cut\"here", 4, "cut\\\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_metrics metrics = begin_with(&gauge, true);
        char wanted[128];
        dl_metrics_integer(&metrics, -1, (struct dl_metric_label[]){{"l", rows[i].value, rows[i].bytes}, {.name = NULL}});
        snprintf(wanted, sizeof wanted, "\nx_seconds{l=\"%s\"} -1\n", rows[i].written);
        ck_assert_msg(strstr(text.data, wanted) != NULL, "%s: %s", rows[i].value, text.data);
    }
}
END_TEST

START_TEST(numbers)
{
    static const struct {
        int64_t digits;
        int decimals;
        const char *written;
    } rows[] = {{0, 3, "0.000"}, {1, 3, "0.001"}, {-1, 3, "-0.001"}, {1500, 3, "1.500"}, {7, 0, "7"},
                {INT64_MAX, 9, "9223372036.854775807"}, {INT64_MIN, 9, "-9223372036.854775808"}};
    char wanted[64];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_metrics metrics = begin_with(&gauge, false);
        dl_metrics_decimal(&metrics, rows[i].digits, rows[i].decimals, NULL);
        snprintf(wanted, sizeof wanted, "\nx_seconds %s\n", rows[i].written);
        ck_assert_msg(strstr(text.data, wanted) != NULL, "%s: %s", wanted, text.data);
    }
}
END_TEST

START_TEST(histograms)
{
    struct dl_durations durations = {.sum_ns = 0};
    dl_durations_add(&durations, -5);          /* as none */
    dl_durations_add(&durations, 100000);      /* the first bound belongs to its bucket */
    dl_durations_add(&durations, 100001);
    dl_durations_add(&durations, 1000000000);
    dl_durations_add(&durations, 10000000001); /* beyond the last one */
    struct dl_metrics metrics = begin_with(&histogram, true);
    dl_metrics_durations(&metrics, &durations, (struct dl_metric_label[]){DL_LABEL("a", "b"), {.name = NULL}});
    static const char *const lines[] = {
        "# TYPE x_wait_seconds histogram\n",
        "\nx_wait_seconds_bucket{a=\"b\",le=\"0.0001\"} 2\n",
        "\nx_wait_seconds_bucket{a=\"b\",le=\"0.00025\"} 3\n",
        "\nx_wait_seconds_bucket{a=\"b\",le=\"0.5\"} 3\n",
        "\nx_wait_seconds_bucket{a=\"b\",le=\"1.0\"} 4\n",
        "\nx_wait_seconds_bucket{a=\"b\",le=\"10.0\"} 4\n",
        "\nx_wait_seconds_bucket{a=\"b\",le=\"+Inf\"} 5\n",
        "\nx_wait_seconds_count{a=\"b\"} 5\n",
        "\nx_wait_seconds_sum{a=\"b\"} 11.000200002\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        ck_assert_msg(strstr(text.data, lines[i]) != NULL, "%s in %s", lines[i], text.data);
    metrics = begin_with(&histogram, true);
    dl_metrics_durations(&metrics, &durations, NULL);
    ck_assert_ptr_nonnull(strstr(text.data, "\nx_wait_seconds_bucket{le=\"0.0001\"} 2\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "\nx_wait_seconds_count 5\n"));
}
END_TEST

/* As librdkafka 2.0.2 writes it, shortened. */
START_TEST(statistics)
{
    static const char json[] =
        "{ \"name\": \"rdkafka#consumer-1\", \"rx\":7, \"brokers\":{"
        "\"localhost:9092/bootstrap\": { \"name\":\"b\", \"nodeid\":-1, \"state\":\"UP\", \"tx\":3, \"txerrs\":1, \"rxerrs\":0, "
        "\"rxbytes\":10, \"req_timeouts\":0, \"disconnects\":1 },"
        "\"localhost:9092/1\": { \"name\":\"b1\", \"nodeid\":1, \"state\":\"UP\", \"tx\":5, \"txerrs\":0, \"rxerrs\":2, "
        "\"rxbytes\":100, \"req_timeouts\":4, \"disconnects\":0 },"
        "\"localhost:9093/2\": { \"name\":\"b2\", \"nodeid\":2, \"source\":\"learned\", \"state\":\"DOWN\" },"
        "\"GroupCoordinator\": { \"name\":\"GroupCoordinator\", \"nodeid\":1, \"source\":\"logical\", \"state\":\"UP\", \"tx\":2 } },"
        "\"topics\":{ \"t\": { \"partitions\":{ \"0\": { \"fetchq_cnt\":11, \"fetchq_size\":1100 }, \"-1\": { \"fetchq_cnt\":0 } } } },"
        "\"cgrp\": { \"rebalance_cnt\":6 } }";
    struct dl_kafka_statistics read;
    ck_assert_int_eq(dl_kafka_statistics_read(&read, json, sizeof json - 1), DL_OK);
    ck_assert_int_eq(read.brokers, 2);
    ck_assert_int_eq(read.brokers_up, 1);
    ck_assert_int_eq(read.requests, 10);
    ck_assert_int_eq(read.request_errors, 3);
    ck_assert_int_eq(read.request_timeouts, 4);
    ck_assert_int_eq(read.received_bytes, 110);
    ck_assert_int_eq(read.disconnects, 1);
    ck_assert_int_eq(read.rebalances, 6);
    ck_assert_int_eq(read.queued_messages, 11);
    ck_assert_int_eq(read.queued_bytes, 1100);
    ck_assert_int_eq(dl_kafka_statistics_read(&read, "{}", 2), DL_OK);
    ck_assert_int_eq(read.brokers, 0);
    ck_assert_int_eq(dl_kafka_statistics_read(&read, "[]", 2), DL_INVALID);
    ck_assert_int_eq(dl_kafka_statistics_read(&read, json, sizeof json - 2), DL_INVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("openmetrics");
    TCase *all = tcase_create("all");
    tcase_add_test(all, families);
    tcase_add_test(all, the_older_format);
    tcase_add_test(all, formats_asked_for);
    tcase_add_test(all, label_values_are_escaped);
    tcase_add_test(all, numbers);
    tcase_add_test(all, histograms);
    tcase_add_test(all, statistics);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
