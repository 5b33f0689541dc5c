/* The engine: the default rule, and work that is waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/options.h"
#include "engine.h"

static char dir[64];

/* What becomes of the next batch, by the linker's --wrap. */
static Status fail_next_apply;

Status __real_store_apply(Store *store, Work *first, Error *reterr);
Status __wrap_store_apply(Store *store, Work *first, Error *reterr);
Status __wrap_store_apply(Store *store, Work *first, Error *reterr)
{
    Status status = fail_next_apply;
    fail_next_apply = STATUS_OK;
    return status == STATUS_OK ? __real_store_apply(store, first, reterr)
                               : error_set(reterr, status, "the disk is full");
}

static const AlertRule stored = {.id = 3, .threshold = 500, .version = 7, .enabled = false, .unit = {"EUR", 3}};

static void test_default_rule_of_a_new_store(void **state)
{
    (void)state;
    AlertRule rule = {0};
    assert_true(engine_default_rule_changes(&rule, true, false, 100000));
    assert_true(str_is(rule.name, "default"));
    assert_int_equal(rule.threshold, 100000);
    assert_int_equal(rule.type, -1);
    assert_true(rule.enabled);
}

/* Somebody deleted it, or never wanted it: only a threshold that was configured brings it back. */
static void test_default_rule_of_an_older_store(void **state)
{
    (void)state;
    AlertRule rule = {0};
    assert_false(engine_default_rule_changes(&rule, false, false, 100000));
    rule = (AlertRule){0};
    assert_true(engine_default_rule_changes(&rule, false, true, 5));
    assert_int_equal(rule.threshold, 5);
}

static void test_default_rule_that_is_there(void **state)
{
    (void)state;
    AlertRule rule = stored;
    assert_false(engine_default_rule_changes(&rule, false, false, 100000));
    assert_int_equal(rule.threshold, 500);
    assert_false(engine_default_rule_changes(&rule, false, true, 500));
    assert_true(engine_default_rule_changes(&rule, false, true, 600));
    assert_int_equal(rule.threshold, 600);
    assert_int_equal(rule.id, 3);
    assert_int_equal(rule.version, 7);
    assert_false(rule.enabled);
    assert_true(str_is(rule.unit, "EUR"));
}

/* ---- With a store ------------------------------------------------------------------------------------------------ */

static void on_broken(void *self, const Error *error)
{
    (void)self;
    fail_msg("the store broke: %s", error->message);
}

static void open_engine(Engine *engine, const char *threshold)
{
    ConfigFlag flags[] = {{STR("store.dir"), str_from(dir), "--data"},
                          {STR("store.free_reserve_bytes"), STR("0"), "--set"},
                          {STR("alerts.threshold"), str_from(threshold), "--set"}};
    Config *config = NULL;
    Error error = {0};
    ConfigInput input = {.flags = flags, .flag_count = threshold ? 3 : 2};
    assert_int_equal(config_load(&input, &config, &error), STATUS_OK);
    EngineHooks hooks = {.broken = on_broken};
    Status status = engine_open(config, &hooks, engine, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, STATUS_OK);
    config_free(config);
}

static void check_rule(const char *threshold, int64_t expected)
{
    Engine engine;
    open_engine(&engine, threshold);
    engine_stop(&engine); /* now the rules may be looked at here */
    RuleSet *rules = store_rules(engine.store);
    assert_int_equal(rule_set_count(rules), 1);
    assert_true(str_is(rule_set_at(rules, 0)->name, "default"));
    assert_int_equal(rule_set_at(rules, 0)->threshold, expected);
    engine_close(&engine);
}

static void test_threshold_is_kept_unless_it_is_set(void **state)
{
    (void)state;
    check_rule(NULL, 100000);
    check_rule("250.50", 25050);
    check_rule(NULL, 25050);
    check_rule("250.50", 25050);
    check_rule("1000", 100000);
}

/* Nothing is stored, or it is not known whether it is: the service begins all the same, and the rule comes with the
 * next start. */
static void test_a_disk_that_is_full_at_the_start(void **state)
{
    static const Status statuses[] = {STATUS_BUSY, STATUS_UNKNOWN};
    (void)state;
    check_rule(NULL, 100000);
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        Engine engine;
        fail_next_apply = statuses[i];
        open_engine(&engine, "77");
        assert_int_equal(fail_next_apply, STATUS_OK);
        engine_stop(&engine);
        assert_int_equal(rule_set_at(store_rules(engine.store), 0)->threshold, 100000);
        engine_close(&engine);
    }
    check_rule("77", 7700);
}

static void test_submissions_are_waited_for(void **state)
{
    (void)state;
    Engine engine;
    open_engine(&engine, NULL);
    Record record = {STR("r-1"), STR("s"), STR("d"), STR("EUR"), STR("ref"), {0}, 0, 100, RECORD_POSITIVE, 0};
    record.identity_hash = record_identity_hash(&record, engine.policy.identity, engine.policy.hash_seed);
    static const OutcomeKind expected[] = {OUTCOME_CREATED, OUTCOME_DUPLICATE};
    for (size_t i = 0; i < 2; i++) {
        Outcome outcome = {0};
        Error error = {0};
        Submission submission = {.bytes = 1};
        submission.work.kind = WORK_RECORDS;
        submission.work.records.items = &record;
        submission.work.records.outcomes = &outcome;
        submission.work.records.count = 1;
        assert_int_equal(engine_submit_wait(&engine, &submission, &error), STATUS_OK);
        assert_int_equal(submission.work.status, STATUS_OK);
        assert_int_equal(outcome.kind, expected[i]);
    }
    engine_close(&engine);
    engine_close(&engine); /* closing twice is harmless */
}

static void test_a_store_that_is_held(void **state)
{
    (void)state;
    Engine engine, second = {0};
    Error error = {0};
    open_engine(&engine, NULL);
    Config *config = NULL;
    ConfigFlag flags[] = {{STR("store.dir"), str_from(dir), "--data"}};
    assert_int_equal(config_load(&(ConfigInput){.flags = flags, .flag_count = 1}, &config, &error), STATUS_OK);
    assert_int_equal(engine_open(config, &(EngineHooks){.broken = on_broken}, &second, &error), STATUS_BUSY);
    assert_null(second.store);
    assert_null(second.processor);
    config_free(config);
    engine_close(&engine);
}

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/weir-test-engine-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static void remove_files(const char *path)
{
    static const char *const names[] = {"weir.db", "weir.db-wal", "weir.db-shm", "lock"};
    char file[256];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(file, sizeof file, "%s/%s", path, names[i]);
        unlink(file);
    }
}

static void remove_index_file(void *context, const char *name)
{
    char file[512];
    snprintf(file, sizeof file, "%s/index/%s", (const char *)context, name);
    unlink(file);
}

static int remove_dir(void **state)
{
    (void)state;
    char index[128];
    snprintf(index, sizeof index, "%s/index", dir);
    if (io_system.list(io_system.self, index, remove_index_file, dir, NULL) != STATUS_OK || rmdir(index) != 0) {
        return -1;
    }
    remove_files(dir);
    return rmdir(dir);
}

/* What may be configured is what a store takes. */
static void test_options_fit_the_store(void **state)
{
    (void)state;
    assert_int_equal(option_table[OPTION_PROCESS_BATCH_RECORDS_MAX].max, STORE_BATCH_RECORDS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_rule_of_a_new_store),
        cmocka_unit_test(test_default_rule_of_an_older_store),
        cmocka_unit_test(test_default_rule_that_is_there),
        cmocka_unit_test(test_options_fit_the_store),
        cmocka_unit_test_setup_teardown(test_threshold_is_kept_unless_it_is_set, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_a_disk_that_is_full_at_the_start, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_submissions_are_waited_for, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_a_store_that_is_held, make_dir, remove_dir),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
