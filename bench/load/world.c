#include "world.h"

#include "util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Journeys that people know. Every stage is followed by its touchpoints. */
static const struct journey_model {
    const char *name;
    struct {
        const char *name;
        const char *touchpoints[3];
    } stages[4];
} models[] = {
    {"shop",
     {{"discover", {"search", "home", "newsletter"}},
      {"buy", {"product-page", "basket", "checkout.payment"}},
      {"receive", {"delivery", "pickup-station", "tracking"}},
      {"after-care", {"returns", "support-chat", "invoice"}}}},
    {"fly",
     {{"book", {"fare-finder", "seat-map", "booking.payment"}},
      {"check-in", {"desk", "kiosk", "bag-drop"}},
      {"travel", {"gate", "lounge", "cabin"}},
      {"after-care", {"baggage-claim", "refund-desk", "loyalty-line"}}}},
    {"bank",
     {{"open-account", {"branch-counter", "video-ident", "advisor"}},
      {"pay", {"mobile-app", "card-terminal", "transfer"}},
      {"borrow", {"loan-calculator", "credit-desk", "signing"}},
      {"after-care", {"hotline", "card-block-line", "complaints-desk"}}}},
    {"mobile-network",
     {{"choose", {"tariff-page", "store-counter", "number-porting"}},
      {"activate", {"sim-activation", "welcome-call", "first-bill"}},
      {"use", {"coverage", "data-top-up", "roaming"}},
      {"after-care", {"technical-support", "field-technician", "cancellation-line"}}}},
};

static const char *const feature_names[] = {"one-click-payment", "live-tracking", "free-returns", "self-check-in",
                                            "seat-choice",       "chat-with-human", "call-back",  "dark-mode",
                                            "paper-invoice",     "instant-refund",  "loyalty-points", "push-messages"};

/* Default values, and how common they are, of attributes that surveys and switches usually send. */
static const struct {
    const char *name;
    const char *values;
} segment_models[] = {
    {"channel", "app:5|web:4|branch:2|phone:3"},
    {"tier", "basic:7|plus:3|vip:1"},
    {"partner", "own:6|north-logistics:2|cabin-services:1"},
    {"region", "north:3|south:3|east:2|west:2"},
    {"team", "red:1|green:1|blue:1|night:1"},
};

char *ld_json_quote(const char *text, bool escape_all)
{
    size_t length = strlen(text);
    char *out = ld_alloc(length * 6 + 3, 1);
    char *at = out;
    const unsigned char *in = (const unsigned char *)text;
    *at++ = '"';
    while (*in != 0) {
        uint32_t code = *in;
        size_t bytes = code < 0x80 ? 1 : code < 0xe0 ? 2 : code < 0xf0 ? 3 : 4;
        if (code == '"' || code == '\\') {
            *at++ = '\\';
            *at++ = (char)code;
        } else if (code < 0x20 || code == 0x7f || (escape_all && bytes <= 3)) {
            if (bytes == 2)
                code = (code & 0x1f) << 6 | (in[1] & 0x3fu);
            else if (bytes == 3)
                code = (code & 0x0f) << 12 | (in[1] & 0x3fu) << 6 | (in[2] & 0x3fu);
            at += sprintf(at, "\\u%04x", code);
        } else {
            memcpy(at, in, bytes);
            at += bytes;
        }
        in += bytes;
    }
    *at++ = '"';
    *at = '\0';
    return out;
}

static void name_init(struct ld_name *name, char *raw)
{
    name->raw = raw;
    name->json = ld_json_quote(raw, false);
    name->json_escaped = ld_json_quote(raw, true);
    name->json_length = strlen(name->json);
}

static void name_deinit(struct ld_name *name)
{
    free(name->raw);
    free(name->json);
    free(name->json_escaped);
}

/* Names that a key must encode, spread over the ordinary ones. */
static char *odd_name(const char *plain, uint32_t index)
{
    static const char *const oddities[] = {"%s {a|b=c} 100%%", "Z\xc3\xbcrich \"%s\"", "\xe6\x9d\xb1\xe4\xba\xac/%s",
                                           "tab\there\\%s\x7f", "%s\xf0\x9f\x99\x82:x", "=%s|tier=vip"};
    const char *pattern = oddities[index % LD_COUNT(oddities)];
    /* The patterns hold one %s each; filling it by hand keeps the compiler's format check in force. */
    char *out = ld_alloc(strlen(pattern) + strlen(plain) + 1, 1);
    char *at = out;
    for (const char *in = pattern; *in != '\0'; in++) {
        if (in[0] == '%' && in[1] == 's') {
            at = stpcpy(at, plain);
            in++;
        } else if (in[0] == '%' && in[1] == '%') {
            *at++ = '%';
            in++;
        } else {
            *at++ = *in;
        }
    }
    return out;
}

static char *world_name(const struct ld_world_options *options, char *plain, uint32_t index, uint32_t every)
{
    if (!options->has_odd_names || index % every != every - 1)
        return plain;
    char *odd = odd_name(plain, index / every);
    free(plain);
    return odd;
}

/* Adds a name unless it is there; returns its index. Journeys and stages are few, so a linear search will do for
 * building them once. */
static uint32_t intern(struct ld_name **names, uint32_t *count, const char *raw)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (strcmp((*names)[i].raw, raw) == 0)
            return i;
    }
    size_t capacity = *count;
    *names = ld_grow(*names, &capacity, (size_t)*count + 1, sizeof **names);
    name_init(&(*names)[*count], ld_copy(raw));
    return (*count)++;
}

/* ---- touchpoints ---- */

static void add_touchpoint(struct ld_world *world, uint32_t index, char *name, const char *journey, const char *stage,
                           bool is_known)
{
    struct ld_touchpoint *touchpoint = &world->touchpoints[index];
    name_init(&touchpoint->name, name);
    touchpoint->journey = intern(&world->journeys, &world->journey_count, journey);
    touchpoint->stage = intern(&world->stages, &world->stage_count, stage);
    touchpoint->is_known = is_known;
    touchpoint->level_epoch = INT64_MIN;
}

/* Touchpoint `index` of those made up: it walks over journeys, then stages, then names, so that popular touchpoints
 * are spread over all of them. */
static void make_touchpoint(struct ld_world *world, const struct ld_world_options *options, uint32_t slot,
                            uint32_t index)
{
    uint32_t journey = index % options->journeys;
    uint32_t stage = index / options->journeys % 4;
    uint32_t number = index / options->journeys / 4;
    const struct journey_model *model = &models[journey % LD_COUNT(models)];
    uint32_t copy = journey / (uint32_t)LD_COUNT(models);
    char *journey_name = copy == 0 ? ld_copy(model->name) : ld_format("%s-%u", model->name, copy + 1);
    journey_name = world_name(options, journey_name, journey, 3);
    char *stage_name = world_name(options, ld_copy(model->stages[stage].name), journey * 4 + stage, 7);
    const char *base = model->stages[stage].touchpoints[number % 3];
    char *name = number < 3 && copy == 0 ? ld_copy(base) : ld_format("%s-%u-%u", base, copy, number / 3);
    name = world_name(options, name, index, 5);
    add_touchpoint(world, slot, name, journey_name, stage_name, false);
    free(journey_name);
    free(stage_name);
}

static void init_touchpoints(struct ld_world *world, const struct ld_world_options *options,
                             const struct ld_settings *settings)
{
    uint32_t known = (uint32_t)settings->place_count;
    uint32_t count = options->touchpoints > 0 ? options->touchpoints : known > 0 ? known : 24;
    /* Events of touchpoints that are refused belong to the malformed ones, with that reason. */
    if (known > 0 && count > known && settings->unknown_touchpoint == LD_UNKNOWN_DEADLETTER)
        count = known;
    world->touchpoints = ld_alloc(count, sizeof *world->touchpoints);
    world->touchpoint_count = count;
    for (uint32_t i = 0; i < count; i++) {
        if (i < known) {
            const struct ld_place *place = &settings->places[i];
            add_touchpoint(world, i, ld_copy(place->touchpoint), place->journey, place->stage, true);
        } else {
            make_touchpoint(world, options, i, i - known);
        }
    }
    /* A touchpoint that was made up may bear a name that the catalogue has, and then belongs where it says. */
    for (uint32_t i = known; i < count && known > 0; i++) {
        for (uint32_t k = 0; k < known; k++) {
            if (strcmp(world->touchpoints[i].name.raw, settings->places[k].touchpoint) != 0)
                continue;
            char *name = ld_format("%s-unlisted", world->touchpoints[i].name.raw);
            name_deinit(&world->touchpoints[i].name);
            name_init(&world->touchpoints[i].name, name);
        }
    }
    world->has_catalogue = known > 0;
}

static void init_popularity(struct ld_world *world, const struct ld_world_options *options)
{
    struct ld_rng rng;
    double *weights = ld_alloc(world->touchpoint_count, sizeof *weights);
    ld_rng_seed(&rng, options->seed ^ UINT64_C(0x776f726c64));
    for (uint32_t i = 0; i < world->touchpoint_count; i++) {
        weights[i] = pow((double)i + 1, -options->zipf);
        world->touchpoints[i].quality = (float)(0.25 + 0.6 * ld_rng_unit(&rng));
        world->touchpoints[i].phase = (float)ld_rng_unit(&rng);
    }
    ld_alias_init(&world->popularity, weights, world->touchpoint_count);
    free(weights);
}

/* ---- segments ---- */

/* "app:5|web:3|branch" */
static bool segment_values(struct ld_segment *segment, const char *text, bool has_odd_names)
{
    size_t capacity = 0;
    double *weights = NULL;
    size_t weight_capacity = 0;
    char *copy = ld_copy(text);
    char *rest = NULL;
    bool is_good = true;
    for (char *value = strtok_r(copy, "|", &rest); value != NULL; value = strtok_r(NULL, "|", &rest)) {
        double weight = 1;
        char *colon = strrchr(value, ':');
        if (colon != NULL) {
            char *end;
            weight = strtod(colon + 1, &end);
            is_good = is_good && *end == '\0' && end != colon + 1 && weight > 0;
            *colon = '\0';
        }
        is_good = is_good && value[0] != '\0' && strlen(value) <= 128;
        segment->values = ld_grow(segment->values, &capacity, segment->value_count + (size_t)1,
                                  sizeof *segment->values);
        weights = ld_grow(weights, &weight_capacity, segment->value_count + (size_t)1, sizeof *weights);
        char *name = has_odd_names && segment->value_count == 1 ? ld_format("%s %%|=", value) : ld_copy(value);
        name_init(&segment->values[segment->value_count], name);
        weights[segment->value_count++] = weight;
    }
    if (segment->value_count > 0)
        ld_alias_init(&segment->popularity, weights, segment->value_count);
    free(weights);
    free(copy);
    return is_good && segment->value_count > 0;
}

static bool add_segment(struct ld_world *world, const char *name, const char *values, bool has_odd_names)
{
    if (world->segment_count == LD_SEGMENTS_MAX) {
        ld_say("--segments: more than %d segments", LD_SEGMENTS_MAX);
        return false;
    }
    for (size_t i = 0; values == NULL && i < LD_COUNT(segment_models); i++) {
        if (strcmp(segment_models[i].name, name) == 0)
            values = segment_models[i].values;
    }
    struct ld_segment *segment = &world->segments[world->segment_count++];
    segment->name = ld_copy(name);
    segment->counted = -1;
    if (!segment_values(segment, values != NULL ? values : "one:3|two:2|three:1", has_odd_names)) {
        ld_say("--segments: \"%s=%s\": expected NAME=VALUE[:WEIGHT]|VALUE[:WEIGHT]...", name, values);
        return false;
    }
    return true;
}

static bool init_segments(struct ld_world *world, const struct ld_world_options *options,
                          struct ld_settings *settings)
{
    bool is_good = true;
    if (options->segments == NULL) {
        for (size_t i = 0; is_good && i < settings->segment_count; i++)
            is_good = add_segment(world, settings->segments[i], NULL, options->has_odd_names);
    } else if (strcmp(options->segments, "none") != 0) {
        char *copy = ld_copy(options->segments);
        char *rest = NULL;
        for (char *part = strtok_r(copy, ",", &rest); is_good && part != NULL; part = strtok_r(NULL, ",", &rest)) {
            char *values = strchr(part, '=');
            if (values != NULL)
                *values++ = '\0';
            is_good = add_segment(world, part, values, options->has_odd_names);
        }
        free(copy);
        for (size_t i = 0, none = settings->segment_count; is_good && none == 0 && i < world->segment_count; i++)
            is_good = ld_settings_add_segment(settings, "--segments", world->segments[i].name);
    }
    for (size_t i = 0; i < world->segment_count; i++) {
        for (size_t k = 0; k < settings->segment_count; k++) {
            if (strcmp(world->segments[i].name, settings->segments[k]) == 0)
                world->segments[i].counted = (int)k;
        }
    }
    return is_good;
}

static void init_features(struct ld_world *world, const struct ld_world_options *options)
{
    world->features = ld_alloc(options->features, sizeof *world->features);
    world->feature_count = options->features;
    for (uint32_t i = 0; i < options->features; i++) {
        const char *base = feature_names[i % LD_COUNT(feature_names)];
        uint32_t copy = i / (uint32_t)LD_COUNT(feature_names);
        char *name = copy == 0 ? ld_copy(base) : ld_format("%s-%u", base, copy + 1);
        name_init(&world->features[i], world_name(options, name, i, 4));
    }
}

bool ld_world_init(struct ld_world *world, const struct ld_world_options *options, struct ld_settings *settings)
{
    *world = (struct ld_world){0};
    init_touchpoints(world, options, settings);
    init_popularity(world, options);
    init_features(world, options);
    return init_segments(world, options, settings);
}

void ld_world_deinit(struct ld_world *world)
{
    for (uint32_t i = 0; i < world->touchpoint_count; i++)
        name_deinit(&world->touchpoints[i].name);
    for (uint32_t i = 0; i < world->journey_count; i++)
        name_deinit(&world->journeys[i]);
    for (uint32_t i = 0; i < world->stage_count; i++)
        name_deinit(&world->stages[i]);
    for (uint32_t i = 0; i < world->feature_count; i++)
        name_deinit(&world->features[i]);
    for (size_t i = 0; i < world->segment_count; i++) {
        struct ld_segment *segment = &world->segments[i];
        for (uint32_t k = 0; k < segment->value_count; k++)
            name_deinit(&segment->values[k]);
        free(segment->values);
        free(segment->name);
        ld_alias_deinit(&segment->popularity);
    }
    free(world->touchpoints);
    free(world->journeys);
    free(world->stages);
    free(world->features);
    ld_alias_deinit(&world->popularity);
    *world = (struct ld_world){0};
}

void ld_world_print_catalogue(const struct ld_world *world, FILE *out)
{
    /* JSON text is YAML text, so the quoted names serve here as well. */
    fprintf(out, "catalogue:\n  journeys:\n");
    for (uint32_t j = 0; j < world->journey_count; j++) {
        fprintf(out, "    - name: %s\n      stages:\n", world->journeys[j].json);
        for (uint32_t s = 0; s < world->stage_count; s++) {
            bool is_open = false;
            for (uint32_t t = 0; t < world->touchpoint_count; t++) {
                const struct ld_touchpoint *touchpoint = &world->touchpoints[t];
                if (touchpoint->journey != j || touchpoint->stage != s)
                    continue;
                if (!is_open)
                    fprintf(out, "        - name: %s\n          touchpoints:\n", world->stages[s].json);
                is_open = true;
                fprintf(out, "            - %s\n", touchpoint->name.json);
            }
        }
    }
}
