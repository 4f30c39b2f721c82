#include "verify.h"

#include "compare.h"
#include "timefmt.h"
#include "util.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_MAX 160
#define VALUE_MAX 64

/* A JSON value as the text that Redis would hold; false for null, which stands for no value. */
static bool print_value(const json_t *value, char out[VALUE_MAX])
{
    switch (json_typeof(value)) {
    case JSON_INTEGER:
        snprintf(out, VALUE_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return true;
    case JSON_REAL:
        snprintf(out, VALUE_MAX, "%.4f", json_real_value(value));
        return true;
    case JSON_STRING:
        snprintf(out, VALUE_MAX, "%s", json_string_value(value));
        return true;
    case JSON_NULL:
        return false;
    default:
        snprintf(out, VALUE_MAX, "no number or text");
        return true;
    }
}

static void check_hash(const struct ld_verify *verify, const struct ld_window *window,
                       const struct ld_subject *subject, const struct ld_tally *tally, json_t *object)
{
    struct ld_found found[FOUND_MAX];
    char(*values)[VALUE_MAX] = ld_alloc(FOUND_MAX, sizeof *values);
    char *label = ld_format("%s %s", subject->name, window->name);
    struct ld_compare compare = {.settings = verify->settings,
                                 .window = window,
                                 .label = label,
                                 .is_feature = subject->kind == LD_KIND_FEATURE};
    size_t count = 0;
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (count < FOUND_MAX && print_value(value, values[count])) {
            found[count] = (struct ld_found){name, values[count]};
            count++;
        }
    }
    ld_compare_hash(&compare, tally, found, count, verify->differences);
    free(label);
    free(values);
}

static void check_window(const struct ld_verify *verify, size_t index, int64_t clock_ms, json_t *subjects)
{
    const struct ld_window *window = &verify->settings->windows[index];
    struct ld_snapshot *snapshot = ld_snapshot_create(verify->recount, index, clock_ms, false);
    struct ld_tally tally = {0};
    for (size_t i = 0; i < ld_recount_subject_count(verify->recount); i++) {
        const struct ld_subject *subject = ld_recount_subject(verify->recount, i);
        ld_snapshot_subject(snapshot, i, &tally, NULL);
        check_hash(verify, window, subject, &tally,
                   json_object_get(json_object_get(subjects, subject->name), window->name));
    }
    ld_tally_deinit(&tally);
    ld_snapshot_destroy(snapshot);
}

/* Subjects and windows that nobody asked for. */
static void check_extra(const struct ld_verify *verify, json_t *subjects)
{
    json_t *known = json_object();
    const char *name;
    const char *window;
    json_t *windows;
    json_t *fields;
    for (size_t i = 0; i < ld_recount_subject_count(verify->recount); i++)
        json_object_set_new(known, ld_recount_subject(verify->recount, i)->name, json_true());
    json_object_foreach(subjects, name, windows)
    {
        if (json_object_get(known, name) == NULL)
            ld_difference(verify->differences, "%s: expected no such subject", name);
        json_object_foreach(windows, window, fields)
        {
            bool is_configured = false;
            for (size_t i = 0; i < verify->settings->window_count; i++)
                is_configured = is_configured || strcmp(verify->settings->windows[i].name, window) == 0;
            if (!is_configured)
                ld_difference(verify->differences, "%s: expected no window %s", name, window);
        }
    }
    json_decref(known);
}

static void check_rejected(const struct ld_verify *verify, json_t *rejected)
{
    for (int i = 0; i < (int)LD_REASONS; i++) {
        const char *name = ld_reason_name((enum ld_reason)i);
        uint64_t expected = verify->run->sent_by_reason[i];
        json_int_t found = json_integer_value(json_object_get(rejected, name));
        if (found < 0 || (uint64_t)found != expected)
            ld_difference(verify->differences, "rejected as %s: expected %" PRIu64 ", found %" JSON_INTEGER_FORMAT,
                          name, expected, found);
    }
}

static void check_as_of(const struct ld_verify *verify, int64_t clock_ms, json_t *document)
{
    char expected[LD_TIME_TEXT_MAX];
    int64_t ms = INT64_MIN;
    const char *text = json_string_value(json_object_get(document, "as_of"));
    ld_time_format(expected, clock_ms, 0);
    if (text == NULL || !ld_time_parse(text, 0, &ms) || ms != clock_ms)
        ld_difference(verify->differences, "as_of: expected %s, found %s", expected, text == NULL ? "nothing" : text);
}

bool ld_verify_json(const struct ld_verify *verify, const char *file)
{
    json_error_t error;
    json_t *document = strcmp(file, "-") == 0 ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &error)
                                              : json_load_file(file, JSON_REJECT_DUPLICATES, &error);
    ld_differences_clear(verify->differences);
    if (!json_is_object(document)) {
        ld_say("%s:%d:%d: %s", file, error.line, error.column, error.text);
        json_decref(document);
        return false;
    }
    int64_t clock_ms = verify->as_of_ms != 0 ? verify->as_of_ms : ld_recount_newest_ms(verify->recount);
    json_t *subjects = json_object_get(document, "subjects");
    check_as_of(verify, clock_ms, document);
    if (verify->run->traffic->is_for_file)
        check_rejected(verify, json_object_get(document, "rejected"));
    for (size_t i = 0; i < verify->settings->window_count; i++)
        check_window(verify, i, clock_ms, subjects);
    check_extra(verify, subjects);
    json_decref(document);
    if (verify->differences->count == 0)
        ld_say("verify: equal: %s, %zu subjects in %zu windows", file, ld_recount_subject_count(verify->recount),
               verify->settings->window_count);
    return verify->differences->count == 0;
}
