#include "sim/feeds.h"

#include <inttypes.h>

#include "sim/expect.h"
#include "sim/messages.h"
#include "sim/world.h"
#include "support/random.h"

enum { PAGE_BYTES_MAX = 4 << 20 };

void feeds_init(Feeds *feeds)
{
    for (size_t i = 0; i < FEEDS_CONSUMERS; i++) {
        feeds->consumers[i].kind = i % 2 ? FEED_ALERTS : FEED_NOTIFICATIONS;
    }
    buf_init(&feeds->out, PAGE_BYTES_MAX);
}

void feeds_release(Feeds *feeds) { buf_release(&feeds->out); }

void feeds_rewound(World *world)
{
    for (size_t i = 0; i < FEEDS_CONSUMERS; i++) {
        Consumer *consumer = &world->reading.feeds.consumers[i];
        int64_t last_seq = model_last_seq(&world->model);
        consumer->after = consumer->after < last_seq ? consumer->after : last_seq;
    }
}

/* ---- A page of them ---------------------------------------------------------------------------------------------- */

/* The next message of the kind behind a sequence; 0 when there is none. */
static int64_t next_of_kind(const Model *model, FeedKind feed, int64_t after)
{
    ModelKind kind = feed == FEED_ALERTS ? MODEL_ALERT : MODEL_RECORD;
    for (int64_t seq = after + 1; seq <= model_last_seq(model); seq++) {
        if (model_at(model, seq)->kind == kind) {
            return seq;
        }
    }
    return 0;
}

static void advance(World *world, Consumer *consumer, yyjson_val *message)
{
    int64_t seq = next_of_kind(&world->model, consumer->kind, consumer->after);
    if (!seq) {
        story_failf(&world->story, "a feed has a message behind %" PRId64 ", where there is none", consumer->after);
    }
    messages_check(world, seq, message);
    consumer->after = seq;
}

/* Fewer messages than were asked for: then there must be no more. */
static void check_all_read(World *world, const Consumer *consumer, size_t count, size_t limit)
{
    int64_t left_out = count < limit ? next_of_kind(&world->model, consumer->kind, consumer->after) : 0;
    if (left_out) {
        story_failf(&world->story, "a feed ends at %" PRId64 " and leaves out message %" PRId64, consumer->after,
                    left_out);
    }
}

static void check_cursor(World *world, const Consumer *consumer, int64_t is)
{
    if (is != consumer->after) {
        story_failf(&world->story, "a feed's cursor is %" PRId64 " after message %" PRId64, is, consumer->after);
    }
}

static void take_line(World *world, Consumer *consumer, Str line)
{
    Expect expect = {.story = &world->story, .what = "a line of a feed", .scale = world->workload.scale};
    yyjson_doc *doc = expect_json(&expect, line);
    advance(world, consumer, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
}

/* "id: 7\nevent: alert\ndata: {…}\n\n" */
static void take_event(World *world, Consumer *consumer, Str *rest)
{
    Str id = str_split(rest, '\n'), event = str_split(rest, '\n'), data = str_split(rest, '\n');
    Str empty = str_split(rest, '\n');
    uint64_t seq = 0;
    bool shaped = str_starts_with(id, STR("id: ")) && str_to_u64((Str){id.ptr + 4, id.len - 4}, INT64_MAX, &seq) &&
                  str_is(event, consumer->kind == FEED_ALERTS ? "event: alert" : "event: notification") &&
                  str_starts_with(data, STR("data: ")) && empty.len == 0;
    if (!shaped) {
        story_failf(&world->story, "an event behind %" PRId64 " has another shape: %.*s", consumer->after,
                    STR_ARGS(data));
    }
    take_line(world, consumer, (Str){data.ptr + 6, data.len - 6});
    check_cursor(world, consumer, (int64_t)seq);
}

static void read_stream(World *world, Consumer *consumer, StoreReader *reader, size_t limit)
{
    Buf *out = &world->reading.feeds.out;
    Error error = {0};
    bool sse = consumer->after % 2;
    int64_t after = consumer->after;
    size_t count = 0, taken = 0;
    uint64_t struck = faults_struck(world);
    buf_reset(out);
    Status status = feed_put_messages(reader, consumer->kind, &after, limit, sse, store_info(world->machine.store), out,
                                      &count, &error);
    if (status != STATUS_OK) {
        faults_check_reading(world, struck, "a feed", status, error.message);
        return;
    }
    for (Str rest = buf_str(out); rest.len > 0; taken++) {
        if (sse) {
            take_event(world, consumer, &rest);
        } else {
            take_line(world, consumer, str_split(&rest, '\n'));
        }
    }
    if (taken != count) {
        story_failf(&world->story, "a feed says that it wrote %zu messages and wrote %zu", count, taken);
    }
    check_cursor(world, consumer, after);
    check_all_read(world, consumer, count, limit);
}

/* {"data":[…],"nextAfter":7} */
static void take_page(World *world, Consumer *consumer, size_t limit)
{
    Expect expect = {.story = &world->story, .what = "a page of a feed", .scale = world->workload.scale};
    yyjson_doc *doc = expect_json(&expect, buf_str(&world->reading.feeds.out));
    yyjson_val *root = yyjson_doc_get_root(doc), *data = expect_member(&expect, root, "data"), *message;
    yyjson_arr_iter each = yyjson_arr_iter_with(data);
    while ((message = yyjson_arr_iter_next(&each))) {
        advance(world, consumer, message);
    }
    check_cursor(world, consumer, expect_any_int(&expect, root, "nextAfter"));
    check_all_read(world, consumer, yyjson_arr_size(data), limit);
    yyjson_doc_free(doc);
}

static void read_page(World *world, Consumer *consumer, StoreReader *reader, size_t limit)
{
    Buf *out = &world->reading.feeds.out;
    QueryOptions options = query_options_default(store_info(world->machine.store));
    Query *query = NULL;
    Error error = {0};
    bool done = false;
    uint64_t struck = faults_struck(world);
    enum { SMALL_STEPS = 10, SMALL = 1000, LARGER = 50000 };
    options.clock = &world->machine.clock.clock;
    buf_reset(out);
    Status status = query_feed_new(consumer->kind, consumer->after, limit, &options, &query);
    for (int i = 0; status == STATUS_OK && !done; i++) {
        status = query_step(query, reader, i < SMALL_STEPS ? SMALL : LARGER, out, &done, &error);
    }
    query_free(query);
    if (status != STATUS_OK) {
        faults_check_reading(world, struck, "a page of a feed", status, error.message);
    } else {
        take_page(world, consumer, limit);
    }
}

static void read_on(World *world, Consumer *consumer, size_t limit, bool page)
{
    StoreReader *reader = NULL;
    Error error = {0};
    int64_t before = consumer->after;
    uint64_t struck = faults_struck(world);
    Status status = machine_reader(&world->machine, MACHINE_READER_QUICK, &reader, &error);
    if (status != STATUS_OK) {
        faults_check_reading(world, struck, "a feed", status, error.message);
        return;
    }
    if (page) {
        read_page(world, consumer, reader, limit);
    } else {
        read_stream(world, consumer, reader, limit);
    }
    if (consumer->after != before) {
        story_tell(&world->story, "a consumer of %s read from %" PRId64 " to %" PRId64,
                   consumer->kind == FEED_ALERTS ? "alerts" : "notifications", before, consumer->after);
    }
}

void feeds_step(World *world)
{
    uint64_t *random = &world->reading.random;
    Consumer *consumer = &world->reading.feeds.consumers[random_below(random, FEEDS_CONSUMERS)];
    size_t limit = 1 + random_below(random, 300);
    read_on(world, consumer, limit, random_below(random, 2));
}

static void read_to_end(World *world, Consumer *consumer)
{
    int64_t before;
    do {
        before = consumer->after;
        read_on(world, consumer, 500, consumer->after % 3 == 0);
    } while (consumer->after != before);
}

void feeds_all(World *world)
{
    Consumer fresh[] = {{FEED_NOTIFICATIONS, 0}, {FEED_ALERTS, 0}};
    for (size_t i = 0; i < FEEDS_CONSUMERS; i++) {
        read_to_end(world, &world->reading.feeds.consumers[i]);
    }
    read_to_end(world, &fresh[0]);
    read_to_end(world, &fresh[1]);
}
