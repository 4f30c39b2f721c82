#include "terminal.h"

#include "known.h"

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* An escape that no other byte of a key's sequence follows within this time is the Escape key. */
enum { ESCAPE_MS = 50, PAIR_GOOD = 1, PAIR_BAD, PAIR_ALERT };

struct dl_terminal {
    SCREEN *screen;
    bool unicode, colours;
};

const char *dl_terminal_library_version(void)
{
    return curses_version();
}

/* ---- Life ---- */

static void choose_colours(struct dl_terminal *terminal)
{
    /* $NO_COLOR: https://no-color.org */
    const char *unwanted = getenv("NO_COLOR");
    if ((unwanted && *unwanted) || !has_colors() || start_color() == ERR || use_default_colors() == ERR)
        return;
    terminal->colours = init_pair(PAIR_GOOD, COLOR_GREEN, -1) != ERR && init_pair(PAIR_BAD, COLOR_RED, -1) != ERR &&
                        init_pair(PAIR_ALERT, COLOR_WHITE, COLOR_RED) != ERR;
}

enum dl_status dl_terminal_open(struct dl_terminal **out, char *fault, size_t fault_size)
{
    struct dl_terminal *terminal = calloc(1, sizeof *terminal);
    *out = NULL;
    if (!terminal)
        return DL_MEMORY;
    (void)setlocale(LC_CTYPE, "");
    terminal->unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    /* Not initscr, which ends the process when it fails; newterm keeps memory then. */
    if (dl_terminal_known())
        terminal->screen = newterm(NULL, stdout, stdin);
    if (!terminal->screen) {
        const char *term = getenv("TERM");
        snprintf(fault, fault_size, "the terminal type '%s' is not known; set TERM, or use --once", term ? term : "");
        free(terminal);
        return DL_INVALID;
    }
    (void)cbreak();
    (void)noecho();
    (void)nonl();
    (void)intrflush(stdscr, FALSE);
    (void)keypad(stdscr, TRUE);
    (void)nodelay(stdscr, TRUE);
    (void)set_escdelay(ESCAPE_MS);
    (void)curs_set(0);
    choose_colours(terminal);
    *out = terminal;
    return DL_OK;
}

void dl_terminal_close(struct dl_terminal *terminal)
{
    if (!terminal)
        return;
    (void)endwin();
    delscreen(terminal->screen);
    free(terminal);
}

bool dl_terminal_unicode(const struct dl_terminal *terminal)
{
    return terminal->unicode;
}

void dl_terminal_size(const struct dl_terminal *terminal, int *rows, int *columns)
{
    (void)terminal;
    getmaxyx(stdscr, *rows, *columns);
}

void dl_terminal_resized(struct dl_terminal *terminal)
{
    struct winsize size;
    (void)terminal;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
        (void)resizeterm(size.ws_row, size.ws_col);
    (void)clearok(curscr, TRUE); /* what a terminal makes of its content then is its own affair */
}

/* ---- Picture ---- */

void dl_terminal_clear(struct dl_terminal *terminal)
{
    (void)terminal;
    (void)erase();
}

static attr_t attributes(const struct dl_terminal *terminal, int look)
{
    attr_t result = 0;
    if (look & DL_TERMINAL_BOLD)
        result |= A_BOLD;
    if (look & DL_TERMINAL_REVERSE)
        result |= A_REVERSE;
    if (look & DL_TERMINAL_DIM)
        result |= A_DIM;
    if (look & DL_TERMINAL_UNDERLINE)
        result |= A_UNDERLINE;
    if (look & DL_TERMINAL_ALERT)
        return result | (terminal->colours ? (attr_t)COLOR_PAIR(PAIR_ALERT) : A_REVERSE) | A_BOLD;
    if (terminal->colours && look & DL_TERMINAL_GOOD)
        result |= (attr_t)COLOR_PAIR(PAIR_GOOD);
    if (terminal->colours && look & DL_TERMINAL_BAD)
        result |= (attr_t)COLOR_PAIR(PAIR_BAD);
    return result;
}

/* The next character that can be shown, and its columns; 0: the end. What cannot is '?'. */
static wchar_t next_character(const struct dl_terminal *terminal, const char **text, int *columns)
{
    mbstate_t state = {0};
    wchar_t character = L'\0';
    if (**text == '\0')
        return L'\0';
    size_t bytes = terminal->unicode ? mbrtowc(&character, *text, strlen(*text), &state) : 1;
    if (!terminal->unicode) {
        character = (unsigned char)**text < 0x80 ? (wchar_t)**text : L'?';
        /* One sign for a character of several bytes. */
        while (((unsigned char)(*text)[bytes] & 0xC0) == 0x80 && (unsigned char)**text >= 0xC0)
            bytes++;
    } else if (bytes == (size_t)-1 || bytes == (size_t)-2) {
        character = L'?';
        bytes = 1;
    }
    *text += bytes;
    *columns = wcwidth(character);
    if (*columns < 0) {
        character = L'?';
        *columns = 1;
    }
    return character;
}

int dl_terminal_width(const struct dl_terminal *terminal, const char *text)
{
    int width = 0, columns;
    while (next_character(terminal, &text, &columns) != L'\0')
        width += columns;
    return width;
}

void dl_terminal_put(struct dl_terminal *terminal, int row, int column, int width, int look, const char *text)
{
    int rows, edge, columns;
    dl_terminal_size(terminal, &rows, &edge);
    if (row < 0 || row >= rows || column < 0 || column >= edge)
        return;
    int room = width < 0 ? -width : width, given = dl_terminal_width(terminal, text);
    int before = width < 0 && given < room ? room - given : 0;
    room = room < edge - column ? room : edge - column;
    (void)move(row, column);
    (void)attrset((int)attributes(terminal, look));
    int at = 0;
    for (; at < before && at < room; at++)
        (void)addch(' ');
    for (wchar_t character; (character = next_character(terminal, &text, &columns)) != L'\0' && at + columns <= room; at += columns)
        (void)addnwstr(&character, 1);
    for (; at < room; at++)
        (void)addch(' ');
    (void)attrset(A_NORMAL);
}

void dl_terminal_show(struct dl_terminal *terminal)
{
    (void)terminal;
    (void)refresh();
}

/* ---- Keys ---- */

static int special_key(wint_t key)
{
    static const struct {
        wint_t curses;
        int key;
    } keys[] = {
        {KEY_UP, DL_KEY_UP},       {KEY_DOWN, DL_KEY_DOWN},           {KEY_LEFT, DL_KEY_LEFT},     {KEY_RIGHT, DL_KEY_RIGHT},
        {KEY_PPAGE, DL_KEY_PAGE_UP}, {KEY_NPAGE, DL_KEY_PAGE_DOWN},   {KEY_HOME, DL_KEY_HOME},     {KEY_END, DL_KEY_END},
        {KEY_BACKSPACE, DL_KEY_BACKSPACE}, {KEY_ENTER, DL_KEY_ENTER},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keys[i].curses == key)
            return keys[i].key;
    return DL_KEY_OTHER;
}

int dl_terminal_key(struct dl_terminal *terminal)
{
    (void)terminal;
    wint_t key = 0;
    int kind = get_wch(&key);
    if (kind == ERR)
        return DL_KEY_NONE;
    if (kind == KEY_CODE_YES)
        return special_key(key);
    switch (key) {
    case 27: return DL_KEY_ESCAPE;
    case '\t': return DL_KEY_TAB;
    case '\r':
    case '\n': return DL_KEY_ENTER;
    case 8:
    case 127: return DL_KEY_BACKSPACE;
    default: return (int)key;
    }
}
