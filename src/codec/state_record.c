#include "record_bytes.h"

#include <delight/time.h>

#include <stdio.h>
#include <stdlib.h>

enum { MINUTE_MS = 60000, WINDOW_MINUTES_MAX = 400 * 24 * 60, SUBJECT_BYTES_MAX = 4096 };

/* ---- Writing ---- */

/* A key and a value that are appended both, or not at all. */
struct pair {
    struct dl_record_out key, value;
    size_t key_start, value_start;
};

static struct pair begin_pair(struct dl_record_bytes *key, struct dl_record_bytes *value, enum dl_record_kind kind)
{
    struct pair pair = {.key = {.buffer = key}, .value = {.buffer = value}, .key_start = key->bytes,
                        .value_start = value->bytes};
    dl_put_byte(&pair.key, (unsigned char)kind);
    return pair;
}

static enum dl_status end_pair(struct pair *pair)
{
    struct dl_record_bytes *key = pair->key.buffer;
    struct dl_record_bytes *value = pair->value.buffer;
    if (pair->key.failed || pair->value.failed) {
        key->bytes = pair->key_start;
        value->bytes = pair->value_start;
        return DL_MEMORY;
    }
    size_t bytes = value->bytes - pair->value_start;
    if (bytes > 0)
        dl_record_seal(value->data + pair->value_start, bytes, key->data + pair->key_start, key->bytes - pair->key_start);
    return DL_OK;
}

static void put_window(struct dl_record_out *out, int64_t window_ms)
{
    DL_ASSERT(window_ms > 0 && window_ms % MINUTE_MS == 0 && window_ms / MINUTE_MS <= WINDOW_MINUTES_MAX);
    dl_put_varint(out, (uint64_t)(window_ms / MINUTE_MS));
}

static void put_instance(struct dl_record_out *out, struct dl_name instance)
{
    DL_ASSERT(instance.bytes <= DL_INSTANCE_BYTES_MAX);
    dl_put_name(out, instance);
}

enum dl_status dl_state_write_pane(int version, const struct dl_engine_pane *pane, struct dl_record_bytes *key,
                                   struct dl_record_bytes *value)
{
    DL_ASSERT(pane->subject.bytes > 0 && pane->subject.bytes <= SUBJECT_BYTES_MAX);
    struct pair pair = begin_pair(key, value, DL_RECORD_PANE);
    put_window(&pair.key, pane->window_ms);
    dl_put_zigzag(&pair.key, pane->index);
    dl_put_bytes(&pair.key, pane->subject.data, pane->subject.bytes);
    if (pane->tally != NULL) {
        dl_put_header(&pair.value, DL_RECORD_PANE, version);
        dl_put_bytes(&pair.value, pane->tally->data, pane->tally->bytes);
    }
    return end_pair(&pair);
}

static void put_chain(struct dl_record_out *out, const struct dl_state_head *head)
{
    struct dl_spelled topics = {.slots = NULL};
    size_t count = head->chain != NULL ? dl_chain_count(head->chain) : head->link_count;
    for (size_t i = 0; i < count && !out->failed; i++) {
        const struct dl_chain_link link = head->chain != NULL ? dl_chain_at(head->chain, i) : head->links[i];
        dl_put_source(out, &topics, &link);
    }
    dl_spelled_deinit(&topics);
    dl_put_byte(out, 0);
}

enum dl_status dl_state_write_head(int version, const struct dl_state_head *head, struct dl_record_bytes *key,
                                   struct dl_record_bytes *value)
{
    DL_ASSERT(head->tallies_next >= 0 && head->windows >= 0 && head->windows <= DL_WINDOWS_MAX);
    DL_ASSERT(head->segments >= 0 && head->segments <= DL_SEGMENTS_MAX);
    struct pair pair = begin_pair(key, value, DL_RECORD_HEAD);
    struct dl_record_out *out = &pair.value;
    dl_put_header(out, DL_RECORD_HEAD, version);
    dl_put_varint(out, (uint64_t)head->tallies_next);
    dl_put_zigzag(out, head->clock_ms);
    dl_put_zigzag(out, head->newest_ms);
    dl_put_zigzag(out, head->oldest_ms);
    dl_put_zigzag(out, head->written_ms);
    put_instance(out, head->instance);
    dl_put_varint(out, (uint64_t)head->windows);
    for (int i = 0; i < head->windows; i++) {
        put_window(out, head->window[i].window_ms);
        if (version > 1)
            dl_put_zigzag(out, head->window[i].data_since_ms);
    }
    dl_put_names(out, head->segments, head->segment);
    put_chain(out, head);
    return end_pair(&pair);
}

enum dl_status dl_state_write_owner(int version, struct dl_name instance, int64_t written_ms, struct dl_record_bytes *key,
                                    struct dl_record_bytes *value)
{
    struct pair pair = begin_pair(key, value, DL_RECORD_OWNER);
    dl_put_header(&pair.value, DL_RECORD_OWNER, version);
    dl_put_zigzag(&pair.value, written_ms);
    put_instance(&pair.value, instance);
    return end_pair(&pair);
}

/* ---- Reading ---- */

struct dl_state_reader {
    struct dl_tally tally;
    struct dl_references topics;
    struct dl_links links;
};

struct dl_state_reader *dl_state_reader_create(void)
{
    return calloc(1, sizeof(struct dl_state_reader));
}

void dl_state_reader_destroy(struct dl_state_reader *reader)
{
    if (reader == NULL)
        return;
    dl_tally_deinit(&reader->tally);
    free(reader->topics.at);
    free(reader->links.links);
    free(reader);
}

static int64_t take_window(struct dl_record_in *in)
{
    int64_t minutes = (int64_t)dl_take_varint(in, WINDOW_MINUTES_MAX);
    if (minutes == 0)
        dl_in_fault(in, "a window of nothing");
    return minutes * MINUTE_MS;
}

static void take_pane_key(struct dl_record_in *in, struct dl_engine_pane *pane)
{
    pane->window_ms = take_window(in);
    pane->index = dl_take_zigzag(in);
    if (in->fault == NULL) {
        const int64_t index_max = DL_TIME_MS_MAX / (pane->window_ms / DL_PANES);
        if (pane->index < -index_max - 1 || pane->index > index_max)
            dl_in_fault(in, "a pane beyond the year 9999");
    }
    size_t bytes = (size_t)(in->end - in->at);
    if (bytes == 0 || bytes > SUBJECT_BYTES_MAX)
        dl_in_fault(in, "a subject that is empty or too long");
    if (in->fault != NULL)
        return;
    pane->subject = (struct dl_name){(const char *)in->at, (uint32_t)bytes};
    in->at = in->end;
}

static void take_windows(struct dl_record_in *in, int version, struct dl_state_head *head)
{
    head->windows = (int)dl_take_varint(in, DL_WINDOWS_MAX);
    for (int i = 0; i < head->windows; i++) {
        head->window[i].window_ms = take_window(in);
        head->window[i].data_since_ms = version > 1 ? dl_take_time(in, INT64_MIN) : INT64_MIN;
        for (int j = 0; j < i && in->fault == NULL; j++)
            if (head->window[i].window_ms == head->window[j].window_ms)
                dl_in_fault(in, "a window twice");
    }
}

static void take_head(struct dl_state_reader *reader, struct dl_record_in *in, int version, struct dl_state_head *head)
{
    head->tallies_next = (int64_t)dl_take_varint(in, INT64_MAX);
    head->clock_ms = dl_take_time(in, INT64_MIN);
    head->newest_ms = dl_take_time(in, INT64_MIN);
    head->oldest_ms = dl_take_time(in, INT64_MAX);
    head->written_ms = dl_take_time(in, 0);
    head->instance = dl_take_name(in, 0, DL_INSTANCE_BYTES_MAX);
    take_windows(in, version, head);
    head->segments = dl_take_segments(in, head->segment);
    reader->topics.count = 0;
    reader->links.count = 0;
    dl_take_sources(in, &reader->topics, &reader->links);
    head->links = reader->links.links;
    head->link_count = reader->links.count;
}

static bool take_tally(struct dl_state_reader *reader, struct dl_record_in *in)
{
    size_t bytes = (size_t)(in->end - in->at);
    const unsigned char *packed = dl_take_packed(in, bytes);
    if (in->fault != NULL)
        return true;
    if (bytes == 0)
        dl_tally_deinit(&reader->tally);
    return bytes == 0 || dl_tally_set_packed(&reader->tally, packed, bytes) == DL_OK;
}

static void take_body(struct dl_state_reader *reader, struct dl_record_in *in, struct dl_state_record *record)
{
    switch (record->kind) {
    case DL_STATE_PANE:
        if (!take_tally(reader, in)) {
            in->memory = true;
            dl_in_fault(in, "out of memory");
        }
        record->pane.tally = &reader->tally;
        return;
    case DL_STATE_HEAD:
        take_head(reader, in, record->version, &record->head);
        record->instance = record->head.instance;
        record->written_ms = record->head.written_ms;
        return;
    case DL_STATE_OWNER:
        record->written_ms = dl_take_time(in, 0);
        record->instance = dl_take_name(in, 0, DL_INSTANCE_BYTES_MAX);
        return;
    }
}

static enum dl_record_fault read_key(const unsigned char *key, size_t bytes, struct dl_state_record *record, char *detail)
{
    struct dl_record_in in = {.start = key, .at = key, .end = key};
    if (bytes > 0)
        in.end += bytes;
    switch (bytes > 0 ? dl_take_byte(&in) : 0) {
    case DL_RECORD_PANE:
        record->kind = DL_STATE_PANE;
        take_pane_key(&in, &record->pane);
        break;
    case DL_RECORD_HEAD:
        record->kind = DL_STATE_HEAD;
        break;
    case DL_RECORD_OWNER:
        record->kind = DL_STATE_OWNER;
        break;
    default:
        snprintf(detail, DL_DETAIL_SIZE, "the key (%zu bytes) does not begin as one of delightd does", bytes);
        return DL_RECORD_FOREIGN;
    }
    enum dl_record_fault fault = dl_record_verdict(&in, detail);
    if (fault != DL_RECORD_GOOD)
        snprintf(detail, DL_DETAIL_SIZE, "the key's byte %zu: %s", in.fault_at, in.fault);
    return fault;
}

static enum dl_record_fault read_record(struct dl_state_reader *reader, const void *key, size_t key_bytes, const void *value,
                                        size_t value_bytes, struct dl_state_record *record, char *detail)
{
    static const enum dl_record_kind kinds[] = {[DL_STATE_PANE] = DL_RECORD_PANE, [DL_STATE_HEAD] = DL_RECORD_HEAD,
                                                [DL_STATE_OWNER] = DL_RECORD_OWNER};
    enum dl_record_fault fault = read_key(key, key_bytes, record, detail);
    if (fault != DL_RECORD_GOOD || value == NULL)
        return fault;
    struct dl_record_in in;
    fault = dl_record_open(&in, kinds[record->kind], key, key_bytes, value, value_bytes, &record->version, detail);
    if (fault != DL_RECORD_GOOD)
        return fault;
    take_body(reader, &in, record);
    return dl_record_verdict(&in, detail);
}

enum dl_record_fault dl_state_read(struct dl_state_reader *reader, const void *key, size_t key_bytes, const void *value,
                                   size_t value_bytes, struct dl_state_record *record, char *detail)
{
    *record = (struct dl_state_record){.kind = DL_STATE_PANE};
    enum dl_record_fault fault = read_record(reader, key, key_bytes, value, value_bytes, record, detail);
    if (fault != DL_RECORD_GOOD)
        *record = (struct dl_state_record){.kind = record->kind, .version = record->version};
    return fault;
}
