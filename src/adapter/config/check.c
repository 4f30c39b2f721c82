/* Combinations: each is possible by itself, not together. Rows again: the option
 * at whose place it is reported, and a function that says what is wrong. */
#include "schema.h"

#include <stdarg.h>
#include <string.h>

void dl_config_report_at(const struct dl_config *config, struct dl_config_errors *errors, bool warning, const char *path,
                         const char *format, ...)
{
    char text[DL_CONFIG_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t option = dl_option_find(path, strlen(path));
    DL_ASSERT(option < dl_option_count);
    const struct dl_origin *origin = &config->origins->origin[option];
    struct dl_report report = {
        .errors = errors,
        .source = origin->argument != NULL ? origin->argument : config->origins->source,
        .positions = origin->argument == NULL,
    };
    if (warning)
        dl_report_warn(&report, origin->line, origin->column, "%s", text);
    else
        dl_report_error(&report, origin->line, origin->column, "%s", text);
}

void dl_config_add_error(const struct dl_config *config, struct dl_config_errors *errors, const char *path, const char *sentence)
{
    dl_config_report_at(config, errors, false, path, "%s: %s", path, sentence);
}

/* True: *sentence says what is wrong. */
typedef bool check_combination(const struct dl_config *config, char *sentence, size_t size);

static bool roles(const struct dl_config *config, char *sentence, size_t size)
{
    snprintf(sentence, size, "roles: with durability: memory one process does all of it; expected [ingest, score]");
    return config->durability == DL_DURABILITY_MEMORY && config->roles.count < 2;
}

static bool scale_known(int64_t max)
{
    return max == 5 || max == 7 || max == 10;
}

static bool csat_max(const struct dl_config *config, char *sentence, size_t size)
{
    int64_t max = config->scales.csat_max;
    snprintf(sentence, size, "scales.csat_max: expected 5, 7 or 10, got %d", (int)max);
    return !scale_known(max);
}

static bool csat_top(const struct dl_config *config, char *sentence, size_t size)
{
    snprintf(sentence, size, "scales.csat_top: expected at most scales.csat_max (%d), got %d", (int)config->scales.csat_max,
             (int)config->scales.csat_top);
    return scale_known(config->scales.csat_max) && config->scales.csat_top > config->scales.csat_max;
}

static bool csat_target(const struct dl_config *config, char *sentence, size_t size)
{
    for (size_t i = 0; i < config->targets.count; i++) {
        const struct dl_config_target *target = &config->targets.item[i];
        snprintf(sentence, size, "targets: csat_mean: expected at most scales.csat_max (%d), got %.15g", (int)config->scales.csat_max,
                 target->value);
        if (target->field == DL_FIELD_csat_mean && target->value > (double)config->scales.csat_max)
            return scale_known(config->scales.csat_max);
    }
    return false;
}

static bool topics(const struct dl_config *config, char *sentence, size_t size)
{
    const struct {
        const char *option, *name;
    } others[] = {{"dead_letter_topic", config->kafka.dead_letter_topic},
                  {"tallies_topic", config->kafka.tallies_topic},
                  {"state_topic", config->kafka.state_topic}};
    enum { OTHERS = sizeof others / sizeof others[0] };
    for (size_t i = 0; i < OTHERS; i++) {
        for (size_t j = 0; j < config->kafka.topics.count; j++) {
            if (strcmp(others[i].name, config->kafka.topics.item[j]) == 0) {
                snprintf(sentence, size, "kafka.topics: %s is kafka.%s too: what is written would be read as events", others[i].name,
                         others[i].option);
                return true;
            }
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(others[i].name, others[j].name) == 0) {
                snprintf(sentence, size, "kafka.%s: %s is kafka.%s too; expected two topics", others[i].option, others[i].name,
                         others[j].option);
                return true;
            }
        }
    }
    return false;
}

static bool properties(const struct dl_config *config, char *sentence, size_t size)
{
    for (size_t i = 0; i < config->kafka.properties_files.count; i++) {
        const char *key = config->kafka.properties_files.item[i].key;
        for (size_t j = 0; j < config->kafka.properties.count; j++) {
            if (strcmp(key, config->kafka.properties.item[j].key) == 0) {
                snprintf(sentence, size, "kafka.properties_files: %s stands in kafka.properties too; expected one of them", key);
                return true;
            }
        }
    }
    return false;
}

static bool two_passwords(const struct dl_config *config, char *sentence, size_t size)
{
    size_t begin, end;
    snprintf(sentence, size, "redis.password_file: redis.url has a password too; expected one of them");
    return config->redis.password_file != NULL && dl_url_password(config->redis.url, &begin, &end);
}

static bool certificate(const struct dl_config *config, char *sentence, size_t size)
{
    snprintf(sentence, size, "redis.tls.certificate_file: expected redis.tls.key_file beside it");
    return config->redis.tls_certificate_file != NULL && config->redis.tls_key_file == NULL;
}

static bool key(const struct dl_config *config, char *sentence, size_t size)
{
    snprintf(sentence, size, "redis.tls.key_file: expected redis.tls.certificate_file beside it");
    return config->redis.tls_key_file != NULL && config->redis.tls_certificate_file == NULL;
}

static bool unused_tls(const struct dl_config *config, char *sentence, size_t size)
{
    bool tls = config->redis.tls_ca_file != NULL || config->redis.tls_certificate_file != NULL || config->redis.tls_key_file != NULL;
    snprintf(sentence, size, "redis.url: redis.tls is set, but the connection is not encrypted; expected rediss://");
    return tls && config->redis.url[0] != '\0' && strncasecmp(config->redis.url, "rediss://", strlen("rediss://")) != 0;
}

static bool streams(const struct dl_config *config, char *sentence, size_t size)
{
    snprintf(sentence, size, "http.streams: expected fewer than http.connections (%d), or nobody else is served; got %d",
             (int)config->http.connections, (int)config->http.streams);
    return config->http.streams >= config->http.connections;
}

static bool open_to_all(const struct dl_config *config, char *sentence, size_t size)
{
    static const char *const here[] = {"127.", "[::1]:", "localhost:", "unix:"};
    const char *listen = config->http.listen;
    snprintf(sentence, size, "http.listen: other hosts can read every score; expected http.token_file beside it");
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++)
        if (strncmp(listen, here[i], strlen(here[i])) == 0)
            return false;
    return listen[0] != '\0' && config->http.token_file == NULL;
}

static bool short_abandon(const struct dl_config *config, char *sentence, size_t size)
{
    snprintf(sentence, size, "service_level.short_abandon is longer than service_level.threshold: is one the other?");
    return config->service_level.short_abandon_ms > config->service_level.threshold_ms;
}

static bool slow_batches(const struct dl_config *config, char *sentence, size_t size)
{
    snprintf(sentence, size, "publish_interval is shorter than batch_interval: scores change only with a batch");
    return config->batch_interval_ms > config->publish_interval_ms;
}

static bool empty_catalogue(const struct dl_config *config, char *sentence, size_t size)
{
    snprintf(sentence, size, "catalogue.unknown_touchpoint: no journey lists any touchpoint, so all would be unknown; expected catalogue.journeys");
    if (config->catalogue.unknown_touchpoint == DL_UNKNOWN_ACCEPT)
        return false;
    for (size_t i = 0; i < config->catalogue.places.count; i++)
        if (config->catalogue.places.item[i].touchpoint != NULL)
            return false;
    return true;
}

static const struct {
    const char *path;
    bool warning;
    check_combination *check;
} combinations[] = {
    {"roles", false, roles},
    {"scales.csat_max", false, csat_max},
    {"scales.csat_top", false, csat_top},
    {"targets", false, csat_target},
    {"kafka.topics", false, topics},
    {"kafka.properties_files", false, properties},
    {"redis.password_file", false, two_passwords},
    {"redis.tls.certificate_file", false, certificate},
    {"redis.tls.key_file", false, key},
    {"redis.url", true, unused_tls},
    {"http.streams", false, streams},
    {"http.listen", true, open_to_all},
    {"catalogue.unknown_touchpoint", false, empty_catalogue},
    {"service_level.short_abandon", true, short_abandon},
    {"publish_interval", true, slow_batches},
};

enum dl_status dl_config_check_combinations(const struct dl_config *config, struct dl_config_errors *errors)
{
    char sentence[DL_CONFIG_TEXT_SIZE];
    enum dl_status status = DL_OK;
    for (size_t i = 0; i < sizeof combinations / sizeof combinations[0]; i++) {
        if (!combinations[i].check(config, sentence, sizeof sentence))
            continue;
        dl_config_report_at(config, errors, combinations[i].warning, combinations[i].path, "%s", sentence);
        if (!combinations[i].warning)
            status = DL_INVALID;
    }
    return status;
}
