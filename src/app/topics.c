/* `delightd topics`: the topics that a configuration needs, made or checked. */
#include "commands.h"

#include "config.h"
#include "log.h"
#include "settings.h"

#include <delight/time.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ASK_MS = 15000, OWN_TOPICS = 3 };
#define DAY_MS INT64_C(86400000)

struct plan {
    struct dl_kafka_topic_wish *wishes;
    size_t count;
    char source_retention[24], tallies_retention[24];
    struct dl_kafka_property source_configs[1], tallies_configs[2], state_configs[3];
};

static void add(struct plan *plan, struct dl_kafka_topic_wish wish)
{
    plan->wishes[plan->count++] = wish;
}

/* Input: memory mode reads the longest window again at each start; kafka mode only what it has not counted yet, for which a
 * week is plenty. Tallies: as far back as a window that is configured later can be filled. State: who takes over reads what is
 * not compacted yet, too, and the segment that is being written never is: hence small ones. */
static bool make_plan(struct plan *plan, const struct dl_config *config, const struct dl_arguments *arguments)
{
    bool kafka = config->durability == DL_DURABILITY_KAFKA;
    int64_t longest_ms = dl_settings_longest_window_ms(config);
    int64_t whole_ms = longest_ms + longest_ms / DL_PANES + DL_FUTURE_MS;
    snprintf(plan->source_retention, sizeof plan->source_retention, "%" PRId64, kafka ? 7 * DAY_MS : whole_ms);
    snprintf(plan->tallies_retention, sizeof plan->tallies_retention, "%" PRId64, whole_ms > 7 * DAY_MS ? whole_ms : 7 * DAY_MS);
    plan->source_configs[0] = (struct dl_kafka_property){"retention.ms", plan->source_retention};
    plan->tallies_configs[0] = (struct dl_kafka_property){"cleanup.policy", "delete"};
    plan->tallies_configs[1] = (struct dl_kafka_property){"retention.ms", plan->tallies_retention};
    plan->state_configs[0] = (struct dl_kafka_property){"cleanup.policy", "compact"};
    plan->state_configs[1] = (struct dl_kafka_property){"min.cleanable.dirty.ratio", "0.2"};
    plan->state_configs[2] = (struct dl_kafka_property){"segment.bytes", "8388608"};
    plan->wishes = calloc(config->kafka.topics.count + OWN_TOPICS, sizeof *plan->wishes);
    if (plan->wishes == NULL)
        return false;
    for (size_t i = 0; i < config->kafka.topics.count; i++)
        add(plan, (struct dl_kafka_topic_wish){config->kafka.topics.item[i], arguments->partitions, false, arguments->replication,
                                               plan->source_configs, 1});
    if (config->kafka.dead_letter_topic[0] != '\0')
        add(plan, (struct dl_kafka_topic_wish){config->kafka.dead_letter_topic, 0, false, arguments->replication, NULL, 0});
    if (!kafka)
        return true;
    add(plan, (struct dl_kafka_topic_wish){config->kafka.tallies_topic, 1, true, arguments->replication, plan->tallies_configs, 2});
    add(plan, (struct dl_kafka_topic_wish){config->kafka.state_topic, 1, true, arguments->replication, plan->state_configs, 3});
    return true;
}

/* Of the state topic only the policy is a must; what else it is made with may be otherwise. */
static void keep_musts(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->wishes[i].configs == plan->state_configs)
            plan->wishes[i].config_count = 1;
}

static void on_fault(void *context, const char *topic, const char *sentence)
{
    size_t *faults = context;
    (*faults)++;
    printf("%s: %s\n", topic, sentence);
}

static void on_created(void *context, const char *topic)
{
    (void)context;
    printf("%s: created\n", topic);
}

static int create_or_check(const struct dl_config *config, const struct dl_arguments *arguments, struct dl_note_sink *notes)
{
    struct plan plan = {0};
    if (!make_plan(&plan, config, arguments))
        return DL_EXIT_SOFTWARE;
    const struct dl_kafka_options kafka = dl_settings_kafka(config, notes);
    char error[512] = "";
    size_t faults = 0;
    enum dl_status status = DL_OK;
    if (arguments->create)
        status = dl_kafka_topics_create(&kafka, plan.wishes, plan.count, ASK_MS, on_created, NULL, error, sizeof error);
    /* What was there already is looked at all the same. */
    keep_musts(&plan);
    if (status == DL_OK)
        status = dl_kafka_topics_check(&kafka, plan.wishes, plan.count, ASK_MS, on_fault, &faults, error, sizeof error);
    free(plan.wishes);
    if (status != DL_OK) {
        fprintf(stderr, "delightd topics: %s\n", error);
        return DL_EXIT_FAILED;
    }
    if (faults == 0)
        printf("%zu topics: good\n", plan.count);
    return faults == 0 ? DL_EXIT_OK : DL_EXIT_FAILED;
}

int dl_command_topics(const struct dl_arguments *arguments)
{
    if (arguments->create == arguments->check) {
        fprintf(stderr, "delightd topics: expected --create or --check\n");
        return DL_EXIT_USAGE;
    }
    int exit_status;
    struct dl_config *config = dl_argument_config(arguments, &exit_status);
    if (config == NULL)
        return exit_status;
    struct dl_log *log = dl_log_create(DL_LOG_STDERR, DL_NOTE_WARNING);
    exit_status = log == NULL ? DL_EXIT_SOFTWARE : create_or_check(config, arguments, dl_log_sink(log));
    dl_log_destroy(log);
    dl_config_destroy(config);
    return exit_status;
}
