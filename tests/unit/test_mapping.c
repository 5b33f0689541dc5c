/* Mappings: paths, what a set refuses, and the configuration's. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/mappings_table.h"
#include "record/mapping_config.h"
#include "record/mapping_plan.h"

/* ---- Paths ------------------------------------------------------------------------------------------------------- */

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *text, *keys; /* with | between them, or ! and what is wrong */
    } cases[] = {
        {"amount", "amount"},
        {"payload.amount", "payload|amount"},
        {"items.0.price", "items|0|price"},
        {"a\\.b.c", "a.b|c"},
        {"a\\\\.b", "a\\|b"},
        {" a . b ", " a | b "},
        {"é.日", "é|日"},
        {"1.2.3.4.5.6.7.8", "1|2|3|4|5|6|7|8"},
        {"1.2.3.4.5.6.7.8.9", "! has more than 8 keys"},
        {"", "! is empty"},
        {".", "! has an empty key"},
        {"a.", "! has an empty key"},
        {".a", "! has an empty key"},
        {"a..b", "! has an empty key"},
        {"a\\b", "! has a backslash that is not in front of a point or another backslash"},
        {"a\\", "! has a backslash that is not in front of a point or another backslash"},
        {"\xff", "! is not valid UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Arena arena;
        EventPath path;
        char said[256] = "";
        arena_init(&arena, 4096, 1 << 16);
        const char *problem = event_path_parse(str_from(cases[i].text), &arena, &path);
        if (problem) {
            snprintf(said, sizeof said, "! %s", problem);
        }
        for (size_t k = 0; k < (problem ? 0 : path.depth); k++) {
            size_t len = strlen(said);
            snprintf(said + len, sizeof said - len, "%s%.*s", k > 0 ? "|" : "", STR_ARGS(path.keys[k]));
        }
        assert_string_equal(said, cases[i].keys);
        if (!problem && strcmp(cases[i].text, "a\\\\.b") != 0) {
            assert_text(mapping_path_text(&path, path.depth, &arena), cases[i].text);
        }
        arena_release(&arena);
    }
}

/* ---- Sets -------------------------------------------------------------------------------------------------------- */

static EventPath path_of(const char *key) { return (EventPath){.keys = {str_from(key)}, .depth = 1}; }

static void check_refused(const Mapping *items, size_t count, const char *expected)
{
    MappingSet *set = NULL;
    Error error = {0};
    assert_int_equal(mapping_set_new(items, count, &set, &error), STATUS_REFUSED);
    assert_null(set);
    assert_string_equal(error.message, expected);
}

static void test_refused(void **state)
{
    (void)state;
    static const Str acme[] = {STR("acme")}, blank[] = {STR("  ")};
    EventPath deep = {.depth = MAPPING_DEPTH_MAX + 1}, none = {.depth = 0}, empty = path_of("");
    const Mapping a = {.name = STR("a"), .clients = acme, .client_count = 1};
    check_refused((Mapping[]){{.name = STR("")}}, 1, "mappings: a name must have 1 to 64 characters");
    check_refused((Mapping[]){{.name = STR("builtin")}}, 1, "mappings.builtin: there is one of that name already");
    check_refused((Mapping[]){{.name = STR("a")}, {.name = STR("a")}}, 2,
                  "mappings.a: there is one of that name already");
    check_refused((Mapping[]){{.name = STR("a"), .parts = {[EVENT_TIME] = {&deep, 1}}}}, 1,
                  "mappings.a.time: has a path that has not 1 to 8 keys");
    check_refused((Mapping[]){{.name = STR("a"), .extra = {&none, 1}}}, 1,
                  "mappings.a.extra: has a path that has not 1 to 8 keys");
    check_refused((Mapping[]){{.name = STR("a"), .parts = {[EVENT_ID] = {&empty, 1}}}}, 1,
                  "mappings.a.id: has a path with a key that has not 1 to 255 bytes");
    check_refused((Mapping[]){{.name = STR("a"), .parts = {[EVENT_ID] = {&deep, MAPPING_PATHS_MAX + 1}}}}, 1,
                  "mappings.a.id: has more than 64 paths");
    check_refused((Mapping[]){a, {.name = STR("b"), .clients = acme, .client_count = 1}}, 2,
                  "mappings.b.clients: names \"acme\", as mappings.a does");
    check_refused((Mapping[]){{.name = STR("a"), .clients = blank, .client_count = 1}}, 1,
                  "mappings.a.clients: must be a string of 1 to 255 characters");
    check_refused(
        (Mapping[]){{.name = STR("a"), .defaults = {[EVENT_AMOUNT] = STR("1,200")}}}, 1,
        "mappings.a.default_amount: is ambiguous, as its separator may be one of thousands or of decimals: the "
        "mapping's amounts (point or comma) can say which");
    check_refused(
        (Mapping[]){{.name = STR("a"), .defaults = {[EVENT_TYPE] = STR("up")}}}, 1,
        "mappings.a.default_type: must be positive, credit, in, inbound, incoming, plus or +, or negative, debit, "
        "out, outbound, outgoing, minus or -");
    check_refused((Mapping[]){{.name = STR("a"), .defaults = {[EVENT_ID] = STR("1")}}}, 1,
                  "mappings.a.default_id: has no default: it would make all events one");
    check_refused((Mapping[]){{.name = STR("a"), .defaults = {[EVENT_CLIENT] = STR("\xff")}}}, 1,
                  "mappings.a.default_client: must be valid UTF-8");
}

static void test_too_many(void **state)
{
    (void)state;
    static Mapping items[MAPPINGS_MAX + 1];
    static char names[MAPPINGS_MAX + 1][8];
    MappingSet *set = NULL;
    Error error = {0};
    for (size_t i = 0; i <= MAPPINGS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "m%zu", i);
        items[i].name = str_from(names[i]);
    }
    check_refused(items, MAPPINGS_MAX + 1, "mappings: there are more than 64");
    assert_int_equal(mapping_set_new(items, MAPPINGS_MAX, &set, &error), STATUS_OK);
    assert_text(mapping_find(set, STR("m63"))->name, "m63");
    mapping_set_free(set);
    mapping_set_free(NULL);
}

/* What is left out is the built-in mapping's; what is given is copied. */
static void test_found(void **state)
{
    (void)state;
    char name[] = "shop", client[] = "acme", key[] = "sum";
    Str clients[] = {{client, 4}, STR("acme"), STR("b")};
    EventPath path = path_of(key);
    Mapping item = {.name = {name, 4}, .parts = {[EVENT_AMOUNT] = {&path, 1}}, .clients = clients, .client_count = 3};
    MappingSet *set = NULL;
    Error error = {0};
    assert_int_equal(mapping_set_new(&item, 1, &set, &error), STATUS_OK);
    memset(name, 'x', 4);
    memset(client, 'x', 4);
    memset(key, 'x', 3);
    const Mapping *shop = mapping_find(set, STR("shop")), *builtin = mapping_find(set, STR("builtin"));
    assert_non_null(shop);
    assert_ptr_equal(mapping_for_client(set, STR("acme")), shop);
    assert_ptr_equal(mapping_for_client(set, STR("b")), shop);
    assert_null(mapping_for_client(set, STR("c")));
    assert_null(mapping_find(set, STR("Shop")));
    assert_int_equal(shop->parts[EVENT_AMOUNT].count, 1);
    assert_text(shop->parts[EVENT_AMOUNT].items[0].keys[0], "sum");
    assert_int_equal(shop->parts[EVENT_TIME].count, builtin->parts[EVENT_TIME].count);
    assert_text(shop->defaults[EVENT_UNIT], "none");
    assert_int_equal(builtin->parts[EVENT_ID].count, 0);
    for (EventPart part = 0; part <= EVENT_UNIT; part++) {
        assert_in_range(builtin->parts[part].count, 1, MAPPING_PATHS_MAX);
    }
    mapping_set_free(set);
}

/* Each part and the extra fields with as many paths, each as deep, as there may be: the tree has a place for all. */
static void test_largest(void **state)
{
    (void)state;
    static char keys[EVENT_PART_COUNT + 1][MAPPING_PATHS_MAX][8];
    static EventPath paths[EVENT_PART_COUNT + 1][MAPPING_PATHS_MAX];
    Mapping item = {.name = STR("large")};
    MappingSet *set = NULL;
    Error error = {0};
    for (size_t list = 0; list <= EVENT_PART_COUNT; list++) {
        for (size_t i = 0; i < MAPPING_PATHS_MAX; i++) {
            snprintf(keys[list][i], sizeof keys[list][i], "%zu-%zu", list, i);
            paths[list][i].depth = MAPPING_DEPTH_MAX;
            for (size_t depth = 0; depth < MAPPING_DEPTH_MAX; depth++) {
                paths[list][i].keys[depth] = str_from(keys[list][i]);
            }
        }
        *(list < EVENT_PART_COUNT ? &item.parts[list] : &item.extra) = (EventPaths){paths[list], MAPPING_PATHS_MAX};
    }
    assert_int_equal(mapping_set_new(&item, 1, &set, &error), STATUS_OK);
    const MappingPlan *plan = mapping_plan(mapping_find(set, STR("large")));
    assert_int_equal(plan->count, MAPPING_NODES_MAX);
    uint16_t node = 0;
    for (size_t depth = 0; depth < MAPPING_DEPTH_MAX; depth++) {
        node = mapping_plan_step(plan, node, STR("2-63"));
        assert_int_not_equal(node, 0);
    }
    assert_true(plan->nodes[node].ends);
    assert_int_equal(plan->nodes[node].rank[EVENT_AMOUNT], 63);
    assert_int_equal(mapping_plan_step(plan, node, STR("2-63")), 0);
    mapping_set_free(set);
}

/* ---- The configuration's ----------------------------------------------------------------------------------------- */

static char file[] = "/tmp/weir-test-mappings-XXXXXX";

static Status read_config(const char *text, Config **ret_config, MappingSet **ret_set, Error *reterr)
{
    FILE *out = fopen(file, "we");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(config_load(&(ConfigInput){.file = file}, ret_config, reterr), STATUS_OK);
    return mapping_config_read(*ret_config, ret_set, reterr);
}

static void test_configured(void **state)
{
    (void)state;
    Config *config = NULL;
    MappingSet *set = NULL;
    Error error = {0};
    Status status = read_config(mappings_group.example, &config, &set, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, STATUS_OK);
    config_free(config);
    const Mapping *shop = mapping_find(set, STR("shop"));
    assert_non_null(shop);
    assert_ptr_equal(mapping_for_client(set, STR("shop-at")), shop);
    assert_int_equal(shop->parts[EVENT_AMOUNT].count, 2);
    assert_text(shop->parts[EVENT_AMOUNT].items[1].keys[1], "sum");
    assert_text(shop->parts[EVENT_ID].items[0].keys[1], "number");
    assert_text(shop->defaults[EVENT_UNIT], "EUR");
    assert_int_equal(shop->amounts, AMOUNT_COMMA);
    assert_int_equal(shop->dates, DATE_DAY_FIRST);
    assert_int_equal(shop->epoch, EPOCH_BY_SIZE);
    mapping_set_free(set);
}

static void test_configured_in_other_ways(void **state)
{
    (void)state;
    Config *config = NULL;
    MappingSet *set = NULL;
    Error error = {0};
    assert_int_equal(read_config("mappings:\n"
                                 "  a: {amounts: point, dates: month_first, epoch: microseconds, extra: [\"a,b\", c]}\n"
                                 "  b: {epoch: seconds, default_metric: calls, default_type: out, type: dir}\n",
                                 &config, &set, &error),
                     STATUS_OK);
    config_free(config);
    const Mapping *a = mapping_find(set, STR("a")), *b = mapping_find(set, STR("b"));
    assert_int_equal(a->amounts, AMOUNT_POINT);
    assert_int_equal(a->dates, DATE_MONTH_FIRST);
    assert_int_equal(a->epoch, EPOCH_MICROSECONDS);
    assert_int_equal(a->extra.count, 2);
    assert_text(a->extra.items[0].keys[0], "a,b");
    assert_int_equal(b->epoch, EPOCH_SECONDS);
    assert_text(b->defaults[EVENT_METRIC], "calls");
    assert_text(b->defaults[EVENT_TYPE], "out");
    assert_text(b->parts[EVENT_TYPE].items[0].keys[0], "dir");
    mapping_set_free(set);
}

static void check_config_refused(const char *text, bool names_file, const char *expected)
{
    Config *config = NULL;
    MappingSet *set = NULL;
    Error error = {0};
    assert_int_equal(read_config(text, &config, &set, &error), STATUS_REFUSED);
    assert_string_equal(error.message + (names_file ? strlen(file) : 0), expected);
    assert_null(set);
    config_free(config);
}

static void test_configured_wrongly(void **state)
{
    (void)state;
    check_config_refused("mappings.a.amount: [x, y..z]\n", true,
                         ":1: mappings.a.amount: the path \"y..z\" has an empty key");
    check_config_refused(
        "mappings.a.default_time: 01/02/2024\n", false,
        "mappings.a.default_time: has day and month in an order that is not known: the mapping's dates "
        "(day_first or month_first) can say it");
    check_config_refused("mappings.a.clients: x\nmappings.b.clients: [y, x]\n", false,
                         "mappings.b.clients: names \"x\", as mappings.a does");
}

/* A store that knows records by their content cannot tell events apart by anything else. */
static void test_beside_the_store(void **state)
{
#define WHY                                                                                                            \
    ": store.identity is content, so events of the same client, metric, amount, unit and time are one, whatever this " \
    "says: leave it out, or use a store of another identity"
    Config *config = NULL;
    MappingSet *set = NULL;
    Error error = {0};
    (void)state;
    check_config_refused("store.identity: content\nmappings.a.id: n\n", true, ":2: mappings.a.id" WHY);
    check_config_refused("mappings.a.amount: x\nmappings.b.extra: [n, o]\nstore.identity: content\n", true,
                         ":2: mappings.b.extra" WHY);
#undef WHY
    assert_int_equal(read_config("store.identity: content\nmappings.a.amount: x\n", &config, &set, &error), STATUS_OK);
    config_free(config);
    mapping_set_free(set);
    assert_int_equal(read_config("store.identity: sourceId+recordId\nmappings.a.id: n\n", &config, &set, &error),
                     STATUS_OK);
    config_free(config);
    mapping_set_free(set);
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(file);
    return fd < 0 || close(fd) != 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_configured),
        cmocka_unit_test(test_configured_in_other_ways),
        cmocka_unit_test(test_configured_wrongly),
        cmocka_unit_test(test_beside_the_store),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
