/* The inside of `delightd top`: top.c (the command, its loop), top_keys.c,
 * top_data.c (what is read, and when), top_draw.c (the picture). Loop thread only. */
#pragma once

#include "commands.h"
#include "config.h"
#include "reader.h"
#include "terminal.h"
#include "top_table.h"

enum {
    DL_TOP_TEXT_SIZE = 256, DL_TOP_WINDOW_SIZE = 24,
    DL_TOP_ROWS_MAX = 1000, /* so many are read and ordered by any column; of more, only what is visible */
};

enum dl_top_phase { DL_TOP_IDLE, DL_TOP_ASKING_NAMES, DL_TOP_ASKING_SLICE, DL_TOP_ASKING_SCORES, DL_TOP_ASKING_TRENDS };

struct dl_top {
    const struct dl_config *config;
    const struct dl_arguments *arguments;
    uv_loop_t loop;
    struct dl_reader *reader;
    struct dl_terminal *terminal; /* NULL: --once */

    /* What is asked for. */
    enum dl_kind kind;
    size_t window;       /* of the configured ones */
    size_t segment;      /* 0: none; else segments.item[segment - 1] */
    struct dl_reader_names segments; /* "|tier=vip"; read when first wanted */
    bool segments_asked, segments_read;
    int sort_column;     /* -1: by name */
    bool descending;
    char filter[DL_TOP_TEXT_SIZE];
    bool typing, helping;
    size_t first, selected; /* rows */
    size_t page;         /* rows that fit */

    /* What is known: rows[0] is number row_first of `matching`, those of `total` names that the filter lets pass. */
    struct dl_reader_meta meta;
    bool read_once; /* rows are of what is asked for */
    struct dl_top_row *rows;
    size_t row_count, row_first, matching, total;
    struct dl_top_row whole; /* the subject "all", of the same segment */
    struct dl_reader_names row_names;
    char trouble[DL_TOP_TEXT_SIZE]; /* of the connection; "": none */
    int64_t answered_ms; /* monotonic */

    struct dl_top_reading {
        enum dl_top_phase phase;
        bool again; /* something else is asked for: begin anew when this is settled */
        struct dl_reader_meta meta;
        struct dl_reader_names names, slice; /* all of the group; the visible part of a rank */
        const char **chosen;                 /* those to be read, of either */
        size_t count, first, matching, asked;
        struct dl_reader_scores *scores, whole;
        struct dl_trend_halves *halves;      /* [row * trend_count + measure], of rows [trend_first, trend_end), then of `whole` */
        size_t trend_first, trend_end;
    } reading;
    int fields[DL_FIELDS];                  /* what the columns show */
    size_t field_count;
    int trend_measures[DL_TOP_COLUMNS_MAX]; /* what of that has trends, and in which column it is */
    size_t trend_columns[DL_TOP_COLUMNS_MAX], trend_count;
    void (*on_read)(struct dl_top *top);    /* rows, or trouble, are new */
    bool failed;                            /* out of memory */
};

/* ---- top_data.c ---- */

/* Reads all of it; nothing if that is under way. */
void dl_top_read(struct dl_top *top);
/* Something else is asked for: what is on the screen is of no use any more. */
void dl_top_changed(struct dl_top *top);
/* The order or the part that is visible is another: enough where all rows are read. */
void dl_top_reordered(struct dl_top *top);
void dl_top_on_settled(void *context, bool whole);
void dl_top_data_deinit(struct dl_top *top);
/* "|tier=vip" or "". */
const char *dl_top_segment(const struct dl_top *top);

/* ---- top_keys.c ---- */

/* false: it ends. */
bool dl_top_take_key(struct dl_top *top, int key);
/* The selected row is one that there is, and on the page. */
void dl_top_keep_visible(struct dl_top *top);

/* ---- top_draw.c ---- */

void dl_top_draw(struct dl_top *top, int64_t now_ms, int64_t wall_ms);
