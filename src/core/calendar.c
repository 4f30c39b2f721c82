/* The calendar: which subjects have a pane at which index. The days that T passes by are taken out of it at once, and
 * read later, some subjects at a time: what they say is only who is to be looked at. */
#include "window.h"

#include <delight/time.h>

#include <stdlib.h>

enum { DAY_FIRST = 4 };

static int64_t day_bytes(const struct dl_window_day *day)
{
    return day == NULL ? 0 : dl_block_bytes(sizeof *day + day->capacity * sizeof day->subjects[0]);
}

static struct dl_window_day **day_of(const struct dl_window *window, int64_t index)
{
    return &window->days[index - dl_floor_div(index, window->day_count) * window->day_count];
}

enum dl_status dl_calendar_enter(struct dl_windows *windows, int w, int64_t index, uint32_t subject)
{
    struct dl_window_day **place = day_of(&windows->window[w], index);
    struct dl_window_day *day = *place;
    if (day == NULL || day->count == day->capacity) {
        int64_t before = day_bytes(day);
        uint32_t capacity = day == NULL ? DAY_FIRST : day->capacity * 2;
        struct dl_window_day *larger = realloc(day, sizeof *day + capacity * sizeof day->subjects[0]);
        if (larger == NULL)
            return DL_MEMORY;
        if (day == NULL)
            *larger = (struct dl_window_day){.window = w};
        larger->capacity = capacity;
        windows->registry.bytes += day_bytes(larger) - before;
        *place = day = larger;
    }
    day->subjects[day->count++] = subject;
    return DL_OK;
}

/* Days that T has reached and that hold nobody need not be looked at. */
static void skip_empty(struct dl_window *window)
{
    if (window->entered < window->newest - DL_PANES) { /* what lies between has left with its days */
        window->entered = window->newest - DL_PANES;
        window->entering = 0;
    }
    for (; window->entered < window->newest; window->entered++, window->entering = 0) {
        const struct dl_window_day *day = *day_of(window, window->entered + 1);
        if (day != NULL && window->entering < day->count)
            return;
    }
}

void dl_calendar_pass(struct dl_windows *windows, int w, int64_t newest)
{
    struct dl_window *window = &windows->window[w];
    struct dl_passed_days *passed = &windows->passed;
    /* No pane lies beyond newest + ahead, so that however far T jumps, one turn of the calendar is all. */
    int64_t last = window->newest + window->ahead;
    int64_t gone = newest - DL_PANES;
    for (int64_t index = window->newest - DL_PANES + 1; index <= gone && index <= last; index++) {
        struct dl_window_day *day = *day_of(window, index);
        if (day == NULL)
            continue;
        *day_of(window, index) = NULL;
        if (passed->first == NULL)
            passed->first = day;
        else
            passed->last->next = day;
        passed->last = day;
        passed->subjects += day->count;
    }
    window->newest = newest;
    skip_empty(window);
}

static void drop_first(struct dl_windows *windows)
{
    struct dl_passed_days *passed = &windows->passed;
    struct dl_window_day *day = passed->first;
    passed->first = day->next;
    passed->read = 0;
    windows->registry.bytes -= day_bytes(day);
    free(day);
}

bool dl_calendar_next(struct dl_windows *windows, uint32_t *subject, int *w)
{
    struct dl_passed_days *passed = &windows->passed;
    if (passed->first != NULL) {
        *subject = passed->first->subjects[passed->read++];
        *w = passed->first->window;
        passed->subjects--;
        if (passed->read == passed->first->count)
            drop_first(windows);
        return true;
    }
    for (*w = 0; *w < windows->count; ++*w) {
        struct dl_window *window = &windows->window[*w];
        skip_empty(window);
        if (window->entered == window->newest)
            continue;
        *subject = (*day_of(window, window->entered + 1))->subjects[window->entering++];
        skip_empty(window);
        return true;
    }
    for (int other = 0; other < windows->count; other++)
        windows->window[other].followed = windows->window[other].newest;
    return false;
}

size_t dl_calendar_waiting(const struct dl_windows *windows)
{
    size_t subjects = windows->passed.subjects;
    for (int w = 0; w < windows->count; w++) {
        const struct dl_window *window = &windows->window[w];
        for (int64_t index = window->entered + 1; index <= window->newest; index++) {
            const struct dl_window_day *day = *day_of(window, index);
            subjects += day == NULL ? 0 : day->count - (index == window->entered + 1 ? window->entering : 0);
        }
    }
    return subjects;
}

void dl_calendar_deinit(struct dl_windows *windows)
{
    while (windows->passed.first != NULL)
        drop_first(windows);
    for (int w = 0; w < windows->count; w++) {
        const struct dl_window *window = &windows->window[w];
        for (int64_t i = 0; window->days != NULL && i < window->day_count; i++)
            free(window->days[i]);
        free(window->days);
    }
}
