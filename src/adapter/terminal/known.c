#include "known.h"

#include <curses.h>
#include <term.h>
#include <unistd.h>

bool dl_terminal_known(void)
{
    int found = 0;
    if (setupterm(NULL, STDOUT_FILENO, &found) == ERR || found != 1)
        return false;
    (void)del_curterm(cur_term); /* newterm reads it again */
    return true;
}
