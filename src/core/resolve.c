#include "resolve.h"

#include <string.h>

static enum dl_status resolve_name(struct dl_registry *registry, int space, struct dl_name name, uint32_t *id, bool *over)
{
    *id = DL_NO_NAME;
    return name.bytes == 0 ? DL_OK : dl_registry_name(registry, space, name, id, over);
}

static enum dl_status resolve_names(struct dl_registry *registry, const struct dl_cell *cell, struct dl_resolved *resolved)
{
    bool *over = resolved->over_cap;
    enum dl_status status =
        resolve_name(registry, DL_SPACE_TOUCHPOINT, cell->touchpoint, &resolved->touchpoint, &over[DL_KIND_TOUCHPOINT]);
    if (status == DL_OK)
        status = resolve_name(registry, DL_SPACE_STAGE, cell->stage, &resolved->stage, &over[DL_KIND_STAGE]);
    if (status == DL_OK)
        status = resolve_name(registry, DL_SPACE_JOURNEY, cell->journey, &resolved->journey, &over[DL_KIND_JOURNEY]);
    if (status == DL_OK)
        status = resolve_name(registry, DL_SPACE_FEATURE, cell->feature, &resolved->feature, &over[DL_KIND_FEATURE]);
    for (int i = 0; i < registry->segments && status == DL_OK; i++) {
        bool over_value = false;
        status = resolve_name(registry, DL_SPACE_SEGMENTS + i, cell->segment[i], &resolved->value[i], &over_value);
        resolved->over_segment_values += over_value;
    }
    return status;
}

static enum dl_status resolve_subject(struct dl_registry *registry, struct dl_resolved *resolved, enum dl_kind kind,
                                      int segment, uint32_t first, uint32_t second)
{
    const struct dl_subject_key key = {.kind = (uint8_t)kind, .segment = (int8_t)segment, .first = first, .second = second,
                                       .value = segment < 0 ? DL_NO_NAME : resolved->value[segment]};
    bool over = false;
    uint32_t id;
    enum dl_status status = dl_registry_subject(registry, &key, &id, &over);
    if (status != DL_OK)
        return status;
    resolved->subject[resolved->shared + resolved->own] = id;
    if (kind == DL_KIND_TOUCHPOINT) {
        resolved->own++;
    } else {
        /* It changes places with the first of its own. */
        resolved->subject[resolved->shared + resolved->own] = resolved->subject[resolved->shared];
        resolved->subject[resolved->shared++] = id;
    }
    resolved->over_subjects += over;
    return status;
}

/* The subjects of a cell with or without one of its segment values. */
static enum dl_status resolve_subjects(struct dl_registry *registry, struct dl_resolved *resolved, int segment)
{
    if (resolved->feature != DL_NO_NAME)
        return resolve_subject(registry, resolved, DL_KIND_FEATURE, segment, resolved->feature, DL_NO_NAME);
    enum dl_status status = resolve_subject(registry, resolved, DL_KIND_ALL, segment, DL_NO_NAME, DL_NO_NAME);
    if (status == DL_OK && resolved->touchpoint != DL_NO_NAME)
        status = resolve_subject(registry, resolved, DL_KIND_TOUCHPOINT, segment, resolved->touchpoint, DL_NO_NAME);
    if (status == DL_OK && resolved->stage != DL_NO_NAME)
        status = resolve_subject(registry, resolved, DL_KIND_STAGE, segment, resolved->stage, DL_NO_NAME);
    if (status == DL_OK && resolved->journey != DL_NO_NAME)
        status = resolve_subject(registry, resolved, DL_KIND_JOURNEY, segment, resolved->journey, DL_NO_NAME);
    if (status == DL_OK && resolved->journey != DL_NO_NAME && resolved->stage != DL_NO_NAME)
        status = resolve_subject(registry, resolved, DL_KIND_JOURNEY_STAGE, segment, resolved->journey, resolved->stage);
    return status;
}

/* Names that no subject took (over the cap of subjects) must not fill theirs. */
static void drop_unused_names(struct dl_registry *registry, const struct dl_resolved *resolved)
{
    const uint32_t names[] = {resolved->touchpoint, resolved->stage, resolved->journey, resolved->feature};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i] != DL_NO_NAME)
            dl_registry_drop_name(registry, names[i]);
    for (int i = 0; i < registry->segments; i++)
        if (resolved->value[i] != DL_NO_NAME)
            dl_registry_drop_name(registry, resolved->value[i]);
}

enum dl_status dl_resolve(struct dl_registry *registry, const struct dl_cell *cell, struct dl_resolved *resolved)
{
    resolved->shared = resolved->own = 0;
    resolved->over_segment_values = resolved->over_subjects = 0;
    memset(resolved->over_cap, 0, sizeof resolved->over_cap);
    enum dl_status status = resolve_names(registry, cell, resolved);
    if (status == DL_OK)
        status = resolve_subjects(registry, resolved, -1);
    for (int i = 0; i < registry->segments && status == DL_OK; i++)
        if (resolved->value[i] != DL_NO_NAME)
            status = resolve_subjects(registry, resolved, i);
    if (status == DL_OK)
        drop_unused_names(registry, resolved);
    return status;
}
