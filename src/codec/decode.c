/* One record: what a look at its length settles, then the scanner, then the
 * reference for whatever the scanner is not made for. */
#include "codec.h"

#include "cloudevent.h"
#include "detail.h"
#include "reference.h"
#include "scan.h"

#include <stdlib.h>
#include <string.h>

struct dl_decoder {
    struct dl_schema schema; /* its segments' names are in `names` */
    int segments;
    size_t event_bytes_max;
    const struct dl_catalogue *catalogue;
    bool scans;
    int64_t scanned;
    struct dl_scanner scanner;
    json_t *root; /* owned: the names of the last event may point into it */
    char names[]; /* NUL after each */
};

struct dl_decoder *dl_decoder_create(const struct dl_decode_options *options)
{
    DL_ASSERT(options->csat_max >= 2 && options->csat_max <= 10);
    DL_ASSERT(options->segments >= 0 && options->segments <= DL_SEGMENTS_MAX);
    size_t names_bytes = 0;
    for (int i = 0; i < options->segments; i++)
        names_bytes += options->segment[i].bytes + 1;

    struct dl_decoder *decoder = calloc(1, sizeof *decoder + names_bytes);
    if (decoder == NULL)
        return NULL;
    struct dl_decode_options own = *options;
    char *end = decoder->names;
    for (int i = 0; i < options->segments; i++) {
        struct dl_name name = options->segment[i];
        memcpy(end, name.data, name.bytes);
        own.segment[i].data = end;
        end += name.bytes + 1;
    }
    dl_schema_init(&decoder->schema, &own);
    decoder->segments = options->segments;
    decoder->event_bytes_max = options->event_bytes_max;
    decoder->catalogue = options->catalogue;
    /* The widest that this machine has. */
    for (int i = DL_INSTRUCTION_SETS - 1; !dl_decoder_scan_by(decoder, (enum dl_instructions)i); i--)
        DL_ASSERT(i > DL_PORTABLE);
    return decoder;
}

bool dl_decoder_scan_by(struct dl_decoder *decoder, enum dl_instructions instructions)
{
    dl_mark *mark = instructions < DL_INSTRUCTION_SETS ? dl_mark_by(instructions) : NULL;
    if (mark == NULL && instructions != DL_INSTRUCTION_SETS)
        return false;
    decoder->scans = mark != NULL;
    dl_scanner_init(&decoder->scanner, &decoder->schema, decoder->segments, decoder->catalogue, mark);
    return true;
}

int64_t dl_decoder_scanned(const struct dl_decoder *decoder)
{
    return decoder->scanned;
}

void dl_decoder_destroy(struct dl_decoder *decoder)
{
    if (decoder == NULL)
        return;
    json_decref(decoder->root);
    free(decoder);
}

enum dl_reject dl_decode(struct dl_decoder *decoder, const struct dl_message *message, int64_t now_ms,
                         struct dl_event *event, char *detail)
{
    detail[0] = '\0';
    json_decref(decoder->root);
    decoder->root = NULL;
    if (message->value == NULL || message->value_bytes == 0)
        return dl_refuse(detail, DL_REJECT_EMPTY, "%s", message->value == NULL ? "a tombstone" : "0 bytes");
    if (message->value_bytes > decoder->event_bytes_max)
        return dl_refuse(detail, DL_REJECT_TOO_LARGE, "%zu bytes, at most %zu", message->value_bytes,
                         decoder->event_bytes_max);
    if (decoder->scans && dl_scan(&decoder->scanner, message, now_ms, event)) {
        decoder->scanned++;
        return DL_ACCEPTED;
    }
    struct dl_message known = decoder->scans ? *decoder->scanner.message : *message; /* its headers are taken once */
    return dl_reference_decode(&decoder->schema, decoder->catalogue, &known, now_ms, &decoder->root, event, detail);
}

bool dl_decoder_holds_names(const struct dl_decoder *decoder)
{
    return decoder->root != NULL || dl_scanner_holds_strings(&decoder->scanner);
}

static bool is_known_field(const struct dl_decoder *decoder, const char *name)
{
    for (int i = 0; i < decoder->schema.count; i++) {
        if (strcmp(name, decoder->schema.row[i].name) == 0)
            return true;
    }
    return false;
}

void dl_decode_unknown_fields(struct dl_decoder *decoder, const struct dl_message *message, dl_on_unknown_field *on_field,
                              void *context)
{
    /* Parsed anew: the names of the last event point into the decoder's root. */
    char detail[DL_DETAIL_SIZE];
    json_t *root;
    if (dl_reference_parse(message->value, message->value_bytes, &root, detail) != DL_ACCEPTED)
        return;
    const json_t *object;
    struct dl_cloudevent around;
    struct dl_message known = *message;
    if (dl_cloudevent_open(&known, dl_cloudevent_recognize(&known), root, &object, &around, detail) == DL_ACCEPTED) {
        const char *name;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)object, name, value) {
            if (!is_known_field(decoder, name))
                on_field(context, dl_name_of(name));
        }
    }
    json_decref(root);
}
