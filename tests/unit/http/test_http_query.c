#include "client.h"

START_TEST(parameters_are_those_that_the_path_knows_once_each)
{
    static const struct {
        const char *path;
        int status;
        const char *body;
    } rows[] = {
        {"/known?x=1&value=2", 200, "context|2|-"},
        {"/known?", 200, "context|-|-"},
        {"/known?value=", 200, "context||-"},
        {"/known?valu=1", 400, "{\"error\":\"unknown parameter: valu; expected value, x\"}\n"},
        {"/known?x=1&Value=1", 400, "{\"error\":\"unknown parameter: Value; expected value, x\"}\n"},
        {"/known?a%22b%0ac%c3%a4=1", 400, "{\"error\":\"unknown parameter: a?b?c??; expected value, x\"}\n"},
        {"/known?value=1&value=1", 400, "{\"error\":\"value: given twice\"}\n"},
        {"/known?x&value=1", 400, "{\"error\":\"x: expected a value, as x=…\"}\n"},
        {"/known?value=1%00", 400, "{\"error\":\"the address holds a NUL byte, %00\"}\n"},
        {"/known?value=1%2500", 200, "context|1%00|-"},
        {"/known%00?value=1", 400, NULL},
        {"/nowhere%00", 400, NULL},
        {"/open%00", 400, NULL},
        {"/stream?window=1h", 400, "{\"error\":\"unknown parameter: window\"}\n"},
        {"/echo?any=1&any=2&value=3", 200, "context|3|-"}, /* reads what it likes */
    };
    start_plain();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_msg(status_of(get(rows[i].path, "")) == rows[i].status, "%s: %s", rows[i].path, text);
        if (rows[i].body != NULL)
            ck_assert_str_eq(body_of(text), rows[i].body);
    }
    stop();
}
END_TEST

START_TEST(many_parameters_are_refused_and_not_left_without_an_answer)
{
    static const struct {
        int count, status;
    } rows[] = {{64, 400}, {65, 414}, {500, 414}, {2000, 414}, {9000, 414}};
    static char request[40000];
    start_plain();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        strcpy(request, "GET /known?");
        char *end = request + strlen(request);
        for (int n = 0; n < rows[i].count; n++)
            end = stpcpy(end, n == 0 ? "a=" : "&a=");
        strcpy(end, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        ck_assert_msg(status_of(ask(request)) == rows[i].status, "%d: %s", rows[i].count, text);
        wait_for(counts().connections == 0);
    }
    ck_assert_int_eq(counts().timed_out, 0);
    ck_assert_int_eq(counts().refused, sizeof rows / sizeof rows[0]);
    stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http query");
    TCase *cases = tcase_create("query");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, parameters_are_those_that_the_path_knows_once_each);
    tcase_add_test(cases, many_parameters_are_refused_and_not_left_without_an_answer);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
