#include "support/redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/scratch_dir.h"

static void must(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

bool redis_server_can_be_had(void)
{
    bool there = system("command -v redis-server >/dev/null 2>&1") == 0;
    if (!there) {
        printf("skipped: there is no redis-server on this machine (Debian's package redis-server)\n");
    }
    return there;
}

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0, "bind");
    must(getsockname(fd, (struct sockaddr *)&address, &size) == 0, "getsockname");
    close(fd);
    return ntohs(address.sin_port);
}

static void run(const RedisServer *server)
{
    char port[16], tls_port[16], log[96];
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive a test that crashes */
    snprintf(port, sizeof port, "%d", server->port);
    snprintf(tls_port, sizeof tls_port, "%d", server->tls_port);
    snprintf(log, sizeof log, "%s/log", server->dir);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    must(fd >= 0 && dup2(fd, 1) >= 0 && dup2(fd, 2) >= 0 && chdir(server->dir) == 0, "log");
    const char *argv[64] = {"redis-server",
                            "--port",
                            port,
                            "--bind",
                            "127.0.0.1",
                            "--unixsocket",
                            "socket",
                            "--appendonly",
                            "yes",
                            "--appendfsync",
                            server->sync,
                            "--save",
                            "",
                            "--daemonize",
                            "no",
                            "--auto-aof-rewrite-percentage",
                            "0",
                            "--requirepass",
                            REDIS_SERVER_PASSWORD};
    const char *const tls[] = {"--tls-port",         tls_port,  "--tls-cert-file",    "cert.pem",
                               "--tls-key-file",     "key.pem", "--tls-ca-cert-file", "cert.pem",
                               "--tls-auth-clients", "no"};
    for (size_t i = 0; server->tls_port && i < sizeof tls / sizeof *tls; i++) {
        argv[19 + i] = tls[i];
    }
    execvp("redis-server", (char *const *)argv);
    must(false, "redis-server");
}

static bool answers(RedisServer *server)
{
    redisContext *client = redisConnectUnix(server->socket_path);
    bool ok = false;
    if (client && !client->err) {
        redisReply *auth = redisCommand(client, "AUTH %s", REDIS_SERVER_PASSWORD);
        redisReply *reply = redisCommand(client, "PING");
        ok = reply && reply->type == REDIS_REPLY_STATUS;
        freeReplyObject(auth);
        freeReplyObject(reply);
    }
    if (ok) {
        server->client = client;
    } else if (client) {
        redisFree(client);
    }
    return ok;
}

void redis_server_restart(RedisServer *server)
{
    unlink(server->socket_path);
    server->pid = fork();
    must(server->pid >= 0, "fork");
    if (server->pid == 0) {
        run(server);
    }
    for (int i = 0; i < 6000 && !answers(server); i++) {
        must(waitpid(server->pid, NULL, WNOHANG) == 0, "redis-server has ended");
        usleep(5000);
    }
    must(server->client, "redis-server does not answer");
}

static void prepare(RedisServer *server, const char *sync)
{
    *server = (RedisServer){.sync = sync};
    signal(SIGPIPE, SIG_IGN);
    scratch_dir_make(server->dir, sizeof server->dir);
    snprintf(server->socket_path, sizeof server->socket_path, "%s/socket", server->dir);
    snprintf(server->url, sizeof server->url, "unix://:se%%2Fcret%%401@%s", server->socket_path);
    server->port = free_port();
}

void redis_server_start(RedisServer *server, const char *sync)
{
    prepare(server, sync);
    redis_server_restart(server);
}

void redis_server_start_tls(RedisServer *server)
{
    char command[512];
    prepare(server, "always");
    snprintf(server->ca_file, sizeof server->ca_file, "%s/cert.pem", server->dir);
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=weir "
             "-addext subjectAltName=DNS:localhost -keyout %s/key.pem -out %s 2>/dev/null",
             server->dir, server->ca_file);
    must(system(command) == 0, "openssl");
    do {
        server->tls_port = free_port();
    } while (server->tls_port == server->port);
    redis_server_restart(server);
}

void redis_server_kill(RedisServer *server)
{
    redisFree(server->client);
    server->client = NULL;
    must(kill(server->pid, SIGKILL) == 0 && waitpid(server->pid, NULL, 0) == server->pid, "kill");
    server->pid = 0;
}

void redis_server_stop(RedisServer *server)
{
    if (server->pid) {
        redis_server_kill(server);
    }
    scratch_dir_remove(server->dir);
}

void redis_server_hold(RedisServer *server, bool hold)
{
    must(kill(server->pid, hold ? SIGSTOP : SIGCONT) == 0, "kill");
}

redisReply *redis_server_ask(RedisServer *server, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = redisvCommand(server->client, format, args);
    va_end(args);
    if (!reply || reply->type == REDIS_REPLY_ERROR) {
        fprintf(stderr, "%s: %s\n", format, reply ? reply->str : server->client->errstr);
        abort();
    }
    return reply;
}

void redis_server_do(RedisServer *server, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = redisvCommand(server->client, format, args);
    va_end(args);
    if (!reply || reply->type == REDIS_REPLY_ERROR) {
        fprintf(stderr, "%s: %s\n", format, reply ? reply->str : server->client->errstr);
        abort();
    }
    freeReplyObject(reply);
}

/* Redis 7 has a directory of such files, the versions before it one. */
static void file_path(const RedisServer *server, char *ret_path, size_t size)
{
    snprintf(ret_path, size, "%s/appendonlydir/appendonly.aof.1.incr.aof", server->dir);
    if (access(ret_path, F_OK) != 0) {
        snprintf(ret_path, size, "%s/appendonly.aof", server->dir);
    }
}

int64_t redis_server_written(const RedisServer *server)
{
    char path[160];
    struct stat file;
    file_path(server, path, sizeof path);
    must(stat(path, &file) == 0, path);
    return file.st_size;
}

void redis_server_cut(const RedisServer *server, int64_t bytes)
{
    char path[160];
    file_path(server, path, sizeof path);
    must(truncate(path, bytes) == 0, path);
}
