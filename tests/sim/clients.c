#include "sim/clients.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim/hand_in.h"
#include "sim/outcome_words.h"
#include "sim/walk.h"
#include "sim/world.h"
#include "support/need.h"
#include "support/random.h"

struct Call {
    Submission submission;
    World *world;
    Call *next;
    int64_t number;
    size_t intake;
    ModelWork work;
    Outcome *outcomes; /* the store's */
    Outcome *expected; /* the model's */
    EventChange events;
    IntakeChange letters;
    Arena stored;
};

/* ---- Lists ------------------------------------------------------------------------------------------------------- */

static void list_add(CallList *list, Call *call)
{
    call->next = NULL;
    *(list->first ? list->last : &list->first) = call;
    list->last = &call->next;
    list->count++;
}

static Call *list_take(CallList *list)
{
    Call *call = list->first;
    if (call) {
        list->first = call->next;
        list->count--;
    }
    return call;
}

static void call_free(Call *call)
{
    model_work_release(&call->work);
    free(call->outcomes);
    free(call->expected);
    arena_release(&call->stored);
    free(call);
}

void clients_init(World *world, uint64_t seed)
{
    Clients *clients = &world->clients;
    *clients = (Clients){.random = seed};
    clients->intakes = 1 + random_below(&clients->random, CLIENTS_INTAKES_MAX);
    clients->calls_max = 1 + random_below(&clients->random, 8);
}

void clients_release(World *world)
{
    CallList *lists[] = {&world->clients.repeat, &world->senders.repeat};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        for (Call *call; (call = list_take(lists[i]));) {
            call_free(call);
        }
    }
    clients_forget_unsure(world);
}

/* ---- What is unsure ---------------------------------------------------------------------------------------------- */

/* Batches of all lives have different numbers. */
static int64_t batch_number(const World *world)
{
    ProcessorMetrics metrics;
    processor_metrics(world->machine.processor, &metrics);
    return world->lives << 32 | metrics.batches;
}

/* Behind those of its own batch, in front of all others. */
static void add_unsure(World *world, Unsure unsure)
{
    Clients *clients = &world->clients;
    Unsure *added = need(malloc(sizeof *added)), **place = &clients->unsure;
    *added = unsure;
    added->batch = batch_number(world);
    added->now_us = world->machine.clock.looked_us;
    while (*place && (*place)->batch == added->batch) {
        place = &(*place)->next;
    }
    added->next = *place;
    *place = added;
    clients->unsure_count++;
}

/* The call itself is free to be made again at once. */
static void add_unsure_call(World *world, const Call *call)
{
    add_unsure(world, (Unsure){.call = call->number, .work = model_work_copy(&call->work)});
}

void clients_add_unsure(World *world, const Work *work)
{
    add_unsure(world, (Unsure){.delivery = tables_keep_work(world, work)});
}

void clients_forget_unsure(World *world)
{
    Clients *clients = &world->clients;
    for (Unsure *unsure; (unsure = clients->unsure);) {
        clients->unsure = unsure->next;
        model_work_release(&unsure->work);
        tables_free_work(unsure->delivery);
        free(unsure);
    }
    clients->unsure_count = 0;
}

/* To the log, and to the tables of what could not be taken in. */
static void apply_work(World *world, const ModelWork *work, ModelAnswer *answer)
{
    model_apply(&world->model, work, answer);
    if (answer->status == STATUS_OK && !work->dry_run) {
        tables_take_in(world, work, answer->outcomes);
    }
}

static void apply_call(World *world, const Unsure *unsure)
{
    ModelAnswer answer = {.outcomes = need(calloc(unsure->work.count + 1, sizeof *answer.outcomes))};
    apply_work(world, &unsure->work, &answer);
    free(answer.outcomes);
}

/* With `checked` it has happened, and what it says has to be so. */
static void apply_batch(World *world, const Unsure *batch, bool checked)
{
    (void)onboard_begin_commit(world, batch->now_us);
    for (const Unsure *unsure = batch; unsure && unsure->batch == batch->batch; unsure = unsure->next) {
        if (!unsure->delivery) {
            apply_call(world, unsure);
        } else if (checked) {
            wire_apply(world, unsure->delivery);
        } else {
            (void)tables_apply(world, unsure->delivery);
        }
    }
    event_model_commit(&world->model.events);
}

/* Whether it is this batch, the first one of the list, that the store has behind what the model has; then the model has
 * it, too. */
static bool has_happened(World *world, const Unsure *batch)
{
    ModelMark mark = model_mark(&world->model);
    Tables before;
    tables_copy(&world->tables, &before);
    apply_batch(world, batch, false);
    bool same = reading_is_same_after_start(world, (int64_t)mark.count);
    model_rewind(&world->model, &mark);
    tables_release(&world->tables);
    world->tables = before;
    if (same) {
        apply_batch(world, batch, true);
        same = reading_is_same_after_start(world, (int64_t)mark.count);
    }
    return same;
}

static const Unsure *next_batch(const Unsure *batch)
{
    const Unsure *next = batch;
    while (next && next->batch == batch->batch) {
        next = next->next;
    }
    return next;
}

static _Noreturn void fail_settling(World *world)
{
    char expected[240], found[TABLES_TEXT_BYTES + 64];
    size_t unsure = world->clients.unsure_count;
    int len = snprintf(expected, sizeof expected,
                       "the log up to seq %" PRId64 ", the rules and the deliveries, as all were told, ",
                       model_last_seq(&world->model));
    snprintf(expected + len, sizeof expected - (size_t)len,
             unsure ? "and behind it at most one batch, whole, of those whose commit failed (%zu calls)"
                    : "and nothing behind it, since no commit was left unsure",
             unsure);
    reading_put_state(world, found, sizeof found);
    story_fail(&world->story, "what the store has after its start", expected, found);
}

void clients_settle(World *world)
{
    const Unsure *batch = world->clients.unsure;
    if (reading_is_same_after_start(world, model_last_seq(&world->model))) {
        if (batch) {
            story_headline(&world->story, "%zu unsure calls turn out to be absent", world->clients.unsure_count);
        }
        clients_forget_unsure(world);
        return;
    }
    while (batch && !has_happened(world, batch)) {
        batch = next_batch(batch);
    }
    if (!batch) {
        fail_settling(world);
    }
    story_headline(&world->story, "the unsure batch with call %" PRId64 " (0: with a delivery) turns out to be there",
                   batch->call);
    clients_forget_unsure(world);
}

/* ---- What a call was told ---------------------------------------------------------------------------------------- */

/* Of an event that has another's place, or its own under a further id. */
static bool is_elsewhere(const Call *call, size_t at)
{
    const EventItem *events = call->work.events;
    return events && !events[at].corrects &&
           event_model_lead(&call->world->model.events, call->work.items[at].record_id) != 0;
}

static void check_stored(Call *call, size_t at, const char *what)
{
    World *world = call->world;
    const Outcome *outcome = &call->outcomes[at];
    bool wanted = outcome->kind == OUTCOME_CONFLICT || is_elsewhere(call, at);
    if (!wanted || outcome->seq == 0 || !call->submission.work.records.stored) {
        return;
    }
    if (!outcome->stored) {
        story_fail(&world->story, what, "the record that is there", "none");
    }
    const Record *right = &model_at(&world->model, outcome->seq)->record;
    if (outcome->kind != OUTCOME_CREATED) {
        walk_check_record(world, outcome->stored, outcome->seq, what);
    } else if (!str_equal(outcome->stored->record.record_id, right->record_id)) {
        story_fail(&world->story, what, "the id under which it was created", "another");
    }
}

static void check_outcome(Call *call, size_t at)
{
    World *world = call->world;
    const Outcome *is = &call->outcomes[at], *right = &call->expected[at];
    char what[128], expected[256], found[256];
    snprintf(what, sizeof what, "call %" PRId64 " was told what became of its record %zu of %zu", call->number, at + 1,
             call->work.count);
    if (is->kind != right->kind || is->seq != right->seq || is->differs != right->differs) {
        outcome_put(right, expected, sizeof expected);
        outcome_put(is, found, sizeof found);
        walk_tell_record(world, "handed in:  ", &call->work.items[at]);
        if (right->seq && model_is_record(&world->model, right->seq)) {
            walk_tell_record(world, "in the log: ", &model_at(&world->model, right->seq)->record);
        }
        story_fail(&world->story, what, expected, found);
    }
    check_stored(call, at, what);
}

static void count_told(Clients *clients, const Call *call)
{
    ProcessorMetrics *told = &clients->told;
    for (size_t i = 0; i < call->work.count && !call->work.dry_run; i++) {
        OutcomeKind kind = call->outcomes[i].kind;
        told->created += kind == OUTCOME_CREATED && call->submission.work.status == STATUS_OK;
        told->duplicates += kind == OUTCOME_DUPLICATE;
        told->conflicts += kind == OUTCOME_CONFLICT;
    }
}

static void check_rule(Call *call, const ModelAnswer *answer)
{
    const AlertRule *is = &call->submission.work.rule;
    if (answer->status == STATUS_OK && call->work.kind == WORK_RULE_PUT &&
        (is->id != answer->rule.id || is->version != answer->rule.version)) {
        story_failf(&call->world->story,
                    "call %" PRId64 " put rule %" PRId64 " version %" PRId64 ", but was told rule %" PRId64
                    " version %" PRId64,
                    call->number, answer->rule.id, answer->rule.version, is->id, is->version);
    }
}

static void tell_done(Call *call)
{
    unsigned counts[OUTCOME_REJECTED + 1] = {0};
    for (size_t i = 0; i < call->work.count; i++) {
        counts[call->outcomes[i].kind]++;
    }
    story_headline(&call->world->story,
                   "call %" PRId64 " is done (%s): %u created, %u duplicates, %u conflicts; the log ends at %" PRId64,
                   call->number, status_name(call->submission.work.status), counts[OUTCOME_CREATED],
                   counts[OUTCOME_DUPLICATE], counts[OUTCOME_CONFLICT], model_last_seq(&call->world->model));
    outcome_tell_conflicts(&call->world->story, call->outcomes, call->work.count);
}

/* After the power was cut or a sync failed, only that may still be told which needs no disk: that something was there
 * before. */
static void check_may_tell(Call *call, bool changed)
{
    World *world = call->world;
    if (changed && sim_disk_is_frozen(world->machine.disk)) {
        story_failf(&world->story, "call %" PRId64 " was acknowledged after the power was cut", call->number);
    }
    if (world->faults.log_sync_failed) {
        story_failf(&world->story, "call %" PRId64 " was acknowledged after a failed sync", call->number);
    }
}

/* It was committed: the model does the same, and must come to the same. */
static void check_answer(Call *call)
{
    World *world = call->world;
    ModelAnswer answer = {.outcomes = call->expected};
    ModelMark before = model_mark(&world->model);
    bool ends_leases = onboard_begin_commit(world, world->machine.clock.looked_us);
    apply_work(world, &call->work, &answer);
    tell_done(call);
    bool changed = before.count != world->model.count || before.facts != world->model.events.count ||
                   !model_same_rules(&world->model, &before) || ends_leases;
    check_may_tell(call, changed);
    if (call->work.simulate_failure && !call->work.dry_run && answer.status == STATUS_OK) {
        story_failf(&world->story, "call %" PRId64 " was to fail, and was told OK", call->number);
    }
    if (changed) {
        clients_forget_unsure(world); /* this commit has taken its place */
    }
    if (call->submission.work.status != answer.status) {
        char what[64];
        snprintf(what, sizeof what, "call %" PRId64 " was told its status", call->number);
        story_fail(&world->story, what, status_name(answer.status), status_name(call->submission.work.status));
    }
    for (size_t i = 0; i < call->work.count; i++) {
        check_outcome(call, i);
    }
    check_rule(call, &answer);
    count_told(&world->clients, call);
}

/* What corrects is not made again: whoever does so looks first what there is to be corrected now. */
static void event_again_or_never(Call *call)
{
    Senders *senders = &call->world->senders;
    bool corrects = call->work.quiet;
    call->work.simulate_failure = false;
    if (!corrects && random_below(&senders->random, 100) < 80) {
        list_add(&senders->repeat, call);
    } else {
        call_free(call);
    }
}

static void again_or_never(Call *call)
{
    Clients *clients = &call->world->clients;
    if (call->intake == CLIENTS_OF_EVENTS) {
        event_again_or_never(call);
    } else if (random_below(&clients->random, 100) < 80) {
        list_add(&clients->repeat, call);
    } else {
        call_free(call);
    }
}

/* Whoever asks for a failure gets one, unless nothing was to be written. */
static void check_failure(const Call *call, Status status, const Error *error)
{
    World *world = call->world;
    bool asked = call->work.simulate_failure && !call->work.dry_run;
    if (!asked || status != STATUS_BUSY || !strstr(error->message, "simulated failure")) {
        faults_check_failure(world, status, error->message);
    }
}

static void on_done(Submission *submission, Status status, const Error *error)
{
    Call *call = submission->owner;
    World *world = call->world;
    world->clients.under_way[call->intake]--;
    hand_in_done(world, submission);
    if (status == STATUS_OK) {
        check_answer(call);
        call_free(call);
        return;
    }
    story_headline(&world->story, "call %" PRId64 " fails: %s, %s", call->number, status_name(status), error->message);
    check_failure(call, status, error);
    bool is_long =
        call->work.simulate_failure && world->workload.is_large; /* to fill a publish of such a run takes long */
    world->faults.has_undone = world->faults.has_undone || (call->work.count > 0 && !call->work.dry_run && !is_long);
    if (status == STATUS_UNKNOWN) {
        add_unsure_call(world, call);
    }
    again_or_never(call);
}

/* ---- Making calls ------------------------------------------------------------------------------------------------ */

static Call *new_call(World *world, const ModelWork *work)
{
    Call *call = need(calloc(1, sizeof *call));
    call->world = world;
    call->work = *work;
    call->outcomes = need(calloc(call->work.count + 1, sizeof *call->outcomes));
    call->expected = need(calloc(call->work.count + 1, sizeof *call->expected));
    arena_init(&call->stored, 4096, (size_t)64 << 20);
    return call;
}

static void tell_call(Call *call)
{
    Story *story = &call->world->story;
    const ModelWork *work = &call->work;
    if (work->kind != WORK_RECORDS) {
        story_headline(story, "call %" PRId64 " (intake %zu): %s rule %" PRId64 " version %" PRId64 " \"%.*s\"",
                       call->number, call->intake, work->kind == WORK_RULE_PUT ? "put" : "delete", work->rule.id,
                       work->rule.version, STR_ARGS(work->rule.name));
        return;
    }
    if (call->intake == CLIENTS_OF_EVENTS) {
        story_headline(story, "call %" PRId64 " (%s): %zu, and %zu broken ones%s%s%s", call->number,
                       work->quiet    ? "corrections"
                       : work->events ? "events"
                                      : "records",
                       work->count, work->failed_count, work->atomic ? ", atomic" : "",
                       work->dry_run ? ", dry run" : "",
                       work->simulate_failure ? ", that are to fail in their middle" : "");
    } else {
        story_headline(story, "call %" PRId64 " (intake %zu): %zu records%s%s", call->number, call->intake, work->count,
                       work->atomic ? ", atomic" : "", work->dry_run ? ", dry run" : "");
    }
    size_t shown = !story_is_full(story) ? 0 : work->count < STORY_ITEMS_MAX ? work->count : STORY_ITEMS_MAX;
    for (size_t i = 0; i < shown; i++) {
        walk_tell_record(call->world, "", &work->items[i]);
        if (work->events) {
            senders_tell_item(call->world, &work->events[i]);
        }
    }
    story_rest(story, work->count - shown);
}

/* What goes with records that are events. */
static void attach_events(Call *call)
{
    const ModelWork *work = &call->work;
    Work *submitted = &call->submission.work;
    if (!work->events) {
        return;
    }
    call->events = (EventChange){.items = work->events, .failed = work->failed, .failed_count = work->failed_count};
    submitted->records.events = &call->events;
    submitted->records.quiet = work->quiet;
    submitted->records.simulate_failure = work->simulate_failure;
    call->letters = (IntakeChange){.source = TABLES_SOURCE,
                                   .letters = work->letters,
                                   .refused = work->refused,
                                   .refused_count = work->failed_count,
                                   .first_wins = call->number % 2};
    submitted->records.intake = work->letters && !work->dry_run ? &call->letters : NULL;
}

static void prepare(Call *call)
{
    const StoreInfo *info = store_info(call->world->machine.store);
    call->submission = (Submission){.work = {.kind = call->work.kind}, .done = on_done, .owner = call};
    call->submission.bytes = 1 + 200 * call->work.count;
    if (call->work.kind != WORK_RECORDS) {
        call->submission.work.rule = call->work.rule;
        return;
    }
    Record *items = (Record *)(uintptr_t)call->work.items;
    for (size_t i = 0; i < call->work.count; i++) {
        items[i].identity_hash = record_identity_hash(&items[i], info->identity, info->hash_seed);
    }
    arena_reset(&call->stored);
    call->submission.work.records.items = items;
    call->submission.work.records.outcomes = call->outcomes;
    call->submission.work.records.count = call->work.count;
    call->submission.work.records.atomic = call->work.atomic;
    call->submission.work.records.dry_run = call->work.dry_run;
    call->submission.work.records.stored = call->number % 2 ? &call->stored : NULL;
    attach_events(call);
}

/* What corrects is not made again, see above: the log may be another one then. */
static void turn_away(Call *call)
{
    World *world = call->world;
    if (call->work.quiet) {
        call_free(call);
    } else {
        list_add(call->intake == CLIENTS_OF_EVENTS ? &world->senders.repeat : &world->clients.repeat, call);
    }
}

static void make(Call *call)
{
    World *world = call->world;
    Clients *clients = &world->clients;
    Error error = {0};
    prepare(call);
    tell_call(call);
    if (hand_in(world, &call->submission, &error) == STATUS_OK) {
        clients->under_way[call->intake]++;
    } else {
        story_headline(&world->story, "call %" PRId64 ": the queue is full", call->number);
        turn_away(call);
    }
}

void clients_call(World *world)
{
    Clients *clients = &world->clients;
    size_t intake = random_below(&clients->random, clients->intakes);
    if (clients->under_way[intake] >= clients->calls_max) {
        return;
    }
    bool again = clients->repeat.count > 0 && random_below(&clients->random, 100) < 50;
    ModelWork work;
    if (!again) {
        workload_draw(&world->workload, &world->model, world->machine.clock.wall_us, &work);
    }
    Call *call = again ? list_take(&clients->repeat) : new_call(world, &work);
    call->intake = intake;
    call->number = ++clients->number;
    make(call);
}

static void make_for_events(World *world, Call *call)
{
    call->intake = CLIENTS_OF_EVENTS;
    call->number = ++world->senders.number;
    make(call);
}

void clients_call_events(World *world, const ModelWork *work) { make_for_events(world, new_call(world, work)); }

bool clients_call_events_again(World *world)
{
    Call *call = list_take(&world->senders.repeat);
    if (call) {
        make_for_events(world, call);
    }
    return call;
}

bool clients_wait(const World *world) { return world->clients.queue_bytes > 0; }

void clients_begin_life(World *world) { world->clients.told = (ProcessorMetrics){0}; }

void clients_committed(void *self, int64_t last_seq)
{
    World *world = self;
    if (last_seq != model_last_seq(&world->model)) {
        story_failf(&world->story, "a commit is told with last_seq %" PRId64 ", but the log ends at %" PRId64, last_seq,
                    model_last_seq(&world->model));
    }
    event_model_commit(&world->model.events);
}
