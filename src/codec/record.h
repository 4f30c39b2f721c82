/* Records of kafka mode: batches on their way to the scorer (cx.tallies) and
 * state (cx.state). Compact, versioned, checksummed; no I/O.
 *
 * The drawing of every byte is here, filled in by record.c's rules: see
 * "Format" below. Integers are varints (LEB128), signed ones zigzag, names are a
 * length and bytes; fixed-width integers are little-endian.
 *
 *   every value   'D' | kind u8 | version u8 | XXH32 of all before and behind it, u32 | body
 *
 * A reader of version n reads n - 1; DL_RECORD_VERSION is n. */
#pragma once

#include <delight/batch.h>
#include <delight/chain.h>
#include <delight/engine.h>

enum { DL_RECORD_VERSION_MIN = 1, DL_RECORD_VERSION = 2 };

/* What is wrong with a record, for the alarm. */
#define DL_RECORD_FAULT_MAP(X)                                                              \
    X(CORRUPT, "corrupt", "the checksum does not fit, or what it covers is not a record")  \
    X(VERSION, "unknown_version", "written by a newer delightd; upgrade this one first")   \
    X(FOREIGN, "foreign", "not a record of delightd")

enum dl_record_fault {
    DL_RECORD_GOOD,
#define DL_RECORD_FAULT_ENUM(name, word, sentence) DL_RECORD_##name,
    DL_RECORD_FAULT_MAP(DL_RECORD_FAULT_ENUM)
#undef DL_RECORD_FAULT_ENUM
};
const char *dl_record_fault_word(enum dl_record_fault fault);
const char *dl_record_fault_sentence(enum dl_record_fault fault);

/* ---- Batches ---- */

struct dl_batch_writer_options {
    int version;              /* DL_RECORD_VERSION_MIN..DL_RECORD_VERSION */
    size_t part_bytes_max;    /* of one record, >= 16 KiB; a batch takes as many as it needs */
    const char *instance;     /* of the writer, for alarms */
    const char *const *topics; /* a source's topic is an index into these */
    int segments;             /* names, so that a scorer with other ones can tell */
    struct dl_name segment[DL_SEGMENTS_MAX];
    int64_t written_ms;       /* wall clock, for the figure "how old is it" */
};

/* Calls on_part with each record of the batch, in order (bytes borrowed for the
 * call). The last one closes the batch: it alone states the sources and the
 * counts. The same batch and options give the same bytes. Stops and returns what
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
    const struct dl_chain_link *sources; /* last part only */
    size_t source_count;
    struct dl_ingest_counts counts;      /* last part only, else zero */
};

/* DL_RECORD_GOOD: *part is whole: everything in it has been checked, so that
 * dl_batch_part_each cannot fail by itself. detail (DL_DETAIL_SIZE bytes of codec.h) says what is
 * wrong otherwise. */
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
    const struct dl_chain *chain;         /* writing */
    const struct dl_chain_link *links;    /* reading: borrowed from the reader; from is the chain's first */
    size_t link_count;
};

/* A growing buffer; zero-initialised is empty. */
struct dl_record_bytes {
    unsigned char *data;
    size_t bytes, capacity;
};
void dl_record_bytes_deinit(struct dl_record_bytes *buffer);

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
