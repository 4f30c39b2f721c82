/* Records: decoded, found to be duplicates or not, counted.
 *
 * Whether an id was there before is told by memory that lies in no near cache, and asking for it takes longer than
 * decoding an event. So an accepted event is marked, and waits while the next ones are decoded:
 *
 *   record ─► decode, mark ─► event  event ─► duplicate? ─► count, cover
 *
 * They are counted in the order in which they came, and all of them before anything else happens: a record that is
 * rejected, one whose names would not outlast the next, a partition that starts or ends, the end of a poll. */
#include "ingest_inside.h"

/* false: it was not taken, so neither is the record. */
static bool dead_letter(struct dl_ingest *ingest, struct dl_kafka_record *record, enum dl_reject reason, const char *detail)
{
    dl_kafka_take_headers(record); /* they go with it */
    if (ingest->options.dead_letter_topic != NULL && ingest->commit != NULL) {
        if (!dl_ingest_group_dead_letter(ingest, record, dl_reject_word(reason), detail))
            return false;
        dl_batch_counts(ingest->open)->rejected[reason]++;
        return true;
    }
    dl_batch_counts(ingest->open)->rejected[reason]++;
    if (ingest->deadletter == NULL) {
        dl_note(dl_ingest_notes(ingest), DL_NOTE_WARNING, "not an event: counted, and dropped for want of a dead-letter topic",
                DL_TEXT("topic", ingest->options.source.topics[record->topic]), DL_NUMBER("partition", record->partition),
                DL_NUMBER("offset", record->offset), DL_TEXT("reason", dl_reject_word(reason)), DL_TEXT("detail", detail));
        return true;
    }
    /* An earlier run has sent it. An offset beyond the partition's end was of a topic that has been created anew since. */
    int64_t recalled = dl_deadletter_recalled(ingest->deadletter, record->topic, record->partition);
    if (record->offset <= recalled && recalled < record->end)
        return true;
    while (dl_deadletter_send(ingest->deadletter, record, dl_reject_word(reason), detail) == DL_FULL) {
        if (dl_ingest_deaf(ingest))
            return false;
        dl_ingest_wait_a_little(ingest);
    }
    return true;
}

/* false: it was not counted. */
static bool count_event(struct dl_ingest *ingest, struct dl_ingest_event *waiting)
{
    const struct dl_event *event = &waiting->event;
    enum dl_status status = dl_batch_add(ingest->open, event);
    if (status == DL_FULL) {
        dl_ingest_hand_over_or_wait(ingest);
        if (dl_ingest_deaf(ingest))
            return false;
        status = dl_batch_add(ingest->open, event);
    }
    if (status == DL_MEMORY)
        dl_ingest_out_of_memory(ingest);
    DL_ASSERT(status == DL_OK);
    struct dl_ingest_counts *counts = dl_batch_counts(ingest->open);
    counts->accepted[event->type]++;
    counts->retracted += event->sign < 0;
    return true;
}

static bool is_duplicate(struct dl_ingest *ingest, struct dl_ingest_partition *partition, const struct dl_ingest_event *waiting)
{
    bool duplicate = false;
    if (partition->dedupe != NULL &&
        dl_dedupe_check(partition->dedupe, waiting->place.offset, &waiting->mark, &duplicate) != DL_OK)
        dl_ingest_out_of_memory(ingest);
    return duplicate;
}

static void note_place(const struct dl_kafka_record *record, struct dl_ingest_place *place)
{
    place->topic = record->topic;
    place->partition = record->partition;
    place->offset = record->offset;
    place->end = record->end;
    place->timestamp_ms = record->timestamp_ms;
    place->bytes = (int64_t)(record->value_bytes + record->key_bytes);
}

static void cover_record(struct dl_ingest *ingest, struct dl_ingest_partition *partition, const struct dl_ingest_place *place)
{
    struct dl_ingest_counts *counts = dl_batch_counts(ingest->open);
    counts->records++;
    counts->bytes += place->bytes;
    dl_ingest_cover(ingest, partition, place->topic, place->partition, partition->next >= 0 ? partition->next : place->offset,
                    place->offset + 1, place->end);
    if (place->timestamp_ms > 0)
        partition->timestamp_ms = place->timestamp_ms;
}

/* What was counted is covered, whoever asks to stop meanwhile: a position short of it would have it counted again. */
static void take_event(struct dl_ingest *ingest, struct dl_ingest_event *waiting)
{
    const struct dl_ingest_place *place = &waiting->place;
    struct dl_ingest_partition *partition = dl_ingest_partition_at(ingest, place->topic, place->partition);
    bool duplicate = is_duplicate(ingest, partition, waiting);
    if (waiting->warm_up)
        return;
    if (duplicate)
        dl_batch_counts(ingest->open)->duplicates++;
    else if (!count_event(ingest, waiting))
        return;
    cover_record(ingest, partition, place);
}

static void take_first(struct dl_ingest *ingest)
{
    struct dl_ingest_event *first = &ingest->waiting[ingest->waiting_first];
    ingest->waiting_first = (ingest->waiting_first + 1) % DL_INGEST_WAITING;
    ingest->waiting_count--;
    take_event(ingest, first);
}

void dl_ingest_settle(void *context)
{
    struct dl_ingest *ingest = context;
    while (ingest->waiting_count > 0 && !dl_ingest_deaf(ingest))
        take_first(ingest);
    ingest->waiting_count = 0; /* deaf: nothing more of it is covered */
}

struct asked {
    struct dl_kafka_record *record;
    struct dl_header headers[DL_KAFKA_HEADERS_MAX];
};

static void take_headers(struct dl_message *message)
{
    struct asked *asked = message->context;
    struct dl_kafka_record *record = asked->record;
    dl_kafka_take_headers(record);
    for (size_t i = 0; i < record->header_count; i++)
        asked->headers[i] = (struct dl_header){record->headers[i].key, record->headers[i].value, record->headers[i].value_bytes};
    message->headers = asked->headers;
    message->header_count = record->header_count;
}

static enum dl_reject decode(struct dl_ingest *ingest, struct dl_kafka_record *record, struct dl_event *event, char *detail)
{
    struct asked asked; /* not set: it is large, and mostly not needed */
    asked.record = record;
    const struct dl_message message = {.value = record->value,
                                       .value_bytes = record->value_bytes,
                                       .timestamp_ms = record->timestamp_ms,
                                       .take_headers = take_headers,
                                       .context = &asked};
    return dl_decode(ingest->decoder, &message, INT64_MAX, event, detail);
}

static void mark(struct dl_ingest *ingest, struct dl_ingest_event *waiting)
{
    if (ingest->options.dedupe_records == 0)
        return;
    struct dl_ingest_partition *partition = dl_ingest_partition_at(ingest, waiting->place.topic, waiting->place.partition);
    if (partition->dedupe == NULL)
        partition->dedupe = dl_dedupe_create(ingest->options.dedupe_records);
    if (partition->dedupe == NULL)
        dl_ingest_out_of_memory(ingest);
    waiting->mark = dl_dedupe_mark(partition->dedupe, &waiting->event);
}

static void reject(struct dl_ingest *ingest, struct dl_kafka_record *record, enum dl_reject reason, const char *detail)
{
    dl_ingest_settle(ingest);
    if (record->warm_up || dl_ingest_deaf(ingest) || !dead_letter(ingest, record, reason, detail))
        return;
    struct dl_ingest_place place;
    note_place(record, &place);
    cover_record(ingest, dl_ingest_partition_at(ingest, record->topic, record->partition), &place);
}

void dl_ingest_on_record(void *context, struct dl_kafka_record *record)
{
    struct dl_ingest *ingest = context;
    if (dl_ingest_deaf(ingest))
        return;
    if (ingest->waiting_count == DL_INGEST_WAITING)
        take_first(ingest);
    struct dl_ingest_event *waiting = &ingest->waiting[(ingest->waiting_first + ingest->waiting_count) % DL_INGEST_WAITING];
    char detail[DL_DETAIL_SIZE];
    enum dl_reject reason = decode(ingest, record, &waiting->event, detail);
    if (reason != DL_ACCEPTED) {
        reject(ingest, record, reason, detail);
        return;
    }
    note_place(record, &waiting->place);
    waiting->warm_up = record->warm_up;
    mark(ingest, waiting);
    ingest->waiting_count++;
    /* There is nothing to wait for, or names would not last. */
    if (ingest->options.dedupe_records == 0 || dl_decoder_holds_names(ingest->decoder))
        dl_ingest_settle(ingest);
}
