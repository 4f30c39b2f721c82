#include "config.h"

#include "timefmt.h"
#include "util.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
    const char *file;
    yaml_document_t document;
    struct ld_settings *settings;
    bool has_failed;
};

static void fail(struct reader *reader, const yaml_node_t *node, const char *key, const char *expected)
{
    ld_say("%s:%zu: %s: expected %s", reader->file, node != NULL ? node->start_mark.line + 1 : 0, key, expected);
    reader->has_failed = true;
}

static yaml_node_t *node_at(struct reader *reader, int index)
{
    return yaml_document_get_node(&reader->document, index);
}

/* The text of a mapping's key; a key that is no text matches nothing. */
static const char *key_of(struct reader *reader, const yaml_node_pair_t *pair)
{
    const yaml_node_t *key = node_at(reader, pair->key);
    return key->type == YAML_SCALAR_NODE ? (const char *)key->data.scalar.value : "";
}

/* The value of `key` in a mapping; NULL when there is none. */
static yaml_node_t *member(struct reader *reader, const yaml_node_t *mapping, const char *key)
{
    if (mapping == NULL || mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top; pair++) {
        if (strcmp(key_of(reader, pair), key) == 0)
            return node_at(reader, pair->value);
    }
    return NULL;
}

/* ${NAME} stands for an environment variable. The caller frees the text. */
static char *expanded(struct reader *reader, const yaml_node_t *node, const char *key)
{
    const char *in = (const char *)node->data.scalar.value;
    char *out = ld_copy("");
    for (;;) {
        const char *open = strstr(in, "${");
        const char *close = open != NULL ? strchr(open, '}') : NULL;
        if (close == NULL)
            break;
        char *name = ld_copy_bytes(open + 2, (size_t)(close - open - 2));
        const char *value = getenv(name);
        if (value == NULL)
            fail(reader, node, key, "an environment variable that is set");
        char *longer = ld_format("%s%.*s%s", out, (int)(open - in), in, value != NULL ? value : "");
        free(out);
        free(name);
        out = longer;
        in = close + 1;
    }
    char *whole = ld_format("%s%s", out, in);
    free(out);
    return whole;
}

/* Text of a scalar, or NULL when the key is absent or null. The caller frees it. */
static char *text_of(struct reader *reader, const yaml_node_t *node, const char *key)
{
    if (node == NULL)
        return NULL;
    if (node->type != YAML_SCALAR_NODE) {
        fail(reader, node, key, "one value");
        return NULL;
    }
    char *text = expanded(reader, node, key);
    if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && (strcmp(text, "null") == 0 || strcmp(text, "~") == 0)) {
        free(text);
        return NULL;
    }
    return text;
}

static void read_text(struct reader *reader, const yaml_node_t *mapping, const char *key, char **field)
{
    char *text = text_of(reader, member(reader, mapping, key), key);
    if (text != NULL)
        ld_settings_put(field, text);
    free(text);
}

struct unit {
    const char *name;
    int shift; /* 2 to the power of it */
};

static void read_number(struct reader *reader, const yaml_node_t *mapping, const char *key, const struct unit *units, size_t unit_count,
                        const char *expected, int64_t *value)
{
    yaml_node_t *node = member(reader, mapping, key);
    char *text = text_of(reader, node, key);
    if (text == NULL)
        return;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    bool read = false;
    for (size_t i = 0; i < unit_count; i++)
        if (errno == 0 && end != text && number >= 0 && number <= INT64_MAX >> units[i].shift && strcmp(end, units[i].name) == 0) {
            *value = (int64_t)number << units[i].shift;
            read = true;
        }
    if (!read)
        fail(reader, node, key, expected);
    free(text);
}

static void read_integer(struct reader *reader, const yaml_node_t *mapping, const char *key, int64_t *value)
{
    static const struct unit none[] = {{"", 0}};
    read_number(reader, mapping, key, none, 1, "a number of 0 or more", value);
}

static void read_bytes(struct reader *reader, const yaml_node_t *mapping, const char *key, int64_t *bytes)
{
    static const struct unit units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
    read_number(reader, mapping, key, units, sizeof units / sizeof units[0], "bytes, as 65536 or 64KiB", bytes);
}

static void read_duration(struct reader *reader, const yaml_node_t *mapping, const char *key, int64_t *ms)
{
    yaml_node_t *node = member(reader, mapping, key);
    char *text = text_of(reader, node, key);
    if (text != NULL && !ld_duration_parse(text, ms))
        fail(reader, node, key, "a duration, as 20s");
    free(text);
}

/* Calls `take` for every text of a list. */
static void each_text(struct reader *reader, const yaml_node_t *list, const char *key,
                      bool (*take)(struct reader *reader, const char *key, const char *text))
{
    if (list == NULL)
        return;
    if (list->type != YAML_SEQUENCE_NODE) {
        fail(reader, list, key, "a list");
        return;
    }
    for (yaml_node_item_t *item = list->data.sequence.items.start; item < list->data.sequence.items.top; item++) {
        char *text = text_of(reader, node_at(reader, *item), key);
        if (text != NULL && !take(reader, key, text))
            reader->has_failed = true;
        free(text);
    }
}

static bool take_window(struct reader *reader, const char *key, const char *text)
{
    return ld_settings_add_window(reader->settings, key, text);
}

static bool take_segment(struct reader *reader, const char *key, const char *text)
{
    return ld_settings_add_segment(reader->settings, key, text);
}

static bool take_rank_measure(struct reader *reader, const char *key, const char *text)
{
    return ld_settings_add_rank_measure(reader->settings, key, text);
}

static bool take_trend_measure(struct reader *reader, const char *key, const char *text)
{
    return ld_settings_add_trend_measure(reader->settings, key, text);
}

static bool take_topic(struct reader *reader, const char *key, const char *text)
{
    (void)key;
    if (reader->settings->topic == NULL)
        reader->settings->topic = ld_copy(text);
    return true;
}

static void read_choice(struct reader *reader, const yaml_node_t *mapping, const char *key, const char *const *words,
                        int count, int *choice)
{
    yaml_node_t *node = member(reader, mapping, key);
    char *text = text_of(reader, node, key);
    bool is_found = text == NULL;
    for (int i = 0; text != NULL && i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            *choice = i;
            is_found = true;
        }
    }
    if (!is_found)
        fail(reader, node, key, "one of the words that delightd check lists");
    free(text);
}

static void read_scoring(struct reader *reader, const yaml_node_t *root)
{
    static const char *const clocks[] = {"wall", "event"};
    struct ld_settings *settings = reader->settings;
    const yaml_node_t *scales = member(reader, root, "scales");
    const yaml_node_t *service_level = member(reader, root, "service_level");
    const yaml_node_t *rank = member(reader, root, "rank");
    const yaml_node_t *trends = member(reader, root, "trends");
    int64_t csat_max = settings->csat_max, csat_top = 0, formula = settings->service_level_formula;
    int clock = (int)settings->clock;
    read_choice(reader, root, "clock", clocks, 2, &clock);
    settings->clock = (enum ld_clock)clock;
    each_text(reader, member(reader, root, "windows"), "windows", take_window);
    each_text(reader, member(reader, root, "segments"), "segments", take_segment);
    read_integer(reader, scales, "csat_max", &csat_max);
    read_integer(reader, scales, "csat_top", &csat_top);
    if (!ld_settings_set_csat(settings, reader->file, csat_max, csat_top))
        reader->has_failed = true;
    read_duration(reader, service_level, "threshold", &settings->threshold_ms);
    read_duration(reader, service_level, "short_abandon", &settings->short_abandon_ms);
    read_integer(reader, service_level, "formula", &formula);
    if (formula < 1 || formula > 6)
        fail(reader, service_level, "service_level.formula", "1 to 6");
    settings->service_level_formula = (int)formula;
    read_integer(reader, member(reader, root, "privacy"), "min_n", &settings->privacy_min_n);
    read_integer(reader, rank, "min_n", &settings->rank_min_n);
    read_integer(reader, member(reader, root, "dedupe"), "records", &settings->dedupe_records);
    read_bytes(reader, member(reader, root, "limits"), "event_bytes", &settings->event_bytes_max);
    if (member(reader, rank, "measures") != NULL)
        settings->rank_measure_count = 0;
    if (member(reader, trends, "measures") != NULL)
        settings->trend_measure_count = 0;
    each_text(reader, member(reader, rank, "measures"), "rank.measures", take_rank_measure);
    each_text(reader, member(reader, trends, "measures"), "trends.measures", take_trend_measure);
}

/* ---- catalogue ---- */

static void read_stage(struct reader *reader, const char *journey, const yaml_node_t *stage)
{
    const yaml_node_t *touchpoints = member(reader, stage, "touchpoints");
    char *name = text_of(reader, member(reader, stage, "name"), "stage");
    if (name == NULL)
        fail(reader, stage, "catalogue", "a name for every stage");
    if (touchpoints != NULL && touchpoints->type == YAML_SEQUENCE_NODE && name != NULL) {
        yaml_node_item_t *item = touchpoints->data.sequence.items.start;
        for (; item < touchpoints->data.sequence.items.top; item++) {
            char *touchpoint = text_of(reader, node_at(reader, *item), "touchpoints");
            if (touchpoint != NULL)
                ld_settings_add_place(reader->settings, journey, name, touchpoint);
            free(touchpoint);
        }
    }
    free(name);
}

static void read_journey(struct reader *reader, const yaml_node_t *journey)
{
    const yaml_node_t *stages = member(reader, journey, "stages");
    char *name = text_of(reader, member(reader, journey, "name"), "journey");
    if (name == NULL)
        fail(reader, journey, "catalogue", "a name for every journey");
    if (stages != NULL && stages->type == YAML_SEQUENCE_NODE && name != NULL) {
        yaml_node_item_t *item = stages->data.sequence.items.start;
        for (; item < stages->data.sequence.items.top; item++)
            read_stage(reader, name, node_at(reader, *item));
    }
    free(name);
}

static void read_catalogue(struct reader *reader, const yaml_node_t *root)
{
    static const char *const choices[] = {"accept", "other", "deadletter"};
    const yaml_node_t *catalogue = member(reader, root, "catalogue");
    const yaml_node_t *journeys = member(reader, catalogue, "journeys");
    int unknown = (int)reader->settings->unknown_touchpoint;
    read_choice(reader, catalogue, "unknown_touchpoint", choices, 3, &unknown);
    reader->settings->unknown_touchpoint = (enum ld_unknown_touchpoint)unknown;
    if (journeys == NULL || journeys->type != YAML_SEQUENCE_NODE)
        return;
    yaml_node_item_t *item = journeys->data.sequence.items.start;
    for (; item < journeys->data.sequence.items.top; item++)
        read_journey(reader, node_at(reader, *item));
}

/* ---- where Kafka and Redis are ---- */

/* Of the daemon's librdkafka properties a producer needs those of the connection. */
static bool is_connection_property(const char *name)
{
    return strncmp(name, "security.", 9) == 0 || strncmp(name, "sasl.", 5) == 0 || strncmp(name, "ssl.", 4) == 0 ||
           strncmp(name, "broker.address.", 15) == 0;
}

static void read_properties(struct reader *reader, const yaml_node_t *properties)
{
    struct ld_settings *settings = reader->settings;
    if (properties == NULL || properties->type != YAML_MAPPING_NODE)
        return;
    yaml_node_pair_t *pair = properties->data.mapping.pairs.start;
    for (; pair < properties->data.mapping.pairs.top; pair++) {
        const char *name = key_of(reader, pair);
        char *value = text_of(reader, node_at(reader, pair->value), name);
        if (value != NULL && strcmp(name, "bootstrap.servers") == 0)
            ld_settings_put(&settings->brokers, value);
        else if (value != NULL && is_connection_property(name))
            ld_settings_add_property(settings, name, value);
        free(value);
    }
}

/* Properties whose values lie in files, as passwords do. */
static void read_property_files(struct reader *reader, const yaml_node_t *files)
{
    if (files == NULL || files->type != YAML_MAPPING_NODE)
        return;
    for (yaml_node_pair_t *pair = files->data.mapping.pairs.start; pair < files->data.mapping.pairs.top; pair++) {
        const char *name = key_of(reader, pair);
        char *file = text_of(reader, node_at(reader, pair->value), name);
        char *value = file != NULL ? ld_settings_secret(file) : NULL;
        if (value != NULL && is_connection_property(name))
            ld_settings_add_property(reader->settings, name, value);
        reader->has_failed = reader->has_failed || value == NULL;
        free(value);
        free(file);
    }
}

static void read_places(struct reader *reader, const yaml_node_t *root)
{
    struct ld_settings *settings = reader->settings;
    const yaml_node_t *kafka = member(reader, root, "kafka");
    const yaml_node_t *redis = member(reader, root, "redis");
    each_text(reader, member(reader, kafka, "topics"), "kafka.topics", take_topic);
    read_text(reader, kafka, "dead_letter_topic", &settings->dead_letter_topic);
    read_properties(reader, member(reader, kafka, "properties"));
    read_property_files(reader, member(reader, kafka, "properties_files"));
    read_text(reader, redis, "url", &settings->redis_url);
    read_text(reader, redis, "prefix", &settings->prefix);
    read_text(reader, redis, "password_file", &settings->redis_password_file);
}

static bool load(struct reader *reader)
{
    yaml_parser_t parser;
    FILE *file = fopen(reader->file, "r");
    if (file == NULL) {
        ld_say("%s: %s", reader->file, strerror(errno));
        return false;
    }
    bool is_good = yaml_parser_initialize(&parser) == 1;
    if (is_good) {
        yaml_parser_set_input_file(&parser, file);
        is_good = yaml_parser_load(&parser, &reader->document) == 1;
        if (!is_good)
            ld_say("%s:%zu: %s", reader->file, parser.problem_mark.line + 1,
                   parser.problem != NULL ? parser.problem : "no YAML");
        yaml_parser_delete(&parser);
    }
    fclose(file);
    return is_good;
}

bool ld_config_read(const char *file, struct ld_settings *settings)
{
    struct reader reader = {.file = file, .settings = settings};
    if (!load(&reader))
        return false;
    const yaml_node_t *root = yaml_document_get_root_node(&reader.document);
    if (root != NULL && root->type != YAML_MAPPING_NODE)
        fail(&reader, root, "the file", "keys and values");
    read_scoring(&reader, root);
    read_catalogue(&reader, root);
    read_places(&reader, root);
    yaml_document_delete(&reader.document);
    return !reader.has_failed;
}
