#include "sample.h"

#include <delight/chain.h>

static struct dl_chain_link link_of(const char *topic, int32_t partition, int64_t from, int64_t next)
{
    return (struct dl_chain_link){.topic = dl_name_of(topic), .partition = partition, .from = from, .next = next};
}

static void take(struct dl_chain *chain, const char *topic, int32_t partition, int64_t from, int64_t next)
{
    struct dl_chain_link link = link_of(topic, partition, from, next);
    MUST(dl_chain_take(chain, &link) == DL_OK);
}

/* One chain; every row is judged, then taken. */
START_TEST(verdicts)
{
    static const struct {
        const char *topic;
        int32_t partition;
        int64_t from, next;
        enum dl_chain_verdict verdict;
        int64_t expected;
    } rows[] = {
        {"a", 0, 0, 120, DL_CHAIN_GOOD, 0},
        {"a", 0, 120, 400, DL_CHAIN_GOOD, 120},
        {"a", 0, 400, 400, DL_CHAIN_GOOD, 400},   /* nothing stated, nothing wrong */
        {"a", 0, 410, 420, DL_CHAIN_GAP, 400},
        {"a", 0, 420, 421, DL_CHAIN_GOOD, 420},   /* after a gap it goes on behind it */
        {"a", 0, 420, 430, DL_CHAIN_OVERLAP, 421}, /* by one */
        {"a", 0, 431, 440, DL_CHAIN_GAP, 430},    /* by one */
        {"a", 0, 0, 440, DL_CHAIN_OVERLAP, 440},
        {"a", 1, 77, 80, DL_CHAIN_GOOD, 77},      /* a new partition may begin anywhere */
        {"b", 0, 5, 5, DL_CHAIN_GOOD, 5},         /* another topic's same number is another one */
        {"b", 0, 4, 6, DL_CHAIN_OVERLAP, 5},
        {"b", 1, 0, 1, DL_CHAIN_GOOD, 0},
        {"a", 0, 440, 441, DL_CHAIN_GOOD, 440},
        {"a", 1, 80, 81, DL_CHAIN_GOOD, 80},
        {"a.b", 0, 3, 4, DL_CHAIN_GOOD, 3},       /* a name that begins like another */
        {"a", 2, 0, INT64_MAX, DL_CHAIN_GOOD, 0},
        {"a", 2, INT64_MAX, INT64_MAX, DL_CHAIN_GOOD, INT64_MAX},
        {"a", INT32_MAX, 9, 10, DL_CHAIN_GOOD, 9},
    };
    struct dl_chain *chain = dl_chain_create();
    ck_assert_ptr_nonnull(chain);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_chain_link link = link_of(rows[i].topic, rows[i].partition, rows[i].from, rows[i].next);
        int64_t before = dl_chain_next(chain, link.topic, link.partition);
        int64_t expected = -2;
        enum dl_chain_verdict verdict = dl_chain_judge(chain, &link, &expected);
        ck_assert_msg(verdict == rows[i].verdict && expected == rows[i].expected, "row %zu: %d, %lld", i, (int)verdict,
                      (long long)expected);
        ck_assert_msg(dl_chain_next(chain, link.topic, link.partition) == before, "row %zu: judging changed it", i);
        ck_assert_int_eq(dl_chain_take(chain, &link), DL_OK);
        ck_assert_int_eq(dl_chain_next(chain, link.topic, link.partition), rows[i].next);
    }
    ck_assert_int_eq(dl_chain_next(chain, dl_name_of("c"), 0), -1);
    ck_assert_int_eq(dl_chain_next(chain, dl_name_of("b"), 2), -1);
    dl_chain_destroy(chain);
}
END_TEST

START_TEST(what_is_listed)
{
    char topic[] = "first";
    struct dl_chain *chain = dl_chain_create();
    ck_assert_uint_eq(dl_chain_count(chain), 0);
    take(chain, topic, 7, 10, 20);
    memcpy(topic, "other", sizeof topic); /* names were borrowed */
    take(chain, "second", 0, 0, 1);
    take(chain, "first", 3, 0, 0);
    take(chain, "first", 7, 40, 50);
    take(chain, "first", 7, 30, 35); /* whatever came before: back, too */
    static const struct {
        const char *topic;
        int32_t partition;
        int64_t from, next;
    } rows[] = {{"first", 7, 10, 35}, {"second", 0, 0, 1}, {"first", 3, 0, 0}};
    ck_assert_uint_eq(dl_chain_count(chain), 3);
    for (size_t i = 0; i < 3; i++) {
        struct dl_chain_link link = dl_chain_at(chain, i);
        ck_assert(dl_name_equal(link.topic, dl_name_of(rows[i].topic)));
        ck_assert(link.partition == rows[i].partition && link.from == rows[i].from && link.next == rows[i].next);
    }
    dl_chain_destroy(chain);
    dl_chain_destroy(NULL);
}
END_TEST

/* What is listed makes the same chain again. */
START_TEST(many_partitions)
{
    enum { TOPICS = 3, PARTITIONS = 70000 };
    static const char *const topics[TOPICS] = {"one", "two", "three"};
    struct dl_chain *chain = dl_chain_create();
    struct dl_chain *copy = dl_chain_create();
    for (int round = 0; round < 2; round++)
        for (int32_t p = 0; p < PARTITIONS; p++)
            for (int t = 0; t < TOPICS; t++)
                take(chain, topics[t], p, p + round * 1000 + t, p + 1000 + round * 1000 + t);
    ck_assert_uint_eq(dl_chain_count(chain), TOPICS * PARTITIONS);
    for (size_t i = 0; i < dl_chain_count(chain); i++) {
        struct dl_chain_link link = dl_chain_at(chain, i);
        MUST(dl_chain_take(copy, &link) == DL_OK);
    }
    for (size_t i = 0; i < dl_chain_count(copy); i++) {
        struct dl_chain_link a = dl_chain_at(chain, i);
        struct dl_chain_link b = dl_chain_at(copy, i);
        MUST(dl_name_equal(a.topic, b.topic) && a.partition == b.partition && a.from == b.from && a.next == b.next);
        MUST(dl_name_equal(a.topic, dl_name_of(topics[i % TOPICS])) && a.partition == (int32_t)(i / TOPICS));
        MUST(a.from == a.partition + (int)(i % TOPICS) && a.next == a.from + 2000);
        MUST(dl_chain_next(copy, a.topic, a.partition) == a.next);
        /* A topic's name is there once, whoever has it. */
        MUST(a.topic.data == dl_chain_at(chain, i % TOPICS).topic.data);
    }
    dl_chain_destroy(chain);
    dl_chain_destroy(copy);
}
END_TEST

START_TEST(positions_do_not_go_back)
{
    struct dl_chain_link link = link_of("a", 0, _i == 0 ? 5 : -1, _i == 0 ? 4 : 1);
    take(dl_chain_create(), "a", 0, link.from, link.next);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, verdicts);
    tcase_add_test(tests, what_is_listed);
    tcase_add_test(tests, many_partitions);
    tcase_add_loop_test_raise_signal(tests, positions_do_not_go_back, SIGABRT, 0, 2);
}

int main(void)
{
    return sample_main("chain", add_tests);
}
