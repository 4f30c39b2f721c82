#include "http_inside.h"

#include <stdlib.h>
#include <string.h>

/* "/path?query", a line end, which neither has, and the Accept header. */
static bool same(const char *key, const char *uri, const char *accept)
{
    size_t bytes = strlen(uri);
    return strncmp(key, uri, bytes) == 0 && key[bytes] == '\n' && strcmp(key + bytes + 1, accept == NULL ? "" : accept) == 0;
}

static void forget(struct dl_http_kept *kept)
{
    if (kept->key == NULL)
        return;
    free(kept->key);
    MHD_destroy_response(kept->response);
    *kept = (struct dl_http_kept){.key = NULL};
}

struct MHD_Response *dl_http_kept_find(struct dl_http *http, const char *uri, const char *accept)
{
    for (size_t i = 0; i < DL_HTTP_KEPT_MAX; i++) {
        struct dl_http_kept *kept = &http->kept[i];
        if (kept->key == NULL || !same(kept->key, uri, accept))
            continue;
        if (dl_http_now(http) - kept->made_ms < DL_HTTP_KEPT_MS)
            return kept->response;
        forget(kept);
    }
    return NULL;
}

void dl_http_keep(struct dl_http *http, const struct dl_http_route *route, const char *uri, const char *accept,
                  struct MHD_Response *response)
{
    struct dl_http_kept *oldest = &http->kept[0];
    for (size_t i = 1; i < DL_HTTP_KEPT_MAX && oldest->key != NULL; i++)
        if (http->kept[i].key == NULL || http->kept[i].made_ms < oldest->made_ms)
            oldest = &http->kept[i];
    size_t uri_bytes = strlen(uri), accept_bytes = accept == NULL ? 0 : strlen(accept);
    char *key = calloc(1, uri_bytes + accept_bytes + 2);
    if (key == NULL) {
        MHD_destroy_response(response);
        return;
    }
    memcpy(key, uri, uri_bytes);
    key[uri_bytes] = '\n';
    if (accept_bytes > 0)
        memcpy(key + uri_bytes + 1, accept, accept_bytes);
    forget(oldest);
    *oldest = (struct dl_http_kept){.key = key, .route = route, .response = response, .made_ms = dl_http_now(http)};
}

void dl_http_kept_tick(struct dl_http *http)
{
    for (size_t i = 0; i < DL_HTTP_KEPT_MAX; i++)
        if (dl_http_now(http) - http->kept[i].made_ms >= DL_HTTP_KEPT_MS)
            forget(&http->kept[i]);
}

void dl_http_forget(struct dl_http *http)
{
    for (size_t i = 0; i < DL_HTTP_KEPT_MAX; i++)
        if (http->kept[i].key != NULL && http->kept[i].route->keep == DL_HTTP_KEEP_UNTIL_FORGOTTEN)
            forget(&http->kept[i]);
}

void dl_http_forget_all(struct dl_http *http)
{
    for (size_t i = 0; i < DL_HTTP_KEPT_MAX; i++)
        forget(&http->kept[i]);
}
