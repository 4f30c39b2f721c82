/* How fuzz_decode and fuzz_scan read an input: the first byte chooses how a record
 * arrives, so that headers and timestamps vary too.
 *
 *   first byte   bits 0..1  plain, structured, binary CloudEvent, plain with a catalogue
 *                bits 2..3  which timestamp and clock
 *   then         binary only: ce_type \n ce_id \n ce_time \n
 *   then         the value
 *
 * '0' begins a plain event. */
#pragma once

#include "codec.h"

#include <string.h>

enum { EVENT_BYTES_MAX = 2048, HEADERS = 4, TIMESTAMPS = 4, INPUT_SEGMENTS = 2 };
enum { PLAIN, STRUCTURED, BINARY, WITH_CATALOGUE };

static const struct {
    int64_t timestamp_ms, now_ms;
} clocks[TIMESTAMPS] = {
    {INT64_C(1700000000000), INT64_MAX},
    {INT64_C(1700000000000), INT64_C(1700000000000)},
    {-1, INT64_MAX},
    {INT64_C(1700000600000), INT64_C(1700000000000)},
};

struct input {
    int envelope;
    struct dl_header header[HEADERS];
    struct dl_message message;
    int64_t now_ms;
};

/* Decoders of inputs have two segments, and WITH_CATALOGUE a catalogue. */
static inline struct dl_decode_options input_options(const struct dl_catalogue *catalogue)
{
    return (struct dl_decode_options){.csat_max = 5,
                                      .segments = INPUT_SEGMENTS,
                                      .segment = {dl_name_of("channel"), dl_name_of("tier")},
                                      .event_bytes_max = EVENT_BYTES_MAX,
                                      .catalogue = catalogue};
}

static inline struct dl_catalogue *input_catalogue(void)
{
    struct dl_catalogue *catalogue = dl_catalogue_create(DL_UNKNOWN_DEADLETTER);
    DL_ASSERT(catalogue != NULL);
    DL_ASSERT(dl_catalogue_add(catalogue, dl_name_of("j"), dl_name_of("s"), dl_name_of("t")) == DL_OK);
    return catalogue;
}

/* Takes a line off the front. */
static inline struct dl_header take_header(const char *key, const char **data, size_t *bytes)
{
    const char *end = *bytes > 0 ? memchr(*data, '\n', *bytes) : NULL;
    size_t length = end != NULL ? (size_t)(end - *data) : *bytes;
    struct dl_header header = {.key = key, .value = *data, .value_bytes = length};
    size_t taken = end != NULL ? length + 1 : length;
    *data += taken;
    *bytes -= taken;
    return header;
}

static inline void read_input(struct input *input, const char *data, size_t bytes)
{
    unsigned mode = bytes > 0 ? (unsigned char)data[0] : 0;
    if (bytes > 0) {
        data++;
        bytes--;
    }
    *input = (struct input){.envelope = (int)(mode & 3)};
    size_t headers = 0;
    if (input->envelope == STRUCTURED)
        input->header[headers++] = (struct dl_header){"content-type", "application/cloudevents+json", 28};
    if (input->envelope == BINARY) {
        input->header[headers++] = (struct dl_header){"ce_specversion", "1.0", 3};
        input->header[headers++] = take_header("ce_type", &data, &bytes);
        input->header[headers++] = take_header("ce_id", &data, &bytes);
        input->header[headers++] = take_header("ce_time", &data, &bytes);
    }
    size_t clock = (mode >> 2) % TIMESTAMPS;
    input->now_ms = clocks[clock].now_ms;
    input->message = (struct dl_message){.value = data,
                                         .value_bytes = bytes,
                                         .timestamp_ms = clocks[clock].timestamp_ms,
                                         .headers = input->header,
                                         .header_count = headers};
}
