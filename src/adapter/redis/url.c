#include "url.h"

#include "redis.h"

#include <stdio.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum decoded { DECODED, DECODE_TOO_LONG, DECODE_BAD };

/* Percent-decodes [text, end) to a string. NUL cannot be part of one. */
static enum decoded decode(char *out, size_t out_size, const char *text, const char *end)
{
    size_t bytes = 0;
    while (text < end) {
        char c = *text++;
        if (c == '%') {
            if (end - text < 2)
                return DECODE_BAD;
            int high = hex_digit(text[0]), low = hex_digit(text[1]);
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return DECODE_BAD;
            c = (char)(high * 16 + low);
            text += 2;
        }
        if (bytes + 1 >= out_size)
            return DECODE_TOO_LONG;
        out[bytes++] = c;
    }
    out[bytes] = '\0';
    return DECODED;
}

/* First c in [text, end), or NULL. */
static const char *find(const char *text, const char *end, char c)
{
    for (; text < end; text++)
        if (*text == c)
            return text;
    return NULL;
}

/* Decimal digits only, up to max; false for anything else. */
static bool parse_number(const char *text, const char *end, long max, long *number)
{
    if (text == end || end - text > 9)
        return false;
    *number = 0;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return false;
        *number = *number * 10 + (*text - '0');
    }
    return *number <= max;
}

static const char *parse_credentials(struct dl_redis_url *out, const char *text, const char *end)
{
    const char *colon = find(text, end, ':');
    const char *user_end = colon ? colon : end;
    enum decoded user = decode(out->user, sizeof out->user, text, user_end);
    if (user == DECODE_BAD)
        return "the user name has a % that is not followed by two hexadecimal digits (a % itself is written %25)";
    if (user == DECODE_TOO_LONG)
        return "the user name is longer than 255 bytes";
    if (!colon)
        return user_end == text ? "there is an @ without a user name or password before it" : NULL;
    enum decoded password = decode(out->password, sizeof out->password, colon + 1, end);
    if (password == DECODE_BAD)
        return "the password has a % that is not followed by two hexadecimal digits (a % itself is written %25)";
    if (password == DECODE_TOO_LONG)
        return "the password is longer than 1023 bytes";
    if (!*out->password)
        return "the password is empty; leave out the colon, or the @ with all before it";
    return NULL;
}

static const char *parse_database(struct dl_redis_url *out, const char *text, const char *end)
{
    long number;
    if (!parse_number(text, end, 1000000, &number))
        return "the database is not a number from 0";
    out->database = (int)number;
    return NULL;
}

static const char *parse_host(struct dl_redis_url *out, const char *text, const char *end)
{
    const char *host = text, *host_end;
    const char *port = NULL;
    if (text < end && *text == '[') {
        host = text + 1;
        host_end = find(host, end, ']');
        if (!host_end)
            return "the IPv6 address lacks its closing bracket";
        if (host_end + 1 < end && host_end[1] != ':')
            return "there is text between the IPv6 address and the port";
        if (host_end + 1 < end)
            port = host_end + 2;
    } else {
        const char *colon = find(text, end, ':');
        host_end = colon ? colon : end;
        if (colon)
            port = colon + 1;
        if (port && find(port, end, ':'))
            return "an IPv6 address stands in brackets: redis://[::1]:6379";
    }
    if (host == host_end)
        return "the host is missing";
    enum decoded decoded = decode(out->host, sizeof out->host, host, host_end);
    if (decoded == DECODE_TOO_LONG)
        return "the host name is longer than 255 bytes";
    if (decoded == DECODE_BAD)
        return "the host name has a % that is not followed by two hexadecimal digits";
    for (const char *c = out->host; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '@' || *c == '/')
            return "the host name holds a character that no host name has";
    out->port = 6379;
    if (port) {
        long number;
        if (!parse_number(port, end, 65535, &number) || number == 0)
            return "the port is not a number from 1 to 65535";
        out->port = (uint16_t)number;
    }
    return NULL;
}

static const char *parse_local(struct dl_redis_url *out, const char *text, const char *end)
{
    const char *slash = find(text, end, '/');
    /* An @ after the first slash is part of the path. */
    const char *before = slash ? slash : end;
    const char *at = NULL;
    for (const char *c = text; c < before; c++)
        if (*c == '@')
            at = c;
    if (at) {
        const char *wrong = parse_credentials(out, text, at);
        if (wrong)
            return wrong;
        text = at + 1;
    }
    if (text == end || *text != '/')
        return "the socket's path must be absolute: unix:///run/redis/redis.sock";
    const char *query = find(text, end, '?');
    if (query) {
        if (end - query < 4 || strncmp(query, "?db=", 4) != 0)
            return "after the ? of a unix URL only db=NUMBER may stand";
        const char *wrong = parse_database(out, query + 4, end);
        if (wrong)
            return wrong;
        end = query;
    }
    enum decoded decoded = decode(out->path, sizeof out->path, text, end);
    if (decoded == DECODE_TOO_LONG)
        return "the socket's path is longer than 107 bytes, the system's limit";
    if (decoded == DECODE_BAD)
        return "the socket's path has a % that is not followed by two hexadecimal digits (a % itself is written %25)";
    return NULL;
}

const char *dl_redis_url_parse(struct dl_redis_url *out, const char *url)
{
    *out = (struct dl_redis_url){.database = 0};
    if (!url || !*url)
        return "it is empty; expected redis://HOST[:PORT][/DB], rediss://… or unix:///PATH[?db=N]";
    const char *end = url + strlen(url);
    if (strncmp(url, "unix://", 7) == 0)
        return parse_local(out, url + 7, end);
    if (strncmp(url, "rediss://", 9) == 0)
        out->tls = true;
    else if (strncmp(url, "redis://", 8) != 0)
        return "expected redis://HOST[:PORT][/DB], rediss://… or unix:///PATH[?db=N]";
    const char *text = url + (out->tls ? 9 : 8);
    if (strpbrk(text, "?#"))
        return "a ? or # has no meaning here (in a password they are written %3F and %23)";

    /* The last @ ends the credentials, so that an @ in a password does little harm. */
    const char *at = strrchr(text, '@');
    if (at) {
        const char *wrong = parse_credentials(out, text, at);
        if (wrong)
            return wrong;
        text = at + 1;
    }
    const char *slash = strchr(text, '/');
    const char *wrong = parse_host(out, text, slash ? slash : end);
    if (wrong)
        return wrong;
    if (slash && slash + 1 < end)
        return parse_database(out, slash + 1, end);
    return NULL;
}

const char *dl_redis_url_check(const char *url)
{
    struct dl_redis_url parsed;
    const char *wrong = dl_redis_url_parse(&parsed, url);
    explicit_bzero(&parsed, sizeof parsed);
    return wrong;
}

void dl_redis_url_address(const struct dl_redis_url *url, char *out, size_t out_size)
{
    if (!*url->host)
        snprintf(out, out_size, "%s", url->path);
    else if (strchr(url->host, ':'))
        snprintf(out, out_size, "[%s]:%u", url->host, url->port);
    else
        snprintf(out, out_size, "%s:%u", url->host, url->port);
}
