/* The recount against a naive model that knows nothing but the bytes: every message is parsed as JSON, every event kept,
 * and every subject of every window counted from scratch. */
#include "run_suite.h"

#include "fixture.h"
#include "timefmt.h"
#include "util.h"

#include <jansson.h>
#include <string.h>
#include <uthash.h>

#define MESSAGES 6000

struct counted { /* a subject in a window, by name */
    char *name;
    struct ld_tally tally;
    bool is_matched;
    UT_hash_handle hh;
};

struct model {
    json_t *events[MESSAGES]; /* with resolved "type", "time" and "op" */
    size_t count;
    int64_t newest_ms;
    struct counted *subjects;
};

static struct fixture fixture;
static struct model model;

static const char *header(const struct ld_message *message, const char *name)
{
    for (size_t i = 0; i < message->header_count; i++) {
        if (strcmp(message->headers[i].name, name) == 0)
            return message->headers[i].value;
    }
    return NULL;
}

static int64_t time_of(const json_t *value)
{
    int64_t ms = 0;
    if (json_is_number(value))
        return (int64_t)json_number_value(value);
    ck_assert_msg(ld_time_parse(json_string_value(value), 0, &ms), "%s", json_string_value(value));
    return ms;
}

static void keep_attribute(json_t *event, const char *name, const char *value)
{
    if (value != NULL && json_object_get(event, name) == NULL)
        json_object_set_new(event, name, json_string(value));
}

/* Bytes to an object that says type and time, whatever the envelope was. */
static void keep(const struct ld_message *message)
{
    json_error_t error;
    json_t *event = json_loadb(message->value, message->value_bytes, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(event != NULL, "%s: %.*s", error.text, (int)message->value_bytes, message->value);
    const char *content_type = header(message, "content-type");
    if (content_type != NULL && strncmp(content_type, "application/cloudevents+json", 28) == 0) {
        json_t *data = json_incref(json_object_get(event, "data"));
        keep_attribute(data, "type", strrchr(json_string_value(json_object_get(event, "type")), '.') + 1);
        keep_attribute(data, "time", json_string_value(json_object_get(event, "time")));
        json_decref(event);
        event = data;
    } else if (content_type != NULL) {
        keep_attribute(event, "type", strrchr(header(message, "ce_type"), '.') + 1);
        keep_attribute(event, "time", header(message, "ce_time"));
    }
    json_t *time = json_object_get(event, "time");
    int64_t ms = json_is_string(time) || json_is_number(time) ? time_of(time) : message->timestamp_ms;
    ck_assert_int_gt(ms, 0);
    json_object_set_new(event, "time", json_integer(ms));
    if (ms > model.newest_ms)
        model.newest_ms = ms;
    model.events[model.count++] = event;
}

static struct ld_tally *tally_of(const char *name)
{
    struct counted *counted;
    HASH_FIND_STR(model.subjects, name, counted);
    if (counted == NULL) {
        counted = ld_alloc(1, sizeof *counted);
        counted->name = ld_copy(name);
        HASH_ADD_KEYPTR(hh, model.subjects, counted->name, strlen(counted->name), counted);
    }
    return &counted->tally;
}

static bool integer(const json_t *object, const char *name, int64_t *value)
{
    const json_t *field = json_object_get(object, name);
    *value = json_is_number(field) ? (int64_t)json_number_value(field) : -1;
    return json_is_number(field);
}

static void count_survey(struct ld_tally *tally, const json_t *event, int sign)
{
    int64_t value;
    int64_t *c = tally->counter;
    if (integer(event, "nps", &value))
        c[value > 8 ? LD_PROMOTERS : value > 6 ? LD_PASSIVES : LD_DETRACTORS] += sign;
    if (integer(event, "csat", &value)) {
        c[LD_CSAT_N] += sign;
        c[LD_CSAT_SUM] += sign * value;
        c[LD_CSAT_TOP] += value >= 4 ? sign : 0;
    }
    if (integer(event, "ces", &value)) {
        c[LD_CES_N] += sign;
        c[LD_CES_SUM] += sign * value;
        c[LD_CES_TOP] += value >= 5 ? sign : 0;
    }
    if (integer(event, "expectation", &value)) {
        c[LD_EXPECTATION_N] += sign;
        c[LD_EXPECTATION_SUM] += sign * (value - 3);
        c[LD_EXPECTATION_TOP] += value == 5 ? sign : 0;
    }
}

static void count_contact(struct ld_tally *tally, const json_t *event, int sign)
{
    int64_t *c = tally->counter;
    int64_t wait, handle;
    const char *outcome = json_string_value(json_object_get(event, "outcome"));
    const json_t *first = json_object_get(event, "first_contact");
    bool is_answered = outcome != NULL && strcmp(outcome, "answered") == 0;
    bool is_abandoned = outcome != NULL && strcmp(outcome, "abandoned") == 0;
    c[LD_CONTACTS] += sign;
    c[LD_ANSWERED] += is_answered ? sign : 0;
    c[LD_ABANDONED] += is_abandoned ? sign : 0;
    if (integer(event, "wait_ms", &wait)) {
        c[LD_WAIT_N] += sign;
        ld_histogram_add(&tally->wait, wait, sign);
        c[LD_SL_ANSWERED] += is_answered ? sign : 0;
        c[LD_SL_ABANDONED] += is_abandoned ? sign : 0;
        c[LD_SL_ANSWERED_IN_TIME] += is_answered && wait <= 20000 ? sign : 0;
        c[LD_SL_ABANDONED_IN_TIME] += is_abandoned && wait <= 20000 ? sign : 0;
        c[LD_SL_ABANDONED_SHORT] += is_abandoned && wait <= 5000 ? sign : 0;
        c[LD_ASA_N] += is_answered ? sign : 0;
        c[LD_ASA_SUM] += is_answered ? sign * wait : 0;
    }
    if (integer(event, "handle_ms", &handle)) {
        c[LD_HANDLE_N] += sign;
        c[LD_HANDLE_SUM] += sign * handle;
        ld_histogram_add(&tally->handle, handle, sign);
    }
    if (json_is_boolean(first)) {
        bool is_net = !json_is_false(json_object_get(event, "resolvable"));
        c[LD_FCR_N] += sign;
        c[LD_FCR_TRUE] += json_is_true(first) ? sign : 0;
        c[LD_FCR_NET_N] += is_net ? sign : 0;
        c[LD_FCR_NET_TRUE] += is_net && json_is_true(first) ? sign : 0;
    }
}

static void count_complaint(struct ld_tally *tally, const json_t *event, int sign)
{
    int64_t *c = tally->counter;
    int64_t duration;
    if (strcmp(json_string_value(json_object_get(event, "state")), "opened") == 0) {
        c[LD_OPENED] += sign;
        return;
    }
    c[LD_CLOSED] += sign;
    if (json_is_boolean(json_object_get(event, "satisfied"))) {
        c[LD_RECOVERY_N] += sign;
        c[LD_RECOVERY_SATISFIED] += json_is_true(json_object_get(event, "satisfied")) ? sign : 0;
    }
    if (integer(event, "duration_ms", &duration)) {
        c[LD_DURATION_N] += sign;
        c[LD_DURATION_SUM] += sign * duration;
    }
}

static void count_kano_answer(struct ld_tally *tally, const json_t *answer, int sign)
{
    static const char table[5][6] = {"QAAAO", "RIIIM", "RIIIM", "RIIIM", "RRRRQ"};
    int64_t functional, dysfunctional;
    integer(answer, "functional", &functional);
    integer(answer, "dysfunctional", &dysfunctional);
    const char *letter = strchr("MOAIRQ", table[functional - 1][dysfunctional - 1]);
    tally->counter[LD_MUST_BE + (letter - strchr("MOAIRQ", 'M'))] += sign;
}

static char *encode(const json_t *name)
{
    const char *text = json_string_value(name);
    return text == NULL || text[0] == '\0' ? NULL : ld_percent_encode(text);
}

static void count_in(const char *subject, const json_t *event, int sign)
{
    struct ld_tally *tally = tally_of(subject);
    const char *type = json_string_value(json_object_get(event, "type"));
    const json_t *kano = json_object_get(event, "kano");
    tally->counter[LD_EVENTS] += sign;
    if (strcmp(type, "contact") == 0)
        count_contact(tally, event, sign);
    else if (strcmp(type, "complaint") == 0)
        count_complaint(tally, event, sign);
    else
        count_survey(tally, event, sign);
    if (strcmp(type, "survey") != 0)
        return;
    for (size_t i = 0; i < json_array_size(kano); i++)
        count_kano_answer(tally, json_array_get(kano, i), sign);
    if (json_is_object(kano))
        count_kano_answer(tally, kano, sign);
}

static void count_feature(const char *suffix, const json_t *answer, int sign)
{
    char *feature = encode(json_object_get(answer, "feature"));
    char *name = ld_format("feature:%s%s", feature, suffix);
    tally_of(name)->counter[LD_EVENTS] += sign;
    count_kano_answer(tally_of(name), answer, sign);
    free(name);
    free(feature);
}

/* All subjects of an event for one segment suffix ("" or "|tier=vip"). */
static void count_event(const json_t *event, const char *suffix, int sign)
{
    char *touchpoint = encode(json_object_get(event, "touchpoint"));
    char *stage = encode(json_object_get(event, "stage"));
    char *journey = encode(json_object_get(event, "journey"));
    char *names[5] = {ld_format("all%s", suffix), ld_format("touchpoint:%s%s", touchpoint, suffix), NULL, NULL, NULL};
    if (stage != NULL)
        names[2] = ld_format("stage:%s%s", stage, suffix);
    if (journey != NULL)
        names[3] = ld_format("journey:%s%s", journey, suffix);
    if (stage != NULL && journey != NULL)
        names[4] = ld_format("journey:%s|stage=%s%s", journey, stage, suffix);
    for (size_t i = 0; i < LD_COUNT(names); i++) {
        if (names[i] != NULL)
            count_in(names[i], event, sign);
        free(names[i]);
    }
    const json_t *kano = json_object_get(event, "kano");
    if (strcmp(json_string_value(json_object_get(event, "type")), "survey") == 0) {
        for (size_t i = 0; i < json_array_size(kano); i++)
            count_feature(suffix, json_array_get(kano, i), sign);
        if (json_is_object(kano))
            count_feature(suffix, kano, sign);
    }
    free(touchpoint);
    free(stage);
    free(journey);
}

static void count_window(int64_t window_ms, int64_t clock_ms)
{
    static const char *const segments[] = {"channel", "tier"};
    int64_t pane_ms = window_ms / 60;
    for (size_t i = 0; i < model.count; i++) {
        const json_t *event = model.events[i];
        int64_t pane = json_integer_value(json_object_get(event, "time")) / pane_ms;
        if (pane <= clock_ms / pane_ms - 60 || pane > clock_ms / pane_ms)
            continue;
        const char *op = json_string_value(json_object_get(event, "op"));
        int sign = op != NULL && strcmp(op, "retract") == 0 ? -1 : 1;
        count_event(event, "", sign);
        for (size_t k = 0; k < LD_COUNT(segments); k++) {
            char *value = encode(json_object_get(event, segments[k]));
            char *suffix = value != NULL ? ld_format("|%s=%s", segments[k], value) : NULL;
            if (suffix != NULL)
                count_event(event, suffix, sign);
            free(suffix);
            free(value);
        }
    }
}

static void drop_subjects(void)
{
    struct counted *counted, *next;
    HASH_ITER(hh, model.subjects, counted, next)
    {
        HASH_DEL(model.subjects, counted);
        ld_tally_deinit(&counted->tally);
        free(counted->name);
        free(counted);
    }
}

static bool same_histogram(const struct ld_histogram *a, const struct ld_histogram *b)
{
    static const struct ld_histogram empty;
    return memcmp(a != NULL ? a : &empty, b != NULL ? b : &empty, sizeof empty) == 0;
}

/* Every subject of the model is in the recount with the same counters, and the other way round. */
static void compare_window(size_t window, int64_t clock_ms)
{
    struct ld_snapshot *snapshot = ld_snapshot_create(fixture.recount, window, clock_ms, true);
    struct ld_tally tally = {0};
    size_t live = 0;
    static int64_t panes[LD_PANES][LD_COUNTERS];
    for (size_t i = 0; i < ld_recount_subject_count(fixture.recount); i++) {
        const struct ld_subject *subject = ld_recount_subject(fixture.recount, i);
        struct counted *counted;
        ld_snapshot_subject(snapshot, i, &tally, panes);
        HASH_FIND_STR(model.subjects, subject->name, counted);
        if (counted == NULL) {
            ck_assert_msg(ld_tally_is_zero(&tally), "%s is not in the model", subject->name);
            continue;
        }
        live++;
        for (int k = 0; k < LD_COUNTERS; k++)
            ck_assert_msg(tally.counter[k] == counted->tally.counter[k], "%s: counter %d: %lld, model %lld",
                          subject->name, k, (long long)tally.counter[k], (long long)counted->tally.counter[k]);
        ck_assert(same_histogram(tally.wait, counted->tally.wait));
        ck_assert(same_histogram(tally.handle, counted->tally.handle));
        int64_t promoters = 0;
        for (size_t pane = 0; pane < LD_PANES; pane++)
            promoters += panes[pane][LD_PROMOTERS];
        ck_assert_int_eq(promoters, subject->kind == LD_KIND_FEATURE ? 0 : tally.counter[LD_PROMOTERS]);
    }
    ck_assert_uint_eq(live, HASH_COUNT(model.subjects));
    ck_assert_uint_gt(live, 50);
    ld_tally_deinit(&tally);
    ld_snapshot_destroy(snapshot);
}

START_TEST(equals_the_naive_model)
{
    static const char *const windows[] = {"5m", "1h", "3h", "24h"};
    static struct ld_message message;
    fixture_defaults(&fixture);
    fixture_start(&fixture, windows, LD_COUNT(windows));
    model = (struct model){0};
    for (uint64_t i = 0; i < MESSAGES; i++) {
        ld_generator_next(fixture.generator, fixture_moment(&fixture, i, MESSAGES), true, &message);
        if (message.reason != LD_ACCEPTED)
            continue;
        ld_recount_add(fixture.recount, message.event, LD_NO_REPEAT);
        keep(&message);
    }
    ck_assert_int_eq(ld_recount_newest_ms(fixture.recount), model.newest_ms);
    ck_assert_uint_eq(ld_recount_events(fixture.recount), model.count);
    static const int64_t backs[] = {0, 1, 61000, 3600000};
    for (size_t w = 0; w < LD_COUNT(windows); w++) {
        for (size_t b = 0; b < LD_COUNT(backs); b++) {
            count_window(fixture.settings.windows[w].ms, model.newest_ms - backs[b]);
            compare_window(w, model.newest_ms - backs[b]);
            drop_subjects();
        }
    }
    for (size_t i = 0; i < model.count; i++)
        json_decref(model.events[i]);
    fixture_stop(&fixture);
}
END_TEST

/* A minimal event at a time. */
static struct ld_event bare_event(int64_t time_ms)
{
    struct ld_event event = {.type = LD_CONTACT, .time_ms = time_ms, .outcome = LD_ABSENT, .first_contact = LD_ABSENT,
                             .resolvable = LD_ABSENT, .wait_ms = LD_ABSENT, .handle_ms = LD_ABSENT};
    for (size_t i = 0; i < LD_SEGMENTS_MAX; i++)
        event.segment[i] = LD_ABSENT;
    return event;
}

static int64_t events_at(int64_t clock_ms)
{
    struct ld_snapshot *snapshot = ld_snapshot_create(fixture.recount, 0, clock_ms, false);
    struct ld_tally tally = {0};
    ld_snapshot_subject(snapshot, 0, &tally, NULL); /* the first subject is `all` */
    ld_snapshot_destroy(snapshot);
    int64_t events = tally.counter[LD_EVENTS];
    ld_tally_deinit(&tally);
    return events;
}

START_TEST(window_membership_is_exact)
{
    /* 5m: panes of 5 s. An event is in while floor(T/p) - 60 < floor(t/p) <= floor(T/p). */
    static const char *const windows[] = {"5m"};
    int64_t t = INT64_C(1795168800000) + 4999; /* the last millisecond of its pane */
    fixture_defaults(&fixture);
    fixture_start(&fixture, windows, 1);
    struct ld_event event = bare_event(t);
    ld_recount_add(fixture.recount, &event, LD_NO_REPEAT);
    ck_assert_int_eq(events_at(t - 5000), 0);             /* ahead of the clock: waits */
    ck_assert_int_eq(events_at(t - 4999), 1);             /* the first millisecond of its pane */
    ck_assert_int_eq(events_at(t + 59 * 5000), 1);        /* the last millisecond of its last pane */
    ck_assert_int_eq(events_at(t + 59 * 5000 + 1), 0);
    fixture_stop(&fixture);
}
END_TEST

START_TEST(repeats_count_by_position)
{
    static const struct {
        int32_t partition;
        int64_t offset;
        int64_t events;
    } rows[] = {{0, 101, 1}, {0, 110, 1}, {0, 111, 2}, {1, 105, 2}};
    static const char *const windows[] = {"1h"};
    for (size_t i = 0; i < LD_COUNT(rows); i++) {
        fixture_defaults(&fixture);
        fixture.settings.dedupe_records = 10;
        fixture_start(&fixture, windows, 1);
        struct ld_event event = bare_event(fixture.traffic.start_ms);
        uint32_t repeat = ld_recount_new_repeat(fixture.recount);
        ld_recount_add(fixture.recount, &event, LD_NO_REPEAT);
        ld_recount_add(fixture.recount, &event, repeat);
        ld_recount_place(fixture.recount, repeat, 0, 0, 100);
        ld_recount_place(fixture.recount, repeat, 1, rows[i].partition, rows[i].offset);
        ck_assert_int_eq(events_at(fixture.traffic.start_ms), rows[i].events);
        fixture.settings.dedupe_records = 0;
        ck_assert_int_eq(events_at(fixture.traffic.start_ms), 2);
        fixture_stop(&fixture);
    }
}
END_TEST

START_TEST(old_chunks_are_dropped_without_a_trace)
{
    static const char *const windows[] = {"5m"};
    fixture_defaults(&fixture);
    fixture_start(&fixture, windows, 1);
    int64_t t = fixture.traffic.start_ms;
    for (int i = 0; i < 400000; i++) {
        struct ld_event event = bare_event(t + i * 10); /* an hour and more */
        ld_recount_add(fixture.recount, &event, LD_NO_REPEAT);
    }
    int64_t last_ms = t + 399999 * 10;
    int64_t first_ms = (last_ms / 5000 - 59) * 5000;
    ck_assert_int_eq(events_at(last_ms), (last_ms - first_ms) / 10 + 1);
    fixture_stop(&fixture);
}
END_TEST

START_TEST(catalogue_fills_in_and_renames)
{
    static const char *const windows[] = {"1h"};
    fixture_defaults(&fixture);
    fixture.world_options.touchpoints = 2;
    fixture.world_options.has_odd_names = false;
    fixture.world_options.journeys = 1;
    fixture.settings.unknown_touchpoint = LD_UNKNOWN_OTHER;
    ld_settings_add_place(&fixture.settings, "fly", "check-in", "desk");
    fixture_start(&fixture, windows, 1);
    struct ld_event event = bare_event(fixture.traffic.start_ms);
    event.touchpoint = 0;
    ld_recount_add(fixture.recount, &event, LD_NO_REPEAT);
    event.touchpoint = 1;
    ld_recount_add(fixture.recount, &event, LD_NO_REPEAT);
    static const char *const expected[] = {"all", "touchpoint:desk", "stage:check-in", "journey:fly",
                                           "journey:fly|stage=check-in", "touchpoint:__other__"};
    ck_assert_uint_eq(ld_recount_subject_count(fixture.recount), LD_COUNT(expected));
    for (size_t i = 0; i < LD_COUNT(expected); i++)
        ck_assert_str_eq(ld_recount_subject(fixture.recount, i)->name, expected[i]);
    ck_assert_str_eq(ld_recount_subject(fixture.recount, 4)->group, "journey_stage");
    fixture_stop(&fixture);
}
END_TEST

START_TEST(names_are_encoded)
{
    char *encoded = ld_percent_encode("a{b}|c=d%e f\t\x7f\xc3\xbc:/");
    ck_assert_str_eq(encoded, "a%7Bb%7D%7Cc%3Dd%25e%20f%09%7F\xc3\xbc:/");
    free(encoded);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {equals_the_naive_model,
                                  window_membership_is_exact,
                                  repeats_count_by_position,
                                  old_chunks_are_dropped_without_a_trace,
                                  catalogue_fills_in_and_renames,
                                  names_are_encoded};
    return run_suite("recount", tests, LD_COUNT(tests));
}
