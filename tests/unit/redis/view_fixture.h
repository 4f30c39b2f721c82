/* An engine, a view on a real Redis, and a client that looks at what is there. */
#pragma once

#include "harness.h"

#include <codec.h>
#include <delight/batch.h>
#include <delight/time.h>

#define T0 INT64_C(1700000000000)

struct fixture {
    struct server server;
    struct notes notes;
    uv_loop_t loop;
    struct dl_engine *engine;
    struct dl_view *view;
    struct dl_view_options options;
    char url[160];
    int64_t now_ms;
    redisContext *client;
    int64_t sequence;
};

static struct fixture f;
static const int nps_measures[] = {DL_FIELD_nps, DL_FIELD_csat};

static inline void fixture_options(void)
{
    snprintf(f.url, sizeof f.url, "unix://%s", f.server.socket);
    f.options = (struct dl_view_options){
        .redis = {.url = f.url, .connect_timeout_ms = 5000, .reply_timeout_ms = 5000, .buffer_bytes_max = 8 << 20,
                  .notes = &f.notes.sink},
        .prefix = "cx", .instance = "test-1", .version = "1.2.3",
        .windows = 2, .window_ms = {60 * 60000, 24 * 60 * 60000},
        .segments = 1, .segment = {"tier"},
        .rank_measures = nps_measures, .trend_measures = nps_measures,
        .rank_measure_count = 2, .trend_measure_count = 2, .rank_min_n = 3,
        .catalogue_json = "{\"journeys\":[]}",
        .score = {.csat_max = 5, .csat_top = 4, .service_level_formula = DL_SERVICE_LEVEL_4},
    };
}

static inline struct dl_engine *make_engine(void)
{
    struct dl_engine_options options = {
        .windows = f.options.windows, .segments = f.options.segments,
        .subjects_max = 1000000, .touchpoints_max = 100000, .stages_max = 1000, .journeys_max = 1000, .features_max = 1000,
        .segment_values_max = 1000,
    };
    memcpy(options.window_ms, f.options.window_ms, sizeof options.window_ms);
    for (int i = 0; i < options.segments; i++)
        options.segment[i] = dl_name_of(f.options.segment[i]);
    struct dl_engine *engine = dl_engine_create(&options);
    ck_assert_ptr_nonnull(engine);
    return engine;
}

static inline void fixture_client(void)
{
    if (f.client)
        redisFree(f.client);
    f.client = server_client(&f.server);
    ck_assert_ptr_nonnull(f.client);
}

static inline void fixture_init(const char *config)
{
    server_init(&f.server);
    server_start(&f.server, config);
    notes_init(&f.notes);
    fixture_options();
    ck_assert_int_eq(uv_loop_init(&f.loop), 0);
    f.now_ms = T0;
    fixture_client();
}

static inline void advance(int64_t now_ms)
{
    f.now_ms = now_ms;
    ck_assert_int_eq(dl_engine_advance(f.engine, now_ms), DL_OK);
}

static inline void view_open(int64_t token)
{
    if (!f.engine) {
        f.engine = make_engine();
        advance(f.now_ms);
    }
    ck_assert_int_eq(dl_view_open(&f.view, &f.loop, &f.options, f.engine, token), DL_OK);
}

static inline void view_close(void)
{
    bool closed = false;
    dl_view_close(f.view, set_true, &closed);
    ck_assert(loop_until(&f.loop, DEADLINE_MS, is_true, &closed));
    f.view = NULL;
}

static inline void fixture_deinit(void)
{
    if (f.view)
        view_close();
    dl_engine_destroy(f.engine);
    uv_run(&f.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&f.loop), 0);
    redisFree(f.client);
    server_remove(&f.server);
    memset(&f, 0, sizeof f);
}

/* ---- Events ---- */

static inline struct dl_event survey(const char *touchpoint, int nps, int csat, int64_t time_ms)
{
    return (struct dl_event){
        .type = DL_EVENT_SURVEY, .sign = 1, .time_ms = time_ms, .touchpoint = dl_name_of(touchpoint),
        .nps = (int8_t)nps, .csat = (int8_t)csat, .ces = DL_ABSENT, .expectation = DL_ABSENT,
        .first_contact = DL_ABSENT, .resolvable = 1, .wait_ms = DL_ABSENT, .handle_ms = DL_ABSENT,
        .closed = 0, .satisfied = DL_ABSENT, .duration_ms = DL_ABSENT,
    };
}

static inline void apply(const struct dl_event *events, size_t count)
{
    const struct dl_batch_options options = {.bytes_max = 16 << 20, .segments = f.options.segments,
                                             .service_level_threshold_ms = 20000, .short_abandon_ms = 5000};
    struct dl_batch *batch = dl_batch_create(&options, f.now_ms);
    ck_assert_ptr_nonnull(batch);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(dl_batch_add(batch, &events[i]), DL_OK);
    ck_assert_int_eq(dl_engine_apply(f.engine, batch), DL_OK);
    dl_batch_destroy(batch);
}

static inline void apply_one(struct dl_event event)
{
    apply(&event, 1);
}

/* ---- Publishing ---- */

static inline void publish(void)
{
    /* Whole from an hour ago on: that is all of 1h, and not of 24h. */
    const struct dl_view_status status = {.data_since_ms = T0 - 1000, .window_since_ms = {T0 - 3600000, T0 - 3600000}, .roles = "ingest,score", .partitions = 12, .lag = 7};
    dl_view_publish(f.view, f.now_ms, &status);
}

static inline bool settled(void *context)
{
    (void)context;
    return dl_view_settled(f.view);
}

static inline bool is_view_up(void *context)
{
    (void)context;
    return dl_view_up(f.view);
}

/* Until the condition holds, publishing every 20 ms. */
static inline bool publish_until(condition *holds, void *context, int64_t within_ms)
{
    int64_t start = monotonic_ms();
    while (!holds(context)) {
        if (monotonic_ms() - start > within_ms)
            return false;
        publish();
        loop_for(&f.loop, 20);
    }
    return true;
}

/* Publishes until Redis has it all, trends included: these follow in rounds of their own. */
static inline void publish_all(void)
{
    ck_assert_msg(loop_until(&f.loop, DEADLINE_MS, is_view_up, NULL), "%s", f.notes.text);
    for (int round = 0; round < 5; round++) {
        publish();
        loop_for(&f.loop, 10);
        ck_assert_msg(publish_until(settled, NULL, DEADLINE_MS), "%s", f.notes.text);
    }
}

/* ---- Looking ---- */

static inline redisReply *ask(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline redisReply *ask(const char *format, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    const char *argv[16];
    int argc = 0;
    for (char *save, *word = strtok_r(line, " ", &save); word && argc < 16; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    redisReply *reply = redisCommandArgv(f.client, argc, argv, NULL);
    ck_assert_msg(reply, "%s: %s", argv[0], f.client->errstr);
    return reply;
}

/* The answer as text: of lists the elements, sorted as they come, with spaces between. */
static inline const char *look(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline const char *look(const char *format, ...)
{
    static char texts[4][16384];
    static int next;
    char *text = texts[next++ % 4], line[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    redisReply *reply = ask("%s", line);
    size_t bytes = 0;
    text[0] = '\0';
    if (reply->type == REDIS_REPLY_INTEGER)
        snprintf(text, sizeof texts[0], "%lld", reply->integer);
    else if (reply->str)
        snprintf(text, sizeof texts[0], "%s", reply->str);
    else if (reply->type == REDIS_REPLY_ARRAY)
        for (size_t i = 0; i < reply->elements; i++)
            bytes += (size_t)snprintf(text + bytes, sizeof texts[0] - bytes, "%s%s", i ? " " : "",
                                      reply->element[i]->str ? reply->element[i]->str : "(nil)");
    freeReplyObject(reply);
    return text;
}

static inline long long number(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline long long number(const char *format, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    return atoll(look("%s", line));
}

/* How often Redis has run a command since CONFIG RESETSTAT. */
static inline long long calls(const char *command)
{
    char field[64];
    snprintf(field, sizeof field, "cmdstat_%s:calls=", command);
    redisReply *reply = ask("INFO commandstats");
    const char *found = strstr(reply->str, field);
    long long count = found ? atoll(found + strlen(field)) : 0;
    freeReplyObject(reply);
    return count;
}

/* ---- Everything in Redis against everything in the engine ---- */

static inline void expected_scores(int64_t id, int window, struct dl_scores *scores)
{
    struct dl_counts counts = {.count = {0}};
    dl_tally_unpack(dl_engine_total(f.engine, id, window), &counts, 1);
    dl_score(scores, &counts, dl_engine_now(f.engine), f.options.window_ms[window], &f.options.score);
}

static inline bool expected_rank(const struct dl_scores *scores, int measure)
{
    struct dl_value value = scores->value[measure], n = scores->value[dl_fields[measure].n];
    return value.kind != DL_VALUE_NONE && n.kind == DL_VALUE_INTEGER && n.integer >= f.options.rank_min_n;
}

static inline void check_hash(const char *key, const struct dl_scores *scores)
{
    redisReply *reply = ask("HGETALL %s", key);
    size_t expected = 0;
    for (int field = 0; field < DL_FIELDS; field++)
        expected += scores->value[field].kind != DL_VALUE_NONE;
    ck_assert_msg(reply->elements == 2 * expected, "%s has %zu fields, expected %zu", key, reply->elements / 2, expected);
    for (size_t i = 0; i < reply->elements; i += 2) {
        int field = dl_field_find(reply->element[i]->str, (size_t)reply->element[i]->len);
        ck_assert_msg(field >= 0, "%s has a field %s", key, reply->element[i]->str);
        char text[DL_VALUE_TEXT_SIZE];
        size_t bytes = dl_value_format(text, scores->value[field]);
        if (field == DL_FIELD_as_of)
            ck_assert_int_le(atoll(reply->element[i + 1]->str), dl_engine_now(f.engine));
        else
            ck_assert_msg(bytes == (size_t)reply->element[i + 1]->len && memcmp(text, reply->element[i + 1]->str, bytes) == 0,
                          "%s %s is %s, expected %.*s", key, reply->element[i]->str, reply->element[i + 1]->str, (int)bytes, text);
    }
    freeReplyObject(reply);
}

/* Sum of a counting command over all keys of a pattern. */
static inline long long sum_over(const char *pattern, const char *command)
{
    long long sum = 0;
    redisReply *keys = ask("KEYS %s", pattern);
    for (size_t i = 0; i < keys->elements; i++)
        sum += number("%s %s", command, keys->element[i]->str);
    freeReplyObject(keys);
    return sum;
}

static inline size_t count_keys(const char *pattern)
{
    redisReply *keys = ask("KEYS %s", pattern);
    size_t count = keys->elements;
    freeReplyObject(keys);
    return count;
}

static inline void check_subject(int64_t id, size_t *views, size_t *ranks, size_t *subjects)
{
    struct dl_subject_info info;
    dl_engine_subject(f.engine, id, &info);
    bool present = false;
    for (int window = 0; window < f.options.windows; window++) {
        char key[1024], label[32];
        dl_duration_format(label, sizeof label, f.options.window_ms[window]);
        snprintf(key, sizeof key, "%s:{%s}:%s", f.options.prefix, info.name, label);
        if (dl_tally_empty(dl_engine_total(f.engine, id, window))) {
            ck_assert_msg(number("EXISTS %s %s:trend", key, key) == 0, "%s is still there", key);
            continue;
        }
        present = true;
        ++*views;
        struct dl_scores scores;
        expected_scores(id, window, &scores);
        check_hash(key, &scores);
        for (size_t i = 0; i < f.options.rank_measure_count; i++) {
            int measure = f.options.rank_measures[i];
            const char *score = look("ZSCORE %s:rank:%s:%s%s:%s %s", f.options.prefix, dl_fields[measure].name,
                                     dl_kind_name(info.kind), info.segment_part, label, info.name);
            if (!expected_rank(&scores, measure)) {
                ck_assert_msg(!*score, "%s is ranked by %s with %s", key, dl_fields[measure].name, score);
                continue;
            }
            ++*ranks;
            char text[DL_VALUE_TEXT_SIZE];
            text[dl_value_format(text, scores.value[measure])] = '\0';
            ck_assert_msg(*score && atof(score) == atof(text), "%s ranks by %s with %s, expected %s", key,
                          dl_fields[measure].name, score, text);
        }
    }
    ck_assert_int_eq(number("SISMEMBER %s:subjects:%s%s %s", f.options.prefix, dl_kind_name(info.kind), info.segment_part,
                            info.name), present);
    *subjects += present;
}

/* The prefix holds nothing that KEYS would take for a pattern. */
static inline void check_everything(void)
{
    size_t views = 0, ranks = 0, subjects = 0;
    for (int64_t id = dl_engine_next_subject(f.engine, 0); id >= 0; id = dl_engine_next_subject(f.engine, id + 1))
        check_subject(id, &views, &ranks, &subjects);
    char pattern[256];
    snprintf(pattern, sizeof pattern, "%s:{*}:*", f.options.prefix);
    ck_assert_uint_eq(count_keys(pattern), views * (f.options.trend_measure_count ? 2 : 1));
    snprintf(pattern, sizeof pattern, "%s:subjects:*", f.options.prefix);
    ck_assert_uint_eq((size_t)sum_over(pattern, "SCARD"), subjects);
    snprintf(pattern, sizeof pattern, "%s:rank:*", f.options.prefix);
    ck_assert_uint_eq((size_t)sum_over(pattern, "ZCARD"), ranks);
}
