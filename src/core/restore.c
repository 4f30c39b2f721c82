#include "restore.h"

#include <string.h>

/* A stretch of a full name. */
struct piece {
    const char *data;
    size_t bytes;
};

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Only what dl_name_encode writes: a name has one encoding, a subject one key. */
static bool decode(struct piece piece, char out[DL_NAME_BYTES_MAX], struct dl_name *name)
{
    size_t bytes = 0;
    for (size_t at = 0; at < piece.bytes; at++) {
        char c = piece.data[at];
        if (c == '%') {
            int high = at + 2 < piece.bytes ? hex_digit(piece.data[at + 1]) : -1;
            int low = high >= 0 ? hex_digit(piece.data[at + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            at += 2;
        }
        if (c == '\0' || bytes == DL_NAME_BYTES_MAX)
            return false;
        out[bytes++] = c;
    }
    *name = (struct dl_name){.data = out, .bytes = (uint32_t)bytes};
    char again[3 * DL_NAME_BYTES_MAX + 1];
    return bytes > 0 && dl_name_encode(again, *name) == piece.bytes && memcmp(again, piece.data, piece.bytes) == 0;
}

/* Takes off what stands before the first `end`, which goes too; everything where
 * there is none. */
static struct piece cut(struct piece *rest, char end)
{
    const char *at = memchr(rest->data, end, rest->bytes);
    struct piece piece = {.data = rest->data, .bytes = at == NULL ? rest->bytes : (size_t)(at - rest->data)};
    size_t taken = piece.bytes + (at != NULL);
    rest->data += taken;
    rest->bytes -= taken;
    return piece;
}

static bool is_text(struct piece piece, const char *text)
{
    return piece.bytes == strlen(text) && memcmp(piece.data, text, piece.bytes) == 0;
}

/* "all", or kind ":" name */
static bool parse_kind(struct piece piece, struct dl_subject_parts *parts)
{
    if (is_text(piece, dl_kind_name(DL_KIND_ALL))) {
        parts->kind = DL_KIND_ALL;
        return true;
    }
    struct piece word = cut(&piece, ':');
    for (int kind = 0; kind < DL_KINDS; kind++) {
        if (kind == DL_KIND_ALL || kind == DL_KIND_JOURNEY_STAGE || !is_text(word, dl_kind_name((enum dl_kind)kind)))
            continue;
        parts->kind = (enum dl_kind)kind;
        return decode(piece, parts->bytes[0], &parts->first);
    }
    return false;
}

/* segment "=" value */
static bool parse_segment(const struct dl_registry *registry, struct piece name, struct piece value,
                          struct dl_subject_parts *parts)
{
    char bytes[DL_NAME_BYTES_MAX];
    struct dl_name segment;
    if (!decode(name, bytes, &segment))
        return false;
    for (int i = 0; i < registry->segments; i++)
        if (dl_name_equal(registry->segment[i], segment))
            parts->segment = i;
    return parts->segment >= 0 && decode(value, parts->bytes[2], &parts->value);
}

bool dl_subject_parse(const struct dl_registry *registry, struct dl_name full, struct dl_subject_parts *parts)
{
    *parts = (struct dl_subject_parts){.segment = -1};
    struct piece rest = {.data = full.data, .bytes = full.bytes};
    /* A name that ends in a bar ends in an empty part, which cut does not see. */
    if (full.bytes == 0 || full.data[full.bytes - 1] == '|' || !parse_kind(cut(&rest, '|'), parts))
        return false;
    bool may_be_stage = parts->kind == DL_KIND_JOURNEY;
    while (rest.bytes > 0) {
        struct piece value = cut(&rest, '|');
        struct piece name = cut(&value, '=');
        if (may_be_stage && is_text(name, "stage")) {
            parts->kind = DL_KIND_JOURNEY_STAGE;
            if (!decode(value, parts->bytes[1], &parts->second))
                return false;
        } else if (parts->segment >= 0 || !parse_segment(registry, name, value, parts)) {
            return false;
        }
        may_be_stage = false;
    }
    return true;
}

static enum dl_status take_name(struct dl_registry *registry, int space, struct dl_name name, uint32_t *id)
{
    return name.bytes == 0 ? DL_OK : dl_registry_name(registry, space, name, id, NULL);
}

enum dl_status dl_subject_restore(struct dl_registry *registry, const struct dl_subject_parts *parts, uint32_t *id)
{
    struct dl_subject_key key = {.kind = (uint8_t)parts->kind, .segment = (int8_t)parts->segment, .first = DL_NO_NAME,
                                 .second = DL_NO_NAME, .value = DL_NO_NAME};
    enum dl_status status = DL_OK;
    if (parts->kind != DL_KIND_ALL)
        status = take_name(registry, dl_registry_space(parts->kind), parts->first, &key.first);
    if (status == DL_OK)
        status = take_name(registry, DL_SPACE_STAGE, parts->second, &key.second);
    if (status == DL_OK)
        status = take_name(registry, DL_SPACE_SEGMENTS + parts->segment, parts->value, &key.value);
    return status == DL_OK ? dl_registry_subject(registry, &key, id, NULL) : status;
}
