#include "command_table.h"

#define SET {'s', "set one option over the file's; may stand several times"}
#define CONFIG {'c', "the configuration"}
#define CONFIG_OF_REDIS {'c', "where Redis is; default: /etc/delightd/delightd.yaml"}
#define END {'\0', NULL}

static const struct dl_taken_option run[] = {CONFIG, SET, END};

static const struct dl_taken_option check[] = {CONFIG, {'C', "also asks Kafka for the topics and Redis for a connection"}, SET, END};

static const struct dl_taken_option config[] = {{'c', "the configuration; without it, the defaults"}, SET, END};

static const struct dl_taken_option topics[] = {
    CONFIG,
    {'t', "makes those that are missing, then checks all of them"},
    {'k', "only checks"},
    {'p', "of each input topic: how many it is made with (default: the broker's number), and at least has to have"},
    {'r', "copies of each topic, when it is made; default: the broker's"},
    SET, END,
};

static const struct dl_taken_option deadletter[] = {
    CONFIG,
    {'o', "prints the newest N (10) of them: place, reason, where it came from, key, value"},
    {'R', "after a fix: sends them again to the input topic they came from, with their key, headers and time. What is sent "
          "twice counts twice: so it needs --from, --since or --only, and prints the --from to go on with later"},
    {'d', "only tells what --resend would send"},
    {'A', "also with durability: memory, which counts the input topics again at every start: with the fix a restart is "
          "enough, unless the topics do not hold the records any more"},
    {'e', "those with one of these reasons, as not_json,wrong_type"},
    {'i', "those written since then: RFC 3339, epoch ms, or how long ago, as 90m, 24h"},
    {'F', "from there on; a partition that is not named, and all of them with --from beginning, from the first"},
    {'T', "up to there, that one not included"},
    {'O', "just these"},
    SET, END,
};

static const struct dl_taken_option get[] = {
    {'W', "only this one of the configured windows, as 1h"}, CONFIG_OF_REDIS, {'f', "table (default) or json"}, SET, END,
};

static const struct dl_taken_option top[] = {
    CONFIG_OF_REDIS,
    {'n', "prints it once and ends, as it does where there is no terminal: every subject, the values as they are in Redis. "
          "Exit status 1: no data, or Redis does not answer"},
    {'K', "touchpoint (default), journey, journey_stage, stage, feature"},
    {'W', "one of the configured windows, as 1h; default: the first"},
    {'g', "of this segment, as tier=vip"},
    {'x', "by this column, the highest first, or by name; +FIELD: the lowest first"},
    {'l', "names with this in them"},
    SET, END,
};

static const struct dl_taken_option score[] = {
    {'c', "scales, segments, catalogue, windows and so on; without it, the defaults"},
    {'w', "instead of the configured windows, as 1h,90d"},
    {'a', "the time that windows end at, RFC 3339 or epoch ms; default: the newest event's"},
    {'f', "table (default) or json"},
    {'S', "reports fields that delightd does not know, and ends with status 65 if anything was reported"},
    SET, END,
};

const struct dl_command dl_commands[] = {
    {"run", dl_command_run, run, true, NULL, NULL, false, "delightd run -c FILE [--set A.B=VALUE]…",
     "The service: reads the topics, keeps the scores in Redis, logs to stderr or journald. SIGHUP reads the configuration "
     "again and takes over what may change while running; SIGTERM and SIGINT write the last scores and end it, a second one "
     "at once."},
    {"check", dl_command_check, check, true, NULL, NULL, false, "delightd check -c FILE [--connect] [--set A.B=VALUE]…",
     "Checks a configuration. Exit status 0: good; 78: not good, with FILE:LINE:COLUMN of every mistake; 1: the "
     "configuration is good, but Kafka or Redis is not (--connect)."},
    {"config", dl_command_config, config, false, NULL, NULL, false, "delightd config [-c FILE] [--set A.B=VALUE]…",
     "Prints the effective configuration, defaults included and secrets hidden."},
    {"topics", dl_command_topics, topics, true, NULL, NULL, false,
     "delightd topics -c FILE --create|--check [--partitions N] [--replication N] [--set A.B=VALUE]…",
     "Makes the topics that the configuration needs, or tells what is wrong with those that are there, which it does not change. durability: kafka also "
     "needs tallies_topic and state_topic, one partition each. Exit status 0: good; 1: something is not as it should be; 78: "
     "the configuration is not good."},
    {"deadletter", dl_command_deadletter, deadletter, true, NULL, NULL, false,
     "delightd deadletter -c FILE [--show [N] | --resend [--dry-run] [--anyway]] [--reason LIST] [--since TIME] "
     "[--from|--to|--only PLACES] [--set A.B=VALUE]…",
     "What is not an event lies in the dead-letter topic. Without --show and --resend: how many, by reason. Reads what the "
     "topic holds at the start, joins no group and commits nothing. PLACES are partition:offset in the dead-letter topic, as "
     "0:57,1:63. Exit status 0: good; 1: Kafka failed, or something chosen was not sent again; 78: the configuration is not "
     "good."},
    {"get", dl_command_get, get, false, "SUBJECT",
     "all, journey:J, 'journey:J|stage=S', stage:S, touchpoint:T, feature:F, each also with '|SEGMENT=VALUE'", true,
     "delightd get SUBJECT [--window W] [-c FILE] [--format table|json] [--set A.B=VALUE]…",
     "Prints the scores of one subject from Redis, each with unit and meaning. Exit status 1: it has no data, or Redis does "
     "not answer."},
    {"top", dl_command_top, top, false, NULL, NULL, false,
     "delightd top [-c FILE] [--once] [--kind KIND] [--window W] [--segment SEGMENT=VALUE] [--sort FIELD] [--filter TEXT] "
     "[--set A.B=VALUE]…",
     "A live table of the scores in Redis. Keys: k kind, w window, g segment, < > the column that orders, r the other way "
     "round, / filter, ? help, q quit."},
    {"score", dl_command_score, score, false, "FILE", "the events; - or nothing: standard input", false,
     "delightd score [FILE|-] [-c FILE] [--windows LIST] [--as-of TIME] [--format table|json] [--strict] [--set A.B=VALUE]…",
     "Scores events from newline-delimited JSON with the service's own engine; no Kafka, no Redis. What is not an event is "
     "listed on stderr as FILE:LINE: reason: detail."},
    {.name = NULL},
};

const struct dl_option dl_command_options[] = {
    {'c', {"config", required_argument, NULL, 'c'}, "FILE", DL_VALUES_FILE, NULL},
    {'s', {"set", required_argument, NULL, DL_OPT_SET}, "A.B=VALUE", DL_VALUES_SETTING, NULL},
    {'C', {"connect", no_argument, NULL, DL_OPT_CONNECT}, NULL, DL_VALUES_NONE, NULL},
    {'w', {"windows", required_argument, NULL, DL_OPT_WINDOWS}, "LIST", DL_VALUES_ANY, NULL},
    {'a', {"as-of", required_argument, NULL, DL_OPT_AS_OF}, "TIME", DL_VALUES_ANY, NULL},
    {'f', {"format", required_argument, NULL, DL_OPT_FORMAT}, "FORMAT", DL_VALUES_WORDS, "table json"},
    {'S', {"strict", no_argument, NULL, DL_OPT_STRICT}, NULL, DL_VALUES_NONE, NULL},
    {'t', {"create", no_argument, NULL, DL_OPT_CREATE}, NULL, DL_VALUES_NONE, NULL},
    {'k', {"check", no_argument, NULL, DL_OPT_CHECK}, NULL, DL_VALUES_NONE, NULL},
    {'p', {"partitions", required_argument, NULL, DL_OPT_PARTITIONS}, "N", DL_VALUES_ANY, NULL},
    {'r', {"replication", required_argument, NULL, DL_OPT_REPLICATION}, "N", DL_VALUES_ANY, NULL},
    {'o', {"show", optional_argument, NULL, DL_OPT_SHOW}, "[N]", DL_VALUES_NONE, NULL},
    {'R', {"resend", no_argument, NULL, DL_OPT_RESEND}, NULL, DL_VALUES_NONE, NULL},
    {'d', {"dry-run", no_argument, NULL, DL_OPT_DRY_RUN}, NULL, DL_VALUES_NONE, NULL},
    {'e', {"reason", required_argument, NULL, DL_OPT_REASON}, "LIST", DL_VALUES_REASONS, NULL},
    {'i', {"since", required_argument, NULL, DL_OPT_SINCE}, "TIME", DL_VALUES_ANY, NULL},
    {'F', {"from", required_argument, NULL, DL_OPT_FROM}, "PLACES", DL_VALUES_WORDS, "beginning"},
    {'T', {"to", required_argument, NULL, DL_OPT_TO}, "PLACES", DL_VALUES_ANY, NULL},
    {'O', {"only", required_argument, NULL, DL_OPT_ONLY}, "PLACES", DL_VALUES_ANY, NULL},
    {'A', {"anyway", no_argument, NULL, DL_OPT_ANYWAY}, NULL, DL_VALUES_NONE, NULL},
    {'W', {"window", required_argument, NULL, DL_OPT_WINDOW}, "W", DL_VALUES_ANY, NULL},
    {'K', {"kind", required_argument, NULL, DL_OPT_KIND}, "KIND", DL_VALUES_WORDS, "touchpoint journey journey_stage stage feature"},
    {'g', {"segment", required_argument, NULL, DL_OPT_SEGMENT}, "SEGMENT=VALUE", DL_VALUES_ANY, NULL},
    {'x', {"sort", required_argument, NULL, DL_OPT_SORT}, "FIELD", DL_VALUES_COLUMN, NULL},
    {'l', {"filter", required_argument, NULL, DL_OPT_FILTER}, "TEXT", DL_VALUES_ANY, NULL},
    {'n', {"once", no_argument, NULL, DL_OPT_ONCE}, NULL, DL_VALUES_NONE, NULL},
    {'\0', {NULL, 0, NULL, 0}, NULL, DL_VALUES_NONE, NULL},
};

const struct dl_exit_status dl_exit_statuses[] = {
    {DL_EXIT_OK, "good; after SIGTERM, an orderly end"},
    {DL_EXIT_FAILED, "a check that failed, no data, or a fault while running: with durability: kafka, lost data with on_data_loss: stop, "
                     "or another process under this one's instance name; the log says which"},
    {DL_EXIT_USAGE, "the command line is wrong"},
    {DL_EXIT_DATA, "score --strict: something was reported"},
    {DL_EXIT_NO_INPUT, "the input cannot be read"},
    {DL_EXIT_SOFTWARE, "out of memory"},
    {DL_EXIT_CONFIG, "the configuration is wrong"},
    {0, NULL},
};

const struct dl_option *dl_command_option(char tag)
{
    for (const struct dl_option *option = dl_command_options; option->tag != '\0'; option++)
        if (option->tag == tag)
            return option;
    return NULL;
}

bool dl_option_has_letter(const struct dl_option *option)
{
    return option->option.val < 256;
}
