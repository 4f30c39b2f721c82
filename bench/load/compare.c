#include "compare.h"

#include "score.h"
#include "util.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Published numbers have four decimals: two numbers are the same when they print the same. */
static bool same_to_four_decimals(double expected, double found)
{
    char text[LD_FIELD_TEXT_MAX];
    struct ld_field field = {.kind = LD_FIELD_FRACTION, .fraction = found};
    ld_field_print(&field, text);
    field.fraction = expected;
    return ld_field_matches(&field, text);
}

static const char *find(const struct ld_found *found, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(found[i].name, name) == 0)
            return found[i].value;
    }
    return NULL;
}

static bool parse_integer(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0')
        return false;
    *value = number;
    return true;
}

/* The two fields that are about the hash and not from the tally. */
static bool compare_frame(const struct ld_compare *compare, const struct ld_found *found, size_t count,
                          struct ld_differences *differences)
{
    const char *as_of = find(found, count, "as_of");
    const char *window_ms = find(found, count, "window_ms");
    int64_t value;
    bool is_same = true;
    if (!compare->needs_as_of)
        return true;
    if (as_of == NULL || !parse_integer(as_of, &value) || value > compare->as_of_max_ms || value <= 0) {
        ld_difference(differences, "%s: as_of: expected epoch milliseconds of at most %" PRId64 ", found %s",
                      compare->label, compare->as_of_max_ms, as_of == NULL ? "nothing" : as_of);
        is_same = false;
    }
    if (window_ms == NULL || !parse_integer(window_ms, &value) || value != compare->window->ms) {
        ld_difference(differences, "%s: window_ms: expected %" PRId64 ", found %s", compare->label,
                      compare->window->ms, window_ms == NULL ? "nothing" : window_ms);
        is_same = false;
    }
    return is_same;
}

static bool is_expected(const struct ld_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0)
            return true;
    }
    return strcmp(name, "as_of") == 0 || strcmp(name, "window_ms") == 0;
}

static bool is_basic_name(const char *name)
{
    static const char *const names[] = {"events",     "nps_n",  "nps",  "promoters", "passives",
                                        "detractors", "csat_n", "csat", "csat_mean"};
    for (size_t i = 0; i < LD_COUNT(names); i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static bool compare_fields(const struct ld_compare *compare, const struct ld_field *fields, size_t field_count,
                           const struct ld_found *found, size_t found_count, struct ld_differences *differences)
{
    bool is_same = true;
    for (size_t i = 0; i < field_count; i++) {
        if (compare->is_basic && !is_basic_name(fields[i].name))
            continue;
        const char *value = find(found, found_count, fields[i].name);
        char expected[LD_FIELD_TEXT_MAX];
        if (value != NULL && ld_field_matches(&fields[i], value))
            continue;
        ld_field_print(&fields[i], expected);
        ld_difference(differences, "%s: %s: expected %s, found %s", compare->label, fields[i].name, expected,
                      value == NULL ? "nothing" : value);
        is_same = false;
    }
    for (size_t i = 0; i < found_count; i++) {
        if (is_expected(fields, field_count, found[i].name) || (compare->is_basic && !is_basic_name(found[i].name)))
            continue;
        ld_difference(differences, "%s: %s: expected nothing, found %s", compare->label, found[i].name,
                      found[i].value);
        is_same = false;
    }
    return is_same;
}

bool ld_compare_hash(const struct ld_compare *compare, const struct ld_tally *tally, const struct ld_found *found,
                     size_t found_count, struct ld_differences *differences)
{
    struct ld_field fields[LD_FIELDS_MAX];
    if (ld_tally_is_zero(tally)) {
        if (found_count == 0)
            return true;
        const char *events = find(found, found_count, "events");
        ld_difference(differences, "%s: expected no such key, found %zu fields (events %s)", compare->label,
                      found_count, events == NULL ? "missing" : events);
        return false;
    }
    size_t field_count = ld_score_fields(tally, compare->settings, compare->is_feature, fields);
    if (found_count == 0) {
        ld_difference(differences, "%s: expected %zu fields (events %" PRId64 "), found nothing", compare->label,
                      field_count, tally->counter[LD_EVENTS]);
        return false;
    }
    bool is_same = compare_frame(compare, found, found_count, differences);
    return compare_fields(compare, fields, field_count, found, found_count, differences) && is_same;
}

/* ---- rank ---- */

bool ld_compare_rank(const struct ld_compare *compare, int measure, const struct ld_tally *tally, const char *text,
                     struct ld_differences *differences)
{
    int64_t n;
    double value = ld_measure_of_tally(measure, tally, compare->settings, &n);
    bool is_member = !isnan(value) && n >= compare->settings->rank_min_n;
    if (!is_member && text == NULL)
        return true;
    if (is_member && text != NULL) {
        char *end;
        double score = strtod(text, &end);
        if (*end == '\0' && same_to_four_decimals(value, score))
            return true;
    }
    if (is_member)
        ld_difference(differences, "%s: rank by %s: expected %.4f (n %" PRId64 "), found %s", compare->label,
                      ld_measure_name(measure), value, n, text == NULL ? "nothing" : text);
    else
        ld_difference(differences, "%s: rank by %s: expected no entry (n %" PRId64 "), found %s", compare->label,
                      ld_measure_name(measure), n, text);
    return false;
}

/* ---- trend ---- */

static bool has_integer(const json_t *object, const char *name, int64_t expected)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) && json_integer_value(value) == expected;
}

static bool compare_start(const struct ld_compare *compare, const json_t *trend, struct ld_differences *differences)
{
    int64_t pane_ms = compare->window->ms / LD_PANES;
    int64_t newest = ld_floor_div(compare->clock_ms, pane_ms);
    const json_t *start = json_object_get(trend, "start");
    if (!has_integer(trend, "window_ms", compare->window->ms) || !has_integer(trend, "pane_ms", pane_ms) ||
        json_array_size(start) != LD_PANES) {
        ld_difference(differences, "%s:trend: expected window_ms %" PRId64 ", pane_ms %" PRId64 " and %d starts",
                      compare->label, compare->window->ms, pane_ms, LD_PANES);
        return false;
    }
    for (int i = 0; i < LD_PANES; i++) {
        int64_t expected = (newest - LD_PANES + 1 + i) * pane_ms;
        const json_t *found = json_array_get(start, (size_t)i);
        if (json_is_integer(found) && json_integer_value(found) == expected)
            continue;
        ld_difference(differences, "%s:trend: start[%d]: expected %" PRId64 ", found %" JSON_INTEGER_FORMAT,
                      compare->label, i, expected, json_integer_value(found));
        return false;
    }
    return true;
}

static bool same_number(double expected, const json_t *found)
{
    if (isnan(expected))
        return json_is_null(found);
    return json_is_number(found) && same_to_four_decimals(expected, json_number_value(found));
}

static bool compare_measure(const struct ld_compare *compare, int measure, const int64_t (*panes)[LD_COUNTERS],
                            const json_t *found, struct ld_differences *differences)
{
    const char *name = ld_measure_name(measure);
    const json_t *values = json_object_get(found, "value");
    const json_t *counts = json_object_get(found, "n");
    if (json_array_size(values) != LD_PANES || json_array_size(counts) != LD_PANES) {
        ld_difference(differences, "%s:trend: %s: expected value and n of %d panes", compare->label, name, LD_PANES);
        return false;
    }
    bool is_same = true;
    for (size_t i = 0; i < LD_PANES - 1; i++) {
        int64_t n;
        double value = ld_measure_value(measure, panes[i], compare->settings, &n);
        const json_t *found_n = json_array_get(counts, i);
        const json_t *found_value = json_array_get(values, i);
        if (json_is_integer(found_n) && json_integer_value(found_n) == n && same_number(value, found_value))
            continue;
        ld_difference(differences,
                      "%s:trend: %s[%zu]: expected %.4f (n %" PRId64 "), found %.4f (n %" JSON_INTEGER_FORMAT ")",
                      compare->label, name, i, value, n,
                      json_is_number(found_value) ? json_number_value(found_value) : (double)NAN,
                      json_integer_value(found_n));
        is_same = false;
    }
    return is_same;
}

/* A measure must be in the trend when a closed pane has data of it and the window as a whole has, too. */
static bool is_required(const struct ld_compare *compare, int measure, const struct ld_tally *tally,
                        const int64_t (*panes)[LD_COUNTERS])
{
    int64_t n;
    (void)ld_measure_value(measure, tally->counter, compare->settings, &n);
    if (n == 0)
        return false;
    for (size_t i = 0; i < LD_PANES - 1; i++) {
        (void)ld_measure_value(measure, panes[i], compare->settings, &n);
        if (n != 0)
            return true;
    }
    return false;
}

static bool compare_parsed(const struct ld_compare *compare, const struct ld_tally *tally,
                           const int64_t (*panes)[LD_COUNTERS], const json_t *trend,
                           struct ld_differences *differences)
{
    const struct ld_settings *settings = compare->settings;
    if (!compare_start(compare, trend, differences))
        return false;
    bool is_same = true;
    for (size_t i = 0; i < settings->trend_measure_count; i++) {
        int measure = settings->trend_measures[i];
        const json_t *found = json_object_get(trend, ld_measure_name(measure));
        if (found != NULL) {
            is_same = compare_measure(compare, measure, panes, found, differences) && is_same;
        } else if (is_required(compare, measure, tally, panes)) {
            ld_difference(differences, "%s:trend: expected %s, found nothing", compare->label,
                          ld_measure_name(measure));
            is_same = false;
        }
    }
    return is_same;
}

bool ld_compare_trend(const struct ld_compare *compare, const struct ld_tally *tally,
                      const int64_t (*panes)[LD_COUNTERS], const char *text, struct ld_differences *differences)
{
    if (ld_tally_is_zero(tally)) {
        if (text != NULL)
            ld_difference(differences, "%s:trend: expected no such key", compare->label);
        return text == NULL;
    }
    if (text == NULL) {
        for (size_t i = 0; i < compare->settings->trend_measure_count; i++) {
            if (!is_required(compare, compare->settings->trend_measures[i], tally, panes))
                continue;
            ld_difference(differences, "%s:trend: expected a trend, found nothing", compare->label);
            return false;
        }
        return true;
    }
    json_error_t error;
    json_t *trend = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(trend)) {
        ld_difference(differences, "%s:trend: expected a JSON object: %s", compare->label, error.text);
        json_decref(trend);
        return false;
    }
    bool is_same = compare_parsed(compare, tally, panes, trend, differences);
    json_decref(trend);
    return is_same;
}
