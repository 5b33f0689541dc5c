#include "broker/redis_url.h"

#include <curl/curl.h>

enum { PORT_DEFAULT = 6379, DB_MAX = 65535, URL_BYTES_MAX = 2048 };

static Status refuse(Error *reterr, const char *what)
{
    return error_set(reterr, STATUS_REFUSED,
                     "%s: expected redis://[user:password@]host[:port][/db] or unix:///path[?db=n]", what);
}

/* Copies a part, decoded; "" when there is none. A NUL in it would cut it short unseen: curl refuses %00 when it
 * decodes. */
static Status take(CURLU *parts, CURLUPart part, const char *name, char *ret_text, size_t size, Error *reterr)
{
    char *text = NULL;
    CURLUcode code = curl_url_get(parts, part, &text, part == CURLUPART_QUERY ? 0 : CURLU_URLDECODE);
    Status status = STATUS_OK;
    if (code == CURLUE_OK && strlen(text) < size) {
        memcpy(ret_text, text, strlen(text) + 1);
    } else if (code == CURLUE_OK) {
        status = error_set(reterr, STATUS_REFUSED, "its %s is longer than %zu bytes", name, size - 1);
    } else if (code == CURLUE_OUT_OF_MEMORY) {
        status = error_set(reterr, STATUS_BUSY, "out of memory");
    } else if (code == CURLUE_URLDECODE) {
        status = error_set(reterr, STATUS_REFUSED, "its %s has a byte that cannot be in one", name);
    } else {
        ret_text[0] = '\0';
    }
    curl_free(text);
    return status;
}

static Status parse_db(Str text, RedisUrl *url, Error *reterr)
{
    uint64_t db;
    if (!str_to_u64(text, DB_MAX, &db)) {
        return refuse(reterr, "the database is not a number");
    }
    url->db = (unsigned)db;
    return STATUS_OK;
}

static Status parse_unix(CURLU *parts, RedisUrl *url, Error *reterr)
{
    char query[32];
    Status status = take(parts, CURLUPART_PATH, "path", url->path, sizeof url->path, reterr);
    if (status == STATUS_OK) {
        status = take(parts, CURLUPART_QUERY, "query", query, sizeof query, reterr);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (strcmp(url->host, "localhost") != 0 || url->path[0] != '/' || !url->path[1]) {
        return refuse(reterr, "a Unix socket needs an absolute path");
    }
    Str rest = str_from(query);
    if (rest.len == 0) {
        return STATUS_OK;
    }
    return str_starts_with(rest, STR("db=")) ? parse_db((Str){rest.ptr + 3, rest.len - 3}, url, reterr)
                                             : refuse(reterr, "its query is not db=n");
}

static Status parse_port(CURLU *parts, RedisUrl *url, Error *reterr)
{
    char text[16];
    uint64_t port = PORT_DEFAULT;
    Status status = take(parts, CURLUPART_PORT, "port", text, sizeof text, reterr);
    if (status == STATUS_OK && text[0] && (!str_to_u64(str_from(text), 65535, &port) || port == 0)) {
        status = refuse(reterr, "its port is not a number from 1 to 65535");
    }
    url->port = (int)port;
    return status;
}

/* An IPv6 address comes with its brackets, which name it in URLs only. */
static void strip_brackets(char *host)
{
    size_t len = strlen(host);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        memmove(host, host + 1, len - 2);
        host[len - 2] = '\0';
    }
}

static Status parse_tcp(CURLU *parts, RedisUrl *url, Error *reterr)
{
    char path[32], query[32];
    Status status = parse_port(parts, url, reterr);
    if (status == STATUS_OK) {
        status = take(parts, CURLUPART_PATH, "path", path, sizeof path, reterr);
    }
    if (status == STATUS_OK) {
        status = take(parts, CURLUPART_QUERY, "query", query, sizeof query, reterr);
    }
    if (status != STATUS_OK) {
        return status;
    }
    strip_brackets(url->host);
    if (query[0]) {
        return refuse(reterr, "it has a query");
    }
    return path[0] == '\0' || strcmp(path, "/") == 0 ? STATUS_OK : parse_db(str_from(path + 1), url, reterr);
}

static Status parse_parts(CURLU *parts, RedisUrl *url, Error *reterr)
{
    char scheme[16], fragment[16];
    Status status = take(parts, CURLUPART_SCHEME, "scheme", scheme, sizeof scheme, reterr);
    if (status == STATUS_OK) {
        status = take(parts, CURLUPART_FRAGMENT, "fragment", fragment, sizeof fragment, reterr);
    }
    if (status == STATUS_OK) {
        status = take(parts, CURLUPART_HOST, "host", url->host, sizeof url->host, reterr);
    }
    if (status == STATUS_OK) {
        status = take(parts, CURLUPART_USER, "user", url->user, sizeof url->user, reterr);
    }
    if (status == STATUS_OK) {
        status = take(parts, CURLUPART_PASSWORD, "password", url->password, sizeof url->password, reterr);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (fragment[0]) {
        return refuse(reterr, "it has a fragment");
    }
    if (url->user[0] && !url->password[0]) {
        return refuse(reterr, "it has a user without a password");
    }
    if (strcmp(scheme, "unix") == 0) {
        return parse_unix(parts, url, reterr);
    }
    url->tls = strcmp(scheme, "rediss") == 0;
    return url->tls || strcmp(scheme, "redis") == 0 ? parse_tcp(parts, url, reterr)
                                                    : refuse(reterr, "its scheme is not redis, rediss or unix");
}

/* libcurl takes "x:///a/b" for a sloppy way to write "x://a/b". A Unix socket's URL, which names no host, gets the one
 * that it is on; one over TCP has to name its host. */
static Status name_host(const char *text, char ret_text[URL_BYTES_MAX], Error *reterr)
{
    const char *authority = strstr(text, "://");
    authority = authority ? authority + 3 : text;
    const char *end = authority + strcspn(authority, "/?#");
    bool is_unix = str_starts_with(str_from(text), STR("unix://"));
    bool has_host = end > authority && end[-1] != '@';
    if (!is_unix && !has_host) {
        return refuse(reterr, "it names no host");
    }
    int len = snprintf(ret_text, URL_BYTES_MAX, "%.*s%s%s", (int)(end - text), text, has_host ? "" : "localhost", end);
    return len < URL_BYTES_MAX ? STATUS_OK : refuse(reterr, "it is too long");
}

Status redis_url_parse(const char *text, RedisUrl *ret_url, Error *reterr)
{
    char whole[URL_BYTES_MAX];
    Status status = name_host(text, whole, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    CURLU *parts = curl_url();
    if (!parts) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    *ret_url = (RedisUrl){0};
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, whole, CURLU_NON_SUPPORT_SCHEME);
    status = code == CURLUE_OK              ? parse_parts(parts, ret_url, reterr)
             : code == CURLUE_OUT_OF_MEMORY ? error_set(reterr, STATUS_BUSY, "out of memory")
                                            : refuse(reterr, "not a URL");
    curl_url_cleanup(parts);
    return status;
}
