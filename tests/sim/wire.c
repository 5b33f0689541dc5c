#include "sim/wire.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "deliver/line.h"
#include "sim/hand_in.h"
#include "sim/handler.h"
#include "sim/looks.h"
#include "sim/wire_check.h"
#include "sim/world.h"
#include "support/need.h"

/* ---- What is known of messages ----------------------------------------------------------------------------------- */

Seen *wire_seen(World *world, size_t sink, int64_t seq)
{
    SimSink *state = &world->deliveries.sinks[sink];
    size_t wanted = (size_t)seq + 1;
    state->seen = need_room(state->seen, &state->seen_room, wanted, sizeof *state->seen);
    while (state->seen_count < wanted) {
        state->seen[state->seen_count++] = (Seen){0};
    }
    return &state->seen[seq];
}

SimReplay *wire_replay(World *world, int64_t id)
{
    Deliveries *deliveries = &world->deliveries;
    const TableReplay *row = tables_replay(&world->tables, id);
    size_t before = deliveries->replay_room;
    deliveries->replays =
        need_room(deliveries->replays, &deliveries->replay_room, (size_t)id, sizeof *deliveries->replays);
    for (size_t i = before; i < deliveries->replay_room; i++) {
        deliveries->replays[i] = (SimReplay){0};
    }
    SimReplay *replay = &deliveries->replays[id - 1];
    if (!replay->marks) {
        replay->count = (size_t)row->through + 1;
        replay->marks = need(calloc(replay->count, 1));
        replay->base = row->place.cursor;
        replay->life = world->lives;
        attempts_begin_line(&replay->line, row->after);
    }
    return replay;
}

SimLine *wire_line(World *world, size_t sink, int64_t job)
{
    return job ? &wire_replay(world, job)->line : &world->deliveries.sinks[sink].line;
}

SimLine *wire_line_at(World *world, size_t at)
{
    size_t sinks = world->deliveries.count;
    return at < sinks ? &world->deliveries.sinks[at].line : &world->deliveries.replays[at - sinks].line;
}

/* ---- A sink between the line and the receiver's sink ------------------------------------------------------------- */

typedef struct WireSink {
    Sink sink;
    Sink *inner; /* owns */
    World *world;
    size_t index;
    int64_t job;
} WireSink;

static const char *name_of(const WireSink *sink, char text[64])
{
    snprintf(text, 64, sink->job ? "%s, replay %" PRId64 : "%s", tables_sink_name(sink->index), sink->job);
    return text;
}

static Status wire_connect(Sink *base, SinkPlace ours, SinkPlace *ret_theirs, Error *reterr)
{
    WireSink *sink = (WireSink *)base;
    char name[64];
    Status status = sink->inner->ops->connect(sink->inner, ours, ret_theirs, reterr);
    attempts_drop(sink->world, sink->index, sink->job);
    if (status != STATUS_OK) {
        story_tell(&sink->world->story, "%s: cannot be connected", name_of(sink, name));
    } else if (ret_theirs->cursor != ours.cursor) {
        attempts_rewind(sink->world, sink->index, sink->job);
        story_tell(&sink->world->story, "%s: is connected, and goes on at %" PRId64 " instead of %" PRId64,
                   name_of(sink, name), ret_theirs->cursor, ours.cursor);
    }
    return status;
}

static size_t wire_room(const Sink *base)
{
    const WireSink *sink = (const WireSink *)base;
    return sink->inner->ops->room(sink->inner);
}

static Status wire_send(Sink *base, const Message *messages, size_t count, const SinkPlace *place, Error *reterr)
{
    WireSink *sink = (WireSink *)base;
    World *world = sink->world;
    char name[64], at[64] = "";
    SimSink *other = &world->deliveries.sinks[sink->index];
    bool keeps_place = other->style == FAKE_TRANSACTIONS || other->style == FAKE_STREAM;
    int64_t from = wire_place_of(world, sink->index);
    wire_check_group(world, sink->index, sink->job, messages, count, place);
    Status status = sink->inner->ops->send(sink->inner, messages, count, place, reterr);
    if (place && keeps_place && !sink->job && status != STATUS_BUSY) {
        wire_check_place(world, sink->index, from, messages, count, place);
    }
    if (status != STATUS_OK) {
        attempts_drop(world, sink->index, sink->job);
    }
    if (place) {
        snprintf(at, sizeof at, ", place %" PRId64, place->cursor);
    }
    story_tell(&world->story, "%s: %zu messages, %" PRId64 " to %" PRId64 "%s: %s", name_of(sink, name), count,
               messages[0].seq, messages[count - 1].seq, at, status_name(status));
    return status;
}

static size_t wire_results(Sink *base, SinkResult *results, size_t cap)
{
    static const char *const names[] = {"taken", "failed", "refused", "held", "gone"};
    WireSink *sink = (WireSink *)base;
    char name[64];
    size_t count = sink->inner->ops->results(sink->inner, results, cap);
    wire_look(sink->world);
    for (size_t i = 0; i < count; i++) {
        if (results[i].verdict != SINK_TAKEN) {
            story_tell(&sink->world->story, "%s: message %" PRId64 " is %s", name_of(sink, name), results[i].seq,
                       names[results[i].verdict]);
        }
        wire_note_verdict(sink->world, sink->index, sink->job, &results[i]);
    }
    return count;
}

static void wire_wait(Sink *base, int64_t us_max)
{
    WireSink *sink = (WireSink *)base;
    sink->inner->ops->wait(sink->inner, us_max);
}

static void wire_wake(Sink *base)
{
    WireSink *sink = (WireSink *)base;
    sink->inner->ops->wake(sink->inner);
}

static void wire_close(Sink *base)
{
    WireSink *sink = (WireSink *)base;
    wire_line(sink->world, sink->index, sink->job)->sink = NULL;
    sink_close(sink->inner);
    free(sink);
}

static const SinkOps wire_ops = {
    .connect = wire_connect,
    .room = wire_room,
    .send = wire_send,
    .results = wire_results,
    .wait = wire_wait,
    .wake = wire_wake,
    .close = wire_close,
};

Status wire_open(void *self, const SinkContext *context, Sink **ret_sink, Error *reterr)
{
    World *world = self;
    WireSink *sink = need(calloc(1, sizeof *sink));
    sink->sink.ops = &wire_ops;
    sink->world = world;
    sink->job = context->replay_job;
    while (strcmp(tables_sink_name(sink->index), context->options->name) != 0) {
        sink->index++;
    }
    Status status = fake_sink_open(world->deliveries.fakes, context, &sink->inner, reterr);
    if (status != STATUS_OK) {
        free(sink);
        return status;
    }
    wire_line(world, sink->index, sink->job)->sink = sink->inner;
    *ret_sink = &sink->sink;
    return STATUS_OK;
}

/* ---- Work -------------------------------------------------------------------------------------------------------- */

/* While the dispatcher is at work, whatever is handed to the processor comes from a line. */
static World *stepping;
static void (*lines_done)(Submission *submission, Status status, const Error *error);
static World *told;

static void line_work_done(Submission *submission, Status status, const Error *error)
{
    World *world = told;
    hand_in_done(world, submission);
    wire_told(world, &submission->work, status, error);
    lines_done(submission, status, error);
}

Status __wrap_processor_submit(Processor *processor, Submission *submission, Error *reterr);
Status __wrap_processor_submit(Processor *processor, Submission *submission, Error *reterr)
{
    if (handler_is_stepping()) {
        return handler_submit(submission, reterr);
    }
    assert(stepping && processor == stepping->machine.processor);
    lines_done = submission->done;
    submission->done = line_work_done;
    Status status = hand_in(stepping, submission, reterr);
    if (status != STATUS_OK && !stepping->deliveries.is_stopping) {
        stepping->deliveries.write_failed_us = stepping->machine.clock.monotonic_us;
    }
    return status;
}

/* The line's first look at the clock is what its step goes by. A dispatcher that could not be started ends its lines,
 * too. */
static void note_line_time(void)
{
    if (stepping) {
        const SimClock *clock = &stepping->machine.clock;
        stepping->deliveries.line_us = clock->monotonic_us + clock->tick_us;
    }
}

int64_t __real_line_step(Line *line);
int64_t __wrap_line_step(Line *line);
int64_t __wrap_line_step(Line *line)
{
    note_line_time();
    looks_begin_line();
    return __real_line_step(line);
}

void __real_line_finish(Line *line);
void __wrap_line_finish(Line *line);
void __wrap_line_finish(Line *line)
{
    note_line_time();
    __real_line_finish(line);
}

static void update_silence(World *world, bool struck)
{
    for (size_t i = 0; i < world->deliveries.count; i++) {
        const TableSink *row = &world->tables.sinks[i];
        SimSink *sink = &world->deliveries.sinks[i];
        int64_t now_us = world->machine.clock.monotonic_us;
        sink->quiet_us = struck || row->state == SINK_STATE_ACTIVE ? now_us : sink->quiet_us;
        sink->silent = row->state != SINK_STATE_ACTIVE && now_us - sink->quiet_us >= DISPATCHER_CONTROL_US;
    }
}

int64_t wire_step(World *world)
{
    uint64_t struck = faults_struck(world);
    update_silence(world, false);
    attempts_before_step(world);
    looks_begin(world);
    stepping = told = world;
    int64_t us = dispatcher_step(world->machine.dispatcher);
    stepping = NULL;
    bool look_failed = looks_end();
    wire_look(world);
    attempts_after_step(world);
    update_silence(world, faults_struck(world) != struck || faults_is_damaged(world) || look_failed);
    return us;
}

void wire_sleep(void *self, int64_t us)
{
    World *world = self;
    bool idle = false;
    machine_pass_time(&world->machine, us);
    machine_step(&world->machine, &idle);
}

void wire_stop(World *world)
{
    Deliveries *deliveries = &world->deliveries;
    int64_t failed_us = deliveries->write_failed_us = -1;
    deliveries->is_stopping = true;
    stepping = told = world;
    dispatcher_stop(world->machine.dispatcher);
    stepping = NULL;
    wire_look(world);
    story_tell(&world->story, "the lines have ended");
    if (deliveries->write_failed_us == failed_us && !world->machine.broken) {
        attempts_check_stopped(world);
    }
    deliveries->is_stopping = false;
}

static void describe_delivery(const DeliveryChange *change, char *text, size_t room)
{
    char job[48] = "";
    if (change->job) {
        snprintf(job, sizeof job, ", replay %" PRId64, change->job);
    }
    snprintf(text, room, "%.*s%s: cursor %" PRId64 ", %zu retries, %zu settled, %zu dead%s", STR_ARGS(change->sink),
             job, change->place.cursor, change->retry_count, change->settled_count, change->dead_count,
             change->done ? ", done" : "");
}

static const char *describe(const Work *work, char *text, size_t room)
{
    static const char *const states[] = {"active", "paused", "disabled"};
    switch (work->kind) {
    case WORK_SINK_PUT:
        snprintf(text, room, "%.*s is new, from %" PRId64, STR_ARGS(work->sink.name), work->sink.place.cursor);
        break;
    case WORK_SINK_STATE:
        snprintf(text, room, "%.*s is to be %s", STR_ARGS(work->sink.name), states[work->sink.state]);
        break;
    case WORK_DELIVERY: describe_delivery(&work->delivery, text, room); break;
    case WORK_DEAD_LETTERS:
        snprintf(text, room, "%zu dead letters are %s", work->dead_letters.count,
                 work->dead_letters.action == DEAD_LETTER_RETRY ? "tried again" : "discarded");
        break;
    case WORK_REPLAY_PUT:
        snprintf(text, room, "replay %" PRId64 " of %.*s: %" PRId64 " to %" PRId64 " %.*s", work->replay.id,
                 STR_ARGS(work->replay.sink), work->replay.after, work->replay.through, STR_ARGS(work->replay.filter));
        break;
    default: snprintf(text, room, "replay %" PRId64 " is called off", work->replay.id);
    }
    return text;
}

void wire_apply(World *world, const Work *work)
{
    wire_check_before(world, work);
    TableSink before[TABLES_SINKS_MAX];
    memcpy(before, world->tables.sinks, sizeof before);
    size_t letters = world->tables.letter_count;
    DeadLetterState *states = need(calloc(letters + 1, sizeof *states));
    for (size_t i = 0; i < letters; i++) {
        states[i] = world->tables.letters[i].state;
    }
    int64_t replay_cursor = work->kind == WORK_DELIVERY && tables_replay(&world->tables, work->delivery.job)
                                ? tables_replay(&world->tables, work->delivery.job)->place.cursor
                                : 0;
    Status right = tables_apply(world, work);
    if (right == STATUS_OK) {
        wire_check_after(world, work, before, replay_cursor);
    }
    if (work->kind == WORK_DEAD_LETTERS) {
        attempts_note_letters(world, states);
    }
    free(states);
}

void wire_told(World *world, const Work *work, Status status, const Error *error)
{
    char text[512];
    if (status != STATUS_OK) {
        story_tell(&world->story, "%s: fails: %s, %s", describe(work, text, sizeof text), status_name(status),
                   error->message);
        faults_check_failure(world, status, error->message);
        world->deliveries.write_failed_us = world->machine.clock.monotonic_us;
        if (status == STATUS_UNKNOWN) {
            clients_add_unsure(world, work);
        }
        return;
    }
    story_tell(&world->story, "%s: %s", describe(work, text, sizeof text), status_name(work->status));
    bool changed = work->status == STATUS_OK && work->kind != WORK_SINK_PUT &&
                   (work->kind != WORK_DEAD_LETTERS || work->dead_letters.count > 0);
    changed = onboard_begin_commit(world, world->machine.clock.looked_us) || changed;
    if ((changed && sim_disk_is_frozen(world->machine.disk)) || world->faults.log_sync_failed) {
        story_failf(&world->story, "it was stored after the power was cut, or after a failed sync");
    }
    if (changed) {
        clients_forget_unsure(world); /* this commit has taken its place */
    }
    wire_apply(world, work);
}

/* ---- Receivers --------------------------------------------------------------------------------------------------- */

static void find_last_placed(SimSink *sink)
{
    size_t count;
    const FakeDelivery *deliveries = fake_receiver_deliveries(sink->receiver, &count);
    sink->placed_seq = sink->base;
    for (size_t i = 0; i < count; i++) {
        if (deliveries[i].placed && deliveries[i].job == 0) {
            sink->placed_seq = deliveries[i].seq;
        }
    }
}

void wire_lose(World *world, size_t at, size_t lost)
{
    SimSink *sink = &world->deliveries.sinks[at];
    size_t count;
    wire_look(world);
    const FakeDelivery *deliveries = fake_receiver_deliveries(sink->receiver, &count);
    for (size_t i = count - lost; i < count; i++) {
        if (deliveries[i].job == 0) {
            Seen *seen = wire_seen(world, at, deliveries[i].seq);
            seen->arrived--;
            seen->lost = seen->lost || !deliveries[i].placed;
        }
    }
    sink->looked -= lost;
    fake_receiver_lose(sink->receiver, lost);
    fake_receiver_cut(sink->receiver);
    find_last_placed(sink);
    story_headline(&world->story, "%s loses its last %zu messages, and is back at %" PRId64, tables_sink_name(at), lost,
                   sink->placed_seq);
}

void wire_forget_replays(World *world)
{
    for (size_t i = 0; i < world->deliveries.replay_room; i++) {
        SimReplay *replay = &world->deliveries.replays[i];
        attempts_release_line(&replay->line);
        free(replay->marks);
        free(replay->flows);
        *replay = (SimReplay){0};
    }
}

/* What came before such a retry comes again behind it, and nobody but the receiver that was knows that it came
 * before. */
static void note_retries_ahead(World *world)
{
    const Tables *tables = &world->tables;
    for (size_t i = 0; i < tables->retry_count; i++) {
        const TableRetry *retry = &tables->retries[i];
        const TableReplay *replay = tables_replay(tables, retry->job);
        int64_t cursor = replay ? replay->place.cursor : tables->sinks[retry->sink].place.cursor;
        if (retry->seq > cursor && replay) {
            wire_replay(world, retry->job)->marks[retry->seq] |= WIRE_IS_AHEAD;
        } else if (retry->seq > cursor) {
            wire_seen(world, retry->sink, retry->seq)->is_ahead = true;
        }
    }
}

void wire_begin_anew(World *world)
{
    for (size_t i = 0; i < world->deliveries.count; i++) {
        SimSink *sink = &world->deliveries.sinks[i];
        fake_receiver_lose(sink->receiver, SIZE_MAX);
        fake_receiver_forget(sink->receiver);
        sink->base = world->tables.sinks[i].place.cursor;
        sink->older = model_last_seq(&world->model);
        sink->placed_seq = sink->first_seq = sink->base;
        sink->looked = sink->seen_count = 0;
    }
    for (size_t i = 0; i < world->tables.letter_count; i++) {
        const TableLetter *letter = &world->tables.letters[i];
        if (tables_is_of_sink(letter)) {
            wire_seen(world, letter->sink, letter->seq)->was_dead = true;
        }
    }
    wire_forget_replays(world);
    note_retries_ahead(world);
}

void wire_begin_life(World *world)
{
    for (size_t i = 0; i < world->deliveries.count; i++) {
        SimSink *sink = &world->deliveries.sinks[i];
        sink->gone_job = 0;
        sink->quiet_us = world->machine.clock.monotonic_us;
    }
    attempts_begin_life(world);
}
