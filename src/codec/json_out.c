/* Scores and trends as JSON. The numbers are those of Redis, digit by digit:
 * both are printed by dl_value_format. */
#include "codec.h"

#include <delight/time.h>

#include <stdlib.h>
#include <string.h>

static void add_value(struct dl_text *text, struct dl_value value)
{
    char printed[DL_VALUE_TEXT_SIZE];
    size_t bytes = dl_value_format(printed, value);
    if (bytes == 0)
        dl_text_add(text, "null", 4);
    else if (value.kind == DL_VALUE_WORD)
        dl_text_add_json_string(text, printed, bytes);
    else
        dl_text_add(text, printed, bytes);
}

void dl_json_scores(struct dl_text *text, const struct dl_scores *scores, bool rfc3339)
{
    dl_text_add(text, "{", 1);
    const char *separator = "";
    for (int i = 0; i < DL_FIELDS; i++) {
        struct dl_value value = scores->value[i];
        if (value.kind == DL_VALUE_NONE)
            continue;
        dl_text_printf(text, "%s\"%s\":", separator, dl_fields[i].name);
        separator = ",";
        if (rfc3339 && i == DL_FIELD_as_of) {
            char time[DL_TIME_TEXT_SIZE];
            dl_time_format(time, value.integer);
            dl_text_printf(text, "\"%s\"", time);
        } else {
            add_value(text, value);
        }
    }
    dl_text_add(text, "}", 1);
}

void dl_json_answers(struct dl_text *text, const struct dl_counts *counts, const struct dl_score_options *options)
{
    const struct {
        const char *name;
        int counter, answers; /* first of them; their number */
        int score;            /* there: so may the answers be */
    } items[] = {
        {"nps", DL_COUNT_NPS, 11, DL_FIELD_nps},
        {"csat", DL_COUNT_CSAT, options->csat_max, DL_FIELD_csat},
        {"ces", DL_COUNT_CES, 7, DL_FIELD_ces},
        {"expectation", DL_COUNT_EXPECTATION, 5, DL_FIELD_delight},
    };
    struct dl_scores scores;
    const char *separator = "";
    dl_score(&scores, counts, 0, 0, options);
    dl_text_add(text, "{", 1);
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        if (scores.value[items[i].score].kind == DL_VALUE_NONE)
            continue;
        dl_text_printf(text, "%s\"%s\":[", separator, items[i].name);
        for (int answer = 0; answer < items[i].answers; answer++)
            dl_text_printf(text, "%s%lld", answer > 0 ? "," : "", (long long)counts->count[items[i].counter + answer]);
        dl_text_add(text, "]", 1);
        separator = ",";
    }
    dl_text_add(text, "}", 1);
}

/* What a trend shows of one measure in one pane. */
struct point {
    struct dl_value value, n;
};

/* points: measure_count rows of DL_PANES, all DL_VALUE_NONE. */
static void score_panes(struct point *points, const struct dl_engine *engine, int64_t id, int window, int64_t pane_ms,
                        const int *measures, size_t measure_count, const struct dl_score_options *options)
{
    for (int pane = 0; pane < DL_PANES; pane++) {
        const struct dl_tally *tally = dl_engine_pane(engine, id, window, pane);
        if (tally == NULL)
            continue;
        struct dl_counts counts = {{0}};
        struct dl_scores scores;
        dl_tally_unpack(tally, &counts, 1);
        dl_score(&scores, &counts, dl_engine_pane_start(engine, window, pane) + pane_ms, pane_ms, options);
        for (size_t i = 0; i < measure_count; i++)
            points[i * DL_PANES + (size_t)pane] =
                (struct point){.value = scores.value[measures[i]], .n = dl_score_n(&scores, measures[i])};
    }
}

static int64_t n_at(const struct point *point)
{
    return point->n.kind == DL_VALUE_INTEGER ? point->n.integer : 0;
}

static void add_measure(struct dl_text *text, int measure, const struct point *points)
{
    bool seen = false;
    for (int pane = 0; pane < DL_PANES; pane++)
        seen = seen || n_at(&points[pane]) != 0;
    if (!seen)
        return;
    dl_text_printf(text, ",\"%s\":{\"value\":[", dl_fields[measure].name);
    for (int pane = 0; pane < DL_PANES; pane++) {
        dl_text_add(text, ",", pane > 0);
        add_value(text, points[pane].value);
    }
    dl_text_printf(text, "],\"n\":[");
    for (int pane = 0; pane < DL_PANES; pane++)
        dl_text_printf(text, "%s%lld", pane > 0 ? "," : "", (long long)n_at(&points[pane]));
    dl_text_printf(text, "]}");
}

enum dl_status dl_json_trend(struct dl_text *text, const struct dl_engine *engine, int64_t id, int window,
                             int64_t window_ms, const int *measures, size_t measure_count,
                             const struct dl_score_options *options)
{
    for (size_t i = 0; i < measure_count; i++)
        DL_ASSERT(dl_fields[measures[i]].measure);
    int64_t pane_ms = window_ms / DL_PANES;
    struct point *points = calloc(measure_count * DL_PANES + 1, sizeof *points);
    if (points == NULL)
        return DL_MEMORY;
    score_panes(points, engine, id, window, pane_ms, measures, measure_count, options);

    dl_text_printf(text, "{\"window_ms\":%lld,\"pane_ms\":%lld,\"start\":[", (long long)window_ms, (long long)pane_ms);
    for (int pane = 0; pane < DL_PANES; pane++)
        dl_text_printf(text, "%s%lld", pane > 0 ? "," : "", (long long)dl_engine_pane_start(engine, window, pane));
    dl_text_printf(text, "]");
    for (size_t i = 0; i < measure_count; i++)
        add_measure(text, measures[i], points + i * DL_PANES);
    dl_text_printf(text, "}");
    free(points);
    return text->failed ? DL_MEMORY : DL_OK;
}
