/* The view's inside.
 *
 *   engine's dirty views ─► publish.c: commands of one view ─► builder (one chunk)
 *   meta.c, trends.c, sweep.c ──────────────────────────────►     │ full, or end of the round
 *                                                                 ▼
 *                     EVAL fence script, token, commands ─► link ─► reply: ok | fenced | forgotten | error
 *
 * One round (dl_view_pump) runs at every publish interval and after every reply,
 * and writes at most what was dirty at the interval: a view is published once
 * per interval. It stops where the chunks under way or the link's buffer reach
 * their limit; what was not taken stays dirty in the engine, oldest first. */
#pragma once

#include "link.h"
#include "redis.h"

#include <codec.h>
#include <delight/time.h>

enum {
    DL_CHUNK_COMMANDS_MAX = 400,
    DL_GROUPS_MAX = 512,          /* more than a chunk's commands and the ranks of one view */
    DL_CHUNK_BYTES_MAX = 64 * 1024,
    DL_CHUNKS_MAX = 8,            /* under way; all of them may be made in one turn of the loop */
    DL_ASIDE_CHUNKS_MAX = 4,      /* for trends and the sweep: the next scores wait behind no more */
    DL_ASIDE_EVERY = 32,          /* scores; then, while they do not come to an end, a little of the others */
    DL_ASIDE_TRENDS = 2, DL_ASIDE_SWEEPS = 4,
    DL_CHANGED_KEYS_MAX = 1000,   /* of one message */
    DL_CHANGED_BYTES_MAX = 48 * 1024,
    DL_META_MS = 1000,            /* how often */
    DL_FENCED_LOOK_MS = 5000,
    DL_META_LIFE_MS = 10000,
    DL_VIEW_RETRY_MS_MIN = 100,
    DL_VIEW_RETRY_MS_MAX = 10000,
    DL_WINDOW_TEXT_SIZE = 24
};

/* What the publisher remembers of one view besides what the engine keeps. */
struct dl_mark {
    uint64_t closed;  /* hash over the closed panes that the trend in Redis shows */
    uint32_t pane_s;  /* start of the open pane when that was written, epoch s; 0: no trend written */
    bool full;        /* what is in Redis is not known: write the whole hash */
    bool late;        /* a closed pane changed since the trend was written */
};

/* A view that a chunk writes, or a hash of meta.c (id -1). */
struct dl_chunk_item {
    int64_t id;
    int window;
    uint32_t command; /* index of its HSET in the chunk: the script names those that found no hash */
};

struct dl_chunk {
    struct dl_view *view;
    struct dl_chunk *next; /* in the list of free ones */
    uint64_t epoch, sequence, since_ms;
    uint64_t sent_ns;
    struct dl_chunk_item *items;
    size_t item_count, item_capacity;
    bool under_way;
    bool first; /* of its epoch: it may find no owner */
};

struct dl_argument {
    size_t offset, bytes;
};

/* A set or rank of which members are added or removed: one command for all of a chunk. */
struct dl_group {
    bool removes, ranks;
    struct dl_argument key;
    uint32_t first, last, count; /* of its members */
};

struct dl_member {
    struct dl_argument score; /* no bytes: none */
    struct dl_argument name;
    uint32_t next; /* of the same group */
};

/* The chunk being built. */
struct dl_builder {
    struct dl_bytes text;
    struct dl_argument *args;
    size_t arg_count, arg_capacity;
    size_t command_arg; /* where the open command's count stands */
    size_t commands, fields;
    struct dl_chunk_item *items;
    size_t item_count, item_capacity;
    struct dl_group groups[DL_GROUPS_MAX];
    uint16_t group_slots[2 * DL_GROUPS_MAX]; /* hash table over their keys: index + 1; 0: free */
    size_t group_count;
    struct dl_member *members; /* of all groups */
    size_t member_count, member_capacity;
    const char **argv; /* scratch of the send */
    size_t *argv_bytes;
    size_t argv_capacity;
    bool failed;  /* out of memory */
    bool stalled; /* full, and the link takes nothing now */
};

/* A walk over all subjects for one window: trends and refreshes. */
struct dl_walk {
    int64_t cursor;
    int laps;        /* trends: how often it still has to go round */
    uint32_t pane_s; /* trends: the open pane the laps are for */
    double owed;     /* refreshes: subjects due, not yet visited */
};

enum dl_sweep_state {
    DL_SWEEP_IDLE, DL_SWEEP_SCAN, DL_SWEEP_KEYS, DL_SWEEP_MEMBER_SCAN, DL_SWEEP_MEMBERS
};

struct dl_sweep {
    enum dl_sweep_state state;
    bool asked;      /* a scan is unanswered */
    bool restart;    /* begin anew when it is answered */
    bool told;       /* that scanning is refused */
    char cursor[32], member_cursor[32];
    struct dl_bytes keys, members; /* length (size_t), bytes, length, bytes … */
    struct dl_bytes set;           /* the key whose members are looked at */
    bool set_ranks;
    int64_t removed;
};

struct dl_view {
    uv_loop_t *loop;
    struct dl_redis *redis;
    uv_timer_t meta; /* publishing may be rarer than meta has to be */
    int handles;     /* the link's and the timer's: the view dies when both are closed */
    struct dl_engine *engine;
    struct dl_view_options options; /* texts are copies */
    int *measures;                  /* rank measures, then trend measures */
    char token[24];
    char window_text[DL_WINDOWS_MAX][DL_WINDOW_TEXT_SIZE];
    struct dl_bytes owner_key;

    struct dl_mark *marks; /* [id * windows + window] */
    size_t mark_subjects;

    struct dl_builder builder;
    struct dl_chunk chunks[DL_CHUNKS_MAX];
    struct dl_chunk *free_chunks;
    size_t under_way;
    uint64_t next_sequence;
    struct dl_text changed; /* "[\"key\",\"key\"" */
    size_t changed_keys;
    struct dl_text scratch;

    bool started;    /* dl_view_publish was called */
    bool closing;
    bool left; /* the fence was taken away: nothing more is written */
    bool fenced;
    uint64_t fenced_look_ms; /* when it is tried again whether the other has gone */
    bool republish;  /* Redis may hold anything: write all of it */
    bool known;      /* the owner's key was sent since then, so it must be there */
    bool meta_due, meta_whole, beat_due;
    uint64_t epoch;  /* of republishing; replies to older chunks say nothing about it */
    size_t quota;    /* dirty views that this round may still take */
    uint64_t quota_since_ms; /* when the first of them were due … */
    size_t quota_first;      /* so many; */
    uint64_t rest_since_ms;  /* the others, since an interval that came before the first had been taken */
    size_t republish_left;
    bool sweep_armed; /* when chunk sweep_after is confirmed */
    uint64_t sweep_after;

    /* After a refusal: one chunk at a time, not before hold_until_ms, until it has gone well for a while. */
    bool failing, sweep_after_failing;
    uint64_t hold_until_ms, failed_ms;
    int64_t retry_ms;
    char refused[DL_TLS_FAULT_SIZE]; /* what the operator was told */

    struct dl_walk trends[DL_WINDOWS_MAX], refreshes[DL_WINDOWS_MAX];
    int trend_window; /* whose turn it is */
    size_t since_aside;
    struct dl_sweep sweep;

    int64_t wall_ms;
    uint64_t wall_at_ms; /* loop time */
    struct dl_view_status status;
    char roles[64];
    struct dl_view_counts counts;
    void (*on_closed)(void *context);
    void *closed_context;
};

/* ---- chunk.c ---- */

/* One command: begin, its arguments, end. */
void dl_command_begin(struct dl_view *view, const char *name);
void dl_command_end(struct dl_view *view);
void dl_argument_add(struct dl_view *view, const char *data, size_t bytes);
void dl_argument_text(struct dl_view *view, const char *text);
void dl_argument_number(struct dl_view *view, int64_t number);
/* An argument in pieces. */
void dl_argument_begin(struct dl_view *view);
void dl_argument_append(struct dl_view *view, const char *data, size_t bytes);
void dl_argument_end(struct dl_view *view);
/* Ties a view (or -1) to the command that is open. */
void dl_chunk_item(struct dl_view *view, int64_t id, int window);

/* Whether another view's commands may be added; sends the chunk when it is full. */
bool dl_chunk_room(struct dl_view *view, size_t under_way_max);
/* Sends what was built, even nothing (a heartbeat). false: stalled. */
bool dl_chunk_send(struct dl_view *view);
void dl_builder_clear(struct dl_view *view);
bool dl_builder_grow(void **array, size_t *capacity, size_t count, size_t size);
bool dl_chunk_init(struct dl_view *view);
void dl_chunk_deinit(struct dl_view *view);

extern const char dl_fence_script[];

/* ---- members.c ---- */

/* The key, of a set or a rank, is the argument that was added last, outside a command. A chunk says of each member at
 * most once whether it belongs there. No bytes of score: it is removed. */
void dl_member_set(struct dl_view *view, bool removes, const char *name, size_t bytes);
void dl_member_rank(struct dl_view *view, const char *score, size_t score_bytes, const char *name, size_t bytes);
void dl_members_end(struct dl_view *view); /* as commands, at the end of the chunk */
void dl_members_clear(struct dl_view *view);

/* ---- view.c ---- */

void dl_view_pump(struct dl_view *view);
void dl_view_refused(struct dl_view *view, const char *why);
/* What is in Redis for the view is not known. */
void dl_view_doubt(struct dl_view *view, int64_t id, int window);
/* The mark of a live subject's view; NULL: out of memory. */
struct dl_mark *dl_view_mark(struct dl_view *view, int64_t id, int window);
void dl_view_marks_reset(struct dl_view *view);
uint64_t dl_view_now(const struct dl_view *view); /* loop time, ms */
int64_t dl_view_wall(const struct dl_view *view);

/* ---- keys.c: arguments that are keys ---- */

void dl_key_hash(struct dl_view *view, const struct dl_subject_info *info, int window);
void dl_key_trend(struct dl_view *view, const struct dl_subject_info *info, int window);
void dl_key_subjects(struct dl_view *view, const struct dl_subject_info *info);
void dl_key_rank(struct dl_view *view, const struct dl_subject_info *info, int measure, int window);
void dl_key_plain(struct dl_view *view, const char *name, const char *more); /* PREFIX:name more */

enum dl_key_kind { DL_KEY_FOREIGN, DL_KEY_LIVE, DL_KEY_DEAD, DL_KEY_SUBJECTS, DL_KEY_RANK };
/* What a key in Redis is to this view. Sets and ranks have members to look at. */
enum dl_key_kind dl_key_judge(struct dl_view *view, const char *key, size_t bytes);
/* Whether a member belongs into the set or rank. */
bool dl_key_member_live(struct dl_view *view, const char *key, size_t bytes, bool rank, const char *member,
                        size_t member_bytes);

/* ---- publish.c ---- */

void dl_publish_one(struct dl_view *view, int64_t id, int window);
void dl_publish_changed_flush(struct dl_view *view);
/* The value by which a view stands in a measure's rank; NONE: it does not. */
struct dl_value dl_publish_rank(const struct dl_view *view, const struct dl_scores *scores, int measure);
/* Whether the subject has data, or something in Redis, in any window. */
bool dl_publish_present(const struct dl_view *view, int64_t id, bool or_published);

/* ---- trends.c ---- */

uint32_t dl_trend_pane(const struct dl_view *view, int window); /* start of the open pane, epoch s */
uint64_t dl_trend_closed(const struct dl_view *view, int64_t id, int window);
void dl_trends_due(struct dl_view *view, int window); /* go round once more */
void dl_trends_tick(struct dl_view *view);            /* has a pane closed? */
/* Both stop where their share or the chunks under way are used up. */
void dl_trends_step(struct dl_view *view, size_t under_way_max, size_t trends_max);
void dl_refresh_tick(struct dl_view *view, int64_t elapsed_ms);

/* ---- meta.c, sweep.c ---- */

void dl_meta_write(struct dl_view *view);
void dl_sweep_start(struct dl_view *view);
void dl_sweep_stop(struct dl_view *view);
void dl_sweep_step(struct dl_view *view, size_t under_way_max, size_t steps_max);
void dl_sweep_deinit(struct dl_view *view);
