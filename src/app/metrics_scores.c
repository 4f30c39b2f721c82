/* Scores as gauges, from the one field table. Base units: what the table has in
 * percent is a ratio here, and milliseconds are seconds.
 *
 *   delightd_score_csat_ratio{subject="touchpoint:desk",kind="touchpoint",window="1h"} 0.875
 *   delightd_score_csat_n{…} 8 */
#include "metrics_scores.h"

#include "openmetrics.h"

#include <delight/time.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A view is a subject's window. Those that have series end at http.scores_max; the loop must not walk for ever past the others. */
enum { NAME_SIZE = 64, HELP_SIZE = 192, VIEWS_WITHOUT_MAX = 50000 };

/* A measure's two families, each in a text of its own, for samples of a family stand together. */
struct family {
    int field;
    char name[2][NAME_SIZE], help[2][HELP_SIZE];
    struct dl_metric metric[2];
    struct dl_text text[2];
    struct dl_metrics metrics[2];
};

struct gathering {
    const struct dl_config *config;
    const struct dl_score_options *options;
    const struct dl_engine *engine;
    struct family *families;
    size_t count;
    int64_t series, views_without;
};

/* How many decimals further left the point stands. */
static int shift_of(const struct dl_field *field)
{
    return strcmp(field->unit, "%") == 0 ? 2 : strcmp(field->unit, "ms") == 0 ? 3 : 0;
}

static void describe(struct family *family, int id, bool openmetrics)
{
    const struct dl_field *field = &dl_fields[id];
    int shift = shift_of(field);
    const char *unit = shift == 2 ? "ratio" : shift == 3 ? "seconds" : "";
    size_t bytes = strlen(field->name) - (shift == 3 && strlen(field->name) > 3 ? strlen("_ms") : 0);
    family->field = id;
    snprintf(family->name[0], NAME_SIZE, "delightd_score_%.*s%s%s", (int)bytes, field->name, unit[0] == '\0' ? "" : "_", unit);
    snprintf(family->name[1], NAME_SIZE, "delightd_score_%.*s_n", (int)bytes, field->name);
    snprintf(family->help[0], HELP_SIZE, "%s%s%s%s.", field->help, shift > 0 || field->unit[0] == '\0' ? "" : " (",
             shift > 0 ? "" : field->unit, shift > 0 || field->unit[0] == '\0' ? "" : ")");
    snprintf(family->help[1], HELP_SIZE, "Answers or contacts behind %s.", field->name);
    for (int i = 0; i < 2; i++) {
        family->metric[i] = (struct dl_metric){family->name[i], DL_METRIC_GAUGE, i == 0 ? unit : "", family->help[i]};
        family->metrics[i] = (struct dl_metrics){.text = &family->text[i], .openmetrics = openmetrics};
        dl_metrics_family(&family->metrics[i], &family->metric[i]);
    }
}

static bool full(const struct gathering *gathering)
{
    return gathering->series + 2 > gathering->config->http.scores_max;
}

static void add_sample(struct gathering *gathering, struct family *family, const struct dl_scores *scores,
                       const struct dl_metric_label *labels)
{
    struct dl_value value = scores->value[family->field], n = dl_score_n(scores, family->field);
    int shift = shift_of(&dl_fields[family->field]);
    if (value.kind != DL_VALUE_INTEGER && value.kind != DL_VALUE_FRACTION)
        return;
    if (full(gathering))
        return;
    gathering->series += 2;
    /* Four decimals, as in Redis. */
    int64_t digits = value.kind == DL_VALUE_INTEGER ? value.integer : llround(value.fraction * 10000);
    dl_metrics_decimal(&family->metrics[0], digits, shift + (value.kind == DL_VALUE_INTEGER ? 0 : 4), labels);
    dl_metrics_integer(&family->metrics[1], n.kind == DL_VALUE_INTEGER ? n.integer : 0, labels);
}

static void add_view(struct gathering *gathering, int64_t id, int w)
{
    struct dl_counts counts = {.count = {0}};
    struct dl_scores scores;
    struct dl_subject_info info;
    char window[32];
    dl_engine_subject(gathering->engine, id, &info);
    dl_tally_unpack(dl_engine_total(gathering->engine, id, w), &counts, 1);
    dl_score(&scores, &counts, dl_engine_now(gathering->engine), gathering->config->windows.item[w], gathering->options);
    dl_duration_format(window, sizeof window, gathering->config->windows.item[w]);
    bool segmented = info.segment_part[0] == '|';
    const struct dl_metric_label labels[] = {{"subject", info.name, info.name_bytes},
                                             DL_LABEL("kind", dl_kind_name(info.kind)),
                                             DL_LABEL("window", window),
                                             {segmented ? "segment" : NULL, info.segment_part + segmented, 0},
                                             {.name = NULL}};
    for (size_t i = 0; i < gathering->count; i++)
        add_sample(gathering, &gathering->families[i], &scores, labels);
}

/* false: some were left out. */
static bool gather(struct gathering *gathering)
{
    int64_t id = dl_engine_next_subject(gathering->engine, 0);
    for (; id >= 0; id = dl_engine_next_subject(gathering->engine, id + 1))
        for (int w = 0; w < (int)gathering->config->windows.count; w++) {
            if (full(gathering) || gathering->views_without >= VIEWS_WITHOUT_MAX)
                return false;
            int64_t before = gathering->series;
            if (!dl_tally_empty(dl_engine_total(gathering->engine, id, w)))
                add_view(gathering, id, w);
            gathering->views_without += gathering->series == before;
        }
    return !full(gathering);
}

bool dl_metrics_scores(struct dl_text *text, bool openmetrics, const struct dl_engine *engine, const struct dl_config *config,
                       const struct dl_score_options *options)
{
    struct gathering gathering = {.config = config, .options = options, .engine = engine, .count = config->http.scores.count};
    if (gathering.count == 0)
        return false;
    gathering.families = calloc(gathering.count, sizeof *gathering.families);
    if (gathering.families == NULL) {
        text->failed = true;
        return false;
    }
    for (size_t i = 0; i < gathering.count; i++)
        describe(&gathering.families[i], config->http.scores.item[i], openmetrics);
    bool whole = gather(&gathering);
    for (size_t i = 0; i < gathering.count * 2; i++) {
        struct dl_text *part = &gathering.families[i / 2].text[i % 2];
        dl_text_add(text, part->data, part->bytes);
        text->failed = text->failed || part->failed;
        dl_text_deinit(part);
    }
    free(gathering.families);
    return !whole;
}
