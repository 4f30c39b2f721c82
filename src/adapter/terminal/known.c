#include "known.h"

#include <curses.h>
#include <term.h>
#include <unistd.h>

bool dl_terminal_known(void)
{
    int found = 0;
    return setupterm(NULL, STDOUT_FILENO, &found) != ERR && found == 1;
}
