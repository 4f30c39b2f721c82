/* A naive model of the engine: keeps every event for ever and counts all of them
 * again for each question. Slow, and too simple to be wrong in the same way. */
#pragma once

#include <delight/engine.h>
#include <delight/time.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MODEL_THRESHOLD_MS = 20000,
    MODEL_SHORT_MS = 5000,
    MODEL_EVENTS = 4096,
    MODEL_SUBJECTS = 2048,
    MODEL_NAME_BYTES = 2048,
    MODEL_AHEAD_MAX = 302
};

/* One event as one subject saw it: whole (answer -1) or one Kano answer of it. */
struct model_count {
    const struct dl_event *event;
    int answer;
    int64_t second;
};

struct model_name {
    int space; /* kind of the name, DL_KINDS + i for segment i, -1: no name */
    struct dl_name name;
};

struct model_subject {
    char name[MODEL_NAME_BYTES];
    enum dl_kind kind;
    int segment;
    struct model_name names[3]; /* touchpoint, stage, journey or feature; stage of a journey; value */
    struct model_count *counts;
    size_t count_count, count_capacity;
    bool live; /* as of the last look */
};

struct model {
    struct dl_engine_options options;
    int64_t now_ms;
    struct dl_event events[MODEL_EVENTS];
    size_t event_count;
    struct model_subject subjects[MODEL_SUBJECTS];
    size_t subject_count;
    struct dl_engine_counts counts; /* late, ahead, over and oldest */
};

static inline int64_t model_floor(int64_t a, int64_t b)
{
    int64_t quotient = a / b;
    return quotient * b > a ? quotient - 1 : quotient;
}

/* The rule of the design: t is in W if T/p - 60 < t/p <= T/p; above is ahead. */
static inline int64_t model_pane(const struct model *model, int window, int64_t second)
{
    int64_t pane_ms = model->options.window_ms[window] / 60;
    return model_floor(second * 1000, pane_ms) - (model_floor(model->now_ms, pane_ms) - 60) - 1;
}

static inline bool model_holds(const struct model *model, int64_t second)
{
    for (int w = 0; w < model->options.windows; w++)
        if (model_pane(model, w, second) >= 0)
            return true;
    return false;
}

static inline bool model_is_live(const struct model *model, const struct model_subject *subject)
{
    for (size_t i = 0; i < subject->count_count; i++)
        if (model_holds(model, subject->counts[i].second))
            return true;
    return false;
}

/* counts += what the event counts. */
static inline void model_count_event(const struct dl_event *e, struct dl_counts *counts)
{
    int64_t *c = counts->count;
    const int64_t s = e->sign;
    c[DL_COUNT_EVENTS] += s;
    if (e->type == DL_EVENT_SURVEY) {
        if (e->nps >= 0)
            c[DL_COUNT_NPS + e->nps] += s;
        if (e->csat >= 0)
            c[DL_COUNT_CSAT + e->csat - 1] += s;
        if (e->ces >= 0)
            c[DL_COUNT_CES + e->ces - 1] += s;
        if (e->expectation >= 0)
            c[DL_COUNT_EXPECTATION + e->expectation - 1] += s;
        for (int i = 0; i < e->kano_count; i++)
            c[DL_COUNT_KANO + e->kano[i].category] += s;
    } else if (e->type == DL_EVENT_COMPLAINT) {
        c[DL_COUNT_OPENED] += e->closed ? 0 : s;
        c[DL_COUNT_CLOSED] += e->closed ? s : 0;
        if (e->closed && e->satisfied >= 0) {
            c[DL_COUNT_RECOVERY_N] += s;
            c[DL_COUNT_RECOVERY_YES] += s * e->satisfied;
        }
        if (e->closed && e->duration_ms >= 0) {
            c[DL_COUNT_RECOVERY_DURATION_N] += s;
            c[DL_COUNT_RECOVERY_DURATION_MS] += s * e->duration_ms;
        }
    } else {
        bool answered = e->outcome == DL_OUTCOME_ANSWERED;
        bool abandoned = e->outcome == DL_OUTCOME_ABANDONED;
        bool waited = e->wait_ms >= 0;
        c[DL_COUNT_CONTACTS] += s;
        c[DL_COUNT_ANSWERED] += answered ? s : 0;
        c[DL_COUNT_ABANDONED] += abandoned ? s : 0;
        c[DL_COUNT_SL_ANSWERED] += answered && waited ? s : 0;
        c[DL_COUNT_SL_ABANDONED] += abandoned && waited ? s : 0;
        c[DL_COUNT_SL_ANSWERED_WITHIN] += answered && waited && e->wait_ms <= MODEL_THRESHOLD_MS ? s : 0;
        c[DL_COUNT_SL_ABANDONED_WITHIN] += abandoned && waited && e->wait_ms <= MODEL_THRESHOLD_MS ? s : 0;
        c[DL_COUNT_SL_ABANDONED_SHORT] += abandoned && waited && e->wait_ms <= MODEL_SHORT_MS ? s : 0;
        c[DL_COUNT_ASA_MS] += answered && waited ? s * e->wait_ms : 0;
        c[DL_COUNT_WAIT_N] += waited ? s : 0;
        if (waited)
            c[DL_COUNT_WAIT + dl_histogram_bucket(e->wait_ms)] += s;
        if (e->handle_ms >= 0) {
            c[DL_COUNT_HANDLE_N] += s;
            c[DL_COUNT_HANDLE_MS] += s * e->handle_ms;
            c[DL_COUNT_HANDLE + dl_histogram_bucket(e->handle_ms)] += s;
        }
        if (e->first_contact >= 0) {
            c[DL_COUNT_FCR_N] += s;
            c[DL_COUNT_FCR_YES] += s * e->first_contact;
            c[DL_COUNT_FCR_NET_N] += e->resolvable ? s : 0;
            c[DL_COUNT_FCR_NET_YES] += e->resolvable ? s * e->first_contact : 0;
        }
    }
}

static inline void model_count_into(const struct model_count *count, struct dl_counts *counts)
{
    if (count->answer < 0) {
        model_count_event(count->event, counts);
    } else {
        counts->count[DL_COUNT_EVENTS] += count->event->sign;
        counts->count[DL_COUNT_KANO + count->event->kano[count->answer].category] += count->event->sign;
    }
}

/* Subjects and caps */

static inline struct model_subject *model_find(struct model *model, const char *name)
{
    for (size_t i = 0; i < model->subject_count; i++)
        if (strcmp(model->subjects[i].name, name) == 0)
            return &model->subjects[i];
    return NULL;
}

static inline bool model_is_other(struct dl_name name)
{
    return dl_name_equal(name, dl_name_of(DL_NAME_OTHER));
}

/* The name, or __other__ when `max` other names of its space are alive already. */
static inline struct dl_name model_admit(struct model *model, int space, struct dl_name name, int64_t max, bool *over)
{
    struct dl_name seen[MODEL_SUBJECTS];
    int64_t seen_count = 0;
    if (name.bytes == 0 || model_is_other(name))
        return name;
    for (size_t i = 0; i < model->subject_count; i++) {
        const struct model_subject *subject = &model->subjects[i];
        for (int n = 0; n < 3 && subject->live; n++) {
            if (subject->names[n].space != space || model_is_other(subject->names[n].name))
                continue;
            if (dl_name_equal(subject->names[n].name, name))
                return name;
            int64_t at = 0;
            while (at < seen_count && !dl_name_equal(seen[at], subject->names[n].name))
                at++;
            if (at == seen_count)
                seen[seen_count++] = subject->names[n].name;
        }
    }
    if (seen_count < max)
        return name;
    *over = true;
    return dl_name_of(DL_NAME_OTHER);
}

static inline void model_compose(const struct model *model, struct model_subject *subject)
{
    char encoded[3][3 * DL_NAME_BYTES_MAX + 1] = {"", "", ""};
    for (int n = 0; n < 3; n++)
        if (subject->names[n].space >= 0)
            dl_name_encode(encoded[n], subject->names[n].name);
    char segment[MODEL_NAME_BYTES / 2] = "";
    if (subject->segment >= 0)
        snprintf(segment, sizeof segment, "|%.*s=%s", (int)model->options.segment[subject->segment].bytes,
                 model->options.segment[subject->segment].data, encoded[2]);
    if (subject->kind == DL_KIND_ALL)
        snprintf(subject->name, sizeof subject->name, "all%s", segment);
    else if (subject->kind == DL_KIND_JOURNEY_STAGE)
        snprintf(subject->name, sizeof subject->name, "journey:%s|stage=%s%s", encoded[0], encoded[1], segment);
    else
        snprintf(subject->name, sizeof subject->name, "%s:%s%s", dl_kind_name(subject->kind), encoded[0], segment);
}

static inline int64_t model_live_subjects(const struct model *model)
{
    int64_t live = 0;
    for (size_t i = 0; i < model->subject_count; i++)
        live += model->subjects[i].live;
    return live;
}

/* The subject of these names, made alive, under the cap of subjects. */
static inline struct model_subject *model_subject(struct model *model, enum dl_kind kind, int segment,
                                                  struct model_name first, struct model_name second,
                                                  struct model_name value, bool *over)
{
    struct model_subject wanted = {.kind = kind, .segment = segment, .names = {first, second, value}};
    model_compose(model, &wanted);
    struct model_subject *subject = model_find(model, wanted.name);
    if ((subject == NULL || !subject->live) && model_live_subjects(model) >= model->options.subjects_max) {
        struct model_subject other = wanted;
        for (int n = 0; n < 2; n++)
            other.names[n].name = dl_name_of(DL_NAME_OTHER);
        model_compose(model, &other);
        *over = strcmp(other.name, wanted.name) != 0;
        wanted = other;
        subject = model_find(model, wanted.name);
    }
    if (subject == NULL) {
        DL_ASSERT(model->subject_count < MODEL_SUBJECTS);
        subject = &model->subjects[model->subject_count++];
        *subject = wanted;
    }
    subject->live = true;
    return subject;
}

static inline void model_add_count(struct model_subject *subject, struct model_count count)
{
    if (subject->count_count == subject->count_capacity) {
        subject->count_capacity = subject->count_capacity == 0 ? 16 : subject->count_capacity * 2;
        subject->counts = realloc(subject->counts, subject->count_capacity * sizeof *subject->counts);
        DL_ASSERT(subject->counts != NULL);
    }
    subject->counts[subject->count_count++] = count;
}

/* Batches: cells in the order in which events name them */

struct model_cell {
    const struct dl_event *event; /* whose names are the cell's */
    int answer;
    struct model_count counts[256];
    size_t count_count;
};

static inline bool model_same_cell(const struct model *model, const struct model_cell *cell, const struct dl_event *event,
                                   int answer)
{
    const struct dl_event *own = cell->event;
    for (int i = 0; i < model->options.segments; i++)
        if (!dl_name_equal(own->segment[i], event->segment[i]))
            return false;
    if (cell->answer >= 0 || answer >= 0)
        return cell->answer >= 0 && answer >= 0
            && dl_name_equal(own->kano[cell->answer].feature, event->kano[answer].feature);
    return dl_name_equal(own->touchpoint, event->touchpoint) && dl_name_equal(own->stage, event->stage)
        && dl_name_equal(own->journey, event->journey);
}

/* What an admitted cell counts in, without or with one segment's value. */
static inline size_t model_fan_out(struct model *model, const struct model_cell *cell, const struct dl_name names[4],
                                   const struct dl_name values[DL_SEGMENTS_MAX], int segment,
                                   struct model_subject **subjects, int64_t *over_subjects)
{
    const struct model_name none = {.space = -1};
    const struct model_name touchpoint = {DL_KIND_TOUCHPOINT, names[0]};
    const struct model_name stage = {DL_KIND_STAGE, names[1]};
    const struct model_name journey = {DL_KIND_JOURNEY, names[2]};
    const struct model_name feature = {DL_KIND_FEATURE, names[3]};
    const struct model_name value = segment < 0 ? none : (struct model_name){DL_KINDS + segment, values[segment]};
    const struct {
        bool wanted;
        enum dl_kind kind;
        struct model_name first, second;
    } rows[] = {
        {cell->answer >= 0, DL_KIND_FEATURE, feature, none},
        {cell->answer < 0, DL_KIND_ALL, none, none},
        {cell->answer < 0, DL_KIND_TOUCHPOINT, touchpoint, none},
        {stage.name.bytes > 0, DL_KIND_STAGE, stage, none},
        {journey.name.bytes > 0, DL_KIND_JOURNEY, journey, none},
        {journey.name.bytes > 0 && stage.name.bytes > 0, DL_KIND_JOURNEY_STAGE, journey, stage},
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!rows[i].wanted)
            continue;
        bool over = false;
        subjects[count++] = model_subject(model, rows[i].kind, segment, rows[i].first, rows[i].second, value, &over);
        *over_subjects += over;
    }
    return count;
}

/* Seconds of one step are never told apart. */
static inline bool model_is_ahead(const struct model *model, int64_t second)
{
    int64_t step_s = dl_engine_step_s(&model->options);
    return model_floor(second, step_s) * step_s * 1000 > model->now_ms + DL_FUTURE_MS;
}

static inline void model_apply_cell(struct model *model, const struct model_cell *cell)
{
    static const struct dl_name no_name = {.data = NULL};
    const struct dl_event *event = cell->event;
    int64_t tallies = 0; /* distinct seconds that are in reach */
    for (size_t i = 0; i < cell->count_count; i++) {
        bool first = true;
        for (size_t j = 0; j < i; j++)
            first = first && cell->counts[j].second != cell->counts[i].second;
        int64_t second = cell->counts[i].second;
        if (model_is_ahead(model, second))
            model->counts.ahead += cell->answer < 0;
        else if (!model_holds(model, second))
            model->counts.late += cell->answer < 0;
        else {
            tallies += first;
            if (second * 1000 < model->counts.oldest_ms)
                model->counts.oldest_ms = second * 1000;
        }
    }
    if (tallies == 0)
        return;
    bool whole = cell->answer < 0;
    bool over[4] = {false};
    const struct dl_engine_options *options = &model->options;
    const struct dl_name names[4] = {
        model_admit(model, DL_KIND_TOUCHPOINT, whole ? event->touchpoint : no_name, options->touchpoints_max, &over[0]),
        model_admit(model, DL_KIND_STAGE, whole ? event->stage : no_name, options->stages_max, &over[1]),
        model_admit(model, DL_KIND_JOURNEY, whole ? event->journey : no_name, options->journeys_max, &over[2]),
        model_admit(model, DL_KIND_FEATURE, whole ? no_name : event->kano[cell->answer].feature, options->features_max,
                    &over[3]),
    };
    struct dl_name values[DL_SEGMENTS_MAX];
    for (int i = 0; i < options->segments; i++) {
        bool over_value = false;
        values[i] = model_admit(model, DL_KINDS + i, event->segment[i], options->segment_values_max, &over_value);
        model->counts.over_segment_values += over_value ? tallies : 0;
    }
    model->counts.over_cap[DL_KIND_TOUCHPOINT] += over[0] ? tallies : 0;
    model->counts.over_cap[DL_KIND_STAGE] += over[1] ? tallies : 0;
    model->counts.over_cap[DL_KIND_JOURNEY] += over[2] ? tallies : 0;
    model->counts.over_cap[DL_KIND_FEATURE] += over[3] ? tallies : 0;
    struct model_subject *subjects[6 * (1 + DL_SEGMENTS_MAX)];
    int64_t over_subjects = 0;
    size_t count = model_fan_out(model, cell, names, values, -1, subjects, &over_subjects);
    for (int i = 0; i < options->segments; i++)
        if (values[i].bytes > 0)
            count += model_fan_out(model, cell, names, values, i, subjects + count, &over_subjects);
    model->counts.over_subjects += over_subjects * tallies;
    for (size_t i = 0; i < cell->count_count; i++)
        if (!model_is_ahead(model, cell->counts[i].second) && model_holds(model, cell->counts[i].second))
            for (size_t s = 0; s < count; s++)
                model_add_count(subjects[s], cell->counts[i]);
}

static inline void model_put(struct model *model, struct model_cell *cells, size_t *cell_count,
                             const struct dl_event *event, int answer)
{
    size_t at = 0;
    while (at < *cell_count && !model_same_cell(model, &cells[at], event, answer))
        at++;
    if (at == *cell_count)
        cells[(*cell_count)++] = (struct model_cell){.event = event, .answer = answer};
    struct model_cell *cell = &cells[at];
    DL_ASSERT(cell->count_count < sizeof cell->counts / sizeof cell->counts[0]);
    cell->counts[cell->count_count++] =
        (struct model_count){.event = event, .answer = answer, .second = model_floor(event->time_ms, 1000)};
}

/* One batch: the events from `first` on. */
static inline void model_apply(struct model *model, size_t first)
{
    static struct model_cell cells[512];
    size_t cell_count = 0;
    for (size_t i = 0; i < model->subject_count; i++)
        model->subjects[i].live = model_is_live(model, &model->subjects[i]);
    for (size_t e = first; e < model->event_count; e++) {
        const struct dl_event *event = &model->events[e];
        model_put(model, cells, &cell_count, event, -1);
        for (int i = 0; event->type == DL_EVENT_SURVEY && i < event->kano_count; i++)
            model_put(model, cells, &cell_count, event, i);
    }
    for (size_t i = 0; i < cell_count; i++)
        model_apply_cell(model, &cells[i]);
}

static inline void model_free(struct model *model)
{
    for (size_t i = 0; i < model->subject_count; i++)
        free(model->subjects[i].counts);
    free(model);
}
