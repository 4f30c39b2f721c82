/* The inside of the scorer, shared by scorer.c (states, the loop),
 * scorer_tallies.c (tallies, the chain) and scorer_state.c (taking the state over, checkpoints). */
#pragma once

#include "scorer.h"

#include "checkpoint.h"
#include "codec.h"

enum { DL_SCORER_FENCES_MAX = 3, DL_SCORER_UNREADABLE_MAX = 64 };

/* A record of cx.state that cannot be read. It is told when all has been read and no later one has replaced it. */
struct dl_scorer_unreadable {
    int64_t offset;
    enum dl_record_fault fault;
    char detail[DL_DETAIL_SIZE];
    unsigned char *key; /* owned */
    size_t key_bytes;
};

struct dl_scorer {
    struct dl_scorer_options options;
    char *group_id, *transactional_id; /* GROUP-score, GROUP-score-0 */
    enum dl_scorer_state state;
    struct dl_tallies *tallies;
    struct dl_checkpoint *checkpoint;
    struct dl_batch_reader *batch_reader;
    struct dl_state_reader *state_reader;
    uv_poll_t readable;  /* the tallies' descriptor */
    uv_async_t messages; /* of the checkpoint thread */
    uv_async_t again;    /* there is more to do, after the others have had their turn */
    uv_timer_t pulse;
    int handles;         /* handles and scorings that libuv or Redis still holds */
    bool closing;
    void (*on_closed)(void *context);
    void *closed_context;

    bool owner;             /* the group says so */
    uint64_t term;
    int64_t acquire_due_ms; /* monotonic: after a failure */
    int64_t fenced_ms[DL_SCORER_FENCES_MAX];

    /* Of this term */
    struct dl_scoring *scoring; /* NULL: nothing to score with */
    struct dl_chain *chain;
    int64_t token;
    bool headed;            /* there was a checkpoint */
    int64_t taken;          /* next offset of cx.tallies to come */
    bool applying;          /* what is gathered is being counted; what comes waits */
    int64_t reading;        /* all before it is counted in this term */
    int64_t counted;        /* all before it is in every window; above `reading` while new windows are filled */
    int64_t publish_from;   /* scores are shown once this is counted */
    int64_t tallies_end;
    uint32_t fresh;         /* windows that no checkpoint has yet: bits */
    int64_t data_since_ms[DL_WINDOWS_MAX]; /* INT64_MIN: whole */
    int64_t held, held_newest_ms; /* a record that has to wait for the clock; held -1: none */
    int64_t progress_ms, took_ms;
    struct dl_scorer_unreadable unreadable[DL_SCORER_UNREADABLE_MAX];
    int unreadable_count;

    bool collecting, saving;
    int64_t save_due_ms, saved;        /* saved: `counted` of the last checkpoint */
    uint64_t save_began_ns;
    int64_t collected_records;
    struct dl_record_bytes collected;
    struct dl_record_bytes obsolete;   /* keys of records that the configuration has no place for: deleted with the next checkpoint */
    struct dl_record_bytes key, value; /* scratch */

    bool stopping, stopped, faulted;
    struct dl_scorer_counts counts;
};

/* ---- scorer.c ---- */

void dl_scorer_fault(struct dl_scorer *scorer, enum dl_scorer_fault fault);
void dl_scorer_out_of_memory(struct dl_scorer *scorer);
/* Something is lost, as has been said: true when the policy is to go on. */
bool dl_scorer_go_on(struct dl_scorer *scorer);
void dl_scorer_end_term(struct dl_scorer *scorer);
void dl_scorer_pause(struct dl_scorer *scorer, bool pause); /* of reading tallies */
void dl_scorer_finish_stop(struct dl_scorer *scorer);

/* ---- scorer_tallies.c ---- */

/* The state is there: follow the tallies. first: of cx.tallies. */
void dl_scorer_follow(struct dl_scorer *scorer, int64_t first);
/* What was taken is counted, unless something is still gathered. */
void dl_scorer_settle(struct dl_scorer *scorer);
/* Of struct dl_tallies_callbacks. to < from: the topic ends before what was read: truncated or made anew, and read again
 * from its first record. */
void dl_scorer_on_record(void *context, int64_t offset, int64_t timestamp_ms, const void *value, size_t bytes);
void dl_scorer_on_position(void *context, int64_t next, int64_t end);
void dl_scorer_on_loss(void *context, int64_t from, int64_t to);

/* ---- scorer_counts.c ---- */

/* Of struct dl_tallies_options. */
void dl_scorer_on_statistics(void *context, const char *json, size_t bytes);

/* ---- scorer_state.c ---- */

void dl_scorer_on_message(struct dl_scorer *scorer, struct dl_checkpoint_message *message);
/* New windows are being filled: a batch that is in them; and, if the last one was read, the end of it. */
void dl_scorer_fresh_since(struct dl_scorer *scorer, int64_t offset, int64_t written_ms);
void dl_scorer_end_fill(struct dl_scorer *scorer);
void dl_scorer_forget_unreadable(struct dl_scorer *scorer);
bool dl_scorer_may_save(const struct dl_scorer *scorer);
bool dl_scorer_unsaved(const struct dl_scorer *scorer); /* a checkpoint would say something new */
void dl_scorer_begin_save(struct dl_scorer *scorer);
void dl_scorer_collect(struct dl_scorer *scorer); /* a slice */
