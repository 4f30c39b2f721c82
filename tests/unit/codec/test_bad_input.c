/* Records that are no JSON at all, or only almost: each ends as the first fault in
 * byte order, whatever its size and shape. */
#include "decoding.h"

START_TEST(test_twenty_megabytes)
{
    size_t bytes = 20u << 20;
    char *value = malloc(bytes);
    memset(value, '[', bytes);
    ck_assert_int_eq(decode_bytes(value, bytes), DL_REJECT_TOO_LARGE);

    /* The same where the limit allows it: no recursion, no time. */
    struct dl_decode_options options = case_options(5);
    options.event_bytes_max = bytes;
    struct dl_decoder *large = dl_decoder_create(&options);
    struct dl_message message = {.value = value, .value_bytes = bytes, .timestamp_ms = CASE_TIMESTAMP_MS};
    ck_assert_int_eq(dl_decode(large, &message, INT64_MAX, &event, detail), DL_REJECT_NOT_JSON);
    ck_assert_str_eq(detail, "byte 65: nested deeper than 64");
    dl_decoder_destroy(large);
    free(value);
}
END_TEST

START_TEST(test_nested_100000_deep)
{
    static const char *const openers[] = {"[", "{\"a\":", "[{\"a\":"};
    for (size_t i = 0; i < sizeof openers / sizeof openers[0]; i++) {
        size_t bytes = strlen(openers[i]);
        size_t count = 65536 / bytes;
        char *value = malloc(count * bytes);
        for (size_t at = 0; at < count; at++)
            memcpy(value + at * bytes, openers[i], bytes);
        ck_assert_int_eq(decode_bytes(value, count * bytes), DL_REJECT_NOT_JSON);
        free(value);
    }
    struct dl_decode_options options = case_options(5);
    options.event_bytes_max = 1 << 20;
    struct dl_decoder *large = dl_decoder_create(&options);
    char *value = malloc(200000);
    memset(value, '[', 100000);
    memset(value + 100000, ']', 100000);
    struct dl_message message = {.value = value, .value_bytes = 200000, .timestamp_ms = CASE_TIMESTAMP_MS};
    ck_assert_int_eq(dl_decode(large, &message, INT64_MAX, &event, detail), DL_REJECT_NOT_JSON);
    dl_decoder_destroy(large);
    free(value);
}
END_TEST

/* Cut anywhere, an event is never accepted, and the reason is what Python's
 * strict reader says too: bad_utf8 within a character, not_json elsewhere. */
START_TEST(test_cut_off_at_every_byte)
{
    static const char value[] =
        "{\"type\":\"survey\",\"touchpoint\":\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\",\"id\":\"\\ud83d\\ude00\\n\","
        "\"nps\":-1.5e+3,\"a\":[true,false,null,{\"b\":{}}],\"time\":\"2023-11-14T22:13:20Z\"}";
    size_t bytes = sizeof value - 1;
    for (size_t cut = 1; cut < bytes; cut++) {
        enum dl_reject expected = ((unsigned char)value[cut] & 0xC0) == 0x80 ? DL_REJECT_BAD_UTF8 : DL_REJECT_NOT_JSON;
        enum dl_reject reason = decode_bytes(value, cut);
        ck_assert_msg(reason == expected, "cut after %zu bytes: %s (%s)", cut, dl_reject_word(reason), detail);
    }
    ck_assert_int_eq(decode_bytes(value, bytes), DL_REJECT_OUT_OF_RANGE); /* whole, it is JSON with an nps of -1500 */
}
END_TEST

START_TEST(test_bytes_that_are_no_utf8)
{
    static const struct {
        const char *bytes;
        enum dl_reject reason;
    } rows[] = {
        {"\x7f", DL_ACCEPTED},         {"\xc2\x80", DL_ACCEPTED},         {"\xdf\xbf", DL_ACCEPTED},
        {"\xe0\xa0\x80", DL_ACCEPTED}, {"\xed\x9f\xbf", DL_ACCEPTED},     {"\xee\x80\x80", DL_ACCEPTED},
        {"\xef\xbf\xbf", DL_ACCEPTED}, {"\xf0\x90\x80\x80", DL_ACCEPTED}, {"\xf4\x8f\xbf\xbf", DL_ACCEPTED},
        {"\x80", DL_REJECT_BAD_UTF8}, /* a continuation alone */
        {"\xbf", DL_REJECT_BAD_UTF8},
        {"\xc0\x80", DL_REJECT_BAD_UTF8}, /* overlong */
        {"\xc1\xbf", DL_REJECT_BAD_UTF8},
        {"\xe0\x80\x80", DL_REJECT_BAD_UTF8},
        {"\xe0\x9f\xbf", DL_REJECT_BAD_UTF8},
        {"\xf0\x80\x80\x80", DL_REJECT_BAD_UTF8},
        {"\xf0\x8f\xbf\xbf", DL_REJECT_BAD_UTF8},
        {"\xed\xa0\x80", DL_REJECT_BAD_UTF8}, /* surrogates */
        {"\xed\xbf\xbf", DL_REJECT_BAD_UTF8},
        {"\xed\xa0\xbd\xed\xb8\x80", DL_REJECT_BAD_UTF8}, /* CESU-8 */
        {"\xf4\x90\x80\x80", DL_REJECT_BAD_UTF8},         /* beyond U+10FFFF */
        {"\xf5\x80\x80\x80", DL_REJECT_BAD_UTF8},
        {"\xf8\x88\x80\x80\x80", DL_REJECT_BAD_UTF8},
        {"\xfe", DL_REJECT_BAD_UTF8},
        {"\xff", DL_REJECT_BAD_UTF8},
        {"\xc3", DL_REJECT_BAD_UTF8}, /* cut short */
        {"\xc3z", DL_REJECT_BAD_UTF8},
        {"\xe2\x82", DL_REJECT_BAD_UTF8},
        {"\xe2\x28\xa1", DL_REJECT_BAD_UTF8},
        {"\xf0\x9f\x98", DL_REJECT_BAD_UTF8},
        {"\xf0\x28\x8c\xbc", DL_REJECT_BAD_UTF8},
        {"\xf0\x9f\x28\xbc", DL_REJECT_BAD_UTF8},
    };
    static const char *const places[] = {
        "{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"note\":\"%s\"}",
        "{\"type\":\"survey\",\"touchpoint\":\"%s\",\"nps\":9}",
        "{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"k%s\":{}}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t place = 0; place < sizeof places / sizeof places[0]; place++) {
            char value[160];
            const char *hole = strstr(places[place], "%s");
            int bytes = snprintf(value, sizeof value, "%.*s%s%s", (int)(hole - places[place]), places[place],
                                 rows[i].bytes, hole + 2);
            enum dl_reject reason = decode_bytes(value, (size_t)bytes);
            ck_assert_msg(reason == rows[i].reason, "row %zu, place %zu: %s (%s)", i, place, dl_reject_word(reason),
                          detail);
        }
    }
}
END_TEST

START_TEST(test_first_fault_in_byte_order)
{
    static const struct {
        const char *value;
        enum dl_reject reason;
        const char *detail;
    } rows[] = {
        {"{\"a\":\"\xff\",,}", DL_REJECT_BAD_UTF8, "byte 7: not UTF-8"},
        {"{\"a\":1,,\"\xff\":}", DL_REJECT_NOT_JSON, "byte 8: expected a key"},
        {"tr\xff", DL_REJECT_BAD_UTF8, "byte 3: not UTF-8"},
        {"tx\xff", DL_REJECT_NOT_JSON, "byte 2: expected a value"},
        {"{}\xff", DL_REJECT_BAD_UTF8, "byte 3: not UTF-8"},
        {"\xff{}", DL_REJECT_BAD_UTF8, "byte 1: not UTF-8"},
        {"\xfe\xff\x00{", DL_REJECT_BAD_UTF8, "byte 1: not UTF-8"}, /* UTF-16 */
        {"[1\xff]", DL_REJECT_BAD_UTF8, "byte 3: not UTF-8"},
        {"[1e\xff]", DL_REJECT_BAD_UTF8, "byte 4: not UTF-8"},
        {"[\"\\\xff\"]", DL_REJECT_BAD_UTF8, "byte 4: not UTF-8"},
        {"[\"\\u1\xff\"]", DL_REJECT_BAD_UTF8, "byte 6: not UTF-8"},
        {"[\"\\u1x\xff\"]", DL_REJECT_NOT_JSON, "byte 6: expected four hexadecimal digits"},
        {"{\"a\":1,\"a\":\"\xff\"}", DL_REJECT_DUPLICATE_KEY, "byte 10: duplicate key"},
        {"{\"a\":\"\xff\",\"a\":1}", DL_REJECT_BAD_UTF8, "byte 7: not UTF-8"},
        {"{\"a\":1,\"a\xff\":1,\"a\":2}", DL_REJECT_BAD_UTF8, "byte 10: not UTF-8"},
        {"[\"\\ud800\xff\"]", DL_REJECT_BAD_UTF8, "byte 3: a lone surrogate"},
        {"[\"\xff\\ud800\"]", DL_REJECT_BAD_UTF8, "byte 3: not UTF-8"},
        {"[\"\\u0000\n\"]", DL_REJECT_BAD_UTF8, "byte 3: U+0000"},
        {"[1e999,\"\xff\"]", DL_REJECT_OUT_OF_RANGE, "byte 6: a number beyond int64 or double"},
        {"[\"\xff\",1e999]", DL_REJECT_BAD_UTF8, "byte 3: not UTF-8"},
        {"[1", DL_REJECT_NOT_JSON, "byte 3: the text ends too early"},
        {"1 x", DL_REJECT_NOT_JSON, "byte 3: expected nothing after the value"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum dl_reject reason = decode(rows[i].value);
        ck_assert_msg(reason == rows[i].reason, "row %zu: %s (%s)", i, dl_reject_word(reason), detail);
        ck_assert_str_eq(detail, rows[i].detail);
    }
}
END_TEST

static int allocations_left;

static void *scarce_malloc(size_t bytes)
{
    return allocations_left-- > 0 ? malloc(bytes) : NULL;
}

/* The key's escape is not for the scanner. Without memory an event is not lost: it is refused, so that it becomes a dead letter. */
START_TEST(test_jansson_out_of_memory)
{
    static const char value[] = "{\"type\":\"survey\",\"touchpoint\":\"t\",\"\\u006eps\":9,\"csat\":5.0,\"note\":[\"a\",{\"b\":1}]}";
    json_set_alloc_funcs(scarce_malloc, free);
    int allocations = 0;
    for (;; allocations++) {
        allocations_left = allocations;
        if (decode(value) == DL_ACCEPTED)
            break;
        ck_assert_str_eq(detail, "the JSON library could not read it");
        ck_assert_int_lt(allocations, 1000);
    }
    ck_assert_int_gt(allocations, 10);
}
END_TEST

START_TEST(test_an_ordinary_event_needs_no_memory)
{
    json_set_alloc_funcs(scarce_malloc, free);
    allocations_left = 0;
    ck_assert_int_eq(decode("{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"note\":[\"a\",{\"b\":1}]}"), DL_ACCEPTED);
    ck_assert_int_eq(allocations_left, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bad_input");
    TCase *tcase = tcase_create("bad_input");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_twenty_megabytes);
    tcase_add_test(tcase, test_nested_100000_deep);
    tcase_add_test(tcase, test_cut_off_at_every_byte);
    tcase_add_test(tcase, test_bytes_that_are_no_utf8);
    tcase_add_test(tcase, test_first_fault_in_byte_order);
    tcase_add_test(tcase, test_jansson_out_of_memory);
    tcase_add_test(tcase, test_an_ordinary_event_needs_no_memory);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
