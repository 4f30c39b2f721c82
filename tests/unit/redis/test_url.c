#include <url.h>

#include <redis.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *url;
    bool tls;
    const char *host;
    int port;
    const char *path, *user, *password;
    int database;
    const char *address;
} good[] = {
    {"redis://localhost", false, "localhost", 6379, "", "", "", 0, "localhost:6379"},
    {"redis://localhost/", false, "localhost", 6379, "", "", "", 0, "localhost:6379"},
    {"redis://localhost:1/15", false, "localhost", 1, "", "", "", 15, "localhost:1"},
    {"redis://h:65535/0", false, "h", 65535, "", "", "", 0, "h:65535"},
    {"rediss://redis.example:6380", true, "redis.example", 6380, "", "", "", 0, "redis.example:6380"},
    {"redis://[::1]:7000/2", false, "::1", 7000, "", "", "", 2, "[::1]:7000"},
    {"redis://[::1]", false, "::1", 6379, "", "", "", 0, "[::1]:6379"},
    {"redis://:secret@h", false, "h", 6379, "", "", "secret", 0, "h:6379"},
    {"redis://user:secret@h:1", false, "h", 1, "", "user", "secret", 0, "h:1"},
    {"redis://user@h", false, "h", 6379, "", "user", "", 0, "h:6379"},
    {"redis://u%3as:p%40%2F%25@h", false, "h", 6379, "", "u:s", "p@/%", 0, "h:6379"},
    {"redis://u:p@w@h", false, "h", 6379, "", "u", "p@w", 0, "h:6379"},
    {"redis://u:a:b@h", false, "h", 6379, "", "u", "a:b", 0, "h:6379"},
    {"unix:///run/redis.sock", false, "", 0, "/run/redis.sock", "", "", 0, "/run/redis.sock"},
    {"unix:///run/redis.sock?db=3", false, "", 0, "/run/redis.sock", "", "", 3, "/run/redis.sock"},
    {"unix://u:p@/run/a@b?db=0", false, "", 0, "/run/a@b", "u", "p", 0, "/run/a@b"},
    {"unix:///run/a%20b", false, "", 0, "/run/a b", "", "", 0, "/run/a b"},
};

START_TEST(test_good)
{
    struct dl_redis_url url;
    const char *wrong = dl_redis_url_parse(&url, good[_i].url);
    ck_assert_msg(!wrong, "%s: %s", good[_i].url, wrong);
    ck_assert_int_eq(url.tls, good[_i].tls);
    ck_assert_str_eq(url.host, good[_i].host);
    ck_assert_int_eq(url.port, good[_i].port);
    ck_assert_str_eq(url.path, good[_i].path);
    ck_assert_str_eq(url.user, good[_i].user);
    ck_assert_str_eq(url.password, good[_i].password);
    ck_assert_int_eq(url.database, good[_i].database);
    char address[DL_URL_ADDRESS_SIZE];
    dl_redis_url_address(&url, address, sizeof address);
    ck_assert_str_eq(address, good[_i].address);
    ck_assert_ptr_null(dl_redis_url_check(good[_i].url));
}
END_TEST

static const struct {
    const char *url, *part; /* of the sentence */
} bad[] = {
    {"", "empty"},
    {"localhost:6379", "expected redis://"},
    {"http://localhost", "expected redis://"},
    {"REDIS://localhost", "expected redis://"},
    {"redis://", "host is missing"},
    {"redis:///1", "host is missing"},
    {"redis://:6379", "host is missing"},
    {"redis://h:", "port"},
    {"redis://h:0", "port"},
    {"redis://h:65536", "port"},
    {"redis://h:6a", "port"},
    {"redis://h:-1", "port"},
    {"redis://h:99999999999999999999", "port"},
    {"redis://h/x", "database"},
    {"redis://h/-1", "database"},
    {"redis://h/0/1", "database"},
    {"redis://h/1000001", "database"},
    {"redis://::1", "brackets"},
    {"redis://[::1", "closing bracket"},
    {"redis://[::1]6379", "between"},
    {"redis://@h", "without a user name"},
    {"redis://u:@h", "password is empty"},
    {"redis://u:%4@h", "%25"},
    {"redis://u:%zz@h", "%25"},
    {"redis://u:%00@h", "%25"},
    {"redis://u%:p@h", "%25"},
    {"redis://h?db=1", "no meaning"},
    {"redis://h#1", "no meaning"},
    {"redis://a b", "character"},
    {"unix://run/redis.sock", "absolute"},
    {"unix://", "absolute"},
    {"unix:///s?database=1", "db=NUMBER"},
    {"unix:///s?db=", "database"},
    {"unix:///s?db=x", "database"},
};

START_TEST(test_bad)
{
    const char *wrong = dl_redis_url_check(bad[_i].url);
    ck_assert_msg(wrong, "%s passes", bad[_i].url);
    ck_assert_msg(strstr(wrong, bad[_i].part), "%s: %s", bad[_i].url, wrong);
}
END_TEST

/* Lengths at their limits. */
START_TEST(test_lengths)
{
    char url[2048];
    struct dl_redis_url parsed;
    static const struct {
        const char *before, *after;
        size_t max;
    } rows[] = {
        {"unix:///", "", DL_URL_PATH_SIZE - 2},
        {"redis://", "", DL_URL_HOST_SIZE - 1},
        {"redis://", ":p@h", DL_URL_USER_SIZE - 1},
        {"redis://:", "@h", DL_URL_PASSWORD_SIZE - 1},
    };
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++)
        for (size_t more = 0; more < 2; more++) {
            size_t bytes = strlen(rows[row].before);
            memcpy(url, rows[row].before, bytes);
            memset(url + bytes, 'x', rows[row].max + more);
            strcpy(url + bytes + rows[row].max + more, rows[row].after);
            const char *wrong = dl_redis_url_parse(&parsed, url);
            ck_assert_msg(more ? wrong && strstr(wrong, "longer than") : !wrong, "row %zu: %s", row, wrong ? wrong : "passes");
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("url");
    TCase *tests = tcase_create("url");
    tcase_add_loop_test(tests, test_good, 0, (int)(sizeof good / sizeof good[0]));
    tcase_add_loop_test(tests, test_bad, 0, (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(tests, test_lengths);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
