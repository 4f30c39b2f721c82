/* What one event adds to the counters (counter.h says which and when). */
#pragma once

#include <delight/counter.h>
#include <delight/event.h>

struct dl_increment {
    uint16_t counter;
    int64_t value; /* of an add; a retraction subtracts it */
};

enum { DL_INCREMENTS_MAX = 48 };

/* Fills out, which has room for DL_INCREMENTS_MAX, for the place cell of the
 * event and returns how many there are; DL_COUNT_EVENTS is among them. The event is valid (asserted). */
size_t dl_increments(const struct dl_event *event, int64_t service_level_threshold_ms, int64_t short_abandon_ms,
                     struct dl_increment *out);
