#include "draw.h"
#include "sample.h"

#include <delight/dedupe.h>

static bool check(struct dl_dedupe *dedupe, int64_t offset, const char *id, int sign)
{
    struct dl_event event = sample_survey("shop", SAMPLE_MS);
    event.id = dl_name_of(id);
    event.sign = sign;
    bool duplicate = false;
    const struct dl_dedupe_mark mark = dl_dedupe_mark(dedupe, &event);
    MUST(dl_dedupe_check(dedupe, offset, &mark, &duplicate) == DL_OK);
    return duplicate;
}

START_TEST(within_n_offsets)
{
    static const struct {
        int64_t offset;
        const char *id;
        int sign;
        bool duplicate;
    } rows[] = { /* N is 10 */
        {0, "a", 1, false},
        {1, "b", 1, false},
        {2, "a", -1, false},  /* its retraction is another */
        {3, "", 1, false},    /* without id: never */
        {4, "", 1, false},
        {11, "b", 1, true},   /* 10 offsets on */
        {12, "a", -1, true},
        {13, "a", 1, false},  /* 13 on: forgotten */
        {20, "b", 1, true},   /* the dropped one of 11 counts, though that of 1 is out of reach */
        {30, "b", 1, true},
        {41, "b", 1, false},  /* 11 on */
        {42, "bb", 1, false},
        {43, "b", 1, true},
        {1000000000000, "b", 1, false}, /* a gap */
        {1000000000001, "b", 1, true},
    };
    struct dl_dedupe *dedupe = dl_dedupe_create(10);
    ck_assert_ptr_nonnull(dedupe);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(check(dedupe, rows[i].offset, rows[i].id, rows[i].sign) == rows[i].duplicate, "row %zu", i);
    dl_dedupe_destroy(dedupe);
    dl_dedupe_destroy(NULL);
}
END_TEST

START_TEST(of_one_record)
{
    struct dl_dedupe *dedupe = dl_dedupe_create(1);
    ck_assert(!check(dedupe, 5, "a", 1));
    ck_assert(check(dedupe, 6, "a", 1));
    ck_assert(!check(dedupe, 7, "b", 1));
    ck_assert(!check(dedupe, 8, "a", 1));
    ck_assert(!check(dedupe, 10, "a", 1));
    dl_dedupe_destroy(dedupe);
}
END_TEST

static struct dl_dedupe_mark mark_of(const struct dl_dedupe *dedupe, const char *id)
{
    struct dl_event event = sample_survey("shop", SAMPLE_MS);
    event.id = dl_name_of(id);
    return dl_dedupe_mark(dedupe, &event);
}

static bool check_mark(struct dl_dedupe *dedupe, int64_t offset, struct dl_dedupe_mark mark)
{
    bool duplicate;
    MUST(dl_dedupe_check(dedupe, offset, &mark, &duplicate) == DL_OK);
    return duplicate;
}

/* Whoever marks events ahead of their checks gets the same answers, whatever is noted meanwhile, and however much. */
START_TEST(marked_ahead)
{
    enum { OTHERS = 5000 };
    struct dl_dedupe *dedupe = dl_dedupe_create(OTHERS);
    struct dl_dedupe_mark a = mark_of(dedupe, "a"), again = mark_of(dedupe, "a"), none = mark_of(dedupe, "");
    struct dl_dedupe_mark b = mark_of(dedupe, "b"), late = mark_of(dedupe, "b");
    ck_assert(!check_mark(dedupe, 0, a));
    ck_assert(check_mark(dedupe, 1, again));
    ck_assert(!check_mark(dedupe, 2, none));
    for (int i = 0; i < OTHERS - 1; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        ck_assert(!check(dedupe, 3 + i, id, 1));
    }
    ck_assert(!check_mark(dedupe, OTHERS + 2, b));
    ck_assert(check_mark(dedupe, OTHERS + 3, late));
    ck_assert(!check_mark(dedupe, OTHERS + 4, a)); /* too long ago */
    dl_dedupe_destroy(dedupe);
}
END_TEST

/* An id whose hash begins at that line of so many. */
static struct dl_dedupe_mark mark_at(unsigned line, unsigned lines, uint64_t number)
{
    uint64_t part = ((uint64_t)line << 32) / lines + 1;
    return (struct dl_dedupe_mark){.low = part << 32 | number, .high = number};
}

/* Each line has been full once, and an id that did not fit it comes again and again. */
START_TEST(every_line_has_spilled)
{
    enum { RECORDS = 15, LINES = 6, ENTRIES = 7 };
    struct dl_dedupe *dedupe = dl_dedupe_create(RECORDS);
    struct dl_dedupe_mark over[LINES];
    uint64_t number = 0;
    int64_t offset = 0;
    for (unsigned line = 0; line < LINES; line++) {
        for (unsigned i = line > 0; i < ENTRIES; i++) /* one of the line before lies there */
            ck_assert(!check_mark(dedupe, offset++, mark_at(line, LINES, ++number)));
        over[line] = mark_at(line, LINES, ++number);
        ck_assert(!check_mark(dedupe, offset++, over[line]));
        for (unsigned i = 0; i <= line; i++)
            ck_assert(check_mark(dedupe, offset++, over[i]));
    }
    ck_assert(!check_mark(dedupe, offset++, mark_at(2, LINES, ++number)));
    ck_assert(check_mark(dedupe, offset, over[LINES - 1]));
    dl_dedupe_destroy(dedupe);
}
END_TEST

/* Against a model that looks through all that went before. */
static void run_round(uint64_t seed, int count, int64_t records_min, int64_t records_max)
{
    enum { NOTES = 40000 };
    static struct {
        int64_t offset;
        int id, sign;
    } notes[NOTES];
    MUST(count <= NOTES);
    struct random random = {seed};
    int64_t records = draw_in(&random, records_min, records_max);
    int64_t ids = draw_in(&random, 1, 2 * records);
    int64_t gap = draw_one_in(&random, 2) ? 1 : 5;
    struct dl_dedupe *dedupe = dl_dedupe_create(records);
    int64_t offset = draw_in(&random, 0, 1000);
    for (int i = 0; i < count; i++) {
        offset += draw_in(&random, 1, gap) + (draw_one_in(&random, 500) ? records : 0);
        notes[i].offset = offset;
        notes[i].id = (int)draw_in(&random, 1, ids);
        notes[i].sign = draw_one_in(&random, 10) ? -1 : 1;
        bool expected = false;
        for (int j = i - 1; j >= 0 && notes[j].offset >= offset - records; j--)
            expected = expected || (notes[j].id == notes[i].id && notes[j].sign == notes[i].sign);
        char id[16];
        snprintf(id, sizeof id, "%d", notes[i].id);
        if (check(dedupe, offset, id, notes[i].sign) != expected)
            ck_abort_msg("seed %llu, note %d, N %lld", (unsigned long long)seed, i, (long long)records);
    }
    dl_dedupe_destroy(dedupe);
}

START_TEST(equals_a_model)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        run_round(seed, 3000, 1, 20);
        run_round(seed, 3000, 20, 2500);
        run_round(seed, 40000, 1, 20);    /* longer than there are numbers */
        run_round(seed, 20000, 100, 400); /* long enough for many a line that is full */
    }
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, within_n_offsets);
    tcase_add_test(tests, of_one_record);
    tcase_add_test(tests, marked_ahead);
    tcase_add_test(tests, every_line_has_spilled);
    tcase_add_test(tests, equals_a_model);
}

int main(void)
{
    return sample_main("dedupe", add_tests);
}
