#include "micro_events.h"

#include <codec.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

struct interned {
    UT_hash_handle hh;
    char text[];
};

static struct interned *names; /* for the life of the program */

_Noreturn static void die(const char *what)
{
    perror(what);
    exit(1);
}

static const char *intern(struct dl_name name)
{
    struct interned *found;
    if (name.bytes == 0)
        return NULL;
    HASH_FIND(hh, names, name.data, name.bytes, found);
    if (found == NULL) {
        found = calloc(1, sizeof *found + name.bytes + 1);
        if (found == NULL)
            die("calloc");
        memcpy(found->text, name.data, name.bytes);
        HASH_ADD(hh, names, text, name.bytes, found);
    }
    return found->text;
}

static void keep(struct micro_events *events, const struct dl_event *from)
{
    struct micro_event *to = &events->event[events->count++];
    *to = (struct micro_event){
        .time_ms = from->time_ms, .wait_ms = from->wait_ms, .handle_ms = from->handle_ms, .duration_ms = from->duration_ms,
        .touchpoint = intern(from->touchpoint), .stage = intern(from->stage), .journey = intern(from->journey),
        .type = (int8_t)from->type, .sign = (int8_t)from->sign, .nps = from->nps, .csat = from->csat, .ces = from->ces,
        .expectation = from->expectation, .outcome = (int8_t)from->outcome, .first_contact = from->first_contact,
        .resolvable = from->resolvable, .closed = from->closed, .satisfied = from->satisfied,
    };
    snprintf(to->id, sizeof to->id, "%.*s", (int)from->id.bytes, from->id.data == NULL ? "" : from->id.data);
    for (int i = 0; i < events->segments; i++)
        to->segment[i] = intern(from->segment[i]);
    for (; to->kano_count < from->kano_count && to->kano_count < MICRO_KANO_MAX; to->kano_count++) {
        to->feature[to->kano_count] = intern(from->kano[to->kano_count].feature);
        to->category[to->kano_count] = from->kano[to->kano_count].category;
    }
}

static void read_segments(struct micro_events *events, struct dl_decode_options *options, const char *list)
{
    char *copy = strdup(list); /* for the life of the program */
    for (char *word = strtok(copy, ","); word != NULL && events->segments < MICRO_SEGMENTS; word = strtok(NULL, ","))
        events->segment[events->segments++] = dl_name_of(word);
    options->segments = events->segments;
    memcpy(options->segment, events->segment, sizeof events->segment);
}

void micro_events_load(struct micro_events *events, const char *path, const char *segments)
{
    struct dl_decode_options options = {.csat_max = 5, .event_bytes_max = 65536};
    *events = (struct micro_events){.event = NULL};
    read_segments(events, &options, segments);
    FILE *file = fopen(path, "r");
    struct dl_decoder *decoder = dl_decoder_create(&options);
    if (file == NULL || decoder == NULL)
        die(path);
    char *line = NULL;
    size_t capacity = 0, room = 0, lines = 0;
    for (ssize_t bytes; (bytes = getline(&line, &capacity, file)) > 0; lines++) {
        struct dl_event event;
        char detail[DL_DETAIL_SIZE];
        const struct dl_message message = {.value = line, .value_bytes = (size_t)bytes - (line[bytes - 1] == '\n'),
                                           .timestamp_ms = -1};
        double before = micro_processor_ns();
        enum dl_reject reject = dl_decode(decoder, &message, INT64_MAX, &event, detail);
        events->decode_ns += micro_processor_ns() - before;
        if (reject != DL_ACCEPTED)
            continue;
        if (events->count == room) {
            room = room == 0 ? 65536 : room * 2;
            events->event = realloc(events->event, room * sizeof *events->event);
            if (events->event == NULL)
                die("realloc");
        }
        keep(events, &event);
    }
    if (lines > 0)
        events->decode_ns /= (double)lines;
    free(line);
    fclose(file);
    dl_decoder_destroy(decoder);
}

static struct dl_name name_of(const char *text)
{
    return text == NULL ? (struct dl_name){.data = NULL} : dl_name_of(text);
}

void micro_events_expand(const struct micro_events *events, size_t number, struct dl_event *event)
{
    const struct micro_event *from = &events->event[number];
    event->type = (enum dl_event_type)from->type;
    event->sign = from->sign;
    event->time_ms = from->time_ms;
    event->id = dl_name_of(from->id);
    event->touchpoint = name_of(from->touchpoint);
    event->stage = name_of(from->stage);
    event->journey = name_of(from->journey);
    for (int i = 0; i < events->segments; i++)
        event->segment[i] = name_of(from->segment[i]);
    event->nps = from->nps;
    event->csat = from->csat;
    event->ces = from->ces;
    event->expectation = from->expectation;
    event->kano_count = (uint8_t)from->kano_count;
    for (int i = 0; i < from->kano_count; i++)
        event->kano[i] = (struct dl_kano_answer){.feature = name_of(from->feature[i]), .category = from->category[i]};
    event->outcome = (enum dl_outcome)from->outcome;
    event->first_contact = from->first_contact;
    event->resolvable = from->resolvable;
    event->wait_ms = from->wait_ms;
    event->handle_ms = from->handle_ms;
    event->closed = from->closed;
    event->satisfied = from->satisfied;
    event->duration_ms = from->duration_ms;
}

double micro_processor_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

size_t micro_resident(void)
{
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &size, &resident) != 2)
        die("/proc/self/statm");
    fclose(file);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}
