#include "print.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(a_text_is_escaped_and_padded_to_its_column)
{
    static const struct {
        const char *given;
        size_t width;
        const char *printed;
    } rows[] = {
        {"desk", 0, "desk"},
        {"desk", 3, "desk"},
        {"desk", 6, "desk  "},
        {"", 2, "  "},
        {"b\xc3\xba", 3, "b\xc3\xba "},
        {"a\xc2\x9b""31m", 14, "a\\u{009B}31m  "},
        {"a\xe2\x80\xae", 0, "a\\u{202E}"},
        {"\x1b[m\n\xff", 0, "\\x1B[m\\n\\xFF"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *printed = NULL;
        size_t bytes;
        FILE *to = open_memstream(&printed, &bytes);
        ck_assert_ptr_nonnull(to);
        dl_print_safely(to, rows[i].given, strlen(rows[i].given), rows[i].width);
        fclose(to);
        ck_assert_str_eq(printed, rows[i].printed);
        free(printed);
    }
    ck_assert_uint_eq(dl_print_width("b\xc3\xba", 3), 2);
    ck_assert_uint_eq(dl_print_width("a\xc2\x9b", 3), 9);
    ck_assert_uint_eq(dl_print_width("", 0), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("print");
    TCase *texts = tcase_create("texts");
    tcase_add_test(texts, a_text_is_escaped_and_padded_to_its_column);
    suite_add_tcase(suite, texts);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
