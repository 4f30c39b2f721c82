#include "settings.h"

#include "score.h"
#include "timefmt.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ld_settings_init(struct ld_settings *settings)
{
    static const char *const measures[] = {"nps", "csat", "ces", "delight", "service_level", "fcr"};
    *settings = (struct ld_settings){
        .csat_max = 5,
        .csat_top = 4,
        .threshold_ms = 20000,
        .short_abandon_ms = 5000,
        .service_level_formula = 4,
        .rank_min_n = 30,
        .event_bytes_max = 65536,
    };
    for (size_t i = 0; i < LD_COUNT(measures); i++) {
        int measure = ld_measure_find(measures[i]);
        settings->rank_measures[settings->rank_measure_count++] = measure;
        settings->trend_measures[settings->trend_measure_count++] = measure;
    }
    settings->redis_url = ld_copy("redis://127.0.0.1:6379/0");
    settings->prefix = ld_copy("cx");
}

void ld_settings_deinit(struct ld_settings *settings)
{
    for (size_t i = 0; i < settings->window_count; i++)
        free(settings->windows[i].name);
    for (size_t i = 0; i < settings->segment_count; i++)
        free(settings->segments[i]);
    for (size_t i = 0; i < settings->place_count; i++) {
        free(settings->places[i].journey);
        free(settings->places[i].stage);
        free(settings->places[i].touchpoint);
    }
    for (size_t i = 0; i < settings->property_count; i++) {
        free(settings->properties[i].name);
        free(settings->properties[i].value);
    }
    free(settings->places);
    free(settings->properties);
    free(settings->redis_url);
    free(settings->redis_user);
    free(settings->redis_password_file);
    free(settings->prefix);
    free(settings->brokers);
    free(settings->topic);
    free(settings->dead_letter_topic);
    *settings = (struct ld_settings){0};
}

void ld_settings_put(char **field, const char *text)
{
    char *copy = ld_copy(text);
    free(*field);
    *field = copy;
}

/* Keys hold the shortest exact text with one unit, whatever the configuration wrote: 60m is 1h, 1d is 24h, 48h is
 * 2d. */
static char *window_name(int64_t ms)
{
    const int64_t minutes = ms / 60000;
    if (minutes % 1440 == 0 && minutes >= 2880)
        return ld_format("%lldd", (long long)(minutes / 1440));
    if (minutes % 60 == 0)
        return ld_format("%lldh", (long long)(minutes / 60));
    return ld_format("%lldm", (long long)minutes);
}

bool ld_settings_add_window(struct ld_settings *settings, const char *what, const char *text)
{
    int64_t ms;
    if (!ld_duration_parse(text, &ms) || ms < 60000 || ms % 60000 != 0 || ms > INT64_C(400) * 86400000) {
        ld_say("%s: \"%s\" is no window; a window is 1m to 400d in whole minutes, as 5m, 1h or 30d", what, text);
        return false;
    }
    if (settings->window_count == LD_WINDOWS_MAX) {
        ld_say("%s: more than %d windows", what, LD_WINDOWS_MAX);
        return false;
    }
    for (size_t i = 0; i < settings->window_count; i++) {
        if (settings->windows[i].ms == ms) {
            ld_say("%s: the window %s is there twice", what, text);
            return false;
        }
    }
    settings->windows[settings->window_count++] = (struct ld_window){window_name(ms), ms};
    return true;
}

bool ld_settings_add_segment(struct ld_settings *settings, const char *what, const char *name)
{
    if (name[0] == '\0' || settings->segment_count == LD_SEGMENTS_MAX) {
        ld_say("%s: segments are 1 to %d attribute names", what, LD_SEGMENTS_MAX);
        return false;
    }
    settings->segments[settings->segment_count++] = ld_copy(name);
    return true;
}

static bool add_measure(int *measures, size_t *count, const char *what, const char *name)
{
    int measure = ld_measure_find(name);
    if (measure < 0) {
        ld_say("%s: the recount knows no measure \"%s\"; it knows %s", what, name, ld_measure_list());
        return false;
    }
    for (size_t i = 0; i < *count; i++) {
        if (measures[i] == measure)
            return true;
    }
    measures[(*count)++] = measure;
    return true;
}

bool ld_settings_add_rank_measure(struct ld_settings *settings, const char *what, const char *name)
{
    return add_measure(settings->rank_measures, &settings->rank_measure_count, what, name);
}

bool ld_settings_add_trend_measure(struct ld_settings *settings, const char *what, const char *name)
{
    int measure = ld_measure_find(name);
    if (measure >= 0 && ld_measure_is_percentile(measure)) {
        ld_say("%s: the recount keeps no histograms of panes: it cannot compare trends of %s", what, name);
        return false;
    }
    return add_measure(settings->trend_measures, &settings->trend_measure_count, what, name);
}

int ld_settings_csat_top(int csat_max)
{
    return csat_max == 5 ? 4 : csat_max == 7 ? 6 : csat_max == 10 ? 9 : 0;
}

bool ld_settings_set_csat(struct ld_settings *settings, const char *what, int64_t max, int64_t top)
{
    if (max != 5 && max != 7 && max != 10) {
        ld_say("%s: csat_max is 5, 7 or 10, not %lld", what, (long long)max);
        return false;
    }
    if (top == 0)
        top = ld_settings_csat_top((int)max);
    if (top < 1 || top > max) {
        ld_say("%s: csat_top is 1 to csat_max, not %lld", what, (long long)top);
        return false;
    }
    settings->csat_max = (int)max;
    settings->csat_top = (int)top;
    return true;
}

void ld_settings_add_place(struct ld_settings *settings, const char *journey, const char *stage,
                           const char *touchpoint)
{
    settings->places = ld_grow(settings->places, &settings->place_capacity, settings->place_count + 1,
                               sizeof *settings->places);
    settings->places[settings->place_count++] =
        (struct ld_place){ld_copy(journey), ld_copy(stage), ld_copy(touchpoint)};
}

void ld_settings_add_property(struct ld_settings *settings, const char *name, const char *value)
{
    settings->properties = ld_grow(settings->properties, &settings->property_capacity, settings->property_count + 1,
                                   sizeof *settings->properties);
    settings->properties[settings->property_count++] = (struct ld_property){ld_copy(name), ld_copy(value)};
}

char *ld_settings_secret(const char *file)
{
    char *line = NULL;
    size_t size = 0;
    FILE *in = fopen(file, "r");
    ssize_t length = in != NULL ? getline(&line, &size, in) : -1;
    if (in != NULL)
        fclose(in);
    if (length < 0) {
        ld_say("%s: %s", file, in == NULL ? strerror(errno) : "empty");
        free(line);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}
