#include "ingest_inside.h"

#include "clocks.h"
#include "failpoint.h"

enum {
    REVOKE_MS = 5000,                   /* for what was read to be committed before partitions go */
    LETTERS_BYTES = 16 * 1024 * 1024,   /* of one batch's dead letters */
    /* Transactions of a process that is gone hold positions back until their time is over and a broker looks, which is every
     * 10 s (transaction.abort.timed.out.transaction.cleanup.interval.ms); and a little more. */
    PATIENCE_MS = DL_COMMIT_TIMEOUT_MS + 10000 + 5000,
    IMPATIENCE_MS = 2000,               /* of tests */
};

/* ---- The open batch ---- */

void dl_ingest_group_capture(struct dl_ingest *ingest)
{
    dl_kafka_membership_destroy(ingest->membership);
    ingest->membership = ingest->source == NULL ? NULL : dl_kafka_source_membership(ingest->source);
}

/* What was read and not committed: it is read again, by this process or another. */
static void drop_open(struct dl_ingest *ingest)
{
    dl_batch_destroy(ingest->open);
    dl_kafka_letters_destroy(ingest->letters);
    ingest->letters = NULL;
    dl_ingest_open_batch(ingest);
    dl_ingest_forget_partitions(ingest);
}

static void next_epoch(struct dl_ingest *ingest)
{
    ingest->epoch++;
    dl_commit_set_epoch(ingest->commit, ingest->epoch);
}

void dl_ingest_group_drop(struct dl_ingest *ingest)
{
    next_epoch(ingest);
    drop_open(ingest);
}

bool dl_ingest_group_hand_over(struct dl_ingest *ingest)
{
    if (dl_batch_empty(ingest->open))
        return true;
    /* Idle first: what the last batch has come to is seen with it. */
    if (!dl_commit_idle(ingest->commit) || dl_commit_state(ingest->commit) != DL_COMMIT_READY || dl_commit_dropped(ingest->commit))
        return false;
    const struct dl_batch_source *sources;
    if (ingest->membership == NULL && dl_batch_sources(ingest->open, &sources) > 0)
        return false; /* the rebalance that follows drops it */
    const struct dl_sealed sealed = {ingest->open, ingest->letters, ingest->membership, ingest->epoch};
    enum dl_status status = dl_commit_push(ingest->commit, &sealed);
    if (status == DL_MEMORY)
        dl_ingest_out_of_memory(ingest);
    if (status != DL_OK)
        return false;
    ingest->letters = NULL;
    ingest->membership = NULL;
    dl_ingest_open_batch(ingest);
    return true;
}

bool dl_ingest_group_dead_letter(struct dl_ingest *ingest, const struct dl_kafka_record *record, const char *reason,
                                 const char *detail)
{
    for (;;) {
        if (ingest->letters == NULL)
            ingest->letters = dl_kafka_letters_create(ingest->options.source.topics, LETTERS_BYTES);
        enum dl_status status =
            ingest->letters == NULL ? DL_MEMORY : dl_kafka_letters_add(ingest->letters, record, reason, detail);
        if (status == DL_OK)
            return true;
        if (status != DL_FULL)
            dl_ingest_out_of_memory(ingest);
        dl_ingest_hand_over_or_wait(ingest);
        if (dl_ingest_deaf(ingest))
            return false;
    }
}

/* Commits what is there; false: not by the deadline. */
static bool commit_all(struct dl_ingest *ingest, int64_t deadline_ms)
{
    while (dl_monotonic_ms() < deadline_ms && dl_commit_state(ingest->commit) == DL_COMMIT_READY &&
           !dl_commit_dropped(ingest->commit)) {
        if (dl_ingest_group_hand_over(ingest) && dl_commit_idle(ingest->commit) && dl_batch_empty(ingest->open))
            return true;
        dl_sleep_ms(1);
    }
    return false;
}

/* ---- The group ---- */

static int64_t missing_offset(void *context, uint16_t topic, int32_t partition)
{
    struct dl_ingest *ingest = context;
    if (ingest->origin == NULL) {
        const struct dl_position_options options = {
            .kafka = ingest->options.source.kafka, .tallies_topic = ingest->commit_options.tallies_topic,
            .state_topic = ingest->options.state_topic,
            .skips_unreadable = !atomic_load_explicit(&ingest->stop_on_data_loss, memory_order_relaxed), .give_up = ingest->group.give_up, .context = ingest};
        enum dl_status status = dl_positions_find(&options, &ingest->origin);
        if (status == DL_REFUSED)
            ingest->fault = DL_INGEST_DATA_LOST;
        if (status != DL_OK)
            return DL_KAFKA_NOT_KNOWN;
    }
    const char *name = ingest->options.source.topics[topic];
    int64_t next = dl_chain_next(ingest->origin, dl_name_of(name), partition);
    return next < 0 ? DL_KAFKA_AT_FIRST : next;
}

/* Kafka forgets the offsets of a group that was away for long, and of a topic that was deleted. If it was made anew and has
 * more records than the old one had, nothing else tells. */
static void on_forgotten(void *context, uint16_t topic, int32_t partition, int64_t from, int64_t to)
{
    struct dl_ingest *ingest = context;
    ingest->forgotten++;
    dl_note(dl_ingest_notes(ingest), DL_NOTE_ERROR,
            "the group has no committed offset for a partition that was counted: going on where its last batch ended; if the "
            "topic was made anew, what it has before that offset is not counted (begin with a new group.id)",
            DL_TEXT("topic", ingest->options.source.topics[topic]), DL_NUMBER("partition", partition), DL_NUMBER("from", from),
            DL_NUMBER("to", to));
}

static void on_revoke(void *context, bool lost)
{
    struct dl_ingest *ingest = context;
    if (lost && dl_broken("metadata_late"))
        return;
    if (!lost && !dl_ingest_stopping(ingest) && !commit_all(ingest, dl_monotonic_ms() + REVOKE_MS))
        dl_note(dl_ingest_notes(ingest), DL_NOTE_WARNING,
                "partitions go before what was read of them could be committed; whoever gets them reads it again");
    dl_ingest_group_drop(ingest);
}

static void on_assign(void *context, size_t partitions)
{
    struct dl_ingest *ingest = context;
    dl_chain_destroy(ingest->origin);
    ingest->origin = NULL;
    dl_ingest_group_capture(ingest);
    dl_note(dl_ingest_notes(ingest), DL_NOTE_NOTICE, "the group has assigned partitions", DL_NUMBER("partitions", partitions),
            DL_NUMBER("epoch", ingest->epoch));
}

/* It may be the end of this process's own last transaction that Kafka lost. */
static void on_stuck(void *context)
{
    struct dl_ingest *ingest = context;
    if (dl_commit_state(ingest->commit) == DL_COMMIT_READY && dl_commit_idle(ingest->commit) && dl_batch_empty(ingest->open))
        dl_commit_end_again(ingest->commit);
}

static bool give_up(void *context)
{
    return dl_ingest_stopping(context);
}

/* ---- Life ---- */

static struct dl_kafka_membership *membership_now(void *context)
{
    struct dl_ingest *ingest = context;
    return ingest->source == NULL ? NULL : dl_kafka_source_membership(ingest->source);
}

enum dl_status dl_ingest_group_start(struct dl_ingest *ingest)
{
    ingest->group = (struct dl_kafka_group_options){
        .missing_offset = missing_offset, .on_forgotten = on_forgotten, .on_revoke = on_revoke, .on_assign = on_assign,
        .on_stuck = on_stuck,
        .patience_ms = dl_broken("impatient") ? IMPATIENCE_MS : PATIENCE_MS, .give_up = give_up,
        .context = ingest};
    ingest->options.source.group = &ingest->group;
    ingest->commit_options = *ingest->options.commit;
    ingest->commit_options.ring = ingest->options.ring;
    ingest->commit_options.on_batch = ingest->options.on_batch;
    ingest->commit_options.context = ingest->options.context;
    ingest->commit_options.membership_now = membership_now;
    ingest->commit_options.ingest = ingest;
    return dl_commit_start(&ingest->commit, &ingest->commit_options);
}

static bool join_group(struct dl_ingest *ingest)
{
    struct dl_kafka_callbacks callbacks = dl_ingest_callbacks;
    callbacks.context = ingest;
    enum dl_status status = dl_kafka_source_create(&ingest->options.source, &callbacks, &ingest->source);
    if (status == DL_MEMORY)
        dl_ingest_out_of_memory(ingest);
    if (status != DL_OK)
        ingest->fault = DL_INGEST_REFUSED;
    return status == DL_OK;
}

/* What was read is dropped: it is not known what became of it. */
static void leave_group(struct dl_ingest *ingest)
{
    dl_kafka_source_destroy(ingest->source);
    ingest->source = NULL;
    dl_ingest_group_drop(ingest);
}

bool dl_ingest_group_tend(struct dl_ingest *ingest)
{
    switch (dl_commit_state(ingest->commit)) {
    case DL_COMMIT_READY:
        if (dl_commit_dropped(ingest->commit)) {
            dl_ingest_group_drop(ingest);
            dl_kafka_source_rewind(ingest->source);
        }
        return ingest->source != NULL || join_group(ingest);
    case DL_COMMIT_BROKEN:
        if (ingest->source != NULL)
            leave_group(ingest);
        dl_commit_rejoin(ingest->commit);
        return false;
    case DL_COMMIT_FENCED_OUT:
        ingest->fault = DL_INGEST_FENCED_OUT;
        return false;
    case DL_COMMIT_STARTING:
        break;
    }
    return ingest->source != NULL;
}

void dl_ingest_group_end(struct dl_ingest *ingest, int64_t deadline_ms)
{
    if (ingest->source != NULL) {
        (void)commit_all(ingest, deadline_ms);
        dl_kafka_source_destroy(ingest->source);
        ingest->source = NULL;
    }
    dl_commit_stop(ingest->commit);
}

bool dl_ingest_committing(const struct dl_ingest *ingest)
{
    return ingest->commit != NULL && !dl_commit_idle(ingest->commit);
}

void dl_ingest_commit_counts(const struct dl_ingest *ingest, struct dl_transactions_counts *counts)
{
    *counts = (struct dl_transactions_counts){0};
    if (ingest->commit != NULL)
        dl_commit_counts(ingest->commit, counts);
}
