/* The scanner, by each set of instructions, against the reference: the same reason, the
 * same detail, the same event. And that ordinary events do not reach the reference. */
#include "cases.h"

#include <guarded.h>
#include "masks.h"
#include "same_event.h"
#include "scan.h"

#include <delight/time.h>

enum { REFERENCE = DL_INSTRUCTION_SETS, TEXT_BYTES_MAX = 70000, SEGMENTS = 4 };

/* Those that this machine has, and the reference; NULL: it has not. */
static struct dl_decoder *decoders[DL_INSTRUCTION_SETS + 1];
static struct dl_catalogue *catalogue;
static struct guarded guarded;

static void create_decoders(const struct dl_decode_options *options)
{
    for (int i = 0; i <= DL_INSTRUCTION_SETS; i++) {
        decoders[i] = dl_decoder_create(options);
        ck_assert_ptr_nonnull(decoders[i]);
        if (!dl_decoder_scan_by(decoders[i], (enum dl_instructions)i)) {
            ck_assert_int_ne(i, DL_PORTABLE);
            dl_decoder_destroy(decoders[i]);
            decoders[i] = NULL;
        }
    }
}

static void destroy_decoders(void)
{
    for (int i = 0; i <= DL_INSTRUCTION_SETS; i++)
        dl_decoder_destroy(decoders[i]);
}

static struct dl_decode_options scan_options(int csat_max)
{
    struct dl_decode_options options = case_options(csat_max);
    options.segments = SEGMENTS;
    options.segment[2] = dl_name_of("touchpoint_region"); /* begins like another field; longer than a pattern */
    options.segment[3] = dl_name_of("touchpoint_region_code");
    return options;
}

static void setup(void)
{
    struct dl_decode_options options = scan_options(5);
    create_decoders(&options);
    guarded = guarded_create(TEXT_BYTES_MAX);
}

static void teardown(void)
{
    destroy_decoders();
    guarded_destroy(&guarded);
    dl_catalogue_destroy(catalogue);
    catalogue = NULL;
}

/* Asserts that all read it alike, flush against either guard; whether the scanners took it, which they all do or none. */
static bool read_alike(const struct dl_message *message, int64_t now_ms, enum dl_reject *reason)
{
    struct dl_event expected;
    char expected_detail[DL_DETAIL_SIZE];
    *reason = dl_decode(decoders[REFERENCE], message, now_ms, &expected, expected_detail);
    ck_assert_int_eq(dl_decoder_scanned(decoders[REFERENCE]), 0);
    int taken = -1;
    for (int i = 0; i < DL_INSTRUCTION_SETS; i++) {
        for (int at_end = 0; decoders[i] != NULL && at_end < 2; at_end++) {
            struct dl_message placed = *message;
            if (message->value != NULL)
                placed.value = guarded_place(&guarded, message->value, message->value_bytes, at_end == 1);
            int64_t before = dl_decoder_scanned(decoders[i]);
            struct dl_event event;
            char detail[DL_DETAIL_SIZE];
            enum dl_reject found = dl_decode(decoders[i], &placed, now_ms, &event, detail);
            int bytes = (int)message->value_bytes;
            ck_assert_msg(found == *reason, "%d: %s, not %s (%s): %.*s", i, dl_reject_word(found), dl_reject_word(*reason),
                          expected_detail, bytes, message->value);
            ck_assert_msg(strcmp(detail, expected_detail) == 0, "%d: %s, not %s: %.*s", i, detail, expected_detail, bytes,
                          message->value);
            ck_assert_msg(found != DL_ACCEPTED || same_event(&event, &expected, SEGMENTS), "%d: another event: %.*s", i, bytes,
                          message->value);
            int64_t now_taken = dl_decoder_scanned(decoders[i]) - before;
            ck_assert(taken < 0 || now_taken == taken);
            taken = (int)now_taken;
        }
    }
    return taken == 1;
}

static bool text_read_alike(const char *text, size_t bytes, enum dl_reject *reason)
{
    const struct dl_message message = {.value = text, .value_bytes = bytes, .timestamp_ms = CASE_TIMESTAMP_MS};
    return read_alike(&message, INT64_MAX, reason);
}

START_TEST(test_every_case_of_the_table)
{
    FILE *file = test_cases_open();
    char *line = NULL;
    size_t size = 0;
    int accepted = 0, taken = 0;
    while (getline(&line, &size, file) > 0) {
        struct test_case test_case;
        test_case_init(&test_case, line);
        destroy_decoders();
        struct dl_decode_options options = scan_options(test_case.csat_max);
        create_decoders(&options);
        enum dl_reject reason;
        taken += read_alike(&test_case.message, test_case.now_ms, &reason);
        accepted += reason == DL_ACCEPTED;
        ck_assert_str_eq(dl_reject_word(reason), test_case.reason);
        test_case_deinit(&test_case);
    }
    free(line);
    fclose(file);
    /* The others are structured CloudEvents, and what is deep or has many keys. */
    ck_assert_msg(accepted >= 130 && taken >= accepted * 3 / 4, "of %d accepted cases the scanner takes %d", accepted, taken);
}
END_TEST

/* What producers send every day: none of it may fall back. */
static const char *const ordinary[] = {
    "{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9}",
    "{\"type\":\"survey\",\"id\":\"ld1-0000000001\",\"time\":1699999990000,\"touchpoint\":\"search\",\"stage\":\"discover\","
    "\"journey\":\"shop\",\"channel\":\"app\",\"tier\":\"plus\",\"nps\":6,\"ces\":6,\"expectation\":4,\"note\":\"dqgitcc a "
    "wtltcmnt nfibytgtno nh dnrl veuayi kdpoccl de e skyyaf sjjbbodjntattobabvlicek cc t pmmok ot oknpe\"}",
    "{\"type\": \"contact\", \"touchpoint\": \"phone\", \"time\": \"2023-11-14T22:00:00.057Z\", \"outcome\": \"answered\", "
    "\"wait_ms\": 5969, \"handle_ms\": 74212, \"first_contact\": true, \"resolvable\": false, \"customer\": \"c-1\"}",
    "{\"type\":\"complaint\",\"touchpoint\":\"desk\",\"state\":\"closed\",\"satisfied\":false,\"duration_ms\":40321754}",
    "{\"type\":\"complaint\",\"touchpoint\":\"desk\",\"state\":\"opened\",\"satisfied\":\"not read\",\"duration_ms\":-1}",
    "{\"nps\":0,\"touchpoint\":\"last\",\"type\":\"survey\"}",
    "{\"op\":\"retract\",\"time\":\"2023-11-14T23:00:00+01:00\",\"type\":\"survey\",\"touchpoint\":\"t\",\"csat\":5}",
    "{\"type\":\"survey\",\"touchpoint\":\"t\",\"kano\":{\"feature\":\"f\",\"functional\":1,\"dysfunctional\":5}}",
    "{\"type\":\"survey\",\"touchpoint\":\"t\",\"kano\":[{\"feature\":\"f\",\"functional\":1,\"dysfunctional\":5,\"x\":1},"
    "{\"x\":[],\"dysfunctional\":2,\"functional\":3,\"feature\":\"g\"}]}",
    /* Pretty-printed, and a line's end. */
    "{\r\n\t\"type\" : \"survey\" ,\r\n\t\"touchpoint\" : \"t\" ,\r\n\t\"nps\" : 10 ,\r\n\t\"kano\" : [ { \"feature\" : \"f\" , "
    "\"functional\" : 1 , \"dysfunctional\" : 5 } ]\r\n}\r\n",
    /* Text of people: not ASCII, and with escapes where it does not matter. */
    "{\"type\":\"survey\",\"touchpoint\":\"caf\xc3\xa9\",\"stage\":\"\xe6\x94\xaf\xe6\x89\x95\",\"nps\":9,\"note\":\"sehr "
    "sch\xc3\xb6n \xf0\x9f\x98\x80\"}",
    "{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"note\":\"\\\"gut\\\"\\n\\u00fc \\ud83d\\ude00 \\\\\"}",
    "{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"k\xc3\xa9y\":\"v\"}",
    /* Absent in every way. */
    "{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"csat\":null,\"stage\":\"\",\"journey\":null,\"tier\":null,\"id\":null,"
    "\"time\":null,\"kano\":null,\"op\":null,\"customer\":null}",
    /* Of other events: not read. */
    "{\"type\":\"contact\",\"touchpoint\":\"t\",\"nps\":11,\"kano\":false,\"csat\":4,\"state\":\"closed\",\"satisfied\":true}",
    "{\"nps\":5,\"kano\":{\"feature\":\"f\",\"functional\":1,\"dysfunctional\":5},\"type\":\"contact\",\"touchpoint\":\"t\"}",
    "{\"wait_ms\":\"n/a\",\"outcome\":\"?\",\"state\":[7.5],\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9}",
    /* Fields that nobody knows. */
    "{\"type\":\"contact\",\"touchpoint\":\"t\",\"x-trace\":{\"span\":[0,-0.5e-3,1E+2,null,true,{\"\":\"\\\"\\\\\\/\\b\"}],\"n\":12},"
    "\"a\":{},\"b\":[],\"c\":-12345678901234567.5e-10,\"d\":\"\",\"e\":[{\"a\":1},{\"a\":2}],\"ids\":[1,2,3]}",
    /* Keys that begin alike. */
    "{\"type\":\"contact\",\"touchpoint\":\"t\",\"touchpoint_region\":\"north\",\"touchpoint_region_code\":\"n\",\"touchpoin\":1,"
    "\"touchpoint_\":2,\"touchpoint_region_\":3,\"time_zone\":4,\"first_contact_ms\":5,\"first_contacx\":6,\"Tier\":7,\"\":8}",
};
enum { ORDINARY = sizeof ordinary / sizeof ordinary[0] };

START_TEST(test_ordinary_events_do_not_fall_back)
{
    for (int round = 0; round < 2; round++) { /* whatever came before */
        for (int i = 0; i < ORDINARY; i++) {
            enum dl_reject reason;
            ck_assert_msg(text_read_alike(ordinary[i], strlen(ordinary[i]), &reason), "fell back: %s", ordinary[i]);
            ck_assert_int_eq(reason, DL_ACCEPTED);
        }
    }
}
END_TEST

START_TEST(test_binary_cloudevents_do_not_fall_back)
{
    static const struct {
        const char *type, *id, *time, *value;
        enum dl_reject reason;
    } rows[] = {
        {"com.acme.survey", "ce-1", "2023-11-14T22:00:00Z", "{\"touchpoint\":\"t\",\"nps\":9}", DL_ACCEPTED},
        {"survey", "", NULL, "{\"touchpoint\":\"t\",\"nps\":9}", DL_ACCEPTED},
        {"?", "ce-1", "?", "{\"type\":\"contact\",\"touchpoint\":\"t\",\"id\":\"own\",\"time\":1699999990000}", DL_ACCEPTED},
        {"com.acme.contact", "caf\xc3\xa9", NULL, "{\"type\":null,\"touchpoint\":\"t\",\"id\":null,\"time\":null}", DL_ACCEPTED},
        {"com.acme.visit", "ce-1", NULL, "{\"touchpoint\":\"t\"}", DL_REJECT_UNKNOWN_TYPE},
        {"\xff.contact", "ce-1", NULL, "{\"touchpoint\":\"t\"}", DL_REJECT_BAD_UTF8},
        {"contact", "\xff", NULL, "{\"touchpoint\":\"t\"}", DL_REJECT_BAD_UTF8},
        {"contact", "ce-1", "22:00", "{\"touchpoint\":\"t\"}", DL_REJECT_BAD_TIME},
        {"contact", "ce-1", NULL, "{\"touchpoint\":\"t\",\"op\":\"retract\"}", DL_REJECT_MISSING_FIELD},
        {NULL, "ce-1", NULL, "{\"touchpoint\":\"t\"}", DL_REJECT_MISSING_FIELD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct dl_header headers[] = {
            {"ce_specversion", "1.0", 3},
            {"ce_type", rows[i].type, rows[i].type != NULL ? strlen(rows[i].type) : 0},
            {"ce_id", rows[i].id, rows[i].id != NULL ? strlen(rows[i].id) : 0},
            {"ce_time", rows[i].time, rows[i].time != NULL ? strlen(rows[i].time) : 0},
        };
        const struct dl_message message = {.value = rows[i].value, .value_bytes = strlen(rows[i].value),
                                           .timestamp_ms = CASE_TIMESTAMP_MS, .headers = headers, .header_count = 4};
        enum dl_reject reason;
        bool taken = read_alike(&message, INT64_MAX, &reason);
        ck_assert_int_eq(reason, rows[i].reason);
        ck_assert(taken == (reason == DL_ACCEPTED));
    }
}
END_TEST

/* Good events that are not for the scanner, each beside one that is. */
START_TEST(test_what_falls_back)
{
    static const struct {
        const char *text;
        bool taken;
    } rows[] = {
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":90e-1}", false},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9.0}", true},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9E+00,\"csat\":5.0e-0,\"time\":1699999990000.000}", true},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"x\":9.0}", true},
        {"{\"type\":\"survey\",\"touchpoint\":\"\\u0074\",\"nps\":9}", true},
        {"{\"type\":\"\\u0073urvey\",\"touchpoint\":\"t\",\"nps\":9}", false},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"x\":\"\\u0074\"}", true},
        {"{\"\\u0074ype\":\"survey\",\"touchpoint\":\"t\",\"nps\":9}", false},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"\\u0078\":1}", false},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"x\":[9223372036854775807,-9223372036854775807]}", true},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"x\":1234567890123456789.5e9}", true},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"x\":-9223372036854775808}", false},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"x\":12345678901234567890.5}", false},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"x\":123456789012345678}", true},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"x\":1e100}", false},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"x\":1e99}", true},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"x\":[[[[[[[[]]]]]]]]}", false},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":9,\"x\":[[[[[[[]]]]]]]}", true},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":-0}", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum dl_reject reason;
        bool taken = text_read_alike(rows[i].text, strlen(rows[i].text), &reason);
        ck_assert_int_eq(reason, DL_ACCEPTED);
        ck_assert_msg(taken == rows[i].taken, "%s", rows[i].text);
    }
    for (int keys = DL_SKIP_KEYS_MAX; keys <= DL_SKIP_KEYS_MAX + 1; keys++) {
        char text[1024] = "{\"type\":\"contact\",\"touchpoint\":\"t\"";
        for (int i = 0; i < keys; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), ",\"too long a key%d\":%d", i, i);
        strcat(text, "}");
        enum dl_reject reason;
        ck_assert(text_read_alike(text, strlen(text), &reason) == (keys == DL_SKIP_KEYS_MAX));
        ck_assert_int_eq(reason, DL_ACCEPTED);
    }
}
END_TEST

START_TEST(test_escapes)
{
    static const struct {
        const char *string;
        enum dl_reject reason;
    } rows[] = {
        {"Z\\u00fcrich", DL_ACCEPTED},
        {"\\u0041\\u007f\\u0080\\u07ff\\u0800\\uFFFF\\uD83D\\uDE00\\ud800\\udc00\\udbff\\udfff", DL_ACCEPTED},
        {"\\\"\\\\\\/\\b\\f\\n\\r\\tn", DL_ACCEPTED},
        {"\\\\u0041\\\\\\u0041\\\\", DL_ACCEPTED},
        {"caf\xc3\xa9 \\u00e9 \xf0\x9f\x98\x80", DL_ACCEPTED},
        {"\\u0000", DL_REJECT_BAD_UTF8},
        {"\\ud83d", DL_REJECT_BAD_UTF8},
        {"\\ude00\\ud83d", DL_REJECT_BAD_UTF8},
        {"\\u00g0", DL_REJECT_NOT_JSON},
        {"\\x", DL_REJECT_NOT_JSON},
        {"\\u0041\xff", DL_REJECT_BAD_UTF8},
    };
    static const char *const forms[] = {
        "{\"type\":\"survey\",\"touchpoint\":\"%s\",\"id\":\"%s\",\"tier\":\"%s\",\"nps\":9}",
        "{\"customer\":\"%s\",\"type\":\"survey\",\"touchpoint\":\"t\",\"stage\":\"%s\",\"kano\":"
        "{\"feature\":\"%s\",\"functional\":1,\"dysfunctional\":5}}",
        /* Of another event, and none at all: passed over after its first string was read. */
        "{\"kano\":[{\"feature\":\"%s\",\"functional\":1,\"dysfunctional\":5},\"%s\",\"%s\"],\"type\":\"contact\","
        "\"touchpoint\":\"t\"}",
    };
    for (size_t form = 0; form < sizeof forms / sizeof forms[0]; form++) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            char text[1024];
            enum dl_reject reason;
            const char *string = rows[i].string;
            snprintf(text, sizeof text, forms[form], string, string, string);
            bool taken = text_read_alike(text, strlen(text), &reason);
            ck_assert_msg(reason == rows[i].reason, "%s: %s", text, dl_reject_word(reason));
            ck_assert_msg(taken == (reason == DL_ACCEPTED), "%s", text);
        }
    }
    /* A name's limit is that of what it says. */
    for (size_t bytes = DL_NAME_BYTES_MAX - 1; bytes <= DL_NAME_BYTES_MAX + 1; bytes++) {
        char text[8 * DL_NAME_BYTES_MAX] = "{\"type\":\"contact\",\"touchpoint\":\"";
        for (size_t i = 0; i < bytes; i++)
            strcat(text, "\\u0074");
        strcat(text, "\"}");
        enum dl_reject reason;
        ck_assert(text_read_alike(text, strlen(text), &reason) == (bytes <= DL_NAME_BYTES_MAX));
        ck_assert_int_eq(reason, bytes <= DL_NAME_BYTES_MAX ? DL_ACCEPTED : DL_REJECT_OUT_OF_RANGE);
    }
}
END_TEST

START_TEST(test_repeated_keys)
{
    static const char *const rows[] = {
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"type\":\"contact\"}",
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"tier\":null,\"tier\":\"a\"}",
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"nps\":1,\"nps\":1}", /* of another event */
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"x\":1,\"y\":2,\"x\":3}",
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"\":1,\"\":1}",
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"touchpoint_regions\":1,\"touchpoint_regions\":1}",
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"touchpoint_region\":\"a\",\"touchpoint_region\":\"b\"}",
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"x\":{\"a\":1,\"a\":1}}",
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"x\":{\"type\":1,\"type\":1}}",
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"x\":[{\"a\":1},{\"b\":{\"c\":1,\"d\":{},\"c\":1}}]}",
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"kano\":{\"a\":1,\"a\":1}}",
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"x\":{\"a\":{\"b\":1}},\"x\":1}",
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"a\":1,\"x\":{\"b\":1},\"a\":1}",
        "{\"type\":\"survey\",\"touchpoint\":\"t\",\"kano\":{\"feature\":\"f\",\"functional\":1,\"feature\":\"f\",\"dysfunctional\":1}}",
        "{\"type\":\"survey\",\"touchpoint\":\"t\",\"kano\":{\"feature\":\"f\",\"functional\":1,\"x\":1,\"dysfunctional\":1,\"x\":1}}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum dl_reject reason;
        ck_assert(!text_read_alike(rows[i], strlen(rows[i]), &reason));
        ck_assert_msg(reason == DL_REJECT_DUPLICATE_KEY, "%s: %s", dl_reject_word(reason), rows[i]);
    }
    /* The same key in two objects is none. */
    enum dl_reject reason;
    static const char good[] = "{\"type\":\"contact\",\"touchpoint\":\"t\",\"a\":{\"a\":{\"a\":1},\"b\":1},\"b\":{\"a\":1}}";
    ck_assert(text_read_alike(good, sizeof good - 1, &reason));
}
END_TEST

/* Forgets the keys that were learned. */
static void forget_keys(void)
{
    for (int i = 0; i <= DL_INSTRUCTION_SETS; i++)
        ck_assert(decoders[i] == NULL || dl_decoder_scan_by(decoders[i], (enum dl_instructions)i));
}

/* Keys that no schema has: each text when nothing is learned, and again when all of it is that may be. */
START_TEST(test_learned_keys)
{
    static const struct {
        const char *text;
        enum dl_reject reason;
        bool taken;
    } rows[] = {
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"note\":\"n\"}", DL_ACCEPTED, true},
        {"{\"note\":{\"note\":{\"note\":1},\"b\":1},\"type\":\"contact\",\"b\":{\"note\":[]},\"touchpoint\":\"t\"}", DL_ACCEPTED, true},
        {"{\"type\":\"contact\",\"note\":1,\"touchpoint\":\"t\",\"note\":1}", DL_REJECT_DUPLICATE_KEY, false},
        {"{\"note\":\"n\",\"note\":\"n\",\"type\":\"contact\",\"touchpoint\":\"t\"}", DL_REJECT_DUPLICATE_KEY, false},
        {"{\"note\":\"n\",\"note\" :\"n\",\"type\":\"contact\",\"touchpoint\":\"t\"}", DL_REJECT_DUPLICATE_KEY, false},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"x\":{\"note\":1,\"note\":2}}", DL_REJECT_DUPLICATE_KEY, false},
        /* However it is spelled: the second is the same key, and what is learned is none with escapes. */
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"note\":1,\"n\\u006fte\":2}", DL_REJECT_DUPLICATE_KEY, false},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"n\\u006fte\":1,\"note\":2}", DL_REJECT_DUPLICATE_KEY, false},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"n\\u006fte\":2}", DL_ACCEPTED, false},
        /* Spaces around it, short ones, and none at all. */
        {"{ \"type\" : \"contact\" , \"touchpoint\" : \"t\" , \"note\" : 1 , \"n\" : 2 , \"no\" : 3 , \"\" : 4 }", DL_ACCEPTED, true},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"\":1,\"n\":\"n\",\"no\":[],\"not\":{},\"notes\":null}", DL_ACCEPTED, true},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"n\":1,\"n\" :1}", DL_REJECT_DUPLICATE_KEY, false},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"\":1,\"x\":2,\"\":1}", DL_REJECT_DUPLICATE_KEY, false},
        /* Keys that begin like learned ones or end like them, up to the longest that is learned, and beyond. */
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"note\":1,\"notf\":2,\"note1\":3,\"note2\":4,\"anote\":5}", DL_ACCEPTED, true},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"14 bytes long1\":1,\"14 bytes long2\":2,\"14 bytes long\":3}", DL_ACCEPTED, true},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"14 bytes long1\":1,\"14 bytes long1\":2}", DL_REJECT_DUPLICATE_KEY, false},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"15 bytes long 1\":1,\"15 bytes long 2\":2,\"16 bytes longer1\":3,"
         "\"16 bytes longer2\":4,\"17 bytes longer 1\":5,\"17 bytes longer 2\":6}", DL_ACCEPTED, true},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"15 bytes long 1\":1,\"15 bytes long 1\":2}", DL_REJECT_DUPLICATE_KEY, false},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"17 bytes longer 1\":1,\"17 bytes longer 1\":2}", DL_REJECT_DUPLICATE_KEY, false},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"k\xc3\xa9y\":1,\"k\xc3\xa8y\":2}", DL_ACCEPTED, true},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"k\xc3\xa9y\":1,\"k\xc3\xa9y\":2}", DL_REJECT_DUPLICATE_KEY, false},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"k\xc3\":1}", DL_REJECT_BAD_UTF8, false},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"k\t\":1}", DL_REJECT_NOT_JSON, false},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"note\"", DL_REJECT_NOT_JSON, false},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"note\":", DL_REJECT_NOT_JSON, false},
        /* Their values may be anything, and what is in them is looked at. */
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"note\":\"\\\"\\\\\\u00fc\",\"nps\":[{\"a\":\"\\\"\"}],\"csat\":\"\\\"\"}", DL_ACCEPTED, true},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"note\":-0.5e3,\"b\":true,\"c\":null,\"d\":[\"]\",\"\\\"\"],\"e\":{\"}\":\"{\"}}", DL_ACCEPTED, true},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"note\":\"\xff\"}", DL_REJECT_BAD_UTF8, false},
        {"{\"type\":\"contact\",\"touchpoint\":\"t\",\"note\":nul}", DL_REJECT_NOT_JSON, false},
        /* In answers, which have their own. */
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"note\":1,\"kano\":[{\"note\":\"n\",\"feature\":\"f\",\"functional\":1,"
         "\"dysfunctional\":5},{\"feature\":\"g\",\"functional\":2,\"dysfunctional\":3,\"note\":{\"note\":0}}]}", DL_ACCEPTED, true},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"kano\":{\"note\":1,\"feature\":\"f\",\"functional\":1,\"dysfunctional\":5,"
         "\"note\":2}}", DL_REJECT_DUPLICATE_KEY, false},
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"nps\":1,\"kano\":{\"note\":1,\"functional\":1,\"dysfunctional\":5}}",
         DL_REJECT_MISSING_FIELD, false},
        /* Not as if it were there: what is learned is no field. */
        {"{\"type\":\"survey\",\"touchpoint\":\"t\",\"note\":1}", DL_REJECT_NO_ANSWER, false},
        {"{\"type\":\"contact\",\"note\":\"t\"}", DL_REJECT_MISSING_FIELD, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        forget_keys();
        for (int round = 0; round < 2; round++) {
            enum dl_reject reason;
            bool taken = text_read_alike(rows[i].text, strlen(rows[i].text), &reason);
            ck_assert_msg(reason == rows[i].reason, "%s: %s", rows[i].text, dl_reject_word(reason));
            ck_assert_msg(taken == rows[i].taken, "%s", rows[i].text);
        }
    }
    /* One after the other, with what those before have left. */
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        enum dl_reject reason;
        const char *text = rows[i * 7 % (sizeof rows / sizeof rows[0])].text;
        text_read_alike(text, strlen(text), &reason);
        ck_assert_int_eq(reason, rows[i * 7 % (sizeof rows / sizeof rows[0])].reason);
    }
}
END_TEST

/* More keys than are learned: each is taken once, and none twice, whatever was learned before. */
START_TEST(test_more_keys_than_are_learned)
{
    enum { KEYS = DL_KEYS_LEARNED_MAX + 12 };
    for (int before = 0; before <= KEYS; before += 7) {
        forget_keys();
        for (int repeated = -1; repeated < KEYS; repeated++) {
            char text[1024] = "{\"type\":\"contact\",\"touchpoint\":\"t\"";
            for (int i = 0; i < KEYS; i++)
                snprintf(text + strlen(text), sizeof text - strlen(text), ",\"key%d\":\"%d\"", (i + before) % KEYS, i);
            if (repeated >= 0)
                snprintf(text + strlen(text), sizeof text - strlen(text), ",\"key%d\":0", repeated);
            strcat(text, "}");
            enum dl_reject reason;
            ck_assert(text_read_alike(text, strlen(text), &reason) == (repeated < 0));
            ck_assert_int_eq(reason, repeated < 0 ? DL_ACCEPTED : DL_REJECT_DUPLICATE_KEY);
        }
    }
}
END_TEST

/* What only stands around an event makes the headers count, learned or not, also where a segment is named like it. */
START_TEST(test_cloudevent_member)
{
    static const char *const rows[] = {
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"id\":\"i\",\"time\":1699999990000,\"specversion\":\"1.0\"}",
        "{\"specversion\":1,\"type\":\"contact\",\"touchpoint\":\"t\",\"id\":\"i\",\"time\":1699999990000}",
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"id\":\"i\",\"time\":1699999990000,\"specversion\" : null}",
        "{\"type\":\"contact\",\"touchpoint\":\"t\",\"id\":\"i\",\"time\":1699999990000,\"specversions\":\"1.0\"}",
    };
    static const struct dl_header header = {"content-type", "application/cloudevents-batch+json", 34};
    for (int segment = 0; segment < 2; segment++) {
        destroy_decoders();
        struct dl_decode_options options = scan_options(5);
        if (segment == 1)
            options.segment[2] = dl_name_of("specversion");
        create_decoders(&options);
        for (int round = 0; round < 2; round++) {
            for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                const struct dl_message message = {.value = rows[i], .value_bytes = strlen(rows[i]),
                                                   .timestamp_ms = CASE_TIMESTAMP_MS, .headers = &header, .header_count = 1};
                enum dl_reject reason;
                bool whole = i == 3; /* it says all, and the headers nothing */
                ck_assert(read_alike(&message, INT64_MAX, &reason) == whole);
                ck_assert_msg((reason == DL_ACCEPTED) == whole, "%s: %s", rows[i], dl_reject_word(reason));
            }
        }
    }
}
END_TEST

/* Every length, so every position of an end in a block, and every place to cut an event. */
START_TEST(test_every_length)
{
    static const char event[] = "{\"type\":\"survey\",\"touchpoint\":\"t\",\"time\":\"2023-11-14T22:00:00.057Z\",\"nps\":10,\"note\":\"";
    char text[400];
    for (size_t padding = 0; padding < 200; padding++) {
        memcpy(text, event, sizeof event - 1);
        memset(text + sizeof event - 1, 'n', padding);
        memcpy(text + sizeof event - 1 + padding, "\"}", 2);
        enum dl_reject reason;
        ck_assert(text_read_alike(text, sizeof event + 1 + padding, &reason));
        ck_assert_int_eq(reason, DL_ACCEPTED);
    }
    for (int i = 0; i < ORDINARY; i++) {
        for (size_t bytes = 0; bytes < strlen(ordinary[i]); bytes++) {
            enum dl_reject reason;
            text_read_alike(ordinary[i], bytes, &reason);
        }
    }
    /* A byte that may be a fault at every place of an event. */
    for (size_t at = 0; at < strlen(ordinary[1]); at++) {
        static const char bytes[] = "\0\n\x1f \"\\,:{}[]-0.eEnt\x7f\x80\xa9\xc3\xff";
        for (size_t i = 0; i < sizeof bytes - 1; i++) {
            strcpy(text, ordinary[1]);
            text[at] = bytes[i];
            enum dl_reject reason;
            text_read_alike(text, strlen(ordinary[1]), &reason);
        }
    }
}
END_TEST

START_TEST(test_size_limit)
{
    char *text = malloc(TEXT_BYTES_MAX);
    destroy_decoders();
    struct dl_decode_options options = scan_options(5);
    options.event_bytes_max = TEXT_BYTES_MAX;
    create_decoders(&options);
    for (size_t bytes = DL_MARKED_BYTES_MAX - 65; bytes <= DL_MARKED_BYTES_MAX + 1; bytes++) {
        memset(text, 'n', bytes);
        memcpy(text, "{\"type\":\"contact\",\"touchpoint\":\"t\",\"note\":\"", 43);
        memcpy(text + bytes - 2, "\"}", 2);
        enum dl_reject reason;
        ck_assert(text_read_alike(text, bytes, &reason) == (bytes <= DL_MARKED_BYTES_MAX));
        ck_assert_int_eq(reason, DL_ACCEPTED);
    }
    free(text);
}
END_TEST

START_TEST(test_catalogue_and_times)
{
    catalogue = dl_catalogue_create(DL_UNKNOWN_DEADLETTER);
    ck_assert_int_eq(dl_catalogue_add(catalogue, dl_name_of("fly"), dl_name_of("check-in"), dl_name_of("kiosk")), DL_OK);
    destroy_decoders();
    struct dl_decode_options options = scan_options(5);
    options.catalogue = catalogue;
    create_decoders(&options);
    static const struct {
        const char *text;
        int64_t timestamp_ms, now_ms;
        enum dl_reject reason;
    } rows[] = {
        {"{\"type\":\"contact\",\"touchpoint\":\"kiosk\"}", CASE_TIMESTAMP_MS, INT64_MAX, DL_ACCEPTED},
        {"{\"type\":\"contact\",\"touchpoint\":\"desk\"}", CASE_TIMESTAMP_MS, INT64_MAX, DL_REJECT_UNKNOWN_TOUCHPOINT},
        {"{\"type\":\"contact\",\"touchpoint\":\"kiosk\"}", -1, INT64_MAX, DL_REJECT_BAD_TIME},
        {"{\"type\":\"contact\",\"touchpoint\":\"kiosk\",\"time\":946684800000}", -1, INT64_MAX, DL_ACCEPTED},
        {"{\"type\":\"contact\",\"touchpoint\":\"kiosk\",\"time\":946684799999}", -1, INT64_MAX, DL_REJECT_BAD_TIME},
        {"{\"type\":\"contact\",\"touchpoint\":\"kiosk\",\"time\":1700000300000}", CASE_TIMESTAMP_MS, INT64_MAX, DL_ACCEPTED},
        {"{\"type\":\"contact\",\"touchpoint\":\"kiosk\",\"time\":1700000300001}", CASE_TIMESTAMP_MS, INT64_MAX, DL_REJECT_FUTURE_TIME},
        {"{\"type\":\"contact\",\"touchpoint\":\"kiosk\",\"time\":1700000300001}", -1, CASE_TIMESTAMP_MS, DL_REJECT_FUTURE_TIME},
        {"{\"type\":\"contact\",\"touchpoint\":\"kiosk\",\"time\":253402300799999}", -1, INT64_MAX, DL_ACCEPTED},
        {"{\"type\":\"contact\",\"touchpoint\":\"kiosk\",\"time\":253402300800000}", -1, INT64_MAX, DL_REJECT_BAD_TIME},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct dl_message message = {.value = rows[i].text, .value_bytes = strlen(rows[i].text),
                                           .timestamp_ms = rows[i].timestamp_ms};
        enum dl_reject reason;
        bool taken = read_alike(&message, rows[i].now_ms, &reason);
        ck_assert_msg(reason == rows[i].reason && taken == (reason == DL_ACCEPTED), "row %zu: %s", i, dl_reject_word(reason));
    }
}
END_TEST

/* xorshift64*: the same texts in every run. */
static uint64_t state = UINT64_C(0x9E3779B97F4A7C15);

static uint32_t draw(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % below;
}

/* What changes an event at one of its corners. */
static const char *const pieces[] = {
    "{", "}", "[", "]", ":", ",", "\"", "\\", "\"type\":\"contact\",", ",\"x\":1", ",\"x\":{\"a\":0}", ",\"nps\":10", "true", "false",
    "null", "0", "-", "1", ".5", "e9", "E+400", "99999999999999999999", "\\u0000", "\\u0041", "\\ud83d", "\\ude00", "\\n", "\n", " ",
    "\t", "\x01", "\xc3", "\xc3\xa9", "\xed\xa0\x80", "\xf0\x9f\x98\x80", "\xef\xbb\xbf", "\xff", "x", "Z", "-01:00", "\"\":", "\x7f",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
};
enum { PIECES = sizeof pieces / sizeof pieces[0], CHANGED_BYTES_MAX = 1000, CHANGED_EVENTS = 15000 };

static size_t change(char *text, size_t bytes)
{
    size_t at = draw((uint32_t)bytes + 1), removed = draw(3) == 0 ? draw(6) : 0;
    if (removed > bytes - at)
        removed = bytes - at;
    const char *piece = pieces[draw(PIECES)];
    size_t inserted = draw(4) == 0 ? 0 : strlen(piece);
    if (bytes - removed + inserted > CHANGED_BYTES_MAX)
        return bytes;
    memmove(text + at + inserted, text + at + removed, bytes - at - removed);
    memcpy(text + at, piece, inserted);
    return bytes - removed + inserted;
}

START_TEST(test_changed_events)
{
    int accepted = 0, taken = 0;
    for (int i = 0; i < CHANGED_EVENTS; i++) {
        char text[CHANGED_BYTES_MAX];
        const char *from = ordinary[draw(ORDINARY)];
        size_t bytes = strlen(from);
        memcpy(text, from, bytes);
        for (uint32_t changes = draw(3) + 1; changes > 0; changes--)
            bytes = change(text, bytes);
        enum dl_reject reason;
        taken += text_read_alike(text, bytes, &reason);
        accepted += reason == DL_ACCEPTED;
    }
    ck_assert_int_gt(taken, CHANGED_EVENTS / 10); /* it says something about both */
    ck_assert_int_gt(CHANGED_EVENTS - accepted, CHANGED_EVENTS / 10);
}
END_TEST

START_TEST(test_marks)
{
    static struct dl_marked marked;
    for (int i = 0; i < DL_INSTRUCTION_SETS; i++) {
        dl_mark *mark = dl_mark_by((enum dl_instructions)i);
        for (size_t bytes = 0; mark != NULL && bytes < 400; bytes++) {
            char text[400];
            bool specials = false;
            for (size_t at = 0; at < bytes; at++) /* every third text is of nearly nothing but quotes */
                text[at] = bytes % 3 == 0 && draw(8) > 0 ? '"' : draw(4) == 0 ? (char)draw(256) : "\" !\\#\x1f \x7f\x80[]"[draw(11)];
            memset(&marked, 0xA5, sizeof marked);
            mark(&marked, guarded_place(&guarded, text, bytes, true), bytes);
            /* Asserted together: each assertion is a system call. */
            bool good = marked.end == marked.text + bytes && memcmp(marked.text, text, bytes) == 0;
            for (size_t at = 0; at < DL_MARKED_PADDING; at++)
                good &= marked.end[at] == 0;
            const uint16_t *quote = marked.quote;
            for (size_t at = 0; at < bytes / 8 * 8 + 64; at++) {
                unsigned char byte = at < bytes ? (unsigned char)text[at] : ' ';
                bool special = byte < 0x20 || byte >= 0x80 || byte == '\\';
                good &= (marked.marks[at / 8] >> at % 8 & 1) == (byte == '"' || special);
                specials |= special;
                if (byte == '"')
                    good &= *quote++ == at;
            }
            for (int end = 0; end < 4; end++)
                good &= quote[end] == bytes;
            ck_assert_msg(good, "%d: text of %zu bytes", i, bytes);
            ck_assert(marked.special == specials);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scan");
    TCase *tcase = tcase_create("scan");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_every_case_of_the_table);
    tcase_add_test(tcase, test_ordinary_events_do_not_fall_back);
    tcase_add_test(tcase, test_binary_cloudevents_do_not_fall_back);
    tcase_add_test(tcase, test_what_falls_back);
    tcase_add_test(tcase, test_escapes);
    tcase_add_test(tcase, test_repeated_keys);
    tcase_add_test(tcase, test_learned_keys);
    tcase_add_test(tcase, test_more_keys_than_are_learned);
    tcase_add_test(tcase, test_cloudevent_member);
    tcase_add_test(tcase, test_every_length);
    tcase_add_test(tcase, test_size_limit);
    tcase_add_test(tcase, test_catalogue_and_times);
    tcase_add_test(tcase, test_changed_events);
    tcase_add_test(tcase, test_marks);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
