/* What the daemon was told that decides its numbers: windows, segments, scales, limits, the catalogue; and where
 * its Kafka and Redis are. Filled from the command line, from the daemon's own YAML, or both. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LD_WINDOWS_MAX 16
#define LD_SEGMENTS_MAX 16
#define LD_MEASURES_MAX 32
#define LD_PANES 60

enum ld_clock { LD_CLOCK_WALL, LD_CLOCK_EVENT };

/* What becomes of an event whose touchpoint the catalogue does not name. */
enum ld_unknown_touchpoint { LD_UNKNOWN_ACCEPT, LD_UNKNOWN_OTHER, LD_UNKNOWN_DEADLETTER };

struct ld_window {
    char *name; /* as in keys: the shortest exact text */
    int64_t ms; /* a multiple of a minute */
};

struct ld_place { /* one touchpoint of the catalogue */
    char *journey;
    char *stage;
    char *touchpoint;
};

struct ld_property { /* for librdkafka */
    char *name;
    char *value;
};

struct ld_settings {
    struct ld_window windows[LD_WINDOWS_MAX];
    size_t window_count;
    char *segments[LD_SEGMENTS_MAX]; /* the attributes that are counted */
    size_t segment_count;
    int csat_max;
    int csat_top;
    int64_t threshold_ms;
    int64_t short_abandon_ms;
    int service_level_formula; /* 1..6 */
    int64_t privacy_min_n;
    int64_t rank_min_n;
    int rank_measures[LD_MEASURES_MAX]; /* rows of the measure table in score.h */
    size_t rank_measure_count;
    int trend_measures[LD_MEASURES_MAX];
    size_t trend_measure_count;
    int64_t dedupe_records;
    int64_t event_bytes_max;
    enum ld_clock clock;
    enum ld_unknown_touchpoint unknown_touchpoint;
    struct ld_place *places;
    size_t place_count;
    size_t place_capacity;

    char *redis_url;
    char *redis_user;
    char *redis_password_file;
    char *prefix;
    char *brokers;
    char *topic;
    char *dead_letter_topic;
    struct ld_property *properties;
    size_t property_count;
    size_t property_capacity;
};

/* The daemon's defaults (DESIGN 7). Owned text is freed by ld_settings_deinit. */
void ld_settings_init(struct ld_settings *settings);
void ld_settings_deinit(struct ld_settings *settings);

/* Each takes text as written in the configuration or on the command line, and says on stderr what was expected
 * when it returns false. `what` names the option or key in that sentence. */
bool ld_settings_add_window(struct ld_settings *settings, const char *what, const char *text);
bool ld_settings_add_segment(struct ld_settings *settings, const char *what, const char *name);
bool ld_settings_add_rank_measure(struct ld_settings *settings, const char *what, const char *name);
bool ld_settings_add_trend_measure(struct ld_settings *settings, const char *what, const char *name);
bool ld_settings_set_csat(struct ld_settings *settings, const char *what, int64_t max, int64_t top);
void ld_settings_add_place(struct ld_settings *settings, const char *journey, const char *stage,
                           const char *touchpoint);
void ld_settings_add_property(struct ld_settings *settings, const char *name, const char *value);

/* The default of `csat_top` for a scale: 4, 6, 9 for 5, 7, 10; 0 for any other scale. */
int ld_settings_csat_top(int csat_max);

/* Replaces owned text. */
void ld_settings_put(char **field, const char *text);

/* The first line of a file that holds a secret; NULL after a sentence on stderr. The caller frees it. */
char *ld_settings_secret(const char *file);
