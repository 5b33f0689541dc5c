/* What a store does with a source's messages while memory gives out: a life of it is lived again and again, and each
 * time another allocation fails, alone, with a few or with all behind it until the store has said so. Each call's
 * status is what store.h allows, nothing leaks, and in the end records, dead letters and places are those of a life in
 * which nothing failed.
 * See torture_life.h. */
#include "torture_life.h"

#include "support/scratch_dir.h"

enum { STEPS = 6 };

static int64_t bytes_of(size_t raw_bytes, const char *format, const char *why)
{
    DeadLetter letter = {.origin = STR("orders"),
                         .place = STR("in/0/0"),
                         .format = str_from(format),
                         .error = str_from(why),
                         .raw = {NULL, raw_bytes}};
    return dead_letter_bytes(&letter);
}

/* What is there in the end; for no letter more is there room. */
static int64_t bytes_left(void)
{
    return bytes_of(20, "json", "record 1 is stored under the same id, and differs in value") +
           bytes_of(30, "csv", "is none") + bytes_of(45, "", "is none");
}

static void open_store(Life *life)
{
    StoreOptions options = store_options_default(life->dir);
    options.background = false;
    options.free_reserve_bytes = 0;
    options.flow_cache_bytes = 1 << 20;
    options.dead_letter_bytes_max = (uint64_t)bytes_left() + 5;
    life_open(life, &options);
}

/* ---- What is done ------------------------------------------------------------------------------------------------ */

static char filler[64];

static Record make(const Store *store, const char *id, int64_t value)
{
    const StoreInfo *info = store_info(store);
    Record record = {.record_id = str_from(id),
                     .source_id = STR("source"),
                     .destination_id = STR("dest"),
                     .unit = STR("EUR"),
                     .reference = STR("ref"),
                     .value = value};
    record.identity_hash = record_identity_hash(&record, info->identity, info->hash_seed);
    return record;
}

/* The same with each call. `step` 0: a record, one that contradicts it, and two that are none; 1: one of these is
 * mended, 2: and taken in; 3: its room is needed; 4, 5: a source is paused, and a place forgotten. */
typedef struct Step {
    Record records[2];
    Outcome outcomes[2];
    IntakeLetter letters[2], refused[2];
    SourcePlace places[2];
    IntakeChange change;
    Work work;
} Step;

static void make_first(const Store *store, Step *step)
{
    step->records[0] = make(store, "rec-1", 1);
    step->records[1] = make(store, "rec-1", 2);
    step->letters[0] = (IntakeLetter){.place = STR("in/0/0"), .format = STR("json"), .raw = {filler, 20}};
    step->letters[1] = (IntakeLetter){.place = STR("in/0/1"), .format = STR("json"), .raw = {filler, 20}};
    step->refused[0] =
        (IntakeLetter){.place = STR("in/0/2"), .format = STR("json"), .raw = {filler, 30}, .error = STR("is none")};
    step->refused[1] =
        (IntakeLetter){.place = STR("in/0/3"), .format = STR("csv"), .raw = {filler, 30}, .error = STR("is none")};
    step->places[0] = (SourcePlace){.part = STR("in/0"), .next = 4, .mark = STR("mark")};
    step->places[1] = (SourcePlace){.part = STR("in/1"), .next = 1, .mark = STR("")};
    step->work.records.count = step->change.refused_count = step->change.place_count = 2;
}

static void make_step(const Store *store, Step *step, int number)
{
    *step = (Step){
        .work = {.kind = WORK_RECORDS,
                 .records = {.items = step->records, .outcomes = step->outcomes, .intake = &step->change}},
        .change = {
            .source = STR("orders"), .places = step->places, .letters = step->letters, .refused = step->refused}};
    switch (number) {
    case 0: make_first(store, step); break;
    case 1:
        step->work = (Work){.kind = WORK_DEAD_LETTERS,
                            .dead_letters = {.filter = DEAD_LETTER_FILTER_ALL, .limit = 1, .raw = STR("{mended}")}};
        step->work.dead_letters.filter.id = 2;
        break;
    case 2:
        step->records[0] = make(store, "rec-2", 1);
        step->letters[0] = (IntakeLetter){.place = STR("in/0/2"), .raw = STR("{mended}"), .letter = 2};
        step->work.records.count = 1;
        break;
    case 3:
        step->refused[0] = (IntakeLetter){.place = STR("in/0/4"), .raw = {filler, 45}, .error = STR("is none")};
        step->change.refused_count = 1;
        break;
    case 4:
        step->work = (Work){.kind = WORK_SOURCE_STATE,
                            .source = {.name = STR("orders"), .state = SOURCE_STATE_PAUSED, .reason = STR("why")}};
        break;
    default:
        step->work = (Work){.kind = WORK_SOURCE_FORGET, .forget = {.source = STR("orders"), .part = STR("in/1")}};
        break;
    }
}

/* BUSY: nothing happened. UNKNOWN, BROKEN: when the store was opened again, it may be sent again. */
static void apply_step(Life *life, int number)
{
    Step step;
    Error error = {0};
    make_step(life->store, &step, number);
    int64_t before = store_last_seq(life->store);
    Status status = store_apply(life->store, &step.work, &error);
    if (!is_ok(life, "apply", status, BUSY | UNKNOWN | BROKEN, &error)) {
        if (status == STATUS_BUSY) {
            assert_int_equal(store_last_seq(life->store), before);
        } else {
            store_close(life->store);
            open_store(life);
        }
        make_step(life->store, &step, number);
        status = store_apply(life->store, &step.work, &error);
        if (status != STATUS_OK) {
            fail_life(life, "apply once more", status, error.message);
        }
    }
    if (step.work.status != STATUS_OK) {
        fail_life(life, "a step", step.work.status, step.work.error.message);
    }
}

/* ---- What is there ----------------------------------------------------------------------------------------------- */

typedef struct Seen {
    char text[512];
} Seen;

static bool see_letter(void *context, const DeadLetter *letter)
{
    Seen *seen = context;
    size_t len = strlen(seen->text);
    snprintf(seen->text + len, sizeof seen->text - len, "%d:%.*s:%d:%zu ", (int)letter->id, STR_ARGS(letter->place),
             (int)letter->state, letter->raw.len);
    return true;
}

static bool see_place(void *context, const SourcePlace *place)
{
    Seen *seen = context;
    size_t len = strlen(seen->text);
    snprintf(seen->text + len, sizeof seen->text - len, "%.*s=%d:%.*s ", STR_ARGS(place->part), (int)place->next,
             STR_ARGS(place->mark));
    return true;
}

static bool see_source(void *context, const StoredSource *source)
{
    Seen *seen = context;
    size_t len = strlen(seen->text);
    snprintf(seen->text + len, sizeof seen->text - len, "%.*s is %d", STR_ARGS(source->name), (int)source->state);
    return true;
}

static Status read_once(StoreReader *reader, Seen *seen, Error *reterr)
{
    const DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    StoreView *view = NULL;
    seen->text[0] = '\0';
    Status status = reader_begin(reader, &view, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    status = reader_dead_letters(reader, &filter, see_letter, seen, reterr);
    if (status == STATUS_OK) {
        status = reader_places(reader, STR("orders"), see_place, seen, reterr);
    }
    if (status == STATUS_OK) {
        status = reader_sources(reader, see_source, seen, reterr);
    }
    reader_end(reader);
    view_free(view);
    return status;
}

static void read_all(Life *life)
{
    Seen seen;
    StoreReader *reader = NULL;
    Error error = {0};
    if (!is_ok(life, "open a reader", store_reader_open(life->store, &reader, &error), BUSY, &error)) {
        assert_int_equal(store_reader_open(life->store, &reader, &error), STATUS_OK);
    }
    if (!is_ok(life, "read", read_once(reader, &seen, &error), BUSY, &error)) {
        assert_int_equal(read_once(reader, &seen, &error), STATUS_OK);
    }
    if (strcmp(seen.text, "4:in/0/4:0:45 3:in/0/3:0:30 1:in/0/1:0:20 in/0=4:mark orders is 1") != 0) {
        fail_life(life, "what is there", STATUS_OK, seen.text);
    }
    store_reader_close(reader);
}

static void check_left(Life *life)
{
    VerifyReport report;
    StoreMetrics metrics = {0};
    open_store(life);
    store_metrics(life->store, &metrics);
    if ((int64_t)metrics.dead_letter_bytes != bytes_left() || metrics.dead_letters_open != 3) {
        fail_life(life, "the letters that are left", STATUS_OK, "are not those of a life in which nothing failed");
    }
    read_all(life);
    life_verify(life, &report);
    assert_int_equal(report.records, 2);
    assert_int_equal(report.messages, 4);
    store_close(life->store);
}

/* ---- Lives ------------------------------------------------------------------------------------------------------- */

/* Returns how many allocations there were. */
static uint64_t live_and_check(uint64_t nth, uint64_t count)
{
    Life life = {.nth = nth};
    scratch_dir_make(life.dir, sizeof life.dir);
    open_store(&life); /* as new; what fails then is test_torture_store.c's */
    store_close(life.store);
    int64_t live_before = torture_live();
    torture_begin(nth, count);
    open_store(&life);
    for (int i = 0; i < STEPS; i++) {
        apply_step(&life, i);
    }
    read_all(&life);
    store_close(life.store);
    uint64_t asked = torture_end();
    life_check_memory(&life, live_before);
    check_left(&life);
    scratch_dir_remove(life.dir);
    return asked;
}

static void test_each_allocation(void **state)
{
    (void)state;
    assert_true(torture_each(live_and_check) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation)};
    torture_prepare();
    memset(filler, 'f', sizeof filler);
    return cmocka_run_group_tests_name("torture-intake", tests, NULL, NULL);
}
