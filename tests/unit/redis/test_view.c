/* What stands in Redis: hashes, sets, ranks, trends, meta. */
#include "view_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static void setup(void)
{
    fixture_init("");
}

static void teardown(void)
{
    fixture_deinit();
}

/* nps 33.3333 at n 3: just enough to be ranked. */
static void three_surveys(const char *touchpoint)
{
    const struct dl_event events[] = {survey(touchpoint, 10, 5, T0), survey(touchpoint, 9, DL_ABSENT, T0),
                                      survey(touchpoint, 3, 2, T0)};
    apply(events, 3);
}

START_TEST(test_first)
{
    view_open(5);
    three_surveys("a b");
    struct dl_event vip = survey("t", 10, DL_ABSENT, T0);
    vip.segment[0] = dl_name_of("v:i=p");
    vip.journey = dl_name_of("fly");
    vip.stage = dl_name_of("check-in");
    apply_one(vip);
    publish_all();
    check_everything();
    ck_assert_str_eq(look("HGET cx:{touchpoint:a%%20b}:1h nps"), "33.3333");
    ck_assert_str_eq(look("HGET cx:{touchpoint:a%%20b}:24h as_of"), "1700000000000");
    ck_assert_str_eq(look("HGET cx:{touchpoint:a%%20b}:24h window_ms"), "86400000");
    ck_assert_str_eq(look("ZRANGE cx:rank:nps:touchpoint:1h 0 -1"), "touchpoint:a%20b");
    ck_assert_str_eq(look("SMEMBERS cx:subjects:touchpoint|tier=v:i%%3Dp"), "touchpoint:t|tier=v:i%3Dp");
    ck_assert_str_eq(look("SMEMBERS cx:subjects:journey_stage"), "journey:fly|stage=check-in");
    ck_assert_str_eq(look("GET cx:owner"), "5");
    ck_assert_int_eq(number("PTTL cx:{all}:1h"), -1);
    struct dl_view_counts counts;
    dl_view_counts(f.view, &counts);
    ck_assert_int_eq(counts.errors, 0);
    ck_assert_int_gt(counts.fields, 0);
    ck_assert_int_ge(counts.last_publish_ms, T0);
}
END_TEST

START_TEST(test_meta)
{
    view_open(5);
    publish_all();
    ck_assert_str_eq(look("HGET cx:meta windows"), "[\"1h\",\"24h\"]");
    ck_assert_str_eq(look("HGET cx:meta segments"), "[\"tier\"]");
    ck_assert_str_eq(look("HGET cx:meta catalogue"), "{\"journeys\":[]}");
    ck_assert_str_eq(look("HMGET cx:meta as_of data_since min_n version"), "1700000000000 1699999999000 3 1.2.3");
    ck_assert_str_eq(look("HGET cx:meta windows_since"), "{\"24h\":1699996400000}");
    ck_assert_str_eq(look("HMGET cx:instance:test-1 version roles partitions lag"), "1.2.3 ingest,score 12 7");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_gt(number("PTTL cx:meta"), 7900); /* refreshed at least every 2 s */
        ck_assert_int_gt(number("PTTL cx:instance:test-1"), 7900);
        loop_for(&f.loop, 700); /* however rarely scores are published */
    }
    /* Gone, with what is only written whole: it comes back whole. */
    freeReplyObject(ask("DEL cx:meta"));
    loop_for(&f.loop, 2500);
    ck_assert_int_eq(number("HLEN cx:meta"), 9);
}
END_TEST

/* What did not change is not written: a field tampered with stays so. */
START_TEST(test_changed_fields_only)
{
    view_open(5);
    three_surveys("a");
    publish_all();
    freeReplyObject(ask("HSET cx:{touchpoint:a}:1h csat tampered"));
    freeReplyObject(ask("CONFIG RESETSTAT"));
    advance(T0 + 1000);
    publish();
    ck_assert(loop_until(&f.loop, DEADLINE_MS, settled, NULL));
    ck_assert_int_eq(calls("del") + calls("zadd") + calls("sadd"), 0);
    struct dl_view_counts before, after;
    dl_view_counts(f.view, &before);

    apply_one(survey("a", 8, DL_ABSENT, T0));
    publish_all();
    dl_view_counts(f.view, &after);
    /* all and touchpoint:a in two windows: as_of, events, nps_n, nps, nps_low, nps_high, passives */
    ck_assert_int_eq(after.fields - before.fields, 4 * 7);
    ck_assert_int_eq(calls("zadd"), 4);
    ck_assert_str_eq(look("HMGET cx:{touchpoint:a}:1h nps nps_n csat as_of"), "25.0000 4 tampered 1700000001000");

    /* A change that no field shows writes nothing: the hidden difference of two histories. */
    freeReplyObject(ask("CONFIG RESETSTAT"));
    dl_engine_mark_all_dirty(f.engine);
    publish_all();
    ck_assert_int_eq(calls("zadd") + calls("sadd") + calls("del"), 0);
}
END_TEST

/* What Redis is asked in an interval: one command per hash, one per rank and chunk, and the fence. */
START_TEST(test_commands)
{
    enum { TOUCHPOINTS = 40, VIEWS = 2 * (TOUCHPOINTS + 1) };
    static struct dl_event events[4 * TOUCHPOINTS];
    static char names[TOUCHPOINTS][8];
    view_open(5);
    for (int i = 0; i < 4 * TOUCHPOINTS; i++) {
        snprintf(names[i / 4], sizeof names[0], "t%d", i / 4);
        events[i] = survey(names[i / 4], 10, DL_ABSENT, T0);
    }
    freeReplyObject(ask("CONFIG RESETSTAT"));
    apply(events, 4 * TOUCHPOINTS);
    publish_all();
    check_everything();
    ck_assert_int_lt(calls("sadd"), TOUCHPOINTS);

    for (int i = 0; i < TOUCHPOINTS; i++)
        events[i] = survey(names[i], 0, DL_ABSENT, T0);
    apply(events, TOUCHPOINTS);
    freeReplyObject(ask("CONFIG RESETSTAT"));
    publish();
    ck_assert(loop_until(&f.loop, DEADLINE_MS, settled, NULL));
    ck_assert_int_eq(calls("hset"), VIEWS + calls("pexpire")); /* cx:meta and cx:instance have one of each */
    ck_assert_int_eq(calls("zadd"), 4);                        /* nps of `all` and of touchpoints, two windows */
    ck_assert_int_eq(calls("exists") + calls("del") + calls("sadd") + calls("zrem") + calls("hdel"), 0);
    ck_assert_int_eq(calls("get"), calls("eval"));
    check_everything();

    /* All of them fall out of the ranks: one removal each. */
    for (int i = 0; i < TOUCHPOINTS; i++) {
        events[i] = survey(names[i], 0, DL_ABSENT, T0);
        events[i].sign = -1;
    }
    f.options.rank_min_n = 5;
    ck_assert_int_eq(dl_view_reconfigure(f.view, &f.options), DL_OK);
    publish_all();
    apply(events, TOUCHPOINTS);
    freeReplyObject(ask("CONFIG RESETSTAT"));
    publish();
    ck_assert(loop_until(&f.loop, DEADLINE_MS, settled, NULL));
    ck_assert_int_eq(calls("zrem"), 2);
    ck_assert_int_eq(number("ZCARD cx:rank:nps:touchpoint:1h"), 0);
    check_everything();
}
END_TEST

START_TEST(test_vanish)
{
    view_open(5);
    three_surveys("a");
    publish_all();
    /* Both answers of csat are taken back: the fields go, the hash stays. */
    struct dl_event back[] = {survey("a", 10, 5, T0), survey("a", 10, DL_ABSENT, T0), survey("a", 3, 2, T0),
                              survey("a", 3, DL_ABSENT, T0)};
    back[0].sign = back[2].sign = -1;
    apply(back, 4);
    publish_all();
    check_everything();
    ck_assert_int_eq(number("HEXISTS cx:{touchpoint:a}:1h csat"), 0);
    ck_assert_int_eq(number("HEXISTS cx:{touchpoint:a}:1h nps"), 1);

    advance(T0 + 2 * HOUR); /* out of 1h, still in 24h */
    publish_all();
    check_everything();
    ck_assert_int_eq(number("EXISTS cx:{touchpoint:a}:1h cx:{touchpoint:a}:1h:trend"), 0);
    ck_assert_int_eq(number("EXISTS cx:{touchpoint:a}:24h cx:{touchpoint:a}:24h:trend"), 2);
    ck_assert_int_eq(number("SCARD cx:subjects:touchpoint"), 1);
    advance(T0 + 2 * DAY);
    publish_all();
    check_everything();
    advance(T0 + 2 * DAY + 1); /* the engine lets go of dead subjects at the next advance */
    ck_assert_int_eq(dl_engine_next_subject(f.engine, 0), -1);
    ck_assert_uint_eq(count_keys("cx:*"), 3); /* owner, meta, instance */

    three_surveys("late"); /* too old by now: nothing */
    publish_all();
    advance(T0 + 2 * DAY + 2);
    struct dl_event again = survey("a", 5, DL_ABSENT, f.now_ms);
    apply_one(again);
    publish_all();
    check_everything();
}
END_TEST

/* An answer is taken back by an event of now: one window has nothing then, the other, which is asked on the way, has. */
START_TEST(test_vanish_from_one)
{
    view_open(5);
    apply_one(survey("a", 9, DL_ABSENT, T0));
    advance(T0 + 2 * HOUR);
    apply_one(survey("a", 3, DL_ABSENT, f.now_ms));
    advance(T0 + 2 * HOUR + HOUR / 2); /* in another pane of both */
    publish_all();
    struct dl_event back = survey("a", 3, DL_ABSENT, f.now_ms);
    back.sign = -1;
    apply_one(back);
    publish_all();
    check_everything();
    ck_assert_int_eq(number("EXISTS cx:{touchpoint:a}:1h"), 0);
    ck_assert(dl_tally_empty(dl_engine_published(f.engine, dl_engine_find(f.engine, "touchpoint:a", 12), 0)));
}
END_TEST

START_TEST(test_ranks)
{
    view_open(5);
    three_surveys("a");
    const struct dl_event two[] = {survey("b", 10, DL_ABSENT, T0), survey("b", 10, DL_ABSENT, T0)};
    apply(two, 2);
    publish_all();
    ck_assert_str_eq(look("ZRANGE cx:rank:nps:touchpoint:1h 0 -1"), "touchpoint:a");
    ck_assert_double_eq(strtod(look("ZSCORE cx:rank:nps:touchpoint:1h touchpoint:a"), NULL), 33.3333); /* digits vary by version */
    apply_one(two[0]);
    publish_all();
    ck_assert_str_eq(look("ZREVRANGE cx:rank:nps:touchpoint:24h 0 -1"), "touchpoint:b touchpoint:a");
    struct dl_event back = two[0];
    back.sign = -1;
    apply_one(back);
    publish_all();
    ck_assert_str_eq(look("ZRANGE cx:rank:nps:touchpoint:1h 0 -1"), "touchpoint:a");
    check_everything();

    /* Other limits while running: all is published again, and what they no longer allow goes. */
    static const int csat[] = {DL_FIELD_csat};
    f.options.rank_measures = csat;
    f.options.rank_measure_count = 1;
    f.options.rank_min_n = 1;
    ck_assert_int_eq(dl_view_reconfigure(f.view, &f.options), DL_OK);
    publish_all();
    check_everything();
    ck_assert_int_eq(number("EXISTS cx:rank:nps:touchpoint:1h"), 0);
    ck_assert_str_eq(look("ZRANGE cx:rank:csat:touchpoint:1h 0 -1"), "touchpoint:a");

    /* Hidden for privacy: not ranked. */
    f.options.score.privacy_min_n = 3;
    ck_assert_int_eq(dl_view_reconfigure(f.view, &f.options), DL_OK);
    publish_all();
    check_everything();
    ck_assert_int_eq(number("EXISTS cx:rank:csat:touchpoint:1h"), 0);
    ck_assert_str_eq(look("HGET cx:meta privacy_min_n"), "3");
    f.options.trend_measure_count = 0;
    ck_assert_int_eq(dl_view_reconfigure(f.view, &f.options), DL_OK);
    publish_all();
    check_everything(); /* no trends any more */
}
END_TEST

static void check_trend(const char *subject, const char *window_text, int window)
{
    struct dl_text text = {.data = NULL};
    int64_t id = dl_engine_find(f.engine, subject, strlen(subject));
    ck_assert_int_ge(id, 0);
    ck_assert_int_eq(dl_json_trend(&text, f.engine, id, window, f.options.window_ms[window], f.options.trend_measures,
                                   f.options.trend_measure_count, &f.options.score), DL_OK);
    const char *stands = look("GET cx:{%s}:%s:trend", subject, window_text);
    ck_assert_msg(strlen(stands) == text.bytes && memcmp(stands, text.data, text.bytes) == 0, "%s:%s: %s\nexpected: %.*s",
                  subject, window_text, stands, (int)text.bytes, text.data);
    dl_text_deinit(&text);
}

/* Every chunk renews the owner by one SET; the others are trends. */
static long long trend_writes(void)
{
    return calls("set") - calls("eval");
}

START_TEST(test_trends)
{
    const int64_t start = T0 / DAY * DAY + HOUR;
    f.now_ms = start;
    view_open(5);
    const struct dl_event events[] = {survey("a", 10, DL_ABSENT, start), survey("a", 0, DL_ABSENT, start - 5 * MINUTE)};
    apply(events, 2);
    publish_all();
    check_trend("touchpoint:a", "1h", 0);
    check_trend("all", "24h", 1);

    /* In the open pane: the trend is not written at once … */
    apply_one(survey("a", 10, DL_ABSENT, start + 1000));
    freeReplyObject(ask("CONFIG RESETSTAT"));
    publish_all();
    ck_assert_int_eq(trend_writes(), 0);
    /* … but when the pane closes. */
    advance(start + MINUTE);
    publish_all();
    ck_assert_int_eq(trend_writes(), 2); /* all and touchpoint:a; the day's panes are 24 minutes long */
    check_trend("touchpoint:a", "1h", 0);
    /* A late event changes a closed pane: at once, and only where it is one. */
    freeReplyObject(ask("CONFIG RESETSTAT"));
    apply_one(survey("a", 10, DL_ABSENT, start - 20 * MINUTE));
    publish_all();
    ck_assert_int_eq(trend_writes(), 4);
    check_trend("touchpoint:a", "1h", 0);
    check_trend("all", "1h", 0);
    check_trend("all", "24h", 1);
    /* The same answer moves from one closed pane to another: no total changes, the trend does. */
    struct dl_event moved[] = {survey("a", 10, DL_ABSENT, start - 20 * MINUTE), survey("a", 10, DL_ABSENT, start - 30 * MINUTE)};
    moved[0].sign = -1;
    apply(moved, 2);
    publish_all();
    check_trend("touchpoint:a", "1h", 0);
    check_everything();
}
END_TEST

/* Hashes live for their window's length and are written again before half of it is over. */
START_TEST(test_expiry)
{
    f.options.expire = true;
    view_open(5);
    three_surveys("a");
    publish_all();
    ck_assert_int_gt(number("PTTL cx:{touchpoint:a}:1h"), HOUR - 10000);
    ck_assert_int_gt(number("PTTL cx:{touchpoint:a}:24h"), DAY - 10000);
    ck_assert_int_gt(number("PTTL cx:{touchpoint:a}:1h:trend"), HOUR - 10000);
    ck_assert_int_gt(number("PTTL cx:{all}:24h:trend"), DAY - 10000);
    freeReplyObject(ask("PEXPIRE cx:{touchpoint:a}:1h 3000000"));
    freeReplyObject(ask("DEL cx:{all}:1h")); /* evicted */
    publish_all();
    ck_assert_int_le(number("PTTL cx:{touchpoint:a}:1h"), 3000000); /* not touched for nothing */
    for (int minute = 1; minute <= 25; minute++) {
        f.now_ms = T0 + minute * MINUTE;
        publish();
        loop_for(&f.loop, 2);
    }
    advance(T0); /* T stands; only the wall clock went on */
    publish_all();
    ck_assert_int_gt(number("PTTL cx:{touchpoint:a}:1h"), HOUR - 10000);
    check_everything(); /* the evicted one is back */
}
END_TEST

/* A hash that was evicted does not come back in part with the next change. */
START_TEST(test_evicted)
{
    view_open(5);
    three_surveys("a");
    publish_all();
    freeReplyObject(ask("DEL cx:{touchpoint:a}:1h"));
    apply_one(survey("a", 8, DL_ABSENT, T0));
    publish();
    loop_for(&f.loop, 100); /* it is found to be missing; the next publish writes it */
    long long fields = number("HLEN cx:{touchpoint:a}:1h");
    ck_assert_msg(fields == 0 || fields > 12, "%lld", fields);
    publish_all();
    check_everything();
}
END_TEST

START_TEST(test_changed_channel)
{
    f.options.rank_measure_count = 0; /* more keys to a chunk */
    view_open(5);
    redisContext *listener = server_client(&f.server);
    freeReplyObject(redisCommand(listener, "SUBSCRIBE cx:changed"));
    enum { TOUCHPOINTS = 2000 };
    static struct dl_event events[TOUCHPOINTS];
    static char names[TOUCHPOINTS][16];
    for (int i = 0; i < TOUCHPOINTS; i++) {
        snprintf(names[i], sizeof names[i], "t\"%d", i);
        events[i] = survey(names[i], 9, DL_ABSENT, T0);
    }
    apply(events, TOUCHPOINTS);
    publish_all();
    apply_one(events[3]);
    publish_all();
    freeReplyObject(redisCommand(f.client, "PUBLISH cx:changed end"));
    size_t keys = 0, most = 0, messages = 0, named = 0;
    for (;;) {
        redisReply *message;
        ck_assert_int_eq(redisGetReply(listener, (void **)&message), REDIS_OK);
        const char *text = message->element[2]->str;
        bool end = strcmp(text, "end") == 0;
        if (!end) {
            ck_assert(text[0] == '[' && text[strlen(text) - 1] == ']');
            size_t here = 0;
            for (const char *key = strstr(text, "\"cx:{"); key; key = strstr(key + 1, "\"cx:{"))
                here++;
            named += strstr(text, "\"cx:{touchpoint:t\\\"3}:24h\"") != NULL;
            keys += here;
            most = here > most ? here : most;
            messages++;
        }
        freeReplyObject(message);
        if (end)
            break;
    }
    ck_assert_uint_eq(keys, 2 * (TOUCHPOINTS + 1) + 4);
    ck_assert_uint_le(most, 1000);
    ck_assert_uint_gt(messages, 1);
    ck_assert_uint_eq(named, 2);
    redisFree(listener);
}
END_TEST

enum { READ_TOUCHPOINTS = 400 };
static _Atomic bool reading;
static _Atomic long readings, partial;

/* A reader as a dashboard has it: whole hash or none, and nps_n always the sum of its parts. */
static void *read_hashes(void *unused)
{
    (void)unused;
    redisContext *client = server_client(&f.server);
    for (int touchpoint = 0; reading; touchpoint = (touchpoint + 1) % READ_TOUCHPOINTS) {
        redisReply *reply = redisCommand(client, "HGETALL cx:{touchpoint:t%d}:1h", touchpoint);
        long long n = 0, parts = 0, fields = (long long)reply->elements / 2;
        for (size_t i = 0; i + 1 < reply->elements; i += 2) {
            const char *field = reply->element[i]->str, *value = reply->element[i + 1]->str;
            if (strcmp(field, "nps_n") == 0)
                n = atoll(value);
            if (strcmp(field, "promoters") == 0 || strcmp(field, "passives") == 0 || strcmp(field, "detractors") == 0)
                parts += atoll(value);
        }
        if (fields != 10 || n != parts)
            partial++;
        readings++;
        freeReplyObject(reply);
    }
    redisFree(client);
    return NULL;
}

START_TEST(test_reader_sees_whole_hashes)
{
    view_open(5);
    static char names[READ_TOUCHPOINTS][8];
    static struct dl_event events[READ_TOUCHPOINTS];
    for (int i = 0; i < READ_TOUCHPOINTS; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i);
        events[i] = survey(names[i], i % 11, DL_ABSENT, T0);
    }
    apply(events, READ_TOUCHPOINTS);
    publish_all();
    reading = true;
    pthread_t reader;
    pthread_create(&reader, NULL, read_hashes, NULL);
    for (int round = 0; round < 40; round++) {
        apply(events, READ_TOUCHPOINTS);
        if (round % 2 == 0)
            ck_assert_int_eq(dl_view_reconfigure(f.view, &f.options), DL_OK);
        publish();
        ck_assert(loop_until(&f.loop, DEADLINE_MS, settled, NULL));
    }
    reading = false;
    pthread_join(reader, NULL);
    ck_assert_int_gt(readings, 200);
    ck_assert_int_eq(partial, 0);
    check_everything();
}
END_TEST

/* The reader above may miss the moment; MONITOR does not: nothing comes between a hash's DEL and its HSET. */
START_TEST(test_whole_hashes_in_one_script)
{
    view_open(5);
    for (int i = 0; i < 50; i++) {
        char name[8];
        snprintf(name, sizeof name, "t%d", i);
        apply_one(survey(name, 9, DL_ABSENT, T0));
    }
    redisContext *monitor = server_client(&f.server);
    freeReplyObject(redisCommand(monitor, "MONITOR"));
    publish_all();
    freeReplyObject(ask("ECHO end-of-test"));
    int whole = 0;
    bool deleted = false;
    for (bool end = false; !end;) {
        redisReply *line;
        ck_assert_int_eq(redisGetReply(monitor, (void **)&line), REDIS_OK);
        if (deleted)
            ck_assert_msg(strstr(line->str, "lua] \"HSET\" \"cx:{"), "%.200s", line->str);
        deleted = strstr(line->str, "lua] \"DEL\" \"cx:{") != NULL;
        whole += deleted;
        end = strstr(line->str, "\"ECHO\" \"end-of-test\"") != NULL;
        freeReplyObject(line);
    }
    ck_assert_int_eq(whole, 2 * 51);
    redisFree(monitor);
}
END_TEST

/* More than the link's buffer and the chunks under way hold: it all gets there, the newest value. */
START_TEST(test_many)
{
    enum { TOUCHPOINTS = 5000 };
    static struct dl_event events[TOUCHPOINTS];
    static char names[TOUCHPOINTS][16];
    f.options.redis.buffer_bytes_max = 128 * 1024;
    view_open(5);
    for (int i = 0; i < TOUCHPOINTS; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i);
        events[i] = survey(names[i], i % 11, 1 + i % 5, T0);
    }
    for (int round = 0; round < 3; round++) {
        apply(events, TOUCHPOINTS);
        ck_assert(loop_until(&f.loop, DEADLINE_MS, is_view_up, NULL));
        publish();
    }
    publish_all();
    ck_assert(loop_until(&f.loop, DEADLINE_MS, settled, NULL));
    loop_for(&f.loop, 1500); /* trends take their rounds */
    for (int round = 0; round < 50; round++) {
        publish();
        loop_for(&f.loop, 10);
    }
    check_everything();
}
END_TEST

/* More scores than Redis ever gets through: trends and the sweep get a share all the same, and the staleness is that of
 * what waits, not of how long there has been too much. */
START_TEST(test_overload)
{
    enum { TOUCHPOINTS = 400 };
    static struct dl_event events[TOUCHPOINTS];
    static char names[TOUCHPOINTS][16];
    f.options.redis.buffer_bytes_max = 64 * 1024;
    freeReplyObject(ask("SADD cx:subjects:touchpoint touchpoint:dead"));
    view_open(5);
    ck_assert(loop_until(&f.loop, DEADLINE_MS, is_view_up, NULL));
    int64_t start = monotonic_ms(), stale_ms = 0;
    bool fell = false;
    while (!fell || count_keys("cx:{*}:*:trend") < 2 * (TOUCHPOINTS + 1) || number("SISMEMBER cx:subjects:touchpoint touchpoint:dead")) {
        for (int i = 0; i < TOUCHPOINTS; i++) {
            snprintf(names[i], sizeof names[i], "t%d", i);
            events[i] = survey(names[i], rand() % 11, DL_ABSENT, T0);
        }
        apply(events, TOUCHPOINTS);
        publish();
        ck_assert_uint_gt(dl_engine_dirty(f.engine), 0);
        uv_run(&f.loop, UV_RUN_ONCE);
        struct dl_view_counts counts;
        dl_view_counts(f.view, &counts);
        fell = fell || counts.stale_ms < stale_ms;
        stale_ms = counts.stale_ms;
        ck_assert(monotonic_ms() - start < DEADLINE_MS);
    }
}
END_TEST

/* On its way to Redis, in the first window. */
static bool is_written(const char *touchpoint)
{
    char name[64];
    int64_t id = dl_engine_find(f.engine, name, (size_t)snprintf(name, sizeof name, "touchpoint:%s", touchpoint));
    return !dl_tally_empty(dl_engine_published(f.engine, id, 0));
}

/* More changes than an interval can write: who has been written waits behind those who have not. */
START_TEST(test_oldest_first)
{
    enum { TOUCHPOINTS = 3000, AGAIN = 10 };
    static struct dl_event events[TOUCHPOINTS];
    static char names[TOUCHPOINTS][16];
    f.options.redis.buffer_bytes_max = 64 * 1024;
    view_open(5);
    ck_assert(loop_until(&f.loop, DEADLINE_MS, is_view_up, NULL));
    for (int i = 0; i < TOUCHPOINTS; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i);
        events[i] = survey(names[i], 9, DL_ABSENT, T0);
    }
    apply(events, TOUCHPOINTS);
    publish();
    ck_assert_uint_gt(dl_engine_dirty(f.engine), TOUCHPOINTS);
    struct dl_event again[AGAIN];
    int count = 0;
    for (int i = 0; i < TOUCHPOINTS && count < AGAIN; i++)
        if (is_written(names[i]))
            again[count++] = events[i];
    ck_assert_int_eq(count, AGAIN);
    apply(again, AGAIN);
    publish();
    char ask_for[64];
    snprintf(ask_for, sizeof ask_for, "HGET cx:{touchpoint:%s}:1h nps_n", again[0].touchpoint.data);
    bool stale = false;
    for (int64_t start = monotonic_ms(); number("%s", ask_for) < 2;) {
        struct dl_view_counts counts;
        dl_view_counts(f.view, &counts);
        stale = stale || counts.stale_ms > 0;
        publish();
        uv_run(&f.loop, UV_RUN_ONCE);
        ck_assert(monotonic_ms() - start < DEADLINE_MS);
    }
    ck_assert(stale);
    ck_assert_uint_eq(count_keys("cx:{touchpoint:*}:1h") + count_keys("cx:{touchpoint:*}:24h"), 2 * TOUCHPOINTS);
    publish_all();
    struct dl_view_counts counts;
    dl_view_counts(f.view, &counts);
    ck_assert_int_eq(counts.stale_ms, 0);
    check_everything();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("view");
    static const TTest *const *tests[] = {
        &test_first, &test_meta, &test_changed_fields_only, &test_commands, &test_vanish, &test_vanish_from_one, &test_ranks,
        &test_trends, &test_expiry, &test_evicted, &test_changed_channel, &test_reader_sees_whole_hashes,
        &test_whole_hashes_in_one_script, &test_many, &test_overload, &test_oldest_first,
    };
    TCase *all = tcase_create("view");
    tcase_set_timeout(all, TIMEOUT_S);
    tcase_add_checked_fixture(all, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(all, *tests[i]);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
