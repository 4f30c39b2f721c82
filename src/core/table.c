#include "table.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MIN = 16 };

static void fill_none(struct dl_table_entry *entries, size_t count)
{
    memset(entries, 0xff, count * sizeof *entries);
}

void dl_table_deinit(struct dl_table *table)
{
    free(table->entries);
    *table = (struct dl_table){.entries = NULL};
}

/* Entries that hold `used` at most three quarters full. */
static size_t entries_for(size_t used)
{
    size_t entries = ENTRIES_MIN;
    while (entries / 4 * 3 < used)
        entries *= 2;
    return entries;
}

size_t dl_table_growth(const struct dl_table *table, uint32_t extra)
{
    size_t entries = table->entries == NULL ? 0 : (size_t)table->mask + 1;
    size_t used = (size_t)table->used + extra;
    return used <= entries / 4 * 3 ? 0 : entries_for(used) * sizeof *table->entries;
}

static void place(struct dl_table *table, uint32_t tag, uint32_t value)
{
    uint32_t at = tag & table->mask;
    while (table->entries[at].value != DL_TABLE_NONE)
        at = (at + 1) & table->mask;
    table->entries[at] = (struct dl_table_entry){.tag = tag, .value = value};
}

enum dl_status dl_table_reserve(struct dl_table *table, uint32_t extra)
{
    size_t bytes = dl_table_growth(table, extra);
    if (bytes == 0)
        return DL_OK;
    size_t entries = bytes / sizeof *table->entries;
    DL_ASSERT(entries <= (size_t)1 << 30);
    struct dl_table larger = {.entries = malloc(bytes), .mask = (uint32_t)(entries - 1), .used = table->used};
    if (larger.entries == NULL)
        return DL_MEMORY;
    fill_none(larger.entries, entries);
    for (size_t at = 0; table->entries != NULL && at <= table->mask; at++)
        if (table->entries[at].value != DL_TABLE_NONE)
            place(&larger, table->entries[at].tag, table->entries[at].value);
    free(table->entries);
    *table = larger;
    return DL_OK;
}

void dl_table_put(struct dl_table *table, uint64_t hash, uint32_t value)
{
    DL_ASSERT(value != DL_TABLE_NONE && table->entries != NULL && table->used < (table->mask / 4 + 1) * 3);
    place(table, (uint32_t)hash, value);
    table->used++;
}

static uint32_t find_entry(const struct dl_table *table, uint32_t tag, uint32_t value)
{
    DL_ASSERT(table->entries != NULL);
    uint32_t at = tag & table->mask;
    while (table->entries[at].value != value || table->entries[at].tag != tag) {
        DL_ASSERT(table->entries[at].value != DL_TABLE_NONE);
        at = (at + 1) & table->mask;
    }
    return at;
}

void dl_table_remove(struct dl_table *table, uint64_t hash, uint32_t value)
{
    uint32_t hole = find_entry(table, (uint32_t)hash, value);
    /* Entries behind the hole move into it where that brings them no further
     * forward than their home, so that no look-up meets a none too early. */
    for (uint32_t at = (hole + 1) & table->mask; table->entries[at].value != DL_TABLE_NONE; at = (at + 1) & table->mask) {
        uint32_t home = table->entries[at].tag & table->mask;
        if (((at - home) & table->mask) >= ((at - hole) & table->mask)) {
            table->entries[hole] = table->entries[at];
            hole = at;
        }
    }
    table->entries[hole].value = DL_TABLE_NONE;
    table->used--;
}

void dl_table_clear(struct dl_table *table)
{
    if (table->entries != NULL)
        fill_none(table->entries, (size_t)table->mask + 1);
    table->used = 0;
}
