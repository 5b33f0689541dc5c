/* A sink `redis` on a real redis-server, and a line as simple as can be: it sends what is next in order, sends again
 * what was held, and believes Redis's word about where it is. */
#ifndef WEIR_TESTS_CONTRACT_REDIS_LINE_H
#define WEIR_TESTS_CONTRACT_REDIS_LINE_H

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "deliver/sink.h"
#include "support/redis_server.h"

enum { REDIS_LINE_ROOM = 100, SKIPPED = 77, SECOND_US = 1000000 };

typedef struct RedisLine {
    RedisServer server;
    StoreInfo info;
    SinkOptions options;
    SinkContext context;
    Sink *sink;
    bool connected;
    SinkPlace place;  /* all up to here was taken */
    int64_t sent_seq; /* the last that was handed to the sink */
    size_t in_flight; /* messages whose verdicts have not come */
    int64_t again;    /* how often the line went back on Redis's word */
} RedisLine;

int redis_line_setup(void **state);              /* appendfsync always */
int redis_line_setup_without_sync(void **state); /* no */
int redis_line_teardown(void **state);
#define REDIS_TEST(name) cmocka_unit_test_setup_teardown(name, redis_line_setup, redis_line_teardown)

/* A sink that fails the test when it cannot be made. */
Sink *redis_line_open(const SinkContext *context);

/* Sends first … last, with or without a place. Every tenth is an alert, the others are notifications. */
Status redis_line_send(RedisLine *line, int64_t first, int64_t last, bool placed, Error *reterr) MUST_CHECK;
Status redis_line_connect(RedisLine *line, Error *reterr) MUST_CHECK;
void redis_line_must_connect(RedisLine *line);
/* It fails so, with a message that has `why` in it and no password. */
void redis_line_check_connect(RedisLine *line, Status status, const char *why);

/* One turn on the way to `last`. Returns whether it has sent something. */
bool redis_line_turn(RedisLine *line, int64_t last);
void redis_line_deliver(RedisLine *line, int64_t last); /* turns until all is there */
void redis_line_settle(RedisLine *line);                /* waits for the verdicts of what is under way */

/* Both streams together have first … last, each once, each stream in order, and nothing else. */
void redis_line_check(RedisLine *line, int64_t first, int64_t last);
long long redis_line_length(RedisLine *line, const char *key);

#endif
