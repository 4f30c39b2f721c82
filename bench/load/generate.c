#include "generate.h"

#include "answers.h"
#include "schedule.h"
#include "util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FUTURE_MS INT64_C(300000) /* an event may be this far ahead of its record */
#define YEAR_2000_MS INT64_C(946684800000)
#define YEAR_2100_MS INT64_C(4102444800000)
#define LATER_MAX 16384     /* messages between an event and its repeat or retraction, at most */
#define PENDING_MAX 16384

/* A repeat or retraction that waits for its turn; a binary heap by `due`. */
struct pending {
    uint64_t due; /* message number */
    struct ld_event event;
    struct ld_spelling spelling;
    uint64_t noise;
    int64_t timestamp_ms;
    uint32_t repeat; /* LD_NO_REPEAT: a retraction, or a repeat that nobody recognises */
};

struct ld_generator {
    const struct ld_traffic *traffic;
    struct ld_world *world;
    struct ld_recount *recount;
    struct ld_rng rng;
    struct ld_encoder encoder;
    struct ld_malformed malformed;
    struct ld_answers answers;
    struct ld_event event;
    struct pending **heap;
    size_t heap_count;
    struct pending *spare[PENDING_MAX];
    size_t spare_count;
    uint64_t number;
    int64_t longest_ms; /* window and one pane */
    int64_t drift_ms;
    uint64_t survey_below, contact_below; /* of 2^32 */
    uint64_t malformed_below, rejected_below, orphan_below, late_below, future_below;
    uint64_t repeat_below, retract_below, cloudevent_below, variant_below, bare_below;
};

static void init_thresholds(struct ld_generator *generator, const struct ld_traffic *traffic)
{
    double sum = traffic->mix[0] + traffic->mix[1] + traffic->mix[2];
    double fresh = 1 - traffic->malformed - traffic->future_rejected - traffic->orphans - traffic->duplicates -
                   traffic->retractions;
    /* A repeat or retraction that is due goes first; the other shares are drawn in what is left. */
    double drawn = 1 - traffic->duplicates - traffic->retractions;
    double malformed = traffic->malformed / drawn;
    double rejected = malformed + traffic->future_rejected / drawn;
    generator->survey_below = ld_threshold(traffic->mix[0] / sum);
    generator->contact_below = ld_threshold((traffic->mix[0] + traffic->mix[1]) / sum);
    generator->malformed_below = ld_threshold(malformed);
    generator->rejected_below = ld_threshold(rejected);
    generator->orphan_below = ld_threshold(rejected + traffic->orphans / drawn);
    generator->late_below = ld_threshold(traffic->late);
    generator->future_below = ld_threshold(traffic->late + traffic->future);
    /* Shares are of all messages, but only fresh ones are repeated or retracted. */
    generator->repeat_below = ld_threshold(fresh > 0 ? fmin(traffic->duplicates / fresh, 1) : 0);
    generator->retract_below = ld_threshold(fresh > 0 ? fmin(traffic->retractions / fresh, 1) : 0);
    generator->cloudevent_below = ld_threshold(traffic->cloudevents);
    generator->variant_below = ld_threshold(traffic->variants);
    generator->bare_below = ld_threshold(traffic->bare);
}

struct ld_generator *ld_generator_create(const struct ld_traffic *traffic, struct ld_world *world,
                                         const struct ld_settings *settings, struct ld_recount *recount)
{
    struct ld_generator *generator = ld_alloc(1, sizeof *generator);
    generator->traffic = traffic;
    generator->world = world;
    generator->recount = recount;
    generator->heap = ld_alloc(PENDING_MAX, sizeof(struct pending *));
    generator->drift_ms = traffic->span_ms > 0 ? traffic->span_ms / 64 + 1 : 600000;
    for (size_t i = 0; i < settings->window_count; i++) {
        int64_t reach_ms = settings->windows[i].ms + settings->windows[i].ms / LD_PANES;
        if (reach_ms > generator->longest_ms)
            generator->longest_ms = reach_ms;
    }
    if (generator->longest_ms == 0)
        generator->longest_ms = 3660000;
    ld_rng_seed(&generator->rng, traffic->seed);
    ld_encoder_init(&generator->encoder, world, traffic->id_prefix, traffic->event_bytes,
                    (size_t)settings->event_bytes_max);
    ld_malformed_init(&generator->malformed, &generator->encoder, settings, traffic->is_for_file);
    ld_answers_init(&generator->answers, settings->csat_max);
    init_thresholds(generator, traffic);
    return generator;
}

void ld_generator_destroy(struct ld_generator *generator)
{
    if (generator == NULL)
        return;
    for (size_t i = 0; i < generator->heap_count; i++)
        free(generator->heap[i]);
    for (size_t i = 0; i < generator->spare_count; i++)
        free(generator->spare[i]);
    ld_malformed_deinit(&generator->malformed);
    ld_encoder_deinit(&generator->encoder);
    free(generator->heap);
    free(generator);
}

static bool chance(struct ld_generator *generator, uint64_t below)
{
    return (ld_rng_next(&generator->rng) >> 32) < below;
}

/* ---- fresh events ---- */

static void draw_survey(struct ld_generator *generator, struct ld_event *event, uint32_t level)
{
    const struct ld_answers *answers = &generator->answers;
    uint64_t bits = ld_rng_next(&generator->rng);
    uint32_t asked = (uint32_t)(bits & 255);
    bool has_kano = asked >= 205 && generator->world->feature_count > 0;
    if (asked < 190)
        event->nps = answers->nps[level][bits >> 8 & 255];
    if (asked % 2 == 0)
        event->csat = answers->csat[level][bits >> 16 & 255];
    if (asked % 4 == 1)
        event->ces = answers->ces[level][bits >> 24 & 255];
    if (asked % 3 == 0 || (asked >= 190 && !has_kano))
        event->expectation = answers->expectation[level][bits >> 32 & 255];
    if (!has_kano)
        return;
    uint32_t many = (uint32_t)(bits >> 40 & 255);
    event->kano_is_array = many >= 100;
    event->kano_count = (uint8_t)(many < 180 ? 1 : many < 250 ? 2 + many % 4 : many < 255 ? 8 : LD_KANO_MAX);
    if (!event->kano_is_array)
        event->kano_count = 1;
    for (uint32_t i = 0; i < event->kano_count; i++)
        event->kano[i] = ld_answers_kano(answers, &generator->rng,
                                         ld_rng_below(&generator->rng, generator->world->feature_count));
}

static int64_t draw_ms(struct ld_generator *generator, double median_ms, double sigma)
{
    double ms = ld_log_normal(&generator->rng, median_ms, sigma);
    return ms < 365 * 86400e3 ? (int64_t)ms : INT64_C(365) * 86400000;
}

static void draw_contact(struct ld_generator *generator, struct ld_event *event, uint32_t level, int64_t moment_ms)
{
    uint64_t bits = ld_rng_next(&generator->rng);
    double quality = (double)level / (LD_LEVELS - 1);
    double busy = ld_rhythm(moment_ms);
    if ((bits & 255) < 8)
        return; /* a bare contact: a visit */
    bool is_abandoned = (bits >> 8 & 255) < 10 + 40 * busy * (1 - quality);
    if ((bits >> 16 & 255) < 245)
        event->outcome = is_abandoned ? LD_OUTCOME_ABANDONED : LD_OUTCOME_ANSWERED;
    if ((bits >> 24 & 255) < 245)
        event->wait_ms = draw_ms(generator, (4000 + 16000 * (1 - quality)) * (0.4 + busy), 1.1);
    if ((bits >> 24 & 255) < 12)
        event->wait_ms = 0; /* answered at the first ring */
    if ((bits >> 24 & 0xffff) == 300)
        event->wait_ms = 86400000 + (int64_t)(bits >> 40); /* forgotten in the queue for a day */
    if ((is_abandoned && (bits >> 40 & 255) < 12) || (!is_abandoned && (bits >> 40 & 255) < 235))
        event->handle_ms = draw_ms(generator, 150000 + 120000 * (1 - quality), 0.7);
    if (!is_abandoned && (bits >> 48 & 255) < 150) {
        event->first_contact = (bits >> 56) < 120 + 110 * quality;
        if ((bits >> 48 & 255) < 60)
            event->resolvable = (bits >> 48 & 255) >= 12;
    }
}

static void draw_complaint(struct ld_generator *generator, struct ld_event *event, uint32_t level)
{
    uint64_t bits = ld_rng_next(&generator->rng);
    event->state = (bits & 255) < 140 ? LD_STATE_OPENED : LD_STATE_CLOSED;
    if (event->state == LD_STATE_OPENED)
        return;
    if ((bits >> 8 & 255) < 215)
        event->satisfied = (bits >> 16 & 255) < 60 + 5 * level;
    if ((bits >> 24 & 255) < 235)
        event->duration_ms = draw_ms(generator, 30 * 3600e3, 1.0);
}

static void draw_place(struct ld_generator *generator, struct ld_event *event)
{
    struct ld_world *world = generator->world;
    uint64_t bits = ld_rng_next(&generator->rng);
    event->touchpoint = ld_alias_draw(&world->popularity, &generator->rng);
    event->has_stage = true;
    event->has_journey = true;
    if ((bits >> 32) < generator->bare_below) {
        event->has_stage = (bits & 3) == 1;
        event->has_journey = (bits & 3) == 2;
    }
    for (size_t i = 0; i < world->segment_count; i++) {
        uint64_t draw = ld_rng_next(&generator->rng);
        event->segment[i] = LD_ABSENT;
        if ((draw & 15) != 0)
            event->segment[i] = (int16_t)ld_alias_draw(&world->segments[i].popularity, &generator->rng);
    }
}

static void draw_event(struct ld_generator *generator, int64_t moment_ms)
{
    struct ld_event *event = &generator->event;
    uint64_t draw = ld_rng_next(&generator->rng) >> 32;
    /* The Kano answers are valid up to kano_count only; clearing all of them for every event would be most of the
     * work. */
    memset(event, 0, offsetof(struct ld_event, kano));
    event->outcome = event->first_contact = event->resolvable = event->satisfied = LD_ABSENT;
    event->nps = event->csat = event->ces = event->expectation = LD_ABSENT;
    event->wait_ms = event->handle_ms = event->duration_ms = LD_ABSENT;
    event->state = LD_STATE_OPENED;
    event->id = generator->number;
    event->has_id = true;
    event->has_time = true;
    event->time_ms = moment_ms;
    draw_place(generator, event);
    event->has_customer = (draw & 3) == 0;
    uint32_t level =
        ld_touchpoint_level(&generator->world->touchpoints[event->touchpoint], moment_ms, generator->drift_ms);
    if (draw < generator->survey_below) {
        event->type = LD_SURVEY;
        draw_survey(generator, event, level);
    } else if (draw < generator->contact_below) {
        event->type = LD_CONTACT;
        draw_contact(generator, event, level, moment_ms);
    } else {
        event->type = LD_COMPLAINT;
        draw_complaint(generator, event, level);
    }
}

/* Half of the late ones are seconds to a whole window late and correct published scores; the others are older than
 * every window. With a mean their delay is exponential, as that of a network. */
static int64_t late_time(struct ld_generator *generator, int64_t moment_ms)
{
    double draw = ld_rng_unit(&generator->rng);
    if (generator->traffic->late_mean_ms > 0)
        return moment_ms + (int64_t)((double)generator->traffic->late_mean_ms * log1p(-draw));
    double longest = (double)generator->longest_ms;
    int64_t late_ms = draw < 0.5 ? (int64_t)(10000 * pow(longest / 10000, draw * 2))
                                 : (int64_t)(longest * (1 + (draw - 0.5)));
    return moment_ms - late_ms > YEAR_2000_MS ? moment_ms - late_ms : YEAR_2000_MS;
}

static int64_t future_time(struct ld_generator *generator, int64_t moment_ms)
{
    uint32_t draw = ld_rng_below(&generator->rng, 100);
    bool has_exact_record_time = generator->traffic->is_record_time_event;
    if (draw < 5 && has_exact_record_time)
        return moment_ms + FUTURE_MS; /* the last millisecond that may wait */
    return moment_ms + 1 + ld_rng_below(&generator->rng, 290000);
}

static void draw_spelling(struct ld_generator *generator, struct ld_event *event, struct ld_spelling *spelling)
{
    uint64_t bits = ld_rng_next(&generator->rng);
    *spelling = (struct ld_spelling){.time_style = (bits & 7) < 5 ? LD_TIME_MS : LD_TIME_RFC3339};
    if ((bits >> 8 & 0xffffff) < generator->cloudevent_below >> 8)
        spelling->envelope = (bits & 8) != 0 ? LD_STRUCTURED : LD_BINARY;
    if (!chance(generator, generator->variant_below))
        return;
    uint64_t more = ld_rng_next(&generator->rng);
    spelling->time_style = (enum ld_time_style)(more & 3);
    spelling->has_escapes = (more >> 2 & 3) == 0;
    spelling->has_nulls = (more >> 4 & 3) == 0;
    spelling->has_extras = (more >> 6 & 3) == 0;
    spelling->has_floats = (more >> 8 & 3) == 0;
    spelling->has_spaces = (more >> 10 & 3) == 0;
    spelling->has_add_op = (more >> 12 & 3) == 0;
    spelling->is_reversed = (more >> 14 & 3) == 0;
    if (spelling->envelope == LD_PLAIN && (more >> 16 & 31) == 0)
        event->has_id = false;
}

/* ---- repeats and retractions ---- */

static void heap_push(struct ld_generator *generator, struct pending *pending)
{
    size_t at = generator->heap_count++;
    while (at > 0 && generator->heap[(at - 1) / 2]->due > pending->due) {
        generator->heap[at] = generator->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    generator->heap[at] = pending;
}

static struct pending *heap_pop(struct ld_generator *generator)
{
    struct pending *first = generator->heap[0];
    struct pending *last = generator->heap[--generator->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= generator->heap_count)
            break;
        if (child + 1 < generator->heap_count && generator->heap[child + 1]->due < generator->heap[child]->due)
            child++;
        if (generator->heap[child]->due >= last->due)
            break;
        generator->heap[at] = generator->heap[child];
        at = child;
    }
    if (generator->heap_count > 0)
        generator->heap[at] = last;
    return first;
}

static struct pending *later(struct ld_generator *generator, const struct ld_spelling *spelling, uint64_t noise)
{
    if (generator->heap_count == PENDING_MAX)
        return NULL;
    struct pending *pending =
        generator->spare_count > 0 ? generator->spare[--generator->spare_count] : ld_alloc(1, sizeof *pending);
    /* Mostly soon, sometimes much later: as retries and corrections come. */
    double distance = pow(LATER_MAX, ld_rng_unit(&generator->rng));
    pending->due = generator->number + (uint64_t)distance;
    pending->event = generator->event;
    pending->spelling = *spelling;
    pending->noise = noise;
    pending->timestamp_ms = 0;
    pending->repeat = LD_NO_REPEAT;
    return pending;
}

static void schedule_repeat(struct ld_generator *generator, const struct ld_spelling *spelling, uint64_t noise,
                            struct ld_message *message)
{
    struct pending *pending = later(generator, spelling, noise);
    if (pending == NULL)
        return;
    pending->timestamp_ms = message->timestamp_ms;
    if (generator->event.has_id && generator->recount != NULL)
        pending->repeat = ld_recount_new_repeat(generator->recount);
    message->repeat = pending->repeat;
    message->copy = 0;
    heap_push(generator, pending);
}

static void schedule_retraction(struct ld_generator *generator, const struct ld_spelling *spelling, uint64_t noise)
{
    struct pending *pending = later(generator, spelling, noise);
    if (pending == NULL)
        return;
    pending->event.is_retraction = true;
    heap_push(generator, pending);
}

static void send_pending(struct ld_generator *generator, struct ld_message *message)
{
    struct pending *pending = heap_pop(generator);
    generator->event = pending->event;
    message->repeat = pending->repeat;
    message->copy = generator->event.is_retraction ? 0 : 1;
    if (pending->timestamp_ms != 0)
        message->timestamp_ms = pending->timestamp_ms;
    ld_encode_event(&generator->encoder, &generator->event, &pending->spelling, pending->noise, message);
    message->event = &generator->event;
    generator->spare[generator->spare_count++] = pending;
}

/* ---- one message ---- */

static void send_future_rejected(struct ld_generator *generator, int64_t moment_ms, struct ld_message *message)
{
    const struct ld_traffic *traffic = generator->traffic;
    struct ld_spelling spelling;
    draw_event(generator, moment_ms);
    draw_spelling(generator, &generator->event, &spelling);
    bool is_known = traffic->is_record_time_event || traffic->span_ms == 0;
    uint32_t more = ld_rng_below(&generator->rng, 3600000);
    generator->event.time_ms = is_known ? moment_ms + FUTURE_MS + 1 + (more < 360000 ? 0 : more) : YEAR_2100_MS + more;
    generator->event.has_id = true;
    if (is_known)
        message->timestamp_ms = moment_ms;
    ld_encode_event(&generator->encoder, &generator->event, &spelling, ld_rng_next(&generator->rng), message);
    message->reason = LD_REASON_FUTURE_TIME;
}

/* A retraction whose event never came, without times: a percentile of a histogram with holes is nobody's promise. */
static void send_orphan(struct ld_generator *generator, int64_t moment_ms, struct ld_message *message)
{
    struct ld_spelling spelling = {0};
    draw_event(generator, moment_ms);
    generator->event.is_retraction = true;
    generator->event.wait_ms = LD_ABSENT;
    generator->event.handle_ms = LD_ABSENT;
    ld_encode_event(&generator->encoder, &generator->event, &spelling, ld_rng_next(&generator->rng), message);
    message->event = &generator->event;
}

static void send_fresh(struct ld_generator *generator, int64_t moment_ms, bool is_counted, struct ld_message *message)
{
    const struct ld_traffic *traffic = generator->traffic;
    struct ld_event *event = &generator->event;
    struct ld_spelling spelling;
    draw_event(generator, moment_ms);
    draw_spelling(generator, event, &spelling);
    uint64_t noise = ld_rng_next(&generator->rng);
    uint64_t when = ld_rng_next(&generator->rng);
    bool is_real_time = !traffic->is_for_file && (traffic->is_record_time_event || traffic->span_ms == 0);
    if (when >> 32 < generator->late_below) {
        event->time_ms = late_time(generator, moment_ms);
    } else if (when >> 32 < generator->future_below) {
        event->time_ms = future_time(generator, moment_ms);
        message->timestamp_ms = is_real_time ? moment_ms : message->timestamp_ms;
    } else if (is_real_time && (when & 31) == 0) {
        /* No time: the record's timestamp stands for it, so it is given here to be known. */
        event->has_time = false;
        message->timestamp_ms = moment_ms;
    }
    if (is_counted && event->has_time && chance(generator, generator->repeat_below))
        schedule_repeat(generator, &spelling, noise, message);
    if (is_counted && event->has_time && chance(generator, generator->retract_below))
        schedule_retraction(generator, &spelling, noise);
    ld_encode_event(&generator->encoder, event, &spelling, noise, message);
    message->event = event;
}

void ld_generator_next(struct ld_generator *generator, int64_t moment_ms, bool is_counted, struct ld_message *message)
{
    uint64_t draw = ld_rng_next(&generator->rng) >> 32;
    generator->number++;
    message->number = generator->number;
    message->reason = LD_ACCEPTED;
    message->event = NULL;
    message->repeat = LD_NO_REPEAT;
    message->copy = 0;
    message->timestamp_ms = generator->traffic->is_record_time_event ? moment_ms : 0;
    if (generator->heap_count > 0 && generator->heap[0]->due <= generator->number) {
        send_pending(generator, message);
    } else if (draw < generator->malformed_below) {
        size_t row = ld_rng_below(&generator->rng, (uint32_t)generator->malformed.row_count);
        ld_malformed_make(&generator->malformed, row, moment_ms, ld_rng_next(&generator->rng) >> 32, message);
    } else if (draw < generator->rejected_below) {
        send_future_rejected(generator, moment_ms, message);
    } else if (draw < generator->orphan_below) {
        send_orphan(generator, moment_ms, message);
    } else {
        send_fresh(generator, moment_ms, is_counted, message);
    }
}
