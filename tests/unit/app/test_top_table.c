#include "top_table.h"

#include <check.h>
#include <string.h>

static const struct dl_top_column *column_of(enum dl_kind kind, int field)
{
    size_t count;
    const struct dl_top_column *columns = dl_top_columns(kind, &count);
    for (size_t i = 0; i < count; i++)
        if (columns[i].field == field)
            return &columns[i];
    ck_abort_msg("no column of field %d", field);
    return NULL;
}

static struct dl_scores scores_of(int field, const char *text)
{
    struct dl_scores scores = {0};
    ck_assert(dl_value_parse(&scores.value[field], text, strlen(text)));
    return scores;
}

START_TEST(names_are_for_people)
{
    static const struct {
        const char *name, *shown;
    } rows[] = {
        {"touchpoint:desk", "desk"},
        {"touchpoint:a:b|tier=vip", "a:b"},
        {"journey:fly|stage=gate", "fly > gate"},
        {"journey:fly|stage=gate|tier=a:b", "fly > gate"},
        {"touchpoint:check%20in%20%7C%20x", "check in %7C x"},
        {"touchpoint:%2%20", "%2 "},
        {"all", "all"},
        {"all|tier=a:b", "all"},
    };
    char shown[DL_TOP_NAME_SIZE];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        dl_top_name(shown, rows[i].name);
        ck_assert_str_eq(shown, rows[i].shown);
    }
}
END_TEST

START_TEST(cells_are_short)
{
    static const struct {
        enum dl_kind kind;
        int field;
        const char *stored, *shown;
    } rows[] = {
        {DL_KIND_TOUCHPOINT, DL_FIELD_events, "12345", "12345"},
        {DL_KIND_TOUCHPOINT, DL_FIELD_nps, "-15.7706", "-15.8"},
        {DL_KIND_TOUCHPOINT, DL_FIELD_nps, "-0.0400", "0.0"},
        {DL_KIND_TOUCHPOINT, DL_FIELD_csat, "100.0000", "100.0"},
        {DL_KIND_TOUCHPOINT, DL_FIELD_wait_p95_ms, "999", "999ms"},
        {DL_KIND_TOUCHPOINT, DL_FIELD_wait_p95_ms, "1000", "1.0s"},
        {DL_KIND_TOUCHPOINT, DL_FIELD_wait_p95_ms, "59999", "59.9s"},
        {DL_KIND_TOUCHPOINT, DL_FIELD_wait_p95_ms, "60000", "1m00s"},
        {DL_KIND_TOUCHPOINT, DL_FIELD_wait_p95_ms, "86400000", "24h00m"},
        {DL_KIND_FEATURE, DL_FIELD_kano_category, "must_be", "must_be"},
        {DL_KIND_FEATURE, DL_FIELD_kano_better, "0.8571", "0.86"},
        {DL_KIND_FEATURE, DL_FIELD_kano_worse, "-0.1429", "-0.14"},
    };
    char cell[DL_TOP_CELL_SIZE];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct dl_scores scores = scores_of(rows[i].field, rows[i].stored);
        dl_top_cell(cell, column_of(rows[i].kind, rows[i].field), &scores);
        ck_assert_str_eq(cell, rows[i].shown);
    }
    struct dl_scores scores = scores_of(DL_FIELD_nps, "33.3333");
    scores.value[DL_FIELD_nps_low] = (struct dl_value){.kind = DL_VALUE_FRACTION, .fraction = -100};
    scores.value[DL_FIELD_nps_high] = (struct dl_value){.kind = DL_VALUE_FRACTION, .fraction = 54.06};
    dl_top_cell(cell, column_of(DL_KIND_JOURNEY, DL_FIELD_nps), &scores);
    ck_assert_str_eq(cell, "33.3 [-100.0,54.1]");
    dl_top_cell(cell, column_of(DL_KIND_JOURNEY, DL_FIELD_ces), &scores);
    ck_assert_str_eq(cell, "-");
}
END_TEST

START_TEST(arrows_tell_of_more_than_a_point)
{
    const struct dl_top_column *nps = column_of(DL_KIND_STAGE, DL_FIELD_nps), *wait = column_of(DL_KIND_STAGE, DL_FIELD_wait_p95_ms),
                               *better = column_of(DL_KIND_FEATURE, DL_FIELD_kano_better);
    const struct {
        const struct dl_top_column *column;
        struct dl_trend_halves halves;
        enum dl_top_arrow arrow;
        bool worse;
    } rows[] = {
        {nps, {10, 11.01, true}, DL_TOP_UP, false},   {nps, {10, 11, true}, DL_TOP_STEADY, false},
        {nps, {10, 8.99, true}, DL_TOP_DOWN, true},   {nps, {10, 90, false}, DL_TOP_NO_ARROW, false},
        {wait, {1000, 1021, true}, DL_TOP_UP, true},  {wait, {1000, 1020, true}, DL_TOP_STEADY, false},
        {wait, {1000, 979, true}, DL_TOP_DOWN, false}, {better, {0.5, 0.52, true}, DL_TOP_UP, false},
        {better, {0.5, 0.509, true}, DL_TOP_STEADY, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum dl_top_arrow arrow = dl_top_arrow(rows[i].column, &rows[i].halves);
        ck_assert_msg(arrow == rows[i].arrow && dl_top_worse(rows[i].column, arrow) == rows[i].worse, "row %zu", i);
    }
}
END_TEST

START_TEST(rows_without_a_value_come_last_either_way)
{
    struct dl_top_row rows[5] = {{.name = "e"}, {.name = "d"}, {.name = "c"}, {.name = "b"}, {.name = "a"}};
    rows[0].scores = scores_of(DL_FIELD_nps, "1.0000");
    rows[1].scores = scores_of(DL_FIELD_nps, "-5.0000");
    rows[2].scores = scores_of(DL_FIELD_nps, "1.0000");
    const char *const orders[][5] = {{"d", "c", "e", "a", "b"}, {"c", "e", "d", "a", "b"}, {"a", "b", "c", "d", "e"}, {"e", "d", "c", "b", "a"}};
    for (int order = 0; order < 4; order++) {
        dl_top_sort(rows, 5, order < 2 ? DL_FIELD_nps : -1, order % 2 == 1);
        for (int i = 0; i < 5; i++)
            ck_assert_msg(strcmp(rows[i].name, orders[order][i]) == 0, "order %d, %d: %s", order, i, rows[i].name);
    }
    dl_top_sort(rows, 0, -1, false);
}
END_TEST

START_TEST(a_filter_looks_at_what_is_shown)
{
    ck_assert(dl_top_matches("touchpoint:Check-in", "check"));
    ck_assert(dl_top_matches("touchpoint:Check-in", ""));
    ck_assert(!dl_top_matches("touchpoint:desk", "touch"));
    ck_assert(!dl_top_matches("touchpoint:desk|tier=vip", "vip"));
    ck_assert(dl_top_matches("journey:fly|stage=gate", "fly > ga"));
}
END_TEST

START_TEST(every_column_is_a_field_once)
{
    int fields[DL_FIELDS];
    for (int kind = DL_KIND_ALL; kind < DL_KINDS; kind++) {
        size_t count = dl_top_fields((enum dl_kind)kind, fields);
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < i; j++)
                ck_assert_int_ne(fields[i], fields[j]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("top_table");
    TCase *table = tcase_create("table");
    tcase_add_test(table, names_are_for_people);
    tcase_add_test(table, cells_are_short);
    tcase_add_test(table, arrows_tell_of_more_than_a_point);
    tcase_add_test(table, rows_without_a_value_come_last_either_way);
    tcase_add_test(table, a_filter_looks_at_what_is_shown);
    tcase_add_test(table, every_column_is_a_field_once);
    suite_add_tcase(suite, table);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
