/* The thundering herd: many clients send the same records at the same time, each in an order of its own, in arrays of 1
 * to 500, while the server is killed (SIGKILL) and started again. A client repeats what was not answered until each of
 * its records was answered "created" or "duplicate".
 *
 *     thundering WEIR DATA RECORDS CLIENTS KILLS SEED
 *
 * RECORDS is a file with one JSON record a line. Half of the kills come while the records are still new, after the
 * first few answers of each life of the server; the others are spread over the rest. Exits 0 when every client is done,
 * no record was created twice, and the server ended in order; what it then holds is for others to check. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    ARRAY_RECORDS_MAX = 500,
    EARLY_RECORDS_MAX = 4, /* in an array while early kills are due, so that the first batch leaves records to come */
    RECORDS_MAX = UINT16_MAX,
    HEADER_BYTES_MAX = 512,
    ANSWER_BYTES_MAX = 1 << 17,
    LIFE_ANSWERS_MAX = 8, /* an early life of the server ends after at most so many */
    RETRY_MS_MAX = 60,
    EVENTS_MAX = 256,
    ALL_RESULTS_EVERY = 8, /* one client in so many asks what became of each record */
    PORT_FIRST = 20000,    /* below the system's own range, so that no connecting client can get the server's port */
    PORT_COUNT = 10000,
    RUN_SECONDS_MAX = 900,
    STOP_SECONDS_MAX = 60,
};

typedef enum ClientState { CLIENT_WAITING, CLIENT_CONNECTING, CLIENT_SENDING, CLIENT_READING, CLIENT_DONE } ClientState;

typedef struct Client {
    ClientState state;
    int fd; /* -1 when not connected */
    uint64_t random;
    int64_t retry_at_ms;
    uint16_t *order;        /* the records; those before `answered` are done */
    size_t answered, array; /* `array` of them are under way */
    char *request;
    size_t request_len, sent;
    char *answer;
    size_t answer_len;
} Client;

typedef struct Herd {
    const char *weir, *data;
    char *text; /* of the records' file; lines[i] point into it */
    char **lines;
    size_t *line_lens;
    size_t record_count;
    Client *clients;
    size_t client_count, clients_done;
    int epoll, output; /* output: the server's standard output, until it listens */
    int64_t now_ms;
    uint16_t port;
    pid_t server;
    bool listening;
    size_t kills, kills_done, life_answers, life_answers_max;
    uint64_t random, submitted, total, requests, lost, busy, created;
    uint8_t *created_times; /* of each record, as far as clients asked */
} Herd;

static _Noreturn void fail(Herd *herd, const char *what, const char *detail)
{
    fprintf(stderr, "thundering: %s%s%s\n", what, *detail ? ": " : "", detail);
    if (herd->server > 0) {
        kill(herd->server, SIGKILL);
        waitpid(herd->server, NULL, 0); /* whoever looks at the store next finds nobody who holds it */
    }
    exit(1);
}

static _Noreturn void fail_errno(Herd *herd, const char *what) { fail(herd, what, strerror(errno)); }

static void *allocate(Herd *herd, size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (!memory) {
        fail(herd, "out of memory", "");
    }
    return memory;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* SplitMix64: each client's order can be had again from the seed. */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t random_below(uint64_t *state, size_t n) { return (size_t)(random_next(state) % n); }

static void shuffle(uint64_t *state, uint16_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = random_below(state, i);
        uint16_t item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}

/* ---- The server -------------------------------------------------------------------------------------------------- */

static void watch(Herd *herd, int op, int fd, uint32_t events, void *who)
{
    struct epoll_event event = {.events = events, .data.ptr = who};
    if (epoll_ctl(herd->epoll, op, fd, &event) != 0) {
        fail_errno(herd, "epoll_ctl");
    }
}

static void choose_port(Herd *herd)
{
    for (int tries = 0; tries < 100; tries++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        herd->port = (uint16_t)(PORT_FIRST + random_below(&herd->random, PORT_COUNT));
        address.sin_port = htons(herd->port);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (bound == 0) {
            return;
        }
    }
    fail(herd, "no port is free", "");
}

static void start_server(Herd *herd)
{
    int pipe_fds[2];
    char listen_on[32];
    pid_t self = getpid();
    snprintf(listen_on, sizeof listen_on, "127.0.0.1:%u", herd->port);
    if (pipe2(pipe_fds, O_CLOEXEC) != 0 || (herd->server = fork()) < 0) {
        fail_errno(herd, "the server cannot be started");
    }
    if (herd->server == 0) {
        /* A herd that is ended by a signal (its alarm, a crash, a time limit around it) takes the server with it. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != self) {
            _exit(127);
        }
        dup2(pipe_fds[1], STDOUT_FILENO);
        execl(herd->weir, herd->weir, "serve", "--data", herd->data, "--listen", listen_on, "--set", "log.level=warn",
              (char *)NULL);
        _exit(127);
    }
    close(pipe_fds[1]);
    herd->output = pipe_fds[0];
    herd->listening = false;
    herd->life_answers = 0;
    herd->life_answers_max = 1 + random_below(&herd->random, LIFE_ANSWERS_MAX);
    watch(herd, EPOLL_CTL_ADD, herd->output, EPOLLIN, NULL);
}

/* It ended by this signal, or, where that is 0, with the exit code 0. Anything else was a crash, whoever was about to
 * end it. */
static void expect_ending(Herd *herd, int status, int signal)
{
    bool is_expected =
        signal ? WIFSIGNALED(status) && WTERMSIG(status) == signal : WIFEXITED(status) && WEXITSTATUS(status) == 0;
    char how[64];
    if (!is_expected) {
        snprintf(how, sizeof how, WIFSIGNALED(status) ? "by signal %d" : "with code %d",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        fail(herd, "the server ended by itself", how);
    }
}

/* Its end is waited for before anything fails, so that nobody kills the process that has its id by then. */
static void end_server(Herd *herd, int signal, int expected_signal)
{
    int status = 0;
    pid_t server = herd->server;
    kill(server, signal);
    waitpid(server, &status, 0);
    herd->server = 0;
    expect_ending(herd, status, expected_signal);
}

static void server_said(Herd *herd)
{
    char text[512];
    ssize_t got = read(herd->output, text, sizeof text - 1);
    if (got <= 0) {
        fprintf(stderr, "thundering: its output ended%s\n", herd->listening ? "" : " before it listened");
        end_server(herd, 0, SIGKILL);
        fail(herd, "somebody else killed the server", "");
    }
    text[got] = '\0';
    herd->listening = herd->listening || strncmp(text, "listening on ", 13) == 0;
}

static void kill_server(Herd *herd)
{
    close(herd->output);
    end_server(herd, SIGKILL, SIGKILL);
    herd->kills_done++;
    start_server(herd);
}

/* The first half of the kills comes while the records are new. */
static bool is_early(const Herd *herd) { return herd->kills_done < (herd->kills + 1) / 2; }

static bool is_time_to_kill(const Herd *herd)
{
    if (herd->kills_done >= herd->kills || herd->life_answers == 0) {
        return false;
    }
    if (is_early(herd)) {
        return herd->life_answers >= herd->life_answers_max;
    }
    return herd->submitted >= herd->total / (herd->kills + 1) * (herd->kills_done + 1);
}

static void stop_server(Herd *herd)
{
    alarm(STOP_SECONDS_MAX);
    end_server(herd, SIGTERM, 0);
}

/* ---- A client ---------------------------------------------------------------------------------------------------- */

static bool wants_results(const Herd *herd, const Client *client)
{
    return (size_t)(client - herd->clients) % ALL_RESULTS_EVERY == 0;
}

/* Nothing is known of what was under way: it is sent again, in another order. */
static void client_retry(Herd *herd, Client *client)
{
    if (client->fd >= 0) {
        close(client->fd);
        client->fd = -1;
    }
    shuffle(&client->random, client->order + client->answered, herd->record_count - client->answered);
    client->retry_at_ms = herd->now_ms + 1 + (int64_t)random_below(&client->random, RETRY_MS_MAX);
    client->state = CLIENT_WAITING;
}

static void client_connect(Herd *herd, Client *client)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(herd->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0) {
        fail_errno(herd, "socket");
    }
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    client->state = CLIENT_CONNECTING;
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
        client_retry(herd, client);
        return;
    }
    watch(herd, EPOLL_CTL_ADD, client->fd, EPOLLOUT, client);
}

static size_t put(char *to, size_t at, const char *text, size_t len)
{
    memcpy(to + at, text, len);
    return at + len;
}

static void client_write_request(Herd *herd, Client *client)
{
    size_t left = herd->record_count - client->answered;
    client->array = 1 + random_below(&client->random, is_early(herd) ? EARLY_RECORDS_MAX : ARRAY_RECORDS_MAX);
    client->array = client->array < left ? client->array : left;
    size_t body = client->array + 1;
    for (size_t i = 0; i < client->array; i++) {
        body += herd->line_lens[client->order[client->answered + i]];
    }
    client->request = allocate(herd, HEADER_BYTES_MAX + body);
    size_t at = (size_t)snprintf(client->request, HEADER_BYTES_MAX,
                                 "POST /api/records?results=%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                                 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                                 wants_results(herd, client) ? "all" : "none", herd->port, body);
    for (size_t i = 0; i < client->array; i++) {
        uint16_t record = client->order[client->answered + i];
        client->request[at++] = i ? ',' : '[';
        at = put(client->request, at, herd->lines[record], herd->line_lens[record]);
    }
    client->request[at++] = ']';
    client->request_len = at;
    client->sent = 0;
    client->state = CLIENT_SENDING;
}

static void client_send(Herd *herd, Client *client)
{
    ssize_t sent = send(client->fd, client->request + client->sent, client->request_len - client->sent, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            herd->lost++;
            free(client->request);
            client_retry(herd, client);
        }
        return;
    }
    client->sent += (size_t)sent;
    if (client->sent == client->request_len) {
        free(client->request);
        client->answer_len = 0;
        client->state = CLIENT_READING;
        watch(herd, EPOLL_CTL_MOD, client->fd, EPOLLIN, client);
    }
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

static uint64_t number_behind(Herd *herd, const char *text, const char *name)
{
    const char *found = strstr(text, name);
    if (!found) {
        fail(herd, "an answer without", name);
    }
    return strtoull(found + strlen(name), NULL, 10);
}

/* Counts for each record how often it was answered "created". */
static void count_created(Herd *herd, const Client *client, const char *body)
{
    size_t results = 0;
    for (const char *at = strstr(body, "{\"index\":"); at; at = strstr(at + 1, "{\"index\":"), results++) {
        size_t index = strtoull(at + strlen("{\"index\":"), NULL, 10);
        const char *status = strstr(at, "\"status\":\"");
        if (index != results || !status) {
            fail(herd, "results out of order", at);
        }
        if (strncmp(status, "\"status\":\"created\"", 18) == 0) {
            herd->created_times[client->order[client->answered + index]]++;
        }
    }
    if (results != client->array) {
        fail(herd, "not every record has a result", body);
    }
}

static void client_take_answer(Herd *herd, Client *client, const char *body)
{
    uint64_t created = number_behind(herd, body, "\"created\":");
    uint64_t known = created + number_behind(herd, body, "\"duplicates\":");
    if (number_behind(herd, body, "\"received\":") != client->array || known != client->array) {
        fail(herd, "a record was neither created nor a duplicate", body);
    }
    if (wants_results(herd, client)) {
        count_created(herd, client, body);
    }
    herd->created += created;
    herd->submitted += client->array;
    herd->life_answers++;
    client->answered += client->array;
    if (client->answered == herd->record_count) {
        close(client->fd);
        client->fd = -1;
        client->state = CLIENT_DONE;
        herd->clients_done++;
        return;
    }
    client_write_request(herd, client);
    watch(herd, EPOLL_CTL_MOD, client->fd, EPOLLOUT, client);
}

/* NULL while the answer is not whole. */
static const char *answer_body(Herd *herd, Client *client)
{
    client->answer[client->answer_len] = '\0';
    char *end = strstr(client->answer, "\r\n\r\n");
    const char *length = end ? strcasestr(client->answer, "\r\nContent-Length:") : NULL;
    if (!end) {
        return NULL;
    }
    if (!length || length > end) {
        fail(herd, "an answer without Content-Length", client->answer);
    }
    size_t body = strtoull(length + strlen("\r\nContent-Length:"), NULL, 10);
    return client->answer_len >= (size_t)(end + 4 - client->answer) + body ? end + 4 : NULL;
}

static void client_answered(Herd *herd, Client *client, const char *body)
{
    herd->requests++;
    if (strncmp(client->answer, "HTTP/1.1 200 ", 13) == 0) {
        client_take_answer(herd, client, body);
    } else if (strncmp(client->answer, "HTTP/1.1 503 ", 13) == 0) {
        herd->busy++;
        client_retry(herd, client);
    } else {
        fail(herd, "an answer that is neither 200 nor 503", client->answer);
    }
}

static void client_read(Herd *herd, Client *client)
{
    ssize_t got = recv(client->fd, client->answer + client->answer_len, ANSWER_BYTES_MAX - 1 - client->answer_len, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        herd->lost++;
        client_retry(herd, client);
        return;
    }
    client->answer_len += (size_t)got;
    const char *body = answer_body(herd, client);
    if (body) {
        client_answered(herd, client, body);
    }
}

static void client_connected(Herd *herd, Client *client)
{
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        client_retry(herd, client);
        return;
    }
    client_write_request(herd, client);
}

static void client_step(Herd *herd, Client *client)
{
    if (client->state == CLIENT_CONNECTING) {
        client_connected(herd, client);
    }
    if (client->state == CLIENT_SENDING) {
        client_send(herd, client);
    } else if (client->state == CLIENT_READING) {
        client_read(herd, client);
    }
}

/* ---- The herd ---------------------------------------------------------------------------------------------------- */

static void read_records(Herd *herd, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        fail_errno(herd, path);
    }
    size_t bytes = (size_t)info.st_size;
    herd->text = allocate(herd, bytes + 1);
    if (read(fd, herd->text, bytes) != info.st_size) {
        fail_errno(herd, path);
    }
    close(fd);
    herd->lines = allocate(herd, RECORDS_MAX * sizeof *herd->lines);
    herd->line_lens = allocate(herd, RECORDS_MAX * sizeof *herd->line_lens);
    for (char *at = herd->text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        if (herd->record_count == RECORDS_MAX) {
            fail(herd, path, "has too many lines");
        }
        herd->lines[herd->record_count] = at;
        herd->line_lens[herd->record_count++] = (size_t)(end - at);
    }
}

static void make_clients(Herd *herd, size_t count)
{
    herd->client_count = count;
    herd->total = (uint64_t)count * herd->record_count;
    herd->clients = allocate(herd, count * sizeof *herd->clients);
    herd->created_times = allocate(herd, herd->record_count);
    for (size_t i = 0; i < count; i++) {
        Client *client = &herd->clients[i];
        *client = (Client){.fd = -1, .random = random_next(&herd->random)};
        client->order = allocate(herd, herd->record_count * sizeof *client->order);
        client->answer = allocate(herd, ANSWER_BYTES_MAX);
        for (size_t record = 0; record < herd->record_count; record++) {
            client->order[record] = (uint16_t)record;
        }
        shuffle(&client->random, client->order, herd->record_count);
    }
}

static void wake_waiting(Herd *herd)
{
    herd->now_ms = now_ms();
    for (size_t i = 0; i < herd->client_count; i++) {
        Client *client = &herd->clients[i];
        if (client->state == CLIENT_WAITING && client->retry_at_ms <= herd->now_ms) {
            client_connect(herd, client);
        }
    }
}

static void run(Herd *herd)
{
    struct epoll_event events[EVENTS_MAX];
    while (herd->clients_done < herd->client_count) {
        wake_waiting(herd);
        int count = epoll_wait(herd->epoll, events, EVENTS_MAX, 10);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr) {
                client_step(herd, events[i].data.ptr);
            } else {
                server_said(herd);
            }
            if (is_time_to_kill(herd)) {
                kill_server(herd);
                break; /* of the events that are left, one may be of the server that is gone */
            }
        }
    }
}

static void check(Herd *herd)
{
    if (herd->kills_done != herd->kills) {
        fail(herd, "the clients were done before all kills", "");
    }
    if (herd->created > herd->record_count) {
        fail(herd, "more records were answered \"created\" than there are", "");
    }
    for (size_t i = 0; i < herd->record_count; i++) {
        if (herd->created_times[i] > 1) {
            fail(herd, "answered \"created\" twice", herd->lines[i]);
        }
    }
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Nothing but digits: strtoull() takes "-1", too, and makes the largest number of it, as of one that is too large. */
static uint64_t read_number(const char *name, const char *text, uint64_t max)
{
    uint64_t value = strtoull(text, NULL, 10);
    if (text[strspn(text, "0123456789")] || value < 1 || value > max) {
        fprintf(stderr, "thundering: %s is a number from 1 to %llu, not '%s'\n", name, (unsigned long long)max, text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    enum { CLIENTS_MAX = 10000, KILLS_MAX = 1000 };
    if (argc != 7) {
        fprintf(stderr, "usage: thundering WEIR DATA RECORDS CLIENTS KILLS SEED\n");
        return 2;
    }
    static Herd herd; /* static, so that what it owns needs no release */
    herd = (Herd){.weir = argv[1],
                  .data = argv[2],
                  .kills = read_number("KILLS", argv[5], KILLS_MAX),
                  .random = read_number("SEED", argv[6], UINT32_MAX)};
    size_t clients = read_number("CLIENTS", argv[4], CLIENTS_MAX);
    int64_t begun = now_ms();
    raise_file_limit();
    alarm(RUN_SECONDS_MAX);
    read_records(&herd, argv[3]);
    make_clients(&herd, clients);
    herd.epoll = epoll_create1(EPOLL_CLOEXEC);
    choose_port(&herd);
    start_server(&herd);
    run(&herd);
    stop_server(&herd);
    check(&herd);
    printf("%zu clients × %zu records in %.1f s: %llu answers (%llu of them 503), %llu requests lost to %zu kills, "
           "%llu records answered \"created\"\n",
           herd.client_count, herd.record_count, (double)(now_ms() - begun) / 1000, (unsigned long long)herd.requests,
           (unsigned long long)herd.busy, (unsigned long long)herd.lost, herd.kills_done,
           (unsigned long long)herd.created);
    return 0;
}
