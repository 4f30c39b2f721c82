#include <delight/ring.h>

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

/* One below the wrap-around, at it, and far from it. */
static const uint32_t starts[] = {0, UINT32_MAX - 3, UINT32_MAX, 1, 0x7fffffff};

static int item_memory[64];

START_TEST(holds_its_slots_and_no_more)
{
    static const uint32_t sizes[] = {2, 4, 8, 64};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct dl_ring *ring = dl_ring_create(sizes[s], starts[_i]);
        ck_assert_ptr_nonnull(ring);
        /* Three times round, so that every slot is used again. */
        for (int round = 0; round < 3; round++) {
            ck_assert_ptr_null(dl_ring_pop(ring));
            for (uint32_t i = 0; i < sizes[s]; i++)
                ck_assert_int_eq(dl_ring_push(ring, &item_memory[i]), DL_OK);
            ck_assert_int_eq(dl_ring_push(ring, &item_memory[0]), DL_FULL);
            ck_assert_int_eq(dl_ring_push(ring, &item_memory[0]), DL_FULL);
            for (uint32_t i = 0; i < sizes[s]; i++)
                ck_assert_ptr_eq(dl_ring_pop(ring), &item_memory[i]);
            ck_assert_ptr_null(dl_ring_pop(ring));
        }
        dl_ring_destroy(ring);
    }
}
END_TEST

/* One in, one out across the wrap-around, at every fill level. */
START_TEST(keeps_order_at_every_level)
{
    enum { SLOTS = 4 };
    for (uint32_t level = 0; level < SLOTS; level++) {
        struct dl_ring *ring = dl_ring_create(SLOTS, starts[_i]);
        ck_assert_ptr_nonnull(ring);
        uint32_t pushed = 0, popped = 0;
        for (; pushed < level; pushed++)
            ck_assert_int_eq(dl_ring_push(ring, &item_memory[pushed % 64]), DL_OK);
        for (int i = 0; i < 100; i++) {
            ck_assert_int_eq(dl_ring_push(ring, &item_memory[pushed++ % 64]), DL_OK);
            ck_assert_ptr_eq(dl_ring_pop(ring), &item_memory[popped++ % 64]);
        }
        /* A slot that was freed is free at once, however full the ring was. */
        for (; pushed - popped < SLOTS; pushed++)
            ck_assert_int_eq(dl_ring_push(ring, &item_memory[pushed % 64]), DL_OK);
        ck_assert_int_eq(dl_ring_push(ring, &item_memory[0]), DL_FULL);
        ck_assert_ptr_eq(dl_ring_pop(ring), &item_memory[popped++ % 64]);
        ck_assert_int_eq(dl_ring_push(ring, &item_memory[pushed++ % 64]), DL_OK);
        dl_ring_destroy(ring);
    }
}
END_TEST

START_TEST(destroy_takes_null)
{
    dl_ring_destroy(NULL);
}
END_TEST

enum { ITEMS = 1000000 };

/* What a batch is: written before the push, read and freed after the pop. */
struct item {
    uint32_t number;
    uint32_t check;
};

static void *produce(void *argument)
{
    struct dl_ring *ring = argument;
    for (uint32_t i = 0; i < ITEMS; i++) {
        struct item *item = malloc(sizeof *item);
        if (item == NULL)
            return NULL;
        item->number = i;
        item->check = ~i;
        while (dl_ring_push(ring, item) == DL_FULL)
            sched_yield();
    }
    return ring;
}

START_TEST(two_threads_lose_nothing)
{
    /* Two slots are full all the time; 1024 are where both sides run apart. */
    static const uint32_t sizes[] = {2, 8, 1024};
    struct dl_ring *ring = dl_ring_create(sizes[_i], UINT32_MAX - 3);
    pthread_t producer;
    ck_assert_ptr_nonnull(ring);
    ck_assert_int_eq(pthread_create(&producer, NULL, produce, ring), 0);
    for (uint32_t expected = 0; expected < ITEMS; expected++) {
        struct item *item;
        while ((item = dl_ring_pop(ring)) == NULL)
            sched_yield();
        /* ck_assert takes a lock each time; only a fault needs its words. */
        if (item->number != expected || item->check != ~expected)
            ck_abort_msg("item %u is number %u", expected, item->number);
        free(item);
    }
    void *result;
    ck_assert_int_eq(pthread_join(producer, &result), 0);
    ck_assert_ptr_eq(result, ring);
    ck_assert_ptr_null(dl_ring_pop(ring));
    dl_ring_destroy(ring);
}
END_TEST

START_TEST(slots_that_are_no_power_of_two_abort)
{
    static const uint32_t sizes[] = {0, 1, 3, (1 << 20) + 1, 1 << 21};
    dl_ring_destroy(dl_ring_create(sizes[_i], 0));
}
END_TEST

START_TEST(null_item_aborts)
{
    struct dl_ring *ring = dl_ring_create(2, 0);
    if (ring == NULL || dl_ring_push(ring, NULL) != DL_OK)
        exit(EXIT_FAILURE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ring");
    TCase *alone = tcase_create("one thread");
    tcase_add_loop_test(alone, holds_its_slots_and_no_more, 0, sizeof starts / sizeof starts[0]);
    tcase_add_loop_test(alone, keeps_order_at_every_level, 0, sizeof starts / sizeof starts[0]);
    tcase_add_test(alone, destroy_takes_null);
    tcase_add_loop_test_raise_signal(alone, slots_that_are_no_power_of_two_abort, SIGABRT, 0, 5);
    tcase_add_test_raise_signal(alone, null_item_aborts, SIGABRT);
    suite_add_tcase(suite, alone);
    TCase *two = tcase_create("two threads");
    tcase_set_timeout(two, 120);
    tcase_add_loop_test(two, two_threads_lose_nothing, 0, 3);
    suite_add_tcase(suite, two);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
