#include "places.h"

#include <errno.h>
#include <stdlib.h>

/* A whole number without sign, up to max, that ends at `end`. */
static bool take_number(const char **text, char end, long long max, long long *number)
{
    char *stop;
    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    *number = strtoll(*text, &stop, 10);
    if (errno != 0 || *number > max || (*stop != end && *stop != '\0') || (end == ':' && *stop != ':'))
        return false;
    *text = *stop == '\0' ? stop : stop + 1;
    return true;
}

static enum dl_status take_place(struct dl_places *places, const char **text, bool distinct)
{
    long long partition, offset;
    if (!take_number(text, ':', INT32_MAX, &partition) || !take_number(text, ',', INT64_MAX - 1, &offset))
        return DL_INVALID;
    if (distinct && dl_places_offset(places, (int32_t)partition) >= 0)
        return DL_INVALID;
    struct dl_place *grown = realloc(places->item, (places->count + 1) * sizeof *grown);
    if (grown == NULL)
        return DL_MEMORY;
    places->item = grown;
    grown[places->count++] = (struct dl_place){(int32_t)partition, offset};
    return DL_OK;
}

enum dl_status dl_places_parse(struct dl_places *places, const char *text, bool distinct)
{
    enum dl_status status = DL_OK;
    *places = (struct dl_places){0};
    do
        status = take_place(places, &text, distinct);
    while (status == DL_OK && (*text != '\0' || text[-1] == ','));
    if (status != DL_OK)
        dl_places_deinit(places);
    return status;
}

void dl_places_deinit(struct dl_places *places)
{
    free(places->item);
    *places = (struct dl_places){0};
}

int64_t dl_places_offset(const struct dl_places *places, int32_t partition)
{
    for (size_t i = 0; i < places->count; i++)
        if (places->item[i].partition == partition)
            return places->item[i].offset;
    return -1;
}

bool dl_places_hold(const struct dl_places *places, int32_t partition, int64_t offset)
{
    for (size_t i = 0; i < places->count; i++)
        if (places->item[i].partition == partition && places->item[i].offset == offset)
            return true;
    return false;
}
