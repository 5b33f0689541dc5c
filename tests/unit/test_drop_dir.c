/* A directory that files are dropped into while they are taken out of it. */
#include "intake/drop_dir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/scratch_dir.h"

enum { PATH_BYTES = 512, TEXT_BYTES = 64, LINKS = 2100, LOOKS_MAX = 8, WRITTEN_S = 1700000000 };

typedef struct Place {
    char path[PATH_BYTES / 2];
    DropDirOptions options;
    DropDir *dir;
} Place;

static void open_dir(Place *place)
{
    Error error;
    drop_dir_close(place->dir);
    place->options = (DropDirOptions){
        .path = place->path, .patterns = "*", .keep_done = place->options.keep_done, .clock = &clock_system};
    if (drop_dir_open(&place->options, &place->dir, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

static int setup(void **state)
{
    Place *place = test_calloc(1, sizeof *place);
    scratch_dir_make(place->path, sizeof place->path);
    place->options.keep_done = true;
    open_dir(place);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    Place *place = *state;
    drop_dir_close(place->dir);
    scratch_dir_remove(place->path);
    test_free(place);
    return 0;
}

static const char *path_of(const Place *place, const char *name)
{
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", place->path, name);
    return path;
}

static void write_text(const Place *place, const char *name, int flags, const char *text)
{
    int fd = open(path_of(place, name), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
}

/* As a producer should: whole, and in place of what has that name. */
static void drop(const Place *place, const char *name, const char *text)
{
    char from[PATH_BYTES];
    write_text(place, ".new", O_TRUNC, text);
    snprintf(from, sizeof from, "%s", path_of(place, ".new"));
    assert_int_equal(rename(from, path_of(place, name)), 0);
}

/* NULL: it is not there. */
static void check_text(const Place *place, const char *name, const char *expected)
{
    char text[TEXT_BYTES] = "";
    int fd = open(path_of(place, name), O_RDONLY | O_CLOEXEC);
    assert_int_equal(fd >= 0, expected != NULL);
    if (fd >= 0) {
        assert_true(read(fd, text, sizeof text - 1) >= 0);
        assert_string_equal(text, expected);
        close(fd);
    }
}

static bool next(Place *place, DropFile *ret_file)
{
    Error error;
    bool any = false;
    if (drop_dir_listen(place->dir, &error) != STATUS_OK ||
        drop_dir_next(place->dir, ret_file, &any, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    if (any) {
        close(ret_file->fd);
    }
    return any;
}

/* The file is taken, and has this name. */
static DropFile take(Place *place, const char *name)
{
    DropFile file;
    assert_true(next(place, &file));
    assert_string_equal(file.name, name);
    assert_true(drop_dir_is_unchanged(place->dir, &file));
    return file;
}

static bool move(Place *place, const DropFile *file, bool failed)
{
    Error error;
    unsigned number;
    bool moved = false;
    if (drop_dir_number(place->dir, file->name, &number, &error) != STATUS_OK ||
        drop_dir_move(place->dir, file, number, failed, &moved, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return moved;
}

/* ---- Between the look and the move ------------------------------------------------------------------------------- */

static void check_replaced(Place *place, bool failed)
{
    DropFile file;
    drop(place, "a.csv", "first");
    file = take(place, "a.csv");
    drop(place, "a.csv", "other");
    assert_false(move(place, &file, failed));
    check_text(place, "a.csv", "other");
    check_text(place, failed ? "failed/a.csv" : "done/a.csv", NULL);
    file = take(place, "a.csv");
    assert_true(move(place, &file, failed));
    check_text(place, "a.csv", NULL);
    assert_false(next(place, &file));
}

static void test_replaced(void **state)
{
    check_replaced(*state, false);
    check_text(*state, "done/a.csv", "other");
}

static void test_replaced_when_it_failed(void **state)
{
    check_replaced(*state, true);
    check_text(*state, "failed/a.csv", "other");
}

static void test_replaced_when_it_is_removed(void **state)
{
    Place *place = *state;
    place->options.keep_done = false;
    open_dir(place);
    check_replaced(place, false);
    check_text(place, "done/a.csv", NULL);
    check_text(place, "failed/a.csv", NULL);
}

static void test_written_to(void **state)
{
    Place *place = *state;
    drop(place, "a.csv", "first");
    DropFile file = take(place, "a.csv");
    write_text(place, "a.csv", O_APPEND, ", and more");
    assert_false(move(place, &file, false));
    check_text(place, "a.csv", "first, and more");
    file = take(place, "a.csv");
    assert_true(move(place, &file, false));
    check_text(place, "done/a.csv", "first, and more");
}

/* Nothing was written yet; but it will be. */
static void test_opened_for_writing(void **state)
{
    Place *place = *state;
    drop(place, "a.csv", "first");
    DropFile file = take(place, "a.csv");
    int fd = open(path_of(place, "a.csv"), O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_false(move(place, &file, false));
    assert_false(next(place, &file));
    assert_string_equal(drop_dir_unfinished(place->dir), "a.csv");
    assert_int_equal(write(fd, "!", 1), 1);
    close(fd);
    file = take(place, "a.csv");
    assert_true(move(place, &file, false));
    check_text(place, "done/a.csv", "first!");
}

static void test_taken_away(void **state)
{
    Place *place = *state;
    drop(place, "a.csv", "first");
    DropFile file = take(place, "a.csv");
    assert_int_equal(unlink(path_of(place, "a.csv")), 0);
    assert_true(move(place, &file, false));
    check_text(place, "done/a.csv", NULL);
}

/* The process ended while it had files aside. The name of one is taken by now. */
static void test_aside(void **state)
{
    Place *place = *state;
    DropFile file;
    drop(place, "a.csv", "newer");
    write_text(place, ".moving/0.a.csv", 0, "older");
    write_text(place, ".moving/0.b.csv", 0, "alone");
    open_dir(place);
    bool had_b = false;
    while (next(place, &file)) {
        had_b |= strcmp(file.name, "b.csv") == 0;
        assert_true(move(place, &file, false));
    }
    assert_true(had_b);
    check_text(place, "done/a.csv", "newer");
    check_text(place, "done/a.csv.1", "older");
    check_text(place, "done/b.csv", "alone");
    check_text(place, ".moving/0.a.csv", NULL);
}

/* ---- Many that wait ---------------------------------------------------------------------------------------------- */

static void set_written(int fd, time_t seconds)
{
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    assert_int_equal(futimens(fd, times), 0);
}

/* More names than one look keeps, all of one file that is being written. */
static int drop_unfinished(const Place *place)
{
    char first[PATH_BYTES], name[TEXT_BYTES];
    int fd = open(path_of(place, "w0000"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    set_written(fd, WRITTEN_S);
    snprintf(first, sizeof first, "%s", path_of(place, "w0000"));
    for (int i = 1; i < LINKS; i++) {
        snprintf(name, sizeof name, "w%04d", i);
        assert_int_equal(link(first, path_of(place, name)), 0);
    }
    return fd;
}

static void test_unfinished_ones_hide_no_others(void **state)
{
    Place *place = *state;
    DropFile file;
    int fd = drop_unfinished(place), looks = 0;
    drop(place, "a.csv", "newest");
    while (!next(place, &file)) {
        assert_true(++looks < LOOKS_MAX);
        assert_int_equal(drop_dir_due_us(place->dir), 0);
    }
    assert_string_equal(file.name, "a.csv");
    assert_true(move(place, &file, false));
    /* When all were looked at in vain there is time; what is dropped meanwhile is found at once. */
    for (looks = 0; drop_dir_due_us(place->dir) == 0; looks++) {
        assert_true(looks < LOOKS_MAX);
        assert_false(next(place, &file));
    }
    drop(place, "b.csv", "newer");
    for (looks = 0; !next(place, &file); looks++) {
        assert_true(looks < LOOKS_MAX);
    }
    assert_string_equal(file.name, "b.csv");
    assert_true(move(place, &file, false));
    close(fd);
    int count = 0;
    for (looks = 0; count < LINKS && looks < LOOKS_MAX + LINKS; looks++) {
        count += next(place, &file) && move(place, &file, false);
    }
    assert_int_equal(count, LINKS);
}

/* ---- Of other users, whose open files the kernel does not tell us of --------------------------------------------- */

enum { NOBODY = 65534, SECOND_US = 1000000 };

static int64_t ahead_us;
static int64_t wall_ahead(void *self) { return (void)self, clock_wall_us(&clock_system) + ahead_us; }
static int64_t monotonic_ahead(void *self) { return (void)self, clock_monotonic_us(&clock_system) + ahead_us; }
static const Clock clock_ahead = {wall_ahead, monotonic_ahead, NULL};

static bool next_after(Place *place, int64_t seconds, DropFile *ret_file)
{
    ahead_us += seconds * SECOND_US;
    assert_int_equal(seteuid(NOBODY), 0);
    bool any = next(place, ret_file);
    assert_int_equal(seteuid(0), 0);
    return any;
}

static int make_open(const Place *place, const char *name)
{
    int fd = open(path_of(place, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0 && write(fd, "half", 4) == 4);
    return fd;
}

/* The directory is watched by nobody, and files come from root. */
static void watch_as_nobody(Place *place)
{
    static const char *const ours[] = {"done", "failed", ".moving"};
    drop_dir_close(place->dir);
    place->dir = NULL;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        assert_int_equal(rmdir(path_of(place, ours[i])), 0);
    }
    assert_int_equal(chmod(place->path, 0777), 0);
    assert_int_equal(seteuid(NOBODY), 0);
    open_dir(place);
    assert_int_equal(seteuid(0), 0);
    place->options.clock = &clock_ahead;
    ahead_us = 0;
}

static void test_of_another_user(void **state)
{
    Place *place = *state;
    DropFile file;
    if (geteuid() != 0) {
        skip();
    }
    int early = make_open(place, "early.csv");
    watch_as_nobody(place);
    assert_false(next_after(place, 0, &file));
    assert_true(next_after(place, 11, &file)); /* it was there before, and nobody knows */
    assert_string_equal(file.name, "early.csv");
    close(early);
    assert_int_equal(unlink(path_of(place, "early.csv")), 0);
    int stalls = make_open(place, "stalls.csv"), ends = make_open(place, "ends.csv");
    assert_false(next_after(place, 60, &file));
    close(ends);
    assert_true(next_after(place, 0, &file));
    assert_string_equal(file.name, "ends.csv");
    assert_int_equal(unlink(path_of(place, "ends.csv")), 0);
    assert_false(next_after(place, 400, &file));
    assert_true(next_after(place, 200, &file));
    assert_string_equal(file.name, "stalls.csv");
    close(stalls);
}

/* What happens while nobody reads the events, which the kernel keeps a bounded number of. */
static void lose_events(const Place *place)
{
    enum { MANY = 1 << 20 };
    char paths[2][PATH_BYTES], text[TEXT_BYTES] = "";
    int fd = open("/proc/sys/fs/inotify/max_queued_events", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    close(fd);
    long events = strtol(text, NULL, 10) + 1;
    if (events > MANY) {
        skip();
    }
    for (int i = 0; i < 2; i++) { /* by turns, for the same twice is one event */
        snprintf(paths[i], sizeof paths[i], "%s", path_of(place, i == 0 ? ".one" : ".two"));
    }
    for (long i = 0; i < events; i++) {
        fd = open(paths[i % 2], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(fd >= 0 && close(fd) == 0);
    }
}

/* That it was closed is not known then, and it waits no longer than one that was there before. */
static void test_closed_when_events_are_lost(void **state)
{
    Place *place = *state;
    DropFile file;
    if (geteuid() != 0) {
        skip();
    }
    watch_as_nobody(place);
    int fd = make_open(place, "a.csv");
    assert_false(next_after(place, 60, &file));
    lose_events(place);
    close(fd);
    assert_true(next_after(place, 60, &file));
    assert_string_equal(file.name, "a.csv");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_replaced),
        TEST(test_replaced_when_it_failed),
        TEST(test_replaced_when_it_is_removed),
        TEST(test_written_to),
        TEST(test_opened_for_writing),
        TEST(test_taken_away),
        TEST(test_aside),
        TEST(test_unfinished_ones_hide_no_others),
        TEST(test_of_another_user),
        TEST(test_closed_when_events_are_lost),
    };
    return cmocka_run_group_tests_name("drop_dir", tests, NULL, NULL);
}
