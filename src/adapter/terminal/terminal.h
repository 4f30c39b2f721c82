/* A terminal as a grid of cells, by ncurses: text with a little emphasis, keys,
 * resizes. One at a time; one thread. */
#pragma once

#include <delight/status.h>

#include <stddef.h>

/* Emphasis, any of them together. Colour never stands alone: whoever uses DL_TERMINAL_GOOD or _BAD also writes a sign. */
enum dl_terminal_look {
    DL_TERMINAL_BOLD = 1, DL_TERMINAL_REVERSE = 2, DL_TERMINAL_DIM = 4, DL_TERMINAL_UNDERLINE = 8,
    DL_TERMINAL_GOOD = 16, DL_TERMINAL_BAD = 32, DL_TERMINAL_ALERT = 64
};

/* What dl_terminal_key returns besides characters (code points). */
enum dl_terminal_key {
    DL_KEY_NONE = -1,
    DL_KEY_UP = 0x110000, DL_KEY_DOWN, DL_KEY_LEFT, DL_KEY_RIGHT, DL_KEY_PAGE_UP, DL_KEY_PAGE_DOWN, DL_KEY_HOME, DL_KEY_END,
    DL_KEY_BACKSPACE, DL_KEY_ENTER, DL_KEY_ESCAPE, DL_KEY_TAB, DL_KEY_OTHER
};

struct dl_terminal;

/* Standard input and output. Takes the screen over. DL_INVALID: $TERM is not known; fault says so. */
DL_MUST_USE enum dl_status dl_terminal_open(struct dl_terminal **terminal, char *fault, size_t fault_size);
/* Gives it back as it was. */
void dl_terminal_close(struct dl_terminal *terminal);
/* Whether it shows more than ASCII; what it cannot show is written as '?'. */
bool dl_terminal_unicode(const struct dl_terminal *terminal);

void dl_terminal_size(const struct dl_terminal *terminal, int *rows, int *columns);
/* After SIGWINCH: asks the terminal for its size. */
void dl_terminal_resized(struct dl_terminal *terminal);

/* An empty picture; then texts, then show, which transmits what differs from before. */
void dl_terminal_clear(struct dl_terminal *terminal);
/* UTF-8 from a column on, cut or filled with spaces to `width` columns (negative: set to the right), and at the edge of the
 * screen. Control characters become '?'. */
void dl_terminal_put(struct dl_terminal *terminal, int row, int column, int width, int look, const char *text);
void dl_terminal_show(struct dl_terminal *terminal);
/* Columns that a text takes. */
int dl_terminal_width(const struct dl_terminal *terminal, const char *text);

/* Never waits: DL_KEY_NONE when standard input has none. */
int dl_terminal_key(struct dl_terminal *terminal);
