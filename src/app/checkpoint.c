#include "checkpoint.h"

#include "clocks.h"
#include "commit.h"
#include "head.h"
#include "failpoint.h"
#include "thread.h"

#include <delight/ring.h>

#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    DESTROY_MS = 1000,
    WAIT_MS = 5,              /* while the loop is busy with what it has been sent */
    JOBS = 8, MESSAGES = 8,
    CHUNK_BYTES = 512 * 1024, /* of state in one message */
};

struct job {
    uint64_t term;
    bool acquires; /* else it saves */
    struct dl_record_bytes records;
};

struct dl_checkpoint {
    struct dl_checkpoint_options options;
    struct dl_ring *jobs, *messages;
    struct dl_transactions_counts counted; /* of the present producer, in what is told */
    struct dl_transactions *transactions; /* the thread's; NULL: not the owner */
    pthread_t thread;
    sem_t work;
    uint64_t term;              /* the thread's: of the job in hand */
    struct dl_checkpoint_message *chunk;
    /* The loop writes, the thread reads; nothing else depends on their order. */
    atomic_uint_fast64_t wanted_term; /* 0: none */
    atomic_int_fast64_t stop_ms;      /* monotonic; leave by then. INT64_MAX: go on */
    atomic_bool ended;
    atomic_int_fast64_t committed, aborted, retried, fenced;
};

/* ---- Records in a buffer: i64 offset, u32 key bytes, u32 value bytes (UINT32_MAX: none), key, value ---- */

enum dl_status dl_records_add(struct dl_record_bytes *records, const struct dl_record_pair *pair)
{
    uint32_t sizes[2] = {(uint32_t)pair->key_bytes, pair->value == NULL ? UINT32_MAX : (uint32_t)pair->value_bytes};
    size_t before = records->bytes;
    enum dl_status status = dl_record_bytes_add(records, &pair->offset, sizeof pair->offset);
    if (status == DL_OK)
        status = dl_record_bytes_add(records, sizes, sizeof sizes);
    if (status == DL_OK)
        status = dl_record_bytes_add(records, pair->key, pair->key_bytes);
    if (status == DL_OK && pair->value != NULL)
        status = dl_record_bytes_add(records, pair->value, pair->value_bytes);
    if (status != DL_OK)
        records->bytes = before;
    return status;
}

bool dl_records_next(const struct dl_record_bytes *records, size_t *at, struct dl_record_pair *pair)
{
    uint32_t sizes[2];
    int64_t offset;
    if (*at == records->bytes)
        return false;
    DL_ASSERT(records->bytes - *at >= sizeof offset + sizeof sizes);
    memcpy(&offset, records->data + *at, sizeof offset);
    memcpy(sizes, records->data + *at + sizeof offset, sizeof sizes);
    *at += sizeof offset + sizeof sizes;
    *pair = (struct dl_record_pair){.key = records->data + *at, .key_bytes = sizes[0], .offset = offset};
    *at += sizes[0];
    if (sizes[1] != UINT32_MAX) {
        pair->value = records->data + *at;
        pair->value_bytes = sizes[1];
        *at += sizes[1];
    }
    DL_ASSERT(*at <= records->bytes);
    return true;
}

void dl_checkpoint_message_destroy(struct dl_checkpoint_message *message)
{
    if (message == NULL)
        return;
    dl_record_bytes_deinit(&message->records);
    free(message);
}

/* ---- The thread's own ---- */

static struct dl_note_sink *notes_of(const struct dl_checkpoint *checkpoint)
{
    return checkpoint->options.kafka.notes;
}

static bool late(const struct dl_checkpoint *checkpoint)
{
    return dl_monotonic_ms() >= atomic_load_explicit(&checkpoint->stop_ms, memory_order_relaxed);
}

static bool give_up(void *context)
{
    const struct dl_checkpoint *checkpoint = context;
    return late(checkpoint) || atomic_load_explicit(&checkpoint->wanted_term, memory_order_relaxed) != checkpoint->term;
}

static struct dl_checkpoint_message *new_message(const struct dl_checkpoint *checkpoint, enum dl_checkpoint_kind kind)
{
    struct dl_checkpoint_message *message = calloc(1, sizeof *message);
    if (message != NULL) {
        message->kind = kind;
        message->term = checkpoint->term;
    }
    return message;
}

/* Waits while the ring is full. Takes the message. */
static enum dl_status tell(struct dl_checkpoint *checkpoint, struct dl_checkpoint_message *message)
{
    if (message == NULL)
        return DL_MEMORY;
    while (dl_ring_push(checkpoint->messages, message) != DL_OK) {
        if (give_up(checkpoint)) {
            dl_checkpoint_message_destroy(message);
            return DL_STOPPED;
        }
        dl_sleep_ms(WAIT_MS);
    }
    checkpoint->options.on_message(checkpoint->options.context);
    return DL_OK;
}

static void count(struct dl_checkpoint *checkpoint)
{
    struct dl_transactions_counts counts;
    dl_transactions_counts(checkpoint->transactions, &counts);
    const struct dl_transactions_counts *before = &checkpoint->counted;
    atomic_fetch_add_explicit(&checkpoint->committed, counts.committed - before->committed, memory_order_relaxed);
    atomic_fetch_add_explicit(&checkpoint->aborted, counts.aborted - before->aborted, memory_order_relaxed);
    atomic_fetch_add_explicit(&checkpoint->retried, counts.retried - before->retried, memory_order_relaxed);
    atomic_fetch_add_explicit(&checkpoint->fenced, counts.fenced - before->fenced, memory_order_relaxed);
    checkpoint->counted = counts;
}

static void drop_transactions(struct dl_checkpoint *checkpoint)
{
    if (checkpoint->transactions == NULL)
        return;
    count(checkpoint);
    checkpoint->counted = (struct dl_transactions_counts){0};
    dl_transactions_destroy(checkpoint->transactions, DESTROY_MS);
    checkpoint->transactions = NULL;
}

static bool too_large(void *context, void *opaque)
{
    (void)context;
    (void)opaque;
    return false; /* a pane or the head: the topic's limit has to be raised */
}

/* ---- Becoming the owner ---- */

static enum dl_status fill_owner(void *context, struct dl_transactions *transactions)
{
    struct dl_checkpoint *checkpoint = context;
    struct dl_record_bytes key = {0}, value = {0};
    enum dl_status status = dl_state_write_owner(checkpoint->options.record_version, dl_name_of(checkpoint->options.instance),
                                                 dl_wall_ms(), &key, &value);
    if (status == DL_OK)
        status = dl_transactions_produce(transactions, checkpoint->options.state_topic, 0, key.data, key.bytes, value.data,
                                         value.bytes, NULL);
    dl_record_bytes_deinit(&key);
    dl_record_bytes_deinit(&value);
    return status;
}

static enum dl_status become_owner(struct dl_checkpoint *checkpoint, int64_t *token)
{
    const struct dl_transactions_options options = {
        .kafka = checkpoint->options.kafka, .transactional_id = checkpoint->options.transactional_id,
        .timeout_ms = DL_COMMIT_TIMEOUT_MS, .name = "checkpoints", .give_up = give_up, .context = checkpoint};
    enum dl_status status = dl_transactions_create(&options, &checkpoint->transactions);
    if (status != DL_OK)
        return status;
    status = dl_transactions_init(checkpoint->transactions);
    const struct dl_transaction owner = {.fill = fill_owner, .too_large = too_large, .context = checkpoint};
    if (status == DL_OK)
        status = dl_transactions_run(checkpoint->transactions, &owner);
    *token = dl_transactions_last_offset(checkpoint->transactions);
    return status == DL_OK && *token < 0 ? DL_FATAL : status;
}

static enum dl_status tell_head(struct dl_checkpoint *checkpoint, struct dl_kafka_log *log, int64_t first, int64_t token)
{
    struct dl_record_bytes key = {0}, value = {0};
    struct dl_checkpoint_message *message = new_message(checkpoint, DL_CHECKPOINT_HEAD);
    enum dl_status status = message == NULL ? DL_MEMORY : dl_head_find(log, first, token, &key, &value);
    if (status == DL_OK) {
        const struct dl_record_pair head = {key.data, value.data, key.bytes, value.bytes, 0};
        status = dl_records_add(&message->records, &head);
    }
    if (status == DL_OK || status == DL_EMPTY) {
        message->token = token;
        status = tell(checkpoint, message);
    } else {
        dl_checkpoint_message_destroy(message);
    }
    dl_record_bytes_deinit(&key);
    dl_record_bytes_deinit(&value);
    return status;
}

static enum dl_status send_chunk(struct dl_checkpoint *checkpoint)
{
    struct dl_checkpoint_message *chunk = checkpoint->chunk;
    checkpoint->chunk = NULL;
    return chunk == NULL ? DL_OK : tell(checkpoint, chunk);
}

static enum dl_status on_state(void *context, int64_t offset, int64_t timestamp_ms, const void *key, size_t key_bytes,
                               const void *value, size_t value_bytes)
{
    (void)timestamp_ms;
    struct dl_checkpoint *checkpoint = context;
    if (checkpoint->chunk == NULL)
        checkpoint->chunk = new_message(checkpoint, DL_CHECKPOINT_STATE);
    if (checkpoint->chunk == NULL)
        return DL_MEMORY;
    const struct dl_record_pair pair = {key, value, key_bytes, value_bytes, offset};
    enum dl_status status = dl_records_add(&checkpoint->chunk->records, &pair);
    checkpoint->chunk->done = offset + 1;
    if (status == DL_OK && checkpoint->chunk->records.bytes >= CHUNK_BYTES)
        status = send_chunk(checkpoint);
    return status;
}

static enum dl_status tell_state(struct dl_checkpoint *checkpoint, int64_t token)
{
    struct dl_kafka_log *log;
    enum dl_status status =
        dl_kafka_log_create(&checkpoint->options.kafka, checkpoint->options.state_topic, give_up, checkpoint, &log);
    if (status != DL_OK)
        return status;
    int64_t first = 0, end = 0;
    status = dl_kafka_log_bounds(log, &first, &end);
    if (status == DL_OK)
        status = tell_head(checkpoint, log, first, token);
    if (status == DL_OK && first < token)
        status = dl_kafka_log_read(log, first, token, on_state, checkpoint);
    if (status == DL_OK)
        status = send_chunk(checkpoint);
    dl_checkpoint_message_destroy(checkpoint->chunk);
    checkpoint->chunk = NULL;
    dl_kafka_log_destroy(log);
    return status;
}

/* The end is read after the former owner was fenced, and every batch that was committed before is below it. */
static enum dl_status tell_acquired(struct dl_checkpoint *checkpoint)
{
    struct dl_kafka_log *log;
    enum dl_status status =
        dl_kafka_log_create(&checkpoint->options.kafka, checkpoint->options.tallies_topic, give_up, checkpoint, &log);
    if (status != DL_OK)
        return status;
    int64_t first = 0, end = 0;
    status = dl_kafka_log_bounds(log, &first, &end);
    dl_kafka_log_destroy(log);
    if (status != DL_OK && status != DL_EMPTY)
        return status;
    struct dl_checkpoint_message *message = new_message(checkpoint, DL_CHECKPOINT_ACQUIRED);
    if (message == NULL)
        return DL_MEMORY;
    message->first = first;
    message->end = end;
    return tell(checkpoint, message);
}

static enum dl_status acquire(struct dl_checkpoint *checkpoint)
{
    int64_t token = -1;
    drop_transactions(checkpoint);
    enum dl_status status = become_owner(checkpoint, &token);
    dl_failpoint("owner.committed");
    if (status == DL_OK)
        status = tell_state(checkpoint, token);
    if (status == DL_OK)
        status = tell_acquired(checkpoint);
    return status;
}

/* ---- Checkpoints ---- */

struct saving {
    struct dl_checkpoint *checkpoint;
    const struct job *job;
};

static enum dl_status fill_checkpoint(void *context, struct dl_transactions *transactions)
{
    const struct saving *saving = context;
    struct dl_record_pair pair;
    enum dl_status status = DL_OK;
    for (size_t at = 0; status == DL_OK && dl_records_next(&saving->job->records, &at, &pair);)
        status = dl_transactions_produce(transactions, saving->checkpoint->options.state_topic, 0, pair.key, pair.key_bytes,
                                         pair.value, pair.value_bytes, NULL);
    return status;
}

static bool unwanted(void *context)
{
    return give_up(((struct saving *)context)->checkpoint);
}

static enum dl_status save(struct dl_checkpoint *checkpoint, const struct job *job)
{
    if (checkpoint->transactions == NULL)
        return DL_STOPPED;
    struct saving saving = {checkpoint, job};
    const struct dl_transaction transaction = {
        .fill = fill_checkpoint, .unwanted = unwanted, .too_large = too_large, .context = &saving};
    enum dl_status status = dl_transactions_run(checkpoint->transactions, &transaction);
    count(checkpoint);
    return status == DL_OK ? tell(checkpoint, new_message(checkpoint, DL_CHECKPOINT_SAVED)) : status;
}

/* ---- The thread ---- */

static void work(struct dl_checkpoint *checkpoint, const struct job *job)
{
    checkpoint->term = job->term;
    if (give_up(checkpoint))
        return;
    enum dl_status status = job->acquires ? acquire(checkpoint) : save(checkpoint, job);
    if (status == DL_OK)
        return;
    drop_transactions(checkpoint);
    if (status == DL_STOPPED)
        return;
    struct dl_checkpoint_message *lost = new_message(checkpoint, DL_CHECKPOINT_LOST);
    if (lost != NULL)
        lost->status = status;
    if (tell(checkpoint, lost) == DL_MEMORY)
        dl_note(notes_of(checkpoint), DL_NOTE_ERROR, "out of memory in the checkpoint thread");
}

static void free_job(struct job *job)
{
    if (job == NULL)
        return;
    dl_record_bytes_deinit(&job->records);
    free(job);
}

static void *run(void *context)
{
    struct dl_checkpoint *checkpoint = context;
    while (!late(checkpoint)) {
        struct job *job = dl_ring_pop(checkpoint->jobs);
        if (job == NULL) {
            if (atomic_load_explicit(&checkpoint->stop_ms, memory_order_relaxed) != INT64_MAX)
                break; /* all that was given is done */
            dl_thread_wait(&checkpoint->work);
            continue;
        }
        work(checkpoint, job);
        free_job(job);
    }
    drop_transactions(checkpoint);
    /* Release: whoever sees it may join at once and read everything. */
    atomic_store_explicit(&checkpoint->ended, true, memory_order_release);
    checkpoint->options.on_message(checkpoint->options.context);
    return NULL;
}

static void destroy(struct dl_checkpoint *checkpoint)
{
    struct job *job;
    struct dl_checkpoint_message *message;
    while (checkpoint->jobs != NULL && (job = dl_ring_pop(checkpoint->jobs)) != NULL)
        free_job(job);
    while (checkpoint->messages != NULL && (message = dl_ring_pop(checkpoint->messages)) != NULL)
        dl_checkpoint_message_destroy(message);
    dl_ring_destroy(checkpoint->jobs);
    dl_ring_destroy(checkpoint->messages);
    sem_destroy(&checkpoint->work);
    free(checkpoint);
}

enum dl_status dl_checkpoint_start(struct dl_checkpoint **result, const struct dl_checkpoint_options *options)
{
    struct dl_checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    if (checkpoint == NULL)
        return DL_MEMORY;
    checkpoint->options = *options;
    checkpoint->jobs = dl_ring_create(JOBS, 0);
    checkpoint->messages = dl_ring_create(MESSAGES, 0);
    sem_init(&checkpoint->work, 0, 0);
    atomic_init(&checkpoint->wanted_term, 0);
    atomic_init(&checkpoint->stop_ms, INT64_MAX);
    enum dl_status status = checkpoint->jobs == NULL || checkpoint->messages == NULL
                                ? DL_MEMORY
                                : dl_thread_start(&checkpoint->thread, run, checkpoint);
    if (status != DL_OK) {
        destroy(checkpoint);
        return status;
    }
    *result = checkpoint;
    return DL_OK;
}

void dl_checkpoint_stop(struct dl_checkpoint *checkpoint, int64_t deadline_ms)
{
    atomic_store_explicit(&checkpoint->stop_ms, dl_monotonic_ms() + deadline_ms, memory_order_relaxed);
    sem_post(&checkpoint->work);
}

bool dl_checkpoint_ended(const struct dl_checkpoint *checkpoint)
{
    return atomic_load_explicit(&checkpoint->ended, memory_order_acquire);
}

void dl_checkpoint_join(struct dl_checkpoint *checkpoint)
{
    pthread_join(checkpoint->thread, NULL);
    destroy(checkpoint);
}

/* ---- The loop's side ---- */

static enum dl_status give(struct dl_checkpoint *checkpoint, struct job *job)
{
    if (job == NULL)
        return DL_MEMORY;
    enum dl_status status = dl_ring_push(checkpoint->jobs, job);
    if (status == DL_OK)
        sem_post(&checkpoint->work);
    return status;
}

void dl_checkpoint_acquire(struct dl_checkpoint *checkpoint, uint64_t term)
{
    atomic_store_explicit(&checkpoint->wanted_term, term, memory_order_relaxed);
    struct job *job = calloc(1, sizeof *job);
    if (job != NULL)
        *job = (struct job){.term = term, .acquires = true};
    /* Terms are abandoned faster than they can be given. */
    if (give(checkpoint, job) != DL_OK) {
        dl_note(notes_of(checkpoint), DL_NOTE_ERROR, "out of memory: leaving, so that another process can take over");
        _Exit(70);
    }
}

void dl_checkpoint_release(struct dl_checkpoint *checkpoint)
{
    atomic_store_explicit(&checkpoint->wanted_term, 0, memory_order_relaxed);
}

enum dl_status dl_checkpoint_save(struct dl_checkpoint *checkpoint, uint64_t term, struct dl_record_bytes *records)
{
    struct job *job = malloc(sizeof *job);
    if (job == NULL)
        return DL_MEMORY;
    *job = (struct job){.term = term, .records = *records};
    enum dl_status status = give(checkpoint, job);
    if (status == DL_OK)
        *records = (struct dl_record_bytes){0};
    else
        free(job);
    return status;
}

struct dl_checkpoint_message *dl_checkpoint_next(struct dl_checkpoint *checkpoint)
{
    return dl_ring_pop(checkpoint->messages);
}

void dl_checkpoint_counts(const struct dl_checkpoint *checkpoint, struct dl_transactions_counts *counts)
{
    counts->committed = atomic_load_explicit(&checkpoint->committed, memory_order_relaxed);
    counts->aborted = atomic_load_explicit(&checkpoint->aborted, memory_order_relaxed);
    counts->retried = atomic_load_explicit(&checkpoint->retried, memory_order_relaxed);
    counts->fenced = atomic_load_explicit(&checkpoint->fenced, memory_order_relaxed);
}
