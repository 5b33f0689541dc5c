/* What becomes of files that are dropped into a directory: done/ and failed/ with a report. */
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "files_fixture.h"

static void test_well_taken_in(void **state)
{
    FilesFixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.ndjson", "{1}\n\n{2}\n");
    files_side_drop_text(fixture->side, "empty.json", "");
    files_take_all(fixture);
    assert_int_equal(fixture->count, 2);
    assert_string_equal(fixture->places[0], "a.ndjson:1");
    assert_string_equal(fixture->places[1], "a.ndjson:3");
    files_check_content(fixture, "done/a.ndjson", "{1}\n\n{2}\n");
    assert_true(files_is_there(fixture, "done/empty.json"));
    assert_false(files_is_there(fixture, "a.ndjson"));
    assert_int_equal(fixture->source->notice.len, 0);
    SourceLag lag;
    fixture->source->ops->lag(fixture->source, &lag);
    assert_true(lag.messages == 0 && lag.oldest_us == 0);
}

static void test_removed_when_done(void **state)
{
    FilesFixture *fixture = *state;
    fixture->side->options.keep_done = false;
    files_open(fixture, FILES_MESSAGES_MAX);
    files_side_drop_text(fixture->side, "a.ndjson", "{1}\n");
    files_side_drop_text(fixture->side, "b.ndjson", "bad\n");
    files_take_all(fixture);
    assert_int_equal(fixture->count, 2);
    assert_int_equal(files_side_left(fixture->side), 0);
    assert_false(files_is_there(fixture, "done"));
    assert_true(files_is_there(fixture, "failed/b.ndjson"));
}

static void test_report(void **state)
{
    FilesFixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.ndjson", "{1}\nbad \"1\"\n{2}\nclash\nlarge\n");
    files_take_all(fixture);
    assert_int_equal(fixture->count, 5);
    files_check_content(fixture, "failed/a.ndjson.report.ndjson",
                        "{\"line\":2,\"error\":\"is bad\",\"raw\":\"bad \\\"1\\\"\"}\n"
                        "{\"line\":4,\"error\":\"a record is stored under the same id, and differs in value, unit\","
                        "\"raw\":\"clash\"}\n"
                        "{\"line\":5,\"error\":\"a total of its flow would be too large\",\"raw\":\"large\"}\n");
    assert_true(files_is_there(fixture, "failed/a.ndjson"));
    assert_false(files_is_there(fixture, "done/a.ndjson"));
    files_fetch(fixture);
    assert_non_null(memmem(fixture->source->notice.ptr, fixture->source->notice.len, "a.ndjson", 8));
}

static void test_too_long_a_line(void **state)
{
    FilesFixture *fixture = *state;
    char text[1200];
    memset(text, 'x', sizeof text);
    memcpy(text + 1100, "\n{2}\n", 5);
    files_side_drop(fixture->side, "a.ndjson", text, 1105);
    files_take_all(fixture);
    assert_int_equal(fixture->count, 2);
    assert_true(files_is_there(fixture, "failed/a.ndjson"));
}

#define HEADER "recordId,time,sourceId,destinationId,type,value,unit,reference"

static void test_csv_lines_have_their_header(void **state)
{
    FilesFixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.csv", HEADER "\r\n1,2\r\nbad,\"\n\"\r\n");
    assert_int_equal(files_connect(fixture), STATUS_OK);
    assert_int_equal(files_fetch(fixture), 2);
    const SourceMessage *message = &fixture->group.messages[1];
    assert_true(str_equal(message->raw, STR(HEADER "\nbad,\"\n\"")));
    assert_true(str_equal(message->format, SOURCE_FORMAT_CSV));
    assert_true(str_is(message->place, "a.csv:3"));
    files_store(fixture);
    files_acknowledge(fixture);
    files_check_content(fixture, "failed/a.csv.report.ndjson",
                        "{\"line\":3,\"error\":\"is bad\",\"raw\":\"bad,\\\"\\n\\\"\"}\n");
}

/* A file that cannot be read on: what is before stays taken in, the rest is one message with the reason. */
static void check_trouble(FilesFixture *fixture, const char *name, size_t good, const char *place, const char *why,
                          const char *raw)
{
    assert_int_equal(files_connect(fixture), STATUS_OK);
    assert_int_equal(files_fetch(fixture), good + 1);
    const SourceMessage *last = &fixture->group.messages[good];
    assert_true(str_is(last->place, place));
    assert_non_null(memmem(last->refused.ptr, last->refused.len, why, strlen(why)));
    assert_true(!raw || str_is(last->raw, raw));
    files_store(fixture);
    files_acknowledge(fixture);
    char failed[128];
    snprintf(failed, sizeof failed, "failed/%s", name);
    assert_true(files_is_there(fixture, failed));
    assert_false(files_is_there(fixture, name));
    snprintf(failed, sizeof failed, "failed/%s.report.ndjson", name);
    assert_true(files_is_there(fixture, failed));
    assert_int_equal(files_fetch(fixture), 0);
}

static void test_brackets_that_do_not_match(void **state)
{
    FilesFixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.json", "[{\"a\":1},\n{\"b\":2}\n{\"c\":3}]");
    check_trouble(fixture, "a.json", 2, "a.json:3", "expected a comma", "{\"c\":3}]");
}

static void test_csv_without_its_columns(void **state)
{
    FilesFixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.csv", "recordId,time\n1,2\n3,4\n");
    check_trouble(fixture, "a.csv", 0, "a.csv:1", "has no column sourceId", "recordId,time\n1,2\n3,4\n");
}

static void test_torn_gzip(void **state)
{
    FilesFixture *fixture = *state;
    char text[6000], packed[7000];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = i % 10 == 9 ? '\n' : (char)('a' + i * i % 26);
    }
    z_stream stream = {
        .next_in = (Bytef *)text, .avail_in = sizeof text, .next_out = (Bytef *)packed, .avail_out = sizeof packed};
    assert_int_equal(deflateInit2(&stream, 0, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    files_side_drop(fixture->side, "a.ndjson.gz", packed, 300);
    files_side_drop(fixture->side, "b.ndjson.gz", packed, stream.total_out);
    assert_int_equal(files_connect(fixture), STATUS_OK);
    size_t good = files_fetch(fixture) - 1;
    assert_in_range(good, 20, 30);
    assert_non_null(memmem(fixture->group.messages[good].refused.ptr, fixture->group.messages[good].refused.len,
                           "end too early", 13));
    files_store(fixture);
    files_acknowledge(fixture);
    assert_true(files_is_there(fixture, "failed/a.ndjson.gz"));
    fixture->count = 0;
    while (files_fetch(fixture) > 0) {
        fixture->count = 0;
        files_store(fixture);
        files_acknowledge(fixture);
    }
    assert_true(files_is_there(fixture, "done/b.ndjson.gz"));
}

static void test_names_that_are_not_taken(void **state)
{
    FilesFixture *fixture = *state;
    files_side_drop_text(fixture->side, ".hidden.ndjson", "{1}\n");
    files_side_drop_text(fixture->side, "a.ndjson.part", "{1}\n");
    files_side_drop_text(fixture->side, "a.txt", "{1}\n");
    char path[FILES_PATH_BYTES];
    files_path(fixture, "link.ndjson", path);
    assert_int_equal(symlink("a.txt", path), 0);
    files_path(fixture, "pipe.ndjson", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    files_path(fixture, "dir.ndjson", path);
    assert_int_equal(mkdir(path, 0700), 0);
    files_take_all(fixture);
    assert_int_equal(fixture->count, 0);
    assert_int_equal(files_side_left(fixture->side), 5);
}

/* A name that was there before gets a number. */
static void test_same_name_again(void **state)
{
    FilesFixture *fixture = *state;
    static const char *const texts[] = {"{1}\n", "bad\n", "{3}\n", "bad\n"};
    for (size_t i = 0; i < 4; i++) {
        files_side_drop_text(fixture->side, "a.ndjson", texts[i]);
        files_take_all(fixture);
    }
    files_check_content(fixture, "done/a.ndjson", "{1}\n");
    files_check_content(fixture, "failed/a.ndjson.1", "bad\n");
    assert_true(files_is_there(fixture, "failed/a.ndjson.1.report.ndjson"));
    files_check_content(fixture, "done/a.ndjson.2", "{3}\n");
    assert_true(files_is_there(fixture, "failed/a.ndjson.3.report.ndjson"));
}

/* Whoever is still writing is not disturbed. */
static void test_written_in_place(void **state)
{
    FilesFixture *fixture = *state;
    char path[FILES_PATH_BYTES];
    assert_int_equal(files_connect(fixture), STATUS_OK);
    files_path(fixture, "a.ndjson", path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs("{1}\n", file);
    fflush(file);
    assert_int_equal(files_fetch(fixture), 0);
    assert_true(str_is(fixture->source->notice, "a.ndjson waits until whoever writes it has closed it"));
    assert_int_equal(files_connect(fixture), STATUS_OK); /* nor is who was there before us */
    assert_int_equal(files_fetch(fixture), 0);
    fputs("{2}\n", file);
    assert_int_equal(fclose(file), 0);
    fixture->source->ops->wait(fixture->source, 5000000);
    assert_int_equal(files_fetch(fixture), 2);
    assert_int_equal(fixture->source->notice.len, 0);
}

static void append(const FilesFixture *fixture, const char *name, const char *text)
{
    char path[FILES_PATH_BYTES];
    files_path(fixture, name, path);
    FILE *file = fopen(path, "ae");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* What was added while it was read is not moved away unread. */
static void test_added_meanwhile(void **state)
{
    FilesFixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.ndjson", "{1}\nbad\n");
    assert_int_equal(files_connect(fixture), STATUS_OK);
    assert_int_equal(files_fetch(fixture), 2);
    files_store(fixture);
    append(fixture, "a.ndjson", "{3}\n");
    files_acknowledge(fixture);
    assert_true(files_is_there(fixture, "a.ndjson"));
    assert_int_equal(files_fetch(fixture), 1);
    assert_true(str_is(fixture->group.messages[0].place, "a.ndjson:3"));
    files_store(fixture);
    files_acknowledge(fixture);
    files_check_content(fixture, "failed/a.ndjson.report.ndjson",
                        "{\"line\":2,\"error\":\"is bad\",\"raw\":\"bad\"}\n");
    files_check_content(fixture, "failed/a.ndjson", "{1}\nbad\n{3}\n");
}

/* ---- Places ------------------------------------------------------------------------------------------------------ */

static void test_one_source_a_directory(void **state)
{
    FilesFixture *fixture = *state;
    assert_int_equal(files_connect(fixture), STATUS_OK);
    Source *other = files_side_open(fixture->side, (SideLimits){1, 1000});
    assert_int_equal(other->ops->connect(other, NULL, 0, &fixture->error), STATUS_BUSY);
    assert_non_null(strstr(fixture->error.message, "another source"));
    source_close(other);
}

static void test_links_are_not_followed(void **state)
{
    FilesFixture *fixture = *state;
    char path[FILES_PATH_BYTES];
    assert_int_equal(mkdir(fixture->side->dir, 0700), 0);
    files_path(fixture, "done", path);
    assert_int_equal(symlink(fixture->side->top, path), 0);
    assert_int_equal(files_connect(fixture), STATUS_REFUSED);
    assert_non_null(strstr(fixture->error.message, "done"));
}

static void test_directory_is_gone(void **state)
{
    FilesFixture *fixture = *state;
    char moved[FILES_PATH_BYTES];
    assert_int_equal(files_connect(fixture), STATUS_OK);
    snprintf(moved, sizeof moved, "%s/moved", fixture->side->top);
    assert_int_equal(rename(fixture->side->dir, moved), 0);
    source_group_reset(&fixture->group);
    assert_int_equal(fixture->source->ops->fetch(fixture->source, &fixture->group, &fixture->error), STATUS_BUSY);
    assert_non_null(strstr(fixture->error.message, "is not there any more"));
    assert_int_equal(files_connect(fixture), STATUS_OK); /* made anew */
    assert_true(files_is_there(fixture, "failed"));
}

#define FILES_TEST(name) cmocka_unit_test_setup_teardown(name, files_setup, files_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_well_taken_in),
        FILES_TEST(test_removed_when_done),
        FILES_TEST(test_report),
        FILES_TEST(test_too_long_a_line),
        FILES_TEST(test_csv_lines_have_their_header),
        FILES_TEST(test_brackets_that_do_not_match),
        FILES_TEST(test_csv_without_its_columns),
        FILES_TEST(test_torn_gzip),
        FILES_TEST(test_names_that_are_not_taken),
        FILES_TEST(test_same_name_again),
        FILES_TEST(test_written_in_place),
        FILES_TEST(test_added_meanwhile),
        FILES_TEST(test_one_source_a_directory),
        FILES_TEST(test_links_are_not_followed),
        FILES_TEST(test_directory_is_gone),
    };
    return cmocka_run_group_tests_name("source_files_ends", tests, NULL, NULL);
}
