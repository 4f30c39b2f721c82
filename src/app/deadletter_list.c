/* `delightd deadletter` without --resend: counts by reason, and --show. */
#include "deadletter.h"

#include <delight/time.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_SHOWN_MAX = 4096, HEADER_SHOWN_MAX = 256 };

/* ---- Counts ---- */

struct dl_reason_row *dl_reasons_row(struct dl_reasons *reasons, struct dl_name reason)
{
    struct dl_text text = {0};
    char word[DL_REASON_SIZE];
    dl_text_add_printable(&text, reason.data, reason.bytes);
    snprintf(word, sizeof word, "%s", text.failed || text.bytes == 0 ? "(none)" : text.data);
    dl_text_deinit(&text);
    for (size_t i = 0; i < reasons->count; i++)
        if (strcmp(reasons->row[i].reason, word) == 0)
            return &reasons->row[i];
    if (reasons->count == DL_REASONS_MAX)
        return &reasons->row[DL_REASONS_MAX - 1];
    struct dl_reason_row *row = &reasons->row[reasons->count++];
    snprintf(row->reason, sizeof row->reason, "%s", reasons->count == DL_REASONS_MAX ? "(others)" : word);
    return row;
}

static int by_number(const void *a, const void *b)
{
    const struct dl_reason_row *first = a, *second = b;
    if (first->letters != second->letters)
        return first->letters > second->letters ? -1 : 1;
    return strcmp(first->reason, second->reason);
}

void dl_reasons_sort(struct dl_reasons *reasons)
{
    qsort(reasons->row, reasons->count, sizeof reasons->row[0], by_number);
}

static void print_time(int64_t time_ms)
{
    char time[DL_TIME_TEXT_SIZE] = "-";
    if (time_ms >= 0)
        dl_time_format(time, time_ms);
    printf("  %-24s", time);
}

static void no_letter(void *context, const struct dl_kafka_record *record, const struct dl_kafka_letter *letter)
{
    (void)context, (void)record, (void)letter;
}

int dl_letters_list(struct dl_letters *letters)
{
    const struct dl_letters_view view = {.take = no_letter};
    enum dl_status status = dl_letters_read(letters, &view);
    if (status != DL_OK)
        return status == DL_MEMORY ? DL_EXIT_SOFTWARE : DL_EXIT_FAILED;
    printf("%s: %" PRId64 " dead letters in %" PRId32 " partition%s\n", letters->config->kafka.dead_letter_topic, letters->chosen,
           letters->partition_count, letters->partition_count == 1 ? "" : "s");
    dl_reasons_sort(&letters->reasons);
    if (letters->reasons.count > 0)
        printf("%-20s %10s %10s %10s  %-24s  %s\n", "reason", "letters", "cut", "resent", "oldest", "newest");
    for (size_t i = 0; i < letters->reasons.count; i++) {
        const struct dl_reason_row *row = &letters->reasons.row[i];
        printf("%-20s %10" PRId64 " %10" PRId64 " %10" PRId64, row->reason, row->letters, row->cut, row->resent_before);
        print_time(row->oldest_ms);
        print_time(row->newest_ms);
        putchar('\n');
    }
    if (letters->foreign > 0)
        printf("%" PRId64 " other records were not written by delightd\n", letters->foreign);
    fputs("what comes later: ", stdout);
    dl_letters_print_next(letters);
    return DL_EXIT_OK;
}

/* ---- Show ---- */

/* An own copy of what is printed of a letter. */
struct shown {
    int64_t timestamp_ms;
    int32_t partition;
    int64_t offset;
    struct dl_text text;
};

struct show {
    struct dl_letters *letters;
    struct shown *newest; /* by time, oldest first */
    size_t count, max;
    bool failed;
};

static int compare(const struct shown *a, const struct shown *b)
{
    if (a->timestamp_ms != b->timestamp_ms)
        return a->timestamp_ms < b->timestamp_ms ? -1 : 1;
    if (a->partition != b->partition)
        return a->partition < b->partition ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static void add_bytes(struct dl_text *text, const char *data, size_t bytes, size_t bytes_max)
{
    if (data == NULL) {
        dl_text_printf(text, "(none)\n");
        return;
    }
    dl_text_add_printable(text, data, bytes < bytes_max ? bytes : bytes_max);
    dl_text_printf(text, bytes > bytes_max ? "… (%zu bytes in all)\n" : "\n", bytes);
}

/* As "  reason     not_json: byte 3". */
static void describe(struct dl_text *text, const struct dl_letters *letters, const struct dl_kafka_record *record,
                     const struct dl_kafka_letter *letter)
{
    char written[DL_TIME_TEXT_SIZE] = "-", stamped[DL_TIME_TEXT_SIZE] = "none";
    if (record->timestamp_ms >= 0)
        dl_time_format(written, record->timestamp_ms);
    if (letter->timestamp_ms >= 0)
        dl_time_format(stamped, letter->timestamp_ms);
    dl_text_printf(text, "%s %" PRId32 ":%" PRId64 " written %s\n  reason     ", letters->config->kafka.dead_letter_topic,
                   record->partition, record->offset, written);
    dl_text_add_printable(text, letter->reason.data, letter->reason.bytes);
    dl_text_printf(text, ": ");
    add_bytes(text, letter->detail.bytes > 0 ? letter->detail.data : "", letter->detail.bytes, HEADER_SHOWN_MAX);
    dl_text_printf(text, "  from       ");
    dl_text_add_printable(text, letter->topic.data, letter->topic.bytes);
    dl_text_printf(text, " %" PRId32 ":%" PRId64 ", its time %s\n", letter->partition, letter->offset, stamped);
    if (letter->resent.bytes > 0) {
        dl_text_printf(text, "  resent     before, from ");
        add_bytes(text, letter->resent.data, letter->resent.bytes, HEADER_SHOWN_MAX);
    }
    for (size_t i = 0; i < record->header_count; i++)
        if (strncmp(record->headers[i].key, "__delightd.", strlen("__delightd.")) != 0) {
            dl_text_printf(text, "  header     ");
            dl_text_add_printable(text, record->headers[i].key, strlen(record->headers[i].key));
            dl_text_printf(text, ": ");
            add_bytes(text, record->headers[i].value, record->headers[i].value_bytes, HEADER_SHOWN_MAX);
        }
    dl_text_printf(text, "  key        ");
    add_bytes(text, record->key, record->key_bytes, HEADER_SHOWN_MAX);
    dl_text_printf(text, "  value      ");
    add_bytes(text, record->value, record->value_bytes, VALUE_SHOWN_MAX);
}

static void show_letter(void *context, const struct dl_kafka_record *record, const struct dl_kafka_letter *letter)
{
    struct show *show = context;
    struct shown shown = {record->timestamp_ms, record->partition, record->offset, {0}};
    if (show->count == show->max && compare(&shown, &show->newest[0]) < 0)
        return;
    describe(&shown.text, show->letters, record, letter);
    show->failed = show->failed || shown.text.failed;
    if (show->count == show->max) {
        dl_text_deinit(&show->newest[0].text);
        memmove(show->newest, show->newest + 1, --show->count * sizeof *show->newest);
    }
    size_t at = show->count;
    while (at > 0 && compare(&show->newest[at - 1], &shown) > 0)
        at--;
    memmove(show->newest + at + 1, show->newest + at, (show->count - at) * sizeof *show->newest);
    show->newest[at] = shown;
    show->count++;
}

int dl_letters_show(struct dl_letters *letters)
{
    struct show show = {.letters = letters, .max = (size_t)letters->arguments->show};
    const struct dl_letters_view view = {.take = show_letter, .context = &show};
    show.newest = calloc(show.max, sizeof *show.newest);
    enum dl_status status = show.newest == NULL ? DL_MEMORY : dl_letters_read(letters, &view);
    for (size_t i = 0; i < show.count; i++) {
        if (status == DL_OK && !show.failed)
            fwrite(show.newest[i].text.data, 1, show.newest[i].text.bytes, stdout);
        dl_text_deinit(&show.newest[i].text);
    }
    free(show.newest);
    if (status == DL_MEMORY || show.failed)
        return DL_EXIT_SOFTWARE;
    if (status != DL_OK)
        return DL_EXIT_FAILED;
    printf("%zu of %" PRId64 " dead letters\n", show.count, letters->chosen);
    return DL_EXIT_OK;
}
