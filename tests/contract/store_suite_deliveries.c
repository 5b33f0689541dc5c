/* The contract of store.h and delivery.h: sinks, how lines move, replays. */
#include "delivery_fixture.h"

#include <stdlib.h>

/* ---- Sinks ------------------------------------------------------------------------------------------------------- */

static void test_a_sink_is_put_once(void **state)
{
    Fixture *fixture = *state;
    put_sink(fixture, "hooks", 7);
    put_sink(fixture, "bus", 0);
    put_sink(fixture, "hooks", 99);
    SeenSink seen = look_at_sink(fixture, "hooks");
    assert_string_equal(seen.names, "bus hooks ");
    assert_true(seen.found && seen.sink.state == SINK_STATE_ACTIVE && seen.reason[0] == '\0');
    assert_int_equal(seen.sink.place.cursor, 7);
    assert_int_equal(seen.sink.place.sent_seq, 0);
    assert_int_equal(seen.sink.version, 1);
    assert_true(seen.sink.created_us > 0 && seen.sink.updated_us == seen.sink.created_us);
    assert_verifies(fixture);
}

static void test_a_sink_changes_its_state(void **state)
{
    Fixture *fixture = *state;
    put_sink(fixture, "hooks", 7);
    Work work = {.kind = WORK_SINK_STATE,
                 .sink = {.name = STR("hooks"), .state = SINK_STATE_DISABLED, .reason = STR("410 Gone")}};
    assert_int_equal(apply(fixture, &work), STATUS_OK);
    SeenSink seen = look_at_sink(fixture, "hooks");
    assert_int_equal(seen.sink.state, SINK_STATE_DISABLED);
    assert_string_equal(seen.reason, "410 Gone");
    assert_int_equal(seen.sink.version, 2);
    assert_int_equal(seen.sink.place.cursor, 7);
    work.sink.name = STR("hook");
    assert_int_equal(apply(fixture, &work), STATUS_REFUSED);
    assert_non_null(strstr(work.error.message, "sink"));
    assert_string_equal(look_at_sink(fixture, "hooks").names, "hooks ");
}

/* ---- Lines ------------------------------------------------------------------------------------------------------- */

static void test_a_line_moves(void **state)
{
    Fixture *fixture = *state;
    put_sink(fixture, "hooks", 0);
    put_sink(fixture, "other", 0);
    const StoredRetry retries[] = {{9, 1, 500, UINT64_MAX}, {3, 2, 400, 5}};
    DeliveryChange change = {.sink = STR("hooks"), .place = {20, 18}, .retries = retries, .retry_count = 2};
    assert_int_equal(deliver(fixture, change), STATUS_OK);
    SeenSink sink = look_at_sink(fixture, "hooks");
    assert_true(sink.sink.place.cursor == 20 && sink.sink.place.sent_seq == 18);
    assert_int_equal(sink.sink.version, 1); /* nobody has done anything */
    SeenRetries seen = look_at_retries(fixture, "hooks", 0);
    assert_int_equal(seen.count, 2);
    assert_memory_equal(&seen.retries[0], &retries[1], sizeof retries[0]);
    assert_memory_equal(&seen.retries[1], &retries[0], sizeof retries[0]);
    /* One is put anew, one is delivered; the cursor may go back as well. */
    const StoredRetry again = {9, 2, 900, 5};
    const int64_t settled[] = {3, 4};
    change = (DeliveryChange){.sink = STR("hooks"),
                              .place = {10, 10},
                              .retries = &again,
                              .retry_count = 1,
                              .settled = settled,
                              .settled_count = 2};
    assert_int_equal(deliver(fixture, change), STATUS_OK);
    assert_int_equal(look_at_sink(fixture, "hooks").sink.place.cursor, 10);
    seen = look_at_retries(fixture, "hooks", 0);
    assert_int_equal(seen.count, 1);
    assert_memory_equal(&seen.retries[0], &again, sizeof again);
    assert_int_equal(look_at_retries(fixture, "other", 0).count, 0);
    assert_int_equal(look_at_sink(fixture, "other").sink.place.cursor, 0);
}

static void test_no_such_line_leaves_nothing(void **state)
{
    Fixture *fixture = *state;
    put_sink(fixture, "hooks", 0);
    fixture_apply_one(fixture, fixture_record(fixture, "rec-1", "dest-1", 1, RECORD_POSITIVE, 1));
    const StoredRetry retry = {1, 1, 500, 0};
    const StoredAttempt attempt = {.seq = 1, .number = 1};
    const DeadLetter dead = {.seq = 1, .error = STR("no"), .attempts = 1};
    DeliveryChange change = {.sink = STR("hook"),
                             .place = {1, 1},
                             .retries = &retry,
                             .retry_count = 1,
                             .attempts = &attempt,
                             .attempt_count = 1,
                             .dead = &dead,
                             .dead_count = 1,
                             .announce = true};
    Work refused = {.kind = WORK_DELIVERY, .delivery = change};
    Work done = {.kind = WORK_SINK_PUT, .sink = {.name = STR("bus")}, .next = &refused};
    assert_int_equal(apply(fixture, &done), STATUS_OK);
    assert_int_equal(refused.status, STATUS_REFUSED);
    assert_string_equal(look_at_sink(fixture, "bus").names, "bus hooks ");
    refused.delivery.sink = STR("hooks");
    refused.delivery.job = 1; /* no such replay */
    assert_int_equal(apply(fixture, &refused), STATUS_REFUSED);
    assert_int_equal(look_at_retries(fixture, "hook", 0).count + look_at_retries(fixture, "hooks", 1).count, 0);
    assert_int_equal(look_at_letters(fixture, DEAD_LETTER_FILTER_ALL, 0).count, 0);
    assert_int_equal(look_at_attempts(fixture, 1).count, 0);
    assert_int_equal(look_at_sink(fixture, "hooks").sink.place.cursor, 0);
    assert_int_equal(store_last_seq(fixture->store), 1);
    assert_verifies(fixture);
}

static void test_attempts_as_they_were_made(void **state)
{
    Fixture *fixture = *state;
    put_sink(fixture, "hooks", 0);
    put_sink(fixture, "bus", 0);
    StoredAttempt attempts[] = {
        {.seq = 5,
         .number = 1,
         .begun_us = 100,
         .latency_us = 7,
         .code = 503,
         .error = STR("busy"),
         .response = STR("<p>")},
        {.seq = 6, .number = 1, .begun_us = 101, .latency_us = 8, .code = 200, .taken = true},
        {.seq = 5, .number = 2, .begun_us = 90, .latency_us = 9, .code = 200, .taken = true, .response = STR("ok")}};
    DeliveryChange change = {.sink = STR("hooks"), .attempts = attempts, .attempt_count = 3};
    assert_int_equal(deliver(fixture, change), STATUS_OK);
    change = (DeliveryChange){.sink = STR("bus"), .attempts = &attempts[1], .attempt_count = 1};
    assert_int_equal(deliver(fixture, change), STATUS_OK);
    SeenAttempts seen = look_at_attempts(fixture, 5);
    assert_int_equal(seen.count, 2);
    assert_true(seen.attempts[0].number == 1 && seen.attempts[0].code == 503 && !seen.attempts[0].taken);
    assert_true(seen.attempts[0].begun_us == 100 && seen.attempts[0].latency_us == 7 && seen.attempts[0].job == 0);
    assert_true(seen.attempts[1].number == 2 && seen.attempts[1].taken);
    assert_string_equal(seen.last, "hooks||ok");
    assert_int_equal(look_at_attempts(fixture, 6).count, 2);
    assert_int_equal(look_at_attempts(fixture, 7).count, 0);
}

static void test_the_oldest_attempts_go(void **state)
{
    Fixture *fixture = *state;
    enum { PIECE = 20000, MORE = 3 };
    StoredAttempt *attempts = calloc(PIECE, sizeof *attempts);
    assert_non_null(attempts);
    put_sink(fixture, "hooks", 0);
    for (int64_t made = 0; made < STORE_ATTEMPTS_MAX; made += PIECE) {
        for (int64_t i = 0; i < PIECE; i++) {
            attempts[i] = (StoredAttempt){.seq = (made + i) / 2, .number = 1}; /* two of each message */
        }
        DeliveryChange change = {.sink = STR("hooks"), .attempts = attempts, .attempt_count = PIECE};
        assert_int_equal(deliver(fixture, change), STATUS_OK);
    }
    assert_int_equal(look_at_attempts(fixture, 0).count, 2);
    DeliveryChange change = {.sink = STR("hooks"), .attempts = attempts, .attempt_count = MORE};
    assert_int_equal(deliver(fixture, change), STATUS_OK);
    assert_int_equal(look_at_attempts(fixture, 0).count, 0);
    assert_int_equal(look_at_attempts(fixture, 1).count, 1);
    assert_int_equal(look_at_attempts(fixture, 2).count, 2);
    assert_int_equal(look_at_attempts(fixture, STORE_ATTEMPTS_MAX / 2 - 1).count, 2);
    free(attempts);
}

/* ---- Replays ----------------------------------------------------------------------------------------------------- */

static void test_a_replay_runs_beside_the_line(void **state)
{
    Fixture *fixture = *state;
    put_sink(fixture, "hooks", 50);
    put_sink(fixture, "bus", 50);
    int64_t first = put_replay(fixture, "hooks", 10, 30), second = put_replay(fixture, "hooks", 10, 30);
    int64_t third = put_replay(fixture, "bus", 0, 5);
    assert_true(first == 1 && second == 2 && third == 3);
    SeenReplays seen = look_at_replays(fixture, "hooks");
    assert_int_equal(seen.count, 2);
    assert_true(seen.replays[0].id == 1 && seen.replays[1].id == 2 && seen.replays[0].state == REPLAY_RUNNING);
    assert_true(seen.replays[0].after == 10 && seen.replays[0].through == 30);
    assert_true(seen.replays[0].place.cursor == 10 && seen.replays[0].place.sent_seq == 0);
    assert_string_equal(seen.last, "hooks|{}");
    assert_int_equal(look_at_replays(fixture, "").count, 3);
    assert_int_equal(look_at_replays(fixture, "hook").count, 0);
    const StoredRetry retry = {15, 1, 1, 0};
    DeliveryChange change = {.sink = STR("hooks"),
                             .job = first,
                             .place = {20, 19},
                             .retries = &retry,
                             .retry_count = 1,
                             .sent = 8,
                             .failed = 1};
    assert_int_equal(deliver(fixture, change), STATUS_OK);
    change = (DeliveryChange){.sink = STR("hooks"), .job = first, .place = {30, 30}, .sent = 13, .failed = 2};
    assert_int_equal(deliver(fixture, change), STATUS_OK);
    assert_int_equal(deliver(fixture, change), STATUS_OK); /* the first answer was UNKNOWN */
    seen = look_at_replays(fixture, "hooks");
    assert_true(seen.replays[0].sent == 13 && seen.replays[0].failed == 2 && seen.replays[0].place.cursor == 30);
    assert_true(seen.replays[1].sent == 0 && seen.replays[1].place.cursor == 10);
    assert_int_equal(look_at_retries(fixture, "hooks", first).count, 1);
    assert_int_equal(look_at_retries(fixture, "hooks", 0).count + look_at_retries(fixture, "hooks", second).count, 0);
    assert_int_equal(look_at_sink(fixture, "hooks").sink.place.cursor, 50);
    /* Its end: it does not move any more, and no other sink could have moved it. */
    change.sink = STR("bus");
    assert_int_equal(deliver(fixture, change), STATUS_REFUSED);
    change = (DeliveryChange){.sink = STR("hooks"),
                              .job = first,
                              .place = {30, 30},
                              .settled = &retry.seq,
                              .settled_count = 1,
                              .sent = 14,
                              .failed = 2,
                              .done = true};
    assert_int_equal(deliver(fixture, change), STATUS_OK);
    seen = look_at_replays(fixture, "hooks");
    assert_true(seen.replays[0].state == REPLAY_DONE && seen.replays[0].sent == 14);
    assert_int_equal(look_at_retries(fixture, "hooks", first).count, 0);
    assert_int_equal(deliver(fixture, change), STATUS_REFUSED);
    assert_int_equal(look_at_replays(fixture, "hooks").replays[0].sent, 14);
    assert_verifies(fixture);
}

static void test_a_replay_is_called_off(void **state)
{
    Fixture *fixture = *state;
    put_sink(fixture, "hooks", 50);
    int64_t job = put_replay(fixture, "hooks", 10, 30);
    const StoredRetry retry = {15, 1, 1, 0};
    DeliveryChange change = {.sink = STR("hooks"), .job = job, .place = {20, 19}, .retries = &retry, .retry_count = 1};
    assert_int_equal(deliver(fixture, change), STATUS_OK);
    change.job = 0;
    assert_int_equal(deliver(fixture, change), STATUS_OK);
    Work cancel = {.kind = WORK_REPLAY_CANCEL, .replay = {.id = job}};
    assert_int_equal(apply(fixture, &cancel), STATUS_OK);
    assert_int_equal(look_at_replays(fixture, "hooks").replays[0].state, REPLAY_CANCELLED);
    assert_int_equal(look_at_retries(fixture, "hooks", job).count, 0);
    assert_int_equal(look_at_retries(fixture, "hooks", 0).count, 1);
    assert_int_equal(apply(fixture, &cancel), STATUS_REFUSED);
    cancel.replay.id = 77;
    assert_int_equal(apply(fixture, &cancel), STATUS_REFUSED);
    change.job = job;
    assert_int_equal(deliver(fixture, change), STATUS_REFUSED);
    assert_int_equal(look_at_retries(fixture, "hooks", job).count, 0);
    Work nowhere = {.kind = WORK_REPLAY_PUT, .replay = {.sink = STR("hook"), .through = 5}};
    assert_int_equal(apply(fixture, &nowhere), STATUS_REFUSED);
    assert_int_equal(look_at_replays(fixture, "").count, 1);
}

/* ---- All of it --------------------------------------------------------------------------------------------------- */

static void test_the_version_grows_with_what_a_person_does(void **state)
{
    Fixture *fixture = *state;
    put_sink(fixture, "hooks", 0);
    put_sink(fixture, "bus", 0);
    assert_int_equal(version_of(fixture, "hooks"), 1);
    Work pause = {.kind = WORK_SINK_STATE, .sink = {.name = STR("hooks"), .state = SINK_STATE_PAUSED}};
    apply(fixture, &pause);
    assert_int_equal(version_of(fixture, "hooks"), 2);
    int64_t job = put_replay(fixture, "hooks", 0, 5);
    assert_int_equal(version_of(fixture, "hooks"), 3);
    DeliveryChange change = {.sink = STR("hooks"), .job = job, .sent = 1};
    deliver(fixture, change);
    Work cancel = {.kind = WORK_REPLAY_CANCEL, .replay = {.id = job}};
    apply(fixture, &cancel);
    assert_int_equal(version_of(fixture, "hooks"), 4);
    apply(fixture, &cancel); /* which is refused */
    die(fixture, "hooks", 1, "no", false);
    die(fixture, "hooks", 2, "no", false);
    die(fixture, "hooks", 3, "no", false);
    assert_int_equal(version_of(fixture, "hooks"), 4);
    change_letters(fixture, DEAD_LETTER_FILTER_ALL, DEAD_LETTER_DISCARD, 1);
    assert_int_equal(version_of(fixture, "hooks"), 4); /* nothing for the line to do */
    change_letters(fixture, DEAD_LETTER_FILTER_ALL, DEAD_LETTER_RETRY, 100);
    assert_int_equal(version_of(fixture, "hooks"), 5);
    settle(fixture, "hooks", 2);
    assert_int_equal(version_of(fixture, "hooks"), 5);
    assert_int_equal(version_of(fixture, "bus"), 1);
}

static void test_it_all_survives_reopening(void **state)
{
    Fixture *fixture = *state;
    if (!fixture->factory->keeps) {
        skip();
    }
    put_sink(fixture, "hooks", 0);
    fixture_apply_one(fixture, fixture_record(fixture, "rec-1", "dest-1", 1, RECORD_POSITIVE, 1));
    fixture_close(fixture);
    fixture_open(fixture);
    const StoredRetry retry = {1, 3, 500, 9};
    const StoredAttempt attempt = {.seq = 1, .number = 1, .code = 500};
    const DeadLetter dead = {.seq = 1, .error = STR("no"), .attempts = 4};
    DeliveryChange change = {.sink = STR("hooks"),
                             .place = {1, 1},
                             .retries = &retry,
                             .retry_count = 1,
                             .attempts = &attempt,
                             .attempt_count = 1,
                             .dead = &dead,
                             .dead_count = 1,
                             .announce = true};
    assert_int_equal(deliver(fixture, change), STATUS_OK); /* the log's new end is no record */
    int64_t job = put_replay(fixture, "hooks", 0, 1);
    for (int i = 0; i < 2; i++) {
        fixture_close(fixture);
        fixture_open(fixture);
        assert_int_equal(store_last_seq(fixture->store), 2);
        SeenSink sink = look_at_sink(fixture, "hooks");
        assert_true(sink.sink.place.cursor == 1 && sink.sink.place.sent_seq == 1 && sink.sink.version == 2);
        SeenRetries retries = look_at_retries(fixture, "hooks", 0);
        assert_int_equal(retries.count, 1);
        assert_memory_equal(&retries.retries[0], &retry, sizeof retry);
        assert_int_equal(look_at_attempts(fixture, 1).attempts[0].code, 500);
        assert_int_equal(open_letters(fixture), 1);
        assert_int_equal(look_at_replays(fixture, "hooks").replays[0].id, job);
        assert_int_equal(look_at_messages(fixture, "dead_letter.created", 0).seqs[0], 2);
        assert_verifies(fixture);
    }
    die(fixture, "hooks", 1, "no", true);
    assert_int_equal(look_at_letters(fixture, DEAD_LETTER_FILTER_ALL, 0).count, 1);
    assert_int_equal(put_replay(fixture, "hooks", 0, 1), job + 1);
}

int store_suite_run_deliveries(const StoreFactory *factory)
{
    fixture_use(factory);
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_sink_is_put_once),
        STORE_TEST(test_a_sink_changes_its_state),
        STORE_TEST(test_a_line_moves),
        STORE_TEST(test_no_such_line_leaves_nothing),
        STORE_TEST(test_attempts_as_they_were_made),
        STORE_TEST(test_the_oldest_attempts_go),
        STORE_TEST(test_a_replay_runs_beside_the_line),
        STORE_TEST(test_a_replay_is_called_off),
        STORE_TEST(test_the_version_grows_with_what_a_person_does),
        STORE_TEST(test_it_all_survives_reopening),
    };
    return cmocka_run_group_tests_name(factory->name, tests, NULL, NULL);
}
