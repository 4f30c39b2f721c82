/* What the keys of `top` do. */
#include "top.h"

#include <limits.h>
#include <string.h>
#include <wchar.h>

static const enum dl_kind kinds[] = {DL_KIND_JOURNEY, DL_KIND_JOURNEY_STAGE, DL_KIND_STAGE, DL_KIND_TOUCHPOINT, DL_KIND_FEATURE};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

void dl_top_keep_visible(struct dl_top *top)
{
    size_t page = top->page > 0 ? top->page : 1;
    if (top->matching == 0)
        top->selected = 0;
    else if (top->selected >= top->matching)
        top->selected = top->matching - 1;
    if (top->first + page > top->matching) /* no room is left empty */
        top->first = top->matching > page ? top->matching - page : 0;
    if (top->selected < top->first)
        top->first = top->selected;
    if (top->selected >= top->first + page)
        top->first = top->selected - page + 1;
}

static void move(struct dl_top *top, int64_t by)
{
    size_t first = top->first;
    int64_t to = (int64_t)top->selected + by;
    top->selected = to < 0 ? 0 : (size_t)to;
    dl_top_keep_visible(top);
    if (top->first != first)
        dl_top_reordered(top);
}

static size_t turn(size_t now, size_t count, bool forward)
{
    return forward ? (now + 1) % count : (now + count - 1) % count;
}

static void next_kind(struct dl_top *top, bool forward)
{
    size_t now = 0, columns;
    while (now < KINDS - 1 && kinds[now] != top->kind)
        now++;
    top->kind = kinds[turn(now, KINDS, forward)];
    (void)dl_top_columns(top->kind, &columns);
    if (top->sort_column >= (int)columns)
        top->sort_column = 0;
    dl_top_changed(top);
}

static void next_segment(struct dl_top *top, bool forward)
{
    if (!top->segments_read) {
        if (!top->segments_asked)
            top->segments_asked = dl_reader_segments(top->reader, &top->segments) == DL_OK;
        return;
    }
    top->segment = turn(top->segment, top->segments.count + 1, forward);
    dl_top_changed(top);
}

static void next_column(struct dl_top *top, bool forward)
{
    size_t columns;
    (void)dl_top_columns(top->kind, &columns);
    /* -1, by name, is one of them. */
    top->sort_column = (int)turn((size_t)(top->sort_column + 1), columns + 1, forward) - 1;
    top->descending = top->sort_column >= 0;
    top->first = top->selected = 0;
    dl_top_reordered(top);
}

static void type_filter(struct dl_top *top, int key)
{
    size_t bytes = strlen(top->filter);
    if (key == DL_KEY_ENTER) {
        top->typing = false;
        return;
    }
    if (key == DL_KEY_ESCAPE) {
        top->typing = false;
        bytes = 0;
    } else if (key == DL_KEY_BACKSPACE && bytes > 0) {
        while (--bytes > 0 && ((unsigned char)top->filter[bytes] & 0xC0) == 0x80)
            ;
    } else if (key >= ' ' && key < 0x7f && bytes < sizeof top->filter - MB_LEN_MAX - 1) {
        top->filter[bytes++] = (char)key;
    } else if (bytes < sizeof top->filter - MB_LEN_MAX - 1) {
        mbstate_t state = {0};
        size_t more = key >= 0x80 && key < 0x110000 ? wcrtomb(top->filter + bytes, (wchar_t)key, &state) : (size_t)-1;
        if (more == (size_t)-1)
            return;
        bytes += more;
    } else {
        return;
    }
    top->filter[bytes] = '\0';
    dl_top_changed(top);
}

bool dl_top_take_key(struct dl_top *top, int key)
{
    if (top->typing) {
        type_filter(top, key);
        return true;
    }
    if (top->helping) {
        top->helping = false;
        return key != 'q';
    }
    switch (key) {
    case 'q': return false;
    case 'k': case DL_KEY_TAB: next_kind(top, true); break;
    case 'K': next_kind(top, false); break;
    case 'w': case 'W':
        top->window = turn(top->window, top->config->windows.count, key == 'w');
        dl_top_changed(top);
        break;
    case 'g': case 'G': next_segment(top, key == 'g'); break;
    case '>': case DL_KEY_RIGHT: next_column(top, true); break;
    case '<': case DL_KEY_LEFT: next_column(top, false); break;
    case 'n':
        top->sort_column = -1;
        top->descending = false;
        top->first = top->selected = 0;
        dl_top_reordered(top);
        break;
    case 'r':
        top->descending = !top->descending;
        top->first = top->selected = 0;
        dl_top_reordered(top);
        break;
    case '/': top->typing = true; break;
    case '?': case 'h': top->helping = true; break;
    case DL_KEY_ESCAPE:
        if (top->filter[0] != '\0') {
            top->filter[0] = '\0';
            dl_top_changed(top);
        }
        break;
    case DL_KEY_UP: move(top, -1); break;
    case DL_KEY_DOWN: move(top, 1); break;
    case DL_KEY_PAGE_UP: move(top, -(int64_t)top->page); break;
    case DL_KEY_PAGE_DOWN: move(top, (int64_t)top->page); break;
    case DL_KEY_HOME: move(top, -(int64_t)top->matching); break;
    case DL_KEY_END: move(top, (int64_t)top->matching); break;
    default: break;
    }
    return true;
}
