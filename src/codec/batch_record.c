#include "record_bytes.h"

#include <delight/time.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    CELL_END, CELL_PLACE, CELL_FEATURE, /* what a cell begins with; the end is that of all of them */
    TALLY_END = 0,
    PART_AT = DL_RECORD_HEADER_BYTES,
    PARTS_AT = PART_AT + 4,
    CELL_NAMES_MAX = 3 + DL_SEGMENTS_MAX,
    NAME_BYTES_MAX = 2 + DL_NAME_BYTES_MAX,
    REFERENCE_BYTES_MAX = 5 + NAME_BYTES_MAX,
    STEP_BYTES_MAX = 2,
    PACKED_BYTES_MAX = DL_COUNTERS * (STEP_BYTES_MAX + DL_VARINT_BYTES_MAX),
    /* What a part may have at most before its first cell; that and its largest
     * tally; that and its largest source; that and the counts. */
    HEAD_BYTES_MAX = PARTS_AT + 4 + 2 * DL_VARINT_BYTES_MAX + 2 + DL_INSTANCE_BYTES_MAX + 1 + DL_SEGMENTS_MAX * NAME_BYTES_MAX,
    END_BYTES = 3, /* of the cell, the cells and the sources */
    TALLY_BYTES_MAX = 1 + CELL_NAMES_MAX * REFERENCE_BYTES_MAX + 2 * DL_VARINT_BYTES_MAX + 3 + PACKED_BYTES_MAX,
    SOURCE_BYTES_MAX = 5 + 2 + DL_TOPIC_BYTES_MAX + 3 * DL_VARINT_BYTES_MAX,
    COUNTS_BYTES_MAX = (8 + DL_EVENT_TYPES + DL_REJECTS) * DL_VARINT_BYTES_MAX,
    PARTS_FIRST = 8
};
static_assert(HEAD_BYTES_MAX + TALLY_BYTES_MAX + END_BYTES <= DL_BATCH_PART_BYTES_MIN, "a tally fits a part");
static_assert(HEAD_BYTES_MAX + SOURCE_BYTES_MAX + END_BYTES <= DL_BATCH_PART_BYTES_MIN, "a source fits a part");
static_assert(HEAD_BYTES_MAX + COUNTS_BYTES_MAX + END_BYTES <= DL_BATCH_PART_BYTES_MIN, "the counts fit a part");
static_assert(DL_COUNTERS <= 1 << (7 * STEP_BYTES_MAX), "every id step fits its varint");
#define TALLY_EVENTS_MAX ((uint64_t)1 << 48)

/* ---- Writing ---- */

/* All parts stand in one buffer until their number is known. */
struct writer {
    const struct dl_batch_writer_options *options;
    int64_t newest_ms;
    struct dl_record_bytes bytes;
    struct dl_record_out out;
    size_t *starts; /* of the parts */
    uint32_t parts, capacity;
    struct dl_spelled names, topics; /* in this part */
    bool in_cell;
    uint32_t cell;
    int64_t second; /* of the tally before */
};

static void keep_start(struct writer *writer)
{
    if (writer->parts == writer->capacity) {
        uint32_t capacity = writer->capacity == 0 ? PARTS_FIRST : writer->capacity * 2;
        size_t *starts = realloc(writer->starts, capacity * sizeof *starts);
        if (starts == NULL) {
            writer->out.failed = true;
            return;
        }
        writer->starts = starts;
        writer->capacity = capacity;
    }
    writer->starts[writer->parts++] = writer->bytes.bytes;
}

static void begin_part(struct writer *writer)
{
    const struct dl_batch_writer_options *options = writer->options;
    struct dl_record_out *out = &writer->out;
    keep_start(writer);
    dl_spelled_clear(&writer->names);
    dl_spelled_clear(&writer->topics);
    writer->in_cell = false;
    writer->second = 0;
    dl_put_header(out, DL_RECORD_BATCH, options->version);
    dl_put_u32(out, writer->parts);
    dl_put_u32(out, 0); /* set when all are there */
    dl_put_zigzag(out, options->written_ms);
    dl_put_zigzag(out, writer->newest_ms);
    dl_put_name(out, dl_name_of(options->instance));
    dl_put_names(out, options->segments, options->segment);
}

static void end_cells(struct writer *writer)
{
    if (writer->in_cell)
        dl_put_byte(&writer->out, TALLY_END);
    writer->in_cell = false;
    dl_put_byte(&writer->out, CELL_END);
}

static void end_sources(struct writer *writer)
{
    dl_put_byte(&writer->out, 0);
}

/* Whether the part has become too long with `more` bytes that have to follow. */
static bool is_over(const struct writer *writer, size_t more)
{
    return !writer->out.failed
        && writer->bytes.bytes - writer->starts[writer->parts - 1] + more > writer->options->part_bytes_max;
}

static void put_cell_name(struct writer *writer, struct dl_name name)
{
    DL_ASSERT(name.bytes <= DL_NAME_BYTES_MAX);
    if (writer->options->version == 1 || name.bytes == 0)
        dl_put_name(&writer->out, name);
    else
        dl_put_reference(&writer->out, &writer->names, name);
}

static void put_cell(struct writer *writer, const struct dl_cell *cell)
{
    bool is_feature = cell->feature.bytes > 0;
    dl_put_byte(&writer->out, is_feature ? CELL_FEATURE : CELL_PLACE);
    if (is_feature) {
        put_cell_name(writer, cell->feature);
    } else {
        DL_ASSERT(cell->touchpoint.bytes > 0);
        put_cell_name(writer, cell->touchpoint);
        put_cell_name(writer, cell->stage);
        put_cell_name(writer, cell->journey);
    }
    for (int i = 0; i < writer->options->segments; i++)
        put_cell_name(writer, cell->segment[i]);
}

static void put_packed(struct dl_record_out *out, const struct dl_batch_tally *tally)
{
    unsigned char packed[PACKED_BYTES_MAX];
    size_t bytes = 0;
    int before = -1;
    for (size_t i = 0; i < tally->count; i++) {
        bytes += dl_varint(packed + bytes, (uint64_t)(tally->counters[i] - before - 1));
        bytes += dl_varint(packed + bytes, dl_zigzag(tally->values[i]));
        before = tally->counters[i];
    }
    dl_put_varint(out, bytes);
    dl_put_bytes(out, packed, bytes);
}

static void put_tally(struct writer *writer, const struct dl_batch_tally *tally)
{
    struct dl_record_out *out = &writer->out;
    if (!writer->in_cell || writer->cell != tally->cell_number) {
        if (writer->in_cell)
            dl_put_byte(out, TALLY_END);
        put_cell(writer, tally->cell);
        writer->in_cell = true;
        writer->cell = tally->cell_number;
    }
    dl_put_varint(out, (uint64_t)tally->events);
    dl_put_zigzag(out, tally->second - writer->second);
    put_packed(out, tally);
    writer->second = tally->second;
}

static enum dl_status write_tally(void *context, const struct dl_batch_tally *tally)
{
    struct writer *writer = context;
    size_t mark = writer->bytes.bytes;
    put_tally(writer, tally);
    if (is_over(writer, END_BYTES)) {
        writer->bytes.bytes = mark; /* where a cell was open, since a part's first tally fits */
        end_cells(writer);
        end_sources(writer);
        begin_part(writer);
        put_tally(writer, tally);
    }
    return writer->out.failed ? DL_MEMORY : DL_OK;
}

static void put_sources(struct writer *writer, const struct dl_batch *batch)
{
    const struct dl_batch_source *sources;
    size_t count = dl_batch_sources(batch, &sources);
    for (size_t i = 0; i < count && !writer->out.failed; i++) {
        const struct dl_chain_link link = {.topic = dl_name_of(writer->options->topics[sources[i].topic]),
                                           .partition = sources[i].partition, .from = sources[i].from,
                                           .next = sources[i].next};
        size_t mark = writer->bytes.bytes;
        dl_put_source(&writer->out, &writer->topics, &link);
        if (is_over(writer, 1)) {
            writer->bytes.bytes = mark;
            end_sources(writer);
            begin_part(writer);
            end_cells(writer);
            dl_put_source(&writer->out, &writer->topics, &link);
        }
    }
}

static void put_count(struct dl_record_out *out, int64_t count)
{
    DL_ASSERT(count >= 0);
    dl_put_varint(out, (uint64_t)count);
}

static void put_counts(struct dl_record_out *out, const struct dl_ingest_counts *counts)
{
    put_count(out, counts->records);
    put_count(out, counts->bytes);
    put_count(out, DL_EVENT_TYPES);
    for (int i = 0; i < DL_EVENT_TYPES; i++)
        put_count(out, counts->accepted[i]);
    put_count(out, counts->retracted);
    put_count(out, counts->duplicates);
    put_count(out, DL_REJECTS);
    for (int i = 0; i < DL_REJECTS; i++)
        put_count(out, counts->rejected[i]);
    put_count(out, counts->dead_letters);
    put_count(out, counts->lost);
}

static void put_end(struct writer *writer, const struct dl_ingest_counts *counts)
{
    end_sources(writer);
    size_t mark = writer->bytes.bytes;
    put_counts(&writer->out, counts);
    if (is_over(writer, 0)) {
        writer->bytes.bytes = mark;
        begin_part(writer);
        end_cells(writer);
        end_sources(writer);
        put_counts(&writer->out, counts);
    }
}

static enum dl_status hand_out(struct writer *writer, dl_on_part *on_part, void *context)
{
    for (uint32_t i = 0; i < writer->parts; i++) {
        size_t end = i + 1 < writer->parts ? writer->starts[i + 1] : writer->bytes.bytes;
        unsigned char *part = writer->bytes.data + writer->starts[i];
        size_t bytes = end - writer->starts[i];
        struct dl_record_bytes parts = {.data = part, .bytes = PARTS_AT, .capacity = bytes};
        struct dl_record_out out = {.buffer = &parts};
        dl_put_u32(&out, writer->parts);
        dl_record_seal(part, bytes, NULL, 0);
        enum dl_status status = on_part(context, part, bytes);
        if (status != DL_OK)
            return status;
    }
    return DL_OK;
}

enum dl_status dl_batch_write(const struct dl_batch *batch, const struct dl_batch_writer_options *options,
                              dl_on_part *on_part, void *context)
{
    DL_ASSERT(options->part_bytes_max >= DL_BATCH_PART_BYTES_MIN && strlen(options->instance) <= DL_INSTANCE_BYTES_MAX);
    DL_ASSERT(options->segments >= 0 && options->segments <= DL_SEGMENTS_MAX);
    struct writer writer = {.options = options, .newest_ms = dl_batch_newest_ms(batch)};
    writer.out.buffer = &writer.bytes;
    begin_part(&writer);
    enum dl_status status = writer.out.failed ? DL_MEMORY : dl_batch_each(batch, write_tally, &writer);
    if (status == DL_OK) {
        end_cells(&writer);
        put_sources(&writer, batch);
        put_end(&writer, dl_batch_counts((struct dl_batch *)batch)); /* it only looks */
        status = writer.out.failed ? DL_MEMORY : hand_out(&writer, on_part, context);
    }
    dl_record_bytes_deinit(&writer.bytes);
    dl_spelled_deinit(&writer.names);
    dl_spelled_deinit(&writer.topics);
    free(writer.starts);
    return status;
}

/* ---- Reading ---- */

struct dl_batch_reader {
    int segments;
    struct dl_name segment[DL_SEGMENTS_MAX];
    char segment_bytes[DL_SEGMENTS_MAX][DL_NAME_BYTES_MAX];

    /* The record read last. */
    struct dl_record_in cells; /* from the first cell on; at its start NULL: none was good */
    int version;
    int segments_written;
    int place[DL_SEGMENTS_MAX]; /* of a segment of the writer among ours, -1: not ours */
    struct dl_references names, topics;
    struct dl_links links;

    uint16_t counters[DL_COUNTERS];
    int64_t values[DL_COUNTERS];
};

struct dl_batch_reader *dl_batch_reader_create(int segments, const struct dl_name *segment)
{
    DL_ASSERT(segments >= 0 && segments <= DL_SEGMENTS_MAX);
    struct dl_batch_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->segments = segments;
    for (int i = 0; i < segments; i++) {
        DL_ASSERT(segment[i].bytes > 0 && segment[i].bytes <= DL_NAME_BYTES_MAX);
        memcpy(reader->segment_bytes[i], segment[i].data, segment[i].bytes);
        reader->segment[i] = (struct dl_name){reader->segment_bytes[i], segment[i].bytes};
    }
    return reader;
}

void dl_batch_reader_destroy(struct dl_batch_reader *reader)
{
    if (reader == NULL)
        return;
    free(reader->names.at);
    free(reader->topics.at);
    free(reader->links.links);
    free(reader);
}

static struct dl_name take_cell_name(struct dl_batch_reader *reader, struct dl_record_in *in, uint32_t bytes_min)
{
    return reader->version == 1 ? dl_take_name(in, bytes_min, DL_NAME_BYTES_MAX)
                                : dl_take_reference(in, &reader->names, bytes_min, DL_NAME_BYTES_MAX);
}

/* false: there is no further cell. */
static bool take_cell(struct dl_batch_reader *reader, struct dl_record_in *in, struct dl_cell *cell)
{
    *cell = (struct dl_cell){.touchpoint = {.data = NULL}};
    switch (dl_take_byte(in)) {
    case CELL_END:
        return false;
    case CELL_PLACE:
        cell->touchpoint = take_cell_name(reader, in, 1);
        cell->stage = take_cell_name(reader, in, 0);
        cell->journey = take_cell_name(reader, in, 0);
        break;
    case CELL_FEATURE:
        cell->feature = take_cell_name(reader, in, 1);
        break;
    default:
        in->at--;
        dl_in_fault(in, "neither a cell nor the end of them");
        return false;
    }
    for (int i = 0; i < reader->segments_written; i++) {
        struct dl_name value = take_cell_name(reader, in, 0);
        if (reader->place[i] >= 0)
            cell->segment[reader->place[i]] = value;
    }
    return true;
}

/* Valid bytes: these numbers cannot fail. */
static size_t unpack(struct dl_batch_reader *reader, const unsigned char *packed, size_t bytes)
{
    struct dl_record_in in = {.start = packed, .at = packed, .end = packed + bytes};
    size_t count = 0;
    int counter = -1;
    for (; in.at < in.end; count++) {
        counter += (int)dl_take_varint(&in, DL_COUNTERS) + 1;
        DL_ASSERT(counter < DL_COUNTERS);
        reader->counters[count] = (uint16_t)counter;
        reader->values[count] = dl_take_zigzag(&in);
    }
    return count;
}

static int64_t take_second(struct dl_record_in *in, int64_t before)
{
    int64_t step = dl_take_zigzag(in);
    const int64_t max = DL_TIME_MS_MAX / 1000;
    if (step < -max - before || step > max - before) {
        dl_in_fault(in, "a second beyond the year 9999");
        return before;
    }
    return before + step;
}

/* Reads every cell; on_tally NULL: only checks. */
static enum dl_status walk(struct dl_batch_reader *reader, struct dl_record_in *in, dl_batch_on_tally *on_tally, void *context,
                           size_t *tallies)
{
    struct dl_cell cell;
    struct dl_batch_tally tally = {.cell = &cell, .counters = reader->counters, .values = reader->values};
    for (; take_cell(reader, in, &cell); tally.cell_number++) {
        size_t before = *tallies;
        while ((tally.events = (int64_t)dl_take_varint(in, TALLY_EVENTS_MAX)) != TALLY_END) {
            tally.second = take_second(in, tally.second);
            size_t bytes = (size_t)dl_take_varint(in, PACKED_BYTES_MAX);
            const unsigned char *packed = on_tally == NULL ? dl_take_packed(in, bytes) : in->at;
            if (in->fault != NULL)
                break;
            ++*tallies;
            if (on_tally == NULL)
                continue;
            in->at += bytes;
            tally.count = unpack(reader, packed, bytes);
            enum dl_status status = on_tally(context, &tally);
            if (status != DL_OK)
                return status;
        }
        if (*tallies == before)
            dl_in_fault(in, "a cell without a tally");
    }
    return DL_OK;
}

static int64_t take_count(struct dl_record_in *in)
{
    return (int64_t)dl_take_varint(in, INT64_MAX);
}

static void take_list(struct dl_record_in *in, int64_t *counts, uint64_t known)
{
    uint64_t stated = dl_take_varint(in, (uint64_t)(in->end - in->at));
    for (uint64_t i = 0; i < stated; i++) {
        int64_t count = take_count(in);
        if (i < known)
            counts[i] = count;
    }
}

static void take_counts(struct dl_record_in *in, struct dl_ingest_counts *counts)
{
    counts->records = take_count(in);
    counts->bytes = take_count(in);
    take_list(in, counts->accepted, DL_EVENT_TYPES);
    counts->retracted = take_count(in);
    counts->duplicates = take_count(in);
    take_list(in, counts->rejected, DL_REJECTS);
    counts->dead_letters = take_count(in);
    counts->lost = take_count(in);
}

static void place_segments(struct dl_batch_reader *reader, const struct dl_name *written)
{
    for (int i = 0; i < reader->segments_written; i++) {
        reader->place[i] = -1;
        for (int j = 0; j < reader->segments; j++)
            if (dl_name_equal(written[i], reader->segment[j]))
                reader->place[i] = j;
    }
}

static void take_part(struct dl_batch_reader *reader, struct dl_record_in *in, struct dl_batch_part *part)
{
    part->part = dl_take_u32(in);
    part->parts = dl_take_u32(in);
    if (part->part == 0 || part->part > part->parts)
        dl_in_fault(in, "a part that is not one of its parts");
    part->written_ms = dl_take_time(in, 0);
    part->newest_ms = dl_take_time(in, INT64_MIN);
    part->instance = dl_take_name(in, 0, DL_INSTANCE_BYTES_MAX);
    struct dl_name segment[DL_SEGMENTS_MAX];
    reader->segments_written = dl_take_segments(in, segment);
    if (in->fault == NULL)
        place_segments(reader, segment);

    reader->cells = *in;
    reader->names.count = reader->topics.count = 0;
    reader->links.count = 0;
    enum dl_status status = walk(reader, in, NULL, NULL, &part->tallies);
    DL_ASSERT(status == DL_OK);
    dl_take_sources(in, &reader->topics, &reader->links);
    part->sources = reader->links.links;
    part->source_count = reader->links.count;
    if (part->part == part->parts)
        take_counts(in, &part->counts);
}

enum dl_record_fault dl_batch_read(struct dl_batch_reader *reader, const void *data, size_t bytes,
                                   struct dl_batch_part *part, char *detail)
{
    *part = (struct dl_batch_part){.newest_ms = INT64_MIN};
    reader->cells.start = NULL;
    struct dl_record_in in;
    enum dl_record_fault fault = dl_record_open(&in, DL_RECORD_BATCH, NULL, 0, data, bytes, &reader->version, detail);
    if (fault == DL_RECORD_GOOD) {
        take_part(reader, &in, part);
        fault = dl_record_verdict(&in, detail);
    }
    if (fault != DL_RECORD_GOOD) {
        *part = (struct dl_batch_part){.newest_ms = INT64_MIN};
        reader->cells.start = NULL;
    }
    part->version = reader->version;
    return fault;
}

enum dl_status dl_batch_part_each(const void *tallies, dl_batch_on_tally *on_tally, void *context)
{
    struct dl_batch_reader *reader = (struct dl_batch_reader *)tallies;
    DL_ASSERT(reader->cells.start != NULL);
    struct dl_record_in in = reader->cells;
    reader->names.count = 0; /* they are spelled again */
    size_t count = 0;
    enum dl_status status = walk(reader, &in, on_tally, context, &count);
    DL_ASSERT(in.fault == NULL);
    return status;
}
