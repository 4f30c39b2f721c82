/* A function that reads something returns where it ends, or NULL: it is not as its row
 * says. Every quote, comma, bracket and colon is looked at here or in skip.c, so between
 * them there is only what one of these functions knows; in strings the marks say whether
 * anything needs a closer look.
 *
 *   {"type":"survey","touchpoint":"till","nps":9,"note":"…"}
 *     key   word      key          name  key  int  learned key: skipped
 *
 * Where a key or a string begins and ends is not found by going there, but taken from the list of quotes: the next field
 * need not wait until the one before it has been read. */
#include "scan.h"

#include "cloudevent.h"

#include <delight/counter.h>
#include <delight/time.h>

/* Rows of the object's schema. */
struct found {
    uint64_t seen;   /* their keys stood there */
    uint64_t absent; /* but not a value as the row says: */
    uint64_t odd;    /* it is another than null, a fault if the field matters */
};

static void init_word(struct dl_pattern *pattern, const char *word)
{
    dl_pattern_init(pattern, word, strlen(word), "\"");
}

void dl_scanner_init(struct dl_scanner *scanner, const struct dl_schema *schema, int segments,
                     const struct dl_catalogue *catalogue, dl_mark *mark)
{
    scanner->schema = schema;
    scanner->catalogue = catalogue;
    scanner->mark = mark;
    scanner->segments = segments;
    scanner->spare = scanner->unescaped;
    scanner->type_row = scanner->time_row = scanner->id_row = 0;
    memset(scanner->relevant, 0, sizeof scanner->relevant);
    memset(scanner->ignored, 0, sizeof scanner->ignored);
    memset(scanner->required, 0, sizeof scanner->required);
    memset(scanner->one_of, 0xFF, sizeof scanner->one_of);
    scanner->one_of[DL_FORM_SURVEY] = 0;
    for (int i = 0; i < schema->count; i++) {
        const struct dl_field_row *row = &schema->row[i];
        uint64_t bit = UINT64_C(1) << i;
        for (int form = DL_FORM_SURVEY; form <= DL_FORM_CLOSED; form *= 2) {
            if ((row->forms & form) == 0) {
                scanner->ignored[form] |= bit;
                continue;
            }
            scanner->relevant[form] |= bit;
            if (row->required && row->kind != DL_AS_TYPE) /* which a CloudEvent may give */
                scanner->required[form] |= bit;
        }
        if (row->forms == DL_FORM_SURVEY) /* an answer */
            scanner->one_of[DL_FORM_SURVEY] |= bit;
        if (row->kind == DL_AS_TYPE)
            scanner->type_row = bit;
        if (row->kind == DL_AS_TIME)
            scanner->time_row = bit;
        if (row->kind == DL_AS_ID)
            scanner->id_row = bit;
        for (int word = 0; word < 2 && row->kind == DL_AS_WORD; word++)
            init_word(&scanner->word[i][word], row->word[word].text);
    }
    for (int type = 0; type < DL_EVENT_TYPES; type++)
        init_word(&scanner->type_word[type], dl_event_type_words[type]);
    dl_keys_init(&scanner->keys, schema);
    dl_keys_init(&scanner->kano_keys, &dl_kano_schema);
    const struct dl_key around = {.data = DL_CLOUDEVENT_MEMBER, .bytes = sizeof DL_CLOUDEVENT_MEMBER - 1};
    scanner->around_row = dl_keys_find(&scanner->keys, &around)->bit;
}

/* ---- Values of fields ----
 *
 * at: where the value stands. *quote: its key's opening quote in the list; whoever has read the value moves it on to the
 * next one behind.
 *
 *   "stage":"pay",…      "nps":9,"…
 *   0     1 2   3        0   1   2                                                     */
enum { QUOTES_OF_KEY = 2, QUOTES_OF_BOTH = 4 };

static inline struct dl_name in_message(const struct dl_scanner *scanner, const char *at, const char *end)
{
    return (struct dl_name){scanner->message->value + (at - scanner->marked.text), (uint32_t)(end - at)};
}

/* From behind the opening quote of a string that is not plain. The text is kept: a value that is none after all is
 * passed over. */
static __attribute__((noinline)) const char *read_special(struct dl_scanner *scanner, const char *at, struct dl_name *string)
{
    const char *end = dl_skip_special(&scanner->marked, at, true);
    if (end == NULL)
        return NULL;
    if (memchr(at, '\\', (size_t)(end - at)) == NULL) { /* not ASCII, but as it stands */
        *string = in_message(scanner, at, end);
        return end + 1;
    }
    string->data = scanner->spare;
    scanner->spare = dl_unescape(at, end, scanner->spare);
    string->bytes = (uint32_t)(scanner->spare - string->data);
    return end + 1;
}

/* The first quote of the list that does not stand before. */
static inline const uint16_t *quote_from(const struct dl_marked *marked, const uint16_t *quote, const char *at)
{
    while (marked->text + *quote < at)
        quote++;
    return quote;
}

static inline const char *read_string(struct dl_scanner *scanner, const char *at, const uint16_t **quote,
                                      struct dl_name *string)
{
    if (*at != '"')
        return NULL;
    const char *end = scanner->marked.text + (*quote)[3];
    if (__builtin_expect(!dl_is_plain(&scanner->marked, at + 1, end), 0)) {
        end = read_special(scanner, at + 1, string);
        if (end != NULL)
            *quote = quote_from(&scanner->marked, *quote, end);
        return end;
    }
    *string = in_message(scanner, at + 1, end);
    *quote += QUOTES_OF_BOTH;
    return end + 1;
}

/* Of nobody's interest: nothing of it is kept. */
static inline const char *pass_string(struct dl_scanner *scanner, const char *at, const uint16_t **quote)
{
    struct dl_name unused;
    char *spare = scanner->spare;
    at = read_string(scanner, at, quote, &unused);
    scanner->spare = spare;
    return at;
}

static inline const char *read_name(struct dl_scanner *scanner, const char *at, const uint16_t **quote,
                                    const struct dl_field_row *row, void *target)
{
    struct dl_name *name = dl_field_at(row, target);
    at = read_string(scanner, at, quote, name);
    return at == NULL || name->bytes > DL_NAME_BYTES_MAX || (row->required && name->bytes == 0) ? NULL : at;
}

static inline const char *read_integer(const char *at, const uint16_t **quote, const struct dl_field_row *row, void *target)
{
    int64_t value;
    at = dl_read_integer(at, &value);
    if (at == NULL || value < row->min || value > row->max)
        return NULL;
    dl_field_store(row, target, value);
    *quote += QUOTES_OF_KEY;
    return at;
}

static inline const char *read_boolean(const char *at, const uint16_t **quote, const struct dl_field_row *row, void *target)
{
    if (*at != 't' && *at != 'f')
        return NULL;
    dl_field_store(row, target, *at == 't');
    *quote += QUOTES_OF_KEY;
    return dl_skip_word(at);
}

/* Which of the words a string is, and where it ends. */
static inline const char *find_word(const struct dl_pattern *words, int count, const char *at, int *index)
{
    for (*index = 0; *index < count && *at == '"'; ++*index) {
        if (dl_pattern_at(&words[*index], at + 1))
            return at + 1 + words[*index].bytes;
    }
    return NULL;
}

static inline const char *read_type(const struct dl_scanner *scanner, const char *at, const uint16_t **quote,
                                    struct dl_event *event)
{
    int type;
    at = find_word(scanner->type_word, DL_EVENT_TYPES, at, &type);
    if (at != NULL)
        event->type = (enum dl_event_type)type;
    *quote += QUOTES_OF_BOTH;
    return at;
}

static inline const char *read_word(const char *at, const uint16_t **quote, const struct dl_field_row *row,
                                    const struct dl_pattern *words, void *target)
{
    int word;
    at = find_word(words, 2, at, &word);
    if (at != NULL)
        dl_field_store(row, target, row->word[word].value);
    *quote += QUOTES_OF_BOTH;
    return at;
}

static inline const char *read_time(const struct dl_marked *marked, const char *at, const uint16_t **quote, int64_t *time_ms)
{
    if (*at != '"') {
        *quote += QUOTES_OF_KEY;
        return dl_read_integer(at, time_ms);
    }
    const char *end = marked->text + (*quote)[3]; /* nothing special stands in a good time */
    *quote += QUOTES_OF_BOTH;
    return dl_time_parse(at + 1, (size_t)(end - at - 1), time_ms) == DL_OK ? end + 1 : NULL;
}

static const char *read_object(struct dl_scanner *scanner, struct dl_keys *keys, const char *at, const uint16_t **quote,
                               void *target, struct found *found);

/* From behind the opening brace. */
static const char *read_kano_answer(struct dl_scanner *scanner, const char *at, const uint16_t **quote,
                                    struct dl_kano_answer *answer)
{
    enum { EVERY_ROW = 7 };
    struct dl_kano_fields said;
    struct found found;
    DL_ASSERT(dl_kano_schema.count == 3);
    at = read_object(scanner, &scanner->kano_keys, at, quote, &said, &found);
    if (at == NULL || (found.seen & ~found.absent & EVERY_ROW) != EVERY_ROW)
        return NULL;
    answer->feature = said.feature;
    answer->category = (uint8_t)dl_kano_category(said.functional, said.dysfunctional);
    return at;
}

static const char *read_kano(struct dl_scanner *scanner, const char *at, const uint16_t **quote, struct dl_event *event)
{
    *quote += QUOTES_OF_KEY;
    bool many = *at == '[';
    if (many)
        at = dl_skip_space(at + 1);
    for (uint8_t count = 0; count < DL_KANO_ANSWERS_MAX && *at == '{';) {
        at = read_kano_answer(scanner, at + 1, quote, &event->kano[count++]);
        if (at == NULL)
            return NULL;
        event->kano_count = count;
        if (!many)
            return at;
        at = dl_skip_space(at);
        if (*at == ']')
            return at + 1;
        if (*at != ',')
            return NULL;
        at = dl_skip_space(at + 1);
    }
    return NULL;
}

static inline const char *read_value(struct dl_scanner *scanner, const struct dl_key_row *row, const char *at,
                                     const uint16_t **quote, void *target)
{
    const uint16_t *inner; /* and no one else's: *quote may stay in a register */
    /* Most are of these three. Branches are guessed better, and sooner known to be wrong, than where a table leads. */
    if (row->kind == DL_AS_NAME)
        return read_name(scanner, at, quote, row->field, target);
    if (row->kind == DL_AS_INTEGER)
        return read_integer(at, quote, row->field, target);
    if (row->kind == DL_AS_PERSON) /* and learned keys */
        return pass_string(scanner, at, quote);
    switch (row->kind) {
    case DL_AS_TYPE:
        return read_type(scanner, at, quote, target);
    case DL_AS_ID:
        return read_string(scanner, at, quote, &((struct dl_event *)target)->id);
    case DL_AS_TIME:
        return read_time(&scanner->marked, at, quote, &((struct dl_event *)target)->time_ms);
    case DL_AS_WORD:
        return read_word(at, quote, row->field, scanner->word[__builtin_ctzll(row->bit)], target);
    case DL_AS_BOOLEAN:
        return read_boolean(at, quote, row->field, target);
    case DL_AS_KANO:
        inner = *quote;
        at = read_kano(scanner, at, &inner, target);
        *quote = inner;
        return at;
    case DL_AS_NAME:
    case DL_AS_INTEGER:
    case DL_AS_PERSON:
        break;
    }
    __builtin_unreachable();
}

/* An object that is being read. */
struct object {
    struct dl_keys *keys;
    void *target;
    int base; /* where its own unknown keys begin */
    struct found found;
};

/* From *quotes, a key's opening one, to behind its value. */
static inline const char *read_member(struct dl_scanner *scanner, struct object *object, const uint16_t **quotes)
{
    const struct dl_marked *marked = &scanner->marked;
    const struct dl_keys *keys = object->keys;
    const uint16_t *quote = *quotes;
    const char *at = marked->text + quote[0] + 1;
    const struct dl_key_row *row = &keys->slot[dl_key_slot(keys->factor, dl_load(at), (uint32_t)quote[1] - quote[0])];
    if (__builtin_expect(dl_pattern_at(&row->pattern, at), 1)) {
        at = marked->text + quote[1] + 2; /* the colon is of the pattern */
    } else {
        const struct dl_key_row *found;
        at = dl_skip_key(marked, &scanner->unknown, object->keys, at, object->base, &found);
        if (at == NULL)
            return NULL;
        row = found;
    }
    at = dl_skip_space(at);
    if (__builtin_expect(row != NULL, 1)) {
        if (__builtin_expect((object->found.seen & row->bit) != 0, 0))
            return NULL;
        object->found.seen |= row->bit;
        *quotes = quote;
        const char *end = read_value(scanner, row, at, quotes, object->target);
        if (__builtin_expect(end != NULL, 1))
            return end;
        /* A value that is not as its row says is passed over like one that does not matter, and remembered: whether
         * it does, the event's type tells, which may stand behind it. */
        object->found.absent |= row->bit;
        if (*at != 'n') /* null is absent */
            object->found.odd |= row->bit;
    }
    at = dl_skip_value(marked, &scanner->unknown, at, 1);
    if (at != NULL)
        *quotes = quote_from(marked, quote, at);
    return at;
}

/* From behind the opening brace to behind the closing one. *quote: the first one in the object; then the first one
 * behind it. */
static const char *read_object(struct dl_scanner *scanner, struct dl_keys *keys, const char *at, const uint16_t **quote,
                               void *target, struct found *found)
{
    struct object object = {.keys = keys, .target = target, .base = scanner->unknown.count};
    const uint16_t *own = *quote;
    at = dl_skip_space(at);
    if (*at != '"')
        return NULL;
    for (;;) {
        at = read_member(scanner, &object, &own);
        if (at == NULL)
            return NULL;
        if (__builtin_expect(memcmp(at, ",\"", 2) == 0, 1))
            continue;
        at = dl_skip_space(at);
        if (*at != ',')
            break;
        at = dl_skip_space(at + 1);
        if (*at != '"')
            return NULL;
    }
    scanner->unknown.count = object.base;
    *found = object.found;
    *quote = own;
    return *at == '}' ? at + 1 : NULL;
}

/* ---- The event as a whole ---- */

/* What a binary CloudEvent's headers give where the event does not. Kept apart: most events say all. */
static __attribute__((noinline)) bool fill_in(struct dl_scanner *scanner, uint64_t present, struct dl_event *event)
{
    struct dl_message *message = &scanner->with_headers;
    *message = *scanner->message;
    scanner->message = message;
    enum dl_envelope envelope = dl_cloudevent_recognize(message);
    struct dl_cloudevent around = {.type = {.json = NULL}};
    char detail[DL_DETAIL_SIZE];
    if (envelope == DL_CLOUDEVENT_BINARY && dl_cloudevent_open_binary(message, &around, detail) != DL_ACCEPTED)
        return false;
    if (envelope != DL_PLAIN && envelope != DL_CLOUDEVENT_BINARY)
        return false;
    if ((present & scanner->type_row) == 0) {
        struct dl_name type = {.data = around.type.text, .bytes = (uint32_t)around.type.bytes};
        if (type.data == NULL || !dl_cloudevent_is_text(&around.type) ||
            !dl_event_type_find(dl_event_type_part(type), &event->type))
            return false;
    }
    if ((present & scanner->id_row) == 0 && around.id.text != NULL) {
        if (!dl_cloudevent_is_text(&around.id))
            return false;
        event->id = (struct dl_name){.data = around.id.text, .bytes = (uint32_t)around.id.bytes};
    }
    if ((present & scanner->time_row) != 0)
        return true;
    if (around.time.text != NULL)
        return dl_time_parse(around.time.text, around.time.bytes, &event->time_ms) == DL_OK;
    event->time_ms = message->timestamp_ms; /* a retraction has no default */
    return event->sign > 0 && message->timestamp_ms >= 0;
}

/* Fields of other events are ignored, whatever was read. */
static void forget(const struct dl_schema *schema, uint64_t rows, struct dl_event *event)
{
    for (; rows != 0; rows &= rows - 1) {
        const struct dl_field_row *row = &schema->row[__builtin_ctzll(rows)];
        memcpy((char *)event + row->offset, (const char *)&dl_event_none + row->offset, row->bytes);
    }
}

/* As the reference has it: whether headers could add nothing to the event, if it is one. */
static bool says_all(const struct dl_scanner *scanner, const struct found *found, uint64_t present)
{
    uint64_t own = scanner->type_row | scanner->id_row | scanner->time_row;
    return (present & own) == own && (found->seen & scanner->around_row) == 0;
}

static void clear(struct dl_event *event, int segments)
{
    memcpy(event, &dl_event_none, offsetof(struct dl_event, segment));
    for (int i = 0; i < segments; i += 2) /* by twos: one by one would become a call of memset, which takes longer */
        memset(&event->segment[i], 0, 2 * sizeof event->segment[i]);
}
_Static_assert(DL_SEGMENTS_MAX % 2 == 0, "two by two");

bool dl_scan(struct dl_scanner *scanner, const struct dl_message *message, int64_t now_ms, struct dl_event *event)
{
    scanner->message = message;
    const char *text = message->value, *end = text + message->value_bytes;
    while (end > text && dl_is_space(end[-1]))
        end--;
    if (end == text || end - text > DL_MARKED_BYTES_MAX)
        return false;
    scanner->mark(&scanner->marked, text, (size_t)(end - text));
    scanner->unknown.count = 0;
    scanner->spare = scanner->unescaped;
    clear(event, scanner->segments);

    struct found found;
    const char *at = dl_skip_space(scanner->marked.text);
    const uint16_t *quote = scanner->marked.quote;
    if (*at != '{' || read_object(scanner, &scanner->keys, at + 1, &quote, event, &found) != scanner->marked.end)
        return false;
    uint64_t present = found.seen & ~found.absent;
    if (!says_all(scanner, &found, present) && !fill_in(scanner, present, event))
        return false;
    uint8_t form = dl_event_form(event);
    if ((found.odd & scanner->relevant[form]) != 0 || (scanner->required[form] & ~present) != 0)
        return false;
    forget(scanner->schema, found.seen & scanner->ignored[form], event);
    if (dl_event_time_check(event->time_ms, dl_event_time_bound(message->timestamp_ms, now_ms)) != DL_ACCEPTED)
        return false;
    if ((present & scanner->one_of[form]) == 0)
        return false;
    return dl_catalogue_apply(scanner->catalogue, event) == DL_ACCEPTED;
}
