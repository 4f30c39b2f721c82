/* The configuration: a YAML file and `--set a.b=c`, checked against schema rows.
 *
 *   libyaml events ─► nodes with positions ─► one loop over the rows ─► cross checks ─► struct dl_config
 *
 * One row is an option's path, type, range, default, unit and help; the effective
 * values, --help, the manual page and the comparison of two configurations are
 * printed from the same rows. No thread of its own; a loaded configuration is
 * constant and may be read from any thread. */
#pragma once

#include <delight/catalogue.h>
#include <delight/clock.h>
#include <delight/note.h>
#include <delight/score.h>

#include <stdint.h>
#include <stdio.h>

enum dl_durability { DL_DURABILITY_MEMORY, DL_DURABILITY_KAFKA };
enum dl_on_data_loss { DL_ON_DATA_LOSS_STOP, DL_ON_DATA_LOSS_CONTINUE };
/* In the order of enum dl_log_target, which an adapter must not know. */
enum dl_config_log_target { DL_CONFIG_LOG_AUTO, DL_CONFIG_LOG_STDERR, DL_CONFIG_LOG_JOURNAL };

struct dl_config_strings {
    char **item;
    size_t count;
};

struct dl_config_property {
    char *key, *value;
};

struct dl_config_properties {
    struct dl_config_property *item; /* keys differ */
    size_t count;
};

struct dl_config_durations {
    int64_t *item; /* ms */
    size_t count;
};

/* Field ids (enum dl_field_id) whose dl_fields row is a measure. */
struct dl_config_measures {
    int *item;
    size_t count;
};

struct dl_config_target {
    int field;    /* whose dl_fields row is a measure */
    double value; /* in the field's unit */
};

struct dl_config_targets {
    struct dl_config_target *item; /* fields differ */
    size_t count;
};

/* In configured order; the places of a stage, and the stages of a journey, stand
 * side by side. */
struct dl_config_place {
    char *journey, *stage;
    char *touchpoint; /* NULL: the stage has no touchpoints yet */
};

struct dl_config_places {
    struct dl_config_place *item;
    size_t count;
};

/* Strings are UTF-8 and never NULL unless it says so. Times are ms. */
struct dl_config {
    char *instance; /* default: the host's name */
    struct {
        int level;  /* enum dl_note_level */
        int target; /* enum dl_config_log_target */
    } log;
    struct {
        struct dl_config_strings topics;
        char *dead_letter_topic; /* "": none */
        char *tallies_topic, *state_topic;
        int64_t record_version; /* of the records written to these two */
        struct dl_config_properties properties;       /* as configured */
        struct dl_config_properties properties_files; /* key, file that holds the value */
        /* What librdkafka gets: both of the above, files read. Filled in by
         * dl_config_require_service, empty before. */
        struct dl_config_properties effective;
    } kafka;
    struct {
        char *url; /* "": not configured */
        char *prefix;
        char *password_file; /* NULL: none */
        char *tls_ca_file, *tls_certificate_file, *tls_key_file; /* NULL: none */
        int64_t connect_timeout_ms, reply_timeout_ms;
        int64_t buffer_bytes;
    } redis;
    struct {
        char *listen; /* "": nothing is served */
        struct dl_config_strings hosts;
        char *token_file; /* NULL: none */
        int64_t connections, streams;
        struct dl_config_measures scores; /* in /metrics */
        int64_t scores_max;
    } http;
    int durability; /* enum dl_durability */
    struct dl_config_strings roles; /* "ingest", "score" */
    int64_t checkpoint_interval_ms;
    int on_data_loss; /* enum dl_on_data_loss */
    int clock;      /* enum dl_clock_mode */
    struct dl_config_durations windows; /* 1..DL_WINDOWS_MAX, as ordered in the file, no two the same */
    struct dl_config_strings segments;  /* 0..DL_SEGMENTS_MAX */
    int64_t batch_interval_ms, publish_interval_ms, shutdown_timeout_ms;
    struct {
        int64_t csat_max; /* 5, 7 or 10 */
        int64_t csat_top; /* 1..csat_max */
    } scales;
    struct {
        int64_t threshold_ms, short_abandon_ms;
        int64_t formula; /* enum dl_service_level_formula */
    } service_level;
    struct {
        int64_t min_n; /* 0: off */
    } privacy;
    struct {
        struct dl_config_measures measures;
        int64_t min_n;
    } rank;
    struct {
        struct dl_config_measures measures;
    } trends;
    struct dl_config_targets targets;
    struct {
        int64_t records; /* 0: off */
    } dedupe;
    struct {
        int64_t event_bytes, batch_bytes;
        int64_t subjects, touchpoints, stages, journeys, features, segment_values;
    } limits;
    struct {
        int unknown_touchpoint; /* enum dl_unknown_touchpoint */
        struct dl_config_places places;
    } catalogue;

    struct dl_config_origins *origins; /* where each option was set; private to the module */
};

/* What is wrong (or, a warning, only doubtful). */
enum { DL_CONFIG_ERRORS_MAX = 20, DL_CONFIG_SOURCE_SIZE = 256, DL_CONFIG_TEXT_SIZE = 400 };

struct dl_config_error {
    bool warning;
    char source[DL_CONFIG_SOURCE_SIZE]; /* the file, or "--set a.b=c" */
    int line, column;                   /* from 1; 0: the source as a whole */
    char text[DL_CONFIG_TEXT_SIZE];     /* what is wrong and what was expected */
};

/* The first DL_CONFIG_ERRORS_MAX of them, in the order found. The caller's
 * memory; every call below adds to it, so zero-initialise it. */
struct dl_config_errors {
    size_t errors, warnings; /* counted, listed or not */
    size_t count;            /* listed */
    struct dl_config_error item[DL_CONFIG_ERRORS_MAX];
};

/* "FILE:3:7: error: sentence", one a line, then how many more there are. */
void dl_config_errors_print(const struct dl_config_errors *errors, FILE *out);

/* Reads the file (NULL: defaults only; a pipe: to its end), then each "a.b=c" of
 * sets over it, in order. On DL_OK *config is the caller's, and errors holds
 * warnings at most. DL_INVALID, DL_IO: *config is NULL and errors says why: every
 * mistake at once, not only the first. DL_MEMORY: *config is NULL. */
DL_MUST_USE enum dl_status dl_config_load(struct dl_config **config, const char *path, const char *const *sets,
                                          size_t set_count, struct dl_config_errors *errors);
/* The same while the service runs: nothing is waited for, so a FIFO, a pipe or a
 * device is DL_IO. */
DL_MUST_USE enum dl_status dl_config_reload(struct dl_config **config, const char *path, const char *const *sets,
                                            size_t set_count, struct dl_config_errors *errors);

/* The same over text in memory; name stands for the file in errors. */
DL_MUST_USE enum dl_status dl_config_parse(struct dl_config **config, const char *text, size_t bytes, const char *name,
                                           const char *const *sets, size_t set_count, struct dl_config_errors *errors);

/* What `run` and `check` need beside a good file: kafka.properties with
 * bootstrap.servers, redis.url, and every file of secrets readable. Reads
 * kafka.properties_files into config->kafka.effective. DL_INVALID: errors says
 * what is missing. Once per configuration. */
DL_MUST_USE enum dl_status dl_config_require_service(struct dl_config *config, struct dl_config_errors *errors);

/* Adds an error that another module found, at the place where the option was
 * set: what librdkafka or the Redis adapter says of it. path: as "redis.url". */
void dl_config_add_error(const struct dl_config *config, struct dl_config_errors *errors, const char *path, const char *sentence);

void dl_config_destroy(struct dl_config *config); /* wipes passwords; NULL is allowed */

/* Effective values as YAML that loads back to the same configuration, except
 * that secrets read "***". */
void dl_config_print(const struct dl_config *config, FILE *out);

/* Calls on_difference for each option whose value differs, in the order of the
 * rows; reloadable: it may change while running, else it needs a restart. */
typedef void dl_config_on_difference(void *context, const char *path, bool reloadable);
void dl_config_compare(const struct dl_config *running, const struct dl_config *fresh,
                       dl_config_on_difference *on_difference, void *context);

/* Exchanges the values of all reloadable options between the two; what cannot
 * change while running stays where it is. The caller owns both, as before, and
 * no other thread reads `running` meanwhile. */
void dl_config_take_over(struct dl_config *running, struct dl_config *fresh);

/* Every option with type, default, unit, range and help, from the rows. */
void dl_config_print_help(FILE *out);     /* aligned text, for --help */
void dl_config_print_markdown(FILE *out); /* a table, for the documentation */
void dl_config_print_man(FILE *out);      /* roff .TP entries, for delightd.yaml(5) */

/* The rows' paths in order, NULL past the end: for tests and documentation. */
const char *dl_config_option_path(size_t index);
