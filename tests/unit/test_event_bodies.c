/* Bodies of events as long as they may be, of every shape: each is decided. What comes of them counts in the
 * processor's queue. The processor and the library are in the test's hands. */
#include "request_world.h"

#include <stdlib.h>

#include "http/route_handlers.h"
#include "http/slice.h"
#include "record/record_check.h"

/* ---- What is replaced -------------------------------------------------------------------------------------------- */

enum MHD_Result MHD_lookup_connection_value_n(struct MHD_Connection *mhd, enum MHD_ValueKind kind, const char *name,
                                              size_t name_len, const char **ret_value, size_t *ret_len)
{
    (void)mhd, (void)kind, (void)name, (void)name_len, (void)ret_value, (void)ret_len;
    return MHD_NO;
}

/* ---- Requests ---------------------------------------------------------------------------------------------------- */

enum { ITEMS = 10000 };

typedef struct Fixture {
    RequestWorld world;
    Request *request; /* the world's */
    RecordsCall call;
} Fixture;

static int setup(void **state)
{
    Fixture *fixture = calloc(1, sizeof *fixture);
    request_world_init(&fixture->world);
    fixture->call = (RecordsCall){.events = true, .first_wins = true, .media = MEDIA_JSON};
    fixture->request = fixture->world.request;
    fixture->request->state = &fixture->call;
    assert_int_equal(fixture->world.server.options.items_max, ITEMS);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    request_world_release(&fixture->world);
    free(fixture);
    return 0;
}

/* The code of the answer, when the processor has stored what it was handed. */
static int answer_to(Fixture *fixture)
{
    records_post(fixture->request);
    assert_true(handed_count <= 1);
    if (handed_count) {
        create_records(0);
        request_world_go_on(&fixture->world);
    }
    return fixture->request->answer.code;
}

/* ---- Bodies ------------------------------------------------------------------------------------------------------ */

typedef struct Shape {
    const char *name;
    const char *head, *piece, *tail; /* of each event: the piece as often as there is room, a comma between */
    size_t items;
    int code;
    size_t held; /* in the queue: so many times the body, at most, and 9 MiB */
} Shape;

#define LOOSE "\"client\":\"c\",\"metric\":\"m\",\"amount\":1e2,\"time\":1700000000"

static void put_event(Buf *body, const Shape *shape, size_t room)
{
    Str head = str_from(shape->head), piece = str_from(shape->piece), tail = str_from(shape->tail);
    size_t len = head.len + tail.len;
    buf_put(body, head);
    for (bool any = false; piece.len && len + piece.len + 1 <= room; any = true, len += piece.len + 1) {
        buf_put(body, any && piece.ptr[0] != '[' ? STR(",") : STR(""));
        buf_put(body, piece);
    }
    buf_put(body, tail);
}

static void put_body(Fixture *fixture, const Shape *shape)
{
    Buf *body = &fixture->request->body;
    size_t most = fixture->world.server.options.body_bytes_max, room = (most - 2) / shape->items - 1;
    buf_put(body, STR("["));
    for (size_t i = 0; i < shape->items; i++) {
        buf_put(body, i ? STR(",") : STR(""));
        put_event(body, shape, room);
    }
    buf_put(body, STR("]"));
    assert_false(body->failed);
    assert_true(body->len <= most);
}

/* Texts of 120 bytes with all that has to be escaped when it is said. */
#define ODD_10  "\\u0001.\\\\"
#define ODD_KEY ODD_10 ODD_10 ODD_10 ODD_10 ODD_10 ODD_10

static const Shape shapes[] = {
    {"a long text", "{" LOOSE ",\"text\":[", "\"0123456789 0123456789 0123456789\"", "]}", ITEMS, 200, 3},
    {"few that are long", "{" LOOSE ",\"text\":[", "\"0123456789 0123456789 0123456789\"", "]}", 16, 200, 3},
    {"numbers", "{" LOOSE ",\"n\":[", "123456", "]}", ITEMS, 200, 3},
    {"objects", "{" LOOSE ",\"lines\":[", "{\"sku\":\"abcd\",\"price\":\"1.00\",\"count\":1}", "]}", ITEMS, 200, 3},
    {"the densest", "{" LOOSE ",\"n\":[", "0", "]}", ITEMS, 422, 3},
    {"brackets that are not closed", "{" LOOSE ",\"n\":", "[", "", ITEMS, 422, 3},
    {"keys that are there twice", "{\"payload\":{", "\"" ODD_KEY "\":1", "}}", ITEMS, 200, 7},
    {"nothing but keys", "{\"payload\":{", "\"a\":1", "}}", ITEMS, 422, 3},
    {"odd keys", "{" LOOSE ",", "\"" ODD_KEY ODD_KEY "\":100", "}", ITEMS, 200, 7},
    {"no event at all", "", "", "7", ITEMS, 200, 3},
};

static void test_each_body_is_decided(void **state)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        void *each = NULL;
        setup(&each);
        Fixture *fixture = each;
        put_body(fixture, &shapes[i]);
        int code = answer_to(fixture);
        if (code != shapes[i].code) {
            fail_msg("%s: %d, not %d: %.200s", shapes[i].name, code, shapes[i].code, fixture->request->out.ptr);
        }
        /* Their values do not wait for the processor: they would take three times the body and more. */
        assert_true(handed_count == 0 || handed[0]->bytes <= shapes[i].held * fixture->request->body.len + (9 << 20));
        teardown(&each);
    }
    (void)state;
}

/* ---- The queue's account ----------------------------------------------------------------------------------------- */

static void test_what_an_array_holds_counts(void **state)
{
    Fixture *fixture = *state;
    const Shape shape = {"", "{" LOOSE ",\"text\":[", "\"0123456789\"", "]}", 1000, 200, 3};
    fixture->world.server.options.body_bytes_max = 200000;
    put_body(fixture, &shape);
    size_t len = fixture->request->body.len,
           arrays = 1000 * (sizeof(Record) + sizeof(EventItem) + sizeof(IntakeLetter));
    assert_int_equal(answer_to(fixture), 200);
    assert_int_equal(handed_count, 1);
    assert_int_equal(handed[0]->work.records.count, 1000);
    assert_true(handed[0]->bytes >= 2 * len + arrays);
}

static void test_what_a_single_one_holds_counts(void **state)
{
    Fixture *fixture = *state;
    Buf *body = &fixture->request->body;
    const Shape shape = {"", "{" LOOSE ",\"text\":[", "\"0123456789\"", "]}", 1, 201, 3};
    put_event(body, &shape, 100000);
    size_t len = body->len;
    assert_int_equal(answer_to(fixture), 201);
    assert_true(handed[0]->bytes >= 2 * len);
    /* A short one is what the memory of its connection is for. */
    request_reset(fixture->request);
    handed_count = 0;
    fixture->request->state = &fixture->call;
    buf_put(body, STR("{" LOOSE "}"));
    len = body->len;
    assert_int_equal(answer_to(fixture), 201);
    assert_int_equal(handed[0]->bytes, len + 1);
}

static void test_what_a_slice_holds_counts(void **state)
{
    Fixture *fixture = *state;
    enum { LINES = 100 };
    Slice *slice = slice_new(20000, LINES, NULL);
    RecordProblems problems;
    assert_true(slice_expect_events(slice, &fixture->world.server.options, (Str){"", 0}));
    size_t before = slice_bytes_held(slice), letters = 0;
    assert_true(before >= LINES * 2 * (sizeof(EventItem) + sizeof(IntakeLetter)));
    for (size_t i = 0; i < LINES; i++) {
        Str raw =
            arena_copy(&slice->texts, STR("an event that is none, and is kept as it came, with what is wrong with it"));
        record_problems_reset(&problems);
        problems.items[problems.count++] = (FieldProblem){STR("event"), "is not valid JSON"};
        assert_int_equal(event_set_refuse(slice->events, raw, 0, &problems), STATUS_OK);
        letters += raw.len;
    }
    assert_true(slice_bytes_held(slice) >= before + letters / 2);
    slice_free(slice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_body_is_decided),
        cmocka_unit_test_setup_teardown(test_what_an_array_holds_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_a_single_one_holds_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_a_slice_holds_counts, setup, teardown),
    };
    return cmocka_run_group_tests_name("event-bodies", tests, NULL, NULL);
}
