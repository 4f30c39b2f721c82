#include "kafka_letter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Our six headers with a topic's longest name, and what a record and its batch weigh by themselves. */
static const size_t overhead_bytes = 1024;

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static void *put(char **at, const void *bytes, size_t count)
{
    if (!bytes)
        return NULL;
    char *to = *at;
    if (count > 0)
        memcpy(to, bytes, count);
    *at += count;
    return to;
}

struct dl_letter *dl_letter_create(const struct dl_kafka_record *record, const char *reason, const char *detail)
{
    size_t header_bytes = 0;
    for (size_t i = 0; i < record->header_count; i++)
        header_bytes += text_bytes(record->headers[i].key) + record->headers[i].value_bytes;
    size_t size = sizeof(struct dl_letter) + record->header_count * sizeof(struct dl_kafka_header) + header_bytes +
                  text_bytes(reason) + text_bytes(detail) + record->key_bytes + record->value_bytes;
    struct dl_letter *letter = malloc(size);
    if (!letter)
        return NULL;
    struct dl_kafka_header *headers = (struct dl_kafka_header *)(letter + 1);
    char *at = (char *)(headers + record->header_count);
    for (size_t i = 0; i < record->header_count; i++) {
        const struct dl_kafka_header *from = &record->headers[i];
        headers[i].key = put(&at, from->key, text_bytes(from->key));
        headers[i].value = put(&at, from->value, from->value_bytes);
        headers[i].value_bytes = from->value_bytes;
    }
    *letter = (struct dl_letter){
        .topic = record->topic,
        .partition = record->partition,
        .offset = record->offset,
        .timestamp_ms = record->timestamp_ms,
        .key_bytes = record->key_bytes,
        .value_bytes = record->value_bytes,
        .sent_bytes = record->value_bytes,
        .header_count = record->header_count,
        .header_bytes = header_bytes,
        .headers = headers,
        .size = size,
    };
    letter->reason = put(&at, reason, text_bytes(reason));
    letter->detail = put(&at, detail, text_bytes(detail));
    letter->key = put(&at, record->key, record->key_bytes);
    letter->value = put(&at, record->value, record->value_bytes);
    return letter;
}

static size_t around_value(const struct dl_letter *letter)
{
    size_t text = text_bytes(letter->reason) + text_bytes(letter->detail) + overhead_bytes;
    return letter->bare ? text : text + letter->key_bytes + letter->header_bytes + 8 * letter->header_count;
}

size_t dl_letter_wire_bytes(const struct dl_letter *letter)
{
    return around_value(letter) + letter->sent_bytes;
}

bool dl_letter_cut(struct dl_letter *letter, size_t wire_bytes)
{
    size_t around = around_value(letter);
    if (letter->sent_bytes > 0) {
        size_t room = wire_bytes > around ? wire_bytes - around : 0;
        letter->sent_bytes = room < letter->sent_bytes ? room : letter->sent_bytes;
        return true;
    }
    if (letter->bare)
        return false;
    letter->bare = true;
    return true;
}

void dl_letter_detail(const struct dl_letter *letter, char *out, size_t out_size)
{
    const char *detail = letter->detail ? letter->detail : "";
    const char *join = *detail ? "; " : "";
    const char *bare = letter->bare ? "; key and headers left out" : "";
    if (letter->sent_bytes < letter->value_bytes)
        (void)snprintf(out, out_size, "%s%svalue cut from %zu to %zu bytes%s", detail, join, letter->value_bytes,
                       letter->sent_bytes, bare);
    else
        (void)snprintf(out, out_size, "%s%s", detail, letter->bare ? bare : "");
}

rd_kafka_headers_t *dl_letter_headers(const struct dl_letter *letter, const char *source_topic)
{
    char detail[1024], partition[16], offset[24], timestamp[24];
    dl_letter_detail(letter, detail, sizeof detail);
    (void)snprintf(partition, sizeof partition, "%" PRId32, letter->partition);
    (void)snprintf(offset, sizeof offset, "%" PRId64, letter->offset);
    (void)snprintf(timestamp, sizeof timestamp, "%" PRId64, letter->timestamp_ms);
    const struct {
        const char *name, *text;
    } errors[] = {
        {DL_DEADLETTER_HEADER "topic", source_topic},
        {DL_DEADLETTER_HEADER "partition", partition},
        {DL_DEADLETTER_HEADER "offset", offset},
        {DL_DEADLETTER_HEADER "timestamp", timestamp},
        {DL_DEADLETTER_HEADER "reason", letter->reason},
        {DL_DEADLETTER_HEADER "detail", detail},
    };
    const size_t error_count = sizeof errors / sizeof errors[0];
    rd_kafka_headers_t *headers = rd_kafka_headers_new(error_count + letter->header_count);
    for (size_t i = 0; i < letter->header_count && !letter->bare; i++)
        (void)rd_kafka_header_add(headers, letter->headers[i].key, -1, letter->headers[i].value,
                                  letter->headers[i].value ? (ssize_t)letter->headers[i].value_bytes : -1);
    for (size_t i = 0; i < error_count; i++)
        (void)rd_kafka_header_add(headers, errors[i].name, -1, errors[i].text, -1);
    return headers;
}

const void *dl_letter_value(const struct dl_letter *letter)
{
    return letter->sent_bytes > 0 || letter->value_bytes == 0 ? letter->value : NULL;
}
