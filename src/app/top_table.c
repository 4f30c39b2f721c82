#include "top_table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define PLAIN(field_, title_, width_) {DL_FIELD_##field_, title_, width_, -1, -1}

static const struct dl_top_column journey_columns[] = {
    PLAIN(events, "events", 9),
    {DL_FIELD_nps, "NPS [95 % interval]", 21, DL_FIELD_nps_low, DL_FIELD_nps_high},
    PLAIN(nps_n, "answers", 8),
    PLAIN(csat, "CSAT %", 6),
    PLAIN(ces, "CES %", 6),
    PLAIN(delight, "delight %", 9),
    PLAIN(service_level, "SL %", 6),
    PLAIN(wait_p95_ms, "wait p95", 8),
    PLAIN(fcr, "FCR %", 6),
    PLAIN(abandonment, "aband. %", 8),
    PLAIN(complaint_rate, "compl. /1000", 12),
};

static const struct dl_top_column feature_columns[] = {
    PLAIN(events, "answers", 9),
    PLAIN(kano_category, "category", 16),
    PLAIN(kano_better, "better", 6),
    PLAIN(kano_worse, "worse", 6),
    PLAIN(kano_category_strength, "lead %", 6),
    PLAIN(kano_total_strength, "wanted %", 8),
    PLAIN(kano_significant, "signif.", 7),
};

_Static_assert(COUNT(journey_columns) <= DL_TOP_COLUMNS_MAX && COUNT(feature_columns) <= DL_TOP_COLUMNS_MAX, "columns fit");

const struct dl_top_column *dl_top_columns(enum dl_kind kind, size_t *count)
{
    *count = kind == DL_KIND_FEATURE ? COUNT(feature_columns) : COUNT(journey_columns);
    return kind == DL_KIND_FEATURE ? feature_columns : journey_columns;
}

size_t dl_top_fields(enum dl_kind kind, int *out)
{
    size_t columns, count = 0;
    const struct dl_top_column *column = dl_top_columns(kind, &columns);
    for (size_t i = 0; i < columns; i++) {
        out[count++] = column[i].field;
        if (column[i].low >= 0) {
            out[count++] = column[i].low;
            out[count++] = column[i].high;
        }
    }
    return count;
}

/* ---- Names and cells ---- */

/* Blanks as they were typed; what else is encoded stays so. */
static void decode_blanks(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; to++) {
        bool blank = strncmp(from, "%20", 3) == 0;
        *to = blank ? ' ' : *from;
        from += blank ? 3 : 1;
    }
    *to = '\0';
}

void dl_top_name(char *out, const char *name)
{
    const char *colon = strchr(name, ':'), *bar = strchr(name, '|');
    if (colon == NULL || (bar != NULL && bar < colon))
        colon = NULL;
    const char *own = colon == NULL ? name : colon + 1;
    size_t own_bytes = bar == NULL ? strlen(own) : (size_t)(bar - own);
    static const char stage[] = "|stage=";
    if (bar == NULL || strncmp(bar, stage, sizeof stage - 1) != 0) {
        snprintf(out, DL_TOP_NAME_SIZE, "%.*s", (int)own_bytes, own);
    } else {
        const char *of_stage = bar + sizeof stage - 1;
        snprintf(out, DL_TOP_NAME_SIZE, "%.*s > %.*s", (int)own_bytes, own, (int)strcspn(of_stage, "|"), of_stage);
    }
    decode_blanks(out);
}

enum { VALUE_SIZE = 48 };

/* A share that is not in %. */
static bool is_small(int field)
{
    return strcmp(dl_fields[field].unit, "0..1") == 0 || strcmp(dl_fields[field].unit, "-1..0") == 0;
}

static double number_of(struct dl_value value)
{
    return value.kind == DL_VALUE_INTEGER ? (double)value.integer : value.fraction;
}

static void format_ms(char *out, int64_t ms)
{
    if (ms < 1000)
        snprintf(out, VALUE_SIZE, "%" PRId64 "ms", ms);
    else if (ms < 60000)
        snprintf(out, VALUE_SIZE, "%" PRId64 ".%" PRId64 "s", ms / 1000, ms % 1000 / 100);
    else if (ms < 3600000)
        snprintf(out, VALUE_SIZE, "%" PRId64 "m%02" PRId64 "s", ms / 60000, ms % 60000 / 1000);
    else
        snprintf(out, VALUE_SIZE, "%" PRId64 "h%02" PRId64 "m", ms / 3600000, ms % 3600000 / 60000);
}

/* One decimal; two where the scale is 0 to 1. -0.0 is 0.0. */
static void format_fraction(char *out, double fraction, int field)
{
    bool fine = is_small(field);
    double scale = fine ? 100 : 10;
    double rounded = nearbyint(fraction * scale) / scale;
    snprintf(out, VALUE_SIZE, "%.*f", fine ? 2 : 1, rounded + 0.0); /* -0.0 + 0.0 is 0.0 */
}

static void format(char *out, struct dl_value value, int field)
{
    switch (value.kind) {
    case DL_VALUE_NONE: snprintf(out, VALUE_SIZE, "-"); break;
    case DL_VALUE_WORD: snprintf(out, VALUE_SIZE, "%s", value.word); break;
    case DL_VALUE_FRACTION:
        if (strcmp(dl_fields[field].unit, "ms") == 0)
            format_ms(out, (int64_t)value.fraction);
        else
            format_fraction(out, value.fraction, field);
        break;
    case DL_VALUE_INTEGER:
        if (strcmp(dl_fields[field].unit, "ms") == 0)
            format_ms(out, value.integer);
        else
            snprintf(out, VALUE_SIZE, "%" PRId64, value.integer);
        break;
    }
}

void dl_top_cell(char *out, const struct dl_top_column *column, const struct dl_scores *scores)
{
    char value[VALUE_SIZE], low[VALUE_SIZE], high[VALUE_SIZE];
    format(value, scores->value[column->field], column->field);
    snprintf(out, DL_TOP_CELL_SIZE, "%s", value);
    if (column->low < 0 || scores->value[column->low].kind == DL_VALUE_NONE || scores->value[column->high].kind == DL_VALUE_NONE)
        return;
    format(low, scores->value[column->low], column->low);
    format(high, scores->value[column->high], column->high);
    snprintf(out, DL_TOP_CELL_SIZE, "%s [%s,%s]", value, low, high);
}

/* ---- Arrows ---- */

enum dl_top_arrow dl_top_arrow(const struct dl_top_column *column, const struct dl_trend_halves *halves)
{
    if (!halves->known)
        return DL_TOP_NO_ARROW;
    const char *unit = dl_fields[column->field].unit;
    double least = strcmp(unit, "%") == 0 || strcmp(unit, "-100..100") == 0 || strcmp(unit, "per 1000") == 0 ? 1
                   : is_small(column->field)                                                                  ? 0.01
                                                                                                              : fabs(halves->earlier) * 0.02;
    double moved = halves->later - halves->earlier;
    if (fabs(moved) <= least)
        return DL_TOP_STEADY;
    return moved > 0 ? DL_TOP_UP : DL_TOP_DOWN;
}

bool dl_top_worse(const struct dl_top_column *column, enum dl_top_arrow arrow)
{
    enum dl_better better = dl_fields[column->field].better;
    return (better == DL_BETTER_HIGHER && arrow == DL_TOP_DOWN) || (better == DL_BETTER_LOWER && arrow == DL_TOP_UP);
}

/* ---- Order ---- */

struct order {
    int field;
    bool descending;
};

static int compare(const void *a, const void *b, void *context)
{
    const struct dl_top_row *first = a, *second = b;
    const struct order *order = context;
    if (order->field < 0)
        return order->descending ? -strcmp(first->name, second->name) : strcmp(first->name, second->name);
    struct dl_value x = first->scores.value[order->field], y = second->scores.value[order->field];
    int result = 0;
    if ((x.kind == DL_VALUE_NONE) != (y.kind == DL_VALUE_NONE))
        return x.kind == DL_VALUE_NONE ? 1 : -1;
    if (x.kind == DL_VALUE_WORD && y.kind == DL_VALUE_WORD)
        result = strcmp(x.word, y.word);
    else if (x.kind != DL_VALUE_NONE && x.kind != DL_VALUE_WORD && y.kind != DL_VALUE_WORD)
        result = (number_of(x) > number_of(y)) - (number_of(x) < number_of(y));
    if (result == 0)
        return strcmp(first->name, second->name);
    return order->descending ? -result : result;
}

void dl_top_sort(struct dl_top_row *rows, size_t count, int field, bool descending)
{
    struct order order = {field, descending};
    if (count > 0)
        qsort_r(rows, count, sizeof *rows, compare, &order);
}

bool dl_top_matches(const char *name, const char *filter)
{
    char shown[DL_TOP_NAME_SIZE];
    dl_top_name(shown, name);
    return *filter == '\0' || strcasestr(shown, filter) != NULL;
}
