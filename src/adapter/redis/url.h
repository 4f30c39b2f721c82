/* Where Redis is, as one address. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DL_URL_HOST_SIZE = 256,
    DL_URL_PATH_SIZE = 108, /* of sun_path: libuv would cut a longer one silently */
    DL_URL_USER_SIZE = 256,
    DL_URL_PASSWORD_SIZE = 1024,
    DL_URL_ADDRESS_SIZE = DL_URL_HOST_SIZE + 16
};

struct dl_redis_url {
    bool tls;
    char host[DL_URL_HOST_SIZE]; /* empty: path is a unix socket */
    uint16_t port;
    char path[DL_URL_PATH_SIZE];
    char user[DL_URL_USER_SIZE];         /* empty: the default user */
    char password[DL_URL_PASSWORD_SIZE]; /* empty: none */
    int database;
};

/* NULL: good. Otherwise a static sentence that says what is wrong; it never
 * carries a part of the URL, which may hold a password. */
const char *dl_redis_url_parse(struct dl_redis_url *out, const char *url);
/* "host:port", "[::1]:port" or the path: what a note may show. */
void dl_redis_url_address(const struct dl_redis_url *url, char *out, size_t out_size);
