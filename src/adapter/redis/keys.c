#include "view.h"

#include <string.h>

static void append_prefix(struct dl_view *view)
{
    dl_argument_append(view, view->options.prefix, strlen(view->options.prefix));
}

static void append_text(struct dl_view *view, const char *text)
{
    dl_argument_append(view, text, strlen(text));
}

static void append_hash(struct dl_view *view, const struct dl_subject_info *info, int window)
{
    append_prefix(view);
    dl_argument_append(view, ":{", 2);
    dl_argument_append(view, info->name, info->name_bytes);
    dl_argument_append(view, "}:", 2);
    append_text(view, view->window_text[window]);
}

void dl_key_hash(struct dl_view *view, const struct dl_subject_info *info, int window)
{
    dl_argument_begin(view);
    append_hash(view, info, window);
    dl_argument_end(view);
}

void dl_key_trend(struct dl_view *view, const struct dl_subject_info *info, int window)
{
    dl_argument_begin(view);
    append_hash(view, info, window);
    append_text(view, ":trend");
    dl_argument_end(view);
}

static size_t segment_bytes(const struct dl_subject_info *info)
{
    return info->name_bytes - (size_t)(info->segment_part - info->name);
}

/* KIND or KIND|SEGMENT=VALUE. */
static void append_group(struct dl_view *view, const struct dl_subject_info *info)
{
    append_text(view, dl_kind_name(info->kind));
    dl_argument_append(view, info->segment_part, segment_bytes(info));
}

void dl_key_subjects(struct dl_view *view, const struct dl_subject_info *info)
{
    dl_argument_begin(view);
    append_prefix(view);
    append_text(view, ":subjects:");
    append_group(view, info);
    dl_argument_end(view);
}

void dl_key_rank(struct dl_view *view, const struct dl_subject_info *info, int measure, int window)
{
    dl_argument_begin(view);
    append_prefix(view);
    append_text(view, ":rank:");
    append_text(view, dl_fields[measure].name);
    dl_argument_append(view, ":", 1);
    append_group(view, info);
    dl_argument_append(view, ":", 1);
    append_text(view, view->window_text[window]);
    dl_argument_end(view);
}

void dl_key_plain(struct dl_view *view, const char *name, const char *more)
{
    dl_argument_begin(view);
    append_prefix(view);
    dl_argument_append(view, ":", 1);
    append_text(view, name);
    append_text(view, more);
    dl_argument_end(view);
}

/* ---- Reading keys back ---- */

static bool starts(const char *text, size_t bytes, const char *with)
{
    return bytes >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

static int find_window(const struct dl_view *view, const char *text, size_t bytes)
{
    for (int window = 0; window < view->options.windows; window++)
        if (strlen(view->window_text[window]) == bytes && memcmp(view->window_text[window], text, bytes) == 0)
            return window;
    return -1;
}

static bool is_duration(const char *text, size_t bytes)
{
    int64_t ignored;
    return dl_duration_parse(text, bytes, &ignored) == DL_OK;
}

/* KIND or KIND|SEGMENT=VALUE: of some configuration, not necessarily this one. */
static bool is_group(const char *text, size_t bytes)
{
    const char *bar = memchr(text, '|', bytes);
    size_t kind_bytes = bar ? (size_t)(bar - text) : bytes;
    if (bar && !memchr(bar, '=', bytes - kind_bytes))
        return false;
    for (int kind = 0; kind < DL_KINDS; kind++) {
        const char *name = dl_kind_name((enum dl_kind)kind);
        if (strlen(name) == kind_bytes && memcmp(name, text, kind_bytes) == 0)
            return true;
    }
    return false;
}

/* {SUBJECT}:WINDOW or {SUBJECT}:WINDOW:trend */
static enum dl_key_kind judge_hash(const struct dl_view *view, const char *text, size_t bytes)
{
    const char *end = memchr(text, '}', bytes);
    if (!end || (size_t)(end - text) + 2 > bytes || end[1] != ':')
        return DL_KEY_FOREIGN;
    const char *label = end + 2;
    size_t label_bytes = bytes - (size_t)(label - text);
    bool trend = label_bytes > 6 && memcmp(label + label_bytes - 6, ":trend", 6) == 0;
    if (trend)
        label_bytes -= 6;
    if (!is_duration(label, label_bytes))
        return DL_KEY_FOREIGN;
    int window = find_window(view, label, label_bytes);
    if (window < 0 || (trend && view->options.trend_measure_count == 0))
        return DL_KEY_DEAD;
    int64_t id = dl_engine_find(view->engine, text + 1, (size_t)(end - text) - 1);
    bool live = id >= 0 && (!dl_tally_empty(dl_engine_total(view->engine, id, window)) ||
                            !dl_tally_empty(dl_engine_published(view->engine, id, window)));
    return live ? DL_KEY_LIVE : DL_KEY_DEAD;
}

struct rank_key {
    int measure, window; /* -1: not configured (any more) */
    const char *group;
    size_t group_bytes;
};

/* MEASURE:GROUP:WINDOW; a segment's value may hold colons. false: not such a key. */
static bool parse_rank(const struct dl_view *view, const char *text, size_t bytes, struct rank_key *out)
{
    const char *first = memchr(text, ':', bytes), *last = memrchr(text, ':', bytes);
    if (!first || first == last)
        return false;
    const char *label = last + 1;
    size_t label_bytes = bytes - (size_t)(label - text);
    int field = dl_field_find(text, (size_t)(first - text));
    out->group = first + 1;
    out->group_bytes = (size_t)(last - out->group);
    if (field < 0 || !is_group(out->group, out->group_bytes) || !is_duration(label, label_bytes))
        return false;
    out->measure = -1;
    for (size_t i = 0; i < view->options.rank_measure_count; i++)
        if (view->options.rank_measures[i] == field)
            out->measure = field;
    out->window = find_window(view, label, label_bytes);
    return true;
}

/* The part of a key after PREFIX: and a word, or NULL. */
static const char *after(const struct dl_view *view, const char *key, size_t bytes, const char *word, size_t *rest_bytes)
{
    size_t prefix_bytes = strlen(view->options.prefix);
    if (!starts(key, bytes, view->options.prefix) || !starts(key + prefix_bytes, bytes - prefix_bytes, word))
        return NULL;
    *rest_bytes = bytes - prefix_bytes - strlen(word);
    return key + prefix_bytes + strlen(word);
}

enum dl_key_kind dl_key_judge(struct dl_view *view, const char *key, size_t bytes)
{
    size_t rest_bytes;
    const char *rest = after(view, key, bytes, ":{", &rest_bytes);
    if (rest)
        return judge_hash(view, rest - 1, rest_bytes + 1);
    rest = after(view, key, bytes, ":subjects:", &rest_bytes);
    if (rest)
        return is_group(rest, rest_bytes) ? DL_KEY_SUBJECTS : DL_KEY_FOREIGN;
    rest = after(view, key, bytes, ":rank:", &rest_bytes);
    struct rank_key rank;
    if (!rest || !parse_rank(view, rest, rest_bytes, &rank))
        return DL_KEY_FOREIGN;
    return rank.measure < 0 || rank.window < 0 ? DL_KEY_DEAD : DL_KEY_RANK;
}

static bool in_group(const struct dl_subject_info *info, const char *group, size_t bytes)
{
    const char *kind = dl_kind_name(info->kind);
    size_t kind_bytes = strlen(kind), part_bytes = segment_bytes(info);
    return bytes == kind_bytes + part_bytes && memcmp(group, kind, kind_bytes) == 0 &&
           memcmp(group + kind_bytes, info->segment_part, part_bytes) == 0;
}

static bool ranked(struct dl_view *view, const struct dl_tally *tally, const struct rank_key *rank)
{
    if (dl_tally_empty(tally))
        return false;
    struct dl_counts counts = {.count = {0}};
    struct dl_scores scores;
    dl_tally_unpack(tally, &counts, 1);
    dl_score(&scores, &counts, 0, view->options.window_ms[rank->window], &view->options.score);
    return dl_publish_rank(view, &scores, rank->measure).kind != DL_VALUE_NONE;
}

bool dl_key_member_live(struct dl_view *view, const char *key, size_t bytes, bool rank, const char *member,
                        size_t member_bytes)
{
    int64_t id = dl_engine_find(view->engine, member, member_bytes);
    if (id < 0)
        return false;
    struct dl_subject_info info;
    dl_engine_subject(view->engine, id, &info);
    size_t rest_bytes = 0;
    const char *rest = after(view, key, bytes, rank ? ":rank:" : ":subjects:", &rest_bytes);
    DL_ASSERT(rest != NULL);
    if (!rank)
        return in_group(&info, rest, rest_bytes) && dl_publish_present(view, id, true);
    struct rank_key parsed;
    if (!parse_rank(view, rest, rest_bytes, &parsed) || parsed.measure < 0 || parsed.window < 0)
        return false;
    /* What was published counts, too: the next difference is taken against it. */
    return in_group(&info, parsed.group, parsed.group_bytes) &&
           (ranked(view, dl_engine_total(view->engine, id, parsed.window), &parsed) ||
            ranked(view, dl_engine_published(view->engine, id, parsed.window), &parsed));
}
