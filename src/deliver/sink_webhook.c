/* Webhooks over libcurl: each message is a POST of its own, answered on its own.
 *
 * One multi handle drives `in_flight_max` easy handles, which are made at the start and used again and again, as
 * connections are. The address that a connection is opened to is checked where the socket is made, behind every
 * resolution of a name, so that neither a redirect (which is not followed anyway) nor a name that resolves differently
 * the second time leads anywhere else. */
#include <unistd.h>

#include "deliver/webhook_call.h"

typedef struct CallList {
    WebhookCall *first, *last;
    size_t count;
} CallList;

typedef struct Webhook {
    Sink sink;
    WebhookPlace place;
    CURLM *multi;
    WebhookCall *calls; /* in_flight_max of them */
    size_t call_count;
    CallList idle, done, shown; /* the others are under way; `shown`: their results are borrowed until the next call */
} Webhook;

static void list_push(CallList *list, WebhookCall *call)
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

static WebhookCall *list_pop(CallList *list)
{
    WebhookCall *call = list->first;
    if (call) {
        list->first = call->next;
        list->last = list->first ? list->last : NULL;
        list->count--;
    }
    return call;
}

static void leave_multi(Webhook *webhook, WebhookCall *call)
{
    if (call->under_way) {
        curl_multi_remove_handle(webhook->multi, call->easy);
        call->under_way = false;
    }
}

static void move_on(Webhook *webhook)
{
    int running, left;
    curl_multi_perform(webhook->multi, &running);
    for (CURLMsg *message; (message = curl_multi_info_read(webhook->multi, &left));) {
        WebhookCall *call;
        CURLcode why = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        webhook_call_finish(call, why);
        leave_multi(webhook, call);
        list_push(&webhook->done, call);
    }
}

/* ---- Requests ---------------------------------------------------------------------------------------------------- */

/* What could not be begun is held: nothing is known against the message. */
static void begin_or_hold(Webhook *webhook, const Message *message)
{
    WebhookCall *call = list_pop(&webhook->idle);
    Status status = webhook_call_prepare(call, message);
    if (status == STATUS_OK && curl_multi_add_handle(webhook->multi, call->easy) == CURLM_OK) {
        call->under_way = true;
        return;
    }
    if (status == STATUS_OK) {
        webhook_call_hold(call, "no memory for a request");
    }
    list_push(&webhook->done, call);
}

/* ---- The sink ---------------------------------------------------------------------------------------------------- */

static void take_back_shown(Webhook *webhook)
{
    for (WebhookCall *call; (call = list_pop(&webhook->shown));) {
        list_push(&webhook->idle, call);
    }
}

static void drop_all(Webhook *webhook)
{
    webhook->idle = webhook->done = webhook->shown = (CallList){0};
    for (size_t i = 0; i < webhook->call_count; i++) {
        leave_multi(webhook, &webhook->calls[i]);
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
        WebhookCall *call = list_pop(&webhook->done);
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
        WebhookCall *call = &webhook->calls[i];
        leave_multi(webhook, call);
        webhook_call_release(call);
    }
    curl_multi_cleanup(webhook->multi);
    signer_free(webhook->place.signer);
    webhook_sockets_release(&webhook->place.sockets);
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

/* ---- Options ----------------------------------------------------------------------------------------------------- */

static Status refuse(const SinkOptions *options, const char *option, const char *why, Error *reterr)
{
    char name[SINK_OPTION_NAME_BYTES_MAX];
    sink_option_name(options, option, name);
    return error_set(reterr, STATUS_REFUSED, "%s: %s", name, why);
}

static Status prefix(const SinkOptions *options, const char *option, Error *reterr)
{
    char name[SINK_OPTION_NAME_BYTES_MAX];
    sink_option_name(options, option, name);
    return error_prefix(reterr, "%s", name);
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
    const SinkOptions *options = webhook->place.context.options;
    Status status = check_url(options, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if ((status = signer_new(str_from(options->secret), &webhook->place.signer, reterr)) != STATUS_OK) {
        return prefix(options, "secret", reterr);
    }
    if ((status = address_guard_init(&webhook->place.sockets.guard, str_from(options->allow_private), reterr)) !=
        STATUS_OK) {
        return prefix(options, "allow_private", reterr);
    }
    if (options->ca_file[0] && access(options->ca_file, R_OK) != 0) {
        return refuse(options, "ca_file", "the file cannot be read", reterr);
    }
    return STATUS_OK;
}

static Status make_calls(Webhook *webhook, Error *reterr)
{
    size_t count = webhook->place.context.options->in_flight_max;
    webhook->multi = curl_multi_init();
    webhook->calls = calloc(count, sizeof webhook->calls[0]);
    bool made = webhook->multi && webhook->calls &&
                curl_multi_setopt(webhook->multi, CURLMOPT_MAXCONNECTS, (long)count) == CURLM_OK &&
                curl_multi_setopt(webhook->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX) == CURLM_OK;
    for (size_t i = 0; made && i < count; i++) {
        webhook->call_count++;
        made = webhook_call_init(&webhook->calls[i], &webhook->place);
    }
    return made ? STATUS_OK
                : error_set(reterr, STATUS_BUSY, "no memory for the sink %s", webhook->place.context.options->name);
}

Status sink_webhook_open(const SinkContext *context, Sink **ret_sink, Error *reterr)
{
    Webhook *webhook = calloc(1, sizeof *webhook);
    if (!webhook || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(webhook);
        return error_set(reterr, STATUS_BUSY, "no memory for the sink %s", context->options->name);
    }
    webhook->sink.ops = &webhook_ops;
    webhook->place.context = *context;
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
