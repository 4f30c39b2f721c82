/* Members of sets and ranks. A subject is one member of a dozen of them and there
 * are many subjects: their changes are kept until the chunk ends, and then each set
 * and rank is told of all its members at once.
 *
 *   key ─► group_slots ─► group: first ─► member ─► member …
 *
 * Keys, scores and names lie in the builder's text, as all arguments do. */
#include "view.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

_Static_assert(DL_GROUPS_MAX >= DL_CHUNK_COMMANDS_MAX * 3 / 4 + DL_FIELDS + 1, "a chunk ends before its groups do");

/* Bytes that are no argument yet. */
static struct dl_argument keep(struct dl_view *view, const char *data, size_t bytes)
{
    const struct dl_argument kept = {.offset = view->builder.text.end, .bytes = bytes};
    dl_argument_append(view, data, bytes);
    return kept;
}

static bool is_of(const struct dl_builder *builder, const struct dl_group *group, const struct dl_group *wanted)
{
    return group->removes == wanted->removes && group->key.bytes == wanted->key.bytes &&
           memcmp(builder->text.data + group->key.offset, builder->text.data + wanted->key.offset, wanted->key.bytes) == 0;
}

static struct dl_group *group_of(struct dl_builder *builder, const struct dl_group *wanted)
{
    enum { SLOTS = sizeof builder->group_slots / sizeof builder->group_slots[0] };
    size_t slot = (size_t)XXH3_64bits(builder->text.data + wanted->key.offset, wanted->key.bytes) % SLOTS;
    for (; builder->group_slots[slot] != 0; slot = (slot + 1) % SLOTS) {
        struct dl_group *group = &builder->groups[builder->group_slots[slot] - 1];
        if (is_of(builder, group, wanted)) {
            builder->text.end = wanted->key.offset; /* it is there already */
            return group;
        }
    }
    DL_ASSERT(builder->group_count < DL_GROUPS_MAX);
    struct dl_group *group = &builder->groups[builder->group_count++];
    *group = *wanted;
    builder->group_slots[slot] = (uint16_t)builder->group_count;
    return group;
}

static void add(struct dl_view *view, struct dl_group wanted, const char *score, size_t score_bytes, const char *name,
                size_t bytes)
{
    struct dl_builder *builder = &view->builder;
    void *members = builder->members;
    if (builder->failed)
        return;
    wanted.key = builder->args[--builder->arg_count];
    struct dl_group *group = group_of(builder, &wanted);
    if (!dl_builder_grow(&members, &builder->member_capacity, builder->member_count, sizeof *builder->members)) {
        builder->failed = true;
        return;
    }
    builder->members = members;
    uint32_t place = (uint32_t)builder->member_count++;
    builder->members[place].score = keep(view, score, score_bytes);
    builder->members[place].name = keep(view, name, bytes);
    if (group->count++ == 0)
        group->first = place;
    else
        builder->members[group->last].next = place;
    group->last = place;
}

void dl_member_set(struct dl_view *view, bool removes, const char *name, size_t bytes)
{
    add(view, (struct dl_group){.removes = removes}, "", 0, name, bytes);
}

void dl_member_rank(struct dl_view *view, const char *score, size_t score_bytes, const char *name, size_t bytes)
{
    add(view, (struct dl_group){.removes = score_bytes == 0, .ranks = true}, score, score_bytes, name, bytes);
}

static void add_kept(struct dl_view *view, struct dl_argument argument)
{
    struct dl_builder *builder = &view->builder;
    dl_argument_begin(view);
    if (!builder->failed)
        builder->args[builder->arg_count - 1] = argument;
}

void dl_members_end(struct dl_view *view)
{
    struct dl_builder *builder = &view->builder;
    for (size_t i = 0; i < builder->group_count; i++) {
        const struct dl_group *group = &builder->groups[i];
        dl_command_begin(view, group->ranks ? group->removes ? "ZREM" : "ZADD" : group->removes ? "SREM" : "SADD");
        add_kept(view, group->key);
        uint32_t place = group->first;
        for (uint32_t j = 0; j < group->count; j++, place = builder->members[place].next) {
            if (group->ranks && !group->removes)
                add_kept(view, builder->members[place].score);
            add_kept(view, builder->members[place].name);
        }
        dl_command_end(view);
    }
    dl_members_clear(view);
}

void dl_members_clear(struct dl_view *view)
{
    struct dl_builder *builder = &view->builder;
    if (builder->group_count > 0)
        memset(builder->group_slots, 0, sizeof builder->group_slots);
    builder->group_count = builder->member_count = 0;
}
