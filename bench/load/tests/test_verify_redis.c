/* The verifier against a real Redis: what was published as it should be is equal, and every kind of damage is found. */
#include "run_suite.h"

#include "fixture.h"
#include "redis.h"
#include "score.h"
#include "util.h"
#include "verify.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGES 800

static struct fixture fixture;
static struct ld_differences differences;
static struct ld_verify verify;
static redisContext *redis;
static char folder[] = "/tmp/delight-load-redis-XXXXXX";
static pid_t server;

static size_t asked;

static void settle(void)
{
    for (; asked > 0; asked--) {
        redisReply *reply = ld_redis_receive(redis);
        ck_assert_msg(reply != NULL && reply->type != REDIS_REPLY_ERROR, "%s",
                      reply != NULL ? reply->str : redis->errstr);
        freeReplyObject(reply);
    }
}

static void ask(size_t count, const char **arguments)
{
    ck_assert(ld_redis_send(redis, count, arguments));
    if (++asked == 1000)
        settle();
}
#define ASK(...)                                                       \
    do {                                                               \
        const char *arguments[] = {__VA_ARGS__};                       \
        ask(LD_COUNT(arguments), arguments);                           \
    } while (0)

static void start_redis(void)
{
    char why[256] = "";
    char *url;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    server = fork();
    ck_assert_int_ge(server, 0);
    if (server == 0) {
        /* A test that crashes must not leave its server behind. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (chdir(folder) != 0 || freopen("/dev/null", "w", stdout) == NULL)
            _exit(1);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", "redis.sock", "--save", "", "--appendonly",
               "no", (char *)NULL);
        _exit(127);
    }
    url = ld_format("unix://%s/redis.sock?db=2", folder);
    ld_settings_put(&fixture.settings.redis_url, url);
    free(url);
    int64_t deadline_ns = ld_monotonic_ns() + INT64_C(20000000000);
    while ((redis = ld_redis_open(&fixture.settings, why, sizeof why)) == NULL) {
        ck_assert_msg(ld_monotonic_ns() < deadline_ns, "redis-server: %s", why);
        ld_sleep_until(ld_monotonic_ns() + 20000000);
    }
}

static void stop_redis(void)
{
    char *socket_path = ld_format("%s/redis.sock", folder);
    redisFree(redis);
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    unlink(socket_path);
    rmdir(folder);
    free(socket_path);
}

/* ---- publishing as the daemon should ---- */

static void publish_trend(const char *key, const struct ld_window *window, int64_t (*panes)[LD_COUNTERS], int64_t clock)
{
    const struct ld_settings *settings = &fixture.settings;
    char *text = ld_alloc(1, 65536);
    char *at = text;
    int64_t pane_ms = window->ms / LD_PANES;
    at += sprintf(at, "{\"window_ms\":%" PRId64 ",\"pane_ms\":%" PRId64 ",\"start\":[", window->ms, pane_ms);
    for (int i = 0; i < LD_PANES; i++)
        at += sprintf(at, "%s%" PRId64, i > 0 ? "," : "", (clock / pane_ms - LD_PANES + 1 + i) * pane_ms);
    at += sprintf(at, "]");
    for (size_t m = 0; m < settings->trend_measure_count; m++) {
        int64_t n;
        at += sprintf(at, ",\"%s\":{\"value\":[", ld_measure_name(settings->trend_measures[m]));
        for (int i = 0; i < LD_PANES; i++) {
            double value = ld_measure_value(settings->trend_measures[m], panes[i], settings, &n);
            at += isnan(value) ? sprintf(at, "%snull", i > 0 ? "," : "")
                               : sprintf(at, "%s%.4f", i > 0 ? "," : "", value);
        }
        at += sprintf(at, "],\"n\":[");
        for (int i = 0; i < LD_PANES; i++) {
            (void)ld_measure_value(settings->trend_measures[m], panes[i], settings, &n);
            at += sprintf(at, "%s%" PRId64, i > 0 ? "," : "", n);
        }
        at += sprintf(at, "]}");
    }
    sprintf(at, "}");
    ASK("SET", key, text);
    free(text);
}

static void publish_subject(const struct ld_subject *subject, const struct ld_window *window,
                            const struct ld_tally *tally, int64_t (*panes)[LD_COUNTERS], int64_t clock)
{
    const struct ld_settings *settings = &fixture.settings;
    struct ld_field fields[LD_FIELDS_MAX];
    char *key = ld_format("cx:{%s}:%s", subject->name, window->name);
    char *trend = ld_format("%s:trend", key);
    char *set = ld_format("cx:subjects:%s", subject->group);
    char number[32];
    size_t count = ld_score_fields(tally, settings, subject->kind == LD_KIND_FEATURE, fields);
    for (size_t i = 0; i < count; i++) {
        char text[LD_FIELD_TEXT_MAX];
        ld_field_print(&fields[i], text);
        ASK("HSET", key, fields[i].name, text);
    }
    snprintf(number, sizeof number, "%" PRId64, clock);
    ASK("HSET", key, "as_of", number);
    snprintf(number, sizeof number, "%" PRId64, window->ms);
    ASK("HSET", key, "window_ms", number);
    ASK("SADD", set, subject->name);
    publish_trend(trend, window, panes, clock);
    for (size_t i = 0; i < settings->rank_measure_count; i++) {
        int64_t n;
        double value = ld_measure_of_tally(settings->rank_measures[i], tally, settings, &n);
        char *rank = ld_format("cx:rank:%s:%s:%s", ld_measure_name(settings->rank_measures[i]), subject->group,
                               window->name);
        snprintf(number, sizeof number, "%.4f", value);
        if (!isnan(value) && n >= settings->rank_min_n)
            ASK("ZADD", rank, number, subject->name);
        free(rank);
    }
    free(key);
    free(trend);
    free(set);
}

static void publish(int64_t clock)
{
    static int64_t panes[LD_PANES][LD_COUNTERS];
    struct ld_tally tally = {0};
    ASK("FLUSHDB");
    ASK("SET", "cx:owner", "1");
    ASK("HSET", "cx:meta", "version", "1");
    ASK("HSET", "cx:instance:a", "version", "1");
    ASK("SET", "other:key", "not ours");
    for (size_t w = 0; w < fixture.settings.window_count; w++) {
        struct ld_snapshot *snapshot = ld_snapshot_create(fixture.recount, w, clock, true);
        for (size_t i = 0; i < ld_recount_subject_count(fixture.recount); i++) {
            ld_snapshot_subject(snapshot, i, &tally, panes);
            if (!ld_tally_is_zero(&tally))
                publish_subject(ld_recount_subject(fixture.recount, i), &fixture.settings.windows[w], &tally, panes,
                                clock);
        }
        ld_snapshot_destroy(snapshot);
    }
    ld_tally_deinit(&tally);
    settle();
}

static bool is_equal(void)
{
    settle();
    return ld_verify_redis(&verify);
}

static void begin(enum ld_clock clock)
{
    static const char *const windows[] = {"5m", "1h", "24h"};
    static struct ld_message message;
    fixture_defaults(&fixture);
    fixture.world_options.touchpoints = 6;
    fixture.world_options.journeys = 2;
    fixture.world_options.features = 3;
    fixture.settings.clock = clock;
    fixture.settings.privacy_min_n = 3;
    if (clock == LD_CLOCK_WALL)
        fixture.traffic.start_ms = ld_wall_ms() - fixture.traffic.span_ms;
    fixture_start(&fixture, windows, LD_COUNT(windows));
    start_redis();
    for (uint64_t i = 0; i < MESSAGES; i++) {
        ld_generator_next(fixture.generator, fixture_moment(&fixture, i, MESSAGES), true, &message);
        if (message.reason == LD_ACCEPTED)
            ld_recount_add(fixture.recount, message.event, LD_NO_REPEAT);
    }
    ld_differences_init(&differences, 5);
    verify = (struct ld_verify){.settings = &fixture.settings, .recount = fixture.recount, .differences = &differences,
                                .slack_ms = 2000, .has_trends = true};
}

static void end(void)
{
    stop_redis();
    ld_differences_deinit(&differences);
    fixture_stop(&fixture);
}

#define WORDS(...) {__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)

/* Commands that damage what was published, and the ones that mend it; none: everything is published again. */
static const struct damage {
    const char *done[4];
    size_t done_count;
    const char *undone[4];
    size_t undone_count;
} damages[] = {
    {WORDS("HSET", "cx:{all}:24h", "surprise", "1"), WORDS("HDEL", "cx:{all}:24h", "surprise")},
    {WORDS("HSET", "cx:{touchpoint:nowhere}:1h", "events", "1"), WORDS("DEL", "cx:{touchpoint:nowhere}:1h")},
    {WORDS("HSET", "cx:{all}:2h", "events", "1"), WORDS("DEL", "cx:{all}:2h")},
    {WORDS("SREM", "cx:subjects:all", "all"), WORDS("SADD", "cx:subjects:all", "all")},
    {WORDS("SADD", "cx:subjects:all", "touchpoint:nowhere"), WORDS("SREM", "cx:subjects:all", "touchpoint:nowhere")},
    {WORDS("SADD", "cx:subjects:stage", "all"), WORDS("SREM", "cx:subjects:stage", "all")}, /* another kind */
    {WORDS("ZADD", "cx:rank:joy:all:24h", "99", "all"), WORDS("DEL", "cx:rank:joy:all:24h")},
    {WORDS("ZADD", "cx:rank:nps:all:24h", "99", "all:x"), WORDS("ZREM", "cx:rank:nps:all:24h", "all:x")},
    {WORDS("SET", "cx:whatever", "1"), WORDS("DEL", "cx:whatever")},
    {WORDS("HDEL", "cx:{all}:5m", "events"), {NULL}, 0},
    {WORDS("DEL", "cx:{all|tier=vip}:1h"), {NULL}, 0},
    {WORDS("ZADD", "cx:rank:nps:all:24h", "99", "all"), {NULL}, 0},
    {WORDS("DEL", "cx:{all}:24h:trend"), {NULL}, 0},
    {WORDS("SET", "cx:{all}:1h", "no hash"), {NULL}, 0},
    {WORDS("ZREM", "cx:rank:nps:all:24h", "all"), {NULL}, 0},
};

START_TEST(event_clock_and_damage)
{
    begin(LD_CLOCK_EVENT);
    int64_t clock = ld_recount_newest_ms(fixture.recount);
    ck_assert(!is_equal()); /* nothing there yet */
    publish(clock);
    ck_assert(is_equal());
    ASK("HSET", "cx:{all}:1h", "promoters", "1");
    ck_assert(!is_equal());
    ck_assert_ptr_nonnull(strstr(differences.lines[0], "cx:{all}:1h: promoters: expected "));
    publish(clock);
    for (size_t i = 0; i < LD_COUNT(damages); i++) {
        const struct damage *damage = &damages[i];
        ask(damage->done_count, (const char **)(uintptr_t)damage->done);
        ck_assert_msg(!is_equal(), "not found: %s %s %s", damage->done[0], damage->done[1], damage->done[2]);
        if (damage->undone_count > 0)
            ask(damage->undone_count, (const char **)(uintptr_t)damage->undone);
        else
            publish(clock);
    }
    publish(clock - 30000); /* a state of an earlier clock */
    ck_assert(!is_equal());
    publish(clock);
    ck_assert(is_equal());
    end();
}
END_TEST

/* What bench's peers publish: of touchpoints and stages some fields, nothing else. */
START_TEST(basic_looks_at_nps_csat_and_events)
{
    static const struct damage fatal[] = {
        {WORDS("HSET", "%s", "events", "1"), {NULL}, 0},     {WORDS("HSET", "%s", "nps", "1"), {NULL}, 0},
        {WORDS("HSET", "%s", "csat_mean", "1"), {NULL}, 0},  {WORDS("HDEL", "%s", "passives"), {NULL}, 0},
        {WORDS("DEL", "%s"), {NULL}, 0},
    };
    begin(LD_CLOCK_EVENT);
    int64_t clock = ld_recount_newest_ms(fixture.recount);
    char *keys[2] = {NULL, NULL};
    for (size_t i = 0; i < ld_recount_subject_count(fixture.recount); i++) {
        const struct ld_subject *subject = ld_recount_subject(fixture.recount, i);
        if (strchr(subject->name, '|') == NULL && subject->kind >= LD_KIND_STAGE && subject->kind <= LD_KIND_TOUCHPOINT) {
            free(keys[subject->kind - LD_KIND_STAGE]);
            keys[subject->kind - LD_KIND_STAGE] = ld_format("cx:{%s}:24h", subject->name);
        }
    }
    publish(clock);
    ASK("DEL", "cx:{all}:24h", "cx:{all}:24h:trend", "cx:subjects:all", "cx:rank:nps:all:24h");
    ASK("HDEL", keys[1], "as_of", "nps_low", "contacts");
    ASK("HSET", keys[1], "surprise", "1");
    ck_assert(!is_equal());
    verify.is_basic = true;
    verify.has_trends = false;
    ck_assert(is_equal());
    for (size_t i = 0; i < LD_COUNT(fatal) * LD_COUNT(keys); i++) {
        const struct damage *damage = &fatal[i / LD_COUNT(keys)];
        const char *words[4];
        memcpy(words, damage->done, sizeof words);
        words[1] = keys[i % LD_COUNT(keys)];
        ask(damage->done_count, words);
        ck_assert_msg(!is_equal(), "not found: %s %s %s", words[0], words[1], words[2]);
        publish(clock);
        ck_assert(is_equal());
    }
    free(keys[0]);
    free(keys[1]);
    end();
}
END_TEST

START_TEST(wall_clock_moves_on_meanwhile)
{
    begin(LD_CLOCK_WALL);
    verify.slack_ms = 30000; /* publishing takes a moment */
    publish(ld_wall_ms());
    ck_assert(is_equal());
    ASK("HSET", "cx:{all}:1h", "events", "1");
    ck_assert(!is_equal());
    publish(ld_wall_ms() - 600000); /* older than the slack */
    ck_assert(!is_equal());
    end();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {event_clock_and_damage, basic_looks_at_nps_csat_and_events, wall_clock_moves_on_meanwhile};
    return run_suite("verify_redis", tests, LD_COUNT(tests));
}
