/* Whose turn a request is, with the library's two calls replaced: what each of the three parties (the connection, who
 * has the request, the sweeper) finds in every order of events. */
#include "unit.h"

#include <microhttpd.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/parts.h"
#include "http/turn.h"

static atomic_int suspended, resumed, freed;
static atomic_bool is_resuming, resume_is_slow;
static pthread_mutex_t library =
    PTHREAD_MUTEX_INITIALIZER; /* as the library's own: what is done before is seen after */

/* In place of the library's. */
void MHD_suspend_connection(struct MHD_Connection *mhd)
{
    (void)mhd;
    suspended++;
}

void MHD_resume_connection(struct MHD_Connection *mhd)
{
    (void)mhd;
    pthread_mutex_lock(&library);
    is_resuming = true;
    resumed++; /* from here on the connection may run */
    pthread_mutex_unlock(&library);
    if (resume_is_slow) {
        usleep(20000);
    }
    is_resuming = false;
}

static void on_release(Request *request)
{
    (void)request;
    freed++;
}

typedef struct Fixture {
    HttpServer server;
    Poller poller; /* never asleep */
    Conn conn;
    Request *request;
} Fixture;

static void make_request(Fixture *fixture)
{
    fixture->request = request_new(&fixture->conn);
    assert_non_null(fixture->request);
    fixture->request->release = on_release;
}

static int setup(void **state)
{
    Fixture *fixture = calloc(1, sizeof *fixture);
    suspended = resumed = freed = 0;
    resume_is_slow = false;
    fixture->server.options = http_server_options_default();
    fixture->conn.server = &fixture->server;
    fixture->conn.poller = &fixture->poller;
    make_request(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void wait(Fixture *fixture)
{
    assert_true(turn_wait(fixture->request, 1000));
    assert_int_equal(fixture->server.waits, 1);
}

static void test_woken(void **state)
{
    Fixture *fixture = *state;
    wait(fixture);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_NOT_YET);
    request_wake(fixture->request);
    assert_int_equal(resumed, 1);
    assert_int_equal(fixture->server.waits, 1);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    assert_int_equal(fixture->server.waits, 0);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    assert_false(turn_abandon(fixture->request));
    assert_int_equal(fixture->server.waits, 0);
    request_free(fixture->request);
    assert_int_equal(suspended, 1);
}

/* Nothing more is done for it: in time, and when its time was over already. */
static void test_given_up(void **state)
{
    Fixture *fixture = *state;
    for (int is_late = 0; is_late <= 1; is_late++) {
        fixture->request->failed = STATUS_OK;
        wait(fixture);
        if (is_late) {
            turn_expire(fixture->request, 1000);
        }
        request_give_up(fixture->request);
        assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
        assert_int_equal(fixture->request->failed, STATUS_UNKNOWN); /* of what is no GET */
        assert_true(fixture->request->error.message[0] != '\0');
    }
    request_free(fixture->request);
}

/* A job that was not done has failed, and is not taken for one without a result. */
static void test_a_job_that_nobody_does(void **state)
{
    Fixture *fixture = *state;
    QueryPool *pool = &fixture->server.pool;
    Error error;
    assert_int_equal(query_pool_start(pool, &fixture->server, 0, &error), STATUS_OK);
    wait(fixture);
    query_pool_add(pool, fixture->request);
    query_pool_stop(pool);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    assert_int_equal(fixture->request->failed, STATUS_UNKNOWN);
    request_free(fixture->request);
}

static void test_stopping(void **state)
{
    Fixture *fixture = *state;
    fixture->server.stopping = true;
    assert_false(turn_wait(fixture->request, 1000));
    assert_int_equal(fixture->server.waits, 0);
    assert_int_equal(suspended, 0);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    request_free(fixture->request);
}

static void test_expired(void **state)
{
    Fixture *fixture = *state;
    wait(fixture);
    turn_expire(fixture->request, 999);
    assert_int_equal(resumed, 0);
    assert_false(turn_is_lost(fixture->request));
    turn_expire(fixture->request, 1000);
    assert_int_equal(resumed, 1);
    assert_true(turn_is_lost(fixture->request));
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_EXPIRED);
    assert_int_equal(fixture->server.waits, 0);
    assert_true(turn_leave(fixture->request));
    assert_int_equal(freed, 0);
    request_wake(fixture->request);
    assert_int_equal(freed, 1);
    assert_int_equal(resumed, 1);
}

static void test_late(void **state)
{
    Fixture *fixture = *state;
    wait(fixture);
    turn_expire(fixture->request, 1000);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_EXPIRED);
    request_wake(fixture->request);
    assert_false(turn_leave(fixture->request));
    wait(fixture);
    request_wake(fixture->request);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    assert_int_equal(freed, 0);
    request_free(fixture->request);
}

/* The connection ends while the request is on its way back: it is the connection's again, and no wait is left over. */
static void test_abandoned_when_back(void **state)
{
    Fixture *fixture = *state;
    wait(fixture);
    request_wake(fixture->request);
    assert_false(turn_abandon(fixture->request));
    assert_int_equal(fixture->server.waits, 0);
    wait(fixture);
    turn_expire(fixture->request, 1000);
    request_wake(fixture->request);
    assert_false(turn_abandon(fixture->request));
    assert_int_equal(fixture->server.waits, 0);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    assert_int_equal(freed, 0);
    request_free(fixture->request);
}

/* The connection ends while others have the request: it is theirs, and they free it without touching the connection. */
static void test_abandoned_when_away(void **state)
{
    Fixture *fixture = *state;
    for (int expires = 0; expires < 2; expires++) {
        wait(fixture);
        if (expires) {
            turn_expire(fixture->request, 1000);
        }
        assert_true(turn_abandon(fixture->request));
        assert_int_equal(fixture->server.waits, 0);
        assert_true(turn_is_lost(fixture->request));
        assert_int_equal(freed, expires);
        request_wake(fixture->request);
        assert_int_equal(freed, expires + 1);
        assert_int_equal(resumed, expires);
        if (!expires) {
            make_request(fixture);
        }
    }
}

static void *wake(void *request)
{
    request_wake(request);
    return NULL;
}

/* The library may run a connection before MHD_resume_connection has returned on the waker's thread. Nothing of the
 * connection may go away until then: neither its request, nor (waits is 0) the poller. */
static void test_waker_is_waited_for(void **state)
{
    Fixture *fixture = *state;
    resume_is_slow = true;
    for (int abandons = 0; abandons < 2; abandons++) {
        pthread_t thread;
        int before = resumed;
        wait(fixture);
        assert_int_equal(pthread_create(&thread, NULL, wake, fixture->request), 0);
        while (resumed == before) {
            sched_yield();
        }
        if (abandons) {
            assert_false(turn_abandon(fixture->request));
        } else {
            assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
        }
        assert_false(is_resuming);
        assert_int_equal(fixture->server.waits, 0);
        pthread_join(thread, NULL);
    }
    request_free(fixture->request);
}

/* ---- All at once ------------------------------------------------------------------------------------------------- */

enum { ROUNDS = 20000 };

/* One after another, whoever has the request wakes it; the sweeper expires it when it can. */
typedef struct Race {
    Fixture *fixture;
    _Atomic(Request *) handed; /* to the waker */
    Request *current;          /* the connection's; guarded by conns_lock */
    atomic_bool over;
} Race;

static void *wake_each(void *self)
{
    Race *race = self;
    while (!race->over || race->handed) {
        Request *request = atomic_exchange(&race->handed, NULL);
        if (request) {
            request->seen_seq++; /* a result; the sanitizers see whether it is published */
            request_wake(request);
        } else {
            sched_yield();
        }
    }
    return NULL;
}

static void *sweep(void *self)
{
    Race *race = self;
    while (!race->over) {
        pthread_mutex_lock(&race->fixture->server.conns_lock);
        if (race->current) {
            turn_expire(race->current, 1000);
        }
        pthread_mutex_unlock(&race->fixture->server.conns_lock);
        sched_yield();
    }
    return NULL;
}

/* Gives the request away as conn.c does: under the lock, together with forgetting it. */
static bool give(Race *race, bool (*away)(Request *request))
{
    pthread_mutex_lock(&race->fixture->server.conns_lock);
    bool given = away(race->current);
    if (given) {
        make_request(race->fixture);
        race->current = race->fixture->request;
    }
    pthread_mutex_unlock(&race->fixture->server.conns_lock);
    return given;
}

/* The connection's part of a round: true when it came back, false when it was left. */
static bool go_on(Race *race, int round)
{
    if (round % 3 == 0) {
        return !give(race, turn_abandon);
    }
    TurnBack back;
    while ((back = turn_take_back(race->current)) == TURN_BACK_NOT_YET) {
        sched_yield();
    }
    return back == TURN_BACK_OURS || !give(race, turn_leave);
}

static void test_race(void **state)
{
    Fixture *fixture = *state;
    Race race = {.fixture = fixture, .current = fixture->request};
    pthread_t waker, sweeper;
    int left = 0;
    pthread_mutex_init(&fixture->server.conns_lock, NULL);
    assert_int_equal(pthread_create(&waker, NULL, wake_each, &race), 0);
    assert_int_equal(pthread_create(&sweeper, NULL, sweep, &race), 0);
    for (int round = 0; round < ROUNDS; round++) {
        Request *request = race.current;
        int64_t seen = request->seen_seq;
        assert_true(turn_wait(request, round % 2 ? 1000 : TURN_NO_LIMIT));
        race.handed = request;
        if (go_on(&race, round)) {
            assert_ptr_equal(race.current, request);
            assert_int_equal(request->seen_seq, seen + 1);
        } else {
            left++;
        }
        while (race.handed) {
            sched_yield();
        }
        assert_int_equal(fixture->server.waits, 0);
    }
    race.over = true;
    pthread_join(waker, NULL);
    pthread_join(sweeper, NULL);
    request_free(race.current);
    assert_int_equal(freed, left + 1);
    pthread_mutex_destroy(&fixture->server.conns_lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_woken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopping, setup, teardown),
        cmocka_unit_test_setup_teardown(test_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_job_that_nobody_does, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expired, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abandoned_when_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abandoned_when_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waker_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_race, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
