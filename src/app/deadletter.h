/* The inside of `delightd deadletter`: deadletter.c chooses and reads,
 * deadletter_list.c counts and shows, deadletter_resend.c sends again. */
#pragma once

#include "codec.h"
#include "commands.h"
#include "config.h"
#include "kafka.h"
#include "places.h"

/* ---- Counts by reason ---- */

enum { DL_REASONS_MAX = 64, DL_REASON_SIZE = 64 };

struct dl_reason_row {
    char reason[DL_REASON_SIZE]; /* printable */
    int64_t letters, cut, resent_before;
    int64_t sent, unsent; /* --resend */
    int64_t oldest_ms, newest_ms; /* when they were written */
};

struct dl_reasons {
    struct dl_reason_row row[DL_REASONS_MAX]; /* the last is of all that found no room */
    size_t count;
};

/* The row of a letter's reason; made if there is none. */
struct dl_reason_row *dl_reasons_row(struct dl_reasons *reasons, struct dl_name reason);
/* By number, the largest first. */
void dl_reasons_sort(struct dl_reasons *reasons);

/* ---- The letters of the topic ---- */

struct dl_letters_view {
    /* A letter that was chosen. */
    void (*take)(void *context, const struct dl_kafka_record *record, const struct dl_kafka_letter *letter);
    void (*progress)(void *context); /* now and then, NULL: nothing to say */
    bool (*stop)(void *context);     /* NULL: read all of them */
    void *context;
};

struct dl_letters_choice {
    struct dl_places from, to, only;
    bool only_given;
    bool reason[DL_REJECTS]; /* all false: any */
    bool reason_given;
    int64_t since_ms; /* INT64_MIN: any */
};

struct dl_letters {
    const struct dl_config *config;
    const struct dl_arguments *arguments;
    struct dl_kafka_options kafka;
    struct dl_letters_choice choice;
    struct dl_kafka_topic_state *topics; /* the input topics as configured, then the dead-letter topic */
    int64_t *next; /* by partition: everything before it was looked at, or is not asked for */
    int32_t partition_count;
    struct dl_kafka_source *source;
    const struct dl_letters_view *view;
    int64_t records, foreign, chosen;
    struct dl_reasons reasons; /* of those chosen */
};

/* Reads what the topic held when it began. DL_TIMEOUT: Kafka stopped delivering (told). */
DL_MUST_USE enum dl_status dl_letters_read(struct dl_letters *letters, const struct dl_letters_view *view);
/* "--from 0:57,1:63": behind what was looked at. */
void dl_letters_print_next(const struct dl_letters *letters);

/* ---- What can be done with them; each returns the exit status ---- */

int dl_letters_list(struct dl_letters *letters);
int dl_letters_show(struct dl_letters *letters);
int dl_letters_resend(struct dl_letters *letters);
