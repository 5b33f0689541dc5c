#include "broker/redis_conn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

struct RedisConn {
    redisContext *context; /* owns */
    const Clock *clock;
    int64_t timeout_us;
    bool writing, tls, shows_cert;
    bool connected, answered;   /* at least once */
    size_t coming, reply_bytes; /* of the reply that comes, and of the last one */
    size_t reply_max;           /* 0: no bound */
    bool too_long;
};

/* ---- What errors mean -------------------------------------------------------------------------------------------- */

/* Beginnings of the errors that stay until a person has looked; all others may pass by themselves. */
static const char *const errors_that_stay[] = {
    "WRONGPASS ",
    "NOAUTH ",
    "NOPERM ",
    "WRONGTYPE ",
    "DENIED ",
    "MOVED ",
    "CROSSSLOT ",
    "ERR invalid password",
    "ERR Client sent AUTH",
    "ERR AUTH ",
    "ERR wrong number of arguments",
    "ERR DB index",
    "ERR invalid DB index",
    "ERR SELECT is not allowed",
    "ERR unknown command",
};

Str redis_error_text(Str error)
{
    error = str_trim(error);
    return error.len && error.ptr[0] == '-' ? (Str){error.ptr + 1, error.len - 1} : error;
}

Status redis_error_status(Str error)
{
    error = redis_error_text(error);
    if (error.len == 0) {
        return STATUS_OK;
    }
    for (size_t i = 0; i < sizeof errors_that_stay / sizeof *errors_that_stay; i++) {
        if (str_starts_with(error, str_from(errors_that_stay[i]))) {
            return STATUS_REFUSED;
        }
    }
    return STATUS_BUSY;
}

/* ---- Open and close ---------------------------------------------------------------------------------------------- */

Status redis_conn_check(const RedisUrl *url, const RedisTlsFiles *files, Error *reterr)
{
    const struct {
        const char *name, *file;
    } named[] = {{"ca_file", files->ca}, {"cert_file", files->cert}, {"key_file", files->key}};
    for (size_t i = 0; i < sizeof named / sizeof *named && !url->tls; i++) {
        if (named[i].file[0]) {
            return error_set(reterr, STATUS_REFUSED,
                             "%s: it is for TLS, and the URL says that there is none; write rediss://", named[i].name);
        }
    }
    if (!files->cert[0] != !files->key[0]) {
        return error_set(reterr, STATUS_REFUSED, "%s: is missing, and %s is there; they belong together",
                         files->cert[0] ? "key_file" : "cert_file", files->cert[0] ? "cert_file" : "key_file");
    }
    return url->tls && redis_tls_possible(reterr) != STATUS_OK ? error_prefix(reterr, "url") : STATUS_OK;
}

static struct timeval timeval_from(int64_t us)
{
    return (struct timeval){.tv_sec = us / 1000000, .tv_usec = us % 1000000};
}

/* What it may be when there is no answer of Redis. */
static const char *guess(const RedisConn *conn)
{
    if (!conn->tls) {
        return ", or does it want TLS (rediss://)";
    }
    return conn->shows_cert ? "" : ", or does it want a certificate of ours (cert_file)";
}

/* "Protocol error, got "H" as reply type byte" tells a person nothing who has mistaken the port. */
static Status fail(const RedisConn *conn, Error *reterr)
{
    int kind = conn->context->err;
    bool reset = kind == REDIS_ERR_IO && (errno == ECONNRESET || errno == EPIPE);
    bool closed = (kind == REDIS_ERR_EOF || reset) && conn->connected && !conn->answered;
    if (conn->context->err == REDIS_ERR_PROTOCOL || closed) {
        return error_set(reterr, STATUS_BUSY, "%s: is that another service than Redis%s? (%s)",
                         closed ? "the connection was closed before an answer came" : "the answer is none of Redis",
                         guess(conn), conn->context->errstr);
    }
    return error_set(reterr, STATUS_BUSY, "%s", conn->context->errstr[0] ? conn->context->errstr : "out of memory");
}

/* hiredis takes the first of the host's addresses that answers only when it connects in a blocking way. From then on it
 * must not wait: that is done here, where the time is known. */
static Status stop_blocking(const RedisConn *conn, Error *reterr)
{
    redisContext *context = conn->context;
    int flags = fcntl(context->fd, F_GETFL);
    if (flags < 0 || fcntl(context->fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return error_set(reterr, STATUS_BUSY, "the socket cannot be used: %s", strerror(errno));
    }
    context->flags &= ~REDIS_BLOCK;
    return STATUS_OK;
}

static Status begin_tls(RedisConn *conn, const RedisUrl *url, const RedisTlsFiles *files, Error *reterr)
{
    if (redisSetTimeout(conn->context, timeval_from(conn->timeout_us)) != REDIS_OK) {
        return fail(conn, reterr);
    }
    return redis_tls_begin(conn->context, url->host, files, reterr);
}

static Status connect_to(RedisConn *conn, const RedisUrl *url, const RedisTlsFiles *files, Error *reterr)
{
    struct timeval timeout = timeval_from(conn->timeout_us);
    conn->context = url->path[0] ? redisConnectUnixWithTimeout(url->path, timeout)
                                 : redisConnectWithTimeout(url->host, url->port, timeout);
    if (!conn->context) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    if (conn->context->err) {
        return fail(conn, reterr);
    }
    if (!url->path[0] && redisEnableKeepAlive(conn->context) != REDIS_OK) {
        return fail(conn, reterr);
    }
    Status status = url->tls ? begin_tls(conn, url, files, reterr) : STATUS_OK;
    return status == STATUS_OK ? stop_blocking(conn, reterr) : status;
}

static Status put_words(RedisConn *conn, int count, const char *const *words, Error *reterr)
{
    const char *argv[3] = {0};
    size_t lens[3] = {0};
    for (int i = 0; i < count; i++) {
        argv[i] = words[i];
        lens[i] = strlen(words[i]);
    }
    return redis_conn_put(conn, count, argv, lens, reterr);
}

static Status put_greeting(RedisConn *conn, const RedisUrl *url, size_t *ret_count, Error *reterr)
{
    Status status = STATUS_OK;
    char db[16];
    *ret_count = 0;
    if (url->password[0]) {
        /* Redis before version 6 knows passwords alone. */
        status = url->user[0] ? put_words(conn, 3, (const char *[]){"AUTH", url->user, url->password}, reterr)
                              : put_words(conn, 2, (const char *[]){"AUTH", url->password}, reterr);
        ++*ret_count;
    }
    if (status == STATUS_OK && url->db) {
        snprintf(db, sizeof db, "%u", url->db);
        status = put_words(conn, 2, (const char *[]){"SELECT", db}, reterr);
        ++*ret_count;
    }
    return status;
}

static Status greet(RedisConn *conn, const RedisUrl *url, Error *reterr)
{
    redisReply *replies[2] = {0};
    size_t count;
    Status status = put_greeting(conn, url, &count, reterr);
    if (status == STATUS_OK && count) {
        status = redis_conn_call(conn, replies, count, reterr);
    }
    for (size_t i = 0; i < count && replies[i]; i++) {
        if (status == STATUS_OK && replies[i]->type == REDIS_REPLY_ERROR) {
            Str error = redis_error_text((Str){replies[i]->str, replies[i]->len});
            status = error_set(reterr, redis_error_status(error), "%.*s", STR_ARGS(error));
        }
        freeReplyObject(replies[i]);
    }
    return status;
}

Status redis_conn_open(const RedisUrl *url, const RedisTlsFiles *files, int64_t timeout_us, const Clock *clock,
                       RedisConn **ret_conn, Error *reterr)
{
    RedisConn *conn = calloc(1, sizeof *conn);
    if (!conn) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    *conn = (RedisConn){
        .clock = clock, .timeout_us = timeout_us, .tls = url->tls, .shows_cert = url->tls && files->cert[0]};
    Status status = connect_to(conn, url, files, reterr);
    conn->connected = status == STATUS_OK;
    if (status == STATUS_OK) {
        status = greet(conn, url, reterr);
    }
    if (status != STATUS_OK) {
        redis_conn_close(conn);
        return status;
    }
    *ret_conn = conn;
    return STATUS_OK;
}

void redis_conn_close(RedisConn *conn)
{
    if (!conn) {
        return;
    }
    if (conn->context) {
        redisFree(conn->context);
    }
    free(conn);
}

/* ---- Write and read ---------------------------------------------------------------------------------------------- */

Status redis_conn_put(RedisConn *conn, int argc, const char **argv, const size_t *lens, Error *reterr)
{
    if (redisAppendCommandArgv(conn->context, argc, argv, lens) != REDIS_OK) {
        return fail(conn, reterr);
    }
    conn->writing = true;
    return STATUS_OK;
}

Status redis_conn_write(RedisConn *conn, Error *reterr)
{
    int done = 1;
    if (conn->writing && redisBufferWrite(conn->context, &done) != REDIS_OK) {
        return fail(conn, reterr);
    }
    conn->writing = !done;
    return STATUS_OK;
}

/* What the socket has, piece by piece, until a reply is complete. */
static Status read_more(RedisConn *conn, void **ret_reply, Error *reterr)
{
    redisContext *context = conn->context;
    while (!*ret_reply) {
        size_t had = context->reader->len;
        if (redisBufferRead(context) != REDIS_OK) {
            return fail(conn, reterr);
        }
        size_t got = context->reader->len - had;
        conn->coming += got;
        if (got == 0) {
            return STATUS_OK;
        }
        if (conn->reply_max && conn->coming > conn->reply_max) {
            conn->too_long = true;
            return error_set(reterr, STATUS_BUSY, "an answer is longer than %zu MiB", conn->reply_max >> 20);
        }
        if (redisGetReplyFromReader(context, ret_reply) != REDIS_OK) {
            return fail(conn, reterr);
        }
    }
    return STATUS_OK;
}

Status redis_conn_read(RedisConn *conn, redisReply **ret_reply, Error *reterr)
{
    void *reply = NULL;
    if (redisGetReplyFromReader(conn->context, &reply) != REDIS_OK) {
        return fail(conn, reterr);
    }
    Status status = reply ? STATUS_OK : read_more(conn, &reply, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (reply) {
        conn->answered = true;
        conn->reply_bytes = conn->coming;
        conn->coming = 0;
    }
    *ret_reply = reply;
    return STATUS_OK;
}

void redis_conn_set_reply_max(RedisConn *conn, size_t bytes) { conn->reply_max = bytes; }

bool redis_conn_was_too_long(const RedisConn *conn) { return conn->too_long; }

size_t redis_conn_reply_bytes(const RedisConn *conn) { return conn->reply_bytes; }

size_t redis_conn_coming_bytes(const RedisConn *conn) { return conn->coming; }

static short wanted_events(const RedisConn *conn) { return (short)(POLLIN | (conn->writing ? POLLOUT : 0)); }

void redis_conn_wait(const RedisConn *conn, const Wakeup *wakeup, int64_t us_max)
{
    wakeup_wait_beside(wakeup, conn ? conn->context->fd : -1, conn ? wanted_events(conn) : 0, us_max);
}

static Status await(RedisConn *conn, int64_t deadline_us, Error *reterr)
{
    int64_t left = deadline_us - clock_monotonic_us(conn->clock);
    if (left <= 0) {
        return error_set(reterr, STATUS_BUSY, "no answer within %lld ms", (long long)(conn->timeout_us / 1000));
    }
    struct pollfd fd = {.fd = conn->context->fd, .events = wanted_events(conn)};
    if (poll(&fd, 1, (int)(left / 1000 + 1)) < 0 && errno != EINTR) {
        return error_set(reterr, STATUS_BUSY, "waiting has failed: %s", strerror(errno));
    }
    return STATUS_OK;
}

static Status call_one(RedisConn *conn, int64_t deadline_us, redisReply **ret_reply, Error *reterr)
{
    for (;;) {
        Status status = redis_conn_write(conn, reterr);
        if (status == STATUS_OK) {
            status = redis_conn_read(conn, ret_reply, reterr);
        }
        if (status != STATUS_OK || *ret_reply) {
            return status;
        }
        status = await(conn, deadline_us, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

Status redis_conn_call(RedisConn *conn, redisReply **ret_replies, size_t count, Error *reterr)
{
    int64_t deadline_us = clock_monotonic_us(conn->clock) + conn->timeout_us;
    for (size_t i = 0; i < count; i++) {
        ret_replies[i] = NULL;
        Status status = call_one(conn, deadline_us, &ret_replies[i], reterr);
        if (status != STATUS_OK) {
            while (i > 0) {
                freeReplyObject(ret_replies[--i]);
                ret_replies[i] = NULL;
            }
            return status;
        }
    }
    return STATUS_OK;
}
