#include "run_suite.h"

#include "timefmt.h"
#include "util.h"

START_TEST(durations)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } rows[] = {{"250ms", 250}, {"20s", 20000}, {"5m", 300000},  {"1h", 3600000}, {"400d", INT64_C(34560000000)},
                {"0s", 0},      {"5", -1},      {"m", -1},       {"-5m", -1},     {"5 m", -1},
                {"5min", -1},   {"", -1},       {"99999d", -1},  {"1.5h", -1},    {"99999999999999999999s", -1}};
    for (size_t i = 0; i < LD_COUNT(rows); i++) {
        int64_t ms = -1;
        ck_assert_int_eq(ld_duration_parse(rows[i].text, &ms), rows[i].ms >= 0);
        ck_assert_int_eq(ms, rows[i].ms);
    }
}
END_TEST

START_TEST(times)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } rows[] = {{"1970-01-01T00:00:00Z", 0},
                {"2024-02-29T12:34:56.789Z", INT64_C(1709210096789)},
                {"2024-02-29T14:34:56.789+02:00", INT64_C(1709210096789)},
                {"2024-02-29T04:34:56.789-08:00", INT64_C(1709210096789)},
                {"2000-03-01T00:00:00z", INT64_C(951868800000)},
                {"1709210096789", INT64_C(1709210096789)},
                {"now", 5000000},
                {"now-2s", 4998000},
                {"now+2s", -1},
                {"2024-02-29T12:34:56", -1},
                {"2024-13-01T00:00:00Z", -1},
                {"2024-02-29T12:34:56Zx", -1},
                {"yesterday", -1}};
    for (size_t i = 0; i < LD_COUNT(rows); i++) {
        int64_t ms = -1;
        ck_assert_int_eq(ld_time_parse(rows[i].text, 5000000, &ms), rows[i].ms >= 0);
        ck_assert_int_eq(ms, rows[i].ms);
    }
}
END_TEST

START_TEST(formats_read_back)
{
    static const int offsets[] = {0, 120, -480, 330, -1, 765};
    char text[LD_TIME_TEXT_MAX];
    ld_time_format(text, INT64_C(1709210096789), 0);
    ck_assert_str_eq(text, "2024-02-29T12:34:56.789Z");
    ld_time_format(text, INT64_C(1709210096789), -480);
    ck_assert_str_eq(text, "2024-02-29T04:34:56.789-08:00");
    for (int64_t ms = INT64_C(946684800000); ms < INT64_C(4102444800000); ms += INT64_C(86399999) * 7) {
        for (size_t i = 0; i < LD_COUNT(offsets); i++) {
            int64_t back = -1;
            ld_time_format(text, ms, offsets[i]);
            ck_assert(ld_time_parse(text, 0, &back));
            ck_assert_int_eq(back, ms);
        }
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {durations, times, formats_read_back};
    return run_suite("timefmt", tests, LD_COUNT(tests));
}
