/* Queries on the embedded store and on the fake that their units use: the same records, the same questions, the same
 * answers to the byte, while the store publishes and merges all the time. */
#include "unit/unit.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/timestamp.h"
#include "support/query_run.h"
#include "support/random.h"

enum { RECORDS = 12000, BATCH = 300, TEXT_BYTES = 16 };

typedef struct Texts {
    char id[TEXT_BYTES], destination[TEXT_BYTES], reference[TEXT_BYTES];
} Texts;

typedef struct Fixture {
    char dir[64];
    Store *store, *fake;
    StoreReader *reader;
    Texts *texts;
    Record *records;
    uint64_t seed;
} Fixture;

#define START_US INT64_C(1740000000000000) /* 2025-02-19; clocks change within the 40 days */
#define LENGTH_S (40 * 86400)

static int64_t random_time(uint64_t *seed) { return START_US + (int64_t)(random_next(seed) % LENGTH_S) * 1000000; }

static void make_record(Fixture *fixture, size_t number)
{
    uint64_t *seed = &fixture->seed;
    Texts *texts = &fixture->texts[number];
    snprintf(texts->id, TEXT_BYTES, "rec-%zu", number);
    snprintf(texts->destination, TEXT_BYTES, "dest-%d", (int)(random_next(seed) % 20));
    int references = random_next(seed) % 4 ? 300 : 3; /* so that some flows have many records */
    snprintf(texts->reference, TEXT_BYTES, "ref-%d", (int)(random_next(seed) % (uint64_t)references));
    Record *record = &fixture->records[number];
    *record = (Record){.record_id = str_from(texts->id),
                       .source_id = random_next(seed) % 2 ? STR("source-1") : STR("source-2"),
                       .destination_id = str_from(texts->destination),
                       .reference = str_from(texts->reference),
                       .unit = random_next(seed) % 3 ? STR("EUR") : STR("SEK"),
                       .time_us = random_time(seed),
                       .type = random_next(seed) % 3 ? RECORD_POSITIVE : RECORD_NEGATIVE,
                       .value = (int64_t)(random_next(seed) % 1000000)};
    const StoreInfo *info = store_info(fixture->store);
    record->identity_hash = record_identity_hash(record, info->identity, info->hash_seed);
}

static void apply(Fixture *fixture, size_t first, size_t count)
{
    Outcome outcomes[BATCH];
    Work work = {.kind = WORK_RECORDS,
                 .records = {.items = fixture->records + first, .outcomes = outcomes, .count = count}};
    Error error;
    bool more;
    for (size_t i = first; i < first + count; i++) {
        make_record(fixture, i);
        fake_store_add(fixture->fake, &fixture->records[i]);
    }
    assert_int_equal(store_apply(fixture->store, &work, &error), STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(outcomes[i].kind, OUTCOME_CREATED);
    }
    assert_int_equal(store_maintain(fixture->store, false, &more, &error), STATUS_OK);
}

/* Publishes and merges until there is nothing more to do. */
static void publish(Fixture *fixture)
{
    bool more = true;
    Error error;
    while (more) {
        assert_int_equal(store_maintain(fixture->store, true, &more, &error), STATUS_OK);
    }
}

static int setup(void **state)
{
    Fixture *fixture = calloc(1, sizeof *fixture);
    Error error;
    assert_non_null(fixture);
    fixture->seed = 42;
    snprintf(fixture->dir, sizeof fixture->dir, "/tmp/weir-query-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    fixture->texts = calloc(RECORDS, sizeof *fixture->texts);
    fixture->records = calloc(RECORDS, sizeof *fixture->records);
    assert_true(fixture->texts && fixture->records);
    StoreOptions options = store_options_default(fixture->dir);
    options.background = false;
    options.publish_records = 1000;
    options.free_reserve_bytes = 0;
    assert_int_equal(store_open(&options, &fixture->store, &error), STATUS_OK);
    fixture->fake = fake_store_new(store_info(fixture->store));
    assert_int_equal(store_reader_open(fixture->store, &fixture->reader, &error), STATUS_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    char command[128];
    store_reader_close(fixture->reader);
    store_close(fixture->store);
    fake_store_free(fixture->fake);
    snprintf(command, sizeof command, "rm -rf '%s'", fixture->dir);
    assert_int_equal(system(command), 0);
    free(fixture->texts);
    free(fixture->records);
    free(fixture);
    return 0;
}

/* ---- Questions --------------------------------------------------------------------------------------------------- */

static const char *const aggregates[] = {
    "records=false",
    "records=false&groupBy=type,unit&type=negative",
    "records=false&measures=min,max,avg&unit=SEK",
    "records=false&measures=p50,p95,p99&groupBy=unit",
    "records=false&groupBy=sourceId,destinationId",
    "records=false&window=day",
    "records=false&window=week&groupBy=unit&timeZone=Europe/Stockholm",
    "records=false&window=month&groupBy=type&timeZone=Asia/Kolkata",
    "records=false&window=hour&groupBy=&destinationId=dest-3",
    "destinationId=dest-4&reference=ref-17",
    "limit=50&sourceId=source-2",
};

static const char *const lists[] = {
    "limit=1000",
    "limit=77&order=desc&type=negative",
    "reference=ref-5&limit=10",
    "destinationId=dest-7&unit=SEK&order=desc",
    "destinationId=dest-7&reference=ref-1&unit=EUR&limit=5",
    "destinationId=dest-8&reference=ref-2&unit=SEK&order=desc",
};

/* The question with a random range, open on one side now and then. */
static void with_range(Fixture *fixture, const char *question, char *ret_params, size_t size)
{
    char from[TIMESTAMP_TEXT_BYTES_MAX], to[TIMESTAMP_TEXT_BYTES_MAX];
    int64_t a = random_time(&fixture->seed), b = random_time(&fixture->seed);
    timestamp_format(a < b ? a : b, from);
    timestamp_format(a < b ? b : a, to);
    uint64_t open = random_next(&fixture->seed) % 6;
    snprintf(ret_params, size, "%s%s%s%s%s", question, open == 0 ? "" : "&startTime=", open == 0 ? "" : from,
             open == 1 ? "" : "&endTime=", open == 1 ? "" : to);
}

static Query *new_query(const StoreInfo *info, const char *params, bool list, QueryFormat format, int64_t step_us)
{
    QueryParam parsed[RUN_PARAMS_MAX];
    QueryOptions options = query_options_default(info);
    QueryProblems problems;
    Query *query;
    options.step_us_max = step_us;
    size_t count = run_params(params, parsed);
    Status status = list ? query_list_new(parsed, count, format, &options, &query, &problems)
                         : query_aggregate_new(parsed, count, format, &options, &query, &problems);
    assert_int_equal(status, STATUS_OK);
    return query;
}

static char *answer_of(StoreReader *reader, const StoreInfo *info, const char *params, bool list, QueryFormat format)
{
    enum { STEP_US = 200 }; /* many steps */
    Query *query = new_query(info, params, list, format, STEP_US);
    Error error;
    Buf out;
    bool done = false;
    buf_init(&out, (size_t)64 << 20);
    while (!done) {
        assert_int_equal(query_step(query, reader, 4096, &out, &done, &error), STATUS_OK);
    }
    query_free(query);
    buf_put_char(&out, '\0');
    return out.ptr;
}

static void compare(Fixture *fixture, const char *params, bool list, QueryFormat format)
{
    const StoreInfo *info = store_info(fixture->store);
    char *expected = answer_of(fake_store_reader(fixture->fake), info, params, list, format);
    char *answer = answer_of(fixture->reader, info, params, list, format);
    if (strcmp(answer, expected) != 0) {
        fail_msg("%s:\n%.2000s\ninstead of\n%.2000s", params, answer, expected);
    }
    free(expected);
    free(answer);
}

static void ask_all(Fixture *fixture)
{
    char params[512];
    compare(fixture, "", false, QUERY_JSON);
    compare(fixture, "", true, QUERY_CSV);
    for (size_t i = 0; i < sizeof aggregates / sizeof aggregates[0]; i++) {
        with_range(fixture, aggregates[i], params, sizeof params);
        compare(fixture, params, false, QUERY_JSON);
    }
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        with_range(fixture, lists[i], params, sizeof params);
        compare(fixture, params, true, i % 2 ? QUERY_NDJSON : QUERY_JSON);
    }
}

static void test_same_answers(void **state)
{
    Fixture *fixture = *state;
    StoreMetrics metrics;
    ask_all(fixture);
    for (size_t at = 0; at < RECORDS; at += BATCH) {
        apply(fixture, at, BATCH);
        if (at % (5 * BATCH) == 0) {
            ask_all(fixture);
        }
    }
    publish(fixture);
    store_metrics(fixture->store, &metrics);
    assert_int_equal(metrics.published_seq, metrics.last_seq);
    for (int i = 0; i < 10; i++) {
        ask_all(fixture);
    }
}

/* The question for the page behind an answer's. */
static void ask_further(const char *question, const char *answer, char *ret_params, size_t size)
{
    static const char name[] = "\"nextCursor\":\"";
    const char *cursor = strstr(answer, name);
    assert_non_null(cursor);
    cursor += sizeof name - 1;
    snprintf(ret_params, size, "%s&cursor=%.*s", question, (int)strcspn(cursor, "\""), cursor);
}

/* A page is of the moment when the first one was asked for. What rollups have counted since can be taken away from
 * sums, and not from extremes. */
static void test_pages_of_an_older_moment(void **state)
{
    static const char *const questions[] = {
        "limit=5&window=day&groupBy=unit",
        "limit=5&window=day&groupBy=unit&measures=min,max,avg",
    };
    enum { COUNT = sizeof questions / sizeof questions[0], FIRST = RECORDS * 9 / 10 };
    Fixture *fixture = *state;
    char params[COUNT][512];
    size_t at = 0;
    for (; at < FIRST; at += BATCH) {
        apply(fixture, at, BATCH);
    }
    publish(fixture);
    for (size_t i = 0; i < COUNT; i++) {
        char *answer = answer_of(fixture->reader, store_info(fixture->store), questions[i], false, QUERY_JSON);
        ask_further(questions[i], answer, params[i], sizeof params[i]);
        free(answer);
    }
    for (; at < RECORDS; at += BATCH) {
        apply(fixture, at, BATCH);
    }
    publish(fixture);
    assert_int_equal(store_last_seq(fixture->store), RECORDS);
    for (size_t i = 0; i < COUNT; i++) {
        compare(fixture, params[i], false, QUERY_JSON);
    }
}

/* ---- Each look is checked ---------------------------------------------------------------------------------------- */

/* Between the two the linker puts these (--wrap). */
static size_t checks, ends;

Status __real_reader_check(StoreReader *reader, Error *reterr);
Status __wrap_reader_check(StoreReader *reader, Error *reterr);
Status __wrap_reader_check(StoreReader *reader, Error *reterr)
{
    checks++;
    return __real_reader_check(reader, reterr);
}

void __real_reader_end(StoreReader *reader);
void __wrap_reader_end(StoreReader *reader);
void __wrap_reader_end(StoreReader *reader)
{
    ends++;
    __real_reader_end(reader);
}

/* What a look has read counts for nothing after a failed sync, also when it is ended early, to sort many groups. */
static void test_each_look_is_checked(void **state)
{
    Fixture *fixture = *state;
    const char *many = "records=false&groupBy=destinationId,reference,sourceId,type,unit&window=hour";
    for (size_t at = 0; at < RECORDS; at += BATCH) {
        apply(fixture, at, BATCH);
    }
    checks = ends = 0;
    char *answer = answer_of(fixture->reader, store_info(fixture->store), many, false, QUERY_JSON);
    free(answer);
    assert_true(ends > 0);
    assert_int_equal(checks, ends);
}

/* ---- One moment -------------------------------------------------------------------------------------------------- */

/* Steps as short as they get, with records, a publish and merges after each of the first ones: those that read the
 * store. */
static char *answer_while_writing(Fixture *fixture, const char *params, size_t *at, size_t *ret_steps)
{
    enum { FEW = 20, STEPS_WRITING = 60 };
    Query *query = new_query(store_info(fixture->store), params, false, QUERY_JSON, 0);
    Error error;
    Buf out;
    bool done = false;
    buf_init(&out, (size_t)64 << 20);
    for (*ret_steps = 0; !done; ++*ret_steps) {
        assert_int_equal(query_step(query, fixture->reader, 4096, &out, &done, &error), STATUS_OK);
        if (*ret_steps < STEPS_WRITING) {
            apply(fixture, *at, FEW);
            publish(fixture);
            *at += FEW;
        }
    }
    query_free(query);
    buf_put_char(&out, '\0');
    return out.ptr;
}

static const char *const long_questions[] = {
    "records=false&window=day",
    "records=false&window=day&measures=min,max&timeZone=Europe/Stockholm",
    "records=false&window=week&startTime=2025-02-20T10:20:30Z&endTime=2025-03-29T17:42:11Z",
    "records=false&window=hour&groupBy=unit&startTime=2025-03-20T10:20:30Z&endTime=2025-03-21T11:42:11Z",
    "window=day&groupBy=type&limit=30&type=negative",
};

/* Rollups are read a bucket a step, in a view that is resumed again and again while the store publishes and merges: the
 * answer is that of the view's bound, to the byte. */
static void test_one_moment(void **state)
{
    Fixture *fixture = *state;
    size_t at = 0, steps;
    StoreMetrics before, after;
    while (at < RECORDS / 3) {
        apply(fixture, at, BATCH);
        at += BATCH;
    }
    for (size_t i = 0; i < sizeof long_questions / sizeof long_questions[0]; i++) {
        apply(fixture, at, BATCH / 2); /* a tail behind the rollups */
        at += BATCH / 2;
        char *expected = answer_of(fake_store_reader(fixture->fake), store_info(fixture->store), long_questions[i],
                                   false, QUERY_JSON);
        store_metrics(fixture->store, &before);
        assert_true(before.published_seq > 0 && before.published_seq < before.last_seq);
        char *answer = answer_while_writing(fixture, long_questions[i], &at, &steps);
        store_metrics(fixture->store, &after);
        assert_true(steps > 20 && after.published_seq > before.last_seq);
        if (strcmp(answer, expected) != 0) {
            fail_msg("%s:\n%.2000s\ninstead of\n%.2000s", long_questions[i], answer, expected);
        }
        free(expected);
        free(answer);
    }
}

/* ---- One id ------------------------------------------------------------------------------------------------------ */

enum { ID_RECORDS = 3 * FIND_ENTRIES_MAX - 5000, ID_BYTES = 32 };

/* A store in which an id is not the identity: the ids come again each `ids` records. */
typedef struct IdWorld {
    char dir[64];
    Store *store;
    StoreReader *reader;
    int64_t ids, records;
} IdWorld;

static void open_ids(IdWorld *world, RecordIdentity identity, int64_t ids)
{
    Error error;
    *world = (IdWorld){.dir = "/tmp/weir-query-XXXXXX", .ids = ids};
    assert_non_null(mkdtemp(world->dir));
    StoreOptions options = store_options_default(world->dir);
    options.identity = identity;
    options.background = false;
    options.free_reserve_bytes = 0;
    assert_int_equal(store_open(&options, &world->store, &error), STATUS_OK);
    assert_int_equal(store_reader_open(world->store, &world->reader, &error), STATUS_OK);
}

static void close_ids(IdWorld *world)
{
    char command[128];
    store_reader_close(world->reader);
    store_close(world->store);
    snprintf(command, sizeof command, "rm -rf '%s'", world->dir);
    assert_int_equal(system(command), 0);
}

static Record id_record(const IdWorld *world, int64_t number, char id[ID_BYTES])
{
    snprintf(id, ID_BYTES, "rec-%lld", (long long)(number % world->ids));
    Record record = {.record_id = str_from(id),
                     .source_id = number / world->ids % 2 ? STR("source-1") : STR("source-2"),
                     .destination_id = STR("dest"),
                     .reference = STR("ref"),
                     .unit = STR("EUR"),
                     .time_us = number};
    const StoreInfo *info = store_info(world->store);
    record.identity_hash = record_identity_hash(&record, info->identity, info->hash_seed);
    return record;
}

static void apply_ids(IdWorld *world, int64_t count)
{
    enum { MANY = 8192 };
    static Record records[MANY];
    static Outcome outcomes[MANY];
    static char ids[MANY][ID_BYTES];
    Error error;
    bool more;
    while (count > 0) {
        size_t size = count < MANY ? (size_t)count : MANY;
        Work work = {.kind = WORK_RECORDS, .records = {.items = records, .outcomes = outcomes, .count = size}};
        for (size_t i = 0; i < size; i++) {
            records[i] = id_record(world, world->records++, ids[i]);
        }
        assert_int_equal(store_apply(world->store, &work, &error), STATUS_OK);
        assert_int_equal(outcomes[size - 1].kind, OUTCOME_CREATED);
        assert_int_equal(store_maintain(world->store, false, &more, &error), STATUS_OK);
        count -= (int64_t)size;
    }
}

/* Each step ends its look, and more of the id comes in after the first one: the answer is that of the moment when it
 * began. */
static void check_id(IdWorld *world, int64_t number)
{
    char id[ID_BYTES];
    QueryOptions options = query_options_default(store_info(world->store));
    Query *query;
    Error error;
    Buf out;
    bool done = false;
    int steps = 0;
    int64_t bound = world->records, seq = number + 1;
    options.step_us_max = 0;
    buf_init(&out, 1 << 20);
    snprintf(id, sizeof id, "rec-%lld", (long long)number);
    assert_int_equal(query_find_new(str_from(id), STR(""), &options, &query), STATUS_OK);
    for (; !done; steps++) {
        assert_int_equal(query_step(query, world->reader, 1, &out, &done, &error), STATUS_OK);
        if (steps == 0) {
            apply_ids(world, 300);
        }
    }
    query_free(query);
    assert_int_equal(steps, (bound + FIND_ENTRIES_MAX - 1) / FIND_ENTRIES_MAX);
    buf_put_char(&out, '\0');
    for (const char *at = strstr(out.ptr, "{\"id\":"); at; at = strstr(at + 1, "{\"id\":"), seq += world->ids) {
        assert_int_equal(strtoll(at + 6, NULL, 10), seq);
    }
    assert_in_range(seq, bound + 1, bound + world->ids);
    buf_release(&out);
}

static void test_id_that_is_not_the_identity(void **state)
{
    (void)state;
    IdWorld world;
    open_ids(&world, IDENTITY_CONTENT, 2000);
    apply_ids(&world, ID_RECORDS);
    check_id(&world, 0);
    check_id(&world, world.records % world.ids + 10); /* the next of it comes in meanwhile */
    close_ids(&world);
    open_ids(&world, IDENTITY_SOURCE_AND_RECORD_ID, ID_RECORDS / 2 + 500);
    apply_ids(&world, ID_RECORDS);
    check_id(&world, 17);
    check_id(&world, world.records % world.ids + 10);
    close_ids(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages_of_an_older_moment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_look_is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_moment, setup, teardown),
        cmocka_unit_test(test_id_that_is_not_the_identity),
    };
    return cmocka_run_group_tests_name("query_store", tests, NULL, NULL);
}
