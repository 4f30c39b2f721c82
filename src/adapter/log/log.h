/* The log: logfmt on stderr, or journald with fields. */
#pragma once

#include <delight/note.h>
#include <delight/status.h>

enum dl_log_target { DL_LOG_AUTO, DL_LOG_STDERR, DL_LOG_JOURNAL };

struct dl_log;

/* AUTO: journald when stderr is connected to it ($JOURNAL_STREAM), else stderr.
 * Notes above `level` are dropped. NULL: out of memory. */
struct dl_log *dl_log_create(enum dl_log_target target, enum dl_note_level level);
void dl_log_destroy(struct dl_log *log);
/* Any thread. The sink lives as long as the log. */
struct dl_note_sink *dl_log_sink(struct dl_log *log);
/* Writes how many notes the rate limit (10 per message in 10 s) has held back
 * where the time is over; any later note does so too, and destroy. Any thread;
 * once a second is enough. */
void dl_log_tick(struct dl_log *log);
void dl_log_set_level(struct dl_log *log, enum dl_note_level level);
/* -1 when the word is none of error, warning, notice, info, debug. */
int dl_log_level_parse(const char *word);

/* systemd: no-ops without $NOTIFY_SOCKET. */
void dl_service_ready(const char *status);
void dl_service_status(const char *status);
void dl_service_reloading(void);
void dl_service_stopping(void);
void dl_service_watchdog(void);
/* Half of $WATCHDOG_USEC in ms; 0: no watchdog. */
int64_t dl_service_watchdog_interval_ms(void);
