#include "sample.h"

#include "known.h"

/* A registry with the subject "all" in it. */
static uint32_t open_registry(struct dl_registry *registry, int segments)
{
    static const struct dl_subject_key all = {.kind = DL_KIND_ALL, .segment = -1, .first = DL_NO_NAME, .second = DL_NO_NAME,
                                              .value = DL_NO_NAME};
    const struct dl_engine_options options = sample_options(segments);
    uint32_t id;
    MUST(dl_registry_init(registry, &options) == DL_OK);
    MUST(dl_registry_subject(registry, &all, &id, NULL) == DL_OK);
    return id;
}

static const struct dl_known_cell *find(const struct dl_registry *registry, const char *key)
{
    const unsigned char *bytes = (const unsigned char *)key;
    return dl_known_find(registry, dl_cell_hash(registry, bytes, strlen(key)), bytes, strlen(key));
}

static void keep(struct dl_registry *registry, const char *key, uint32_t subject)
{
    const unsigned char *bytes = (const unsigned char *)key;
    dl_known_keep(registry, dl_cell_hash(registry, bytes, strlen(key)), bytes, strlen(key), &subject, 0, 1);
}

START_TEST(keys_hold_all_names)
{
    struct dl_registry registry;
    open_registry(&registry, 3);
    static char text[DL_NAME_BYTES_MAX];
    memset(text, 'x', sizeof text);
    const struct dl_name longest = {.data = text, .bytes = sizeof text}, shortest = {.data = "y", .bytes = 1};
    const struct dl_cell cells[] = {
        {.touchpoint = longest, .stage = longest, .journey = longest, .feature = longest, .segment = {longest, longest, longest}},
        {.touchpoint = shortest, .segment = {shortest}},
        {.stage = shortest, .segment = {[2] = longest}},
        {.feature = shortest},
        {.touchpoint = {.data = NULL}},
    };
    unsigned char keys[sizeof cells / sizeof cells[0]][DL_CELL_KEY_MAX];
    size_t bytes[sizeof cells / sizeof cells[0]];
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        struct dl_cell cell;
        bytes[i] = dl_cell_key(&registry, &cells[i], keys[i]);
        ck_assert_uint_le(bytes[i], sizeof keys[i]);
        dl_cell_of_key(&registry, keys[i], &cell);
        ck_assert(dl_name_equal(cell.touchpoint, cells[i].touchpoint) && dl_name_equal(cell.stage, cells[i].stage) &&
                  dl_name_equal(cell.journey, cells[i].journey) && dl_name_equal(cell.feature, cells[i].feature));
        for (int segment = 0; segment < 3; segment++)
            ck_assert(dl_name_equal(cell.segment[segment], cells[i].segment[segment]));
        for (size_t other = 0; other < i; other++)
            ck_assert(bytes[other] != bytes[i] || memcmp(keys[other], keys[i], bytes[i]) != 0);
    }
    dl_registry_deinit(&registry);
}
END_TEST

START_TEST(void_when_a_subject_is_gone)
{
    struct dl_registry registry;
    uint32_t id = open_registry(&registry, 0);
    ck_assert_ptr_null(find(&registry, "a"));
    keep(&registry, "a", id);
    ck_assert_ptr_nonnull(find(&registry, "a"));
    ck_assert_uint_eq(find(&registry, "a")->subject[0], id);
    ck_assert_ptr_null(find(&registry, "b"));

    dl_registry_note_gone(&registry, id);
    dl_registry_sweep(&registry);
    ck_assert_ptr_null(find(&registry, "a"));
    struct dl_subject_key other = {.kind = DL_KIND_ALL, .segment = 0, .first = DL_NO_NAME, .second = DL_NO_NAME,
                                   .value = DL_SPACE_SEGMENTS};
    uint32_t again;
    MUST(dl_registry_subject(&registry, &other, &again, NULL) == DL_OK);
    ck_assert_uint_eq(again, id); /* the id is another subject's: it is void all the same */
    ck_assert_ptr_null(find(&registry, "a"));
    size_t bytes = registry.known.bytes;
    keep(&registry, "a", again);
    ck_assert_ptr_nonnull(find(&registry, "a"));
    ck_assert_uint_eq(registry.known.bytes, bytes); /* in its old place */
    dl_registry_deinit(&registry);
}
END_TEST

/* More cells than may be remembered: those that were first stay, until many more have come than there is room for. */
START_TEST(stays_in_its_bounds)
{
    enum { CELLS = 1300000, KNOWN_MAX = 16 << 20, TABLE_MAX = 8 << 20 };
    struct dl_registry registry;
    uint32_t id = open_registry(&registry, 0);
    int64_t before = registry.bytes;
    int forgotten = 0, kept = 0, refused = 0;
    for (int i = 0; i < CELLS; i++) {
        char key[64], first[64];
        snprintf(key, sizeof key, "a cell with a key as long as most of them are: %d", i);
        snprintf(first, sizeof first, "a cell with a key as long as most of them are: %d", 0);
        size_t bytes = registry.known.bytes;
        keep(&registry, key, id);
        forgotten += registry.known.bytes < bytes;
        bool found = find(&registry, key) != NULL;
        kept += found && forgotten == 0;
        refused += !found && forgotten == 0;
        MUST(found || bytes + 2 * sizeof key > KNOWN_MAX);
        MUST((find(&registry, first) != NULL) == (forgotten == 0));
        MUST(registry.bytes - before <= KNOWN_MAX + TABLE_MAX);
    }
    ck_assert_int_eq(forgotten, 1);
    ck_assert_int_gt(refused, 3 * kept);
    dl_registry_deinit(&registry);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, keys_hold_all_names);
    tcase_add_test(tests, void_when_a_subject_is_gone);
    tcase_add_test(tests, stays_in_its_bounds);
}

int main(void)
{
    return sample_main("known", add_tests);
}
