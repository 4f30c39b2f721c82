/* Help for the tests of the configuration. */
#pragma once

#include "schema.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct dl_config_errors errors;

static inline struct dl_config *parse(const char *text, enum dl_status expected)
{
    struct dl_config *config = NULL;
    errors = (struct dl_config_errors){0};
    /* In memory of its own size, so that a sanitizer sees a read past the end. */
    size_t bytes = strlen(text);
    char *copy = malloc(bytes > 0 ? bytes : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, bytes);
    enum dl_status status = dl_config_parse(&config, copy, bytes, "f", NULL, 0, &errors);
    free(copy);
    if (status != expected)
        dl_config_errors_print(&errors, stderr);
    ck_assert_msg(status == expected, "%s\n%s, not %s", text, dl_status_text(status), dl_status_text(expected));
    ck_assert((config != NULL) == (status == DL_OK));
    return config;
}

static inline struct dl_config *parse_sets(const char *const *sets, size_t count, enum dl_status expected)
{
    struct dl_config *config = NULL;
    errors = (struct dl_config_errors){0};
    enum dl_status status = dl_config_load(&config, NULL, sets, count, &errors);
    if (status != expected)
        dl_config_errors_print(&errors, stderr);
    ck_assert_msg(status == expected, "--set %s: %s, not %s", sets[0], dl_status_text(status), dl_status_text(expected));
    ck_assert((config != NULL) == (status == DL_OK));
    return config;
}

static inline char *text_of(void (*print)(const void *, FILE *), const void *what)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    ck_assert_ptr_nonnull(out);
    print(what, out);
    ck_assert_int_eq(fclose(out), 0);
    return text;
}

static inline void print_config(const void *config, FILE *out)
{
    dl_config_print(config, out);
}

static inline void print_errors(const void *list, FILE *out)
{
    dl_config_errors_print(list, out);
}
