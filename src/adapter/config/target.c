/* Targets: a score and the value that it should reach. */
#include "value.h"

#include <delight/time.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CSAT_MAX = 10, RATE_MAX = 1000000 };

static const double nearest_apart = 1e-9; /* what is nearer is one value */

static void deinit_targets(void *value)
{
    struct dl_config_targets *targets = value;
    free(targets->item);
    *targets = (struct dl_config_targets){0};
}

static bool counts_ms(int field)
{
    return strcmp(dl_fields[field].unit, "ms") == 0;
}

/* What a score can be at all, by its unit. */
static void range_of(int field, double *min, double *max)
{
    const char *unit = dl_fields[field].unit, *dots = strstr(unit, "..");
    char *end;
    *min = dots == NULL ? 0 : strtod(unit, NULL);
    *max = strcmp(unit, "%") == 0 ? 100 : RATE_MAX;
    if (dots == NULL)
        return;
    *max = strtod(dots + 2, &end);
    if (end == dots + 2) /* "1..csat_max" */
        *max = CSAT_MAX;
}

static int find_measure(const struct dl_reading *reading, const struct dl_node *node)
{
    char quoted[DL_QUOTE_SIZE];
    int id = dl_field_find(node->key, strlen(node->key));
    if (id >= 0 && dl_fields[id].measure)
        return id;
    struct dl_nearest nearest = {.wanted = node->key};
    for (int other = 0; other < DL_FIELDS; other++)
        if (dl_fields[other].measure)
            dl_nearest_offer(&nearest, dl_fields[other].name);
    dl_report_error(reading->report, node->key_line, node->key_column,
                    "%s: expected a score that can be ranked, as nps%s%s%s, got %s", reading->name,
                    nearest.word != NULL ? " (did you mean " : "", nearest.word != NULL ? nearest.word : "",
                    nearest.word != NULL ? "?)" : "", dl_config_quote(quoted, node->key));
    return -1;
}

static enum dl_status read_value(const struct dl_reading *reading, const struct dl_node *node, int field, double *value)
{
    double min, max;
    char expected[80], *end;
    if (counts_ms(field)) {
        int64_t duration_ms = 0;
        enum dl_status status = dl_reading_duration(reading, node, &duration_ms);
        *value = (double)duration_ms;
        return status;
    }
    range_of(field, &min, &max);
    if (node->kind == DL_NODE_SCALAR) {
        errno = 0;
        *value = strtod(node->text, &end);
        /* Decimal digits only: no "nan", no "0x1p3". */
        if (node->text[0] != '\0' && node->text[strspn(node->text, "+-.0123456789")] == '\0' && *end == '\0' && errno == 0 &&
            *value >= min && *value <= max) {
            if (fabs(*value) < nearest_apart)
                *value = 0; /* not -0 */
            return DL_OK;
        }
    }
    snprintf(expected, sizeof expected, "a number from %g to %g for %s", min, max, dl_fields[field].name);
    dl_reading_wrong(reading, node, expected);
    return DL_INVALID;
}

static enum dl_status read_targets(const struct dl_reading *reading, void *value)
{
    struct dl_config_targets *targets = value;
    enum dl_status status = DL_OK;
    if (reading->node->kind != DL_NODE_MAP) {
        dl_reading_wrong(reading, reading->node, "a section of scores and their targets, as {nps: 40, wait_p95_ms: 60s}");
        return DL_INVALID;
    }
    deinit_targets(targets);
    if (reading->node->children == 0)
        return DL_OK;
    targets->item = calloc(reading->node->children, sizeof *targets->item);
    if (targets->item == NULL)
        return DL_MEMORY;
    for (const struct dl_node *node = reading->node->first; node != NULL; node = node->next) {
        struct dl_config_target target = {.field = find_measure(reading, node)};
        if (target.field < 0 || read_value(reading, node, target.field, &target.value) != DL_OK)
            status = DL_INVALID;
        else
            targets->item[targets->count++] = target;
    }
    return status;
}

static void print_targets(const struct dl_option *option, const void *value, int indent, FILE *out)
{
    const struct dl_config_targets *targets = value;
    (void)option;
    fputs(targets->count == 0 ? "{}\n" : "\n", out);
    for (size_t i = 0; i < targets->count; i++) {
        const struct dl_config_target *target = &targets->item[i];
        char text[32];
        if (counts_ms(target->field)) {
            dl_duration_format(text, sizeof text, (int64_t)target->value);
        } else {
            size_t bytes = (size_t)snprintf(text, sizeof text, "%.9f", target->value); /* no exponent */
            while (text[bytes - 1] == '0')
                text[--bytes] = '\0';
            if (text[bytes - 1] == '.')
                text[--bytes] = '\0';
        }
        fprintf(out, "%*s%s: %s\n", indent + 2, "", dl_fields[target->field].name, text);
    }
}

static bool equal_targets(const void *a, const void *b)
{
    const struct dl_config_targets *first = a, *second = b;
    size_t i = 0;
    if (first->count != second->count)
        return false;
    while (i < first->count && first->item[i].field == second->item[i].field &&
           fabs(first->item[i].value - second->item[i].value) < nearest_apart)
        i++;
    return i == first->count;
}

const struct dl_option_type_row dl_type_targets = {"section", sizeof(struct dl_config_targets), read_targets, print_targets,
                                                   equal_targets, deinit_targets};
