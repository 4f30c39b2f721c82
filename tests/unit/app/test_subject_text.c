#include "subject_text.h"

#include <check.h>
#include <string.h>

START_TEST(a_subject_has_its_group)
{
    static const struct {
        const char *subject, *group; /* NULL: no subject */
    } rows[] = {
        {"all", "all"},
        {"all|tier=vip", "all|tier=vip"},
        {"touchpoint:checkout", "touchpoint"},
        {"touchpoint:a:b|tier=vip", "touchpoint|tier=vip"},
        {"journey:fly", "journey"},
        {"journey:fly|tier=vip", "journey|tier=vip"},
        {"journey:fly|stage=gate", "journey_stage"},
        {"journey:fly|stage=gate|tier=vip", "journey_stage|tier=vip"},
        {"stage:gate", "stage"},
        {"feature:wifi", "feature"},
        {"journey_stage:x", NULL},
        {"touchpoint", NULL},
        {"touchpoint|tier=vip", NULL},
        {"all:x", NULL},
        {"touch:x", NULL},
        {"", NULL},
        {":x", NULL},
    };
    char group[DL_SUBJECT_TEXT_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool good = dl_subject_text_group(group, rows[i].subject);
        ck_assert_msg(good == (rows[i].group != NULL), "%s", rows[i].subject);
        if (good)
            ck_assert_str_eq(group, rows[i].group);
    }
}
END_TEST

START_TEST(blanks_are_encoded_and_signs_stay)
{
    char out[DL_SUBJECT_TEXT_MAX], longest[DL_SUBJECT_TEXT_MAX + 1];
    ck_assert(dl_subject_text_encode(out, "touchpoint:Check in\t|tier=a%20b"));
    ck_assert_str_eq(out, "touchpoint:Check%20in%09|tier=a%20b");
    memset(longest, 'x', sizeof longest);
    longest[DL_SUBJECT_TEXT_MAX - 1] = '\0';
    ck_assert(dl_subject_text_encode(out, longest));
    longest[DL_SUBJECT_TEXT_MAX - 1] = 'x';
    longest[DL_SUBJECT_TEXT_MAX] = '\0';
    ck_assert(!dl_subject_text_encode(out, longest));
}
END_TEST

START_TEST(the_nearest_names_come_first)
{
    static const char *const names[] = {"touchpoint:checkout.payment", "touchpoint:checkuot", "touchpoint:checkout2",
                                        "touchpoint:Checkout",         "touchpoint:desk",     "touchpoint:kiosk"};
    const char *near[DL_NEAR_MAX];
    size_t count = dl_subject_text_near("touchpoint:checkout", (char *const *)(uintptr_t)names, 6, near);
    ck_assert_uint_eq(count, 4);
    ck_assert_str_eq(near[0], "touchpoint:Checkout");
    ck_assert_str_eq(near[1], "touchpoint:checkuot");
    ck_assert_str_eq(near[2], "touchpoint:checkout2");
    ck_assert_str_eq(near[3], "touchpoint:checkout.payment");
    ck_assert_uint_eq(dl_subject_text_near("touchpoint:zzzzzzzz", (char *const *)(uintptr_t)names, 6, near), 0);
    ck_assert_uint_eq(dl_subject_text_near("touchpoint:dsek", (char *const *)(uintptr_t)names, 6, near), 1);
}
END_TEST

START_TEST(more_than_five_are_too_many)
{
    static const char *const names[] = {"stage:aaax", "stage:aaay", "stage:aaaz", "stage:aaaxx", "stage:aaayy",
                                        "stage:aaazz", "stage:aaa"};
    const char *near[DL_NEAR_MAX];
    ck_assert_uint_eq(dl_subject_text_near("stage:aaa", (char *const *)(uintptr_t)names, 7, near), DL_NEAR_MAX);
    ck_assert_str_eq(near[0], "stage:aaa");
    ck_assert_str_eq(near[1], "stage:aaax");
    ck_assert_str_eq(near[4], "stage:aaaxx");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("subject_text");
    TCase *texts = tcase_create("texts");
    tcase_add_test(texts, a_subject_has_its_group);
    tcase_add_test(texts, blanks_are_encoded_and_signs_stay);
    tcase_add_test(texts, the_nearest_names_come_first);
    tcase_add_test(texts, more_than_five_are_too_many);
    suite_add_tcase(suite, texts);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
