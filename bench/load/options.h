/* The command line. */
#pragma once

#include "settings.h"
#include "sink.h"
#include "traffic.h"
#include "world.h"

#include <stdbool.h>
#include <stdint.h>

struct ld_options {
    struct ld_settings settings;
    struct ld_traffic traffic;
    struct ld_world_options world;
    struct ld_sink_options sink;
    bool has_no_send;
    bool has_catalogue_print;
    const char *report;
    const char *embedded_broker; /* NULL: send; otherwise serve these topics instead */

    bool verifies_redis;
    bool verifies_again;
    bool verifies_basic;
    const char *verify_json;
    bool verifies_dead_letters;
    const char *dead_letter_topic;
    bool allows_repeated_dead_letters;
    bool has_trends;
    int64_t verify_timeout_ms, verify_slack_ms;
    int64_t as_of_ms;
    int64_t differences;

    char *id_prefix;
};

enum ld_parsed { LD_PARSED_RUN, LD_PARSED_DONE, LD_PARSED_USAGE };

/* Fills *options, reading --config first so that the command line wins over it. LD_PARSED_DONE: --help or --version was
 * printed. LD_PARSED_USAGE: what is wrong was said. Freed by ld_options_deinit in every case. */
enum ld_parsed ld_options_parse(struct ld_options *options, int argc, char **argv);
void ld_options_deinit(struct ld_options *options);

#ifndef LD_VERSION
#define LD_VERSION "0.1.0"
#endif
