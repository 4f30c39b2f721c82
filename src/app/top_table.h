/* What `top` shows, apart from where: columns, cells, order, arrows. Pure. */
#pragma once

#include "codec.h"

enum { DL_TOP_COLUMNS_MAX = 16, DL_TOP_CELL_SIZE = 160, DL_TOP_NAME_SIZE = 512 };

struct dl_top_column {
    int field;
    const char *title;
    int width;
    int low, high; /* fields of its interval, shown in the same cell; -1: none */
};

/* The columns of a kind of subject. */
const struct dl_top_column *dl_top_columns(enum dl_kind kind, size_t *count);
/* The fields that those columns show; out has DL_FIELDS. Returns their number. */
size_t dl_top_fields(enum dl_kind kind, int *out);

struct dl_top_row {
    const char *name; /* full; borrowed */
    bool there;
    struct dl_scores scores;
    struct dl_trend_halves trend[DL_TOP_COLUMNS_MAX]; /* by column */
};

/* "fly > gate" of "journey:fly|stage=gate|tier=vip", blanks decoded, for people; out has DL_TOP_NAME_SIZE bytes. */
void dl_top_name(char *out, const char *name);
/* Short, with its unit where there is one: "33.3 [12.0,54.1]", "2m05s"; "-": none. out has DL_TOP_CELL_SIZE bytes. */
void dl_top_cell(char *out, const struct dl_top_column *column, const struct dl_scores *scores);

enum dl_top_arrow { DL_TOP_NO_ARROW, DL_TOP_STEADY, DL_TOP_UP, DL_TOP_DOWN };
/* From the earlier half of the window to the later one; steady: by less than a point, or 2 % where there is no scale. */
enum dl_top_arrow dl_top_arrow(const struct dl_top_column *column, const struct dl_trend_halves *halves);
/* Whether that is to the worse. */
bool dl_top_worse(const struct dl_top_column *column, enum dl_top_arrow arrow);

/* By a column (-1: by name); rows without a value last, equal ones by name. */
void dl_top_sort(struct dl_top_row *rows, size_t count, int field, bool descending);
/* Whether the filter ("": any) is part of what dl_top_name makes of the name; a-z and A-Z are the same. */
bool dl_top_matches(const char *name, const char *filter);
