/* What a request makes of a body and of a question, while memory gives out: each piece of work is done again and again,
 * and each time another of its allocations fails, alone, with a few or with all behind it. Its answer is the same as
 * ever, or that nothing happened and it may be tried again: never another answer, never a fault of the client's.
 * Nothing leaks, and the next try succeeds.
 * With WEIR_TORTURE=all each of the allocations fails, else some of each piece of work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config.h"
#include "http/records_call.h"
#include "http/slice.h"
#include "http/uri.h"
#include "query/reprocess.h"
#include "record/cloudevents.h"
#include "record/record_check.h"
#include "store/store.h"
#include "support/random.h"
#include "support/scratch_dir.h"
#include "support/torture.h"

enum { ANSWER_BYTES_MAX = 1 << 18, RECORDS = 400, EVENTS = 24, STEPS_MAX = 100000, FAILURES_WANTED = 60 };

/* What a piece of work says, put together where no allocation is needed. */
typedef struct Said {
    Status status;
    size_t len;
    char text[ANSWER_BYTES_MAX];
} Said;

static void say(Said *answer, Str text)
{
    assert_true(answer->len + text.len <= sizeof answer->text);
    memcpy(answer->text + answer->len, text.len ? text.ptr : "", text.len);
    answer->len += text.len;
}

static void say_number(Said *answer, int64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%lld ", (long long)number);
    say(answer, str_from(text));
}

typedef void Doing(Said *answer, const char *text);

/* ---- Records ----------------------------------------------------------------------------------------------------- */

static const RecordPolicy policy = {.scale = 2, .identity = IDENTITY_RECORD_ID, .hash_seed = 5};

#define RECORD                                                                                                         \
    "\"recordId\":\"r\\u0041\",\"time\":\"2025-01-01T10:00:00Z\",\"sourceId\":\"s\",\"destinationId\":\"d\","          \
    "\"type\":\"positive\",\"value\":1.5e2,\"unit\":\"EUR\",\"reference\":\"r\""

#define LOOSE "\"client\":\"c\",\"metric\":\"m\""

/* A copy with what the reader needs behind it. */
static char *padded(const char *text, size_t *ret_len)
{
    static char copy[1 << 16];
    *ret_len = strlen(text);
    assert_true(*ret_len + YYJSON_PADDING_SIZE < sizeof copy);
    memset(copy, 0, sizeof copy);
    memcpy(copy, text, *ret_len);
    return copy;
}

static void say_record(Said *answer, const Record *record)
{
    say(answer, record->record_id);
    say(answer, record->reference);
    say_number(answer, record->value);
    say_number(answer, record->time_us);
}

static void say_problems(Said *answer, const RecordProblems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        say(answer, problems->items[i].field);
        say(answer, str_from(problems->items[i].problem));
    }
    say_number(answer, (int64_t)problems->unknown_count);
}

static void read_line(Said *answer, const char *text)
{
    size_t len;
    Arena arena;
    Record record;
    RecordProblems problems;
    char *line = padded(text, &len);
    arena_init(&arena, 256, 1 << 20);
    answer->status = record_parse_line(line, len, &policy, &arena, &record, &problems);
    if (answer->status == STATUS_OK) {
        say_record(answer, &record);
    }
    if (answer->status != STATUS_BUSY) {
        say_problems(answer, &problems);
    }
    arena_release(&arena);
}

static void read_body(Said *answer, const char *text)
{
    size_t len;
    Arena arena;
    Error error;
    Record record;
    RecordProblems problems;
    yyjson_val *root = NULL, *data;
    Str traceparent;
    char *body = padded(text, &len);
    arena_init(&arena, 256, 1 << 20);
    answer->status = json_read(body, len, &arena, &root, &error);
    if (answer->status == STATUS_REFUSED) {
        say(answer, str_from(error.message));
    }
    data = root;
    if (answer->status == STATUS_OK && yyjson_obj_get(root, "specversion")) {
        answer->status = cloudevent_open(root, &policy, &data, &traceparent, &problems);
    }
    if (answer->status == STATUS_OK) {
        answer->status = record_from_json(data, &policy, &record, &problems);
        if (answer->status != STATUS_BUSY) {
            say_problems(answer, &problems);
        }
    }
    arena_release(&arena);
}

static void read_target(Said *answer, const char *text)
{
    Arena arena;
    Uri uri;
    Str bad;
    Error error;
    arena_init(&arena, 64, 1 << 20);
    answer->status = uri_parse(str_from(text), &arena, &uri, &bad, &error);
    for (size_t i = 0; answer->status == STATUS_OK && i < uri.param_count; i++) {
        say(answer, uri.params[i].name);
        say(answer, uri.params[i].value);
    }
    arena_release(&arena);
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

static MappingSet *mappings;

static void say_set(Said *answer, const EventSet *set)
{
    for (size_t i = 0; i < set->count; i++) {
        say(answer, set->items[i].raw);
        say(answer, set->items[i].client);
        say(answer, set->letters[i].place);
    }
    for (size_t i = 0; i < set->failed_count; i++) {
        say(answer, set->failed[i].client);
        say(answer, set->refused[i].place);
        say(answer, set->refused[i].format);
        say(answer, set->refused[i].error);
    }
}

/* As of a line, whose bytes are kept before reading changes them. */
static Status take_event(Said *answer, EventSet *set, char *body, size_t len)
{
    Error error;
    Record record;
    RecordProblems problems;
    yyjson_val *root = NULL;
    Str raw = arena_copy(set->arena, (Str){body, len});
    Status status = raw.ptr ? json_read(body, len, set->arena, &root, &error) : STATUS_BUSY;
    if (status == STATUS_REFUSED) {
        record_problems_reset(&problems);
        record_problems_add(&problems, STR("event"), error.message);
        status = event_set_refuse(set, raw, 1, &problems);
        return status == STATUS_OK ? STATUS_REFUSED : status;
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = event_set_read(set, root, raw, 1, &record, &problems);
    if (status == STATUS_OK) {
        say_record(answer, &record);
    }
    return status;
}

/* One that fails for want of memory leaves nothing that would be handed in. */
static void read_event(Said *answer, const char *text)
{
    size_t len;
    Arena arena;
    EventSet set;
    HttpServerOptions options = http_server_options_default();
    options.policy = &policy;
    options.mappings = mappings;
    options.clock = &clock_system;
    char *body = padded(text, &len);
    arena_init(&arena, 256, 1 << 20);
    bool ready = event_set_init(&set, &options, &arena, STR("shop"), 4);
    answer->status = ready ? take_event(answer, &set, body, len) : STATUS_BUSY;
    if (ready) {
        assert_int_equal(set.count, answer->status == STATUS_OK);
        assert_int_equal(set.failed_count, answer->status == STATUS_REFUSED);
        say_set(answer, &set);
    }
    arena_release(&arena);
}

static void make_slice(Said *answer, const char *text)
{
    HttpServerOptions options = http_server_options_default();
    options.policy = &policy;
    Slice *slice = slice_new(4096, 64, NULL);
    bool ready = slice && slice_expect_events(slice, &options, str_from(text)) && slice_reset(slice);
    answer->status = ready ? STATUS_OK : STATUS_BUSY;
    slice_free(slice);
}

/* ---- Questions, to a store that is there ------------------------------------------------------------------------- */

static char dir[256];
static Store *store;
static StoreReader *reader;

typedef Status NewQuery(const QueryParam *params, size_t count, QueryFormat format, const QueryOptions *options,
                        Query **ret_query, QueryProblems *problems);

/* Steps until all is said or one fails. */
static Status run_query(Query *query, Said *answer)
{
    Error error;
    Buf out;
    bool done = false;
    Status status = STATUS_OK;
    buf_init(&out, ANSWER_BYTES_MAX + 2 * QUERY_PIECE_BYTES_MAX);
    for (int i = 0; !done && status == STATUS_OK; i++) {
        assert_true(i < STEPS_MAX);
        status = query_step(query, reader, 2000, &out, &done, &error);
    }
    if (status == STATUS_OK) {
        say(answer, buf_str(&out));
    }
    buf_release(&out);
    query_free(query);
    return status;
}

static void ask(Said *answer, const char *text, QueryFormat format, NewQuery *new_query)
{
    Arena arena;
    Uri uri;
    Str bad;
    Error error;
    Query *query;
    static QueryProblems problems;
    QueryOptions options = query_options_default(store_info(store));
    options.mappings = mappings;
    options.policy = &policy;
    arena_init(&arena, 256, 1 << 20);
    answer->status = uri_parse(str_from(text), &arena, &uri, &bad, &error);
    if (answer->status == STATUS_OK) {
        answer->status = new_query(uri.params, uri.param_count, format, &options, &query, &problems);
    }
    if (answer->status == STATUS_OK) {
        answer->status = run_query(query, answer);
    }
    arena_release(&arena);
}

static void ask_list(Said *answer, const char *text) { ask(answer, text, QUERY_JSON, query_list_new); }
static void ask_csv(Said *answer, const char *text) { ask(answer, text, QUERY_CSV, query_list_new); }
static void ask_aggregate(Said *answer, const char *text) { ask(answer, text, QUERY_JSON, query_aggregate_new); }
static void ask_events(Said *answer, const char *text) { ask(answer, text, QUERY_JSON, query_events_new); }
static void ask_totals(Said *answer, const char *text) { ask(answer, text, QUERY_JSON, query_event_aggregate_new); }
static void ask_duplicates(Said *answer, const char *text)
{
    ask(answer, text, QUERY_JSON, query_event_duplicates_new);
}
static void ask_failures(Said *answer, const char *text) { ask(answer, text, QUERY_JSON, query_event_failures_new); }

static Status new_reprocess(const QueryParam *params, size_t count, QueryFormat format, const QueryOptions *options,
                            Query **ret_query, QueryProblems *problems)
{
    (void)format;
    return query_reprocess_new(&(ReprocessOptions){.after = 0}, params, count, options, ret_query, problems);
}
static void ask_reprocess(Said *answer, const char *text) { ask(answer, text, QUERY_JSON, new_reprocess); }

/* One event by its hash, or the counts. */
static void ask_event(Said *answer, const char *text)
{
    Query *query;
    QueryOptions options = query_options_default(store_info(store));
    answer->status =
        text[0] ? query_event_find_new(str_from(text), &options, &query) : query_event_stats_new(&options, &query);
    if (answer->status == STATUS_OK) {
        answer->status = run_query(query, answer);
    }
}

static void ask_feed(Said *answer, const char *text)
{
    Query *query;
    QueryOptions options = query_options_default(store_info(store));
    answer->status = query_feed_new(text[0] == 'a' ? FEED_ALERTS : FEED_NOTIFICATIONS, 3, 100, &options, &query);
    if (answer->status == STATUS_OK) {
        answer->status = run_query(query, answer);
    }
}

static void ask_rule(Said *answer, const char *text)
{
    Query *query;
    static QueryProblems problems;
    const AlertRule rule = {.type = -1, .threshold = 5000, .enabled = true, .unit = str_from(text)};
    QueryOptions options = query_options_default(store_info(store));
    answer->status = query_rule_test_new(&rule, NULL, 0, &options, &query, &problems);
    if (answer->status == STATUS_OK) {
        answer->status = run_query(query, answer);
    }
}

static void ask_one(Said *answer, const char *text)
{
    Query *query;
    QueryOptions options = query_options_default(store_info(store));
    answer->status = query_find_new(str_from(text), STR(""), &options, &query);
    if (answer->status == STATUS_OK) {
        answer->status = run_query(query, answer);
    }
}

/* ---- The answer to many records ---------------------------------------------------------------------------------- */

/* For want of memory it may list less, and says so; it counts right and is JSON all the same. */
static void render_results(Said *answer, const char *text)
{
    Results results;
    Buf out;
    results_init(&results, &(RecordsCall){.results = RESULTS_ALL}, NULL);
    for (uint64_t i = 0; i < 50; i++) {
        Record record = {.record_id = str_from(text)};
        Outcome outcome = {.kind = i % 2 ? OUTCOME_CREATED : OUTCOME_DUPLICATE, .seq = (int64_t)i + 1};
        results_add(&results, (ResultPlace){i, i + 1}, &record, &outcome);
    }
    bool truncated = results.truncated;
    torture_end();
    buf_init(&out, ANSWER_BYTES_MAX);
    results_put(&out, &results);
    yyjson_doc *doc = yyjson_read(out.ptr, out.len, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "received")), 50);
    assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "duplicates")), 25);
    assert_int_equal(yyjson_arr_size(yyjson_obj_get(root, "results")), results.listed);
    assert_int_equal(truncated, results.listed < 50);
    yyjson_doc_free(doc);
    answer->status = truncated ? STATUS_BUSY : STATUS_OK;
    buf_release(&out);
    results_release(&results);
}

/* ---- Configuration ----------------------------------------------------------------------------------------------- */

static void load_config(Said *answer, const char *text)
{
    const char *const environment[] = {text, "PATH=/bin", NULL};
    ConfigInput input = {.environment = environment};
    Config *config;
    Error error;
    answer->status = config_load(&input, &config, &error);
    if (answer->status == STATUS_OK) {
        say(answer, str_from(config_text(config, OPTION_STORE_DIR)));
        config_free(config);
    }
}

/* ---- Each in turn ------------------------------------------------------------------------------------------------ */

static char unknown_fields[8192]; /* so many that the set of keys takes memory */

static const struct {
    const char *name;
    Doing *work;
    const char *text;
} works[] = {
    {"a line", read_line, "{" RECORD "}"},
    {"a line with unknown fields", read_line, unknown_fields},
    {"a line that is not JSON", read_line, "{" RECORD ",}"},
    {"a line with a key twice", read_line, "{" RECORD ",\"x\":{\"a\":1,\"a\":2}}"},
    {"a body", read_body, "{" RECORD "}"},
    {"a body with unknown fields", read_body, unknown_fields},
    {"a CloudEvent", read_body,
     "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":{" RECORD "}}"},
    {"an event", read_event, "{" LOOSE ",\"amount\":\"1.200,50 EUR\",\"time\":\"31.12.2024\"}"},
    {"an event with escapes", read_event,
     "{" LOOSE ",\"amount\":\"5\\u0031\",\"time\":1700000000,\"branch\":\"\\u00e5\"}"},
    {"what is no event", read_event, "{\"metric\":7,\"amount\":\"x\"}"}, /* reasons that a buffer grows for */
    {"what is not JSON", read_event, "{" LOOSE},
    {"an event with unknown fields", read_event, unknown_fields},
    {"a slice of events", make_slice, "shop"},
    {"events as a list", ask_events, "/e?limit=10&client=c-1"},
    {"events in groups", ask_totals, "/e?window=day&measures=min,max,avg,p50"},
    {"events read again", ask_reprocess, "/e?client=c-0"},
    {"duplicates", ask_duplicates, "/e?limit=7&client=c-1"},
    {"failures", ask_failures, "/e?limit=3"},
    {"one event of the store", ask_event, "0000000000000000000000000000000000000000000000000000000000000003"},
    {"counts", ask_event, ""},
    {"an address", read_target, "/api/records?type=positive&destinationId=%41%42&reference=a+b"},
    {"a list", ask_list, "/r?limit=20&order=desc&unit=EUR"},
    {"a list as CSV", ask_csv, "/r?destinationId=dest-1"},
    {"groups", ask_aggregate, "/r?records=false&groupBy=destinationId,unit&measures=min,max,avg,p50,p99"},
    {"windows", ask_aggregate, "/r?records=false&window=day&timeZone=Europe/Stockholm&groupBy=type"},
    {"groups and records", ask_aggregate, "/r?startTime=2025-01-01T03:20:00Z&endTime=2025-01-06T11:11:11Z&limit=10"},
    {"notifications", ask_feed, "notifications"},
    {"alerts", ask_feed, "alerts"},
    {"a rule over history", ask_rule, "EUR"},
    {"one record", ask_one, "rec-17"},
    {"results", render_results, "rec-\xC3\xA5"},
    {"configuration", load_config, "WEIR_STORE_DIR=/somewhere/else"},
};

static uint64_t do_work(size_t number, uint64_t nth, uint64_t count, Said *answer)
{
    answer->status = STATUS_OK;
    answer->len = 0;
    torture_begin(nth, count);
    works[number].work(answer, works[number].text);
    return torture_end();
}

static bool is_same(const Said *a, const Said *b)
{
    return a->status == b->status && a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* Returns how many allocations failed. */
static uint64_t torture_work(size_t number, unsigned way)
{
    static Said expected, answer;
    do_work(number, 0, 0, &expected); /* what is made once and kept */
    uint64_t allocations = do_work(number, 0, 0, &expected);
    int64_t live = torture_live();
    uint64_t failed = 0, stride = torture_stride(allocations, FAILURES_WANTED);
    for (uint64_t nth = 1; nth <= allocations; nth += stride, failed++) {
        do_work(number, nth, torture_failures(nth, way), &answer);
        /* A refusal may say less of its reasons, but for those that are kept, with a dead letter. */
        bool is_kept = works[number].work == read_event;
        bool less = answer.status == STATUS_REFUSED && expected.status == STATUS_REFUSED && !is_kept;
        if (answer.status != STATUS_BUSY && !less && !is_same(&answer, &expected)) {
            fail_msg("%s: allocation %llu: %s: %.*s", works[number].name, (unsigned long long)nth,
                     status_name(answer.status), (int)answer.len, answer.text);
        }
        /* With memory again it is as ever, and what SQLite keeps of the pages that it read is, too, or grew once: a
         * leak comes again. */
        do_work(number, 0, 0, &answer);
        for (int again = 0; torture_live() != live && again < 2; again++) {
            live = torture_live();
            do_work(number, nth, torture_failures(nth, way), &answer);
            do_work(number, 0, 0, &answer);
        }
        if (!is_same(&answer, &expected) || torture_live() != live) {
            fail_msg("%s: after allocation %llu: %s, %lld blocks more", works[number].name, (unsigned long long)nth,
                     status_name(answer.status), (long long)(torture_live() - live));
        }
    }
    return failed;
}

static void test_each_work(void **state)
{
    (void)state;
    uint64_t failed = 0;
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        for (unsigned way = 0; way < TORTURE_WAYS; way++) {
            failed += torture_work(i, way);
        }
    }
    assert_true(failed > 600);
    print_message("# %llu times memory gave out\n", (unsigned long long)failed);
}

/* ---- The store --------------------------------------------------------------------------------------------------- */

static void fill_store(void)
{
    static Record records[RECORDS];
    static Outcome outcomes[RECORDS];
    static char ids[RECORDS][16], destinations[RECORDS][16];
    uint64_t seed = 7;
    Error error;
    for (int i = 0; i < RECORDS; i++) {
        snprintf(ids[i], sizeof ids[i], "rec-%d", i);
        snprintf(destinations[i], sizeof destinations[i], "dest-%d", (int)random_below(&seed, 12));
        records[i] = (Record){.record_id = str_from(ids[i]),
                              .source_id = STR("source-1"),
                              .destination_id = str_from(destinations[i]),
                              .unit = random_below(&seed, 2) ? STR("EUR") : STR("SEK"),
                              .reference = STR("ref-1"),
                              .type = random_below(&seed, 3) ? RECORD_POSITIVE : RECORD_NEGATIVE,
                              .value = (int64_t)random_below(&seed, 10000),
                              .time_us = INT64_C(1735700000000000) + (int64_t)random_below(&seed, 600000) * 1000000};
        const StoreInfo *info = store_info(store);
        records[i].identity_hash = record_identity_hash(&records[i], info->identity, info->hash_seed);
    }
    Work rule = {.kind = WORK_RULE_PUT, .rule = {.name = STR("r"), .type = -1, .threshold = 9000, .enabled = true}};
    assert_int_equal(store_apply(store, &rule, &error), STATUS_OK);
    for (int i = 0; i < RECORDS; i += 100) {
        bool more = i < 300; /* the last hundred stay in the log's tail */
        Work work = {.kind = WORK_RECORDS, .records = {.items = records + i, .outcomes = outcomes + i, .count = 100}};
        assert_int_equal(store_apply(store, &work, &error), STATUS_OK);
        while (more) {
            assert_int_equal(store_maintain(store, true, &more, &error), STATUS_OK);
        }
    }
}

/* Each comes twice, with one that is broken. */
static void fill_events(void)
{
    Error error;
    for (int i = 0; i < 2 * EVENTS; i++) {
        char id[80], client[16], raw[96];
        Outcome outcome;
        snprintf(id, sizeof id, "sha256:%064d", i % EVENTS);
        snprintf(client, sizeof client, "c-%d", i % 2);
        snprintf(raw, sizeof raw,
                 i % 3 ? "{\"client\":\"c\",\"n\":%d}"
                       : "{\"client\":\"c\",\"metric\":\"m\",\"amount\":%d,\"time\":1700000000}",
                 i % EVENTS);
        Record record = {.record_id = str_from(id),
                         .source_id = str_from(client),
                         .destination_id = str_from(client),
                         .unit = STR("EUR"),
                         .reference = STR("m"),
                         .type = RECORD_POSITIVE,
                         .value = i % EVENTS,
                         .time_us = INT64_C(1735700000000000)};
        record.identity_hash = record_identity_hash(&record, store_info(store)->identity, store_info(store)->hash_seed);
        const EventItem item = {.client = record.source_id, .raw = str_from(raw), .mapping = STR("shop")};
        const IntakeLetter letter = {.place = str_from(id), .format = STR("event:shop"), .raw = str_from(raw)};
        const IntakeLetter broken = {
            .place = str_from(raw), .format = STR("event:shop"), .raw = str_from(raw), .error = STR("is broken")};
        EventChange events = {.items = &item, .failed = &item, .failed_count = 1};
        IntakeChange intake = {
            .source = STR("events"), .letters = &letter, .refused = &broken, .refused_count = 1, .first_wins = true};
        Work work = {
            .kind = WORK_RECORDS,
            .records = {.items = &record, .outcomes = &outcome, .count = 1, .events = &events, .intake = &intake}};
        assert_int_equal(store_apply(store, &work, &error), STATUS_OK);
        assert_int_equal(work.status, STATUS_OK);
    }
}

static int set_up(void **state)
{
    (void)state;
    Error error;
    size_t len = (size_t)snprintf(unknown_fields, sizeof unknown_fields, "{" RECORD);
    for (int i = 0; i < 200; i++) {
        len += (size_t)snprintf(unknown_fields + len, sizeof unknown_fields - len, ",\"key-%d\":{\"a\":%d}", i, i);
    }
    snprintf(unknown_fields + len, sizeof unknown_fields - len, "}");
    scratch_dir_make(dir, sizeof dir);
    StoreOptions options = store_options_default(dir);
    options.background = false;
    options.publish_records = 100;
    options.free_reserve_bytes = 0;
    assert_int_equal(store_open(&options, &store, &error), STATUS_OK);
    fill_store();
    fill_events();
    const Mapping shop = {.name = STR("shop"),
                          .amounts = AMOUNT_COMMA,
                          .dates = DATE_DAY_FIRST,
                          .extra = {.items = &(const EventPath){.keys = {STR("branch")}, .depth = 1}, .count = 1}};
    assert_int_equal(mapping_set_new(&shop, 1, &mappings, &error), STATUS_OK);
    return store_reader_open(store, &reader, &error) == STATUS_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    store_reader_close(reader);
    store_close(store);
    mapping_set_free(mappings);
    scratch_dir_remove(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_work)};
    torture_sqlite();
    return cmocka_run_group_tests_name("torture-request", tests, set_up, tear_down);
}
