#include "value.h"

#include <delight/time.h>

#include <stdlib.h>
#include <string.h>

/* Whether the node is a list of as many items as may be; else reported. */
static bool check_list(const struct dl_reading *reading, const char *example)
{
    const struct dl_option *option = reading->option;
    const struct dl_node *node = reading->node;
    char expected[160];
    if (node->kind != DL_NODE_LIST) {
        snprintf(expected, sizeof expected, "a list, as %s", example);
        dl_reading_wrong(reading, node, expected);
        return false;
    }
    if (node->children < option->items_min || node->children > option->items_max) {
        dl_report_error(reading->report, node->line, node->column, "%s: expected %zu to %zu items, got %zu", reading->name,
                        option->items_min, option->items_max, node->children);
        return false;
    }
    return true;
}

static void twice(const struct dl_reading *reading, const struct dl_node *node)
{
    char quoted[DL_QUOTE_SIZE];
    dl_report_error(reading->report, node->line, node->column, "%s: %s stands twice in the list", reading->name,
                    dl_config_quote(quoted, node->text));
}

static void deinit_texts(void *value)
{
    struct dl_config_strings *texts = value;
    for (size_t i = 0; i < texts->count; i++)
        dl_text_wipe(&texts->item[i]);
    free(texts->item);
    *texts = (struct dl_config_strings){0};
}

static enum dl_status read_texts(const struct dl_reading *reading, void *value)
{
    struct dl_config_strings *texts = value;
    if (!check_list(reading, reading->option->items_min > 0 ? reading->option->fallback : "[channel, tier]"))
        return DL_INVALID;
    deinit_texts(texts);
    if (reading->node->children == 0)
        return DL_OK;
    texts->item = calloc(reading->node->children, sizeof *texts->item);
    if (texts->item == NULL)
        return DL_MEMORY;
    enum dl_status status = DL_OK;
    for (const struct dl_node *node = reading->node->first; node != NULL; node = node->next) {
        size_t same = 0;
        if (!dl_reading_check_text(reading, node)) {
            status = DL_INVALID;
            continue;
        }
        while (same < texts->count && strcmp(texts->item[same], node->text) != 0)
            same++;
        if (same < texts->count) {
            twice(reading, node);
            status = DL_INVALID;
            continue;
        }
        texts->item[texts->count] = strdup(node->text);
        if (texts->item[texts->count] == NULL)
            return DL_MEMORY;
        texts->count++;
    }
    return status;
}

static void print_texts(const struct dl_option *option, const void *value, int indent, FILE *out)
{
    const struct dl_config_strings *texts = value;
    (void)option, (void)indent;
    fputc('[', out);
    for (size_t i = 0; i < texts->count; i++) {
        fputs(i == 0 ? "" : ", ", out);
        dl_config_print_text(texts->item[i], out);
    }
    fputs("]\n", out);
}

static bool equal_texts(const void *a, const void *b)
{
    const struct dl_config_strings *first = a, *second = b;
    size_t i = 0;
    if (first->count != second->count)
        return false;
    while (i < first->count && strcmp(first->item[i], second->item[i]) == 0)
        i++;
    return i == first->count;
}

static void deinit_durations(void *value)
{
    struct dl_config_durations *durations = value;
    free(durations->item);
    *durations = (struct dl_config_durations){0};
}

static enum dl_status read_durations(const struct dl_reading *reading, void *value)
{
    struct dl_config_durations *durations = value;
    if (!check_list(reading, reading->option->fallback))
        return DL_INVALID;
    deinit_durations(durations);
    durations->item = calloc(reading->node->children, sizeof *durations->item);
    if (durations->item == NULL)
        return DL_MEMORY;
    enum dl_status status = DL_OK;
    for (const struct dl_node *node = reading->node->first; node != NULL; node = node->next) {
        int64_t duration = 0;
        size_t same = 0;
        if (dl_reading_duration(reading, node, &duration) != DL_OK) {
            status = DL_INVALID;
            continue;
        }
        if (duration % 60000 != 0) {
            dl_reading_wrong(reading, node, "whole minutes");
            status = DL_INVALID;
            continue;
        }
        while (same < durations->count && durations->item[same] != duration)
            same++;
        if (same < durations->count) {
            twice(reading, node);
            status = DL_INVALID;
            continue;
        }
        durations->item[durations->count++] = duration;
    }
    return status;
}

static void print_durations(const struct dl_option *option, const void *value, int indent, FILE *out)
{
    const struct dl_config_durations *durations = value;
    char text[32];
    (void)option, (void)indent;
    fputc('[', out);
    for (size_t i = 0; i < durations->count; i++) {
        dl_duration_format(text, sizeof text, durations->item[i]);
        fprintf(out, "%s%s", i == 0 ? "" : ", ", text);
    }
    fputs("]\n", out);
}

static bool equal_durations(const void *a, const void *b)
{
    const struct dl_config_durations *first = a, *second = b;
    return first->count == second->count &&
           (first->count == 0 || memcmp(first->item, second->item, first->count * sizeof *first->item) == 0);
}

/* ---- Measures ---- */

static void deinit_measures(void *value)
{
    struct dl_config_measures *measures = value;
    free(measures->item);
    *measures = (struct dl_config_measures){0};
}

static void wrong_measure(const struct dl_reading *reading, const struct dl_node *node)
{
    char expected[240] = "one of ";
    size_t used = strlen(expected);
    if (node->kind != DL_NODE_SCALAR) {
        dl_reading_wrong(reading, node, "the name of a score");
        return;
    }
    struct dl_nearest nearest = {.wanted = node->text};
    for (int id = 0; id < DL_FIELDS; id++) {
        if (!dl_fields[id].measure)
            continue;
        dl_nearest_offer(&nearest, dl_fields[id].name);
        if (used < sizeof expected)
            used += (size_t)snprintf(expected + used, sizeof expected - used, "%s%s", used > strlen("one of ") ? ", " : "",
                                     dl_fields[id].name);
    }
    if (nearest.word != NULL)
        snprintf(expected, sizeof expected, "a score that can be ranked (did you mean %s?)", nearest.word);
    dl_reading_wrong(reading, node, expected);
}

static enum dl_status read_measures(const struct dl_reading *reading, void *value)
{
    struct dl_config_measures *measures = value;
    if (!check_list(reading, "[nps, csat]"))
        return DL_INVALID;
    deinit_measures(measures);
    if (reading->node->children == 0)
        return DL_OK;
    measures->item = calloc(reading->node->children, sizeof *measures->item);
    if (measures->item == NULL)
        return DL_MEMORY;
    enum dl_status status = DL_OK;
    for (const struct dl_node *node = reading->node->first; node != NULL; node = node->next) {
        int id = node->kind == DL_NODE_SCALAR ? dl_field_find(node->text, strlen(node->text)) : -1;
        if (id < 0 || !dl_fields[id].measure) {
            wrong_measure(reading, node);
            status = DL_INVALID;
            continue;
        }
        size_t same = 0;
        while (same < measures->count && measures->item[same] != id)
            same++;
        if (same < measures->count) {
            twice(reading, node);
            status = DL_INVALID;
            continue;
        }
        measures->item[measures->count++] = id;
    }
    return status;
}

static void print_measures(const struct dl_option *option, const void *value, int indent, FILE *out)
{
    const struct dl_config_measures *measures = value;
    (void)option, (void)indent;
    fputc('[', out);
    for (size_t i = 0; i < measures->count; i++)
        fprintf(out, "%s%s", i == 0 ? "" : ", ", dl_fields[measures->item[i]].name);
    fputs("]\n", out);
}

static bool equal_measures(const void *a, const void *b)
{
    const struct dl_config_measures *first = a, *second = b;
    return first->count == second->count &&
           (first->count == 0 || memcmp(first->item, second->item, first->count * sizeof *first->item) == 0);
}

/* ---- Properties: free keys ---- */

static void deinit_properties(void *value)
{
    struct dl_config_properties *properties = value;
    for (size_t i = 0; i < properties->count; i++) {
        dl_text_wipe(&properties->item[i].key);
        dl_text_wipe(&properties->item[i].value);
    }
    free(properties->item);
    *properties = (struct dl_config_properties){0};
}

enum dl_status dl_properties_put(struct dl_config_properties *properties, const char *key, const char *value)
{
    size_t i = 0;
    while (i < properties->count && strcmp(properties->item[i].key, key) != 0)
        i++;
    char *copy = strdup(value);
    if (copy == NULL)
        return DL_MEMORY;
    if (i < properties->count) {
        dl_text_wipe(&properties->item[i].value);
        properties->item[i].value = copy;
        return DL_OK;
    }
    struct dl_config_property *grown = reallocarray(properties->item, i + 1, sizeof *grown);
    if (grown != NULL)
        properties->item = grown;
    char *key_copy = grown != NULL ? strdup(key) : NULL;
    if (key_copy == NULL) {
        dl_text_wipe(&copy);
        return DL_MEMORY;
    }
    properties->item[properties->count++] = (struct dl_config_property){.key = key_copy, .value = copy};
    return DL_OK;
}

enum dl_status dl_properties_set(const struct dl_reading *reading, struct dl_config_properties *properties, const char *key,
                                 int line, int column)
{
    const struct dl_option *option = reading->option;
    const struct dl_node *node = reading->node;
    char quoted[DL_QUOTE_SIZE];
    const char *expected = option->check(key);
    if (expected != NULL) {
        dl_report_error(reading->report, line, column, "%s: %s: %s", reading->name, dl_config_quote(quoted, key), expected);
        return DL_INVALID;
    }
    bool secret = (option->flags & DL_OPTION_SECRET) != 0 && dl_property_secret(key);
    if (secret && reading->report->argument) {
        dl_report_error(reading->report, line, column,
                        "%s: expected no secret on the command line, where every user of the host can read it; use kafka.properties_files",
                        reading->name);
        return DL_INVALID;
    }
    if (node->reported)
        return DL_INVALID;
    if (node->kind != DL_NODE_SCALAR) {
        dl_report_error(reading->report, node->line, node->column, "%s: %s: expected a value, got %s", reading->name, key,
                        dl_node_kind_text(node));
        return DL_INVALID;
    }
    size_t bytes = strlen(node->text);
    if (bytes < (size_t)option->min || bytes > (size_t)option->max || properties->count >= option->items_max) {
        dl_report_error(reading->report, node->line, node->column,
                        "%s: %s: expected a value of %d to %d bytes, and at most %zu properties", reading->name, key,
                        (int)option->min, (int)option->max, option->items_max);
        return DL_INVALID;
    }
    return dl_properties_put(properties, key, node->text);
}

static enum dl_status read_properties(const struct dl_reading *reading, void *value)
{
    if (reading->node->kind != DL_NODE_MAP) {
        dl_reading_wrong(reading, reading->node, "a section of properties and their values");
        return DL_INVALID;
    }
    enum dl_status status = DL_OK;
    for (const struct dl_node *node = reading->node->first; node != NULL; node = node->next) {
        struct dl_reading one = *reading;
        one.node = node;
        enum dl_status each = dl_properties_set(&one, value, node->key, node->key_line, node->key_column);
        if (each == DL_MEMORY)
            return each;
        if (each != DL_OK)
            status = each;
    }
    return status;
}

static void print_properties(const struct dl_option *option, const void *value, int indent, FILE *out)
{
    const struct dl_config_properties *properties = value;
    fputs(properties->count == 0 ? "{}\n" : "\n", out);
    for (size_t i = 0; i < properties->count; i++) {
        bool hide = (option->flags & DL_OPTION_SECRET) != 0 && dl_property_secret(properties->item[i].key);
        fprintf(out, "%*s%s: ", indent + 2, "", properties->item[i].key);
        dl_config_print_text(hide ? "***" : properties->item[i].value, out);
        fputc('\n', out);
    }
}

static bool equal_properties(const void *a, const void *b)
{
    const struct dl_config_properties *first = a, *second = b;
    size_t i = 0;
    if (first->count != second->count)
        return false;
    while (i < first->count && strcmp(first->item[i].key, second->item[i].key) == 0 &&
           strcmp(first->item[i].value, second->item[i].value) == 0)
        i++;
    return i == first->count;
}

/* ---- The types ---- */

const struct dl_option_type_row dl_type_texts = {"list", sizeof(struct dl_config_strings), read_texts, print_texts, equal_texts, deinit_texts};
const struct dl_option_type_row dl_type_durations = {"list of durations", sizeof(struct dl_config_durations), read_durations,
                                                     print_durations, equal_durations, deinit_durations};
const struct dl_option_type_row dl_type_measures = {"list of scores", sizeof(struct dl_config_measures), read_measures, print_measures,
                                                    equal_measures, deinit_measures};
const struct dl_option_type_row dl_type_properties = {"section", sizeof(struct dl_config_properties), read_properties,
                                                      print_properties, equal_properties, deinit_properties};
