#include "command_table.h"

#include <string.h>

#define SET_HELP "  --set A.B=VALUE    set one option over the file's; may stand several times\n"
#define CONFIG_HELP "  -c, --config FILE  the configuration\n"

const struct dl_command dl_commands[] = {
    {"run", dl_command_run, "cs", true, NULL, false, "delightd run -c FILE [--set A.B=VALUE]…",
     "The service: reads the topics, keeps the scores in Redis, logs to stderr or journald.\n"
     "SIGHUP reads the configuration again; SIGTERM and SIGINT end it in order.\n\n"
     CONFIG_HELP SET_HELP},
    {"check", dl_command_check, "csC", true, NULL, false, "delightd check -c FILE [--connect] [--set A.B=VALUE]…",
     "Checks a configuration. Exit status 0: good; 78: not good, with FILE:LINE:COLUMN of every\n"
     "mistake; 1: the configuration is good, but Kafka or Redis is not (--connect).\n\n"
     CONFIG_HELP
     "  --connect          also asks Kafka for the topics and Redis for a connection\n" SET_HELP},
    {"config", dl_command_config, "cs", false, NULL, false, "delightd config [-c FILE] [--set A.B=VALUE]…",
     "Prints the effective configuration, defaults included and secrets hidden.\n\n"
     "  -c, --config FILE  the configuration; without it, the defaults\n" SET_HELP},
    {"topics", dl_command_topics, "cstkpr", true, NULL, false,
     "delightd topics -c FILE --create|--check [--partitions N] [--replication N] [--set A.B=VALUE]…",
     "Makes the topics that the configuration needs, or tells what is wrong with those that are there.\n"
     "durability: kafka also needs tallies_topic and state_topic, one partition each.\n"
     "Exit status 0: good; 1: something is not as it should be; 78: the configuration is not good.\n\n"
     CONFIG_HELP
     "  --create           makes those that are missing, then checks all of them\n"
     "  --check            only checks\n"
     "  --partitions N     of the input topics, when they are made; default: the broker's\n"
     "  --replication N    copies of each topic, when it is made; default: the broker's\n" SET_HELP},
    {"deadletter", dl_command_deadletter, "csoRdeiFTOA", true, NULL, false,
     "delightd deadletter -c FILE [--show [N] | --resend [--dry-run] [--anyway]] [--reason LIST] [--since TIME] "
     "[--from|--to|--only PLACES] [--set A.B=VALUE]…",
     "What is not an event lies in the dead-letter topic. Without --show and --resend: how many, by reason.\n"
     "Reads what the topic holds at the start, joins no group and commits nothing. PLACES are partition:offset\n"
     "in the dead-letter topic, as 0:57,1:63. Exit status 0: good; 1: Kafka failed, or something chosen was\n"
     "not sent again; 78: the configuration is not good.\n\n"
     CONFIG_HELP
     "  --show [N]         prints the newest N (10) of them: place, reason, where it came from, key, value\n"
     "  --resend           after a fix: sends them again to the input topic they came from, with their key,\n"
     "                     headers and time. What is sent twice counts twice: so it needs --from, --since or\n"
     "                     --only, and prints the --from to go on with later\n"
     "  --dry-run          only tells what --resend would send\n"
     "  --anyway           also with durability: memory, which counts the input topics again at every start: with\n"
     "                     the fix a restart is enough, unless the topics do not hold the records any more\n"
     "  --reason LIST      those with one of these reasons, as not_json,wrong_type\n"
     "  --since TIME       those written since then: RFC 3339, epoch ms, or as 90m, 24h\n"
     "  --from PLACES      from there on; a partition that is not named, and all of them with\n"
     "                     --from beginning, from the first\n"
     "  --to PLACES        up to there, that one not included\n"
     "  --only PLACES      just these\n" SET_HELP},
    {"get", dl_command_get, "csWf", false, "SUBJECT", true,
     "delightd get SUBJECT [--window W] [-c FILE] [--format table|json] [--set A.B=VALUE]…",
     "Prints the scores of one subject from Redis, each with unit and meaning. Exit status 1: it has no\n"
     "data, or Redis does not answer.\n\n"
     "  SUBJECT            all, journey:J, 'journey:J|stage=S', stage:S, touchpoint:T, feature:F,\n"
     "                     each also with '|SEGMENT=VALUE'\n"
     "  --window W         only this one of the configured windows, as 1h\n"
     "  -c, --config FILE  where Redis is; default: /etc/delightd/delightd.yaml\n"
     "  --format FORMAT    table (default) or json\n" SET_HELP},
    {"top", dl_command_top, "csWKgxln", false, NULL, false,
     "delightd top [-c FILE] [--once] [--kind KIND] [--window W] [--segment SEGMENT=VALUE] [--sort FIELD] [--filter TEXT] "
     "[--set A.B=VALUE]…",
     "A live table of the scores in Redis. Keys: k kind, w window, g segment, < > the column that orders,\n"
     "r the other way round, / filter, ? help, q quit.\n\n"
     "  -c, --config FILE  where Redis is; default: /etc/delightd/delightd.yaml\n"
     "  --once             prints it once and ends, as it does where there is no terminal: every subject, the\n"
     "                     values as they are in Redis. Exit status 1: no data, or Redis does not answer\n"
     "  --kind KIND        touchpoint (default), journey, journey_stage, stage, feature\n"
     "  --window W         one of the configured windows, as 1h; default: the first\n"
     "  --segment S=V      of this segment, as tier=vip\n"
     "  --sort FIELD       by this column, the highest first, or by name; +FIELD: the lowest first\n"
     "  --filter TEXT      names with this in them\n" SET_HELP},
    {"score", dl_command_score, "cswafS", false, "FILE", false,
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
    {.name = NULL},
};

const struct dl_option dl_command_options[] = {
    {'c', {"config", required_argument, NULL, 'c'}, DL_VALUES_FILE, NULL},
    {'s', {"set", required_argument, NULL, DL_OPT_SET}, DL_VALUES_SETTING, NULL},
    {'C', {"connect", no_argument, NULL, DL_OPT_CONNECT}, DL_VALUES_NONE, NULL},
    {'w', {"windows", required_argument, NULL, DL_OPT_WINDOWS}, DL_VALUES_ANY, NULL},
    {'a', {"as-of", required_argument, NULL, DL_OPT_AS_OF}, DL_VALUES_ANY, NULL},
    {'f', {"format", required_argument, NULL, DL_OPT_FORMAT}, DL_VALUES_WORDS, "table json"},
    {'S', {"strict", no_argument, NULL, DL_OPT_STRICT}, DL_VALUES_NONE, NULL},
    {'t', {"create", no_argument, NULL, DL_OPT_CREATE}, DL_VALUES_NONE, NULL},
    {'k', {"check", no_argument, NULL, DL_OPT_CHECK}, DL_VALUES_NONE, NULL},
    {'p', {"partitions", required_argument, NULL, DL_OPT_PARTITIONS}, DL_VALUES_ANY, NULL},
    {'r', {"replication", required_argument, NULL, DL_OPT_REPLICATION}, DL_VALUES_ANY, NULL},
    {'o', {"show", optional_argument, NULL, DL_OPT_SHOW}, DL_VALUES_NONE, NULL},
    {'R', {"resend", no_argument, NULL, DL_OPT_RESEND}, DL_VALUES_NONE, NULL},
    {'d', {"dry-run", no_argument, NULL, DL_OPT_DRY_RUN}, DL_VALUES_NONE, NULL},
    {'e', {"reason", required_argument, NULL, DL_OPT_REASON}, DL_VALUES_REASONS, NULL},
    {'i', {"since", required_argument, NULL, DL_OPT_SINCE}, DL_VALUES_ANY, NULL},
    {'F', {"from", required_argument, NULL, DL_OPT_FROM}, DL_VALUES_WORDS, "beginning"},
    {'T', {"to", required_argument, NULL, DL_OPT_TO}, DL_VALUES_ANY, NULL},
    {'O', {"only", required_argument, NULL, DL_OPT_ONLY}, DL_VALUES_ANY, NULL},
    {'A', {"anyway", no_argument, NULL, DL_OPT_ANYWAY}, DL_VALUES_NONE, NULL},
    {'W', {"window", required_argument, NULL, DL_OPT_WINDOW}, DL_VALUES_ANY, NULL},
    {'K', {"kind", required_argument, NULL, DL_OPT_KIND}, DL_VALUES_WORDS, "touchpoint journey journey_stage stage feature"},
    {'g', {"segment", required_argument, NULL, DL_OPT_SEGMENT}, DL_VALUES_ANY, NULL},
    {'x', {"sort", required_argument, NULL, DL_OPT_SORT}, DL_VALUES_COLUMN, NULL},
    {'l', {"filter", required_argument, NULL, DL_OPT_FILTER}, DL_VALUES_ANY, NULL},
    {'n', {"once", no_argument, NULL, DL_OPT_ONCE}, DL_VALUES_NONE, NULL},
    {'\0', {NULL, 0, NULL, 0}, DL_VALUES_NONE, NULL},
};

bool dl_command_takes(const struct dl_command *command, const struct dl_option *option)
{
    return strchr(command->options, option->tag) != NULL;
}
