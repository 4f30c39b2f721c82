#include "openmetrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char openmetrics_type[] = "application/openmetrics-text; version=1.0.0; charset=utf-8";
static const char text_type[] = "text/plain; version=0.0.4; charset=utf-8";

const char *dl_metrics_content_type(bool openmetrics)
{
    return openmetrics ? openmetrics_type : text_type;
}

bool dl_metrics_accept(const char *accept)
{
    return accept == NULL || strstr(accept, "application/openmetrics-text") != NULL || strstr(accept, "text/plain") == NULL;
}

/* ---- Heads ---- */

static const char *suffix(const struct dl_metric *metric)
{
    return metric->type == DL_METRIC_COUNTER ? "_total" : metric->type == DL_METRIC_INFO ? "_info" : "";
}

void dl_metrics_family(struct dl_metrics *metrics, const struct dl_metric *metric)
{
    metrics->family = metric;
    metrics->headed = false;
}

/* The older format has no suffixes of its own: a family is called what its samples are. */
static void head(struct dl_metrics *metrics)
{
    static const char *const types[] = {"gauge", "counter", "histogram", "info", "stateset"};
    static const char *const older[] = {"gauge", "counter", "histogram", "gauge", "gauge"};
    const struct dl_metric *metric = metrics->family;
    if (metrics->headed)
        return;
    metrics->headed = true;
    const char *end = metrics->openmetrics ? "" : suffix(metric);
    dl_text_printf(metrics->text, "# TYPE %s%s %s\n", metric->name, end, (metrics->openmetrics ? types : older)[metric->type]);
    if (metrics->openmetrics && metric->unit[0] != '\0')
        dl_text_printf(metrics->text, "# UNIT %s %s\n", metric->name, metric->unit);
    dl_text_printf(metrics->text, "# HELP %s%s %s\n", metric->name, end, metric->help);
}

/* ---- Samples ---- */

/* \, " and line ends are escaped; anything else that is UTF-8 stands as it is. */
static void add_label_value(struct dl_text *text, const char *value, size_t bytes)
{
    size_t written = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (value[i] != '\\' && value[i] != '"' && value[i] != '\n')
            continue;
        dl_text_add(text, value + written, i - written);
        dl_text_add(text, value[i] == '\n' ? "\\n" : value[i] == '"' ? "\\\"" : "\\\\", 2);
        written = i + 1;
    }
    dl_text_add(text, value + written, bytes - written);
}

/* name{labels,extra="value"} and the space before the value. */
static void begin(struct dl_metrics *metrics, const char *end, const struct dl_metric_label *labels, const char *extra,
                  const char *extra_value)
{
    struct dl_text *text = metrics->text;
    const char *separator = "{";
    head(metrics);
    dl_text_add(text, metrics->family->name, strlen(metrics->family->name));
    dl_text_add(text, end, strlen(end));
    for (; labels != NULL && labels->name != NULL; labels++) {
        dl_text_add(text, separator, 1);
        dl_text_add(text, labels->name, strlen(labels->name));
        dl_text_add(text, "=\"", 2);
        add_label_value(text, labels->value, labels->bytes > 0 ? labels->bytes : strlen(labels->value));
        dl_text_add(text, "\"", 1);
        separator = ",";
    }
    if (extra != NULL) {
        dl_text_printf(text, "%s%s=\"%s\"", separator, extra, extra_value);
        separator = ",";
    }
    dl_text_add(text, "} ", separator[0] == ',' ? 2 : 0);
    dl_text_add(text, " ", separator[0] != ',');
}

void dl_metrics_integer(struct dl_metrics *metrics, int64_t value, const struct dl_metric_label *labels)
{
    begin(metrics, suffix(metrics->family), labels, NULL, NULL);
    dl_text_printf(metrics->text, "%" PRId64 "\n", value);
}

static void add_decimal(struct dl_text *text, int64_t digits, int decimals)
{
    uint64_t whole = digits < 0 ? 0 - (uint64_t)digits : (uint64_t)digits, scale = 1;
    DL_ASSERT(decimals >= 0 && decimals <= 9);
    for (int i = 0; i < decimals; i++)
        scale *= 10;
    dl_text_printf(text, "%s%" PRIu64, digits < 0 ? "-" : "", whole / scale);
    if (decimals > 0)
        dl_text_printf(text, ".%0*" PRIu64, decimals, whole % scale);
}

void dl_metrics_decimal(struct dl_metrics *metrics, int64_t digits, int decimals, const struct dl_metric_label *labels)
{
    begin(metrics, suffix(metrics->family), labels, NULL, NULL);
    add_decimal(metrics->text, digits, decimals);
    dl_text_add(metrics->text, "\n", 1);
}

/* Buckets tell how many were as short or shorter. */
void dl_metrics_durations(struct dl_metrics *metrics, const struct dl_durations *durations, const struct dl_metric_label *labels)
{
    int64_t total = 0;
    for (int i = 0; i <= DL_DURATION_BOUNDS; i++) {
        char bound[32] = "+Inf";
        if (i < DL_DURATION_BOUNDS)
            snprintf(bound, sizeof bound, "%g", (double)dl_duration_bounds_us[i] / 1e6);
        /* Both formats want a float; OpenMetrics in its shortest form with a point. */
        if (i < DL_DURATION_BOUNDS && strchr(bound, '.') == NULL && strchr(bound, 'e') == NULL)
            strcat(bound, ".0");
        total += durations->count[i];
        begin(metrics, "_bucket", labels, "le", bound);
        dl_text_printf(metrics->text, "%" PRId64 "\n", total);
    }
    begin(metrics, "_count", labels, NULL, NULL);
    dl_text_printf(metrics->text, "%" PRId64 "\n", total);
    begin(metrics, "_sum", labels, NULL, NULL);
    add_decimal(metrics->text, durations->sum_ns, 9);
    dl_text_add(metrics->text, "\n", 1);
}

void dl_metrics_state(struct dl_metrics *metrics, const char *const *states, size_t count, size_t holds)
{
    for (size_t i = 0; i < count; i++) {
        const struct dl_metric_label labels[] = {DL_LABEL(metrics->family->name, states[i]), {.name = NULL}};
        dl_metrics_integer(metrics, i == holds, labels);
    }
}

void dl_metrics_end(struct dl_metrics *metrics)
{
    if (metrics->openmetrics)
        dl_text_printf(metrics->text, "# EOF\n");
}
