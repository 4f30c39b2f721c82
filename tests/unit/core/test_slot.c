#include "draw.h"
#include "sample.h"

#include "slot.h"

static struct dl_event draw_survey(struct random *random)
{
    struct dl_event event = sample_survey("t", SAMPLE_MS);
    event.nps = (int8_t)draw_in(random, DL_ABSENT, 10);
    event.csat = (int8_t)(draw_one_in(random, 2) ? DL_ABSENT : draw_in(random, 1, 10));
    event.ces = (int8_t)(draw_one_in(random, 2) ? DL_ABSENT : draw_in(random, 1, 7));
    event.expectation = (int8_t)(draw_one_in(random, 2) ? DL_ABSENT : draw_in(random, 1, 5));
    event.kano_count = (uint8_t)(draw_one_in(random, 2) ? 0 : draw_in(random, 1, DL_KANO_ANSWERS_MAX));
    for (int i = 0; i < event.kano_count; i++)
        event.kano[i] = (struct dl_kano_answer){dl_name_of("f"), (uint8_t)draw_in(random, 0, DL_KANO_CATEGORIES - 1)};
    return event;
}

static int64_t draw_duration(struct random *random)
{
    return draw_one_in(random, 4) ? DL_ABSENT : draw_in(random, 0, (INT64_C(2) << draw_in(random, 0, 26)) - 1);
}

static struct dl_event draw_contact(struct random *random)
{
    struct dl_event event = sample_contact("t", SAMPLE_MS);
    event.outcome = (enum dl_outcome)draw_in(random, DL_OUTCOME_NONE, DL_OUTCOME_ABANDONED);
    event.first_contact = (int8_t)draw_in(random, DL_ABSENT, 1);
    event.resolvable = (int8_t)draw_in(random, 0, 1);
    event.wait_ms = draw_duration(random);
    event.handle_ms = draw_duration(random);
    return event;
}

static struct dl_event draw_complaint(struct random *random)
{
    struct dl_event event = sample_contact("t", SAMPLE_MS);
    event.type = DL_EVENT_COMPLAINT;
    event.closed = (int8_t)draw_in(random, 0, 1);
    event.satisfied = (int8_t)draw_in(random, DL_ABSENT, 1);
    event.duration_ms = draw_duration(random);
    return event;
}

static const struct dl_batch_options options = {.service_level_threshold_ms = 20000, .short_abandon_ms = 5000};

/* Bits by line. */
static unsigned lines_changed(const struct dl_slot *before, const struct dl_slot *after)
{
    unsigned changed = 0;
    for (unsigned line = 0; line < sizeof *before / DL_SLOT_LINE; line++) {
        size_t at = (size_t)line * DL_SLOT_LINE;
        if (memcmp((const char *)before + at, (const char *)after + at, DL_SLOT_LINE) != 0)
            changed |= 1U << line;
    }
    return changed;
}

struct given {
    struct dl_slot_more more;
    struct dl_slot_histogram histogram;
};

/* As the batch does. */
static void give(struct dl_slot *slot, const struct dl_event *event, struct given *given)
{
    switch (dl_slot_wants(slot, event)) {
    case DL_SLOT_WANTS_MORE:
        dl_slot_give_more(slot, &given->more);
        break;
    case DL_SLOT_WANTS_HISTOGRAM:
        dl_slot_give_histogram(slot, &given->histogram);
        break;
    case DL_SLOT_WANTS_NOTHING:
        break;
    }
    MUST(dl_slot_wants(slot, event) == DL_SLOT_WANTS_NOTHING);
}

/* Line 0 and one of the others, whatever the event has; what lies elsewhere only where the room for times is full. */
START_TEST(an_event_changes_two_lines)
{
    enum { EVENTS = 500 };
    static const unsigned allowed[DL_EVENT_TYPES] = {
        [DL_EVENT_SURVEY] = 3, [DL_EVENT_CONTACT] = 5, [DL_EVENT_COMPLAINT] = 1};
    unsigned seen = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct random random = {seed};
        struct given given = {.more = {.times = 0}};
        struct dl_slot slot = {.second = 0};
        for (int i = 0; i < EVENTS; i++) {
            int kind = (int)draw_in(&random, 0, 2);
            struct dl_event event = kind == 0 ? draw_survey(&random) : kind == 1 ? draw_contact(&random) : draw_complaint(&random);
            event.sign = draw_one_in(&random, 3) ? -1 : 1;
            give(&slot, &event, &given);
            const struct dl_slot before = slot;
            const struct given given_before = given;
            dl_slot_count(&slot, &event, draw_in(&random, 0, 9), &options);
            unsigned changed = lines_changed(&before, &slot);
            MUST((changed & ~allowed[event.type]) == 0);
            if (memcmp(&given, &given_before, sizeof given) != 0)
                MUST(event.type == DL_EVENT_CONTACT && dl_slot_times_full(&before));
            seen |= changed;
        }
    }
    ck_assert_uint_eq(seen, 7);
}
END_TEST

/* From wherever its counts are by then. That each counts what it should is test_batch's and the property test's. */
START_TEST(a_retraction_takes_all_of_it_away)
{
    enum { EVENTS = 200 };
    static struct dl_event events[EVENTS];
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct random random = {seed};
        struct given given = {.more = {.times = 0}};
        struct dl_slot slot = {.second = 0};
        int count = (int)draw_in(&random, 1, EVENTS);
        for (int i = 0; i < 2 * count; i++) {
            if (i < count) {
                int kind = (int)draw_in(&random, 0, 2);
                events[i] = kind == 0 ? draw_survey(&random) : kind == 1 ? draw_contact(&random) : draw_complaint(&random);
            }
            struct dl_event event = i < count ? events[i] : events[2 * count - 1 - i];
            event.sign = i < count ? 1 : -1;
            give(&slot, &event, &given);
            dl_slot_count(&slot, &event, 0, &options);
            static struct dl_slot_counters counters;
            dl_slot_read(&slot, &counters);
            for (size_t at = 0; at < counters.count; at++)
                MUST(counters.value[at] != 0 && (at == 0 || counters.counter[at] > counters.counter[at - 1]));
            MUST((counters.count == 0) == (i == 2 * count - 1));
        }
        ck_assert_int_eq(slot.counted, 2 * count);
    }
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, an_event_changes_two_lines);
    tcase_add_test(tests, a_retraction_takes_all_of_it_away);
}

int main(void)
{
    return sample_main("slot", add_tests);
}
