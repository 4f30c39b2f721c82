#include "reader.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCAN_COUNT = 1000, REFUSED_SIZE = 200, ARGUMENTS_MAX = 2 + DL_FIELDS };

struct question;
typedef void take_answer(struct question *question, const struct redisReply *reply);

struct dl_reader {
    struct dl_redis *redis;
    struct dl_reader_callbacks callbacks;
    char *prefix;
    size_t asked;  /* not answered yet */
    bool failed;   /* one of them was refused */
    bool closing;
    char refused[REFUSED_SIZE]; /* since the first of them; "": nothing */
};

/* One command, or a scan of several. */
struct question {
    struct dl_reader *reader;
    take_answer *on_answer;
    void *out;
    size_t field_count;
    char *key;           /* of a scan */
    int fields[];
};

/* ---- Names ---- */

void dl_reader_names_deinit(struct dl_reader_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->item[i]);
    free(names->item);
    *names = (struct dl_reader_names){0};
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void dl_reader_names_sort(struct dl_reader_names *names)
{
    size_t kept = 0;
    if (names->count > 0)
        qsort(names->item, names->count, sizeof *names->item, by_bytes);
    for (size_t i = 0; i < names->count; i++)
        if (kept > 0 && strcmp(names->item[kept - 1], names->item[i]) == 0)
            free(names->item[i]);
        else
            names->item[kept++] = names->item[i];
    names->count = kept;
}

static bool add_name(struct dl_reader_names *names, const char *data, size_t bytes)
{
    if (names->count == DL_READER_NAMES_MAX) {
        names->cut = true;
        return true;
    }
    if (names->count == names->capacity) {
        size_t capacity = names->capacity * 2 + 64;
        char **grown = realloc(names->item, capacity * sizeof *grown);
        if (!grown)
            return false;
        names->item = grown;
        names->capacity = capacity;
    }
    char *name = strndup(data, bytes);
    if (!name)
        return false;
    names->item[names->count++] = name;
    return true;
}

/* ---- Questions ---- */

/* A refusal is that of its own round. */
static void begin_question(struct dl_reader *reader)
{
    if (reader->asked++ == 0)
        reader->refused[0] = '\0';
}

static void end_question(struct question *question)
{
    struct dl_reader *reader = question->reader;
    free(question->key);
    free(question);
    if (--reader->asked > 0 || reader->closing)
        return;
    bool whole = !reader->failed;
    reader->failed = false;
    reader->callbacks.on_settled(reader->callbacks.context, whole);
}

/* More of a scan keeps its question. */
static bool goes_on(struct question *question, const struct redisReply *reply);

static void on_reply(void *context, const struct redisReply *reply)
{
    struct question *question = context;
    struct dl_reader *reader = question->reader;
    if (!reply || reply->type == REDIS_REPLY_ERROR) {
        reader->failed = true;
        if (reply)
            snprintf(reader->refused, sizeof reader->refused, "%s", reply->str);
    } else if (goes_on(question, reply)) {
        return;
    }
    end_question(question);
}

static enum dl_status transmit(struct question *question, size_t argc, const char *const *argv)
{
    size_t bytes[ARGUMENTS_MAX];
    DL_ASSERT(argc <= ARGUMENTS_MAX);
    for (size_t i = 0; i < argc; i++)
        bytes[i] = strlen(argv[i]);
    return dl_redis_send(question->reader->redis, argc, argv, bytes, on_reply, question);
}

static enum dl_status ask(struct dl_reader *reader, take_answer *on_answer, void *out, const int *fields, size_t field_count,
                          size_t argc, const char *const *argv)
{
    struct question *question = calloc(1, sizeof *question + field_count * sizeof *fields);
    if (!question)
        return DL_MEMORY;
    question->reader = reader;
    question->on_answer = on_answer;
    question->out = out;
    question->field_count = field_count;
    if (field_count > 0)
        memcpy(question->fields, fields, field_count * sizeof *fields);
    enum dl_status status = transmit(question, argc, argv);
    if (status != DL_OK) {
        free(question);
        return status;
    }
    begin_question(reader);
    return DL_OK;
}

static bool is_text(const struct redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
}

static bool is_list(const struct redisReply *reply, size_t elements)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements >= elements;
}

/* Of any length: a key that is cut is another one. NULL: out of memory. */
static char *key_of(const struct dl_reader *reader, const char *format, ...) DL_PRINTF(2, 3);
static char *key_of(const struct dl_reader *reader, const char *format, ...)
{
    char *rest, *key;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&rest, format, arguments);
    va_end(arguments);
    if (length < 0)
        return NULL;
    if (asprintf(&key, "%s:%s", reader->prefix, rest) < 0)
        key = NULL;
    free(rest);
    return key;
}

/* ---- Meta ---- */

static bool number_at(const struct redisReply *list, size_t index, int64_t *number)
{
    const struct redisReply *reply = list->element[index];
    struct dl_value value;
    if (!is_text(reply) || !dl_value_parse(&value, reply->str, reply->len) || value.kind != DL_VALUE_INTEGER)
        return false;
    *number = value.integer;
    return true;
}

static void on_meta(struct question *question, const struct redisReply *reply)
{
    struct dl_reader_meta *meta = question->out;
    *meta = (struct dl_reader_meta){.as_of_ms = -1};
    if (!is_list(reply, 3))
        return;
    meta->there = is_text(reply->element[0]);
    (void)number_at(reply, 1, &meta->as_of_ms);
    (void)number_at(reply, 2, &meta->min_n);
}

enum dl_status dl_reader_meta(struct dl_reader *reader, struct dl_reader_meta *meta)
{
    char *key = key_of(reader, "meta");
    const char *const argv[] = {"HMGET", key, "version", "as_of", "min_n"};
    enum dl_status status = key ? ask(reader, on_meta, meta, NULL, 0, 5, argv) : DL_MEMORY;
    free(key);
    return status;
}

/* ---- Scores, trends ---- */

static void on_scores(struct question *question, const struct redisReply *reply)
{
    struct dl_reader_scores *scores = question->out;
    memset(scores, 0, sizeof *scores); /* DL_VALUE_NONE is 0 */
    for (size_t i = 0; i < question->field_count && is_list(reply, question->field_count); i++) {
        const struct redisReply *value = reply->element[i];
        if (is_text(value) && dl_value_parse(&scores->scores.value[question->fields[i]], value->str, value->len))
            scores->there = true;
    }
}

enum dl_status dl_reader_scores(struct dl_reader *reader, const char *subject, const char *window, const int *fields,
                                size_t field_count, struct dl_reader_scores *scores)
{
    char *key = key_of(reader, "{%s}:%s", subject, window);
    const char *argv[ARGUMENTS_MAX] = {"HMGET", key};
    DL_ASSERT(field_count > 0 && field_count <= DL_FIELDS);
    for (size_t i = 0; i < field_count; i++)
        argv[2 + i] = dl_fields[fields[i]].name;
    enum dl_status status = key ? ask(reader, on_scores, scores, fields, field_count, 2 + field_count, argv) : DL_MEMORY;
    free(key);
    return status;
}

static void on_trend(struct question *question, const struct redisReply *reply)
{
    bool there = is_text(reply);
    dl_json_trend_halves(there ? reply->str : "", there ? reply->len : 0, question->fields, question->field_count, question->out);
}

enum dl_status dl_reader_trend(struct dl_reader *reader, const char *subject, const char *window, const int *measures,
                               size_t measure_count, struct dl_trend_halves *halves)
{
    char *key = key_of(reader, "{%s}:%s:trend", subject, window);
    const char *const argv[] = {"GET", key};
    enum dl_status status = key ? ask(reader, on_trend, halves, measures, measure_count, 2, argv) : DL_MEMORY;
    free(key);
    return status;
}

/* ---- Lists ---- */

static void on_names(struct question *question, const struct redisReply *reply)
{
    for (size_t i = 0; is_list(reply, i + 1); i++)
        if (is_text(reply->element[i]) && !add_name(question->out, reply->element[i]->str, reply->element[i]->len))
            question->reader->failed = true;
}

/* PREFIX:subjects:all|SEGMENT=VALUE becomes "|SEGMENT=VALUE". */
static void on_segment_keys(struct question *question, const struct redisReply *reply)
{
    for (size_t i = 0; is_list(reply, i + 1); i++) {
        const char *bar = is_text(reply->element[i]) ? strchr(reply->element[i]->str, '|') : NULL;
        if (bar && !add_name(question->out, bar, strlen(bar)))
            question->reader->failed = true;
    }
}

static enum dl_status scan_on(struct question *question, const char *cursor)
{
    char count[16];
    snprintf(count, sizeof count, "%d", SCAN_COUNT);
    const char *const set[] = {"SSCAN", question->key, cursor, "COUNT", count};
    const char *const all[] = {"SCAN", cursor, "MATCH", question->key, "COUNT", count};
    return question->on_answer == on_names ? transmit(question, 5, set) : transmit(question, 6, all);
}

static bool goes_on(struct question *question, const struct redisReply *reply)
{
    if (!question->key) {
        question->on_answer(question, reply);
        return false;
    }
    if (!is_list(reply, 2) || !is_text(reply->element[0])) {
        question->reader->failed = true;
        return false;
    }
    question->on_answer(question, reply->element[1]);
    const struct dl_reader_names *names = question->out;
    if (strcmp(reply->element[0]->str, "0") == 0 || names->cut || question->reader->failed)
        return false;
    if (scan_on(question, reply->element[0]->str) == DL_OK)
        return true;
    question->reader->failed = true;
    return false;
}

/* Takes key. */
static enum dl_status scan(struct dl_reader *reader, take_answer *on_answer, char *key, struct dl_reader_names *names)
{
    struct question *question = key ? calloc(1, sizeof *question) : NULL;
    if (!question) {
        free(key);
        return DL_MEMORY;
    }
    *question = (struct question){.reader = reader, .on_answer = on_answer, .out = names, .key = key};
    enum dl_status status = scan_on(question, "0");
    if (status == DL_OK) {
        begin_question(reader);
        return DL_OK;
    }
    free(key);
    free(question);
    return status;
}

enum dl_status dl_reader_names(struct dl_reader *reader, const char *group, struct dl_reader_names *names)
{
    return scan(reader, on_names, key_of(reader, "subjects:%s", group), names);
}

enum dl_status dl_reader_segments(struct dl_reader *reader, struct dl_reader_names *names)
{
    return scan(reader, on_segment_keys, key_of(reader, "subjects:%s|*", dl_kind_name(DL_KIND_ALL)), names);
}

enum dl_status dl_reader_rank(struct dl_reader *reader, int measure, const char *group, const char *window, bool descending,
                              size_t first, size_t count, struct dl_reader_names *names)
{
    char *key = key_of(reader, "rank:%s:%s:%s", dl_fields[measure].name, group, window);
    char from[24], to[24];
    snprintf(from, sizeof from, "%zu", first);
    snprintf(to, sizeof to, "%zu", first + count - 1);
    DL_ASSERT(count > 0);
    const char *const argv[] = {descending ? "ZREVRANGE" : "ZRANGE", key, from, to};
    enum dl_status status = key ? ask(reader, on_names, names, NULL, 0, 4, argv) : DL_MEMORY;
    free(key);
    return status;
}

/* ---- Life ---- */

static void on_up(void *context)
{
    struct dl_reader *reader = context;
    reader->callbacks.on_up(reader->callbacks.context);
}

static void on_down(void *context)
{
    struct dl_reader *reader = context;
    reader->callbacks.on_down(reader->callbacks.context);
}

enum dl_status dl_reader_open(struct dl_reader **out, uv_loop_t *loop, const struct dl_reader_options *options,
                              const struct dl_reader_callbacks *callbacks)
{
    struct dl_reader *reader = calloc(1, sizeof *reader);
    *out = NULL;
    if (!reader)
        return DL_MEMORY;
    reader->callbacks = *callbacks;
    reader->prefix = strdup(options->prefix);
    const struct dl_redis_callbacks link = {on_up, on_down, reader};
    enum dl_status status = reader->prefix ? dl_redis_open(&reader->redis, loop, &options->redis, &link) : DL_MEMORY;
    if (status != DL_OK) {
        free(reader->prefix);
        free(reader);
        return status;
    }
    *out = reader;
    return DL_OK;
}

static void on_closed(void *context)
{
    struct dl_reader *reader = context;
    free(reader->prefix);
    free(reader);
}

void dl_reader_close(struct dl_reader *reader)
{
    reader->closing = true;
    dl_redis_close(reader->redis, on_closed, reader);
}

const char *dl_reader_address(const struct dl_reader *reader)
{
    return dl_redis_address(reader->redis);
}

bool dl_reader_up(const struct dl_reader *reader)
{
    return dl_redis_up(reader->redis);
}

bool dl_reader_idle(const struct dl_reader *reader)
{
    return reader->asked == 0;
}

const char *dl_reader_refused(const struct dl_reader *reader)
{
    return *reader->refused ? reader->refused : NULL;
}
