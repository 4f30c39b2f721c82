/* A YAML document as a tree of nodes with positions. Private to src/adapter/config.
 * Only what a configuration needs: no anchors, aliases, tags or second document. */
#pragma once

#include "report.h"

enum dl_node_kind { DL_NODE_NULL, DL_NODE_SCALAR, DL_NODE_LIST, DL_NODE_MAP };

struct dl_node {
    enum dl_node_kind kind;
    int line, column;              /* from 1 */
    const char *text;              /* DL_NODE_SCALAR: ${ENV} expanded, no NUL inside */
    bool reported;                 /* something is wrong with it and was said: say no more */
    const char *key;               /* child of a map */
    int key_line, key_column;
    struct dl_node *parent, *first, *last, *next;
    size_t children;
};

/* "a list", "text", … for sentences. */
const char *dl_node_kind_text(const struct dl_node *node);

struct dl_document {
    struct dl_node *root; /* an empty document is a DL_NODE_NULL */
    struct dl_block *blocks;
    bool broken; /* the text ends or is no YAML somewhere: the tree is not whole */
};

/* Zero-initialise the document; deinit it whatever the status. DL_INVALID: the
 * mistakes were reported; the tree, unless broken, serves to find more of them. */
DL_MUST_USE enum dl_status dl_document_parse(struct dl_document *document, const char *text, size_t bytes,
                                             const struct dl_report *report);
/* The text as it is becomes one scalar, ${ENV} expanded. */
DL_MUST_USE enum dl_status dl_document_scalar(struct dl_document *document, const char *text, const struct dl_report *report);
/* Wipes and frees everything. */
void dl_document_deinit(struct dl_document *document);
