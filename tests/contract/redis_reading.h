/* A source `redis` on a real redis-server, read as a feeder does. Its stream is `k`, and whatever is in it may be a
 * record. */
#ifndef WEIR_TESTS_CONTRACT_REDIS_READING_H
#define WEIR_TESTS_CONTRACT_REDIS_READING_H

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "intake/source.h"
#include "support/redis_server.h"

#define PATIENCE_US INT64_C(30000000)

typedef struct Reading {
    RedisServer server;
    SourceOptions options;
    SourceContext context;
    Source *source;
    SourceGroup group;
    char part[8], mark[64]; /* what the store has of the stream or list */
    SourcePlace place;
    Error error;
} Reading;

extern const StoreInfo reading_info;

int reading_setup(void **state); /* with a source that is open and not connected */
int reading_teardown(void **state);
#define REDIS_TEST(name) cmocka_unit_test_setup_teardown(name, reading_setup, reading_teardown)

void reading_open(Reading *reading, const char *streams, const char *lists); /* closes the one before */
Status reading_try_connect(Reading *reading);
void reading_connect(Reading *reading);

Status reading_fetch_once(Reading *reading);
Status reading_fetch(Reading *reading);            /* until something has come, or it fails */
void reading_store(Reading *reading);              /* and acknowledges */
void reading_take(Reading *reading, size_t count); /* fetches and stores so many */
void reading_check_quiet(Reading *reading);        /* nothing comes */

/* The error says where, and has `what` in it and no password. */
void reading_check_error(const Reading *reading, const char *what);
void reading_check_notice(const Reading *reading, const char *what); /* NULL: there is none */

void reading_add(Reading *reading, int count); /* entries */
/* What a question is answered: a number, or the first of an array. Frees the reply. */
int64_t reading_number(redisReply *reply);
#define reading_ask(reading, question) reading_number(redis_server_ask(&(reading)->server, question))

int64_t reading_now_us(void);

#endif
