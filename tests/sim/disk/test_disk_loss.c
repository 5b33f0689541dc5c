/* The simulated disk keeps what was synced, and loses what was not in every way that it may. */
#include "disk_tools.h"
#include "support/random.h"

/* ---- Power loss, against a model --------------------------------------------------------------------------------- */

/* All contents that the file had since its last sync, that one first. Of each sector any of them may be left. */
enum { HISTORY_MAX = 16, FILE_BYTES_MAX = 6000 };
typedef struct History {
    uint8_t bytes[HISTORY_MAX][FILE_BYTES_MAX];
    size_t lengths[HISTORY_MAX];
    size_t count;
} History;

static void remember(History *history, SimDisk *disk, bool synced)
{
    const uint8_t *bytes = NULL;
    size_t count = 0;
    assert_true(sim_disk_peek(disk, "file", &bytes, &count));
    history->count = synced ? 0 : history->count;
    memset(history->bytes[history->count], 0, FILE_BYTES_MAX);
    memcpy(history->bytes[history->count], bytes, count);
    history->lengths[history->count++] = count;
}

static bool is_length_of(const History *history, size_t count)
{
    for (size_t i = 0; i < history->count; i++) {
        if (history->lengths[i] == count) {
            return true;
        }
    }
    return false;
}

/* The bytes of the sector as one of the versions has them; what the chosen length cuts off reads as zeros in the model,
 * too. */
static bool is_version_of(const History *history, const uint8_t *bytes, size_t at, size_t len)
{
    for (size_t i = 0; i < history->count; i++) {
        if (memcmp(history->bytes[i] + at, bytes + at, len) == 0) {
            return true;
        }
    }
    return false;
}

static void check_left(const History *history, const uint8_t *bytes, size_t count)
{
    assert_true(is_length_of(history, count));
    for (size_t at = 0; at < count; at += SIM_SECTOR_BYTES) {
        size_t len = count - at < SIM_SECTOR_BYTES ? count - at : SIM_SECTOR_BYTES;
        assert_true(is_version_of(history, bytes, at, len));
    }
}

static void change(SimFile *file, uint64_t *random, bool cuts)
{
    uint8_t data[2000];
    uint64_t offset = random_below(random, FILE_BYTES_MAX - sizeof data);
    size_t len = 1 + random_below(random, sizeof data);
    for (size_t i = 0; i < len; i++) {
        data[i] = (uint8_t)(1 + random_next(random) % 255);
    }
    if (cuts && random_below(random, 4) == 0) {
        assert_int_equal(sim_file_truncate(file, random_below(random, FILE_BYTES_MAX)), SIM_OK);
    } else {
        assert_int_equal(sim_file_write(file, offset, data, len), SIM_OK);
    }
}

/* What lies behind the end is zeros when the file grows again. */
static void check_behind(SimDisk *disk, size_t count)
{
    SimFile *file = NULL;
    uint8_t bytes[FILE_BYTES_MAX];
    size_t got = 0;
    assert_int_equal(sim_file_open(disk, "file", &file), SIM_OK);
    assert_int_equal(sim_file_truncate(file, FILE_BYTES_MAX), SIM_OK);
    assert_int_equal(sim_file_read(file, count, bytes, FILE_BYTES_MAX, &got), SIM_OK);
    assert_int_equal(got, FILE_BYTES_MAX - count);
    for (size_t i = 0; i < got; i++) {
        assert_int_equal(bytes[i], 0);
    }
    sim_file_close(file);
}

/* What a crash left of one random history: none of it, all of it, or something between. */
typedef struct Left {
    bool is_old, is_new;
} Left;

static Left run_history(uint64_t seed, SimLoss loss, bool cuts)
{
    static History history;
    uint64_t random = seed;
    SimDisk *disk = sim_disk_new(seed);
    sim_disk_put(disk, "file", "old", 3);
    SimFile *file = NULL;
    assert_int_equal(sim_file_open(disk, "file", &file), SIM_OK);
    remember(&history, disk, true);
    for (size_t steps = 1 + random_below(&random, 30); steps > 0; steps--) {
        bool syncs = history.count == HISTORY_MAX || random_below(&random, 4) == 0;
        if (syncs) {
            assert_int_equal(sim_file_sync(file), SIM_OK);
        } else {
            change(file, &random, cuts);
        }
        remember(&history, disk, syncs);
    }
    sim_file_close(file);
    sim_disk_crash(disk, loss, &random);
    const uint8_t *bytes = NULL;
    size_t count = 0, last = history.count - 1;
    assert_true(sim_disk_peek(disk, "file", &bytes, &count));
    check_left(&history, bytes, count);
    Left left = {.is_old = count == history.lengths[0] && memcmp(bytes, history.bytes[0], count) == 0,
                 .is_new = count == history.lengths[last] && memcmp(bytes, history.bytes[last], count) == 0};
    check_behind(disk, count);
    sim_disk_free(disk);
    return left;
}

static void test_any_version_since_the_sync_may_be_left(void **state)
{
    (void)state;
    size_t old = 0, new = 0, between = 0;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        Left left = run_history(seed, SIM_LOSS_SOME, seed & 1);
        old += left.is_old && !left.is_new;
        new += left.is_new && !left.is_old;
        between += !left.is_new && !left.is_old;
    }
    assert_true(old > 400 && new > 400 && between > 400);
}

static void test_all_or_nothing_may_be_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        assert_true(run_history(seed, SIM_LOSS_ALL, seed & 1).is_old);
        assert_true(run_history(seed, SIM_LOSS_NOTHING, seed & 1).is_new);
        assert_true(run_history(seed, SIM_LOSS_PROCESS, seed & 1).is_new);
    }
}

/* A page of 4096 bytes is eight sectors: some of them may be new and some old. */
static void test_pages_tear(void **state)
{
    (void)state;
    char old[4096], new[4096];
    memset(old, 'o', sizeof old);
    memset(new, 'n', sizeof new);
    size_t torn = 0;
    uint64_t random = 1;
    for (unsigned i = 0; i < 200; i++) {
        SimDisk *disk = sim_disk_new(i);
        SimFile *file = NULL;
        const uint8_t *bytes = NULL;
        size_t count = 0, kept = 0;
        sim_disk_put(disk, "file", old, sizeof old);
        assert_int_equal(sim_file_open(disk, "file", &file), SIM_OK);
        assert_int_equal(sim_file_write(file, 0, new, sizeof new), SIM_OK);
        sim_file_close(file);
        sim_disk_crash(disk, SIM_LOSS_SOME, &random);
        assert_true(sim_disk_peek(disk, "file", &bytes, &count) && count == sizeof old);
        for (size_t at = 0; at < sizeof old; at += SIM_SECTOR_BYTES) {
            assert_true(memcmp(bytes + at, old, SIM_SECTOR_BYTES) == 0 ||
                        memcmp(bytes + at, new, SIM_SECTOR_BYTES) == 0);
            kept += bytes[at] == 'n';
        }
        torn += kept > 0 && kept < 8;
        sim_disk_free(disk);
    }
    assert_in_range(torn, 50, 180);
}

/* What a killed process has written is the system's; only a later power loss takes it. */
static void test_a_killed_process_loses_nothing_yet(void **state)
{
    (void)state;
    uint64_t random = 1;
    SimDisk *disk = sim_disk_new(1);
    put_text(disk, "file", "old");
    SimFile *file = NULL;
    assert_int_equal(sim_file_open(disk, "file", &file), SIM_OK);
    write_text(file, 0, "new");
    sim_file_close(file);
    assert_int_equal(sim_disk_crash(disk, SIM_LOSS_PROCESS, &random), SIM_LOSS_PROCESS);
    assert_true(holds(disk, "file", "new"));
    sim_disk_crash(disk, SIM_LOSS_ALL, &random);
    assert_true(holds(disk, "file", "old"));
    sim_disk_free(disk);
}

/* ---- Names ------------------------------------------------------------------------------------------------------- */

static void test_a_name_is_durable_with_its_directory(void **state)
{
    (void)state;
    uint64_t random = 1;
    SimDisk *disk = sim_disk_new(1);
    assert_int_equal(sim_disk_make_dir(disk, "dir"), SIM_OK);
    SimFile *file = create(disk, "dir/a");
    write_text(file, 0, "text");
    assert_int_equal(sim_file_sync(file), SIM_OK);
    sim_file_close(create(disk, "b"));
    assert_int_equal(sim_disk_sync_dir(disk, "."), SIM_OK);
    sim_file_close(file);
    sim_disk_crash(disk, SIM_LOSS_ALL, &random);
    assert_false(is_there(disk, "dir/a"));
    assert_true(is_there(disk, "b"));
    file = create(disk, "dir/a");
    write_text(file, 0, "text");
    sim_disk_arm(disk, &(SimFault){.ops = SIM_SYNC_DIR, .nth = 1, .failure = SIM_FAIL_ERROR});
    assert_int_equal(sim_disk_sync_dir(disk, "dir"), SIM_ERROR);
    sim_file_close(file);
    sim_disk_crash(disk, SIM_LOSS_ALL, &random);
    assert_false(is_there(disk, "dir/a"));
    sim_file_close(create(disk, "dir/a"));
    assert_int_equal(sim_disk_sync_dir(disk, "dir"), SIM_OK);
    sim_disk_crash(disk, SIM_LOSS_ALL, &random);
    assert_true(holds(disk, "dir/a", ""));
    sim_disk_free(disk);
}

/* A rename is there whole or not at all, and nobody sees a name without a file. */
static void test_renames_are_whole(void **state)
{
    (void)state;
    size_t kept = 0;
    enum { ROUNDS = 200 };
    uint64_t random = 1;
    for (unsigned i = 0; i < ROUNDS; i++) {
        SimDisk *disk = sim_disk_new(i);
        put_text(disk, "new", "new");
        put_text(disk, "old", "old");
        assert_int_equal(sim_disk_rename(disk, "new", "old"), SIM_OK);
        assert_true(holds(disk, "old", "new") && !is_there(disk, "new"));
        sim_disk_crash(disk, SIM_LOSS_SOME, &random);
        bool done = holds(disk, "old", "new");
        assert_true(done ? !is_there(disk, "new") : holds(disk, "old", "old") && holds(disk, "new", "new"));
        kept += done;
        sim_disk_free(disk);
    }
    assert_in_range(kept, ROUNDS / 5, ROUNDS * 4 / 5);
}

static void test_removals_and_replacements(void **state)
{
    (void)state;
    uint64_t random = 1;
    unsigned seen[3] = {0};
    for (unsigned i = 0; i < 300; i++) {
        SimDisk *disk = sim_disk_new(i);
        SimFile *old = NULL;
        char data[3] = "";
        size_t count = 0;
        put_text(disk, "file", "old");
        assert_int_equal(sim_file_open(disk, "file", &old), SIM_OK);
        sim_file_close(create(disk, "file"));
        assert_int_equal(sim_file_read(old, 0, data, sizeof data, &count), SIM_OK);
        assert_memory_equal(data, "old", 3);
        sim_file_close(old);
        sim_disk_crash(disk, SIM_LOSS_SOME, &random);
        seen[holds(disk, "file", "old") ? 0 : is_there(disk, "file") ? 1 : 2]++;
        put_text(disk, "file", "old");
        assert_int_equal(sim_disk_remove(disk, "file"), SIM_OK);
        assert_int_equal(sim_disk_remove(disk, "file"), SIM_MISSING);
        sim_disk_crash(disk, SIM_LOSS_ALL, &random);
        assert_true(holds(disk, "file", "old"));
        assert_int_equal(sim_disk_remove(disk, "file"), SIM_OK);
        assert_int_equal(sim_disk_sync_dir(disk, "."), SIM_OK);
        sim_disk_crash(disk, SIM_LOSS_ALL, &random);
        assert_false(is_there(disk, "file"));
        sim_disk_free(disk);
    }
    /* The old file, the new one, and none: the old name removed and the new one lost. */
    assert_true(seen[0] > 20 && seen[1] > 20 && seen[2] > 20);
}

static void count_names(void *context, const char *name)
{
    assert_non_null(name);
    ++*(size_t *)context;
}

static void test_directories(void **state)
{
    (void)state;
    SimDisk *disk = sim_disk_new(1);
    SimFile *file = NULL;
    size_t count = 0;
    assert_int_equal(sim_file_create(disk, "dir/a", &file), SIM_MISSING);
    assert_int_equal(sim_disk_make_dir(disk, "dir/sub"), SIM_MISSING);
    assert_int_equal(sim_disk_make_dir(disk, "dir"), SIM_OK);
    assert_int_equal(sim_disk_make_dir(disk, "dir"), SIM_OK);
    assert_int_equal(sim_disk_make_dir(disk, "dir/sub"), SIM_OK);
    sim_file_close(create(disk, "dir/a"));
    sim_file_close(create(disk, "dir/sub/b"));
    sim_file_close(create(disk, "/c"));
    assert_int_equal(sim_disk_list(disk, "dir", count_names, &count), SIM_OK);
    assert_int_equal(count, 1);
    assert_int_equal(sim_disk_list(disk, "/", count_names, &count), SIM_OK);
    assert_int_equal(count, 2);
    assert_int_equal(sim_disk_list(disk, "none", count_names, &count), SIM_MISSING);
    assert_int_equal(sim_disk_sync_dir(disk, "none"), SIM_MISSING);
    count = 0;
    sim_disk_each(disk, count_names, &count);
    assert_int_equal(count, 3);
    sim_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_version_since_the_sync_may_be_left),
        cmocka_unit_test(test_all_or_nothing_may_be_lost),
        cmocka_unit_test(test_pages_tear),
        cmocka_unit_test(test_a_killed_process_loses_nothing_yet),
        cmocka_unit_test(test_a_name_is_durable_with_its_directory),
        cmocka_unit_test(test_renames_are_whole),
        cmocka_unit_test(test_removals_and_replacements),
        cmocka_unit_test(test_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
