/* `delightd check` and `delightd config`. */
#include "commands.h"

#include "clocks.h"
#include "commit.h"
#include "config.h"
#include "http.h"
#include "log.h"
#include "probe.h"
#include "settings.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { PROBE_MS = 5000, PROBE_LOOK_MS = 20 };

/* ---- check --connect ---- */

static bool probe_kafka(const struct dl_config *config, struct dl_note_sink *notes)
{
    const struct dl_kafka_options options = dl_settings_kafka(config, notes);
    size_t count = config->kafka.topics.count;
    bool dead_letters = config->kafka.dead_letter_topic[0] != '\0';
    struct dl_kafka_topic_state *states = calloc(count + 3, sizeof *states);
    if (states == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        states[i].topic = config->kafka.topics.item[i];
    states[count].topic = config->kafka.dead_letter_topic;
    count += dead_letters;
    if (config->durability == DL_DURABILITY_KAFKA) {
        states[count++].topic = config->kafka.tallies_topic;
        states[count++].topic = config->kafka.state_topic;
    }
    char error[256] = "";
    bool good = dl_kafka_probe(&options, states, count, PROBE_MS, error, sizeof error) == DL_OK;
    if (!good)
        printf("Kafka: %s\n", error);
    for (size_t i = 0; i < count && error[0] == '\0'; i++) {
        if (states[i].partitions >= 0)
            printf("Kafka: topic %s: %d partitions\n", states[i].topic, states[i].partitions);
        else
            printf("Kafka: topic %s: %s\n", states[i].topic, states[i].fault);
        good = good && states[i].partitions >= 0;
    }
    free(states);
    return good;
}

struct redis_probe {
    struct dl_redis *redis;
    uv_timer_t look;
    int64_t deadline_ms;
    bool up;
};

static void on_redis_up(void *context)
{
    ((struct redis_probe *)context)->up = true;
}

static void on_redis_down(void *context)
{
    ((struct redis_probe *)context)->up = false;
}

static void on_redis_closed(void *context)
{
    (void)context;
}

static void on_look(uv_timer_t *timer)
{
    struct redis_probe *probe = timer->data;
    if (!probe->up && dl_monotonic_ms() < probe->deadline_ms)
        return;
    dl_redis_close(probe->redis, on_redis_closed, NULL);
    uv_close((uv_handle_t *)timer, NULL);
}

static bool probe_redis(const struct dl_config *config, struct dl_note_sink *notes)
{
    uv_loop_t loop;
    if (uv_loop_init(&loop) != 0)
        return false;
    struct redis_probe probe = {.deadline_ms = dl_monotonic_ms() + PROBE_MS};
    const struct dl_redis_callbacks callbacks = {on_redis_up, on_redis_down, &probe};
    const struct dl_redis_options options = dl_settings_view(config, notes, "").redis;
    bool good = dl_redis_open(&probe.redis, &loop, &options, &callbacks) == DL_OK;
    if (good) {
        uv_timer_init(&loop, &probe.look);
        probe.look.data = &probe;
        uv_timer_start(&probe.look, on_look, PROBE_LOOK_MS, PROBE_LOOK_MS);
        uv_run(&loop, UV_RUN_DEFAULT);
        good = probe.up;
    }
    uv_loop_close(&loop);
    printf("Redis: %s\n", good ? "connected" : "no connection; the log lines above say why");
    return good;
}

static int probe(const struct dl_config *config)
{
    struct dl_log *log = dl_log_create(DL_LOG_STDERR, DL_NOTE_WARNING);
    if (log == NULL)
        return DL_EXIT_SOFTWARE;
    bool kafka = probe_kafka(config, dl_log_sink(log));
    bool redis = probe_redis(config, dl_log_sink(log));
    dl_log_destroy(log);
    return kafka && redis ? DL_EXIT_OK : DL_EXIT_FAILED;
}

/* What only the libraries can tell: librdkafka's own keys and values, the address. */
static enum dl_status check_libraries(const struct dl_config *config, struct dl_config_errors *errors)
{
    char fault[256];
    const struct dl_kafka_options kafka = dl_settings_kafka(config, NULL);
    enum dl_status status = config->durability == DL_DURABILITY_KAFKA
                                ? dl_kafka_check_transactions(&kafka, DL_COMMIT_TIMEOUT_MS, fault, sizeof fault)
                                : dl_kafka_check(&kafka, fault, sizeof fault);
    if (status != DL_OK)
        dl_config_add_error(config, errors, "kafka.properties", fault);
    const char *url_fault = dl_redis_url_check(config->redis.url);
    if (url_fault != NULL)
        dl_config_add_error(config, errors, "redis.url", url_fault);
    const char *listen_fault = config->http.listen[0] == '\0' ? NULL : dl_http_listen_check(config->http.listen);
    if (listen_fault != NULL) {
        snprintf(fault, sizeof fault, "expected %s", listen_fault);
        dl_config_add_error(config, errors, "http.listen", fault);
    }
    const char *token_fault = config->http.token_file == NULL ? NULL : dl_http_token_check(config->http.token_file);
    if (token_fault != NULL) {
        snprintf(fault, sizeof fault, "the file cannot be used: %s", token_fault);
        dl_config_add_error(config, errors, "http.token_file", fault);
    }
    return errors->errors > 0 ? DL_INVALID : DL_OK;
}

int dl_command_check(const struct dl_arguments *arguments)
{
    struct dl_config *config = NULL;
    struct dl_config_errors errors = {0};
    enum dl_status status = dl_config_load(&config, arguments->config_path, arguments->sets, arguments->set_count, &errors);
    if (status == DL_OK)
        status = dl_config_require_service(config, &errors);
    if (status == DL_OK)
        status = check_libraries(config, &errors);
    dl_config_errors_print(&errors, stderr);
    int exit_status = status == DL_OK ? DL_EXIT_OK : status == DL_MEMORY ? DL_EXIT_SOFTWARE : DL_EXIT_CONFIG;
    if (status == DL_OK && arguments->connect)
        exit_status = probe(config);
    if (exit_status == DL_EXIT_OK)
        printf("%s: good\n", arguments->config_path);
    dl_config_destroy(config);
    return exit_status;
}

int dl_command_config(const struct dl_arguments *arguments)
{
    struct dl_config *config = NULL;
    struct dl_config_errors errors = {0};
    enum dl_status status = dl_config_load(&config, arguments->config_path, arguments->sets, arguments->set_count, &errors);
    dl_config_errors_print(&errors, stderr);
    if (status != DL_OK)
        return status == DL_MEMORY ? DL_EXIT_SOFTWARE : DL_EXIT_CONFIG;
    dl_config_print(config, stdout);
    dl_config_destroy(config);
    return DL_EXIT_OK;
}
