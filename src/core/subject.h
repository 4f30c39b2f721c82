/* The registry of subjects and of the names they are made of: caps, ids, full
 * names, and when a subject may go. Internal to the engine.
 *
 *   names  ──(kind, names, segment value)──►  subject ──► a view per window
 *     └ counted per kind against its cap; a name lives while a subject has it */
#pragma once

#include <delight/engine.h>

#include "table.h"

#include <assert.h>

/* Spaces of names, each with its own cap: four kinds, then one per segment. */
enum {
    DL_SPACE_TOUCHPOINT, DL_SPACE_STAGE, DL_SPACE_JOURNEY, DL_SPACE_FEATURE, DL_SPACE_SEGMENTS,
    DL_SPACES = DL_SPACE_SEGMENTS + DL_SEGMENTS_MAX
};

/* More ids than this do not fit the references to views. */
enum { DL_SUBJECT_IDS_MAX = 1 << 27 };
enum { DL_CACHE_LINE = 64 };
/* gcc takes a function that only fetches for one without effect, and drops its calls, unless it has to inline it. */
#define DL_FETCHES __attribute__((always_inline)) static inline void

#define DL_NO_NAME UINT32_MAX
#define DL_NO_SUBJECT UINT32_MAX
#define DL_NO_NODE UINT32_MAX

/* There are more of these than of anything else. The low half of the index is
 * enough: all panes of a window lie close to T's own (dl_windows_index). */
struct dl_pane {
    uint32_t index; /* floor(time / pane length), modulo 2^32 */
    uint16_t bytes; /* of its tally, packed, in the view's block */
    bool changed;   /* since it was last taken (dl_engine_take_changes) */
    bool taken;     /* whoever took it believes that it is there */
};
static_assert(sizeof(struct dl_pane) == 8, "a pane is small");

/* Queues of views. */
enum dl_queue { DL_QUEUE_DIRTY, DL_QUEUE_CHANGED, DL_QUEUES };

/* A subject in a window. */
struct dl_view {
    struct dl_tally total;     /* sum of the panes before `newest`: what is counted now changes a pane only */
    struct dl_tally published;
    struct dl_pane *panes;     /* ascending */
    unsigned char *packed;     /* their tallies, one behind the other */
    uint32_t packed_bytes, packed_capacity;
    uint16_t pane_count, pane_capacity;
    bool queued[DL_QUEUES];
    uint32_t next[DL_QUEUES];  /* reference of a view: subject * windows + window */
    uint32_t turn;             /* in which it became dirty */
    uint32_t newest;           /* T's own pane as this view has seen it last, modulo 2^32 */
};

/* Names by their ids; DL_NO_NAME where the kind has none. */
struct dl_subject_key {
    uint8_t kind;
    int8_t segment;
    uint16_t zero;
    uint32_t first;  /* touchpoint, stage, journey or feature */
    uint32_t second; /* the stage of a journey's stage */
    uint32_t value;  /* of the segment */
};

struct dl_subject {
    struct dl_subject_key key;
    uint32_t panes;     /* of all views */
    uint32_t waiting;   /* its views in queues, its gone panes that are to be taken */
    uint32_t published; /* views */
    uint32_t next_gone; /* in the list of those that look free */
    bool gone;
    uint16_t name_bytes, segment_at;
    char *name; /* behind the views, in the same block */
    struct dl_view views[];
};

/* What is looked at for each tally: beside the subjects, for the subjects themselves are too many for the cache. */
struct dl_subject_mark {
    uint32_t node; /* while a batch is applied: the subject's first one there */
    uint32_t life; /* so many subjects had the id before */
};

struct dl_named {
    char *data;
    uint32_t bytes;
    uint32_t subjects; /* that have it; also the next free id */
    uint8_t space;
    bool used;
};

/* What cells came to before (known.h). */
enum { DL_KNOWN_STEP = 4 }; /* bytes; what places are counted in */
struct dl_known_cells {
    struct dl_table table;
    unsigned char *cells; /* dl_known_cell, one behind the other */
    size_t bytes, capacity;
    size_t refused; /* bytes that found no room since it was full */
};

struct dl_registry {
    int windows;
    struct dl_name segment[DL_SEGMENTS_MAX]; /* owned copies */
    int segments;
    int64_t names_max[DL_SPACES];
    int64_t subjects_max;

    struct dl_named *names; /* by id; the first ids are each space's __other__ */
    uint32_t name_count, name_capacity, name_free;
    struct dl_table name_table;
    int64_t names_live[DL_SPACES]; /* without __other__ */

    struct dl_subject **subjects; /* by id, NULL: free */
    struct dl_subject_mark *marks;
    uint32_t *free_ids;
    uint32_t subject_count, subject_capacity, free_count;
    int64_t subjects_live;
    struct dl_table key_table, full_name_table;
    uint32_t gone_first;
    struct dl_known_cells known;

    uint64_t seed;
    int64_t bytes; /* everything that the engine holds is added here */
};

/* What a block of malloc takes, roughly. */
static inline int64_t dl_block_bytes(size_t bytes)
{
    return bytes == 0 ? 0 : bytes <= 24 ? 32 : (int64_t)((bytes + 8 + 15) / 16 * 16);
}

DL_MUST_USE enum dl_status dl_registry_init(struct dl_registry *registry, const struct dl_engine_options *options);
/* Subjects must be without views' memory. */
void dl_registry_deinit(struct dl_registry *registry);

/* The id of a name, admitted if the cap of its space allows; the space's
 * __other__ if not, and then *over becomes true. over NULL: caps do not apply. */
DL_MUST_USE enum dl_status dl_registry_name(struct dl_registry *registry, int space, struct dl_name name, uint32_t *id,
                                            bool *over);
/* Frees a name again that no subject took. */
void dl_registry_drop_name(struct dl_registry *registry, uint32_t id);

/* The space of what a kind is named by first; kind is not DL_KIND_ALL. */
int dl_registry_space(enum dl_kind kind);

/* The subject of a key, made if there is none; over the cap of subjects, the one
 * with each name replaced by its __other__ (the segment's value stays), and then
 * *over becomes true. over NULL: the cap does not apply. */
DL_MUST_USE enum dl_status dl_registry_subject(struct dl_registry *registry, const struct dl_subject_key *key,
                                               uint32_t *id, bool *over);
int64_t dl_registry_find(const struct dl_registry *registry, const char *name, size_t bytes);

static inline struct dl_subject *dl_registry_get(const struct dl_registry *registry, int64_t id)
{
    DL_ASSERT(id >= 0 && id < registry->subject_count && registry->subjects[id] != NULL);
    return registry->subjects[id];
}

/* Notes a subject that has no panes, nothing that waits and no published view any
 * more; does nothing with others. */
void dl_registry_note_gone(struct dl_registry *registry, uint32_t id);
/* Frees the noted ones that nothing has come back to. */
void dl_registry_sweep(struct dl_registry *registry);
