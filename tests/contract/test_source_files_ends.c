/* What becomes of files that are dropped into a directory: done/, failed/ with a report, and what is left after a
 * crash. */
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "files_side.h"
#include "record/record.h"

enum { PATH_BYTES = 512, MESSAGES_MAX = 100, PLACE_BYTES = 64 };

typedef struct Fixture {
    FilesSide *side;
    Source *source;
    SourceGroup group;
    Error error;
    size_t count; /* messages that came */
    char places[MESSAGES_MAX][PLACE_BYTES];
    bool has_place; /* what the store has */
    int64_t next;
    char part[PLACE_BYTES], mark[SOURCE_MARK_BYTES_MAX];
    size_t mark_len;
} Fixture;

static void open_source(Fixture *fixture, size_t group_messages_max)
{
    source_close(fixture->source);
    fixture->source = files_side_open(fixture->side, (SideLimits){group_messages_max, 1000});
    source_group_release(&fixture->group);
    source_group_init(&fixture->group, group_messages_max);
}

static Status connect_source(Fixture *fixture)
{
    SourcePlace place = {str_from(fixture->part), fixture->next, {fixture->mark, fixture->mark_len}};
    return fixture->source->ops->connect(fixture->source, &place, fixture->has_place, &fixture->error);
}

static int setup(void **state)
{
    Fixture *fixture = test_calloc(1, sizeof *fixture);
    fixture->side = files_side_start();
    source_group_init(&fixture->group, MESSAGES_MAX);
    open_source(fixture, MESSAGES_MAX);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    source_group_release(&fixture->group);
    source_close(fixture->source);
    files_side_stop(fixture->side);
    test_free(fixture);
    return 0;
}

/* What a message says is what becomes of it. */
static void decide(SourceMessage *message)
{
    const char *raw = message->raw.ptr;
    size_t len = message->raw.len;
    message->outcome = OUTCOME_CREATED;
    if (message->refused.len > 0 || memmem(raw, len, "bad", 3)) {
        message->outcome = OUTCOME_NONE;
        message->error = message->refused.len ? message->refused : STR("is bad");
    } else if (memmem(raw, len, "clash", 5)) {
        message->outcome = OUTCOME_CONFLICT;
        message->differs = FIELD_VALUE | FIELD_UNIT;
    } else if (memmem(raw, len, "large", 5)) {
        message->outcome = OUTCOME_REJECTED;
    }
}

static void store(Fixture *fixture)
{
    for (size_t i = 0; i < fixture->group.count; i++) {
        SourceMessage *message = &fixture->group.messages[i];
        decide(message);
        assert_true(fixture->count < MESSAGES_MAX);
        snprintf(fixture->places[fixture->count++], PLACE_BYTES, "%.*s", STR_ARGS(message->place));
    }
    for (size_t i = 0; i < fixture->group.place_count; i++) {
        const SourcePlace *place = &fixture->group.places[i];
        snprintf(fixture->part, sizeof fixture->part, "%.*s", STR_ARGS(place->part));
        memcpy(fixture->mark, place->mark.ptr, place->mark.len);
        fixture->mark_len = place->mark.len;
        fixture->next = place->next;
        fixture->has_place = true;
    }
}

static size_t fetch(Fixture *fixture)
{
    source_group_reset(&fixture->group);
    assert_int_equal(fixture->source->ops->fetch(fixture->source, &fixture->group, &fixture->error), STATUS_OK);
    return fixture->group.count;
}

static void acknowledge(Fixture *fixture)
{
    assert_int_equal(fixture->source->ops->acknowledge(fixture->source, &fixture->group, &fixture->error), STATUS_OK);
}

/* Until nothing comes. */
static void take_all(Fixture *fixture)
{
    assert_int_equal(connect_source(fixture), STATUS_OK);
    while (fetch(fixture) > 0) {
        store(fixture);
        acknowledge(fixture);
    }
}

static void path_of(const Fixture *fixture, const char *name, char ret_path[PATH_BYTES])
{
    snprintf(ret_path, PATH_BYTES, "%s/%s", fixture->side->dir, name);
}

static bool is_there(const Fixture *fixture, const char *name)
{
    char path[PATH_BYTES];
    struct stat info;
    path_of(fixture, name, path);
    return lstat(path, &info) == 0;
}

static void check_content(const Fixture *fixture, const char *name, const char *expected)
{
    char path[PATH_BYTES], text[4096];
    path_of(fixture, name, path);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    assert_string_equal(text, expected);
}

static void test_well_taken_in(void **state)
{
    Fixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.ndjson", "{1}\n\n{2}\n");
    files_side_drop_text(fixture->side, "empty.json", "");
    take_all(fixture);
    assert_int_equal(fixture->count, 2);
    assert_string_equal(fixture->places[0], "a.ndjson:1");
    assert_string_equal(fixture->places[1], "a.ndjson:3");
    check_content(fixture, "done/a.ndjson", "{1}\n\n{2}\n");
    assert_true(is_there(fixture, "done/empty.json"));
    assert_false(is_there(fixture, "a.ndjson"));
    assert_int_equal(fixture->source->notice.len, 0);
    SourceLag lag;
    fixture->source->ops->lag(fixture->source, &lag);
    assert_true(lag.messages == 0 && lag.oldest_us == 0);
}

static void test_removed_when_done(void **state)
{
    Fixture *fixture = *state;
    fixture->side->options.keep_done = false;
    open_source(fixture, MESSAGES_MAX);
    files_side_drop_text(fixture->side, "a.ndjson", "{1}\n");
    files_side_drop_text(fixture->side, "b.ndjson", "bad\n");
    take_all(fixture);
    assert_int_equal(fixture->count, 2);
    assert_int_equal(files_side_left(fixture->side), 0);
    assert_false(is_there(fixture, "done"));
    assert_true(is_there(fixture, "failed/b.ndjson"));
}

static void test_report(void **state)
{
    Fixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.ndjson", "{1}\nbad \"1\"\n{2}\nclash\nlarge\n");
    take_all(fixture);
    assert_int_equal(fixture->count, 5);
    check_content(fixture, "failed/a.ndjson.report.ndjson",
                  "{\"line\":2,\"error\":\"is bad\",\"raw\":\"bad \\\"1\\\"\"}\n"
                  "{\"line\":4,\"error\":\"a record is stored under the same id, and differs in value, unit\","
                  "\"raw\":\"clash\"}\n"
                  "{\"line\":5,\"error\":\"a total of its flow would be too large\",\"raw\":\"large\"}\n");
    assert_true(is_there(fixture, "failed/a.ndjson"));
    assert_false(is_there(fixture, "done/a.ndjson"));
    fetch(fixture);
    assert_non_null(memmem(fixture->source->notice.ptr, fixture->source->notice.len, "a.ndjson", 8));
}

static void test_too_long_a_line(void **state)
{
    Fixture *fixture = *state;
    char text[1200];
    memset(text, 'x', sizeof text);
    memcpy(text + 1100, "\n{2}\n", 5);
    files_side_drop(fixture->side, "a.ndjson", text, 1105);
    take_all(fixture);
    assert_int_equal(fixture->count, 2);
    assert_true(is_there(fixture, "failed/a.ndjson"));
}

#define HEADER "recordId,time,sourceId,destinationId,type,value,unit,reference"

static void test_csv_lines_have_their_header(void **state)
{
    Fixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.csv", HEADER "\r\n1,2\r\nbad,\"\n\"\r\n");
    assert_int_equal(connect_source(fixture), STATUS_OK);
    assert_int_equal(fetch(fixture), 2);
    const SourceMessage *message = &fixture->group.messages[1];
    assert_true(str_equal(message->raw, STR(HEADER "\nbad,\"\n\"")));
    assert_true(str_equal(message->format, SOURCE_FORMAT_CSV));
    assert_true(str_is(message->place, "a.csv:3"));
    store(fixture);
    acknowledge(fixture);
    check_content(fixture, "failed/a.csv.report.ndjson",
                  "{\"line\":3,\"error\":\"is bad\",\"raw\":\"bad,\\\"\\n\\\"\"}\n");
}

/* A file that cannot be read on: what is before stays taken in, the rest is one message with the reason. */
static void check_trouble(Fixture *fixture, const char *name, size_t good, const char *place, const char *why,
                          const char *raw)
{
    assert_int_equal(connect_source(fixture), STATUS_OK);
    assert_int_equal(fetch(fixture), good + 1);
    const SourceMessage *last = &fixture->group.messages[good];
    assert_true(str_is(last->place, place));
    assert_non_null(memmem(last->refused.ptr, last->refused.len, why, strlen(why)));
    assert_true(!raw || str_is(last->raw, raw));
    store(fixture);
    acknowledge(fixture);
    char failed[128];
    snprintf(failed, sizeof failed, "failed/%s", name);
    assert_true(is_there(fixture, failed));
    assert_false(is_there(fixture, name));
    snprintf(failed, sizeof failed, "failed/%s.report.ndjson", name);
    assert_true(is_there(fixture, failed));
    assert_int_equal(fetch(fixture), 0);
}

static void test_brackets_that_do_not_match(void **state)
{
    Fixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.json", "[{\"a\":1},\n{\"b\":2}\n{\"c\":3}]");
    check_trouble(fixture, "a.json", 2, "a.json:3", "expected a comma", "{\"c\":3}]");
}

static void test_csv_without_its_columns(void **state)
{
    Fixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.csv", "recordId,time\n1,2\n3,4\n");
    check_trouble(fixture, "a.csv", 0, "a.csv:1", "has no column sourceId", "recordId,time\n1,2\n3,4\n");
}

static void test_torn_gzip(void **state)
{
    Fixture *fixture = *state;
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
    assert_int_equal(connect_source(fixture), STATUS_OK);
    size_t good = fetch(fixture) - 1;
    assert_in_range(good, 20, 30);
    assert_non_null(memmem(fixture->group.messages[good].refused.ptr, fixture->group.messages[good].refused.len,
                           "end too early", 13));
    store(fixture);
    acknowledge(fixture);
    assert_true(is_there(fixture, "failed/a.ndjson.gz"));
    fixture->count = 0;
    while (fetch(fixture) > 0) {
        fixture->count = 0;
        store(fixture);
        acknowledge(fixture);
    }
    assert_true(is_there(fixture, "done/b.ndjson.gz"));
}

static void test_names_that_are_not_taken(void **state)
{
    Fixture *fixture = *state;
    files_side_drop_text(fixture->side, ".hidden.ndjson", "{1}\n");
    files_side_drop_text(fixture->side, "a.ndjson.part", "{1}\n");
    files_side_drop_text(fixture->side, "a.txt", "{1}\n");
    char path[PATH_BYTES];
    path_of(fixture, "link.ndjson", path);
    assert_int_equal(symlink("a.txt", path), 0);
    path_of(fixture, "pipe.ndjson", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    path_of(fixture, "dir.ndjson", path);
    assert_int_equal(mkdir(path, 0700), 0);
    take_all(fixture);
    assert_int_equal(fixture->count, 0);
    assert_int_equal(files_side_left(fixture->side), 5);
}

/* A name that was there before gets a number. */
static void test_same_name_again(void **state)
{
    Fixture *fixture = *state;
    static const char *const texts[] = {"{1}\n", "bad\n", "{3}\n", "bad\n"};
    for (size_t i = 0; i < 4; i++) {
        files_side_drop_text(fixture->side, "a.ndjson", texts[i]);
        take_all(fixture);
    }
    check_content(fixture, "done/a.ndjson", "{1}\n");
    check_content(fixture, "failed/a.ndjson.1", "bad\n");
    assert_true(is_there(fixture, "failed/a.ndjson.1.report.ndjson"));
    check_content(fixture, "done/a.ndjson.2", "{3}\n");
    assert_true(is_there(fixture, "failed/a.ndjson.3.report.ndjson"));
}

/* Whoever is still writing is not disturbed. */
static void test_written_in_place(void **state)
{
    Fixture *fixture = *state;
    char path[PATH_BYTES];
    assert_int_equal(connect_source(fixture), STATUS_OK);
    path_of(fixture, "a.ndjson", path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs("{1}\n", file);
    fflush(file);
    assert_int_equal(fetch(fixture), 0);
    assert_true(str_is(fixture->source->notice, "a.ndjson waits until whoever writes it has closed it"));
    assert_int_equal(connect_source(fixture), STATUS_OK); /* nor is who was there before us */
    assert_int_equal(fetch(fixture), 0);
    fputs("{2}\n", file);
    assert_int_equal(fclose(file), 0);
    fixture->source->ops->wait(fixture->source, 5000000);
    assert_int_equal(fetch(fixture), 2);
    assert_int_equal(fixture->source->notice.len, 0);
}

static void append(const Fixture *fixture, const char *name, const char *text)
{
    char path[PATH_BYTES];
    path_of(fixture, name, path);
    FILE *file = fopen(path, "ae");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* What was added while it was read is not moved away unread. */
static void test_added_meanwhile(void **state)
{
    Fixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.ndjson", "{1}\nbad\n");
    assert_int_equal(connect_source(fixture), STATUS_OK);
    assert_int_equal(fetch(fixture), 2);
    store(fixture);
    append(fixture, "a.ndjson", "{3}\n");
    acknowledge(fixture);
    assert_true(is_there(fixture, "a.ndjson"));
    assert_int_equal(fetch(fixture), 1);
    assert_true(str_is(fixture->group.messages[0].place, "a.ndjson:3"));
    store(fixture);
    acknowledge(fixture);
    check_content(fixture, "failed/a.ndjson.report.ndjson", "{\"line\":2,\"error\":\"is bad\",\"raw\":\"bad\"}\n");
    check_content(fixture, "failed/a.ndjson", "{1}\nbad\n{3}\n");
}

/* ---- After a crash ----------------------------------------------------------------------------------------------- */

/* The process ends behind `groups` groups of two, the last of which is stored and (or not) acknowledged. */
static void crash_behind(Fixture *fixture, int groups, bool acknowledged)
{
    open_source(fixture, 2);
    assert_int_equal(connect_source(fixture), STATUS_OK);
    for (int i = 1; i <= groups; i++) {
        assert_int_equal(fetch(fixture), 2);
        store(fixture);
        if (i < groups || acknowledged) {
            acknowledge(fixture);
        }
    }
    open_source(fixture, 2);
}

static void check_crash(int groups, bool acknowledged)
{
    Fixture *fixture = NULL;
    setup((void **)&fixture);
    files_side_drop_text(fixture->side, "0.ndjson", "{1}\nbad 2\n{3}\nbad 4\nbad 5\n{6}\n{7}\nbad 8\n");
    files_side_drop_text(fixture->side, "1.ndjson", "{1}\n");
    crash_behind(fixture, groups, acknowledged);
    size_t before = fixture->count;
    take_all(fixture);
    assert_in_range(fixture->count, 9, 9 + 4);
    assert_true(groups == 0 || fixture->count - before <= 9 - (before - 4) || before <= 4);
    check_content(
        fixture, "failed/0.ndjson.report.ndjson",
        "{\"line\":2,\"error\":\"is bad\",\"raw\":\"bad 2\"}\n{\"line\":4,\"error\":\"is bad\",\"raw\":\"bad 4\"}\n"
        "{\"line\":5,\"error\":\"is bad\",\"raw\":\"bad 5\"}\n{\"line\":8,\"error\":\"is bad\",\"raw\":\"bad 8\"}\n");
    assert_true(is_there(fixture, "failed/0.ndjson"));
    assert_true(is_there(fixture, "done/1.ndjson"));
    assert_int_equal(files_side_left(fixture->side), 0);
    teardown((void **)&fixture);
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
    Fixture *fixture = *state;
    char path[PATH_BYTES];
    files_side_drop_text(fixture->side, "a.ndjson", "bad 1\n{2}\n{3}\n{4}\n{5}\n{6}\n");
    crash_behind(fixture, 2, true);
    path_of(fixture, "failed/a.ndjson.report.ndjson", path);
    assert_int_equal(truncate(path, 3), 0);
    take_all(fixture);
    check_content(fixture, "failed/a.ndjson.report.ndjson", "{\"line\":1,\"error\":\"is bad\",\"raw\":\"bad 1\"}\n");
    assert_int_equal(fixture->count, 4 + 6);
}

/* A file of the same name that begins otherwise. */
static void test_another_file_of_that_name(void **state)
{
    Fixture *fixture = *state;
    files_side_drop_text(fixture->side, "a.ndjson", "{1}\n{2}\n{3}\n{4}\n{5}\n{6}\n");
    crash_behind(fixture, 2, true);
    files_side_drop_text(fixture->side, "a.ndjson", "{0}\n{2}\n{3}\n{4}\n");
    fixture->count = 0;
    take_all(fixture);
    assert_int_equal(fixture->count, 4);
    check_content(fixture, "done/a.ndjson", "{0}\n{2}\n{3}\n{4}\n");
}

/* ---- Places ------------------------------------------------------------------------------------------------------ */

static void test_one_source_a_directory(void **state)
{
    Fixture *fixture = *state;
    assert_int_equal(connect_source(fixture), STATUS_OK);
    Source *other = files_side_open(fixture->side, (SideLimits){1, 1000});
    assert_int_equal(other->ops->connect(other, NULL, 0, &fixture->error), STATUS_BUSY);
    assert_non_null(strstr(fixture->error.message, "another source"));
    source_close(other);
}

static void test_links_are_not_followed(void **state)
{
    Fixture *fixture = *state;
    char path[PATH_BYTES];
    assert_int_equal(mkdir(fixture->side->dir, 0700), 0);
    path_of(fixture, "done", path);
    assert_int_equal(symlink(fixture->side->top, path), 0);
    assert_int_equal(connect_source(fixture), STATUS_REFUSED);
    assert_non_null(strstr(fixture->error.message, "done"));
}

static void test_directory_is_gone(void **state)
{
    Fixture *fixture = *state;
    char moved[PATH_BYTES];
    assert_int_equal(connect_source(fixture), STATUS_OK);
    snprintf(moved, sizeof moved, "%s/moved", fixture->side->top);
    assert_int_equal(rename(fixture->side->dir, moved), 0);
    source_group_reset(&fixture->group);
    assert_int_equal(fixture->source->ops->fetch(fixture->source, &fixture->group, &fixture->error), STATUS_BUSY);
    assert_non_null(strstr(fixture->error.message, "is not there any more"));
    assert_int_equal(connect_source(fixture), STATUS_OK); /* made anew */
    assert_true(is_there(fixture, "failed"));
}

#define FILES_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        cmocka_unit_test(test_crashes),
        FILES_TEST(test_report_is_lost),
        FILES_TEST(test_another_file_of_that_name),
        FILES_TEST(test_one_source_a_directory),
        FILES_TEST(test_links_are_not_followed),
        FILES_TEST(test_directory_is_gone),
    };
    return cmocka_run_group_tests_name("source_files_ends", tests, NULL, NULL);
}
