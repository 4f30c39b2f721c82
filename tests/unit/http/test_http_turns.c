#include "client.h"

/* Who is answered in which turn of the loop: turns are counted, never timed. */

static void on_prepare(uv_prepare_t *prepare)
{
    ++*(int *)prepare->data;
}

/* What the server answers while the loop turns, and how often others had their turn meanwhile. */
static int turns_until(int64_t requests)
{
    int turns = 0;
    uv_prepare_t prepare;
    uv_prepare_init(&loop, &prepare);
    prepare.data = &turns;
    uv_prepare_start(&prepare, on_prepare);
    wait_for(counts().requests >= requests);
    uv_close((uv_handle_t *)&prepare, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    return turns;
}

START_TEST(others_have_their_turn_between_the_answers_to_one_who_asks_ahead)
{
    enum { AHEAD = 200 }; /* they fit the sockets, and are there before the first is answered */
    static const char request[] = "GET /asset.css HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static char requests[AHEAD * sizeof request];
    start_plain();
    int fd = connect_to(0);
    for (int i = 0; i < AHEAD; i++)
        strcat(requests, request);
    ck_assert_int_eq(send(fd, requests, strlen(requests), MSG_NOSIGNAL), (ssize_t)strlen(requests));
    ck_assert_int_ge(turns_until(AHEAD), AHEAD / 2); /* two in a turn at most: one that it had begun */
    close(fd);
    stop();
}
END_TEST

/* Without time each turn answers one, and who waits longest is the next. */
START_TEST(when_the_time_of_a_turn_is_over_requests_wait_and_the_first_is_served_first)
{
    enum { CLIENTS = 12, AHEAD = 20 };
    struct dl_http_options options = options_of("127.0.0.1:0");
    options.turn_ms_max = 0;
    start(&options);
    int clients[CLIENTS];
    char request[128];
    for (int c = 0; c < CLIENTS; c++) {
        clients[c] = connect_to(0);
        for (int i = 0; i < AHEAD; i++) {
            int bytes = snprintf(request, sizeof request, "GET /echo?value=%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i);
            ck_assert_int_eq(send(clients[c], request, (size_t)bytes, MSG_NOSIGNAL), bytes);
        }
    }
    ck_assert_int_ge(turns_until((int64_t)CLIENTS * (AHEAD / 2)), CLIENTS * (AHEAD / 2));
    ck_assert_int_gt(counts().waited, 0);
    /* Half of the answers: everybody has had about half of theirs. */
    char about_half[32];
    snprintf(about_half, sizeof about_half, "context|%d|-", AHEAD / 2 - 3);
    for (int c = 0; c < CLIENTS; c++) {
        text[0] = '\0';
        wait_for(has(clients[c], about_half));
    }
    ck_assert_int_lt(counts().requests, CLIENTS * AHEAD);
    (void)turns_until(CLIENTS * AHEAD);
    for (int c = 0; c < CLIENTS; c++)
        close(clients[c]);
    wait_for(counts().connections == 0);
    stop();
}
END_TEST

START_TEST(who_waits_for_a_turn_may_go_and_may_be_left_at_the_end)
{
    struct dl_http_options options = options_of("127.0.0.1:0");
    options.turn_ms_max = 0;
    options.connections_max = 8;
    start(&options);
    for (int gone = 1; gone >= 0; gone--) {
        int clients[8];
        int64_t before = counts().waited;
        for (int c = 0; c < 8; c++) {
            clients[c] = connect_to(0);
            for (int i = 0; i < 50; i++)
                send_text(clients[c], "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
        }
        wait_for(counts().waited > before + 8);
        for (int c = 0; c < 8; c++)
            if (gone)
                close(clients[c]);
        if (gone)
            wait_for(counts().connections == 0);
        else
            stop();
        for (int c = 0; c < 8; c++)
            if (!gone)
                close(clients[c]);
    }
}
END_TEST

static void on_end(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

START_TEST(who_is_not_asked_lets_the_loop_sleep)
{
    int turns = 0;
    uv_prepare_t prepare;
    uv_timer_t end;
    start_plain();
    int fd = connect_to(0);
    text[0] = '\0';
    send_text(fd, "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for(has(fd, "context|-|-"));
    uv_prepare_init(&loop, &prepare);
    prepare.data = &turns;
    uv_prepare_start(&prepare, on_prepare);
    uv_timer_init(&loop, &end);
    uv_timer_start(&end, on_end, 600, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_le(turns, 50); /* the ticks; who never sleeps turns many thousand times */
    uv_close((uv_handle_t *)&prepare, NULL);
    uv_close((uv_handle_t *)&end, NULL);
    close(fd);
    stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http turns");
    TCase *cases = tcase_create("turns");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, others_have_their_turn_between_the_answers_to_one_who_asks_ahead);
    tcase_add_test(cases, when_the_time_of_a_turn_is_over_requests_wait_and_the_first_is_served_first);
    tcase_add_test(cases, who_waits_for_a_turn_may_go_and_may_be_left_at_the_end);
    tcase_add_test(cases, who_is_not_asked_lets_the_loop_sleep);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
