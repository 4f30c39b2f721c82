/* Any bytes as a configuration: refused with a place, or loaded, printed and
 * loaded again to the same values. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void on_difference(void *context, const char *path, bool reloadable)
{
    (void)context, (void)reloadable;
    /* These two hide their secrets in what is printed. */
    DL_ASSERT(strcmp(path, "kafka.properties") == 0 || strcmp(path, "redis.url") == 0);
}

static void check_errors(const struct dl_config_errors *errors)
{
    char text[65536];
    FILE *out = fmemopen(text, sizeof text, "w");
    DL_ASSERT(out != NULL);
    dl_config_errors_print(errors, out);
    DL_ASSERT(fclose(out) == 0);
    for (size_t i = 0; i < errors->count; i++)
        DL_ASSERT(errors->item[i].text[0] != '\0' && errors->item[i].line >= 0 && errors->item[i].column >= 0);
}

static void check_print(const struct dl_config *config)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    DL_ASSERT(out != NULL);
    dl_config_print(config, out);
    DL_ASSERT(fclose(out) == 0);
    struct dl_config *again = NULL;
    struct dl_config_errors errors = {0};
    enum dl_status status = dl_config_parse(&again, text, bytes, "printed", NULL, 0, &errors);
    if (status != DL_OK) {
        fputs(text, stderr);
        dl_config_errors_print(&errors, stderr);
    }
    DL_ASSERT(status == DL_OK);
    dl_config_compare(config, again, on_difference, NULL);
    dl_config_destroy(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct dl_config *config = NULL;
    struct dl_config_errors errors = {0};
    /* The first line, when it begins so, is a --set. */
    char set[256];
    const char *sets[] = {set};
    size_t set_count = 0;
    if (bytes > 2 && data[0] == '-' && data[1] == '-') {
        const uint8_t *end = memchr(data, '\n', bytes);
        size_t length = end != NULL ? (size_t)(end - data) : bytes;
        if (length < sizeof set) {
            memcpy(set, data + 2, length - 2);
            set[length - 2] = '\0';
            set_count = 1;
        }
        data += length;
        bytes -= length;
    }
    enum dl_status status = dl_config_parse(&config, (const char *)data, bytes, "fuzz", sets, set_count, &errors);
    DL_ASSERT((status == DL_OK) == (config != NULL));
    DL_ASSERT((status == DL_OK) == (errors.errors == 0));
    check_errors(&errors);
    if (status == DL_OK) {
        DL_ASSERT(config->windows.count >= 1 && config->windows.count <= DL_WINDOWS_MAX);
        DL_ASSERT(config->segments.count <= DL_SEGMENTS_MAX);
        check_print(config);
    }
    dl_config_destroy(config);
    return 0;
}
