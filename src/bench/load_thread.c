#include "bench/load_thread.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    RECEIVE_BYTES = 16384,
    EVENTS_MAX = 256,
    CHECK_US = 20000,          /* from one look over all connections to the next */
    RECONNECT_US = 100000,     /* after a connection failed */
    CONNECT_WAIT_US = 5000000, /* for all connections before the clock starts */
    REST_US_MAX = 1000000,     /* a Retry-After is believed up to here */
    REST_US_DEFAULT = 50000,   /* after a 503 without one */
    POINT_RECORDS = 100000,    /* from point to point */
};

/* What a stream without an end claims: days of sending, and far from where numbers or times overflow. */
static const uint64_t ENDLESS_RECORDS = UINT64_C(100000000000);

static int64_t now_us(const LoadThread *thread) { return clock_monotonic_us(thread->load->clock); }

static unsigned conn_index(const LoadThread *thread, const Conn *conn) { return (unsigned)(conn - thread->conns); }

/* Tells epoll what to wait for. */
static void conn_watch(LoadThread *thread, Conn *conn, int operation, bool writable)
{
    struct epoll_event event = {
        .events = EPOLLIN | (writable ? (uint32_t)EPOLLOUT : 0),
        .data.u32 = conn_index(thread, conn),
    };
    conn->wants_write = writable;
    (void)epoll_ctl(thread->epoll, operation, conn->fd, &event);
}

static void conn_set_again(LoadThread *thread, Conn *conn, bool again)
{
    thread->repeating += (unsigned)again - (unsigned)conn->again;
    conn->again = again;
}

static void conn_close(LoadThread *thread, Conn *conn, int64_t resume_us)
{
    if (conn->state == CONN_BUSY) {
        thread->busy--;
    }
    for (unsigned i = 0; conn->state == CONN_IDLE && i < thread->idle_count; i++) {
        if (thread->idle[i] == conn_index(thread, conn)) {
            thread->idle[i] = thread->idle[--thread->idle_count];
        }
    }
    if (conn->fd >= 0) {
        close(conn->fd);
    }
    conn->fd = -1;
    conn->state = CONN_CLOSED;
    conn->resume_us = resume_us;
}

static void conn_open(LoadThread *thread, Conn *conn)
{
    const struct sockaddr *address = (const struct sockaddr *)&thread->load->address;
    int on = 1;
    conn->progress_us = now_us(thread);
    conn->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0 || (connect(conn->fd, address, thread->load->address_bytes) != 0 && errno != EINPROGRESS)) {
        thread->counts.connect_failures++;
        conn_close(thread, conn, conn->progress_us + RECONNECT_US);
        return;
    }
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    conn->state = CONN_CONNECTING;
    conn_watch(thread, conn, EPOLL_CTL_ADD, true);
}

/* Counts records for the rate per million, with a point every POINT_RECORDS. */
static void settle(LoadThread *thread, uint64_t records, int64_t at_us)
{
    Load *load = thread->load;
    uint64_t before = atomic_fetch_add_explicit(&load->settled, records, memory_order_relaxed);
    if (before / POINT_RECORDS == (before + records) / POINT_RECORDS) {
        return;
    }
    pthread_mutex_lock(&load->points_lock);
    if (load->points_count < LOAD_POINTS_MAX) {
        load->points[load->points_count++] = (LoadPoint){at_us, before + records};
    }
    pthread_mutex_unlock(&load->points_lock);
}

/* Whether records count when they are sent, because an answer comes only at the end of everything. */
static bool settles_when_sent(const LoadThread *thread)
{
    return thread->load->options->mode == LOAD_NDJSON && thread->load->options->per_request == 0;
}

static bool is_stopped(const LoadThread *thread)
{
    const LoadOptions *options = thread->load->options;
    return options->stop && *options->stop;
}

static void conn_fill(LoadThread *thread, Conn *conn, int64_t now)
{
    LoadRange *range = &conn->range;
    bool over = is_stopped(thread) || now >= thread->load->deadline_us;
    if (over && range->begun) {
        range->count = range->written;
    }
    uint64_t before = range->written;
    conn->out_bytes = load_request_put(&thread->maker, range, conn->out);
    conn->out_sent = 0;
    thread->counts.records_sent += range->written - before;
    if (settles_when_sent(thread)) {
        settle(thread, range->written - before, now);
    }
}

/* Sends what is written, after one fill at most, so that connections take turns. */
static void conn_send(LoadThread *thread, Conn *conn, int64_t now)
{
    if (conn->out_sent == conn->out_bytes && !conn->range.ended) {
        conn_fill(thread, conn, now);
    }
    ssize_t sent = send(conn->fd, conn->out + conn->out_sent, conn->out_bytes - conn->out_sent, MSG_NOSIGNAL);
    if (sent > 0) {
        conn->out_sent += (size_t)sent;
        thread->counts.bytes_sent += (uint64_t)sent;
        thread->alive_us = conn->progress_us = now;
    } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        /* The server may have said why before it closed; reading tells. */
        conn->cut = true;
    }
    bool more = !conn->cut && (conn->out_sent < conn->out_bytes || !conn->range.ended);
    if (more != conn->wants_write) {
        conn_watch(thread, conn, EPOLL_CTL_MOD, more);
    }
}

/* Sends conn->range from its beginning. */
static void conn_start(LoadThread *thread, Conn *conn, int64_t due, int64_t now)
{
    conn->state = CONN_BUSY;
    thread->busy++;
    conn->due_us = due;
    conn->sent_us = conn->progress_us = now;
    conn->cut = false;
    conn->out_bytes = conn->out_sent = 0;
    conn->range.written = 0;
    conn->range.begun = conn->range.ended = false;
    load_answer_begin(&conn->answer);
    conn_send(thread, conn, now);
}

/* The connection stands and owes nothing. */
static void conn_ready(LoadThread *thread, Conn *conn, int64_t now)
{
    if (conn->again) {
        conn_set_again(thread, conn, false);
        conn_start(thread, conn, conn->due_us, now);
        return;
    }
    conn->state = CONN_IDLE;
    thread->idle[thread->idle_count++] = conn_index(thread, conn);
}

static void conn_connected(LoadThread *thread, Conn *conn, int64_t now)
{
    int problem = 0;
    socklen_t bytes = sizeof(problem);
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &problem, &bytes) != 0 || problem != 0) {
        thread->counts.connect_failures++;
        conn_close(thread, conn, now + RECONNECT_US);
        return;
    }
    conn_watch(thread, conn, EPOLL_CTL_MOD, false);
    conn_ready(thread, conn, now);
}

/* The request got no answer: it is sent again if the options say so, else it is lost to this run. */
static void conn_broken(LoadThread *thread, Conn *conn, int64_t now)
{
    conn_set_again(thread, conn, thread->load->options->retry);
    conn_close(thread, conn, now + RECONNECT_US);
}

static void count_records(LoadThread *thread, const Conn *conn)
{
    LoadCounts *counts = &thread->counts;
    const LoadAnswer *answer = &conn->answer;
    LoadMode mode = thread->load->options->mode;
    if (answer->status / 100 == 2) {
        counts->records_answered += conn->range.count;
    }
    if (mode == LOAD_ARRAY || mode == LOAD_NDJSON) {
        counts->created += load_answer_number(answer, "created");
        counts->duplicates += load_answer_number(answer, "duplicates");
        counts->conflicts += load_answer_number(answer, "conflicts");
        counts->rejected += load_answer_number(answer, "rejected");
        return;
    }
    counts->created += answer->status == 201;
    counts->duplicates += answer->status == 200;
    counts->conflicts += answer->status == 409;
    counts->rejected += answer->status == 422;
}

static void count_answer(LoadThread *thread, const Conn *conn, int64_t now)
{
    thread->last_us = now;
    thread->counts.requests++;
    thread->counts.statuses[conn->answer.status]++;
    count_records(thread, conn);
    if (conn->answer.status < 500) {
        latencies_add(&thread->latencies, now - conn->due_us);
        latencies_add(&thread->service, now - conn->sent_us);
    }
    if (conn->answer.status / 100 == 2 && !settles_when_sent(thread)) {
        settle(thread, conn->range.count, now);
    }
}

/* A whole answer is there. */
static void conn_answered(LoadThread *thread, Conn *conn, int64_t now)
{
    const LoadAnswer *answer = &conn->answer;
    bool usable = !answer->close && !conn->cut && conn->range.ended && conn->out_sent == conn->out_bytes;
    count_answer(thread, conn, now);
    int64_t resume = now;
    if (answer->status == 503) {
        int64_t rest = answer->retry_after ? (int64_t)answer->retry_after * 1000000 : REST_US_DEFAULT;
        resume = now + (rest < REST_US_MAX ? rest : REST_US_MAX);
        conn_set_again(thread, conn, thread->load->options->retry);
    }
    if (!usable) {
        conn_close(thread, conn, resume);
        return;
    }
    thread->busy--;
    if (resume > now) {
        conn->state = CONN_RESTING;
        conn->resume_us = resume;
    } else {
        conn_ready(thread, conn, now);
    }
}

/* What the server closed while nothing was asked of it (its idle time-out) is opened again. */
static void conn_receive(LoadThread *thread, Conn *conn)
{
    char data[RECEIVE_BYTES];
    ssize_t bytes = recv(conn->fd, data, sizeof(data), 0);
    if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    int64_t now = now_us(thread);
    if (conn->state != CONN_BUSY) {
        conn_close(thread, conn, now);
        return;
    }
    if (bytes > 0) {
        thread->alive_us = conn->progress_us = now;
        (void)load_answer_feed(&conn->answer, data, (size_t)bytes);
    } else {
        load_answer_end(&conn->answer);
    }
    if (conn->answer.part == LOAD_ANSWER_DONE) {
        conn_answered(thread, conn, now);
    } else if (conn->answer.part == LOAD_ANSWER_BROKEN) {
        thread->counts.broken++;
        conn_broken(thread, conn, now);
    }
}

static void conn_event(LoadThread *thread, Conn *conn, uint32_t events)
{
    if (conn->state == CONN_CONNECTING) {
        conn_connected(thread, conn, now_us(thread));
        return;
    }
    if (events & ~(uint32_t)EPOLLOUT && conn->fd >= 0) {
        conn_receive(thread, conn);
    }
    if (events & EPOLLOUT && conn->state == CONN_BUSY && conn->wants_write) {
        conn_send(thread, conn, now_us(thread));
    }
}

/* Time-outs, and connections whose pause is over. */
static void check_conn(LoadThread *thread, Conn *conn, int64_t now)
{
    int64_t silent_us = now - conn->progress_us;
    bool late = (double)silent_us > thread->load->options->timeout_s * 1e6;
    if (conn->state == CONN_CLOSED && now >= conn->resume_us) {
        conn_open(thread, conn);
    } else if (conn->state == CONN_RESTING && now >= conn->resume_us) {
        conn_ready(thread, conn, now);
    } else if (conn->state == CONN_CONNECTING && late) {
        thread->counts.connect_failures++;
        conn_close(thread, conn, now);
    } else if (conn->state == CONN_BUSY && late) {
        thread->counts.timeouts++;
        conn_broken(thread, conn, now);
    }
}

static void check_all(LoadThread *thread, int64_t now)
{
    if (now < thread->check_us) {
        return;
    }
    thread->check_us = now + CHECK_US;
    for (unsigned i = 0; i < thread->conns_count; i++) {
        check_conn(thread, &thread->conns[i], now);
    }
    if (thread->busy == 0 && thread->idle_count > 0) {
        thread->alive_us = now;
    }
}

/* When the next request is due: at once, or by the timetable that the threads share in turns. */
static int64_t next_due(const LoadThread *thread, int64_t now)
{
    const LoadOptions *options = thread->load->options;
    if (options->mode != LOAD_RATE) {
        return now;
    }
    double place = (double)(thread->issued * options->threads + thread->index);
    return thread->load->start_us + (int64_t)(place * 1e6 / options->rate);
}

/* How many records a request takes. */
static uint64_t request_records(const LoadOptions *options)
{
    switch (options->mode) {
    case LOAD_RATE:
    case LOAD_SINGLE: return 1;
    case LOAD_ARRAY: return options->batch;
    case LOAD_NDJSON: break;
    }
    if (options->per_request > 0) {
        return options->per_request;
    }
    return options->records > 0 ? (options->records + options->connections - 1) / options->connections
                                : ENDLESS_RECORDS;
}

static bool claim(LoadThread *thread, LoadRange *ret_range)
{
    const LoadOptions *options = thread->load->options;
    uint64_t wanted = request_records(options);
    uint64_t first = atomic_fetch_add_explicit(&thread->load->claimed, wanted, memory_order_relaxed);
    if (options->records > 0 && first >= options->records) {
        return false;
    }
    if (options->records > 0 && wanted > options->records - first) {
        wanted = options->records - first;
    }
    *ret_range = (LoadRange){.first = options->first + first, .count = wanted};
    return true;
}

/* Starts what is due on the connections that are idle. Afterwards `ret_due` is when to look again. */
static void issue(LoadThread *thread, int64_t *ret_due)
{
    int64_t now = now_us(thread);
    *ret_due = thread->check_us;
    while (!thread->exhausted && thread->idle_count > 0) {
        int64_t due = next_due(thread, now);
        if (due >= thread->load->deadline_us || is_stopped(thread)) {
            thread->exhausted = true;
        } else if (due > now) {
            *ret_due = due < *ret_due ? due : *ret_due;
            return;
        } else {
            Conn *conn = &thread->conns[thread->idle[thread->idle_count - 1]];
            if (!claim(thread, &conn->range)) {
                thread->exhausted = true;
                return;
            }
            thread->idle_count--;
            thread->issued++;
            conn_start(thread, conn, due, now);
            now = now_us(thread);
        }
    }
}

/* Handles what happened, or waits until `until_us` for something to happen. */
static void turn(LoadThread *thread, int64_t until_us)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t wait_us = until_us - now_us(thread);
    wait_us = wait_us > 0 ? wait_us : 0;
    struct timespec wait = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    int count = epoll_pwait2(thread->epoll, events, EVENTS_MAX, &wait, NULL);
    for (int i = 0; i < count; i++) {
        conn_event(thread, &thread->conns[events[i].data.u32], events[i].events);
    }
    check_all(thread, now_us(thread));
}

/* Nothing is out, and nothing more is to be sent; or the server has been silent for so long that it never will be. */
static bool is_over(const LoadThread *thread)
{
    const LoadOptions *options = thread->load->options;
    int64_t now = now_us(thread);
    if ((double)(now - thread->alive_us) > options->timeout_s * 2e6) {
        return true;
    }
    bool stopped = is_stopped(thread);
    bool late = now >= thread->load->deadline_us;
    bool all_sent = thread->exhausted || stopped || (late && options->mode != LOAD_RATE);
    return all_sent && thread->busy == 0 && (thread->repeating == 0 || late || stopped);
}

static void connect_all(LoadThread *thread)
{
    int64_t until = now_us(thread) + CONNECT_WAIT_US;
    while (thread->idle_count < thread->conns_count && now_us(thread) < until && !is_stopped(thread)) {
        turn(thread, thread->check_us < until ? thread->check_us : until);
    }
}

void *load_thread_run(void *argument)
{
    LoadThread *thread = argument;
    Load *load = thread->load;
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* 50 us late by default, which would be in every latency of an open loop */
    connect_all(thread);
    if (pthread_barrier_wait(&load->connected) == PTHREAD_BARRIER_SERIAL_THREAD) {
        double duration_us = load->options->duration_s * 1e6;
        load->start_us = now_us(thread);
        load->deadline_us = duration_us > 0 ? load->start_us + (int64_t)duration_us : INT64_MAX;
    }
    (void)pthread_barrier_wait(&load->connected);
    thread->alive_us = thread->last_us = load->start_us;
    while (!is_over(thread)) {
        int64_t due;
        issue(thread, &due);
        turn(thread, due);
    }
    return NULL;
}

static bool allocate(LoadThread *thread, unsigned connections)
{
    thread->conns = calloc(connections, sizeof(Conn));
    thread->idle = calloc(connections, sizeof(*thread->idle));
    if (!thread->conns || !thread->idle) {
        return false;
    }
    for (; thread->conns_count < connections; thread->conns_count++) {
        Conn *conn = &thread->conns[thread->conns_count];
        conn->fd = -1;
        conn->out = malloc(load_request_bytes_max(thread->load->options));
        if (!conn->out) {
            return false;
        }
    }
    return true;
}

LoadThread *load_thread_new(Load *load, unsigned index, unsigned connections, const LoadMaker *maker)
{
    LoadThread *thread = calloc(1, sizeof(*thread));
    if (!thread) {
        return NULL;
    }
    thread->load = load;
    thread->index = index;
    thread->maker = *maker;
    thread->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (thread->epoll < 0 || !allocate(thread, connections)) {
        load_thread_free(thread);
        return NULL;
    }
    return thread;
}

void load_thread_free(LoadThread *thread)
{
    if (!thread) {
        return;
    }
    for (unsigned i = 0; i < thread->conns_count; i++) {
        if (thread->conns[i].fd >= 0) {
            close(thread->conns[i].fd);
        }
        free(thread->conns[i].out);
    }
    free(thread->conns);
    free(thread->idle);
    if (thread->epoll >= 0) {
        close(thread->epoll);
    }
    free(thread);
}
