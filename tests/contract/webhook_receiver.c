#include "webhook_receiver.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SCRIPTS_MAX = 16, REQUESTS_MAX = 8192, BODY_BYTES_MAX = 1 << 20 };

typedef struct Script {
    const char *id_suffix; /* NULL: used up */
    ReceiverAnswer answer;
} Script;

/* One that comes in; it waits in the list while the receiver stalls. */
typedef struct Incoming {
    ReceivedRequest *request;
    struct MHD_Connection *connection;
    struct Incoming *next;
    bool complete, waiting;
} Incoming;

struct WebhookReceiver {
    struct MHD_Daemon *daemon;
    unsigned port;
    pthread_mutex_t lock; /* guards what follows */
    bool stalls;
    Incoming *waiting;
    ReceiverAnswer answer;
    Script scripts[SCRIPTS_MAX];
    ReceivedRequest *requests[REQUESTS_MAX], *taken[REQUESTS_MAX];
    size_t request_count, taken_count, connections;
};

static void *must(void *memory)
{
    if (!memory) {
        abort();
    }
    return memory;
}

const char *received_header(const ReceivedRequest *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->names[i], name) == 0) {
            return request->values[i];
        }
    }
    return NULL;
}

static bool ends_with(const char *text, const char *suffix)
{
    size_t len = strlen(text), suffix_len = strlen(suffix);
    return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

static ReceiverAnswer answer_to(WebhookReceiver *receiver, const ReceivedRequest *request)
{
    const char *id = received_header(request, "webhook-id");
    for (size_t i = 0; id && i < SCRIPTS_MAX; i++) {
        Script *script = &receiver->scripts[i];
        if (script->id_suffix && ends_with(id, script->id_suffix)) {
            script->id_suffix = NULL;
            return script->answer;
        }
    }
    return receiver->answer;
}

static enum MHD_Result take_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    ReceivedRequest *request = context;
    (void)kind;
    if (request->header_count == RECEIVER_HEADERS_MAX) {
        abort();
    }
    request->names[request->header_count] = must(strdup(name));
    request->values[request->header_count++] = must(strdup(value ? value : ""));
    return MHD_YES;
}

static Incoming *begin(struct MHD_Connection *connection, const char *path, const char *method)
{
    Incoming *incoming = must(calloc(1, sizeof *incoming));
    incoming->connection = connection;
    incoming->request = must(calloc(1, sizeof *incoming->request));
    incoming->request->method = must(strdup(method));
    incoming->request->path = must(strdup(path));
    incoming->request->body = must(calloc(1, 1));
    MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, incoming->request);
    return incoming;
}

static void take_bytes(ReceivedRequest *request, const char *bytes, size_t count)
{
    if (request->body_len + count > BODY_BYTES_MAX) {
        abort();
    }
    request->body = must(realloc(request->body, request->body_len + count + 1));
    memcpy(request->body + request->body_len, bytes, count);
    request->body_len += count;
    request->body[request->body_len] = '\0';
}

static enum MHD_Result answer(struct MHD_Connection *connection, const ReceiverAnswer *with)
{
    union {
        const char *text;
        void *bytes;
    } body = {.text = with->body ? with->body : ""}; /* the library does not write to it */
    struct MHD_Response *response =
        must(MHD_create_response_from_buffer(with->body_len, body.bytes, MHD_RESPMEM_PERSISTENT));
    if (with->header) {
        MHD_add_response_header(response, with->header, with->value);
    }
    enum MHD_Result queued = MHD_queue_response(connection, (unsigned)with->code, response);
    MHD_destroy_response(response);
    return queued;
}

/* Called with the head, with pieces of the body, and without any when all of it is there: again after it was
 * resumed. */
static enum MHD_Result serve(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                             const char *version, const char *bytes, size_t *count, void **state)
{
    WebhookReceiver *receiver = context;
    Incoming *incoming = *state;
    (void)version;
    if (!incoming) {
        *state = begin(connection, path, method);
        return MHD_YES;
    }
    if (*count > 0) {
        take_bytes(incoming->request, bytes, *count);
        *count = 0;
        return MHD_YES;
    }
    pthread_mutex_lock(&receiver->lock);
    if (receiver->stalls) {
        incoming->waiting = true;
        incoming->next = receiver->waiting;
        receiver->waiting = incoming;
        MHD_suspend_connection(connection);
        pthread_mutex_unlock(&receiver->lock);
        return MHD_YES;
    }
    ReceiverAnswer with = answer_to(receiver, incoming->request);
    incoming->complete = true;
    incoming->request->code = with.code;
    if (receiver->request_count == REQUESTS_MAX) {
        abort();
    }
    receiver->requests[receiver->request_count++] = incoming->request;
    if (with.code / 100 == 2) {
        receiver->taken[receiver->taken_count++] = incoming->request;
    }
    pthread_mutex_unlock(&receiver->lock);
    return answer(connection, &with);
}

static void free_request(ReceivedRequest *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        free(request->names[i]);
        free(request->values[i]);
    }
    free(request->method);
    free(request->path);
    free(request->body);
    free(request);
}

static void end(void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why)
{
    Incoming *incoming = *state;
    (void)context, (void)connection, (void)why;
    if (incoming && !incoming->complete) {
        free_request(incoming->request);
    }
    free(incoming);
}

static void notice_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                              enum MHD_ConnectionNotificationCode code)
{
    WebhookReceiver *receiver = context;
    (void)connection, (void)socket_context;
    pthread_mutex_lock(&receiver->lock);
    receiver->connections += code == MHD_CONNECTION_NOTIFY_STARTED;
    pthread_mutex_unlock(&receiver->lock);
}

static void open_port(WebhookReceiver *receiver)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)receiver->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    receiver->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, serve, receiver,
        MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_NOTIFY_COMPLETED, end,
        receiver, MHD_OPTION_NOTIFY_CONNECTION, notice_connection, receiver, MHD_OPTION_END);
    must(receiver->daemon);
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(receiver->daemon, MHD_DAEMON_INFO_BIND_PORT);
    if (!info) {
        abort();
    }
    receiver->port = info->port;
}

WebhookReceiver *webhook_receiver_start(void)
{
    WebhookReceiver *receiver = must(calloc(1, sizeof *receiver));
    receiver->answer = (ReceiverAnswer){.code = 204};
    pthread_mutex_init(&receiver->lock, NULL);
    open_port(receiver);
    return receiver;
}

void webhook_receiver_stall(WebhookReceiver *receiver, bool stall)
{
    pthread_mutex_lock(&receiver->lock);
    receiver->stalls = stall;
    Incoming *waiting = stall ? NULL : receiver->waiting;
    receiver->waiting = stall ? receiver->waiting : NULL;
    while (waiting) {
        Incoming *next = waiting->next; /* once resumed, it belongs to the other thread */
        MHD_resume_connection(waiting->connection);
        waiting = next;
    }
    pthread_mutex_unlock(&receiver->lock);
}

void webhook_receiver_close_port(WebhookReceiver *receiver, bool closed)
{
    if (closed) {
        webhook_receiver_stall(receiver, false);
        MHD_stop_daemon(receiver->daemon);
        receiver->daemon = NULL;
    } else {
        open_port(receiver);
    }
}

void webhook_receiver_stop(WebhookReceiver *receiver)
{
    if (receiver->daemon) {
        webhook_receiver_close_port(receiver, true);
    }
    for (size_t i = 0; i < receiver->request_count; i++) {
        free_request(receiver->requests[i]);
    }
    pthread_mutex_destroy(&receiver->lock);
    free(receiver);
}

unsigned webhook_receiver_port(const WebhookReceiver *receiver) { return receiver->port; }

void webhook_receiver_answer_once(WebhookReceiver *receiver, const char *id_suffix, ReceiverAnswer with)
{
    pthread_mutex_lock(&receiver->lock);
    size_t free_one = 0;
    while (free_one < SCRIPTS_MAX && receiver->scripts[free_one].id_suffix) {
        free_one++;
    }
    if (free_one == SCRIPTS_MAX) {
        abort();
    }
    receiver->scripts[free_one] = (Script){id_suffix, with};
    pthread_mutex_unlock(&receiver->lock);
}

void webhook_receiver_answer(WebhookReceiver *receiver, ReceiverAnswer with)
{
    pthread_mutex_lock(&receiver->lock);
    receiver->answer = with;
    pthread_mutex_unlock(&receiver->lock);
}

size_t webhook_receiver_count(WebhookReceiver *receiver)
{
    pthread_mutex_lock(&receiver->lock);
    size_t count = receiver->request_count;
    pthread_mutex_unlock(&receiver->lock);
    return count;
}

const ReceivedRequest *webhook_receiver_request(WebhookReceiver *receiver, size_t index)
{
    pthread_mutex_lock(&receiver->lock);
    const ReceivedRequest *request = receiver->requests[index];
    pthread_mutex_unlock(&receiver->lock);
    return request;
}

size_t webhook_receiver_taken_count(WebhookReceiver *receiver)
{
    pthread_mutex_lock(&receiver->lock);
    size_t count = receiver->taken_count;
    pthread_mutex_unlock(&receiver->lock);
    return count;
}

const ReceivedRequest *webhook_receiver_taken(WebhookReceiver *receiver, size_t index)
{
    pthread_mutex_lock(&receiver->lock);
    const ReceivedRequest *request = receiver->taken[index];
    pthread_mutex_unlock(&receiver->lock);
    return request;
}

size_t webhook_receiver_connections(WebhookReceiver *receiver)
{
    pthread_mutex_lock(&receiver->lock);
    size_t connections = receiver->connections;
    pthread_mutex_unlock(&receiver->lock);
    return connections;
}
