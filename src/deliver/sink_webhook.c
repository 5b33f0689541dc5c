/* Webhooks over libcurl: each message is a POST of its own, answered on its own.
 *
 * One multi handle drives `in_flight_max` easy handles, which are made at the start and used again and again, as connections are. The
 * address that a connection is opened to is checked where the socket is made, behind every resolution of a name, so that neither a
 * redirect (which is not followed anyway) nor a name that resolves differently the second time leads anywhere else. */
#include <curl/curl.h>
#include <strings.h>
#include <unistd.h>

#include "deliver/address_guard.h"
#include "deliver/sign.h"
#include "deliver/sink.h"
#include "deliver/webhook_message.h"

enum {
    ENVELOPE_BYTES_MAX = 256, /* around a message's body */
    ANSWER_BYTES_MAX =
        256 << 10, /* an answer is read so far, so that the connection can be used again, and then cut off */
    HEADS_BYTES_MAX = 128 << 10, /* the same for its head */
    LOCATION_BYTES_MAX = 200,    /* of a redirect's target, in an error */
    REFUSED_BYTES_MAX = 64 + ADDRESS_GUARD_TEXT_BYTES_MAX,
};

/* One request after another. */
typedef struct Call {
    struct Webhook *webhook;
    struct Call *next;
    CURL *easy;
    bool under_way; /* the multi handle has it */
    Buf body, response;
    struct curl_slist *headers;
    size_t answer_bytes, head_bytes;
    int64_t begun_us;
    char curl_error[CURL_ERROR_SIZE];
    char refused[REFUSED_BYTES_MAX]; /* the address that was not called; empty when none was refused */
    char error[ERROR_MESSAGE_BYTES_MAX];
    SinkResult result;
} Call;

typedef struct CallList {
    Call *first, *last;
    size_t count;
} CallList;

typedef struct Webhook {
    Sink sink;
    SinkContext context;
    CURLM *multi;
    Signer *signer;
    AddressGuard guard;
    Call *calls; /* in_flight_max of them */
    size_t call_count;
    CallList idle, done, shown; /* the others are under way; `shown`: their results are borrowed until the next call */
} Webhook;

static void list_push(CallList *list, Call *call)
{
    call->next = NULL;
    if (list->last) {
        list->last->next = call;
    } else {
        list->first = call;
    }
    list->last = call;
    list->count++;
}

static Call *list_pop(CallList *list)
{
    Call *call = list->first;
    if (call) {
        list->first = call->next;
        list->last = list->first ? list->last : NULL;
        list->count--;
    }
    return call;
}

static int64_t now_us(const Webhook *webhook) { return clock_monotonic_us(webhook->context.clock); }

/* ---- What curl calls ----------------------------------------------------------------------------------------------- */

/* The one place where a connection begins. */
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    Call *call = context;
    const char *what = address_guard_refuses(&call->webhook->guard, &address->addr, address->addrlen);
    if (what || purpose != CURLSOCKTYPE_IPCXN) {
        char text[ADDRESS_GUARD_TEXT_BYTES_MAX];
        address_guard_format(&address->addr, address->addrlen, text);
        snprintf(call->refused, sizeof call->refused, "%s is %s", text, what ? what : "not to be called");
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t take_body(char *bytes, size_t one, size_t count, void *context)
{
    Call *call = context;
    (void)one; /* is 1 */
    size_t room = SINK_RESPONSE_BYTES_MAX - call->response.len;
    buf_put(&call->response, (Str){bytes, count < room ? count : room});
    call->answer_bytes += count;
    return call->answer_bytes <= ANSWER_BYTES_MAX ? count : 0;
}

static size_t take_header(char *bytes, size_t one, size_t count, void *context)
{
    Call *call = context;
    (void)one; /* is 1 */
    Str value = {bytes, count}, name = str_split(&value, ':');
    if (value.ptr && str_equal_nocase(name, STR("retry-after"))) {
        call->result.retry_after_us = webhook_retry_after_us(value, clock_wall_us(call->webhook->context.clock));
    }
    call->head_bytes += count;
    return call->head_bytes <= HEADS_BYTES_MAX ? count : 0;
}

/* ---- Verdicts ------------------------------------------------------------------------------------------------------ */

static bool was_cut_off(const Call *call)
{
    return call->answer_bytes > ANSWER_BYTES_MAX || call->head_bytes > HEADS_BYTES_MAX;
}

static void tell_code(Call *call, int code)
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

static void tell_failure(Call *call, CURLcode why)
{
    const SinkOptions *options = call->webhook->context.options;
    long os_error = 0;
    curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_error);
    if (why == CURLE_COULDNT_CONNECT && call->refused[0]) {
        snprintf(call->error, sizeof call->error, "address %s and not allowed (sinks.%s.allow_private)", call->refused,
                 options->name);
    } else if (was_cut_off(call)) {
        snprintf(call->error, sizeof call->error, "the answer has no end: cut off");
    } else {
        const char *text = call->curl_error[0] ? call->curl_error : curl_easy_strerror(why);
        bool add = why == CURLE_COULDNT_CONNECT && os_error != 0;
        char reason[128] = "";
        snprintf(call->error, sizeof call->error, "%s%s%s", text, add ? ": " : "",
                 add ? strerror_r((int)os_error, reason, sizeof reason) : "");
    }
}

/* An answer that said what became of the message counts, also when its end was cut off. */
static void finish(Call *call, CURLcode why)
{
    long code = 0;
    SinkResult *result = &call->result;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &code);
    bool answered = why == CURLE_OK || (code >= 200 && was_cut_off(call));
    result->code = (int)code;
    result->verdict = answered ? webhook_verdict((int)code) : SINK_FAILED;
    result->latency_us = now_us(call->webhook) - call->begun_us;
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

static void leave_multi(Call *call)
{
    if (call->under_way) {
        curl_multi_remove_handle(call->webhook->multi, call->easy);
        call->under_way = false;
    }
}

static void move_on(Webhook *webhook)
{
    int running, left;
    curl_multi_perform(webhook->multi, &running);
    for (CURLMsg *message; (message = curl_multi_info_read(webhook->multi, &left));) {
        Call *call;
        CURLcode why = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        finish(call, why);
        leave_multi(call);
        list_push(&webhook->done, call);
    }
}

/* ---- Requests ------------------------------------------------------------------------------------------------------ */

static bool add_header(Call *call, const char *name, Str value)
{
    char line[512];
    int len = snprintf(line, sizeof line, "%s: %.*s", name, STR_ARGS(value));
    struct curl_slist *longer = len < (int)sizeof line ? curl_slist_append(call->headers, line) : NULL;
    call->headers = longer ? longer : call->headers;
    return longer != NULL;
}

static bool add_number(Call *call, const char *name, int64_t number)
{
    char text[24];
    size_t len = (size_t)snprintf(text, sizeof text, "%lld", (long long)number);
    return add_header(call, name, (Str){text, len});
}

/* The timestamp is the attempt's: receivers refuse what is older than a few minutes. */
static Status add_headers(Call *call, const Message *message, Error *reterr)
{
    Webhook *webhook = call->webhook;
    char signature[SIGN_TEXT_BYTES_MAX];
    int64_t timestamp_s = clock_wall_us(webhook->context.clock) / 1000000;
    Status status = signer_sign(webhook->signer, message->id, timestamp_s, buf_str(&call->body), signature, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    bool whole = add_header(call, "content-type", STR("application/json")) &&
                 add_header(call, "webhook-id", message->id) && add_number(call, "webhook-timestamp", timestamp_s) &&
                 add_header(call, "webhook-signature", str_from(signature)) &&
                 curl_slist_append(call->headers, "Expect:") != NULL;
    if (webhook_is_header_value(message->traceparent)) {
        whole = whole && add_header(call, "traceparent", message->traceparent);
    }
    if (webhook->context.replay_job) {
        whole = whole && add_number(call, "replay-id", webhook->context.replay_job);
    }
    return whole ? STATUS_OK : error_set(reterr, STATUS_BUSY, "no memory for a request");
}

static void reset_call(Call *call, int64_t seq)
{
    curl_slist_free_all(call->headers);
    call->headers = NULL;
    buf_reset(&call->response);
    buf_reset(&call->body);
    call->answer_bytes = call->head_bytes = 0;
    call->curl_error[0] = call->refused[0] = call->error[0] = '\0';
    call->result = (SinkResult){.seq = seq};
    call->begun_us = now_us(call->webhook);
}

static Status begin(Call *call, const Message *message, Error *reterr)
{
    reset_call(call, message->seq);
    call->body.bytes_max = message->body.len + ENVELOPE_BYTES_MAX;
    webhook_put_body(&call->body, message);
    Status status = call->body.failed ? error_set(reterr, STATUS_BUSY, "no memory for a request")
                                      : add_headers(call, message, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->body.ptr);
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
    if (curl_multi_add_handle(call->webhook->multi, call->easy) != CURLM_OK) {
        return error_set(reterr, STATUS_BUSY, "no memory for a request");
    }
    call->under_way = true;
    return STATUS_OK;
}

/* What could not be begun is held: nothing is known against the message. */
static void begin_or_hold(Webhook *webhook, const Message *message)
{
    Call *call = list_pop(&webhook->idle);
    Error error = {0};
    if (begin(call, message, &error) != STATUS_OK) {
        snprintf(call->error, sizeof call->error, "%s", error.message);
        call->result.verdict = SINK_HELD;
        call->result.error = str_from(call->error);
        list_push(&webhook->done, call);
    }
}

/* ---- The sink ------------------------------------------------------------------------------------------------------ */

static void take_back_shown(Webhook *webhook)
{
    for (Call *call; (call = list_pop(&webhook->shown));) {
        list_push(&webhook->idle, call);
    }
}

static void drop_all(Webhook *webhook)
{
    webhook->idle = webhook->done = webhook->shown = (CallList){0};
    for (size_t i = 0; i < webhook->call_count; i++) {
        leave_multi(&webhook->calls[i]);
        list_push(&webhook->idle, &webhook->calls[i]);
    }
}

/* There is nothing to connect before there is something to say. */
static Status webhook_connect(Sink *sink, SinkPlace ours, SinkPlace *ret_theirs, Error *reterr)
{
    (void)reterr;
    drop_all((Webhook *)sink);
    *ret_theirs = ours;
    return STATUS_OK;
}

static size_t webhook_room(const Sink *sink)
{
    const Webhook *webhook = (const Webhook *)sink;
    return webhook->idle.count + webhook->shown.count;
}

static Status webhook_send(Sink *sink, const Message *messages, size_t count, const SinkPlace *place, Error *reterr)
{
    Webhook *webhook = (Webhook *)sink;
    (void)place, (void)reterr;
    take_back_shown(webhook);
    for (size_t i = 0; i < count; i++) {
        begin_or_hold(webhook, &messages[i]);
    }
    move_on(webhook);
    return STATUS_OK;
}

static size_t webhook_results(Sink *sink, SinkResult *results, size_t cap)
{
    Webhook *webhook = (Webhook *)sink;
    size_t count = 0;
    take_back_shown(webhook);
    move_on(webhook);
    while (count < cap && webhook->done.first) {
        Call *call = list_pop(&webhook->done);
        results[count++] = call->result;
        list_push(&webhook->shown, call);
    }
    return count;
}

static void webhook_wait(Sink *sink, int64_t us_max)
{
    Webhook *webhook = (Webhook *)sink;
    int64_t us = us_max < SINK_CALL_US_MAX ? us_max : SINK_CALL_US_MAX;
    if (!webhook->done.first && us > 0) {
        curl_multi_poll(webhook->multi, NULL, 0, (int)((us + 999) / 1000), NULL);
    }
}

static void webhook_wake(Sink *sink) { curl_multi_wakeup(((Webhook *)sink)->multi); }

static void webhook_close(Sink *sink)
{
    Webhook *webhook = (Webhook *)sink;
    for (size_t i = 0; i < webhook->call_count; i++) {
        Call *call = &webhook->calls[i];
        leave_multi(call);
        curl_easy_cleanup(call->easy);
        curl_slist_free_all(call->headers);
        buf_release(&call->body);
        buf_release(&call->response);
    }
    curl_multi_cleanup(webhook->multi);
    signer_free(webhook->signer);
    free(webhook->calls);
    free(webhook);
    curl_global_cleanup();
}

static const SinkOps webhook_ops = {
    .connect = webhook_connect,
    .room = webhook_room,
    .send = webhook_send,
    .results = webhook_results,
    .wait = webhook_wait,
    .wake = webhook_wake,
    .close = webhook_close,
};

/* ---- Options ------------------------------------------------------------------------------------------------------- */

static Status refuse(const SinkOptions *options, const char *option, const char *why, Error *reterr)
{
    return error_set(reterr, STATUS_REFUSED, "sinks.%s.%s: %s", options->name, option, why);
}

static Status check_scheme(CURLU *url, const SinkOptions *options, Error *reterr)
{
    char *scheme = NULL;
    CURLUcode code = curl_url_set(url, CURLUPART_URL, options->url, CURLU_NON_SUPPORT_SCHEME);
    if (code == CURLUE_OK) {
        code = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
    }
    if (code != CURLUE_OK) {
        return refuse(options, "url", curl_url_strerror(code), reterr);
    }
    bool known = strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0;
    curl_free(scheme);
    return known ? STATUS_OK : refuse(options, "url", "only http and https can be called", reterr);
}

static Status check_url(const SinkOptions *options, Error *reterr)
{
    if (!options->url[0]) {
        return refuse(options, "url", "is empty", reterr);
    }
    CURLU *url = curl_url();
    Status status = url ? check_scheme(url, options, reterr) : error_set(reterr, STATUS_BUSY, "no memory for a sink");
    curl_url_cleanup(url);
    return status;
}

static Status read_options(Webhook *webhook, Error *reterr)
{
    const SinkOptions *options = webhook->context.options;
    Status status = check_url(options, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if ((status = signer_new(str_from(options->secret), &webhook->signer, reterr)) != STATUS_OK) {
        error_prefix(reterr, "sinks.%s.secret", options->name);
        return status;
    }
    if ((status = address_guard_init(&webhook->guard, str_from(options->allow_private), reterr)) != STATUS_OK) {
        error_prefix(reterr, "sinks.%s.allow_private", options->name);
        return status;
    }
    if (options->ca_file[0] && access(options->ca_file, R_OK) != 0) {
        return refuse(options, "ca_file", "the file cannot be read", reterr);
    }
    return STATUS_OK;
}

/* Proxies would be called instead of the address that is checked; those of the environment are none of ours. A look-up that takes too long
 * is left to its thread (QUICK_EXIT), since waiting for it would hold up every other request. */
static bool set_connection(CURL *easy, Call *call, const SinkOptions *options)
{
    long timeout_ms = (long)(options->timeout_us / 1000 > 0 ? options->timeout_us / 1000 : 1);
    bool secure = strncasecmp(options->url, "https:", 6) == 0;
    /* A library without HTTP/2 does without. Requests that could share a connection wait for it to be there. */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, secure ? 1L : 0L);
    return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call) == CURLE_OK &&
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

static bool set_request(CURL *easy, Call *call, const SinkOptions *options)
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

static bool make_call(Webhook *webhook, Call *call)
{
    call->webhook = webhook;
    buf_init(&call->response, SINK_RESPONSE_BYTES_MAX);
    buf_init(&call->body, ENVELOPE_BYTES_MAX);
    call->easy = curl_easy_init();
    return call->easy && set_connection(call->easy, call, webhook->context.options) &&
           set_request(call->easy, call, webhook->context.options);
}

static Status make_calls(Webhook *webhook, Error *reterr)
{
    size_t count = webhook->context.options->in_flight_max;
    webhook->multi = curl_multi_init();
    webhook->calls = calloc(count, sizeof webhook->calls[0]);
    bool made = webhook->multi && webhook->calls &&
                curl_multi_setopt(webhook->multi, CURLMOPT_MAXCONNECTS, (long)count) == CURLM_OK &&
                curl_multi_setopt(webhook->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX) == CURLM_OK;
    for (size_t i = 0; made && i < count; i++) {
        webhook->call_count++;
        made = make_call(webhook, &webhook->calls[i]);
    }
    return made ? STATUS_OK : error_set(reterr, STATUS_BUSY, "no memory for sinks.%s", webhook->context.options->name);
}

Status sink_webhook_open(const SinkContext *context, Sink **ret_sink, Error *reterr)
{
    Webhook *webhook = calloc(1, sizeof *webhook);
    if (!webhook || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(webhook);
        return error_set(reterr, STATUS_BUSY, "no memory for sinks.%s", context->options->name);
    }
    webhook->sink.ops = &webhook_ops;
    webhook->context = *context;
    Status status = read_options(webhook, reterr);
    if (status == STATUS_OK) {
        status = make_calls(webhook, reterr);
    }
    if (status != STATUS_OK) {
        webhook_close(&webhook->sink);
        return status;
    }
    drop_all(webhook);
    *ret_sink = &webhook->sink;
    return STATUS_OK;
}
