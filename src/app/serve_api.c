#include "daemon.h"

#include <delight/time.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What one answer may cost the loop. A page that ends early says where the next one begins. */
enum { LIMIT = 100, LIMIT_MAX = 1000, VIEWS_MAX = 2000, WALK_MAX = 50000 };

/* What is asked for. */
struct wish {
    const struct daemon *daemon;
    struct dl_engine *engine;
    int kind;            /* -1: any */
    const char *segment; /* "tier=vip"; "": subjects without a segment; "*": all */
    int window;          /* -1: all */
    int64_t after, limit;
    bool left_out[DL_FIELDS]; /* of scores */
};

/* A page of subjects. */
struct page {
    struct dl_text text;
    size_t subjects, views;
    int64_t next; /* -1: that was all */
};

/* ---- The question ---- */

/* NULL: answered; this process has no scores to show. */
static struct dl_engine *engine_of(const struct daemon *daemon, struct dl_http_answer *answer)
{
    if (dl_serve_showing(daemon))
        return dl_scoring_engine(dl_daemon_scoring(daemon));
    dl_serve_error(answer, 503, "this process has no scores to show now; /readyz says what it does");
    return NULL;
}

static bool read_number(const struct dl_http_request *request, const char *name, int64_t fallback, int64_t max, int64_t *number)
{
    const char *text = dl_http_argument(request, name);
    *number = fallback;
    if (text == NULL)
        return true;
    char *end;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number <= max;
}

static bool read_window(const struct dl_config *config, const struct dl_http_request *request, int *window)
{
    const char *text = dl_http_argument(request, "window");
    *window = -1;
    if (text == NULL)
        return true;
    int64_t window_ms;
    if (dl_duration_parse(text, strlen(text), &window_ms) != DL_OK)
        return false;
    for (size_t w = 0; w < config->windows.count; w++)
        if (config->windows.item[w] == window_ms)
            *window = (int)w;
    return *window >= 0;
}

static bool read_kind(const struct dl_http_request *request, int *kind)
{
    const char *text = dl_http_argument(request, "kind");
    *kind = -1;
    if (text == NULL)
        return true;
    for (int i = 0; i < DL_KINDS; i++)
        if (strcmp(dl_kind_name((enum dl_kind)i), text) == 0)
            *kind = i;
    return *kind >= 0;
}

/* Calls on_field for each name of a list as "nps,csat". false: one of them is no field. */
static bool read_fields(const char *text, void (*on_field)(void *context, int field), void *context)
{
    for (size_t bytes;; text += bytes + 1) {
        bytes = strcspn(text, ",");
        int field = dl_field_find(text, bytes);
        if (field < 0)
            return false;
        on_field(context, field);
        if (text[bytes] == '\0')
            return true;
    }
}

static void on_wanted(void *left_out, int field)
{
    ((bool *)left_out)[field] = false;
}

/* as_of, window_ms and events are always there. */
static bool read_wanted(const struct dl_http_request *request, bool *left_out)
{
    const char *text = dl_http_argument(request, "fields");
    for (int field = 0; field < DL_FIELDS; field++)
        left_out[field] = text != NULL && dl_fields[field].group != DL_SCORES_ALWAYS;
    return text == NULL || read_fields(text, on_wanted, left_out);
}

/* false: answered. */
static bool read_wish(struct wish *wish, const struct daemon *daemon, const struct dl_http_request *request,
                      struct dl_http_answer *answer)
{
    *wish = (struct wish){.daemon = daemon, .engine = engine_of(daemon, answer)};
    const char *segment = dl_http_argument(request, "segment");
    wish->segment = segment == NULL ? "" : segment;
    const char *expected = NULL;
    if (wish->engine == NULL)
        return false;
    if (!read_window(daemon->config, request, &wish->window))
        expected = "window: expected one of the configured windows, as 1h";
    else if (!read_kind(request, &wish->kind))
        expected = "kind: expected all, journey, journey_stage, stage, touchpoint or feature";
    else if (!read_number(request, "limit", LIMIT, LIMIT_MAX, &wish->limit) || wish->limit < 1)
        expected = "limit: expected 1 to 1000";
    else if (!read_number(request, "after", 0, INT64_MAX, &wish->after))
        expected = "after: expected the number that the page before gave as next";
    else if (!read_wanted(request, wish->left_out))
        expected = "fields: expected names of scores, as nps,nps_n";
    if (expected != NULL)
        dl_serve_error(answer, 400, expected);
    return expected == NULL;
}

/* ---- Subjects ---- */

static bool wanted(const struct wish *wish, const struct dl_subject_info *info)
{
    if (wish->kind >= 0 && info->kind != (enum dl_kind)wish->kind)
        return false;
    if (strcmp(wish->segment, "*") == 0)
        return true;
    size_t skip = info->segment_part[0] == '|'; /* |tier=vip */
    return strcmp(info->segment_part + skip, wish->segment) == 0;
}

static bool has_data(const struct wish *wish, int64_t id)
{
    for (int w = 0; w < (int)wish->daemon->config->windows.count; w++)
        if ((wish->window < 0 || wish->window == w) && !dl_tally_empty(dl_engine_total(wish->engine, id, w)))
            return true;
    return false;
}

typedef void add_subject(struct page *page, const struct wish *wish, int64_t id, const struct dl_subject_info *info);

static void walk(struct page *page, const struct wish *wish, add_subject *add)
{
    int64_t id = dl_engine_next_subject(wish->engine, wish->after);
    for (int walked = 0; id >= 0; walked++, id = dl_engine_next_subject(wish->engine, id + 1)) {
        struct dl_subject_info info;
        if (walked == WALK_MAX || page->subjects == (size_t)wish->limit || page->views >= VIEWS_MAX)
            break;
        dl_engine_subject(wish->engine, id, &info);
        if (!wanted(wish, &info) || !has_data(wish, id))
            continue;
        dl_text_add(&page->text, ",", page->subjects > 0);
        add(page, wish, id, &info);
        page->subjects++;
    }
    page->next = id;
}

static void answer_page(struct page *page, const char *close, struct dl_http_answer *answer)
{
    if (page->next < 0)
        dl_text_printf(&page->text, "%s,\"next\":null}\n", close);
    else
        dl_text_printf(&page->text, "%s,\"next\":%lld}\n", close, (long long)page->next);
    dl_serve_text(answer, &page->text);
}

static void add_name(struct page *page, const struct wish *wish, int64_t id, const struct dl_subject_info *info)
{
    (void)wish, (void)id;
    dl_text_printf(&page->text, "{\"subject\":");
    dl_text_add_json_string(&page->text, info->name, info->name_bytes);
    dl_text_printf(&page->text, ",\"kind\":\"%s\",\"segment\":", dl_kind_name(info->kind));
    if (info->segment_part[0] == '|')
        dl_text_add_json_string(&page->text, info->segment_part + 1, strlen(info->segment_part + 1));
    else
        dl_text_add(&page->text, "null", 4);
    dl_text_add(&page->text, "}", 1);
}

void dl_serve_subjects(void *context, const struct dl_http_request *request, struct dl_http_answer *answer)
{
    struct wish wish;
    struct page page = {.next = -1};
    if (!read_wish(&wish, context, request, answer))
        return;
    dl_text_printf(&page.text, "{\"subjects\":[");
    walk(&page, &wish, add_name);
    answer_page(&page, "]", answer);
}

/* ---- Scores ---- */

static void add_view(struct page *page, const struct wish *wish, int64_t id, int w)
{
    const struct dl_config *config = wish->daemon->config;
    struct dl_counts counts = {.count = {0}};
    struct dl_scores scores;
    char window[32];
    const struct dl_score_options options = dl_settings_score(config);
    dl_tally_unpack(dl_engine_total(wish->engine, id, w), &counts, 1);
    dl_score(&scores, &counts, dl_engine_now(wish->engine), config->windows.item[w], &options);
    for (int field = 0; field < DL_FIELDS; field++)
        if (wish->left_out[field])
            scores.value[field].kind = DL_VALUE_NONE;
    dl_duration_format(window, sizeof window, config->windows.item[w]);
    dl_text_printf(&page->text, "\"%s\":", window);
    dl_json_scores(&page->text, &scores, false);
    page->views++;
}

static void add_scores(struct page *page, const struct wish *wish, int64_t id, const struct dl_subject_info *info)
{
    const char *separator = "";
    dl_text_add_json_string(&page->text, info->name, info->name_bytes);
    dl_text_add(&page->text, ":{", 2);
    for (int w = 0; w < (int)wish->daemon->config->windows.count; w++) {
        if ((wish->window >= 0 && wish->window != w) || dl_tally_empty(dl_engine_total(wish->engine, id, w)))
            continue;
        dl_text_add(&page->text, separator, strlen(separator));
        add_view(page, wish, id, w);
        separator = ",";
    }
    dl_text_add(&page->text, "}", 1);
}

/* -1: answered. */
static int64_t find_subject(const struct wish *wish, const char *subject, struct dl_http_answer *answer)
{
    int64_t id = dl_engine_find(wish->engine, subject, strlen(subject));
    if (id >= 0 && has_data(wish, id))
        return id;
    dl_serve_error(answer, 404, "no such subject has data in that window; /api/subjects lists those that have");
    return -1;
}

void dl_serve_scores(void *context, const struct dl_http_request *request, struct dl_http_answer *answer)
{
    struct wish wish;
    struct page page = {.next = -1};
    const char *subject = dl_http_argument(request, "subject");
    if (!read_wish(&wish, context, request, answer))
        return;
    int64_t id = subject == NULL ? -1 : find_subject(&wish, subject, answer);
    if (subject != NULL && id < 0)
        return;
    dl_text_printf(&page.text, "{\"subjects\":{");
    if (subject != NULL) {
        struct dl_subject_info info;
        dl_engine_subject(wish.engine, id, &info);
        add_scores(&page, &wish, id, &info);
    } else {
        walk(&page, &wish, add_scores);
    }
    answer_page(&page, "}", answer);
}

/* ---- One view ---- */

/* The subject of a question that must name it and a window. -1: answered. */
static int64_t read_view(struct wish *wish, const struct daemon *daemon, const struct dl_http_request *request,
                         struct dl_http_answer *answer)
{
    const char *subject = dl_http_argument(request, "subject");
    if (!read_wish(wish, daemon, request, answer))
        return -1;
    if (subject != NULL && wish->window >= 0)
        return find_subject(wish, subject, answer);
    dl_serve_error(answer, 400, "expected subject and window");
    return -1;
}

struct measures {
    int item[DL_FIELDS];
    size_t count;
    bool wrong; /* a field that has no trend, or one that stands twice */
};

static void on_measure(void *context, int field)
{
    struct measures *measures = context;
    measures->wrong = measures->wrong || !dl_fields[field].measure;
    for (size_t i = 0; i < measures->count; i++)
        measures->wrong = measures->wrong || measures->item[i] == field;
    if (!measures->wrong)
        measures->item[measures->count++] = field;
}

void dl_serve_trend(void *context, const struct dl_http_request *request, struct dl_http_answer *answer)
{
    const struct daemon *daemon = context;
    const struct dl_config *config = daemon->config;
    const char *list = dl_http_argument(request, "measures");
    struct wish wish;
    struct measures measures = {.count = 0};
    struct dl_text text = {.data = NULL};
    int64_t id = read_view(&wish, daemon, request, answer);
    if (id < 0)
        return;
    if (list != NULL && (!read_fields(list, on_measure, &measures) || measures.wrong)) {
        dl_serve_error(answer, 400, "measures: expected names of scores that can be ranked, as nps,csat");
        return;
    }
    const struct dl_score_options options = dl_settings_score(config);
    if (dl_json_trend(&text, wish.engine, id, wish.window, config->windows.item[wish.window],
                      list == NULL ? config->trends.measures.item : measures.item,
                      list == NULL ? config->trends.measures.count : measures.count, &options) != DL_OK)
        text.failed = true;
    dl_text_add(&text, "\n", 1);
    dl_serve_text(answer, &text);
}

void dl_serve_answers(void *context, const struct dl_http_request *request, struct dl_http_answer *answer)
{
    const struct daemon *daemon = context;
    struct wish wish;
    struct dl_text text = {.data = NULL};
    struct dl_counts counts = {.count = {0}};
    int64_t id = read_view(&wish, daemon, request, answer);
    if (id < 0)
        return;
    const struct dl_score_options options = dl_settings_score(daemon->config);
    dl_tally_unpack(dl_engine_total(wish.engine, id, wish.window), &counts, 1);
    dl_text_printf(&text, "{\"as_of\":%lld,\"window_ms\":%lld,\"answers\":", (long long)dl_engine_now(wish.engine),
                   (long long)daemon->config->windows.item[wish.window]);
    dl_json_answers(&text, &counts, &options);
    dl_text_add(&text, "}\n", 2);
    dl_serve_text(answer, &text);
}
