#include <delight/catalogue.h>

#include "hash.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

struct place {
    struct dl_name journey, stage, touchpoint; /* in one owned block, the journey's */
    uint32_t next; /* place of the same touchpoint, in configured order */
};

struct dl_catalogue {
    enum dl_unknown_touchpoint unknown;
    struct place *places;
    uint32_t count, capacity;
    struct dl_table touchpoints; /* to the touchpoint's first place */
    uint64_t seed;
};
#define NO_PLACE UINT32_MAX

struct dl_catalogue *dl_catalogue_create(enum dl_unknown_touchpoint unknown)
{
    struct dl_catalogue *catalogue = calloc(1, sizeof *catalogue);
    if (catalogue == NULL)
        return NULL;
    catalogue->unknown = unknown;
    catalogue->seed = dl_hash_seed(catalogue);
    return catalogue;
}

void dl_catalogue_destroy(struct dl_catalogue *catalogue)
{
    if (catalogue == NULL)
        return;
    for (uint32_t i = 0; i < catalogue->count; i++)
        free((char *)catalogue->places[i].journey.data);
    free(catalogue->places);
    dl_table_deinit(&catalogue->touchpoints);
    free(catalogue);
}

static uint64_t touchpoint_hash(const struct dl_catalogue *catalogue, struct dl_name touchpoint)
{
    return dl_hash(touchpoint.data, touchpoint.bytes, catalogue->seed);
}

/* The first place of a touchpoint, NO_PLACE if the catalogue does not know it. */
static uint32_t find_touchpoint(const struct dl_catalogue *catalogue, struct dl_name touchpoint)
{
    struct dl_table_cursor cursor = dl_table_look(&catalogue->touchpoints, touchpoint_hash(catalogue, touchpoint));
    for (uint32_t at; (at = dl_table_next(&catalogue->touchpoints, &cursor)) != DL_TABLE_NONE;)
        if (dl_name_equal(catalogue->places[at].touchpoint, touchpoint))
            return at;
    return NO_PLACE;
}

static bool same_place(const struct place *a, const struct place *b)
{
    return dl_name_equal(a->journey, b->journey) && dl_name_equal(a->stage, b->stage)
        && dl_name_equal(a->touchpoint, b->touchpoint);
}

/* Whether the place stands there already. Stages without touchpoints are found
 * by looking at all places: they are few, and only a start looks. */
static bool stands(const struct dl_catalogue *catalogue, const struct place *place)
{
    if (place->touchpoint.bytes == 0) {
        for (uint32_t i = 0; i < catalogue->count; i++)
            if (same_place(&catalogue->places[i], place))
                return true;
        return false;
    }
    for (uint32_t at = find_touchpoint(catalogue, place->touchpoint); at != NO_PLACE; at = catalogue->places[at].next)
        if (same_place(&catalogue->places[at], place))
            return true;
    return false;
}

static struct dl_name copy_name(char **at, struct dl_name name)
{
    if (name.bytes > 0)
        memcpy(*at, name.data, name.bytes);
    struct dl_name copy = {.data = *at, .bytes = name.bytes};
    *at += name.bytes;
    return copy;
}

static enum dl_status reserve_place(struct dl_catalogue *catalogue)
{
    if (catalogue->count == catalogue->capacity) {
        uint32_t capacity = catalogue->capacity == 0 ? 64 : catalogue->capacity * 2;
        struct place *places = realloc(catalogue->places, capacity * sizeof *places);
        if (places == NULL)
            return DL_MEMORY;
        catalogue->places = places;
        catalogue->capacity = capacity;
    }
    return dl_table_reserve(&catalogue->touchpoints, 1);
}

static void link_touchpoint(struct dl_catalogue *catalogue, uint32_t place)
{
    struct dl_name touchpoint = catalogue->places[place].touchpoint;
    if (touchpoint.bytes == 0)
        return;
    uint32_t at = find_touchpoint(catalogue, touchpoint);
    if (at == NO_PLACE) {
        dl_table_put(&catalogue->touchpoints, touchpoint_hash(catalogue, touchpoint), place);
        return;
    }
    while (catalogue->places[at].next != NO_PLACE)
        at = catalogue->places[at].next;
    catalogue->places[at].next = place;
}

enum dl_status dl_catalogue_add(struct dl_catalogue *catalogue, struct dl_name journey, struct dl_name stage,
                                struct dl_name touchpoint)
{
    struct place place = {.journey = journey, .stage = stage, .touchpoint = touchpoint, .next = NO_PLACE};
    if (stands(catalogue, &place))
        return DL_INVALID;
    enum dl_status status = reserve_place(catalogue);
    if (status != DL_OK)
        return status;
    char *names = malloc((size_t)journey.bytes + stage.bytes + touchpoint.bytes + 1);
    if (names == NULL)
        return DL_MEMORY;
    place.journey = copy_name(&names, journey);
    place.stage = copy_name(&names, stage);
    place.touchpoint = copy_name(&names, touchpoint);
    catalogue->places[catalogue->count] = place;
    link_touchpoint(catalogue, catalogue->count++);
    return DL_OK;
}

static bool fits(struct dl_name said, struct dl_name place)
{
    return said.bytes == 0 || dl_name_equal(said, place);
}

enum dl_reject dl_catalogue_apply(const struct dl_catalogue *catalogue, struct dl_event *event)
{
    if (catalogue == NULL || catalogue->count == 0)
        return DL_ACCEPTED;
    uint32_t at = find_touchpoint(catalogue, event->touchpoint);
    if (at == NO_PLACE) {
        if (catalogue->unknown == DL_UNKNOWN_DEADLETTER)
            return DL_REJECT_UNKNOWN_TOUCHPOINT;
        if (catalogue->unknown == DL_UNKNOWN_OTHER)
            event->touchpoint = dl_name_of(DL_NAME_OTHER);
        return DL_ACCEPTED;
    }
    for (; at != NO_PLACE; at = catalogue->places[at].next) {
        const struct place *place = &catalogue->places[at];
        if (fits(event->journey, place->journey) && fits(event->stage, place->stage)) {
            event->journey = place->journey;
            event->stage = place->stage;
            break;
        }
    }
    return DL_ACCEPTED;
}

bool dl_catalogue_place(const struct dl_catalogue *catalogue, size_t index, struct dl_name *journey, struct dl_name *stage,
                        struct dl_name *touchpoint)
{
    if (catalogue == NULL || index >= catalogue->count)
        return false;
    const struct place *place = &catalogue->places[index];
    *journey = place->journey;
    *stage = place->stage;
    *touchpoint = place->touchpoint;
    return true;
}
