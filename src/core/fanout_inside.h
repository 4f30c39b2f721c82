/* What the parts of the fan-out share: scratch lists and packed tallies in them. */
#pragma once

#include "fanout.h"

#include <string.h>

/* Makes room for `more` items. */
DL_MUST_USE enum dl_status dl_fanout_reserve(struct dl_fanout_list *list, size_t more, size_t size);

/* Packs the sum, which is 0 again afterwards. */
DL_MUST_USE enum dl_status dl_fanout_pack(struct dl_fanout *fanout, uint32_t *place);

/* A borrowed look at a packed tally. */
static inline struct dl_tally dl_fanout_packed(const struct dl_fanout *fanout, uint32_t place)
{
    unsigned char *at = (unsigned char *)fanout->packed.items + place;
    uint16_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    return (struct dl_tally){.data = bytes == 0 ? NULL : at + sizeof bytes, .bytes = bytes, .capacity = bytes};
}

static inline void dl_fanout_add_packed(struct dl_fanout *fanout, uint32_t place)
{
    const struct dl_tally tally = dl_fanout_packed(fanout, place);
    dl_sum_add_packed(&fanout->sum, tally.data, tally.bytes, 1);
}

/* Sorts the steps by time, sums them by what their cells have in common, and gives every subject its own. */
DL_MUST_USE enum dl_status dl_fanout_chain(struct dl_fanout *fanout, struct dl_registry *registry);
