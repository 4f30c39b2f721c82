/* Messages that are no events: one row per way of being wrong, for every reason of the contract. */
#pragma once

#include "encode.h"
#include "message.h"
#include "settings.h"

#include <stdbool.h>
#include <stddef.h>

struct ld_malformed {
    const struct ld_encoder *encoder; /* its buffer holds the value */
    const struct ld_settings *settings;
    bool is_for_file; /* only what fits into one non-empty line */
    bool has_unknown_touchpoint;
    size_t *rows; /* those in use */
    size_t row_count;
};

void ld_malformed_init(struct ld_malformed *malformed, const struct ld_encoder *encoder,
                       const struct ld_settings *settings, bool is_for_file);
void ld_malformed_deinit(struct ld_malformed *malformed);

/* Fills value, key and reason of *message from row `row` of malformed->rows. `time_ms` is an acceptable event time. */
void ld_malformed_make(const struct ld_malformed *malformed, size_t row, int64_t time_ms, uint64_t noise,
                       struct ld_message *message);
