/* One event as it was meant, before it becomes bytes. The recount counts these, never the bytes. */
#pragma once

#include "settings.h"

#include <stdbool.h>
#include <stdint.h>

#define LD_KANO_MAX 32
#define LD_ABSENT (-1)

enum ld_type { LD_SURVEY, LD_CONTACT, LD_COMPLAINT };
enum ld_outcome { LD_OUTCOME_ANSWERED, LD_OUTCOME_ABANDONED };
enum ld_state { LD_STATE_OPENED, LD_STATE_CLOSED };

struct ld_kano_answer {
    uint32_t feature;
    int8_t functional;    /* 1..5 */
    int8_t dysfunctional; /* 1..5 */
};

struct ld_event {
    enum ld_type type;
    bool is_retraction;
    bool has_id;
    bool has_customer;
    bool has_stage;
    bool has_journey;
    uint64_t id;        /* number of the message that first carried it */
    int64_t time_ms;    /* what the event counts at */
    bool has_time;      /* otherwise the record's timestamp says so */
    uint32_t touchpoint;
    int16_t segment[LD_SEGMENTS_MAX]; /* value of each generated segment, or LD_ABSENT */

    int8_t nps, csat, ces, expectation; /* LD_ABSENT: not asked */
    uint8_t kano_count;
    bool kano_is_array;
    struct ld_kano_answer kano[LD_KANO_MAX];

    int8_t outcome, first_contact, resolvable; /* LD_ABSENT: not said */
    int64_t wait_ms, handle_ms;                /* LD_ABSENT: not said */

    int8_t state, satisfied;
    int64_t duration_ms;
};
