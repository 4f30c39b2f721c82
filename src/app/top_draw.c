/* The picture of `top`:
 *
 *   delightd  touchpoints  1h  tier=vip                     as of 10:00:00Z, 1 s ago
 *   name                      events ↓  NPS [95 % interval]     CSAT % …
 *   all                         12974   -15.8 [-17.9,-13.6]▼!     62.8=
 *   checkout.payment             4352 …
 *   1-20 of 137   q quit  ? help  / filter  w window  g segment  k kind  < > sort  r reverse */
#include "top.h"

#include "clocks.h"

#include <delight/time.h>

#include <inttypes.h>
#include <string.h>

enum { NAME_WIDTH_MIN = 10, NAME_WIDTH_MAX = 40, ARROW_WIDTH = 2, HEAD_ROWS = 2, STALE_MS = 5000 };

static const char *const kind_titles[DL_KINDS] = {
    [DL_KIND_ALL] = "all",     [DL_KIND_JOURNEY] = "journeys",       [DL_KIND_JOURNEY_STAGE] = "journeys' stages",
    [DL_KIND_STAGE] = "stages", [DL_KIND_TOUCHPOINT] = "touchpoints", [DL_KIND_FEATURE] = "features",
};

struct picture {
    struct dl_top *top;
    struct dl_terminal *terminal;
    int rows, width, name_width;
    const struct dl_top_column *column;
    size_t column_count, first_column;
};

/* ---- Layout ---- */

static int cell_width(const struct dl_top_column *column)
{
    return 1 + column->width + ARROW_WIDTH;
}

/* The column that orders is always there. */
static void lay_out(struct picture *picture)
{
    int wide = picture->width / 4;
    picture->name_width = wide < NAME_WIDTH_MIN ? NAME_WIDTH_MIN : wide > NAME_WIDTH_MAX ? NAME_WIDTH_MAX : wide;
    int needed = picture->name_width;
    for (int i = 0; i <= picture->top->sort_column; i++)
        needed += cell_width(&picture->column[i]);
    for (picture->first_column = 0; needed > picture->width && (int)picture->first_column < picture->top->sort_column;)
        needed -= cell_width(&picture->column[picture->first_column++]);
}

/* A text with what others named in it, over the whole row; what turns the direction of writing has no width, so the terminal
 * would let it pass. */
static void put_named(const struct picture *picture, int row, int look, const char *text)
{
    struct dl_text shown = {0};
    dl_text_add_printable(&shown, text, strlen(text));
    dl_terminal_put(picture->terminal, row, 0, picture->width, look, shown.failed || shown.data == NULL ? "" : shown.data);
    dl_text_deinit(&shown);
}

/* ---- Head ---- */

static void age_text(char *out, size_t out_size, int64_t age_ms)
{
    if (age_ms < 0)
        age_ms = 0;
    if (age_ms < 60000)
        snprintf(out, out_size, "%" PRId64 " s", age_ms / 1000);
    else if (age_ms < 3600000)
        snprintf(out, out_size, "%" PRId64 " min", age_ms / 60000);
    else
        snprintf(out, out_size, "%" PRId64 " h", age_ms / 3600000);
}

/* What an operator must not overlook; "": nothing. */
static void alert_text(const struct dl_top *top, int64_t now_ms, char *out, size_t out_size)
{
    out[0] = '\0';
    if (top->trouble[0] != '\0')
        snprintf(out, out_size, "! %s", top->trouble);
    else if (!top->read_once && top->answered_ms == 0)
        snprintf(out, out_size, "reading");
    else if (!top->meta.there && top->read_once)
        snprintf(out, out_size, "! no daemon writes here: scores are old");
    else if (top->answered_ms > 0 && now_ms - top->answered_ms > STALE_MS)
        snprintf(out, out_size, "! Redis has not answered for %" PRId64 " s", (now_ms - top->answered_ms) / 1000);
}

static void draw_head(const struct picture *picture, int64_t now_ms, int64_t wall_ms)
{
    const struct dl_top *top = picture->top;
    char title[DL_TOP_TEXT_SIZE * 2], age[32], as_of[DL_TIME_TEXT_SIZE] = "", right[DL_TOP_TEXT_SIZE], alert[DL_TOP_TEXT_SIZE + 64];
    char window[DL_TOP_WINDOW_SIZE];
    dl_duration_format(window, sizeof window, top->config->windows.item[top->window]);
    const char *segment = dl_top_segment(top);
    snprintf(title, sizeof title, "delightd  %s  %s  %s", kind_titles[top->kind], window, *segment != '\0' ? segment + 1 : "");
    snprintf(right, sizeof right, "as of -");
    if (top->meta.as_of_ms >= 0 && top->read_once) {
        dl_time_format(as_of, top->meta.as_of_ms);
        age_text(age, sizeof age, wall_ms - top->meta.as_of_ms);
        snprintf(right, sizeof right, "as of %.8sZ, %s ago", as_of + 11, age);
    }
    alert_text(top, now_ms, alert, sizeof alert);
    int used = dl_terminal_width(picture->terminal, right);
    put_named(picture, 0, DL_TERMINAL_BOLD, title);
    /* In a narrow terminal the age is worth more than the title. */
    int column = picture->width > used ? picture->width - used : 0;
    dl_terminal_put(picture->terminal, 0, column, used, DL_TERMINAL_BOLD, right);
    if (alert[0] == '\0')
        return;
    int wide = dl_terminal_width(picture->terminal, alert) + 2;
    int left = column - wide - 1 > 0 ? column - wide - 1 : 0;
    char padded[sizeof alert + 4];
    snprintf(padded, sizeof padded, " %s ", alert);
    dl_terminal_put(picture->terminal, 0, left, wide, DL_TERMINAL_ALERT, padded);
}

static void draw_titles(const struct picture *picture)
{
    const struct dl_top *top = picture->top;
    bool unicode = dl_terminal_unicode(picture->terminal);
    const char *sign = top->descending ? (unicode ? "↓" : "v") : (unicode ? "↑" : "^");
    char title[DL_TOP_TEXT_SIZE];
    int at = picture->name_width;
    snprintf(title, sizeof title, "name%s", top->sort_column < 0 ? sign : "");
    dl_terminal_put(picture->terminal, 1, 0, picture->width, DL_TERMINAL_REVERSE, title);
    for (size_t i = picture->first_column; i < picture->column_count; i++) {
        const struct dl_top_column *column = &picture->column[i];
        if (at + 1 + column->width > picture->width)
            break;
        bool sorts = top->sort_column == (int)i;
        dl_terminal_put(picture->terminal, 1, at + 1, -column->width, DL_TERMINAL_REVERSE | (sorts ? DL_TERMINAL_BOLD : 0), column->title);
        if (sorts)
            dl_terminal_put(picture->terminal, 1, at + 1 + column->width, 1, DL_TERMINAL_REVERSE | DL_TERMINAL_BOLD, sign);
        at += cell_width(column);
    }
}

/* ---- Rows ---- */

/* Up, down or steady; '!' beside it, not only a colour, where that is to the worse. */
static void draw_arrow(const struct picture *picture, int row, int at, int look, const struct dl_top_column *column,
                       enum dl_top_arrow arrow)
{
    static const char *const signs[] = {"", "=", "▲", "▼"}, *const plain[] = {"", "=", "^", "v"};
    bool worse = dl_top_worse(column, arrow);
    bool better = !worse && dl_fields[column->field].better != DL_BETTER_NEITHER && (arrow == DL_TOP_UP || arrow == DL_TOP_DOWN);
    char text[16];
    snprintf(text, sizeof text, "%s%s", (dl_terminal_unicode(picture->terminal) ? signs : plain)[arrow], worse ? "!" : "");
    look |= worse ? DL_TERMINAL_BAD | DL_TERMINAL_BOLD : better ? DL_TERMINAL_GOOD : 0;
    dl_terminal_put(picture->terminal, row, at, ARROW_WIDTH, look, text);
}

static void draw_row(const struct picture *picture, int at_row, const struct dl_top_row *row, int look)
{
    char name[DL_TOP_NAME_SIZE], cell[DL_TOP_CELL_SIZE];
    int at = picture->name_width;
    dl_top_name(name, row->name);
    put_named(picture, at_row, look, name);
    dl_terminal_put(picture->terminal, at_row, at, picture->width - at, look, "");
    for (size_t i = picture->first_column; i < picture->column_count; i++) {
        const struct dl_top_column *column = &picture->column[i];
        if (at + 1 + column->width > picture->width)
            break;
        dl_top_cell(cell, column, &row->scores);
        dl_terminal_put(picture->terminal, at_row, at + 1, -column->width, look, cell);
        draw_arrow(picture, at_row, at + 1 + column->width, look, column, dl_top_arrow(column, &row->trend[i]));
        at += cell_width(column);
    }
}

static void draw_rows(const struct picture *picture)
{
    struct dl_top *top = picture->top;
    int at = HEAD_ROWS;
    if (top->whole.there && picture->rows > HEAD_ROWS + 3)
        draw_row(picture, at++, &top->whole, DL_TERMINAL_BOLD);
    int room = picture->rows - 1 - at;
    top->page = room > 0 ? (size_t)room : 1;
    for (size_t i = 0; i < top->page && at < picture->rows - 1; i++) {
        size_t number = top->first + i;
        if (number < top->row_first || number - top->row_first >= top->row_count)
            continue;
        draw_row(picture, at++, &top->rows[number - top->row_first], number == top->selected ? DL_TERMINAL_REVERSE : 0);
    }
    if (top->row_count == 0 && top->read_once)
        dl_terminal_put(picture->terminal, at, 0, picture->width, DL_TERMINAL_DIM,
                        top->total == 0 ? "no data of this kind, window and segment" : "nothing matches");
}

static void draw_foot(const struct picture *picture)
{
    const struct dl_top *top = picture->top;
    char text[DL_TOP_TEXT_SIZE * 2], filtered[DL_TOP_TEXT_SIZE + 32] = "";
    if (top->typing) {
        snprintf(text, sizeof text, "/%s_", top->filter);
        dl_terminal_put(picture->terminal, picture->rows - 1, 0, picture->width, DL_TERMINAL_BOLD, text);
        return;
    }
    if (top->filter[0] != '\0')
        snprintf(filtered, sizeof filtered, " with \"%s\"", top->filter);
    size_t last = top->first + top->page < top->matching ? top->first + top->page : top->matching;
    snprintf(text, sizeof text, "%zu-%zu of %zu%s%s   q quit  ? help  / filter  w window  g segment  k kind  < > sort  r reverse",
             top->matching > 0 ? top->first + 1 : 0, last, top->matching, filtered, top->segments_asked ? "  reading segments" : "");
    dl_terminal_put(picture->terminal, picture->rows - 1, 0, picture->width, DL_TERMINAL_DIM, text);
}

static void draw_help(const struct picture *picture)
{
    static const char *const lines[] = {
        "k K  kind: journeys, their stages, stages, touchpoints, features",
        "w W  window",
        "g G  segment (the first time all keys are gone through)",
        "< >  the column that orders; n by name;  r  the other way round",
        "/    shows only names with what is typed; Escape: all of them",
        "up, down, page up, page down, home, end",
        "q    ends it",
        "",
        "arrows: the later half of the window against the earlier one; ! to the worse",
        "NPS with the ends of its 95 % interval. delightd help fields tells of each score.",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        dl_terminal_put(picture->terminal, HEAD_ROWS + (int)i, 0, picture->width, 0, lines[i]);
}

void dl_top_draw(struct dl_top *top, int64_t now_ms, int64_t wall_ms)
{
    struct picture picture = {.top = top, .terminal = top->terminal};
    dl_terminal_size(top->terminal, &picture.rows, &picture.width);
    picture.column = dl_top_columns(top->kind, &picture.column_count);
    lay_out(&picture);
    dl_terminal_clear(top->terminal);
    draw_titles(&picture);
    if (top->helping)
        draw_help(&picture);
    else
        draw_rows(&picture);
    draw_head(&picture, now_ms, wall_ms);
    draw_foot(&picture);
    dl_terminal_show(top->terminal);
}
