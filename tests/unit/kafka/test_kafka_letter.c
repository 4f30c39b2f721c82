#include "kafka_letter.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static char value[5000];

static struct dl_letter *letter_of(size_t value_bytes, const char *detail)
{
    static struct dl_kafka_header headers[2];
    headers[0] = (struct dl_kafka_header){"content-type", "a/b", 3};
    headers[1] = (struct dl_kafka_header){"nothing", NULL, 0};
    const struct dl_kafka_record record = {.topic = 1,
                                           .partition = 2,
                                           .offset = 3,
                                           .timestamp_ms = 4,
                                           .key = "key",
                                           .key_bytes = 3,
                                           .value = value,
                                           .value_bytes = value_bytes,
                                           .headers = headers,
                                           .header_count = 2};
    struct dl_letter *letter = dl_letter_create(&record, "not_json", detail);
    ck_assert_ptr_nonnull(letter);
    return letter;
}

START_TEST(a_letter_is_a_copy)
{
    memset(value, 'v', sizeof value);
    struct dl_letter *letter = letter_of(10, "byte 1");
    memset(value, 'x', sizeof value);
    ck_assert_int_eq(memcmp(letter->value, "vvvvvvvvvv", 10), 0);
    ck_assert_int_eq(memcmp(letter->key, "key", 3), 0);
    ck_assert_uint_eq(letter->header_count, 2);
    ck_assert_str_eq(letter->headers[0].key, "content-type");
    ck_assert_int_eq(memcmp(letter->headers[0].value, "a/b", 3), 0);
    ck_assert_str_eq(letter->headers[1].key, "nothing");
    ck_assert_ptr_null(letter->headers[1].value);
    ck_assert_str_eq(letter->reason, "not_json");
    ck_assert_str_eq(letter->detail, "byte 1");
    ck_assert(letter->topic == 1 && letter->partition == 2 && letter->offset == 3 && letter->timestamp_ms == 4);
    free(letter);
}
END_TEST

START_TEST(what_is_not_there_stays_so)
{
    const struct dl_kafka_record record = {.value = NULL};
    struct dl_letter *letter = dl_letter_create(&record, "empty", NULL);
    ck_assert_ptr_nonnull(letter);
    ck_assert_ptr_null(letter->key);
    ck_assert_ptr_null(letter->value);
    ck_assert_ptr_null(letter->detail);
    char detail[64];
    dl_letter_detail(letter, detail, sizeof detail);
    ck_assert_str_eq(detail, "");
    free(letter);
}
END_TEST

START_TEST(cutting_fits_or_ends)
{
    char detail[256];
    struct dl_letter *letter = letter_of(5000, "byte 1");
    size_t whole = dl_letter_wire_bytes(letter), around = whole - 5000;

    ck_assert(dl_letter_cut(letter, whole - 1)); /* one byte too many */
    ck_assert_uint_eq(letter->sent_bytes, 4999);
    ck_assert_uint_eq(dl_letter_wire_bytes(letter), whole - 1);
    ck_assert(dl_letter_cut(letter, whole)); /* never grows back */
    ck_assert_uint_eq(letter->sent_bytes, 4999);
    dl_letter_detail(letter, detail, sizeof detail);
    ck_assert_str_eq(detail, "byte 1; value cut from 5000 to 4999 bytes");

    ck_assert(dl_letter_cut(letter, around + 1));
    ck_assert_uint_eq(letter->sent_bytes, 1);
    ck_assert(dl_letter_cut(letter, around - 1));
    ck_assert_uint_eq(letter->sent_bytes, 0);
    ck_assert(!letter->bare);
    ck_assert(dl_letter_cut(letter, 10)); /* without key and headers */
    ck_assert(letter->bare);
    ck_assert_uint_lt(dl_letter_wire_bytes(letter), around);
    dl_letter_detail(letter, detail, sizeof detail);
    ck_assert_str_eq(detail, "byte 1; value cut from 5000 to 0 bytes; key and headers left out");
    ck_assert(!dl_letter_cut(letter, 10)); /* as small as it gets */
    free(letter);
}
END_TEST

START_TEST(a_cut_without_detail_reads_well)
{
    char detail[256];
    struct dl_letter *letter = letter_of(100, "");
    (void)dl_letter_cut(letter, dl_letter_wire_bytes(letter) - 40);
    dl_letter_detail(letter, detail, sizeof detail);
    ck_assert_str_eq(detail, "value cut from 100 to 60 bytes");
    free(letter);
}
END_TEST

START_TEST(a_long_detail_ends_somewhere)
{
    char detail[32];
    struct dl_letter *letter = letter_of(100, "a detail that is longer than the room for it");
    dl_letter_detail(letter, detail, sizeof detail);
    ck_assert_uint_eq(strlen(detail), sizeof detail - 1);
    free(letter);
}
END_TEST

START_TEST(a_stash_is_bounded_and_takes_one_always)
{
    static const char *const sources[] = {"cx.feedback"};
    struct dl_kafka_record record = {.value = value, .value_bytes = 1000};
    struct dl_kafka_letters *letters = dl_kafka_letters_create(sources, 4000);
    ck_assert_ptr_nonnull(letters);
    size_t taken = 0;
    while (dl_kafka_letters_add(letters, &record, "not_json", NULL) == DL_OK)
        ck_assert_uint_le(++taken, 4);
    ck_assert_uint_ge(taken, 2);
    ck_assert_uint_eq(dl_kafka_letters_count(letters), taken);
    ck_assert_uint_le(letters->bytes, 4000);
    record.value_bytes = 4000 - letters->bytes - sizeof(struct dl_letter); /* the value alone would fit */
    ck_assert_int_eq(dl_kafka_letters_add(letters, &record, "not_json", NULL), DL_FULL);
    ck_assert_uint_eq(dl_kafka_letters_count(letters), taken);
    dl_kafka_letters_destroy(letters);

    letters = dl_kafka_letters_create(sources, 100);
    ck_assert_ptr_nonnull(letters);
    ck_assert_int_eq(dl_kafka_letters_add(letters, &record, "not_json", NULL), DL_OK);
    ck_assert_int_eq(dl_kafka_letters_add(letters, &record, "not_json", NULL), DL_FULL);
    dl_kafka_letters_destroy(letters);
}
END_TEST

/* A record as the dead-letter topic holds it. */
static struct dl_kafka_record dead(const struct dl_kafka_header *headers, size_t count)
{
    return (struct dl_kafka_record){.partition = 5, .offset = 6, .headers = headers, .header_count = count};
}

#define HEADER(key_, text_) {key_, text_, sizeof(text_) - 1}
#define ERRORS(topic_, partition_, offset_, detail_)                                                                       \
    HEADER(DL_DEADLETTER_HEADER "topic", topic_), HEADER(DL_DEADLETTER_HEADER "partition", partition_),                    \
        HEADER(DL_DEADLETTER_HEADER "offset", offset_), HEADER(DL_DEADLETTER_HEADER "timestamp", "4"),                     \
        HEADER(DL_DEADLETTER_HEADER "reason", "not_json"), HEADER(DL_DEADLETTER_HEADER "detail", detail_)
enum { ERRORS_COUNT = 6 };

START_TEST(a_letter_says_where_it_comes_from)
{
    const struct dl_kafka_header headers[] = {HEADER("trace", "t"), ERRORS("older", "7", "8", "of another life"),
                                              HEADER(DL_RESENT_HEADER, "dead:1:2"), ERRORS("cx.feedback", "2", "3", "byte 1")};
    const struct dl_kafka_record record = dead(headers, sizeof headers / sizeof headers[0]);
    struct dl_kafka_letter letter;
    ck_assert(dl_kafka_letter_read(&record, &letter));
    ck_assert(dl_name_equal(letter.topic, dl_name_of("cx.feedback")));
    ck_assert(dl_name_equal(letter.reason, dl_name_of("not_json")) && dl_name_equal(letter.detail, dl_name_of("byte 1")));
    ck_assert(dl_name_equal(letter.resent, dl_name_of("dead:1:2")));
    ck_assert(letter.partition == 2 && letter.offset == 3 && letter.timestamp_ms == 4 && !letter.cut);

    struct dl_kafka_header again[sizeof headers / sizeof headers[0] + 1];
    ck_assert_uint_eq(dl_kafka_letter_headers(&record, "dead:5:6", again), 2);
    ck_assert_str_eq(again[0].key, DL_RESENT_HEADER);
    ck_assert_str_eq(again[0].value, "dead:5:6");
    ck_assert_uint_eq(again[0].value_bytes, strlen("dead:5:6"));
    ck_assert_str_eq(again[1].key, "trace");
}
END_TEST

START_TEST(what_delightd_did_not_write_is_no_letter)
{
    static const struct dl_kafka_header rows[][ERRORS_COUNT] = {
        {ERRORS("t", "", "3", "")},
        {ERRORS("t", "-1", "3", "")},
        {ERRORS("t", "1000001", "3", "")}, /* one past what Kafka has */
        {ERRORS("t", "1", "3 ", "")},
        {ERRORS("t", "1", "9223372036854775808", "")},
    };
    struct dl_kafka_letter letter;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct dl_kafka_record record = dead(rows[i], ERRORS_COUNT);
        ck_assert_msg(!dl_kafka_letter_read(&record, &letter), "row %zu", i);
    }
    const struct dl_kafka_header good[] = {ERRORS("t", "1000000", "9223372036854775807", "")};
    const struct dl_kafka_record record = dead(good, ERRORS_COUNT), none = dead(good, 0), without = dead(good, 4);
    ck_assert(dl_kafka_letter_read(&record, &letter));
    ck_assert(!dl_kafka_letter_read(&none, &letter));
    ck_assert(!dl_kafka_letter_read(&without, &letter)); /* reason */
}
END_TEST

START_TEST(a_letter_that_was_cut_is_known_by_what_the_writer_says)
{
    static const struct {
        size_t value_bytes, wire_bytes;
        int cuts;
        const char *detail;
        bool cut;
    } rows[] = {
        {3000, 100000, 1, "byte 1", false},
        {3000, 2000, 1, "byte 1", true},
        {3000, 2000, 1, NULL, true},
        {3000, 1, 2, "byte 1", true},
        {0, 1, 1, "byte 1", true},                                   /* nothing to cut: key and headers went */
        {10, 100000, 1, "field \"value cut from 3 to 2 bytes\"", false}, /* somebody's field */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_letter *letter = letter_of(rows[i].value_bytes, rows[i].detail);
        char detail[1024];
        for (int cut = 0; cut < rows[i].cuts; cut++)
            (void)dl_letter_cut(letter, rows[i].wire_bytes);
        dl_letter_detail(letter, detail, sizeof detail);
        struct dl_kafka_header headers[] = {ERRORS("t", "1", "2", "")};
        headers[ERRORS_COUNT - 1].value = detail;
        headers[ERRORS_COUNT - 1].value_bytes = strlen(detail);
        const struct dl_kafka_record record = dead(headers, ERRORS_COUNT);
        struct dl_kafka_letter read;
        ck_assert(dl_kafka_letter_read(&record, &read));
        ck_assert_msg(read.cut == rows[i].cut, "row %zu: %s", i, detail);
        free(letter);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kafka_letter");
    TCase *letters = tcase_create("letters");
    tcase_add_test(letters, a_letter_is_a_copy);
    tcase_add_test(letters, what_is_not_there_stays_so);
    tcase_add_test(letters, cutting_fits_or_ends);
    tcase_add_test(letters, a_cut_without_detail_reads_well);
    tcase_add_test(letters, a_long_detail_ends_somewhere);
    tcase_add_test(letters, a_stash_is_bounded_and_takes_one_always);
    tcase_add_test(letters, a_letter_says_where_it_comes_from);
    tcase_add_test(letters, what_delightd_did_not_write_is_no_letter);
    tcase_add_test(letters, a_letter_that_was_cut_is_known_by_what_the_writer_says);
    suite_add_tcase(suite, letters);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
