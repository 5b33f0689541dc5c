#include "sim/attempts.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim/wire_check.h"
#include "sim/world.h"
#include "support/need.h"

#define FAIL(world, ...) story_failf(&(world)->story, __VA_ARGS__)

#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define DAY_US    (24 * 60 * MINUTE_US)

/* A replay has less patience: four attempts at most, a minute apart at most, ten minutes when it is asked for that. */
enum { REPLAY_ATTEMPTS = 4, REPLAY_MINUTES = 10 };

/* ---- Lines ------------------------------------------------------------------------------------------------------- */

void attempts_begin_line(SimLine *line, int64_t base)
{
    line->breaker.count = 0;
    line->breaker.state = BREAKER_CLOSED;
    line->breaker.is_probing = false;
    line->base = base;
    line->count = line->to_be_stored = 0;
    line->connection = 1;
    line->is_running = line->has_room = line->is_unsettled = line->has_retried = false;
}

void attempts_release_line(SimLine *line)
{
    free(line->breaker.outcomes);
    free(line->trials);
    *line = (SimLine){0};
}

Trial *attempts_trial(SimLine *line, int64_t seq)
{
    size_t at = (size_t)(seq - line->base - 1);
    line->trials = need_room(line->trials, &line->room, at + 1, sizeof *line->trials);
    while (line->count <= at) {
        line->trials[line->count++] = (Trial){.high_us = INT64_MAX};
    }
    return &line->trials[at];
}

bool attempts_is_under_way(const SimLine *line, const Trial *trial) { return trial->sent == line->connection; }

void attempts_forget_times(World *world)
{
    for (size_t i = 0; i < world->deliveries.count + world->deliveries.replay_room; i++) {
        SimLine *line = wire_line_at(world, i);
        for (size_t at = 0; at < line->count; at++) {
            line->trials[at].low_us = 0;
            line->trials[at].high_us = INT64_MAX;
        }
    }
}

static void begin_again(SimLine *line, int64_t seq, int64_t attempts)
{
    *attempts_trial(line, seq) = (Trial){.high_us = INT64_MAX, .spent = (uint16_t)attempts, .is_retry = true};
}

void attempts_begin_life(World *world)
{
    const Tables *tables = &world->tables;
    for (size_t i = 0; i < world->deliveries.count + world->deliveries.replay_room; i++) {
        SimLine *line = wire_line_at(world, i);
        attempts_begin_line(line, line->base);
    }
    for (size_t i = 0; i < tables->retry_count; i++) {
        const TableRetry *retry = &tables->retries[i];
        SimLine *line = wire_line(world, retry->sink, retry->job);
        begin_again(line, retry->seq, retry->attempts);
        /* What is due in a year was due soon, before the clock was set back. */
        int64_t most_us = retry->job ? REPLAY_MINUTES * MINUTE_US : DAY_US;
        if (retry->due_us != TABLES_UNKNOWN && retry->due_us <= world->machine.clock.wall_us + most_us) {
            attempts_trial(line, retry->seq)->low_us = attempts_trial(line, retry->seq)->high_us = retry->due_us;
        }
    }
    for (size_t i = 0; i < tables->letter_count; i++) {
        const TableLetter *letter = &tables->letters[i];
        if (tables_is_of_sink(letter)) {
            Trial *trial = attempts_trial(wire_line(world, letter->sink, 0), letter->seq);
            trial->given_up = letter->state == DEAD_LETTER_RETRYING ? 0 : (uint16_t)letter->attempts;
        }
    }
}

/* ---- Schedules --------------------------------------------------------------------------------------------------- */

static uint16_t attempts_of(const SinkOptions *options, int64_t job)
{
    bool is_short = job && options->schedule_count > REPLAY_ATTEMPTS;
    return (uint16_t)(is_short ? REPLAY_ATTEMPTS : options->schedule_count);
}

static int64_t delay_of(const SinkOptions *options, int64_t job, uint16_t failed)
{
    int64_t us = options->schedule_us[failed];
    return job && us > MINUTE_US ? MINUTE_US : us;
}

static int64_t asked_for(const SinkResult *result, int64_t job)
{
    int64_t us = result->retry_after_us;
    return job && us > REPLAY_MINUTES * MINUTE_US ? REPLAY_MINUTES * MINUTE_US : us;
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* An attempt has failed. */
static void spend(World *world, size_t sink, int64_t job, Trial *trial, const SinkResult *result)
{
    const SinkOptions *options = &world->deliveries.options[sink];
    int64_t now_us = world->machine.clock.wall_us, asked_us = asked_for(result, job);
    if (++trial->spent >= attempts_of(options, job)) {
        trial->given_up = trial->spent;
        return;
    }
    int64_t delay_us = delay_of(options, job, trial->spent), tenth_us = delay_us / 10;
    trial->low_us = now_us + larger(delay_us - tenth_us, asked_us);
    trial->high_us = now_us + larger(delay_us + tenth_us, asked_us);
    trial->older_us = 0;
    trial->is_retry = true;
}

/* ---- The breaker ------------------------------------------------------------------------------------------------- */

/* The window counts in tenths of itself. */
static int64_t slice_of(const SinkOptions *options, int64_t now_us)
{
    return now_us / (options->breaker_window_us / 10);
}

static void forget_old(SimBreaker *breaker, int64_t slice)
{
    size_t old = 0;
    while (old < breaker->count && breaker->outcomes[old].slice <= slice - 10) {
        old++;
    }
    breaker->count -= old;
    if (old > 0) {
        memmove(breaker->outcomes, breaker->outcomes + old, breaker->count * sizeof *breaker->outcomes);
    }
}

static void add_outcome(SimBreaker *breaker, int64_t slice, bool taken)
{
    forget_old(breaker, slice);
    breaker->outcomes = need_room(breaker->outcomes, &breaker->room, breaker->count + 1, sizeof *breaker->outcomes);
    breaker->outcomes[breaker->count].slice = slice;
    breaker->outcomes[breaker->count++].taken = taken;
}

static bool most_have_failed(const SinkOptions *options, const SimBreaker *breaker)
{
    size_t failed = 0;
    for (size_t i = 0; i < breaker->count; i++) {
        failed += !breaker->outcomes[i].taken;
    }
    return options->breaker_percent > 0 && breaker->count >= options->breaker_requests &&
           100 * failed >= options->breaker_percent * breaker->count;
}

static void open_it(const SinkOptions *options, SimBreaker *breaker, int64_t now_us)
{
    breaker->state = BREAKER_OPEN;
    breaker->is_probing = false;
    breaker->open_until_us = now_us + options->breaker_pause_us;
}

static void tell_breaker(const SinkOptions *options, SimBreaker *breaker, SinkVerdict verdict, int64_t now_us)
{
    bool taken = verdict == SINK_TAKEN;
    if (!taken && verdict != SINK_FAILED) {
        breaker->is_probing = false;
    } else if (breaker->state == BREAKER_CLOSED) {
        add_outcome(breaker, slice_of(options, now_us), taken);
        if (!taken && most_have_failed(options, breaker)) {
            open_it(options, breaker, now_us);
        }
    } else if (breaker->is_probing && taken) {
        breaker->state = BREAKER_CLOSED;
        breaker->is_probing = false;
        breaker->count = 0;
    } else if (breaker->is_probing) {
        open_it(options, breaker, now_us);
    }
}

/* ---- What is sent ------------------------------------------------------------------------------------------------ */

static void check_breaker(World *world, size_t sink, int64_t job, SimBreaker *breaker, size_t count)
{
    if (breaker->state == BREAKER_CLOSED) {
        return;
    }
    if (breaker->state == BREAKER_OPEN && world->deliveries.line_us < breaker->open_until_us) {
        char text[PLAIN_TEXT_BYTES_MAX];
        FAIL(world, "%s: something is sent while its breaker is open, %s too early (replay %" PRId64 ")",
             tables_sink_name(sink), plain_duration(breaker->open_until_us - world->deliveries.line_us, text), job);
    }
    if (breaker->is_probing || count > 1) {
        FAIL(world, "%s: its breaker is half open, and more than one message is sent (replay %" PRId64 ")",
             tables_sink_name(sink), job);
    }
    breaker->state = BREAKER_HALF_OPEN;
    breaker->is_probing = true;
}

static void check_trial(World *world, size_t sink, int64_t job, int64_t seq, const Trial *trial)
{
    int64_t early_us = trial->low_us - world->machine.clock.wall_us;
    if (trial->given_up) {
        FAIL(world,
             "%s: message %" PRId64 " is tried again, though it was given up after %u attempts (replay %" PRId64 ")",
             tables_sink_name(sink), seq, (unsigned)trial->given_up, job);
    }
    if (early_us > 0) {
        char text[PLAIN_TEXT_BYTES_MAX];
        FAIL(world, "%s: message %" PRId64 " is tried again %s before its time (replay %" PRId64 ")",
             tables_sink_name(sink), seq, plain_duration(early_us, text), job);
    }
}

void attempts_check_send(World *world, size_t sink, int64_t job, const Message *messages, size_t count, bool placed)
{
    SimLine *line = wire_line(world, sink, job);
    check_breaker(world, sink, job, &line->breaker, count);
    for (size_t i = 0; i < count; i++) {
        Trial *trial = attempts_trial(line, messages[i].seq);
        check_trial(world, sink, job, messages[i].seq, trial);
        trial->sent = line->connection;
        trial->is_in_turn = trial->is_in_turn || placed;
    }
    line->has_retried = line->has_retried || !placed;
}

void attempts_drop(World *world, size_t sink, int64_t job)
{
    SimLine *line = wire_line(world, sink, job);
    line->connection++;
    line->is_unsettled = true;
    line->breaker.is_probing = false;
}

void attempts_rewind(World *world, size_t sink, int64_t job)
{
    SimLine *line = wire_line(world, sink, job);
    for (size_t i = 0; i < line->count; i++) {
        Trial *trial = &line->trials[i];
        trial->is_in_turn = false;
        trial->is_retry = trial->is_retry && !trial->is_taken;
        trial->is_taken = false;
    }
}

/* ---- What came of it --------------------------------------------------------------------------------------------- */

/* The line's time by the wall clock, which goes on while the line makes its step. */
static int64_t line_wall_us(const World *world)
{
    const SimClock *clock = &world->machine.clock;
    return clock->wall_us - (clock->monotonic_us - world->deliveries.line_us);
}

/* Of what fails while the breaker is not closed no attempt is spent, but what the other side asks for counts all the
 * same: the breaker is put off from the line's time on. */
static void note_failure(World *world, size_t sink, int64_t job, Trial *trial, const SinkResult *result, bool counts)
{
    if (counts) {
        spend(world, sink, job, trial, result);
        return;
    }
    int64_t now_us = world->machine.clock.wall_us, asked_us = asked_for(result, job);
    trial->older_us = trial->high_us;
    trial->low_us = asked_us > 0 ? larger(trial->low_us, line_wall_us(world) + asked_us) : trial->low_us;
    trial->high_us = larger(trial->high_us, now_us + asked_us);
}

bool attempts_note_verdict(World *world, size_t sink, int64_t job, const SinkResult *result)
{
    SimLine *line = wire_line(world, sink, job);
    Trial *trial = attempts_trial(line, result->seq);
    if (!attempts_is_under_way(line, trial)) {
        return false; /* an answer that came twice, or too late */
    }
    bool counts = line->breaker.state == BREAKER_CLOSED;
    tell_breaker(&world->deliveries.options[sink], &line->breaker, result->verdict, world->deliveries.line_us);
    trial->sent = 0;
    trial->is_taken = result->verdict == SINK_TAKEN;
    line->is_unsettled = line->is_unsettled || result->verdict != SINK_TAKEN;
    if (result->verdict == SINK_FAILED) {
        note_failure(world, sink, job, trial, result, counts);
    } else if (result->verdict == SINK_REFUSED) {
        trial->given_up = (uint16_t)(trial->spent + 1);
    }
    line->to_be_stored += trial->given_up && !job;
    return true;
}

/* ---- What is stored ---------------------------------------------------------------------------------------------- */

static void check_dead(World *world, size_t sink, const DeadLetter *dead)
{
    SimLine *line = wire_line(world, sink, 0);
    const Trial *trial = attempts_trial(line, dead->seq);
    if (!trial->given_up || dead->attempts != trial->given_up) {
        FAIL(world,
             "%s: message %" PRId64 " is a dead letter after %" PRId64 " attempts, and %u have failed: it is to be one "
             "after %u (the schedule has %u)",
             tables_sink_name(sink), dead->seq, dead->attempts, (unsigned)trial->spent, (unsigned)trial->given_up,
             (unsigned)attempts_of(&world->deliveries.options[sink], 0));
    }
    line->to_be_stored -= line->to_be_stored > 0;
}

/* The change may be older than what was answered since: then it has fewer attempts, or what was due before the last one
 * that did not count. */
static void check_retry(World *world, size_t sink, int64_t job, const StoredRetry *retry)
{
    const Trial *trial = attempts_trial(wire_line(world, sink, job), retry->seq);
    if (retry->attempts > trial->spent) {
        FAIL(world, "%s: a retry of message %" PRId64 " is stored after %" PRId64 " attempts, and %u have failed",
             tables_sink_name(sink), retry->seq, retry->attempts, (unsigned)trial->spent);
    }
    bool is_last = retry->attempts == trial->spent && retry->attempts > 0 && !trial->given_up && trial->low_us > 0;
    bool is_older = retry->due_us <= trial->older_us;
    if (is_last && !is_older && (retry->due_us < trial->low_us || retry->due_us > trial->high_us)) {
        char due[PLAIN_TEXT_BYTES_MAX], low[PLAIN_TEXT_BYTES_MAX], high[PLAIN_TEXT_BYTES_MAX];
        FAIL(world, "%s: the next attempt of message %" PRId64 " is stored for %s, and should be from %s to %s",
             tables_sink_name(sink), retry->seq, plain_time(retry->due_us, due), plain_time(trial->low_us, low),
             plain_time(trial->high_us, high));
    }
}

void attempts_check_change(World *world, size_t sink, const DeliveryChange *change)
{
    for (size_t i = 0; i < change->dead_count; i++) {
        check_dead(world, sink, &change->dead[i]);
    }
    for (size_t i = 0; i < change->retry_count; i++) {
        check_retry(world, sink, change->job, &change->retries[i]);
    }
}

void attempts_note_letters(World *world, const DeadLetterState *before)
{
    for (size_t i = 0; i < world->tables.letter_count; i++) {
        const TableLetter *letter = &world->tables.letters[i];
        bool is_tried_again = letter->state == DEAD_LETTER_RETRYING && before[i] != DEAD_LETTER_RETRYING;
        if (is_tried_again && tables_is_of_sink(letter)) {
            begin_again(wire_line(world, letter->sink, 0), letter->seq, letter->attempts);
        }
    }
}

/* ---- Retries that are due ---------------------------------------------------------------------------------------- */

static bool is_closed(const SimLine *line) { return line->breaker.state == BREAKER_CLOSED; }

static bool has_room(const SimLine *line) { return line->sink && line->sink->ops->room(line->sink) > 0; }

/* Whether lines may wait for the processor, or cannot read the store. */
static bool is_stuck(const World *world)
{
    int64_t since_us = world->machine.clock.monotonic_us - world->deliveries.write_failed_us;
    return clients_wait(world) || faults_struck(world) != world->faults.struck || faults_is_damaged(world) ||
           since_us < SECOND_US;
}

void attempts_before_step(World *world)
{
    Deliveries *deliveries = &world->deliveries;
    deliveries->step_wall_us = is_stuck(world) ? INT64_MIN : world->machine.clock.wall_us;
    for (size_t i = 0; i < deliveries->count + deliveries->replay_room; i++) {
        SimLine *line = wire_line_at(world, i);
        line->has_room = line->is_running && is_closed(line) && line->to_be_stored == 0 && has_room(line);
        line->has_retried = line->is_unsettled = false;
    }
}

/* Whether the line, which had room at the beginning of the step, had nothing better to do. */
static bool was_free(const SimLine *line)
{
    return line->has_room && line->is_running && is_closed(line) && line->to_be_stored == 0 && !line->is_unsettled &&
           !line->has_retried;
}

/* In a replay a message waits until the log was read up to it. */
static bool is_behind(const World *world, const TableRetry *retry)
{
    const TableReplay *replay = tables_replay(&world->tables, retry->job);
    return !replay || (replay->state == REPLAY_RUNNING && retry->seq <= replay->place.cursor);
}

static void check_due(World *world, const TableRetry *retry)
{
    SimLine *line = wire_line(world, retry->sink, retry->job);
    const Trial *trial = attempts_trial(line, retry->seq);
    bool waits = trial->is_retry && !trial->is_taken && !trial->given_up && !attempts_is_under_way(line, trial);
    if (waits && trial->high_us <= world->deliveries.step_wall_us && was_free(line) && is_behind(world, retry)) {
        char text[PLAIN_TEXT_BYTES_MAX];
        FAIL(world, "%s: message %" PRId64 " is due since %s, and the line does nothing (replay %" PRId64 ")",
             tables_sink_name(retry->sink), retry->seq,
             plain_duration(world->deliveries.step_wall_us - trial->high_us, text), retry->job);
    }
}

static void note_running(World *world)
{
    LineStatus lines[DISPATCHER_SINKS_MAX];
    size_t count = dispatcher_status(world->machine.dispatcher, lines, DISPATCHER_SINKS_MAX);
    for (size_t i = 0; i < world->deliveries.count + world->deliveries.replay_room; i++) {
        wire_line_at(world, i)->is_running = false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t sink = (size_t)(lines[i].options - world->deliveries.options);
        wire_line(world, sink, lines[i].job)->is_running = lines[i].state == LINE_RUNNING;
    }
}

/* Of an ordered line only the first is looked at: the others may wait for it. */
void attempts_after_step(World *world)
{
    const Tables *tables = &world->tables;
    note_running(world);
    bool is_fair =
        world->deliveries.step_wall_us != INT64_MIN && !is_stuck(world); /* a fault may have struck in the step */
    for (size_t i = 0; i < tables->retry_count && is_fair; i++) {
        const TableRetry *retry = &tables->retries[i], *last = i > 0 ? retry - 1 : NULL;
        bool is_first = !last || last->sink != retry->sink || last->job != retry->job;
        if (is_first || !world->deliveries.options[retry->sink].ordered) {
            check_due(world, retry);
        }
    }
}

/* ---- The end of the lines ---------------------------------------------------------------------------------------- */

static bool is_settled(const Trial *trial) { return trial->is_taken || trial->given_up || trial->is_retry; }

static void check_known(World *world, size_t sink, int64_t job, int64_t seq, const Trial *trial)
{
    const TableRetry *retry = tables_retry(&world->tables, sink, job, seq);
    const TableLetter *letter = job ? NULL : tables_letter(&world->tables, sink, seq);
    bool is_dead = job || (letter && letter->state != DEAD_LETTER_RETRYING && letter->attempts == trial->given_up);
    bool waits = trial->is_retry && !trial->is_taken && !trial->given_up;
    if ((trial->is_taken && retry) || (trial->given_up && (retry || !is_dead)) ||
        (waits && !(retry && retry->attempts == trial->spent))) {
        FAIL(world,
             "%s: the lines have ended, and what became of message %" PRId64 " is not stored: %s after %u attempts "
             "(replay %" PRId64 ")",
             tables_sink_name(sink), seq,
             trial->is_taken   ? "taken"
             : trial->given_up ? "given up"
                               : "it waits",
             (unsigned)trial->spent, job);
    }
}

/* The first message behind the cursor is one that is not settled. */
static void check_cursor(World *world, size_t sink, int64_t job, int64_t cursor)
{
    SimLine *line = wire_line(world, sink, job);
    int64_t end = line->base + (int64_t)line->count;
    for (int64_t seq = cursor + 1; seq <= end; seq++) {
        const Trial *trial = attempts_trial(line, seq);
        if (!wire_wants(world, sink, job, seq)) {
            continue;
        }
        if (trial->is_in_turn && is_settled(trial)) {
            FAIL(world,
                 "%s: the lines have ended, and the cursor is stored at %" PRId64 ", though message %" PRId64
                 " is settled (replay %" PRId64 ")",
                 tables_sink_name(sink), cursor, seq, job);
        }
        return;
    }
}

static void check_line(World *world, size_t sink, int64_t job, int64_t cursor)
{
    SimLine *line = wire_line(world, sink, job);
    for (size_t i = 0; i < line->count; i++) {
        if (is_settled(&line->trials[i])) {
            check_known(world, sink, job, line->base + 1 + (int64_t)i, &line->trials[i]);
        }
    }
    check_cursor(world, sink, job, cursor);
}

/* Whoever was told that nothing more is wanted has it stored, unless it was a replay that was called off. */
static void check_gone(World *world, size_t sink)
{
    int64_t gone_job = world->deliveries.sinks[sink].gone_job;
    const TableReplay *replay = tables_replay(&world->tables, gone_job - 1);
    bool is_called_off = replay && replay->state != REPLAY_RUNNING;
    if (gone_job && !is_called_off && world->tables.sinks[sink].state != SINK_STATE_DISABLED) {
        FAIL(world, "%s: the lines have ended, and it is not stored that it wants nothing more",
             tables_sink_name(sink));
    }
}

void attempts_check_stopped(World *world)
{
    const Tables *tables = &world->tables;
    for (size_t i = 0; i < world->deliveries.count; i++) {
        if (tables->sinks[i].is_there) {
            check_line(world, i, 0, tables->sinks[i].place.cursor);
        }
        check_gone(world, i);
    }
    for (size_t i = 0; i < tables->replay_count; i++) {
        if (tables->replays[i].state == REPLAY_RUNNING) {
            check_line(world, tables->replays[i].sink, (int64_t)i + 1, tables->replays[i].place.cursor);
        }
    }
}
