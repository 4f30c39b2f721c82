#include "known.h"

#include "key.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    CELLS_BYTES_FIRST = 4096,
    CELLS_BYTES_MAX = 16 << 20, /* of the entries */
    REFUSED_BYTES_MAX = 4 * CELLS_BYTES_MAX
};
static_assert(DL_CELL_SUBJECTS_MAX <= UINT8_MAX, "their number fits");
static_assert(DL_CELL_KEY_MAX <= UINT16_MAX, "a key's length fits");
static_assert(sizeof(struct dl_known_cell) % DL_KNOWN_STEP == 0, "entries are aligned");

size_t dl_cell_key(const struct dl_registry *registry, const struct dl_cell *cell, unsigned char *key)
{
    unsigned char *at = dl_key_put(key, cell->touchpoint);
    at = dl_key_put(at, cell->stage);
    at = dl_key_put(at, cell->journey);
    at = dl_key_put(at, cell->feature);
    for (int i = 0; i < registry->segments; i++)
        at = dl_key_put(at, cell->segment[i]);
    return (size_t)(at - key);
}

void dl_cell_of_key(const struct dl_registry *registry, const unsigned char *key, struct dl_cell *cell)
{
    *cell = (struct dl_cell){.touchpoint = {.data = NULL}};
    key = dl_key_take(key, &cell->touchpoint);
    key = dl_key_take(key, &cell->stage);
    key = dl_key_take(key, &cell->journey);
    key = dl_key_take(key, &cell->feature);
    for (int i = 0; i < registry->segments; i++)
        key = dl_key_take(key, &cell->segment[i]);
}

static uint32_t lives_of(const struct dl_registry *registry, const uint32_t *subject, size_t subjects)
{
    uint32_t lives = 0;
    for (size_t i = 0; i < subjects; i++)
        lives += registry->marks[subject[i]].life;
    return lives;
}

static struct dl_known_cell *at_place(const struct dl_registry *registry, uint32_t place)
{
    return (void *)(registry->known.cells + (size_t)place * DL_KNOWN_STEP);
}

static struct dl_known_cell *find(const struct dl_registry *registry, uint64_t hash, const unsigned char *key, size_t key_bytes)
{
    struct dl_table_cursor cursor = dl_table_look(&registry->known.table, hash);
    for (uint32_t place; (place = dl_table_next(&registry->known.table, &cursor)) != DL_TABLE_NONE;) {
        struct dl_known_cell *cell = at_place(registry, place);
        if (cell->key_bytes == key_bytes && memcmp(&cell->subject[cell->shared + cell->own], key, key_bytes) == 0)
            return cell;
    }
    return NULL;
}

const struct dl_known_cell *dl_known_find(const struct dl_registry *registry, uint64_t hash, const unsigned char *key,
                                          size_t key_bytes)
{
    const struct dl_known_cell *cell = find(registry, hash, key, key_bytes);
    return cell != NULL && cell->lives == lives_of(registry, cell->subject, (size_t)cell->shared + cell->own) ? cell : NULL;
}

/* DL_FULL: they take what they may, and what is there stays: batches bring their cells in the same order, so that to make room
 * for one would be to lose the one that comes next. After many that found no room all are forgotten, and those that are
 * still needed come again: what has filled it may be cells of another day. */
static enum dl_status reserve(struct dl_registry *registry, size_t bytes)
{
    struct dl_known_cells *known = &registry->known;
    if (known->bytes + bytes > CELLS_BYTES_MAX)
        return DL_FULL;
    if (known->bytes + bytes > known->capacity) {
        size_t larger = known->capacity == 0 ? CELLS_BYTES_FIRST : known->capacity * 2;
        unsigned char *cells = realloc(known->cells, larger);
        if (cells == NULL)
            return DL_MEMORY;
        registry->bytes += dl_block_bytes(larger) - dl_block_bytes(known->capacity);
        known->cells = cells;
        known->capacity = larger;
    }
    int64_t before = dl_block_bytes(dl_table_bytes(&known->table));
    enum dl_status status = dl_table_reserve(&known->table, 1);
    registry->bytes += dl_block_bytes(dl_table_bytes(&known->table)) - before;
    return status;
}

void dl_known_keep(struct dl_registry *registry, uint64_t hash, const unsigned char *key, size_t key_bytes,
                   const uint32_t *subject, size_t shared, size_t own)
{
    size_t subjects = shared + own;
    struct dl_known_cells *known = &registry->known;
    struct dl_known_cell *cell = find(registry, hash, key, key_bytes);
    if (cell == NULL) {
        size_t bytes = sizeof *cell + subjects * sizeof subject[0] + key_bytes;
        bytes = (bytes + DL_KNOWN_STEP - 1) / DL_KNOWN_STEP * DL_KNOWN_STEP;
        enum dl_status status = reserve(registry, bytes);
        if (status == DL_FULL && (known->refused += bytes) > REFUSED_BYTES_MAX) {
            known->bytes = known->refused = 0;
            dl_table_clear(&known->table);
            status = reserve(registry, bytes);
        }
        if (status != DL_OK)
            return; /* it is looked up again the next time */
        uint32_t place = (uint32_t)(known->bytes / DL_KNOWN_STEP);
        known->bytes += bytes;
        dl_table_put(&known->table, hash, place);
        cell = at_place(registry, place);
        cell->shared = (uint8_t)shared;
        cell->own = (uint8_t)own;
        cell->key_bytes = (uint16_t)key_bytes;
        memcpy(&cell->subject[subjects], key, key_bytes);
    }
    DL_ASSERT(cell->shared == shared && cell->own == own); /* the names say how many */
    memcpy(cell->subject, subject, subjects * sizeof subject[0]);
    cell->lives = lives_of(registry, subject, subjects);
}

void dl_known_deinit(struct dl_known_cells *known)
{
    free(known->cells);
    dl_table_deinit(&known->table);
}
