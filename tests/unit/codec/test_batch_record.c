#include "records.h"

#include <stdarg.h>

static const char *const topics[] = {"cx.feedback", "cx.more"};

/* ---- Tallies as text, one a line ---- */

struct line {
    char *text;
    uint32_t cell_number;
};

struct lines {
    struct line *line;
    size_t count, capacity;
    int segments;
    const int *place; /* where the other side has segment i, -1: nowhere; NULL: in the same place */
};

static void put(char **at, const char *format, ...) DL_PRINTF(2, 3);
static void put(char **at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    *at += vsprintf(*at, format, arguments);
    va_end(arguments);
}

static void put_name(char **at, struct dl_name name)
{
    put(at, "%.*s,", (int)name.bytes, name.bytes > 0 ? name.data : "");
}

static enum dl_status note_line(void *context, const struct dl_batch_tally *tally)
{
    struct lines *lines = context;
    static char text[65536];
    char *at = text;
    const struct dl_cell *cell = tally->cell;
    put_name(&at, cell->touchpoint);
    put_name(&at, cell->stage);
    put_name(&at, cell->journey);
    put_name(&at, cell->feature);
    struct dl_name values[DL_SEGMENTS_MAX] = {{.data = NULL}};
    for (int i = 0; i < lines->segments; i++)
        if (lines->place == NULL)
            values[i] = cell->segment[i];
        else if (lines->place[i] >= 0)
            values[lines->place[i]] = cell->segment[i];
    for (int i = 0; i < DL_SEGMENTS_MAX; i++)
        put_name(&at, values[i]);
    put(&at, " %lld x%lld:", (long long)tally->second, (long long)tally->events);
    for (size_t i = 0; i < tally->count; i++)
        put(&at, " %u=%lld", tally->counters[i], (long long)tally->values[i]);
    if (lines->count == lines->capacity) {
        lines->capacity = lines->capacity * 2 + 64;
        lines->line = realloc(lines->line, lines->capacity * sizeof *lines->line);
        MUST(lines->line != NULL);
    }
    lines->line[lines->count++] = (struct line){strdup(text), tally->cell_number};
    return DL_OK;
}

static void free_lines(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->line[i].text);
    free(lines->line);
}

/* ---- Parts ---- */

struct parts {
    struct bytes part[4096];
    size_t count, bytes, bytes_max;
};

static enum dl_status keep_part(void *context, const void *data, size_t bytes)
{
    struct parts *parts = context;
    MUST(parts->count < sizeof parts->part / sizeof *parts->part && bytes <= parts->bytes_max);
    parts->part[parts->count++] = copy_of(data, bytes);
    parts->bytes += bytes;
    return DL_OK;
}

static struct dl_batch_writer_options options_of(int version, int segments)
{
    struct dl_batch_writer_options options = {.version = version, .part_bytes_max = DL_BATCH_PART_BYTES_MIN,
                                              .instance = "branch-1", .topics = topics, .segments = segments,
                                              .written_ms = SAMPLE_MS + 5};
    static const char *const names[] = {"tier", "channel", "region", "team", "partner"};
    for (int i = 0; i < segments; i++)
        options.segment[i] = dl_name_of(names[i]);
    return options;
}

static void write_parts(const struct dl_batch *batch, const struct dl_batch_writer_options *options, struct parts *parts)
{
    parts->count = parts->bytes = 0;
    parts->bytes_max = options->part_bytes_max;
    ck_assert_int_eq(dl_batch_write(batch, options, keep_part, parts), DL_OK);
}

static void free_parts(struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        free(parts->part[i].data);
}

static struct parts parts;
static struct dl_batch_part part;
static char detail[DL_DETAIL_SIZE];

static enum dl_record_fault read_bytes(struct dl_batch_reader *reader, struct bytes record)
{
    memset(detail, 'x', sizeof detail);
    enum dl_record_fault fault = dl_batch_read(reader, record.data, record.bytes, &part, detail);
    check_detail(detail, fault);
    return fault;
}

/* A record of this body, with the header and checksum that belong to it. */
static struct bytes sealed(int version, const char *body_text)
{
    struct bytes body = bytes_of(body_text);
    struct bytes record = {.data = malloc(DL_RECORD_HEADER_BYTES + body.bytes), .bytes = DL_RECORD_HEADER_BYTES + body.bytes};
    memcpy(record.data, (const unsigned char[]){'D', 'B', (unsigned char)version, 0, 0, 0, 0}, DL_RECORD_HEADER_BYTES);
    memcpy(record.data + DL_RECORD_HEADER_BYTES, body.data, body.bytes);
    dl_record_seal(record.data, record.bytes, NULL, 0);
    free(body.data);
    return record;
}

/* ---- Random batches ---- */

struct names {
    char text[64][DL_NAME_BYTES_MAX];
    struct dl_name name[64];
};

static void draw_names(struct random *random, struct names *names)
{
    for (int n = 0; n < 64; n++) {
        uint32_t bytes = (uint32_t)(draw_one_in(random, 8) ? DL_NAME_BYTES_MAX : draw_in(random, 1, 20));
        for (uint32_t i = 0; i < bytes; i++)
            names->text[n][i] = (char)draw_in(random, 'a', 'z');
        names->name[n] = (struct dl_name){names->text[n], bytes};
    }
}

static struct dl_name draw_name(struct random *random, const struct names *names, int first, int count)
{
    return names->name[first + draw_in(random, 0, count - 1)];
}

static struct dl_event draw_event(struct random *random, const struct names *names, int segments)
{
    static const struct dl_name none;
    int64_t time_ms = SAMPLE_MS + draw_in(random, -5000, 5000);
    struct dl_event event = draw_one_in(random, 2) ? sample_contact("", time_ms) : sample_survey("", time_ms);
    event.touchpoint = draw_name(random, names, 0, 20);
    event.stage = draw_one_in(random, 2) ? none : draw_name(random, names, 18, 6);
    event.journey = draw_one_in(random, 2) ? none : draw_name(random, names, 20, 6);
    for (int i = 0; i < segments; i++)
        event.segment[i] = draw_one_in(random, 2) ? none : draw_name(random, names, 24, 10);
    event.sign = draw_one_in(random, 4) ? -1 : 1;
    if (event.type == DL_EVENT_SURVEY) {
        event.nps = (int8_t)draw_in(random, 0, 10);
        event.kano_count = (uint8_t)draw_in(random, 0, 4);
        for (int i = 0; i < event.kano_count; i++)
            event.kano[i] = (struct dl_kano_answer){draw_name(random, names, 40, 24), (uint8_t)draw_in(random, 0, 5)};
    } else {
        event.outcome = DL_OUTCOME_ANSWERED;
        event.wait_ms = draw_in(random, 0, DL_DURATION_MS_MAX);
        event.handle_ms = draw_in(random, 0, 600000);
    }
    return event;
}

static struct dl_batch *draw_batch(struct random *random, int segments)
{
    struct names names;
    draw_names(random, &names);
    struct dl_batch *batch = sample_batch(segments);
    int64_t events = draw_in(random, 0, 1200);
    for (int64_t i = 0; i < events; i++) {
        struct dl_event event = draw_event(random, &names, segments);
        if (dl_batch_add(batch, &event) != DL_OK)
            break;
    }
    int64_t sources = draw_in(random, 0, 5);
    for (int64_t i = 0; i < sources; i++) {
        int64_t from = draw_in(random, 0, INT64_MAX / 2);
        MUST(dl_batch_cover(batch, (uint16_t)draw_in(random, 0, 1), (int32_t)draw_in(random, 0, INT32_MAX), from,
                            from + draw_in(random, 0, 1000), INT64_MAX) == DL_OK);
    }
    int64_t *counts = (int64_t *)dl_batch_counts(batch);
    for (size_t i = 0; i < sizeof(struct dl_ingest_counts) / sizeof *counts; i++)
        counts[i] = draw_one_in(random, 3) ? 0 : draw_in(random, 0, INT64_MAX - 1);
    return batch;
}

/* ---- Round trips ---- */

static void check_sources(const struct dl_batch *batch, size_t first)
{
    const struct dl_batch_source *sources;
    size_t count = dl_batch_sources(batch, &sources);
    MUST(first + part.source_count <= count);
    for (size_t i = 0; i < part.source_count; i++) {
        const struct dl_batch_source *source = &sources[first + i];
        const struct dl_chain_link *link = &part.sources[i];
        MUST(dl_name_equal(link->topic, dl_name_of(topics[source->topic])));
        MUST(link->partition == source->partition && link->from == source->from && link->next == source->next);
    }
}

/* Reads every part and compares with what the batch says itself. */
static void check_parts(struct dl_batch *batch, const struct dl_batch_writer_options *options, struct dl_batch_reader *reader,
                        const int *place)
{
    struct lines wanted = {.segments = options->segments, .place = place};
    ck_assert_int_eq(dl_batch_each(batch, note_line, &wanted), DL_OK);
    struct lines found = {.segments = DL_SEGMENTS_MAX};
    size_t source_count = 0;
    for (size_t i = 0; i < parts.count; i++) {
        ck_assert_msg(read_bytes(reader, parts.part[i]) == DL_RECORD_GOOD, "part %zu: %s", i, detail);
        ck_assert(part.version == options->version && part.part == i + 1 && part.parts == parts.count);
        ck_assert(part.newest_ms == dl_batch_newest_ms(batch) && part.written_ms == options->written_ms);
        ck_assert(dl_name_equal(part.instance, dl_name_of(options->instance)));
        size_t before = found.count;
        for (int again = 0; again < 2; again++) { /* as often as one likes */
            while (found.count > before)
                free(found.line[--found.count].text);
            ck_assert_int_eq(dl_batch_part_each(reader, note_line, &found), DL_OK);
        }
        ck_assert_uint_eq(found.count, before + part.tallies);
        ck_assert_uint_le(found.count, wanted.count);
        for (size_t at = before; at < found.count; at++) {
            ck_assert_str_eq(found.line[at].text, wanted.line[at].text);
            uint32_t number = at == before ? 0
                                           : found.line[at - 1].cell_number
                                + (wanted.line[at].cell_number != wanted.line[at - 1].cell_number);
            ck_assert_uint_eq(found.line[at].cell_number, number);
        }
        check_sources(batch, source_count);
        source_count += part.source_count;
        static const struct dl_ingest_counts none;
        const struct dl_ingest_counts *counts = i + 1 == parts.count ? dl_batch_counts(batch) : &none;
        ck_assert_mem_eq(&part.counts, counts, sizeof *counts);
    }
    const struct dl_batch_source *sources;
    ck_assert_uint_eq(source_count, dl_batch_sources(batch, &sources));
    ck_assert_uint_eq(found.count, wanted.count);
    free_lines(&found);
    free_lines(&wanted);
}

START_TEST(what_was_written_is_read)
{
    size_t most_parts = 0;
    for (uint64_t seed = 1; seed <= number_of("DELIGHT_SEEDS", 60); seed++) {
        struct random random = {seed};
        int segments = (int)draw_in(&random, 0, 5);
        struct dl_batch *batch = draw_batch(&random, segments);
        struct dl_batch_writer_options options = options_of(DL_RECORD_VERSION_MIN + (int)(seed % 2), segments);
        write_parts(batch, &options, &parts);
        most_parts = parts.count > most_parts ? parts.count : most_parts;

        struct dl_batch_reader *reader = dl_batch_reader_create(options.segments, options.segment);
        check_parts(batch, &options, reader, NULL);
        dl_batch_reader_destroy(reader);

        /* A scorer that has other segments, or these in another order. */
        struct dl_name other[DL_SEGMENTS_MAX] = {dl_name_of("new")};
        int place[DL_SEGMENTS_MAX];
        int count = 1;
        for (int i = segments - 1; i >= 0; i--) {
            place[i] = draw_one_in(&random, 3) ? -1 : count;
            if (place[i] >= 0)
                other[count++] = options.segment[i];
        }
        reader = dl_batch_reader_create(count, other);
        memset(other, 0, sizeof other); /* the reader has its own */
        check_parts(batch, &options, reader, place);
        dl_batch_reader_destroy(reader);

        free_parts(&parts);
        dl_batch_destroy(batch);
    }
    ck_assert_uint_ge(most_parts, 4);
}
END_TEST

START_TEST(the_same_batch_gives_the_same_bytes)
{
    static struct parts again;
    for (int version = DL_RECORD_VERSION_MIN; version <= DL_RECORD_VERSION; version++) {
        const struct dl_batch_writer_options options = options_of(version, 3);
        struct random random = {7};
        struct dl_batch *batch = draw_batch(&random, 3);
        write_parts(batch, &options, &parts);
        write_parts(batch, &options, &again);
        ck_assert_uint_eq(parts.count, again.count);
        for (size_t i = 0; i < parts.count; i++)
            ck_assert(parts.part[i].bytes == again.part[i].bytes
                      && memcmp(parts.part[i].data, again.part[i].data, again.part[i].bytes) == 0);
        free_parts(&parts);
        free_parts(&again);
        dl_batch_destroy(batch);
    }
}
END_TEST

/* Adds events until every counter of one cell and second is there. */
static void add_every_counter(struct dl_batch *batch, struct dl_event event)
{
    for (int i = 0; i <= 10; i++) {
        event.type = DL_EVENT_SURVEY;
        event.nps = (int8_t)i;
        event.csat = (int8_t)(i < 10 ? i + 1 : DL_ABSENT);
        event.ces = (int8_t)(i < 7 ? i + 1 : DL_ABSENT);
        event.expectation = (int8_t)(i < 5 ? i + 1 : DL_ABSENT);
        event.kano_count = i < DL_KANO_CATEGORIES ? 1 : 0;
        event.kano[0] = (struct dl_kano_answer){event.touchpoint, (uint8_t)i};
        MUST(dl_batch_add(batch, &event) == DL_OK);
    }
    event.type = DL_EVENT_CONTACT;
    event.first_contact = 1;
    for (uint16_t bucket = 0; bucket < DL_HISTOGRAM_BUCKETS; bucket++)
        for (int i = 0; i < 4; i++) { /* enough for values of two bytes */
            event.outcome = bucket % 2 == 0 ? DL_OUTCOME_ANSWERED : DL_OUTCOME_ABANDONED;
            event.wait_ms = event.handle_ms =
                bucket == DL_HISTOGRAM_BUCKETS - 1 ? DL_DURATION_MS_MAX : dl_histogram_value(bucket);
            MUST(dl_batch_add(batch, &event) == DL_OK);
        }
    event.type = DL_EVENT_COMPLAINT;
    event.closed = 0;
    MUST(dl_batch_add(batch, &event) == DL_OK);
    event.closed = event.satisfied = 1;
    event.duration_ms = DL_DURATION_MS_MAX;
    MUST(dl_batch_add(batch, &event) == DL_OK);
}

static enum dl_status most_counters(void *context, const struct dl_batch_tally *tally)
{
    size_t *most = context;
    *most = tally->count > *most ? tally->count : *most;
    return DL_OK;
}

START_TEST(the_largest_tally_fits_a_part)
{
    static char text[4 + 2 * DL_SEGMENTS_MAX][DL_NAME_BYTES_MAX];
    memset(text, 'n', sizeof text);
    struct dl_name names[4 + 2 * DL_SEGMENTS_MAX];
    for (int i = 0; i < 4 + 2 * DL_SEGMENTS_MAX; i++) {
        text[i][0] = (char)('A' + i);
        names[i] = (struct dl_name){text[i], DL_NAME_BYTES_MAX};
    }
    for (int version = DL_RECORD_VERSION_MIN; version <= DL_RECORD_VERSION; version++) {
        struct dl_batch_writer_options options = options_of(version, 0);
        options.segments = DL_SEGMENTS_MAX;
        memcpy(options.segment, names + 4 + DL_SEGMENTS_MAX, sizeof options.segment);
        struct dl_batch *batch = sample_batch(DL_SEGMENTS_MAX);
        struct dl_event event = sample_survey("", SAMPLE_MS);
        event.stage = names[1];
        event.journey = names[2];
        memcpy(event.segment, names + 4, sizeof event.segment);
        for (int i = 0; i < 3; i++) {
            event.touchpoint = names[i];
            add_every_counter(batch, event);
            event.time_ms += 1000;
        }
        size_t most = 0;
        ck_assert_int_eq(dl_batch_each(batch, most_counters, &most), DL_OK);
        ck_assert_uint_ge(most, DL_COUNTERS - 24); /* an octave's rest beyond 24 h is in no use */
        write_parts(batch, &options, &parts);
        struct dl_batch_reader *reader = dl_batch_reader_create(DL_SEGMENTS_MAX, options.segment);
        check_parts(batch, &options, reader, NULL);
        dl_batch_reader_destroy(reader);
        free_parts(&parts);
        dl_batch_destroy(batch);
    }
}
END_TEST

START_TEST(thousands_of_sources)
{
    /* In steps that cannot miss where the sources fit and the counts do not. */
    for (int spare = 0; spare < 2400; spare += 25) {
        struct dl_batch_writer_options options = options_of(DL_RECORD_VERSION, 0);
        struct dl_batch *batch = sample_batch(0);
        const struct dl_event event = sample_contact("a", SAMPLE_MS);
        MUST(dl_batch_add(batch, &event) == DL_OK);
        for (int32_t i = 0; i < 5000 + spare; i++)
            MUST(dl_batch_cover(batch, i % 3 == 0, i, i * INT64_C(1000), i * INT64_C(1000) + 70, 1 << 20) == DL_OK);
        memset(dl_batch_counts(batch), 0x7f, sizeof(struct dl_ingest_counts));
        write_parts(batch, &options, &parts);
        ck_assert_uint_ge(parts.count, 3);
        struct dl_batch_reader *reader = dl_batch_reader_create(0, NULL);
        check_parts(batch, &options, reader, NULL);
        dl_batch_reader_destroy(reader);
        free_parts(&parts);
        dl_batch_destroy(batch);
    }
}
END_TEST

START_TEST(thousands_of_names)
{
    const struct dl_batch_options roomy = {.bytes_max = (size_t)2 << 20, .segments = 1};
    struct dl_batch *batch = dl_batch_create(&roomy, SAMPLE_MS);
    MUST(batch != NULL);
    for (int i = 0; i < 3000; i++) {
        char names[2][16];
        snprintf(names[0], sizeof names[0], "t%d", i);
        snprintf(names[1], sizeof names[1], "t%d", i / 2);
        struct dl_event event = sample_contact(names[0], SAMPLE_MS + i);
        event.segment[0] = dl_name_of(names[1]);
        MUST(dl_batch_add(batch, &event) == DL_OK);
    }
    for (size_t kib = 16; kib <= 1024; kib *= 8) {
        struct dl_batch_writer_options options = options_of(DL_RECORD_VERSION, 1);
        options.part_bytes_max = kib * 1024;
        write_parts(batch, &options, &parts);
        struct dl_batch_reader *reader = dl_batch_reader_create(1, options.segment);
        check_parts(batch, &options, reader, NULL);
        dl_batch_reader_destroy(reader);
        if (kib == 1024) /* each name once, at 5 bytes; the cells at 13 */
            ck_assert(parts.count == 1 && parts.bytes < 3000 * 22);
        free_parts(&parts);
    }
    dl_batch_destroy(batch);
}
END_TEST

START_TEST(nothing_to_tell_is_one_part)
{
    struct dl_batch *batch = sample_batch(0);
    struct dl_batch_writer_options options = options_of(DL_RECORD_VERSION, 0);
    options.instance = "";
    write_parts(batch, &options, &parts);
    ck_assert_uint_eq(parts.count, 1);
    struct dl_batch_reader *reader = dl_batch_reader_create(0, NULL);
    check_parts(batch, &options, reader, NULL);
    ck_assert_int_eq(part.newest_ms, INT64_MIN);
    dl_batch_reader_destroy(reader);
    free_parts(&parts);
    dl_batch_destroy(batch);
}
END_TEST

static enum dl_status stop(void *context, const void *data, size_t bytes)
{
    (void)data;
    (void)bytes;
    return ++*(int *)context == 2 ? DL_STOPPED : DL_OK;
}

static enum dl_status stop_at_tally(void *context, const struct dl_batch_tally *tally)
{
    (void)tally;
    return stop(context, NULL, 0);
}

START_TEST(stops_when_told)
{
    struct random random = {3};
    struct dl_batch *batch = draw_batch(&random, 5);
    struct dl_batch_writer_options options = options_of(1, 5);
    write_parts(batch, &options, &parts);
    ck_assert_uint_ge(parts.count, 3);
    int calls = 0;
    ck_assert_int_eq(dl_batch_write(batch, &options, stop, &calls), DL_STOPPED);
    ck_assert_int_eq(calls, 2);
    struct dl_batch_reader *reader = dl_batch_reader_create(0, NULL);
    ck_assert_int_eq(read_bytes(reader, parts.part[0]), DL_RECORD_GOOD);
    calls = 0;
    ck_assert_int_eq(dl_batch_part_each(reader, stop_at_tally, &calls), DL_STOPPED);
    ck_assert_int_eq(calls, 2);
    dl_batch_reader_destroy(reader);
    free_parts(&parts);
    dl_batch_destroy(batch);
}
END_TEST

/* ---- The format ---- */

/* Two cells that share names, a second with nothing left, two topics. */
static struct dl_batch *small_batch(void)
{
    struct dl_batch *batch = sample_batch(2);
    struct dl_event event = sample_survey("app", SAMPLE_MS);
    event.journey = dl_name_of("buy");
    event.segment[1] = dl_name_of("app");
    event.kano_count = 1;
    event.kano[0] = (struct dl_kano_answer){dl_name_of("buy"), DL_KANO_ATTRACTIVE};
    MUST(dl_batch_add(batch, &event) == DL_OK);
    event = sample_contact("app", SAMPLE_MS - 1000);
    event.journey = dl_name_of("buy");
    event.segment[1] = dl_name_of("app");
    event.outcome = DL_OUTCOME_ANSWERED;
    event.wait_ms = 200;
    MUST(dl_batch_add(batch, &event) == DL_OK);
    event.sign = -1;
    event.time_ms -= 1000;
    MUST(dl_batch_add(batch, &event) == DL_OK);
    event.sign = 1;
    MUST(dl_batch_add(batch, &event) == DL_OK);
    MUST(dl_batch_cover(batch, 0, 3, 0, 120, 0) == DL_OK);
    MUST(dl_batch_cover(batch, 1, 0, 1000, 1001, 0) == DL_OK);
    MUST(dl_batch_cover(batch, 0, 4, 5, 5, 0) == DL_OK);
    *dl_batch_counts(batch) = (struct dl_ingest_counts){.records = 4, .bytes = 300, .accepted = {1, 3}, .retracted = 1,
                                                        .rejected = {[DL_REJECT_NO_ANSWER] = 2}, .dead_letters = 2,
                                                        .lost = 128};
    return batch;
}

static const char *const golden[] = {
    [1] = "'DB' 01 39 30 45 88 01 00 00 00 01 00 00 00 8a 94 96 ab c0 68 80 94 96 ab c0 68 08 'branch-1' "
          "02 04 'tier' 07 'channel' "
          "01 03 'app' 00 03 'buy' 00 03 'app' "
          "01 c0 f4 95 b0 0d 06 00 02 09 02 19 02 "
          "01 01 11 00 02 27 02 00 02 01 02 01 02 02 90 03 00 02 38 02 "
          "02 01 00 00 "
          "02 03 'buy' 00 03 'app' 01 04 04 00 02 23 02 00 00 "
          "01 0b 'cx.feedback' 03 00 78 02 07 'cx.more' 00 e8 07 01 01 04 05 00 00 "
          "04 ac 02 03 01 03 00 01 00 0f 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 02 80 01",
    [2] = "'DB' 02 9c 28 c4 e2 01 00 00 00 01 00 00 00 8a 94 96 ab c0 68 80 94 96 ab c0 68 08 'branch-1' "
          "02 04 'tier' 07 'channel' "
          "01 01 03 'app' 00 02 03 'buy' 00 01 "
          "01 c0 f4 95 b0 0d 06 00 02 09 02 19 02 "
          "01 01 11 00 02 27 02 00 02 01 02 01 02 02 90 03 00 02 38 02 "
          "02 01 00 00 "
          "02 02 00 01 01 04 04 00 02 23 02 00 00 "
          "01 0b 'cx.feedback' 03 00 78 02 07 'cx.more' 00 e8 07 01 01 04 05 00 00 "
          "04 ac 02 03 01 03 00 01 00 0f 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 02 80 01",
};

START_TEST(the_bytes_of_the_format)
{
    struct dl_batch *batch = small_batch();
    for (int version = DL_RECORD_VERSION_MIN; version <= DL_RECORD_VERSION; version++) {
        const struct dl_batch_writer_options options = options_of(version, 2);
        write_parts(batch, &options, &parts);
        ck_assert_uint_eq(parts.count, 1);
        check_bytes(parts.part[0].data, parts.part[0].bytes, golden[version]);
        free_parts(&parts);
    }
    dl_batch_destroy(batch);
}
END_TEST

START_TEST(every_damage_is_seen)
{
    struct dl_batch_reader *reader = dl_batch_reader_create(0, NULL);
    for (int version = DL_RECORD_VERSION_MIN; version <= DL_RECORD_VERSION; version++) {
        struct bytes whole = bytes_of(golden[version]);
        ck_assert_int_eq(read_bytes(reader, whole), DL_RECORD_GOOD);
        for (size_t at = 0; at < whole.bytes; at++)
            for (unsigned change = 1; change < 256; change++) {
                whole.data[at] = (unsigned char)(whole.data[at] ^ change);
                enum dl_record_fault fault = read_bytes(reader, whole);
                bool is_version = at == 2 && (whole.data[at] < DL_RECORD_VERSION_MIN || whole.data[at] > DL_RECORD_VERSION);
                MUST(fault == (at < 2 ? DL_RECORD_FOREIGN : is_version ? DL_RECORD_UNKNOWN_VERSION : DL_RECORD_CORRUPT));
                whole.data[at] = (unsigned char)(whole.data[at] ^ change);
            }
        for (size_t bytes = 0; bytes <= whole.bytes + 3; bytes++) {
            struct bytes other = {.data = calloc(bytes + 1, 1), .bytes = bytes};
            memcpy(other.data, whole.data, bytes < whole.bytes ? bytes : whole.bytes);
            struct bytes exact = copy_of(other.data, bytes);
            enum dl_record_fault fault = read_bytes(reader, exact);
            MUST(fault == (bytes == whole.bytes ? DL_RECORD_GOOD : bytes == 0 ? DL_RECORD_FOREIGN : DL_RECORD_CORRUPT));
            if (bytes >= DL_RECORD_HEADER_BYTES && bytes != whole.bytes) { /* as if it had been written so */
                dl_record_seal(exact.data, bytes, NULL, 0);
                MUST(read_bytes(reader, exact) == DL_RECORD_CORRUPT);
            }
            free(exact.data);
            free(other.data);
        }
        free(whole.data);
    }
    ck_assert_int_eq(dl_batch_read(reader, NULL, 0, &part, detail), DL_RECORD_FOREIGN); /* a tombstone */
    dl_batch_reader_destroy(reader);
}
END_TEST

START_TEST(versions_and_kinds)
{
    static const struct {
        const char *record;
        enum dl_record_fault fault;
        const char *detail;
    } rows[] = {
        {"'DB' 03 00 00 00 00", DL_RECORD_UNKNOWN_VERSION, "version 3; this delightd reads 1 to 2"},
        {"'DB' 00", DL_RECORD_UNKNOWN_VERSION, "version 0"},
        {"'DB' ff 'whatever'", DL_RECORD_UNKNOWN_VERSION, "version 255"},
        {"'DP' 02 00 00 00 00", DL_RECORD_FOREIGN, "kind P where one of kind B belongs"},
        {"'DQ' 02 00 00 00 00", DL_RECORD_FOREIGN, "does not begin"},
        {"'{}'", DL_RECORD_FOREIGN, "the value (2 bytes) does not begin"},
        {"'DB' 02 00 00 00", DL_RECORD_CORRUPT, "6 bytes are not a record"},
        {"'DB' 02 00 00 00 00", DL_RECORD_CORRUPT, "the checksum of 7 bytes is"},
    };
    struct dl_batch_reader *reader = dl_batch_reader_create(0, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes record = bytes_of(rows[i].record);
        ck_assert_int_eq(read_bytes(reader, record), rows[i].fault);
        ck_assert_msg(strstr(detail, rows[i].detail) != NULL, "%s", detail);
        ck_assert_int_eq(part.version, rows[i].fault == DL_RECORD_UNKNOWN_VERSION ? record.data[2] : 0);
        free(record.data);
    }
    dl_batch_reader_destroy(reader);
    ck_assert_str_eq(dl_record_fault_word(DL_RECORD_GOOD), "good");
    ck_assert_str_eq(dl_record_fault_word(DL_RECORD_UNKNOWN_VERSION), "unknown_version");
    ck_assert_ptr_nonnull(strstr(dl_record_fault_sentence(DL_RECORD_UNKNOWN_VERSION), "upgrade this one"));
}
END_TEST

#define HEAD "01 00 00 00 01 00 00 00 00 00 00 00 "
#define ZEROS "00 00 00 00 00 00 00 00"
#define END "00 00 " ZEROS

START_TEST(rules_of_the_body)
{
    static const struct {
        int version;
        const char *body;
        const char *detail; /* NULL: good */
    } rows[] = {
        {2, HEAD END, NULL},
        {2, HEAD END " 00", "byte 29: bytes behind its end"},
        {2, "01 00 00 00 02 00 00 00 00 00 00 00 00 00", NULL}, /* no counts: not the last part */
        {2, "01 00 00 00 02 00 00 00 00 00 00 00 " END, "behind its end"},
        {2, "02 00 00 00 02 00 00 00 00 00 00 00 " END, NULL},
        {2, "03 00 00 00 02 00 00 00 00 00 00 00 " END, "byte 15: a part that is not one of its parts"},
        {2, "00 00 00 00 01 00 00 00 00 00 00 00 " END, "a part that is not"},
        {2, "01 00 00 00 01 00 00 00 fe ef fe a1 fa 9d 73 00 00 00 " END, NULL}, /* the year 9999 */
        {2, "01 00 00 00 01 00 00 00 80 f0 fe a1 fa 9d 73 00 00 00 " END, "a time beyond"},
        {2, "01 00 00 00 01 00 00 00 ff ff ff ff ff ff ff ff ff 01 00 00 00 " END, "a time beyond"},
        {2, "01 00 00 00 01 00 00 00 00 ff ff ff ff ff ff ff ff ff 01 00 00 " END, NULL}, /* no newest */
        {2, "01 00 00 00 01 00 00 00 00 ff ff ff ff ff ff ff ff ff 02 00 00 " END, "shortest form"},
        {2, "01 00 00 00 01 00 00 00 00 80 00 00 00 " END, "shortest form"},
        {2, "01 00 00 00 01 00 00 00 00 00 80 02 00 " END, "byte 18: a number beyond its range"}, /* instance of 256 */
        {2, "01 00 00 00 01 00 00 00 00 00 00 02 01 'a' 01 'b' " END, NULL},
        {2, "01 00 00 00 01 00 00 00 00 00 00 02 01 'a' 01 'a' " END, "a segment twice"},
        {2, "01 00 00 00 01 00 00 00 00 00 00 01 00 " END, "must not be empty"},
        {2, "01 00 00 00 01 00 00 00 00 00 00 11 " END, "beyond its range"},
        /* Cells. */
        {1, HEAD "01 01 't' 00 00 01 00 00 00 " END, NULL},
        {2, HEAD "01 01 01 't' 00 00 01 00 00 00 " END, NULL},
        {2, HEAD "02 01 01 't' 01 00 00 00 02 01 01 00 00 00 " END, NULL},
        {2, HEAD "02 01 01 't' 01 00 00 00 02 03 01 00 00 00 " END, "beyond its range"}, /* only one was spelled */
        {2, HEAD "03 01 01 't' 00 00 01 00 00 00 " END, "byte 19: neither a cell"},
        {2, HEAD "01 01 01 't' 00 00 00 " END, "a cell without a tally"},
        {1, HEAD "01 00 00 00 01 00 00 00 " END, "must not be empty"},
        {2, HEAD "01 00 00 00 01 00 00 00 " END, "must not be none"},
        {2, HEAD "02 00 01 00 00 00 " END, "must not be none"},
        {2, HEAD "02 01 00 01 00 00 00 " END, "must not be empty"},
        {2, HEAD "02 01 81 01 't' 01 00 00 00 " END, "beyond its range"},
        {1, HEAD "02 81 01 't' 01 00 00 00 " END, "beyond its range"},
        {2, HEAD "02 01 01 't' 80 80 80 80 80 80 40 00 00 00 " END, NULL}, /* 2^48 events */
        {2, HEAD "02 01 01 't' 81 80 80 80 80 80 40 00 00 00 " END, "beyond its range"},
        {2, HEAD "02 01 01 't' 01 fe 85 a2 ff df 0e 00 00 " END, NULL},
        {2, HEAD "02 01 01 't' 01 80 86 a2 ff df 0e 00 00 " END, "a second beyond"},
        {2, HEAD "02 01 01 't' 01 fe 85 a2 ff df 0e 00 01 02 00 00 " END, "a second beyond"},
        {2, HEAD "02 01 01 't' 01 ff ff ff ff ff ff ff ff ff 01 00 00 " END, "a second beyond"},
        {2, HEAD "02 01 01 't' 01 02 00 01 ff ff ff ff ff ff ff ff ff 01 00 00 " END, "a second beyond"},
        {2, HEAD "02 01 01 't' 01 00 02 00 02 00 " END, NULL},
        {2, HEAD "02 01 01 't' 01 00 02 00 00 00 " END, "byte 26: not packed counters"},
        {2, HEAD "02 01 01 't' 01 00 03 de 03 02 00 " END, "not packed counters"}, /* counter 478 */
        {2, HEAD "02 01 01 't' 01 00 60 00 02 00 " END, "too early"},
        /* Sources. */
        {2, HEAD "00 01 01 't' 00 00 00 01 01 05 07 00 " ZEROS, NULL},
        {2, HEAD "00 01 01 't' ff ff ff ff 07 ff ff ff ff ff ff ff ff 7f 00 00 " ZEROS, NULL},
        {2, HEAD "00 01 01 't' 80 80 80 80 08 00 00 00 " ZEROS, "beyond its range"}, /* partition 2^31 */
        {2, HEAD "00 01 01 't' 00 ff ff ff ff ff ff ff ff 7f 01 00 " ZEROS, "beyond its range"}, /* next 2^63 */
        {2, HEAD "00 02 01 't' 00 00 00 00 " ZEROS, "beyond its range"},
        {2, HEAD "00 01 00 00 00 00 00 " ZEROS, "must not be empty"},
        /* Counts: fewer and more than this version knows. */
        {2, HEAD "00 00 05 06 01 07 08 09 01 0a 0b 0c", NULL},
        {2, HEAD "00 00 05 06 04 07 00 00 7f 08 09 11 0a 00 00 00 00 00 00 00 00 00 00 00 00 00 00 7f 7f 0b 0c", NULL},
        {2, HEAD "00 00 05 06 01 07 08 09 01 0a 0b", "byte 30: it ends too early"},
        {2, HEAD "00 00 05 06 01 07 08 09 7f 0a 0b 0c", "beyond its range"},
        {2, HEAD "00 00 80 80 80 80 80 80 80 80 80 01 00 00 00 00 00 00 00", "beyond its range"},
    };
    struct dl_batch_reader *reader = dl_batch_reader_create(0, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes record = sealed(rows[i].version, rows[i].body);
        enum dl_record_fault fault = read_bytes(reader, record);
        ck_assert_msg(fault == (rows[i].detail == NULL ? DL_RECORD_GOOD : DL_RECORD_CORRUPT), "%s: %s", rows[i].body, detail);
        ck_assert_msg(strstr(detail, rows[i].detail == NULL ? "" : rows[i].detail) != NULL, "%s: %s", rows[i].body, detail);
        if (part.counts.records == 5) {
            ck_assert(part.counts.bytes == 6 && part.counts.accepted[0] == 7 && part.counts.accepted[2] == 0);
            ck_assert(part.counts.retracted == 8 && part.counts.duplicates == 9 && part.counts.rejected[0] == 10);
            ck_assert(part.counts.rejected[DL_REJECTS - 1] == 0 && part.counts.dead_letters == 11 && part.counts.lost == 12);
        }
        struct lines lines = {.segments = 0};
        if (fault == DL_RECORD_GOOD)
            ck_assert_int_eq(dl_batch_part_each(reader, note_line, &lines), DL_OK);
        ck_assert_uint_eq(lines.count, part.tallies);
        free_lines(&lines);
        free(record.data);
    }
    dl_batch_reader_destroy(reader);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, what_was_written_is_read);
    tcase_add_test(tests, the_same_batch_gives_the_same_bytes);
    tcase_add_test(tests, the_largest_tally_fits_a_part);
    tcase_add_test(tests, thousands_of_sources);
    tcase_add_test(tests, thousands_of_names);
    tcase_add_test(tests, nothing_to_tell_is_one_part);
    tcase_add_test(tests, stops_when_told);
    tcase_add_test(tests, the_bytes_of_the_format);
    tcase_add_test(tests, every_damage_is_seen);
    tcase_add_test(tests, versions_and_kinds);
    tcase_add_test(tests, rules_of_the_body);
}

int main(void)
{
    return sample_main("batch_record", add_tests);
}
