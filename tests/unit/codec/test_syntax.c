/* The scan of syntax against jansson, which reads the same grammar by other
 * means: the two must agree on every text, broken at random places. */
#include "cases.h"

#include "syntax.h"
#include "utf8.h"

/* xorshift64*: the same texts in every run. */
static uint64_t state = UINT64_C(0x9E3779B97F4A7C15);

static uint32_t draw(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % below;
}

/* What stands in the texts, so that changes meet the grammar's corners often. */
static const char *const pieces[] = {
    "{", "}", "[", "]", ":", ",", "\"", "\\", "\"a\"", "\"a\":", "\"b\":1,", "true", "false", "null", "0", "-", "1", ".5",
    "e", "E+", "e-9", "1e999", "99999999999999999999", "\\u", "\\u0000", "\\u0041", "\\ud83d", "\\ude00", "\\n", "\n", " ",
    "\t", "\x01", "\xc3", "\xa9", "\xc3\xa9", "\xed\xa0\x80", "\xf0\x9f\x98\x80", "\xef\xbb\xbf", "\xff", "x", "N",
};
enum { PIECES = sizeof pieces / sizeof pieces[0], TEXT_BYTES_MAX = 400 };

static const char *const seeds[] = {
    "{\"type\":\"survey\",\"touchpoint\":\"caf\xc3\xa9\",\"nps\":9,\"kano\":[{\"feature\":\"f\",\"functional\":1}]}",
    "[1,-2.5e+3,true,false,null,\"\\ud83d\\ude00\\n\\u0041\",[],{}]",
    "{\"a\":{\"a\":[{\"b\":1,\"c\":{}}]},\"b\":[[[\"\"]]]}",
    "\"x\"",
    "-0.0e-0",
    "",
};

/* Replaces, inserts or removes at a random place. */
static size_t change(char *text, size_t bytes)
{
    size_t at = draw((uint32_t)bytes + 1);
    size_t removed = draw(3) == 0 ? draw(4) : 0;
    if (removed > bytes - at)
        removed = bytes - at;
    const char *piece = pieces[draw(PIECES)];
    size_t inserted = draw(4) == 0 ? 0 : strlen(piece);
    if (bytes - removed + inserted > TEXT_BYTES_MAX)
        return bytes;
    memmove(text + at + inserted, text + at + removed, bytes - at - removed);
    memcpy(text + at, piece, inserted);
    return bytes - removed + inserted;
}

/* Whether jansson reads it, or minds only what the scan does not look at. */
static bool jansson_accepts(const char *text, size_t bytes, json_error_t *error)
{
    json_t *root = json_loadb(text, bytes, JSON_DECODE_ANY, error);
    json_decref(root);
    return root != NULL || json_error_code(error) == json_error_numeric_overflow;
}

static void assert_agreement(const char *text, size_t bytes)
{
    struct dl_syntax_fault fault = {.reason = DL_ACCEPTED};
    bool good = dl_syntax_check(text, bytes, &fault);
    json_error_t error;
    bool accepted = jansson_accepts(text, bytes, &error);
    if (good) {
        ck_assert_msg(accepted, "only the scan accepts %.*s: %s", (int)bytes, text, error.text);
        return;
    }
    ck_assert(fault.reason == DL_REJECT_BAD_UTF8 || fault.reason == DL_REJECT_NOT_JSON);
    ck_assert_uint_le(fault.at, bytes);
    ck_assert_msg(!accepted || json_error_code(&error) == json_error_numeric_overflow,
                  "only jansson accepts %.*s: %s", (int)bytes, text, fault.what);
    /* Nothing before the fault is one: a text that ends there only ends too early. */
    struct dl_syntax_fault cut;
    if (dl_syntax_check(text, fault.at, &cut)) {
        ck_assert(jansson_accepts(text, fault.at, &error));
    } else {
        ck_assert_uint_eq(cut.at, fault.at);
        ck_assert_str_eq(cut.what, "the text ends too early");
    }
}

START_TEST(test_agrees_with_jansson)
{
    int accepted = 0, bad_utf8 = 0, not_json = 0;
    for (int round = 0; round < 100000; round++) {
        char buffer[TEXT_BYTES_MAX];
        const char *seed = seeds[draw(sizeof seeds / sizeof seeds[0])];
        size_t bytes = strlen(seed);
        memcpy(buffer, seed, bytes);
        for (uint32_t i = 1 + draw(3); i > 0; i--)
            bytes = change(buffer, bytes);
        assert_agreement(buffer, bytes);
        struct dl_syntax_fault fault = {.reason = DL_ACCEPTED};
        accepted += dl_syntax_check(buffer, bytes, &fault);
        bad_utf8 += fault.reason == DL_REJECT_BAD_UTF8;
        not_json += fault.reason == DL_REJECT_NOT_JSON;
    }
    /* The rounds meet all three ends often enough to mean something. */
    ck_assert_int_gt(accepted, 5000);
    ck_assert_int_gt(bad_utf8, 5000);
    ck_assert_int_gt(not_json, 5000);
}
END_TEST

START_TEST(test_agrees_with_jansson_on_every_case)
{
    FILE *file = test_cases_open();
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, file) > 0) {
        struct test_case test_case;
        test_case_init(&test_case, line);
        struct dl_syntax_fault fault;
        if (dl_syntax_check(test_case.message.value, test_case.message.value_bytes, &fault) ||
            strcmp(fault.what, "nested deeper than 64") != 0)
            assert_agreement(test_case.message.value, test_case.message.value_bytes);
        test_case_deinit(&test_case);
    }
    free(line);
    fclose(file);
}
END_TEST

START_TEST(test_depth)
{
    for (int object = 0; object < 2; object++) {
        for (int depth = 63; depth <= 66; depth++) {
            char text[1024] = "";
            for (int i = 0; i < depth; i++)
                strcat(text, object ? "{\"a\":" : "[");
            strcat(text, "1");
            for (int i = 0; i < depth; i++)
                strcat(text, object ? "}" : "]");
            struct dl_syntax_fault fault;
            ck_assert(dl_syntax_check(text, strlen(text), &fault) == (depth <= DL_JSON_DEPTH_MAX));
            if (depth > DL_JSON_DEPTH_MAX) {
                ck_assert_int_eq(fault.reason, DL_REJECT_NOT_JSON);
                ck_assert_uint_eq(fault.at, DL_JSON_DEPTH_MAX * (object ? 5u : 1u));
            }
        }
    }
}
END_TEST

/* The scan keeps the kinds of 64 levels in one word: mixed ones must close right. */
START_TEST(test_mixed_nesting_closes_in_order)
{
    for (int round = 0; round < 2000; round++) {
        char text[1024] = "", closers[65];
        int depth = 1 + (int)draw(64);
        for (int i = 0; i < depth; i++) {
            bool object = draw(2) == 0;
            strcat(text, object ? "{\"a\":" : "[");
            closers[i] = object ? '}' : ']';
        }
        strcat(text, "1");
        size_t bytes = strlen(text);
        for (int i = depth; i > 0; i--)
            text[bytes++] = closers[i - 1];
        struct dl_syntax_fault fault;
        ck_assert(dl_syntax_check(text, bytes, &fault));
        size_t wrong = bytes - 1 - draw((uint32_t)depth);
        text[wrong] = text[wrong] == '}' ? ']' : '}';
        ck_assert(!dl_syntax_check(text, bytes, &fault));
        ck_assert_uint_eq(fault.at, wrong);
    }
}
END_TEST

/* All of 1 to 4 bytes that can matter, against the definition by code points. */
START_TEST(test_utf8_is_the_encoding_of_the_scalar_values)
{
    size_t characters = 0;
    for (uint32_t point = 0; point <= 0x10FFFF; point++) {
        char text[4];
        size_t bytes;
        if (point < 0x80) {
            bytes = 1;
            text[0] = (char)point;
        } else if (point < 0x800) {
            bytes = 2;
            text[0] = (char)(0xC0 | (point >> 6));
        } else if (point < 0x10000) {
            bytes = 3;
            text[0] = (char)(0xE0 | (point >> 12));
        } else {
            bytes = 4;
            text[0] = (char)(0xF0 | (point >> 18));
        }
        for (size_t i = 1; i < bytes; i++)
            text[i] = (char)(0x80 | ((point >> (6 * (bytes - 1 - i))) & 0x3F));
        bool scalar = point < 0xD800 || point > 0xDFFF;
        ck_assert_uint_eq(dl_utf8_bytes(text, bytes), scalar ? bytes : 0);
        if (bytes > 1)
            ck_assert_uint_eq(dl_utf8_bytes(text, bytes - 1), 0);
        characters += scalar;
    }
    /* No other 3 bytes are a character: as many are accepted as there are code points. */
    size_t accepted = 0;
    for (uint32_t bytes = 0; bytes < 1u << 24; bytes++) {
        char text[3] = {(char)(bytes >> 16), (char)(bytes >> 8), (char)bytes};
        accepted += dl_utf8_bytes(text, 3) == 3;
    }
    ck_assert_uint_eq(accepted, 0x10000 - 0x800 - 0x800);
    ck_assert_uint_eq(characters, 0x110000 - 0x800);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("syntax");
    TCase *tcase = tcase_create("syntax");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, test_agrees_with_jansson);
    tcase_add_test(tcase, test_agrees_with_jansson_on_every_case);
    tcase_add_test(tcase, test_depth);
    tcase_add_test(tcase, test_mixed_nesting_closes_in_order);
    tcase_add_test(tcase, test_utf8_is_the_encoding_of_the_scalar_values);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
