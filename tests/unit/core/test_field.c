#include <delight/score.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(field_rows_are_whole)
{
    static const struct {
        const char *name;
        enum dl_score_group group;
    } map[] = {
#define MAP_ROW(group, name) {#name, DL_SCORES_##group},
        DL_FIELD_MAP(MAP_ROW)
#undef MAP_ROW
    };
    ck_assert_uint_eq(sizeof map / sizeof map[0], DL_FIELDS);
    for (int id = 0; id < DL_FIELDS; id++) {
        const struct dl_field *field = &dl_fields[id];
        ck_assert_str_eq(field->name, map[id].name);
        ck_assert_int_eq(field->group, map[id].group);
        ck_assert_ptr_nonnull(field->unit);
        ck_assert_ptr_nonnull(field->help);
        ck_assert_ptr_null(strchr(field->help, '|')); /* it is a Markdown cell */
        ck_assert_int_eq(dl_field_find(field->name, strlen(field->name)), id);
        if (field->measure)
            ck_assert_int_ge(field->n, 0);
        if (field->n >= 0) {
            const char *n_name = dl_fields[field->n].name;
            size_t bytes = strlen(n_name);
            ck_assert(strcmp(n_name + bytes - 2, "_n") == 0 || strcmp(n_name, "contacts") == 0 ||
                  (strcmp(n_name, "answered") == 0 && dl_fields[id].n_also == DL_FIELD_abandoned));
            ck_assert_int_eq(dl_fields[field->n].n, -1);
        }
    }
    ck_assert_int_eq(dl_field_find("nps", 2), -1);
    ck_assert_int_eq(dl_field_find("npsx", 4), -1);
    ck_assert_int_eq(dl_field_find("", 0), -1);
    ck_assert_int_eq(dl_field_find("nps_low", 3), DL_FIELD_nps);
}
END_TEST

START_TEST(measures_and_what_stands_behind_them)
{
    static const struct {
        enum dl_field_id measure, n;
    } rows[] = {
        {DL_FIELD_nps, DL_FIELD_nps_n},
        {DL_FIELD_csat, DL_FIELD_csat_n},
        {DL_FIELD_csat_mean, DL_FIELD_csat_n},
        {DL_FIELD_ces, DL_FIELD_ces_n},
        {DL_FIELD_ces_mean, DL_FIELD_ces_n},
        {DL_FIELD_delight, DL_FIELD_expectation_n},
        {DL_FIELD_expectation_mean, DL_FIELD_expectation_n},
        {DL_FIELD_kano_better, DL_FIELD_kano_n},
        {DL_FIELD_kano_worse, DL_FIELD_kano_n},
        {DL_FIELD_abandonment, DL_FIELD_answered},
        {DL_FIELD_service_level, DL_FIELD_service_level_n},
        {DL_FIELD_asa_ms, DL_FIELD_asa_n},
        {DL_FIELD_wait_p50_ms, DL_FIELD_wait_n},
        {DL_FIELD_wait_p95_ms, DL_FIELD_wait_n},
        {DL_FIELD_aht_ms, DL_FIELD_handle_n},
        {DL_FIELD_handle_p50_ms, DL_FIELD_handle_n},
        {DL_FIELD_handle_p95_ms, DL_FIELD_handle_n},
        {DL_FIELD_fcr, DL_FIELD_fcr_n},
        {DL_FIELD_fcr_net, DL_FIELD_fcr_net_n},
        {DL_FIELD_complaint_rate, DL_FIELD_contacts},
        {DL_FIELD_recovery_rate, DL_FIELD_recovery_n},
        {DL_FIELD_recovery_mean_ms, DL_FIELD_recovery_duration_n},
    };
    size_t measures = 0;
    for (int id = 0; id < DL_FIELDS; id++)
        measures += dl_fields[id].measure ? 1 : 0;
    ck_assert_uint_eq(measures, sizeof rows / sizeof rows[0]);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert(dl_fields[rows[i].measure].measure);
        ck_assert_int_eq(dl_fields[rows[i].measure].n, (int)rows[i].n);
    }
}
END_TEST

/* Every interval is that of the measure before it, and none is anybody else's. */
START_TEST(intervals_and_directions)
{
    static const enum dl_field_id with[] = {DL_FIELD_nps, DL_FIELD_csat, DL_FIELD_ces, DL_FIELD_delight, DL_FIELD_abandonment,
                                            DL_FIELD_service_level, DL_FIELD_fcr, DL_FIELD_recovery_rate};
    static const enum dl_field_id lower[] = {DL_FIELD_abandonment, DL_FIELD_asa_ms, DL_FIELD_wait_p50_ms, DL_FIELD_wait_p95_ms,
                                             DL_FIELD_aht_ms, DL_FIELD_handle_p50_ms, DL_FIELD_handle_p95_ms, DL_FIELD_complaint_rate,
                                             DL_FIELD_recovery_mean_ms};
    size_t intervals = 0, lowers = 0;
    for (int id = 0; id < DL_FIELDS; id++) {
        int low = -1, high = -1;
        bool expected = false, has = dl_field_interval(id, &low, &high);
        for (size_t i = 0; i < sizeof with / sizeof with[0]; i++)
            expected = expected || (int)with[i] == id;
        ck_assert_msg(has == expected, "%s", dl_fields[id].name);
        intervals += has;
        if (has) {
            ck_assert_ptr_nonnull(strstr(dl_fields[low].name, "_low"));
            ck_assert_ptr_nonnull(strstr(dl_fields[high].name, "_high"));
            ck_assert_int_eq(dl_fields[low].n, dl_fields[id].n);
        }
        lowers += dl_fields[id].better == DL_BETTER_LOWER;
        ck_assert(dl_fields[id].measure || dl_fields[id].better == DL_BETTER_NEITHER);
    }
    ck_assert_uint_eq(intervals, sizeof with / sizeof with[0]);
    ck_assert_uint_eq(lowers, sizeof lower / sizeof lower[0]);
    for (size_t i = 0; i < sizeof lower / sizeof lower[0]; i++)
        ck_assert_int_eq(dl_fields[lower[i]].better, DL_BETTER_LOWER);
    ck_assert_int_eq(dl_fields[DL_FIELD_kano_worse].better, DL_BETTER_NEITHER);
}
END_TEST

/* Contacts without an outcome do not stand behind the abandonment rate. */
START_TEST(n_of_two_counts)
{
    struct dl_counts counts = {{0}};
    counts.count[DL_COUNT_CONTACTS] = 9;
    counts.count[DL_COUNT_ANSWERED] = 4;
    counts.count[DL_COUNT_ABANDONED] = 2;
    const struct dl_score_options options = {5, 4, DL_SERVICE_LEVEL_4, 0};
    struct dl_scores scores;
    dl_score(&scores, &counts, 0, 60000, &options);
    ck_assert_int_eq(dl_score_n(&scores, DL_FIELD_abandonment).integer, 6);
    ck_assert_int_eq(dl_score_n(&scores, DL_FIELD_complaint_rate).integer, 9);
    ck_assert_int_eq(dl_score_n(&scores, DL_FIELD_nps).kind, DL_VALUE_NONE);
    ck_assert_int_eq(dl_score_n(&scores, DL_FIELD_events).kind, DL_VALUE_NONE);
}
END_TEST

START_TEST(group_names)
{
    ck_assert_str_eq(dl_score_group_name(DL_SCORES_ALWAYS), "always");
    ck_assert_str_eq(dl_score_group_name(DL_SCORES_DELIGHT), "delight");
    ck_assert_str_eq(dl_score_group_name(DL_SCORES_COMPLAINTS), "complaints");
}
END_TEST

/* Prints by one of the two functions into memory that the caller frees. */
static char *printed(void (*print)(FILE *out))
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    ck_assert_ptr_nonnull(out);
    print(out);
    ck_assert_int_eq(fclose(out), 0);
    return text;
}

START_TEST(tables_hold_every_field_once)
{
    char *markdown = printed(dl_fields_print_markdown);
    char *text = printed(dl_fields_print_text);
    int lines = 0;
    for (const char *at = markdown; *at != '\0'; at++)
        lines += *at == '\n' ? 1 : 0;
    ck_assert_int_eq(lines, DL_FIELDS + 2);
    for (int id = 0; id < DL_FIELDS; id++) {
        char cell[100];
        snprintf(cell, sizeof cell, "| %s | `%s` |", dl_score_group_name(dl_fields[id].group), dl_fields[id].name);
        const char *found = strstr(markdown, cell);
        ck_assert_ptr_nonnull(found);
        ck_assert_ptr_null(strstr(found + 1, cell));
        snprintf(cell, sizeof cell, "\n  %s ", dl_fields[id].name);
        found = strstr(text, cell);
        ck_assert_ptr_nonnull(found);
        ck_assert_ptr_null(strstr(found + 1, cell));
    }
    ck_assert_ptr_nonnull(strstr(markdown, "| nps | `nps` | -100..100 | `nps_n` | yes | Net Promoter Score"));
    ck_assert_ptr_nonnull(strstr(markdown, "| `abandonment_low` | % | `answered` + `abandoned` |  | lower end"));
    ck_assert_ptr_nonnull(strstr(text, "abandoned of answered and abandoned [answered + abandoned]\n"));
    ck_assert_ptr_nonnull(strstr(text, "answers 9 and 10\n"));
    free(markdown);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("field");
    TCase *fields = tcase_create("fields");
    tcase_add_test(fields, field_rows_are_whole);
    tcase_add_test(fields, measures_and_what_stands_behind_them);
    tcase_add_test(fields, group_names);
    tcase_add_test(fields, intervals_and_directions);
    tcase_add_test(fields, n_of_two_counts);
    tcase_add_test(fields, tables_hold_every_field_once);
    suite_add_tcase(suite, fields);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
