#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "onboard/bulk.h"
#include "support/random.h"

static const RecordPolicy lenient = {.scale = 2, .hash_seed = 5};
static const RecordPolicy strict = {.scale = 2, .hash_seed = 5, .refuse_unknown_fields = true};

enum { ARENA_BYTES_MAX = 84 << 20, ANSWER_BYTES_MAX = 16 << 20 };

/* One reading with all that it borrows from. */
typedef struct World {
    Arena arena;
    char *text;
    Bulk bulk;
    Status status;
    Buf shown;
} World;

static void read_bytes(World *world, const char *bytes, size_t len, BulkForm form, const RecordPolicy *policy)
{
    arena_init(&world->arena, 16 << 10, ARENA_BYTES_MAX);
    buf_init(&world->shown, ANSWER_BYTES_MAX);
    world->text = malloc(len + YYJSON_PADDING_SIZE);
    assert_non_null(world->text);
    memcpy(world->text, bytes, len);
    memset(world->text + len, '#', YYJSON_PADDING_SIZE);
    world->status = bulk_read(world->text, len, form, policy, &world->arena, &world->bulk);
    for (size_t i = 0; i < YYJSON_PADDING_SIZE; i++) {
        assert_int_equal(world->text[len + i], '#');
    }
}

static void read_text(World *world, const char *text, BulkForm form, const RecordPolicy *policy)
{
    read_bytes(world, text, strlen(text), form, policy);
}

static void release(World *world)
{
    arena_release(&world->arena);
    buf_release(&world->shown);
    free(world->text);
}

static void put_good(World *world)
{
    const Bulk *bulk = &world->bulk;
    for (size_t i = 0; i < bulk->count; i++) {
        const OrganizationContent *content = &bulk->content[i];
        buf_printf(&world->shown, "%lld=%.*s,%.*s,%.*s,%.*s;", (long long)bulk->items[i], STR_ARGS(content->name),
                   STR_ARGS(content->domain), STR_ARGS(content->contact_email), STR_ARGS(content->metadata));
    }
}

/* What is good, the errors when there are some, and ?the unknown fields. */
static Str show(World *world)
{
    const Bulk *bulk = &world->bulk;
    bool is_bad = bulk->whole.problem || bulk->bad_count > 0;
    assert_int_equal(world->status, is_bad ? STATUS_REFUSED : STATUS_OK);
    assert_true(bulk->whole.problem || bulk->count + bulk->bad_count == bulk->given);
    put_good(world);
    if (is_bad) {
        bulk_put_errors(&world->shown, bulk);
    }
    for (size_t i = 0; i < bulk->warning_count; i++) {
        BUF_PUT(&world->shown, " ?");
        buf_put(&world->shown, bulk->warnings[i]);
    }
    assert_false(world->shown.failed);
    return buf_str(&world->shown);
}

typedef struct Case {
    const char *text, *shown;
} Case;

static void check_cases(const Case *cases, size_t count, BulkForm form, const RecordPolicy *policy)
{
    for (size_t i = 0; i < count; i++) {
        World world;
        read_text(&world, cases[i].text, form, policy);
        assert_text(show(&world), cases[i].shown);
        release(&world);
    }
}

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define ACME            "{\"name\":\"Acme\",\"domain\":\"acme.com\",\"contact_email\":\"a@acme.com\"}"
#define BETA            "{\"name\":\"Beta\",\"domain\":\"beta.com\",\"contact_email\":\"b@beta.com\"}"
#define ARRAY_NEEDED    "{\"organizations\":[\"must be an array of 1 to 1000 organizations\"]}"

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void test_json(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"{\"organizations\":[" ACME "]}", "0=Acme,acme.com,a@acme.com,;"},
        {"[" ACME "," BETA "]", "0=Acme,acme.com,a@acme.com,;1=Beta,beta.com,b@beta.com,;"},
        {" {\"organizations\" : [ {\"name\":\" A "
         "\",\"domain\":\"https://A.com/\",\"contact_email\":\"A@A.com\",\"metadata\":{ }} ] } ",
         "0=A,a.com,A@a.com,{};"},
        {"{}", ARRAY_NEEDED},
        {"{\"organizations\":{}}", ARRAY_NEEDED},
        {"{\"organizations\":null}", ARRAY_NEEDED},
        {"{\"organisations\":[]}", ARRAY_NEEDED},
        {ACME, ARRAY_NEEDED},
        {"7", ARRAY_NEEDED},
        {"null", ARRAY_NEEDED},
        {"[]", "{\"organizations\":[\"must be 1 to 1000 organizations, and there are 0\"]}"},
        {"{\"organizations\":[]}", "{\"organizations\":[\"must be 1 to 1000 organizations, and there are 0\"]}"},
        {"{\"organizations\":[],\"organizations\":[" ACME "]}", "{\"organizations\":[\"must not be given twice\"]}"},
        {"{\"organizations\":[" ACME "],\"mode\":\"partial\"}", "0=Acme,acme.com,a@acme.com,; ?mode"},
        {"[1," ACME ",null]", "1=Acme,acme.com,a@acme.com,;{\"organizations.0\":[\"must be a JSON object\"],"
                              "\"organizations.2\":[\"must be a JSON object\"]}"},
        {"[" ACME ",{\"name\":\"\",\"domain\":\"x\",\"contact_email\":\"b@beta.com\"}," BETA "]",
         "0=Acme,acme.com,a@acme.com,;2=Beta,beta.com,b@beta.com,;"
         "{\"organizations.1.name\":[\"must be a string of 1 to 255 characters\"],"
         "\"organizations.1.domain\":[\"must have a dot in it, as acme.com has\"]}"},
        {"", "{\"body\":[\"is not valid JSON: the text is empty where JSON was expected\"]}"},
        {"[" ACME, "{\"body\":[\"is not valid JSON: line 1, column 66: unexpected end of data\"]}"},
        {"[\n {\"name\":\"\xFF\"}]",
         "{\"body\":[\"is not valid JSON: line 2, column 11: invalid UTF-8 encoding in string\"]}"},
        {"[{\"x\":1,\"name\":\"A\",\"domain\":\"a.com\",\"contact_email\":\"a@a.com\"},"
         "{\"x\":1,\"y\":2,\"name\":\"B\",\"domain\":\"b.com\",\"contact_email\":\"b@b.com\"}]",
         "0=A,a.com,a@a.com,;1=B,b.com,b@b.com,; ?x ?y"},
    };
    check_cases(cases, COUNT_OF(cases), BULK_JSON, &lenient);
}

static void test_strict_json(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"[" ACME "]", "0=Acme,acme.com,a@acme.com,;"},
        {"{\"organizations\":[" ACME "],\"mode\":\"partial\"}", "{\"mode\":[\"is not known here\"]}"},
        {"[{\"x\":1,\"x\":2,\"name\":\"A\",\"domain\":\"a.com\",\"contact_email\":\"a@a.com\"}]",
         "{\"organizations.0.x\":[\"is not a field of an organization\",\"is not a field of an organization\"]} ?x"},
    };
    check_cases(cases, COUNT_OF(cases), BULK_JSON, &strict);
}

static void test_same_domain(void **state)
{
    (void)state;
    World world;
    read_text(&world,
              "[{\"name\":\"A\",\"domain\":\"ACME.com\",\"contact_email\":\"a@a.com\"}," BETA ","
              "{\"name\":\"\",\"domain\":\"xn--mnchen-3ya.de\",\"contact_email\":\"c@a.com\"},"
              "{\"name\":\"C\",\"domain\":\"https://acme.com./x\",\"contact_email\":\"c@a.com\"},"
              "{\"name\":\"D\",\"domain\":\"MÜNCHEN.de\",\"contact_email\":\"\"},"
              "{\"name\":\"E\",\"domain\":\"acme．com\",\"contact_email\":\"c@a.com\"}]",
              BULK_JSON, &lenient);
    assert_text(show(&world),
                "0=A,acme.com,a@a.com,;1=Beta,beta.com,b@beta.com,;"
                "{\"organizations.2.name\":[\"must be a string of 1 to 255 characters\"],"
                "\"organizations.3.domain\":[\"must not be that of organizations.0, too: acme.com\"],"
                "\"organizations.4.contact_email\":[\"must be an e-mail address such as contact@acme.com\"],"
                "\"organizations.4.domain\":[\"must not be that of organizations.2, too: xn--mnchen-3ya.de\"],"
                "\"organizations.5.domain\":[\"must not be that of organizations.0, too: acme.com\"]}");
    assert_int_equal(world.bulk.problem_count, 5);
    buf_reset(&world.shown);
    bulk_put_bad(&world.shown, &world.bulk);
    assert_text(buf_str(&world.shown),
                "[{\"index\":2,\"errors\":{\"name\":[\"must be a string of 1 to 255 characters\"]}},"
                "{\"index\":3,\"errors\":{\"domain\":[\"must not be that of organizations.0, too: acme.com\"]}},"
                "{\"index\":4,\"errors\":{\"contact_email\":[\"must be an e-mail address such as contact@acme.com\"],"
                "\"domain\":[\"must not be that of organizations.2, too: xn--mnchen-3ya.de\"]}},"
                "{\"index\":5,\"errors\":{\"domain\":[\"must not be that of organizations.0, too: acme.com\"]}}]");
    release(&world);
}

/* ---- CSV --------------------------------------------------------------------------------------------------------- */

#define HEADER    "name,domain,contact_email\n"
#define ACME_LINE "Acme,acme.com,a@acme.com\n"
#define ACME_GOOD "0=Acme,acme.com,a@acme.com,;"

static void test_csv(void **state)
{
    (void)state;
    static const Case cases[] = {
        {HEADER ACME_LINE, ACME_GOOD},
        {"\xEF\xBB\xBF" HEADER ACME_LINE, ACME_GOOD},
        {"\xEF\xBB\xBF\"name\",domain,contact_email\r\n\"Acme\",acme.com,a@acme.com", ACME_GOOD},
        {"\n\r\n" HEADER "\n" ACME_LINE "\n\n", ACME_GOOD},
        {"contact_email,metadata,name,domain\na@acme.com,\"{\"\"a\"\": \"\"x\"\"}\",\"Acme, \"\"Inc\"\"\",acme.com",
         "0=Acme, \"Inc\",acme.com,a@acme.com,{\"a\":\"x\"};"},
        {"name,domain,contact_email,metadata\nAcme,acme.com,a@acme.com,\nBeta,beta.com,b@beta.com,{}",
         ACME_GOOD "1=Beta,beta.com,b@beta.com,{};"},
        {"name,domain,contact_email,note\nAcme,acme.com,a@acme.com,hi", ACME_GOOD " ?note"},
        {"name,domain,contact_email,metadata\nAcme,acme.com,a@acme.com,{\"a\":1", /* the quote stands inside a cell */
         "{\"lines.2\":[\"must be a line of CSV: a quote stands inside a cell that does not begin with one\"]}"},
        {"", "{\"body\":[\"must have a line with the names of the columns, and one for each organization\"]}"},
        {"\n\n", "{\"body\":[\"must have a line with the names of the columns, and one for each organization\"]}"},
        {"name,domain\n", "{\"body\":[\"cannot be taken in: the CSV header has no column contact_email\"]}"},
        {"\"name\n", "{\"body\":[\"is not valid CSV: a quoted cell has no closing quote\"]}"},
        {HEADER, "{\"organizations\":[\"must be 1 to 1000 organizations, and there are 0\"]}"},
        {HEADER "\n", "{\"organizations\":[\"must be 1 to 1000 organizations, and there are 0\"]}"},
        {HEADER "\nAcme,acme,a@acme.com\n\"Acme\n\nInc\",b.com,a@b.com\n\xFF,c.com,a@c.com\nd\nE,www.e.com,a@e.com\nF,"
                "WWW.E.com.,a@e.com\n",
         "4=E,www.e.com,a@e.com,;{\"lines.3.domain\":[\"must have a dot in it, as acme.com has\"],"
         "\"lines.4.name\":[\"must not contain control characters\"],"
         "\"lines.7.name\":[\"must be valid UTF-8\"],"
         "\"lines.8\":[\"must have as many cells as the CSV header has columns\"],"
         "\"lines.10.domain\":[\"must not be that of line 9, too: www.e.com\"]}"},
        {HEADER "a\"b,acme.com,a@acme.com\n" ACME_LINE,
         "1=Acme,acme.com,a@acme.com,;"
         "{\"lines.2\":[\"must be a line of CSV: a quote stands inside a cell that does not begin with one\"]}"},
    };
    check_cases(cases, COUNT_OF(cases), BULK_CSV, &lenient);
    static const Case strict_cases[] = {
        {HEADER ACME_LINE, ACME_GOOD},
        {"name,domain,contact_email,note\nAcme,acme.com,a@acme.com,hi",
         "{\"body\":[\"cannot be taken in: the CSV header's column 4, \\\"note\\\", is not a field of an "
         "organization\"]}"},
    };
    check_cases(strict_cases, COUNT_OF(strict_cases), BULK_CSV, &strict);
}

static void test_bad_lines(void **state)
{
    (void)state;
    World world;
    read_text(&world, HEADER "A,a,a@a.com\n\"B,b.com", BULK_CSV, &lenient);
    assert_int_equal(world.status, STATUS_REFUSED);
    bulk_put_bad(&world.shown, &world.bulk);
    assert_text(buf_str(&world.shown),
                "[{\"index\":0,\"line\":2,\"errors\":{\"domain\":[\"must have a dot in it, as acme.com has\"]}},"
                "{\"index\":1,\"line\":3,\"errors\":{\"organization\":[\"must be a line of CSV: a quoted cell has no "
                "closing quote\"]}}]");
    release(&world);
}

static void test_nul(void **state)
{
    (void)state;
    World world;
    static const char csv[] = HEADER "Acme\0,acme.com,a@acme.com\n";
    read_bytes(&world, csv, sizeof csv - 1, BULK_CSV, &lenient);
    assert_text(show(&world), "{\"body\":[\"must be CSV in UTF-8: there is the character NUL at byte 31\"]}");
    release(&world);
    static const char json[] = "[" ACME "]\0";
    read_bytes(&world, json, sizeof json - 1, BULK_JSON, &lenient);
    assert_int_equal(world.status, STATUS_REFUSED);
    assert_text(world.bulk.whole.field, "body");
    release(&world);
}

/* ---- Many -------------------------------------------------------------------------------------------------------- */

/* In JSON or CSV; the one at `bad` has no domain that is one. */
static void put_many(Buf *buf, size_t count, BulkForm form, size_t bad)
{
    buf_put(buf, form == BULK_JSON ? STR("{\"organizations\":[") : STR(HEADER));
    for (size_t i = 0; i < count; i++) {
        const char *end = i == bad ? "" : ".com";
        if (form == BULK_JSON) {
            buf_printf(buf, "%s{\"name\":\"N%zu\",\"domain\":\"d%zu%s\",\"contact_email\":\"a@acme.com\"}",
                       i ? "," : "", i, i, end);
        } else {
            buf_printf(buf, "N%zu,d%zu%s,a@acme.com\n", i, i, end);
        }
    }
    buf_put(buf, form == BULK_JSON ? STR("]}") : STR(""));
    assert_false(buf->failed);
}

static void read_many(World *world, size_t count, BulkForm form, size_t bad)
{
    Buf text;
    buf_init(&text, 16 << 20);
    put_many(&text, count, form, bad);
    read_bytes(world, text.ptr, text.len, form, &lenient);
    buf_release(&text);
}

static void check_many(BulkForm form, const char *bad_place, const char *too_many)
{
    World world;
    read_many(&world, 1000, form, 1000);
    assert_int_equal(world.status, STATUS_OK);
    assert_int_equal(world.bulk.count, 1000);
    assert_int_equal(world.bulk.items[999], 999);
    assert_text(world.bulk.content[999].domain, "d999.com");
    release(&world);
    read_many(&world, 1000, form, 500);
    assert_int_equal(world.status, STATUS_REFUSED);
    assert_int_equal(world.bulk.count, 999);
    assert_int_equal(world.bulk.items[500], 501);
    bulk_put_errors(&world.shown, &world.bulk);
    assert_text(buf_str(&world.shown), bad_place);
    release(&world);
    read_many(&world, 1001, form, 1);
    assert_text(show(&world), too_many);
    assert_int_equal(world.bulk.given, 1001);
    release(&world);
}

static void test_many(void **state)
{
    (void)state;
    check_many(BULK_JSON, "{\"organizations.500.domain\":[\"must have a dot in it, as acme.com has\"]}",
               "{\"organizations\":[\"must be 1 to 1000 organizations, and there are 1001\"]}");
    check_many(BULK_CSV, "{\"lines.502.domain\":[\"must have a dot in it, as acme.com has\"]}",
               "{\"organizations\":[\"must be 1 to 1000 organizations, and there are 1001\"]}");
}

/* Whatever is wrong with each of them, the answer has an end, and each has a problem in it. */
static void test_problems_are_bounded(void **state)
{
    (void)state;
    World world;
    Buf text;
    buf_init(&text, 16 << 20);
    for (size_t i = 0; i < ONBOARD_ITEMS_MAX; i++) {
        buf_put(&text, i ? STR(",{") : STR("[{"));
        for (size_t field = 0; field < RECORD_PROBLEMS_MAX; field++) {
            buf_printf(&text, "%s\"x%zu\":1", field ? "," : "", field);
        }
        buf_put_char(&text, '}');
    }
    buf_put_char(&text, ']');
    read_bytes(&world, text.ptr, text.len, BULK_JSON, &strict);
    assert_int_equal(world.status, STATUS_REFUSED);
    assert_int_equal(world.bulk.bad_count, ONBOARD_ITEMS_MAX);
    assert_int_equal(world.bulk.problem_count, ONBOARD_ITEMS_MAX * RECORD_PROBLEMS_MAX);
    size_t kept = 0;
    for (size_t i = 0; i < world.bulk.bad_count; i++) {
        assert_in_range(world.bulk.bad[i].problem_count, 1, RECORD_PROBLEMS_MAX);
        kept += world.bulk.bad[i].problem_count;
    }
    assert_in_range(kept, BULK_PROBLEMS_MAX, BULK_PROBLEMS_MAX + ONBOARD_ITEMS_MAX);
    bulk_put_errors(&world.shown, &world.bulk);
    assert_in_range(world.shown.len, 1, 1 << 20);
    assert_int_equal(world.bulk.warning_count, BULK_WARNINGS_MAX);
    buf_release(&text);
    release(&world);
}

/* 5 MB of metadata are a problem of the organization that has them; a thousand with 15 kB each are none. */
static void test_much_metadata(void **state)
{
    (void)state;
    static const struct {
        size_t organizations, bytes;
        bool good;
    } cases[] = {{2, 5 << 20, false}, {1000, 15 << 10, true}};
    for (size_t at = 0; at < 2; at++) {
        World world;
        Buf text;
        buf_init(&text, 32 << 20);
        char *filler = malloc(cases[at].bytes);
        assert_non_null(filler);
        memset(filler, 'x', cases[at].bytes);
        for (size_t i = 0; i < cases[at].organizations; i++) {
            bool has_much = cases[at].good || i == 1;
            buf_printf(&text,
                       "%c{\"name\":\"N\",\"domain\":\"d%zu.com\",\"contact_email\":\"a@b.com\",\"metadata\":{\"k\":\"",
                       i ? ',' : '[', i);
            buf_put(&text, (Str){filler, has_much ? cases[at].bytes : 1});
            BUF_PUT(&text, "\"}}");
        }
        buf_put_char(&text, ']');
        assert_false(text.failed);
        read_bytes(&world, text.ptr, text.len, BULK_JSON, &lenient);
        assert_int_equal(world.status, cases[at].good ? STATUS_OK : STATUS_REFUSED);
        if (!cases[at].good) {
            bulk_put_errors(&world.shown, &world.bulk);
            assert_text(buf_str(&world.shown), "{\"organizations.1.metadata\":[\"must be at most 65536 bytes of JSON, "
                                               "as short as it can be written\"]}");
        }
        free(filler);
        buf_release(&text);
        release(&world);
    }
}

/* Memory that gives out, wherever it does, is neither good nor bad. */
static void test_memory_runs_out(void **state)
{
    (void)state;
    enum { COUNT = 200, STEP = 16 << 10 };
    for (BulkForm form = BULK_JSON; form <= BULK_CSV; form++) {
        Buf text;
        Status status = STATUS_BUSY;
        size_t busy = 0;
        buf_init(&text, 1 << 20);
        put_many(&text, COUNT, form, 7);
        for (size_t bytes_max = 0; status == STATUS_BUSY; bytes_max += STEP) {
            Budget budget = {.bytes_max = bytes_max};
            Arena arena;
            Bulk bulk;
            char *copy = malloc(text.len + YYJSON_PADDING_SIZE);
            assert_non_null(copy);
            memcpy(copy, text.ptr, text.len);
            memset(copy + text.len, 0, YYJSON_PADDING_SIZE);
            arena_init(&arena, 1 << 10, ARENA_BYTES_MAX);
            arena.budget = &budget;
            status = bulk_read(copy, text.len, form, &lenient, &arena, &bulk);
            busy += status == STATUS_BUSY;
            assert_true(status == STATUS_BUSY || (bulk.count == COUNT - 1 && bulk.bad_count == 1));
            arena_release(&arena);
            free(copy);
        }
        assert_int_equal(status, STATUS_REFUSED);
        assert_in_range(busy, 2, 1000);
        buf_release(&text);
    }
}

/* ---- Properties -------------------------------------------------------------------------------------------------- */

/* The same organizations in both forms, good ones and bad ones and the same domain again: they are read alike. */
static void test_forms_agree(void **state)
{
    (void)state;
    static const char *const names[] = {"Acme", " Acme ", "", "Ünï"};
    static const char *const domains[] = {
        "acme.com", "ACME.com.", "https://beta.com/", "münchen.de", "xn--mnchen-3ya.de", "x", "", "💩.la"};
    static const char *const emails[] = {"a@acme.com", "A@MÜNCHEN.de", "a", "", "\"q\"@acme.com"};
    enum { ROUNDS = 300, ITEMS_MAX = 8 };
    uint64_t seed = 3;
    for (size_t round = 0; round < ROUNDS; round++) {
        Buf json, csv;
        World from_json, from_csv;
        buf_init(&json, 1 << 16);
        buf_init(&csv, 1 << 16);
        BUF_PUT(&csv, HEADER);
        size_t count = 1 + random_below(&seed, ITEMS_MAX);
        for (size_t i = 0; i < count; i++) {
            const char *texts[] = {names[random_below(&seed, COUNT_OF(names))],
                                   domains[random_below(&seed, COUNT_OF(domains))],
                                   emails[random_below(&seed, COUNT_OF(emails))]};
            static const char *const keys[] = {"name", "domain", "contact_email"};
            bool is_begun = false;
            buf_put(&json, i ? STR(",{") : STR("[{"));
            for (size_t field = 0; field < 3; field++) {
                buf_put(&csv, field ? STR(",") : STR(""));
                buf_put_csv(&csv, str_from(texts[field]));
                if (texts[field][0]) { /* an empty cell is a field that is missing */
                    buf_printf(&json, "%s\"%s\":", is_begun ? "," : "", keys[field]);
                    buf_put_json(&json, str_from(texts[field]));
                    is_begun = true;
                }
            }
            buf_put_char(&json, '}');
            buf_put_char(&csv, '\n');
        }
        buf_put_char(&json, ']');
        read_bytes(&from_json, json.ptr, json.len, BULK_JSON, &lenient);
        read_bytes(&from_csv, csv.ptr, csv.len, BULK_CSV, &lenient);
        assert_int_equal(from_csv.status, from_json.status);
        assert_int_equal(from_csv.bulk.problem_count, from_json.bulk.problem_count);
        assert_int_equal(from_csv.bulk.bad_count, from_json.bulk.bad_count);
        for (size_t i = 0; i < from_csv.bulk.bad_count; i++) {
            assert_int_equal(from_csv.bulk.bad[i].item, from_json.bulk.bad[i].item);
            assert_int_equal(from_csv.bulk.bad[i].line, from_csv.bulk.bad[i].item + 2);
        }
        put_good(&from_json);
        put_good(&from_csv);
        assert_true(str_equal(buf_str(&from_json.shown), buf_str(&from_csv.shown)));
        release(&from_json);
        release(&from_csv);
        buf_release(&json);
        buf_release(&csv);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),          cmocka_unit_test(test_strict_json),
        cmocka_unit_test(test_same_domain),   cmocka_unit_test(test_csv),
        cmocka_unit_test(test_bad_lines),     cmocka_unit_test(test_nul),
        cmocka_unit_test(test_many),          cmocka_unit_test(test_problems_are_bounded),
        cmocka_unit_test(test_much_metadata), cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_forms_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
