/* GET /api/events?status=duplicate and status=failed, GET /api/events/{hash} and GET /api/stats, on the fake store; in
 * one step, and in the shortest that there are. */
#include <stdlib.h>

#include "record/event_letter.h"
#include "support/handles.h"
#include "support/query_run.h"
#include "unit.h"

#define A     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B     "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C     "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define RAW_A "{\"client\" : \"A\"}"

static const RecordPolicy policy = {.scale = 2, .hash_seed = 77};
static const Mapping far_mapping = {.name = {"far", 3},
                                    .parts[EVENT_CLIENT] = {.items = &(const EventPath){{{"who", 3}}, 1}, .count = 1}};

typedef struct Fixture {
    ManualClock manual;
    Clock clock;
    Store *store;
    MappingSet *mappings;
    bool hasty;
} Fixture;

static int setup(void **state)
{
    Error error = {0};
    Fixture *fixture = test_calloc(1, sizeof *fixture);
    assert_int_equal(mapping_set_new(&far_mapping, 1, &fixture->mappings, &error), STATUS_OK);
    fixture->manual = (ManualClock){.wall_us = INT64_C(1735725600000000), .monotonic_us = 1};
    fixture->clock = manual_clock(&fixture->manual);
    fixture->store = fake_store_new(&run_info);
    fake_store_use_clock(fixture->store, &fixture->clock);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    fake_store_free(fixture->store);
    mapping_set_free(fixture->mappings);
    test_free(fixture);
    return 0;
}

/* ---- What is there ----------------------------------------------------------------------------------------------- */

static void apply(Fixture *fixture, Work *work)
{
    Error error = {0};
    assert_int_equal(store_apply(fixture->store, work, &error), STATUS_OK);
    assert_int_equal(work->status, STATUS_OK);
    manual_clock_move(&fixture->manual, 1000000);
}

static void send_event(Fixture *fixture, const char *hash, const char *client, const char *metric, int64_t value,
                       const char *raw)
{
    char id[80];
    Outcome outcome;
    int64_t now_us = fixture->manual.wall_us;
    snprintf(id, sizeof id, "sha256:%s", hash);
    Record record = run_record(1, "2024-01-02 00:00:00", client, "positive", value, "EUR");
    record.record_id = str_from(id);
    record.source_id = str_from(client);
    record.reference = str_from(metric);
    record.identity_hash = record_identity_hash(&record, run_info.identity, run_info.hash_seed);
    const EventItem item = {.client = record.source_id,
                            .raw = str_from(raw),
                            .mapping = STR("builtin"),
                            .received_us = now_us - 3,
                            .normalised_us = now_us - 2,
                            .hashed_us = now_us - 1};
    EventChange events = {.items = &item};
    Work work = {.kind = WORK_RECORDS,
                 .records = {.items = &record, .outcomes = &outcome, .count = 1, .events = &events}};
    apply(fixture, &work);
}

static void send_broken(Fixture *fixture, const char *source, const char *raw, const char *mapping, const char *client)
{
    Arena arena;
    arena_init(&arena, 1 << 10, 1 << 16);
    const EventItem failed = {.client = str_from(client), .received_us = fixture->manual.wall_us};
    const IntakeLetter letter = {.place = event_letter_place(str_from(raw), str_from(mapping), &arena),
                                 .format = event_letter_format(str_from(mapping), &arena),
                                 .raw = str_from(raw),
                                 .error = STR("is \"wrong\"")};
    EventChange events = {.failed = &failed, .failed_count = 1};
    IntakeChange intake = {.source = str_from(source), .refused = &letter, .refused_count = 1, .first_wins = true};
    Work work = {.kind = WORK_RECORDS, .records = {.events = &events, .intake = &intake}};
    apply(fixture, &work);
    arena_release(&arena);
}

static void send_broken_record(Fixture *fixture)
{
    const IntakeLetter letter = {
        .place = STR("a.json:1"), .format = STR("json"), .raw = STR("{\"client\":\"A\"}"), .error = STR("no record")};
    IntakeChange intake = {.source = STR("files"), .refused = &letter, .refused_count = 1};
    Work work = {.kind = WORK_RECORDS, .records = {.intake = &intake}};
    apply(fixture, &work);
}

/* ---- Asking ------------------------------------------------------------------------------------------------------ */

static QueryOptions options_of(const Fixture *fixture)
{
    QueryOptions options = fixture->hasty ? run_options_hasty() : run_options();
    options.mappings = fixture->mappings;
    options.policy = &policy;
    return options;
}

typedef Status MakeQuery(const QueryParam *params, size_t count, QueryFormat format, const QueryOptions *options,
                         Query **ret_query, QueryProblems *problems);

static char *ask(const Fixture *fixture, MakeQuery *make, const char *params)
{
    QueryParam list[RUN_PARAMS_MAX];
    QueryOptions options = options_of(fixture);
    QueryProblems problems = {0};
    Query *query = NULL;
    Status status = make(list, run_params(params, list), QUERY_JSON, &options, &query, &problems);
    if (status != STATUS_OK) {
        fail_msg("%s %s", problems.items[0].field, problems.items[0].problem);
    }
    return run_to_end(query, fixture->store, fixture->hasty ? 1 : 1 << 20);
}

/* The values of a member, a space behind each; in one step and in many. */
static void check_values(Fixture *fixture, MakeQuery *make, const char *params, const char *member,
                         const char *expected)
{
    char key[32];
    size_t key_len = (size_t)snprintf(key, sizeof key, "\"%s\":", member);
    for (int way = 0; way < 2; way++) {
        char found[4096] = "";
        fixture->hasty = way == 1;
        char *answer = ask(fixture, make, params);
        for (const char *at = strstr(answer, key); at; at = strstr(at, key)) {
            at += key_len;
            size_t len = strlen(found);
            snprintf(found + len, sizeof found - len, "%.*s ", (int)strcspn(at, ",}]"), at);
        }
        assert_string_equal(found, expected);
        free(answer);
    }
    fixture->hasty = false;
}

static void check_has(char *answer, const char *expected)
{
    if (!strstr(answer, expected)) {
        fail_msg("%s\nhas no %s", answer, expected);
    }
    free(answer);
}

static void check_problem(const Fixture *fixture, MakeQuery *make, const char *params, const char *field)
{
    QueryParam list[RUN_PARAMS_MAX];
    QueryOptions options = options_of(fixture);
    QueryProblems problems = {0};
    Query *query = NULL;
    assert_int_equal(make(list, run_params(params, list), QUERY_JSON, &options, &query, &problems), STATUS_REFUSED);
    assert_int_equal(problems.count, 1);
    assert_string_equal(problems.items[0].field, field);
}

/* ---- Duplicates -------------------------------------------------------------------------------------------------- */

static void put_duplicates(Fixture *fixture)
{
    send_event(fixture, A, "A", "m", 100, RAW_A);
    send_event(fixture, B, "B", "n", 200, "{}");
    send_event(fixture, A, "A", "m", 100, "1");
    send_event(fixture, B, "B", "n", 200, "2");
    send_event(fixture, A, "A", "m", 101, "3");
}

static void test_duplicates(void **state)
{
    Fixture *fixture = *state;
    check_values(fixture, query_event_duplicates_new, "", "attempt", "");
    check_values(fixture, query_event_duplicates_new, "", "nextCursor", "null ");
    put_duplicates(fixture);
    check_values(fixture, query_event_duplicates_new, "", "attempt", "3 2 2 ");
    check_values(fixture, query_event_duplicates_new, "", "client", "\"A\" \"B\" \"A\" ");
    check_values(fixture, query_event_duplicates_new, "client=A", "attempt", "3 2 ");
    check_values(fixture, query_event_duplicates_new, "metric=n&unit=EUR", "attempt", "2 ");
    check_values(fixture, query_event_duplicates_new, "startDate=2024-01-03", "attempt", "");
    check_values(fixture, query_event_duplicates_new, "endDate=2024-01-02", "attempt", "3 2 2 ");
    check_values(fixture, query_event_duplicates_new, "", "amount",
                 "\"1.00\" \"2.00\" \"1.00\" "); /* as it is stored */
    check_has(ask(fixture, query_event_duplicates_new, "limit=1"),
              "\"status\":\"duplicate\",\"attempt\":3,\"receivedAt\":\"2025-01-01T10:00:03.999997Z\"}]");
}

/* All of the `count` duplicates, the newest first, in pages of `limit`. */
static void check_pages(Fixture *fixture, int count, int limit)
{
    char cursor[32] = "", params[64];
    int expected = count + 1;
    for (int pages = 0; strcmp(cursor, "null") != 0; pages++) {
        fixture->hasty = pages % 2;
        snprintf(params, sizeof params, "limit=%d%s%s", limit, *cursor ? "&cursor=" : "", cursor);
        char *answer = ask(fixture, query_event_duplicates_new, params);
        for (char *at = strstr(answer, "\"attempt\":"); at; at = strstr(at + 1, "\"attempt\":"), expected--) {
            assert_int_equal(strtol(at + strlen("\"attempt\":"), NULL, 10), expected);
        }
        const char *next = strstr(answer, "\"nextCursor\":");
        assert_non_null(next);
        next += strlen("\"nextCursor\":");
        next += *next == '"';
        snprintf(cursor, sizeof cursor, "%.*s", (int)strcspn(next, "\"}"), next);
        assert_in_range(pages, 0, count / limit);
        free(answer);
    }
    assert_int_equal(expected, 1);
}

/* Also a page that is longer than what is read of the store at once. */
static void test_pages_of_duplicates(void **state)
{
    enum { COUNT = 600 };
    Fixture *fixture = *state;
    for (int i = 0; i <= COUNT; i++) {
        send_event(fixture, A, "A", "m", 100, "1");
    }
    check_pages(fixture, COUNT, 97);
    check_pages(fixture, COUNT, 299);
    check_pages(fixture, COUNT, 1000);
}

/* ---- Failures ---------------------------------------------------------------------------------------------------- */

static void test_failures(void **state)
{
    Fixture *fixture = *state;
    send_broken(fixture, "events", "{\"client\":\"A\",\"amount\":1}", "", "A");
    send_broken(fixture, "events", "{\"broken", "", "");
    send_broken(fixture, "events", "{\"who\":\"B\"}", "far", "B");
    send_broken(fixture, "events", "{\"who\":\"B\"}", "gone", ""); /* the same bytes, to be read in another way */
    send_broken(fixture, "files", "{\"client\":\"A\"}", "", "A");  /* of another source */
    send_broken(fixture, "events", "{\"broken", "", "");           /* again */
    send_broken_record(fixture);
    check_values(fixture, query_event_failures_new, "", "deadLetter", "5 4 3 2 1 ");
    check_values(fixture, query_event_failures_new, "", "client",
                 "\"A\" \"A\" null \"B\" null \"A\" \"A\" "); /* the second and the last are the events' */
    check_values(fixture, query_event_failures_new, "", "attempts", "1 1 1 2 1 ");
    check_values(fixture, query_event_failures_new, "", "errorType",
                 "\"validation\" \"validation\" \"validation\" \"malformed\" \"validation\" ");
    check_values(fixture, query_event_failures_new, "client=B", "deadLetter", "3 ");
    check_values(fixture, query_event_failures_new, "client=nobody", "deadLetter", "");
    check_values(fixture, query_event_failures_new, "limit=2", "nextCursor", "\"4\" ");
    check_values(fixture, query_event_failures_new, "limit=2&cursor=2", "deadLetter", "1 ");
    check_values(fixture, query_event_failures_new, "endDate=2024-12-31", "deadLetter", "");
    check_has(
        ask(fixture, query_event_failures_new, "cursor=2"),
        "\"error\":\"is \\\"wrong\\\"\",\"event\":{\"client\":\"A\",\"amount\":1},\"rawBytes\":25,\"attempts\":1,");
    check_has(ask(fixture, query_event_failures_new, "cursor=3&limit=1"), "\"event\":null,\"rawBytes\":8,");
}

static Status step_once(Fixture *fixture, Budget *memory)
{
    QueryOptions options = options_of(fixture);
    QueryProblems problems = {0};
    Query *query = NULL;
    Error error = {.message = ""};
    bool done = false;
    Buf out;
    options.memory = memory;
    buf_init(&out, 1 << 20);
    assert_int_equal(query_event_failures_new(NULL, 0, QUERY_JSON, &options, &query, &problems), STATUS_OK);
    Status status = query_step(query, fake_store_reader(fixture->store), 1 << 20, &out, &done, &error);
    assert_true(done == (status == STATUS_OK));
    query_free(query);
    buf_release(&out);
    return status;
}

/* What is read of a long one counts with what other requests hold; of a short one nothing does. */
static void test_memory_for_failures(void **state)
{
    enum { LONG_BYTES = 100000 };
    Fixture *fixture = *state;
    Budget all = {.bytes_max = 120000}, others = {.whole = &all};
    char *raw = test_calloc(LONG_BYTES + 1, 1);
    memset(raw, 'x', LONG_BYTES);
    assert_true(budget_take(&others, 100000));
    send_broken(fixture, "A", "short", "", "A");
    assert_int_equal(step_once(fixture, &all), STATUS_OK);
    send_broken(fixture, "A", raw, "", "A");
    assert_int_equal(step_once(fixture, &all), STATUS_BUSY);
    assert_int_equal(step_once(fixture, NULL), STATUS_OK);
    budget_give_back(&others, 100000);
    assert_int_equal(step_once(fixture, &all), STATUS_OK);
    assert_int_equal(all.taken, 0);
    test_free(raw);
}

static void test_what_is_settled_is_listed_no_more(void **state)
{
    Fixture *fixture = *state;
    send_broken(fixture, "events", "{\"a\":1}", "", "");
    send_broken(fixture, "events", "{\"a\":2}", "", "");
    Work work = {.kind = WORK_DEAD_LETTERS,
                 .dead_letters = {.filter = DEAD_LETTER_FILTER_ALL, .action = DEAD_LETTER_DISCARD, .limit = 1}};
    apply(fixture, &work);
    check_values(fixture, query_event_failures_new, "", "deadLetter", "2 ");
    work.dead_letters.action = DEAD_LETTER_RETRY;
    apply(fixture, &work);
    check_values(fixture, query_event_failures_new, "", "deadLetter", "2 "); /* it may fail again */
}

static void test_problems(void **state)
{
    const Fixture *fixture = *state;
    MakeQuery *const both[] = {query_event_duplicates_new, query_event_failures_new};
    for (size_t i = 0; i < 2; i++) {
        check_problem(fixture, both[i], "order=asc", "order");
        check_problem(fixture, both[i], "cursor=x", "cursor");
        check_problem(fixture, both[i], "cursor=0", "cursor");
        check_problem(fixture, both[i], "cursor=9223372036854775808", "cursor");
        check_problem(fixture, both[i], "sourceId=A", "sourceId");
    }
    check_problem(fixture, query_event_failures_new, "metric=m", "metric");
    check_problem(fixture, query_event_failures_new, "unit=EUR", "unit");
}

/* ---- One event --------------------------------------------------------------------------------------------------- */

static Query *find_query(const Fixture *fixture, const char *hash)
{
    Query *query = NULL;
    QueryOptions options = options_of(fixture);
    assert_int_equal(query_event_find_new(str_from(hash), &options, &query), STATUS_OK);
    return query;
}

static void test_one_event(void **state)
{
    Fixture *fixture = *state;
    put_duplicates(fixture);
    for (int way = 0; way < 2; way++) {
        fixture->hasty = way == 1;
        char *answer = run_to_end(find_query(fixture, A), fixture->store, 1 << 20);
        assert_string_equal(
            answer,
            "{\"data\":{\"hash\":\"" A "\",\"recordId\":\"sha256:" A
            "\",\"id\":1,\"client\":\"A\",\"metric\":\"m\",\"amount\":\"1.00\",\"unit\":\"EUR\","
            "\"timestamp\":\"2024-01-02T00:00:00Z\",\"receivedAt\":\"2025-01-01T09:59:59.999997Z\",\"mapping\":"
            "\"builtin\",\"event\":" RAW_A ",\"attempts\":3,\"log\":["
            "{\"attempt\":1,\"status\":\"processed\",\"receivedAt\":\"2025-01-01T09:59:59.999997Z\",\"normalisedAt\":"
            "\"2025-01-01T09:59:59.999998Z\",\"hashedAt\":\"2025-01-01T09:59:59.999999Z\",\"decidedAt\":"
            "\"2025-01-01T10:00:00Z\"},"
            "{\"attempt\":2,\"status\":\"duplicate\",\"receivedAt\":\"2025-01-01T10:00:01.999997Z\",\"normalisedAt\":"
            "\"2025-01-01T10:00:01.999998Z\",\"hashedAt\":\"2025-01-01T10:00:01.999999Z\",\"decidedAt\":"
            "\"2025-01-01T10:00:02Z\"},"
            "{\"attempt\":3,\"status\":\"duplicate\",\"receivedAt\":\"2025-01-01T10:00:03.999997Z\",\"normalisedAt\":"
            "\"2025-01-01T10:00:03.999998Z\",\"hashedAt\":\"2025-01-01T10:00:03.999999Z\",\"decidedAt\":"
            "\"2025-01-01T10:00:04Z\",\"differs\":[\"amount\"]}],\"corrections\":[]}}");
        free(answer);
    }
}

/* Of many attempts the newest are told, and how many they were. */
static void test_an_event_that_came_often(void **state)
{
    Fixture *fixture = *state;
    for (int i = 0; i < 150; i++) {
        send_event(fixture, A, "A", "m", 100, "1");
    }
    char *answer = run_to_end(find_query(fixture, A), fixture->store, 1 << 20);
    assert_non_null(strstr(answer, "\"attempts\":150,"));
    assert_null(strstr(answer, "\"attempt\":50,"));
    assert_non_null(strstr(answer, "{\"attempt\":51,\"status\":\"duplicate\""));
    assert_non_null(strstr(answer, "{\"attempt\":150,"));
    free(answer);
}

static void check_not_found(const Fixture *fixture, const char *hash)
{
    Buf out;
    Error error = {0};
    bool done = false;
    Status status = STATUS_OK;
    Query *query = find_query(fixture, hash);
    buf_init(&out, 1 << 20);
    for (int i = 0; status == STATUS_OK; i++) {
        assert_true(i < 1000 && !done);
        status = query_step(query, fake_store_reader(fixture->store), 1 << 20, &out, &done, &error);
    }
    assert_int_equal(status, STATUS_REFUSED);
    query_free(query);
    buf_release(&out);
}

static void test_no_event(void **state)
{
    Fixture *fixture = *state;
    put_duplicates(fixture);
    Record record = run_record(1, "2024-01-02 00:00:00", "d", "positive", 1, "EUR");
    record.record_id = STR("sha256:" C); /* a record of that name is none */
    fake_store_add(fixture->store, &record);
    check_not_found(fixture, C);
    check_not_found(fixture, "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd");
}

/* ---- Counts ------------------------------------------------------------------------------------------------------ */

static void check_stats(const Fixture *fixture, const char *expected)
{
    Query *query = NULL;
    QueryOptions options = options_of(fixture);
    assert_int_equal(query_event_stats_new(&options, &query), STATUS_OK);
    char *answer = run_to_end(query, fixture->store, 1);
    assert_string_equal(answer, expected);
    free(answer);
}

static void test_stats(void **state)
{
    Fixture *fixture = *state;
    check_stats(fixture,
                "{\"data\":{\"received\":0,\"processed\":0,\"duplicates\":0,\"failed\":0,\"unnamed\":{\"received\":0,"
                "\"processed\":0,\"duplicates\":0,\"failed\":0},\"clients\":[]}}");
    put_duplicates(fixture);
    send_broken(fixture, "events", "{", "", "");
    send_broken(fixture, "events", "{}", "", "B");
    fixture->hasty = true;
    check_stats(fixture,
                "{\"data\":{\"received\":7,\"processed\":2,\"duplicates\":3,\"failed\":2,\"unnamed\":{\"received\":1,"
                "\"processed\":0,\"duplicates\":0,\"failed\":1},\"clients\":["
                "{\"client\":\"A\",\"received\":3,\"processed\":1,\"duplicates\":2,\"failed\":0,\"firstAt\":"
                "\"2025-01-01T09:59:59.999997Z\",\"lastAt\":\"2025-01-01T10:00:03.999997Z\"},"
                "{\"client\":\"B\",\"received\":3,\"processed\":1,\"duplicates\":1,\"failed\":1,\"firstAt\":"
                "\"2025-01-01T10:00:00.999997Z\",\"lastAt\":\"2025-01-01T10:00:06Z\"}]}}");
}

static void test_the_store_cannot_be_read(void **state)
{
    Fixture *fixture = *state;
    put_duplicates(fixture);
    for (int which = 0; which < 4; which++) {
        Buf out;
        Error error = {0};
        bool done = false;
        Query *query = NULL;
        QueryProblems problems;
        QueryOptions options = options_of(fixture);
        Status status = which == 0   ? query_event_find_new(STR(A), &options, &query)
                        : which == 1 ? query_event_stats_new(&options, &query)
                        : which == 2 ? query_event_duplicates_new(NULL, 0, QUERY_JSON, &options, &query, &problems)
                                     : query_event_failures_new(NULL, 0, QUERY_JSON, &options, &query, &problems);
        assert_int_equal(status, STATUS_OK);
        buf_init(&out, 1 << 20);
        fake_store_fail(fixture->store, STATUS_BUSY);
        assert_int_equal(query_step(query, fake_store_reader(fixture->store), 1 << 20, &out, &done, &error),
                         STATUS_BUSY);
        fake_store_fail(fixture->store, STATUS_OK);
        query_free(query);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_duplicates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages_of_duplicates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_for_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_settled_is_listed_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(test_problems, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_event, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_event_that_came_often, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_event, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stats, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_store_cannot_be_read, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
