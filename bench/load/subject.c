#include "subject.h"

#include "util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define FEATURE_KEY (UINT64_C(1) << 63)

char *ld_percent_encode(const char *text)
{
    char *out = ld_alloc(strlen(text) * 3 + 1, 1);
    char *at = out;
    for (const unsigned char *in = (const unsigned char *)text; *in != 0; in++) {
        if (*in <= ' ' || *in == 0x7f || strchr("{}|=%", *in) != NULL)
            at += sprintf(at, "%%%02X", *in);
        else
            *at++ = (char)*in;
    }
    return out;
}

/* ---- number tables ---- */

static uint32_t *table_slot(struct ld_table *table, uint64_t key)
{
    size_t mask = table->capacity - 1;
    size_t at = ld_mix(key) & mask;
    while (table->numbers[at] != NONE && table->keys[at] != key)
        at = (at + 1) & mask;
    table->keys[at] = key;
    return &table->numbers[at];
}

static void table_resize(struct ld_table *table, size_t capacity)
{
    struct ld_table old = *table;
    table->capacity = capacity;
    table->keys = ld_alloc(capacity, sizeof *table->keys);
    table->numbers = ld_alloc(capacity, sizeof *table->numbers);
    memset(table->numbers, 0xff, capacity * sizeof *table->numbers);
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.numbers[i] != NONE)
            *table_slot(table, old.keys[i]) = old.numbers[i];
    }
    free(old.keys);
    free(old.numbers);
}

/* The number of `key`; *is_new tells that it has just become `number`. */
static uint32_t table_intern(struct ld_table *table, uint64_t key, size_t number, bool *is_new)
{
    if (table->count * 2 >= table->capacity)
        table_resize(table, table->capacity == 0 ? 1024 : table->capacity * 2);
    uint32_t *slot = table_slot(table, key);
    *is_new = *slot == NONE;
    if (*is_new) {
        *slot = (uint32_t)number;
        table->count++;
    }
    return *slot;
}

/* ---- subjects ---- */

/* What a subject is, before it has a name. `a` and `b` index the world's names; `segment` and `value` index its
 * segments, segment NONE: the subject over all of them. */
struct identity {
    enum ld_kind kind;
    uint32_t a, b;
    uint32_t segment, value;
};

static const char *touchpoint_name(const struct ld_world *world, uint32_t index)
{
    return index < world->touchpoint_count ? world->touchpoints[index].name.raw : "__other__";
}

static char *plain_name(const struct ld_world *world, const struct identity *id)
{
    const char *first = "";
    switch (id->kind) {
    case LD_KIND_ALL:
    case LD_KINDS:
        return ld_copy("all");
    case LD_KIND_JOURNEY:
    case LD_KIND_JOURNEY_STAGE:
        first = world->journeys[id->a].raw;
        break;
    case LD_KIND_STAGE:
        first = world->stages[id->a].raw;
        break;
    case LD_KIND_TOUCHPOINT:
        first = touchpoint_name(world, id->a);
        break;
    case LD_KIND_FEATURE:
        first = world->features[id->a].raw;
        break;
    }
    static const char *const prefixes[] = {"", "journey", "journey", "stage", "touchpoint", "feature"};
    char *encoded = ld_percent_encode(first);
    char *name;
    if (id->kind == LD_KIND_JOURNEY_STAGE) {
        char *stage = ld_percent_encode(world->stages[id->b].raw);
        name = ld_format("journey:%s|stage=%s", encoded, stage);
        free(stage);
    } else {
        name = ld_format("%s:%s", prefixes[id->kind], encoded);
    }
    free(encoded);
    return name;
}

static void subject_init(struct ld_subject *subject, const struct ld_world *world, const struct identity *id)
{
    static const char *const groups[] = {"all", "journey", "journey_stage", "stage", "touchpoint", "feature"};
    char *plain = plain_name(world, id);
    subject->kind = id->kind;
    if (id->segment == NONE) {
        subject->name = plain;
        subject->group = ld_copy(groups[id->kind]);
        return;
    }
    const struct ld_segment *segment = &world->segments[id->segment];
    char *key = ld_percent_encode(segment->name);
    char *value = ld_percent_encode(segment->values[id->value].raw);
    subject->name = ld_format("%s|%s=%s", plain, key, value);
    subject->group = ld_format("%s|%s=%s", groups[id->kind], key, value);
    free(key);
    free(value);
    free(plain);
}

static uint32_t intern_subject(struct ld_subjects *subjects, const struct identity *id)
{
    bool is_new;
    uint64_t where = id->segment == NONE ? 0 : (uint64_t)(id->segment + 1) << 12 | id->value;
    uint64_t key = (uint64_t)id->kind << 60 | (uint64_t)(id->a & 0xffffff) << 36 | (uint64_t)(id->b & 0x7ffff) << 17 | where;
    uint32_t number = table_intern(&subjects->subject_table, key, subjects->subject_count, &is_new);
    if (is_new) {
        subjects->subjects = ld_grow(subjects->subjects, &subjects->subject_capacity, subjects->subject_count + 1,
                                     sizeof *subjects->subjects);
        subject_init(&subjects->subjects[subjects->subject_count++], subjects->world, id);
    }
    return number;
}

static void add_subject(struct ld_subjects *subjects, struct ld_cell *cell, const struct ld_event *event,
                        enum ld_kind kind, uint32_t a, uint32_t b)
{
    struct identity id = {kind, a, b, NONE, 0};
    cell->subjects[cell->subject_count++] = intern_subject(subjects, &id);
    for (uint32_t i = 0; i < subjects->world->segment_count; i++) {
        if (subjects->segment_factor[i] == 0 || event->segment[i] == LD_ABSENT)
            continue;
        id.segment = i;
        id.value = (uint32_t)event->segment[i];
        cell->subjects[cell->subject_count++] = intern_subject(subjects, &id);
    }
}

/* ---- cells ---- */

static struct ld_cell *new_cell(struct ld_subjects *subjects)
{
    subjects->cells =
        ld_grow(subjects->cells, &subjects->cell_capacity, subjects->cell_count + 1, sizeof *subjects->cells);
    struct ld_cell *cell = &subjects->cells[subjects->cell_count++];
    cell->subjects = ld_alloc((size_t)5 * (LD_SEGMENTS_MAX + 1), sizeof *cell->subjects);
    return cell;
}

static void trim_cell(struct ld_cell *cell)
{
    uint32_t *exact = ld_alloc(cell->subject_count, sizeof *exact);
    memcpy(exact, cell->subjects, cell->subject_count * sizeof *exact);
    free(cell->subjects);
    cell->subjects = exact;
}

static uint64_t segments_key(const struct ld_subjects *subjects, const struct ld_event *event)
{
    uint64_t key = 0;
    for (size_t i = 0; i < subjects->world->segment_count; i++)
        key += (uint64_t)subjects->segment_factor[i] * (uint64_t)(event->segment[i] + 1);
    return key;
}

/* The catalogue fills in the stage and the journey that an event lacks. */
static void fill_cell(struct ld_subjects *subjects, struct ld_cell *cell, const struct ld_event *event)
{
    const struct ld_world *world = subjects->world;
    const struct ld_touchpoint *touchpoint = &world->touchpoints[event->touchpoint];
    bool has_stage = event->has_stage || touchpoint->is_known;
    bool has_journey = event->has_journey || touchpoint->is_known;
    bool is_other = world->has_catalogue && !touchpoint->is_known &&
                    subjects->settings->unknown_touchpoint == LD_UNKNOWN_OTHER;
    add_subject(subjects, cell, event, LD_KIND_ALL, 0, 0);
    add_subject(subjects, cell, event, LD_KIND_TOUCHPOINT, is_other ? world->touchpoint_count : event->touchpoint, 0);
    if (has_stage)
        add_subject(subjects, cell, event, LD_KIND_STAGE, touchpoint->stage, 0);
    if (has_journey)
        add_subject(subjects, cell, event, LD_KIND_JOURNEY, touchpoint->journey, 0);
    if (has_stage && has_journey)
        add_subject(subjects, cell, event, LD_KIND_JOURNEY_STAGE, touchpoint->journey, touchpoint->stage);
}

uint32_t ld_subjects_cell(struct ld_subjects *subjects, const struct ld_event *event)
{
    bool is_new;
    uint64_t key = (uint64_t)event->touchpoint << 34 | segments_key(subjects, event) << 2 |
                   (event->has_stage ? 1u : 0u) | (event->has_journey ? 2u : 0u);
    uint32_t number = table_intern(&subjects->cell_table, key, subjects->cell_count, &is_new);
    if (is_new) {
        struct ld_cell *cell = new_cell(subjects);
        fill_cell(subjects, cell, event);
        trim_cell(cell);
    }
    return number;
}

uint32_t ld_subjects_feature_cell(struct ld_subjects *subjects, const struct ld_event *event, uint32_t feature)
{
    bool is_new;
    uint64_t key = FEATURE_KEY | (uint64_t)feature << 34 | segments_key(subjects, event) << 2;
    uint32_t number = table_intern(&subjects->cell_table, key, subjects->cell_count, &is_new);
    if (is_new) {
        struct ld_cell *cell = new_cell(subjects);
        cell->is_feature = true;
        add_subject(subjects, cell, event, LD_KIND_FEATURE, feature, 0);
        trim_cell(cell);
    }
    return number;
}

void ld_subjects_link(struct ld_subjects *subjects)
{
    if (subjects->linked_cells == subjects->cell_count)
        return;
    size_t total = 0;
    for (size_t i = 0; i < subjects->subject_count; i++)
        subjects->subjects[i].cell_count = 0;
    for (size_t i = 0; i < subjects->cell_count; i++) {
        for (uint32_t k = 0; k < subjects->cells[i].subject_count; k++)
            subjects->subjects[subjects->cells[i].subjects[k]].cell_count++;
        total += subjects->cells[i].subject_count;
    }
    size_t first = 0;
    for (size_t i = 0; i < subjects->subject_count; i++) {
        subjects->subjects[i].cell_first = first;
        first += subjects->subjects[i].cell_count;
        subjects->subjects[i].cell_count = 0;
    }
    free(subjects->cells_by_subject);
    subjects->cells_by_subject = ld_alloc(total, sizeof *subjects->cells_by_subject);
    for (size_t i = 0; i < subjects->cell_count; i++) {
        for (uint32_t k = 0; k < subjects->cells[i].subject_count; k++) {
            struct ld_subject *subject = &subjects->subjects[subjects->cells[i].subjects[k]];
            subjects->cells_by_subject[subject->cell_first + subject->cell_count++] = (uint32_t)i;
        }
    }
    subjects->linked_cells = subjects->cell_count;
}

bool ld_subjects_init(struct ld_subjects *subjects, const struct ld_world *world, const struct ld_settings *settings)
{
    uint64_t combinations = 1;
    *subjects = (struct ld_subjects){.world = world, .settings = settings};
    for (size_t i = 0; i < world->segment_count; i++) {
        if (world->segments[i].counted < 0)
            continue;
        subjects->segment_factor[i] = (uint32_t)combinations;
        combinations *= world->segments[i].value_count + (uint64_t)1;
        if (combinations > UINT32_MAX || world->segments[i].value_count > 4000) {
            ld_say("the segments have too many combinations to recount; name fewer values in --segments");
            return false;
        }
    }
    if (world->touchpoint_count >= 1u << 24 || world->stage_count >= 1u << 19) {
        ld_say("the recount holds at most %u touchpoints and %u stages", 1u << 24, 1u << 19);
        return false;
    }
    return true;
}

void ld_subjects_deinit(struct ld_subjects *subjects)
{
    for (size_t i = 0; i < subjects->subject_count; i++) {
        free(subjects->subjects[i].name);
        free(subjects->subjects[i].group);
    }
    for (size_t i = 0; i < subjects->cell_count; i++)
        free(subjects->cells[i].subjects);
    free(subjects->subjects);
    free(subjects->cells);
    free(subjects->cells_by_subject);
    free(subjects->subject_table.keys);
    free(subjects->subject_table.numbers);
    free(subjects->cell_table.keys);
    free(subjects->cell_table.numbers);
    *subjects = (struct ld_subjects){0};
}
