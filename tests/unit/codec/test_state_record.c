#include "records.h"

static struct dl_record_bytes key, value;
static struct dl_state_reader *reader;
static struct dl_state_record record;
static char detail[DL_DETAIL_SIZE];

static void setup(void)
{
    reader = dl_state_reader_create();
    ck_assert_ptr_nonnull(reader);
}

static void teardown(void)
{
    dl_state_reader_destroy(reader);
    dl_record_bytes_deinit(&key);
    dl_record_bytes_deinit(&value);
}

static void clear(void)
{
    key.bytes = value.bytes = 0;
}

static enum dl_record_fault read_pair(struct bytes a, const struct bytes *b)
{
    memset(detail, 'x', sizeof detail);
    enum dl_record_fault fault = dl_state_read(reader, a.data, a.bytes, b != NULL ? b->data : NULL, b != NULL ? b->bytes : 0,
                                               &record, detail);
    check_detail(detail, fault);
    return fault;
}

/* What stands in key and value, from exact copies that `pair` keeps. */
static struct bytes pair[2];
static enum dl_record_fault read_back(void)
{
    for (int i = 0; i < 2; i++)
        free(pair[i].data);
    pair[0] = copy_of(key.data, key.bytes);
    pair[1] = copy_of(value.data, value.bytes);
    return read_pair(pair[0], &pair[1]);
}

static struct dl_tally tally_of(int64_t events, int64_t wait_ms)
{
    struct dl_counts counts = {{0}};
    counts.count[DL_COUNT_EVENTS] = events;
    counts.count[DL_COUNT_ASA_MS] = wait_ms;
    struct dl_tally tally = {.data = NULL};
    MUST(dl_tally_pack(&tally, &counts) == DL_OK);
    return tally;
}

/* ---- Round trips ---- */

START_TEST(panes)
{
    struct random random = {1};
    for (int i = 0; i < 2000; i++) {
        char subject[4096];
        memset(subject, 's', sizeof subject);
        struct dl_tally tally = tally_of(draw_in(&random, -2, 2), (int64_t)draw(&random) >> draw_in(&random, 0, 63));
        int64_t window_ms = draw_in(&random, 1, 400 * 24 * 60) * MINUTE_MS;
        int64_t index_max = DL_TIME_MS_MAX / (window_ms / 60);
        const struct dl_engine_pane pane = {.subject = {subject, (uint32_t)draw_in(&random, 1, sizeof subject)},
                                            .window_ms = window_ms, .index = draw_in(&random, -index_max - 1, index_max),
                                            .tally = &tally};
        int version = (int)draw_in(&random, DL_RECORD_VERSION_MIN, DL_RECORD_VERSION);
        clear();
        ck_assert_int_eq(dl_state_write_pane(version, &pane, &key, &value), DL_OK);
        MUST(read_back() == DL_RECORD_GOOD);
        MUST(record.kind == DL_STATE_PANE && record.version == version);
        MUST(dl_name_equal(record.pane.subject, pane.subject));
        MUST(record.pane.window_ms == window_ms && record.pane.index == pane.index);
        MUST(record.pane.tally != NULL && dl_tally_equal(record.pane.tally, &tally));
        dl_tally_deinit(&tally);
    }
}
END_TEST

START_TEST(a_tombstone_is_a_key)
{
    struct dl_tally tally = tally_of(1, 0);
    struct dl_engine_pane pane = {.subject = dl_name_of("all"), .window_ms = HOUR_MS, .index = 7, .tally = &tally};
    ck_assert_int_eq(dl_state_write_pane(1, &pane, &key, &value), DL_OK);
    struct bytes of_value = copy_of(key.data, key.bytes);
    clear();
    pane.tally = NULL;
    ck_assert_int_eq(dl_state_write_pane(2, &pane, &key, &value), DL_OK);
    ck_assert_uint_eq(value.bytes, 0);
    /* One pane has one key, or compaction would keep both. */
    ck_assert(key.bytes == of_value.bytes && memcmp(key.data, of_value.data, key.bytes) == 0);
    ck_assert_int_eq(read_pair(of_value, NULL), DL_RECORD_GOOD);
    ck_assert(record.kind == DL_STATE_PANE && record.version == 0 && record.pane.tally == NULL);
    ck_assert(dl_name_equal(record.pane.subject, pane.subject) && record.pane.index == 7);
    free(of_value.data);
    struct bytes head = bytes_of("'H'");
    ck_assert_int_eq(read_pair(head, NULL), DL_RECORD_GOOD);
    ck_assert(record.kind == DL_STATE_HEAD && record.version == 0);
    free(head.data);
    dl_tally_deinit(&tally);
}
END_TEST

static void check_links(const struct dl_chain *chain)
{
    ck_assert_uint_eq(record.head.link_count, dl_chain_count(chain));
    for (size_t i = 0; i < record.head.link_count; i++) {
        const struct dl_chain_link wanted = dl_chain_at(chain, i);
        const struct dl_chain_link *found = &record.head.links[i];
        MUST(dl_name_equal(found->topic, wanted.topic) && found->partition == wanted.partition);
        MUST(found->from == wanted.from && found->next == wanted.next);
    }
}

START_TEST(heads)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct random random = {seed};
        struct dl_chain *chain = dl_chain_create();
        int64_t links = draw_one_in(&random, 20) ? 3000 : draw_in(&random, 0, 10);
        for (int64_t i = 0; i < links; i++) {
            const char *const topics[] = {"cx.feedback", "cx.more", "t"};
            int64_t from = draw_in(&random, 0, INT64_MAX / 2);
            const struct dl_chain_link link = {.topic = dl_name_of(topics[draw_in(&random, 0, 2)]),
                                               .partition = (int32_t)draw_in(&random, 0, INT32_MAX), .from = from,
                                               .next = from + draw_in(&random, 0, INT64_MAX / 2)};
            MUST(dl_chain_take(chain, &link) == DL_OK);
        }
        bool is_new = draw_one_in(&random, 5);
        struct dl_state_head head = {.tallies_next = draw_in(&random, 0, INT64_MAX - 1),
                                     .clock_ms = is_new ? INT64_MIN : draw_in(&random, 0, DL_TIME_MS_MAX),
                                     .newest_ms = is_new ? INT64_MIN : draw_in(&random, 0, DL_TIME_MS_MAX),
                                     .oldest_ms = is_new ? INT64_MAX : draw_in(&random, -DL_TIME_MS_MAX, DL_TIME_MS_MAX),
                                     .written_ms = SAMPLE_MS, .instance = dl_name_of("branch-1"),
                                     .windows = (int)draw_in(&random, 0, DL_WINDOWS_MAX),
                                     .segments = (int)draw_in(&random, 0, 3), .chain = chain,
                                     .segment = {dl_name_of("tier"), dl_name_of("channel"), dl_name_of("region")}};
        for (int i = 0; i < head.windows; i++)
            head.window[i] = (struct dl_state_window){(i + 1) * draw_in(&random, 1, 30) * 31 * MINUTE_MS + i * MINUTE_MS,
                                                      draw_one_in(&random, 2) ? INT64_MIN : SAMPLE_MS - i};
        int version = (int)draw_in(&random, DL_RECORD_VERSION_MIN, DL_RECORD_VERSION);
        clear();
        ck_assert_int_eq(dl_state_write_head(version, &head, &key, &value), DL_OK);
        ck_assert_msg(read_back() == DL_RECORD_GOOD, "%s", detail);
        ck_assert(record.kind == DL_STATE_HEAD && record.version == version);
        const struct dl_state_head *found = &record.head;
        ck_assert(found->tallies_next == head.tallies_next && found->clock_ms == head.clock_ms);
        ck_assert(found->newest_ms == head.newest_ms && found->oldest_ms == head.oldest_ms);
        ck_assert(found->written_ms == SAMPLE_MS && dl_name_equal(found->instance, head.instance));
        ck_assert(record.written_ms == SAMPLE_MS && dl_name_equal(record.instance, head.instance));
        ck_assert(found->windows == head.windows && found->segments == head.segments && found->chain == NULL);
        for (int i = 0; i < head.windows; i++) {
            ck_assert_int_eq(found->window[i].window_ms, head.window[i].window_ms);
            ck_assert_int_eq(found->window[i].data_since_ms, version == 1 ? INT64_MIN : head.window[i].data_since_ms);
        }
        for (int i = 0; i < head.segments; i++)
            ck_assert(dl_name_equal(found->segment[i], head.segment[i]));
        check_links(chain);

        /* What was read can be written again, without a chain. */
        clear();
        head = *found;
        ck_assert_int_eq(dl_state_write_head(version, &head, &key, &value), DL_OK);
        ck_assert(value.bytes == pair[1].bytes && memcmp(value.data, pair[1].data, value.bytes) == 0);
        dl_chain_destroy(chain);
    }
}
END_TEST

START_TEST(owners)
{
    for (int version = DL_RECORD_VERSION_MIN; version <= DL_RECORD_VERSION; version++) {
        clear();
        ck_assert_int_eq(dl_state_write_owner(version, dl_name_of("branch-2"), SAMPLE_MS, &key, &value), DL_OK);
        ck_assert_int_eq(read_back(), DL_RECORD_GOOD);
        ck_assert(record.kind == DL_STATE_OWNER && record.version == version && record.written_ms == SAMPLE_MS);
        ck_assert(dl_name_equal(record.instance, dl_name_of("branch-2")));
    }
}
END_TEST

START_TEST(appends_behind_what_is_there)
{
    const struct dl_state_head head = {.tallies_next = 1, .written_ms = 1};
    ck_assert_int_eq(dl_state_write_head(2, &head, &key, &value), DL_OK);
    size_t key_bytes = key.bytes, value_bytes = value.bytes;
    ck_assert_int_eq(dl_state_write_owner(1, dl_name_of("b"), 2, &key, &value), DL_OK);
    struct bytes first[] = {copy_of(key.data, key_bytes), copy_of(value.data, value_bytes)};
    struct bytes second[] = {copy_of(key.data + key_bytes, key.bytes - key_bytes),
                             copy_of(value.data + value_bytes, value.bytes - value_bytes)};
    ck_assert_int_eq(read_pair(first[0], &first[1]), DL_RECORD_GOOD);
    ck_assert(record.kind == DL_STATE_HEAD && record.version == 2 && record.written_ms == 1);
    ck_assert_int_eq(read_pair(second[0], &second[1]), DL_RECORD_GOOD);
    ck_assert(record.kind == DL_STATE_OWNER && record.version == 1 && record.written_ms == 2);
    for (int i = 0; i < 2; i++) {
        free(first[i].data);
        free(second[i].data);
    }
}
END_TEST

/* ---- The format ---- */

enum { GOLDEN = 6 };
static const struct {
    const char *key, *value;
} golden[GOLDEN] = {
    {"'P' 3c 80 01 'touchpoint:app'", "'DP' 01 f8 13 33 1b 00 06 2f c8 01"},
    {"'P' 3c 80 01 'touchpoint:app'", "'DP' 02 87 11 41 f2 00 06 2f c8 01"},
    {"'H'", "'DH' 01 d7 bf f2 0a a2 02 80 94 96 ab c0 68 fe 93 96 ab c0 68 80 94 96 ab c0 68 8a 94 96 ab c0 68 "
            "08 'branch-1' 02 05 a0 0b 01 04 'tier' 01 0b 'cx.feedback' 03 00 78 01 04 05 00 00"},
    {"'H'", "'DH' 02 86 18 a2 89 a2 02 80 94 96 ab c0 68 fe 93 96 ab c0 68 80 94 96 ab c0 68 8a 94 96 ab c0 68 "
            "08 'branch-1' 02 05 ff ff ff ff ff ff ff ff ff 01 a0 0b 80 94 96 ab c0 68 "
            "01 04 'tier' 01 0b 'cx.feedback' 03 00 78 01 04 05 00 00"},
    {"'O'", "'DO' 01 e3 56 09 12 8a 94 96 ab c0 68 08 'branch-1'"},
    {"'O'", "'DO' 02 5f 7d a7 b0 8a 94 96 ab c0 68 08 'branch-1'"},
};

START_TEST(the_bytes_of_the_format)
{
    struct dl_tally tally = tally_of(3, 100);
    const struct dl_engine_pane pane = {.subject = dl_name_of("touchpoint:app"), .window_ms = HOUR_MS, .index = 64,
                                        .tally = &tally};
    const struct dl_chain_link links[] = {{dl_name_of("cx.feedback"), 3, 0, 120}, {dl_name_of("cx.feedback"), 4, 5, 5}};
    const struct dl_state_head head = {.tallies_next = 290, .clock_ms = SAMPLE_MS, .newest_ms = SAMPLE_MS - 1,
                                       .oldest_ms = SAMPLE_MS, .written_ms = SAMPLE_MS + 5,
                                       .instance = dl_name_of("branch-1"), .windows = 2,
                                       .window = {{5 * MINUTE_MS, INT64_MIN}, {DAY_MS, SAMPLE_MS}}, .segments = 1,
                                       .segment = {dl_name_of("tier")}, .links = links, .link_count = 2};
    for (int i = 0; i < GOLDEN; i++) {
        clear();
        int version = i % 2 + 1;
        enum dl_status status = i < 2   ? dl_state_write_pane(version, &pane, &key, &value)
                                : i < 4 ? dl_state_write_head(version, &head, &key, &value)
                                        : dl_state_write_owner(version, head.instance, head.written_ms, &key, &value);
        ck_assert_int_eq(status, DL_OK);
        check_bytes(key.data, key.bytes, golden[i].key);
        check_bytes(value.data, value.bytes, golden[i].value);
    }
    dl_tally_deinit(&tally);
}
END_TEST

static void check_flips(struct bytes *both, int which)
{
    struct bytes *changed = &both[which];
    for (size_t at = 0; at < changed->bytes; at++)
        for (unsigned change = 1; change < 256; change++) {
            changed->data[at] = (unsigned char)(changed->data[at] ^ change);
            MUST(read_pair(both[0], &both[1]) != DL_RECORD_GOOD);
            changed->data[at] = (unsigned char)(changed->data[at] ^ change);
        }
}

static void check_lengths(struct bytes *both, int which)
{
    struct bytes whole = both[which];
    for (size_t bytes = 0; bytes <= whole.bytes + 3; bytes++) {
        if (bytes == whole.bytes)
            continue;
        struct bytes padded = {.data = calloc(bytes + 1, 1), .bytes = bytes};
        memcpy(padded.data, whole.data, bytes < whole.bytes ? bytes : whole.bytes);
        both[which] = copy_of(padded.data, bytes);
        MUST(read_pair(both[0], &both[1]) != DL_RECORD_GOOD);
        free(both[which].data);
        free(padded.data);
    }
    both[which] = whole;
}

START_TEST(every_damage_is_seen)
{
    for (int i = 0; i < GOLDEN; i++) {
        struct bytes both[] = {bytes_of(golden[i].key), bytes_of(golden[i].value)};
        ck_assert_int_eq(read_pair(both[0], &both[1]), DL_RECORD_GOOD);
        for (int which = 0; which < 2; which++) {
            check_flips(both, which);
            check_lengths(both, which);
        }
        free(both[0].data);
        free(both[1].data);
    }
}
END_TEST

START_TEST(rules_of_the_body)
{
    /* Checksums are set; what is wrong is what stands there. */
    static const struct {
        const char *key, *value;
        enum dl_record_fault fault;
        const char *detail;
    } rows[] = {
        {"'P' 01 00 's'", "'DP' 02 00 00 00 00", DL_RECORD_GOOD, ""}, /* an empty tally */
        {"'P' 80 94 23 00 's'", "'DP' 02 00 00 00 00", DL_RECORD_GOOD, ""}, /* 400 days */
        {"'P' 81 94 23 00 's'", "'DP' 02 00 00 00 00", DL_RECORD_CORRUPT, "the key's byte 3: a number beyond its range"},
        {"'P' 00 00 's'", "'DP' 02 00 00 00 00", DL_RECORD_CORRUPT, "a window of nothing"},
        {"'P' 01 00", "'DP' 02 00 00 00 00", DL_RECORD_CORRUPT, "a subject that is empty"},
        {"'P' 01", "'DP' 02 00 00 00 00", DL_RECORD_CORRUPT, "too early"},
        {"'P'", "'DP' 02 00 00 00 00", DL_RECORD_CORRUPT, "too early"},
        {"'P' 01 80 80 80 80 80 80 40 's'", "'DP' 02 00 00 00 00", DL_RECORD_CORRUPT, "a pane beyond the year 9999"},
        {"'P' 01 ff ff ff ff ff ff ff ff ff 01 's'", "'DP' 02 00 00 00 00", DL_RECORD_CORRUPT, "a pane beyond"},
        {"'P' 01 00 's'", "'DP' 02 00 00 00 00 00 00", DL_RECORD_CORRUPT, "byte 7: not packed counters"},
        {"'P' 01 00 's'", "'DO' 02 00 00 00 00 00 00", DL_RECORD_FOREIGN, "kind O where one of kind P belongs"},
        {"'P' 01 00 's'", "'DP' 03 00 00 00 00", DL_RECORD_UNKNOWN_VERSION, "version 3"},
        {"'P' 01 00 's'", "'DP' 00 00 00 00 00", DL_RECORD_UNKNOWN_VERSION, "version 0"},
        {"'P' 01 00 's'", "'{}'", DL_RECORD_FOREIGN, "does not begin"},
        {"'Q'", "'DP' 02 00 00 00 00", DL_RECORD_FOREIGN, "the key (1 bytes)"},
        {"", "'DP' 02 00 00 00 00", DL_RECORD_FOREIGN, "the key (0 bytes)"},
        {"'B'", "'DB' 02 00 00 00 00", DL_RECORD_FOREIGN, "the key"},
        {"'O' 00", "'DO' 02 00 00 00 00 00 00", DL_RECORD_CORRUPT, "the key's byte 1: bytes behind its end"},
        {"'O'", "'DO' 02 00 00 00 00 00 00", DL_RECORD_GOOD, ""},
        {"'O'", "'DO' 02 00 00 00 00 00 00 00", DL_RECORD_CORRUPT, "behind its end"},
        {"'O'", "'DO' 02 00 00 00 00 80 f0 fe a1 fa 9d 73 00", DL_RECORD_CORRUPT, "a time beyond"},
        {"'H'", "'DH' 02 00 00 00 00 00 00 00 00 00 00 00 00 00", DL_RECORD_GOOD, ""},
        {"'H'", "'DH' 02 00 00 00 00 00 00 00 00 00 00 02 05 00 05 00 00 00", DL_RECORD_CORRUPT, "a window twice"},
        {"'H'", "'DH' 02 00 00 00 00 00 00 00 00 00 00 01 00 00 00 00", DL_RECORD_CORRUPT, "a window of nothing"},
        {"'H'", "'DH' 02 00 00 00 00 00 00 00 00 00 00 11 00 00", DL_RECORD_CORRUPT, "beyond its range"},
        {"'H'", "'DH' 02 00 00 00 00 00 00 00 00 00 00 00 02 01 'a' 01 'a' 00", DL_RECORD_CORRUPT, "a segment twice"},
        {"'H'", "'DH' 02 00 00 00 00 00 00 00 00 00 00 00 00 02 00 00 00 00 00", DL_RECORD_CORRUPT, "beyond its range"},
        {"'H'", "'DH' 02 00 00 00 00 ff ff ff ff ff ff ff ff ff 01 00 00 00 00 00 00 00 00", DL_RECORD_CORRUPT, "beyond"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes both[] = {bytes_of(rows[i].key), bytes_of(rows[i].value)};
        if (both[1].bytes >= DL_RECORD_HEADER_BYTES)
            dl_record_seal(both[1].data, both[1].bytes, both[0].data, both[0].bytes);
        enum dl_record_fault fault = read_pair(both[0], &both[1]);
        ck_assert_msg(fault == rows[i].fault && strstr(detail, rows[i].detail) != NULL, "row %zu: %s: %s", i,
                      dl_record_fault_word(fault), detail);
        free(both[0].data);
        free(both[1].data);
    }
    ck_assert_int_eq(dl_state_read(reader, NULL, 0, NULL, 0, &record, detail), DL_RECORD_FOREIGN);
    struct bytes long_key = {.data = calloc(3 + 4097, 1), .bytes = 3 + 4097};
    memcpy(long_key.data, "P\x01", 2);
    ck_assert_int_eq(read_pair(long_key, NULL), DL_RECORD_CORRUPT);
    long_key.bytes--;
    ck_assert_int_eq(read_pair(long_key, NULL), DL_RECORD_GOOD);
    free(long_key.data);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, panes);
    tcase_add_test(tests, a_tombstone_is_a_key);
    tcase_add_test(tests, heads);
    tcase_add_test(tests, owners);
    tcase_add_test(tests, appends_behind_what_is_there);
    tcase_add_test(tests, the_bytes_of_the_format);
    tcase_add_test(tests, every_damage_is_seen);
    tcase_add_test(tests, rules_of_the_body);
}

int main(void)
{
    return sample_main("state_record", add_tests);
}
