/* What a value of each type can do: be read from a node, printed, compared,
 * freed. Private to src/adapter/config. */
#pragma once

#include "schema.h"

/* One value under examination. */
struct dl_reading {
    const struct dl_option *option;
    const struct dl_node *node;
    const char *name; /* as the user knows the place: "windows", "catalogue.journeys" */
    const struct dl_report *report;
};

struct dl_option_type_row {
    const char *name;         /* for help */
    size_t size;              /* of the value in struct dl_config */
    /* Sets *value from the node; what it held is freed. DL_INVALID: reported. */
    enum dl_status (*read)(const struct dl_reading *reading, void *value);
    /* The value with the line's end, where "path: " has been printed; indent is the key's. */
    void (*print)(const struct dl_option *option, const void *value, int indent, FILE *out);
    bool (*equal)(const void *a, const void *b);
    void (*deinit)(void *value); /* wipes and frees; leaves zeros */
};

extern const struct dl_option_type_row dl_type_text, dl_type_path, dl_type_integer, dl_type_bytes, dl_type_duration, dl_type_word;
extern const struct dl_option_type_row dl_type_texts, dl_type_durations, dl_type_measures, dl_type_properties; /* list.c */
extern const struct dl_option_type_row dl_type_targets;                                                       /* target.c */
extern const struct dl_option_type_row dl_type_places;                                                        /* place.c */

/* The row of an option's type. */
const struct dl_option_type_row *dl_option_type(const struct dl_option *option);

/* Reports that the node is not what was expected, without repeating a secret. */
void dl_reading_wrong(const struct dl_reading *reading, const struct dl_node *node, const char *expected);
/* Whether the node is a text of the length and the letters that the row allows; else reported. */
bool dl_reading_check_text(const struct dl_reading *reading, const struct dl_node *node);
DL_MUST_USE enum dl_status dl_reading_duration(const struct dl_reading *reading, const struct dl_node *node, int64_t *duration_ms);
/* Wipes and frees. */
void dl_text_wipe(char **text);

/* Sets one free key, as `--set kafka.properties.KEY=VALUE` does. */
DL_MUST_USE enum dl_status dl_properties_set(const struct dl_reading *reading, struct dl_config_properties *properties,
                                             const char *key, int line, int column);
/* Adds the key or replaces its value; copies both. */
DL_MUST_USE enum dl_status dl_properties_put(struct dl_config_properties *properties, const char *key, const char *value);
