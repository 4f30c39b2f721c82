#include <delight/score.h>

#include <check.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 20;
}

static struct dl_value fraction(double number)
{
    return (struct dl_value){.kind = DL_VALUE_FRACTION, .fraction = number};
}

static struct dl_value integer(int64_t number)
{
    return (struct dl_value){.kind = DL_VALUE_INTEGER, .integer = number};
}

static struct dl_value word(const char *text)
{
    return (struct dl_value){.kind = DL_VALUE_WORD, .word = text};
}

static const struct dl_value none = {.kind = DL_VALUE_NONE, .integer = 0};

START_TEST(value_texts)
{
    const struct {
        struct dl_value value;
        const char *text;
    } rows[] = {
        {none, ""},
        {word("must_be"), "must_be"},
        {integer(0), "0"},
        {integer(-1), "-1"},
        {integer(10), "10"},
        {integer(INT64_MAX), "9223372036854775807"},
        {integer(INT64_MIN), "-9223372036854775808"},
        {fraction(0), "0.0000"},
        {fraction(-0.0), "0.0000"},
        {fraction(-0.00004), "0.0000"},
        {fraction(-0.00005), "-0.0001"}, /* as a double it lies beyond the tie */
        {fraction(0.00005), "0.0001"},
        {fraction(0.00004999999), "0.0000"},
        {fraction(5e-324), "0.0000"},
        {fraction(-5e-324), "0.0000"},
        {fraction(1), "1.0000"},
        {fraction(-48.49865), "-48.4986"}, /* as a double it lies before the tie */
        {fraction(99.99996), "100.0000"}, /* carries into the whole part */
        {fraction(99.99994), "99.9999"},
        {fraction(-99.99996), "-100.0000"},
        {fraction(0.99996), "1.0000"},
        {fraction(0.03125), "0.0312"}, /* exact ties go to the even digit, as printf has it */
        {fraction(0.09375), "0.0938"},
        {fraction(1.03125), "1.0312"},
        {fraction(-0.03125), "-0.0312"},
        {fraction(31536000000.25), "31536000000.2500"},
        {fraction(9007199254740991.0), "9007199254740991.0000"},
        {fraction(1e18), "1000000000000000000.0000"},
        {fraction(0x1p63), "9223372036854775808.0000"},
        {fraction(-0x1p64), "-18446744073709551616.0000"},
        {fraction(9.2e21), "9200000000000000000000.0000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[DL_VALUE_TEXT_SIZE];
        ck_assert_uint_eq(dl_value_format(text, rows[i].value), strlen(rows[i].text));
        ck_assert_str_eq(text, rows[i].text);
    }
}
END_TEST

static void check_as_printf(double number)
{
    char text[DL_VALUE_TEXT_SIZE], expected[64];
    snprintf(expected, sizeof expected, "%.4f", number);
    if (strcmp(expected, "-0.0000") == 0)
        memmove(expected, expected + 1, strlen(expected));
    dl_value_format(text, fraction(number));
    if (strcmp(text, expected) != 0) /* 3 million ck_asserts would take a minute */
        ck_abort_msg("%a: %s, not %s", number, text, expected);
}

START_TEST(fractions_read_as_printf_has_them)
{
    uint64_t random = (uint64_t)_i + 1;
    for (int i = 0; i < 100000; i++) {
        /* quotients as scores have them, and ties of four decimals with their neighbours */
        int64_t n = 1 + (int64_t)(next_random(&random) % 100000);
        int64_t k = (int64_t)(next_random(&random) % (uint64_t)(2 * n + 1)) - n;
        check_as_printf(100.0 * (double)k / (double)n);
        check_as_printf((double)k / (double)n);
        double tie = (double)(next_random(&random) % 2000000 * 2 + 1) / 20000;
        check_as_printf(tie);
        check_as_printf(nextafter(tie, 0));
        check_as_printf(nextafter(tie, 1000));
        double exact_tie = (double)(next_random(&random) % 100000 * 2 + 1) / 32;
        check_as_printf(exact_tie);
        check_as_printf(nextafter(exact_tie, 0));
        check_as_printf(-nextafter(exact_tie, 1e9));
        /* any exponent that may occur */
        check_as_printf(ldexp((double)next_random(&random), (int)(next_random(&random) % 120) - 100));
    }
}
END_TEST

/* A locale with a decimal comma, compiled here because a build machine has none. */
START_TEST(no_locale_changes_the_point)
{
    char folder[] = P_tmpdir "/test_value.XXXXXX";
    char command[200];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", folder);
    bool compiled = system(command) == 0;
    setenv("LOCPATH", folder, 1);
    bool comma = compiled && setlocale(LC_ALL, "de_DE.UTF-8") != NULL && strcmp(localeconv()->decimal_point, ",") == 0;
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
    if (!comma) {
        puts("no_locale_changes_the_point: skipped, localedef cannot make de_DE here");
        return;
    }
    char text[DL_VALUE_TEXT_SIZE];
    snprintf(text, sizeof text, "%.1f", 1.5);
    ck_assert_str_eq(text, "1,5"); /* the locale is really there */
    dl_value_format(text, fraction(1234.5));
    ck_assert_str_eq(text, "1234.5000");
    dl_value_format(text, fraction(1e20));
    ck_assert_str_eq(text, "100000000000000000000.0000");
}
END_TEST

START_TEST(equal_values_have_equal_texts)
{
    ck_assert(dl_value_equal(none, none));
    ck_assert(!dl_value_equal(none, integer(0)));
    ck_assert(dl_value_equal(integer(5), integer(5)));
    ck_assert(!dl_value_equal(integer(5), integer(6)));
    ck_assert(!dl_value_equal(integer(5), fraction(5)));
    char copy[] = "reverse"; /* the words may stand in two places */
    ck_assert(dl_value_equal(word("reverse"), word(copy)));
    ck_assert(!dl_value_equal(word("reverse"), word("must_be")));
    ck_assert(dl_value_equal(fraction(0), fraction(-0.0)));
    ck_assert(dl_value_equal(fraction(0.00001), fraction(-0.00001)));
    ck_assert(dl_value_equal(fraction(33.33331), fraction(33.33334)));
    ck_assert(!dl_value_equal(fraction(33.33334), fraction(33.33336)));
    ck_assert(!dl_value_equal(fraction(1), fraction(-1)));
    uint64_t random = 5;
    for (int i = 0; i < 100000; i++) {
        struct dl_value a = fraction((double)(next_random(&random) % 1000) / 1e5);
        struct dl_value b = fraction((double)(next_random(&random) % 1000) / 1e5);
        char text[2][DL_VALUE_TEXT_SIZE];
        dl_value_format(text[0], a);
        dl_value_format(text[1], b);
        if (dl_value_equal(a, b) != (strcmp(text[0], text[1]) == 0))
            ck_abort_msg("%s and %s", text[0], text[1]);
    }
}
END_TEST

START_TEST(what_is_written_is_read)
{
    static const char *const texts[] = {"0", "-1", "9223372036854775807", "0.0000", "-0.0001", "33.3333", "100.0000", "-100.0000",
                                        "98765.4321", "must_be", "one_dimensional", "questionable"};
    static const char *const others[] = {"", "-", ".", "1.", ".5", "1.5", "1.00000", "1,0000", "1e3", " 1", "1 ", "nan", "--1",
                                         "9223372036854775808", "must_b", "must_bee", "1.000x", "-.0000"};
    struct dl_value value;
    char text[DL_VALUE_TEXT_SIZE];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        ck_assert_msg(dl_value_parse(&value, texts[i], strlen(texts[i])), "%s", texts[i]);
        dl_value_format(text, value);
        ck_assert_str_eq(text, texts[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert_msg(!dl_value_parse(&value, others[i], strlen(others[i])), "'%s'", others[i]);
    uint64_t random = 7;
    for (int i = 0; i < 100000; i++) {
        char again[DL_VALUE_TEXT_SIZE];
        size_t bytes = dl_value_format(text, fraction(((double)(next_random(&random) % 2000000001) - 1e9) / 9973.0));
        ck_assert(dl_value_parse(&value, text, bytes));
        dl_value_format(again, value);
        if (strcmp(text, again) != 0)
            ck_abort_msg("%s and %s", text, again);
    }
}
END_TEST

START_TEST(a_fraction_that_is_no_number_aborts)
{
    char text[DL_VALUE_TEXT_SIZE];
    dl_value_format(text, fraction(_i == 0 ? NAN : INFINITY));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("value");
    TCase *values = tcase_create("values");
    tcase_set_timeout(values, 60);
    tcase_add_test(values, value_texts);
    tcase_add_loop_test(values, fractions_read_as_printf_has_them, 0, 3);
    tcase_add_test(values, no_locale_changes_the_point);
    tcase_add_test(values, equal_values_have_equal_texts);
    tcase_add_test(values, what_is_written_is_read);
    tcase_add_loop_test_raise_signal(values, a_fraction_that_is_no_number_aborts, SIGABRT, 0, 2);
    suite_add_tcase(suite, values);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
