/* The scanner: reads an ordinary event in one pass, without a tree and without
 * allocating, and hands out strings as they lie in the message. It only ever accepts,
 * or says that the record is not for it; then the reference decides. Not for it is
 * every fault, and what is unusual: escapes in a key or a word, an
 * integer written like 90e-1, objects and arrays more than DL_SKIP_DEPTH_MAX deep, more than
 * DL_SKIP_KEYS_MAX keys that are neither the schema's nor learned, numbers that may be beyond their type,
 * more than DL_MARKED_BYTES_MAX bytes, structured CloudEvents. */
#pragma once

#include "schema.h"
#include "skip.h"

struct dl_scanner {
    struct dl_marked marked; /* the last text */
    const struct dl_schema *schema;
    const struct dl_catalogue *catalogue;
    dl_mark *mark;
    int segments; /* of the event's, those that the schema has */
    /* The schema's rows by DL_FORM_; one_of: of which one must be there. */
    uint64_t relevant[DL_FORM_ANY + 1], ignored[DL_FORM_ANY + 1], required[DL_FORM_ANY + 1], one_of[DL_FORM_ANY + 1];
    uint64_t type_row, time_row, id_row;
    uint64_t around_row; /* of DL_CLOUDEVENT_MEMBER: a segment's, or a learned one */
    struct dl_pattern type_word[DL_EVENT_TYPES], word[DL_FIELDS_MAX][2];
    struct dl_keys keys, kano_keys;
    struct dl_unknown_keys unknown;
    const struct dl_message *message; /* that is being read: the caller's, or */
    struct dl_message with_headers;   /* the same with its headers, which are taken once */
    char *spare;             /* behind what is used of: */
    char unescaped[DL_MARKED_BYTES_MAX]; /* its strings that had escapes and matter */
};

/* Borrows schema and catalogue. */
void dl_scanner_init(struct dl_scanner *scanner, const struct dl_schema *schema, int segments,
                     const struct dl_catalogue *catalogue, dl_mark *mark);

/* true: *event is what the reference would make of the record; its names point into the
 * message's value, the record's headers or the catalogue; into the scanner where it holds
 * strings. false: the record is not for the scanner, and *event holds nothing of use. */
bool dl_scan(struct dl_scanner *scanner, const struct dl_message *message, int64_t now_ms, struct dl_event *event);

/* Strings of the last text that had escapes: in `unescaped`. */
static inline bool dl_scanner_holds_strings(const struct dl_scanner *scanner)
{
    return scanner->spare != scanner->unescaped;
}

/* ---- For tests and benchmarks: how a decoder (decode.c) scans ---- */

/* Has the decoder scan by these instructions from now on; DL_INSTRUCTION_SETS: not at all,
 * the reference reads everything. false: this machine does not have them. */
bool dl_decoder_scan_by(struct dl_decoder *decoder, enum dl_instructions instructions);
/* How many events the scanner has accepted. */
int64_t dl_decoder_scanned(const struct dl_decoder *decoder);
