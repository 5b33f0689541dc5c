/* What is left of files that are dropped into a directory after a crash, and of those that are put back. */
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "files_fixture.h"
#include "intake/file_reader.h"

enum { SECOND_US = 1000000 };

/* Takes `groups` groups of two, the last of which is stored and (or not) acknowledged. */
static void take_groups(FilesFixture *fixture, int groups, bool acknowledged)
{
    files_open(fixture, 2);
    assert_int_equal(files_connect(fixture), STATUS_OK);
    for (int i = 1; i <= groups; i++) {
        assert_int_equal(files_fetch(fixture), 2);
        files_store(fixture);
        if (i < groups || acknowledged) {
            files_acknowledge(fixture);
        }
    }
}

/* The process ends there. */
static void crash_behind(FilesFixture *fixture, int groups, bool acknowledged)
{
    take_groups(fixture, groups, acknowledged);
    files_open(fixture, 2);
}

static void check_crash(int groups, bool acknowledged)
{
    FilesFixture *fixture = NULL;
    files_setup((void **)&fixture);
    files_side_drop_text(fixture->side, "0.ndjson", "{1}\nbad 2\n{3}\nbad 4\nbad 5\n{6}\n{7}\nbad 8\n");
    files_side_drop_text(fixture->side, "1.ndjson", "{1}\n");
    crash_behind(fixture, groups, acknowledged);
    size_t before = fixture->count;
    files_take_all(fixture);
    assert_in_range(fixture->count, 9, 9 + 4);
    assert_true(groups == 0 || fixture->count - before <= 9 - (before - 4) || before <= 4);
    files_check_content(
        fixture, "failed/0.ndjson.report.ndjson",
        "{\"line\":2,\"error\":\"is bad\",\"raw\":\"bad 2\"}\n{\"line\":4,\"error\":\"is bad\",\"raw\":\"bad 4\"}\n"
        "{\"line\":5,\"error\":\"is bad\",\"raw\":\"bad 5\"}\n{\"line\":8,\"error\":\"is bad\",\"raw\":\"bad 8\"}\n");
    assert_true(files_is_there(fixture, "failed/0.ndjson"));
    assert_true(files_is_there(fixture, "done/1.ndjson"));
    assert_int_equal(files_side_left(fixture->side), 0);
    files_teardown((void **)&fixture);
}

static void test_crashes(void **state)
{
    (void)state;
    for (int groups = 0; groups <= 4; groups++) {
        check_crash(groups, false);
    }
    for (int groups = 1; groups <= 3; groups++) {
        check_crash(groups, true);
    }
}

/* The report went with the last power: the file is read once more. */
static void test_report_is_lost(void **state)
{
    FilesFixture *fixture = *state;
    char path[FILES_PATH_BYTES];
    files_side_drop_text(fixture->side, "a.ndjson", "bad 1\n{2}\n{3}\n{4}\n{5}\n{6}\n");
    crash_behind(fixture, 2, true);
    files_path(fixture, "failed/a.ndjson.report.ndjson", path);
    assert_int_equal(truncate(path, 3), 0);
    files_take_all(fixture);
    files_check_content(fixture, "failed/a.ndjson.report.ndjson",
                        "{\"line\":1,\"error\":\"is bad\",\"raw\":\"bad 1\"}\n");
    assert_int_equal(fixture->count, 4 + 6);
}

static int syncs;
static bool disk_fails;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    syncs++;
    errno = EIO;
    return disk_fails ? -1 : __real_fdatasync(fd);
}

/* Once the file is in failed/ nobody reads it again for the sake of its report. */
static void test_report_is_on_disk_before_its_file_is_moved(void **state)
{
    FilesFixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.ndjson", "bad 1\n{2}\n");
    assert_int_equal(files_connect(fixture), STATUS_OK);
    assert_int_equal(files_fetch(fixture), 2);
    files_store(fixture);
    syncs = 0;
    disk_fails = true;
    Status status = fixture->source->ops->acknowledge(fixture->source, &fixture->group, &fixture->error);
    disk_fails = false;
    assert_int_equal(status, STATUS_BUSY);
    assert_int_equal(syncs, 1);
    assert_true(files_is_there(fixture, "a.ndjson"));
    files_take_all(fixture);
    assert_int_equal(syncs, 2);
    assert_true(files_is_there(fixture, "failed/a.ndjson"));
}

static void move(const FilesFixture *fixture, const char *from, const char *to)
{
    char from_path[FILES_PATH_BYTES], to_path[FILES_PATH_BYTES];
    files_path(fixture, from, from_path);
    files_path(fixture, to, to_path);
    assert_int_equal(rename(from_path, to_path), 0);
}

#define SEVEN_LINES "bad 1\n{2}\n{3}\n{4}\n{5}\n{6}\n{7}\n"

/* From its beginning, and its report is made anew. */
static void check_put_back(FilesFixture *fixture)
{
    fixture->count = 0;
    move(fixture, "failed/a.ndjson", "a.ndjson");
    files_take_rest(fixture);
    assert_int_equal(fixture->count, 7);
    assert_string_equal(fixture->places[0], "a.ndjson:1");
    files_check_content(fixture, "failed/a.ndjson.report.ndjson",
                        "{\"line\":1,\"error\":\"is bad\",\"raw\":\"bad 1\"}\n");
    assert_true(files_is_there(fixture, "failed/a.ndjson"));
}

static void test_put_back_after_a_restart(void **state)
{
    FilesFixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.ndjson", SEVEN_LINES);
    files_open(fixture, 2);
    files_take_all(fixture);
    check_put_back(fixture);
    files_open(fixture, 2);
    assert_int_equal(files_connect(fixture), STATUS_OK);
    assert_int_equal(files_fetch(fixture) + fixture->group.place_count, 0);
    check_put_back(fixture);
}

/* The process ended before it could tell the store that the file is away: the next one sees that. */
static void test_put_back_after_a_crash(void **state)
{
    FilesFixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.ndjson", SEVEN_LINES);
    crash_behind(fixture, 3, true);
    assert_int_equal(files_connect(fixture), STATUS_OK);
    while (files_fetch(fixture) > 0) {
        files_store(fixture);
        files_acknowledge(fixture);
    }
    files_open(fixture, 2);
    files_take_all(fixture);
    files_open(fixture, 2);
    assert_int_equal(files_connect(fixture), STATUS_OK);
    check_put_back(fixture);
}

/* A group that only says that a file is finished says nothing of the one that is read meanwhile. */
static void test_end_of_a_file_while_another_is_read(void **state)
{
    FilesFixture *fixture = *state;
    SourceGroup end;
    source_group_init(&end, FILES_MESSAGES_MAX);
    files_side_drop_text(fixture->side, "a.ndjson", "{1}\n");
    assert_int_equal(files_connect(fixture), STATUS_OK);
    assert_int_equal(files_fetch(fixture), 1);
    files_store(fixture);
    files_acknowledge(fixture);
    assert_int_equal(fixture->source->ops->fetch(fixture->source, &end, &fixture->error), STATUS_OK);
    assert_true(end.count == 0 && end.place_count == 1);
    files_side_drop_text(fixture->side, "b.ndjson", "{2}\n");
    assert_int_equal(files_fetch(fixture), 1);
    assert_int_equal(fixture->source->ops->acknowledge(fixture->source, &end, &fixture->error), STATUS_OK);
    assert_true(files_is_there(fixture, "b.ndjson"));
    files_store(fixture);
    files_acknowledge(fixture);
    assert_true(files_is_there(fixture, "done/b.ndjson"));
    source_group_release(&end);
}

/* Lines that are too long to be records, and one that is none. */
static void drop_long_lines(const FilesFixture *fixture, int count)
{
    enum { LONG_LINE = FILE_RESUME_BYTES };
    char path[FILES_PATH_BYTES], *line = malloc(LONG_LINE);
    assert_non_null(line);
    memset(line, 'x', LONG_LINE);
    line[LONG_LINE - 1] = '\n';
    files_path(fixture, "../a.ndjson.gz", path);
    assert_int_equal(mkdir(fixture->side->dir, 0700), 0);
    gzFile file = gzopen(path, "wb1e");
    assert_non_null(file);
    for (int i = 0; i < count; i++) {
        assert_int_equal(gzwrite(file, line, LONG_LINE), LONG_LINE);
    }
    assert_int_equal(gzputs(file, "bad\n"), 4);
    assert_int_equal(gzclose(file), Z_OK);
    free(line);
    move(fixture, "../a.ndjson.gz", "a.ndjson.gz");
}

/* One that is gone on with far behind its beginning: it can be stopped on the way, and the place stays. */
static void test_long_way(void **state)
{
    FilesFixture *fixture = *state;
    drop_long_lines(fixture, 4);
    crash_behind(fixture, 2, true);
    for (int i = 0; i < 2; i++) { /* it is stopped on the way, and begins once more */
        assert_int_equal(files_connect(fixture), STATUS_OK);
        assert_int_equal(files_fetch(fixture) + fixture->group.place_count, 0);
        int64_t begun_us = clock_monotonic_us(&clock_system);
        fixture->source->ops->wait(fixture->source, 10 * SECOND_US);
        assert_true(clock_monotonic_us(&clock_system) - begun_us < 5 * SECOND_US);
        files_open(fixture, 2);
    }
    assert_int_equal(files_connect(fixture), STATUS_OK);
    while (files_fetch(fixture) == 0) {
        assert_true(files_is_there(fixture, "a.ndjson.gz"));
    }
    files_store(fixture);
    files_acknowledge(fixture);
    files_take_rest(fixture);
    assert_string_equal(fixture->places[fixture->count - 1], "a.ndjson.gz:5");
    assert_true(files_is_there(fixture, "failed/a.ndjson.gz"));
}

/* What was acknowledged does not come again, though the place in the store is further back. */
static void test_long_way_begun_twice(void **state)
{
    FilesFixture *fixture = *state;
    drop_long_lines(fixture, 4);
    take_groups(fixture, 2, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(files_connect(fixture), STATUS_OK);
        assert_int_equal(files_fetch(fixture), 0);
    }
    while (files_fetch(fixture) == 0) {
    }
    assert_true(str_is(fixture->group.messages[0].place, "a.ndjson.gz:5"));
}

/* A file of the same name that begins otherwise. */
static void test_another_file_of_that_name(void **state)
{
    FilesFixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.ndjson", "{1}\n{2}\n{3}\n{4}\n{5}\n{6}\n");
    crash_behind(fixture, 2, true);
    files_side_drop_text(fixture->side, "a.ndjson", "{0}\n{2}\n{3}\n{4}\n");
    fixture->count = 0;
    files_take_all(fixture);
    assert_int_equal(fixture->count, 4);
    files_check_content(fixture, "done/a.ndjson", "{0}\n{2}\n{3}\n{4}\n");
}

#define FILES_TEST(name) cmocka_unit_test_setup_teardown(name, files_setup, files_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crashes),
        FILES_TEST(test_report_is_lost),
        FILES_TEST(test_report_is_on_disk_before_its_file_is_moved),
        FILES_TEST(test_put_back_after_a_restart),
        FILES_TEST(test_put_back_after_a_crash),
        FILES_TEST(test_end_of_a_file_while_another_is_read),
        FILES_TEST(test_long_way),
        FILES_TEST(test_long_way_begun_twice),
        FILES_TEST(test_another_file_of_that_name),
    };
    return cmocka_run_group_tests_name("source_files_crashes", tests, NULL, NULL);
}
