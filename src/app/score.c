/* `delightd score`: the same engine over a file. Two passes where the newest
 * event decides as-of, so that the order of the lines does not matter. */
#include "commands.h"

#include "lines.h"
#include "print.h"
#include "settings.h"

#include <delight/dedupe.h>
#include <delight/time.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct scorer {
    const struct dl_config *config;
    const char *name;   /* of the input, for messages */
    FILE *input;        /* seekable */
    bool strict;
    struct dl_catalogue *catalogue;
    struct dl_decoder *decoder;
    struct dl_engine *engine;
    struct dl_batch_options batch_options;
    struct dl_batch *batch;
    struct dl_dedupe *dedupe; /* NULL: off */
    int64_t rejected[DL_REJECTS];
    int64_t duplicates, unknown_fields;
    int64_t newest_ms, as_of_ms; /* INT64_MIN: none */
    size_t line;
};

/* ---- One line ---- */

static void on_unknown_field(void *context, struct dl_name field)
{
    struct scorer *scorer = context;
    scorer->unknown_fields++;
    fprintf(stderr, "%s:%zu: unknown_field: ", scorer->name, scorer->line);
    dl_print_safely(stderr, field.data, field.bytes, 0);
    fputc('\n', stderr);
}

static enum dl_status add_to_batch(struct scorer *scorer, const struct dl_event *event)
{
    enum dl_status status = dl_batch_add(scorer->batch, event);
    if (status != DL_FULL)
        return status;
    status = dl_engine_apply(scorer->engine, scorer->batch);
    dl_batch_destroy(scorer->batch);
    scorer->batch = dl_batch_create(&scorer->batch_options, 0);
    if (status != DL_OK || scorer->batch == NULL)
        return status != DL_OK ? status : DL_MEMORY;
    return dl_batch_add(scorer->batch, event);
}

static void report_reject(struct scorer *scorer, enum dl_reject reject, const char *detail)
{
    scorer->rejected[reject]++;
    fprintf(stderr, "%s:%zu: %s: %s\n", scorer->name, scorer->line, dl_reject_word(reject), detail);
}

/* report: say what is wrong; count: add to the engine. A single pass does both. */
static enum dl_status take_line(struct scorer *scorer, const char *data, size_t bytes, bool report, bool count)
{
    const struct dl_message message = {.value = data, .value_bytes = bytes, .timestamp_ms = -1};
    struct dl_event event;
    char detail[DL_DETAIL_SIZE];
    enum dl_reject reject = dl_decode(scorer->decoder, &message, INT64_MAX, &event, detail);
    if (reject != DL_ACCEPTED) {
        if (report)
            report_reject(scorer, reject, detail);
        return DL_OK;
    }
    bool duplicate = false;
    if (scorer->dedupe != NULL) {
        const struct dl_dedupe_mark mark = dl_dedupe_mark(scorer->dedupe, &event);
        enum dl_status status = dl_dedupe_check(scorer->dedupe, (int64_t)scorer->line, &mark, &duplicate);
        if (status != DL_OK)
            return status;
    }
    if (report)
        scorer->duplicates += duplicate;
    if (!duplicate && event.time_ms > scorer->newest_ms)
        scorer->newest_ms = event.time_ms;
    enum dl_status status = count && !duplicate ? add_to_batch(scorer, &event) : DL_OK;
    if (report && scorer->strict) /* last: the event's names go with the next decode */
        dl_decode_unknown_fields(scorer->decoder, &message, on_unknown_field, scorer);
    return status;
}

static bool blank(const char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (data[i] != ' ' && data[i] != '\t')
            return false;
    return true;
}

static enum dl_status pass(struct scorer *scorer, bool report, bool count)
{
    struct dl_lines lines;
    enum dl_status status = dl_lines_init(&lines, scorer->input, (size_t)scorer->config->limits.event_bytes);
    if (status == DL_OK && scorer->config->dedupe.records > 0) {
        dl_dedupe_destroy(scorer->dedupe);
        scorer->dedupe = dl_dedupe_create(scorer->config->dedupe.records);
        if (scorer->dedupe == NULL)
            status = DL_MEMORY;
    }
    const char *data;
    size_t bytes;
    while (status == DL_OK && (status = dl_lines_next(&lines, &data, &bytes)) == DL_OK) {
        scorer->line = lines.number;
        if (!blank(data, bytes))
            status = take_line(scorer, data, bytes, report, count);
    }
    dl_lines_deinit(&lines);
    return status == DL_EMPTY ? DL_OK : status;
}

static enum dl_status count_all(struct scorer *scorer, bool report)
{
    enum dl_status status = dl_engine_advance(scorer->engine, scorer->as_of_ms);
    if (status == DL_OK)
        status = pass(scorer, report, true);
    if (status == DL_OK)
        status = dl_engine_apply(scorer->engine, scorer->batch);
    return status;
}

static enum dl_status score_input(struct scorer *scorer)
{
    if (scorer->as_of_ms != INT64_MIN)
        return count_all(scorer, true);
    enum dl_status status = pass(scorer, true, false);
    if (status != DL_OK || scorer->newest_ms == INT64_MIN)
        return status;
    scorer->as_of_ms = scorer->newest_ms;
    rewind(scorer->input);
    return count_all(scorer, false);
}

/* ---- Output ---- */

static int by_name(const void *a, const void *b)
{
    const struct dl_subject_info *first = a, *second = b;
    if (first->kind != second->kind)
        return first->kind < second->kind ? -1 : 1;
    return strcmp(first->name, second->name);
}

/* Every live subject, by kind and name; NULL: out of memory. */
static struct dl_subject_info *sorted_subjects(const struct dl_engine *engine, size_t *count)
{
    struct dl_engine_counts counts;
    dl_engine_counts(engine, &counts);
    struct dl_subject_info *subjects = calloc((size_t)counts.subjects + 1, sizeof *subjects);
    *count = 0;
    for (int64_t id = dl_engine_next_subject(engine, 0); subjects != NULL && id >= 0; id = dl_engine_next_subject(engine, id + 1))
        dl_engine_subject(engine, id, &subjects[(*count)++]);
    if (subjects != NULL)
        qsort(subjects, *count, sizeof *subjects, by_name);
    return subjects;
}

/* false: the view has no data. */
static bool score_view(const struct scorer *scorer, const struct dl_subject_info *subject, int window, struct dl_scores *scores)
{
    int64_t id = dl_engine_find(scorer->engine, subject->name, subject->name_bytes);
    const struct dl_tally *total = dl_engine_total(scorer->engine, id, window);
    if (dl_tally_empty(total))
        return false;
    struct dl_counts counts = {0};
    dl_tally_unpack(total, &counts, +1);
    const struct dl_score_options options = dl_settings_score(scorer->config);
    dl_score(scores, &counts, scorer->as_of_ms, scorer->config->windows.item[window], &options);
    return true;
}

static void add_rejects_json(struct dl_text *text, const struct scorer *scorer)
{
    bool first = true;
    for (int i = DL_ACCEPTED + 1; i < DL_REJECTS; i++)
        if (scorer->rejected[i] > 0) {
            dl_text_printf(text, "%s\"%s\": %" PRId64, first ? "" : ", ", dl_reject_word((enum dl_reject)i), scorer->rejected[i]);
            first = false;
        }
}

static bool print_chunk(struct dl_text *text)
{
    bool good = !text->failed;
    if (good)
        fwrite(text->data, 1, text->bytes, stdout);
    dl_text_clear(text);
    return good;
}

static bool print_json_subject(struct dl_text *text, const struct scorer *scorer, const struct dl_subject_info *subject, bool *first)
{
    bool opened = false;
    for (size_t w = 0; w < scorer->config->windows.count; w++) {
        struct dl_scores scores;
        if (!score_view(scorer, subject, (int)w, &scores))
            continue;
        if (!opened) {
            dl_text_printf(text, "%s\n  ", *first ? "" : ",");
            dl_text_add_json_string(text, subject->name, subject->name_bytes);
            dl_text_printf(text, ": {");
        }
        char window[32];
        dl_duration_format(window, sizeof window, scorer->config->windows.item[w]);
        dl_text_printf(text, "%s\n    \"%s\": ", opened ? "," : "", window);
        dl_json_scores(text, &scores, true);
        opened = true;
        *first = false;
    }
    if (opened)
        dl_text_printf(text, "}");
    return print_chunk(text);
}

static bool print_json(const struct scorer *scorer, const struct dl_subject_info *subjects, size_t count, int64_t late)
{
    struct dl_text text = {0};
    char as_of[DL_TIME_TEXT_SIZE + 2] = "null";
    if (scorer->as_of_ms != INT64_MIN) {
        char time[DL_TIME_TEXT_SIZE];
        dl_time_format(time, scorer->as_of_ms);
        snprintf(as_of, sizeof as_of, "\"%s\"", time);
    }
    dl_text_printf(&text, "{\"as_of\": %s, \"rejected\": {", as_of);
    add_rejects_json(&text, scorer);
    dl_text_printf(&text, "}, \"late\": %" PRId64 ", \"duplicates\": %" PRId64 ", \"subjects\": {", late, scorer->duplicates);
    bool good = print_chunk(&text);
    bool first = true;
    for (size_t i = 0; i < count && good; i++)
        good = print_json_subject(&text, scorer, &subjects[i], &first);
    dl_text_deinit(&text);
    puts("}}");
    return good;
}

static const struct {
    enum dl_field_id field;
    const char *title;
    int width;
} columns[] = {
    {DL_FIELD_events, "events", 9},        {DL_FIELD_nps, "nps", 10},
    {DL_FIELD_nps_n, "nps_n", 8},          {DL_FIELD_csat, "csat", 9},
    {DL_FIELD_csat_n, "csat_n", 8},        {DL_FIELD_ces, "ces", 9},
    {DL_FIELD_delight, "delight", 9},      {DL_FIELD_kano_category, "kano", 16},
    {DL_FIELD_service_level, "service_level", 14}, {DL_FIELD_wait_p95_ms, "wait_p95_ms", 12},
    {DL_FIELD_fcr, "fcr", 9},              {DL_FIELD_complaints, "complaints", 11},
};
enum { COLUMNS = sizeof columns / sizeof columns[0], NAME_WIDTH_MAX = 60 };

static void print_table(const struct scorer *scorer, const struct dl_subject_info *subjects, size_t count, int64_t late)
{
    size_t name_width = strlen("subject");
    for (size_t i = 0; i < count; i++) {
        size_t width = dl_print_width(subjects[i].name, subjects[i].name_bytes);
        if (width > name_width && width <= NAME_WIDTH_MAX)
            name_width = width;
    }
    printf("%-*s %6s", (int)name_width, "subject", "window");
    for (int c = 0; c < COLUMNS; c++)
        printf(" %*s", columns[c].width, columns[c].title);
    putchar('\n');
    for (size_t i = 0; i < count; i++)
        for (size_t w = 0; w < scorer->config->windows.count; w++) {
            struct dl_scores scores;
            if (!score_view(scorer, &subjects[i], (int)w, &scores))
                continue;
            char window[32];
            dl_duration_format(window, sizeof window, scorer->config->windows.item[w]);
            dl_print_safely(stdout, subjects[i].name, subjects[i].name_bytes, name_width);
            printf(" %6s", window);
            for (int c = 0; c < COLUMNS; c++) {
                char value[DL_VALUE_TEXT_SIZE] = "-";
                if (scores.value[columns[c].field].kind != DL_VALUE_NONE)
                    dl_value_format(value, scores.value[columns[c].field]);
                printf(" %*s", columns[c].width, value);
            }
            putchar('\n');
        }
    char as_of[DL_TIME_TEXT_SIZE] = "-";
    if (scorer->as_of_ms != INT64_MIN)
        dl_time_format(as_of, scorer->as_of_ms);
    int64_t rejected = 0;
    for (int i = 0; i < DL_REJECTS; i++)
        rejected += scorer->rejected[i];
    printf("as of %s, %" PRId64 " rejected, %" PRId64 " late, %" PRId64 " duplicates; every field: --format json\n", as_of,
           rejected, late, scorer->duplicates);
}

static int print_scores(const struct scorer *scorer, bool json)
{
    struct dl_engine_counts counts;
    dl_engine_counts(scorer->engine, &counts);
    size_t count;
    struct dl_subject_info *subjects = sorted_subjects(scorer->engine, &count);
    if (subjects == NULL)
        return DL_EXIT_SOFTWARE;
    bool good = true;
    if (json)
        good = print_json(scorer, subjects, count, counts.late);
    else
        print_table(scorer, subjects, count, counts.late);
    free(subjects);
    int64_t reported = scorer->unknown_fields;
    for (int i = 0; i < DL_REJECTS; i++)
        reported += scorer->rejected[i];
    if (!good)
        return DL_EXIT_SOFTWARE;
    return scorer->strict && reported > 0 ? DL_EXIT_DATA : DL_EXIT_OK;
}

/* ---- Start and end ---- */

/* A pipe cannot be read twice: it is copied to a file without a name. */
static FILE *spool(FILE *from)
{
    FILE *to = tmpfile();
    char block[65536];
    size_t bytes;
    while (to != NULL && (bytes = fread(block, 1, sizeof block, from)) > 0)
        if (fwrite(block, 1, bytes, to) != bytes) {
            fclose(to);
            return NULL;
        }
    if (to != NULL && ferror(from)) {
        fclose(to);
        return NULL;
    }
    if (to != NULL)
        rewind(to);
    return to;
}

static FILE *open_input(const char *path, bool twice)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (file == NULL || !twice || fseeko(file, 0, SEEK_CUR) == 0)
        return file;
    FILE *copy = spool(file);
    if (file != stdin)
        fclose(file);
    return copy;
}

static enum dl_status scorer_init(struct scorer *scorer)
{
    const struct dl_engine_options engine = dl_settings_engine(scorer->config);
    scorer->batch_options = dl_settings_batch(scorer->config);
    scorer->catalogue = dl_settings_catalogue(scorer->config);
    scorer->engine = dl_engine_create(&engine);
    scorer->batch = dl_batch_create(&scorer->batch_options, 0);
    if (scorer->catalogue == NULL || scorer->engine == NULL || scorer->batch == NULL)
        return DL_MEMORY;
    const struct dl_decode_options decode = dl_settings_decode(scorer->config, scorer->catalogue);
    scorer->decoder = dl_decoder_create(&decode);
    return scorer->decoder == NULL ? DL_MEMORY : DL_OK;
}

static void scorer_deinit(struct scorer *scorer)
{
    dl_dedupe_destroy(scorer->dedupe);
    dl_batch_destroy(scorer->batch);
    dl_engine_destroy(scorer->engine);
    dl_decoder_destroy(scorer->decoder);
    dl_catalogue_destroy(scorer->catalogue);
}

static int score_file(struct scorer *scorer, bool json)
{
    enum dl_status status = scorer_init(scorer);
    if (status == DL_OK)
        status = score_input(scorer);
    int exit_status;
    if (status == DL_OK) {
        exit_status = print_scores(scorer, json);
    } else if (status == DL_IO) {
        fprintf(stderr, "delightd: cannot read %s: %s\n", scorer->name, strerror(errno));
        exit_status = DL_EXIT_NO_INPUT;
    } else {
        fprintf(stderr, "delightd: %s\n", dl_status_text(status));
        exit_status = DL_EXIT_SOFTWARE;
    }
    scorer_deinit(scorer);
    return exit_status;
}

/* --windows is --set windows=[…] and is checked by the same row. */
static struct dl_config *load(const struct dl_arguments *arguments, int *exit_status)
{
    const char **sets = calloc(arguments->set_count + 1, sizeof *sets);
    char *windows = NULL;
    size_t count = 0;
    bool whole = sets != NULL;
    for (; whole && count < arguments->set_count; count++)
        sets[count] = arguments->sets[count];
    if (whole && arguments->windows != NULL) {
        whole = asprintf(&windows, "windows=[%s]", arguments->windows) >= 0;
        if (whole)
            sets[count++] = windows;
    }
    struct dl_config *config = NULL;
    struct dl_config_errors errors = {0};
    enum dl_status status = whole ? dl_config_load(&config, arguments->config_path, sets, count, &errors) : DL_MEMORY;
    dl_config_errors_print(&errors, stderr);
    free(sets);
    free(windows);
    *exit_status = status == DL_MEMORY ? DL_EXIT_SOFTWARE : DL_EXIT_CONFIG;
    return status == DL_OK ? config : NULL;
}

int dl_command_score(const struct dl_arguments *arguments)
{
    struct scorer scorer = {
        .name = arguments->input == NULL ? "-" : arguments->input,
        .strict = arguments->strict != 0,
        .newest_ms = INT64_MIN,
        .as_of_ms = INT64_MIN,
    };
    if (arguments->as_of != NULL && !dl_argument_time(arguments->as_of, &scorer.as_of_ms)) {
        fprintf(stderr, "delightd score: --as-of '%s' is neither RFC 3339 with an offset nor epoch milliseconds since 2000\n",
                arguments->as_of);
        return DL_EXIT_USAGE;
    }
    int exit_status;
    struct dl_config *config = load(arguments, &exit_status);
    if (config == NULL)
        return exit_status;
    scorer.config = config;
    scorer.input = open_input(scorer.name, scorer.as_of_ms == INT64_MIN);
    if (scorer.input == NULL) {
        fprintf(stderr, "delightd: cannot read %s: %s\n", scorer.name, strerror(errno));
        exit_status = DL_EXIT_NO_INPUT;
    } else {
        exit_status = score_file(&scorer, arguments->json != 0);
        if (scorer.input != stdin)
            fclose(scorer.input);
    }
    dl_config_destroy(config);
    return exit_status;
}
