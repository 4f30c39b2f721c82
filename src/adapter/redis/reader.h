/* What a view has published, read back over a link: for `get` and `top`. Reads
 * only. Questions are asked in any number and travel together; their answers
 * are there when on_settled is called. Loop thread only. */
#pragma once

#include "redis.h"

#include <codec.h>

enum { DL_READER_NAMES_MAX = 200000 };

/* Names, each NUL-terminated, in any order until they are sorted. */
struct dl_reader_names {
    char **item;
    size_t count, capacity;
    bool cut; /* there are more than DL_READER_NAMES_MAX */
};
void dl_reader_names_deinit(struct dl_reader_names *names);
/* By bytes, each once (a scan may tell one twice). */
void dl_reader_names_sort(struct dl_reader_names *names);

struct dl_reader_meta { /* cx:meta */
    bool there;           /* false: the daemon is gone */
    int64_t as_of_ms;     /* -1: not told */
    int64_t min_n;
};

struct dl_reader_scores {
    bool there; /* false: the subject has no data in this window */
    struct dl_scores scores;
};

struct dl_reader_options {
    struct dl_redis_options redis;
    const char *prefix; /* borrowed */
};

struct dl_reader_callbacks {
    void (*on_up)(void *context);
    void (*on_down)(void *context);
    /* Everything that was asked is answered. whole: false when something was refused (`refused` says what) or lost. */
    void (*on_settled)(void *context, bool whole);
    void *context;
};

struct dl_reader;

/* As dl_redis_open. */
DL_MUST_USE enum dl_status dl_reader_open(struct dl_reader **reader, uv_loop_t *loop, const struct dl_reader_options *options,
                                          const struct dl_reader_callbacks *callbacks);
void dl_reader_close(struct dl_reader *reader); /* frees itself; no callbacks from now on */
bool dl_reader_up(const struct dl_reader *reader);
const char *dl_reader_address(const struct dl_reader *reader); /* dl_redis_address */
bool dl_reader_idle(const struct dl_reader *reader); /* nothing is asked */
/* In the words of Redis, what it refused of this round: since nothing was asked. NULL: nothing. */
const char *dl_reader_refused(const struct dl_reader *reader);

/* Questions. Texts are copied; what they fill must live until on_settled or on_down. DL_AWAY, DL_FULL, DL_MEMORY: not asked.
 * A subject is a full name, encoded ("touchpoint:T|tier=vip"); a window is "1h". */
DL_MUST_USE enum dl_status dl_reader_meta(struct dl_reader *reader, struct dl_reader_meta *meta);
/* Those of the fields (ids) that are there; the others become DL_VALUE_NONE. */
DL_MUST_USE enum dl_status dl_reader_scores(struct dl_reader *reader, const char *subject, const char *window, const int *fields,
                                            size_t field_count, struct dl_reader_scores *scores);
DL_MUST_USE enum dl_status dl_reader_trend(struct dl_reader *reader, const char *subject, const char *window, const int *measures,
                                           size_t measure_count, struct dl_trend_halves *halves);
/* group: "touchpoint", "touchpoint|tier=vip". Appends. */
DL_MUST_USE enum dl_status dl_reader_names(struct dl_reader *reader, const char *group, struct dl_reader_names *names);
/* A slice of a rank, the best or the least first. Appends. */
DL_MUST_USE enum dl_status dl_reader_rank(struct dl_reader *reader, int measure, const char *group, const char *window,
                                          bool descending, size_t first, size_t count, struct dl_reader_names *names);
/* Every "|SEGMENT=VALUE" that has data; goes through all keys of the database, a thousand at a time. Appends. */
DL_MUST_USE enum dl_status dl_reader_segments(struct dl_reader *reader, struct dl_reader_names *names);
