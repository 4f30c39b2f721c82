#include "http_inside.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static const char json[] = "application/json";

const char *dl_http_argument(const struct dl_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *dl_http_header(const struct dl_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* ---- Answers ---- */

bool dl_http_add_headers(struct MHD_Response *response, const char *content_type, const char *etag)
{
    const struct {
        const char *name, *value;
    } rows[] = {
        {"Content-Type", content_type},
        {"Cache-Control", etag == NULL ? "no-store" : "no-cache"}, /* may be kept; is asked for again each time */
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
         "form-action 'none'; frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (MHD_add_response_header(response, rows[i].name, rows[i].value) != MHD_YES)
            return false;
    return etag == NULL || MHD_add_response_header(response, "ETag", etag) == MHD_YES;
}

/* NULL: none, for want of memory. */
static struct dl_http_connection *connection_of(struct MHD_Connection *handle)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

/* The response stays the caller's, too. */
static enum MHD_Result share(struct dl_http *http, struct MHD_Connection *connection, unsigned status, struct MHD_Response *response)
{
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    http->counts.requests += result == MHD_YES;
    return result;
}

/* Takes the response; without one, or with headers that found no memory, the connection is closed. */
static enum MHD_Result queue_tagged(struct dl_http *http, struct MHD_Connection *connection, unsigned status,
                                    struct MHD_Response *response, const char *content_type, const char *etag)
{
    enum MHD_Result result = MHD_NO;
    if (response == NULL)
        return MHD_NO;
    if (dl_http_add_headers(response, content_type, etag))
        result = share(http, connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result queue(struct dl_http *http, struct MHD_Connection *connection, unsigned status,
                             struct MHD_Response *response, const char *content_type)
{
    return queue_tagged(http, connection, status, response, content_type, NULL);
}

static enum MHD_Result queue_text(struct dl_http *http, struct MHD_Connection *connection, unsigned status, const char *header,
                                  const char *value, const char *body)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(body), (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
    if (response != NULL && header != NULL && MHD_add_response_header(response, header, value) != MHD_YES) {
        MHD_destroy_response(response);
        return MHD_NO;
    }
    return queue(http, connection, status, response, json);
}

static enum MHD_Result refuse(struct dl_http *http, struct MHD_Connection *connection, unsigned status, const char *header,
                              const char *value, const char *error)
{
    char body[512];
    snprintf(body, sizeof body, "{\"error\":\"%s\"}\n", error);
    http->counts.refused++;
    return queue_text(http, connection, status, header, value, body);
}

/* ---- Who may ask ---- */

/* A page of another site can make its own name stand for this address, and then
 * read what is here (DNS rebinding); the Host header has that name. An address
 * as such is nobody's name. */
static bool host_known(const struct dl_http *http, const char *header)
{
    char host[256];
    size_t bytes = header[0] == '[' ? strcspn(header, "]") : strcspn(header, ":");
    bool bracketed = header[0] == '[' && header[bytes] == ']';
    const char *rest = header + bytes + bracketed;
    if (bytes == 0 || bytes >= sizeof host || (rest[0] != '\0' && (rest[0] != ':' || strspn(rest + 1, "0123456789") != strlen(rest + 1))))
        return false;
    snprintf(host, sizeof host, "%.*s", (int)(bytes - bracketed), header + bracketed);
    unsigned char address[sizeof(struct in6_addr)];
    if (bracketed)
        return inet_pton(AF_INET6, host, address) == 1;
    if (inet_pton(AF_INET, host, address) == 1 || strcasecmp(host, "localhost") == 0 || strcasecmp(host, http->address.host) == 0)
        return true;
    for (size_t i = 0; i < http->options.host_count; i++)
        if (strcasecmp(host, http->options.hosts[i]) == 0)
            return true;
    return false;
}

/* As long for a right beginning as for a wrong one. */
static bool same(const char *given, const char *token)
{
    size_t bytes = strlen(token);
    if (strlen(given) != bytes)
        return false;
    volatile unsigned char differs = 0;
    for (size_t i = 0; i < bytes; i++)
        differs = (unsigned char)(differs | ((unsigned char)given[i] ^ (unsigned char)token[i]));
    return differs == 0;
}

static bool token_known(const struct dl_http *http, struct MHD_Connection *connection)
{
    static const char scheme[] = "Bearer ";
    const char *given = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    if (http->token == NULL)
        return true;
    return given != NULL && strncasecmp(given, scheme, sizeof scheme - 1) == 0 && same(given + sizeof scheme - 1, http->token);
}

/* ---- Routes ---- */

static enum MHD_Result answer_stream(struct dl_http *http, struct MHD_Connection *handle, bool head)
{
    static const char content_type[] = "text/event-stream";
    struct dl_http_connection *connection = connection_of(handle);
    if (connection == NULL)
        return MHD_NO;
    if (head)
        return queue(http, handle, MHD_HTTP_OK, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT), content_type);
    if (http->counts.streams >= (int64_t)http->options.streams_max)
        return queue_text(http, handle, MHD_HTTP_SERVICE_UNAVAILABLE, "Retry-After", "5",
                          "{\"error\":\"as many streams are open as http.streams allows\"}\n");
    return queue(http, handle, MHD_HTTP_OK, dl_http_stream_open(http, connection, handle), content_type);
}

static enum MHD_Result answer_bytes(struct dl_http *http, struct MHD_Connection *connection, const struct dl_http_route *route)
{
    /* "a", W/"b" or *; a tag has its quotes, so that none is a part of another. */
    const char *known = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "If-None-Match");
    bool same_bytes = route->etag != NULL && known != NULL && (strstr(known, route->etag) != NULL || strcmp(known, "*") == 0);
    struct MHD_Response *response = MHD_create_response_from_buffer(route->byte_count, (void *)(uintptr_t)route->bytes, MHD_RESPMEM_PERSISTENT);
    return queue_tagged(http, connection, same_bytes ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response, route->content_type, route->etag);
}

struct body {
    struct dl_http *http;
    char *data;
    size_t bytes;
};

/* Nobody is sent it any more, and it is not kept. */
static void on_body_free(void *context)
{
    struct body *body = context;
    body->http->counts.body_bytes -= (int64_t)body->bytes;
    free(body->data);
    free(body);
}

/* Takes the data. NULL: out of memory. */
static struct MHD_Response *hold(struct dl_http *http, char *data, size_t bytes)
{
    struct body *body = malloc(sizeof *body);
    struct MHD_Response *response =
        body == NULL ? NULL : MHD_create_response_from_buffer_with_free_callback_cls(bytes, data, on_body_free, body);
    if (response == NULL) {
        free(body);
        free(data);
        return NULL;
    }
    *body = (struct body){http, data, bytes};
    http->counts.body_bytes += (int64_t)bytes;
    return response;
}

/* Who asks for much and reads it slowly must not have all memory. What is kept for nobody yet goes first. */
static bool bodies_are_many(struct dl_http *http)
{
    const int64_t bytes_max = (int64_t)http->options.body_bytes_max;
    if (http->counts.body_bytes >= bytes_max)
        dl_http_forget_all(http);
    return http->counts.body_bytes >= bytes_max;
}

static enum MHD_Result answer(struct dl_http *http, const struct dl_http_request *request, const struct dl_http_route *route)
{
    struct MHD_Connection *connection = request->connection;
    const char *accept = dl_http_header(request, "Accept");
    struct MHD_Response *response = route->keep == DL_HTTP_KEEP_NOT ? NULL : dl_http_kept_find(http, request->uri, accept);
    if (response != NULL) {
        http->counts.kept++;
        return share(http, connection, MHD_HTTP_OK, response);
    }
    if (!route->open && bodies_are_many(http)) /* an open one is health, and small: a supervisor must not be misled */
        return queue_text(http, connection, MHD_HTTP_SERVICE_UNAVAILABLE, "Retry-After", "5",
                          "{\"error\":\"too many answers are still being read\"}\n");
    struct dl_http_answer made = {.status = MHD_HTTP_OK, .content_type = json};
    route->answer(http->options.context, request, &made);
    if (made.body == NULL)
        return queue_text(http, connection, MHD_HTTP_SERVICE_UNAVAILABLE, NULL, NULL, "{\"error\":\"out of memory\"}\n");
    response = hold(http, made.body, made.body_bytes);
    if (route->keep == DL_HTTP_KEEP_NOT || made.status != MHD_HTTP_OK || response == NULL)
        return queue(http, connection, made.status, response, made.content_type);
    if (!dl_http_add_headers(response, made.content_type, NULL)) {
        MHD_destroy_response(response);
        return MHD_NO;
    }
    enum MHD_Result result = share(http, connection, made.status, response);
    dl_http_keep(http, route, request->uri, accept, response);
    return result;
}

/* ---- The query ---- */

/* Of one request; libmicrohttpd 0.9.75 has no room for some hundred more, and closes without a word. */
enum { ARGUMENTS_MAX = 64 };

struct query {
    const char *const *parameters; /* what the route knows */
    uint64_t seen;                 /* of them, by place */
    char fault[384];               /* "": none; fit for a JSON string */
};

static void tell_parameters(struct query *query)
{
    size_t used = strlen(query->fault);
    for (size_t i = 0; query->parameters[i] != NULL && used < sizeof query->fault; i++)
        used += (size_t)snprintf(query->fault + used, sizeof query->fault - used, "%s%s", i == 0 ? "; expected " : ", ", query->parameters[i]);
}

static enum MHD_Result on_argument(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct query *query = context;
    char shown[64];
    snprintf(shown, sizeof shown, "%s", name == NULL ? "" : name);
    for (char *letter = shown; *letter != '\0'; letter++)
        if (*letter < ' ' || *letter > '~' || *letter == '"' || *letter == '\\')
            *letter = '?';
    size_t i = 0;
    while (query->parameters[i] != NULL && (name == NULL || strcmp(query->parameters[i], name) != 0))
        i++;
    if (query->parameters[i] == NULL) {
        snprintf(query->fault, sizeof query->fault, "unknown parameter: %s", shown);
        tell_parameters(query);
    } else if ((query->seen >> i & 1) != 0) {
        snprintf(query->fault, sizeof query->fault, "%s: given twice", shown);
    } else if (value == NULL) {
        snprintf(query->fault, sizeof query->fault, "%s: expected a value, as %s=…", shown, shown);
    }
    query->seen |= UINT64_C(1) << i;
    return query->fault[0] == '\0' ? MHD_YES : MHD_NO;
}

/* route NULL: there is no such path. */
static void check_query(const struct dl_http_request *request, const struct dl_http_route *route, struct query *query)
{
    *query = (struct query){.parameters = route == NULL ? NULL : route->parameters};
    if (strstr(request->uri, "%00") != NULL) /* what is behind it would not be seen */
        snprintf(query->fault, sizeof query->fault, "the address holds a NUL byte, %%00");
    else if (query->parameters != NULL)
        (void)MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, on_argument, query);
}

static bool arguments_are_many(const char *uri)
{
    size_t count = 1;
    for (const char *letter = strchr(uri, '?'); letter != NULL && *letter != '\0'; letter++)
        count += *letter == '&';
    return count > ARGUMENTS_MAX;
}

/* Past libmicrohttpd, which has not read the query yet, and would find no room for its own answer either. */
static void refuse_arguments(struct dl_http_connection *connection)
{
    static const char answer[] = "HTTP/1.1 414 URI Too Long\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
                                 "Cache-Control: no-store\r\nConnection: close\r\n\r\n{\"error\":\"more than 64 parameters\"}\n";
    connection->http->counts.requests++;
    connection->http->counts.refused++;
    connection->dropped = true;
    (void)send(connection->fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(connection->fd, SHUT_RDWR);
}

static const struct dl_http_route *find_route(const struct dl_http *http, const char *path)
{
    const struct dl_http_route *route = http->options.routes;
    while (route->path != NULL && strcmp(route->path, path) != 0)
        route++;
    return route->path == NULL ? NULL : route;
}

void *dl_http_on_uri(void *context, const char *uri, struct MHD_Connection *connection)
{
    struct dl_http_connection *asking = connection_of(connection);
    if (asking != NULL) /* the silence is over: the request has its own time */
        asking->since_ms = dl_http_now(context);
    if (asking != NULL && arguments_are_many(uri)) {
        refuse_arguments(asking);
        return NULL;
    }
    size_t bytes = strlen(uri) + 1;
    struct dl_http_request *request = malloc(sizeof *request + bytes);
    if (request == NULL)
        return NULL;
    *request = (struct dl_http_request){.connection = connection};
    memcpy(request->uri, uri, bytes);
    return request;
}

enum MHD_Result dl_http_on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                   const char *version, const char *upload, size_t *upload_bytes, void **begun)
{
    struct dl_http *http = context;
    struct dl_http_request *request = *begun;
    (void)version, (void)upload;
    bool head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (!head && strcmp(method, MHD_HTTP_METHOD_GET) != 0)
        return refuse(http, connection, MHD_HTTP_METHOD_NOT_ALLOWED, "Allow", "GET, HEAD", "only GET and HEAD are served");
    if (request == NULL)
        return MHD_NO; /* out of memory, or refused already */
    if (!request->seen) { /* an answer now would end the connection behind it */
        request->seen = true;
        return MHD_YES;
    }
    if (*upload_bytes > 0) { /* a body means nothing here */
        *upload_bytes = 0;
        return MHD_YES;
    }
    struct dl_http_connection *asking = connection_of(connection);
    if (asking != NULL && dl_http_wait_turn(asking, connection))
        return MHD_YES;
    if (asking != NULL && asking->dropped)
        return MHD_NO; /* it waited for too long */
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
    if (!http->address.local && host == NULL)
        return refuse(http, connection, MHD_HTTP_BAD_REQUEST, NULL, NULL, "a Host header is expected");
    if (!http->address.local && !host_known(http, host))
        return refuse(http, connection, MHD_HTTP_MISDIRECTED_REQUEST, NULL, NULL, "this host name is not served; see http.hosts");
    const struct dl_http_route *route = find_route(http, url);
    if (!(route != NULL && route->open) && !token_known(http, connection))
        return refuse(http, connection, MHD_HTTP_UNAUTHORIZED, "WWW-Authenticate", "Bearer realm=\"delightd\"",
                      "the bearer token of http.token_file is expected");
    struct query query;
    check_query(request, route, &query);
    if (query.fault[0] != '\0')
        return refuse(http, connection, MHD_HTTP_BAD_REQUEST, NULL, NULL, query.fault);
    if (route == NULL)
        return queue_text(http, connection, MHD_HTTP_NOT_FOUND, NULL, NULL, http->not_found);
    if (route->stream)
        return answer_stream(http, connection, head);
    return route->bytes != NULL ? answer_bytes(http, connection, route) : answer(http, request, route);
}
