/* From a full name back to its subject: the inverse of what the registry writes.
 * Internal to the engine. */
#pragma once

#include "subject.h"

/* What a full name is made of. */
struct dl_subject_parts {
    enum dl_kind kind;
    int segment;                        /* -1: none */
    struct dl_name first, second, value; /* decoded; no bytes where the kind has none */
    char bytes[3][DL_NAME_BYTES_MAX];   /* what the names point into */
};

/* False: the registry would never write such a name, or not with its segments.
 * (Whether the names in it are UTF-8 is not looked at.) */
bool dl_subject_parse(const struct dl_registry *registry, struct dl_name full, struct dl_subject_parts *parts);
/* The subject, made if there is none, whatever the caps. */
DL_MUST_USE enum dl_status dl_subject_restore(struct dl_registry *registry, const struct dl_subject_parts *parts,
                                              uint32_t *id);
