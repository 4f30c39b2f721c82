/* Whether two decoders read the same. */
#pragma once

#include <delight/event.h>

static inline bool same_event(const struct dl_event *a, const struct dl_event *b, int segments)
{
    bool same = a->type == b->type && a->sign == b->sign && a->time_ms == b->time_ms && dl_name_equal(a->id, b->id) &&
                dl_name_equal(a->touchpoint, b->touchpoint) && dl_name_equal(a->stage, b->stage) &&
                dl_name_equal(a->journey, b->journey) && a->nps == b->nps && a->csat == b->csat && a->ces == b->ces &&
                a->expectation == b->expectation && a->kano_count == b->kano_count && a->outcome == b->outcome &&
                a->wait_ms == b->wait_ms && a->handle_ms == b->handle_ms && a->first_contact == b->first_contact &&
                a->resolvable == b->resolvable && a->closed == b->closed && a->satisfied == b->satisfied &&
                a->duration_ms == b->duration_ms;
    for (int i = 0; same && i < segments; i++)
        same = dl_name_equal(a->segment[i], b->segment[i]);
    for (int i = 0; same && i < a->kano_count; i++)
        same = a->kano[i].category == b->kano[i].category && dl_name_equal(a->kano[i].feature, b->kano[i].feature);
    return same;
}
