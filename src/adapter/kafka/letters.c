#include "kafka_letter.h"

#include <stdlib.h>

struct dl_kafka_letters *dl_kafka_letters_create(const char *const *source_topics, size_t bytes_max)
{
    struct dl_kafka_letters *letters = calloc(1, sizeof *letters);
    if (!letters)
        return NULL;
    letters->source_topics = source_topics;
    letters->bytes_max = bytes_max;
    TAILQ_INIT(&letters->list);
    return letters;
}

void dl_kafka_letters_destroy(struct dl_kafka_letters *letters)
{
    struct dl_letter *letter;
    if (!letters)
        return;
    while ((letter = TAILQ_FIRST(&letters->list))) {
        TAILQ_REMOVE(&letters->list, letter, link);
        free(letter);
    }
    free(letters);
}

enum dl_status dl_kafka_letters_add(struct dl_kafka_letters *letters, const struct dl_kafka_record *record, const char *reason,
                                    const char *detail)
{
    /* Before it is copied: a stash that is full is asked often. */
    if (letters->count > 0 && letters->bytes + sizeof(struct dl_letter) + record->value_bytes > letters->bytes_max)
        return DL_FULL;
    struct dl_letter *letter = dl_letter_create(record, reason, detail);
    if (!letter)
        return DL_FULL; /* memory may come back as well */
    if (letters->count > 0 && letters->bytes + letter->size > letters->bytes_max) {
        free(letter);
        return DL_FULL;
    }
    TAILQ_INSERT_TAIL(&letters->list, letter, link);
    letters->bytes += letter->size;
    letters->count++;
    return DL_OK;
}

size_t dl_kafka_letters_count(const struct dl_kafka_letters *letters)
{
    return letters->count;
}
