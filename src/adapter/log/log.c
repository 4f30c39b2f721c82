#include "log.h"

#include "limit.h"
#include "line.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION /* the place of this call is not the place that had something to say */
#include <systemd/sd-journal.h>

struct dl_log {
    struct dl_note_sink sink;
    bool journal;
    atomic_int level;
    pthread_mutex_t lock; /* the limiter, the buffers, and one line at a time */
    struct dl_limit limit;
    char line[DL_LINE_SIZE];
    char fields[DL_LINE_FIELDS_MAX][DL_LINE_VALUE_MAX + 96];
};

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* How long a line waits for a reader. */
enum { STALL_MS = 20 };

/* systemd says which file is the journal's: device and inode of what it connected. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat about;
    return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &about) == 0 &&
           about.st_dev == (dev_t)device && about.st_ino == (ino_t)inode;
}

static void write_stderr(struct dl_log *log, enum dl_note_level level, const char *message, const struct dl_note_field *fields,
                         size_t field_count)
{
    size_t bytes = dl_line_logfmt(log->line, clock_ms(CLOCK_REALTIME), level, message, fields, field_count);
    /* A pipe that nobody reads must not stop the threads that count: what it has no room for is lost. Room for
     * PIPE_BUF is what poll promises of a pipe. */
    for (size_t done = 0; done < bytes;) {
        struct pollfd stream = {.fd = STDERR_FILENO, .events = POLLOUT};
        if (poll(&stream, 1, STALL_MS) == 0)
            return;
        ssize_t wrote = write(STDERR_FILENO, log->line + done, bytes - done < PIPE_BUF ? bytes - done : PIPE_BUF);
        if (wrote > 0)
            done += (size_t)wrote;
        else if (errno != EINTR)
            return; /* there is nowhere left to say so */
    }
}

static bool write_journal(struct dl_log *log, enum dl_note_level level, const char *message, const struct dl_note_field *fields,
                          size_t field_count)
{
    /* sd_journal_sendv calls it success when there is no journal at all. */
    if (access("/run/systemd/journal/socket", F_OK) != 0)
        return false;
    static const char *const priorities[] = {"PRIORITY=3", "PRIORITY=4", "PRIORITY=5", "PRIORITY=6", "PRIORITY=7"};
    struct iovec parts[DL_LINE_FIELDS_MAX + 3];
    int count = 0;
    char identifier[] = "SYSLOG_IDENTIFIER=delightd", prefix[] = "MESSAGE=", priority[16];
    memcpy(log->line, prefix, strlen(prefix));
    char sentence[DL_LINE_SIZE];
    size_t bytes = dl_line_sentence(sentence, message, fields, field_count);
    bytes = bytes < sizeof log->line - strlen(prefix) ? bytes : sizeof log->line - strlen(prefix);
    memcpy(log->line + strlen(prefix), sentence, bytes);
    strcpy(priority, priorities[level]);
    parts[count++] = (struct iovec){log->line, strlen(prefix) + bytes};
    parts[count++] = (struct iovec){priority, strlen(priority)};
    parts[count++] = (struct iovec){identifier, strlen(identifier)};
    for (size_t i = 0; i < field_count && i < DL_LINE_FIELDS_MAX; i++)
        parts[count++] = (struct iovec){log->fields[i], dl_line_journal_field(log->fields[i], &fields[i])};
    return sd_journal_sendv(parts, count) >= 0;
}

static void put(struct dl_log *log, enum dl_note_level level, const char *message, const struct dl_note_field *fields, size_t field_count)
{
    /* What the journal does not take is not lost: stderr is its second ear. */
    if (!log->journal || !write_journal(log, level, message, fields, field_count))
        write_stderr(log, level, message, fields, field_count);
}

static void put_suppressed(struct dl_log *log, int64_t now_ms)
{
    struct dl_limited limited;
    int64_t suppressed;
    while (dl_limit_take_due(&log->limit, now_ms, &limited, &suppressed)) {
        char message[DL_LINE_VALUE_MAX];
        snprintf(message, sizeof message, "%s … and %lld more like it", limited.message, (long long)suppressed);
        put(log, limited.level, message, (struct dl_note_field[]){DL_NUMBER("suppressed", suppressed)}, 1);
    }
}

static void write_note(void *context, enum dl_note_level level, const char *message, const struct dl_note_field *fields, size_t field_count)
{
    struct dl_log *log = context;
    /* Relaxed: the level guards no other data; a note more or less around a change is nobody's harm. */
    if ((int)level > atomic_load_explicit(&log->level, memory_order_relaxed))
        return;
    pthread_mutex_lock(&log->lock);
    int64_t now_ms = clock_ms(CLOCK_MONOTONIC);
    put_suppressed(log, now_ms);
    if (dl_limit_admit(&log->limit, level, message, now_ms))
        put(log, level, message, fields, field_count);
    pthread_mutex_unlock(&log->lock);
}

struct dl_log *dl_log_create(enum dl_log_target target, enum dl_note_level level)
{
    struct dl_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return NULL;
    if (pthread_mutex_init(&log->lock, NULL) != 0) {
        free(log);
        return NULL;
    }
    log->sink = (struct dl_note_sink){.write = write_note, .context = log};
    log->journal = target == DL_LOG_JOURNAL || (target == DL_LOG_AUTO && stderr_is_journal());
    atomic_init(&log->level, (int)level);
    return log;
}

void dl_log_destroy(struct dl_log *log)
{
    if (log == NULL)
        return;
    put_suppressed(log, INT64_MAX);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

struct dl_note_sink *dl_log_sink(struct dl_log *log)
{
    return &log->sink;
}

void dl_log_set_level(struct dl_log *log, enum dl_note_level level)
{
    atomic_store_explicit(&log->level, (int)level, memory_order_relaxed); /* see write_note */
}

void dl_log_tick(struct dl_log *log)
{
    pthread_mutex_lock(&log->lock);
    put_suppressed(log, clock_ms(CLOCK_MONOTONIC));
    pthread_mutex_unlock(&log->lock);
}

int dl_log_level_parse(const char *word)
{
    for (int level = DL_NOTE_ERROR; level <= DL_NOTE_DEBUG; level++)
        if (strcmp(word, dl_log_level_word((enum dl_note_level)level)) == 0)
            return level;
    return -1;
}
