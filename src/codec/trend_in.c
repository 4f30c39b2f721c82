/* A trend as it stands in Redis, read back. */
#include "codec.h"

#include <jansson.h>

/* Of panes [from, to). false: nobody answered there. */
static bool mean(const json_t *measure, size_t from, size_t to, double *result)
{
    const json_t *values = json_object_get(measure, "value"), *numbers = json_object_get(measure, "n");
    double sum = 0, count = 0;
    for (size_t pane = from; pane < to; pane++) {
        const json_t *value = json_array_get(values, pane);
        json_int_t n = json_integer_value(json_array_get(numbers, pane));
        if (!json_is_number(value) || n <= 0)
            continue;
        sum += json_number_value(value) * (double)n;
        count += (double)n;
    }
    *result = count > 0 ? sum / count : 0;
    return count > 0;
}

void dl_json_trend_halves(const char *json, size_t bytes, const int *measures, size_t measure_count,
                          struct dl_trend_halves *halves)
{
    json_t *trend = json_loadb(json, bytes, 0, NULL);
    for (size_t i = 0; i < measure_count; i++) {
        const json_t *measure = json_object_get(trend, dl_fields[measures[i]].name);
        bool earlier = mean(measure, 0, DL_PANES / 2, &halves[i].earlier);
        halves[i].known = mean(measure, DL_PANES / 2, DL_PANES, &halves[i].later) && earlier;
    }
    json_decref(trend);
}
