/* Inside the adapter only. Apart from the rest for its header, whose macros have names as `columns`. */
#pragma once

#include <stdbool.h>

/* Whether standard output's terminal type ($TERM) is one that terminfo has. */
bool dl_terminal_known(void);
