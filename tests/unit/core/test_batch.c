#include "draw.h"
#include "sample.h"

#include <delight/batch.h>

#include <limits.h>
#include <stdarg.h>

/* What one batch holds, as text: "touchpoint/stage/journey[values] second: counter=value …". */
struct dump {
    char text[65536];
    size_t bytes;
    int64_t events;
    uint32_t cells;
    size_t tallies;
    int segments;
};

__attribute__((format(printf, 2, 3))) static void put(struct dump *dump, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(dump->text + dump->bytes, sizeof dump->text - dump->bytes, format, arguments);
    va_end(arguments);
    ck_assert(bytes >= 0 && (size_t)bytes < sizeof dump->text - dump->bytes);
    dump->bytes += (size_t)bytes;
}

static enum dl_status on_tally(void *context, const struct dl_batch_tally *tally)
{
    struct dump *dump = context;
    const struct dl_cell *cell = tally->cell;
    if (cell->feature.bytes > 0)
        put(dump, "feature %.*s", (int)cell->feature.bytes, cell->feature.data);
    else
        put(dump, "%.*s/%.*s/%.*s", (int)cell->touchpoint.bytes, cell->touchpoint.data, (int)cell->stage.bytes,
            cell->stage.data, (int)cell->journey.bytes, cell->journey.data);
    for (int i = 0; i < dump->segments; i++)
        put(dump, ",%.*s", (int)cell->segment[i].bytes, cell->segment[i].data);
    put(dump, " %lld x%lld:", (long long)(tally->second - SAMPLE_MS / 1000), (long long)tally->events);
    for (size_t i = 0; i < tally->count; i++) {
        ck_assert(i == 0 || tally->counters[i] > tally->counters[i - 1]);
        ck_assert(tally->values[i] != 0);
        put(dump, " %u=%lld", tally->counters[i], (long long)tally->values[i]);
    }
    put(dump, "\n");
    ck_assert_uint_ge(tally->cell_number + 1, dump->cells); /* those of a cell stand together */
    ck_assert_uint_le(tally->cell_number, dump->cells);
    dump->cells = tally->cell_number + 1;
    dump->events += tally->events;
    dump->tallies++;
    return DL_OK;
}

static void check_dump(const struct dl_batch *batch, int segments, const char *expected)
{
    static struct dump dump;
    dump = (struct dump){.segments = segments};
    ck_assert_int_eq(dl_batch_each(batch, on_tally, &dump), DL_OK);
    ck_assert_uint_eq(dump.tallies, dl_batch_tallies(batch));
    ck_assert_str_eq(dump.text, expected);
}

static void add(struct dl_batch *batch, const struct dl_event *event)
{
    ck_assert_int_eq(dl_batch_add(batch, event), DL_OK);
}

/* The counters of one event, and the same with the signs turned for its retraction. */
static void check_counts(const char *what, struct dl_event event, const char *expected)
{
    static struct dump dumps[2];
    for (int i = 0; i < 2; i++) {
        struct dl_batch *batch = sample_batch(0);
        event.sign = i == 0 ? 1 : -1;
        add(batch, &event);
        dumps[i] = (struct dump){.segments = 0};
        ck_assert_int_eq(dl_batch_each(batch, on_tally, &dumps[i]), DL_OK);
        dl_batch_destroy(batch);
    }
    char text[1024];
    snprintf(text, sizeof text, "t// 0 x1:%s\n", expected);
    ck_assert_msg(strcmp(dumps[0].text, text) == 0, "%s: %s", what, dumps[0].text);
    char turned[sizeof dumps[0].text]; /* every value with a minus */
    size_t bytes = 0;
    for (const char *at = text; *at != '\0'; at++) {
        turned[bytes++] = *at;
        if (*at == '=')
            turned[bytes++] = '-';
    }
    turned[bytes] = '\0';
    ck_assert_msg(strcmp(dumps[1].text, turned) == 0, "%s, retracted: %s", what, dumps[1].text);
}

START_TEST(what_events_count)
{
    struct dl_event event = sample_survey("t", SAMPLE_MS);
    event.nps = 0;
    check_counts("nps 0", event, " 0=1 1=1");
    event.nps = 10;
    event.csat = 1;
    check_counts("nps 10, csat 1", event, " 0=1 11=1 12=1");
    event.csat = 10;
    event.ces = 1;
    event.expectation = 1;
    check_counts("csat 10, ces 1, expectation 1", event, " 0=1 11=1 21=1 22=1 29=1");
    event.ces = 7;
    event.expectation = 5;
    check_counts("ces 7, expectation 5", event, " 0=1 11=1 21=1 28=1 33=1");

    event = sample_contact("t", SAMPLE_MS);
    check_counts("a bare contact is a visit", event, " 0=1 40=1");
    event.wait_ms = 3;
    check_counts("a wait alone is in the histogram only", event, " 0=1 40=1 49=1 65=1");
    event.outcome = DL_OUTCOME_ANSWERED;
    event.wait_ms = DL_ABSENT;
    check_counts("an outcome alone", event, " 0=1 40=1 41=1");
    char text[128];
    event.wait_ms = 20000;
    snprintf(text, sizeof text, " 0=1 40=1 41=1 43=1 45=1 48=20000 49=1 %d=1", DL_COUNT_WAIT + dl_histogram_bucket(20000));
    check_counts("answered at the threshold", event, text);
    event.wait_ms = 20001;
    snprintf(text, sizeof text, " 0=1 40=1 41=1 43=1 48=20001 49=1 %d=1", DL_COUNT_WAIT + dl_histogram_bucket(20001));
    check_counts("answered a millisecond later", event, text);
    event.outcome = DL_OUTCOME_ABANDONED;
    snprintf(text, sizeof text, " 0=1 40=1 42=1 44=1 49=1 %d=1", DL_COUNT_WAIT + dl_histogram_bucket(20001));
    check_counts("abandoned after the threshold", event, text);
    event.wait_ms = 5001;
    snprintf(text, sizeof text, " 0=1 40=1 42=1 44=1 46=1 49=1 %d=1", DL_COUNT_WAIT + dl_histogram_bucket(5001));
    check_counts("abandoned within the threshold", event, text);
    event.wait_ms = 5000;
    snprintf(text, sizeof text, " 0=1 40=1 42=1 44=1 46=1 47=1 49=1 %d=1", DL_COUNT_WAIT + dl_histogram_bucket(5000));
    check_counts("abandoned within the short limit", event, text);

    event = sample_contact("t", SAMPLE_MS);
    event.handle_ms = 0;
    check_counts("a handling time of nothing is one", event, " 0=1 40=1 50=1 270=1");
    event.handle_ms = DL_DURATION_MS_MAX;
    snprintf(text, sizeof text, " 0=1 40=1 50=1 51=%lld %d=1", (long long)DL_DURATION_MS_MAX, DL_COUNTERS - 1);
    check_counts("a year of handling is in the last bucket", event, text);
    event = sample_contact("t", SAMPLE_MS);
    event.first_contact = 0;
    check_counts("not at first contact", event, " 0=1 40=1 52=1 54=1");
    event.first_contact = 1;
    check_counts("at first contact", event, " 0=1 40=1 52=1 53=1 54=1 55=1");
    event.resolvable = 0;
    check_counts("at first contact, though not resolvable", event, " 0=1 40=1 52=1 53=1");

    event = sample_survey("t", SAMPLE_MS);
    event.type = DL_EVENT_COMPLAINT;
    event.closed = 0;
    event.satisfied = 1;
    event.duration_ms = 5;
    check_counts("opened: nothing else counts", event, " 0=1 56=1");
    event.closed = 1;
    check_counts("closed, satisfied", event, " 0=1 57=1 58=1 59=1 60=1 61=5");
    event.satisfied = 0;
    event.duration_ms = 0;
    check_counts("closed, not satisfied, at once", event, " 0=1 57=1 58=1 60=1");
    event.satisfied = DL_ABSENT;
    event.duration_ms = DL_ABSENT;
    check_counts("closed", event, " 0=1 57=1");
}
END_TEST

START_TEST(cells_and_seconds)
{
    struct dl_batch *batch = sample_batch(2);
    struct dl_event event = sample_survey("a", SAMPLE_MS);
    add(batch, &event);
    event.time_ms += 999;
    add(batch, &event);
    event.time_ms += 1;
    add(batch, &event);
    event.segment[1] = dl_name_of("vip");
    add(batch, &event);
    event.segment[1] = dl_name_of("");
    event.segment[0] = dl_name_of("vip");
    add(batch, &event);
    /* Names that read alike one behind the other are still different cells. */
    event = sample_survey("ab", SAMPLE_MS);
    event.stage = dl_name_of("c");
    add(batch, &event);
    event.touchpoint = dl_name_of("a");
    event.stage = dl_name_of("bc");
    add(batch, &event);
    event.stage = dl_name_of("");
    event.journey = dl_name_of("bc");
    add(batch, &event);
    event = sample_survey("a", SAMPLE_MS - 1);
    event.sign = -1;
    add(batch, &event);
    event.time_ms++;
    add(batch, &event);
    add(batch, &event);
    check_dump(batch, 2,
               "a//,, 0 x4:\n" /* two and two: nothing is left, and yet it was there */
               "a//,, 1 x1: 0=1 10=1\n"
               "a//,, -1 x1: 0=-1 10=-1\n"
               "a//,,vip 1 x1: 0=1 10=1\n"
               "a//,vip, 1 x1: 0=1 10=1\n"
               "ab/c/,, 0 x1: 0=1 10=1\n"
               "a/bc/,, 0 x1: 0=1 10=1\n"
               "a//bc,, 0 x1: 0=1 10=1\n");
    dl_batch_destroy(batch);
}
END_TEST

/* Steps begin at multiples of their length; a tally says when its earliest event was. */
START_TEST(cells_and_steps)
{
    const struct dl_batch_options options = {.bytes_max = (size_t)1 << 20, .step_s = 7};
    struct dl_batch *batch = dl_batch_create(&options, SAMPLE_MS);
    ck_assert_ptr_nonnull(batch);
    const int64_t start_ms = SAMPLE_MS / 7000 * 7000, start_s = (start_ms - SAMPLE_MS) / 1000;
    static const struct {
        const char *touchpoint;
        int64_t time_ms; /* beyond the start */
    } events[] = {{"a", 6999}, {"a", 5000}, {"a", 7000},  {"a", 4321}, {"a", -1},    {"a", -7000}, {"a", 13999},
                  {"b", 0},    {"a", -7001}, {"a", 6000}, {"a", -3000}, {"a", 8000}, {"a", -14000}};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        struct dl_event event = sample_survey(events[i].touchpoint, start_ms + events[i].time_ms);
        event.kano_count = events[i].time_ms < -7000;
        event.kano[0] = (struct dl_kano_answer){dl_name_of("f"), DL_KANO_MUST_BE};
        add(batch, &event);
    }
    char expected[512];
    snprintf(expected, sizeof expected,
             "a// %lld x4: 0=4 10=4\n"
             "a// %lld x3: 0=3 10=3\n"
             "a// %lld x3: 0=3 10=3\n"
             "a// %lld x2: 0=2 10=2 34=2\n"
             "b// %lld x1: 0=1 10=1\n"
             "feature f %lld x2: 0=2 34=2\n",
             (long long)start_s + 4, (long long)start_s + 7, (long long)start_s - 7, (long long)start_s - 14, (long long)start_s,
             (long long)start_s - 14);
    check_dump(batch, 0, expected);
    dl_batch_destroy(batch);
}
END_TEST

static enum dl_status note_place(void *context, const struct dl_batch_tally *tally)
{
    if (tally->cell->feature.bytes == 0)
        *(struct dl_batch_tally *)context = *tally; /* the last one */
    return DL_OK;
}

/* Fills a batch by contacts, so many or until it is full, each in a step of its own before start_ms; returns how many there
 * were. */
static int fill(struct dl_batch *batch, int64_t start_ms, int contacts)
{
    struct dl_event event = sample_contact("t", start_ms);
    int counted = 0;
    for (; counted < contacts; counted++, event.time_ms -= 7000) {
        enum dl_status status = dl_batch_add(batch, &event);
        if (status == DL_FULL)
            break;
        MUST(status == DL_OK);
    }
    return counted;
}

/* A slot that an event found, and then no room for its feature's, is empty: that event does not say when its earliest one was. */
START_TEST(what_found_no_room_is_not_the_earliest)
{
    const struct dl_batch_options options = {.bytes_max = (size_t)1 << 20, .step_s = 7};
    const int64_t start_ms = SAMPLE_MS / 7000 * 7000;
    int full = INT_MAX, seen = 0;
    for (int less = 0; less < 60; less++) {
        struct dl_batch *batch = dl_batch_create(&options, SAMPLE_MS);
        ck_assert_ptr_nonnull(batch);
        full = less == 0 ? fill(batch, start_ms, full) : less + fill(batch, start_ms, full - less);
        struct dl_event event = sample_survey("t", start_ms + 7000);
        event.kano_count = 1;
        event.kano[0] = (struct dl_kano_answer){dl_name_of("f"), DL_KANO_REVERSE};
        for (; dl_batch_add(batch, &event) == DL_OK; event.time_ms += 7000)
            ;
        event.time_ms += 3000;
        event.kano_count = 0;
        if (dl_batch_add(batch, &event) == DL_OK) { /* into the slot that is there */
            struct dl_batch_tally last = {.second = 0};
            ck_assert_int_eq(dl_batch_each(batch, note_place, &last), DL_OK);
            ck_assert_int_eq(last.second, event.time_ms / 1000);
            seen++;
        }
        dl_batch_destroy(batch);
    }
    ck_assert_int_gt(seen, 0);
}
END_TEST

START_TEST(kano_answers_count_by_their_feature_too)
{
    struct dl_batch *batch = sample_batch(1);
    struct dl_event event = sample_survey("desk", SAMPLE_MS);
    event.nps = DL_ABSENT;
    event.stage = dl_name_of("check-in");
    event.segment[0] = dl_name_of("vip");
    event.kano_count = 3;
    event.kano[0] = (struct dl_kano_answer){dl_name_of("wifi"), DL_KANO_ATTRACTIVE};
    event.kano[1] = (struct dl_kano_answer){dl_name_of("queue"), DL_KANO_MUST_BE};
    event.kano[2] = (struct dl_kano_answer){dl_name_of("wifi"), DL_KANO_QUESTIONABLE};
    add(batch, &event);
    check_dump(batch, 1,
               "desk/check-in/,vip 0 x1: 0=1 34=1 36=1 39=1\n"
               "feature wifi,vip 0 x2: 0=2 36=1 39=1\n"
               "feature queue,vip 0 x1: 0=1 34=1\n");
    event.sign = -1;
    event.kano_count = 1;
    add(batch, &event);
    check_dump(batch, 1,
               "desk/check-in/,vip 0 x2: 34=1 39=1\n"
               "feature wifi,vip 0 x3: 0=1 39=1\n"
               "feature queue,vip 0 x1: 0=1 34=1\n");
    dl_batch_destroy(batch);
}
END_TEST

static enum dl_status stop_at_second(void *context, const struct dl_batch_tally *tally)
{
    (void)tally;
    return ++*(int *)context == 2 ? DL_STOPPED : DL_OK;
}

START_TEST(each_stops_when_told)
{
    struct dl_batch *batch = sample_batch(0);
    for (int i = 0; i < 5; i++) {
        struct dl_event event = sample_survey("a", SAMPLE_MS + i * 1000);
        add(batch, &event);
    }
    int calls = 0;
    ck_assert_int_eq(dl_batch_each(batch, stop_at_second, &calls), DL_STOPPED);
    ck_assert_int_eq(calls, 2);
    dl_batch_destroy(batch);
}
END_TEST

START_TEST(covers_partitions)
{
    struct dl_batch *batch = sample_batch(0);
    const struct dl_batch_source *sources;
    ck_assert_uint_eq(dl_batch_sources(batch, &sources), 0);
    ck_assert(dl_batch_empty(batch));
    enum { PARTITIONS = 65535 };
    for (int i = 0; i < PARTITIONS; i++)
        MUST(dl_batch_cover(batch, (uint16_t)(i % 2), i / 2, 100 + i, 101 + i, 500) == DL_OK);
    ck_assert_int_eq(dl_batch_cover(batch, 2, 0, 0, 1, 1), DL_FULL);
    ck_assert_int_eq(dl_batch_cover(batch, 1, 0, 0, 200, 600), DL_OK);
    ck_assert_int_eq(dl_batch_cover(batch, 1, 0, 0, 300, 700), DL_OK);
    ck_assert_uint_eq(dl_batch_sources(batch, &sources), PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++) {
        MUST(sources[i].topic == i % 2 && sources[i].partition == i / 2 && sources[i].from == 100 + i);
        MUST(i == 1 || (sources[i].next == 101 + i && sources[i].end == 500));
    }
    ck_assert(sources[1].next == 300 && sources[1].end == 700);
    ck_assert(!dl_batch_empty(batch));
    ck_assert_uint_ge(dl_batch_bytes(batch), PARTITIONS * sizeof *sources);
    dl_batch_destroy(batch);
}
END_TEST

START_TEST(carries_what_ingest_reports)
{
    struct dl_batch *batch = sample_batch(0);
    ck_assert_int_eq(dl_batch_opened_ms(batch), SAMPLE_MS);
    ck_assert_int_eq(dl_batch_newest_ms(batch), INT64_MIN);
    ck_assert(dl_batch_empty(batch) && !dl_batch_caught_up(batch));
    dl_batch_set_caught_up(batch);
    ck_assert(!dl_batch_empty(batch) && dl_batch_caught_up(batch));
    dl_batch_destroy(batch);

    batch = sample_batch(0);
    dl_batch_counts(batch)->rejected[DL_REJECT_EMPTY]++;
    ck_assert(!dl_batch_empty(batch));
    dl_batch_destroy(batch);

    batch = sample_batch(0);
    struct dl_event event = sample_survey("a", SAMPLE_MS + 1);
    add(batch, &event);
    event.time_ms = SAMPLE_MS;
    add(batch, &event);
    ck_assert_int_eq(dl_batch_newest_ms(batch), SAMPLE_MS + 1);
    ck_assert(!dl_batch_empty(batch));
    dl_batch_destroy(batch);
    dl_batch_destroy(NULL);
}
END_TEST

/* The largest event that there is: every name as long as it may be. */
static struct dl_event largest(char (*names)[DL_NAME_BYTES_MAX], uint64_t seed)
{
    struct random random = {seed};
    struct dl_event event = sample_survey("a", SAMPLE_MS + draw_in(&random, 0, 100) * 1000);
    for (int n = 0; n < 3 + DL_SEGMENTS_MAX + DL_KANO_ANSWERS_MAX; n++)
        for (int i = 0; i < DL_NAME_BYTES_MAX; i++)
            names[n][i] = (char)draw_in(&random, 'a', 'z');
    event.touchpoint = (struct dl_name){names[0], DL_NAME_BYTES_MAX};
    event.stage = (struct dl_name){names[1], DL_NAME_BYTES_MAX};
    event.journey = (struct dl_name){names[2], DL_NAME_BYTES_MAX};
    for (int i = 0; i < DL_SEGMENTS_MAX; i++)
        event.segment[i] = (struct dl_name){names[3 + i], DL_NAME_BYTES_MAX};
    event.csat = event.ces = event.expectation = 5;
    event.kano_count = DL_KANO_ANSWERS_MAX;
    for (int i = 0; i < DL_KANO_ANSWERS_MAX; i++)
        event.kano[i] = (struct dl_kano_answer){{names[3 + DL_SEGMENTS_MAX + i], DL_NAME_BYTES_MAX},
                                                (uint8_t)(i % DL_KANO_CATEGORIES)};
    return event;
}

START_TEST(full_counts_nothing)
{
    static char names[3 + DL_SEGMENTS_MAX + DL_KANO_ANSWERS_MAX][DL_NAME_BYTES_MAX];
    struct dl_batch *batch = sample_batch(DL_SEGMENTS_MAX);
    size_t most = 0;
    int added = 0;
    for (uint64_t seed = 1;; seed++) {
        struct dl_event event = largest(names, seed);
        size_t tallies = dl_batch_tallies(batch);
        enum dl_status status = dl_batch_add(batch, &event);
        most = dl_batch_bytes(batch) > most ? dl_batch_bytes(batch) : most;
        ck_assert_uint_le(most, (size_t)1 << 20);
        if (status == DL_FULL) {
            ck_assert_uint_eq(dl_batch_tallies(batch), tallies);
            break;
        }
        ck_assert_int_eq(status, DL_OK);
        added++;
    }
    ck_assert_int_ge(added, 1); /* the largest event fits an empty batch */
    ck_assert_uint_gt(most, ((size_t)1 << 20) * 9 / 10);
    /* Small ones may still find room; what is reported is what was counted. */
    int64_t small = 0;
    for (int i = 0; i < 100000; i++) {
        struct dl_event event = sample_contact("a", SAMPLE_MS + i * 1000);
        enum dl_status status = dl_batch_add(batch, &event);
        if (status == DL_FULL)
            break;
        MUST(status == DL_OK);
        small++;
    }
    ck_assert_uint_eq(dl_batch_tallies(batch), (size_t)added * (1 + DL_KANO_ANSWERS_MAX) + (size_t)small);
    dl_batch_destroy(batch);
}
END_TEST

static enum dl_status sum_tally(void *context, const struct dl_batch_tally *tally)
{
    struct dl_counts *sum = context;
    for (size_t i = 0; i < tally->count; i++)
        sum->count[tally->counters[i]] += tally->values[i];
    return DL_OK;
}

struct seen {
    int64_t kano[2], events[2]; /* of the place, of the feature */
    int tallies[2];
};

static enum dl_status see(void *context, const struct dl_batch_tally *tally)
{
    struct seen *seen = context;
    int feature = tally->cell->feature.bytes > 0;
    seen->events[feature] += tally->events;
    seen->tallies[feature]++;
    for (size_t i = 0; i < tally->count; i++)
        if (tally->counters[i] == DL_COUNT_KANO + DL_KANO_REVERSE)
            seen->kano[feature] += tally->values[i];
    return DL_OK;
}

/* A slot's counts have 16 bits: a second with more has more than one slot, and counts all of it. */
START_TEST(many_within_one_second)
{
    enum { EVENTS = 40000, ANSWERS = DL_KANO_ANSWERS_MAX };
    for (int sign = -1; sign <= 1; sign += 2) {
        struct dl_batch *batch = sample_batch(0);
        struct dl_event event = sample_survey("a", SAMPLE_MS);
        event.sign = sign;
        event.kano_count = ANSWERS;
        for (int i = 0; i < ANSWERS; i++)
            event.kano[i] = (struct dl_kano_answer){dl_name_of("f"), DL_KANO_REVERSE};
        for (int i = 0; i < EVENTS; i++) {
            event.time_ms = SAMPLE_MS - i % 3 * 1000; /* of more seconds than a cell remembers */
            add(batch, &event);
        }
        event.time_ms = SAMPLE_MS + 1000; /* one more behind those that were full */
        event.kano_count = 0;
        add(batch, &event);
        struct seen seen = {.kano = {0, 0}};
        MUST(dl_batch_each(batch, see, &seen) == DL_OK);
        ck_assert_int_eq(seen.kano[0], (int64_t)sign * EVENTS * ANSWERS);
        ck_assert_int_eq(seen.kano[1], (int64_t)sign * EVENTS * ANSWERS);
        ck_assert_int_eq(seen.events[0], EVENTS + 1);
        ck_assert_int_eq(seen.events[1], (int64_t)EVENTS * ANSWERS);
        for (int i = 0; i < 2; i++) /* all but the last slot of a second are full */
            ck_assert_int_le(seen.tallies[i], EVENTS * ANSWERS / (INT16_MAX - ANSWERS) + 4);
        ck_assert_uint_eq(dl_batch_tallies(batch), (size_t)seen.tallies[0] + (size_t)seen.tallies[1]);
        dl_batch_destroy(batch);
    }
}
END_TEST

START_TEST(full_at_any_place)
{
    /* Fills batches with events of many shapes; whatever was refused must leave
     * no trace in what is reported. */
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random random = {seed};
        struct dl_batch *batch = sample_batch(1);
        int64_t expected = 0;
        int refused = 0;
        while (refused < 50) {
            char touchpoint[DL_NAME_BYTES_MAX + 1] = "";
            int bytes = (int)draw_in(&random, 1, DL_NAME_BYTES_MAX);
            for (int i = 0; i < bytes; i++)
                touchpoint[i] = (char)draw_in(&random, 'a', 'z');
            struct dl_event event = draw_one_in(&random, 2) ? sample_contact(touchpoint, SAMPLE_MS)
                                                           : sample_survey(touchpoint, SAMPLE_MS);
            event.time_ms += draw_in(&random, 0, 5) * 1000;
            event.wait_ms = draw_in(&random, 0, 100000);
            event.handle_ms = draw_in(&random, 0, 100000);
            event.kano_count = (uint8_t)draw_in(&random, 0, 4);
            for (int i = 0; i < event.kano_count; i++)
                event.kano[i] = (struct dl_kano_answer){dl_name_of(touchpoint + i % bytes), DL_KANO_REVERSE};
            enum dl_status status = dl_batch_add(batch, &event);
            MUST(status == DL_OK || status == DL_FULL);
            refused += status == DL_FULL;
            if (status == DL_OK)
                expected += 1 + (event.type == DL_EVENT_SURVEY ? event.kano_count : 0);
            MUST(dl_batch_bytes(batch) <= (size_t)1 << 20);
        }
        struct dl_counts sum = {{0}};
        ck_assert_int_eq(dl_batch_each(batch, sum_tally, &sum), DL_OK);
        ck_assert_int_eq(sum.count[DL_COUNT_EVENTS], expected);
        /* Each answer counts in two cells. */
        ck_assert_int_eq(sum.count[DL_COUNT_CONTACTS] + sum.count[DL_COUNT_NPS + 9]
                             + sum.count[DL_COUNT_KANO + (int)DL_KANO_REVERSE] / 2,
                         expected);
        dl_batch_destroy(batch);
    }
}
END_TEST

/* Milliseconds of every size up to more than a day; sometimes none. */
static int64_t draw_duration(struct random *random)
{
    return draw_one_in(random, 5) ? DL_ABSENT : draw_in(random, 0, (INT64_C(2) << draw_in(random, 0, 26)) - 1);
}

static enum dl_status sum_in_order(void *context, const struct dl_batch_tally *tally)
{
    for (size_t i = 1; i < tally->count; i++)
        MUST(tally->counters[i] > tally->counters[i - 1]);
    return sum_tally(context, tally);
}

/* A few or many, of any size and in any order: each bucket counts what it is of. */
START_TEST(buckets_in_any_order)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct random random = {seed};
        struct dl_batch *batch = sample_batch(0);
        struct dl_counts expected = {{0}}, sum = {{0}};
        for (int64_t left = draw_in(&random, 1, seed % 4 == 0 ? 2000 : 30); left > 0; left--) {
            struct dl_event event = sample_contact("a", SAMPLE_MS + draw_in(&random, 0, 1) * 1000);
            event.wait_ms = draw_duration(&random);
            event.handle_ms = draw_duration(&random);
            event.sign = draw_one_in(&random, 4) ? -1 : 1;
            add(batch, &event);
            if (event.wait_ms != DL_ABSENT)
                expected.count[DL_COUNT_WAIT + dl_histogram_bucket(event.wait_ms)] += event.sign;
            if (event.handle_ms != DL_ABSENT)
                expected.count[DL_COUNT_HANDLE + dl_histogram_bucket(event.handle_ms)] += event.sign;
        }
        ck_assert_int_eq(dl_batch_each(batch, sum_in_order, &sum), DL_OK);
        for (int counter = DL_COUNT_SCALARS; counter < DL_COUNTERS; counter++)
            MUST(sum.count[counter] == expected.count[counter]);
        dl_batch_destroy(batch);
    }
}
END_TEST

/* The times of contacts get more room when there are more than a few, and again. A contact that finds none is not counted. */
START_TEST(times_that_find_no_room)
{
    enum { ROUNDS = 40 };
    const int touchpoints = _i == 0 ? 1200 : 2600; /* the batch is full when they want a histogram, or the first time */
    struct dl_batch *batch = sample_batch(0);
    struct dl_counts expected = {{0}}, sum = {{0}};
    int refused = 0, after = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < touchpoints; i++) {
            char name[24];
            snprintf(name, sizeof name, "%d", i);
            struct dl_event event = sample_contact(name, SAMPLE_MS);
            event.wait_ms = 1000 * round;
            event.handle_ms = round % 3 == 0 ? DL_ABSENT : 1000 * i;
            enum dl_status status = dl_batch_add(batch, &event);
            refused += status == DL_FULL;
            after += status == DL_OK && refused > 0;
            if (status == DL_FULL)
                continue;
            MUST(status == DL_OK);
            expected.count[DL_COUNT_CONTACTS]++;
            expected.count[DL_COUNT_WAIT + dl_histogram_bucket(event.wait_ms)]++;
            if (event.handle_ms != DL_ABSENT)
                expected.count[DL_COUNT_HANDLE + dl_histogram_bucket(event.handle_ms)]++;
        }
    }
    ck_assert_int_gt(refused, touchpoints);
    ck_assert_int_gt(after, touchpoints); /* those that had room for one more, and those that have what they need */
    ck_assert_int_eq(dl_batch_each(batch, sum_in_order, &sum), DL_OK);
    MUST(sum.count[DL_COUNT_EVENTS] == expected.count[DL_COUNT_CONTACTS]);
    for (int counter = DL_COUNT_SCALARS; counter < DL_COUNTERS; counter++)
        MUST(sum.count[counter] == expected.count[counter]);
    dl_batch_destroy(batch);
}
END_TEST

/* More than 16 bits hold, of one bucket and of both kinds of times. */
START_TEST(many_contacts_within_one_second)
{
    enum { EVENTS = 100000 };
    for (int sign = -1; sign <= 1; sign += 2) {
        struct dl_batch *batch = sample_batch(0);
        struct dl_event event = sample_contact("a", SAMPLE_MS);
        event.sign = sign;
        event.wait_ms = 5;
        event.handle_ms = DL_HISTOGRAM_MS_MAX + 1;
        for (int i = 0; i < EVENTS; i++)
            add(batch, &event);
        struct dl_counts sum = {{0}};
        ck_assert_int_eq(dl_batch_each(batch, sum_in_order, &sum), DL_OK);
        ck_assert_int_eq(sum.count[DL_COUNT_CONTACTS], sign * EVENTS);
        ck_assert_int_eq(sum.count[DL_COUNT_HANDLE_MS], sign * EVENTS * (DL_HISTOGRAM_MS_MAX + 1));
        ck_assert_int_eq(sum.count[DL_COUNT_WAIT + 5], sign * EVENTS);
        ck_assert_int_eq(sum.count[DL_COUNTERS - 1], sign * EVENTS);
        ck_assert_uint_eq(dl_batch_tallies(batch), EVENTS / INT16_MAX + 1);
        dl_batch_destroy(batch);
    }
}
END_TEST

/* A table keeps 32 bits of a hash: among so many there are some ten pairs that have the same, wherever the hash begins. */
START_TEST(cells_whose_hashes_are_alike_are_two)
{
    enum { CELLS = 300000 };
    const struct dl_batch_options options = {.bytes_max = (size_t)256 << 20};
    struct dl_batch *batch = dl_batch_create(&options, 0);
    ck_assert_ptr_nonnull(batch);
    for (int i = 0; i < CELLS; i++) {
        char name[24];
        snprintf(name, sizeof name, "%d", i);
        struct dl_event event = sample_survey(name, SAMPLE_MS);
        MUST(dl_batch_add(batch, &event) == DL_OK);
    }
    ck_assert_uint_eq(dl_batch_cells(batch), CELLS);
    ck_assert_uint_eq(dl_batch_tallies(batch), CELLS);
    dl_batch_destroy(batch);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, what_events_count);
    tcase_add_test(tests, cells_and_seconds);
    tcase_add_test(tests, cells_and_steps);
    tcase_add_test(tests, what_found_no_room_is_not_the_earliest);
    tcase_add_test(tests, kano_answers_count_by_their_feature_too);
    tcase_add_test(tests, each_stops_when_told);
    tcase_add_test(tests, covers_partitions);
    tcase_add_test(tests, carries_what_ingest_reports);
    tcase_add_test(tests, full_counts_nothing);
    tcase_add_test(tests, many_within_one_second);
    tcase_add_test(tests, full_at_any_place);
    tcase_add_test(tests, buckets_in_any_order);
    tcase_add_loop_test(tests, times_that_find_no_room, 0, 2);
    tcase_add_test(tests, many_contacts_within_one_second);
    tcase_add_test(tests, cells_whose_hashes_are_alike_are_two);
}

int main(void)
{
    return sample_main("batch", add_tests);
}
