/* The simulated disk fails where it is told to, and says what it does. */
#include <stdio.h>

#include "disk_tools.h"
#include "sim_io.h"
#include "support/random.h"

/* ---- Faults ------------------------------------------------------------------------------------------------------ */

/* One of each kind of operation; those that fail are the result. The file "file" and the directory "dir" are there. */
static unsigned failing_ops(SimDisk *disk)
{
    unsigned failed = 0;
    char data[4];
    size_t count = 0;
    uint64_t bytes = 0;
    SimFile *file = NULL, *made = NULL, *lock = NULL;
    failed |= sim_file_open(disk, "file", &file) == SIM_OK ? 0 : SIM_OPEN;
    if (file) {
        failed |= sim_file_read(file, 0, data, sizeof data, &count) == SIM_OK ? 0 : SIM_READ;
        failed |= sim_file_write(file, 0, "data", 4) == SIM_OK ? 0 : SIM_WRITE;
        failed |= sim_file_truncate(file, 3) == SIM_OK ? 0 : SIM_TRUNCATE;
        failed |= sim_file_sync(file) == SIM_OK ? 0 : SIM_SYNC;
    }
    failed |= sim_file_create(disk, "made", &made) == SIM_OK ? 0 : SIM_CREATE;
    failed |= !made || sim_disk_rename(disk, "made", "other") == SIM_OK ? 0 : SIM_RENAME;
    failed |= sim_disk_remove(disk, "file") == SIM_OK ? 0 : SIM_REMOVE;
    failed |= sim_disk_sync_dir(disk, ".") == SIM_OK ? 0 : SIM_SYNC_DIR;
    failed |= sim_disk_make_dir(disk, "dir") == SIM_OK ? 0 : SIM_MAKE_DIR;
    failed |= sim_disk_free_bytes(disk, ".", &bytes) == SIM_OK ? 0 : SIM_LOOK;
    failed |= sim_disk_lock(disk, "lock", &lock) == SIM_OK ? 0 : SIM_LOCK;
    sim_file_close(file);
    sim_file_close(made);
    sim_file_close(lock);
    return failed;
}

static void test_each_operation_fails(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < SIM_OP_KINDS; kind++) {
        SimDisk *disk = sim_disk_new(kind);
        put_text(disk, "file", "text");
        SimFault fault = {.ops = 1u << kind, .nth = 1, .failure = kind & 1 ? SIM_FAIL_ERROR : SIM_FAIL_FULL};
        sim_disk_arm(disk, &fault);
        assert_int_equal(failing_ops(disk), 1u << kind);
        assert_int_equal(sim_disk_struck(disk), 1);
        put_text(disk, "file", "text");
        assert_int_equal(failing_ops(disk), 0); /* once */
        fault.for_good = true;
        sim_disk_arm(disk, &fault);
        for (int i = 0; i < 3; i++) {
            put_text(disk, "file", "text");
            assert_int_equal(failing_ops(disk), 1u << kind);
        }
        sim_disk_disarm(disk);
        put_text(disk, "file", "text");
        assert_int_equal(failing_ops(disk), 0);
        sim_disk_free(disk);
    }
}

static void test_the_nth_operation_of_a_file_fails(void **state)
{
    (void)state;
    SimDisk *disk = sim_disk_new(1);
    SimFile *wal = create(disk, "db-wal"), *other = create(disk, "db");
    sim_disk_arm(disk, &(SimFault){.ops = SIM_WRITE, .suffix = "-wal", .nth = 3, .failure = SIM_FAIL_FULL});
    sim_disk_arm(disk, &(SimFault){.ops = SIM_WRITE | SIM_READ, .suffix = "db", .nth = 9});
    for (unsigned i = 0; i < 8; i++) {
        SimResult result = sim_file_write(wal, i, "w", 1);
        assert_int_equal(result, i == 2 ? SIM_FULL : SIM_OK);
        assert_int_equal(sim_file_write(other, 0, "o", 1), SIM_OK);
    }
    assert_int_equal(sim_file_write(other, 0, "o", 1), SIM_ERROR);
    assert_int_equal(sim_disk_count(disk, SIM_WRITE), 17);
    sim_disk_arm(disk, &(SimFault){.ops = SIM_WRITE, .nth = 1, .failure = SIM_FAIL_FULL});
    assert_int_equal(sim_file_write(wal, 0, "w", 1),
                     SIM_FULL); /* within the file's length, as where writes are copied */
    sim_file_close(wal);
    sim_file_close(other);
    sim_disk_free(disk);
}

static void test_a_failed_write_is_done_in_part(void **state)
{
    (void)state;
    size_t parts = 0, wholes = 0;
    char data[4096], zeros[4096] = {0};
    memset(data, 'd', sizeof data);
    for (uint64_t seed = 0; seed < 100; seed++) {
        SimDisk *disk = sim_disk_new(seed);
        SimFile *file = create(disk, "file");
        sim_disk_arm(disk, &(SimFault){.ops = SIM_WRITE, .nth = 1, .failure = SIM_FAIL_ERROR});
        assert_int_equal(sim_file_write(file, 0, data, sizeof data), SIM_ERROR);
        size_t done = sim_file_bytes(file), count = 0;
        assert_true(done <= sizeof data);
        assert_int_equal(sim_file_read(file, 0, zeros, done, &count), SIM_OK);
        assert_memory_equal(zeros, data, done);
        parts += done > 0 && done < sizeof data;
        wholes += done == sizeof data;
        sim_file_close(file);
        sim_disk_free(disk);
    }
    assert_true(parts > 50 && wholes > 20);
}

/* fsyncgate: after a failed sync the next one says OK, has written nothing, and the power loss shows it. */
static void test_what_a_failed_sync_lost_stays_lost(void **state)
{
    (void)state;
    uint64_t random = 1;
    unsigned lost = 0, kept = 0, forgotten = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        SimDisk *disk = sim_disk_new(seed);
        SimFile *file = NULL;
        put_text(disk, "file", "old");
        assert_int_equal(sim_file_open(disk, "file", &file), SIM_OK);
        write_text(file, 0, "new");
        sim_disk_arm(disk, &(SimFault){.ops = SIM_SYNC, .nth = 1, .failure = SIM_FAIL_ERROR});
        assert_int_equal(sim_file_sync(file), SIM_ERROR);
        assert_true(sim_disk_sync_failed(disk));
        bool reads_new = holds(disk, "file", "new");
        assert_true(reads_new || holds(disk, "file", "old"));
        assert_int_equal(sim_file_sync(file), SIM_OK);
        sim_file_close(file);
        sim_disk_crash(disk, SIM_LOSS_NOTHING, &random);
        assert_false(sim_disk_sync_failed(disk));
        bool is_new = holds(disk, "file", "new");
        assert_true(is_new ? reads_new : holds(disk, "file", "old"));
        kept += is_new;
        lost += reads_new && !is_new;
        forgotten += !reads_new;
        sim_disk_free(disk);
    }
    assert_true(kept > 40 && lost > 40 && forgotten > 20);
}

static void test_what_is_written_again_after_a_failed_sync_is_durable(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint64_t seed = 0; seed < 200; seed++) {
        SimDisk *disk = sim_disk_new(seed);
        SimFile *file = NULL;
        put_text(disk, "file", "old");
        assert_int_equal(sim_file_open(disk, "file", &file), SIM_OK);
        write_text(file, 0, "newer and longer");
        sim_disk_arm(disk, &(SimFault){.ops = SIM_SYNC, .nth = 1, .failure = SIM_FAIL_ERROR});
        assert_int_equal(sim_file_sync(file), SIM_ERROR);
        const char *again = seed % 2 ? "newer and longer" : "newer and longer still"; /* the same bytes do it, too */
        write_text(file, 0, again);
        assert_int_equal(sim_file_sync(file), SIM_OK);
        sim_file_close(file);
        sim_disk_crash(disk, SIM_LOSS_ALL, &random);
        assert_true(holds(disk, "file", again));
        sim_disk_free(disk);
    }
}

static void test_a_full_disk(void **state)
{
    (void)state;
    uint64_t random = 1, bytes = 0;
    SimDisk *disk = sim_disk_new(1);
    SimFile *file = create(disk, "file");
    sim_disk_limit(disk, 10);
    assert_int_equal(sim_file_write(file, 0, "123456", 6), SIM_OK);
    assert_int_equal(sim_disk_free_bytes(disk, ".", &bytes), SIM_OK);
    assert_int_equal(bytes, 4);
    assert_int_equal(sim_file_write(file, 6, "789abc", 6), SIM_FULL);
    assert_true(holds(disk, "file", "123456789a"));
    assert_int_equal(sim_file_write(file, 0, "ABCDEF", 6), SIM_OK); /* in place: no room needed */
    assert_int_equal(sim_file_truncate(file, 11), SIM_FULL);
    assert_int_equal(sim_file_write(file, 20, "x", 1), SIM_FULL);
    assert_int_equal(sim_file_bytes(file), 10);
    sim_disk_limit(disk, UINT64_MAX);
    assert_int_equal(sim_file_write(file, 6, "789abc", 6), SIM_OK);
    assert_int_equal(sim_disk_used(disk), 12);
    assert_int_equal(sim_disk_remove(disk, "file"), SIM_OK);
    sim_file_close(file);
    assert_int_equal(sim_disk_sync_dir(disk, "."), SIM_OK);
    assert_int_equal(sim_disk_used(disk), 0);
    sim_disk_crash(disk, SIM_LOSS_ALL, &random);
    sim_disk_free(disk);
}

/* ---- Freezing ---------------------------------------------------------------------------------------------------- */

static void test_a_frozen_disk_changes_nothing(void **state)
{
    (void)state;
    uint64_t random = 1;
    SimDisk *disk = sim_disk_new(1);
    put_text(disk, "file", "text");
    sim_disk_freeze(disk);
    assert_int_equal(failing_ops(disk),
                     SIM_ANY & ~(unsigned)(SIM_READ | SIM_WRITE | SIM_TRUNCATE | SIM_SYNC | SIM_RENAME));
    assert_int_equal(sim_disk_struck(disk), 0);
    sim_disk_crash(disk, SIM_LOSS_NOTHING, &random);
    assert_true(holds(disk, "file", "text") && !is_there(disk, "other") && !is_there(disk, "lock"));
    assert_int_equal(failing_ops(disk), 0);
    sim_disk_free(disk);
}

/* The operation that the power fails at may have happened, and nothing behind it has. */
static void test_the_freezing_operation_may_have_happened(void **state)
{
    (void)state;
    uint64_t random = 1;
    unsigned seen[2] = {0};
    for (uint64_t seed = 0; seed < 100; seed++) {
        SimDisk *disk = sim_disk_new(seed);
        SimFile *file = NULL;
        put_text(disk, "file", "old");
        assert_int_equal(sim_file_open(disk, "file", &file), SIM_OK);
        sim_disk_arm(disk, &(SimFault){.ops = SIM_CHANGES, .nth = 1, .failure = SIM_FAIL_FREEZE});
        assert_int_equal(sim_file_write(file, 0, "new", 3), SIM_ERROR);
        assert_true(sim_disk_is_frozen(disk));
        assert_int_equal(sim_file_write(file, 0, "not", 3), SIM_ERROR);
        assert_int_equal(sim_file_sync(file), SIM_ERROR);
        assert_int_equal(sim_disk_remove(disk, "file"), SIM_ERROR);
        sim_file_close(file);
        sim_disk_crash(disk, SIM_LOSS_SOME, &random);
        assert_false(sim_disk_is_frozen(disk));
        bool is_new = holds(disk, "file", "new");
        assert_true(is_new || holds(disk, "file", "old"));
        seen[is_new]++;
        sim_disk_free(disk);
    }
    assert_true(seen[0] > 20 && seen[1] > 20);
}

/* ---- From outside ------------------------------------------------------------------------------------------------ */

static void test_damage_is_durable(void **state)
{
    (void)state;
    uint64_t random = 1;
    SimDisk *disk = sim_disk_new(1);
    put_text(disk, "file", "abc");
    assert_true(sim_disk_flip(disk, "file", 8));
    assert_false(sim_disk_flip(disk, "file", 24));
    assert_false(sim_disk_flip(disk, "none", 0));
    assert_true(holds(disk, "file", "acc"));
    assert_true(sim_disk_cut(disk, "file", 2));
    assert_false(sim_disk_cut(disk, "file", 3));
    sim_disk_crash(disk, SIM_LOSS_ALL, &random);
    assert_true(holds(disk, "file", "ac"));
    assert_true(sim_disk_lose(disk, "file"));
    assert_false(sim_disk_lose(disk, "file"));
    sim_disk_crash(disk, SIM_LOSS_ALL, &random);
    assert_false(is_there(disk, "file"));
    sim_disk_free(disk);
}

/* A flipped bit is in the old version, too, when the power loss brings that back. */
static void test_a_flipped_bit_survives_a_power_loss(void **state)
{
    (void)state;
    uint64_t random = 1;
    SimDisk *disk = sim_disk_new(1);
    SimFile *file = NULL;
    put_text(disk, "file", "abc");
    assert_int_equal(sim_file_open(disk, "file", &file), SIM_OK);
    write_text(file, 1, "xy");
    assert_true(sim_disk_flip(disk, "file", 1));
    assert_true(holds(disk, "file", "cxy"));
    sim_file_close(file);
    sim_disk_crash(disk, SIM_LOSS_ALL, &random);
    assert_true(holds(disk, "file", "cbc"));
    sim_disk_free(disk);
}

static void test_an_older_copy_comes_back(void **state)
{
    (void)state;
    uint64_t random = 1;
    SimDisk *disk = sim_disk_new(1);
    put_text(disk, "file", "old");
    SimFileCopy *copy = sim_disk_file_copy(disk, "file");
    assert_non_null(copy);
    assert_null(sim_disk_file_copy(disk, "none"));
    sim_file_close(create(disk, "file"));
    sim_file_close(create(disk, "gone"));
    sim_disk_file_restore(disk, "file", copy);
    sim_disk_file_restore(disk, "gone", NULL);
    assert_int_equal(sim_disk_rename(disk, "file", "moved"), SIM_OK);
    sim_disk_file_restore(disk, "file", copy);
    sim_file_copy_free(copy);
    sim_disk_crash(disk, SIM_LOSS_NOTHING, &random);
    assert_true(holds(disk, "file", "old") && holds(disk, "moved", "old") && !is_there(disk, "gone"));
    sim_disk_free(disk);
}

/* ---- The trace --------------------------------------------------------------------------------------------------- */

typedef struct Story {
    char text[4096];
    size_t len;
} Story;

static void tell(void *context, const SimOperation *operation, const char *text)
{
    Story *story = context;
    char number[32] = "-";
    if (operation) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)operation->number);
    }
    story->len += (size_t)snprintf(story->text + story->len, sizeof story->text - story->len, "%s %s\n", number, text);
    assert_true(story->len < sizeof story->text);
}

static void run_traced(uint64_t seed, Story *story)
{
    uint64_t random = seed;
    SimDisk *disk = sim_disk_new(seed);
    *story = (Story){.len = 0};
    sim_disk_trace(disk, tell, story);
    SimFile *file = create(disk, "db-wal");
    write_text(file, 512, "text");
    assert_int_equal(sim_file_sync(file), SIM_OK);
    sim_disk_arm(disk, &(SimFault){.ops = SIM_TRUNCATE, .nth = 1, .failure = SIM_FAIL_FREEZE});
    assert_int_equal(sim_file_truncate(file, 7), SIM_ERROR);
    assert_int_equal(sim_disk_rename(disk, "db-wal", "db"), SIM_ERROR);
    sim_file_close(file);
    sim_disk_crash(disk, SIM_LOSS_SOME, &random);
    sim_disk_free(disk);
}

static void test_the_trace_reads_like_a_story(void **state)
{
    (void)state;
    Story first, second;
    run_traced(1, &first);
    run_traced(1, &second);
    assert_string_equal(first.text, second.text);
    assert_string_equal(first.text, "1 create db-wal\n"
                                    "2 write db-wal 4@512\n"
                                    "3 sync db-wal\n"
                                    "4 truncate db-wal to 7: the disk freezes\n"
                                    "5 rename db-wal to db: frozen\n"
                                    "- the power fails, some of what was not synced is lost\n");
}

/* ---- Io ---------------------------------------------------------------------------------------------------------- */

static void test_the_io_says_what_may_be_done_next(void **state)
{
    (void)state;
    SimDisk *disk = sim_disk_new(1);
    Io io = sim_io(disk);
    IoFile *file = NULL, *lock = NULL, *second = NULL;
    uint64_t bytes = 0;
    char data[8];
    Error error = {0};
    assert_int_equal(io.open(io.self, "none", &file, &bytes, &error), STATUS_REFUSED);
    assert_int_equal(io.lock(io.self, "lock", &lock, &error), STATUS_OK);
    assert_int_equal(io.lock(io.self, "lock", &second, &error), STATUS_CONFLICT);
    io.close(lock);
    assert_int_equal(io.create(io.self, "file", &file, &error), STATUS_OK);
    assert_int_equal(io.append(file, STR("abc"), &error), STATUS_OK);
    assert_int_equal(io.append(file, STR("def"), &error), STATUS_OK);
    sim_disk_limit(disk, 8);
    assert_int_equal(io.append(file, STR("ghi"), &error), STATUS_BUSY);
    assert_int_equal(io.free_bytes(io.self, ".", &bytes, &error), STATUS_OK);
    assert_int_equal(bytes, 0);
    assert_int_equal(io.read_at(file, 1, data, 7, &error), STATUS_OK);
    assert_memory_equal(data, "bcdefgh", 7);
    assert_int_equal(io.read_at(file, 2, data, 7, &error), STATUS_REFUSED);
    sim_disk_arm(disk, &(SimFault){.ops = SIM_SYNC, .nth = 1, .failure = SIM_FAIL_ERROR});
    assert_int_equal(io.sync(file, &error), STATUS_BROKEN);
    io.close(file);
    assert_int_equal(io.file_bytes(io.self, "file", &bytes, &error), STATUS_OK);
    assert_int_equal(io.remove(io.self, "file", &error), STATUS_OK);
    assert_int_equal(io.remove(io.self, "file", &error), STATUS_OK);
    assert_int_equal(io.file_bytes(io.self, "file", &bytes, &error), STATUS_REFUSED);
    sim_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_operation_fails),
        cmocka_unit_test(test_the_nth_operation_of_a_file_fails),
        cmocka_unit_test(test_a_failed_write_is_done_in_part),
        cmocka_unit_test(test_what_a_failed_sync_lost_stays_lost),
        cmocka_unit_test(test_what_is_written_again_after_a_failed_sync_is_durable),
        cmocka_unit_test(test_a_full_disk),
        cmocka_unit_test(test_a_frozen_disk_changes_nothing),
        cmocka_unit_test(test_the_freezing_operation_may_have_happened),
        cmocka_unit_test(test_damage_is_durable),
        cmocka_unit_test(test_a_flipped_bit_survives_a_power_loss),
        cmocka_unit_test(test_an_older_copy_comes_back),
        cmocka_unit_test(test_the_trace_reads_like_a_story),
        cmocka_unit_test(test_the_io_says_what_may_be_done_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
