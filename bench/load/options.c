#include "options.h"

#include "config.h"
#include "option_rows.h"
#include "util.h"

#include <hiredis/hiredis.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

static void print_help(void)
{
    printf("Usage: delight-load [OPTION]...\n\n"
           "Sends realistic customer feedback to Kafka or to a file and, asked to verify, recounts what it sent and\n"
           "compares every number that delightd published. It shares no code with delightd.\n");
    const struct ld_option *row;
    for (size_t i = 0; (row = ld_option_row(i)) != NULL; i++) {
        if (row->argument == LD_OPTION_TITLE) {
            printf("\n%s:\n", row->name);
            continue;
        }
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", row->name, row->placeholder != NULL ? " " : "",
                 row->placeholder != NULL ? row->placeholder : "");
        printf("  %-34s %s\n", left, row->help);
    }
    printf("\nExamples:\n"
           "  delight-load --brokers 127.0.0.1:9092 --create-topic 12 --rate 5000 --seconds 60 --late 1%%\n"
           "  delight-load --config delightd.yaml --count 1000000 --span 6h --malformed 1%% --retractions 1%% --verify\n"
           "  delight-load --output events.ndjson --count 100000 --span 2h --seed 7\n"
           "\nExit status: 0 all sent and, if asked, all equal; 1 differences or failed deliveries; 64 usage.\n");
}

static void print_version(void)
{
    int major, minor, patch;
    yaml_get_version(&major, &minor, &patch);
    printf("delight-load %s\nlibrdkafka %s\nhiredis %d.%d.%d\njansson %s\nlibyaml %d.%d.%d\n", LD_VERSION,
           rd_kafka_version_str(), HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH, JANSSON_VERSION, major, minor, patch);
}

/* Splits one argument into option and value; *index moves past what was used. */
static bool next_option(int argc, char **argv, int *index, const struct ld_option **row, const char **value)
{
    const char *argument = argv[(*index)++];
    if (strcmp(argument, "-h") == 0)
        argument = "--help";
    const char *equals = strchr(argument, '=');
    size_t length = strlen(argument);
    if (equals != NULL)
        length = (size_t)(equals - argument);
    *row = strncmp(argument, "--", 2) == 0 ? ld_option_find(argument + 2, length - 2) : NULL;
    *value = equals != NULL ? equals + 1 : NULL;
    if (*row == NULL) {
        ld_say("unknown option %s; --help lists them", argument);
        return false;
    }
    bool wants_value = (*row)->argument != LD_OPTION_FLAG;
    bool may_be_alone = (*row)->placeholder != NULL && (*row)->placeholder[0] == '[';
    if (!wants_value && *value != NULL) {
        ld_say("--%s takes no value", (*row)->name);
        return false;
    }
    if (wants_value && *value == NULL && *index < argc &&
        (!may_be_alone || strncmp(argv[*index], "--", 2) != 0))
        *value = argv[(*index)++];
    if (wants_value && *value == NULL && !may_be_alone) {
        ld_say("--%s needs a value: %s", (*row)->name, (*row)->placeholder);
        return false;
    }
    return true;
}

/* ---- the whole ---- */

static void init(struct ld_options *options)
{
    *options = (struct ld_options){
        .traffic = {.seed = 1, .event_bytes = 300, .mix = {60, 33, 7}, .variants = 0.03, .bare = 0.1},
        .world = {.journeys = 4, .features = 12, .zipf = 1},
        .sink = {.compression = "lz4", .transaction_messages = 10000},
        .has_trends = true,
        .verify_timeout_ms = 60000,
        .verify_slack_ms = 2000,
        .differences = 20,
    };
    ld_settings_init(&options->settings);
}

static bool fill_defaults(struct ld_options *options, bool has_config)
{
    static const char *const windows[] = {"5m", "1h", "24h", "7d", "30d"};
    struct ld_settings *settings = &options->settings;
    for (size_t i = 0, none = settings->window_count; none == 0 && i < LD_COUNT(windows); i++) {
        if (!ld_settings_add_window(settings, "windows", windows[i]))
            return false;
    }
    if (options->world.segments == NULL && !has_config)
        options->world.segments = "channel,tier";
    if (settings->topic == NULL)
        settings->topic = ld_copy("cx.feedback");
    if (options->dead_letter_topic == NULL)
        options->dead_letter_topic =
            settings->dead_letter_topic != NULL ? settings->dead_letter_topic : "cx.deadletter";
    if (options->id_prefix == NULL)
        options->id_prefix = ld_format("ld%llx", (unsigned long long)options->traffic.seed);
    if (strlen(options->id_prefix) > 48 || strcspn(options->id_prefix, "\"\\") != strlen(options->id_prefix)) {
        ld_say("--id-prefix: expected at most 48 characters without quotes and backslashes");
        return false;
    }
    options->traffic.id_prefix = options->id_prefix;
    options->world.seed = options->traffic.seed;
    options->sink.seed = options->traffic.seed;
    options->sink.brokers = settings->brokers;
    options->sink.topic = settings->topic;
    /* Fixed schedules measure latency from the intended time, and duplicates are told by their offsets: both need a
     * report for every delivery. */
    options->sink.has_positions = options->traffic.rate > 0 || settings->dedupe_records > 0;
    /* A start in the past with nothing that moves event time on would put every event into one moment. */
    if (options->traffic.start_ms != 0 && options->traffic.span_ms == 0 && options->traffic.rate <= 0)
        options->traffic.span_ms = 3600000;
    return true;
}

static bool refuse(bool is_wrong, const char *sentence)
{
    if (is_wrong)
        ld_say("%s", sentence);
    return is_wrong;
}

static bool is_consistent(const struct ld_options *options)
{
    const struct ld_traffic *traffic = &options->traffic;
    bool is_kafka = options->sink.file == NULL && !options->has_no_send && options->embedded_broker == NULL;
    double special = traffic->malformed + traffic->future_rejected + traffic->orphans + traffic->duplicates +
                     traffic->retractions;
    return !(refuse(is_kafka && options->settings.brokers == NULL && !options->has_catalogue_print,
                    "say where to send: --brokers HOST:PORT, --config FILE or --output FILE") ||
             refuse(traffic->count == 0 && traffic->duration_ms == 0 && options->has_no_send,
                    "--no-send needs --count") ||
             refuse(traffic->span_ms > 0 && traffic->count == 0 && (traffic->rate <= 0 || traffic->duration_ms == 0) &&
                        !options->has_catalogue_print,
                    "--span needs to know how many messages there will be: --count, or --rate with --seconds") ||
             refuse(special > 0.9, "--malformed, --future-rejected, --orphans, --duplicates and --retractions leave no "
                                   "room for events: together at most 90%") ||
             refuse(traffic->late + traffic->future > 1, "--late and --future are shares of the same events: together "
                                                         "at most 100%") ||
             refuse(traffic->late_mean_ms > 0 && traffic->late <= 0, "--late-mean needs --late") ||
             refuse(options->verifies_basic && !options->verifies_redis, "--verify-basic needs --verify") ||
             refuse(traffic->is_for_file && traffic->cloudevents > 0, "--cloudevents needs headers, so Kafka") ||
             refuse(traffic->is_for_file && traffic->future_rejected > 0,
                    "--future-rejected needs record timestamps, so Kafka") ||
             refuse(options->has_no_send && options->settings.dedupe_records > 0 && traffic->duplicates > 0,
                    "--no-send cannot know the offsets that decide about duplicates; leave out --dedupe or send") ||
             refuse(options->verifies_dead_letters && options->settings.brokers == NULL,
                    "--verify-dead-letters needs --brokers") ||
             refuse(options->sink.aborted > 0 && options->sink.transactional_id == NULL,
                    "--aborted needs --transactional") ||
             refuse(options->sink.key == LD_KEY_NONE && options->settings.dedupe_records > 0,
                    "--dedupe needs the id as key, so that repeats meet in one partition; leave out --key") ||
             refuse((options->verifies_redis || options->verify_json != NULL) &&
                        (options->settings.event_bytes_max < 16384 ||
                         options->settings.event_bytes_max < (int64_t)traffic->event_bytes + 16384),
                    "limits.event_bytes leaves no room for ordinary events, which would be refused as too_large: at "
                    "least --event-bytes and 16384 more") ||
             refuse(options->differences < 1, "--differences: at least 1"));
}

enum ld_parsed ld_options_parse(struct ld_options *options, int argc, char **argv)
{
    const char *config = NULL;
    init(options);
    /* First round: help, version and the file; second: everything over it. */
    for (int round = 0; round < 2; round++) {
        for (int i = 1; i < argc;) {
            const struct ld_option *row;
            const char *value;
            if (!next_option(argc, argv, &i, &row, &value))
                return LD_PARSED_USAGE;
            if (strcmp(row->name, "help") == 0 || strcmp(row->name, "version") == 0) {
                (row->name[0] == 'h' ? print_help : print_version)();
                return LD_PARSED_DONE;
            }
            if (strcmp(row->name, "config") == 0)
                config = value;
            if (round == 1 && !ld_option_take(options, row, value))
                return LD_PARSED_USAGE;
        }
        if (round == 0 && config != NULL && !ld_config_read(config, &options->settings))
            return LD_PARSED_USAGE;
    }
    if (!fill_defaults(options, config != NULL) || !is_consistent(options))
        return LD_PARSED_USAGE;
    return LD_PARSED_RUN;
}

void ld_options_deinit(struct ld_options *options)
{
    ld_settings_deinit(&options->settings);
    free(options->id_prefix);
}
