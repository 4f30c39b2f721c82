#include "sample.h"

#include <delight/catalogue.h>

static struct dl_name name(const char *text)
{
    return dl_name_of(text);
}

static struct dl_catalogue *travel(enum dl_unknown_touchpoint unknown)
{
    static const struct {
        const char *journey, *stage, *touchpoint;
    } rows[] = {
        {"fly", "check-in", "desk"}, {"fly", "check-in", "kiosk"}, {"fly", "board", "gate"},
        {"fly", "claim", ""},        {"return", "check-in", "desk"}, {"return", "claim", "desk"},
    };
    struct dl_catalogue *catalogue = dl_catalogue_create(unknown);
    ck_assert_ptr_nonnull(catalogue);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_int_eq(
            dl_catalogue_add(catalogue, name(rows[i].journey), name(rows[i].stage), name(rows[i].touchpoint)), DL_OK);
    return catalogue;
}

START_TEST(fills_in_what_an_event_lacks)
{
    static const struct {
        const char *touchpoint, *stage, *journey;       /* said */
        const char *expected_stage, *expected_journey;  /* filled in */
    } rows[] = {
        {"kiosk", "", "", "check-in", "fly"},
        {"gate", "", "", "board", "fly"},
        {"desk", "", "", "check-in", "fly"},             /* the first of three places */
        {"desk", "", "return", "check-in", "return"},    /* the first that agrees */
        {"desk", "claim", "", "claim", "return"},
        {"desk", "claim", "return", "claim", "return"},
        {"desk", "claim", "fly", "claim", "fly"},        /* no place agrees: as it was said */
        {"desk", "board", "", "board", ""},
        {"desk", "", "stay", "", "stay"},
        {"gate", "check-in", "", "check-in", ""},
        {"kio", "", "", "", ""},                         /* unknown */
        {"kiosks", "", "", "", ""},
        {"Kiosk", "", "", "", ""},
        {"claim", "", "", "", ""},                       /* a stage is no touchpoint */
    };
    struct dl_catalogue *catalogue = travel(DL_UNKNOWN_ACCEPT);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_event event = sample_survey(rows[i].touchpoint, SAMPLE_MS);
        event.stage = name(rows[i].stage);
        event.journey = name(rows[i].journey);
        ck_assert_int_eq(dl_catalogue_apply(catalogue, &event), DL_ACCEPTED);
        ck_assert_msg(dl_name_equal(event.stage, name(rows[i].expected_stage)), "row %zu: stage %.*s", i,
                      (int)event.stage.bytes, event.stage.data);
        ck_assert_msg(dl_name_equal(event.journey, name(rows[i].expected_journey)), "row %zu: journey %.*s", i,
                      (int)event.journey.bytes, event.journey.data);
        ck_assert(dl_name_equal(event.touchpoint, name(rows[i].touchpoint)));
    }
    dl_catalogue_destroy(catalogue);
}
END_TEST

START_TEST(unknown_touchpoints)
{
    static const struct {
        enum dl_unknown_touchpoint unknown;
        const char *touchpoint;
        enum dl_reject reject;
        const char *expected;
    } rows[] = {
        {DL_UNKNOWN_ACCEPT, "shop", DL_ACCEPTED, "shop"},
        {DL_UNKNOWN_OTHER, "shop", DL_ACCEPTED, DL_NAME_OTHER},
        {DL_UNKNOWN_OTHER, "desk", DL_ACCEPTED, "desk"},
        {DL_UNKNOWN_DEADLETTER, "shop", DL_REJECT_UNKNOWN_TOUCHPOINT, "shop"},
        {DL_UNKNOWN_DEADLETTER, "desk", DL_ACCEPTED, "desk"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dl_catalogue *catalogue = travel(rows[i].unknown);
        struct dl_event event = sample_survey(rows[i].touchpoint, SAMPLE_MS);
        event.journey = name("stay");
        ck_assert_int_eq(dl_catalogue_apply(catalogue, &event), rows[i].reject);
        ck_assert(dl_name_equal(event.touchpoint, name(rows[i].expected)));
        ck_assert(dl_name_equal(event.journey, name("stay")));
        dl_catalogue_destroy(catalogue);
    }
}
END_TEST

START_TEST(no_catalogue_accepts_everything)
{
    struct dl_catalogue *empty = dl_catalogue_create(DL_UNKNOWN_DEADLETTER);
    struct dl_event event = sample_survey("shop", SAMPLE_MS);
    struct dl_name journey, stage, touchpoint;
    ck_assert_int_eq(dl_catalogue_apply(empty, &event), DL_ACCEPTED);
    ck_assert_int_eq(dl_catalogue_apply(NULL, &event), DL_ACCEPTED);
    ck_assert(dl_name_equal(event.touchpoint, name("shop")));
    ck_assert(!dl_catalogue_place(empty, 0, &journey, &stage, &touchpoint));
    ck_assert(!dl_catalogue_place(NULL, 0, &journey, &stage, &touchpoint));
    dl_catalogue_destroy(empty);
    dl_catalogue_destroy(NULL);
}
END_TEST

START_TEST(a_place_stands_once)
{
    struct dl_catalogue *catalogue = travel(DL_UNKNOWN_ACCEPT);
    ck_assert_int_eq(dl_catalogue_add(catalogue, name("fly"), name("check-in"), name("desk")), DL_INVALID);
    ck_assert_int_eq(dl_catalogue_add(catalogue, name("return"), name("claim"), name("desk")), DL_INVALID);
    ck_assert_int_eq(dl_catalogue_add(catalogue, name("fly"), name("claim"), name("")), DL_INVALID);
    ck_assert_int_eq(dl_catalogue_add(catalogue, name("fly"), name("claim"), name("belt")), DL_OK);
    ck_assert_int_eq(dl_catalogue_add(catalogue, name("return"), name("claim"), name("")), DL_OK);
    dl_catalogue_destroy(catalogue);
}
END_TEST

START_TEST(places_keep_their_order_and_their_names)
{
    struct dl_catalogue *catalogue = dl_catalogue_create(DL_UNKNOWN_ACCEPT);
    enum { PLACES = 1000 };
    for (int i = 0; i < PLACES; i++) {
        char text[3][32]; /* the catalogue copies them */
        snprintf(text[0], sizeof text[0], "journey-%d", i / 100);
        snprintf(text[1], sizeof text[1], "stage-%d", i / 10);
        snprintf(text[2], sizeof text[2], "%d", i);
        ck_assert_int_eq(dl_catalogue_add(catalogue, name(text[0]), name(text[1]), name(text[2])), DL_OK);
    }
    for (int i = 0; i < PLACES; i++) {
        char text[32];
        snprintf(text, sizeof text, "%d", i);
        struct dl_name journey, stage, touchpoint;
        ck_assert(dl_catalogue_place(catalogue, (size_t)i, &journey, &stage, &touchpoint));
        ck_assert(dl_name_equal(touchpoint, name(text)));
        struct dl_event event = sample_survey(text, SAMPLE_MS);
        ck_assert_int_eq(dl_catalogue_apply(catalogue, &event), DL_ACCEPTED);
        ck_assert(dl_name_equal(event.stage, stage) && dl_name_equal(event.journey, journey));
        snprintf(text, sizeof text, "stage-%d", i / 10);
        ck_assert(dl_name_equal(stage, name(text)));
    }
    struct dl_name journey, stage, touchpoint;
    ck_assert(!dl_catalogue_place(catalogue, PLACES, &journey, &stage, &touchpoint));
    dl_catalogue_destroy(catalogue);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, fills_in_what_an_event_lacks);
    tcase_add_test(tests, unknown_touchpoints);
    tcase_add_test(tests, no_catalogue_accepts_everything);
    tcase_add_test(tests, a_place_stands_once);
    tcase_add_test(tests, places_keep_their_order_and_their_names);
}

int main(void)
{
    return sample_main("catalogue", add_tests);
}
