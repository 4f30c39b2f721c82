/* Loading: defaults, then the file, then each --set, all through the same rows. */
#include "value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1024 * 1024, SECRET_BYTES_MAX = 64 * 1024 };

static void *value_of(const struct dl_config *config, const struct dl_option *option)
{
    return (char *)(uintptr_t)config + option->offset;
}

void dl_config_destroy(struct dl_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < dl_option_count; i++)
        dl_option_type(&dl_options[i])->deinit(value_of(config, &dl_options[i]));
    dl_type_properties.deinit(&config->kafka.effective);
    if (config->origins != NULL) {
        for (size_t i = 0; config->origins->origin != NULL && i < dl_option_count; i++)
            free(config->origins->origin[i].argument);
        free(config->origins->origin);
        free(config->origins->source);
    }
    free(config->origins);
    free(config);
}

static struct dl_config *create(const char *source)
{
    struct dl_config *config = calloc(1, sizeof *config);
    if (config == NULL)
        return NULL;
    config->origins = calloc(1, sizeof *config->origins);
    if (config->origins != NULL) {
        config->origins->source = strdup(source);
        config->origins->origin = calloc(dl_option_count, sizeof *config->origins->origin);
    }
    if (config->origins == NULL || config->origins->source == NULL || config->origins->origin == NULL) {
        dl_config_destroy(config);
        return NULL;
    }
    return config;
}

/* ---- One loop over the rows ---- */

static enum dl_status read_option(struct dl_config *config, const struct dl_option *option, const struct dl_node *node,
                                  const struct dl_report *report)
{
    if (node->kind == DL_NODE_NULL) /* "key:" and nothing behind it: the default stays */
        return DL_OK;
    struct dl_reading reading = {.option = option, .node = node, .name = option->path, .report = report};
    struct dl_origin *origin = &config->origins->origin[option - dl_options];
    origin->set = true;
    origin->line = node->key != NULL ? node->key_line : node->line;
    origin->column = node->key != NULL ? node->key_column : node->column;
    if (report->argument) {
        free(origin->argument);
        origin->argument = strdup(report->source);
        if (origin->argument == NULL)
            return DL_MEMORY;
    }
    return dl_option_type(option)->read(&reading, value_of(config, option));
}

/* Whether the row lies in the section ("" is the top); *rest is then its path from there. */
static bool in_section(const struct dl_option *option, const char *section, const char **rest)
{
    size_t bytes = strlen(section);
    if (bytes == 0) {
        *rest = option->path;
        return true;
    }
    *rest = option->path + bytes + 1;
    return strncmp(option->path, section, bytes) == 0 && option->path[bytes] == '.';
}

static bool is_section(const char *path)
{
    const char *rest;
    size_t i = 0;
    while (i < dl_option_count && !in_section(&dl_options[i], path, &rest))
        i++;
    return i < dl_option_count;
}

static void unknown_key(const char *section, const char *key, int line, int column, const struct dl_report *report)
{
    char word[64], quoted[DL_QUOTE_SIZE], hint[160] = "";
    struct dl_nearest nearest = {.wanted = key};
    for (size_t i = 0; i < dl_option_count; i++) {
        const char *rest;
        if (!in_section(&dl_options[i], section, &rest))
            continue;
        snprintf(word, sizeof word, "%.*s", (int)strcspn(rest, "."), rest);
        size_t before = nearest.word != NULL ? nearest.distance : SIZE_MAX;
        dl_nearest_offer(&nearest, word);
        if (nearest.word != NULL && nearest.distance < before)
            snprintf(hint, sizeof hint, "; did you mean %s?", word);
    }
    /* A right word in the wrong section, or a whole path as one key. */
    size_t used = strlen(hint);
    for (size_t i = 0; i < dl_option_count && nearest.word == NULL; i++) {
        const char *path = dl_options[i].path, *last = strrchr(path, '.');
        if (last != NULL && (strcmp(path, key) == 0 || strcmp(last + 1, key) == 0) && used < sizeof hint)
            used += (size_t)snprintf(hint + used, sizeof hint - used, "%s %.*s:", used == 0 ? "; it belongs under" : " or",
                                     (int)(last - path), path);
    }
    dl_report_error(report, line, column, "unknown key %s%s%s%s", dl_config_quote(quoted, key), section[0] != '\0' ? " in " : "",
                    section, hint);
}

static enum dl_status read_section(struct dl_config *config, const char *section, const struct dl_node *node,
                                   const struct dl_report *report)
{
    char path[128];
    enum dl_status status = DL_OK;
    if (node->kind == DL_NODE_NULL) /* a section whose keys are all comments */
        return DL_OK;
    if (node->kind != DL_NODE_MAP) {
        dl_report_error(report, node->line, node->column, "%s%sexpected keys with their values, got %s", section,
                        section[0] != '\0' ? ": " : "", dl_node_kind_text(node));
        return DL_INVALID;
    }
    for (const struct dl_node *child = node->first; child != NULL && status != DL_MEMORY; child = child->next) {
        enum dl_status each = DL_INVALID;
        int bytes = snprintf(path, sizeof path, "%s%s%s", section, section[0] != '\0' ? "." : "", child->key);
        bool whole = strchr(child->key, '.') == NULL && bytes < (int)sizeof path;
        size_t option = whole ? dl_option_find(path, (size_t)bytes) : dl_option_count;
        if (option < dl_option_count)
            each = read_option(config, &dl_options[option], child, report);
        else if (whole && is_section(path))
            each = read_section(config, path, child, report);
        else
            unknown_key(section, child->key, child->key_line, child->key_column, report);
        if (each != DL_OK)
            status = each;
    }
    return status;
}

/* ---- --set a.b=c ---- */

static bool reads_yaml(const struct dl_option *option)
{
    switch (option->type) {
    case DL_OPTION_TEXTS:
    case DL_OPTION_DURATIONS:
    case DL_OPTION_MEASURES:
    case DL_OPTION_PROPERTIES:
    case DL_OPTION_TARGETS:
    case DL_OPTION_PLACES: return true;
    default: return false;
    }
}

/* kafka.properties.KEY: the rest of the path is a free key, dots and all. NULL: it is not one. */
static const struct dl_option *free_key(const char *path, const char **key)
{
    for (size_t i = 0; i < dl_option_count; i++) {
        size_t bytes = strlen(dl_options[i].path);
        if (dl_options[i].type == DL_OPTION_PROPERTIES && strncmp(path, dl_options[i].path, bytes) == 0 && path[bytes] == '.') {
            *key = path + bytes + 1;
            return &dl_options[i];
        }
    }
    return NULL;
}

static enum dl_status apply_argument(struct dl_config *config, const char *path, const char *text, const struct dl_report *report)
{
    struct dl_document document = {0};
    const char *key = NULL;
    size_t option = dl_option_find(path, strlen(path));
    const struct dl_option *properties = option == dl_option_count ? free_key(path, &key) : NULL;
    bool yaml = properties == NULL && (option == dl_option_count || reads_yaml(&dl_options[option]));
    if (properties == NULL && option == dl_option_count && !is_section(path)) {
        const char *dot = strrchr(path, '.');
        char section[128];
        snprintf(section, sizeof section, "%.*s", (int)(dot != NULL ? dot - path : 0), path);
        bool known = section[0] != '\0' && is_section(section);
        unknown_key(known ? section : "", known ? dot + 1 : path, 0, 0, report);
        return DL_INVALID;
    }
    enum dl_status status =
        yaml ? dl_document_parse(&document, text, strlen(text), report) : dl_document_scalar(&document, text, report);
    if (status == DL_OK && properties != NULL) {
        struct dl_reading reading = {.option = properties, .node = document.root, .name = properties->path, .report = report};
        status = dl_properties_set(&reading, value_of(config, properties), key, 0, 0);
    } else if (status == DL_OK && option < dl_option_count) {
        status = read_option(config, &dl_options[option], document.root, report);
    } else if (status == DL_OK) {
        status = read_section(config, path, document.root, report);
    }
    dl_document_deinit(&document);
    return status;
}

static enum dl_status read_argument(struct dl_config *config, const char *argument, struct dl_config_errors *errors)
{
    struct dl_report report = {.errors = errors, .source = "--set", .argument = true};
    const char *equals = strchr(argument, '=');
    if (equals == NULL || equals == argument) {
        char quoted[DL_QUOTE_SIZE];
        dl_report_error(&report, 0, 0, "expected OPTION=VALUE, as windows=[5m,1h], got %s", dl_config_quote(quoted, argument));
        return DL_INVALID;
    }
    char *path = strndup(argument, (size_t)(equals - argument)), *source = NULL;
    if (path == NULL)
        return DL_MEMORY;
    size_t option = dl_option_find(path, strlen(path));
    const char *key;
    const struct dl_option *row = option < dl_option_count ? &dl_options[option] : free_key(path, &key);
    /* The argument is repeated in errors and logs: not when it may hold a secret. */
    bool shown = row != NULL && (row->flags & DL_OPTION_SECRET) == 0;
    if (asprintf(&source, "--set %s=%s", path, shown ? equals + 1 : "…") < 0) {
        free(path);
        return DL_MEMORY;
    }
    report.source = source;
    enum dl_status status = apply_argument(config, path, equals + 1, &report);
    free(source);
    free(path);
    return status;
}

/* ---- Defaults ---- */

static enum dl_status read_defaults(struct dl_config *config)
{
    for (size_t i = 0; i < dl_option_count; i++) {
        const char *text = dl_options[i].fallback;
        if (text == NULL)
            continue;
        struct dl_config_errors errors = {0};
        struct dl_report report = {.errors = &errors, .source = "default"};
        struct dl_document document = {0};
        struct dl_reading reading = {.option = &dl_options[i], .name = dl_options[i].path, .report = &report};
        enum dl_status status = dl_document_parse(&document, text, strlen(text), &report);
        reading.node = document.root;
        if (status == DL_OK)
            status = dl_option_type(&dl_options[i])->read(&reading, value_of(config, &dl_options[i]));
        dl_document_deinit(&document);
        if (status == DL_MEMORY)
            return status;
        DL_ASSERT(status == DL_OK); /* a row whose default it refuses itself */
    }
    return DL_OK;
}

/* Defaults that depend on the host or on another option. */
static enum dl_status complete(struct dl_config *config)
{
    if (config->scales.csat_top == 0)
        config->scales.csat_top = config->scales.csat_max == 5 ? 4 : config->scales.csat_max == 7 ? 6 : 9;
    if (config->instance != NULL)
        return DL_OK;
    char host[129] = "";
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        strcpy(host, "delightd");
    for (char *letter = host; *letter != '\0'; letter++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-", *letter) == NULL)
            *letter = '-';
    config->instance = strdup(host);
    return config->instance != NULL ? DL_OK : DL_MEMORY;
}

static enum dl_status worse(enum dl_status a, enum dl_status b)
{
    return a == DL_MEMORY || b == DL_MEMORY ? DL_MEMORY : a != DL_OK ? a : b;
}

enum dl_status dl_config_parse(struct dl_config **config, const char *text, size_t bytes, const char *name,
                               const char *const *sets, size_t set_count, struct dl_config_errors *errors)
{
    struct dl_report report = {.errors = errors, .source = name, .positions = true};
    struct dl_document document = {0};
    *config = NULL;
    struct dl_config *built = create(name);
    if (built == NULL)
        return DL_MEMORY;
    enum dl_status status = read_defaults(built);
    if (status == DL_OK)
        status = dl_document_parse(&document, text, bytes, &report);
    /* A tree with a doubtful part is read on: its other mistakes are told at the same time. */
    if (document.root != NULL && status != DL_MEMORY && !document.broken)
        status = worse(status, read_section(built, "", document.root, &report));
    dl_document_deinit(&document);
    for (size_t i = 0; i < set_count && status != DL_MEMORY; i++)
        status = worse(status, read_argument(built, sets[i], errors));
    if (status == DL_OK)
        status = complete(built);
    if (status == DL_OK)
        status = dl_config_check_combinations(built, errors);
    if (status == DL_OK)
        *config = built;
    else
        dl_config_destroy(built);
    return status;
}

/* ---- Files ---- */

/* What may be read: a pipe or a terminal at the start, whose end is waited for;
 * while running nothing waits. */
enum readable { REGULAR, REGULAR_OR_PIPE };

/* Reads a file of at most bytes_max into *text, with a NUL behind it. On DL_IO
 * and DL_INVALID *problem says why. */
static enum dl_status read_file(const char *path, enum readable readable, size_t bytes_max, char **text, size_t *bytes,
                                const char **problem)
{
    struct stat about;
    enum dl_status status = DL_OK;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (readable == REGULAR ? O_NONBLOCK : 0));
    char *data = malloc(bytes_max + 2);
    size_t used = 0;
    if (data == NULL) {
        status = DL_MEMORY;
    } else if (file < 0 || fstat(file, &about) != 0) {
        *problem = strerrordesc_np(errno);
        status = DL_IO;
    } else if (S_ISDIR(about.st_mode)) {
        *problem = "it is a directory";
        status = DL_IO;
    } else if (readable == REGULAR && !S_ISREG(about.st_mode)) {
        *problem = "it is not a regular file";
        status = DL_IO;
    }
    while (status == DL_OK && used <= bytes_max) {
        ssize_t got = read(file, data + used, bytes_max + 1 - used);
        if (got == 0)
            break;
        if (got > 0) {
            used += (size_t)got;
        } else if (errno != EINTR) {
            *problem = strerrordesc_np(errno);
            status = DL_IO;
        }
    }
    if (status == DL_OK && used > bytes_max) {
        *problem = "it is too large";
        status = DL_INVALID;
    }
    if (file >= 0)
        close(file);
    if (status != DL_OK) {
        if (data != NULL)
            explicit_bzero(data, used);
        free(data);
        return status;
    }
    data[used] = '\0';
    *text = data;
    *bytes = used;
    return DL_OK;
}

static enum dl_status load(struct dl_config **config, const char *path, enum readable readable, const char *const *sets,
                           size_t set_count, struct dl_config_errors *errors)
{
    *config = NULL;
    if (path == NULL)
        return dl_config_parse(config, "", 0, "defaults", sets, set_count, errors);
    char *text = NULL;
    size_t bytes = 0;
    const char *problem = NULL;
    enum dl_status status = read_file(path, readable, FILE_BYTES_MAX, &text, &bytes, &problem);
    if (status == DL_OK) {
        status = dl_config_parse(config, text, bytes, path, sets, set_count, errors);
        explicit_bzero(text, bytes);
        free(text);
    } else if (problem != NULL) {
        struct dl_report report = {.errors = errors, .source = path};
        dl_report_error(&report, 0, 0, "the file cannot be read: %s%s", problem,
                        status == DL_INVALID ? ", over 1 MiB; expected a configuration" : "");
    }
    return status;
}

enum dl_status dl_config_load(struct dl_config **config, const char *path, const char *const *sets, size_t set_count,
                              struct dl_config_errors *errors)
{
    return load(config, path, REGULAR_OR_PIPE, sets, set_count, errors);
}

enum dl_status dl_config_reload(struct dl_config **config, const char *path, const char *const *sets, size_t set_count,
                                struct dl_config_errors *errors)
{
    return load(config, path, REGULAR, sets, set_count, errors);
}

/* ---- What the service needs ---- */

static void require_readable(const struct dl_config *config, struct dl_config_errors *errors, const char *option, const char *path)
{
    char quoted[DL_QUOTE_SIZE];
    if (path == NULL)
        return;
    if (access(path, R_OK) != 0)
        dl_config_report_at(config, errors, false, option, "%s: the file %s cannot be read: %s", option, dl_config_quote(quoted, path),
                            strerrordesc_np(errno));
}

static enum dl_status read_secret(struct dl_config *config, const struct dl_config_property *property, struct dl_config_errors *errors)
{
    char *text = NULL, quoted[DL_QUOTE_SIZE];
    size_t bytes = 0;
    const char *problem = "it is not text";
    enum dl_status status = read_file(property->value, REGULAR, SECRET_BYTES_MAX, &text, &bytes, &problem);
    if (status == DL_OK && strlen(text) != bytes)
        status = DL_INVALID;
    if (status == DL_OK) {
        if (bytes > 0 && text[bytes - 1] == '\n')
            text[--bytes] = '\0';
        if (bytes > 0 && text[bytes - 1] == '\r')
            text[--bytes] = '\0';
        status = dl_properties_put(&config->kafka.effective, property->key, text);
    } else if (status != DL_MEMORY) {
        dl_config_report_at(config, errors, false, "kafka.properties_files", "kafka.properties_files: %s: the file %s cannot be read: %s",
                            property->key, dl_config_quote(quoted, property->value), problem);
    }
    if (text != NULL)
        explicit_bzero(text, bytes);
    free(text);
    return status == DL_MEMORY ? DL_MEMORY : DL_OK;
}

enum dl_status dl_config_require_service(struct dl_config *config, struct dl_config_errors *errors)
{
    size_t errors_before = errors->errors;
    enum dl_status status = DL_OK;
    DL_ASSERT(config->kafka.effective.count == 0);
    for (size_t i = 0; i < config->kafka.properties.count && status == DL_OK; i++)
        status = dl_properties_put(&config->kafka.effective, config->kafka.properties.item[i].key, config->kafka.properties.item[i].value);
    for (size_t i = 0; i < config->kafka.properties_files.count && status == DL_OK; i++)
        status = read_secret(config, &config->kafka.properties_files.item[i], errors);
    if (status != DL_OK)
        return status;
    bool brokers = false;
    for (size_t i = 0; i < config->kafka.effective.count; i++)
        brokers = brokers || strcmp(config->kafka.effective.item[i].key, "bootstrap.servers") == 0 ||
                  strcmp(config->kafka.effective.item[i].key, "metadata.broker.list") == 0;
    if (!brokers)
        dl_config_report_at(config, errors, false, "kafka.properties",
                            "kafka.properties: bootstrap.servers is missing; expected the brokers, as {bootstrap.servers: \"127.0.0.1:9092\"}");
    if (config->redis.url[0] == '\0')
        dl_config_report_at(config, errors, false, "redis.url", "redis.url is missing; expected as redis://127.0.0.1:6379/0");
    require_readable(config, errors, "redis.password_file", config->redis.password_file);
    require_readable(config, errors, "http.token_file", config->http.token_file);
    require_readable(config, errors, "redis.tls.ca_file", config->redis.tls_ca_file);
    require_readable(config, errors, "redis.tls.certificate_file", config->redis.tls_certificate_file);
    require_readable(config, errors, "redis.tls.key_file", config->redis.tls_key_file);
    return errors->errors == errors_before ? DL_OK : DL_INVALID;
}
