/* Records of kafka mode from arbitrary bytes. What is read as good must keep the
 * promises of record.h, and can be written and read again.
 *
 *   first byte   '0' a batch part: the value follows
 *                '1' a state record: the key's length (one byte), the key, the value
 *                '2' a tombstone of state: the key follows
 *                anything else: as its lowest two bits say, and the checksum
 *                stays as it is */
#include "record_bytes.h"

#include <delight/time.h>

#include <stdlib.h>
#include <string.h>

enum { BATCH = 0, STATE = 1, TOMBSTONE = 2 };

static struct dl_batch_reader *batch_readers[2];
static struct dl_state_reader *state_reader;

static void build_readers(void)
{
    const struct dl_name segments[] = {dl_name_of("tier"), dl_name_of("channel")};
    batch_readers[0] = dl_batch_reader_create(2, segments);
    batch_readers[1] = dl_batch_reader_create(0, NULL);
    state_reader = dl_state_reader_create();
    DL_ASSERT(batch_readers[0] != NULL && batch_readers[1] != NULL && state_reader != NULL);
}

/* No mutation finds a checksum, and behind it are all the others. Sets it to what
 * belongs to the other bytes, so that the fuzzer is in the body at once. */
static void fix_checksum(unsigned char *value, size_t bytes, const void *key, size_t key_bytes)
{
    if (bytes >= DL_RECORD_HEADER_BYTES)
        dl_record_seal(value, bytes, key, key_bytes);
}

static void check_detail(const char *detail, enum dl_record_fault fault)
{
    DL_ASSERT(fault == DL_RECORD_GOOD || fault == DL_RECORD_CORRUPT || fault == DL_RECORD_FOREIGN
              || fault == DL_RECORD_UNKNOWN_VERSION);
    DL_ASSERT(memchr(detail, '\0', DL_DETAIL_SIZE) != NULL && (detail[0] == '\0') == (fault == DL_RECORD_GOOD));
    for (; *detail != '\0'; detail++)
        DL_ASSERT(*detail >= ' ' && *detail <= '~');
}

/* Touches every byte of the name, so that the sanitizer sees what is out of bounds. */
static uint32_t check_name(struct dl_name name, uint32_t bytes_min, uint32_t bytes_max)
{
    DL_ASSERT(name.bytes >= bytes_min && name.bytes <= bytes_max);
    uint32_t sum = name.bytes;
    for (uint32_t i = 0; i < name.bytes; i++)
        sum = sum * 31 + (unsigned char)name.data[i];
    return sum;
}

static void check_links(const struct dl_chain_link *links, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check_name(links[i].topic, 1, DL_TOPIC_BYTES_MAX);
        DL_ASSERT(links[i].partition >= 0 && links[i].from >= 0 && links[i].from <= links[i].next);
    }
}

/* ---- Batches ---- */

struct seen {
    size_t tallies;
    uint32_t cell_number;
    uint64_t sum; /* of all that does not depend on the reader's segments */
};

static enum dl_status on_tally(void *context, const struct dl_batch_tally *tally)
{
    struct seen *seen = context;
    const struct dl_cell *cell = tally->cell;
    bool is_feature = cell->feature.bytes > 0;
    uint64_t sum = check_name(cell->touchpoint, !is_feature, is_feature ? 0 : DL_NAME_BYTES_MAX);
    sum = sum * 31 + check_name(cell->stage, 0, is_feature ? 0 : DL_NAME_BYTES_MAX);
    sum = sum * 31 + check_name(cell->journey, 0, is_feature ? 0 : DL_NAME_BYTES_MAX);
    sum = sum * 31 + check_name(cell->feature, 0, DL_NAME_BYTES_MAX);
    for (int i = 0; i < DL_SEGMENTS_MAX; i++)
        check_name(cell->segment[i], 0, i < 2 ? DL_NAME_BYTES_MAX : 0);
    DL_ASSERT(tally->events >= 1 && tally->second >= -DL_TIME_MS_MAX / 1000 && tally->second <= DL_TIME_MS_MAX / 1000);
    DL_ASSERT(tally->cell_number == seen->cell_number || (seen->tallies > 0 && tally->cell_number == seen->cell_number + 1));
    for (size_t i = 0; i < tally->count; i++) {
        DL_ASSERT(tally->counters[i] < DL_COUNTERS && tally->values[i] != 0);
        DL_ASSERT(i == 0 || tally->counters[i] > tally->counters[i - 1]);
        sum = (sum * 31 + tally->counters[i]) * 31 + (uint64_t)tally->values[i];
    }
    seen->cell_number = tally->cell_number;
    seen->tallies++;
    seen->sum = ((seen->sum * 31 + sum) * 31 + (uint64_t)tally->second) * 31 + (uint64_t)tally->events;
    return DL_OK;
}

static void read_batch(const unsigned char *value, size_t bytes)
{
    struct dl_batch_part parts[2];
    struct seen seen[2] = {{0}};
    enum dl_record_fault faults[2];
    for (int i = 0; i < 2; i++) {
        char detail[DL_DETAIL_SIZE];
        faults[i] = dl_batch_read(batch_readers[i], value, bytes, &parts[i], detail);
        check_detail(detail, faults[i]);
        check_links(parts[i].sources, parts[i].source_count);
        if (faults[i] != DL_RECORD_GOOD) {
            DL_ASSERT(parts[i].tallies == 0 && parts[i].source_count == 0);
            continue;
        }
        check_name(parts[i].instance, 0, DL_INSTANCE_BYTES_MAX);
        DL_ASSERT(parts[i].part >= 1 && parts[i].part <= parts[i].parts && parts[i].counts.records >= 0);
        DL_ASSERT(dl_batch_part_each(batch_readers[i], on_tally, &seen[i]) == DL_OK);
        DL_ASSERT(seen[i].tallies == parts[i].tallies);
    }
    DL_ASSERT(faults[0] == faults[1] && parts[0].source_count == parts[1].source_count);
    DL_ASSERT(seen[0].sum == seen[1].sum && seen[0].tallies == seen[1].tallies);
}

/* ---- State ---- */

static void write_again(const struct dl_state_record *record, struct dl_record_bytes *key, struct dl_record_bytes *value)
{
    enum dl_status status = DL_OK;
    int version = record->version == 0 ? DL_RECORD_VERSION : record->version;
    switch (record->kind) {
    case DL_STATE_PANE:
        status = dl_state_write_pane(version, &record->pane, key, value);
        break;
    case DL_STATE_HEAD:
        status = dl_state_write_head(version, &record->head, key, value);
        break;
    case DL_STATE_OWNER:
        status = dl_state_write_owner(version, record->instance, record->written_ms, key, value);
        break;
    }
    DL_ASSERT(status == DL_OK);
}

static void check_head(const struct dl_state_head *head)
{
    DL_ASSERT(head->tallies_next >= 0 && head->windows >= 0 && head->windows <= DL_WINDOWS_MAX);
    for (int i = 0; i < head->windows; i++)
        DL_ASSERT(head->window[i].window_ms > 0 && head->window[i].window_ms % 60000 == 0);
    DL_ASSERT(head->segments >= 0 && head->segments <= DL_SEGMENTS_MAX);
    for (int i = 0; i < head->segments; i++)
        check_name(head->segment[i], 1, DL_NAME_BYTES_MAX);
    check_links(head->links, head->link_count);
}

/* Panes and owners have one form only. A head may spell a topic twice, so it has
 * its form once it has been written again. */
static void check_again(const struct dl_state_record *record, const unsigned char *key, size_t key_bytes,
                        const unsigned char *value, size_t bytes)
{
    struct dl_record_bytes keys = {.data = NULL}, values = {.data = NULL};
    write_again(record, &keys, &values);
    DL_ASSERT(keys.bytes == key_bytes && memcmp(keys.data, key, key_bytes) == 0);
    if (record->kind != DL_STATE_HEAD) {
        DL_ASSERT(values.bytes == bytes && (bytes == 0 || memcmp(values.data, value, bytes) == 0));
    } else {
        struct dl_state_record again;
        char detail[DL_DETAIL_SIZE];
        size_t links = record->head.link_count;
        DL_ASSERT(dl_state_read(state_reader, keys.data, keys.bytes, values.data, values.bytes, &again, detail)
                  == DL_RECORD_GOOD);
        DL_ASSERT(again.head.link_count == links && again.head.windows == record->head.windows);
        struct dl_record_bytes third = {.data = NULL};
        keys.bytes = 0;
        write_again(&again, &keys, &third);
        DL_ASSERT(third.bytes == values.bytes && memcmp(third.data, values.data, third.bytes) == 0);
        dl_record_bytes_deinit(&third);
    }
    dl_record_bytes_deinit(&keys);
    dl_record_bytes_deinit(&values);
}

static void read_state(const unsigned char *key, size_t key_bytes, const unsigned char *value, size_t bytes)
{
    struct dl_state_record record;
    char detail[DL_DETAIL_SIZE];
    enum dl_record_fault fault = dl_state_read(state_reader, key, key_bytes, value, bytes, &record, detail);
    check_detail(detail, fault);
    if (fault != DL_RECORD_GOOD)
        return;
    if (record.kind == DL_STATE_PANE) {
        check_name(record.pane.subject, 1, 4096);
        struct dl_counts counts = {{0}};
        if (record.pane.tally != NULL)
            dl_tally_unpack(record.pane.tally, &counts, 1);
        DL_ASSERT((record.pane.tally == NULL) == (value == NULL));
    }
    if (record.kind == DL_STATE_HEAD && value != NULL)
        check_head(&record.head);
    check_name(record.instance, 0, DL_INSTANCE_BYTES_MAX);
    if (record.kind == DL_STATE_PANE || value != NULL)
        check_again(&record, key, key_bytes, value, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (state_reader == NULL)
        build_readers();
    if (bytes == 0)
        return 0;
    int mode = data[0] & 3;
    bool fixes = data[0] >= '0' && data[0] <= '2';
    data++;
    bytes--;
    size_t key_bytes = 0;
    if (mode == STATE && bytes > 0) {
        key_bytes = data[0] < bytes ? data[0] : bytes - 1;
        data++;
        bytes -= key_bytes + 1;
    }
    const unsigned char *key = data;
    unsigned char *value = malloc(bytes > 0 ? bytes : 1); /* exact, so that the sanitizer sees a read past the end */
    DL_ASSERT(value != NULL);
    if (bytes > 0)
        memcpy(value, data + key_bytes, bytes);
    if (fixes && mode != TOMBSTONE)
        fix_checksum(value, bytes, key, key_bytes);
    if (mode == STATE)
        read_state(key, key_bytes, value, bytes);
    else if (mode == TOMBSTONE)
        read_state(value, bytes, NULL, 0);
    else
        read_batch(value, bytes);
    free(value);
    return 0;
}
