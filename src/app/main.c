#include "commands.h"

#include "config.h"
#include "http.h"
#include "kafka.h"
#include "redis.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include <yaml.h>

enum long_option { OPT_SET = 256, OPT_CONNECT, OPT_WINDOWS, OPT_AS_OF, OPT_FORMAT, OPT_STRICT,
                   OPT_CREATE, OPT_CHECK, OPT_PARTITIONS, OPT_REPLICATION };

struct command {
    const char *name;
    int (*call)(const struct dl_arguments *arguments);
    const char *options; /* which of the letters and options it takes */
    bool needs_config, takes_input;
    const char *usage, *help;
};

#define SET_HELP "  --set A.B=VALUE    set one option over the file's; may stand several times\n"

static const struct command commands[] = {
    {"run", dl_command_run, "cs", true, false, "delightd run -c FILE [--set A.B=VALUE]…",
     "The service: reads the topics, keeps the scores in Redis, logs to stderr or journald.\n"
     "SIGHUP reads the configuration again; SIGTERM and SIGINT end it in order.\n\n"
     "  -c, --config FILE  the configuration\n" SET_HELP},
    {"check", dl_command_check, "csC", true, false, "delightd check -c FILE [--connect] [--set A.B=VALUE]…",
     "Checks a configuration. Exit status 0: good; 78: not good, with FILE:LINE:COLUMN of every\n"
     "mistake; 1: the configuration is good, but Kafka or Redis is not (--connect).\n\n"
     "  -c, --config FILE  the configuration\n"
     "  --connect          also asks Kafka for the topics and Redis for a connection\n" SET_HELP},
    {"config", dl_command_config, "cs", false, false, "delightd config [-c FILE] [--set A.B=VALUE]…",
     "Prints the effective configuration, defaults included and secrets hidden.\n\n"
     "  -c, --config FILE  the configuration; without it, the defaults\n" SET_HELP},
    {"topics", dl_command_topics, "cstkpr", true, false,
     "delightd topics -c FILE --create|--check [--partitions N] [--replication N] [--set A.B=VALUE]…",
     "Makes the topics that the configuration needs, or tells what is wrong with those that are there.\n"
     "durability: kafka also needs tallies_topic and state_topic, one partition each.\n"
     "Exit status 0: good; 1: something is not as it should be; 78: the configuration is not good.\n\n"
     "  -c, --config FILE  the configuration\n"
     "  --create           makes those that are missing, then checks all of them\n"
     "  --check            only checks\n"
     "  --partitions N     of the input topics, when they are made; default: the broker's\n"
     "  --replication N    copies of each topic, when it is made; default: the broker's\n" SET_HELP},
    {"score", dl_command_score, "cswafS", false, true,
     "delightd score [FILE|-] [-c FILE] [--windows 1h,90d] [--as-of TIME] [--format table|json] [--strict]",
     "Scores events from newline-delimited JSON with the service's own engine; no Kafka, no Redis.\n"
     "What is not an event is listed on stderr as FILE:LINE: reason: detail.\n\n"
     "  FILE               the events; - or nothing: standard input\n"
     "  -c, --config FILE  scales, segments, catalogue, windows …; without it, the defaults\n"
     "  --windows LIST     instead of the configured windows, as 1h,90d\n"
     "  --as-of TIME       RFC 3339 or epoch ms; default: the newest event time\n"
     "  --format FORMAT    table (default) or json\n"
     "  --strict           reports fields that delightd does not know, and ends with status 65\n"
     "                     if anything was reported\n" SET_HELP},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const struct {
    char letter;
    struct option option;
} options[] = {
    {'c', {"config", required_argument, NULL, 'c'}},
    {'s', {"set", required_argument, NULL, OPT_SET}},
    {'C', {"connect", no_argument, NULL, OPT_CONNECT}},
    {'w', {"windows", required_argument, NULL, OPT_WINDOWS}},
    {'a', {"as-of", required_argument, NULL, OPT_AS_OF}},
    {'f', {"format", required_argument, NULL, OPT_FORMAT}},
    {'S', {"strict", no_argument, NULL, OPT_STRICT}},
    {'t', {"create", no_argument, NULL, OPT_CREATE}},
    {'k', {"check", no_argument, NULL, OPT_CHECK}},
    {'p', {"partitions", required_argument, NULL, OPT_PARTITIONS}},
    {'r', {"replication", required_argument, NULL, OPT_REPLICATION}},
};
enum { OPTIONS = sizeof options / sizeof options[0] };

static void print_help(void)
{
    puts("delightd - customer feedback to live scores\n\nUsage:");
    for (int i = 0; i < COMMANDS; i++)
        printf("  %s\n", commands[i].usage);
    puts("  delightd help [COMMAND|fields|options]\n"
         "  delightd --help | --version\n\n"
         "fields: every score with its unit; options: every option of the configuration.\n"
         "Manual: delightd(1), delightd.yaml(5). Configuration: /etc/delightd/delightd.yaml");
}

static void print_version(void)
{
    printf("delightd %s\nlibrdkafka %s, %s, libuv %s, %s, jansson %s, libyaml %s\n", DELIGHT_VERSION, dl_kafka_version(),
           dl_redis_library_versions(), uv_version_string(), dl_http_library_version(), jansson_version_str(), yaml_get_version_string());
}

static void print_command_help(const struct command *command)
{
    printf("Usage: %s\n\n%s", command->usage, command->help);
    if (command->call == dl_command_score) {
        puts("\nFields (delightd help fields):\n");
        dl_fields_print_text(stdout);
    }
}

static const struct command *find_command(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int help(int argc, char **argv)
{
    const struct command *command = argc > 2 ? find_command(argv[2]) : NULL;
    if (argc <= 2)
        print_help();
    else if (command != NULL)
        print_command_help(command);
    else if (strcmp(argv[2], "fields") == 0)
        dl_fields_print_text(stdout);
    else if (strcmp(argv[2], "options") == 0)
        dl_config_print_help(stdout);
    else if (strcmp(argv[2], "fields-markdown") == 0) /* the documentation's tables are made with these */
        dl_fields_print_markdown(stdout);
    else if (strcmp(argv[2], "options-markdown") == 0)
        dl_config_print_markdown(stdout);
    else if (strcmp(argv[2], "options-man") == 0)
        dl_config_print_man(stdout);
    else {
        fprintf(stderr, "delightd: no help on '%s'; there is help on run, check, config, topics, score, fields, options\n", argv[2]);
        return DL_EXIT_USAGE;
    }
    return DL_EXIT_OK;
}

static int usage_fault(const struct command *command, const char *fault, const char *what)
{
    fprintf(stderr, "delightd %s: %s%s\nusage: %s\n", command->name, fault, what, command->usage);
    return DL_EXIT_USAGE;
}

static int take_number(const struct command *command, int *number, int max)
{
    char *end;
    long value = strtol(optarg, &end, 10);
    if (end == optarg || *end != '\0' || value < 1 || value > max)
        return usage_fault(command, "expected a number from 1 on, not ", optarg);
    *number = (int)value;
    return -1;
}

/* -1: go on. */
static int take_option(const struct command *command, int option, struct dl_arguments *arguments)
{
    switch (option) {
    case 'c': arguments->config_path = optarg; return -1;
    case OPT_SET: arguments->sets[arguments->set_count++] = optarg; return -1;
    case OPT_CONNECT: arguments->connect = 1; return -1;
    case OPT_WINDOWS: arguments->windows = optarg; return -1;
    case OPT_AS_OF: arguments->as_of = optarg; return -1;
    case OPT_STRICT: arguments->strict = 1; return -1;
    case OPT_CREATE: arguments->create = 1; return -1;
    case OPT_CHECK: arguments->check = 1; return -1;
    case OPT_PARTITIONS: return take_number(command, &arguments->partitions, 100000);
    case OPT_REPLICATION: return take_number(command, &arguments->replication, 100);
    case OPT_FORMAT:
        arguments->json = strcmp(optarg, "json") == 0;
        if (!arguments->json && strcmp(optarg, "table") != 0)
            return usage_fault(command, "--format is table or json, not ", optarg);
        return -1;
    case 'h': print_command_help(command); return DL_EXIT_OK;
    default: return usage_fault(command, "see the option above", ""); /* getopt has said what is wrong */
    }
}

static int parse(const struct command *command, int argc, char **argv, struct dl_arguments *arguments)
{
    struct option taken[OPTIONS + 2] = {{"help", no_argument, NULL, 'h'}};
    size_t count = 1;
    for (size_t i = 0; i < OPTIONS; i++)
        if (strchr(command->options, options[i].letter) != NULL)
            taken[count++] = options[i].option;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", taken, NULL)) != -1) {
        int status = take_option(command, option, arguments);
        if (status >= 0)
            return status;
    }
    if (optind < argc && command->takes_input)
        arguments->input = argv[optind++];
    if (optind < argc)
        return usage_fault(command, "what is this: ", argv[optind]);
    if (command->needs_config && arguments->config_path == NULL)
        return usage_fault(command, "which configuration? Give -c FILE", "");
    return -1;
}

/* A descriptor that was closed at the start would be given to a socket or to libuv, and log lines would go there. */
static void fill_standard_streams(void)
{
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        if (fcntl(stream, F_GETFD) < 0 && open("/dev/null", stream == STDIN_FILENO ? O_RDONLY : O_WRONLY) < 0)
            _exit(DL_EXIT_FAILED);
}

int main(int argc, char **argv)
{
    fill_standard_streams();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe or socket is an error to be handled where it is met */
    if (argc < 2) {
        print_help();
        return DL_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return help(argc, argv);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "version") == 0) {
        print_version();
        return DL_EXIT_OK;
    }
    const struct command *command = find_command(argv[1]);
    if (command == NULL) {
        fprintf(stderr, "delightd: no command '%s'; delightd --help lists them\n", argv[1]);
        return DL_EXIT_USAGE;
    }
    const char **sets = calloc((size_t)argc, sizeof *sets);
    if (sets == NULL)
        return DL_EXIT_SOFTWARE;
    struct dl_arguments arguments = {.sets = sets, .input = "-", .replication = -1};
    argv[1] = argv[0];
    int status = parse(command, argc - 1, argv + 1, &arguments);
    if (status < 0)
        status = command->call(&arguments);
    free(sets);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == DL_EXIT_OK) {
        fprintf(stderr, "delightd: cannot write to standard output: %s\n", strerror(errno));
        status = DL_EXIT_FAILED;
    }
    return status;
}
