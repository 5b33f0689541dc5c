#include "cli/client.h"

#include <curl/curl.h>
#include <yyjson.h>

enum { URL_BYTES_MAX = 65536, SECOND_US = 1000000, CONNECT_SECONDS = 10 };

struct Client {
    CURL *curl;
    char *base; /* without a slash at its end */
    Buf url;
    Buf problem; /* the body of an answer that is not 2xx */
    const ClientCall *call;
    bool stopped; /* by the sink */
    char error[CURL_ERROR_SIZE];
};

static bool is_url(const char *url) { return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0; }

/* A proxy of the environment is for other machines. */
static bool is_here(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    return strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]", 5) == 0 || strncmp(host, "localhost", 9) == 0;
}

Status client_open(const char *url, Client **ret_client, Error *reterr)
{
    if (!is_url(url)) {
        return error_set(reterr, STATUS_REFUSED, "\"%s\" is not a URL like http://127.0.0.1:8080", url);
    }
    Client *client = calloc(1, sizeof *client);
    if (!client || !(client->base = strdup(url)) || !(client->curl = curl_easy_init())) {
        client_close(client);
        return error_set(reterr, STATUS_BUSY, "no memory for a client");
    }
    for (size_t len = strlen(client->base); len > 0 && client->base[len - 1] == '/'; len--) {
        client->base[len - 1] = '\0';
    }
    buf_init(&client->url, URL_BYTES_MAX);
    buf_init(&client->problem, CLIENT_PROBLEM_BYTES_MAX);
    *ret_client = client;
    return STATUS_OK;
}

void client_close(Client *client)
{
    if (client) {
        curl_easy_cleanup(client->curl);
        buf_release(&client->url);
        buf_release(&client->problem);
        free(client->base);
        free(client);
    }
}

/* ---- What goes out ----------------------------------------------------------------------------------------------- */

static bool is_unreserved(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || strchr("-._~", c);
}

/* RFC 3986, section 2.1. */
void client_put_encoded(Buf *url, Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c && is_unreserved(c)) {
            buf_put_char(url, (char)c);
        } else {
            buf_printf(url, "%%%02X", c);
        }
    }
}

static Status put_url(Client *client, const ClientCall *call, Error *reterr)
{
    Buf *url = &client->url;
    buf_reset(url);
    buf_printf(url, "%s%s", client->base, call->path);
    for (size_t i = 0; i < call->param_count; i++) {
        buf_put_char(url, i ? '&' : '?');
        client_put_encoded(url, call->params[i].name);
        buf_put_char(url, '=');
        client_put_encoded(url, call->params[i].value);
    }
    buf_put_char(url, '\0');
    return url->failed ? error_set(reterr, STATUS_REFUSED, "the parameters are too long") : STATUS_OK;
}

/* NULL also when there are no headers to send. */
static struct curl_slist *make_headers(const ClientCall *call)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:"); /* no 100-continue: it costs a round trip */
    char line[512];
    if (call->accept) {
        snprintf(line, sizeof line, "Accept: %s", call->accept);
        headers = curl_slist_append(headers, line);
    }
    if (call->content_type) {
        snprintf(line, sizeof line, "Content-Type: %s", call->content_type);
        headers = curl_slist_append(headers, line);
    }
    if (call->idempotency_key) {
        snprintf(line, sizeof line, "Idempotency-Key: %s", call->idempotency_key);
        headers = curl_slist_append(headers, line);
    }
    return headers;
}

/* ---- What comes back --------------------------------------------------------------------------------------------- */

static size_t take_piece(char *ptr, size_t size, size_t count, void *self)
{
    Client *client = self;
    Str piece = {ptr, size * count};
    long code = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code / 100 != 2) {
        buf_put(&client->problem, piece);
    } else if (client->call->sink && !client->call->sink(client->call->context, piece)) {
        client->stopped = true;
        return 0; /* ends the transfer */
    }
    return piece.len;
}

static Str json_text(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    return (Str){yyjson_get_str(value), yyjson_get_len(value)};
}

static void put_field_errors(Buf *text, yyjson_val *errors)
{
    size_t index, count, at, problems;
    yyjson_val *field, *list, *problem;
    yyjson_obj_foreach(errors, index, count, field, list)
    {
        yyjson_arr_foreach(list, at, problems, problem)
        {
            buf_printf(text, "%s%.*s %s", text->len ? "; " : "", (int)yyjson_get_len(field), yyjson_get_str(field),
                       yyjson_get_str(problem) ? yyjson_get_str(problem) : "");
        }
    }
}

/* 502 and 504 are a proxy's: what the server behind it did is not known. */
static Status status_of(long code)
{
    switch (code) {
    case 409: return STATUS_CONFLICT;
    case 429:
    case 503: return STATUS_BUSY;
    case 502:
    case 504: return STATUS_UNKNOWN;
    default: return code >= 400 && code < 500 ? STATUS_REFUSED : STATUS_BROKEN;
    }
}

void client_put_field_errors(Buf *text, Str errors)
{
    yyjson_read_err problem = {0};
    yyjson_doc *document =
        errors.len ? yyjson_read_opts((char *)(uintptr_t)errors.ptr, errors.len, 0, NULL, &problem) : NULL;
    if (problem.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        text->failed = text->no_memory = true;
    }
    put_field_errors(text, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
}

void client_describe_problem(long code, Str body, Error *reterr)
{
    yyjson_doc *document = body.len ? yyjson_read(body.ptr, body.len, 0) : NULL;
    yyjson_val *root = yyjson_doc_get_root(document);
    Buf text;
    buf_init(&text, ERROR_MESSAGE_BYTES_MAX);
    put_field_errors(&text, yyjson_obj_get(root, "errors"));
    if (text.len == 0) {
        Str detail = json_text(root, "detail");
        buf_put(&text, detail.len ? detail : json_text(root, "message"));
    }
    Status status = status_of(code);
    Str said = buf_str(&text);
    error_set(reterr, status, "the server answered %ld%s%.*s", code, said.len ? ": " : "", STR_ARGS(said));
    buf_release(&text);
    yyjson_doc_free(document);
}

/* A connection that was never made has done nothing. */
static Status describe_failure(const Client *client, CURLcode code, Error *reterr)
{
    bool untouched =
        code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY;
    return error_set(reterr, untouched ? STATUS_BUSY : STATUS_UNKNOWN, "%s: %s", client->base,
                     client->error[0] ? client->error : curl_easy_strerror(code));
}

static void set_options(Client *client, const ClientCall *call, struct curl_slist *headers)
{
    CURL *curl = client->curl;
    curl_easy_reset(curl); /* keeps the connection */
    curl_easy_setopt(curl, CURLOPT_URL, client->url.ptr);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->error);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, call->seconds_max);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_piece);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    if (is_here(client->base)) {
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    }
    if (call->content_type) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body.ptr ? call->body.ptr : "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
    }
    if (call->method) {
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    }
}

Status client_call(Client *client, const ClientCall *call, Error *reterr)
{
    Status status = put_url(client, call, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    struct curl_slist *headers = make_headers(call);
    client->call = call;
    client->stopped = false;
    client->error[0] = '\0';
    buf_reset(&client->problem);
    set_options(client, call, headers);
    CURLcode result = curl_easy_perform(client->curl);
    curl_slist_free_all(headers);
    long code = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &code);
    if (client->stopped || (result == CURLE_OK && code / 100 == 2)) {
        return STATUS_OK;
    }
    if (result != CURLE_OK) {
        return describe_failure(client, result, reterr);
    }
    Error error;
    client_describe_problem(code, buf_str(&client->problem), &error);
    return error_set(reterr, error.status, "%s", error.message);
}

int64_t client_retry_after_us(const Client *client)
{
    curl_off_t seconds = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RETRY_AFTER, &seconds);
    return (int64_t)seconds * SECOND_US;
}

Str client_problem(const Client *client) { return buf_str(&client->problem); }

Str client_header(const Client *client, const char *name)
{
    struct curl_header *header = NULL;
    bool is_there = curl_easy_header(client->curl, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK;
    return is_there ? str_from(header->value) : (Str){NULL, 0};
}
