#include "commit.h"

#include "clocks.h"
#include "failpoint.h"
#include "thread.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    DESTROY_MS = 1000,
    WAIT_MS = 5,
    FENCES_MAX = 3,
    FENCES_MS = 60000,
    PART_BYTES = 512 * 1024,
    PART_BYTES_MIN = 32 * 1024,
    SLOTS = 2,
};

struct dl_commit {
    struct dl_commit_options options;
    struct dl_ring *sealed;
    struct dl_transactions *transactions; /* the thread's */
    struct dl_transactions_counts counted; /* of them, in what is told */
    size_t part_bytes;
    int64_t fenced_ms[FENCES_MAX]; /* when, newest last; 0: not yet */
    bool has_committed;            /* this producer, a batch, and that was known to be its end */
    bool left_open;                /* the one before has left something open */
    int64_t written_ms;            /* of the batch in hand: every try writes the same bytes */
    const struct dl_sealed *current;
    struct dl_kafka_position *positions;
    pthread_t thread;
    sem_t work;
    /* Each is written by one thread and read by the other; what a batch holds goes through the ring. */
    atomic_bool stop;
    atomic_bool rejoin, end_again;
    atomic_int state;
    atomic_uint_fast64_t epoch;
    atomic_bool dropped;
    atomic_bool busy; /* ingest sets it before a push; the thread clears it (release) when it is done */
    atomic_int_fast64_t committed, aborted, retried, fenced;
};

static struct dl_note_sink *notes_of(const struct dl_commit *commit)
{
    return commit->options.kafka.notes;
}

static bool stopping(void *context)
{
    const struct dl_commit *commit = context;
    return atomic_load_explicit(&commit->stop, memory_order_relaxed);
}

static void set_state(struct dl_commit *commit, enum dl_commit_state state)
{
    atomic_store_explicit(&commit->state, (int)state, memory_order_release);
}

void dl_sealed_destroy(struct dl_sealed *sealed)
{
    dl_batch_destroy(sealed->batch);
    dl_kafka_letters_destroy(sealed->letters);
    dl_kafka_membership_destroy(sealed->membership);
    *sealed = (struct dl_sealed){0};
}

/* ---- One transaction ---- */

static bool unwanted(void *context)
{
    const struct dl_commit *commit = context;
    return stopping(context) || atomic_load_explicit(&commit->epoch, memory_order_relaxed) != commit->current->epoch;
}

static enum dl_status on_part(void *context, const void *data, size_t bytes)
{
    struct dl_commit *commit = context;
    return dl_transactions_produce(commit->transactions, commit->options.tallies_topic, 0, NULL, 0, data, bytes, commit);
}

static enum dl_status fill(void *context, struct dl_transactions *transactions)
{
    struct dl_commit *commit = context;
    const struct dl_commit_options *options = &commit->options;
    struct dl_batch_writer_options writer = {
        .version = options->record_version, .part_bytes_max = commit->part_bytes, .instance = options->kafka.instance,
        .topics = options->topics, .segments = options->segments, .written_ms = commit->written_ms};
    for (int i = 0; i < options->segments; i++)
        writer.segment[i] = options->segment[i];
    enum dl_status status = dl_batch_write(commit->current->batch, &writer, on_part, commit);
    if (status == DL_OK && commit->current->letters != NULL && dl_kafka_letters_count(commit->current->letters) > 0)
        status = dl_transactions_produce_letters(transactions, options->dead_letter_topic, commit->current->letters);
    return status;
}

static bool too_large(void *context, void *opaque)
{
    (void)opaque;
    struct dl_commit *commit = context;
    if (commit->part_bytes <= PART_BYTES_MIN)
        return false;
    commit->part_bytes /= 2;
    return true;
}

static size_t list_positions(struct dl_commit *commit)
{
    const struct dl_batch_source *sources;
    size_t count = dl_batch_sources(commit->current->batch, &sources);
    struct dl_kafka_position *positions = realloc(commit->positions, (count + 1) * sizeof *positions);
    if (positions == NULL)
        return SIZE_MAX;
    commit->positions = positions;
    for (size_t i = 0; i < count; i++)
        positions[i] = (struct dl_kafka_position){commit->options.topics[sources[i].topic], sources[i].partition, sources[i].next};
    return count;
}

static enum dl_status write_batch(struct dl_commit *commit, const struct dl_sealed *sealed)
{
    commit->current = sealed;
    commit->written_ms = dl_wall_ms();
    size_t count = list_positions(commit);
    if (count == SIZE_MAX)
        return DL_MEMORY;
    DL_ASSERT(count == 0 || sealed->membership != NULL);
    const struct dl_transaction transaction = {
        .fill = fill, .unwanted = unwanted, .too_large = too_large, .context = commit,
        .positions = commit->positions, .position_count = count, .membership = sealed->membership};
    return dl_transactions_run(commit->transactions, &transaction);
}

/* To the loop, for its figures. */
static void hand_on(struct dl_commit *commit, struct dl_sealed *sealed)
{
    struct dl_ingest_counts *counts = dl_batch_counts(sealed->batch);
    counts->dead_letters += sealed->letters == NULL ? 0 : (int64_t)dl_kafka_letters_count(sealed->letters);
    while (dl_ring_push(commit->options.ring, sealed->batch) != DL_OK) {
        if (stopping(commit))
            return;
        dl_sleep_ms(WAIT_MS);
    }
    sealed->batch = NULL;
    commit->options.on_batch(commit->options.context);
}

/* ---- The producer ---- */

static void drop_transactions(struct dl_commit *commit)
{
    if (commit->transactions == NULL)
        return;
    commit->has_committed = false;
    commit->left_open |= dl_transactions_left_open(commit->transactions);
    dl_transactions_destroy(commit->transactions, DESTROY_MS);
    commit->transactions = NULL;
    commit->counted = (struct dl_transactions_counts){0};
}

static void publish_counts(struct dl_commit *commit)
{
    /* Of all producers so far: a new one begins at zero. */
    struct dl_transactions_counts counts;
    const struct dl_transactions_counts *before = &commit->counted;
    dl_transactions_counts(commit->transactions, &counts);
    atomic_fetch_add_explicit(&commit->committed, counts.committed - before->committed, memory_order_relaxed);
    atomic_fetch_add_explicit(&commit->aborted, counts.aborted - before->aborted, memory_order_relaxed);
    atomic_fetch_add_explicit(&commit->retried, counts.retried - before->retried, memory_order_relaxed);
    commit->counted = counts;
}

static bool fenced_too_often(struct dl_commit *commit)
{
    int64_t now_ms = dl_monotonic_ms();
    for (int i = 1; i < FENCES_MAX; i++)
        commit->fenced_ms[i - 1] = commit->fenced_ms[i];
    commit->fenced_ms[FENCES_MAX - 1] = now_ms;
    atomic_fetch_add_explicit(&commit->fenced, 1, memory_order_relaxed);
    return commit->fenced_ms[0] != 0 && now_ms - commit->fenced_ms[0] <= FENCES_MS;
}

/* librdkafka gave the producer up, or another process has its name. */
static void broken(struct dl_commit *commit, enum dl_status status)
{
    drop_transactions(commit);
    if (status == DL_FENCED && fenced_too_often(commit)) {
        dl_note(notes_of(commit), DL_NOTE_ERROR,
                "another process runs under this instance name: each ends the other's work; this one stops (give every process its own instance)",
                DL_TEXT("instance", commit->options.kafka.instance), DL_TEXT("transactional_id", commit->options.transactional_id));
        set_state(commit, DL_COMMIT_FENCED_OUT);
        return;
    }
    dl_note(notes_of(commit), DL_NOTE_WARNING,
            status == DL_FENCED ? "another process has this one's transactional id; leaving the group and joining it anew"
                                : "the batch producer was given up; leaving the group and joining it anew",
            DL_TEXT("transactional_id", commit->options.transactional_id));
    set_state(commit, DL_COMMIT_BROKEN);
}

static void make_transactions(struct dl_commit *commit)
{
    const struct dl_transactions_options options = {
        .kafka = commit->options.kafka, .transactional_id = commit->options.transactional_id,
        .group = commit->options.group, .left_open = commit->left_open ? commit->options.tallies_topic : NULL,
        .timeout_ms = DL_COMMIT_TIMEOUT_MS, .name = "batches", .give_up = stopping, .context = commit};
    enum dl_status status = dl_transactions_create(&options, &commit->transactions);
    if (status == DL_OK)
        status = dl_transactions_init(commit->transactions);
    commit->left_open &= status != DL_OK;
    if (status == DL_OK)
        set_state(commit, DL_COMMIT_READY);
    else if (!stopping(commit))
        broken(commit, status);
}

/* The broken promise that the tests of the source chain want caught: a batch that its partitions have left is
 * committed under whatever membership the process has when it is sent. */
static enum dl_status write_with_late_membership(struct dl_commit *commit, struct dl_sealed *sealed)
{
    enum dl_status status = DL_STOPPED;
    while (status == DL_STOPPED && !stopping(commit)) {
        dl_kafka_membership_destroy(sealed->membership);
        sealed->membership = commit->options.membership_now(commit->options.ingest);
        if (sealed->membership != NULL)
            status = write_batch(commit, sealed);
        if (status == DL_STOPPED)
            dl_sleep_ms(WAIT_MS);
    }
    return status;
}

/* ---- The thread ---- */

static void work(struct dl_commit *commit, struct dl_sealed *sealed)
{
    commit->current = sealed;
    enum dl_status status = DL_STOPPED;
    if (commit->transactions != NULL)
        status = dl_broken("metadata_late") ? write_with_late_membership(commit, sealed) : write_batch(commit, sealed);
    if (commit->transactions != NULL)
        publish_counts(commit);
    commit->has_committed = status == DL_OK || (commit->has_committed && status == DL_STOPPED);
    if (status == DL_OK)
        hand_on(commit, sealed);
    else if (status != DL_STOPPED && !stopping(commit)) /* one that is given up at the end is not missed */
        broken(commit, status);
    else if (!unwanted(commit))
        atomic_store_explicit(&commit->dropped, true, memory_order_relaxed); /* seen with `busy` */
    dl_sealed_destroy(sealed);
    free(sealed);
    /* Release: ingest, which sees it, also sees the state that came of it. */
    atomic_store_explicit(&commit->busy, false, memory_order_release);
}

/* Kafka may have lost the end of the last batch's transaction (kafka.h, on_stuck). Another commit ends it in all places
 * at once: of a batch without anything, with a position of our own topic, which nobody asks the group for. */
static void end_again(struct dl_commit *commit)
{
    if (!commit->has_committed)
        return;
    const struct dl_batch_options options = {.bytes_max = 1 << 20, .segments = commit->options.segments};
    struct dl_sealed nothing = {.batch = dl_batch_create(&options, 0),
                                .membership = dl_kafka_membership_of_nobody(commit->options.group),
                                .epoch = atomic_load_explicit(&commit->epoch, memory_order_relaxed)};
    const struct dl_kafka_position position = {commit->options.tallies_topic, 0, 0};
    enum dl_status status = DL_MEMORY;
    commit->current = &nothing;
    commit->written_ms = dl_wall_ms();
    if (nothing.batch != NULL && nothing.membership != NULL) {
        const struct dl_transaction transaction = {.fill = fill, .unwanted = unwanted, .too_large = too_large, .context = commit,
                                                   .positions = &position, .position_count = 1, .membership = nothing.membership};
        status = dl_transactions_run(commit->transactions, &transaction);
        publish_counts(commit);
    }
    commit->has_committed &= status != DL_OK; /* once: it may as well be another process's that is stuck */
    if (status == DL_OK)
        dl_note(notes_of(commit), DL_NOTE_NOTICE,
                "Kafka does not tell where some partitions go on, and may have lost the end of a transaction: the last one of this "
                "process was ended once more");
    dl_sealed_destroy(&nothing);
    if (status != DL_OK && status != DL_STOPPED && !stopping(commit))
        broken(commit, status);
}

static void *run(void *context)
{
    struct dl_commit *commit = context;
    make_transactions(commit);
    while (!stopping(commit)) {
        struct dl_sealed *sealed = dl_ring_pop(commit->sealed);
        if (sealed != NULL) {
            work(commit, sealed);
        } else if (atomic_exchange_explicit(&commit->rejoin, false, memory_order_acquire)) {
            set_state(commit, DL_COMMIT_STARTING);
            make_transactions(commit);
        } else if (atomic_exchange_explicit(&commit->end_again, false, memory_order_relaxed)) {
            if (commit->transactions != NULL)
                end_again(commit);
        } else {
            dl_thread_wait(&commit->work);
        }
    }
    drop_transactions(commit);
    return NULL;
}

void dl_commit_destroy(struct dl_commit *commit)
{
    if (commit == NULL)
        return;
    struct dl_sealed *sealed;
    while (commit->sealed != NULL && (sealed = dl_ring_pop(commit->sealed)) != NULL) {
        dl_sealed_destroy(sealed);
        free(sealed);
    }
    dl_ring_destroy(commit->sealed);
    sem_destroy(&commit->work);
    free(commit->positions);
    free(commit);
}

enum dl_status dl_commit_start(struct dl_commit **result, const struct dl_commit_options *options)
{
    struct dl_commit *commit = calloc(1, sizeof *commit);
    if (commit == NULL)
        return DL_MEMORY;
    commit->options = *options;
    commit->part_bytes = PART_BYTES;
    commit->sealed = dl_ring_create(SLOTS, 0);
    sem_init(&commit->work, 0, 0);
    atomic_init(&commit->state, DL_COMMIT_STARTING);
    enum dl_status status = commit->sealed == NULL ? DL_MEMORY : dl_thread_start(&commit->thread, run, commit);
    if (status != DL_OK) {
        dl_commit_destroy(commit);
        return status;
    }
    *result = commit;
    return DL_OK;
}

void dl_commit_stop(struct dl_commit *commit)
{
    atomic_store_explicit(&commit->stop, true, memory_order_relaxed);
    sem_post(&commit->work);
    pthread_join(commit->thread, NULL);
}

enum dl_commit_state dl_commit_state(const struct dl_commit *commit)
{
    return (enum dl_commit_state)atomic_load_explicit(&commit->state, memory_order_acquire);
}

void dl_commit_rejoin(struct dl_commit *commit)
{
    /* Until the thread has taken it up, the state is not to be read as broken again. */
    set_state(commit, DL_COMMIT_STARTING);
    atomic_store_explicit(&commit->rejoin, true, memory_order_release);
    sem_post(&commit->work);
}

void dl_commit_end_again(struct dl_commit *commit)
{
    atomic_store_explicit(&commit->end_again, true, memory_order_relaxed); /* the semaphore orders it */
    sem_post(&commit->work);
}

bool dl_commit_idle(const struct dl_commit *commit)
{
    return !atomic_load_explicit(&commit->busy, memory_order_acquire);
}

enum dl_status dl_commit_push(struct dl_commit *commit, const struct dl_sealed *sealed)
{
    if (!dl_commit_idle(commit))
        return DL_FULL;
    struct dl_sealed *copy = malloc(sizeof *copy);
    if (copy == NULL)
        return DL_MEMORY;
    *copy = *sealed;
    atomic_store_explicit(&commit->busy, true, memory_order_relaxed);
    enum dl_status status = dl_ring_push(commit->sealed, copy);
    DL_ASSERT(status == DL_OK); /* one is under way at most */
    sem_post(&commit->work);
    return DL_OK;
}

bool dl_commit_dropped(const struct dl_commit *commit)
{
    return atomic_load_explicit(&commit->dropped, memory_order_relaxed);
}

void dl_commit_set_epoch(struct dl_commit *commit, uint64_t epoch)
{
    atomic_store_explicit(&commit->dropped, false, memory_order_relaxed);
    atomic_store_explicit(&commit->epoch, epoch, memory_order_relaxed);
}

void dl_commit_counts(const struct dl_commit *commit, struct dl_transactions_counts *counts)
{
    counts->committed = atomic_load_explicit(&commit->committed, memory_order_relaxed);
    counts->aborted = atomic_load_explicit(&commit->aborted, memory_order_relaxed);
    counts->retried = atomic_load_explicit(&commit->retried, memory_order_relaxed);
    counts->fenced = atomic_load_explicit(&commit->fenced, memory_order_relaxed);
}
