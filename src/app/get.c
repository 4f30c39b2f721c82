/* `delightd get`: the scores of one subject, as they stand in Redis. */
#include "commands.h"

#include "config.h"
#include "log.h"
#include "print.h"
#include "reader.h"
#include "settings.h"
#include "subject_text.h"

#include <delight/time.h>

#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 5000, WINDOW_SIZE = 24, CELL_WIDTH = 14 };

struct get {
    const struct dl_config *config;
    const struct dl_arguments *arguments;
    uv_loop_t loop;
    uv_timer_t patience;
    struct dl_reader *reader;
    char subject[DL_SUBJECT_TEXT_MAX], group[DL_SUBJECT_TEXT_MAX];
    size_t windows; /* those that are asked for */
    char window[DL_WINDOWS_MAX][WINDOW_SIZE];
    struct dl_reader_meta meta;
    struct dl_reader_scores scores[DL_WINDOWS_MAX];
    struct dl_reader_names names; /* of the group, when the subject has no data */
    bool looking;                 /* for such names */
    int status;
};

/* ---- Output ---- */

/* A time as 11-22 10:00:00, UTC: the year is the same as in the line above, most days of it. */
static void format_cell(char *out, struct dl_value value, int field)
{
    char time[DL_TIME_TEXT_SIZE];
    if (value.kind == DL_VALUE_NONE) {
        snprintf(out, DL_VALUE_TEXT_SIZE, "-");
    } else if (field == DL_FIELD_as_of) {
        dl_time_format(time, value.integer);
        snprintf(out, DL_VALUE_TEXT_SIZE, "%.5s %.8s", time + 5, time + 11);
    } else {
        dl_value_format(out, value);
    }
}

static void print_table(const struct get *get)
{
    char as_of[DL_TIME_TEXT_SIZE] = "-", cell[DL_VALUE_TEXT_SIZE];
    if (get->meta.as_of_ms >= 0)
        dl_time_format(as_of, get->meta.as_of_ms);
    dl_print_safely(stdout, get->subject, strlen(get->subject), 0);
    printf(", as of %s\n%-24s %-10s", as_of, "field", "unit");
    for (size_t w = 0; w < get->windows; w++)
        if (get->scores[w].there)
            printf(" %*s", CELL_WIDTH, get->window[w]);
    puts("  meaning");
    for (int field = 0; field < DL_FIELDS; field++) {
        bool any = false;
        for (size_t w = 0; w < get->windows; w++)
            any = any || (get->scores[w].there && get->scores[w].scores.value[field].kind != DL_VALUE_NONE);
        if (!any)
            continue;
        printf("%-24s %-10s", dl_fields[field].name, dl_fields[field].unit);
        for (size_t w = 0; w < get->windows; w++)
            if (get->scores[w].there) {
                format_cell(cell, get->scores[w].scores.value[field], field);
                printf(" %*s", CELL_WIDTH, cell);
            }
        printf("  %s\n", dl_fields[field].help);
    }
}

/* The form of `score --format json`. */
static bool print_json(const struct get *get)
{
    struct dl_text text = {0};
    char as_of[DL_TIME_TEXT_SIZE];
    const char *separator = "";
    dl_text_printf(&text, "{\"as_of\": ");
    if (get->meta.as_of_ms >= 0) {
        dl_time_format(as_of, get->meta.as_of_ms);
        dl_text_printf(&text, "\"%s\"", as_of);
    } else {
        dl_text_printf(&text, "null");
    }
    dl_text_printf(&text, ", \"subjects\": {");
    dl_text_add_json_string(&text, get->subject, strlen(get->subject));
    dl_text_printf(&text, ": {");
    for (size_t w = 0; w < get->windows; w++) {
        if (!get->scores[w].there)
            continue;
        dl_text_printf(&text, "%s\n  \"%s\": ", separator, get->window[w]);
        dl_json_scores(&text, &get->scores[w].scores, true);
        separator = ",";
    }
    dl_text_printf(&text, "}}}");
    bool good = !text.failed;
    if (good)
        puts(text.data);
    dl_text_deinit(&text);
    return good;
}

static void print_nothing(struct get *get)
{
    const char *near[DL_NEAR_MAX];
    bool known = false;
    for (size_t i = 0; i < get->names.count; i++)
        known = known || strcmp(get->names.item[i], get->subject) == 0;
    fputs(known ? "delightd get: '" : "delightd get: there is no data of '", stderr);
    dl_print_safely(stderr, get->subject, strlen(get->subject), 0);
    fputs(known ? "' has no data in this window\n" : "'\n", stderr);
    dl_reader_names_sort(&get->names);
    size_t count = known ? 0 : dl_subject_text_near(get->subject, get->names.item, get->names.count, near);
    for (size_t i = 0; i < count; i++) {
        fputs(i == 0 ? "similar: " : ", ", stderr);
        dl_print_safely(stderr, near[i], strlen(near[i]), 0);
    }
    if (count == 0 && !known) {
        fprintf(stderr, "%zu names have data in %s:subjects:", get->names.count, get->config->redis.prefix);
        dl_print_safely(stderr, get->group, strlen(get->group), 0);
    }
    if (count > 0 || !known)
        fputc('\n', stderr);
}

/* ---- Asking ---- */

static void end(struct get *get, int status)
{
    get->status = status;
    uv_close((uv_handle_t *)&get->patience, NULL);
    dl_reader_close(get->reader);
}

static void on_up(void *context)
{
    struct get *get = context;
    int fields[DL_FIELDS];
    /* A connection may have broken while names were read: all of it is asked anew, the names too. */
    get->looking = false;
    dl_reader_names_deinit(&get->names);
    for (int field = 0; field < DL_FIELDS; field++)
        fields[field] = field;
    enum dl_status status = dl_reader_meta(get->reader, &get->meta);
    for (size_t w = 0; w < get->windows && status == DL_OK; w++)
        status = dl_reader_scores(get->reader, get->subject, get->window[w], fields, DL_FIELDS, &get->scores[w]);
    if (status != DL_OK)
        end(get, DL_EXIT_SOFTWARE);
}

static void on_down(void *context)
{
    (void)context; /* the link has said why, and comes back or not within the time */
}

static void on_settled(void *context, bool whole)
{
    struct get *get = context;
    bool any = false;
    if (!whole) {
        const char *refused = dl_reader_refused(get->reader);
        if (refused == NULL)
            return; /* the connection broke: asked again when it is back */
        fprintf(stderr, "delightd get: Redis refuses: %s\n", refused);
        end(get, DL_EXIT_FAILED);
        return;
    }
    for (size_t w = 0; w < get->windows; w++)
        any = any || get->scores[w].there;
    if (!any && !get->looking) {
        get->looking = true;
        if (dl_reader_names(get->reader, get->group, &get->names) != DL_OK)
            end(get, DL_EXIT_SOFTWARE);
        return;
    }
    int status = any ? DL_EXIT_OK : DL_EXIT_FAILED;
    if (!any)
        print_nothing(get);
    else if (!get->arguments->json)
        print_table(get);
    else if (!print_json(get))
        status = DL_EXIT_SOFTWARE;
    if (!get->meta.there)
        fprintf(stderr, "delightd get: no daemon writes under the prefix %s now\n", get->config->redis.prefix);
    end(get, status);
}

static void on_patience(uv_timer_t *timer)
{
    struct get *get = timer->data;
    fprintf(stderr, "delightd get: Redis at %s does not answer\n", dl_reader_address(get->reader));
    end(get, DL_EXIT_FAILED);
}

static int ask(struct get *get, struct dl_note_sink *notes)
{
    const struct dl_reader_options options = {dl_settings_view(get->config, notes, "").redis, get->config->redis.prefix};
    const struct dl_reader_callbacks callbacks = {on_up, on_down, on_settled, get};
    if (uv_loop_init(&get->loop) != 0)
        return DL_EXIT_SOFTWARE;
    enum dl_status status = dl_reader_open(&get->reader, &get->loop, &options, &callbacks);
    if (status == DL_OK) {
        uv_timer_init(&get->loop, &get->patience);
        get->patience.data = get;
        uv_timer_start(&get->patience, on_patience, CONNECT_MS, 0);
        uv_run(&get->loop, UV_RUN_DEFAULT);
    } else {
        get->status = status == DL_MEMORY ? DL_EXIT_SOFTWARE : DL_EXIT_CONFIG;
    }
    uv_loop_close(&get->loop);
    return get->status;
}

/* ---- The command ---- */

static int choose_windows(struct get *get)
{
    const struct dl_config *config = get->config;
    int64_t wanted_ms = 0;
    const char *wanted = get->arguments->window;
    if (wanted != NULL && dl_duration_parse(wanted, strlen(wanted), &wanted_ms) != DL_OK) {
        fprintf(stderr, "delightd get: --window is a duration as 1h, not %s\n", wanted);
        return DL_EXIT_USAGE;
    }
    for (size_t w = 0; w < config->windows.count; w++)
        if (wanted == NULL || config->windows.item[w] == wanted_ms)
            dl_duration_format(get->window[get->windows++], WINDOW_SIZE, config->windows.item[w]);
    if (get->windows > 0)
        return DL_EXIT_OK;
    fprintf(stderr, "delightd get: %s is not one of the configured windows\n", wanted);
    return DL_EXIT_USAGE;
}

static int get_subject(struct get *get)
{
    if (!dl_subject_text_encode(get->subject, get->arguments->input)) {
        fprintf(stderr, "delightd get: that is longer than any subject: at most %d bytes\n", DL_SUBJECT_TEXT_MAX - 1);
        return DL_EXIT_USAGE;
    }
    if (!dl_subject_text_group(get->group, get->subject)) {
        fprintf(stderr, "delightd get: '%s' is no subject: all, journey:J, journey:J|stage=S, stage:S, touchpoint:T, feature:F, "
                        "each also with |SEGMENT=VALUE\n", get->arguments->input);
        return DL_EXIT_USAGE;
    }
    int status = choose_windows(get);
    if (status != DL_EXIT_OK)
        return status;
    struct dl_log *log = dl_log_create(DL_LOG_STDERR, DL_NOTE_WARNING);
    if (log == NULL)
        return DL_EXIT_SOFTWARE;
    status = ask(get, dl_log_sink(log));
    dl_log_destroy(log);
    return status;
}

int dl_command_get(const struct dl_arguments *arguments)
{
    struct get *get = calloc(1, sizeof *get);
    if (get == NULL)
        return DL_EXIT_SOFTWARE;
    int status;
    struct dl_config *config = dl_argument_config_of_redis(arguments, &status);
    get->config = config;
    get->arguments = arguments;
    if (config != NULL)
        status = get_subject(get);
    dl_config_destroy(config);
    dl_reader_names_deinit(&get->names);
    free(get);
    return status;
}
