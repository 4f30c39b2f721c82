/* What a record becomes: an event, or the first reason in DESIGN 4's order. */
#include "cases.h"

#include "detail.h"

#include <delight/counter.h>
#include <delight/time.h>

static struct dl_decoder *decoder;
static struct dl_event event;
static char detail[DL_DETAIL_SIZE];

static void setup(void)
{
    struct dl_decode_options options = case_options(5);
    decoder = dl_decoder_create(&options);
    ck_assert_ptr_nonnull(decoder);
}

static void teardown(void)
{
    dl_decoder_destroy(decoder);
}

static enum dl_reject decode_bytes(const char *value, size_t bytes)
{
    /* A copy of its exact size, so that the sanitizer sees a read past the end. */
    char *copy = malloc(bytes > 0 ? bytes : 1);
    memcpy(copy, value, bytes);
    struct dl_message message = {.value = copy, .value_bytes = bytes, .timestamp_ms = CASE_TIMESTAMP_MS};
    memset(detail, 'x', sizeof detail);
    enum dl_reject reason = dl_decode(decoder, &message, INT64_MAX, &event, detail);
    free(copy);
    ck_assert_ptr_nonnull(memchr(detail, '\0', sizeof detail));
    ck_assert((reason == DL_ACCEPTED) == (detail[0] == '\0'));
    return reason;
}

static enum dl_reject decode(const char *value)
{
    return decode_bytes(value, strlen(value));
}

#define assert_name(name, text) ck_assert(dl_name_equal((name), dl_name_of(text)))

START_TEST(test_every_case_of_the_table)
{
    FILE *file = test_cases_open();
    char *line = NULL;
    size_t size = 0;
    int rows = 0;
    bool seen[DL_REJECTS] = {false};
    while (getline(&line, &size, file) > 0) {
        struct test_case test_case;
        test_case_init(&test_case, line);
        struct dl_decode_options options = case_options(test_case.csat_max);
        struct dl_decoder *own = dl_decoder_create(&options);
        enum dl_reject reason = dl_decode(own, &test_case.message, test_case.now_ms, &event, detail);
        ck_assert_msg(strcmp(dl_reject_word(reason), test_case.reason) == 0, "line %d: %s (%s), not as %s", rows + 1,
                      dl_reject_word(reason), detail, line);
        ck_assert((reason == DL_ACCEPTED) == (detail[0] == '\0'));
        seen[reason] = true;
        rows++;
        dl_decoder_destroy(own);
        test_case_deinit(&test_case);
    }
    free(line);
    fclose(file);
    ck_assert_int_gt(rows, 500);
    for (int reason = 0; reason < DL_REJECTS; reason++) {
        bool elsewhere = reason == DL_REJECT_EMPTY || reason == DL_REJECT_TOO_LARGE ||
                         reason == DL_REJECT_UNKNOWN_TOUCHPOINT;
        ck_assert_msg(seen[reason] || elsewhere, "no row ends as %s", dl_reject_word((enum dl_reject)reason));
    }
}
END_TEST

START_TEST(test_survey_is_read_whole)
{
    ck_assert_int_eq(decode("{\"type\":\"survey\",\"touchpoint\":\"checkout\",\"id\":\"s-1\",\"time\":\"2023-11-14T23:00:00."
                            "1239+01:00\",\"stage\":\"pay\",\"journey\":\"buy\",\"customer\":\"c\",\"tier\":\"vip\","
                            "\"nps\":10,\"csat\":4,\"ces\":7.0,\"expectation\":5e0,\"kano\":["
                            "{\"feature\":\"express\",\"functional\":1,\"dysfunctional\":5},"
                            "{\"feature\":\"gift\",\"functional\":1,\"dysfunctional\":2}]}"),
                     DL_ACCEPTED);
    ck_assert_int_eq(event.type, DL_EVENT_SURVEY);
    ck_assert_int_eq(event.sign, 1);
    ck_assert_int_eq(event.time_ms, INT64_C(1699999200123));
    assert_name(event.id, "s-1");
    assert_name(event.touchpoint, "checkout");
    assert_name(event.stage, "pay");
    assert_name(event.journey, "buy");
    ck_assert_uint_eq(event.segment[0].bytes, 0);
    assert_name(event.segment[1], "vip");
    ck_assert_int_eq(event.nps, 10);
    ck_assert_int_eq(event.csat, 4);
    ck_assert_int_eq(event.ces, 7);
    ck_assert_int_eq(event.expectation, 5);
    ck_assert_int_eq(event.kano_count, 2);
    assert_name(event.kano[0].feature, "express");
    ck_assert_int_eq(event.kano[0].category, DL_KANO_ONE_DIMENSIONAL);
    assert_name(event.kano[1].feature, "gift");
    ck_assert_int_eq(event.kano[1].category, DL_KANO_ATTRACTIVE);
}
END_TEST

START_TEST(test_absent_is_absent)
{
    ck_assert_int_eq(decode("{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":0}"), DL_ACCEPTED);
    ck_assert_int_eq(event.time_ms, CASE_TIMESTAMP_MS);
    ck_assert_int_eq(event.nps, 0);
    ck_assert_int_eq(event.csat, DL_ABSENT);
    ck_assert_int_eq(event.ces, DL_ABSENT);
    ck_assert_int_eq(event.expectation, DL_ABSENT);
    ck_assert_int_eq(event.kano_count, 0);
    ck_assert_uint_eq(event.id.bytes + event.stage.bytes + event.journey.bytes + event.segment[0].bytes, 0);

    ck_assert_int_eq(decode("{\"type\":\"contact\",\"touchpoint\":\"t\"}"), DL_ACCEPTED);
    ck_assert_int_eq(event.type, DL_EVENT_CONTACT);
    ck_assert_int_eq(event.outcome, DL_OUTCOME_NONE);
    ck_assert_int_eq(event.wait_ms, DL_ABSENT);
    ck_assert_int_eq(event.handle_ms, DL_ABSENT);
    ck_assert_int_eq(event.first_contact, DL_ABSENT);
    ck_assert_int_eq(event.resolvable, 1);
    ck_assert_int_eq(event.nps, DL_ABSENT);
}
END_TEST

START_TEST(test_contact_is_read_whole)
{
    ck_assert_int_eq(decode("{\"type\":\"contact\",\"touchpoint\":\"t\",\"outcome\":\"abandoned\",\"wait_ms\":31536000000,"
                            "\"handle_ms\":0,\"first_contact\":false,\"resolvable\":false,\"op\":\"retract\","
                            "\"time\":1699999999999}"),
                     DL_ACCEPTED);
    ck_assert_int_eq(event.sign, -1);
    ck_assert_int_eq(event.time_ms, INT64_C(1699999999999));
    ck_assert_int_eq(event.outcome, DL_OUTCOME_ABANDONED);
    ck_assert_int_eq(event.wait_ms, INT64_C(31536000000));
    ck_assert_int_eq(event.handle_ms, 0);
    ck_assert_int_eq(event.first_contact, 0);
    ck_assert_int_eq(event.resolvable, 0);
    ck_assert_int_eq(decode("{\"type\":\"contact\",\"touchpoint\":\"t\",\"outcome\":\"answered\",\"first_contact\":true}"),
                     DL_ACCEPTED);
    ck_assert_int_eq(event.outcome, DL_OUTCOME_ANSWERED);
    ck_assert_int_eq(event.first_contact, 1);
}
END_TEST

START_TEST(test_complaint_is_read_whole)
{
    ck_assert_int_eq(decode("{\"type\":\"complaint\",\"touchpoint\":\"t\",\"state\":\"closed\",\"satisfied\":true,"
                            "\"duration_ms\":86400000}"),
                     DL_ACCEPTED);
    ck_assert_int_eq(event.closed, 1);
    ck_assert_int_eq(event.satisfied, 1);
    ck_assert_int_eq(event.duration_ms, 86400000);
    ck_assert_int_eq(decode("{\"type\":\"complaint\",\"touchpoint\":\"t\",\"state\":\"opened\",\"satisfied\":true,"
                            "\"duration_ms\":1}"),
                     DL_ACCEPTED);
    ck_assert_int_eq(event.closed, 0);
    ck_assert_int_eq(event.satisfied, DL_ABSENT); /* ignored unread on opened */
    ck_assert_int_eq(event.duration_ms, DL_ABSENT);
}
END_TEST

START_TEST(test_every_kano_pair)
{
    for (int functional = 1; functional <= 5; functional++) {
        for (int dysfunctional = 1; dysfunctional <= 5; dysfunctional++) {
            char value[160];
            snprintf(value, sizeof value,
                     "{\"type\":\"survey\",\"touchpoint\":\"t\",\"kano\":{\"feature\":\"f\",\"functional\":%d,"
                     "\"dysfunctional\":%d}}",
                     functional, dysfunctional);
            ck_assert_int_eq(decode(value), DL_ACCEPTED);
            ck_assert_int_eq(event.kano[0].category, dl_kano_category(functional, dysfunctional));
        }
    }
}
END_TEST

START_TEST(test_without_a_value)
{
    struct dl_message tombstone = {.value = NULL, .timestamp_ms = CASE_TIMESTAMP_MS};
    ck_assert_int_eq(dl_decode(decoder, &tombstone, INT64_MAX, &event, detail), DL_REJECT_EMPTY);
    ck_assert_int_eq(decode(""), DL_REJECT_EMPTY);
}
END_TEST

START_TEST(test_size_limit)
{
    static const char head[] = "{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"note\":\"";
    enum { LIMIT = 65536 };
    char *value = malloc(LIMIT + 1);
    memset(value, 'x', LIMIT + 1);
    memcpy(value, head, sizeof head - 1);
    memcpy(value + LIMIT - 2, "\"}", 2);
    ck_assert_int_eq(decode_bytes(value, LIMIT), DL_ACCEPTED);
    ck_assert_int_eq(decode_bytes(value, LIMIT + 1), DL_REJECT_TOO_LARGE);
    ck_assert_str_eq(detail, "65537 bytes, at most 65536");
    free(value);
}
END_TEST

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

START_TEST(test_details)
{
    static const char *const rows[][2] = {
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":11}", "nps: 11 is outside 0..10"},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":7.5}", "nps: 7.5 is not an integer"},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":\"9\"}", "nps: expected an integer, not a string"},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":1e300}", "nps: 1e+300 is outside 0..10"},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"kano\":[{\"feature\":\"f\",\"functional\":6}]}",
         "kano[0].functional: 6 is outside 1..5"},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"kano\":[7]}", "kano[0]: expected an object"},
        {"{\"type\":\"visit\\n\\u009b1m\"}", "type: \"visit???1m\" is not survey, contact or complaint"},
        {"{\"type\":\"0123456789012345678901234567890\xc3\xa9\"}",
         "type: \"0123456789012345678901234567890\" is not survey, contact or complaint"},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"wait_ms\":-1}", "wait_ms: -1 is outside 0..31536000000"},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"tier\":true}", "tier: expected a string, not a boolean"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_ne(decode(rows[i][0]), DL_ACCEPTED);
        ck_assert_str_eq(detail, rows[i][1]);
    }
}
END_TEST

START_TEST(test_long_details_are_cut_between_characters)
{
    char sentence[400];
    for (size_t ahead = 0; ahead < 4; ahead++) {
        memset(sentence, 'a', ahead);
        for (size_t at = ahead; at < 300; at += 4)
            memcpy(sentence + at, "\xf0\x9f\x98\x80", 5);
        ck_assert_int_eq(dl_refuse(detail, DL_REJECT_NO_ANSWER, "%s", sentence), DL_REJECT_NO_ANSWER);
        ck_assert_uint_eq(strlen(detail), ahead + (DL_DETAIL_SIZE - 1 - ahead) / 4 * 4);
        ck_assert_int_eq(memcmp(detail, sentence, strlen(detail)), 0);
    }
    dl_refuse(detail, DL_REJECT_NO_ANSWER, "%s", "\x80" "a\xc3 \xc2\x9f\xc2\xa0\x1b\x7f");
    ck_assert_str_eq(detail, "?a? ??\xc2\xa0??");
}
END_TEST

START_TEST(test_details_keep_people_out)
{
    static const char *const rows[] = {
        "{\"type\":\"survey\",\"touchpoint\":\"t\",\"customer\":\"SECRET\",\"id\":\"SECRET\",\"nps\":11}",
        "{\"type\":\"survey\",\"touchpoint\":\"t\",\"customer\":[\"SECRET\"]}",
        "{\"type\":\"survey\",\"touchpoint\":\"t\",\"id\":{\"SECRET\":1}}",
        "{\"type\":\"survey\",\"touchpoint\":\"t\",\"customer\":\"SECRET",
        "{\"customer\":\"SECRET\",\"customer\":\"SECRET\"}",
        "{\"customer\":\"SECRET\"",
        "\"SECRET\"",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_ne(decode(rows[i]), DL_ACCEPTED);
        ck_assert_ptr_null(strstr(detail, "SECRET"));
    }
}
END_TEST

START_TEST(test_catalogue)
{
    struct dl_catalogue *catalogue = dl_catalogue_create(DL_UNKNOWN_DEADLETTER);
    ck_assert_int_eq(dl_catalogue_add(catalogue, dl_name_of("fly"), dl_name_of("check-in"), dl_name_of("kiosk")), DL_OK);
    struct dl_decode_options options = case_options(5);
    options.catalogue = catalogue;
    dl_decoder_destroy(decoder);
    decoder = dl_decoder_create(&options);

    ck_assert_int_eq(decode("{\"type\":\"contact\",\"touchpoint\":\"kiosk\"}"), DL_ACCEPTED);
    assert_name(event.stage, "check-in");
    assert_name(event.journey, "fly");
    ck_assert_int_eq(decode("{\"type\":\"contact\",\"touchpoint\":\"des\\u0007k\"}"), DL_REJECT_UNKNOWN_TOUCHPOINT);
    ck_assert_str_eq(detail, "touchpoint: \"des?k\" is not in the catalogue");
    /* After every field, before no_answer. */
    ck_assert_int_eq(decode("{\"type\":\"survey\",\"touchpoint\":\"desk\",\"nps\":11}"), DL_REJECT_OUT_OF_RANGE);
    ck_assert_int_eq(decode("{\"type\":\"survey\",\"touchpoint\":\"desk\"}"), DL_REJECT_UNKNOWN_TOUCHPOINT);
    ck_assert_int_eq(decode("{\"type\":\"survey\",\"touchpoint\":\"kiosk\"}"), DL_REJECT_NO_ANSWER);
    dl_catalogue_destroy(catalogue);
}
END_TEST

START_TEST(test_names_live_until_the_next_call)
{
    ck_assert_int_eq(decode("{\"type\":\"contact\",\"touchpoint\":\"t\\u0031\",\"tier\":\"vip\"}"), DL_ACCEPTED);
    /* The message is gone already; looking for unknown fields must not touch them either. */
    static const char other[] = "{\"type\":\"contact\",\"touchpoint\":\"other\"}";
    struct dl_message message = {.value = other, .value_bytes = sizeof other - 1, .timestamp_ms = CASE_TIMESTAMP_MS};
    dl_decode_unknown_fields(decoder, &message, NULL, NULL);
    assert_name(event.touchpoint, "t1");
    assert_name(event.segment[1], "vip");
}
END_TEST

START_TEST(test_decoder_copies_its_segment_names)
{
    char name[] = "region";
    struct dl_decode_options options = case_options(5);
    options.segments = 1;
    options.segment[0] = (struct dl_name){.data = name, .bytes = 6};
    dl_decoder_destroy(decoder);
    decoder = dl_decoder_create(&options);
    memset(name, 'x', sizeof name);
    ck_assert_int_eq(decode("{\"type\":\"contact\",\"touchpoint\":\"t\",\"region\":\"north\"}"), DL_ACCEPTED);
    assert_name(event.segment[0], "north");
}
END_TEST

START_TEST(test_cloudevents_fill_in)
{
    static const char structured[] = "{\"specversion\":\"1.0\",\"type\":\"com.acme.contact\",\"id\":\"ce\",\"source\":\"/s\","
                                     "\"time\":\"2023-11-14T22:00:00Z\",\"data\":{\"touchpoint\":\"t\"}}";
    const struct dl_header as_json[] = {{"content-type", "application/cloudevents+json", 28}};
    struct dl_message message = {.value = structured, .value_bytes = sizeof structured - 1,
                                 .timestamp_ms = CASE_TIMESTAMP_MS, .headers = as_json, .header_count = 1};
    ck_assert_int_eq(dl_decode(decoder, &message, INT64_MAX, &event, detail), DL_ACCEPTED);
    ck_assert_int_eq(event.type, DL_EVENT_CONTACT);
    assert_name(event.id, "ce");
    ck_assert_int_eq(event.time_ms, INT64_C(1699999200000));

    /* Header values are not NUL-terminated; the last of a name counts. */
    static const char binary[] = "{\"touchpoint\":\"t\",\"nps\":9}";
    const struct dl_header headers[] = {{"ce_specversion", "0.3", 3}, {"ce_specversion", "1.0x", 3},
                                        {"ce_type", "com.acme.surveyx", 15}, {"ce_id", "bin\xc3\xa9x", 5},
                                        {"ce_time", "2023-11-14T22:00:00Zx", 20}};
    message = (struct dl_message){.value = binary, .value_bytes = sizeof binary - 1,
                                  .timestamp_ms = CASE_TIMESTAMP_MS, .headers = headers, .header_count = 5};
    ck_assert_int_eq(dl_decode(decoder, &message, INT64_MAX, &event, detail), DL_ACCEPTED);
    ck_assert_int_eq(event.type, DL_EVENT_SURVEY);
    assert_name(event.id, "bin\xc3\xa9");
    ck_assert_int_eq(event.time_ms, INT64_C(1699999200000));
}
END_TEST

START_TEST(test_header_bytes_that_are_no_utf8)
{
    static const char value[] = "{\"touchpoint\":\"t\",\"nps\":9}";
    struct dl_header headers[] = {{"ce_specversion", "1.0", 3}, {"ce_type", "survey", 6}, {"ce_id", "\xff", 1}};
    struct dl_message message = {.value = value, .value_bytes = sizeof value - 1, .timestamp_ms = CASE_TIMESTAMP_MS,
                                 .headers = headers, .header_count = 3};
    ck_assert_int_eq(dl_decode(decoder, &message, INT64_MAX, &event, detail), DL_REJECT_BAD_UTF8);
    headers[2] = (struct dl_header){"ce_id", "a\0b", 3};
    ck_assert_int_eq(dl_decode(decoder, &message, INT64_MAX, &event, detail), DL_REJECT_BAD_UTF8);
    headers[2] = (struct dl_header){"ce_id", "", 0};
    ck_assert_int_eq(dl_decode(decoder, &message, INT64_MAX, &event, detail), DL_ACCEPTED);
    ck_assert_uint_eq(event.id.bytes, 0);
}
END_TEST

struct unknown {
    char names[256];
};

static void on_unknown(void *context, struct dl_name field)
{
    struct unknown *unknown = context;
    size_t bytes = strlen(unknown->names);
    snprintf(unknown->names + bytes, sizeof unknown->names - bytes, "%.*s ", (int)field.bytes, field.data);
}

START_TEST(test_unknown_fields)
{
    static const struct {
        const char *value;
        bool structured;
        const char *unknown;
    } rows[] = {
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"id\":\"i\",\"time\":1,\"stage\":\"\",\"journey\":\"\",\"customer\":\"\","
         "\"channel\":\"\",\"tier\":\"\",\"op\":\"add\",\"nps\":9,\"csat\":1,\"ces\":1,\"expectation\":1,\"kano\":[],"
         "\"outcome\":1,\"wait_ms\":1,\"handle_ms\":1,\"first_contact\":1,\"resolvable\":1,\"state\":1,\"satisfied\":1,"
         "\"duration_ms\":1}",
         false, ""},
        {"{\"nsp\":9,\"type\":\"survey\",\"region\":\"north\",\"Tier\":null,\"kano\":{\"note\":1}}", false, "nsp region Tier "},
        {"{\"specversion\":\"1.0\",\"source\":\"/s\",\"data\":{\"nps\":9,\"rating\":1}}", true, "rating "},
        {"{\"specversion\":\"1.0\"}", true, ""},
        {"{\"broken\":1", false, ""},
        {"[]", false, ""},
    };
    const struct dl_header as_json[] = {{"content-type", "application/cloudevents+json", 28}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_message message = {.value = rows[i].value, .value_bytes = strlen(rows[i].value), .timestamp_ms = -1,
                                     .headers = as_json, .header_count = rows[i].structured};
        struct unknown unknown = {""};
        dl_decode_unknown_fields(decoder, &message, on_unknown, &unknown);
        ck_assert_str_eq(unknown.names, rows[i].unknown);
    }
}
END_TEST

START_TEST(test_a_rejected_event_leaves_nothing)
{
    /* A decoder goes on as if the bad one had not been there. */
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(decode("{\"type\":\"contact\",\"touchpoint\":\"t\",\"outcome\":\"answered\",\"op\":\"x\"}"),
                         DL_REJECT_OUT_OF_RANGE);
        ck_assert_int_eq(decode("{\"type\":\"contact\",\"touchpoint\":\"t\"}"), DL_ACCEPTED);
        ck_assert_int_eq(event.outcome, DL_OUTCOME_NONE);
        ck_assert_int_eq(event.sign, 1);
    }
}
END_TEST

static int allocations_left;

static void *scarce_malloc(size_t bytes)
{
    return allocations_left-- > 0 ? malloc(bytes) : NULL;
}

/* Without memory an event is not lost: it is refused, so that it becomes a dead letter. */
START_TEST(test_jansson_out_of_memory)
{
    static const char value[] = "{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"csat\":5.0,\"note\":[\"a\",{\"b\":1}]}";
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

int main(void)
{
    Suite *suite = suite_create("decode");
    TCase *tcase = tcase_create("decode");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_every_case_of_the_table);
    tcase_add_test(tcase, test_survey_is_read_whole);
    tcase_add_test(tcase, test_absent_is_absent);
    tcase_add_test(tcase, test_contact_is_read_whole);
    tcase_add_test(tcase, test_complaint_is_read_whole);
    tcase_add_test(tcase, test_every_kano_pair);
    tcase_add_test(tcase, test_without_a_value);
    tcase_add_test(tcase, test_size_limit);
    tcase_add_test(tcase, test_twenty_megabytes);
    tcase_add_test(tcase, test_nested_100000_deep);
    tcase_add_test(tcase, test_cut_off_at_every_byte);
    tcase_add_test(tcase, test_bytes_that_are_no_utf8);
    tcase_add_test(tcase, test_first_fault_in_byte_order);
    tcase_add_test(tcase, test_details);
    tcase_add_test(tcase, test_long_details_are_cut_between_characters);
    tcase_add_test(tcase, test_details_keep_people_out);
    tcase_add_test(tcase, test_catalogue);
    tcase_add_test(tcase, test_names_live_until_the_next_call);
    tcase_add_test(tcase, test_decoder_copies_its_segment_names);
    tcase_add_test(tcase, test_cloudevents_fill_in);
    tcase_add_test(tcase, test_header_bytes_that_are_no_utf8);
    tcase_add_test(tcase, test_unknown_fields);
    tcase_add_test(tcase, test_a_rejected_event_leaves_nothing);
    tcase_add_test(tcase, test_jansson_out_of_memory);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
