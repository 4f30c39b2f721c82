#include <delight/tally.h>

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* realloc can be made to fail, and to count the bytes that it handed out. Sanitizers have their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_REALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_REALLOC 0
#endif
#endif
#ifndef OWN_REALLOC
#define OWN_REALLOC 1
#endif

#if OWN_REALLOC
void *__libc_realloc(void *memory, size_t bytes);
static bool realloc_fails;
static size_t realloc_bytes;

void *realloc(void *memory, size_t bytes)
{
    if (realloc_fails) {
        errno = ENOMEM;
        return NULL;
    }
    realloc_bytes = bytes;
    return __libc_realloc(memory, bytes);
}
#endif

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 20;
}

static struct dl_counts counts_of(const struct dl_tally *tally)
{
    struct dl_counts counts = {.count = {0}};
    dl_tally_unpack(tally, &counts, 1);
    return counts;
}

static void add_dense(struct dl_counts *counts, const struct dl_counts *other, int sign)
{
    for (int i = 0; i < DL_COUNTERS; i++)
        counts->count[i] += sign * other->count[i];
}

static bool all_zero(const struct dl_counts *counts)
{
    for (int i = 0; i < DL_COUNTERS; i++) {
        if (counts->count[i] != 0)
            return false;
    }
    return true;
}

/* Holds exactly what the dense model holds, whichever way it is read. */
static void check_tally(const struct dl_tally *tally, const struct dl_counts *model)
{
    struct dl_counts counts = counts_of(tally);
    ck_assert_int_eq(memcmp(&counts, model, sizeof counts), 0);
    ck_assert(dl_tally_empty(tally) == all_zero(model));
    ck_assert((tally->data == NULL) == dl_tally_empty(tally));
    ck_assert_uint_le(tally->bytes, tally->capacity);
    ck_assert_uint_lt(tally->capacity, (tally->bytes < 24 ? 24 : tally->bytes) + 48); /* little slack */
    /* One form per content, so equal tallies are equal bytes. */
    struct dl_tally packed = {.data = NULL};
    ck_assert_int_eq(dl_tally_pack(&packed, model), DL_OK);
    ck_assert(dl_tally_equal(tally, &packed));
    dl_tally_deinit(&packed);
}

/* Few or many counters, small and large values of both signs. */
static struct dl_counts random_counts(uint64_t *random)
{
    struct dl_counts counts = {.count = {0}};
    uint64_t kind = next_random(random) % 4;
    uint64_t how_many = kind == 0 ? 1 : kind == 1 ? 4 : kind == 2 ? 40 : DL_COUNTERS;
    for (uint64_t i = 0; i < how_many; i++) {
        int64_t magnitude = (int64_t)(next_random(random) >> (next_random(random) % 44)) + 1;
        counts.count[next_random(random) % DL_COUNTERS] = next_random(random) % 2 == 0 ? magnitude : -magnitude;
    }
    return counts;
}

START_TEST(equals_dense_arrays_whatever_is_added)
{
    enum { TALLIES = 8 };
    struct dl_tally tallies[TALLIES] = {{.data = NULL}};
    struct dl_counts models[TALLIES] = {{.count = {0}}};
    uint64_t random = (uint64_t)_i + 1;
    for (int step = 0; step < 3000; step++) {
        size_t to = next_random(&random) % TALLIES;
        size_t from = (to + 1 + next_random(&random) % (TALLIES - 1)) % TALLIES;
        int sign = next_random(&random) % 2 == 0 ? 1 : -1;
        struct dl_counts some = {.count = {0}};
        struct dl_tally piece = {.data = NULL};
        switch (next_random(&random) % 6) {
        case 0: /* one tally merges into another */
            ck_assert_int_eq(dl_tally_add(&tallies[to], &tallies[from], sign), DL_OK);
            add_dense(&models[to], &models[from], sign);
            break;
        case 1: /* back to nothing */
            ck_assert_int_eq(dl_tally_copy(&piece, &tallies[to]), DL_OK);
            ck_assert_int_eq(dl_tally_add(&tallies[to], &piece, -1), DL_OK);
            models[to] = (struct dl_counts){.count = {0}};
            break;
        case 2:
            ck_assert_int_eq(dl_tally_copy(&tallies[to], &tallies[from]), DL_OK);
            models[to] = models[from];
            break;
        case 3:
            dl_tally_deinit(&tallies[to]);
            models[to] = (struct dl_counts){.count = {0}};
            break;
        default:
            some = random_counts(&random);
            ck_assert_int_eq(dl_tally_pack(&piece, &some), DL_OK);
            ck_assert_int_eq(dl_tally_add(&tallies[to], &piece, sign), DL_OK);
            add_dense(&models[to], &some, sign);
            break;
        }
        dl_tally_deinit(&piece);
        /* Merges double values; far from the end of int64 they start again. */
        for (int i = 0; i < DL_COUNTERS; i++) {
            if (models[to].count[i] > (INT64_C(1) << 61) || models[to].count[i] < -(INT64_C(1) << 61)) {
                dl_tally_deinit(&tallies[to]);
                models[to] = (struct dl_counts){.count = {0}};
            }
        }
        check_tally(&tallies[to], &models[to]);
        uint16_t counter = (uint16_t)(next_random(&random) % DL_COUNTERS);
        ck_assert_int_eq(dl_tally_get(&tallies[to], counter), models[to].count[counter]);
        ck_assert(dl_tally_equal(&tallies[to], &tallies[from]) ==
                  (memcmp(&models[to], &models[from], sizeof models[to]) == 0));
    }
    for (int i = 0; i < TALLIES; i++)
        dl_tally_deinit(&tallies[i]);
}
END_TEST

/* The same pieces in any order end in the same bytes; all pieces off again end in nothing. */
START_TEST(order_does_not_matter)
{
    enum { PIECES = 64 };
    struct dl_tally pieces[PIECES] = {{.data = NULL}};
    struct dl_tally forward = {.data = NULL}, shuffled = {.data = NULL};
    uint64_t random = (uint64_t)_i + 100;
    size_t order[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        struct dl_counts counts = random_counts(&random);
        ck_assert_int_eq(dl_tally_pack(&pieces[i], &counts), DL_OK);
        ck_assert_int_eq(dl_tally_add(&forward, &pieces[i], 1), DL_OK);
        order[i] = i;
    }
    for (size_t i = PIECES - 1; i > 0; i--) {
        size_t j = next_random(&random) % (i + 1);
        size_t swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
    for (size_t i = 0; i < PIECES; i++)
        ck_assert_int_eq(dl_tally_add(&shuffled, &pieces[order[i]], 1), DL_OK);
    ck_assert(dl_tally_equal(&forward, &shuffled));
    for (size_t i = 0; i < PIECES; i++)
        ck_assert_int_eq(dl_tally_add(&shuffled, &pieces[i], -1), DL_OK);
    ck_assert(dl_tally_empty(&shuffled));
    ck_assert_ptr_null(shuffled.data);
    for (size_t i = 0; i < PIECES; i++)
        dl_tally_deinit(&pieces[i]);
    dl_tally_deinit(&forward);
}
END_TEST

START_TEST(packed_form)
{
    static const struct {
        uint16_t counter[3];
        int64_t value[3];
        const char *packed;
        size_t bytes;
    } rows[] = {
        {{0}, {1}, "\x00\x02", 2},
        {{0}, {-1}, "\x00\x01", 2},
        {{0}, {63}, "\x00\x7e", 2},
        {{0}, {64}, "\x00\x80\x01", 3}, /* the first value of two bytes */
        {{0}, {-64}, "\x00\x7f", 2},
        {{0}, {-65}, "\x00\x81\x01", 3},
        {{127}, {1}, "\x7f\x02", 2},
        {{128}, {1}, "\x80\x01\x02", 3}, /* the first id step of two bytes */
        {{DL_COUNTERS - 1}, {1}, "\xdd\x03\x02", 3},
        {{0, 1, 5}, {1, 2, 3}, "\x00\x02\x00\x04\x03\x06", 6}, /* steps, not ids */
        {{7}, {INT64_MAX}, "\x07\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
        {{7}, {INT64_MIN}, "\x07\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_counts counts = {.count = {0}};
        struct dl_tally tally = {.data = NULL};
        for (int j = 0; j < 3; j++) {
            if (rows[i].value[j] != 0)
                counts.count[rows[i].counter[j]] = rows[i].value[j];
        }
        ck_assert_int_eq(dl_tally_pack(&tally, &counts), DL_OK);
        ck_assert_msg(tally.bytes == rows[i].bytes, "row %zu: %u bytes", i, tally.bytes);
        ck_assert_msg(memcmp(tally.data, rows[i].packed, rows[i].bytes) == 0, "row %zu", i);
        check_tally(&tally, &counts);
        dl_tally_deinit(&tally);
    }
}
END_TEST

START_TEST(largest_tally_fits)
{
    struct dl_counts counts, doubled = {.count = {0}};
    struct dl_tally tally = {.data = NULL}, zero = {.data = NULL};
    for (int i = 0; i < DL_COUNTERS; i++)
        counts.count[i] = i % 2 == 0 ? INT64_MAX : INT64_MIN;
    ck_assert_int_eq(dl_tally_pack(&tally, &counts), DL_OK);
    check_tally(&tally, &counts);
    ck_assert_int_eq(dl_tally_copy(&zero, &tally), DL_OK);
    ck_assert_int_eq(dl_tally_add(&zero, &tally, -1), DL_OK);
    check_tally(&zero, &doubled);
    dl_tally_unpack(&tally, &counts, -1);
    ck_assert(all_zero(&counts));
    dl_tally_deinit(&tally);
}
END_TEST

START_TEST(empty_tallies_are_neutral)
{
    struct dl_counts counts = {.count = {[DL_COUNT_EVENTS] = 2, [DL_COUNT_NPS + 10] = 2}};
    struct dl_tally tally = {.data = NULL}, empty = {.data = NULL};
    ck_assert(dl_tally_empty(&empty));
    ck_assert_int_eq(dl_tally_add(&empty, &tally, -1), DL_OK);
    ck_assert_ptr_null(empty.data);
    ck_assert(dl_tally_equal(&tally, &empty));
    ck_assert_int_eq(dl_tally_pack(&tally, &counts), DL_OK);
    ck_assert(!dl_tally_equal(&tally, &empty));
    ck_assert_int_eq(dl_tally_add(&tally, &empty, 1), DL_OK);
    ck_assert_int_eq(dl_tally_add(&tally, &empty, -1), DL_OK);
    check_tally(&tally, &counts);
    ck_assert_int_eq(dl_tally_get(&empty, 0), 0);
    /* A retraction that is counted before its event. */
    ck_assert_int_eq(dl_tally_add(&empty, &tally, -1), DL_OK);
    ck_assert_int_eq(dl_tally_get(&empty, DL_COUNT_EVENTS), -2);
    ck_assert_int_eq(dl_tally_add(&empty, &tally, 1), DL_OK);
    ck_assert_ptr_null(empty.data);
    ck_assert_int_eq(dl_tally_copy(&tally, &tally), DL_OK);
    check_tally(&tally, &counts);
    ck_assert_int_eq(dl_tally_copy(&tally, &empty), DL_OK);
    ck_assert_ptr_null(tally.data);
    counts = (struct dl_counts){.count = {0}};
    ck_assert_int_eq(dl_tally_pack(&tally, &counts), DL_OK);
    ck_assert_ptr_null(tally.data);
    dl_tally_deinit(&tally);
    dl_tally_deinit(&tally);
}
END_TEST

/* What memory per pane is planned with: a pane of a few survey answers. */
START_TEST(a_pane_of_answers_is_small)
{
    struct dl_counts counts = {.count = {[DL_COUNT_EVENTS] = 12}};
    struct dl_tally tally = {.data = NULL};
    int64_t nps[] = {0, 0, 1, 0, 0, 0, 1, 2, 3, 3, 2};
    int64_t csat[] = {1, 0, 2, 4, 5};
    memcpy(counts.count + DL_COUNT_NPS, nps, sizeof nps);
    memcpy(counts.count + DL_COUNT_CSAT, csat, sizeof csat);
    ck_assert_int_eq(dl_tally_pack(&tally, &counts), DL_OK);
    ck_assert_uint_eq(tally.bytes, 22);
    ck_assert_uint_eq(tally.capacity, 24);
    dl_tally_deinit(&tally);
}
END_TEST

static void put(struct dl_tally *tally, int counters, int64_t value)
{
    struct dl_counts counts = {.count = {0}};
    for (int i = 0; i < counters; i++)
        counts.count[i] = value;
    ck_assert_int_eq(dl_tally_pack(tally, &counts), DL_OK);
}

START_TEST(memory_follows_the_content)
{
    static const struct {
        int counters; /* of two bytes each */
        uint32_t capacity;
    } rows[] = {
        {1, 24}, {12, 24}, {13, 40}, {20, 40}, {21, 56}, {200, 408}, /* grows by what it needs */
        {190, 408}, /* 28 bytes less are not worth a move */
        {100, 200}, {12, 24}, {1, 24},
    };
    struct dl_tally tally = {.data = NULL};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put(&tally, rows[i].counters, 1);
        ck_assert_uint_eq(tally.bytes, 2 * (unsigned)rows[i].counters);
        ck_assert_msg(tally.capacity == rows[i].capacity, "row %zu: %u", i, tally.capacity);
    }
    dl_tally_deinit(&tally);
}
END_TEST

#if OWN_REALLOC
START_TEST(without_memory_nothing_changes)
{
    struct dl_tally tally = {.data = NULL}, more = {.data = NULL}, empty = {.data = NULL};
    put(&tally, 12, 1);
    ck_assert_uint_eq(realloc_bytes, 24);
    put(&more, 40, 1);
    struct dl_counts before = counts_of(&tally);
    struct dl_counts many = counts_of(&more);
    realloc_fails = true;
    enum dl_status added = dl_tally_add(&tally, &more, 1);
    enum dl_status copied = dl_tally_copy(&tally, &more);
    enum dl_status packed = dl_tally_pack(&tally, &many);
    enum dl_status first = dl_tally_add(&empty, &more, -1);
    enum dl_status set = dl_tally_set_packed(&tally, more.data, more.bytes);
    realloc_fails = false;
    ck_assert_int_eq(added, DL_MEMORY);
    ck_assert_int_eq(copied, DL_MEMORY);
    ck_assert_int_eq(packed, DL_MEMORY);
    ck_assert_int_eq(first, DL_MEMORY);
    ck_assert_int_eq(set, DL_MEMORY);
    ck_assert_ptr_null(empty.data);
    check_tally(&tally, &before);
    /* Shrinking needs none: the old block is enough. */
    realloc_fails = true;
    enum dl_status shrunk = dl_tally_copy(&more, &tally);
    realloc_fails = false;
    ck_assert_int_eq(shrunk, DL_OK);
    ck_assert(dl_tally_equal(&more, &tally));
    ck_assert_uint_eq(more.capacity, 88);
    dl_tally_deinit(&tally);
    dl_tally_deinit(&more);
}
END_TEST
#endif

/* Durations can be driven beyond int64 by hostile input: the process lives on, and taking off is exact. */
START_TEST(overflow_wraps_and_heals)
{
    struct dl_tally tally = {.data = NULL}, one = {.data = NULL};
    int sign = _i == 0 ? 1 : -1;
    put(&tally, 1, _i == 0 ? INT64_MAX : INT64_MIN);
    put(&one, 1, 1);
    ck_assert_int_eq(dl_tally_add(&tally, &one, sign), DL_OK);
    ck_assert_int_eq(dl_tally_get(&tally, 0), _i == 0 ? INT64_MIN : INT64_MAX);
    ck_assert_int_eq(dl_tally_add(&tally, &one, -sign), DL_OK);
    ck_assert_int_eq(dl_tally_get(&tally, 0), _i == 0 ? INT64_MAX : INT64_MIN);
    dl_tally_deinit(&tally);
    dl_tally_deinit(&one);
}
END_TEST

/* Bytes that no tally packs: the reader stops there and not behind them. */
START_TEST(broken_bytes_abort)
{
    static const struct {
        const char *data;
        uint32_t bytes;
    } rows[] = {
        {"\x00", 1},                                                     /* no value */
        {"\x80", 1},                                                     /* id ends within its varint */
        {"\x00\x80", 2},                                                 /* value does */
        {"\xde\x03\x02", 3},                                             /* id of one past the last counter */
        {"\xdd\x03\x02\x00\x02", 5},                                     /* a step past it */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02", 11},            /* a step that would wrap */
        {"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12},        /* value of more than 64 bits */
    };
    unsigned char *copy = malloc(rows[_i].bytes); /* of its own size, for the sanitizer */
    if (copy == NULL)
        exit(EXIT_FAILURE);
    memcpy(copy, rows[_i].data, rows[_i].bytes);
    struct dl_tally tally = {.data = copy, .bytes = rows[_i].bytes, .capacity = rows[_i].bytes};
    counts_of(&tally);
    free(copy);
}
END_TEST

/* Bytes of their own size, for the sanitizer. */
static bool is_valid(const void *data, size_t bytes)
{
    unsigned char *copy = malloc(bytes + (bytes == 0));
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, data, bytes);
    bool valid = dl_tally_valid(copy, bytes);
    free(copy);
    return valid;
}

START_TEST(foreign_bytes_are_checked)
{
    static const struct {
        const char *data;
        size_t bytes;
        bool valid;
    } rows[] = {
        {"", 0, true},                                                    /* the empty tally */
        {"\x00\x02", 2, true},
        {"\x00\x01\x00\x01", 4, true},
        {"\x00\x00", 2, false},                                           /* a counter that is 0 */
        {"\x00\x02\x00\x00", 4, false},
        {"\x00", 1, false},                                               /* no value */
        {"\x00\x02\x00", 3, false},
        {"\x80", 1, false},                                               /* ends within a varint */
        {"\x00\x80", 2, false},
        {"\x7f\x02", 2, true},
        {"\xff\x00\x02", 3, false},                                       /* not the shortest form */
        {"\x80\x00\x02", 3, false},
        {"\x00\x82\x00", 3, false},
        {"\x00\x82\x80\x00", 4, false},
        {"\x00\x80\x01", 3, true},
        {"\xdd\x03\x02", 3, true},                                        /* the last counter */
        {"\xde\x03\x02", 3, false},                                       /* one past it */
        {"\xdc\x03\x02\x00\x02", 5, true},
        {"\xdd\x03\x02\x00\x02", 5, false},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02", 11, false},      /* a step that would wrap */
        {"\x00\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02", 13, false},
        {"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, true},       /* 64 bits */
        {"\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11, true},
        {"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, false},      /* 65 */
        {"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x03", 11, false},
        {"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 11, false},
        {"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, false},  /* eleven bytes */
        {"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 12, false},
    };
    ck_assert_int_eq(DL_COUNTERS, 478); /* which 0xdd 0x03 is one less than */
    ck_assert(dl_tally_valid(NULL, 0));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(is_valid(rows[i].data, rows[i].bytes) == rows[i].valid, "row %zu", i);
}
END_TEST

/* What is packed is valid and comes back; what is valid is what is packed of it. */
START_TEST(packed_bytes_come_back)
{
    uint64_t random = (uint64_t)_i + 1;
    struct dl_tally tally = {.data = NULL}, back = {.data = NULL};
    int mutants = 0;
    for (int step = 0; step < 2000; step++) {
        struct dl_counts counts = random_counts(&random);
        ck_assert_int_eq(dl_tally_pack(&tally, &counts), DL_OK);
        ck_assert(is_valid(tally.data, tally.bytes));
        ck_assert_int_eq(dl_tally_set_packed(&back, tally.data, tally.bytes), DL_OK);
        check_tally(&back, &counts);
        size_t bytes = next_random(&random) % 4 == 0 ? next_random(&random) % tally.bytes : tally.bytes;
        tally.data[next_random(&random) % tally.bytes] = (unsigned char)next_random(&random);
        if (!is_valid(tally.data, bytes))
            continue;
        mutants++;
        ck_assert_int_eq(dl_tally_set_packed(&back, tally.data, bytes), DL_OK);
        struct dl_counts meant = counts_of(&back);
        check_tally(&back, &meant);
    }
    ck_assert_int_gt(mutants, 100);
    ck_assert_int_eq(dl_tally_set_packed(&back, NULL, 0), DL_OK);
    ck_assert_ptr_null(back.data);
    dl_tally_deinit(&tally);
}
END_TEST

START_TEST(itself_is_no_other)
{
    struct dl_tally tally = {.data = NULL};
    if (dl_tally_add(&tally, &tally, 1) != DL_OK)
        exit(EXIT_FAILURE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tally");
    TCase *model = tcase_create("model");
    tcase_set_timeout(model, 120);
    tcase_add_loop_test(model, equals_dense_arrays_whatever_is_added, 0, 8);
    tcase_add_loop_test(model, order_does_not_matter, 0, 8);
    suite_add_tcase(suite, model);
    TCase *form = tcase_create("form and memory");
    tcase_add_test(form, packed_form);
    tcase_add_test(form, largest_tally_fits);
    tcase_add_test(form, empty_tallies_are_neutral);
    tcase_add_test(form, a_pane_of_answers_is_small);
    tcase_add_test(form, memory_follows_the_content);
#if OWN_REALLOC
    tcase_add_test(form, without_memory_nothing_changes);
#endif
    tcase_add_test(form, foreign_bytes_are_checked);
    tcase_add_loop_test(form, packed_bytes_come_back, 0, 4);
    suite_add_tcase(suite, form);
    TCase *promises = tcase_create("promises");
    tcase_add_loop_test(promises, overflow_wraps_and_heals, 0, 2);
    tcase_add_loop_test_raise_signal(promises, broken_bytes_abort, SIGABRT, 0, 7);
    tcase_add_test_raise_signal(promises, itself_is_no_other, SIGABRT);
    suite_add_tcase(suite, promises);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
