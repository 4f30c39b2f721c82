/* Scores and trends as JSON, read back by jansson. */
#include "codec.h"

#include <check.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>

static struct dl_text text;

static void setup(void)
{
    text = (struct dl_text){.data = NULL};
}

static void teardown(void)
{
    dl_text_deinit(&text);
}

static const struct dl_score_options score_options = {
    .csat_max = 5, .csat_top = 4, .service_level_formula = DL_SERVICE_LEVEL_4};

START_TEST(test_text_grows)
{
    for (int i = 0; i < 10000; i++)
        dl_text_printf(&text, "%d,", i % 10);
    ck_assert_uint_eq(text.bytes, 20000);
    ck_assert_uint_gt(text.capacity, text.bytes);
    ck_assert_str_eq(text.data + 19998, "9,");
    ck_assert_uint_eq(strlen(text.data), 20000);
    dl_text_clear(&text);
    dl_text_add(&text, "", 0);
    ck_assert_str_eq(text.data, "");
}
END_TEST

START_TEST(test_text_remembers_failure)
{
    dl_text_add(&text, "kept", 4);
    volatile size_t none_has = SIZE_MAX - 16; /* the compiler would warn of it */
    dl_text_add(&text, "", none_has);         /* no such memory: nothing is read */
    ck_assert(text.failed);
    dl_text_add(&text, "dropped", 7);
    dl_text_printf(&text, "%d", 7);
    ck_assert(text.failed);
    ck_assert_uint_eq(text.bytes, 4);
    dl_text_clear(&text);
    dl_text_add(&text, "again", 5);
    ck_assert(!text.failed);
    ck_assert_str_eq(text.data, "again");
}
END_TEST

START_TEST(test_strings_are_escaped)
{
    char all[0x80];
    for (int i = 1; i < 0x80; i++)
        all[i - 1] = (char)i;
    all[0x7F] = '\0';
    const char *const rows[] = {all, "", "\"", "\\", "caf\xc3\xa9 \xf0\x9f\x98\x80", "\n\r\t\b\f/", "end\x1f"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        dl_text_clear(&text);
        dl_text_add_json_string(&text, rows[i], strlen(rows[i]));
        for (size_t at = 0; at < text.bytes; at++)
            ck_assert_uint_ge((unsigned)(unsigned char)text.data[at], 0x20u);
        json_t *value = json_loadb(text.data, text.bytes, JSON_DECODE_ANY, NULL);
        ck_assert_msg(json_is_string(value), "%s", text.data);
        ck_assert_str_eq(json_string_value(value), rows[i]);
        json_decref(value);
    }
}
END_TEST

START_TEST(test_a_terminal_is_safe_from_any_bytes)
{
    static const struct {
        const char *given;
        size_t bytes;
        const char *printed;
    } rows[] = {
        {"plain \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 \"'", 18, "plain \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 \"'"},
        {"a\nb\tc\rd\\", 8, "a\\nb\\tc\\rd\\\\"},
        {"\x1b[31m\0\x7f", 7, "\\x1B[31m\\x00\\x7F"},
        {"\xc2\x9b\xc2\xa0", 4, "\\u{009B}\xc2\xa0"}, /* CSI as one character; beside it, a space */
        {"\xe2\x80\xae\xe2\x81\xa6\xef\xbb\xbf", 9, "\\u{202E}\\u{2066}\\u{FEFF}"},
        {"\xff\xc3", 2, "\\xFF\\xC3"},
        {"\xed\xa0\x80", 3, "\\xED\\xA0\\x80"},
        {"", 0, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        dl_text_clear(&text);
        dl_text_printf(&text, ">");
        dl_text_add_printable(&text, rows[i].given, rows[i].bytes);
        ck_assert_msg(strcmp(text.data + 1, rows[i].printed) == 0, "row %zu: %s", i, text.data);
    }
}
END_TEST

START_TEST(test_scores)
{
    struct dl_counts counts = {{0}};
    counts.count[DL_COUNT_EVENTS] = 6;
    counts.count[DL_COUNT_NPS + 3] = 1;
    counts.count[DL_COUNT_NPS + 8] = 2;
    counts.count[DL_COUNT_NPS + 9] = 3;
    counts.count[DL_COUNT_KANO + (int)DL_KANO_MUST_BE] = 1;
    struct dl_scores scores;
    dl_score(&scores, &counts, INT64_C(1700000000123), 3600000, &score_options);

    dl_json_scores(&text, &scores, false);
    static const char expected[] = "{\"as_of\":1700000000123,\"window_ms\":3600000,\"events\":6,\"nps_n\":6,\"nps\":33.3333,"
                                   "\"nps_low\":-26.7433,\"nps_high\":71.1877,\"promoters\":3,\"passives\":2,"
                                   "\"detractors\":1,\"kano_n\":1,";
    ck_assert_uint_gt(text.bytes, sizeof expected);
    ck_assert_int_eq(strncmp(text.data, expected, sizeof expected - 1), 0);
    ck_assert_ptr_nonnull(strstr(text.data, "\"kano_category\":\"must_be\","));
    ck_assert_ptr_null(strstr(text.data, "csat"));
    ck_assert_ptr_null(strstr(text.data, "null"));

    dl_text_clear(&text);
    dl_json_scores(&text, &scores, true);
    static const char as_time[] = "{\"as_of\":\"2023-11-14T22:13:20.123Z\",\"window_ms\":3600000,";
    ck_assert_int_eq(strncmp(text.data, as_time, sizeof as_time - 1), 0);
    json_t *object = json_loadb(text.data, text.bytes, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(object);
    size_t values = 0;
    for (int i = 0; i < DL_FIELDS; i++) {
        bool there = json_object_get(object, dl_fields[i].name) != NULL;
        ck_assert_int_eq(there, scores.value[i].kind != DL_VALUE_NONE);
        values += there;
    }
    ck_assert_uint_eq(json_object_size(object), values);
    json_decref(object);
}
END_TEST

static void add_event(struct dl_batch *batch, int64_t time_ms, const struct dl_event *answer)
{
    struct dl_event event = *answer;
    event.time_ms = time_ms;
    event.touchpoint = dl_name_of("desk");
    ck_assert_int_eq(dl_batch_add(batch, &event), DL_OK);
}

static const struct dl_event blank = {.type = DL_EVENT_SURVEY, .sign = 1, .nps = DL_ABSENT, .csat = DL_ABSENT,
                                      .ces = DL_ABSENT, .expectation = DL_ABSENT, .first_contact = DL_ABSENT,
                                      .resolvable = 1, .wait_ms = DL_ABSENT, .handle_ms = DL_ABSENT,
                                      .closed = DL_ABSENT, .satisfied = DL_ABSENT, .duration_ms = DL_ABSENT};

static json_int_t n_at(const json_t *trend, const char *measure, size_t pane)
{
    return json_integer_value(json_array_get(json_object_get(json_object_get(trend, measure), "n"), pane));
}

static const json_t *value_at(const json_t *trend, const char *measure, size_t pane)
{
    return json_array_get(json_object_get(json_object_get(trend, measure), "value"), pane);
}

static const char *answers_of(const struct dl_counts *counts, const struct dl_score_options *options)
{
    dl_text_clear(&text);
    dl_json_answers(&text, counts, options);
    return text.data;
}

START_TEST(test_answers)
{
    struct dl_counts counts = {{0}};
    struct dl_score_options options = score_options;
    ck_assert_str_eq(answers_of(&counts, &options), "{}");
    counts.count[DL_COUNT_NPS] = 1;
    counts.count[DL_COUNT_NPS + 10] = 3;
    counts.count[DL_COUNT_CSAT + 4] = 2;
    counts.count[DL_COUNT_CSAT + 9] = 7; /* of another scale */
    counts.count[DL_COUNT_CES + 6] = 5;
    counts.count[DL_COUNT_EXPECTATION] = 6;
    ck_assert_str_eq(answers_of(&counts, &options), "{\"nps\":[1,0,0,0,0,0,0,0,0,0,3],\"csat\":[0,0,0,0,2],"
                                                    "\"ces\":[0,0,0,0,0,0,5],\"expectation\":[6,0,0,0,0]}");
    options.csat_max = 10;
    options.csat_top = 9;
    options.privacy_min_n = 5; /* four answers are too few */
    ck_assert_str_eq(answers_of(&counts, &options), "{\"csat\":[0,0,0,0,2,0,0,0,0,7],"
                                                    "\"ces\":[0,0,0,0,0,0,5],\"expectation\":[6,0,0,0,0]}");
}
END_TEST

START_TEST(test_trend)
{
    enum { HOUR_MS = 3600000, MINUTE_MS = 60000 };
    const int64_t now_ms = INT64_C(1700000000000);
    struct dl_engine_options options = {.windows = 1, .window_ms = {HOUR_MS}, .subjects_max = 100,
                                        .touchpoints_max = 100, .stages_max = 100, .journeys_max = 100,
                                        .features_max = 100, .segment_values_max = 100};
    struct dl_batch_options batch_options = {
        .bytes_max = 1 << 20, .service_level_threshold_ms = 20000, .short_abandon_ms = 5000};
    struct dl_engine *engine = dl_engine_create(&options);
    struct dl_batch *batch = dl_batch_create(&batch_options, now_ms);
    struct dl_event promoter = blank, detractor = blank, contact = blank;
    promoter.nps = 10;
    detractor.nps = 0;
    contact.type = DL_EVENT_CONTACT;
    add_event(batch, now_ms, &promoter);
    add_event(batch, now_ms, &promoter);
    add_event(batch, now_ms, &detractor);
    add_event(batch, now_ms - 9 * MINUTE_MS, &detractor);
    detractor.sign = -1; /* a retraction without its event: counts below 0 are shown */
    add_event(batch, now_ms - 59 * MINUTE_MS, &detractor);
    add_event(batch, now_ms - 30 * MINUTE_MS, &contact);
    ck_assert_int_eq(dl_engine_advance(engine, now_ms), DL_OK);
    ck_assert_int_eq(dl_engine_apply(engine, batch), DL_OK);

    const int measures[] = {DL_FIELD_csat, DL_FIELD_nps};
    int64_t id = dl_engine_find(engine, "touchpoint:desk", strlen("touchpoint:desk"));
    ck_assert_int_ge(id, 0);
    ck_assert_int_eq(dl_json_trend(&text, engine, id, 0, HOUR_MS, measures, 2, &score_options), DL_OK);
    json_t *trend = json_loadb(text.data, text.bytes, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(json_is_object(trend), "%s", text.data);

    ck_assert_int_eq(json_integer_value(json_object_get(trend, "window_ms")), HOUR_MS);
    ck_assert_int_eq(json_integer_value(json_object_get(trend, "pane_ms")), MINUTE_MS);
    const json_t *start = json_object_get(trend, "start");
    ck_assert_uint_eq(json_array_size(start), DL_PANES);
    for (size_t pane = 0; pane < DL_PANES; pane++)
        ck_assert_int_eq(json_integer_value(json_array_get(start, pane)),
                         (now_ms / MINUTE_MS - 59 + (int64_t)pane) * MINUTE_MS);
    ck_assert_ptr_null(json_object_get(trend, "csat")); /* nobody answered it */
    ck_assert_uint_eq(json_array_size(json_object_get(json_object_get(trend, "nps"), "value")), DL_PANES);
    ck_assert_uint_eq(json_array_size(json_object_get(json_object_get(trend, "nps"), "n")), DL_PANES);
    for (size_t pane = 0; pane < DL_PANES; pane++) {
        json_int_t n = pane == 59 ? 3 : pane == 50 ? 1 : pane == 0 ? -1 : 0;
        ck_assert_int_eq(n_at(trend, "nps", pane), n);
        ck_assert_int_eq(json_is_null(value_at(trend, "nps", pane)), n <= 0);
    }
    ck_assert_ptr_nonnull(strstr(text.data, ",33.3333],\"n\":[-1,0,"));
    ck_assert_double_eq(json_real_value(value_at(trend, "nps", 50)), -100.0);
    json_decref(trend);

    struct dl_trend_halves halves[2];
    dl_json_trend_halves(text.data, text.bytes, measures, 2, halves);
    ck_assert(!halves[0].known);
    ck_assert(!halves[1].known); /* of the earlier half nothing but a retraction */
    static const char given[] = "{\"nps\":{\"value\":[10.0000,null,40.0000],\"n\":[1,0,2]},\"csat\":{\"value\":3,\"n\":[]}}";
    char moved[2000];
    int length = snprintf(moved, sizeof moved, "{\"nps\":{\"value\":[10.0000,40.0000");
    for (int pane = 2; pane < DL_PANES; pane++)
        length += snprintf(moved + length, sizeof moved - (size_t)length, ",%s", pane == 59 ? "-5.0000" : "null");
    length += snprintf(moved + length, sizeof moved - (size_t)length, "],\"n\":[1,2");
    for (int pane = 2; pane < DL_PANES; pane++)
        length += snprintf(moved + length, sizeof moved - (size_t)length, ",%d", pane == 59);
    length += snprintf(moved + length, sizeof moved - (size_t)length, "]}}");
    dl_json_trend_halves(moved, (size_t)length, measures, 2, halves);
    ck_assert(halves[1].known && !halves[0].known);
    ck_assert_double_eq(halves[1].earlier, 30.0);
    ck_assert_double_eq(halves[1].later, -5.0);
    dl_json_trend_halves(given, sizeof given - 1, measures, 2, halves);
    ck_assert(!halves[0].known && !halves[1].known); /* not 60 panes */
    dl_json_trend_halves("[", 1, measures, 2, halves);
    ck_assert(!halves[0].known && !halves[1].known);
    dl_batch_destroy(batch);
    dl_engine_destroy(engine);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_out");
    TCase *tcase = tcase_create("json_out");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_text_grows);
    tcase_add_test(tcase, test_text_remembers_failure);
    tcase_add_test(tcase, test_strings_are_escaped);
    tcase_add_test(tcase, test_a_terminal_is_safe_from_any_bytes);
    tcase_add_test(tcase, test_scores);
    tcase_add_test(tcase, test_answers);
    tcase_add_test(tcase, test_trend);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
