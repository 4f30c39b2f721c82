#include "verify.h"

#include "candidates.h"
#include "compare.h"
#include "redis.h"
#include "util.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#define CHUNK_SUBJECTS 200
#define POLL_NS INT64_C(300000000)
#define SAID_TTY_NS INT64_C(1000000000)
#define SAID_LOG_NS INT64_C(5000000000)
#define FOUND_MAX 160

enum { LIVE_MAYBE = 1, LIVE_SURELY = 2, IN_SET = 4 };

struct known_subject { /* by name */
    const char *name;
    size_t index;
    UT_hash_handle hh;
};

/* One reading of Redis from beginning to end. */
struct pass {
    const struct ld_verify *verify;
    redisContext *redis;
    struct ld_differences *differences;
    size_t subject_count;
    uint8_t *live;
    struct known_subject *subjects;
    struct known_subject *by_name;
    int64_t hashes;
};

static bool is_broken(struct pass *pass, const redisReply *reply)
{
    if (reply != NULL)
        return false;
    ld_difference(pass->differences, "redis: %s", pass->redis->errstr);
    return true;
}

/* ---- one subject in one window ---- */

struct answers { /* as Redis gave them; NULL: not asked */
    redisReply *hash;
    redisReply *trend;
    redisReply *ranks[LD_MEASURES_MAX];
};

static void answers_deinit(struct answers *answers)
{
    freeReplyObject(answers->hash);
    freeReplyObject(answers->trend);
    for (size_t i = 0; i < LD_MEASURES_MAX; i++)
        freeReplyObject(answers->ranks[i]);
    memset(answers, 0, sizeof *answers);
}

static bool is_asked_for(const struct ld_verify *verify, size_t index)
{
    enum ld_kind kind = ld_recount_subject(verify->recount, index)->kind;
    return !verify->is_basic || kind == LD_KIND_TOUCHPOINT || kind == LD_KIND_STAGE;
}

static size_t rank_count(const struct ld_verify *verify)
{
    return verify->is_basic ? 0 : verify->settings->rank_measure_count;
}

static bool send_questions(struct pass *pass, size_t index, const struct ld_window *window)
{
    const struct ld_settings *settings = pass->verify->settings;
    const struct ld_subject *subject = ld_recount_subject(pass->verify->recount, index);
    char *key = ld_format("%s:{%s}:%s", settings->prefix, subject->name, window->name);
    char *trend = ld_format("%s:trend", key);
    bool is_sent = ld_redis_send(pass->redis, 2, (const char *[]){"HGETALL", key});
    if (pass->verify->has_trends)
        is_sent = is_sent && ld_redis_send(pass->redis, 2, (const char *[]){"GET", trend});
    for (size_t i = 0; i < rank_count(pass->verify); i++) {
        char *rank = ld_format("%s:rank:%s:%s:%s", settings->prefix, ld_measure_name(settings->rank_measures[i]),
                               subject->group, window->name);
        is_sent = is_sent && ld_redis_send(pass->redis, 3, (const char *[]){"ZSCORE", rank, subject->name});
        free(rank);
    }
    free(key);
    free(trend);
    return is_sent;
}

static bool receive_answers(struct pass *pass, struct answers *answers)
{
    answers->hash = ld_redis_receive(pass->redis);
    if (is_broken(pass, answers->hash))
        return false;
    if (pass->verify->has_trends) {
        answers->trend = ld_redis_receive(pass->redis);
        if (is_broken(pass, answers->trend))
            return false;
    }
    for (size_t i = 0; i < rank_count(pass->verify); i++) {
        answers->ranks[i] = ld_redis_receive(pass->redis);
        if (is_broken(pass, answers->ranks[i]))
            return false;
    }
    return true;
}

static const char *text_of(const redisReply *reply)
{
    return reply != NULL && reply->type == REDIS_REPLY_STRING ? reply->str : NULL;
}

static bool is_reply_error(const struct ld_compare *compare, const redisReply *reply,
                           struct ld_differences *differences)
{
    if (reply == NULL || reply->type != REDIS_REPLY_ERROR)
        return false;
    ld_difference(differences, "%s: %s", compare->label, reply->str);
    return true;
}

/* Whether the answers are those of one state. */
static bool is_same(const struct ld_verify *verify, const struct ld_compare *compare, const struct answers *answers,
                    const struct ld_tally *tally, const int64_t (*panes)[LD_COUNTERS],
                    struct ld_differences *differences)
{
    struct ld_found found[FOUND_MAX];
    size_t count = 0;
    if (is_reply_error(compare, answers->hash, differences))
        return false;
    for (size_t i = 0; i + 1 < answers->hash->elements && count < FOUND_MAX; i += 2)
        found[count++] = (struct ld_found){answers->hash->element[i]->str, answers->hash->element[i + 1]->str};
    bool is_equal = ld_compare_hash(compare, tally, found, count, differences);
    if (verify->has_trends && !is_reply_error(compare, answers->trend, differences))
        is_equal = ld_compare_trend(compare, tally, panes, text_of(answers->trend), differences) && is_equal;
    for (size_t i = 0; i < rank_count(verify); i++)
        is_equal = ld_compare_rank(compare, verify->settings->rank_measures[i], tally, text_of(answers->ranks[i]),
                                   differences) && is_equal;
    return is_equal;
}

struct scratch { /* one subject's state, reused */
    struct ld_tally tally;
    int64_t panes[LD_PANES][LD_COUNTERS];
};

static bool check_state(struct pass *pass, struct ld_compare *compare, const struct ld_snapshot *snapshot,
                        size_t index, const struct answers *answers, struct scratch *scratch,
                        struct ld_differences *differences)
{
    ld_snapshot_subject(snapshot, index, &scratch->tally, pass->verify->has_trends ? scratch->panes : NULL);
    compare->clock_ms = ld_snapshot_clock_ms(snapshot);
    return is_same(pass->verify, compare, answers, &scratch->tally,
                   (const int64_t(*)[LD_COUNTERS])scratch->panes, differences);
}

/* With a wall clock any state of the time of reading will do; when none fits, the newest says the differences. */
static void check_subject(struct pass *pass, const struct ld_candidates *candidates, const struct ld_window *window,
                          size_t index, const struct answers *answers, int64_t as_of_max_ms, struct scratch *scratch)
{
    const struct ld_verify *verify = pass->verify;
    const struct ld_subject *subject = ld_recount_subject(verify->recount, index);
    char *label = ld_format("%s:{%s}:%s", verify->settings->prefix, subject->name, window->name);
    struct ld_compare compare = {.settings = verify->settings,
                                 .window = window,
                                 .label = label,
                                 .is_feature = subject->kind == LD_KIND_FEATURE,
                                 .is_basic = verify->is_basic,
                                 .needs_as_of = !verify->is_basic,
                                 .as_of_max_ms = as_of_max_ms};
    bool is_equal = false;
    bool is_always_live = true;
    for (size_t i = candidates->count; i-- > 0;) {
        if (is_equal)
            ld_snapshot_subject(candidates->snapshots[i], index, &scratch->tally, NULL);
        else
            is_equal = check_state(pass, &compare, candidates->snapshots[i], index, answers, scratch, NULL);
        if (ld_tally_is_zero(&scratch->tally))
            is_always_live = false;
        else
            pass->live[index] |= LIVE_MAYBE;
    }
    if (is_always_live)
        pass->live[index] |= LIVE_SURELY;
    if (!is_equal)
        check_state(pass, &compare, candidates->snapshots[candidates->count - 1], index, answers, scratch,
                    pass->differences);
    pass->hashes++;
    free(label);
}

static bool check_chunk(struct pass *pass, struct ld_candidates *candidates, const struct ld_window *window,
                        size_t first, size_t count, struct scratch *scratch)
{
    const struct ld_verify *verify = pass->verify;
    struct answers answers[CHUNK_SUBJECTS] = {0};
    int64_t newest_ms = ld_recount_newest_ms(verify->recount);
    int64_t from_ms = ld_wall_ms() - verify->slack_ms;
    bool is_good = true;
    for (size_t i = 0; is_good && i < count; i++) {
        if (!is_asked_for(verify, first + i))
            continue;
        is_good = send_questions(pass, first + i, window);
        if (!is_good)
            ld_difference(pass->differences, "redis: %s", pass->redis->errstr);
    }
    for (size_t i = 0; is_good && i < count; i++)
        is_good = !is_asked_for(verify, first + i) || receive_answers(pass, &answers[i]);
    int64_t to_ms = ld_wall_ms();
    if (verify->settings->clock == LD_CLOCK_EVENT)
        from_ms = to_ms = newest_ms;
    ld_candidates_cover(candidates, from_ms, to_ms);
    for (size_t i = 0; is_good && i < count; i++) {
        if (is_asked_for(verify, first + i))
            check_subject(pass, candidates, window, first + i, &answers[i], to_ms, scratch);
    }
    for (size_t i = 0; i < count; i++)
        answers_deinit(&answers[i]);
    return is_good;
}

static bool is_full(const struct pass *pass)
{
    return pass->differences->kept == pass->differences->limit;
}

static bool check_window(struct pass *pass, size_t index)
{
    const struct ld_window *window = &pass->verify->settings->windows[index];
    struct ld_candidates candidates;
    struct scratch *scratch = ld_alloc(1, sizeof *scratch);
    bool is_good = true;
    ld_candidates_init(&candidates, pass->verify->recount, index, window->ms / LD_PANES, pass->verify->has_trends);
    for (size_t first = 0; is_good && !is_full(pass) && first < pass->subject_count; first += CHUNK_SUBJECTS) {
        size_t count = pass->subject_count - first;
        is_good = check_chunk(pass, &candidates, window, first, count < CHUNK_SUBJECTS ? count : CHUNK_SUBJECTS,
                              scratch);
    }
    ld_candidates_deinit(&candidates);
    ld_tally_deinit(&scratch->tally);
    free(scratch);
    return is_good;
}

/* ---- keys that should not be there, sets and the members of ranks ---- */

static const struct known_subject *find_subject(const struct pass *pass, const char *name, size_t length)
{
    struct known_subject *known;
    HASH_FIND(hh, pass->by_name, name, length, known);
    return known;
}

/* {SUBJECT}:WINDOW or {SUBJECT}:WINDOW:trend. Whether it should exist is asked subject by subject; here only whether it
 * is one of those that are asked for. */
static bool is_subject_key(const struct pass *pass, const char *rest)
{
    const char *end = strstr(rest, "}:");
    if (end == NULL || find_subject(pass, rest + 1, (size_t)(end - rest - 1)) == NULL)
        return false;
    const struct ld_settings *settings = pass->verify->settings;
    for (size_t i = 0; i < settings->window_count; i++) {
        size_t length = strlen(settings->windows[i].name);
        if (strncmp(end + 2, settings->windows[i].name, length) != 0)
            continue;
        if (end[2 + length] == '\0' || strcmp(end + 2 + length, ":trend") == 0)
            return true;
    }
    return false;
}

static bool check_members(struct pass *pass, const char *key, const char *group, size_t group_length, bool is_set)
{
    redisReply *reply = is_set ? ld_redis_ask(pass->redis, 2, (const char *[]){"SMEMBERS", key})
                               : ld_redis_ask(pass->redis, 4, (const char *[]){"ZRANGE", key, "0", "-1"});
    if (is_broken(pass, reply))
        return false;
    if (reply->type == REDIS_REPLY_ERROR)
        ld_difference(pass->differences, "%s: %s", key, reply->str);
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        const redisReply *member = reply->element[i];
        const struct known_subject *known = find_subject(pass, member->str, (size_t)member->len);
        const char *right = known == NULL ? NULL : ld_recount_subject(pass->verify->recount, known->index)->group;
        if (right == NULL || strlen(right) != group_length || memcmp(right, group, group_length) != 0)
            ld_difference(pass->differences, "%s: expected no member %s", key, member->str);
        else if (is_set)
            pass->live[known->index] |= IN_SET;
    }
    freeReplyObject(reply);
    return true;
}

/* rank:MEASURE:GROUP:WINDOW; a group may hold colons. */
static bool check_rank(struct pass *pass, const char *key, const char *rest)
{
    const struct ld_settings *settings = pass->verify->settings;
    const char *group = strchr(rest, ':');
    const char *window = strrchr(rest, ':');
    bool is_known = false;
    if (group != NULL && window > group) {
        char *name = ld_copy_bytes(rest, (size_t)(group - rest));
        int measure = ld_measure_find(name);
        free(name);
        for (size_t i = 0; i < settings->rank_measure_count; i++)
            is_known = is_known || settings->rank_measures[i] == measure;
        bool has_window = false;
        for (size_t i = 0; i < settings->window_count; i++)
            has_window = has_window || strcmp(settings->windows[i].name, window + 1) == 0;
        is_known = is_known && has_window;
    }
    if (!is_known) {
        ld_difference(pass->differences, "%s: expected no such key", key);
        return true;
    }
    return check_members(pass, key, group + 1, (size_t)(window - group - 1), false);
}

static bool check_key(struct pass *pass, const char *key)
{
    const char *rest = key + strlen(pass->verify->settings->prefix) + 1;
    if (strncmp(rest, "subjects:", 9) == 0)
        return check_members(pass, key, rest + 9, strlen(rest + 9), true);
    if (strncmp(rest, "rank:", 5) == 0)
        return check_rank(pass, key, rest + 5);
    if (strcmp(rest, "meta") == 0 || strcmp(rest, "owner") == 0 || strncmp(rest, "instance:", 9) == 0)
        return true;
    if (rest[0] != '{' || !is_subject_key(pass, rest))
        ld_difference(pass->differences, "%s: expected no such key", key);
    return true;
}

/* The prefix is taken literally, whatever glob characters it holds. */
static char *scan_pattern(const char *prefix)
{
    char *pattern = ld_alloc(strlen(prefix) * 2 + 3, 1);
    char *at = pattern;
    for (const char *in = prefix; *in != '\0'; in++) {
        if (strchr("*?[]\\^-", *in) != NULL)
            *at++ = '\\';
        *at++ = *in;
    }
    stpcpy(at, ":*");
    return pattern;
}

static bool check_keys(struct pass *pass)
{
    char *pattern = scan_pattern(pass->verify->settings->prefix);
    char cursor[32] = "0";
    bool is_good = true;
    do {
        redisReply *reply =
            ld_redis_ask(pass->redis, 6, (const char *[]){"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"});
        if (is_broken(pass, reply)) {
            is_good = false;
            break;
        }
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
            ld_difference(pass->differences, "redis: SCAN: %s", reply->str != NULL ? reply->str : "no cursor");
            is_good = false;
        } else {
            snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
            for (size_t i = 0; is_good && !is_full(pass) && i < reply->element[1]->elements; i++)
                is_good = check_key(pass, reply->element[1]->element[i]->str);
        }
        freeReplyObject(reply);
    } while (is_good && !is_full(pass) && strcmp(cursor, "0") != 0);
    free(pattern);
    return is_good;
}

static void check_sets(struct pass *pass)
{
    for (size_t i = 0; i < pass->subject_count && !is_full(pass); i++) {
        const struct ld_subject *subject = ld_recount_subject(pass->verify->recount, i);
        if ((pass->live[i] & LIVE_SURELY) != 0 && (pass->live[i] & IN_SET) == 0)
            ld_difference(pass->differences, "%s:subjects:%s: expected member %s", pass->verify->settings->prefix,
                          subject->group, subject->name);
        if ((pass->live[i] & LIVE_MAYBE) == 0 && (pass->live[i] & IN_SET) != 0)
            ld_difference(pass->differences, "%s:subjects:%s: expected no member %s", pass->verify->settings->prefix,
                          subject->group, subject->name);
    }
}

/* ---- passes until equal ---- */

static void pass_init(struct pass *pass, const struct ld_verify *verify, redisContext *redis)
{
    *pass = (struct pass){.verify = verify, .redis = redis, .differences = verify->differences};
    pass->subject_count = ld_recount_subject_count(verify->recount);
    pass->live = ld_alloc(pass->subject_count, 1);
    pass->subjects = ld_alloc(pass->subject_count, sizeof *pass->subjects);
    for (size_t i = 0; i < pass->subject_count; i++) {
        struct known_subject *known = &pass->subjects[i];
        known->name = ld_recount_subject(verify->recount, i)->name;
        known->index = i;
        HASH_ADD_KEYPTR(hh, pass->by_name, known->name, strlen(known->name), known);
    }
}

static void pass_deinit(struct pass *pass)
{
    HASH_CLEAR(hh, pass->by_name);
    free(pass->subjects);
    free(pass->live);
}

/* True when the whole of Redis was read; it is equal when no difference was noted. */
static bool run_pass(const struct ld_verify *verify, redisContext *redis, int64_t *hashes)
{
    struct pass pass;
    bool is_good = true;
    pass_init(&pass, verify, redis);
    for (size_t i = 0; is_good && !is_full(&pass) && i < verify->settings->window_count; i++)
        is_good = check_window(&pass, i);
    if (is_good && !is_full(&pass) && !verify->is_basic)
        is_good = check_keys(&pass);
    if (is_good && !is_full(&pass) && !verify->is_basic)
        check_sets(&pass);
    *hashes = pass.hashes;
    pass_deinit(&pass);
    return is_good;
}

static void say_progress(const struct ld_verify *verify, int64_t hashes, int64_t left_ns)
{
    const char *first = verify->differences->kept > 0 ? verify->differences->lines[0] : "";
    bool is_terminal = isatty(STDERR_FILENO);
    fprintf(stderr, "%sdelight-load: verify: %" PRId64 " hashes read, %" PRIu64 "%s differences, %" PRId64
                    " s left; first: %.120s%s",
            is_terminal ? "\r\033[K" : "", hashes, verify->differences->count,
            verify->differences->kept == verify->differences->limit ? " or more" : "", left_ns / 1000000000, first,
            is_terminal ? "" : "\n");
    fflush(stderr);
    ld_progress_open(is_terminal);
}

bool ld_verify_redis(const struct ld_verify *verify)
{
    int64_t deadline_ns = ld_monotonic_ns() + verify->timeout_ms * 1000000;
    int64_t said_ns = 0;
    redisContext *redis = NULL;
    for (;;) {
        char why[256] = "";
        int64_t hashes = 0;
        ld_differences_clear(verify->differences);
        if (redis == NULL && (redis = ld_redis_open(verify->settings, why, sizeof why)) == NULL)
            ld_difference(verify->differences, "redis: %s", why);
        if (redis != NULL && !run_pass(verify, redis, &hashes)) {
            redisFree(redis);
            redis = NULL;
        }
        int64_t now_ns = ld_monotonic_ns();
        bool is_equal = verify->differences->count == 0;
        if (is_equal || now_ns >= deadline_ns || ld_stop) {
            ld_progress_open(is_equal ? 0 : isatty(STDERR_FILENO));
            if (is_equal)
                ld_say("verify: equal: %" PRId64 " hashes of %zu subjects in %zu windows", hashes,
                       ld_recount_subject_count(verify->recount), verify->settings->window_count);
            if (redis != NULL)
                redisFree(redis);
            return is_equal;
        }
        if (now_ns - said_ns > (isatty(STDERR_FILENO) ? SAID_TTY_NS : SAID_LOG_NS)) {
            say_progress(verify, hashes, deadline_ns - now_ns);
            said_ns = now_ns;
        }
        ld_sleep_until(now_ns + POLL_NS);
    }
}
