/* What a page needs before it shows scores: what is configured, and what the
 * fields mean. The same whether this process has scores or not. */
#include "daemon.h"

#include <delight/time.h>

#include <string.h>

static void add_string(struct dl_text *text, const char *before, const char *string)
{
    dl_text_printf(text, "%s", before);
    dl_text_add_json_string(text, string, strlen(string));
}

static void add_windows(struct dl_text *text, const struct dl_config *config)
{
    char window[32];
    dl_text_printf(text, ",\"windows\":[");
    for (size_t i = 0; i < config->windows.count; i++) {
        dl_duration_format(window, sizeof window, config->windows.item[i]);
        add_string(text, i > 0 ? "," : "", window);
    }
    dl_text_printf(text, "],\"segments\":[");
    for (size_t i = 0; i < config->segments.count; i++)
        add_string(text, i > 0 ? "," : "", config->segments.item[i]);
    dl_text_add(text, "]", 1);
}

static void add_targets(struct dl_text *text, const struct dl_config *config)
{
    dl_text_printf(text, ",\"targets\":{");
    for (size_t i = 0; i < config->targets.count; i++)
        dl_text_printf(text, "%s\"%s\":%.15g", i > 0 ? "," : "", dl_fields[config->targets.item[i].field].name,
                       config->targets.item[i].value);
    dl_text_add(text, "}", 1);
}

static void add_field(struct dl_text *text, int id)
{
    static const char *const better[] = {
        [DL_BETTER_NEITHER] = "neither", [DL_BETTER_HIGHER] = "higher", [DL_BETTER_LOWER] = "lower"};
    const struct dl_field *field = &dl_fields[id];
    int low, high;
    add_string(text, id > 0 ? ",{\"name\":" : "{\"name\":", field->name);
    add_string(text, ",\"group\":", dl_score_group_name(field->group));
    add_string(text, ",\"unit\":", field->unit);
    add_string(text, ",\"help\":", field->help);
    dl_text_printf(text, ",\"measure\":%s,\"better\":\"%s\",\"n\":[", field->measure ? "true" : "false", better[field->better]);
    if (field->n >= 0)
        add_string(text, "", dl_fields[field->n].name);
    if (field->n_also >= 0)
        add_string(text, ",", dl_fields[field->n_also].name);
    dl_text_add(text, "]", 1);
    if (dl_field_interval(id, &low, &high))
        dl_text_printf(text, ",\"low\":\"%s\",\"high\":\"%s\"", dl_fields[low].name, dl_fields[high].name);
    dl_text_add(text, "}", 1);
}

void dl_serve_meta(void *context, const struct dl_http_request *request, struct dl_http_answer *answer)
{
    (void)request;
    const struct daemon *daemon = context;
    const struct dl_config *config = daemon->config;
    struct dl_text text = {.data = NULL};
    add_string(&text, "{\"version\":", DELIGHT_VERSION);
    add_string(&text, ",\"instance\":", config->instance);
    dl_text_printf(&text, ",\"clock\":\"%s\",\"publish_interval_ms\":%lld", config->clock == DL_CLOCK_WALL ? "wall" : "event",
                   (long long)config->publish_interval_ms);
    add_windows(&text, config);
    dl_text_printf(&text, ",\"csat_max\":%lld,\"csat_top\":%lld,\"rank_min_n\":%lld,\"privacy_min_n\":%lld",
                   (long long)config->scales.csat_max, (long long)config->scales.csat_top, (long long)config->rank.min_n,
                   (long long)config->privacy.min_n);
    add_targets(&text, config);
    dl_text_printf(&text, ",\"catalogue\":");
    dl_text_add(&text, daemon->catalogue_json, strlen(daemon->catalogue_json));
    dl_text_printf(&text, ",\"fields\":[");
    for (int id = 0; id < DL_FIELDS; id++)
        add_field(&text, id);
    dl_text_printf(&text, "]}\n");
    dl_serve_text(answer, &text);
}
