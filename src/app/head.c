#include "head.h"

#include "codec.h"

#include <string.h>

enum { LOOK_RECORDS = 1000, LOOK_FACTOR = 10 };

struct look {
    struct dl_state_reader *reader;
    struct dl_record_bytes *key, *value;
    bool found;
    bool unreadable; /* the newest of all cannot be read */
};

static enum dl_status keep(struct dl_record_bytes *kept, const void *data, size_t bytes)
{
    kept->bytes = 0;
    return dl_record_bytes_add(kept, data, bytes);
}

static enum dl_status on_state(void *context, int64_t offset, int64_t timestamp_ms, const void *key, size_t key_bytes,
                               const void *value, size_t value_bytes)
{
    (void)offset;
    (void)timestamp_ms;
    struct look *look = context;
    struct dl_state_record record;
    char detail[DL_DETAIL_SIZE];
    if (value == NULL)
        return DL_OK;
    enum dl_record_fault fault = dl_state_read(look->reader, key, key_bytes, value, value_bytes, &record, detail);
    if (fault == DL_RECORD_MEMORY)
        return DL_MEMORY;
    /* What cannot be read is told where the state is restored. An older head does not fit the panes that stand
     * behind it: with it, what they hold would be counted again. */
    if (fault != DL_RECORD_GOOD && key_bytes == 1 && *(const char *)key == 'H') {
        look->unreadable = true;
        look->found = false;
    }
    if (fault != DL_RECORD_GOOD || record.kind != DL_STATE_HEAD)
        return DL_OK;
    look->found = true;
    look->unreadable = false;
    enum dl_status status = keep(look->key, key, key_bytes);
    return status == DL_OK ? keep(look->value, value, value_bytes) : status;
}

enum dl_status dl_head_find(struct dl_kafka_log *log, int64_t first, int64_t until, struct dl_record_bytes *key,
                            struct dl_record_bytes *value)
{
    struct look look = {.reader = dl_state_reader_create(), .key = key, .value = value};
    if (look.reader == NULL)
        return DL_MEMORY;
    enum dl_status status = DL_OK;
    int64_t end = until;
    for (int64_t step = LOOK_RECORDS; status == DL_OK && !look.found && !look.unreadable && end > first; step *= LOOK_FACTOR) {
        int64_t from = end - step > first ? end - step : first;
        status = dl_kafka_log_read(log, from, end, on_state, &look);
        end = from;
    }
    dl_state_reader_destroy(look.reader);
    return status == DL_OK && !look.found ? DL_EMPTY : status;
}

/* ---- Positions ---- */

struct walk {
    struct dl_batch_reader *reader;
    struct dl_chain *chain;
    const struct dl_position_options *options;
};

static enum dl_status on_tallies(void *context, int64_t offset, int64_t timestamp_ms, const void *key, size_t key_bytes,
                                 const void *value, size_t value_bytes)
{
    (void)timestamp_ms;
    (void)key;
    (void)key_bytes;
    struct walk *walk = context;
    struct dl_batch_part part;
    char detail[DL_DETAIL_SIZE];
    enum dl_record_fault fault = dl_batch_read(walk->reader, value, value_bytes, &part, detail);
    if (fault == DL_RECORD_MEMORY)
        return DL_MEMORY;
    if (fault != DL_RECORD_GOOD) {
        dl_note(walk->options->kafka.notes, DL_NOTE_ERROR,
                "a record of the tallies topic cannot be read, so it is not known where its partitions go on",
                DL_TEXT("topic", walk->options->tallies_topic), DL_NUMBER("offset", offset),
                DL_TEXT("fault", dl_record_fault_word(fault)), DL_TEXT("detail", detail));
        return walk->options->skips_unreadable ? DL_OK : DL_REFUSED;
    }
    enum dl_status status = DL_OK;
    for (size_t i = 0; i < part.source_count && status == DL_OK; i++)
        status = dl_chain_take(walk->chain, &part.sources[i]);
    return status;
}

static enum dl_status take_head(const struct dl_record_bytes *key, const struct dl_record_bytes *value, struct dl_chain *chain,
                                int64_t *tallies_next)
{
    struct dl_state_reader *reader = dl_state_reader_create();
    if (reader == NULL)
        return DL_MEMORY;
    struct dl_state_record record;
    char detail[DL_DETAIL_SIZE];
    enum dl_record_fault fault = dl_state_read(reader, key->data, key->bytes, value->data, value->bytes, &record, detail);
    DL_ASSERT(fault == DL_RECORD_GOOD); /* it was found by reading it */
    *tallies_next = record.head.tallies_next;
    enum dl_status status = DL_OK;
    for (size_t i = 0; i < record.head.link_count && status == DL_OK; i++)
        status = dl_chain_take(chain, &record.head.links[i]);
    dl_state_reader_destroy(reader);
    return status;
}

/* The head's chain; *tallies_next stays where it is when there is no head. */
static enum dl_status read_state(const struct dl_position_options *options, struct dl_chain *chain, int64_t *tallies_next)
{
    struct dl_kafka_log *log;
    enum dl_status status = dl_kafka_log_create(&options->kafka, options->state_topic, options->give_up, options->context, &log);
    if (status != DL_OK)
        return status;
    struct dl_record_bytes key = {0}, value = {0};
    int64_t first = 0, end = 0;
    status = dl_kafka_log_bounds(log, &first, &end);
    if (status == DL_OK)
        status = dl_head_find(log, first, end, &key, &value);
    if (status == DL_OK)
        status = take_head(&key, &value, chain, tallies_next);
    dl_record_bytes_deinit(&key);
    dl_record_bytes_deinit(&value);
    dl_kafka_log_destroy(log);
    return status == DL_EMPTY ? DL_OK : status;
}

static enum dl_status read_tallies(const struct dl_position_options *options, struct dl_chain *chain, int64_t from)
{
    struct walk walk = {.reader = dl_batch_reader_create(0, NULL), .chain = chain, .options = options};
    struct dl_kafka_log *log = NULL;
    enum dl_status status = DL_MEMORY;
    if (walk.reader != NULL)
        status = dl_kafka_log_create(&options->kafka, options->tallies_topic, options->give_up, options->context, &log);
    if (status == DL_OK) {
        int64_t first = 0, end = 0;
        status = dl_kafka_log_bounds(log, &first, &end);
        from = from > first ? from : first;
        if (status == DL_OK && from < end)
            status = dl_kafka_log_read(log, from, end, on_tallies, &walk);
        dl_kafka_log_destroy(log);
    }
    dl_batch_reader_destroy(walk.reader);
    return status == DL_EMPTY ? DL_OK : status;
}

enum dl_status dl_positions_find(const struct dl_position_options *options, struct dl_chain **result)
{
    struct dl_chain *chain = dl_chain_create();
    if (chain == NULL)
        return DL_MEMORY;
    int64_t tallies_next = 0;
    enum dl_status status = read_state(options, chain, &tallies_next);
    if (status == DL_OK)
        status = read_tallies(options, chain, tallies_next);
    if (status != DL_OK) {
        dl_chain_destroy(chain);
        return status;
    }
    *result = chain;
    return DL_OK;
}
