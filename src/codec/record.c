#include "record_bytes.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <delight/time.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_BYTES_FIRST = 256, SLOTS_FIRST = 64, REFERENCES_FIRST = 16, LINKS_FIRST = 4, CHECKSUM_AT = 3 };

const char *dl_record_fault_word(enum dl_record_fault fault)
{
    switch (fault) {
    case DL_RECORD_GOOD:
        return "good";
#define DL_RECORD_FAULT_WORD(name, word, sentence) \
    case DL_RECORD_##name:                         \
        return word;
        DL_RECORD_FAULT_MAP(DL_RECORD_FAULT_WORD)
#undef DL_RECORD_FAULT_WORD
    }
    return "unknown";
}

const char *dl_record_fault_sentence(enum dl_record_fault fault)
{
    switch (fault) {
    case DL_RECORD_GOOD:
        return "as it was written";
#define DL_RECORD_FAULT_SENTENCE(name, word, sentence) \
    case DL_RECORD_##name:                             \
        return sentence;
        DL_RECORD_FAULT_MAP(DL_RECORD_FAULT_SENTENCE)
#undef DL_RECORD_FAULT_SENTENCE
    }
    return "unknown";
}

void dl_record_bytes_deinit(struct dl_record_bytes *buffer)
{
    free(buffer->data);
    *buffer = (struct dl_record_bytes){.data = NULL};
}

/* ---- Writing ---- */

void dl_put_bytes(struct dl_record_out *out, const void *data, size_t bytes)
{
    struct dl_record_bytes *buffer = out->buffer;
    if (out->failed || bytes == 0)
        return;
    if (bytes > buffer->capacity - buffer->bytes) {
        size_t capacity = buffer->capacity == 0 ? BUFFER_BYTES_FIRST : buffer->capacity * 2;
        if (capacity < buffer->bytes + bytes)
            capacity = buffer->bytes + bytes;
        unsigned char *grown = realloc(buffer->data, capacity);
        if (grown == NULL) {
            out->failed = true;
            return;
        }
        buffer->data = grown;
        buffer->capacity = capacity;
    }
    memcpy(buffer->data + buffer->bytes, data, bytes);
    buffer->bytes += bytes;
}

enum dl_status dl_record_bytes_add(struct dl_record_bytes *buffer, const void *data, size_t bytes)
{
    struct dl_record_out out = {.buffer = buffer};
    dl_put_bytes(&out, data, bytes);
    return out.failed ? DL_MEMORY : DL_OK;
}

void dl_put_byte(struct dl_record_out *out, unsigned char byte)
{
    dl_put_bytes(out, &byte, 1);
}

static void u32_to(unsigned char *at, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(number >> 8 * i);
}

void dl_put_u32(struct dl_record_out *out, uint32_t number)
{
    unsigned char bytes[4];
    u32_to(bytes, number);
    dl_put_bytes(out, bytes, sizeof bytes);
}

size_t dl_varint(unsigned char *at, uint64_t number)
{
    size_t bytes = 0;
    for (; number >= 0x80; number >>= 7)
        at[bytes++] = (unsigned char)(number | 0x80);
    at[bytes++] = (unsigned char)number;
    return bytes;
}

uint64_t dl_zigzag(int64_t number)
{
    return number < 0 ? ~((uint64_t)number << 1) : (uint64_t)number << 1;
}

void dl_put_varint(struct dl_record_out *out, uint64_t number)
{
    unsigned char bytes[DL_VARINT_BYTES_MAX];
    dl_put_bytes(out, bytes, dl_varint(bytes, number));
}

void dl_put_zigzag(struct dl_record_out *out, int64_t number)
{
    dl_put_varint(out, dl_zigzag(number));
}

void dl_put_name(struct dl_record_out *out, struct dl_name name)
{
    dl_put_varint(out, name.bytes);
    dl_put_bytes(out, name.data, name.bytes);
}

void dl_put_names(struct dl_record_out *out, int count, const struct dl_name *names)
{
    dl_put_varint(out, (uint64_t)count);
    for (int i = 0; i < count; i++)
        dl_put_name(out, names[i]);
}

void dl_spelled_deinit(struct dl_spelled *spelled)
{
    free(spelled->slots);
    *spelled = (struct dl_spelled){.slots = NULL};
}

void dl_spelled_clear(struct dl_spelled *spelled)
{
    if (spelled->slots != NULL)
        memset(spelled->slots, 0, (spelled->mask + 1) * sizeof *spelled->slots);
    spelled->count = 0;
}

/* The name's slot, or the free one where it belongs. The numbers depend on the
 * order only, so the seed, which keeps a sender from choosing names that all meet
 * in one place, does not show in the bytes. */
static struct dl_spelled_slot *find_slot(const struct dl_spelled *spelled, const unsigned char *data, struct dl_name name)
{
    uint64_t seed = (uint64_t)(uintptr_t)spelled->slots;
    size_t at = (size_t)XXH3_64bits_withSeed(name.data, name.bytes, seed) & spelled->mask;
    for (;; at = (at + 1) & spelled->mask) {
        struct dl_spelled_slot *slot = &spelled->slots[at];
        if (slot->number == 0 || (slot->bytes == name.bytes && memcmp(data + slot->at, name.data, name.bytes) == 0))
            return slot;
    }
}

/* At most half full. */
static bool reserve_slot(struct dl_spelled *spelled, const unsigned char *data)
{
    size_t slots = spelled->slots == NULL ? 0 : spelled->mask + 1;
    if ((size_t)spelled->count * 2 < slots)
        return true;
    struct dl_spelled larger = {.mask = slots == 0 ? SLOTS_FIRST - 1 : slots * 2 - 1, .count = spelled->count};
    larger.slots = calloc(larger.mask + 1, sizeof *larger.slots);
    if (larger.slots == NULL)
        return false;
    for (size_t i = 0; i < slots; i++) {
        const struct dl_spelled_slot *slot = &spelled->slots[i];
        if (slot->number != 0)
            *find_slot(&larger, data, (struct dl_name){(const char *)data + slot->at, slot->bytes}) = *slot;
    }
    free(spelled->slots);
    *spelled = larger;
    return true;
}

void dl_put_reference(struct dl_record_out *out, struct dl_spelled *spelled, struct dl_name name)
{
    if (!out->failed && !reserve_slot(spelled, out->buffer->data))
        out->failed = true;
    if (out->failed)
        return;
    struct dl_spelled_slot *slot = find_slot(spelled, out->buffer->data, name);
    if (slot->number != 0) {
        dl_put_varint(out, slot->number);
        return;
    }
    dl_put_varint(out, spelled->count + 1);
    dl_put_name(out, name);
    if (!out->failed)
        *slot = (struct dl_spelled_slot){.at = out->buffer->bytes - name.bytes, .bytes = name.bytes,
                                         .number = ++spelled->count};
}

void dl_put_source(struct dl_record_out *out, struct dl_spelled *topics, const struct dl_chain_link *link)
{
    DL_ASSERT(link->topic.bytes >= 1 && link->topic.bytes <= DL_TOPIC_BYTES_MAX && link->partition >= 0);
    DL_ASSERT(link->from >= 0 && link->from <= link->next);
    dl_put_reference(out, topics, link->topic);
    dl_put_varint(out, (uint64_t)link->partition);
    dl_put_varint(out, (uint64_t)link->from);
    dl_put_varint(out, (uint64_t)(link->next - link->from));
}

void dl_put_header(struct dl_record_out *out, enum dl_record_kind kind, int version)
{
    DL_ASSERT(version >= DL_RECORD_VERSION_MIN && version <= DL_RECORD_VERSION);
    const unsigned char header[DL_RECORD_HEADER_BYTES] = {'D', (unsigned char)kind, (unsigned char)version};
    dl_put_bytes(out, header, sizeof header);
}

static uint32_t checksum(const unsigned char *value, size_t bytes, const void *key, size_t key_bytes)
{
    XXH32_state_t state;
    XXH32_reset(&state, 0);
    if (key_bytes > 0)
        XXH32_update(&state, key, key_bytes);
    XXH32_update(&state, value, CHECKSUM_AT);
    XXH32_update(&state, value + DL_RECORD_HEADER_BYTES, bytes - DL_RECORD_HEADER_BYTES);
    return XXH32_digest(&state);
}

void dl_record_seal(unsigned char *start, size_t bytes, const void *key, size_t key_bytes)
{
    u32_to(start + CHECKSUM_AT, checksum(start, bytes, key, key_bytes));
}

/* ---- Reading ---- */

void dl_in_fault(struct dl_record_in *in, const char *fault)
{
    if (in->fault == NULL) {
        in->fault = fault;
        in->fault_at = (size_t)(in->at - in->start);
    }
    in->at = in->end;
}

static void no_memory(struct dl_record_in *in)
{
    in->memory = in->fault == NULL;
    dl_in_fault(in, "out of memory");
}

static bool has(struct dl_record_in *in, size_t bytes)
{
    if ((size_t)(in->end - in->at) >= bytes)
        return true;
    dl_in_fault(in, "it ends too early");
    return false;
}

unsigned char dl_take_byte(struct dl_record_in *in)
{
    return has(in, 1) ? *in->at++ : 0;
}

static uint32_t u32_from(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint32_t dl_take_u32(struct dl_record_in *in)
{
    if (!has(in, 4))
        return 0;
    in->at += 4;
    return u32_from(in->at - 4);
}

uint64_t dl_take_varint(struct dl_record_in *in, uint64_t max)
{
    uint64_t number = 0;
    for (unsigned shift = 0; has(in, 1); shift += 7) {
        unsigned char byte = *in->at;
        bool is_last = byte < 0x80;
        if ((shift == 63 && byte > 1) || (is_last && byte == 0 && shift > 0)) {
            dl_in_fault(in, "not a number in its shortest form");
            return 0;
        }
        number |= (uint64_t)(byte & 0x7F) << shift;
        if (is_last && number > max) {
            dl_in_fault(in, "a number beyond its range");
            return 0;
        }
        in->at++;
        if (is_last)
            return number;
    }
    return 0;
}

int64_t dl_take_zigzag(struct dl_record_in *in)
{
    uint64_t code = dl_take_varint(in, UINT64_MAX);
    return (int64_t)(code >> 1) ^ -(int64_t)(code & 1);
}

int64_t dl_take_time(struct dl_record_in *in, int64_t none)
{
    int64_t time_ms = dl_take_zigzag(in);
    if (time_ms != none && (time_ms < -DL_TIME_MS_MAX || time_ms > DL_TIME_MS_MAX))
        dl_in_fault(in, "a time beyond the year 9999");
    return time_ms;
}

struct dl_name dl_take_name(struct dl_record_in *in, uint32_t bytes_min, uint32_t bytes_max)
{
    struct dl_name name = {.bytes = (uint32_t)dl_take_varint(in, bytes_max)};
    if (name.bytes < bytes_min)
        dl_in_fault(in, "a name that must not be empty");
    if (in->fault != NULL || name.bytes == 0 || !has(in, name.bytes))
        return (struct dl_name){.data = NULL};
    name.data = (const char *)in->at;
    in->at += name.bytes;
    return name;
}

int dl_take_segments(struct dl_record_in *in, struct dl_name *segment)
{
    int segments = (int)dl_take_varint(in, DL_SEGMENTS_MAX);
    for (int i = 0; i < segments; i++) {
        segment[i] = dl_take_name(in, 1, DL_NAME_BYTES_MAX);
        for (int j = 0; j < i && in->fault == NULL; j++)
            if (dl_name_equal(segment[i], segment[j]))
                dl_in_fault(in, "a segment twice");
    }
    return segments;
}

const unsigned char *dl_take_packed(struct dl_record_in *in, size_t bytes)
{
    if (!has(in, bytes))
        return in->at;
    if (bytes > 0 && !dl_tally_valid(in->at, bytes)) {
        dl_in_fault(in, "not packed counters");
        return in->at;
    }
    in->at += bytes;
    return in->at - bytes;
}

static void remember_name(struct dl_record_in *in, struct dl_references *references)
{
    if (references->count == references->capacity) {
        uint32_t capacity = references->capacity == 0 ? REFERENCES_FIRST : references->capacity * 2;
        uint32_t *grown = realloc(references->at, capacity * sizeof *grown);
        if (grown == NULL) {
            no_memory(in);
            return;
        }
        references->at = grown;
        references->capacity = capacity;
    }
    references->at[references->count++] = (uint32_t)(in->at - in->start);
}

struct dl_name dl_take_reference(struct dl_record_in *in, struct dl_references *references, uint32_t bytes_min,
                                 uint32_t bytes_max)
{
    uint32_t number = (uint32_t)dl_take_varint(in, (uint64_t)references->count + 1);
    if (number == 0 && bytes_min > 0)
        dl_in_fault(in, "a name that must not be none");
    if (in->fault != NULL || number == 0)
        return (struct dl_name){.data = NULL};
    if (number > references->count) {
        remember_name(in, references);
        return dl_take_name(in, 1, bytes_max);
    }
    struct dl_record_in before = *in; /* it was checked when it was spelled */
    before.at = in->start + references->at[number - 1];
    return dl_take_name(&before, 1, bytes_max);
}

static void keep_link(struct dl_record_in *in, struct dl_links *links, const struct dl_chain_link *link)
{
    if (links->count == links->capacity) {
        size_t capacity = links->capacity == 0 ? LINKS_FIRST : links->capacity + links->capacity / 2;
        struct dl_chain_link *grown = realloc(links->links, capacity * sizeof *grown);
        if (grown == NULL) {
            no_memory(in);
            return;
        }
        links->links = grown;
        links->capacity = capacity;
    }
    links->links[links->count++] = *link;
}

void dl_take_sources(struct dl_record_in *in, struct dl_references *topics, struct dl_links *links)
{
    for (;;) {
        struct dl_chain_link link = {.topic = dl_take_reference(in, topics, 0, DL_TOPIC_BYTES_MAX)};
        if (link.topic.bytes == 0)
            return;
        link.partition = (int32_t)dl_take_varint(in, INT32_MAX);
        link.from = (int64_t)dl_take_varint(in, INT64_MAX);
        link.next = link.from + (int64_t)dl_take_varint(in, (uint64_t)(INT64_MAX - link.from));
        if (in->fault != NULL)
            return;
        keep_link(in, links, &link);
    }
}

static bool is_kind(unsigned char byte)
{
    return byte == DL_RECORD_BATCH || byte == DL_RECORD_PANE || byte == DL_RECORD_HEAD || byte == DL_RECORD_OWNER;
}

enum dl_record_fault dl_record_open(struct dl_record_in *in, enum dl_record_kind kind, const void *key, size_t key_bytes,
                                    const void *value, size_t bytes, int *version, char *detail)
{
    const unsigned char *data = value;
    *in = (struct dl_record_in){.start = data, .at = data, .end = data};
    *version = 0;
    if (bytes == 0 || data[0] != 'D' || (bytes > 1 && !is_kind(data[1]))) {
        snprintf(detail, DL_DETAIL_SIZE, "the value (%zu bytes) does not begin as a record of delightd does", bytes);
        return DL_RECORD_FOREIGN;
    }
    if (bytes > 1 && data[1] != kind) {
        snprintf(detail, DL_DETAIL_SIZE, "a record of kind %c where one of kind %c belongs", data[1], (char)kind);
        return DL_RECORD_FOREIGN;
    }
    if (bytes > 2 && (data[2] < DL_RECORD_VERSION_MIN || data[2] > DL_RECORD_VERSION)) {
        *version = data[2];
        snprintf(detail, DL_DETAIL_SIZE, "version %d; this delightd reads %d to %d", data[2], DL_RECORD_VERSION_MIN,
                 DL_RECORD_VERSION);
        return DL_RECORD_UNKNOWN_VERSION;
    }
    if (bytes < DL_RECORD_HEADER_BYTES || bytes > UINT32_MAX) {
        snprintf(detail, DL_DETAIL_SIZE, "%zu bytes are not a record", bytes);
        return DL_RECORD_CORRUPT;
    }
    uint32_t stated = u32_from(data + CHECKSUM_AT);
    uint32_t found = checksum(data, bytes, key, key_bytes);
    if (stated != found) {
        snprintf(detail, DL_DETAIL_SIZE, "the checksum of %zu bytes is %08x, stated %08x", bytes, found, stated);
        return DL_RECORD_CORRUPT;
    }
    *version = data[2];
    in->at = data + DL_RECORD_HEADER_BYTES;
    in->end = data + bytes;
    return DL_RECORD_GOOD;
}

enum dl_record_fault dl_record_verdict(struct dl_record_in *in, char *detail)
{
    if (in->fault == NULL && in->at != in->end)
        dl_in_fault(in, "bytes behind its end");
    detail[0] = '\0';
    if (in->fault == NULL)
        return DL_RECORD_GOOD;
    snprintf(detail, DL_DETAIL_SIZE, "byte %zu: %s", in->fault_at, in->fault);
    return in->memory ? DL_RECORD_MEMORY : DL_RECORD_CORRUPT;
}
