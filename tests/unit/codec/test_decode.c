/* What a record becomes: an event, or the first reason in DESIGN 4's order. */
#include "decoding.h"

#include "detail.h"

#include <delight/counter.h>

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

static int takes;

static void take_headers(struct dl_message *message)
{
    static const struct dl_header headers[] = {{"ce_specversion", "1.0", 3}, {"ce_type", "survey", 6}, {"ce_id", "h", 1}};
    takes++;
    message->headers = headers;
    message->header_count = 3;
}

START_TEST(test_headers_are_taken_when_they_matter)
{
    static const struct {
        const char *value;
        enum dl_reject reason;
        int takes;
    } rows[] = {
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"id\":\"i\",\"time\":1699999999000,\"nps\":9}", DL_ACCEPTED, 0},
        {"{\"type\":\"survey\",\"touchpoint\":\"\\u0074\",\"id\":\"i\",\"time\":1699999999000,\"nps\":9}", DL_ACCEPTED, 0},
        {"{\"touchpoint\":\"t\",\"id\":\"i\",\"time\":1699999999000,\"nps\":9}", DL_ACCEPTED, 1},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"time\":1699999999000,\"nps\":9}", DL_ACCEPTED, 1},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"id\":\"i\",\"nps\":9}", DL_ACCEPTED, 1},
        {"{\"touchpoint\":\"\\u0074\",\"nps\":9}", DL_ACCEPTED, 1}, /* by scanner and reference */
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"id\":\"i\",\"time\":1,\"nps\":9}", DL_REJECT_BAD_TIME, 1},
        {"{\"touchpoint\":\"t\",\"nps\":11}", DL_REJECT_OUT_OF_RANGE, 1}, /* by the scanner, which the reference knows */
        {"{\"touchpoint\":", DL_REJECT_NOT_JSON, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_message message = {.value = rows[i].value, .value_bytes = strlen(rows[i].value),
                                     .timestamp_ms = CASE_TIMESTAMP_MS, .take_headers = take_headers};
        takes = 0;
        ck_assert_int_eq(dl_decode(decoder, &message, INT64_MAX, &event, detail), rows[i].reason);
        ck_assert_msg(takes == rows[i].takes, "row %zu: taken %d times", i, takes);
    }
}
END_TEST

/* What lies in the message stays there while others are decoded; what does not is said. */
START_TEST(test_whether_names_lie_in_the_decoder)
{
    static const struct {
        const char *value;
        bool holds;
    } rows[] = {
        {"{\"id\":\"i-7\",\"type\":\"survey\",\"touchpoint\":\"t-1\",\"tier\":\"vip\",\"nps\":9}", false},
        {"{\"id\":\"i\\u002d7\",\"type\":\"survey\",\"touchpoint\":\"t-1\",\"tier\":\"vip\",\"nps\":9}", true},
        {"{\"id\":\"i-7\",\"type\":\"survey\",\"touchpoint\":\"t-1\",\"tier\":\"vip\",\"nps\":9,\"note\":\"a\\nb\"}", false},
        {"{\"id\":\"i-7\",\"type\":\"survey\",\"touchpoint\":\"t-1\",\"tier\":\"vip\",\"nps\":9,\"journey\":\"Tür zu\"}", false},
        {"{\"id\":\"i-7\",\"type\":\"survey\",\"touchpoint\":\"t-1\",\"tier\":\"vip\",\"nps\":90e-1}", true}, /* of the reference */
    };
    static const char other[] = "{\"id\":\"z-9\",\"type\":\"survey\",\"touchpoint\":\"z-9\",\"tier\":\"zzz\",\"nps\":1}";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_event first;
        const struct dl_message message = {.value = rows[i].value, .value_bytes = strlen(rows[i].value), .timestamp_ms = CASE_TIMESTAMP_MS};
        ck_assert_int_eq(dl_decode(decoder, &message, INT64_MAX, &first, detail), DL_ACCEPTED);
        assert_name(first.id, "i-7");
        ck_assert_msg(dl_decoder_holds_names(decoder) == rows[i].holds, "row %zu", i);
        if (rows[i].holds)
            continue;
        ck_assert_int_eq(decode(other), DL_ACCEPTED);
        assert_name(event.id, "z-9");
        assert_name(first.id, "i-7");
        assert_name(first.touchpoint, "t-1");
        assert_name(first.segment[1], "vip");
        ck_assert(first.journey.bytes == 0 || dl_name_equal(first.journey, dl_name_of("Tür zu")));
    }
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
    tcase_add_test(tcase, test_details);
    tcase_add_test(tcase, test_long_details_are_cut_between_characters);
    tcase_add_test(tcase, test_details_keep_people_out);
    tcase_add_test(tcase, test_catalogue);
    tcase_add_test(tcase, test_names_live_until_the_next_call);
    tcase_add_test(tcase, test_decoder_copies_its_segment_names);
    tcase_add_test(tcase, test_cloudevents_fill_in);
    tcase_add_test(tcase, test_whether_names_lie_in_the_decoder);
    tcase_add_test(tcase, test_header_bytes_that_are_no_utf8);
    tcase_add_test(tcase, test_headers_are_taken_when_they_matter);
    tcase_add_test(tcase, test_unknown_fields);
    tcase_add_test(tcase, test_a_rejected_event_leaves_nothing);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
