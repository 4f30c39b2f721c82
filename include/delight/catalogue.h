/* The catalogue: journeys, their ordered stages, their touchpoints. It fills in
 * stage and journey of events that lack them. Immutable once built. */
#pragma once

#include <delight/event.h>

enum dl_unknown_touchpoint { DL_UNKNOWN_ACCEPT, DL_UNKNOWN_OTHER, DL_UNKNOWN_DEADLETTER };

struct dl_catalogue;

/* NULL: out of memory. */
struct dl_catalogue *dl_catalogue_create(enum dl_unknown_touchpoint unknown);
void dl_catalogue_destroy(struct dl_catalogue *catalogue);

/* Copies the names. stage may have no touchpoints yet (touchpoint.bytes 0).
 * DL_INVALID: the same place stands there already. */
DL_MUST_USE enum dl_status dl_catalogue_add(struct dl_catalogue *catalogue, struct dl_name journey, struct dl_name stage,
                                            struct dl_name touchpoint);

/* Fills in what the event lacks from the first place of its touchpoint that
 * agrees with what the event says; the names filled in live as long as the
 * catalogue. With DL_UNKNOWN_OTHER an unknown touchpoint becomes __other__.
 * Returns DL_REJECT_UNKNOWN_TOUCHPOINT (only with DL_UNKNOWN_DEADLETTER) or
 * DL_ACCEPTED. A NULL or empty catalogue accepts everything. */
enum dl_reject dl_catalogue_apply(const struct dl_catalogue *catalogue, struct dl_event *event);

/* Places in configured order, for cx:meta: index from 0; false past the end. */
bool dl_catalogue_place(const struct dl_catalogue *catalogue, size_t index, struct dl_name *journey, struct dl_name *stage,
                        struct dl_name *touchpoint);
