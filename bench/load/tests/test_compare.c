/* Each kind of difference is found, and equality is not missed. */
#include "run_suite.h"

#include "compare.h"
#include "difference.h"
#include "score.h"
#include "util.h"

#include <stdio.h>
#include <string.h>

#define CLOCK INT64_C(1795168801000)

static struct ld_settings settings;
static struct ld_window window = {"1h", 3600000};
static struct ld_compare compare;
static struct ld_tally tally;
static struct ld_differences differences;
static struct ld_found found[LD_FIELDS_MAX + 2];
static char values[LD_FIELDS_MAX + 2][LD_FIELD_TEXT_MAX];
static size_t found_count;

static void begin(void)
{
    ld_settings_init(&settings);
    ld_differences_init(&differences, 3);
    tally = (struct ld_tally){0};
    compare = (struct ld_compare){.settings = &settings, .window = &window, .label = "cx:{all}:1h",
                                  .needs_as_of = true, .clock_ms = CLOCK, .as_of_max_ms = CLOCK};
}

static void end(void)
{
    ld_differences_deinit(&differences);
    ld_settings_deinit(&settings);
}

static void put(const char *name, const char *value)
{
    snprintf(values[found_count], LD_FIELD_TEXT_MAX, "%s", value);
    found[found_count] = (struct ld_found){name, values[found_count]};
    found_count++;
}

/* Publishes what is expected. */
static void publish(void)
{
    static struct ld_field fields[LD_FIELDS_MAX];
    size_t count = ld_score_fields(&tally, &settings, false, fields);
    found_count = 0;
    for (size_t i = 0; i < count; i++) {
        char text[LD_FIELD_TEXT_MAX];
        ld_field_print(&fields[i], text);
        put(fields[i].name, text);
    }
    put("as_of", "1795168800000");
    put("window_ms", "3600000");
}

static bool same(void)
{
    ld_differences_clear(&differences);
    bool is_same = ld_compare_hash(&compare, &tally, found, found_count, &differences);
    ck_assert_int_eq(is_same, differences.count == 0);
    return is_same;
}

static void set_value(const char *name, const char *value)
{
    for (size_t i = 0; i < found_count; i++) {
        if (strcmp(found[i].name, name) == 0)
            snprintf(values[i], LD_FIELD_TEXT_MAX, "%s", value);
    }
}

START_TEST(hashes)
{
    begin();
    tally.counter[LD_EVENTS] = 6;
    tally.counter[LD_PROMOTERS] = 3;
    tally.counter[LD_PASSIVES] = 2;
    tally.counter[LD_DETRACTORS] = 1;
    publish();
    ck_assert(same());
    set_value("nps", "33.3334");
    ck_assert(!same());
    ck_assert_str_eq(differences.lines[0], "cx:{all}:1h: nps: expected 33.3333, found 33.3334");
    publish();
    set_value("promoters", "4");
    ck_assert(!same());
    publish();
    put("csat_n", "0"); /* a group without data */
    ck_assert(!same());
    publish();
    found[1].name = "gone";
    ck_assert(!same());
    ck_assert_uint_eq(differences.count, 2); /* one missing, one too many */
    publish();
    set_value("as_of", "1795168801001"); /* later than the clock */
    ck_assert(!same());
    set_value("as_of", "2026-11-20");
    ck_assert(!same());
    publish();
    set_value("window_ms", "3600001");
    ck_assert(!same());
    found_count = 0;
    ck_assert(!same());
    tally = (struct ld_tally){0};
    ck_assert(same()); /* nothing expected, nothing there */
    put("events", "0");
    ck_assert(!same());
    end();
}
END_TEST

START_TEST(ranks)
{
    int nps = ld_measure_find("nps");
    begin();
    tally.counter[LD_PROMOTERS] = 20;
    tally.counter[LD_PASSIVES] = 9;
    ck_assert(ld_compare_rank(&compare, nps, &tally, NULL, NULL)); /* 29 of 30 */
    ck_assert(!ld_compare_rank(&compare, nps, &tally, "68.9655", NULL));
    tally.counter[LD_PASSIVES] = 10;
    ck_assert(!ld_compare_rank(&compare, nps, &tally, NULL, NULL));
    ck_assert(ld_compare_rank(&compare, nps, &tally, "66.6667", NULL));
    ck_assert(ld_compare_rank(&compare, nps, &tally, "66.666666666666671", NULL));
    ck_assert(!ld_compare_rank(&compare, nps, &tally, "66.6668", NULL));
    /* A tie at a size where doubles are far apart: 6511453367 / 32. */
    int recovery = ld_measure_find("recovery_mean_ms");
    tally.counter[LD_DURATION_N] = 32;
    tally.counter[LD_DURATION_SUM] = INT64_C(6511453367);
    ck_assert(ld_compare_rank(&compare, recovery, &tally, "203482917.7188", NULL));
    ck_assert(ld_compare_rank(&compare, recovery, &tally, "203482917.7187", NULL));
    ck_assert(!ld_compare_rank(&compare, recovery, &tally, "203482917.7189", NULL));
    settings.privacy_min_n = 31; /* what is hidden is not ranked either */
    ck_assert(ld_compare_rank(&compare, nps, &tally, NULL, NULL));
    int p95 = ld_measure_find("wait_p95_ms");
    tally.counter[LD_WAIT_N] = 40;
    ld_histogram_add(&tally.wait, 1000, 40);
    ck_assert(ld_compare_rank(&compare, p95, &tally, "992", NULL));
    ck_assert(!ld_compare_rank(&compare, p95, &tally, "991", NULL));
    ld_tally_deinit(&tally);
    end();
}
END_TEST

static char trend[16384];

/* A trend with one measure whose panes hold value `values[i % 3]` where there is one. */
static void write_trend(int64_t newest_start, const char *measure, const char *changed, int at)
{
    int length = snprintf(trend, sizeof trend, "{\"window_ms\":3600000,\"pane_ms\":60000,\"start\":[");
    for (int i = 0; i < LD_PANES; i++)
        length += snprintf(trend + length, sizeof trend - (size_t)length, "%s%lld", i > 0 ? "," : "",
                           (long long)(newest_start - (LD_PANES - 1 - i) * 60000));
    length += snprintf(trend + length, sizeof trend - (size_t)length, "],\"%s\":{\"value\":[", measure);
    for (int i = 0; i < LD_PANES; i++)
        length += snprintf(trend + length, sizeof trend - (size_t)length, "%s%s", i > 0 ? "," : "",
                           i == at && changed != NULL ? changed : i % 3 == 0 ? "33.3333" : "null");
    length += snprintf(trend + length, sizeof trend - (size_t)length, "],\"n\":[");
    for (int i = 0; i < LD_PANES; i++)
        length += snprintf(trend + length, sizeof trend - (size_t)length, "%s%d", i > 0 ? "," : "",
                           i % 3 == 0 ? 6 : 0);
    snprintf(trend + length, sizeof trend - (size_t)length, "]}}");
}

START_TEST(trends)
{
    static int64_t panes[LD_PANES][LD_COUNTERS];
    int64_t newest = CLOCK / 60000 * 60000;
    begin();
    for (int i = 0; i < LD_PANES; i += 3) {
        panes[i][LD_PROMOTERS] = 3;
        panes[i][LD_PASSIVES] = 2;
        panes[i][LD_DETRACTORS] = 1;
    }
    tally.counter[LD_EVENTS] = 120;
    tally.counter[LD_PROMOTERS] = 60;
    tally.counter[LD_PASSIVES] = 40;
    tally.counter[LD_DETRACTORS] = 20;
    const int64_t(*const_panes)[LD_COUNTERS] = (const int64_t(*)[LD_COUNTERS])panes;
#define SAME() ld_compare_trend(&compare, &tally, const_panes, trend, NULL)
    write_trend(newest, "nps", NULL, 0);
    ck_assert(SAME());
    write_trend(newest, "nps", "33.3335", 3);
    ck_assert(!SAME());
    write_trend(newest, "nps", "0", 58); /* a value where there is none */
    ck_assert(!SAME());
    write_trend(newest, "nps", "77", 59); /* the open pane may be old */
    ck_assert(SAME());
    write_trend(newest - 60000, "nps", NULL, 0); /* a trend of an earlier clock */
    ck_assert(!SAME());
    write_trend(newest, "fcr", NULL, 0); /* nps is missing */
    ck_assert(!SAME());
    ck_assert(!ld_compare_trend(&compare, &tally, const_panes, NULL, NULL));
    ck_assert(!ld_compare_trend(&compare, &tally, const_panes, "{", NULL));
    settings.privacy_min_n = 7; /* 6 in a pane: n only */
    write_trend(newest, "nps", NULL, 0);
    ck_assert(!SAME());
    tally = (struct ld_tally){0};
    ck_assert(!SAME());
    ck_assert(ld_compare_trend(&compare, &tally, const_panes, NULL, NULL));
    end();
}
END_TEST

START_TEST(differences_are_bounded)
{
    begin();
    for (int i = 0; i < 10; i++)
        ld_difference(&differences, "line %d", i);
    ck_assert_uint_eq(differences.count, 10);
    ck_assert_uint_eq(differences.kept, 3);
    ck_assert_str_eq(differences.lines[2], "line 2");
    ld_differences_clear(&differences);
    ck_assert_uint_eq(differences.count, 0);
    end();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {hashes, ranks, trends, differences_are_bounded};
    return run_suite("compare", tests, LD_COUNT(tests));
}
