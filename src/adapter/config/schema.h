/* The schema: one row per option, and what a value of each type can do.
 * Private to src/adapter/config. */
#pragma once

#include "node.h"

enum dl_option_type {
    DL_OPTION_TEXT,       /* char *, never NULL */
    DL_OPTION_PATH,       /* char *, NULL: none */
    DL_OPTION_INTEGER,    /* int64_t */
    DL_OPTION_BYTES,      /* int64_t; KiB, MiB, GiB */
    DL_OPTION_DURATION,   /* int64_t, ms */
    DL_OPTION_WORD,       /* int: index into the row's words */
    DL_OPTION_TEXTS,      /* struct dl_config_strings */
    DL_OPTION_DURATIONS,  /* struct dl_config_durations */
    DL_OPTION_MEASURES,   /* struct dl_config_measures */
    DL_OPTION_PROPERTIES, /* struct dl_config_properties: free keys */
    DL_OPTION_TARGETS,    /* struct dl_config_targets */
    DL_OPTION_PLACES,     /* struct dl_config_places */
    DL_OPTION_TYPES
};

enum {
    DL_OPTION_RELOADABLE = 1, /* may change while running */
    DL_OPTION_SECRET = 2      /* may hold a password: hidden in print, never repeated in an error */
};

struct dl_option {
    const char *path;         /* "redis.tls.ca_file" */
    enum dl_option_type type;
    size_t offset;            /* in struct dl_config */
    int64_t min, max;         /* numbers: the value; texts: bytes; DURATIONS: each item; both ends belong to it */
    size_t items_min, items_max; /* lists */
    const char *const *words; /* WORD: NULL-terminated, in the order of the enum */
    const char *fallback;     /* the default as it would stand in the file; NULL: see fallback_help */
    const char *fallback_help;
    unsigned flags;
    const char *(*check)(const char *text); /* of a text or an item: NULL, or what was expected; of a key: a sentence */
    const char *help;         /* sentences for --help, the manual page and the documentation */
};

extern const struct dl_option dl_options[];
extern const size_t dl_option_count;

/* A text as a YAML scalar that reads back as the same text. */
void dl_config_print_text(const char *text, FILE *out);
/* Whether a librdkafka property holds a secret. */
bool dl_property_secret(const char *key);
/* Where url's password stands; false: it has none. */
bool dl_url_password(const char *url, size_t *begin, size_t *end);

/* "10ms to 10s". */
void dl_option_range(const struct dl_option *option, char *out, size_t size);

/* Where an option was set, for sentences about combinations. */
struct dl_origin {
    bool set;
    int line, column;
    char *argument; /* "--set a.b=c", NULL: the file */
};

struct dl_config_origins {
    char *source;
    struct dl_origin *origin; /* dl_option_count */
};

size_t dl_option_find(const char *path, size_t bytes); /* dl_option_count: none */

/* The combinations that rows cannot express. */
enum dl_status dl_config_check_combinations(const struct dl_config *config, struct dl_config_errors *errors);
/* Reports at the place where the option was set, or at the file as a whole. */
void dl_config_report_at(const struct dl_config *config, struct dl_config_errors *errors, bool warning, const char *path,
                         const char *format, ...) DL_PRINTF(5, 6);
