#include "sim/tasks.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim/expect.h"
#include "sim/totals.h"
#include "sim/world.h"
#include "support/random.h"

enum { ANSWER_BYTES_MAX = 64 << 20, QUESTION_TEXT_BYTES = 700 };

/* ---- What came of it --------------------------------------------------------------------------------------------- */

/* A record as GET /api/records has it. */
static void check_listed(const Expect *expect, yyjson_val *item, int64_t seq, const Record *right)
{
    expect_size(expect, item, right->traceparent.len > 0 ? 10 : 9);
    expect_int(expect, item, "id", seq);
    expect_text(expect, item, "recordId", right->record_id);
    expect_time(expect, item, "time", right->time_us);
    expect_text(expect, item, "sourceId", right->source_id);
    expect_text(expect, item, "destinationId", right->destination_id);
    expect_text(expect, item, "type", right->type == RECORD_POSITIVE ? STR("positive") : STR("negative"));
    expect_decimal(expect, item, "value", right->value);
    expect_text(expect, item, "unit", right->unit);
    expect_text(expect, item, "reference", right->reference);
    if (right->traceparent.len > 0) {
        expect_text(expect, item, "traceparent", right->traceparent);
    }
}

/* The records that have to be listed, and how many of them were seen. */
typedef struct Listing {
    World *world;
    const Expect *expect;
    const int64_t *seqs; /* borrows */
    size_t count, next;
} Listing;

static void check_next(Listing *listing, yyjson_val *item)
{
    if (listing->next == listing->count) {
        story_failf(&listing->world->story, "%s lists more than the %zu records there are", listing->expect->what,
                    listing->count);
    }
    int64_t seq = listing->seqs[listing->next++];
    check_listed(listing->expect, item, seq, &model_at(&listing->world->model, seq)->record);
}

static void check_count(const Listing *listing, size_t right)
{
    if (listing->next != right) {
        story_failf(&listing->world->story, "%s ends after %zu records, and should after %zu", listing->expect->what,
                    listing->next, right);
    }
}

static void check_lines(Listing *listing, Str lines)
{
    for (Str rest = lines; rest.len > 0;) {
        yyjson_doc *doc = expect_json(listing->expect, str_split(&rest, '\n'));
        check_next(listing, yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
    }
    check_count(listing, listing->count);
}

static void check_array(Listing *listing, yyjson_val *data)
{
    yyjson_arr_iter each = yyjson_arr_iter_with(data);
    yyjson_val *item;
    while ((item = yyjson_arr_iter_next(&each))) {
        check_next(listing, item);
    }
}

/* Keeps the cursor when there is one, which is when there are more records. */
static void check_page(Task *task, Listing *listing)
{
    yyjson_doc *doc = expect_json(listing->expect, buf_str(&task->out));
    yyjson_val *root = yyjson_doc_get_root(doc), *cursor = expect_member(listing->expect, root, "nextCursor");
    size_t end = task->listed + task->question.limit;
    listing->next = task->listed;
    check_array(listing, expect_member(listing->expect, root, "data"));
    check_count(listing, end < listing->count ? end : listing->count);
    task->listed = listing->next;
    if (yyjson_is_null(cursor) != (listing->next == listing->count)) {
        story_failf(&listing->world->story, "%s has %s cursor after %zu of %zu records", listing->expect->what,
                    yyjson_is_null(cursor) ? "no" : "a", listing->next, listing->count);
    }
    snprintf(task->cursor, sizeof task->cursor, "%s", yyjson_is_null(cursor) ? "" : yyjson_get_str(cursor));
    yyjson_doc_free(doc);
}

static void check_list(World *world, Task *task, const Expect *expect)
{
    if (!task->seqs) {
        task->seqs = question_seqs(&task->question, &world->model, task->moments[0], &task->seq_count);
    }
    Listing listing = {.world = world, .expect = expect, .seqs = task->seqs, .count = task->seq_count};
    if (task->question.limit > 0) {
        check_page(task, &listing);
    } else {
        check_lines(&listing, buf_str(&task->out));
    }
}

static size_t drop_later(int64_t *seqs, size_t count, int64_t bound)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (seqs[i] <= bound) {
            seqs[kept++] = seqs[i];
        }
    }
    return kept;
}

/* The records that match, of that moment which has this count of them, the latest such; when none has, of the first. To
 * be freed. */
static int64_t *seqs_of_count(World *world, const Task *task, int64_t wanted, size_t *ret_count)
{
    size_t at = task->moment_count;
    int64_t *seqs = question_seqs(&task->question, &world->model, task->moments[at - 1], ret_count);
    while (at > 1 && (int64_t)*ret_count != wanted) {
        *ret_count = drop_later(seqs, *ret_count, task->moments[--at - 1]);
    }
    return seqs;
}

static void check_aggregate(World *world, Task *task, const Expect *expect)
{
    yyjson_doc *doc = expect_json(expect, buf_str(&task->out));
    yyjson_val *data = expect_member(expect, yyjson_doc_get_root(doc), "data");
    size_t count;
    int64_t *seqs = seqs_of_count(world, task, expect_any_int(expect, data, "count"), &count);
    Listing listing = {.world = world, .expect = expect, .seqs = seqs, .count = count};
    expect_int(expect, data, "count", (int64_t)count);
    if (task->question.records) {
        check_array(&listing, expect_member(expect, data, "records"));
        check_count(&listing, listing.count);
    }
    totals_check(expect, &task->question, &world->model, seqs, count, expect_member(expect, data, "groups"));
    free(seqs);
    yyjson_doc_free(doc);
}

static void check_answer(World *world, Task *task)
{
    char what[QUESTION_TEXT_BYTES];
    question_put(&task->question, what, sizeof what);
    Expect expect = {.story = &world->story, .what = what, .scale = world->workload.scale};
    task->cursor[0] = '\0';
    if (task->question.is_aggregate) {
        check_aggregate(world, task, &expect);
    } else {
        check_list(world, task, &expect);
    }
}

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

static void end_task(Task *task)
{
    query_free(task->query);
    buf_release(&task->out);
    free(task->seqs);
    *task = (Task){.query = NULL};
}

/* Nothing at all makes the smallest steps there are, often of one record: in a long log they would take most of a
 * run. */
static int64_t draw_step_us(World *world)
{
    enum { SHORT_LOG = 400 };
    bool smallest = random_below(&world->reading.random, 2) && model_last_seq(&world->model) <= SHORT_LOG;
    return smallest ? 0 : 2000;
}

/* A few records or as many as fit, at first; an answer that still has not ended then gets larger steps. */
static size_t draw_bytes_wanted(World *world, Task *task)
{
    enum { SMALL_STEPS = 60, SMALL = 500, LARGER = 10000, ALL = 100000 };
    size_t less = task->steps++ < SMALL_STEPS ? SMALL : LARGER;
    return random_below(&world->reading.random, 2) ? less : ALL;
}

static void begin_query(World *world, Task *task)
{
    QuestionParams params;
    QueryOptions options = query_options_default(store_info(world->machine.store));
    QueryProblems problems = {.count = 0};
    question_params(&task->question, &params);
    if (task->cursor[0]) {
        params.items[params.count++] = (QueryParam){.name = STR("cursor"), .value = str_from(task->cursor)};
    }
    options.clock = &world->machine.clock.clock;
    options.step_us_max = draw_step_us(world);
    QueryFormat format = task->question.is_aggregate || task->question.limit > 0 ? QUERY_JSON : QUERY_NDJSON;
    Status status = task->question.is_aggregate
                        ? query_aggregate_new(params.items, params.count, format, &options, &task->query, &problems)
                        : query_list_new(params.items, params.count, format, &options, &task->query, &problems);
    if (status != STATUS_OK) {
        char what[QUESTION_TEXT_BYTES];
        question_put(&task->question, what, sizeof what);
        story_fail(&world->story, what, "a query", problems.count ? problems.items[0].problem : status_name(status));
    }
}

static void begin_task(World *world, Task *task)
{
    char what[QUESTION_TEXT_BYTES];
    *task = (Task){.query = NULL};
    question_draw(&task->question, &world->reading.random, &world->workload, world->machine.clock.wall_us);
    buf_init(&task->out, ANSWER_BYTES_MAX);
    begin_query(world, task);
    question_put(&task->question, what, sizeof what);
    story_tell(&world->story, "asked: %s", what);
}

static void note_moment(World *world, Task *task)
{
    int64_t now = model_last_seq(&world->model);
    if (task->moment_count == 0 ||
        (task->moment_count < TASK_MOMENTS_MAX && task->moments[task->moment_count - 1] != now)) {
        task->moments[task->moment_count++] = now;
    }
}

static void next_page(World *world, Task *task)
{
    query_free(task->query);
    task->query = NULL;
    buf_reset(&task->out);
    begin_query(world, task);
}

static void step_task(World *world, Task *task)
{
    StoreReader *reader = NULL;
    Error error = {0};
    bool done = false;
    uint64_t struck = faults_struck(world);
    note_moment(world, task);
    Status status = machine_reader(&world->machine, MACHINE_READER_TASKS, &reader, &error);
    if (status == STATUS_OK) {
        status = query_step(task->query, reader, draw_bytes_wanted(world, task), &task->out, &done, &error);
    }
    if (status != STATUS_OK) {
        faults_check_reading(world, struck, "a query's step", status, error.message);
        end_task(task);
    } else if (done) {
        check_answer(world, task);
        story_tell(&world->story, "answered, %zu bytes%s", task->out.len, task->cursor[0] ? ", and there is more" : "");
        if (task->cursor[0]) {
            next_page(world, task);
        } else {
            end_task(task);
        }
    }
}

void tasks_step(World *world)
{
    Task *task = &world->reading.tasks.items[random_below(&world->reading.random, TASKS_MAX)];
    if (!task->query) {
        begin_task(world, task);
    }
    size_t steps = 1 + random_below(&world->reading.random, 40);
    for (size_t i = 0; i < steps && task->query; i++) {
        step_task(world, task);
    }
}

void tasks_all(World *world)
{
    enum { QUESTIONS = 6 };
    Task task;
    for (size_t i = 0; i < QUESTIONS; i++) {
        begin_task(world, &task);
        while (task.query) {
            step_task(world, &task);
        }
    }
}

void tasks_end(World *world)
{
    for (size_t i = 0; i < TASKS_MAX; i++) {
        end_task(&world->reading.tasks.items[i]);
    }
}
