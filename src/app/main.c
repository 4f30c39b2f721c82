#include "command_table.h"

#include "config.h"
#include "http.h"
#include "kafka.h"
#include "redis.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include <yaml.h>

enum { OPTIONS_MAX = 64 };

static void print_help(void)
{
    puts("delightd - customer feedback to live scores\n\nUsage:");
    for (const struct dl_command *command = dl_commands; command->name != NULL; command++)
        printf("  %s\n", command->usage);
    puts("  delightd help [COMMAND|fields|options]\n"
         "  delightd --help | --version\n\n"
         "fields: every score with its unit; options: every option of the configuration.\n"
         "Manual: delightd(1), delightd.yaml(5). Configuration: /etc/delightd/delightd.yaml\n\n"
         "Exit status:");
    dl_exit_statuses_print(stdout);
}

static void print_version(void)
{
    printf("delightd %s\nlibrdkafka %s, %s, libuv %s, %s, jansson %s, libyaml %s, %s\n", DELIGHT_VERSION, dl_kafka_version(),
           dl_redis_library_versions(), uv_version_string(), dl_http_library_version(), jansson_version_str(),
           yaml_get_version_string(), dl_terminal_library_version());
}

static void print_command_help(const struct dl_command *command)
{
    dl_command_print_help(command, stdout);
    if (command->call == dl_command_score) {
        puts("\nFields (delightd help fields):\n");
        dl_fields_print_text(stdout);
    }
}

static const struct dl_command *find_command(const char *name)
{
    for (const struct dl_command *command = dl_commands; command->name != NULL; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

/* What can be asked for besides a command. From the third on they make the documentation and the shell's completion. */
static const struct {
    const char *name;
    void (*print)(FILE *out);
} topics[] = {
    {"fields", dl_fields_print_text},
    {"options", dl_config_print_help},
    {"fields-markdown", dl_fields_print_markdown},
    {"options-markdown", dl_config_print_markdown},
    {"options-man", dl_config_print_man},
    {"synopsis-man", dl_manual_print_synopsis},
    {"commands-man", dl_manual_print_commands},
    {"exit-statuses-man", dl_manual_print_exit_statuses},
    {"completion-bash", dl_completion_print_bash},
    {"completion-zsh", dl_completion_print_zsh},
};

static int help(int argc, char **argv)
{
    if (argc <= 2) {
        print_help();
        return DL_EXIT_OK;
    }
    const struct dl_command *command = find_command(argv[2]);
    if (command != NULL) {
        print_command_help(command);
        return DL_EXIT_OK;
    }
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++)
        if (strcmp(argv[2], topics[i].name) == 0) {
            topics[i].print(stdout);
            return DL_EXIT_OK;
        }
    fprintf(stderr, "delightd: no help on '%s'; there is help on ", argv[2]);
    for (command = dl_commands; command->name != NULL; command++)
        fprintf(stderr, "%s, ", command->name);
    fputs("fields, options\n", stderr);
    return DL_EXIT_USAGE;
}

static int usage_fault(const struct dl_command *command, const char *fault, const char *what)
{
    fprintf(stderr, "delightd %s: %s%s\nusage: %s\n", command->name, fault, what, command->usage);
    return DL_EXIT_USAGE;
}

static int take_number(const struct dl_command *command, int *number, int max)
{
    char *end;
    long value = strtol(optarg, &end, 10);
    if (end == optarg || *end != '\0' || value < 1 || value > max)
        return usage_fault(command, "expected a number from 1 on, not ", optarg);
    *number = (int)value;
    return -1;
}

/* Its number may stand behind it as a word of its own, which getopt does not take for it. */
static int take_show(const struct dl_command *command, int argc, char **argv, struct dl_arguments *arguments)
{
    arguments->show = DL_SHOW_DEFAULT;
    if (optarg == NULL && optind < argc && argv[optind][0] >= '0' && argv[optind][0] <= '9')
        optarg = argv[optind++];
    return optarg == NULL ? -1 : take_number(command, &arguments->show, DL_SHOW_MAX);
}

/* The second of two would silently replace the first, and what it names would not be sent. */
static int take_places(const struct dl_command *command, const char **places)
{
    if (*places != NULL)
        return usage_fault(command, "an option of places stands twice; give all of them to one, as 0:57,1:63: ", optarg);
    *places = optarg;
    return -1;
}

/* -1: go on. */
static int take_option(const struct dl_command *command, int option, int argc, char **argv, struct dl_arguments *arguments)
{
    switch (option) {
    case 'c': arguments->config_path = optarg; return -1;
    case DL_OPT_SET: arguments->sets[arguments->set_count++] = optarg; return -1;
    case DL_OPT_CONNECT: arguments->connect = 1; return -1;
    case DL_OPT_WINDOWS: arguments->windows = optarg; return -1;
    case DL_OPT_AS_OF: arguments->as_of = optarg; return -1;
    case DL_OPT_STRICT: arguments->strict = 1; return -1;
    case DL_OPT_CREATE: arguments->create = 1; return -1;
    case DL_OPT_CHECK: arguments->check = 1; return -1;
    case DL_OPT_PARTITIONS: return take_number(command, &arguments->partitions, 100000);
    case DL_OPT_REPLICATION: return take_number(command, &arguments->replication, 100);
    case DL_OPT_SHOW: return take_show(command, argc, argv, arguments);
    case DL_OPT_RESEND: arguments->resend = 1; return -1;
    case DL_OPT_DRY_RUN: arguments->dry_run = 1; return -1;
    case DL_OPT_REASON: arguments->reasons = optarg; return -1;
    case DL_OPT_SINCE: arguments->since = optarg; return -1;
    case DL_OPT_FROM: return take_places(command, &arguments->from);
    case DL_OPT_TO: return take_places(command, &arguments->to);
    case DL_OPT_ONLY: return take_places(command, &arguments->only);
    case DL_OPT_ANYWAY: arguments->anyway = 1; return -1;
    case DL_OPT_WINDOW: arguments->window = optarg; return -1;
    case DL_OPT_KIND: arguments->kind = optarg; return -1;
    case DL_OPT_SEGMENT: arguments->segment = optarg; return -1;
    case DL_OPT_SORT: arguments->sort = optarg; return -1;
    case DL_OPT_FILTER: arguments->filter = optarg; return -1;
    case DL_OPT_ONCE: arguments->once = 1; return -1;
    case DL_OPT_FORMAT:
        arguments->json = strcmp(optarg, "json") == 0;
        if (!arguments->json && strcmp(optarg, "table") != 0)
            return usage_fault(command, "--format is table or json, not ", optarg);
        return -1;
    case 'h': print_command_help(command); return DL_EXIT_OK;
    default: return usage_fault(command, "see the option above", ""); /* getopt has said what is wrong */
    }
}

static int parse(const struct dl_command *command, int argc, char **argv, struct dl_arguments *arguments)
{
    struct option taken[OPTIONS_MAX] = {{"help", no_argument, NULL, 'h'}};
    size_t count = 1;
    for (const struct dl_taken_option *row = command->options; row->tag != '\0'; row++) {
        DL_ASSERT(count < OPTIONS_MAX - 1);
        taken[count++] = dl_command_option(row->tag)->option;
    }
    int option;
    while ((option = getopt_long(argc, argv, "c:h", taken, NULL)) != -1) {
        int status = take_option(command, option, argc, argv, arguments);
        if (status >= 0)
            return status;
    }
    if (optind < argc && command->input != NULL)
        arguments->input = argv[optind++];
    if (optind < argc)
        return usage_fault(command, "what is this: ", argv[optind]);
    if (command->needs_input && arguments->input == NULL)
        return usage_fault(command, "what of? Give ", command->input);
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
    const struct dl_command *command = find_command(argv[1]);
    if (command == NULL) {
        fprintf(stderr, "delightd: no command '%s'; delightd --help lists them\n", argv[1]);
        return DL_EXIT_USAGE;
    }
    const char **sets = calloc((size_t)argc, sizeof *sets);
    if (sets == NULL)
        return DL_EXIT_SOFTWARE;
    struct dl_arguments arguments = {.sets = sets, .replication = -1};
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
