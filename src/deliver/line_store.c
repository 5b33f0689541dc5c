/* What a line has the store remember, and what it learns from there. */
#include <stdio.h>
#include <stdlib.h>

#include "deliver/line_parts.h"

/* ---- Notes ------------------------------------------------------------------------------------------------------- */

static LineNotes *notes_new(void)
{
    LineNotes *notes = calloc(1, sizeof *notes);
    if (notes) {
        arena_init(&notes->arena, 64 << 10, LINE_NOTES_BYTES_MAX);
        notes->settled = calloc(STORE_RETRIES_MAX, sizeof *notes->settled);
        if (!notes->settled) {
            free(notes);
            return NULL;
        }
    }
    return notes;
}

static void notes_free(LineNotes *notes)
{
    if (notes) {
        arena_release(&notes->arena);
        free(notes->settled);
        free(notes);
    }
}

static void notes_reset(LineNotes *notes)
{
    arena_reset(&notes->arena);
    notes->attempt_count = notes->dead_count = notes->settled_count = 0;
}

Status line_store_init(Line *line, Error *reterr)
{
    line->notes = notes_new();
    line->writing.notes = notes_new();
    line->writing.retries = calloc(STORE_RETRIES_MAX, sizeof *line->writing.retries);
    line->ahead = calloc(LINE_WINDOW_MAX, sizeof *line->ahead);
    return line->notes && line->writing.notes && line->writing.retries && line->ahead
               ? STATUS_OK
               : error_set(reterr, STATUS_BUSY, "no memory for the line of a sink");
}

void line_store_release(Line *line)
{
    notes_free(line->notes);
    notes_free(line->writing.notes);
    free(line->writing.retries);
    free(line->ahead);
}

bool line_has_room_for_notes(const Line *line)
{
    const LineNotes *notes = line->notes;
    return notes->attempt_count + LINE_RESULTS_MAX <= LINE_NOTES_MAX &&
           notes->dead_count + LINE_RESULTS_MAX <= LINE_NOTES_MAX &&
           notes->settled_count + LINE_RESULTS_MAX <= STORE_RETRIES_MAX &&
           notes->arena.taken + LINE_RESULTS_MAX * (size_t)SINK_RESPONSE_BYTES_MAX <= LINE_NOTES_BYTES_MAX;
}

/* A stream that keeps the place of a replay is past what it refused: after a crash nothing but the count would tell. */
static bool has_unwritten_failure(const Line *line) { return line->job && line->window.failed != line->stored_failed; }

bool line_has_unwritten_dead(const Line *line)
{
    return has_unwritten_failure(line) || line->notes->dead_count > 0 ||
           (line->writing.wanted && line->writing.notes->dead_count > 0);
}

/* An error that finds no memory is kept without its text rather than not at all. */
void line_note_attempt(Line *line, const SinkResult *result, int64_t number)
{
    LineNotes *notes = line->notes;
    notes->attempts[notes->attempt_count++] =
        (StoredAttempt){.seq = result->seq,
                        .sink = line->name,
                        .job = line->job,
                        .number = number,
                        .begun_us = clock_wall_us(line->options->clock) - result->latency_us,
                        .latency_us = result->latency_us,
                        .code = result->code,
                        .taken = result->verdict == SINK_TAKEN,
                        .error = arena_copy(&notes->arena, result->error),
                        .response = arena_copy(&notes->arena, result->response)};
}

void line_note_dead(Line *line, int64_t seq, Str error, int64_t attempts)
{
    LineNotes *notes = line->notes;
    notes->dead[notes->dead_count++] = (DeadLetter){.stage = DEAD_LETTER_DELIVERY,
                                                    .origin = line->name,
                                                    .seq = seq,
                                                    .error = arena_copy(&notes->arena, error),
                                                    .attempts = attempts};
}

void line_fail(Line *line, Str error)
{
    line->next.failed_us = clock_wall_us(line->options->clock);
    snprintf(line->next.error, sizeof line->next.error, "%.*s", STR_ARGS(error));
}

void line_disable(Line *line, const char *reason)
{
    line_fail(line, str_from(reason));
    snprintf(line->reason, sizeof line->reason, "%s", reason);
    line->state = SINK_STATE_DISABLED;
    line->disable_wanted = true;
}

/* ---- Looking ----------------------------------------------------------------------------------------------------- */

typedef struct Looking {
    Line *line;
    bool found;
    StoredSink sink; /* its texts are gone */
    StoredReplay replay;
    bool replay_found;
    bool retries_left; /* in the store, for which there is no room now */
} Looking;

static bool look_at_sink(void *context, const StoredSink *sink)
{
    Looking *looking = context;
    if (str_equal(sink->name, looking->line->name)) {
        looking->found = true;
        looking->sink = *sink;
    }
    return !looking->found;
}

static bool look_at_replay(void *context, const StoredReplay *replay)
{
    Looking *looking = context;
    if (replay->id == looking->line->job) {
        looking->replay_found = true;
        looking->replay = *replay;
    }
    return !looking->replay_found;
}

/* A retry that finds no room stays in the store until there is some. */
static bool look_at_retry(void *context, const StoredRetry *retry)
{
    Looking *looking = context;
    Line *line = looking->line;
    const Entry *entry = window_find(&line->window, retry->seq);
    if (!retries_find(&line->retries, retry->seq) && (!entry || entry->state == ENTRY_SETTLED)) {
        looking->retries_left = retries_is_full(&line->retries);
        if (!looking->retries_left) {
            retries_put(&line->retries, retry);
        }
    }
    return !looking->retries_left;
}

static void begin_at(Line *line, SinkPlace place)
{
    line->ahead_known = false;
    line->stored_place = place;
    line_rewind(line, place);
}

/* A pause or its end, by a person. That the line disables itself comes first, until the store has it. */
static void follow_state(Line *line, SinkState state)
{
    if (line->disable_wanted || state == line->state) {
        return;
    }
    if (line->state == SINK_STATE_DISABLED) {
        line->connect_at_us = 0; /* whoever resumes it has mended something */
        line->failed_connects = 0;
    }
    line->state = state;
}

static int by_seq(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

bool line_is_settled_ahead(const Line *line, int64_t seq)
{
    return line->ahead_count > 0 && bsearch(&seq, line->ahead, line->ahead_count, sizeof *line->ahead, by_seq) != NULL;
}

void line_settle_ahead(Line *line, int64_t seq)
{
    size_t at = line->ahead_count;
    if (at == LINE_WINDOW_MAX) {
        return; /* it is sent once more */
    }
    for (; at > 0 && line->ahead[at - 1] > seq; at--) {
        line->ahead[at] = line->ahead[at - 1];
    }
    line->ahead[at] = seq;
    line->ahead_count++;
}

static bool collect_letter(void *context, const DeadLetter *letter)
{
    Line *line = context;
    line->ahead[line->ahead_count++] = letter->seq;
    return line->ahead_count < LINE_WINDOW_MAX;
}

/* The cursor stands behind the first message that is not settled, and dead letters may lie in front of it: those that a
 * process before this one made there, and those that a sink which has lost its tail makes the line go back past. Only a
 * replay sends them once more. */
static Status learn_letters(Line *line, Error *reterr)
{
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.origin = line->name;
    filter.behind = line->place.cursor;
    line->ahead_count = 0;
    Status status = line->job ? STATUS_OK : reader_dead_letters(line->reader, &filter, collect_letter, line, reterr);
    if (line->ahead_count > 0) {
        qsort(line->ahead, line->ahead_count, sizeof *line->ahead, by_seq);
    }
    line->ahead_known = status == STATUS_OK;
    return status;
}

/* The rows of what was settled a moment ago are still there, and would be taken for retries that somebody has asked
 * for. */
static bool may_read_retries(const Line *line) { return !line->writing.wanted && line->notes->settled_count == 0; }

static Status learn_retries(Line *line, Looking *looking, Error *reterr)
{
    Status status = reader_retries(line->reader, line->name, line->job, look_at_retry, looking, reterr);
    if (status == STATUS_OK && !looking->retries_left) {
        line->version = looking->sink.version;
    }
    return status;
}

static Status learn(Line *line, Looking *looking, Error *reterr)
{
    follow_state(line, looking->sink.state);
    if (!line->ahead_known && !line_has_unwritten_dead(line)) {
        Status status = learn_letters(line, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if ((line->known && line->version == looking->sink.version) || !may_read_retries(line)) {
        return STATUS_OK; /* when somebody has changed it, at the next look */
    }
    return learn_retries(line, looking, reterr);
}

/* A line that has not read its retries does not begin: it would take those in front of its cursor for messages that
 * nobody has tried. */
static Status begin(Line *line, Looking *looking, Error *reterr)
{
    begin_at(line, line->job ? looking->replay.place : looking->sink.place);
    line->window.sent = looking->replay.sent;
    line->window.failed = line->stored_failed = looking->replay.failed;
    Status status = learn(line, looking, reterr);
    line->known = status == STATUS_OK;
    return status;
}

static bool has_ended(const Looking *looking)
{
    return !looking->found || !looking->replay_found || looking->replay.state != REPLAY_RUNNING;
}

/* Only when everything could be read is what was not found not there: a replay that was taken for ended would begin
 * anew, and its breaker would have forgotten that the other side is to be left alone. */
static Status look(Line *line, Error *reterr)
{
    Looking looking = {.line = line};
    Status status = reader_sinks(line->reader, look_at_sink, &looking, reterr);
    if (status == STATUS_OK && line->job) {
        status = reader_replays(line->reader, line->name, look_at_replay, &looking, reterr);
    }
    if (status != STATUS_OK) {
        return status;
    }
    line->done = line->done || (line->job && has_ended(&looking));
    line->put_wanted = !line->done && !looking.found;
    if (line->done || !looking.found) {
        return STATUS_OK;
    }
    return line->known ? learn(line, &looking, reterr) : begin(line, &looking, reterr);
}

void line_look(Line *line, int64_t now_us)
{
    Error error = {0};
    StoreView *view = NULL;
    if (now_us < line->look_at_us || line->finishing) {
        return;
    }
    line->look_at_us = now_us + DISPATCHER_CONTROL_US;
    Status status = reader_begin(line->reader, &view, &error);
    if (status == STATUS_OK) {
        status = look(line, &error);
        if (status == STATUS_OK) {
            status = reader_check(line->reader, &error);
        }
        reader_end(line->reader);
        view_free(view);
    }
    if (status != STATUS_OK) {
        line_fail(line, str_from(error.message));
    }
}

void line_end_retry(Line *line, int64_t seq, bool taken)
{
    Entry *entry = window_find(&line->window, seq);
    if (entry) { /* counted when the cursor goes by */
        entry->taken_later = taken;
        entry->given_up = !taken;
    } else {
        line->window.sent += taken;
        line->window.failed += !taken;
    }
    line->notes->settled[line->notes->settled_count++] = seq;
    if (seq > line->read_seq) {
        line_settle_ahead(line, seq);
    }
    retries_remove(&line->retries, seq);
}

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

static void landed(Submission *submission, Status status, const Error *error)
{
    Line *line = submission->owner;
    /* The lock is held to the end, since the line may be freed as soon as it has seen this. */
    pthread_mutex_lock(&line->lock);
    line->writing.status = status;
    if (status != STATUS_OK) {
        line->writing.error = *error;
    }
    line->writing.landed = true;
    line_wake(line);
    pthread_mutex_unlock(&line->lock);
}

static bool take_landing(Line *line)
{
    pthread_mutex_lock(&line->lock);
    bool landed = line->writing.landed;
    line->writing.landed = false;
    pthread_mutex_unlock(&line->lock);
    return landed;
}

static void hand_over(Line *line, int64_t now_us)
{
    LineWriting *writing = &line->writing;
    Error error = {0};
    writing->submission.done = landed;
    writing->submission.owner = line;
    writing->submission.work.status = STATUS_OK;
    writing->flying = true;
    if (processor_submit(line->options->processor, &writing->submission, &error) != STATUS_OK) {
        writing->flying = false;
        writing->again_us = now_us + LINE_RETRY_US;
    }
}

static bool is_at_end(const Line *line)
{
    return line->job && line->read_seq >= line->through && line->window.count == 0 && line->retries.count == 0;
}

static size_t collect_retries(Line *line)
{
    size_t count = 0;
    for (size_t i = 0; i < line->retries.count; i++) {
        Retry *retry = &line->retries.items[i];
        if (retry->dirty) {
            line->writing.retries[count++] = retry->stored;
            retry->dirty = false;
        }
    }
    return count;
}

/* Everything that happened goes together: the cursor may stand behind a retry or a dead letter only when that is stored
 * with it. */
static void write_change(Line *line)
{
    LineNotes *notes = line->notes;
    line->notes = line->writing.notes;
    line->writing.notes = notes;
    notes_reset(line->notes);
    line->writing.submission.work = (Work){.kind = WORK_DELIVERY,
                                           .delivery = {.sink = line->name,
                                                        .job = line->job,
                                                        .place = line->place,
                                                        .retries = line->writing.retries,
                                                        .retry_count = collect_retries(line),
                                                        .settled = notes->settled,
                                                        .settled_count = notes->settled_count,
                                                        .attempts = notes->attempts,
                                                        .attempt_count = notes->attempt_count,
                                                        .dead = notes->dead,
                                                        .dead_count = notes->dead_count,
                                                        .announce = true,
                                                        .sent = line->window.sent,
                                                        .failed = line->window.failed,
                                                        .done = is_at_end(line)}};
}

static bool has_dirty_retry(const Line *line)
{
    for (size_t i = 0; i < line->retries.count; i++) {
        if (line->retries.items[i].dirty) {
            return true;
        }
    }
    return false;
}

static bool has_moved(const Line *line)
{
    return line->place.cursor != line->stored_place.cursor || line->place.sent_seq != line->stored_place.sent_seq;
}

/* What people wait for goes at once, and so does what would be lost; that the cursor has moved is collected for a
 * moment. */
static bool is_worth_writing(const Line *line, int64_t now_us)
{
    const LineNotes *notes = line->notes;
    bool urgent = has_unwritten_failure(line) || notes->dead_count > 0 || notes->settled_count > 0 ||
                  has_dirty_retry(line) || is_at_end(line);
    bool some = has_moved(line) || notes->attempt_count > 0;
    return urgent || (some && (line->finishing || now_us >= line->flush_at_us));
}

static bool prepare(Line *line, int64_t now_us)
{
    Work *work = &line->writing.submission.work;
    if (line->put_wanted) {
        int64_t start = line->sink_options->start_seq;
        start = start < 0 ? store_last_seq(line->options->store) : start;
        *work = (Work){.kind = WORK_SINK_PUT, .sink = {.name = line->name, .place = {start, 0}}};
    } else if (line->disable_wanted) {
        *work = (Work){.kind = WORK_SINK_STATE,
                       .sink = {.name = line->name, .state = SINK_STATE_DISABLED, .reason = str_from(line->reason)}};
    } else if (line->known && !line->done && is_worth_writing(line, now_us)) {
        write_change(line);
    } else {
        return false;
    }
    line->writing.submission.bytes = 1024;
    return true;
}

void line_write(Line *line, int64_t now_us)
{
    LineWriting *writing = &line->writing;
    if (!writing->wanted) {
        writing->wanted = prepare(line, now_us);
        writing->again_us = 0;
    }
    if (writing->wanted && !writing->flying && now_us >= writing->again_us) {
        line->flush_at_us = now_us + LINE_FLUSH_US;
        hand_over(line, now_us);
    }
}

/* The store has it. */
static void was_written(Line *line)
{
    const Work *work = &line->writing.submission.work;
    switch (work->kind) {
    case WORK_SINK_PUT:
        line->put_wanted = false;
        line->look_at_us = 0;
        break;
    case WORK_SINK_STATE: line->disable_wanted = false; break;
    default:
        line->stored_place = work->delivery.place;
        line->stored_failed = work->delivery.failed;
        line->next.dead +=
            (int64_t)work->delivery.dead_made; /* one that was tried again and failed is no further one */
        line->done = line->done || work->delivery.done;
        break;
    }
}

void line_reap(Line *line, int64_t now_us)
{
    LineWriting *writing = &line->writing;
    if (!writing->flying || !take_landing(line)) {
        return;
    }
    writing->flying = false;
    Status status = writing->status == STATUS_OK ? writing->submission.work.status : writing->status;
    if (status == STATUS_OK) {
        writing->wanted = false;
        was_written(line);
        return;
    }
    /* Nothing happened, and it is tried again. When the store has broken, the process is about to end, and the next one
     * goes on from what the store has. */
    const Error *error = writing->status == STATUS_OK ? &writing->submission.work.error : &writing->error;
    line_fail(line, str_from(error->message));
    writing->again_us = now_us + LINE_RETRY_US;
    if (status == STATUS_REFUSED) {
        /* The row is gone, by somebody's hand or with an older copy of the store: begin anew. */
        writing->wanted = false;
        line->known = line->disable_wanted = false;
        line_disconnect(line, error->message, now_us);
        line_rewind(line, line->stored_place);
        line->done = line->job != 0;
    }
}
