#include "deliver/webhook_call.h"

#include <strings.h>

#include "deliver/webhook_message.h"

enum {
    ENVELOPE_BYTES_MAX = 256, /* around a message's body */
    ANSWER_BYTES_MAX =
        256 << 10, /* an answer is read so far, so that the connection can be used again, and then cut off */
    HEADS_BYTES_MAX = 128 << 10, /* the same for its head */
    LOCATION_BYTES_MAX = 200,    /* of a redirect's target, in an error */
};

/* ---- What curl calls --------------------------------------------------------------------------------------------- */

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    WebhookCall *call = context;
    (void)purpose; /* there is one */
    curl_socket_t fd = webhook_sockets_open(&call->place->sockets, address, call->refused);
    if (fd != CURL_SOCKET_BAD) {
        address_guard_format(&address->addr, address->addrlen, call->called);
    }
    return fd;
}

static int before_request(void *context, char *their_ip, char *our_ip, int their_port, int our_port)
{
    WebhookCall *call = context;
    (void)their_ip, (void)our_ip, (void)their_port;
    call->unclean = !webhook_sockets_is_clean(&call->place->sockets, our_port);
    return call->unclean ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static size_t take_body(char *bytes, size_t one, size_t count, void *context)
{
    WebhookCall *call = context;
    (void)one; /* is 1 */
    size_t room = SINK_RESPONSE_BYTES_MAX - call->response.len;
    buf_put(&call->response, (Str){bytes, count < room ? count : room});
    call->answer_bytes += count;
    return call->answer_bytes <= ANSWER_BYTES_MAX ? count : 0;
}

static size_t take_header(char *bytes, size_t one, size_t count, void *context)
{
    WebhookCall *call = context;
    (void)one; /* is 1 */
    Str value = {bytes, count}, name = str_split(&value, ':');
    if (value.ptr && str_equal_nocase(name, STR("retry-after"))) {
        call->result.retry_after_us = webhook_retry_after_us(value, clock_wall_us(call->place->context.clock));
    }
    call->head_bytes += count;
    return call->head_bytes <= HEADS_BYTES_MAX ? count : 0;
}

/* ---- Verdicts ---------------------------------------------------------------------------------------------------- */

void webhook_call_hold(WebhookCall *call, const char *why)
{
    snprintf(call->error, sizeof call->error, "%s", why);
    call->result.verdict = SINK_HELD;
    call->result.error = str_from(call->error);
}

static bool was_cut_off(const WebhookCall *call)
{
    return call->answer_bytes > ANSWER_BYTES_MAX || call->head_bytes > HEADS_BYTES_MAX;
}

static void tell_code(WebhookCall *call, int code)
{
    char *location = NULL;
    curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_URL, &location);
    if (location) {
        snprintf(call->error, sizeof call->error,
                 "the endpoint answered %d: redirects are not followed, this one is to %.*s", code, LOCATION_BYTES_MAX,
                 location);
    } else {
        snprintf(call->error, sizeof call->error, "the endpoint answered %d%s", code,
                 code == 410 ? " Gone: it wants nothing more" : "");
    }
}

static bool is_connected(const WebhookCall *call, CURLcode why)
{
    curl_off_t connect_us = 0;
    curl_easy_getinfo(call->easy, CURLINFO_CONNECT_TIME_T, &connect_us);
    return why != CURLE_COULDNT_CONNECT && (why != CURLE_OPERATION_TIMEDOUT || connect_us > 0);
}

static void tell_library(WebhookCall *call, CURLcode why)
{
    long os_error = 0;
    char reason[128] = "";
    const char *text = call->curl_error[0] ? call->curl_error : curl_easy_strerror(why);
    curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_error);
    bool add = why == CURLE_COULDNT_CONNECT && os_error != 0;
    snprintf(call->error, sizeof call->error, "%s%s%s", text, add ? ": " : "",
             add ? strerror_r((int)os_error, reason, sizeof reason) : "");
}

/* A name may have several addresses. Those that were called have failed too, then, and which they are is not in the
 * library's text. */
static void tell_addresses(WebhookCall *call, CURLcode why)
{
    char option[SINK_OPTION_NAME_BYTES_MAX];
    sink_option_name(call->place->context.options, "allow_private", option);
    if (!call->called[0]) {
        snprintf(call->error, sizeof call->error, "address %s and not allowed (%s)", call->refused, option);
        return;
    }
    tell_library(call, why);
    size_t len = strlen(call->error);
    snprintf(call->error + len, sizeof call->error - len, " (address %s); address %s and not allowed (%s)",
             call->called, call->refused, option);
}

static void tell_failure(WebhookCall *call, CURLcode why)
{
    if (call->refused[0] && !is_connected(call, why)) {
        tell_addresses(call, why);
    } else if (was_cut_off(call)) {
        snprintf(call->error, sizeof call->error, "the answer has no end: cut off");
    } else {
        tell_library(call, why);
    }
}

static void note_answer(WebhookCall *call)
{
    long port = 0, version = 0;
    curl_easy_getinfo(call->easy, CURLINFO_LOCAL_PORT, &port);
    curl_easy_getinfo(call->easy, CURLINFO_HTTP_VERSION, &version);
    webhook_sockets_answered(&call->place->sockets, port,
                             version == CURL_HTTP_VERSION_1_0 || version == CURL_HTTP_VERSION_1_1);
}

/* An answer that said what became of the message counts, also when its end was cut off. */
void webhook_call_finish(WebhookCall *call, CURLcode why)
{
    long code = 0;
    SinkResult *result = &call->result;
    if (call->unclean) {
        webhook_call_hold(call, "an answer that nobody asked for was on the connection");
        return;
    }
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &code);
    note_answer(call);
    bool answered = why == CURLE_OK || (code >= 200 && was_cut_off(call));
    result->code = (int)code;
    result->verdict = answered ? webhook_verdict((int)code) : SINK_FAILED;
    result->judged = answered && webhook_is_judgement((int)code);
    result->latency_us = clock_monotonic_us(call->place->context.clock) - call->begun_us;
    result->response = buf_str(&call->response);
    if (result->verdict == SINK_TAKEN) {
        result->retry_after_us = 0;
    } else if (answered) {
        tell_code(call, (int)code);
    } else {
        tell_failure(call, why);
    }
    result->error = str_from(call->error);
}

/* ---- Requests ---------------------------------------------------------------------------------------------------- */

static bool add_header(WebhookCall *call, const char *name, Str value)
{
    char line[512];
    int len = snprintf(line, sizeof line, "%s: %.*s", name, STR_ARGS(value));
    struct curl_slist *longer = len < (int)sizeof line ? curl_slist_append(call->headers, line) : NULL;
    call->headers = longer ? longer : call->headers;
    return longer != NULL;
}

static bool add_number(WebhookCall *call, const char *name, int64_t number)
{
    char text[24];
    size_t len = (size_t)snprintf(text, sizeof text, "%lld", (long long)number);
    return add_header(call, name, (Str){text, len});
}

/* The timestamp is the attempt's: receivers refuse what is older than a few minutes. */
static Status add_headers(WebhookCall *call, const Message *message, Error *reterr)
{
    const WebhookPlace *place = call->place;
    char signature[SIGN_TEXT_BYTES_MAX];
    int64_t timestamp_s = clock_wall_us(place->context.clock) / 1000000;
    Status status = signer_sign(place->signer, message->id, timestamp_s, buf_str(&call->body), signature, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    bool whole = add_header(call, "content-type", STR("application/json")) &&
                 add_header(call, "webhook-id", message->id) && add_number(call, "webhook-timestamp", timestamp_s) &&
                 add_header(call, "webhook-signature", str_from(signature)) &&
                 curl_slist_append(call->headers, "Expect:") != NULL;
    if (message->call.len > 0) {
        whole = whole && add_header(call, "idempotency-key", message->id);
    }
    if (webhook_is_header_value(message->traceparent)) {
        whole = whole && add_header(call, "traceparent", message->traceparent);
    }
    if (place->context.replay_job) {
        whole = whole && add_number(call, "replay-id", place->context.replay_job);
    }
    return whole ? STATUS_OK : error_set(reterr, STATUS_BUSY, "no memory for a request");
}

static void reset(WebhookCall *call, const Message *message)
{
    curl_slist_free_all(call->headers);
    call->headers = NULL;
    buf_reset(&call->response);
    buf_reset(&call->body);
    call->body.bytes_max = message->body.len + ENVELOPE_BYTES_MAX;
    call->answer_bytes = call->head_bytes = 0;
    call->unclean = false;
    call->curl_error[0] = call->refused[0] = call->called[0] = call->error[0] = '\0';
    call->result = (SinkResult){.seq = message->seq};
    call->begun_us = clock_monotonic_us(call->place->context.clock);
}

Status webhook_call_prepare(WebhookCall *call, const Message *message)
{
    Error error = {0};
    reset(call, message);
    webhook_put_body(&call->body, message);
    Status status = call->body.failed ? error_set(&error, STATUS_BUSY, "no memory for a request")
                                      : add_headers(call, message, &error);
    if (status != STATUS_OK) {
        webhook_call_hold(call, error.message);
        return STATUS_BUSY;
    }
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->body.ptr);
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
    return STATUS_OK;
}

/* ---- Handles ----------------------------------------------------------------------------------------------------- */

/* Proxies would be called instead of the address that is checked; those of the environment are none of ours. A look-up
 * that takes too long is left to its thread (QUICK_EXIT), since waiting for it would hold up every other request. */
static bool set_connection(CURL *easy, WebhookCall *call, const SinkOptions *options)
{
    long timeout_ms = (long)(options->timeout_us / 1000 > 0 ? options->timeout_us / 1000 : 1);
    bool secure = strncasecmp(options->url, "https:", 6) == 0;
    /* A library without HTTP/2 does without. Requests that could share a connection wait for it to be there. */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, secure ? 1L : 0L);
    return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, webhook_sockets_close) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, &call->place->sockets) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQDATA, call) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           (!options->ca_file[0] || curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file) == CURLE_OK);
}

static bool set_request(CURL *easy, WebhookCall *call, const SinkOptions *options)
{
    return curl_easy_setopt(easy, CURLOPT_URL, options->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "Weir/" WEIR_VERSION) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, call) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, call) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, call) == CURLE_OK;
}

bool webhook_call_init(WebhookCall *call, WebhookPlace *place)
{
    *call = (WebhookCall){.place = place, .easy = curl_easy_init()};
    buf_init(&call->response, SINK_RESPONSE_BYTES_MAX);
    buf_init(&call->body, ENVELOPE_BYTES_MAX);
    return call->easy && set_connection(call->easy, call, place->context.options) &&
           set_request(call->easy, call, place->context.options);
}

void webhook_call_release(WebhookCall *call)
{
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    buf_release(&call->body);
    buf_release(&call->response);
}
