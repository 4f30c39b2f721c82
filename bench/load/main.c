/* delight-load: load generator and independent verifier of delightd. */
#include "embedded.h"
#include "generate.h"
#include "options.h"
#include "recount.h"
#include "run.h"
#include "sink.h"
#include "util.h"
#include "verify.h"
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 64

/* The first signal ends sending in good order, the second one the process. */
static void on_signal(int number)
{
    (void)number;
    ld_stop = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static bool say_equality(bool is_equal, const struct ld_differences *differences)
{
    if (!is_equal)
        ld_differences_print(differences);
    return is_equal;
}

/* Each line on standard input asks for another comparison: after a restart, say, or after Redis was emptied. The answer
 * is one line on standard output. */
static bool verify_again(const struct ld_verify *verify, bool is_equal)
{
    char *line = NULL;
    size_t size = 0;
    printf("%s\n", is_equal ? "equal" : "different");
    fflush(stdout);
    while (getline(&line, &size, stdin) >= 0) {
        is_equal = say_equality(ld_verify_redis(verify), verify->differences);
        printf("%s\n", is_equal ? "equal" : "different");
        fflush(stdout);
    }
    free(line);
    return is_equal;
}

static bool verify_all(const struct ld_options *options, struct ld_run *run)
{
    struct ld_differences differences;
    bool is_equal = true;
    ld_differences_init(&differences, (size_t)options->differences);
    struct ld_verify verify = {.settings = &options->settings,
                               .recount = run->recount,
                               .run = run,
                               .differences = &differences,
                               .timeout_ms = options->verify_timeout_ms,
                               .slack_ms = options->verify_slack_ms,
                               .as_of_ms = options->as_of_ms,
                               .has_trends = options->has_trends && !options->verifies_basic,
                               .is_basic = options->verifies_basic,
                               .allows_repeated_dead_letters = options->allows_repeated_dead_letters,
                               .source_topic = options->sink.topic,
                               .id_prefix = options->id_prefix};
    /* A signal that ended the sending must not end the comparison as well. */
    ld_stop = 0;
    if (options->verifies_dead_letters)
        is_equal = say_equality(ld_verify_dead_letters(&verify, options->dead_letter_topic), &differences);
    if (options->verify_json != NULL)
        is_equal = say_equality(ld_verify_json(&verify, options->verify_json), &differences) && is_equal;
    if (options->verifies_redis) {
        bool is_redis_equal = say_equality(ld_verify_redis(&verify), &differences);
        if (options->verifies_again)
            is_redis_equal = verify_again(&verify, is_redis_equal);
        is_equal = is_redis_equal && is_equal;
    }
    ld_differences_deinit(&differences);
    return is_equal;
}

static struct ld_sink *open_sink(const struct ld_options *options, const struct ld_world *world)
{
    if (options->has_no_send)
        return ld_sink_none_open();
    if (options->sink.file != NULL)
        return ld_sink_file_open(&options->sink);
    return ld_sink_kafka_open(&options->sink, &options->settings, world);
}

static bool run_with_sink(struct ld_options *options, struct ld_world *world, struct ld_recount *recount,
                          struct ld_sink *sink)
{
    struct ld_run run = {.traffic = &options->traffic,
                         .recount = recount,
                         .sink = sink,
                         .keeps_rejects = options->verifies_dead_letters};
    run.generator = ld_generator_create(&options->traffic, world, &options->settings, recount);
    sink->recount = recount;
    bool is_good = ld_run_send(&run);
    ld_run_summary(&run);
    if (options->report != NULL)
        is_good = ld_run_report(&run, options->report) && is_good;
    if (!is_good && recount != NULL)
        ld_say("not verified: what was not delivered cannot be told from what was lost");
    else
        is_good = is_good && verify_all(options, &run);
    ld_generator_destroy(run.generator);
    ld_run_deinit(&run);
    return is_good;
}

static bool run_in_world(struct ld_options *options, struct ld_world *world)
{
    bool verifies = options->verifies_redis || options->verify_json != NULL;
    struct ld_recount *recount = NULL;
    if (verifies) {
        recount = ld_recount_create(world, &options->settings);
        if (recount == NULL)
            return false;
    }
    struct ld_sink *sink = open_sink(options, world);
    bool is_good = sink != NULL && run_with_sink(options, world, recount, sink);
    if (sink != NULL)
        sink->verbs->close(sink);
    ld_recount_destroy(recount);
    return is_good;
}

int main(int argc, char **argv)
{
    struct ld_options options;
    struct ld_world world = {0};
    int status = EXIT_FAILURE;
    enum ld_parsed parsed = ld_options_parse(&options, argc, argv);
    if (parsed != LD_PARSED_RUN) {
        ld_options_deinit(&options);
        return parsed == LD_PARSED_DONE ? EXIT_SUCCESS : EXIT_USAGE;
    }
    if (options.embedded_broker != NULL) {
        status = ld_embedded_broker(options.embedded_broker);
        ld_options_deinit(&options);
        return status;
    }
    catch_signals();
    if (!ld_world_init(&world, &options.world, &options.settings)) {
        status = EXIT_USAGE;
    } else if (options.has_catalogue_print) {
        ld_world_print_catalogue(&world, stdout);
        status = fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    } else if (run_in_world(&options, &world)) {
        status = EXIT_SUCCESS;
    }
    ld_world_deinit(&world);
    ld_options_deinit(&options);
    return status;
}
