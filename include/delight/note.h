/* What a layer has to say to the operator. Adapters do not know the log: they
 * are handed a sink, and the application decides where a note goes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum dl_note_level { DL_NOTE_ERROR, DL_NOTE_WARNING, DL_NOTE_NOTICE, DL_NOTE_INFO, DL_NOTE_DEBUG };

struct dl_note_field {
    const char *key;  /* lower-case word, static */
    const char *text; /* NULL: the number counts */
    int64_t number;
};

/* Borrowed strings, valid during the call. write may be called from any thread
 * and returns soon: it never blocks on the network. `message` is a static
 * sentence (the rate limiter tells notes apart by it); what varies is a field. */
struct dl_note_sink {
    void (*write)(void *context, enum dl_note_level level, const char *message,
                  const struct dl_note_field *fields, size_t field_count);
    void *context;
};

#define DL_TEXT(key_, text_) ((struct dl_note_field){.key = (key_), .text = (text_)})
#define DL_NUMBER(key_, number_) ((struct dl_note_field){.key = (key_), .number = (int64_t)(number_)})

/* dl_note(sink, DL_NOTE_WARNING, "broker is away", DL_TEXT("broker", host), DL_NUMBER("retry_ms", n)); */
#define dl_note(sink, level, message, ...)                                                      \
    do {                                                                                        \
        const struct dl_note_field dl_fields_[] = {{.key = NULL}, ##__VA_ARGS__};               \
        (sink)->write((sink)->context, (level), (message), dl_fields_ + 1,                      \
                      sizeof dl_fields_ / sizeof dl_fields_[0] - 1);                            \
    } while (0)
