#include "sim/tables.h"

#include <assert.h>
#include <stdlib.h>

#include "sim/world.h"
#include "support/need.h"

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

static const char *const names[TABLES_SINKS_MAX] = {"sink-1", "sink-2", "sink-3", "sink-4"};

const char *tables_sink_name(size_t sink) { return names[sink]; }

static size_t sink_of(Str name)
{
    size_t sink = 0;
    while (sink < TABLES_SINKS_MAX && !str_is(name, names[sink])) {
        sink++;
    }
    return sink;
}

/* The sink's row; NULL when there is none. */
static TableSink *row_of(Tables *tables, Str name)
{
    size_t sink = sink_of(name);
    return sink < TABLES_SINKS_MAX && tables->sinks[sink].is_there ? &tables->sinks[sink] : NULL;
}

void tables_release(Tables *tables)
{
    free(tables->retries);
    free(tables->letters);
    free(tables->replays);
    onboard_release(&tables->onboard);
    *tables = (Tables){0};
}

static void *copy_of(const void *items, size_t count, size_t size)
{
    void *copy = need(malloc((count + 1) * size));
    if (count > 0) {
        memcpy(copy, items, count * size);
    }
    return copy;
}

void tables_copy(const Tables *from, Tables *to)
{
    *to = *from;
    to->retries = copy_of(from->retries, from->retry_count, sizeof *from->retries);
    to->letters = copy_of(from->letters, from->letter_count, sizeof *from->letters);
    to->replays = copy_of(from->replays, from->replay_count, sizeof *from->replays);
    to->retry_room = from->retry_count;
    to->letter_room = from->letter_count;
    to->replay_room = from->replay_count;
    onboard_copy(&from->onboard, &to->onboard);
}

static bool is_before(const TableRetry *retry, size_t sink, int64_t job, int64_t seq)
{
    if (retry->sink != sink) {
        return retry->sink < sink;
    }
    return retry->job != job ? retry->job < job : retry->seq < seq;
}

/* Of the first that is not before this one. */
static size_t retry_index(const Tables *tables, size_t sink, int64_t job, int64_t seq)
{
    size_t low = 0, high = tables->retry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_before(&tables->retries[middle], sink, job, seq)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

TableRetry *tables_retry(const Tables *tables, size_t sink, int64_t job, int64_t seq)
{
    size_t at = retry_index(tables, sink, job, seq);
    bool found = at < tables->retry_count && tables->retries[at].sink == sink && tables->retries[at].job == job &&
                 tables->retries[at].seq == seq;
    return found ? &tables->retries[at] : NULL;
}

static void put_retry(Tables *tables, TableRetry retry)
{
    TableRetry *old = tables_retry(tables, retry.sink, retry.job, retry.seq);
    if (old) {
        *old = retry;
        return;
    }
    size_t at = retry_index(tables, retry.sink, retry.job, retry.seq);
    tables->retries = need_room(tables->retries, &tables->retry_room, tables->retry_count + 1, sizeof *tables->retries);
    memmove(&tables->retries[at + 1], &tables->retries[at], (tables->retry_count++ - at) * sizeof *tables->retries);
    tables->retries[at] = retry;
}

static void drop_retry(Tables *tables, size_t sink, int64_t job, int64_t seq)
{
    TableRetry *retry = tables_retry(tables, sink, job, seq);
    if (retry) {
        size_t behind = (size_t)(tables->retries + tables->retry_count - retry) - 1;
        memmove(retry, retry + 1, behind * sizeof *retry);
        tables->retry_count--;
    }
}

static void drop_retries(Tables *tables, size_t sink, int64_t job)
{
    size_t kept = 0;
    for (size_t i = 0; i < tables->retry_count; i++) {
        const TableRetry *retry = &tables->retries[i];
        if (retry->sink != sink || retry->job != job) {
            tables->retries[kept++] = *retry;
        }
    }
    tables->retry_count = kept;
}

TableLetter *tables_letter(const Tables *tables, size_t sink, int64_t seq)
{
    for (size_t i = 0; i < tables->letter_count; i++) {
        if (tables->letters[i].sink == sink && tables->letters[i].seq == seq) {
            return &tables->letters[i];
        }
    }
    return NULL;
}

TableReplay *tables_replay(const Tables *tables, int64_t id)
{
    return id >= 1 && (size_t)id <= tables->replay_count ? &tables->replays[id - 1] : NULL;
}

int64_t tables_open_letters(const Tables *tables)
{
    int64_t count = 0;
    for (size_t i = 0; i < tables->letter_count; i++) {
        count += tables->letters[i].state == DEAD_LETTER_OPEN;
    }
    return count;
}

/* ---- Work -------------------------------------------------------------------------------------------------------- */

static Status put_sink(Tables *tables, const StoredSink *sink)
{
    TableSink *row = &tables->sinks[sink_of(sink->name)];
    if (!row->is_there) {
        *row = (TableSink){.is_there = true, .place = sink->place, .version = 1, .start = sink->place.cursor};
    }
    return STATUS_OK;
}

static Status set_state(Tables *tables, const StoredSink *sink)
{
    TableSink *row = row_of(tables, sink->name);
    if (!row) {
        return STATUS_REFUSED;
    }
    row->state = sink->state;
    row->version++;
    return STATUS_OK;
}

/* A second death of the same message opens the letter that is there. */
static void put_letter(World *world, size_t sink, const DeadLetter *dead, bool announce)
{
    Tables *tables = &world->tables;
    TableLetter *letter = tables_letter(tables, sink, dead->seq);
    bool is_new = !letter;
    if (is_new) {
        tables->letters =
            need_room(tables->letters, &tables->letter_room, tables->letter_count + 1, sizeof *tables->letters);
        letter = &tables->letters[tables->letter_count++];
    }
    *letter = (TableLetter){.sink = sink,
                            .seq = dead->seq,
                            .attempts = dead->attempts,
                            .error = arena_copy(&world->workload.texts, dead->error)};
    if (is_new && announce) {
        model_announce(&world->model, &(ModelNotice){.id = (int64_t)tables->letter_count,
                                                     .sink = str_from(names[sink]),
                                                     .seq = letter->seq,
                                                     .error = letter->error,
                                                     .attempts = letter->attempts});
    }
}

static void settle(Tables *tables, size_t sink, int64_t job, int64_t seq)
{
    drop_retry(tables, sink, job, seq);
    TableLetter *letter = job ? NULL : tables_letter(tables, sink, seq);
    if (letter && letter->state == DEAD_LETTER_RETRYING) {
        letter->state = DEAD_LETTER_RESOLVED;
    }
}

static Status move_line(Tables *tables, const DeliveryChange *change)
{
    TableSink *row = row_of(tables, change->sink);
    TableReplay *replay = tables_replay(tables, change->job);
    if (change->job == 0) {
        if (row) {
            row->place = change->place;
        }
        return row ? STATUS_OK : STATUS_REFUSED;
    }
    if (!replay || replay->state != REPLAY_RUNNING || replay->sink != sink_of(change->sink)) {
        return STATUS_REFUSED;
    }
    replay->place = change->place;
    replay->sent = change->sent;
    replay->failed = change->failed;
    replay->state = change->done ? REPLAY_DONE : REPLAY_RUNNING;
    return STATUS_OK;
}

static Status change_line(World *world, const DeliveryChange *change)
{
    Tables *tables = &world->tables;
    size_t sink = sink_of(change->sink);
    if (move_line(tables, change) != STATUS_OK) {
        return STATUS_REFUSED;
    }
    for (size_t i = 0; i < change->retry_count; i++) {
        const StoredRetry *retry = &change->retries[i];
        put_retry(tables, (TableRetry){sink, change->job, retry->seq, retry->attempts, retry->due_us});
    }
    for (size_t i = 0; i < change->settled_count; i++) {
        settle(tables, sink, change->job, change->settled[i]);
    }
    for (size_t i = 0; i < change->dead_count; i++) {
        put_letter(world, sink, &change->dead[i], change->announce);
    }
    if (change->job && change->done) {
        drop_retries(tables, sink, change->job);
    }
    return STATUS_OK;
}

/* ---- Dead letters of events -------------------------------------------------------------------------------------- */

static TableLetter *find_again(const Tables *tables, const IntakeLetter *coming)
{
    for (size_t i = 0; i < tables->letter_count; i++) {
        TableLetter *letter = &tables->letters[i];
        if (tables_is_of_intake(letter) && letter->state <= DEAD_LETTER_RETRYING &&
            str_equal(letter->place, coming->place) && str_equal(letter->raw, coming->raw)) {
            return letter;
        }
    }
    return NULL;
}

static TableLetter *tried_again(const Tables *tables, int64_t id)
{
    TableLetter *letter = id >= 1 && (size_t)id <= tables->letter_count ? &tables->letters[id - 1] : NULL;
    return letter && tables_is_of_intake(letter) && letter->state == DEAD_LETTER_RETRYING ? letter : NULL;
}

static void fail_letter(TableLetter *letter, Str error)
{
    letter->state = DEAD_LETTER_OPEN;
    letter->error = error;
    letter->attempts++;
}

static void add_letter(World *world, const IntakeLetter *coming)
{
    Tables *tables = &world->tables;
    tables->letters =
        need_room(tables->letters, &tables->letter_room, tables->letter_count + 1, sizeof *tables->letters);
    tables->letters[tables->letter_count++] = (TableLetter){.sink = TABLES_SINKS_MAX,
                                                            .attempts = 1,
                                                            .error = coming->error,
                                                            .place = coming->place,
                                                            .format = coming->format,
                                                            .raw = coming->raw};
    model_announce(&world->model, &(ModelNotice){.id = (int64_t)tables->letter_count,
                                                 .source = TABLES_SOURCE,
                                                 .place = coming->place,
                                                 .error = coming->error,
                                                 .attempts = 1});
}

/* One that comes again while its letter is tried again leaves that to whoever does so. */
static void take_refused(World *world, const IntakeLetter *coming)
{
    TableLetter *letter =
        coming->letter ? tried_again(&world->tables, coming->letter) : find_again(&world->tables, coming);
    bool is_busy = letter && !coming->letter && letter->state == DEAD_LETTER_RETRYING;
    if (letter && !is_busy) {
        fail_letter(letter, coming->error);
    } else if (!letter && !coming->letter) {
        add_letter(world, coming);
    }
}

void tables_take_in(World *world, const ModelWork *work, const Outcome *outcomes)
{
    for (size_t i = 0; i < work->count && work->letters; i++) {
        TableLetter *letter = tried_again(&world->tables, work->letters[i].letter);
        if (letter && outcomes[i].kind != OUTCOME_NONE) {
            letter->state = DEAD_LETTER_RESOLVED;
        }
    }
    for (size_t i = 0; i < work->failed_count && work->refused; i++) {
        take_refused(world, &work->refused[i]);
    }
}

/* ---- Dead letters of jobs ---------------------------------------------------------------------------------------- */

static TableLetter *letter_of_job(const Tables *tables, int64_t job)
{
    for (size_t i = 0; i < tables->letter_count; i++) {
        if (tables->letters[i].sink == TABLES_OF_JOBS && tables->letters[i].job == job) {
            return &tables->letters[i];
        }
    }
    return NULL;
}

static TableLetter *new_letter(Tables *tables)
{
    tables->letters =
        need_room(tables->letters, &tables->letter_room, tables->letter_count + 1, sizeof *tables->letters);
    return &tables->letters[tables->letter_count++];
}

void tables_open_job_letter(World *world, const StoredJob *job, bool announce)
{
    Tables *tables = &world->tables;
    TableLetter *letter = letter_of_job(tables, job->id);
    bool is_new = !letter;
    if (is_new) {
        letter = new_letter(tables);
        const char *place = arena_printf(&world->workload.texts, "job/%lld", (long long)job->id);
        *letter = (TableLetter){.sink = TABLES_OF_JOBS,
                                .job = job->id,
                                .batch = job->batch_id,
                                .place = str_from(need((void *)(uintptr_t)place))};
    }
    letter->state = DEAD_LETTER_OPEN;
    letter->error = job->error;
    letter->attempts = job->attempts;
    if (is_new && announce) {
        model_announce(&world->model, &(ModelNotice){.id = (int64_t)tables->letter_count,
                                                     .batch = letter->batch,
                                                     .place = letter->place,
                                                     .error = letter->error,
                                                     .attempts = letter->attempts});
    }
}

void tables_move_job_letter(Tables *tables, int64_t job, DeadLetterState from, DeadLetterState to)
{
    TableLetter *letter = letter_of_job(tables, job);
    if (letter && letter->state == from) {
        letter->state = to;
    }
}

/* ---- What people do about them ----------------------------------------------------------------------------------- */

static bool picks(const DeadLetterFilter *filter, const TableLetter *letter, int64_t id)
{
    bool of_intake = tables_is_of_intake(letter), of_sink = tables_is_of_sink(letter);
    Str origin = of_intake ? TABLES_SOURCE : of_sink ? str_from(names[letter->sink]) : letter->batch;
    DeadLetterStage stage = of_intake ? DEAD_LETTER_INTAKE : of_sink ? DEAD_LETTER_DELIVERY : DEAD_LETTER_JOB;
    return (filter->stage < 0 || filter->stage == (int)stage) &&
           (filter->state < 0 || filter->state == (int)letter->state) &&
           (filter->origin.len == 0 || str_equal(filter->origin, origin)) && (filter->id == 0 || filter->id == id) &&
           (filter->before == 0 || id < filter->before) && letter->state == DEAD_LETTER_OPEN;
}

static void revive(Tables *tables, TableLetter *letter)
{
    letter->state = DEAD_LETTER_RETRYING;
    put_retry(tables, (TableRetry){letter->sink, 0, letter->seq, letter->attempts, TABLES_UNKNOWN});
}

/* Of one sink, the oldest first. */
static size_t revive_of_sink(Tables *tables, size_t sink, const DeadLetterChange *change, size_t limit)
{
    size_t count = 0;
    for (size_t i = 0; i < tables->letter_count && count < limit; i++) {
        TableLetter *letter = &tables->letters[i];
        if (letter->sink == sink && picks(&change->filter, letter, (int64_t)i + 1)) {
            revive(tables, letter);
            count++;
        }
    }
    tables->sinks[sink].version += count > 0;
    return count;
}

static size_t retry_intake(Tables *tables, const DeadLetterChange *change)
{
    size_t count = 0;
    for (size_t i = 0; i < tables->letter_count && count < change->limit; i++) {
        TableLetter *letter = &tables->letters[i];
        if (tables_is_of_intake(letter) && picks(&change->filter, letter, (int64_t)i + 1)) {
            letter->state = DEAD_LETTER_RETRYING;
            count++;
        }
    }
    return count;
}

static size_t retry_jobs(World *world, const DeadLetterChange *change, size_t limit)
{
    Tables *tables = &world->tables;
    size_t count = 0;
    for (size_t i = 0; i < tables->letter_count && count < limit; i++) {
        const TableLetter *letter = &tables->letters[i];
        if (letter->sink == TABLES_OF_JOBS && picks(&change->filter, letter, (int64_t)i + 1)) {
            count += onboard_retry(world, letter->job);
        }
    }
    return count;
}

static Status change_letters(World *world, const DeadLetterChange *change)
{
    Tables *tables = &world->tables;
    size_t left = change->limit;
    left -= change->action == DEAD_LETTER_RETRY ? retry_intake(tables, change) : 0;
    for (size_t sink = 0; change->action == DEAD_LETTER_RETRY && sink < TABLES_SINKS_MAX; sink++) {
        left -= revive_of_sink(tables, sink, change, left);
    }
    left -= change->action == DEAD_LETTER_RETRY ? retry_jobs(world, change, left) : 0;
    for (size_t i = 0; change->action == DEAD_LETTER_DISCARD && i < tables->letter_count && left > 0; i++) {
        TableLetter *letter = &tables->letters[i];
        if (picks(&change->filter, letter, (int64_t)i + 1)) {
            letter->state = DEAD_LETTER_DISCARDED;
            left--;
        }
    }
    return STATUS_OK;
}

static Status put_replay(Tables *tables, const StoredReplay *replay)
{
    TableSink *row = row_of(tables, replay->sink);
    if (!row) {
        return STATUS_REFUSED;
    }
    tables->replays =
        need_room(tables->replays, &tables->replay_room, tables->replay_count + 1, sizeof *tables->replays);
    tables->replays[tables->replay_count++] = (TableReplay){.sink = sink_of(replay->sink),
                                                            .after = replay->after,
                                                            .through = replay->through,
                                                            .filter = replay->filter,
                                                            .place = {.cursor = replay->after}};
    row->version++;
    return STATUS_OK;
}

static Status cancel_replay(Tables *tables, int64_t id)
{
    TableReplay *replay = tables_replay(tables, id);
    if (!replay || replay->state != REPLAY_RUNNING) {
        return STATUS_REFUSED;
    }
    replay->state = REPLAY_CANCELLED;
    drop_retries(tables, replay->sink, id);
    tables->sinks[replay->sink].version++;
    return STATUS_OK;
}

Status tables_apply(World *world, const Work *work)
{
    Tables *tables = &world->tables;
    if (onboard_is_work(work->kind)) {
        return onboard_apply(world, work);
    }
    switch (work->kind) {
    case WORK_SINK_PUT: return put_sink(tables, &work->sink);
    case WORK_SINK_STATE: return set_state(tables, &work->sink);
    case WORK_DELIVERY: return change_line(world, &work->delivery);
    case WORK_DEAD_LETTERS: return change_letters(world, &work->dead_letters);
    case WORK_REPLAY_PUT: return put_replay(tables, &work->replay);
    case WORK_REPLAY_CANCEL: return cancel_replay(tables, work->replay.id);
    default: abort(); /* the simulated people do no other work */
    }
}

/* ---- Kept work --------------------------------------------------------------------------------------------------- */

static Str name_of(Str name) { return str_from(names[sink_of(name)]); }

static Str text_of(Str text) { return (Str){copy_of(text.ptr, text.len, 1), text.len}; }

static void keep_change(DeliveryChange *change)
{
    change->sink = name_of(change->sink);
    change->retries = copy_of(change->retries, change->retry_count, sizeof *change->retries);
    change->settled = copy_of(change->settled, change->settled_count, sizeof *change->settled);
    DeadLetter *dead = copy_of(change->dead, change->dead_count, sizeof *change->dead);
    for (size_t i = 0; i < change->dead_count; i++) {
        dead[i].error = text_of(dead[i].error);
    }
    change->dead = dead;
}

/* People's work borrows only what lives as long as the world. */
Work *tables_keep_work(World *world, const Work *work)
{
    Work *kept = need(malloc(sizeof *kept));
    *kept = *work;
    if (work->kind == WORK_DELIVERY) {
        keep_change(&kept->delivery);
    } else if (work->kind == WORK_SINK_STATE || work->kind == WORK_SINK_PUT) {
        kept->sink.name = name_of(work->sink.name);
        kept->sink.reason = (Str){NULL, 0};
    } else {
        onboard_keep_work(world, kept);
    }
    return kept;
}

void tables_free_work(Work *work)
{
    if (work && work->kind == WORK_DELIVERY) {
        for (size_t i = 0; i < work->delivery.dead_count; i++) {
            free((void *)(uintptr_t)work->delivery.dead[i].error.ptr);
        }
        free((void *)(uintptr_t)work->delivery.retries);
        free((void *)(uintptr_t)work->delivery.settled);
        free((void *)(uintptr_t)work->delivery.dead);
    } else if (work) {
        onboard_free_work(work);
    }
    free(work);
}
