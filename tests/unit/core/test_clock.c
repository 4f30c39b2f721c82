#include "draw.h"
#include "sample.h"

#include <delight/clock.h>

#define BOOT_MS INT64_C(5000000)
#define NONE INT64_MIN

/* Readings as differences: what the wall clock and CLOCK_BOOTTIME show beyond
 * their first reading, and where T must then be beyond the first T. */
struct reading {
    int64_t wall_ms, boot_ms;
    enum dl_clock_event event;
    int64_t now_ms;
};

static void check_wall(const char *what, const struct reading *rows, size_t count)
{
    struct dl_clock clock;
    dl_clock_init(&clock, DL_CLOCK_WALL);
    ck_assert_int_eq(clock.now_ms, INT64_MIN);
    ck_assert_int_eq(dl_clock_update(&clock, SAMPLE_MS, BOOT_MS, NONE), DL_CLOCK_STEADY);
    ck_assert_int_eq(clock.now_ms, SAMPLE_MS);
    for (size_t i = 0; i < count; i++) {
        enum dl_clock_event event = dl_clock_update(&clock, SAMPLE_MS + rows[i].wall_ms, BOOT_MS + rows[i].boot_ms, NONE);
        ck_assert_msg(event == rows[i].event, "%s, reading %zu: event %d", what, i, (int)event);
        ck_assert_msg(clock.now_ms - SAMPLE_MS == rows[i].now_ms, "%s, reading %zu: T is at %lld", what, i,
                      (long long)(clock.now_ms - SAMPLE_MS));
    }
}

#define CHECK_WALL(what, ...)                                                   \
    do {                                                                        \
        const struct reading rows[] = {__VA_ARGS__};                            \
        check_wall(what, rows, sizeof rows / sizeof rows[0]);                   \
    } while (0)

START_TEST(wall_clock_is_followed)
{
    CHECK_WALL("both go on",
               {100, 100, DL_CLOCK_STEADY, 100},
               {200, 200, DL_CLOCK_STEADY, 200});
    CHECK_WALL("NTP steps by less than a minute: T waits rather than going back",
               {1000, 1000, DL_CLOCK_STEADY, 1000},
               {-28000, 2000, DL_CLOCK_STEADY, 1000},
               {999, 30999, DL_CLOCK_STEADY, 1000},
               {1001, 31001, DL_CLOCK_STEADY, 1001},
               {61000, 32000, DL_CLOCK_STEADY, 61000});
    CHECK_WALL("steps of half a minute each never add up to a jump",
               {31000, 1000, DL_CLOCK_STEADY, 31000},
               {62000, 2000, DL_CLOCK_STEADY, 62000},
               {93000, 3000, DL_CLOCK_STEADY, 93000},
               {124000, 4000, DL_CLOCK_STEADY, 124000});
    CHECK_WALL("a host that was suspended for a day: CLOCK_BOOTTIME ran on",
               {DAY_MS, DAY_MS, DL_CLOCK_STEADY, DAY_MS});
}
END_TEST

START_TEST(jumps_of_a_minute)
{
    CHECK_WALL("forward by a minute is no jump", {60000, 0, DL_CLOCK_STEADY, 60000});
    CHECK_WALL("and one millisecond more is", {60001, 0, DL_CLOCK_JUMPED, 0});
    CHECK_WALL("back by a minute is no jump", {-60000, 0, DL_CLOCK_STEADY, 0});
    CHECK_WALL("and one millisecond more is", {-60001, 0, DL_CLOCK_JUMPED, 0});
}
END_TEST

START_TEST(jump_forward)
{
    CHECK_WALL("T follows CLOCK_BOOTTIME for five minutes, then the new time",
               {HOUR_MS + 100, 100, DL_CLOCK_JUMPED, 100},
               {HOUR_MS + 200, 200, DL_CLOCK_STEADY, 200},
               {HOUR_MS + 300099, 300099, DL_CLOCK_STEADY, 300099},
               {HOUR_MS + 300100, 300100, DL_CLOCK_ADOPTED, HOUR_MS + 300100},
               {HOUR_MS + 300200, 300200, DL_CLOCK_STEADY, HOUR_MS + 300200});
    CHECK_WALL("while it is held against the old time, it may drift like any clock",
               {HOUR_MS, 0, DL_CLOCK_JUMPED, 0},
               {HOUR_MS + 140000, 100000, DL_CLOCK_STEADY, 100000},
               {HOUR_MS + 280000, 200000, DL_CLOCK_STEADY, 200000},
               {HOUR_MS + 420000, 300000, DL_CLOCK_ADOPTED, HOUR_MS + 420000});
    CHECK_WALL("the host sleeps meanwhile: the new time has held",
               {HOUR_MS, 0, DL_CLOCK_JUMPED, 0},
               {HOUR_MS + DAY_MS, DAY_MS, DL_CLOCK_ADOPTED, HOUR_MS + DAY_MS});
}
END_TEST

START_TEST(jump_back)
{
    CHECK_WALL("T goes on with CLOCK_BOOTTIME and then waits for the new time to pass it",
               {-HOUR_MS + 100, 100, DL_CLOCK_JUMPED, 100},
               {-HOUR_MS + 300000, 300000, DL_CLOCK_STEADY, 300000},
               {-HOUR_MS + 300100, 300100, DL_CLOCK_ADOPTED, 300000},
               {-HOUR_MS + 400000, 400000, DL_CLOCK_STEADY, 300000},
               {300000, HOUR_MS + 300000, DL_CLOCK_STEADY, 300000},
               {300001, HOUR_MS + 300001, DL_CLOCK_STEADY, 300001});
}
END_TEST

START_TEST(jump_and_return)
{
    CHECK_WALL("forward and back within five minutes: T saw nothing of it",
               {HOUR_MS + 100, 100, DL_CLOCK_JUMPED, 100},
               {HOUR_MS + 200000, 200000, DL_CLOCK_STEADY, 200000},
               {200100, 200100, DL_CLOCK_RETURNED, 200100},
               {200200, 200200, DL_CLOCK_STEADY, 200200});
    CHECK_WALL("back to almost the old time",
               {-DAY_MS, 0, DL_CLOCK_JUMPED, 0},
               {60100, 100, DL_CLOCK_RETURNED, 60100});
    CHECK_WALL("the next jump is told again",
               {HOUR_MS, 0, DL_CLOCK_JUMPED, 0},
               {100, 100, DL_CLOCK_RETURNED, 100},
               {HOUR_MS + 200, 200, DL_CLOCK_JUMPED, 200});
}
END_TEST

START_TEST(jump_during_a_jump)
{
    CHECK_WALL("a second jump begins five minutes of its own",
               {HOUR_MS, 0, DL_CLOCK_JUMPED, 0},
               {DAY_MS + 200000, 200000, DL_CLOCK_JUMPED, 200000},
               {DAY_MS + 300000, 300000, DL_CLOCK_STEADY, 300000},
               {DAY_MS + 499999, 499999, DL_CLOCK_STEADY, 499999},
               {DAY_MS + 500000, 500000, DL_CLOCK_ADOPTED, DAY_MS + 500000});
    CHECK_WALL("two minutes further is another one, one minute is not",
               {HOUR_MS, 0, DL_CLOCK_JUMPED, 0},
               {HOUR_MS + 60000 + 1000, 1000, DL_CLOCK_STEADY, 1000},
               {HOUR_MS + 180001 + 2000, 2000, DL_CLOCK_JUMPED, 2000});
}
END_TEST

/* clock: event. newest is told beyond SAMPLE_MS, or NONE. */
START_TEST(event_clock)
{
    static const struct {
        int64_t wall_ms, boot_ms, newest_ms, now_ms;
        enum dl_clock_event event;
    } rows[] = {
        {0, 0, NONE, NONE, DL_CLOCK_STEADY},
        {1000, 1000, -DAY_MS, -DAY_MS, DL_CLOCK_STEADY},
        {2000, 2000, -DAY_MS, -DAY_MS, DL_CLOCK_STEADY},           /* no event, no time */
        {2000, 2000, -2 * DAY_MS, -DAY_MS, DL_CLOCK_STEADY},       /* an older one */
        {2000, 2000, 302000, 302000, DL_CLOCK_STEADY},             /* five minutes ahead of the wall clock */
        {2000, 2000, 302001, 302000, DL_CLOCK_STEADY},             /* and not more */
        {2001, 2001, NONE, 302001, DL_CLOCK_STEADY},               /* until the wall clock lets it */
        {9000, 9000, NONE, 302001, DL_CLOCK_STEADY},
        {DAY_MS, 10000, DAY_MS, 310000, DL_CLOCK_JUMPED},          /* nor does a jump let it through */
        {DAY_MS + 300000, 310000, DAY_MS, DAY_MS, DL_CLOCK_ADOPTED},
    };
    struct dl_clock clock;
    dl_clock_init(&clock, DL_CLOCK_EVENT);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t newest_ms = rows[i].newest_ms == NONE ? NONE : SAMPLE_MS + rows[i].newest_ms;
        int64_t now_ms = rows[i].now_ms == NONE ? NONE : SAMPLE_MS + rows[i].now_ms;
        enum dl_clock_event event =
            dl_clock_update(&clock, SAMPLE_MS + rows[i].wall_ms, BOOT_MS + rows[i].boot_ms, newest_ms);
        ck_assert_msg(event == rows[i].event, "row %zu: event %d", i, (int)event);
        ck_assert_msg(clock.now_ms == now_ms, "row %zu: T is at %lld", i, (long long)(clock.now_ms - SAMPLE_MS));
    }
}
END_TEST

/* Whatever the clocks do: T never goes back, never runs ahead of both of them,
 * and is the wall clock's again once that has been right for five minutes. */
START_TEST(never_back_whatever_the_clocks_do)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct random random = {seed};
        struct dl_clock clock;
        dl_clock_init(&clock, DL_CLOCK_WALL);
        int64_t wall_ms = SAMPLE_MS;
        int64_t boot_ms = BOOT_MS;
        int64_t most_ms = wall_ms;
        for (int i = 0; i < 300; i++) {
            int64_t passed_ms = draw_one_in(&random, 20) ? draw_in(&random, 0, DAY_MS) : draw_in(&random, 0, 60000);
            wall_ms += passed_ms + (draw_one_in(&random, 15) ? draw_in(&random, -HOUR_MS, HOUR_MS) : 0);
            boot_ms += passed_ms;
            most_ms = wall_ms > most_ms + passed_ms ? wall_ms : most_ms + passed_ms;
            int64_t before_ms = clock.now_ms;
            dl_clock_update(&clock, wall_ms, boot_ms, NONE);
            if (clock.now_ms < before_ms || clock.now_ms > most_ms)
                ck_abort_msg("seed %llu, reading %d", (unsigned long long)seed, i);
        }
        for (int i = 0; i <= 301; i++)
            dl_clock_update(&clock, wall_ms + i * 1000, boot_ms + i * 1000, NONE);
        int64_t before_ms = clock.now_ms;
        dl_clock_update(&clock, wall_ms + DAY_MS * 100, boot_ms + DAY_MS * 100, NONE);
        ck_assert(before_ms <= wall_ms + DAY_MS * 100 && clock.now_ms == wall_ms + DAY_MS * 100);
    }
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, wall_clock_is_followed);
    tcase_add_test(tests, jumps_of_a_minute);
    tcase_add_test(tests, jump_forward);
    tcase_add_test(tests, jump_back);
    tcase_add_test(tests, jump_and_return);
    tcase_add_test(tests, jump_during_a_jump);
    tcase_add_test(tests, event_clock);
    tcase_add_test(tests, never_back_whatever_the_clocks_do);
}

int main(void)
{
    return sample_main("clock", add_tests);
}
