/* Every single bit of a small store's derived files, flipped in turn: the answers stay what the log says, at once or
 * after the next start, and nothing is ever counted from a file that is not as it was written.
 *
 *     test_every_bit [STRIDE [FIRST]]      only each so-many-th bit (default 997, seconds; 1 takes an hour), and eight
 *                                          times as many of those behind the blocks, in the sparse array, the filter
 *                                          and the footer; FIRST is drawn and printed where it is not given, so that
 *                                          each run looks at others. */
#include "disk/disk_tools.h"

#include <inttypes.h>
#include <sys/random.h>
#include <xxhash.h>

#include "sim/store_on_disk.h"
#include "store/index/run_format.h"

enum { RECORDS = 90, DESTINATIONS = 7, PUBLISH_RECORDS = 40, FILES_MAX = 32 };

static uint64_t stride = 997, first;

/* ---- A store that can be put on a new disk as often as wanted ---------------------------------------------------- */

typedef struct Kept {
    char path[300];
    uint8_t *bytes;
    size_t count;
} Kept;

typedef struct Image {
    Kept files[FILES_MAX];
    size_t count;
} Image;

static StoreOnDisk *machine_new(void)
{
    StoreOnDisk *machine = calloc(1, sizeof *machine);
    assert_non_null(machine);
    store_on_disk_init(machine, 1);
    machine->options.flow_cache_bytes = 1 << 16;
    machine->options.publish_records = PUBLISH_RECORDS;
    return machine;
}

static void machine_free(StoreOnDisk *machine)
{
    store_on_disk_release(machine);
    free(machine);
}

static void open_store(StoreOnDisk *machine)
{
    Error error = {0};
    if (store_on_disk_open(machine, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

static void keep(Image *image, SimDisk *disk, const char *path)
{
    const uint8_t *bytes = NULL;
    Kept *kept = &image->files[image->count];
    if (sim_disk_peek(disk, path, &bytes, &kept->count)) {
        assert_true(image->count++ < FILES_MAX - 1);
        snprintf(kept->path, sizeof kept->path, "%s", path);
        kept->bytes = malloc(kept->count + 1);
        memcpy(kept->bytes, bytes, kept->count);
    }
}

typedef struct Keeping {
    Image *image;
    SimDisk *disk;
} Keeping;

static void keep_run(void *context, const char *name)
{
    Keeping *keeping = context;
    char path[300];
    snprintf(path, sizeof path, "store/index/%s", name);
    keep(keeping->image, keeping->disk, path);
}

static Image keep_all(StoreOnDisk *machine)
{
    Image image = {.count = 0};
    Keeping keeping = {&image, machine->disk};
    Error error;
    keep(&image, machine->disk, "store/weir.db");
    keep(&image, machine->disk, "store/weir.db-wal");
    assert_int_equal(machine->io.list(machine->io.self, "store/index", keep_run, &keeping, &error), STATUS_OK);
    return image;
}

static void forget(Image *image)
{
    for (size_t i = 0; i < image->count; i++) {
        free(image->files[i].bytes);
    }
}

static StoreOnDisk *machine_from(const Image *image)
{
    StoreOnDisk *machine = machine_new();
    Error error;
    assert_int_equal(machine->io.make_dir(machine->io.self, "store", &error), STATUS_OK);
    assert_int_equal(machine->io.make_dir(machine->io.self, "store/index", &error), STATUS_OK);
    for (size_t i = 0; i < image->count; i++) {
        sim_disk_put(machine->disk, image->files[i].path, image->files[i].bytes, image->files[i].count);
    }
    return machine;
}

/* ---- What goes in ------------------------------------------------------------------------------------------------ */

static Record record_of(StoreOnDisk *machine, int number, char id[16], char destination[16])
{
    snprintf(id, 16, "rec-%d", number);
    snprintf(destination, 16, "dest-%d", number % DESTINATIONS);
    Record record = {.record_id = str_from(id),
                     .source_id = STR("source"),
                     .destination_id = str_from(destination),
                     .unit = STR("EUR"),
                     .reference = STR("ref"),
                     .type = number % 3 ? RECORD_POSITIVE : RECORD_NEGATIVE,
                     .time_us = number * INT64_C(1000000000),
                     .value = number};
    const StoreInfo *info = store_info(machine->store);
    record.identity_hash = record_identity_hash(&record, info->identity, info->hash_seed);
    return record;
}

static Status apply(StoreOnDisk *machine, int number, Outcome *ret_outcome)
{
    char id[16], destination[16];
    Error error = {0};
    Record record = record_of(machine, number, id, destination);
    Work work = {.kind = WORK_RECORDS, .records = {.items = &record, .outcomes = ret_outcome, .count = 1}};
    return store_apply(machine->store, &work, &error);
}

static Image make_image(void)
{
    StoreOnDisk *machine = machine_new();
    open_store(machine);
    for (int i = 0; i < RECORDS; i++) {
        Outcome outcome = {0};
        bool more = true;
        Error error;
        assert_int_equal(apply(machine, i, &outcome), STATUS_OK);
        assert_int_equal(outcome.kind, OUTCOME_CREATED);
        while (more) {
            assert_int_equal(store_maintain(machine->store, false, &more, &error), STATUS_OK);
        }
    }
    store_on_disk_close(machine);
    Image image = keep_all(machine);
    machine_free(machine);
    return image;
}

/* ---- What comes out ---------------------------------------------------------------------------------------------- */

typedef struct Answers {
    uint64_t hash;
    size_t count;
} Answers;

static bool add_record(void *context, const StoredRecord *stored)
{
    Answers *answers = context;
    int64_t numbers[] = {stored->seq, stored->record.time_us, stored->record.value,
                         stored->totals.positive_count + stored->totals.negative_count};
    answers->hash = XXH3_64bits_withSeed(numbers, sizeof numbers, answers->hash);
    answers->hash = XXH3_64bits_withSeed(stored->record.record_id.ptr, stored->record.record_id.len, answers->hash);
    answers->count++;
    return true;
}

static bool add_rollup(void *context, const Rollup *rollup)
{
    Answers *answers = context;
    int64_t numbers[] = {rollup->bucket, rollup->count, (int64_t)rollup->sum, rollup->min, rollup->max};
    answers->hash = XXH3_64bits_withSeed(numbers, sizeof numbers, answers->hash);
    answers->hash = XXH3_64bits_withSeed(rollup->destination_id.ptr, rollup->destination_id.len, answers->hash);
    answers->count++;
    return true;
}

/* The newest record of each flow. A run that is damaged cannot say it, and says so. */
static Status ask_flows(StoreReader *reader, Answers *answers)
{
    Error error = {0};
    Status status = STATUS_OK;
    for (int i = 0; i < DESTINATIONS && status == STATUS_OK; i++) {
        char destination[16];
        int64_t seq = 0;
        snprintf(destination, sizeof destination, "dest-%d", i);
        status = reader_find_flow(reader, str_from(destination), STR("ref"), STR("EUR"), &seq, &error);
        status = status == STATUS_OK && seq == FLOW_UNTOLD ? STATUS_BROKEN : status;
        answers->hash = XXH3_64bits_withSeed(&seq, sizeof seq, answers->hash);
    }
    return status;
}

static Status ask_reader(StoreReader *reader, Answers *answers)
{
    Error error = {0};
    Status status = reader_walk_times(reader, TIME_POSITION_FIRST, TIME_POSITION_LAST, INT64_MAX, UINT32_MAX,
                                      add_record, answers, &error);
    for (int i = 0; i < RECORDS && status == STATUS_OK; i++) {
        char id[16];
        int64_t at = 0;
        snprintf(id, sizeof id, "rec-%d", i);
        status = reader_find(reader, str_from(id), STR(""), &at, add_record, answers, &error);
    }
    for (int level = ROLLUP_HOUR; level <= ROLLUP_WEEK && status == STATUS_OK; level++) {
        status = reader_rollups(reader, (RollupLevel)level, INT64_MIN, INT64_MAX, add_rollup, answers, &error);
    }
    return status == STATUS_OK ? ask_flows(reader, answers) : status;
}

/* Each record again, which must be a duplicate; then questions of each kind. */
static Status ask(StoreOnDisk *machine, Answers *ret_answers)
{
    StoreReader *reader = NULL;
    StoreView *view = NULL;
    Error error = {0};
    *ret_answers = (Answers){0};
    for (int i = 0; i < RECORDS; i += 7) {
        Outcome outcome = {0};
        Status status = apply(machine, i, &outcome);
        if (status != STATUS_OK) {
            return status;
        }
        assert_int_equal(outcome.kind, OUTCOME_DUPLICATE);
        assert_int_equal(outcome.seq, i + 1);
    }
    assert_int_equal(store_reader_open(machine->store, &reader, &error), STATUS_OK);
    assert_int_equal(reader_begin(reader, &view, &error), STATUS_OK);
    Status status = ask_reader(reader, ret_answers);
    reader_end(reader);
    view_free(view);
    store_reader_close(reader);
    return status;
}

/* ---- The bits ---------------------------------------------------------------------------------------------------- */

/* A bit that is only found in use breaks the store or fails the question; the next start then makes the files anew. */
static void check_flip(const Image *image, const Kept *file, uint64_t bit, Answers right)
{
    StoreOnDisk *machine = machine_from(image);
    Answers answers;
    assert_true(sim_disk_flip(machine->disk, file->path, bit));
    open_store(machine);
    Status status = ask(machine, &answers);
    if (status != STATUS_OK) {
        assert_int_equal(status, STATUS_BROKEN);
        store_on_disk_close(machine);
        open_store(machine);
        assert_int_equal(ask(machine, &answers), STATUS_OK);
    }
    if (answers.hash != right.hash || answers.count != right.count) {
        fail_msg("bit %llu of %s: another answer", (unsigned long long)bit, file->path);
    }
    store_on_disk_close(machine);
    machine_free(machine);
}

static bool is_run(const char *path)
{
    size_t len = strlen(path);
    return len > 4 && strcmp(path + len - 4, ".run") == 0;
}

static uint64_t bits_of_blocks(const Kept *file)
{
    RunFooter footer;
    assert_true(file->count > sizeof footer);
    memcpy(&footer, file->bytes + file->count - sizeof footer, sizeof footer);
    assert_int_equal(footer.magic, RUN_FOOTER_MAGIC);
    return (sizeof(RunHeader) + footer.blocks * sizeof(RunBlock)) * 8;
}

static void check_file(const Image *image, const Kept *file, uint64_t from, Answers right)
{
    uint64_t blocks = bits_of_blocks(file), fine = (stride + 7) / 8;
    for (uint64_t bit = from % stride; bit < blocks; bit += stride) {
        check_flip(image, file, bit, right);
    }
    for (uint64_t bit = blocks + from % fine; bit < file->count * 8; bit += fine) {
        check_flip(image, file, bit, right);
    }
}

static void test_every_bit(void **state)
{
    (void)state;
    Image image = make_image();
    StoreOnDisk *machine = machine_from(&image);
    Answers right;
    size_t runs = 0;
    open_store(machine);
    assert_int_equal(ask(machine, &right), STATUS_OK);
    assert_true(right.count > RECORDS);
    store_on_disk_close(machine);
    machine_free(machine);
    for (size_t i = 0; i < image.count; i++) {
        if (is_run(image.files[i].path)) {
            runs++;
            check_file(&image, &image.files[i], first + i, right);
        }
    }
    assert_true(runs >= 4); /* one of each kind at least */
    forget(&image);
}

static bool read_number(const char *text, uint64_t *ret_number)
{
    char *end = NULL;
    *ret_number = strtoull(text, &end, 10);
    return end != text && !*end;
}

static uint64_t draw_first(void)
{
    uint64_t drawn;
    assert_int_equal(getrandom(&drawn, sizeof drawn, 0), sizeof drawn);
    return drawn % stride;
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_bit)};
    if ((count > 1 && !read_number(arguments[1], &stride)) || !stride ||
        (count > 2 && !read_number(arguments[2], &first))) {
        fprintf(stderr, "usage: test_every_bit [STRIDE [FIRST]]: one bit of STRIDE (1 or more), from FIRST on\n");
        return 2;
    }
    first = count > 2 ? first % stride : draw_first();
    printf("# again: test_every_bit %" PRIu64 " %" PRIu64 "\n", stride, first);
    fflush(stdout);
    return cmocka_run_group_tests_name("every bit", tests, NULL, NULL);
}
