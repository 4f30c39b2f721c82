/* A small reader of the daemon's YAML: only the keys that decide numbers, and where Kafka and Redis are. The daemon
 * checks its configuration; here an unknown key is passed over and a wrong value ends the run. */
#pragma once

#include "settings.h"

#include <stdbool.h>

/* Reads `file` over what *settings holds. False after a sentence on stderr. */
bool ld_config_read(const char *file, struct ld_settings *settings);
