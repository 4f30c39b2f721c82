/* What `top` reads: names, then scores of all of them or of those that are
 * visible, then trends of those that are visible. Each step is one pipeline. */
#include "top.h"

#include "clocks.h"
#include "subject_text.h"

#include <delight/time.h>

#include <stdlib.h>
#include <string.h>

enum { SLICE = 500 /* hashes asked for at a time */ };

const char *dl_top_segment(const struct dl_top *top)
{
    return top->segment > 0 && top->segment <= top->segments.count ? top->segments.item[top->segment - 1] : "";
}

/* Of the kind or the subject "all", with the segment that is asked for. */
static void name_text(const struct dl_top *top, enum dl_kind kind, char out[static DL_SUBJECT_TEXT_MAX])
{
    snprintf(out, DL_SUBJECT_TEXT_MAX, "%s%s", dl_kind_name(kind), dl_top_segment(top));
}

static void window_text(const struct dl_top *top, char out[static DL_TOP_WINDOW_SIZE])
{
    dl_duration_format(out, DL_TOP_WINDOW_SIZE, top->config->windows.item[top->window]);
}

static void clear_reading(struct dl_top *top)
{
    struct dl_top_reading *reading = &top->reading;
    dl_reader_names_deinit(&reading->names);
    dl_reader_names_deinit(&reading->slice);
    free(reading->chosen);
    free(reading->scores);
    free(reading->halves);
    *reading = (struct dl_top_reading){.phase = DL_TOP_IDLE};
}

void dl_top_data_deinit(struct dl_top *top)
{
    clear_reading(top);
    dl_reader_names_deinit(&top->row_names);
    dl_reader_names_deinit(&top->segments);
    free(top->rows);
}

/* ---- Which fields ---- */

static void choose_fields(struct dl_top *top)
{
    size_t columns;
    const struct dl_top_column *column = dl_top_columns(top->kind, &columns);
    top->field_count = dl_top_fields(top->kind, top->fields);
    top->trend_count = 0;
    for (size_t i = 0; i < columns; i++)
        for (size_t m = 0; m < top->config->trends.measures.count; m++)
            if (top->config->trends.measures.item[m] == column[i].field) {
                top->trend_columns[top->trend_count] = i;
                top->trend_measures[top->trend_count++] = column[i].field;
            }
}

static int sort_field(const struct dl_top *top)
{
    size_t columns;
    const struct dl_top_column *column = dl_top_columns(top->kind, &columns);
    return top->sort_column < 0 ? -1 : column[top->sort_column].field;
}

/* ---- Steps ---- */

static enum dl_status ask_names(struct dl_top *top)
{
    char group[DL_SUBJECT_TEXT_MAX];
    name_text(top, top->kind, group);
    top->reading.phase = DL_TOP_ASKING_NAMES;
    enum dl_status status = dl_reader_meta(top->reader, &top->reading.meta);
    return status == DL_OK ? dl_reader_names(top->reader, group, &top->reading.names) : status;
}

static enum dl_status ask_scores(struct dl_top *top)
{
    struct dl_top_reading *reading = &top->reading;
    char window[DL_TOP_WINDOW_SIZE], subject[DL_SUBJECT_TEXT_MAX];
    enum dl_status status = DL_OK;
    window_text(top, window);
    reading->phase = DL_TOP_ASKING_SCORES;
    if (reading->asked == 0) {
        name_text(top, DL_KIND_ALL, subject);
        status = dl_reader_scores(top->reader, subject, window, top->fields, top->field_count, &reading->whole);
    }
    for (size_t i = 0; i < SLICE && reading->asked < reading->count && status == DL_OK; i++) {
        status = dl_reader_scores(top->reader, reading->chosen[reading->asked], window, top->fields, top->field_count,
                                  &reading->scores[reading->asked]);
        reading->asked += status == DL_OK;
        if (status == DL_FULL && i > 0)
            return DL_OK; /* the rest with the next step */
    }
    return status;
}

static enum dl_status begin_scores(struct dl_top *top)
{
    struct dl_top_reading *reading = &top->reading;
    reading->scores = calloc(reading->count + 1, sizeof *reading->scores);
    return reading->scores == NULL ? DL_MEMORY : ask_scores(top);
}

static bool is_ranked(const struct dl_top *top, int field)
{
    for (size_t i = 0; i < top->config->rank.measures.count; i++)
        if (top->config->rank.measures.item[i] == field)
            return true;
    return false;
}

static enum dl_status ask_slice(struct dl_top *top)
{
    char group[DL_SUBJECT_TEXT_MAX], window[DL_TOP_WINDOW_SIZE];
    name_text(top, top->kind, group);
    window_text(top, window);
    top->reading.phase = DL_TOP_ASKING_SLICE;
    top->reading.first = top->first;
    return dl_reader_rank(top->reader, sort_field(top), group, window, top->descending, top->first, top->page > 0 ? top->page : 1,
                          &top->reading.slice);
}

/* All that match, or the part that is visible: ordered by a rank that is in Redis, or by name. */
static enum dl_status choose_rows(struct dl_top *top)
{
    struct dl_top_reading *reading = &top->reading;
    dl_reader_names_sort(&reading->names);
    reading->chosen = calloc(reading->names.count + 1, sizeof *reading->chosen);
    if (reading->chosen == NULL)
        return DL_MEMORY;
    for (size_t i = 0; i < reading->names.count; i++)
        if (dl_top_matches(reading->names.item[i], top->filter))
            reading->chosen[reading->count++] = reading->names.item[i];
    reading->matching = reading->count;
    if (top->terminal == NULL || reading->count <= DL_TOP_ROWS_MAX)
        return begin_scores(top);
    if (*top->filter == '\0' && is_ranked(top, sort_field(top)))
        return ask_slice(top);
    size_t first = top->first < reading->count ? top->first : reading->count - 1;
    size_t count = reading->count - first < top->page ? reading->count - first : top->page;
    if (top->sort_column < 0 && top->descending)
        for (size_t i = 0; i < reading->count / 2; i++) {
            const char *other = reading->chosen[i];
            reading->chosen[i] = reading->chosen[reading->count - 1 - i];
            reading->chosen[reading->count - 1 - i] = other;
        }
    memmove(reading->chosen, reading->chosen + first, count * sizeof *reading->chosen);
    reading->first = first;
    reading->count = count;
    return begin_scores(top);
}

static enum dl_status take_slice(struct dl_top *top)
{
    struct dl_top_reading *reading = &top->reading;
    reading->count = reading->slice.count < reading->names.count ? reading->slice.count : reading->names.count;
    for (size_t i = 0; i < reading->count; i++)
        reading->chosen[i] = reading->slice.item[i];
    if (reading->count < top->page) /* those with fewer answers than rank.min_n are in no rank */
        reading->matching = reading->first + reading->count;
    return begin_scores(top);
}

/* Names of what is visible go with the rows. */
static enum dl_status take_rows(struct dl_top *top)
{
    struct dl_top_reading *reading = &top->reading;
    struct dl_top_row *rows = calloc(reading->count + 1, sizeof *rows);
    if (rows == NULL)
        return DL_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < reading->count; i++)
        if (reading->scores[i].there)
            rows[count++] = (struct dl_top_row){.name = reading->chosen[i], .there = true, .scores = reading->scores[i].scores};
    bool all = reading->count == reading->matching;
    if (all) {
        dl_top_sort(rows, count, sort_field(top), top->descending);
        reading->matching = count;
    }
    free(top->rows);
    dl_reader_names_deinit(&top->row_names);
    top->row_names = reading->slice.count > 0 ? reading->slice : reading->names;
    top->total = reading->names.count;
    if (reading->slice.count > 0)
        reading->slice = (struct dl_reader_names){0};
    else
        reading->names = (struct dl_reader_names){0};
    top->rows = rows;
    top->row_count = count;
    top->row_first = all ? 0 : reading->first;
    top->matching = reading->matching;
    top->meta = reading->meta;
    top->whole = (struct dl_top_row){.name = dl_kind_name(DL_KIND_ALL), .there = reading->whole.there, .scores = reading->whole.scores};
    top->read_once = true;
    return DL_OK;
}

static enum dl_status ask_trends(struct dl_top *top)
{
    struct dl_top_reading *reading = &top->reading;
    char window[DL_TOP_WINDOW_SIZE];
    window_text(top, window);
    reading->phase = DL_TOP_ASKING_TRENDS;
    reading->trend_first = top->first > top->row_first ? top->first - top->row_first : 0;
    reading->trend_end = reading->trend_first + top->page < top->row_count ? reading->trend_first + top->page : top->row_count;
    if (reading->trend_first > reading->trend_end)
        reading->trend_first = reading->trend_end;
    if (top->trend_count == 0)
        return DL_EMPTY;
    reading->halves = calloc((reading->trend_end - reading->trend_first + 1) * top->trend_count, sizeof *reading->halves);
    if (reading->halves == NULL)
        return DL_MEMORY;
    char whole[DL_SUBJECT_TEXT_MAX];
    name_text(top, DL_KIND_ALL, whole);
    enum dl_status status = dl_reader_trend(top->reader, whole, window, top->trend_measures, top->trend_count,
                                            &reading->halves[(reading->trend_end - reading->trend_first) * top->trend_count]);
    for (size_t row = reading->trend_first; row < reading->trend_end && status == DL_OK; row++)
        status = dl_reader_trend(top->reader, top->rows[row].name, window, top->trend_measures, top->trend_count,
                                 &reading->halves[(row - reading->trend_first) * top->trend_count]);
    return status;
}

static void take_trends(struct dl_top *top)
{
    const struct dl_top_reading *reading = &top->reading;
    for (size_t row = reading->trend_first; row <= reading->trend_end; row++) {
        struct dl_top_row *to = row < reading->trend_end ? &top->rows[row] : &top->whole;
        for (size_t i = 0; i < top->trend_count; i++)
            to->trend[top->trend_columns[i]] = reading->halves[(row - reading->trend_first) * top->trend_count + i];
    }
}

/* ---- From step to step ---- */

static void finish(struct dl_top *top)
{
    clear_reading(top);
    top->answered_ms = dl_monotonic_ms();
    top->trouble[0] = '\0';
    top->on_read(top);
}

/* DL_EMPTY: there is nothing to ask. */
static enum dl_status go_on(struct dl_top *top)
{
    struct dl_top_reading *reading = &top->reading;
    enum dl_status status = DL_OK;
    switch (reading->phase) {
    case DL_TOP_IDLE:
        return DL_EMPTY;
    case DL_TOP_ASKING_NAMES:
        return choose_rows(top);
    case DL_TOP_ASKING_SLICE:
        return take_slice(top);
    case DL_TOP_ASKING_SCORES:
        if (reading->asked < reading->count)
            return ask_scores(top);
        status = take_rows(top);
        return status != DL_OK ? status : top->terminal == NULL ? DL_EMPTY : ask_trends(top);
    case DL_TOP_ASKING_TRENDS:
        take_trends(top);
        return DL_EMPTY;
    }
    return DL_EMPTY;
}

/* A connection that broke is made again by the link; then everything is asked anew. What was asked already
 * still writes to where it was told to. */
static void give_up(struct dl_top *top, enum dl_status status)
{
    top->failed = top->failed || status == DL_MEMORY;
    if (dl_reader_idle(top->reader))
        clear_reading(top);
    else
        top->reading.again = true;
    top->on_read(top);
}

static void take_segments(struct dl_top *top, bool whole)
{
    char now[DL_SUBJECT_TEXT_MAX];
    snprintf(now, sizeof now, "%s", dl_top_segment(top));
    dl_reader_names_sort(&top->segments);
    top->segment = 0;
    for (size_t i = 0; i < top->segments.count; i++)
        if (strcmp(top->segments.item[i], now) == 0)
            top->segment = i + 1;
    top->segments_asked = false;
    top->segments_read = whole;
    /* The key that asked for them asked for the next one. */
    if (whole && top->segments.count > 0) {
        top->segment = (top->segment + 1) % (top->segments.count + 1);
        dl_top_changed(top);
    }
}

void dl_top_on_settled(void *context, bool whole)
{
    struct dl_top *top = context;
    bool segments_only = top->reading.phase == DL_TOP_IDLE;
    const char *refused = whole ? NULL : dl_reader_refused(top->reader);
    if (refused != NULL)
        snprintf(top->trouble, sizeof top->trouble, "Redis refuses: %s", refused);
    if (top->segments_asked)
        take_segments(top, whole);
    if (segments_only) {
        top->on_read(top);
        return;
    }
    if (!whole) {
        give_up(top, DL_AWAY);
        return;
    }
    if (top->reading.again) {
        clear_reading(top);
        dl_top_read(top);
        return;
    }
    enum dl_status status = go_on(top);
    if (status == DL_EMPTY)
        finish(top);
    else if (status != DL_OK)
        give_up(top, status);
}

void dl_top_read(struct dl_top *top)
{
    if (top->reading.phase != DL_TOP_IDLE || !dl_reader_up(top->reader))
        return;
    choose_fields(top);
    enum dl_status status = ask_names(top);
    if (status != DL_OK)
        give_up(top, status);
}

static void read_anew(struct dl_top *top)
{
    if (top->reading.phase == DL_TOP_IDLE)
        dl_top_read(top);
    else
        top->reading.again = true;
}

void dl_top_changed(struct dl_top *top)
{
    top->row_count = top->row_first = top->matching = 0;
    top->first = top->selected = 0;
    top->whole.there = top->read_once = false;
    read_anew(top);
}

void dl_top_reordered(struct dl_top *top)
{
    if (top->row_count == top->matching)
        dl_top_sort(top->rows, top->row_count, sort_field(top), top->descending);
    read_anew(top);
}
