#include "settings.h"

#include <check.h>
#include <stdlib.h>

/* What is written to Kafka may be read by a process with other windows; what stays in this one is not. */
START_TEST(what_no_window_tells_apart_is_counted_together_in_memory_mode)
{
    int64_t windows[] = {INT64_C(3600000), INT64_C(300000)};
    struct dl_config config = {.durability = DL_DURABILITY_MEMORY, .windows = {.item = windows, .count = 2}};
    ck_assert_int_eq(dl_settings_batch(&config).step_s, 5);
    config.durability = DL_DURABILITY_KAFKA;
    ck_assert_int_eq(dl_settings_batch(&config).step_s, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings");
    TCase *tests = tcase_create("settings");
    tcase_add_test(tests, what_no_window_tells_apart_is_counted_together_in_memory_mode);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
