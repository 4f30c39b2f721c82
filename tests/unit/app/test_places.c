#include "places.h"

#include <check.h>

START_TEST(places_are_read)
{
    struct dl_places places;
    ck_assert_int_eq(dl_places_parse(&places, "0:57,12:9223372036854775806,2147483647:0", true), DL_OK);
    ck_assert_uint_eq(places.count, 3);
    ck_assert_int_eq(dl_places_offset(&places, 0), 57);
    ck_assert_int_eq(dl_places_offset(&places, 12), INT64_MAX - 1);
    ck_assert_int_eq(dl_places_offset(&places, 2147483647), 0);
    ck_assert_int_eq(dl_places_offset(&places, 1), -1);
    ck_assert(dl_places_hold(&places, 0, 57) && !dl_places_hold(&places, 0, 58) && !dl_places_hold(&places, 57, 0));
    dl_places_deinit(&places);
}
END_TEST

START_TEST(one_partition_may_have_several_places_where_each_is_meant)
{
    struct dl_places places;
    ck_assert_int_eq(dl_places_parse(&places, "1:5,1:6", true), DL_INVALID);
    ck_assert_int_eq(dl_places_parse(&places, "1:5,1:6", false), DL_OK);
    ck_assert(dl_places_hold(&places, 1, 5) && dl_places_hold(&places, 1, 6));
    dl_places_deinit(&places);
}
END_TEST

START_TEST(what_is_no_place_is_refused)
{
    static const char *const rows[] = {"",      ",",      ":",    "0",      "0:",    ":1",   "0:1,",   ",0:1", "0:1,,1:2",
                                       "0:1:2", "0:-1",   "-1:0", "+1:0",   " 0:1",  "0: 1", "0:1 ",   "a:1",  "0:b",
                                       "0,1",   "0x1:1",  "0:1,1", "2147483648:0", "0:9223372036854775807", "0:1;1:2"};
    struct dl_places places;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(dl_places_parse(&places, rows[i], false) == DL_INVALID, "'%s'", rows[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("places");
    TCase *places = tcase_create("places");
    tcase_add_test(places, places_are_read);
    tcase_add_test(places, one_partition_may_have_several_places_where_each_is_meant);
    tcase_add_test(places, what_is_no_place_is_refused);
    suite_add_tcase(suite, places);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
