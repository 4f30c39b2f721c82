/* What several commands read from their command lines. */
#include "commands.h"

#include "config.h"
#include "redis.h"

#include <delight/time.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool dl_argument_time(const char *text, int64_t *time_ms)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (*text != '\0' && *end == '\0' && errno == 0)
        *time_ms = number;
    else if (dl_time_parse(text, strlen(text), time_ms) != DL_OK)
        return false;
    return *time_ms >= DL_TIME_MS_MIN && *time_ms <= DL_TIME_MS_MAX;
}

struct dl_config *dl_argument_config_of_redis(const struct dl_arguments *arguments, int *exit_status)
{
    static const char usual[] = "/etc/delightd/delightd.yaml";
    const char *path = arguments->config_path;
    if (path == NULL && access(usual, F_OK) == 0)
        path = usual;
    struct dl_config *config = NULL;
    struct dl_config_errors errors = {0};
    enum dl_status status = dl_config_load(&config, path, arguments->sets, arguments->set_count, &errors);
    const char *fault = NULL;
    if (status == DL_OK)
        fault = config->redis.url[0] == '\0' ? "where is Redis? Give -c FILE, or --set redis.url=redis://HOST:PORT/DB"
                                            : dl_redis_url_check(config->redis.url);
    if (fault != NULL)
        dl_config_add_error(config, &errors, "redis.url", fault);
    dl_config_errors_print(&errors, stderr);
    *exit_status = status == DL_MEMORY ? DL_EXIT_SOFTWARE : DL_EXIT_CONFIG;
    if (status == DL_OK && fault == NULL)
        return config;
    dl_config_destroy(config);
    return NULL;
}

struct dl_config *dl_argument_config(const struct dl_arguments *arguments, int *exit_status)
{
    struct dl_config *config = NULL;
    struct dl_config_errors errors = {0};
    enum dl_status status = dl_config_load(&config, arguments->config_path, arguments->sets, arguments->set_count, &errors);
    if (status == DL_OK)
        status = dl_config_require_service(config, &errors);
    dl_config_errors_print(&errors, stderr);
    *exit_status = status == DL_OK ? DL_EXIT_OK : status == DL_MEMORY ? DL_EXIT_SOFTWARE : DL_EXIT_CONFIG;
    if (status == DL_OK)
        return config;
    dl_config_destroy(config);
    return NULL;
}
