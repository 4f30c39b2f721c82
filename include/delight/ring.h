/* Single-producer, single-consumer ring of pointers: the only thing that two
 * threads share. Lock-free, wait-free, C11 atomics.
 *
 *    head (consumer)          tail (producer)
 *      ▼                        ▼
 *    ──┬────┬────┬────┬────┬────┬────┬──   slots = power of two; head and tail
 *      │ a  │ b  │ c  │ d  │ e  │    │     only grow and wrap at 2^32
 *    ──┴────┴────┴────┴────┴────┴────┴── */
#pragma once

#include <delight/status.h>

#include <stdint.h>

struct dl_ring;

/* slots: a power of two, 2..2^20. start: where head and tail begin (tests start
 * just below the wrap-around). NULL: out of memory. */
struct dl_ring *dl_ring_create(uint32_t slots, uint32_t start);
/* The ring must be empty of what needs freeing: it does not own what was pushed. */
void dl_ring_destroy(struct dl_ring *ring);

/* Producer thread only. DL_FULL: nothing was written; the caller keeps item. */
DL_MUST_USE enum dl_status dl_ring_push(struct dl_ring *ring, void *item);
/* Consumer thread only. NULL: empty. */
void *dl_ring_pop(struct dl_ring *ring);
