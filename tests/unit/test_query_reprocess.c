/* Events of the past, read again: on the fake store, through many small steps. */
#include "unit.h"

#include "query/reprocess.h"
#include "record/event.h"
#include "support/query_run.h"
#include "support/random.h"

#include <stdlib.h>

enum { EVENTS = 5, ROUND_US = 1000 };

/* One mapping, "shop", for client S: where the amount is differs. */
static MappingSet *mappings_with(const char *amount_key, const char *extra_key)
{
    Error error;
    Str client = STR("S");
    EventPath amount = {.keys = {str_from(amount_key)}, .depth = 1};
    EventPath extra = {.keys = {extra_key ? str_from(extra_key) : STR("none")}, .depth = 1};
    Mapping shop = {.name = STR("shop"),
                    .parts = {[EVENT_AMOUNT] = {&amount, 1}},
                    .extra = {&extra, extra_key ? 1 : 0},
                    .clients = &client,
                    .client_count = 1};
    MappingSet *set = NULL;
    assert_int_equal(mapping_set_new(&shop, 1, &set, &error), STATUS_OK);
    return set;
}

typedef struct World {
    Store *store;
    MappingSet *mappings;
    RecordPolicy policy;
    QueryOptions options;
    int64_t after_duplicate; /* of the next call */
    bool take_back;          /* likewise */
} World;

static void use(World *world, const char *amount_key, const char *extra_key)
{
    mapping_set_free(world->mappings);
    world->mappings = mappings_with(amount_key, extra_key);
    world->options = run_options_hasty();
    world->options.mappings = world->mappings;
    world->options.policy = &world->policy;
}

/* Reads it as an intake does, and hands it in. */
static OutcomeKind send_raw(World *world, const char *raw, int64_t received_us)
{
    char text[256 + YYJSON_PADDING_SIZE] = {0};
    Arena arena;
    Event event;
    RecordProblems problems;
    Error error;
    yyjson_val *value;
    Outcome outcome;
    memcpy(text, raw, strlen(raw));
    arena_init(&arena, 4096, 1 << 20);
    assert_int_equal(json_read(text, strlen(raw), &arena, &value, &error), STATUS_OK);
    assert_int_equal(event_from_json(value, world->mappings, (Str){"", 0}, &world->policy, &arena, &event, &problems),
                     STATUS_OK);
    EventItem item = {.client = event.record.source_id,
                      .raw = str_from(raw),
                      .mapping = event.mapping->name,
                      .received_us = received_us};
    EventChange change = {.items = &item};
    Work work = {.kind = WORK_RECORDS,
                 .records = {.items = &event.record, .outcomes = &outcome, .count = 1, .events = &change}};
    assert_int_equal(store_apply(world->store, &work, &error), STATUS_OK);
    arena_release(&arena);
    return outcome.kind;
}

static void send_event(World *world, int number)
{
    char raw[256];
    snprintf(raw, sizeof raw,
             "{\"client\":\"S\",\"metric\":\"m\",\"gross\":%d,\"net\":3,\"order\":\"o\",\"time\":1%08d}", number,
             number);
    assert_int_equal(send_raw(world, raw, number + ROUND_US), OUTCOME_CREATED);
}

/* All at one time. */
static OutcomeKind send_amounts(World *world, int gross, int net)
{
    char raw[256];
    snprintf(raw, sizeof raw,
             "{\"client\":\"S\",\"metric\":\"m\",\"gross\":%d,\"net\":%d,\"order\":\"o\",\"time\":1700000000}", gross,
             net);
    return send_raw(world, raw, ROUND_US);
}

static World *world_empty(void)
{
    World *world = test_calloc(1, sizeof *world);
    world->store = fake_store_new(&run_info);
    world->policy = (RecordPolicy){.scale = 2, .hash_seed = run_info.hash_seed};
    use(world, "gross", NULL);
    return world;
}

static World *world_new(void)
{
    World *world = world_empty();
    for (int i = 1; i <= EVENTS; i++) {
        send_event(world, i);
    }
    return world;
}

static void world_free(World *world)
{
    fake_store_free(world->store);
    mapping_set_free(world->mappings);
    test_free(world);
}

/* One call, with what it would write written when `apply`. To be freed. */
static char *reprocess(World *world, const char *params, int64_t after, bool apply)
{
    QueryParam list[RUN_PARAMS_MAX];
    QueryProblems problems;
    Query *query = NULL;
    Error error = {0};
    ReprocessOptions reprocess = {
        .after = after, .after_duplicate = world->after_duplicate, .take_back = world->take_back};
    Buf out;
    bool done = false;
    buf_init(&out, 1 << 20);
    assert_int_equal(
        query_reprocess_new(&reprocess, list, run_params(params, list), &world->options, &query, &problems), STATUS_OK);
    while (!done) {
        assert_int_equal(query_step(query, fake_store_reader(world->store), 1 << 20, &out, &done, &error), STATUS_OK);
    }
    ReprocessPlan plan = query_reprocess_plan(query);
    if (apply && plan.changes) {
        Outcome outcomes[2 * REPROCESS_LIMIT_DEFAULT];
        EventChange change = {.items = plan.items};
        Work work = {.kind = WORK_RECORDS,
                     .records = {.items = plan.records,
                                 .outcomes = outcomes,
                                 .count = plan.ends[plan.changes - 1],
                                 .atomic = true,
                                 .quiet = true,
                                 .events = &change}};
        assert_int_equal(store_apply(world->store, &work, &error), STATUS_OK);
        assert_int_equal(work.status, STATUS_OK);
    }
    query_free(query);
    buf_put_char(&out, '\0');
    return out.ptr;
}

static void check_begins(char *answer, const char *expected)
{
    if (strncmp(answer, expected, strlen(expected)) != 0) {
        fail_msg("%s\ndoes not begin with %s", answer, expected);
    }
    free(answer);
}

static void check_has(char *answer, const char *expected)
{
    if (!strstr(answer, expected)) {
        fail_msg("%s\nhas no %s", answer, expected);
    }
    free(answer);
}

/* ---- Tests ------------------------------------------------------------------------------------------------------- */

static void test_nothing_has_changed(void **state)
{
    (void)state;
    World *world = world_new();
    check_begins(reprocess(world, "", 0, true),
                 "{\"data\":{\"looked\":5,\"same\":5,\"changed\":0,\"unreadable\":0,\"next\":null,\"through\":5,"
                 "\"duplicates\":0,\"nextDuplicate\":null,\"changes\":[],\"unreadableEvents\":[]");
    check_begins(reprocess(world, "", 3, true), "{\"data\":{\"looked\":2,\"same\":2,");
    check_begins(reprocess(world, "client=T", 0, true), "{\"data\":{\"looked\":0,\"same\":0,");
    check_begins(reprocess(world, "endDate=1973-03-03 09:46:42", 0, true), "{\"data\":{\"looked\":2,");
    assert_int_equal(store_last_seq(world->store), EVENTS);
    world_free(world);
}

static void test_what_has_changed_is_put_right_once(void **state)
{
    (void)state;
    World *world = world_new();
    use(world, "net", NULL);
    /* The third is 3 by both. */
    check_begins(reprocess(world, "", 0, false), "{\"data\":{\"looked\":5,\"same\":1,\"changed\":4,");
    assert_int_equal(store_last_seq(world->store), EVENTS);
    check_begins(reprocess(world, "limit=2", 0, true),
                 "{\"data\":{\"looked\":2,\"same\":0,\"changed\":2,\"unreadable\":0,\"next\":2,\"through\":5,"
                 "\"duplicates\":0,\"nextDuplicate\":null,\"changes\":[{\"id\":1,\"was\":{");
    check_begins(reprocess(world, "limit=2", 0, true), "{\"data\":{\"looked\":5,\"same\":3,\"changed\":2,");
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":5,\"same\":5,\"changed\":0,");
    assert_int_equal(store_last_seq(world->store), EVENTS + 2 * 4);
    check_has(run_event_aggregate(world->store, "measures=min,max,p50", QUERY_JSON),
              "\"count\":5,\"sum\":\"15.00\",\"min\":\"3.00\",\"max\":\"3.00\",\"p50\":\"3.00\"}]");
    /* And back, in a second round. */
    use(world, "gross", NULL);
    check_has(reprocess(world, "", 0, true), ":4\",");
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":5,\"same\":5,\"changed\":0,");
    check_has(run_event_aggregate(world->store, "measures=min,max,avg", QUERY_JSON),
              "\"count\":5,\"sum\":\"15.00\",\"min\":\"1.00\",\"max\":\"5.00\",\"avg\":\"3.00\"}]");
    world_free(world);
}

static void test_another_id_is_a_change(void **state)
{
    (void)state;
    World *world = world_new();
    use(world, "gross", "order");
    check_has(reprocess(world, "", 0, true), "\"alias\":\"sha256:");
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":5,\"same\":5,\"changed\":0,");
    check_has(run_event_aggregate(world->store, "", QUERY_JSON), "\"count\":5,\"sum\":\"15.00\",\"min\":\"1.00\"");
    world_free(world);
}

static void check_amounts(World *world, const char *expected)
{
    check_has(run_event_aggregate(world->store, "measures=min,max", QUERY_JSON), expected);
}

/* Each gets the id that the other one had. */
static void test_two_change_places(void **state)
{
    (void)state;
    World *world = world_empty();
    assert_int_equal(send_amounts(world, 1, 2), OUTCOME_CREATED);
    assert_int_equal(send_amounts(world, 2, 1), OUTCOME_CREATED);
    use(world, "net", NULL);
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":2,\"same\":0,\"changed\":2,");
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":2,\"same\":2,\"changed\":0,");
    check_amounts(world, "\"count\":2,\"sum\":\"3.00\",\"min\":\"1.00\",\"max\":\"2.00\"}]");
    assert_int_equal(send_amounts(world, 1, 2), OUTCOME_DUPLICATE);
    assert_int_equal(send_amounts(world, 2, 1), OUTCOME_DUPLICATE);
    world_free(world);
}

/* The first counts, the other does not: until a mapping tells them apart again. */
static void test_two_are_one(void **state)
{
    (void)state;
    World *world = world_empty();
    assert_int_equal(send_amounts(world, 1, 3), OUTCOME_CREATED);
    assert_int_equal(send_amounts(world, 2, 3), OUTCOME_CREATED);
    use(world, "net", NULL);
    check_has(reprocess(world, "", 0, false), "\"becomes\":null,\"sameAs\":1}]");
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":2,\"same\":0,\"changed\":2,");
    assert_int_equal(store_last_seq(world->store), 2 + 3);
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":2,\"same\":2,\"changed\":0,");
    check_amounts(world, "\"count\":1,\"sum\":\"3.00\",\"min\":\"3.00\",\"max\":\"3.00\"}]");
    assert_int_equal(send_amounts(world, 2, 3), OUTCOME_DUPLICATE);
    use(world, "gross", NULL);
    check_has(reprocess(world, "", 0, true), "{\"id\":2,\"was\":null,\"becomes\":{"); /* itself, and not its retry */
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":3,\"same\":3,\"changed\":0,");
    check_amounts(world, "\"count\":2,\"sum\":\"3.00\",\"min\":\"1.00\",\"max\":\"2.00\"}]");
    world_free(world);
}

/* One call after the other, the second one finds what the first one put. */
static void test_two_are_one_in_two_calls(void **state)
{
    (void)state;
    World *world = world_empty();
    send_amounts(world, 1, 3);
    send_amounts(world, 2, 3);
    use(world, "net", NULL);
    check_has(reprocess(world, "limit=1", 0, true), "\"becomes\":{");
    check_has(reprocess(world, "limit=1", 1, true), "\"becomes\":null,\"sameAs\":4}]");
    check_amounts(world, "\"count\":1,\"sum\":\"3.00\",");
    world_free(world);
}

/* The client sends it again when the mapping is right, and nothing has been put right yet. */
static void test_a_retry_came_before(void **state)
{
    (void)state;
    World *world = world_empty();
    assert_int_equal(send_amounts(world, 1, 3), OUTCOME_CREATED);
    use(world, "net", NULL);
    assert_int_equal(send_amounts(world, 1, 3), OUTCOME_CREATED);
    check_has(reprocess(world, "", 0, true), "\"becomes\":null,\"sameAs\":2}]");
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":2,\"same\":2,\"changed\":0,");
    check_amounts(world, "\"count\":1,\"sum\":\"3.00\",\"min\":\"3.00\",");
    assert_int_equal(send_amounts(world, 1, 3), OUTCOME_DUPLICATE);
    world_free(world);
}

/* A new event means what an old one was taken for. */
static void test_a_meaning_that_was_given_to_another(void **state)
{
    (void)state;
    World *world = world_empty();
    assert_int_equal(send_amounts(world, 1, 3), OUTCOME_CREATED);
    use(world, "net", NULL);
    check_has(reprocess(world, "", 0, true), "\"changed\":1,");
    assert_int_equal(send_amounts(world, 7, 1), OUTCOME_CREATED);
    assert_int_equal(send_amounts(world, 7, 1), OUTCOME_DUPLICATE);
    assert_int_equal(send_amounts(world, 8, 1), OUTCOME_DUPLICATE);
    assert_int_equal(send_amounts(world, 1, 3), OUTCOME_DUPLICATE);
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":3,\"same\":3,\"changed\":0,");
    check_amounts(world, "\"count\":2,\"sum\":\"4.00\",\"min\":\"1.00\",\"max\":\"3.00\"}]");
    use(world, "gross", NULL);
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":3,\"same\":0,\"changed\":3,");
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":3,\"same\":3,\"changed\":0,");
    check_amounts(world, "\"count\":3,\"sum\":\"16.00\",\"min\":\"1.00\",\"max\":\"8.00\"}]");
    assert_int_equal(send_amounts(world, 1, 3), OUTCOME_DUPLICATE);
    assert_int_equal(send_amounts(world, 7, 1), OUTCOME_DUPLICATE);
    world_free(world);
}

/* ---- What was taken for a duplicate ------------------------------------------------------------------------------ */

enum { SENT = 12 };

/* The mapping that is wrong knows all of them by one amount. */
static World *world_of_one(void)
{
    World *world = world_empty();
    use(world, "net", NULL);
    for (int i = 1; i <= SENT; i++) {
        assert_int_equal(send_amounts(world, i, 3), i > 1 ? OUTCOME_DUPLICATE : OUTCOME_CREATED);
    }
    use(world, "gross", NULL);
    return world;
}

static void test_what_was_no_duplicate_counts(void **state)
{
    (void)state;
    World *world = world_of_one();
    check_has(reprocess(world, "", 0, false),
              "\"changes\":[{\"id\":1,\"duplicate\":1,\"was\":null,\"becomes\":{\"hash\":\"");
    check_begins(reprocess(world, "", 0, false), "{\"data\":{\"looked\":12,\"same\":0,\"changed\":12,\"unreadable\":0,"
                                                 "\"next\":null,\"through\":1,\"duplicates\":11,");
    assert_int_equal(store_last_seq(world->store), 1);
    free(reprocess(world, "", 0, true));
    assert_int_equal(store_last_seq(world->store), 1 + 11 + 2);
    check_amounts(world, "\"count\":12,\"sum\":\"78.00\",\"min\":\"1.00\",\"max\":\"12.00\"}]");
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":12,\"same\":12,\"changed\":0,");
    assert_int_equal(send_amounts(world, 7, 3), OUTCOME_DUPLICATE);
    /* And all of them are one again: the one that has that id. */
    use(world, "net", NULL);
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":12,\"same\":1,\"changed\":11,");
    check_amounts(world, "\"count\":1,\"sum\":\"3.00\",\"min\":\"3.00\",\"max\":\"3.00\"}]");
    world_free(world);
}

/* One event may have any number of them: a call goes through a part. */
static void test_pages_of_duplicates(void **state)
{
    (void)state;
    World *world = world_of_one();
    check_has(reprocess(world, "limit=5", 0, false), "\"next\":0,\"through\":1,\"duplicates\":5,\"nextDuplicate\":5,");
    world->after_duplicate = 5;
    check_begins(reprocess(world, "limit=4", 0, false),
                 "{\"data\":{\"looked\":4,\"same\":0,\"changed\":4,\"unreadable\":0,\"next\":0,\"through\":1,"
                 "\"duplicates\":4,\"nextDuplicate\":9,\"changes\":[{\"id\":1,\"duplicate\":6,");
    world->after_duplicate = 9;
    check_begins(reprocess(world, "limit=4", 0, false),
                 "{\"data\":{\"looked\":3,\"same\":0,\"changed\":3,\"unreadable\":0,\"next\":null,\"through\":1,"
                 "\"duplicates\":2,\"nextDuplicate\":null,");
    world->after_duplicate = 0;
    /* From the beginning each time, as after a kill: the event itself is the last one. */
    for (int i = 0; i < 3; i++) {
        check_has(reprocess(world, "limit=4&client=S", 0, true), i < 2 ? "\"nextDuplicate\":" : "\"next\":1,");
        assert_int_equal(store_last_seq(world->store), i < 2 ? 1 + 4 * (i + 1) : 1 + 11 + 2);
    }
    check_amounts(world, "\"count\":12,\"sum\":\"78.00\",");
    world_free(world);
}

static void test_duplicates_that_are_one(void **state)
{
    (void)state;
    World *world = world_empty();
    use(world, "net", NULL);
    assert_int_equal(send_amounts(world, 5, 3), OUTCOME_CREATED);
    assert_int_equal(send_amounts(world, 3, 3), OUTCOME_DUPLICATE); /* its id is the one that the event has now */
    send_raw(world, "{\"client\":\"S\",\"metric\":\"m\",\"gross\":\"3\",\"net\":3,\"order\":\"x\",\"time\":1700000000}",
             1);
    send_raw(world, "{\"client\":\"S\",\"metric\":\"m\",\"gross\":\"5\",\"net\":3,\"order\":\"x\",\"time\":1700000000}",
             1);
    assert_int_equal(send_amounts(world, 3, 8), OUTCOME_CREATED);
    use(world, "gross", NULL);
    /* The first of them counts; of the other one, and of the event behind, it is said. */
    check_has(reprocess(world, "", 0, false), "\"becomes\":null,\"sameAs\":1,\"sameAsDuplicate\":1}]");
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":5,\"same\":2,\"changed\":3,");
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":5,\"same\":5,\"changed\":0,");
    check_amounts(world, "\"count\":2,\"sum\":\"8.00\",\"min\":\"3.00\",\"max\":\"5.00\"}]");
    world_free(world);
}

/* Its client was told of the start with the right mapping, and sent it again. */
static void test_a_duplicate_came_again(void **state)
{
    (void)state;
    World *world = world_of_one();
    assert_int_equal(send_amounts(world, 7, 3), OUTCOME_CREATED);
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":13,\"same\":2,\"changed\":11,");
    check_amounts(world, "\"count\":12,\"sum\":\"78.00\",");
    world_free(world);
}

static void test_duplicates_that_cannot_be_read(void **state)
{
    (void)state;
    World *world = world_empty();
    use(world, "net", NULL);
    send_amounts(world, 1, 3);
    send_raw(world, "{\"client\":\"S\",\"metric\":\"m\",\"net\":3,\"order\":\"o\",\"time\":1700000000}", 1);
    use(world, "gross", NULL);
    check_has(reprocess(world, "", 0, true), "\"unreadableEvents\":[{\"id\":1,\"duplicate\":1,\"hash\":\"");
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":2,\"same\":1,\"changed\":0,\"unreadable\":1,");
    use(world, "vat", NULL); /* not even the event itself */
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":2,\"same\":0,\"changed\":0,\"unreadable\":2,");
    world_free(world);
}

/* ---- As if the mappings of now had been there from the beginning ------------------------------------------------- */

enum { AMOUNTS = 3, ORDERS = 2, KINDS = AMOUNTS * AMOUNTS * ORDERS };

/* Events of few kinds, so that many mean the same by one mapping or another; and those of them that ever came, whatever
 * they were taken for. */
typedef struct Universe {
    World *world;
    uint64_t random;
    bool by_net, by_order;
    bool there[KINDS];
} Universe;

static int gross_of(int kind) { return 1 + kind % AMOUNTS; }
static int net_of(int kind) { return 1 + kind / AMOUNTS % AMOUNTS; }
static int order_of(int kind) { return kind / AMOUNTS / AMOUNTS; }

/* What an event means by the mapping of now: a number below KINDS. */
static int meaning_of(const Universe *universe, int kind)
{
    int amount = universe->by_net ? net_of(kind) : gross_of(kind);
    return amount - 1 + (universe->by_order ? AMOUNTS * order_of(kind) : 0);
}

static OutcomeKind send_kind(Universe *universe, int kind)
{
    char raw[256];
    snprintf(raw, sizeof raw,
             "{\"client\":\"S\",\"metric\":\"m\",\"gross\":%d,\"net\":%d,\"order\":\"%d\",\"time\":1700000000}",
             gross_of(kind), net_of(kind), order_of(kind));
    OutcomeKind outcome = send_raw(universe->world, raw, ROUND_US);
    universe->there[kind] = true;
    return outcome;
}

static bool is_meant(const Universe *universe, int meaning)
{
    for (int kind = 0; kind < KINDS; kind++) {
        if (universe->there[kind] && meaning_of(universe, kind) == meaning) {
            return true;
        }
    }
    return false;
}

/* Each meaning counts once. */
static void check_totals(Universe *universe)
{
    char expected[64];
    int count = 0, sum = 0;
    for (int meaning = 0; meaning < KINDS; meaning++) {
        count += is_meant(universe, meaning);
        sum += is_meant(universe, meaning) ? 1 + meaning % AMOUNTS : 0;
    }
    if (count) {
        snprintf(expected, sizeof expected, "\"count\":%d,\"sum\":\"%d.00\",", count, sum);
        check_amounts(universe->world, expected);
    }
}

/* In pieces, as people and programs do. */
static void put_right(Universe *universe)
{
    char limit[32];
    for (int i = 0; i < 2 * KINDS; i++) {
        snprintf(limit, sizeof limit, "limit=%d", 1 + (int)random_below(&universe->random, 4));
        free(reprocess(universe->world, limit, 0, true));
    }
    check_has(reprocess(universe->world, "", 0, true), "\"changed\":0,\"unreadable\":0,\"next\":null");
}

static void send_what_is_known(Universe *universe)
{
    for (int kind = 0; kind < KINDS; kind++) {
        bool is_known = is_meant(universe, meaning_of(universe, kind));
        if (random_below(&universe->random, 2) == 0) {
            assert_int_equal(send_kind(universe, kind), is_known ? OUTCOME_DUPLICATE : OUTCOME_CREATED);
        }
    }
}

static void change_mapping(Universe *universe)
{
    universe->by_net = random_below(&universe->random, 2) == 0;
    universe->by_order = random_below(&universe->random, 2) == 0;
    use(universe->world, universe->by_net ? "net" : "gross", universe->by_order ? "order" : NULL);
}

static void run_universe(uint64_t seed)
{
    Universe universe = {.world = world_empty(), .random = seed};
    for (int round = 0; round < 8; round++) {
        change_mapping(&universe);
        for (uint64_t i = random_below(&universe.random, 6); i > 0; i--) { /* before anything is put right */
            send_kind(&universe, (int)random_below(&universe.random, KINDS));
        }
        if (random_below(&universe.random, 3) == 0) {
            continue; /* the next mapping is right */
        }
        put_right(&universe);
        check_totals(&universe);
        send_what_is_known(&universe);
        check_totals(&universe);
    }
    world_free(universe.world);
}

static void test_as_if_it_had_been_right_from_the_beginning(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        run_universe(seed);
    }
}

static void test_what_cannot_be_read_stays(void **state)
{
    (void)state;
    World *world = world_new();
    use(world, "vat", NULL);
    check_has(reprocess(world, "limit=3", 0, true), "\"changed\":0,\"unreadable\":3,\"next\":3,");
    check_has(reprocess(world, "", 0, true), "\"unreadableEvents\":[{\"id\":1,\"hash\":\"");
    check_has(reprocess(world, "", 0, true), "\"errors\":{\"amount\":[\"is missing");
    assert_int_equal(store_last_seq(world->store), EVENTS);
    world_free(world);
}

/* What it was read as may be wrong: it counts no more, until it can be read again. */
static void test_what_cannot_be_read_is_taken_back(void **state)
{
    (void)state;
    World *world = world_empty();
    send_amounts(world, 1, 2);
    send_raw(world, "{\"client\":\"S\",\"metric\":\"m\",\"gross\":5,\"order\":\"o\",\"time\":1700000000}", ROUND_US);
    send_amounts(world, 7, 5); /* by the mapping that comes now it is what cannot be read counts as */
    use(world, "net", NULL);
    world->take_back = true;
    check_has(reprocess(world, "", 0, false),
              "\"amount\":\"5.00\",\"unit\":\"none\",\"timestamp\":\"2023-11-14T22:13:20Z\",\"mapping\":"
              "\"shop\"},\"becomes\":null,\"errors\":{\"amount\":[\"is missing");
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":3,\"same\":0,\"changed\":3,\"unreadable\":0,");
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":3,\"same\":3,\"changed\":0,\"unreadable\":0,");
    check_amounts(world, "\"count\":2,\"sum\":\"7.00\",\"min\":\"2.00\",\"max\":\"5.00\"}]");
    world->take_back = false;
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":3,\"same\":2,\"changed\":0,\"unreadable\":1,");
    use(world, "gross", NULL);
    check_begins(reprocess(world, "", 0, true), "{\"data\":{\"looked\":3,\"same\":0,\"changed\":3,\"unreadable\":0,");
    check_amounts(world, "\"count\":3,\"sum\":\"13.00\",\"min\":\"1.00\",\"max\":\"7.00\"}]");
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_has_changed),
        cmocka_unit_test(test_what_has_changed_is_put_right_once),
        cmocka_unit_test(test_another_id_is_a_change),
        cmocka_unit_test(test_what_cannot_be_read_stays),
        cmocka_unit_test(test_what_cannot_be_read_is_taken_back),
        cmocka_unit_test(test_two_change_places),
        cmocka_unit_test(test_two_are_one),
        cmocka_unit_test(test_two_are_one_in_two_calls),
        cmocka_unit_test(test_a_retry_came_before),
        cmocka_unit_test(test_a_meaning_that_was_given_to_another),
        cmocka_unit_test(test_what_was_no_duplicate_counts),
        cmocka_unit_test(test_pages_of_duplicates),
        cmocka_unit_test(test_duplicates_that_are_one),
        cmocka_unit_test(test_a_duplicate_came_again),
        cmocka_unit_test(test_duplicates_that_cannot_be_read),
        cmocka_unit_test(test_as_if_it_had_been_right_from_the_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
