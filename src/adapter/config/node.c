#include "node.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Deeper than any option, shallow enough that nothing here can be driven far. */
enum { DEPTH_MAX = 16, MAP_CHILDREN_MAX = 1024 };

/* Everything of a document hangs in one list, so that any error path frees it by one call. */
struct dl_block {
    struct dl_block *next;
    size_t bytes;
    char data[];
};

static void *document_allocate(struct dl_document *document, size_t bytes)
{
    struct dl_block *block = calloc(1, sizeof *block + bytes);
    if (block == NULL)
        return NULL;
    block->bytes = bytes;
    block->next = document->blocks;
    document->blocks = block;
    return block->data;
}

void dl_document_deinit(struct dl_document *document)
{
    for (struct dl_block *block = document->blocks, *next; block != NULL; block = next) {
        next = block->next;
        explicit_bzero(block->data, block->bytes);
        free(block);
    }
    *document = (struct dl_document){0};
}

const char *dl_node_kind_text(const struct dl_node *node)
{
    switch (node->kind) {
    case DL_NODE_NULL: return "nothing";
    case DL_NODE_SCALAR: return "a single value";
    case DL_NODE_LIST: return "a list";
    case DL_NODE_MAP: return "a section";
    }
    return "";
}

/* ---- ${ENV} ---- */

/* Measures (out NULL) or writes the expansion of text. False, reported: it
 * cannot be expanded. */
static bool expand_into(char *out, size_t *out_bytes, const char *text, int line, int column, const struct dl_report *report)
{
    size_t used = 0;
    for (const char *at = text; *at != '\0';) {
        const char *piece = at;
        size_t piece_bytes = 1, step = 1;
        if (at[0] == '$' && at[1] == '$') {
            step = 2;
        } else if (at[0] == '$' && at[1] == '{') {
            const char *name = at + 2, *name_end = name, *end = strchr(name, '}');
            while (isalnum((unsigned char)*name_end) || *name_end == '_')
                name_end++;
            bool fallback = name_end[0] == ':' && name_end[1] == '-';
            if (end == NULL || name_end == name || isdigit((unsigned char)*name) || (name_end != end && !fallback)) {
                dl_report_error(report, line, column,
                                "${ begins an environment variable: expected ${NAME} or ${NAME:-default}; write $$ for a single $");
                return false;
            }
            char variable[256];
            if ((size_t)(name_end - name) >= sizeof variable) {
                dl_report_error(report, line, column, "the name of the environment variable is longer than 255 characters");
                return false;
            }
            memcpy(variable, name, (size_t)(name_end - name));
            variable[name_end - name] = '\0';
            const char *value = getenv(variable);
            if (fallback && (value == NULL || value[0] == '\0')) {
                piece = name_end + 2;
                piece_bytes = (size_t)(end - piece);
            } else if (value == NULL) {
                dl_report_error(report, line, column, "the environment variable %s is not set%s", variable,
                                strcmp(variable, "CREDENTIALS_DIRECTORY") == 0
                                    ? "; systemd sets it for a service with LoadCredential="
                                    : "; set it, or write ${NAME:-default}");
                return false;
            } else {
                piece = value;
                piece_bytes = strlen(value);
            }
            step = (size_t)(end + 1 - at);
        }
        if (out != NULL)
            memcpy(out + used, piece, piece_bytes);
        used += piece_bytes;
        at += step;
    }
    *out_bytes = used;
    return true;
}

static enum dl_status expand(struct dl_document *document, const char *text, int line, int column,
                             const struct dl_report *report, const char **expanded)
{
    size_t bytes;
    if (!expand_into(NULL, &bytes, text, line, column, report))
        return DL_INVALID;
    char *out = document_allocate(document, bytes + 1);
    if (out == NULL)
        return DL_MEMORY;
    if (!expand_into(out, &bytes, text, line, column, report))
        return DL_INVALID;
    for (size_t i = 0, step; i < bytes; i += step) {
        uint32_t character;
        step = dl_utf8_character(out + i, bytes - i, &character);
        if (step == 0) {
            dl_report_error(report, line, column, "an environment variable named here holds text that is not UTF-8");
            return DL_INVALID;
        }
    }
    *expanded = out;
    return DL_OK;
}

enum dl_status dl_document_scalar(struct dl_document *document, const char *text, const struct dl_report *report)
{
    struct dl_node *node = document_allocate(document, sizeof *node);
    if (node == NULL)
        return DL_MEMORY;
    node->kind = DL_NODE_SCALAR;
    document->root = node;
    return expand(document, text, 0, 0, report, &node->text);
}

/* ---- From libyaml's events to nodes ---- */

struct builder {
    struct dl_document *document;
    const struct dl_report *report;
    struct dl_node *open; /* the list or map that is being filled */
    int depth, documents;
    const char *key;      /* of the open map, waiting for its value */
    int key_line, key_column;
    bool wrong;
};

static int line_of(yaml_mark_t mark)
{
    return (int)mark.line + 1;
}

static int column_of(yaml_mark_t mark)
{
    return (int)mark.column + 1;
}

static void refuse(struct builder *builder, yaml_mark_t mark, const char *sentence)
{
    dl_report_error(builder->report, line_of(mark), column_of(mark), "%s", sentence);
    builder->wrong = true;
}

static enum dl_status add_node(struct builder *builder, enum dl_node_kind kind, yaml_mark_t mark, struct dl_node **added)
{
    struct dl_node *node = document_allocate(builder->document, sizeof *node), *parent = builder->open;
    if (node == NULL)
        return DL_MEMORY;
    *added = node;
    node->kind = kind;
    node->line = line_of(mark);
    node->column = column_of(mark);
    node->parent = parent;
    if (parent == NULL) {
        builder->document->root = node;
        return DL_OK;
    }
    if (parent->kind == DL_NODE_MAP) {
        node->key = builder->key;
        node->key_line = builder->key_line;
        node->key_column = builder->key_column;
        builder->key = NULL;
    }
    if (parent->last == NULL)
        parent->first = node;
    else
        parent->last->next = node;
    parent->last = node;
    parent->children++;
    return DL_OK;
}

static enum dl_status take_key(struct builder *builder, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    if (strlen(text) != event->data.scalar.length)
        refuse(builder, event->start_mark, "a key holds a NUL character");
    if (builder->open->children >= MAP_CHILDREN_MAX) {
        refuse(builder, event->start_mark, "a section has more than 1024 keys");
        return DL_INVALID;
    }
    for (const struct dl_node *other = builder->open->first; other != NULL; other = other->next) {
        if (strcmp(other->key, text) != 0)
            continue;
        char quoted[DL_QUOTE_SIZE];
        dl_report_error(builder->report, line_of(event->start_mark), column_of(event->start_mark),
                        "the key %s stands twice in this section (first in line %d)", dl_config_quote(quoted, text),
                        other->key_line);
        builder->wrong = true;
        break;
    }
    char *key = document_allocate(builder->document, strlen(text) + 1);
    if (key == NULL)
        return DL_MEMORY;
    strcpy(key, text);
    builder->key = key;
    builder->key_line = line_of(event->start_mark);
    builder->key_column = column_of(event->start_mark);
    return DL_OK;
}

static enum dl_status on_scalar(struct builder *builder, const yaml_event_t *event)
{
    if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL)
        refuse(builder, event->start_mark, "anchors (&) and tags (!) are not supported; write the value itself, in quotes if it begins so");
    if (builder->open != NULL && builder->open->kind == DL_NODE_MAP && builder->key == NULL)
        return take_key(builder, event);
    const char *text = (const char *)event->data.scalar.value;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (strlen(text) != event->data.scalar.length)
        refuse(builder, event->start_mark, "the text holds a NUL character");
    struct dl_node *node;
    bool null = plain && (text[0] == '\0' || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0);
    enum dl_status status = add_node(builder, null ? DL_NODE_NULL : DL_NODE_SCALAR, event->start_mark, &node);
    if (status != DL_OK || null)
        return status;
    status = expand(builder->document, text, node->line, node->column, builder->report, &node->text);
    if (status == DL_INVALID) { /* reported; go on, to find further mistakes */
        node->text = "";
        node->reported = true;
        builder->wrong = true;
        return DL_OK;
    }
    return status;
}

static enum dl_status on_open(struct builder *builder, const yaml_event_t *event, enum dl_node_kind kind)
{
    bool map = kind == DL_NODE_MAP;
    if (map ? event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL
            : event->data.sequence_start.anchor != NULL || event->data.sequence_start.tag != NULL)
        refuse(builder, event->start_mark, "anchors (&) and tags (!) are not supported");
    if (builder->open != NULL && builder->open->kind == DL_NODE_MAP && builder->key == NULL) {
        refuse(builder, event->start_mark, "a key must be a single word, not a list or a section");
        return DL_INVALID;
    }
    if (++builder->depth > DEPTH_MAX) {
        refuse(builder, event->start_mark, "nested deeper than 16 levels");
        return DL_INVALID;
    }
    struct dl_node *node;
    enum dl_status status = add_node(builder, kind, event->start_mark, &node);
    if (status == DL_OK)
        builder->open = node;
    return status;
}

static enum dl_status on_alias(struct builder *builder, const yaml_event_t *event)
{
    refuse(builder, event->start_mark, "aliases (*) are not supported; write the value itself, in quotes if it begins so");
    if (builder->open != NULL && builder->open->kind == DL_NODE_MAP && builder->key == NULL)
        return DL_INVALID; /* as a key: nothing to hang the value on */
    struct dl_node *node;
    enum dl_status status = add_node(builder, DL_NODE_NULL, event->start_mark, &node);
    if (status == DL_OK)
        node->reported = true;
    return status;
}

static enum dl_status on_event(struct builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++builder->documents > 1) {
            refuse(builder, event->start_mark, "a second document (---) begins here; expected one document");
            return DL_INVALID;
        }
        return DL_OK;
    case YAML_SCALAR_EVENT: return on_scalar(builder, event);
    case YAML_ALIAS_EVENT: return on_alias(builder, event);
    case YAML_SEQUENCE_START_EVENT: return on_open(builder, event, DL_NODE_LIST);
    case YAML_MAPPING_START_EVENT: return on_open(builder, event, DL_NODE_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        builder->open = builder->open->parent;
        builder->depth--;
        return DL_OK;
    default: return DL_OK;
    }
}

/* ---- Syntax errors in plain words ---- */

static const struct {
    const char *problem; /* as libyaml 0.2 says it */
    const char *sentence;
} problems[] = {
    {"found character that cannot start any token",
     "this character cannot begin a value: indent with spaces, not tabs, and put text that begins with @, ` or % in quotes"},
    {"mapping values are not allowed in this context",
     "a colon where no key can be: is the line indented wrongly, or does text with \": \" lack quotes?"},
    {"could not find expected ':'", "expected a colon and a space after the key"},
    {"did not find expected key", "expected a key here: is the line indented as the ones before it?"},
    {"did not find expected '-' indicator", "expected \"- \" here: is the line indented as the list items before it?"},
    {"did not find expected ',' or ']'", "expected a comma or ] to go on with or end the list that began with [ (inside it, text with ${…} needs quotes)"},
    {"did not find expected ',' or '}'", "expected a comma or } to go on with or end the section that began with { (inside it, text with ${…} needs quotes)"},
    {"found unexpected end of stream", "the file ends inside quotes: expected the closing quote"},
    {"block sequence entries are not allowed in this context", "a list item (- ) where none can be: is the line indented wrongly?"},
    {"did not find expected <document start>", "expected the end of the file, or a key in the first column"},
    {"found a tab character that violates indentation", "a tab where indentation is expected: use spaces"},
    {"found undefined tag handle", "tags (!) are not supported"},
};

static void report_syntax(const yaml_parser_t *parser, const char *text, const struct dl_report *report)
{
    if (parser->error == YAML_READER_ERROR) {
        int line = 1;
        for (size_t i = 0; i < parser->problem_offset; i++)
            line += text[i] == '\n';
        dl_report_error(report, line, 1, "this is no text that YAML allows: %s", parser->problem);
        return;
    }
    const char *sentence = parser->problem != NULL ? parser->problem : "not YAML";
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
        if (strcmp(sentence, problems[i].problem) == 0) {
            sentence = problems[i].sentence;
            break;
        }
    }
    dl_report_error(report, line_of(parser->problem_mark), column_of(parser->problem_mark), "%s", sentence);
}

/* libyaml reports no position for what is not text, so it is looked at first. */
static bool check_text(const char *text, size_t bytes, const struct dl_report *report)
{
    int line = 1, column = 1;
    for (size_t i = 0, step; i < bytes; i += step, column++) {
        uint32_t character = 0;
        step = dl_utf8_character(text + i, bytes - i, &character);
        if (step == 0) {
            dl_report_error(report, line, column, "byte 0x%02X is not UTF-8; save the file as UTF-8",
                            (unsigned char)text[i]);
            return false;
        }
        if ((character < 0x20 && character != '\t' && character != '\n' && character != '\r') ||
            (character >= 0x7f && character < 0xa0 && character != 0x85) || (character == 0xfeff && i > 0) ||
            character == 0xfffe || character == 0xffff) {
            dl_report_error(report, line, column, "the control character U+%04X is not allowed%s", character,
                            character == 0 ? "; is this a text file?" : "");
            return false;
        }
        if (character == '\n') {
            line++;
            column = 0;
        }
    }
    return true;
}

enum dl_status dl_document_parse(struct dl_document *document, const char *text, size_t bytes, const struct dl_report *report)
{
    struct builder builder = {.document = document, .report = report};
    yaml_mark_t start = {0};
    if (!check_text(text, bytes, report)) {
        document->broken = true;
        return DL_INVALID;
    }
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return DL_MEMORY;
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
    enum dl_status status = DL_OK;
    for (bool end = false; !end && status == DL_OK;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            status = parser.error == YAML_MEMORY_ERROR ? DL_MEMORY : DL_INVALID;
            if (status == DL_INVALID)
                report_syntax(&parser, text, report);
            break;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        status = on_event(&builder, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    document->broken = status != DL_OK;
    if (status == DL_OK && document->root == NULL) {
        struct dl_node *root;
        status = add_node(&builder, DL_NODE_NULL, start, &root);
    }
    return status == DL_OK && builder.wrong ? DL_INVALID : status;
}
