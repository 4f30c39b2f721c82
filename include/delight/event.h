/* A decoded event, and why something is not one. */
#pragma once

#include <delight/name.h>

#include <stdint.h>

/* X(NAME, word, sentence): counters, dead-letter headers, `score` and documentation. */
#define DL_REJECT_MAP(X)                                                                     \
    X(EMPTY, "empty", "the record has no value")                                             \
    X(TOO_LARGE, "too_large", "longer than limits.event_bytes")                              \
    X(BAD_UTF8, "bad_utf8", "not UTF-8, or U+0000, or a lone surrogate")                     \
    X(NOT_JSON, "not_json", "not JSON, or nested deeper than 64")                            \
    X(DUPLICATE_KEY, "duplicate_key", "a key stands twice in one object")                    \
    X(NOT_OBJECT, "not_object", "JSON, but not an object")                                   \
    X(MISSING_FIELD, "missing_field", "a required field is absent")                          \
    X(WRONG_TYPE, "wrong_type", "a field has another JSON type than it should")              \
    X(OUT_OF_RANGE, "out_of_range", "a value is outside its range or scale")                 \
    X(BAD_TIME, "bad_time", "a time without offset, before 2000, or unreadable")             \
    X(FUTURE_TIME, "future_time", "more than 5 minutes ahead of the record's timestamp")     \
    X(UNKNOWN_TYPE, "unknown_type", "type is not survey, contact or complaint")              \
    X(UNKNOWN_TOUCHPOINT, "unknown_touchpoint", "the catalogue does not know the touchpoint") \
    X(NO_ANSWER, "no_answer", "a survey without an answer")

enum dl_reject {
    DL_ACCEPTED,
#define DL_REJECT_ENUM(name, word, sentence) DL_REJECT_##name,
    DL_REJECT_MAP(DL_REJECT_ENUM)
#undef DL_REJECT_ENUM
    DL_REJECTS
};

/* "bad_utf8"; DL_ACCEPTED is "accepted". The second gives the sentence. */
const char *dl_reject_word(enum dl_reject reject);
const char *dl_reject_sentence(enum dl_reject reject);

enum dl_event_type { DL_EVENT_SURVEY, DL_EVENT_CONTACT, DL_EVENT_COMPLAINT, DL_EVENT_TYPES };
enum dl_outcome { DL_OUTCOME_NONE, DL_OUTCOME_ANSWERED, DL_OUTCOME_ABANDONED };

enum { DL_KANO_ANSWERS_MAX = 32, DL_ABSENT = -1 };

struct dl_kano_answer {
    struct dl_name feature;
    uint8_t category; /* enum dl_kano */
};

/* Names are borrowed from the decoder, the record or the catalogue (codec.h says until when).
 * Absent integers are DL_ABSENT. */
struct dl_event {
    enum dl_event_type type;
    int sign;        /* +1 add, -1 retract */
    int64_t time_ms;
    struct dl_name id;
    struct dl_name touchpoint, stage, journey;

    int8_t nps, csat, ces, expectation;
    uint8_t kano_count;

    enum dl_outcome outcome;
    int8_t first_contact, resolvable; /* 0, 1; resolvable defaults to 1 */
    int64_t wait_ms, handle_ms;

    int8_t closed;                    /* complaint: 0 opened, 1 closed */
    int8_t satisfied;
    int64_t duration_ms;

    /* Last, because a decoder sets no more of them than count: the configured segments in their order, and
     * kano_count answers. */
    struct dl_name segment[DL_SEGMENTS_MAX];
    struct dl_kano_answer kano[DL_KANO_ANSWERS_MAX];
};
