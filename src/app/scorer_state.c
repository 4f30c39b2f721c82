#include "scorer_inside.h"

#include "clocks.h"

#include <delight/time.h>

#include <stdlib.h>
#include <string.h>

enum {
    SLICE_PANES = 2000,       /* of a checkpoint, in one turn of the loop */
    PROGRESS_MS = 5000,
    RETRY_MS = 2000,
    FENCES_MS = 60000,
};

static struct dl_note_sink *notes_of(const struct dl_scorer *scorer)
{
    return scorer->options.notes;
}

/* ---- What cannot be read ---- */

void dl_scorer_forget_unreadable(struct dl_scorer *scorer)
{
    while (scorer->unreadable_count > 0)
        free(scorer->unreadable[--scorer->unreadable_count].key);
}

static void forget_replaced(struct dl_scorer *scorer, const struct dl_record_pair *pair)
{
    for (int i = scorer->unreadable_count; i-- > 0;) {
        struct dl_scorer_unreadable *unreadable = &scorer->unreadable[i];
        if (unreadable->key_bytes != pair->key_bytes || memcmp(unreadable->key, pair->key, pair->key_bytes) != 0)
            continue;
        free(unreadable->key);
        *unreadable = scorer->unreadable[--scorer->unreadable_count];
    }
}

/* The next checkpoint deletes them: the alarm is given once. DL_STOPPED: by policy this process stops. */
static enum dl_status tell_unreadable(struct dl_scorer *scorer)
{
    enum dl_status status = DL_OK;
    if (scorer->unreadable_count == 0)
        return DL_OK;
    for (int i = 0; i < scorer->unreadable_count; i++) {
        const struct dl_scorer_unreadable *unreadable = &scorer->unreadable[i];
        const struct dl_record_pair tombstone = {.key = unreadable->key, .key_bytes = unreadable->key_bytes};
        scorer->counts.unreadable++;
        dl_note(notes_of(scorer), DL_NOTE_ERROR, "a record of the state topic cannot be read: scores may lack what it held",
                DL_TEXT("topic", scorer->options.config->kafka.state_topic), DL_NUMBER("offset", unreadable->offset),
                DL_TEXT("fault", dl_record_fault_word(unreadable->fault)),
                DL_TEXT("meaning", dl_record_fault_sentence(unreadable->fault)), DL_TEXT("detail", unreadable->detail));
        if (status == DL_OK && unreadable->key_bytes > 0)
            status = dl_records_add(&scorer->obsolete, &tombstone);
    }
    dl_scorer_forget_unreadable(scorer);
    return !dl_scorer_go_on(scorer) ? DL_STOPPED : status;
}

static enum dl_status keep_unreadable(struct dl_scorer *scorer, const struct dl_record_pair *pair, enum dl_record_fault fault,
                                      const char *detail)
{
    if (pair->key_bytes == 1 && *(const char *)pair->key == 'O')
        return DL_OK; /* the owner is this process */
    enum dl_status status = scorer->unreadable_count < DL_SCORER_UNREADABLE_MAX ? DL_OK : tell_unreadable(scorer);
    if (status != DL_OK)
        return status;
    struct dl_scorer_unreadable *unreadable = &scorer->unreadable[scorer->unreadable_count];
    unreadable->key = malloc(pair->key_bytes + 1);
    if (unreadable->key == NULL)
        return DL_MEMORY;
    scorer->unreadable_count++;
    if (pair->key_bytes > 0)
        memcpy(unreadable->key, pair->key, pair->key_bytes);
    unreadable->key_bytes = pair->key_bytes;
    unreadable->offset = pair->offset;
    unreadable->fault = fault;
    memcpy(unreadable->detail, detail, sizeof unreadable->detail);
    return DL_OK;
}

/* ---- The head ---- */

static void take_windows(struct dl_scorer *scorer, const struct dl_state_head *head)
{
    const struct dl_config *config = scorer->options.config;
    for (size_t w = 0; w < config->windows.count; w++) {
        int found = 0;
        while (found < head->windows && head->window[found].window_ms != config->windows.item[w])
            found++;
        scorer->data_since_ms[w] = found < head->windows ? head->window[found].data_since_ms : INT64_MAX;
        if (found == head->windows)
            scorer->fresh |= (uint32_t)1 << w;
    }
}

static void note_segments(struct dl_scorer *scorer, const struct dl_state_head *head)
{
    const struct dl_config *config = scorer->options.config;
    for (size_t i = 0; i < config->segments.count; i++) {
        int found = 0;
        while (found < head->segments && !dl_name_equal(head->segment[found], dl_name_of(config->segments.item[i])))
            found++;
        if (found == head->segments)
            dl_note(notes_of(scorer), DL_NOTE_WARNING, "a segment is new: its scores begin with what is counted from now on",
                    DL_TEXT("segment", config->segments.item[i]));
    }
}

static bool take_head(struct dl_scorer *scorer, const struct dl_record_pair *pair)
{
    struct dl_state_record record;
    char detail[DL_DETAIL_SIZE];
    enum dl_record_fault fault =
        dl_state_read(scorer->state_reader, pair->key, pair->key_bytes, pair->value, pair->value_bytes, &record, detail);
    DL_ASSERT(fault == DL_RECORD_GOOD && record.kind == DL_STATE_HEAD); /* it was found by reading it */
    const struct dl_state_head *head = &record.head;
    for (size_t i = 0; i < head->link_count; i++)
        if (dl_chain_take(scorer->chain, &head->links[i]) != DL_OK)
            return false;
    scorer->headed = true;
    scorer->reading = scorer->counted = scorer->saved = head->tallies_next;
    take_windows(scorer, head);
    note_segments(scorer, head);
    dl_scoring_set_clock(scorer->scoring, head->clock_ms, head->newest_ms);
    dl_engine_set_oldest(dl_scoring_engine(scorer->scoring), head->oldest_ms);
    return true;
}

static void on_scoring_failed(void *context, const char *at, enum dl_status status)
{
    struct dl_scorer *scorer = context;
    dl_note(notes_of(scorer), DL_NOTE_ERROR, "cannot go on", DL_TEXT("at", at), DL_TEXT("status", dl_status_text(status)));
    dl_scorer_fault(scorer, DL_SCORER_BROKEN);
}

static void on_head(struct dl_scorer *scorer, const struct dl_checkpoint_message *message)
{
    scorer->token = message->token;
    scorer->chain = dl_chain_create();
    const struct dl_scoring_options options = {
        .loop = scorer->options.loop, .config = scorer->options.config, .catalogue_json = scorer->options.catalogue_json,
        .notes = scorer->options.notes, .token = message->token, .keeps_changes = true,
        .on_failed = on_scoring_failed, .context = scorer,
        .on_changed = scorer->options.on_changed, .changed_context = scorer->options.changed_context};
    enum dl_status status = scorer->chain == NULL ? DL_MEMORY : dl_scoring_create(&options, &scorer->scoring);
    struct dl_record_pair pair;
    size_t at = 0;
    if (status == DL_OK && dl_records_next(&message->records, &at, &pair) && !take_head(scorer, &pair))
        status = DL_MEMORY;
    if (status != DL_OK) {
        on_scoring_failed(scorer, "restore", status);
        return;
    }
    scorer->state = DL_SCORER_RESTORING;
    dl_note(notes_of(scorer), DL_NOTE_NOTICE, "this process scores now; taking the state over", DL_NUMBER("owner", message->token),
            DL_NUMBER("checkpoint_at", scorer->headed ? scorer->counted : -1),
            DL_NUMBER("partitions", dl_chain_count(scorer->chain)));
}

/* ---- Panes ---- */

static enum dl_status restore_pane(struct dl_scorer *scorer, const struct dl_record_pair *pair, const struct dl_engine_pane *pane)
{
    /* Without a head, or before the first event, there is no clock that says which panes still count. */
    struct dl_engine *engine = dl_scoring_engine(scorer->scoring);
    enum dl_status status = dl_engine_now(engine) == INT64_MIN ? DL_INVALID : dl_engine_restore(engine, pane);
    if (status != DL_INVALID)
        return status;
    if (pair->value == NULL)
        return DL_OK;
    const struct dl_record_pair tombstone = {.key = pair->key, .key_bytes = pair->key_bytes};
    return dl_records_add(&scorer->obsolete, &tombstone);
}

static void on_state(struct dl_scorer *scorer, const struct dl_checkpoint_message *message)
{
    struct dl_record_pair pair;
    enum dl_status status = DL_OK;
    for (size_t at = 0; status == DL_OK && dl_records_next(&message->records, &at, &pair);) {
        struct dl_state_record record;
        char detail[DL_DETAIL_SIZE] = "";
        forget_replaced(scorer, &pair);
        enum dl_record_fault fault =
            dl_state_read(scorer->state_reader, pair.key, pair.key_bytes, pair.value, pair.value_bytes, &record, detail);
        if (fault == DL_RECORD_MEMORY) {
            status = DL_MEMORY;
        } else if (fault != DL_RECORD_GOOD) {
            status = keep_unreadable(scorer, &pair, fault, detail);
        } else if (record.kind == DL_STATE_PANE) {
            status = restore_pane(scorer, &pair, &record.pane);
        }
    }
    if (status == DL_STOPPED)
        return;
    if (status != DL_OK)
        on_scoring_failed(scorer, "restore", status);
    int64_t now_ms = dl_monotonic_ms();
    if (now_ms - scorer->progress_ms >= PROGRESS_MS) {
        scorer->progress_ms = now_ms;
        dl_note(notes_of(scorer), DL_NOTE_INFO, "reading the state", DL_NUMBER("records", message->done),
                DL_NUMBER("of", scorer->token));
    }
}

/* ---- The tallies behind the state ---- */

static bool note_lost(struct dl_scorer *scorer, const char *sentence, int64_t from, int64_t to)
{
    scorer->counts.lost_records += to - from;
    dl_note(notes_of(scorer), DL_NOTE_ERROR, "counted batches are lost: scores will lack their events", DL_TEXT("why", sentence),
            DL_TEXT("topic", scorer->options.config->kafka.tallies_topic), DL_NUMBER("partition", 0), DL_NUMBER("from", from),
            DL_NUMBER("to", to));
    return dl_scorer_go_on(scorer);
}

static void on_acquired(struct dl_scorer *scorer, const struct dl_checkpoint_message *message)
{
    enum dl_status status = tell_unreadable(scorer);
    if (status == DL_MEMORY)
        on_scoring_failed(scorer, "restore", status);
    if (status != DL_OK)
        return;
    if (scorer->counted > message->end) {
        if (!note_lost(scorer, "the topic ends before what the checkpoint has counted: truncated or made anew", message->end,
                       scorer->counted))
            return;
        scorer->reading = scorer->counted = message->first;
    } else if (scorer->counted < message->first) {
        const char *why = scorer->headed ? "retention has taken them" : "there is no checkpoint, and the topic does not begin at 0";
        if (!note_lost(scorer, why, scorer->counted, message->first))
            return;
        scorer->reading = scorer->counted = message->first;
    }
    scorer->publish_from = scorer->tallies_end = message->end;
    if (!scorer->headed)
        for (size_t w = 0; w < scorer->options.config->windows.count; w++)
            scorer->data_since_ms[w] = INT64_MIN;
    else if (scorer->fresh != 0)
        scorer->reading = message->first;
    dl_scorer_follow(scorer, message->first);
}

/* ---- New windows ---- */

void dl_scorer_fresh_since(struct dl_scorer *scorer, int64_t offset, int64_t written_ms)
{
    for (size_t w = 0; w < scorer->options.config->windows.count; w++)
        if ((scorer->fresh >> w & 1) != 0 && scorer->data_since_ms[w] == INT64_MAX)
            scorer->data_since_ms[w] = offset == 0 ? INT64_MIN : written_ms;
}

void dl_scorer_end_fill(struct dl_scorer *scorer)
{
    if (scorer->fresh == 0 || scorer->reading < scorer->counted)
        return;
    dl_scorer_fresh_since(scorer, -1, dl_wall_ms()); /* where the tallies had nothing for it */
    for (size_t w = 0; w < scorer->options.config->windows.count; w++) {
        if ((scorer->fresh >> w & 1) == 0)
            continue;
        char window[32], since[DL_TIME_TEXT_SIZE] = "the first event";
        dl_duration_format(window, sizeof window, scorer->options.config->windows.item[w]);
        if (scorer->data_since_ms[w] != INT64_MIN)
            dl_time_format(since, scorer->data_since_ms[w]);
        dl_note(notes_of(scorer), DL_NOTE_NOTICE, "a new window is filled: it has what was counted since", DL_TEXT("window", window),
                DL_TEXT("since", since));
    }
    scorer->fresh = 0;
    scorer->saved = -1; /* the next checkpoint's head has them, whatever else changes */
}

static bool fenced_too_often(struct dl_scorer *scorer)
{
    int64_t now_ms = dl_monotonic_ms();
    for (int i = 1; i < DL_SCORER_FENCES_MAX; i++)
        scorer->fenced_ms[i - 1] = scorer->fenced_ms[i];
    scorer->fenced_ms[DL_SCORER_FENCES_MAX - 1] = now_ms;
    return scorer->fenced_ms[0] != 0 && now_ms - scorer->fenced_ms[0] <= FENCES_MS;
}

static void on_ownership_lost(struct dl_scorer *scorer, enum dl_status status)
{
    if (status == DL_FENCED && fenced_too_often(scorer)) {
        dl_note(notes_of(scorer), DL_NOTE_ERROR,
                "another process takes the scores over again and again, though the group gives them to this one; this one stops (one group.id, one cluster?)");
        dl_scorer_end_term(scorer);
        dl_scorer_fault(scorer, DL_SCORER_FENCED_OUT);
        return;
    }
    dl_note(notes_of(scorer), DL_NOTE_WARNING, "this process does not score any more; it will try again while the group wants it to",
            DL_TEXT("status", dl_status_text(status)),
            DL_TEXT("advice", status == DL_EMPTY || status == DL_REFUSED ? "delightd topics --check" : ""));
    dl_scorer_end_term(scorer);
    scorer->acquire_due_ms = dl_monotonic_ms() + RETRY_MS;
}

/* ---- Checkpoints ---- */

/* Not while new windows are being filled: a checkpoint would take them for whole; nor in the middle of a batch. */
bool dl_scorer_may_save(const struct dl_scorer *scorer)
{
    return scorer->state >= DL_SCORER_FOLLOWING && scorer->reading >= scorer->counted && !scorer->collecting && !scorer->saving &&
           !scorer->faulted && dl_scoring_waiting(scorer->scoring) == 0;
}

bool dl_scorer_unsaved(const struct dl_scorer *scorer)
{
    return scorer->saved != scorer->counted || scorer->obsolete.bytes > 0 ||
           dl_engine_changes(dl_scoring_engine(scorer->scoring)) > 0;
}

bool dl_scorer_drained(const struct dl_scorer *scorer)
{
    return scorer->faulted || scorer->state != DL_SCORER_SCORING || dl_scoring_drained(scorer->scoring);
}

static enum dl_status add_record(struct dl_scorer *scorer, enum dl_status status)
{
    const struct dl_record_pair pair = {.key = scorer->key.data, .key_bytes = scorer->key.bytes,
                                        .value = scorer->value.bytes > 0 ? scorer->value.data : NULL,
                                        .value_bytes = scorer->value.bytes};
    if (status == DL_OK)
        status = dl_records_add(&scorer->collected, &pair);
    scorer->collected_records++;
    return status;
}

static enum dl_status on_pane(void *context, const struct dl_engine_pane *pane)
{
    struct dl_scorer *scorer = context;
    scorer->key.bytes = scorer->value.bytes = 0;
    return add_record(scorer, dl_state_write_pane((int)scorer->options.config->kafka.record_version, pane, &scorer->key,
                                                  &scorer->value));
}

static enum dl_status add_head(struct dl_scorer *scorer)
{
    const struct dl_config *config = scorer->options.config;
    struct dl_engine_counts counts;
    dl_engine_counts(dl_scoring_engine(scorer->scoring), &counts);
    struct dl_state_head head = {
        .tallies_next = scorer->counted, .clock_ms = dl_engine_now(dl_scoring_engine(scorer->scoring)),
        .newest_ms = dl_scoring_newest_ms(scorer->scoring), .oldest_ms = counts.oldest_ms, .written_ms = dl_wall_ms(),
        .instance = dl_name_of(config->instance), .windows = (int)config->windows.count, .segments = (int)config->segments.count,
        .chain = scorer->chain};
    for (size_t w = 0; w < config->windows.count; w++)
        head.window[w] = (struct dl_state_window){config->windows.item[w], scorer->data_since_ms[w]};
    for (size_t i = 0; i < config->segments.count; i++)
        head.segment[i] = dl_name_of(config->segments.item[i]);
    scorer->key.bytes = scorer->value.bytes = 0;
    return add_record(scorer, dl_state_write_head((int)config->kafka.record_version, &head, &scorer->key, &scorer->value));
}

void dl_scorer_begin_save(struct dl_scorer *scorer)
{
    scorer->collecting = true;
    scorer->save_began_ns = uv_hrtime();
    scorer->collected_records = 0;
    /* What is obsolete goes first: a recount may have written panes under the same keys. */
    struct dl_record_bytes emptied = scorer->collected;
    scorer->collected = scorer->obsolete;
    scorer->obsolete = emptied;
    scorer->obsolete.bytes = 0;
    dl_scorer_pause(scorer, true); /* between the slices nothing may change */
    dl_scorer_collect(scorer);
}

static enum dl_status finish_collecting(struct dl_scorer *scorer)
{
    enum dl_status status = add_head(scorer);
    if (status == DL_OK)
        status = dl_checkpoint_save(scorer->checkpoint, scorer->term, &scorer->collected);
    return status;
}

void dl_scorer_collect(struct dl_scorer *scorer)
{
    enum dl_status status = dl_engine_take_changes(dl_scoring_engine(scorer->scoring), SLICE_PANES, on_pane, scorer);
    if (status == DL_OK) {
        uv_async_send(&scorer->again);
        return;
    }
    if (status == DL_EMPTY)
        status = finish_collecting(scorer);
    scorer->collecting = false;
    scorer->saving = status == DL_OK;
    scorer->saved = scorer->counted;
    dl_scorer_pause(scorer, false);
    if (status != DL_OK)
        on_scoring_failed(scorer, "checkpoint", status);
}

static void on_saved(struct dl_scorer *scorer)
{
    scorer->saving = false;
    scorer->save_due_ms = dl_monotonic_ms() + scorer->options.config->checkpoint_interval_ms;
    scorer->counts.checkpoints++;
    dl_durations_add(&scorer->counts.checkpoint, (int64_t)(uv_hrtime() - scorer->save_began_ns));
    scorer->counts.checkpoint_ms = dl_wall_ms();
    scorer->counts.checkpoint_records = scorer->collected_records;
    dl_note(notes_of(scorer), DL_NOTE_DEBUG, "checkpoint written", DL_NUMBER("records", scorer->collected_records),
            DL_NUMBER("tallies_next", scorer->saved));
    if (scorer->stopping)
        dl_scorer_stop(scorer); /* goes on where it was: a last one, or the end */
}

/* ---- Messages ---- */

void dl_scorer_on_message(struct dl_scorer *scorer, struct dl_checkpoint_message *message)
{
    if (message->term != scorer->term || scorer->state == DL_SCORER_STANDBY || scorer->faulted)
        return; /* of a term that is over */
    switch (message->kind) {
    case DL_CHECKPOINT_HEAD:
        on_head(scorer, message);
        break;
    case DL_CHECKPOINT_STATE:
        on_state(scorer, message);
        break;
    case DL_CHECKPOINT_ACQUIRED:
        on_acquired(scorer, message);
        break;
    case DL_CHECKPOINT_SAVED:
        on_saved(scorer);
        break;
    case DL_CHECKPOINT_LOST:
        on_ownership_lost(scorer, message->status);
        break;
    }
}
