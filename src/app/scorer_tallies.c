#include "scorer_inside.h"

#include "clocks.h"

#include <stdio.h>

void dl_scorer_follow(struct dl_scorer *scorer, int64_t first)
{
    scorer->state = DL_SCORER_FOLLOWING;
    scorer->taken = scorer->reading;
    if (scorer->reading < scorer->counted)
        dl_note(scorer->options.notes, DL_NOTE_NOTICE, "new windows are filled from the tallies as far back as they reach",
                DL_NUMBER("from", first), DL_NUMBER("to", scorer->counted));
    dl_scorer_end_fill(scorer);
    dl_tallies_begin(scorer->tallies, scorer->reading);
}

static void reached(struct dl_scorer *scorer)
{
    if (scorer->state != DL_SCORER_FOLLOWING || scorer->counted < scorer->publish_from || scorer->reading < scorer->counted)
        return;
    scorer->state = DL_SCORER_SCORING;
    dl_note(scorer->options.notes, DL_NOTE_NOTICE, "caught up: publishing", DL_NUMBER("owner", scorer->token),
            DL_NUMBER("tallies_next", scorer->counted), DL_NUMBER("took_ms", dl_monotonic_ms() - scorer->took_ms));
    scorer->options.on_caught_up(scorer->options.context);
}

void dl_scorer_settle(struct dl_scorer *scorer)
{
    if (dl_scoring_waiting(scorer->scoring) > 0)
        return;
    scorer->applying = false;
    if (scorer->taken > scorer->reading)
        scorer->reading = scorer->taken;
    if (scorer->reading > scorer->counted)
        scorer->counted = scorer->reading;
    dl_scorer_end_fill(scorer);
    reached(scorer);
}

static void took(struct dl_scorer *scorer, int64_t next)
{
    if (next > scorer->taken)
        scorer->taken = next;
    dl_scorer_settle(scorer);
}

static void note_link(struct dl_scorer *scorer, const char *sentence, const struct dl_chain_link *link, int64_t expected,
                      const struct dl_batch_part *part, int64_t offset)
{
    char topic[256], instance[DL_NAME_BYTES_MAX + 1];
    snprintf(topic, sizeof topic, "%.*s", (int)link->topic.bytes, link->topic.data);
    snprintf(instance, sizeof instance, "%.*s", (int)part->instance.bytes, part->instance.data == NULL ? "" : part->instance.data);
    dl_note(scorer->options.notes, DL_NOTE_ERROR, sentence, DL_TEXT("topic", topic), DL_NUMBER("partition", link->partition),
            DL_NUMBER("from", link->from < expected ? link->from : expected),
            DL_NUMBER("to", link->from < expected ? expected : link->from), DL_TEXT("batch_of", instance),
            DL_NUMBER("tallies_offset", offset));
}

/* false: this process stops. */
static bool follow_chain(struct dl_scorer *scorer, const struct dl_batch_part *part, int64_t offset)
{
    for (size_t i = 0; i < part->source_count; i++) {
        const struct dl_chain_link *link = &part->sources[i];
        int64_t expected;
        switch (dl_chain_judge(scorer->chain, link, &expected)) {
        case DL_CHAIN_GOOD:
            break;
        case DL_CHAIN_GAP:
            scorer->counts.gaps++;
            scorer->counts.lost_records += link->from - expected;
            note_link(scorer, "a gap in the source chain: these records were never counted", link, expected, part, offset);
            if (!dl_scorer_go_on(scorer))
                return false;
            break;
        case DL_CHAIN_OVERLAP:
            if (link->from == link->next)
                break; /* ingest has given the alarm: the partition begins anew there */
            note_link(scorer, "an overlap in the source chain: these records were counted twice; this process stops, for exactly-once is broken",
                      link, expected, part, offset);
            dl_scorer_fault(scorer, DL_SCORER_OVERLAP);
            return false;
        }
        if (dl_chain_take(scorer->chain, link) != DL_OK) {
            dl_scorer_out_of_memory(scorer);
            return false;
        }
    }
    return true;
}

void dl_scorer_on_record(void *context, int64_t offset, int64_t timestamp_ms, const void *value, size_t bytes)
{
    (void)timestamp_ms;
    struct dl_scorer *scorer = context;
    if (scorer->state < DL_SCORER_FOLLOWING || scorer->held >= 0 || scorer->faulted)
        return;
    struct dl_batch_part part;
    char detail[DL_DETAIL_SIZE];
    enum dl_record_fault fault = dl_batch_read(scorer->batch_reader, value, bytes, &part, detail);
    if (fault == DL_RECORD_MEMORY) {
        dl_scorer_out_of_memory(scorer);
        return;
    }
    if (fault != DL_RECORD_GOOD) {
        scorer->counts.unreadable++;
        dl_note(scorer->options.notes, DL_NOTE_ERROR, "a record of the tallies topic cannot be read: its events are missing",
                DL_TEXT("topic", scorer->options.config->kafka.tallies_topic), DL_NUMBER("offset", offset),
                DL_TEXT("fault", dl_record_fault_word(fault)), DL_TEXT("meaning", dl_record_fault_sentence(fault)),
                DL_TEXT("detail", detail));
        if (dl_scorer_go_on(scorer))
            took(scorer, offset + 1);
        return;
    }
    if (dl_scoring_must_wait(scorer->scoring, part.newest_ms)) {
        scorer->held = offset;
        scorer->held_newest_ms = part.newest_ms;
        return;
    }
    bool fills = offset < scorer->counted;
    if (fills)
        dl_scorer_fresh_since(scorer, offset, part.written_ms);
    else if (!follow_chain(scorer, &part, offset))
        return;
    dl_scoring_gather(scorer->scoring, dl_batch_part_each, scorer->batch_reader, part.newest_ms,
                      fills ? scorer->fresh : DL_ALL_WINDOWS);
    scorer->counts.parts++;
    took(scorer, offset + 1);
}

void dl_scorer_on_position(void *context, int64_t next, int64_t end)
{
    struct dl_scorer *scorer = context;
    if (scorer->state < DL_SCORER_FOLLOWING || scorer->held >= 0 || scorer->faulted)
        return;
    scorer->tallies_end = end;
    took(scorer, next);
}

/* to < from: the topic ends before what was read: truncated or made anew, and read again from its first record. */
void dl_scorer_on_loss(void *context, int64_t from, int64_t to)
{
    struct dl_scorer *scorer = context;
    if (scorer->state < DL_SCORER_FOLLOWING || scorer->faulted)
        return;
    scorer->counts.lost_records += to > from ? to - from : 0;
    dl_note(scorer->options.notes, DL_NOTE_ERROR,
            to > from ? "counted batches are gone before they were scored: scores will lack their events"
                      : "the tallies topic ends before what was read of it: truncated or made anew; batches are lost",
            DL_TEXT("topic", scorer->options.config->kafka.tallies_topic), DL_NUMBER("partition", 0), DL_NUMBER("from", from),
            DL_NUMBER("to", to));
    if (!dl_scorer_go_on(scorer))
        return;
    while (dl_scoring_waiting(scorer->scoring) > 0)
        dl_scoring_apply_some(scorer->scoring);
    scorer->taken = scorer->reading = to;
    if (to < from || to > scorer->counted)
        scorer->counted = to;
    dl_scorer_settle(scorer);
}
