#include "settings.h"

#include <delight/time.h>

#include <stdlib.h>
#include <string.h>

struct dl_kafka_options dl_settings_kafka(const struct dl_config *config, struct dl_note_sink *notes)
{
    /* Two names of one shape: neither adapter may know the other's. */
    _Static_assert(sizeof(struct dl_kafka_property) == sizeof(struct dl_config_property), "same layout");
    return (struct dl_kafka_options){
        .properties = (const struct dl_kafka_property *)config->kafka.effective.item,
        .property_count = config->kafka.effective.count,
        .instance = config->instance,
        .notes = notes,
    };
}

const char *dl_settings_group(const struct dl_config *config)
{
    const struct dl_config_properties *properties = &config->kafka.effective;
    for (size_t i = properties->count; i > 0; i--)
        if (strcmp(properties->item[i - 1].key, "group.id") == 0)
            return properties->item[i - 1].value;
    return "delightd";
}

bool dl_settings_has_role(const struct dl_config *config, const char *role)
{
    for (size_t i = 0; i < config->roles.count; i++)
        if (strcmp(config->roles.item[i], role) == 0)
            return true;
    return false;
}

struct dl_score_options dl_settings_score(const struct dl_config *config)
{
    return (struct dl_score_options){
        .csat_max = (int)config->scales.csat_max,
        .csat_top = (int)config->scales.csat_top,
        .service_level_formula = (enum dl_service_level_formula)config->service_level.formula,
        .privacy_min_n = config->privacy.min_n,
    };
}

struct dl_engine_options dl_settings_engine(const struct dl_config *config)
{
    struct dl_engine_options options = {
        .windows = (int)config->windows.count,
        .segments = (int)config->segments.count,
        .subjects_max = config->limits.subjects,
        .touchpoints_max = config->limits.touchpoints,
        .stages_max = config->limits.stages,
        .journeys_max = config->limits.journeys,
        .features_max = config->limits.features,
        .segment_values_max = config->limits.segment_values,
    };
    for (size_t i = 0; i < config->windows.count; i++)
        options.window_ms[i] = config->windows.item[i];
    for (size_t i = 0; i < config->segments.count; i++)
        options.segment[i] = dl_name_of(config->segments.item[i]);
    return options;
}

struct dl_batch_options dl_settings_batch(const struct dl_config *config)
{
    const struct dl_engine_options engine = dl_settings_engine(config);
    return (struct dl_batch_options){
        .bytes_max = (size_t)config->limits.batch_bytes,
        .segments = (int)config->segments.count,
        .service_level_threshold_ms = config->service_level.threshold_ms,
        .short_abandon_ms = config->service_level.short_abandon_ms,
        /* Tallies that are written to Kafka may be read with other windows. */
        .step_s = config->durability == DL_DURABILITY_KAFKA ? 1 : dl_engine_step_s(&engine),
    };
}

struct dl_decode_options dl_settings_decode(const struct dl_config *config, const struct dl_catalogue *catalogue)
{
    struct dl_decode_options options = {
        .csat_max = (int)config->scales.csat_max,
        .segments = (int)config->segments.count,
        .event_bytes_max = (size_t)config->limits.event_bytes,
        .catalogue = catalogue,
    };
    for (size_t i = 0; i < config->segments.count; i++)
        options.segment[i] = dl_name_of(config->segments.item[i]);
    return options;
}

struct dl_view_options dl_settings_view(const struct dl_config *config, struct dl_note_sink *notes,
                                        const char *catalogue_json)
{
    struct dl_view_options options = {
        .redis = {
            .url = config->redis.url,
            .password_file = config->redis.password_file,
            .tls_ca_file = config->redis.tls_ca_file,
            .tls_certificate_file = config->redis.tls_certificate_file,
            .tls_key_file = config->redis.tls_key_file,
            .connect_timeout_ms = config->redis.connect_timeout_ms,
            .reply_timeout_ms = config->redis.reply_timeout_ms,
            .buffer_bytes_max = (size_t)config->redis.buffer_bytes,
            .notes = notes,
        },
        .prefix = config->redis.prefix,
        .instance = config->instance,
        .version = DELIGHT_VERSION,
        .windows = (int)config->windows.count,
        .segments = (int)config->segments.count,
        .rank_measures = config->rank.measures.item,
        .rank_measure_count = config->rank.measures.count,
        .trend_measures = config->trends.measures.item,
        .trend_measure_count = config->trends.measures.count,
        .rank_min_n = config->rank.min_n,
        .expire = config->clock == DL_CLOCK_WALL,
        .catalogue_json = catalogue_json,
        .score = dl_settings_score(config),
    };
    for (size_t i = 0; i < config->windows.count; i++)
        options.window_ms[i] = config->windows.item[i];
    for (size_t i = 0; i < config->segments.count; i++)
        options.segment[i] = config->segments.item[i];
    return options;
}

struct dl_catalogue *dl_settings_catalogue(const struct dl_config *config)
{
    struct dl_catalogue *catalogue =
        dl_catalogue_create((enum dl_unknown_touchpoint)config->catalogue.unknown_touchpoint);
    if (catalogue == NULL)
        return NULL;
    for (size_t i = 0; i < config->catalogue.places.count; i++) {
        const struct dl_config_place *place = &config->catalogue.places.item[i];
        struct dl_name touchpoint = place->touchpoint == NULL ? (struct dl_name){0} : dl_name_of(place->touchpoint);
        enum dl_status status =
            dl_catalogue_add(catalogue, dl_name_of(place->journey), dl_name_of(place->stage), touchpoint);
        DL_ASSERT(status != DL_INVALID); /* the configuration was checked for places that stand twice */
        if (status != DL_OK) {
            dl_catalogue_destroy(catalogue);
            return NULL;
        }
    }
    return catalogue;
}

static void add_name(struct dl_text *text, const char *key, const char *name)
{
    dl_text_printf(text, "%s", key);
    dl_text_add_json_string(text, name, strlen(name));
}

char *dl_settings_catalogue_json(const struct dl_config *config)
{
    struct dl_text text = {0};
    const struct dl_config_place *before = NULL;
    dl_text_printf(&text, "{\"journeys\":[");
    for (size_t i = 0; i < config->catalogue.places.count; i++) {
        const struct dl_config_place *place = &config->catalogue.places.item[i];
        bool same_journey = before != NULL && strcmp(before->journey, place->journey) == 0;
        bool same_stage = same_journey && strcmp(before->stage, place->stage) == 0;
        if (!same_journey) {
            add_name(&text, before == NULL ? "{\"name\":" : "]}]},{\"name\":", place->journey);
            add_name(&text, ",\"stages\":[{\"name\":", place->stage);
            dl_text_printf(&text, ",\"touchpoints\":[");
        } else if (!same_stage) {
            add_name(&text, "]},{\"name\":", place->stage);
            dl_text_printf(&text, ",\"touchpoints\":[");
        }
        if (place->touchpoint != NULL)
            add_name(&text, same_stage ? "," : "", place->touchpoint);
        before = place;
    }
    dl_text_printf(&text, before == NULL ? "]}" : "]}]}]}");
    if (text.failed) {
        dl_text_deinit(&text);
        return NULL;
    }
    return text.data;
}

int64_t dl_settings_longest_window_ms(const struct dl_config *config)
{
    int64_t longest_ms = 0;
    for (size_t i = 0; i < config->windows.count; i++)
        longest_ms = config->windows.item[i] > longest_ms ? config->windows.item[i] : longest_ms;
    return longest_ms;
}

int64_t dl_settings_start_ms(const struct dl_config *config, int64_t now_ms)
{
    if (config->clock == DL_CLOCK_EVENT)
        return INT64_MIN;
    int64_t longest_ms = dl_settings_longest_window_ms(config);
    return now_ms - longest_ms - longest_ms / DL_PANES - DL_FUTURE_MS;
}
