#include "sink.h"

#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES 1048576

struct file_sink {
    struct ld_sink base;
    FILE *file;
    char *buffer;
    const char *name;
};

int64_t ld_sink_latency_us(const struct ld_sink *sink, int percent)
{
    int64_t steps = ld_histogram_percentile(&sink->latency, (int64_t)sink->latency_count, percent);
    return steps < 0 ? -1 : steps * 10;
}

static bool always(struct ld_sink *sink)
{
    (void)sink;
    return true;
}

static void no_poll(struct ld_sink *sink, int timeout_ms)
{
    (void)sink;
    (void)timeout_ms;
}

static bool write_failed(struct file_sink *sink)
{
    ld_say("%s: %s", sink->name, strerror(errno));
    sink->base.has_failed = true;
    sink->base.failed++;
    return false;
}

/* A line's number stands for the offset of a record, the file for partition 0. */
static bool file_send(struct ld_sink *base, const struct ld_message *message)
{
    struct file_sink *sink = (struct file_sink *)base;
    if (fwrite(message->value, 1, message->value_bytes, sink->file) != message->value_bytes ||
        putc_unlocked('\n', sink->file) == EOF)
        return write_failed(sink);
    base->sent++;
    base->delivered++;
    base->bytes += message->value_bytes + 1;
    if (message->repeat != LD_NO_REPEAT && base->recount != NULL)
        ld_recount_place(base->recount, message->repeat, message->copy, 0, (int64_t)base->sent);
    return true;
}

static bool file_finish(struct ld_sink *base)
{
    struct file_sink *sink = (struct file_sink *)base;
    if (fflush(sink->file) != 0)
        return write_failed(sink);
    return !base->has_failed;
}

static void file_close(struct ld_sink *base)
{
    struct file_sink *sink = (struct file_sink *)base;
    if (sink->file != stdout)
        fclose(sink->file);
    else
        setvbuf(stdout, NULL, _IOLBF, 0); /* the buffer goes away before stdout does */
    free(sink->buffer);
    free(sink);
}

struct ld_sink *ld_sink_file_open(const struct ld_sink_options *options)
{
    static const struct ld_sink_verbs verbs = {file_send, no_poll, always, file_finish, file_close};
    bool is_stdout = strcmp(options->file, "-") == 0;
    FILE *file = is_stdout ? stdout : fopen(options->file, "w");
    if (file == NULL) {
        ld_say("%s: %s", options->file, strerror(errno));
        return NULL;
    }
    struct file_sink *sink = ld_alloc(1, sizeof *sink);
    sink->base.verbs = &verbs;
    sink->file = file;
    sink->name = is_stdout ? "standard output" : options->file;
    sink->buffer = ld_alloc(BUFFER_BYTES, 1);
    setvbuf(file, sink->buffer, _IOFBF, BUFFER_BYTES);
    return &sink->base;
}

/* ---- nowhere: the events were sent by an earlier run with the same options ---- */

static bool none_send(struct ld_sink *sink, const struct ld_message *message)
{
    sink->sent++;
    sink->delivered++;
    sink->bytes += message->value_bytes;
    return true;
}

static bool none_finish(struct ld_sink *sink)
{
    (void)sink;
    return true;
}

static void none_close(struct ld_sink *sink)
{
    free(sink);
}

struct ld_sink *ld_sink_none_open(void)
{
    static const struct ld_sink_verbs verbs = {none_send, no_poll, always, none_finish, none_close};
    struct ld_sink *sink = ld_alloc(1, sizeof *sink);
    sink->verbs = &verbs;
    return sink;
}
