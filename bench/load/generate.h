/* Draws the next message: a fresh event, a repeat, a retraction, or something malformed. */
#pragma once

#include "encode.h"
#include "malformed.h"
#include "message.h"
#include "recount.h"
#include "rng.h"
#include "traffic.h"
#include "world.h"

#include <stdbool.h>
#include <stdint.h>

struct ld_generator;

/* `recount` numbers the repeats and may be NULL when nothing is recounted. All pointers must outlive the generator. */
struct ld_generator *ld_generator_create(const struct ld_traffic *traffic, struct ld_world *world,
                                         const struct ld_settings *settings, struct ld_recount *recount);
void ld_generator_destroy(struct ld_generator *generator);

/* Fills *message; value and event stay valid until the next call. `is_counted` is false for a message that is sent to
 * be taken back (an aborted transaction): nothing later refers to it. */
void ld_generator_next(struct ld_generator *generator, int64_t moment_ms, bool is_counted, struct ld_message *message);
