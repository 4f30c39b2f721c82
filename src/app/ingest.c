#include "ingest_inside.h"

#include "clocks.h"
#include "ingest_due.h"
#include "thread.h"

#include <stdlib.h>
#include <string.h>

enum {
    RECALL_MS = 2000,
    RECALL_PAUSE_MS = 500,
    SETTLE_MS = 100,      /* for the dead letters of a batch before it is put off */
    PROGRESS_MS = 5000,
};

struct dl_note_sink *dl_ingest_notes(const struct dl_ingest *ingest)
{
    return ingest->options.source.kafka.notes;
}

bool dl_ingest_stopping(const struct dl_ingest *ingest)
{
    return atomic_load_explicit(&ingest->stop, memory_order_relaxed) || ingest->fault != DL_INGEST_GOOD;
}

/* ---- Partitions ---- */

struct dl_ingest_partition *dl_ingest_new_partition(struct dl_ingest *ingest, uint16_t topic_index, int32_t number)
{
    struct dl_ingest_topic *topic = &ingest->topics[topic_index];
    size_t wanted = (size_t)number + 1;
    DL_ASSERT(wanted > topic->partition_count);
    struct dl_ingest_partition *grown = realloc(topic->partitions, wanted * sizeof *grown);
    if (grown == NULL)
        dl_ingest_out_of_memory(ingest);
    for (size_t i = topic->partition_count; i < wanted; i++)
        grown[i] = (struct dl_ingest_partition){.next = -1, .end = -1};
    topic->partitions = grown;
    topic->partition_count = wanted;
    return &grown[number];
}

bool dl_ingest_deaf(const struct dl_ingest *ingest)
{
    return dl_ingest_stopping(ingest) || (ingest->commit != NULL && (dl_commit_state(ingest->commit) != DL_COMMIT_READY ||
                                                                     dl_commit_dropped(ingest->commit)));
}

/* Without memory the counts would be wrong from here on: the process ends and is started again,
 * which recounts everything. */
_Noreturn void dl_ingest_out_of_memory(const struct dl_ingest *ingest)
{
    dl_note(dl_ingest_notes(ingest), DL_NOTE_ERROR, "out of memory: leaving, so that a restart can recount");
    _Exit(70);
}

/* ---- Batches ---- */

void dl_ingest_open_batch(struct dl_ingest *ingest)
{
    ingest->open = dl_batch_create(&ingest->options.batch, dl_monotonic_ms());
    if (ingest->open == NULL)
        dl_ingest_out_of_memory(ingest);
    ingest->handed_ms = dl_batch_opened_ms(ingest->open);
    if (ingest->commit != NULL)
        dl_ingest_group_capture(ingest);
}

/* Hands the open batch over when its dead letters are confirmed and the ring has room; otherwise it
 * stays open and goes on merging. */
static bool try_hand_over(struct dl_ingest *ingest)
{
    if (ingest->commit != NULL)
        return dl_ingest_group_hand_over(ingest);
    if (ingest->deadletter != NULL) {
        if (dl_deadletter_outstanding(ingest->deadletter) > 0)
            return false;
        int64_t delivered = dl_deadletter_delivered(ingest->deadletter);
        dl_batch_counts(ingest->open)->dead_letters += delivered - ingest->delivered_reported;
        ingest->delivered_reported = delivered;
    }
    if (!ingest->caught_up && dl_kafka_source_caught_up(ingest->source)) {
        ingest->caught_up = true;
        dl_batch_set_caught_up(ingest->open);
    }
    if (dl_batch_empty(ingest->open))
        return true;
    if (dl_ring_push(ingest->options.ring, ingest->open) != DL_OK)
        return false;
    dl_ingest_open_batch(ingest);
    ingest->options.on_batch(ingest->options.context);
    return true;
}

/* That it waits is seen by its figures. */
void dl_ingest_wait_a_little(struct dl_ingest *ingest)
{
    dl_ingest_tell_figures(ingest, dl_monotonic_ms());
    if (ingest->deadletter != NULL && dl_deadletter_outstanding(ingest->deadletter) > 0)
        dl_deadletter_poll(ingest->deadletter, DL_INGEST_WAIT_MS);
    else
        dl_sleep_ms(DL_INGEST_WAIT_MS);
}

/* The letters of a batch are on their way when its interval is over: a moment for them, so that a steady trickle of
 * rejects cannot put the hand-over off for ever. Once per interval: while they cannot be delivered, ingest goes on. */
static void settle_dead_letters(struct dl_ingest *ingest, int64_t now_ms)
{
    if (ingest->deadletter == NULL || now_ms < ingest->settle_ms)
        return;
    ingest->settle_ms = now_ms + SETTLE_MS + atomic_load_explicit(&ingest->batch_interval_ms, memory_order_relaxed);
    int64_t deadline = now_ms + SETTLE_MS;
    while (dl_deadletter_outstanding(ingest->deadletter) > 0 && dl_monotonic_ms() < deadline)
        dl_deadletter_poll(ingest->deadletter, DL_INGEST_WAIT_MS);
}

/* The open batch is at its limit: nothing more is read until it is gone. */
void dl_ingest_hand_over_or_wait(struct dl_ingest *ingest)
{
    while (!try_hand_over(ingest)) {
        if (dl_ingest_deaf(ingest))
            return;
        dl_ingest_wait_a_little(ingest);
    }
}

/* ---- Positions ---- */

void dl_ingest_cover(struct dl_ingest *ingest, struct dl_ingest_partition *partition, uint16_t topic, int32_t number,
                     int64_t from, int64_t next, int64_t end)
{
    if (dl_batch_cover(ingest->open, topic, number, from, next, end) != DL_OK)
        dl_ingest_out_of_memory(ingest);
    partition->next = next;
    partition->end = end;
}

/* Kafka mode: a topic was made anew, or its log cut off. By policy an alarm, or an empty link, [to, to), in a batch of
 * its own: it tells the source chain that what comes next is not what was counted before. */
static void go_back(struct dl_ingest *ingest, uint16_t topic, int32_t number, int64_t from, int64_t to)
{
    dl_note(dl_ingest_notes(ingest), DL_NOTE_ERROR,
            "a partition's offsets went back, so its topic was made anew or its log cut off: what was not read before is lost",
            DL_TEXT("topic", ingest->options.source.topics[topic]), DL_NUMBER("partition", number), DL_NUMBER("from", from),
            DL_NUMBER("to", to));
    if (atomic_load_explicit(&ingest->stop_on_data_loss, memory_order_relaxed)) {
        ingest->fault = DL_INGEST_DATA_LOST;
        dl_ingest_group_drop(ingest); /* a position of what is no more would be taken for one of what is there now */
        return;
    }
    dl_ingest_hand_over_or_wait(ingest);
    if (dl_ingest_deaf(ingest))
        return;
    dl_ingest_cover(ingest, dl_ingest_partition_at(ingest, topic, number), topic, number, to, to, to);
    dl_ingest_hand_over_or_wait(ingest);
}

static void on_start(void *context, uint16_t topic, int32_t number, int64_t offset)
{
    struct dl_ingest *ingest = context;
    struct dl_ingest_partition *partition = dl_ingest_partition_at(ingest, topic, number);
    if (ingest->commit != NULL && partition->next > offset)
        go_back(ingest, topic, number, partition->next, offset);
    dl_dedupe_destroy(partition->dedupe);
    *partition = (struct dl_ingest_partition){.next = offset, .end = -1};
    ingest->begun++;
}

static void on_position(void *context, uint16_t topic, int32_t number, int64_t next, int64_t end)
{
    struct dl_ingest *ingest = context;
    struct dl_ingest_partition *partition = dl_ingest_partition_at(ingest, topic, number);
    /* Nothing new: a position that is committed once more may by now be one of another topic of the same name. */
    if (dl_ingest_deaf(ingest) || (partition->next == next && partition->end == end))
        return;
    dl_ingest_cover(ingest, partition, topic, number, partition->next >= 0 ? partition->next : next, next, end);
}

static void on_loss(void *context, uint16_t topic, int32_t number, int64_t from, int64_t to)
{
    struct dl_ingest *ingest = context;
    struct dl_ingest_partition *partition = dl_ingest_partition_at(ingest, topic, number);
    if (to < from) {
        go_back(ingest, topic, number, from, to);
        return;
    }
    if (ingest->commit != NULL && atomic_load_explicit(&ingest->stop_on_data_loss, memory_order_relaxed)) {
        ingest->fault = DL_INGEST_DATA_LOST; /* the adapter has said what is lost */
        return;
    }
    dl_batch_counts(ingest->open)->lost += to - from;
    /* It is known, said and counted: the source chain goes on over it. */
    dl_ingest_cover(ingest, partition, topic, number, partition->next >= 0 && partition->next < from ? partition->next : from, to, to);
}

void dl_ingest_forget_partitions(struct dl_ingest *ingest)
{
    for (size_t i = 0; i < ingest->options.source.topic_count; i++)
        for (size_t j = 0; j < ingest->topics[i].partition_count; j++) {
            dl_dedupe_destroy(ingest->topics[i].partitions[j].dedupe);
            ingest->topics[i].partitions[j] = (struct dl_ingest_partition){.next = -1, .end = -1};
        }
}

const struct dl_kafka_callbacks dl_ingest_callbacks = {dl_ingest_on_record, dl_ingest_settle, on_start, on_position, on_loss, NULL};

/* ---- The thread ---- */

static void note_begun(struct dl_ingest *ingest)
{
    if (ingest->begun == 0 || dl_ingest_stopping(ingest))
        return;
    dl_note(dl_ingest_notes(ingest), DL_NOTE_INFO, "reading", DL_NUMBER("partitions", ingest->begun));
    ingest->begun = 0;
}

static void note_progress(struct dl_ingest *ingest, int64_t now_ms)
{
    if (ingest->caught_up || now_ms - ingest->progress_ms < PROGRESS_MS)
        return;
    ingest->progress_ms = now_ms;
    int64_t done, total;
    dl_kafka_source_progress(ingest->source, &done, &total);
    if (total <= 0)
        return;
    int64_t elapsed_ms = now_ms - ingest->started_ms;
    int64_t left_s = done > 0 ? (int64_t)((double)elapsed_ms / 1000.0 * (double)(total - done) / (double)done) : -1;
    dl_note(dl_ingest_notes(ingest), DL_NOTE_INFO, "re-reading the topics", DL_NUMBER("records", done), DL_NUMBER("of", total),
            DL_NUMBER("percent", 100 * done / total), DL_NUMBER("seconds_left", left_s));
}

/* What earlier runs have dead-lettered is asked for until Kafka answers. */
static void recall_dead_letters(struct dl_ingest *ingest)
{
    if (ingest->deadletter == NULL)
        return;
    int64_t note_ms = dl_monotonic_ms() + PROGRESS_MS;
    while (!dl_ingest_stopping(ingest)) {
        if (dl_monotonic_ms() >= note_ms) {
            dl_note(dl_ingest_notes(ingest), DL_NOTE_INFO, "still reading what earlier runs have dead-lettered; events wait",
                    DL_TEXT("topic", ingest->options.dead_letter_topic));
            note_ms += PROGRESS_MS;
        }
        enum dl_status status = dl_deadletter_recall(ingest->deadletter, ingest->options.source.start_ms, RECALL_MS);
        if (status == DL_OK)
            return;
        if (status == DL_REFUSED) {
            dl_note(dl_ingest_notes(ingest), DL_NOTE_WARNING,
                    "the dead-letter topic may not be read: what is read again is dead-lettered again; allow READ on it",
                    DL_TEXT("topic", ingest->options.dead_letter_topic));
            return;
        }
        if (status != DL_TIMEOUT)
            dl_sleep_ms(RECALL_PAUSE_MS);
    }
}

static void drain(struct dl_ingest *ingest)
{
    int64_t deadline = dl_monotonic_ms() + ingest->options.shutdown_timeout_ms;
    if (ingest->commit != NULL) {
        dl_ingest_group_end(ingest, deadline);
        return;
    }
    while (!try_hand_over(ingest) && dl_monotonic_ms() < deadline)
        dl_ingest_wait_a_little(ingest);
}

/* Its interval is over; or, in memory mode, it holds the last of what was there at the start, for which publishing waits.
 * came: the last poll brought records. */
static bool batch_is_due(const struct dl_ingest *ingest, int64_t now_ms, bool came)
{
    int64_t age_ms = now_ms - ingest->handed_ms;
    int64_t interval_ms = atomic_load_explicit(&ingest->batch_interval_ms, memory_order_relaxed);
    bool last = ingest->commit == NULL &&
        (dl_batch_caught_up(ingest->open) || (!ingest->caught_up && dl_kafka_source_caught_up(ingest->source)));
    return last || dl_ingest_is_due(ingest->open, age_ms, interval_ms, came);
}

static void *run(void *context)
{
    struct dl_ingest *ingest = context;
    recall_dead_letters(ingest);
    ingest->started_ms = ingest->progress_ms = dl_monotonic_ms();
    while (!dl_ingest_stopping(ingest)) {
        dl_ingest_tell_figures(ingest, dl_monotonic_ms());
        if (ingest->commit != NULL && !dl_ingest_group_tend(ingest)) {
            dl_sleep_ms(DL_INGEST_WAIT_MS);
            continue;
        }
        if (dl_batch_empty(ingest->open))
            dl_batch_set_opened(ingest->open, dl_monotonic_ms());
        int64_t records = dl_batch_counts(ingest->open)->records;
        dl_kafka_source_poll(ingest->source, DL_INGEST_POLL_MS);
        bool came = dl_batch_counts(ingest->open)->records != records;
        note_begun(ingest);
        if (ingest->deadletter != NULL)
            dl_deadletter_poll(ingest->deadletter, 0);
        int64_t now_ms = dl_monotonic_ms();
        if (batch_is_due(ingest, now_ms, came)) {
            settle_dead_letters(ingest, now_ms);
            (void)try_hand_over(ingest);
        }
        note_progress(ingest, now_ms);
    }
    drain(ingest);
    /* Release: whoever sees it may join at once and read everything. */
    atomic_store_explicit(&ingest->ended, true, memory_order_release);
    ingest->options.on_batch(ingest->options.context);
    return NULL;
}

static void destroy(struct dl_ingest *ingest)
{
    if (ingest->source != NULL)
        dl_kafka_source_destroy(ingest->source);
    if (ingest->deadletter != NULL)
        dl_deadletter_destroy(ingest->deadletter, 0);
    dl_decoder_destroy(ingest->decoder);
    dl_batch_destroy(ingest->open);
    dl_kafka_letters_destroy(ingest->letters);
    dl_kafka_membership_destroy(ingest->membership);
    dl_chain_destroy(ingest->origin);
    dl_commit_destroy(ingest->commit);
    for (size_t i = 0; ingest->topics != NULL && i < ingest->options.source.topic_count; i++) {
        for (size_t j = 0; j < ingest->topics[i].partition_count; j++)
            dl_dedupe_destroy(ingest->topics[i].partitions[j].dedupe);
        free(ingest->topics[i].partitions);
    }
    free(ingest->topics);
    if (ingest->figures != NULL)
        free(dl_ingest_take_figures(ingest));
    dl_ring_destroy(ingest->figures);
    free(ingest);
}

static enum dl_status connect_kafka(struct dl_ingest *ingest)
{
    const struct dl_ingest_options *options = &ingest->options;
    if (options->commit != NULL)
        return dl_ingest_group_start(ingest);
    struct dl_kafka_callbacks callbacks = dl_ingest_callbacks;
    callbacks.context = ingest;
    enum dl_status status = dl_kafka_source_create(&options->source, &callbacks, &ingest->source);
    if (status != DL_OK || options->dead_letter_topic == NULL)
        return status;
    const struct dl_deadletter_options deadletter = {options->source.kafka, options->dead_letter_topic,
                                                     options->source.topics, options->source.topic_count};
    return dl_deadletter_create(&deadletter, &ingest->deadletter);
}

enum dl_status dl_ingest_start(struct dl_ingest **result, const struct dl_ingest_options *options)
{
    struct dl_ingest *ingest = calloc(1, sizeof *ingest);
    if (ingest == NULL)
        return DL_MEMORY;
    ingest->options = *options;
    atomic_init(&ingest->stop, false);
    atomic_init(&ingest->stop_on_data_loss, options->stop_on_data_loss);
    atomic_init(&ingest->ended, false);
    atomic_init(&ingest->batch_interval_ms, options->batch_interval_ms);
    ingest->options.source.on_statistics = dl_ingest_on_statistics;
    ingest->figures = dl_ring_create(DL_INGEST_FIGURES_SLOTS, 0);
    ingest->topics = calloc(options->source.topic_count, sizeof *ingest->topics);
    ingest->decoder = dl_decoder_create(&options->decode);
    ingest->open = dl_batch_create(&options->batch, dl_monotonic_ms());
    enum dl_status status = DL_MEMORY;
    if (ingest->topics != NULL && ingest->decoder != NULL && ingest->open != NULL && ingest->figures != NULL)
        status = connect_kafka(ingest);
    if (status == DL_OK)
        status = dl_thread_start(&ingest->thread, run, ingest);
    if (status != DL_OK) {
        destroy(ingest);
        return status;
    }
    *result = ingest;
    return DL_OK;
}

void dl_ingest_stop(struct dl_ingest *ingest)
{
    atomic_store_explicit(&ingest->stop, true, memory_order_relaxed);
}

bool dl_ingest_ended(const struct dl_ingest *ingest)
{
    return atomic_load_explicit(&ingest->ended, memory_order_acquire);
}

void dl_ingest_join(struct dl_ingest *ingest)
{
    pthread_join(ingest->thread, NULL);
    destroy(ingest);
}

enum dl_ingest_fault dl_ingest_fault(const struct dl_ingest *ingest)
{
    DL_ASSERT(dl_ingest_ended(ingest));
    return ingest->fault;
}

void dl_ingest_set_stop_on_data_loss(struct dl_ingest *ingest, bool stop)
{
    atomic_store_explicit(&ingest->stop_on_data_loss, stop, memory_order_relaxed);
}

void dl_ingest_set_batch_interval(struct dl_ingest *ingest, int64_t batch_interval_ms)
{
    atomic_store_explicit(&ingest->batch_interval_ms, batch_interval_ms, memory_order_relaxed);
}
