#include "sim/reading.h"

#include <inttypes.h>

#include "sim/event_look.h"
#include "sim/walk.h"
#include "sim/world.h"
#include "support/random.h"

/* ---- Views that are held ----------------------------------------------------------------------------------------- */

static void drop_view(World *world)
{
    HeldView *held = &world->reading.held;
    if (held->looking) {
        reader_end(world->machine.readers[MACHINE_READER_HELD]);
    }
    view_free(held->view);
    *held = (HeldView){0};
}

static void begin_view(World *world)
{
    StoreReader *reader = NULL;
    HeldView *held = &world->reading.held;
    Error error = {0};
    uint64_t struck = faults_struck(world);
    Status status = machine_reader(&world->machine, MACHINE_READER_HELD, &reader, &error);
    if (status == STATUS_OK) {
        status = reader_begin(reader, &held->view, &error);
    }
    if (status != STATUS_OK) {
        faults_check_reading(world, struck, "a look at the store", status, error.message);
        return;
    }
    held->looking = true;
    held->bound = model_last_seq(&world->model);
    story_tell(&world->story, "a view is held, up to seq %" PRId64, held->bound);
    if (view_bound(held->view) != held->bound) {
        story_failf(&world->story, "a view ends at %" PRId64 ", but the log at %" PRId64, view_bound(held->view),
                    held->bound);
    }
}

static bool resume_view(World *world)
{
    HeldView *held = &world->reading.held;
    StoreReader *reader = NULL;
    Error error = {0};
    uint64_t struck = faults_struck(world);
    Status status = machine_reader(&world->machine, MACHINE_READER_HELD, &reader, &error);
    if (status == STATUS_OK && held->looking) {
        status = reader_check(reader, &error);
    } else if (status == STATUS_OK) {
        status = reader_resume(reader, held->view, &error);
        held->looking = status == STATUS_OK;
    }
    if (status != STATUS_OK) {
        faults_check_reading(world, struck, "a view that is resumed", status, error.message);
    }
    return status == STATUS_OK;
}

static void use_view(World *world)
{
    HeldView *held = &world->reading.held;
    uint64_t *random = &world->reading.random;
    if (!resume_view(world)) {
        return;
    }
    StoreReader *reader = world->machine.readers[MACHINE_READER_HELD];
    story_tell(&world->story, "the view up to seq %" PRId64 " is used", held->bound);
    event_look_view(world, reader, held->bound);
    switch (random_below(random, 6)) {
    case 0: walk_scan(world, reader, 0, held->bound, "a held view, scanned"); break;
    case 3: walk_messages(world, reader, held->bound); break;
    case 4: walk_between(world, reader, held->view); break;
    case 1: walk_times(world, reader, held->bound, false, "a held view, by time"); break;
    case 2: walk_times(world, reader, held->bound, true, "a held view, by time, backwards"); break;
    default: {
        Str source, id = workload_draw_id(&world->workload, &world->reading.random, &source);
        walk_find(world, reader, held->bound, id, source);
    }
    }
    if (random_below(random, 2)) {
        reader_end(reader);
        held->looking = false;
    }
}

static void step_view(World *world)
{
    if (!world->reading.held.view) {
        begin_view(world);
    } else if (random_below(&world->reading.random, 100) < 75) {
        use_view(world);
    } else {
        drop_view(world);
    }
}

/* ---- Verify ------------------------------------------------------------------------------------------------------ */

typedef struct Verifying {
    World *world;
    uint64_t struck; /* before it began */
} Verifying;

/* A run that cannot be read is a finding of verify, not a failure. */
static void on_problem(void *context, const char *text)
{
    const Verifying *verifying = context;
    World *world = verifying->world;
    if (!faults_is_damaged(world) && faults_struck(world) == verifying->struck &&
        !sim_disk_is_frozen(world->machine.disk)) {
        story_fail(&world->story, "verify", "no problems", text);
    }
    story_tell(&world->story, "verify: %s", text);
}

static int64_t count_events(const World *world)
{
    int64_t count = 0;
    for (int64_t seq = 1; seq <= model_last_seq(&world->model); seq++) {
        count += event_model_at(&world->model.events, seq) != NULL;
    }
    return count;
}

static void check_verify(World *world)
{
    StoreReader *reader = NULL;
    Error error = {0};
    VerifyReport report = {0};
    Verifying verifying = {world, faults_struck(world)};
    Status status = machine_reader(&world->machine, MACHINE_READER_QUICK, &reader, &error);
    if (status == STATUS_OK) {
        status = store_verify(reader, on_problem, &verifying, NULL, &report, &error);
    }
    if (status != STATUS_OK) {
        faults_check_reading(world, verifying.struck, "verify", status, error.message);
    } else if (report.events != count_events(world)) {
        story_failf(&world->story, "verify looked at %" PRId64 " events of %" PRId64, report.events,
                    count_events(world));
    } else if (report.records + report.messages != model_last_seq(&world->model)) {
        story_failf(&world->story,
                    "verify looked at %" PRId64 " records and %" PRId64 " messages of %" PRId64 " entries",
                    report.records, report.messages, model_last_seq(&world->model));
    } else {
        story_tell(&world->story, "verify: %" PRId64 " records, %" PRId64 " messages, %" PRId64 " flows are sound",
                   report.records, report.messages, report.flows);
    }
}

/* ---- Another program --------------------------------------------------------------------------------------------- */

/* What `weir query --data` does beside a service: the store once more, only to be read. */
static void look_from_outside(World *world)
{
    StoreOptions options = world->machine.options;
    Store *store = NULL;
    StoreReader *reader = NULL;
    StoreView *view = NULL;
    Error error = {0};
    uint64_t struck = faults_struck(world);
    options.read_only = true;
    Status status = store_open(&options, &store, &error);
    if (status == STATUS_OK) {
        status = store_reader_open(store, &reader, &error);
    }
    if (status == STATUS_OK) {
        status = reader_begin(reader, &view, &error);
    }
    if (status != STATUS_OK) {
        faults_check_reading(world, struck, "a look from outside", status, error.message);
    } else {
        Str source, id = workload_draw_id(&world->workload, &world->reading.random, &source);
        story_tell(&world->story, "a look from outside, up to seq %" PRId64, view_bound(view));
        walk_scan(world, reader, 0, model_last_seq(&world->model), "a scan from outside");
        walk_times(world, reader, model_last_seq(&world->model), random_below(&world->reading.random, 2),
                   "the records by time, from outside");
        walk_find(world, reader, model_last_seq(&world->model), id, source);
        event_look_view(world, reader, model_last_seq(&world->model));
        reader_end(reader);
    }
    view_free(view);
    store_reader_close(reader);
    store_close(store);
}

/* ---- All of it --------------------------------------------------------------------------------------------------- */

/* Begins a look of its own; NULL when it was struck. */
static StoreReader *begin_look(World *world, StoreView **ret_view)
{
    StoreReader *reader = NULL;
    Error error = {0};
    uint64_t struck = faults_struck(world);
    Status status = machine_reader(&world->machine, MACHINE_READER_QUICK, &reader, &error);
    if (status == STATUS_OK) {
        status = reader_begin(reader, ret_view, &error);
    }
    if (status != STATUS_OK) {
        faults_check_reading(world, struck, "a look at the store", status, error.message);
        return NULL;
    }
    return reader;
}

static void end_look(StoreReader *reader, StoreView *view)
{
    reader_end(reader);
    view_free(view);
}

static StoreReader *begin_look_after_start(World *world, StoreView **ret_view)
{
    StoreReader *reader = begin_look(world, ret_view);
    if (!reader) {
        story_failf(&world->story, "the store was opened, but cannot be read");
    }
    return reader;
}

bool reading_is_same(World *world, int64_t after)
{
    StoreView *view = NULL;
    StoreReader *reader = begin_look_after_start(world, &view);
    char difference[TABLES_TEXT_BYTES];
    bool same = view_bound(view) == model_last_seq(&world->model) && walk_is_same(world, reader, after) &&
                walk_rules(world, reader) && tables_check(world, reader, difference) &&
                onboard_check(world, reader, difference) && event_look_check(world, reader, difference);
    end_look(reader, view);
    return same;
}

static int64_t end_of_leases(World *world)
{
    StoreView *view = NULL;
    StoreReader *reader = begin_look_after_start(world, &view);
    int64_t ended_us = onboard_end_of_leases(world, reader);
    end_look(reader, view);
    return ended_us;
}

/* At which moment the leases have ended, the jobs say. */
bool reading_is_same_after_start(World *world, int64_t after)
{
    OnboardTables *tables = &world->tables.onboard, before;
    if (reading_is_same(world, after)) {
        return true;
    }
    onboard_copy(tables, &before);
    onboard_begin_life(world);
    int64_t ended_us = tables->leases_are_over ? end_of_leases(world) : 0;
    bool same = ended_us && onboard_begin_commit(world, ended_us) && reading_is_same(world, after);
    OnboardTables *unused = same ? &before : tables;
    OnboardTables kept = same ? *tables : before;
    onboard_release(unused);
    *tables = kept;
    return same;
}

void reading_put_state(World *world, char *ret_text, size_t room)
{
    StoreView *view = NULL;
    StoreReader *reader = begin_look_after_start(world, &view);
    char difference[TABLES_TEXT_BYTES] = "";
    if (tables_check(world, reader, difference) && onboard_check(world, reader, difference)) {
        (void)event_look_check(world, reader, difference);
    }
    snprintf(ret_text, room, "a log up to seq %" PRId64 "%s%s%s", view_bound(view),
             walk_rules(world, reader) ? "" : ", and other rules than these", difference[0] ? "; " : "", difference);
    end_look(reader, view);
}

static void check_metrics(World *world)
{
    StoreMetrics metrics;
    store_metrics(world->machine.store, &metrics);
    int64_t messages = 0, letters = tables_open_letters(&world->tables);
    for (int64_t seq = 1; seq <= model_last_seq(&world->model); seq++) {
        messages += !model_is_record(&world->model, seq);
    }
    if (metrics.last_seq != model_last_seq(&world->model) || metrics.message_count != messages ||
        metrics.record_count != metrics.last_seq - messages || metrics.dead_letters_open != letters) {
        story_failf(&world->story,
                    "the metrics say %" PRId64 " records, %" PRId64 " messages, %" PRId64 " dead letters up to %" PRId64
                    "; right are %" PRId64 " messages, %" PRId64 " dead letters up to %" PRId64,
                    metrics.record_count, metrics.message_count, metrics.dead_letters_open, metrics.last_seq, messages,
                    letters, model_last_seq(&world->model));
    }
}

/* A filter that has lost a bit misses a key or two: all are asked for, or many of them, by the indexes that know
 * them. */
static void find_all(World *world, StoreReader *reader, int64_t bound)
{
    enum { FINDS_MAX = 400 };
    const Workload *workload = &world->workload;
    for (size_t i = 0; i < workload->seen_count; i += workload->seen_count / FINDS_MAX + 1) {
        walk_find(world, reader, bound, workload->seen[i].record_id, (Str){NULL, 0});
    }
    walk_flows(world, reader, bound, FINDS_MAX);
}

static void check_log(World *world)
{
    StoreView *view = NULL;
    StoreReader *reader = begin_look(world, &view);
    if (!reader) {
        return;
    }
    int64_t bound = model_last_seq(&world->model);
    if (view_bound(view) != bound) {
        story_failf(&world->story, "the log ends at %" PRId64 ", and should at %" PRId64, view_bound(view), bound);
    }
    walk_scan(world, reader, 0, bound, "the log");
    walk_messages(world, reader, bound);
    walk_times(world, reader, bound, false, "the records by time");
    walk_times(world, reader, bound, true, "the records by time, backwards");
    if (!walk_rules(world, reader)) {
        story_failf(&world->story, "the rules are not those that were put");
    }
    char difference[TABLES_TEXT_BYTES];
    if (!tables_check(world, reader, difference)) {
        story_fail(&world->story, "what is stored of deliveries", NULL, difference);
    }
    if (!onboard_check(world, reader, difference)) {
        story_fail(&world->story, "what is stored of onboarding", NULL, difference);
    }
    if (!event_look_check(world, reader, difference)) {
        story_fail(&world->story, "what is kept of events", NULL, difference);
    }
    enum { FINDS = 20, WALKS = 5 };
    for (size_t i = 0; i < WALKS; i++) {
        walk_between(world, reader, view);
    }
    for (size_t i = 0; i < FINDS; i++) {
        Str source, id = workload_draw_id(&world->workload, &world->reading.random, &source);
        walk_find(world, reader, bound, id, source);
    }
    if (world->faults.damaged_before_boot) {
        find_all(world, reader, bound);
    }
    end_look(reader, view);
}

void reading_all(World *world)
{
    story_tell(&world->story, "everything is looked at, up to seq %" PRId64, model_last_seq(&world->model));
    check_log(world);
    check_metrics(world);
    feeds_all(world);
    tasks_all(world);
    check_verify(world);
}

/* ---- A look ------------------------------------------------------------------------------------------------------ */

static void look_by_hand(World *world)
{
    StoreView *view = NULL;
    StoreReader *reader = begin_look(world, &view);
    if (!reader) {
        return;
    }
    int64_t bound = model_last_seq(&world->model);
    Str source, id = workload_draw_id(&world->workload, &world->reading.random, &source);
    switch (random_below(&world->reading.random, 6)) {
    case 2:
    case 3: walk_between(world, reader, view); break;
    case 0:
        walk_scan(world, reader, (int64_t)random_below(&world->reading.random, (uint64_t)bound + 1), bound, "a scan");
        break;
    case 1: walk_times(world, reader, bound, random_below(&world->reading.random, 2), "the records by time"); break;
    default: walk_find(world, reader, bound, id, source);
    }
    end_look(reader, view);
}

void reading_step(World *world)
{
    uint64_t drawn = random_below(&world->reading.random, 100);
    if (drawn < 35) {
        feeds_step(world);
    } else if (drawn < 60) {
        tasks_step(world);
    } else if (drawn < 78) {
        step_view(world);
    } else if (drawn < 92) {
        look_by_hand(world);
    } else if (drawn < 97) {
        look_from_outside(world);
    } else {
        check_verify(world);
    }
}

void reading_init(World *world, uint64_t seed)
{
    world->reading = (Reading){.random = seed};
    feeds_init(&world->reading.feeds);
}

void reading_release(World *world) { feeds_release(&world->reading.feeds); }

void reading_end_life(World *world)
{
    drop_view(world);
    tasks_end(world);
}

void reading_rewound(World *world) { feeds_rewound(world); }
