/* Names and texts of those who send events, for the operator's terminal: what would steer it is shown escaped. */
#pragma once

#include <stdio.h>

/* How many characters dl_print_safely makes of it. */
size_t dl_print_width(const char *data, size_t bytes);
/* As dl_text_add_printable writes it, with blanks behind it up to `width` characters; 0: none. Nothing but blanks when
 * memory is out. */
void dl_print_safely(FILE *to, const char *data, size_t bytes, size_t width);
