/* The catalogue: journeys, stages, touchpoints. */
#include "value.h"

#include <stdlib.h>
#include <string.h>

static void deinit_places(void *value)
{
    struct dl_config_places *places = value;
    for (size_t i = 0; i < places->count; i++) {
        dl_text_wipe(&places->item[i].journey);
        dl_text_wipe(&places->item[i].stage);
        dl_text_wipe(&places->item[i].touchpoint);
    }
    free(places->item);
    *places = (struct dl_config_places){0};
}

static enum dl_status add_place(struct dl_config_places *places, size_t *capacity, const char *journey, const char *stage,
                                const char *touchpoint)
{
    if (places->count == *capacity) {
        size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
        struct dl_config_place *grown = reallocarray(places->item, wanted, sizeof *grown);
        if (grown == NULL)
            return DL_MEMORY;
        places->item = grown;
        *capacity = wanted;
    }
    struct dl_config_place *place = &places->item[places->count++];
    place->journey = strdup(journey);
    place->stage = strdup(stage);
    place->touchpoint = touchpoint != NULL ? strdup(touchpoint) : NULL;
    return place->journey == NULL || place->stage == NULL || (touchpoint != NULL && place->touchpoint == NULL) ? DL_MEMORY : DL_OK;
}

/* The name of an entry of a list: a touchpoint itself, or the `name` of a section. NULL: it has none. */
static const struct dl_node *name_of(const struct dl_node *entry)
{
    if (entry->kind != DL_NODE_MAP)
        return entry->kind == DL_NODE_SCALAR ? entry : NULL;
    for (const struct dl_node *node = entry->first; node != NULL; node = node->next)
        if (strcmp(node->key, "name") == 0)
            return node->kind == DL_NODE_SCALAR ? node : NULL;
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct dl_node *first = *(const struct dl_node *const *)a, *second = *(const struct dl_node *const *)b;
    int order = strcmp(first->text, second->text);
    if (order != 0)
        return order;
    if (first->line != second->line)
        return first->line < second->line ? -1 : 1;
    return (first->column > second->column) - (first->column < second->column);
}

/* A name stands once in its list: journeys, stages of a journey, touchpoints of
 * a stage. Sorted, because a list may hold tens of thousands. */
static enum dl_status check_unique(const struct dl_reading *reading, const struct dl_node *list, const char *what)
{
    if (list->children < 2)
        return DL_OK;
    const struct dl_node **names = calloc(list->children, sizeof(const struct dl_node *));
    if (names == NULL)
        return DL_MEMORY;
    size_t count = 0;
    for (const struct dl_node *entry = list->first; entry != NULL; entry = entry->next) {
        const struct dl_node *name = name_of(entry);
        if (name != NULL)
            names[count++] = name;
    }
    qsort(names, count, sizeof(const struct dl_node *), by_name);
    enum dl_status status = DL_OK;
    for (size_t i = 1; i < count; i++) {
        char quoted[DL_QUOTE_SIZE];
        if (strcmp(names[i - 1]->text, names[i]->text) != 0)
            continue;
        dl_report_error(reading->report, names[i]->line, names[i]->column, "%s: the %s %s stands twice (before it in line %d)",
                        reading->name, what, dl_config_quote(quoted, names[i]->text), names[i - 1]->line);
        status = DL_INVALID;
    }
    free(names);
    return status;
}

/* A journey or stage: {name: TEXT, LIST: [...]}. */
static enum dl_status read_entry(const struct dl_reading *reading, const struct dl_node *entry, const char *what, const char *list_key,
                                 const char **name, const struct dl_node **list)
{
    if (entry->kind != DL_NODE_MAP) {
        dl_report_error(reading->report, entry->line, entry->column, "%s: expected a %s, as {name: …, %s: […]}, got %s", reading->name,
                        what, list_key, dl_node_kind_text(entry));
        return DL_INVALID;
    }
    enum dl_status status = DL_OK;
    *name = NULL;
    *list = NULL;
    for (const struct dl_node *node = entry->first; node != NULL; node = node->next) {
        if (strcmp(node->key, "name") == 0) {
            *name = node->kind == DL_NODE_SCALAR ? node->text : "";
            if (!dl_reading_check_text(reading, node))
                status = DL_INVALID;
        } else if (strcmp(node->key, list_key) == 0) {
            if (node->kind == DL_NODE_LIST) {
                *list = node;
            } else if (node->kind != DL_NODE_NULL) {
                dl_report_error(reading->report, node->line, node->column, "%s: expected %s to be a list, got %s", reading->name,
                                list_key, dl_node_kind_text(node));
                status = DL_INVALID;
            }
        } else {
            char quoted[DL_QUOTE_SIZE];
            dl_report_error(reading->report, node->key_line, node->key_column, "%s: unknown key %s; a %s has name and %s", reading->name,
                            dl_config_quote(quoted, node->key), what, list_key);
            status = DL_INVALID;
        }
    }
    if (*name == NULL && status == DL_OK) {
        dl_report_error(reading->report, entry->line, entry->column, "%s: a %s needs a name", reading->name, what);
        status = DL_INVALID;
    }
    return status;
}

static enum dl_status read_stage(const struct dl_reading *reading, const struct dl_node *entry, const char *journey,
                                 struct dl_config_places *places, size_t *capacity)
{
    const char *stage;
    const struct dl_node *list;
    enum dl_status status = read_entry(reading, entry, "stage", "touchpoints", &stage, &list);
    if (status != DL_OK || list == NULL || list->children == 0)
        return status == DL_OK ? add_place(places, capacity, journey, stage, NULL) : status;
    status = check_unique(reading, list, "touchpoint");
    for (const struct dl_node *node = list->first; node != NULL && status != DL_MEMORY; node = node->next) {
        enum dl_status each =
            dl_reading_check_text(reading, node) ? add_place(places, capacity, journey, stage, node->text) : DL_INVALID;
        if (each != DL_OK)
            status = each;
    }
    return status;
}

static enum dl_status read_journey(const struct dl_reading *reading, const struct dl_node *entry, struct dl_config_places *places,
                                   size_t *capacity)
{
    const char *journey;
    const struct dl_node *list;
    enum dl_status status = read_entry(reading, entry, "journey", "stages", &journey, &list);
    if (status != DL_OK)
        return status;
    if (list == NULL || list->children == 0) {
        dl_report_error(reading->report, entry->line, entry->column, "%s: a journey needs stages", reading->name);
        return DL_INVALID;
    }
    status = check_unique(reading, list, "stage");
    for (const struct dl_node *node = list->first; node != NULL && status != DL_MEMORY; node = node->next) {
        enum dl_status each = read_stage(reading, node, journey, places, capacity);
        if (each != DL_OK)
            status = each;
    }
    return status;
}

static enum dl_status read_places(const struct dl_reading *reading, void *value)
{
    struct dl_config_places *places = value;
    size_t capacity = 0;
    if (reading->node->kind != DL_NODE_LIST) {
        dl_reading_wrong(reading, reading->node, "a list of journeys, as [{name: fly, stages: [{name: check-in, touchpoints: [desk]}]}]");
        return DL_INVALID;
    }
    deinit_places(places);
    enum dl_status status = check_unique(reading, reading->node, "journey");
    for (const struct dl_node *node = reading->node->first; node != NULL && status != DL_MEMORY; node = node->next) {
        enum dl_status each = read_journey(reading, node, places, &capacity);
        if (each != DL_OK)
            status = each;
    }
    return status;
}

static void print_places(const struct dl_option *option, const void *value, int indent, FILE *out)
{
    const struct dl_config_places *places = value;
    const struct dl_config_place *before = NULL;
    (void)option;
    fputs(places->count == 0 ? "[]\n" : "\n", out);
    for (size_t i = 0; i < places->count; i++) {
        const struct dl_config_place *place = &places->item[i];
        bool journey = before == NULL || strcmp(before->journey, place->journey) != 0;
        bool stage = journey || strcmp(before->stage, place->stage) != 0;
        if (journey) {
            fprintf(out, "%*s- name: ", indent + 2, "");
            dl_config_print_text(place->journey, out);
            fprintf(out, "\n%*sstages:\n", indent + 4, "");
        }
        if (stage) {
            fprintf(out, "%*s- name: ", indent + 6, "");
            dl_config_print_text(place->stage, out);
            fputc('\n', out);
            if (place->touchpoint != NULL)
                fprintf(out, "%*stouchpoints:\n", indent + 8, "");
        }
        if (place->touchpoint != NULL) {
            fprintf(out, "%*s- ", indent + 10, "");
            dl_config_print_text(place->touchpoint, out);
            fputc('\n', out);
        }
        before = place;
    }
}

static bool equal_places(const void *a, const void *b)
{
    const struct dl_config_places *first = a, *second = b;
    if (first->count != second->count)
        return false;
    for (size_t i = 0; i < first->count; i++) {
        const struct dl_config_place *one = &first->item[i], *other = &second->item[i];
        bool same = strcmp(one->journey, other->journey) == 0 && strcmp(one->stage, other->stage) == 0 &&
                    (one->touchpoint == NULL) == (other->touchpoint == NULL) &&
                    (one->touchpoint == NULL || strcmp(one->touchpoint, other->touchpoint) == 0);
        if (!same)
            return false;
    }
    return true;
}

const struct dl_option_type_row dl_type_places = {"list of journeys", sizeof(struct dl_config_places), read_places, print_places,
                                                  equal_places, deinit_places};
