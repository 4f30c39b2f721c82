#include "http_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 128, UNACKNOWLEDGED_MS = 30000 };

static const char expected[] = "an IP address with a port, as 127.0.0.1:9464 or [::1]:9464, or unix:/path of at most 107 bytes";

static bool parse_port(const char *text, uint16_t *port)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

static const char *parse_local(const char *path, struct dl_http_address *address)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    size_t bytes = strlen(path);
    if (path[0] != '/' || bytes >= sizeof local.sun_path)
        return expected;
    memcpy(local.sun_path, path, bytes + 1);
    memcpy(&address->address, &local, sizeof local);
    address->address_bytes = sizeof local;
    address->local = true;
    return NULL;
}

const char *dl_http_address_parse(const char *text, struct dl_http_address *address)
{
    *address = (struct dl_http_address){.local = false};
    if (strncmp(text, "unix:", strlen("unix:")) == 0)
        return parse_local(text + strlen("unix:"), address);
    const char *colon = strrchr(text, ':');
    size_t bytes = colon == NULL ? 0 : (size_t)(colon - text);
    uint16_t port;
    if (bytes == 0 || bytes + 1 > sizeof address->host || !parse_port(colon + 1, &port))
        return expected;
    bool bracketed = text[0] == '[' && text[bytes - 1] == ']';
    snprintf(address->host, sizeof address->host, "%.*s", (int)(bracketed ? bytes - 2 : bytes), bracketed ? text + 1 : text);
    const char *host = strcmp(address->host, "localhost") == 0 ? "127.0.0.1" : address->host;
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (!bracketed && inet_pton(AF_INET, host, &four.sin_addr) == 1) {
        memcpy(&address->address, &four, sizeof four);
        address->address_bytes = sizeof four;
        return NULL;
    }
    if (bracketed && inet_pton(AF_INET6, host, &six.sin6_addr) == 1) {
        memcpy(&address->address, &six, sizeof six);
        address->address_bytes = sizeof six;
        return NULL;
    }
    return expected;
}

const char *dl_http_listen_check(const char *listen)
{
    struct dl_http_address address;
    return dl_http_address_parse(listen, &address);
}

/* ---- Listening ---- */

/* A socket file outlives a process that was killed. */
static void remove_stale(const struct dl_http_address *address)
{
    const struct sockaddr_un *local = (const struct sockaddr_un *)(const void *)&address->address;
    struct stat about;
    if (lstat(local->sun_path, &about) != 0 || !S_ISSOCK(about.st_mode))
        return;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return;
    if (connect(probe, (const struct sockaddr *)&address->address, address->address_bytes) != 0 && errno == ECONNREFUSED)
        (void)unlink(local->sun_path);
    close(probe);
}

static bool configure(int fd, const struct dl_http_address *address)
{
    const int yes = 1;
    const unsigned int unacknowledged_ms = UNACKNOWLEDGED_MS;
    if (address->local)
        return true;
    bool good = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0;
    /* A peer that has vanished does not hold its connection for the quarter of an hour that is usual. */
    return setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms) == 0 && good;
}

/* Who may connect: the service's user and group, whatever its umask is. */
static bool let_group(const struct dl_http_address *address)
{
    const struct sockaddr_un *local = (const struct sockaddr_un *)(const void *)&address->address;
    return !address->local || chmod(local->sun_path, S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) == 0;
}

int dl_http_listen(const struct dl_http_address *address)
{
    if (address->local)
        remove_stale(address);
    int fd = socket(address->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (configure(fd, address) && bind(fd, (const struct sockaddr *)&address->address, address->address_bytes) == 0 &&
        let_group(address) && listen(fd, BACKLOG) == 0)
        return fd;
    int fault = errno;
    close(fd);
    errno = fault;
    return -1;
}

/* ---- The token ---- */

static const char *token_fault(const char *token, size_t bytes)
{
    if (bytes < DL_HTTP_TOKEN_BYTES_MIN || bytes > DL_HTTP_TOKEN_BYTES_MAX)
        return "expected a token of 16 to 1024 characters";
    for (size_t i = 0; i < bytes; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return "expected printable ASCII without spaces";
    return NULL;
}

/* NULL: *token is what the file holds. Otherwise what is wrong with it. */
static const char *read_token(const char *path, char **token)
{
    enum { ROOM = DL_HTTP_TOKEN_BYTES_MAX + 3 }; /* a line end, and one too many */
    struct stat about;
    char *text = calloc(1, ROOM);
    if (text == NULL)
        return strerrordesc_np(ENOMEM);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* of a FIFO that nobody writes, too, it comes back */
    ssize_t got = file < 0 || fstat(file, &about) != 0 ? -1 : S_ISREG(about.st_mode) ? read(file, text, ROOM - 1) : 0;
    const char *fault = got < 0 ? strerrordesc_np(errno) : S_ISREG(about.st_mode) ? NULL : "expected a regular file";
    if (file >= 0)
        close(file);
    if (fault == NULL) {
        size_t bytes = strcspn(text, "\r\n");
        bool one_line = text[bytes + strspn(text + bytes, "\r\n")] == '\0' && strlen(text) == (size_t)got;
        text[bytes] = '\0';
        fault = one_line ? token_fault(text, bytes) : "expected one line";
    }
    if (fault == NULL) {
        *token = text;
        return NULL;
    }
    explicit_bzero(text, ROOM);
    free(text);
    return fault;
}

void dl_http_free_token(char *token)
{
    if (token != NULL)
        explicit_bzero(token, strlen(token));
    free(token);
}

const char *dl_http_token_check(const char *path)
{
    char *token = NULL;
    const char *fault = read_token(path, &token);
    dl_http_free_token(token);
    return fault;
}

enum dl_status dl_http_read_token(const char *path, char **token, struct dl_note_sink *notes)
{
    const char *fault = read_token(path, token);
    if (fault == NULL)
        return DL_OK;
    dl_note(notes, DL_NOTE_ERROR, "http.token_file cannot be used", DL_TEXT("file", path), DL_TEXT("reason", fault));
    return DL_INVALID;
}
