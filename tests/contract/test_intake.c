/* Intake on a store on disk, in steps. */
#include "intake_world.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

enum { STEPS = 60 };

static void run(World *world)
{
    for (int i = 0; i < STEPS; i++) {
        bool idle = false;
        int64_t wait_us = intake_step(world->intake);
        assert_true(wait_us >= 0);
        processor_step(world->processor, &idle);
        manual_clock_move(&world->manual, wait_us < SECOND_US ? wait_us : SECOND_US);
    }
}

static void test_several_sources(void **state)
{
    World *world = *state;
    world_start(world);
    for (size_t i = 0; i < 300; i++) {
        world_put_record(world, 0, i % 2);
        world_put_record(world, 1, 0);
    }
    world_put_bad(world, 0, 0);
    world_put_bad(world, 1, 0);
    run(world);
    world_assert_all_taken(world);
    SourceStatus statuses[3];
    assert_int_equal(intake_source_count(world->intake), 2);
    assert_int_equal(intake_status(world->intake, statuses, 3), 2);
    assert_int_equal(intake_status(world->intake, statuses, 1), 1);
    assert_string_equal(statuses[0].options->name, "orders");
    assert_string_equal(statuses[1].options->name, "devices");
    assert_true(statuses[0].created == 300 && statuses[1].created == 300 && statuses[1].dead_letters == 1);
    assert_string_equal(source_condition_name(statuses[0].condition), "running");
}

static void test_no_sources(void **state)
{
    World *world = *state;
    world->source_count = 0;
    world_start(world);
    run(world);
    SourceStatus status;
    assert_int_equal(intake_status(world->intake, &status, 1), 0);
    intake_look(NULL);
    intake_stop(NULL);
    intake_free(NULL);
    assert_int_equal(intake_status(NULL, &status, 1), 0);
    assert_int_equal(intake_source_count(NULL), 0);
}

static void test_letters_are_tried_again(void **state)
{
    World *world = *state;
    char text[RECORD_BYTES_MAX];
    world_start(world);
    world_put_bad(world, 0, 0);
    world_put_bad(world, 0, 1);
    world_put_record(world, 0, 0);
    run(world);
    assert_int_equal(world_letters(world, "orders").states[DEAD_LETTER_OPEN], 2);
    /* As it is: it is no record now either. */
    assert_int_equal(world_retry(world, 1, ""), 1);
    assert_int_equal(world_letters(world, "orders").states[DEAD_LETTER_RETRYING], 1);
    run(world);
    Letters letters = world_letters(world, "orders");
    assert_true(letters.states[DEAD_LETTER_OPEN] == 2 && letters.attempts_most == 2);
    /* Mended. */
    world_write_record(text, "orders", world->put[0]++, "1.00");
    assert_int_equal(world_retry(world, 1, text), 1);
    run(world);
    letters = world_letters(world, "orders");
    assert_true(letters.states[DEAD_LETTER_OPEN] == 1 && letters.states[DEAD_LETTER_RESOLVED] == 1);
    world_assert_all_taken(world);
    /* The source itself had nothing to do with it. */
    SourceStatus status;
    assert_int_equal(intake_status(world->intake, &status, 1), 1);
    assert_true(status.messages == 3 && status.dead_letters == 2);
}

/* More than there is in a group: each is tried once, and its outcome stays. */
static void test_many_letters_are_tried_again(void **state)
{
    World *world = *state;
    world_start(world);
    for (int i = 0; i < 600; i++) {
        world_put_bad(world, 1, 0);
    }
    run(world);
    assert_int_equal(world_letters(world, "devices").count, 600);
    assert_int_equal(world_retry(world, 0, ""), 600);
    run(world);
    Letters letters = world_letters(world, "devices");
    assert_int_equal(letters.states[DEAD_LETTER_OPEN], 600);
    assert_int_equal(letters.attempts_most, 2);
    world_assert_all_taken(world);
}

/* Letters that were to be tried again when the process ended are tried after the next start. */
static void test_letters_wait_for_a_start(void **state)
{
    World *world = *state;
    world_start(world);
    world_put_bad(world, 0, 0);
    run(world);
    intake_stop(world->intake);
    assert_int_equal(world_retry(world, 1, ""), 1);
    world_stop(world);
    world_start(world);
    run(world);
    Letters letters = world_letters(world, "orders");
    assert_true(letters.states[DEAD_LETTER_OPEN] == 1 && letters.attempts_most == 2);
}

static void test_an_option_that_cannot_work(void **state)
{
    World *world = *state;
    Error error = {0};
    fake_origin_script_open(world->origin[1], STATUS_REFUSED, 1);
    assert_int_equal(world_try_start(world, &error), STATUS_REFUSED);
    assert_non_null(strstr(error.message, "the source devices"));
    assert_null(world->intake);
    assert_int_equal(fake_origin_counts(world->origin[0]).closed, 1);
    world_start(world);
    world_put_record(world, 1, 0);
    run(world);
    world_assert_all_taken(world);
}

/* The processor answers after intake was told to stop: what it stored is acknowledged, and nothing more is handed
 * in. */
static void test_stop_in_steps(void **state)
{
    World *world = *state;
    world_start(world);
    for (size_t i = 0; i < 4 * GROUP_MESSAGES; i++) {
        world_put_record(world, 0, 0);
    }
    for (int i = 0; i < 5; i++) {
        intake_step(world->intake);
    }
    intake_stop(world->intake);
    run(world);
    SourceStatus status;
    assert_int_equal(intake_status(world->intake, &status, 1), 1);
    assert_int_equal(status.condition, SOURCE_STOPPED);
    assert_int_equal(world_stored(world), GROUP_MESSAGES);
    assert_int_equal(fake_origin_left(world->origin[0]), 3 * GROUP_MESSAGES);
    world_stop(world);
    world_start(world);
    run(world);
    world_assert_all_taken(world);
}

/* ---- The log ----------------------------------------------------------------------------------------------------- */

enum { LOG_BYTES = 65536 };

/* What the log says goes there until log_leave. */
typedef struct Hearing {
    int file, stderr_before;
} Hearing;

static Hearing log_hear(void)
{
    Hearing hearing = {.file = memfd_create("log", 0), .stderr_before = dup(STDERR_FILENO)};
    assert_true(hearing.file >= 0 && hearing.stderr_before >= 0);
    assert_int_equal(dup2(hearing.file, STDERR_FILENO), STDERR_FILENO);
    log_configure(LOG_WARN, LOG_FORMAT_LOGFMT);
    return hearing;
}

static void log_leave(const Hearing *hearing)
{
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    assert_int_equal(dup2(hearing->stderr_before, STDERR_FILENO), STDERR_FILENO);
    close(hearing->stderr_before);
    close(hearing->file);
}

/* How many lines have the words; *ret_sum: of the numbers behind "count=" in them. */
static int heard(const Hearing *hearing, const char *words, int64_t *ret_sum)
{
    char text[LOG_BYTES];
    ssize_t len = pread(hearing->file, text, sizeof text - 1, 0);
    int lines = 0;
    assert_true(len >= 0);
    text[len] = '\0';
    *ret_sum = 0;
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        bool is_one = strstr(line, words) != NULL;
        char *count = is_one ? strstr(line, "count=") : NULL;
        uint64_t number = 0;
        lines += is_one;
        *ret_sum += count && str_to_u64(str_from(count + strlen("count=")), INT64_MAX, &number) ? (int64_t)number : 0;
    }
    return lines;
}

static void run_without_time(World *world)
{
    for (int i = 0; i < STEPS; i++) {
        bool idle = false;
        (void)intake_step(world->intake);
        processor_step(world->processor, &idle);
    }
}

/* A source that is fed nothing but rubbish is told of, and not for each message. */
static void test_the_log_counts_dead_letters(void **state)
{
    static const char words[] = "msg=\"a source's messages became dead letters\" source=orders";
    World *world = *state;
    int64_t sum = 0;
    world_start(world);
    Hearing hearing = log_hear();
    for (int i = 0; i < 20; i++) {
        world_put_bad(world, 0, 0);
        run_without_time(world);
    }
    int lines_at_once = heard(&hearing, words, &sum);
    int64_t sum_at_once = sum;
    run(world);
    int lines = heard(&hearing, words, &sum);
    log_leave(&hearing);
    assert_int_equal(lines_at_once, 1);
    assert_int_equal(sum_at_once, 1);
    assert_int_equal(lines, 2);
    assert_int_equal(sum, 20);
}

static void test_the_log_has_notices(void **state)
{
    static const char words[] = "msg=\"a source's notice\" source=orders notice=";
    World *world = *state;
    int64_t sum;
    world_start(world);
    Hearing hearing = log_hear();
    fake_origin_set_notice(world->origin[0], "2 messages are gone");
    run(world);
    int lines_of_one = heard(&hearing, words, &sum);
    fake_origin_set_notice(world->origin[0], "3 messages are gone");
    run(world);
    int lines = heard(&hearing, words, &sum), lines_of_last = heard(&hearing, "notice=\"3 messages are gone\"", &sum);
    log_leave(&hearing);
    assert_int_equal(lines_of_one, 1);
    assert_int_equal(lines, 2);
    assert_int_equal(lines_of_last, 1);
}

#define STEP_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup_steps, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STEP_TEST(test_several_sources),
        STEP_TEST(test_no_sources),
        STEP_TEST(test_letters_are_tried_again),
        STEP_TEST(test_many_letters_are_tried_again),
        STEP_TEST(test_letters_wait_for_a_start),
        STEP_TEST(test_an_option_that_cannot_work),
        STEP_TEST(test_stop_in_steps),
        STEP_TEST(test_the_log_counts_dead_letters),
        STEP_TEST(test_the_log_has_notices),
    };
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT); /* states change all the time */
    return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
