/* The sweep: after everything was written, keys and members of this prefix that
 * the engine does not have are removed: subjects that died, windows and measures
 * that are no longer configured, while nobody was writing.
 *
 *   SCAN ─► keys ─► dead: removed by the fenced script
 *    ▲       │ sets and ranks: SSCAN, ZSCAN ─► members ─► dead: removed
 *    └───────┘
 *
 * What is dead is decided when its removal is put into the stream, so a subject
 * that comes to life after that is written after it. */
#include "view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCAN_COUNT = 1000, MEMBERS_PER_COMMAND = 100 };

static bool push(struct dl_bytes *list, const char *data, size_t bytes)
{
    return dl_bytes_append(list, (const char *)&bytes, sizeof bytes) && dl_bytes_append(list, data, bytes);
}

static const char *pop(struct dl_bytes *list, size_t *bytes)
{
    if (list->start == list->end)
        return NULL;
    memcpy(bytes, list->data + list->start, sizeof *bytes);
    const char *data = list->data + list->start + sizeof *bytes;
    list->start += sizeof *bytes + *bytes;
    return data;
}

static void clear(struct dl_bytes *list)
{
    list->start = list->end = 0;
}

void dl_sweep_stop(struct dl_view *view)
{
    view->sweep.state = DL_SWEEP_IDLE;
    view->sweep.restart = false;
    clear(&view->sweep.keys);
    clear(&view->sweep.members);
}

void dl_sweep_start(struct dl_view *view)
{
    struct dl_sweep *sweep = &view->sweep;
    dl_sweep_stop(view);
    sweep->removed = 0;
    sweep->restart = sweep->asked;
    sweep->state = DL_SWEEP_SCAN;
    snprintf(sweep->cursor, sizeof sweep->cursor, "0");
}

void dl_sweep_deinit(struct dl_view *view)
{
    dl_bytes_free(&view->sweep.keys);
    dl_bytes_free(&view->sweep.members);
    dl_bytes_free(&view->sweep.set);
}

static void refused(struct dl_view *view, const char *why)
{
    struct dl_sweep *sweep = &view->sweep;
    dl_sweep_stop(view);
    if (!sweep->told)
        dl_note(view->options.redis.notes, DL_NOTE_WARNING, "stale keys in redis cannot be looked for", DL_TEXT("detail", why));
    sweep->told = true;
}

/* [cursor, [element …]]: into the list. step: 2 where every second element is a score. */
static bool collect(const redisReply *reply, char *cursor, size_t cursor_size, struct dl_bytes *list, size_t step)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 || reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_ARRAY)
        return false;
    snprintf(cursor, cursor_size, "%s", reply->element[0]->str);
    const redisReply *elements = reply->element[1];
    clear(list);
    for (size_t i = 0; i < elements->elements; i += step)
        if (elements->element[i]->type != REDIS_REPLY_STRING ||
            !push(list, elements->element[i]->str, (size_t)elements->element[i]->len))
            return false;
    return true;
}

static void on_scan(void *context, const redisReply *reply)
{
    struct dl_view *view = context;
    struct dl_sweep *sweep = &view->sweep;
    sweep->asked = false;
    if (!reply || view->closing)
        return;
    if (sweep->restart) {
        sweep->restart = false;
    } else if (sweep->state == DL_SWEEP_SCAN) {
        if (reply->type == REDIS_REPLY_ERROR)
            refused(view, reply->str);
        else if (collect(reply, sweep->cursor, sizeof sweep->cursor, &sweep->keys, 1))
            sweep->state = DL_SWEEP_KEYS;
        else
            refused(view, "an answer of another shape than SCAN gives");
    } else if (sweep->state == DL_SWEEP_MEMBER_SCAN) {
        if (reply->type == REDIS_REPLY_ERROR) {
            sweep->state = DL_SWEEP_KEYS; /* of another type: not ours, or told by the write that fails */
        } else if (collect(reply, sweep->member_cursor, sizeof sweep->member_cursor, &sweep->members, sweep->set_ranks ? 2 : 1))
            sweep->state = DL_SWEEP_MEMBERS;
        else
            refused(view, "an answer of another shape than SSCAN and ZSCAN give");
    }
    dl_view_pump(view);
}

static void ask(struct dl_view *view, size_t argc, const char *const *argv, const size_t *argv_bytes)
{
    enum dl_status status = dl_redis_send(view->redis, argc, argv, argv_bytes, on_scan, view);
    if (status == DL_OK) {
        view->sweep.asked = true;
        view->counts.commands++;
    } else if (status == DL_MEMORY) {
        refused(view, "out of memory");
    } /* else: full, at the next round; away, from the beginning */
}

/* PREFIX:* with the prefix's own * ? [ ] \ taken literally. */
static void ask_keys(struct dl_view *view)
{
    const char *prefix = view->options.prefix;
    char *match = malloc(2 * strlen(prefix) + 3);
    if (!match) {
        refused(view, "out of memory");
        return;
    }
    size_t bytes = 0;
    for (const char *c = prefix; *c; c++) {
        if (strchr("*?[]\\", *c))
            match[bytes++] = '\\';
        match[bytes++] = *c;
    }
    match[bytes++] = ':';
    match[bytes++] = '*';
    char count[16];
    snprintf(count, sizeof count, "%d", SCAN_COUNT);
    const char *argv[] = {"SCAN", view->sweep.cursor, "MATCH", match, "COUNT", count};
    const size_t argv_bytes[] = {4, strlen(view->sweep.cursor), 5, bytes, 5, strlen(count)};
    ask(view, 6, argv, argv_bytes);
    free(match);
}

static void ask_members(struct dl_view *view)
{
    const struct dl_sweep *sweep = &view->sweep;
    char count[16];
    snprintf(count, sizeof count, "%d", SCAN_COUNT);
    const char *argv[] = {sweep->set_ranks ? "ZSCAN" : "SSCAN", sweep->set.data, sweep->member_cursor, "COUNT", count};
    const size_t argv_bytes[] = {5, sweep->set.end, strlen(sweep->member_cursor), 5, strlen(count)};
    ask(view, 5, argv, argv_bytes);
}

static void judge_key(struct dl_view *view)
{
    struct dl_sweep *sweep = &view->sweep;
    size_t bytes;
    const char *key = pop(&sweep->keys, &bytes);
    if (!key) {
        sweep->state = DL_SWEEP_SCAN;
        if (strcmp(sweep->cursor, "0") == 0) {
            dl_note(view->options.redis.notes, DL_NOTE_INFO, "stale keys in redis were looked for",
                    DL_NUMBER("removed", sweep->removed));
            sweep->told = false;
            dl_sweep_stop(view);
        }
        return;
    }
    enum dl_key_kind kind = dl_key_judge(view, key, bytes);
    if (kind == DL_KEY_DEAD) {
        dl_command_begin(view, "UNLINK");
        dl_argument_add(view, key, bytes);
        dl_command_end(view);
        sweep->removed++;
    } else if (kind == DL_KEY_SUBJECTS || kind == DL_KEY_RANK) {
        clear(&sweep->set);
        if (!dl_bytes_append(&sweep->set, key, bytes)) {
            refused(view, "out of memory");
            return;
        }
        sweep->set_ranks = kind == DL_KEY_RANK;
        snprintf(sweep->member_cursor, sizeof sweep->member_cursor, "0");
        sweep->state = DL_SWEEP_MEMBER_SCAN;
    }
}

static void judge_members(struct dl_view *view)
{
    struct dl_sweep *sweep = &view->sweep;
    size_t dead = 0, seen = 0, bytes;
    const char *member;
    while (seen++ < MEMBERS_PER_COMMAND && (member = pop(&sweep->members, &bytes))) {
        if (dl_key_member_live(view, sweep->set.data, sweep->set.end, sweep->set_ranks, member, bytes))
            continue;
        if (dead++ == 0) {
            dl_command_begin(view, sweep->set_ranks ? "ZREM" : "SREM");
            dl_argument_add(view, sweep->set.data, sweep->set.end);
        }
        dl_argument_add(view, member, bytes);
    }
    if (dead > 0)
        dl_command_end(view);
    sweep->removed += (int64_t)dead;
    if (sweep->members.start == sweep->members.end)
        sweep->state = strcmp(sweep->member_cursor, "0") == 0 ? DL_SWEEP_KEYS : DL_SWEEP_MEMBER_SCAN;
}

void dl_sweep_step(struct dl_view *view, size_t under_way_max, size_t steps_max)
{
    struct dl_sweep *sweep = &view->sweep;
    while (sweep->state != DL_SWEEP_IDLE && !sweep->asked && steps_max-- > 0 && dl_chunk_room(view, under_way_max)) {
        switch (sweep->state) {
        case DL_SWEEP_SCAN:
            ask_keys(view);
            return;
        case DL_SWEEP_MEMBER_SCAN:
            ask_members(view);
            return;
        case DL_SWEEP_KEYS:
            judge_key(view);
            break;
        case DL_SWEEP_MEMBERS:
            judge_members(view);
            break;
        case DL_SWEEP_IDLE:
            break;
        }
    }
}
