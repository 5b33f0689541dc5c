/* A streamed body on its way to the processor, with the processor, the library and the system's memory in the test's
 * hands: what is answered when one of them has no room or fails. */
#include "request_world.h"

#include <stdlib.h>

#include "http/upload.h"
#include "starve.h"
#include "support/fake_front_door.h"

enum { FIRST_SLICE_LINES = 96 };

/* ---- What is replaced (by the linker's --wrap) ------------------------------------------------------------------- */

/* The processor gives back what it was handed as number `index`. */
static void give_back(size_t index, Status status)
{
    const Error error = {status, "the test said so"};
    create_records(index);
    handed[index]->done(handed[index], status, &error);
}

/* The processor's thread comes in between whenever a lock is free: it gives back the first that it was handed once so
 * many locks were given back after that (0: it does not). */
typedef struct Meanwhile {
    unsigned unlocks_left;
    Status status;
} Meanwhile;
static Meanwhile meanwhile;

int __real_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
    int failed = __real_pthread_mutex_unlock(lock);
    if (handed_count > 0 && meanwhile.unlocks_left > 0 && --meanwhile.unlocks_left == 0) {
        give_back(0, meanwhile.status);
    }
    return failed;
}

/* ---- Uploads ----------------------------------------------------------------------------------------------------- */

typedef struct Fixture {
    RequestWorld world;
    Request *request; /* the world's */
    RecordsCall call;
    FakeFrontDoor door;
    Upload *upload;
} Fixture;

static int setup_by(void **state, RecordsCall call)
{
    Fixture *fixture = calloc(1, sizeof *fixture);
    request_world_init(&fixture->world);
    fake_front_door_init(&fixture->door);
    fixture->world.server.options.front_door = &fixture->door.base;
    fixture->call = call;
    fixture->request = fixture->world.request;
    fixture->upload = upload_new(fixture->request, &fixture->call);
    assert_non_null(fixture->upload);
    *state = fixture;
    return 0;
}

static int setup(void **state) { return setup_by(state, (RecordsCall){0}); }
static int setup_front_door(void **state) { return setup_by(state, (RecordsCall){.by_front_door = true}); }
static int setup_events(void **state) { return setup_by(state, (RecordsCall){.events = true, .first_wins = true}); }

static int teardown(void **state)
{
    Fixture *fixture = *state;
    starving = false;
    upload_drop(fixture->upload);
    request_world_release(&fixture->world);
    free(fixture);
    return 0;
}

static void take(Fixture *fixture, Str text) { assert_int_equal(upload_take(fixture->upload, text), text.len); }

#define RECORD_FIELDS(id)                                                                                              \
    "\"recordId\":\"" id "\",\"time\":\"2025-01-01 10:00:00\",\"sourceId\":\"s\",\"destinationId\":\"d\","             \
    "\"type\":\"positive\",\"value\":\"1\",\"unit\":\"EUR\",\"reference\":\"r\""
#define RECORD(id) "{" RECORD_FIELDS(id) "}"

static void take_lines(Fixture *fixture, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        take(fixture, STR(RECORD("r") "\n"));
    }
}

/* A line so long that reading it takes memory. */
static void take_long_line(Fixture *fixture)
{
    static char spaces[6000];
    memset(spaces, ' ', sizeof spaces);
    take(fixture, STR(RECORD("long")));
    take(fixture, (Str){spaces, sizeof spaces});
    take(fixture, STR("\n"));
}

static void no_more(Request *request) { (void)request; }

static UploadEnd finish(Fixture *fixture)
{
    assert_true(upload_finish(fixture->upload, no_more));
    return upload_end(fixture->upload);
}

/* A lack of memory is told as such: the line is not rejected, the upload fails and may be sent again. */
static void test_no_memory_to_read_a_line(void **state)
{
    Fixture *fixture = *state;
    take_lines(fixture, 2);
    starving = true;
    take_long_line(fixture);
    take(fixture, STR("this is read no more\n"));
    starving = false;
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_BUSY);
    assert_string_equal(end.error.message, "there is no memory to read line 3");
    assert_int_equal(end.committed_through, 0);
    assert_int_equal(end.results->rejected, 0);
    assert_int_equal(handed_count, 0);
}

/* With memory the same line is a record. */
static void test_long_line(void **state)
{
    Fixture *fixture = *state;
    take_lines(fixture, 2);
    take_long_line(fixture);
    assert_false(upload_finish(fixture->upload, no_more));
    assert_int_equal(handed_count, 1);
    assert_int_equal(handed[0]->work.records.count, 3);
    give_back(0, STATUS_OK);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_OK);
    assert_int_equal(end.committed_through, 3);
    assert_int_equal(end.results->created, 3);
}

static void test_no_memory_to_say_what_is_wrong(void **state)
{
    Fixture *fixture = *state;
    take_lines(fixture, 1);
    starving = true;
    take(fixture, STR("{}\n"));
    starving = false;
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_BUSY);
    assert_string_equal(end.error.message, "there is no memory to read line 2");
    assert_int_equal(end.results->received, 0);
}

/* What was handed in before is still told when it is committed. */
static void test_no_memory_midway(void **state)
{
    Fixture *fixture = *state;
    take_lines(fixture, FIRST_SLICE_LINES + 1);
    assert_int_equal(handed_count, 1);
    starving = true;
    take_long_line(fixture);
    starving = false;
    assert_false(upload_finish(fixture->upload, no_more));
    give_back(0, STATUS_OK);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_BUSY);
    assert_string_equal(end.error.message, "there is no memory to read line 98");
    assert_int_equal(end.committed_through, FIRST_SLICE_LINES);
    assert_int_equal(end.results->created, FIRST_SLICE_LINES);
    assert_int_equal(handed_count, 1);
}

/* A slice may hold nothing but the middle of a long line: what was committed before it stays committed through. */
static void test_a_slice_without_a_line(void **state)
{
    enum { MORE_THAN_A_SLICE = 520 << 10 };
    static char spaces[MORE_THAN_A_SLICE];
    Fixture *fixture = *state;
    memset(spaces, ' ', sizeof spaces);
    take_lines(fixture, FIRST_SLICE_LINES);
    take(fixture, STR(RECORD("long")));
    take(fixture, (Str){spaces, sizeof spaces});
    assert_int_equal(handed_count, 1);
    starving = true;
    take(fixture, STR("\n"));
    starving = false;
    assert_false(upload_finish(fixture->upload, no_more));
    give_back(0, STATUS_OK);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    UploadEnd end = finish(fixture);
    assert_string_equal(end.error.message, "there is no memory to read line 97");
    assert_int_equal(end.committed_through, FIRST_SLICE_LINES);
    assert_int_equal(end.results->created, FIRST_SLICE_LINES);
}

/* What comes after lines that were not committed is not committed through. */
static void test_gap(void **state)
{
    Fixture *fixture = *state;
    take_lines(fixture, FIRST_SLICE_LINES + 1);
    assert_false(upload_finish(fixture->upload, no_more));
    assert_int_equal(handed_count, 2);
    give_back(0, STATUS_UNKNOWN);
    give_back(1, STATUS_OK);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_UNKNOWN);
    assert_int_equal(end.committed_through, 0);
    assert_int_equal(end.results->created, 1);
}

static void assert_listed(const UploadEnd *end, const char *expected)
{
    const Str list = buf_str(&end->results->list);
    if (!memmem(list.ptr, list.len, expected, strlen(expected))) {
        fail_msg("%.*s has no %s", STR_ARGS(list), expected);
    }
}

/* What is said of a line names its place in the whole body, whichever slice it was in. */
static void test_places_in_later_slices(void **state)
{
    Fixture *fixture = *state;
    take_lines(fixture, FIRST_SLICE_LINES);
    take(fixture, STR("\n{}\n")); /* an empty line is a line, and no item */
    take_lines(fixture, 1);
    take(fixture, STR("{}\n"));
    assert_false(upload_finish(fixture->upload, no_more));
    assert_int_equal(handed_count, 2);
    give_back(0, STATUS_OK);
    give_back(1, STATUS_OK);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    UploadEnd end = finish(fixture);
    assert_int_equal(end.results->rejected, 2);
    assert_listed(&end, "\"index\":96,\"line\":98,");
    assert_listed(&end, "\"index\":98,\"line\":100,");
    assert_int_equal(end.committed_through, FIRST_SLICE_LINES + 4);
}

/* However many pieces it comes in, it is one line. */
static void test_line_that_is_too_long(void **state)
{
    enum { PIECE_BYTES = 400, PIECES = 5 };
    Fixture *fixture = *state;
    static char piece[PIECE_BYTES];
    memset(piece, 'x', sizeof piece);
    fixture->world.server.options.line_bytes_max = PIECE_BYTES + PIECE_BYTES / 2;
    take_lines(fixture, 1);
    for (int i = 0; i < PIECES; i++) {
        take(fixture, (Str){piece, sizeof piece});
    }
    take(fixture, STR("\n"));
    take_lines(fixture, 1);
    assert_false(upload_finish(fixture->upload, no_more));
    assert_int_equal(handed_count, 1);
    give_back(0, STATUS_OK);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    UploadEnd end = finish(fixture);
    assert_int_equal(end.results->created, 2);
    assert_int_equal(end.results->rejected, 1);
    assert_listed(&end, "\"index\":1,\"line\":2,");
    assert_int_equal(end.committed_through, 3);
}

/* Each moment at which the processor may give the last slice back while the request looks whether it has to wait for
 * it: what became of the slice is told. False when it was not given back while the request looked. */
static bool finish_meanwhile(Fixture *fixture, unsigned moment, Status status)
{
    take_lines(fixture, 1);
    meanwhile = (Meanwhile){moment, status};
    bool finished = upload_finish(fixture->upload, no_more);
    bool came = meanwhile.unlocks_left == 0;
    meanwhile.unlocks_left = 0;
    if (!came) {
        give_back(0, status);
    }
    if (!finished) {
        assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
        assert_true(upload_finish(fixture->upload, no_more));
    }
    UploadEnd end = upload_end(fixture->upload);
    assert_int_equal(end.status, status);
    assert_int_equal(end.results->created, status == STATUS_OK ? 1 : 0);
    assert_int_equal(end.committed_through, status == STATUS_OK ? 1 : 0);
    return came;
}

static void test_given_back_meanwhile(void **state)
{
    static const Status statuses[] = {STATUS_OK, STATUS_UNKNOWN};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        bool came = true;
        unsigned moment = 0;
        while (came) {
            assert_int_equal(teardown(state), 0);
            assert_int_equal(setup(state), 0);
            came = finish_meanwhile(*state, ++moment, statuses[i]);
        }
        assert_true(moment > 2);
    }
}

/* ---- By the front door ------------------------------------------------------------------------------------------- */

static void test_front_door(void **state)
{
    Fixture *fixture = *state;
    FakeFrontDoor *door = &fixture->door;
    take_lines(fixture, FIRST_SLICE_LINES + 2);
    take(fixture, STR("{}\n"));
    assert_false(upload_finish(fixture->upload, no_more));
    assert_int_equal(door->count, 2);
    assert_int_equal(handed_count, 0);
    assert_int_equal(door->calls[0]->count, FIRST_SLICE_LINES);
    assert_int_equal(door->calls[1]->count, 2);
    assert_text(door->calls[1]->records[1].record_id, "r");
    fake_front_door_say(door, 0, STATUS_OK);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_NOT_YET);
    fake_front_door_say(door, 1, STATUS_OK);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_OK);
    assert_int_equal(end.committed_through, FIRST_SLICE_LINES + 3);
    assert_int_equal(end.results->accepted, FIRST_SLICE_LINES + 2);
    assert_int_equal(end.results->rejected, 1);
    assert_int_equal(end.results->created, 0);
}

static void test_front_door_does_not_know(void **state)
{
    Fixture *fixture = *state;
    take_lines(fixture, FIRST_SLICE_LINES + 1);
    assert_false(upload_finish(fixture->upload, no_more));
    fake_front_door_say(&fixture->door, 0, STATUS_UNKNOWN);
    fake_front_door_say(&fixture->door, 1, STATUS_OK);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_UNKNOWN);
    assert_string_equal(end.error.message, "the test said so");
    assert_int_equal(end.committed_through, 0);
    assert_int_equal(end.results->accepted, 1);
}

/* There is nothing to wait for: the upload fails at once, though more of its body is to come. */
static void test_front_door_is_shut(void **state)
{
    Fixture *fixture = *state;
    take_lines(fixture, FIRST_SLICE_LINES + 1);
    assert_int_equal(fixture->door.count, 1);
    fixture->door.answer = FRONT_DOOR_SHUT;
    assert_false(upload_finish(fixture->upload, no_more));
    fake_front_door_say(&fixture->door, 0, STATUS_OK);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_BUSY);
    assert_string_equal(end.error.message, "the test did not let it in");
    assert_int_equal(end.committed_through, FIRST_SLICE_LINES);
    assert_int_equal(end.results->accepted, FIRST_SLICE_LINES);
}

static void test_front_door_shuts_midway(void **state)
{
    Fixture *fixture = *state;
    fixture->door.answer = FRONT_DOOR_SHUT;
    take_lines(fixture, 3 * FIRST_SLICE_LINES); /* all of it is read, and most of it forgotten */
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_BUSY);
    assert_int_equal(end.committed_through, 0);
    assert_int_equal(end.results->received, 0);
    assert_int_equal(fixture->door.count, 0);
}

/* A full one is a matter of waiting: the ticker calls again. */
static void test_front_door_is_full(void **state)
{
    Fixture *fixture = *state;
    FakeFrontDoor *door = &fixture->door;
    take_lines(fixture, FIRST_SLICE_LINES + 1);
    door->answer = FRONT_DOOR_FULL;
    assert_false(upload_finish(fixture->upload, no_more)); /* waits for the first slice */
    fake_front_door_say(door, 0, STATUS_OK);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    door->answer = FRONT_DOOR_TAKEN;
    assert_false(upload_finish(fixture->upload, no_more));
    assert_int_equal(door->count, 2);
    fake_front_door_say(door, 1, STATUS_OK);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_OK);
    assert_int_equal(end.results->accepted, FIRST_SLICE_LINES + 1);
}

/* The slice that finds no room comes behind those that are still there, and takes its place again later. */
static void test_front_door_is_full_behind_others(void **state)
{
    enum { LARGE_LINES = 4096, LINES = FIRST_SLICE_LINES + LARGE_LINES + 1 };
    Fixture *fixture = *state;
    FakeFrontDoor *door = &fixture->door;
    take_lines(fixture, LINES);
    assert_int_equal(door->count, 2);
    door->answer = FRONT_DOOR_FULL;
    assert_false(upload_finish(fixture->upload, no_more));
    fake_front_door_say(door, 0, STATUS_OK); /* the second one is still there */
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    door->answer = FRONT_DOOR_TAKEN;
    assert_false(upload_finish(fixture->upload, no_more));
    assert_int_equal(door->count, 3);
    fake_front_door_say(door, 1, STATUS_OK);
    fake_front_door_say(door, 2, STATUS_OK);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_OK);
    assert_int_equal(end.results->accepted, LINES);
    assert_int_equal(end.committed_through, LINES);
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

#define LOOSE_FIELDS(amount) "\"client\":\"c\",\"metric\":\"m\",\"amount\":" amount ",\"time\":1700000000"
#define LOOSE(amount)        "{" LOOSE_FIELDS(amount) "}"

/* What was handed in is looked at before: then it may be gone. */
static UploadEnd finish_handed(Fixture *fixture)
{
    for (size_t i = 0; i < handed_count; i++) {
        give_back(i, STATUS_OK);
    }
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    return finish(fixture);
}

/* Each event goes with its record, and each line that is none becomes a dead letter in the same work. */
static void test_events(void **state)
{
    Fixture *fixture = *state;
    take(fixture, STR(LOOSE("1") "\nnonsense\n\n  " LOOSE("\"x\"") "\r\n" LOOSE("2")));
    assert_false(upload_finish(fixture->upload, no_more));
    assert_int_equal(handed_count, 1);
    assert_true(handed[0]->bytes > FIRST_SLICE_LINES * 2 * (sizeof(EventItem) + sizeof(IntakeLetter)));
    const Work *work = &handed[0]->work;
    assert_int_equal(work->records.count, 2);
    assert_true(work->records.items[0].value == 100 && work->records.items[1].value == 200);
    assert_text(work->records.events->items[0].raw, LOOSE("1"));
    assert_text(work->records.events->items[1].raw, LOOSE("2"));
    assert_true(work->records.intake->first_wins);
    assert_int_equal(work->records.intake->refused_count, 2);
    assert_int_equal(work->records.events->failed_count, 2);
    assert_text(work->records.intake->refused[0].raw, "nonsense");
    assert_text(str_trim(work->records.intake->refused[1].raw), LOOSE("\"x\""));
    give_back(0, STATUS_OK);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_OK);
    assert_true(end.results->received == 4 && end.results->created == 2 && end.results->rejected == 2);
    assert_int_equal(end.committed_through, 5);
}

/* Broken ones alone have to be handed in, too: their dead letters are stored before they are told. */
static void test_nothing_but_broken_events(void **state)
{
    Fixture *fixture = *state;
    take(fixture, STR("{}\n7\n"));
    assert_false(upload_finish(fixture->upload, no_more));
    assert_int_equal(handed_count, 1);
    assert_int_equal(handed[0]->work.records.count, 0);
    assert_int_equal(handed[0]->work.records.events->failed_count, 2);
    UploadEnd end = finish_handed(fixture);
    assert_int_equal(end.status, STATUS_OK);
    assert_true(end.results->received == 2 && end.results->rejected == 2);
}

static void test_broken_events_that_are_not_stored(void **state)
{
    Fixture *fixture = *state;
    take(fixture, STR("{}\n"));
    assert_false(upload_finish(fixture->upload, no_more));
    give_back(0, STATUS_BUSY);
    assert_int_equal(turn_take_back(fixture->request), TURN_BACK_OURS);
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_BUSY);
    assert_int_equal(end.committed_through, 0);
}

static void test_a_dry_run_of_broken_events(void **state)
{
    Fixture *fixture = *state;
    fixture->call.dry_run = true;
    upload_drop(fixture->upload);
    fixture->upload = upload_new(fixture->request, &fixture->call);
    take(fixture, STR("{}\n"));
    UploadEnd end = finish(fixture);
    assert_int_equal(handed_count, 0);
    assert_int_equal(end.results->rejected, 1);
}

/* Slices are used again: what was in them is not. */
static void test_many_slices_of_events(void **state)
{
    Fixture *fixture = *state;
    for (size_t i = 0; i < FIRST_SLICE_LINES; i++) {
        take(fixture, i % 2 ? STR(LOOSE("1") "\n") : STR("{}\n"));
    }
    take(fixture, STR(LOOSE("3") "\n"));
    assert_int_equal(handed_count, 1);
    assert_int_equal(handed[0]->work.records.count, FIRST_SLICE_LINES / 2);
    assert_int_equal(handed[0]->work.records.events->failed_count, FIRST_SLICE_LINES / 2);
    assert_false(upload_finish(fixture->upload, no_more));
    assert_int_equal(handed_count, 2);
    assert_int_equal(handed[1]->work.records.events->failed_count, 0);
    assert_text(handed[1]->work.records.events->items[0].raw, LOOSE("3"));
    UploadEnd end = finish_handed(fixture);
    assert_int_equal(end.results->created, FIRST_SLICE_LINES / 2 + 1);
    assert_int_equal(end.results->rejected, FIRST_SLICE_LINES / 2);
}

/* A line has no request of its own that could fail. */
static void test_simulated_failures(void **state)
{
    Fixture *fixture = *state;
    const bool is_record = !fixture->call.events;
    take(fixture, is_record ? STR(RECORD("r") "\n") : STR(LOOSE("1") "\n"));
    take(fixture, is_record ? STR("{\"simulateFailure\":false," RECORD_FIELDS("s") "}\n")
                            : STR("{\"simulateFailure\":false," LOOSE_FIELDS("2") "}\n"));
    assert_false(upload_finish(fixture->upload, no_more));
    assert_int_equal(handed[0]->work.records.count, 1);
    UploadEnd end = finish_handed(fixture);
    assert_true(end.results->created == 1 && end.results->rejected == 1 && end.results->warning_count == 0);
    const Str said = STR("\"simulateFailure\":[\"is possible only at the top of a request with a single");
    assert_non_null(memmem(end.results->list.ptr, end.results->list.len, said.ptr, said.len));
}

static void test_no_memory_for_events(void **state)
{
    Fixture *fixture = *state;
    starving = true;
    take(fixture, STR(LOOSE("1") "\n"));
    starving = false;
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_BUSY);
    assert_int_equal(end.results->received, 0);
    assert_int_equal(handed_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_memory_to_read_a_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory_to_say_what_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory_midway, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_slice_without_a_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_places_in_later_slices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_line_that_is_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_given_back_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_front_door, setup_front_door, teardown),
        cmocka_unit_test_setup_teardown(test_front_door_does_not_know, setup_front_door, teardown),
        cmocka_unit_test_setup_teardown(test_front_door_is_shut, setup_front_door, teardown),
        cmocka_unit_test_setup_teardown(test_front_door_shuts_midway, setup_front_door, teardown),
        cmocka_unit_test_setup_teardown(test_front_door_is_full, setup_front_door, teardown),
        cmocka_unit_test_setup_teardown(test_front_door_is_full_behind_others, setup_front_door, teardown),
        cmocka_unit_test_setup_teardown(test_events, setup_events, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_but_broken_events, setup_events, teardown),
        cmocka_unit_test_setup_teardown(test_broken_events_that_are_not_stored, setup_events, teardown),
        cmocka_unit_test_setup_teardown(test_a_dry_run_of_broken_events, setup_events, teardown),
        cmocka_unit_test_setup_teardown(test_many_slices_of_events, setup_events, teardown),
        cmocka_unit_test_setup_teardown(test_simulated_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_simulated_failures, setup_events, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory_for_events, setup_events, teardown),
    };
    return cmocka_run_group_tests_name("upload", tests, NULL, NULL);
}
