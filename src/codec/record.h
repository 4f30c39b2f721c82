/* Records of kafka mode: batches on their way to the scorer (cx.tallies) and
 * state (cx.state). Compact, versioned, checksummed; no I/O.
 *
 * Format
 * ======
 *
 *   varint   7 bits in a byte, lowest first; the top bit is set where another byte
 *            follows; the shortest form only. 300 is AC 02
 *   zigzag   a signed number as a varint: 0, -1, 1, -2 … are 0, 1, 2, 3 …
 *   u32      4 bytes, lowest first
 *   name     length varint, so many bytes
 *   time     zigzag, epoch ms; at most the year 9999 in either direction
 *   packed   counters as include/delight/tally.h draws them: (id step varint)
 *            (value zigzag) … ; ids ascend, no value is 0
 *
 * Every value of both topics:
 *
 *    0     1      2         3              7
 *   ┌─────┬──────┬─────────┬──────────────┬────────┐
 *   │ 'D' │ kind │ version │ checksum u32 │ body … │   kind  'B' part of a batch   (cx.tallies)
 *   └─────┴──────┴─────────┴──────────────┴────────┘         'P' pane             (cx.state)
 *                                                            'H' head
 *   version   1 or 2                                         'O' owner
 *   checksum  XXH32 with seed 0 of: the key (cx.state only), bytes 0 to 2, the body
 *
 * A reader of version n reads n - 1; DL_RECORD_VERSION is n. Nothing follows the
 * body. Kinds and keys are the same in every version.
 *
 * 'B': part of a batch. No key. Body:
 *
 *    7          11          15
 *   ┌──────────┬───────────┬──────────────┬─────────────┬─────────────────────────┐
 *   │ part u32 │ parts u32 │ written time │ newest time │ instance name, 0…255 B  │
 *   ├──────────┴────────────────┬─────────┴─────────────┴─────┬───────────────────┘
 *   │ segments varint, 0 … 16   │ name of each, 1 … 128 B     │
 *   ├────────────────┬───┬──────┴─────────────────────────────┘
 *   │ cell … (0…n)   │ 0 │
 *   ├────────────────┼───┤
 *   │ source … (0…n) │ 0 │   stand in the last part, and in those before it only
 *   ├────────────────┴───┤   where it has no room for all
 *   │ counts             │   only where part = parts
 *   └────────────────────┘
 *       1 <= part <= parts; newest INT64_MIN: none
 *
 *   cell: what was counted, and its tallies
 *   ┌───┬────────────┬───────┬─────────┬───────────────────────────┬─────────────────┬───┐
 *   │ 1 │ touchpoint │ stage │ journey │ value of each segment     │ tally … (1…n)   │ 0 │
 *   └───┴────────────┴───────┴─────────┴───────────────────────────┴─────────────────┴───┘
 *   ┌───┬─────────┬───────────────────────────┬─────────────────┬───┐
 *   │ 2 │ feature │ value of each segment     │ tally … (1…n)   │ 0 │
 *   └───┴─────────┴───────────────────────────┴─────────────────┴───┘
 *       each of these is 1 … 128 B; all but touchpoint and feature may be none
 *       version 1   name, length 0 is none
 *       version 2   reference (below), 0 is none: a name is spelled once a part
 *
 *   tally: one second of the cell
 *   ┌───────────────┬───────────────────────────┬───────────────┬──────────┐
 *   │ events varint │ second zigzag, less that  │ length varint │ packed … │
 *   │ 1 … 2^48      │ of the tally before it in │ 0: all of it  │          │
 *   │               │ the part (the first: 0)   │ cancelled out │          │
 *   └───────────────┴───────────────────────────┴───────────────┴──────────┘
 *
 *   source: records [from, next) of a partition are in this batch
 *   ┌────────────────────────────┬──────────────────┬─────────────┬────────────────────┐
 *   │ topic reference, 1 … 249 B │ partition varint │ from varint │ next - from varint │
 *   └────────────────────────────┴──────────────────┴─────────────┴────────────────────┘
 *
 *   reference: names are numbered 1, 2 … as they are spelled; those of cells and
 *   topics each on their own
 *   ┌─────────────────────────────┐      ┌───────────────────────────────┬──────┐
 *   │ number varint: spelled      │  or  │ the next number varint:       │ name │
 *   │ before, in this record      │      │ spelled here                  │      │
 *   └─────────────────────────────┘      └───────────────────────────────┴──────┘
 *
 *   counts: struct dl_ingest_counts, all varints, at most INT64_MAX
 *   ┌─────────┬───────┬───┬───────────┬───────────┬────────────┬───┬───────────┬──────────────┬──────┐
 *   │ records │ bytes │ t │ t accepted│ retracted │ duplicates │ r │ r rejected│ dead letters │ lost │
 *   └─────────┴───────┴───┴───────────┴───────────┴────────────┴───┴───────────┴──────────────┴──────┘
 *       t: event types, in the order of enum dl_event_type; r: reasons, of enum
 *       dl_reject. What this reader does not know is passed over; what the writer
 *       did not know is 0
 *
 * 'P': a pane. No value (a tombstone): the pane is gone.
 *
 *         0     1                        …                    …
 *        ┌─────┬────────────────────────┬────────────────────┬───────────────────────────────────┐
 *   key  │ 'P' │ window varint, minutes │ pane index zigzag  │ subject, 1 … 4096 B, to the end   │
 *        └─────┴────────────────────────┴────────────────────┴───────────────────────────────────┘
 *   body ┌──────────┐
 *        │ packed … │  to the end
 *        └──────────┘
 *
 * 'H': the head of a checkpoint.      key ┌─────┐
 *                                         │ 'H' │
 *   body                                  └─────┘
 *   ┌──────────────────────┬─────────────────────────┬───────────────────────────┬───────────────────────────┐
 *   │ tallies_next varint  │ clock time              │ newest time               │ oldest time               │
 *   │                      │ INT64_MIN: none         │ INT64_MIN: none           │ INT64_MAX: none           │
 *   ├──────────────┬───────┴─────────────────┬───────┴───────────────────────────┴───────────────────────────┘
 *   │ written time │ instance name, 0…255 B  │
 *   ├──────────────┴─────────────┬───────────┴───────────────────────┐
 *   │ windows varint, 0 … 16     │ window … no two the same          │
 *   ├────────────────────────────┼───────────────────────────────────┤
 *   │ segments varint, 0 … 16    │ name of each, 1 … 128 B           │
 *   ├───────────────┬───┬────────┴───────────────────────────────────┘
 *   │ source … (0…n)│ 0 │   as in a batch; from is where the chain began, next where it goes on
 *   └───────────────┴───┘
 *   window: ┌────────────────┬───────────────────────────────────────────┐
 *           │ minutes varint │ data since, time; INT64_MIN: from the     │
 *           │ 1 … 576000     │ first event on. Not there in version 1,   │
 *           │                │ which is read as INT64_MIN                │
 *           └────────────────┴───────────────────────────────────────────┘
 *
 * 'O': who scores.                    key ┌─────┐
 *                                         │ 'O' │
 *   body ┌──────────────┬───────────────┐ └─────┘
 *        │ written time │ instance name │
 *        └──────────────┴───────────────┘
 *
 * Segment names: no two the same. A tombstone has no checksum but Kafka's own. */
#pragma once

#include <delight/batch.h>
#include <delight/chain.h>
#include <delight/engine.h>

#include "codec.h" /* DL_DETAIL_SIZE */

enum { DL_RECORD_VERSION_MIN = 1, DL_RECORD_VERSION = 2 };

/* What is wrong with a record, for the alarm. */
#define DL_RECORD_FAULT_MAP(X)                                                              \
    X(CORRUPT, "corrupt", "the checksum does not fit, or what it covers is not a record")  \
    X(UNKNOWN_VERSION, "unknown_version", "written by a newer delightd; upgrade this one first") \
    X(FOREIGN, "foreign", "not a record of delightd, or not of this topic")                \
    X(MEMORY, "memory", "out of memory; nothing is known of the record")

enum dl_record_fault {
    DL_RECORD_GOOD,
#define DL_RECORD_FAULT_ENUM(name, word, sentence) DL_RECORD_##name,
    DL_RECORD_FAULT_MAP(DL_RECORD_FAULT_ENUM)
#undef DL_RECORD_FAULT_ENUM
};
const char *dl_record_fault_word(enum dl_record_fault fault);
const char *dl_record_fault_sentence(enum dl_record_fault fault);

/* ---- Batches ---- */

enum { DL_BATCH_PART_BYTES_MIN = 16384 }; /* holds the largest tally of the longest names */

struct dl_batch_writer_options {
    int version;              /* DL_RECORD_VERSION_MIN..DL_RECORD_VERSION */
    size_t part_bytes_max;    /* of one record, >= DL_BATCH_PART_BYTES_MIN; a batch takes as many as it needs */
    const char *instance;     /* of the writer, for alarms; at most 255 bytes */
    const char *const *topics; /* a source's topic is an index into these */
    int segments;             /* names, so that a scorer with other ones can tell */
    struct dl_name segment[DL_SEGMENTS_MAX];
    int64_t written_ms;       /* wall clock, for the figure "how old is it" */
};

/* Calls on_part with each record of the batch, in order (bytes borrowed for the
 * call). The last one closes the batch: it alone states the counts, and the
 * sources if it has room for them (else those before it state some, so that
 * thousands of partitions fit too). The same batch and options give the same bytes. Stops and returns what
 * on_part returns when that is not DL_OK. DL_MEMORY. */
typedef enum dl_status dl_on_part(void *context, const void *data, size_t bytes);
DL_MUST_USE enum dl_status dl_batch_write(const struct dl_batch *batch, const struct dl_batch_writer_options *options,
                                          dl_on_part *on_part, void *context);

struct dl_batch_reader;

/* segments: the scorer's; a record's segment values are brought into this order
 * by name, those that the scorer does not have are dropped. Copied. NULL: out of memory. */
struct dl_batch_reader *dl_batch_reader_create(int segments, const struct dl_name *segment);
void dl_batch_reader_destroy(struct dl_batch_reader *reader);

/* One record. Borrowed from the reader and from data: valid until the next read. */
struct dl_batch_part {
    int version;
    struct dl_name instance;
    uint32_t part, parts;      /* part 1 … parts */
    int64_t newest_ms;         /* of the whole batch; INT64_MIN: none */
    int64_t written_ms;
    size_t tallies;
    const struct dl_chain_link *sources; /* stated by this part: most often all by the last */
    size_t source_count;
    struct dl_ingest_counts counts;      /* last part only, else zero */
};

/* DL_RECORD_GOOD: *part is whole: everything in it has been checked, so that
 * dl_batch_part_each cannot fail by itself. detail (DL_DETAIL_SIZE bytes of codec.h) says what is
 * wrong otherwise. Memory: at most about 16 times the bytes of the record. */
enum dl_record_fault dl_batch_read(struct dl_batch_reader *reader, const void *data, size_t bytes,
                                   struct dl_batch_part *part, char *detail);
/* dl_engine_each over the part that was read last (tallies: the reader). */
enum dl_status dl_batch_part_each(const void *reader, dl_batch_on_tally *on_tally, void *context);

/* ---- State: key and value of a record of cx.state ---- */

enum dl_state_kind {
    DL_STATE_PANE,  /* one pane of one subject in one window */
    DL_STATE_HEAD,  /* what a checkpoint rests on; its last record */
    DL_STATE_OWNER  /* who scores; the record's offset is the fencing token */
};

struct dl_state_window {
    int64_t window_ms;
    int64_t data_since_ms; /* the window's panes are whole from here on; INT64_MIN: from the first event on */
};

struct dl_state_head {
    int64_t tallies_next;   /* offset of cx.tallies: all before it is in the panes */
    int64_t clock_ms;       /* T of the engine; INT64_MIN: none yet */
    int64_t newest_ms;      /* newest event time accepted; INT64_MIN: none */
    int64_t oldest_ms;      /* oldest event second counted; INT64_MAX: none */
    int64_t written_ms;     /* wall clock */
    struct dl_name instance;
    int windows;
    struct dl_state_window window[DL_WINDOWS_MAX];
    int segments;
    struct dl_name segment[DL_SEGMENTS_MAX];
    const struct dl_chain *chain;         /* writing; NULL: the links are written. Reading: NULL */
    const struct dl_chain_link *links;    /* reading: borrowed from the reader; from is the chain's first */
    size_t link_count;
};

/* A growing buffer; zero-initialised is empty. */
struct dl_record_bytes {
    unsigned char *data;
    size_t bytes, capacity;
};
void dl_record_bytes_deinit(struct dl_record_bytes *buffer);
/* DL_MEMORY: nothing was appended. */
DL_MUST_USE enum dl_status dl_record_bytes_add(struct dl_record_bytes *buffer, const void *data, size_t bytes);

/* Each appends to its buffers. A pane whose tally is NULL has no value (a
 * tombstone): only its key is written. DL_MEMORY: nothing was appended. */
DL_MUST_USE enum dl_status dl_state_write_pane(int version, const struct dl_engine_pane *pane, struct dl_record_bytes *key,
                                               struct dl_record_bytes *value);
DL_MUST_USE enum dl_status dl_state_write_head(int version, const struct dl_state_head *head, struct dl_record_bytes *key,
                                               struct dl_record_bytes *value);
DL_MUST_USE enum dl_status dl_state_write_owner(int version, struct dl_name instance, int64_t written_ms,
                                                struct dl_record_bytes *key, struct dl_record_bytes *value);

struct dl_state_reader; /* holds what a record is taken apart into */
struct dl_state_reader *dl_state_reader_create(void);
void dl_state_reader_destroy(struct dl_state_reader *reader);

struct dl_state_record {
    enum dl_state_kind kind;
    int version;                /* 0: a tombstone */
    struct dl_engine_pane pane; /* tally NULL: a tombstone */
    struct dl_state_head head;
    struct dl_name instance;    /* of the owner */
    int64_t written_ms;
};
/* value NULL: a tombstone. Borrowed until the next read. */
enum dl_record_fault dl_state_read(struct dl_state_reader *reader, const void *key, size_t key_bytes, const void *value,
                                   size_t value_bytes, struct dl_state_record *record, char *detail);
