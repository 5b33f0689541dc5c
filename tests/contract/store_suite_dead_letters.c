/* The contract of store.h and delivery.h: dead letters, and the messages that tell of them. */
#include "delivery_fixture.h"

#include <stdlib.h>

/* ---- Dead letters ------------------------------------------------------------------------------------------------ */

static void test_a_dead_letter_is_announced_once(void **state)
{
    Fixture *fixture = *state;
    put_sink(fixture, "hooks", 0);
    fixture_apply_one(fixture, fixture_record(fixture, "rec-1", "dest-1", 1, RECORD_POSITIVE, 1));
    assert_int_equal(die(fixture, "hooks", 1, "it says \"no\"", true), 1);
    assert_int_equal(store_last_seq(fixture->store), 2);
    SeenMessages messages = look_at_messages(fixture, "dead_letter.created", 0);
    assert_int_equal(messages.count, 1);
    assert_true(messages.seqs[0] == 2 && messages.record_seqs[0] == 1);
    const char *begin = "{\"dead_letter\":{\"id\":1,\"stage\":\"delivery\",\"sink\":\"hooks\",\"seq\":1,"
                        "\"error\":\"it says \\\"no\\\"\",\"attempts\":10,\"created\":\"2";
    assert_memory_equal(messages.body, begin, strlen(begin));
    SeenLetters letters = look_at_letters(fixture, DEAD_LETTER_FILTER_ALL, 0);
    assert_int_equal(letters.count, 1);
    const DeadLetter *letter = &letters.letters[0];
    assert_true(letter->id == 1 && letter->seq == 1 && letter->attempts == 10 && letter->raw.len == 0);
    assert_true(letter->stage == DEAD_LETTER_DELIVERY && letter->state == DEAD_LETTER_OPEN);
    assert_string_equal(letters.origin, "hooks");
    assert_string_equal(letters.error, "it says \"no\"");
    /* Again: the same letter, with what is known now. */
    assert_int_equal(die(fixture, "hooks", 1, "still no", true), 0);
    letters = look_at_letters(fixture, DEAD_LETTER_FILTER_ALL, 0);
    assert_int_equal(letters.count, 1);
    assert_string_equal(letters.error, "still no");
    assert_int_equal(store_last_seq(fixture->store), 2);
    assert_int_equal(open_letters(fixture), 1);
    /* Without a word, and of another sink: a letter of its own. */
    put_sink(fixture, "bus", 0);
    assert_int_equal(die(fixture, "bus", 1, "no", false), 1);
    assert_int_equal(look_at_letters(fixture, DEAD_LETTER_FILTER_ALL, 0).count, 2);
    assert_int_equal(store_last_seq(fixture->store), 2);
    /* The notice itself cannot be delivered: that is a dead letter, but no news. */
    die(fixture, "hooks", 2, "unknown kind", true);
    assert_int_equal(look_at_letters(fixture, DEAD_LETTER_FILTER_ALL, 0).count, 3);
    assert_int_equal(store_last_seq(fixture->store), 2);
    /* The log goes on behind it. */
    Outcome outcome = fixture_apply_one(fixture, fixture_record(fixture, "rec-2", "dest-1", 1, RECORD_POSITIVE, 1));
    assert_int_equal(outcome.seq, 3);
    assert_verifies(fixture);
}

static void test_dead_letters_by_filter(void **state)
{
    Fixture *fixture = *state;
    put_sink(fixture, "hooks", 0);
    put_sink(fixture, "bus", 0);
    for (int64_t seq = 1; seq <= 6; seq++) {
        die(fixture, seq % 2 ? "hooks" : "bus", seq, "no", false);
    }
    SeenLetters seen = look_at_letters(fixture, DEAD_LETTER_FILTER_ALL, 0);
    assert_int_equal(seen.count, 6);
    assert_true(seen.letters[0].id == 6 && seen.letters[5].id == 1); /* the newest first */
    seen = look_at_letters(fixture, DEAD_LETTER_FILTER_ALL, 2);
    assert_int_equal(seen.count, 2);
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.origin = STR("bus");
    filter.before = 6;
    seen = look_at_letters(fixture, filter, 0);
    assert_int_equal(seen.count, 2);
    assert_true(seen.letters[0].id == 4 && seen.letters[1].id == 2);
    filter.seq = 4;
    seen = look_at_letters(fixture, filter, 0);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.letters[0].id, 4);
    filter.seq = 5; /* the other sink's */
    assert_int_equal(look_at_letters(fixture, filter, 0).count, 0);
    filter.seq = 0;
    filter.stage = DEAD_LETTER_INTAKE;
    assert_int_equal(look_at_letters(fixture, filter, 0).count, 0);
    filter.stage = DEAD_LETTER_DELIVERY;
    filter.state = DEAD_LETTER_RETRYING;
    assert_int_equal(look_at_letters(fixture, filter, 0).count, 0);
    assert_int_equal(open_letters(fixture), 6);
}

static void test_a_dead_letter_is_tried_again(void **state)
{
    Fixture *fixture = *state;
    put_sink(fixture, "hooks", 0);
    put_sink(fixture, "bus", 0);
    Record record = fixture_record(fixture, "rec-1", "dest-1", 1, RECORD_POSITIVE, 1);
    fixture_apply_one(fixture, record);
    die(fixture, "hooks", 1, "no", false);
    die(fixture, "bus", 1, "no", false);
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.id = 1;
    assert_int_equal(change_letters(fixture, filter, DEAD_LETTER_RETRY, 100), 1);
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_RETRYING);
    assert_int_equal(state_of(fixture, 2), DEAD_LETTER_OPEN);
    assert_int_equal(open_letters(fixture), 1);
    SeenRetries retries = look_at_retries(fixture, "hooks", 0);
    assert_int_equal(retries.count, 1);
    assert_true(retries.retries[0].seq == 1 && retries.retries[0].attempts == 10);
    assert_true(retries.retries[0].due_us <= clock_wall_us(&clock_system));
    assert_true(retries.retries[0].flow_hash == record_flow_hash(record.destination_id, record.reference, record.unit,
                                                                 store_info(fixture->store)->hash_seed));
    assert_int_equal(version_of(fixture, "hooks"), 2);
    assert_int_equal(version_of(fixture, "bus"), 1);
    /* It is not tried twice at a time. */
    assert_int_equal(change_letters(fixture, filter, DEAD_LETTER_RETRY, 100), 0);
    assert_int_equal(version_of(fixture, "hooks"), 2);
    /* It fails: open, and the same letter. */
    die(fixture, "hooks", 1, "no, and no", true);
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_OPEN);
    assert_int_equal(look_at_retries(fixture, "hooks", 0).count, 0);
    assert_int_equal(look_at_letters(fixture, DEAD_LETTER_FILTER_ALL, 0).count, 2);
    /* It goes well: resolved, for good. Somebody else's delivery of that message changes nothing. */
    assert_int_equal(change_letters(fixture, DEAD_LETTER_FILTER_ALL, DEAD_LETTER_RETRY, 100), 2);
    assert_int_equal(open_letters(fixture), 0);
    settle(fixture, "hooks", 1);
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_RESOLVED);
    assert_int_equal(state_of(fixture, 2), DEAD_LETTER_RETRYING);
    assert_int_equal(look_at_retries(fixture, "hooks", 0).count, 0);
    assert_int_equal(look_at_retries(fixture, "bus", 0).count, 1);
    assert_int_equal(change_letters(fixture, DEAD_LETTER_FILTER_ALL, DEAD_LETTER_RETRY, 100), 0);
    assert_verifies(fixture);
}

/* A message that is delivered by the way, while its dead letter is open, leaves the letter to a person. */
static void test_an_open_letter_stays_open(void **state)
{
    Fixture *fixture = *state;
    put_sink(fixture, "hooks", 0);
    die(fixture, "hooks", 1, "no", false);
    settle(fixture, "hooks", 1);
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_OPEN);
    int64_t job = put_replay(fixture, "hooks", 0, 1), seq = 1;
    assert_int_equal(change_letters(fixture, DEAD_LETTER_FILTER_ALL, DEAD_LETTER_RETRY, 1), 1);
    DeliveryChange change = {.sink = STR("hooks"), .job = job, .settled = &seq, .settled_count = 1};
    assert_int_equal(deliver(fixture, change), STATUS_OK);
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_RETRYING);
    assert_int_equal(look_at_retries(fixture, "hooks", 0).count, 1);
}

/* As many as there may be, from sequence 100 on. To be freed. */
static StoredRetry *make_retries(void)
{
    StoredRetry *retries = calloc(STORE_RETRIES_MAX, sizeof *retries);
    assert_non_null(retries);
    for (int64_t i = 0; i < STORE_RETRIES_MAX; i++) {
        retries[i] = (StoredRetry){.seq = 100 + i, .attempts = 1};
    }
    return retries;
}

static void test_retries_have_a_bound(void **state)
{
    Fixture *fixture = *state;
    StoredRetry *retries = make_retries();
    put_sink(fixture, "hooks", 0);
    put_sink(fixture, "bus", 0);
    DeliveryChange change = {.sink = STR("hooks"), .retries = retries, .retry_count = STORE_RETRIES_MAX - 2};
    assert_int_equal(deliver(fixture, change), STATUS_OK);
    for (int64_t seq = 1; seq <= 4; seq++) {
        die(fixture, "hooks", seq, "no", false);
        die(fixture, "bus", seq, "no", false);
    }
    assert_int_equal(change_letters(fixture, DEAD_LETTER_FILTER_ALL, DEAD_LETTER_RETRY, 100), 2 + 4);
    assert_int_equal(look_at_retries(fixture, "hooks", 0).count, STORE_RETRIES_MAX);
    assert_int_equal(look_at_retries(fixture, "bus", 0).count, 4);
    assert_int_equal(change_letters(fixture, DEAD_LETTER_FILTER_ALL, DEAD_LETTER_RETRY, 100), 0);
    assert_int_equal(version_of(fixture, "hooks"), 2);
    assert_int_equal(open_letters(fixture), 2);
    settle(fixture, "hooks", 100);
    assert_int_equal(change_letters(fixture, DEAD_LETTER_FILTER_ALL, DEAD_LETTER_RETRY, 100), 1);
    free(retries);
}

/* What a replay tries again takes no room of the live line's. */
static void test_retries_of_a_replay_have_their_own_room(void **state)
{
    Fixture *fixture = *state;
    StoredRetry *retries = make_retries();
    put_sink(fixture, "hooks", 0);
    int64_t job = put_replay(fixture, "hooks", 0, 100 + STORE_RETRIES_MAX);
    DeliveryChange change = {
        .sink = STR("hooks"), .job = job, .retries = retries, .retry_count = STORE_RETRIES_MAX, .sent = 1};
    assert_int_equal(deliver(fixture, change), STATUS_OK);
    die(fixture, "hooks", 1, "no", false);
    assert_int_equal(change_letters(fixture, DEAD_LETTER_FILTER_ALL, DEAD_LETTER_RETRY, 100), 1);
    assert_int_equal(look_at_retries(fixture, "hooks", 0).count, 1);
    assert_int_equal(look_at_retries(fixture, "hooks", job).count, STORE_RETRIES_MAX);
    free(retries);
}

static void test_dead_letters_are_discarded(void **state)
{
    Fixture *fixture = *state;
    put_sink(fixture, "hooks", 0);
    for (int64_t seq = 1; seq <= 5; seq++) {
        die(fixture, "hooks", seq, "no", false);
    }
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.before = 5;
    assert_int_equal(change_letters(fixture, filter, DEAD_LETTER_DISCARD, 2), 2);
    assert_int_equal(open_letters(fixture), 3);
    assert_int_equal(change_letters(fixture, filter, DEAD_LETTER_DISCARD, 100), 2);
    assert_int_equal(open_letters(fixture), 1);
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_DISCARDED);
    assert_int_equal(state_of(fixture, 5), DEAD_LETTER_OPEN);
    assert_int_equal(change_letters(fixture, filter, DEAD_LETTER_RETRY, 100), 0);
    assert_int_equal(look_at_retries(fixture, "hooks", 0).count, 0);
    filter = DEAD_LETTER_FILTER_ALL;
    filter.state = DEAD_LETTER_DISCARDED; /* only open ones are changed, whatever is asked for */
    assert_int_equal(change_letters(fixture, filter, DEAD_LETTER_DISCARD, 100), 0);
    /* Should the cursor go back and the message fail once more, somebody has to look again. */
    die(fixture, "hooks", 1, "no", false);
    assert_int_equal(state_of(fixture, 1), DEAD_LETTER_OPEN);
    assert_int_equal(open_letters(fixture), 2);
}

static void put_rule(Fixture *fixture)
{
    Work work = {.kind = WORK_RULE_PUT, .rule = {.name = STR("all"), .type = -1, .threshold = 1, .enabled = true}};
    assert_int_equal(apply(fixture, &work), STATUS_OK);
}

static void test_messages_of_all_kinds(void **state)
{
    Fixture *fixture = *state;
    if (!fixture->factory->keeps) {
        skip(); /* the fake has no rules, so that no record makes an alert */
    }
    put_rule(fixture);
    put_sink(fixture, "hooks", 0);
    fixture_apply_one(fixture, fixture_record(fixture, "rec-1", "dest-1", 5, RECORD_POSITIVE, 1)); /* 1, its alert 2 */
    die(fixture, "hooks", 2, "no", true);                                                          /* 3 */
    fixture_apply_one(fixture, fixture_record(fixture, "rec-2", "dest-1", 5, RECORD_POSITIVE, 1)); /* 4, 5 */
    die(fixture, "hooks", 4, "no", true);                                                          /* 6 */
    SeenMessages seen = look_at_messages(fixture, "", 0);
    assert_string_equal(seen.kinds, "adad");
    const int64_t seqs[] = {2, 3, 5, 6}, about[] = {1, 0, 4, 4}; /* an alert is no record */
    assert_memory_equal(seen.seqs, seqs, sizeof seqs);
    assert_memory_equal(seen.record_seqs, about, sizeof about);
    assert_string_equal(look_at_messages(fixture, "", 3).kinds, "ad");
    assert_string_equal(look_at_messages(fixture, "alert", 0).kinds, "aa");
    /* The flow of an alert's retry is its record's. */
    change_letters(fixture, DEAD_LETTER_FILTER_ALL, DEAD_LETTER_RETRY, 100);
    SeenRetries retries = look_at_retries(fixture, "hooks", 0);
    assert_true(retries.count == 2 && retries.retries[0].seq == 2 && retries.retries[0].flow_hash != 0);
    assert_true(retries.retries[0].flow_hash == retries.retries[1].flow_hash);
    assert_verifies(fixture);
}

int store_suite_run_dead_letters(const StoreFactory *factory)
{
    fixture_use(factory);
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_dead_letter_is_announced_once),
        STORE_TEST(test_dead_letters_by_filter),
        STORE_TEST(test_a_dead_letter_is_tried_again),
        STORE_TEST(test_an_open_letter_stays_open),
        STORE_TEST(test_retries_have_a_bound),
        STORE_TEST(test_retries_of_a_replay_have_their_own_room),
        STORE_TEST(test_dead_letters_are_discarded),
        STORE_TEST(test_messages_of_all_kinds),
    };
    return cmocka_run_group_tests_name(factory->name, tests, NULL, NULL);
}
