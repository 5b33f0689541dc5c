/* What streamed bodies take of the memory for all requests: they go on with what there is, tell when there is too
 * little, and give all back. */
#include "request_world.h"

#include <stdlib.h>

#include "http/upload.h"

enum { FIRST_SLICE_LINES = 96 };

#define RECORD                                                                                                         \
    "{\"recordId\":\"r\",\"time\":\"2025-01-01 10:00:00\",\"sourceId\":\"s\",\"destinationId\":\"d\","                 \
    "\"type\":\"positive\",\"value\":\"1\",\"unit\":\"EUR\",\"reference\":\"r\"}\n"

typedef struct Fixture {
    RequestWorld world;
    RecordsCall call;
    Upload *upload;
    Budget others; /* other requests */
} Fixture;

static int setup(void **state)
{
    Fixture *fixture = calloc(1, sizeof *fixture);
    request_world_init(&fixture->world);
    fixture->others.whole = &fixture->world.server.bodies;
    fixture->upload = upload_new(fixture->world.request, &fixture->call);
    assert_non_null(fixture->upload);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    upload_drop(fixture->upload);
    budget_give_back(&fixture->others, fixture->others.taken);
    request_world_release(&fixture->world);
    assert_int_equal(fixture->world.server.bodies.taken, 0);
    free(fixture);
    return 0;
}

static void take(Fixture *fixture, Str text) { assert_int_equal(upload_take(fixture->upload, text), text.len); }

static void take_records(Fixture *fixture, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        take(fixture, STR(RECORD));
    }
}

/* Others hold all that is left for requests. */
static void let_others_take_all(Fixture *fixture)
{
    Budget *all = &fixture->world.server.bodies;
    assert_true(budget_take(&fixture->others, all->bytes_max - all->taken));
}

static void give_back(size_t index)
{
    const Error no_error = {0};
    create_records(index);
    handed[index]->done(handed[index], STATUS_OK, &no_error);
}

static void no_more(Request *request) { (void)request; }

static UploadEnd finish(Fixture *fixture)
{
    assert_true(upload_finish(fixture->upload, no_more));
    return upload_end(fixture->upload);
}

/* After all that was handed in from number `index` on is back. */
static UploadEnd finish_handed(Fixture *fixture, size_t index)
{
    while (index < handed_count) {
        give_back(index++);
    }
    assert_int_equal(turn_take_back(fixture->world.request), TURN_BACK_OURS);
    return finish(fixture);
}

static void test_no_room_from_the_start(void **state)
{
    Fixture *fixture = *state;
    let_others_take_all(fixture);
    take_records(fixture, 2);
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_BUSY);
    assert_int_equal(end.committed_through, 0);
    assert_int_equal(end.results->received, 0);
    assert_int_equal(handed_count, 0);
}

/* What is not read any more takes nothing, however long the client takes to send it. */
static void test_no_room_midway(void **state)
{
    Fixture *fixture = *state;
    take_records(fixture, FIRST_SLICE_LINES - 1);
    let_others_take_all(fixture);
    take_records(fixture, 3);
    assert_in_range(fixture->world.server.bodies.taken - fixture->others.taken, 0, 32 << 10);
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_BUSY);
    assert_int_equal(end.committed_through, 0);
    assert_int_equal(handed_count, 0);
}

/* What was handed in before is told all the same. */
static void test_no_room_behind_a_slice(void **state)
{
    Fixture *fixture = *state;
    const Str junk = STR("{}\n");
    take_records(fixture, FIRST_SLICE_LINES + 1);
    assert_int_equal(handed_count, 1);
    let_others_take_all(fixture);
    for (int i = 0; i < 100; i++) {
        take(fixture, junk);
    }
    assert_false(upload_finish(fixture->upload, no_more));
    UploadEnd end = finish_handed(fixture, 0);
    assert_int_equal(end.status, STATUS_BUSY);
    assert_int_equal(end.committed_through, FIRST_SLICE_LINES);
    assert_int_equal(end.results->created, FIRST_SLICE_LINES);
}

/* Nor does it count as decided that there was no memory to read the last line, which has no line feed. */
static void test_no_room_for_the_last_line(void **state)
{
    static char junk[4200];
    Fixture *fixture = *state;
    take_records(fixture, 1);
    memset(junk, '[', sizeof junk);
    let_others_take_all(fixture);
    take(fixture, (Str){junk, sizeof junk});
    assert_false(upload_finish(fixture->upload, no_more));
    UploadEnd end = finish_handed(fixture, 0);
    assert_int_equal(end.status, STATUS_BUSY);
    assert_int_equal(end.results->created, 1);
    assert_int_equal(end.committed_through, 1);
}

/* Where there is no room for one more slice, those that are under way are waited for and used again. */
static void test_goes_on_with_the_slices_it_has(void **state)
{
    Fixture *fixture = *state;
    const Str line = STR(RECORD);
    size_t lines = 0, taken = line.len;
    for (; handed_count < 2; lines++) {
        take(fixture, line);
    }
    let_others_take_all(fixture);
    for (; taken == line.len; lines++) {
        taken = upload_take(fixture->upload, line);
    }
    assert_int_equal(handed_count, 2);
    give_back(0);
    give_back(1);
    assert_int_equal(turn_take_back(fixture->world.request), TURN_BACK_OURS);
    take(fixture, (Str){line.ptr + taken, line.len - taken});
    assert_int_equal(handed_count, 3);
    assert_false(upload_finish(fixture->upload, no_more));
    assert_int_equal(handed_count, 4);
    UploadEnd end = finish_handed(fixture, 2);
    assert_int_equal(end.status, STATUS_OK);
    assert_int_equal(end.results->created, lines);
}

/* There is more to say than there is room for: the counts are exact all the same. */
static void test_no_room_for_results(void **state)
{
    Fixture *fixture = *state;
    for (int i = 0; i < 10; i++) {
        take(fixture, STR("{}\n"));
    }
    let_others_take_all(fixture);
    UploadEnd end = finish(fixture);
    assert_int_equal(end.status, STATUS_OK);
    assert_true(end.results->received == 10 && end.results->rejected == 10);
    assert_true(end.results->truncated && end.results->listed == 0);
    assert_int_equal(end.committed_through, 10);
}

/* One that is alone needs no room that others leave; at its end it has nothing. */
static void test_alone(void **state)
{
    Fixture *fixture = *state;
    fixture->world.server.bodies.bytes_max = 1;
    take_records(fixture, FIRST_SLICE_LINES + 1);
    take(fixture, STR("{}\n"));
    assert_true(fixture->world.server.bodies.taken > 1 << 20);
    assert_false(upload_finish(fixture->upload, no_more));
    UploadEnd end = finish_handed(fixture, 0);
    assert_int_equal(end.status, STATUS_OK);
    assert_true(end.results->created == FIRST_SLICE_LINES + 1 && end.results->listed == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_room_from_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room_midway, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room_behind_a_slice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room_for_the_last_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_goes_on_with_the_slices_it_has, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room_for_results, setup, teardown),
        cmocka_unit_test_setup_teardown(test_alone, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
