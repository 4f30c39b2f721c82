/* The pieces that records are made of: see "Format" in record.h. Internal to the
 * records. */
#pragma once

#include "record.h"

enum { DL_RECORD_HEADER_BYTES = 7, DL_VARINT_BYTES_MAX = 10, DL_INSTANCE_BYTES_MAX = 255, DL_TOPIC_BYTES_MAX = 249 };

/* The first byte of a state record's key is its kind. */
enum dl_record_kind { DL_RECORD_BATCH = 'B', DL_RECORD_PANE = 'P', DL_RECORD_HEAD = 'H', DL_RECORD_OWNER = 'O' };

/* ---- Writing: a failed allocation is remembered, so that it is asked for once ---- */

struct dl_record_out {
    struct dl_record_bytes *buffer;
    bool failed;
};

void dl_put_bytes(struct dl_record_out *out, const void *data, size_t bytes);
void dl_put_byte(struct dl_record_out *out, unsigned char byte);
void dl_put_u32(struct dl_record_out *out, uint32_t number);
void dl_put_varint(struct dl_record_out *out, uint64_t number);
void dl_put_zigzag(struct dl_record_out *out, int64_t number);
void dl_put_name(struct dl_record_out *out, struct dl_name name);
void dl_put_names(struct dl_record_out *out, int count, const struct dl_name *names); /* with their number */

/* A varint in memory that has room for DL_VARINT_BYTES_MAX; returns its length. */
size_t dl_varint(unsigned char *at, uint64_t number);
uint64_t dl_zigzag(int64_t number);

/* The names that a record has spelled. Zero-initialised is empty. */
struct dl_spelled_slot {
    size_t at;       /* in the buffer */
    uint32_t bytes;
    uint32_t number; /* 0: a free slot */
};
struct dl_spelled {
    struct dl_spelled_slot *slots;
    size_t mask;
    uint32_t count;
};
void dl_spelled_deinit(struct dl_spelled *spelled);
void dl_spelled_clear(struct dl_spelled *spelled); /* another record begins */
/* A reference. name.bytes > 0. */
void dl_put_reference(struct dl_record_out *out, struct dl_spelled *spelled, struct dl_name name);
void dl_put_source(struct dl_record_out *out, struct dl_spelled *topics, const struct dl_chain_link *link);

/* Header with an open checksum; dl_record_seal closes the value that begins at
 * `start` and ends where the buffer ends `bytes` later. key NULL: none. */
void dl_put_header(struct dl_record_out *out, enum dl_record_kind kind, int version);
void dl_record_seal(unsigned char *start, size_t bytes, const void *key, size_t key_bytes);

/* ---- Reading: the first fault is remembered and ends the record there ---- */

struct dl_record_in {
    const unsigned char *start, *at, *end;
    const char *fault; /* NULL: none so far */
    size_t fault_at;
    bool memory;       /* the fault is ours */
};

void dl_in_fault(struct dl_record_in *in, const char *fault);
unsigned char dl_take_byte(struct dl_record_in *in);
uint32_t dl_take_u32(struct dl_record_in *in);
/* More than max is a fault. A fault reads as 0 (as no name). */
uint64_t dl_take_varint(struct dl_record_in *in, uint64_t max);
int64_t dl_take_zigzag(struct dl_record_in *in);
int64_t dl_take_time(struct dl_record_in *in, int64_t none);
struct dl_name dl_take_name(struct dl_record_in *in, uint32_t bytes_min, uint32_t bytes_max);
/* Their number and the names; no two the same. */
int dl_take_segments(struct dl_record_in *in, struct dl_name *segment);
/* The rest is a packed tally, or nothing; or the next `bytes` are. */
const unsigned char *dl_take_packed(struct dl_record_in *in, size_t bytes);

/* Where the names stand that a record has spelled: offsets from in->start. */
struct dl_references {
    uint32_t *at;
    uint32_t count, capacity;
};
/* A name by its reference; none where that is 0 and bytes_min is 0. */
struct dl_name dl_take_reference(struct dl_record_in *in, struct dl_references *references, uint32_t bytes_min,
                                 uint32_t bytes_max);

/* Sources up to the 0 behind them. */
struct dl_links {
    struct dl_chain_link *links;
    size_t count, capacity;
};
void dl_take_sources(struct dl_record_in *in, struct dl_references *topics, struct dl_links *links);

/* Checks what every value begins with and its checksum; `in` stands at the body. */
enum dl_record_fault dl_record_open(struct dl_record_in *in, enum dl_record_kind kind, const void *key, size_t key_bytes,
                                    const void *value, size_t bytes, int *version, char *detail);
/* The end of the body: what the record is, with the detail. */
enum dl_record_fault dl_record_verdict(struct dl_record_in *in, char *detail);
