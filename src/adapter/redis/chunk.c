#include "view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Building ---- */

bool dl_builder_grow(void **array, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return true;
    size_t wanted = *capacity ? *capacity * 2 : 256;
    void *grown = realloc(*array, wanted * size);
    if (!grown)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

void dl_argument_begin(struct dl_view *view)
{
    struct dl_builder *builder = &view->builder;
    void *args = builder->args;
    if (!dl_builder_grow(&args, &builder->arg_capacity, builder->arg_count, sizeof *builder->args)) {
        builder->failed = true;
        return;
    }
    builder->args = args;
    builder->args[builder->arg_count++] = (struct dl_argument){.offset = builder->text.end};
}

void dl_argument_append(struct dl_view *view, const char *data, size_t bytes)
{
    struct dl_builder *builder = &view->builder;
    if (!dl_bytes_append(&builder->text, data, bytes))
        builder->failed = true;
}

void dl_argument_end(struct dl_view *view)
{
    struct dl_builder *builder = &view->builder;
    if (builder->failed)
        return;
    struct dl_argument *last = &builder->args[builder->arg_count - 1];
    last->bytes = builder->text.end - last->offset;
}

void dl_argument_add(struct dl_view *view, const char *data, size_t bytes)
{
    dl_argument_begin(view);
    dl_argument_append(view, data, bytes);
    dl_argument_end(view);
}

void dl_argument_text(struct dl_view *view, const char *text)
{
    dl_argument_add(view, text, strlen(text));
}

void dl_argument_number(struct dl_view *view, int64_t number)
{
    char text[24];
    int bytes = snprintf(text, sizeof text, "%" PRId64, number);
    dl_argument_add(view, text, (size_t)bytes);
}

void dl_command_begin(struct dl_view *view, const char *name)
{
    struct dl_builder *builder = &view->builder;
    builder->command_arg = builder->arg_count;
    dl_argument_add(view, "", 0); /* the count of words; known at the end */
    dl_argument_text(view, name);
}

void dl_command_end(struct dl_view *view)
{
    struct dl_builder *builder = &view->builder;
    if (builder->failed)
        return;
    char text[24];
    int bytes = snprintf(text, sizeof text, "%zu", builder->arg_count - builder->command_arg - 1);
    builder->args[builder->command_arg] = (struct dl_argument){.offset = builder->text.end, .bytes = (size_t)bytes};
    dl_argument_append(view, text, (size_t)bytes);
    builder->commands++;
}

void dl_chunk_item(struct dl_view *view, int64_t id, int window)
{
    struct dl_builder *builder = &view->builder;
    void *items = builder->items;
    if (!dl_builder_grow(&items, &builder->item_capacity, builder->item_count, sizeof *builder->items)) {
        /* Its views could not be told apart any more: give the chunk up and write everything again. */
        builder->failed = true;
        view->republish = true;
        return;
    }
    builder->items = items;
    builder->items[builder->item_count++] =
        (struct dl_chunk_item){.id = id, .window = window, .command = (uint32_t)builder->commands};
}

void dl_builder_clear(struct dl_view *view)
{
    struct dl_builder *builder = &view->builder;
    builder->text.start = builder->text.end = 0;
    builder->arg_count = builder->item_count = builder->commands = builder->fields = 0;
    builder->failed = builder->stalled = false;
    dl_members_clear(view);
}

/* ---- Replies ---- */

static void chunk_free(struct dl_chunk *chunk)
{
    struct dl_view *view = chunk->view;
    chunk->under_way = false;
    chunk->item_count = 0;
    chunk->next = view->free_chunks;
    view->free_chunks = chunk;
    view->under_way--;
}

/* Nothing or anything of it was written. */
static void doubt_items(struct dl_view *view, const struct dl_chunk_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].id >= 0)
            dl_view_doubt(view, items[i].id, items[i].window);
        else
            view->meta_whole = view->meta_due = true;
    }
}

static void on_confirmed(struct dl_chunk *chunk, const redisReply *reply)
{
    struct dl_view *view = chunk->view;
    size_t item = 0;
    for (size_t i = 1; i < reply->elements; i++) {
        const redisReply *missing = reply->element[i];
        while (item < chunk->item_count && chunk->items[item].command < (uint64_t)missing->integer)
            item++;
        if (item < chunk->item_count && chunk->items[item].command == (uint64_t)missing->integer)
            doubt_items(view, &chunk->items[item], 1);
    }
    if (chunk->epoch == view->epoch && view->sweep_armed && chunk->sequence >= view->sweep_after) {
        view->sweep_armed = false;
        dl_sweep_start(view);
    }
    view->counts.last_publish_ms = dl_view_wall(view);
    if (chunk->item_count > 0)
        dl_durations_add(&view->counts.changes, (int64_t)(dl_view_now(view) - chunk->since_ms) * 1000000);
    if (view->fenced) {
        view->fenced = false;
        view->republish = true;
        dl_note(view->options.redis.notes, DL_NOTE_NOTICE, "the other process has gone; this one publishes again",
                DL_TEXT("prefix", view->options.prefix));
    }
    uint64_t calm_ms = (uint64_t)(view->retry_ms * 2 > 1000 ? view->retry_ms * 2 : 1000);
    if (view->failing && dl_view_now(view) - view->failed_ms >= calm_ms) {
        view->failing = false;
        view->retry_ms = DL_VIEW_RETRY_MS_MIN;
        view->refused[0] = '\0';
        dl_note(view->options.redis.notes, DL_NOTE_NOTICE, "redis takes what is published again");
        if (view->sweep_after_failing) {
            view->sweep_after_failing = false;
            dl_sweep_start(view);
        }
    }
}

static void on_fenced(struct dl_view *view, const redisReply *reply)
{
    view->counts.fenced++;
    if (view->fenced)
        return;
    view->fenced = true;
    view->fenced_look_ms = dl_view_now(view) + DL_FENCED_LOOK_MS;
    view->quota = view->quota_first = 0;
    dl_sweep_stop(view);
    dl_builder_clear(view);
    const char *owner = reply->elements > 1 && reply->element[1]->type == REDIS_REPLY_STRING ? reply->element[1]->str : "?";
    dl_note(view->options.redis.notes, DL_NOTE_ERROR,
            "another process publishes under this prefix with a newer token; this one waits until it has gone "
            "(tokens are start times: a clock that was ahead looks the same, for a minute)",
            DL_TEXT("prefix", view->options.prefix), DL_TEXT("token", view->token), DL_TEXT("owner", owner));
}

static void on_forgotten(struct dl_chunk *chunk)
{
    struct dl_view *view = chunk->view;
    if (chunk->epoch != view->epoch || view->republish)
        return; /* sent before we knew */
    if (!view->known) {
        /* The chunk that was to write the owner was refused, and this one came behind it. */
        doubt_items(view, chunk->items, chunk->item_count);
        return;
    }
    view->counts.forgotten++;
    view->republish = true;
    dl_note(view->options.redis.notes, DL_NOTE_NOTICE, "redis has forgotten the scores; all of them are written again");
}

static void on_chunk(void *context, const redisReply *reply)
{
    struct dl_chunk *chunk = context;
    struct dl_view *view = chunk->view;
    if (!reply || view->closing) {
        chunk_free(chunk); /* the link is down: when it is up, everything is written again */
        return;
    }
    dl_durations_add(&view->counts.round_trips, (int64_t)(uv_hrtime() - chunk->sent_ns));
    bool answer = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 && reply->element[0]->type == REDIS_REPLY_STRING;
    const char *word = answer ? reply->element[0]->str : "";
    if (strcmp(word, "ok") == 0) {
        on_confirmed(chunk, reply);
    } else if (strcmp(word, "fenced") == 0) {
        on_fenced(view, reply);
    } else if (strcmp(word, "forgotten") == 0) {
        on_forgotten(chunk);
    } else {
        view->counts.errors++;
        doubt_items(view, chunk->items, chunk->item_count);
        if (chunk->first && chunk->epoch == view->epoch)
            view->known = false;
        if (chunk->since_ms < view->quota_since_ms || view->quota == 0)
            view->quota_since_ms = chunk->since_ms;
        /* A fault of the whole server is the link's to tell and to mend. */
        if (reply->type != REDIS_REPLY_ERROR)
            dl_view_refused(view, "an answer of another shape than the script gives");
        else if (dl_fault_of_error(reply->str) == DL_FAULT_NONE)
            dl_view_refused(view, dl_fault_script_error(reply->str));
    }
    chunk_free(chunk);
    dl_view_pump(view);
}

/* ---- Sending ---- */

static bool argv_reserve(struct dl_builder *builder, size_t count)
{
    if (builder->argv_capacity >= count)
        return true;
    size_t capacity = count * 2;
    const char **argv = realloc(builder->argv, capacity * sizeof *argv);
    if (argv)
        builder->argv = argv;
    size_t *argv_bytes = realloc(builder->argv_bytes, capacity * sizeof *argv_bytes);
    if (argv_bytes)
        builder->argv_bytes = argv_bytes;
    if (!argv || !argv_bytes)
        return false;
    builder->argv_capacity = capacity;
    return true;
}

static enum dl_status send_built(struct dl_view *view, struct dl_chunk *chunk)
{
    struct dl_builder *builder = &view->builder;
    enum { HEAD = 6 };
    size_t count = HEAD + builder->arg_count;
    if (builder->failed || !argv_reserve(builder, count))
        return DL_MEMORY;
    const char *head[HEAD] = {"EVAL", dl_fence_script, "1", view->owner_key.data, view->token, view->known ? "1" : "0"};
    for (size_t i = 0; i < HEAD; i++) {
        builder->argv[i] = head[i];
        builder->argv_bytes[i] = i == 3 ? view->owner_key.end : strlen(head[i]);
    }
    for (size_t i = 0; i < builder->arg_count; i++) {
        builder->argv[HEAD + i] = builder->text.data + builder->args[i].offset;
        builder->argv_bytes[HEAD + i] = builder->args[i].bytes;
    }
    return dl_redis_send(view->redis, count, builder->argv, builder->argv_bytes, on_chunk, chunk);
}

bool dl_chunk_send(struct dl_view *view)
{
    struct dl_builder *builder = &view->builder;
    dl_members_end(view);
    struct dl_chunk *chunk = view->free_chunks;
    if (!chunk) {
        builder->stalled = true;
        return false;
    }
    size_t buffered = dl_redis_buffered(view->redis);
    enum dl_status status = send_built(view, chunk);
    if (status == DL_FULL) {
        builder->stalled = true;
        return false;
    }
    if (status != DL_OK) {
        doubt_items(view, builder->items, builder->item_count);
        dl_builder_clear(view);
        if (status == DL_MEMORY)
            dl_view_refused(view, "out of memory");
        return false;
    }
    view->counts.commands += (int64_t)builder->commands;
    view->counts.fields += (int64_t)builder->fields;
    view->counts.bytes += (int64_t)(dl_redis_buffered(view->redis) - buffered);
    view->free_chunks = chunk->next;
    view->under_way++;
    view->beat_due = false;
    chunk->under_way = true;
    chunk->first = !view->known;
    /* From now on, not from its answer: were the chunks right behind it to accept a missing owner,
     * a FLUSHALL between them would go unnoticed. */
    view->known = true;
    chunk->epoch = view->epoch;
    chunk->sequence = view->next_sequence++;
    chunk->since_ms = view->quota_since_ms;
    chunk->sent_ns = uv_hrtime();
    struct dl_chunk_item *items = chunk->items;
    size_t capacity = chunk->item_capacity;
    chunk->items = builder->items;
    chunk->item_count = builder->item_count;
    chunk->item_capacity = builder->item_capacity;
    builder->items = items;
    builder->item_capacity = capacity;
    dl_builder_clear(view);
    return true;
}

bool dl_chunk_room(struct dl_view *view, size_t under_way_max)
{
    struct dl_builder *builder = &view->builder;
    /* A view's commands stay together, so a chunk is closed while one more view fits. */
    if (builder->stalled || builder->failed || builder->commands + builder->group_count >= DL_CHUNK_COMMANDS_MAX * 3 / 4 ||
        builder->text.end >= DL_CHUNK_BYTES_MAX * 3 / 4) {
        if (!dl_chunk_send(view))
            return false;
    }
    if (view->failing)
        under_way_max = 1;
    if (view->under_way == 0)
        return true;
    return view->under_way < under_way_max &&
           dl_redis_buffered(view->redis) + DL_CHUNK_BYTES_MAX <= view->options.redis.buffer_bytes_max;
}

bool dl_chunk_init(struct dl_view *view)
{
    for (size_t i = 0; i < DL_CHUNKS_MAX; i++) {
        view->chunks[i].view = view;
        view->chunks[i].next = view->free_chunks;
        view->free_chunks = &view->chunks[i];
    }
    return dl_bytes_reserve(&view->builder.text, (size_t)2 * DL_CHUNK_BYTES_MAX);
}

void dl_chunk_deinit(struct dl_view *view)
{
    struct dl_builder *builder = &view->builder;
    for (size_t i = 0; i < DL_CHUNKS_MAX; i++)
        free(view->chunks[i].items);
    dl_bytes_free(&builder->text);
    free(builder->args);
    free(builder->items);
    free(builder->members);
    free(builder->argv);
    free(builder->argv_bytes);
}
