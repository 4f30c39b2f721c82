#include <delight/ring.h>

#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { CACHE_LINE = 64, SLOTS_MAX = 1 << 20 };

/* Each side has its own cache line: its index, which only it writes, and what it
 * last saw of the other's, so that it reads the other's line only when the ring
 * looks full (or empty). */
struct dl_ring {
    alignas(CACHE_LINE) _Atomic uint32_t tail; /* producer: next slot to write */
    uint32_t seen_head;
    alignas(CACHE_LINE) _Atomic uint32_t head; /* consumer: next slot to read */
    uint32_t seen_tail;
    alignas(CACHE_LINE) uint32_t mask; /* not written after create: kept off the lines that are */
    alignas(CACHE_LINE) void *slots[];
};

struct dl_ring *dl_ring_create(uint32_t slots, uint32_t start)
{
    DL_ASSERT(slots >= 2 && slots <= SLOTS_MAX && (slots & (slots - 1)) == 0);
    size_t bytes = sizeof(struct dl_ring) + slots * sizeof(void *);
    /* aligned_alloc wants a multiple of the alignment. */
    bytes = (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    struct dl_ring *ring = aligned_alloc(CACHE_LINE, bytes);
    if (ring == NULL)
        return NULL;
    atomic_init(&ring->tail, start);
    atomic_init(&ring->head, start);
    ring->seen_head = start;
    ring->seen_tail = start;
    ring->mask = slots - 1;
    return ring;
}

void dl_ring_destroy(struct dl_ring *ring)
{
    free(ring);
}

enum dl_status dl_ring_push(struct dl_ring *ring, void *item)
{
    DL_ASSERT(item != NULL);
    /* Relaxed: only this thread writes tail, so it reads its own last value. */
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    /* Unsigned distance: right across the wrap-around. */
    if (tail - ring->seen_head > ring->mask) {
        /* Acquire: pairs with the release in pop. The consumer has read the slot before head moved past
         * it, so the slot may be written. */
        ring->seen_head = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (tail - ring->seen_head > ring->mask)
            return DL_FULL;
    }
    ring->slots[tail & ring->mask] = item;
    /* Release: who sees the new tail also sees the slot, and everything written to the item before it. */
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return DL_OK;
}

void *dl_ring_pop(struct dl_ring *ring)
{
    /* Relaxed: only this thread writes head. */
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (head == ring->seen_tail) {
        /* Acquire: pairs with the release in push, so the slots below tail and what they point to are
         * visible here. */
        ring->seen_tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (head == ring->seen_tail)
            return NULL;
    }
    void *item = ring->slots[head & ring->mask];
    /* Release: once head moves, the producer may overwrite the slot just read. */
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return item;
}
