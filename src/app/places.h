/* Places of a topic as a command line gives them: "0:57,1:63" is partition 0 at
 * offset 57 and partition 1 at offset 63. Pure. */
#pragma once

#include <delight/status.h>

#include <stddef.h>
#include <stdint.h>

struct dl_place {
    int32_t partition;
    int64_t offset;
};

struct dl_places {
    struct dl_place *item;
    size_t count;
};

/* DL_INVALID: not such a text, or one partition twice while `distinct`. DL_MEMORY.
 * Then there is nothing to be freed. */
DL_MUST_USE enum dl_status dl_places_parse(struct dl_places *places, const char *text, bool distinct);
void dl_places_deinit(struct dl_places *places);

/* The offset of the first place of the partition, -1: none. */
int64_t dl_places_offset(const struct dl_places *places, int32_t partition);
bool dl_places_hold(const struct dl_places *places, int32_t partition, int64_t offset);
