/* The store on the simulated disk, through the life of a small one: a power loss, an error, a full disk at each
 * operation in turn. What was acknowledged is there afterwards, once, under its number, and everything that is derived
 * fits the log. */
#include <stdio.h>

#include "disk/disk_tools.h"
#include "sim/store_on_disk.h"

enum { BATCHES = 9, BATCH_RECORDS = 9, FLOWS = 3 };

typedef struct Life {
    StoreOnDisk at;
    int acknowledged, attempted; /* batches */
} Life;

static Life *life_new(uint64_t seed)
{
    Life *life = calloc(1, sizeof *life);
    assert_non_null(life);
    store_on_disk_init(&life->at, seed);
    life->at.options.publish_records = 8;
    life->at.options.flow_cache_bytes = 64 << 10;
    return life;
}

static void life_free(Life *life)
{
    store_on_disk_release(&life->at);
    free(life);
}

static bool open_store(Life *life)
{
    Error error = {0};
    return store_on_disk_open(&life->at, &error) == STATUS_OK;
}

/* Each batch has the same records whenever it is made, and one that the batch before it had. */
static Status apply_batch(Life *life, int batch, Outcome *ret_outcomes)
{
    Record records[BATCH_RECORDS];
    char ids[BATCH_RECORDS][32], destinations[BATCH_RECORDS][32];
    const StoreInfo *info = store_info(life->at.store);
    Error error = {0};
    for (int i = 0; i < BATCH_RECORDS; i++) {
        int number = batch * (BATCH_RECORDS - 1) + i;
        snprintf(ids[i], sizeof ids[i], "rec-%d", number);
        snprintf(destinations[i], sizeof destinations[i], "dest-%d", number % FLOWS);
        records[i] = (Record){.record_id = str_from(ids[i]),
                              .source_id = STR("source"),
                              .destination_id = str_from(destinations[i]),
                              .unit = STR("EUR"),
                              .reference = STR("ref"),
                              .time_us = number * INT64_C(7000000000),
                              .value = number};
        records[i].identity_hash = record_identity_hash(&records[i], info->identity, info->hash_seed);
    }
    Work work = {.kind = WORK_RECORDS, .records = {.items = records, .outcomes = ret_outcomes, .count = BATCH_RECORDS}};
    Status status = store_apply(life->at.store, &work, &error);
    return status == STATUS_OK ? work.status : status;
}

/* The seq of a batch's record: all of a batch but the first one, which the batch before had, are new. */
static int64_t seq_of(int batch, int i) { return batch * (BATCH_RECORDS - 1) + i + 1; }

/* Goes on until something is not OK; a full disk is cleared. Half way the store is closed and opened again. */
static void live(Life *life)
{
    Error error = {0};
    bool goes = open_store(life);
    for (int batch = 0; goes && batch < BATCHES; batch++) {
        Outcome outcomes[BATCH_RECORDS];
        if (batch == BATCHES / 2) {
            store_on_disk_close(&life->at);
            if (!open_store(life)) {
                break;
            }
        }
        life->attempted = batch + 1;
        Status status = apply_batch(life, batch, outcomes);
        if (status == STATUS_BUSY || status == STATUS_UNKNOWN) {
            sim_disk_limit(life->at.disk, UINT64_MAX);
            status = apply_batch(life, batch, outcomes);
        }
        goes = status == STATUS_OK;
        life->acknowledged = goes ? batch + 1 : life->acknowledged;
        for (bool more = true; goes && more;) {
            goes = store_maintain(life->at.store, batch % 3 == 2, &more, &error) == STATUS_OK;
        }
    }
    store_on_disk_close(&life->at);
}

/* After whatever happened: opened again, with a whole disk, and everything sent again. */
static void check_afterwards(Life *life)
{
    assert_true(open_store(life));
    int64_t last = store_last_seq(life->at.store);
    assert_true(last == 0 || last % (BATCH_RECORDS - 1) == 1);
    int batches = last == 0 ? 0 : (int)(last / (BATCH_RECORDS - 1));
    assert_true(batches == life->acknowledged || batches == life->attempted);
    store_on_disk_verify(&life->at);
    for (int batch = 0; batch < BATCHES; batch++) {
        Outcome outcomes[BATCH_RECORDS];
        assert_int_equal(apply_batch(life, batch, outcomes), STATUS_OK);
        for (int i = 0; i < BATCH_RECORDS; i++) {
            bool is_old = batch < batches || (i == 0 && batch > 0);
            assert_int_equal(outcomes[i].kind, is_old ? OUTCOME_DUPLICATE : OUTCOME_CREATED);
            assert_int_equal(outcomes[i].seq, seq_of(batch, i));
        }
    }
    store_on_disk_verify(&life->at);
    store_on_disk_close(&life->at);
}

/* What a second process tells is as durable as what the first one told: it answers to records that are there already,
 * which may have come from a commit that was never synced, without writing anything itself; or it writes more. Then the
 * power fails. */
static void check_told_again(Life *life, bool writes, SimLoss loss, uint64_t *random)
{
    Outcome outcomes[BATCH_RECORDS];
    assert_true(open_store(life));
    int64_t told = store_last_seq(life->at.store);
    int batches = told == 0 ? 0 : (int)(told / (BATCH_RECORDS - 1));
    for (int batch = 0; batch < batches; batch++) {
        assert_int_equal(apply_batch(life, batch, outcomes), STATUS_OK);
        assert_int_equal(outcomes[BATCH_RECORDS - 1].kind, OUTCOME_DUPLICATE);
    }
    if (writes && batches < BATCHES) {
        assert_int_equal(apply_batch(life, batches++, outcomes), STATUS_OK);
    }
    life->acknowledged = life->attempted = batches;
    sim_disk_freeze(life->at.disk);
    store_on_disk_close(&life->at);
    sim_disk_crash(life->at.disk, loss, random);
}

/* Returns whether the fault struck. */
static bool run_with_fault(SimFault fault, SimLoss loss)
{
    uint64_t random = fault.nth;
    Life *life = life_new(fault.nth);
    sim_disk_arm(life->at.disk, &fault);
    live(life);
    bool struck = sim_disk_struck(life->at.disk) > 0;
    sim_disk_limit(life->at.disk, UINT64_MAX);
    sim_disk_crash(life->at.disk, loss, &random);
    if (loss == SIM_LOSS_PROCESS) {
        check_told_again(life, fault.nth & 2, fault.nth & 1 ? SIM_LOSS_ALL : SIM_LOSS_SOME, &random);
    }
    check_afterwards(life);
    life_free(life);
    return struck;
}

/* From the first operation on, `step` apart, until the life ends before it. */
static void run_all(SimFault fault, SimLoss loss, uint64_t step)
{
    fault.nth = 1;
    while (run_with_fault(fault, loss)) {
        fault.nth += step;
    }
    assert_true(fault.nth > 30);
}

static void test_power_fails_at_each_operation(void **state)
{
    (void)state;
    SimFault fault = {.ops = SIM_CHANGES, .failure = SIM_FAIL_FREEZE};
    run_all(fault, SIM_LOSS_ALL, 5);
    run_all(fault, SIM_LOSS_NOTHING, 11);
    run_all(fault, SIM_LOSS_SOME, 2);
}

static void test_a_process_dies_and_then_the_power_fails(void **state)
{
    (void)state;
    run_all((SimFault){.ops = SIM_CHANGES, .failure = SIM_FAIL_FREEZE}, SIM_LOSS_PROCESS, 3);
    run_all((SimFault){.ops = SIM_SYNC | SIM_SYNC_DIR, .failure = SIM_FAIL_ERROR}, SIM_LOSS_PROCESS, 1);
}

static void test_each_operation_fails(void **state)
{
    (void)state;
    run_all((SimFault){.ops = SIM_ANY, .failure = SIM_FAIL_ERROR}, SIM_LOSS_SOME, 4);
    run_all((SimFault){.ops = SIM_CHANGES, .failure = SIM_FAIL_ERROR, .for_good = true}, SIM_LOSS_SOME, 7);
}

static void test_the_disk_fills_up_at_each_operation(void **state)
{
    (void)state;
    run_all((SimFault){.ops = SIM_WRITE | SIM_CREATE | SIM_MAKE_DIR, .failure = SIM_FAIL_FULL}, SIM_LOSS_SOME, 5);
}

/* So little room that not all batches fit, then room again. */
static void test_a_full_disk_clears(void **state)
{
    (void)state;
    for (uint64_t room = 50000; room < 400000; room += 11000) {
        Life *life = life_new(room);
        uint64_t random = room;
        assert_true(open_store(life));
        store_on_disk_close(&life->at);
        sim_disk_limit(life->at.disk, room);
        live(life);
        sim_disk_limit(life->at.disk, UINT64_MAX);
        sim_disk_crash(life->at.disk, SIM_LOSS_SOME, &random);
        check_afterwards(life);
        life_free(life);
    }
}

/* ---- Another program meanwhile ----------------------------------------------------------------------------------- */

/* What `weir query --data` is beside a service. */
typedef struct Outside {
    Store *store;
    StoreReader *reader;
    StoreView *view;
} Outside;

static Outside open_outside(const Life *life)
{
    Outside outside = {0};
    StoreOptions options = life->at.options;
    Error error = {0};
    options.read_only = true;
    if (store_open(&options, &outside.store, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(store_reader_open(outside.store, &outside.reader, &error), STATUS_OK);
    assert_int_equal(reader_begin(outside.reader, &outside.view, &error), STATUS_OK);
    return outside;
}

static void look_away(Outside *outside)
{
    if (outside->view) {
        reader_end(outside->reader);
        view_free(outside->view);
        outside->view = NULL;
    }
}

static void close_outside(Outside *outside)
{
    look_away(outside);
    store_reader_close(outside->reader);
    store_close(outside->store);
}

static void apply_next(Life *life)
{
    Outcome outcomes[BATCH_RECORDS];
    assert_int_equal(apply_batch(life, life->attempted++, outcomes), STATUS_OK);
    life->acknowledged = life->attempted;
}

static Status tidy(Life *life)
{
    Error error = {0};
    Status status = STATUS_OK;
    for (bool more = true; more && status == STATUS_OK;) {
        status = store_maintain(life->at.store, true, &more, &error);
    }
    return status;
}

/* A checkpoint moves pages as far as a look lets it, which syncs nothing; then the sync of the next one fails, and the
 * disk may have forgotten them all. */
static void move_and_fail(Life *life, Outside *outside)
{
    *outside = open_outside(life);
    apply_next(life);
    assert_int_equal(tidy(life), STATUS_OK);
    look_away(outside);
    apply_next(life);
    sim_disk_arm(life->at.disk, &(SimFault){.ops = SIM_SYNC, .suffix = ".db", .nth = 1, .failure = SIM_FAIL_ERROR});
    assert_int_equal(tidy(life), STATUS_BROKEN);
}

static void check_outside(Life *life)
{
    Outside outside = open_outside(life);
    assert_int_equal(view_bound(outside.view), seq_of(life->acknowledged, 0));
    close_outside(&outside);
}

/* The other program sees it all, and while it is there the next process of the service begins and goes on. */
static void test_a_checkpoint_fails_while_another_program_reads(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t random = seed;
        Life *life = life_new(seed);
        Outside outside;
        assert_true(open_store(life));
        apply_next(life);
        if (seed % 2) {
            assert_int_equal(tidy(life), STATUS_OK);
        }
        move_and_fail(life, &outside);
        check_outside(life);
        store_on_disk_close(&life->at);
        assert_true(open_store(life));
        while (life->attempted < BATCHES) {
            apply_next(life);
            assert_int_equal(tidy(life), STATUS_OK);
        }
        sim_disk_freeze(life->at.disk);
        close_outside(&outside);
        store_on_disk_close(&life->at);
        sim_disk_crash(life->at.disk, SIM_LOSS_ALL, &random);
        check_afterwards(life);
        life_free(life);
    }
}

/* ---- Files that are made anew ------------------------------------------------------------------------------------ */

enum { RUNS_TEXT_BYTES = 16384 };

typedef struct Runs {
    char names[RUNS_TEXT_BYTES]; /* one a line, in order */
    size_t len;
    int count;
} Runs;

static void add_run(void *context, const char *path)
{
    Runs *runs = context;
    size_t len = strlen(path);
    if (len > 4 && strcmp(path + len - 4, ".run") == 0) {
        assert_true(runs->len + len + 1 < sizeof runs->names);
        runs->len += (size_t)snprintf(runs->names + runs->len, sizeof runs->names - runs->len, "%s\n", path);
        runs->count++;
    }
}

static Runs runs_of(const Life *life)
{
    Runs runs = {0};
    sim_disk_each(life->at.disk, add_run, &runs);
    return runs;
}

/* A file is begun in one round and listed in the next, and so is one that is merged from them; each index merges for
 * itself. */
static void tidy_up(Life *life)
{
    enum { ROUNDS = 12 };
    for (int round = 0; round < ROUNDS; round++) {
        assert_int_equal(tidy(life), STATUS_OK);
    }
}

/* Returns whether some were merged. */
static bool lose_power_behind(int batches)
{
    enum { INDEXES = 4 };
    uint64_t random = (uint64_t)batches;
    Life *life = life_new(random);
    assert_true(open_store(life));
    while (life->attempted < batches) {
        apply_next(life);
        tidy_up(life);
    }
    Runs before = runs_of(life);
    sim_disk_freeze(life->at.disk);
    store_on_disk_close(&life->at);
    sim_disk_crash(life->at.disk, SIM_LOSS_ALL, &random);
    assert_true(open_store(life));
    Runs behind = runs_of(life);
    assert_string_equal(behind.names, before.names);
    life_free(life);
    return before.count < batches * INDEXES;
}

/* A start mends what is lost of derived files, but reads the whole log for that. So the name of a file that is listed
 * is on the disk before the list is. No name is used twice: what was made anew has another one. */
static void test_no_file_is_made_anew_when_the_power_fails(void **state)
{
    bool merged = false;
    (void)state;
    for (int batches = 1; batches <= BATCHES; batches++) {
        merged = lose_power_behind(batches) || merged;
    }
    assert_true(merged);
}

/* ---- Files of several sizes -------------------------------------------------------------------------------------- */

enum { LARGE_RECORDS = 9000 }; /* enough for a file that the small ones behind it are not merged with */

/* All are new, or all are there already. */
static void apply_large(const Life *life, OutcomeKind expected)
{
    const StoreInfo *info = store_info(life->at.store);
    Record *records = calloc(LARGE_RECORDS, sizeof *records);
    Outcome *outcomes = calloc(LARGE_RECORDS, sizeof *outcomes);
    char(*ids)[16] = calloc(LARGE_RECORDS, sizeof *ids);
    Error error = {0};
    assert_true(records && outcomes && ids);
    for (int i = 0; i < LARGE_RECORDS; i++) {
        snprintf(ids[i], sizeof ids[i], "large-%d", i);
        records[i] = (Record){.record_id = str_from(ids[i]),
                              .source_id = STR("source"),
                              .destination_id = STR("large"),
                              .unit = STR("EUR"),
                              .reference = str_from(ids[i]),
                              .time_us = i,
                              .value = i};
        records[i].identity_hash = record_identity_hash(&records[i], info->identity, info->hash_seed);
    }
    Work work = {.kind = WORK_RECORDS, .records = {.items = records, .outcomes = outcomes, .count = LARGE_RECORDS}};
    assert_int_equal(store_apply(life->at.store, &work, &error), STATUS_OK);
    for (int i = 0; i < LARGE_RECORDS; i++) {
        assert_int_equal(outcomes[i].kind, expected);
    }
    free(records);
    free(outcomes);
    free(ids);
}

static void assert_all_there(Life *life)
{
    Outcome outcomes[BATCH_RECORDS];
    for (int i = 0; i < BATCHES * BATCH_RECORDS; i++) {
        Status status = i % BATCH_RECORDS ? STATUS_OK : apply_batch(life, i / BATCH_RECORDS, outcomes);
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(outcomes[i % BATCH_RECORDS].kind, OUTCOME_DUPLICATE);
    }
}

/* What is merged takes the place of its inputs, also where an older file stays in front of it. */
static void test_small_files_are_merged_behind_a_large_one(void **state)
{
    Life *life = life_new(1);
    (void)state;
    assert_true(open_store(life));
    apply_large(life, OUTCOME_CREATED);
    tidy_up(life);
    Runs large = runs_of(life);
    while (life->attempted < BATCHES) {
        apply_next(life);
        tidy_up(life);
    }
    Runs runs = runs_of(life);
    const char *first = strstr(large.names, "ids-1-");
    assert_non_null(first);
    assert_non_null(memmem(runs.names, runs.len, first, strcspn(first, "\n"))); /* it was not merged */
    assert_true(runs.count < large.count * (1 + BATCHES));                      /* others were */
    store_on_disk_verify(&life->at);
    apply_large(life, OUTCOME_DUPLICATE);
    assert_all_there(life);
    life_free(life);
}

/* How many records a rebuild puts into one file here; 0: as many as elsewhere, which are more than a test has. */
static size_t chunk_records;

size_t __real_index_chunk_records(int64_t entries);
size_t __wrap_index_chunk_records(int64_t entries);
size_t __wrap_index_chunk_records(int64_t entries)
{
    return chunk_records ? chunk_records : __real_index_chunk_records(entries);
}

/* The next start takes them all as they are. */
static void check_rebuild(Life *life, size_t records)
{
    store_on_disk_close(&life->at);
    chunk_records = records;
    life->at.options.rebuild = true;
    assert_true(open_store(life));
    chunk_records = 0;
    life->at.options.rebuild = false;
    Runs runs = runs_of(life);
    int64_t files = (store_last_seq(life->at.store) + (int64_t)records - 1) / (int64_t)records;
    assert_int_equal(runs.count, 4 * files);
    store_on_disk_close(&life->at);
    assert_true(open_store(life));
    Runs behind = runs_of(life);
    assert_string_equal(behind.names, runs.names);
    store_on_disk_verify(&life->at);
    assert_all_there(life);
}

static void test_a_rebuild_makes_several_files(void **state)
{
    Life *life = life_new(1);
    (void)state;
    assert_true(open_store(life));
    while (life->attempted < BATCHES) {
        apply_next(life);
    }
    const size_t last = (size_t)store_last_seq(life->at.store), sizes[] = {last + 1, last, last - 1, 30, 10};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_rebuild(life, sizes[i]);
    }
    life_free(life);
}

/* ---- Seeds ------------------------------------------------------------------------------------------------------- */

static void hash_text(void *context, const SimOperation *operation, const char *text)
{
    uint64_t *hash = context;
    *hash ^= operation ? operation->number : 0;
    for (; *text; text++) {
        *hash = (*hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    }
}

static uint64_t hash_of_life(uint64_t seed)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    Life *life = life_new(seed);
    sim_disk_trace(life->at.disk, hash_text, &hash);
    live(life);
    assert_int_equal(life->acknowledged, BATCHES);
    const uint8_t *bytes = NULL;
    size_t count = 0;
    assert_true(sim_disk_peek(life->at.disk, "store/weir.db", &bytes, &count));
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    life_free(life);
    return hash;
}

/* Nothing of the real system is in a store: neither time nor randomness nor addresses. */
static void test_a_seed_gives_the_same_store(void **state)
{
    (void)state;
    uint64_t first = hash_of_life(1), second = hash_of_life(2);
    assert_true(first == hash_of_life(1));
    assert_true(second == hash_of_life(2));
    assert_true(first != second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_fails_at_each_operation),
        cmocka_unit_test(test_a_process_dies_and_then_the_power_fails),
        cmocka_unit_test(test_each_operation_fails),
        cmocka_unit_test(test_the_disk_fills_up_at_each_operation),
        cmocka_unit_test(test_a_full_disk_clears),
        cmocka_unit_test(test_a_checkpoint_fails_while_another_program_reads),
        cmocka_unit_test(test_no_file_is_made_anew_when_the_power_fails),
        cmocka_unit_test(test_small_files_are_merged_behind_a_large_one),
        cmocka_unit_test(test_a_rebuild_makes_several_files),
        cmocka_unit_test(test_a_seed_gives_the_same_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
