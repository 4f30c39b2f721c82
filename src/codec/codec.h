/* Bytes to events and scores to bytes. No I/O. */
#pragma once

#include <delight/catalogue.h>
#include <delight/engine.h>
#include <delight/event.h>

struct dl_decode_options {
    int csat_max;
    int segments;
    struct dl_name segment[DL_SEGMENTS_MAX];
    size_t event_bytes_max;
    const struct dl_catalogue *catalogue; /* borrowed; NULL: none */
};

/* A record's header; value NULL when it has none. */
struct dl_header {
    const char *key;
    const char *value;
    size_t value_bytes;
};

/* A record as it came. timestamp_ms -1: it has none. */
struct dl_message {
    const char *value; /* NULL: a tombstone */
    size_t value_bytes;
    int64_t timestamp_ms;
    const struct dl_header *headers;
    size_t header_count;
    /* Where headers are dear: called when they matter, and once at most; fills in
     * headers and header_count. NULL: they are there. */
    void (*take_headers)(struct dl_message *message);
    void *context;
};

enum { DL_DETAIL_SIZE = 160 };

struct dl_decoder;

/* Copies the options' names. NULL: out of memory. One decoder per thread. */
struct dl_decoder *dl_decoder_create(const struct dl_decode_options *options);
void dl_decoder_destroy(struct dl_decoder *decoder);

/* Decodes one record: CloudEvents (structured and binary) or the plain event. A
 * value that is an event with type, id and time of its own, and no specversion,
 * is that event whatever the headers say: they are not asked for.
 * now_ms bounds what a record's own timestamp may claim: event times are held
 * against min(timestamp, now) + 5 min (INT64_MAX: no bound, and no future_time
 * without a timestamp). DL_ACCEPTED: *event is whole, its names are valid until
 * the next call, and mostly longer (dl_decoder_holds_names). Otherwise the reason,
 * the first in DESIGN 4's order, and in detail (DL_DETAIL_SIZE bytes) which field
 * or byte and what was expected, without any value of customer or id. */
enum dl_reject dl_decode(struct dl_decoder *decoder, const struct dl_message *message, int64_t now_ms,
                         struct dl_event *event, char *detail);

/* Whether names of the last accepted event lie in the decoder, where the next call puts others. If not, they lie in what
 * the message pointed to (value, headers) and in the catalogue. */
bool dl_decoder_holds_names(const struct dl_decoder *decoder);

/* For `score --strict`: calls on_field for each top-level field of an accepted
 * plain event that the contract does not know. Borrowed name. */
typedef void dl_on_unknown_field(void *context, struct dl_name field);
void dl_decode_unknown_fields(struct dl_decoder *decoder, const struct dl_message *message, dl_on_unknown_field *on_field,
                              void *context);

/* A growable text; zero-initialised is empty. Allocation failure is remembered
 * in `failed` so that callers check once, at the end. */
struct dl_text {
    char *data;
    size_t bytes, capacity;
    bool failed;
};
void dl_text_deinit(struct dl_text *text);
void dl_text_clear(struct dl_text *text);
void dl_text_add(struct dl_text *text, const char *data, size_t bytes);
void dl_text_printf(struct dl_text *text, const char *format, ...) DL_PRINTF(2, 3);
/* For a terminal: control characters, what turns the direction of writing and what is no UTF-8 become \n, \t, \r, \xHH or
 * \u{HHHH}, a backslash is doubled. Any bytes. */
void dl_text_add_printable(struct dl_text *text, const char *data, size_t bytes);
/* Quoted and escaped; bytes must be UTF-8. */
void dl_text_add_json_string(struct dl_text *text, const char *data, size_t bytes);

/* {"events":3,"nps":33.3333,…}: the fields that have a value, in table order.
 * as_of is RFC 3339 when rfc3339 is set. */
void dl_json_scores(struct dl_text *text, const struct dl_scores *scores, bool rfc3339);

/* How often each answer was given, the lowest answer first: {"nps":[11],"csat":[csat_max],"ces":[7],"expectation":[5]}. An item
 * that scores say nothing of (no answers, or fewer than privacy_min_n) is left out. */
void dl_json_answers(struct dl_text *text, const struct dl_counts *counts, const struct dl_score_options *options);

/* Trend of one view: {"window_ms":W,"pane_ms":p,"start":[60],"nps":{"value":[60],"n":[60]},…};
 * a pane without value is null, without data n 0; measures are field ids, those
 * with n 0 in every pane are left out. */
DL_MUST_USE enum dl_status dl_json_trend(struct dl_text *text, const struct dl_engine *engine, int64_t id, int window,
                                         int64_t window_ms, const int *measures, size_t measure_count,
                                         const struct dl_score_options *options);

/* How a measure moved within a window, by its trend: its panes' values, weighted by n, in the earlier and the later half of
 * the panes. known: both halves have data. */
struct dl_trend_halves {
    double earlier, later;
    bool known;
};
/* One for each of the measures (field ids), from what dl_json_trend writes; what is none of that is not known. */
void dl_json_trend_halves(const char *json, size_t bytes, const int *measures, size_t measure_count,
                          struct dl_trend_halves *halves);
