/* Events as bytes: JSON in many of the spellings the contract allows, plain or as CloudEvents. */
#pragma once

#include "event.h"
#include "message.h"
#include "world.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ld_envelope { LD_PLAIN, LD_STRUCTURED, LD_BINARY };
enum ld_time_style { LD_TIME_MS, LD_TIME_RFC3339, LD_TIME_OFFSET, LD_TIME_FLOAT };

/* How an event is spelled. All zero: the plainest spelling. */
struct ld_spelling {
    enum ld_envelope envelope;
    enum ld_time_style time_style;
    bool has_escapes;   /* \uXXXX in names and in one key */
    bool has_nulls;     /* absent fields as null */
    bool has_extras;    /* unknown and foreign fields, of any type */
    bool has_floats;    /* 9.0 and 9e0 for 9 */
    bool has_spaces;    /* white space wherever it may be */
    bool has_add_op;    /* "op":"add" said */
    bool is_reversed;   /* the touchpoint comes last */
};

struct ld_encoder {
    const struct ld_world *world;
    const char *id_prefix;
    size_t event_bytes; /* pad up to this size; 0: not at all */
    char *buffer;
    size_t buffer_bytes;
    char *padding; /* letters to cut notes from */
    int64_t minute;
    char minute_text[24];
};

void ld_encoder_init(struct ld_encoder *encoder, const struct ld_world *world, const char *id_prefix,
                     size_t event_bytes, size_t value_bytes_max);
void ld_encoder_deinit(struct ld_encoder *encoder);

/* Fills value, key and headers of *message. The value stays valid until the next call. `noise` varies what does not
 * count: padding, customer, values of unknown fields. */
void ld_encode_event(struct ld_encoder *encoder, const struct ld_event *event, const struct ld_spelling *spelling,
                     uint64_t noise, struct ld_message *message);

/* "PREFIX-0000000042"; returns its length. */
size_t ld_encode_id(const struct ld_encoder *encoder, uint64_t number, char *out);

/* Decimal digits of `value` at `out`, no NUL; returns the end. */
char *ld_put_number(char *out, int64_t value);

#define LD_PADDING_BYTES 65536
