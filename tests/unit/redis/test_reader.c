/* What a reader makes of what stands in a real Redis. */
#include "harness.h"

#include <reader.h>

static struct fixture {
    struct server server;
    uv_loop_t loop;
    struct notes notes;
    struct dl_reader *reader;
    bool up, settled, whole;
    int downs;
} f;

static void on_up(void *context)
{
    (void)context;
    f.up = true;
}

static void on_down(void *context)
{
    (void)context;
    f.up = false;
    f.downs++;
}

static void on_settled(void *context, bool whole)
{
    (void)context;
    f.settled = true;
    f.whole = whole;
}

static void setup(void)
{
    char url[128];
    memset(&f, 0, sizeof f);
    server_init(&f.server);
    server_start(&f.server, NULL);
    notes_init(&f.notes);
    snprintf(url, sizeof url, "unix://%s", f.server.socket);
    const struct dl_reader_options options = {.redis = {.url = url,
                                                        .connect_timeout_ms = 5000,
                                                        .reply_timeout_ms = 30000,
                                                        .buffer_bytes_max = 1 << 20,
                                                        .notes = &f.notes.sink},
                                              .prefix = "p"};
    const struct dl_reader_callbacks callbacks = {on_up, on_down, on_settled, NULL};
    uv_loop_init(&f.loop);
    ck_assert_int_eq(dl_reader_open(&f.reader, &f.loop, &options, &callbacks), DL_OK);
    ck_assert(loop_until(&f.loop, DEADLINE_MS, is_true, &f.up));
}

static void teardown(void)
{
    dl_reader_close(f.reader);
    ck_assert_int_eq(uv_run(&f.loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&f.loop), 0); /* EBUSY: a handle was left */
    server_remove(&f.server);
}

/* Commands as redis-cli takes them; no blanks inside arguments. */
static void command(const char *format, ...)
{
    redisContext *client = server_client(&f.server);
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(client, format, arguments);
    va_end(arguments);
    ck_assert_msg(reply && reply->type != REDIS_REPLY_ERROR, "%s", reply ? reply->str : "no answer");
    freeReplyObject(reply);
    redisFree(client);
}

static void settle(bool whole)
{
    ck_assert(loop_until(&f.loop, DEADLINE_MS, is_true, &f.settled));
    ck_assert(f.whole == whole);
    ck_assert(dl_reader_idle(f.reader));
    f.settled = false;
}

START_TEST(scores_are_values)
{
    static const int fields[] = {DL_FIELD_events, DL_FIELD_nps, DL_FIELD_kano_category, DL_FIELD_csat, DL_FIELD_ces};
    struct dl_reader_scores scores[2];
    struct dl_reader_meta meta[2];
    memset(scores, 0xff, sizeof scores);
    command("HSET p:{touchpoint:t|tier=vip}:1h events 3 nps -33.3333 kano_category must_be csat a.b nps_n 3");
    ck_assert_int_eq(dl_reader_scores(f.reader, "touchpoint:t|tier=vip", "1h", fields, 5, &scores[0]), DL_OK);
    ck_assert_int_eq(dl_reader_scores(f.reader, "touchpoint:t", "1h", fields, 5, &scores[1]), DL_OK);
    ck_assert_int_eq(dl_reader_meta(f.reader, &meta[0]), DL_OK);
    settle(true);
    ck_assert(scores[0].there && !scores[1].there && !meta[0].there);
    ck_assert_int_eq(scores[0].scores.value[DL_FIELD_events].integer, 3);
    ck_assert_double_eq(scores[0].scores.value[DL_FIELD_nps].fraction, -33.3333);
    ck_assert_str_eq(scores[0].scores.value[DL_FIELD_kano_category].word, "must_be");
    ck_assert_int_eq(scores[0].scores.value[DL_FIELD_csat].kind, DL_VALUE_NONE); /* nobody knows what that is */
    ck_assert_int_eq(scores[0].scores.value[DL_FIELD_ces].kind, DL_VALUE_NONE);
    ck_assert_int_eq(scores[0].scores.value[DL_FIELD_nps_n].kind, DL_VALUE_NONE); /* not asked for */

    command("HSET p:meta version 1 as_of 1700000000000 min_n 30");
    ck_assert_int_eq(dl_reader_meta(f.reader, &meta[1]), DL_OK);
    settle(true);
    ck_assert(meta[1].there && meta[1].as_of_ms == 1700000000000 && meta[1].min_n == 30);
}
END_TEST

START_TEST(a_key_is_whole_however_long_its_subject_is)
{
    static const int field = DL_FIELD_events;
    char subject[1600];
    struct dl_reader_scores scores[2];
    memset(subject, 'x', sizeof subject);
    subject[sizeof subject - 1] = '\0';
    command("HSET p:{%s}:1h events 3", subject);
    command("HSET p:{%s}:24h events 4", subject);
    ck_assert_int_eq(dl_reader_scores(f.reader, subject, "1h", &field, 1, &scores[0]), DL_OK);
    ck_assert_int_eq(dl_reader_scores(f.reader, subject, "24h", &field, 1, &scores[1]), DL_OK);
    settle(true);
    ck_assert(scores[0].there && scores[1].there);
    ck_assert_int_eq(scores[0].scores.value[field].integer, 3);
    ck_assert_int_eq(scores[1].scores.value[field].integer, 4);
}
END_TEST

START_TEST(names_are_read_to_the_end_of_a_scan)
{
    struct dl_reader_names names = {0}, none = {0}, rank = {0}, segments = {0};
    for (int i = 0; i < 3000; i += 10)
        command("SADD p:subjects:stage n%d n%d n%d n%d n%d n%d n%d n%d n%d n%d", i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, i + 7,
                i + 8, i + 9);
    command("ZADD p:rank:nps:stage:1h 1 one 2 two 3 three");
    command("SADD p:subjects:all|tier=vip all|tier=vip");
    command("SADD p:subjects:all|channel=a|b x");
    command("SADD p:subjects:stage|tier=gold x");
    command("SADD q:subjects:all|tier=other x");
    ck_assert_int_eq(dl_reader_names(f.reader, "stage", &names), DL_OK);
    ck_assert_int_eq(dl_reader_names(f.reader, "journey", &none), DL_OK);
    ck_assert_int_eq(dl_reader_rank(f.reader, DL_FIELD_nps, "stage", "1h", true, 0, 2, &rank), DL_OK);
    ck_assert_int_eq(dl_reader_rank(f.reader, DL_FIELD_nps, "stage", "1h", false, 1, 5, &rank), DL_OK);
    ck_assert_int_eq(dl_reader_segments(f.reader, &segments), DL_OK);
    settle(true);
    dl_reader_names_sort(&names);
    ck_assert_uint_eq(names.count, 3000);
    ck_assert_str_eq(names.item[0], "n0");
    ck_assert_str_eq(names.item[1], "n1");
    ck_assert_str_eq(names.item[2], "n10");
    ck_assert_uint_eq(none.count, 0);
    const char *const expected[] = {"three", "two", "two", "three"};
    ck_assert_uint_eq(rank.count, 4);
    for (int i = 0; i < 4; i++)
        ck_assert_str_eq(rank.item[i], expected[i]);
    dl_reader_names_sort(&segments);
    ck_assert_uint_eq(segments.count, 2);
    ck_assert_str_eq(segments.item[0], "|channel=a|b");
    ck_assert_str_eq(segments.item[1], "|tier=vip");
    dl_reader_names_deinit(&names);
    dl_reader_names_deinit(&none);
    dl_reader_names_deinit(&rank);
    dl_reader_names_deinit(&segments);
}
END_TEST

START_TEST(what_is_refused_is_told_and_the_rest_is_answered)
{
    static const int field = DL_FIELD_events;
    struct dl_reader_scores wrong, right;
    struct dl_reader_names names = {0};
    struct dl_trend_halves halves;
    command("SET p:{all}:1h text");
    command("SET p:subjects:stage text");
    command("HSET p:{all}:24h events 2");
    command("HSET p:{all}:24h:trend a b");
    ck_assert_int_eq(dl_reader_scores(f.reader, "all", "1h", &field, 1, &wrong), DL_OK);
    ck_assert_int_eq(dl_reader_scores(f.reader, "all", "24h", &field, 1, &right), DL_OK);
    ck_assert_int_eq(dl_reader_names(f.reader, "stage", &names), DL_OK);
    ck_assert_int_eq(dl_reader_trend(f.reader, "all", "24h", &field, 1, &halves), DL_OK);
    settle(false);
    ck_assert(right.there);
    ck_assert(strncmp(dl_reader_refused(f.reader), "WRONGTYPE", 9) == 0);
    ck_assert_int_eq(dl_reader_scores(f.reader, "all", "24h", &field, 1, &right), DL_OK);
    settle(true); /* a refusal is that of its own round */
    ck_assert_ptr_null(dl_reader_refused(f.reader));
    ck_assert_int_eq(dl_reader_names(f.reader, "stage", &names), DL_OK);
    settle(false);
    ck_assert_ptr_nonnull(dl_reader_refused(f.reader));
}
END_TEST

static bool is_down(void *context)
{
    (void)context;
    return f.downs > 0;
}

START_TEST(a_server_that_dies_settles_what_was_asked)
{
    static const int field = DL_FIELD_events;
    struct dl_reader_scores scores;
    struct dl_reader_names names = {0};
    command("SET p:subjects:stage text");
    ck_assert_int_eq(dl_reader_names(f.reader, "stage", &names), DL_OK);
    settle(false);
    ck_assert_ptr_nonnull(dl_reader_refused(f.reader));
    ck_assert_int_eq(kill(f.server.pid, SIGSTOP), 0);
    ck_assert_int_eq(dl_reader_names(f.reader, "stage", &names), DL_OK); /* a scan begins a round as well */
    ck_assert_int_eq(dl_reader_scores(f.reader, "all", "1h", &field, 1, &scores), DL_OK);
    loop_for(&f.loop, 20);
    ck_assert(!f.settled);
    server_kill(&f.server);
    settle(false);
    ck_assert_ptr_null(dl_reader_refused(f.reader)); /* lost, not refused: that was the round before */
    ck_assert(loop_until(&f.loop, DEADLINE_MS, is_down, NULL));
    ck_assert_int_eq(dl_reader_scores(f.reader, "all", "1h", &field, 1, &scores), DL_AWAY);
}
END_TEST

START_TEST(closing_with_a_question_open_calls_nobody)
{
    static const int field = DL_FIELD_events;
    struct dl_reader_scores scores;
    struct dl_reader_names names = {0};
    ck_assert_int_eq(dl_reader_scores(f.reader, "all", "1h", &field, 1, &scores), DL_OK);
    ck_assert_int_eq(dl_reader_names(f.reader, "stage", &names), DL_OK);
    dl_reader_close(f.reader);
    ck_assert_int_eq(uv_run(&f.loop, UV_RUN_DEFAULT), 0);
    ck_assert(!f.settled && f.downs == 0);
    ck_assert_int_eq(uv_loop_close(&f.loop), 0);
    server_remove(&f.server);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reader");
    TCase *reader = tcase_create("reader"), *closing = tcase_create("closing");
    tcase_set_timeout(reader, TIMEOUT_S);
    tcase_set_timeout(closing, TIMEOUT_S);
    tcase_add_checked_fixture(reader, setup, teardown);
    tcase_add_checked_fixture(closing, setup, NULL);
    tcase_add_test(reader, scores_are_values);
    tcase_add_test(reader, a_key_is_whole_however_long_its_subject_is);
    tcase_add_test(reader, names_are_read_to_the_end_of_a_scan);
    tcase_add_test(reader, what_is_refused_is_told_and_the_rest_is_answered);
    tcase_add_test(reader, a_server_that_dies_settles_what_was_asked);
    tcase_add_test(closing, closing_with_a_question_open_calls_nobody);
    suite_add_tcase(suite, reader);
    suite_add_tcase(suite, closing);
    return run_suite(suite);
}
