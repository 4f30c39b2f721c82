#include <delight/name.h>

#include <delight/event.h>
#include <delight/status.h>

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

START_TEST(encodes_what_keys_cannot_hold)
{
    static const struct {
        const char *name;
        const char *encoded;
    } rows[] = {
        {"", ""},
        {"checkout.payment", "checkout.payment"},
        {"gate B12", "gate%20B12"},
        {"a!b", "a!b"}, /* one past space */
        {"a\x1f" "b", "a%1Fb"},
        {"\x01\t\n\r", "%01%09%0A%0D"},
        {"a~b", "a~b"}, /* one before DEL */
        {"a\x7f" "b", "a%7Fb"},
        {"{x}", "%7Bx%7D"},
        {"a|b=c%d", "a%7Cb%3Dc%25d"},
        {"%20", "%2520"}, /* what is encoded already is encoded again: it is a name like any other */
        {"a:b/c\"d\\e<f>[g]*?", "a:b/c\"d\\e<f>[g]*?"},
        {"z\xc3\xbcrich", "z\xc3\xbcrich"},
        {"\xc2\x80", "\xc2\x80"}, /* bytes of UTF-8 stay, even of U+0080 */
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[3 * DL_NAME_BYTES_MAX + 1];
        memset(out, 'x', sizeof out);
        size_t bytes = dl_name_encode(out, dl_name_of(rows[i].name));
        ck_assert_str_eq(out, rows[i].encoded);
        ck_assert_uint_eq(bytes, strlen(rows[i].encoded));
    }
}
END_TEST

START_TEST(longest_encoding_fits_its_promise)
{
    char name[DL_NAME_BYTES_MAX];
    char out[3 * DL_NAME_BYTES_MAX + 2];
    memset(name, '%', sizeof name);
    out[sizeof out - 1] = 'x';
    ck_assert_uint_eq(dl_name_encode(out, (struct dl_name){name, sizeof name}), 3 * DL_NAME_BYTES_MAX);
    ck_assert_int_eq(out[3 * DL_NAME_BYTES_MAX], '\0');
    ck_assert_int_eq(out[sizeof out - 1], 'x');
}
END_TEST

/* Only the seven kinds of bytes are touched: every other byte stands for itself, and decoding gives back the name. */
START_TEST(every_byte_comes_back)
{
    for (int byte = 1; byte < 256; byte++) {
        char name = (char)byte;
        char out[4];
        size_t bytes = dl_name_encode(out, (struct dl_name){&name, 1});
        bool special = byte <= ' ' || byte == 0x7f || strchr("{}|=%", byte) != NULL;
        ck_assert_uint_eq(bytes, special ? 3 : 1);
        int back = special ? (int)strtol(out + 1, NULL, 16) : (unsigned char)out[0];
        ck_assert_int_eq(back, byte);
    }
}
END_TEST

START_TEST(equality)
{
    struct dl_name none = {.data = NULL};
    struct dl_name empty = {.data = "x", .bytes = 0};
    ck_assert(dl_name_equal(none, empty));
    ck_assert(dl_name_equal(dl_name_of("kiosk"), (struct dl_name){"kiosks", 5}));
    ck_assert(!dl_name_equal(dl_name_of("kiosk"), dl_name_of("kiosks")));
    ck_assert(!dl_name_equal(dl_name_of("kiosk"), dl_name_of("kiosl")));
    ck_assert(!dl_name_equal(dl_name_of("k"), none));
}
END_TEST

START_TEST(status_words)
{
    ck_assert_str_eq(dl_status_text(DL_OK), "ok");
    ck_assert_str_eq(dl_status_text(DL_FULL), "full");
    ck_assert_str_eq(dl_status_text(DL_TIMEOUT), "timeout");
    ck_assert_ptr_nonnull(dl_status_text((enum dl_status)99));
}
END_TEST

START_TEST(broken_promise_aborts)
{
    DL_ASSERT(1 + 1 == 3);
}
END_TEST

START_TEST(reject_words)
{
    ck_assert_str_eq(dl_reject_word(DL_ACCEPTED), "accepted");
    ck_assert_str_eq(dl_reject_word(DL_REJECT_EMPTY), "empty");
    ck_assert_str_eq(dl_reject_word(DL_REJECT_BAD_UTF8), "bad_utf8");
    ck_assert_str_eq(dl_reject_word(DL_REJECT_NO_ANSWER), "no_answer");
    ck_assert_str_eq(dl_reject_sentence(DL_REJECT_NO_ANSWER), "a survey without an answer");
    for (int i = 0; i < DL_REJECTS; i++) {
        ck_assert_uint_gt(strlen(dl_reject_word((enum dl_reject)i)), 0);
        ck_assert_uint_gt(strlen(dl_reject_sentence((enum dl_reject)i)), 0);
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(dl_reject_word((enum dl_reject)i), dl_reject_word((enum dl_reject)j));
    }
}
END_TEST

START_TEST(reject_beyond_the_table_aborts)
{
    dl_reject_word(DL_REJECTS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("name");
    TCase *names = tcase_create("names");
    tcase_add_test(names, encodes_what_keys_cannot_hold);
    tcase_add_test(names, longest_encoding_fits_its_promise);
    tcase_add_test(names, every_byte_comes_back);
    tcase_add_test(names, equality);
    suite_add_tcase(suite, names);
    TCase *words = tcase_create("status and reject words");
    tcase_add_test(words, status_words);
    tcase_add_test(words, reject_words);
    tcase_add_test_raise_signal(words, broken_promise_aborts, SIGABRT);
    tcase_add_test_raise_signal(words, reject_beyond_the_table_aborts, SIGABRT);
    suite_add_tcase(suite, words);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
