#include "draw.h"
#include "sample.h"

#include "arena.h"
#include "table.h"

/* Hashes that meet in one cluster, around the end of the array too: what a
 * removal has to get right. The model is an array. */
START_TEST(equals_a_model)
{
    enum { ITEMS = 300, STEPS = 5000 };
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random random = {seed};
        struct dl_table table = {.entries = NULL};
        static bool there[ITEMS];
        static uint64_t hash[ITEMS];
        memset(there, 0, sizeof there);
        uint64_t spread = draw_one_in(&random, 2) ? 16 : 4096;
        for (int i = 0; i < ITEMS; i++)
            hash[i] = draw_one_in(&random, 4) ? UINT32_MAX - draw(&random) % 4 : draw(&random) % spread;
        uint32_t used = 0;
        for (int step = 0; step < STEPS; step++) {
            uint32_t item = (uint32_t)draw_in(&random, 0, ITEMS - 1);
            struct dl_table_cursor cursor = dl_table_look(&table, hash[item]);
            uint32_t value;
            while ((value = dl_table_next(&table, &cursor)) != DL_TABLE_NONE && value != item)
                MUST((uint32_t)hash[value] == (uint32_t)hash[item]);
            if ((value == item) != there[item])
                ck_abort_msg("seed %llu, step %d", (unsigned long long)seed, step);
            if (there[item]) {
                dl_table_remove(&table, hash[item], item);
            } else {
                size_t growth = dl_table_growth(&table, 1);
                MUST(dl_table_reserve(&table, 1) == DL_OK);
                MUST(growth == 0 || growth == dl_table_bytes(&table));
                dl_table_put(&table, hash[item], item);
            }
            there[item] = !there[item];
            used = there[item] ? used + 1 : used - 1;
            MUST(table.used == used);
        }
        dl_table_clear(&table);
        for (uint32_t item = 0; item < ITEMS; item++) {
            struct dl_table_cursor cursor = dl_table_look(&table, hash[item]);
            MUST(dl_table_next(&table, &cursor) == DL_TABLE_NONE);
        }
        dl_table_deinit(&table);
    }
}
END_TEST

START_TEST(arena_stays_in_its_bounds)
{
    struct random random = {1};
    struct dl_arena arena = {.bytes_max = 5000000};
    enum { TAKEN = 2000 };
    static struct {
        unsigned char *at;
        uint32_t reference;
        size_t bytes;
    } taken[TAKEN];
    int count = 0;
    for (; count < TAKEN; count++) {
        void *at;
        taken[count].bytes = (size_t)(draw_one_in(&random, 10) ? draw_in(&random, 1, 65536) : draw_in(&random, 1, 100));
        enum dl_status status = dl_arena_take(&arena, taken[count].bytes, &at, &taken[count].reference);
        ck_assert_uint_le(arena.bytes, arena.bytes_max);
        if (status == DL_FULL)
            break;
        ck_assert_int_eq(status, DL_OK);
        taken[count].at = at;
        ck_assert_uint_eq((uintptr_t)at % DL_ARENA_STEP, 0);
        for (size_t i = 0; i < taken[count].bytes; i++)
            MUST(taken[count].at[i] == 0);
        memset(at, count % 255 + 1, taken[count].bytes);
    }
    ck_assert_int_lt(count, TAKEN);
    for (int i = 0; i < count; i++) {
        ck_assert_ptr_eq(dl_arena_at(&arena, taken[i].reference), taken[i].at);
        ck_assert(taken[i].at[0] == i % 255 + 1 && taken[i].at[taken[i].bytes - 1] == i % 255 + 1);
    }
    dl_arena_deinit(&arena);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, equals_a_model);
    tcase_add_test(tests, arena_stays_in_its_bounds);
}

int main(void)
{
    return sample_main("table", add_tests);
}
