/* What may happen to a view: Redis forgets, goes, refuses; another one writes. */
#include "view_fixture.h"

static struct dl_event vote(int touchpoint, int nps)
{
    static char names[4096][16];
    snprintf(names[touchpoint], sizeof names[0], "t%d", touchpoint);
    return survey(names[touchpoint], nps, DL_ABSENT, f.now_ms);
}

static void votes(int touchpoints, int nps)
{
    static struct dl_event events[4096];
    for (int i = 0; i < touchpoints; i++)
        events[i] = vote(i, (nps + i) % 11);
    apply(events, (size_t)touchpoints);
}

static bool said(void *context)
{
    return notes_count(&f.notes, context) > 0;
}

#define WAIT_SAID(part)                                                                                        \
    ck_assert_msg(publish_until(said, (void *)(uintptr_t)(part), DEADLINE_MS), "not said: %s; but: %s", part, \
                  f.notes.text)

static void setup(void)
{
    fixture_init("");
}

static void teardown(void)
{
    fixture_deinit();
}

static bool back(void *context)
{
    struct dl_view_counts counts;
    dl_view_counts(f.view, &counts);
    return counts.forgotten == *(int64_t *)context && dl_view_settled(f.view);
}

/* Within two publish intervals: noticed at the next publish, and all of it back with no other one. */
START_TEST(test_flushall)
{
    f.options.trend_measure_count = 0;
    view_open(5);
    votes(500, 3);
    publish_all();
    for (int64_t round = 1; round <= 3; round++) {
        freeReplyObject(ask("FLUSHALL"));
        publish();
        ck_assert_msg(loop_until(&f.loop, DEADLINE_MS, back, &round), "%s", f.notes.text);
        check_everything();
    }
    ck_assert_int_eq(number("HLEN cx:meta"), 9);
    ck_assert_str_eq(look("GET cx:owner"), "5");
    ck_assert_int_eq(notes_count(&f.notes, "redis has forgotten the scores"), 3);
    struct dl_view_counts counts;
    dl_view_counts(f.view, &counts);
    ck_assert_int_eq(counts.forgotten, 3);
    ck_assert_int_eq(counts.errors, 0);
}
END_TEST

/* In the middle of changes under way: none of them comes back in part. */
START_TEST(test_flushall_under_way)
{
    view_open(5);
    votes(1000, 3);
    publish_all();
    for (int round = 0; round < 20; round++) {
        votes(1000, round);
        publish();
        uv_run(&f.loop, UV_RUN_NOWAIT);
        freeReplyObject(ask(round % 2 ? "FLUSHALL" : "SCRIPT FLUSH"));
        publish();
        loop_for(&f.loop, 5);
    }
    publish_all();
    loop_for(&f.loop, 500);
    publish_all();
    check_everything();
}
END_TEST

/* While everything is being written: the chunks before it are lost, those behind it must say so. */
START_TEST(test_flushall_in_republish)
{
    f.options.trend_measure_count = 0;
    view_open(5);
    votes(2000, 3);
    publish_all();
    for (int round = 0; round < 15; round++) {
        ck_assert_int_eq(dl_view_reconfigure(f.view, &f.options), DL_OK);
        publish();
        uv_run(&f.loop, UV_RUN_NOWAIT);
        usleep((useconds_t)(rand() % 4000));
        freeReplyObject(ask("FLUSHALL"));
        loop_for(&f.loop, 30);
        publish_all();
        ck_assert_uint_eq(count_keys("cx:{*"), 2 * 2001);
    }
    check_everything();
}
END_TEST

START_TEST(test_killed)
{
    view_open(5);
    votes(300, 3);
    publish_all();
    server_kill(&f.server);
    publish();
    loop_for(&f.loop, 50);
    ck_assert(!dl_view_up(f.view));
    ck_assert(!dl_view_settled(f.view));
    votes(300, 9); /* while it is away */
    publish();
    loop_for(&f.loop, 100);
    struct dl_view_counts counts;
    dl_view_counts(f.view, &counts);
    ck_assert_int_ge(counts.stale_ms, 100);
    server_start(&f.server, "");
    fixture_client();
    publish_all();
    check_everything();
    dl_view_counts(f.view, &counts);
    ck_assert_int_eq(counts.reconnects, 1);
    ck_assert_int_lt(counts.stale_ms, 100);
}
END_TEST

/* Redis stands still: no more than the limit waits, the newest values arrive, and nothing between. */
START_TEST(test_stopped)
{
    f.options.redis.reply_timeout_ms = 400;
    f.options.redis.buffer_bytes_max = 256 * 1024;
    view_open(5);
    votes(2000, 3);
    publish_all();
    kill(f.server.pid, SIGSTOP);
    struct dl_view_counts before, after;
    dl_view_counts(f.view, &before);
    int64_t start = monotonic_ms();
    for (int round = 0; monotonic_ms() - start < 1500; round++) {
        votes(2000, round);
        publish();
        loop_for(&f.loop, 20);
    }
    dl_view_counts(f.view, &after);
    /* One buffer of writes until the timeout; an attempt to reconnect meets a full backlog or silence. */
    ck_assert_int_le(after.bytes - before.bytes, 2 * 256 * 1024);
    ck_assert_int_ge(after.stale_ms, 1000);
    ck_assert_int_eq(notes_count(&f.notes, "does not answer in time"), 1);
    kill(f.server.pid, SIGCONT);
    publish_all();
    loop_for(&f.loop, 500);
    publish_all();
    check_everything();
}
END_TEST

START_TEST(test_fenced)
{
    view_open(100);
    votes(10, 3);
    publish_all();
    struct dl_view *first = f.view;
    struct dl_engine *first_engine = f.engine;

    f.engine = NULL;
    f.view = NULL;
    view_open(101); /* a newer process, with other data */
    apply_one(survey("new", 10, DL_ABSENT, T0));
    publish_all();
    ck_assert_str_eq(look("GET cx:owner"), "101");
    struct dl_view *second = f.view;

    f.view = first;
    for (int round = 0; round < 5; round++) {
        publish();
        loop_for(&f.loop, 20);
    }
    ck_assert(dl_view_fenced(first));
    ck_assert(!dl_view_fenced(second));
    ck_assert(dl_view_settled(first));
    ck_assert_int_eq(notes_count(&f.notes, "token=100 owner=101"), 1);
    struct dl_view_counts counts;
    dl_view_counts(first, &counts);
    ck_assert_int_ge(counts.fenced, 1);
    freeReplyObject(ask("CONFIG RESETSTAT"));
    publish();
    loop_for(&f.loop, 50);
    ck_assert_int_eq(calls("eval"), 0);
    view_close();

    f.view = second;
    publish_all();
    check_everything(); /* nothing of the first one's is left */
    dl_engine_destroy(first_engine);
}
END_TEST

/* The fence holds after the newer one's Redis was restarted empty, too: whoever comes first, the newer one wins. */
START_TEST(test_fenced_after_flush)
{
    view_open(100);
    votes(3, 3);
    publish_all();
    freeReplyObject(ask("SET cx:owner 9007199254740991"));
    publish();
    loop_for(&f.loop, 50);
    ck_assert(dl_view_fenced(f.view));
    ck_assert_str_eq(look("GET cx:owner"), "9007199254740991");
}
END_TEST

/* Who leaves takes its fence away, and nothing comes after that; a fence that is not its own stays. */
START_TEST(test_leave)
{
    view_open(100);
    votes(3, 3);
    publish_all();
    ck_assert_str_eq(look("GET cx:owner"), "100");
    dl_view_leave(f.view);
    ck_assert(!dl_view_settled(f.view));
    votes(3, 4);
    publish();
    loop_for(&f.loop, 50);
    ck_assert(dl_view_settled(f.view));
    ck_assert_int_eq(number("EXISTS cx:owner"), 0);
    view_close();

    view_open(1); /* a smaller token, and no wait */
    publish_all();
    freeReplyObject(ask("SET cx:owner 101"));
    dl_view_leave(f.view);
    loop_for(&f.loop, 50);
    ck_assert(dl_view_fenced(f.view));
    ck_assert_str_eq(look("GET cx:owner"), "101");
}
END_TEST

START_TEST(test_owner_unreadable)
{
    freeReplyObject(ask("SET cx:owner nonsense"));
    view_open(100);
    votes(3, 3);
    publish_all();
    ck_assert_str_eq(look("GET cx:owner"), "100");
    check_everything();
}
END_TEST

static void refused_until(const char *refuse, const char *word, const char *allow)
{
    view_open(5);
    votes(50, 3);
    publish_all();
    freeReplyObject(ask("%s", refuse));
    votes(50, 7);
    uint64_t began_ns = uv_hrtime();
    WAIT_SAID("redis refused what was published");
    for (int round = 0; round < 60; round++) {
        publish();
        loop_for(&f.loop, 20);
    }
    /* 0, 100, 300, 700, 1500 ms … after the first; on a busy machine the rounds take longer, and see more of them. */
    int64_t elapsed_ms = (int64_t)((uv_hrtime() - began_ns) / 1000000), tries = 1;
    for (int64_t pause_ms = 100, at_ms = 100; at_ms <= elapsed_ms; pause_ms *= 2, at_ms += pause_ms)
        tries++;
    ck_assert_ptr_nonnull(strstr(f.notes.text, word));
    ck_assert_int_eq(notes_count(&f.notes, "redis refused what was published"), 1);
    struct dl_view_counts counts;
    dl_view_counts(f.view, &counts);
    ck_assert_int_ge(counts.errors, 2);
    ck_assert_int_le(counts.errors, tries + 4); /* and what was under way */
    ck_assert_int_ge(counts.stale_ms, 0);
    freeReplyObject(ask("%s", allow));
    WAIT_SAID("redis takes what is published again");
    publish_all();
    loop_for(&f.loop, 500);
    publish_all();
    check_everything();
}

START_TEST(test_no_memory)
{
    refused_until("CONFIG SET maxmemory 1", "OOM", "CONFIG SET maxmemory 0");
}
END_TEST

/* Refuses every write, deletions too. */
START_TEST(test_no_replicas)
{
    refused_until("CONFIG SET min-replicas-to-write 1", "NOREPLICAS", "CONFIG SET min-replicas-to-write 0");
}
END_TEST

/* From the beginning: the owner is never written, and the chunks behind must not take that for forgetfulness. */
START_TEST(test_no_replicas_at_start)
{
    freeReplyObject(ask("CONFIG SET min-replicas-to-write 1"));
    view_open(5);
    votes(1000, 7);
    WAIT_SAID("redis refused what was published");
    for (int round = 0; round < 20; round++) {
        publish();
        loop_for(&f.loop, 20);
    }
    freeReplyObject(ask("CONFIG SET min-replicas-to-write 0"));
    WAIT_SAID("redis takes what is published again");
    publish_all();
    loop_for(&f.loop, 500);
    publish_all();
    check_everything();
    struct dl_view_counts counts;
    dl_view_counts(f.view, &counts);
    ck_assert_int_eq(counts.forgotten, 0);
}
END_TEST

START_TEST(test_no_permission)
{
    freeReplyObject(ask("ACL SETUSER cx on >secret ~cx:* &cx:* +@all -zadd"));
    snprintf(f.url, sizeof f.url, "unix://cx:secret@%s", f.server.socket);
    f.options.rank_min_n = 1;
    view_open(5);
    votes(20, 3);
    WAIT_SAID("redis refused what was published");
    ck_assert_ptr_null(strstr(f.notes.text, "secret"));
    int64_t start = monotonic_ms();
    while (monotonic_ms() - start < 3000) {
        publish();
        loop_for(&f.loop, 20);
    }
    ck_assert_int_le(notes_count(&f.notes, "redis refused what was published"), 2);
    ck_assert_int_eq(notes_count(&f.notes, "redis takes"), 0);
    freeReplyObject(ask("ACL SETUSER cx +zadd"));
    WAIT_SAID("redis takes what is published again");
    publish_all();
    loop_for(&f.loop, 500);
    publish_all();
    check_everything();
}
END_TEST

/* A key of ours that someone made a string: told, retried, and healed when it is out of the way. */
START_TEST(test_wrong_type)
{
    freeReplyObject(ask("SET cx:subjects:touchpoint x"));
    freeReplyObject(ask("SET cx:{touchpoint:t0}:1h x")); /* a hash is written over it */
    view_open(5);
    votes(3, 3);
    WAIT_SAID("WRONGTYPE");
    freeReplyObject(ask("DEL cx:subjects:touchpoint"));
    WAIT_SAID("redis takes what is published again");
    publish_all();
    loop_for(&f.loop, 500);
    publish_all();
    check_everything();
    freeReplyObject(ask("DEL cx:owner"));
    freeReplyObject(ask("HSET cx:owner x y"));
    votes(3, 7);
    WAIT_SAID("(GET cx:owner)");
    freeReplyObject(ask("DEL cx:owner"));
    publish_all();
    loop_for(&f.loop, 500);
    publish_all();
    check_everything();
}
END_TEST

static void stale_keys(const char *prefix)
{
    freeReplyObject(ask("HSET %s:{touchpoint:dead}:1h nps 1", prefix));
    freeReplyObject(ask("HSET %s:{touchpoint:t1}:7d nps 1", prefix)); /* a window that is not configured */
    freeReplyObject(ask("SET %s:{touchpoint:t1}:7d:trend x", prefix));
    freeReplyObject(ask("SET %s:{touchpoint:dead}:1h:trend x", prefix));
    freeReplyObject(ask("SADD %s:subjects:touchpoint touchpoint:dead all", prefix));
    freeReplyObject(ask("SADD %s:subjects:feature|tier=gone feature:x|tier=gone", prefix));
    freeReplyObject(ask("ZADD %s:rank:nps:touchpoint:1h 1 touchpoint:dead 2 all", prefix));
    freeReplyObject(ask("ZADD %s:rank:ces:touchpoint:1h 1 touchpoint:t1", prefix)); /* a measure that is not */
    freeReplyObject(ask("ZADD %s:rank:nps:touchpoint|tier=a:b:7d 1 touchpoint:dead", prefix));
}

static const char *const foreign[] = {
    "%s:instance:other", "%s:{x}:notes", "%s:{x", "%s:{x}", "%s:{x}1h", "%s:subjects:people", "%s:rank:people:all:1h",
    "%s:rank:nps:people:1h", "%s:rank:nps:1h", "%s:rank:nps:all:soon", "%s:whatever", "%s:subjects:touchpointx",
    "%s:subjects:touchpoint|nothing", "%s:eu:{touchpoint:dead}:1h", "%sx:{touchpoint:dead}:1h", "x%s:{touchpoint:dead}:1h",
};

static void sweep_with(const char *prefix, const char *lookalike)
{
    f.options.prefix = prefix;
    f.options.rank_min_n = 1;
    stale_keys(prefix);
    stale_keys(lookalike);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        char key[256];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(key, sizeof key, foreign[i], prefix);
#pragma GCC diagnostic pop
        freeReplyObject(ask("SET %s kept", key));
    }
    /* Of the right types, so that only their names tell. */
    freeReplyObject(ask("SADD %s:subjects:team somebody", prefix));
    freeReplyObject(ask("ZADD %s:rank:team:all:1h 1 somebody", prefix));
    view_open(5);
    votes(300, 3);
    WAIT_SAID("stale keys in redis were looked for");
    publish_all();
    ck_assert_int_eq(number("SCARD %s:subjects:team", prefix) + number("ZCARD %s:rank:team:all:1h", prefix), 2);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        char key[256];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(key, sizeof key, foreign[i], prefix);
#pragma GCC diagnostic pop
        ck_assert_msg(number("EXISTS %s", key) == 1, "%s was removed", key);
    }
    ck_assert_int_eq(number("EXISTS %s:{touchpoint:dead}:1h %s:{touchpoint:t1}:7d %s:{touchpoint:t1}:7d:trend "
                            "%s:{touchpoint:dead}:1h:trend %s:subjects:feature|tier=gone %s:rank:ces:touchpoint:1h "
                            "%s:rank:nps:touchpoint|tier=a:b:7d",
                            prefix, prefix, prefix, prefix, prefix, prefix, prefix), 0);
    ck_assert_int_eq(number("SCARD %s:subjects:touchpoint", prefix), 300);
    ck_assert_int_eq(number("ZCARD %s:rank:nps:touchpoint:1h", prefix), 300);
    ck_assert_int_eq(number("EXISTS %s:{touchpoint:t1}:1h %s:{touchpoint:t1}:24h:trend", prefix, prefix), 2);
    /* The other prefix, which a careless pattern would match, is as it was. */
    ck_assert_int_eq(number("EXISTS %s:{touchpoint:dead}:1h %s:{touchpoint:t1}:7d %s:{touchpoint:t1}:7d:trend "
                            "%s:{touchpoint:dead}:1h:trend %s:subjects:feature|tier=gone %s:rank:ces:touchpoint:1h "
                            "%s:rank:nps:touchpoint|tier=a:b:7d",
                            lookalike, lookalike, lookalike, lookalike, lookalike, lookalike, lookalike), 7);
    ck_assert_ptr_nonnull(strstr(f.notes.text, "removed=11"));
}

START_TEST(test_sweep)
{
    sweep_with("cx", "cy");
    /* check_everything would count the foreign ones */
}
END_TEST

START_TEST(test_sweep_pattern)
{
    sweep_with("c*[a-z]?\\x\"{", "cx[a-z]yxx\"{");
}
END_TEST

/* Subjects that die while nobody writes, and a large set: the sweep after the return finds them. */
START_TEST(test_sweep_after_return)
{
    f.options.rank_min_n = 1;
    view_open(5);
    votes(3000, 3);
    publish_all();
    freeReplyObject(ask("CLIENT PAUSE 1"));
    server_kill(&f.server);
    loop_for(&f.loop, 50);
    server_start(&f.server, "");
    fixture_client();
    /* As a Redis that kept its data: all of the old, then the new. */
    redisContext *client = f.client;
    for (int i = 0; i < 3000; i++) {
        redisAppendCommand(client, "SADD cx:subjects:touchpoint touchpoint:t%d", i);
        redisAppendCommand(client, "ZADD cx:rank:nps:touchpoint:1h 1 touchpoint:t%d", i);
        redisAppendCommand(client, "HSET cx:{touchpoint:t%d}:1h nps 1", i);
    }
    for (int i = 0; i < 9000; i++) {
        redisReply *reply;
        ck_assert_int_eq(redisGetReply(client, (void **)&reply), REDIS_OK);
        freeReplyObject(reply);
    }
    advance(T0 + INT64_C(2) * 86400000);
    votes(10, 9);
    f.notes.text[f.notes.bytes = 0] = '\0';
    WAIT_SAID("stale keys in redis were looked for");
    publish_all();
    loop_for(&f.loop, 200);
    publish_all();
    check_everything();
}
END_TEST

/* The heartbeat of a view without data, before the first publish and after. */
START_TEST(test_quiet)
{
    view_open(5);
    ck_assert(loop_until(&f.loop, DEADLINE_MS, is_view_up, NULL));
    loop_for(&f.loop, 200);
    ck_assert_int_eq(number("DBSIZE"), 0); /* nothing before the application says so */
    publish_all();
    ck_assert_uint_eq(count_keys("*"), 3);
    freeReplyObject(ask("CONFIG RESETSTAT"));
    for (int round = 0; round < 10; round++) {
        publish();
        loop_for(&f.loop, 1);
        ck_assert(loop_until(&f.loop, DEADLINE_MS, settled, NULL));
    }
    ck_assert_int_eq(calls("eval"), 10);
}
END_TEST

START_TEST(test_close)
{
    for (int iterations = 0; iterations < 40; iterations++) {
        view_open(5 + iterations);
        votes(300, iterations);
        for (int i = 0; i < iterations; i++) {
            publish();
            uv_run(&f.loop, UV_RUN_NOWAIT);
        }
        view_close();
    }
}
END_TEST

/* Random changes, interruptions and time: in the end Redis holds what the engine holds. */
START_TEST(test_random)
{
    srand(7);
    f.options.rank_min_n = 2;
    view_open(5);
    static struct dl_event history[4096];
    int events = 0;
    for (int round = 0; round < 200; round++) {
        for (int i = rand() % 20; i > 0 && events < 4096; i--) {
            struct dl_event event = vote(rand() % 40, rand() % 11);
            if (rand() % 3 == 0)
                event.csat = (int8_t)(1 + rand() % 5);
            if (rand() % 3 == 0)
                event.segment[0] = dl_name_of(rand() % 2 ? "vip" : "basic");
            event.time_ms = f.now_ms - rand() % 5400000;
            apply_one(event);
            history[events++] = event;
        }
        if (events > 0 && rand() % 2) {
            struct dl_event back = history[rand() % events];
            back.sign = -1;
            apply_one(back); /* even twice: counts may go below zero */
        }
        if (rand() % 4 == 0)
            advance(f.now_ms + rand() % 600000);
        if (rand() % 3 == 0)
            publish();
        if (rand() % 40 == 0)
            freeReplyObject(ask("FLUSHALL"));
        if (rand() % 40 == 0)
            freeReplyObject(ask("CLIENT KILL TYPE normal SKIPME yes"));
        if (rand() % 40 == 0)
            ck_assert_int_eq(dl_view_reconfigure(f.view, &f.options), DL_OK);
        if (rand() % 40 == 0) {
            freeReplyObject(ask("CONFIG SET maxmemory 1"));
            publish();
            loop_for(&f.loop, 5);
            freeReplyObject(ask("CONFIG SET maxmemory 0"));
        }
        for (int i = rand() % 5; i > 0; i--)
            uv_run(&f.loop, UV_RUN_NOWAIT);
        if (round % 100 == 99) {
            publish_all();
            loop_for(&f.loop, 2500); /* refusals, retries, sweeps */
            for (int i = 0; i < 100; i++) {
                publish();
                loop_for(&f.loop, 20);
            }
            publish_all();
            check_everything();
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("view_faults");
    static const TTest *const *tests[] = {
        &test_flushall, &test_flushall_under_way, &test_flushall_in_republish, &test_killed, &test_stopped, &test_fenced, &test_fenced_after_flush, &test_leave,
        &test_owner_unreadable, &test_no_memory, &test_no_replicas, &test_no_replicas_at_start, &test_no_permission, &test_wrong_type, &test_sweep, &test_sweep_pattern,
        &test_sweep_after_return, &test_quiet, &test_close, &test_random,
    };
    TCase *all = tcase_create("view_faults");
    tcase_set_timeout(all, TIMEOUT_S);
    tcase_add_checked_fixture(all, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(all, *tests[i]);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
