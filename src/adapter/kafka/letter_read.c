/* A dead letter, read: what its headers say, and how its record looked before. */
#include "kafka_letter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool dl_letter_number(const void *text, size_t bytes, int64_t max, int64_t *number)
{
    char copy[24];
    if (!text || bytes == 0 || bytes >= sizeof copy)
        return false;
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    char *stop;
    errno = 0;
    *number = strtoll(copy, &stop, 10);
    return errno == 0 && *stop == '\0' && stop != copy && *number >= 0 && *number <= max;
}

static bool is_ours(const char *key)
{
    return strncmp(key, DL_DEADLETTER_HEADER, strlen(DL_DEADLETTER_HEADER)) == 0 || strcmp(key, DL_RESENT_HEADER) == 0;
}

/* Ours are the last of their names: the original may have been a dead letter itself. */
static bool last_header(const struct dl_kafka_record *record, const char *key, struct dl_name *value)
{
    for (size_t i = record->header_count; i > 0; i--) {
        const struct dl_kafka_header *header = &record->headers[i - 1];
        if (strcmp(header->key, key) != 0)
            continue;
        *value = (struct dl_name){header->value, header->value ? (uint32_t)header->value_bytes : 0};
        return true;
    }
    *value = (struct dl_name){NULL, 0};
    return false;
}

/* Takes a whole number off the end, and what stands before it. */
static bool take_before(struct dl_name *text, const char *before)
{
    size_t bytes = strlen(before), end = text->bytes;
    while (end > 0 && text->data[end - 1] >= '0' && text->data[end - 1] <= '9')
        end--;
    if (end == text->bytes || end < bytes || memcmp(text->data + end - bytes, before, bytes) != 0)
        return false;
    text->bytes = (uint32_t)(end - bytes);
    return true;
}

static bool take_end(struct dl_name *text, const char *end)
{
    size_t bytes = strlen(end);
    if (text->bytes < bytes || memcmp(text->data + text->bytes - bytes, end, bytes) != 0)
        return false;
    text->bytes -= (uint32_t)bytes;
    return true;
}

/* By the end of what dl_letter_detail writes. */
static bool was_cut(struct dl_name detail)
{
    if (take_end(&detail, "; key and headers left out"))
        return true;
    return take_end(&detail, " bytes") && take_before(&detail, " to ") && take_before(&detail, "value cut from ");
}

bool dl_kafka_letter_read(const struct dl_kafka_record *record, struct dl_kafka_letter *letter)
{
    struct dl_name partition, offset, timestamp;
    int64_t partition_number;
    *letter = (struct dl_kafka_letter){.timestamp_ms = -1};
    if (!last_header(record, DL_DEADLETTER_HEADER "topic", &letter->topic) ||
        !last_header(record, DL_DEADLETTER_HEADER "partition", &partition) ||
        !last_header(record, DL_DEADLETTER_HEADER "offset", &offset) ||
        !last_header(record, DL_DEADLETTER_HEADER "reason", &letter->reason) ||
        !dl_letter_number(partition.data, partition.bytes, DL_LETTER_PARTITIONS_MAX, &partition_number) ||
        !dl_letter_number(offset.data, offset.bytes, INT64_MAX, &letter->offset))
        return false;
    letter->partition = (int32_t)partition_number;
    if (!last_header(record, DL_DEADLETTER_HEADER "timestamp", &timestamp) ||
        !dl_letter_number(timestamp.data, timestamp.bytes, INT64_MAX, &letter->timestamp_ms))
        letter->timestamp_ms = -1;
    (void)last_header(record, DL_DEADLETTER_HEADER "detail", &letter->detail);
    (void)last_header(record, DL_RESENT_HEADER, &letter->resent);
    letter->cut = was_cut(letter->detail);
    return true;
}

size_t dl_kafka_letter_headers(const struct dl_kafka_record *record, const char *resent, struct dl_kafka_header *out)
{
    size_t count = 0;
    out[count++] = (struct dl_kafka_header){DL_RESENT_HEADER, resent, strlen(resent)};
    for (size_t i = 0; i < record->header_count; i++)
        if (!is_ours(record->headers[i].key))
            out[count++] = record->headers[i];
    return count;
}
