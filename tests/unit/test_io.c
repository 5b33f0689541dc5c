/* The system's files and the fake in memory: one contract, both sides; then what only the fake can do. */
#include "base/io.h"
#include "support/io_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants some of the above first. */
#include <cmocka.h>

/* An Io and a directory to work in. */
typedef struct Place {
    const Io *io;
    IoMemory *memory; /* NULL on the system's files */
    char dir[64];
} Place;

static Place place_new(bool in_memory)
{
    Place place = {.io = &io_system, .dir = "/tmp/weir-test-io-XXXXXX"};
    if (in_memory) {
        place.memory = io_memory_new();
        place.io = io_memory_io(place.memory);
    } else {
        assert_non_null(mkdtemp(place.dir));
    }
    return place;
}

static const char *path_in(const Place *place, const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", place->dir, name);
    return path;
}

static void place_free(Place *place)
{
    if (!place->memory) {
        assert_int_equal(rmdir(place->dir), 0);
    }
    io_memory_free(place->memory);
}

static void write_file(const Place *place, const char *name, Str first, Str second)
{
    IoFile *file = NULL;
    assert_int_equal(place->io->create(place->io->self, path_in(place, name), &file, NULL), STATUS_OK);
    assert_int_equal(place->io->append(file, first, NULL), STATUS_OK);
    assert_int_equal(place->io->append(file, second, NULL), STATUS_OK);
    assert_int_equal(place->io->sync(file, NULL), STATUS_OK);
    place->io->close(file);
}

static void check_content(const Place *place, const char *name, Str expected)
{
    IoFile *file = NULL;
    uint64_t bytes = 99;
    char data[64];
    assert_int_equal(place->io->open(place->io->self, path_in(place, name), &file, &bytes, NULL), STATUS_OK);
    assert_int_equal(bytes, expected.len);
    assert_int_equal(place->io->read_at(file, 0, data, expected.len, NULL), STATUS_OK);
    assert_memory_equal(data, expected.ptr, expected.len);
    place->io->close(file);
}

static Status open_status(const Place *place, const char *name)
{
    IoFile *file = NULL;
    uint64_t bytes;
    Error err = {0};
    Status status = place->io->open(place->io->self, path_in(place, name), &file, &bytes, &err);
    if (status == STATUS_OK) {
        place->io->close(file);
    } else {
        assert_true(strlen(err.message) > 0);
    }
    return status;
}

static void remove_file(const Place *place, const char *name)
{
    assert_int_equal(place->io->remove(place->io->self, path_in(place, name), NULL), STATUS_OK);
}

static void check_reading(const Place *place)
{
    write_file(place, "a", STR("hello "), STR("world"));
    check_content(place, "a", STR("hello world"));
    IoFile *file = NULL;
    uint64_t bytes;
    char data[64];
    assert_int_equal(place->io->open(place->io->self, path_in(place, "a"), &file, &bytes, NULL), STATUS_OK);
    assert_int_equal(place->io->read_at(file, 6, data, 5, NULL), STATUS_OK);
    assert_memory_equal(data, "world", 5);
    assert_int_equal(place->io->read_at(file, 11, data, 0, NULL), STATUS_OK);
    assert_int_equal(place->io->read_at(file, 6, data, 6, NULL), STATUS_REFUSED);
    assert_int_equal(place->io->read_at(file, 12, data, 1, NULL), STATUS_REFUSED);
    assert_int_equal(place->io->read_at(file, UINT64_MAX, data, 2, NULL), STATUS_REFUSED);
    assert_int_equal(place->io->read_at(file, INT64_MAX, data, 2, NULL), STATUS_REFUSED);
    place->io->close(file);
    remove_file(place, "a");
}

/* Whoever reads the old file goes on reading it. */
static void check_replacing(const Place *place)
{
    write_file(place, "a", STR("old"), STR(""));
    IoFile *old = NULL;
    uint64_t bytes;
    char data[3];
    assert_int_equal(place->io->open(place->io->self, path_in(place, "a"), &old, &bytes, NULL), STATUS_OK);
    write_file(place, "a", STR("n"), STR("ew!"));
    assert_int_equal(place->io->read_at(old, 0, data, 3, NULL), STATUS_OK);
    assert_memory_equal(data, "old", 3);
    check_content(place, "a", STR("new!"));
    write_file(place, "b", STR("moved"), STR(""));
    assert_int_equal(place->io->rename(place->io->self, path_in(place, "b"), path_in(place, "a"), NULL), STATUS_OK);
    check_content(place, "a", STR("moved"));
    assert_int_equal(open_status(place, "b"), STATUS_REFUSED);
    assert_int_equal(place->io->rename(place->io->self, path_in(place, "b"), path_in(place, "a"), NULL),
                     STATUS_REFUSED);
    place->io->close(old);
    remove_file(place, "a");
    remove_file(place, "a");
    assert_int_equal(open_status(place, "a"), STATUS_REFUSED);
}

typedef struct Names {
    char text[64];
} Names;

static void add_name(void *context, const char *name)
{
    Names *names = context;
    size_t len = strlen(names->text);
    snprintf(names->text + len, sizeof names->text - len, "%s,", name);
}

static void check_directory(const Place *place)
{
    write_file(place, "one", STR("1"), STR(""));
    write_file(place, "two", STR("2"), STR(""));
    assert_int_equal(place->io->sync_dir(place->io->self, place->dir, NULL), STATUS_OK);
    Names names = {""};
    assert_int_equal(place->io->list(place->io->self, place->dir, add_name, &names, NULL), STATUS_OK);
    assert_true(strcmp(names.text, "one,two,") == 0 || strcmp(names.text, "two,one,") == 0);
    uint64_t bytes = 0;
    assert_int_equal(place->io->free_bytes(place->io->self, place->dir, &bytes, NULL), STATUS_OK);
    assert_true(bytes > 0);
    remove_file(place, "one");
    remove_file(place, "two");
    names = (Names){""};
    assert_int_equal(place->io->list(place->io->self, place->dir, add_name, &names, NULL), STATUS_OK);
    assert_string_equal(names.text, "");
}

static void check_lock(const Place *place)
{
    IoFile *lock = NULL, *second = NULL;
    Error error = {0};
    uint64_t bytes = 7;
    assert_int_equal(place->io->lock(place->io->self, path_in(place, "lock"), &lock, NULL), STATUS_OK);
    assert_int_equal(place->io->lock(place->io->self, path_in(place, "lock"), &second, &error), STATUS_CONFLICT);
    assert_non_null(strstr(error.message, "held by another process"));
    place->io->close(lock);
    assert_int_equal(place->io->lock(place->io->self, path_in(place, "lock"), &second, NULL), STATUS_OK);
    place->io->close(second);
    place->io->close(NULL);
    remove_file(place, "lock");
    assert_int_equal(place->io->file_bytes(place->io->self, path_in(place, "lock"), &bytes, NULL), STATUS_REFUSED);
    assert_int_equal(bytes, 7);
    write_file(place, "long", STR("123"), STR("45"));
    assert_int_equal(place->io->file_bytes(place->io->self, path_in(place, "long"), &bytes, NULL), STATUS_OK);
    assert_int_equal(bytes, 5);
    remove_file(place, "long");
}

static void both_keep_the_contract(void **state)
{
    (void)state;
    for (unsigned in_memory = 0; in_memory < 2; in_memory++) {
        Place place = place_new(in_memory);
        check_reading(&place);
        check_replacing(&place);
        check_directory(&place);
        check_lock(&place);
        place_free(&place);
    }
}

/* ---- The system's ------------------------------------------------------------------------------------------------ */

static void only_regular_files_are_opened(void **state)
{
    (void)state;
    Place place = place_new(false);
    assert_int_equal(open_status(&place, "."), STATUS_REFUSED);
    assert_int_equal(mkfifo(path_in(&place, "pipe"), 0600), 0);
    assert_int_equal(open_status(&place, "pipe"), STATUS_REFUSED);
    remove_file(&place, "pipe");
    assert_int_equal(open_status(&place, "none/at/all"), STATUS_REFUSED);
    place_free(&place);
}

static void directories_are_not_listed(void **state)
{
    (void)state;
    Place place = place_new(false);
    assert_int_equal(mkdir(path_in(&place, "sub"), 0700), 0);
    Names names = {""};
    assert_int_equal(place.io->list(NULL, place.dir, add_name, &names, NULL), STATUS_OK);
    assert_string_equal(names.text, "");
    assert_int_equal(rmdir(path_in(&place, "sub")), 0);
    place_free(&place);
}

static void directories_are_made(void **state)
{
    (void)state;
    Place place = place_new(false);
    const char *path = path_in(&place, "made");
    Error error = {0};
    assert_int_equal(place.io->make_dir(NULL, path, NULL), STATUS_OK);
    assert_int_equal(place.io->make_dir(NULL, path, NULL), STATUS_OK);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_true(S_ISDIR(info.st_mode) && (info.st_mode & 07) == 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(place.io->make_dir(NULL, path_in(&place, "none/made"), &error), STATUS_REFUSED);
    assert_non_null(strstr(error.message, "none/made"));
    write_file(&place, "file", STR("1"), STR(""));
    assert_int_equal(place.io->make_dir(NULL, path_in(&place, "file"), NULL), STATUS_REFUSED);
    assert_int_equal(place.io->lock(NULL, path_in(&place, "none/lock"), NULL, NULL), STATUS_REFUSED);
    remove_file(&place, "file");
    place_free(&place);
}

static void a_missing_directory_is_refused(void **state)
{
    (void)state;
    Place place = place_new(false);
    const char *none = path_in(&place, "none");
    IoFile *file = NULL;
    uint64_t bytes;
    Names names = {""};
    Error err = {0};
    assert_int_equal(place.io->create(NULL, path_in(&place, "none/a"), &file, &err), STATUS_REFUSED);
    assert_non_null(strstr(err.message, "none/a"));
    assert_non_null(strstr(err.message, "No such file"));
    assert_int_equal(place.io->list(NULL, none, add_name, &names, NULL), STATUS_REFUSED);
    assert_int_equal(place.io->sync_dir(NULL, none, NULL), STATUS_REFUSED);
    assert_int_equal(place.io->free_bytes(NULL, none, &bytes, NULL), STATUS_REFUSED);
    place_free(&place);
}

static void a_process_without_file_handles_is_busy(void **state)
{
    (void)state;
    Place place = place_new(false);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = old.rlim_max};
    IoFile *file = NULL;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    Status status = place.io->create(NULL, path_in(&place, "a"), &file, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(status, STATUS_BUSY);
    assert_null(file);
    unlink(path_in(&place, "a")); /* valgrind makes the file, and takes its handle back afterwards */
    place_free(&place);
}

/* Longer than what is handed to the disk at once. */
static void a_long_file_arrives_whole(void **state)
{
    (void)state;
    enum { PIECE = 1 << 20, PIECES = 9 };
    Place place = place_new(false);
    char *data = malloc(PIECE);
    assert_non_null(data);
    IoFile *file = NULL;
    assert_int_equal(place.io->create(NULL, path_in(&place, "a"), &file, NULL), STATUS_OK);
    for (int i = 0; i < PIECES; i++) {
        memset(data, 'a' + i, PIECE);
        assert_int_equal(place.io->append(file, (Str){data, PIECE}, NULL), STATUS_OK);
    }
    assert_int_equal(place.io->sync(file, NULL), STATUS_OK);
    place.io->close(file);
    uint64_t bytes = 0;
    assert_int_equal(place.io->open(NULL, path_in(&place, "a"), &file, &bytes, NULL), STATUS_OK);
    assert_int_equal(bytes, PIECE * PIECES);
    for (int i = 0; i < PIECES; i++) {
        assert_int_equal(place.io->read_at(file, (uint64_t)i * PIECE, data, PIECE, NULL), STATUS_OK);
        assert_int_equal(data[0], 'a' + i);
        assert_int_equal(data[PIECE - 1], 'a' + i);
    }
    place.io->close(file);
    free(data);
    remove_file(&place, "a");
    place_free(&place);
}

/* ---- The fake's -------------------------------------------------------------------------------------------------- */

static void the_fake_fails_the_nth_call(void **state)
{
    (void)state;
    Place place = place_new(true);
    IoFile *file = NULL;
    io_memory_fail(place.memory, IO_MEMORY_APPEND | IO_MEMORY_SYNC, 2, STATUS_BROKEN);
    assert_int_equal(place.io->create(place.io->self, path_in(&place, "a"), &file, NULL), STATUS_OK);
    assert_int_equal(place.io->append(file, STR("1234"), NULL), STATUS_OK);
    assert_int_equal(place.io->append(file, STR("5678"), NULL), STATUS_BROKEN);
    assert_int_equal(place.io->append(file, STR("90"), NULL), STATUS_OK);
    place.io->close(file);
    check_content(&place, "a", STR("12345690"));
    assert_int_equal(io_memory_calls(place.memory, IO_MEMORY_APPEND), 3);
    io_memory_limit(place.memory, 10);
    assert_int_equal(place.io->create(place.io->self, path_in(&place, "b"), &file, NULL), STATUS_OK);
    assert_int_equal(place.io->append(file, STR("123"), NULL), STATUS_BUSY);
    place.io->close(file);
    place_free(&place);
}

static void the_fake_forgets_what_was_not_synced(void **state)
{
    (void)state;
    unsigned names_lost = 0, tails_lost = 0, tails_kept = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        Place place = place_new(true);
        write_file(&place, "durable", STR("yes"), STR(""));
        assert_int_equal(place.io->sync_dir(place.io->self, place.dir, NULL), STATUS_OK);
        write_file(&place, "unnamed", STR("maybe"), STR(""));
        IoFile *file = NULL;
        assert_int_equal(place.io->create(place.io->self, path_in(&place, "tail"), &file, NULL), STATUS_OK);
        assert_int_equal(place.io->append(file, STR("head"), NULL), STATUS_OK);
        assert_int_equal(place.io->sync(file, NULL), STATUS_OK);
        assert_int_equal(place.io->sync_dir(place.io->self, place.dir, NULL), STATUS_OK);
        remove_file(&place, "unnamed");
        assert_int_equal(place.io->append(file, STR("tail"), NULL), STATUS_OK);
        place.io->close(file);
        io_memory_crash(place.memory, seed);
        check_content(&place, "durable", STR("yes"));
        names_lost += open_status(&place, "unnamed") == STATUS_REFUSED;
        uint8_t *bytes;
        size_t count;
        assert_true(io_memory_peek(place.memory, path_in(&place, "tail"), &bytes, &count));
        assert_in_range(count, 4, 8);
        assert_memory_equal(bytes, "headtail", count);
        tails_lost += count == 4;
        tails_kept += count == 8;
        place_free(&place);
    }
    assert_in_range(names_lost, 10, 40);
    assert_true(tails_lost > 0 && tails_kept > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_keep_the_contract),
        cmocka_unit_test(only_regular_files_are_opened),
        cmocka_unit_test(directories_are_not_listed),
        cmocka_unit_test(directories_are_made),
        cmocka_unit_test(a_missing_directory_is_refused),
        cmocka_unit_test(a_process_without_file_handles_is_busy),
        cmocka_unit_test(a_long_file_arrives_whole),
        cmocka_unit_test(the_fake_fails_the_nth_call),
        cmocka_unit_test(the_fake_forgets_what_was_not_synced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
