/* Metrics as text: OpenMetrics 1.0, or the older Prometheus text format 0.0.4,
 * which tells the same without units, infos and state sets.
 *
 *   # TYPE delightd_events counter          ◄─ once, before the family's first sample
 *   # HELP delightd_events Events counted.
 *   delightd_events_total{type="survey"} 3
 *   …
 *   # EOF */
#pragma once

#include "codec.h"

#include <delight/durations.h>

enum dl_metric_type {
    DL_METRIC_GAUGE,
    DL_METRIC_COUNTER,   /* _total is added */
    DL_METRIC_HISTOGRAM, /* of seconds: dl_metrics_durations */
    DL_METRIC_INFO,      /* _info is added; the value is 1 */
    DL_METRIC_STATE      /* one of several words; the label has the family's name */
};

/* name: without the suffix of its type, with that of its unit: "delightd_stall_seconds". unit "": none. */
struct dl_metric {
    const char *name;
    enum dl_metric_type type;
    const char *unit;
    const char *help; /* a sentence */
};

/* value is UTF-8; bytes 0 and value not NULL: NUL-terminated. */
struct dl_metric_label {
    const char *name, *value;
    size_t bytes;
};
#define DL_LABEL(name_, value_) ((struct dl_metric_label){.name = (name_), .value = (value_)})

/* Zero-initialise but for text and openmetrics. */
struct dl_metrics {
    struct dl_text *text;
    bool openmetrics;
    const struct dl_metric *family; /* whose samples come now; NULL: none yet */
    bool headed;                    /* its head is written */
};

/* The content type of either format. */
const char *dl_metrics_content_type(bool openmetrics);
/* Whether an Accept header (NULL: none) leaves OpenMetrics standing: it does unless it names the older format only. */
bool dl_metrics_accept(const char *accept);

/* What is added from now on belongs to it. Without samples nothing is written of it. *metric outlives the samples. */
void dl_metrics_family(struct dl_metrics *metrics, const struct dl_metric *metric);
/* labels end with {NULL}; NULL: none. */
void dl_metrics_integer(struct dl_metrics *metrics, int64_t value, const struct dl_metric_label *labels);
/* value as digits * 10^-decimals: exact, where a double would not be. decimals 0..9. */
void dl_metrics_decimal(struct dl_metrics *metrics, int64_t digits, int decimals, const struct dl_metric_label *labels);
void dl_metrics_durations(struct dl_metrics *metrics, const struct dl_durations *durations, const struct dl_metric_label *labels);
/* 1 for the state that holds, 0 for the others. */
void dl_metrics_state(struct dl_metrics *metrics, const char *const *states, size_t count, size_t holds);
/* The end of the whole text. */
void dl_metrics_end(struct dl_metrics *metrics);
